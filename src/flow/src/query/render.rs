//! A table as aligned text, as JSON and as CSV.

use std::fmt::Write;

use policy::label::describe;
use serde_json::{Map, Value, json};

use crate::figure::{bytes, count, counted, utc, visible, width};
use crate::query::table::{Cell, Table};
use crate::query::word::{outcome_word, side_word};
use crate::query::{By, Sort};
use crate::summary::Tally;

/// Version of the JSON form.
const FORMAT_VERSION: u32 = 1;

/// The name of a number, and what it is.
type Number = (&'static str, fn(&Tally) -> i128);

/// Columns of numbers in CSV and JSON, with what they are taken from.
const NUMBERS: [Number; 9] = [
    ("connections", |tally| tally.connections.into()),
    ("packets", |tally| tally.packets.into()),
    ("bytes", |tally| tally.bytes.into()),
    ("reply_packets", |tally| tally.reply_packets.into()),
    ("reply_bytes", |tally| tally.reply_bytes.into()),
    ("first", |tally| tally.first.into()),
    ("last", |tally| tally.last.into()),
    ("guessed", |tally| tally.guessed.into()),
    ("rejected_replies", |tally| tally.rejected_replies.into()),
];

impl Table {
    /// For a terminal: what rows are told apart by to the left, numbers right-aligned, bytes in units of people; then notes
    /// and how to go on.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let lines = self.lines();
        let columns = self.columns.len();
        let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len))
            .map(|at| lines.iter().map(|line| width(&line[at])).max().unwrap_or(0))
            .collect();
        for line in lines.iter().filter(|_| !self.rows.is_empty()) {
            let mut out = String::new();
            for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
                out.push_str(if at == 0 { "" } else { "  " });
                // Writing to a `String` cannot fail.
                let _ =
                    if at < columns { write!(out, "{cell:<width$}") } else { write!(out, "{cell:>width$}") };
            }
            text.push_str(out.trim_end());
            text.push('\n');
        }
        text.push_str(&self.footer());
        text
    }

    /// Headings and rows, as texts.
    fn lines(&self) -> Vec<Vec<String>> {
        let has_packets = self.request.sort == Sort::Packets;
        let mut headings: Vec<String> =
            self.columns.iter().map(|column| visible(&column.name).into_owned()).collect();
        headings.extend(["connections", "sent", "answered"].map(str::to_owned));
        headings.extend(has_packets.then(|| "packets".to_owned()));
        headings.push("last seen (UTC)".to_owned());
        let rows = self.rows.iter().map(|(cells, tally)| {
            let mut line: Vec<String> = cells.iter().map(Cell::to_text).collect();
            line.extend([count(tally.connections), bytes(tally.bytes), bytes(tally.reply_bytes)]);
            line.extend(has_packets.then(|| count(tally.packets.saturating_add(tally.reply_packets))));
            line.push(utc(tally.last));
            line
        });
        std::iter::once(headings).chain(rows).collect()
    }

    fn footer(&self) -> String {
        if self.summaries == 0 {
            let mut text = "No flow was seen that is asked for.\n".to_owned();
            self.notes.iter().for_each(|note| text.push_str(&format!("Note: {note}.\n")));
            return text;
        }
        let shown = counted(self.rows.len() as u64, "row");
        let of = if self.rows.len() == self.rows_total {
            String::new()
        } else {
            format!(" of {}", count(self.rows_total as u64))
        };
        let mut text = format!(
            "\n{shown}{of}, of {} with {}: {} sent, {} answered, {} to {} UTC\n",
            counted(self.summaries as u64, "summary").replace("summarys", "summaries"),
            counted(self.total.connections, "connection"),
            bytes(self.total.bytes),
            bytes(self.total.reply_bytes),
            utc(self.total.first),
            utc(self.total.last),
        );
        if self.total.guessed > 0 {
            let guessed = counted(self.total.guessed, "record");
            text.push_str(&format!("Note: who opened the connection was guessed from ports in {guessed}.\n"));
        }
        if self.total.rejected_replies > 0 {
            let replies = counted(self.total.rejected_replies, "reply").replace("replys", "replies");
            text.push_str(&format!("Note: {replies} of connections that were let in were dropped.\n"));
        }
        self.notes.iter().for_each(|note| text.push_str(&format!("Note: {note}.\n")));
        if let Some(next) = &self.next {
            text.push_str(&format!("More: --after {next}\n"));
        }
        text
    }

    /// For programs, with `format_version` and exact numbers; the order of rows is that of the table.
    ///
    /// ```json
    /// {"format_version": 1, "query": ["port:443"], "by": ["source:role"], "sort": "bytes", "window_s": 3600,
    ///  "rows": [{"source:role": "web", "connections": 7, "packets": 70, "bytes": 900, "reply_packets": 60,
    ///            "reply_bytes": 5000, "first": 1795892400, "last": 1795895538, "guessed": 0, "rejected_replies": 0}],
    ///  "rows_total": 1, "summaries": 3, "total": {"connections": 7, "…": 0}, "next": null, "notes": []}
    /// ```
    ///
    /// A label or a network is a text, `null` for a workload that has none, and `{"outside": true}` where nobody known holds
    /// the address. A whole end is `{"labels": {…}}` or `{"address": "203.0.113.0/24"}`. A service is
    /// `{"service": "tcp/443", "names": ["https"]}`, a window `{"start": …}` in Unix seconds.
    pub fn to_json(&self) -> Value {
        let row = |(cells, tally): &(Vec<Cell>, Tally)| {
            let mut object = Map::new();
            for (column, cell) in self.columns.iter().zip(cells) {
                object.insert(column.name.clone(), cell.to_json());
            }
            object.extend(numbers(tally));
            Value::Object(object)
        };
        json!({
            "format_version": FORMAT_VERSION,
            "query": self.request.query.to_words(),
            "by": self.request.by.iter().map(By::to_string).collect::<Vec<_>>(),
            "sort": self.request.sort.to_string(),
            "window_s": self.window_s,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "rows_total": self.rows_total,
            "summaries": self.summaries,
            "total": numbers(&self.total).collect::<Map<_, _>>(),
            "next": self.next.as_ref().map(ToString::to_string),
            "notes": self.notes,
        })
    }

    /// For spreadsheets: a heading, then a line for each row, lines ended by CR LF (RFC 4180). Missing values are empty.
    ///
    /// Labels are written by whoever may tag a machine: a text that a spreadsheet would compute has a `'` in front.
    pub fn to_csv(&self) -> String {
        let headings = self.columns.iter().map(|column| csv(&column.name));
        let numbers_of = |tally: &Tally| NUMBERS.map(|(_, number)| number(tally).to_string());
        let mut lines = vec![headings.chain(NUMBERS.map(|(name, _)| name.to_owned())).collect::<Vec<_>>()];
        for (cells, tally) in &self.rows {
            lines.push(cells.iter().map(|cell| csv(&cell.to_csv())).chain(numbers_of(tally)).collect());
        }
        lines.iter().map(|line| line.join(",") + "\r\n").collect()
    }
}

