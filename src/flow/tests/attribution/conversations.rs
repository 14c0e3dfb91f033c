//! A small world talks, its interfaces write logs, and the sums are what was said.
//!
//! Workloads in three networks, two of which have the same addresses. Each conversation is written down by the
//! interfaces of its ends in the way of their cloud: both directions, several intervals, flags OR-ed or none, or both ways in one
//! record; interfaces of some roles write nothing. The records are shuffled and read in batches. What comes out is compared
//! with what was said: the test knows who opened each conversation and never asks the code under test.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use flow::{
    Aliases, Cloud, Counts, Direction, FlowRecord, Holders, Opener, Outcome, PointId, Summaries, Summariser,
};
use policy::Snapshot;

use crate::world::{Line, T, feed, holders, name, network, settings, snapshot, workload};

const ROLES: [&str; 3] = ["web", "db", "cache"];
const NETWORKS: [&str; 3] = ["vpc-a", "vpc-b", "vpc-c"];
/// Two of each role in each network; both have a second and an IPv6 address.
const EACH: usize = 2;

/// Who takes part: a workload, or somebody outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Party {
    Inside { network: usize, role: usize, number: usize },
    Outside(u8),
}

impl Party {
    fn address(self, form: usize) -> IpAddr {
        let text = match self {
            // The first two networks have the same addresses.
            Self::Inside { network, role, number } => {
                let (third, last) = (network / 2 * 9, 10 * role + number);
                match form {
                    0 => format!("10.0.{third}.{last}"),
                    1 => format!("10.0.{third}.{}", last + 100),
                    _ => format!("2001:db8:{third}::{last}"),
                }
            }
            Self::Outside(number) if form < 2 => format!("203.0.113.{number}"),
            Self::Outside(number) => format!("2001:db8:ffff::{number}"),
        };
        text.parse().unwrap()
    }

    fn name(self, form: usize) -> String {
        match self {
            Self::Inside { network: 0, role, .. } => ROLES[role].to_owned(),
            Self::Inside { network, role, .. } => format!("{}@{}", ROLES[role], NETWORKS[network]),
            Self::Outside(_) => {
                let address = self.address(form);
                format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
            }
        }
    }

    fn interface(self) -> Option<String> {
        let Self::Inside { network, role, number } = self else { return None };
        Some(format!("eni-{network}{role}{number}"))
    }
}

/// What became of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Delivered,
    DroppedAtSource,
    DroppedAtDestination,
    /// Came in, and the answers were dropped on the way out (a network ACL).
    AnswersDropped,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    /// With flags and direction.
    Aws5,
    /// Without either.
    Aws2,
    Azure,
    Gcp,
}

struct Conversation {
    source: Party,
    destination: Party,
    form: usize,
    protocol: u8,
    port: u16,
    client_port: u16,
    start: i64,
    fate: Fate,
    style: Style,
    /// Packets of each interval, there and back.
    intervals: Vec<(u64, u64)>,
}

struct World {
    holders: Arc<Holders>,
    /// Whether interfaces of a role in a network write logs.
    logs: [[bool; ROLES.len()]; NETWORKS.len()],
    middle: Style,
}

fn estate() -> Snapshot {
    let mut workloads = Vec::new();
    for (network, id) in NETWORKS.iter().enumerate() {
        for (role, name) in ROLES.iter().enumerate() {
            for number in 0..EACH {
                let party = Party::Inside { network, role, number };
                let addresses: Vec<String> = (0..3).map(|form| party.address(form).to_string()).collect();
                let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
                let place = format!("{}@{id}", party.interface().unwrap());
                workloads.push(workload(&place, &format!("role={name}"), &addresses));
            }
        }
    }
    let networks = vec![
        network("vpc-a", "10.0.0.0/24", &["vpc-c"]),
        network("vpc-b", "10.0.0.0/24", &[]),
        network("vpc-c", "10.0.9.0/24", &["vpc-a"]),
    ];
    snapshot(workloads, networks)
}

