//! Facts of classes ↔ classic rules of ours, where network tags say who is in a class. Pure.
//!
//! A classic rule of ours is for one class: it allows peers of one kind some services, each peer each of them. A project has
//! few rules (100, if it never asked for more), so services with the same peers share one. Each rule is a resource of
//! its own, and no call writes several. So what is there already stays where it is, and a change takes the fewest calls: a new
//! fact goes into a rule with the same services or the same peers; a fact that goes takes its peer or its service out of
//! its rule, and what else that would cut is said by another rule before.
//!
//! Rules that people made wider than that (a second class, both kinds of peers) are still read as what they say; when a fact
//! of theirs changes, what they said is said by rules of ours first, and then they lose the class.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleService, RuleSpec};

use crate::band::compile::{Kind, apart, kind_of};
use crate::band::{Band, Refusal, Target, is_of_band, is_whole};
use crate::settings::Identity;
use crate::{ids, marks, services};

/// Network tags that one rule may name as sources.
pub const SOURCES_MAX: usize = 30;
/// Blocks that one rule may name.
pub const BLOCKS_MAX: usize = 5_000;

/// Rules to write and to delete, each a call, in this order: at every moment between two of them everything passes that
/// passes before and after.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClassicChange {
    /// Rules that are new or say more.
    pub grow: Vec<PathRule>,
    /// Rules that say less.
    pub shrink: Vec<PathRule>,
    /// Names of rules that go.
    pub delete: Vec<String>,
}

impl ClassicChange {
    /// The list after the change; its order is left to the caller.
    pub fn apply_to(&self, rules: &mut Vec<PathRule>) {
        for rule in self.grow.iter().chain(&self.shrink) {
            rules.retain(|held| !is_named(held, &rule.name));
            rules.push(rule.clone());
        }
        rules.retain(|held| !self.delete.iter().any(|name| is_named(held, name)));
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.grow.is_empty() && self.shrink.is_empty() && self.delete.is_empty()
    }
}

/// Names are unique among the classic rules of a project, whoever they belong to.
fn is_named(rule: &PathRule, name: &str) -> bool {
    rule.name == name
}

/// What rules say: peers as rules name them, with services.
type Facts = BTreeSet<(Peer, RuleService)>;

/// The change after which a class has exactly these facts in one direction. Each call is a growth or a loss, and losses
/// come last.
///
/// # Errors
/// When a fact cannot be said.
pub(super) fn compile(
    band: &Band,
    rules: &[PathRule],
    target: Target<'_>,
    direction: Direction,
    facts: &BTreeSet<RuleSpec>,
) -> Result<ClassicChange, Refusal> {
    let mut wanted: BTreeMap<Kind, Facts> = BTreeMap::new();
    for fact in facts {
        let kind = kind_of(direction, &fact.peer).filter(|_| services::is_expressible(fact.service));
        let kind = kind.ok_or_else(|| Refusal::Inexpressible(format!("{direction} {fact}")))?;
        wanted.entry(kind).or_default().insert((written_peer(band, &fact.peer), fact.service));
    }
    let (mut plain, mut odd): (BTreeMap<Kind, Vec<&PathRule>>, Vec<&PathRule>) = Default::default();
    let own = |rule: &&PathRule| {
        rule.direction == direction && rule.targets.contains(target.id) && is_of_band(band, rule)
    };
    let mut all: Vec<&PathRule> = rules.iter().filter(own).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    for rule in all {
        match kind_of_rule(rule) {
            Some(kind) => plain.entry(kind).or_default().push(rule),
            None => odd.push(rule),
        }
    }
    let mut work = Work { band, rules, target, direction, change: ClassicChange::default() };
    for kind in [Kind::Values, Kind::Four, Kind::Six] {
        let wanted = wanted.remove(&kind).unwrap_or_default();
        work.settle(kind, &wanted, plain.remove(&kind).unwrap_or_default());
    }
    for rule in odd {
        take_out(rule, target.id, &mut work.change);
    }
    Ok(work.change)
}

/// The kind of peers of a rule that is for one class and has one kind.
fn kind_of_rule(rule: &PathRule) -> Option<Kind> {
    let kinds: Option<BTreeSet<Kind>> = rule.peers.iter().map(|peer| kind_of(rule.direction, peer)).collect();
    let kinds: Vec<Kind> = kinds?.into_iter().collect();
    match (rule.targets.as_slice(), kinds.as_slice()) {
        ([_], &[kind]) if rule.peers.len() <= most_of(kind) => Some(kind),
        _ => None,
    }
}

