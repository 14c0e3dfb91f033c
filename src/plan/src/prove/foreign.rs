//! Statements 2 and 3: what foreign objects add to the intent, and what they cut from it.

use std::collections::BTreeMap;

use policy::{ServicePoint, ServiceSet};

use super::Context;
use super::ends::{End, ListAt};
use super::peers::{Kind, Seat};
use crate::graph::{Effect, Entry, Peers};
use crate::plan::{Exposure, ProofSummary};
use crate::state::Owner;

/// Reports both for one end.
pub(crate) fn report(context: &Context<'_>, end: &End<'_>, kinds: &[Kind], summary: &mut ProofSummary) {
    for at in end.first_stage().iter().filter(|at| at.list.owner != Owner::Ours) {
        summary.exposures.extend(exposures(context, end, kinds, at));
    }
    for stage in end.stages.iter().skip(1) {
        summary.obstructions.extend(obstruction(context, end, kinds, stage));
    }
}

/// Services that are too many or too few, with a packet that shows it.
#[derive(Default)]
struct Excess {
    services: ServiceSet,
    example: Option<(Seat, ServicePoint)>,
}

impl Excess {
    /// The first packet is the example, unless one with somebody outside comes later: that says more.
    fn add(&mut self, peer: Seat, services: &ServiceSet) {
        let outside = |seat: Seat| seat.place.is_none();
        let better = self.example.is_none_or(|(known, _)| outside(peer) && !outside(known));
        if let (Some(service), true) = (services.first(), better) {
            self.example = Some((peer, service));
        }
        self.services = self.services.union(services);
    }

    fn line(self, context: &Context<'_>, end: &End<'_>, peer: Option<String>, because: String) -> Exposure {
        let class = &context.compiled.class(end.class).description;
        let count = end.interfaces.len();
        let (seat, witness) = match self.example {
            Some((seat, service)) => {
                (context.seat_text(seat), format!("{} on {service}", context.seat_text(seat)))
            }
            None => Default::default(),
        };
        Exposure {
            network: end.network.clone(),
            at: format!("{class} ({count} interface{})", if count == 1 { "" } else { "s" }),
            direction: end.direction,
            peer: peer.unwrap_or(seat),
            services: self.services.words(),
            because,
            witness,
        }
    }
}

/// What each entry of a foreign list admits beyond the intent.
fn exposures(context: &Context<'_>, end: &End<'_>, kinds: &[Kind], at: &ListAt<'_>) -> Vec<Exposure> {
    let mut by_entry: BTreeMap<u32, Excess> = BTreeMap::new();
    for kind in kinds {
        let beyond = context.universe(kind.peer.address).services.difference(&kind.intended);
        let mut blocked = ServiceSet::empty();
        for &number in &kind.entries[at.among(&kind.entries)] {
            let entry = end.entries[number as usize];
            match entry.effect {
                Effect::Block => blocked = blocked.union(&entry.services),
                Effect::Permit => {
                    let excess = entry.services.intersection(&beyond).difference(&blocked);
                    if !excess.is_empty() {
                        by_entry.entry(number).or_default().add(kind.peer, &excess);
                    }
                }
            }
        }
    }
    let line = |(number, excess): (u32, Excess)| {
        let entry = end.entries[number as usize];
        let because = format!("{} ({}): {}", at.list.name, at.list.id, entry.rule);
        excess.line(context, end, Some(peer_text(entry)), because)
    };
    by_entry.into_iter().map(line).collect()
}

fn peer_text(entry: &Entry) -> String {
    match &entry.peers {
        Peers::Addresses(set) => set.to_string(),
        Peers::Members(nodes) => format!("{} members of a group", nodes.len()),
    }
}

/// What the intent allows and a later stage stops.
fn obstruction(
    context: &Context<'_>,
    end: &End<'_>,
    kinds: &[Kind],
    stage: &[ListAt<'_>],
) -> Option<Exposure> {
    let mut stopped = Excess::default();
    for kind in kinds {
        let passed =
            stage.iter().fold(ServiceSet::empty(), |sum, at| sum.union(&at.passes(end, &kind.entries)));
        let missing = kind.intended.difference(&passed);
        if !missing.is_empty() {
            stopped.add(kind.peer, &missing);
        }
    }
    let lists = stage.iter().map(|at| format!("{} ({})", at.list.name, at.list.id));
    let because = lists.collect::<Vec<_>>().join(", ");
    (!stopped.services.is_empty()).then(|| stopped.line(context, end, None, because))
}
