//! The simulated cloud: holds the estate, carries out a plan by EC2 calls, and judges packets. The calls are
//! written here and not with the driver's own conversion, which is another thing under test elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use mock_aws::state::{Group, GroupRule, Interface, Peering, RuleKey, Source, Tags, Vpc};
use mock_aws::{Fact, Packet, Settings, World};
use plan::{AttachClass, Direction, GroupId, Observed, Peer, RuleService, RuleSpec, Scope, Step, StepAction};
use policy::{End, Flow, InterfaceId};

/// A world with the ids that planned groups got.
pub struct Cloud {
    world: World,
    ids: BTreeMap<GroupId, String>,
}

impl Cloud {
    /// The estate before the plan.
    pub fn new(domain: &[(&Scope, &Observed)]) -> Self {
        let limits =
            mock_aws::Limits { rules_per_group: 100_000, groups_per_interface: 16, groups_per_region: 2_500 };
        let mut world = World::new(Settings { limits, throttle: false, ..Settings::default() });
        for (_, observed) in domain {
            for network in &observed.networks {
                let vpc = Vpc { cidrs: network.cidrs.clone(), ..Vpc::default() };
                world.state.vpcs.insert(network.id.to_string(), vpc);
                for peering in &network.peerings {
                    let (requester, accepter) = (network.id.to_string(), peering.peer.to_string());
                    let peering_state = Peering { requester, accepter, status: "active".to_owned() };
                    world.state.peerings.insert(peering.handle.clone(), peering_state);
                }
            }
            for group in &observed.groups {
                add_foreign_group(&mut world, group);
            }
            for interface in &observed.interfaces {
                add_interface(&mut world, interface);
            }
        }
        Self { world, ids: BTreeMap::new() }
    }

    fn id(&self, group: &GroupId) -> String {
        self.ids.get(group).cloned().unwrap_or_else(|| group.to_string())
    }

    /// A state with the ids that planned groups got, as the next read would see it.
    pub fn with_real_ids(&self, state: &Observed) -> Observed {
        let mut state = state.clone();
        for interface in &mut state.interfaces {
            interface.groups.iter_mut().for_each(|group| *group = self.id(group).into());
            interface.groups.sort();
        }
        for group in &mut state.groups {
            group.id = self.id(&group.id).into();
            for list in [&mut group.ingress, &mut group.egress] {
                for rule in list.iter_mut() {
                    if let Peer::Group(peer) = &rule.peer {
                        rule.peer = Peer::Group(self.id(peer).into());
                    }
                }
                list.sort();
            }
        }
        state.groups.sort_by(|a, b| a.id.cmp(&b.id));
        state
    }

