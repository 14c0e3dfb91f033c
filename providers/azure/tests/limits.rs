//! The limits of Azure one by one, over the whole road: what is just at a limit is planned, proven, applied and holds; what
//! is one over is made to fit by exact merging, or blocked with the number and nothing is written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with the tests of behaviour")]
#[path = "behaviour/harness.rs"]
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use plan::guard::GuardSettings;
use plan::{Attachment, Cloud, Drift, Gates, Plan, Scope, Transients};
use policy::file::{SourceFile, load};
use provider::{CloudReader, CloudWriter};
use provider_azure::{AzureReader, AzureSettings, AzureWriter, Writer};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::pass::{HeldBack, Pass, PassStatus};
use reconcile::planning::Intent;
use serde_json::json;

use harness::{SUBSCRIPTION, Sim, Simulated, id, interface, slow, tagged};

/// A subscription with the security group `front` before the subnet `v/t`, and `others` before `v/o`.
struct Lab {
    sim: Sim,
    reader: AzureReader,
    writer: AzureWriter,
    scope: Scope,
}

impl Lab {
    async fn start() -> Self {
        let sim = Sim::start(slow()).await;
        for (nsg, subnet, block) in [("front", "v/t", "10.0.2.0/24"), ("others", "v/o", "10.0.3.0/24")] {
            sim.seed(&format!("nsg/{nsg}"), tagged(json!({})));
            let body = json!({ "properties": { "addressPrefix": block,
                "networkSecurityGroup": { "id": id(&format!("nsg/{nsg}")) } } });
            sim.seed(&format!("vnet/{subnet}"), body);
        }
        // What closes interfaces is then one rule.
        let settings = AzureSettings { keeps_probes: false, ..AzureSettings::new("shop") };
        let reader = AzureReader::new(sim.arm.clone(), settings.clone());
        let writer = AzureWriter::new(Writer::new(sim.arm.clone()), settings);
        Self { sim, reader, writer, scope: scope() }
    }

    /// An interface with a role, and with application security groups of somebody else.
    fn nic(&self, name: &str, subnet: &str, role: &str, theirs: usize) -> &Self {
        let groups: Vec<String> = (0..theirs).map(|number| format!("x{number}")).collect();
        groups.iter().for_each(|group| drop(self.sim.seed(&format!("asg/{group}"), tagged(json!({})))));
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let mut body = interface(&format!("vnet/{subnet}"), &groups);
        body["tags"] = json!({ "role": role });
        self.sim.seed(&format!("nic/{name}"), body);
        self
    }

    async fn pass(&self, policy: &str) -> PassStatus {
        let clock = Simulated(self.sim.front.clone());
        let pass = Pass {
            reader: &self.reader as &dyn CloudReader,
            writer: Some(&self.writer as &dyn CloudWriter),
            clock: &clock,
            scopes: std::slice::from_ref(&self.scope),
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
        let blocks: Vec<String> =
            plan.blocks.iter().map(|b| format!("{}: {}: {}", b.code, b.subject, b.message)).collect();
        assert_eq!(blocks, [expected]);
        let world = self.sim.front.world();
        assert!(world.calls.all().len() > 3 && !world.calls.all().iter().any(|call| call.mutating));
    }
}

fn scope() -> Scope {
    Scope {
        id: "azure".into(),
        cloud: Cloud::Azure,
        account: SUBSCRIPTION.to_owned(),
        region: "westeurope".to_owned(),
        networks: Vec::new(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 5_000,
        transients: Transients::Keep,
        gates: Gates::default(),
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
    // Everything is open before the first pass: that it closes is what is asked for.
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

/// A policy for roles, all of them enforced, with lists of addresses and rules `(source, destination, service)`.
fn policy(roles: &[String], lists: &[(String, String)], rules: &[(String, String, String)]) -> String {
    let mut text = format!("labels: {{ role: [{}] }}\nip_lists:\n", roles.join(", "));
    let _ = writeln!(text, "  nobody: {{ addresses: [192.0.2.1] }}");
    for (name, addresses) in lists {
        let _ = writeln!(text, "  {name}: {{ addresses: [{addresses}] }}");
    }
    text.push_str("enforcement:\n");
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

fn web() -> Vec<String> {
    vec!["web".to_owned(), "db".to_owned()]
}

/// An address that has no neighbour among those of other numbers.
fn lonely(number: usize) -> String {
    format!("172.{}.{}.{}", 16 + number / 16384, number / 128 % 128, number % 128 * 2)
}

/// Rules to one class, each from an address and for a port of its own: none can be merged with another.
fn apart(count: usize) -> String {
    let lists: Vec<_> = (0..count).map(|n| (format!("l{n}"), lonely(n))).collect();
    let rule = |n: usize| (format!("list:l{n}"), "role=web".to_owned(), format!("tcp/{}", 1000 + 2 * n));
    policy(&web(), &lists, &(0..count).map(rule).collect::<Vec<_>>())
}

/// Rules to one class from one address, each for a port of its own that has no neighbour.
fn alike(count: usize) -> String {
    let rule = |n: usize| ("list:one".to_owned(), "role=web".to_owned(), format!("tcp/{}", 1000 + 2 * n));
    let lists = [("one".to_owned(), "203.0.113.7".to_owned())];
    policy(&web(), &lists, &(0..count).map(rule).collect::<Vec<_>>())
}

fn from_list(addresses: &str) -> String {
    let rule = ("list:many".to_owned(), "role=web".to_owned(), "tcp/80".to_owned());
    policy(&web(), &[("many".to_owned(), addresses.to_owned())], &[rule])
}

fn used(plan: &Plan, name: &str) -> String {
    let line = plan.quota.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("{:?}", plan.quota));
    format!("{}: {} {} {} of {}", line.subject, line.before, line.peak, line.after, line.limit)
}

const RULES: &str = "rules of a network security group";

#[tokio::test]
async fn a_thousand_rules_go_the_whole_road_and_one_more_is_blocked() {
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 0);
    lab.assert_blocked(
        &apart(1000),
        "quota: front: rules of a network security group: 1001 of 1000 at the end",
    )
    .await;
    // With the deny that closes.
    let plan = lab.assert_fits(&apart(999)).await;
    assert_eq!(used(&plan, RULES), "front: 0 1000 1000 of 1000");
    let report = plan::report::markdown(&plan);
    assert!(
        report.contains("| rules of a network security group | 0 | 1000 | 1000 | 1000 | front |"),
        "{report}"
    );
    assert!(!report.contains("rules per group"), "what AWS counts says nothing here");
}

#[tokio::test]
async fn rules_of_others_take_room_from_ours() {
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 0);
    lab.sim.seed("nsg/front/theirs", harness::rule_body("200 in deny Tcp 198.51.100.0/24 * 22"));
    lab.assert_blocked(
        &apart(999),
        "quota: front: rules of a network security group: 1001 of 1000 at the end",
    )
    .await;
}

#[tokio::test]
async fn a_change_that_would_fit_at_its_end_is_blocked_by_its_peak() {
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 0);
    lab.assert_fits(&apart(999)).await;
    let moved = apart(999).replace("tcp/1000]", "udp/1000]");
    lab.assert_blocked(
        &moved,
        "quota: front: rules of a network security group: 1001 of 1000 at the peak of the change",
    )
    .await;
}

#[tokio::test]
async fn ports_with_the_same_peers_share_a_rule_where_they_would_not_fit() {
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 0);
    let plan = lab.assert_fits(&alike(1001)).await;
    assert_eq!(used(&plan, RULES), "front: 0 2 2 of 1000");
    assert_eq!(used(&plan, "port ranges of a network security group"), "front: 0 1002 1002 of 4000");
    // One port goes, another comes: a shared rule can be changed.
    let plan = lab.assert_fits(&alike(1001).replace("tcp/1010]", "udp/1010]")).await;
    assert_eq!(used(&plan, RULES), "front: 2 3 3 of 1000");
    let over = "quota: front: port ranges of a network security group: 4001 of 4000 at the end";
    Lab::start().await.nic("w", "v/t", "web", 0).assert_blocked(&alike(4000), over).await;
}

