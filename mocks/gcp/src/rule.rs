//! Rules as the data plane acts on them, whichever resource they come from.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::error::{GcpError, invalid};

/// Which way a rule looks, as seen by the interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// As on the wire.
    ///
    /// # Errors
    /// If it is another word.
    pub fn parse(word: &str) -> Result<Self, GcpError> {
        match word {
            "INGRESS" => Ok(Self::Ingress),
            "EGRESS" => Ok(Self::Egress),
            other => Err(invalid("resource.direction", other, "Must be INGRESS or EGRESS.")),
        }
    }
}

/// What a rule decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// Stops. First, because at the same priority it wins among classic rules.
    Deny,
    /// Lets pass. Inspection by a security profile group counts as this.
    Allow,
    /// Leaves it to the next policy.
    GotoNext,
}

/// A protocol with ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceMatch {
    /// IANA number; none is all.
    pub protocol: Option<u8>,
    /// Ranges, both ends included; none is all.
    pub ports: Vec<(u16, u16)>,
}

/// Where a packet of the source or destination side is as seen by the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Context {
    /// Outside.
    Internet,
    /// Not outside.
    NonInternet,
    /// In the same network.
    IntraVpc,
    /// In one of these networks.
    VpcNetworks(BTreeSet<String>),
}

/// One side of a rule: any of these. Without anything it is every address.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Side {
    /// Blocks.
    pub ranges: Vec<IpNet>,
    /// Address groups, host names, region codes, threat lists.
    pub lists: Vec<String>,
    /// Network tags.
    pub tags: BTreeSet<String>,
    /// Service accounts.
    pub accounts: BTreeSet<String>,
    /// Tag values.
    pub secure_tags: BTreeSet<u64>,
    /// Narrows what the others say.
    pub context: Option<Context>,
}

impl Side {
    /// Whether it says nothing.
    pub fn is_open(&self) -> bool {
        self.ranges.is_empty()
            && self.lists.is_empty()
            && self.tags.is_empty()
            && self.accounts.is_empty()
            && self.secure_tags.is_empty()
    }
}

/// Whom a rule is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Every interface of the network.
    All,
    /// Instances with one of these network tags.
    Tags(BTreeSet<String>),
    /// Instances with one of these service accounts.
    Accounts(BTreeSet<String>),
    /// Interfaces with one of these tag values.
    SecureTags(BTreeSet<u64>),
}

/// A classic rule or a rule of a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Which way.
    pub direction: Direction,
    /// What it decides.
    pub action: Action,
    /// Lower comes first.
    pub priority: u32,
    /// Any of these.
    pub services: Vec<ServiceMatch>,
    /// Who opens.
    pub source: Side,
    /// Who is connected to.
    pub destination: Side,
    /// Whom it is for.
    pub target: Target,
    /// Of a hierarchical policy: the networks that it is for; none is all.
    pub networks: BTreeSet<String>,
    /// Whether it counts for nothing.
    pub is_disabled: bool,
    /// Whether connections that it decides over are logged.
    pub is_logged: bool,
}

/// Blocks of a field. One without a length is a single address.
///
/// # Errors
/// If one is no block, has bits beyond its length, or there are too many.
pub fn ranges(field: &str, texts: &[String], most: usize) -> Result<Vec<IpNet>, GcpError> {
    check_count(field, texts.len(), most)?;
    let parse = |(n, text): (usize, &String)| {
        let at = format!("{field}[{n}]");
        let single = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
        let block: Option<IpNet> = text.parse().ok().or_else(single);
        let Some(block) = block else {
            return Err(invalid(&at, text, "Must be a valid CIDR address range."));
        };
        if block.trunc() != block {
            return Err(invalid(&at, text, "The IP range has host bits set."));
        }
        Ok(block)
    };
    texts.iter().enumerate().map(parse).collect()
}

/// Refuses blocks of both families.
///
/// # Errors
/// If there are some.
pub fn check_one_family<'a>(field: &str, all: impl Iterator<Item = &'a IpNet>) -> Result<(), GcpError> {
    let families: BTreeSet<bool> = all.map(|block| matches!(block, IpNet::V6(_))).collect();
    if families.len() > 1 {
        let why = "IPv4 and IPv6 ranges cannot be used in the same rule.";
        return Err(invalid(field, "", why));
    }
    Ok(())
}

/// Refuses too many entries.
///
/// # Errors
/// If there are.
pub fn check_count(field: &str, count: usize, most: usize) -> Result<(), GcpError> {
    if count > most {
        let why = format!("Value may contain at most {most} entries, but has {count}.");
        return Err(GcpError::new(400, "invalid", format!("Invalid value for field '{field}': ''. {why}")));
    }
    Ok(())
}

/// A protocol's number; none is `all`.
///
/// # Errors
/// If it is neither a known word nor a number.
pub fn protocol(field: &str, word: &str) -> Result<Option<u8>, GcpError> {
    let number = match word.to_lowercase().as_str() {
        "all" => return Ok(None),
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "esp" => 50,
        "ah" => 51,
        "ipip" => 94,
        "sctp" => 132,
        other => {
            let why = "Must be a valid IP protocol name or number.";
            return other.parse().map(Some).map_err(|_| invalid(field, word, why));
        }
    };
    Ok(Some(number))
}

/// Ranges of ports, only for protocols that have some.
///
/// # Errors
/// If one is no range, or the protocol has none.
pub fn ports(field: &str, of: Option<u8>, texts: &[String]) -> Result<Vec<(u16, u16)>, GcpError> {
    if !texts.is_empty() && !matches!(of, Some(6 | 17 | 132)) {
        return Err(invalid(field, &texts.join(","), "Ports may only be specified for tcp, udp or sctp."));
    }
    let parse = |(n, text): (usize, &String)| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let range = from.parse().ok().zip(to.parse().ok()).filter(|(from, to): &(u16, u16)| from <= to);
        range.ok_or_else(|| invalid(&format!("{field}[{n}]"), text, "Must be a port or a range of ports."))
    };
    texts.iter().enumerate().map(parse).collect()
}
