//! Summaries: flows by who, to whom, on what, in which window. What is stored, queried, drawn and replayed.
//!
//! A conversation is seen at up to two points (the source's interface and the destination's). Each of them gives a row of
//! its own here ([`Side`]), because their logs arrive at different times; [`Summaries::merged`] makes one of both.

use std::net::IpAddr;

use ipnet::IpNet;
use policy::{LabelSet, NetworkId, ServicePoint};
use rustc_hash::FxHashMap;

use crate::record::Outcome;

mod merge;
mod sum;

pub(crate) use sum::fold_unsorted;

/// One end of summarised flows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// Workloads with these labels, in this network.
    Workload {
        /// As they were at the time of the flow.
        labels: LabelSet,
        /// Where the interface is; `None` for what is known by address alone (unmanaged workloads).
        network: Option<NetworkId>,
    },
    /// Nobody known: an address, or the block that stands for it where there were too many.
    Address(IpNet),
}

impl End {
    /// An address that nobody known holds.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(address.into())
    }
}

/// An end by its place in [`Ends`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EndId(pub u32);

/// Ends, each once.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    list: Vec<End>,
    ids: FxHashMap<End, EndId>,
}

impl Ends {
    /// The number of an end, new if it was not there.
    pub fn intern(&mut self, end: End) -> EndId {
        if let Some(&id) = self.ids.get(&end) {
            return id;
        }
        let id = EndId(self.list.len() as u32);
        self.list.push(end.clone());
        self.ids.insert(end, id);
        id
    }

    /// The number of an end that is there.
    pub fn find(&self, end: &End) -> Option<EndId> {
        self.ids.get(end).copied()
    }

    /// The end of a number that this table gave.
    pub fn get(&self, id: EndId) -> &End {
        &self.list[id.0 as usize]
    }

    /// All of them, in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (EndId, &End)> {
        self.list.iter().enumerate().map(|(at, end)| (EndId(at as u32), end))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Which end saw it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The point is at the connection's source (who opened it).
    Source,
    /// The point is at the connection's destination.
    Destination,
    /// At neither, or nobody can tell.
    Elsewhere,
    /// Both ends, merged.
    Both,
}

/// What flows are summed by. Source and destination are those of the *connection*: replies are already turned round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Start of the window, Unix seconds, a multiple of [`Summaries::window_s`].
    pub window: i64,
    /// Who opened the connection.
    pub source: EndId,
    /// Who was connected to.
    pub destination: EndId,
    /// On what: protocol and destination port. Client ports are dropped.
    pub service: ServicePoint,
    /// What the seeing end did.
    pub outcome: Outcome,
    /// Who saw it.
    pub side: Side,
}

/// What was summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Connections or attempts: records of the opening direction.
    pub connections: u64,
    /// From source to destination.
    pub packets: u64,
    /// From source to destination.
    pub bytes: u64,
    /// From destination to source.
    pub reply_packets: u64,
    /// From destination to source.
    pub reply_bytes: u64,
    /// First packet, Unix seconds.
    pub first: i64,
    /// Last packet, Unix seconds.
    pub last: i64,
    /// Records of which who opened them was guessed (from ports).
    pub guessed: u64,
    /// Replies that were dropped though the connection was let in (a stateless filter).
    pub rejected_replies: u64,
}

/// Summaries of one read or of one query.
#[derive(Clone, Debug, Default)]
pub struct Summaries {
    /// Width of the windows in seconds.
    pub window_s: u32,
    /// The ends that rows name.
    pub ends: Ends,
    /// Sorted by key, each key once.
    pub rows: Vec<(Key, Tally)>,
}

impl Summaries {
    /// One row for what passed and one for what was dropped of each flow, as the user should read it.
    ///
    /// Rows that differ in side and outcome alone are one flow, seen at up to two ends:
    /// - what the destination dropped is `Rejected`, and is taken off what the source saw pass: accepted there is no
    ///   delivery. The side is then `Both`, and `Destination` if the source saw nothing;
    /// - what the source dropped is `Rejected` with side `Source`: it never left;
    /// - what passed has the numbers of the end that saw more, never the sum of both, and the side `Both` if both saw it.
    ///   `Source` alone is no proof that it arrived: the destination may log nothing, or later, or only what it drops.
    ///   It is `Accepted` if either log has verdicts, `Unknown` if neither has (Google's flow logs see what leaves before
    ///   the source's own firewall: an `Unknown` row of side `Source` beside a `Rejected` one may tell of the same packets);
    /// - a reply that was dropped at the destination (a network ACL on the way out) is in `rejected_replies` of what passed,
    ///   added to those that the source dropped;
    /// - what was seen to pass elsewhere is only told where neither end tells of the flow.
    ///
    /// Is idempotent, and depends on the rows alone and not on the order in which they were added. Merge when you read,
    /// and keep the rows of each side: a sum of merged rows is not the merged sum. Rows that come later may be added to merged
    /// ones without any difference where merging left the flow as it was (in general: one end alone had seen it);
    /// otherwise late rows stand beside the row of side `Both`, as if they were of further connections.
    pub fn merged(&self) -> Self {
        merge::merged(self)
    }
}
