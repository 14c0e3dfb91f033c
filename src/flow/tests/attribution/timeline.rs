//! Who held an address when.

use flow::timeline::{Sighted, TimelineError};
use flow::{Aliases, Cloud, End, Holders, Point, Timeline};
use policy::{Snapshot, Translation};
use proptest::prelude::*;

use crate::world::{estate, label_set, network, snapshot, workload};

const POINT: Point<'static> = Point { cloud: Cloud::Aws, interface: None, network: Some("vpc-a") };

fn at(workloads: &[(&str, &str, &str)]) -> Snapshot {
    let workloads = workloads.iter().map(|(place, labels, address)| workload(place, labels, &[address]));
    snapshot(workloads.collect(), vec![network("vpc-a", "10.0.0.0/16", &[])])
}

fn role(holders: &Holders, address: &str, time: i64) -> String {
    match holders.end(&POINT, address.parse().unwrap(), time) {
        End::Workload { labels, .. } => policy::label::describe(&labels),
        End::Address(block) => block.to_string(),
    }
}

#[test]
fn an_address_is_who_held_it_at_the_last_sighting_before_the_flow() {
    let mut timeline = Timeline::new();
    timeline.sight(100, &at(&[("eni-1@vpc-a", "role=web", "10.0.0.5")]));
    timeline.sight(200, &at(&[("eni-1@vpc-a", "role=api", "10.0.0.5")]));
    timeline.sight(300, &at(&[]));
    timeline.sight(400, &at(&[("eni-2@vpc-a", "role=db", "10.0.0.5")]));
    let holders = Holders::new(&timeline, &Aliases::default());
    let seen: Vec<String> =
        [0, 100, 199, 200, 299, 300, 399, 400, 9999].map(|time| role(&holders, "10.0.0.5", time)).into();
    let (web, api, nobody, db) = ("role=web", "role=api", "10.0.0.5/32", "role=db");
    assert_eq!(seen, [web, web, web, api, api, nobody, nobody, db, db]);
    assert!(holders.is_before_first(99) && !holders.is_before_first(100));
}

#[test]
fn only_changes_are_kept_and_the_past_is_not_rewritten() {
    let mut timeline = Timeline::new();
    assert_eq!(timeline.sight(100, &estate()), Sighted::Changed);
    assert_eq!(timeline.sight(200, &estate()), Sighted::Same);
    assert_eq!((timeline.len(), timeline.first(), timeline.last()), (1, Some(100), Some(200)));
    assert_eq!(timeline.sight(150, &at(&[])), Sighted::TooOld);
    let one = timeline.to_json().len();
    let mut changed = estate();
    changed.workloads[1].labels = label_set("role=database");
    assert_eq!(timeline.sight(300, &changed), Sighted::Changed);
    let grown = timeline.to_json().len() - one;
    assert!(grown < 150, "one relabelled workload costs {grown} bytes");
}

#[test]
fn a_stored_timeline_is_refused_if_it_is_of_another_version_or_damaged() {
    let text = Timeline::of(100, &estate()).to_json();
    let version = Timeline::from_json(&text.replacen("\"version\":1", "\"version\":2", 1));
    assert!(matches!(version, Err(TimelineError::Version(2))));
    assert!(matches!(Timeline::from_json("{}"), Err(TimelineError::NotReadable(_))));
    let late = Timeline::from_json(&text.replacen("\"last\":100", "\"last\":1", 1));
    assert!(matches!(late, Err(TimelineError::Damaged(_))));
    let label = text.replacen("\"labels\":[[[", "\"labels\":[],\"unread\":[[[", 1);
    assert!(matches!(Timeline::from_json(&label), Err(TimelineError::Damaged(_))));
}

