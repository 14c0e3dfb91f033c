//! The published limits of calls (`providers.md` 1.2): ARM's token buckets for each principal and for the whole
//! subscription, and the five-minute windows of Microsoft.Network.

use crate::error::ArmError;

/// What kind of call a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Read,
    Write,
    Delete,
}

impl Class {
    /// By the HTTP method.
    pub fn of(method: &str) -> Self {
        match method {
            "GET" | "HEAD" => Self::Read,
            "DELETE" => Self::Delete,
            _ => Self::Write,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Read => ("reads", "read"),
            Self::Write => ("writes", "write"),
            Self::Delete => ("deletes", "delete"),
        }
    }
}

/// How much bigger the bucket of a subscription is than that of one principal.
const GLOBAL_FACTOR: f64 = 15.0;
/// The window of the network provider.
const WINDOW_MS: u64 = 5 * 60 * 1000;
const WINDOW_READS: u64 = 10_000;
const WINDOW_WRITES: u64 = 1000;

#[derive(Clone, Debug)]
struct Bucket {
    capacity: f64,
    refill: f64,
    tokens: f64,
    at_ms: u64,
}

impl Bucket {
    fn new(capacity: f64, refill: f64) -> Self {
        Self { capacity, refill, tokens: capacity, at_ms: 0 }
    }

    /// What is left after taking one, or the seconds until there is one.
    fn take(&mut self, now_ms: u64) -> Result<u64, u64> {
        let elapsed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.tokens = (self.tokens + elapsed * self.refill).min(self.capacity);
        self.at_ms = now_ms;
        if self.tokens < 1.0 {
            return Err(((1.0 - self.tokens) / self.refill).ceil().max(1.0) as u64);
        }
        self.tokens -= 1.0;
        Ok(self.tokens as u64)
    }
}

#[derive(Clone, Debug, Default)]
struct Window {
    from_ms: u64,
    count: u64,
}

impl Window {
    fn take(&mut self, most: u64, now_ms: u64) -> Result<(), u64> {
        if now_ms >= self.from_ms + WINDOW_MS {
            *self = Self { from_ms: now_ms - now_ms % WINDOW_MS, count: 0 };
        }
        if self.count >= most {
            return Err((self.from_ms + WINDOW_MS).saturating_sub(now_ms).div_ceil(1000).max(1));
        }
        self.count += 1;
        Ok(())
    }
}

/// All limits of one principal in one subscription.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// Of the principal and of the subscription, for reads, writes and deletes.
    arm: [(Bucket, Bucket); 3],
    reads: Window,
    writes: Window,
}

impl Default for Throttle {
    fn default() -> Self {
        let pair = |capacity: f64, refill: f64| {
            (Bucket::new(capacity, refill), Bucket::new(capacity * GLOBAL_FACTOR, refill * GLOBAL_FACTOR))
        };
        Self {
            arm: [pair(250.0, 25.0), pair(200.0, 10.0), pair(200.0, 10.0)],
            reads: Window::default(),
            writes: Window::default(),
        }
    }
}

impl Throttle {
    /// Counts a call; gives the headers about what is left.
    ///
    /// # Errors
    /// 429, with `Retry-After`.
    pub fn take(
        &mut self,
        class: Class,
        is_network: bool,
        now_ms: u64,
    ) -> Result<Vec<(String, String)>, ArmError> {
        let [read, write, delete] = &mut self.arm;
        let (own, global) = match class {
            Class::Read => read,
            Class::Write => write,
            Class::Delete => delete,
        };
        let (plural, singular) = class.words();
        let over = |seconds: u64| {
            let message = format!(
                "Number of '{singular}' requests for subscription exceeded the limit. Please try again after '{seconds}' seconds after additional tokens are available."
            );
            ArmError::new(429, "SubscriptionRequestsThrottled", message).retry_after(seconds)
        };
        let left = own.take(now_ms).map_err(over)?;
        let left_all = global.take(now_ms).map_err(over)?;
        if is_network {
            let counted = match class {
                Class::Read => self.reads.take(WINDOW_READS, now_ms),
                Class::Write | Class::Delete => self.writes.take(WINDOW_WRITES, now_ms),
            };
            counted.map_err(|seconds| {
                let message = "The request is being throttled as the limit of Microsoft.Network in 5 minutes has been reached.";
                ArmError::new(429, "TooManyRequests", message).retry_after(seconds)
            })?;
        }
        Ok(vec![
            (format!("x-ms-ratelimit-remaining-subscription-{plural}"), left.to_string()),
            (format!("x-ms-ratelimit-remaining-subscription-global-{plural}"), left_all.to_string()),
        ])
    }
}
