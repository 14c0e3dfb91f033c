//! Traffic of the demo: sent through the data planes, logged by the simulated clouds in their own formats, read back, and
//! held against what was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use flow::attribute::named_services;
use flow::timeline::Aliases;
use flow::{End as FlowEnd, Outcome, SourceFacts, Summaries};
use ingest::intake::{FlowIntake, Inventory, Seen, Settings};
use ingest::pass::{Gauge, Limits, Pass};
use ingest::pipeline;
use ingest::place::Place;
use ingest::source::layout::Layout;
use ingest::source::objects::Objects;
use ingest::store::{Reader, Writer};
use mock_cloud::time::unix_ms;
use mock_cloud::traffic::{Count, Edge, Ending, Fate, judge};
use mock_cloud::{Conversation, End, Passage};
use plan::Observed;
use policy::{CompiledPolicy, ServicePoint, Snapshot};
use provider::FlowSource;
use tokio::sync::watch;

use super::sky::{self, Sky, on_plane};
use crate::session::Failure;

/// Who opens connections to whom, on which TCP port, how many; an address is somebody outside.
const TALKS: [(&str, &str, u16, u32); 14] = [
    ("203.0.113.80", "shop-lb-1", 443, 40),
    ("shop-lb-1", "shop-web-prod-1", 8080, 40),
    ("shop-web-prod-1", "shop-app-prod-1", 8443, 40),
    ("shop-app-prod-1", "shop-db-prod-1", 5432, 50),
    ("shop-app-prod-1", "erp-app-1", 443, 12),
    ("erp-app-1", "erp-db-1", 5432, 30),
    ("reports-1", "erp-db-1", 5432, 3),
    ("reports-1", "warehouse-1", 9440, 5),
    ("shop-app-prod-1", "collector-1", 4317, 20),
    ("collector-1", "warehouse-1", 9440, 20),
    ("shared-bastion-1", "shop-db-prod-1", 22, 2),
    // What nobody should try.
    ("shop-web-prod-1", "shop-db-prod-1", 5432, 7),
    ("reports-1", "erp-app-1", 443, 4),
    ("203.0.113.66", "erp-db-1", 22, 9),
];
/// From one connection to the next.
const APART_MS: u64 = 500;
/// How long each connection takes.
const DURATION_MS: u64 = 4_000;
/// What each connection sends and gets.
const COUNTS: (Count, Count) = (Count { packets: 12, bytes: 1_800 }, Count { packets: 10, bytes: 14_000 });
const MINUTE_MS: u64 = 60_000;
/// Logs are written for so long after the last connection, and read then.
const LATER_MS: u64 = 2 * 3_600_000;

/// A flow by who, to whom and on what.
pub type Flow = (FlowEnd, FlowEnd, ServicePoint);

/// Connections by flow: those that were delivered, and those that were dropped.
pub type Counted = BTreeMap<Flow, (u64, u64)>;

/// What was sent and what the logs say.
pub struct Heard {
    /// As it was sent.
    pub sent: Counted,
    /// As it was read back.
    pub summaries: Summaries,
    /// A line for each source.
    pub lines: Vec<String>,
}

impl Heard {
    /// Whether what was read back is what was sent: every flow, no other, each as often, and as the clouds decided where
    /// their logs say so.
    pub fn is_exact(&self) -> bool {
        let mut read = Counted::new();
        let mut unsaid: BTreeSet<Flow> = BTreeSet::new();
        for (key, tally) in &self.summaries.rows {
            let ends = &self.summaries.ends;
            let flow = (ends.get(key.source).clone(), ends.get(key.destination).clone(), key.service);
            let counted = read.entry(flow.clone()).or_default();
            match key.outcome {
                Outcome::Rejected => counted.1 += tally.connections,
                Outcome::Accepted => counted.0 += tally.connections,
                Outcome::Unknown => {
                    counted.0 += tally.connections;
                    unsaid.insert(flow);
                }
            }
        }
        self.sent.len() == read.len()
            && self.sent.iter().all(|(flow, &(passed, dropped))| match read.get(flow) {
                Some(&(all, none)) if unsaid.contains(flow) => all + none == passed + dropped,
                Some(&counted) => counted == (passed, dropped),
                None => false,
            })
    }
}

