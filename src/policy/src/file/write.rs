//! Pieces of policy files that are written, not read: names and scalars that the loader takes as they are meant.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::is_in_names;

/// The longest part of a name that is made from labels and ids, in characters.
const PART_MAX: usize = 40;

/// A text as a part of a name: what names may not hold becomes `-`.
pub fn name_part(text: &str) -> String {
    text.chars().take(PART_MAX).map(|c| if is_in_names(c) && c != ' ' { c } else { '-' }).collect()
}

/// The name, or with a number behind it if it is taken; taken from now on.
pub fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// The text as a YAML scalar inside brackets: plain where nothing in it means something to YAML.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '=' | ':');
    // A colon that does not stand before a letter or digit ends a key.
    let has_key = text.split(':').skip(1).any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !has_key
        && !text.eq_ignore_ascii_case("null");
    if is_plain {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' => write!(quoted, "{c}"),
            c => write!(quoted, "\\U{:08X}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}
