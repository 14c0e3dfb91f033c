//! Judges what the data plane did: every packet, at every moment at which one of its ends sees something new.

use std::collections::{BTreeMap, BTreeSet};

use mock_aws::{Packet, World};
use mock_cloud::CallRecord;
use mock_cloud::Fault;

use crate::dark;
use crate::fear::denied_reads;
use crate::journal::{Window, excuse, windows};
use crate::oracle;
use crate::packets::{interface, packets, text};
use crate::shop::Shop;
use crate::tally::{Seen, Tally};

/// What was seen.
#[derive(Default)]
pub struct Verdict {
    /// Packets that were outside their bounds, or that end otherwise than the oracle says.
    pub violations: BTreeSet<String>,
    /// Steps that ran, or did not, against what could be read.
    pub in_the_dark: Vec<String>,
    /// How much was seen.
    pub tally: Tally,
}

/// Watches from `from_ms` until now.
pub fn judge(shop: &Shop, from_ms: u64) -> Verdict {
    let world = shop.front.world();
    let packets = packets(&world);
    let expected = oracle::passing(shop, &packets);
    let watch = Watch::new(&world, shop, from_ms);
    let mut verdict = Verdict { in_the_dark: dark::faults(shop), ..Verdict::default() };
    verdict.tally = tally(shop, &world);
    for (packet, expected) in packets.iter().zip(expected.iter()) {
        watch.packet(packet, *expected, &mut verdict);
    }
    verdict
}

struct Watch<'a> {
    world: &'a World,
    windows: Vec<Window>,
    /// When each interface sees something new.
    moments: BTreeMap<&'a str, Vec<u64>>,
    from_ms: u64,
    end_ms: u64,
}

impl<'a> Watch<'a> {
    fn new(world: &'a World, shop: &Shop, from_ms: u64) -> Self {
        let moments = |id| world.plane.moments(std::iter::once(id), from_ms);
        let ids = world.state.interfaces.keys().map(String::as_str);
        let moments = ids.map(|id| (id, moments(id))).collect();
        Self { world, windows: windows(&shop.passes), moments, from_ms, end_ms: world.now_ms() }
    }

    fn packet(&self, packet: &Packet, expected: bool, verdict: &mut Verdict) {
        let old = self.world.allows_at(packet, self.from_ms);
        let new = self.world.allows_at(packet, self.end_ms);
        if new != expected {
            verdict.violations.insert(format!("{} ends as {new}, against the oracle", text(packet)));
        }
        let ends = [interface(&packet.source), interface(&packet.destination)];
        let own: BTreeSet<u64> =
            ends.into_iter().flatten().flat_map(|id| self.moments[id].iter().copied()).collect();
        verdict.tally.add(Seen::Packets, 1);
        verdict.tally.add(Seen::Moved, usize::from(old != new));
        verdict.tally.add(Seen::Ticks, own.len());
        let untils = own.iter().skip(1).copied().chain([self.end_ms]);
        for (&moment, until) in own.iter().zip(untils) {
            // A packet that moves may pass or not, at any time.
            if old != new {
                continue;
            }
            let passes = self.world.allows_at(packet, moment);
            if passes == new {
                continue;
            }
            if excuse(&self.windows, packet, passes, moment, until) {
                verdict.tally.add(Seen::Excused, 1);
                continue;
            }
            let word = if passes { "open" } else { "cut" };
            let (from, until) = (moment - self.from_ms, until - self.from_ms);
            verdict.violations.insert(format!("{} is {word} from {from} until {until} ms", text(packet)));
        }
    }
}

fn tally(shop: &Shop, world: &World) -> Tally {
    let mut tally = Tally::default();
    let outcome = |code: &str| world.calls.all().iter().filter(|call| call.outcome == code).count();
    for (fault, struck) in &world.faults.fired {
        tally.add(Seen::Fault(*fault), *struck as usize);
    }
    // A throttle by a fault and one by the published buckets look the same to a client.
    let by_fault = world.faults.fired.get(&Fault::Throttle).copied().unwrap_or(0) as usize;
    tally.add(Seen::EmptyBuckets, outcome("RequestLimitExceeded") - by_fault);
    let failures = ["RequestLimitExceeded", "InternalError"];
    let has_failed = |call: &&CallRecord| call.mutating && failures.contains(&call.outcome.as_str());
    tally.add(Seen::FailedWrites, world.calls.all().iter().filter(has_failed).count());
    tally.add(Seen::StaleReads, world.faults.stale_reads as usize);
    tally.add(Seen::DeniedReads, denied_reads(world));
    tally.add(Seen::HeldInTheDark, dark::held(shop));
    tally.add(Seen::Crashes, usize::from(shop.crashed));
    tally.add(Seen::Passes, shop.passes.len());
    tally.add(Seen::Named, shop.passes.iter().map(|passed| passed.plan.transients.len()).sum());
    tally
}
