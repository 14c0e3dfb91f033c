//! Facts and rules as one-line texts.

use super::*;
use plan::{Owner, PathEffect, Peer, RuleService};
use policy::NetworkId;

fn band() -> Band {
    let (identity, installation) = (crate::settings::Identity::SecureTags, "x".to_owned());
    Band { installation, identity, first: 1_000, last: 1_999, attributes_max: 100 }
}

fn target(id: &GroupId) -> Target<'_> {
    Target { id, name: "bulkhead-x-0123456789ab" }
}

/// `web tcp/443`, `10.0.0.0/8 all`: a peer and a service.
fn fact(text: &str) -> RuleSpec {
    let (peer, service) = text.split_once(' ').expect("two words");
    let peer = match peer.parse() {
        Ok(block) => Peer::Cidr(block),
        Err(_) => Peer::Group(GroupId::from(format!("tagValues/{peer}"))),
    };
    let service = match service.split_once('/') {
        Some(("tcp", port)) => {
            let port = port.parse().expect("a port");
            RuleService::ports(6, port, port)
        }
        Some(("icmp", kind)) => {
            RuleService::Icmp { protocol: 1, kind: kind.parse().expect("a type"), code: None }
        }
        _ if service == "tcp" => RuleService::Protocol(6),
        _ => RuleService::All,
    };
    RuleSpec { peer, service }
}

fn facts(text: &str) -> Vec<RuleSpec> {
    text.split(", ").filter(|text| !text.is_empty()).map(fact).collect()
}

/// The rules as `services < peers > targets`, in any order.
fn shown(rules: &[PathRule]) -> String {
    let mut lines: Vec<String> = rules
        .iter()
        .map(|rule| {
            let words = |all: Vec<String>| all.join(" ").replace("tagValues/", "");
            let services = words(rule.services.iter().map(ToString::to_string).collect());
            let peers = words(rule.peers.iter().map(ToString::to_string).collect());
            let targets = words(rule.targets.iter().map(ToString::to_string).collect());
            format!("{services} < {peers} > {targets}")
        })
        .collect();
    lines.sort();
    lines.join("; ")
}

fn added(rules: &mut Vec<PathRule>, id: &str, direction: Direction, text: &str) -> Result<usize, Refusal> {
    let id = GroupId::from(format!("tagValues/{id}"));
    let change = add(&band(), rules, target(&id), direction, &facts(text))?;
    change.apply_to(rules);
    Ok(change.put.len() + change.delete.len())
}

/// As they are read back when they were written: what a rule cannot say is not there.
fn read_back(rules: &[PathRule]) -> Vec<PathRule> {
    use crate::services::{Layer4, layer4_of, services_of};
    let back = |rule: &PathRule| {
        let written = layer4_of(&rule.services);
        let read = written.iter().map(|one| Layer4 {
            protocol: &one.ip_protocol,
            ports: one.ports.as_deref().unwrap_or_default(),
        });
        PathRule { services: services_of(read, false), ..rule.clone() }
    };
    rules.iter().map(back).collect()
}

#[test]
fn ports_are_not_lost_beside_their_whole_protocol() {
    let mut rules = Vec::new();
    let text = "web tcp, web tcp/80";
    added(&mut rules, "app", Direction::Ingress, text).expect("fits");
    let app = GroupId::from("tagValues/app");
    let held = facts_of(&band(), &read_back(&rules), &app, Direction::Ingress);
    assert_eq!(held, facts(text).into_iter().collect());
}

#[test]
fn services_with_the_same_peers_share_a_rule() {
    let mut rules = Vec::new();
    let text =
        "web tcp/443, db tcp/443, web tcp/80, db tcp/80, ops tcp/22, 10.0.0.0/8 tcp/22, fd00::/8 tcp/22";
    added(&mut rules, "app", Direction::Ingress, text).expect("fits");
    let expected = "tcp/22 < 10.0.0.0/8 > app; tcp/22 < fd00::/8 > app; tcp/22 < ops > app; tcp/80 tcp/443 < db web > app";
    assert_eq!(shown(&rules), expected);
    let app = GroupId::from("tagValues/app");
    let held = facts_of(&band(), &rules, &app, Direction::Ingress);
    assert_eq!(held, facts(text).into_iter().collect());
    assert_eq!(added(&mut rules, "app", Direction::Ingress, text), Ok(0), "it is true already");
    let change =
        remove(&band(), &rules, target(&app), Direction::Ingress, &facts("db tcp/80")).expect("fits");
    change.apply_to(&mut rules);
    assert!(shown(&rules).ends_with("tcp/443 < db web > app; tcp/80 < web > app"), "{}", shown(&rules));
    clear(&band(), &rules, &app).apply_to(&mut rules);
    assert_eq!(shown(&rules), "");
}

