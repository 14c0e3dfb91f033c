//! How an address is seen from a network: rules 1–5 at the top of `snapshot.rs`, by linear scans.

use std::net::IpAddr;

use crate::name::NetworkId;
use crate::snapshot::Snapshot;
use crate::workload::{Interface, Translation, Workload};

/// Who an address is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen<'a> {
    /// A workload; one of several where they share a translated address.
    OneOf(Vec<&'a Workload>),
    /// Nobody known: the address lies inside the network or a peer of it, and no interface there holds it.
    Shadowed,
    /// Nobody known: so many interfaces hold it, and nobody can tell which one it is.
    Ambiguous(usize),
    /// An address outside everything known.
    External,
}

impl<'a> Seen<'a> {
    /// Whom a rule may name to mean it.
    pub fn workloads(&self) -> &[&'a Workload] {
        match self {
            Self::OneOf(workloads) => workloads,
            Self::Shadowed | Self::Ambiguous(_) | Self::External => &[],
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
        [(_, workload, _)] => return Seen::OneOf(vec![workload]),
        // Two peers of the network that are not peers of each other may hold the same address.
        several => return Seen::Ambiguous(several.len()),
    }
    if network.is_some_and(|network| routes_to_itself(snapshot, network, address)) {
        return Seen::Shadowed;
    }
    let translations = || snapshot.translations.iter();
    let as_it_is: Vec<&Workload> = far
        .into_iter()
        .filter(|(_, _, interface)| !translations().any(|one| changes(one, network, interface, address)))
        .map(|(_, workload, _)| workload)
        .collect();
    let becomes = |interface: &Interface| {
        let mut all = translations().filter(|one| one.addresses.contains(&address));
        all.any(|one| {
            let own = interface.addresses.iter().filter(|own| own.is_ipv6() == address.is_ipv6());
            own.into_iter().any(|own| changes(one, network, interface, *own))
        })
    };
    let elsewhere = snapshot.interfaces().filter(|(_, _, interface)| !is_near(interface));
    let mut behind: Vec<&Workload> =
        elsewhere.filter(|(_, _, interface)| becomes(interface)).map(|(_, workload, _)| workload).collect();
    behind.dedup_by(|a, b| a.id == b.id);
    match (as_it_is.len(), behind.is_empty()) {
        (0, true) => Seen::External,
        (0, false) => Seen::OneOf(behind),
        (1, true) => Seen::OneOf(as_it_is),
        (holders, true) => Seen::Ambiguous(holders),
        (holders, false) => Seen::Ambiguous(holders + 1),
    }
}

/// Whether packets of an interface with one of its addresses look otherwise when they come from elsewhere to `here`.
fn changes(one: &Translation, here: Option<&NetworkId>, interface: &Interface, address: IpAddr) -> bool {
    interface.network.as_ref() == Some(&one.network)
        && (one.towards.is_empty() || here.is_some_and(|here| one.towards.contains(here)))
        && (one.from.is_empty() || one.from.iter().any(|block| block.contains(&address)))
        && one.addresses.iter().any(|seen| seen.is_ipv6() == address.is_ipv6())
}

/// Whether the address lies in the blocks of the network or of a peer.
fn routes_to_itself(snapshot: &Snapshot, network: &NetworkId, address: IpAddr) -> bool {
    let near = snapshot.networks.values().filter(|other| snapshot.connected(network, &other.id));
    near.flat_map(|other| &other.cidrs).any(|block| block.contains(&address))
}
