//! What a run over three clouds looked at, beyond what is counted for every world.

use std::collections::BTreeMap;
use std::fmt;

use plan::Cloud;
use policy::{End, Flow, Snapshot};

use crate::clouds::cloud_of_name;
use crate::coverage::Coverage;

/// Worlds of a hundred in which a cloud may not be able to say what the policy wants.
const BLOCKED_MAX: u64 = 10;
/// The least share of packets for everything that is looked at, in percent.
const SHARE_MIN: f64 = 4.5;
/// The same for translated addresses, which half of the worlds have.
const TRANSLATED_MIN: f64 = 4.0;

/// Counts over a run.
#[derive(Default)]
pub struct Seen {
    pub common: Coverage,
    /// Steps that were planned and applied.
    pub steps: u64,
    /// Packets by where their ends are, the two ends in order.
    pairs: BTreeMap<(&'static str, &'static str), u64>,
    /// Packets of which rules of others say something else than the policy.
    foreign: u64,
    /// Packets with an address that was translated on the way.
    translated: u64,
    blocked_worlds: u64,
    blocks: BTreeMap<String, u64>,
}

impl Seen {
    pub fn note(&mut self, snapshot: &Snapshot, flow: &Flow, passes: bool, foreign: bool) {
        self.common.note(snapshot, flow, passes);
        let mut ends = [place(&flow.source), place(&flow.destination)];
        ends.sort_unstable();
        *self.pairs.entry((ends[0], ends[1])).or_default() += 1;
        self.foreign += u64::from(foreign);
        self.translated +=
            u64::from([&flow.source, &flow.destination].iter().any(|end| is_translated(snapshot, end)));
    }

    pub fn block(&mut self, code: &str) {
        self.blocked_worlds += u64::from(!self.blocks.contains_key(code));
        *self.blocks.entry(code.to_owned()).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.common.add(&other.common);
        self.steps += other.steps;
        self.foreign += other.foreign;
        self.translated += other.translated;
        self.blocked_worlds += other.blocked_worlds;
        other.pairs.iter().for_each(|(pair, count)| *self.pairs.entry(*pair).or_default() += count);
        other.blocks.iter().for_each(|(code, count)| *self.blocks.entry(code.clone()).or_default() += count);
    }

    fn share(&self, of: impl Fn(&(&'static str, &'static str)) -> bool) -> f64 {
        let count: u64 = self.pairs.iter().filter(|(pair, _)| of(pair)).map(|(_, count)| count).sum();
        count as f64 * 100.0 / self.common.packets.max(1) as f64
    }

    /// The shares that the run must have.
    pub fn check(&self, worlds: u64, packets: u64) {
        assert!(self.blocked_worlds * 100 <= worlds * BLOCKED_MAX, "{} worlds blocked", self.blocked_worlds);
        self.common.check(worlds, packets * (100 - BLOCKED_MAX) / 100);
        let clouds = ["AWS", "Azure", "GCP"];
        for (n, a) in clouds.into_iter().enumerate() {
            for b in clouds.into_iter().skip(n) {
                let share = self.share(|pair| *pair == (a, b));
                assert!(share >= SHARE_MIN, "between {a} and {b}: only {share:.1} % of packets");
            }
        }
        for place in ["outside", "unmanaged"] {
            let share = self.share(|(a, b)| [*a, *b].contains(&place));
            assert!(share >= SHARE_MIN, "{place}: only {share:.1} % of packets");
        }
        let translated = self.translated as f64 * 100.0 / self.common.packets.max(1) as f64;
        assert!(translated >= TRANSLATED_MIN, "translated addresses: only {translated:.1} % of packets");
        // Most packets ask about what the policy names, and rules of others are about something else.
        assert!(self.foreign * 400 >= self.common.packets, "rules of others decide {} packets", self.foreign);
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.common)?;
        for ((a, b), count) in &self.pairs {
            let share = self.share(|pair| *pair == (*a, *b));
            writeln!(f, "{:>35}: {count:>8} {share:>5.1} %", format!("{a} and {b}"))?;
        }
        let share = self.foreign as f64 * 100.0 / self.common.packets.max(1) as f64;
        writeln!(f, "{:>35}: {:>8} {share:>5.1} %", "decided by rules of others", self.foreign)?;
        let share = self.translated as f64 * 100.0 / self.common.packets.max(1) as f64;
        writeln!(f, "{:>35}: {:>8} {share:>5.1} %", "translated addresses", self.translated)?;
        writeln!(f, "{:>35}: {:>8}", "steps applied", self.steps)?;
        writeln!(f, "{:>35}: {:>8} {:?}", "blocked worlds", self.blocked_worlds, self.blocks)
    }
}

/// Whether an end is under another address than its own.
pub fn is_translated(snapshot: &Snapshot, end: &End) -> bool {
    let held = snapshot.interfaces().find(|(_, _, interface)| Some(&interface.id) == end.interface.as_ref());
    held.is_some_and(|(_, _, interface)| !interface.addresses.contains(&end.address))
}

fn place(end: &End) -> &'static str {
    match end.interface.as_ref().map(|id| cloud_of_name(id.as_str())) {
        Some(Some(Cloud::Aws)) => "AWS",
        Some(Some(Cloud::Azure)) => "Azure",
        Some(Some(Cloud::Gcp)) => "GCP",
        Some(None) => "unmanaged",
        None => "outside",
    }
}
