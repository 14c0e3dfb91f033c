//! Summaries cut into the files that keep them: a day in each, and not too many rows.

use bytes::Bytes;
use flow::stored::{TIME_MAX, TIME_MIN, encode_some};
use flow::{Key, Summaries, Tally};

use super::manifest::Part;
use super::{StoreError, write::token};
use crate::source::layout::day_of;

/// Rows of a part: what a reader holds in memory at once.
pub(super) const PART_ROWS_MAX: usize = 1_000_000;
pub(super) const FLOWS: &str = "flows";
pub(super) const INCOMING: &str = "incoming";

/// Files with what the manifest will say of them. Rows are sorted by their windows.
pub(super) fn cut(summaries: &Summaries, generation: u64) -> Result<Vec<(Part, Bytes)>, StoreError> {
    let day = |row: &(Key, Tally)| day_of(row.0.window.clamp(TIME_MIN, TIME_MAX));
    let days = summaries.rows.chunk_by(|one, next| day(one) == day(next));
    let parts = days.flat_map(|rows| rows.chunks(PART_ROWS_MAX));
    parts.map(|rows| part(summaries, rows, generation)).collect()
}

fn part(summaries: &Summaries, rows: &[(Key, Tally)], generation: u64) -> Result<(Part, Bytes), StoreError> {
    let windows = rows.iter().map(|(key, _)| key.window);
    let (first, last) = (windows.clone().min().unwrap_or(0), windows.max().unwrap_or(0));
    let day = day_of(first.clamp(TIME_MIN, TIME_MAX)).to_string();
    let name = format!("part-{generation:010}-{}.parquet", token());
    let path = format!("{FLOWS}/day={day}/{name}");
    let bytes = encode_some(summaries, rows)
        .map_err(|error| StoreError::Damaged { path: path.clone(), reason: error.to_string() })?;
    let part = Part {
        path,
        day,
        window_s: summaries.window_s,
        first,
        last,
        rows: rows.len() as u64,
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
