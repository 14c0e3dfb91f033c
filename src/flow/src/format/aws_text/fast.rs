//! The usual line, of which it is known where each field begins and ends: the columns that mean something are read without
//! a search and nearly without a branch.
//!
//! All of it is inlined, whatever a compiler thinks of its size: only then does it know the default order.
//!
//! INVARIANT: what is read here is read as `line` reads it. Whatever is unusual is `None`, faults among it: `line` reads those.

use std::net::{IpAddr, Ipv4Addr};

use super::digits::{self, Known};
use super::fields;
use super::layout::Column;
use super::line::{COLUMNS, MAXIMA, has_ports};
use super::window::{Field, Window, load};
use crate::format::field::opened;
use crate::record::{Direction, FlowRecord, Outcome};

/// The fields of version 2 in their default order, which most logs have.
const DEFAULT: [Column; 14] = [
    Column::Version,
    Column::Other,
    Column::Interface,
    Column::Source,
    Column::Destination,
    Column::SourcePort,
    Column::DestinationPort,
    Column::Protocol,
    Column::Packets,
    Column::Bytes,
    Column::Start,
    Column::End,
    Column::Action,
    Column::Status,
];

/// The place of a column that a layout does not have.
const NOWHERE: u16 = u16::MAX;

/// Where each column stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Places {
    of: [u16; COLUMNS],
    count: usize,
}

impl Places {
    /// Of columns that are there once, but for those that mean nothing.
    pub(super) const fn of(columns: &[Column]) -> Self {
        let mut of = [NOWHERE; COLUMNS];
        let mut place = 0;
        while place < columns.len() {
            of[columns[place] as usize] = place as u16;
            place += 1;
        }
        Self { of, count: columns.len() }
    }

    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn are_default(&self) -> bool {
        *self == DefaultOrder::PLACES
    }
}

/// Where columns stand, which a compiler may know.
pub(super) trait Order: Copy {
    fn places(&self) -> &Places;
}

impl Order for &Places {
    #[inline(always)]
    fn places(&self) -> &Places {
        self
    }
}

/// The default order.
#[derive(Clone, Copy)]
pub(super) struct DefaultOrder;

impl DefaultOrder {
    const PLACES: Places = Places::of(&DEFAULT);
}

impl Order for DefaultOrder {
    #[inline(always)]
    fn places(&self) -> &Places {
        &Self::PLACES
    }
}

/// What lines that follow each other have in common.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Times {
    start: Known,
    end: Known,
}

/// A line that has as many fields as its layout, none of them empty.
#[derive(Clone, Copy)]
pub(super) struct Line<'a, O> {
    order: O,
    window: &'a Window,
    starts: &'a [u16],
}

impl<'a, O: Order> Line<'a, O> {
    /// `None` if the line does not have the number of fields of its layout, or ends as in Windows.
    #[inline(always)]
    pub(super) fn new(order: O, window: &'a Window, starts: &'a [u16]) -> Option<Self> {
        let end = usize::from(*starts.last()?);
        let is_usual =
            starts.len() == order.places().count + 1 && load(window, end.wrapping_sub(2)) != *b"\r";
        is_usual.then_some(Self { order, window, starts })
    }

    /// Writes what the line tells of into a record, but for its point, and gives the names of interface and network. After
    /// `None` the record is worth nothing.
    ///
    /// Each value is written where it stays: an address that is moved around is read back wider than it was written, and
    /// the processor waits for that.
    #[inline(always)]
    pub(super) fn read(self, times: &mut Times, into: &mut FlowRecord) -> Option<(&'a [u8], &'a [u8])> {
        self.check_version()?;
        if self.has(Column::Status) && !self.is(Column::Status, b"OK")? {
            return None;
        }
        self.address(Column::Source, &mut into.source)?;
        self.address(Column::PacketSource, &mut into.source)?;
        self.address(Column::Destination, &mut into.destination)?;
        self.address(Column::PacketDestination, &mut into.destination)?;
        let [start, end] = [self.field(Column::Start)?, self.field(Column::End)?];
        let start = digits::time(self.window, start, &mut times.start)?;
        let end = digits::time(self.window, end, &mut times.end)?;
        if end < start || end > MAXIMA[Column::End as usize] {
            return None;
        }
        (into.start, into.end) = (start as i64, end as i64);
        let protocol = self.protocol()?;
        let [source_port, destination_port] =
            [self.number(Column::SourcePort)?, self.number(Column::DestinationPort)?];
        let ports = if has_ports(protocol) { u16::MAX } else { 0 };
        into.source_port = source_port as u16 & ports;
        into.destination_port = destination_port as u16 & ports;
        let outcome = self.outcome()?;
        let flags = self.number(Column::TcpFlags)? as u8;
        into.protocol = protocol;
        into.outcome = outcome;
        into.tcp_flags = flags;
        into.connections = opened(protocol, self.has(Column::TcpFlags).then_some(flags), outcome);
        into.direction = self.direction()?;
        into.forward.packets = self.number(Column::Packets)?;
        into.forward.bytes = self.number(Column::Bytes)?;
        Some((self.name(Column::Interface)?, self.name(Column::Network)?))
    }

