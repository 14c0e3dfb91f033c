//! `bulkhead flows rules`: which rules carried flows, which never did, which are wider than what was used.

use std::path::Path;

use flow::replay::Draft;
use flow::usage::usage;

use super::map::estate;
use super::now;
use crate::Exit;
use crate::session::{Failure, read_config};
use crate::telemetry::seen::{Windows, read};
use crate::telemetry::window::Window;

pub(super) async fn run(path: &Path, window: Window) -> Result<Exit, Failure> {
    let config = read_config(path)?;
    let seen = read(&config, window.seconds(now()), Windows::Together).await?;
    let estate = estate(path).await?;
    let draft = Draft { snapshot: &estate.snapshot, policy: &estate.policy, in_force: None };
    let found = usage(&seen.summaries, &draft, seen.uncovered(&config));
    anstream::print!("{}", found.to_text());
    Ok(Exit::Done)
}
