//! Small worlds by chance, graphs built exactly from their intent and then changed, against brute force.

use std::sync::Arc;

use fastrand::Rng;
use plan::graph::{Effect, Entry, FilterGraph, NodeIndex, Peers, Stage};
use plan::{Direction, Owner};
use policy::{AddressDirectory, AddressSet, ServiceSet};

use crate::brute::{Brute, Found};
use crate::graphs::{list, permit};
use crate::{dsl, intended};

const CASES: u64 = 600;
const ADDRESSES: [&str; 10] = [
    "10.0.0.0/30",
    "10.0.0.2",
    "10.0.0.3-10.0.0.17",
    "10.0.0.0/27",
    "192.0.2.0/30",
    "192.0.2.2",
    "0.0.0.0/0",
    "2001:db8:a::/126",
    "2001:db8:a::2",
    "::/0",
];
const SERVICES: [&str; 12] = [
    "tcp/80",
    "tcp/80-82",
    "tcp/81-90",
    "tcp/443 udp/53",
    "icmp/8",
    "icmp/3/0",
    "icmpv6/128",
    "tcp",
    "proto/50",
    "all",
    "tcp/65535",
    "udp/0-53",
];

#[test]
fn the_proof_agrees_with_brute_force() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("PROVE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PROVE_CASES").unwrap_or(CASES),
    };
    let (cases, mut equivalent, mut exposed, mut obstructed) = (seeds.end - seeds.start, 0, 0, 0);
    for seed in seeds {
        let found = try_case(seed);
        equivalent += u64::from(!found.differs);
        exposed += u64::from(found.exposed);
        obstructed += u64::from(found.obstructed);
    }
    println!("{cases} cases: {equivalent} equivalent, {exposed} exposed, {obstructed} obstructed");
    let share = |part: u64| (20..=80).contains(&(part * 100 / cases));
    assert!(cases < CASES || share(equivalent), "too few cases of one kind");
}

fn try_case(seed: u64) -> Found {
    let mut rng = Rng::with_seed(seed);
    let lines = world(&mut rng);
    let snapshot = dsl::world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut graph = intended::intended_graph(&snapshot);
    let mut changes = Vec::new();
    // Many changes leave a graph equivalent.
    for _ in 0..rng.usize(..5) {
        changes.push(change(&mut rng, &mut graph));
    }
    let case = || format!("PROVE_SEED={seed}\n{}\nchanges: {changes:?}\n{graph:#?}", lines.join("\n"));
    let proof = plan::prove(&graph, &policy::compile(&snapshot).policy, &snapshot);
    // Read as long lists, member lists prove the same; which packet stands for others may differ.
    let crowds = plan::prove::prove_with_long(&graph, &policy::compile(&snapshot).policy, &snapshot, 1);
    let brute = Brute { snapshot: &snapshot, graph: &graph };
    for witness in &crowds.witnesses {
        let refuted = brute.refute(witness);
        assert!(refuted.is_none(), "{}\n{witness:?} of crowds is no witness: {refuted:?}", case());
    }
    let services = |found: &[plan::plan::Exposure]| -> Vec<String> {
        found
            .iter()
            .map(|e| format!("{} {} {} {} {}", e.network, e.at, e.direction, e.services, e.because))
            .collect()
    };
    assert_eq!(crowds.equivalent, proof.equivalent, "{}", case());
    assert_eq!(services(&crowds.exposures), services(&proof.exposures), "{}", case());
    assert_eq!(services(&crowds.obstructions), services(&proof.obstructions), "{}", case());
    let found = brute.try_all();
    let stated = Found {
        differs: !proof.equivalent,
        exposed: !proof.exposures.is_empty(),
        obstructed: !proof.obstructions.is_empty(),
    };
    for witness in &proof.witnesses {
        let refuted = brute.refute(witness);
        assert!(refuted.is_none(), "{}\n{witness:?} is no witness: {refuted:?}", case());
    }
    assert_eq!(proof.equivalent, proof.witnesses.is_empty(), "{}", case());
    assert_eq!(stated, found, "the proof (left) and brute force (right) of {}", case());
    // Where two claim one address, no list of addresses can say what each of them may do.
    let exact = changes.is_empty() && AddressDirectory::new(&snapshot).claimed_twice().is_empty();
    assert!(!exact || !found.differs, "an exact graph is equivalent: {}", case());
    found
}

