//! The limits of Google Cloud one by one, over the whole road: what is just at a limit is planned, proven, applied and holds;
//! what is one over is made to fit exactly, or blocked with the number and nothing is written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with the tests of behaviour")]
#[path = "behaviour/driver.rs"]
mod driver;
#[allow(dead_code, reason = "shared with the tests of behaviour")]
#[path = "behaviour/harness.rs"]
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use mock_gcp::{Limits, Settings};
use plan::Plan;
use plan::guard::GuardSettings;
use policy::file::{SourceFile, load};
use provider::{CloudReader, CloudWriter};
use provider_gcp::{GcpReader, GcpSettings, GcpWriter};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::pass::{HeldBack, Pass, PassStatus};
use reconcile::planning::Intent;
use serde_json::json;

use harness::{NUMBER, PROJECT, Sim, Simulated, instance, link, path, slow};

/// A project with the network `n`, in which our policy comes before classic rules.
struct Lab {
    sim: Sim,
    own: GcpSettings,
}

impl Lab {
    /// With so many attributes for a policy, in the project and in our settings.
    async fn start(attributes: usize) -> Self {
        let limits = Limits { policy_tuples: attributes, ..Limits::default() };
        let sim = Sim::start(Settings { limits, ..slow() }).await;
        let order = "BEFORE_CLASSIC_FIREWALL";
        let network =
            json!({ "autoCreateSubnetworks": false, "networkFirewallPolicyEnforcementOrder": order });
        sim.seed("net/n", network);
        sim.seed("sub/n", json!({ "network": link("net/n"), "ipCidrRange": "10.20.0.0/20" }));
        let own = GcpSettings { attributes_max: attributes, ..GcpSettings::new("shop") };
        Self { sim, own }
    }

    /// An instance with a role, and with tag values of somebody else.
    fn vm(&self, name: &str, role: &str, theirs: usize) -> &Self {
        let mut body = instance("sub/n", &[]);
        body["labels"] = json!({ "role": role });
        self.sim.seed(&format!("vm/{name}"), body);
        for number in 0..theirs {
            let key = json!({ "parent": format!("projects/{NUMBER}"), "shortName": format!("{name}-{number}"),
                "purpose": "GCE_FIREWALL", "purposeData": { "network": format!("{PROJECT}/n") } });
            let key = self.sim.perform("POST", "v3/tagKeys", key);
            let value = json!({ "parent": key["name"], "shortName": "theirs" });
            let value = self.sim.perform("POST", "v3/tagValues", value);
            let body = json!({ "parent": self.sim.full_name(name).as_str(), "tagValue": value["name"] });
            self.sim.perform("POST", "v3/tagBindings", body);
        }
        self
    }

    async fn pass(&self, policy: &str) -> PassStatus {
        let clock = Simulated(self.sim.front.clone());
        let reader = GcpReader::new(self.sim.api.clone(), self.own.clone());
        let writer = GcpWriter::new(self.sim.api.clone(), self.own.clone());
        let networks = vec![driver::network("n")];
        let scope = plan::Scope { settle_ms: 5_000, networks, ..driver::scope() };
        let pass = Pass {
            reader: &reader as &dyn CloudReader,
            writer: Some(&writer as &dyn CloudWriter),
            clock: &clock,
            scopes: &[scope],
            stop: Default::default(),
            concurrent_max: 8,
            quiet_since_ms: Some(0),
            progress: &|_| {},
            remember: &|_| {},
        };
        pass.run(&intent(policy), None).await
    }

    /// One pass brings it there, and a second one finds nothing to do. The first plan.
    async fn assert_fits(&self, policy: &str) -> Plan {
        let first = self.pass(policy).await;
        let plan = first.planned.plan;
        assert!(plan.blocks.is_empty(), "{:#?}", plan.blocks);
        assert!(plan.proof.equivalent && !plan.steps.is_empty());
        let undone = first.steps.iter().find(|step| !step.outcome.is_done());
        assert!(undone.is_none(), "{undone:#?}");
        let second = self.pass(policy).await;
        assert_eq!(second.held_back, Some(HeldBack::Nothing), "{:#?}", second.planned.plan.steps);
        self.sim.assert_no_complaints();
        plan
    }

