//! Changes → steps in a hitless order, with what each waits for (DESIGN 7.1).
//!
//! The schedule goes in rounds. In each round every pending make that keeps the upper bound and every pending
//! break that keeps the lower bound goes into flight together; then all of them settle. A break that is safe is
//! always taken: it cannot hurt anything later. Makes are not so kind: when a round is empty, batches of rules are
//! split, then (small plans) every order is tried, and only when none keeps both bounds a violation is
//! accepted, by the scope's setting, and named.
//!
//! What a step waits for is not its round but the earlier steps on the pairs that it touches, so that a scope
//! that cannot be read blocks only what depends on it.

mod bounds;
mod model;
mod search;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use policy::{Finding, InterfaceId, Severity};

use crate::diff::{Changes, Fate, ScopeInput, diff};
use crate::plan::{Block, QuotaLine, Transient};
use crate::quota;
use crate::scope::{Direction, ScopeId, Transients};
use crate::state::{GroupId, Peer};
use crate::step::{Step, StepAction, StepId, StepKind};
use bounds::{Bound, Named, Pair};
use model::{Life, Model, Status};

/// The steps of a domain, and everything that was found while making them.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// In an order in which they can run.
    pub steps: Vec<Step>,
    /// Moments in which a bound is broken.
    pub transients: Vec<Transient>,
    /// Names taken, quota over.
    pub blocks: Vec<Block>,
    /// Notes and warnings.
    pub findings: Vec<Finding>,
    /// Quota before, at the peak and after.
    pub quota: Vec<QuotaLine>,
    /// The group that stands for each desired group.
    pub assignment: BTreeMap<GroupId, GroupId>,
}

/// Plans the steps of a domain. Scopes that could not be observed keep every break from being planned.
pub fn plan_steps(domain: &[ScopeInput<'_>], unobserved: &[ScopeId]) -> Steps {
    let changes = diff(domain);
    let mut scheduler = Scheduler::new(domain, &changes);
    scheduler.withhold_breaks = !unobserved.is_empty();
    scheduler.run();
    let (quota, over) = quota::lines(domain, &scheduler.peaks);
    let mut steps = Steps {
        transients: Vec::new(),
        blocks: changes.blocks.iter().cloned().chain(over).collect(),
        findings: changes.findings.clone(),
        quota,
        assignment: changes.assignment.clone(),
        steps: Vec::new(),
    };
    scheduler.finish(&mut steps, unobserved);
    steps
}

/// A step that is not placed yet.
#[derive(Clone, Debug)]
struct Candidate {
    scope: ScopeId,
    action: StepAction,
    title: String,
    reasons: Vec<String>,
    /// Steps without which the cloud would refuse this one.
    needs: Vec<usize>,
    pairs: BTreeSet<Pair>,
    round: usize,
}

struct Scheduler<'a> {
    domain: &'a [ScopeInput<'a>],
    model: Model,
    candidates: Vec<Candidate>,
    status: Vec<Status>,
    rounds: Vec<Vec<usize>>,
    named: Named,
    transients: Vec<(Pair, Bound, Vec<(policy::AddressSet, policy::ServiceSet)>, usize, Option<usize>)>,
    withhold_breaks: bool,
    searched: bool,
    peaks: quota::Peaks,
}

/// Plans above this many steps are not searched exhaustively.
const SEARCH_STEPS_MAX: usize = 12;

