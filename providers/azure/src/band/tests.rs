//! Facts as rules: names, priorities, limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::resources::ArmId;

const TARGET: &str = "/s/asgs/bulkhead-shop-000000000001";

fn band() -> Band {
    Band { installation: "shop".to_owned(), first: 1000, last: 3999 }
}

fn target() -> GroupId {
    GroupId::from(TARGET)
}

fn tcp(port: u16) -> RuleService {
    RuleService::Ports { protocol: 6, first: port, last: port }
}

fn block(number: u16, port: u16) -> RuleSpec {
    let text = format!("10.{}.{}.0/24", number / 250, number % 250);
    RuleSpec { peer: Peer::Cidr(text.parse().unwrap()), service: tcp(port) }
}

fn group(number: u16, port: u16) -> RuleSpec {
    RuleSpec { peer: Peer::Group(GroupId::from(format!("/s/asgs/g{number}"))), service: tcp(port) }
}

fn added(list: &mut Vec<PathRule>, facts: &[RuleSpec]) -> Change {
    let change = add(&band(), list, &target(), Direction::Ingress, facts).unwrap();
    change.apply_to(list);
    change
}

fn facts(list: &[PathRule]) -> Vec<RuleSpec> {
    facts_at(&band(), list, &target(), Direction::Ingress)
}

fn foreign(priority: u32) -> PathRule {
    PathRule {
        name: format!("theirs-{priority}"),
        priority,
        owner: Owner::Foreign,
        direction: Direction::Ingress,
        effect: PathEffect::Allow,
        targets: Vec::new(),
        peers: Vec::new(),
        services: vec![RuleService::All],
    }
}

#[test]
fn one_fact_more_rewrites_one_rule() {
    let mut list = Vec::new();
    for number in 0..300 {
        let change = added(&mut list, &[block(number, 1 + number % 7)]);
        assert_eq!((change.put.len(), change.delete.len()), (1, 0));
    }
    assert_eq!(list.len(), 7, "facts of one service share a rule");
    assert_eq!(facts(&list).len(), 300);
}

#[test]
fn a_thousand_rules_fit_and_none_moves() {
    let mut list: Vec<PathRule> = [1001, 1500, 3999].into_iter().map(foreign).collect();
    for port in 0..997 {
        let before = list.clone();
        added(&mut list, &[block(1, port)]);
        assert!(before.iter().all(|rule| list.contains(rule)), "what is there stays where it is");
    }
    let priorities: BTreeSet<u32> = list.iter().map(|rule| rule.priority).collect();
    assert_eq!(priorities.len(), 1000);
    let error = add(&band(), &list, &target(), Direction::Egress, &[block(1, 9)]).unwrap_err();
    assert_eq!(error.to_string(), "1001 rules of the network security group are needed, and 1000 are there");
}

