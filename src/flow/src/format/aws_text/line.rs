//! One line, column by column, into what it says.
//!
//! A column is read by what its header calls it. Nothing is allocated, and a byte is looked at about twice: once to
//! find the end of the line, once to read it.

use std::net::{IpAddr, Ipv4Addr};

use super::fields::{address, number, token_end};
use super::layout::{Column, Layout};
use super::quoted;
use crate::format::field::opened;
use crate::record::{Counts, Direction, FlowRecord, Opener, Outcome};
use crate::sink::{GapKind, PointId};

pub(super) const COLUMNS: usize = Column::Other as usize + 1;
/// The end of the year 9999: what is later is no time in seconds.
const TIME_MAX: u64 = 253_402_300_799;
/// TCP, UDP, DCCP, SCTP, UDP-Lite.
#[inline]
pub(super) fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

/// The largest number that a column may hold; 0 for one that holds none.
pub(super) const MAXIMA: [u64; COLUMNS] = {
    let mut maxima = [0; COLUMNS];
    maxima[Column::Version as usize] = u8::MAX as u64;
    maxima[Column::SourcePort as usize] = u16::MAX as u64;
    maxima[Column::DestinationPort as usize] = u16::MAX as u64;
    maxima[Column::Protocol as usize] = u8::MAX as u64;
    maxima[Column::Packets as usize] = u64::MAX;
    maxima[Column::Bytes as usize] = u64::MAX;
    maxima[Column::Start as usize] = TIME_MAX;
    maxima[Column::End as usize] = TIME_MAX;
    maxima[Column::TcpFlags as usize] = u8::MAX as u64;
    maxima
};

/// Why a line cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Broken {
    /// What stands in a column, from a place on, is not what it should be.
    Field(Column, usize),
    TooFewFields,
    TooManyFields,
    Version(u64),
    /// A column has `-`, and a flow cannot be told without it.
    Missing(Column),
    EndsBeforeItStarts,
}

impl Broken {
    /// One line of text.
    #[cold]
    pub(super) fn reason(self, line: &[u8], layout: &Layout) -> String {
        let columns = layout.columns.len();
        match self {
            Self::Field(column, at) => {
                format!(
                    "the field `{}` cannot be `{}`",
                    column.name(),
                    quoted(&line[at..token_end(line, at)])
                )
            }
            Self::TooFewFields => format!("the line has less than the {columns} fields of the header"),
            Self::TooManyFields => format!("the line has more than the {columns} fields of the header"),
            Self::Version(6) => "version `6` is of transit gateway flow logs, which are not read".into(),
            Self::Version(version) => format!("version `{version}` is not known"),
            Self::Missing(column) => format!("the field `{}` is empty", column.name()),
            Self::EndsBeforeItStarts => "the flow ends before it starts".into(),
        }
    }
}

/// What the columns of one line hold; what was not there is not `seen`.
pub(super) struct Values<'a> {
    seen: u32,
    numbers: [u64; COLUMNS],
    addresses: [IpAddr; 4],
    interface: &'a [u8],
    network: &'a [u8],
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    Flow,
    Gap(GapKind),
}

impl<'a> Values<'a> {
    pub(super) fn new() -> Self {
        let addresses = [IpAddr::V4(Ipv4Addr::UNSPECIFIED); 4];
        Self { seen: 0, numbers: [0; COLUMNS], addresses, interface: &[], network: &[] }
    }

    /// Reads all columns of a line.
    #[inline]
    pub(super) fn read(&mut self, layout: &Layout, line: &'a [u8]) -> Result<(), Broken> {
        self.seen = 0;
        let mut at = 0;
        for &column in &layout.columns {
            if at > line.len() {
                return Err(Broken::TooFewFields);
            }
            let end = match self.column(column, line, at) {
                Some(end) => {
                    self.seen |= column.bit();
                    end
                }
                None => absent(line, at).ok_or(Broken::Field(column, at))?,
            };
            at = end + 1;
        }
        if at == line.len() + 1 { Ok(()) } else { Err(Broken::TooManyFields) }
    }

    /// Reads one column and says where it ends; `None` if there is nothing that belongs into it.
    #[inline]
    fn column(&mut self, column: Column, line: &'a [u8], at: usize) -> Option<usize> {
        let end = match column {
            Column::Source | Column::Destination | Column::PacketSource | Column::PacketDestination => {
                let (address, end) = address(line, at)?;
                self.addresses[column as usize - Column::Source as usize] = address;
                end
            }
            Column::Interface => token(line, at, &mut self.interface)?,
            Column::Network => token(line, at, &mut self.network)?,
            Column::Action | Column::Status | Column::Direction => {
                let end = token_end(line, at);
                self.numbers[column as usize] = word(column, line.get(at..end)?)?;
                end
            }
            Column::Other => Some(token_end(line, at)).filter(|&end| end > at)?,
            _ => {
                let (value, end) = number(line, at, MAXIMA[column as usize])?;
                self.numbers[column as usize] = value;
                end
            }
        };
        Some(end)
    }

