//! Token buckets per action, account and region, with the numbers that AWS publishes (`providers.md` 1.1),
//! of which we use a share; and the prediction of how long calls take.
//!
//! A throttle halves the share until it recovers: throttling is planned for, not suffered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provider::Clock;

/// `(capacity, refill per second)` of an action's bucket, as published.
pub fn published(action: &str) -> (f64, f64) {
    match action {
        "CreateTags" | "DeleteTags" => (100.0, 10.0),
        "ModifyNetworkInterfaceAttribute" | "CreateNetworkInterface" => (100.0, 5.0),
        "DescribeSecurityGroupReferences" | "DescribeStaleSecurityGroups" => (20.0, 5.0),
        _ if action.starts_with("Describe") || action.starts_with("Get") => (100.0, 20.0),
        _ => (50.0, 5.0),
    }
}

struct Bucket {
    tokens: f64,
    at_ms: u64,
}

struct State {
    buckets: BTreeMap<String, Bucket>,
    /// Current share by action; below the configured one after a throttle.
    shares: BTreeMap<String, f64>,
}

/// Paces the calls of one account and region.
pub struct Pace {
    clock: Arc<dyn Clock>,
    share: f64,
    state: Mutex<State>,
}

/// The share grows back by this factor with every call that is not throttled.
const RECOVERY: f64 = 1.05;

impl Pace {
    /// Uses `share` (0 to 1) of every bucket.
    pub fn new(clock: Arc<dyn Clock>, share: f64) -> Self {
        let state = State { buckets: BTreeMap::new(), shares: BTreeMap::new() };
        Self { clock, share: share.clamp(0.01, 1.0), state: Mutex::new(state) }
    }

    /// Waits until a call of the action may be sent.
    pub async fn wait(&self, action: &str) {
        let wait_ms = self.take(action);
        if wait_ms > 0 {
            self.clock.sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Takes a token; returns how long to wait for it, in milliseconds.
    fn take(&self, action: &str) -> u64 {
        let (capacity, refill) = published(action);
        let now = self.clock.now_ms();
        let Ok(mut state) = self.state.lock() else { return 0 };
        let share = *state.shares.entry(action.to_owned()).or_insert(self.share);
        let (capacity, refill) = ((capacity * share).max(1.0), refill * share);
        let bucket =
            state.buckets.entry(action.to_owned()).or_insert(Bucket { tokens: capacity, at_ms: now });
        let elapsed = now.saturating_sub(bucket.at_ms) as f64 / 1000.0;
        bucket.tokens = (bucket.tokens + elapsed * refill).min(capacity) - 1.0;
        bucket.at_ms = now.max(bucket.at_ms);
        if bucket.tokens >= 0.0 { 0 } else { (-bucket.tokens / refill * 1000.0).ceil() as u64 }
    }

    /// Notes how a call went.
    pub fn answered(&self, action: &str, throttled: bool) {
        let Ok(mut state) = self.state.lock() else { return };
        let share = state.shares.entry(action.to_owned()).or_insert(self.share);
        *share = if throttled { (*share / 2.0).max(0.01) } else { (*share * RECOVERY).min(self.share) };
        if throttled && let Some(bucket) = state.buckets.get_mut(action) {
            bucket.tokens = bucket.tokens.min(0.0);
        }
    }
}

/// How long calls take from full buckets, in milliseconds: the slowest bucket decides.
pub fn predict_ms(calls: &BTreeMap<String, u32>, share: f64) -> u64 {
    let share = share.clamp(0.01, 1.0);
    let of = |(action, count): (&String, &u32)| {
        let (capacity, refill) = published(action);
        let waiting = (f64::from(*count) - (capacity * share).max(1.0).floor()).max(0.0);
        (waiting / (refill * share) * 1000.0).ceil() as u64
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

    #[tokio::test]
    async fn a_thousand_calls_take_as_long_as_predicted() {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), 0.5);
        for _ in 0..1000 {
            pace.wait("AuthorizeSecurityGroupIngress").await;
        }
        let calls = BTreeMap::from([("AuthorizeSecurityGroupIngress".to_owned(), 1000)]);
        // 25 at once, then 2.5 a second: 390 s.
        assert_eq!(predict_ms(&calls, 0.5), 390_000);
        assert!(clock.now_ms().abs_diff(390_000) < 1_000, "{}", clock.now_ms());
    }

    #[tokio::test]
    async fn a_throttle_slows_down_and_success_recovers() {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), 1.0);
        pace.wait("DeleteSecurityGroup").await;
        pace.answered("DeleteSecurityGroup", true);
        pace.wait("DeleteSecurityGroup").await;
        assert_eq!(clock.now_ms(), 400, "an empty bucket at half the rate");
        (0..40).for_each(|_| pace.answered("DeleteSecurityGroup", false));
        let before = clock.now_ms();
        pace.wait("DeleteSecurityGroup").await;
        assert!(clock.now_ms() - before <= 200);
    }
}
