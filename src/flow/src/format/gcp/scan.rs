//! An entry by one way forward over its line, several times as fast as by `serde_json`.
//!
//! INVARIANT: where it gives an entry, `serde_json` gives the same. Where that is not certain it gives none.

use super::entry::{Connection, Entry, Instance, Network, Payload, Rule};
use crate::format::json::{Cursor, Number, Text};

/// Reads the entry of a line into an empty one. With `None`, what is in it means nothing.
#[inline]
pub(super) fn entry<'a>(line: &'a str, entry: &mut Entry<'a>) -> Option<()> {
    let mut cursor = Cursor::new(line);
    cursor.object(|cursor, name| match name {
        "logName" => text(&mut entry.log, cursor),
        "timestamp" => text(&mut entry.timestamp, cursor),
        "jsonPayload" => payload(first(&mut entry.payload)?, cursor),
        _ => cursor.skip(),
    })?;
    cursor.is_at_end().then_some(())
}

#[inline]
fn payload<'a>(payload: &mut Payload<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    cursor.object(|cursor, name| match name {
        "connection" => connection(first(&mut payload.connection)?, cursor),
        "reporter" => text(&mut payload.reporter, cursor),
        "start_time" => text(&mut payload.start_time, cursor),
        "end_time" => text(&mut payload.end_time, cursor),
        "packets_sent" => number(&mut payload.packets_sent, cursor),
        "bytes_sent" => number(&mut payload.bytes_sent, cursor),
        "src_instance" => instance(first(&mut payload.src_instance)?, cursor),
        "dest_instance" => instance(first(&mut payload.dest_instance)?, cursor),
        "src_vpc" => network(first(&mut payload.src_vpc)?, cursor),
        "dest_vpc" => network(first(&mut payload.dest_vpc)?, cursor),
        "disposition" => text(&mut payload.disposition, cursor),
        "rule_details" => rule(first(&mut payload.rule_details)?, cursor),
        "instance" => instance(first(&mut payload.instance)?, cursor),
        "vpc" => network(first(&mut payload.vpc)?, cursor),
        _ => cursor.skip(),
    })
}

#[inline]
fn connection<'a>(connection: &mut Connection<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    cursor.object(|cursor, name| match name {
        "src_ip" => text(&mut connection.src_ip, cursor),
        "dest_ip" => text(&mut connection.dest_ip, cursor),
        "src_port" => number(&mut connection.src_port, cursor),
        "dest_port" => number(&mut connection.dest_port, cursor),
        "protocol" => number(&mut connection.protocol, cursor),
        _ => cursor.skip(),
    })
}

fn rule<'a>(rule: &mut Rule<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    cursor.object(|cursor, name| match name {
        "direction" => text(&mut rule.direction, cursor),
        _ => cursor.skip(),
    })
}

fn instance<'a>(instance: &mut Instance<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    cursor.object(|cursor, name| match name {
        "project_id" => text(&mut instance.project_id, cursor),
        "zone" => text(&mut instance.zone, cursor),
        "vm_name" => text(&mut instance.vm_name, cursor),
        _ => cursor.skip(),
    })
}

fn network<'a>(network: &mut Network<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    cursor.object(|cursor, name| match name {
        "project_id" => text(&mut network.project_id, cursor),
        "vpc_name" => text(&mut network.vpc_name, cursor),
        _ => cursor.skip(),
    })
}

#[inline]
fn text<'a>(field: &mut Option<Text<'a>>, cursor: &mut Cursor<'a>) -> Option<()> {
    let text = cursor.text()?;
    set(field, Text::from(text))
}

#[inline]
fn number(field: &mut Option<Number>, cursor: &mut Cursor<'_>) -> Option<()> {
    let number = cursor.number()?;
    set(field, Number(number))
}

/// Fills a field, which must not be there twice.
#[inline]
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    if field.is_some() {
        return None;
    }
    *field = Some(value);
    Some(())
}

