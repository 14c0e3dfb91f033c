//! Summing what a query means by chosen keys, sorted, a page at a time.
//!
//! Time is linear in the rows; sorting is over the sums. What an end is by the chosen keys is worked out once for each end.

use std::hash::{Hash, Hasher};

use policy::{Name, ServicePoint, ServiceSet};
use rustc_hash::{FxHashMap, FxHasher};

use crate::query::filter::{Filter, Known};
use crate::query::key::{By, Sort};
use crate::query::name::telling_names;
use crate::query::page::{NotAToken, Place, Token};
use crate::query::table::{Cell, Column, Table};
use crate::query::word::{At, Query};
use crate::record::Outcome;
use crate::summary::{End, Key, Side, Summaries, Tally};

/// What is chosen, summed by what, in which order, which page of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// Which rows.
    pub query: Query,
    /// Summed by what; by nothing there is one row, of everything.
    pub by: Vec<By>,
    /// What comes first. What is equal in it follows in the order of source, destination, service, window, outcome, side.
    pub sort: Sort,
    /// At most so many rows; all of them without.
    pub limit: Option<usize>,
    /// Behind this place.
    pub after: Option<Token>,
}

/// Answers a request.
///
/// # Errors
/// The place to go on from is of another request.
pub fn run(summaries: &Summaries, request: &Request, known: &Known<'_>) -> Result<Table, NotAToken> {
    let asked = digest(request);
    let after = request.after.as_ref().map(|Token(place)| place);
    if after.is_some_and(|place| place.asked != asked) {
        return Err(NotAToken::OfAnother);
    }
    let filter = Filter::new(summaries, &request.query, known);
    let grouping = Grouping::new(summaries, &request.by);
    let mut counted = 0;
    let mut total = Tally::default();
    let mut sums = FxHashMap::default();
    for (key, tally) in summaries.rows.iter().filter(|(key, tally)| filter.admits(key, tally)) {
        counted += 1;
        add(sums.entry(grouping.group(key)).or_default(), tally);
        add(&mut total, tally);
    }
    let rows_total = sums.len();
    let behind =
        |row: &(Group, Tally)| after.is_none_or(|place| grouping.is_behind(row, request.sort, place));
    let (page, is_cut) = page(sums.into_iter().filter(behind).collect(), request);
    let next = page.last().filter(|_| is_cut);
    let names = telling_names(known.services);
    Ok(Table {
        request: request.clone(),
        columns: request.by.iter().map(|by| Column { name: by.to_string() }).collect(),
        rows: page.iter().map(|(group, tally)| (grouping.cells(group, &names), *tally)).collect(),
        rows_total,
        total,
        summaries: counted,
        window_s: summaries.window_s,
        next: next.map(|row| Token(grouping.place(row, request.sort, asked))),
        notes: filter.notes,
    })
}

/// The first rows in the order that was asked for, at most as many as asked; and whether there are more.
fn page(mut rows: Vec<(Group, Tally)>, request: &Request) -> (Vec<(Group, Tally)>, bool) {
    let order = |a: &(Group, Tally), b: &(Group, Tally)| {
        let (a_value, b_value) = (request.sort.value(&a.1), request.sort.value(&b.1));
        b_value.cmp(&a_value).then_with(|| a.0.cmp(&b.0))
    };
    let limit = request.limit.unwrap_or(usize::MAX);
    let is_cut = limit < rows.len();
    if is_cut && limit > 0 {
        rows.select_nth_unstable_by(limit - 1, order);
    }
    rows.truncate(limit);
    rows.sort_unstable_by(order);
    (rows, is_cut)
}

/// What a request asks for, whatever its page: tells tokens of other requests.
fn digest(request: &Request) -> u64 {
    let mut hasher = FxHasher::default();
    request.query.to_words().hash(&mut hasher);
    request.by.hash(&mut hasher);
    request.sort.hash(&mut hasher);
    hasher.finish()
}