    #[inline(always)]
    fn has(self, column: Column) -> bool {
        self.order.places().of[column as usize] != NOWHERE
    }

    #[inline(always)]
    fn field(self, column: Column) -> Option<Field> {
        let place = usize::from(self.order.places().of[column as usize]);
        let [start, after] = [*self.starts.get(place)?, *self.starts.get(place + 1)?].map(usize::from);
        Some(Field { start, end: after - 1 })
    }

    #[inline(always)]
    fn check_version(self) -> Option<()> {
        if !self.has(Column::Version) {
            return Some(());
        }
        let field = self.field(Column::Version)?;
        let [digit] = load(self.window, field.start);
        let is_known = field.len() == 1 && matches!(digit, b'2'..=b'5' | b'7'..=b'9');
        (is_known || digits::number(self.window, field)? == 10).then_some(())
    }

    /// The number of a column, 0 where the layout has none.
    #[inline(always)]
    fn number(self, column: Column) -> Option<u64> {
        if !self.has(column) {
            return Some(0);
        }
        let max = MAXIMA[column as usize];
        digits::number(self.window, self.field(column)?).filter(|&number| number <= max)
    }

    /// TCP, UDP and ICMP before all others.
    #[inline(always)]
    fn protocol(self) -> Option<u8> {
        let field = self.field(Column::Protocol)?;
        match (field.len(), load(self.window, field.start)) {
            (1, [digit @ b'0'..=b'9', _]) => Some(digit - b'0'),
            (2, [b'1', b'7']) => Some(17),
            _ => Some(self.number(Column::Protocol)? as u8),
        }
    }

