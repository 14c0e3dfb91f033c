//! Follows a folder of toy lines into a store, until it is killed: `follow SOURCE STORE [PERIOD_MS]`. With `once` for the
//! period it reads what is there and prints the totals.
//!
//! It exists for tests that kill it at any moment.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

mod toy;

use std::sync::Arc;
use std::time::Duration;

use flow::Format;
use flow::stored::Seconds;
use ingest::pass::{Follow, Gauge, Limits, Pass, follow};
use ingest::place::{Place, Settings};
use ingest::source::{Layout, Objects};
use ingest::store::{Retention, Writer, wall_clock};
use provider::FlowSource;
use tokio::sync::watch;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, store, rest @ ..] = arguments.as_slice() else {
        return Err("usage: follow SOURCE STORE [PERIOD_MS|once]".into());
    };
    let settings = Settings {
        endpoint: std::env::var("FOLLOW_ENDPOINT").ok(),
        path_style: true,
        account: std::env::var("FOLLOW_ACCOUNT").ok(),
        anonymous: std::env::var("FOLLOW_ANONYMOUS").is_ok(),
        ..Settings::default()
    };
    let format = Format::GcpJsonLines;
    let layout = match std::env::var("FOLLOW_LAYOUT").as_deref() {
        Ok("aws") => Layout::Aws,
        Ok("azure") => Layout::Azure,
        Ok("gcp") => Layout::Gcp,
        _ => Layout::Files { suffix: String::new(), format },
    };
    let period = rest.first().map_or("50", String::as_str);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(source, store, &settings, layout, period))
}

async fn run(
    source: &str,
    store: &str,
    settings: &Settings,
    layout: Layout,
    period: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let from = Place::open(source, settings)?;
    let sources: Vec<Arc<dyn FlowSource>> = vec![Arc::new(Objects::new("toy", from, layout))];
    let mut writer = Writer::open(Place::create(store, settings)?, wall_clock()).await?;
    let limits = Limits { pieces_max: 5, rows_max: 20, ..Limits::default() };
    let (_say, stop) = watch::channel(false);
    let gauge = Arc::new(Gauge::default());
    if period == "once" {
        let mut pass = Pass { sources: &sources, writer: &mut writer, limits, gauge, stop };
        let report = pass.run(&mut toy::Toy).await;
        if !report.is_complete() {
            return Err(format!("not complete: {report:?}").into());
        }
        // Twice, so that there is something to replace.
        writer.compact(&Retention { coarsen_after_days: Some(1), expire_after_days: None }).await?;
        let add = |sum: &mut (u64, u64), rows: flow::Summaries| {
            for (_, tally) in rows.rows {
                *sum = (sum.0 + tally.connections, sum.1 + tally.bytes);
            }
        };
        let (connections, bytes) = writer.reader().fold(Seconds::ALL, || (0, 0), add).await?;
        let records = writer.reader().coverage().await?.records;
        let cases = writer.reader().quarantine().await?.len();
        println!("connections={connections} bytes={bytes} records={records} cases={cases}");
        writer.close().await;
        return Ok(());
    }
    let options = Follow {
        period: Duration::from_millis(period.parse()?),
        limits,
        retention: Retention { coarsen_after_days: Some(1), expire_after_days: None },
    };
    follow(&sources, &mut writer, &mut toy::Toy, &options, gauge, stop, |_| {}).await?;
    Ok(())
}
