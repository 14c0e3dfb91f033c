//! The application dependency map: groups by application and environment, roles inside, edges by service and verdict.
//!
//! ```text
//! Summaries ─build─▶ Map ─┬─▶ text, JSON, DOT
//!                         └─layout─▶ Picture ─svg, html─▶ a page that needs nothing else
//! ```
//!
//! Build it from [`Summaries::merged`](crate::Summaries::merged), or flows that both ends saw count twice; from the answer of
//! [`query::select`](crate::query::select) for a part.
//!
//! INVARIANT: each row of the summaries is in exactly one edge: the sums over edges are the sums over rows.

use std::collections::BTreeSet;

use ipnet::IpNet;
use policy::{AddressSet, LabelKey, LabelValue, Name, NetworkId, ServicePoint, ServiceSet, Verdict};

use crate::summary::{End, Summaries, Tally};

mod build;
mod dot;
mod html;
mod json;
mod layout;
mod outside;
mod svg;
mod text;

/// What full enforcement of the policy would do with flows from one end to another.
pub type VerdictOf<'a> = &'a dyn Fn(&End, &End, ServicePoint) -> Option<Verdict>;

/// How a map is drawn, and what the caller knows of names.
#[derive(Clone)]
pub struct Options<'a> {
    /// Above the map.
    pub title: String,
    /// What makes a group: workloads with the same values of these keys.
    pub group_by: Vec<LabelKey>,
    /// What makes a node inside a group.
    pub roles: Roles,
    /// The policy's services, for the names of edges. A point in several has the name of the smallest.
    pub services: &'a [(Name, ServiceSet)],
    /// The policy's IP lists, for the names of what is outside. An address in several is in the smallest.
    pub lists: &'a [(Name, AddressSet)],
    /// What passed and would be blocked is potentially blocked; nothing is without.
    pub verdict: Option<VerdictOf<'a>>,
    /// More services without a name than this between two nodes are one edge: a scan of ports is no dependency.
    pub services_max: usize,
    /// What the reader should know besides, such as how much of the time was not covered: one sentence each.
    pub notes: Vec<String>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            title: "Application dependency map".to_owned(),
            group_by: vec!["app".into(), "env".into()],
            roles: Roles::Keys(vec!["role".into()]),
            services: &[],
            lists: &[],
            verdict: None,
            services_max: 20,
            notes: Vec::new(),
        }
    }
}

/// What makes a node inside a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Roles {
    /// The same values of these keys.
    Keys(Vec<LabelKey>),
    /// The same labels, of all keys that do not make the group.
    All,
}

/// Labels that make a group or a node: `None` for a key that the workloads do not have.
pub type Labelled = Vec<(LabelKey, Option<LabelValue>)>;

/// Nodes that belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The labels; `None` for what is outside.
    pub labels: Option<Labelled>,
}

/// What a node stands for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NodeKind {
    /// Workloads with these labels, besides those of the group.
    Role(Labelled),
    /// Addresses in an IP list of the policy that nobody known holds.
    List(Name),
    /// Other addresses that no router of the internet forwards, by their block.
    Block(IpNet, &'static str),
    /// All other addresses.
    Internet,
}

/// One box of the map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its place in [`Map::groups`].
    pub group: usize,
    /// What it stands for.
    pub kind: NodeKind,
    /// Networks of its workloads.
    pub networks: BTreeSet<NetworkId>,
    /// For addresses, some of them, the smallest.
    pub addresses: BTreeSet<IpNet>,
    /// Ends of the summaries that are in it.
    pub ends: usize,
}

/// What became of flows, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fate {
    /// An end dropped them.
    Rejected,
    /// They passed, and full enforcement would block them.
    PotentiallyBlocked,
    /// The log has no verdicts.
    Unknown,
    /// They passed.
    Accepted,
}

impl Fate {
    /// All of them, worst first.
    pub const ALL: [Self; 4] = [Self::Rejected, Self::PotentiallyBlocked, Self::Unknown, Self::Accepted];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::PotentiallyBlocked => "potentially blocked",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
        }
    }

    /// For programs and style sheets.
    pub fn id(self) -> &'static str {
        match self {
            Self::PotentiallyBlocked => "potentially_blocked",
            other => other.words(),
        }
    }
}

/// On what an edge is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EdgeService {
    /// A service of the policy.
    Named(Name),
    /// Protocol and port.
    Point(ServicePoint),
    /// Many services without a name.
    Others,
}

