//! Tags of a cloud → labels, by a list of entries of which the first that matches decides, for each key.
//!
//! Pure. A tag that no entry names is no label; a value that no entry understands leaves the key unset.

use std::collections::BTreeMap;

use policy::{LabelKey, LabelSet, LabelValue};

/// How the tags of a scope become labels.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mapping {
    /// In the order in which they are tried.
    pub entries: Vec<MappingEntry>,
}

/// Takes the value of one tag for one label key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappingEntry {
    /// The key of the label.
    pub key: LabelKey,
    /// The key of the tag, letter case included.
    pub tag: String,
    /// What of the tag's value is taken.
    pub part: Part,
    /// Whether letter case is kept.
    pub case: Case,
    /// Values to replace, after `part` and `case`; others stay.
    pub values: BTreeMap<String, LabelValue>,
}

/// What is taken of a tag's value.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// What follows a prefix; a value without the prefix does not match.
    After(String),
    /// One piece between separators; a value with fewer pieces does not match.
    Piece {
        /// What separates the pieces; never empty.
        separator: String,
        /// Which piece, from 1.
        number: usize,
    },
}

/// What happens to letter case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Case {
    /// `Web` and `web` are one label.
    #[default]
    Lower,
    /// The value stays as it is.
    Keep,
}

impl Mapping {
    /// The labels of a thing with these tags.
    pub fn labels(&self, tags: &BTreeMap<String, String>) -> LabelSet {
        let mut labels = LabelSet::new();
        for entry in &self.entries {
            if labels.contains_key(&entry.key) {
                continue;
            }
            if let Some(value) = tags.get(&entry.tag).and_then(|value| entry.value(value)) {
                labels.insert(entry.key.clone(), value);
            }
        }
        labels
    }
}

impl MappingEntry {
    fn value(&self, tag: &str) -> Option<LabelValue> {
        let taken = match &self.part {
            Part::Whole => tag,
            Part::After(prefix) => tag.strip_prefix(prefix.as_str())?,
            Part::Piece { separator, number } => tag.split(separator.as_str()).nth(number.checked_sub(1)?)?,
        };
        let taken = taken.trim();
        if taken.is_empty() {
            return None;
        }
        let text = match self.case {
            Case::Lower => taken.to_lowercase(),
            Case::Keep => taken.to_owned(),
        };
        Some(self.values.get(&text).cloned().unwrap_or_else(|| text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, tag: &str, part: Part) -> MappingEntry {
        let values = BTreeMap::from([("production".to_owned(), LabelValue::from("prod"))]);
        MappingEntry { key: key.into(), tag: tag.to_owned(), part, case: Case::Lower, values }
    }

    fn check(entries: &[MappingEntry], tags: &[(&str, &str)], expected: &str) {
        let mapping = Mapping { entries: entries.to_vec() };
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(policy::label::describe(&mapping.labels(&tags)), expected, "{tags:?}");
    }

    #[test]
    fn a_tag_becomes_a_label_in_lower_case_with_values_replaced() {
        let env = entry("env", "Environment", Part::Whole);
        check(std::slice::from_ref(&env), &[("Environment", "Production")], "env=prod");
        check(std::slice::from_ref(&env), &[("Environment", " Dev ")], "env=dev");
        check(std::slice::from_ref(&env), &[("environment", "dev")], "(no labels)");
        check(std::slice::from_ref(&env), &[("Environment", "  ")], "(no labels)");
        let kept = MappingEntry { case: Case::Keep, ..env };
        check(&[kept], &[("Environment", "Production")], "env=Production");
    }

    #[test]
    fn the_first_entry_that_matches_decides_for_each_key() {
        let entries = [
            entry("app", "App", Part::Whole),
            entry("app", "Name", Part::Piece { separator: "-".to_owned(), number: 1 }),
            entry("role", "Name", Part::Piece { separator: "-".to_owned(), number: 2 }),
        ];
        check(&entries, &[("Name", "shop-web-01")], "role=web app=shop");
        check(&entries, &[("Name", "shop-web-01"), ("App", "crm")], "role=web app=crm");
        check(&entries, &[("Name", "shop")], "app=shop");
    }

    #[test]
    fn a_prefix_that_is_not_there_does_not_match() {
        let role = entry("role", "Name", Part::After("role-".to_owned()));
        check(std::slice::from_ref(&role), &[("Name", "role-db")], "role=db");
        check(&[role], &[("Name", "db")], "(no labels)");
    }
}
