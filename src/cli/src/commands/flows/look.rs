//! `bulkhead flows top` and `query`: summed by what, the largest first; or row by row, a page at a time.

use std::path::Path;

use flow::query::{By, Known, Query, Request, Token, run as answer};

use super::{Names, now};
use crate::Exit;
use crate::args::{Look, TableFormat};
use crate::session::{Failure, read_config};
use crate::telemetry::seen::{Seen, Windows, read};

/// Answers a query; `top` is one without a place to go on from.
pub(super) async fn show(
    config: &Path,
    look: Look,
    by: Vec<By>,
    limit: usize,
    after: Option<Token>,
) -> Result<Exit, Failure> {
    let config = read_config(config)?;
    let names = Names::read(&config)?;
    let windows = if by.contains(&By::Window) { Windows::Apart } else { Windows::Together };
    let seen = read(&config, look.window.seconds(now()), windows).await?;
    let holders = |addresses: &policy::AddressSet| seen.timeline.held(addresses);
    let known = Known { services: &names.services, lists: &names.lists, holders: Some(&holders) };
    let query = words(&look.words, &known)?;
    let request = Request { query, by, sort: look.sort, limit: Some(limit), after };
    let table = answer(&seen.summaries, &request, &known)
        .map_err(|error| Failure::new(error, "take `--after` as the page before printed it"))?;
    match look.format {
        TableFormat::Text => anstream::print!("{}", table.to_text()),
        TableFormat::Json => anstream::println!("{:#}", table.to_json()),
        TableFormat::Csv => anstream::print!("{}", table.to_csv()),
    }
    say_notes(&seen);
    Ok(Exit::Done)
}

/// The words of a query.
///
/// # Errors
/// Every word that is none.
pub(in crate::commands) fn words(words: &[String], known: &Known<'_>) -> Result<Query, Failure> {
    Query::parse(words, known).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(lines.join("\n       "), "")
    })
}

/// What is not known, on standard error: data stays data.
pub(super) fn say_notes(seen: &Seen) {
    for note in seen.notes() {
        anstream::eprintln!("note: {note}");
    }
}
