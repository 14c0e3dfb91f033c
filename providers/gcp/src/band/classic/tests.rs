//! Random steps over random lists, call by call.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fastrand::Rng;
use policy::NetworkId;

use super::*;
use crate::band::{Change, add, facts_of, remove};

fn band() -> Band {
    let (identity, installation) = (Identity::NetworkTags, "x".to_owned());
    Band { installation, identity, first: 800, last: 800, attributes_max: 0 }
}

fn class(number: usize) -> GroupId {
    let network = NetworkId::from("projects/p/global/networks/v");
    let name = marks::hashed_name("x", &number.to_string());
    ids::class(&network, &ids::class_tag("x", &network, &name))
}

fn facts(rng: &mut Rng, direction: Direction, most: usize) -> Vec<RuleSpec> {
    let fact = |rng: &mut Rng| {
        let number = rng.u8(..);
        let peer = match rng.u8(..4) {
            0 => Peer::Cidr(format!("10.0.{number}.0/24").parse().unwrap()),
            1 => Peer::Cidr(format!("fd00:{number:x}::/32").parse().unwrap()),
            _ if direction == Direction::Egress => Peer::Cidr(format!("10.{number}.0.0/16").parse().unwrap()),
            _ => Peer::Group(class(rng.usize(..90))),
        };
        let services = [RuleService::All, RuleService::Protocol(6), RuleService::ports(6, 80, 80)];
        RuleSpec { peer, service: services[rng.usize(..3)] }
    };
    (0..rng.usize(1..=most)).map(|_| fact(rng)).collect()
}

/// Every call of a change by itself, in order.
fn calls(change: &ClassicChange) -> Vec<ClassicChange> {
    let grow =
        change.grow.iter().map(|rule| ClassicChange { grow: vec![rule.clone()], ..Default::default() });
    let less =
        change.shrink.iter().map(|rule| ClassicChange { shrink: vec![rule.clone()], ..Default::default() });
    let gone =
        change.delete.iter().map(|name| ClassicChange { delete: vec![name.clone()], ..Default::default() });
    grow.chain(less).chain(gone).collect()
}

/// Something that people do to a rule of ours.
fn meddle(rng: &mut Rng, rules: &mut [PathRule]) {
    let Some(at) = (!rules.is_empty()).then(|| rng.usize(..rules.len())) else { return };
    let rule = &mut rules[at];
    match rng.u8(..5) {
        0 => rule.services.push(RuleService::Protocol(17)),
        1 => rule.targets.push(class(1000)),
        2 => rule.peers.push(Peer::Cidr("192.0.2.0/24".parse().unwrap())),
        3 => rule.priority = 700,
        _ => rule.services.clear(),
    }
}

#[test]
fn at_every_call_what_was_and_will_be_true_is() {
    let (mut made, mut most) = (0, 0);
    for seed in 0..150 {
        let mut rng = Rng::with_seed(seed);
        let (band, id) = (band(), class(1000));
        let target = Target { id: &id, name: "" };
        let (other, mut rules) = (class(1001), Vec::<PathRule>::new());
        for _ in 0..8 {
            let direction = if rng.bool() { Direction::Ingress } else { Direction::Egress };
            if rng.u8(..4) == 0 {
                meddle(&mut rng, &mut rules);
            }
            let before = facts_of(&band, &rules, &id, direction);
            let theirs = facts_of(&band, &rules, &other, direction);
            let change: Change = if rng.u8(..3) > 0 {
                let more = facts(&mut rng, direction, 60);
                add(&band, &rules, target, direction, &more).unwrap()
            } else {
                let less: Vec<RuleSpec> = before.iter().filter(|_| rng.bool()).cloned().collect();
                remove(&band, &rules, target, direction, &less).unwrap()
            };
            let mut end = rules.clone();
            change.apply_to(&mut end);
            let after = facts_of(&band, &end, &id, direction);
            for call in calls(&change.classic) {
                call.apply_to(&mut rules);
                let now = facts_of(&band, &rules, &id, direction);
                assert!(before.intersection(&after).all(|fact| now.contains(fact)), "seed {seed}: cut");
                assert!(
                    now.iter().all(|fact| before.contains(fact) || after.contains(fact)),
                    "seed {seed}: open"
                );
                assert_eq!(
                    facts_of(&band, &rules, &other, direction),
                    theirs,
                    "seed {seed}: of another class"
                );
                made += 1;
            }
            let named: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            assert_eq!(named.len(), rules.len(), "seed {seed}: a name twice");
            let groups =
                rules.iter().map(|rule| rule.peers.iter().filter(|p| matches!(p, Peer::Group(_))).count());
            most = most.max(groups.max().unwrap_or(0));
        }
    }
    println!("{made} calls");
    assert!(made > 2_000 && most == SOURCES_MAX, "{made} {most}");
}

