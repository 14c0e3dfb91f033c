//! Hitless on the data plane: real driver, real SDK over HTTP, simulated cloud whose interfaces hear of each change
//! after their own delay. At every moment at which some interface sees something new, each pair keeps both bounds
//! of DESIGN 7.1: what passed before and passes after, passes; what passes, passed before or passes after.
//!
//! Single changes and all pairs of them; with throttling, lost answers and stale reads; with a crash after every
//! step and a fresh pass; with one of two peered networks unreadable half-way; and with `settle` below the data
//! plane's delay, where the test must fail.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod shop;
mod watch;

use mock_cloud::Fault;
use shop::{Change, Fear, Shop};

const SETTLE_MS: u64 = 1600;

async fn run(changes: &[Change], egress: bool, fear: Fear, settle_ms: u64) -> watch::Verdict {
    let mut shop = Shop::start(egress, settle_ms).await;
    shop.converge().await;
    let before = shop.settled_at().await;
    for change in changes {
        shop.make(*change);
    }
    shop.converge_under(fear).await;
    shop.settled_at().await;
    watch::judge(&shop, before)
}

async fn check(changes: &[Change], egress: bool, fear: Fear) -> watch::Verdict {
    let verdict = run(changes, egress, fear, SETTLE_MS).await;
    assert!(
        verdict.violations.is_empty(),
        "{changes:?} egress {egress} {fear:?}: {} transients named: {:#?}\n{:#?}",
        verdict.transients,
        verdict.violations,
        verdict.named
    );
    if changes.len() == 1 {
        assert!(verdict.transients == 0, "{changes:?} egress {egress}: a single change names no transient");
    }
    verdict
}

fn pairs() -> Vec<[Change; 2]> {
    let all = Change::ALL;
    (0..all.len()).flat_map(|a| (a + 1..all.len()).map(move |b| [all[a], all[b]])).collect()
}

#[tokio::test]
async fn single_changes_keep_both_bounds_and_name_no_transient() {
    let mut moved = 0;
    for change in Change::ALL {
        for egress in [false, true] {
            let verdict = check(&[change], egress, Fear::Nothing).await;
            moved += usize::from(verdict.moved > 0);
            assert!(verdict.moments > 0 && verdict.packets > 500, "{change:?}: something was watched");
        }
    }
    println!("{moved} of {} single changes move reachability", 2 * Change::ALL.len());
    assert!(moved >= Change::ALL.len());
}

#[tokio::test]
async fn pairs_of_changes_keep_both_bounds() {
    let mut named = 0;
    for pair in pairs() {
        named += check(&pair, true, Fear::Nothing).await.transients;
    }
    println!("{} pairs, {named} named transients", pairs().len());
}

#[tokio::test]
async fn a_crash_after_any_step_and_a_fresh_pass_keep_both_bounds() {
    let mut crashes = 0;
    for change in Change::ALL {
        for step in 0.. {
            let verdict = check(&[change], true, Fear::CrashAfter(step)).await;
            crashes += 1;
            if !verdict.crashed {
                break;
            }
        }
    }
    println!("{crashes} crashes in single changes");
}

/// Every second pair of changes, with a crash after every step.
async fn crash_in_pairs(parity: usize) {
    let mut crashes = 0;
    for pair in pairs().into_iter().skip(parity).step_by(2) {
        for step in 0.. {
            let verdict = check(&pair, true, Fear::CrashAfter(step)).await;
            crashes += 1;
            if !verdict.crashed {
                break;
            }
        }
    }
    println!("{crashes} crashes in pairs");
}

#[tokio::test]
async fn a_crash_in_an_even_pair_of_changes_keeps_both_bounds() {
    crash_in_pairs(0).await;
}

#[tokio::test]
async fn a_crash_in_an_odd_pair_of_changes_keeps_both_bounds() {
    crash_in_pairs(1).await;
}

const FAULTS: [Fault; 3] = [Fault::Throttle, Fault::LostAnswer, Fault::ServerError];

/// Changes under each fault with stale reads beside it; every fault must have struck.
async fn under_faults(changes: &[&[Change]], egress: bool) {
    for fault in FAULTS {
        let mut struck = 0;
        for changes in changes {
            struck += check(changes, egress, Fear::Faults { fault, stale_ms: 800 }).await.faults;
        }
        println!("{fault:?} with egress {egress}: struck {struck} times in {} runs", changes.len());
        assert!(struck > 0, "{fault:?} never struck");
    }
}

#[tokio::test]
async fn faults_of_the_cloud_in_single_changes_keep_both_bounds() {
    let singles: Vec<[Change; 1]> = Change::ALL.into_iter().map(|change| [change]).collect();
    let singles: Vec<&[Change]> = singles.iter().map(<[Change; 1]>::as_slice).collect();
    under_faults(&singles, false).await;
    under_faults(&singles, true).await;
}

#[tokio::test]
async fn faults_of_the_cloud_in_pairs_of_changes_keep_both_bounds() {
    let pairs = pairs();
    under_faults(&pairs.iter().map(<[Change; 2]>::as_slice).collect::<Vec<_>>(), true).await;
}

#[tokio::test]
async fn a_network_that_becomes_unreadable_half_way_keeps_both_bounds() {
    for change in Change::ALL {
        for step in 0..4 {
            check(&[change], true, Fear::UnreadableAfter(step)).await;
        }
    }
}

#[tokio::test]
async fn a_settle_below_the_delay_of_the_data_plane_is_seen() {
    let mut violations = 0;
    for change in Change::ALL {
        violations += run(&[change], true, Fear::Nothing, 0).await.violations.len();
    }
    assert!(violations > 0, "without settling, some packet must have been hit: the watcher sees nothing");
}
