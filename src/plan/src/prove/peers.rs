//! The peers that an end is compared against, in kinds.
//!
//! Peers that look alike from an end are treated alike by both sides, so one of them stands for all:
//!
//! - interfaces that a class of the intent or a member list names, each with each of its addresses;
//! - the rest of each cell of the address line: nobody there has a name that counts at this end.

use std::net::IpAddr;

use policy::{ClassId, Place, ServiceSet, View};
use rustc_hash::FxHashMap;

use super::Context;
use super::ends::End;
use super::line::{Cell, Line};
use crate::graph::Peers;

/// An address with the interface that holds it, if one is seen to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seat {
    pub(crate) place: Option<Place>,
    pub(crate) address: IpAddr,
}

/// Peers that neither side can tell apart, with one packet that stands for them.
pub(crate) struct Kind {
    /// Whom the peer is seen as.
    pub(crate) classes: Named,
    /// The numbers of the entries that match the peer, sorted.
    pub(crate) entries: Vec<u32>,
    /// What the intent lets pass.
    pub(crate) intended: ServiceSet,
    /// The filtered end of the packet.
    pub(crate) own: Seat,
    /// Its far end.
    pub(crate) peer: Seat,
}

/// The classes that a peer is seen as one of, of those that the intent names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    Nobody,
    Class(ClassId),
    /// Sorted.
    OneOf(Vec<ClassId>),
}

impl Named {
    pub(crate) fn classes(&self) -> &[ClassId] {
        match self {
            Self::Nobody => &[],
            Self::Class(class) => std::slice::from_ref(class),
            Self::OneOf(classes) => classes,
        }
    }
}

/// What tells peers apart.
#[derive(PartialEq, Eq, Hash)]
struct Look {
    classes: Named,
    /// The numbers of the entries that name the peer by identity, sorted.
    named_by: Vec<u32>,
    cell: Cell,
}

/// Every kind of peer that the end can exchange packets with, and how many peers were sorted into kinds.
///
/// Time is that of sorting the interfaces that the end names.
pub(crate) fn kinds(context: &Context<'_>, end: &End<'_>) -> (Vec<Kind>, u64) {
    let line = Line::cut(end.intent.address_sets().chain(end.address_sets().map(|(_, set)| set)));
    let mut looks = Looks::default();
    let crowds = Crowds::at(context, end);
    let taken = named_peers(context, end, (&line, &crowds), &mut looks);
    for cell in line.cells() {
        plain_peers(context, end, (line.free(cell, &taken), &crowds), cell, &mut looks);
    }
    let by_address = line.covered_by(end.address_sets());
    let by_cell = end.intent.by_cell(&line);
    let counted = looks.peers;
    let kinds = looks.sorted().into_iter().filter_map(|(look, peers)| {
        let (own, peer) = packet(context, end, &peers)?;
        let Look { classes, named_by: mut entries, cell } = look;
        entries.extend(&by_address[cell]);
        entries.sort_unstable();
        let intended = end.intent.at(classes.classes(), &by_cell[cell], context.universe(peer.address));
        Some(Kind { classes, entries, intended, own, peer })
    });
    (kinds.collect(), counted)
}

/// The entries that name whole crowds at an end.
struct Crowds {
    /// For each crowd the numbers of the entries, sorted.
    named_by: Vec<Vec<u32>>,
}

impl Crowds {
    fn at(context: &Context<'_>, end: &End<'_>) -> Self {
        let mut entries: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (number, entry) in end.entries.iter().enumerate() {
            let Peers::Members(nodes) = &entry.peers else { continue };
            if let Some(list) = context.bulk.list(nodes) {
                entries.entry(list).or_default().push(number as u32);
            }
        }
        // A reference reaches no further than identity does.
        let reached = context.bulk.crowds().iter().map(|crowd| {
            let mut numbers: Vec<u32> = Vec::new();
            if !entries.is_empty() && context.snapshot.connected(end.network, crowd.network) {
                numbers.extend(crowd.lists.iter().filter_map(|list| entries.get(list)).flatten());
            }
            numbers.sort_unstable();
            numbers
        });
        Self { named_by: reached.collect() }
    }

    /// The entries that name an interface because of the crowd that it is in.
    fn naming(&self, context: &Context<'_>, place: Place) -> &[u32] {
        let crowd = context.bulk.crowd_of(place);
        crowd.map(|crowd| self.named_by[crowd].as_slice()).unwrap_or_default()
    }
}

/// Adds every interface that the end names; the answer is the addresses that are taken for one of them, sorted. Those that
/// it names as a crowd only are two for each cell, and their addresses are not in the answer.
fn named_peers(
    context: &Context<'_>,
    end: &End<'_>,
    (line, crowds): (&Line, &Crowds),
    looks: &mut Looks,
) -> Vec<IpAddr> {
    let mut taken = Vec::new();
    let named = named(context, end, crowds);
    let special = |place: Place| named.binary_search_by(|(known, _)| known.cmp(&place)).is_ok();
    for (crowd, named_by) in context.bulk.crowds().iter().zip(&crowds.named_by) {
        for cell in line.cells().filter(|_| !named_by.is_empty()) {
            let (first, end) = line.bounds(cell);
            let plain = crowd.between(first, end).filter(|(_, place)| !special(*place));
            let mut added: Option<Place> = None;
            for (address, place) in plain {
                let another = added.is_some_and(|known| known != place);
                if added.is_none() || another {
                    let look = Look { classes: Named::Nobody, named_by: named_by.clone(), cell };
                    looks.add(look, Seat { place: Some(place), address });
                    added = Some(place);
                }
                if another {
                    break;
                }
            }
        }
    }
    for names in named.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(place, _)) = names.first() else { continue };
        let interface = context.directory.interface(place);
        let in_reach = interface.network.as_ref().is_some_and(|n| context.snapshot.connected(end.network, n));
        let class = context.compiled.class_of[place.workload as usize];
        let classes = if end.intent.names(class) { Named::Class(class) } else { Named::Nobody };
        let named_by: Vec<u32> = names.iter().filter_map(|(_, entry)| *entry).collect();
        for &address in &interface.addresses {
            let seen = context.directory.holder(Some(end.network), address) == View::Interface(place);
            if seen {
                taken.push(address);
            }
            if seen || in_reach {
                let (classes, named_by) = (classes.clone(), named_by.clone());
                let look = Look { classes, named_by, cell: line.cell(address) };
                looks.add(look, Seat { place: Some(place), address });
            }
        }
    }
    taken.extend(translated_peers(context, end, line, looks));
    taken.sort_unstable();
    taken
}

