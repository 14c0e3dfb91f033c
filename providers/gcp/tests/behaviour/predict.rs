//! What is predicted is what comes of it: random steps over random estates.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, Observed, Owner, Peer, RuleSpec, Step, StepAction};
use provider::CloudReader;
use provider_gcp::Identity;
use provider_gcp::ids::{self, GroupKind};
use serde_json::json;

use crate::driver::{Driver, add, attach, class, create, delete, detach, facts, interface, network, step};
use crate::harness::{instance, link, path, slow};
use crate::normal::{assert_same, normal, planned};

const SEEDS: u64 = 16;
const STEPS: usize = 14;
const CLASSES: [&str; 4] = ["web", "db", "app", "ops"];
const MACHINES: [&str; 3] = ["a", "b", "c"];

struct Walk {
    random: fastrand::Rng,
    driver: Driver,
    start: Observed,
    steps: Vec<Step>,
    /// Classes that were made and not deleted: one that a network tag stands for is seen with rules or members only.
    made: BTreeSet<&'static str>,
    /// The rests that interfaces were taken out of.
    closed: BTreeMap<(usize, Direction), GroupId>,
}

#[tokio::test]
async fn what_is_predicted_is_what_comes_of_it() {
    let mut coverage: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..2 * SEEDS {
        let identity = if seed < SEEDS { Identity::SecureTags } else { Identity::NetworkTags };
        let mut walk = Walk::start(seed, identity).await;
        while walk.steps.len() < STEPS {
            walk.grow();
        }
        let state = walk.after();
        let mut by_one = walk.start.clone();
        for step in &walk.steps {
            by_one = walk.driver.reader.after(&by_one, &[step]);
        }
        assert_same(&format!("seed {seed}: at once and one by one"), &state, &by_one);
        for step in walk.steps.clone() {
            let done = walk.driver.apply(&step).await;
            let done = done.unwrap_or_else(|failed| panic!("seed {seed} {step:?}: {failed:?}"));
            *coverage.entry(word(&step.action).to_owned()).or_default() += 1;
            *coverage.entry("calls".to_owned()).or_default() += done.calls.len() as u32;
        }
        let names = planned(&walk.driver.ids);
        let found = normal(walk.driver.look().await, &names);
        count(&found, &mut coverage);
        assert_same(&format!("seed {seed}: {:#?}", walk.steps), &normal(state, &names), &found);
        walk.driver.sim.assert_no_complaints();
    }
    println!("2 × {SEEDS} seeds: {coverage:?}");
    for word in ["create", "add", "remove", "attach", "detach", "delete", "closed", "opened", "shared rules"]
    {
        assert!(coverage.get(word).is_some_and(|count| *count > 3), "{word}: {coverage:?}");
    }
}

fn word(action: &StepAction) -> &'static str {
    let is_rest = |ids: &[GroupId]| ids.iter().any(|id| matches!(ids::kind_of(id), GroupKind::Rest { .. }));
    match action {
        StepAction::CreateGroup { .. } => "create",
        StepAction::Mark { .. } => "mark",
        StepAction::AddRules { .. } => "add",
        StepAction::RemoveRules { .. } => "remove",
        StepAction::Attach { add, .. } => {
            if is_rest(add) {
                "opened"
            } else {
                "attach"
            }
        }
        StepAction::Detach { remove, .. } => {
            if is_rest(remove) {
                "closed"
            } else {
                "detach"
            }
        }
        StepAction::DeleteGroup { .. } => "delete",
    }
}

fn count(found: &Observed, coverage: &mut BTreeMap<String, u32>) {
    let mut more = |word: &str, count: usize| *coverage.entry(word.to_owned()).or_default() += count as u32;
    let rules = found.path_filters.iter().flat_map(|list| &list.rules);
    let ours: Vec<_> = rules.filter(|rule| rule.owner == Owner::Ours).collect();
    more("our rules", ours.len());
    more("shared rules", ours.iter().filter(|rule| rule.peers.len() > 1 || rule.services.len() > 1).count());
    more("groups", found.groups.len());
    let rests: BTreeSet<&GroupId> =
        found.groups.iter().map(|group| &group.id).filter(|id| id.as_str().contains('#')).collect();
    more("rests of some", rests.len());
}

