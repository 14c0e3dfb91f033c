//! The section `nat`: what addresses of a network look like in networks that it is not connected to.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use policy::file::{Fields, Node, Problems};
use policy::{NetworkId, Translation};

use super::{place_of, refuse_empty};

const KEYS: [&str; 4] = ["network", "from", "towards", "as"];

pub(super) fn read(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Vec<Translation> {
    let Some(node) = fields.get("nat") else { return Vec::new() };
    let nodes = problems.list(node, "`nat`");
    nodes.iter().filter_map(|node| translation(problems, node)).collect()
}

fn translation(problems: &mut Problems<'_>, node: &Node) -> Option<Translation> {
    let fields = problems.fields(node, "an entry of `nat`", &KEYS)?;
    let network = problems.required(&fields, "network");
    let network = network.and_then(|node| problems.text(node, "`network`")).map(network_id);
    let addresses = problems.required(&fields, "as");
    if let Some(node) = addresses {
        let hint = "name the addresses of the NAT gateway, or the public address";
        refuse_empty(problems, node, "`as`", hint);
    }
    let hint = "write an address such as `203.0.113.7` or `2001:db8::7`";
    let addresses: Vec<IpAddr> = addresses.map(|node| all(problems, node, "`as`", hint)).unwrap_or_default();
    let hint = "write a block such as `10.1.0.0/16` or `2001:db8::/56`";
    let from =
        fields.get("from").map(|node| all::<IpNet>(problems, node, "`from`", hint)).unwrap_or_default();
    let is_seen = |block: &&IpNet| addresses.iter().any(|seen| seen.is_ipv6() == block.addr().is_ipv6());
    if let Some(block) = from.iter().find(|block| !addresses.is_empty() && !is_seen(block)) {
        let message = format!("`as` has no address of the family of `{block}`");
        let hint =
            "name an address of that family, or leave the block out: its addresses are seen as they are";
        problems.report(place_of(&fields, "from"), message, hint);
    }
    let towards = fields.get("towards").map(|node| problems.texts(node, "`towards`")).unwrap_or_default();
    Some(Translation {
        network: network?,
        from: from.iter().map(IpNet::trunc).collect(),
        towards: towards.into_iter().map(|(text, _)| network_id(text)).collect(),
        addresses,
    })
}

/// A network by the id that its cloud gives it: Azure's ids are the same in any case of letters.
fn network_id(text: &str) -> NetworkId {
    let is_azure = text.starts_with("/subscriptions/");
    if is_azure { NetworkId::from(text.to_lowercase()) } else { NetworkId::from(text) }
}

fn all<T: FromStr>(problems: &mut Problems<'_>, node: &Node, what: &str, hint: &str) -> Vec<T> {
    let mut found = Vec::new();
    for (text, place) in problems.texts(node, what) {
        match text.parse() {
            Ok(value) => found.push(value),
            Err(_) => problems.report(place, format!("{what} cannot hold `{text}`"), hint),
        }
    }
    found
}
