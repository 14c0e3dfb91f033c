//! The picture of a map as SVG, to stand in a page: classes and `data-` attributes are what style sheet and script go by.
//!
//! Lines are hidden from screen readers: the table of edges says the same. Groups and nodes are buttons.

use std::fmt::Write;

use crate::figure::{counted, shortened, visible, width};
use crate::map::html::escape;
use crate::map::layout::{Area, Curve, GROUP_LETTER, NODE_HEIGHT, Picture, TITLE_HEIGHT};
use crate::map::{Fate, Map, NodeKind};

/// Above so many links, links between groups are bundled until somebody looks closer.
pub(super) const LINKS_MAX: usize = 250;

/// Heads of lines, different in shape: blocked at a bar, potentially blocked hollow, unknown open, accepted full.
const HEADS: &str = r#"<defs>
<marker id="head-rejected" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path class="head rejected" d="M8 0V10M1 2 6 8M6 2 1 8"/></marker>
<marker id="head-potentially_blocked" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="11" markerHeight="11" markerUnits="userSpaceOnUse" orient="auto"><path class="head potentially_blocked" d="M1 1 9 5 1 9z"/></marker>
<marker id="head-unknown" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="10" markerHeight="10" markerUnits="userSpaceOnUse" orient="auto"><path class="head unknown" d="M2 1 9 5 2 9"/></marker>
<marker id="head-accepted" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path class="head accepted" d="M0 1 9 5 0 9z"/></marker>
</defs>
"#;

/// Whether links are bundled in the picture of this map at first.
pub(super) fn is_bundled(picture: &Picture) -> bool {
    picture.links.len() > LINKS_MAX
}

/// The picture.
pub(super) fn render(map: &Map, picture: &Picture) -> String {
    let mut out = String::new();
    let (width, height) = (picture.width, picture.height);
    let class = if is_bundled(picture) { "map bundled" } else { "map" };
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        out,
        "<svg id=\"map\" class=\"{class}\" viewBox=\"0 0 {width} {height}\" style=\"--shape:{:.2}\" role=\"group\" tabindex=\"0\" \
         aria-label=\"{}\" aria-describedby=\"keys\">",
        width / height.max(1.0),
        escape(&format!(
            "Picture: {}, {}; the table below says the same",
            counted(map.groups.len() as u64, "group"),
            counted(map.nodes.len() as u64, "node")
        ))
    );
    out.push_str(HEADS);
    section(
        &mut out,
        "bundles",
        worst_last(&picture.bundles, |bundle| bundle.fate).map(|at| bundle(map, picture, at)),
    );
    section(&mut out, "groups", (0..map.groups.len()).map(|at| group(map, picture, at)));
    section(&mut out, "links", worst_last(&picture.links, |link| link.fate).map(|at| link(map, picture, at)));
    section(&mut out, "nodes", (0..map.nodes.len()).map(|at| node(map, picture, at)));
    section(&mut out, "names", (0..map.groups.len()).map(|at| group_name(map, picture, at)));
    out.push_str("</svg>\n");
    out
}

/// Places of lines in the order in which they are drawn: what is worst covers the others.
fn worst_last<T>(lines: &[(T, Curve)], fate: impl Fn(&T) -> Fate) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(fate(&lines[*at].0)), *at));
    order.into_iter()
}

fn bundle(map: &Map, picture: &Picture, at: usize) -> String {
    let (bundle, curve) = &picture.bundles[at];
    let edges: Vec<usize> =
        bundle.links.iter().flat_map(|link| picture.links[*link].0.edges.clone()).collect();
    let ends = format!("{} → {}", map.groups[bundle.source].name(), map.groups[bundle.destination].name());
    line("bundle", at, bundle.fate, curve, &told(map, &ends, &edges))
}

fn link(map: &Map, picture: &Picture, at: usize) -> String {
    let (link, curve) = &picture.links[at];
    let ends = format!("{} → {}", map.full_name(link.source), map.full_name(link.destination));
    line("link", at, link.fate, curve, &told(map, &ends, &link.edges))
}

fn section(out: &mut String, class: &str, parts: impl Iterator<Item = String>) {
    out.push_str(&format!("<g class=\"{class}\">\n"));
    out.extend(parts);
    out.push_str("</g>\n");
}

fn group(map: &Map, picture: &Picture, at: usize) -> String {
    let (group, place) = (&map.groups[at], &picture.groups[at]);
    let name = group.name();
    let nodes = map.nodes.iter().filter(|node| node.group == at).count();
    let class = if group.labels.is_none() { "group outside" } else { "group" };
    let about = escape(&format!("{name}: {}", counted(nodes as u64, "node")));
    format!(
        "<g class=\"{class}\" data-group=\"{at}\" tabindex=\"0\" role=\"button\" aria-label=\"{about}\"><title>{about}</title>\
         {}{}</g>\n",
        rect(place, 12.0),
        big_name(&name, nodes, place)
    )
}

