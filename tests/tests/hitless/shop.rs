//! A small shop in two peered networks, and what may change in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mock_aws::{Ec2Front, Settings, World, serve};
use mock_cloud::Fault;
use plan::guard::GuardSettings;
use plan::plan::Transient;
use plan::{Attachment, Cloud, Drift, Gates, GroupId, Observed, Scope, Step, Transients};
use policy::file::{SourceFile, load};
use provider::{Applied, Clock, CloudWriter, ErrorKind, Failed, ProviderError};
use provider_aws::{AwsReader, AwsSettings, AwsWriter, Ec2};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::pass::Pass;
use reconcile::planning::Intent;

/// One change of the world or of the policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    Relabel,
    RuleAdded,
    RuleRemoved,
    RuleReplaced,
    ListEdited,
    ClassSplit,
    ClassMerged,
    Exclusive,
}

impl Change {
    pub const ALL: [Self; 8] = [
        Self::Relabel,
        Self::RuleAdded,
        Self::RuleRemoved,
        Self::RuleReplaced,
        Self::ListEdited,
        Self::ClassSplit,
        Self::ClassMerged,
        Self::Exclusive,
    ];
}

/// What goes wrong while changes are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fear {
    Nothing,
    /// The process dies after so many steps were written.
    CrashAfter(usize),
    /// The second network cannot be read after so many steps were written.
    UnreadableAfter(usize),
    /// The cloud fails in this way now and then, and reads are old.
    Faults {
        fault: Fault,
        stale_ms: u64,
    },
}

/// A clock that moves the world.
struct WorldClock(Ec2Front);

#[async_trait]
impl Clock for WorldClock {
    fn now_ms(&self) -> u64 {
        self.0.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world().advance_ms(duration.as_millis() as u64);
    }
}

pub struct Shop {
    pub front: Ec2Front,
    pub transients: Vec<Transient>,
    pub crashed: bool,
    changes: BTreeSet<Change>,
    reader: AwsReader,
    writer: AwsWriter,
    scopes: Vec<Scope>,
    web: String,
    vpcs: [String; 2],
}

const DELAY_MS: (u64, u64) = (20, 1500);

impl Shop {
    pub async fn start(egress: bool, settle_ms: u64) -> Self {
        let settings = Settings { delay_ms: DELAY_MS, call_ms: 20, throttle: false, ..Settings::default() };
        let mut world = World::new(settings);
        let (vpcs, web) = seed(&mut world);
        let front = Ec2Front::new(world);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings = AwsSettings { share: 1.0, ..AwsSettings::new("hitless") };
        let scopes: Vec<Scope> = vpcs.iter().map(|vpc| scope(vpc, egress, settle_ms)).collect();
        let clock = Arc::new(WorldClock(front.clone()));
        let ec2 = Ec2::at_endpoint(&endpoint, &settings, &scopes[0], clock);
        let (reader, writer) = (AwsReader::new(ec2.clone(), settings.clone()), AwsWriter::new(ec2, settings));
        let (transients, changes) = (Vec::new(), BTreeSet::new());
        Self { front, transients, crashed: false, changes, reader, writer, scopes, web, vpcs }
    }

    /// Makes a change, without applying it.
    pub fn make(&mut self, change: Change) {
        self.changes.insert(change);
        match change {
            Change::Relabel => {
                let params =
                    [("ResourceId.1", self.web.as_str()), ("Tag.1.Key", "role"), ("Tag.1.Value", "app")];
                self.front.world().perform("CreateTags", &params).unwrap();
            }
            Change::Exclusive => {
                self.scopes.iter_mut().for_each(|scope| scope.attachment = Attachment::Exclusive);
            }
            _ => {}
        }
    }

    /// Lets everything settle; the time at which it has.
    pub async fn settled_at(&self) -> u64 {
        let mut world = self.front.world();
        world.advance_ms(DELAY_MS.1 + 1);
        world.now_ms()
    }

    pub async fn converge(&mut self) {
        for _ in 0..6 {
            if self.pass(&self.writer.clone(), false, Arc::default()).await {
                return;
            }
        }
        panic!("does not converge");
    }

