//! `bulkhead explain`: which rule lets a flow pass, or which would have to exist.

use std::net::IpAddr;
use std::path::Path;

use plan::Observed;
use policy::{End, Flow, ServiceSet, Snapshot, explain};
use reconcile::inventory::snapshot;
use reconcile::planning::observe;

use super::plan::unreadable;
use crate::session::{Failure, open, scopes};
use crate::{Exit, clouds};

pub(super) async fn run(config: &Path, from: &str, to: &str, service: &str) -> Result<Exit, Failure> {
    let (config, intent) = open(config, &[])?;
    let services: ServiceSet =
        service.parse().map_err(|error| Failure::new(error, "write one service, such as tcp/5432"))?;
    let Some(point) = services.first() else {
        return Err(Failure::new("no service", "write one service, such as tcp/5432"));
    };
    let (readers, _) = clouds::connect(&config).await;
    let reading = observe(&readers, &scopes(&config)).await;
    if reading.observed.is_empty() {
        return Err(unreadable(&reading.unobserved));
    }
    let domain: Vec<_> = reading.observed.iter().map(|(scope, observed)| (scope, observed)).collect();
    let snapshot = snapshot(&intent.files, &intent.mapping, &domain);
    let observed: Vec<&Observed> = reading.observed.iter().map(|(_, observed)| observed).collect();
    let (from, to) = (ends(from, &snapshot, &observed)?, ends(to, &snapshot, &observed)?);
    let pair = from
        .iter()
        .flat_map(|a| to.iter().map(move |b| (a, b)))
        .find(|(a, b)| a.address.is_ipv6() == b.address.is_ipv6());
    let Some((source, destination)) = pair else {
        return Err(Failure::new("the two ends share no address family", "name other ends"));
    };
    let flow = Flow { source: source.clone(), destination: destination.clone(), service: point };
    anstream::print!("{}", explain(&snapshot, &flow).to_text());
    Ok(Exit::Done)
}

/// Everything that a text may mean as an end, by address; the first interface first.
fn ends(text: &str, snapshot: &Snapshot, observed: &[&Observed]) -> Result<Vec<End>, Failure> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let holder = snapshot.interfaces().find(|(_, _, interface)| interface.addresses.contains(&address));
        return Ok(vec![End { interface: holder.map(|(_, _, interface)| interface.id.clone()), address }]);
    }
    let named: Vec<&str> = observed
        .iter()
        .flat_map(|observed| &observed.interfaces)
        .filter(|interface| interface.name == text)
        .map(|interface| interface.id.as_str())
        .collect();
    let matching = snapshot.interfaces().filter(|(_, workload, interface)| {
        workload.id.as_str() == text
            || interface.id.as_str() == text
            || named.contains(&interface.id.as_str())
    });
    let ends: Vec<End> = matching
        .flat_map(|(_, _, interface)| {
            interface.addresses.iter().map(|&address| End { interface: Some(interface.id.clone()), address })
        })
        .collect();
    if ends.is_empty() {
        return Err(Failure::new(
            format!("`{text}` is no workload, interface or address"),
            "name an instance by its Name tag or id, an interface by its id, or write an address",
        ));
    }
    Ok(ends)
}
