//! Label sets that no workload carries any more: decided as for somebody new with these labels, or unknown.

use std::collections::BTreeMap;
use std::net::IpAddr;

use fastrand::Rng;
use flow::judge::{Fate, Judge};
use flow::{End, Ends};
use policy::{Directions, EnforcementMode, Interface, LabelSet, NetworkId, Snapshot, Workload, compile};

use crate::verdicts::seeds;
use crate::{oracle, world};

const WORLDS: u64 = 300;

#[test]
fn labels_of_nobody_are_decided_as_somebody_new_would_be() {
    let mut coverage: BTreeMap<&str, u64> = BTreeMap::new();
    let seeds = seeds(WORLDS);
    let whole = seeds.end - seeds.start >= WORLDS;
    for seed in seeds {
        let mut rng = Rng::with_seed(seed);
        let lines = world::lines(&mut rng);
        let snapshot = world::read(&lines);
        let policy = compile(&snapshot).policy;
        let all: Vec<End> = world::ends(&snapshot);
        for _ in 0..20 {
            let (labels, network) = gone(&mut rng, &snapshot);
            let end = End::Workload { labels: labels.clone(), network: Some(network.clone()) };
            let other = world::choose(&mut rng, &all).clone();
            let service = world::service(&mut rng);
            let mut ends = Ends::default();
            let (end_id, other_id) = (ends.intern(end.clone()), ends.intern(other.clone()));
            if end_id == other_id {
                continue;
            }
            let opens = rng.bool();
            let (source, destination) = if opens { (end_id, other_id) } else { (other_id, end_id) };
            let mut judge = Judge::new(&ends, &snapshot, &policy);
            let id = judge.judge(source, destination, service);
            let judged = judge.judged(id);
            let with = with_somebody(&mut rng, &snapshot, &labels, &network, &other);
            let flows = oracle::flows(&with, ends.get(source), ends.get(destination), service);
            let verdicts: Vec<_> = flows.iter().map(|flow| oracle::verdict(&with, flow).0).collect();
            let (Some(worst), Some(best)) = (verdicts.iter().max(), verdicts.iter().min()) else { continue };
            *coverage
                .entry(if judged.worst.0 == Fate::Unknown { "unknown" } else { "decided" })
                .or_default() += 1;
            *coverage.entry(if *worst == Fate::Blocked { "blocked" } else { "passes" }).or_default() += 1;
            if judged.worst.0 == Fate::Unknown {
                continue;
            }
            assert!(
                judged.best.0 <= *best && *worst <= judged.worst.0,
                "seed {seed}: {:?} -> {:?} : {service}\n  oracle: {best:?} to {worst:?}\n  judge: {judged:?}\n{}",
                ends.get(source),
                ends.get(destination),
                lines.join("\n")
            );
        }
    }
    println!("{coverage:?}");
    assert!(!whole || coverage["decided"] > 10 * coverage["unknown"] / 4, "hardly anything is decided");
    assert!(!whole || coverage["unknown"] > 50, "nothing is unknown");
}

/// A label set that nobody carries, and a network.
fn gone(rng: &mut Rng, snapshot: &Snapshot) -> (LabelSet, NetworkId) {
    loop {
        let role = world::choose(rng, &["web", "db", "lb", "cache"]);
        let (app, env) = (world::choose(rng, &["a", "b", "c"]), world::choose(rng, &["prod", "dev"]));
        let labels = world::labels(&format!("role={role} app={app} env={env}"));
        if !snapshot.workloads.iter().any(|workload| workload.labels == labels) {
            return (labels, (*world::choose(rng, &["a", "b", "c", "d"])).into());
        }
    }
}

/// The world with somebody of these labels in the network, at an address of it that nobody holds anywhere.
fn with_somebody(
    rng: &mut Rng,
    snapshot: &Snapshot,
    labels: &LabelSet,
    network: &NetworkId,
    other: &End,
) -> Snapshot {
    let mut with = snapshot.clone();
    let here = snapshot.interfaces().filter(|(_, _, one)| one.network.as_ref() == Some(network));
    let enforces: Vec<Directions> = here.map(|(_, _, one)| one.enforces).collect();
    let enforces = if enforces.is_empty() { Directions::BOTH } else { *world::choose(rng, &enforces) };
    let block = snapshot.networks[network].cidrs[0];
    let IpAddr::V4(first) = block.network() else { panic!("{block}") };
    let address = loop {
        let address = IpAddr::V4((first.to_bits() + rng.u32(..40)).into());
        let is_other = matches!(other, End::Address(block) if block.contains(&address));
        if !is_other && !oracle::is_held(snapshot, address) {
            break address;
        }
    };
    with.workloads.push(Workload {
        id: "zz-new".into(),
        labels: labels.clone(),
        // The worlds have no `enforcement` entries.
        mode: EnforcementMode::VisibilityOnly,
        interfaces: vec![Interface {
            id: "zz-new".into(),
            network: Some(network.clone()),
            addresses: vec![address],
            enforces,
        }],
    });
    with
}