    pub async fn converge_under(&mut self, fear: Fear) {
        let written = Arc::new(AtomicUsize::new(0));
        let writer = Fearful {
            inner: self.writer.clone(),
            fear,
            front: self.front.clone(),
            second: self.vpcs[1].clone(),
            written: written.clone(),
            stop: Arc::new(AtomicBool::new(false)),
        };
        if let Fear::Faults { fault, stale_ms } = fear {
            let mut world = self.front.world();
            world.faults.rates = BTreeMap::from([(fault, 0.2)]);
            world.faults.stale_ms = stale_ms;
        }
        self.pass(&writer, true, writer.stop.clone()).await;
        self.crashed = writer.stop.load(Ordering::SeqCst);
        {
            let mut world = self.front.world();
            world.faults.denied.clear();
        }
        if matches!(fear, Fear::Faults { .. }) {
            for _ in 0..4 {
                self.pass(&self.writer.clone(), true, Arc::default()).await;
            }
            let mut world = self.front.world();
            world.faults.rates.clear();
            world.faults.stale_ms = 0;
        }
        self.converge().await;
    }

    /// One pass; true if nothing was left to do.
    async fn pass(&mut self, writer: &dyn CloudWriter, may_fail: bool, stop: Arc<AtomicBool>) -> bool {
        let clock = WorldClock(self.front.clone());
        let pass = Pass {
            reader: &self.reader,
            writer: Some(writer),
            clock: &clock,
            scopes: &self.scopes,
            stop,
            concurrent_max: 4,
            quiet_since_ms: None,
            progress: &|_| {},
            remember: &|_| {},
        };
        let status = pass.run(&intent(&self.changes), None).await;
        let plan = &status.planned.plan;
        assert!(may_fail || plan.blocks.is_empty(), "{:?}", plan.blocks);
        self.transients.extend(plan.transients.iter().cloned());
        plan.steps.is_empty() && status.unobserved.is_empty()
    }
}

/// A writer to whom things happen.
struct Fearful {
    inner: AwsWriter,
    fear: Fear,
    front: Ec2Front,
    second: String,
    written: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

#[async_trait]
impl CloudWriter for Fearful {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        let number = self.written.fetch_add(1, Ordering::SeqCst);
        if matches!(self.fear, Fear::CrashAfter(after) if number > after) {
            return Err(ProviderError::new(ErrorKind::Transient, "apply", "the process is dead").into());
        }
        if self.fear == Fear::CrashAfter(number) {
            // Dead the moment after the write, long before it has settled.
            let applied = self.inner.apply(scope, step, current, ids).await;
            self.stop.store(true, Ordering::SeqCst);
            let dead = ProviderError::new(ErrorKind::Transient, "apply", "the process is dead");
            return applied.and(Err(dead.into()));
        }
        if self.fear == Fear::UnreadableAfter(number) {
            self.front.world().faults.denied.insert(self.second.clone());
        }
        self.inner.apply(scope, step, current, ids).await
    }
}

