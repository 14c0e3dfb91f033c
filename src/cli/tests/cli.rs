//! The binary as its user runs it, against the simulated cloud over HTTP: exit status, what is said, and that nothing is
//! written where nothing may be.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "cli/apply.rs"]
mod apply;
#[path = "cli/below.rs"]
mod below;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/killed.rs"]
mod killed;
#[path = "cli/lab.rs"]
mod lab;
#[path = "cli/line.rs"]
mod line;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/shop.rs"]
mod shop;
#[path = "cli/simulate.rs"]
mod simulate;
#[path = "cli/stopped.rs"]
mod stopped;

use lab::{Lab, POLICY, between};

#[test]
fn plan_apply_and_a_second_plan() {
    let lab = Lab::new();
    lab.refuses(&["plan"], 0, &["PROVEN", "role=web env=prod → role=db env=prod  tcp/5432  opens"]);
    lab.refuses(&["plan", "--check"], 3, &[]);
    let applied = lab.run(&["apply"]);
    assert_eq!(applied.status, 0, "{}", applied.text);
    lab.refuses(&["plan", "--check"], 0, &["nothing to do: the cloud is equal to the policy (proven)"]);
}

#[test]
fn an_observed_scope_is_never_written() {
    let lab = Lab::new();
    lab.configure(false, &[&lab.vpcs.iter().map(String::as_str).collect::<Vec<_>>()]);
    lab.refuses(&["apply"], 0, &["no scope has `enforce: true`: nothing is written"]);
}

#[test]
fn wrong_policy_files_say_where_and_what() {
    let lab = Lab::new();
    lab.policy("labels: [unclosed\n");
    lab.refuses(&["plan"], 1, &["policy.yaml:"]);
    lab.policy(&POLICY.replace("sources: [role=web]", "sources: [role=wbe]"));
    lab.refuses(&["plan"], 1, &["policy.yaml:11:", "wbe", "web"]);
    lab.policy(&format!(
        "{POLICY}label_groups:\n  a: {{ key: role, groups: [b] }}\n  b: {{ key: role, groups: [a] }}\n"
    ));
    lab.refuses(&["plan"], 1, &["policy.yaml:13:3", "label groups contain each other: a → b → a"]);
}

#[test]
fn policy_files_in_folders_count() {
    let lab = Lab::new();
    let (top, rules) = POLICY.split_once("rulesets:").unwrap();
    lab.policy(top);
    let below = lab.path("policy/teams/shop");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(below.join("web.yaml"), format!("rulesets:{rules}")).unwrap();
    lab.refuses(&["plan"], 0, &["PROVEN", "role=web env=prod → role=db env=prod  tcp/5432  opens"]);
    std::fs::write(below.join("web.yaml"), format!("rulesets:{}", rules.replace("role=db", "role=bd")))
        .unwrap();
    lab.refuses(&["plan"], 1, &["policy/teams/shop/web.yaml:6:", "did you mean `role=db`?"]);
    std::fs::write(below.join("web.yaml"), [0xff]).unwrap();
    lab.refuses(&["plan"], 1, &["policy/teams/shop/web.yaml` is not UTF-8 text", "hint: check `policy`"]);
}

#[test]
fn a_stored_plan_is_refused_when_the_world_has_moved() {
    let lab = Lab::new();
    let file = lab.path("plan.json").display().to_string();
    assert_eq!(lab.run(&["plan", "-o", &file]).status, 0);
    lab.policy(&POLICY.replace("tcp/5432", "tcp/5433"));
    lab.refuses(&["apply", &file], 1, &["the world has moved", "it would now do something else"]);
    lab.policy(POLICY);
    assert_eq!(lab.run(&["apply", &file]).status, 0, "the plan is true again");
    lab.refuses(&["apply", &file], 1, &["the world has moved", "--allow-equivalent"]);
}

#[test]
fn sixty_one_rules_are_blocked_with_the_number() {
    let lab = Lab::new();
    // 60 lone addresses and the path MTU rule.
    let addresses = (0..60).map(|n| format!("192.0.2.{}", n * 2 + 1)).collect::<Vec<_>>().join(", ");
    lab.policy(&POLICY.replace("203.0.113.0/24", &addresses));
    lab.refuses(&["apply"], 4, &["quota", "61 of 60"]);
}

#[test]
fn a_sixth_group_on_an_interface_is_blocked_with_the_number() {
    let lab = Lab::new();
    let eni =
        lab.front.world().state.interfaces.iter().find(|(_, i)| i.vpc == lab.vpcs[0]).unwrap().0.clone();
    let mut params = vec![("NetworkInterfaceId".to_owned(), eni)];
    for n in 1..=5 {
        let name = format!("theirs-{n}");
        let made = lab.perform(
            "CreateSecurityGroup",
            &[("GroupName", &name), ("GroupDescription", "theirs"), ("VpcId", &lab.vpcs[0])],
        );
        params.push((format!("SecurityGroupId.{n}"), between(&made, "groupId")));
    }
    let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    lab.perform("ModifyNetworkInterfaceAttribute", &params);
    lab.refuses(&["apply"], 4, &["quota", "6 of 5"]);
}

