//! What rules of ours say.

use std::collections::BTreeSet;

use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleSpec};

use crate::band::classic::read_peer;
use crate::band::{Band, closed};
use crate::ids::{self, GroupKind};
use crate::settings::Identity;

/// Whether a rule has our mark.
pub fn is_ours(rule: &PathRule) -> bool {
    rule.owner == Owner::Ours
}

/// Whether a rule is one of those that allow something to classes, undamaged.
pub fn is_of_band(band: &Band, rule: &PathRule) -> bool {
    let is_plain = |peer: &Peer| !matches!(peer, Peer::Opaque(_));
    is_ours(rule)
        && rule.effect == PathEffect::Allow
        && is_priority_of(band, rule.priority)
        && !rule.targets.is_empty()
        && rule.targets.iter().all(|id| is_class(band, id))
        && !rule.peers.is_empty()
        && rule.peers.iter().all(is_plain)
        && !rule.services.is_empty()
}

/// Classic rules may share a priority, and all of ours that allow do.
fn is_priority_of(band: &Band, priority: u32) -> bool {
    match band.identity {
        Identity::SecureTags => (band.first..=band.last).contains(&priority),
        Identity::NetworkTags => priority == band.first,
    }
}

fn is_class(band: &Band, id: &GroupId) -> bool {
    match (band.identity, ids::kind_of(id)) {
        (_, GroupKind::Planned { .. }) => true,
        (identity, GroupKind::Value(_)) => identity == Identity::SecureTags,
        (identity, GroupKind::Class { .. }) => identity == Identity::NetworkTags,
        _ => false,
    }
}

/// Whether a rule has our mark and does not say what rules of ours say: somebody changed it, or its class is gone.
pub fn is_damaged(band: &Band, rule: &PathRule, is_class: &dyn Fn(&GroupId) -> bool) -> bool {
    let is_good = closed::is_whole(band, rule) || is_of_band(band, rule) && rule.targets.iter().all(is_class);
    is_ours(rule) && !is_good
}

/// The facts of a class in one direction.
pub fn facts_of(
    band: &Band,
    rules: &[PathRule],
    target: &GroupId,
    direction: Direction,
) -> BTreeSet<RuleSpec> {
    let own = rules.iter().filter(|rule| {
        rule.direction == direction && rule.targets.contains(target) && is_of_band(band, rule)
    });
    let own = own.flat_map(facts);
    own.map(|fact| RuleSpec { peer: read_peer(band, &fact.peer), ..fact }).collect()
}

fn facts(rule: &PathRule) -> impl Iterator<Item = RuleSpec> {
    rule.peers.iter().flat_map(|peer| {
        rule.services.iter().map(|service| RuleSpec { peer: peer.clone(), service: *service })
    })
}
