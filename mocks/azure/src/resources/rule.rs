//! Security rules: how one is read, and what the cloud refuses in one and in a whole security group.
//!
//! Codes and messages come from recorded answers where somebody published one: `SecurityRuleConflict`,
//! `SecurityRuleCountLimitReached`, `SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached`,
//! `AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet`, `SecurityRuleInvalidAddressPrefix`,
//! `SecurityRuleParameterContainsUnsupportedValue`, `SecurityRuleParametersMissing`,
//! `ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies`,
//! `NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached`. The other codes are from memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::error::{ArmError, refuse};
use crate::path::{Kind, name_of};
use crate::resources::Limits;
use crate::state::{Access, Direction, Object, Rule, Side, State, reference, text, texts};

/// Tags of services; each may carry a region behind a dot (`Storage.WestEurope`).
const SERVICE_TAGS: [&str; 30] = [
    "VirtualNetwork",
    "Internet",
    "AzureLoadBalancer",
    "ActionGroup",
    "ApiManagement",
    "AppService",
    "AzureActiveDirectory",
    "AzureArcInfrastructure",
    "AzureBackup",
    "AzureCloud",
    "AzureContainerRegistry",
    "AzureCosmosDB",
    "AzureDevOps",
    "AzureFrontDoor",
    "AzureKeyVault",
    "AzureMonitor",
    "AzurePlatformDNS",
    "AzurePlatformIMDS",
    "AzurePlatformLKM",
    "AzureResourceManager",
    "AzureSiteRecovery",
    "AzureTrafficManager",
    "BatchNodeManagement",
    "EventHub",
    "GatewayManager",
    "GuestAndHybridManagement",
    "HDInsight",
    "ServiceBus",
    "Sql",
    "Storage",
];

/// The tag in the cloud's spelling of its first part, if the text is one.
pub fn service_tag(word: &str) -> Option<String> {
    let (service, region) = word.split_once('.').map_or((word, None), |(s, r)| (s, Some(r)));
    let known = SERVICE_TAGS.iter().find(|tag| tag.eq_ignore_ascii_case(service))?;
    Some(region.map_or_else(|| (*known).to_owned(), |region| format!("{known}.{region}")))
}

/// A block or a single address.
pub fn block(word: &str) -> Option<IpNet> {
    word.parse::<IpNet>()
        .ok()
        .or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
        .map(|block| block.trunc())
}

/// Reads the body of a rule.
///
/// # Errors
/// As the real cloud, for what a rule alone can do wrong.
pub fn parse(id: &str, body: &Object, limits: &Limits) -> Result<Rule, ArmError> {
    let word = |field: &str| text(body, "properties", field);
    let direction = match word("direction") {
        Some(word) if word.eq_ignore_ascii_case("Inbound") => Direction::Inbound,
        Some(word) if word.eq_ignore_ascii_case("Outbound") => Direction::Outbound,
        other => return Err(invalid(id, "Direction", other)),
    };
    let access = match word("access") {
        Some(word) if word.eq_ignore_ascii_case("Allow") => Access::Allow,
        Some(word) if word.eq_ignore_ascii_case("Deny") => Access::Deny,
        other => return Err(invalid(id, "Access", other)),
    };
    let priority =
        body.get("properties").and_then(|p| p.get("priority")).and_then(Value::as_u64).unwrap_or(0);
    if !(100..=4096).contains(&priority) {
        let message = format!(
            "Security rule {id} has invalid Priority. Value provided: {priority}. It must be between 100 and 4096."
        );
        return Err(refuse("SecurityRuleInvalidPriority", message));
    }
    if word("description").is_some_and(|text| text.chars().count() > 140) {
        return Err(invalid(id, "Description", word("description")));
    }
    let rule = Rule {
        direction,
        access,
        priority: u32::try_from(priority).unwrap_or(u32::MAX),
        protocol: protocol(id, word("protocol"))?,
        source: side(id, body, "source", limits)?,
        destination: side(id, body, "destination", limits)?,
        source_ports: ports(id, body, "source")?,
        destination_ports: ports(id, body, "destination")?,
    };
    one_family(id, &rule)?;
    Ok(rule)
}

fn invalid(id: &str, field: &str, value: Option<&str>) -> ArmError {
    let value = value.unwrap_or_default();
    refuse(
        &format!("SecurityRuleInvalid{field}"),
        format!("Security rule {id} has invalid {field}. Value provided: {value}"),
    )
}