#[tokio::test]
async fn four_thousand_prefixes_and_what_neighbours_among_them_save() {
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 0);
    let many = |count: usize| from_list(&(0..count).map(lonely).collect::<Vec<_>>().join(", "));
    let over = "quota: front: source prefixes of a network security group: 4001 of 4000 at the end";
    lab.assert_blocked(&many(4001), over).await;
    let plan = lab.assert_fits(&many(4000)).await;
    assert_eq!(used(&plan, "source prefixes of a network security group"), "front: 0 4000 4000 of 4000");
    // As many addresses more, each beside one that is there: half as many blocks say them all.
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 0);
    let beside: Vec<String> = (0..4001).map(|n| format!("172.16.{}.{}", n / 256, n % 256)).collect();
    let plan = lab.assert_fits(&from_list(&beside.join(", "))).await;
    assert!(plan.quota.iter().any(|line| line.name.starts_with("source prefixes") && line.after < 200));
}

/// Classes that all reach the first, which alone is behind `front`.
async fn classes(count: usize) -> (Lab, String) {
    let lab = Lab::start().await;
    let roles: Vec<String> = (0..count).map(|n| format!("r{n}")).collect();
    for (number, role) in roles.iter().enumerate() {
        lab.nic(&format!("n{number}"), if number == 0 { "v/t" } else { "v/o" }, role, 0);
    }
    let rule = |role: &String| (format!("role={role}"), "role=r0".to_owned(), "tcp/80".to_owned());
    let rules: Vec<_> = roles.iter().map(rule).collect();
    (lab, policy(&roles, &[], &rules))
}

#[tokio::test]
async fn a_hundred_groups_in_a_list() {
    // With the group of what is closed.
    let (lab, policy) = classes(100).await;
    let over = "quota: front: application security groups in a network security group: 101 of 100 at the end";
    lab.assert_blocked(&policy, over).await;
    let (lab, policy) = classes(99).await;
    let plan = lab.assert_fits(&policy).await;
    let line = used(&plan, "application security groups in a network security group");
    assert_eq!(line, "front: 0 100 100 of 100");
}

fn only(role: &str) -> String {
    policy(&web(), &[], &[("list:nobody".to_owned(), format!("role={role}"), "tcp/80".to_owned())])
}

#[tokio::test]
async fn twenty_groups_on_an_interface_also_while_it_is_relabelled() {
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 19);
    let nic = id("nic/w");
    let over = |when: &str| {
        format!("quota: {}: application security groups on an interface: 21 of 20 {when}", nic.key())
    };
    lab.assert_blocked(&only("web"), &over("at the end")).await;
    let lab = Lab::start().await;
    lab.nic("w", "v/t", "web", 18).nic("d", "v/t", "db", 0);
    let plan = lab.assert_fits(&only("web")).await;
    let line = used(&plan, "application security groups on an interface");
    assert_eq!(line, format!("{}: 18 20 20 of 20", nic.key()));
    let mut body = lab.sim.show("nic/w");
    body["tags"]["role"] = json!("db");
    lab.sim.seed("nic/w", body);
    lab.assert_blocked(&only("web"), &over("at the peak of the change")).await;
}
