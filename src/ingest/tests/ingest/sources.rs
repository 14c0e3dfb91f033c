//! What is listed, in which order, what is not listed again, and what happens when objects change or fail.

use std::sync::Arc;

use flow::Format;
use futures_util::TryStreamExt;
use ingest::pass::{Gauge, Limits, Pass, Report};
use ingest::place::{Place, Settings};
use ingest::source::{Layout, Objects};
use ingest::store::Writer;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use provider::{ErrorKind, FlowCursor, FlowSource, Packing, Piece, Progress};
use tokio::sync::watch;

use crate::faulty::{Faulty, Plan};
use crate::toy::Toy;
use crate::world::{Hands, held};

const AWS: &str = "logs/AWSLogs/111122223333/vpcflowlogs/eu-west-1";
const HIVE: &str = "logs/AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=eu-west-1";
const AZURE: &str =
    "resourceId=/SUBSCRIPTIONS/S1/RESOURCEGROUPS/2024/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/N1";

fn aws_key(day: &str, minute: &str) -> String {
    let stamp = format!("{}T{minute}Z", day.replace('/', ""));
    format!("{AWS}/{day}/111122223333_vpcflowlogs_eu-west-1_fl-0a1_{stamp}_ab12cd34.log.gz")
}

async fn store(keys: &[String]) -> Arc<dyn ObjectStore> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for key in keys {
        put(&*store, key, "x").await;
    }
    store
}

async fn put(store: &dyn ObjectStore, key: &str, text: &str) {
    store.put(&Path::from(key), text.to_owned().into()).await.unwrap();
}

fn source(store: &Arc<dyn ObjectStore>, prefix: &str, layout: Layout) -> Objects {
    Objects::new("s", Place::on(store.clone(), Path::from(prefix), "s"), layout)
}

async fn keys(source: &Objects, cursor: &FlowCursor, max: usize) -> Vec<String> {
    let pieces = source.pieces(cursor, max).await.unwrap();
    pieces.iter().map(|piece| piece.key.rsplit('/').next().unwrap().to_owned()).collect()
}

fn read(cursor: &mut FlowCursor, piece: &Piece) {
    let progress = Progress {
        version: piece.version.clone(),
        offset: piece.end.unwrap(),
        modified: piece.modified,
        tail: String::new(),
    };
    cursor.pieces.insert(piece.key.clone(), progress);
}

#[tokio::test]
async fn aws_keys_in_both_layouts_are_read_oldest_first() {
    let hive = format!(
        "{HIVE}/year=2026/month=11/day=01/hour=10/x_vpcflowlogs_eu-west-1_fl-1_20261101T1005Z_ff.log.parquet"
    );
    let other = [
        "logs/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01/a.log.gz",
        "logs/AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/01/readme.txt",
    ];
    let mut all = vec![
        aws_key("2026/11/02", "0010"),
        aws_key("2026/11/01", "2355"),
        aws_key("2026/11/02", "0005"),
        hive,
    ];
    all.extend(other.map(str::to_owned));
    let store = store(&all).await;
    let source = source(&store, "logs", Layout::Aws);
    let pieces = source.pieces(&FlowCursor::default(), 100).await.unwrap();
    let seen: Vec<_> =
        pieces.iter().map(|piece| (piece.modified, piece.format.clone(), piece.packing)).collect();
    let day = 1_793_491_200; // 2026-11-01
    let text = |time| (time, Format::AwsText, Packing::Gzip);
    let expected = [
        (day + 10 * 3600 + 300, Format::AwsParquet, Packing::Plain),
        text(day + 23 * 3600 + 55 * 60),
        text(day + 86_400 + 300),
        text(day + 86_400 + 600),
    ];
    assert_eq!(seen, expected);
    let mut stream = source.open(&pieces[0]).await.unwrap();
    assert_eq!(stream.try_next().await.unwrap(), Some(b"x".to_vec()));
}

