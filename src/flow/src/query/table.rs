//! The answer to a query, as data.

use ipnet::IpNet;
use policy::{LabelSet, Name, ServicePoint};

use crate::query::{Request, Token};
use crate::record::Outcome;
use crate::summary::{Side, Tally};

/// A column that rows are told apart by, under the word that it is asked for by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Such as `source:role`.
    pub name: String,
}

/// One value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cell {
    /// A workload that has no such label, or is in no network that is known.
    Missing,
    /// No workload: an address that nobody known holds, where a label or a network was asked for.
    Outside,
    /// A label's value or a network.
    Text(String),
    /// All labels of workloads.
    Labels(LabelSet),
    /// An address that nobody known holds, or the block that stands for it.
    Address(IpNet),
    /// A service, with the policy's names for it, the narrowest first.
    Service(ServicePoint, Vec<Name>),
    /// The start of a window, Unix seconds.
    Window(i64),
    /// What the seeing end did.
    Outcome(Outcome),
    /// Who saw it.
    Side(Side),
}

/// What a query found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// What was asked.
    pub request: Request,
    /// What rows are told apart by, in the order that was asked for.
    pub columns: Vec<Column>,
    /// A cell for each column, and the sums; sorted as asked, at most as many as asked.
    pub rows: Vec<(Vec<Cell>, Tally)>,
    /// How many rows there are on all pages.
    pub rows_total: usize,
    /// The sums over all pages.
    pub total: Tally,
    /// How many rows of the summaries were summed.
    pub summaries: usize,
    /// Width of a window in seconds.
    pub window_s: u32,
    /// What goes on behind the last row; nothing if there is no more.
    pub next: Option<Token>,
    /// What the reader should know of how the query was understood: one sentence each.
    pub notes: Vec<String>,
}
