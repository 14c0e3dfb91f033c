//! Small worlds as text: what is in two peered networks, and what should be.
//!
//! `web: a b | db: c | db<-web tcp/5432 | +ops: a c | ops<-192.0.2.0/24 tcp/22 | exclusive`: classes with their
//! members, rules, foreign groups (`+`; they are of the first state only) and settings. Interfaces `a b c d` are in
//! network `v1`, `e f g h` in `v2`; one that nothing else holds has the foreign group `default` of its network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plan::{
    AttachClass, Attachment, Cloud, Desired, DesiredGroup, Drift, Gates, GroupId, GroupState, InterfaceState,
    Limits, Membership, NetworkState, Observed, Owner, Peer, Peering, RuleService, RuleSpec, Scope, ScopeId,
    ScopeInput, Transients,
};
use policy::{InterfaceId, NetworkId, WorkloadId};

pub const INTERFACES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const NETWORKS: [&str; 2] = ["v1", "v2"];

/// Directions that the scopes of a case enforce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Enforce {
    Ingress,
    Both,
}

/// Two states of the same world, as the planner sees them.
#[derive(Clone, Debug)]
pub struct Case {
    pub scopes: Vec<Scope>,
    pub observed: Vec<Observed>,
    pub desired: Vec<Desired>,
    /// The second state as if it had been built from nothing.
    pub expected: Vec<Observed>,
}

impl Case {
    pub fn new(before: &str, after: &str, enforce: Enforce) -> Self {
        let (before, after) = (State::parse(before), State::parse(after));
        let mut target = after.clone();
        if !after.exclusive {
            target.foreign = before.foreign.clone();
            target.rules.extend(before.rules.iter().filter(|r| before.foreign.contains_key(&r.own)).cloned());
        }
        let of = |state: &State| NETWORKS.map(|n| state.observed(n, enforce, &before)).to_vec();
        Self {
            scopes: NETWORKS.map(|n| scope(n, enforce)).to_vec(),
            observed: of(&before),
            desired: NETWORKS.map(|n| after.desired(n, enforce)).to_vec(),
            expected: of(&target),
        }
    }

    /// What unread peers may match, as far as it matters.
    pub fn readings(&self) -> &'static [bool] {
        let groups = self.observed.iter().flat_map(|o| &o.groups);
        let mut rules = groups.flat_map(|g| g.ingress.iter().chain(&g.egress));
        if rules.any(|rule| matches!(rule.peer, Peer::Opaque(_))) { &[false, true] } else { &[false] }
    }

    pub fn inputs(&self) -> Vec<ScopeInput<'_>> {
        let both = self.observed.iter().zip(&self.desired);
        let all = self.scopes.iter().zip(both);
        all.map(|(scope, (observed, desired))| ScopeInput { scope, observed, desired }).collect()
    }
}

