//! What the cloud counts (`providers.md` 1.2): rules, prefixes and groups of each security group at the end of the change,
//! groups of each interface at its peak, addresses of each group. What others have there counts too.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use plan::{
    Desired, DesiredGroup, Direction, GroupId, InterfaceState, Owner, PathFilter, Peer, RuleService, RuleSpec,
};
use policy::{Finding, Severity};
use provider::lowering::Lowering;

use crate::band::{GROUPS_MAX, NAMED_MAX, PREFIXES_MAX, RULES_MAX};
use crate::ids::{self, GroupKind};
use crate::marks::{self, Form};

/// Application security groups on one IP configuration.
const GROUPS_PER_INTERFACE: usize = 20;
/// IP configurations in one application security group.
const ADDRESSES_PER_GROUP: usize = 4_000;
/// Rules above this priority are the cloud's own.
const OWN_PRIORITY_MAX: u32 = 4_096;

/// What is over a limit, with the numbers; blocking.
pub(super) fn findings(lowering: &Lowering<'_>, desired: &Desired) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (nsg, used) in lists(lowering, desired) {
        findings.extend(used.findings(nsg));
    }
    findings.extend(interfaces(lowering, desired));
    findings.extend(groups(lowering, desired));
    findings
}

fn over(
    subject: impl std::fmt::Display,
    what: &str,
    count: usize,
    most: usize,
    others: usize,
) -> Option<Finding> {
    let of_others = if others > 0 { format!(", {others} of them not ours") } else { String::new() };
    let message = format!("{count} {what} are needed, {most} are allowed{of_others}");
    let hint = "merge or drop rules, name peers by fewer classes, or split the workloads; nothing was widened and nothing was written";
    (count > most).then(|| Finding::new(Severity::Blocking, "quota", subject, message, hint))
}

/// What is used of one security group.
#[derive(Default)]
struct Used {
    rules: usize,
    /// By direction: sources of ingress, destinations of egress.
    prefixes: [usize; 2],
    named: BTreeSet<String>,
    foreign_rules: usize,
    foreign_prefixes: [usize; 2],
    foreign_named: usize,
}

impl Used {
    fn findings(&self, nsg: &str) -> Vec<Finding> {
        let name = nsg.rsplit('/').next().unwrap_or(nsg);
        let over = |what, count, most, others| over(name, what, count, most, others);
        let [sources, destinations] = self.prefixes;
        let all = [
            over("rules", self.rules, RULES_MAX, self.foreign_rules),
            over("source prefixes", sources, PREFIXES_MAX, self.foreign_prefixes[0]),
            over("destination prefixes", destinations, PREFIXES_MAX, self.foreign_prefixes[1]),
            over("application security groups in rules", self.named.len(), NAMED_MAX, self.foreign_named),
        ];
        all.into_iter().flatten().collect()
    }

    /// What others have in the list.
    fn foreign(installation: &str, filter: &PathFilter) -> Self {
        let mut used = Self::default();
        let theirs = |rule: &&plan::PathRule| {
            rule.priority <= OWN_PRIORITY_MAX && marks::form(installation, &rule.name).is_none()
        };
        for rule in filter.rules.iter().filter(theirs) {
            used.rules += 1;
            for peer in &rule.peers {
                match peer {
                    Peer::Cidr(_) => used.prefixes[usize::from(rule.direction == Direction::Egress)] += 1,
                    Peer::Group(id) => used.name(id),
                    Peer::Opaque(_) => {}
                }
            }
            rule.targets.iter().for_each(|target| used.name(target));
        }
        used.foreign_rules = used.rules;
        used.foreign_prefixes = used.prefixes;
        used.foreign_named = used.named.len();
        used
    }

    /// A group that rules name, if it is an application security group.
    fn name(&mut self, id: &GroupId) {
        if matches!(ids::kind_of(id), GroupKind::Asg(_) | GroupKind::PlannedAsg { .. }) {
            self.named.insert(id.to_string());
        }
    }

    /// The rules of a carrier, as few as they can be: one for each service and kind of peer, with ten groups at most.
    fn add(&mut self, direction: Direction, rules: impl Iterator<Item = RuleSpec>) {
        let mut kinds: BTreeMap<(RuleService, u8), usize> = BTreeMap::new();
        for rule in rules {
            let kind = match &rule.peer {
                Peer::Cidr(IpNet::V4(_)) => 4,
                Peer::Cidr(IpNet::V6(_)) => 6,
                Peer::Group(_) | Peer::Opaque(_) => 0,
            };
            *kinds.entry((rule.service, kind)).or_default() += 1;
            match &rule.peer {
                Peer::Group(id) => self.name(id),
                _ => self.prefixes[usize::from(direction == Direction::Egress)] += 1,
            }
        }
        let count = |((_, kind), peers): ((RuleService, u8), usize)| {
            if kind == 0 { peers.div_ceil(GROUPS_MAX) } else { 1 }
        };
        self.rules += kinds.into_iter().map(count).sum::<usize>();
    }
}

