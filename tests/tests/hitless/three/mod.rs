//! The same over a domain of three clouds: real drivers over HTTP, and at every moment at which an interface of any
//! cloud sees something new, the bounds of DESIGN 7.1 hold for every pair of ends, judged at both. Single changes name no
//! transient.
//!
//! Calm; with each of the clouds unreadable half-way (its reads fail from the n-th write on); with a crash after every
//! step and a fresh pass; and with `settle` below the data plane's delay, where the test must fail.

mod change;
mod shop;
mod watch;

use plan::Cloud;

use crate::case::sample;
use crate::clouds::CLOUDS;
use crate::estate::Directions;
use crate::tally::{Row, Seen};
use change::Change;
use shop::{Fear, SETTLE_MS, Shop};
use watch::{Verdict, judge};

const PACKETS_MIN: usize = 500;
const TICKS_MIN: usize = 500;

#[derive(Clone, Copy, Debug)]
struct Case {
    change: Change,
    directions: Directions,
    fear: Fear,
    settle_ms: u64,
    seed: u64,
}

impl Case {
    async fn run(&self) -> Verdict {
        let mut shop = Shop::at_rest(self.directions, self.settle_ms, self.seed).await;
        shop.make(self.change);
        let before = shop.now_ms();
        shop.converge_under(self.fear).await;
        shop.settled();
        judge(&shop, before)
    }

    /// Runs it; both bounds hold at every moment, and nothing runs against what could not be read.
    async fn check(&self, row: &mut Row) -> Verdict {
        let verdict = self.run().await;
        assert!(verdict.violations.is_empty(), "{self:?}: {:#?}", verdict.violations);
        assert!(verdict.in_the_dark.is_empty(), "{self:?}: {:#?}", verdict.in_the_dark);
        assert_eq!(verdict.tally.of(Seen::Named), 0, "{self:?}: a single change named a transient");
        let (packets, ticks) = (verdict.tally.of(Seen::Packets), verdict.tally.of(Seen::Ticks));
        assert!(packets >= PACKETS_MIN && ticks >= TICKS_MIN, "{self:?}: {packets} packets, {ticks} ticks");
        row.add(&verdict.tally);
        verdict
    }

    /// The writes of its first pass.
    async fn writes(&self) -> usize {
        let mut shop = Shop::at_rest(self.directions, self.settle_ms, self.seed).await;
        shop.make(self.change);
        shop.planned().await.steps.len()
    }
}

fn cases(changes: &[Change]) -> Vec<Case> {
    let mut all = Vec::new();
    for directions in Directions::ALL {
        for &change in changes {
            let seed = all.len() as u64 + 1;
            all.push(Case { change, directions, fear: Fear::NOTHING, settle_ms: SETTLE_MS, seed });
        }
    }
    all
}

#[tokio::test]
async fn single_changes_over_three_clouds_keep_both_bounds_and_name_no_transient() {
    let mut row = Row::start("three clouds, single changes");
    for case in cases(&Change::ALL) {
        let verdict = case.check(&mut row).await;
        let is_half = (case.change, case.directions) == (Change::HalvesCross, Directions::Both);
        assert!(verdict.tally.of(Seen::Moved) > 0 || is_half, "{case:?}: nothing changes");
    }
    row.finish(&[(Seen::Runs, 2 * Change::ALL.len()), (Seen::Ticks, 50_000), (Seen::Moved, 100)]);
}

#[tokio::test]
async fn each_of_three_clouds_unreadable_half_way_keeps_both_bounds() {
    let mut row = Row::start("three clouds, one unreadable half-way");
    let mut all = Vec::new();
    for case in cases(&Change::ALL) {
        // From the first write on, and from one in the middle.
        let writes = case.writes().await;
        for (n, cloud) in CLOUDS.into_iter().enumerate() {
            let at = if (case.seed as usize + n).is_multiple_of(2) { 0 } else { writes / 2 };
            all.push(Case { fear: Fear { unreadable: Some((cloud, at)), ..Fear::NOTHING }, ..case });
        }
    }
    let all = sample(all, 24);
    let runs = all.len();
    for case in all {
        let verdict = case.check(&mut row).await;
        assert!(verdict.tally.of(Seen::DeniedReads) > 0, "{case:?}: everything could be read");
    }
    row.finish(&[(Seen::Runs, runs), (Seen::DeniedReads, 2 * runs), (Seen::HeldInTheDark, runs)]);
}

#[tokio::test]
async fn a_crash_after_any_step_over_three_clouds_keeps_both_bounds() {
    let mut row = Row::start("three clouds, a crash");
    let mut all = Vec::new();
    for case in cases(&[Change::Relabel, Change::RuleReplaced, Change::SourceMoved]) {
        let writes = case.writes().await;
        all.extend((0..writes).map(|at| Case { fear: Fear { crash_at: Some(at), ..Fear::NOTHING }, ..case }));
    }
    let all = sample(all, 30);
    let runs = all.len();
    for case in all {
        case.check(&mut row).await;
    }
    row.finish(&[(Seen::Crashes, runs)]);
}

#[tokio::test]
async fn a_settle_below_the_delay_of_three_data_planes_is_seen() {
    for settle_ms in [0, 500] {
        let mut violations = 0;
        for case in cases(&Change::ALL) {
            violations += Case { settle_ms, ..case }.run().await.violations.len();
            if violations > 0 {
                break;
            }
        }
        assert!(violations > 0, "with settle {settle_ms} ms: the watcher sees nothing");
    }
}

/// The port passes by neither policy, and each cloud has its own half of it at some time: what comes in one cloud waits
/// until what goes has settled in another, and does not come while nobody can see whether it has gone.
#[tokio::test]
async fn halves_of_a_path_in_two_clouds_never_meet() {
    let mut row = Row::start("three clouds, halves of a path");
    let case = Case {
        change: Change::HalvesCross,
        directions: Directions::Both,
        fear: Fear::NOTHING,
        settle_ms: SETTLE_MS,
        seed: 11,
    };
    let fears = [None, Some((Cloud::Aws, 0)), Some((Cloud::Gcp, 0))];
    for fear in fears.map(|unreadable| Fear { unreadable, ..Fear::NOTHING }) {
        let case = Case { fear, ..case };
        let verdict = case.check(&mut row).await;
        assert!(verdict.tally.of(Seen::Across) > 0, "{case:?}: no step waits for another cloud");
    }
    row.finish(&[(Seen::Runs, 3)]);
    let violations = Case { settle_ms: 0, ..case }.run().await.violations;
    assert!(violations.iter().any(|line| line.contains("6/6300 is open")), "without settle: {violations:#?}");
}
