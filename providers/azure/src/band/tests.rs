//! Facts as rules: names, priorities, limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use plan::{Owner, PathEffect};

use super::*;
use crate::resources::ArmId;

const TARGET: &str = "/s/asgs/bulkhead-shop-000000000001";

fn band() -> Band {
    Band {
        installation: "shop".to_owned(),
        first: 1000,
        last: 3999,
        attachment: Attachment::Additive,
        keeps_probes: true,
    }
}

fn exclusive() -> Band {
    Band { attachment: Attachment::Exclusive, ..band() }
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
        added(&mut list, &[block(port, port)]);
        assert!(before.iter().all(|rule| list.contains(rule)), "what is there stays where it is");
    }
    let priorities: BTreeSet<u32> = list.iter().map(|rule| rule.priority).collect();
    assert_eq!(priorities.len(), 1000);
    let change = add(&band(), &list, &target(), Direction::Egress, &[block(1, 9)]).unwrap();
    let error = check_limits(&band(), &list, &change).unwrap_err();
    assert_eq!(error.to_string(), "1001 rules of a network security group are needed, and 1000 are there");
}

#[test]
fn limits_are_met_exactly() {
    let mut list = Vec::new();
    let change = added(&mut list, &(0..25).map(|n| group(n, 443)).collect::<Vec<_>>());
    let sizes: Vec<usize> = change.put.iter().map(|rule| rule.peers.len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
    let over = |facts: Vec<RuleSpec>, direction| {
        let change = add(&band(), &list, &target(), direction, &facts).unwrap();
        check_limits(&band(), &list, &change).map_err(|error| error.to_string())
    };
    let groups = |count: u16| (100..100 + count).map(|n| group(n, 80)).collect::<Vec<_>>();
    assert_eq!(over(groups(74), Direction::Ingress), Ok(()));
    let named = "101 application security groups in a network security group are needed, and 100 are there"
        .to_owned();
    assert_eq!(over(groups(75), Direction::Ingress), Err(named));
    let blocks = |count: u16| (0..count).map(|n| block(n, 80)).collect::<Vec<_>>();
    assert_eq!(over(blocks(4_000), Direction::Egress), Ok(()));
    let prefixes =
        "4001 destination prefixes of a network security group are needed, and 4000 are there".to_owned();
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

fn network() -> ArmId {
    ArmId::new("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v")
}

#[test]
fn denies_stand_below_every_allow_of_ours() {
    let mut list = vec![foreign(4048)];
    let network = network();
    let band = || Band { keeps_probes: false, ..band() };
    let [group, _] = all_closed_groups(&band(), &network, Direction::Ingress);
    assert!(!is_closing(&band(), &list, &group, Direction::Ingress));
    let change = close(&band(), &list, &network, Direction::Ingress).unwrap();
    change.apply_to(&mut list);
    assert!(is_closing(&band(), &list, &group, Direction::Ingress));
    assert_eq!(list.iter().map(|rule| rule.priority).collect::<Vec<_>>(), [4048, 4049]);
    assert!(close(&band(), &list, &network, Direction::Ingress).unwrap().is_empty());
    list[1].services = vec![tcp(1)];
    assert!(is_damaged(&band(), &list[1]));
    close(&band(), &list, &network, Direction::Ingress).unwrap().apply_to(&mut list);
    assert!(is_closing(&band(), &list, &group, Direction::Ingress) && list.len() == 2);
}

#[test]
fn in_an_exclusive_scope_denies_stand_behind_our_allows_and_before_what_is_behind_the_band() {
    let mut list = vec![foreign(3951), foreign(4000)];
    for number in 0..300 {
        added(&mut list, &[block(number, number)]);
    }
    let (network, exclusive) = (network(), exclusive());
    for direction in [Direction::Ingress, Direction::Egress] {
        close(&exclusive, &list, &network, direction).unwrap().apply_to(&mut list);
        let groups = closed_groups(&exclusive, &network, direction);
        assert!(groups.len() == 2 && groups.iter().all(|g| is_closing(&exclusive, &list, g, direction)));
        assert!(close(&exclusive, &list, &network, direction).unwrap().is_empty());
        assert!(close(&band(), &list, &network, direction).unwrap().is_empty(), "additive is a part of it");
        assert_eq!(closed_groups(&band(), &network, direction), groups[..1]);
    }
    let word = |rule: &&PathRule| !rule.name.starts_with("theirs") && rule.priority > 3901;
    let last: Vec<String> = list
        .iter()
        .filter(word)
        .map(|rule| {
            let name = rule.name.trim_start_matches("bulkhead-shop-").rsplit_once('-').unwrap().0;
            format!("{name} {} {}", rule.direction, rule.priority)
        })
        .collect();
    let expected = [
        "sealed-probe ingress 3902",
        "sealed-out egress 3951",
        "sealed-in ingress 3952",
        "probes ingress 4001",
        "closed-in ingress 4048",
        "closed-out egress 4048",
    ];
    assert_eq!(last, expected);
    assert_eq!(deny_at(&exclusive, &list, &network, Direction::Ingress), Ok(3952));
    assert!(list.iter().all(|rule| !is_damaged(&band(), rule) && !is_damaged(&exclusive, rule)));
    // A deny that stands where those of the other kind do is none, to either.
    let sealed = list.iter_mut().find(|rule| rule.priority == 3952).unwrap();
    sealed.priority = 4090;
    assert!(is_damaged(&exclusive, sealed) && is_damaged(&band(), sealed));
    close(&exclusive, &list, &network, Direction::Ingress).unwrap().apply_to(&mut list);
    assert_eq!(list.iter().filter(|rule| rule.priority == 3952).count(), 1);
}

#[test]
fn a_band_without_room_for_denies_closes_nothing() {
    let narrow = Band { last: 1002, ..exclusive() };
    let error = close(&narrow, &[], &network(), Direction::Egress).unwrap_err();
    assert_eq!(error.to_string(), "1 priorities of denies are needed, and 0 are there");
    let short = Band { last: 1007, ..exclusive() };
    let change = close(&short, &[], &network(), Direction::Ingress).unwrap();
    assert_eq!(change.put.iter().map(|rule| rule.priority).collect::<Vec<_>>(), [4000, 4048, 1006, 1007]);
    let taken = [foreign(1007)];
    assert!(close(&short, &taken, &network(), Direction::Ingress).is_err());
}

#[test]
fn health_probes_pass_before_the_deny_and_whatever_becomes_of_their_rule_is_put_right() {
    let (network, [closed, _]) = (network(), all_closed_groups(&band(), &network(), Direction::Ingress));
    let is_closed = |band: &Band, list: &[PathRule]| is_closing(band, list, &closed, Direction::Ingress);
    let mut list = vec![foreign(4000)];
    close(&band(), &list, &network, Direction::Ingress).unwrap().apply_to(&mut list);
    assert_eq!(list.iter().map(|rule| rule.priority).collect::<Vec<_>>(), [4000, 4001, 4048]);
    let (probes, deny) = (list[1].clone(), list[2].clone());
    assert!(is_closed(&band(), &list) && lets_probes(&band(), &probes) && probes.owner == Owner::Foreign);
    assert!(list.iter().all(|rule| !is_damaged(&band(), rule)));
    type Spoil = fn(&mut PathRule);
    let spoiled: [Spoil; 5] = [
        |rule| rule.peers = Vec::new(),
        |rule| rule.peers = vec![Peer::Cidr("168.63.129.0/24".parse().unwrap())],
        |rule| rule.targets = Vec::new(),
        |rule| rule.priority = 4090,
        |rule| rule.owner = Owner::Suspect(crate::marks::UNSETTLED.to_owned()),
    ];
    for spoil in spoiled {
        let mut list = vec![foreign(4000), probes.clone(), deny.clone()];
        spoil(&mut list[1]);
        assert!(is_damaged(&band(), &list[1]) && !is_closed(&band(), &list), "{:?}", list[1]);
        let change = close(&band(), &list, &network, Direction::Ingress).unwrap();
        assert_eq!(change.put, std::slice::from_ref(&probes), "the deny is not touched");
        change.apply_to(&mut list);
        assert!(is_closed(&band(), &list));
    }
    // Left to the policy by choice: the rule goes as one that is not as it should be, and nothing else is touched.
    let policy = Band { keeps_probes: false, ..band() };
    assert!(is_closed(&policy, &list) && is_damaged(&policy, &probes));
    assert_eq!(clear_damaged(&policy, &list).delete, std::slice::from_ref(&probes.name));
    assert!(close(&policy, &list, &network, Direction::Ingress).unwrap().is_empty());
    // What leaves has no probes.
    let change = close(&band(), &list, &network, Direction::Egress).unwrap();
    assert_eq!(change.put.len(), 1);
}

/// Facts of one block on many ports, as rules; they are more than fit one by one.
fn squeezed(foreign_rules: u32, ports: u16) -> Vec<PathRule> {
    let mut list: Vec<PathRule> = (0..foreign_rules).map(|n| foreign(4096 - n)).collect();
    added(&mut list, &(0..ports).map(|port| block(1, port)).collect::<Vec<_>>());
    list
}

fn ours(list: &[PathRule]) -> Vec<&PathRule> {
    list.iter().filter(|rule| rule.owner == Owner::Ours).collect()
}

#[test]
fn ports_with_the_same_peers_share_a_rule_only_where_they_would_not_fit() {
    assert_eq!(ours(&squeezed(3, 997)).len(), 997);
    let list = squeezed(4, 997);
    assert_eq!((ours(&list).len(), ours(&list)[0].services.len()), (1, 997));
    assert_eq!(facts(&list).len(), 997);
    assert!(!is_damaged(&band(), ours(&list)[0]));
    assert_eq!(check_limits(&band(), &[], &Change { put: list, delete: Vec::new() }), Ok(()));
}

#[test]
fn what_is_there_is_squeezed_for_what_is_new_also_of_other_targets() {
    let mut list: Vec<PathRule> = (0..3).map(|n| foreign(4096 - n)).collect();
    for port in 0..997 {
        added(&mut list, &[block(1, port)]);
    }
    let other = GroupId::from("/s/asgs/bulkhead-shop-000000000002");
    let change = add(&band(), &list, &other, Direction::Egress, &[block(1, 9)]).unwrap();
    assert_eq!((change.put.len(), change.delete.len()), (2, 996));
    assert_eq!(check_limits(&band(), &list, &change), Ok(()));
    change.apply_to(&mut list);
    assert_eq!((list.len(), facts(&list).len()), (5, 997));
    assert_eq!(facts_at(&band(), &list, &other, Direction::Egress), [block(1, 9)]);
}

#[test]
fn a_shared_rule_loses_exactly_what_it_is_told_to() {
    let mut list = squeezed(4, 997);
    added(&mut list, &[block(2, 5), block(2, 6)]);
    let check = |gone: Vec<RuleSpec>, rules: usize| {
        let mut after = list.clone();
        remove(&band(), &list, &target(), Direction::Ingress, &gone).apply_to(&mut after);
        let mut expected = facts(&list);
        expected.retain(|fact| !gone.contains(fact));
        assert_eq!((facts(&after), ours(&after).len()), (expected, rules), "{gone:?}");
        let names: BTreeSet<&str> = after.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names.len(), after.len());
    };
    check(vec![block(1, 7)], 3);
    check(vec![block(1, 7), block(2, 5)], 2);
    check(vec![block(2, 5), block(2, 6)], 1);
    check((0..997).map(|port| block(1, port)).collect(), 2);
    check([facts(&list)].concat(), 0);
    check(vec![block(9, 9)], 3);
    // Two peers on a hundred ports: one of them goes from half of the ports.
    let mut wide = list.clone();
    wide.retain(|rule| rule.owner != Owner::Ours);
    let mut rule = ours(&list)[0].clone();
    rule.peers = vec![block(1, 1).peer, block(2, 1).peer];
    rule.services.truncate(4);
    wide.push(rule);
    let gone = [block(2, 0), block(2, 1)];
    let change = remove(&band(), &wide, &target(), Direction::Ingress, &gone);
    change.apply_to(&mut wide);
    assert_eq!(facts(&wide).len(), 6);
    assert!(!facts(&wide).contains(&gone[0]) && facts(&wide).contains(&block(2, 2)));
}

#[test]
fn half_full_rules_for_groups_are_filled_where_they_would_not_fit() {
    let mut list: Vec<PathRule> =
        (0..997).map(|n| PathRule { direction: Direction::Egress, ..foreign(200 + n) }).collect();
    added(&mut list, &(0..30).map(|n| group(n, 443)).collect::<Vec<_>>());
    assert_eq!(list.len(), 1000);
    let gone: Vec<RuleSpec> = ours(&list)
        .iter()
        .flat_map(|rule| rule.peers[..5].to_vec())
        .map(|peer| RuleSpec { peer, service: tcp(443) })
        .collect();
    remove(&band(), &list, &target(), Direction::Ingress, &gone).apply_to(&mut list);
    assert_eq!((ours(&list).len(), facts(&list).len()), (3, 15));
    let change = add(&band(), &list, &target(), Direction::Ingress, &[group(99, 80)]).unwrap();
    assert_eq!(check_limits(&band(), &list, &change), Ok(()));
    change.apply_to(&mut list);
    assert_eq!((ours(&list).len(), facts(&list).len()), (3, 16), "two of ten and five, and the new one");
}

#[test]
fn a_band_without_a_free_priority_is_predicted_and_not_written() {
    let narrow = Band { last: 1009, ..band() };
    let facts = |count: u16| (0..count).map(|n| block(n, n)).collect::<Vec<_>>();
    let check = |count| {
        let change = add(&narrow, &[], &target(), Direction::Ingress, &facts(count)).unwrap();
        assert_eq!(change.put.len(), usize::from(count));
        check_limits(&narrow, &[], &change).map_err(|full| full.to_string())
    };
    assert_eq!(check(8), Ok(()), "two are kept for exclusive scopes");
    let over = "9 priorities of our band in a network security group are needed, and 8 are there";
    assert_eq!(check(9), Err(over.to_owned()));
    let change = add(&band(), &[], &target(), Direction::Ingress, &facts(3_100)).unwrap();
    let error = check_limits(&band(), &[], &change).unwrap_err();
    assert_eq!(error.to_string(), "3100 rules of a network security group are needed, and 1000 are there");
}