impl<'a> Scheduler<'a> {
    fn new(domain: &'a [ScopeInput<'a>], changes: &Changes) -> Self {
        let mut model = Model::new(domain, changes);
        let mut candidates = Vec::new();
        add_group_steps(&mut model, changes, &mut candidates);
        let moved = add_member_steps(domain, &mut model, changes, &mut candidates);
        add_deletions(changes, &mut candidates);
        model.add_cells(domain, &moved);
        for candidate in &mut candidates {
            candidate.pairs = model.touched(&candidate.action);
        }
        let status = vec![Status::Pending; candidates.len()];
        let peaks = quota::Peaks::before(domain);
        let mut scheduler = Self {
            domain,
            model,
            candidates,
            status,
            rounds: Vec::new(),
            named: Named::new(),
            transients: Vec::new(),
            withhold_breaks: false,
            searched: false,
            peaks,
        };
        scheduler.link();
        scheduler
    }

    fn kind(&self, step: usize) -> StepKind {
        self.candidates[step].action.kind()
    }

    /// Finds what the cloud itself demands: groups exist before they are named; nothing names a group that goes.
    fn link(&mut self) {
        let mut creates: HashMap<GroupId, usize> = HashMap::new();
        let mut uses: HashMap<GroupId, Vec<usize>> = HashMap::new();
        let mut attaches: HashMap<InterfaceId, usize> = HashMap::new();
        for (index, candidate) in self.candidates.iter().enumerate() {
            match &candidate.action {
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
                    uses.entry(group.clone()).or_default().push(index);
                    for peer in rules.iter().filter_map(|rule| peer_group(&rule.peer)) {
                        uses.entry(peer.clone()).or_default().push(index);
                    }
                }
                _ => {}
            }
        }
        for candidate in &mut self.candidates {
            candidate.needs = match &candidate.action {
                StepAction::AddRules { group, rules, .. } => {
                    let named = rules.iter().filter_map(|rule| peer_group(&rule.peer)).chain([group]);
                    named.filter_map(|id| creates.get(id).copied()).collect()
                }
                StepAction::Attach { add, .. } => {
                    add.iter().filter_map(|id| creates.get(id).copied()).collect()
                }
                // No cloud takes the last group off an interface.
                StepAction::Detach { interface, remove }
                    if self.model.would_empty(interface, remove.len()) =>
                {
                    attaches.get(interface).copied().into_iter().collect()
                }
                StepAction::DeleteGroup { group, .. } => uses.get(group).cloned().unwrap_or_default(),
                _ => Vec::new(),
            };
            candidate.needs.sort_unstable();
            candidate.needs.dedup();
        }
    }

    fn run(&mut self) {
        loop {
            let placed = self.place_round();
            if !placed.is_empty() {
                self.settle(placed);
            } else if self.pending().next().is_none() || self.only_withheld() || !self.unstick() {
                return;
            }
        }
    }

    fn pending(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.candidates.len()).filter(|&step| self.status[step] == Status::Pending)
    }

    fn only_withheld(&self) -> bool {
        // With a scope unread, a make that waits for a withheld break is withheld too.
        self.withhold_breaks
    }

    /// Puts everything into flight that keeps its bound.
    fn place_round(&mut self) -> Vec<usize> {
        let mut placed = Vec::new();
        for step in 0..self.candidates.len() {
            if self.status[step] == Status::Pending && self.may_fly(step) {
                placed.push(step);
            }
        }
        placed
    }

    /// Tries a step; it stays in flight if its bound holds.
    fn may_fly(&mut self, step: usize) -> bool {
        let kind = self.kind(step);
        let ready = self.candidates[step].needs.iter().all(|&need| self.status[need] != Status::Pending);
        if !ready || (kind == StepKind::Break && self.withhold_breaks) {
            return false;
        }
        let bound = if kind == StepKind::Make { Bound::Upper } else { Bound::Lower };
        self.status[step] = Status::InFlight;
        if self.model.keeps(&self.candidates[step].pairs, bound, &self.status, &self.named) {
            return true;
        }
        self.status[step] = Status::Pending;
        false
    }

    fn settle(&mut self, placed: Vec<usize>) {
        self.peaks.raise(&self.model_actions(&placed));
        for &step in &placed {
            self.status[step] = Status::Settled;
            self.candidates[step].round = self.rounds.len();
        }
        let actions = self.model_actions(&placed);
        self.peaks.settle(&actions);
        self.close_transients(&placed);
        self.rounds.push(placed);
    }

    fn model_actions(&self, steps: &[usize]) -> Vec<StepAction> {
        steps.iter().map(|&step| self.candidates[step].action.clone()).collect()
    }

    /// Nothing can fly: split batches, then search, then name a violation. False: nothing helped.
    fn unstick(&mut self) -> bool {
        if self.split_batches() {
            return true;
        }
        if !self.searched && self.candidates.len() <= SEARCH_STEPS_MAX {
            self.searched = true;
            if let Some(order) = search::order(&self.model, &self.candidates) {
                self.replay(order);
                return true;
            }
        }
        self.accept_violation()
    }

    /// Splits batches whose parts could fly on their own.
    fn split_batches(&mut self) -> bool {
        let pending: Vec<usize> = self.pending().collect();
        let mut split = false;
        for step in pending {
            let (StepAction::AddRules { rules, .. } | StepAction::RemoveRules { rules, .. }) =
                self.candidates[step].action.clone()
            else {
                continue;
            };
            if rules.len() < 2 {
                continue;
            }
            let rest: Vec<_> = rules.iter().filter(|rule| !self.rule_may_fly(step, rule)).cloned().collect();
            if !rest.is_empty() && rest.len() < rules.len() {
                self.split(step, &rest);
                split = true;
            }
        }
        if split {
            self.link();
        }
        split
    }

    /// Whether one rule of a batch could fly alone.
    fn rule_may_fly(&mut self, step: usize, rule: &crate::state::RuleSpec) -> bool {
        let saved = (self.candidates.len(), self.candidates[step].clone());
        let rest: Vec<_> = rules_of(&saved.1.action).iter().filter(|r| *r != rule).cloned().collect();
        self.split(step, &rest);
        self.link();
        let flies = self.may_fly(step);
        // Put everything back: the split was only a trial.
        self.status[step] = Status::Pending;
        self.join(step, saved.0, saved.1);
        flies
    }

    /// Moves some rules of a batch into a candidate of their own.
    fn split(&mut self, step: usize, moved: &[crate::state::RuleSpec]) {
        let new = self.candidates.len();
        let mut twin = self.candidates[step].clone();
        let (group, direction) = batch_target(&twin.action);
        set_rules(&mut twin.action, moved.to_vec());
        let kept = rules_of(&self.candidates[step].action)
            .iter()
            .filter(|rule| !moved.contains(rule))
            .cloned()
            .collect();
        set_rules(&mut self.candidates[step].action, kept);
        self.relabel(&group, direction, moved, step, new);
        twin.pairs = self.model.touched(&twin.action);
        self.candidates[step].pairs = self.model.touched(&self.candidates[step].action);
        self.candidates.push(twin);
        self.status.push(Status::Pending);
    }

    fn join(&mut self, step: usize, length: usize, whole: Candidate) {
        let twin = self.candidates[length].action.clone();
        let (group, direction) = batch_target(&twin);
        self.relabel(&group, direction, rules_of(&twin), length, step);
        self.candidates.truncate(length);
        self.status.truncate(length);
        self.candidates[step] = whole;
        self.link();
    }

    /// Gives the facts of some rules to another candidate.
    fn relabel(
        &mut self,
        group: &GroupId,
        direction: Direction,
        rules: &[crate::state::RuleSpec],
        from: usize,
        to: usize,
    ) {
        let index = self.model.index[group] as usize;
        for fact in
            self.model.groups[index].rules_mut(direction).iter_mut().filter(|f| rules.contains(&f.spec))
        {
            for owner in [&mut fact.life.added_by, &mut fact.life.removed_by] {
                if *owner == Some(from) {
                    *owner = Some(to);
                }
            }
        }
    }

    /// Starts over in the order that the search found, one step a round.
    fn replay(&mut self, order: Vec<usize>) {
        self.status = vec![Status::Pending; self.candidates.len()];
        self.rounds.clear();
        self.peaks = quota::Peaks::before(self.domain);
        for step in order {
            self.status[step] = Status::InFlight;
            self.settle(vec![step]);
        }
    }

    /// Lets one step fly that breaks a bound, and names what it breaks.
    fn accept_violation(&mut self) -> bool {
        let keep = |scope: &ScopeId| {
            self.domain
                .iter()
                .find(|input| input.scope.id == *scope)
                .is_none_or(|i| i.scope.transients == Transients::Keep)
        };
        let ready = |step: &usize| {
            self.candidates[*step].needs.iter().all(|&need| self.status[need] != Status::Pending)
        };
        let mut options: Vec<usize> = self.pending().filter(ready).collect();
        // `keep`: a make that opens too much; `cut`: a break that cuts too much. Whatever is left, if there is none.
        let preferred = |step: &usize| {
            let wanted = if keep(&self.candidates[*step].scope) { StepKind::Make } else { StepKind::Break };
            self.kind(*step) == wanted
        };
        if options.iter().any(preferred) {
            options.retain(preferred);
        }
        let Some(step) = options.into_iter().min_by_key(|&step| (self.broken_by(step).len(), step)) else {
            return false;
        };
        let bound = if self.kind(step) == StepKind::Make { Bound::Upper } else { Bound::Lower };
        for (pair, violation) in self.broken_by(step) {
            let known = self.named.entry(pair.clone()).or_default();
            *known = violation.iter().fold(known.clone(), |sum, (_, services)| sum.union(services));
            self.transients.push((pair, bound, violation, step, None));
        }
        self.status[step] = Status::InFlight;
        self.settle(vec![step]);
        true
    }

    /// The pairs that a step would break now.
    fn broken_by(&self, step: usize) -> Vec<(Pair, Vec<(policy::AddressSet, policy::ServiceSet)>)> {
        let bound = if self.kind(step) == StepKind::Make { Bound::Upper } else { Bound::Lower };
        let mut status = self.status.clone();
        status[step] = Status::InFlight;
        let broken = self.candidates[step]
            .pairs
            .iter()
            .map(|pair| (pair.clone(), self.model.violation(pair, bound, &status)));
        broken.filter(|(_, violation)| !violation.is_empty()).collect()
    }

    /// Notes the step after which a named violation is over.
    fn close_transients(&mut self, placed: &[usize]) {
        for place in 0..self.transients.len() {
            let (pair, bound, _, _, until) = &self.transients[place];
            if until.is_some() || !self.model.violation(pair, *bound, &self.status).is_empty() {
                continue;
            }
            let closing = placed.iter().rev().find(|&&step| self.candidates[step].pairs.contains(pair));
            let closing = closing.or(placed.last()).copied();
            self.transients[place].4 = closing;
        }
    }

    /// The steps that a placed step waits for: what the cloud demands, and the earlier steps on its pairs.
    fn waits(&self, step: usize, by_pair: &HashMap<&Pair, Vec<usize>>) -> BTreeSet<usize> {
        let candidate = &self.candidates[step];
        if candidate.round == 0 {
            return BTreeSet::new();
        }
        // A step waits for steps of the other kind that touch the same ends: those decide its bound.
        let kind = self.kind(step);
        let mut waits = BTreeSet::new();
        for pair in &candidate.pairs {
            let touching = by_pair.get(pair).into_iter().flatten().copied();
            waits.extend(
                touching.filter(|&other| {
                    self.candidates[other].round < candidate.round && self.kind(other) != kind
                }),
            );
        }
        waits
    }

    fn finish(&mut self, out: &mut Steps, unobserved: &[ScopeId]) {
        let mut placed: Vec<usize> = self.rounds.iter().flatten().copied().collect();
        placed.sort_by_key(|&step| (self.candidates[step].round, rank(&self.candidates[step].action), step));
        let ids: HashMap<usize, StepId> =
            placed.iter().enumerate().map(|(id, &step)| (step, StepId(id as u32))).collect();
        let mut by_pair: HashMap<&Pair, Vec<usize>> = HashMap::new();
        for &step in &placed {
            self.candidates[step].pairs.iter().for_each(|pair| by_pair.entry(pair).or_default().push(step));
        }
        for &step in &placed {
            let candidate = &self.candidates[step];
            let settled: BTreeSet<StepId> = self.waits(step, &by_pair).iter().map(|s| ids[s]).collect();
            let after: BTreeSet<StepId> = candidate
                .needs
                .iter()
                .filter_map(|need| ids.get(need).copied())
                .chain(settled.iter().copied())
                .collect();
            out.steps.push(Step {
                id: ids[&step],
                scope: candidate.scope.clone(),
                action: candidate.action.clone(),
                title: candidate.title.clone(),
                reasons: candidate.reasons.clone(),
                after: after.into_iter().collect(),
                settled_after: settled.into_iter().collect(),
            });
        }
        self.name_transients(&ids, out);
        for step in self.pending() {
            let candidate = &self.candidates[step];
            let names: Vec<&str> = unobserved.iter().map(ScopeId::as_str).collect();
            let message = format!("withheld because scope {} could not be observed", names.join(", "));
            let hint = "it is planned again as soon as the whole domain can be read";
            out.findings.push(Finding::new(
                Severity::Warning,
                "break-withheld",
                &candidate.title,
                message,
                hint,
            ));
        }
    }

    fn name_transients(&self, ids: &HashMap<usize, StepId>, out: &mut Steps) {
        for (pair, bound, violation, from, until) in &self.transients {
            let (from, until) =
                (ids[from], until.map_or(StepId(ids.len().saturating_sub(1) as u32), |step| ids[&step]));
            let members = |cell: usize| self.model.cells[cell].members.iter().map(InterfaceId::to_string);
            for (addresses, services) in violation {
                let ends: Vec<(String, String)> = match pair {
                    Pair::Inside(source, destination) => members(*source)
                        .flat_map(|s| members(*destination).map(move |d| (s.clone(), d)))
                        .filter(|(source, destination)| source != destination)
                        .collect(),
                    Pair::Outside(own, Direction::Ingress) => {
                        members(*own).map(|own| (addresses.to_string(), own)).collect()
                    }
                    Pair::Outside(own, Direction::Egress) => {
                        members(*own).map(|own| (own, addresses.to_string())).collect()
                    }
                };
                out.transients.extend(ends.into_iter().map(|(source, destination)| Transient {
                    opens: *bound == Bound::Upper,
                    source,
                    destination,
                    services: services.to_string(),
                    from,
                    until,
                }));
            }
        }
        out.transients.sort();
    }
}