impl Walk {
    /// A network in one of its orders, sometimes with a policy of ours that has rules of others, and with rules for some.
    async fn start(seed: u64, identity: Identity) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut driver = Driver::start_with(slow(), identity).await;
        let mut made = BTreeSet::new();
        driver.sim.seed("vm/c", instance("sub/s", &["web"]));
        if random.bool() {
            let order = json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" });
            driver.sim.perform("PATCH", path("net/v").as_str(), order);
        }
        if random.bool() {
            let tagged = json!({ "network": link("net/v"), "sourceTags": ["web"], "targetTags": ["web"],
                "priority": random.u32(1..2000), "allowed": [{ "IPProtocol": "tcp", "ports": ["80-90"] }] });
            driver.sim.seed("fw/tagged", tagged);
        }
        if random.bool() {
            driver.sim.seed("rpol/near", json!({}));
            let near = json!({ "name": "v", "attachmentTarget": link("net/v") });
            driver.sim.perform("POST", &format!("{}/addAssociation", path("rpol/near")), near);
        }
        if random.bool() {
            driver.apply(&step(create("web", random.bool()))).await.unwrap();
            made.insert("web");
            let policy = match identity {
                Identity::SecureTags => ids::policy("shop", &network("v")),
                Identity::NetworkTags => {
                    driver.sim.seed("pol/theirs", json!({}));
                    let there = json!({ "name": "v", "attachmentTarget": link("net/v") });
                    driver.sim.perform("POST", &format!("{}/addAssociation", path("pol/theirs")), there);
                    path("pol/theirs")
                }
            };
            for priority in [random.u32(0..1000), 1_000_000 + random.u32(0..1000), 2_000_000] {
                let theirs = json!({ "priority": priority, "action": "goto_next", "direction": "INGRESS",
                    "match": { "srcIpRanges": ["10.0.0.0/9"],
                    "layer4Configs": [{ "ipProtocol": "tcp", "ports": ["22"] }] } });
                driver.sim.perform("POST", &format!("{policy}/addRule"), theirs);
            }
            let rules = facts("10.0.0.0/8 tcp/22, 10.0.0.0/8 tcp/23");
            let group = driver.ids[&class("web")].clone();
            let more = StepAction::AddRules { group, direction: Direction::Ingress, rules };
            driver.apply(&step(more)).await.unwrap();
        }
        let start = driver.look().await;
        Self { random, driver, start, steps: Vec::new(), made, closed: BTreeMap::new() }
    }

    fn after(&self) -> Observed {
        self.driver.reader.after(&self.start, &self.steps.iter().collect::<Vec<_>>())
    }

    /// One more step that can be done.
    fn grow(&mut self) {
        let state = self.after();
        let (class, machine) = (self.random.usize(0..CLASSES.len()), self.random.usize(0..MACHINES.len()));
        let direction = if self.random.bool() { Direction::Ingress } else { Direction::Egress };
        let id = self.id_of(&state, CLASSES[class]);
        let is_known = self.driver.own.identity == Identity::NetworkTags
            && self.driver.ids.contains_key(&crate::driver::class(CLASSES[class]));
        let action = match (self.random.u8(0..8), id) {
            // A plan gives a class that was there before its old id.
            (0, None) if is_known => None,
            (0, None) => {
                self.made.insert(CLASSES[class]);
                Some(create(CLASSES[class], self.random.bool()))
            }
            (1 | 2, Some(id)) => self.add(&state, &id, direction),
            (3, Some(id)) => self.remove(&state, &id, direction),
            (4, Some(id)) => Some(attach(MACHINES[machine], &[id])),
            (5, _) => held(&state, machine).map(|id| detach(MACHINES[machine], &[id])),
            (6, _) => self.toggle(&state, machine, direction),
            (7, Some(id)) => is_free(&state, &id).then(|| {
                self.made.remove(CLASSES[class]);
                StepAction::DeleteGroup { group: id, name: String::new() }
            }),
            _ => None,
        };
        self.steps.extend(action.map(step));
    }

    fn id_of(&self, state: &Observed, name: &str) -> Option<GroupId> {
        if self.driver.own.identity == Identity::NetworkTags {
            let id = self.driver.ids.get(&class(name)).cloned().unwrap_or_else(|| class(name));
            return self.made.contains(name).then_some(id);
        }
        let name = crate::driver::class_name(name);
        state.groups.iter().find(|group| group.name == name).map(|group| group.id.clone())
    }

    fn add(&mut self, state: &Observed, id: &GroupId, direction: Direction) -> Option<StepAction> {
        let mut rules = BTreeSet::new();
        for _ in 0..self.random.usize(1..5) {
            let service = ["tcp/22", "tcp/443", "udp/53", "tcp/1-9", "icmp", "all"][self.random.usize(0..6)];
            let blocks = ["10.0.0.0/8", "192.0.2.0/24", "fd00::/8", "0.0.0.0/0"];
            let mut fact = facts(&format!("{} {service}", blocks[self.random.usize(0..4)])).remove(0);
            let peer = self.random.usize(0..CLASSES.len());
            let peer = self.id_of(state, CLASSES[peer]);
            if let (Direction::Ingress, Some(peer), true) = (direction, peer, self.random.bool()) {
                fact.peer = Peer::Group(peer);
            }
            rules.insert(fact);
        }
        let held = facts_of(state, id, direction);
        let rules: Vec<RuleSpec> = rules.into_iter().filter(|rule| !held.contains(rule)).collect();
        (!rules.is_empty()).then(|| StepAction::AddRules { group: id.clone(), direction, rules })
    }

    fn remove(&mut self, state: &Observed, id: &GroupId, direction: Direction) -> Option<StepAction> {
        let mut rules = facts_of(state, id, direction);
        rules.retain(|_| self.random.bool());
        (!rules.is_empty()).then(|| StepAction::RemoveRules { group: id.clone(), direction, rules })
    }

    fn toggle(&mut self, state: &Observed, machine: usize, direction: Direction) -> Option<StepAction> {
        let vm = MACHINES[machine];
        if let Some(rest) = self.closed.remove(&(machine, direction)) {
            return Some(attach(vm, &[rest]));
        }
        let own = state.interfaces.iter().find(|one| one.id == interface(vm)).unwrap();
        let is_rest = |id: &&GroupId| matches!(ids::kind_of(id), GroupKind::Rest { direction: d, .. } if d == direction);
        let rest = own.groups.iter().find(is_rest).unwrap().clone();
        self.closed.insert((machine, direction), rest.clone());
        Some(detach(vm, &[rest]))
    }
}

