//! The process dies after a step, and a fresh one looks.

use crate::case::{Case, at_every_step, cases, sample};
use crate::change::{pairs, singles};
use crate::fear::Fear;
use crate::tally::{Row, Seen};

fn crash(step: usize) -> Fear {
    Fear { crash_at: Some(step), ..Fear::NOTHING }
}

/// Every case crashes.
async fn check(name: &str, cases: Vec<Case>) {
    let mut row = Row::start(name);
    let runs = cases.len();
    for case in cases {
        case.check(&mut row).await;
    }
    row.finish(&[(Seen::Crashes, runs)]);
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_single_change_keeps_both_bounds() {
    check("single changes, a crash", at_every_step(cases(&singles(), Fear::NOTHING), crash).await).await;
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_pair_of_changes_keeps_both_bounds() {
    let all = at_every_step(cases(&pairs(), Fear::NOTHING), crash).await;
    check("pairs of changes, a crash", sample(all, 70)).await;
}