fn most_of(kind: Kind) -> usize {
    if kind == Kind::Values { SOURCES_MAX } else { BLOCKS_MAX }
}

fn facts_in(rule: &PathRule) -> Facts {
    let pairs =
        |peer: &Peer| rule.services.iter().map(|service| (peer.clone(), *service)).collect::<Vec<_>>();
    rule.peers.iter().flat_map(pairs).collect()
}

/// What is left of a rule when facts go: all of its services for fewer peers or fewer services for all of its peers,
/// whichever says more; none where that is nothing.
fn rest_of(rule: &PathRule, wanted: &Facts) -> Option<PathRule> {
    let is_wanted = |peer: &Peer, service: RuleService| wanted.contains(&(peer.clone(), service));
    let has_all = |peer: &&Peer| rule.services.iter().all(|service| is_wanted(peer, *service));
    let is_for_all = |service: &&RuleService| rule.peers.iter().all(|peer| is_wanted(peer, **service));
    let peers: Vec<Peer> = rule.peers.iter().filter(has_all).cloned().collect();
    let services: Vec<RuleService> = rule.services.iter().filter(is_for_all).copied().collect();
    let by_peer = peers.len() * rule.services.len();
    match (by_peer, services.len() * rule.peers.len()) {
        (0, 0) => None,
        (by_peer, by_service) if by_peer >= by_service => Some(PathRule { peers, ..rule.clone() }),
        _ => Some(PathRule { services, ..rule.clone() }),
    }
}

struct Work<'a> {
    band: &'a Band,
    rules: &'a [PathRule],
    target: Target<'a>,
    direction: Direction,
    change: ClassicChange,
}

/// A rule that stays, and whether it says more than before.
struct Stays {
    rule: PathRule,
    has_grown: bool,
}

impl Work<'_> {
    /// Has the rules of one kind say what is wanted.
    fn settle(&mut self, kind: Kind, wanted: &Facts, held: Vec<&PathRule>) {
        let (mut covered, mut stays) = (Facts::new(), Vec::new());
        for rule in held {
            let facts = facts_in(rule);
            let is_less = !facts.is_subset(wanted);
            match rest_of(rule, wanted) {
                Some(rest) if is_less => {
                    covered.extend(facts_in(&rest));
                    self.change.shrink.push(rest);
                }
                // What a crash between two calls left is said twice.
                Some(_) if !facts.is_subset(&covered) => {
                    covered.extend(facts);
                    stays.push(Stays { rule: rule.clone(), has_grown: false });
                }
                _ => self.change.delete.push(rule.name.clone()),
            }
        }
        let missing: Facts = wanted.difference(&covered).cloned().collect();
        for (peers, services) in together(missing) {
            let left = extend(&mut stays, kind, peers, &services);
            self.make(kind, &left, &services);
        }
        let grown = stays.into_iter().filter(|one| one.has_grown).map(|one| one.rule);
        self.change.grow.extend(grown);
    }

    /// New rules for peers with some services.
    fn make(&mut self, kind: Kind, peers: &[Peer], services: &[RuleService]) {
        for peers in peers.chunks(most_of(kind)) {
            let name = self.name(kind, services);
            self.change.grow.push(PathRule {
                name,
                priority: self.band.first,
                owner: Owner::Ours,
                direction: self.direction,
                effect: PathEffect::Allow,
                targets: vec![self.target.id.clone()],
                peers: peers.to_vec(),
                services: services.to_vec(),
            });
        }
    }

    /// A name that no rule has that stays.
    fn name(&self, kind: Kind, services: &[RuleService]) -> String {
        // The tag is of one network, and names are unique in the project.
        let tag = ids::tag_of_class(&self.band.installation, self.target.id).map(|(_, tag)| tag);
        let (tag, direction) = (tag.unwrap_or_default(), self.direction);
        let words: Vec<String> = services.iter().map(ToString::to_string).collect();
        let key = format!("{tag}\n{direction}\n{kind:?}\n{}", words.join(" "));
        let is_new = |name: &String| !self.change.grow.iter().any(|rule| is_named(rule, name));
        free_name(self.band, self.rules, &key, is_new)
    }
}

