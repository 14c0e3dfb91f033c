//! What is remembered, and what is drift.

use plan::plan::{EstateSummary, ProofSummary};
use plan::{
    AttachClass, Attachment, Cloud, Direction, Gates, InterfaceState, Peer, RuleService, StepId, Transients,
};

use super::*;

fn rule(port: u16) -> RuleSpec {
    let block = "192.0.2.0/24".parse().expect("a block");
    RuleSpec { peer: Peer::Cidr(block), service: RuleService::Ports { protocol: 6, first: port, last: port } }
}

/// One scope with the group `sg-1` (its ports are given) on `eni-1`, and the group `sg-2` on nobody.
fn state(ports: &[u16]) -> Observed {
    let group = |id: &str, ports: &[u16]| GroupState {
        id: id.into(),
        network: "vpc-1".into(),
        name: format!("name-of-{id}"),
        owner: Owner::Ours,
        ingress: ports.iter().map(|port| rule(*port)).collect(),
        egress: Vec::new(),
        tag_drift: BTreeMap::new(),
    };
    let interface = InterfaceState {
        id: "eni-1".into(),
        network: "vpc-1".into(),
        workload: "i-1".into(),
        name: "web-1".to_owned(),
        addresses: Vec::new(),
        groups: vec!["sg-1".into()],
        attach: AttachClass::Direct,
        tags: BTreeMap::new(),
        path_filters: Vec::new(),
        mac: None,
    };
    Observed {
        scope: Some("s".into()),
        groups: vec![group("sg-1", ports), group("sg-2", &[80])],
        interfaces: vec![interface],
        ..Observed::default()
    }
}

