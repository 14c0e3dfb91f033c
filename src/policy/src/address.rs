//! Sets of IP addresses of both families, with exact conversion from and to CIDR blocks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};

use crate::range::RangeSet;

/// A set of IPv4 and IPv6 addresses. The families never mix: an IPv4-mapped IPv6 address is IPv6.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AddressSet {
    v4: RangeSet<u32>,
    v6: RangeSet<u128>,
}

/// Why a text is not an address, a block or a range.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// Neither an address, nor a CIDR block, nor a range.
    #[error("`{0}` is not an IP address, a CIDR block or a range `first-last`")]
    Unreadable(String),
    /// The block has bits set behind its prefix.
    #[error("`{text}` has host bits set; the block is `{block}`")]
    HostBits {
        /// What was written.
        text: String,
        /// The block that holds it.
        block: IpNet,
    },
    /// The range mixes families or runs backwards.
    #[error("`{0}` is not a range: both ends must be of one family, the first not above the last")]
    BadRange(String),
}

impl AddressSet {
    /// No address.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every address of both families.
    pub fn any() -> Self {
        Self { v4: RangeSet::range(0, u32::MAX), v6: RangeSet::range(0, u128::MAX) }
    }

    /// From ranges of both families.
    pub fn from_parts(v4: RangeSet<u32>, v6: RangeSet<u128>) -> Self {
        Self { v4, v6 }
    }

    /// The IPv4 part, addresses as big-endian numbers.
    pub fn v4(&self) -> &RangeSet<u32> {
        &self.v4
    }

    /// The IPv6 part, addresses as big-endian numbers.
    pub fn v6(&self) -> &RangeSet<u128> {
        &self.v6
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether `address` is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(address.to_bits()),
            IpAddr::V6(address) => self.v6.contains(address.to_bits()),
        }
    }

    /// Some member, the smallest, IPv4 first: a witness.
    pub fn first(&self) -> Option<IpAddr> {
        let v4 = self.v4.first().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        v4.or_else(|| self.v6.first().map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))))
    }

    /// Addresses of either.
    pub fn union(&self, other: &Self) -> Self {
        Self { v4: self.v4.union(&other.v4), v6: self.v6.union(&other.v6) }
    }

    /// Addresses of both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self { v4: self.v4.intersection(&other.v4), v6: self.v6.intersection(&other.v6) }
    }

    /// Addresses of `self` that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        Self { v4: self.v4.difference(&other.v4), v6: self.v6.difference(&other.v6) }
    }

    /// Whether every address of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.v4.is_subset(&other.v4) && self.v6.is_subset(&other.v6)
    }

    /// Whether the two share an address.
    pub fn intersects(&self, other: &Self) -> bool {
        self.v4.intersects(&other.v4) || self.v6.intersects(&other.v6)
    }

    /// The smallest list of CIDR blocks that holds exactly this set; sorted, IPv4 first.
    pub fn to_cidrs(&self) -> Vec<IpNet> {
        let v4 = self.v4.ranges().iter().flat_map(|&(first, last)| {
            Ipv4Subnets::new(Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last), 0).map(IpNet::V4)
        });
        let v6 = self.v6.ranges().iter().flat_map(|&(first, last)| {
            Ipv6Subnets::new(Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last), 0).map(IpNet::V6)
        });
        v4.chain(v6).collect()
    }
}

impl From<IpNet> for AddressSet {
    fn from(block: IpNet) -> Self {
        match block {
            IpNet::V4(block) => Self::from(block),
            IpNet::V6(block) => Self::from(block),
        }
    }
}

impl From<Ipv4Net> for AddressSet {
    fn from(block: Ipv4Net) -> Self {
        let v4 = RangeSet::range(block.network().to_bits(), block.broadcast().to_bits());
        Self { v4, v6: RangeSet::default() }
    }
}

impl From<Ipv6Net> for AddressSet {
    fn from(block: Ipv6Net) -> Self {
        let v6 = RangeSet::range(block.network().to_bits(), block.broadcast().to_bits());
        Self { v4: RangeSet::default(), v6 }
    }
}

impl From<IpAddr> for AddressSet {
    fn from(address: IpAddr) -> Self {
        Self::from(IpNet::from(address))
    }
}

impl FromIterator<IpNet> for AddressSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(blocks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for block in blocks {
            match block {
                IpNet::V4(block) => v4.push((block.network().to_bits(), block.broadcast().to_bits())),
                IpNet::V6(block) => v6.push((block.network().to_bits(), block.broadcast().to_bits())),
            }
        }
        Self { v4: v4.into_iter().collect(), v6: v6.into_iter().collect() }
    }
}

impl FromIterator<IpAddr> for AddressSet {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        addresses.into_iter().map(IpNet::from).collect()
    }
}

impl FromStr for AddressSet {
    type Err = AddressError;

    /// Reads one address, one CIDR block without host bits, or one range `first-last`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let unreadable = || AddressError::Unreadable(text.to_owned());
        if let Some((first, last)) = text.split_once('-') {
            let first: IpAddr = first.trim().parse().map_err(|_| unreadable())?;
            let last: IpAddr = last.trim().parse().map_err(|_| unreadable())?;
            return Self::between(first, last).ok_or_else(|| AddressError::BadRange(text.to_owned()));
        }
        if !text.contains('/') {
            return text.parse::<IpAddr>().map(Self::from).map_err(|_| unreadable());
        }
        let block: IpNet = text.parse().map_err(|_| unreadable())?;
        if block.addr() != block.network() {
            return Err(AddressError::HostBits { text: text.to_owned(), block: block.trunc() });
        }
        Ok(Self::from(block))
    }
}

impl AddressSet {
    fn between(first: IpAddr, last: IpAddr) -> Option<Self> {
        match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) if a <= b => {
                Some(Self::from_parts(RangeSet::range(a.to_bits(), b.to_bits()), RangeSet::default()))
            }
            (IpAddr::V6(a), IpAddr::V6(b)) if a <= b => {
                Some(Self::from_parts(RangeSet::default(), RangeSet::range(a.to_bits(), b.to_bits())))
            }
            _ => None,
        }
    }
}

impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> = self.to_cidrs().iter().map(ToString::to_string).collect();
        f.pad(&if blocks.is_empty() { "nowhere".to_owned() } else { blocks.join(", ") })
    }
}

impl fmt::Debug for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn check(texts: &[&str], expected: &str) {
        let set = texts.iter().fold(AddressSet::empty(), |set, text| set.union(&text.parse().unwrap()));
        assert_eq!(set.to_string(), expected);
    }

    #[test]
    fn blocks_merge_exactly() {
        check(&["10.0.0.0/25", "10.0.0.128/25"], "10.0.0.0/24");
        check(&["10.0.0.1", "10.0.0.2"], "10.0.0.1/32, 10.0.0.2/32");
        check(&["10.0.0.0-10.0.0.5"], "10.0.0.0/30, 10.0.0.4/31");
        check(&["::/0", "0.0.0.0/0"], "0.0.0.0/0, ::/0");
        check(&["2001:db8::-2001:db8::3"], "2001:db8::/126");
        check(&[], "nowhere");
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        let error = |text: &str| text.parse::<AddressSet>().unwrap_err().to_string();
        assert_eq!(error("10.0.0.1/24"), "`10.0.0.1/24` has host bits set; the block is `10.0.0.0/24`");
        assert!(error("10.0.0.9-10.0.0.1").contains("not a range"));
        assert!(error("10.0.0.9-::1").contains("not a range"));
        assert!(error("office").contains("not an IP address"));
    }
}
