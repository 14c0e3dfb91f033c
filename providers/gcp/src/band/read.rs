//! What rules of ours say.

use std::collections::BTreeSet;

use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleSpec};

use crate::band::{Band, closed};
use crate::ids::{self, GroupKind};

/// Whether a rule has our mark.
pub fn is_ours(rule: &PathRule) -> bool {
    rule.owner == Owner::Ours
}

/// Whether a rule is one of those that allow something to classes, undamaged.
pub fn is_of_band(band: &Band, rule: &PathRule) -> bool {
    let is_plain = |peer: &Peer| !matches!(peer, Peer::Opaque(_));
    is_ours(rule)
        && rule.effect == PathEffect::Allow
        && (band.first..=band.last).contains(&rule.priority)
        && !rule.targets.is_empty()
        && rule.targets.iter().all(is_value)
        && !rule.peers.is_empty()
        && rule.peers.iter().all(is_plain)
        && !rule.services.is_empty()
}

fn is_value(id: &GroupId) -> bool {
    matches!(ids::kind_of(id), GroupKind::Value(_) | GroupKind::Planned { .. })
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
    own.flat_map(facts).collect()
}

fn facts(rule: &PathRule) -> impl Iterator<Item = RuleSpec> {
    rule.peers.iter().flat_map(|peer| {
        rule.services.iter().map(|service| RuleSpec { peer: peer.clone(), service: *service })
    })
}