fn peer_group(peer: &Peer) -> Option<&GroupId> {
    match peer {
        Peer::Group(id) => Some(id),
        _ => None,
    }
}

fn rules_of(action: &StepAction) -> &[crate::state::RuleSpec] {
    match action {
        StepAction::AddRules { rules, .. } | StepAction::RemoveRules { rules, .. } => rules,
        _ => &[],
    }
}

fn set_rules(action: &mut StepAction, new: Vec<crate::state::RuleSpec>) {
    if let StepAction::AddRules { rules, .. } | StepAction::RemoveRules { rules, .. } = action {
        *rules = new;
    }
}

fn batch_target(action: &StepAction) -> (GroupId, Direction) {
    match action {
        StepAction::AddRules { group, direction, .. } | StepAction::RemoveRules { group, direction, .. } => {
            (group.clone(), *direction)
        }
        _ => unreachable!("only batches of rules are split"),
    }
}

/// Inside a round: objects first, then their rules, then members; deletions last.
fn rank(action: &StepAction) -> u8 {
    match action {
        StepAction::CreateGroup { .. } => 0,
        StepAction::Mark { .. } => 1,
        StepAction::AddRules { .. } => 2,
        StepAction::Attach { .. } => 3,
        StepAction::RemoveRules { .. } => 4,
        StepAction::Detach { .. } => 5,
        StepAction::DeleteGroup { .. } => 6,
    }
}

