//! `vpc_flows`: what an interface reports of one direction of a five-tuple in an interval, as far as it is sampled.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mock_cloud::time::text;
use mock_cloud::traffic::{Count, Fate, Side};
use mock_cloud::{Edge, Passage};
use serde_json::{Value, json};

use crate::world::World;

use super::detail::{Machine, connection};
use super::{Settings, config};

/// What is summed up into one entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    /// Who reports.
    pub reporter: String,
    /// Whether it leaves the interface.
    pub is_egress: bool,
    /// Of the packets.
    pub addresses: (IpAddr, IpAddr),
    /// Of the packets.
    pub ports: Option<(u16, u16)>,
    /// IANA number.
    pub protocol: u8,
    /// The interface at the other end, if this cloud knows it.
    pub other: Option<String>,
}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Packets and bytes.
    pub count: Count,
    /// When the first packet was seen, in milliseconds since 1970.
    pub first_ms: u64,
    /// When the last one was.
    pub last_ms: u64,
    /// Whether there are answers, from which TCP knows how long they take.
    pub has_answers: bool,
}

/// Adds what the interfaces of this cloud report of a passage to the intervals.
pub(super) fn note(
    world: &World,
    settings: &Settings,
    passage: &Passage,
    intervals: &mut BTreeMap<u64, BTreeMap<Key, Record>>,
) {
    let of = &passage.conversation;
    for side in [Side::Source, Side::Destination] {
        let Some(id) = passage.interface(side).filter(|id| world.holds(id)) else { continue };
        let Some(own) = Machine::find(world, id) else { continue };
        let subnetwork = world.state.resources.get(&own.nic.subnetwork);
        let Some(log) = subnetwork.and_then(|held| config::of(&held.body, settings)) else { continue };
        let other = match side {
            Side::Source => passage.interface(Side::Destination),
            Side::Destination => passage.interface(Side::Source),
        };
        let other = other.filter(|_| Machine::other(world, &own, of, side).is_some());
        let (from, to) = of.addresses(side);
        for sight in passage.sights(side) {
            // Ingress is looked at behind its rules, egress before them.
            if !sight.is_egress && !sight.accepted {
                continue;
            }
            let key = Key {
                reporter: id.to_owned(),
                is_egress: sight.is_egress,
                addresses: if sight.is_answer { (to, from) } else { (from, to) },
                ports: of.ports().map(|(a, b)| if sight.is_answer { (b, a) } else { (a, b) }),
                protocol: of.protocol,
                other: other.map(str::to_owned),
            };
            let length_ms = log.interval_s * 1000;
            for begin in sight.burst.windows(length_ms) {
                let Some(share) = sight.burst.between(begin, begin + length_ms) else { continue };
                let records = intervals.entry(begin + length_ms).or_default();
                let held = records.entry(key.clone()).or_insert(Record {
                    count: Count::default(),
                    first_ms: share.first_ms,
                    last_ms: share.last_ms,
                    has_answers: false,
                });
                held.count += share.count;
                held.first_ms = held.first_ms.min(share.first_ms);
                held.last_ms = held.last_ms.max(share.last_ms);
                held.has_answers |= passage.fate == Fate::Delivered;
            }
        }
    }
}

/// The entry, if it is sampled.
pub(super) fn document(
    world: &World,
    settings: &Settings,
    end_ms: u64,
    key: &Key,
    record: &Record,
) -> Option<Value> {
    let own = Machine::find(world, &key.reporter)?;
    let subnetwork = world.state.resources.get(&own.nic.subnetwork)?;
    let log = config::of(&subnetwork.body, settings)?;
    let mut random = fastrand::Rng::with_seed(draw(settings, end_ms, key));
    let count = estimated(record.count, settings.primary_sampling, &mut random)?;
    if random.f64() >= log.sampling {
        return None;
    }
    let mut payload = json!({
        "connection": connection(key.addresses, key.ports, key.protocol),
        "reporter": if key.is_egress { "SRC" } else { "DEST" },
        "start_time": text(record.first_ms),
        "end_time": text(record.last_ms),
        "bytes_sent": count.bytes.to_string(),
        "packets_sent": count.packets.to_string(),
    });
    let fields = payload.as_object_mut()?;
    if key.protocol == 6 && record.has_answers {
        fields.insert("rtt_msec".to_owned(), json!(random.u64(1..20).to_string()));
    }
    let other = key.other.as_deref().and_then(|other| Machine::find(world, other));
    let (source, destination) = if key.is_egress { (Some(own), other) } else { (other, Some(own)) };
    for (end, machine) in [("src", source), ("dest", destination)] {
        let Some(machine) = machine else { continue };
        let details = [("instance", machine.instance_details()), ("vpc", machine.vpc_details())];
        for (what, value) in details {
            let field = format!("{end}_{what}");
            if log.metadata.has(&field) {
                fields.insert(field, value);
            }
        }
    }
    Some(json!({ "resource": own.resource(world), "jsonPayload": payload }))
}

/// What is taken for the counts of an entry of whose packets only a share was looked at: right on average.
fn estimated(count: Count, share: f64, random: &mut fastrand::Rng) -> Option<Count> {
    if share >= 1.0 {
        return Some(count);
    }
    let looked_at = (count.packets as f64 * share + random.f64()).floor();
    if looked_at < 1.0 {
        return None;
    }
    let packets = ((looked_at / share).round() as u64).max(1);
    Some(Count {
        packets,
        bytes: (count.bytes as f64 / count.packets as f64 * packets as f64).round() as u64,
    })
}

/// A number that follows from what the entry is about: the same whenever it is asked.
fn draw(settings: &Settings, end_ms: u64, key: &Key) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let what = format!("{end_ms} {key:?}");
    for byte in what.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}
