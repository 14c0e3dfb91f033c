//! The facts of one class and direction as rules.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleService, RuleSpec};

use crate::band::{BLOCKS_MAX, Band, Change, Refusal, Target, VALUES_MAX, is_of_band, place};
use crate::{marks, services};

/// What kind of peers a rule has: a rule names tag values or blocks of one family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Values,
    Four,
    Six,
}

/// Services with the peers that have all of them.
type Compiled = Vec<(Kind, Vec<RuleService>, Vec<Peer>)>;

/// The change after which a class has exactly these facts in one direction.
///
/// # Errors
/// When a fact cannot be said, or no priority is free.
pub(super) fn compile(
    band: &Band,
    rules: &[PathRule],
    target: Target<'_>,
    direction: Direction,
    facts: &BTreeSet<RuleSpec>,
) -> Result<Change, Refusal> {
    let mut change = Change::default();
    let mut held: BTreeMap<&str, &PathRule> = BTreeMap::new();
    let own = |rule: &&PathRule| {
        rule.direction == direction && rule.targets.contains(target.id) && is_of_band(band, rule)
    };
    for rule in rules.iter().filter(own) {
        // One that is for somebody else as well, or has another's name, is not what we would write.
        if rule.targets.len() > 1 || held.contains_key(rule.name.as_str()) {
            take_out(rule, target.id, &mut change);
        } else {
            held.insert(&rule.name, rule);
        }
    }
    let mut new = Vec::new();
    for wanted in wanted(band, target, direction, facts)? {
        match held.remove(wanted.name.as_str()) {
            Some(rule) => {
                let wanted = PathRule { priority: rule.priority, ..wanted };
                change.put.extend((wanted != *rule).then_some(wanted));
            }
            None => new.push(wanted),
        }
    }
    change.delete.extend(held.values().map(|rule| rule.priority));
    let mut after = rules.to_vec();
    change.apply_to(&mut after);
    let mut taken = place::taken(&after);
    for rule in new {
        let priority = place::priority(band, &rule.name, &taken)?;
        taken.insert(priority);
        change.put.push(PathRule { priority, ..rule });
    }
    // A priority that goes and comes again in one change is replaced.
    let put: BTreeSet<u32> = change.put.iter().map(|rule| rule.priority).collect();
    change.delete.retain(|priority| !put.contains(priority));
    Ok(change)
}

/// Takes one target out of a rule, and the rule away if it was the last one.
pub(super) fn take_out(rule: &PathRule, target: &GroupId, change: &mut Change) {
    let targets: Vec<GroupId> = rule.targets.iter().filter(|held| *held != target).cloned().collect();
    if targets.is_empty() {
        change.delete.push(rule.priority);
    } else {
        change.put.push(PathRule { targets, ..rule.clone() });
    }
}

/// The rules for facts, with names and without priorities, sorted by name.
fn wanted(
    band: &Band,
    target: Target<'_>,
    direction: Direction,
    facts: &BTreeSet<RuleSpec>,
) -> Result<Vec<PathRule>, Refusal> {
    let mut rules = Vec::new();
    for (kind, services, peers) in by_rule(direction, facts)? {
        let words: Vec<String> = services.iter().map(ToString::to_string).collect();
        let most = if kind == Kind::Values { VALUES_MAX } else { BLOCKS_MAX };
        for (number, peers) in peers.chunks(most).enumerate() {
            let key = format!("{}\n{direction}\n{kind:?}\n{}\n{number}", target.name, words.join(" "));
            rules.push(PathRule {
                name: marks::hashed_name(&band.installation, &key),
                priority: 0,
                owner: Owner::Ours,
                direction,
                effect: PathEffect::Allow,
                targets: vec![target.id.clone()],
                peers: peers.to_vec(),
                services: services.clone(),
            });
        }
    }
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rules)
}

fn by_rule(direction: Direction, facts: &BTreeSet<RuleSpec>) -> Result<Compiled, Refusal> {
    let mut by_service: BTreeMap<(Kind, RuleService), BTreeSet<&Peer>> = BTreeMap::new();
    for fact in facts {
        let kind = kind_of(direction, &fact.peer).filter(|_| services::is_expressible(fact.service));
        let kind = kind.ok_or_else(|| Refusal::Inexpressible(format!("{direction} {fact}")))?;
        by_service.entry((kind, fact.service)).or_default().insert(&fact.peer);
    }
    let mut by_peers: BTreeMap<(Kind, BTreeSet<&Peer>), Vec<RuleService>> = BTreeMap::new();
    for ((kind, service), peers) in by_service {
        by_peers.entry((kind, peers)).or_default().push(service);
    }
    let mut compiled = Compiled::new();
    for ((kind, peers), services) in by_peers {
        let peers: Vec<Peer> = peers.into_iter().cloned().collect();
        compiled.extend(apart(services).into_iter().map(|services| (kind, services, peers.clone())));
    }
    Ok(compiled)
}

/// Services that one rule can say without losing one of them: beside a whole protocol its ports would be nothing more to
/// say, and who wants only them to stay would not find them.
pub(super) fn apart(services: Vec<RuleService>) -> Vec<Vec<RuleService>> {
    let is_inside = |service: &RuleService| {
        let RuleService::Ports { protocol, .. } = *service else { return false };
        services.contains(&RuleService::All) || services.contains(&RuleService::Protocol(protocol))
    };
    let (inside, outside): (Vec<_>, Vec<_>) = services.iter().copied().partition(is_inside);
    [outside, inside].into_iter().filter(|some| !some.is_empty()).collect()
}

/// None where no rule can name it: identities are no destinations.
pub(super) fn kind_of(direction: Direction, peer: &Peer) -> Option<Kind> {
    match peer {
        Peer::Group(_) => (direction == Direction::Ingress).then_some(Kind::Values),
        Peer::Cidr(IpNet::V4(_)) => Some(Kind::Four),
        Peer::Cidr(IpNet::V6(_)) => Some(Kind::Six),
        Peer::Opaque(_) => None,
    }
}
