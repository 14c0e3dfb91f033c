//! What a query means, said once more in the slow and obvious way.

use flow::query::{At, By, Condition, EndIs, Query, Word};
use flow::{End, Key, Side, Summaries, Tally};
use policy::AddressSet;

/// Whether a row is meant: for each kind of word that is there, one of them holds; and no negated one does.
pub fn is_meant(query: &Query, summaries: &Summaries, key: &Key, tally: &Tally) -> bool {
    let holds = |word: &&Word| holds(&word.condition, summaries, key);
    let (negated, asked): (Vec<&Word>, Vec<&Word>) = query.words.iter().partition(|word| word.is_negated);
    let in_time = query.since.is_none_or(|since| since <= tally.last)
        && query.until.is_none_or(|until| tally.first < until);
    in_time
        && !negated.iter().any(&holds)
        && asked.iter().all(|word| asked.iter().filter(|other| kind(other) == kind(word)).any(&holds))
}

fn kind(word: &Word) -> String {
    match &word.condition {
        Condition::End(at, EndIs::Labelled(key, _)) => format!("{at:?} label {key}"),
        Condition::End(at, EndIs::Address(_) | EndIs::Listed(..)) => format!("{at:?} address"),
        Condition::End(at, EndIs::In(_)) => format!("{at:?} network"),
        Condition::End(at, EndIs::Outside) => format!("{at:?} outside"),
        Condition::Service(_) => "service".to_owned(),
        Condition::Outcome(_) => "outcome".to_owned(),
        Condition::Side(_) => "side".to_owned(),
    }
}

fn holds(condition: &Condition, summaries: &Summaries, key: &Key) -> bool {
    let (source, destination) = (summaries.ends.get(key.source), summaries.ends.get(key.destination));
    match condition {
        Condition::End(At::Source, is) => is_end(is, source),
        Condition::End(At::Destination, is) => is_end(is, destination),
        Condition::End(At::Either, is) => is_end(is, source) || is_end(is, destination),
        Condition::Service(is) => is.set().contains(key.service),
        Condition::Outcome(outcome) => key.outcome == *outcome,
        Condition::Side(side) => key.side == *side,
    }
}

fn is_end(is: &EndIs, end: &End) -> bool {
    match (is, end) {
        (EndIs::Labelled(key, None), End::Workload { labels, .. }) => labels.contains_key(key.as_str()),
        (EndIs::Labelled(key, value), End::Workload { labels, .. }) => {
            labels.get(key.as_str()) == value.as_ref()
        }
        (EndIs::In(asked), End::Workload { network: Some(network), .. }) => asked == network,
        (EndIs::Outside, End::Address(_)) => true,
        (EndIs::Address(set) | EndIs::Listed(_, set), End::Address(block)) => {
            set.intersects(&AddressSet::from(*block))
        }
        _ => false,
    }
}

/// What a row is by some keys, as text.
pub fn group(by: &[By], summaries: &Summaries, key: &Key) -> String {
    let end = |at: &At| summaries.ends.get(if *at == At::Source { key.source } else { key.destination });
    let part = |by: &By| match by {
        By::End(at) => match end(at) {
            End::Workload { labels, .. } => format!("{labels:?}"),
            End::Address(block) => block.to_string(),
        },
        By::Label(at, label) => match end(at) {
            End::Workload { labels, .. } => format!("{:?}", labels.get(label.as_str())),
            End::Address(_) => "outside".to_owned(),
        },
        By::Network(at) => match end(at) {
            End::Workload { network, .. } => format!("{network:?}"),
            End::Address(_) => "outside".to_owned(),
        },
        By::Service => format!("{:?}", key.service),
        By::Window => key.window.to_string(),
        By::Outcome => format!("{:?}", key.outcome),
        By::Side => format!("{:?}", key.side),
    };
    by.iter().map(part).collect::<Vec<_>>().join("\n")
}

pub fn add(sum: &mut Option<Tally>, row: &Tally) {
    *sum = Some(match *sum {
        None => *row,
        Some(sum) => Tally {
            connections: sum.connections + row.connections,
            packets: sum.packets + row.packets,
            bytes: sum.bytes + row.bytes,
            reply_packets: sum.reply_packets + row.reply_packets,
            reply_bytes: sum.reply_bytes + row.reply_bytes,
            first: sum.first.min(row.first),
            last: sum.last.max(row.last),
            guessed: sum.guessed + row.guessed,
            rejected_replies: sum.rejected_replies + row.rejected_replies,
        },
    });
}

/// Every side, for coverage.
pub const SIDES: [Side; 4] = [Side::Source, Side::Destination, Side::Elsewhere, Side::Both];
