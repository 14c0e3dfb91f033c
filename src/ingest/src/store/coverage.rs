//! What is not known, as lines: each a [`Coverage`], which together are one.

use flow::Coverage;

use super::StoreError;

/// Where they are.
pub(super) const FOLDER: &str = "coverage";

/// As a line.
pub(super) fn line(coverage: &Coverage) -> Vec<u8> {
    // Names and numbers: there is nothing in it that is no JSON.
    let mut line = serde_json::to_vec(coverage).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Adds the lines of a file.
pub(super) fn add(all: &mut Coverage, lines: &[u8], path: &str) -> Result<(), StoreError> {
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let more = serde_json::from_slice(line);
        let more: Coverage =
            more.map_err(|error| StoreError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
        all.merge(more);
    }
    Ok(())
}
