//! The one table of api-versions.
//!
//! An api-version decides which fields the cloud reads and shows. What we send is checked against the models of
//! Microsoft.Network 2024-03-01 (the witness in `tests/witness-azure`), so that is what we speak.

/// Microsoft.Network: groups, rules, interfaces, networks, network managers.
pub const NETWORK: &str = "2024-03-01";
/// Microsoft.Compute: machines and scale sets.
pub const COMPUTE: &str = "2024-03-01";
/// Interfaces of a uniform scale set: Microsoft.Network's swagger fixes this version for them.
pub const SCALE_SET_INTERFACES: &str = "2018-10-01";
/// Resource groups.
pub const RESOURCE_GROUPS: &str = "2022-09-01";
/// Subscriptions.
pub const SUBSCRIPTIONS: &str = "2022-12-01";
/// Management groups and what is below them.
pub const MANAGEMENT_GROUPS: &str = "2020-05-01";