#[test]
fn one_fact_is_one_call_and_no_more_than_two_where_it_goes() {
    let (band, id) = (band(), class(0));
    let target = Target { id: &id, name: "" };
    let mut rng = Rng::with_seed(7);
    let mut rules = Vec::new();
    let mut many = facts(&mut rng, Direction::Ingress, 100);
    many.extend((0..90).flat_map(|number| {
        let peer = Peer::Group(class(number));
        [RuleService::All, RuleService::Protocol(6)].map(|service| RuleSpec { peer: peer.clone(), service })
    }));
    add(&band, &rules, target, Direction::Ingress, &many).unwrap().apply_to(&mut rules);
    let mut by_two = 0;
    for fact in facts(&mut rng, Direction::Ingress, 200) {
        let one = std::slice::from_ref(&fact);
        if facts_of(&band, &rules, &id, Direction::Ingress).contains(&fact) {
            let change = remove(&band, &rules, target, Direction::Ingress, one).unwrap();
            by_two += usize::from(calls(&change.classic).len() == 2);
            assert!(calls(&change.classic).len() <= 2, "{fact}");
            change.apply_to(&mut rules);
        }
        let change = add(&band, &rules, target, Direction::Ingress, one).unwrap();
        assert!(calls(&change.classic).len() <= 1, "{fact}");
        change.apply_to(&mut rules);
        assert!(add(&band, &rules, target, Direction::Ingress, one).unwrap().is_empty(), "{fact}");
    }
    assert!(by_two > 0, "a fact of a rule with several services and peers");
}

#[test]
fn services_with_the_same_peers_share_a_rule() {
    let (band, id) = (band(), class(0));
    let target = Target { id: &id, name: "" };
    let peers = [Peer::Group(class(1)), Peer::Group(class(2)), Peer::Cidr("10.0.0.0/8".parse().unwrap())];
    let services =
        [RuleService::ports(6, 80, 80), RuleService::ports(6, 443, 443), RuleService::ports(17, 53, 53)];
    let fact = |peer: &Peer, service| RuleSpec { peer: peer.clone(), service };
    let all: Vec<RuleSpec> =
        peers.iter().flat_map(|peer| services.map(|service| fact(peer, service))).collect();
    let mut rules = Vec::new();
    let change = add(&band, &rules, target, Direction::Ingress, &all).unwrap();
    change.apply_to(&mut rules);
    assert_eq!(rules.len(), 2, "one for tags, one for blocks");
    // The ports of a protocol beside the whole of it would be lost in writing.
    let whole: Vec<RuleSpec> = peers.iter().map(|peer| fact(peer, RuleService::Protocol(6))).collect();
    add(&band, &rules, target, Direction::Ingress, &whole).unwrap().apply_to(&mut rules);
    assert_eq!(rules.len(), 4);
    let gone = [fact(&peers[0], services[0])];
    let change = remove(&band, &rules, target, Direction::Ingress, &gone).unwrap();
    assert_eq!((change.classic.grow.len(), change.classic.shrink.len()), (1, 1));
}
