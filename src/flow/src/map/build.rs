//! From summaries to groups, nodes and edges.

use std::collections::{BTreeMap, BTreeSet};

use policy::label::in_reading_order;
use policy::{LabelKey, LabelSet, Name, ServicePoint, ServiceSet, Verdict};
use rustc_hash::FxHashMap;

use crate::map::outside::Outside;
use crate::map::{Edge, EdgeService, Fate, Group, Labelled, Map, Node, NodeKind, Options, Roles};
use crate::query::{add, telling_names};
use crate::record::Outcome;
use crate::summary::{End, Ends, Key, Summaries, Tally};

/// Addresses that a node shows.
const ADDRESSES_MAX: usize = 8;

/// [`Map::build`].
pub(super) fn map(summaries: &Summaries, options: &Options<'_>) -> Map {
    let (groups, nodes, node_of) = nodes(summaries, options);
    let mut fates = Fates { verdict: options.verdict, ends: &summaries.ends, known: FxHashMap::default() };
    let mut names = Names { services: &telling_names(options.services), known: FxHashMap::default() };
    let mut sums: FxHashMap<EdgeKey, Sum> = FxHashMap::default();
    let mut total = Tally::default();
    for (key, tally) in &summaries.rows {
        let ends = (node_of[key.source.0 as usize], node_of[key.destination.0 as usize]);
        let edge = EdgeKey { ends, fate: fates.of(key), service: names.of(key.service) };
        let sum = sums.entry(edge).or_default();
        sum.rows += 1;
        sum.seen.insert(key.service);
        add(&mut sum.tally, tally);
        add(&mut total, tally);
    }
    let edges = edges(sums, names.services, options.services_max);
    Map {
        title: options.title.clone(),
        group_by: options.group_by.clone(),
        groups,
        nodes,
        edges,
        total,
        rows: summaries.rows.len(),
        notes: options.notes.clone(),
    }
}

/// What rows of one edge have in common. The service is the place of its name, or the point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct EdgeKey {
    ends: (usize, usize),
    fate: Fate,
    service: ServiceKey,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum ServiceKey {
    Named(usize),
    Point(ServicePoint),
    Others,
}

#[derive(Default)]
struct Sum {
    rows: usize,
    seen: BTreeSet<ServicePoint>,
    tally: Tally,
}

/// Groups and nodes in their order, and the node of each end. Ends that no row names make no node.
fn nodes(summaries: &Summaries, options: &Options<'_>) -> (Vec<Group>, Vec<Node>, Vec<usize>) {
    let outside = Outside::new(options.lists);
    let mut is_named = vec![false; summaries.ends.len()];
    for (key, _) in &summaries.rows {
        is_named[key.source.0 as usize] = true;
        is_named[key.destination.0 as usize] = true;
    }
    let mut found: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    let named = summaries.ends.iter().filter(|(id, _)| is_named[id.0 as usize]);
    for (id, end) in named {
        found.entry(place(end, options, &outside)).or_default().push(id.0 as usize);
    }
    let mut node_of = vec![0; summaries.ends.len()];
    let (mut groups, mut nodes) = (Vec::<Group>::new(), Vec::new());
    for (place, ends) in found {
        let labels = place.group.1;
        if groups.last().is_none_or(|last| last.labels != labels) {
            groups.push(Group { labels });
        }
        ends.iter().for_each(|end| node_of[*end] = nodes.len());
        nodes.push(node(groups.len() - 1, place.kind, &ends, &summaries.ends));
    }
    (groups, nodes, node_of)
}

/// Group and node of an end, in the order of the map: what is outside last, otherwise by name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    group: (bool, Option<Labelled>),
    kind: NodeKind,
}

fn place(end: &End, options: &Options<'_>, outside: &Outside) -> Place {
    match end {
        End::Address(block) => Place { group: (true, None), kind: outside.kind(*block) },
        End::Workload { labels, .. } => {
            let group = of_keys(labels, &options.group_by);
            let role = match &options.roles {
                Roles::Keys(keys) => of_keys(labels, keys),
                Roles::All => others(labels, &options.group_by),
            };
            Place { group: (false, Some(group)), kind: NodeKind::Role(role) }
        }
    }
}

fn of_keys(labels: &LabelSet, keys: &[LabelKey]) -> Labelled {
    keys.iter().map(|key| (key.clone(), labels.get(key.as_str()).cloned())).collect()
}

fn others(labels: &LabelSet, group_by: &[LabelKey]) -> Labelled {
    let others = in_reading_order(labels).into_iter().filter(|label| !group_by.contains(&label.key));
    others.map(|label| (label.key, Some(label.value))).collect()
}

