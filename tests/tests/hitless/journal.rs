//! What each pass planned and when its steps ran; from that: when a transient that it named may be seen.

use std::collections::BTreeMap;

use ipnet::IpNet;
use mock_aws::{End, Packet};
use plan::plan::Transient;
use plan::{Plan, StepId};
use policy::{ServicePoint, ServiceSet};
use reconcile::applying::StepStatus;

/// A step that was handed to the cloud.
pub struct Sent {
    pub step: StepId,
    pub at_ms: u64,
    /// Whether the second network was known to be unreadable.
    pub is_second_unread: bool,
}

/// One pass.
pub struct Passed {
    pub plan: Plan,
    pub statuses: Vec<StepStatus>,
    pub sent: Vec<Sent>,
    /// When steps were seen to be true.
    pub verified_ms: BTreeMap<StepId, u64>,
    pub is_converged: bool,
    /// Whether some scope could not be read for the plan.
    pub is_partial: bool,
    /// Reads that the cloud refused.
    pub denied_reads: usize,
    pub ended_ms: u64,
}

impl Passed {
    /// Whether something became unreadable while it ran.
    pub fn is_dark(&self) -> bool {
        self.denied_reads > 0
    }

    fn sent_at(&self, step: StepId) -> Option<u64> {
        self.sent.iter().find(|sent| sent.step == step).map(|sent| sent.at_ms)
    }

    fn settled_at(&self, step: StepId) -> Option<u64> {
        Some(self.verified_ms.get(&step)? + self.settle_ms())
    }

    fn settle_ms(&self) -> u64 {
        self.plan.scopes.iter().map(|scope| scope.settle_ms).max().unwrap_or(0)
    }
}

/// When a named transient may be seen.
pub struct Window {
    transient: Transient,
    services: ServiceSet,
    pub from_ms: u64,
    pub until_ms: u64,
}

/// The windows of all passes. One that its pass did not close is closed by the first later pass that converges.
pub fn windows(passes: &[Passed]) -> Vec<Window> {
    let mut windows = Vec::new();
    for (place, passed) in passes.iter().enumerate() {
        let mut later = passes[place + 1..].iter().filter(|later| later.is_converged);
        let repaired_ms = later.next().map_or(u64::MAX, |later| later.ended_ms + later.settle_ms());
        for transient in &passed.plan.transients {
            let until_ms = passed.settled_at(transient.until).unwrap_or(repaired_ms);
            let opened = passed.sent_at(transient.from);
            windows.extend(opened.map(|from_ms| Window::new(transient, from_ms, until_ms)));
        }
    }
    windows
}

impl Window {
    pub fn new(transient: &Transient, from_ms: u64, until_ms: u64) -> Self {
        let services = transient.services.split(", ").filter_map(|text| text.parse::<ServiceSet>().ok());
        Self { services: services.collect(), transient: transient.clone(), from_ms, until_ms }
    }

    /// Whether it names this packet's pair in this sense.
    fn names(&self, packet: &Packet, opens: bool) -> bool {
        let service = ServicePoint { protocol: packet.protocol, detail: packet.detail };
        self.transient.opens == opens
            && self.services.contains(service)
            && is_named(&packet.source, &self.transient.source)
            && is_named(&packet.destination, &self.transient.destination)
    }
}

/// Whether windows excuse that a packet is open (or cut) from one time until another, without a gap.
pub fn excuse(windows: &[Window], packet: &Packet, opens: bool, from_ms: u64, until_ms: u64) -> bool {
    let mut reached = from_ms;
    while reached < until_ms {
        let open = windows.iter().filter(|w| w.from_ms <= reached && w.until_ms > reached);
        let last = open.filter(|window| window.names(packet, opens)).map(|window| window.until_ms).max();
        let Some(last) = last else { return false };
        reached = last;
    }
    true
}

/// An end is named by its interface, or by a block that holds its address.
fn is_named(end: &End, name: &str) -> bool {
    let is_held = |block: &str| block.parse::<IpNet>().is_ok_and(|block| block.contains(&end.address()));
    matches!(end, End::Interface(id, _) if id == name) || name.split(", ").any(is_held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from_ms: u64, until_ms: u64) -> Window {
        let transient = Transient {
            opens: true,
            source: "eni-1".to_owned(),
            destination: "203.0.113.0/24".to_owned(),
            services: "tcp/443, icmp/8".to_owned(),
            from: StepId(0),
            until: StepId(1),
        };
        Window::new(&transient, from_ms, until_ms)
    }

    fn packet(source: &str, destination: &str, detail: u16) -> Packet {
        Packet {
            source: End::Interface(source.to_owned(), "10.0.0.1".parse().unwrap()),
            destination: End::External(destination.parse().unwrap()),
            protocol: 6,
            detail,
        }
    }

    #[test]
    fn a_transient_is_excused_between_its_steps_and_nowhere_else() {
        let packet = packet("eni-1", "203.0.113.9", 443);
        let excused = |windows: &[Window], from, until| excuse(windows, &packet, true, from, until);
        let one = [window(100, 200)];
        assert!(excused(&one, 100, 200));
        assert!(!excused(&one, 99, 200), "before the first step");
        assert!(!excused(&one, 150, 201), "after the second has settled");
        assert!(excused(&[window(100, 200), window(180, 300)], 100, 300), "two that overlap");
        assert!(!excused(&[window(100, 200), window(201, 300)], 100, 300), "a gap");
        assert!(!excuse(&one, &packet, false, 100, 200), "it opens; it does not cut");
    }

    #[test]
    fn a_transient_is_excused_for_its_pair_and_service_only() {
        let one = [window(0, 10)];
        let excused =
            |source, destination, port| excuse(&one, &packet(source, destination, port), true, 0, 10);
        assert!(excused("eni-1", "203.0.113.9", 443));
        assert!(!excused("eni-2", "203.0.113.9", 443));
        assert!(!excused("eni-1", "198.51.100.9", 443));
        assert!(!excused("eni-1", "203.0.113.9", 444));
    }
}
