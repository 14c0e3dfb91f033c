//! Writes of classic rules and of the network tags that they name.

use std::collections::BTreeSet;

use provider::ErrorKind;
use serde_json::json;

use crate::harness::{PROJECT, Sim, firewall, path, slow};

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn a_rule_is_made_changed_and_deleted() {
    let sim = Sim::start(slow()).await;
    let first = firewall(
        "x",
        json!({ "sourceTags": ["web"], "targetTags": ["db"], "priority": 500,
        "allowed": [{ "IPProtocol": "tcp", "ports": ["5432"] }] }),
    );
    assert_eq!(sim.writer.create_firewall(PROJECT, &first).await.unwrap().calls.len(), 1);
    assert_eq!(sim.writer.create_firewall(PROJECT, &first).await.unwrap().calls.len(), 0);
    let theirs =
        firewall("ssh", json!({ "sourceRanges": ["10.0.0.0/8"], "allowed": [{ "IPProtocol": "tcp" }] }));
    let taken = sim.writer.create_firewall(PROJECT, &theirs).await.unwrap_err();
    assert_eq!((taken.error.kind, taken.calls.len()), (ErrorKind::Conflict, 0));

    let seen = sim.estate().await.firewalls[&path("fw/x")].rule.clone();
    // The last source tag goes, accounts come, deny instead of allow.
    let second = firewall(
        "x",
        json!({ "sourceRanges": ["10.0.0.0/8"], "targetTags": ["db"], "priority": 0,
        "denied": [{ "IPProtocol": "all" }] }),
    );
    assert_eq!(sim.writer.patch_firewall(&path("fw/x"), &second, Some(&seen)).await.unwrap().calls.len(), 1);
    assert_eq!(sim.writer.patch_firewall(&path("fw/x"), &second, None).await.unwrap().calls.len(), 0);
    let shown = sim.show("fw/x");
    assert_eq!((shown.get("sourceTags"), shown.get("allowed")), (None, None));
    assert_eq!((&shown["priority"], &shown["denied"]), (&json!(0), &json!([{ "IPProtocol": "all" }])));

    let moved = sim.writer.patch_firewall(&path("fw/x"), &first, Some(&seen)).await.unwrap_err();
    assert_eq!((moved.error.kind, moved.calls.len()), (ErrorKind::Conflict, 0));
    let moved = sim.writer.delete_firewall(&path("fw/x"), Some(&seen)).await.unwrap_err();
    assert_eq!(moved.error.kind, ErrorKind::Conflict);
    for calls in [1, 0] {
        assert_eq!(
            sim.writer.delete_firewall(&path("fw/x"), Some(&second)).await.unwrap().calls.len(),
            calls
        );
    }
    let gone = sim.writer.patch_firewall(&path("fw/x"), &first, None).await.unwrap_err();
    assert_eq!(gone.error.kind, ErrorKind::NotFound);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn a_rule_is_never_widened_by_what_it_loses() {
    let sim = Sim::start(slow()).await;
    let allowed = json!([{ "IPProtocol": "tcp" }]);
    let open = firewall("x", json!({ "targetTags": ["db"], "allowed": allowed }));
    let refused = sim.writer.create_firewall(PROJECT, &open).await.unwrap_err();
    assert_eq!(
        (refused.error.kind, refused.calls.len()),
        (ErrorKind::Rejected, 0),
        "it would be from everywhere"
    );
    let out = firewall("x", json!({ "direction": "EGRESS", "targetTags": ["db"], "allowed": allowed }));
    assert_eq!(sim.writer.create_firewall(PROJECT, &out).await.unwrap_err().error.kind, ErrorKind::Rejected);
    let good = firewall("x", json!({ "sourceTags": ["web"], "targetTags": ["db"], "allowed": allowed }));
    sim.writer.create_firewall(PROJECT, &good).await.unwrap();
    for bad in [open, firewall("x", json!({ "sourceTags": ["web"], "allowed": allowed }))] {
        let refused = sim.writer.patch_firewall(&path("fw/x"), &bad, None).await.unwrap_err();
        assert_eq!((refused.error.kind, refused.calls.len()), (ErrorKind::Rejected, 0));
    }
    assert_eq!(sim.show("fw/x")["sourceTags"], json!(["web"]));
}

#[tokio::test]
async fn network_tags_change_and_others_stay() {
    let sim = Sim::start(slow()).await;
    let seen = sim.estate().await.instances[&path("vm/a")].tags_fingerprint.clone();
    let a = path("vm/a");
    let done = sim.writer.change_network_tags(&a, &set(&["db"]), &set(&["none"]), Some(&seen)).await.unwrap();
    assert_eq!(sim.show("vm/a")["tags"]["items"], json!(["db", "web"]));
    assert_eq!(done.calls.len(), 1);
    let again = sim.writer.change_network_tags(&a, &set(&["db"]), &set(&[]), None).await.unwrap();
    assert_eq!(again.calls.len(), 0);
    let moved = sim.writer.change_network_tags(&a, &set(&["x"]), &set(&[]), Some(&seen)).await.unwrap_err();
    assert_eq!((moved.error.kind, moved.calls.len()), (ErrorKind::Conflict, 0));
    sim.writer.change_network_tags(&a, &set(&[]), &set(&["db", "web"]), None).await.unwrap();
    assert_eq!(sim.show("vm/a")["tags"].get("items"), None);
    let gone = sim.writer.change_network_tags(&path("vm/none"), &set(&["x"]), &set(&[]), None).await;
    assert_eq!(gone.unwrap_err().error.kind, ErrorKind::NotFound);
    sim.assert_no_complaints();
}
