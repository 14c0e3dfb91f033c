//! Interfaces, and what rules may know them by.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use plan::{AttachClass, GroupId, InterfaceState};
use policy::WorkloadId;

use crate::ids;
use crate::inventory::estate::{Attach, Instance, Interface, Maker};
use crate::observed::{View, network_id};
use crate::resources::ResourcePath;

/// An interface with what rules may know it by.
pub(super) struct Member<'a> {
    pub state: InterfaceState,
    pub network: &'a ResourcePath,
    /// The region of its instance.
    pub region: &'a str,
    /// Tag values that mean something here.
    pub values: BTreeSet<&'a str>,
    pub tags: &'a BTreeSet<String>,
    pub account: Option<&'a str>,
    /// Everything that it may send from and receive at: addresses and aliases.
    pub blocks: Vec<IpNet>,
    /// Whether it is the first one of its instance: network tags are sources at that one only.
    pub is_first: bool,
}

/// Every interface in the networks of the scope, those of service projects too.
pub(super) fn members<'a>(view: &View<'a>) -> Vec<Member<'a>> {
    let networks: BTreeSet<&ResourcePath> = view.networks.iter().map(|(_, path, _)| *path).collect();
    let all = view.estate.instances.iter();
    let nics = all.flat_map(|(path, instance)| {
        instance.interfaces.iter().enumerate().map(move |(place, nic)| (path, instance, place, nic))
    });
    nics.filter(|(.., nic)| networks.contains(&nic.network))
        .map(|(path, instance, place, nic)| member(view, path, instance, place, nic))
        .collect()
}

fn member<'a>(
    view: &View<'a>,
    path: &'a ResourcePath,
    instance: &'a Instance,
    place: usize,
    nic: &'a Interface,
) -> Member<'a> {
    let values: BTreeSet<&str> = instance
        .secure_tags
        .iter()
        .map(String::as_str)
        .filter(|value| view.works_in(value, &nic.network))
        .collect();
    let addresses = addresses(nic);
    let mut groups: Vec<GroupId> = values.iter().map(|value| view.group(value)).collect();
    groups.extend(instance.tags.iter().filter_map(|tag| view.group_of_tag(&nic.network, tag)));
    let state = InterfaceState {
        id: ids::interface(path, &nic.name),
        network: network_id(&nic.network),
        workload: WorkloadId::from(path.as_str()),
        name: name_of(path, instance, nic),
        groups,
        attach: attach_of(&instance.attach),
        tags: tags_of(view, path, instance),
        path_filters: Vec::new(),
        mac: None,
        addresses,
    };
    let own = state.addresses.iter().copied().map(IpNet::from);
    let blocks = own.chain(nic.ipv6).chain(nic.aliases.iter().copied()).collect();
    Member {
        network: &nic.network,
        region: path.region().unwrap_or_default(),
        values,
        tags: &instance.tags,
        account: instance.account.as_deref(),
        blocks,
        is_first: place == 0,
        state,
    }
}

/// Its own addresses. Aliases are blocks that no identity covers: they are not among them, and so are strangers.
fn addresses(nic: &Interface) -> Vec<IpAddr> {
    let outer = nic.external.iter().map(IpNet::addr).filter(IpAddr::is_ipv6);
    let mut found: Vec<IpAddr> = Vec::new();
    for address in nic.primary.into_iter().chain(nic.ipv6.map(|block| block.addr())).chain(outer) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

fn name_of(path: &ResourcePath, instance: &Instance, nic: &Interface) -> String {
    if instance.interfaces.len() > 1 {
        format!("{}/{}", path.name(), nic.name)
    } else {
        path.name().to_owned()
    }
}

/// The labels of the project, overridden by those of the instance.
fn tags_of(view: &View<'_>, path: &ResourcePath, instance: &Instance) -> BTreeMap<String, String> {
    let project = view.estate.projects.get(path.project());
    let mut tags = project.map(|project| project.labels.clone()).unwrap_or_default();
    tags.extend(instance.labels.clone());
    tags
}

fn attach_of(attach: &Attach) -> AttachClass {
    let word = |maker: &Maker| match maker {
        Maker::InstanceGroup => "its managed instance group",
        Maker::Kubernetes => "its Kubernetes cluster",
        Maker::Dataproc => "Dataproc",
        Maker::Dataflow => "Dataflow",
        Maker::Composer => "Composer",
        Maker::Vertex => "Vertex AI",
    };
    match attach {
        Attach::Direct => AttachClass::Direct,
        Attach::Through { maker, evidence } => {
            AttachClass::ThroughService(format!("{} ({evidence})", word(maker)))
        }
    }
}
