//! Writes of network firewall policies.

use provider::ErrorKind;
use provider_gcp::marks;
use provider_gcp::resources::SecureTag;
use provider_gcp::write::NewAssociation;
use serde_json::{Value, json};

use crate::harness::{Sim, path, rule, slow};

#[tokio::test]
async fn a_policy_is_made_once_with_its_mark_and_rules() {
    let sim = Sim::start(slow()).await;
    let mark = marks::description("shop", "policy", "for v");
    let rules = [rule("100 allow 443 10.0.0.0/8 *")];
    for at in ["pol/p", "rpol/p"] {
        let made = sim.writer.create_policy(&path(at), &mark, &rules).await.unwrap();
        assert_eq!(made.calls.len(), 1);
        assert!(made.calls[0].request_id.starts_with("operation-"), "{made:?}");
        let again = sim.writer.create_policy(&path(at), &mark, &rules).await.unwrap();
        assert_eq!(again.calls.len(), 0);
        let other = sim.writer.create_policy(&path(at), "theirs", &rules).await.unwrap_err();
        assert_eq!((other.error.kind, other.calls.len()), (ErrorKind::Conflict, 0));
        assert_eq!(sim.show(at)["rules"][0]["priority"], 100);
    }
    let inserts = ["compute.networkFirewallPolicies.insert", "compute.regionNetworkFirewallPolicies.insert"];
    assert_eq!(sim.mutations(), inserts);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn rules_are_replaced_whole_and_foreign_ones_survive() {
    let sim = Sim::start(slow()).await;
    let value = sim.tag("web");
    let theirs = json!({ "priority": 7, "action": "allow", "direction": "INGRESS", "description": "theirs",
        "ruleName": "n", "match": { "srcIpRanges": ["10.0.0.0/8"], "srcRegionCodes": ["DE"],
        "layer4Configs": [{ "ipProtocol": "tcp", "ports": ["22"] }] } });
    sim.seed("pol/p", json!({ "rules": [theirs] }));
    let seen = sim.estate().await.policies[&path("pol/p")].fingerprint.clone();
    let ours = rule(&format!("100 allow 443 {value} {value}"));
    let swap = |rules: &[provider_gcp::resources::PolicyRule]| {
        let mut rules = rules.to_vec();
        rules.retain(|rule| rule.description.as_deref() == Some("theirs"));
        rules.push(ours.clone());
        rules
    };
    let done = sim.writer.patch_policy(&path("pol/p"), Some(&seen), swap).await.unwrap();
    assert_eq!(done.calls.len(), 1);
    let shown = sim.show("pol/p");
    assert_eq!(shown["rules"][0]["match"]["srcRegionCodes"], json!(["DE"]), "what we do not know is kept");
    assert_eq!(shown["rules"][1]["targetSecureTags"][0]["name"], json!(value));
    let now = shown["fingerprint"].as_str();
    let again = sim.writer.patch_policy(&path("pol/p"), now, swap).await.unwrap();
    assert_eq!(again.calls.len(), 0);
    let none = sim.writer.patch_policy(&path("pol/p"), None, |_| Vec::new()).await.unwrap();
    assert_eq!(
        (none.calls.len(), sim.show("pol/p")["rules"].as_array().unwrap().len()),
        (1, 4),
        "only predefined ones"
    );
    sim.assert_no_complaints();
}

#[tokio::test]
async fn a_change_by_somebody_else_is_a_conflict() {
    let sim = Sim::start(slow()).await;
    sim.seed("pol/p", json!({}));
    let seen = sim.estate().await.policies[&path("pol/p")].fingerprint.clone();
    let drift = json!({ "priority": 7, "action": "deny", "direction": "INGRESS",
        "match": { "srcIpRanges": ["10.0.0.0/8"], "layer4Configs": [{ "ipProtocol": "all" }] } });
    let at = format!("{}/addRule", path("pol/p"));
    sim.perform("POST", &at, drift);
    let ours = || vec![rule("100 allow 443 10.0.0.0/8 *")];
    let moved = sim.writer.patch_policy(&path("pol/p"), Some(&seen), |_| ours()).await.unwrap_err();
    assert_eq!((moved.error.kind, moved.calls.len()), (ErrorKind::Conflict, 0), "nothing was sent");
    // Between our read and our write: the cloud says 412.
    let policy = path("pol/p");
    let race = sim.writer.patch_policy(&policy, None, |_| {
        let rule = json!({ "priority": 8, "action": "deny", "direction": "INGRESS",
            "match": { "srcIpRanges": ["10.0.0.0/8"], "layer4Configs": [{ "ipProtocol": "all" }] } });
        sim.perform("POST", &at, rule);
        ours()
    });
    let race = race.await.unwrap_err();
    assert_eq!((race.error.kind, race.error.code.as_str()), (ErrorKind::Conflict, "conditionNotMet"));
    assert_eq!(race.calls.len(), 1);
    assert!(race.error.retryable() && !race.error.hint.is_empty());
    assert_eq!(sim.show("pol/p")["rules"].as_array().unwrap().len(), 6, "both of theirs are there");
    let delete = sim.writer.delete_policy(&path("pol/p"), Some(&seen)).await.unwrap_err();
    assert_eq!(delete.error.kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn an_empty_list_is_never_sent() {
    let sim = Sim::start(slow()).await;
    sim.seed("pol/p", json!({}));
    let mut emptied = rule("100 allow 443 10.0.0.0/8 *");
    emptied.target_secure_tags = Some(Vec::<SecureTag>::new());
    let edit = |_: &[provider_gcp::resources::PolicyRule]| vec![emptied.clone()];
    let refused = sim.writer.patch_policy(&path("pol/p"), None, edit).await.unwrap_err();
    assert_eq!((refused.error.kind, refused.calls.len()), (ErrorKind::Rejected, 0));
}

#[tokio::test]
async fn a_policy_is_attached_exchanged_and_taken_off() {
    let sim = Sim::start(slow()).await;
    sim.seed("pol/p", json!({}));
    sim.seed("pol/q", json!({}));
    let on = |name: &str| NewAssociation { name: name.to_owned(), network: path("net/v"), priority: None };
    assert_eq!(sim.writer.associate(&path("pol/p"), &on("v"), None).await.unwrap().calls.len(), 1);
    assert_eq!(sim.writer.associate(&path("pol/p"), &on("v"), None).await.unwrap().calls.len(), 0);
    let full = sim.writer.associate(&path("pol/q"), &on("v"), None).await.unwrap_err();
    assert_eq!(full.error.kind, ErrorKind::Rejected);
    let used = sim.writer.delete_policy(&path("pol/p"), None).await.unwrap_err();
    assert_eq!((used.error.kind, used.calls.len()), (ErrorKind::Conflict, 1));
    let swapped = sim.writer.associate(&path("pol/q"), &on("v"), Some(&path("pol/p"))).await.unwrap();
    assert_eq!(swapped.calls.len(), 1);
    let gone = sim.writer.associate(&path("pol/q"), &on("x"), Some(&path("pol/p"))).await.unwrap_err();
    assert_eq!(gone.error.kind, ErrorKind::Conflict, "what was to be replaced is not there");
    let estate = sim.estate().await;
    assert_eq!(estate.policies[&path("pol/q")].associations[0].attachment_target, path("net/v"));
    assert!(estate.policies[&path("pol/p")].associations.is_empty());
    for (calls, at) in [(1, "v"), (0, "v")] {
        assert_eq!(sim.writer.dissociate(&path("pol/q"), at).await.unwrap().calls.len(), calls);
    }
    for calls in [1, 0] {
        assert_eq!(sim.writer.delete_policy(&path("pol/q"), None).await.unwrap().calls.len(), calls);
    }
    assert_eq!(sim.show("net/v")["firewallPolicy"], Value::Null);
    sim.assert_no_complaints();
}
