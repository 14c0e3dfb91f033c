//! Membership of one interface, of which others take care too: the call replaces the whole list.

use std::collections::BTreeSet;

use mock_aws::Ec2Front;
use plan::{GroupId, StepAction};
use provider::ErrorKind;

use crate::cloud::Cloud;

/// An interface `E` with the foreign group `web`, and `ours`.
async fn with_an_interface(seed: u64) -> Cloud {
    let mut cloud = Cloud::with_a_network(seed).await;
    cloud.seed("E: CreateNetworkInterface SubnetId=$S SecurityGroupId.1=$web");
    cloud.ours("ours", 1).await;
    cloud.ours("other", 2).await;
    cloud
}

fn attach(cloud: &Cloud, group: &str) -> StepAction {
    StepAction::Attach {
        interface: cloud.id("E").as_str().into(),
        add: vec![cloud.id(group).as_str().into()],
    }
}

fn detach(cloud: &Cloud, group: &str) -> StepAction {
    let remove = vec![cloud.id(group).as_str().into()];
    StepAction::Detach { interface: cloud.id("E").as_str().into(), remove }
}

fn check(cloud: &Cloud, expected: &[&str]) {
    let world = cloud.front.world();
    let held: BTreeSet<GroupId> =
        world.state.interfaces[&cloud.id("E")].groups.iter().map(|id| id.as_str().into()).collect();
    assert_eq!(held, expected.iter().map(|name| cloud.id(name).as_str().into()).collect());
}

#[tokio::test]
async fn a_group_that_somebody_put_on_since_the_last_read_stays() {
    let mut cloud = with_an_interface(1).await;
    let read = cloud.observe().await;
    cloud.seed(
        "ModifyNetworkInterfaceAttribute NetworkInterfaceId=$E SecurityGroupId.1=$web SecurityGroupId.2=$db",
    );
    cloud.apply_from(std::slice::from_ref(&read), attach(&cloud, "ours")).await.unwrap();
    check(&cloud, &["web", "db", "ours"]);
    cloud.apply_from(&[read], detach(&cloud, "web")).await.unwrap();
    check(&cloud, &["db", "ours"]);
}

#[tokio::test]
async fn a_group_that_somebody_took_off_since_the_last_read_stays_off() {
    let mut cloud = with_an_interface(1).await;
    cloud.seed(
        "ModifyNetworkInterfaceAttribute NetworkInterfaceId=$E SecurityGroupId.1=$web SecurityGroupId.2=$db",
    );
    let read = cloud.observe().await;
    cloud.seed("ModifyNetworkInterfaceAttribute NetworkInterfaceId=$E SecurityGroupId.1=$web");
    cloud.apply_from(&[read], attach(&cloud, "ours")).await.unwrap();
    check(&cloud, &["web", "ours"]);
}

#[tokio::test]
async fn what_is_true_already_needs_no_call() {
    let mut cloud = with_an_interface(1).await;
    let read = cloud.observe().await;
    cloud.seed("ModifyNetworkInterfaceAttribute NetworkInterfaceId=$E SecurityGroupId.1=$web SecurityGroupId.2=$ours");
    let before = cloud.mutations();
    let applied = cloud.apply_from(&[read], attach(&cloud, "ours")).await.unwrap();
    assert_eq!((applied.calls.len(), cloud.mutations()), (0, before));
}

#[tokio::test]
async fn the_last_group_never_comes_off_and_a_lost_interface_is_not_found() {
    let mut cloud = with_an_interface(1).await;
    let read = cloud.observe().await;
    let failed = cloud.apply(detach(&cloud, "web")).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Rejected);
    assert!(failed.calls.is_empty());
    cloud.seed("DeleteNetworkInterface NetworkInterfaceId=$E");
    let failed = cloud.apply_from(&[read], attach(&cloud, "ours")).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn an_old_read_does_not_undo_what_was_seen() {
    for seed in 1..=24 {
        let cloud = with_an_interface(seed).await;
        cloud.front.world().faults.stale_ms = 800;
        for (group, held) in [("ours", ["web", "ours"].as_slice()), ("other", &["web", "ours", "other"])] {
            cloud.apply_from(&[seen(&cloud)], attach(&cloud, group)).await.unwrap();
            check(&cloud, held);
        }
    }
}

/// What a complete and fresh read would show, of what counts here.
fn seen(cloud: &Cloud) -> plan::Observed {
    let world = cloud.front.world();
    let held = &world.state.interfaces[&cloud.id("E")];
    let interface = plan::InterfaceState {
        id: cloud.id("E").as_str().into(),
        network: held.vpc.as_str().into(),
        workload: cloud.id("E").as_str().into(),
        name: String::new(),
        addresses: Vec::new(),
        groups: held.groups.iter().map(|id| id.as_str().into()).collect(),
        attach: plan::AttachClass::Direct,
        tags: Default::default(),
        path_filters: Vec::new(),
        mac: None,
    };
    plan::Observed { scope: Some("shop".into()), interfaces: vec![interface], ..plan::Observed::default() }
}

#[tokio::test]
async fn somebody_who_writes_at_the_same_time_is_told() {
    let cloud = with_an_interface(1).await;
    let read = cloud.observe().await;
    let (interface, web) = (cloud.id("E"), cloud.id("web"));
    let others_write = move |front: &Ec2Front, action: &str, answer: String| {
        if action == "ModifyNetworkInterfaceAttribute" {
            let params = [("NetworkInterfaceId", interface.as_str()), ("SecurityGroupId.1", web.as_str())];
            front.world().perform(action, &params).unwrap();
        }
        answer
    };
    let ec2 = cloud.ec2_through(others_write);
    let failed = cloud.apply_through(ec2, &[read], attach(&cloud, "ours")).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Conflict);
    assert!(failed.error.message.contains("at the same time"), "{}", failed.error.message);
    assert_eq!(failed.calls.len(), 1);
}
