//! `bulkhead flows`: read flow logs, and see who talks to whom.

mod look;
mod map;
mod read;
mod rules;
mod status;

use std::path::PathBuf;

pub(super) use look::words;
pub(super) use map::estate;
use policy::file::load;
use policy::{AddressSet, Name, ServiceSet};

use crate::Exit;
use crate::args::FlowsCommand;
use crate::config::Config;
use crate::session::{Failure, read_policy};

/// Runs one of the commands.
///
/// # Errors
/// What keeps it from going on.
pub(super) async fn run(command: FlowsCommand) -> Result<Exit, Failure> {
    match command {
        FlowsCommand::Read { source, follow, every } => read::run(&source.config, follow, every).await,
        FlowsCommand::Top { source, look, by, limit } => {
            look::show(&source.config, look, by, limit, None).await
        }
        FlowsCommand::Query { source, look, by, limit, after } => {
            look::show(&source.config, look, by, limit, after).await
        }
        FlowsCommand::Map { source, window, words, group, role, judge, format, output } => {
            let drawing = map::Drawing { group, role, judge, format };
            map::run(&source.config, window, &words, drawing, output).await
        }
        FlowsCommand::Rules { source, window } => rules::run(&source.config, window).await,
        FlowsCommand::Status { source } => status::run(&source.config).await,
    }
}

/// The names that the policy gives to services and addresses.
pub(super) struct Names {
    pub(super) services: Vec<(Name, ServiceSet)>,
    pub(super) lists: Vec<(Name, AddressSet)>,
}

impl Names {
    /// Those of the policy folder.
    ///
    /// # Errors
    /// The folder cannot be read, or holds mistakes.
    pub(super) fn read(config: &Config) -> Result<Self, Failure> {
        let policy = load(&read_policy(config)?)?.policy;
        let lists = policy.ip_lists.into_iter().map(|(name, list)| (name, list.addresses));
        Ok(Self { services: policy.services.into_iter().collect(), lists: lists.collect() })
    }
}

/// The Unix second now.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Writes what was asked for to a file, or to standard output.
pub(super) fn put(text: &str, output: Option<&PathBuf>) -> Result<(), Failure> {
    let Some(path) = output else {
        anstream::print!("{text}");
        return Ok(());
    };
    let failed = |error| Failure::new(format!("cannot write `{}`: {error}", path.display()), "");
    std::fs::write(path, text).map_err(failed)?;
    anstream::eprintln!("written to {}", path.display());
    Ok(())
}
