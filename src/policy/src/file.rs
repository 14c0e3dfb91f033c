//! Policy files: YAML texts → a checked, closed [`Policy`], or every error at once with its place.
//!
//! ```text
//! texts ─node─▶ trees with places ─define─▶ labels, groups, lists, services ─rules─▶ rulesets
//!                                  ─unmanaged─▶ workloads
//! ```
//!
//! A policy is a folder of YAML files; each may hold any of the sections below, and a name is defined once
//! over all of them. Reading the folder is the caller's job: the loader takes texts.
//!
//! INVARIANT: what `load` returns is closed under reference (S18): every label, group, list and service that
//! a rule names is defined, and label groups have no cycle. Compile and decide rely on it.

mod define;
mod error;
mod node;
mod read;
mod rules;
mod unmanaged;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use crate::address::AddressSet;
use crate::finding::Finding;
use crate::name::Name;
use crate::ruleset::{IpList, Policy, Rule};
use crate::workload::Workload;

pub use define::can_declare;
pub use error::{ERRORS_MAX, FileError, Place, Problems};
pub use node::{ALIAS_EVENTS_MAX, DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, Node, Value, parse};
pub use read::{Fields, nearest};
pub use write::{free_name, name_part, quoted};

/// The IP list that always exists: every address of both families.
pub const ANY: &str = "any";

/// One file, already read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFile {
    /// How errors name it, usually its path.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What policy files say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicyFiles {
    /// Labels, groups, lists, services, modes and rules.
    pub policy: Policy,
    /// Unmanaged workloads: they have addresses and labels, and no enforcement point.
    pub workloads: Vec<Workload>,
    /// Flows that no plan may cut; each is an allow rule over all scopes, named for the guard's report.
    pub protect: Vec<Rule>,
    /// What is worth knowing about a policy that is otherwise right.
    pub findings: Vec<Finding>,
}

/// Reads a policy from all its files.
///
/// # Errors
/// Everything that is wrong, at most [`ERRORS_MAX`] entries. A file that is not YAML hides nothing but the
/// names that it would define, so references are only checked when all files could be read.
pub fn load(files: &[SourceFile]) -> Result<PolicyFiles, Vec<FileError>> {
    if files.is_empty() {
        let hint = "point `policy:` at a folder with at least one `.yaml` file";
        return Err(vec![FileError::general("there is no policy file", hint)]);
    }
    let mut problems = Problems::new(files);
    let numbered = (0..).zip(files);
    let trees: Vec<Node> =
        numbered.filter_map(|(number, file)| node::parse(&mut problems, number, file)).collect();
    let sections = sections(&mut problems, &trees);
    if trees.len() < files.len() {
        return problems.finish(PolicyFiles::default());
    }
    let mut loader = Loader { problems, loaded: PolicyFiles::default(), seen: BTreeMap::new() };
    let any = IpList { addresses: AddressSet::any() };
    loader.loaded.policy.ip_lists.insert(ANY.into(), any);
    loader.read(&sections);
    loader.problems.finish(loader.loaded)
}

/// A digest of the files: names and texts, in the order of names. A name counts as it is inside `folder`, so that
/// two checkouts of one policy have one digest, wherever they are and however their path was typed.
pub fn policy_digest(folder: &Path, files: &[SourceFile]) -> String {
    let inside = |file: &SourceFile| {
        let path = Path::new(&file.name);
        path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
    };
    let mut sorted: Vec<(String, &String)> = files.iter().map(|file| (inside(file), &file.text)).collect();
    sorted.sort();
    let mut hasher = blake3::Hasher::new();
    for text in sorted.iter().flat_map(|(name, text)| [name, *text]) {
        // The length keeps `a` + `bc` and `ab` + `c` apart.
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The longest name, in characters.
const NAME_MAX: usize = 128;

/// Whether a name may hold the character.
pub(crate) fn is_in_names(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ')
}

const SECTIONS: [&str; 8] =
    ["labels", "label_groups", "ip_lists", "services", "enforcement", "workloads", "rulesets", "protect"];

/// The same section of every file, in the order of files.
type Sections<'n> = BTreeMap<&'static str, Vec<&'n Node>>;

fn sections<'n>(problems: &mut Problems<'_>, trees: &'n [Node]) -> Sections<'n> {
    let mut sections = Sections::new();
    for tree in trees {
        let Some(fields) = problems.sections(tree, "a policy file", &SECTIONS) else { continue };
        for section in SECTIONS {
            sections.entry(section).or_default().extend(fields.get(section));
        }
    }
    sections
}

/// The state of one load.
struct Loader<'a> {
    problems: Problems<'a>,
    loaded: PolicyFiles,
    /// What has been defined where: (kind, name) → place.
    seen: BTreeMap<(&'static str, String), Place>,
}

impl Loader<'_> {
    /// Definitions come first, so that the order of files and sections does not matter.
    fn read(&mut self, sections: &Sections<'_>) {
        let of = |section: &str| sections.get(section).map(Vec::as_slice).unwrap_or_default();
        self.read_labels(of("labels"));
        self.read_label_groups(of("label_groups"));
        self.read_ip_lists(of("ip_lists"));
        self.read_services(of("services"));
        self.read_workloads(of("workloads"));
        self.read_enforcement(of("enforcement"));
        self.read_rulesets(of("rulesets"));
        self.read_protect(of("protect"));
    }

    /// Notes that something is defined here; reports it if that is the second time.
    fn define(&mut self, kind: &'static str, name: &str, place: Place) -> bool {
        use std::collections::btree_map::Entry;
        match self.seen.entry((kind, name.to_owned())) {
            Entry::Vacant(free) => {
                free.insert(place);
                true
            }
            Entry::Occupied(taken) => {
                self.problems.report_duplicate(&format!("{kind} `{name}`"), place, *taken.get());
                false
            }
        }
    }

    /// The name of something, checked: it is used in rules, reports and the tags of cloud objects.
    fn name(&mut self, text: &str, place: Place) -> Option<Name> {
        let wrong = text.is_empty()
            || text.trim() != text
            || text.chars().count() > NAME_MAX
            || !text.chars().all(is_in_names);
        if wrong {
            let hint = "a name has 1 to 128 letters, digits, `.`, `_`, `-` or spaces inside";
            self.problems.report(place, format!("`{text}` cannot be a name"), hint);
            return None;
        }
        Some(text.into())
    }

    /// Reports a reference to something that is not defined (S18).
    fn unknown<'c>(
        &mut self,
        what: &str,
        text: &str,
        place: Place,
        known: impl IntoIterator<Item = &'c str>,
        otherwise: &str,
    ) {
        let close = if self.problems.is_full() { None } else { nearest(text, known) };
        let hint = close.map_or_else(|| otherwise.to_owned(), |name| format!("did you mean `{name}`?"));
        self.problems.report(place, format!("unknown {what} `{text}`"), hint);
    }
}

#[cfg(test)]
#[path = "file/tests.rs"]
mod tests;
