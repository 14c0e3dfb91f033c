//! Token buckets per action, account and region, with the numbers that AWS publishes (`providers.md` 1.1),
//! of which we use a share; and the prediction of how long calls take.
//!
//! A throttle halves the share until it recovers: throttling is planned for, not suffered. Calls that were sent before
//! the share was halved say nothing about the new one, whatever comes of them: one burst halves it once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// What we know of one action's bucket.
struct Bucket {
    tokens: f64,
    at_ms: u64,
    /// The current share; below the configured one after a throttle.
    share: f64,
    /// How often the share was halved.
    halvings: u64,
}

struct State {
    share: f64,
    buckets: BTreeMap<String, Bucket>,
}

/// Paces the calls of one account and region.
pub struct Pace {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// The right to send one call: what comes of it says something about the share under which it was given.
#[must_use]
pub struct Token {
    halvings: u64,
}

/// The smallest share: below it a pass would not end.
const SHARE_MIN: f64 = 0.01;
/// The share grows back by this factor with every call that is not throttled.
const RECOVERY: f64 = 1.05;
/// Rounding of tokens that were added up.
const ALMOST: f64 = 1e-6;

impl Pace {
    /// Uses `share` (0 to 1) of every bucket.
    pub fn new(clock: Arc<dyn Clock>, share: f64) -> Self {
        let state = State { share: share.clamp(SHARE_MIN, 1.0), buckets: BTreeMap::new() };
        Self { clock, state: Mutex::new(state) }
    }

    /// The share of every bucket that is used when nothing is throttled.
    pub fn share(&self) -> f64 {
        self.state().share
    }

    /// Uses no more than this share: of several that use the same buckets, the most careful one is obeyed.
    pub fn lower_to(&self, share: f64) {
        let mut state = self.state();
        state.share = state.share.min(share.clamp(SHARE_MIN, 1.0));
        let share = state.share;
        for bucket in state.buckets.values_mut() {
            bucket.share = bucket.share.min(share);
        }
    }

    /// Waits until a call of the action may be sent.
    pub async fn wait(&self, action: &str) -> Token {
        loop {
            match self.take(action) {
                Ok(token) => return token,
                Err(wait) => self.clock.sleep(wait).await,
            }
        }
    }

    /// Takes a token, or says how long it takes until there may be one.
    fn take(&self, action: &str) -> Result<Token, Duration> {
        let (capacity, refill) = published(action);
        let now = self.clock.now_ms();
        let mut state = self.state();
        let share = state.share;
        let full = || Bucket { tokens: (capacity * share).max(1.0), at_ms: now, share, halvings: 0 };
        let bucket = state.buckets.entry(action.to_owned()).or_insert_with(full);
        let (capacity, refill) = ((capacity * bucket.share).max(1.0), refill * bucket.share);
        let elapsed = now.saturating_sub(bucket.at_ms) as f64 / 1000.0;
        bucket.tokens = (bucket.tokens + elapsed * refill).min(capacity);
        bucket.at_ms = now.max(bucket.at_ms);
        let missing = 1.0 - bucket.tokens;
        if missing > ALMOST {
            return Err(Duration::from_millis((missing / refill * 1000.0).ceil() as u64));
        }
        bucket.tokens -= 1.0;
        Ok(Token { halvings: bucket.halvings })
    }

    /// Notes how a call went.
    pub fn answered(&self, action: &str, throttled: bool, token: Token) {
        let mut state = self.state();
        let configured = state.share;
        let Some(bucket) = state.buckets.get_mut(action) else { return };
        if throttled {
            bucket.tokens = bucket.tokens.min(0.0);
        }
        if token.halvings != bucket.halvings {
            return;
        }
        if throttled {
            bucket.share = (bucket.share / 2.0).max(SHARE_MIN);
            bucket.halvings += 1;
        } else {
            bucket.share = (bucket.share * RECOVERY).min(configured);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long calls take from full buckets, in milliseconds: the slowest bucket decides.
pub fn predict_ms(calls: &BTreeMap<String, u32>, share: f64) -> u64 {
    let share = share.clamp(SHARE_MIN, 1.0);
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

    fn pace(share: f64) -> (Arc<Stepped>, Pace) {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        (clock.clone(), Pace::new(clock, share))
    }

    #[tokio::test]
    async fn a_thousand_calls_take_as_long_as_predicted() {
        let (clock, pace) = pace(0.5);
        for _ in 0..1000 {
            let token = pace.wait("AuthorizeSecurityGroupIngress").await;
            pace.answered("AuthorizeSecurityGroupIngress", false, token);
        }
        let calls = BTreeMap::from([("AuthorizeSecurityGroupIngress".to_owned(), 1000)]);
        // 25 at once, then 2.5 a second: 390 s.
        assert_eq!(predict_ms(&calls, 0.5), 390_000);
        assert!(clock.now_ms().abs_diff(390_000) < 1_000, "{}", clock.now_ms());
    }

    #[tokio::test]
    async fn a_throttle_slows_down_and_success_recovers() {
        let (clock, pace) = pace(1.0);
        let token = pace.wait("DeleteSecurityGroup").await;
        pace.answered("DeleteSecurityGroup", true, token);
        let token = pace.wait("DeleteSecurityGroup").await;
        assert_eq!(clock.now_ms(), 400, "an empty bucket at half the rate");
        pace.answered("DeleteSecurityGroup", false, token);
        for _ in 0..40 {
            let token = pace.wait("DeleteSecurityGroup").await;
            pace.answered("DeleteSecurityGroup", false, token);
        }
        let before = clock.now_ms();
        let _ = pace.wait("DeleteSecurityGroup").await;
        assert!(clock.now_ms() - before <= 200);
    }

    #[tokio::test]
    async fn a_burst_of_throttles_halves_the_share_once() {
        let (clock, pace) = pace(1.0);
        let mut tokens = Vec::new();
        for _ in 0..8 {
            tokens.push(pace.wait("DeleteSecurityGroup").await);
        }
        for (number, token) in tokens.into_iter().enumerate() {
            pace.answered("DeleteSecurityGroup", number != 5, token);
        }
        let token = pace.wait("DeleteSecurityGroup").await;
        assert_eq!(clock.now_ms(), 400, "half the rate, not a 128th of it");
        pace.answered("DeleteSecurityGroup", true, token);
        let _ = pace.wait("DeleteSecurityGroup").await;
        assert_eq!(clock.now_ms(), 1200, "a call that was sent at half the rate halves it again");
    }

    #[tokio::test]
    async fn the_most_careful_share_of_several_is_obeyed() {
        let (clock, pace) = pace(1.0);
        let _ = pace.wait("DeleteSecurityGroup").await;
        pace.lower_to(0.1);
        pace.lower_to(0.5);
        assert_eq!(pace.share(), 0.1);
        for _ in 0..6 {
            let _ = pace.wait("DeleteSecurityGroup").await;
        }
        assert_eq!(clock.now_ms(), 2000, "five at once, and then one in two seconds");
    }
}
