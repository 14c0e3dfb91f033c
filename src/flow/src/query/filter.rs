//! Which rows a query means.
//!
//! What is asked of ends is answered once for each end, so that a row costs a few look-ups in tables.

use ipnet::IpNet;
use policy::{AddressSet, LabelSet, Name, NetworkId, ServiceSet};
use rustc_hash::FxHashSet;

use crate::query::word::{At, Condition, EndIs, Query, Word};
use crate::record::Outcome;
use crate::summary::{End, EndId, Key, Side, Summaries, Tally};

/// Workloads that hold an address: their labels, the network, and how many workloads have just these.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Held {
    /// Labels of who holds it.
    pub labels: LabelSet,
    /// Where.
    pub network: Option<NetworkId>,
    /// Workloads with the same labels in the same network: their flows are summed together with those of the holder.
    pub workloads: usize,
}

/// Who holds an address of a set, as the inventory knows today.
pub type HoldersOf<'a> = &'a dyn Fn(&AddressSet) -> Vec<Held>;

/// What the caller knows of names and addresses; nothing by default.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// The policy's services.
    pub services: &'a [(Name, ServiceSet)],
    /// The policy's IP lists.
    pub lists: &'a [(Name, AddressSet)],
    /// Who holds an address, where there is an inventory.
    pub holders: Option<HoldersOf<'a>>,
}

/// The rows that a query means, with all ends.
pub fn select(summaries: &Summaries, query: &Query, known: &Known<'_>) -> Summaries {
    let filter = Filter::new(summaries, query, known);
    let rows = summaries.rows.iter().filter(|(key, tally)| filter.admits(key, tally));
    Summaries { window_s: summaries.window_s, ends: summaries.ends.clone(), rows: rows.copied().collect() }
}

/// A query made ready for the ends of one set of summaries.
pub(super) struct Filter {
    clauses: Vec<Clause>,
    since: i64,
    until: i64,
    /// What the reader should know of how the query was understood.
    pub(super) notes: Vec<String>,
}

/// Words of one kind.
struct Clause {
    is_negated: bool,
    is: Alternatives,
}

enum Alternatives {
    Source(Vec<bool>),
    Destination(Vec<bool>),
    Either(Vec<bool>),
    Service(ServiceSet),
    Outcome(Vec<Outcome>),
    Side(Vec<Side>),
}

impl Filter {
    pub(super) fn new(summaries: &Summaries, query: &Query, known: &Known<'_>) -> Self {
        let mut notes = Vec::new();
        let mut clauses = Vec::new();
        let mut left: Vec<&Word> = query.words.iter().collect();
        while let Some(&first) = left.first() {
            let (alike, others) = left.into_iter().partition(|word| is_of_kind(word, first));
            left = others;
            clauses.push(clause(&alike, first, summaries, known, &mut notes));
        }
        let (since, until) = (query.since.unwrap_or(i64::MIN), query.until.unwrap_or(i64::MAX));
        Self { clauses, since, until, notes }
    }

    pub(super) fn admits(&self, key: &Key, tally: &Tally) -> bool {
        tally.last >= self.since
            && tally.first < self.until
            && self.clauses.iter().all(|clause| clause.is.hold(key) != clause.is_negated)
    }
}

/// Whether two words are alternatives of each other. What is taken away is taken away by each word alone, and that is the
/// same as by one of them.
fn is_of_kind(a: &Word, b: &Word) -> bool {
    let kind = match (&a.condition, &b.condition) {
        (Condition::End(a, a_is), Condition::End(b, b_is)) => a == b && is_of_end_kind(a_is, b_is),
        (Condition::Service(_), Condition::Service(_))
        | (Condition::Outcome(_), Condition::Outcome(_))
        | (Condition::Side(_), Condition::Side(_)) => true,
        _ => false,
    };
    kind && a.is_negated == b.is_negated
}

fn is_of_end_kind(a: &EndIs, b: &EndIs) -> bool {
    match (a, b) {
        (EndIs::Labelled(a, _), EndIs::Labelled(b, _)) => a == b,
        (EndIs::Address(_) | EndIs::Listed(..), EndIs::Address(_) | EndIs::Listed(..)) => true,
        (EndIs::In(_), EndIs::In(_)) | (EndIs::Outside, EndIs::Outside) => true,
        _ => false,
    }
}

impl Alternatives {
    fn hold(&self, key: &Key) -> bool {
        let at = |table: &[bool], end: EndId| table.get(end.0 as usize).copied().unwrap_or(false);
        match self {
            Self::Source(table) => at(table, key.source),
            Self::Destination(table) => at(table, key.destination),
            Self::Either(table) => at(table, key.source) || at(table, key.destination),
            Self::Service(set) => set.contains(key.service),
            Self::Outcome(outcomes) => outcomes.contains(&key.outcome),
            Self::Side(sides) => sides.contains(&key.side),
        }
    }
}

