//! Writes of rules, security groups and application security groups.

use provider::ErrorKind;
use provider_azure::resources::{SecurityGroup, Tags, kind};
use provider_azure::write::{Flush, RuleChange};
use serde_json::{Value, json};

use crate::harness::{Sim, delete, id, put, rule, slow};

fn change(put: &[(&str, &str)], delete: &[&str]) -> RuleChange {
    RuleChange {
        put: put.iter().map(|(name, short)| rule(name, short)).collect(),
        delete: delete.iter().map(|name| (*name).to_owned()).collect(),
        flush: Flush::AsIs,
    }
}

fn tags() -> Tags {
    [("managed-by".to_owned(), "bulkhead".to_owned())].into()
}

#[tokio::test]
async fn one_rule_is_written_beside_its_neighbours() {
    let sim = Sim::start(slow()).await;
    let theirs = sim.show("nsg/n/theirs")["properties"].clone();
    let ours = rule("ours", "300 in allow Tcp asg:web asg:db 443,8000-8080");
    let written = sim.writer.change_rules(&id("nsg/n"), &put(ours.clone()), None).await.unwrap();
    assert_eq!(written.calls.len(), 1);
    assert_eq!(written.calls[0].action, "Microsoft.Network/networkSecurityGroups/securityRules/write");
    assert!(!written.calls[0].request_id.is_empty());
    let etag = sim.show("nsg/n/ours")["etag"].as_str().unwrap().to_owned();
    assert_eq!(sim.show("nsg/n/ours")["properties"]["provisioningState"], "Succeeded");
    assert_eq!(sim.show("nsg/n/theirs")["properties"], theirs);
    let again = sim.writer.change_rules(&id("nsg/n"), &put(ours.clone()), Some(&etag)).await.unwrap();
    assert_eq!(again.calls.len(), 0, "true already");
    let other = rule("ours", "300 in allow Tcp asg:web asg:db 443");
    sim.writer.change_rules(&id("nsg/n"), &put(other.clone()), Some(&etag)).await.unwrap();
    assert_eq!(sim.show("nsg/n/ours")["properties"]["destinationPortRange"], "443");
    let gone = sim.writer.change_rules(&id("nsg/n"), &delete("ours"), None).await.unwrap();
    assert_eq!(gone.calls[0].action, "Microsoft.Network/networkSecurityGroups/securityRules/delete");
    assert!(sim.writer.change_rules(&id("nsg/n"), &delete("ours"), None).await.unwrap().calls.is_empty());
    assert_eq!(sim.mutations().len(), 3);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn a_rule_planned_on_an_older_group_is_not_written() {
    let sim = Sim::start(slow()).await;
    let seen = sim.show("nsg/n")["etag"].as_str().unwrap().to_owned();
    sim.rule("drift", "210 in allow Tcp * * 80");
    for (name, short) in [("ours", "300 in allow Tcp * * 443"), ("theirs", "200 in deny Tcp * * 22")] {
        let error =
            sim.writer.change_rules(&id("nsg/n"), &put(rule(name, short)), Some(&seen)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{name}");
    }
    let error = sim.writer.change_rules(&id("nsg/n"), &delete("theirs"), Some(&seen)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    let error =
        sim.writer.change_rules(&id("nsg/n"), &change(&[], &["theirs"]), Some(&seen)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert_eq!(sim.mutations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_taken_priority_is_a_conflict() {
    let sim = Sim::start(slow()).await;
    let ours = rule("ours", "200 in allow Tcp * * 443");
    let error = sim.writer.change_rules(&id("nsg/n"), &put(ours.clone()), None).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Conflict, "SecurityRuleConflict"));
    assert!(!error.request_id.is_empty());
    assert!(error.retryable());
}

#[tokio::test]
async fn a_whole_group_is_changed_in_one_call_and_foreign_rules_stay_as_they_are() {
    let sim = Sim::start(slow()).await;
    // Fields of a newer version, which our types have never heard of.
    let odd = json!({ "properties": {
        "priority": 210, "direction": "Inbound", "access": "allow", "protocol": "TCP", "description": "",
        "sourceAddressPrefix": "Internet", "sourcePortRanges": ["1-2"], "destinationAddressPrefixes": ["10.0.0.9"],
        "destinationPortRange": "0-65535", "newer": { "deep": [1, null] } } });
    sim.seed("nsg/n/odd", odd);
    let foreign = |sim: &Sim| -> Vec<Value> {
        let rules = sim.show("nsg/n")["properties"]["securityRules"].as_array().unwrap().clone();
        let foreign = rules.into_iter().filter(|rule| !rule["name"].as_str().unwrap().starts_with("ours"));
        let mut foreign: Vec<Value> = foreign.collect();
        foreign.iter_mut().for_each(|rule| drop(rule.as_object_mut().unwrap().remove("etag")));
        foreign
    };
    let before = foreign(&sim);
    assert_eq!(before.len(), 2);
    let put: Vec<(String, String)> = (0..300)
        .map(|n| (format!("ours-{n}"), format!("{} in allow Tcp asg:web asg:db {n}", 1000 + n)))
        .collect();
    let put: Vec<(&str, &str)> = put.iter().map(|(name, short)| (name.as_str(), short.as_str())).collect();
    sim.writer.change_rules(&id("nsg/n"), &change(&put, &[]), None).await.unwrap();
    assert_eq!(foreign(&sim), before);
    let first = sim.show("nsg/n")["etag"].as_str().unwrap().to_owned();
    let second = change(&[("ours-1", "1001 in deny Tcp * * 1")], &["OURS-0", "never-there"]);
    let second = sim.writer.change_rules(&id("nsg/n"), &second, Some(&first)).await.unwrap();
    assert_eq!(second.calls.len(), 1);
    assert_eq!(foreign(&sim), before);
    let rules = sim.show("nsg/n")["properties"]["securityRules"].as_array().unwrap().len();
    assert_eq!(rules, 2 + 299);
    assert_eq!(sim.show("nsg/n/ours-1")["properties"]["access"], "Deny");
    let same = change(&[("ours-1", "1001 in deny Tcp * * 1")], &["ours-0"]);
    assert!(sim.writer.change_rules(&id("nsg/n"), &same, None).await.unwrap().calls.is_empty());
    assert_eq!(sim.show("nsg/n")["tags"], json!({ "owner": "them" }));
    assert_eq!(sim.mutations(), ["PUT networkSecurityGroups"; 2]);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn open_connections_are_judged_again_by_choice() {
    let sim = Sim::start(slow()).await;
    let flush = |flush| RuleChange { flush, ..change(&[], &[]) };
    let shown = || sim.show("nsg/n")["properties"].get("flushConnection").cloned();
    for (choice, calls, then) in [
        (Flush::AsIs, 0, None),
        (Flush::KeepOpen, 0, None),
        (Flush::JudgeAgain, 1, Some(json!(true))),
        (Flush::AsIs, 0, Some(json!(true))),
        (Flush::JudgeAgain, 0, Some(json!(true))),
        (Flush::KeepOpen, 1, Some(json!(false))),
    ] {
        let written = sim.writer.change_rules(&id("nsg/n"), &flush(choice), None).await.unwrap();
        assert_eq!((written.calls.len(), shown()), (calls, then), "{choice:?}");
    }
    sim.assert_no_complaints();
}

#[tokio::test]
async fn application_groups_come_with_their_tags_and_go() {
    let sim = Sim::start(slow()).await;
    let group = kind::APPLICATION_GROUP.named(crate::harness::SUBSCRIPTION, "rg", "made");
    let made = sim.writer.create_application_group(&group, "westeurope", &tags()).await.unwrap();
    assert_eq!(made.calls.len(), 1);
    assert_eq!(sim.show("asg/made")["tags"], json!({ "managed-by": "bulkhead" }));
    assert_eq!(sim.estate().await.application_groups[&group].tags, tags());
    let again = sim.writer.create_application_group(&group, "westeurope", &tags()).await.unwrap();
    assert_eq!(again.calls.len(), 0);
    let theirs =
        sim.writer.create_application_group(&id("asg/web"), "westeurope", &tags()).await.unwrap_err();
    assert_eq!(theirs.kind, ErrorKind::Conflict, "another's group is not taken over");
    let used = sim.writer.delete_application_group(&id("asg/web"), None).await.unwrap_err();
    assert_eq!(used.kind, ErrorKind::Conflict);
    let old = sim.writer.delete_application_group(&group, Some("W/\"old\"")).await.unwrap_err();
    assert_eq!(old.kind, ErrorKind::Conflict);
    assert_eq!(sim.writer.delete_application_group(&group, None).await.unwrap().calls.len(), 1);
    assert!(sim.writer.delete_application_group(&group, None).await.unwrap().calls.is_empty());
    let nowhere = id("none:asg/x");
    let error = sim.writer.create_application_group(&nowhere, "westeurope", &tags()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::NotFound, "ResourceGroupNotFound"));
    sim.assert_no_complaints();
}

#[tokio::test]
async fn security_groups_come_empty_and_go_when_nothing_uses_them() {
    let sim = Sim::start(slow()).await;
    let made = sim.writer.create_security_group(&id("nsg/m"), "westeurope", &tags()).await.unwrap();
    assert_eq!(made.calls.len(), 1);
    let made = sim.show("nsg/m")["etag"].as_str().unwrap().to_owned();
    let used = sim.writer.delete_security_group(&id("nsg/n"), None).await.unwrap_err();
    assert_eq!(
        (used.kind, used.code.as_str()),
        (ErrorKind::Conflict, "InUseNetworkSecurityGroupCannotBeDeleted")
    );
    let old = sim.writer.delete_security_group(&id("nsg/m"), Some("W/\"old\"")).await.unwrap_err();
    assert_eq!(old.kind, ErrorKind::Conflict);
    let gone = sim.writer.delete_security_group(&id("nsg/m"), Some(&made)).await.unwrap();
    assert_eq!(gone.calls.len(), 1);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn writes_of_one_resource_wait_for_each_other() {
    let sim = Sim::start(slow()).await;
    let writes = (0..12).map(|n| {
        let writer = sim.writer.clone();
        async move {
            let ours = rule(&format!("ours-{n}"), &format!("{} in allow Tcp * * 443", 1000 + n));
            writer.change_rules(&id("nsg/n"), &put(ours.clone()), None).await
        }
    });
    let all = futures_util::future::join_all(writes).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let refused = sim.outcomes("PUT networkSecurityGroups/securityRules");
    assert_eq!(refused, ["ok"; 12], "nobody met another's operation");
}

#[tokio::test]
async fn what_is_read_is_accepted_when_it_is_written_back() {
    let sim = Sim::start(slow()).await;
    let group: SecurityGroup = sim
        .arm
        .get(&kind::SECURITY_GROUP.reading(), id("nsg/n").as_str(), kind::SECURITY_GROUP.version)
        .await
        .unwrap();
    assert!(!group.properties.default_security_rules.is_empty(), "read-only parts are there to be left out");
    let before = sim.show("nsg/n");
    sim.writer
        .change_rules(&id("nsg/n"), &change(&[("x", "500 in allow Tcp * * 1")], &[]), None)
        .await
        .unwrap();
    sim.writer.change_rules(&id("nsg/n"), &change(&[], &["x"]), None).await.unwrap();
    let mut after = sim.show("nsg/n");
    after["etag"] = before["etag"].clone();
    after["properties"]["securityRules"][0]["etag"] =
        before["properties"]["securityRules"][0]["etag"].clone();
    assert_eq!(after, before);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn tags_are_changed_and_nothing_else_is() {
    let sim = Sim::start(slow()).await;
    for (kind, short) in [(kind::SECURITY_GROUP, "nsg/n"), (kind::APPLICATION_GROUP, "asg/web")] {
        let before = sim.show(short);
        let seen = before["etag"].as_str();
        let written = sim.writer.put_tags(kind, &id(short), &tags(), seen).await.unwrap();
        assert_eq!(
            (written.calls.len(), sim.show(short)["tags"].clone()),
            (1, json!({ "managed-by": "bulkhead" }))
        );
        assert_eq!(sim.show(short)["properties"]["provisioningState"], "Succeeded");
        assert_eq!(sim.show(short)["location"], before["location"]);
        assert!(sim.writer.put_tags(kind, &id(short), &tags(), None).await.unwrap().calls.is_empty());
        let error = sim.writer.put_tags(kind, &id(short), &Tags::new(), seen).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
    }
    assert_eq!(sim.show("nsg/n")["properties"]["securityRules"].as_array().unwrap().len(), 1);
    sim.assert_no_complaints();
}
