//! The rules of a security group that we make where there is none, which let pass what passes without one: everything, but
//! that the internet reaches nothing. A standard public address or load balancer is closed until a security group opens it
//! (Microsoft, *Azure Load Balancer*, secure by default), so a rule for everything would open those that are there, and those that
//! somebody makes later.
//!
//! They stand behind our denies, and each says that it is ours by its name and counts as foreign: no policy asks for it.

use plan::Direction;

use crate::marks;
use crate::resources::Rule;
use crate::resources::rule::RuleProperties;

/// Said in these rules, for people.
const DESCRIPTION: &str = "managed by bulkhead: as without a network security group";

/// These rules; the last ones of the group.
pub fn open_rules(installation: &str) -> Vec<Rule> {
    let name = |word: &str| marks::owned_name(installation, word);
    let open = |way| marks::open_name(installation, way);
    let rules = [
        (name(marks::OPEN_NEAR), "Inbound", 4_094, "Allow", "VirtualNetwork"),
        (name(marks::SHUT_FAR), "Inbound", 4_095, "Deny", "Internet"),
        (open(Direction::Ingress), "Inbound", 4_096, "Allow", "*"),
        (open(Direction::Egress), "Outbound", 4_096, "Allow", "*"),
    ];
    let rule = |(name, direction, priority, access, source): (String, _, _, _, _)| {
        let ends = (source, "*");
        Rule::new(&name, said(DESCRIPTION, direction, priority, access, ends))
    };
    rules.into_iter().map(rule).collect()
}

/// The rules that the cloud ends every security group with (Microsoft, *Network security groups*, default rules).
pub fn default_rules() -> Vec<Rule> {
    let network = ("VirtualNetwork", "VirtualNetwork");
    let rules = [
        ("AllowVnetInBound", "Inbound", 65_000, "Allow", network),
        ("AllowAzureLoadBalancerInBound", "Inbound", 65_001, "Allow", ("AzureLoadBalancer", "*")),
        ("DenyAllInBound", "Inbound", 65_500, "Deny", ("*", "*")),
        ("AllowVnetOutBound", "Outbound", 65_000, "Allow", network),
        ("AllowInternetOutBound", "Outbound", 65_001, "Allow", ("*", "Internet")),
        ("DenyAllOutBound", "Outbound", 65_500, "Deny", ("*", "*")),
    ];
    let rule = |(name, direction, priority, access, ends)| {
        Rule::new(name, said("", direction, priority, access, ends))
    };
    rules.into_iter().map(rule).collect()
}

fn said(
    description: &str,
    direction: &str,
    priority: u32,
    access: &str,
    (source, destination): (&str, &str),
) -> RuleProperties {
    let all = || Some("*".to_owned());
    RuleProperties {
        description: (!description.is_empty()).then(|| description.to_owned()),
        protocol: "*".to_owned(),
        source_port_range: all(),
        destination_port_range: all(),
        source_address_prefix: Some(source.to_owned()),
        destination_address_prefix: Some(destination.to_owned()),
        access: access.to_owned(),
        priority,
        direction: direction.to_owned(),
        ..RuleProperties::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marks::{Form, form};
    use crate::resources::NormalRule;

    #[test]
    fn the_rules_can_be_read_and_are_known_by_their_names() {
        let open = open_rules("shop");
        assert!(open.iter().chain(&default_rules()).all(|rule| NormalRule::of(rule).is_ok()));
        let forms: Vec<Option<Form>> = open.iter().map(|rule| form("shop", &rule.name)).collect();
        let (inward, outward) = (Some(Form::Open(Direction::Ingress)), Some(Form::Open(Direction::Egress)));
        assert_eq!(forms, [inward, inward, inward, outward]);
    }
}
