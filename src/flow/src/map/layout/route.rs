//! Curves between boxes: they leave and arrive at the sides, spread over them in the order of where they go.

use std::collections::BTreeMap;

use crate::map::layout::Area;

/// How far beyond a side a curve bends when both its ends are at the same side.
const BULGE: f64 = 46.0;

/// A curve for each pair of boxes.
pub(super) fn curves(boxes: &[Area], pairs: &[(usize, usize)]) -> Vec<[(f64, f64); 4]> {
    let sides: Vec<Sides> = pairs.iter().map(|(from, to)| sides(&boxes[*from], &boxes[*to])).collect();
    let heights = spread(boxes, pairs, &sides);
    let curve = |at: usize| {
        let (from, to) = pairs[at];
        let (start, end) = heights[at];
        if from == to {
            return turn(&boxes[from]);
        }
        bend(&boxes[from], &boxes[to], sides[at], start, end)
    };
    (0..pairs.len()).map(curve).collect()
}

/// The sides at which a curve leaves and arrives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

type Sides = (Side, Side);

fn sides(from: &Area, to: &Area) -> Sides {
    if to.x >= from.right() {
        (Side::Right, Side::Left)
    } else if to.right() <= from.x {
        (Side::Left, Side::Right)
    } else {
        (Side::Right, Side::Right)
    }
}

/// The height of a curve's other end, its place in the list, and whether it leaves here.
type Touch = (i64, usize, bool);

/// The heights at which each curve leaves and arrives: all that touch a side share it, in the order of their other ends.
fn spread(boxes: &[Area], pairs: &[(usize, usize)], sides: &[Sides]) -> Vec<(f64, f64)> {
    let mut touching: BTreeMap<(usize, Side), Vec<Touch>> = BTreeMap::new();
    for (at, ((from, to), (leaves, arrives))) in pairs.iter().zip(sides).enumerate() {
        let height = |other: &usize| boxes[*other].middle() as i64;
        touching.entry((*from, *leaves)).or_default().push((height(to), at, true));
        touching.entry((*to, *arrives)).or_default().push((height(from), at, false));
    }
    let mut heights = vec![(0.0, 0.0); pairs.len()];
    for ((place, _), mut ends) in touching {
        ends.sort_unstable();
        let place = &boxes[place];
        for (row, (_, at, is_start)) in ends.iter().enumerate() {
            let y = place.y + place.height * (row as f64 + 1.0) / (ends.len() as f64 + 1.0);
            if *is_start { heights[*at].0 = y } else { heights[*at].1 = y }
        }
    }
    heights
}

fn bend(from: &Area, to: &Area, (leaves, arrives): Sides, start: f64, end: f64) -> [(f64, f64); 4] {
    let x = |place: &Area, side| if side == Side::Left { place.x } else { place.right() };
    let (a, d) = ((x(from, leaves), start), (x(to, arrives), end));
    if leaves == arrives {
        let out = a.0.max(d.0) + BULGE + 0.08 * (d.1 - a.1).abs();
        return [a, (out, a.1), (out, d.1), d];
    }
    let reach = ((d.0 - a.0).abs() * 0.5).max(24.0);
    let reach = if leaves == Side::Right { reach } else { -reach };
    [a, (a.0 + reach, a.1), (d.0 - reach, d.1), d]
}

/// A node that talks to its like: a turn above its right corner.
fn turn(place: &Area) -> [(f64, f64); 4] {
    let (right, top) = (place.right(), place.y);
    [(right - 26.0, top), (right - 30.0, top - 22.0), (right + 26.0, top - 14.0), (right, top + 9.0)]
}

/// A point of a curve: 0 is where it leaves, 1 where it arrives.
pub(super) fn point(curve: &[(f64, f64); 4], at: f64) -> (f64, f64) {
    let rest = 1.0 - at;
    let weights = [rest * rest * rest, 3.0 * rest * rest * at, 3.0 * rest * at * at, at * at * at];
    let sum = |of: fn(&(f64, f64)) -> f64| {
        curve.iter().zip(weights).map(|(point, weight)| of(point) * weight).sum()
    };
    (sum(|point| point.0), sum(|point| point.1))
}