/// Some networks, lists, workloads and rules.
pub fn world(rng: &mut Rng) -> Vec<String> {
    let peers = if rng.bool() { " peers=b" } else { "" };
    let mut lines = vec![
        format!("network a: 10.0.0.0/28 2001:db8:a::/125{peers}"),
        "network b: 10.0.0.16/29".to_owned(),
        // Overlaps with `a`, which it never reaches.
        "network c: 10.0.0.0/28".to_owned(),
    ];
    for list in ["l1", "l2"] {
        let not = if rng.u8(..4) == 0 { format!(" not {}", pick(rng, &ADDRESSES)) } else { String::new() };
        lines.push(format!("list {list}: {}{not}", pick(rng, &ADDRESSES)));
    }
    for number in 0..rng.usize(3..=5) {
        lines.push(workload(rng, number));
    }
    for _ in 0..rng.usize(1..=4) {
        let scope = pick(rng, &["", "", "", "[env=prod] ", "[role=web] extra "]);
        let action = pick(rng, &["", "", "", "override-deny ", "deny "]);
        let (from, to) = (pick(rng, &ACTORS), pick(rng, &ACTORS));
        lines.push(format!("{scope}{action}{from} -> {to} : {}", pick(rng, &SERVICES)));
    }
    lines
}

const ACTORS: [&str; 9] = [
    "role=web",
    "role=db",
    "env=prod",
    "role=web env=prod",
    "all-workloads",
    "list:l1",
    "list:l2",
    "not role=db",
    "role=db list:l1",
];