    /// Every step in the order of the plan; a call that the cloud refuses is an error.
    pub fn carry_out(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            self.step(&step.action).with_context(|| format!("{:?}", step.action))?;
        }
        Ok(())
    }

    fn step(&mut self, action: &StepAction) -> Result<()> {
        match action {
            StepAction::CreateGroup { group, network, name, open_egress, .. } => {
                self.create(group, network.as_str(), name, *open_egress)
            }
            StepAction::AddRules { group, direction, rules } => {
                self.rules("Authorize", group, *direction, rules)
            }
            StepAction::RemoveRules { group, direction, rules } => {
                self.rules("Revoke", group, *direction, rules)
            }
            StepAction::Attach { interface, add } => self.members(interface, add, &[]),
            StepAction::Detach { interface, remove } => self.members(interface, &[], remove),
            StepAction::Mark { .. } => Ok(()),
            StepAction::DeleteGroup { group, .. } => {
                let id = self.id(group);
                self.call("DeleteSecurityGroup", &[("GroupId".to_owned(), id)]).map(drop)
            }
        }
    }

    fn create(&mut self, group: &GroupId, network: &str, name: &str, open: bool) -> Result<()> {
        let wanted = [("GroupName", name), ("GroupDescription", "of a class"), ("VpcId", network)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let answer = self.call("CreateSecurityGroup", &wanted)?;
        let id = answer.split("<groupId>").nth(1).and_then(|rest| rest.split('<').next());
        let id = id.context("an answer without an id")?.to_owned();
        self.ids.insert(group.clone(), id);
        if open {
            return Ok(());
        }
        self.rules("Revoke", group, Direction::Egress, &plan::state::allow_everything())
    }

    /// Adds or takes away rules in one call.
    pub fn rules(
        &mut self,
        verb: &str,
        group: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<()> {
        let mut params = vec![("GroupId".to_owned(), self.id(group))];
        for (number, rule) in rules.iter().enumerate() {
            let at = |name: &str| format!("IpPermissions.{}.{name}", number + 1);
            let (protocol, from, to) = service(rule.service);
            params.push((at("IpProtocol"), protocol));
            params.push((at("FromPort"), from.to_string()));
            params.push((at("ToPort"), to.to_string()));
            params.push(match &rule.peer {
                Peer::Cidr(IpNet::V4(block)) => (at("IpRanges.1.CidrIp"), block.to_string()),
                Peer::Cidr(IpNet::V6(block)) => (at("Ipv6Ranges.1.CidrIpv6"), block.to_string()),
                Peer::Group(peer) => (at("Groups.1.GroupId"), self.id(peer)),
                Peer::Opaque(id) => (at("PrefixListIds.1.PrefixListId"), id.clone()),
            });
        }
        let side = if direction == Direction::Ingress { "Ingress" } else { "Egress" };
        self.call(&format!("{verb}SecurityGroup{side}"), &params).map(drop)
    }

    fn members(&mut self, interface: &InterfaceId, add: &[GroupId], remove: &[GroupId]) -> Result<()> {
        let held = self.world.state.interfaces.get(interface.as_str()).context("no such interface")?;
        let mut groups: BTreeSet<String> = held.groups.clone();
        groups.extend(add.iter().map(|group| self.id(group)));
        for group in remove {
            ensure!(groups.remove(&self.id(group)), "{group} is not on {interface}");
        }
        let mut params = vec![("NetworkInterfaceId".to_owned(), interface.to_string())];
        let numbered = groups.into_iter().enumerate();
        params.extend(numbered.map(|(number, group)| (format!("SecurityGroupId.{}", number + 1), group)));
        self.call("ModifyNetworkInterfaceAttribute", &params).map(drop)
    }

    fn call(&mut self, action: &str, params: &[(String, String)]) -> Result<String> {
        let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.world.perform(action, &params).with_context(|| action.to_owned())
    }

    fn end(&self, end: &End) -> mock_aws::End {
        match &end.interface {
            Some(id) if self.world.state.interfaces.contains_key(id.as_str()) => {
                mock_aws::End::Interface(id.to_string(), end.address)
            }
            _ => mock_aws::End::External(end.address),
        }
    }

    /// Whether both ends let a packet pass, once everything has settled.
    pub fn passes(&self, flow: &Flow) -> bool {
        self.world.allows_by_api(&Packet {
            source: self.end(&flow.source),
            destination: self.end(&flow.destination),
            protocol: flow.service.protocol,
            detail: flow.service.detail,
        })
    }

    /// Whether one end lets a packet pass: the other one is opened while it is asked.
    pub fn passes_at(&mut self, flow: &Flow, direction: Direction) -> bool {
        let other = if direction == Direction::Ingress { &flow.source } else { &flow.destination };
        let Some(interface) =
            other.interface.as_ref().and_then(|id| self.world.state.interfaces.get(id.as_str()))
        else {
            return self.passes(flow);
        };
        let open = crate::estate::foreign("open", &interface.vpc.as_str().into());
        let id = other.interface.as_ref().map(ToString::to_string).unwrap_or_default();
        let held = interface.groups.contains(&open);
        self.world.plane.note(Fact::Member(id.clone(), open.clone()), true, 0);
        let passes = self.passes(flow);
        self.world.plane.note(Fact::Member(id, open), held, 0);
        passes
    }
}

/// A service in EC2's words.
fn service(service: RuleService) -> (String, i64, i64) {
    let name = |protocol: u8| match protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        number => number.to_string(),
    };
    match service {
        RuleService::All => ("-1".to_owned(), -1, -1),
        RuleService::Protocol(protocol @ (6 | 17)) => (name(protocol), 0, 65_535),
        RuleService::Protocol(protocol) => (name(protocol), -1, -1),
        RuleService::Ports { protocol, first, last } => (name(protocol), first.into(), last.into()),
        RuleService::Icmp { protocol, kind, code } => {
            (name(protocol), kind.into(), code.map_or(-1, i64::from))
        }
    }
}

fn add_foreign_group(world: &mut World, group: &plan::GroupState) {
    let mut rules = BTreeMap::new();
    for (egress, list) in [(false, &group.ingress), (true, &group.egress)] {
        for rule in list {
            let Peer::Cidr(block) = rule.peer else { continue };
            let (protocol, from, to) = service(rule.service);
            let key = RuleKey { egress, protocol, from, to, source: Source::Cidr(block) };
            world.plane.note(Fact::Rule(group.id.to_string(), key.clone()), true, 0);
            let id = format!("sgr-{}-{}", group.id, rules.len());
            let rule = GroupRule { key, description: String::new(), tags: Tags::new(), peering: None };
            rules.insert(id, rule);
        }
    }
    let (vpc, name) = (group.network.to_string(), group.name.clone());
    let group_state = Group { vpc, name, description: "foreign".to_owned(), tags: Tags::new(), rules };
    world.state.groups.insert(group.id.to_string(), group_state);
}

fn add_interface(world: &mut World, interface: &plan::InterfaceState) {
    let requester = match &interface.attach {
        AttachClass::Direct => None,
        AttachClass::ThroughService(name) | AttachClass::Never(name) => Some(name.clone()),
    };
    let groups: BTreeSet<String> = interface.groups.iter().map(ToString::to_string).collect();
    for group in &groups {
        world.plane.note(Fact::Member(interface.id.to_string(), group.clone()), true, 0);
    }
    let state = Interface {
        vpc: interface.network.to_string(),
        addresses: interface.addresses.clone(),
        groups,
        kind: "interface".to_owned(),
        requester,
        ..Interface::default()
    };
    world.state.interfaces.insert(interface.id.to_string(), state);
}

/// An end by the text of a witness: `eni-01 10.0.0.4`, `external 10.0.0.4`.
pub fn end_from(text: &str) -> Result<End> {
    let (name, address) = text.split_once(' ').context("no end")?;
    let address: IpAddr = address.parse()?;
    let interface = (name != "external").then(|| InterfaceId::from(name));
    Ok(End { interface, address })
}
