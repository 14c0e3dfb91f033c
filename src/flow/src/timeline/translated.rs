//! Who is behind an address where translations are: `policy::AddressDirectory`, asked about a small snapshot of all that
//! matters for one address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::{
    AddressDirectory, Directions, EnforcementMode, Interface, NetworkId, Place, Snapshot, View, Workload,
};

use super::holders::{Held, Holders, NetworkNumber, Stay, Who};
use super::layout::Layout;

impl Holders {
    /// [`Holders::holder`] with everything looked at. The answer is right until anything changes.
    pub(super) fn translated(&self, here: NetworkNumber, address: IpAddr, time: i64) -> Held {
        let layout = self.layout(time);
        let here = self.network_id(here);
        let stays = self.concerned(layout, address, time);
        let snapshot = self.small(layout, here, &stays);
        let directory = AddressDirectory::new(&snapshot);
        let stay = |place: Place| stays.get(place.workload as usize).copied();
        let period = self.epoch(time);
        match directory.holder(here, address) {
            View::Interface(place) => Held::by(stay(place), period),
            View::Translated => {
                let behind = directory.behind(here, address);
                let who = same(behind.iter().filter_map(|&place| stay(place)));
                Held { who, interface: None, period }
            }
            View::Shadowed | View::Ambiguous | View::External => Held::by(None, period),
        }
    }

    /// Everybody who holds the address or may be seen by it.
    fn concerned(&self, layout: &Layout, address: IpAddr, time: i64) -> Vec<&Stay> {
        let seen = layout.translations.iter().filter(|one| one.addresses.contains(&address));
        let left: Vec<&NetworkId> = seen.map(|one| &one.network).collect();
        let is_concerned = |stay: &&Stay| {
            let network = stay.seat.network.as_ref();
            stay.period.contains(time)
                && (stay.seat.addresses.contains(&address) || network.is_some_and(|id| left.contains(&id)))
        };
        if left.is_empty() {
            let holders = self.by_address.get(&address).map(|stays| &**stays).unwrap_or_default();
            let holders = holders.iter().filter_map(|&number| self.stays.get(number as usize));
            return holders.filter(is_concerned).collect();
        }
        self.stays.iter().filter(is_concerned).collect()
    }

    /// Each of them as a workload of its own, in the networks that the viewer reaches.
    fn small(&self, layout: &Layout, here: Option<&NetworkId>, stays: &[&Stay]) -> Snapshot {
        let viewer = here.and_then(|id| layout.networks.get(id));
        let reached = viewer.into_iter().flat_map(|network| &network.peers);
        let reached = reached.filter_map(|peer| layout.networks.get(peer));
        let networks: BTreeMap<_, _> =
            viewer.into_iter().chain(reached).map(|network| (network.id.clone(), network.clone())).collect();
        let workload = |stay: &&Stay| {
            let id = &self.interfaces[stay.interface.0 as usize];
            let seat = &stay.seat;
            let interface = Interface {
                id: id.clone(),
                network: seat.network.clone(),
                addresses: seat.addresses.clone(),
                enforces: Directions::NONE,
            };
            Workload {
                id: id.as_str().into(),
                labels: Default::default(),
                mode: EnforcementMode::Idle,
                interfaces: vec![interface],
            }
        };
        Snapshot {
            policy: Default::default(),
            workloads: stays.iter().map(workload).collect(),
            networks,
            translations: layout.translations.clone(),
        }
    }
}

/// Who several are, if they are all alike: the labels, and the network if that is one too.
fn same<'a>(mut stays: impl Iterator<Item = &'a Stay>) -> Who {
    let Some(first) = stays.next() else { return Who::Nobody };
    let mut network = first.network;
    for stay in stays {
        if stay.labels != first.labels {
            return Who::Nobody;
        }
        if stay.network != network {
            network = NetworkNumber::NONE;
        }
    }
    Who::Workload { labels: first.labels, network }
}
