//! What a client should not have sent: every body is checked against Google's own schema.
//!
//! The cloud ignores fields that only it writes and refuses unknown ones; which of them it does where is not
//! published. So the simulation refuses none of it and notes a complaint: a test that looks at
//! [`crate::World::complaints`] fails on each.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex_lite::Regex;
use serde_json::Value;

use crate::discovery::{Document, Method, Schema, Service, document};

/// One thing that is wrong with a request.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Complaint {
    /// The method's id.
    pub action: String,
    /// Where, such as `match.layer4Configs[0].ports`.
    pub field: String,
    /// What.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Problem {
    /// The schema has no such field, or the method no such parameter.
    Unknown,
    /// Only the service writes it.
    ReadOnly,
    /// A value of another type.
    WrongType,
    /// Not one of the words.
    NotInEnum,
    /// The pattern does not match.
    NotInPattern,
    /// The method takes a body and there is none, or the other way round.
    Body,
}

/// What is wrong with the parameters and the body of a request.
pub fn check(
    service: Service,
    method: &Method,
    query: &BTreeMap<String, String>,
    body: &Value,
) -> Vec<Complaint> {
    let document = document(service);
    let mut walk = Walk { document, found: Vec::new() };
    for (name, value) in query {
        match method.query.get(name) {
            Some(schema) => walk.parameter(schema, name, value),
            // Google's own clients add parameters of the system, with or without a dollar.
            None if name.starts_with('$') || document.common.contains(name) => {}
            None => walk.note(name, Problem::Unknown),
        }
    }
    match method.body.as_deref().and_then(|name| document.schema(name)) {
        Some(schema) if body.is_object() => walk.value(schema, "", body),
        None if body.is_null() || body.as_object().is_some_and(serde_json::Map::is_empty) => {}
        _ => walk.note("", Problem::Body),
    }
    let complaint = |(field, problem)| Complaint { action: method.id.clone(), field, problem };
    walk.found.into_iter().map(complaint).collect()
}

/// Puts words in place of the numbers of enums: Google's JSON may have either, and its own Python client of Resource
/// Manager sends numbers. The documents list the words in the order of their numbers, from 0.
pub(crate) fn spell_enums(service: Service, method: &Method, body: &mut Value) {
    let document = document(service);
    if let Some(schema) = method.body.as_deref().and_then(|name| document.schema(name)) {
        spell(document, schema, body);
    }
}

fn spell(document: &Document, schema: &Schema, value: &mut Value) {
    if let Some(named) = schema.reference.as_deref().and_then(|name| document.schema(name)) {
        return spell(document, named, value);
    }
    match (value, &schema.words) {
        (Value::Object(fields), _) => {
            for (name, value) in fields {
                if let Some(field) = schema.properties.get(name) {
                    spell(document, field, value);
                }
            }
        }
        (Value::Array(items), _) => {
            for (item, schema) in items.iter_mut().zip(schema.items.iter().cycle()) {
                spell(document, schema, item);
            }
        }
        (value, Some(words)) => {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            if let Some(word) = number.and_then(|number| words.get(number)) {
                *value = Value::from(word.as_str());
            }
        }
        _ => {}
    }
}

struct Walk {
    document: &'static Document,
    found: Vec<(String, Problem)>,
}

impl Walk {
    fn note(&mut self, at: &str, problem: Problem) {
        self.found.push((at.to_owned(), problem));
    }

    fn parameter(&mut self, schema: &Schema, name: &str, text: &str) {
        let typed = match schema.kind.as_deref() {
            Some("integer") => text.parse::<i64>().map_or(Value::Null, Value::from),
            Some("boolean") => text.parse::<bool>().map_or(Value::Null, Value::from),
            _ => Value::from(text),
        };
        if typed.is_null() {
            self.note(name, Problem::WrongType);
        } else {
            self.value(schema, name, &typed);
        }
    }

    fn value(&mut self, schema: &Schema, at: &str, value: &Value) {
        if let Some(named) = schema.reference.as_deref().and_then(|name| self.document.schema(name)) {
            return self.value(named, at, value);
        }
        match (schema.kind.as_deref().unwrap_or("any"), value) {
            ("any", _) => {}
            ("object", Value::Object(fields)) => {
                for (name, value) in fields {
                    let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    match (schema.properties.get(name), &schema.additional_properties) {
                        (Some(field), _) if field.read_only => self.note(&path, Problem::ReadOnly),
                        // Null takes a field away in a patch.
                        (Some(_), _) if value.is_null() => {}
                        (Some(field), _) => self.value(field, &path, value),
                        (None, Some(any)) => self.value(any, &path, value),
                        (None, None) => self.note(&path, Problem::Unknown),
                    }
                }
            }
            ("array", Value::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    if let Some(schema) = &schema.items {
                        self.value(schema, &format!("{at}[{n}]"), item);
                    }
                }
            }
            ("string", Value::String(text)) => self.text(schema, at, text),
            ("integer", Value::Number(number)) if is_integer(number, schema.format.as_deref()) => {}
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {}
            _ => self.note(at, Problem::WrongType),
        }
    }

    fn text(&mut self, schema: &Schema, at: &str, text: &str) {
        let numeric = match schema.format.as_deref() {
            Some("uint64") => text.parse::<u64>().is_ok(),
            Some("int64") => text.parse::<i64>().is_ok(),
            _ => true,
        };
        if !numeric {
            self.note(at, Problem::WrongType);
        }
        if schema.words.as_ref().is_some_and(|words| !words.iter().any(|word| word == text)) {
            self.note(at, Problem::NotInEnum);
        }
        if schema.pattern.as_deref().is_some_and(|pattern| !matches(pattern, text)) {
            self.note(at, Problem::NotInPattern);
        }
    }
}

fn is_integer(number: &serde_json::Number, format: Option<&str>) -> bool {
    match format {
        Some("int32") => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        Some("uint32") => number.as_u64().is_some_and(|n| u32::try_from(n).is_ok()),
        _ => number.is_i64() || number.is_u64(),
    }
}

/// Whether a whole text matches one of Google's patterns. A pattern that cannot be read matches everything.
pub fn matches(pattern: &str, text: &str) -> bool {
    static READ: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let regex =
        read.entry(pattern.to_owned()).or_insert_with(|| Regex::new(&format!("^(?:{pattern})$")).ok());
    regex.as_ref().is_none_or(|regex| regex.is_match(text))
}
