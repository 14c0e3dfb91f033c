//! The slow way: every pair of interfaces and addresses that two ends can be, each decided by `policy::decide`.

use std::net::IpAddr;

use flow::End;
use flow::judge::{Fate, Lacking, Why};
use ipnet::IpNet;
use policy::{
    Decision, EndDecision, EnforcementMode, Flow, InterfaceId, NetworkId, ServicePoint, Snapshot, Verdict,
    decide,
};

/// One way to be an end: the interface, its network, its own address.
#[derive(Clone)]
pub struct Stand {
    pub interface: Option<InterfaceId>,
    pub network: Option<NetworkId>,
    pub address: IpAddr,
}

/// Every way to be an end. Of a block the addresses that nobody holds.
pub fn stands(snapshot: &Snapshot, end: &End) -> Vec<Stand> {
    match end {
        End::Workload { labels, network } => {
            let interfaces = snapshot
                .interfaces()
                .filter(|(_, workload, one)| workload.labels == *labels && one.network == *network);
            interfaces
                .flat_map(|(_, _, one)| {
                    one.addresses.iter().map(|&address| Stand {
                        interface: Some(one.id.clone()),
                        network: one.network.clone(),
                        address,
                    })
                })
                .collect()
        }
        End::Address(block) => {
            let is_one = block.prefix_len() == block.max_prefix_len();
            let addresses = hosts(block).filter(|address| is_one || !is_held(snapshot, *address));
            addresses.map(|address| Stand { interface: None, network: None, address }).collect()
        }
    }
}

fn hosts(block: &IpNet) -> Box<dyn Iterator<Item = IpAddr>> {
    match (block.network(), block.broadcast()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Box::new((first.to_bits()..=last.to_bits()).map(|bits| IpAddr::V4(bits.into())))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Box::new((first.to_bits()..=last.to_bits()).map(|bits| IpAddr::V6(bits.into())))
        }
        _ => unreachable!("a block has one family"),
    }
}

pub fn is_held(snapshot: &Snapshot, address: IpAddr) -> bool {
    let translated = snapshot.translations.iter().any(|one| one.addresses.contains(&address));
    translated || snapshot.interfaces().any(|(_, _, one)| one.addresses.contains(&address))
}

/// What an end's address looks like at the other end.
fn looks(snapshot: &Snapshot, end: &Stand, other: &Stand) -> Vec<IpAddr> {
    let as_it_is = vec![end.address];
    let (Some(_), Some(_)) = (&end.interface, &other.interface) else { return as_it_is };
    if let (Some(here), Some(there)) = (&end.network, &other.network)
        && snapshot.connected(here, there)
    {
        return as_it_is;
    }
    let mut seen = Vec::new();
    for one in &snapshot.translations {
        let is_from = one.from.is_empty() || one.from.iter().any(|block| block.contains(&end.address));
        let is_towards =
            one.towards.is_empty() || other.network.as_ref().is_some_and(|there| one.towards.contains(there));
        if end.network.as_ref() == Some(&one.network) && is_from && is_towards {
            seen.extend(one.addresses.iter().filter(|seen| seen.is_ipv6() == end.address.is_ipv6()));
        }
    }
    if seen.is_empty() { as_it_is } else { seen }
}

/// Every flow that a row can stand for.
pub fn flows(snapshot: &Snapshot, source: &End, destination: &End, service: ServicePoint) -> Vec<Flow> {
    let mut flows = Vec::new();
    let destinations = stands(snapshot, destination);
    for from in stands(snapshot, source) {
        for to in destinations.iter().filter(|to| to.address.is_ipv6() == from.address.is_ipv6()) {
            for seen_from in looks(snapshot, &from, to) {
                for seen_to in looks(snapshot, to, &from) {
                    let end = |interface: &Option<InterfaceId>, address| policy::End {
                        interface: interface.clone(),
                        address,
                    };
                    flows.push(Flow {
                        source: end(&from.interface, seen_from),
                        destination: end(&to.interface, seen_to),
                        service,
                    });
                }
            }
        }
    }
    flows
}

/// The decision of the oracle with the rule to blame.
pub fn verdict(snapshot: &Snapshot, flow: &Flow) -> (Fate, Why) {
    let decision = decide(snapshot, flow);
    match decision.verdict {
        Verdict::Blocked => (Fate::Blocked, blame(&decision.egress, &decision.ingress)),
        verdict => {
            // What an end that only watches would do: the same world, in full mode there.
            let would = if_enforced(snapshot, flow, &decision);
            if verdict == Verdict::PotentiallyBlocked {
                (Fate::PotentiallyBlocked, blame(&would.egress, &would.ingress))
            } else {
                (Fate::Allowed, thanks(&would.egress, &would.ingress))
            }
        }
    }
}

fn if_enforced(snapshot: &Snapshot, flow: &Flow, decision: &Decision) -> Decision {
    let mut enforced = snapshot.clone();
    for workload in &mut enforced.workloads {
        if workload.mode == EnforcementMode::VisibilityOnly {
            workload.mode = EnforcementMode::Full;
        }
    }
    if enforced == *snapshot { decision.clone() } else { decide(&enforced, flow) }
}

fn blame(egress: &EndDecision, ingress: &EndDecision) -> Why {
    let ends = [egress, ingress];
    let overridden = ends.iter().find_map(|end| match end {
        EndDecision::OverrideDenied(rule) => Some(Why::OverrideDeny(rule.clone())),
        _ => None,
    });
    let denied = ends.iter().find_map(|end| match end {
        EndDecision::Denied(rule) => Some(Why::Deny(rule.clone())),
        _ => None,
    });
    let lacking = match (egress.passes(), ingress.passes()) {
        (false, true) => Lacking::Source,
        (true, false) => Lacking::Destination,
        _ => Lacking::Both,
    };
    overridden.or(denied).unwrap_or(Why::NoRule(lacking))
}

fn thanks(egress: &EndDecision, ingress: &EndDecision) -> Why {
    for end in [ingress, egress] {
        match end {
            EndDecision::Allowed(rule) => return Why::Allow(rule.clone()),
            EndDecision::Essential => return Why::Essential,
            _ => {}
        }
    }
    if [egress, ingress].contains(&&EndDecision::DefaultAllowed) { Why::NoDeny } else { Why::NotEnforced }
}