/// Sends traffic, lets the clouds log it into a folder, and reads the folder.
///
/// # Errors
/// An interface of the demo is missing; the folder cannot be used.
pub async fn listen(
    sky: &Sky,
    observed: &[Observed],
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
) -> Result<Heard, Failure> {
    let folder =
        tempfile::tempdir().map_err(|error| Failure::new(error, "the demo needs a temporary folder"))?;
    let passages = send(sky, observed)?;
    sky.advance_ms(LATER_MS);
    write_logs(sky, &passages, folder.path())?;
    let sent = count(&passages, snapshot);
    let (summaries, lines) = read_logs(sky, folder.path(), snapshot, policy).await?;
    Ok(Heard { sent, summaries, lines })
}

/// Sends every connection through the data planes of both ends, now.
fn send(sky: &Sky, observed: &[Observed]) -> Result<Vec<Passage>, Failure> {
    let (aws, azure, gcp) = (sky.aws.world(), sky.azure.world(), sky.gcp.world());
    let edges: [&dyn Edge; 3] = [&*aws, &*azure, &*gcp];
    // At the beginning of a minute, so that no connection is in two intervals of Google's logs: these do not say which of
    // two entries began it.
    let begin = unix_ms(aws.now_ms()).next_multiple_of(MINUTE_MS);
    let mut conversations = Vec::new();
    for (from, to, port, connections) in TALKS {
        let (source, destination) = (end(observed, from)?, end(observed, to)?);
        for number in 0..connections {
            conversations.push(Conversation {
                source: source.clone(),
                destination: destination.clone(),
                seen_as: None,
                dialled: None,
                protocol: 6,
                source_port: 40_000 + u16::try_from(conversations.len()).unwrap_or_default(),
                detail: port,
                start_ms: begin + u64::from(number) * APART_MS,
                duration_ms: DURATION_MS,
                sent: COUNTS.0,
                received: COUNTS.1,
                ending: Ending::Finished,
            });
        }
    }
    Ok(judge(&edges, conversations))
}

/// An interface by its name, or an address.
fn end(observed: &[Observed], name: &str) -> Result<End, Failure> {
    if let Ok(address) = name.parse() {
        return Ok(End::External(address));
    }
    let missing = || Failure::new(format!("{name} of the demo is missing"), "");
    let interface = sky::interface(observed, name).ok_or_else(missing)?;
    let address = interface.addresses.iter().copied().find(IpAddr::is_ipv4).ok_or_else(missing)?;
    Ok(End::Interface(on_plane(interface), address))
}

/// Each cloud writes what its interfaces saw, in its own format and under its own names.
fn write_logs(sky: &Sky, passages: &[Passage], folder: &Path) -> Result<(), Failure> {
    let aws = mock_aws::flow_logs::Settings {
        format: mock_aws::flow_logs::Field::up_to(5),
        aggregation_s: 60,
        ..Default::default()
    };
    let logged = mock_gcp::flow_logs::SubnetLog {
        interval_s: 60,
        sampling: 1.0,
        metadata: mock_gcp::flow_logs::Metadata::IncludeAll,
    };
    let gcp = mock_gcp::flow_logs::Settings { unless_configured: Some(logged), ..Default::default() };
    let azure = mock_azure::flow_logs::Settings::default();
    let all = [
        ("aws", mock_aws::flow_logs::write(&sky.aws.world(), passages, &aws)),
        ("azure", mock_azure::flow_logs::write(&sky.azure.world(), passages, &azure)),
        ("gcp", mock_gcp::flow_logs::write(&sky.gcp.world(), passages, &gcp)),
    ];
    let put = |path: &Path, bytes: &[u8]| -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::write(path, bytes)
    };
    for (cloud, files) in all {
        for (key, bytes) in files {
            put(&folder.join(cloud).join(key), &bytes).map_err(|error| Failure::new(error, ""))?;
        }
    }
    Ok(())
}