impl World {
    fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            holders: holders(&estate(), &Aliases::default()),
            logs: std::array::from_fn(|_| std::array::from_fn(|_| random.u8(0..4) > 0)),
            middle: if random.bool() { Style::Azure } else { Style::Gcp },
        }
    }

    fn writes(&self, party: Party) -> bool {
        matches!(party, Party::Inside { network, role, .. } if self.logs[network][role])
    }

    fn conversation(&self, random: &mut fastrand::Rng) -> Conversation {
        let inside = |random: &mut fastrand::Rng, network| Party::Inside {
            network,
            role: random.usize(0..ROLES.len()),
            number: random.usize(0..EACH),
        };
        let home = random.usize(0..NETWORKS.len());
        let one = inside(random, home);
        let other = match random.u8(0..4) {
            0 => Party::Outside(random.u8(1..4)),
            1 if home != 1 => inside(random, 2 - home),
            _ => std::iter::repeat_with(|| inside(random, home)).find(|other| *other != one).unwrap(),
        };
        let (source, destination) = if random.bool() { (one, other) } else { (other, one) };
        let style = match home {
            1 => self.middle,
            _ if random.bool() => Style::Aws5,
            _ => Style::Aws2,
        };
        let protocol = *random.choice(&[6, 6, 6, 17, 1]).unwrap();
        let is_told = matches!(style, Style::Azure) || (style == Style::Aws5 && protocol == 6);
        // A service on a client's port is only known where the log says who opened it, all the time.
        let is_high = is_told && random.u8(0..5) == 0;
        let port = if is_high { 50_051 } else { *random.choice(&[22, 443, 5432]).unwrap() };
        let intervals = if is_high && style == Style::Aws5 { 1 } else { random.usize(1..4) };
        let has_answers = protocol != 1;
        let intervals: Vec<_> = (0..intervals)
            .map(|_| (random.u64(1..9), if has_answers { random.u64(1..9) } else { 0 }))
            .collect();
        Conversation {
            source,
            destination,
            form: random.usize(0..3),
            protocol,
            port: if has_answers { port } else { 0 },
            client_port: if has_answers { random.u16(32_768..) } else { 0 },
            start: T + random.i64(0..2) * 3600 + random.i64(0..1800),
            fate: match random.u8(0..8) {
                0 => Fate::DroppedAtSource,
                1 | 2 => Fate::DroppedAtDestination,
                3 if has_answers && matches!(style, Style::Aws2 | Style::Aws5) => Fate::AnswersDropped,
                _ => Fate::Delivered,
            },
            style,
            intervals,
        }
    }
}

impl Conversation {
    /// What the interface of one end writes.
    fn written_at(&self, is_source: bool, lines: &mut Vec<Line>) {
        let here = if is_source { self.source } else { self.destination };
        if !is_source && self.fate == Fate::DroppedAtSource {
            return;
        }
        if self.style == Style::Gcp && !is_source && self.fate == Fate::DroppedAtDestination {
            return;
        }
        for (number, &(there, back)) in self.intervals.iter().enumerate() {
            self.interval(is_source, here, number, there, back, lines);
        }
    }

