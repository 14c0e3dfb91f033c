//! Two ends change together and no order of steps keeps both bounds: the plan names the transient, and nothing shows
//! but what it names, while it names it.

use crate::case::{Case, at_every_step};
use crate::change::Change;
use crate::estate::Directions;
use crate::fear::Fear;
use crate::tally::{Row, Seen};

fn cases() -> Vec<Case> {
    let case = |directions| Case {
        given: vec![Change::TiersTalk],
        ..Case::new(&[Change::TiersTalk, Change::TiersMoved], directions, Fear::NOTHING)
    };
    Directions::ALL.map(case).into()
}

#[tokio::test]
async fn two_ends_that_cross_show_what_is_named_between_its_steps_only() {
    let mut row = Row::start("two ends that cross");
    for case in cases() {
        let verdict = case.check(&mut row).await;
        assert!(verdict.tally.of(Seen::Excused) > 0, "{case:?}: the transient is never seen");
    }
    row.finish(&[(Seen::Named, 2)]);
}

#[tokio::test]
async fn a_crash_while_two_ends_cross_shows_no_more_than_is_named() {
    let mut row = Row::start("two ends that cross, a crash");
    let crash = |step| Fear { crash_at: Some(step), ..Fear::NOTHING };
    for case in at_every_step(cases(), crash).await {
        case.check(&mut row).await;
    }
    row.finish(&[(Seen::Crashes, 8), (Seen::Excused, 16)]);
}
