//! Formats of flow logs: text in, what a sink is told out. Traps of each cloud are tests of their names.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../shared/lines.rs"]
mod lines;
#[path = "../shared/table.rs"]
mod table;

mod aws_bad;
mod aws_cuts;
mod aws_text;
mod azure;
mod gcp;
mod gcp_cuts;
mod parquet;
mod told;

use flow::Format;
use flow::format::Reader;
use lines::Lines;

/// Reads a text in pieces that end at the given positions, and gives the lines and where it finished.
fn read(format: &Format, resumed: bool, text: &[u8], cuts: &[usize]) -> (Vec<String>, u64) {
    let mut sink = Lines::default();
    let reader = if resumed { Reader::resume(format) } else { Reader::new(format) };
    let mut reader = reader.expect("the format is a stream");
    let mut begin = 0;
    for end in cuts.iter().copied().chain([text.len()]) {
        reader.feed(&text[begin..end], &mut sink);
        begin = end;
    }
    let done = reader.finish(&mut sink);
    (sink.lines, done)
}

/// Reads a text whole, cut at every place, and byte by byte; all must agree.
fn lines_of(format: &Format, text: impl AsRef<[u8]>) -> Vec<String> {
    let text = text.as_ref();
    let whole = read(format, false, text, &[]);
    for cut in 1..text.len() {
        assert_eq!(read(format, false, text, &[cut]), whole, "cut at {cut}");
    }
    let every: Vec<usize> = (1..text.len()).collect();
    assert_eq!(read(format, false, text, &every), whole, "byte by byte");
    whole.0
}

#[track_caller]
fn check(format: &Format, text: impl AsRef<[u8]>, expected: &[&str]) {
    assert_eq!(lines_of(format, text), expected);
}
