//! `after` says what really becomes of a scope: random steps, predicted and applied.

use std::collections::BTreeMap;

use plan::{Direction, GroupId, Observed, Owner, Peer, RuleService, RuleSpec, StepAction};
use provider::CloudReader;
use provider_azure::ids::{self, GroupKind};

use crate::scene::{Scene, attach, class_name, create, network, step};

const STEPS: usize = 14;
const SEEDS: std::ops::Range<u64> = 0..20;

/// Chooses steps that a plan could have.
struct Chooser {
    random: fastrand::Rng,
    seen: BTreeMap<&'static str, usize>,
}

impl Chooser {
    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        (!list.is_empty()).then(|| &list[self.random.usize(..list.len())])
    }

    /// A step on a state, if one of the kind that was drawn is possible.
    fn step(&mut self, state: &Observed) -> Option<StepAction> {
        let (what, found) = match self.random.u32(..20) {
            0..3 => ("create", self.create(state)),
            3..8 => ("add rules", self.add_rules(state)),
            8..10 => ("remove rules", self.remove_rules(state)),
            10..13 => ("attach", self.attach(state)),
            13..15 => ("detach", self.detach(state)),
            15..17 => ("close", self.close(state, true)),
            17 => ("open", self.close(state, false)),
            18 => ("delete carrier", self.delete(state, false)),
            _ => ("delete group", self.delete(state, true)),
        };
        if found.is_some() {
            *self.seen.entry(what).or_default() += 1;
        }
        found
    }

    fn create(&mut self, state: &Observed) -> Option<StepAction> {
        let place = if self.random.bool() { "v" } else { "w" };
        let own = network(place);
        let letter = ["p", "q", "r", "s"][self.random.usize(..4)];
        let name = class_name(place, letter);
        let held = state.groups.iter().any(|group| group.network == own && group.name == name);
        let lists: Vec<&str> = if own == network("v") { vec!["n", "m", "x"] } else { vec!["x"] };
        let nsg = lists[self.random.usize(..lists.len())];
        let name = if self.random.u32(..4) == 0 { format!("{name}|{nsg}") } else { name };
        (!held).then(|| create(GroupId::planned(&own, &name), own))
    }

    fn classes<'a>(&self, state: &'a Observed) -> Vec<&'a plan::GroupState> {
        let is_class =
            |id: &GroupId| matches!(ids::kind_of(id), GroupKind::Asg(_) | GroupKind::PlannedAsg { .. });
        state.groups.iter().filter(|group| group.owner == Owner::Ours && is_class(&group.id)).collect()
    }

    /// Every carrier that rules can be put into: those that are seen, and the pairs of a class and a list without any.
    fn carriers(&self, state: &Observed) -> Vec<plan::GroupState> {
        let is_carrier = |id: &GroupId| {
            matches!(ids::kind_of(id), GroupKind::Carrier { .. } | GroupKind::PlannedCarrier { .. })
        };
        let mut found: Vec<_> = state.groups.iter().filter(|group| is_carrier(&group.id)).cloned().collect();
        for class in self.classes(state) {
            let own = state.interfaces.iter().filter(|interface| interface.network == class.network);
            let lists: Vec<&str> = own.filter_map(|i| ids::managed(&i.path_filters)).collect();
            for filter in state.path_filters.iter().filter(|filter| lists.contains(&filter.id.as_str())) {
                let id = ids::carrier(&filter.id, &filter.name, &class.id, &class.network);
                if found.iter().all(|held| held.id != id) {
                    let name = ids::carrier_name(&class.name, &filter.name);
                    found.push(plan::GroupState { id, name, ..class.clone() });
                }
            }
        }
        found
    }

    fn direction(&mut self) -> Direction {
        if self.random.bool() { Direction::Ingress } else { Direction::Egress }
    }

    fn add_rules(&mut self, state: &Observed) -> Option<StepAction> {
        let carriers = self.carriers(state);
        let carrier = self.pick(&carriers)?.clone();
        let direction = self.direction();
        let peers: Vec<GroupId> = state
            .groups
            .iter()
            .filter(|group| group.network == carrier.network && !ids::asg_name(&group.id).is_empty())
            .map(|group| group.id.clone())
            .collect();
        let services = [
            RuleService::All,
            RuleService::Protocol(1),
            RuleService::Ports { protocol: 6, first: 443, last: 443 },
            RuleService::Ports { protocol: 17, first: 5000, last: 5010 },
        ];
        let blocks = ["10.2.0.0/16", "192.0.2.7/32", "10.2.0.0/17", "2001:db8::/32", "0.0.0.0/0"];
        let mut rules: Vec<RuleSpec> = Vec::new();
        for _ in 0..self.random.usize(1..4) {
            let service = services[self.random.usize(..services.len())];
            let peer = match self.pick(&peers).cloned().filter(|_| self.random.bool()) {
                Some(group) => Peer::Group(group),
                None => Peer::Cidr(blocks[self.random.usize(..blocks.len())].parse().unwrap()),
            };
            rules.push(RuleSpec { peer, service });
        }
        Some(StepAction::AddRules { group: carrier.id.clone(), direction, rules })
    }

    fn remove_rules(&mut self, state: &Observed) -> Option<StepAction> {
        let carriers = self.carriers(state);
        let full: Vec<_> =
            carriers.into_iter().filter(|c| !c.ingress.is_empty() || !c.egress.is_empty()).collect();
        let carrier = self.pick(&full)?.clone();
        let (direction, list) = if carrier.ingress.is_empty() {
            (Direction::Egress, &carrier.egress)
        } else {
            (Direction::Ingress, &carrier.ingress)
        };
        let rules: Vec<RuleSpec> = list.iter().filter(|_| self.random.bool()).cloned().collect();
        (!rules.is_empty()).then(|| StepAction::RemoveRules { group: carrier.id.clone(), direction, rules })
    }

    fn attach(&mut self, state: &Observed) -> Option<StepAction> {
        let classes = self.classes(state);
        let class = *self.pick(&classes)?;
        let there: Vec<_> = state.interfaces.iter().filter(|i| i.network == class.network).collect();
        let interface = *self.pick(&there)?;
        let mut add = vec![class.id.clone()];
        if let Some(nsg) = ids::managed(&interface.path_filters) {
            let name = &state.path_filters.iter().find(|filter| filter.id == nsg)?.name;
            add.push(ids::carrier(nsg, name, &class.id, &class.network));
        }
        Some(StepAction::Attach { interface: interface.id.clone(), add })
    }

    fn detach(&mut self, state: &Observed) -> Option<StepAction> {
        let classes: Vec<GroupId> = self.classes(state).into_iter().map(|group| group.id.clone()).collect();
        let holders: Vec<_> =
            state.interfaces.iter().filter(|i| i.groups.iter().any(|g| classes.contains(g))).collect();
        let interface = *self.pick(&holders)?;
        let class = interface.groups.iter().find(|group| classes.contains(group))?;
        let name = ids::asg_name(class);
        let own = |id: &&GroupId| match ids::kind_of(id) {
            GroupKind::Carrier { asg, .. } => asg.name().to_lowercase() == name,
            GroupKind::PlannedCarrier { asg, .. } => asg.to_lowercase() == name,
            _ => *id == class,
        };
        let remove = interface.groups.iter().filter(own).cloned().collect();
        Some(StepAction::Detach { interface: interface.id.clone(), remove })
    }

    fn close(&mut self, state: &Observed, closes: bool) -> Option<StepAction> {
        let is_closed =
            |i: &&plan::InterfaceState| i.groups.iter().any(|group| group.as_str().contains("-closed-"));
        let some: Vec<&plan::InterfaceState> =
            state.interfaces.iter().filter(|interface| closes || is_closed(interface)).collect();
        let interface = *self.pick(&some)?;
        let (id, direction) = (interface.id.clone(), self.direction());
        let nsg = ids::managed(&interface.path_filters)?;
        if closes {
            let is_rest = |id: &&GroupId| matches!(ids::kind_of(id), GroupKind::Rest { .. });
            let mut remove: Vec<GroupId> = interface.groups.iter().filter(is_rest).cloned().collect();
            remove.retain(|_| self.random.u32(..3) > 0);
            return (!remove.is_empty()).then_some(StepAction::Detach { interface: id, remove });
        }
        let filter = state.path_filters.iter().find(|filter| filter.id == nsg)?;
        let band = provider_azure::AzureSettings::new("shop").band_of(None);
        let rest = provider_azure::observed::derive::rest_of(&band, filter, interface, direction);
        (!interface.groups.contains(&rest)).then_some(StepAction::Attach { interface: id, add: vec![rest] })
    }

    fn delete(&mut self, state: &Observed, whole: bool) -> Option<StepAction> {
        let is_free = |group: &&plan::GroupState| {
            !state.interfaces.iter().any(|interface| interface.groups.contains(&group.id))
                && !state
                    .path_filters
                    .iter()
                    .flat_map(|f| &f.rules)
                    .any(|r| r.peers.contains(&Peer::Group(group.id.clone())))
        };
        let classes = || self.classes(state).into_iter().cloned().collect();
        let all: Vec<plan::GroupState> = if whole { classes() } else { self.carriers(state) };
        let free: Vec<&plan::GroupState> = all.iter().filter(is_free).collect();
        let group = *self.pick(&free)?;
        Some(StepAction::DeleteGroup { group: group.id.clone(), name: group.name.clone() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_predicted_is_what_becomes_of_it() {
    let (mut seen, mut calls, mut damage) = (BTreeMap::new(), 0, 0);
    for seed in SEEDS {
        let mut scene = Scene::start().await;
        let foreign = scene.foreign();
        let mut chooser = Chooser { random: fastrand::Rng::with_seed(seed), seen: std::mem::take(&mut seen) };
        if seed % 4 == 3 {
            damage += 1;
            let broken = crate::harness::rule_body("1500 in deny Tcp * asg:web 9");
            scene.sim.seed("nsg/n/bulkhead-shop-00000000dead", broken);
        }
        let before = scene.observe().await;
        let mut actions: Vec<StepAction> = Vec::new();
        let mut now = before.clone();
        while actions.len() < STEPS {
            let Some(action) = chooser.step(&now) else { continue };
            now = scene.reader.after(&now, &[&step(&action)]);
            actions.push(action);
        }
        if seed % 4 == 3 {
            let group = ids::damaged(crate::harness::id("nsg/n").key());
            let action = StepAction::DeleteGroup { group, name: String::new() };
            now = scene.reader.after(&now, &[&step(&action)]);
            actions.push(action);
        }
        for action in &actions {
            calls += scene.apply(action).await;
        }
        let steps: Vec<_> = actions.iter().map(step).collect();
        let predicted = scene.reader.after(&before, &steps.iter().collect::<Vec<_>>());
        assert!(predicted == now, "seed {seed}: one by one or all at once: {actions:#?}");
        let (predicted, found) = (scene.renamed(predicted), scene.observe().await);
        similar(&predicted, &found, seed, &actions);
        scene.assert_foreign(&foreign);
        scene.sim.assert_no_complaints();
        seen = chooser.seen;
    }
    println!("{} seeds, {calls} calls, {damage} with damaged rules, steps: {seen:?}", SEEDS.end);
    assert!(seen.len() == 9 && seen.values().all(|count| *count > 2), "{seen:?}");
}

/// Compares part by part: the whole is long.
fn similar(predicted: &Observed, found: &Observed, seed: u64, actions: &[StepAction]) {
    for (p, f) in predicted.interfaces.iter().zip(&found.interfaces) {
        assert_eq!(p, f, "seed {seed}: {actions:#?}");
    }
    for (p, f) in predicted.path_filters.iter().zip(&found.path_filters) {
        for (p, f) in p.rules.iter().zip(&f.rules) {
            assert_eq!(p, f, "seed {seed}: {actions:#?}");
        }
    }
    let name = |groups: &[plan::GroupState]| groups.iter().map(|g| g.id.to_string()).collect::<Vec<_>>();
    assert_eq!(name(&predicted.groups), name(&found.groups), "seed {seed}: {actions:#?}");
    for (p, f) in predicted.groups.iter().zip(&found.groups) {
        assert_eq!(p, f, "seed {seed}: {actions:#?}");
    }
    assert_eq!(predicted, found, "seed {seed}: {actions:#?}");
}

#[test]
fn a_step_of_another_scope_changes_nothing() {
    let settings = provider_azure::AzureSettings::new("shop");
    let observed = Observed { scope: Some(plan::ScopeId::from("other")), ..Observed::default() };
    let action = attach("a", vec![GroupId::from("/x")]);
    let after = provider_azure::after::after(&settings, &observed, &[&step(&action)]);
    assert_eq!(after, observed);
}
