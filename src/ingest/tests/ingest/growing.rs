//! Azure's hour files that break off in the middle: waited for while they may grow, told once when nothing comes any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use ingest::intake::{FlowIntake, Inventory, Seen, Settings};
use ingest::pass::{Gauge, Limits, Pass, SourceStatus};
use ingest::pipeline;
use ingest::place::Place;
use ingest::source::{Layout, Objects};
use ingest::store::Writer;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use provider::FlowSource;
use tokio::sync::watch;

use crate::world::{Hands, held};

/// The hour in which the clock of the tests begins.
const FILE: &str =
    "logs/resourceId=/SUBSCRIPTIONS/S1/N/V/y=2026/m=09/d=21/h=14/m=00/macAddress=002248AABBCC/PT1H.json";
const HOUR_S: i64 = 3600;

/// Nobody is known.
struct Nobody;

#[async_trait]
impl Inventory for Nobody {
    async fn look(&mut self) -> Option<Seen> {
        None
    }
}

/// One file and a store in memory, and passes over them.
struct World {
    logs: Arc<dyn ObjectStore>,
    kept: Place,
    hands: Hands,
}

impl World {
    fn new() -> Self {
        let kept = Place::on(Arc::new(InMemory::new()), Path::default(), "kept");
        Self { logs: Arc::new(InMemory::new()), kept, hands: Hands::new() }
    }

    async fn write(&self, text: &str) {
        self.logs.put(&Path::from(FILE), text.to_owned().into()).await.unwrap();
    }

    /// A process that makes one pass.
    async fn pass(&self) -> SourceStatus {
        let place = Place::on(self.logs.clone(), Path::from("logs"), "logs");
        let source: Arc<dyn FlowSource> = Arc::new(Objects::new("azure", place, Layout::Azure));
        let settings = Settings {
            window_s: 3600,
            externals_max: 10,
            look_every_s: 300,
            keep_s: 86_400,
            pipeline: pipeline::Settings::of_machine(),
        };
        let mut intake = FlowIntake::new(Nobody, settings, BTreeMap::new(), self.hands.now());
        let mut writer = Writer::open(self.kept.clone(), self.hands.now()).await.unwrap();
        let (_say, stop) = watch::channel(false);
        let (limits, gauge) = (Limits::default(), Arc::new(Gauge::default()));
        let mut pass = Pass { sources: &[source], writer: &mut writer, limits, gauge, stop };
        let mut report = pass.run(&mut intake).await;
        assert!(report.is_complete(), "{report:?}");
        writer.close().await;
        report.sources.remove(0)
    }

    async fn connections(&self) -> u64 {
        held(&self.kept).await.0.0
    }

    /// What could not be read.
    async fn cases(&self) -> Vec<String> {
        let reader = ingest::store::Reader::open(self.kept.clone()).await.unwrap();
        let cases = reader.quarantine().await.unwrap();
        cases.into_iter().map(|case| format!("{} {}", case.offset, case.reason)).collect()
    }
}

/// An element of one connection.
fn element(minute: u32) -> String {
    let time = 1_790_000_000 + 60 * minute;
    let tuple = format!("{time}000,10.1.0.4,10.1.0.9,50110,5432,6,O,B,NX,0,0,0,0");
    let flows =
        format!(r#"{{"flows":[{{"aclID":"a","flowGroups":[{{"rule":"r","flowTuples":["{tuple}"]}}]}}]}}"#);
    format!(r#"{{"flowLogVersion":4,"macAddress":"002248AABBCC","flowRecords":{flows}}}"#)
}

/// A whole document of two elements, and where the second begins.
fn document() -> (String, usize) {
    let begin = r#"{"records":["#.to_owned() + &element(0) + ",";
    (format!("{begin}{}]}}", element(1)), begin.len())
}

#[tokio::test]
async fn an_hour_that_breaks_off_is_told_once_when_it_is_long_over() {
    let (text, second) = document();
    let world = World::new();
    world.write(&text[..second + 50]).await;
    assert_eq!(world.pass().await.pieces, 1);
    world.hands.pass(HOUR_S);
    assert_eq!(world.pass().await.pieces, 0, "nothing came");
    assert_eq!((world.connections().await, world.cases().await), (1, vec![]));
    world.hands.pass(2 * HOUR_S);
    world.pass().await;
    let told = [format!("{second} the document breaks off here")];
    assert_eq!((world.connections().await, world.cases().await), (1, told.to_vec()));
    world.pass().await;
    assert_eq!(world.cases().await, told);
    // Nobody expected it any more.
    world.write(&text).await;
    world.pass().await;
    assert_eq!((world.connections().await, world.cases().await), (2, told.to_vec()));
}

#[tokio::test]
async fn an_hour_that_grows_on_is_never_told() {
    let (text, second) = document();
    let world = World::new();
    for end in [5, 15, second - 1, second, second + 1, text.len() - 2, text.len() - 1, text.len()] {
        world.write(&text[..end]).await;
        world.pass().await;
        world.pass().await;
    }
    world.hands.pass(9 * HOUR_S);
    assert_eq!(world.pass().await.pieces, 0);
    assert_eq!((world.connections().await, world.cases().await), (2, vec![]));
}

#[tokio::test]
async fn an_hour_of_long_ago_is_told_at_once_wherever_it_breaks_off() {
    let (text, second) = document();
    for (end, place, connections) in
        [(5, 5, 0), (second - 1, second - 1, 1), (second + 1, second, 1), (text.len() - 1, text.len() - 1, 2)]
    {
        let world = World::new();
        world.hands.pass(9 * HOUR_S);
        world.write(&text[..end]).await;
        world.pass().await;
        world.pass().await;
        let told = vec![format!("{place} the document breaks off here")];
        assert_eq!((world.connections().await, world.cases().await), (connections, told), "cut at {end}");
    }
}

#[tokio::test]
async fn what_is_no_document_is_told_once_though_it_may_grow() {
    let world = World::new();
    world.write("oops {").await;
    world.pass().await;
    world.pass().await;
    assert_eq!(world.cases().await.len(), 1, "{:?}", world.cases().await);
}