#[test]
fn what_is_written_depends_on_facts_and_not_on_their_history() {
    let text = "web tcp/443, db tcp/443, web tcp/80, 10.0.0.0/8 tcp/22, 10.0.0.0/8 tcp/23";
    let mut whole = Vec::new();
    added(&mut whole, "app", Direction::Ingress, text).expect("fits");
    let mut grown = Vec::new();
    for one in text.split(", ").collect::<Vec<_>>().into_iter().rev() {
        added(&mut grown, "app", Direction::Ingress, one).expect("fits");
    }
    assert_eq!(whole, grown);
}

#[test]
fn what_a_rule_cannot_say_is_refused() {
    let refuse = |direction, text: &str| {
        added(&mut Vec::new(), "app", direction, text).expect_err("refused").to_string()
    };
    let expected = "no rule of a firewall policy can say `egress tagValues/web tcp/443`";
    assert_eq!(refuse(Direction::Egress, "web tcp/443"), expected);
    assert!(refuse(Direction::Ingress, "web icmp/3").starts_with("no rule of a firewall policy can say"));
    let many = |count: usize| -> Vec<RuleSpec> {
        (0..count).map(|n| fact(&format!("10.0.{n}.0/24 tcp/1"))).collect()
    };
    let app = GroupId::from("tagValues/app");
    let check = |rules: &[PathRule], count| {
        let change =
            add(&band(), rules, target(&app), Direction::Ingress, &many(count)).expect("can be said");
        check_limits(&band(), rules, &change).map_err(|full| full.to_string())
    };
    assert_eq!(check(&[], 97), Ok(()));
    let over = "102 attributes of the firewall policy are needed, and 100 are there".to_owned();
    assert_eq!(check(&[], 99), Err(over));
}

#[test]
fn a_rule_for_somebody_else_too_is_parted() {
    let mut rules = Vec::new();
    added(&mut rules, "app", Direction::Ingress, "web tcp/443").expect("fits");
    rules[0].targets.push(GroupId::from("tagValues/other"));
    let other = GroupId::from("tagValues/other");
    let change = remove(&band(), &rules, target(&other), Direction::Ingress, &facts("web tcp/443"));
    change.expect("fits").apply_to(&mut rules);
    assert_eq!(shown(&rules), "tcp/443 < web > app");
}

#[test]
fn priorities_of_others_are_left_alone() {
    let mut alone = Vec::new();
    added(&mut alone, "app", Direction::Ingress, "web tcp/443").expect("fits");
    let place = alone[0].priority;
    let mut foreign = PathRule { owner: Owner::Foreign, name: "theirs".to_owned(), ..alone[0].clone() };
    foreign.targets.clear();
    let mut rules = vec![foreign.clone()];
    added(&mut rules, "app", Direction::Ingress, "web tcp/443").expect("fits");
    assert_eq!(rules[0], foreign);
    assert_eq!((rules[1].priority, &rules[1].name), (place + 1, &alone[0].name));
    assert!(band().denies().contains(&2_000) && !band().denies().contains(&place));
}

#[test]
fn closing_takes_a_deny_for_each_family_once() {
    let network = NetworkId::from("projects/p/global/networks/v");
    let mut rules = Vec::new();
    for (direction, puts) in [(Direction::Ingress, 2), (Direction::Ingress, 0), (Direction::Egress, 2)] {
        let change = close(&band(), &rules, &network, direction).expect("there is room");
        assert_eq!(change.put.len(), puts);
        change.apply_to(&mut rules);
        assert!(is_closing(&band(), &rules, &network, direction));
    }
    let priorities: Vec<u32> = rules.iter().map(|rule| rule.priority).collect();
    assert_eq!(priorities, [2_000, 2_001, 2_002, 2_003], "below every allow");
    assert!(rules.iter().all(|rule| !is_damaged(&band(), rule, &|_| true)));
    rules[0].effect = PathEffect::Allow;
    assert!(is_damaged(&band(), &rules[0], &|_| true));
    assert!(!is_closing(&band(), &rules, &network, Direction::Ingress));
    clear_damaged(&band(), &rules, &|_| true).apply_to(&mut rules);
    assert_eq!(rules.len(), 3);
}

#[test]
fn more_peers_than_a_rule_takes_are_several_rules() {
    let band = Band { attributes_max: 10_000, ..band() };
    let app = GroupId::from("tagValues/app");
    let many: Vec<RuleSpec> = (0..600).map(|n| fact(&format!("t{n} tcp/1"))).collect();
    let change = add(&band, &[], target(&app), Direction::Ingress, &many).expect("fits");
    let sizes: Vec<usize> = change.put.iter().map(|rule| rule.peers.len()).collect();
    assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (3, 600));
    assert!(sizes.iter().all(|size| *size <= VALUES_MAX));
}
