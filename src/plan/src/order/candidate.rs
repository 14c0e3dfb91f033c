//! The steps that lead from the old state to the new one, not yet in an order, with what the cloud itself demands.
//!
//! Interfaces whose groups change in the same way are one candidate with one call each when there are many of them:
//! the work grows with the kinds of interfaces, not with their number.

use std::collections::{BTreeMap, BTreeSet};

use policy::{InterfaceId, NetworkId};
use rustc_hash::FxHashMap;

use super::bounds::Pair;
use super::model::{Kind, Life, Model};
use crate::diff::{Changes, Fate, GroupChange, MemberChange, ScopeInput};
use crate::scope::{Direction, ScopeId};
use crate::state::{GroupId, InterfaceState, Peer, RuleSpec};
use crate::step::{StepAction, StepKind};

/// A step that is not placed yet; with several parts, the same step at several interfaces.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) scope: ScopeId,
    pub(super) parts: Vec<Part>,
    /// Steps without which the cloud would refuse this one.
    pub(super) needs: Vec<usize>,
    pub(super) pairs: BTreeSet<Pair>,
    pub(super) round: usize,
    /// Steps that must have settled.
    pub(super) waits: BTreeMap<usize, Reach>,
    /// Steps that must be verified.
    pub(super) after: BTreeSet<usize>,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) action: StepAction,
    pub(super) title: String,
    pub(super) reasons: Vec<String>,
}

/// Which parts of another candidate a part waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Reach {
    /// The one at the same interface.
    Own,
    /// All of them.
    All,
}

impl Candidate {
    fn new(scope: &ScopeId, action: StepAction, title: String, reasons: Vec<String>) -> Self {
        Self {
            scope: scope.clone(),
            parts: vec![Part { action, title, reasons }],
            needs: Vec::new(),
            pairs: BTreeSet::new(),
            round: 0,
            waits: BTreeMap::new(),
            after: BTreeSet::new(),
        }
    }

    /// The first call: the others are the same at other interfaces.
    pub(super) fn action(&self) -> &StepAction {
        // INVARIANT: a candidate is made with one part and only gains more.
        &self.parts[0].action
    }

    pub(super) fn kind(&self) -> StepKind {
        self.action().kind()
    }

    pub(super) fn rules(&self) -> &[RuleSpec] {
        match self.action() {
            StepAction::AddRules { rules, .. } | StepAction::RemoveRules { rules, .. } => rules,
            _ => &[],
        }
    }

    pub(super) fn set_rules(&mut self, new: Vec<RuleSpec>) {
        if let StepAction::AddRules { rules, .. } | StepAction::RemoveRules { rules, .. } =
            &mut self.parts[0].action
        {
            *rules = new;
        }
    }

    /// Inside a round: objects first, then their rules, then members; deletions last.
    pub(super) fn rank(&self) -> u8 {
        match self.action() {
            StepAction::CreateGroup { .. } => 0,
            StepAction::Mark { .. } => 1,
            StepAction::AddRules { .. } => 2,
            StepAction::Attach { .. } => 3,
            StepAction::RemoveRules { .. } => 4,
            StepAction::Detach { .. } => 5,
            StepAction::DeleteGroup { .. } => 6,
        }
    }
}

