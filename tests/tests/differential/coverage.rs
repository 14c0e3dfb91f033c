//! What a run looked at: printed, and held to the shares that make it worth something.

use std::fmt;

use policy::service::{has_icmp_type, has_ports};
use policy::{Actor, End, Flow, Rule, Snapshot, Workload};

use crate::rules::{LISTS, addresses};

/// Counts over a run.
#[derive(Default)]
pub struct Coverage {
    pub worlds: u64,
    /// Worlds that were changed after the first plan.
    pub changed: u64,
    pub packets: u64,
    pub allowed: u64,
    pub ipv6: u64,
    pub icmp: u64,
    pub edges: u64,
    pub exclusions: u64,
    pub peered: u64,
    pub unconnected: u64,
    pub secondary: u64,
    /// Worlds with a spoiled rule, and those in which it made a difference that the proof found.
    pub spoiled: u64,
    pub found: u64,
}

impl Coverage {
    /// Counts a packet.
    pub fn note(&mut self, snapshot: &Snapshot, flow: &Flow, passes: bool) {
        let (source, destination) = (place(snapshot, &flow.source), place(snapshot, &flow.destination));
        let networks = [&source, &destination].map(|place| place.as_ref().and_then(|p| p.network.as_ref()));
        let (mut peered, mut unconnected) = (false, false);
        if let [Some(a), Some(b)] = networks {
            peered = a != b && snapshot.connected(a, b);
            unconnected = !snapshot.connected(a, b);
        }
        let secondary = [&source, &destination].into_iter().flatten().any(|place| place.secondary);
        let workloads = [&source, &destination].map(|place| place.as_ref().map(|place| place.workload));
        for (count, is) in [
            (&mut self.packets, true),
            (&mut self.allowed, passes),
            (&mut self.ipv6, flow.source.address.is_ipv6()),
            (&mut self.icmp, has_icmp_type(flow.service.protocol)),
            (&mut self.edges, at_an_edge(snapshot, flow)),
            (&mut self.exclusions, excluded(snapshot, flow, workloads)),
            (&mut self.peered, peered),
            (&mut self.unconnected, unconnected),
            (&mut self.secondary, secondary),
        ] {
            *count += u64::from(is);
        }
    }

    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        for ((_, sum), (_, more)) in self.counts_mut().into_iter().zip(other.counts()) {
            *sum += more;
        }
    }

    fn counts(&self) -> [(&'static str, u64); 13] {
        [
            ("worlds", self.worlds),
            ("worlds changed once more", self.changed),
            ("packets", self.packets),
            ("allowed", self.allowed),
            ("IPv6", self.ipv6),
            ("ICMP types", self.icmp),
            ("range edges", self.edges),
            ("exclusions", self.exclusions),
            ("peered VPCs", self.peered),
            ("unconnected VPCs", self.unconnected),
            ("secondary addresses", self.secondary),
            ("spoiled rules", self.spoiled),
            ("spoiled rules that the proof finds", self.found),
        ]
    }

    fn counts_mut(&mut self) -> [(&'static str, &mut u64); 13] {
        let Self {
            worlds,
            changed,
            packets,
            allowed,
            ipv6,
            icmp,
            edges,
            exclusions,
            peered,
            unconnected,
            secondary,
            spoiled,
            found,
        } = self;
        [
            worlds,
            changed,
            packets,
            allowed,
            ipv6,
            icmp,
            edges,
            exclusions,
            peered,
            unconnected,
            secondary,
            spoiled,
            found,
        ]
        .map(|count| ("", count))
    }

    /// The shares that the run must have.
    pub fn check(&self, worlds: u64, packets: u64) {
        assert_eq!(self.worlds, worlds, "worlds that were built");
        assert!(self.packets >= worlds * packets, "only {} packets", self.packets);
        let percent = |count: u64| count as f64 * 100.0 / self.packets.max(1) as f64;
        let allowed = percent(self.allowed);
        assert!((30.0..=70.0).contains(&allowed), "{allowed:.0} % of packets are allowed, not 30 to 70");
        for (name, count) in &self.counts()[4..11] {
            assert!(percent(*count) >= 5.0, "{name}: only {:.1} % of packets", percent(*count));
        }
        assert!(self.found * 2 >= self.spoiled, "the proof found {} of {}", self.found, self.spoiled);
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, count)) in self.counts().into_iter().enumerate() {
            write!(f, "{name:>35}: {count:>8}")?;
            if (3..11).contains(&number) {
                write!(f, " {:>5.1} %", count as f64 * 100.0 / self.packets.max(1) as f64)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

struct Place<'a> {
    workload: &'a Workload,
    network: Option<policy::NetworkId>,
    secondary: bool,
}

fn place<'a>(snapshot: &'a Snapshot, end: &End) -> Option<Place<'a>> {
    let id = end.interface.as_ref()?;
    let (_, workload, interface) = snapshot.interfaces().find(|(_, _, i)| i.id == *id)?;
    let primary = interface.addresses.iter().find(|a| a.is_ipv6() == end.address.is_ipv6());
    Some(Place { workload, network: interface.network.clone(), secondary: primary != Some(&end.address) })
}

