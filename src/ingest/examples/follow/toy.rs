//! A reader of a toy line format, `time source destination port bytes`, so that transports and store are tested without
//! the formats of clouds.

use std::io::Read;

use async_trait::async_trait;
use flow::{End, Fault, Key, Outcome, Side, Summaries, Tally};
use futures_util::TryStreamExt;
use ingest::pass::{Intake, PieceBytes, Taken};
use policy::ServicePoint;
use provider::{Packing, Piece, ProviderError};

/// Width of its windows.
pub const WINDOW_S: u32 = 3600;

/// The reader.
pub struct Toy;

#[async_trait]
impl Intake for Toy {
    async fn take(
        &mut self,
        _source: &str,
        piece: &Piece,
        bytes: PieceBytes,
    ) -> Result<Taken, ProviderError> {
        let stored: Vec<u8> = bytes.try_concat().await?;
        let mut taken = Taken { offset: piece.offset, ..Taken::default() };
        let text = unpack(piece, stored, &mut taken.faults);
        taken.summaries.window_s = WINDOW_S;
        let mut rest = text.as_slice();
        // A line without its end is still being written.
        while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(at + 1);
            match parse(line, &mut taken.summaries) {
                Some(row) => {
                    taken.summaries.rows.push(row);
                    taken.records += 1;
                }
                None => taken.faults.push(Fault { offset: taken.offset, reason: "not a line".to_owned() }),
            }
            taken.offset += line.len() as u64;
            rest = after;
        }
        add_up(&mut taken.summaries);
        taken.coverage.records = taken.records;
        Ok(taken)
    }
}

fn unpack(piece: &Piece, stored: Vec<u8>, faults: &mut Vec<Fault>) -> Vec<u8> {
    if piece.packing == Packing::Plain {
        return stored;
    }
    let mut text = Vec::new();
    if let Err(error) = flate2::read::MultiGzDecoder::new(stored.as_slice()).read_to_end(&mut text) {
        faults.push(Fault { offset: text.len() as u64, reason: format!("not gzip: {error}") });
    }
    text
}

fn parse(line: &[u8], summaries: &mut Summaries) -> Option<(Key, Tally)> {
    let text = std::str::from_utf8(line).ok()?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [time, source, destination, port, bytes] = fields.as_slice() else { return None };
    let time: i64 = time.parse().ok()?;
    let mut end = |text: &str| Some(summaries.ends.intern(End::address(text.parse().ok()?)));
    let key = Key {
        window: time.div_euclid(WINDOW_S.into()) * i64::from(WINDOW_S),
        source: end(source)?,
        destination: end(destination)?,
        service: ServicePoint::port(6, port.parse().ok()?),
        outcome: Outcome::Accepted,
        side: Side::Destination,
    };
    let bytes = bytes.parse().ok()?;
    let tally = Tally { connections: 1, packets: 1, bytes, first: time, last: time, ..Tally::default() };
    Some((key, tally))
}

/// Each key once.
fn add_up(summaries: &mut Summaries) {
    let mut sum = flow::Sum::new(WINDOW_S);
    sum.add(summaries);
    *summaries = sum.into_summaries();
}
