//! Names for services: those of the policy that say something.

use policy::service::protocol::{TCP, UDP};
use policy::{Name, ServiceSet};

/// Services by size, the smallest first: the first that holds a port is its name. One that holds all ports names nothing.
pub(crate) fn telling_names(services: &[(Name, ServiceSet)]) -> Vec<(Name, ServiceSet)> {
    let says_nothing =
        |set: &ServiceSet| [TCP, UDP].iter().any(|all| ServiceSet::protocol(*all).is_subset(set));
    let size =
        |set: &ServiceSet| set.points().ranges().iter().map(|(a, b)| u64::from(b - a) + 1).sum::<u64>();
    let mut services: Vec<_> = services.iter().filter(|(_, set)| !says_nothing(set)).cloned().collect();
    services.sort_by_cached_key(|(name, set)| (size(set), name.clone()));
    services
}