fn candidate(scope: &ScopeId, action: StepAction, title: String, reasons: Vec<String>) -> Candidate {
    Candidate {
        scope: scope.clone(),
        action,
        title,
        reasons,
        needs: Vec::new(),
        pairs: BTreeSet::new(),
        round: 0,
    }
}

/// Steps on groups and their rules; the facts they add and remove go into the model.
fn add_group_steps(model: &mut Model, changes: &Changes, candidates: &mut Vec<Candidate>) {
    for change in &changes.groups {
        if let Fate::Created { open_egress } = change.fate {
            let action = StepAction::CreateGroup {
                group: change.id.clone(),
                network: change.network.clone(),
                name: change.name.clone(),
                description: change.title.clone(),
                open_egress,
            };
            if open_egress {
                let life = Life { added_by: Some(candidates.len()), removed_by: None };
                for spec in crate::state::allow_everything() {
                    model.add_rule(&change.id, Direction::Egress, &spec, life);
                }
            }
            let title = format!("create group for {} in {}", change.title, change.network);
            candidates.push(candidate(
                &change.scope,
                action,
                title,
                vec!["a class without a group".to_owned()],
            ));
        }
        if change.mark {
            let title = format!("set our tags back on {}", change.title);
            let action = StepAction::Mark { group: change.id.clone() };
            candidates.push(candidate(&change.scope, action, title, vec!["drift".to_owned()]));
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            add_rule_steps(model, change, direction, candidates);
        }
    }
}

