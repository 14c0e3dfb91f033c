//! What all reads share: chosen ids, filters with wildcards, and pages.
//!
//! A filter that the simulator does not know is an error, as in the real cloud: it never matches everything.

use super::Answer;
use crate::params::Params;
use crate::state::{Ec2Error, Tags, refuse};
use crate::xml::{items, text};

type Values<'a> = Box<dyn Fn(&str) -> Vec<String> + 'a>;
/// Whether an id was asked for.
pub(super) type Chosen = Box<dyn Fn(&str) -> bool>;

/// One object of a list. Values and XML are worked out only when a filter or the page asks for them.
pub(super) struct Row<'a> {
    pub(super) tags: &'a Tags,
    /// The object's values for a filter's name.
    pub(super) values: Values<'a>,
    pub(super) render: Box<dyn Fn() -> String + 'a>,
}

/// Filters and pages a list. `known` are the filters that this read has beside those on tags.
pub(super) fn page<'a>(
    params: &Params,
    set: &str,
    known: &[&str],
    rows: impl Iterator<Item = Row<'a>>,
) -> Answer {
    let filters = params.filters();
    for (name, _) in &filters {
        if !known.contains(&name.as_str()) && !name.starts_with("tag:") && name != "tag-key" {
            return Err(refuse("InvalidParameterValue", format!("The filter '{name}' is invalid")));
        }
    }
    let (start, size) = bounds(params)?;
    let mut found = rows.filter(|row| filters.iter().all(|(name, wanted)| passes(row, name, wanted)));
    let page: Vec<String> = found.by_ref().skip(start).take(size).map(|row| (row.render)()).collect();
    let more = match found.next() {
        Some(_) => text("nextToken", format!("page-{}", start.saturating_add(size))),
        None => String::new(),
    };
    Ok(items(set, page) + &more)
}

/// The first row and the size of the page that is asked for.
fn bounds(params: &Params) -> Result<(usize, usize), Ec2Error> {
    let start = match params.get("NextToken") {
        None | Some("") => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| refuse("InvalidNextToken", "The token is not valid"))?,
    };
    match params.number("MaxResults") {
        None => Ok((start, usize::MAX)),
        Some(size @ 5..=1000) => Ok((start, size as usize)),
        Some(size) => Err(refuse(
            "InvalidParameterValue",
            format!("Value ( {size} ) for parameter maxResults is invalid. Expecting 5 to 1000"),
        )),
    }
}

fn passes(row: &Row<'_>, name: &str, wanted: &[String]) -> bool {
    let fits = |value: &str| wanted.iter().any(|pattern| matches(pattern.as_bytes(), value.as_bytes()));
    if let Some(key) = name.strip_prefix("tag:") {
        return row.tags.get(key).is_some_and(|value| fits(value));
    }
    if name == "tag-key" {
        return row.tags.keys().any(|key| fits(key));
    }
    (row.values)(name).iter().any(|value| fits(value))
}

/// Whether a value fits a pattern: `*` is any text, `?` any character, a backslash takes the next one as it is.
fn matches(pattern: &[u8], value: &[u8]) -> bool {
    // The place after the last star, and how much of the value that star has eaten.
    let (mut p, mut v, mut star) = (0, 0, None);
    while v < value.len() {
        let (literal, width) = match pattern.get(p) {
            Some(b'\\') => (pattern.get(p + 1), 2),
            other => (other, 1),
        };
        if width == 1 && literal == Some(&b'*') {
            p += 1;
            star = Some((p, v));
        } else if literal == value.get(v) || (width == 1 && literal == Some(&b'?')) {
            p += width;
            v += 1;
        } else if let Some((after, eaten)) = star {
            p = after;
            v = eaten + 1;
            star = Some((after, v));
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// Checks that every id that a request names exists; a row is chosen if none is named or it is.
pub(super) fn chosen(
    params: &Params,
    list: &str,
    code: &str,
    exists: impl Fn(&str) -> bool,
) -> Result<Chosen, Ec2Error> {
    let ids: std::collections::BTreeSet<String> = params.list(list).into_iter().collect();
    if let Some(missing) = ids.iter().find(|id| !exists(id)) {
        return Err(refuse(code, format!("The ID '{missing}' does not exist")));
    }
    Ok(Box::new(move |id: &str| ids.is_empty() || ids.contains(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_values_take_wildcards() {
        let check = |pattern: &str, value: &str| matches(pattern.as_bytes(), value.as_bytes());
        for (pattern, value) in [("web", "web"), ("*", ""), ("w*b", "w-x-b"), ("w?b", "web"), ("a\\*", "a*")]
        {
            assert!(check(pattern, value), "{pattern} fits {value}");
        }
        for (pattern, value) in [("web", "webs"), ("w?b", "wb"), ("a\\*", "ab"), ("", "a"), ("*b", "bc")] {
            assert!(!check(pattern, value), "{pattern} does not fit {value}");
        }
    }
}
