//! Prints what the reader of a format finds in files, one line each: `records FORMAT FILE…`.
//!
//! For other programs to compare with what they read: `tests/python/flow_formats.py`. Formats are named as in
//! configuration; a LogFormat of CloudWatch lines is one that has a `$`.

#![allow(clippy::disallowed_methods, reason = "a program around a pure crate reads files and prints")]

#[path = "../tests/shared/lines.rs"]
mod lines;

use std::io::Write;

use flow::Format;
use flow::format::{Reader, aws_parquet};
use lines::Lines;

/// Bytes that are fed at once: small, so that every file is cut many times.
const FED_BYTES: usize = 60_000;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let format = arguments.next().as_deref().and_then(format_of);
    let format = format.ok_or_else(|| std::io::Error::other("usage: records FORMAT FILE…"))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut sink = Lines::default();
    for file in arguments {
        let bytes = std::fs::read(file)?;
        match Reader::new(&format) {
            Err(_) => aws_parquet::read(bytes::Bytes::from(bytes), &mut sink),
            Ok(mut reader) => {
                bytes.chunks(FED_BYTES).for_each(|part| reader.feed(part, &mut sink));
                reader.finish(&mut sink);
            }
        }
        for line in sink.lines.drain(..) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}

fn format_of(name: &str) -> Option<Format> {
    if name.contains('$') {
        return Some(Format::AwsLines(name.to_owned()));
    }
    serde_json::from_value(name.into()).ok()
}
