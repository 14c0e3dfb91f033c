//! Amazon's interfaces by the numbers in their names: its logs name them by the hundred thousand.

use super::direct::small;
use super::holders::{Holders, InterfaceNumber, NetworkNumber};
use crate::eni::digits;
use crate::index::{Index, hash};
use crate::sink::{Cloud, Point};

/// Where an interface was first.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    digits: u64,
    bytes: u32,
    /// Its network.
    pub(crate) network: NetworkNumber,
    /// From when, as in [`small`].
    pub(crate) from: u32,
    /// Until when.
    pub(crate) until: u32,
}

impl Start {
    /// Of an interface that is called otherwise: no name has no bytes.
    const OTHER: Self = Self { digits: 0, bytes: 0, network: NetworkNumber::NONE, from: 0, until: 0 };
}

/// Where each interface was first, by its number, and numbers by name.
#[derive(Default)]
pub(super) struct Table {
    index: Index,
    starts: Vec<Start>,
}

impl Table {
    /// Of the interfaces whose names are of nothing else.
    pub(super) fn new(holders: &Holders) -> Self {
        let mut table = Self::default();
        for (number, id) in holders.interfaces.iter().enumerate() {
            let start = Start::new(holders, id.as_str(), InterfaceNumber(number as u32));
            if let Some(start) = start {
                table.index.insert(hash(start.digits, 0), number);
            }
            table.starts.push(start.unwrap_or(Start::OTHER));
        }
        table
    }
}

impl Start {
    fn new(holders: &Holders, name: &str, number: InterfaceNumber) -> Option<Self> {
        let digits = digits(name.as_bytes())?;
        let candidates =
            holders.candidates(&Point { cloud: Cloud::Aws, interface: Some(name), network: None });
        let spot = holders.spot(&candidates, 0);
        let (from, until) = small(spot.period);
        let network = spot.networks.first().copied().unwrap_or(NetworkNumber::NONE);
        let is_alone = candidates.usual() == Some(number);
        let start = Self { digits, bytes: name.len() as u32, network, from, until };
        (is_alone && !spot.interfaces.is_empty()).then_some(start)
    }
}

impl Holders {
    /// The interface that a point of Amazon's is by its name alone, with where it was first. Nothing for names that are
    /// otherwise than usual: then [`Holders::candidates`] tells.
    #[inline]
    pub(crate) fn of_amazon(&self, point: &Point<'_>) -> Option<(InterfaceNumber, Start)> {
        if point.cloud != Cloud::Aws || point.network.is_some() {
            return None;
        }
        let name = point.interface?.as_bytes();
        let (digits, bytes) = (digits(name)?, name.len() as u32);
        let Self { amazon: Table { index, starts }, .. } = self;
        let is_it = |number: usize| {
            starts.get(number).is_some_and(|start| start.digits == digits && start.bytes == bytes)
        };
        let number = index.find(hash(digits, 0), is_it)?;
        Some((InterfaceNumber(number as u32), *starts.get(number)?))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use policy::{Directions, EnforcementMode, Interface, Snapshot, Workload};

    use super::*;
    use crate::timeline::{Aliases, Timeline};

    const SHORT: &str = "eni-12345678";
    const LONG: &str = "eni-00000000012345678";
    const AFTER: &str = "eni-0000000001234567a";

    fn holders(names: &[&str], aliases: &Aliases) -> Holders {
        let workload = |name: &&str| Workload {
            id: format!("i-{name}").into(),
            labels: Default::default(),
            mode: EnforcementMode::Full,
            interfaces: vec![Interface {
                id: (*name).into(),
                network: Some("vpc-1".into()),
                addresses: Vec::new(),
                enforces: Directions::BOTH,
            }],
        };
        let snapshot = Snapshot { workloads: names.iter().map(workload).collect(), ..Snapshot::default() };
        Holders::new(&Timeline::of(1000, &snapshot), aliases)
    }

    fn found<'a>(holders: &'a Holders, point: &Point<'_>) -> Option<&'a str> {
        holders.of_amazon(point).map(|(number, _)| holders.interface_id(number).unwrap().as_str())
    }

    fn named(name: &str) -> Point<'_> {
        Point { cloud: Cloud::Aws, interface: Some(name), network: None }
    }

    #[test]
    fn names_with_the_same_digits_are_two() {
        let holders = holders(&[SHORT, LONG, "eni-web"], &Aliases::default());
        assert_eq!(found(&holders, &named(SHORT)), Some(SHORT));
        assert_eq!(found(&holders, &named(LONG)), Some(LONG));
        assert_eq!(found(&holders, &named(AFTER)), None);
        assert_eq!(found(&holders, &named("eni-web")), None, "candidates tell");
        let (_, start) = holders.of_amazon(&named(LONG)).unwrap();
        assert_eq!(holders.network_id(start.network).unwrap().as_str(), "vpc-1");
        assert_eq!((start.from, start.until), (0, u32::MAX));
    }

    #[test]
    fn a_point_of_another_cloud_or_with_a_network_is_looked_up_otherwise() {
        let holders = holders(&[LONG], &Aliases::default());
        assert_eq!(found(&holders, &Point { network: Some("vpc-1"), ..named(LONG) }), None);
        assert_eq!(found(&holders, &Point { cloud: Cloud::Gcp, ..named(LONG) }), None);
    }

    #[test]
    fn a_name_that_is_also_the_alias_of_another_is_looked_up_otherwise() {
        let aliases = Aliases { interfaces: vec![(LONG.to_owned(), SHORT.into())], ..Aliases::default() };
        let holders = holders(&[SHORT, LONG], &aliases);
        assert_eq!(found(&holders, &named(LONG)), None);
        assert_eq!(found(&holders, &named(SHORT)), Some(SHORT));
    }
}
