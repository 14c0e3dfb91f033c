//! The graph against Azure's rules, over every packet of thousands of random estates.

use std::collections::BTreeMap;

use ipnet::IpNet;
use plan::{Direction, FilterGraph, Observed, PathEffect, PathFilter, PathRule, Peer};
use provider_azure::semantics;

use crate::estates::{Unread, packets, random};
use crate::filter::{Packet, foreign_pass, ours_pass, passes, stages};
use crate::truth::{Features, Truth, Verdict, is_group, is_ours};

const CASES: u64 = 2000;

#[test]
fn graph_and_lists_agree_on_every_packet() {
    let (mut packets_seen, mut allowed) = (0_u64, 0_u64);
    let mut features: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..CASES {
        let observed = random(seed, Unread::No);
        let graph = semantics(&[&observed]);
        let truth = Truth { observed: &observed, unread: &|_| unreachable!("nothing is unread") };
        let mut shown = Features::new();
        for packet in packets(&observed) {
            check(seed, &truth, &graph, packet);
            packets_seen += 1;
            allowed += u64::from(truth.passes(packet));
            show(&truth, packet, &mut shown);
        }
        shown.into_iter().for_each(|feature| *features.entry(feature).or_default() += 1);
    }
    let share = allowed as f64 / packets_seen as f64;
    println!("{CASES} estates, {packets_seen} packets, {:.1} % allowed", share * 100.0);
    for (feature, count) in &features {
        println!("{:6.1} % {feature}", *count as f64 * 100.0 / CASES as f64);
    }
    assert!((0.3..=0.7).contains(&share), "{share}");
    for feature in FEATURES {
        assert!(features.get(feature).is_some_and(|count| count * 20 >= CASES), "too little of {feature}");
    }
}

/// What the estates have to show: rules that decide a packet, and what they decide it by.
const FEATURES: [&str; 20] = [
    "admin always-allow decides",
    "admin deny decides",
    "admin allow leaves it to the groups",
    "foreign allow before ours",
    "foreign deny before ours",
    "foreign allow inside ours",
    "foreign deny inside ours",
    "foreign allow after ours",
    "foreign deny after ours",
    "default allow",
    "default deny",
    "our allow",
    "our deny",
    "target decides",
    "group as far end decides",
    "several far ends and services",
    "group of another network is not meant",
    "second group stops it",
    "no group on the path",
    "IPv6",
];

fn check(seed: u64, truth: &Truth<'_>, graph: &FilterGraph, packet: Packet) {
    let context = || format!("seed {seed}, {packet:?}, at {:?}", truth.observed.interfaces[packet.own]);
    assert_eq!(passes(graph, packet), truth.passes(packet), "{}", context());
    if let Some(managed) = truth.managed(packet) {
        let ours = truth.in_group(managed, packet, is_ours).passes;
        assert_eq!(ours_pass(graph, packet), ours, "ours alone: {}", context());
        let foreign = match truth.by_admin_rules(packet) {
            Some(verdict) => verdict.passes,
            None => truth.in_group(managed, packet, |rule| !is_our_allow(rule)).passes,
        };
        assert_eq!(foreign_pass(graph, packet), foreign, "without what ours allow: {}", context());
    } else if !stages(graph, packet).is_empty() {
        assert!(!ours_pass(graph, packet), "{}", context());
    }
}

fn is_our_allow(rule: &PathRule) -> bool {
    is_ours(rule) && rule.effect == PathEffect::Allow
}