fn clause(
    alike: &[&Word],
    first: &Word,
    summaries: &Summaries,
    known: &Known<'_>,
    notes: &mut Vec<String>,
) -> Clause {
    let mut asked: Vec<EndAsked<'_>> = Vec::new();
    let (mut services, mut outcomes, mut sides) = (Vec::new(), Vec::new(), Vec::new());
    for word in alike {
        match &word.condition {
            Condition::End(_, is) => asked.push(EndAsked::new(word, is, known, notes)),
            Condition::Service(is) => services.push(is.set()),
            Condition::Outcome(outcome) => outcomes.push(*outcome),
            Condition::Side(side) => sides.push(*side),
        }
    }
    let is = match &first.condition {
        Condition::End(at, _) => {
            let (table, partly) = answers(&asked, summaries);
            if partly > 0 {
                notes.push(format!(
                    "`{first}` is met by {} that {} only partly in it",
                    crate::figure::counted(partly, "block"),
                    if partly == 1 { "lies" } else { "lie" }
                ));
            }
            match at {
                At::Source => Alternatives::Source(table),
                At::Destination => Alternatives::Destination(table),
                At::Either => Alternatives::Either(table),
            }
        }
        Condition::Service(_) => Alternatives::Service(services.into_iter().collect()),
        Condition::Outcome(_) => Alternatives::Outcome(outcomes),
        Condition::Side(_) => Alternatives::Side(sides),
    };
    Clause { is_negated: first.is_negated, is }
}

/// Whether each end is one of what is asked, and how many blocks are so only in part.
fn answers(asked: &[EndAsked<'_>], summaries: &Summaries) -> (Vec<bool>, u64) {
    let mut partly = 0;
    let table = summaries.ends.iter().map(|(_, end)| {
        let fit = asked.iter().map(|asked| asked.fit(end)).max().unwrap_or(Fit::Not);
        partly += u64::from(fit == Fit::Partly);
        fit != Fit::Not
    });
    (table.collect(), partly)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Not,
    Partly,
    Wholly,
}

/// What is asked of an end, with who holds the addresses that are asked for.
struct EndAsked<'a> {
    is: &'a EndIs,
    holders: FxHashSet<End>,
}

impl<'a> EndAsked<'a> {
    fn new(word: &Word, is: &'a EndIs, known: &Known<'_>, notes: &mut Vec<String>) -> Self {
        let (EndIs::Address(set) | EndIs::Listed(_, set)) = is else {
            return Self { is, holders: FxHashSet::default() };
        };
        let Some(holders_of) = known.holders else {
            notes.push(format!(
                "summaries do not have the addresses of workloads: `{word}` is met only by addresses that nobody known holds"
            ));
            return Self { is, holders: FxHashSet::default() };
        };
        let mut holders = holders_of(set);
        holders.sort();
        holders.dedup();
        notes.extend(holders.iter().take(HOLDERS_TOLD_MAX).map(|held| told(word, held)));
        if holders.len() > HOLDERS_TOLD_MAX {
            let more = crate::figure::counted((holders.len() - HOLDERS_TOLD_MAX) as u64, "more set");
            notes.push(format!("`{word}` is held by {more} of labels, whose workloads count as well"));
        }
        let end = |held: Held| End::Workload { labels: held.labels, network: held.network };
        Self { is, holders: holders.into_iter().map(end).collect() }
    }

    fn fit(&self, end: &End) -> Fit {
        let wholly = |holds: bool| if holds { Fit::Wholly } else { Fit::Not };
        match (self.is, end) {
            (EndIs::Labelled(key, asked), End::Workload { labels, .. }) => {
                let value = labels.get(key.as_str());
                wholly(value.is_some() && (asked.is_none() || value == asked.as_ref()))
            }
            (EndIs::In(asked), End::Workload { network, .. }) => wholly(network.as_ref() == Some(asked)),
            (EndIs::Outside, End::Address(_)) => Fit::Wholly,
            (EndIs::Address(set) | EndIs::Listed(_, set), End::Address(block)) => in_set(*block, set),
            (EndIs::Address(_) | EndIs::Listed(..), End::Workload { .. }) => {
                wholly(self.holders.contains(end))
            }
            _ => Fit::Not,
        }
    }
}

/// Notes on holders of addresses, at most, for one word.
const HOLDERS_TOLD_MAX: usize = 5;

fn told(word: &Word, held: &Held) -> String {
    let labels = policy::label::describe(&held.labels);
    let labels = crate::figure::visible(&labels);
    let others = match held.workloads {
        0 | 1 => String::new(),
        all => format!(
            "; the flows of all {all} workloads with these labels are counted, nobody can tell them apart"
        ),
    };
    format!("`{word}` is held by a workload with {labels}{others}")
}

fn in_set(block: IpNet, set: &AddressSet) -> Fit {
    if block.prefix_len() == block.max_prefix_len() {
        return if set.contains(block.addr()) { Fit::Wholly } else { Fit::Not };
    }
    let block = AddressSet::from(block.trunc());
    match (block.is_subset(set), block.intersects(set)) {
        (true, _) => Fit::Wholly,
        (_, true) => Fit::Partly,
        _ => Fit::Not,
    }
}
