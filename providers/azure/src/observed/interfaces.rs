//! Interfaces of a scope with the application security groups that they are in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use plan::{AttachClass, GroupId, GroupState, InterfaceState, Owner};
use policy::{InterfaceId, NetworkId, WorkloadId};
use rustc_hash::FxHashSet;

use crate::ids;
use crate::inventory::estate::{Attach, Interface, Service};
use crate::marks::{self, Form};
use crate::observed::View;
use crate::resources::{ArmId, Tags};

/// Why an interface without a security group on its path cannot be enforced.
const UNFILTERED: &str = "no network security group is on its path";

/// Every interface in the networks of the scope; sorted by id. Those that are in a class group with all of their
/// addresses are in its carrier.
pub(super) fn interfaces(view: &View<'_>, groups: &[GroupState]) -> Vec<InterfaceState> {
    let ours = groups.iter().filter(|group| group.owner == Owner::Ours);
    let classes: FxHashSet<&str> = ours.map(|group| group.id.as_str()).collect();
    let state = |(id, interface, path): &(&ArmId, &Interface, Vec<&ArmId>)| {
        let mut state = state_of(view, id, interface, path);
        if let Some(nsg) = path.first() {
            state.groups.extend(carriers(interface, nsg, &classes));
        }
        state
    };
    view.interfaces.iter().map(state).collect()
}

/// The carriers behind a security group of the class groups that all of an interface is in.
fn carriers(interface: &Interface, nsg: &ArmId, classes: &FxHashSet<&str>) -> Vec<GroupId> {
    let groups: BTreeSet<&ArmId> = interface.configurations.iter().flat_map(|one| &one.groups).collect();
    let whole =
        groups.into_iter().filter(|group| classes.contains(group.key()) && is_whole(interface, group));
    let network = NetworkId::from(interface.network.shared());
    whole.map(|group| ids::carrier(nsg.key(), "", &ids::of_asg(group), &network)).collect()
}

fn state_of(view: &View<'_>, id: &ArmId, interface: &Interface, path: &[&ArmId]) -> InterfaceState {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in interface.configurations.iter().filter_map(|one| one.address) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let network = view.networks.get(&interface.network);
    let admin = network.filter(|network| !network.admin_rules.is_empty());
    let admin = admin.map(|_| ids::admin(interface.network.key()));
    let path: Vec<String> = path.iter().map(|nsg| nsg.key().to_owned()).collect();
    // Nothing filters there, and the oracle has to know.
    let attach = match attach_of(&interface.attach) {
        AttachClass::Direct if path.is_empty() => {
            AttachClass::Never(view.own.reason(id).unwrap_or(UNFILTERED).to_owned())
        }
        attach => attach,
    };
    let workload = interface.machine.as_ref().unwrap_or(id);
    InterfaceState {
        id: InterfaceId::from(id.shared()),
        network: NetworkId::from(interface.network.shared()),
        workload: WorkloadId::from(workload.shared()),
        name: name_of(view, id, interface),
        addresses,
        groups: groups_of(view, interface),
        attach,
        tags: tags_of(interface),
        path_filters: admin.into_iter().chain(path).collect(),
        mac: interface.mac.clone(),
    }
}

/// The machine's name, with that of the interface where it has several.
fn name_of(view: &View<'_>, id: &ArmId, interface: &Interface) -> String {
    let Some(machine) = &interface.machine else { return id.name().to_owned() };
    let count = view.estate.machines.get(machine).map_or(1, |machine| machine.interfaces.len());
    if count > 1 { format!("{}/{}", machine.name(), id.name()) } else { machine.name().to_owned() }
}

/// Those of the resource group, overridden by those of the machine, overridden by its own.
fn tags_of(interface: &Interface) -> Tags {
    let by_rank = [&interface.resource_group_tags, &interface.machine_tags, &interface.tags];
    let mut tags = Tags::new();
    for (name, value) in by_rank.into_iter().rev().flatten() {
        if !tags.contains_key(name) {
            tags.insert(name.clone(), value.clone());
        }
    }
    tags
}

fn attach_of(attach: &Attach) -> AttachClass {
    let word = |service: &Service| match service {
        Service::ScaleSet => "its scale set",
        Service::PrivateEndpoint => "its private endpoint",
        Service::PrivateLinkService => "its private link service",
        Service::Kubernetes => "its Kubernetes cluster",
        Service::LoadBalancer => "its load balancer",
        Service::Managed => "the service that manages its resource group",
    };
    match attach {
        Attach::Direct => AttachClass::Direct,
        Attach::Through { service, by, .. } => {
            let by = by.as_ref().map(|by| format!(" {}", by.name())).unwrap_or_default();
            AttachClass::ThroughService(format!("{}{by}", word(service)))
        }
        Attach::Never { why } => AttachClass::Never((*why).to_owned()),
    }
}

/// The application security groups of any of its IP configurations. Being closed counts only where it is so for all.
fn groups_of(view: &View<'_>, interface: &Interface) -> Vec<GroupId> {
    let mut groups: Vec<GroupId> = Vec::new();
    for group in interface.configurations.iter().flat_map(|one| &one.groups) {
        let form = marks::form(&view.settings.installation, group.name());
        let counts = !matches!(form, Some(Form::Closed(..))) || is_whole(interface, group);
        let id = ids::of_asg(group);
        if counts && !groups.contains(&id) {
            groups.push(id);
        }
    }
    groups
}

/// Whether all of an interface is in a group, and its last write has ended well.
fn is_whole(interface: &Interface, group: &ArmId) -> bool {
    interface.is_settled && interface.configurations.iter().all(|one| one.groups.contains(group))
}