fn scope(network: &str, enforce: Enforce) -> Scope {
    Scope {
        id: ScopeId::from(format!("scope-{network}")),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "region".to_owned(),
        networks: vec![NetworkId::from(network)],
        enforce: true,
        egress: enforce == Enforce::Both,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 0,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

pub fn network_of(interface: &str) -> &'static str {
    if INTERFACES[..4].contains(&interface) { "v1" } else { "v2" }
}

pub fn addresses_of(interface: &str) -> Vec<IpAddr> {
    let number = INTERFACES.iter().position(|name| *name == interface).unwrap() + 4;
    let network = &network_of(interface)[1..];
    let mut all = vec![format!("10.{network}.0.{number}")];
    if ["a", "e"].contains(&interface) {
        all.push(format!("fd00:{network}::{number}"));
    }
    all.iter().map(|text| text.parse().unwrap()).collect()
}

#[derive(Clone, Debug)]
struct Rule {
    own: String,
    ingress: bool,
    peer: String,
    service: RuleService,
}

#[derive(Clone, Debug, Default)]
struct State {
    classes: BTreeMap<String, Vec<String>>,
    foreign: BTreeMap<String, Vec<String>>,
    rules: Vec<Rule>,
    exclusive: bool,
}

impl State {
    fn parse(text: &str) -> Self {
        let mut state = Self::default();
        for part in text.split('|').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "exclusive" {
                state.exclusive = true;
            } else if let Some((ends, service)) =
                part.rsplit_once(' ').filter(|(e, _)| e.contains(['<', '>']))
            {
                let ingress = ends.contains("<-");
                let (own, peer) = ends.split_once(if ingress { "<-" } else { "->" }).unwrap();
                let service = parse_service(service);
                state.rules.push(Rule { own: own.trim().into(), ingress, peer: peer.trim().into(), service });
            } else {
                let (name, members) = part.split_once(':').unwrap();
                let members = members.split_whitespace().map(str::to_owned).collect();
                match name.strip_prefix('+') {
                    Some(name) => state.foreign.insert(name.to_owned(), members),
                    None => state.classes.insert(name.to_owned(), members),
                };
            }
        }
        state
    }

    fn networks_of(&self, name: &str) -> Vec<&'static str> {
        let members = self.classes.get(name).or_else(|| self.foreign.get(name));
        let networks: BTreeSet<_> = members.into_iter().flatten().map(|m| network_of(m)).collect();
        networks.into_iter().collect()
    }

    fn peers(&self, peer: &str, id: fn(&str, &str) -> GroupId) -> Vec<Peer> {
        if let Ok(block) = peer.parse() {
            vec![Peer::Cidr(block)]
        } else if peer.starts_with("pl-") {
            vec![Peer::Opaque(peer.to_owned())]
        } else {
            self.networks_of(peer).into_iter().map(|network| Peer::Group(id(network, peer))).collect()
        }
    }

    /// The rules of one group, ingress and egress.
    fn rules(&self, name: &str, enforce: Enforce, id: fn(&str, &str) -> GroupId) -> [BTreeSet<RuleSpec>; 2] {
        let ours = self.classes.contains_key(name);
        let mut lists = [BTreeSet::new(), BTreeSet::new()];
        for rule in &self.rules {
            let own_list = usize::from(!rule.ingress);
            let specs = |peer: &str| {
                let peers = self.peers(peer, id).into_iter();
                peers.map(|peer| RuleSpec { peer, service: rule.service }).collect::<Vec<_>>()
            };
            if rule.own == name && (rule.ingress || enforce == Enforce::Both) {
                lists[own_list].extend(specs(&rule.peer));
            }
            if rule.peer == name
                && ours
                && self.classes.contains_key(&rule.own)
                && (!rule.ingress || enforce == Enforce::Both)
            {
                lists[1 - own_list].extend(specs(&rule.own));
            }
        }
        if !ours || enforce == Enforce::Ingress {
            lists[1] = plan::state::allow_everything().into();
        }
        lists
    }

    fn holders(&self, all: &BTreeMap<String, Vec<String>>, interface: &str) -> Vec<String> {
        let held = all.iter().filter(|(_, members)| members.iter().any(|m| m == interface));
        held.map(|(name, _)| name.clone()).collect()
    }

    fn observed(&self, network: &str, enforce: Enforce, before: &Self) -> Observed {
        let mut groups = vec![default_group(network)];
        let interfaces: Vec<&str> = INTERFACES.into_iter().filter(|i| network_of(i) == network).collect();
        let owned = self.classes.keys().map(|name| (name, Owner::Ours));
        for (name, owner) in owned.chain(before.foreign.keys().map(|name| (name, Owner::Foreign))) {
            let source = if owner == Owner::Ours { self } else { before };
            if source.networks_of(name).contains(&network) {
                let [ingress, egress] = source.rules(name, enforce, real_id).map(|l| l.into_iter().collect());
                let (id, name) = (real_id(network, name), name.clone());
                let network = NetworkId::from(network);
                let tag_drift = BTreeMap::new();
                groups.push(GroupState { id, network, name, owner, ingress, egress, tag_drift });
            }
        }
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        let state = |name: &str| {
            let mut held = self.holders(&self.classes, name);
            let unheld = before.holders(&before.classes, name).is_empty();
            let taken = before.exclusive && !unheld;
            let foreign = if taken { Vec::new() } else { before.holders(&before.foreign, name) };
            if !self.exclusive || held.is_empty() {
                let default = foreign.is_empty() && unheld;
                held.extend(foreign.into_iter().chain(default.then(|| "default".to_owned())));
            }
            let mut groups: Vec<_> = held.iter().map(|name| real_id(network, name)).collect();
            groups.sort();
            interface_state(name, groups)
        };
        Observed {
            scope: Some(ScopeId::from(format!("scope-{network}"))),
            networks: vec![network_state(network)],
            interfaces: interfaces.into_iter().map(state).collect(),
            groups,
            path_filters: Vec::new(),
            limits: Limits::default(),
        }
    }

    fn desired(&self, network: &str, enforce: Enforce) -> Desired {
        let mut desired = Desired::default();
        for name in self.classes.keys().filter(|name| self.networks_of(name).contains(&network)) {
            let [ingress, egress] = self.rules(name, enforce, planned_id);
            let with_reasons =
                |list: BTreeSet<RuleSpec>| list.into_iter().map(|spec| (spec, Vec::new())).collect();
            desired.groups.push(DesiredGroup {
                id: planned_id(network, name),
                network: NetworkId::from(network),
                name: name.clone(),
                description: name.clone(),
                ingress: with_reasons(ingress),
                egress: with_reasons(egress),
            });
        }
        for interface in INTERFACES.into_iter().filter(|i| network_of(i) == network) {
            let groups: Vec<_> =
                self.holders(&self.classes, interface).iter().map(|name| planned_id(network, name)).collect();
            if !groups.is_empty() {
                let membership = Membership { groups, exclusive: self.exclusive };
                desired.members.insert(InterfaceId::from(interface), membership);
            }
        }
        desired
    }
}

