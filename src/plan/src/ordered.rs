//! Ordered lists on a path as stages of a filter graph: for the `semantics` of clouds whose rules stand in such lists.
//!
//! Only `semantics` uses this, so that the proof shares nothing with what it judges.
//!
//! A *chain* is a sequence of lists. The first match in a list decides: allow and deny are final, next and no match at all
//! leave the packet to the next list of the chain; nothing passes the end of a chain. A packet must pass every
//! chain on its path. (Network security groups: a chain for each, both behind the admin rules. Firewall policies:
//! one chain.)
//!
//! ```text
//! path_filters ─cloud─▶ chains ─targets, networks─▶ layers ─chain─▶ lines ─lists─▶ stages with shared lists
//! ```
//!
//! - `reach`: who is in which group, and from where a rule may name him;
//! - `rule`: what a rule matches, and how what is not read counts;
//! - `chain`: the stages of one chain, with the rules of ours apart from the foreign ones;
//! - `before`: what earlier lists of a chain stop;
//! - `lists`: equal lists are one.

mod before;
mod chain;
mod lists;
mod reach;
mod rule;

use std::collections::BTreeSet;

use policy::compiled::essential_services;
use policy::{AddressSet, NetworkId};
use rustc_hash::FxHashMap;

use crate::graph::{Effect, Entry, FilterGraph, FilterList, Node, Peers, Stage};
use crate::scope::Direction;
use crate::state::{GroupId, InterfaceState, Observed, Owner, PathFilter, PathRule};
use chain::{Layer, Stages};
use lists::Lists;
use reach::Reach;
use rule::Rules;

/// What is particular to a cloud whose rules stand in ordered lists.
pub trait OrderedCloud {
    /// Whether a rule may name the members of a group over peerings that carry identity; in their own network it
    /// always may.
    fn names_over_peerings(&self, group: &GroupId) -> bool;

    /// The chains that a packet must pass, from the lists on the path of an interface, outermost first. Ours are in the
    /// first chain; rules of ours in others count as foreign. No chain: everything passes.
    fn chains<'a>(&self, path: &[&'a PathFilter], direction: Direction) -> Vec<Vec<Link<'a>>>;
}

/// A list in a chain.
#[derive(Clone, Debug)]
pub enum Link<'a> {
    /// Rules of one list in one direction, in order of evaluation.
    List(&'a PathFilter, Vec<&'a PathRule>),
    /// A foreign list without an object, which lets everything pass, with what people call it.
    Open(&'static str),
}

impl<'a> Link<'a> {
    /// The rules of a list in one direction, in the order in which they stand there.
    pub fn of(filter: &'a PathFilter, direction: Direction) -> Self {
        Self::List(filter, filter.rules.iter().filter(|rule| rule.direction == direction).collect())
    }

    fn rules(&self) -> &[&'a PathRule] {
        match self {
            Self::List(_, rules) => rules,
            Self::Open(_) => &[],
        }
    }
}

/// Reads a domain into a filter graph. A list that an interface names and nobody read is left out.
///
/// Linear in interfaces and memberships, and in the rules on the path of each set of interfaces that the rules tell apart.
pub fn graph(domain: &[&Observed], cloud: &impl OrderedCloud) -> FilterGraph {
    let mut reader = Reader {
        paths: Paths::new(domain),
        rules: Rules::new(Reach::new(domain, |group| cloud.names_over_peerings(group))),
        lists: Lists::default(),
        known: FxHashMap::default(),
    };
    let interfaces = domain.iter().flat_map(|observed| &observed.interfaces);
    let nodes = interfaces.map(|interface| {
        let [ingress, egress] = reader.stages(interface, cloud);
        Node { interface: interface.id.clone(), network: interface.network.clone(), ingress, egress }
    });
    let nodes = nodes.collect();
    FilterGraph { nodes, lists: reader.lists.finish() }
}

