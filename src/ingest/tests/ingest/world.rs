//! A random world of growing files, and what of it a store must hold.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flow::stored::{Seconds, decode};
use flow::{Format, Summaries};
use futures_util::TryStreamExt;
use ingest::pass::{Gauge, Limits, Pass, Report};
use ingest::place::Place;
use ingest::source::{Layout, Objects};
use ingest::store::{Now, Reader, StoreError, Writer};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use provider::FlowSource;
use tokio::sync::watch;

use crate::faulty::{Faulty, Plan};
use crate::toy::Toy;

/// Connections and bytes.
pub type Totals = (u64, u64);

/// The first second of the tests.
pub const START: i64 = 1_790_000_000;

/// A clock that the test moves.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    pub fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn now(&self) -> Now {
        let hands = self.0.clone();
        Arc::new(move || hands.load(Ordering::Relaxed))
    }
}

/// What was written into the sources so far.
#[derive(Default)]
pub struct Written {
    /// Of lines that can be read.
    pub totals: Totals,
    /// Places that cannot be read.
    pub cases: usize,
    names: Vec<String>,
    /// Lines without their end, by the file.
    open: Vec<(String, String)>,
}

fn line(random: &mut fastrand::Rng, written: &mut Written) -> String {
    if random.u8(..10) == 0 {
        written.cases += 1;
        return "what is this\n".to_owned();
    }
    let bytes = random.u64(1..1000);
    written.totals = (written.totals.0 + 1, written.totals.1 + bytes);
    let time = START - random.i64(0..3 * 86_400);
    let (a, b, port) = (random.u8(1..4), random.u8(1..4), random.u16(1..3));
    format!("{time} 10.0.0.{a} 10.0.0.{b} {port} {bytes}\n")
}

fn lines(random: &mut fastrand::Rng, written: &mut Written) -> String {
    (0..random.usize(1..8)).map(|_| line(random, written)).collect()
}

/// Something happens to the sources: files come, grow, get half a line, vanish after they were read, come packed, come torn.
pub async fn step(store: &dyn ObjectStore, random: &mut fastrand::Rng, written: &mut Written) {
    if random.bool() && !written.names.is_empty() {
        // It was read: nothing of it may be missed.
        let name = written.names.swap_remove(random.usize(..written.names.len()));
        if !written.open.iter().any(|(open, _)| *open == name) {
            let _ = store.delete(&Path::from(name)).await;
        }
    }
    for _ in 0..random.usize(1..4) {
        let name = format!("logs/{}/{}.json", random.u8(..3), random.u64(..));
        match random.u8(..5) {
            0 | 1 => {
                let text = lines(random, written);
                append(store, &name, &text).await;
                written.names.push(name);
            }
            2 if !written.names.is_empty() => {
                let name = random.choice(&written.names).unwrap().clone();
                let half = written.open.iter().position(|(open, _)| *open == name);
                let rest = half.map(|at| written.open.swap_remove(at).1).unwrap_or_default();
                let text = rest + &lines(random, written);
                append(store, &name, &text).await;
            }
            3 => {
                let text = line(random, &mut *written);
                let (half, rest) = text.split_at(random.usize(..text.len()));
                append(store, &name, half).await;
                written.open.push((name.clone(), rest.to_owned()));
                written.names.push(name);
            }
            4 => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(lines(random, written).as_bytes()).unwrap();
                let mut bytes = packer.finish().unwrap();
                if random.bool() {
                    // The trailer is missing: what was packed can still be read.
                    bytes.truncate(bytes.len() - 4);
                    written.cases += 1;
                }
                store.put(&Path::from(format!("{name}.gz")), bytes.into()).await.unwrap();
                written.names.push(format!("{name}.gone"));
            }
            _ => {}
        }
    }
}

/// Ends the lines that are open, so that everything can be read.
pub async fn finish(store: &dyn ObjectStore, written: &mut Written) {
    for (name, rest) in std::mem::take(&mut written.open) {
        append(store, &name, &rest).await;
    }
}

async fn append(store: &dyn ObjectStore, name: &str, text: &str) {
    let path = Path::from(name);
    let mut bytes = match store.get(&path).await {
        Ok(result) => result.bytes().await.unwrap().to_vec(),
        Err(_) => Vec::new(),
    };
    bytes.extend_from_slice(text.as_bytes());
    store.put(&path, bytes.into()).await.unwrap();
}

/// One process: opens the store, passes until all is read, and says how it ended.
pub async fn process(
    world: &Arc<dyn ObjectStore>,
    place: Place,
    plan: &Plan,
    now: Now,
) -> Result<Report, StoreError> {
    let front: Arc<dyn ObjectStore> = Arc::new(Faulty::new(world.clone(), plan.clone()));
    let from = Place::on(front, Path::from("logs"), "logs");
    let layout = Layout::Files { suffix: String::new(), format: Format::GcpJsonLines };
    let sources: Vec<Arc<dyn FlowSource>> = vec![Arc::new(Objects::new("toy", from, layout))];
    let front = plan.clone();
    let place = place.through(move |inner| Arc::new(Faulty::new(inner, front)));
    let mut writer = Writer::open(place, now).await?;
    let limits = Limits { pieces_max: 3, rows_max: 6, ..Limits::default() };
    let mut report = Report::default();
    // The next pass is the retry.
    for _ in 0..3 {
        let (_say, stop) = watch::channel(false);
        let gauge = Arc::new(Gauge::default());
        let mut pass = Pass { sources: &sources, writer: &mut writer, limits, gauge, stop };
        report = pass.run(&mut Toy).await;
        if report.is_complete() || plan.is_dead() {
            break;
        }
    }
    if !plan.is_dead() {
        writer.close().await;
    }
    Ok(report)
}

fn add(sum: &mut Totals, rows: &Summaries) {
    for (_, tally) in &rows.rows {
        *sum = (sum.0 + tally.connections, sum.1 + tally.bytes);
    }
}

/// What a store holds, as its manifest says: totals, records by coverage, cases.
pub async fn held(place: &Place) -> (Totals, u64, usize) {
    let reader = Reader::open(place.clone()).await.unwrap();
    let totals = reader.fold(Seconds::ALL, || (0, 0), |sum, rows| add(sum, &rows)).await.unwrap();
    let records = reader.coverage().await.unwrap().records;
    (totals, records, reader.quarantine().await.unwrap().len())
}

/// What a glob over `flows` sees, without any manifest.
pub async fn globbed(store: &dyn ObjectStore, prefix: &str) -> Totals {
    let list: Vec<_> = store.list(Some(&Path::from(format!("{prefix}/flows")))).try_collect().await.unwrap();
    let mut sum = (0, 0);
    for meta in list {
        let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
        add(&mut sum, &decode(bytes, Seconds::ALL).unwrap());
    }
    sum
}
