//! Rows: what the cells of a batch say together.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::cells::{Cell, Kind, Word};
use super::{Addresses, Column, Names, Numbers, Visit, Words};
use crate::format::field::{fault, opened, seconds};
use crate::record::{Counts, Direction, FlowRecord, Opener, Outcome};
use crate::sink::{Cloud, Gap, GapKind, Point, PointId, Sink};

impl Word for Outcome {
    fn of(text: &[u8]) -> Option<Self> {
        match text {
            b"ACCEPT" => Some(Self::Accepted),
            b"REJECT" => Some(Self::Rejected),
            _ => None,
        }
    }
}

impl Word for Direction {
    fn of(text: &[u8]) -> Option<Self> {
        match text {
            b"ingress" => Some(Self::Ingress),
            b"egress" => Some(Self::Egress),
            _ => None,
        }
    }
}

/// What a row is: `None` a record, else a gap.
type Status = Option<GapKind>;

impl Word for Status {
    fn of(text: &[u8]) -> Option<Self> {
        match text {
            b"OK" => Some(None),
            b"NODATA" => Some(Some(GapKind::NoData)),
            b"SKIPDATA" => Some(Some(GapKind::Skipped)),
            _ => None,
        }
    }
}

/// The columns that a record is made of.
#[derive(Default)]
pub(super) struct Rows {
    interface: Column<Names>,
    network: Column<Names>,
    status: Column<Words<Status>>,
    start: Column<Numbers>,
    end: Column<Numbers>,
    source: Column<Addresses>,
    destination: Column<Addresses>,
    source_on_packet: Column<Addresses>,
    destination_on_packet: Column<Addresses>,
    source_port: Column<Numbers>,
    destination_port: Column<Numbers>,
    protocol: Column<Numbers>,
    packets: Column<Numbers>,
    bytes: Column<Numbers>,
    action: Column<Words<Outcome>>,
    direction: Column<Words<Direction>>,
    flags: Column<Numbers>,
    points: FxHashMap<[Option<u32>; 2], PointId>,
    /// The last point: most rows have that of the row before.
    last: Option<([Option<u32>; 2], PointId)>,
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
        for row in 0..count {
            if let Err(reason) = self.row(row, sink) {
                sink.fault(fault(offset, format!("row {}: {reason}", first + row)));
            }
        }
    }

    fn row(&mut self, row: usize, sink: &mut impl Sink) -> Result<(), String> {
        let status = get(&self.status, row, "log_status")?.flatten();
        let (start, end) = self.times(row)?;
        let point = self.point(row, sink)?;
        if let Some(kind) = status {
            sink.gap(Gap { point, start, end, kind });
            return Ok(());
        }
        let packets = get(&self.packets, row, "packets")?.unwrap_or(0).unsigned_abs();
        let bytes = get(&self.bytes, row, "bytes")?.unwrap_or(0).unsigned_abs();
        let protocol = small(&self.protocol, row, "protocol")?.ok_or("has no `protocol`")?;
        let flags: Option<u8> = small(&self.flags, row, "tcp_flags")?;
        let outcome = get(&self.action, row, "action")?.unwrap_or_default();
        sink.record(&FlowRecord {
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
        });
        Ok(())
    }

    /// Start and end; where the log has one of them, it stands for both.
    fn times(&self, row: usize) -> Result<(i64, i64), String> {
        let (start, end) = (get(&self.start, row, "start")?, get(&self.end, row, "end")?);
        match (start.or(end), end.or(start)) {
            (Some(start), Some(end)) => Ok((seconds(start), seconds(end))),
            _ => Err("has no `start`".to_owned()),
        }
    }

    fn point(&mut self, row: usize, sink: &mut impl Sink) -> Result<PointId, String> {
        let key = [get(&self.interface, row, "interface_id")?, get(&self.network, row, "vpc_id")?];
        if let Some((last, point)) = self.last
            && last == key
        {
            return Ok(point);
        }
        let point = *self.points.entry(key).or_insert_with(|| {
            let [interface, network] = key;
            sink.point(Point {
                cloud: Cloud::Aws,
                interface: interface.and_then(|number| self.interface.kind.name(number)),
                network: network.and_then(|number| self.network.kind.name(number)),
            })
        });
        self.last = Some((key, point));
        Ok(point)
    }
}

fn get<K: Kind>(column: &Column<K>, row: usize, name: &str) -> Result<Option<K::Value>, String> {
    match column.cell(row) {
        Cell::Value(value) => Ok(Some(value)),
        Cell::Absent => Ok(None),
        Cell::Bad(number) => Err(format!("cannot read the `{name}` {}", column.bad(number))),
    }
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
