//! The whole road on Google Cloud: a label policy over labelled instances is planned, proven, applied, and holds.

use plan::{Desired, Observed, ScopeInput, Step};
use policy::compile::compile;
use policy::file::{PolicyFiles, SourceFile, load};
use policy::{CompiledPolicy, Snapshot};
use provider::conformance::snapshot;
use provider::{CloudReader, LowerInput};
use provider_gcp::Identity;
use serde_json::{Value, json};

use crate::driver::Driver;
use crate::harness::{instance, link, path, slow};

const POLICY: &str = "
labels: { role: [web, app, db], env: [prod] }
ip_lists: { office: { addresses: [203.0.113.0/24] } }
rulesets:
  - name: shop
    rules:
      - { name: office, sources: [list:office], destinations: [role=web], services: [tcp/443] }
      - { name: web-db, sources: [role=web], destinations: [role=db], services: [tcp/5432] }
      - { name: gossip, sources: [role=db], destinations: [role=db], services: [udp/7000-7010] }
";

/// What one look leads to.
struct Look {
    observed: Observed,
    snapshot: Snapshot,
    compiled: CompiledPolicy,
    steps: Vec<Step>,
    desired: Desired,
}

fn files(text: &str) -> PolicyFiles {
    load(&[SourceFile { name: "policy.yaml".to_owned(), text: text.to_owned() }]).unwrap()
}

async fn look(driver: &Driver, text: &str) -> Look {
    let observed = driver.look().await;
    let snapshot = snapshot(&files(text), &driver.scope, &observed);
    let compiled = compile(&snapshot).policy;
    let domain = [(&driver.scope, &observed)];
    let input = LowerInput {
        installation: "shop",
        compiled: &compiled,
        snapshot: &snapshot,
        domain: &domain,
        scope: 0,
    };
    let desired = driver.reader.lower(&input);
    let inputs = [ScopeInput { scope: &driver.scope, observed: &observed, desired: &desired }];
    let planned = plan::plan_steps(&inputs, &[]);
    assert!(planned.blocks.is_empty(), "{:?}", planned.blocks);
    Look { steps: planned.steps, observed, snapshot, compiled, desired }
}

/// Applies until nothing is left to do; the number of steps of each pass. Every end state is proven first.
async fn converge(driver: &mut Driver, text: &str) -> Vec<usize> {
    let mut passes = Vec::new();
    loop {
        let look = look(driver, text).await;
        let blocking: Vec<_> = look.desired.findings.iter().filter(|finding| finding.is_blocking()).collect();
        assert!(blocking.is_empty(), "{blocking:?}");
        let steps: Vec<&Step> = look.steps.iter().collect();
        let end = driver.reader.after(&look.observed, &steps);
        let proof = plan::prove(&driver.reader.semantics(&[&end]), &look.compiled, &look.snapshot);
        assert!(proof.equivalent, "{:#?}", proof.witnesses);
        passes.push(look.steps.len());
        if look.steps.is_empty() {
            return passes;
        }
        assert!(passes.len() < 3, "{:?}", look.steps.iter().map(|step| &step.title).collect::<Vec<_>>());
        for step in &look.steps {
            let done = driver.apply(step).await;
            done.unwrap_or_else(|failed| panic!("{}: {:?}", step.title, failed.error));
        }
    }
}

async fn labelled() -> Driver {
    labelled_with(Identity::SecureTags).await
}

async fn labelled_with(identity: Identity) -> Driver {
    let driver = Driver::start_with(slow(), identity).await;
    let order = json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" });
    driver.sim.perform("PATCH", path("net/v").as_str(), order);
    for (name, role) in [("w-1", "web"), ("w-2", "web"), ("d-1", "db"), ("d-2", "db")] {
        let mut body = instance("sub/s", &[]);
        body["labels"] = json!({ "role": role, "env": "prod" });
        driver.sim.seed(&format!("vm/{name}"), body);
    }
    driver
}

