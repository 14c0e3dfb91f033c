//! Observed and desired → what is different, object by object.
//!
//! Desired groups are matched with groups of ours that exist by their members, not by their names: a class
//! whose selectors changed keeps its group, so a new rule costs one call and a relabel one or two. A desired group
//! under the id of a group that exists is that group, and parts go where their whole goes.

mod parts;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use policy::{Finding, InterfaceId, NetworkId, RuleRef, Severity};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::plan::Block;
use crate::scope::{Direction, Scope, ScopeId};
use crate::state::{
    AttachClass, Desired, DesiredGroup, GroupId, GroupState, Observed, Owner, Peer, RuleSpec,
};
use parts::{assign_parts, keep_parts, part, whole_of};

/// One scope with what is and what should be.
#[derive(Clone, Copy)]
pub struct ScopeInput<'a> {
    /// The scope and its settings.
    pub scope: &'a Scope,
    /// What is.
    pub observed: &'a Observed,
    /// What should be.
    pub desired: &'a Desired,
}

/// What is different.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Groups that change, in a stable order.
    pub groups: Vec<GroupChange>,
    /// Interfaces whose groups change.
    pub members: Vec<MemberChange>,
    /// Names that somebody else holds.
    pub blocks: Vec<Block>,
    /// Half-marked groups, interfaces that keep our group because nothing else would remain.
    pub findings: Vec<Finding>,
    /// The group that stands for each desired group.
    pub assignment: BTreeMap<GroupId, GroupId>,
}

/// Rules to add, with the policy rules behind them.
pub type Added = BTreeMap<(Direction, RuleSpec), Vec<RuleRef>>;

/// Rules to remove.
pub type Removed = BTreeSet<(Direction, RuleSpec)>;

/// How one group changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupChange {
    /// Its scope.
    pub scope: ScopeId,
    /// The existing or planned id.
    pub id: GroupId,
    /// Its network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// For people: the labels of its class, or its name.
    pub title: String,
    /// What becomes of the group itself.
    pub fate: Fate,
    /// Whether our tags have to be set back.
    pub mark: bool,
    /// Rules to add, with the policy rules behind them.
    pub add: Added,
    /// Rules to remove.
    pub remove: Removed,
}

/// What becomes of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is created, with or without egress rules that let everything pass.
    Created {
        /// Whether egress is open from the start.
        open_egress: bool,
    },
    /// It stays.
    Kept,
    /// It is deleted.
    Deleted,
}

/// How the groups of one interface change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberChange {
    /// Its scope.
    pub scope: ScopeId,
    /// The interface.
    pub interface: InterfaceId,
    /// For people.
    pub title: String,
    /// Groups to add.
    pub add: Vec<GroupId>,
    /// Groups to take off.
    pub remove: Vec<GroupId>,
}

