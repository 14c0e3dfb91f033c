//! The map as a page that needs no network and no other file.
//!
//! Names are foreign: every text goes through [`escape`], data for the script through [`json_in_script`], and the page
//! forbids itself to load anything.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::figure::{bytes, count, counted, is_invisible, utc};
use crate::map::layout;
use crate::map::{Edge, Fate, Map, svg};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// [`Map::to_html`].
pub(super) fn render(map: &Map) -> String {
    let picture = layout::draw(map);
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&map.title)
    );
    out.push_str(&head(map));
    out.push_str(&controls(map));
    out.push_str("<main>\n<figure>\n");
    out.push_str(&svg::render(map, &picture));
    out.push_str(BELOW_PICTURE);
    out.push_str(&table(map));
    let data = json!({
        "map": map.to_json(),
        "fates": Fate::ALL.iter().map(|fate| json!([fate.id(), fate.words()])).collect::<Vec<_>>(),
        "links": picture.links.iter().map(|(link, _)| &link.edges).collect::<Vec<_>>(),
        "bundles": picture.bundles.iter().map(|(bundle, _)| &bundle.links).collect::<Vec<_>>(),
        "width": picture.width,
        "height": picture.height,
        "is_large": svg::is_bundled(&picture),
    });
    let _ = write!(
        out,
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        json_in_script(&data)
    );
    out
}

const BELOW_PICTURE: &str = r#"<figcaption id="keys">Drag to move, wheel or + and − to zoom, 0 to see all. Click or press Enter on a group, a
node or a line for its flows, Escape to let go.</figcaption>
</figure>
<aside id="panel" aria-live="polite" aria-label="Flows of what is chosen" hidden></aside>
</main>
"#;

fn head(map: &Map) -> String {
    let mut about = vec!["No flow was seen.".to_owned()];
    if map.rows > 0 {
        about = vec![
            format!("{} to {} UTC", utc(map.total.first), utc(map.total.last)),
            counted(map.groups.len() as u64, "group"),
            counted(map.nodes.len() as u64, "node"),
            counted(map.edges.len() as u64, "edge"),
            counted(map.total.connections, "connection"),
            bytes(map.total.bytes.saturating_add(map.total.reply_bytes)),
        ];
    }
    let notes = map.notes.iter().map(|note| format!("<p class=\"note\">{}.</p>\n", escape(note)));
    format!(
        "<header>\n<h1>{}</h1>\n<p>{}</p>\n{}</header>\n",
        escape(&map.title),
        about.join(" · "),
        notes.collect::<String>()
    )
}

/// What the script makes work; without it they are not shown.
fn controls(map: &Map) -> String {
    let fates = Fate::ALL.into_iter().map(|fate| {
        let (edges, _) = map.of_fate(fate);
        let (id, words, edges_text) = (fate.id(), fate.words(), count(edges as u64));
        let disabled = if edges == 0 { " disabled" } else { "" };
        format!(
            "<label class=\"fate\"><input type=\"checkbox\" name=\"fate\" value=\"{id}\" checked{disabled}>\
             <svg class=\"{id}\" viewBox=\"0 0 40 12\" width=\"40\" height=\"12\" aria-hidden=\"true\">\
             <path class=\"line\" d=\"M1 6H37\" marker-end=\"url(#head-{id})\"/></svg>{words} <b>{edges_text}</b></label>\n"
        )
    });
    format!(
        "<form id=\"controls\" role=\"search\" aria-label=\"What the map shows\">\n\
         <label>Find <input id=\"text\" type=\"search\" placeholder=\"name, address, port\" autocomplete=\"off\"></label>\n\
         <label>Label <select id=\"label\"><option value=\"\">any</option></select></label>\n\
         <label>Service <select id=\"service\"><option value=\"\">any</option></select></label>\n\
         <fieldset><legend>Verdict</legend>\n{}</fieldset>\n\
         <span class=\"buttons\"><button type=\"button\" id=\"in\" aria-label=\"Zoom in\">+</button>\
         <button type=\"button\" id=\"out\" aria-label=\"Zoom out\">−</button>\
         <button type=\"button\" id=\"all\">See all</button><button type=\"reset\">Clear</button></span>\n\
         <output id=\"shown\"></output>\n</form>\n",
        fates.collect::<String>()
    )
}

fn table(map: &Map) -> String {
    let rows = sorted(map).into_iter().map(|at| row(map, at));
    format!(
        "<section>\n<h2 id=\"edges-title\">All edges</h2>\n<div class=\"scroll\">\n<table id=\"edges\" aria-labelledby=\"edges-title\">\n\
         <thead><tr><th scope=\"col\">Source</th><th scope=\"col\">Destination</th><th scope=\"col\">Service</th>\
         <th scope=\"col\">Verdict</th><th scope=\"col\" class=\"number\">Connections</th>\
         <th scope=\"col\" class=\"number\">Sent</th><th scope=\"col\" class=\"number\">Answered</th>\
         <th scope=\"col\">Last seen (UTC)</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n\
         <p id=\"more\" hidden></p>\n</section>\n",
        rows.collect::<String>()
    )
}

/// Edges, worst and most first.
fn sorted(map: &Map) -> Vec<usize> {
    let mut edges: Vec<usize> = (0..map.edges.len()).collect();
    edges.sort_by_key(|at| (map.edges[*at].fate, std::cmp::Reverse(map.edges[*at].tally.connections), *at));
    edges
}

fn row(map: &Map, at: usize) -> String {
    let edge: &Edge = &map.edges[at];
    let tally = &edge.tally;
    format!(
        "<tr data-edge=\"{at}\"><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{}</td><td class=\"number\">{}</td>\
         <td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
        escape(&map.full_name(edge.source)),
        escape(&map.full_name(edge.destination)),
        escape(&edge.service_words()),
        edge.fate.id(),
        edge.fate.words(),
        count(tally.connections),
        bytes(tally.bytes),
        bytes(tally.reply_bytes),
        utc(tally.last),
    )
}

/// A text that means nothing to HTML, in an element or in a quoted attribute. Line ends stay; what else is invisible is
/// written out.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            _ if is_invisible(letter) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out
}

/// JSON that cannot end the script element that it stands in, or begin a comment there.
fn json_in_script(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // In JSON these stand in strings only.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out
}
