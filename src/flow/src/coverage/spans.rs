//! Stretches of time, sorted, none touching another.

use serde::{Deserialize, Serialize};

/// From a Unix second to just before another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Span(
    /// The first second.
    pub i64,
    /// The first second after it.
    pub i64,
);

/// INVARIANT: sorted, none is empty, no two touch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Span>", into = "Vec<Span>")]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Adds a stretch; an empty one is nothing.
    pub fn add(&mut self, span: Span) {
        if span.0 >= span.1 {
            return;
        }
        let first = self.0.partition_point(|known| known.1 < span.0);
        let after = self.0.partition_point(|known| known.0 <= span.1);
        let touched = self.0.get(first..after).unwrap_or_default();
        let from = touched.first().map_or(span.0, |known| known.0.min(span.0));
        let until = touched.last().map_or(span.1, |known| known.1.max(span.1));
        self.0.splice(first..after, [Span(from, until)]);
    }

    /// Adds all of another.
    pub fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|&span| self.add(span));
    }

    /// What lies in a stretch.
    pub fn within(&self, from: i64, until: i64) -> Self {
        let cut = self.0.iter().map(|span| Span(span.0.max(from), span.1.min(until)));
        Self(cut.filter(|span| span.0 < span.1).collect())
    }

    /// How many seconds they are together.
    pub fn seconds(&self) -> u64 {
        self.0.iter().map(|span| span.1.abs_diff(span.0)).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Span> {
        self.0.iter()
    }
}

impl From<Vec<Span>> for Spans {
    fn from(spans: Vec<Span>) -> Self {
        let mut all = Self::default();
        spans.into_iter().for_each(|span| all.add(span));
        all
    }
}

impl From<Spans> for Vec<Span> {
    fn from(spans: Spans) -> Self {
        spans.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spans_are_the_seconds_that_were_added(
            added in proptest::collection::vec((0i64..40, 0i64..12), 0..12), from in 0i64..50, length in 0i64..20,
        ) {
            let spans: Spans = added.iter().map(|&(from, length)| Span(from, from + length)).collect::<Vec<_>>().into();
            let has = |spans: &Spans, at| spans.iter().any(|span| span.0 <= at && at < span.1);
            for at in 0..60 {
                let expected = added.iter().any(|&(from, length)| from <= at && at < from + length);
                prop_assert_eq!(has(&spans, at), expected);
                let is_within = from <= at && at < from + length;
                prop_assert_eq!(has(&spans.within(from, from + length), at), expected && is_within);
            }
            prop_assert!(spans.0.is_sorted_by(|a, b| a.1 < b.0), "{:?}", spans);
            prop_assert_eq!(spans.seconds(), (0..60).filter(|&at| has(&spans, at)).count() as u64);
        }
    }
}
