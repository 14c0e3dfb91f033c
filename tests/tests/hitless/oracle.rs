//! What passes once everything has settled: by the oracle, and by the foreign group that lets SSH in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use mock_aws::{End, Packet};
use policy::{Flow, ServicePoint, Snapshot, decide};

use crate::change::Change;
use crate::estate::Directions;
use crate::packets::interface;
use crate::shop::Shop;

type Known = BTreeMap<(BTreeSet<Change>, Directions), Arc<Vec<bool>>>;

/// For each packet, whether it passes in the end. The oracle is slow: it is asked once for the same changes.
pub fn passing(shop: &Shop, packets: &[Packet]) -> Arc<Vec<bool>> {
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let key = (shop.changes.clone(), shop.directions);
    if let Some(known) = KNOWN.lock().unwrap().get(&key) {
        return known.clone();
    }
    let is_additive = !shop.changes.contains(&Change::Exclusive);
    let passes = packets.iter().map(|packet| passes(&shop.snapshot, is_additive, packet));
    let passing = Arc::new(passes.collect::<Vec<bool>>());
    KNOWN.lock().unwrap().insert(key, passing.clone());
    passing
}

fn passes(snapshot: &Snapshot, is_additive: bool, packet: &Packet) -> bool {
    let end = |end: &End| policy::End { interface: interface(end).map(Into::into), address: end.address() };
    let flow = Flow {
        source: end(&packet.source),
        destination: end(&packet.destination),
        service: ServicePoint { protocol: packet.protocol, detail: packet.detail },
    };
    let decision = decide(snapshot, &flow);
    decision.egress.passes() && (decision.ingress.passes() || is_additive && is_foreign_ssh(packet))
}

fn is_foreign_ssh(packet: &Packet) -> bool {
    (packet.protocol, packet.detail) == (6, 22)
        && matches!(packet.source.address(), IpAddr::V4(address) if address.octets()[0] == 10)
}
