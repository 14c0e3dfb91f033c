//! Everything in a pond, completely or not at all.

use std::collections::BTreeMap;

use plan::{
    AttachClass, Direction, GroupId, GroupState, InterfaceState, Limits, NetworkState, Observed, Owner,
    Peering, RuleSpec, Scope,
};
use provider::{ErrorKind, ProviderError};

use super::cloud::{Cloud, Id, PAGE_ITEMS, Port, Quotas, Refusal, Team, Zone};
use super::convert::from_grant;
use super::{Flaw, Wire};

/// Hexadecimal digits at the end of our names.
pub const HASH_LENGTH: usize = 12;

/// What we write on our teams.
pub fn note(wire: &Wire) -> String {
    let stamp = if wire.flaw == Flaw::StampsTheTime { wire.cloud().now_ms } else { 0 };
    format!("class {stamp}")
}

/// A name of ours.
pub fn owned_name(installation: &str, hash: &str) -> String {
    format!("bulkhead-{installation}-{hash}")
}

/// Reads all lists to their end.
pub fn observe(wire: &Wire, scope: &Scope) -> Result<Observed, ProviderError> {
    let zones = read_all::<Zone>(wire, |cloud| &cloud.zones)?;
    let ports = read_all::<Port>(wire, |cloud| &cloud.ports)?;
    let teams = read_all::<Team>(wire, |cloud| &cloud.teams)?;
    let (peered, quotas) = {
        let mut cloud = wire.cloud();
        cloud.read().map_err(|refusal| error("get_quotas", refusal))?;
        (cloud.peered.clone(), cloud.quotas)
    };
    let networks = zones.into_iter().map(|(id, zone)| {
        let peers = peered.iter().filter(|(own, _)| *own == id);
        let peering = |(_, peer): &(Id, Id)| Peering {
            peer: peer.as_str().into(),
            handle: String::new(),
            identity: true,
        };
        NetworkState {
            id: id.as_str().into(),
            name: id.clone(),
            cidrs: zone.cidrs,
            peerings: peers.map(peering).collect(),
        }
    });
    Ok(Observed {
        scope: Some(scope.id.clone()),
        networks: networks.collect(),
        interfaces: ports.into_iter().map(|(id, port)| interface(id, port)).collect(),
        groups: teams.into_iter().map(|(id, team)| group(wire, id, team)).collect(),
        path_filters: Vec::new(),
        limits: limits(quotas, wire.flaw),
    })
}

fn limits(quotas: Quotas, flaw: Flaw) -> Limits {
    let Quotas { grants, teams_per_port, teams } = quotas;
    match flaw {
        Flaw::GuessesLimits => Limits::default(),
        _ => {
            Limits { rules_per_group: grants, groups_per_interface: teams_per_port, groups_per_region: teams }
        }
    }
}

fn read_all<T: Clone>(
    wire: &Wire,
    of: fn(&Cloud) -> &BTreeMap<Id, T>,
) -> Result<Vec<(Id, T)>, ProviderError> {
    let (mut all, mut from) = (Vec::new(), Id::new());
    loop {
        let (page, next) = match wire.cloud().list(of, &from) {
            Ok(answer) => answer,
            Err(_) if wire.flaw == Flaw::SwallowsReadErrors && all.len() >= PAGE_ITEMS => return Ok(all),
            Err(refusal) => return Err(error("list", refusal)),
        };
        all.extend(page);
        match next.filter(|_| wire.flaw != Flaw::SkipsTheSecondPage) {
            Some(next) => from = next,
            None => return Ok(all),
        }
    }
}

fn interface(id: Id, port: Port) -> InterfaceState {
    InterfaceState {
        id: id.as_str().into(),
        network: port.zone.as_str().into(),
        workload: port.name.as_str().into(),
        name: port.name,
        addresses: port.addresses,
        groups: port.teams.iter().map(|team| GroupId::from(team.as_str())).collect(),
        attach: AttachClass::Direct,
        tags: port.tags,
        path_filters: Vec::new(),
        mac: None,
    }
}

fn group(wire: &Wire, id: Id, team: Team) -> GroupState {
    let owner = owner(wire, &team);
    let is_ours = owner == Owner::Ours;
    let rules = |inbound: bool| -> Vec<RuleSpec> {
        let own = team.grants.iter().filter(|grant| grant.inbound == inbound);
        let is_seen = |grant: &&super::cloud::Grant| {
            wire.flaw != Flaw::SeesOnlyItsRules
                || !is_ours
                || !inbound
                || wire.cloud().journal.contains(&format!("{id} {grant:?}"))
        };
        let mut rules: Vec<RuleSpec> =
            own.filter(is_seen).map(|grant| from_grant(grant, wire.flaw)).collect();
        rules.sort();
        rules
    };
    let wanted = note(wire);
    let is_drift = is_ours && (team.note != wanted || team.maker != wire.installation);
    let found = is_drift.then(|| ("note".to_owned(), team.note.clone()));
    GroupState {
        id: id.as_str().into(),
        network: team.zone.as_str().into(),
        name: team.name.clone(),
        owner,
        ingress: rules(true),
        egress: rules(false),
        tag_drift: found.into_iter().collect(),
    }
}

/// Ours by name and maker, suspect by half of that.
fn owner(wire: &Wire, team: &Team) -> Owner {
    let rest = team.name.strip_prefix(&owned_name(&wire.installation, ""));
    let is_named = rest.is_some_and(|rest| {
        let hash = rest.split('-').next().unwrap_or_default();
        hash.len() == HASH_LENGTH && hash.chars().all(|c| c.is_ascii_hexdigit())
    });
    match (is_named, team.maker == wire.installation) {
        _ if wire.flaw == Flaw::OwnsByPrefix && rest.is_some() => Owner::Ours,
        (true, true) => Owner::Ours,
        (true, false) => Owner::Suspect("our name, but not our mark".to_owned()),
        (false, true) => Owner::Suspect("our mark, but not our name".to_owned()),
        (false, false) => Owner::Foreign,
    }
}

/// What the caller does next.
pub fn error(action: &str, refusal: Refusal) -> ProviderError {
    let kind = match refusal {
        Refusal::Busy => ErrorKind::Throttled,
        Refusal::Broken | Refusal::Lost | Refusal::Unreachable => ErrorKind::Transient,
        Refusal::Stale | Refusal::Taken | Refusal::InUse => ErrorKind::Conflict,
        Refusal::Full => ErrorKind::OverQuota,
        Refusal::Missing => ErrorKind::NotFound,
    };
    ProviderError::new(kind, action, format!("{refusal:?}").to_lowercase())
}

/// The direction of a rule as a pond says it.
pub fn is_inbound(direction: Direction) -> bool {
    direction == Direction::Ingress
}
