//! References over a peering that is deleted and made again: stale for ever in the cloud, and so for us.

use std::collections::BTreeMap;
use std::sync::Arc;

use mock_aws::{End, Packet};
use plan::guard::GuardSettings;
use plan::{AttachClass, Direction, Peer, RuleService, RuleSpec, Scope, StepAction};
use policy::file::{SourceFile, load};
use reconcile::applying::StepOutcome;
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::pass::{Pass, PassStatus};
use reconcile::planning::Intent;

use provider_aws::AwsWriter;

use crate::cloud::{Cloud, WorldClock, scope};

const POLICY: &str = "
labels: { role: [web, db] }
enforcement:
  - { match: [role=web], mode: full }
  - { match: [role=db], mode: full }
rulesets:
  - name: shop
    rules:
      - { name: web-db, sources: [role=web], destinations: [role=db], services: [tcp/5432] }
";

const MAKE_PEERING: &str = "P: CreateVpcPeeringConnection VpcId=$A PeerVpcId=$B
    AcceptVpcPeeringConnection VpcPeeringConnectionId=$P";

/// `role=web` in network `A`, `role=db` in the peered network `B`, each with a foreign group that lets nothing in.
async fn two_peered_networks() -> Cloud {
    let mut cloud = Cloud::with_a_network(1).await;
    cloud.seed(
        "B: CreateVpc CidrBlock=10.1.0.0/16
         T: CreateSubnet VpcId=$B CidrBlock=10.1.1.0/24
         far: CreateSecurityGroup GroupName=far GroupDescription=far VpcId=$B",
    );
    cloud.seed(MAKE_PEERING);
    for (name, subnet, group, role) in [("web", "S", "web", "web"), ("db", "T", "far", "db")] {
        cloud.seed(&format!(
            "{name}-i: CreateNetworkInterface SubnetId=${subnet} SecurityGroupId.1=${group} TagSpecification.1.ResourceType=network-interface TagSpecification.1.Tag.1.Key=role TagSpecification.1.Tag.1.Value={role}"
        ));
    }
    cloud
}

fn intent() -> Intent {
    let file = SourceFile { name: "policy.yaml".to_owned(), text: POLICY.to_owned() };
    let role = MappingEntry {
        key: "role".into(),
        tag: "role".to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    Intent {
        installation: "shop".to_owned(),
        files: load(&[file]).unwrap_or_else(|errors| panic!("{errors:?}")),
        policy_digest: String::new(),
        policy_commit: None,
        mapping: Mapping { entries: vec![role] },
        translations: Vec::new(),
        guards: GuardSettings {
            lose_peer_percent: 100,
            remove_rules_percent: 100,
            lose_all_ingress: 100,
            allow: ["lose-peer", "remove-rules", "lose-all-ingress"].map(str::to_owned).into(),
        },
    }
}

async fn pass(cloud: &Cloud, scope: &Scope) -> PassStatus {
    let (reader, writer) = (cloud.reader(), AwsWriter::new(cloud.ec2(), cloud.settings.clone()));
    let pass = Pass {
        reader: &reader,
        writer: Some(&writer),
        clock: &WorldClock(cloud.front.clone()),
        scopes: std::slice::from_ref(scope),
        stop: Arc::default(),
        concurrent_max: 4,
        quiet_since_ms: None,
        progress: &|_| {},
        remember: &|_| {},
    };
    pass.run(&intent(), None).await
}

/// Whether the web machine reaches the database, once everything has settled.
fn passes(cloud: &Cloud) -> bool {
    let mut world = cloud.front.world();
    let settled = world.plane.max_ms() + 1;
    world.advance_ms(settled);
    let end = |name: &str| {
        let id = cloud.id(name);
        let address = world.state.interfaces[&id].addresses[0];
        End::Interface(id, address)
    };
    let packet = Packet { source: end("web-i"), destination: end("db-i"), protocol: 6, detail: 5432 };
    world.allows(&packet)
}

#[tokio::test]
async fn a_peering_that_was_made_again_is_repaired_in_one_pass() {
    let mut cloud = two_peered_networks().await;
    let scope = Scope { settle_ms: 5000, ..scope(&[]) };
    assert!(pass(&cloud, &scope).await.converged());
    assert!(passes(&cloud) && pass(&cloud, &scope).await.planned.plan.steps.is_empty());
    cloud.seed("DeleteVpcPeeringConnection VpcPeeringConnectionId=$P");
    cloud.seed(MAKE_PEERING);
    assert!(!passes(&cloud), "the rules are stale");

    let status = pass(&cloud, &scope).await;
    let steps: Vec<(&str, &StepOutcome)> =
        status.steps.iter().map(|step| (step.title.as_str(), &step.outcome)).collect();
    assert!(!steps.is_empty(), "what is stale is seen");
    assert!(status.converged(), "{steps:#?}");
    assert!(passes(&cloud));
    let refused: Vec<String> = cloud
        .front
        .world()
        .calls
        .all()
        .iter()
        .filter(|call| call.outcome.contains("Duplicate"))
        .map(|call| call.request.clone())
        .collect();
    assert!(refused.is_empty(), "no rule was added while its stale form was there: {refused:#?}");
    assert!(pass(&cloud, &scope).await.planned.plan.steps.is_empty());
}

#[tokio::test]
async fn a_stale_rule_is_no_rule_of_the_group_and_admits_nothing() {
    let mut cloud = two_peered_networks().await;
    cloud.seed(
        "AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$far
         DeleteVpcPeeringConnection VpcPeeringConnectionId=$P",
    );
    let gone = cloud.id("P");
    cloud.seed(MAKE_PEERING);
    let observed = cloud.observe().await;
    let web = observed.groups.iter().find(|group| group.id.as_str() == cloud.id("web")).unwrap();
    let stale = Peer::Group(format!("{} over {gone}", cloud.id("far")).into());
    assert_eq!(web.ingress, [RuleSpec { peer: stale, service: RuleService::All }]);
    assert!(observed.interfaces.iter().all(|interface| interface.attach == AttachClass::Direct));
    let graph = provider_aws::semantics::semantics(&[&observed]);
    let list = graph.lists.iter().find(|list| list.id == web.id).unwrap();
    let plan::graph::Peers::Members(members) = &list.entries[0].peers else { panic!("{:?}", list.entries) };
    assert!(members.is_empty());
}

#[tokio::test]
async fn a_stale_rule_is_revoked_by_its_own_id() {
    let mut cloud = two_peered_networks().await;
    cloud.ours("ours", 1).await;
    cloud.seed(
        "AuthorizeSecurityGroupIngress GroupId=$ours IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$far
         AuthorizeSecurityGroupIngress GroupId=$ours IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$web
         DeleteVpcPeeringConnection VpcPeeringConnectionId=$P",
    );
    let stale = Peer::Group(format!("{} over {}", cloud.id("far"), cloud.id("P")).into());
    let remove = StepAction::RemoveRules {
        group: cloud.id("ours").as_str().into(),
        direction: Direction::Ingress,
        rules: vec![RuleSpec { peer: stale, service: RuleService::All }],
    };
    assert_eq!(cloud.apply(remove).await.unwrap().calls.len(), 1);
    let observed = cloud.observe().await;
    let ours = observed.groups.iter().find(|group| group.id.as_str() == cloud.id("ours")).unwrap();
    let web = Peer::Group(cloud.id("web").as_str().into());
    assert_eq!(ours.ingress, [RuleSpec { peer: web, service: RuleService::All }]);
}
