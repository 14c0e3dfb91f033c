//! Pass after pass over the simulated cloud: drift, what is remembered, scopes that are observed only, and the loop.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../aws/cloud.rs"]
#[allow(dead_code, reason = "shared with the tests of the driver, which use all of it")]
mod cloud;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cloud::{Cloud, WorldClock, scope};
use mock_cloud::Fault;
use plan::guard::GuardSettings;
use plan::{Drift, Scope};
use policy::file::{SourceFile, load};
use provider_aws::{AwsReader, AwsWriter};
use reconcile::last_applied::LastApplied;
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::pass::{Pass, PassStatus};
use reconcile::planning::Intent;

const POLICY: &str = "
labels: { role: [web, db, app] }
enforcement: [{ match: [not role=app], mode: full }, { match: [role=app], mode: full }]
rulesets:
  - name: shop
    rules:
      - { name: web-to-db, sources: [role=web, role=app], destinations: [role=db], services: [tcp/5432] }
      - { name: web-to-web, sources: [role=web], destinations: [role=web], services: [tcp/8443] }
";

/// Two web machines and a database in one network, and what the passes over it remember.
struct Estate {
    cloud: Cloud,
    scopes: Vec<Scope>,
    memory: LastApplied,
}

impl Estate {
    async fn start() -> Self {
        let mut cloud = Cloud::with_a_network(1).await;
        cloud.seed(
            "web-1: CreateNetworkInterface SubnetId=$S SecurityGroupId.1=$web
             web-2: CreateNetworkInterface SubnetId=$S SecurityGroupId.1=$web
             db-1: CreateNetworkInterface SubnetId=$S SecurityGroupId.1=$db
             CreateTags ResourceId.1=$web-2 Tag.1.Key=role Tag.1.Value=web
             CreateTags ResourceId.1=$web-1 Tag.1.Key=role Tag.1.Value=web
             CreateTags ResourceId.1=$db-1 Tag.1.Key=role Tag.1.Value=db",
        );
        let scopes = vec![scope(&[cloud.id("A")])];
        Self { cloud, scopes, memory: LastApplied::default() }
    }

    async fn pass(&mut self) -> PassStatus {
        let (reader, writer) = self.driver();
        let clock = WorldClock(self.cloud.front.clone());
        let pass = pass(&self.scopes, &reader, &writer, &clock);
        let status = pass.run(&intent(), Some(&self.memory)).await;
        self.memory = status.memory.clone();
        status
    }

    fn driver(&self) -> (AwsReader, AwsWriter) {
        let ec2 = self.cloud.ec2();
        (
            AwsReader::new(ec2.clone(), self.cloud.settings.clone()),
            AwsWriter::new(ec2, self.cloud.settings.clone()),
        )
    }

    /// Calls that changed something since the last time.
    fn mutations(&self) -> usize {
        let mut world = self.cloud.front.world();
        let count = world.calls.mutations().values().sum();
        world.calls.clear();
        count
    }

    /// Opens a port of our group of a machine by hand, for everybody; or closes it again.
    async fn by_hand(&self, machine: &str, action: &str) {
        let observed = self.cloud.observe().await;
        let machine = self.cloud.id(machine);
        let interface = observed.interfaces.iter().find(|i| i.id.as_str() == machine).unwrap();
        let ours = |id: &&plan::GroupId| {
            observed.groups.iter().any(|g| g.id == **id && g.owner == plan::Owner::Ours)
        };
        let group = interface.groups.iter().find(ours).unwrap().to_string();
        let params = [
            ("GroupId", group.as_str()),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "22"),
            ("IpPermissions.1.ToPort", "22"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ];
        self.cloud.front.world().perform(action, &params).unwrap();
    }
}

fn pass<'a>(
    scopes: &'a [Scope],
    reader: &'a AwsReader,
    writer: &'a AwsWriter,
    clock: &'a WorldClock,
) -> Pass<'a> {
    Pass {
        reader,
        writer: Some(writer),
        clock,
        scopes,
        stop: Arc::new(AtomicBool::new(false)),
        concurrent_max: 4,
        quiet_since_ms: None,
        progress: &|_| {},
        remember: &|_| {},
    }
}