fn scope(vpc: &str, egress: bool, settle_ms: u64) -> Scope {
    Scope {
        id: vpc.into(),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "eu-west-1".to_owned(),
        networks: vec![vpc.into()],
        enforce: true,
        egress,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

/// The policy after some changes.
fn policy_text(changes: &BTreeSet<Change>) -> String {
    let has = |change| changes.contains(&change);
    let office = if has(Change::ListEdited) { "203.0.113.0/25, 198.51.100.0/24" } else { "203.0.113.0/24" };
    let mut rules = vec![
        "{ name: office, sources: [list:office], destinations: [role=web], services: [tcp/443] }".to_owned(),
        "{ name: web-app, sources: [role=web], destinations: [role=app], services: [tcp/8080] }".to_owned(),
        "{ name: web-web, sources: [role=web], destinations: [role=web], services: [tcp/7000] }".to_owned(),
        format!(
            "{{ name: app-db, sources: [role=app], destinations: [role=db], services: [tcp/{}] }}",
            if has(Change::RuleReplaced) { 5433 } else { 5432 }
        ),
        "{ name: ping, sources: [all-workloads], destinations: [all-workloads], services: [icmp/8] }"
            .to_owned(),
    ];
    if has(Change::RuleAdded) {
        rules.push(
            "{ name: back, sources: [role=app], destinations: [role=web], services: [tcp/9000] }".to_owned(),
        );
    }
    if !has(Change::RuleRemoved) {
        rules.push(
            "{ name: db-db, sources: [role=db], destinations: [role=db], services: [tcp/5000] }".to_owned(),
        );
    }
    if has(Change::ClassSplit) {
        rules.push(
            "{ name: gold, sources: [role=web, tier=gold], destinations: [role=db], services: [tcp/6000] }"
                .to_owned(),
        );
    }
    if !has(Change::ClassMerged) {
        rules.push("{ name: silver, sources: [role=app, tier=silver], destinations: [role=db], services: [tcp/6100] }".to_owned());
    }
    let rules = rules.iter().map(|rule| format!("      - {rule}\n")).collect::<String>();
    let modes =
        ["web", "app", "db"].map(|role| format!("  - {{ match: [role={role}], mode: full }}\n")).concat();
    format!(
        "labels: {{ role: [web, app, db], tier: [gold, silver, plain] }}\n\
         ip_lists: {{ office: {{ addresses: [{office}] }} }}\n\
         enforcement:\n{modes}rulesets:\n  - name: shop\n    rules:\n{rules}"
    )
}

fn intent(changes: &BTreeSet<Change>) -> Intent {
    let file = SourceFile { name: "policy.yaml".to_owned(), text: policy_text(changes) };
    let files = load(&[file]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let entry = |key: &str| MappingEntry {
        key: key.into(),
        tag: key.to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    Intent {
        installation: "hitless".to_owned(),
        files,
        policy_digest: format!("{changes:?}"),
        policy_commit: None,
        mapping: Mapping { entries: vec![entry("role"), entry("tier")] },
        guards: GuardSettings {
            lose_peer_percent: 100,
            remove_rules_percent: 100,
            lose_all_ingress: 100,
            allow: ["lose-peer", "remove-rules", "lose-all-ingress"].map(str::to_owned).into(),
        },
    }
}

/// Two peered networks, eight interfaces, a foreign group; the ids of the networks, and of a web machine.
fn seed(world: &mut World) -> ([String; 2], String) {
    let id = |xml: &str, tag: &str| {
        xml.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    let mut places = Vec::new();
    for block in ["10.1", "10.2"] {
        let (wide, narrow) = (format!("{block}.0.0/16"), format!("{block}.1.0/24"));
        let vpc = id(&world.perform("CreateVpc", &[("CidrBlock", wide.as_str())]).unwrap(), "vpcId");
        let subnet = [("VpcId", vpc.as_str()), ("CidrBlock", narrow.as_str())];
        let subnet = id(&world.perform("CreateSubnet", &subnet).unwrap(), "subnetId");
        let group = [("VpcId", vpc.as_str()), ("GroupName", "legacy"), ("GroupDescription", "legacy")];
        let group = id(&world.perform("CreateSecurityGroup", &group).unwrap(), "groupId");
        let ssh = [
            ("GroupId", group.as_str()),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "22"),
            ("IpPermissions.1.ToPort", "22"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
        ];
        world.perform("AuthorizeSecurityGroupIngress", &ssh).unwrap();
        let all = [
            ("GroupId", group.as_str()),
            ("IpPermissions.1.IpProtocol", "-1"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ];
        world.perform("RevokeSecurityGroupEgress", &all).unwrap();
        places.push((vpc, subnet, group));
    }
    let peering = [("VpcId", places[0].0.as_str()), ("PeerVpcId", places[1].0.as_str())];
    let peering =
        id(&world.perform("CreateVpcPeeringConnection", &peering).unwrap(), "vpcPeeringConnectionId");
    world.perform("AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", peering.as_str())]).unwrap();
    let mut chosen = String::new();
    for (place, role, tier) in [
        (0, "web", "gold"),
        (0, "web", "plain"),
        (1, "web", "plain"),
        (0, "app", "silver"),
        (1, "app", "plain"),
        (0, "db", "plain"),
        (1, "db", "plain"),
        (1, "db", "gold"),
    ] {
        let (_, subnet, group) = &places[place];
        let made = [("SubnetId", subnet.as_str()), ("SecurityGroupId.1", group.as_str())];
        let eni = id(&world.perform("CreateNetworkInterface", &made).unwrap(), "networkInterfaceId");
        let params = [
            ("NetworkInterface.1.NetworkInterfaceId", eni.as_str()),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "role"),
            ("TagSpecification.1.Tag.1.Value", role),
            ("TagSpecification.1.Tag.2.Key", "tier"),
            ("TagSpecification.1.Tag.2.Value", tier),
        ];
        let instance = id(&world.perform("RunInstances", &params).unwrap(), "instanceId");
        if (role, tier) == ("web", "plain") {
            chosen = instance;
        }
    }
    world.advance_ms(DELAY_MS.1 + 1);
    ([places[0].0.clone(), places[1].0.clone()], chosen)
}
