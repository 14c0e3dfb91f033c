//! The map as a tree for a terminal: groups, their roles, what these open, worst first.
//!
//! Each edge is one line, below the node that opens its connections. Long names are cut with `…`, so that a line has at
//! most [`COLUMNS_MAX`] columns; the JSON form has them whole.

use std::cmp::Reverse;

use crate::figure::{count, counted, shortened, utc, visible, width};
use crate::map::{Edge, Fate, Map};

/// The widest line.
const COLUMNS_MAX: usize = 100;
/// What of a line is always there: the indent, the arrow, and gaps.
const FIXED: usize = 4 + 4 + 2 + 2 + 2;
const SERVICE_MAX: usize = 26;

/// [`Map::to_text`].
pub(super) fn render(map: &Map) -> String {
    let mut lines = head(map);
    let widths = Widths::of(map);
    let mut groups: Vec<usize> = (0..map.groups.len()).collect();
    groups.sort_by_cached_key(|group| badness(map, |edge| map.group_of(edge.source) == *group));
    for group in groups {
        lines.push(String::new());
        lines.push(cut(&map.groups[group].name(), COLUMNS_MAX));
        push_nodes(map, group, widths, &mut lines);
    }
    if !map.notes.is_empty() {
        lines.push(String::new());
    }
    lines.extend(map.notes.iter().map(|note| format!("Note: {}.", visible(note))));
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn head(map: &Map) -> Vec<String> {
    let mut lines = vec![cut(&map.title, COLUMNS_MAX)];
    if map.rows == 0 {
        lines.push("No flow was seen.".to_owned());
        return lines;
    }
    let (first, last) = (utc(map.total.first), utc(map.total.last));
    lines.push(format!("{first} to {last} UTC, {}", counted(map.total.connections, "connection")));
    let fates = Fate::ALL.into_iter().map(|fate| (fate, map.of_fate(fate).0)).filter(|(_, edges)| *edges > 0);
    let fates = fates.map(|(fate, edges)| format!("{} {}", count(edges as u64), fate.words()));
    lines.push(format!(
        "{}, {}, {}: {}",
        counted(map.groups.len() as u64, "group"),
        counted(map.nodes.len() as u64, "node"),
        counted(map.edges.len() as u64, "edge"),
        fates.collect::<Vec<_>>().join(", ")
    ));
    lines
}

fn push_nodes(map: &Map, group: usize, widths: Widths, lines: &mut Vec<String>) {
    let mut nodes: Vec<usize> = (0..map.nodes.len()).filter(|node| map.nodes[*node].group == group).collect();
    nodes.sort_by_cached_key(|node| badness(map, |edge| edge.source == *node));
    for node in nodes {
        let mut edges: Vec<&Edge> = map.edges.iter().filter(|edge| edge.source == node).collect();
        edges.sort_by_key(|edge| (edge.fate, Reverse(edge.tally.connections)));
        let name = cut(&map.nodes[node].name(), COLUMNS_MAX - 20);
        let opens = if edges.is_empty() { "  (opens nothing)" } else { "" };
        lines.push(format!("  {name}{opens}"));
        lines.extend(edges.into_iter().map(|edge| line(map, edge, widths)));
    }
}

fn line(map: &Map, edge: &Edge, widths: Widths) -> String {
    format!(
        "    {:<fate$}  → {:<destination$}  {:<service$}  {:>connections$}  {}",
        edge.fate.words(),
        cut(&destination(map, edge), widths.destination),
        cut(&edge.service_words(), widths.service),
        count(edge.tally.connections),
        last_seen(map, edge),
        fate = widths.fate,
        connections = widths.connections,
        destination = widths.destination,
        service = widths.service,
    )
}

/// Without the year where the heading has said it.
fn last_seen(map: &Map, edge: &Edge) -> String {
    let [first, last, own] = [map.total.first, map.total.last, edge.tally.last].map(utc);
    let year = |time: &str| time.split_once('-').map(|(year, _)| year.to_owned());
    match own.split_once('-') {
        Some((_, rest)) if year(&first) == year(&last) => rest.to_owned(),
        _ => own,
    }
}

/// A neighbour in the same group has no need of the group's name.
fn destination(map: &Map, edge: &Edge) -> String {
    if map.group_of(edge.source) == map.group_of(edge.destination) {
        return map.nodes[edge.destination].name();
    }
    map.full_name(edge.destination)
}

fn cut(text: &str, max: usize) -> String {
    shortened(&visible(text), max).into_owned()
}

/// Columns of what has no fixed width.
#[derive(Clone, Copy)]
struct Widths {
    fate: usize,
    destination: usize,
    service: usize,
    connections: usize,
}

impl Widths {
    fn of(map: &Map) -> Self {
        let widest = |texts: &dyn Fn(&Edge) -> String| {
            map.edges.iter().map(|edge| width(&visible(&texts(edge)))).max().unwrap_or(0)
        };
        let fate = widest(&|edge| edge.fate.words().to_owned());
        let service = widest(&Edge::service_words).min(SERVICE_MAX);
        let connections = widest(&|edge| count(edge.tally.connections));
        let left = COLUMNS_MAX - FIXED - fate - service - connections - widest(&|edge| last_seen(map, edge));
        Self { fate, service, connections, destination: widest(&|edge| destination(map, edge)).min(left) }
    }
}

/// What comes first has the worst fate, and then most of it; what opens nothing is last.
fn badness(map: &Map, is_of: impl Fn(&Edge) -> bool) -> (bool, Option<Fate>, Reverse<u64>) {
    let fate = map.edges.iter().filter(|edge| is_of(edge)).map(|edge| edge.fate).min();
    let alike = map.edges.iter().filter(|edge| Some(edge.fate) == fate && is_of(edge));
    let connections = alike.map(|edge| edge.tally.connections).fold(0, u64::saturating_add);
    (fate.is_none(), fate, Reverse(connections))
}