/// Adds one row to a sum.
pub(crate) fn add(sum: &mut Tally, row: &Tally) {
    let is_first = *sum == Tally::default();
    sum.first = if is_first { row.first } else { sum.first.min(row.first) };
    sum.last = if is_first { row.last } else { sum.last.max(row.last) };
    sum.connections = sum.connections.saturating_add(row.connections);
    sum.packets = sum.packets.saturating_add(row.packets);
    sum.bytes = sum.bytes.saturating_add(row.bytes);
    sum.reply_packets = sum.reply_packets.saturating_add(row.reply_packets);
    sum.reply_bytes = sum.reply_bytes.saturating_add(row.reply_bytes);
    sum.guessed = sum.guessed.saturating_add(row.guessed);
    sum.rejected_replies = sum.rejected_replies.saturating_add(row.rejected_replies);
}

/// What a row is by the chosen keys; 0 for a key that was not chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Group {
    /// Place of the source in [`Grouping::sources`], and so in the order.
    source: u32,
    destination: u32,
    /// `protocol << 16 | detail`.
    service: u32,
    window: i64,
    outcome: u8,
    side: u8,
}

/// The chosen keys, made ready for the ends of one set of summaries.
struct Grouping<'a> {
    by: &'a [By],
    sources: Parts,
    destinations: Parts,
    has_service: bool,
    has_window: bool,
    has_outcome: bool,
    has_side: bool,
}

/// What the ends are by the chosen keys.
struct Parts {
    /// For each end its place in `parts`.
    of_end: Vec<u32>,
    /// Cells in the order of the keys of this end, with the text that they are sorted by: the same in every run.
    parts: Vec<(String, Vec<Cell>)>,
}

const OUTCOMES: [Outcome; 3] = [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown];
const SIDES: [Side; 4] = [Side::Source, Side::Destination, Side::Elsewhere, Side::Both];

impl<'a> Grouping<'a> {
    fn new(summaries: &Summaries, by: &'a [By]) -> Self {
        Self {
            by,
            sources: Parts::new(summaries, by, At::Source),
            destinations: Parts::new(summaries, by, At::Destination),
            has_service: by.contains(&By::Service),
            has_window: by.contains(&By::Window),
            has_outcome: by.contains(&By::Outcome),
            has_side: by.contains(&By::Side),
        }
    }

    fn group(&self, key: &Key) -> Group {
        let service = u32::from(key.service.protocol) << 16 | u32::from(key.service.detail);
        Group {
            source: self.sources.of(key.source.0),
            destination: self.destinations.of(key.destination.0),
            service: if self.has_service { service } else { 0 },
            window: if self.has_window { key.window } else { 0 },
            outcome: if self.has_outcome { key.outcome as u8 } else { 0 },
            side: if self.has_side { key.side as u8 } else { 0 },
        }
    }

    /// The place of a row in the order, for a token.
    fn place(&self, (group, tally): &(Group, Tally), sort: Sort, asked: u64) -> Place {
        Place {
            asked,
            value: sort.value(tally),
            source: self.sources.text(group.source).to_owned(),
            destination: self.destinations.text(group.destination).to_owned(),
            service: group.service,
            window: group.window,
            outcome: group.outcome,
            side: group.side,
        }
    }

    fn is_behind(&self, (group, tally): &(Group, Tally), sort: Sort, place: &Place) -> bool {
        let value = sort.value(tally);
        if value != place.value {
            return value < place.value;
        }
        let rest = |service, window, outcome, side| (service, window, outcome, side);
        let row = rest(group.service, group.window, group.outcome, group.side);
        let ends = (self.sources.text(group.source), self.destinations.text(group.destination));
        let last = rest(place.service, place.window, place.outcome, place.side);
        (ends, row) > ((place.source.as_str(), place.destination.as_str()), last)
    }

    /// A cell for each key, in the order that was asked for.
    fn cells(&self, group: &Group, names: &[(Name, ServiceSet)]) -> Vec<Cell> {
        let mut sources = self.sources.cells(group.source);
        let mut destinations = self.destinations.cells(group.destination);
        let cell = |by: &By| match by {
            By::End(at) | By::Label(at, _) | By::Network(at) => {
                let cells = if *at == At::Source { &mut sources } else { &mut destinations };
                cells.next().cloned().unwrap_or(Cell::Missing)
            }
            By::Service => service(group.service, names),
            By::Window => Cell::Window(group.window),
            By::Outcome => Cell::Outcome(OUTCOMES[usize::from(group.outcome).min(2)]),
            By::Side => Cell::Side(SIDES[usize::from(group.side).min(3)]),
        };
        self.by.iter().map(cell).collect()
    }
}

