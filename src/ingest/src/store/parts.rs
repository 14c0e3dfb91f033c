//! Summaries cut into the files that keep them: a day in each, and not too many rows.

use std::collections::BTreeMap;

use bytes::Bytes;
use flow::stored::{TIME_MAX, TIME_MIN, encode};
use flow::{EndId, Ends, Key, Summaries, Tally};

use super::manifest::Part;
use super::{StoreError, write::token};
use crate::source::layout::day_of;

/// Rows of a part: what a reader holds in memory at once.
pub(super) const PART_ROWS_MAX: usize = 1_000_000;
pub(super) const FLOWS: &str = "flows";
pub(super) const INCOMING: &str = "incoming";

/// Files with what the manifest will say of them.
pub(super) fn cut(summaries: &Summaries, generation: u64) -> Result<Vec<(Part, Bytes)>, StoreError> {
    let mut days: BTreeMap<String, Vec<(Key, Tally)>> = BTreeMap::new();
    for row in &summaries.rows {
        let day = day_of(row.0.window.clamp(TIME_MIN, TIME_MAX)).to_string();
        days.entry(day).or_default().push(*row);
    }
    let mut parts = Vec::new();
    for (day, rows) in days {
        for rows in rows.chunks(PART_ROWS_MAX) {
            parts.push(part(&day, &own(summaries, rows), generation)?);
        }
    }
    Ok(parts)
}

/// Rows with only the ends that they name.
fn own(summaries: &Summaries, rows: &[(Key, Tally)]) -> Summaries {
    let mut ends = Ends::default();
    let mut intern = |id: EndId| ends.intern(summaries.ends.get(id).clone());
    let rows = rows.iter().map(|(key, tally)| {
        let (source, destination) = (intern(key.source), intern(key.destination));
        (Key { source, destination, ..*key }, *tally)
    });
    let rows = rows.collect();
    Summaries { window_s: summaries.window_s, ends, rows }
}

fn part(day: &str, summaries: &Summaries, generation: u64) -> Result<(Part, Bytes), StoreError> {
    let name = format!("part-{generation:010}-{}.parquet", token());
    let path = format!("{FLOWS}/day={day}/{name}");
    let bytes = encode(summaries)
        .map_err(|error| StoreError::Damaged { path: path.clone(), reason: error.to_string() })?;
    let windows = summaries.rows.iter().map(|(key, _)| key.window);
    let part = Part {
        path,
        day: day.to_owned(),
        window_s: summaries.window_s,
        first: windows.clone().min().unwrap_or(0),
        last: windows.max().unwrap_or(0),
        rows: summaries.rows.len() as u64,
        bytes: bytes.len() as u64,
        blake3: blake3::hash(&bytes).to_hex().to_string(),
    };
    Ok((part, bytes.into()))
}

/// Where a part waits until the manifest lists it.
pub(super) fn incoming(path: &str) -> String {
    format!("{INCOMING}/{}", path.rsplit('/').next().unwrap_or(path))
}

/// Whether a file is a part by its name: what others put there is not ours to remove.
pub(super) fn is_part(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("part-") && name.ends_with(".parquet")
}
