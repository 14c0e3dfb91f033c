//! However a text is cut, the same is told of it.

use std::sync::Arc;

use flow::format::aws_text::{Found, Points, Sections};
use flow::format::{LINE_BYTES_MAX, Reader};
use flow::{Format, Sink};

use crate::told::{Told, V2, read};

/// Lines of all kinds, good and bad, with headers between them.
fn text(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = Vec::new();
    // Some are longer than what is looked at at once.
    for _ in 0..rng.usize(..60) * rng.usize(1..6) {
        let line = match rng.u8(..12) {
            0 => String::new(),
            1 => V2.into(),
            2 if rng.bool() => "end start srcaddr dstaddr srcport dstport protocol".into(),
            3 if rng.u8(..4) == 0 => "version srcaddr end".into(),
            4 => "20 10 10.0.0.1 2001:db8::1 1 2 6".into(),
            5 => format!("2 1 eni-{} - - - - - - - 10 20 - NODATA", rng.u8(..4)),
            6 => "2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 ACCEPT srcaddr".into(),
            _ => format!(
                "2 1 eni-{} 10.0.0.1 10.0.0.2 1 {} 6 1 1 10 20 ACCEPT OK",
                rng.u8(..4),
                rng.u32(..80_000)
            ),
        };
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(rng.choice([&b"\n"[..], b"\n", b"\r\n"]).unwrap());
    }
    if rng.bool() {
        text.truncate(rng.usize(..=text.len()));
    }
    text
}

/// With a header in front or not, so that half of the texts are read.
fn case(seed: u64) -> (fastrand::Rng, Vec<u8>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut all = if rng.u8(..4) > 0 { format!("{V2}\n").into_bytes() } else { Vec::new() };
    all.extend(text(&mut rng));
    (rng, all)
}

#[test]
fn a_text_is_read_the_same_however_it_is_cut() {
    let (mut records, mut faults, mut gaps) = (0, 0, 0);
    for seed in 0..3000 {
        let (mut rng, text) = case(seed);
        let whole = read(&Format::AwsText, &text);
        let mut told = Told::default();
        let mut reader = Reader::new(&Format::AwsText).unwrap();
        let mut rest = &text[..];
        let longest = rng.choice([1, 7, 100, 1000]).unwrap();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rng.usize(1..=longest).min(rest.len()));
            reader.feed(now, &mut told);
            rest = later;
        }
        assert_eq!(reader.finish(&mut told), text.len() as u64);
        assert_eq!(told.lines, whole.lines, "seed {seed}");
        let of = |kind: &str| told.lines.iter().filter(|line| line.contains(kind)).count();
        (records, faults, gaps) = (records + of(">"), faults + of("fault"), gaps + of("NoData"));
    }
    println!("{records} records, {faults} faults, {gaps} gaps");
    assert!(records > 15_000 && faults > 5_000 && gaps > 2_000);
}

/// As the pipeline does it: sections are found in order, and read in any.
#[test]
fn sections_can_be_read_in_any_order() {
    for seed in 0..2000 {
        let (mut rng, text) = case(seed);
        let mut sections = Sections::with_header();
        let mut found = Vec::new();
        let mut told = Told::default();
        let mut from = 0;
        while from < text.len() {
            let least = rng.usize(1..200).min(text.len() - from);
            let end = text[from + least..].iter().position(|&byte| byte == b'\n');
            let lines = &text[from..end.map_or(text.len(), |end| from + least + end + 1)];
            sections.split(from as u64, lines, &mut |part| match part {
                Found::Section(section) => found.push((from, lines, section)),
                Found::Fault(fault) => told.fault(fault),
            });
            from += lines.len();
        }
        rng.shuffle(&mut found);
        let mut points = Points::default();
        for (offset, lines, section) in found {
            let layout = Arc::clone(&section.layout);
            let offset = (offset + section.range.start) as u64;
            layout.read(offset, &lines[section.range], &mut points, &mut told);
        }
        let mut whole = read(&Format::AwsText, &text).lines;
        whole.sort();
        told.lines.sort();
        assert_eq!(told.lines, whole, "seed {seed}");
    }
}

/// Cuts around the longest line that is read.
#[test]
fn a_line_is_too_long_wherever_it_is_cut() {
    for over in [0, 1] {
        let mut text = format!("{V2}\n").into_bytes();
        let begin = text.len();
        text.resize(begin + LINE_BYTES_MAX + over - 1, b'7');
        text.extend_from_slice(b"\n2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 ACCEPT OK\n");
        let whole = read(&Format::AwsText, &text).lines;
        for cut in
            [begin - 1, begin, begin + 1, text.len() - 80, text.len() - 56, text.len() - 55, text.len() - 54]
        {
            let mut told = Told::default();
            let mut reader = Reader::new(&Format::AwsText).unwrap();
            reader.feed(&text[..cut], &mut told);
            reader.feed(&text[cut..], &mut told);
            reader.finish(&mut told);
            assert_eq!(told.lines, whole, "cut at {cut}, {over} too long");
        }
    }
}
