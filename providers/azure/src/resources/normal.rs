//! The normal form of security rules: what a rule means, whichever fields it says it with.
//!
//! The cloud shows `destinationPortRange` and `destinationPortRanges` side by side, words in any letter case, blocks
//! with host bits, lists in any order: rules are compared in this form, never as they came.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::resources::rule::{Rule, RuleProperties};
use crate::resources::{ArmId, Reference};

/// Which way a rule looks, as seen by the interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// What a rule decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Access {
    /// Lets pass, as far as this list of rules goes.
    Allow,
    /// Stops.
    Deny,
    /// Lets pass and asks no security group; only in security admin rules.
    AlwaysAllow,
}

/// One end of a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// `*`: every address of both families.
    Any,
    /// Any of these blocks, and whatever these tags mean.
    Of {
        /// Without host bits.
        blocks: BTreeSet<IpNet>,
        /// Service tags in lower case, such as `storage.westeurope`.
        tags: BTreeSet<String>,
    },
    /// Members of any of these application security groups.
    Groups(BTreeSet<ArmId>),
}

/// What a rule means.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NormalRule {
    /// Which way.
    pub direction: Direction,
    /// Lower comes first.
    pub priority: u32,
    /// What it decides.
    pub access: Access,
    /// IANA number; none is every protocol.
    pub protocol: Option<u8>,
    /// Who opens the connection.
    pub source: Side,
    /// Inclusive ranges, sorted and merged.
    pub source_ports: Vec<(u16, u16)>,
    /// Who is connected to.
    pub destination: Side,
    /// Inclusive ranges, sorted and merged.
    pub destination_ports: Vec<(u16, u16)>,
}

/// A rule that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field} of rule `{rule}` is `{value}`, which has no meaning")]
pub struct Unreadable {
    /// The id or name of the rule.
    pub rule: String,
    /// The field.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
}

impl NormalRule {
    /// What a rule of a security group means.
    ///
    /// # Errors
    /// When a field holds something that no rule can hold.
    pub fn of<R>(rule: &Rule<R>) -> Result<Self, Unreadable> {
        let name = if rule.id.is_empty() { rule.name.as_str() } else { rule.id.as_str() };
        let said = &rule.properties;
        let access = access(name, &said.access)?;
        if access == Access::AlwaysAllow {
            return Err(unreadable(name, "access", &said.access));
        }
        Ok(Self {
            direction: direction(name, &said.direction)?,
            priority: said.priority,
            access,
            protocol: protocol(name, &said.protocol)?,
            source: source(name, said)?,
            source_ports: ports(name, &said.source_port_range, &said.source_port_ranges)?,
            destination: destination(name, said)?,
            destination_ports: ports(name, &said.destination_port_range, &said.destination_port_ranges)?,
        })
    }
}

/// Reads a direction.
pub(crate) fn direction(rule: &str, word: &str) -> Result<Direction, Unreadable> {
    match word {
        _ if word.eq_ignore_ascii_case("inbound") => Ok(Direction::Inbound),
        _ if word.eq_ignore_ascii_case("outbound") => Ok(Direction::Outbound),
        _ => Err(unreadable(rule, "direction", word)),
    }
}

/// Reads what a rule decides.
pub(crate) fn access(rule: &str, word: &str) -> Result<Access, Unreadable> {
    match word {
        _ if word.eq_ignore_ascii_case("allow") => Ok(Access::Allow),
        _ if word.eq_ignore_ascii_case("deny") => Ok(Access::Deny),
        _ if word.eq_ignore_ascii_case("alwaysallow") => Ok(Access::AlwaysAllow),
        _ => Err(unreadable(rule, "access", word)),
    }
}

/// Reads a protocol: a word or a number.
pub(crate) fn protocol(rule: &str, word: &str) -> Result<Option<u8>, Unreadable> {
    const WORDS: [(&str, Option<u8>); 8] = [
        ("Tcp", Some(6)),
        ("Udp", Some(17)),
        ("*", None),
        ("Icmp", Some(1)),
        ("Esp", Some(50)),
        ("Ah", Some(51)),
        ("any", None),
        ("all", None),
    ];
    match WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)) {
        Some((_, number)) => Ok(*number),
        None => word.parse().map(Some).map_err(|_| unreadable(rule, "protocol", word)),
    }
}

fn source<R>(rule: &str, said: &RuleProperties<R>) -> Result<Side, Unreadable> {
    let groups = said.source_application_security_groups.as_deref().unwrap_or_default();
    let many = said.source_address_prefixes.as_deref().unwrap_or_default();
    side(rule, said.source_address_prefix.as_deref(), many, groups)
}

fn destination<R>(rule: &str, said: &RuleProperties<R>) -> Result<Side, Unreadable> {
    let groups = said.destination_application_security_groups.as_deref().unwrap_or_default();
    let many = said.destination_address_prefixes.as_deref().unwrap_or_default();
    side(rule, said.destination_address_prefix.as_deref(), many, groups)
}

