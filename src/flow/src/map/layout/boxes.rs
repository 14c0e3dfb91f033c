//! Boxes: nodes in their group, groups in columns.

use crate::figure::{visible, width};
use crate::map::layout::{Link, order};
use crate::map::{Map, Node};

/// Free space around the picture.
pub(in crate::map) const MARGIN: f64 = 24.0;
/// Height of a node.
pub(in crate::map) const NODE_HEIGHT: f64 = 30.0;
/// Height of a group's title.
pub(in crate::map) const TITLE_HEIGHT: f64 = 32.0;
const PADDING: f64 = 16.0;
const NODE_WIDTH: (f64, f64) = (84.0, 220.0);
/// About the width of a letter of a node's name.
const LETTER: f64 = 7.6;
/// About the width of a letter of a group's name.
pub(in crate::map) const GROUP_LETTER: f64 = 9.2;
/// Between nodes, one below the other.
const ROW_GAP: f64 = 16.0;
/// Between columns of nodes: room for a curve and its text.
const COLUMN_GAP: f64 = 88.0;
/// Between columns of one layer that are side by side only to save height.
const WRAP_GAP: f64 = 20.0;
/// Between groups.
const GROUP_GAP: (f64, f64) = (130.0, 34.0);
/// Width of the picture by its height, about: that of a screen.
const SHAPE: f64 = 1.9;
/// How much smaller a picture may be drawn for the sake of layers that are all told apart: inside groups, and of groups.
const WORTH: (f64, f64) = (0.6, 0.85);
/// Nodes of a group, one below the other.
const ROWS_MAX: usize = 9;

/// A box by its upper left corner and its size.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(in crate::map) struct Area {
    pub(in crate::map) x: f64,
    pub(in crate::map) y: f64,
    pub(in crate::map) width: f64,
    pub(in crate::map) height: f64,
}

impl Area {
    pub(in crate::map) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(in crate::map) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub(in crate::map) fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }

    pub(in crate::map) fn overlaps(&self, other: &Self) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }
}

/// Boxes of all groups and of all nodes.
pub(super) fn place(map: &Map, links: &[Link]) -> (Vec<Area>, Vec<Area>) {
    let mut nodes = Vec::with_capacity(map.nodes.len());
    let mut sizes = Vec::with_capacity(map.groups.len());
    for group in 0..map.groups.len() {
        // Nodes of a group stand side by side in the map.
        let (inside, size) = place_inside(map, group, nodes.len(), links);
        nodes.extend(inside);
        sizes.push(size);
    }
    let groups = place_groups(map, links, &sizes);
    for (node, place) in map.nodes.iter().zip(&mut nodes) {
        place.x += groups[node.group].x;
        place.y += groups[node.group].y;
    }
    (groups, nodes)
}

/// A layout with its size.
type Sized<T> = (T, (f64, f64));

/// Of layouts, with their layers, the one that is drawn largest of those with the most layers that are not drawn much smaller
/// than the best.
fn fitted<T>(tries: Vec<(usize, Sized<T>)>, worth: f64) -> Option<Sized<T>> {
    let scale = |(width, height): (f64, f64)| (SHAPE / width.max(1.0)).min(1.0 / height.max(1.0));
    let best = tries.iter().map(|(_, (_, size))| scale(*size)).fold(0.0, f64::max);
    let worthy = tries.into_iter().filter(|(_, (_, size))| scale(*size) >= best * worth);
    let better = |(layers, (_, size)): &(usize, Sized<T>), (other, (_, other_size)): &(usize, Sized<T>)| {
        layers.cmp(other).then(scale(*size).total_cmp(&scale(*other_size)))
    };
    worthy.max_by(better).map(|(_, sized)| sized)
}

