//! The graph against Google's rules, over every packet of thousands of random estates.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use plan::{FilterGraph, PathEffect, PathFilter, PathRule, Peer};
use provider_gcp::semantics;

use crate::estates::{DELETED, Unread, packets, random};
use crate::filter::{Packet, foreign_pass, ours_pass, passes};
use crate::truth::{Truth, Verdict, is_our_allow, is_ours};

const CASES: u64 = 2000;

#[test]
fn graph_and_lists_agree_on_every_packet() {
    let (mut seen, mut allowed, mut overstated) = (0_u64, 0_u64, 0_u64);
    let mut features: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..CASES {
        let observed = random(seed, Unread::No);
        let graph = semantics(&[&observed]);
        let truth = Truth { observed: &observed, unread: &|_| unreachable!("nothing is unread") };
        let mut shown = BTreeSet::new();
        for packet in packets(&observed) {
            let verdict = truth.judge(packet, |_, _| true);
            overstated += u64::from(check(seed, &truth, &graph, packet, verdict.passes));
            seen += 1;
            allowed += u64::from(verdict.passes);
            show(&truth, packet, &verdict, &mut shown);
        }
        shown.into_iter().for_each(|feature| *features.entry(feature).or_default() += 1);
    }
    let share = |count: u64| count as f64 * 100.0 / seen as f64;
    println!("{CASES} estates, {seen} packets, {:.1} % allowed", share(allowed));
    println!("{:.2} % of them overstated as foreign", share(overstated));
    for (feature, count) in &features {
        println!("{:6.1} % {feature}", *count as f64 * 100.0 / CASES as f64);
    }
    assert!((30.0..=70.0).contains(&share(allowed)));
    assert!(share(overstated) < 1.0, "only where a next and a deny cross");
    for feature in FEATURES {
        assert!(features.get(feature).is_some_and(|count| count * 20 >= CASES), "too little of {feature}");
    }
}

/// What the estates have to show: rules that decide a packet, and what they decide it by.
const FEATURES: [&str; 23] = [
    "organisation or folder allows",
    "organisation or folder denies",
    "next, then a later list decides",
    "classic allow before a policy",
    "classic deny before a policy",
    "classic allow after a policy",
    "classic deny after a policy",
    "deny wins at equal priority",
    "our allow",
    "our deny",
    "foreign allow before ours",
    "foreign deny before ours",
    "foreign next before ours",
    "foreign allow after ours",
    "foreign deny after ours",
    "implied deny ingress",
    "implied allow egress",
    "target decides",
    "tag or account as source decides",
    "secure tag over a peering decides",
    "only deleted tags as source",
    "several far ends and services",
    "IPv6",
];

/// Checks one packet; the answer is whether what foreign rules admit is overstated.
fn check(seed: u64, truth: &Truth<'_>, graph: &FilterGraph, packet: Packet, expected: bool) -> bool {
    let context = || format!("seed {seed}, {packet:?}, at {:?}", truth.observed.interfaces[packet.own]);
    assert_eq!(passes(graph, packet), expected, "{}", context());
    let managed = truth.managed(packet);
    let ours = managed.is_some_and(|list| truth.ours_pass(list, packet));
    assert_eq!(ours_pass(graph, packet), ours, "ours alone: {}", context());
    let counts = |list: &PathFilter, rule: &PathRule| {
        !(is_our_allow(rule) && managed.is_some_and(|managed| managed.id == list.id))
    };
    let admitted = truth.judge(packet, counts).passes;
    assert!(foreign_pass(graph, packet) || !admitted, "exposure understated: {}", context());
    foreign_pass(graph, packet) != admitted
}

type Shown = BTreeSet<&'static str>;

