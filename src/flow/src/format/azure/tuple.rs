//! Flow tuples: the fields of a flow, comma-separated in one string.

use crate::PointId;
use crate::format::field::{address, quoted, seconds, unsigned};
use crate::record::{Counts, Direction, FlowRecord, Opener, Outcome};

/// Which fields a tuple has, in which order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// `time,source,destination,port,port,T|U,I|O,A|D`.
    SecurityGroup1,
    /// The same and `B|C|E,packets,bytes,packets,bytes`.
    SecurityGroup2,
    /// `time,source,destination,port,port,protocol,I|O,B|C|E|D,encryption,packets,bytes,packets,bytes`.
    VirtualNetwork,
}

/// What a state says: outcome and connections. Begin counts the connection; Continue and End are the traffic since the last
/// tuple of a connection that was counted when it began.
type State = (Outcome, u32);

/// Reads a tuple. The tuple's source is who opened the connection.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn read(text: &[u8], layout: Layout, point: PointId) -> Result<FlowRecord, String> {
    let mut fields = Fields { rest: Some(text), count: 0 };
    let time = fields.time()?;
    let (source, destination) = (fields.address("source")?, fields.address("destination")?);
    let (source_port, destination_port) = (fields.port("source port")?, fields.port("destination port")?);
    let (protocol, direction) = (fields.protocol()?, fields.direction()?);
    let (outcome, connections) = match layout {
        Layout::SecurityGroup1 => fields.decision()?,
        Layout::SecurityGroup2 => {
            let (outcome, _) = fields.decision()?;
            (outcome, fields.state(false)?.1)
        }
        Layout::VirtualNetwork => {
            let state = fields.state(true)?;
            fields.next("encryption")?;
            state
        }
    };
    let counters = layout != Layout::SecurityGroup1;
    let forward = if counters { fields.counts()? } else { Counts::default() };
    let backward = if counters { fields.counts()? } else { Counts::default() };
    Ok(FlowRecord {
        point,
        start: time,
        end: time,
        source,
        destination,
        source_port,
        destination_port,
        protocol,
        direction: Some(direction),
        opener: Opener::Source,
        tcp_flags: 0,
        outcome,
        connections,
        forward,
        backward,
    })
}

struct Fields<'a> {
    rest: Option<&'a [u8]>,
    count: u32,
}

impl<'a> Fields<'a> {
    fn next(&mut self, name: &str) -> Result<&'a [u8], String> {
        let Some(rest) = self.rest else {
            return Err(format!("a tuple of {} fields has no {name}", self.count));
        };
        self.count += 1;
        let Some(end) = rest.iter().position(|byte| *byte == b',') else {
            self.rest = None;
            return Ok(rest);
        };
        let (field, after) = rest.split_at(end);
        self.rest = after.get(1..);
        Ok(field)
    }

    fn time(&mut self) -> Result<i64, String> {
        let text = self.next("time")?;
        let time = unsigned(text).and_then(|time| i64::try_from(time).ok());
        time.map(seconds).ok_or_else(|| unreadable("time", text))
    }

    fn address(&mut self, name: &str) -> Result<std::net::IpAddr, String> {
        let text = self.next(name)?;
        address(text).ok_or_else(|| unreadable(name, text))
    }

    /// Empty for a protocol without ports, as 0 is.
    fn port(&mut self, name: &str) -> Result<u16, String> {
        let text = self.next(name)?;
        let port = if text.is_empty() { Some(0) } else { unsigned(text) };
        port.and_then(|port| u16::try_from(port).ok()).ok_or_else(|| unreadable(name, text))
    }

    /// A letter in NSG flow logs, IANA's number in those of networks.
    fn protocol(&mut self) -> Result<u8, String> {
        match self.next("protocol")? {
            b"T" => Ok(6),
            b"U" => Ok(17),
            text => unsigned(text)
                .and_then(|number| u8::try_from(number).ok())
                .ok_or_else(|| unreadable("protocol", text)),
        }
    }

    fn direction(&mut self) -> Result<Direction, String> {
        match self.next("direction")? {
            b"I" => Ok(Direction::Ingress),
            b"O" => Ok(Direction::Egress),
            text => Err(unreadable("direction", text)),
        }
    }

    fn decision(&mut self) -> Result<State, String> {
        match self.next("decision")? {
            b"A" => Ok((Outcome::Accepted, 1)),
            b"D" => Ok((Outcome::Rejected, 1)),
            text => Err(unreadable("decision", text)),
        }
    }

    fn state(&mut self, with_deny: bool) -> Result<State, String> {
        match self.next("state")? {
            b"B" => Ok((Outcome::Accepted, 1)),
            b"C" | b"E" => Ok((Outcome::Accepted, 0)),
            b"D" if with_deny => Ok((Outcome::Rejected, 1)),
            text => Err(unreadable("state", text)),
        }
    }

    fn counts(&mut self) -> Result<Counts, String> {
        Ok(Counts { packets: self.count("packets")?, bytes: self.count("bytes")? })
    }

    /// Empty where the tuple has no counters.
    fn count(&mut self, name: &str) -> Result<u64, String> {
        let text = self.next(name)?;
        if text.is_empty() {
            return Ok(0);
        }
        unsigned(text).ok_or_else(|| unreadable(name, text))
    }
}

fn unreadable(name: &str, text: &[u8]) -> String {
    format!("cannot read the {name} {}", quoted(text))
}
