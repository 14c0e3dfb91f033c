//! Rows that are plainly records, as nearly all are: nothing in them that cannot be read, no gap, nothing missing that a
//! record needs.
//!
//! INVARIANT: what is made of a row here is what [`Rows`] makes of it; any other row is left to it.

use std::net::IpAddr;

use super::BATCH_ROWS;
use super::cells::{ABSENT, Addresses, Code, Kind, Word};
use super::column::Column;
use super::rows::Rows;
use crate::format::field::{opened, seconds};
use crate::record::{Counts, Direction, FlowRecord, Opener, Outcome};
use crate::sink::PointId;

/// The columns of a batch.
pub(super) struct Plain<'a> {
    interface: &'a [Code; BATCH_ROWS],
    network: &'a [Code; BATCH_ROWS],
    status: &'a [Code; BATCH_ROWS],
    start: &'a [Code; BATCH_ROWS],
    end: &'a [Code; BATCH_ROWS],
    source: Ends<'a>,
    destination: Ends<'a>,
    source_port: &'a [Code; BATCH_ROWS],
    destination_port: &'a [Code; BATCH_ROWS],
    protocol: &'a [Code; BATCH_ROWS],
    packets: &'a [Code; BATCH_ROWS],
    bytes: &'a [Code; BATCH_ROWS],
    action: &'a [Code; BATCH_ROWS],
    direction: &'a [Code; BATCH_ROWS],
    flags: &'a [Code; BATCH_ROWS],
}

/// The addresses of one end.
struct Ends<'a> {
    on_packet: &'a [Code; BATCH_ROWS],
    of_interface: &'a [Code; BATCH_ROWS],
    packet: &'a Addresses,
    interface: &'a Addresses,
}

impl<'a> Plain<'a> {
    /// The columns of the present batch.
    pub(super) fn of(rows: &'a Rows) -> Option<Self> {
        Some(Self {
            interface: rows.interface.codes()?,
            network: rows.network.codes()?,
            status: rows.status.codes()?,
            start: rows.start.codes()?,
            end: rows.end.codes()?,
            source: Ends::of(&rows.source_on_packet, &rows.source)?,
            destination: Ends::of(&rows.destination_on_packet, &rows.destination)?,
            source_port: rows.source_port.codes()?,
            destination_port: rows.destination_port.codes()?,
            protocol: rows.protocol.codes()?,
            packets: rows.packets.codes()?,
            bytes: rows.bytes.codes()?,
            action: rows.action.codes()?,
            direction: rows.direction.codes()?,
            flags: rows.flags.codes()?,
        })
    }

    /// Adds the record of a row, if the row is plainly one, to those that wait. `point` numbers its point, by the codes of the
    /// names of its interface and network.
    #[inline(always)]
    pub(super) fn add(
        &self,
        row: usize,
        waiting: &mut Vec<FlowRecord>,
        point: impl FnOnce([Code; 2]) -> PointId,
    ) -> Option<()> {
        let key @ [interface, network] = [*self.interface.get(row)?, *self.network.get(row)?];
        let [status, protocol] = [*self.status.get(row)?, *self.protocol.get(row)?];
        let times = [*self.start.get(row)?, *self.end.get(row)?];
        // Where a row has one time, it stands for both.
        let [start, end] = [or(times[0], times[1]), or(times[1], times[0])];
        let [source_port, destination_port] = [*self.source_port.get(row)?, *self.destination_port.get(row)?];
        let [packets, bytes] = [*self.packets.get(row)?, *self.bytes.get(row)?];
        let [action, direction, flags] =
            [*self.action.get(row)?, *self.direction.get(row)?, *self.flags.get(row)?];
        // None is below absent, these are there, those are within their limits. One branch for all.
        let lowest = interface.min(network).min(packets).min(bytes).min(action).min(direction);
        let is_plain = (lowest >= ABSENT)
            & is_within(status, ABSENT, OK)
            & ((start | end) >= 0)
            & is_within(source_port, ABSENT, u16::MAX.into())
            & is_within(destination_port, ABSENT, u16::MAX.into())
            & is_within(protocol, 0, u8::MAX.into())
            & is_within(flags, ABSENT, u8::MAX.into());
        if !is_plain {
            return None;
        }
        let (source, destination) = (self.source.address(row)?, self.destination.address(row)?);
        let protocol = protocol as u8;
        let outcome = *OUTCOMES.get((action - ABSENT) as usize)?;
        let direction = *DIRECTIONS.get((direction - ABSENT) as usize)?;
        let tcp_flags = (flags != ABSENT).then_some(flags as u8);
        waiting.push(FlowRecord {
            point: point(key),
            start: seconds(start),
            end: seconds(end),
            source,
            destination,
            source_port: source_port.max(0) as u16,
            destination_port: destination_port.max(0) as u16,
            protocol,
            direction,
            opener: Opener::Unknown,
            tcp_flags: tcp_flags.unwrap_or(0),
            outcome,
            connections: opened(protocol, tcp_flags, outcome),
            forward: Counts { packets: packets.max(0).unsigned_abs(), bytes: bytes.max(0).unsigned_abs() },
            backward: Counts::default(),
        });
        Some(())
    }
}

