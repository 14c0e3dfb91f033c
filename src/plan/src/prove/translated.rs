//! Addresses that stand for interfaces of networks which an end is not connected to, with the classes behind each.

use std::net::IpAddr;

use policy::{AddressDirectory, ClassId, CompiledPolicy, NetworkId, Place, Snapshot, View};
use rustc_hash::FxHashMap;

/// An address as a network sees it.
pub(crate) struct Translated {
    pub(crate) address: IpAddr,
    /// One of those behind it.
    pub(crate) first: Place,
    /// Sorted.
    pub(crate) classes: Vec<ClassId>,
}

/// Every translated address by the network that sees it.
#[derive(Default)]
pub(crate) struct ByNetwork<'a> {
    seen: FxHashMap<&'a NetworkId, Vec<Translated>>,
}

impl<'a> ByNetwork<'a> {
    /// Time is that of looking at everybody behind every address from every network.
    pub(crate) fn new(
        compiled: &CompiledPolicy,
        snapshot: &'a Snapshot,
        directory: &AddressDirectory<'_>,
    ) -> Self {
        if snapshot.translations.is_empty() {
            return Self::default();
        }
        let seen_from = |network: &'a NetworkId| {
            let all =
                directory.translated().filter_map(|address| seen(compiled, directory, network, address));
            (network, all.collect())
        };
        Self { seen: snapshot.networks.keys().map(seen_from).collect() }
    }

    /// What a network sees.
    pub(crate) fn of(&self, network: &NetworkId) -> &[Translated] {
        self.seen.get(network).map(Vec::as_slice).unwrap_or_default()
    }
}

fn seen(
    compiled: &CompiledPolicy,
    directory: &AddressDirectory<'_>,
    network: &NetworkId,
    address: IpAddr,
) -> Option<Translated> {
    let is_known = match directory.holder(Some(network), address) {
        View::Translated => true,
        View::Interface(place) => !directory.interface(place).addresses.contains(&address),
        View::Shadowed | View::Ambiguous | View::External => false,
    };
    let behind = directory.behind(Some(network), address);
    let first = behind.first().copied().filter(|_| is_known)?;
    let class = |place: &Place| compiled.class_of[place.workload as usize];
    let mut classes: Vec<ClassId> = behind.iter().map(class).collect();
    classes.sort_unstable();
    classes.dedup();
    Some(Translated { address, first, classes })
}
