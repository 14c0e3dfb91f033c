//! What Bulkhead itself does with the records: its summariser, with an inventory whose workloads have the labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use flow::{Aliases, End, EndId, Holders, Outcome, Settings, Summaries, Summariser, Timeline};
use policy::{Directions, EnforcementMode, Interface, Label, Network, Snapshot, Workload};

use super::generate::{ADDRESSES, BEGIN, address, interface, label};

const NETWORK: &str = "vpc-0123456789abcdef0";

/// Who holds which address: labels in memory.
pub fn holders() -> Arc<Holders> {
    Arc::new(Holders::new(&Timeline::of(BEGIN as i64 - 600, &snapshot()), &Aliases::default()))
}

/// All that exists.
pub fn snapshot() -> Snapshot {
    let network =
        Network { id: NETWORK.into(), cidrs: vec!["10.0.0.0/8".parse().unwrap()], peers: Default::default() };
    Snapshot {
        workloads: (0..ADDRESSES).map(workload).collect(),
        networks: [(network.id.clone(), network)].into(),
        ..Snapshot::default()
    }
}

fn workload(number: u32) -> Workload {
    let Label { key, value } = format!("role={}", label(number)).parse().unwrap();
    Workload {
        id: format!("i-{number:017x}").into(),
        labels: [(key, value)].into_iter().collect(),
        mode: EnforcementMode::VisibilityOnly,
        interfaces: vec![Interface {
            id: interface(number).into(),
            network: Some(NETWORK.into()),
            addresses: vec![std::net::Ipv4Addr::from_bits(address(number)).into()],
            enforces: Directions::BOTH,
        }],
    }
}

/// Windows of an hour, and the usual limits.
pub fn summariser(holders: &Arc<Holders>) -> Summariser {
    Summariser::new(Settings::at(BEGIN as i64 + 86_400), holders.clone(), None)
}

/// What every engine prints. The product keeps the two ends that log apart, and hours: here they are one group.
pub fn result(summaries: &Summaries) -> Vec<u64> {
    let mut groups: BTreeMap<[u64; 4], [u64; 3]> = BTreeMap::new();
    for (key, tally) in &summaries.rows {
        let [from, to] = [key.source, key.destination].map(|end| role(summaries, end));
        let accepted = u64::from(key.outcome == Outcome::Accepted);
        let group = groups.entry([from, to, key.service.detail.into(), accepted]).or_default();
        group[0] += tally.connections;
        group[1] += tally.packets;
        group[2] += tally.bytes;
    }
    let mut result = vec![groups.len() as u64, 0, 0, 0, 0];
    for ([from, to, port, accepted], [records, packets, bytes]) in groups {
        let row = (from * 31 + to) * 31 + port * 2 + accepted;
        let numbers = [records, packets, bytes, row % 1_000_003 * records];
        result.iter_mut().skip(1).zip(numbers).for_each(|(sum, number)| *sum += number);
    }
    result
}

fn role(summaries: &Summaries, end: EndId) -> u64 {
    let End::Workload { labels, .. } = summaries.ends.get(end) else { panic!("all addresses are known") };
    labels.get("role").unwrap().as_str().parse().unwrap()
}
