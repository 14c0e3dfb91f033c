//! Both reporters of a flow become one row.

use crate::record::Outcome;
use crate::summary::{Key, Side, Summaries, Tally};

/// [`Summaries::merged`].
pub(super) fn merged(summaries: &Summaries) -> Summaries {
    let mut rows: Vec<(Key, Tally)> = Vec::with_capacity(summaries.rows.len());
    for flow in summaries.rows.chunk_by(|(a, _), (b, _)| flow_of(a) == flow_of(b)) {
        push_flow(flow, &mut rows);
    }
    rows.sort_unstable_by_key(|(key, _)| *key);
    Summaries { window_s: summaries.window_s, ends: summaries.ends.clone(), rows }
}

/// What the two reporters of one flow have in common.
fn flow_of(key: &Key) -> (i64, crate::EndId, crate::EndId, policy::ServicePoint) {
    (key.window, key.source, key.destination, key.service)
}

/// The rows of one flow: what was dropped, and what passed.
fn push_flow(flow: &[(Key, Tally)], rows: &mut Vec<(Key, Tally)>) {
    let at = |side: Side, outcome: Outcome| {
        flow.iter().find(|(key, _)| key.side == side && key.outcome == outcome).map(|(_, tally)| *tally)
    };
    let key = |outcome, side| {
        let mut key = flow[0].0;
        (key.outcome, key.side) = (outcome, side);
        key
    };
    for side in [Side::Both, Side::Elsewhere] {
        let seen = flow.iter().filter(|(key, _)| key.side == side);
        rows.extend(seen.copied());
    }
    let dropped = [Side::Source, Side::Destination].map(|side| at(side, Outcome::Rejected));
    if let Some(tally) = sum(dropped[0], dropped[1]) {
        rows.push((key(Outcome::Rejected, side_of(&dropped)), tally));
    }
    for outcome in [Outcome::Accepted, Outcome::Unknown] {
        let (source, destination) = (at(Side::Source, outcome), at(Side::Destination, outcome));
        // What the source let pass and the destination dropped is told above.
        let source = match dropped[1] {
            Some(lost) if outcome == Outcome::Accepted => source.and_then(|seen| without(seen, lost)),
            _ => source,
        };
        if let Some(tally) = larger(source, destination) {
            rows.push((key(outcome, side_of(&[source, destination])), tally));
        }
    }
}

fn side_of(seen: &[Option<Tally>; 2]) -> Side {
    match seen {
        [Some(_), Some(_)] => Side::Both,
        [Some(_), None] => Side::Source,
        _ => Side::Destination,
    }
}

/// Two different sets of connections.
fn sum(a: Option<Tally>, b: Option<Tally>) -> Option<Tally> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    Some(Tally {
        connections: a.connections + b.connections,
        packets: a.packets + b.packets,
        bytes: a.bytes + b.bytes,
        reply_packets: a.reply_packets + b.reply_packets,
        reply_bytes: a.reply_bytes + b.reply_bytes,
        first: a.first.min(b.first),
        last: a.last.max(b.last),
        guessed: a.guessed + b.guessed,
        rejected_replies: a.rejected_replies + b.rejected_replies,
    })
}

/// The same connections, seen twice.
fn larger(a: Option<Tally>, b: Option<Tally>) -> Option<Tally> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    Some(Tally {
        connections: a.connections.max(b.connections),
        packets: a.packets.max(b.packets),
        bytes: a.bytes.max(b.bytes),
        reply_packets: a.reply_packets.max(b.reply_packets),
        reply_bytes: a.reply_bytes.max(b.reply_bytes),
        first: a.first.min(b.first),
        last: a.last.max(b.last),
        guessed: a.guessed.max(b.guessed),
        rejected_replies: a.rejected_replies.max(b.rejected_replies),
    })
}

/// What the source saw pass, less what the destination dropped of it; nothing if that was all.
fn without(seen: Tally, lost: Tally) -> Option<Tally> {
    (seen.connections > lost.connections).then(|| Tally {
        connections: seen.connections - lost.connections,
        packets: seen.packets.saturating_sub(lost.packets),
        bytes: seen.bytes.saturating_sub(lost.bytes),
        ..seen
    })
}