#[test]
fn limits_are_met_exactly() {
    let mut list = Vec::new();
    let change = added(&mut list, &(0..25).map(|n| group(n, 443)).collect::<Vec<_>>());
    let sizes: Vec<usize> = change.put.iter().map(|rule| rule.peers.len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
    let over = |facts: Vec<RuleSpec>, direction| {
        add(&band(), &list, &target(), direction, &facts).map(drop).map_err(|error| error.to_string())
    };
    let groups = |count: u16| (100..100 + count).map(|n| group(n, 80)).collect::<Vec<_>>();
    assert_eq!(over(groups(74), Direction::Ingress), Ok(()));
    let named = "101 application security groups in rules are needed, and 100 are there".to_owned();
    assert_eq!(over(groups(75), Direction::Ingress), Err(named));
    let blocks = |count: u16| (0..count).map(|n| block(n, 80)).collect::<Vec<_>>();
    assert_eq!(over(blocks(4_000), Direction::Egress), Ok(()));
    let prefixes = "4001 prefixes of the network security group are needed, and 4000 are there".to_owned();
    assert!(over(blocks(4_001), Direction::Egress).is_err_and(|error| error == prefixes));
}

#[test]
fn what_no_rule_says_is_refused() {
    for service in [RuleService::Protocol(58), RuleService::Icmp { protocol: 1, kind: 3, code: None }] {
        let fact = RuleSpec { service, ..block(1, 1) };
        assert!(matches!(
            add(&band(), &[], &target(), Direction::Ingress, &[fact]),
            Err(Refusal::Inexpressible(_))
        ));
    }
    let opaque = RuleSpec { peer: Peer::Opaque("sql".to_owned()), service: tcp(1) };
    assert!(add(&band(), &[], &target(), Direction::Ingress, &[opaque]).is_err());
}

#[test]
fn a_fact_goes_from_every_rule_that_says_it() {
    let mut list = Vec::new();
    added(&mut list, &[block(1, 443), block(2, 443)]);
    let mut double = list[0].clone();
    double.name.push_str("-9");
    double.priority = 1000;
    double.peers.truncate(1);
    list.push(double);
    let change = remove(&band(), &list, &target(), Direction::Ingress, &[block(1, 443)]);
    assert_eq!((change.put.len(), change.delete.len()), (1, 1));
    change.apply_to(&mut list);
    assert_eq!(facts(&list), [block(2, 443)]);
}

#[test]
fn a_changed_rule_is_damaged_or_says_something_else() {
    let mut list = Vec::new();
    added(&mut list, &[block(1, 443)]);
    let check = |change: fn(&mut PathRule), damaged: bool, left: usize| {
        let mut rule = list[0].clone();
        change(&mut rule);
        assert_eq!(is_damaged(&band(), &rule), damaged, "{rule:?}");
        let mut list = vec![rule];
        assert_eq!(facts(&list).len(), left);
        added(&mut list, &[block(1, 443)]);
        assert!(facts(&list).contains(&block(1, 443)));
        clear_damaged(&band(), &list).apply_to(&mut list);
        assert!(!list.iter().any(|rule| is_damaged(&band(), rule)));
    };
    check(|rule| rule.priority = 4010, true, 0);
    check(|rule| rule.priority = 999, true, 0);
    check(|rule| rule.effect = PathEffect::Deny, true, 0);
    check(|rule| rule.targets.clear(), true, 0);
    check(|rule| rule.peers.clear(), true, 0);
    check(|rule| rule.services.push(RuleService::Protocol(1)), true, 0);
    check(|rule| rule.owner = Owner::Suspect(crate::marks::UNSETTLED.to_owned()), true, 0);
    check(|rule| rule.priority = 1234, false, 1);
    check(|rule| rule.services = vec![tcp(8443)], false, 1);
}

#[test]
fn a_rule_that_may_not_be_in_force_is_written_again_in_its_place() {
    let mut list = Vec::new();
    added(&mut list, &[block(1, 443)]);
    let place = (list[0].name.clone(), list[0].priority);
    list[0].owner = Owner::Suspect(crate::marks::UNSETTLED.to_owned());
    added(&mut list, &[block(1, 443)]);
    assert_eq!((list.len(), (list[0].name.clone(), list[0].priority)), (1, place));
    assert_eq!(list[0].owner, Owner::Ours);
}

#[test]
fn denies_stand_below_every_allow_of_ours() {
    let mut list = vec![foreign(4000)];
    let network =
        ArmId::new("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v");
    let group = closed_group(&band(), &network, Direction::Ingress);
    assert!(!is_closing(&band(), &list, &group, Direction::Ingress));
    let change = close(&band(), &list, &network, Direction::Ingress).unwrap();
    change.apply_to(&mut list);
    assert!(is_closing(&band(), &list, &group, Direction::Ingress));
    assert_eq!(list.iter().map(|rule| rule.priority).collect::<Vec<_>>(), [4000, 4001]);
    assert!(close(&band(), &list, &network, Direction::Ingress).unwrap().is_empty());
    list[1].services = vec![tcp(1)];
    assert!(is_damaged(&band(), &list[1]));
    close(&band(), &list, &network, Direction::Ingress).unwrap().apply_to(&mut list);
    assert!(is_closing(&band(), &list, &group, Direction::Ingress) && list.len() == 2);
}
