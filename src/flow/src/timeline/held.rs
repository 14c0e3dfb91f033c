//! Who holds addresses at the last sighting: for questions by address.

use std::collections::BTreeMap;

use policy::{AddressSet, InterfaceId, LabelSet, NetworkId};

use super::{Seat, Timeline};
use crate::query::Held;

impl Timeline {
    /// Workloads that hold an address of a set, by labels and network; with how many interfaces there have just these.
    pub fn held(&self, addresses: &AddressSet) -> Vec<Held> {
        let mut alike: BTreeMap<(&LabelSet, &Option<NetworkId>), usize> = BTreeMap::new();
        for seat in self.now.seats.values() {
            *alike.entry((&*seat.labels, &seat.network)).or_default() += 1;
        }
        let holds = |(_, seat): &(&InterfaceId, &std::sync::Arc<Seat>)| {
            seat.addresses.iter().any(|address| addresses.contains(*address))
        };
        let mut found: Vec<Held> = self
            .now
            .seats
            .iter()
            .filter(holds)
            .map(|(_, seat)| {
                let workloads = alike.get(&(&*seat.labels, &seat.network)).copied().unwrap_or(1);
                Held { labels: (*seat.labels).clone(), network: seat.network.clone(), workloads }
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use policy::{EnforcementMode, Interface, Snapshot, Workload};

    use super::*;

    #[test]
    fn who_holds_an_address_is_told_with_who_is_like_them() {
        let workload = |number: u8, role: &str| Workload {
            id: format!("w{number}").as_str().into(),
            labels: [("role".into(), role.into())].into_iter().collect(),
            mode: EnforcementMode::Full,
            interfaces: vec![Interface {
                id: format!("i{number}").as_str().into(),
                network: Some("n".into()),
                addresses: vec![[10, 0, 0, number].into()],
                enforces: policy::Directions::BOTH,
            }],
        };
        let workloads = vec![workload(1, "web"), workload(2, "web"), workload(3, "db")];
        let timeline = Timeline::of(1, &Snapshot { workloads, ..Snapshot::default() });
        let held = |text: &str| {
            let set = AddressSet::from_iter([text.parse::<ipnet::IpNet>().unwrap()]);
            let told = timeline.held(&set);
            told.into_iter()
                .map(|held| (policy::label::describe(&held.labels), held.workloads))
                .collect::<Vec<_>>()
        };
        assert_eq!(held("10.0.0.2/32"), [("role=web".to_owned(), 2)]);
        assert_eq!(held("10.0.0.2/31"), [("role=db".to_owned(), 1), ("role=web".to_owned(), 2)]);
        assert_eq!(held("192.0.2.0/24"), []);
    }
}
