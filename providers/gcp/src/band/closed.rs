//! The deny rules that close interfaces: one for each direction and family, below every allow of ours.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use plan::{Direction, Owner, PathEffect, PathRule, Peer, RuleService};
use policy::NetworkId;

use crate::band::place::{self, Full};
use crate::band::{Band, Change, classic};
use crate::ids::{self, GroupKind};
use crate::marks;
use crate::settings::Identity;

const FAMILIES: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0)),
];

/// Whether the rules close the interfaces with our tag for closed ones, in both families.
pub fn is_closing(band: &Band, rules: &[PathRule], network: &NetworkId, direction: Direction) -> bool {
    FAMILIES.iter().all(|family| rules.iter().any(|rule| closes(band, rule, network, direction, *family)))
}

fn closes(band: &Band, rule: &PathRule, network: &NetworkId, direction: Direction, family: IpNet) -> bool {
    is_whole(band, rule)
        && rule.direction == direction
        && rule.targets == [ids::closed(network, direction)]
        && rule.peers == [Peer::Cidr(family)]
}

/// Whether a rule of ours closes whom it is for.
pub fn is_whole(band: &Band, rule: &PathRule) -> bool {
    let [target] = rule.targets.as_slice() else { return false };
    let [Peer::Cidr(block)] = rule.peers.as_slice() else { return false };
    let is_for_closed =
        matches!(ids::kind_of(target), GroupKind::Closed { direction, .. } if direction == rule.direction);
    is_for_closed
        && rule.owner == Owner::Ours
        && rule.effect == PathEffect::Deny
        && band.denies().contains(&rule.priority)
        && block.prefix_len() == 0
        && rule.services == [RuleService::All]
}

/// The change after which interfaces with our tag for closed ones are closed; none if they are.
///
/// # Errors
/// When the priorities of denies are taken.
pub fn close(
    band: &Band,
    rules: &[PathRule],
    network: &NetworkId,
    direction: Direction,
) -> Result<Change, Full> {
    let mut change = Change::default();
    let mut after = rules.to_vec();
    for family in FAMILIES {
        if after.iter().any(|rule| closes(band, rule, network, direction, family)) {
            continue;
        }
        let (first, last) = (*band.denies().start(), *band.denies().end());
        let free = || place::first_free(first, last, first, &place::taken(&after));
        let priority = match band.identity {
            Identity::NetworkTags => first,
            Identity::SecureTags => {
                free().ok_or(Full { what: "priorities of denies", count: 101, most: 100 })?
            }
        };
        let key = format!("{network}\n{direction}\n{family}");
        let name = match band.identity {
            Identity::SecureTags => marks::hashed_name(&band.installation, &key),
            Identity::NetworkTags => classic::free_name(band, &after, &key, |_| true),
        };
        let rule = PathRule {
            name,
            priority,
            owner: Owner::Ours,
            direction,
            effect: PathEffect::Deny,
            targets: vec![ids::closed(network, direction)],
            peers: vec![Peer::Cidr(family)],
            services: vec![RuleService::All],
        };
        after.push(rule.clone());
        match band.identity {
            Identity::SecureTags => change.put.push(rule),
            Identity::NetworkTags => change.classic.grow.push(rule),
        }
    }
    Ok(change)
}