fn side<R>(
    rule: &str,
    one: Option<&str>,
    many: &[String],
    groups: &[Reference<R>],
) -> Result<Side, Unreadable> {
    let words: Vec<&str> =
        one.into_iter().chain(many.iter().map(String::as_str)).filter(|word| !word.is_empty()).collect();
    match (words.is_empty(), groups.is_empty()) {
        (true, false) => Ok(Side::Groups(groups.iter().map(|group| group.id.clone()).collect())),
        (false, true) => Ok(addresses(&words)),
        (true, true) => Err(unreadable(rule, "addresses", "")),
        // The cloud refuses such a rule: its meaning is not published.
        (false, false) => Err(unreadable(rule, "addresses", &words.join(","))),
    }
}

/// Blocks and tags; what is no block is a tag. `*` swallows everything.
pub(crate) fn addresses(words: &[&str]) -> Side {
    let (mut blocks, mut tags) = (BTreeSet::new(), BTreeSet::new());
    for word in words {
        if matches!(*word, "*") || word.eq_ignore_ascii_case("any") {
            return Side::Any;
        }
        match block(word) {
            Some(block) => blocks.insert(block),
            None => tags.insert(word.to_lowercase()),
        };
    }
    Side::Of { blocks, tags }
}

/// A block or a single address, without host bits.
pub(crate) fn block(word: &str) -> Option<IpNet> {
    let block = word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
    block.map(|block| block.trunc())
}

/// Ranges of ports from both fields, sorted and merged; no field at all means nothing.
pub(crate) fn ports(
    rule: &str,
    one: &Option<String>,
    many: &Option<Vec<String>>,
) -> Result<Vec<(u16, u16)>, Unreadable> {
    let words = one.iter().chain(many.iter().flatten()).filter(|word| !word.is_empty());
    let mut ranges: Vec<(u16, u16)> = words
        .map(|word| port_range(word).ok_or_else(|| unreadable(rule, "ports", word)))
        .collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        return Err(unreadable(rule, "ports", ""));
    }
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            Some(last) if u32::from(from) <= u32::from(last.1) + 1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    Ok(merged)
}

fn port_range(word: &str) -> Option<(u16, u16)> {
    if word == "*" {
        return Some((0, u16::MAX));
    }
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    let range: (u16, u16) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

fn unreadable(rule: &str, field: &'static str, value: &str) -> Unreadable {
    Unreadable { rule: rule.to_owned(), field, value: value.to_owned() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn normal(change: Value) -> Result<NormalRule, Unreadable> {
        let mut properties = json!({
            "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 100,
            "sourceAddressPrefix": "*", "sourcePortRange": "*",
            "destinationAddressPrefix": "10.0.0.0/8", "destinationPortRange": "443",
            "sourcePortRanges": [], "destinationPortRanges": [], "sourceAddressPrefixes": [],
        });
        for (field, value) in change.as_object().unwrap() {
            properties[field] = value.clone();
        }
        let rule: Rule = serde_json::from_value(json!({ "name": "r", "properties": properties })).unwrap();
        NormalRule::of(&rule)
    }

    #[test]
    fn singular_and_plural_fields_mean_the_same() {
        let plain = normal(json!({})).unwrap();
        for same in [
            json!({ "destinationPortRange": "", "destinationPortRanges": ["443"] }),
            json!({ "destinationPortRange": null, "destinationPortRanges": ["443-443"] }),
            json!({ "destinationAddressPrefix": null, "destinationAddressPrefixes": ["10.0.0.0/8"] }),
            json!({ "destinationAddressPrefix": "10.1.2.3/8" }),
            json!({ "protocol": "TCP", "access": "allow", "direction": "INBOUND" }),
            json!({ "protocol": "6", "sourceAddressPrefix": "Any" }),
            json!({ "sourcePortRange": null, "sourcePortRanges": ["1024-65535", "0-1023"] }),
        ] {
            assert_eq!(normal(same.clone()).unwrap(), plain, "{same}");
        }
        for other in [
            json!({ "destinationPortRange": "443-444" }),
            json!({ "sourceAddressPrefix": "0.0.0.0/0" }),
            json!({ "sourceAddressPrefix": "Internet" }),
            json!({ "protocol": "*" }),
            json!({ "priority": 101 }),
        ] {
            assert_ne!(normal(other.clone()).unwrap(), plain, "{other}");
        }
    }

    #[test]
    fn groups_are_compared_without_case_and_order() {
        let groups = |ids: &[&str]| {
            let list: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            normal(json!({ "sourceAddressPrefix": null, "sourceApplicationSecurityGroups": list })).unwrap()
        };
        assert_eq!(groups(&["/a/B", "/a/c"]), groups(&["/A/C", "/a/b"]));
        assert_ne!(groups(&["/a/B"]), groups(&["/a/c"]));
    }

    #[test]
    fn what_has_no_meaning_is_said() {
        for (change, field) in [
            (json!({ "direction": "Sideways" }), "direction"),
            (json!({ "access": "AlwaysAllow" }), "access"),
            (json!({ "protocol": "Carrier" }), "protocol"),
            (json!({ "destinationPortRange": "70000" }), "ports"),
            (json!({ "destinationPortRange": "9-8" }), "ports"),
            (json!({ "destinationPortRange": null }), "ports"),
            (json!({ "sourceAddressPrefix": null }), "addresses"),
            (json!({ "sourceApplicationSecurityGroups": [{ "id": "/a" }] }), "addresses"),
        ] {
            assert_eq!(normal(change.clone()).unwrap_err().field, field, "{change}");
        }
    }
}
