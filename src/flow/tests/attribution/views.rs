//! Attribution sees an address as the policy does: against `policy::AddressDirectory` on random estates that change.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use flow::{Aliases, Attributor, Cloud, End, FlowRecord, Holders, Point, Timeline};
use policy::{AddressDirectory, NetworkId, Snapshot, Translation, View, Workload};

use crate::world::{line, network, snapshot, workload};

const NETWORKS: usize = 4;

/// Few addresses, so that they clash; networks with blocks that overlap, peered or not; now and then translations.
fn random_snapshot(random: &mut fastrand::Rng) -> Snapshot {
    let address = |random: &mut fastrand::Rng| match random.u8(0..8) {
        0 => "192.0.2.1".to_owned(),
        1 => format!("2001:db8::{}", random.u8(1..3)),
        _ => format!("10.{}.0.{}", random.u8(0..2), random.u8(1..5)),
    };
    let one = |random: &mut fastrand::Rng, number: usize| {
        let place = match random.usize(0..NETWORKS + 1) {
            NETWORKS => format!("eni-{number}"),
            at => format!("eni-{number}@vpc-{at}"),
        };
        let addresses: Vec<String> = (0..random.usize(0..3)).map(|_| address(random)).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        workload(&place, &format!("role=r{}", random.u8(0..2)), &addresses)
    };
    let workloads: Vec<Workload> = (0..random.usize(0..10)).map(|number| one(random, number)).collect();
    let mut networks: Vec<_> = (0..random.usize(1..=NETWORKS))
        .map(|at| network(&format!("vpc-{at}"), ["10.0.0.0/16", "10.1.0.0/16", "10.0.0.0/30"][at % 3], &[]))
        .collect();
    for a in 0..networks.len() {
        for b in 0..a {
            if random.u8(0..4) == 0 {
                let (first, second) = (networks[a].id.clone(), networks[b].id.clone());
                networks[a].peers.insert(second);
                networks[b].peers.insert(first);
            }
        }
    }
    let mut snapshot = snapshot(workloads, networks);
    if random.bool() {
        let one = |random: &mut fastrand::Rng| Translation {
            network: format!("vpc-{}", random.usize(0..NETWORKS)).into(),
            from: if random.bool() { vec![] } else { vec!["10.0.0.0/30".parse().unwrap()] },
            towards: (0..NETWORKS)
                .filter(|_| random.u8(0..4) == 0)
                .map(|n| format!("vpc-{n}").into())
                .collect(),
            addresses: vec![["192.0.2.1", "10.1.0.1"][random.usize(0..2)].parse().unwrap()],
        };
        snapshot.translations = (0..random.usize(1..4)).map(|_| one(random)).collect();
    }
    snapshot
}

/// What the policy takes the address for, as an end.
fn expected(
    snapshot: &Snapshot,
    here: Option<&NetworkId>,
    address: IpAddr,
    kinds: &mut BTreeMap<String, u32>,
) -> End {
    let directory = AddressDirectory::new(snapshot);
    let view = directory.holder(here, address);
    let end = |place: policy::Place| End::Workload {
        labels: snapshot.workloads[place.workload as usize].labels.clone(),
        network: directory.interface(place).network.clone(),
    };
    let kind = match view {
        View::Interface(_) => "interface",
        View::Translated => "translated",
        View::Shadowed => "shadowed",
        View::Ambiguous => "ambiguous",
        View::External => "external",
    };
    *kinds.entry(kind.to_owned()).or_default() += 1;
    match view {
        View::Interface(place) => end(place),
        View::Translated => {
            let behind: Vec<End> = directory.behind(here, address).iter().map(|&place| end(place)).collect();
            let labels = |end: &End| match end {
                End::Workload { labels, .. } => labels.clone(),
                End::Address(_) => unreachable!("a holder is a workload"),
            };
            let first = behind[0].clone();
            if behind.iter().all(|other| *other == first) {
                *kinds.entry("translated, all alike".to_owned()).or_default() += 1;
                first
            } else if behind.iter().all(|other| labels(other) == labels(&first)) {
                *kinds.entry("translated, in several networks".to_owned()).or_default() += 1;
                End::Workload { labels: labels(&first), network: None }
            } else {
                End::address(address)
            }
        }
        _ => End::address(address),
    }
}