/// Lets path MTU messages pass every list. Where no rule can tell ICMP types apart they need none: they belong to a connection
/// and pass with it, as replies do. Where none of our lists lets anything pass, a list for them alone stands in its place.
pub fn pass_with_connections(graph: &mut FilterGraph) {
    let entry = Entry {
        rule: "messages about an open connection".to_owned(),
        effect: Effect::Permit,
        peers: Peers::Addresses(AddressSet::any()),
        services: essential_services(),
    };
    graph.lists.iter_mut().for_each(|list| list.entries.insert(0, entry.clone()));
    let (lists, alone) = (&graph.lists, graph.lists.len() as u32);
    let is_ours = |list: &u32| lists[*list as usize].owner == Owner::Ours;
    for node in &mut graph.nodes {
        for stage in [node.ingress.first_mut(), node.egress.first_mut()].into_iter().flatten() {
            if !stage.lists.iter().any(is_ours) {
                stage.lists.push(alone);
            }
        }
    }
    let name = "open connections";
    let list =
        FilterList { id: name.into(), name: name.to_owned(), owner: Owner::Ours, entries: vec![entry] };
    graph.lists.push(list);
}

/// What interfaces share that have the same stages: path, network, and their groups that rules on the path are for.
type Key<'a> = (usize, &'a NetworkId, Vec<&'a GroupId>);

struct Reader<'a> {
    paths: Paths<'a>,
    rules: Rules<'a>,
    lists: Lists<'a>,
    known: FxHashMap<Key<'a>, [Vec<Stage>; 2]>,
}

impl<'a> Reader<'a> {
    /// The stages of an interface in both directions.
    fn stages(&mut self, interface: &'a InterfaceState, cloud: &impl OrderedCloud) -> [Vec<Stage>; 2] {
        let number = self.paths.number(interface, cloud);
        let path = &self.paths.known[number];
        let groups: BTreeSet<&GroupId> =
            interface.groups.iter().filter(|group| path.targets.contains(*group)).collect();
        let key = (number, &interface.network, groups.into_iter().collect());
        if let Some(stages) = self.known.get(&key) {
            return stages.clone();
        }
        let stages = path.chains.each_ref().map(|chains| {
            let mut layers = |chain: &Vec<Link<'a>>| -> Vec<Layer<'a>> {
                chain.iter().map(|link| Layer::at(link, &key.2, key.1, &mut self.rules)).collect()
            };
            let chains: Vec<Vec<Layer<'a>>> = chains.iter().map(&mut layers).collect();
            Stages::new(&self.rules, &mut self.lists).of(&chains)
        });
        self.known.insert(key, stages.clone());
        stages
    }
}

/// The chains of the paths that interfaces sit behind, read once for each path.
struct Paths<'a> {
    filters: FxHashMap<&'a str, &'a PathFilter>,
    numbers: FxHashMap<&'a [String], usize>,
    known: Vec<Path<'a>>,
}

struct Path<'a> {
    /// Of ingress and of egress.
    chains: [Vec<Vec<Link<'a>>>; 2],
    /// The groups that a rule of the path is for.
    targets: BTreeSet<&'a GroupId>,
}

impl<'a> Paths<'a> {
    fn new(domain: &[&'a Observed]) -> Self {
        let filters = domain.iter().flat_map(|observed| &observed.path_filters);
        let filters = filters.map(|filter| (filter.id.as_str(), filter)).collect();
        Self { filters, numbers: FxHashMap::default(), known: Vec::new() }
    }

    /// The number of the path that an interface sits behind.
    fn number(&mut self, interface: &'a InterfaceState, cloud: &impl OrderedCloud) -> usize {
        if let Some(&number) = self.numbers.get(interface.path_filters.as_slice()) {
            return number;
        }
        let lists: Vec<&'a PathFilter> =
            interface.path_filters.iter().filter_map(|id| self.filters.get(id.as_str()).copied()).collect();
        let chains = [Direction::Ingress, Direction::Egress].map(|direction| cloud.chains(&lists, direction));
        let links = chains.iter().flatten().flatten();
        let targets = links.flat_map(Link::rules).flat_map(|rule| &rule.targets).collect();
        self.known.push(Path { chains, targets });
        self.numbers.insert(&interface.path_filters, self.known.len() - 1);
        self.known.len() - 1
    }
}