fn add_rule_steps(
    model: &mut Model,
    change: &crate::diff::GroupChange,
    direction: Direction,
    candidates: &mut Vec<Candidate>,
) {
    let adds = change.add.iter().filter(|((d, _), _)| *d == direction);
    let (rules, reasons): (Vec<_>, Vec<_>) = adds.map(|((_, rule), why)| (rule.clone(), why)).unzip();
    if !rules.is_empty() {
        let life = Life { added_by: Some(candidates.len()), removed_by: None };
        rules.iter().for_each(|spec| model.add_rule(&change.id, direction, spec, life));
        let reasons: BTreeSet<String> = reasons
            .into_iter()
            .flat_map(|why| {
                if why.is_empty() {
                    vec!["essential or fixed".to_owned()]
                } else {
                    why.iter().map(ToString::to_string).collect()
                }
            })
            .collect();
        let title = format!("{}: add {} {direction} {}", change.title, rules.len(), plural(rules.len()));
        let action = StepAction::AddRules { group: change.id.clone(), direction, rules };
        candidates.push(candidate(&change.scope, action, title, reasons.into_iter().collect()));
    }
    let rules: Vec<_> =
        change.remove.iter().filter(|(d, _)| *d == direction).map(|(_, rule)| rule.clone()).collect();
    if !rules.is_empty() {
        let index = model.index[&change.id] as usize;
        for fact in
            model.groups[index].rules_mut(direction).iter_mut().filter(|fact| rules.contains(&fact.spec))
        {
            fact.life.removed_by = Some(candidates.len());
        }
        let title = format!("{}: remove {} {direction} {}", change.title, rules.len(), plural(rules.len()));
        let action = StepAction::RemoveRules { group: change.id.clone(), direction, rules };
        candidates.push(candidate(&change.scope, action, title, vec!["no rule asks for it".to_owned()]));
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "rule" } else { "rules" }
}

