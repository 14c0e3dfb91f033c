//! EC2's XML answers.

use std::collections::BTreeMap;

/// An element with text, escaped.
pub fn text(name: &str, value: impl ToString) -> String {
    let value = value.to_string();
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    format!("<{name}>{escaped}</{name}>")
}

/// An element around others.
pub fn node(name: &str, inner: impl AsRef<str>) -> String {
    format!("<{name}>{}</{name}>", inner.as_ref())
}

/// A list: every entry in an `item`.
pub fn items(name: &str, entries: impl IntoIterator<Item = String>) -> String {
    let entries: String = entries.into_iter().map(|entry| node("item", entry)).collect();
    node(name, entries)
}

/// A tag set.
pub fn tag_set(tags: &BTreeMap<String, String>) -> String {
    items("tagSet", tags.iter().map(|(key, value)| text("key", key) + &text("value", value)))
}

/// A successful answer.
pub fn answer(action: &str, request_id: &str, inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{}{inner}</{action}Response>",
        text("requestId", request_id)
    )
}

/// An error answer.
pub fn error(code: &str, message: &str, request_id: &str) -> String {
    let error = node("Error", text("Code", code) + &text("Message", message));
    let body = node("Errors", error) + &text("RequestID", request_id);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", node("Response", body))
}
