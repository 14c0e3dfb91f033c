//! Services as sets: protocols 0–255, ports, ICMP types and codes.
//!
//! A point of the service space is `protocol << 16 | detail`. The detail is the destination port for
//! protocols with ports, `type << 8 | code` for ICMP and ICMPv6, and the whole range 0–65535 for every
//! other protocol: the sets below always hold all of it or nothing.

use std::fmt;
use std::str::FromStr;

use crate::range::RangeSet;

/// IANA protocol numbers that Bulkhead treats by name.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// Whether packets of the protocol carry ports that filters can match.
pub fn has_ports(protocol: u8) -> bool {
    matches!(protocol, protocol::TCP | protocol::UDP)
}

/// Whether packets of the protocol carry an ICMP type and code.
pub fn has_icmp_type(protocol: u8) -> bool {
    matches!(protocol, protocol::ICMP | protocol::ICMPV6)
}

/// The service of one packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServicePoint {
    /// IANA protocol number.
    pub protocol: u8,
    /// Destination port; ICMP `type << 8 | code`; 0 for every other protocol.
    pub detail: u16,
}

impl ServicePoint {
    /// A packet of a protocol with ports.
    pub fn port(protocol: u8, port: u16) -> Self {
        Self { protocol, detail: port }
    }

    /// An ICMP or ICMPv6 packet.
    pub fn icmp(protocol: u8, kind: u8, code: u8) -> Self {
        Self { protocol, detail: u16::from(kind) << 8 | u16::from(code) }
    }

    fn bits(self) -> u32 {
        u32::from(self.protocol) << 16 | u32::from(self.detail)
    }

    fn from_bits(bits: u32) -> Self {
        Self { protocol: (bits >> 16) as u8, detail: bits as u16 }
    }
}

impl fmt::Display for ServicePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_range(f, self.bits(), self.bits())
    }
}

/// A set of services. Written `tcp/443`, `udp/1000-2000`, `tcp`, `icmp/3/4`, `icmpv6/2`, `proto/50`, `all`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceSet {
    points: RangeSet<u32>,
}

const LAST_POINT: u32 = 0x00ff_ffff;

impl ServiceSet {
    /// No service.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every protocol and port.
    pub fn all() -> Self {
        Self { points: RangeSet::range(0, LAST_POINT) }
    }

    /// Details `first` to `last` of one protocol (ports, or ICMP `type << 8 | code`). For a protocol
    /// with neither, the bounds are ignored and the whole protocol is meant.
    pub fn range(protocol: u8, first: u16, last: u16) -> Self {
        let whole = !has_ports(protocol) && !has_icmp_type(protocol);
        let (first, last) = if whole { (0, u16::MAX) } else { (first, last) };
        let base = u32::from(protocol) << 16;
        Self { points: RangeSet::range(base | u32::from(first), base | u32::from(last)) }
    }

    /// Every packet of one protocol.
    pub fn protocol(protocol: u8) -> Self {
        Self::range(protocol, 0, u16::MAX)
    }

    /// The set with exactly the packets that look like `point` to a filter.
    pub fn point(point: ServicePoint) -> Self {
        Self::range(point.protocol, point.detail, point.detail)
    }

    /// The raw points, `protocol << 16 | detail`.
    pub fn points(&self) -> &RangeSet<u32> {
        &self.points
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Whether a packet of this service is in the set.
    pub fn contains(&self, point: ServicePoint) -> bool {
        self.points.contains(point.bits())
    }

    /// Some member, the smallest: a witness.
    pub fn first(&self) -> Option<ServicePoint> {
        self.points.first().map(ServicePoint::from_bits)
    }

    /// Services of either.
    pub fn union(&self, other: &Self) -> Self {
        Self { points: self.points.union(&other.points) }
    }

    /// Services of both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self { points: self.points.intersection(&other.points) }
    }

    /// Services of `self` that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        Self { points: self.points.difference(&other.points) }
    }

    /// Whether every service of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.points.is_subset(&other.points)
    }

    /// Whether the two share a service.
    pub fn intersects(&self, other: &Self) -> bool {
        self.points.intersects(&other.points)
    }

    /// The set cut at protocol bounds: `(protocol, first detail, last detail)`, sorted.
    pub fn by_protocol(&self) -> impl Iterator<Item = (u8, u16, u16)> + '_ {
        self.points.ranges().iter().flat_map(|&(first, last)| {
            (first >> 16..=last >> 16).map(move |protocol| {
                let low = if first >> 16 == protocol { first as u16 } else { 0 };
                let high = if last >> 16 == protocol { last as u16 } else { u16::MAX };
                (protocol as u8, low, high)
            })
        })
    }
}

impl FromIterator<ServiceSet> for ServiceSet {
    fn from_iter<I: IntoIterator<Item = ServiceSet>>(sets: I) -> Self {
        let ranges = sets.into_iter().flat_map(|set| set.points.ranges().to_vec());
        Self { points: ranges.collect() }
    }
}

