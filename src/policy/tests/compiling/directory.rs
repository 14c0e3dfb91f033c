//! Who an address is, as seen from a network.

use policy::{AddressDirectory, NetworkId, View};

use crate::dsl;

const WORLD: [&str; 10] = [
    "network a: 10.0.0.0/16 peers=b",
    "network b: 10.1.0.0/16",
    "network c: 10.0.0.0/16 10.3.0.0/16",
    "a1: @10.0.0.1 @10.0.0.2 vpc=a",
    "b1: @10.1.0.1 vpc=b",
    "c1: @10.0.0.1 vpc=c",
    "c2: @10.0.0.9 @10.3.0.9 vpc=c",
    "u1: @198.51.100.1",
    "c3: @10.3.0.7 vpc=c",
    "d1: @10.3.0.7 vpc=d",
];

/// Checks lines `network: address = who`; `-` is no network.
fn check(expected: &[&str]) {
    check_in(&dsl::world(&WORLD), expected);
}

fn check_in(snapshot: &policy::Snapshot, expected: &[&str]) {
    let directory = AddressDirectory::new(snapshot);
    for line in expected {
        let (network, rest) = line.split_once(": ").unwrap();
        let (address, who) = rest.split_once(" = ").unwrap();
        let network = (network != "-").then(|| NetworkId::from(network));
        let found = match directory.holder(network.as_ref(), address.parse().unwrap()) {
            View::Interface(place) => directory.interface(place).id.to_string(),
            View::Translated => {
                let behind = directory.behind(network.as_ref(), address.parse().unwrap());
                let ids = behind.iter().map(|place| directory.interface(*place).id.to_string());
                ids.collect::<Vec<_>>().join("|")
            }
            View::Shadowed => "shadowed".to_owned(),
            View::Ambiguous => "ambiguous".to_owned(),
            View::External => "external".to_owned(),
        };
        assert_eq!(found, who, "{line}");
    }
}

#[test]
fn an_address_in_reach_is_its_interface() {
    check(&["a: 10.0.0.1 = a1", "b: 10.0.0.2 = a1", "c: 10.0.0.1 = c1", "a: 10.1.0.1 = b1"]);
}

#[test]
fn an_address_of_the_blocks_in_reach_shadows_holders_elsewhere() {
    check(&[
        "a: 10.0.0.9 = shadowed",
        "b: 10.0.0.9 = shadowed",
        "a: 10.0.0.77 = shadowed",
        "d: 10.0.0.9 = c2",
    ]);
}

#[test]
fn an_address_out_of_reach_is_its_only_holder() {
    check(&["a: 10.3.0.9 = c2", "c: 10.1.0.1 = b1", "a: 198.51.100.1 = u1", "-: 10.0.0.2 = a1"]);
}

#[test]
fn two_holders_out_of_reach_are_nobody() {
    check(&[
        "a: 10.3.0.7 = ambiguous",
        "-: 10.3.0.7 = ambiguous",
        "-: 10.0.0.1 = ambiguous",
        "d: 10.3.0.7 = d1",
    ]);
}

#[test]
fn an_address_that_nobody_holds_is_external() {
    check(&["a: 192.0.2.1 = external", "-: 10.0.0.77 = external", "a: 2001:db8::1 = external"]);
}

#[test]
fn visible_addresses_are_those_seen_as_the_interface() {
    let snapshot = dsl::world(&WORLD);
    let directory = AddressDirectory::new(&snapshot);
    let check = |name: &str, network: &str, expected: &[&str]| {
        let workload = snapshot.workloads.iter().position(|workload| workload.id.as_str() == name).unwrap();
        let place = policy::Place { workload: workload as u32, interface: 0 };
        let found = directory.visible_addresses(Some(&network.into()), place);
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            expected,
            "{name} from {network}"
        );
    };
    check("a1", "b", &["10.0.0.1", "10.0.0.2"]);
    check("a1", "c", &[]);
    check("a1", "d", &["10.0.0.2"]);
    check("c2", "a", &["10.3.0.9"]);
}

#[test]
fn a_translated_address_is_those_behind_it_and_they_have_no_other() {
    let lines = ["nat c: 203.0.113.1", "nat a: 203.0.113.2 towards=d", "nat b: 198.51.100.1"];
    let snapshot = dsl::world(&[&WORLD[..], &lines].concat());
    check_in(
        &snapshot,
        &[
            "a: 203.0.113.1 = c1|c2|c3",
            "c: 203.0.113.1 = external",
            "a: 10.3.0.9 = external",
            "a: 10.3.0.7 = d1",
            "d: 203.0.113.2 = a1",
            "c: 203.0.113.2 = external",
            "c: 10.0.0.2 = shadowed",
            "a: 198.51.100.1 = u1",
            "c: 198.51.100.1 = ambiguous",
        ],
    );
    let directory = AddressDirectory::new(&snapshot);
    let visible = |name: &str, network: &str| {
        let workload = snapshot.workloads.iter().position(|workload| workload.id.as_str() == name).unwrap();
        let place = policy::Place { workload: workload as u32, interface: 0 };
        let found = directory.visible_addresses(Some(&network.into()), place);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(visible("c2", "a"), ["203.0.113.1"]);
    assert_eq!(visible("a1", "d"), ["203.0.113.2"]);
    assert_eq!(visible("a1", "b"), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(visible("b1", "c"), Vec::<String>::new(), "somebody else has that address");
}
