//! How much of each limit of Azure a state uses (`providers.md` 1.2): of every security group with rules of its own, of
//! every interface that is in groups, of every application security group. What others have there counts too.
//!
//! Only what is in the networks of the scope is seen: interfaces elsewhere that are in one of these groups, and the
//! groups of other networks of the region, are not counted.

use plan::{GroupId, Observed, Usage};
use rustc_hash::FxHashMap;

use crate::band::{self, Band};
use crate::ids;

/// Application security groups on one IP configuration.
const GROUPS_PER_INTERFACE: usize = 20;
/// IP configurations in one application security group.
const ADDRESSES_PER_GROUP: usize = 4_000;
/// Application security groups in a region of a subscription.
const GROUPS_PER_REGION: usize = 3_000;

/// The counts of a state. Linear in rules, and in interfaces with their groups.
pub fn usage<'a>(band: &Band, observed: &'a Observed) -> Vec<Usage<'a>> {
    let mut found = Vec::new();
    for list in observed.path_filters.iter().filter(|list| !list.id.starts_with("admin:")) {
        let counts = band::counts(band, &list.rules).into_iter();
        found.extend(counts.map(|of| Usage::new(of.what, &list.name, of.count, of.most)));
    }
    let mut kinds: FxHashMap<&GroupId, bool> = FxHashMap::default();
    let mut addresses: FxHashMap<&GroupId, usize> = FxHashMap::default();
    for interface in &observed.interfaces {
        let mut count = 0;
        for group in &interface.groups {
            if *kinds.entry(group).or_insert_with(|| ids::is_asg(group)) {
                count += 1;
                *addresses.entry(group).or_default() += interface.addresses.len();
            }
        }
        let what = "application security groups on an interface";
        found.push(Usage::new(what, interface.id.as_str(), count, GROUPS_PER_INTERFACE));
    }
    let mut addresses: Vec<(&GroupId, usize)> = addresses.into_iter().collect();
    addresses.sort_unstable();
    let what = "addresses in an application security group";
    let counts = addresses.into_iter();
    found.extend(counts.map(|(group, count)| Usage::new(what, group.as_str(), count, ADDRESSES_PER_GROUP)));
    let groups = observed.groups.iter().filter(|group| ids::is_asg(&group.id)).count();
    let what = "application security groups of the region";
    let scope = observed.scope.as_ref().map(|scope| scope.as_str()).unwrap_or_default();
    found.push(Usage::new(what, scope, groups, GROUPS_PER_REGION));
    found
}