/// Notes what decides a packet.
fn show(truth: &Truth<'_>, packet: Packet, shown: &mut Features) {
    let groups = truth.groups(packet);
    if let Some(verdict) = truth.by_admin_rules(packet) {
        shown.insert(if verdict.passes { "admin always-allow decides" } else { "admin deny decides" });
        return;
    }
    let has_admin = truth.observed.interfaces[packet.own].path_filters.len() > groups.len();
    if groups.is_empty() {
        shown.insert("no group on the path");
    }
    let verdicts: Vec<Verdict<'_>> =
        groups.iter().map(|group| truth.in_group(group, packet, |_| true)).collect();
    if let [first, second] = verdicts.as_slice()
        && first.passes != second.passes
    {
        shown.insert("second group stops it");
    }
    for (list, rule) in verdicts.iter().filter_map(|verdict| verdict.by) {
        if has_admin {
            note_next(truth, packet, shown);
        }
        note(list, rule, shown);
        note_ends(truth, rule, packet, shown);
    }
}

/// Whether an admin rule says allow, which is final nowhere.
fn note_next(truth: &Truth<'_>, packet: Packet, shown: &mut Features) {
    let lists = truth.observed.path_filters.iter().filter(|list| !is_group(list));
    let ids = &truth.observed.interfaces[packet.own].path_filters;
    for list in lists.filter(|list| ids.contains(&list.id)) {
        let next = truth.in_group(list, packet, |_| true).by;
        if next.is_some_and(|(_, rule)| rule.effect == PathEffect::Next) {
            shown.insert("admin allow leaves it to the groups");
        }
    }
}

fn note(list: &PathFilter, rule: &PathRule, shown: &mut Features) {
    let ours = |other: &&PathRule| is_ours(other) && other.direction == rule.direction;
    let first = list.rules.iter().find(ours).map(|rule| rule.priority);
    let last = list.rules.iter().rfind(ours).map(|rule| rule.priority);
    let allows = rule.effect == PathEffect::Allow;
    let pick = |yes, no| if allows { yes } else { no };
    let (Some(first), Some(last)) = (first, last) else { return };
    shown.insert(match rule.priority {
        _ if is_ours(rule) => pick("our allow", "our deny"),
        65000.. => pick("default allow", "default deny"),
        place if place < first => pick("foreign allow before ours", "foreign deny before ours"),
        place if place < last => pick("foreign allow inside ours", "foreign deny inside ours"),
        _ => pick("foreign allow after ours", "foreign deny after ours"),
    });
}

fn note_ends(truth: &Truth<'_>, rule: &PathRule, packet: Packet, shown: &mut Features) {
    let named = rule.peers.iter().any(|peer| matches!(peer, Peer::Group(_)));
    if !rule.targets.is_empty() {
        shown.insert("target decides");
    }
    if named {
        shown.insert("group as far end decides");
    }
    if rule.peers.len() > 1 && rule.services.len() > 1 {
        shown.insert("several far ends and services");
    }
    if packet.address.is_ipv6() {
        shown.insert("IPv6");
    }
    let interfaces = &truth.observed.interfaces;
    let own = &interfaces[packet.own];
    if let Some(peer) = packet.peer.map(|peer| &interfaces[peer])
        && peer.network != own.network
        && truth.managed(packet).is_some_and(|list| names(list, packet.direction, &peer.groups))
    {
        shown.insert("group of another network is not meant");
    }
}

fn names(list: &PathFilter, direction: Direction, groups: &[plan::GroupId]) -> bool {
    let peers = list.rules.iter().filter(|rule| rule.direction == direction).flat_map(|rule| &rule.peers);
    peers.into_iter().any(|peer| matches!(peer, Peer::Group(group) if groups.contains(group)))
}

/// A meaning of what is not read.
pub fn meaning(seed: u64) -> impl Fn(&str) -> IpNet {
    let blocks = ["0.0.0.0/0", "10.0.0.0/24", "8.8.8.0/24", "fd00::/64", "192.0.2.0/24"];
    move |name: &str| {
        let place = seed as usize + if name == "x" { 0 } else { 2 };
        blocks[place % blocks.len()].parse().unwrap()
    }
}

/// The estates with their meanings, for the tests of what is not read.
pub fn unread_cases(cases: u64) -> impl Iterator<Item = (u64, Observed)> {
    (0..cases).map(|seed| (seed, random(seed + 1_000_000, Unread::Some)))
}
