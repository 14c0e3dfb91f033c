//! The map for Graphviz.
//!
//! Between two nodes there is one line for each fate, with its services as label. Texts are foreign: in quotes only `"`
//! and `\` mean something to Graphviz, and control characters are written out.
//!
//! `newrank` ranks all clusters together: without it Graphviz 2.43 loses edges between clusters that open to each other, and
//! gives up.

use std::fmt::Write;

use crate::figure::{counted, visible};
use crate::map::layout::links;
use crate::map::{Fate, Map};

/// [`Map::to_dot`].
pub(super) fn render(map: &Map) -> String {
    let mut out = String::from("digraph \"flows\" {\n");
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "  label={};\n  labelloc=t;\n  rankdir=LR;\n  newrank=true;", quoted(&map.title));
    out.push_str("  fontname=\"Helvetica\";\n  node [shape=box, style=\"rounded,filled\", fillcolor=\"white\", fontname=\"Helvetica\", fontsize=11];\n");
    out.push_str("  edge [fontname=\"Helvetica\", fontsize=9];\n");
    for (at, group) in map.groups.iter().enumerate() {
        let style = if group.labels.is_none() { "rounded,dashed" } else { "rounded" };
        let _ = writeln!(out, "  subgraph \"cluster_{at}\" {{");
        let _ = writeln!(
            out,
            "    label={};\n    style=\"{style}\";\n    color=\"gray50\";",
            quoted(&group.name())
        );
        for (id, node) in map.nodes.iter().enumerate().filter(|(_, node)| node.group == at) {
            let _ = writeln!(out, "    n{id} [label={}];", quoted(&node.name()));
        }
        out.push_str("  }\n");
    }
    for link in links(map) {
        let connections = link.edges.iter().map(|at| map.edges[*at].tally.connections);
        let connections = connections.fold(0, u64::saturating_add);
        let label = format!("{}\n{}", link.label(map), counted(connections, "connection"));
        let (colour, style, head) = look(link.fate);
        let _ = writeln!(
            out,
            "  n{} -> n{} [label={}, color=\"{colour}\", fontcolor=\"{colour}\", style={style}, arrowhead={head}];",
            link.source,
            link.destination,
            quoted(&label)
        );
    }
    out.push_str("}\n");
    out
}

/// Colour, style and head of lines: each fate is told by each of the last two alone.
fn look(fate: Fate) -> (&'static str, &'static str, &'static str) {
    match fate {
        Fate::Rejected => ("#b3261e", "dashed", "tee"),
        Fate::PotentiallyBlocked => ("#9a5b00", "bold", "empty"),
        Fate::Unknown => ("#5f6368", "dotted", "open"),
        Fate::Accepted => ("#1f5fa8", "solid", "normal"),
    }
}

/// A text as a quoted string of DOT; line ends of ours stay line ends.
fn quoted(text: &str) -> String {
    let lines = text.split('\n').map(|line| visible(line).replace('\\', "\\\\").replace('"', "\\\""));
    format!("\"{}\"", lines.collect::<Vec<_>>().join("\\n"))
}
