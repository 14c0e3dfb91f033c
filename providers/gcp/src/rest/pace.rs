//! The limits of calls that Google publishes (`providers.md` 1.3), of which we use a share; and the prediction of how
//! long calls take.
//!
//! Calls are counted for each project, group of methods and minute, and a spent limit comes back at the start of the
//! next minute. When Google's minute starts is unknown here, so a sliding window is kept, which no placement of the
//! minute can exceed. A throttle halves the share, and calls of the group wait until the minute must be over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use provider::Clock;

/// What a call counts as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Group {
    /// Everything of Compute Engine that has no group of its own: changes above all.
    Queries,
    /// Reads of one resource.
    Reads,
    /// Lists.
    Lists,
    /// Reads of operations, waiting included.
    OperationReads,
    /// All calls to Resource Manager.
    Manager,
    /// Reads of log entries.
    Logs,
}

/// The limit that one call counts against.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Buckets {
    /// Whose limit: the id of a project, or empty for calls outside of one.
    pub project: String,
    /// What the call counts as.
    pub group: Group,
}

/// How many calls of each group a project may make in a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rates {
    /// For each group of Compute Engine.
    pub compute: u32,
    /// For Resource Manager.
    pub manager: u32,
    /// For reads of log entries.
    pub logs: u32,
}

impl Default for Rates {
    /// What projects have that never asked for more; the console shows the real ones under "Quotas".
    fn default() -> Self {
        Self { compute: 1500, manager: 600, logs: 60 }
    }
}

impl Rates {
    /// The share of the limit of a group, in calls; never none.
    fn share(self, group: Group, share: f64) -> usize {
        let limit = match group {
            Group::Manager => self.manager,
            Group::Logs => self.logs,
            _ => self.compute,
        };
        (f64::from(limit) * share).floor().max(1.0) as usize
    }
}

/// The window in milliseconds.
pub const WINDOW_MS: u64 = 60_000;
/// The share grows back by this factor with every minute that ends without a throttle.
const RECOVERY: f64 = 1.25;
/// Never less than this share, however often we are throttled.
const SHARE_MIN: f64 = 0.01;

struct Window {
    /// When the calls of the last minute went out, or will.
    sent: VecDeque<u64>,
    share: f64,
    /// When the share was changed last.
    changed_ms: u64,
    not_before_ms: u64,
}

/// Paces the calls of one principal.
pub struct Pace {
    clock: Arc<dyn Clock>,
    share: f64,
    rates: Rates,
    windows: Mutex<BTreeMap<Buckets, Window>>,
}

impl Pace {
    /// Uses `share` (0 to 1) of every limit.
    pub fn new(clock: Arc<dyn Clock>, share: f64, rates: Rates) -> Self {
        Self { clock, share: share.clamp(SHARE_MIN, 1.0), rates, windows: Mutex::default() }
    }

