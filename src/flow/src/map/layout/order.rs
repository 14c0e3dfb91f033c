//! Layers and the order inside them: who opens connections stands before whom they are opened to, and neighbours stand
//! side by side.
//!
//! 1. Cycles are broken where least is lost: the order of Eades, Lin and Smyth (1993), sinks last, sources first, else who
//!    opens most beyond what is opened to it.
//! 2. A layer is the longest way from a source; who nothing is opened to moves up to whom it opens.
//! 3. Inside layers, order by barycentre, a few sweeps there and back.

use std::collections::BTreeSet;

/// Sweeps over all layers.
const SWEEPS: usize = 8;

/// A weighted edge between two things of `0..count`.
pub(super) type Edge = (usize, usize, u64);

/// More layers than this are made fewer; each layer more doubles the arrangements.
const LAYERS_MAX: usize = 8;

/// Things in layers, each layer in order; every thing is in exactly one.
pub(super) type Layers = Vec<Vec<usize>>;

/// All arrangements that are worth looking at, those with the fewest layers first: layers as they are found, and any
/// neighbouring layers made one.
pub(super) fn arrangements(count: usize, edges: &[Edge]) -> Vec<Layers> {
    let edges: Vec<Edge> = edges.iter().copied().filter(|(from, to, _)| from != to).collect();
    let layers = layered(count, &edges);
    let borders = layers.len().saturating_sub(1);
    let mut found: Vec<Layers> = (0..1_usize << borders)
        .map(|kept| {
            let mut merged: Layers = Vec::new();
            for (at, layer) in layers.iter().enumerate() {
                match merged.last_mut() {
                    Some(last) if kept >> (at - 1) & 1 == 0 => last.extend(layer),
                    _ => merged.push(layer.clone()),
                }
            }
            reduce_crossings(count, &edges, &mut merged);
            merged
        })
        .collect();
    found.sort_by_key(Vec::len);
    found
}

fn layered(count: usize, edges: &[Edge]) -> Layers {
    let place = acyclic(count, edges);
    // Who stands later in the order is a later layer, whichever way the edge runs.
    let forward: BTreeSet<(usize, usize)> = edges
        .iter()
        .map(|&(from, to, _)| if place[from] < place[to] { (from, to) } else { (to, from) })
        .collect();
    let layer = longest_ways(count, &forward, &place);
    let used = layer.iter().max().map_or(0, |last| last + 1);
    let mut layers: Layers = vec![Vec::new(); used.min(LAYERS_MAX)];
    for (thing, layer) in layer.iter().enumerate() {
        layers[if used > LAYERS_MAX { layer * LAYERS_MAX / used } else { *layer }].push(thing);
    }
    layers.retain(|layer| !layer.is_empty());
    layers
}

/// For each thing its place in an order in which few edges run backwards.
fn acyclic(count: usize, edges: &[Edge]) -> Vec<usize> {
    let mut out = vec![Vec::new(); count];
    let mut into = vec![Vec::new(); count];
    for &(from, to, weight) in edges {
        out[from].push((to, weight));
        into[to].push((from, weight));
    }
    let sum = |edges: &[(usize, u64)]| edges.iter().map(|(_, weight)| *weight).fold(0, u64::saturating_add);
    let mut opens: Vec<u64> = out.iter().map(|edges| sum(edges)).collect();
    let mut opened: Vec<u64> = into.iter().map(|edges| sum(edges)).collect();
    let mut left: BTreeSet<usize> = (0..count).collect();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let sink = left.iter().copied().find(|thing| opens[*thing] == 0 && opened[*thing] > 0);
        let source = || left.iter().copied().find(|thing| opened[*thing] == 0);
        let most = || {
            left.iter().copied().max_by_key(|thing| {
                (i128::from(opens[*thing]) - i128::from(opened[*thing]), std::cmp::Reverse(*thing))
            })
        };
        let Some(next) = sink.or_else(source).or_else(most) else { break };
        if sink.is_some() {
            last.push(next)
        } else {
            first.push(next)
        }
        left.remove(&next);
        out[next].iter().for_each(|(to, weight)| opened[*to] = opened[*to].saturating_sub(*weight));
        into[next].iter().for_each(|(from, weight)| opens[*from] = opens[*from].saturating_sub(*weight));
    }
    let mut place = vec![0; count];
    first.into_iter().chain(last.into_iter().rev()).enumerate().for_each(|(at, thing)| place[thing] = at);
    place
}

fn longest_ways(count: usize, forward: &BTreeSet<(usize, usize)>, place: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|thing| place[*thing]);
    let mut next = vec![Vec::new(); count];
    let mut has_before = vec![false; count];
    for &(from, to) in forward {
        next[from].push(to);
        has_before[to] = true;
    }
    let mut layer = vec![0; count];
    for &thing in &order {
        for &to in &next[thing] {
            layer[to] = layer[to].max(layer[thing] + 1);
        }
    }
    for &thing in order.iter().filter(|thing| !has_before[**thing]) {
        layer[thing] = next[thing].iter().map(|to| layer[*to] - 1).min().unwrap_or(0);
    }
    layer
}

fn reduce_crossings(count: usize, edges: &[Edge], layers: &mut Layers) {
    let mut neighbours = vec![Vec::new(); count];
    for &(from, to, _) in edges {
        neighbours[from].push(to);
        neighbours[to].push(from);
    }
    let mut height = vec![0.0; count];
    layers.iter().for_each(|layer| number(layer, &mut height));
    for sweep in 0..SWEEPS {
        for step in 0..layers.len() {
            let at = if sweep % 2 == 0 { step } else { layers.len() - 1 - step };
            let mean = |thing: &usize| {
                let all = &neighbours[*thing];
                let sum: f64 = all.iter().map(|other| height[*other]).sum();
                if all.is_empty() { height[*thing] } else { sum / all.len() as f64 }
            };
            layers[at].sort_by_cached_key(|thing| ((mean(thing) * 1e6) as i64, *thing));
            number(&layers[at], &mut height);
        }
    }
}

/// Places in a layer as shares of its height, so that layers of different lengths compare.
fn number(layer: &[usize], height: &mut [f64]) {
    for (at, thing) in layer.iter().enumerate() {
        height[*thing] = (at as f64 + 0.5) / layer.len() as f64;
    }
}
