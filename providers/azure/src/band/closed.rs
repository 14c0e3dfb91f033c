//! What closes interfaces: a deny rule for each virtual network and direction, below every allow of ours; and before it
//! what lets the health probes of load balancers through, without which all machines behind one would be taken for dead.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use plan::{Attachment, Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleService};

use crate::band::place::{Full, Taken};
use crate::band::{Band, Change, is_of_band, same_name};
use crate::ids;
use crate::marks::{self, Form};
use crate::resources::{ArmId, kind};

/// Where health probes of load balancers come from: the service tag `AzureLoadBalancer`.
pub const PROBES: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// The application security groups that closed interfaces of a virtual network are in, in the resource group of the
/// network. In an exclusive scope that is the group of additive ones too, so that a scope changes its kind by one group that
/// an interface joins or leaves: were it another group instead, an interface might hear of the leaving first.
pub fn closed_groups(band: &Band, network: &ArmId, direction: Direction) -> Vec<ArmId> {
    closing_kinds(band).iter().map(|kind| closed_group(band, network, *kind, direction)).collect()
}

/// The kinds of the groups that closed interfaces are in.
pub fn closing_kinds(band: &Band) -> &'static [Attachment] {
    match band.attachment {
        Attachment::Additive => &[Attachment::Additive],
        Attachment::Exclusive => &[Attachment::Additive, Attachment::Exclusive],
    }
}

/// Those of scopes of either kind.
pub fn all_closed_groups(band: &Band, network: &ArmId, direction: Direction) -> [ArmId; 2] {
    [Attachment::Additive, Attachment::Exclusive].map(|kind| closed_group(band, network, kind, direction))
}

fn closed_group(band: &Band, network: &ArmId, attachment: Attachment, direction: Direction) -> ArmId {
    let name = marks::closed_name(&band.installation, network.key(), attachment, direction);
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
    let Some(Form::Probes(attachment)) = marks::form(&band.installation, &rule.name) else { return false };
    let closed = Form::Closed(attachment, Direction::Ingress);
    band.keeps_probes
        && marks::form(&band.installation, ids::asg_word(target)) == Some(closed)
        && rule.owner == Owner::Foreign
        && rule.direction == Direction::Ingress
        && network_of(&ids::asg_name(target)) == network_of(&rule.name)
        && band.closing(attachment).0.contains(&rule.priority)
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
    let Some(Form::Closed(attachment, direction)) = marks::form(&band.installation, &rule.name) else {
        return false;
    };
    direction == rule.direction
        && rule.owner == Owner::Ours
        && same_name(&ids::asg_name(target), &rule.name)
        && band.closing(attachment).1.contains(&rule.priority)
        && rule.effect == PathEffect::Deny
        && rule.peers.is_empty()
        && rule.services == [RuleService::All]
}

/// The change after which members of the groups of closed interfaces are closed; none if they are.
///
/// # Errors
/// When the priorities of denies are taken.
pub fn close(band: &Band, rules: &[PathRule], network: &ArmId, direction: Direction) -> Result<Change, Full> {
    let mut change = Change::default();
    for kind in closing_kinds(band) {
        close_by(band, rules, network, (*kind, direction), &mut change)?;
    }
    Ok(change)
}

fn close_by(
    band: &Band,
    rules: &[PathRule],
    network: &ArmId,
    (attachment, direction): (Attachment, Direction),
    change: &mut Change,
) -> Result<(), Full> {
    let group = closed_group(band, network, attachment, direction);
    if is_closing(band, rules, &group, direction) {
        return Ok(());
    }
    let (probes_at, denies_at) = band.closing(attachment);
    let place = Place { band, rules, direction, target: GroupId::from(group.key()) };
    let mut put = Vec::new();
    if band.keeps_probes && direction == Direction::Ingress {
        let name = marks::probes_name(&band.installation, network.key(), attachment);
        let priority = place.free(&name, probes_at)?;
        let allow = place.rule(name, priority, PathEffect::Allow, vec![probes()]);
        put.push(PathRule { owner: Owner::Foreign, ..allow });
    }
    let is_there = |rule: &PathRule| is_whole(band, rule) && same_name(&rule.name, group.name());
    if !rules.iter().any(is_there) {
        let priority = place.free(group.name(), denies_at)?;
        put.push(place.rule(group.name().to_owned(), priority, PathEffect::Deny, Vec::new()));
    }
    put.retain(|rule| !rules.contains(rule));
    change.put.extend(put);
    Ok(())
}

/// The priority of the first deny for the closed interfaces of a virtual network: what it has, or would get.
///
/// # Errors
/// When the priorities of denies are taken.
pub fn deny_at(band: &Band, rules: &[PathRule], network: &ArmId, direction: Direction) -> Result<u32, Full> {
    let group = closed_group(band, network, band.attachment, direction);
    let place = Place { band, rules, direction, target: GroupId::from(group.key()) };
    place.free(group.name(), band.closing(band.attachment).1)
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
    fn free(&self, name: &str, within: RangeInclusive<u32>) -> Result<u32, Full> {
        let is_own = |rule: &&PathRule| same_name(&rule.name, name) && is_of_band(self.band, rule);
        let own = self.rules.iter().find(is_own).map(|rule| rule.priority);
        if let Some(own) = own.filter(|own| within.contains(own)) {
            return Ok(own);
        }
        let mut others = self.rules.to_vec();
        others.retain(|rule| !same_name(&rule.name, name));
        let most = within.clone().count();
        let full = Full { what: "priorities of denies", count: most + 1, most };
        Taken::new(&others, self.direction).first_of(within).ok_or(full)
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
