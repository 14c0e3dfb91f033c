//! Reading nodes as what they should be: mappings with known keys, lists, texts, choices.
//!
//! Every function reports what is wrong and returns what could be read, so that one mistake hides no other.

use std::fmt::Display;
use std::str::FromStr;

use super::error::{Place, Problems};
use super::node::{Node, Value};

/// A mapping whose keys have been checked.
#[derive(Clone, Debug)]
pub struct Fields<'n> {
    /// The place of the whole mapping.
    pub place: Place,
    what: &'n str,
    entries: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is written and not empty.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        let found = self.entries.iter().find(|(name, _)| *name == key);
        found.map(|(_, node)| *node).filter(|node| node.value != Value::Nothing)
    }
}

impl Problems<'_> {
    /// Reads a mapping with the given keys; `what` is what it describes, with its article.
    ///
    /// A key without a value is refused: what was commented out below `scopes:` or `networks:` must not
    /// quietly become the default, which is everything.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &'n str, known: &[&str]) -> Option<Fields<'n>> {
        let fields = self.sections(node, what, known)?;
        for (key, value) in &fields.entries {
            if value.value == Value::Nothing {
                let hint = format!("write what `{key}` is, or take the key out to get its default");
                self.report(value.place, format!("`{key}` has no value in {what}"), hint);
            }
        }
        Some(fields)
    }

    /// As [`Problems::fields`], for a whole file: a section may stand there with nothing in it.
    pub fn sections<'n>(&mut self, node: &'n Node, what: &'n str, known: &[&str]) -> Option<Fields<'n>> {
        let mut entries = Vec::new();
        for (key, place, value) in self.entries(node, what)? {
            if known.contains(&key) {
                entries.push((key, value));
                continue;
            }
            let hint = match nearest(key, known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            self.report(place, format!("unknown key `{key}` in {what}"), hint);
        }
        Some(Fields { place: node.place, what, entries })
    }

    /// Reads a mapping with keys that people choose: key, its place, value. Nothing is an empty mapping.
    pub fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<Vec<(&'n str, Place, &'n Node)>> {
        let map = match &node.value {
            Value::Nothing => return Some(Vec::new()),
            Value::Map(map) => map,
            other => {
                let message = format!("{what} is a mapping, not {}", kind(other));
                self.report(node.place, message, "write `key: value` lines, or `{ key: value, … }`");
                return None;
            }
        };
        let mut entries = Vec::new();
        for (key, value) in map {
            if let Some(name) = self.text(key, "a key") {
                entries.push((name, key.place, value));
            }
        }
        Some(entries)
    }

    /// The value of a key that must be there.
    pub fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        // A key without a value has been reported already.
        if found.is_none() && !fields.entries.iter().any(|(name, _)| *name == key) {
            let message = format!("`{key}` is missing in {}", fields.what);
            self.report(fields.place, message, format!("add `{key}: …`"));
        }
        found
    }

    /// Reads one scalar.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if let Value::Text(text) = &node.value {
            return Some(text);
        }
        let hint = match &node.value {
            Value::Map(_) => "one text is expected; a colon inside it must not be followed by a space",
            _ => "one text is expected",
        };
        self.report(node.place, format!("{what} is a text, not {}", kind(&node.value)), hint);
        None
    }

    /// Reads a list; nothing is an empty list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::Nothing => &[],
            Value::List(items) => items,
            other => {
                let message = format!("{what} is a list, not {}", kind(other));
                let hint = match other {
                    Value::Text(text) if !self.is_full() => format!("write `[{text}]`"),
                    _ => "write `[a, b]`, or one `- item` for each line".to_owned(),
                };
                self.report(node.place, message, hint);
                &[]
            }
        }
    }

    /// Reads a list of scalars.
    pub fn texts<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n str, Place)> {
        let entry = format!("an entry of {what}");
        let items = self.list(node, what);
        items.iter().filter_map(|item| Some((self.text(item, &entry)?, item.place))).collect()
    }

    /// Reads `true` or `false`; `default` if the key is not there.
    pub fn flag(&mut self, fields: &Fields<'_>, key: &str, default: bool) -> bool {
        self.choice(fields, key, &[("true", true), ("false", false)], default)
    }

    /// Reads one of a few words; `default` if the key is not there.
    pub fn choice<T: Copy>(&mut self, fields: &Fields<'_>, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(node) = fields.get(key) else { return default };
        let Some(text) = self.text(node, &format!("`{key}`")) else { return default };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(text, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("write {}", one_of(&names)),
        };
        self.report(node.place, format!("`{key}` cannot be `{text}`"), hint);
        default
    }

    /// Reads a value that parses from text; `None` if the key is not there, or wrong (then reported with `hint`).
    pub fn parsed<T: FromStr>(&mut self, fields: &Fields<'_>, key: &str, hint: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let node = fields.get(key)?;
        let text = self.text(node, &format!("`{key}`"))?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(node.place, format!("`{key}` cannot be `{text}`: {error}"), hint);
                None
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nothing => "nothing",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// How many candidates are compared for a suggestion.
const CANDIDATES_MAX: usize = 10_000;

/// The candidate that a person most likely meant: at most a third of the letters wrong.
pub fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let longest = text.chars().count();
    let allowed = (longest / 3).max(1);
    let candidates = candidates.into_iter().take(CANDIDATES_MAX);
    let measured = candidates
        .filter(|candidate| candidate.chars().count().abs_diff(longest) <= allowed)
        .map(|candidate| (distance(text, candidate), candidate));
    measured.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added, left out or swapped with their neighbour; without case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let (mut above, mut row): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut cost =
                (cell(&row, j) + usize::from(x != y)).min(cell(&row, j + 1) + 1).min(cell(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(cell(&above, j - 1) + 1);
            }
            next.push(cost);
        }
        above = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}