    fn interval(
        &self,
        is_source: bool,
        here: Party,
        number: usize,
        there: u64,
        back: u64,
        lines: &mut Vec<Line>,
    ) {
        let is_dropped_here = match self.fate {
            Fate::DroppedAtSource => is_source,
            Fate::DroppedAtDestination => !is_source,
            _ => false,
        };
        let outcome = match (self.style, is_dropped_here) {
            (Style::Gcp, _) => Outcome::Unknown,
            (_, true) => Outcome::Rejected,
            (_, false) => Outcome::Accepted,
        };
        let is_answered = matches!(self.fate, Fate::Delivered);
        let back = if is_answered { back } else { 0 };
        let start = self.start + 60 * number as i64;
        let mut record = FlowRecord {
            point: PointId(0),
            start,
            end: start + 59,
            source: self.source.address(self.form),
            destination: self.destination.address(self.form),
            source_port: self.client_port,
            destination_port: self.port,
            protocol: self.protocol,
            direction: Some(if is_source { Direction::Egress } else { Direction::Ingress }),
            opener: Opener::Unknown,
            tcp_flags: if number == 0 { [2, 3][self.intervals.len() % 2] } else { 0 },
            outcome,
            connections: 1,
            forward: Counts { packets: there, bytes: 60 * there },
            backward: Counts::default(),
        };
        let (cloud, interface) = match self.style {
            Style::Aws2 | Style::Aws5 => (Cloud::Aws, here.interface()),
            // A MAC that the inventory does not know; Google's instances are known by metadata that is not written.
            Style::Azure => (Cloud::Azure, Some(format!("mac of {here:?}"))),
            Style::Gcp => (Cloud::Gcp, None),
        };
        let Party::Inside { network, .. } = here else { return };
        let mut write = |record: FlowRecord| {
            let network = Some(NETWORKS[network].to_uppercase());
            lines.push(Line { cloud, interface: interface.clone(), network, record });
        };
        if self.style == Style::Azure {
            record.opener = Opener::Source;
            record.connections = u32::from(number == 0);
            record.backward = Counts { packets: back, bytes: 60 * back };
            write(record);
            return;
        }
        if self.style != Style::Aws5 || self.protocol != 6 {
            record.tcp_flags = 0;
        }
        if self.style == Style::Aws2 {
            record.direction = None;
        }
        write(record);
        let is_answer_dropped = self.fate == Fate::AnswersDropped && !is_source;
        if back == 0 && !is_answer_dropped {
            return;
        }
        (record.source, record.destination) = (record.destination, record.source);
        (record.source_port, record.destination_port) = (record.destination_port, record.source_port);
        let turned = if is_source { Direction::Ingress } else { Direction::Egress };
        record.direction = record.direction.map(|_| turned);
        record.tcp_flags |= if record.tcp_flags == 0 { 0 } else { 16 };
        record.forward = Counts { packets: back.max(1), bytes: 60 * back };
        if is_answer_dropped {
            record.outcome = Outcome::Rejected;
        }
        write(record);
    }

    /// What a reader of the summaries must be told of it: the verdict and the numbers; nothing if nobody wrote it down.
    fn truth(&self, world: &World) -> Option<(String, [u64; 4])> {
        let (at_source, at_destination) = (world.writes(self.source), world.writes(self.destination));
        let passed = if self.style == Style::Gcp { "unknown" } else { "accepted" };
        let verdict = match self.fate {
            Fate::Delivered | Fate::AnswersDropped if at_source || at_destination => passed,
            Fate::DroppedAtSource if self.style == Style::Gcp && at_source => passed,
            Fate::DroppedAtSource if at_source => "rejected",
            // Without a verdict, what leaves is all that is seen; and so it is where the other end does not write.
            Fate::DroppedAtDestination if self.style == Style::Gcp && at_source => passed,
            Fate::DroppedAtDestination if self.style != Style::Gcp && at_destination => "rejected",
            Fate::DroppedAtDestination if at_source => passed,
            _ => return None,
        };
        let intervals = self.intervals.len() as u64;
        let packets: u64 = self.intervals.iter().map(|interval| interval.0).sum();
        let answers: u64 = self.intervals.iter().map(|interval| interval.1).sum();
        let is_answered = self.fate == Fate::Delivered;
        let is_drop_seen = self.fate == Fate::AnswersDropped && at_destination;
        let connections = if self.style == Style::Azure { 1 } else { intervals };
        let numbers = [
            connections,
            packets,
            if is_answered { answers } else { 0 },
            if is_drop_seen { intervals } else { 0 },
        ];
        let service = policy::ServicePoint { protocol: self.protocol, detail: self.port };
        let (source, destination) = (self.source.name(self.form), self.destination.name(self.form));
        let window = (self.start - T) / 3600;
        Some((format!("{window} {source} > {destination} {service} {verdict}"), numbers))
    }
}