/// The IANA number of a protocol word; none is `*`.
pub fn protocol(id: &str, word: Option<&str>) -> Result<Option<u8>, ArmError> {
    const WORDS: [(&str, Option<u8>); 7] = [
        ("*", None),
        ("Any", None),
        ("Tcp", Some(6)),
        ("Udp", Some(17)),
        ("Icmp", Some(1)),
        ("Esp", Some(50)),
        ("Ah", Some(51)),
    ];
    let found = word.and_then(|word| WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)));
    found.map(|(_, number)| *number).ok_or_else(|| invalid(id, "Protocol", word))
}

/// The addresses of one side: one prefix, several, or application security groups; never two of these.
fn side(id: &str, body: &Object, end: &str, limits: &Limits) -> Result<Side, ArmError> {
    let title = if end == "source" { "Source" } else { "Destination" };
    let one = text(body, "properties", &format!("{end}AddressPrefix")).filter(|word| !word.is_empty());
    let many = texts(body, &format!("{end}AddressPrefixes"));
    let groups = body.get("properties").and_then(|p| p.get(format!("{end}ApplicationSecurityGroups")));
    let groups: Vec<&Value> = groups.and_then(Value::as_array).into_iter().flatten().collect();
    match (one, many.is_empty(), groups.is_empty()) {
        (None, true, true) => Err(refuse(
            "SecurityRuleParametersMissing",
            format!(
                "Required security rule parameters are missing for security rule with Id: {id}. Security rule must specify {title}AddressPrefixes, {title}AddressPrefix, or {title}ApplicationSecurityGroups."
            ),
        )),
        (Some(word), true, true) => {
            if word == "*" || word.eq_ignore_ascii_case("Any") {
                return Ok(Side::Any);
            }
            if let Some(tag) = service_tag(word) {
                return Ok(Side::Of(Vec::new(), vec![tag]));
            }
            Ok(Side::Of(vec![block(word).ok_or_else(|| bad_prefix(id, word))?], Vec::new()))
        }
        (None, false, true) => several(id, title, &many),
        (None, true, false) => {
            let keys: BTreeSet<String> =
                groups.iter().filter_map(|group| reference(Some(group))).map(str::to_lowercase).collect();
            if keys.len() > limits.groups_per_side {
                let message = format!(
                    "A security rule may have up to {} Application Security Group in the source or destination fields. The requested configuration has {} in the {title}ApplicationSecurityGroups field.",
                    limits.groups_per_side,
                    keys.len()
                );
                return Err(refuse(
                    "NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached",
                    message,
                ));
            }
            Ok(Side::Groups(keys))
        }
        _ => Err(refuse(
            "SecurityRuleParametersConflict",
            format!(
                "Security rule {id} must specify only one of {title}AddressPrefix, {title}AddressPrefixes and {title}ApplicationSecurityGroups."
            ),
        )),
    }
}

/// Several prefixes: blocks only. Tags stand alone, in the singular field.
fn several(id: &str, title: &str, words: &[String]) -> Result<Side, ArmError> {
    if let [word] = words
        && let Some(tag) = service_tag(word)
    {
        return Ok(Side::Of(Vec::new(), vec![tag]));
    }
    let mut blocks = Vec::new();
    for word in words {
        if word == "*" || service_tag(word).is_some() {
            let message = format!(
                "Security rule parameter {title}AddressPrefix for rule with Id {id} cannot specify existing VIRTUALNETWORK, INTERNET, AZURELOADBALANCER, '*' or system tags. Unsupported value used: {word}."
            );
            return Err(refuse("SecurityRuleParameterContainsUnsupportedValue", message));
        }
        blocks.push(block(word).ok_or_else(|| bad_prefix(id, word))?);
    }
    Ok(Side::Of(blocks, Vec::new()))
}

fn bad_prefix(id: &str, word: &str) -> ArmError {
    let message = format!("Security rule {id} has invalid Address prefix. Value provided: {word}");
    refuse("SecurityRuleInvalidAddressPrefix", message)
}

/// Reads the ports of one side of a rule or of a security admin rule.
pub fn ports(id: &str, body: &Object, end: &str) -> Result<Vec<(u16, u16)>, ArmError> {
    let one = text(body, "properties", &format!("{end}PortRange")).filter(|word| !word.is_empty());
    let many = texts(body, &format!("{end}PortRanges"));
    let title = if end == "source" { "Source" } else { "Destination" };
    if one.is_some() && !many.is_empty() {
        let message =
            format!("Security rule {id} must specify only one of {title}PortRange and {title}PortRanges.");
        return Err(refuse("SecurityRuleParametersConflict", message));
    }
    if one.is_none() && many.is_empty() {
        let message = format!(
            "Required security rule parameters are missing for security rule with Id: {id}. Security rule must specify either {title}PortRange or {title}PortRanges."
        );
        return Err(refuse("SecurityRuleParametersMissing", message));
    }
    let words = one.into_iter().chain(many.iter().map(String::as_str));
    words.map(|word| port_range(word).ok_or_else(|| invalid(id, "PortRange", Some(word)))).collect()
}

