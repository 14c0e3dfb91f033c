//! How an address is seen from a network: rules 1–4 at the top of `snapshot.rs`, by linear scans.

use std::net::IpAddr;

use crate::name::NetworkId;
use crate::snapshot::Snapshot;
use crate::workload::{Interface, Workload};

/// Who an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen<'a> {
    /// A workload.
    Workload(&'a Workload),
    /// Nobody known: the address lies inside the network or a peer of it, and no interface there holds it.
    Shadowed,
    /// Nobody known: so many interfaces hold it, and nobody can tell which one it is.
    Ambiguous(usize),
    /// An address outside everything known.
    External,
}

impl<'a> Seen<'a> {
    pub fn workload(self) -> Option<&'a Workload> {
        match self {
            Self::Workload(workload) => Some(workload),
            Self::Shadowed | Self::Ambiguous(_) | Self::External => None,
        }
    }
}

/// Who holds `address`, seen from `network`. From no network (an unmanaged workload) nothing is near.
pub(crate) fn see<'a>(snapshot: &'a Snapshot, network: Option<&NetworkId>, address: IpAddr) -> Seen<'a> {
    let is_near = |interface: &Interface| match (network, &interface.network) {
        (Some(here), Some(there)) => snapshot.connected(here, there),
        _ => false,
    };
    let holders = snapshot.interfaces().filter(|(_, _, interface)| interface.addresses.contains(&address));
    let (near, far): (Vec<_>, Vec<_>) = holders.partition(|(_, _, interface)| is_near(interface));
    match near.as_slice() {
        [] => {}
        [(_, workload, _)] => return Seen::Workload(workload),
        // Two peers of the network that are not peers of each other may hold the same address.
        several => return Seen::Ambiguous(several.len()),
    }
    if network.is_some_and(|network| routes_to_itself(snapshot, network, address)) {
        return Seen::Shadowed;
    }
    match far.as_slice() {
        [] => Seen::External,
        [(_, workload, _)] => Seen::Workload(workload),
        several => Seen::Ambiguous(several.len()),
    }
}

/// Whether the address lies in the blocks of the network or of a peer.
fn routes_to_itself(snapshot: &Snapshot, network: &NetworkId, address: IpAddr) -> bool {
    let near = snapshot.networks.values().filter(|other| snapshot.connected(network, &other.id));
    near.flat_map(|other| &other.cidrs).any(|block| block.contains(&address))
}
