//! The whole way of `bulkhead flows read`: pieces of a folder, attributed, summed and committed to a store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use flow::Aliases;
use ingest::intake::{FlowIntake, Inventory, Seen, Settings};
use ingest::pass::{Gauge, Limits, Pass};
use ingest::pipeline;
use ingest::place::{self, Place};
use ingest::source::{Layout, Objects};
use ingest::store::Writer;
use provider::FlowSource;
use tokio::sync::watch;

use super::generate::BEGIN;
use super::product::snapshot;

struct Estate;

#[async_trait]
impl Inventory for Estate {
    async fn look(&mut self) -> Option<Seen> {
        Some(Seen { snapshot: snapshot(), aliases: Aliases::default(), named: None })
    }
}

/// Links a file into a folder so many times, as AWS names its files.
pub fn spread(log: &Path, folder: &Path, times: u64) {
    let folder = folder.join("AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/09/21");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..times {
        let name = format!("111122223333_vpcflowlogs_eu-west-1_fl-1_20260921T1415Z_{number:08x}.log.gz");
        let at = folder.join(name);
        // Across file systems there is no link.
        std::fs::hard_link(log, &at).or_else(|_| std::fs::copy(log, &at).map(|_| ())).unwrap();
    }
}

/// Reads the folder into a new store; gives the records that were read.
pub fn read(source: &Path, store: &Path) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = place::Settings::default();
        let place = |path: &Path| path.to_str().unwrap().to_owned();
        let from = Place::open(&place(source), &settings).unwrap();
        let sources: Vec<Arc<dyn FlowSource>> = vec![Arc::new(Objects::new("bench", from, Layout::Aws))];
        let now: ingest::store::Now = Arc::new(|| BEGIN as i64 + 86_400);
        let mut writer =
            Writer::open(Place::create(&place(store), &settings).unwrap(), now.clone()).await.unwrap();
        let settings = Settings {
            window_s: 3_600,
            externals_max: 50_000,
            look_every_s: 300,
            keep_s: 86_400,
            pipeline: pipeline::Settings::of_machine(),
        };
        let mut intake = FlowIntake::new(Estate, settings, BTreeMap::new(), now);
        let (_say, stop) = watch::channel(false);
        let gauge = Arc::new(Gauge::default());
        let mut pass =
            Pass { sources: &sources, writer: &mut writer, limits: Limits::default(), gauge, stop };
        let report = pass.run(&mut intake).await;
        assert!(report.is_complete(), "{report:?}");
        writer.close().await;
        report.sources.iter().map(|source| source.records).sum()
    })
}
