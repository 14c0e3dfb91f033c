//! The map for programs.
//!
//! ```json
//! {"format_version": 1, "title": "…", "group_by": ["app", "env"], "from": 1795892400, "to": 1795895538,
//!  "groups": [{"id": 0, "name": "shop · prod", "labels": {"app": "shop", "env": "prod"}, "outside": false}],
//!  "nodes": [{"id": 0, "group": 0, "kind": "role", "name": "web", "labels": {"role": "web"}, "networks": ["vpc-1"],
//!             "addresses": [], "ends": 1}],
//!  "edges": [{"source": 0, "destination": 1, "service": "postgres", "ports": "tcp/5432", "verdict": "accepted",
//!             "connections": 12, "packets": 100, "bytes": 9000, "reply_packets": 90, "reply_bytes": 70000,
//!             "first": 1795892400, "last": 1795895538, "guessed": 0, "rejected_replies": 0, "rows": 3}],
//!  "total": {"connections": 12, "…": 0}, "rows": 3, "notes": []}
//! ```
//!
//! Groups, nodes and edges are in the order of [`Map`]; `id`, `group`, `source` and `destination` are places in these lists. A
//! label that the workloads do not have is `null`. `kind` is `role`, `list`, `block` or `internet`; the last three are in the
//! group that is `outside`, and `addresses` has some of what was seen. `verdict` is `rejected`, `potentially_blocked`,
//! `unknown` or `accepted`. Times are Unix seconds; `from` and `to` are `null` where nothing was seen.

use serde_json::{Value, json};

use crate::map::{Edge, Group, Labelled, Map, Node, NodeKind};
use crate::summary::Tally;

/// Version of the form.
const FORMAT_VERSION: u32 = 1;

/// [`Map::to_json`].
pub(super) fn render(map: &Map) -> Value {
    let seen = |time: i64| (map.rows > 0).then_some(time);
    json!({
        "format_version": FORMAT_VERSION,
        "title": map.title,
        "group_by": map.group_by,
        "from": seen(map.total.first),
        "to": seen(map.total.last),
        "groups": map.groups.iter().enumerate().map(group).collect::<Vec<_>>(),
        "nodes": map.nodes.iter().enumerate().map(node).collect::<Vec<_>>(),
        "edges": map.edges.iter().map(edge).collect::<Vec<_>>(),
        "total": tally(&map.total),
        "rows": map.rows,
        "notes": map.notes,
    })
}

fn group((id, group): (usize, &Group)) -> Value {
    json!({
        "id": id,
        "name": group.name(),
        "labels": labels(group.labels.as_ref()),
        "outside": group.labels.is_none(),
    })
}

fn node((id, node): (usize, &Node)) -> Value {
    let labelled = match &node.kind {
        NodeKind::Role(labels) => Some(labels),
        _ => None,
    };
    json!({
        "id": id,
        "group": node.group,
        "kind": node.kind_word(),
        "name": node.name(),
        "labels": labels(labelled),
        "networks": node.networks,
        "addresses": node.addresses.iter().map(crate::query::block_text).collect::<Vec<_>>(),
        "ends": node.ends,
    })
}

fn labels(labels: Option<&Labelled>) -> Value {
    let pairs = labels.into_iter().flatten();
    pairs.map(|(key, value)| (key.to_string(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

fn edge(edge: &Edge) -> Value {
    let mut object = json!({
        "source": edge.source,
        "destination": edge.destination,
        "service": edge.service_short(),
        "ports": edge.seen.to_string(),
        "verdict": edge.fate.id(),
        "rows": edge.rows,
    });
    if let (Value::Object(object), Value::Object(numbers)) = (&mut object, tally(&edge.tally)) {
        object.extend(numbers);
    }
    object
}

fn tally(tally: &Tally) -> Value {
    json!({
        "connections": tally.connections,
        "packets": tally.packets,
        "bytes": tally.bytes,
        "reply_packets": tally.reply_packets,
        "reply_bytes": tally.reply_bytes,
        "first": tally.first,
        "last": tally.last,
        "guessed": tally.guessed,
        "rejected_replies": tally.rejected_replies,
    })
}
