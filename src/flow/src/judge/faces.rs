//! The faces of an end: every way in which workloads with some labels, or addresses of some block, can stand at an end of
//! a flow, as far as the policy can tell them apart.
//!
//! Who is meant by labels:
//! - the interfaces of present workloads with exactly these labels in that network;
//! - if there are none (they are gone, or have other labels today): somebody new with these labels in that network. The
//!   selectors say which rules are theirs, present workloads with the labels or else the policy's enforcement
//!   entries in which mode they are, the interfaces of the network what is filtered there. Which address such a one would
//!   have nobody knows: any of the network's blocks. Nor whether it is one that a rule names and the snapshot lacks.
//!   Then the faces are *guessed*: where they differ, the verdict is unknown.
//!
//! Who is meant by an address: as in `policy::snapshot`, by the view from the other end's network. By a block: the
//! addresses in it that nobody known holds, for that is what the end of a summary says.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use policy::compiled::CompiledRuleId;
use policy::{Class, Directions, EnforcementMode, LabelSet, NetworkId, Place, View};
use rustc_hash::FxHashMap;

use super::ground::{Ground, RuleSide};
use super::line::PartId;
use super::rules::{RuleLists, RulesId};
use crate::summary::End;

/// What an end does with what no rule allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Stance {
    /// Nothing is judged: no enforcement point, idle, or nobody of ours.
    Open,
    /// Visibility only.
    Watch,
    Selective,
    Full,
}

/// One way of standing at an end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Face {
    pub stance: Stance,
    /// The rules that select it on its own side.
    pub own: RulesId,
    /// The rules that the other end finds it in, on its side.
    pub seen: RulesId,
    pub is_v6: bool,
}

/// The faces of an end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Faces {
    /// Sorted, each once.
    pub list: Vec<Face>,
    /// Whether they are of somebody who does not exist, so that no face stands for anybody in particular.
    pub guessed: bool,
}

/// Where the other end is, and so from where an end is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Viewer<'e> {
    /// Outside: nothing is decided there.
    Outside,
    /// At a workload in this network, or in none that is known.
    Inside(Option<&'e NetworkId>),
}

/// Makes faces.
pub(super) struct Mirror {
    /// What a part of the line adds to the rules that an end is found in.
    seen: FxHashMap<(RulesId, PartId, bool), RulesId>,
}

impl Mirror {
    pub(super) fn new() -> Self {
        Self { seen: FxHashMap::default() }
    }

    pub(super) fn faces(
        &mut self,
        ground: &Ground<'_>,
        rules: &mut RuleLists,
        end: &End,
        viewer: Viewer<'_>,
        side: RuleSide,
    ) -> Faces {
        let mut look = Look { mirror: self, ground, rules, viewer, side, found: BTreeSet::new() };
        let mut guessed = false;
        match end {
            End::Address(block) => look.block(*block),
            End::Workload { labels, network } => {
                let carriers = ground.carriers(labels).iter().copied();
                let here: Vec<Place> =
                    carriers.filter(|&place| ground.network_of(place) == network.as_ref()).collect();
                guessed = here.is_empty();
                if guessed {
                    look.guess(labels, network.as_ref());
                }
                here.into_iter().for_each(|place| look.interface(place));
            }
        }
        Faces { list: look.found.into_iter().collect(), guessed }
    }
}

/// One look at an end.
struct Look<'l, 'a> {
    mirror: &'l mut Mirror,
    ground: &'l Ground<'a>,
    rules: &'l mut RuleLists,
    viewer: Viewer<'l>,
    side: RuleSide,
    found: BTreeSet<Face>,
}

impl Look<'_, '_> {
    fn interface(&mut self, place: Place) {
        let (ground, class) = (self.ground, self.ground.class_of(place));
        let interface = ground.directory.interface(place);
        let network = interface.network.as_ref();
        let own = self.rules.intern_ids(rules_of(class, self.side));
        let stance = self.stance(class.mode, interface.enforces);
        for &address in &interface.addresses {
            for seen in self.seen_as(network, address, own) {
                self.found.insert(Face { stance, own, seen, is_v6: address.is_ipv6() });
            }
        }
    }

    /// The lists of rules that the viewer may find an interface with this address in.
    fn seen_as(&mut self, network: Option<&NetworkId>, address: IpAddr, own: RulesId) -> Vec<RulesId> {
        let viewer = match self.viewer {
            Viewer::Outside => return vec![RulesId::default()],
            Viewer::Inside(viewer) => viewer,
        };
        if self.ground.are_connected(viewer, network) {
            return vec![self.with_lists(own, self.ground.line.part(address))];
        }
        let looks = self.ground.looks(network, address, viewer);
        looks.into_iter().map(|address| self.by_address(viewer, address)).collect()
    }

