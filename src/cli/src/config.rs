//! The configuration `bulkhead.yaml`, and the folder of policy files that it points at.
//!
//! [`Config::parse`] is pure and reports every mistake at once, with its place, as policy files do. Reading
//! is bounded and done by [`Config::read`] and [`Config::read_policy`]. No cloud type occurs here.

mod credential;
mod drivers;
mod files;
mod flows;
mod labels;
mod nat;
mod place;
mod quota;
mod scopes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use plan::Scope;
use plan::guard::GuardSettings;
use policy::Translation;
use policy::file::{Fields, FileError, Node, Place, Problems, SourceFile, Value, parse};
use reconcile::mapping::Mapping;

pub use credential::Credential;
pub use drivers::{Azure, Gcp, GcpIdentity, OpenConnections, SecurityGroups};
use files::read_file;
pub use files::read_folder;
pub use flows::{FlowSourceConfig, Flows, From};
pub use quota::Quota;

/// Everything that `bulkhead.yaml` says, defaults filled in.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The ownership mark of every object that we make.
    pub installation: String,
    /// The folder of policy files, and of folders of them.
    pub policy: PathBuf,
    /// The folder of the audit log and stored plans.
    pub state: PathBuf,
    /// Tags put on every object that we create.
    pub extra_tags: BTreeMap<String, String>,
    /// What is read, planned and written.
    pub scopes: Vec<ScopeConfig>,
    /// Tags → labels.
    pub mapping: Mapping,
    /// What addresses look like in networks that theirs are not connected to.
    pub translations: Vec<Translation>,
    /// What is particular to Azure.
    pub azure: Azure,
    /// What is particular to Google Cloud.
    pub gcp: Gcp,
    /// Flow logs: where they lie, and where what was read is kept.
    pub flows: Flows,
    /// When a plan is too much to be applied without a word.
    pub guards: GuardSettings,
    /// The period of `bulkhead run`.
    pub every: Duration,
}

/// One scope, with what only its driver needs.
#[derive(Clone, PartialEq, Debug)]
pub struct ScopeConfig {
    /// The scope as planning sees it.
    pub scope: Scope,
    /// Where accounts are found, each with a scope of its own: a management group of Azure, `folders/N` or
    /// `organizations/N` of Google Cloud. None where `account` names one.
    pub below: Option<String>,
    /// Who we are there.
    pub credential: Credential,
    /// The share of every API bucket that we use, above 0 and at most 1.
    pub share: f64,
    /// Quotas that the cloud has raised.
    pub quota: Quota,
}

/// The names of the guards.
pub const GUARDS: [&str; 4] = ["lose-peer", "remove-rules", "lose-all-ingress", "protect"];

/// Why a configuration or a policy folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file is not text, or there is too much of it.
    #[error("`{path}` {problem}")]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Files hold mistakes: all of them, each with its place.
    #[error("{} mistakes in the files", .0.len())]
    Mistakes(Vec<FileError>),
}

const KEYS: [&str; 12] = [
    "installation",
    "policy",
    "state",
    "extra_tags",
    "scopes",
    "labels",
    "nat",
    "azure",
    "gcp",
    "flows",
    "guards",
    "run",
];

impl Config {
    /// Reads and checks a configuration; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, or everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = read_file(path)?;
        let mut config = Self::parse(&file).map_err(ConfigError::Mistakes)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.policy = folder.join(&config.policy);
        config.state = folder.join(&config.state);
        config.flows.settle(folder);
        Ok(config)
    }

    /// Reads the texts of the policy folder, see [`read_folder`].
    ///
    /// # Errors
    /// A folder or a file cannot be read, or there is too much of it.
    pub fn read_policy(&self) -> Result<Vec<SourceFile>, ConfigError> {
        read_folder(&self.policy)
    }

    /// Checks the text of a configuration. Pure; paths stay as they are written.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(file: &SourceFile) -> Result<Self, Vec<FileError>> {
        let mut problems = Problems::new(std::slice::from_ref(file));
        let config = parse(&mut problems, 0, file).and_then(|node| read_config(&mut problems, &node));
        match config {
            Some(config) => problems.finish(config),
            None => Err(problems.finish(()).err().unwrap_or_default()),
        }
    }
}

fn read_config(problems: &mut Problems<'_>, node: &Node) -> Option<Config> {
    let fields = problems.fields(node, "the configuration", &KEYS)?;
    let installation = read_installation(problems, &fields);
    let policy = path(problems, &fields, "policy", "policy/");
    let state = path(problems, &fields, "state", ".bulkhead/");
    let extra_tags = fields.get("extra_tags").map(|node| read_extra_tags(problems, node));
    let scopes = scopes::read(problems, &fields);
    let mapping = labels::read(problems, &fields);
    let translations = nat::read(problems, &fields);
    let azure = drivers::azure(problems, &fields);
    let gcp = drivers::gcp(problems, &fields);
    let flows = flows::read(problems, &fields, &state);
    let guards = read_guards(problems, &fields);
    let every = read_run(problems, &fields);
    Some(Config {
        installation: installation?,
        policy,
        state,
        extra_tags: extra_tags.unwrap_or_default(),
        scopes,
        mapping,
        translations,
        azure,
        gcp,
        flows,
        guards: guards.unwrap_or_default(),
        every: every.unwrap_or(EVERY),
    })
}

