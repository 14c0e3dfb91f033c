//! Protocols and ports of rules ↔ services.

use std::collections::BTreeMap;

use plan::RuleService;
use policy::ServiceSet;
use policy::service::has_ports;

use crate::resources::policy::PolicyLayer4;

/// A protocol with ports as classic rules and policies write it.
pub struct Layer4<'a> {
    /// `all`, a word such as `tcp`, or a number.
    pub protocol: &'a str,
    /// Such as `443` or `1-1024`; none is every port.
    pub ports: &'a [String],
}

const WORDS: [(&str, u8); 8] = [
    ("icmp", 1),
    ("ipip", 94),
    ("tcp", 6),
    ("udp", 17),
    ("esp", 50),
    ("ah", 51),
    ("sctp", 132),
    ("ipv6-icmp", 58),
];

/// The services of a rule, sorted; none where something cannot be said exactly and `is_deny`: a rule that allows says too
/// much there, one that denies too little, so that exposure is never understated.
pub fn services_of<'a>(all: impl Iterator<Item = Layer4<'a>>, is_deny: bool) -> Vec<RuleService> {
    let mut services: Vec<RuleService> = all.flat_map(|one| read(&one, is_deny)).collect();
    services.sort_unstable();
    services.dedup();
    services
}

fn read(one: &Layer4<'_>, is_deny: bool) -> Vec<RuleService> {
    let vague = |service| if is_deny { Vec::new() } else { vec![service] };
    let word = one.protocol.to_lowercase();
    if word == "all" {
        return vec![RuleService::All];
    }
    let known = WORDS.iter().find(|(known, _)| *known == word).map(|(_, number)| *number);
    let Some(number) = known.or_else(|| word.parse().ok()) else { return vague(RuleService::All) };
    if one.ports.is_empty() {
        return vec![RuleService::Protocol(number)];
    }
    if !has_ports(number) {
        return vague(RuleService::Protocol(number));
    }
    let range = |text: &String| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        Some(RuleService::ports(number, from.trim().parse().ok()?, to.trim().parse().ok()?))
    };
    one.ports
        .iter()
        .flat_map(|text| range(text).map_or_else(|| vague(RuleService::Protocol(number)), |s| vec![s]))
        .collect()
}

/// Whether a rule can say it: there are no ICMP types.
pub fn is_expressible(service: RuleService) -> bool {
    !matches!(service, RuleService::Icmp { .. })
}

/// Services as a rule of a policy says them; those that it cannot say are left out.
pub fn layer4_of(services: &[RuleService]) -> Vec<PolicyLayer4> {
    let mut found: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for service in services {
        match *service {
            RuleService::All => drop(found.insert("all".to_owned(), None)),
            RuleService::Protocol(number) => drop(found.insert(word_of(number), None)),
            RuleService::Ports { protocol, first, last } => {
                let ports = found.entry(word_of(protocol)).or_insert_with(|| Some(Vec::new()));
                let text = if first == last { first.to_string() } else { format!("{first}-{last}") };
                ports.iter_mut().for_each(|ports| ports.push(text.clone()));
            }
            RuleService::Icmp { .. } => {}
        }
    }
    found
        .into_iter()
        .map(|(ip_protocol, ports)| PolicyLayer4 { ip_protocol, ports, ..PolicyLayer4::default() })
        .collect()
}

fn word_of(number: u8) -> String {
    // The word for ICMPv6 is in no list of words that policies take: the number is.
    let word = WORDS.iter().find(|(_, known)| *known == number && number != 58);
    word.map_or_else(|| number.to_string(), |(word, _)| (*word).to_owned())
}

/// A set of services as the pieces that a fact can say. Sets that come from rules have no piece of an ICMP type.
pub fn pieces(services: &ServiceSet) -> Vec<RuleService> {
    if *services == ServiceSet::all() {
        return vec![RuleService::All];
    }
    let piece = |(protocol, first, last): (u8, u16, u16)| {
        if has_ports(protocol) {
            RuleService::ports(protocol, first, last)
        } else {
            RuleService::Protocol(protocol)
        }
    };
    services.by_protocol().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: &str, ports: &[&str], is_deny: bool, expected: &str) {
        let ports: Vec<String> = ports.iter().map(|port| (*port).to_owned()).collect();
        let found = services_of([Layer4 { protocol, ports: &ports }].into_iter(), is_deny);
        let words: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(words.join(" "), expected, "{protocol} {ports:?}");
    }

    #[test]
    fn what_cannot_be_said_exactly_is_said_on_the_side_of_exposure() {
        check("tcp", &["443", "1-1024"], false, "tcp/1-1024 tcp/443");
        check("TCP", &["0-65535"], true, "tcp");
        check("58", &[], false, "icmpv6");
        check("all", &[], true, "all");
        check("sctp", &["9"], false, "proto/132");
        check("sctp", &["9"], true, "");
        check("new-one", &[], false, "all");
        check("new-one", &[], true, "");
    }

    #[test]
    fn services_that_are_written_are_read_back() {
        let range = |first, last| RuleService::ports(6, first, last);
        for mut services in [
            vec![RuleService::All],
            vec![range(443, 443), range(1, 9), RuleService::Protocol(17), RuleService::Protocol(58)],
            vec![RuleService::Protocol(132), RuleService::ports(17, 53, 53), RuleService::Protocol(1)],
        ] {
            services.sort_unstable();
            let written = layer4_of(&services);
            let read = written.iter().map(|one| Layer4 {
                protocol: &one.ip_protocol,
                ports: one.ports.as_deref().unwrap_or_default(),
            });
            assert_eq!(services_of(read, true), services);
        }
    }

    #[test]
    fn pieces_are_exact() {
        let web = ServiceSet::range(6, 443, 443);
        let rest = ServiceSet::all().difference(&web);
        let pieces = pieces(&rest);
        assert_eq!(pieces.into_iter().map(RuleService::to_set).collect::<ServiceSet>(), rest);
    }
}