/// Peers with the services that all of them have, as far as one rule can say them.
fn together(facts: Facts) -> Vec<(Vec<Peer>, Vec<RuleService>)> {
    let mut by_service: BTreeMap<RuleService, Vec<Peer>> = BTreeMap::new();
    for (peer, service) in facts {
        by_service.entry(service).or_default().push(peer);
    }
    let mut by_peers: BTreeMap<Vec<Peer>, Vec<RuleService>> = BTreeMap::new();
    for (service, peers) in by_service {
        by_peers.entry(peers).or_default().push(service);
    }
    let split = |(peers, services): (Vec<Peer>, Vec<RuleService>)| {
        apart(services).into_iter().map(move |services| (peers.clone(), services))
    };
    by_peers.into_iter().flat_map(split).collect()
}

/// Puts facts into rules that stay: services where the peers are the same, peers where the services are and there is
/// room. The peers for whom there is none.
fn extend(stays: &mut [Stays], kind: Kind, peers: Vec<Peer>, services: &[RuleService]) -> Vec<Peer> {
    let with = |rule: &PathRule| [rule.services.as_slice(), services].concat();
    let same = stays.iter_mut().find(|one| one.rule.peers == peers && apart(with(&one.rule)).len() == 1);
    if let Some(one) = same {
        one.rule.services = with(&one.rule);
        one.rule.services.sort_unstable();
        one.has_grown = true;
        return Vec::new();
    }
    let mut left = peers;
    for one in stays.iter_mut().filter(|one| one.rule.services == services) {
        let room = most_of(kind).saturating_sub(one.rule.peers.len()).min(left.len());
        if room > 0 {
            one.rule.peers.extend(left.drain(..room));
            one.rule.peers.sort();
            one.has_grown = true;
        }
    }
    left
}

/// The first name of a key that nobody has who stays.
pub(super) fn free_name(
    band: &Band,
    rules: &[PathRule],
    key: &str,
    is_new: impl Fn(&String) -> bool,
) -> String {
    let first = marks::hashed_name(&band.installation, key);
    let others = (2..).map(|number: u32| marks::hashed_name(&band.installation, &format!("{key}\n{number}")));
    let mut names = std::iter::once(first.clone()).chain(others);
    names.find(|name| is_free(band, rules, name) && is_new(name)).unwrap_or(first)
}

/// Whether a rule of ours may have a name. One that a damaged rule of ours holds is taken over with it; rules that are ours
/// by half keep theirs.
fn is_free(band: &Band, rules: &[PathRule], name: &str) -> bool {
    let stays = |rule: &PathRule| rule.owner != Owner::Ours || is_of_band(band, rule) || is_whole(band, rule);
    !rules.iter().any(|rule| is_named(rule, name) && stays(rule))
}

/// Takes a class out of a rule, and the rule away if it was the last one.
fn take_out(rule: &PathRule, target: &GroupId, change: &mut ClassicChange) {
    let targets: Vec<GroupId> = rule.targets.iter().filter(|held| *held != target).cloned().collect();
    if targets.is_empty() {
        change.delete.push(rule.name.clone());
    } else {
        change.shrink.push(PathRule { targets, ..rule.clone() });
    }
}

/// The change that takes every rule of a class away.
pub fn clear(band: &Band, rules: &[PathRule], target: &GroupId) -> ClassicChange {
    let mut change = ClassicChange::default();
    for rule in rules.iter().filter(|rule| is_of_band(band, rule) && rule.targets.contains(target)) {
        take_out(rule, target, &mut change);
    }
    change
}

/// A peer of a fact as a rule names it: a class by its network tag.
pub fn written_peer(band: &Band, peer: &Peer) -> Peer {
    let source = |id: &GroupId| ids::source_of(&band.installation, id);
    as_group(band, peer, source)
}

/// A peer of a rule as a fact names it: a network tag of ours by its class.
pub fn read_peer(band: &Band, peer: &Peer) -> Peer {
    as_group(band, peer, |id| ids::class_of_source(&band.installation, id))
}

/// A fact as it is read from rules: a class that is planned by the id that it will have.
pub(super) fn as_read(band: &Band, fact: &RuleSpec) -> RuleSpec {
    RuleSpec { peer: read_peer(band, &written_peer(band, &fact.peer)), service: fact.service }
}

fn as_group(band: &Band, peer: &Peer, other: impl Fn(&GroupId) -> Option<GroupId>) -> Peer {
    match (band.identity, peer) {
        (Identity::NetworkTags, Peer::Group(id)) => Peer::Group(other(id).unwrap_or_else(|| id.clone())),
        _ => peer.clone(),
    }
}

#[cfg(test)]
mod tests;