fn read_installation(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Option<String> {
    let node = problems.required(fields, "installation")?;
    let text = problems.text(node, "`installation`")?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = text.starts_with('-') || text.ends_with('-');
    if edges || !(3..=24).contains(&text.len()) || !text.chars().all(legal) {
        let hint = "write 3 to 24 of a–z, 0–9 and `-`, such as `shop-example`; it marks every object as ours";
        problems.report(node.place, format!("`{text}` cannot be an installation"), hint);
        return None;
    }
    Some(text.to_owned())
}

fn path(problems: &mut Problems<'_>, fields: &Fields<'_>, key: &str, default: &str) -> PathBuf {
    let text = fields.get(key).and_then(|node| problems.text(node, &format!("`{key}`")));
    PathBuf::from(text.unwrap_or(default))
}

fn read_extra_tags(problems: &mut Problems<'_>, node: &Node) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for (key, place, value) in problems.entries(node, "`extra_tags`").unwrap_or_default() {
        let Some(text) = problems.text(value, "the value of a tag") else { continue };
        let taken = ["aws:", "bulkhead:"].iter().any(|prefix| key.to_lowercase().starts_with(prefix));
        if taken || key.is_empty() || key.chars().count() > 128 || text.chars().count() > 256 {
            let hint =
                "a key has 1 to 128 characters and no prefix `aws:` or `bulkhead:`; a value at most 256";
            problems.report(place, format!("tag `{key}` cannot be set"), hint);
            continue;
        }
        tags.insert(key.to_owned(), text.to_owned());
    }
    tags
}

fn read_guards(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Option<GuardSettings> {
    let known = ["lose_peer_percent", "remove_rules_percent", "lose_all_ingress", "allow"];
    let fields = problems.fields(fields.get("guards")?, "`guards`", &known)?;
    let default = GuardSettings::default();
    let mut percent =
        |key: &str, default: u32| match problems.parsed::<u32>(&fields, key, "write a whole number") {
            Some(value) if value > 100 => {
                let place = fields.get(key).map_or(fields.place, |node| node.place);
                problems.report(
                    place,
                    format!("`{key}` cannot be above 100"),
                    "write a percentage from 0 to 100",
                );
                default
            }
            value => value.unwrap_or(default),
        };
    let lose_peer_percent = percent("lose_peer_percent", default.lose_peer_percent);
    let remove_rules_percent = percent("remove_rules_percent", default.remove_rules_percent);
    let lose_all_ingress = problems
        .parsed(&fields, "lose_all_ingress", "write a whole number")
        .unwrap_or(default.lose_all_ingress);
    let written = fields.get("allow").map(|node| problems.texts(node, "`allow`")).unwrap_or_default();
    let mut allow = BTreeSet::new();
    for (name, place) in written {
        if GUARDS.contains(&name) {
            allow.insert(name.to_owned());
        } else {
            let hint = format!("the guards are {}", GUARDS.join(", "));
            problems.report(place, format!("unknown guard `{name}`"), hint);
        }
    }
    Some(GuardSettings { lose_peer_percent, remove_rules_percent, lose_all_ingress, allow })
}

const EVERY: Duration = Duration::from_secs(60);

fn read_run(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Option<Duration> {
    let fields = problems.fields(fields.get("run")?, "`run`", &["every"])?;
    let every = duration(problems, &fields, "every")?;
    if every < Duration::from_secs(1) {
        let place = fields.get("every").map_or(fields.place, |node| node.place);
        problems.report(place, "`every` is below one second", "write a period such as `60s`");
    }
    Some(every)
}

/// A wait with its unit, of at most a day: `500ms`, `15s`, `2m`, `1h`.
fn duration(problems: &mut Problems<'_>, fields: &Fields<'_>, key: &str) -> Option<Duration> {
    let hint = "write a whole number with its unit, such as `500ms`, `15s`, `2m` or `1h`";
    span(problems, fields, key, hint, |span| span <= DAY)
}

/// A span of history with its unit: `1h`, `30d`.
fn long_duration(problems: &mut Problems<'_>, fields: &Fields<'_>, key: &str) -> Option<Duration> {
    let hint = "write a whole number with its unit, such as `15m`, `1h` or `30d`";
    span(problems, fields, key, hint, |span| span <= DAY * 36_500)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn span(
    problems: &mut Problems<'_>,
    fields: &Fields<'_>,
    key: &str,
    hint: &str,
    is_legal: impl Fn(Duration) -> bool,
) -> Option<Duration> {
    let node = fields.get(key)?;
    let text = problems.text(node, &format!("`{key}`"))?;
    let parsed = parse_duration(text).filter(|span| is_legal(*span));
    if parsed.is_none() {
        problems.report(node.place, format!("`{key}` cannot be `{text}`"), hint);
    }
    parsed
}

/// A whole number with its unit, from milliseconds to days.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale).map(Duration::from_millis)
}

/// Reports an empty list where at least one item is needed.
fn refuse_empty(problems: &mut Problems<'_>, node: &Node, what: &str, hint: &str) {
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        problems.report(node.place, format!("{what} is empty"), hint);
    }
}

/// Where a key's value is, or the whole mapping.
fn place_of(fields: &Fields<'_>, key: &str) -> Place {
    fields.get(key).map_or(fields.place, |node| node.place)
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
