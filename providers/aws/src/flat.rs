//! Flat rules (`DescribeSecurityGroupRules`): one record for each source.

use aws_sdk_ec2::types::SecurityGroupRule;
use ipnet::IpNet;
use plan::{Peer, RuleSpec};

use crate::convert::service_from;

/// Whether a flat record is this rule.
pub(crate) fn is_rule(record: &SecurityGroupRule, rule: &RuleSpec) -> bool {
    let service = service_from(record.ip_protocol().unwrap_or("-1"), record.from_port(), record.to_port());
    if service != rule.service {
        return false;
    }
    let block =
        |text: Option<&str>| text.and_then(|text| text.parse::<IpNet>().ok()).map(|block| block.trunc());
    match &rule.peer {
        Peer::Cidr(wanted) => {
            block(record.cidr_ipv4()).or_else(|| block(record.cidr_ipv6())) == Some(*wanted)
        }
        Peer::Group(id) => {
            record.referenced_group_info().and_then(|info| info.group_id()) == Some(id.as_str())
        }
        Peer::Opaque(id) => {
            let group = record.referenced_group_info().and_then(|info| info.group_id());
            record.prefix_list_id() == Some(id.as_str()) || group == Some(id.as_str())
        }
    }
}