/// The name of a group above its nodes, over all lines.
fn group_name(map: &Map, picture: &Picture, at: usize) -> String {
    let place = &picture.groups[at];
    let name = map.groups[at].name();
    let name = visible(&name);
    let name = shortened(&name, ((place.width - 24.0) / GROUP_LETTER) as usize);
    let (x, y) = (place.x + 14.0, place.y + TITLE_HEIGHT - 11.0);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" aria-hidden=\"true\">{}</text>\n", escape(&name))
}

/// The name of a group that is seen from afar, as large as its box lets it be.
fn big_name(name: &str, nodes: usize, place: &Area) -> String {
    let name = visible(name);
    let lines: Vec<&str> = name.split(" · ").take(3).collect();
    let widest = lines.iter().map(|line| width(line)).max().unwrap_or(1).max(6) as f64;
    let rows = lines.len() as f64 + 0.8;
    let size = (place.width * 0.88 / (widest * 0.62)).min(place.height * 0.8 / (rows * 1.15)).min(90.0);
    let x = place.x + place.width / 2.0;
    let top = place.middle() - rows * size * 1.15 / 2.0 + size * 0.9;
    let mut out = format!("<g class=\"big\" font-size=\"{size:.0}\">");
    for (row, line) in lines.iter().enumerate() {
        let y = top + row as f64 * size * 1.15;
        out.push_str(&format!("<text x=\"{x:.0}\" y=\"{y:.0}\">{}</text>", escape(line)));
    }
    let y = top + lines.len() as f64 * size * 1.15 - size * 0.2;
    let nodes = counted(nodes as u64, "node");
    out + &format!(
        "<text class=\"less\" font-size=\"{:.0}\" x=\"{x:.0}\" y=\"{y:.0}\">{nodes}</text></g>",
        size * 0.6
    )
}

fn node(map: &Map, picture: &Picture, at: usize) -> String {
    let (node, place) = (&map.nodes[at], &picture.nodes[at]);
    let opens = map.edges.iter().filter(|edge| edge.source == at).count();
    let opened = map.edges.iter().filter(|edge| edge.destination == at).count();
    let edges = |count: usize| counted(count as u64, "edge");
    let about = escape(&format!("{}: {} from it, {} to it", map.full_name(at), edges(opens), edges(opened)));
    let radius = if node.kind == NodeKind::Internet { NODE_HEIGHT / 2.0 } else { 6.0 };
    let name = node.name();
    let name = visible(&name);
    let name = shortened(&name, ((place.width - 16.0) / 7.4) as usize);
    let (x, y) = (place.x + place.width / 2.0, place.middle() + 4.5);
    format!(
        "<g class=\"node {}\" data-node=\"{at}\" tabindex=\"{}\" role=\"button\" aria-label=\"{about}\"><title>{about}</title>\
         {}<text x=\"{x}\" y=\"{y}\">{}</text></g>\n",
        node.kind_word(),
        if is_bundled(picture) { -1 } else { 0 },
        rect(place, radius),
        escape(&name)
    )
}

fn rect(place: &Area, radius: f64) -> String {
    let Area { x, y, width, height } = place;
    format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>")
}

/// What a line stands for: its ends, its services, and how much.
struct Told {
    title: String,
    connections: u64,
}

fn told(map: &Map, ends: &str, edges: &[usize]) -> Told {
    let connections = edges.iter().map(|at| map.edges[*at].tally.connections).fold(0, u64::saturating_add);
    let mut services: Vec<String> = edges.iter().map(|at| map.edges[*at].service_words()).collect();
    services.sort();
    services.dedup();
    let more = services.len().saturating_sub(6);
    services.truncate(6);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let fate = edges.first().map_or("", |at| map.edges[*at].fate.words());
    let title =
        format!("{ends}\n{fate}: {}{more}\n{}", services.join(", "), counted(connections, "connection"));
    Told { title, connections }
}

fn line(kind: &str, at: usize, fate: Fate, curve: &Curve, told: &Told) -> String {
    let [a, b, c, d] = curve.points.map(|(x, y)| format!("{x:.1} {y:.1}"));
    // A thousand times as much is a line twice as thick.
    let thick = 1.3 + (told.connections as f64 + 1.0).log10() * 0.4;
    let label = &curve.label;
    let tight = if label.is_free { "" } else { " class=\"tight\"" };
    let ((x, y), id) = (label.at, fate.id());
    format!(
        "<g class=\"{kind} {id}\" data-{kind}=\"{at}\" aria-hidden=\"true\"><title>{}</title><path d=\"M{a}C{b} {c} {d}\" \
         stroke-width=\"{thick:.1}\" marker-end=\"url(#head-{id})\"/><text{tight} x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>\n",
        escape(&told.title),
        y + 3.5,
        escape(&label.text)
    )
}