fn service(bits: u32, names: &[(Name, ServiceSet)]) -> Cell {
    let point = ServicePoint { protocol: (bits >> 16) as u8, detail: bits as u16 };
    let names = names.iter().filter(|(_, set)| set.contains(point)).map(|(name, _)| name.clone());
    Cell::Service(point, names.collect())
}

impl Parts {
    fn new(summaries: &Summaries, by: &[By], at: At) -> Self {
        let is_of_end =
            |by: &&By| matches!(by, By::End(of) | By::Label(of, _) | By::Network(of) if *of == at);
        let keys: Vec<&By> = by.iter().filter(is_of_end).collect();
        if keys.is_empty() {
            return Self { of_end: Vec::new(), parts: vec![(String::new(), Vec::new())] };
        }
        let mut numbers: FxHashMap<Vec<Cell>, u32> = FxHashMap::default();
        let mut found: Vec<u32> = Vec::with_capacity(summaries.ends.len());
        for (_, end) in summaries.ends.iter() {
            let next = numbers.len() as u32;
            found.push(*numbers.entry(keys.iter().map(|by| cell(by, end)).collect()).or_insert(next));
        }
        let mut parts: Vec<(String, Vec<Cell>, u32)> =
            numbers.into_iter().map(|(cells, number)| (sort_text(&cells), cells, number)).collect();
        parts.sort_unstable();
        let mut places = vec![0; parts.len()];
        for (place, (_, _, number)) in parts.iter().enumerate() {
            places[*number as usize] = place as u32;
        }
        let of_end = found.into_iter().map(|number| places[number as usize]).collect();
        Self { of_end, parts: parts.into_iter().map(|(text, cells, _)| (text, cells)).collect() }
    }

    fn of(&self, end: u32) -> u32 {
        self.of_end.get(end as usize).copied().unwrap_or(0)
    }

    fn text(&self, part: u32) -> &str {
        self.parts.get(part as usize).map_or("", |(text, _)| text)
    }

    fn cells(&self, part: u32) -> std::slice::Iter<'_, Cell> {
        self.parts.get(part as usize).map_or(&[][..], |(_, cells)| cells).iter()
    }
}

fn cell(by: &By, end: &End) -> Cell {
    match (by, end) {
        (By::End(_), End::Workload { labels, .. }) => Cell::Labels(labels.clone()),
        (By::End(_), End::Address(block)) => Cell::Address(*block),
        (By::Label(_, key), End::Workload { labels, .. }) => {
            labels.get(key.as_str()).map_or(Cell::Missing, |value| Cell::Text(value.to_string()))
        }
        (By::Network(_), End::Workload { network, .. }) => {
            network.as_ref().map_or(Cell::Missing, |network| Cell::Text(network.to_string()))
        }
        _ => Cell::Outside,
    }
}

/// A text for each list of cells, another for another list: what people read first, then the lengths, since nothing in a
/// label is a separator.
fn sort_text(cells: &[Cell]) -> String {
    let (mut text, mut lengths) = (String::new(), String::new());
    let mut add = |kind: &str, value: &str| {
        text.extend([kind, value, " "]);
        lengths.push_str(&format!("-{}", value.len()));
    };
    for cell in cells {
        match cell {
            Cell::Text(value) => add("1", value),
            Cell::Labels(labels) => {
                add("1", "");
                for label in policy::label::in_reading_order(labels) {
                    add("", label.key.as_str());
                    add("", label.value.as_str());
                }
            }
            Cell::Missing => add("2", ""),
            Cell::Address(block) => add("3", &address_text(block)),
            _ => add("4", ""),
        }
    }
    text + &lengths
}

/// An address whose texts are in the order of the numbers.
fn address_text(block: &ipnet::IpNet) -> String {
    match block.addr() {
        std::net::IpAddr::V4(address) => format!("4{:08x}/{:03}", address.to_bits(), block.prefix_len()),
        std::net::IpAddr::V6(address) => format!("6{:032x}/{:03}", address.to_bits(), block.prefix_len()),
    }
}
