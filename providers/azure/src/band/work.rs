//! The rules of ours for one target and direction while they are worked on.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleService, RuleSpec};

use crate::band::place::Taken;
use crate::band::read::{self, Kind};
use crate::band::{Band, Change, GROUPS_MAX, PREFIXES_MAX};
use crate::ids;

/// One rule of ours. One that is new has neither name nor priority before the end.
pub(super) struct Held {
    rule: PathRule,
    kind: Kind,
    is_settled: bool,
    is_changed: bool,
}

impl Held {
    fn says_alone(&self, service: RuleService, kind: Kind) -> bool {
        self.rule.services == [service] && self.kind == kind && !self.rule.peers.is_empty()
    }

    fn says(&self, service: RuleService, peer: &Peer) -> bool {
        self.rule.services.contains(&service) && self.rule.peers.contains(peer)
    }
}

/// All of them.
pub(super) struct Work<'a> {
    pub(super) band: &'a Band,
    rules: &'a [PathRule],
    target: &'a GroupId,
    direction: Direction,
    held: Vec<Held>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        band: &'a Band,
        rules: &'a [PathRule],
        target: &'a GroupId,
        direction: Direction,
    ) -> Self {
        let own =
            rules.iter().filter(|rule| rule.direction == direction && rule.targets.first() == Some(target));
        let mut held: Vec<Held> = own
            .filter_map(|rule| {
                let entry = read::read(band, rule)?;
                let (kind, is_settled) = (entry.kind, entry.is_settled);
                Some(Held { rule: rule.clone(), kind, is_settled, is_changed: false })
            })
            .collect();
        held.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
        Self { band, rules, target, direction, held }
    }

    /// Puts the peers that no rule has yet into rules with room, then into new ones.
    pub(super) fn add(&mut self, service: RuleService, kind: Kind, mut peers: Vec<Peer>) {
        peers.retain(|peer| match self.held.iter_mut().find(|held| held.says(service, peer)) {
            Some(held) => {
                held.is_changed |= !held.is_settled;
                false
            }
            None => true,
        });
        peers.sort_by_cached_key(peer_key);
        let mut peers = peers.into_iter().peekable();
        for held in self.held.iter_mut().filter(|held| held.says_alone(service, kind)) {
            let room = most(kind).saturating_sub(held.rule.peers.len());
            held.is_changed |= room > 0 && peers.peek().is_some();
            held.rule.peers.extend(peers.by_ref().take(room));
        }
        while peers.peek().is_some() {
            let some = peers.by_ref().take(most(kind)).collect();
            self.hold_new(vec![service], kind, some);
        }
    }

    fn hold_new(&mut self, services: Vec<RuleService>, kind: Kind, peers: Vec<Peer>) {
        let rule = PathRule {
            name: String::new(),
            priority: 0,
            owner: Owner::Ours,
            direction: self.direction,
            effect: PathEffect::Allow,
            targets: vec![self.target.clone()],
            peers,
            services,
        };
        self.held.push(Held { rule, kind, is_settled: true, is_changed: true });
    }

    /// Takes facts out of every rule that says them. A service that loses peers which others of its rule keep gets
    /// a rule of its own.
    pub(super) fn remove(&mut self, facts: &[RuleSpec]) {
        let gone: BTreeSet<&RuleSpec> = facts.iter().collect();
        let is_gone = |peer: &Peer, service| gone.contains(&RuleSpec { peer: peer.clone(), service });
        let mut apart: Vec<(RuleService, Kind, Vec<Peer>)> = Vec::new();
        for held in &mut self.held {
            let Held { rule, kind, .. } = held;
            let left = |service| -> Vec<Peer> {
                rule.peers.iter().filter(|peer| !is_gone(peer, service)).cloned().collect()
            };
            let lefts: Vec<(RuleService, Vec<Peer>)> =
                rule.services.iter().map(|&service| (service, left(service))).collect();
            if lefts.iter().all(|(_, left)| left.len() == rule.peers.len()) {
                continue;
            }
            held.is_changed = true;
            // The peers that most services keep stay where they are.
            let mut kept: BTreeMap<&Vec<Peer>, usize> = BTreeMap::new();
            lefts.iter().for_each(|(_, left)| *kept.entry(left).or_default() += 1);
            let stays = kept.into_iter().max_by_key(|(left, count)| (!left.is_empty(), *count));
            let Some(stays) = stays.map(|(left, _)| left.clone()) else { continue };
            let (services, others): (Vec<_>, Vec<_>) =
                lefts.into_iter().partition(|(_, left)| *left == stays);
            apart.extend(others.into_iter().map(|(service, left)| (service, *kind, left)));
            rule.services = services.into_iter().map(|(service, _)| service).collect();
            rule.peers = stays;
        }
        for (service, kind, peers) in apart {
            self.add(service, kind, peers);
        }
    }

    /// How many rules more there are than before.
    pub(super) fn growth(&self) -> isize {
        let before = self.held.iter().filter(|held| !held.rule.name.is_empty()).count();
        self.count() as isize - before as isize
    }

    fn count(&self) -> usize {
        self.held.iter().filter(|held| !held.rule.peers.is_empty()).count()
    }

    /// Says the same in fewer rules, if that can be: ports of one protocol with the same peers share a rule, and rules
    /// are full before the next begins.
    pub(super) fn squeeze(&mut self) {
        let mut by_service: BTreeMap<(Kind, RuleService), BTreeSet<&Peer>> = BTreeMap::new();
        for held in &self.held {
            for &service in &held.rule.services {
                by_service.entry((held.kind, service)).or_default().extend(&held.rule.peers);
            }
        }
        // Ports of one protocol can stand together; anything else stands alone.
        type Together = Result<u8, RuleService>;
        let mut by_peers: BTreeMap<(Kind, BTreeSet<&Peer>, Together), Vec<RuleService>> = BTreeMap::new();
        for ((kind, service), peers) in by_service.into_iter().filter(|(_, peers)| !peers.is_empty()) {
            let together = read::shared_protocol(service).ok_or(service);
            by_peers.entry((kind, peers, together)).or_default().push(service);
        }
        let mut wanted: Vec<(Kind, Vec<RuleService>, Vec<Peer>)> = Vec::new();
        for ((kind, peers, _), services) in by_peers {
            let mut peers: Vec<Peer> = peers.into_iter().cloned().collect();
            peers.sort_by_cached_key(peer_key);
            wanted.extend(peers.chunks(most(kind)).map(|some| (kind, services.clone(), some.to_vec())));
        }
        if wanted.len() < self.count() {
            self.rewrite(wanted);
        }
    }

    /// Puts other rules in the places of those that are there; what is wanted already stays.
    fn rewrite(&mut self, mut wanted: Vec<(Kind, Vec<RuleService>, Vec<Peer>)>) {
        let set = |peers: &[Peer]| -> BTreeSet<Peer> { peers.iter().cloned().collect() };
        let mut places = Vec::new();
        for held in &mut self.held {
            let same = |one: &(Kind, Vec<RuleService>, Vec<Peer>)| {
                one.1 == held.rule.services && set(&one.2) == set(&held.rule.peers)
            };
            match wanted.iter().position(same).filter(|_| held.is_settled) {
                Some(place) => drop(wanted.remove(place)),
                None => places.push(held),
            }
        }
        let mut wanted = wanted.into_iter();
        for held in places {
            held.is_changed = true;
            match wanted.next() {
                Some((kind, services, peers)) => {
                    (held.kind, held.rule.services, held.rule.peers) = (kind, services, peers);
                }
                None => held.rule.peers.clear(),
            }
        }
        for (kind, services, peers) in wanted {
            self.hold_new(services, kind, peers);
        }
    }

    /// The change, with names and priorities for what is new.
    pub(super) fn change(self) -> Change {
        let mut change = Change::default();
        let mut taken: Option<Taken> = None;
        for held in self.held.into_iter().filter(|held| held.is_changed) {
            let mut rule = PathRule { owner: Owner::Ours, ..held.rule };
            if rule.peers.is_empty() {
                change.delete.extend((!rule.name.is_empty()).then_some(rule.name));
                continue;
            }
            if rule.name.is_empty() {
                let taken = taken.get_or_insert_with(|| Taken::new(self.rules, self.direction));
                let words: Vec<String> = rule.services.iter().map(ToString::to_string).collect();
                let target = ids::asg_name(self.target);
                let key = format!("{target} {} {} {:?}", self.direction, words.join(" "), held.kind);
                (rule.name, rule.priority) = taken.take(self.band, &key);
            }
            rule.peers.sort();
            change.put.push(rule);
        }
        change
    }
}

/// Peers on one side of a rule at most.
fn most(kind: Kind) -> usize {
    if kind == Kind::Groups { GROUPS_MAX } else { PREFIXES_MAX }
}

/// The order in which peers are put into rules: by what is known before a plan has run, and after.
fn peer_key(peer: &Peer) -> (u8, String) {
    match peer {
        Peer::Group(id) => (0, ids::asg_name(id)),
        Peer::Cidr(block) => (1, block.to_string()),
        Peer::Opaque(word) => (2, word.clone()),
    }
}
