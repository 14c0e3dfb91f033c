//! The facts that a change moves, and what they admit in the worst cases of the data plane.
//!
//! A *fact* is a membership of an interface in a group or a rule of a group. A change reaches each interface
//! after its own unknown delay, so while steps are in flight every mixture of their facts may be seen.
//! What facts admit grows with facts; so two extreme views decide: `Upper` (every make in flight seen, no break)
//! and `Lower` (every break in flight seen, no make).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use policy::{AddressSet, InterfaceId, NetworkId, ServiceSet};

use crate::diff::{Changes, ScopeInput};
use crate::scope::Direction;
use crate::state::{GroupId, Peer};

/// Index of a candidate step.
pub(super) type StepIndex = usize;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Pending,
    InFlight,
    Settled,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum View {
    Old,
    New,
    Upper,
    Lower,
}

/// When a fact holds: from the step that adds it until the step that removes it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    pub(super) added_by: Option<StepIndex>,
    pub(super) removed_by: Option<StepIndex>,
}

impl Life {
    pub(super) fn seen(self, view: View, status: &[Status]) -> bool {
        let of = |step: StepIndex| status[step];
        match view {
            View::Old => self.added_by.is_none(),
            View::New => self.removed_by.is_none(),
            View::Upper => {
                self.added_by.is_none_or(|step| of(step) != Status::Pending)
                    && self.removed_by.is_none_or(|step| of(step) != Status::Settled)
            }
            View::Lower => {
                self.added_by.is_none_or(|step| of(step) == Status::Settled)
                    && self.removed_by.is_none_or(|step| of(step) == Status::Pending)
            }
        }
    }
}

/// The far end of a rule, with groups by index.
#[derive(Clone, Debug)]
pub(super) enum PeerFact {
    Group(u32),
    Block(IpNet),
    Opaque,
}

#[derive(Clone, Debug)]
pub(super) struct RuleFact {
    pub(super) peer: PeerFact,
    pub(super) services: ServiceSet,
    pub(super) life: Life,
    pub(super) spec: crate::state::RuleSpec,
}

#[derive(Clone, Debug, Default)]
pub(super) struct GroupFacts {
    pub(super) ingress: Vec<RuleFact>,
    pub(super) egress: Vec<RuleFact>,
}

impl GroupFacts {
    pub(super) fn rules(&self, direction: Direction) -> &[RuleFact] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    pub(super) fn rules_mut(&mut self, direction: Direction) -> &mut Vec<RuleFact> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}

/// Interfaces that no step and no rule tells apart. An interface whose groups change is a cell of its own.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) network: NetworkId,
    pub(super) members: Vec<InterfaceId>,
    pub(super) groups: Vec<(u32, Life)>,
    /// One address for each family and each way in which the blocks of the domain's rules match.
    pub(super) addresses: Vec<IpAddr>,
}

pub(super) struct Model {
    pub(super) groups: Vec<GroupFacts>,
    pub(super) ids: Vec<GroupId>,
    pub(super) index: HashMap<GroupId, u32>,
    pub(super) cells: Vec<Cell>,
    pub(super) cell_of: HashMap<InterfaceId, usize>,
    /// Cells with a membership fact of the group.
    pub(super) members: Vec<Vec<usize>>,
    /// Groups and directions with a rule that names the group.
    pub(super) named_in: Vec<BTreeSet<(u32, Direction)>>,
    by_address: BTreeMap<IpAddr, Vec<usize>>,
    connected: BTreeSet<(NetworkId, NetworkId)>,
}