#[tokio::test]
async fn a_policy_is_planned_proven_applied_and_holds() {
    for identity in [Identity::SecureTags, Identity::NetworkTags] {
        holds_in(&mut labelled_with(identity).await).await;
    }
}

async fn holds_in(driver: &mut Driver) {
    let passes = converge(driver, POLICY).await;
    assert!(passes[0] > 5 && passes[1..] == [0], "one pass, then nothing: {passes:?}");
    if driver.own.identity == Identity::NetworkTags {
        let calls = driver.sim.mutations();
        let is_plain =
            |call: &String| call.starts_with("compute.firewalls.") || call == "compute.instances.setTags";
        assert!(calls.iter().all(is_plain), "no organisation is needed: {calls:?}");
    }
    for (from, to, port, expected) in [
        ("w-1", "d-1", 5432, true),
        ("w-2", "d-2", 5432, true),
        ("d-1", "w-1", 5432, false),
        ("w-1", "w-2", 443, false),
        ("203.0.113.9", "w-1", 443, true),
        ("203.0.113.9", "w-1", 22, false),
        ("198.51.100.1", "w-1", 443, false),
        ("203.0.113.9", "d-1", 5432, false),
    ] {
        assert_eq!(driver.passes(from, to, port), expected, "{from} → {to} tcp/{port}");
    }
    driver.sim.assert_no_complaints();
}

#[tokio::test]
async fn a_relabel_and_a_change_are_one_pass() {
    for identity in [Identity::SecureTags, Identity::NetworkTags] {
        changes_in(&mut labelled_with(identity).await).await;
    }
}

async fn changes_in(driver: &mut Driver) {
    converge(driver, POLICY).await;
    let wider = POLICY.replace("tcp/5432", "tcp/5432-5433").replace("203.0.113.0/24", "203.0.113.0/25");
    let passes = converge(driver, &wider).await;
    assert!(passes.len() == 2 && passes[0] > 0, "{passes:?}");
    assert!(driver.passes("w-1", "d-1", 5433) && !driver.passes("203.0.113.200", "w-1", 443));
    let shown: Value = driver.sim.show("vm/w-2");
    let labels =
        json!({ "labels": { "role": "db", "env": "prod" }, "labelFingerprint": shown["labelFingerprint"] });
    driver.sim.perform("POST", &format!("{}/setLabels", path("vm/w-2").as_str()), labels);
    let passes = converge(driver, &wider).await;
    assert!(passes.len() == 2 && passes[0] > 0, "{passes:?}");
    assert!(driver.passes("w-1", "w-2", 5432) && !driver.passes("203.0.113.9", "w-2", 443));
}

/// What blocks a plan, as `CODE MESSAGE`.
async fn blocking(driver: &Driver, text: &str) -> Vec<String> {
    let look = look(driver, text).await;
    let blocking = look.desired.findings.iter().filter(|finding| finding.is_blocking());
    blocking.map(|finding| format!("{} {}", finding.code, finding.message)).collect()
}