    /// What the line is, once it is sure that it has all that it needs for that.
    #[inline]
    pub(super) fn meaning(&self) -> Result<Meaning, Broken> {
        let version = self.number(Column::Version);
        if self.has(Column::Version) && !(matches!(version, 2..=5 | 7..=10)) {
            return Err(Broken::Version(version));
        }
        self.need(Column::Start)?;
        self.need(Column::End)?;
        if self.number(Column::End) < self.number(Column::Start) {
            return Err(Broken::EndsBeforeItStarts);
        }
        match self.number(Column::Status) {
            _ if !self.has(Column::Status) && self.is_blank() => Ok(Meaning::Gap(GapKind::Skipped)),
            1 if self.has(Column::Status) => Ok(Meaning::Gap(GapKind::NoData)),
            2 if self.has(Column::Status) => Ok(Meaning::Gap(GapKind::Skipped)),
            _ => self.need_flow().map(|()| Meaning::Flow),
        }
    }

    /// Whether there is no flow at all. Without a status the log does not say whether there was nothing or records were
    /// lost: the worse is assumed.
    fn is_blank(&self) -> bool {
        let flow = Column::Source.bit()
            | Column::Destination.bit()
            | Column::PacketSource.bit()
            | Column::PacketDestination.bit()
            | Column::Protocol.bit();
        self.seen & flow == 0
    }

    fn need_flow(&self) -> Result<(), Broken> {
        if !self.has(Column::PacketSource) {
            self.need(Column::Source)?;
        }
        if !self.has(Column::PacketDestination) {
            self.need(Column::Destination)?;
        }
        self.need(Column::Protocol)?;
        if self.has_ports() {
            self.need(Column::SourcePort)?;
            self.need(Column::DestinationPort)?;
        }
        Ok(())
    }

    fn need(&self, column: Column) -> Result<(), Broken> {
        if self.has(column) { Ok(()) } else { Err(Broken::Missing(column)) }
    }

    fn has(&self, column: Column) -> bool {
        self.seen & column.bit() != 0
    }

    fn has_ports(&self) -> bool {
        has_ports(self.numbers[Column::Protocol as usize] as u8)
    }

    /// The number of a column, 0 where there is none.
    #[inline]
    fn number(&self, column: Column) -> u64 {
        if self.has(column) { self.numbers[column as usize] } else { 0 }
    }

    /// The names of interface and network; empty where there is none.
    pub(super) fn names(&self) -> (&'a [u8], &'a [u8]) {
        let interface = if self.has(Column::Interface) { self.interface } else { &[] };
        let network = if self.has(Column::Network) { self.network } else { &[] };
        (interface, network)
    }

    /// First and last second.
    pub(super) fn times(&self) -> (i64, i64) {
        (self.number(Column::Start) as i64, self.number(Column::End) as i64)
    }

    /// The address on the packet, if the log has it: the other is the interface's first address, whatever was on the packet.
    fn address(&self, on_packet: Column, of_interface: Column) -> IpAddr {
        let column = if self.has(on_packet) { on_packet } else { of_interface };
        self.addresses[column as usize - Column::Source as usize]
    }

    /// The flow that the line tells of. Who opened the connection is not decided here: flags are attribution's.
    #[inline]
    pub(super) fn record(&self, point: PointId) -> FlowRecord {
        let (start, end) = self.times();
        let flags = self.has(Column::TcpFlags).then(|| self.number(Column::TcpFlags) as u8);
        let outcome = match self.number(Column::Action) {
            _ if !self.has(Column::Action) => Outcome::Unknown,
            0 => Outcome::Accepted,
            _ => Outcome::Rejected,
        };
        let port = |column| if self.has_ports() { self.number(column) as u16 } else { 0 };
        FlowRecord {
            point,
            start,
            end,
            source: self.address(Column::PacketSource, Column::Source),
            destination: self.address(Column::PacketDestination, Column::Destination),
            source_port: port(Column::SourcePort),
            destination_port: port(Column::DestinationPort),
            protocol: self.number(Column::Protocol) as u8,
            direction: self.has(Column::Direction).then(|| match self.number(Column::Direction) {
                0 => Direction::Ingress,
                _ => Direction::Egress,
            }),
            opener: Opener::Unknown,
            tcp_flags: flags.unwrap_or(0),
            outcome,
            connections: opened(self.number(Column::Protocol) as u8, flags, outcome),
            forward: Counts { packets: self.number(Column::Packets), bytes: self.number(Column::Bytes) },
            backward: Counts::default(),
        }
    }
}

/// The number that stands for a word of a column. The words are constants, which compare without a call.
#[inline]
fn word(column: Column, word: &[u8]) -> Option<u64> {
    match (column, word) {
        (Column::Action, b"ACCEPT") | (Column::Status, b"OK") | (Column::Direction, b"ingress") => Some(0),
        (Column::Action, b"REJECT") | (Column::Status, b"NODATA") | (Column::Direction, b"egress") => Some(1),
        (Column::Status, b"SKIPDATA") => Some(2),
        _ => None,
    }
}

#[inline]
fn token<'a>(line: &'a [u8], at: usize, into: &mut &'a [u8]) -> Option<usize> {
    let end = token_end(line, at);
    *into = line.get(at..end)?;
    (!matches!(*into, [] | b"-")).then_some(end)
}

/// Where a column that has no value (`-`) ends.
#[inline]
fn absent(line: &[u8], at: usize) -> Option<usize> {
    let is_absent = line.get(at) == Some(&b'-') && line.get(at + 1).is_none_or(|&byte| byte == b' ');
    is_absent.then_some(at + 1)
}
