//! The limits of calls that Azure publishes (`providers.md` 1.2), of which we use a share; and the prediction of how
//! long calls take.
//!
//! ARM has a token bucket for reads, writes and deletes of each principal in each subscription. Microsoft.Network
//! counts reads, and writes with deletes, in windows of five minutes: kept here as a sliding window, which no
//! placement of the cloud's own window can exceed. A throttle halves the share until it recovers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use provider::Clock;

/// What a call counts as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// GET.
    Read,
    /// PUT, PATCH, POST: also the POSTs that only ask.
    Write,
    /// DELETE.
    Delete,
}

/// Who counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Plane {
    /// ARM alone.
    Arm,
    /// ARM and then Microsoft.Network.
    Network,
}

/// The limits that one call counts against.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Buckets {
    /// Whose limits: a subscription, or empty for calls outside of one.
    pub subscription: String,
    /// What the call counts as.
    pub class: Class,
    /// Who counts it.
    pub plane: Plane,
}

/// `(capacity, refill per second)` of ARM's bucket, for one principal in one subscription.
pub fn published_bucket(class: Class) -> (f64, f64) {
    match class {
        Class::Read => (250.0, 25.0),
        Class::Write | Class::Delete => (200.0, 10.0),
    }
}

/// Calls in [`WINDOW_MS`] that Microsoft.Network takes; writes and deletes count together.
pub fn published_window(class: Class) -> u32 {
    match class {
        Class::Read => 10_000,
        Class::Write | Class::Delete => 1_000,
    }
}

/// The window of Microsoft.Network, in milliseconds.
pub const WINDOW_MS: u64 = 5 * 60 * 1000;
/// The share grows back by this factor with every call that is not throttled.
const RECOVERY: f64 = 1.05;
/// Never less than this share, however often we are throttled.
const SHARE_MIN: f64 = 0.01;

struct Bucket {
    tokens: f64,
    at_ms: u64,
    share: f64,
    /// The cloud said when to come back.
    not_before_ms: u64,
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<(String, Class), Bucket>,
    /// When recent calls go out; by subscription and whether they only read.
    windows: BTreeMap<(String, bool), VecDeque<u64>>,
}

/// Paces the calls of one principal.
pub struct Pace {
    clock: Arc<dyn Clock>,
    share: f64,
    state: Mutex<State>,
}

impl Pace {
    /// Uses `share` (0 to 1) of every limit.
    pub fn new(clock: Arc<dyn Clock>, share: f64) -> Self {
        Self { clock, share: share.clamp(SHARE_MIN, 1.0), state: Mutex::new(State::default()) }
    }

    /// Waits until a call may be sent.
    pub async fn wait(&self, buckets: &Buckets) {
        let wait_ms = self.take(buckets);
        if wait_ms > 0 {
            self.clock.sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Takes a place in every limit; returns how long to wait for it, in milliseconds.
    fn take(&self, buckets: &Buckets) -> u64 {
        let now = self.clock.now_ms();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_arm = state.bucket(buckets, self.share, now).take(buckets.class, now);
        if buckets.plane == Plane::Arm {
            return of_arm - now;
        }
        let most = window_share(buckets.class, self.share);
        let key = (buckets.subscription.clone(), buckets.class == Class::Read);
        let sent = state.windows.entry(key).or_default();
        let goes_at = match sent.len().checked_sub(most).and_then(|at| sent.get(at)) {
            Some(oldest) => of_arm.max(oldest + WINDOW_MS),
            None => of_arm,
        };
        sent.push_back(goes_at);
        while sent.len() > most {
            sent.pop_front();
        }
        goes_at - now
    }

    /// Notes how a call went: whether it was throttled and until when, and what the cloud says is left.
    pub fn answered(&self, buckets: &Buckets, throttled: Option<Duration>, remaining: Option<u32>) {
        let now = self.clock.now_ms();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = state.bucket(buckets, self.share, now);
        match throttled {
            Some(wait) => {
                bucket.share = (bucket.share / 2.0).max(SHARE_MIN);
                bucket.tokens = bucket.tokens.min(0.0);
                bucket.not_before_ms = now + wait.as_millis() as u64;
            }
            None => bucket.share = (bucket.share * RECOVERY).min(self.share),
        }
        if let Some(remaining) = remaining {
            // Others call as the same principal: what they took is gone for us as well.
            bucket.tokens = bucket.tokens.min(f64::from(remaining));
        }
    }
}

impl State {
    fn bucket(&mut self, buckets: &Buckets, share: f64, now: u64) -> &mut Bucket {
        let full = published_bucket(buckets.class).0 * share;
        let key = (buckets.subscription.clone(), buckets.class);
        self.buckets.entry(key).or_insert(Bucket {
            tokens: full.max(1.0),
            at_ms: now,
            share,
            not_before_ms: 0,
        })
    }
}

impl Bucket {
    /// When the next call may go.
    fn take(&mut self, class: Class, now: u64) -> u64 {
        let (capacity, refill) = published_bucket(class);
        let (capacity, refill) = ((capacity * self.share).max(1.0), refill * self.share);
        let elapsed = now.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.tokens = (self.tokens + elapsed * refill).min(capacity) - 1.0;
        self.at_ms = now.max(self.at_ms);
        let wait_ms = if self.tokens >= 0.0 { 0 } else { (-self.tokens / refill * 1000.0).ceil() as u64 };
        (now + wait_ms).max(self.not_before_ms)
    }
}

fn window_share(class: Class, share: f64) -> usize {
    (f64::from(published_window(class)) * share).floor().max(1.0) as usize
}

/// How long calls of one principal in one subscription take from full limits, in milliseconds: the slowest decides.
pub fn predict_ms(calls: &BTreeMap<(Class, Plane), u32>, share: f64) -> u64 {
    let share = share.clamp(SHARE_MIN, 1.0);
    let count = |wanted: &dyn Fn(Class, Plane) -> bool| -> u32 {
        calls.iter().filter(|((class, plane), _)| wanted(*class, *plane)).map(|(_, count)| *count).sum()
    };
    let of_bucket = |class: Class, calls: u64| {
        let (capacity, refill) = published_bucket(class);
        let waiting = calls.saturating_sub((capacity * share).max(1.0).floor() as u64);
        (waiting as f64 / (refill * share) * 1000.0).ceil() as u64
    };
    let of_class = |class: Class| {
        let own = u64::from(count(&|other, _| other == class));
        let together = |other: Class| (other == Class::Read) == (class == Class::Read);
        let counted = u64::from(count(&|other, plane| plane == Plane::Network && together(other)));
        let most = window_share(class, share) as u64;
        // What does not fit in the first windows goes out in the last one as it did in the first.
        let last = counted.saturating_sub(1);
        let windows = last / most * WINDOW_MS + of_bucket(class, own.min(last % most + 1));
        if own == 0 { 0 } else { of_bucket(class, own).max(windows) }
    };
    [Class::Read, Class::Write, Class::Delete].into_iter().map(of_class).max().unwrap_or(0)
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

    fn of(class: Class, plane: Plane) -> Buckets {
        Buckets { subscription: "s".to_owned(), class, plane }
    }

    /// How long calls took, beside what was predicted.
    async fn spent(class: Class, plane: Plane, calls: u32, share: f64) -> (u64, u64) {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), share);
        for _ in 0..calls {
            pace.wait(&of(class, plane)).await;
        }
        (clock.now_ms(), predict_ms(&BTreeMap::from([((class, plane), calls)]), share))
    }