#[tokio::test]
async fn an_exclusive_scope_is_let_pass_by_its_own_rules_alone() {
    let mut driver = labelled().await;
    driver.scope.attachment = plan::Attachment::Exclusive;
    let order = |word: &str| json!({ "networkFirewallPolicyEnforcementOrder": word });
    driver.sim.perform("PATCH", path("net/v").as_str(), order("AFTER_CLASSIC_FIREWALL"));
    let front = "exclusive-in-front rule `ssh` at 900 of classic rules of v lets ingress pass at";
    let found = blocking(&driver, POLICY).await;
    assert!(found.len() == 1 && found[0].starts_with(front), "{found:?}");
    driver.sim.perform("PATCH", path("net/v").as_str(), order("BEFORE_CLASSIC_FIREWALL"));
    assert!(driver.passes("192.0.2.7", "w-1", 22), "open until it is closed");
    let passes = converge(&mut driver, POLICY).await;
    assert!(passes.len() == 2, "{passes:?}");
    assert!(!driver.passes("192.0.2.7", "w-1", 22) && !driver.passes("192.0.2.7", "d-1", 22));
    assert!(driver.passes("w-1", "d-1", 5432) && driver.passes("203.0.113.9", "w-1", 443));
    // Somebody puts a rule in front of our denies, and another one behind them.
    let policy = provider_gcp::ids::policy("shop", &crate::driver::network("v"));
    for priority in [7, 2_000_090] {
        let theirs = json!({ "priority": priority, "action": "allow", "direction": "INGRESS",
            "match": { "srcIpRanges": ["192.0.2.0/24"], "layer4Configs": [{ "ipProtocol": "tcp" }] } });
        driver.sim.perform("POST", &format!("{policy}/addRule"), theirs);
    }
    let found = blocking(&driver, POLICY).await;
    assert!(found.len() == 1 && found[0].contains("rule `7` at 7 of bulkhead-shop-"), "{found:?}");
    assert!(driver.passes("192.0.2.7", "w-1", 22), "it is in front");
    driver.sim.perform("POST", &format!("{policy}/removeRule?priority=7"), Value::Null);
    assert_eq!(blocking(&driver, POLICY).await, [""; 0]);
    assert!(!driver.passes("192.0.2.7", "w-1", 22), "the one behind lets nothing pass");
}

#[tokio::test]
async fn where_network_tags_stand_for_classes_other_rules_are_in_front() {
    let mut driver = labelled_with(Identity::NetworkTags).await;
    driver.scope.attachment = plan::Attachment::Exclusive;
    // Behind our classic rules, whatever comes first.
    for order in ["AFTER_CLASSIC_FIREWALL", "BEFORE_CLASSIC_FIREWALL"] {
        let order = json!({ "networkFirewallPolicyEnforcementOrder": order });
        driver.sim.perform("PATCH", path("net/v").as_str(), order);
        assert_eq!(blocking(&driver, POLICY).await, [""; 0]);
    }
    converge(&mut driver, POLICY).await;
    assert!(!driver.passes("192.0.2.7", "w-1", 22));
    driver.sim.perform("PATCH", path("fw/ssh").as_str(), json!({ "priority": 800 }));
    let found = blocking(&driver, POLICY).await;
    assert!(found.len() == 1 && found[0].contains("rule `ssh` at 800 of classic rules of v"), "{found:?}");
    assert!(driver.passes("192.0.2.7", "w-1", 22), "it is in front");
    driver.sim.perform("PATCH", path("fw/ssh").as_str(), json!({ "priority": 801 }));
    assert_eq!(blocking(&driver, POLICY).await, [""; 0], "at the same priority a deny comes first");
    assert!(!driver.passes("192.0.2.7", "w-1", 22));
    // A policy comes before classic rules in one order only.
    driver.sim.seed("pol/theirs", json!({}));
    let at = format!("{}/addAssociation", path("pol/theirs"));
    driver.sim.perform("POST", &at, json!({ "name": "v", "attachmentTarget": link("net/v") }));
    let theirs = json!({ "priority": 5, "action": "allow", "direction": "INGRESS",
        "match": { "srcIpRanges": ["198.51.100.0/24"], "layer4Configs": [{ "ipProtocol": "tcp" }] } });
    driver.sim.perform("POST", &format!("{}/addRule", path("pol/theirs")), theirs);
    let found = blocking(&driver, POLICY).await;
    assert!(found.len() == 1 && found[0].contains("rule `5` at 5 of theirs"), "{found:?}");
    assert!(driver.passes("198.51.100.1", "w-1", 9));
    let order = json!({ "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL" });
    driver.sim.perform("PATCH", path("net/v").as_str(), order);
    assert_eq!(blocking(&driver, POLICY).await, [""; 0]);
    assert!(!driver.passes("198.51.100.1", "w-1", 9));
}
