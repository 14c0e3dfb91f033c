//! `bulkhead suggest`: the smallest set of label rules for what was seen, within bounds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flow::query::{Known, select};
use flow::replay::Draft;
use flow::suggest::{Addresses, Bounds, suggest};
use policy::LabelKey;

use super::flows::{Names, estate, now, put, words};
use crate::Exit;
use crate::args::SuggestAddresses;
use crate::session::{Failure, read_config};
use crate::telemetry::seen::{Windows, read};
use crate::telemetry::window::Window;

/// What the command line bounds.
pub(super) struct Asked {
    pub keys: Vec<LabelKey>,
    pub drop: Vec<LabelKey>,
    pub widen: u64,
    pub any: bool,
    pub addresses: SuggestAddresses,
    pub output: Option<PathBuf>,
}

pub(super) async fn run(
    path: &Path,
    window: Window,
    asked: &[String],
    bounds: Asked,
) -> Result<Exit, Failure> {
    let config = read_config(path)?;
    let names = Names::read(&config)?;
    let seen = read(&config, window.seconds(now()), Windows::Together).await?;
    let estate = estate(path).await?;
    let holders = |addresses: &policy::AddressSet| seen.timeline.held(addresses);
    let known = Known { services: &names.services, lists: &names.lists, holders: Some(&holders) };
    let chosen = select(&seen.summaries, &words(asked, &known)?, &known);
    let chosen: BTreeSet<_> = chosen.rows.iter().map(|(key, _)| *key).collect();
    let draft = Draft { snapshot: &estate.snapshot, policy: &estate.policy, in_force: None };
    let output = bounds.output.clone();
    let suggestion = suggest(&seen.summaries, &|key, _| chosen.contains(key), &draft, &bounds.into());
    anstream::print!("{}", suggestion.to_text());
    match &output {
        Some(_) if suggestion.file.is_empty() => anstream::eprintln!("there is no rule to write"),
        Some(_) => put(&suggestion.file, output.as_ref())?,
        None if !suggestion.file.is_empty() => {
            anstream::print!("\n{}", suggestion.to_diff("suggested.yaml"));
        }
        None => {}
    }
    for note in seen.notes() {
        anstream::eprintln!("note: {note}");
    }
    Ok(Exit::Done)
}

impl From<Asked> for Bounds {
    fn from(asked: Asked) -> Self {
        Self {
            keys: asked.keys,
            droppable: asked.drop.into_iter().collect(),
            widening_max: asked.widen,
            any: asked.any,
            addresses: match asked.addresses {
                SuggestAddresses::Never => Addresses::Never,
                SuggestAddresses::Lists => Addresses::Lists,
                SuggestAddresses::Hosts => Addresses::ListsAndHosts,
            },
            merge_services: true,
        }
    }
}
