//! A replay for programs: all lines, with `format_version`.

use serde_json::{Value, json};

use super::{Effect, LineKey, Replay, Seen, Uncovered, Who};
use crate::judge::Fate;

/// Grows when a key changes its meaning or goes; new keys may come without.
const FORMAT_VERSION: u32 = 1;

impl Replay {
    /// `{format_version, total, unchanged, lines: [{effect, source, destination, protocol, detail, why, partly, today?, seen}],
    /// uncovered}`; `source` and `destination` are `{labels: {…}}` or `{address}`, times Unix seconds.
    pub fn to_json(&self) -> Value {
        json!({
            "format_version": FORMAT_VERSION,
            "total": seen(&self.total),
            "unchanged": seen(&self.unchanged),
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "uncovered": uncovered(&self.uncovered),
        })
    }
}

fn line((key, tally): &(LineKey, Seen)) -> Value {
    let mut line = json!({
        "effect": match key.effect {
            Effect::Cut => "cut",
            Effect::Admitted => "admitted",
            Effect::PotentiallyBlocked => "potentially_blocked",
            Effect::Unknown => "unknown",
        },
        "source": who(&key.source),
        "destination": who(&key.destination),
        "protocol": key.service.protocol,
        "detail": key.service.detail,
        "why": key.why.to_string(),
        "partly": key.partly,
        "seen": seen(tally),
    });
    if let Some((fate, why)) = &key.today {
        line["today"] = json!({ "verdict": fate_word(*fate), "why": why.to_string() });
    }
    line
}

fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Allowed => "allowed",
        Fate::PotentiallyBlocked => "potentially_blocked",
        Fate::Blocked => "blocked",
        Fate::Unknown => "unknown",
    }
}

fn who(who: &Who) -> Value {
    match who {
        Who::Labels(labels) => {
            let pairs = labels.iter().map(|(key, value)| (key.to_string(), json!(value.as_str())));
            json!({ "labels": pairs.collect::<serde_json::Map<_, _>>() })
        }
        Who::Address(block) => json!({ "address": block.to_string() }),
    }
}

fn seen(seen: &Seen) -> Value {
    json!({
        "rows": seen.rows,
        "connections": seen.connections,
        "bytes": seen.bytes,
        "first": seen.first,
        "last": seen.last,
        "without_verdict": seen.without_verdict,
    })
}

fn uncovered(uncovered: &Uncovered) -> Value {
    let lost = uncovered.lost.iter();
    let lost =
        lost.map(|lost| json!({ "what": lost.what, "from": lost.from, "to": lost.to, "why": lost.why }));
    json!({
        "window": { "from": uncovered.window.0, "to": uncovered.window.1 },
        "watched_s": { "of": uncovered.watched_s.0, "read": uncovered.watched_s.1 },
        "lost": lost.collect::<Vec<_>>(),
        "silent": uncovered.silent,
        "partial": uncovered.partial,
    })
}
