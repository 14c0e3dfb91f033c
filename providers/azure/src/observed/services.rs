//! Protocols and ports of rules ↔ services.

use plan::RuleService;
use plan::state::is_icmp;
use policy::ServiceSet;
use policy::service::has_ports;

use crate::resources::NormalRule;

/// The services of a rule. A rule for every protocol and some ports is for TCP and UDP.
pub fn services_of(rule: &NormalRule) -> Vec<RuleService> {
    let is_whole = rule.destination_ports == [(0, u16::MAX)];
    let ports = |protocol: u8| {
        rule.destination_ports.iter().map(move |&(first, last)| RuleService::ports(protocol, first, last))
    };
    match rule.protocol {
        None if is_whole => vec![RuleService::All],
        None => ports(6).chain(ports(17)).collect(),
        Some(protocol) if has_ports(protocol) => ports(protocol).collect(),
        // Ports mean nothing to a protocol without them.
        Some(protocol) => vec![RuleService::Protocol(protocol)],
    }
}

/// A service as a rule says it: the word of its protocol, and its ports.
pub fn words_of(service: RuleService) -> Option<(&'static str, String)> {
    let word = |number: u8| match number {
        1 => Some("Icmp"),
        6 => Some("Tcp"),
        17 => Some("Udp"),
        50 => Some("Esp"),
        51 => Some("Ah"),
        _ => None,
    };
    match service {
        RuleService::All => Some(("*", "*".to_owned())),
        RuleService::Protocol(number) => Some((word(number)?, "*".to_owned())),
        RuleService::Ports { protocol, first, last } if first == last => {
            Some((word(protocol)?, first.to_string()))
        }
        RuleService::Ports { protocol, first, last } => Some((word(protocol)?, format!("{first}-{last}"))),
        RuleService::Icmp { .. } => None,
    }
}

/// A set of services as the pieces that a fact can say. Sets that come from rules have no piece of an ICMP type.
pub fn pieces(services: &ServiceSet) -> Vec<RuleService> {
    if *services == ServiceSet::all() {
        return vec![RuleService::All];
    }
    let piece = |(protocol, first, last): (u8, u16, u16)| {
        if has_ports(protocol) {
            return RuleService::ports(protocol, first, last);
        }
        debug_assert!(!is_icmp(protocol) || (first, last) == (0, u16::MAX), "no rule names ICMP types");
        RuleService::Protocol(protocol)
    };
    services.by_protocol().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_exact() {
        let web = ServiceSet::range(6, 443, 443);
        let rest = ServiceSet::all().difference(&web);
        let pieces = pieces(&rest);
        assert_eq!(pieces.len(), 257);
        assert_eq!(pieces.into_iter().map(RuleService::to_set).collect::<ServiceSet>(), rest);
    }
}