fn node(group: usize, kind: NodeKind, ids: &[usize], ends: &Ends) -> Node {
    let mut node =
        Node { group, kind, networks: BTreeSet::new(), addresses: BTreeSet::new(), ends: ids.len() };
    for &id in ids {
        match ends.get(crate::EndId(id as u32)) {
            End::Workload { network, .. } => node.networks.extend(network.clone()),
            End::Address(block) => {
                node.addresses.insert(*block);
                if node.addresses.len() > ADDRESSES_MAX {
                    node.addresses.pop_last();
                }
            }
        }
    }
    node
}

/// What became of rows.
struct Fates<'a> {
    verdict: Option<super::VerdictOf<'a>>,
    ends: &'a Ends,
    /// Whether full enforcement would block: asked once for each pair of ends and service.
    known: FxHashMap<(u32, u32, ServicePoint), bool>,
}

impl Fates<'_> {
    fn of(&mut self, key: &Key) -> Fate {
        if key.outcome == Outcome::Rejected {
            return Fate::Rejected;
        }
        if self.would_block(key) {
            return Fate::PotentiallyBlocked;
        }
        if key.outcome == Outcome::Accepted { Fate::Accepted } else { Fate::Unknown }
    }

    fn would_block(&mut self, key: &Key) -> bool {
        let Some(verdict) = self.verdict else { return false };
        let ends = self.ends;
        *self.known.entry((key.source.0, key.destination.0, key.service)).or_insert_with(|| {
            let verdict = verdict(ends.get(key.source), ends.get(key.destination), key.service);
            matches!(verdict, Some(Verdict::PotentiallyBlocked | Verdict::Blocked))
        })
    }
}

/// Names of services.
struct Names<'a> {
    /// Smallest first.
    services: &'a [(Name, ServiceSet)],
    known: FxHashMap<ServicePoint, ServiceKey>,
}

impl Names<'_> {
    fn of(&mut self, point: ServicePoint) -> ServiceKey {
        let services = self.services;
        *self.known.entry(point).or_insert_with(|| {
            let named = services.iter().position(|(_, set)| set.contains(point));
            named.map_or(ServiceKey::Point(point), ServiceKey::Named)
        })
    }
}

/// Edges in their order; where there are too many services without a name, the least used are one edge.
fn edges(sums: FxHashMap<EdgeKey, Sum>, names: &[(Name, ServiceSet)], services_max: usize) -> Vec<Edge> {
    let mut sums: Vec<(EdgeKey, Sum)> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(key, _)| *key);
    let mut edges = Vec::new();
    let mut left = sums.into_iter().peekable();
    while let Some((first, sum)) = left.next() {
        let mut alike = vec![(first, sum)];
        while let Some(next) = left.next_if(|(key, _)| (key.ends, key.fate) == (first.ends, first.fate)) {
            alike.push(next);
        }
        edges.extend(fold(alike, services_max).into_iter().map(|(key, sum)| edge(key, sum, names)));
    }
    edges.sort_by(|a: &Edge, b| {
        let key = |edge: &Edge| (edge.source, edge.destination);
        key(a).cmp(&key(b)).then_with(|| a.service.cmp(&b.service)).then_with(|| a.fate.cmp(&b.fate))
    });
    edges
}

fn fold(alike: Vec<(EdgeKey, Sum)>, services_max: usize) -> Vec<(EdgeKey, Sum)> {
    let is_point = |(key, _): &(EdgeKey, Sum)| matches!(key.service, ServiceKey::Point(_));
    let (mut points, mut edges): (Vec<_>, Vec<_>) = alike.into_iter().partition(is_point);
    if points.len() <= services_max.max(1) {
        edges.extend(points);
        return edges;
    }
    points.sort_by_key(|(key, sum)| (std::cmp::Reverse(sum.tally.connections), key.service));
    let folded = points.split_off(services_max.max(1) - 1);
    let mut others: Option<(EdgeKey, Sum)> = None;
    for (key, sum) in folded {
        let (_, all) =
            others.get_or_insert_with(|| (EdgeKey { service: ServiceKey::Others, ..key }, Sum::default()));
        all.rows += sum.rows;
        all.seen.extend(sum.seen);
        add(&mut all.tally, &sum.tally);
    }
    edges.extend(points);
    edges.extend(others);
    edges
}

fn edge(key: EdgeKey, sum: Sum, names: &[(Name, ServiceSet)]) -> Edge {
    let service = match key.service {
        ServiceKey::Named(at) => {
            names.get(at).map_or(EdgeService::Others, |(name, _)| EdgeService::Named(name.clone()))
        }
        ServiceKey::Point(point) => EdgeService::Point(point),
        ServiceKey::Others => EdgeService::Others,
    };
    Edge {
        source: key.ends.0,
        destination: key.ends.1,
        service,
        fate: key.fate,
        seen: sum.seen.into_iter().map(ServiceSet::point).collect(),
        tally: sum.tally,
        rows: sum.rows,
    }
}
