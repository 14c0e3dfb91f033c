//! The cloud throttles, fails, loses answers and reads old state; also while a process dies.

use mock_cloud::Fault;

use crate::case::{Case, at_every_step, cases, sample};
use crate::change::{pairs, singles};
use crate::fear::Fear;
use crate::tally::{Row, Seen};

const FAULTS: [Fault; 3] = [Fault::Throttle, Fault::LostAnswer, Fault::ServerError];

fn fear(fault: Fault) -> Fear {
    Fear { fault: Some(fault), stale_ms: 800, ..Fear::NOTHING }
}

async fn check(name: &str, cases: Vec<Case>, floors: &[(Seen, usize)]) {
    let mut row = Row::start(name);
    for case in cases {
        case.check(&mut row).await;
    }
    row.finish(floors);
}

#[tokio::test]
async fn faults_of_the_cloud_in_single_changes_keep_both_bounds() {
    for fault in FAULTS {
        let name = format!("single changes, {fault:?}");
        check(&name, cases(&singles(), fear(fault)), &[(Seen::Fault(fault), 1)]).await;
    }
}

#[tokio::test]
async fn faults_of_the_cloud_in_pairs_of_changes_keep_both_bounds() {
    for fault in FAULTS {
        let name = format!("pairs of changes, {fault:?}");
        check(&name, cases(&pairs(), fear(fault)), &[(Seen::Fault(fault), 1)]).await;
    }
}

#[tokio::test]
async fn a_crash_among_faults_keeps_both_bounds() {
    for fault in FAULTS {
        let changes = [singles(), pairs()].concat();
        let crash = |step| Fear { crash_at: Some(step), ..fear(fault) };
        let all = at_every_step(cases(&changes, Fear::NOTHING), crash).await;
        let name = format!("a crash and {fault:?}");
        check(&name, sample(all, 40), &[(Seen::Fault(fault), 1)]).await;
    }
}

#[tokio::test]
async fn published_buckets_with_a_small_share_keep_both_bounds() {
    for share in [0.1, 0.03] {
        let fear = Fear { bucket_share: Some(share), ..Fear::NOTHING };
        check("single changes, buckets", cases(&singles(), fear), &[(Seen::EmptyBuckets, 1)]).await;
        check("pairs of changes, buckets", sample(cases(&pairs(), fear), 10), &[(Seen::EmptyBuckets, 1)])
            .await;
    }
}
