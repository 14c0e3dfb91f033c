//! What exists now, with the policy on it: what flows are attributed to and judged by.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use flow::attribute::named_services;
use flow::timeline::Aliases;
use ingest::intake::{Inventory, Seen};
use plan::{Observed, Scope};
use policy::{CompiledPolicy, NetworkId, Snapshot, compile};
use reconcile::inventory::snapshot;
use reconcile::planning::{Intent, observe};

use crate::clouds::Readers;
use crate::commands::warn_of_unobserved;

/// What exists, and the policy compiled on it.
pub struct Estate {
    /// Workloads, networks, policy.
    pub snapshot: Snapshot,
    /// How logs call what is in it.
    pub aliases: Aliases,
    /// Compiled.
    pub policy: CompiledPolicy,
}

/// The clouds as an inventory.
pub struct Clouds {
    readers: Readers,
    scopes: Vec<Scope>,
    intent: Intent,
}

impl Clouds {
    /// Reads the scopes whenever somebody looks.
    pub fn new(readers: Readers, scopes: Vec<Scope>, intent: Intent) -> Self {
        Self { readers, scopes, intent }
    }

    /// What exists; nothing if no scope could be read. What could not be read is said on standard error.
    pub async fn estate(&self) -> Option<Estate> {
        let reading = observe(&self.readers, &self.scopes).await;
        warn_of_unobserved(&reading.unobserved);
        // Half an inventory would make workloads of a scope that could not be read nobody's addresses.
        if !reading.unobserved.is_empty() {
            return None;
        }
        let domain: Vec<_> = reading.observed.iter().map(|(scope, observed)| (scope, observed)).collect();
        let mut snapshot = snapshot(&self.intent.files, &self.intent.mapping, &domain);
        snapshot.translations.clone_from(&self.intent.translations);
        let policy = compile(&snapshot).policy;
        let aliases = aliases(reading.observed.iter().map(|(_, observed)| observed));
        Some(Estate { snapshot, aliases, policy })
    }
}

#[async_trait]
impl Inventory for Clouds {
    async fn look(&mut self) -> Option<Seen> {
        let Estate { snapshot, aliases, policy } = self.estate().await?;
        let named = named_services(&snapshot, policy);
        Some(Seen { snapshot, aliases, named: Some(named) })
    }
}

/// Azure's logs name an interface by its MAC address, and of NSG flow logs the network by the security group.
fn aliases<'a>(observed: impl IntoIterator<Item = &'a Observed>) -> Aliases {
    let mut interfaces = Vec::new();
    let mut networks: BTreeMap<&str, BTreeSet<&NetworkId>> = BTreeMap::new();
    for interface in observed.into_iter().flat_map(|observed| &observed.interfaces) {
        interfaces.extend(interface.mac.clone().map(|mac| (mac, interface.id.clone())));
        for filter in &interface.path_filters {
            networks.entry(filter).or_default().insert(&interface.network);
        }
    }
    let of_filter = |(filter, networks): (&str, BTreeSet<&NetworkId>)| {
        (filter.to_owned(), networks.into_iter().cloned().collect())
    };
    Aliases { interfaces, networks: networks.into_iter().map(of_filter).collect() }
}

#[cfg(test)]
mod tests {
    use plan::{AttachClass, InterfaceState};

    use super::*;

    fn interface(name: &str, network: &str, mac: Option<&str>, filters: &[&str]) -> InterfaceState {
        InterfaceState {
            id: name.into(),
            network: network.into(),
            workload: name.into(),
            name: name.into(),
            addresses: Vec::new(),
            groups: Vec::new(),
            attach: AttachClass::Direct,
            tags: BTreeMap::new(),
            path_filters: filters.iter().map(|&filter| filter.to_owned()).collect(),
            mac: mac.map(str::to_owned),
        }
    }

    #[test]
    fn azures_logs_name_interfaces_by_mac_and_networks_by_their_security_groups() {
        let interfaces = vec![
            interface("a", "v", Some("000D3A000001"), &["n"]),
            interface("b", "w", Some("000D3A000002"), &["n", "m"]),
            interface("c", "w", None, &[]),
        ];
        let found = aliases([&Observed { interfaces, ..Observed::default() }]);
        let name = |mac: &str, id: &str| (mac.to_owned(), id.into());
        assert_eq!(found.interfaces, [name("000D3A000001", "a"), name("000D3A000002", "b")]);
        let used = |filter: &str, networks: &[&str]| {
            (filter.to_owned(), networks.iter().map(|&network| network.into()).collect())
        };
        assert_eq!(found.networks, [used("m", &["w"]), used("n", &["v", "w"])]);
    }
}
