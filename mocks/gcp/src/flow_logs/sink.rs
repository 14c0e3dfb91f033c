//! A sink into a bucket: a file of JSON lines for each log and hour, and further ones for what came late.

use std::collections::BTreeMap;

use mock_cloud::Written;
use mock_cloud::time::civil;

use super::{Entry, Log};

/// Files are of an hour.
const HOUR_MS: u64 = 3_600_000;
/// After how long the file of an hour is written, and how often those of what came later.
const STEP_MS: u64 = 300_000;

/// When the file is written that an entry is in.
pub(super) fn written_ms(entry: &Entry) -> u64 {
    let first_ms = end_of_hour(entry.timestamp_ms) + STEP_MS;
    first_ms.max(entry.received_ms.div_ceil(STEP_MS) * STEP_MS)
}

fn end_of_hour(timestamp_ms: u64) -> u64 {
    timestamp_ms - timestamp_ms % HOUR_MS + HOUR_MS
}

/// The files that are written at a time.
pub(super) fn files(at_ms: u64, entries: Vec<Entry>) -> Vec<Written> {
    let mut files: BTreeMap<(Log, u64), Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        files.entry((entry.log, end_of_hour(entry.timestamp_ms))).or_default().push(entry);
    }
    let written = |((log, end_ms), mut entries): ((Log, u64), Vec<Entry>)| {
        // As they came in: not in the order of what they tell of.
        entries.sort_by_key(|entry| entry.received_ms);
        let lines = entries.iter().map(|entry| entry.document.to_string() + "\n");
        Written { key: key(log, end_ms, at_ms), offset: 0, bytes: lines.collect::<String>().into_bytes() }
    };
    files.into_iter().map(written).collect()
}

/// `LOG/2026/11/01/10:00:00_10:59:59_S0.json`; files with A are of what came late.
fn key(log: Log, end_ms: u64, at_ms: u64) -> String {
    let at = civil((end_ms - HOUR_MS) / 1000);
    let (year, month, day, hour) = (at.year(), at.month(), at.day(), at.hour());
    let shard = match (at_ms - end_ms) / STEP_MS {
        0 | 1 => "S0".to_owned(),
        later => format!("A{}", later - 2),
    };
    format!("{}/{year}/{month:02}/{day:02}/{hour:02}:00:00_{hour:02}:59:59_{shard}.json", log.id())
}