/// What is used of each security group that holds rules of ours.
fn lists<'a>(lowering: &Lowering<'a>, desired: &'a Desired) -> BTreeMap<&'a str, Used> {
    let installation = lowering.input.installation;
    let mut occupied: BTreeMap<&GroupId, &str> = BTreeMap::new();
    let mut lists: BTreeMap<&str, Used> = BTreeMap::new();
    let filters = &lowering.observed().path_filters;
    for interface in &lowering.observed().interfaces {
        let Some(nsg) = ids::managed(&interface.path_filters) else { continue };
        let Some(_) = lowering.enforced_class(interface) else { continue };
        let carrier = desired.members.get(&interface.id).and_then(|wanted| wanted.groups.get(1));
        occupied.extend(carrier.map(|carrier| (carrier, nsg)));
        let used = lists.entry(nsg).or_insert_with(|| {
            let filter = filters.iter().find(|filter| filter.id == nsg);
            filter.map(|filter| Used::foreign(installation, filter)).unwrap_or_default()
        });
        for &direction in lowering.directions() {
            used.named.insert(format!("closed {direction} {}", interface.network));
        }
    }
    for used in lists.values_mut() {
        // What closes interfaces: a rule for each network and direction.
        used.rules += used.named.iter().filter(|name| name.starts_with("closed ")).count();
    }
    for group in &desired.groups {
        let Some(used) = occupied.get(&group.id).and_then(|nsg| lists.get_mut(nsg)) else { continue };
        used.add_carrier(group);
    }
    lists
}

impl Used {
    fn add_carrier(&mut self, carrier: &DesiredGroup) {
        if let Some((class, _)) = carrier.name.split_once('|')
            && !(carrier.ingress.is_empty() && carrier.egress.is_empty())
        {
            self.name(&GroupId::planned(&carrier.network, class));
        }
        self.add(Direction::Ingress, carrier.ingress.keys().cloned());
        self.add(Direction::Egress, carrier.egress.keys().cloned());
    }
}

/// Interfaces in more groups than one may be in: one more while they go from a class to another.
fn interfaces(lowering: &Lowering<'_>, desired: &Desired) -> Vec<Finding> {
    let ours = lowering.observed().groups.iter().filter(|group| group.owner == Owner::Ours);
    let ours: BTreeSet<&GroupId> = ours.map(|group| &group.id).collect();
    let is_closed = |id: &GroupId| {
        let form = marks::form(lowering.input.installation, &ids::asg_name(id));
        matches!(form, Some(Form::Closed(_)))
    };
    let is_foreign = |id: &&GroupId| {
        matches!(ids::kind_of(id), GroupKind::Asg(_)) && !ours.contains(*id) && !is_closed(id)
    };
    let foreign = |interface: &InterfaceState| interface.groups.iter().filter(is_foreign).count();
    let wanted = |interface: &InterfaceState| foreign(interface) + 1 + lowering.directions().len();
    let is_tight = |interface: &InterfaceState| wanted(interface) == GROUPS_PER_INTERFACE;
    let is_class =
        |id: &GroupId| matches!(ids::kind_of(id), GroupKind::Asg(_) | GroupKind::PlannedAsg { .. });
    let moving = lowering.moving(desired, &is_tight, &is_class);
    let check = |interface: &InterfaceState| {
        lowering.enforced_class(interface)?;
        desired.members.get(&interface.id)?;
        let (foreign, is_moving) = (foreign(interface), moving.contains(&interface.id));
        let count = wanted(interface) + usize::from(is_moving);
        let subject = format!("{} ({})", interface.name, interface.id);
        over(subject, "application security groups on an interface", count, GROUPS_PER_INTERFACE, foreign)
    };
    lowering.observed().interfaces.iter().filter_map(check).collect()
}

/// Class groups with more addresses than one may have.
fn groups(lowering: &Lowering<'_>, desired: &Desired) -> Vec<Finding> {
    let mut counts: BTreeMap<&GroupId, usize> = BTreeMap::new();
    for interface in &lowering.observed().interfaces {
        let Some(wanted) = desired.members.get(&interface.id) else { continue };
        if let (Some(_), Some(class)) = (lowering.enforced_class(interface), wanted.groups.first()) {
            *counts.entry(class).or_default() += interface.addresses.len();
        }
    }
    let named = desired.groups.iter().filter_map(|group| Some((group, *counts.get(&group.id)?)));
    let over = named.filter_map(|(group, count)| {
        over(&group.description, "addresses in an application security group", count, ADDRESSES_PER_GROUP, 0)
    });
    over.collect()
}