    #[tokio::test]
    async fn calls_take_as_long_as_predicted() {
        for (class, plane, calls, share, expected) in [
            (Class::Read, Plane::Arm, 250, 1.0, 0),
            (Class::Read, Plane::Arm, 1250, 1.0, 40_000),
            (Class::Write, Plane::Arm, 1000, 0.5, 180_000),
            (Class::Write, Plane::Network, 1000, 1.0, 80_000),
            (Class::Write, Plane::Network, 1001, 1.0, 300_000),
            (Class::Delete, Plane::Network, 1000, 0.5, 380_000),
            (Class::Read, Plane::Network, 10_000, 1.0, 390_000),
        ] {
            let (took, predicted) = spent(class, plane, calls, share).await;
            assert_eq!(predicted, expected, "{class:?} {plane:?} {calls} {share}");
            assert!(took.abs_diff(predicted) <= 1_000, "{class:?} {plane:?} {calls}: {took}");
        }
    }

    #[tokio::test]
    async fn no_placement_of_the_clouds_window_is_exceeded() {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), 1.0);
        let mut sent = Vec::new();
        for call in 0..3000u32 {
            let class = if call % 3 == 0 { Class::Delete } else { Class::Write };
            pace.wait(&of(class, Plane::Network)).await;
            sent.push(clock.now_ms());
        }
        for (at, first) in sent.iter().enumerate() {
            let inside = sent.iter().skip(at).take_while(|time| **time < first + WINDOW_MS).count();
            assert!(inside <= 1000, "{inside} calls from {first}");
        }
    }

    #[tokio::test]
    async fn a_throttle_is_obeyed_and_slows_down_until_it_recovers() {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), 1.0);
        let write = of(Class::Write, Plane::Network);
        pace.wait(&write).await;
        pace.answered(&write, Some(Duration::from_secs(17)), None);
        pace.wait(&of(Class::Read, Plane::Network)).await;
        assert_eq!(clock.now_ms(), 0, "reads go on");
        pace.wait(&write).await;
        assert_eq!(clock.now_ms(), 17_000);
        (0..40).for_each(|_| pace.answered(&write, None, None));
        let before = clock.now_ms();
        pace.wait(&write).await;
        assert!(clock.now_ms() - before <= 200);
    }

    #[tokio::test]
    async fn what_others_took_is_gone() {
        let clock = Arc::new(Stepped(Mutex::new(0)));
        let pace = Pace::new(clock.clone(), 1.0);
        let read = of(Class::Read, Plane::Arm);
        pace.wait(&read).await;
        pace.answered(&read, None, Some(2));
        for _ in 0..3 {
            pace.wait(&read).await;
        }
        assert_eq!(clock.now_ms(), 40, "two at once, the third after a refill");
    }
}