fn intent() -> Intent {
    let files = load(&[SourceFile { name: "policy.yaml".to_owned(), text: POLICY.to_owned() }]).unwrap();
    let entry = MappingEntry {
        key: "role".into(),
        tag: "role".to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    let guards = GuardSettings {
        lose_peer_percent: 100,
        remove_rules_percent: 100,
        lose_all_ingress: 100,
        ..GuardSettings::default()
    };
    Intent {
        installation: "shop".to_owned(),
        files,
        policy_digest: String::new(),
        policy_commit: None,
        mapping: Mapping { entries: vec![entry] },
        translations: Vec::new(),
        guards,
    }
}

fn drift(status: &PassStatus) -> Vec<String> {
    status.planned.plan.drift.iter().map(|item| format!("{} {}", item.difference, item.repaired)).collect()
}

#[tokio::test]
async fn drift_is_repaired_and_forgotten() {
    let mut estate = Estate::start().await;
    assert!(estate.pass().await.converged());
    estate.by_hand("db-1", "AuthorizeSecurityGroupIngress").await;
    let status = estate.pass().await;
    assert_eq!(drift(&status), ["ingress rule 0.0.0.0/0 tcp/22 was added true"]);
    assert!(status.converged());
    estate.mutations();
    let status = estate.pass().await;
    assert!(drift(&status).is_empty() && status.converged());
    assert_eq!(estate.mutations(), 0);
}

#[tokio::test]
async fn drift_that_is_only_reported_stays_until_somebody_takes_it_back() {
    let mut estate = Estate::start().await;
    estate.scopes[0].drift = Drift::Report;
    assert!(estate.pass().await.converged());
    estate.by_hand("db-1", "AuthorizeSecurityGroupIngress").await;
    estate.mutations();
    for _ in 0..3 {
        let status = estate.pass().await;
        assert_eq!(drift(&status), ["ingress rule 0.0.0.0/0 tcp/22 was added false"]);
        let withheld: Vec<String> = status.planned.plan.withheld.iter().map(ToString::to_string).collect();
        assert!(withheld.len() == 1 && withheld[0].contains("the scope only reports that"), "{withheld:?}");
        assert!(status.planned.plan.proof.equivalent, "the state that the policy wants is proven");
        assert_eq!(estate.mutations(), 0);
    }
    estate.by_hand("db-1", "RevokeSecurityGroupIngress").await;
    estate.mutations();
    let status = estate.pass().await;
    assert!(drift(&status).is_empty() && status.converged());
    assert_eq!(estate.mutations(), 0);
}

/// A machine changes its role while its group is drifted: it is not taken out of what it has without what it gets.
#[tokio::test]
async fn what_leans_on_a_drifted_object_waits_with_it() {
    let mut estate = Estate::start().await;
    estate.scopes[0].drift = Drift::Report;
    assert!(estate.pass().await.converged());
    estate.by_hand("db-1", "AuthorizeSecurityGroupIngress").await;
    estate.cloud.seed("CreateTags ResourceId.1=$web-1 Tag.1.Key=role Tag.1.Value=app");
    let status = estate.pass().await;
    let text = |w: &plan::Withheld| w.to_string();
    let withheld: Vec<String> = status.planned.plan.withheld.iter().map(text).collect();
    // web-1 may talk to db-1 before and after: its group there is a new one, and the rule that names it is withheld.
    assert!(withheld.iter().any(|line| line.contains("add 1 ingress rule")), "{withheld:?}");
    assert!(
        withheld.iter().any(|line| line.starts_with("take") && line.contains("it waits for")),
        "{withheld:?}"
    );
    let observed = estate.cloud.observe().await;
    let id = estate.cloud.id("web-1");
    let web = observed.interfaces.iter().find(|i| i.id.as_str() == id).unwrap();
    assert!(web.groups.len() >= 2, "{:?}", web.groups);
}

#[tokio::test]
async fn an_observed_scope_beside_an_enforced_one_is_listed_and_never_written() {
    let mut estate = Estate::start().await;
    estate.cloud.seed(
        "B: CreateVpc CidrBlock=10.1.0.0/16
         T: CreateSubnet VpcId=$B CidrBlock=10.1.1.0/24
         app-1: CreateNetworkInterface SubnetId=$T
         CreateTags ResourceId.1=$app-1 Tag.1.Key=role Tag.1.Value=app",
    );
    let observed_only = Scope { id: "elsewhere".into(), enforce: false, ..scope(&[estate.cloud.id("B")]) };
    estate.scopes.push(observed_only);
    let status = estate.pass().await;
    assert!(status.converged(), "{:?} {:?}", status.steps, status.planned.plan.blocks);
    assert!(estate.mutations() > 0);
    let status = estate.pass().await;
    assert!(status.converged() && status.planned.plan.steps.is_empty());
    assert_eq!(estate.mutations(), 0);
    let withheld = &status.planned.plan.withheld;
    assert!(!withheld.is_empty());
    assert!(withheld.iter().all(|w| w.step.scope.as_str() == "elsewhere"), "{withheld:?}");
    // Drift in the enforced scope is found all the same.
    estate.by_hand("db-1", "AuthorizeSecurityGroupIngress").await;
    assert_eq!(drift(&estate.pass().await).len(), 1);
}

/// The answer to an attach is lost, so the step fails; the next pass finds it done and must not lean on it before it
/// has settled.
#[tokio::test]
async fn the_loop_waits_for_a_make_whose_answer_was_lost() {
    const SETTLE_MS: u64 = 9_000;
    let mut estate = Estate::start().await;
    estate.scopes[0].settle_ms = SETTLE_MS;
    let (reader, writer) = estate.driver();
    let clock = WorldClock(estate.cloud.front.clone());
    let (scopes, front) = (estate.scopes.clone(), estate.cloud.front.clone());
    let web = estate.cloud.id("web-1");
    let pass = pass(&scopes, &reader, &writer, &clock);
    let passes = AtomicUsize::new(0);
    let after = |status: &PassStatus| {
        let number = passes.fetch_add(1, Ordering::SeqCst) + 1;
        let mut world = front.world();
        if number == 1 {
            assert!(status.converged());
            let params = [("ResourceId.1", web.as_str()), ("Tag.1.Key", "role"), ("Tag.1.Value", "app")];
            world.perform("CreateTags", &params).unwrap();
            world.faults.plant("ModifyNetworkInterfaceAttribute", 1, Fault::LostAnswer);
            world.calls.clear();
        }
        if number > 1 && status.converged() || number > 6 {
            pass.stop.store(true, Ordering::SeqCst);
        }
    };
    pass.run_loop(Duration::from_millis(1), None, || Some(intent()), after).await;
    let world = front.world();
    let writes: Vec<u64> = world
        .calls
        .all()
        .iter()
        .filter(|call| call.action == "ModifyNetworkInterfaceAttribute")
        .map(|call| call.at_ms)
        .collect();
    assert_eq!(writes.len(), 2, "one attach, one detach");
    assert!(writes[1] - writes[0] >= SETTLE_MS, "{writes:?}");
}
