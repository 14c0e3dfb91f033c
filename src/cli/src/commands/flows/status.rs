//! `bulkhead flows status`: how far each source is read, what could not be read, what is kept.

use std::path::Path;

use flow::stored::Seconds;
use jiff::Timestamp;

use crate::Exit;
use crate::session::{Failure, read_config};
use crate::telemetry::seen::{Windows, read, reader, unreadable};

/// Cases that are listed.
const CASES_LISTED_MAX: usize = 20;

pub(super) async fn run(path: &Path) -> Result<Exit, Failure> {
    let config = read_config(path)?;
    let reader = reader(&config).await?;
    let manifest = reader.manifest().await.map_err(|error| unreadable(&error))?;
    let cases = reader.quarantine().await.map_err(|error| unreadable(&error))?;
    anstream::println!("store {}; parts: {}", config.flows.store, manifest.parts.len());
    for source in &config.flows.sources {
        let Some(state) = manifest.sources.get(&source.name) else {
            anstream::println!("  source {}: nothing read yet", source.name);
            continue;
        };
        let newest = state.cursor.pieces.values().map(|progress| progress.modified).max();
        let newest = newest.map_or("nothing".to_owned(), moment);
        let open_cases = cases.iter().filter(|case| case.source == source.name).count();
        anstream::println!(
            "  source {}: read up to {newest}; places that could not be read: {open_cases}",
            source.name
        );
    }
    let all = Seconds { from: i64::MIN, to: i64::MAX };
    let seen = read(&config, all, Windows::Together).await?;
    anstream::println!("records: {}; rows: {}", seen.coverage.records, seen.summaries.rows.len());
    for (reason, count) in &seen.coverage.faults.by_reason {
        anstream::println!("  {count} × {reason}");
    }
    for case in cases.iter().rev().take(CASES_LISTED_MAX) {
        let (key, offset) = (&case.key, case.offset);
        anstream::println!(
            "  {} {}: {key} at byte {offset}: {}",
            moment(case.found),
            case.source,
            case.reason
        );
    }
    if cases.len() > CASES_LISTED_MAX {
        anstream::println!("  and {} more before them", cases.len() - CASES_LISTED_MAX);
    }
    Ok(Exit::Done)
}

fn moment(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}