/// 61 rules again, 6 groups again, in an account that may have them: the plan fits, and the cloud agrees.
#[test]
fn a_raised_quota_of_the_configuration_counts() {
    let lab = Lab::new();
    let addresses = (0..60).map(|n| format!("192.0.2.{}", n * 2 + 1)).collect::<Vec<_>>().join(", ");
    lab.policy(&POLICY.replace("203.0.113.0/24", &addresses));
    lab.reconfigure("share: 1.0", "share: 1.0, quota: { rules_per_group: 61 }");
    lab.refuses(&["plan"], 0, &["61   61 of 61"]);
    lab.front.world().settings.limits.rules_per_group = 61;
    let ran = lab.run(&["apply"]);
    assert_eq!(ran.status, 0, "{}", ran.text);
    lab.reconfigure("rules_per_group: 61", "rules_per_group: 200");
    lab.front.world().settings.limits.groups_per_interface = 6;
    let says =
        ["the quotas of scope s0 cannot be: 200 rules per group × 6 groups", "hint: write under `quota`"];
    lab.refuses(&["plan"], 1, &says);
}

#[test]
fn a_quota_of_the_configuration_blocks() {
    let lab = Lab::new();
    lab.reconfigure("share: 1.0", "share: 1.0, quota: { groups_per_region: 3 }");
    lab.refuses(&["apply"], 4, &["quota", "groups in the region: ", " of 3 at the end"]);
    lab.reconfigure("groups_per_region: 3", "groups_per_interface: 1");
    lab.refuses(&["apply"], 4, &["quota", "groups per interface: 2 of 1 at the end"]);
}

#[test]
fn a_name_that_somebody_else_holds_is_blocked() {
    let lab = Lab::new();
    let file = lab.path("plan.json");
    lab.run(&["plan", "-o", &file.display().to_string()]);
    let plan: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let create = &plan["steps"][0]["action"]["create_group"];
    let (name, vpc) = (create["name"].as_str().unwrap(), create["network"].as_str().unwrap());
    lab.perform(
        "CreateSecurityGroup",
        &[("GroupName", &name.to_uppercase()), ("GroupDescription", "theirs"), ("VpcId", vpc)],
    );
    lab.refuses(&["apply"], 4, &["name-taken", "of somebody else"]);
}

#[test]
fn the_same_address_twice_in_connected_networks_is_blocked() {
    let lab = Lab::new();
    {
        let mut world = lab.front.world();
        let taken = world.state.interfaces.values().find(|i| i.vpc == lab.vpcs[0]).unwrap().addresses[0];
        world.state.interfaces.values_mut().find(|i| i.vpc == lab.vpcs[1]).unwrap().addresses[0] = taken;
    }
    lab.refuses(&["apply"], 4, &["address-claimed-twice"]);
}

#[test]
fn an_unreadable_half_of_the_account_breaks_nothing() {
    let lab = Lab::new();
    lab.configure(true, &[&[&lab.vpcs[0]], &[&lab.vpcs[1]]]);
    assert_eq!(lab.run(&["apply"]).status, 0);
    lab.policy(&POLICY.replace("tcp/5432", "tcp/5433"));
    lab.front.world().faults.denied.insert(lab.vpcs[1].clone());
    let before = lab.front.world().state.groups.values().map(|group| group.rules.len()).sum::<usize>();
    let ran = lab.run(&["apply", "--allow", "lose-peer"]);
    assert_eq!(ran.status, 1, "half of it is not done: {}", ran.text);
    for word in ["scope s1 could not be read", "UnauthorizedOperation", "hint: give the role this action"] {
        assert!(ran.text.contains(word), "`{word}` is missing in:\n{}", ran.text);
    }
    let after = lab.front.world().state.groups.values().map(|group| group.rules.len()).sum::<usize>();
    assert!(after >= before, "makes only: {before} rules before, {after} after");
    lab.front.world().faults.denied.clear();
    lab.refuses(&["apply"], 4, &["lose-peer", "--allow lose-peer"]);
    assert_eq!(lab.run(&["apply", "--allow", "lose-peer"]).status, 0);
    lab.refuses(&["plan", "--check"], 0, &["nothing to do"]);
}

#[test]
fn an_account_that_cannot_be_read_at_all_says_what_to_do() {
    let lab = Lab::new();
    lab.front.world().faults.denied.extend(lab.vpcs.clone());
    lab.refuses(&["apply"], 1, &["scope s0", "UnauthorizedOperation", "hint:"]);
}

#[test]
fn a_wrong_region_says_what_to_check() {
    let lab = Lab::new();
    lab.reconfigure("eu-west-1", "eu-central-1");
    lab.refuses(&["plan"], 1, &["AuthFailure", "hint: check the keys, and that `region` of the scope"]);
}

#[test]
fn a_scope_without_any_network_is_a_warning() {
    let lab = Lab::new();
    lab.front.world().state = mock_aws::State::default();
    let networks = format!("networks: [{}], ", lab.vpcs.join(", "));
    lab.reconfigure(&networks, "");
    let says = [
        "Warning scope-empty: scope s0: no network found in region eu-west-1",
        "check `region` of the scope",
    ];
    lab.refuses(&["plan"], 0, &says);
}

#[test]
fn deny_rules_and_selective_mode_are_blocked_with_the_reason() {
    let lab = Lab::new();
    lab.policy(&POLICY.replace("services: [tcp/5432] }", "services: [tcp/5432], action: override-deny }"));
    lab.refuses(&["apply"], 4, &["deny-on-cloud", "shop/web-db"]);
    lab.policy(&POLICY.replace("mode: full", "mode: selective"));
    lab.refuses(&["apply"], 4, &["selective-on-cloud"]);
}
