//! Flow logs out of Cloud Logging: every entry once, page by page, window by window.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::TryStreamExt;
use mock_cloud::Fault;
use provider::{ErrorKind, FlowCursor, FlowSource, Piece, Progress};
use provider_gcp::flow_logs::{CloudLogging, Entries};
use serde_json::{Value, json};

use crate::harness::{PROJECT, Sim, slow};

/// 2026-11-02T10:00:00Z
const START: i64 = 1_793_613_600;

fn at(second: i64, nanos: u32) -> String {
    let time = jiff::Timestamp::new(second, nanos as i32).unwrap();
    time.to_string()
}

fn entry(id: usize, log: &str, happened: i64, received: String) -> Value {
    json!({ "insertId": format!("e{id}"), "logName": format!("projects/{PROJECT}/logs/{log}"),
        "timestamp": at(happened, 0), "receiveTimestamp": received, "jsonPayload": { "n": id } })
}

/// Entries that arrive over ten minutes, some long after they happened, some on the very edge of a window, and
/// entries of other logs beside them.
fn seed(sim: &Sim, entries: usize) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut world = sim.front.world();
    for id in 0..entries {
        let log = ["compute.googleapis.com%2Fvpc_flows", "compute.googleapis.com%2Ffirewall"][id % 2];
        let second = START + random.i64(0..600);
        let received =
            if id % 5 == 0 { at(second - second % 60, 0) } else { at(second, random.u32(0..1_000_000_000)) };
        world.log(entry(id, log, second - random.i64(0..3_000), received));
        world.log(entry(id, "cloudaudit.googleapis.com%2Factivity", second, at(second, 0)));
    }
}

async fn read(source: &CloudLogging, piece: &Piece) -> Result<Vec<Value>, provider::ProviderError> {
    let chunks: Vec<Vec<u8>> = source.open(piece).await?.try_collect().await?;
    let text = String::from_utf8(chunks.concat()).unwrap();
    Ok(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn done(cursor: &mut FlowCursor, piece: &Piece) {
    let progress =
        Progress { version: piece.version.clone(), offset: 1, modified: piece.modified, tail: String::new() };
    cursor.pieces.insert(piece.key.clone(), progress);
}

#[tokio::test]
async fn every_entry_of_a_flow_log_is_read_once_however_late_it_came() {
    let sim = Sim::start(slow()).await;
    seed(&sim, 5_000);
    let now = Arc::new(AtomicI64::new(START));
    let clock = {
        let now = now.clone();
        Arc::new(move || now.load(Ordering::Relaxed))
    };
    let source = Entries::source("logs", PROJECT, sim.api.clone(), START, clock);
    let (mut cursor, mut seen, mut windows) = (FlowCursor::default(), BTreeMap::new(), 0);
    for step in 0..30 {
        now.store(START + step * 45, Ordering::Relaxed);
        for piece in source.pieces(&cursor, 3).await.unwrap() {
            windows += 1;
            for entry in read(&source, &piece).await.unwrap() {
                *seen.entry(entry["insertId"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            done(&mut cursor, &piece);
        }
    }
    assert!(seen.values().all(|times| *times == 1));
    let pages =
        sim.front.world().calls.all().iter().filter(|call| call.action == "logging.entries.list").count();
    println!("{} entries in {windows} windows and {pages} pages", seen.len());
    assert_eq!(seen.len(), 5_000, "entries of other logs are not asked for");
}

#[tokio::test]
async fn a_window_of_many_pages_is_whole() {
    let sim = Sim::start(slow()).await;
    for id in 0..3_500 {
        let entry = entry(id, "compute.googleapis.com%2Fvpc_flows", START, at(START + 59, id as u32));
        sim.front.world().log(entry);
    }
    let source = Entries::source("logs", PROJECT, sim.api.clone(), START, Arc::new(|| START + 1_000));
    let piece = source.pieces(&FlowCursor::default(), 1).await.unwrap().remove(0);
    let ids: Vec<u64> = read(&source, &piece)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry["jsonPayload"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), 3_500);
    assert_eq!(
        sim.front.world().calls.all().iter().filter(|call| call.action.starts_with("logging")).count(),
        4
    );
}

#[tokio::test]
async fn a_failed_page_fails_the_window_and_the_next_pass_reads_it_again() {
    let sim = Sim::start(slow()).await;
    seed(&sim, 300);
    let source = Entries::source("logs", PROJECT, sim.api.clone(), START, Arc::new(|| START + 1_000));
    let piece = source.pieces(&FlowCursor::default(), 1).await.unwrap().remove(0);
    for (fault, kind) in [
        (Fault::Throttle, ErrorKind::Throttled),
        (Fault::ServerError, ErrorKind::Transient),
        (Fault::AccessDenied, ErrorKind::Denied),
    ] {
        sim.front.world().faults.plant("logging.entries.list", 1, fault);
        let error = read(&source, &piece).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    assert_eq!(source.pieces(&FlowCursor::default(), 1).await.unwrap().first(), Some(&piece));
    assert!(!read(&source, &piece).await.unwrap().is_empty());
}