fn enabled(snapshot: &Snapshot) -> impl Iterator<Item = &Rule> {
    snapshot.policy.rulesets.iter().flat_map(|ruleset| &ruleset.rules).filter(|rule| rule.enabled)
}

/// Whether the port is the first or last of a range of ports that a rule names, or an address outside is the
/// first or last of a range of an IP list that a rule names.
fn at_an_edge(snapshot: &Snapshot, flow: &Flow) -> bool {
    let point = flow.service;
    let port = enabled(snapshot).any(|rule| {
        rule.services.by_protocol().any(|(number, first, last)| {
            number == point.protocol
                && has_ports(number)
                && first < last
                && (point.detail == first || point.detail == last)
        })
    });
    let lists = enabled(snapshot).flat_map(|rule| rule.sources.iter().chain(&rule.destinations));
    let lists = lists.filter_map(|actor| match actor {
        Actor::IpList(name) => snapshot.policy.ip_lists.get(name),
        _ => None,
    });
    port || lists.into_iter().any(|list| {
        [&flow.source, &flow.destination].into_iter().filter(|end| end.interface.is_none()).any(|end| {
            match end.address {
                std::net::IpAddr::V4(address) => list
                    .addresses
                    .v4()
                    .ranges()
                    .iter()
                    .any(|&(first, last)| [first, last].contains(&address.to_bits())),
                std::net::IpAddr::V6(address) => list
                    .addresses
                    .v6()
                    .ranges()
                    .iter()
                    .any(|&(first, last)| [first, last].contains(&address.to_bits())),
            }
        })
    })
}

/// Whether an enabled rule takes one of the two ends off: by label, by label group, or by a hole in an IP list.
fn excluded(snapshot: &Snapshot, flow: &Flow, workloads: [Option<&Workload>; 2]) -> bool {
    enabled(snapshot).filter(|rule| rule.services.contains(flow.service)).any(|rule| {
        let sides = [(&rule.sources, &flow.source), (&rule.destinations, &flow.destination)];
        sides.into_iter().zip(workloads).any(|((actors, end), workload)| {
            actors.iter().any(|actor| match (actor, workload) {
                (Actor::Label { label, exclusion: true }, Some(workload)) => {
                    workload.labels.get(&label.key) == Some(&label.value)
                }
                (Actor::LabelGroup { group, exclusion: true }, Some(workload)) => {
                    let group = &snapshot.policy.label_groups[group];
                    workload.labels.get(&group.key).is_some_and(|value| group.labels.contains(value))
                }
                (Actor::IpList(name), _) => in_a_hole(name.as_str(), end),
                _ => false,
            })
        })
    })
}

fn in_a_hole(name: &str, end: &End) -> bool {
    LISTS.iter().any(|(list, _, taken_off)| *list == name && addresses(taken_off).contains(end.address))
}