fn workload(rng: &mut Rng, number: usize) -> String {
    let mut line = format!("w{number}:");
    line += pick(rng, &[" role=web", " role=db", ""]);
    line += pick(rng, &[" env=prod", ""]);
    line += pick(rng, &["", "", "", "", "", " mode=selective", " mode=visibility"]);
    for interface in 0..[1, 1, 1, 2][rng.usize(..4)] {
        line += if interface == 0 { "" } else { " ;" };
        let network = pick(rng, &["a", "a", "a", "b", "c", "-"]);
        for _ in 0..rng.usize(1..=2) {
            let first = match network {
                "b" => 17,
                _ => 1,
            };
            let prefix = if network == "-" { "192.0.2" } else { "10.0.0" };
            line += &format!(" @{prefix}.{}", first + rng.u8(..6));
        }
        if rng.u8(..3) == 0 {
            line += &format!(" @2001:db8:a::{}", rng.u8(1..5));
        }
        if network != "-" {
            line += &format!(" vpc={network}");
            line +=
                pick(rng, &["", " enforces=both", " enforces=ingress", " enforces=egress", " enforces=none"]);
        }
    }
    line
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// Changes a graph by a little, or by nothing that counts; says what it did.
pub fn change(rng: &mut Rng, graph: &mut FilterGraph) -> String {
    if graph.lists.is_empty() {
        return "nothing".to_owned();
    }
    let at = rng.usize(..graph.lists.len());
    let name = graph.lists[at].name.clone();
    let nodes = graph.nodes.len() as u32;
    let entry = any_entry(rng, nodes);
    let list = &mut graph.lists[at];
    let what = match rng.u8(..13) {
        0 => {
            rng.shuffle(&mut list.entries);
            "shuffled"
        }
        1 => {
            list.entries.push(entry);
            "one entry more"
        }
        2 => {
            list.entries.insert(0, Entry { effect: Effect::Block, ..entry });
            "a block before"
        }
        3 => {
            list.entries.push(Entry { effect: Effect::Block, ..entry });
            "a block behind"
        }
        4 => {
            list.entries.truncate(list.entries.len().saturating_sub(1));
            "one entry less"
        }
        5 => {
            list.owner = if rng.bool() { Owner::Foreign } else { Owner::Suspect("no name".to_owned()) };
            "not ours"
        }
        6 | 7 => {
            each(rng, list.entries.as_mut_slice(), |rng, entry| shift(rng, entry, nodes));
            "an entry changed"
        }
        8 => {
            let copies = list.entries.clone();
            list.entries.extend(copies);
            "every entry twice"
        }
        _ => return change_stages(rng, graph, entry),
    };
    format!("{name}: {what}")
}

/// Changes what an interface sits behind.
fn change_stages(rng: &mut Rng, graph: &mut FilterGraph, entry: Entry) -> String {
    let block = Entry { effect: Effect::Block, ..entry.clone() };
    let all = permit("all", Peers::Addresses(AddressSet::any()), ServiceSet::all());
    let (owner, name, entries) = match rng.u8(..5) {
        0 => (Owner::Foreign, "x", vec![entry]),
        3 => (Owner::Foreign, "acl", vec![entry]),
        1 => (Owner::Suspect("half".to_owned()), "s", vec![block, all]),
        2 => (Owner::Foreign, "acl", vec![block, all]),
        _ => (Owner::Foreign, "acl", vec![all]),
    };
    let number = graph.lists.len() as u32;
    graph.lists.push(list(name, owner, entries));
    let ends = graph.nodes.iter_mut().flat_map(|node| {
        [(Direction::Ingress, &mut node.ingress), (Direction::Egress, &mut node.egress)]
            .map(|(direction, stages)| (node.interface.clone(), direction, stages))
    });
    let mut filtered: Vec<_> =
        ends.filter(|(_, _, stages)| stages.iter().any(|s| !s.lists.is_empty())).collect();
    if filtered.is_empty() {
        return "nothing".to_owned();
    }
    let (interface, direction, stages) = filtered.swap_remove(rng.usize(..filtered.len()));
    let what = match (rng.u8(..5), name) {
        (0, _) => {
            stages.clear();
            "no stage"
        }
        (1, "acl") if stages.len() > 1 => {
            stages[1].lists.push(number);
            "one list more on the path"
        }
        (_, "acl") => {
            stages.push(Stage { lists: vec![number] });
            "one stage more"
        }
        _ => {
            stages.iter_mut().take(1).for_each(|stage| stage.lists.push(number));
            "one list more"
        }
    };
    format!("{interface} {direction}: {what} ({name})")
}

fn any_entry(rng: &mut Rng, nodes: u32) -> Entry {
    let peers = if rng.bool() && nodes > 0 {
        let mut members: Vec<NodeIndex> = (0..nodes).filter(|_| rng.bool()).map(NodeIndex).collect();
        members.push(NodeIndex(rng.u32(..nodes)));
        members.sort();
        members.dedup();
        Peers::Members(Arc::from(members))
    } else {
        Peers::Addresses(pick(rng, &ADDRESSES).parse().unwrap())
    };
    let services = pick(rng, &SERVICES).split(' ').map(|text| text.parse::<ServiceSet>().unwrap());
    permit("chance", peers, services.collect())
}

/// Changes one of the entries.
fn each(rng: &mut Rng, entries: &mut [Entry], change: impl Fn(&mut Rng, &mut Entry)) {
    if !entries.is_empty() {
        let at = rng.usize(..entries.len());
        change(rng, &mut entries[at]);
    }
}

/// Makes an entry a little wider or narrower.
fn shift(rng: &mut Rng, entry: &mut Entry, nodes: u32) {
    let other = any_entry(rng, nodes);
    match (rng.u8(..4), &mut entry.peers, &other.peers) {
        (0, _, _) => entry.services = entry.services.union(&other.services),
        (1, _, _) => entry.services = entry.services.difference(&other.services),
        (_, Peers::Addresses(set), Peers::Addresses(other)) => {
            *set = if rng.bool() { set.union(other) } else { set.difference(other) };
        }
        (_, peers, _) => *peers = other.peers,
    }
}
