//! The facts that a change moves, and what they admit in the worst cases of the data plane.
//!
//! A *fact* is a membership of an interface in a group or a rule of a group. A change reaches each interface
//! after its own unknown delay, so while steps are in flight every mixture of their facts may be seen.
//! What facts admit grows with facts; so two extreme views decide: `Upper` (every make in flight seen, no break)
//! and `Lower` (every break in flight seen, no make).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use policy::{AddressSet, InterfaceId, NetworkId, ServiceSet};
use rustc_hash::FxHashMap;

use crate::diff::{Changes, ScopeInput};
use crate::scope::Direction;
use crate::state::{GroupId, InterfaceState, Peer, RuleService, RuleSpec};
use crate::step::StepAction;

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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Life {
    pub(super) added_by: Option<StepIndex>,
    pub(super) removed_by: Option<StepIndex>,
}

/// What is looked at: a view, the status of every step, and what unread peers match.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) view: View,
    pub(super) status: &'a [Status],
    pub(super) unread: u64,
}

impl Moment<'_> {
    /// Whether a fact shows.
    pub(super) fn sees(self, life: Life) -> bool {
        let of = |step: StepIndex| self.status[step];
        match self.view {
            View::Old => life.added_by.is_none(),
            View::New => life.removed_by.is_none(),
            View::Upper => {
                life.added_by.is_none_or(|step| of(step) != Status::Pending)
                    && life.removed_by.is_none_or(|step| of(step) != Status::Settled)
            }
            View::Lower => {
                life.added_by.is_none_or(|step| of(step) == Status::Settled)
                    && life.removed_by.is_none_or(|step| of(step) == Status::Pending)
            }
        }
    }
}

/// The far end of a rule, with groups by index.
#[derive(Clone, Debug)]
pub(super) enum PeerFact {
    Group(u32),
    Block(IpNet),
    /// Something that is not read: it may match any address or none.
    Opaque(u32),
}

#[derive(Clone, Debug)]
pub(super) struct RuleFact {
    pub(super) peer: PeerFact,
    pub(super) services: ServiceSet,
    pub(super) life: Life,
    pub(super) spec: RuleSpec,
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

/// Interfaces that no step and no rule tells apart.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) network: NetworkId,
    pub(super) members: Vec<InterfaceId>,
    pub(super) groups: Vec<(u32, Life)>,
    /// One address for each family and each way in which the blocks of the domain's rules match.
    pub(super) addresses: Vec<IpAddr>,
}

/// Whether an address is IPv6, and the blocks of the domain that contain it.
pub(super) type Kind = (bool, Vec<u32>);

/// The kinds of addresses of an interface, with an example of each.
pub(super) type Kinds = BTreeMap<Kind, IpAddr>;

#[derive(Clone)]
pub(super) struct Model {
    pub(super) groups: Vec<GroupFacts>,
    pub(super) ids: Vec<GroupId>,
    pub(super) index: FxHashMap<GroupId, u32>,
    pub(super) cells: Vec<Cell>,
    pub(super) cell_of: FxHashMap<InterfaceId, usize>,
    /// Cells with a membership fact of the group.
    pub(super) members: Vec<Vec<usize>>,
    /// Groups and directions with a rule that names the group.
    pub(super) named_in: Vec<BTreeSet<(u32, Direction)>>,
    /// What unread peers may match, as sets of their numbers: each is tried.
    pub(super) readings: Vec<u64>,
    /// The addresses that interfaces of the domain hold.
    pub(super) held: AddressSet,
    opaque: FxHashMap<String, u32>,
    blocks: BlockIndex,
    by_address: BTreeMap<IpAddr, Vec<usize>>,
    connected: BTreeSet<(NetworkId, NetworkId)>,
}