/// A class that a machine is in.
fn held(state: &Observed, machine: usize) -> Option<GroupId> {
    let own = state.interfaces.iter().find(|one| one.id == interface(MACHINES[machine]))?;
    let is_class = |id: &&GroupId| {
        let kind = ids::kind_of(id);
        matches!(kind, GroupKind::Value(_) | GroupKind::Planned { .. } | GroupKind::Class { .. })
    };
    own.groups.iter().find(is_class).cloned()
}

/// Whether nothing is in a group and no rule but its own names it.
fn is_free(state: &Observed, id: &GroupId) -> bool {
    let names = |rules: &[RuleSpec]| rules.iter().any(|rule| rule.peer == Peer::Group(id.clone()));
    let is_named = state.groups.iter().filter(|group| group.id != *id).any(|group| names(&group.ingress));
    !is_named && !state.interfaces.iter().any(|one| one.groups.contains(id))
}

fn facts_of(state: &Observed, id: &GroupId, direction: Direction) -> Vec<RuleSpec> {
    let Some(group) = state.groups.iter().find(|group| group.id == *id) else { return Vec::new() };
    match direction {
        Direction::Ingress => group.ingress.clone(),
        Direction::Egress => group.egress.clone(),
    }
}

#[tokio::test]
async fn a_step_of_another_scope_or_one_that_cannot_be_done_changes_nothing() {
    let driver = Driver::start(slow()).await;
    let start = driver.look().await;
    let mut other = step(create("web", true));
    other.scope = plan::ScopeId::from("other");
    assert_same("another scope", &driver.reader.after(&start, &[&other]), &start);
    let gone = [step(add("web", Direction::Ingress, "10.0.0.0/8 tcp/1")), step(delete("web"))];
    for step in &gone {
        assert_same("a class that is not there", &driver.reader.after(&start, &[step]), &start);
    }
    let made = step(create("web", false));
    let refused = step(add("web", Direction::Egress, "web tcp/1"));
    let one = driver.reader.after(&start, &[&made]);
    assert_same("refused", &driver.reader.after(&start, &[&made, &refused]), &one);
}