#[test]
fn an_address_is_seen_as_the_policy_sees_it_at_the_time() {
    let mut kinds = BTreeMap::new();
    for seed in 0..2000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let sightings: Vec<(i64, Snapshot)> =
            (0..random.i64(1..5)).map(|n| (100 * (n + 1), random_snapshot(&mut random))).collect();
        let mut timeline = Timeline::new();
        for (at, snapshot) in &sightings {
            timeline.sight(*at, snapshot);
        }
        let holders = Holders::new(&timeline, &Aliases::default());
        for _ in 0..60 {
            let time = random.i64(0..600);
            let (_, snapshot) = sightings.iter().rev().find(|(at, _)| *at <= time).unwrap_or(&sightings[0]);
            let here = format!("vpc-{}", random.usize(0..NETWORKS + 1));
            let point = Point { cloud: Cloud::Aws, interface: None, network: Some(&here) };
            let known = NetworkId::from(here.as_str());
            // A network that was never heard of is none to the timeline.
            let is_ever = sightings.iter().any(|(_, snapshot)| {
                let seats = snapshot.interfaces().any(|(_, _, one)| one.network.as_ref() == Some(&known));
                seats || snapshot.networks.contains_key(&known)
            });
            let address: IpAddr = match random.u8(0..6) {
                0 | 1 => "192.0.2.1".parse().unwrap(),
                2 => format!("2001:db8::{}", random.u8(1..3)).parse().unwrap(),
                _ => format!("10.{}.0.{}", random.u8(0..2), random.u8(1..5)).parse().unwrap(),
            };
            let expected = expected(snapshot, is_ever.then_some(&known), address, &mut kinds);
            assert_eq!(
                holders.end(&point, address, time),
                expected,
                "seed {seed}: {address} seen from {here} at {time}\n{sightings:#?}"
            );
        }
    }
    println!("{kinds:?}");
    assert!(
        kinds.len() == 7 && kinds.values().all(|&count| count > 15),
        "the generator misses a kind: {kinds:?}"
    );
}

/// An attributor remembers answers and where points are; each time it must be what a fresh look-up says.
#[test]
fn what_is_remembered_ends_when_anything_changes() {
    let (mut told, mut workloads) = (0, 0);
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut timeline = Timeline::new();
        for number in 0..random.i64(1..6) {
            timeline.sight(100 * (number + 1), &random_snapshot(&mut random));
        }
        let holders = Arc::new(Holders::new(&timeline, &Aliases::default()));
        let mut attributor = Attributor::new(holders.clone(), 1000, None);
        let names: Vec<String> =
            (0..6).map(|n| format!("eni-{n}")).chain((0..3).map(|n| format!("vpc-{n}"))).collect();
        let points: Vec<Point<'_>> = names
            .iter()
            .map(|name| {
                let [interface, network] =
                    ["eni", "vpc"].map(|kind| name.starts_with(kind).then_some(name.as_str()));
                Point { cloud: Cloud::Aws, interface, network }
            })
            .collect();
        let numbers: Vec<_> = points.iter().map(|point| attributor.point(point)).collect();
        let template = line("aws:", "10.0.0.1:40000 > 10.0.0.2:443 6 flags=2").record;
        for _ in 0..300 {
            let at = random.usize(0..points.len());
            let address = |random: &mut fastrand::Rng| -> IpAddr {
                match random.u8(0..4) {
                    0 => "192.0.2.1".parse().unwrap(),
                    _ => format!("10.{}.0.{}", random.u8(0..2), random.u8(1..5)).parse().unwrap(),
                }
            };
            let (source, destination) = (address(&mut random), address(&mut random));
            let start = random.i64(0..700);
            let record =
                FlowRecord { point: numbers[at], start, end: start, source, destination, ..template };
            let sighting = attributor.attribute(&record).unwrap();
            for (address, end) in [(source, sighting.source), (destination, sighting.destination)] {
                let expected = holders.end(&points[at], address, start);
                assert_eq!(
                    attributor.end(end),
                    expected,
                    "seed {seed}: {address} at {start} {:?}",
                    points[at]
                );
                told += 1;
                workloads += u32::from(matches!(expected, End::Workload { .. }));
            }
        }
    }
    println!("{told} ends, {workloads} of them workloads");
    assert!(workloads > told / 8);
}
