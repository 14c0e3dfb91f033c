//! However log entries are cut and shared out, the same is told of them.

use flow::format::apart::{Memory, Split};
use flow::format::gcp::Gcp;
use flow::{Format, Sink};

use crate::gcp::{DECISION, FLOW, with};
use crate::lines::Lines;

/// Entries of all kinds, good and bad, of us and of others.
fn text(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..rng.usize(..40) {
        let line = match rng.u8(..12) {
            0 => " ".repeat(rng.usize(..3)),
            1 => "no entry".into(),
            2 => with(FLOW, "vpc_flows", "dns_queries"),
            3 => r#"{"logName":"projects/p/logs/mine","jsonPayload":{"connection":7}}"#.into(),
            4 => with(FLOW, ":5432", ":65536"),
            5 => DECISION.into(),
            6 => FLOW[..rng.usize(..FLOW.len())].into(),
            _ => with(FLOW, "web-1", &format!("web-{}", rng.u8(..4))),
        };
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(rng.choice([&b"\n"[..], b"\n", b"\r\n"]).unwrap());
    }
    if rng.bool() {
        text.truncate(rng.usize(..=text.len()));
    }
    text
}

/// In order, in one piece: what was told and how many entries were of others.
fn in_order(text: &[u8]) -> (Vec<String>, u64) {
    let (mut reader, mut sink) = (Gcp::new(), Lines::default());
    reader.feed(text, &mut sink);
    assert_eq!(reader.finish(&mut sink), text.len() as u64);
    (sink.lines, reader.others())
}

#[test]
fn entries_are_read_the_same_however_they_are_cut() {
    for seed in 0..500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let text = text(&mut rng);
        let (mut reader, mut sink) = (Gcp::new(), Lines::default());
        let mut rest = &text[..];
        let longest = rng.choice([1, 100, 3000]).unwrap();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rng.usize(1..=longest).min(rest.len()));
            reader.feed(now, &mut sink);
            rest = later;
        }
        assert_eq!(reader.finish(&mut sink), text.len() as u64);
        assert_eq!((sink.lines, reader.others()), in_order(&text), "seed {seed}");
    }
}

/// As the pipeline does it: blocks in any order, by any of some threads, each with a sink of its own.
#[test]
fn entries_can_be_read_in_any_order() {
    let (mut records, mut faults, mut others) = (0, 0, 0);
    for seed in 0..1000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let text = text(&mut rng);
        let mut split = Split::of(&Format::GcpJsonLines).unwrap().unwrap();
        let (mut found, mut from) = (Vec::new(), 0);
        let mut first = Lines::default();
        while from < text.len() {
            let least = rng.usize(1..3000).min(text.len() - from);
            let end = text[from + least - 1..].iter().position(|&byte| byte == b'\n');
            let lines = &text[from..end.map_or(text.len(), |end| from + least + end)];
            let mut sections = Vec::new();
            split.split(from as u64, lines, &mut sections, &mut |fault| first.fault(fault));
            found.extend(sections.into_iter().map(|section| (from as u64, lines, section)));
            from += lines.len();
        }
        rng.shuffle(&mut found);
        let mut threads = [(Memory::default(), first), (Memory::default(), Lines::default())];
        for (offset, lines, section) in found {
            let (memory, sink) = &mut threads[rng.usize(..2)];
            section.read(offset, lines, memory, sink);
        }
        let mut told: Vec<String> = threads.iter().flat_map(|(_, sink)| sink.lines.clone()).collect();
        told.sort();
        let mut whole = in_order(&text);
        whole.0.sort();
        assert_eq!(told, whole.0, "seed {seed}");
        let of = |kind: &str| told.iter().filter(|line| line.starts_with(kind)).count();
        (records, faults, others) = (records + of("record"), faults + of("fault"), others + whole.1);
    }
    println!("{records} records, {faults} faults, {others} of others");
    assert!(records > 5_000 && faults > 2_000 && others > 2_000);
}
