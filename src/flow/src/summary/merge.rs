//! Both reporters of a flow become one row.

use crate::record::Outcome;
use crate::summary::{Key, Side, Summaries, Tally, sum};

/// [`Summaries::merged`].
pub(super) fn merged(summaries: &Summaries) -> Summaries {
    let mut rows: Vec<(Key, Tally)> = Vec::with_capacity(summaries.rows.len());
    for flow in summaries.rows.chunk_by(|(a, _), (b, _)| flow_of(a) == flow_of(b)) {
        match flow {
            [only] => rows.push(*only),
            several => push_flow(several, &mut rows),
        }
    }
    sum::fold(&mut rows);
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
    // With and without a verdict: the same connections in two logs of one point.
    let passed = |side| [at(side, Outcome::Accepted), at(side, Outcome::Unknown)];
    let lost = at(Side::Destination, Outcome::Rejected);
    let (at_source, at_destination) = (passed(Side::Source), passed(Side::Destination));
    let outcome = match at_source[0].or(at_destination[0]) {
        Some(_) => Outcome::Accepted,
        None => Outcome::Unknown,
    };
    let left = at_source.map(|seen| seen.and_then(|seen| without(seen, lost)));
    let source = larger(left[0], left[1]);
    let destination = larger(at_destination[0], at_destination[1]);
    let mut push = |outcome, side, tally: Option<Tally>| {
        let Some(tally) = tally else { return };
        rows.push((Key { outcome, side, ..flow[0].0 }, tally));
    };
    let seen_at = match (source, destination) {
        (Some(_), Some(_)) => Side::Both,
        (Some(_), None) => Side::Source,
        _ => Side::Destination,
    };
    push(outcome, seen_at, seen_twice(source, destination));
    push(Outcome::Rejected, Side::Source, at(Side::Source, Outcome::Rejected));
    // INVARIANT: once the source's share of what the destination dropped is taken off, the row says so: it is never
    // taken off again.
    let is_taken_off = at_source.iter().any(Option::is_some);
    push(Outcome::Rejected, if is_taken_off { Side::Both } else { Side::Destination }, lost);
    let is_told_by_ends = [Side::Source, Side::Destination, Side::Both]
        .iter()
        .any(|&side| passed(side).iter().any(Option::is_some));
    for (key, tally) in flow {
        let is_kept = match key.side {
            Side::Both => true,
            Side::Elsewhere => key.outcome == Outcome::Rejected || !is_told_by_ends,
            Side::Source | Side::Destination => false,
        };
        if is_kept {
            rows.push((*key, *tally));
        }
    }
}

/// The same connections in two logs: the numbers of the one that tells more, field by field.
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

/// The same connections at both ends. A reply is dropped at one end or at the other: those are different ones.
fn seen_twice(source: Option<Tally>, destination: Option<Tally>) -> Option<Tally> {
    let (Some(a), Some(b)) = (source, destination) else { return source.or(destination) };
    let rejected_replies = a.rejected_replies.saturating_add(b.rejected_replies);
    larger(source, destination).map(|tally| Tally { rejected_replies, ..tally })
}

/// What the source saw pass, less what the destination dropped of it; nothing if that was all. Who got replies, or went
/// on with connections that began earlier, was not dropped.
fn without(seen: Tally, lost: Option<Tally>) -> Option<Tally> {
    let Some(lost) = lost else { return Some(seen) };
    let is_left = seen.connections > lost.connections || seen.reply_packets > 0 || seen.connections == 0;
    is_left.then(|| Tally {
        connections: seen.connections.saturating_sub(lost.connections),
        packets: seen.packets.saturating_sub(lost.packets),
        bytes: seen.bytes.saturating_sub(lost.bytes),
        ..seen
    })
}
