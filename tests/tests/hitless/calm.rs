//! Nothing goes wrong.

use crate::case::{Case, cases};
use crate::change::{pairs, singles};
use crate::estate::Directions;
use crate::fear::Fear;
use crate::tally::{Row, Seen};

#[tokio::test]
async fn the_shop_at_rest_is_what_the_oracle_says() {
    let mut row = Row::start("no change");
    for directions in Directions::ALL {
        let verdict = Case::new(&[], directions, Fear::NOTHING).check(&mut row).await;
        assert_eq!(verdict.tally.of(Seen::Ticks), 0);
    }
    row.finish(&[(Seen::Runs, 2), (Seen::Packets, 2000)]);
}

#[tokio::test]
async fn single_changes_keep_both_bounds_and_name_no_transient() {
    let mut row = Row::start("single changes");
    for case in cases(&singles(), Fear::NOTHING) {
        case.check(&mut row).await;
    }
    row.finish(&[(Seen::Runs, 16), (Seen::Ticks, 200_000), (Seen::Moved, 100)]);
}

#[tokio::test]
async fn pairs_of_changes_keep_both_bounds() {
    let mut row = Row::start("pairs of changes");
    for case in cases(&pairs(), Fear::NOTHING) {
        case.check(&mut row).await;
    }
    row.finish(&[(Seen::Runs, 56), (Seen::Ticks, 1_000_000), (Seen::Moved, 500)]);
}

#[tokio::test]
async fn a_settle_below_the_delay_of_the_data_plane_is_seen() {
    for (directions, settle_ms) in
        [(Directions::Ingress, 0), (Directions::Both, 0), (Directions::Ingress, 500), (Directions::Both, 500)]
    {
        let mut violations = 0;
        for case in cases(&singles(), Fear::NOTHING).into_iter().filter(|case| case.directions == directions)
        {
            violations += Case { settle_ms, ..case }.run().await.violations.len();
            if violations > 0 {
                break;
            }
        }
        assert!(violations > 0, "{directions:?} with settle {settle_ms} ms: the watcher sees nothing");
    }
}
