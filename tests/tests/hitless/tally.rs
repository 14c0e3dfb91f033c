//! How much a row of runs has seen, and that it was enough.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use mock_cloud::Fault;

/// Something that is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Seen {
    Runs,
    Passes,
    Packets,
    /// A packet at a moment.
    Ticks,
    /// Packets that pass before and not after, or the other way round.
    Moved,
    Crashes,
    Fault(Fault),
    /// Writes that were throttled or failed.
    FailedWrites,
    /// Throttles by the published buckets.
    EmptyBuckets,
    StaleReads,
    DeniedReads,
    /// Steps that waited for a network that could not be read.
    HeldInTheDark,
    /// Steps that wait until one in another cloud has settled.
    Across,
    /// Transients that the plans named.
    Named,
    /// Ticks outside the bounds that they excuse.
    Excused,
}

/// Counts.
#[derive(Clone, Default)]
pub struct Tally(BTreeMap<Seen, usize>);

impl Tally {
    pub fn add(&mut self, seen: Seen, count: usize) {
        if count > 0 {
            *self.0.entry(seen).or_default() += count;
        }
    }

    pub fn of(&self, seen: Seen) -> usize {
        self.0.get(&seen).copied().unwrap_or(0)
    }
}

/// Runs that belong together.
pub struct Row {
    name: String,
    started: Instant,
    tally: Tally,
}

impl Row {
    pub fn start(name: &str) -> Self {
        Self { name: name.to_owned(), started: Instant::now(), tally: Tally::default() }
    }

    pub fn add(&mut self, run: &Tally) {
        self.tally.add(Seen::Runs, 1);
        run.0.iter().for_each(|(seen, count)| self.tally.add(*seen, *count));
    }

    /// Prints what was seen, also if the test passes, and fails if it is less than these floors.
    pub fn finish(self, floors: &[(Seen, usize)]) {
        let counts: Vec<String> =
            self.tally.0.iter().map(|(seen, count)| format!("{seen:?} {count}")).collect();
        let seconds = self.started.elapsed().as_secs_f64();
        let line = format!("hitless: {}: {seconds:.1} s; {}\n", self.name, counts.join(", "));
        // The harness swallows what macros print in a test that passes.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        for (seen, floor) in floors {
            let count = self.tally.of(*seen);
            assert!(count >= *floor, "{}: {seen:?} {count} times, {floor} are the least", self.name);
        }
    }
}