/// Why a text is not a service.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{text}` is not a service: {reason}")]
pub struct ServiceError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for ServiceSet {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        parse(text.trim()).map_err(|reason| ServiceError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<ServiceSet, &'static str> {
    const SHAPES: &str = "write `tcp/443`, `udp/1000-2000`, `tcp`, `icmp/8`, `icmp/3/4`, `proto/50` or `all`";
    let mut parts = text.split('/');
    let head = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    match (head, rest.as_slice()) {
        ("all", []) => Ok(ServiceSet::all()),
        ("proto", [number]) => {
            number.parse().map(ServiceSet::protocol).map_err(|_| "a protocol is a number from 0 to 255")
        }
        ("tcp" | "udp", _) => {
            let protocol = if head == "tcp" { protocol::TCP } else { protocol::UDP };
            parse_ports(protocol, &rest).unwrap_or(Err(SHAPES))
        }
        ("icmp" | "icmpv6", _) => {
            let protocol = if head == "icmp" { protocol::ICMP } else { protocol::ICMPV6 };
            parse_icmp(protocol, &rest).unwrap_or(Err(SHAPES))
        }
        _ => Err(SHAPES),
    }
}

fn parse_ports(protocol: u8, rest: &[&str]) -> Option<Result<ServiceSet, &'static str>> {
    const PORT: &str = "a port is a number from 0 to 65535";
    let [ports] = rest else {
        return rest.is_empty().then(|| Ok(ServiceSet::protocol(protocol)));
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse()) else {
        return Some(Err(PORT));
    };
    Some(if first <= last {
        Ok(ServiceSet::range(protocol, first, last))
    } else {
        Err("the range runs backwards")
    })
}

fn parse_icmp(protocol: u8, rest: &[&str]) -> Option<Result<ServiceSet, &'static str>> {
    const KIND: &str = "an ICMP type and a code are numbers from 0 to 255";
    let number = |text: &str| text.parse::<u8>();
    let all_codes = |kind: u8| ServiceSet::range(protocol, u16::from(kind) << 8, u16::from(kind) << 8 | 0xff);
    match rest {
        [] => Some(Ok(ServiceSet::protocol(protocol))),
        [kind] => Some(number(kind).map(all_codes).map_err(|_| KIND)),
        [kind, code] => Some(match (number(kind), number(code)) {
            (Ok(kind), Ok(code)) => Ok(ServiceSet::point(ServicePoint::icmp(protocol, kind, code))),
            _ => Err(KIND),
        }),
        _ => None,
    }
}

/// Writes the points `first..=last`, which lie within one protocol or cover whole protocols.
fn write_range(f: &mut impl fmt::Write, first: u32, last: u32) -> fmt::Result {
    let number = (first >> 16) as u8;
    let (low, high) = (first as u16, last as u16);
    let name = match number {
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::ICMP => "icmp",
        protocol::ICMPV6 => "icmpv6",
        _ => return write!(f, "proto/{number}"),
    };
    if (low, high) == (0, u16::MAX) {
        return f.write_str(name);
    }
    if has_ports(number) {
        return if low == high { write!(f, "{name}/{low}") } else { write!(f, "{name}/{low}-{high}") };
    }
    let (kind, last_kind) = (low >> 8, high >> 8);
    match (low & 0xff, high & 0xff) {
        (0, 0xff) if kind == last_kind => write!(f, "{name}/{kind}"),
        _ if low == high => write!(f, "{name}/{kind}/{}", low & 0xff),
        (code, last_code) => write!(f, "{name}/{kind}/{code}-{last_kind}/{last_code}"),
    }
}

impl ServiceSet {
    /// For people: as written, or `all but …` where that is shorter.
    pub fn words(&self) -> String {
        let others = Self::all().difference(self);
        let runs = |set: &Self| set.by_protocol().count();
        if others.is_empty() || self.is_empty() || runs(&others) >= runs(self) {
            return self.to_string();
        }
        format!("all but {others}")
    }
}

impl fmt::Display for ServiceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.pad("all");
        }
        let mut text = String::new();
        for (protocol, low, high) in self.by_protocol() {
            if !text.is_empty() {
                text.push_str(", ");
            }
            let base = u32::from(protocol) << 16;
            write_range(&mut text, base | u32::from(low), base | u32::from(high))?;
        }
        f.pad(if text.is_empty() { "no service" } else { &text })
    }
}

impl fmt::Debug for ServiceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn nearly_everything_is_said_by_what_is_missing() {
        let set = |text: &str| text.parse::<ServiceSet>().unwrap();
        let all_but = |text: &str| ServiceSet::all().difference(&set(text)).words();
        assert_eq!(all_but("icmp/3/4"), "all but icmp/3/4");
        assert_eq!(all_but("tcp/22"), "all but tcp/22");
        assert_eq!(set("tcp/22").words(), "tcp/22");
        assert_eq!(
            (ServiceSet::all().words(), ServiceSet::empty().words()),
            ("all".into(), "no service".into())
        );
    }

    fn check(texts: &[&str], expected: &str) {
        let set: ServiceSet = texts.iter().map(|text| text.parse::<ServiceSet>().unwrap()).collect();
        assert_eq!(set.to_string(), expected);
    }

    #[test]
    fn services_print_as_they_are_written() {
        for text in ["tcp/443", "udp/1000-2000", "tcp", "icmp/3/4", "icmp/8", "icmpv6", "proto/50", "all"] {
            check(&[text], text);
        }
        check(&["tcp/81", "tcp/80"], "tcp/80-81");
        check(&["udp/53", "tcp/53"], "tcp/53, udp/53");
        check(&["tcp/1-65535", "tcp/0"], "tcp");
        check(&[], "no service");
    }

    #[test]
    fn neighbouring_protocols_stay_apart_in_print() {
        check(&["proto/50", "proto/51"], "proto/50, proto/51");
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        for text in
            ["tcp/", "tcp/70000", "tcp/9-3", "icmp/256", "icmp/1/2/3", "http", "proto/256", "tcp/1/2", ""]
        {
            assert!(text.parse::<ServiceSet>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_protocol_without_ports_is_one_point_to_people_and_whole_to_sets() {
        let esp = ServiceSet::protocol(50);
        assert!(esp.contains(ServicePoint { protocol: 50, detail: 0 }));
        assert_eq!(ServiceSet::point(ServicePoint { protocol: 50, detail: 0 }), esp);
    }
}
