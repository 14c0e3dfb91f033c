//! Rows: what the cells of a batch say together.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::cells::{ABSENT, Cell, Code, Kind, Word};
use super::plain::Plain;
use super::{Addresses, Column, Names, Numbers, Visit, Words};
use crate::format::field::{fault, opened, seconds};
use crate::record::{Counts, Direction, FlowRecord, Opener, Outcome};
use crate::sink::{Cloud, Gap, GapKind, Point, PointId, Sink};

impl Word for Outcome {
    const ALL: &[(&'static [u8], Self)] = &[(b"ACCEPT", Self::Accepted), (b"REJECT", Self::Rejected)];
}

impl Word for Direction {
    const ALL: &[(&'static [u8], Self)] = &[(b"ingress", Self::Ingress), (b"egress", Self::Egress)];
}

/// Records that are given to the sink at once.
const WAITING_MAX: usize = 256;

/// What a row is: `None` a record, else a gap.
pub(super) type Status = Option<GapKind>;

impl Word for Status {
    const ALL: &[(&'static [u8], Self)] =
        &[(b"OK", None), (b"NODATA", Some(GapKind::NoData)), (b"SKIPDATA", Some(GapKind::Skipped))];
}

/// The columns that a record is made of.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) interface: Column<Names>,
    pub(super) network: Column<Names>,
    pub(super) status: Column<Words<Status>>,
    pub(super) start: Column<Numbers>,
    pub(super) end: Column<Numbers>,
    pub(super) source: Column<Addresses>,
    pub(super) destination: Column<Addresses>,
    pub(super) source_on_packet: Column<Addresses>,
    pub(super) destination_on_packet: Column<Addresses>,
    pub(super) source_port: Column<Numbers>,
    pub(super) destination_port: Column<Numbers>,
    pub(super) protocol: Column<Numbers>,
    pub(super) packets: Column<Numbers>,
    pub(super) bytes: Column<Numbers>,
    pub(super) action: Column<Words<Outcome>>,
    pub(super) direction: Column<Words<Direction>>,
    pub(super) flags: Column<Numbers>,
    points: Points,
    /// Records that the sink was not given yet.
    waiting: Vec<FlowRecord>,
}

impl Rows {
    /// Visits every column by its name in the file.
    pub(super) fn each_column(&mut self, visit: &mut impl Visit) -> Result<(), String> {
        visit.visit("interface_id", &mut self.interface)?;
        visit.visit("vpc_id", &mut self.network)?;
        visit.visit("log_status", &mut self.status)?;
        visit.visit("start", &mut self.start)?;
        visit.visit("end", &mut self.end)?;
        visit.visit("srcaddr", &mut self.source)?;
        visit.visit("dstaddr", &mut self.destination)?;
        visit.visit("pkt_srcaddr", &mut self.source_on_packet)?;
        visit.visit("pkt_dstaddr", &mut self.destination_on_packet)?;
        visit.visit("srcport", &mut self.source_port)?;
        visit.visit("dstport", &mut self.destination_port)?;
        visit.visit("protocol", &mut self.protocol)?;
        visit.visit("packets", &mut self.packets)?;
        visit.visit("bytes", &mut self.bytes)?;
        visit.visit("action", &mut self.action)?;
        visit.visit("flow_direction", &mut self.direction)?;
        visit.visit("tcp_flags", &mut self.flags)
    }

    /// Hands on the rows of a batch, of which the first is this one of its row group.
    pub(super) fn hand_on(&mut self, count: usize, first: usize, offset: u64, sink: &mut impl Sink) {
        let mut points = std::mem::take(&mut self.points);
        let mut waiting = std::mem::take(&mut self.waiting);
        let plain = Plain::of(self);
        for row in 0..count {
            let add = |plain: &Plain<'_>| plain.add(row, &mut waiting, |key| points.number(key, self, sink));
            if plain.as_ref().and_then(add).is_none() {
                self.other_row(row, &mut waiting, &mut points, sink).unwrap_or_else(|reason| {
                    sink.fault(fault(offset, format!("row {}: {reason}", first + row)))
                });
            }
            if waiting.len() >= WAITING_MAX {
                give(&mut waiting, sink);
            }
        }
        give(&mut waiting, sink);
        (self.points, self.waiting) = (points, waiting);
    }

    /// Adds what any row says to what waits; what is not a record goes on at once.
    #[cold]
    fn other_row(
        &self,
        row: usize,
        waiting: &mut Vec<FlowRecord>,
        points: &mut Points,
        sink: &mut impl Sink,
    ) -> Result<(), String> {
        match self.row(row, points, sink) {
            Ok(Told::Record(record)) => waiting.push(record),
            Ok(Told::Gap(gap)) => {
                give(waiting, sink);
                sink.gap(gap);
            }
            Err(reason) => {
                give(waiting, sink);
                return Err(reason);
            }
        }
        Ok(())
    }

    /// What any row says.
    pub(super) fn row(&self, row: usize, points: &mut Points, sink: &mut impl Sink) -> Result<Told, String> {
        let status = get(&self.status, row, "log_status")?.flatten();
        let (start, end) = self.times(row)?;
        let key = [name(&self.interface, row, "interface_id")?, name(&self.network, row, "vpc_id")?];
        let point = points.number(key, self, sink);
        if let Some(kind) = status {
            return Ok(Told::Gap(Gap { point, start, end, kind }));
        }
        let packets = get(&self.packets, row, "packets")?.unwrap_or(0).unsigned_abs();
        let bytes = get(&self.bytes, row, "bytes")?.unwrap_or(0).unsigned_abs();
        let protocol = small(&self.protocol, row, "protocol")?.ok_or("has no `protocol`")?;
        let flags: Option<u8> = small(&self.flags, row, "tcp_flags")?;
        let outcome = get(&self.action, row, "action")?.unwrap_or_default();
        Ok(Told::Record(FlowRecord {
            point,
            start,
            end,
            source: address(&self.source_on_packet, &self.source, row, ["pkt_srcaddr", "srcaddr"])?,
            destination: address(
                &self.destination_on_packet,
                &self.destination,
                row,
                ["pkt_dstaddr", "dstaddr"],
            )?,
            source_port: small(&self.source_port, row, "srcport")?.unwrap_or(0),
            destination_port: small(&self.destination_port, row, "dstport")?.unwrap_or(0),
            protocol,
            direction: get(&self.direction, row, "flow_direction")?,
            // Flags tell in short flows; whoever reads them knows more than this row.
            opener: Opener::Unknown,
            tcp_flags: flags.unwrap_or(0),
            outcome,
            connections: opened(protocol, flags, outcome),
            forward: Counts { packets, bytes },
            backward: Counts::default(),
        }))
    }

    /// Start and end; where the log has one of them, it stands for both.
    fn times(&self, row: usize) -> Result<(i64, i64), String> {
        let (start, end) = (get(&self.start, row, "start")?, get(&self.end, row, "end")?);
        match (start.or(end), end.or(start)) {
            (Some(start), Some(end)) => Ok((seconds(start), seconds(end))),
            _ => Err("has no `start`".to_owned()),
        }
    }
}

/// What a row says.
#[derive(Debug)]
pub(super) enum Told {
    /// A record.
    Record(FlowRecord),
    /// A gap.
    Gap(Gap),
}

/// Gives the sink the records that wait: before anything that comes behind them.
fn give(waiting: &mut Vec<FlowRecord>, sink: &mut impl Sink) {
    sink.records(waiting);
    waiting.clear();
}

/// The codes of the names of an interface and its network.
type Key = [Code; 2];

/// Which number the sink gave to which point.
#[derive(Default)]
pub(super) struct Points {
    /// By the code of the interface: the last network that was met with it. An interface is of one network.
    last: Vec<(Code, PointId)>,
    all: FxHashMap<Key, PointId>,
}

/// A network that no row has.
const NOT_MET: Code = Code::MIN;

impl Points {
    #[inline]
    fn number(&mut self, key: Key, rows: &Rows, sink: &mut impl Sink) -> PointId {
        let [interface, network] = key;
        let place = (interface - ABSENT) as usize;
        match self.last.get(place) {
            Some((last, point)) if *last == network => *point,
            _ => self.other(key, place, rows, sink),
        }
    }

    #[cold]
    fn other(&mut self, key: Key, place: usize, rows: &Rows, sink: &mut impl Sink) -> PointId {
        let [interface, network] = key;
        let point = *self.all.entry(key).or_insert_with(|| {
            sink.point(Point {
                cloud: Cloud::Aws,
                interface: rows.interface.kind.of_code(interface),
                network: rows.network.kind.of_code(network),
            })
        });
        if place >= self.last.len() {
            self.last.resize(place + 1, (NOT_MET, point));
        }
        if let Some(last) = self.last.get_mut(place) {
            *last = (network, point);
        }
        point
    }
}

fn get<K: Kind>(column: &Column<K>, row: usize, name: &str) -> Result<Option<K::Value>, String> {
    match column.cell(row) {
        Cell::Value(value) => Ok(Some(value)),
        Cell::Absent => Ok(None),
        Cell::Bad(number) => Err(format!("cannot read the `{name}` {}", column.bad(number))),
    }
}

/// The code of a name, [`ABSENT`] if there is none.
fn name(column: &Column<Names>, row: usize, name: &str) -> Result<Code, String> {
    Ok(get(column, row, name)?.map_or(ABSENT, Code::from))
}

fn small<T: TryFrom<i64>>(column: &Column<Numbers>, row: usize, name: &str) -> Result<Option<T>, String> {
    let Some(number) = get(column, row, name)? else { return Ok(None) };
    T::try_from(number).map(Some).map_err(|_| format!("cannot read the `{name}` `{number}`"))
}

/// What is on the packet; where the log does not say, what the interface has.
fn address(
    packet: &Column<Addresses>,
    interface: &Column<Addresses>,
    row: usize,
    [packet_name, interface_name]: [&str; 2],
) -> Result<IpAddr, String> {
    if let Some(address) = get(packet, row, packet_name)? {
        return Ok(address);
    }
    get(interface, row, interface_name)?.ok_or_else(|| format!("has no `{interface_name}`"))
}