    /// Nothing is written, and the only reason is this one.
    async fn assert_blocked(&self, policy: &str, expected: &str) {
        self.sim.front.world().calls.clear();
        let plan = self.pass(policy).await.planned.plan;
        let block = |b: &plan::plan::Block| format!("{}: {}: {}", b.code, b.subject, b.message);
        assert_eq!(plan.blocks.iter().map(block).collect::<Vec<_>>(), [expected]);
        let world = self.sim.front.world();
        assert!(world.calls.all().len() > 3 && !world.calls.all().iter().any(|call| call.mutating));
    }

    /// The number of sources of each of our allow rules, as the cloud has them.
    fn sources(&self) -> Vec<usize> {
        let network = driver::network("n");
        let policy =
            self.sim.perform("GET", provider_gcp::ids::policy("shop", &network).as_str(), json!(null));
        let rules = policy["rules"].as_array().unwrap().iter();
        let allows = rules.filter(|rule| rule["action"] == "allow" && rule["targetSecureTags"].is_array());
        let count = |of: &serde_json::Value| of.as_array().map_or(0, Vec::len);
        let mut sizes: Vec<usize> = allows
            .map(|rule| count(&rule["match"]["srcSecureTags"]) + count(&rule["match"]["srcIpRanges"]))
            .collect();
        sizes.sort_unstable();
        sizes
    }
}

