//! Answers that are lost: what was done is found again, and nothing is done twice.

use mock_cloud::Fault;
use provider::ErrorKind;
use provider_gcp::write::{KeyScope, NewAssociation};
use serde_json::json;

use crate::harness::{NUMBER, PROJECT, Sim, firewall, path, rule, slow};

fn lose(sim: &Sim, action: &str) {
    sim.front.world().faults.plant(action, 1, Fault::LostAnswer);
}

fn ssh() -> provider_gcp::resources::Firewall {
    firewall("x", json!({ "sourceRanges": ["10.0.0.0/8"], "allowed": [{ "IPProtocol": "tcp" }] }))
}

#[tokio::test]
async fn the_operation_of_a_lost_answer_is_followed() {
    let sim = Sim::start(slow()).await;
    for action in ["firewalls.insert", "firewalls.patch", "instances.setTags"] {
        lose(&sim, &format!("compute.{action}"));
    }
    for action in ["insert", "patch", "addAssociation", "removeAssociation", "delete"] {
        lose(&sim, &format!("compute.networkFirewallPolicies.{action}"));
    }
    let writer = &sim.writer;
    writer.create_firewall(PROJECT, &ssh()).await.unwrap();
    let mut other = ssh();
    other.priority = Some(3);
    let patched = writer.patch_firewall(&path("fw/x"), &other, None).await.unwrap();
    assert!(patched.calls[0].request_id.starts_with("operation-"), "{patched:?}");
    writer.change_network_tags(&path("vm/a"), &["db".to_owned()].into(), &[].into(), None).await.unwrap();
    let policy = path("pol/p");
    writer.create_policy(&policy, "ours", &[]).await.unwrap();
    writer.patch_policy(&policy, None, |_| vec![rule("1 allow 443 10.0.0.0/8 *")]).await.unwrap();
    let on = NewAssociation { name: "v".to_owned(), network: path("net/v"), priority: None };
    writer.associate(&policy, &on, None).await.unwrap();
    writer.dissociate(&policy, "v").await.unwrap();
    writer.delete_policy(&policy, None).await.unwrap();
    assert_eq!(sim.mutations().len(), 8, "each was sent once");
    assert_eq!(sim.show("fw/x")["priority"], 3);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn tags_of_a_lost_answer_are_looked_for() {
    let sim = Sim::start(slow()).await;
    for action in ["tagKeys.create", "tagValues.create", "tagBindings.create", "tagBindings.delete"] {
        lose(&sim, &format!("cloudresourcemanager.{action}"));
    }
    let scope = KeyScope::Network(path("net/v"));
    let key = sim.writer.create_tag_key(&format!("projects/{NUMBER}"), "k", &scope, "d").await.unwrap();
    let value = sim.writer.create_tag_value(&key.name, "web", "d").await.unwrap();
    let a = sim.full_name("a");
    sim.writer.bind(&a, &value.name).await.unwrap();
    sim.writer.unbind(&a, &value.name).await.unwrap();
    assert_eq!(sim.mutations().len(), 4, "each was sent once");
    sim.assert_no_complaints();
}

#[tokio::test]
async fn a_call_that_never_arrived_is_transient_and_not_sent_again() {
    let sim = Sim::start(slow()).await;
    // The search for the operation finds nothing: the service failed before it did anything.
    sim.front.world().faults.plant("compute.firewalls.insert", 1, Fault::ServerError);
    let failed = sim.writer.create_firewall(PROJECT, &ssh()).await.unwrap_err();
    assert_eq!((failed.error.kind, failed.calls.len()), (ErrorKind::Transient, 1));
    assert_eq!(sim.outcomes("compute.firewalls.insert").len(), 1);
    assert_eq!(sim.outcomes("compute.globalOperations.list"), ["ok", "ok", "ok"], "it was looked for");
    sim.writer.create_firewall(PROJECT, &ssh()).await.unwrap();
    // The way back is cut for good: what became of the call is unknown, and said so.
    lose(&sim, "compute.firewalls.delete");
    sim.front.world().faults.plant("compute.globalOperations.list", 1, Fault::ServerError);
    let failed = sim.writer.delete_firewall(&path("fw/x"), None).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Transient);
    assert!(failed.error.message.contains("lost"), "{}", failed.error);
    assert_eq!(sim.writer.delete_firewall(&path("fw/x"), None).await.unwrap().calls.len(), 0, "it was done");
}
