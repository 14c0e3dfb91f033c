//! `bulkhead explain`: which rule lets a flow pass, or which would have to exist.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use policy::{End, Flow, Interface, InterfaceId, ServicePoint, Snapshot, Workload, explain};
use reconcile::inventory::snapshot;
use reconcile::planning::observe;

use super::plan::unreadable;
use super::warn_of_unobserved;
use crate::display::Display;
use crate::session::{Failure, open};
use crate::{Exit, clouds};

/// Candidates for an ambiguous end that are listed.
const LISTED_MAX: usize = 5;

pub(super) async fn run(config: &Path, from: &str, to: &str, service: ServicePoint) -> Result<Exit, Failure> {
    let (config, intent) = open(config, &[])?;
    let connections = clouds::connect(&config, &Display::on_terminal()).await?;
    let readers = connections.readers();
    let reading = observe(&readers, &connections.scopes()).await;
    if reading.observed.is_empty() {
        return Err(unreadable(&reading.unobserved));
    }
    warn_of_unobserved(&reading.unobserved);
    let domain: Vec<_> = reading.observed.iter().map(|(scope, observed)| (scope, observed)).collect();
    let mut snapshot = snapshot(&intent.files, &intent.mapping, &domain);
    snapshot.translations.clone_from(&intent.translations);
    let interfaces = reading.observed.iter().flat_map(|(_, observed)| &observed.interfaces);
    let names = interfaces.map(|interface| (&interface.id, interface.name.as_str())).collect();
    let known = Known { snapshot: &snapshot, names };
    let (from, to) = (known.ends(from)?, known.ends(to)?);
    let pair = from
        .iter()
        .flat_map(|a| to.iter().map(move |b| (a, b)))
        .find(|(a, b)| a.address.is_ipv6() == b.address.is_ipv6());
    let Some((source, destination)) = pair else {
        return Err(Failure::new("the two ends share no address family", "name other ends"));
    };
    let flow = Flow { source: source.clone(), destination: destination.clone(), service };
    anstream::print!("{}", explain(&snapshot, &flow).to_text());
    Ok(Exit::Done)
}

/// Everything that can be named as an end of a flow.
struct Known<'a> {
    snapshot: &'a Snapshot,
    /// The names of interfaces for people.
    names: BTreeMap<&'a InterfaceId, &'a str>,
}

impl<'a> Known<'a> {
    /// Everything that a text may mean as an end, by address; the first interface first. All of it is one workload.
    fn ends(&self, text: &str) -> Result<Vec<End>, Failure> {
        match text.parse() {
            Ok(address) => Ok(vec![self.at(text, address)?]),
            Err(_) => self.named(text),
        }
    }

    fn at(&self, text: &str, address: IpAddr) -> Result<End, Failure> {
        let holders = self.matching(|_, interface| interface.addresses.contains(&address));
        if holders.len() > 1 {
            return Err(self.ambiguous(text, "held by", &holders));
        }
        Ok(End { interface: holders.first().map(|(_, interface)| interface.id.clone()), address })
    }

    fn named(&self, text: &str) -> Result<Vec<End>, Failure> {
        let meant = self.matching(|workload, interface| {
            workload.id.as_str() == text
                || interface.id.as_str() == text
                || self.names.get(&interface.id) == Some(&text)
        });
        let workloads: BTreeSet<_> = meant.iter().map(|(workload, _)| &workload.id).collect();
        if workloads.len() > 1 {
            return Err(self.ambiguous(text, "the name of", &meant));
        }
        let ends: Vec<End> = meant
            .iter()
            .flat_map(|(_, interface)| interface.addresses.iter().map(move |address| (interface, address)))
            .map(|(interface, &address)| End { interface: Some(interface.id.clone()), address })
            .collect();
        if ends.is_empty() {
            return Err(Failure::new(
                format!("`{text}` is no workload, interface or address"),
                "name an instance by its Name tag or id, an interface by its id, or write an address",
            ));
        }
        Ok(ends)
    }

    fn matching(&self, wanted: impl Fn(&Workload, &Interface) -> bool) -> Vec<(&'a Workload, &'a Interface)> {
        let interfaces = self.snapshot.interfaces().map(|(_, workload, interface)| (workload, interface));
        interfaces.filter(|(workload, interface)| wanted(workload, interface)).collect()
    }

    /// Nobody can tell which of them is meant: what they are, and how to name one.
    fn ambiguous(&self, text: &str, is: &str, several: &[(&Workload, &Interface)]) -> Failure {
        let candidate = |(workload, interface): &(&Workload, &Interface)| {
            let name =
                self.names.get(&interface.id).filter(|name| **name != text).copied().unwrap_or_default();
            let place = interface.network.as_ref().map_or("no network".to_owned(), ToString::to_string);
            let words = [name, interface.id.as_str(), "of", workload.id.as_str(), "in", &place];
            words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let mut candidates: Vec<String> = several.iter().take(LISTED_MAX).map(candidate).collect();
        if several.len() > LISTED_MAX {
            candidates.push(format!("{} more", several.len() - LISTED_MAX));
        }
        Failure::new(
            format!("`{text}` is {is} {} interfaces: {}", several.len(), candidates.join("; ")),
            "say which: name it by the id of its interface or workload",
        )
    }
}
