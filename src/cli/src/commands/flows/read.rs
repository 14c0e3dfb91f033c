//! `bulkhead flows read`: what is new in the logs into the store, once or until stopped.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flow::Cloud;
use ingest::intake::{FlowIntake, Settings};
use ingest::pass::{Follow, Gauge, Limits, Pass, Report, SourceStatus, follow as follow_logs};
use ingest::pipeline;
use ingest::store::{Now, Retention, Writer, wall_clock};
use tokio::sync::watch;

use crate::commands::stop_signal;
use crate::config::{Config, FlowSourceConfig, From};
use crate::display::Display;
use crate::session::{self, Failure};
use crate::telemetry::estate::Clouds;
use crate::telemetry::seen::unreadable;
use crate::telemetry::sources::{self, Sources};
use crate::{Exit, clouds};

/// Seconds between two looks at what exists.
const LOOK_EVERY_S: i64 = 300;
/// Addresses of nobody known that are kept as they are, for a piece.
const EXTERNALS_MAX: usize = 50_000;
/// How often progress is shown.
const TICK: Duration = Duration::from_millis(250);

pub(super) async fn run(path: &Path, follow: bool, every: Duration) -> Result<Exit, Failure> {
    let (config, intent) = session::open(path, &[])?;
    let now = wall_clock();
    if config.flows.sources.is_empty() {
        let hint = "name them in `flows: { sources: [...] }`; config/bulkhead.yaml shows how";
        return Err(Failure::new("the configuration names no flow logs", hint));
    }
    let display = Display::on_terminal();
    let Sources { logs, facts } = sources::connect(&config, &now).await?;
    let connections = clouds::connect(&config, &display).await?;
    let clouds = Clouds::new(connections.readers(), connections.scopes(), intent);
    let mut intake = FlowIntake::new(clouds, settings(&config), facts, now.clone());
    let mut writer = open_store(&config, now).await?;
    let (gauge, stop) = (Arc::new(Gauge::default()), stop_watch()?);
    let showing = tokio::spawn(show(gauge.clone()));
    let mut last = Exit::Done;
    let outcome = if follow {
        let options = Follow { period: every, limits: Limits::default(), retention: retention(&config) };
        let each = |report: &Report| last = tell(report);
        follow_logs(&logs, &mut writer, &mut intake, &options, gauge, stop, each).await
    } else {
        let limits = Limits::default();
        let mut pass = Pass { sources: &logs, writer: &mut writer, limits, gauge, stop };
        let report = pass.run(&mut intake).await;
        last = tell(&report);
        tell_of_nothing(&config, &writer, &report);
        match report.error {
            Some(error) => Err(error),
            None => writer.compact(&retention(&config)).await.map(|_| ()),
        }
    };
    showing.abort();
    writer.close().await;
    outcome.map_err(|error| unreadable(&error))?;
    Ok(last)
}

async fn open_store(config: &Config, now: Now) -> Result<Writer, Failure> {
    Writer::open(sources::store(config).await?, now).await.map_err(|error| unreadable(&error))
}

fn settings(config: &Config) -> Settings {
    Settings {
        window_s: u32::try_from(config.flows.window.as_secs()).unwrap_or(u32::MAX),
        externals_max: EXTERNALS_MAX,
        look_every_s: LOOK_EVERY_S,
        keep_s: i64::try_from(config.flows.keep.as_secs()).unwrap_or(i64::MAX),
        pipeline: pipeline::Settings::of_machine(),
    }
}

fn retention(config: &Config) -> Retention {
    let days = |span: Duration| u32::try_from(span.as_secs() / 86_400).ok();
    Retention {
        coarsen_after_days: days(config.flows.daily_after),
        expire_after_days: days(config.flows.keep),
    }
}

/// Becomes true with an interrupt or a termination.
fn stop_watch() -> Result<watch::Receiver<bool>, Failure> {
    let signal =
        stop_signal().map_err(|error| Failure::new(format!("signals cannot be caught: {error}"), ""))?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        signal.await;
        anstream::eprintln!("stopping after the piece that is being read");
        let _ = sender.send(true);
        // The receiver must not find the channel closed before it has seen the word.
        sender.closed().await;
    });
    Ok(receiver)
}

/// Says how a pass went: a line for each source.
fn tell(report: &Report) -> Exit {
    for source in &report.sources {
        if source.pieces > 0 || source.cases > 0 {
            let (pieces, records, bytes) = (source.pieces, source.records, source.bytes);
            anstream::eprintln!(
                "{}: records {records}, files or windows {pieces}, bytes {bytes}",
                source.name
            );
        }
        if source.cases > 0 {
            anstream::eprintln!(
                "  places that could not be read: {} (`bulkhead flows status`)",
                source.cases
            );
        }
        for (piece, error) in &source.failed {
            anstream::eprintln!("  {piece} is tried again: {error}");
        }
        if let Some(error) = &source.error {
            anstream::eprintln!("  {}: stopped: {error}", source.name);
            if !error.hint.is_empty() {
                anstream::eprintln!("  hint: {}", error.hint);
            }
        }
    }
    if report.is_complete() { Exit::Done } else { Exit::Failed }
}

/// Says of each log in which nothing new was whether anything ever was.
fn tell_of_nothing(config: &Config, writer: &Writer, report: &Report) {
    let is_quiet = |source: &&SourceStatus| {
        source.pieces == 0 && source.cases == 0 && source.failed.is_empty() && source.error.is_none()
    };
    for SourceStatus { name, .. } in report.sources.iter().filter(is_quiet) {
        let configured = config.flows.sources.iter().find(|source| source.name == *name);
        let cursor = writer.source(name).cursor;
        let was_read = !cursor.pieces.is_empty() || cursor.horizon > 0;
        match configured.and_then(looked_for).filter(|_| !was_read) {
            Some(files) => {
                anstream::eprintln!(
                    "{name}: nothing was found; files are looked for as the cloud writes them, {files}"
                );
            }
            None => anstream::eprintln!("{name}: nothing new"),
        }
    }
}

/// Which files of a folder or bucket are read.
fn looked_for(source: &FlowSourceConfig) -> Option<&'static str> {
    let From::Objects { .. } = source.from else { return None };
    Some(match source.cloud {
        Cloud::Aws => "`…/YYYY/MM/DD/….log.gz`, `.log` or `.parquet`, below `from`; Hive folders too",
        Cloud::Azure => "`…/y=YYYY/m=MM/d=DD/h=HH/m=00/macAddress=…/PT1H.json`, below `from`",
        Cloud::Gcp => "`…/YYYY/MM/DD/….json`, below `from`",
    })
}

/// Shows how far a long read is, at a terminal.
async fn show(gauge: Arc<Gauge>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let display = Display::on_terminal();
    loop {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (records, bytes) = (read(&gauge.records), read(&gauge.bytes));
        let (pieces, left) = (read(&gauge.pieces), read(&gauge.left));
        let text = format!(
            "{records} records, {} MB; {pieces} pieces read, {left} listed and left",
            bytes / 1_000_000
        );
        let shown = display.begin(text);
        tokio::time::sleep(TICK).await;
        drop(shown);
    }
}