/// Steps on interfaces; returns the membership facts of those that change.
fn add_member_steps(
    domain: &[ScopeInput<'_>],
    model: &mut Model,
    changes: &Changes,
    candidates: &mut Vec<Candidate>,
) -> HashMap<InterfaceId, Vec<(u32, Life)>> {
    let changed: HashMap<&InterfaceId, &crate::diff::MemberChange> =
        changes.members.iter().map(|change| (&change.interface, change)).collect();
    let mut moved = HashMap::new();
    for interface in domain.iter().flat_map(|input| &input.observed.interfaces) {
        let Some(change) = changed.get(&interface.id) else { continue };
        let mut facts: Vec<(u32, Life)> = Vec::new();
        let attach = (!change.add.is_empty()).then_some(candidates.len());
        let detach = (!change.remove.is_empty()).then_some(candidates.len() + usize::from(attach.is_some()));
        for group in &interface.groups {
            let removed_by = detach.filter(|_| change.remove.contains(group));
            facts.push((model.group(group), Life { added_by: None, removed_by }));
        }
        for group in &change.add {
            facts.push((model.group(group), Life { added_by: attach, removed_by: None }));
        }
        if attach.is_some() {
            let action = StepAction::Attach { interface: interface.id.clone(), add: change.add.clone() };
            let title = format!("attach {}", change.title);
            candidates.push(candidate(
                &change.scope,
                action,
                title,
                vec!["the interface belongs to the class".to_owned()],
            ));
        }
        if detach.is_some() {
            let action =
                StepAction::Detach { interface: interface.id.clone(), remove: change.remove.clone() };
            let title = format!(
                "take {} {} off {}",
                change.remove.len(),
                if change.remove.len() == 1 { "group" } else { "groups" },
                change.title
            );
            candidates.push(candidate(
                &change.scope,
                action,
                title,
                vec!["the interface does not belong to the group".to_owned()],
            ));
        }
        moved.insert(interface.id.clone(), facts);
    }
    moved
}

fn add_deletions(changes: &Changes, candidates: &mut Vec<Candidate>) {
    for change in changes.groups.iter().filter(|change| change.fate == Fate::Deleted) {
        let action = StepAction::DeleteGroup { group: change.id.clone(), name: change.name.clone() };
        let title = format!("delete group {}", change.title);
        candidates.push(candidate(&change.scope, action, title, vec!["no class needs it".to_owned()]));
    }
}

/// Whether a fact is in the end state; used by the search.
fn is_done(status: &[Status]) -> bool {
    status.iter().all(|status| *status == Status::Settled)
}
