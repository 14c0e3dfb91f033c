//! Who opened the connection that a record belongs to.
//!
//! In this order: the log says so; TCP flags; the policy names a service in one direction alone; ports. What comes from
//! the last two is a guess, and counted as one.

use policy::service::{has_ports, protocol};

use crate::record::{FlowRecord, Opener};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// Clients of common systems take ports from here on (Linux 32768, others 49152).
const EPHEMERAL_FIRST: u16 = 32768;

/// Which way a record's packets go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// From who opened the connection.
    Forward,
    /// To who opened it.
    Reply,
}

/// What the log itself tells: nothing, if who opened it must be guessed.
pub(super) fn told(record: &FlowRecord) -> Option<Way> {
    match record.opener {
        Opener::Source => Some(Way::Forward),
        Opener::Destination => Some(Way::Reply),
        Opener::Unknown if record.protocol == protocol::TCP => by_flags(record.tcp_flags),
        Opener::Unknown => None,
    }
}

/// Flags are OR-ed over the interval and ACK is noted only with SYN: 2, 3, 6 are the opener's, 18, 19, 22 a reply's.
fn by_flags(flags: u8) -> Option<Way> {
    match (flags & SYN != 0, flags & ACK != 0) {
        (false, _) => None,
        (true, false) => Some(Way::Forward),
        (true, true) => Some(Way::Reply),
    }
}

/// What ports tell: the service is on the port that is no client's, or else on the smaller one. Of a protocol without
/// ports every packet is taken for an opener's.
pub(super) fn by_ports(record: &FlowRecord) -> Way {
    let (source, destination) = (record.source_port, record.destination_port);
    if !has_ports(record.protocol) || (source == 0 && destination == 0) {
        return Way::Forward;
    }
    match (source >= EPHEMERAL_FIRST, destination >= EPHEMERAL_FIRST) {
        (true, false) => Way::Forward,
        (false, true) => Way::Reply,
        _ if source < destination => Way::Reply,
        _ => Way::Forward,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_they_are_summed_over_an_interval() {
        for flags in [2, 3, 6, 7] {
            assert_eq!(by_flags(flags), Some(Way::Forward), "{flags}");
        }
        for flags in [18, 19, 22, 23] {
            assert_eq!(by_flags(flags), Some(Way::Reply), "{flags}");
        }
        for flags in [0, 1, 4, 5, 16] {
            assert_eq!(by_flags(flags), None, "{flags}");
        }
    }
}
