//! An estate → the objects of a simulated cloud, by the cloud's own actions. Words of a cloud stand in its file.

pub mod aws;
pub mod azure;
pub mod gcp;

use ipnet::IpNet;
use policy::ServiceSet;
use policy::service::{has_ports, protocol};

/// A service in the words that Azure and Google Cloud share: a protocol and a range of ports, one for each run.
pub(super) fn protocols_and_ports(service: &ServiceSet) -> Vec<(&'static str, Option<String>)> {
    let words = |(number, low, high): (u8, u16, u16)| {
        let name = match number {
            protocol::TCP => "tcp",
            protocol::UDP => "udp",
            protocol::ICMP => "icmp",
            _ => return None,
        };
        let ports =
            has_ports(number).then(|| if low == high { low.to_string() } else { format!("{low}-{high}") });
        Some((name, ports))
    };
    service.by_protocol().filter_map(words).collect()
}

/// The blocks of one family as text.
pub(super) fn of_family(blocks: &[IpNet], v6: bool) -> Vec<String> {
    blocks.iter().filter(|block| matches!(block, IpNet::V6(_)) == v6).map(ToString::to_string).collect()
}
