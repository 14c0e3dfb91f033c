//! The section `labels`: which tag becomes which label.

use std::collections::BTreeMap;

use policy::LabelValue;
use policy::file::{Fields, Node, Problems};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};

use super::place_of;

const KEYS: [&str; 7] = ["key", "tag", "prefix", "split", "part", "case", "values"];

/// Without the section: the four usual keys from the tags of the same names, capitalised or not.
fn usual() -> Mapping {
    let tags = [
        ("role", "role"),
        ("role", "Role"),
        ("app", "app"),
        ("app", "App"),
        ("env", "env"),
        ("env", "Env"),
        ("loc", "loc"),
        ("loc", "Loc"),
    ];
    let entry = |(key, tag): (&str, &str)| MappingEntry {
        key: key.into(),
        tag: tag.to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    Mapping { entries: tags.into_iter().map(entry).collect() }
}

pub(super) fn read(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Mapping {
    let Some(node) = fields.get("labels") else { return usual() };
    let mut entries = Vec::new();
    for node in problems.list(node, "`labels`") {
        entries.extend(read_entry(problems, node));
    }
    Mapping { entries }
}

fn read_entry(problems: &mut Problems<'_>, node: &Node) -> Option<MappingEntry> {
    let fields = problems.fields(node, "a label mapping", &KEYS)?;
    let key = problems.required(&fields, "key").and_then(|node| problems.text(node, "`key`"));
    let tag = problems.required(&fields, "tag").and_then(|node| problems.text(node, "`tag`"));
    let part = read_part(problems, &fields);
    let case = problems.choice(&fields, "case", &[("lower", Case::Lower), ("keep", Case::Keep)], Case::Lower);
    let mut values = BTreeMap::new();
    let written = fields.get("values").and_then(|node| problems.entries(node, "`values`"));
    for (from, _, to) in written.unwrap_or_default() {
        let from = if case == Case::Lower { from.to_lowercase() } else { from.to_owned() };
        if let Some(to) = problems.text(to, "the value of a label") {
            values.insert(from, LabelValue::from(to));
        }
    }
    Some(MappingEntry { key: key?.into(), tag: tag?.to_owned(), part: part?, case, values })
}

fn read_part(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Option<Part> {
    let prefix = fields.get("prefix").map(|node| problems.text(node, "`prefix`"));
    let split = fields.get("split").map(|node| problems.text(node, "`split`"));
    match (prefix, split) {
        (Some(_), Some(_)) => {
            let message = "`prefix` and `split` cannot both be given";
            problems.report(place_of(fields, "split"), message, "write two entries, or one of the two");
            None
        }
        (Some(prefix), None) => Some(Part::After(prefix?.to_owned())),
        (None, Some(split)) => read_piece(problems, fields, split?),
        (None, None) => {
            if let Some(part) = fields.get("part") {
                let hint = "say what separates the parts, such as `split: \"-\"`";
                problems.report(part.place, "`part` means nothing without `split`", hint);
                return None;
            }
            Some(Part::Whole)
        }
    }
}

fn read_piece(problems: &mut Problems<'_>, fields: &Fields<'_>, separator: &str) -> Option<Part> {
    const HINT: &str = "write the number of the part, from 1";
    if separator.is_empty() {
        problems.report(place_of(fields, "split"), "`split` is empty", "write what separates the parts");
        return None;
    }
    problems.required(fields, "part")?;
    let number: usize = problems.parsed(fields, "part", HINT)?;
    if number == 0 {
        problems.report(place_of(fields, "part"), "`part` cannot be 0", HINT);
        return None;
    }
    Some(Part::Piece { separator: separator.to_owned(), number })
}
