//! Boxes: nodes in their group, groups in columns.

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
/// Between nodes, one below the other.
const ROW_GAP: f64 = 16.0;
/// Between columns of nodes: room for a curve and its text.
const COLUMN_GAP: f64 = 110.0;
/// Between columns of one layer that are side by side only to save height.
const WRAP_GAP: f64 = 20.0;
/// Between groups.
const GROUP_GAP: (f64, f64) = (150.0, 36.0);
/// Width of the picture by its height, about.
const SHAPE: f64 = 1.7;
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
    let mut nodes = vec![Area::default(); map.nodes.len()];
    let sizes: Vec<(f64, f64)> =
        (0..map.groups.len()).map(|group| place_inside(map, group, links, &mut nodes)).collect();
    let groups = place_groups(map, links, &sizes);
    for (node, place) in map.nodes.iter().zip(&mut nodes) {
        place.x += groups[node.group].x;
        place.y += groups[node.group].y;
    }
    (groups, nodes)
}

/// Places the nodes of a group as seen from its corner; the size of the group.
fn place_inside(map: &Map, group: usize, links: &[Link], boxes: &mut [Area]) -> (f64, f64) {
    let members: Vec<usize> = (0..map.nodes.len()).filter(|node| map.nodes[*node].group == group).collect();
    // Nodes of a group stand side by side in the map.
    let start = members.first().copied().unwrap_or(0);
    let is_member = |node: usize| map.group_of(node) == group;
    let edges: Vec<order::Edge> = links
        .iter()
        .filter(|link| is_member(link.source) && is_member(link.destination))
        .map(|link| (link.source - start, link.destination - start, link.edges.len() as u64))
        .collect();
    let layers = order::layered(members.len(), &edges, 6);
    let mut x = PADDING;
    let (mut height, mut right) = (0.0_f64, 0.0_f64);
    let columns: Vec<(bool, Vec<usize>)> = layers.iter().flat_map(|layer| wrapped(layer)).collect();
    let tallest = columns.iter().map(|(_, column)| column.len()).max().unwrap_or(0) as f64;
    for (is_new_layer, column) in columns {
        if x > PADDING {
            x += if is_new_layer { COLUMN_GAP } else { WRAP_GAP };
        }
        let width = column.iter().map(|at| node_width(&map.nodes[start + at])).fold(0.0, f64::max);
        let spare = (tallest - column.len() as f64) * (NODE_HEIGHT + ROW_GAP) / 2.0;
        for (row, at) in column.iter().enumerate() {
            let y = TITLE_HEIGHT + 8.0 + spare + row as f64 * (NODE_HEIGHT + ROW_GAP);
            boxes[start + at] = Area { x, y, width, height: NODE_HEIGHT };
            height = height.max(y + NODE_HEIGHT);
        }
        x += width;
        right = x;
    }
    let title = map.groups[group].name().chars().count() as f64 * 8.6 + 2.0 * PADDING + 20.0;
    ((right + PADDING).max(title.min(420.0)), height + PADDING)
}

/// A layer as columns of about one height, at most [`ROWS_MAX`] rows where it is not very large.
fn wrapped(layer: &[usize]) -> Vec<(bool, Vec<usize>)> {
    let rows_max = ROWS_MAX.max((layer.len() as f64).sqrt().ceil() as usize);
    let columns = layer.len().div_ceil(rows_max).max(1);
    let rows = layer.len().div_ceil(columns).max(1);
    layer.chunks(rows).enumerate().map(|(at, column)| (at == 0, column.to_vec())).collect()
}

fn node_width(node: &Node) -> f64 {
    (node.name().chars().count() as f64 * LETTER + 24.0).clamp(NODE_WIDTH.0, NODE_WIDTH.1)
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
    let widest = sizes.iter().map(|(width, _)| width + GROUP_GAP.0).sum::<f64>() / sizes.len().max(1) as f64;
    let layers_max = ((area * SHAPE).sqrt() / widest.max(1.0)).ceil().max(4.0) as usize;
    let tallest = sizes.iter().map(|(_, height)| *height).fold(0.0, f64::max);
    let height_max = (area / SHAPE).sqrt().max(tallest + GROUP_GAP.1).max(700.0);
    let layers = order::layered(sizes.len(), &edges, layers_max);
    let columns: Vec<Vec<usize>> =
        layers.iter().flat_map(|layer| columns_of(layer, sizes, height_max)).collect();
    stack(&columns, sizes, &neighbours)
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
fn stack(columns: &[Vec<usize>], sizes: &[(f64, f64)], neighbours: &[Vec<usize>]) -> Vec<Area> {
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
    boxes
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