/// Flows from one node to another on one service, with one fate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Who opened the connections: its place in [`Map::nodes`].
    pub source: usize,
    /// Who was connected to.
    pub destination: usize,
    /// On what.
    pub service: EdgeService,
    /// What became of them.
    pub fate: Fate,
    /// The protocols and ports that were seen.
    pub seen: ServiceSet,
    /// The sums.
    pub tally: Tally,
    /// How many rows of the summaries were summed.
    pub rows: usize,
}

/// Who talks to whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// Above it.
    pub title: String,
    /// What makes a group.
    pub group_by: Vec<LabelKey>,
    /// By name; what is outside is last.
    pub groups: Vec<Group>,
    /// By group and name.
    pub nodes: Vec<Node>,
    /// By source, destination, service and fate.
    pub edges: Vec<Edge>,
    /// The sums over all edges.
    pub total: Tally,
    /// How many rows of the summaries were summed.
    pub rows: usize,
    /// One sentence each.
    pub notes: Vec<String>,
}

impl Map {
    /// Gathers summaries into a map. Linear in rows, apart from sorting nodes and edges.
    pub fn build(summaries: &Summaries, options: &Options<'_>) -> Self {
        build::map(summaries, options)
    }

    /// A tree for a terminal, worst first, at most 100 columns.
    pub fn to_text(&self) -> String {
        text::render(self)
    }

    /// For programs, with a `format_version`; `map/json.rs` writes the form down.
    pub fn to_json(&self) -> serde_json::Value {
        json::render(self)
    }

    /// For Graphviz: groups are clusters.
    pub fn to_dot(&self) -> String {
        dot::render(self)
    }

    /// A page with a picture that needs no network and no other file.
    pub fn to_html(&self) -> String {
        html::render(self)
    }

    /// Edges of a fate, and their connections.
    pub fn of_fate(&self, fate: Fate) -> (usize, u64) {
        let edges = self.edges.iter().filter(|edge| edge.fate == fate);
        edges.fold((0, 0), |(edges, sum), edge| (edges + 1, sum.saturating_add(edge.tally.connections)))
    }

    /// The group of a node.
    pub fn group_of(&self, node: usize) -> usize {
        self.nodes.get(node).map_or(0, |node| node.group)
    }

    /// The name of a node with its group's: `web in shop · prod`.
    fn full_name(&self, node: usize) -> String {
        let Some(node) = self.nodes.get(node) else { return String::new() };
        match self.groups.get(node.group) {
            Some(group) if group.labels.is_some() => format!("{} in {}", node.name(), group.name()),
            _ => node.name(),
        }
    }
}

impl Group {
    /// `shop · prod`; not escaped.
    pub fn name(&self) -> String {
        match &self.labels {
            Some(labels) => joined(labels, "everything"),
            None => "outside".to_owned(),
        }
    }
}

impl Node {
    /// `web`, `office`, `10.0.0.0/8 (private)`, `internet`; not escaped.
    pub fn name(&self) -> String {
        match &self.kind {
            NodeKind::Role(labels) => joined(labels, "workloads"),
            NodeKind::List(name) => name.to_string(),
            NodeKind::Block(block, what) => format!("{block} ({what})"),
            NodeKind::Internet => "internet".to_owned(),
        }
    }

    /// What it is, for programs and style sheets.
    pub fn kind_word(&self) -> &'static str {
        match self.kind {
            NodeKind::Role(_) => "role",
            NodeKind::List(_) => "list",
            NodeKind::Block(..) => "block",
            NodeKind::Internet => "internet",
        }
    }
}

impl Edge {
    /// `postgres (tcp/5432)`, `tcp/8443`, `32 other services`; not escaped.
    pub fn service_words(&self) -> String {
        match &self.service {
            EdgeService::Named(name) => {
                format!("{name} ({})", crate::figure::shortened(&self.seen.to_string(), 40))
            }
            _ => self.service_short(),
        }
    }

    /// The same without ports where there is a name.
    pub fn service_short(&self) -> String {
        match &self.service {
            EdgeService::Named(name) => name.to_string(),
            EdgeService::Point(point) => point.to_string(),
            EdgeService::Others => {
                let many: u64 =
                    self.seen.points().ranges().iter().map(|(first, last)| u64::from(last - first) + 1).sum();
                format!("{} other services", crate::figure::count(many))
            }
        }
    }
}

/// Values in the order of their keys; a missing one by its key. Empty if there are no keys: then `otherwise`.
fn joined(labels: &Labelled, otherwise: &str) -> String {
    if labels.is_empty() {
        return otherwise.to_owned();
    }
    let value = |(key, value): &(LabelKey, Option<LabelValue>)| match value {
        Some(value) => value.to_string(),
        None => format!("no {key}"),
    };
    labels.iter().map(value).collect::<Vec<_>>().join(" · ")
}