/// Notes what decides a packet.
fn show(truth: &Truth<'_>, packet: Packet, verdict: &Verdict<'_>, shown: &mut Shown) {
    let Some((list, rule)) = verdict.by else {
        shown.insert(if verdict.passes { "implied allow egress" } else { "implied deny ingress" });
        return;
    };
    let allows = verdict.passes;
    let pick = |yes, no| if allows { yes } else { no };
    if !verdict.nexts.is_empty() {
        shown.insert("next, then a later list decides");
    }
    let path = truth.path(packet);
    let place = |wanted: &str| path.iter().position(|list| list.id.ends_with(wanted));
    match (list.id.as_str(), place("classic"), place("policy")) {
        ("org" | "folder", ..) => {
            shown.insert(pick("organisation or folder allows", "organisation or folder denies"));
        }
        ("classic", Some(classic), Some(policy)) if classic < policy => {
            shown.insert(pick("classic allow before a policy", "classic deny before a policy"));
        }
        ("classic", Some(_), Some(_)) => {
            shown.insert(pick("classic allow after a policy", "classic deny after a policy"));
        }
        _ => {}
    }
    note_owner(list, rule, allows, shown);
    for (list, next) in &verdict.nexts {
        if ours_in(list, next).is_some_and(|(_, last)| next.priority < last) {
            shown.insert("foreign next before ours");
        }
    }
    note_ends(truth, rule, packet, shown);
}

/// The priorities of the first and the last rule of ours beside a rule.
fn ours_in(list: &PathFilter, beside: &PathRule) -> Option<(u32, u32)> {
    let ours = |other: &&PathRule| is_ours(other) && other.direction == beside.direction;
    let first = list.rules.iter().find(ours)?.priority;
    Some((first, list.rules.iter().rfind(ours)?.priority))
}

fn note_owner(list: &PathFilter, rule: &PathRule, allows: bool, shown: &mut Shown) {
    let pick = |yes, no| if allows { yes } else { no };
    match ours_in(list, rule) {
        _ if is_ours(rule) => shown.insert(pick("our allow", "our deny")),
        Some((first, _)) if rule.priority < first => {
            shown.insert(pick("foreign allow before ours", "foreign deny before ours"))
        }
        Some(_) => shown.insert(pick("foreign allow after ours", "foreign deny after ours")),
        None => false,
    };
    let rival = |other: &&PathRule| {
        other.priority == rule.priority
            && other.direction == rule.direction
            && other.effect == PathEffect::Allow
    };
    if !allows && list.rules.iter().any(|other| rival(&other)) {
        shown.insert("deny wins at equal priority");
    }
}

fn note_ends(truth: &Truth<'_>, rule: &PathRule, packet: Packet, shown: &mut Shown) {
    if !rule.targets.is_empty() {
        shown.insert("target decides");
    }
    if rule.peers.len() > 1 && rule.services.len() > 1 {
        shown.insert("several far ends and services");
    }
    if packet.address.is_ipv6() {
        shown.insert("IPv6");
    }
    let interfaces = &truth.observed.interfaces;
    if let Some(peer) = packet.peer.map(|peer| &interfaces[peer])
        && !rule.peers.is_empty()
        && rule.peers.iter().all(|one| matches!(one, Peer::Group(_)))
    {
        shown.insert("tag or account as source decides");
        if peer.network != interfaces[packet.own].network {
            shown.insert("secure tag over a peering decides");
        }
    }
    let is_ignored = |rule: &PathRule| {
        let deleted = |peer: &Peer| matches!(peer, Peer::Group(group) if group.as_str() == DELETED);
        !rule.peers.is_empty() && rule.peers.iter().all(deleted) && rule.direction == packet.direction
    };
    if truth.path(packet).iter().any(|list| list.rules.iter().any(is_ignored)) {
        shown.insert("only deleted tags as source");
    }
}

/// A meaning of what is not read.
pub fn meaning(seed: u64) -> impl Fn(&str) -> IpNet {
    let blocks = ["0.0.0.0/0", "10.0.0.0/24", "8.8.8.0/24", "fd00::/64", "192.0.2.0/24"];
    move |name: &str| {
        let place = seed as usize + if name == "x" { 0 } else { 2 };
        blocks[place % blocks.len()].parse().unwrap()
    }
}
