//! Statements 2 and 3: what foreign objects add to the intent, and what they cut from it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::{AddressSet, ClassId, InterfaceId, ServiceSet, View};

use super::Context;
use super::ends::End;
use crate::graph::{Effect, Entry, FilterList, NodeIndex, Peers};
use crate::plan::{Exposure, ProofSummary};

/// Reports both for one end.
pub(crate) fn report(
    context: &Context<'_>,
    end: &End<'_>,
    interfaces: &[&InterfaceId],
    summary: &mut ProofSummary,
) {
    for list in end.lists(context, false) {
        for entry in list.entries.iter().filter(|entry| entry.effect == Effect::Permit) {
            let excess = beyond(context, end, entry);
            if let Some((peer, services, witness)) = excess {
                summary.exposures.push(line(context, end, interfaces, list, entry, peer, &services, witness));
            }
        }
    }
    for stage in end.key.stages.iter().skip(1) {
        for list in stage.lists.iter().map(|&list| &context.graph.lists[list as usize]) {
            obstruction(context, end, interfaces, list, summary);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one line of the report")]
fn line(
    context: &Context<'_>,
    end: &End<'_>,
    interfaces: &[&InterfaceId],
    list: &FilterList,
    entry: &Entry,
    peer: String,
    services: &ServiceSet,
    witness: String,
) -> Exposure {
    let class = &context.compiled.class(end.key.class).description;
    let count = interfaces.len();
    Exposure {
        at: format!("{class} ({count} interface{})", if count == 1 { "" } else { "s" }),
        direction: end.direction,
        peer,
        services: services.to_string(),
        because: format!("{} ({}): {}", list.name, list.id, entry.rule),
        witness,
    }
}

/// What a foreign entry admits beyond the intent: peers, services, an example.
fn beyond(context: &Context<'_>, end: &End<'_>, entry: &Entry) -> Option<(String, ServiceSet, String)> {
    let mut sum = ServiceSet::empty();
    let mut example = None;
    for (address, class, name) in points(context, end, &entry.peers) {
        let reach = entry.services.intersection(&super::universe(address));
        let excess = reach.difference(&end.intent.at(class, address));
        if let (Some(service), None) = (excess.first(), &example) {
            example = Some(format!("{name} {address} on {service}"));
        }
        sum = sum.union(&excess);
    }
    let peer = match &entry.peers {
        Peers::Addresses(set) => set.to_string(),
        Peers::Members(nodes) => format!("{} members of a group", nodes.len()),
    };
    example.map(|example| (peer, sum, example))
}

/// Points that the intent cannot tell apart further, of an entry's peers.
fn points(context: &Context<'_>, end: &End<'_>, peers: &Peers) -> Vec<(IpAddr, Option<ClassId>, String)> {
    match peers {
        Peers::Members(nodes) => nodes.iter().flat_map(|node| member_points(context, end, *node)).collect(),
        Peers::Addresses(set) => {
            let mut pieces = vec![set.clone()];
            for cut in end.intent.address_sets() {
                pieces = pieces
                    .into_iter()
                    .flat_map(|piece| [piece.intersection(cut), piece.difference(cut)])
                    .filter(|piece| !piece.is_empty())
                    .collect();
            }
            pieces.iter().flat_map(both_families).map(|address| point(context, end, address)).collect()
        }
    }
}

fn both_families(piece: &AddressSet) -> Vec<IpAddr> {
    let v6 = piece.difference(&AddressSet::from_parts(
        policy::RangeSet::range(0, u32::MAX),
        policy::RangeSet::default(),
    ));
    let first: BTreeSet<IpAddr> = piece.first().into_iter().chain(v6.first()).collect();
    first.into_iter().collect()
}

fn point(context: &Context<'_>, end: &End<'_>, address: IpAddr) -> (IpAddr, Option<ClassId>, String) {
    match context.directory.holder(Some(&end.key.network), address) {
        View::Interface(place) => {
            let class = context.compiled.class_of[place.workload as usize];
            (address, Some(class), context.directory.interface(place).id.to_string())
        }
        _ => (address, None, "external".to_owned()),
    }
}

fn member_points(
    context: &Context<'_>,
    end: &End<'_>,
    node: NodeIndex,
) -> Vec<(IpAddr, Option<ClassId>, String)> {
    let node = &context.graph.nodes[node.0 as usize];
    let Some(&place) = context.places.get(&node.interface) else { return Vec::new() };
    if !context.snapshot.connected(&end.key.network, &node.network) {
        return Vec::new();
    }
    let class = context.compiled.class_of[place.workload as usize];
    let interface = context.directory.interface(place);
    interface.addresses.iter().map(|&address| (address, Some(class), interface.id.to_string())).collect()
}

/// What the intent allows and one ordered list stops.
fn obstruction(
    context: &Context<'_>,
    end: &End<'_>,
    interfaces: &[&InterfaceId],
    list: &FilterList,
    summary: &mut ProofSummary,
) {
    let everything = Peers::Addresses(AddressSet::any());
    let named = end.intent.classes().flat_map(|class| context.compiled.class(class).members.iter().copied());
    let inside = named.flat_map(|workload| {
        let class = context.compiled.class_of[workload as usize];
        let interfaces = &context.snapshot.workloads[workload as usize].interfaces;
        interfaces
            .iter()
            .flat_map(move |i| i.addresses.iter().map(move |&a| (a, Some(class), i.id.to_string())))
    });
    let cut_points = list.entries.iter().flat_map(|entry| points(context, end, &entry.peers));
    let mut stopped = ServiceSet::empty();
    let mut example = None;
    for (address, class, name) in inside.chain(points(context, end, &everything)).chain(cut_points) {
        let missing = end.intent.at(class, address).difference(&passes(list, address));
        if let (Some(service), None) = (missing.first(), &example) {
            example = Some((format!("{name} {address}"), format!("{name} {address} on {service}")));
        }
        stopped = stopped.union(&missing);
    }
    if let Some((peer, witness)) = example {
        let class = &context.compiled.class(end.key.class).description;
        summary.obstructions.push(Exposure {
            at: format!("{class} ({} interfaces)", interfaces.len()),
            direction: end.direction,
            peer,
            services: stopped.to_string(),
            because: format!("{} ({})", list.name, list.id),
            witness,
        });
    }
}

/// What an ordered list of address entries lets pass at an address: the first match decides.
pub(crate) fn passes(list: &FilterList, address: IpAddr) -> ServiceSet {
    let (mut passed, mut decided) = (ServiceSet::empty(), ServiceSet::empty());
    for entry in &list.entries {
        let matches = match &entry.peers {
            Peers::Addresses(set) => set.contains(address),
            Peers::Members(_) => false,
        };
        if matches {
            let fresh = entry.services.difference(&decided);
            if entry.effect == Effect::Permit {
                passed = passed.union(&fresh);
            }
            decided = decided.union(&fresh);
        }
    }
    passed
}
