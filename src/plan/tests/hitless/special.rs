//! Quota, unread scopes, foreign and half-marked objects, interfaces that cannot be written.

use plan::{
    AttachClass, GroupId, Limits, Owner, Peer, RuleService, RuleSpec, ScopeId, StepAction, StepKind, Steps,
};

use crate::world::{Case, Enforce};
use crate::{check, describe, examine, plan_steps};

fn plan(case: &Case) -> Steps {
    plan_steps(&case.inputs(), &[])
}

fn codes(plan: &Steps) -> Vec<&str> {
    plan.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn new_rule_is_one_call_and_relabel_two() {
    let base = "web: a b | db: c d | db<-web tcp/5432";
    let added = check(base, "web: a b | db: c d | db<-web tcp/5432 | db<-web tcp/443", Enforce::Ingress);
    assert_eq!(added.steps.len(), 1, "{}", describe(&added));
    let moved = check(base, "web: a | db: b c d | db<-web tcp/5432", Enforce::Ingress);
    assert_eq!(moved.steps.len(), 2, "{}", describe(&moved));
    let renamed = check(base, "front: a b | db: c d | db<-front tcp/5432", Enforce::Ingress);
    assert!(renamed.steps.is_empty(), "{}", describe(&renamed));
}

#[test]
fn unread_list_on_a_foreign_group_is_no_surviving_path() {
    let before = "+ops: a c | ops<-pl-1 tcp/80";
    let after = "web: a b | db: c d | db<-web tcp/80 | exclusive";
    let plan = check(before, after, Enforce::Both);
    assert!(plan.transients.is_empty(), "{}", describe(&plan));
}

#[test]
fn rules_over_the_limit_wait_for_removals() {
    let rules = |first: u16| (first..first + 4).map(|port| format!(" | web<-192.0.2.0/24 tcp/{port}"));
    let text = |first| format!("web: a b{}", rules(first).collect::<String>());
    let mut case = Case::new(&text(100), &text(200), Enforce::Ingress);
    let limits = |max| Limits { rules_per_group: max, ..Limits::default() };
    case.observed.iter_mut().for_each(|o| o.limits = limits(7));
    let tight = plan(&case);
    examine(&case, &tight, true).unwrap();
    assert!(tight.quota.iter().all(|line| line.peak <= line.limit), "{:?}", tight.quota);
    case.observed.iter_mut().for_each(|o| o.limits = limits(3));
    let over = plan(&case);
    assert_eq!(over.blocks.iter().map(|b| b.code.as_str()).collect::<Vec<_>>(), ["quota"]);
}

#[test]
fn interface_without_a_free_slot_blocks() {
    let mut case = Case::new("p: a b | r: c", "p: b | r: a c", Enforce::Ingress);
    case.observed.iter_mut().for_each(|o| o.limits.groups_per_interface = 1);
    let plan = plan(&case);
    assert!(
        plan.blocks.iter().any(|b| b.code == "quota" && b.message.contains("2 of 1")),
        "{:?}",
        plan.blocks
    );
}

#[test]
fn unobserved_scope_withholds_breaks_only() {
    let base = "web: a b e | db: c f | db<-web tcp/5432";
    let after = "web: a e | db: b c f | db<-web tcp/5432 | db<-db tcp/443";
    let case = Case::new(base, after, Enforce::Ingress);
    let plan = plan_steps(&case.inputs(), &[ScopeId::from("elsewhere")]);
    assert!(plan.steps.iter().all(|step| step.action.kind() == StepKind::Make), "{}", describe(&plan));
    assert!(!plan.steps.is_empty());
    let withheld: Vec<String> = plan.withheld.iter().map(ToString::to_string).collect();
    assert!(
        withheld.iter().any(|line| line.ends_with(": scope elsewhere could not be read")),
        "{withheld:?}"
    );
}

#[test]
fn interface_keeps_our_group_when_nothing_else_remains() {
    let plan = plan(&Case::new("web: a b | db: c | db<-web tcp/80", "db: c", Enforce::Ingress));
    let touched =
        |action: &StepAction| matches!(action, StepAction::Detach { .. } | StepAction::DeleteGroup { .. });
    assert!(!plan.steps.iter().any(|step| touched(&step.action)), "{}", describe(&plan));
    assert_eq!(codes(&plan), ["left-attached", "left-attached"]);
}

#[test]
fn group_that_a_foreign_group_names_is_not_deleted() {
    let mut case = Case::new("+ops: a c | web: a | db: b", "db: a b", Enforce::Ingress);
    let groups = &mut case.observed[0].groups;
    let web = groups.iter().find(|g| g.name == "web").unwrap().id.clone();
    let ops = groups.iter_mut().find(|g| g.name == "ops").unwrap();
    ops.ingress.push(RuleSpec { peer: Peer::Group(web), service: RuleService::All });
    let plan = plan(&case);
    assert!(
        !plan.steps.iter().any(|s| matches!(s.action, StepAction::DeleteGroup { .. })),
        "{}",
        describe(&plan)
    );
    assert_eq!(codes(&plan), ["still-named"]);
}

#[test]
fn name_of_a_foreign_group_blocks() {
    let plan = plan(&Case::new("+WEB: a", "web: b", Enforce::Ingress));
    assert_eq!(plan.blocks.iter().map(|b| b.code.as_str()).collect::<Vec<_>>(), ["name-taken"]);
}

#[test]
fn half_marked_group_is_left_alone() {
    let mut case = Case::new("+ops: a | web: b", "web: a b | exclusive", Enforce::Ingress);
    let ops = case.observed[0].groups.iter_mut().find(|g| g.name == "ops").unwrap();
    ops.owner = Owner::Suspect("one tag is missing".to_owned());
    let plan = plan(&case);
    assert!(!plan.steps.iter().any(|s| matches!(s.action, StepAction::Detach { .. })), "{}", describe(&plan));
    assert_eq!(codes(&plan), ["half-marked"]);
}

#[test]
fn interface_that_cannot_be_written_holds_its_group() {
    let mut case = Case::new("web: a b | db: c", "db: a c", Enforce::Ingress);
    let interface = case.observed[0].interfaces.iter_mut().find(|i| i.id.as_str() == "b").unwrap();
    interface.attach = AttachClass::ThroughService("balancer".to_owned());
    let plan = plan(&case);
    let web = GroupId::from("sg-v1-web");
    let deletes =
        |action: &StepAction| matches!(action, StepAction::DeleteGroup { group, .. } if *group == web);
    assert!(!plan.steps.iter().any(|s| deletes(&s.action)), "{}", describe(&plan));
}