fn numbers(tally: &Tally) -> impl Iterator<Item = (String, Value)> {
    // All of them were 64-bit numbers.
    NUMBERS.into_iter().map(move |(name, number)| {
        let number = number(tally);
        (name.to_owned(), u64::try_from(number).map_or_else(|_| json!(number as i64), |number| json!(number)))
    })
}

impl Cell {
    /// For people: no character in it moves the cursor.
    pub fn to_text(&self) -> String {
        match self {
            Self::Missing => "-".to_owned(),
            Self::Outside => "(outside)".to_owned(),
            Self::Text(text) => visible(text).into_owned(),
            Self::Labels(labels) => visible(&describe(labels)).into_owned(),
            Self::Address(block) => block_text(block),
            Self::Service(point, names) => match names.first() {
                Some(name) => format!("{point} ({})", visible(name.as_str())),
                None => point.to_string(),
            },
            Self::Window(start) => utc(*start),
            Self::Outcome(outcome) => outcome_word(*outcome).to_owned(),
            Self::Side(side) => side_word(*side).to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Outside => json!({"outside": true}),
            Self::Text(text) => json!(text),
            Self::Labels(labels) => {
                let labels = labels.iter().map(|(key, value)| (key.to_string(), json!(value.as_str())));
                json!({"labels": labels.collect::<Map<_, _>>()})
            }
            Self::Address(block) => json!({"address": block.to_string()}),
            Self::Service(point, names) => json!({"service": point.to_string(), "names": names}),
            Self::Window(start) => json!({"start": start}),
            Self::Outcome(outcome) => json!(outcome_word(*outcome)),
            Self::Side(side) => json!(side_word(*side)),
        }
    }

    fn to_csv(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Text(text) => text.clone(),
            Self::Labels(labels) => describe(labels),
            Self::Service(point, _) => point.to_string(),
            _ => self.to_text(),
        }
    }
}

/// One address without its prefix length, a block with it.
pub(crate) fn block_text(block: &ipnet::IpNet) -> String {
    if block.prefix_len() == block.max_prefix_len() { block.addr().to_string() } else { block.to_string() }
}

fn csv(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
