//! `bulkhead plan`: what would change, with its proof. Holds no writer.

use std::path::{Path, PathBuf};

use flow::replay::{Draft, Replay, replay};
use plan::report::{self, Style};
use reconcile::planning::{Planned, make_plan, observe};

use super::flows::now;
use super::{status_of, wants_color, warn_of_unobserved};
use crate::args::Format;
use crate::config::Config;
use crate::display::Display;
use crate::session::{Failure, open};
use crate::state::StateFolder;
use crate::telemetry::seen::{Windows, read};
use crate::telemetry::window::{Moment, Window};
use crate::{Exit, clouds, stored};

/// What the command line asks for.
pub(super) struct Asked {
    pub format: Format,
    pub output: Option<PathBuf>,
    pub check: bool,
    pub allow: Vec<String>,
    /// Since when flows that were seen are replayed.
    pub replay: Option<Moment>,
}

pub(super) async fn run(config: &Path, asked: Asked) -> Result<Exit, Failure> {
    let Asked { format, output, check, allow, replay } = asked;
    let allow = allow.as_slice();
    let (config, intent) = open(config, allow)?;
    let overrides = stored::overrides(&config, allow);
    let connections = clouds::connect(&config, &Display::on_terminal()).await?;
    let readers = connections.readers();
    let reading = observe(&readers, &connections.scopes()).await;
    if reading.observed.is_empty() {
        return Err(unreadable(&reading.unobserved));
    }
    warn_of_unobserved(&reading.unobserved);
    let last = StateFolder::to_read(&config.state).last_applied();
    let planned = make_plan(&readers, &intent, &reading, last.as_ref());
    let replay = match replay {
        Some(since) => Some(whatif(&config, &planned, since).await?),
        None => None,
    };
    let plan = planned.plan;
    match format {
        Format::Terminal => {
            let report = report::terminal(&plan, Style { color: wants_color() });
            anstream::print!("{report}{}", stored::terminal(&overrides));
            replay.iter().for_each(|replay| anstream::print!("\n{}", replay.to_text()));
        }
        Format::Markdown => {
            anstream::print!("{}{}", report::markdown(&plan), stored::markdown(&overrides));
            replay
                .iter()
                .for_each(|replay| anstream::print!("\n## Replay\n\n```text\n{}```\n", replay.to_text()));
        }
        Format::Json => anstream::println!("{}", stored::json_with(&plan, &overrides, replay.as_ref())?),
    }
    if let Some(path) = output {
        std::fs::write(&path, stored::json(&plan, &overrides)?)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display()), ""))?;
        anstream::eprintln!(
            "plan stored in {}; apply it with `bulkhead apply {}`",
            path.display(),
            path.display()
        );
    }
    Ok(match status_of(&plan, reading.unobserved.len()) {
        Exit::Done if check && !plan.is_empty() => Exit::Changes,
        status => status,
    })
}

/// What the policy would do to the flows that were seen.
async fn whatif(config: &Config, planned: &Planned, since: Moment) -> Result<Replay, Failure> {
    let time = Window { since, until: None }.seconds(now());
    let seen = read(config, time, Windows::Together).await?;
    let draft = Draft { snapshot: &planned.snapshot, policy: &planned.compiled, in_force: None };
    Ok(replay(&seen.summaries, &draft, seen.uncovered(config)))
}

/// Nothing could be read at all.
pub(super) fn unreadable(errors: &[(plan::ScopeId, provider::ProviderError)]) -> Failure {
    let lines: Vec<String> = errors.iter().map(|(scope, error)| format!("scope {scope}: {error}")).collect();
    let hint =
        errors.iter().map(|(_, error)| error.hint.clone()).find(|hint| !hint.is_empty()).unwrap_or_default();
    Failure::new(lines.join("; "), hint)
}