/// Adds every address that is seen instead of others if the intent names one of those behind it; the answer is these.
/// References reach nobody there.
fn translated_peers(context: &Context<'_>, end: &End<'_>, line: &Line, looks: &mut Looks) -> Vec<IpAddr> {
    let mut taken = Vec::new();
    for seen in context.translated.of(end.network) {
        let named = seen.classes.iter().copied().filter(|class| end.intent.names(*class));
        let classes: Vec<ClassId> = named.collect();
        if !classes.is_empty() {
            let (classes, named_by) = (Named::OneOf(classes), Vec::new());
            let look = Look { classes, named_by, cell: line.cell(seen.address) };
            looks.add(look, Seat { place: Some(seen.first), address: seen.address });
            taken.push(seen.address);
        }
    }
    taken
}

/// The interfaces that an entry names (with its number), or a class of the intent; sorted by interface.
fn named(context: &Context<'_>, end: &End<'_>, crowds: &Crowds) -> Vec<(Place, Option<u32>)> {
    let mut named = Vec::new();
    for class in end.intent.classes() {
        for &workload in &context.compiled.class(class).members {
            let interfaces = context.snapshot.workloads[workload as usize].interfaces.len() as u32;
            named.extend((0..interfaces).map(|interface| (Place { workload, interface }, None)));
        }
    }
    for (number, entry) in end.entries.iter().enumerate() {
        let Peers::Members(nodes) = &entry.peers else { continue };
        if context.bulk.list(nodes).is_some() {
            continue;
        }
        for node in nodes.iter() {
            // A reference reaches no further than identity does.
            if context.snapshot.connected(end.network, &context.graph.nodes[node.0 as usize].network) {
                named.extend(context.place_of[node.0 as usize].map(|place| (place, Some(number as u32))));
            }
        }
    }
    named.sort_unstable();
    named.dedup();
    let also: Vec<_> = named
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|names| names.first())
        .flat_map(|&(place, _)| crowds.naming(context, place).iter().map(move |&n| (place, Some(n))))
        .collect();
    named.extend(also);
    named.sort_unstable();
    named
}

/// Adds the rest of a cell: whoever is there, only the address counts.
fn plain_peers(
    context: &Context<'_>,
    end: &End<'_>,
    (free, crowds): (impl Iterator<Item = IpAddr>, &Crowds),
    cell: Cell,
    looks: &mut Looks,
) {
    let mut first = None;
    for address in free {
        let place = match context.directory.holder(Some(end.network), address) {
            // Whoever is named as one of a crowd has been looked at.
            View::Interface(place) if !crowds.naming(context, place).is_empty() => continue,
            View::Interface(place) => Some(place),
            View::Translated | View::Shadowed | View::Ambiguous | View::External => None,
        };
        // The first may be the end itself: go on to an address that somebody else has.
        if first.is_none() || place != first {
            looks.add(Look { classes: Named::Nobody, named_by: Vec::new(), cell }, Seat { place, address });
            if first.is_some() || place.is_none() {
                return;
            }
            first = place;
        }
    }
}

/// A packet between an interface of the end and one of the peers; none if they share no family, or if the only
/// peer is the only interface.
fn packet(context: &Context<'_>, end: &End<'_>, peers: &[Seat]) -> Option<(Seat, Seat)> {
    peers.iter().find_map(|&peer| {
        let others = end.interfaces.iter().filter(|own| peer.place != Some(**own));
        let own = others.copied().find_map(|place| {
            let addresses = &context.directory.interface(place).addresses;
            let address = *addresses.iter().find(|own| own.is_ipv6() == peer.address.is_ipv6())?;
            Some(Seat { place: Some(place), address })
        });
        Some((own?, peer))
    })
}

/// Sorts peers by their look, and keeps as many of each as it takes to have one that is not the end itself.
#[derive(Default)]
struct Looks {
    peers: u64,
    by_look: FxHashMap<Look, usize>,
    examples: Vec<Vec<Seat>>,
}

impl Looks {
    fn add(&mut self, look: Look, peer: Seat) {
        self.peers += 1;
        let number = *self.by_look.entry(look).or_insert(self.examples.len());
        if number == self.examples.len() {
            self.examples.push(Vec::new());
        }
        let examples = &mut self.examples[number];
        if examples.len() < 2 && examples.iter().all(|example| example.place != peer.place) {
            examples.push(peer);
        }
    }

    /// In the order in which the looks were first seen.
    fn sorted(self) -> Vec<(Look, Vec<Seat>)> {
        let mut looks: Vec<(usize, Look)> = self.by_look.into_iter().map(|(look, n)| (n, look)).collect();
        looks.sort_unstable_by_key(|(number, _)| *number);
        looks.into_iter().map(|(_, look)| look).zip(self.examples).collect()
    }
}