/// Compares a domain. Linear in rules and interfaces, but for the matching of groups.
pub fn diff(domain: &[ScopeInput<'_>]) -> Changes {
    let mut changes = Changes::default();
    for input in domain {
        changes.assignment.extend(assign(input, &mut changes.blocks));
    }
    let mut held = FxHashSet::default();
    for input in domain {
        diff_members(input, &mut changes, &mut held);
    }
    let leaving = leaving_groups(domain, &held, &mut changes);
    for input in domain {
        diff_groups(input, &leaving, &mut changes);
    }
    changes
}

/// Matches desired groups with groups of ours: those with the id of one, then by the largest overlap of members, then
/// by equal names; parts by their wholes.
fn assign(input: &ScopeInput<'_>, blocks: &mut Vec<Block>) -> BTreeMap<GroupId, GroupId> {
    let ours: FxHashMap<&GroupId, &GroupState> =
        input.observed.groups.iter().filter(|g| g.owner == Owner::Ours).map(|g| (&g.id, g)).collect();
    let groups = || input.desired.groups.iter();
    let mut assigned: BTreeMap<GroupId, GroupId> =
        groups().filter(|g| !g.id.is_planned()).map(|g| (g.id.clone(), g.id.clone())).collect();
    let is_whole = |name: &str, id: &GroupId| part(name).is_none() && !assigned.contains_key(id);
    let wholes = groups().filter(|g| is_whole(&g.name, &g.id));
    let desired: FxHashMap<&GroupId, &DesiredGroup> = wholes.map(|g| (&g.id, g)).collect();
    let free = ours.iter().filter(|(id, g)| is_whole(&g.name, id));
    let free: FxHashMap<&GroupId, &GroupState> = free.map(|(id, g)| (*id, *g)).collect();
    let mut used: FxHashSet<&GroupId> = FxHashSet::default();
    for (wanted, held) in ranked(input, &desired, &free) {
        if !assigned.contains_key(wanted) && used.insert(held) {
            assigned.insert(wanted.clone(), held.clone());
        }
    }
    let mut unmatched: Vec<&DesiredGroup> =
        desired.values().copied().filter(|group| !assigned.contains_key(&group.id)).collect();
    unmatched.sort_by(|a, b| a.id.cmp(&b.id));
    let by_name: FxHashMap<(&NetworkId, &str), &GroupState> = input
        .observed
        .groups
        .iter()
        .rev()
        .filter(|g| g.owner == Owner::Ours)
        .map(|g| ((&g.network, g.name.as_str()), g))
        .collect();
    unmatched.retain(|group| {
        let same = by_name.get(&(&group.network, group.name.as_str()));
        let held = same.filter(|held| used.insert(&held.id));
        assigned.extend(held.map(|held| (group.id.clone(), held.id.clone())));
        held.is_none()
    });
    let mut planned = BTreeSet::new();
    for group in unmatched {
        let id = name_new(input, group, &planned, blocks);
        planned.insert(id.clone());
        assigned.insert(group.id.clone(), id);
    }
    assign_parts(groups().filter(|g| g.id.is_planned() && part(&g.name).is_some()), &ours, &mut assigned);
    keep_parts(&ours, &mut assigned);
    assigned
}

/// Pairs of a desired group and a group of ours with common members, the best match first: by the number of
/// common members, then equal names, then the fewest members that are not common.
fn ranked<'a>(
    input: &ScopeInput<'a>,
    desired: &FxHashMap<&'a GroupId, &'a DesiredGroup>,
    ours: &FxHashMap<&'a GroupId, &'a GroupState>,
) -> Vec<(&'a GroupId, &'a GroupId)> {
    let mut common: FxHashMap<(&GroupId, &GroupId), usize> = FxHashMap::default();
    let mut sizes: FxHashMap<&GroupId, usize> = FxHashMap::default();
    for interface in &input.observed.interfaces {
        let held: Vec<&GroupId> =
            interface.groups.iter().filter_map(|id| Some(*ours.get_key_value(id)?.0)).collect();
        let wanted = input.desired.members.get(&interface.id);
        let wanted: Vec<&GroupId> = wanted
            .into_iter()
            .flat_map(|membership| &membership.groups)
            .filter_map(|id| Some(*desired.get_key_value(id)?.0))
            .collect();
        held.iter().chain(&wanted).for_each(|id| *sizes.entry(id).or_default() += 1);
        for wanted in wanted {
            held.iter().for_each(|held| *common.entry((wanted, held)).or_default() += 1);
        }
    }
    let mut ranked: Vec<_> = common
        .into_iter()
        .filter_map(|((wanted, held), count)| {
            let (group, state) = (desired.get(wanted)?, ours.get(held)?);
            let apart = sizes.get(wanted)? + sizes.get(held)?;
            let same_network = group.network == state.network;
            same_network.then_some((Reverse(count), group.name != state.name, apart, wanted, held))
        })
        .collect();
    ranked.sort();
    ranked.into_iter().map(|(_, _, _, wanted, held)| (wanted, held)).collect()
}

/// The planned id of a group to create, under the first name that is free.
fn name_new(
    input: &ScopeInput<'_>,
    group: &DesiredGroup,
    planned: &BTreeSet<GroupId>,
    blocks: &mut Vec<Block>,
) -> GroupId {
    let holder = |name: &str| {
        input.observed.groups.iter().find(|g| g.network == group.network && g.name.eq_ignore_ascii_case(name))
    };
    let mut name = group.name.clone();
    let mut number = 1;
    loop {
        let held = holder(&name);
        if held.is_none() && !planned.contains(&GroupId::planned(&group.network, &name)) {
            break;
        }
        if let Some(held) = held.filter(|held| held.owner != Owner::Ours) {
            blocks.push(Block {
                code: "name-taken".to_owned(),
                subject: group.description.clone(),
                message: format!(
                    "the name `{name}` in network {} is taken by group {} of somebody else",
                    group.network, held.id
                ),
                hint: "rename or delete that group, or choose another `installation` in the configuration"
                    .to_owned(),
                can_override: false,
            });
            break;
        }
        number += 1;
        name = format!("{}-{number}", group.name);
    }
    GroupId::planned(&group.network, &name)
}