fn port_range(word: &str) -> Option<(u16, u16)> {
    if word == "*" {
        return Some((0, u16::MAX));
    }
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    let range: (u16, u16) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

fn one_family(id: &str, rule: &Rule) -> Result<(), ArmError> {
    let mut blocks = [&rule.source, &rule.destination].into_iter().flat_map(|side| match side {
        Side::Of(blocks, _) => blocks.as_slice(),
        _ => &[],
    });
    let first = blocks.next().map(|block| block.addr().is_ipv4());
    if blocks.any(|block| Some(block.addr().is_ipv4()) != first) {
        let message = format!(
            "Resource {id} contains IP addresses or prefixes that belong to different address families. All IP addresses or prefixes in the resource should belong to the same address family."
        );
        return Err(refuse("ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies", message));
    }
    Ok(())
}

/// What the cloud refuses in the rules of one security group taken together. Ids with their rules.
pub fn check_all(group: &str, rules: &[(String, &Rule)], limits: &Limits) -> Result<(), ArmError> {
    let mut taken: BTreeMap<(Direction, u32), &str> = BTreeMap::new();
    for (id, rule) in rules {
        let name = name_of(id);
        if let Some(other) = taken.insert((rule.direction, rule.priority), name) {
            let message = format!(
                "Security rule {name} conflicts with rule {other}. Rules cannot have the same Priority and Direction. To learn more, see aka.ms/nsgrules."
            );
            return Err(refuse("SecurityRuleConflict", message));
        }
    }
    if rules.len() > limits.rules_per_group {
        let message =
            format!("A security group cannot have more than {} security rules.", limits.rules_per_group);
        return Err(refuse("SecurityRuleCountLimitReached", message));
    }
    let sum = |of: fn(&Rule) -> usize| rules.iter().map(|(_, rule)| of(rule)).sum::<usize>();
    let counts = [
        ("SourceAddressPrefixes", sum(|rule| blocks(&rule.source))),
        ("DestinationAddressPrefixes", sum(|rule| blocks(&rule.destination))),
        ("SourcePortRanges", sum(|rule| rule.source_ports.len())),
        ("DestinationPortRanges", sum(|rule| rule.destination_ports.len())),
    ];
    if let Some((what, count)) = counts.into_iter().find(|(_, count)| *count > limits.addresses_per_group) {
        let most = limits.addresses_per_group;
        let message = format!(
            "Network security group {group} has {count} {what}. A security group cannot have more than {most} {what} as per the limit MaxSecurityRuleAddressesOrPortsPerSecurityGroup."
        );
        return Err(refuse("SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached", message));
    }
    let groups: BTreeSet<&String> = rules.iter().flat_map(|(_, rule)| groups_of(rule)).collect();
    if groups.len() > limits.application_groups_per_group {
        let message = format!(
            "Network security group {group} references {} Application Security Groups. A security group cannot reference more than {}.",
            groups.len(),
            limits.application_groups_per_group
        );
        return Err(refuse(
            "NumberOfApplicationSecurityGroupsReferencedInSecurityGroupLimitReached",
            message,
        ));
    }
    Ok(())
}

fn blocks(side: &Side) -> usize {
    match side {
        Side::Of(blocks, _) => blocks.len(),
        _ => 0,
    }
}

/// The application security groups on both sides.
pub fn groups_of(rule: &Rule) -> impl Iterator<Item = &String> {
    [&rule.source, &rule.destination]
        .into_iter()
        .flat_map(|side| match side {
            Side::Groups(keys) => Some(keys),
            _ => None,
        })
        .flatten()
}

/// All application security groups of a rule must exist and have their members in one virtual network.
pub fn check_groups(state: &State, id: &str, rule: &Rule) -> Result<(), ArmError> {
    let mut networks = BTreeSet::new();
    for key in groups_of(rule) {
        super::must_exist(state, id, key, Kind::ApplicationGroup)?;
        networks.extend(state.network_of_group(key, ""));
    }
    one_network(id, &networks)
}

/// Refuses a rule whose groups have members in several virtual networks.
pub fn one_network(id: &str, networks: &BTreeSet<String>) -> Result<(), ArmError> {
    if networks.len() < 2 {
        return Ok(());
    }
    let named: Vec<&str> = networks.iter().map(String::as_str).collect();
    let message = format!(
        "Security Rule {id} has Application Security Groups (ASGs) from multiple virtual networks ({}). All ASGs on the Security Rule must be from the same virtual network.",
        named.join(", ")
    );
    Err(refuse("AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet", message))
}