#[tokio::test]
async fn azure_and_google_keys_carry_their_hour() {
    let azure = format!("{AZURE}/y=2026/m=11/d=02/h=10/m=00/macAddress=002248AABBCC/PT1H.json");
    let google = "compute.googleapis.com/vpc_flows/2026/11/02/09:00:00_09:59:59_S0.json".to_owned();
    let firewall = "compute.googleapis.com/firewall/2026/11/02/08:00:00_08:59:59_A0:1.json".to_owned();
    let audit = "cloudaudit.googleapis.com/activity/2026/11/02/09:00:00_09:59:59_S0.json".to_owned();
    let others = "compute.googleapis.com/nat_flows/2026/11/02/09:00:00_09:59:59_S0.json".to_owned();
    let store = store(&[azure, google, firewall, others]).await;
    let day = 1_793_577_600; // 2026-11-02
    let found = source(&store, "", Layout::Azure).pieces(&FlowCursor::default(), 9).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].modified, &found[0].format), (day + 10 * 3600, &Format::AzureJson));
    let found = source(&store, "", Layout::Gcp).pieces(&FlowCursor::default(), 9).await.unwrap();
    let times: Vec<i64> = found.iter().map(|piece| piece.modified).collect();
    assert_eq!(times, [day + 8 * 3600, day + 9 * 3600], "{found:?}");
    put(&*store, &audit, "x").await;
    assert_eq!(source(&store, "", Layout::Gcp).pieces(&FlowCursor::default(), 9).await.unwrap().len(), 2);
}

/// A year of logs: a pass lists the days from the horizon on and no other.
#[tokio::test]
async fn a_year_of_logs_is_not_listed_in_each_pass() {
    let mut all = Vec::new();
    for month in 1..=12 {
        for day in 1..=28 {
            all.extend(["0005", "1205"].map(|minute| aws_key(&format!("2026/{month:02}/{day:02}"), minute)));
        }
    }
    let store = store(&all).await;
    let plan = Plan::default();
    let front: Arc<dyn ObjectStore> = Arc::new(Faulty::new(store, plan.clone()));
    let source = source(&front, "logs", Layout::Aws);
    // 2026-12-27
    let cursor = FlowCursor { horizon: 1_798_329_600, ..FlowCursor::default() };
    plan.arm(None);
    assert_eq!(source.pieces(&cursor, 1000).await.unwrap().len(), 4, "two days of two files");
    let calls = plan.calls();
    println!("{calls} lists for {} objects", all.len());
    assert!(calls <= 12, "{calls} lists");
    // The first pass of all stops when it has enough.
    plan.arm(None);
    assert_eq!(source.pieces(&FlowCursor::default(), 10).await.unwrap().len(), 10);
    assert!(plan.calls() < 40, "{} lists", plan.calls());
}

