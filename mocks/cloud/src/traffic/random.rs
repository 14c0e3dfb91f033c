//! Conversations that are drawn from a seed: short and long ones, of several protocols, some over and over again from
//! the same port.

use fastrand::Rng;

use super::{Conversation, Count, Ending};
use crate::packet::End;

/// How much is drawn, and when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Everything is drawn from it.
    pub seed: u64,
    /// How many conversations.
    pub count: usize,
    /// The earliest beginning, in milliseconds since 1970.
    pub from_ms: u64,
    /// From the earliest beginning to the latest.
    pub span_ms: u64,
}

/// Ports that something listens on.
const PORTS: [u16; 8] = [22, 53, 80, 443, 3306, 5432, 6379, 8080];

/// Conversations between interfaces, and between them and outside, sorted by their beginning.
pub fn random(ends: &[End], shape: &Shape) -> Vec<Conversation> {
    let mut random = Rng::with_seed(shape.seed);
    let pairs = pairs(ends);
    let mut all: Vec<Conversation> = Vec::with_capacity(shape.count);
    while all.len() < shape.count {
        let Some((source, destination)) = random.choice(&pairs) else { break };
        let mut one = conversation(source, destination, shape, &mut random);
        // The same five-tuple once more.
        if let Some(earlier) = random.choice(&all).filter(|_| random.u8(0..8) == 0) {
            one = Conversation { start_ms: one.start_ms, ..earlier.clone() };
        }
        all.push(one);
    }
    all.sort_by_key(|one| one.start_ms);
    all
}

/// Two ends of the same family, one of them an interface and no interface twice.
fn pairs(ends: &[End]) -> Vec<(End, End)> {
    let fits = |a: &End, b: &End| match (a, b) {
        (End::External(_), End::External(_)) => false,
        (End::Interface(a, _), End::Interface(b, _)) if a == b => false,
        _ => a.address().is_ipv4() == b.address().is_ipv4(),
    };
    let others = |a: &End| ends.iter().filter(|b| fits(a, b)).cloned().collect::<Vec<End>>();
    ends.iter().flat_map(|a| others(a).into_iter().map(|b| (a.clone(), b))).collect()
}

fn conversation(source: &End, destination: &End, shape: &Shape, random: &mut Rng) -> Conversation {
    let protocol = match random.u8(0..100) {
        0..70 => 6,
        70..90 => 17,
        90..97 if source.address().is_ipv4() => 1,
        90..97 => 58,
        _ => 50,
    };
    let has_ports = matches!(protocol, 6 | 17);
    let duration_ms = match random.u8(0..10) {
        0 => 0,
        1..6 => random.u64(1..2_000),
        6..9 => random.u64(2_000..200_000),
        _ => random.u64(200_000..2_000_000),
    };
    let sent = count(random, 1);
    Conversation {
        source: source.clone(),
        destination: destination.clone(),
        seen_as: None,
        dialled: None,
        protocol,
        source_port: if has_ports { random.u16(32_768..=60_999) } else { 0 },
        detail: match protocol {
            6 | 17 => random.choice(PORTS).unwrap_or(443),
            1 => 8 << 8,
            58 => 128 << 8,
            _ => 0,
        },
        start_ms: shape.from_ms + random.u64(0..=shape.span_ms),
        duration_ms,
        sent,
        received: match (protocol, random.u8(0..4)) {
            (6, _) => count(random, 1),
            (_, 0) => Count::default(),
            _ => count(random, 0),
        },
        ending: match (protocol, random.u8(0..10)) {
            (6, 0) => Ending::Silent,
            (6, 1) => Ending::Reset,
            (6, _) => Ending::Finished,
            _ => Ending::Silent,
        },
    }
}

/// A few packets or many, at least as many as asked.
fn count(random: &mut Rng, least: u64) -> Count {
    let packets = least.max(if random.bool() { random.u64(0..12) } else { random.u64(0..5_000) });
    Count { packets, bytes: packets * random.u64(40..1_400) + if packets > 0 { random.u64(0..7) } else { 0 } }
}