    /// The rules that a viewer finds an address in, whoever has it.
    fn by_address(&mut self, viewer: Option<&NetworkId>, address: IpAddr) -> RulesId {
        let ground = self.ground;
        let holders = match ground.directory.holder(viewer, address) {
            View::Interface(place) => vec![place],
            View::Translated => ground.directory.behind(viewer, address).into_owned(),
            View::Shadowed | View::Ambiguous | View::External => Vec::new(),
        };
        let side = self.side;
        let of = |&place: &Place| rules_of(ground.class_of(place), side).iter().map(|id| id.0);
        let known = match holders.as_slice() {
            [] => RulesId::default(),
            holders => self.rules.union(holders.iter().flat_map(of)),
        };
        self.with_lists(known, ground.line.part(address))
    }

    fn block(&mut self, block: IpNet) {
        let is_v6 = block.addr().is_ipv6();
        let (stance, own) = (Stance::Open, RulesId::default());
        let seen: Vec<RulesId> = match self.viewer {
            Viewer::Outside => vec![RulesId::default()],
            Viewer::Inside(viewer) if block.prefix_len() == block.max_prefix_len() => {
                vec![self.by_address(viewer, block.addr())]
            }
            Viewer::Inside(_) => {
                let parts = self.ground.line.parts(block.network(), block.broadcast());
                parts.into_iter().map(|part| self.with_lists(RulesId::default(), part)).collect()
            }
        };
        self.found.extend(seen.into_iter().map(|seen| Face { stance, own, seen, is_v6 }));
    }

    /// The faces of somebody with these labels who does not exist.
    fn guess(&mut self, labels: &LabelSet, network: Option<&NetworkId>) {
        let by_labels = self.ground.rules_by_labels(labels, self.side);
        let mut own = vec![self.rules.union(by_labels.iter().copied())];
        for named in self.ground.rules_of_absent(self.side) {
            own.push(self.rules.union(by_labels.iter().chain(named).copied()));
        }
        for mode in self.ground.modes(labels) {
            for directions in self.ground.directions(network) {
                for &own in &own {
                    let stance = self.stance(mode, directions);
                    self.guess_addresses(network, stance, own);
                }
            }
        }
    }

    fn guess_addresses(&mut self, network: Option<&NetworkId>, stance: Stance, own: RulesId) {
        let ground = self.ground;
        for block in ground.blocks(network) {
            let is_v6 = block.addr().is_ipv6();
            let seen: Vec<RulesId> = match self.viewer {
                Viewer::Outside => vec![RulesId::default()],
                Viewer::Inside(viewer) if ground.are_connected(viewer, network) => {
                    let parts = ground.line.parts(block.network(), block.broadcast());
                    parts.into_iter().map(|part| self.with_lists(own, part)).collect()
                }
                Viewer::Inside(viewer) => self.guess_seen(viewer, network, block, own),
            };
            self.found.extend(seen.into_iter().map(|seen| Face { stance, own, seen, is_v6 }));
        }
    }

    /// Somebody in a network that is not connected to the viewer's: taken for itself, or for nobody where the viewer has
    /// such addresses itself; where it is translated, for whoever is behind the address already, and itself.
    fn guess_seen(
        &mut self,
        viewer: Option<&NetworkId>,
        network: Option<&NetworkId>,
        block: IpNet,
        own: RulesId,
    ) -> Vec<RulesId> {
        let ground = self.ground;
        let mut seen = Vec::new();
        let (instead, is_all_translated) = ground.looks_of_block(network, block, viewer);
        for address in instead {
            let others = self.by_address(viewer, address);
            let both = [others, own].map(|id| self.rules.get(id).to_vec()).concat();
            seen.extend([self.rules.union(both), others]);
        }
        if is_all_translated {
            return seen;
        }
        let is_near = [block.network(), block.broadcast()].map(|address| ground.is_near(viewer, address));
        for part in ground.line.parts(block.network(), block.broadcast()) {
            if is_near.contains(&true) {
                seen.push(self.with_lists(RulesId::default(), part));
            }
            if is_near.contains(&false) {
                seen.push(self.with_lists(own, part));
            }
        }
        seen
    }

    fn with_lists(&mut self, known: RulesId, part: PartId) -> RulesId {
        if self.ground.line.lists(part).is_empty() {
            return known;
        }
        let key = (known, part, self.side == RuleSide::Source);
        if let Some(&seen) = self.mirror.seen.get(&key) {
            return seen;
        }
        let mut all: Vec<u32> = self.ground.rules_of_part(part, self.side).collect();
        all.extend_from_slice(self.rules.get(known));
        let seen = self.rules.union(all);
        self.mirror.seen.insert(key, seen);
        seen
    }

    fn stance(&self, mode: EnforcementMode, enforces: Directions) -> Stance {
        let filters = if self.side == RuleSide::Source { enforces.egress } else { enforces.ingress };
        match mode {
            _ if !filters => Stance::Open,
            EnforcementMode::Idle => Stance::Open,
            EnforcementMode::VisibilityOnly => Stance::Watch,
            EnforcementMode::Selective => Stance::Selective,
            EnforcementMode::Full => Stance::Full,
        }
    }
}

/// The rules that select a class on one side.
fn rules_of(class: &Class, side: RuleSide) -> &[CompiledRuleId] {
    if side == RuleSide::Source { &class.egress } else { &class.ingress }
}
