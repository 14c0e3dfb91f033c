//! A rule of ours is spoiled, in the state that is proved and in the simulated cloud alike. The proof must name a
//! packet that really is treated differently; if it names none, no packet of the run may be.

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use ipnet::IpNet;
use plan::plan::Witness;
use plan::{Direction, GroupId, Owner, Peer, RuleService, RuleSpec};
use policy::{Flow, ServiceSet, Verdict, decide};

use crate::coverage::Coverage;
use crate::{Case, cloud, prove_case};

/// Spoils one rule and checks the proof.
pub fn check(rng: &mut Rng, case: &mut Case, flows: &[Flow], coverage: &mut Coverage) -> Result<()> {
    let Some(what) = spoil(rng, case)? else { return Ok(()) };
    coverage.spoiled += 1;
    let proof = prove_case(case);
    ensure!(proof.equivalent == proof.witnesses.is_empty(), "a verdict without witnesses, or against them");
    for witness in &proof.witnesses {
        really_differs(case, witness).with_context(|| format!("{what}: {witness:#?}"))?;
    }
    if proof.equivalent {
        for flow in flows {
            let passes = decide(&case.snapshot, flow).verdict != Verdict::Blocked;
            ensure!(case.cloud.passes(flow) == passes, "{what}: the proof misses {flow:?}");
        }
    } else {
        coverage.found += 1;
    }
    Ok(())
}

fn really_differs(case: &mut Case, witness: &Witness) -> Result<()> {
    let services: ServiceSet = witness.service.parse()?;
    let service = services.first().context("no service")?;
    let (source, destination) = (cloud::end_from(&witness.source)?, cloud::end_from(&witness.destination)?);
    let flow = Flow { source, destination, service };
    let decision = decide(&case.snapshot, &flow);
    let intended = match witness.direction {
        Direction::Ingress => decision.ingress.passes(),
        Direction::Egress => decision.egress.passes(),
    };
    ensure!(intended != witness.admitted, "the oracle decides {decision:?}");
    let passes = case.cloud.passes_at(&flow, witness.direction);
    ensure!(passes == witness.admitted, "in the cloud it passes: {passes}");
    Ok(())
}

/// Changes one rule; says what, or `None` if there is no rule of ours.
fn spoil(rng: &mut Rng, case: &mut Case) -> Result<Option<String>> {
    let mut places: Vec<(usize, usize, Direction, usize)> = Vec::new();
    for (scope, observed) in case.ends.iter().enumerate() {
        for (number, group) in observed.groups.iter().enumerate().filter(|(_, g)| g.owner == Owner::Ours) {
            places.extend((0..group.ingress.len()).map(|rule| (scope, number, Direction::Ingress, rule)));
            // The proof is about enforced directions (DESIGN 6): the open egress of an ingress-only scope is not its matter.
            let egress = if case.estate.domain[scope].0.egress { group.egress.len() } else { 0 };
            places.extend((0..egress).map(|rule| (scope, number, Direction::Egress, rule)));
        }
    }
    let Some(&(scope, number, direction, place)) = rng.choice(&places) else { return Ok(None) };
    let group = &case.ends[scope].groups[number];
    let peers: Vec<GroupId> = case.ends[scope]
        .groups
        .iter()
        .filter(|other| other.owner == Owner::Ours && other.network == group.network)
        .map(|other| other.id.clone())
        .collect();
    let group = &mut case.ends[scope].groups[number];
    let list = if direction == Direction::Ingress { &mut group.ingress } else { &mut group.egress };
    let old = list.remove(place);
    let new = changed(rng, &old, &peers).filter(|rule| *rule != old && !list.contains(rule));
    list.extend(new.clone());
    list.sort();
    let what = format!("{direction} of {}: {old} became {new:?}", group.id);
    let id = group.id.clone();
    case.cloud.rules("Revoke", &id, direction, &[old])?;
    if let Some(rule) = new {
        case.cloud.rules("Authorize", &id, direction, &[rule])?;
    }
    Ok(Some(what))
}

/// The rule with one thing wrong; `None`: it is gone.
fn changed(rng: &mut Rng, rule: &RuleSpec, peers: &[GroupId]) -> Option<RuleSpec> {
    let mut rule = rule.clone();
    match (rng.u8(..4), &rule.peer) {
        (0, _) => return None,
        (1, Peer::Cidr(block)) => rule.peer = Peer::Cidr(wider(*block)),
        (1, _) => rule.peer = Peer::Group(rng.choice(peers)?.clone()),
        (2, Peer::Cidr(block)) => rule.peer = Peer::Cidr(narrower(*block)),
        _ => rule.service = other_service(rule.service),
    }
    Some(rule)
}

fn wider(block: IpNet) -> IpNet {
    block.supernet().unwrap_or(block)
}

fn narrower(block: IpNet) -> IpNet {
    let mut halves = block.subnets(block.prefix_len() + 1).into_iter().flatten();
    halves.next().unwrap_or(block)
}

fn other_service(service: RuleService) -> RuleService {
    match service {
        RuleService::All => RuleService::Protocol(6),
        RuleService::Protocol(6) => RuleService::Ports { protocol: 6, first: 1, last: u16::MAX },
        RuleService::Protocol(1) => RuleService::Icmp { protocol: 1, kind: 8, code: None },
        RuleService::Protocol(_) => RuleService::All,
        RuleService::Ports { protocol, first, last } if last < u16::MAX => {
            RuleService::Ports { protocol, first, last: last + 1 }
        }
        RuleService::Ports { protocol, first, .. } => RuleService::Ports { protocol, first, last: first },
        RuleService::Icmp { protocol, kind, code: Some(_) } => {
            RuleService::Icmp { protocol, kind, code: None }
        }
        RuleService::Icmp { protocol, kind, code: None } => {
            RuleService::Icmp { protocol, kind, code: Some(1) }
        }
    }
}
