//! One run: changes, what the scopes enforce, what goes wrong, and the seed that everything random comes from.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;

use crate::change::Change;
use crate::estate::Directions;
use crate::fear::Fear;
use crate::shop::{SETTLE_MS, Shop};
use crate::tally::{Row, Seen};
use crate::watch::{Verdict, judge};

/// Packets that every run watches, and ticks that a run with a change judges, at least.
const PACKETS_MIN: usize = 1000;
const TICKS_MIN: usize = 1000;

#[derive(Clone, Debug)]
pub struct Case {
    /// What changed long before.
    pub given: Vec<Change>,
    pub changes: Vec<Change>,
    pub directions: Directions,
    pub fear: Fear,
    pub settle_ms: u64,
    pub seed: u64,
}

impl Case {
    pub fn new(changes: &[Change], directions: Directions, fear: Fear) -> Self {
        let (given, changes) = (Vec::new(), changes.to_vec());
        Self { given, changes, directions, fear, settle_ms: SETTLE_MS, seed: first_seed() }
    }

    pub async fn run(&self) -> Verdict {
        let mut shop = self.shop().await;
        let before = shop.now_ms();
        self.changes.iter().for_each(|change| shop.make(*change));
        shop.converge_under(self.fear).await;
        shop.settled_at();
        judge(&shop, before)
    }

    /// Runs it; both bounds hold at every moment, and a single change names no transient.
    pub async fn check(&self, row: &mut Row) -> Verdict {
        let verdict = self.run().await;
        assert!(verdict.violations.is_empty(), "{self:?}: {:#?}", verdict.violations);
        assert!(verdict.in_the_dark.is_empty(), "{self:?}: {:#?}", verdict.in_the_dark);
        let named = verdict.tally.of(Seen::Named);
        assert!(self.changes.len() > 1 || named == 0, "{self:?}: a single change named {named} transients");
        let (packets, ticks) = (verdict.tally.of(Seen::Packets), verdict.tally.of(Seen::Ticks));
        assert!(packets >= PACKETS_MIN, "{self:?}: {packets} packets were watched");
        assert!(self.changes.is_empty() || ticks >= TICKS_MIN, "{self:?}: {ticks} ticks were judged");
        row.add(&verdict.tally);
        verdict
    }

    async fn shop(&self) -> Shop {
        let mut shop = Shop::at_rest(self.directions, self.settle_ms, self.seed).await;
        if !self.given.is_empty() {
            shop.bring_about(&self.given).await;
        }
        shop
    }

    /// The steps of its first pass.
    async fn steps(&self) -> usize {
        static KNOWN: Mutex<BTreeMap<(Vec<Change>, Directions), usize>> = Mutex::new(BTreeMap::new());
        let key = ([&self.given[..], &self.changes].concat(), self.directions);
        if let Some(known) = KNOWN.lock().unwrap().get(&key) {
            return *known;
        }
        let mut shop = self.shop().await;
        self.changes.iter().for_each(|change| shop.make(*change));
        let steps = shop.planned_steps().await;
        KNOWN.lock().unwrap().insert(key, steps);
        steps
    }
}

/// Every change list in both directions.
pub fn cases(changes: &[Vec<Change>], fear: Fear) -> Vec<Case> {
    let both = |changes| Directions::ALL.map(move |directions| Case::new(changes, directions, fear));
    seeded(changes.iter().map(Vec::as_slice).flat_map(both).collect())
}

/// Each case once for every step of its first pass.
pub async fn at_every_step(cases: Vec<Case>, fear: impl Fn(usize) -> Fear) -> Vec<Case> {
    let mut all = Vec::new();
    for case in cases {
        let steps = case.steps().await;
        all.extend((0..steps).map(|step| Case { fear: fear(step), ..case.clone() }));
    }
    seeded(all)
}

/// So many of the cases, drawn from the seed; all of them if everything is to be run.
pub fn sample<T>(mut cases: Vec<T>, count: usize) -> Vec<T> {
    if env::var("BULKHEAD_HITLESS").is_ok_and(|value| value == "all") {
        return cases;
    }
    fastrand::Rng::with_seed(first_seed()).shuffle(&mut cases);
    cases.truncate(count);
    cases
}

/// Gives every case a seed of its own.
fn seeded(mut cases: Vec<Case>) -> Vec<Case> {
    (first_seed()..).zip(&mut cases).for_each(|(seed, case)| case.seed = seed);
    cases
}

fn first_seed() -> u64 {
    env::var("BULKHEAD_HITLESS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}