impl Model {
    /// The model of the old state; steps then add their facts.
    pub(super) fn new(domain: &[ScopeInput<'_>], changes: &Changes) -> Self {
        let mut model = Self {
            groups: Vec::new(),
            ids: Vec::new(),
            index: HashMap::new(),
            cells: Vec::new(),
            cell_of: HashMap::new(),
            members: Vec::new(),
            named_in: Vec::new(),
            by_address: BTreeMap::new(),
            connected: BTreeSet::new(),
        };
        for group in domain.iter().flat_map(|input| &input.observed.groups) {
            model.group(&group.id);
        }
        for change in &changes.groups {
            model.group(&change.id);
        }
        for input in domain {
            for group in &input.observed.groups {
                for (direction, spec) in crate::diff::rules_of(group) {
                    model.add_rule(&group.id, direction, &spec, Life::default());
                }
            }
            for network in &input.observed.networks {
                for peering in &network.peerings {
                    model.connected.insert((network.id.clone(), peering.peer.clone()));
                    model.connected.insert((peering.peer.clone(), network.id.clone()));
                }
            }
        }
        model
    }

    pub(super) fn group(&mut self, id: &GroupId) -> u32 {
        if let Some(&index) = self.index.get(id) {
            return index;
        }
        let index = self.groups.len() as u32;
        self.index.insert(id.clone(), index);
        self.ids.push(id.clone());
        self.groups.push(GroupFacts::default());
        self.members.push(Vec::new());
        self.named_in.push(BTreeSet::new());
        index
    }

    pub(super) fn add_rule(
        &mut self,
        group: &GroupId,
        direction: Direction,
        spec: &crate::state::RuleSpec,
        life: Life,
    ) {
        let own = self.group(group);
        let peer = match &spec.peer {
            Peer::Group(peer) => {
                let peer = self.group(peer);
                self.named_in[peer as usize].insert((own, direction));
                PeerFact::Group(peer)
            }
            Peer::Cidr(block) => PeerFact::Block(*block),
            Peer::Opaque(_) => PeerFact::Opaque,
        };
        let fact = RuleFact { peer, services: spec.service.to_set(), life, spec: spec.clone() };
        self.groups[own as usize].rules_mut(direction).push(fact);
    }

    /// Makes the cells; `moved` gives the membership facts of interfaces whose groups change.
    pub(super) fn add_cells(
        &mut self,
        domain: &[ScopeInput<'_>],
        moved: &HashMap<InterfaceId, Vec<(u32, Life)>>,
    ) {
        let blocks = BlockIndex::new(self);
        let mut by_shape: HashMap<(NetworkId, Vec<u32>, Vec<Vec<u32>>), usize> = HashMap::new();
        for interface in domain.iter().flat_map(|input| &input.observed.interfaces) {
            let mut kinds: BTreeMap<(bool, Vec<u32>), IpAddr> = BTreeMap::new();
            for &address in &interface.addresses {
                kinds.entry((address.is_ipv6(), blocks.matching(address))).or_insert(address);
            }
            let held: Vec<u32> = interface.groups.iter().map(|id| self.group(id)).collect();
            let shape =
                (interface.network.clone(), held.clone(), kinds.keys().map(|kind| kind.1.clone()).collect());
            let facts = moved.get(&interface.id);
            let known = if facts.is_none() { by_shape.get(&shape).copied() } else { None };
            let place = known.unwrap_or_else(|| {
                let groups =
                    facts.cloned().unwrap_or_else(|| held.iter().map(|&g| (g, Life::default())).collect());
                let addresses: Vec<IpAddr> = kinds.values().copied().collect();
                self.cells.push(Cell {
                    network: interface.network.clone(),
                    members: Vec::new(),
                    groups,
                    addresses,
                });
                self.cells.len() - 1
            });
            if facts.is_none() {
                by_shape.insert(shape, place);
            }
            self.cells[place].members.push(interface.id.clone());
            self.cell_of.insert(interface.id.clone(), place);
        }
        for (place, cell) in self.cells.iter().enumerate() {
            for (group, _) in &cell.groups {
                self.members[*group as usize].push(place);
            }
            for address in &cell.addresses {
                self.by_address.entry(*address).or_default().push(place);
            }
        }
    }

    /// Whether an interface holds no more than this many groups before the change.
    pub(super) fn would_empty(&self, interface: &InterfaceId, removed: usize) -> bool {
        let cell = self.cell_of.get(interface).and_then(|&cell| self.cells.get(cell));
        cell.is_some_and(|cell| {
            cell.groups.iter().filter(|(_, life)| life.added_by.is_none()).count() <= removed
        })
    }

    pub(super) fn same_or_connected(&self, a: &NetworkId, b: &NetworkId) -> bool {
        a == b || self.connected.contains(&(a.clone(), b.clone()))
    }

    /// Cells that a rule's peer may match.
    pub(super) fn peers_of(&self, peer: &PeerFact) -> Vec<usize> {
        match peer {
            PeerFact::Group(group) => self.members[*group as usize].clone(),
            PeerFact::Block(block) => {
                let range = self.by_address.range(block.network()..=block.broadcast());
                range.flat_map(|(_, cells)| cells.iter().copied()).collect()
            }
            PeerFact::Opaque => Vec::new(),
        }
    }

    /// What one end admits to or from an address of a peer cell.
    fn end_admits(
        &self,
        own: usize,
        direction: Direction,
        peer: usize,
        address: IpAddr,
        view: View,
        status: &[Status],
    ) -> ServiceSet {
        let (own, far) = (&self.cells[own], &self.cells[peer]);
        if own.groups.is_empty() {
            return ServiceSet::all();
        }
        let mut admitted = ServiceSet::empty();
        for (group, _) in own.groups.iter().filter(|(_, life)| life.seen(view, status)) {
            for rule in
                self.groups[*group as usize].rules(direction).iter().filter(|r| r.life.seen(view, status))
            {
                let matches = match &rule.peer {
                    PeerFact::Group(named) => {
                        far.groups.iter().any(|(g, life)| g == named && life.seen(view, status))
                            && self.same_or_connected(&own.network, &far.network)
                    }
                    PeerFact::Block(block) => block.contains(&address),
                    PeerFact::Opaque => matches!(view, View::Old | View::Upper),
                };
                if matches && !rule.services.is_subset(&admitted) {
                    admitted = admitted.union(&rule.services);
                }
            }
        }
        admitted
    }

    /// What passes from one cell's address to another's: both ends must admit it.
    pub(super) fn admits(
        &self,
        flow: (usize, usize),
        addresses: (IpAddr, IpAddr),
        view: View,
        status: &[Status],
    ) -> ServiceSet {
        let egress = self.end_admits(flow.0, Direction::Egress, flow.1, addresses.1, view, status);
        if egress.is_empty() {
            return egress;
        }
        egress.intersection(&self.end_admits(flow.1, Direction::Ingress, flow.0, addresses.0, view, status))
    }

    /// Address pairs of one family between two cells.
    pub(super) fn address_pairs(&self, flow: (usize, usize)) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        let to = &self.cells[flow.1].addresses;
        self.cells[flow.0]
            .addresses
            .iter()
            .flat_map(move |&a| to.iter().filter(move |b| b.is_ipv6() == a.is_ipv6()).map(move |&b| (a, b)))
    }

    /// The address rules that one end shows to the outside in a view.
    pub(super) fn outside_rules(
        &self,
        own: usize,
        direction: Direction,
        view: View,
        status: &[Status],
    ) -> Vec<(AddressSet, &ServiceSet)> {
        let groups = self.cells[own].groups.iter().filter(|(_, life)| life.seen(view, status));
        let rules = groups.flat_map(|(group, _)| self.groups[*group as usize].rules(direction));
        rules
            .filter(|rule| rule.life.seen(view, status))
            .filter_map(|rule| match rule.peer {
                PeerFact::Block(block) => Some((AddressSet::from(block), &rule.services)),
                _ => None,
            })
            .collect()
    }
}

/// Finds the blocks that contain an address: by prefix length, in hash time.
struct BlockIndex {
    blocks: HashMap<IpNet, u32>,
    lengths: [BTreeSet<u8>; 2],
}

impl BlockIndex {
    fn new(model: &Model) -> Self {
        let mut index = Self { blocks: HashMap::new(), lengths: [BTreeSet::new(), BTreeSet::new()] };
        for rule in model.groups.iter().flat_map(|g| g.ingress.iter().chain(&g.egress)) {
            if let PeerFact::Block(block) = rule.peer {
                let next = index.blocks.len() as u32;
                index.blocks.entry(block.trunc()).or_insert(next);
                index.lengths[usize::from(block.addr().is_ipv6())].insert(block.prefix_len());
            }
        }
        index
    }

    fn matching(&self, address: IpAddr) -> Vec<u32> {
        let lengths = self.lengths[usize::from(address.is_ipv6())].iter();
        let blocks = lengths.filter_map(|&length| IpNet::new(address, length).ok());
        blocks.filter_map(|block| self.blocks.get(&block.trunc()).copied()).collect()
    }
}
