//! The section `flows`: where flow logs lie, and where what is read of them is kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use flow::{Cloud, Outcome};
use policy::file::{Fields, Node, Place, Problems};

use super::{long_duration, place_of};

/// Everything of the section, defaults filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flows {
    /// Where summaries are kept: a folder, or a bucket by its URL.
    pub store: String,
    /// The width of a summary's window.
    pub window: Duration,
    /// Windows this old become windows of a day.
    pub daily_after: Duration,
    /// Older summaries are deleted.
    pub keep: Duration,
    /// What is read.
    pub sources: Vec<FlowSourceConfig>,
}

/// One log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowSourceConfig {
    /// The name that its cursor is kept under.
    pub name: String,
    /// Whose log it is.
    pub cloud: Cloud,
    /// How it is read.
    pub from: From,
    /// The verdict of all of its records. `None`: as the log says of itself, and every verdict where it says nothing.
    pub only: Option<Outcome>,
}

/// How a log is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum From {
    /// Files in a folder or bucket.
    Objects {
        /// A folder, or a bucket by its URL.
        url: String,
    },
    /// A log group of CloudWatch Logs.
    CloudWatch {
        /// Its name.
        group: String,
        /// Where it is.
        region: String,
        /// The fields of a line. `None`: as the flow log that writes there says.
        log_format: Option<String>,
    },
    /// A project of Cloud Logging.
    CloudLogging {
        /// Its id.
        project: String,
    },
}

const KEYS: [&str; 5] = ["store", "window", "daily_after", "keep", "sources"];
const SOURCE_KEYS: [&str; 8] =
    ["name", "cloud", "from", "log_group", "region", "log_format", "project", "only"];
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
impl Flows {
    /// Paths in the section are relative to the folder of the configuration.
    pub(super) fn settle(&mut self, folder: &Path) {
        let urls = self.sources.iter_mut().filter_map(|source| match &mut source.from {
            From::Objects { url } => Some(url),
            _ => None,
        });
        for url in urls.chain([&mut self.store]).filter(|url| !url.contains("://")) {
            *url = folder.join(url.as_str()).display().to_string();
        }
    }
}

pub(super) fn read(problems: &mut Problems<'_>, fields: &Fields<'_>, state: &Path) -> Flows {
    let store = state.join("flows").display().to_string();
    let mut flows =
        Flows { store, window: HOUR, daily_after: DAY * 30, keep: DAY * 395, sources: Vec::new() };
    let Some(fields) = fields.get("flows").and_then(|node| problems.fields(node, "`flows`", &KEYS)) else {
        return flows;
    };
    if let Some(node) = fields.get("store") {
        flows.store = problems.text(node, "`store`").unwrap_or_default().to_owned();
    }
    let spans =
        [("window", &mut flows.window), ("daily_after", &mut flows.daily_after), ("keep", &mut flows.keep)];
    for (key, span) in spans {
        *span = long_duration(problems, &fields, key).unwrap_or(*span);
    }
    check_spans(problems, &fields, &flows);
    let nodes = fields.get("sources").map(|node| problems.list(node, "`sources`")).unwrap_or_default();
    flows.sources = nodes.iter().filter_map(|node| source(problems, node)).collect();
    refuse_twice(problems, nodes, &flows.sources);
    flows
}

/// A window of a day must hold whole windows, and what is not yet read must not be deleted.
fn check_spans(problems: &mut Problems<'_>, fields: &Fields<'_>, flows: &Flows) {
    let window = flows.window.as_secs();
    if window < 60 || !DAY.as_secs().is_multiple_of(window) {
        let hint = "write a part of a day such as `5m`, `15m`, `1h` or `24h`";
        let message = "`window` does not divide a day into whole windows of a minute or more";
        problems.report(place_of(fields, "window"), message, hint);
    }
    if flows.keep < DAY * 2 {
        let hint = "write a span such as `90d`: what arrives late has to find its window";
        problems.report(place_of(fields, "keep"), "`keep` is below two days", hint);
    }
}

fn source(problems: &mut Problems<'_>, node: &Node) -> Option<FlowSourceConfig> {
    let fields = problems.fields(node, "an entry of `sources`", &SOURCE_KEYS)?;
    let name = problems.required(&fields, "name").and_then(|node| problems.text(node, "`name`"));
    let clouds = [("aws", Cloud::Aws), ("azure", Cloud::Azure), ("gcp", Cloud::Gcp)];
    problems.required(&fields, "cloud");
    let cloud = problems.choice(&fields, "cloud", &clouds, Cloud::Aws);
    let ways = ["from", "log_group", "project"];
    let written: Vec<&str> = ways.into_iter().filter(|key| fields.get(key).is_some()).collect();
    let from = match (written.as_slice(), cloud) {
        (["from"], _) => From::Objects { url: text(problems, &fields, "from")? },
        (["log_group"], Cloud::Aws) => cloud_watch(problems, &fields)?,
        (["project"], Cloud::Gcp) => From::CloudLogging { project: text(problems, &fields, "project")? },
        ([other], _) => {
            let hint = "`log_group` is of `cloud: aws`, `project` of `cloud: gcp`, `from` of all";
            problems.report(place_of(&fields, other), format!("`{other}` is not of this cloud"), hint);
            return None;
        }
        _ => {
            let hint = "write `from` for a folder or bucket, `log_group` for CloudWatch Logs, `project` for Cloud Logging";
            problems.report(fields.place, "a source is read in one way", hint);
            return None;
        }
    };
    let verdicts = [("accepted", Some(Outcome::Accepted)), ("rejected", Some(Outcome::Rejected))];
    let only = problems.choice(&fields, "only", &verdicts, None);
    Some(FlowSourceConfig { name: name?.to_owned(), cloud, from, only })
}

fn cloud_watch(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Option<From> {
    let log_format = text(problems, fields, "log_format");
    problems.required(fields, "region");
    let region = text(problems, fields, "region")?;
    Some(From::CloudWatch { group: text(problems, fields, "log_group")?, region, log_format })
}

fn text(problems: &mut Problems<'_>, fields: &Fields<'_>, key: &str) -> Option<String> {
    problems.text(fields.get(key)?, &format!("`{key}`")).map(str::to_owned)
}

/// Two sources of one name would share a cursor.
fn refuse_twice(problems: &mut Problems<'_>, nodes: &[Node], sources: &[FlowSourceConfig]) {
    let mut seen = BTreeSet::new();
    let place = |at: usize| nodes.get(at).map_or(Place::default(), |node| node.place);
    for (at, source) in sources.iter().enumerate() {
        if !seen.insert(&source.name) {
            let hint = "give each source a name of its own: what was read is kept under it";
            problems.report(place(at), format!("two sources are named `{}`", source.name), hint);
        }
    }
}
