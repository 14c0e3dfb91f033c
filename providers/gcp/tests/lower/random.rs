//! Random policies over random estates: everybody is in exactly the groups that the contract says, facts agree with the
//! oracle, and a second pass finds nothing to do.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use fastrand::Rng;
use plan::{AttachClass, InterfaceState};
use policy::{AddressDirectory, EnforcementMode, ServicePoint, Severity};
use provider::conformance::{facts, policies};
use provider_gcp::Identity;
use provider_gcp::ids::{self, GroupKind};

use crate::estate::{Estate, network_id};

const SAYABLE: [&str; 8] = ["tcp/443", "tcp/8000-8010", "udp/53", "tcp", "all", "icmp", "icmpv6", "proto/47"];
const UNSAYABLE: [&str; 3] = ["tcp/443", "icmp/8", "icmpv6/128"];
const CASES: u64 = 300;

fn lines(rng: &mut Rng, identity: Identity) -> String {
    let mut text = String::from(
        "net a: 10.0.0.0/16 2001:db8:a::/48 peers=b\nnet b: 10.1.0.0/16 2001:db8:b::/48 peers=a\nnet c: 10.0.0.0/16\n",
    );
    if rng.bool() {
        text.push_str("scope: egress\n");
    }
    if identity == Identity::NetworkTags {
        text.push_str("scope: network-tags\n");
    }
    for number in 0..rng.usize(2..10) {
        let role = policies::ROLES[rng.usize(..3)];
        let env = policies::ENVIRONMENTS[rng.usize(..2)];
        let attach = ["", "", "", "", "attach=service", "attach=never"][rng.usize(..6)];
        let place = match rng.u8(..5) {
            0 => format!("net=b @10.1.0.{number} @2001:db8:b::{number}"),
            // The address that the interface before may hold in `a`.
            1 => format!("net=c @10.0.0.{}", (number + 9) % 10),
            2 => format!("net=a @10.0.0.{number} @10.0.1.{number}"),
            _ => format!("net=a @10.0.0.{number} @2001:db8:a::{number}"),
        };
        let place = if rng.u8(..5) == 0 { format!("{place} nic=1") } else { place };
        let _ = writeln!(text, "vm n{number}: role={role} env={env} {attach} {place}");
    }
    text
}

/// What was generated, so that nobody takes an empty run for a proof.
#[derive(Default, Debug)]
struct Coverage {
    counts: BTreeMap<&'static str, usize>,
}

impl Coverage {
    fn add(&mut self, what: &'static str, count: usize) {
        *self.counts.entry(what).or_default() += count;
    }
}

fn points() -> Vec<ServicePoint> {
    let texts = ["tcp/443", "tcp/8000", "tcp/8011", "udp/53", "icmp/8", "proto/50", "proto/47"];
    texts.iter().map(|text| text.parse::<policy::ServiceSet>().unwrap().first().unwrap()).collect()
}

