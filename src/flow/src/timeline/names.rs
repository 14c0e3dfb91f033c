//! From the name of a point to interfaces and networks.
//!
//! Each log names points in its own way; letters are compared without case, since Azure writes resource ids in capitals or
//! as it likes. Google's logs name the instance, and the inventory each interface of it (`…/instances/I#nic0`).

use std::borrow::Cow;
use std::net::IpAddr;

use policy::few::Few;
use policy::{InterfaceId, NetworkId};
use rustc_hash::FxHashMap;

use super::holders::{Holders, InterfaceNumber, NetworkNumber, Period};
use crate::sink::Point;

/// Names of points that the inventory does not know: for drivers to give.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Aliases {
    /// A MAC address, twelve hexadecimal digits, with its interface.
    pub interfaces: Vec<(String, InterfaceId)>,
    /// The id of an NSG with the networks in which it is used.
    pub networks: Vec<(String, Vec<NetworkId>)>,
}

/// What a name may mean, whatever the time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Candidates {
    pub(super) interfaces: Few<InterfaceNumber>,
    pub(super) networks: Few<NetworkNumber>,
}

impl Candidates {
    /// Whether the name of an interface is known.
    pub fn knows_interface(&self) -> bool {
        !self.interfaces.is_empty()
    }

    /// Whether the name means nothing that is known.
    pub fn is_unknown(&self) -> bool {
        self.interfaces.is_empty() && self.networks.is_empty()
    }
}

impl Candidates {
    /// The interface, if it is one, named with at most one network.
    pub(crate) fn usual(&self) -> Option<InterfaceNumber> {
        match (&*self.interfaces, &*self.networks) {
            ([interface], [] | [_]) => Some(*interface),
            _ => None,
        }
    }
}

/// Where a point was, for some time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The interfaces that it may be.
    pub interfaces: Few<InterfaceNumber>,
    /// The networks that it may be in.
    pub networks: Few<NetworkNumber>,
    /// When that was so.
    pub period: Period,
}

impl Spot {
    pub(super) fn everywhere() -> Self {
        let period = Period { from: i64::MIN, until: i64::MAX };
        Self { interfaces: Few::default(), networks: Few::default(), period }
    }

    /// Takes the interfaces in the named networks, all of them if none is there; then their networks.
    pub(super) fn settle(&mut self, seats: &[(InterfaceNumber, NetworkNumber)], named: &[NetworkNumber]) {
        let is_named = |network: NetworkNumber| named.is_empty() || named.contains(&network);
        let any_named = seats.iter().any(|&(_, network)| is_named(network));
        for &(interface, network) in seats.iter().filter(|seat| !any_named || is_named(seat.1)) {
            self.interfaces.push(interface);
            if network != NetworkNumber::NONE && !self.networks.contains(&network) {
                self.networks.push(network);
            }
        }
        if self.networks.is_empty() {
            named.iter().for_each(|&network| self.networks.push(network));
        }
    }

    /// The network that addresses seen here are looked up from. Of several it is the one that an end of the record is at
    /// home in; if that is more than one, none: then only an address that one alone holds is attributed.
    pub fn network_of(&self, holders: &Holders, ends: [IpAddr; 2], time: i64) -> NetworkNumber {
        match &*self.networks {
            [] => NetworkNumber::NONE,
            [only] => *only,
            several => {
                let own = |network: &&NetworkNumber| {
                    ends.iter().any(|&address| holders.is_at_home(**network, address, time))
                };
                let mut own = several.iter().filter(own);
                match (own.next(), own.next()) {
                    (Some(&only), None) => only,
                    _ => NetworkNumber::NONE,
                }
            }
        }
    }
}

/// Every name, in small letters.
pub(super) struct Names {
    interfaces: FxHashMap<String, Few<InterfaceNumber>>,
    networks: FxHashMap<String, Few<NetworkNumber>>,
}

impl Names {
    pub(super) fn new(interfaces: &[InterfaceId], networks: &[NetworkId], aliases: &Aliases) -> Self {
        let mut names = Self { interfaces: FxHashMap::default(), networks: FxHashMap::default() };
        for (number, id) in interfaces.iter().enumerate() {
            names.interface(id.as_str(), number);
            // The instance of one of Google's interfaces.
            if let Some((instance, _)) = id.as_str().rsplit_once('#') {
                names.interface(instance, number);
            }
        }
        for (number, id) in networks.iter().enumerate() {
            names
                .networks
                .entry(key(id.as_str()).into_owned())
                .or_default()
                .push(NetworkNumber(number as u32 + 1));
        }
        for (alias, id) in &aliases.interfaces {
            let known = names.interfaces.get(&*key(id.as_str())).cloned().unwrap_or_default();
            add(names.interfaces.entry(key(alias).into_owned()).or_default(), &known);
        }
        for (alias, ids) in &aliases.networks {
            let known = ids.iter().filter_map(|id| names.networks.get(&*key(id.as_str())));
            let known: Vec<NetworkNumber> = known.flatten().copied().collect();
            add(names.networks.entry(key(alias).into_owned()).or_default(), &known);
        }
        names
    }

    fn interface(&mut self, name: &str, number: usize) {
        self.interfaces.entry(key(name).into_owned()).or_default().push(InterfaceNumber(number as u32));
    }

    pub(super) fn candidates(&self, point: &Point<'_>) -> Candidates {
        let interfaces = point.interface.and_then(|name| self.interfaces.get(&*key(name)));
        let networks = point.network.and_then(|name| self.networks.get(&*key(name)));
        Candidates {
            interfaces: interfaces.cloned().unwrap_or_default(),
            networks: networks.cloned().unwrap_or_default(),
        }
    }
}

fn key(name: &str) -> Cow<'_, str> {
    let name = name.trim_end_matches('/');
    let is_small = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_small { name.into() } else { name.to_lowercase().into() }
}

fn add<T: PartialEq + Copy>(list: &mut Few<T>, more: &[T]) {
    for &one in more {
        if !list.contains(&one) {
            list.push(one);
        }
    }
}