    /// The name in a column, empty where the layout has none.
    #[inline(always)]
    fn name(self, column: Column) -> Option<&'a [u8]> {
        if !self.has(column) {
            return Some(&[]);
        }
        let field = self.field(column)?;
        self.window.get(field.start..field.end).filter(|name| *name != b"-")
    }

    /// Writes the address of a column, if the layout has it.
    #[inline(always)]
    fn address(self, column: Column, into: &mut IpAddr) -> Option<()> {
        if self.has(column) {
            let field = self.field(column)?;
            match digits::ipv4(self.window, field) {
                Some(bits) => *into = IpAddr::V4(Ipv4Addr::from_bits(bits)),
                None => *into = fields::address(self.window.get(..field.end)?, field.start)?.0,
            }
        }
        Some(())
    }

    /// Whether a column has this word.
    #[inline(always)]
    fn is<const N: usize>(self, column: Column, word: &[u8; N]) -> Option<bool> {
        let field = self.field(column)?;
        Some(field.len() == N && load(self.window, field.start) == *word)
    }

    #[inline(always)]
    fn outcome(self) -> Option<Outcome> {
        if !self.has(Column::Action) {
            Some(Outcome::Unknown)
        } else if self.is(Column::Action, b"ACCEPT")? {
            Some(Outcome::Accepted)
        } else {
            self.is(Column::Action, b"REJECT")?.then_some(Outcome::Rejected)
        }
    }

    #[inline(always)]
    fn direction(self) -> Option<Option<Direction>> {
        if !self.has(Column::Direction) {
            Some(None)
        } else if self.is(Column::Direction, b"ingress")? {
            Some(Some(Direction::Ingress))
        } else {
            self.is(Column::Direction, b"egress")?.then_some(Some(Direction::Egress))
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::format::aws_text::batch::BLANK;
    use crate::format::aws_text::layout::Layout;
    use crate::format::aws_text::line::{Meaning, Values};
    use crate::format::aws_text::points::LATER;
    use crate::format::aws_text::window::{Separators, WINDOW_BYTES};

    const V2: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

    /// Layouts: the default one, it and more, all that is read and more in any order.
    fn layout(rng: &mut fastrand::Rng) -> Layout {
        let more = "vpc-id tcp-flags pkt-srcaddr pkt-dstaddr flow-direction region traffic-path";
        let mut names: Vec<&str> = V2.split(' ').collect();
        match rng.u8(..4) {
            0 => {}
            1 => names.extend(more.split(' ')),
            _ => {
                names.extend(more.split(' '));
                rng.shuffle(&mut names);
                let mut left = rng.usize(..6);
                names.retain(|name| {
                    let needed = [
                        "interface-id",
                        "srcaddr",
                        "dstaddr",
                        "srcport",
                        "dstport",
                        "protocol",
                        "start",
                        "end",
                    ];
                    let goes = left > 0 && !needed.contains(name) && rng.u8(..3) == 0;
                    left -= usize::from(goes);
                    !goes
                });
            }
        }
        Layout::of_header(names.join(" ").as_bytes()).unwrap().unwrap()
    }

    fn field(column: Column, rng: &mut fastrand::Rng) -> String {
        if rng.u8(..80) == 0 {
            let odd = [
                "-",
                "",
                "x",
                "\r",
                "256",
                "65536",
                "0x1",
                "1.2.3",
                "00007",
                "99999999999999999999",
                "\u{e9}",
                "12345678901",
            ];
            return (*rng.choice(&odd).unwrap()).into();
        }
        match column {
            Column::Version => rng.choice(["2", "3", "5", "7", "9", "10"]).unwrap().into(),
            Column::Interface => format!("eni-{:017x}", rng.u64(..)),
            Column::Network => format!("vpc-{}", rng.u8(..)),
            Column::Source | Column::Destination | Column::PacketSource | Column::PacketDestination => {
                match rng.u8(..12) {
                    0 => std::net::Ipv6Addr::from_bits(rng.u128(..) >> rng.u8(..128)).to_string(),
                    _ => Ipv4Addr::from_bits(rng.u32(..) >> rng.u8(..32)).to_string(),
                }
            }
            Column::SourcePort | Column::DestinationPort => (rng.u16(..) >> rng.u8(..16)).to_string(),
            Column::Protocol => rng.choice(["6", "17", "1", "58", "132", "33", "0", "255"]).unwrap().into(),
            Column::Packets | Column::Bytes => (rng.u64(..) >> rng.u8(..64)).to_string(),
            Column::Start => (1_790_000_000 + rng.u64(..300)).to_string(),
            Column::End => (1_790_000_290 + rng.u64(..300)).to_string(),
            Column::Action => rng.choice(["ACCEPT", "REJECT"]).unwrap().into(),
            Column::Status => if rng.u8(..50) == 0 { "NODATA" } else { "OK" }.into(),
            Column::TcpFlags => rng.u8(..64).to_string(),
            Column::Direction => rng.choice(["ingress", "egress"]).unwrap().into(),
            Column::Other => rng.choice(["-", "eu-west-1", "1", "111122223333"]).unwrap().into(),
        }
    }

    /// What `line` finds: the record with its names, if it is a flow.
    fn slowly<'a>(layout: &Layout, line: &'a [u8]) -> Option<(FlowRecord, &'a [u8], &'a [u8])> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut values = Values::new();
        values.read(layout, line).ok()?;
        let (interface, network) = values.names();
        (values.meaning().ok()? == Meaning::Flow).then(|| (values.record(LATER), interface, network))
    }

    /// The same record or none: and few of those that are good.
    #[test]
    fn a_line_is_read_as_it_is_byte_by_byte() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut separators = Separators::default();
        let mut times = Times::default();
        let (mut same, mut unusual, mut bad, mut default) = (0, 0, 0, 0);
        for _ in 0..100_000 {
            let layout = layout(&mut rng);
            let fields: Vec<String> = layout.columns.iter().map(|&column| field(column, &mut rng)).collect();
            let mut text = fields.join(" ").into_bytes();
            text.push(b'\n');
            let mut window = [b'7'; WINDOW_BYTES];
            window[..text.len()].copy_from_slice(&text);
            separators.find(&window, text.len());
            let mut lines = separators.lines();
            let found = lines.next(layout.places.count()).unwrap();
            assert_eq!((found.begin, found.after), (0, text.len()));
            let mut record = BLANK;
            let starts = found.starts.filter(|_| !separators.has_empty());
            let read = starts.and_then(|starts| {
                if layout.places.are_default() {
                    return Line::new(DefaultOrder, &window, starts)?.read(&mut times, &mut record);
                }
                Line::new(&layout.places, &window, starts)?.read(&mut times, &mut record)
            });
            let read = read.map(|(interface, network)| (record, interface, network));
            let expected = slowly(&layout, &text[..text.len() - 1]);
            match (read, expected) {
                (None, Some(_)) => unusual += 1,
                (None, None) => bad += 1,
                (read, expected) => {
                    assert_eq!(read, expected, "{}", text.escape_ascii());
                    same += 1;
                    default += usize::from(layout.places.are_default());
                }
            }
        }
        println!("{same} read, {default} of them in the default order, {unusual} left, {bad} of no flow");
        assert!(same > 60_000 && default > 15_000 && unusual > 1_000 && bad > 5_000);
    }
}
