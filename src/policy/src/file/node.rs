//! YAML text → a tree of nodes with places. The only file that knows the YAML library.
//!
//! A scalar is the text that was written, whatever YAML makes of it: `1.10` and `0123` stay what they are,
//! and the reader that knows what it wants converts them. Input is bounded before and while it is parsed.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::SourceFile;
use super::error::{Place, Problems};

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 64 << 20;
/// The largest number of YAML nodes in one file.
pub const NODES_MAX: usize = 10_000_000;
/// The deepest nesting.
pub const DEPTH_MAX: usize = 32;
/// The most events that aliases may replay: aliases are for people who repeat themselves a little.
pub const ALIAS_EVENTS_MAX: usize = 100_000;

/// One value of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Where it is written.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Nothing was written, or `~`, or `null`.
    Nothing,
    /// A scalar as it was written, without its quotes.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order in which it was written.
    Map(Vec<(Node, Node)>),
}

/// Reads the file of this number; `None` (and a report) if it is not YAML, or too large.
/// A file without content is [`Value::Nothing`].
pub fn parse(problems: &mut Problems<'_>, number: u32, file: &SourceFile) -> Option<Node> {
    let whole = Place { file: number, start: 0, end: 0 };
    if file.text.len() > FILE_BYTES_MAX {
        let message = format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20);
        problems.report(whole, message, "split it into several files");
        return None;
    }
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(&file.text, options()) {
        Ok(raw) => Some(place_node(raw, number, &file.text)),
        Err(error) => {
            let place = error.location().map_or(whole, |location| place_of(&location, number, &file.text));
            let (message, hint) = explain(&error);
            problems.report(place, message, hint);
            None
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_events: 3 * NODES_MAX,
            max_total_scalar_bytes: FILE_BYTES_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_EVENTS_MAX,
        },
        with_snippet: false,
    }
}

/// What the library says in words for people who write policies, and what to do about it.
fn explain(error: &serde_saphyr::Error) -> (String, &'static str) {
    const LIMIT: &str =
        "the file is over a limit on aliases, nesting or size; write it out more plainly, or split it";
    const SYNTAX: &str = "the text is not YAML here: check indentation, quotes, colons and brackets of this line and the one before";
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    // The library appends the place, which the report has anyway.
    let text = text.split(" at line ").next().unwrap_or(text).trim_end_matches('.');
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let said = text.to_lowercase();
    if let Some(key) = text.strip_prefix("duplicate mapping key: ") {
        let key = key.split(", set ").next().unwrap_or(key);
        let hint = "a key may occur once in a mapping; delete or rename one of the two";
        return (format!("key `{key}` is written twice"), hint);
    }
    if said.starts_with("multiple yaml documents") {
        let hint = "take the `---` out, or move what follows into a file of its own";
        return ("the file holds more than one YAML document".to_owned(), hint);
    }
    if said.contains("unknown anchor") {
        let hint = "an alias `*name` needs an anchor `&name` before it; quote a text that starts with `*`";
        return ("the alias names no anchor".to_owned(), hint);
    }
    if said.starts_with("invalid ") || said.contains("tag") {
        return (text.to_owned(), "take the tag `!!…` out; values are plain or quoted text");
    }
    let limits = ["budget", "limit", "replay", "depth", "nest"];
    if limits.iter().any(|word| said.contains(word)) {
        return (text.to_owned(), LIMIT);
    }
    (text.to_owned(), SYNTAX)
}

fn place_of(location: &Location, file: u32, text: &str) -> Place {
    let span = location.span();
    let start = span.byte_offset().map_or_else(|| offset_of(location, text), |offset| offset as usize);
    let end = start + span.byte_len().unwrap_or(1) as usize;
    let bound = |offset: usize| u32::try_from(offset.min(text.len())).unwrap_or(u32::MAX);
    Place { file, start: bound(start), end: bound(end) }
}

/// The byte offset of a line and column, for the few errors that carry nothing better.
fn offset_of(location: &Location, text: &str) -> usize {
    let line = usize::try_from(location.line().saturating_sub(1)).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = usize::try_from(location.column().saturating_sub(1)).unwrap_or(0);
    let rest = text.get(before..).unwrap_or_default();
    before + rest.char_indices().nth(column).map_or(rest.len(), |(offset, _)| offset)
}

/// What the YAML library says a node is, before scalars got their text back.
enum Raw {
    Nothing,
    /// A plain scalar that YAML reads as a number or a boolean: the text is taken from the file.
    Plain,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

fn place_node(raw: Spanned<Raw>, file: u32, text: &str) -> Node {
    let place = place_of(&raw.referenced, file, text);
    let value = match raw.value {
        Raw::Nothing => Value::Nothing,
        Raw::Plain => {
            let defined = place_of(&raw.defined, file, text);
            let written = text.get(defined.start as usize..defined.end as usize);
            Value::Text(written.unwrap_or_default().trim().to_owned())
        }
        Raw::Text(text) => Value::Text(text),
        Raw::List(items) => Value::List(items.into_iter().map(|item| place_node(item, file, text)).collect()),
        Raw::Map(entries) => {
            let entry = |(key, value)| (place_node(key, file, text), place_node(value, file, text));
            Value::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node { place, value }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
