//! The packets that the data planes are asked about, in the words of every cloud.

use std::net::IpAddr;

/// One end of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// An interface with one of its addresses.
    Interface(String, IpAddr),
    /// Something outside.
    External(IpAddr),
}

/// A packet that opens a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Who opens it.
    pub source: End,
    /// Who is connected to.
    pub destination: End,
    /// IANA number.
    pub protocol: u8,
    /// Destination port, or ICMP `type << 8 | code`.
    pub detail: u16,
}

impl End {
    /// The address at this end.
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Interface(_, address) | Self::External(address) => *address,
        }
    }
}
