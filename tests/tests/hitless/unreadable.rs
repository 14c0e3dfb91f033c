//! One of two peered networks becomes unreadable half-way.

use crate::case::{at_every_step, cases, sample};
use crate::change::{pairs, singles};
use crate::fear::Fear;
use crate::tally::{Row, Seen};

fn unreadable(step: usize) -> Fear {
    Fear { unreadable_from: Some(step), ..Fear::NOTHING }
}

#[tokio::test]
async fn a_network_that_becomes_unreadable_half_way_keeps_both_bounds() {
    let mut row = Row::start("an unreadable network");
    let mut all = at_every_step(cases(&singles(), Fear::NOTHING), unreadable).await;
    all.extend(sample(at_every_step(cases(&pairs(), Fear::NOTHING), unreadable).await, 10));
    for case in all {
        let verdict = case.check(&mut row).await;
        assert!(verdict.tally.of(Seen::DeniedReads) > 0, "{case:?}: everything could be read");
    }
    row.finish(&[(Seen::DeniedReads, 1000), (Seen::HeldInTheDark, 300)]);
}