/// The nodes of a group, the first of which is `start`, as seen from its corner; the size of the group.
fn place_inside(map: &Map, group: usize, start: usize, links: &[Link]) -> Sized<Vec<Area>> {
    let count = map.nodes.iter().filter(|node| node.group == group).count();
    let is_inside =
        |link: &&Link| map.group_of(link.source) == group && map.group_of(link.destination) == group;
    let edge = |link: &Link| (link.source - start, link.destination - start, link.edges.len() as u64);
    let edges: Vec<order::Edge> = links.iter().filter(is_inside).map(edge).collect();
    let widths: Vec<f64> = map.nodes.iter().skip(start).take(count).map(node_width).collect();
    let tries = order::arrangements(count, &edges).into_iter();
    let tries = tries.map(|layers| (layers.len(), place_layers(&layers, &widths))).collect();
    let (places, (wide, high)) = fitted(tries, WORTH.0).unwrap_or_default();
    let title = width(&visible(&map.groups[group].name())) as f64 * GROUP_LETTER + 2.0 * PADDING + 8.0;
    (places, (wide.max(title.min(420.0)), high))
}

/// Layers of nodes of one group as columns.
fn place_layers(layers: &[Vec<usize>], widths: &[f64]) -> Sized<Vec<Area>> {
    let columns: Vec<(bool, Vec<usize>)> = layers.iter().flat_map(|layer| wrapped(layer)).collect();
    let tallest = columns.iter().map(|(_, column)| column.len()).max().unwrap_or(0);
    let mut places = vec![Area::default(); widths.len()];
    let mut x = PADDING;
    for (at, (is_new_layer, column)) in columns.iter().enumerate() {
        x += if at == 0 {
            0.0
        } else if *is_new_layer {
            COLUMN_GAP
        } else {
            WRAP_GAP
        };
        let width = column.iter().map(|node| widths[*node]).fold(0.0, f64::max);
        let spare = (tallest - column.len()) as f64 * (NODE_HEIGHT + ROW_GAP) / 2.0;
        for (row, node) in column.iter().enumerate() {
            let y = TITLE_HEIGHT + 8.0 + spare + row as f64 * (NODE_HEIGHT + ROW_GAP);
            places[*node] = Area { x, y, width, height: NODE_HEIGHT };
        }
        x += width;
    }
    let height = TITLE_HEIGHT + 8.0 + tallest as f64 * (NODE_HEIGHT + ROW_GAP) - ROW_GAP + PADDING;
    (places, (x + PADDING, height))
}

/// A layer as columns of about one height, at most [`ROWS_MAX`] rows where it is not very large.
fn wrapped(layer: &[usize]) -> Vec<(bool, Vec<usize>)> {
    let rows_max = ROWS_MAX.max((layer.len() as f64).sqrt().ceil() as usize);
    let columns = layer.len().div_ceil(rows_max).max(1);
    let rows = layer.len().div_ceil(columns).max(1);
    layer.chunks(rows).enumerate().map(|(at, column)| (at == 0, column.to_vec())).collect()
}

fn node_width(node: &Node) -> f64 {
    (width(&visible(&node.name())) as f64 * LETTER + 24.0).clamp(NODE_WIDTH.0, NODE_WIDTH.1)
}

fn place_groups(map: &Map, links: &[Link], sizes: &[(f64, f64)]) -> Vec<Area> {
    let mut edges = Vec::new();
    let mut neighbours = vec![Vec::new(); sizes.len()];
    for link in links {
        let (from, to) = (map.group_of(link.source), map.group_of(link.destination));
        if from == to {
            continue;
        }
        neighbours[from].push(to);
        neighbours[to].push(from);
        // What is outside stands first, however much is opened to it.
        if map.groups[to].labels.is_some() {
            edges.push((from, to, link.edges.len() as u64));
        }
    }
    let area: f64 = sizes.iter().map(|(width, height)| (width + GROUP_GAP.0) * (height + GROUP_GAP.1)).sum();
    let tallest = sizes.iter().map(|(_, height)| *height).fold(0.0, f64::max);
    let height_max = (area / SHAPE).sqrt().max(tallest + GROUP_GAP.1) * 1.3;
    let tries = order::arrangements(sizes.len(), &edges).into_iter().map(|layers| {
        let columns = layers.iter().flat_map(|layer| columns_of(layer, sizes, height_max));
        (layers.len(), stack(&columns.collect::<Vec<_>>(), sizes, &neighbours))
    });
    let tries = tries.collect();
    fitted(tries, WORTH.1).unwrap_or_default().0
}