fn real_id(network: &str, name: &str) -> GroupId {
    GroupId::from(format!("sg-{network}-{name}"))
}

fn planned_id(network: &str, name: &str) -> GroupId {
    GroupId::planned(&NetworkId::from(network), name)
}

fn default_group(network: &str) -> GroupState {
    let id = real_id(network, "default");
    GroupState {
        network: NetworkId::from(network),
        name: "default".to_owned(),
        owner: Owner::Foreign,
        ingress: vec![RuleSpec { peer: Peer::Group(id.clone()), service: RuleService::All }],
        egress: plan::state::allow_everything().to_vec(),
        tag_drift: BTreeMap::new(),
        id,
    }
}

fn network_state(name: &str) -> NetworkState {
    let other = if name == "v1" { "v2" } else { "v1" };
    NetworkState {
        id: NetworkId::from(name),
        name: name.to_owned(),
        cidrs: vec![format!("10.{}.0.0/16", &name[1..]).parse().unwrap()],
        peerings: vec![Peering { peer: NetworkId::from(other), handle: "pcx-1".to_owned(), identity: true }],
    }
}

fn interface_state(name: &str, groups: Vec<GroupId>) -> InterfaceState {
    InterfaceState {
        id: InterfaceId::from(name),
        network: NetworkId::from(network_of(name)),
        workload: WorkloadId::from(name),
        name: name.to_owned(),
        addresses: addresses_of(name),
        groups,
        attach: AttachClass::Direct,
        tags: BTreeMap::new(),
        path_filters: Vec::new(),
        mac: None,
    }
}

fn parse_service(text: &str) -> RuleService {
    let (protocol, rest) = text.split_once('/').unwrap_or((text, ""));
    let number = match protocol {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        _ => return RuleService::All,
    };
    match rest.split_once('-') {
        _ if rest.is_empty() => RuleService::Protocol(number),
        _ if number == 1 => RuleService::Icmp { protocol: 1, kind: rest.parse().unwrap(), code: None },
        Some((first, last)) => RuleService::ports(number, first.parse().unwrap(), last.parse().unwrap()),
        None => RuleService::ports(number, rest.parse().unwrap(), rest.parse().unwrap()),
    }
}
