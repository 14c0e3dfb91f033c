//! The loop: mutate, check, keep what is new, stop when time is up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::checks::{Check, Finding};
use crate::mutate::{Random, mutate};

/// Seconds without a setting: for every run of the tests.
const SECONDS: u64 = 3;
/// How long one input may take: a thousandth is usual.
const INPUT_SECONDS_MAX: u64 = 60;
/// How much memory a target may take, in KiB.
const MEMORY_KIB_MAX: u64 = 512 << 10;
/// How many inputs are kept to be mutated.
const SHAPES_MAX: usize = 4000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Fuzzes one reader.
pub fn run(name: &'static str, mut shapes: Vec<Vec<u8>>, check: &Check) {
    let (seconds, seed) = (setting("FUZZ_SECONDS", SECONDS), setting("FUZZ_SEED", 1));
    let mut random = Random::with_seed(seed);
    let mut seen = BTreeSet::new();
    let (mut inputs, mut records, mut faults) = (0u64, 0u64, 0u64);
    let before = memory_kib();
    let mut peak = Peak { name, told: before };
    let watch = Watch::begin(name);
    quiet();
    let begin = Instant::now();
    let given = shapes.len();
    let mut next = 0;
    while begin.elapsed() < Duration::from_secs(seconds) {
        // Each shape as it is first: a corpus of which nothing is read tests nothing.
        let mut input = shapes[if next < given { next } else { random.usize(..shapes.len()) }].clone();
        if next >= given {
            let other = shapes[random.usize(..shapes.len())].clone();
            mutate(&mut input, &other, &mut random);
        }
        next += 1;
        watch.input(inputs, &input);
        let found = checked(name, seed, &input, check, &mut random);
        peak.look(inputs, &input);
        inputs += 1;
        records += found.iter().filter(|finding| matches!(finding, Finding::Record(_))).count() as u64;
        faults += found.iter().filter(|finding| matches!(finding, Finding::Fault(_))).count() as u64;
        if next <= given {
            assert!(!found.is_empty(), "nothing is found in the shape {next}");
        }
        let new = found.iter().map(signature).filter(|text| seen.insert(text.clone())).count();
        if new > 0 && shapes.len() < SHAPES_MAX {
            shapes.push(input);
        }
    }
    drop(watch);
    let (kinds, grown) = (seen.len(), memory_kib().saturating_sub(before) / 1024);
    println!(
        "{name}: seed {seed}, {inputs} inputs in {seconds} s, {records} records, {faults} faults of {kinds} kinds, {grown} MiB more at most"
    );
    assert!(inputs > given as u64 && records > 0 && faults > 0, "nothing was tried");
    assert!(grown * 1024 < MEMORY_KIB_MAX, "{grown} MiB");
}

/// Does not print the panics of dependencies: `parquet`'s are caught by its reader. One that is not caught fails the test all the
/// same.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|at| at.file().contains("/registry/src/")) {
                print(panic);
            }
        }));
    });
}

fn checked(name: &str, seed: u64, input: &[u8], check: &Check, random: &mut Random) -> Vec<Finding> {
    let state = random.clone();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut random = state.clone();
        check(input, &mut random)
    }));
    // The check's own draws do not move the loop's.
    random.u64(..);
    result.unwrap_or_else(|panic| {
        let file = kept(name, "failed");
        std::fs::write(&file, input).unwrap();
        println!("{name}: seed {seed}: the input of {} bytes is in {}", input.len(), file.display());
        std::panic::resume_unwind(panic)
    })
}

/// What is new about a finding: the kind of a record, or the words of a reason.
fn signature(finding: &Finding) -> String {
    match finding {
        Finding::Record(record) => format!(
            "{:?} {:?} {:?} {} {} {}",
            record.direction,
            record.opener,
            record.outcome,
            record.connections,
            record.source.is_ipv4(),
            record.forward.bytes.ilog2_or_zero()
        ),
        Finding::Gap(gap) => format!("{:?}", gap.kind),
        Finding::Fault(fault) => {
            // Between the first quotation mark and the last one is the input, which has marks of its own.
            let reason = fault.reason.as_str();
            let (first, rest) = reason.split_once(MARKS).unwrap_or((reason, ""));
            let last = rest.rsplit_once(MARKS).map_or("", |(_, last)| last);
            [first, last].concat().replace(|letter: char| letter.is_ascii_digit(), "")
        }
    }
}

const MARKS: [char; 2] = ['`', '"'];

trait Magnitude {
    fn ilog2_or_zero(self) -> u32;
}

impl Magnitude for u64 {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or(0)
    }
}

/// The most memory that this process ever had, in KiB; 0 where the system does not say.
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// Keeps the input that takes the most memory.
struct Peak {
    name: &'static str,
    told: u64,
}

impl Peak {
    /// A rise that is worth a word, in KiB.
    const RISE_KIB: u64 = 64 << 10;

    fn look(&mut self, inputs: u64, input: &[u8]) {
        let now = memory_kib();
        if now > self.told + Self::RISE_KIB {
            let (name, mib) = (self.name, (now - self.told) / 1024);
            let file = kept(name, "memory");
            std::fs::write(&file, input).unwrap();
            println!("{name}: {mib} MiB more for input {inputs}: {}", file.display());
            self.told = now;
        }
    }
}

/// Ends the process if an input takes too long: nothing else ends a loop.
struct Watch(Arc<Mutex<Present>>);

/// What is being tried.
#[derive(Default)]
struct Present {
    number: u64,
    input: Vec<u8>,
    is_ended: bool,
}

impl Watch {
    fn begin(name: &'static str) -> Self {
        let present = Arc::new(Mutex::new(Present::default()));
        let seen = present.clone();
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_millis(200));
                let Present { number, input, is_ended } = &*seen.lock().unwrap();
                if *is_ended {
                    return;
                }
                if *number != last {
                    (last, since) = (*number, Instant::now());
                } else if since.elapsed() > Duration::from_secs(INPUT_SECONDS_MAX) {
                    let file = kept(name, "slow");
                    std::fs::write(&file, input).unwrap();
                    eprintln!("{name}: input {number} takes over {INPUT_SECONDS_MAX} s: {}", file.display());
                    std::process::abort();
                }
            }
        });
        Self(present)
    }

    fn input(&self, number: u64, input: &[u8]) {
        let mut present = self.0.lock().unwrap();
        present.number = number;
        present.input.clear();
        present.input.extend_from_slice(input);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.lock().unwrap().is_ended = true;
    }
}

/// Where an input is kept to be looked at.
fn kept(name: &str, why: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{why}.bin"))
}