/// Groups of ours that no class needs and nothing holds any more. One that a foreign group still names stays.
fn leaving_groups(
    domain: &[ScopeInput<'_>],
    held: &FxHashSet<GroupId>,
    changes: &mut Changes,
) -> BTreeSet<GroupId> {
    let kept: FxHashSet<&GroupId> = changes.assignment.values().collect();
    let groups = || domain.iter().flat_map(|input| &input.observed.groups);
    let unused =
        groups().filter(|g| g.owner == Owner::Ours && !kept.contains(&g.id) && !held.contains(&g.id));
    let mut leaving: BTreeSet<GroupId> = unused.map(|g| g.id.clone()).collect();
    for foreign in groups().filter(|g| g.owner != Owner::Ours) {
        for (_, spec) in rules_of(foreign) {
            let Peer::Group(peer) = &spec.peer else { continue };
            if leaving.remove(peer) {
                let message =
                    format!("group {peer} of ours is not needed and stays: {} names it", foreign.id);
                let hint = "take the rule out of that group, then run again";
                changes.findings.push(Finding::new(Severity::Warning, "still-named", peer, message, hint));
            }
        }
    }
    leaving
}

/// The group that stands for each desired group, for many lookups.
type Assignment<'a> = FxHashMap<&'a GroupId, &'a GroupId>;

fn diff_groups(input: &ScopeInput<'_>, leaving: &BTreeSet<GroupId>, changes: &mut Changes) {
    let observed: FxHashMap<&GroupId, &GroupState> =
        input.observed.groups.iter().map(|g| (&g.id, g)).collect();
    let changes_something = |change: &GroupChange| {
        change.fate != Fate::Kept || change.mark || !change.add.is_empty() || !change.remove.is_empty()
    };
    let assignment: Assignment<'_> = changes.assignment.iter().collect();
    let mut kept = FxHashSet::default();
    for group in &input.desired.groups {
        let id = assignment.get(&group.id).copied().unwrap_or(&group.id).clone();
        kept.insert(id.clone());
        let change = diff_group(input, group, id, &observed, &assignment);
        changes.groups.extend(Some(change).filter(changes_something));
    }
    for group in input.observed.groups.iter().filter(|g| g.owner == Owner::Ours && !kept.contains(&g.id)) {
        let change = match assignment.contains_key(&group.id) {
            true => emptied_part(input, group, &assignment),
            false => unwanted_group(input, group, leaving),
        };
        changes.groups.extend(Some(change).filter(changes_something));
    }
    for group in &input.observed.groups {
        if let Owner::Suspect(missing) = &group.owner {
            let message =
                format!("group {} carries half of our mark ({missing}); it is left alone", group.id);
            let hint = "restore the mark or remove the rest of it";
            changes.findings.push(Finding::new(Severity::Warning, "half-marked", &group.name, message, hint));
        }
    }
}

fn diff_group(
    input: &ScopeInput<'_>,
    group: &DesiredGroup,
    id: GroupId,
    observed: &FxHashMap<&GroupId, &GroupState>,
    assignment: &Assignment<'_>,
) -> GroupChange {
    let existing = observed.get(&id).copied();
    let open = crate::state::allow_everything();
    let open_egress = open.iter().all(|spec| group.egress.contains_key(spec));
    let present: Vec<(Direction, &RuleSpec)> = match existing {
        Some(state) => rules_of(state).collect(),
        None if open_egress => open.iter().map(|spec| (Direction::Egress, spec)).collect(),
        None => Vec::new(),
    };
    let (add, remove) = compare_rules(wanted_rules(group, assignment), present);
    GroupChange {
        scope: input.scope.id.clone(),
        network: group.network.clone(),
        name: existing.map_or_else(|| planned_name(&group.network, &id), |state| state.name.clone()),
        title: group.description.clone(),
        fate: if existing.is_some() { Fate::Kept } else { Fate::Created { open_egress } },
        mark: existing.is_some_and(|state| !state.tag_drift.is_empty()),
        remove,
        add,
        id,
    }
}

/// A rule of a desired group, as the cloud will have it.
struct WantedRule<'a> {
    direction: Direction,
    spec: &'a RuleSpec,
    /// The group that stands for the one that `spec` names.
    peer: Option<&'a GroupId>,
    why: &'a Vec<RuleRef>,
}

