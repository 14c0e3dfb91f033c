//! The stored form of a timeline: JSON, labels and networks by number, each written once.

use std::net::IpAddr;
use std::sync::Arc;

use policy::{InterfaceId, LabelKey, LabelSet, LabelValue, Network, NetworkId, Translation};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{Change, Seat, Timeline};

/// Is raised when an older reader would misread the form.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    last: Option<i64>,
    /// Each set of labels as keys with values.
    labels: Vec<Vec<(LabelKey, LabelValue)>>,
    networks: Vec<NetworkId>,
    sightings: Vec<WireChange>,
}

#[derive(Serialize, Deserialize)]
struct WireChange {
    at: i64,
    /// Interface, labels by number, network by number, addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    set: Vec<(InterfaceId, u32, Option<u32>, Vec<IpAddr>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<InterfaceId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<WireNetwork>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks_gone: Vec<NetworkId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    translations: Option<Vec<WireTranslation>>,
}

#[derive(Serialize, Deserialize)]
struct WireNetwork {
    id: NetworkId,
    cidrs: Vec<ipnet::IpNet>,
    peers: Vec<NetworkId>,
}

#[derive(Serialize, Deserialize)]
struct WireTranslation {
    network: NetworkId,
    from: Vec<ipnet::IpNet>,
    towards: Vec<NetworkId>,
    addresses: Vec<IpAddr>,
}

/// Why a text is not a stored timeline.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// It is no JSON, or not of this form.
    #[error("a stored timeline cannot be read")]
    NotReadable(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("a stored timeline is of version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// Its parts contradict each other.
    #[error("a stored timeline is damaged: {0}")]
    Damaged(&'static str),
}

impl Timeline {
    /// The stored form; the same timeline gives the same text.
    pub fn to_json(&self) -> String {
        let mut tables = Tables::default();
        let sightings = self.changes().iter().map(|change| wire_change(change, &mut tables)).collect();
        let wire = Wire {
            version: VERSION,
            last: self.last(),
            labels: tables.labels,
            networks: tables.networks,
            sightings,
        };
        serde_json::to_string(&wire).expect("texts, numbers and lists are always JSON")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// What is no timeline, or one that another version wrote.
    pub fn from_json(text: &str) -> Result<Self, TimelineError> {
        let wire: Wire = serde_json::from_str(text)?;
        if wire.version != VERSION {
            return Err(TimelineError::Version(wire.version));
        }
        let labels: Vec<Arc<LabelSet>> =
            wire.labels.into_iter().map(|pairs| Arc::new(pairs.into_iter().collect())).collect();
        let changes = wire.sightings.into_iter().map(|change| read_change(change, &labels, &wire.networks));
        let changes: Option<Vec<Change>> = changes.collect();
        let changes = changes.ok_or(TimelineError::Damaged("a number is out of range"))?;
        let damaged = TimelineError::Damaged("its sightings are out of order");
        Self::from_changes(changes, wire.last).ok_or(damaged)
    }
}

#[derive(Default)]
struct Tables {
    labels: Vec<Vec<(LabelKey, LabelValue)>>,
    label_numbers: FxHashMap<Arc<LabelSet>, u32>,
    networks: Vec<NetworkId>,
    network_numbers: FxHashMap<NetworkId, u32>,
}

impl Tables {
    fn labels(&mut self, set: &Arc<LabelSet>) -> u32 {
        *self.label_numbers.entry(set.clone()).or_insert_with(|| {
            self.labels.push(set.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
            (self.labels.len() - 1) as u32
        })
    }

    fn network(&mut self, id: &NetworkId) -> u32 {
        *self.network_numbers.entry(id.clone()).or_insert_with(|| {
            self.networks.push(id.clone());
            (self.networks.len() - 1) as u32
        })
    }
}

fn wire_change(change: &Change, tables: &mut Tables) -> WireChange {
    let mut wire = WireChange {
        at: change.at,
        set: Vec::new(),
        gone: Vec::new(),
        networks: Vec::new(),
        networks_gone: Vec::new(),
        translations: change.translations.as_ref().map(|all| all.iter().map(wire_translation).collect()),
    };
    for (id, seat) in &change.seats {
        let Some(seat) = seat else {
            wire.gone.push(id.clone());
            continue;
        };
        let network = seat.network.as_ref().map(|network| tables.network(network));
        wire.set.push((id.clone(), tables.labels(&seat.labels), network, seat.addresses.clone()));
    }
    for (id, network) in &change.networks {
        let Some(network) = network else {
            wire.networks_gone.push(id.clone());
            continue;
        };
        let peers = network.peers.iter().cloned().collect();
        wire.networks.push(WireNetwork { id: id.clone(), cidrs: network.cidrs.clone(), peers });
    }
    wire
}

fn wire_translation(one: &Translation) -> WireTranslation {
    WireTranslation {
        network: one.network.clone(),
        from: one.from.clone(),
        towards: one.towards.iter().cloned().collect(),
        addresses: one.addresses.clone(),
    }
}

/// Nothing if a number is out of range.
fn read_change(wire: WireChange, labels: &[Arc<LabelSet>], networks: &[NetworkId]) -> Option<Change> {
    let seat = |(id, set, network, addresses): (InterfaceId, u32, Option<u32>, Vec<IpAddr>)| {
        let network = match network {
            Some(number) => Some(networks.get(number as usize)?.clone()),
            None => None,
        };
        let labels = labels.get(set as usize)?.clone();
        Some((id, Some(Arc::new(Seat { labels, network, addresses }))))
    };
    let mut seats = wire.set.into_iter().map(seat).collect::<Option<std::collections::BTreeMap<_, _>>>()?;
    seats.extend(wire.gone.into_iter().map(|id| (id, None)));
    let network = |wire: WireNetwork| {
        let (id, peers) = (wire.id.clone(), wire.peers.into_iter().collect());
        (id, Some(Network { id: wire.id, cidrs: wire.cidrs, peers }))
    };
    let gone = wire.networks_gone.into_iter().map(|id| (id, None));
    let translation = |wire: WireTranslation| Translation {
        network: wire.network,
        from: wire.from,
        towards: wire.towards.into_iter().collect(),
        addresses: wire.addresses,
    };
    Some(Change {
        at: wire.at,
        seats,
        networks: wire.networks.into_iter().map(network).chain(gone).collect(),
        translations: wire.translations.map(|all| all.into_iter().map(translation).collect()),
    })
}