/// A field to fill, which must not be there twice.
#[inline]
fn first<T: Default>(field: &mut Option<T>) -> Option<&mut T> {
    if field.is_some() {
        return None;
    }
    Some(field.insert(T::default()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// What a field of an entry holds.
    enum Holds {
        Text,
        Number,
        Object(&'static [(&'static str, Holds)]),
    }
    use Holds::{Number as N, Object as O, Text as T};

    const ENTRY: Holds = O(&[("logName", T), ("timestamp", T), ("jsonPayload", O(&PAYLOAD))]);
    const PAYLOAD: [(&str, Holds); 14] = [
        ("connection", CONNECTION),
        ("reporter", T),
        ("start_time", T),
        ("end_time", T),
        ("packets_sent", N),
        ("bytes_sent", N),
        ("src_instance", INSTANCE),
        ("dest_instance", INSTANCE),
        ("src_vpc", NETWORK),
        ("dest_vpc", NETWORK),
        ("disposition", T),
        ("rule_details", O(&[("direction", T)])),
        ("instance", INSTANCE),
        ("vpc", NETWORK),
    ];
    const CONNECTION: Holds =
        O(&[("src_ip", T), ("dest_ip", T), ("src_port", N), ("dest_port", N), ("protocol", N)]);
    const INSTANCE: Holds = O(&[("project_id", T), ("zone", T), ("vm_name", T)]);
    const NETWORK: Holds = O(&[("project_id", T), ("vpc_name", T)]);

    const TEXTS: [&str; 8] =
        ["", "a", "SRC", "10.0.0.1", "é — ü", "2026-11-02T10:00:00.1Z", "of sixteen bytes", "\u{7f}"];
    const ESCAPES: [&str; 8] = ["\\\"", "\\\\", "\\n", "\\u00e9", "\\ud800", "\\u12", "\\x", "\t"];
    const NUMBERS: [&str; 16] = [
        "0",
        "6",
        "65535",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "-0",
        "-1",
        "01",
        "1.0",
        "1.5",
        "1.",
        "1e2",
        "1E+2",
        "1e",
        "-",
    ];

    struct Writer {
        rng: fastrand::Rng,
        /// One in so many places is odd.
        odd: usize,
        json: String,
    }

    impl Writer {
        fn odd(&mut self) -> bool {
            self.rng.usize(..self.odd) == 0
        }

        fn blank(&mut self) {
            if self.odd() {
                self.json.push_str(self.rng.choice([" ", "\t", "\r\n", "  ", "\u{c}"]).unwrap());
            }
        }

        fn text(&mut self, text: &str) {
            self.json.push('"');
            self.json.push_str(text);
            if self.odd() {
                self.json.push_str(self.rng.choice(ESCAPES).unwrap());
                self.json.push_str(self.rng.choice(TEXTS).unwrap());
            }
            self.json.push('"');
        }

        fn value(&mut self, holds: &Holds) {
            self.blank();
            match holds {
                _ if self.odd() => self.any(0),
                T => {
                    let text = *self.rng.choice(&TEXTS).unwrap();
                    self.text(text);
                }
                N if self.odd() => self.json.push_str(self.rng.choice(NUMBERS).unwrap()),
                N if self.rng.bool() => self.text("0042"),
                N => self.json.push_str("443"),
                O(fields) => self.object(fields),
            }
            self.blank();
        }

        fn object(&mut self, fields: &[(&str, Holds)]) {
            let mut members: Vec<Option<usize>> = (0..fields.len()).map(Some).collect();
            self.rng.shuffle(&mut members);
            members.truncate(self.rng.usize(..=fields.len() * 2));
            if self.odd() {
                members.push(Some(0));
            }
            if self.rng.bool() {
                members.insert(self.rng.usize(..=members.len()), None);
            }
            self.json.push('{');
            for (at, member) in members.into_iter().enumerate() {
                if at > 0 {
                    self.json.push(',');
                }
                self.blank();
                self.text(member.map_or("more", |field| fields[field].0));
                self.blank();
                self.json.push(':');
                match member {
                    Some(field) => self.value(&fields[field].1),
                    None => self.any(0),
                }
            }
            self.json.push('}');
        }

        /// Any value, to be gone past.
        fn any(&mut self, depth: u32) {
            self.blank();
            match self.rng.u8(..12) {
                0..4 if depth < 3 || depth > 3 && depth < 40 => {
                    let deeper = if self.odd() { 4 } else { depth + 1 };
                    let (begin, end) = *self.rng.choice(&[('[', ']'), ('{', '}')]).unwrap();
                    self.json.push(begin);
                    for at in 0..self.rng.usize(..3) {
                        self.json.push_str(if at > 0 { "," } else { "" });
                        if begin == '{' {
                            self.text("name");
                            self.json.push(':');
                        }
                        self.any(deeper);
                    }
                    self.json.push(end);
                }
                0..6 => self.json.push_str(self.rng.choice(["true", "false", "null"]).unwrap()),
                6 if self.odd() => self.json.push_str(self.rng.choice(NUMBERS).unwrap()),
                6..9 => self.json.push_str(self.rng.choice(["0", "-1.5", "1E+2", "12"]).unwrap()),
                _ => self.text("any"),
            }
            self.blank();
        }

        /// Breaks a place or two.
        fn mutate(&mut self) {
            for _ in 0..self.rng.usize(1..3) {
                let places: Vec<usize> = self.json.char_indices().map(|(at, _)| at).collect();
                let Some(&at) = self.rng.choice(&places) else { return };
                if self.rng.bool() {
                    self.json.remove(at);
                }
                if self.rng.bool() {
                    let with = *self.rng.choice(b"\"\\{}[]:,0-.eEnt \x01").unwrap();
                    self.json.insert(at, char::from(with));
                }
            }
        }
    }

    fn scanned(line: &str) -> Option<Entry<'_>> {
        let mut found = Entry::default();
        entry(line, &mut found).map(|()| found)
    }

    #[test]
    fn what_is_scanned_is_what_serde_json_reads() {
        let (mut same, mut left, mut no_json) = (0, 0, 0);
        for seed in 0..60_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let odd = *rng.choice(&[20, 100, 400]).unwrap();
            let mut writer = Writer { rng, odd, json: String::new() };
            writer.value(&ENTRY);
            if writer.rng.u8(..3) == 0 {
                writer.mutate();
            }
            let line = &writer.json;
            match (scanned(line), serde_json::from_str::<Entry<'_>>(line)) {
                (Some(ours), Ok(theirs)) => {
                    assert_eq!(ours, theirs, "seed {seed}: {line}");
                    same += 1;
                }
                (Some(_), Err(error)) => panic!("seed {seed}: {error}: {line}"),
                (None, Ok(_)) => left += 1,
                (None, Err(_)) => no_json += 1,
            }
        }
        println!("{same} scanned, {left} left to serde_json, {no_json} refused by both");
        assert!(same > 20_000 && left > 2_000 && no_json > 20_000);
    }

    /// The fast way is of no use if it is not gone.
    #[test]
    fn plain_entries_are_scanned() {
        for seed in 0..1000 {
            let mut writer =
                Writer { rng: fastrand::Rng::with_seed(seed), odd: usize::MAX, json: String::new() };
            writer.value(&ENTRY);
            let line = &writer.json;
            let is_entry = serde_json::from_str::<Entry<'_>>(line).is_ok();
            assert_eq!(scanned(line).is_some(), is_entry, "seed {seed}: {line}");
        }
        assert!(scanned(r#" { "more" : "a\"\\A" , "logName" : "é" } "#).is_some());
    }
}
