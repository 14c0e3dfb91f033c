//! `bulkhead flows map`: the application dependency map.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use flow::judge::{Fate, Judge};
use flow::map::{Map, Options, Roles};
use flow::query::{Known, select};
use flow::{End, Ends, Summaries};
use policy::{LabelKey, ServicePoint, Verdict};

use super::look::{say_notes, words};
use super::{Names, now, put};
use crate::args::MapFormat;
use crate::display::Display;
use crate::session::{Failure, open, read_config};
use crate::telemetry::estate::{Clouds, Estate};
use crate::telemetry::seen::{Windows, read};
use crate::telemetry::window::Window;
use crate::{Exit, clouds};

/// How the map is drawn.
pub(super) struct Drawing {
    pub group: Vec<LabelKey>,
    pub role: Vec<LabelKey>,
    /// Whether the policy says what would be blocked.
    pub judge: bool,
    pub format: MapFormat,
}

pub(super) async fn run(
    path: &Path,
    window: Window,
    asked: &[String],
    drawing: Drawing,
    output: Option<PathBuf>,
) -> Result<Exit, Failure> {
    let config = read_config(path)?;
    let names = Names::read(&config)?;
    let mut seen = read(&config, window.seconds(now()), Windows::Together).await?;
    let estate = if drawing.judge { Some(estate(path).await?) } else { None };
    let holders = |addresses: &policy::AddressSet| seen.timeline.held(addresses);
    let known = Known { services: &names.services, lists: &names.lists, holders: Some(&holders) };
    let query = words(asked, &known)?;
    let chosen = select(&seen.summaries, &query, &known);
    seen.summaries = chosen;
    let judged = estate.as_ref().map(|estate| Verdicts::new(&seen.summaries, estate));
    let verdict = judged.as_ref().map(|judged| |a: &End, b: &End, service| judged.of(a, b, service));
    let mut notes = seen.notes();
    let guessed: u64 = seen.summaries.rows.iter().map(|(_, tally)| tally.guessed).sum();
    if guessed > 0 {
        notes.push(format!("who opened the connection was guessed from ports in {guessed} records"));
    }
    let text = {
        let options = Options {
            group_by: drawing.group,
            roles: if drawing.role.is_empty() { Roles::All } else { Roles::Keys(drawing.role) },
            services: &names.services,
            lists: &names.lists,
            verdict: verdict.as_ref().map(|verdict| verdict as _),
            notes,
            ..Options::default()
        };
        let map = Map::build(&seen.summaries, &options);
        match drawing.format {
            MapFormat::Text => map.to_text(),
            MapFormat::Json => format!("{:#}\n", map.to_json()),
            MapFormat::Dot => map.to_dot(),
            MapFormat::Html => map.to_html(),
        }
    };
    put(&text, output.as_ref())?;
    if drawing.format != MapFormat::Text {
        say_notes(&seen);
    }
    Ok(Exit::Done)
}

/// What the policy does with the edges of a map.
struct Verdicts<'a> {
    ends: &'a Ends,
    judge: RefCell<Judge<'a>>,
}

impl<'a> Verdicts<'a> {
    fn new(summaries: &'a Summaries, estate: &'a Estate) -> Self {
        let judge = Judge::new(&summaries.ends, &estate.snapshot, &estate.policy);
        Self { ends: &summaries.ends, judge: RefCell::new(judge) }
    }

    fn of(&self, source: &End, destination: &End, service: ServicePoint) -> Option<Verdict> {
        let (source, destination) = (self.ends.find(source)?, self.ends.find(destination)?);
        let mut judge = self.judge.borrow_mut();
        let id = judge.judge(source, destination, service);
        match judge.judged(id).worst.0 {
            Fate::Allowed => Some(Verdict::Allowed),
            Fate::PotentiallyBlocked => Some(Verdict::PotentiallyBlocked),
            Fate::Blocked => Some(Verdict::Blocked),
            Fate::Unknown => None,
        }
    }
}

/// What exists now, with the policy on it.
///
/// # Errors
/// A scope cannot be read.
pub(in crate::commands) async fn estate(path: &Path) -> Result<Estate, Failure> {
    let (config, intent) = open(path, &[])?;
    let connections = clouds::connect(&config, &Display::on_terminal()).await?;
    let clouds = Clouds::new(connections.readers(), connections.scopes(), intent);
    let hint = "every scope must be read: who is not seen would count as nobody";
    clouds.estate().await.ok_or_else(|| Failure::new("the clouds could not be read", hint))
}
