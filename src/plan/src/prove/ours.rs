//! Statement 1: our objects alone admit exactly the intent, both ways.

use policy::{ServicePoint, ServiceSet};

use super::Context;
use super::ends::{End, ListAt};
use super::peers::Kind;
use crate::plan::Witness;
use crate::scope::Direction;
use crate::state::Owner;

/// Witnesses against the statement at one end, no more than are `wanted` but one if there is any; none is a proof.
pub(crate) fn compare(context: &Context<'_>, end: &End<'_>, kinds: &[Kind], wanted: usize) -> Vec<Witness> {
    let mut witnesses = Vec::new();
    for kind in kinds {
        if witnesses.len() >= wanted.max(1) {
            break;
        }
        let admitted = admitted(context, end, kind);
        if admitted == kind.intended {
            continue;
        }
        if let Some(service) = telling(context, kind, &admitted.difference(&kind.intended)) {
            witnesses.push(witness(context, end, kind, service, Some(permit_text(end, kind, service))));
        }
        if let Some(service) = telling(context, kind, &kind.intended.difference(&admitted)) {
            witnesses.push(witness(context, end, kind, service, None));
        }
    }
    witnesses
}

/// What our lists let pass; where nothing filters at all, everything.
fn admitted(context: &Context<'_>, end: &End<'_>, kind: &Kind) -> ServiceSet {
    let universe = context.universe(kind.peer.address);
    if end.stages.is_empty() {
        return universe.services.clone();
    }
    let passed =
        lists(end).fold(ServiceSet::empty(), |sum, list| sum.union(&list.passes(end, &kind.entries)));
    passed.intersection(&universe.services)
}

fn lists<'e, 'a>(end: &'e End<'a>) -> impl Iterator<Item = &'e ListAt<'a>> {
    end.first_stage().iter().filter(|at| at.list.owner == Owner::Ours)
}

/// The service of a difference that tells people most: one that a rule is about, if there is one.
fn telling(context: &Context<'_>, kind: &Kind, difference: &ServiceSet) -> Option<ServicePoint> {
    let essential = &context.universe(kind.peer.address).essential;
    difference.difference(essential).first().or_else(|| difference.first())
}

fn permit_text(end: &End<'_>, kind: &Kind, service: ServicePoint) -> String {
    let found = lists(end).find_map(|at| Some((at, at.decides(end, &kind.entries, service)?)));
    match found {
        Some((at, entry)) => format!("{} allows {}", at.list.name, entry.rule),
        None => "nothing filters here".to_owned(),
    }
}

/// A witness, with source and destination in the order of the packet.
fn witness(
    context: &Context<'_>,
    end: &End<'_>,
    kind: &Kind,
    service: ServicePoint,
    permitted_by: Option<String>,
) -> Witness {
    let (own, peer) = (context.seat_text(kind.own), context.seat_text(kind.peer));
    let (source, destination) = match end.direction {
        Direction::Ingress => (peer, own),
        Direction::Egress => (own, peer),
    };
    let reasons = || end.intent.reasons(context.compiled, kind.classes.classes(), kind.peer.address, service);
    Witness {
        admitted: permitted_by.is_some(),
        at: context.name(kind.own).to_owned(),
        direction: end.direction,
        source,
        destination,
        service: service.to_string(),
        because: permitted_by.unwrap_or_else(reasons),
    }
}
