//! The data plane: what each interface has heard of.
//!
//! The API says what is true; an interface acts on what has reached it. Each change of each fact reaches each
//! viewer after its own delay, drawn from the seed. Changes of one fact stay in order; nothing else does.

use std::collections::{BTreeMap, BTreeSet};

/// Facts with their histories.
#[derive(Clone, Debug)]
pub struct DataPlane<F> {
    seed: u64,
    min_ms: u64,
    max_ms: u64,
    changes: u64,
    /// fact → (time, holds, number of the change).
    histories: BTreeMap<F, Vec<(u64, bool, u64)>>,
    last_ms: u64,
}

impl<F: Ord + Clone> DataPlane<F> {
    /// Delays are drawn between the two bounds, both included.
    pub fn new(seed: u64, min_ms: u64, max_ms: u64) -> Self {
        Self { seed, min_ms, max_ms: max_ms.max(min_ms), changes: 0, histories: BTreeMap::new(), last_ms: 0 }
    }

    /// A copy that draws its delays from another seed. What has settled stays settled.
    pub fn fork(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// Notes that a fact holds, or holds no more, from now on.
    pub fn note(&mut self, fact: F, holds: bool, now_ms: u64) {
        self.changes += 1;
        self.last_ms = now_ms;
        self.histories.entry(fact).or_default().push((now_ms, holds, self.changes));
    }

    /// Whether a viewer sees the fact hold.
    pub fn sees(&self, viewer: &str, fact: &F, now_ms: u64) -> bool {
        let (mut holds, mut reached) = (false, 0);
        for &(at, value, change) in self.histories.get(fact).into_iter().flatten() {
            reached = reached.max(at + self.delay(viewer, change));
            if reached > now_ms {
                break;
            }
            holds = value;
        }
        holds
    }

    /// Every time since `from_ms` at which some viewer sees something new, sorted.
    pub fn moments<'a>(&self, viewers: impl Iterator<Item = &'a str> + Clone, from_ms: u64) -> Vec<u64> {
        let mut moments = BTreeSet::new();
        for history in self.histories.values() {
            for viewer in viewers.clone() {
                let mut reached = 0;
                for &(at, _, change) in history {
                    reached = reached.max(at + self.delay(viewer, change));
                    moments.extend((reached >= from_ms).then_some(reached));
                }
            }
        }
        moments.into_iter().collect()
    }

    /// The first time after now at which a change reaches one of the viewers.
    pub fn next_change<'a>(
        &self,
        viewers: impl Iterator<Item = &'a str> + Clone,
        now_ms: u64,
    ) -> Option<u64> {
        // A history whose last change has reached everybody has nothing to come.
        let open =
            self.histories.values().filter(|h| h.last().is_some_and(|(at, ..)| at + self.max_ms > now_ms));
        let arrivals = open.flat_map(|history| {
            viewers.clone().flat_map(move |viewer| {
                history.iter().scan(0, move |reached, &(at, _, change)| {
                    *reached = (at + self.delay(viewer, change)).max(*reached);
                    Some(*reached)
                })
            })
        });
        arrivals.filter(|at| *at > now_ms).min()
    }

    /// Whether the fact holds by the API.
    pub fn holds(&self, fact: &F) -> bool {
        self.histories.get(fact).and_then(|history| history.last()).is_some_and(|change| change.1)
    }

    /// Every fact that ever held, in order.
    pub fn facts(&self) -> impl Iterator<Item = &F> {
        self.histories.keys()
    }

    /// Every fact in a range that ever held.
    pub fn range<'a>(&'a self, range: impl std::ops::RangeBounds<F> + 'a) -> impl Iterator<Item = &'a F> {
        self.histories.range(range).map(|(fact, _)| fact)
    }

    /// The longest delay.
    pub fn max_ms(&self) -> u64 {
        self.max_ms
    }

    /// Whether every change has reached everybody.
    pub fn is_settled(&self, now_ms: u64) -> bool {
        now_ms >= self.last_ms + self.max_ms
    }

    fn delay(&self, viewer: &str, change: u64) -> u64 {
        // FNV-1a over viewer, change and seed: the same for the same seed on every machine.
        let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ self.seed;
        for byte in viewer.bytes().chain(change.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash ^= hash >> 29;
        self.min_ms + hash % (self.max_ms - self.min_ms + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_a_fact_arrive_in_order_and_within_the_bounds() {
        for seed in 0..200 {
            let mut plane = DataPlane::new(seed, 100, 1000);
            plane.note("rule", true, 0);
            plane.note("rule", false, 10);
            assert!(!plane.sees("a", &"rule", 50), "before the shortest delay");
            assert!(!plane.sees("a", &"rule", 1010), "the later change wins in the end");
            assert!(!plane.holds(&"rule"));
        }
    }

    #[test]
    fn the_next_change_is_when_a_viewer_sees_something_new() {
        let mut plane = DataPlane::new(3, 10, 1000);
        plane.note("rule", true, 5);
        let viewers = ["a", "b"];
        let mut now = 5;
        while let Some(next) = plane.next_change(viewers.into_iter(), now) {
            let seen = |at| viewers.map(|viewer| plane.sees(viewer, &"rule", at));
            assert_eq!(seen(next - 1), seen(now), "nothing between");
            assert_ne!(seen(next), seen(now), "something at it");
            now = next;
        }
        assert!(viewers.iter().all(|viewer| plane.sees(viewer, &"rule", now)));
    }

    #[test]
    fn viewers_see_a_change_at_different_times() {
        let mut plane = DataPlane::new(1, 0, 1000);
        plane.note("rule", true, 0);
        let seen = |viewer| (0..=1000).find(|now| plane.sees(viewer, &"rule", *now));
        assert_ne!(seen("a"), seen("b"));
        assert!(plane.is_settled(1000) && !plane.is_settled(999));
    }
}