#[tokio::test]
async fn at_most_so_many_pieces_and_ties_in_the_order_of_keys() {
    let day = "2026/11/02";
    let tie = |name: &str| aws_key(day, "0005").replace("ab12cd34", name);
    let store = store(&[tie("c"), tie("a"), tie("b"), aws_key(day, "0010")]).await;
    let source = source(&store, "logs", Layout::Aws);
    let mut cursor = FlowCursor::default();
    let mut seen = Vec::new();
    loop {
        let pieces = source.pieces(&cursor, 2).await.unwrap();
        if pieces.is_empty() {
            break;
        }
        assert!(pieces.len() <= 2);
        for piece in &pieces {
            seen.push(piece.key.clone());
            read(&mut cursor, piece);
        }
    }
    assert_eq!(seen.len(), 4);
    assert!(seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn what_grew_is_handed_out_from_its_offset() {
    let store = store(&[]).await;
    let layout = Layout::Files { suffix: ".json".to_owned(), format: Format::GcpJsonLines };
    let source = source(&store, "d", layout);
    put(&*store, "d/a.json", "one\n").await;
    let mut cursor = FlowCursor::default();
    let piece = source.pieces(&cursor, 9).await.unwrap().remove(0);
    read(&mut cursor, &piece);
    assert!(keys(&source, &cursor, 9).await.is_empty());
    put(&*store, "d/a.json", "one\ntwo\n").await;
    let piece = source.pieces(&cursor, 9).await.unwrap().remove(0);
    assert_eq!((piece.offset, piece.end), (4, Some(8)));
    let bytes: Vec<u8> = source.open(&piece).await.unwrap().try_concat().await.unwrap();
    assert_eq!(bytes, b"two\n");
}

/// A version that is not the one that was listed is a conflict, and not half of one and half of the other.
#[tokio::test]
async fn an_object_that_changed_meanwhile_is_a_conflict() {
    let store = store(&[]).await;
    let layout = Layout::Files { suffix: ".gz".to_owned(), format: Format::AwsText };
    let source = source(&store, "d", layout);
    put(&*store, "d/a.gz", "one").await;
    let piece = source.pieces(&FlowCursor::default(), 9).await.unwrap().remove(0);
    put(&*store, "d/a.gz", "two").await;
    let error = source.open(&piece).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn no_such_folder_and_no_such_place_are_clear() {
    let open = |location: &str| Place::open(location, &Settings::default()).unwrap_err();
    assert_eq!(open("/no/such/folder").to_string(), "open failed: `/no/such/folder`: it is not there");
    assert_eq!(open("ftp://host/x").to_string(), "open failed: `ftp://host/x` is no folder and no bucket");
    assert_eq!(open("/etc/hostname").kind, ErrorKind::Rejected);
}

/// A source and a store in memory, and passes over them.
struct Bench {
    logs: Arc<dyn ObjectStore>,
    kept: Place,
    hands: Hands,
    sources: Vec<Arc<dyn FlowSource>>,
}

impl Bench {
    async fn new(layout: Layout) -> Self {
        let logs = store(&[]).await;
        let kept = Place::on(store(&[]).await, Path::default(), "kept");
        let sources: Vec<Arc<dyn FlowSource>> = vec![Arc::new(source(&logs, "logs", layout))];
        Self { logs, kept, hands: Hands::new(), sources }
    }

    fn lines() -> Layout {
        Layout::Files { suffix: String::new(), format: Format::GcpJsonLines }
    }

    async fn pass(&self) -> Report {
        let mut writer = Writer::open(self.kept.clone(), self.hands.now()).await.unwrap();
        let (_say, stop) = watch::channel(false);
        let (limits, gauge) = (Limits::default(), Arc::new(Gauge::default()));
        let mut pass = Pass { sources: &self.sources, writer: &mut writer, limits, gauge, stop };
        let report = pass.run(&mut Toy).await;
        writer.close().await;
        report
    }

    async fn reasons(&self) -> Vec<String> {
        let reader = ingest::store::Reader::open(self.kept.clone()).await.unwrap();
        reader.quarantine().await.unwrap().into_iter().map(|case| case.reason).collect()
    }
}

fn toy_line(bytes: u64) -> String {
    format!("1790000000 10.0.0.1 10.0.0.2 443 {bytes}\n")
}

fn many_lines(count: u64) -> String {
    (0..count).map(|_| toy_line(1)).collect()
}

/// Read again would count twice.
#[tokio::test]
async fn a_file_that_got_shorter_is_told_once_and_not_read_again() {
    let bench = Bench::new(Bench::lines()).await;
    put(&*bench.logs, "logs/a", &many_lines(10)).await;
    assert!(bench.pass().await.is_complete());
    put(&*bench.logs, "logs/a", &many_lines(4)).await;
    assert!(bench.pass().await.is_complete());
    assert!(bench.pass().await.is_complete());
    assert_eq!(held(&bench.kept).await.0.0, 10);
    let reasons = bench.reasons().await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].starts_with("it is shorter than what was read of it"), "{reasons:?}");
    // What is added from here on is new.
    put(&*bench.logs, "logs/a", &many_lines(6)).await;
    bench.pass().await;
    assert_eq!(held(&bench.kept).await.0.0, 12);
}

#[tokio::test]
async fn a_file_that_was_written_anew_and_is_longer_is_noticed() {
    let bench = Bench::new(Bench::lines()).await;
    put(&*bench.logs, "logs/a", &many_lines(10)).await;
    bench.pass().await;
    let other: String = (0..20).map(|_| toy_line(7)).collect();
    put(&*bench.logs, "logs/a", &other).await;
    bench.pass().await;
    assert_eq!(held(&bench.kept).await.0, (10, 10));
    assert_eq!(bench.reasons().await.len(), 1);
}

#[tokio::test]
async fn a_packed_object_that_changed_is_told_and_not_read_again() {
    let bench = Bench::new(Layout::Aws).await;
    let key = aws_key("2026/11/02", "0005").replace(".gz", "");
    put(&*bench.logs, &key, &many_lines(2)).await;
    bench.pass().await;
    put(&*bench.logs, &key, &many_lines(5)).await;
    bench.pass().await;
    assert_eq!(held(&bench.kept).await.0.0, 2);
    assert!(bench.reasons().await[0].starts_with("it was written anew"));
}

/// AWS delivers out of order: within two days an object is read, later it is told.
#[tokio::test]
async fn late_objects_are_read_and_what_is_too_late_is_told() {
    let bench = Bench::new(Layout::Aws).await;
    let log = |day: &str, minute: &str| aws_key(day, minute).replace(".gz", "");
    put(&*bench.logs, &log("2026/11/02", "0005"), &many_lines(1)).await;
    put(&*bench.logs, &log("2026/11/10", "0005"), &many_lines(1)).await;
    // The clock of the store in memory is the machine's: the first look must lie before it.
    assert!(bench.pass().await.is_complete());
    let cursor = || async {
        let reader = ingest::store::Reader::open(bench.kept.clone()).await.unwrap();
        reader.manifest().await.unwrap().sources["s"].cursor.clone()
    };
    let horizon = cursor().await.horizon;
    assert_eq!(horizon, 1_794_268_800 - 2 * 86_400, "midnight, two days before the newest");
    assert_eq!(cursor().await.pieces.len(), 1, "what lies before the horizon is forgotten");
    // Two days late: read.
    put(&*bench.logs, &log("2026/11/08", "0000"), &many_lines(1)).await;
    bench.pass().await;
    assert_eq!(held(&bench.kept).await.0.0, 3);
    // Nine days late: told, at the look of the next day, and once.
    put(&*bench.logs, &log("2026/11/01", "0000"), &many_lines(1)).await;
    bench.pass().await;
    assert!(bench.reasons().await.is_empty());
    bench.hands.pass(100 * 86_400_000);
    bench.pass().await;
    bench.pass().await;
    let reasons = bench.reasons().await;
    assert!(reasons.iter().all(|reason| reason.contains("so late")), "{reasons:?}");
    assert!(!reasons.is_empty());
    assert_eq!(held(&bench.kept).await.0.0, 3);
}

/// One piece that fails is tried again; the others are read, and the horizon waits for it.
#[tokio::test]
async fn a_piece_that_fails_is_not_advanced_and_stops_nobody() {
    let mut bench = Bench::new(Layout::Aws).await;
    let log = |day: &str| aws_key(day, "0005").replace(".gz", "");
    for day in ["2026/11/02", "2026/11/06", "2026/11/10"] {
        put(&*bench.logs, &log(day), &many_lines(1)).await;
    }
    let plan = Plan::default();
    let front: Arc<dyn ObjectStore> = Arc::new(Faulty::new(bench.logs.clone(), plan.clone()));
    bench.sources = vec![Arc::new(source(&front, "logs", Layout::Aws))];
    // Find the call that reads the first object.
    plan.arm(None);
    let listed = source(&front, "logs", Layout::Aws);
    listed.pieces(&FlowCursor::default(), 9).await.unwrap();
    let lists = plan.calls();
    let late = 3; // The look for late pieces lists folders first.
    let mut hit = None;
    for call in lists..lists + late + 6 {
        let probe = Bench {
            logs: bench.logs.clone(),
            kept: Place::on(store(&[]).await, Path::default(), "k"),
            hands: Hands::new(),
            sources: bench.sources.clone(),
        };
        plan.arm(Some((call, crate::faulty::Fault::Before)));
        let report = probe.pass().await;
        if let Some((key, error)) = report.sources[0].failed.first() {
            assert_eq!(error.kind, ErrorKind::Transient, "{error}");
            assert_eq!(held(&probe.kept).await.0.0, 2, "the others are read");
            let is_first = key.contains("/2026/11/02/");
            plan.arm(None);
            assert!(probe.pass().await.is_complete());
            assert_eq!(held(&probe.kept).await.0.0, 3, "the next pass reads it");
            hit = hit.or(is_first.then_some(call));
        }
    }
    assert!(hit.is_some(), "the first object never failed");
}

/// A source that cannot be listed does not stop the next one.
#[tokio::test]
async fn a_source_that_fails_stops_no_other() {
    let mut bench = Bench::new(Bench::lines()).await;
    put(&*bench.logs, "logs/a", &many_lines(3)).await;
    let plan = Plan::default();
    plan.arm(Some((1, crate::faulty::Fault::DeadBefore)));
    let dead: Arc<dyn ObjectStore> = Arc::new(Faulty::new(bench.logs.clone(), plan));
    bench
        .sources
        .insert(0, Arc::new(Objects::new("dead", Place::on(dead, Path::from("logs"), "x"), Bench::lines())));
    let report = bench.pass().await;
    assert!(report.sources[0].error.is_some() && report.sources[1].error.is_none());
    assert_eq!(held(&bench.kept).await.0.0, 3);
}

#[tokio::test]
async fn what_cannot_be_read_is_bounded_and_the_rest_goes_on() {
    let bench = Bench::new(Bench::lines()).await;
    put(&*bench.logs, "logs/a", &"junk\n".repeat(1000)).await;
    put(&*bench.logs, "logs/b", &many_lines(3)).await;
    bench.pass().await;
    let reasons = bench.reasons().await;
    assert_eq!(reasons.len(), 101);
    assert_eq!(reasons[100], "and 900 more places that could not be read");
    assert_eq!(held(&bench.kept).await.0.0, 3);
}
