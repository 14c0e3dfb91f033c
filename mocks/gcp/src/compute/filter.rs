//! The filters of lists: comparisons in one of two dialects.
//!
//! `name = web AND labels.tier != db`, `(status = RUNNING) OR (…)`, `labels.tier:*`; or `name eq web-.*` with a
//! regular expression for the whole field. As in AIP-160, OR binds tighter than AND.

use serde_json::Value;

use crate::error::{GcpError, bad_request};
use crate::link::own_path;
use crate::schema;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Comparison {
    field: String,
    operator: String,
    value: String,
}

/// A filter that was read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Filter {
    /// All of these, each any of those.
    all: Vec<Vec<Comparison>>,
}

const OPERATORS: [&str; 9] = ["!=", "<=", ">=", "=", "<", ">", ":", "eq ", "ne "];

impl Filter {
    /// Reads a filter; an empty one matches everything.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, GcpError> {
        let mut filter = Self::default();
        let mut rest = text.trim();
        let mut or = false;
        while !rest.is_empty() {
            let (comparison, left) = next(rest).ok_or_else(|| {
                bad_request(format!(
                    "Invalid value for field 'filter': '{text}'. Invalid list filter expression."
                ))
            })?;
            match filter.all.last_mut().filter(|_| or) {
                Some(any) => any.push(comparison),
                None => filter.all.push(vec![comparison]),
            }
            rest = left.trim_start();
            or = rest.starts_with("OR ") || rest.starts_with("OR(");
            for word in ["OR", "AND"] {
                if let Some(left) = rest.strip_prefix(word).filter(|left| left.starts_with([' ', '('])) {
                    rest = left.trim_start();
                }
            }
        }
        Ok(filter)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a document matches.
    pub fn matches(&self, body: &Value) -> bool {
        self.all.iter().all(|any| any.iter().any(|one| one.matches(body)))
    }
}

/// The comparison at the beginning of a text, and what is left.
fn next(text: &str) -> Option<(Comparison, &str)> {
    let (inside, in_parentheses) = match text.strip_prefix('(') {
        Some(inside) => (inside.trim_start(), true),
        None => (text, false),
    };
    let end = inside.find(|c: char| !(c.is_alphanumeric() || "._-[]\"".contains(c)))?;
    let (field, rest) = inside.split_at(end);
    let rest = rest.trim_start();
    let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator))?;
    let rest = rest.strip_prefix(operator)?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (value, rest) = match quote {
        Some(quote) => rest.get(1..)?.split_once(quote)?,
        None => {
            let stop = if in_parentheses { &[')'][..] } else { &[' ', ')'][..] };
            rest.split_at(rest.find(stop).unwrap_or(rest.len()))
        }
    };
    let rest = if in_parentheses { rest.trim_start().strip_prefix(')')? } else { rest };
    let comparison = Comparison {
        field: field.replace('"', ""),
        operator: operator.trim().to_owned(),
        value: value.trim_end().to_owned(),
    };
    (!field.is_empty()).then_some((comparison, rest))
}

impl Comparison {
    fn matches(&self, body: &Value) -> bool {
        let values = values(body, &self.field);
        let equal = |held: &String| without_address(held) == without_address(&self.value);
        let fits = |held: &String| schema::matches(&self.value, held);
        match self.operator.as_str() {
            "=" => values.iter().any(equal),
            "!=" => !values.iter().any(equal),
            "eq" => values.iter().any(fits),
            "ne" => !values.iter().any(fits),
            ":" if self.value == "*" => !values.is_empty(),
            ":" => values.iter().any(|held| held.to_lowercase().contains(&self.value.to_lowercase())),
            operator => values.iter().any(|held| self.compares(operator, held)),
        }
    }

    fn compares(&self, operator: &str, held: &str) -> bool {
        let numbers = (held.parse::<f64>(), self.value.parse::<f64>());
        let order = match numbers {
            (Ok(held), Ok(value)) => held.partial_cmp(&value),
            _ => Some(held.cmp(self.value.as_str())),
        };
        order.is_some_and(|order| match operator {
            "<" => order.is_lt(),
            ">" => order.is_gt(),
            "<=" => order.is_le(),
            _ => order.is_ge(),
        })
    }
}

/// The texts at a dotted path; of an array those of every item.
fn values(body: &Value, path: &str) -> Vec<String> {
    match body {
        Value::Array(items) => items.iter().flat_map(|item| values(item, path)).collect(),
        Value::Object(fields) => {
            // Labels may have dots in their names.
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            let whole = fields.get(path).map(|value| values(value, ""));
            whole.or_else(|| fields.get(first).map(|value| values(value, rest))).unwrap_or_default()
        }
        Value::String(text) if path.is_empty() => vec![text.clone()],
        Value::Null => Vec::new(),
        value if path.is_empty() => vec![value.to_string()],
        _ => Vec::new(),
    }
}

fn without_address(text: &str) -> &str {
    let path = own_path(text);
    path.split_once("/compute/v1/").map_or(path, |(_, path)| path)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_compare_as_google_writes() {
        let body = json!({ "name": "web-1", "priority": 900, "disabled": false,
            "labels": { "tier": "front", "a.b": "c" }, "tags": { "items": ["x", "y"] },
            "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n" });
        let holds = |filter: &str| Filter::parse(filter).unwrap().matches(&body);
        for (filter, expected) in [
            ("", true),
            ("name = web-1", true),
            ("name=\"web-2\"", false),
            ("name eq web-.*", true),
            ("name eq web", false),
            ("name ne web-.*", false),
            ("labels.tier:*", true),
            ("labels.none:*", false),
            ("labels.a.b = c", true),
            ("labels.tier != back", true),
            ("tags.items = y", true),
            ("priority < 1000 AND disabled = false", true),
            ("(name = no) OR (priority >= 900)", true),
            ("(name = web-1) (priority > 900)", false),
            ("network=\"http://127.0.0.1:1/compute/v1/projects/p/global/networks/n\"", true),
        ] {
            assert_eq!(holds(filter), expected, "{filter}");
        }
        assert!(Filter::parse("name").is_err() && Filter::parse("name ~ x").is_err());
    }
}
