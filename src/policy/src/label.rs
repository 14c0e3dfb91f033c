//! Labels: what a thing is, as keys and values. A thing carries at most one value per key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{LabelKey, LabelValue};
use crate::sorted::SortedMap;

/// The labels of one thing, at most one value per key.
pub type LabelSet = SortedMap<LabelKey, LabelValue>;

/// One key with one value, written `role=web`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Label {
    /// `role`, `app`, `env`, `loc` or any other.
    pub key: LabelKey,
    /// The value under the key.
    pub value: LabelValue,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

impl FromStr for Label {
    type Err = NotALabel;

    fn from_str(text: &str) -> Result<Self, NotALabel> {
        let (key, value) = text.split_once('=').ok_or_else(|| NotALabel(text.to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || value.is_empty() {
            return Err(NotALabel(text.to_owned()));
        }
        Ok(Self { key: key.into(), value: value.into() })
    }
}

/// The text is not of the form `key=value`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a label; write `key=value`")]
pub struct NotALabel(pub String);

/// The keys that people read first, in this order; every other key follows by name.
const READING_ORDER: [&str; 4] = ["role", "app", "env", "loc"];

/// The labels one by one, in the order in which people read them: role, app, env, loc, others by key.
pub fn in_reading_order(labels: &LabelSet) -> Vec<Label> {
    let known = READING_ORDER.iter().filter_map(|key| labels.get_key_value(*key));
    let others = labels.iter().filter(|(key, _)| !READING_ORDER.contains(&key.as_str()));
    known.chain(others).map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
}

/// `role=web app=shop env=prod`, in reading order; `(no labels)` when empty.
pub fn describe(labels: &LabelSet) -> String {
    describe_pairs(labels.iter().collect())
}

/// [`describe`] for labels sorted by key that are not in a set of their own.
pub(crate) fn describe_pairs(mut labels: Vec<(&LabelKey, &LabelValue)>) -> String {
    let place = |key: &LabelKey| READING_ORDER.iter().position(|known| *known == key.as_str());
    labels.sort_by_key(|(key, _)| place(key).unwrap_or(READING_ORDER.len()));
    let mut text = String::new();
    for (key, value) in labels {
        let gap = if text.is_empty() { "" } else { " " };
        text.extend([gap, key.as_str(), "=", value.as_str()]);
    }
    if text.is_empty() { "(no labels)".to_owned() } else { text }
}
