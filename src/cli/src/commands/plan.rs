//! `bulkhead plan`: what would change, with its proof. Holds no writer.

use std::path::{Path, PathBuf};

use plan::report::{self, Style};
use reconcile::planning::{make_plan, observe};

use super::{status_of, wants_color, warn_of_unobserved};
use crate::args::Format;
use crate::display::Display;
use crate::session::{Failure, open};
use crate::state::StateFolder;
use crate::{Exit, clouds, stored};

pub(super) async fn run(
    config: &Path,
    format: Format,
    output: Option<PathBuf>,
    check: bool,
    allow: &[String],
) -> Result<Exit, Failure> {
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
    let plan = make_plan(&readers, &intent, &reading, last.as_ref()).plan;
    match format {
        Format::Terminal => {
            let report = report::terminal(&plan, Style { color: wants_color() });
            anstream::print!("{report}{}", stored::terminal(&overrides));
        }
        Format::Markdown => {
            anstream::print!("{}{}", report::markdown(&plan), stored::markdown(&overrides));
        }
        Format::Json => anstream::println!("{}", stored::json(&plan, &overrides)?),
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

/// Nothing could be read at all.
pub(super) fn unreadable(errors: &[(plan::ScopeId, provider::ProviderError)]) -> Failure {
    let lines: Vec<String> = errors.iter().map(|(scope, error)| format!("scope {scope}: {error}")).collect();
    let hint =
        errors.iter().map(|(_, error)| error.hint.clone()).find(|hint| !hint.is_empty()).unwrap_or_default();
    Failure::new(lines.join("; "), hint)
}
