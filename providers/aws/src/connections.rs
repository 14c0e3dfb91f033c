//! What connections share: EC2's buckets belong to an account and region, whoever calls and for whichever scope.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use provider::Clock;
use tokio::sync::Semaphore;

use crate::pace::Pace;

/// Calls in flight at most, for one account and region.
const CALLS_MAX: usize = 8;

/// Whose buckets a connection draws from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Buckets {
    /// Empty if the credentials decide.
    pub(crate) account: String,
    pub(crate) region: String,
    /// Empty for the cloud's own.
    pub(crate) endpoint: String,
}

/// What the connections to one account and region have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) pace: Arc<Pace>,
    pub(crate) limit: Arc<Semaphore>,
}

/// The connections of a process. Clones are the same registry: give one to the settings of every scope.
#[derive(Clone, Default)]
pub struct Connections {
    known: Arc<Mutex<Vec<(Buckets, Shared)>>>,
}

impl Connections {
    /// What a new connection shares with the earlier ones; of several shares of a bucket the smallest counts.
    pub(crate) fn join(&self, buckets: &Buckets, share: f64, clock: &Arc<dyn Clock>) -> Shared {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((held, shared)) = known.iter_mut().find(|(held, _)| held.may_be(buckets)) {
            if held.account.is_empty() {
                held.account.clone_from(&buckets.account);
            }
            shared.pace.lower_to(share);
            return shared.clone();
        }
        let shared = Shared {
            pace: Arc::new(Pace::new(clock.clone(), share)),
            limit: Arc::new(Semaphore::new(CALLS_MAX)),
        };
        known.push((buckets.clone(), shared.clone()));
        shared
    }
}

impl Buckets {
    /// Whether two may be the same buckets. An account that is not named may be any: too slow is better than throttled.
    fn may_be(&self, other: &Self) -> bool {
        let unnamed = self.account.is_empty() || other.account.is_empty();
        self.region == other.region
            && self.endpoint == other.endpoint
            && (unnamed || self.account == other.account)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(known.iter().map(|(buckets, _)| buckets)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::WallClock;

    #[test]
    fn one_account_and_region_has_one_pace_and_one_limit() {
        let connections = Connections::default();
        let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
        let join = |account: &str, region: &str, endpoint: &str, share: f64| {
            let (account, region, endpoint) = (account.to_owned(), region.to_owned(), endpoint.to_owned());
            connections.clone().join(&Buckets { account, region, endpoint }, share, &clock)
        };
        let first = join("1", "eu-west-1", "", 0.5);
        for (account, region, endpoint, same) in [
            ("1", "eu-west-1", "", true),
            ("", "eu-west-1", "", true),
            ("2", "eu-west-1", "", false),
            ("1", "eu-west-2", "", false),
            ("1", "eu-west-1", "http://127.0.0.1:1", false),
        ] {
            let shared = join(account, region, endpoint, 0.25);
            assert_eq!(Arc::ptr_eq(&shared.pace, &first.pace), same, "{account} {region} {endpoint}");
            assert_eq!(Arc::ptr_eq(&shared.limit, &first.limit), same, "{account} {region} {endpoint}");
        }
        assert_eq!(first.pace.share(), 0.25);
        // Whoever comes first without a name is joined by the first one that has one, and by no second.
        let unnamed = join("", "eu-west-3", "", 0.5);
        assert!(Arc::ptr_eq(&join("1", "eu-west-3", "", 0.5).pace, &unnamed.pace));
        assert!(!Arc::ptr_eq(&join("2", "eu-west-3", "", 0.5).pace, &unnamed.pace));
    }
}