fn intent(policy: &str) -> Intent {
    let file = SourceFile { name: "policy.yaml".to_owned(), text: policy.to_owned() };
    let entry = MappingEntry {
        key: "role".into(),
        tag: "role".to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    // What passes before the first pass and not after it is meant to close.
    let allow = ["lose-peer", "remove-rules", "lose-all-ingress"].map(str::to_owned);
    Intent {
        installation: "shop".to_owned(),
        files: load(&[file]).unwrap_or_else(|errors| panic!("{errors:?}\n{policy}")),
        policy_digest: String::new(),
        policy_commit: None,
        mapping: Mapping { entries: vec![entry] },
        translations: Vec::new(),
        guards: GuardSettings { allow: BTreeSet::from(allow), ..GuardSettings::default() },
    }
}

/// A policy for roles, all of them enforced, with one list of addresses and rules `(source, destination, service)`.
fn policy(roles: &[String], addresses: &[String], rules: &[(String, String, String)]) -> String {
    let mut text = format!("labels: {{ role: [{}] }}\n", roles.join(", "));
    let _ = writeln!(
        text,
        "ip_lists: {{ many: {{ addresses: [192.0.2.1, {}] }} }}\nenforcement:",
        addresses.join(", ")
    );
    for role in roles {
        let _ = writeln!(text, "  - {{ match: [role={role}], mode: full }}");
    }
    text.push_str("rulesets:\n  - name: set\n    scopes: []\n    rules:\n");
    for (number, (source, destination, service)) in rules.iter().enumerate() {
        let _ = writeln!(
            text,
            "      - {{ name: r{number}, sources: [{source}], destinations: [{destination}], services: [{service}] }}"
        );
    }
    text
}

/// So many blocks, none beside another, to one class on some services.
fn from_blocks(count: usize, services: &[&str]) -> String {
    let lonely = |n: usize| format!("172.{}.{}.{}", 16 + n / 16384, n / 128 % 128, n % 128 * 2);
    let addresses: Vec<String> = (0..count - 1).map(lonely).collect();
    let rule = |service: &&str| ("list:many".to_owned(), "role=web".to_owned(), (*service).to_owned());
    let roles = ["web".to_owned(), "db".to_owned()];
    policy(&roles, &addresses, &services.iter().map(rule).collect::<Vec<_>>())
}

const ATTRIBUTES: &str = "attributes of the firewall policy of a network";

fn used(plan: &Plan, name: &str) -> String {
    let line = plan.quota.iter().filter(|line| line.name == name).max_by_key(|line| line.peak).unwrap();
    format!("{} {} {} of {}", line.before, line.peak, line.after, line.limit)
}

#[tokio::test]
async fn four_thousand_attributes_go_the_whole_road_and_one_more_is_blocked() {
    let lab = Lab::start(4_000).await;
    lab.vm("w", "web", 0);
    // A target, a protocol and a port with the blocks; six that close.
    let over = "quota: projects/demo-project/global/networks/n: attributes of the firewall policy of a network: 4001 of 4000 at the end";
    lab.assert_blocked(&from_blocks(3992, &["tcp/80"]), over).await;
    let plan = lab.assert_fits(&from_blocks(3991, &["tcp/80"])).await;
    assert_eq!(used(&plan, ATTRIBUTES), "0 4000 4000 of 4000");
    let report = plan::report::markdown(&plan);
    assert!(
        report.contains("| attributes of the firewall policy of a network | 0 | 4000 | 4000 | 4000 |"),
        "{report}"
    );
    assert!(!report.contains("rules per group"), "what AWS counts says nothing here");
}

#[tokio::test]
async fn a_change_that_would_fit_at_its_end_is_blocked_by_its_peak() {
    let lab = Lab::start(400).await;
    lab.vm("w", "web", 0);
    lab.assert_fits(&from_blocks(250, &["tcp/80"])).await;
    // The new port shares a rule with the old one until that goes.
    let plan = lab.assert_fits(&from_blocks(250, &["tcp/81"])).await;
    assert_eq!(used(&plan, ATTRIBUTES), "259 260 259 of 400");
    // Other blocks stand beside the old ones until these go: one block of both lists is the same.
    let moved = from_blocks(250, &["tcp/81"]).replace("172.16.", "172.18.");
    let over = "quota: projects/demo-project/global/networks/n: attributes of the firewall policy of a network: 508 of 400 at the peak of the change";
    lab.assert_blocked(&moved, over).await;
}

#[tokio::test]
async fn services_with_the_same_peers_share_a_rule_and_fit() {
    let lab = Lab::start(4_000).await;
    lab.vm("w", "web", 0);
    // 1,500 blocks three times would be too many.
    let plan = lab.assert_fits(&from_blocks(1_500, &["tcp/80", "tcp/443", "udp/53"])).await;
    assert_eq!(used(&plan, ATTRIBUTES), "0 1512 1512 of 4000");
    assert_eq!(lab.sources(), [1_500]);
}

#[tokio::test]
async fn more_ranges_than_a_rule_takes_are_two_rules() {
    for (count, sizes) in [(5_000, &[5_000][..]), (5_001, &[1, 5_000])] {
        let lab = Lab::start(12_000).await;
        lab.vm("w", "web", 0);
        lab.assert_fits(&from_blocks(count, &["tcp/80"])).await;
        assert_eq!(lab.sources(), sizes);
    }
}

#[tokio::test]
async fn more_tags_than_a_rule_takes_are_two_rules() {
    for (count, sizes) in [(256, &[256][..]), (257, &[1, 256])] {
        let lab = Lab::start(4_000).await;
        let roles: Vec<String> = (0..count).map(|n| format!("r{n}")).collect();
        for role in &roles {
            lab.vm(&format!("vm-{role}"), role, 0);
        }
        let rule = |role: &String| (format!("role={role}"), "role=r0".to_owned(), "tcp/80".to_owned());
        let rules: Vec<_> = roles.iter().map(rule).collect();
        lab.assert_fits(&policy(&roles, &[], &rules)).await;
        assert_eq!(lab.sources(), sizes);
    }
}

#[tokio::test]
async fn ten_tags_on_an_interface_also_while_it_is_relabelled() {
    let over = |when: &str| {
        format!("quota: {}: tag values on an interface: 11 of 10 {when}", driver::interface("w"))
    };
    let policy = from_blocks(1, &["tcp/80"]);
    let lab = Lab::start(4_000).await;
    lab.vm("w", "web", 9).assert_blocked(&policy, &over("at the end")).await;
    let lab = Lab::start(4_000).await;
    lab.vm("w", "web", 8).vm("d", "db", 0);
    let plan = lab.assert_fits(&policy).await;
    assert_eq!(used(&plan, "tag values on an interface"), "8 10 10 of 10");
    let shown = lab.sim.show("vm/w");
    let labels = json!({ "labels": { "role": "db" }, "labelFingerprint": shown["labelFingerprint"] });
    lab.sim.perform("POST", &format!("{}/setLabels", path("vm/w").as_str()), labels);
    lab.assert_blocked(&policy, &over("at the peak of the change")).await;
}