/// What was sent, by labels: delivered, dropped.
fn count(passages: &[Passage], snapshot: &Snapshot) -> Counted {
    let labels: BTreeMap<String, FlowEnd> = snapshot
        .interfaces()
        .map(|(_, workload, interface)| {
            let end =
                FlowEnd::Workload { labels: workload.labels.clone(), network: interface.network.clone() };
            (interface.id.as_str().replace('#', "/"), end)
        })
        .collect();
    let named = |end: &End| match end {
        End::Interface(id, address) => labels.get(id).cloned().unwrap_or(FlowEnd::address(*address)),
        End::External(address) => FlowEnd::address(*address),
    };
    let mut counted = Counted::new();
    for Passage { conversation: of, fate, .. } in passages {
        let service = ServicePoint { protocol: of.protocol, detail: of.detail };
        let (passed, dropped) =
            counted.entry((named(&of.source), named(&of.destination), service)).or_default();
        match fate {
            Fate::StoppedLeaving | Fate::StoppedArriving => *dropped += 1,
            _ => *passed += 1,
        }
    }
    counted
}

/// The estate as it is: an inventory that never changes.
struct Fixed {
    snapshot: Snapshot,
    policy: CompiledPolicy,
}

#[async_trait]
impl Inventory for Fixed {
    async fn look(&mut self) -> Option<Seen> {
        let named = named_services(&self.snapshot, self.policy.clone());
        Some(Seen { snapshot: self.snapshot.clone(), aliases: Aliases::default(), named: Some(named) })
    }
}

/// As `bulkhead flows read` does, with the simulated time.
async fn read_logs(
    sky: &Sky,
    folder: &Path,
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
) -> Result<(Summaries, Vec<String>), Failure> {
    let second = i64::try_from(unix_ms(sky.aws.world().now_ms()) / 1000).unwrap_or(i64::MAX);
    let now: ingest::store::Now = Arc::new(move || second);
    let layouts = [("aws", Layout::Aws), ("azure", Layout::Azure), ("gcp", Layout::Gcp)];
    let mut logs: Vec<Arc<dyn FlowSource>> = Vec::new();
    for (name, layout) in layouts {
        let place =
            Place::open(&folder.join(name).display().to_string(), &ingest::place::Settings::default());
        logs.push(Arc::new(Objects::new(name, place.map_err(failed)?, layout)));
    }
    let is_sampled = |name: &str| SourceFacts { is_sampled: name == "gcp", only: None };
    let facts = logs.iter().map(|log| (log.name().to_owned(), is_sampled(log.name()))).collect();
    let settings = Settings {
        window_s: 3_600,
        externals_max: 1_000,
        look_every_s: 60,
        keep_s: 86_400,
        pipeline: pipeline::Settings::of_machine(),
    };
    let inventory = Fixed { snapshot: snapshot.clone(), policy: policy.clone() };
    let mut intake = FlowIntake::new(inventory, settings, facts, now.clone());
    let store =
        Place::create(&folder.join("store").display().to_string(), &ingest::place::Settings::default());
    let store = store.map_err(failed)?;
    let mut writer = Writer::open(store.clone(), now).await.map_err(failed)?;
    let (_go_on, stop) = watch::channel(false);
    let mut pass = Pass {
        sources: &logs,
        writer: &mut writer,
        limits: Limits::default(),
        gauge: Arc::new(Gauge::default()),
        stop,
    };
    let report = pass.run(&mut intake).await;
    writer.close().await;
    if !report.is_complete() {
        return Err(Failure::new(format!("flow logs could not be read: {report:?}"), ""));
    }
    let line = |status: &ingest::pass::SourceStatus| {
        format!(
            "  {:<6} {:>4} records in {} files; {} not read",
            status.name, status.records, status.pieces, status.cases
        )
    };
    let lines = report.sources.iter().map(line).collect();
    let all = flow::stored::Seconds { from: 0, to: i64::MAX };
    let reader = Reader::open(store).await.map_err(failed)?;
    let fold = reader.fold(all, Summaries::default, |sum, part| sum.add(&part.coarser(u32::MAX)));
    Ok((fold.await.map_err(failed)?.merged(), lines))
}

fn failed(error: impl ToString) -> Failure {
    Failure::new(error, "")
}
