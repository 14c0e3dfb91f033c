//! What people should know of translated addresses: a rule for one of those behind one is a rule for all of them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::directory::{AddressDirectory, Place};
use crate::finding::{Finding, Severity};
use crate::label::LabelSet;
use crate::snapshot::Snapshot;

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    if snapshot.translations.is_empty() {
        return Vec::new();
    }
    let directory = AddressDirectory::new(snapshot);
    let held: BTreeSet<IpAddr> =
        snapshot.interfaces().flat_map(|(_, _, interface)| interface.addresses.iter().copied()).collect();
    let addresses: BTreeSet<IpAddr> = directory.translated().collect();
    let mut findings = unknown_networks(snapshot);
    findings.extend(addresses.iter().filter(|address| held.contains(address)).map(held_too));
    let shared = addresses.iter().filter_map(|&address| {
        let behind = directory.behind_anywhere(address);
        let labels = |place: &Place| &snapshot.workloads[place.workload as usize].labels;
        let kinds: BTreeSet<&LabelSet> = behind.iter().map(labels).collect();
        (kinds.len() > 1).then(|| shared(address, behind.len(), kinds.len()))
    });
    findings.extend(shared);
    findings
}

fn unknown_networks(snapshot: &Snapshot) -> Vec<Finding> {
    let named = snapshot.translations.iter().flat_map(|one| one.towards.iter().chain([&one.network]));
    let unknown: BTreeSet<_> = named.filter(|id| !snapshot.networks.contains_key(*id)).collect();
    let finding = |id| {
        let message = "a translation names a network that was not read";
        let hint =
            "check `nat` in the configuration against the ids in the report, and whether its scope was read";
        Finding::new(Severity::Warning, "nat-unknown-network", id, message, hint)
    };
    unknown.into_iter().map(finding).collect()
}

fn held_too(address: &IpAddr) -> Finding {
    let message =
        "the address is translated to, and an interface holds it: nobody can tell whose packets those are";
    let hint = "correct `nat` in the configuration; until then no rule by identity lets the address pass";
    Finding::new(Severity::Warning, "nat-address-held", address, message, hint)
}

fn shared(address: IpAddr, interfaces: usize, kinds: usize) -> Finding {
    let message = format!(
        "{interfaces} interfaces with {kinds} different sets of labels look like this address from elsewhere: a rule \
         for one of them lets all of them pass there"
    );
    let hint = "give those that rules name across clouds a NAT address of their own";
    Finding::new(Severity::Warning, "nat-shared", address, message, hint)
}