#[test]
fn who_shares_a_translated_address_is_known_only_if_all_are_alike() {
    let nat = |from: &str, seen: &str| Translation {
        network: "vpc-b".into(),
        from: vec![from.parse().unwrap()],
        towards: Default::default(),
        addresses: vec![seen.parse().unwrap()],
    };
    let workloads = vec![
        workload("eni-1@vpc-b", "role=web", &["10.1.0.1"]),
        workload("eni-2@vpc-b", "role=web", &["10.1.0.2"]),
        workload("eni-3@vpc-b", "role=db", &["10.1.1.3"]),
        workload("eni-4@vpc-a", "role=own", &["10.0.0.4"]),
    ];
    let networks = vec![network("vpc-a", "10.0.0.0/16", &[]), network("vpc-b", "10.1.0.0/16", &[])];
    let mut snapshot = snapshot(workloads, networks);
    snapshot.translations = vec![nat("10.1.0.0/24", "192.0.2.1"), nat("10.1.0.0/16", "192.0.2.2")];
    let mut timeline = Timeline::of(100, &snapshot);
    // One of those behind the first address becomes another.
    snapshot.workloads[1].labels = label_set("role=api");
    timeline.sight(200, &snapshot);
    let timeline = Timeline::from_json(&timeline.to_json()).unwrap();
    let holders = Holders::new(&timeline, &Aliases::default());
    assert_eq!(role(&holders, "192.0.2.1", 100), "role=web");
    assert_eq!(role(&holders, "192.0.2.1", 200), "192.0.2.1/32");
    assert_eq!(role(&holders, "192.0.2.2", 100), "192.0.2.2/32");
    // An address that is translated on the way is not seen as it is.
    assert_eq!(role(&holders, "10.1.0.1", 100), "10.1.0.1/32");
    assert_eq!(role(&holders, "10.0.0.4", 100), "role=own");
}

/// Small estates: which of three interfaces are there, with which label, address and network.
fn estates() -> impl Strategy<Value = Vec<(i64, Snapshot)>> {
    let interface = (0..3u8, 0..2u8, 0..3u8);
    let sighting = (1..50i64, proptest::collection::btree_map(0..3u8, interface, 0..3), 0..3u8);
    proptest::collection::vec(sighting, 1..7).prop_map(|sightings| {
        let mut at = 0;
        let mut make = |(gap, interfaces, nets): (i64, std::collections::BTreeMap<u8, (u8, u8, u8)>, u8)| {
            at += gap;
            let workloads = interfaces.iter().map(|(id, (role, net, address))| {
                let address = format!("10.0.0.{address}");
                workload(&format!("eni-{id}@vpc-{net}"), &format!("role={role}"), &[&address])
            });
            let peers: &[&str] = if nets == 2 { &["vpc-1"] } else { &[] };
            let back: &[&str] = if nets == 2 { &["vpc-0"] } else { &[] };
            let all = vec![network("vpc-0", "10.0.0.0/16", peers), network("vpc-1", "10.0.0.0/30", back)];
            let networks = all.into_iter().take(usize::from(nets.max(1)));
            (at, snapshot(workloads.collect(), networks.collect()))
        };
        sightings.into_iter().map(&mut make).collect()
    })
}

proptest! {
    #[test]
    fn a_timeline_is_the_same_after_storing_and_forgets_only_what_is_older(
        estates in estates(), cut in 0i64..200, time in 0i64..200, address in 0u8..3, here in 0u8..2,
    ) {
        let mut timeline = Timeline::new();
        estates.iter().for_each(|(at, snapshot)| { timeline.sight(*at, snapshot); });
        let stored = Timeline::from_json(&timeline.to_json()).unwrap();
        prop_assert_eq!(&stored, &timeline);
        let mut short = timeline.clone();
        short.forget_before(cut);
        prop_assert_eq!(Timeline::from_json(&short.to_json()).unwrap(), short.clone());
        prop_assert!(short.len() <= timeline.len());
        let time = time.max(cut);
        let network = format!("vpc-{here}");
        let point = Point { cloud: Cloud::Aws, interface: None, network: Some(&network) };
        let address = format!("10.0.0.{address}").parse().unwrap();
        let end = |timeline: &Timeline| Holders::new(timeline, &Aliases::default()).end(&point, address, time);
        prop_assert_eq!(end(&short), end(&timeline));
        // Nothing is kept that is over before the cut.
        let over = estates.iter().filter(|(at, _)| *at <= cut).count();
        prop_assert!(short.len() <= estates.len() - over.saturating_sub(1));
    }
}
