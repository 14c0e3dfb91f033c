//! Large domains: the work grows with kinds of interfaces and rules that change, not with pairs of interfaces.

#![allow(clippy::disallowed_methods, reason = "a test of speed reads the clock")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plan::{
    AttachClass, Attachment, Cloud, Desired, DesiredGroup, Drift, Gates, GroupId, GroupState, InterfaceState,
    Limits, Membership, NetworkState, Observed, Owner, Peer, RuleService, RuleSpec, Scope, ScopeId,
    ScopeInput, Steps, Transients, plan_steps,
};
use policy::{InterfaceId, NetworkId, WorkloadId};

/// What a plan may take at most, in the dev profile on a slow machine.
const TIME_MAX: Duration = Duration::from_secs(20);

struct World {
    scope: Scope,
    observed: Observed,
    desired: Desired,
}

impl World {
    /// Groups with members and ingress rules from other groups; everything is there already.
    fn new(groups: usize, members: usize, rules: usize) -> Self {
        let network = NetworkId::from("v1");
        let mut world = Self { scope: scope(), observed: Observed::default(), desired: Desired::default() };
        world.observed.scope = Some(world.scope.id.clone());
        world.observed.limits =
            Limits { rules_per_group: 1000, groups_per_interface: 16, groups_per_region: 10_000 };
        let cidrs = vec!["10.0.0.0/8".parse().unwrap()];
        let peerings = Vec::new();
        world.observed.networks =
            vec![NetworkState { id: network.clone(), name: String::new(), cidrs, peerings }];
        for group in 0..groups {
            let name = format!("g{group:05}");
            let peers = (1..=rules).map(|step| (group + step * 37) % groups);
            let list = |id: fn(usize) -> GroupId| -> Vec<RuleSpec> {
                let mut list: Vec<_> = peers.clone().map(|peer| rule(Peer::Group(id(peer)), 443)).collect();
                list.sort();
                list
            };
            let egress = plan::state::allow_everything();
            world.observed.groups.push(GroupState {
                id: real(group),
                network: network.clone(),
                name: name.clone(),
                owner: Owner::Ours,
                ingress: list(real),
                egress: egress.to_vec(),
                tag_drift: BTreeMap::new(),
            });
            world.desired.groups.push(DesiredGroup {
                id: planned(group),
                network: network.clone(),
                description: name.clone(),
                name,
                ingress: list(planned).into_iter().map(|rule| (rule, Vec::new())).collect(),
                egress: egress.into_iter().map(|rule| (rule, Vec::new())).collect(),
            });
            (0..members).for_each(|member| world.add_interface(group, group * members + member));
        }
        world
    }

    fn add_interface(&mut self, group: usize, number: usize) {
        let id = format!("eni-{number:06}");
        self.observed.interfaces.push(InterfaceState {
            id: InterfaceId::from(id.clone()),
            network: NetworkId::from("v1"),
            workload: WorkloadId::from(id.clone()),
            name: id.clone(),
            addresses: vec![std::net::Ipv4Addr::from(0x0a00_0004 + number as u32).into()],
            groups: vec![real(group)],
            attach: AttachClass::Direct,
            tags: BTreeMap::new(),
            path_filters: Vec::new(),
            mac: None,
        });
        let membership = Membership { groups: vec![planned(group)], exclusive: false };
        self.desired.members.insert(InterfaceId::from(id), membership);
    }

    fn plan(&self, what: &str) -> Steps {
        let start = Instant::now();
        let input = ScopeInput { scope: &self.scope, observed: &self.observed, desired: &self.desired };
        let plan = plan_steps(&[input], &[]);
        let took = start.elapsed();
        println!("{what}: {} steps, {} transients in {took:?}", plan.steps.len(), plan.transients.len());
        assert!(took < TIME_MAX, "{what} took {took:?}");
        assert!(plan.blocks.is_empty(), "{:?}", plan.blocks);
        plan
    }
}

fn real(group: usize) -> GroupId {
    GroupId::from(format!("sg-{group:05}"))
}

fn planned(group: usize) -> GroupId {
    GroupId::planned(&NetworkId::from("v1"), &format!("g{group:05}"))
}

