//! What closes interfaces: a deny rule for each virtual network and direction, below every allow of ours; and before it
//! what lets the health probes of load balancers through, without which all machines behind one would be taken for dead.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleService};

use crate::band::place::{Full, Taken};
use crate::band::{Band, Change, is_of_band, same_name};
use crate::ids;
use crate::marks::{self, Form};
use crate::resources::{ArmId, kind};

/// The first priority of rules that let health probes through; they come before the denies.
const PROBES_FIRST: u32 = 4_000;
/// The first priority of our denies.
const DENIES_FIRST: u32 = 4_048;
/// The last priority that a rule can have.
const DENIES_LAST: u32 = 4_096;

/// Where health probes of load balancers come from: the service tag `AzureLoadBalancer`.
pub const PROBES: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// The application security group of the closed interfaces of a virtual network; in the resource group of the network.
pub fn closed_group(band: &Band, network: &ArmId, direction: Direction) -> ArmId {
    let name = marks::closed_name(&band.installation, network.key(), direction);
    kind::APPLICATION_GROUP.named(network.subscription(), network.resource_group(), &name)
}

/// Whether the rules close the members of a group: everything is denied to them, but for health probes that are kept.
pub fn is_closing(band: &Band, rules: &[PathRule], closed: &ArmId, direction: Direction) -> bool {
    let target = ids::of_asg(closed);
    let of_group = |rule: &&PathRule| rule.direction == direction && rule.targets == [target.clone()];
    let mut own = rules.iter().filter(of_group);
    let is_denied = own.clone().any(|rule| rule.owner == Owner::Ours && is_whole(band, rule));
    let are_probed = own.any(|rule| lets_probes(band, rule));
    is_denied && are_probed == (band.keeps_probes && direction == Direction::Ingress)
}

/// Whether a rule lets health probes through as its name says, and nothing else.
pub fn lets_probes(band: &Band, rule: &PathRule) -> bool {
    let [target] = rule.targets.as_slice() else { return false };
    let is_named = marks::form(&band.installation, &rule.name) == Some(Form::Probes);
    is_named
        && band.keeps_probes
        && rule.owner == Owner::Foreign
        && rule.direction == Direction::Ingress
        && network_of(&ids::asg_name(target)) == network_of(&rule.name)
        && (PROBES_FIRST..DENIES_FIRST).contains(&rule.priority)
        && rule.effect == PathEffect::Allow
        && rule.peers == [probes()]
        && rule.services == [RuleService::All]
}

/// What a name says of its virtual network.
fn network_of(name: &str) -> Option<String> {
    name.rsplit('-').next().map(str::to_lowercase)
}

fn probes() -> Peer {
    Peer::Cidr(IpNet::from(IpAddr::from(PROBES)))
}

/// Whether a rule of ours closes what its name says.
pub fn is_whole(band: &Band, rule: &PathRule) -> bool {
    let [target] = rule.targets.as_slice() else { return false };
    let named = marks::form(&band.installation, &rule.name) == Some(Form::Closed(rule.direction));
    named
        && rule.owner == Owner::Ours
        && same_name(&ids::asg_name(target), &rule.name)
        && (DENIES_FIRST..=DENIES_LAST).contains(&rule.priority)
        && rule.effect == PathEffect::Deny
        && rule.peers.is_empty()
        && rule.services == [RuleService::All]
}

/// The change after which members of the group of closed interfaces are closed; none if they are.
///
/// # Errors
/// When the priorities of denies are taken.
pub fn close(band: &Band, rules: &[PathRule], network: &ArmId, direction: Direction) -> Result<Change, Full> {
    let group = closed_group(band, network, direction);
    if is_closing(band, rules, &group, direction) {
        return Ok(Change::default());
    }
    let mut change = Change::default();
    let place = Place { band, rules, direction, target: GroupId::from(group.key()) };
    if band.keeps_probes && direction == Direction::Ingress {
        let name = marks::probes_name(&band.installation, network.key());
        let priority = place.free(&name, PROBES_FIRST, DENIES_FIRST - 1)?;
        let allow = place.rule(name, priority, PathEffect::Allow, vec![probes()]);
        change.put.push(PathRule { owner: Owner::Foreign, ..allow });
    }
    let is_there = |rule: &PathRule| is_whole(band, rule) && same_name(&rule.name, group.name());
    if !rules.iter().any(is_there) {
        let priority = place.free(group.name(), DENIES_FIRST, DENIES_LAST)?;
        change.put.push(place.rule(group.name().to_owned(), priority, PathEffect::Deny, Vec::new()));
    }
    change.put.retain(|rule| !rules.contains(rule));
    Ok(change)
}

/// Where what closes a group is written.
struct Place<'a> {
    band: &'a Band,
    rules: &'a [PathRule],
    direction: Direction,
    target: GroupId,
}

impl Place<'_> {
    /// The priority of a rule: what it has, or the first free one.
    fn free(&self, name: &str, first: u32, last: u32) -> Result<u32, Full> {
        let is_own = |rule: &&PathRule| same_name(&rule.name, name) && is_of_band(self.band, rule);
        let own = self.rules.iter().find(is_own).map(|rule| rule.priority);
        if let Some(own) = own.filter(|own| (first..=last).contains(own)) {
            return Ok(own);
        }
        let mut others = self.rules.to_vec();
        others.retain(|rule| !same_name(&rule.name, name));
        let most = (last - first) as usize + 1;
        let full = Full { what: "priorities of denies", count: most + 1, most };
        Taken::new(&others, self.direction).first_deny(first, last).ok_or(full)
    }

    fn rule(&self, name: String, priority: u32, effect: PathEffect, peers: Vec<Peer>) -> PathRule {
        PathRule {
            name,
            priority,
            owner: Owner::Ours,
            direction: self.direction,
            effect,
            targets: vec![self.target.clone()],
            peers,
            services: vec![RuleService::All],
        }
    }
}
