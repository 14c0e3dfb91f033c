//! Every call that writes is told, with the cloud's request id; also those of a step that fails.

use mock_cloud::Fault;
use plan::{Direction, Peer, RuleService, RuleSpec, StepAction};
use provider::{CallRecord, ErrorKind};

use crate::cloud::Cloud;

const NAME: &str = "bulkhead-shop-0123456789ab";

/// The calls by action; each must have the request id that the cloud gave, but the last one if its answer was lost.
fn told(calls: &[CallRecord], lost: bool) -> Vec<&str> {
    let answered = calls.len() - usize::from(lost);
    assert!(calls[..answered].iter().all(|call| call.request_id.len() > 20), "{calls:?}");
    calls.iter().map(|call| call.action.as_str()).collect()
}

fn rules(cloud: &Cloud, peer: &str) -> StepAction {
    let service = RuleService::Ports { protocol: 6, first: 443, last: 443 };
    let rules = vec![RuleSpec { peer: Peer::Group(peer.into()), service }];
    StepAction::AddRules { group: cloud.id("web").as_str().into(), direction: Direction::Ingress, rules }
}

#[tokio::test]
async fn calls_have_the_request_ids_of_the_cloud() {
    let cloud = Cloud::with_a_network(1).await;
    let applied = cloud.apply(cloud.create(NAME, false)).await.unwrap();
    assert_eq!(told(&applied.calls, false), ["CreateSecurityGroup", "RevokeSecurityGroupEgress"]);
    let ids: std::collections::BTreeSet<&str> =
        applied.calls.iter().map(|call| call.request_id.as_str()).collect();
    assert_eq!(ids.len(), 2, "each call has its own");
}

#[tokio::test]
async fn a_step_that_fails_half_way_tells_what_was_called() {
    let cloud = Cloud::with_a_network(1).await;
    cloud.front.world().faults.plant("RevokeSecurityGroupEgress", 1, Fault::Throttle);
    let failed = cloud.apply(cloud.create(NAME, false)).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Throttled);
    assert_eq!(told(&failed.calls, false), ["CreateSecurityGroup", "RevokeSecurityGroupEgress"]);
    assert_eq!(failed.calls[1].request_id, failed.error.request_id);
}

#[tokio::test]
async fn a_call_that_is_refused_is_told() {
    let cloud = Cloud::with_a_network(1).await;
    let failed = cloud.apply(rules(&cloud, "sg-0")).await.unwrap_err();
    assert_eq!(told(&failed.calls, false), ["AuthorizeSecurityGroupIngress"]);
    assert_eq!(failed.error.kind, ErrorKind::NotFound);
}
