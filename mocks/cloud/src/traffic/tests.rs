//! Bursts add up, fates follow from the first stage that stops, and what is drawn is of every kind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use super::*;

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A cloud whose interfaces begin with a letter, and which stops at stages.
struct Cloud(&'static str, Vec<Stage>);

impl Edge for Cloud {
    fn holds(&self, interface: &str) -> bool {
        interface.starts_with(self.0)
    }

    fn passes(&self, stage: Stage, packet: &Packet, _: u16, _: u64) -> bool {
        let foreign = |end: &End| matches!(end, End::Interface(id, _) if !self.holds(id));
        assert!(!foreign(&packet.source) && !foreign(&packet.destination), "{packet:?}");
        !self.1.contains(&stage)
    }
}

fn talk() -> Conversation {
    Conversation {
        source: End::Interface("a1".to_owned(), at("10.0.0.1")),
        destination: End::Interface("b1".to_owned(), at("10.1.0.1")),
        seen_as: None,
        dialled: None,
        protocol: 6,
        source_port: 40_000,
        detail: 443,
        start_ms: 1_000,
        duration_ms: 5_000,
        sent: Count { packets: 10, bytes: 1_003 },
        received: Count { packets: 8, bytes: 4_001 },
        ending: Ending::Finished,
    }
}

#[test]
fn shares_of_a_burst_add_up_to_the_whole() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut cut = 0;
    for _ in 0..20_000 {
        let packets = random.u64(0..40);
        let count = Count { packets, bytes: packets * random.u64(40..1_500) + packets.min(random.u64(0..9)) };
        let burst = Burst { start_ms: random.u64(0..500), duration_ms: random.u64(0..900), count };
        let window = random.u64(1..300);
        let (mut sum, mut firsts, mut lasts, mut shares, mut edge) = (Count::default(), 0, 0, 0, 0);
        for begin in burst.windows(window) {
            let Some(share) = burst.between(begin, begin + window) else { continue };
            assert!(begin <= share.first_ms && share.last_ms < begin + window, "{burst:?} {begin} {share:?}");
            assert!(edge <= share.first_ms && share.first_ms <= share.last_ms);
            edge = share.last_ms;
            sum += share.count;
            firsts += u32::from(share.has_first);
            lasts += u32::from(share.has_last);
            shares += 1;
        }
        assert_eq!(sum, count, "{burst:?} by {window}");
        assert!(packets == 0 || (firsts, lasts) == (1, 1), "{burst:?} by {window}");
        cut += u32::from(shares > 1);
    }
    println!("{cut} of 20000 bursts were cut");
    assert!(cut > 5_000, "{cut}");
}

#[test]
fn the_first_stage_that_stops_decides() {
    let fate = |a: &[Stage], b: &[Stage]| {
        let (a, b) = (Cloud("a", a.to_vec()), Cloud("b", b.to_vec()));
        judge(&[&a, &b], [talk()]).remove(0).fate
    };
    assert_eq!(fate(&[], &[]), Fate::Delivered);
    assert_eq!(fate(&[Stage::Leaves], &[Stage::Arrives]), Fate::StoppedLeaving);
    assert_eq!(fate(&[Stage::AnswerArrives], &[Stage::Arrives]), Fate::StoppedArriving);
    assert_eq!(fate(&[Stage::AnswerArrives], &[Stage::AnswerLeaves]), Fate::AnswerStoppedLeaving);
    assert_eq!(fate(&[Stage::AnswerArrives], &[]), Fate::AnswerStoppedArriving);
    // Stages at the other end are nobody's business.
    assert_eq!(fate(&[Stage::Arrives], &[Stage::Leaves]), Fate::Delivered);
}

#[test]
fn each_end_sees_what_comes_to_it() {
    let seen = |fate, side| {
        let all = Passage { conversation: talk(), fate }.sights(side).into_iter();
        all.map(|one| {
            let way = if one.is_egress { "out" } else { "in" };
            let word = if one.accepted { "" } else { "!" };
            format!("{word}{way}{}", one.burst.count.packets)
        })
        .collect::<Vec<_>>()
        .join(" ")
    };
    let table = [
        (Fate::StoppedLeaving, "!out3", ""),
        (Fate::StoppedArriving, "out3", "!in3"),
        (Fate::AnswerStoppedLeaving, "out3", "in3 !out3"),
        (Fate::AnswerStoppedArriving, "out3 !in3", "in3 out3"),
        (Fate::Delivered, "out10 in8", "in10 out8"),
    ];
    for (fate, source, destination) in table {
        assert_eq!(seen(fate, Side::Source), source, "{fate:?}");
        assert_eq!(seen(fate, Side::Destination), destination, "{fate:?}");
    }
}

#[test]
fn a_translated_address_is_outside_on_the_side_that_sees_it() {
    let cloud = Cloud("", Vec::new());
    let nat = Conversation { seen_as: Some(at("192.0.2.7")), ..talk() };
    assert!(matches!(nat.packet(Side::Source, &cloud).destination, End::Interface(..)));
    assert_eq!(nat.packet(Side::Destination, &cloud).source, End::External(at("192.0.2.7")));
    let dialled = Conversation { dialled: Some(at("192.0.2.8")), ..talk() };
    assert_eq!(dialled.packet(Side::Source, &cloud).destination, End::External(at("192.0.2.8")));
    assert_eq!(dialled.addresses(Side::Destination), (at("10.0.0.1"), at("10.1.0.1")));
}

#[test]
fn what_is_drawn_is_of_every_kind_and_the_same_for_a_seed() {
    let inside = |id: &str, text| End::Interface(id.to_owned(), at(text));
    let ends = [
        inside("a", "10.0.0.1"),
        inside("b", "10.0.0.2"),
        inside("b", "2001:db8::2"),
        inside("c", "2001:db8::3"),
        End::External(at("192.0.2.1")),
    ];
    let shape = Shape { seed: 5, count: 4_000, from_ms: 1_000, span_ms: 60_000 };
    let all = random(&ends, &shape);
    assert_eq!(all, random(&ends, &shape));
    assert_ne!(all, random(&ends, &Shape { seed: 6, ..shape }));
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for one in &all {
        assert!(one.source.address().is_ipv4() == one.destination.address().is_ipv4());
        assert!((1_000..=61_000).contains(&one.start_ms));
        let mut note = |kind: String| *kinds.entry(kind).or_default() += 1;
        note(format!("protocol {}", one.protocol));
        note(format!("{:?}", one.ending));
        note(format!("longer than a minute: {}", one.duration_ms > 60_000));
        note(format!("answers: {}", one.received.packets > 0));
        note(format!("outside: {}", matches!(one.source, End::External(_))));
    }
    println!("{kinds:?}");
    assert_eq!(kinds.len(), 5 + 3 + 2 + 2 + 2, "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 50), "{kinds:?}");
}