fn rule(peer: Peer, port: u16) -> RuleSpec {
    RuleSpec { peer, service: RuleService::ports(6, port, port) }
}

fn scope() -> Scope {
    Scope {
        id: ScopeId::from("scope"),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "region".to_owned(),
        networks: Vec::new(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 0,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

#[test]
fn nothing_to_do_in_two_thousand_groups() {
    let world = World::new(2000, 10, 50);
    assert!(world.plan("no change").steps.is_empty());
}

#[test]
fn a_rule_in_a_thousand_groups_is_a_thousand_calls() {
    let mut world = World::new(2000, 10, 50);
    for group in &mut world.desired.groups[..1000] {
        group.ingress.insert(rule(Peer::Group(planned(1999)), 8443), Vec::new());
    }
    let plan = world.plan("one rule in 1,000 groups");
    assert_eq!((plan.steps.len(), plan.transients.len()), (1000, 0));
}

#[test]
fn first_attach_of_twenty_thousand_interfaces() {
    let mut world = World::new(200, 100, 20);
    let foreign = GroupState {
        id: GroupId::from("sg-foreign"),
        owner: Owner::Foreign,
        ..world.observed.groups[0].clone()
    };
    let any = rule(Peer::Cidr("10.0.0.0/8".parse().unwrap()), 443);
    world.observed.groups = vec![GroupState { name: "foreign".to_owned(), ingress: vec![any], ..foreign }];
    world.observed.interfaces.iter_mut().for_each(|i| i.groups = vec![GroupId::from("sg-foreign")]);
    world.desired.members.values_mut().for_each(|membership| membership.exclusive = true);
    let plan = world.plan("20,000 interfaces, exclusive");
    assert_eq!((plan.steps.len(), plan.transients.len()), (200 * 2 + 2 * 20_000, 0));
}

#[test]
fn relabel_of_half_a_class_needs_no_transient() {
    let mut world = World::new(200, 100, 20);
    for membership in world.desired.members.values_mut().take(49) {
        membership.groups = vec![planned(1)];
    }
    let plan = world.plan("relabel of 49 interfaces");
    assert_eq!((plan.steps.len(), plan.transients.len()), (98, 0));
}

/// What Azure opens by itself, less one service that somebody denied, is a fact for each protocol and block.
#[test]
fn everything_but_one_service_to_the_internet_is_closed() {
    const PROTOCOLS: u8 = 250;
    const BLOCKS: u32 = 70;
    let mut world = World::new(4, 2, 1);
    let facts = (0..PROTOCOLS).flat_map(|protocol| {
        let service = RuleService::Protocol(protocol + 1);
        (0..BLOCKS).map(move |block| {
            let block = format!("{}.0.0.0/9", 32 + block).parse().unwrap();
            RuleSpec { peer: Peer::Cidr(block), service }
        })
    });
    let facts: Vec<RuleSpec> = facts.collect();
    let rest = GroupId::from("rest-out");
    let group = GroupState {
        id: rest.clone(),
        name: "rest-out".to_owned(),
        ingress: Vec::new(),
        egress: facts.clone(),
        ..world.observed.groups[0].clone()
    };
    world.observed.groups.push(group);
    world.observed.groups[..4].iter_mut().for_each(|group| group.egress.clear());
    for interface in &mut world.observed.interfaces {
        interface.groups.push(rest.clone());
    }
    for group in &mut world.desired.groups {
        let kept =
            RuleSpec { peer: Peer::Cidr("32.0.0.0/16".parse().unwrap()), service: RuleService::Protocol(6) };
        group.egress = [(kept, Vec::new())].into();
    }
    world.desired.groups.push(DesiredGroup {
        id: rest,
        network: NetworkId::from("v1"),
        name: "rest-out".to_owned(),
        description: String::new(),
        ingress: BTreeMap::new(),
        egress: facts.into_iter().map(|rule| (rule, Vec::new())).collect(),
    });
    let plan = world.plan("17,500 facts closed");
    assert_eq!((plan.steps.len(), plan.transients.len()), (4 + 8, 0));
}