impl WantedRule<'_> {
    /// How it stands to an observed rule, in the order of observed rules.
    fn compare(&self, direction: Direction, held: &RuleSpec) -> Ordering {
        let peer = match (self.peer, &held.peer) {
            (Some(own), Peer::Group(theirs)) => own.cmp(theirs),
            // Groups come before everything else that a rule can name.
            (Some(_), _) => Ordering::Less,
            (None, theirs) => self.spec.peer.cmp(theirs),
        };
        self.direction.cmp(&direction).then(peer).then(self.spec.service.cmp(&held.service))
    }

    fn order(&self, other: &Self) -> Ordering {
        let peer = match (self.peer, other.peer) {
            (Some(own), Some(theirs)) => own.cmp(theirs),
            (None, None) => self.spec.peer.cmp(&other.spec.peer),
            (own, _) => {
                if own.is_some() {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        };
        self.direction.cmp(&other.direction).then(peer).then(self.spec.service.cmp(&other.spec.service))
    }

    fn rule(&self) -> (Direction, RuleSpec) {
        let peer = self.peer.map_or_else(|| self.spec.peer.clone(), |group| Peer::Group(group.clone()));
        (self.direction, RuleSpec { peer, service: self.spec.service })
    }
}

/// The rules of a desired group, sorted.
fn wanted_rules<'a>(group: &'a DesiredGroup, assignment: &Assignment<'a>) -> Vec<WantedRule<'a>> {
    let sides = [(Direction::Ingress, &group.ingress), (Direction::Egress, &group.egress)];
    let rules =
        sides.into_iter().flat_map(|(direction, rules)| rules.iter().map(move |rule| (direction, rule)));
    let wanted = rules.map(|(direction, (spec, why))| {
        let peer = match &spec.peer {
            Peer::Group(peer) => Some(assignment.get(peer).copied().unwrap_or(peer)),
            Peer::Cidr(_) | Peer::Opaque(_) => None,
        };
        WantedRule { direction, spec, peer, why }
    });
    let mut wanted: Vec<WantedRule<'_>> = wanted.collect();
    wanted.sort_unstable_by(WantedRule::order);
    wanted
}

/// What to add and what to remove: two sorted lists, side by side.
fn compare_rules(wanted: Vec<WantedRule<'_>>, mut present: Vec<(Direction, &RuleSpec)>) -> (Added, Removed) {
    present.sort_unstable();
    let (mut add, mut remove) = (BTreeMap::new(), BTreeSet::new());
    let owned = |(direction, spec): (Direction, &RuleSpec)| (direction, spec.clone());
    let mut present = present.into_iter().peekable();
    for rule in wanted {
        let order = |held: &(Direction, &RuleSpec)| rule.compare(held.0, held.1);
        while let Some(extra) = present.next_if(|held| order(held) == Ordering::Greater) {
            remove.insert(owned(extra));
        }
        // An answer may name the same rule twice.
        let mut is_held = false;
        while present.next_if(|held| order(held) == Ordering::Equal).is_some() {
            is_held = true;
        }
        if !is_held {
            let (key, why) = (rule.rule(), rule.why.clone());
            add.insert(key, why);
        }
    }
    remove.extend(present.map(owned));
    (add, remove)
}

fn planned_name(network: &NetworkId, id: &GroupId) -> String {
    let prefix = GroupId::planned(network, "");
    id.as_str().strip_prefix(prefix.as_str()).unwrap_or(id.as_str()).to_owned()
}

/// Every rule of a group with its direction.
pub fn rules_of(group: &GroupState) -> impl Iterator<Item = (Direction, &RuleSpec)> {
    let ingress = group.ingress.iter().map(|spec| (Direction::Ingress, spec));
    ingress.chain(group.egress.iter().map(|spec| (Direction::Egress, spec)))
}

/// A group that no class needs. It goes, unless something still holds or names it; either way its references to
/// groups that go are revoked first. The rest of a group that goes needs no call: it goes with it.
fn unwanted_group(input: &ScopeInput<'_>, group: &GroupState, leaving: &BTreeSet<GroupId>) -> GroupChange {
    let names_leaving = |spec: &RuleSpec| match &spec.peer {
        Peer::Group(peer) => *peer != group.id && leaving.contains(peer),
        _ => false,
    };
    GroupChange {
        scope: input.scope.id.clone(),
        id: group.id.clone(),
        network: group.network.clone(),
        name: group.name.clone(),
        title: group.name.clone(),
        fate: if leaving.contains(&group.id) { Fate::Deleted } else { Fate::Kept },
        mark: false,
        add: BTreeMap::new(),
        remove: rules_of(group)
            .filter(|(_, spec)| names_leaving(spec))
            .map(|(d, spec)| (d, spec.clone()))
            .collect(),
    }
}

/// A part of a group that stays, in a place where nobody needs it any more: it is nothing but its rules, and they go.
fn emptied_part(input: &ScopeInput<'_>, group: &GroupState, assignment: &Assignment<'_>) -> GroupChange {
    let mut change = unwanted_group(input, group, &BTreeSet::new());
    change.remove = rules_of(group).map(|(direction, spec)| (direction, spec.clone())).collect();
    let stands = |wanted: &&DesiredGroup| {
        let whole = assignment.get(&wanted.id);
        whole.is_some_and(|id| input.observed.groups.iter().any(|g| g.id == **id && whole_of(group, g)))
    };
    if let Some(wanted) = input.desired.groups.iter().find(stands) {
        change.title.clone_from(&wanted.description);
    }
    change
}

/// How the groups of interfaces change; `held` collects the groups that interfaces hold at the end.
fn diff_members(input: &ScopeInput<'_>, changes: &mut Changes, held: &mut FxHashSet<GroupId>) {
    let ours: FxHashSet<&GroupId> =
        input.observed.groups.iter().filter(|g| g.owner == Owner::Ours).map(|g| &g.id).collect();
    let suspect = input.observed.groups.iter().filter(|g| matches!(g.owner, Owner::Suspect(_)));
    let suspect: FxHashSet<&GroupId> = suspect.map(|g| &g.id).collect();
    let real = |id: &GroupId| changes.assignment.get(id).unwrap_or(id).clone();
    let titles: FxHashMap<GroupId, &str> =
        input.desired.groups.iter().map(|g| (real(&g.id), g.description.as_str())).collect();
    for interface in &input.observed.interfaces {
        if interface.attach != AttachClass::Direct {
            held.extend(interface.groups.iter().cloned());
            continue;
        }
        let wanted = input.desired.members.get(&interface.id);
        let groups: Vec<GroupId> = wanted.map(|w| w.groups.iter().map(real).collect()).unwrap_or_default();
        let exclusive = wanted.is_some_and(|w| w.exclusive);
        let goes = |id: &&GroupId| {
            !groups.contains(id) && (ours.contains(*id) || exclusive && !suspect.contains(*id))
        };
        let mut remove: Vec<GroupId> = interface.groups.iter().filter(goes).cloned().collect();
        let add: Vec<GroupId> = groups.iter().filter(|g| !interface.groups.contains(g)).cloned().collect();
        if add.is_empty() && !remove.is_empty() && remove.len() == interface.groups.len() {
            let message = format!("{} would be left without any group, so ours stays on it", interface.name);
            let hint = "attach a group of your own to the interface, then run again";
            changes.findings.push(Finding::new(
                Severity::Warning,
                "left-attached",
                &interface.id,
                message,
                hint,
            ));
            remove.clear();
        }
        held.extend(interface.groups.iter().filter(|id| !remove.contains(id)).cloned());
        held.extend(add.iter().cloned());
        if add.is_empty() && remove.is_empty() {
            continue;
        }
        let class = groups.first().and_then(|g| titles.get(g)).copied().unwrap_or("no class");
        changes.members.push(MemberChange {
            scope: input.scope.id.clone(),
            interface: interface.id.clone(),
            title: format!("{} ({class})", interface.name),
            add,
            remove,
        });
    }
}