    /// Waits until a call may be sent.
    pub async fn wait(&self, buckets: &Buckets) {
        let wait_ms = self.take(buckets);
        if wait_ms > 0 {
            self.clock.sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Takes a place; returns how long to wait for it, in milliseconds.
    fn take(&self, buckets: &Buckets) -> u64 {
        let now = self.clock.now_ms();
        let rates = self.rates;
        self.with(buckets, |window| {
            while window.sent.front().is_some_and(|at| at + WINDOW_MS <= now) {
                window.sent.pop_front();
            }
            let most = rates.share(buckets.group, window.share);
            let oldest = window.sent.len().checked_sub(most).and_then(|at| window.sent.get(at));
            let free = oldest.map_or(now, |at| (at + WINDOW_MS).max(now));
            let goes_at = free.max(window.not_before_ms);
            window.sent.push_back(goes_at);
            goes_at - now
        })
    }

    /// Notes how a call went: with a throttle, how long the cloud asked to wait (none: until the minute is over).
    pub fn answered(&self, buckets: &Buckets, throttled: Option<Option<Duration>>) {
        let now = self.clock.now_ms();
        let own = self.share;
        self.with(buckets, |window| match throttled {
            Some(wait) => {
                window.share = (window.share / 2.0).max(SHARE_MIN);
                window.changed_ms = now;
                let wait_ms = wait.map_or(WINDOW_MS, |wait| wait.as_millis() as u64);
                window.not_before_ms = window.not_before_ms.max(now + wait_ms);
            }
            None if window.share < own && now >= window.changed_ms.max(window.not_before_ms) + WINDOW_MS => {
                window.share = (window.share * RECOVERY).min(own);
                window.changed_ms = now;
            }
            None => {}
        });
    }

    fn with<T>(&self, buckets: &Buckets, change: impl FnOnce(&mut Window) -> T) -> T {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Window { sent: VecDeque::new(), share: self.share, changed_ms: 0, not_before_ms: 0 };
        change(windows.entry(buckets.clone()).or_insert_with(fresh))
    }
}

/// How long calls of one principal in one project take from full limits, in milliseconds: the slowest group decides.
pub fn predict_ms(calls: &BTreeMap<Group, u32>, share: f64, rates: Rates) -> u64 {
    let share = share.clamp(SHARE_MIN, 1.0);
    let of = |(group, calls): (&Group, &u32)| {
        let windows = u64::from(calls.saturating_sub(1)) / rates.share(*group, share) as u64;
        windows * WINDOW_MS
    };
    calls.iter().map(of).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;

    struct Stepped(Mutex<u64>);

    #[async_trait]
    impl Clock for Stepped {
        fn now_ms(&self) -> u64 {
            self.0.lock().map_or(0, |now| *now)
        }
        async fn sleep(&self, duration: Duration) {
            if let Ok(mut now) = self.0.lock() {
                *now += duration.as_millis() as u64;
            }
        }
    }

    fn of(group: Group) -> Buckets {
        Buckets { project: "p".to_owned(), group }
    }

    #[tokio::test]
    async fn calls_take_as_long_as_predicted() {
        for (group, calls, share, expected) in [
            (Group::Queries, 1500, 1.0, 0),
            (Group::Queries, 1501, 1.0, 60_000),
            (Group::Queries, 1500, 0.5, 60_000),
            (Group::Lists, 3001, 0.5, 240_000),
            (Group::Manager, 1000, 0.5, 180_000),
        ] {
            let clock = Arc::new(Stepped(Mutex::new(0)));
            let pace = Pace::new(clock.clone(), share, Rates::default());
            for _ in 0..calls {
                pace.wait(&of(group)).await;
            }
            let predicted = predict_ms(&BTreeMap::from([(group, calls)]), share, Rates::default());
            assert_eq!((clock.now_ms(), predicted), (expected, expected), "{group:?} {calls} {share}");
        }
    }

    #[tokio::test]
    async fn no_placement_of_the_minute_is_exceeded() {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), 0.1, Rates::default());
        let mut sent = Vec::new();
        for call in 0..600u64 {
            clock.sleep(Duration::from_millis(call * 7 % 900)).await;
            pace.wait(&of(Group::Queries)).await;
            sent.push(clock.now_ms());
        }
        for (at, first) in sent.iter().enumerate() {
            let inside = sent.iter().skip(at).take_while(|time| **time < first + WINDOW_MS).count();
            assert!(inside <= 150, "{inside} calls from {first}");
        }
    }

    #[tokio::test]
    async fn a_throttle_is_obeyed_and_slows_down_until_it_recovers() {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), 1.0, Rates::default());
        let write = of(Group::Queries);
        pace.wait(&write).await;
        pace.answered(&write, Some(None));
        pace.wait(&of(Group::Reads)).await;
        assert_eq!(clock.now_ms(), 0, "reads go on");
        pace.wait(&write).await;
        assert_eq!(clock.now_ms(), 60_000, "until the minute must be over");
        for _ in 0..750 {
            pace.wait(&write).await;
        }
        assert_eq!(clock.now_ms(), 120_000, "half as fast");
        for _ in 0..4 {
            pace.answered(&write, None);
            clock.sleep(Duration::from_millis(WINDOW_MS)).await;
        }
        let before = clock.now_ms();
        for _ in 0..1400 {
            pace.wait(&write).await;
        }
        assert_eq!(clock.now_ms(), before, "nearly as fast again");
        clock.sleep(Duration::from_millis(WINDOW_MS)).await;
        pace.answered(&write, Some(Some(Duration::from_secs(3))));
        let before = clock.now_ms();
        pace.wait(&write).await;
        assert_eq!(clock.now_ms() - before, 3_000, "as the cloud says");
    }
}