#[inline]
fn or(code: Code, other: Code) -> Code {
    if code == ABSENT { other } else { code }
}

#[inline]
fn is_within(code: Code, from: Code, to: Code) -> bool {
    (from..=to).contains(&code)
}

/// The code of the status of a record.
const OK: Code = 0;
/// By code, from that of an absent one on.
const OUTCOMES: [Outcome; 3] = [Outcome::Unknown, Outcome::ALL[0].1, Outcome::ALL[1].1];
/// The same.
const DIRECTIONS: [Option<Direction>; 3] = [None, Some(Direction::ALL[0].1), Some(Direction::ALL[1].1)];

impl<'a> Ends<'a> {
    fn of(packet: &'a Column<Addresses>, interface: &'a Column<Addresses>) -> Option<Self> {
        Some(Self {
            on_packet: packet.codes()?,
            of_interface: interface.codes()?,
            packet: &packet.kind,
            interface: &interface.kind,
        })
    }

    /// What is on the packet, or else of the interface.
    #[inline]
    fn address(&self, row: usize) -> Option<IpAddr> {
        match *self.on_packet.get(row)? {
            ABSENT => self.interface.value(*self.of_interface.get(row)?),
            code => self.packet.value(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cells::Cell;
    use super::super::rows::{Points, Rows, Told};
    use super::*;
    use crate::sink::{Fault, Gap, Point, Sink};

    struct Nothing;

    impl Sink for Nothing {
        fn point(&mut self, _point: Point<'_>) -> PointId {
            PointId(7)
        }
        fn record(&mut self, _record: &FlowRecord) {}
        fn gap(&mut self, _gap: Gap) {}
        fn fault(&mut self, _fault: Fault) {}
    }

    /// Codes of a column whose values are below `end`: mostly such, some absent, bad or too large.
    fn codes(end: Code) -> impl Strategy<Value = Vec<Code>> {
        let code = prop_oneof![
            20 => 0..end,
            2 => Just(ABSENT),
            1 => (0u32..3).prop_map(|number| Cell::Bad(number).code()),
            1 => (end - 1)..(end + 2),
        ];
        proptest::collection::vec(code, ROWS)
    }

    const ROWS: usize = 40;

    proptest! {
        #[test]
        fn a_plain_row_is_the_record_that_any_row_is(
            columns in [5, 5, 3, 1 << 40, 1 << 40].map(codes),
            addresses in [1 << 32; 4].map(codes),
            numbers in [1 << 16, 1 << 16, 256, Code::MAX - 2, Code::MAX - 2, 2, 2, 256].map(codes),
        ) {
            let mut rows = Rows::default();
            let [interface, network, status, start, end] = columns;
            rows.interface.put(&interface);
            rows.network.put(&network);
            rows.status.put(&status);
            rows.start.put(&start);
            rows.end.put(&end);
            let [source, destination, source_on_packet, destination_on_packet] = addresses;
            rows.source.put(&source);
            rows.destination.put(&destination);
            rows.source_on_packet.put(&source_on_packet);
            rows.destination_on_packet.put(&destination_on_packet);
            let [source_port, destination_port, protocol, packets, bytes, action, direction, flags] = numbers;
            rows.source_port.put(&source_port);
            rows.destination_port.put(&destination_port);
            rows.protocol.put(&protocol);
            rows.packets.put(&packets);
            rows.bytes.put(&bytes);
            rows.action.put(&action);
            rows.direction.put(&direction);
            rows.flags.put(&flags);

            let plain = Plain::of(&rows).expect("every column has cells");
            for row in 0..ROWS {
                let mut waiting = Vec::new();
                if plain.add(row, &mut waiting, |_| PointId(7)).is_none() {
                    prop_assert!(waiting.is_empty());
                    continue;
                }
                let told = rows.row(row, &mut Points::default(), &mut Nothing);
                match told {
                    Ok(Told::Record(record)) => prop_assert_eq!(waiting, [record]),
                    Ok(Told::Gap(_)) => prop_assert!(false, "a gap was taken for a record"),
                    Err(reason) => prop_assert!(false, "{}", reason),
                }
            }
        }
    }
}
