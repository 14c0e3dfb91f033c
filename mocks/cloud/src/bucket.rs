//! Token buckets on virtual time, as providers publish them.

use std::collections::BTreeMap;

/// One bucket for each key (action, account, region).
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// key → (tokens, time of the last refill in milliseconds).
    levels: BTreeMap<String, (f64, u64)>,
}

impl Buckets {
    /// Takes a token from a bucket with this capacity and refill per second; false: throttled.
    pub fn take(&mut self, key: &str, capacity: f64, refill: f64, now_ms: u64) -> bool {
        let (tokens, at) = self.levels.entry(key.to_owned()).or_insert((capacity, now_ms));
        let elapsed = now_ms.saturating_sub(*at) as f64 / 1000.0;
        *tokens = (*tokens + elapsed * refill).min(capacity);
        *at = now_ms;
        if *tokens < 1.0 {
            return false;
        }
        *tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills() {
        let mut buckets = Buckets::default();
        let mut take = |now| buckets.take("Delete", 2.0, 5.0, now);
        assert_eq!(
            [take(0), take(0), take(0), take(199), take(201), take(202)],
            [true, true, false, false, true, false]
        );
    }
}