/// A layer of groups as columns that are not higher than the picture should be.
fn columns_of(layer: &[usize], sizes: &[(f64, f64)], height_max: f64) -> Vec<Vec<usize>> {
    let height = |group: usize| sizes[group].1 + GROUP_GAP.1;
    let all: f64 = layer.iter().map(|group| height(*group)).sum();
    let each = all / (all / height_max).ceil().max(1.0);
    let mut columns: Vec<(f64, Vec<usize>)> = Vec::new();
    for &group in layer {
        match columns.last_mut() {
            Some((sum, column)) if *sum + height(group) / 2.0 <= each => {
                *sum += height(group);
                column.push(group);
            }
            _ => columns.push((height(group), vec![group])),
        }
    }
    columns.into_iter().map(|(_, column)| column).collect()
}

/// Columns side by side; in each the groups in order, as near to the height of their neighbours as they fit.
fn stack(columns: &[Vec<usize>], sizes: &[(f64, f64)], neighbours: &[Vec<usize>]) -> Sized<Vec<Area>> {
    let mut boxes = vec![Area::default(); sizes.len()];
    let mut x = MARGIN;
    for column in columns {
        let width = column.iter().map(|group| sizes[*group].0).fold(0.0, f64::max);
        let height: f64 = column.iter().map(|group| sizes[*group].1 + GROUP_GAP.1).sum();
        let mut y = -height / 2.0;
        for &group in column {
            let (own, height) = sizes[group];
            boxes[group] = Area { x: x + (width - own) / 2.0, y, width: own, height };
            y += height + GROUP_GAP.1;
        }
        x += width + GROUP_GAP.0;
    }
    for round in 0..6 {
        for step in 0..columns.len() {
            let at = if round % 2 == 0 { step } else { columns.len() - 1 - step };
            settle(&columns[at], &mut boxes, neighbours);
        }
    }
    let top = boxes.iter().map(|place| place.y).fold(f64::INFINITY, f64::min);
    boxes.iter_mut().for_each(|place| place.y = (place.y - top + MARGIN).round());
    let right = boxes.iter().map(Area::right).fold(0.0, f64::max);
    let bottom = boxes.iter().map(Area::bottom).fold(0.0, f64::max);
    (boxes, (right, bottom))
}

/// Moves the groups of a column up and down towards their neighbours, in order and apart: the least squares of the way
/// that each is off, by pooling those that would overlap.
fn settle(column: &[usize], boxes: &mut [Area], neighbours: &[Vec<usize>]) {
    // Wished upper edges, less what stands above: to be made non-decreasing.
    let mut above = 0.0;
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for &group in column {
        let all = &neighbours[group];
        let sum: f64 = all.iter().map(|other| boxes[*other].middle()).sum();
        let middle = if all.is_empty() { boxes[group].middle() } else { sum / all.len() as f64 };
        let mut pool = (middle - boxes[group].height / 2.0 - above, 1);
        while let Some(&(wish, count)) = pools.last().filter(|(wish, _)| *wish > pool.0) {
            pools.pop();
            let all = (count + pool.1) as f64;
            pool = ((wish * count as f64 + pool.0 * pool.1 as f64) / all, count + pool.1);
        }
        pools.push(pool);
        above += boxes[group].height + GROUP_GAP.1;
    }
    let wishes = pools.iter().flat_map(|(wish, count)| std::iter::repeat_n(*wish, *count));
    let mut above = 0.0;
    for (&group, wish) in column.iter().zip(wishes) {
        boxes[group].y = wish + above;
        above += boxes[group].height + GROUP_GAP.1;
    }
}
