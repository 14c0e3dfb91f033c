//! Judges what the data planes of three clouds did: every packet, at every moment at which one of its ends sees something
//! new. A packet passes if every cloud with an end of it lets it pass.

use std::collections::{BTreeMap, BTreeSet};

use mock_cloud::{End, Packet};
use plan::{Cloud, Plan, ScopeId, Step};
use policy::{Flow, ServicePoint, decide};

use super::shop::Shop;
use crate::clouds::{Clouds, cloud_of_name, name_of};
use crate::dark;
use crate::packets::{interface, text};
use crate::tally::{Seen, Tally};

const PROBES: [(u8, u16); 11] = [
    (6, 443),
    (6, 5000),
    (6, 5432),
    (6, 5433),
    (6, 6000),
    (6, 6100),
    (6, 6200),
    (6, 6300),
    (6, 7000),
    (6, 8080),
    (6, 9000),
];
const PING: (u8, u16) = (1, 8 << 8);
const EXTERNAL: [&str; 3] = ["203.0.113.7", "203.0.113.200", "198.51.100.9"];

/// What was seen.
#[derive(Default)]
pub struct Verdict {
    pub violations: BTreeSet<String>,
    pub in_the_dark: Vec<String>,
    pub tally: Tally,
}

/// Watches from `from_ms` until now.
pub fn judge(shop: &Shop, from_ms: u64) -> Verdict {
    let mut verdict = Verdict::default();
    if let Some(cloud) = shop.unreadable {
        let scope = scope_of(shop, cloud);
        verdict.in_the_dark = shop.passes.iter().flat_map(|passed| dark::of_pass(passed, &scope)).collect();
        let held = shop.passes.iter().filter(|passed| passed.is_dark()).map(dark::held_in_pass).sum();
        verdict.tally.add(Seen::HeldInTheDark, held);
    }
    verdict.tally.add(Seen::DeniedReads, shop.passes.iter().map(|passed| passed.denied_reads).sum());
    verdict.tally.add(Seen::Crashes, usize::from(shop.crashed));
    verdict.tally.add(Seen::Passes, shop.passes.len());
    verdict.tally.add(Seen::Across, shop.passes.iter().map(|passed| across(&passed.plan)).sum());
    verdict.tally.add(Seen::Named, shop.passes.iter().map(|passed| passed.plan.transients.len()).sum());
    let watch = Watch::new(shop, from_ms);
    for packet in packets(shop) {
        watch.packet(&packet, &mut verdict);
    }
    verdict
}

/// Steps that wait until one in another cloud has settled.
fn across(plan: &Plan) -> usize {
    let waits = |step: &&Step| {
        let mut others = step.settled_after.iter().filter_map(|id| plan.step(*id));
        others.any(|other| other.scope != step.scope)
    };
    plan.steps.iter().filter(waits).count()
}

fn scope_of(shop: &Shop, cloud: Cloud) -> ScopeId {
    shop.scopes.iter().find(|scope| scope.cloud == cloud).map(|scope| scope.id.clone()).unwrap()
}

struct Watch<'a> {
    shop: &'a Shop,
    /// When each interface sees something new.
    moments: BTreeMap<String, Vec<u64>>,
    /// The names that the oracle knows interfaces by.
    known: BTreeMap<String, policy::InterfaceId>,
    from_ms: u64,
    end_ms: u64,
}

impl<'a> Watch<'a> {
    fn new(shop: &'a Shop, from_ms: u64) -> Self {
        let known: BTreeMap<String, policy::InterfaceId> =
            shop.snapshot.interfaces().map(|(_, _, i)| (name_of(&i.id), i.id.clone())).collect();
        let moments = known.keys().map(|name| (name.clone(), moments(&shop.clouds, name, from_ms))).collect();
        Self { shop, moments, known, from_ms, end_ms: shop.now_ms() }
    }

    fn packet(&self, packet: &Packet, verdict: &mut Verdict) {
        let clouds = &self.shop.clouds;
        let (old, new) = (passes_at(clouds, packet, self.from_ms), passes_at(clouds, packet, self.end_ms));
        let expected = self.oracle(packet);
        if new != expected {
            verdict.violations.insert(format!("{} ends as {new}, against the oracle", text(packet)));
        }
        let ends = [interface(&packet.source), interface(&packet.destination)];
        let own: BTreeSet<u64> =
            ends.into_iter().flatten().flat_map(|id| self.moments[id].iter().copied()).collect();
        verdict.tally.add(Seen::Packets, 1);
        verdict.tally.add(Seen::Moved, usize::from(old != new));
        verdict.tally.add(Seen::Ticks, own.len());
        // A packet that moves may pass or not, at any time.
        for &moment in own.iter().filter(|_| old == new) {
            let passes = passes_at(clouds, packet, moment);
            if passes != new {
                let word = if passes { "open" } else { "cut" };
                let at = moment - self.from_ms;
                verdict.violations.insert(format!("{} is {word} at {at} ms", text(packet)));
            }
        }
    }

    fn oracle(&self, packet: &Packet) -> bool {
        let end = |end: &End| policy::End {
            interface: interface(end).map(|id| self.known[id].clone()),
            address: end.address(),
        };
        let flow = Flow {
            source: end(&packet.source),
            destination: end(&packet.destination),
            service: ServicePoint { protocol: packet.protocol, detail: packet.detail },
        };
        let decision = decide(&self.shop.snapshot, &flow);
        decision.egress.passes() && decision.ingress.passes()
    }
}

/// When an interface hears of something, from a time on.
fn moments(clouds: &Clouds, name: &str, from_ms: u64) -> Vec<u64> {
    match cloud_of_name(name) {
        Some(Cloud::Aws) => clouds.aws.world().plane.moments(std::iter::once(name), from_ms),
        Some(Cloud::Azure) => clouds.azure.world().moments(name, from_ms),
        Some(Cloud::Gcp) => clouds.gcp.world().moments(name, from_ms),
        None => Vec::new(),
    }
}

fn passes_at(clouds: &Clouds, packet: &Packet, at_ms: u64) -> bool {
    clouds.asked(packet).into_iter().all(|(cloud, packet)| match cloud {
        Cloud::Aws => clouds.aws.world().allows_at(&packet, at_ms),
        Cloud::Azure => clouds.azure.world().allows_at(&packet, at_ms),
        Cloud::Gcp => clouds.gcp.world().allows_at(&packet, at_ms),
    })
}

/// Packets between any two ends of which one at least is an interface.
fn packets(shop: &Shop) -> Vec<Packet> {
    let inside = shop.snapshot.interfaces().flat_map(|(_, _, interface)| {
        interface.addresses.iter().map(|address| End::Interface(name_of(&interface.id), *address))
    });
    let outside = EXTERNAL.iter().map(|address| End::External(address.parse().unwrap()));
    let ends: Vec<End> = inside.chain(outside).collect();
    let mut packets = Vec::new();
    for source in &ends {
        for destination in ends.iter().filter(|end| interface(end) != interface(source)) {
            packets.extend(PROBES.into_iter().chain([PING]).map(|(protocol, detail)| Packet {
                source: source.clone(),
                destination: destination.clone(),
                protocol,
                detail,
            }));
        }
    }
    packets
}