fn outside() -> Vec<IpAddr> {
    let texts = ["203.0.113.7", "198.51.100.1", "10.9.9.9", "10.0.7.7", "2001:db8:100::1", "2001:db8:a::77"];
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn is_covered(interface: &InterfaceState) -> bool {
    interface.attach == AttachClass::Direct
}

fn check_members(estate: &Estate, coverage: &mut Coverage) {
    let modes: BTreeMap<_, _> =
        estate.snapshot.interfaces().map(|(_, w, i)| (i.id.clone(), w.mode)).collect();
    for interface in &estate.observed.interfaces {
        let mut kinds: Vec<&str> = interface
            .groups
            .iter()
            .map(|id| match ids::kind_of(id) {
                GroupKind::Value(_) | GroupKind::Class { .. } => "class",
                GroupKind::Rest { direction: plan::Direction::Ingress, .. } => "rest-in",
                GroupKind::Rest { .. } => "rest-out",
                other => panic!("{other:?}"),
            })
            .collect();
        kinds.sort_unstable();
        let is_full = modes[&interface.id] == EnforcementMode::Full;
        let expected: &[&str] = match (is_covered(interface), is_full, estate.scope.egress) {
            (true, true, true) => &["class"],
            (true, true, false) => &["class", "rest-out"],
            _ => &["rest-in", "rest-out"],
        };
        assert_eq!(kinds, expected, "{}", interface.id);
        coverage.add(if is_full && is_covered(interface) { "enforced" } else { "not enforced" }, 1);
    }
}

#[test]
fn facts_agree_with_the_oracle_and_a_second_pass_is_empty() {
    for identity in [Identity::SecureTags, Identity::NetworkTags] {
        agree_in(identity);
    }
}

fn agree_in(identity: Identity) {
    let mut coverage = Coverage::default();
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let policy = policies::text(&mut |n| rng.usize(..n), &SAYABLE);
        let mut estate = Estate::new(&policy, &lines(&mut rng, identity));
        let networks = ["a", "b", "c"].map(network_id);
        estate.snapshot.translations = policies::translations(&mut |n| rng.usize(..n), &networks);
        let desired = estate.lower();
        let blocking = desired.findings.iter().find(|finding| finding.severity == Severity::Blocking);
        assert_eq!(blocking, None, "seed {seed}");
        let after = estate.after(&estate.steps(&desired));
        check_members(&after, &mut coverage);
        let agreement = after
            .with_input(|input| facts::compare(input, &after.observed, &outside(), &points(), is_covered));
        assert!(agreement.differ.is_empty(), "seed {seed}: {:#?}\n{policy}", &agreement.differ[..1]);
        let again = after.steps(&after.lower());
        assert_eq!((again.steps, again.blocks), (vec![], vec![]), "seed {seed}");
        coverage.add("flows passed", agreement.passed);
        coverage.add("flows stopped", agreement.stopped);
        coverage.add("groups", desired.groups.len());
        coverage.add("translations", estate.snapshot.translations.len());
        coverage.add("uncovered", desired.uncovered.len());
        coverage.add("egress scopes", usize::from(estate.scope.egress));
        let rules = desired
            .groups
            .iter()
            .filter(|group| group.id.is_planned())
            .flat_map(|g| g.ingress.keys().chain(g.egress.keys()));
        let directory = AddressDirectory::new(&estate.snapshot);
        let translated: Vec<IpAddr> = directory.translated().collect();
        for rule in rules {
            let holds = |block: &ipnet::IpNet| translated.iter().any(|address| block.contains(address));
            let is_for_translated = matches!(&rule.peer, plan::Peer::Cidr(block) if holds(block));
            coverage.add("rules for translated addresses", usize::from(is_for_translated));
            coverage.add(
                if matches!(rule.peer, plan::Peer::Group(_)) { "group peers" } else { "address peers" },
                1,
            );
        }
    }
    println!("{identity:?} {coverage:#?}");
    let needed = [
        "enforced",
        "not enforced",
        "flows passed",
        "flows stopped",
        "group peers",
        "address peers",
        "uncovered",
        "rules for translated addresses",
    ];
    for what in needed {
        assert!(coverage.counts.get(what).is_some_and(|&count| count > 50), "{what}: {coverage:?}");
    }
}

#[test]
fn what_cannot_be_said_is_never_widened() {
    let mut blocked = 0;
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let policy = policies::text(&mut |n| rng.usize(..n), &UNSAYABLE);
        let mut estate = Estate::new(&policy, &lines(&mut rng, Identity::SecureTags));
        let networks = ["a", "b", "c"].map(network_id);
        estate.snapshot.translations = policies::translations(&mut |n| rng.usize(..n), &networks);
        let desired = estate.lower();
        let is_blocked = desired.findings.iter().any(|finding| finding.severity == Severity::Blocking);
        blocked += usize::from(is_blocked);
        let after = estate.after(&estate.steps(&desired));
        let agreement = after
            .with_input(|input| facts::compare(input, &after.observed, &outside(), &points(), is_covered));
        let wider = agreement.differ.iter().find(|line| line.starts_with("facts true"));
        assert_eq!(wider, None, "seed {seed}");
        assert!(is_blocked || agreement.differ.is_empty(), "seed {seed}: {:?}", agreement.differ);
    }
    println!("{blocked} of {CASES} policies blocked");
    assert!(blocked > 50 && blocked < 250);
}