/// A plan with steps that each add a port to a group, or attach it.
fn plan(drift: Drift, actions: Vec<StepAction>) -> Plan {
    let scope = Scope {
        id: "s".into(),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "eu-west-1".to_owned(),
        networks: Vec::new(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift,
        settle_ms: 0,
        transients: Transients::Keep,
        gates: Gates::default(),
    };
    let step = |(number, action): (usize, StepAction)| Step {
        id: StepId(number as u32),
        scope: "s".into(),
        action,
        title: String::new(),
        reasons: Vec::new(),
        after: Vec::new(),
        settled_after: Vec::new(),
    };
    Plan {
        format_version: 1,
        installation: String::new(),
        policy_digest: String::new(),
        policy_commit: None,
        base: String::new(),
        scopes: vec![scope],
        steps: actions.into_iter().enumerate().map(step).collect(),
        withheld: Vec::new(),
        changes: Vec::new(),
        transients: Vec::new(),
        blocks: Vec::new(),
        findings: Vec::new(),
        drift: Vec::new(),
        quota: Vec::new(),
        calls: BTreeMap::new(),
        duration_ms: 0,
        proof: ProofSummary::default(),
        uncovered: Vec::new(),
        estate: EstateSummary::default(),
    }
}

fn add(group: &str, port: u16) -> StepAction {
    StepAction::AddRules { group: group.into(), direction: Direction::Ingress, rules: vec![rule(port)] }
}

fn outcomes(outcomes: Vec<StepOutcome>) -> Vec<StepStatus> {
    let status = |(number, outcome): (usize, StepOutcome)| StepStatus {
        id: StepId(number as u32),
        title: String::new(),
        outcome,
        calls: Vec::new(),
    };
    outcomes.into_iter().enumerate().map(status).collect()
}

fn failed() -> StepOutcome {
    StepOutcome::Failed { error: String::new(), hint: String::new() }
}

/// The differences that are found later, when the group has these ports.
fn drift(memory: &LastApplied, ports: &[u16]) -> Vec<String> {
    let scope = &plan(Drift::Repair, Vec::new()).scopes[0];
    let found = memory.compare(scope, &state(ports)).into_iter();
    found.map(|(_, item)| format!("{}: {}", item.object, item.difference)).collect()
}

fn fresh(ports: &[u16]) -> LastApplied {
    LastApplied::default().after(&plan(Drift::Repair, Vec::new()), &[], &[state(ports)])
}

const OPENED: &str = "group name-of-sg-1 (sg-1): ingress rule 192.0.2.0/24 tcp/22 was added";

#[test]
fn what_somebody_added_is_drift() {
    assert_eq!(drift(&fresh(&[443]), &[443, 22]), [OPENED]);
    assert!(drift(&fresh(&[443]), &[443]).is_empty());
}

#[test]
fn drift_that_is_only_reported_is_reported_until_it_is_gone() {
    let left = plan(Drift::Report, Vec::new());
    let mut memory = fresh(&[443]);
    for _ in 0..3 {
        memory = memory.after(&left, &[], &[state(&[443, 22])]);
        assert_eq!(drift(&memory, &[443, 22]), [OPENED]);
    }
    assert!(drift(&memory, &[443]).is_empty());
}

#[test]
fn what_an_interrupted_apply_touched_is_nobodys_drift() {
    let steps = plan(Drift::Report, vec![add("sg-1", 22)]).steps;
    let memory = fresh(&[443]).without(&steps);
    assert!(drift(&memory, &[443, 22]).is_empty(), "our own half-done work");
    assert_eq!(
        memory.compare(&plan(Drift::Report, Vec::new()).scopes[0], &Observed::default()).len(),
        1,
        "sg-2"
    );
}

#[test]
fn a_step_that_failed_may_have_done_its_work_or_not() {
    let plan = plan(Drift::Repair, vec![add("sg-1", 22), add("sg-1", 23)]);
    for statuses in [vec![failed(), StepOutcome::Done], vec![StepOutcome::Done, failed()]] {
        let memory = fresh(&[443]).after(&plan, &outcomes(statuses), &[state(&[443, 22])]);
        assert!(drift(&memory, &[443, 22, 23]).is_empty(), "a lost answer may show later");
    }
}

#[test]
fn what_was_done_is_remembered_and_what_was_not_sent_is_not() {
    let plan = plan(Drift::Repair, vec![add("sg-1", 22)]);
    let done = fresh(&[443]).after(&plan, &outcomes(vec![StepOutcome::Done]), &[state(&[443, 22])]);
    assert_eq!(drift(&done, &[443]), [OPENED.replace("added", "removed")]);
    // A guard keeps a repair from being sent: what somebody opened is drift all the same.
    let blocked = fresh(&[443]).after(&plan, &[], &[state(&[443, 22])]);
    assert_eq!(drift(&blocked, &[443, 22]), [OPENED]);
}

#[test]
fn a_scope_that_could_not_be_read_is_remembered_as_it_was() {
    let memory = fresh(&[443]).after(&plan(Drift::Repair, Vec::new()), &[], &[]);
    assert_eq!(drift(&memory, &[443, 22]), [OPENED]);
}

#[test]
fn a_group_that_somebody_deleted_is_drift_and_one_that_we_deleted_is_not() {
    let scope = plan(Drift::Report, Vec::new()).scopes.remove(0);
    let mut gone = state(&[443]);
    gone.groups.truncate(1);
    let texts = |memory: &LastApplied| -> Vec<String> {
        memory.compare(&scope, &gone).into_iter().map(|(_, item)| item.difference).collect()
    };
    assert_eq!(texts(&fresh(&[443])), ["was deleted"]);
    let delete = StepAction::DeleteGroup { group: "sg-2".into(), name: String::new() };
    let plan = plan(Drift::Report, vec![delete]);
    let memory = fresh(&[443]).after(&plan, &outcomes(vec![StepOutcome::Done]), std::slice::from_ref(&gone));
    assert!(texts(&memory).is_empty());
}

#[test]
fn what_somebody_changed_is_undone_and_nothing_else() {
    let before = state(&[22, 443]);
    let last = LastApplied { scopes: [("s".into(), ScopeMemory::of(&before))].into() };
    assert_eq!(last.undo(&before), [], "nothing was changed");
    let mut now = state(&[443, 3389]);
    now.interfaces[0].groups = vec!["sg-2".into(), "sg-foreign".into()];
    let undo = last.undo(&now);
    let back = plan::after(&now, undo.iter());
    let mut held = before.interfaces[0].groups.clone();
    held.push("sg-foreign".into());
    assert_eq!(back.interfaces[0].groups, held, "foreign groups are not ours to undo");
    let rules =
        |state: &Observed| -> BTreeSet<RuleSpec> { state.groups[0].ingress.iter().cloned().collect() };
    assert_eq!(rules(&back), rules(&before));
    now.groups.push(GroupState { id: "sg-3".into(), ..now.groups[1].clone() });
    let left = plan::after(&now, last.undo(&now).iter());
    assert!(
        left.groups.iter().all(|group| group.id != "sg-3".into()),
        "nobody is in it, and we did not leave it"
    );
    now.interfaces[0].groups.push("sg-3".into());
    let left = plan::after(&now, last.undo(&now).iter());
    assert!(left.groups.iter().any(|group| group.id == "sg-3".into()), "somebody is in it");
    now.groups.pop();
    now.interfaces[0].groups.pop();
    now.groups.remove(0);
    let touched: Vec<Object> = last.undo(&now).iter().map(|step| object_of(&step.action)).collect();
    assert_eq!(touched, [Object::Interface("eni-1".into())], "a group that is gone is not made again");
}