type Totals = BTreeMap<String, [u64; 4]>;

fn add(totals: &mut Totals, key: String, numbers: [u64; 4]) {
    let known = totals.entry(key).or_default();
    (0..4).for_each(|at| known[at] += numbers[at]);
}

fn totals(summaries: &Summaries) -> Totals {
    let mut totals = Totals::new();
    for (key, tally) in &summaries.rows {
        let (source, destination) = (name(summaries, key.source), name(summaries, key.destination));
        let verdict = format!("{:?}", key.outcome).to_lowercase();
        let window = (key.window - T) / 3600;
        let text = format!("{window} {source} > {destination} {} {verdict}", key.service);
        let numbers = [tally.connections, tally.packets, tally.reply_packets, tally.rejected_replies];
        add(&mut totals, text, numbers);
    }
    totals
}

/// Read in batches: by several summarisers that sum into the same, or each on its own and added up.
fn read(world: &World, lines: &[Line], batches: &[usize], is_added: bool) -> Summaries {
    let one = || Summariser::new(settings(), world.holders.clone(), None);
    let first = one();
    let mut all = match is_added {
        true => [one(), one(), first],
        false => [first.another(), first.another(), first],
    };
    for (line, &batch) in lines.iter().zip(batches) {
        feed(&mut all[batch], std::slice::from_ref(line));
    }
    if !is_added {
        let [one, other, first] = all;
        drop((one, other));
        return first.into_summaries().0;
    }
    let parts: Vec<Summaries> = all.into_iter().map(|one| one.into_summaries().0).collect();
    let mut sum = Summaries::default();
    sum.add_all(&parts);
    sum
}

#[test]
fn what_was_said_is_what_is_told() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::random(&mut random);
        let conversations: Vec<Conversation> =
            (0..random.usize(1..60)).map(|_| world.conversation(&mut random)).collect();
        let (mut lines, mut expected) = (Vec::new(), Totals::new());
        for one in &conversations {
            for (is_source, party) in [(true, one.source), (false, one.destination)] {
                if world.writes(party) {
                    one.written_at(is_source, &mut lines);
                }
            }
            if let Some((key, numbers)) = one.truth(&world) {
                add(&mut expected, key, numbers);
            }
            let mut note = |what, is| *seen.entry(what).or_default() += u64::from(is);
            note("conversations", true);
            note("both write", world.writes(one.source) && world.writes(one.destination));
            note("nobody writes", one.truth(&world).is_none());
            note(
                "with somebody outside",
                [one.source, one.destination].iter().any(|p| p.interface().is_none()),
            );
            note("between networks", between(one));
            note("in overlapping addresses", matches!(one.source, Party::Inside { network: 0 | 1, .. }));
            note("dropped", matches!(one.fate, Fate::DroppedAtSource | Fate::DroppedAtDestination));
            note("answers dropped", one.fate == Fate::AnswersDropped);
            note("on a client's port", one.port > 32_768);
        }
        random.shuffle(&mut lines);
        let batches: Vec<usize> = lines.iter().map(|_| random.usize(0..3)).collect();
        let raw = read(&world, &lines, &batches, random.bool());
        assert_eq!(totals(&raw.merged()), expected, "seed {seed}");
        let guessed: u64 = raw.rows.iter().map(|(_, tally)| tally.guessed).sum();
        *seen.entry("records").or_default() += lines.len() as u64;
        *seen.entry("records guessed").or_default() += guessed;
        *seen.entry("records that are replies").or_default() += lines
            .iter()
            .filter(|line| line.record.source_port > 0 && line.record.source_port < 32_768)
            .count() as u64;
    }
    println!("{seen:?}");
    assert!(seen.values().all(|&count| count > 200), "the generator misses a kind: {seen:?}");
}

fn between(one: &Conversation) -> bool {
    match (one.source, one.destination) {
        (Party::Inside { network: a, .. }, Party::Inside { network: b, .. }) => a != b,
        _ => false,
    }
}