impl Model {
    /// The model of the old state; steps then add their facts.
    pub(super) fn new(domain: &[ScopeInput<'_>], changes: &Changes) -> Self {
        let mut model = Self {
            groups: Vec::new(),
            ids: Vec::new(),
            index: FxHashMap::default(),
            cells: Vec::new(),
            cell_of: FxHashMap::default(),
            members: Vec::new(),
            named_in: Vec::new(),
            readings: vec![0],
            held: AddressSet::empty(),
            opaque: FxHashMap::default(),
            blocks: BlockIndex::default(),
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
                    model.add_rule(&group.id, direction, spec, Life::default());
                }
            }
            for interface in &input.observed.interfaces {
                interface.groups.iter().for_each(|group| model.know(group));
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

    /// A group that an interface holds and that nobody read may admit anything.
    fn know(&mut self, id: &GroupId) {
        if self.index.contains_key(id) {
            return;
        }
        self.group(id);
        let spec = RuleSpec { peer: Peer::Opaque(id.to_string()), service: RuleService::All };
        for direction in [Direction::Ingress, Direction::Egress] {
            self.add_rule(id, direction, &spec, Life::default());
        }
    }

    pub(super) fn add_rule(&mut self, group: &GroupId, direction: Direction, spec: &RuleSpec, life: Life) {
        let own = self.group(group);
        let peer = match &spec.peer {
            Peer::Group(peer) => {
                let peer = self.group(peer);
                self.named_in[peer as usize].insert((own, direction));
                PeerFact::Group(peer)
            }
            Peer::Cidr(block) => PeerFact::Block(*block),
            Peer::Opaque(id) => {
                let next = self.opaque.len() as u32;
                PeerFact::Opaque(*self.opaque.entry(id.clone()).or_insert(next))
            }
        };
        let fact = RuleFact { peer, services: spec.service.to_set(), life, spec: spec.clone() };
        self.groups[own as usize].rules_mut(direction).push(fact);
    }

    /// Closes the list of rules: from here on blocks can be looked up.
    pub(super) fn close_rules(&mut self) {
        self.blocks = BlockIndex::new(&self.groups);
        self.readings = readings(self.opaque.len());
    }

    /// How blocks match the addresses of an interface.
    pub(super) fn kinds(&self, interface: &InterfaceState) -> Kinds {
        let mut kinds = Kinds::new();
        for &address in &interface.addresses {
            kinds.entry((address.is_ipv6(), self.blocks.matching(address))).or_insert(address);
        }
        kinds
    }

    /// Makes the cells; `moved` gives the membership facts of interfaces whose groups change.
    pub(super) fn add_cells(
        &mut self,
        domain: &[ScopeInput<'_>],
        moved: &FxHashMap<InterfaceId, Vec<(u32, Life)>>,
    ) {
        type Shape = (NetworkId, Vec<(u32, Life)>, Vec<Kind>);
        let mut by_shape: FxHashMap<Shape, usize> = FxHashMap::default();
        for interface in domain.iter().flat_map(|input| &input.observed.interfaces) {
            let kinds = self.kinds(interface);
            let groups = moved.get(&interface.id).cloned().unwrap_or_else(|| {
                interface.groups.iter().map(|id| (self.group(id), Life::default())).collect()
            });
            let shape = (interface.network.clone(), groups.clone(), kinds.keys().cloned().collect());
            let place = *by_shape.entry(shape).or_insert_with(|| {
                let (network, members) = (interface.network.clone(), Vec::new());
                self.cells.push(Cell { network, members, groups, addresses: kinds.into_values().collect() });
                self.cells.len() - 1
            });
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
        let interfaces = domain.iter().flat_map(|input| &input.observed.interfaces);
        self.held = interfaces.flat_map(|interface| interface.addresses.iter().copied()).collect();
    }

    /// Whether an interface holds no more than this many groups before the change.
    pub(super) fn would_empty(&self, interface: &InterfaceId, removed: usize) -> bool {
        let cell = self.cell_of.get(interface).and_then(|&cell| self.cells.get(cell));
        cell.is_some_and(|cell| {
            cell.groups.iter().filter(|(_, life)| life.added_by.is_none()).count() <= removed
        })
    }

    /// The cell whose groups the step changes.
    pub(super) fn cell_of_step(&self, action: &StepAction) -> Option<usize> {
        match action {
            StepAction::Attach { interface, .. } | StepAction::Detach { interface, .. } => {
                self.cell_of.get(interface).copied()
            }
            _ => None,
        }
    }

    pub(super) fn same_or_connected(&self, a: &NetworkId, b: &NetworkId) -> bool {
        a == b || self.connected.contains(&(a.clone(), b.clone()))
    }

    /// Cells that the peer of a rule of this cell may match. An unread peer matters where another rule matches too.
    pub(super) fn peers_of(&self, own: usize, direction: Direction, peer: &PeerFact) -> Vec<usize> {
        if !matches!(peer, PeerFact::Opaque(_)) {
            return self.read_peers(peer);
        }
        let rules = self.cells[own]
            .groups
            .iter()
            .flat_map(|(group, _)| self.groups[*group as usize].rules(direction));
        let all: BTreeSet<usize> = rules.flat_map(|rule| self.read_peers(&rule.peer)).collect();
        all.into_iter().collect()
    }

    fn read_peers(&self, peer: &PeerFact) -> Vec<usize> {
        match peer {
            PeerFact::Group(group) => self.members[*group as usize].clone(),
            PeerFact::Block(block) => {
                let range = self.by_address.range(block.network()..=block.broadcast());
                range.flat_map(|(_, cells)| cells.iter().copied()).collect()
            }
            PeerFact::Opaque(_) => Vec::new(),
        }
    }

    /// What one end admits to or from an address of a peer cell.
    fn end_admits(
        &self,
        own: usize,
        direction: Direction,
        peer: usize,
        address: IpAddr,
        moment: Moment<'_>,
    ) -> ServiceSet {
        let (own, far) = (&self.cells[own], &self.cells[peer]);
        if own.groups.is_empty() {
            return ServiceSet::all();
        }
        let mut admitted = ServiceSet::empty();
        for (group, _) in own.groups.iter().filter(|(_, life)| moment.sees(*life)) {
            for rule in self.groups[*group as usize].rules(direction).iter().filter(|r| moment.sees(r.life)) {
                let matches = match &rule.peer {
                    PeerFact::Group(named) => {
                        far.groups.iter().any(|(g, life)| g == named && moment.sees(*life))
                            && self.same_or_connected(&own.network, &far.network)
                    }
                    PeerFact::Block(block) => block.contains(&address),
                    PeerFact::Opaque(number) => moment.unread & 1u64 << (*number).min(63) != 0,
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
        moment: Moment<'_>,
    ) -> ServiceSet {
        let egress = self.end_admits(flow.0, Direction::Egress, flow.1, addresses.1, moment);
        if egress.is_empty() {
            return egress;
        }
        egress.intersection(&self.end_admits(flow.1, Direction::Ingress, flow.0, addresses.0, moment))
    }

    /// Address pairs of one family between two cells.
    pub(super) fn address_pairs(&self, flow: (usize, usize)) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        let to = &self.cells[flow.1].addresses;
        self.cells[flow.0]
            .addresses
            .iter()
            .flat_map(move |&a| to.iter().filter(move |b| b.is_ipv6() == a.is_ipv6()).map(move |&b| (a, b)))
    }

    /// The address rules that one end shows to the outside, those of one set of services together.
    pub(super) fn outside_rules(
        &self,
        own: usize,
        direction: Direction,
        moment: Moment<'_>,
    ) -> Vec<(AddressSet, &ServiceSet)> {
        let groups = self.cells[own].groups.iter().filter(|(_, life)| moment.sees(*life));
        let rules = groups.flat_map(|(group, _)| self.groups[*group as usize].rules(direction));
        let mut blocks: FxHashMap<&ServiceSet, Vec<IpNet>> = FxHashMap::default();
        for rule in rules.filter(|rule| moment.sees(rule.life)) {
            match rule.peer {
                PeerFact::Block(block) => blocks.entry(&rule.services).or_default().push(block),
                PeerFact::Opaque(number) if moment.unread & 1u64 << number.min(63) != 0 => {
                    blocks.entry(&rule.services).or_default().extend(anywhere());
                }
                _ => {}
            }
        }
        let sets = blocks.into_iter().map(|(services, blocks)| (blocks.into_iter().collect(), services));
        let mut rules: Vec<(AddressSet, &ServiceSet)> = sets.collect();
        rules.sort_unstable_by(|a, b| a.1.cmp(b.1));
        rules
    }
}

/// Every address of both families.
fn anywhere() -> [IpNet; 2] {
    [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
}

/// What unread peers may match: with few of them every combination, otherwise none, all, and each alone.
fn readings(count: usize) -> Vec<u64> {
    const EVERY_MAX: usize = 3;
    const READ_MAX: usize = 63;
    if count <= EVERY_MAX {
        return (0..1 << count).collect();
    }
    let each = (0..count.min(READ_MAX)).map(|number| 1 << number);
    [0, u64::MAX].into_iter().chain(each).collect()
}

/// Finds the blocks that contain an address: by prefix length, in hash time.
#[derive(Clone, Default)]
struct BlockIndex {
    blocks: FxHashMap<IpNet, u32>,
    lengths: [BTreeSet<u8>; 2],
}

impl BlockIndex {
    fn new(groups: &[GroupFacts]) -> Self {
        let mut index = Self::default();
        for rule in groups.iter().flat_map(|g| g.ingress.iter().chain(&g.egress)) {
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