/// All candidates of a domain, and the model that holds their facts.
///
/// `apart` keeps interfaces that change in the same way in candidates of their own.
pub(super) fn candidates(
    domain: &[ScopeInput<'_>],
    changes: &Changes,
    apart: bool,
) -> (Model, Vec<Candidate>) {
    let mut model = Model::new(domain, changes);
    let mut all = Vec::new();
    for change in &changes.groups {
        add_group_steps(&mut model, change, &mut all);
    }
    model.close_rules();
    let moved = add_member_steps(domain, &mut model, changes, apart, &mut all);
    for change in changes.groups.iter().filter(|change| change.fate == Fate::Deleted) {
        let action = StepAction::DeleteGroup { group: change.id.clone(), name: change.name.clone() };
        let title = format!("delete group {}", change.title);
        all.push(Candidate::new(&change.scope, action, title, vec!["no class needs it".to_owned()]));
    }
    model.add_cells(domain, &moved);
    for candidate in &mut all {
        candidate.pairs = model.touched(candidate.action());
    }
    link(&model, &mut all);
    (model, all)
}

/// Steps on a group and its rules; the facts they add and remove go into the model.
fn add_group_steps(model: &mut Model, change: &GroupChange, all: &mut Vec<Candidate>) {
    if let Fate::Created { open_egress } = change.fate {
        let action = StepAction::CreateGroup {
            group: change.id.clone(),
            network: change.network.clone(),
            name: change.name.clone(),
            description: change.title.clone(),
            open_egress,
        };
        if open_egress {
            let life = Life { added_by: Some(all.len()), removed_by: None };
            for spec in crate::state::allow_everything() {
                model.add_rule(&change.id, Direction::Egress, &spec, life);
            }
        }
        let title = format!("create group for {} in {}", change.title, change.network);
        all.push(Candidate::new(&change.scope, action, title, vec!["a class without a group".to_owned()]));
    }
    if change.mark {
        let title = format!("set our tags back on {}", change.title);
        let action = StepAction::Mark { group: change.id.clone() };
        all.push(Candidate::new(&change.scope, action, title, vec!["drift".to_owned()]));
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        add_rules(model, change, direction, all);
        remove_rules(model, change, direction, all);
    }
}

fn add_rules(model: &mut Model, change: &GroupChange, direction: Direction, all: &mut Vec<Candidate>) {
    let mut rules = Vec::new();
    let mut reasons = BTreeSet::new();
    for ((_, rule), why) in change.add.iter().filter(|((d, _), _)| *d == direction) {
        rules.push(rule.clone());
        reasons.extend(why.iter().map(ToString::to_string));
        if why.is_empty() {
            reasons.insert("essential or fixed".to_owned());
        }
    }
    if rules.is_empty() {
        return;
    }
    let life = Life { added_by: Some(all.len()), removed_by: None };
    rules.iter().for_each(|spec| model.add_rule(&change.id, direction, spec, life));
    let title = format!("{}: add {} {direction} {}", change.title, rules.len(), plural(rules.len(), "rule"));
    let action = StepAction::AddRules { group: change.id.clone(), direction, rules };
    all.push(Candidate::new(&change.scope, action, title, reasons.into_iter().collect()));
}

fn remove_rules(model: &mut Model, change: &GroupChange, direction: Direction, all: &mut Vec<Candidate>) {
    let removed = change.remove.iter().filter(|(d, _)| *d == direction);
    let rules: BTreeSet<&RuleSpec> = removed.map(|(_, rule)| rule).collect();
    if rules.is_empty() {
        return;
    }
    let group = model.group(&change.id) as usize;
    for fact in model.groups[group].rules_mut(direction) {
        if rules.contains(&fact.spec) {
            fact.life.removed_by = Some(all.len());
        }
    }
    let rules: Vec<RuleSpec> = rules.into_iter().cloned().collect();
    let title =
        format!("{}: remove {} {direction} {}", change.title, rules.len(), plural(rules.len(), "rule"));
    let action = StepAction::RemoveRules { group: change.id.clone(), direction, rules };
    all.push(Candidate::new(&change.scope, action, title, vec!["no rule asks for it".to_owned()]));
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// What makes two interfaces one candidate.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    scope: &'a ScopeId,
    network: &'a NetworkId,
    held: &'a [GroupId],
    add: &'a [GroupId],
    remove: &'a [GroupId],
    kinds: Vec<Kind>,
    single: Option<&'a InterfaceId>,
}

/// Steps on interfaces; returns the membership facts of those that change.
fn add_member_steps(
    domain: &[ScopeInput<'_>],
    model: &mut Model,
    changes: &Changes,
    apart: bool,
    all: &mut Vec<Candidate>,
) -> FxHashMap<InterfaceId, Vec<(u32, Life)>> {
    let changed: FxHashMap<&InterfaceId, &MemberChange> =
        changes.members.iter().map(|change| (&change.interface, change)).collect();
    let mut known: FxHashMap<Shape<'_>, (Option<usize>, Option<usize>)> = FxHashMap::default();
    let mut moved = FxHashMap::default();
    for interface in domain.iter().flat_map(|input| &input.observed.interfaces) {
        let Some(&change) = changed.get(&interface.id) else { continue };
        let shape = Shape {
            scope: &change.scope,
            network: &interface.network,
            held: &interface.groups,
            add: &change.add,
            remove: &change.remove,
            kinds: model.kinds(interface).into_keys().collect(),
            single: apart.then_some(&interface.id),
        };
        let [attach, detach] = [attach_step(change), detach_step(change)];
        let (attached, detached) = *known.entry(shape).or_insert_with(|| {
            let mut place = |candidate: &Option<Candidate>| {
                candidate.as_ref().map(|candidate| {
                    all.push(Candidate { parts: Vec::new(), ..candidate.clone() });
                    all.len() - 1
                })
            };
            (place(&attach), place(&detach))
        });
        for (place, candidate) in [(attached, attach), (detached, detach)] {
            if let (Some(place), Some(candidate)) = (place, candidate) {
                all[place].parts.extend(candidate.parts);
            }
        }
        moved.insert(interface.id.clone(), member_facts(model, interface, change, attached, detached));
    }
    moved
}

fn member_facts(
    model: &mut Model,
    interface: &InterfaceState,
    change: &MemberChange,
    attached: Option<usize>,
    detached: Option<usize>,
) -> Vec<(u32, Life)> {
    let mut facts = Vec::new();
    for group in &interface.groups {
        let removed_by = detached.filter(|_| change.remove.contains(group));
        facts.push((model.group(group), Life { added_by: None, removed_by }));
    }
    for group in &change.add {
        facts.push((model.group(group), Life { added_by: attached, removed_by: None }));
    }
    facts
}

fn attach_step(change: &MemberChange) -> Option<Candidate> {
    let action = StepAction::Attach { interface: change.interface.clone(), add: change.add.clone() };
    let reasons = vec!["the interface belongs to the class".to_owned()];
    let title = format!("attach {}", change.title);
    (!change.add.is_empty()).then(|| Candidate::new(&change.scope, action, title, reasons))
}

fn detach_step(change: &MemberChange) -> Option<Candidate> {
    let count = change.remove.len();
    let action = StepAction::Detach { interface: change.interface.clone(), remove: change.remove.clone() };
    let reasons = vec!["the interface does not belong to the group".to_owned()];
    let title = format!("take {count} {} off {}", plural(count, "group"), change.title);
    (count > 0).then(|| Candidate::new(&change.scope, action, title, reasons))
}

/// Finds what the cloud itself demands: groups exist before they are named; nothing names or holds a group that
/// goes; an interface is never without a group.
pub(super) fn link(model: &Model, all: &mut [Candidate]) {
    let mut creates: FxHashMap<GroupId, usize> = FxHashMap::default();
    let mut uses: FxHashMap<GroupId, Vec<usize>> = FxHashMap::default();
    let mut attaches: FxHashMap<InterfaceId, usize> = FxHashMap::default();
    for (index, candidate) in all.iter().enumerate() {
        match candidate.action() {
            StepAction::CreateGroup { group, .. } => {
                creates.insert(group.clone(), index);
            }
            StepAction::Attach { interface, .. } => {
                attaches.insert(interface.clone(), index);
            }
            StepAction::Detach { remove, .. } => {
                remove.iter().for_each(|group| uses.entry(group.clone()).or_default().push(index));
            }
            StepAction::RemoveRules { group, rules, .. } => {
                for used in rules.iter().filter_map(|rule| peer_group(&rule.peer)).chain([group]) {
                    uses.entry(used.clone()).or_default().push(index);
                }
            }
            _ => {}
        }
    }
    for candidate in all {
        let created = |id: &GroupId| creates.get(id).copied();
        let needs: BTreeSet<usize> = match candidate.action() {
            StepAction::AddRules { group, rules, .. } => {
                let named = rules.iter().filter_map(|rule| peer_group(&rule.peer)).chain([group]);
                named.filter_map(created).collect()
            }
            StepAction::Attach { add, .. } => add.iter().filter_map(created).collect(),
            // No cloud takes the last group off an interface.
            StepAction::Detach { interface, remove } if model.would_empty(interface, remove.len()) => {
                attaches.get(interface).copied().into_iter().collect()
            }
            StepAction::DeleteGroup { group, .. } => uses.get(group).into_iter().flatten().copied().collect(),
            _ => BTreeSet::new(),
        };
        candidate.needs = needs.into_iter().collect();
    }
}

fn peer_group(peer: &Peer) -> Option<&GroupId> {
    match peer {
        Peer::Group(id) => Some(id),
        _ => None,
    }
}
