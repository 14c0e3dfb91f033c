//! The texts of curves: what they say, and where they stand without covering boxes or each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::figure::{shortened, visible, width};
use crate::map::Map;
use crate::map::layout::{Area, Curve, route};

/// Names of services in one text.
const NAMES_MAX: usize = 2;
/// Letters of one name.
const NAME_MAX: usize = 22;
/// About the width of a letter.
const LETTER: f64 = 6.2;
const HEIGHT: f64 = 14.0;
/// Where along a curve a text may stand, the best first.
const PLACES: [f64; 9] = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82];

/// The text of a curve.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::map) struct Label {
    pub(in crate::map) text: String,
    /// The middle of the text.
    pub(in crate::map) at: (f64, f64),
    /// Whether nothing else is there.
    pub(in crate::map) is_free: bool,
}

/// Services of some edges, the most used first: `https, dns +3`.
pub(super) fn services(map: &Map, edges: &[usize]) -> String {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for &at in edges {
        let edge = &map.edges[at];
        let sum = sums.entry(edge.service_short()).or_default();
        *sum = sum.saturating_add(edge.tally.connections);
    }
    let mut names: Vec<(Reverse<u64>, String)> =
        sums.into_iter().map(|(name, sum)| (Reverse(sum), name)).collect();
    names.sort();
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown =
        names.iter().take(NAMES_MAX).map(|(_, name)| shortened(&visible(name), NAME_MAX).into_owned());
    let text = shown.collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} +{more}") } else { text }
}

/// Curves with their texts, where there is room for them.
pub(super) fn placed(curves: Vec<[(f64, f64); 4]>, texts: Vec<String>, boxes: &[Area]) -> Vec<Curve> {
    let mut taken = Taken::default();
    boxes.iter().for_each(|place| taken.add(*place));
    let place = |(points, text): ([(f64, f64); 4], String)| {
        let label = taken.place(&points, text);
        Curve { points, label }
    };
    curves.into_iter().zip(texts).map(place).collect()
}

/// What is taken, by the cells of a grid.
#[derive(Default)]
struct Taken {
    boxes: Vec<Area>,
    cells: FxHashMap<(i64, i64), Vec<usize>>,
}

const CELL: f64 = 80.0;

impl Taken {
    fn place(&mut self, points: &[(f64, f64); 4], text: String) -> Label {
        let size = width(&text) as f64 * LETTER + 6.0;
        let around =
            |(x, y): (f64, f64)| Area { x: x - size / 2.0, y: y - HEIGHT / 2.0, width: size, height: HEIGHT };
        for place in PLACES {
            let at = route::point(points, place);
            if !self.is_taken(&around(at)) {
                self.add(around(at));
                return Label { text, at, is_free: true };
            }
        }
        Label { text, at: route::point(points, 0.5), is_free: false }
    }

    fn cells(place: &Area) -> impl Iterator<Item = (i64, i64)> + use<> {
        let cell = |at: f64| (at / CELL).floor() as i64;
        let (left, right) = (cell(place.x), cell(place.right()));
        let (top, bottom) = (cell(place.y), cell(place.bottom()));
        (left..=right).flat_map(move |x| (top..=bottom).map(move |y| (x, y)))
    }

    fn is_taken(&self, place: &Area) -> bool {
        let near: BTreeSet<usize> =
            Self::cells(place).filter_map(|cell| self.cells.get(&cell)).flatten().copied().collect();
        near.into_iter().any(|at| self.boxes[at].overlaps(place))
    }

    fn add(&mut self, place: Area) {
        Self::cells(&place).for_each(|cell| self.cells.entry(cell).or_default().push(self.boxes.len()));
        self.boxes.push(place);
    }
}
