//! The cloud throttles, fails, loses answers and reads old state; also while a process dies.

use mock_cloud::Fault;

use crate::case::{Case, at_every_step, cases, sample};
use crate::change::{pairs, singles};
use crate::fear::Fear;
use crate::tally::{Row, Seen};

const FAULTS: [Fault; 3] = [Fault::Throttle, Fault::LostAnswer, Fault::ServerError];
/// So little of the published buckets that writes are throttled too.
const BUCKET_SHARE: f64 = 0.03;

fn fear(fault: Fault) -> Fear {
    Fear { fault: Some(fault), stale_ms: 800, ..Fear::NOTHING }
}

/// In the mean, each of these strikes every run.
async fn check(name: &str, cases: Vec<Case>, strikes: &[Seen]) {
    let (mut row, runs) = (Row::start(name), cases.len());
    for case in cases {
        case.check(&mut row).await;
    }
    let floors: Vec<_> = strikes.iter().map(|seen| (*seen, runs)).collect();
    row.finish(&floors);
}

fn strikes(fault: Fault) -> Vec<Seen> {
    let failed = (fault != Fault::LostAnswer).then_some(Seen::FailedWrites);
    [Seen::Fault(fault), Seen::StaleReads].into_iter().chain(failed).collect()
}

#[tokio::test]
async fn faults_of_the_cloud_in_single_changes_keep_both_bounds() {
    for fault in FAULTS {
        let name = format!("single changes, {fault:?}");
        check(&name, cases(&singles(), fear(fault)), &strikes(fault)).await;
    }
}

#[tokio::test]
async fn faults_of_the_cloud_in_pairs_of_changes_keep_both_bounds() {
    for fault in FAULTS {
        let name = format!("pairs of changes, {fault:?}");
        check(&name, sample(cases(&pairs(), fear(fault)), 14), &strikes(fault)).await;
    }
}

#[tokio::test]
async fn a_crash_among_faults_keeps_both_bounds() {
    let changes = [singles(), pairs()].concat();
    for fault in FAULTS {
        let crash = |step| Fear { crash_at: Some(step), ..fear(fault) };
        let all = at_every_step(cases(&changes, Fear::NOTHING), crash).await;
        let mut row = Row::start(&format!("a crash and {fault:?}"));
        for case in sample(all, 10) {
            case.check(&mut row).await;
        }
        row.finish(&[(Seen::Fault(fault), 10), (Seen::StaleReads, 10), (Seen::Crashes, 8)]);
    }
}

#[tokio::test]
async fn published_buckets_with_a_small_share_keep_both_bounds() {
    let fear = Fear { bucket_share: Some(BUCKET_SHARE), ..Fear::NOTHING };
    let strikes = [Seen::EmptyBuckets, Seen::FailedWrites];
    check("single changes, published buckets", cases(&singles(), fear), &strikes).await;
    check("pairs of changes, published buckets", sample(cases(&pairs(), fear), 8), &strikes).await;
}

#[tokio::test]
async fn a_crash_under_published_buckets_keeps_both_bounds() {
    let crash = |step| Fear { crash_at: Some(step), bucket_share: Some(BUCKET_SHARE), ..Fear::NOTHING };
    let all = at_every_step(cases(&singles(), Fear::NOTHING), crash).await;
    let mut row = Row::start("a crash under published buckets");
    for case in sample(all, 10) {
        case.check(&mut row).await;
    }
    row.finish(&[(Seen::EmptyBuckets, 50), (Seen::Crashes, 8)]);
}
