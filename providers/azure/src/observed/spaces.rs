//! What service tags mean, as addresses. `VirtualNetwork` and `Internet` mean something else in each virtual network.

use ipnet::IpNet;
use policy::AddressSet;

use crate::inventory::estate;
use crate::resources::Side;

/// Where health probes come from.
const PROBES: &str = "168.63.129.16/32";

/// Addresses that are not reached over the internet. `::1` is left in: it never is on a wire, and would cost 128 blocks.
const NOT_PUBLIC: [&str; 10] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

/// What the tags mean in one virtual network.
#[derive(Clone, Debug, Default)]
pub struct Space {
    /// `VirtualNetwork`: its own blocks and those of connected peers.
    pub network: AddressSet,
    /// `Internet`.
    pub internet: AddressSet,
    network_blocks: Vec<IpNet>,
    internet_blocks: Vec<IpNet>,
}

/// One side of a rule as addresses, blocks as they were written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    /// Blocks.
    pub blocks: Vec<IpNet>,
    /// Tags whose addresses are not known here.
    pub opaque: Vec<String>,
}

impl Space {
    /// Of a network.
    pub fn new(network: &estate::Network) -> Self {
        let peers = network.peerings.iter().filter(|peering| peering.is_connected && peering.has_access);
        let blocks = network.blocks.iter().chain(peers.flat_map(|peering| &peering.remote_blocks));
        let network: AddressSet = blocks.copied().collect();
        let elsewhere: AddressSet =
            NOT_PUBLIC.into_iter().chain([PROBES]).filter_map(|b| b.parse::<IpNet>().ok()).collect();
        let internet = AddressSet::any().difference(&elsewhere).difference(&network);
        let (network_blocks, internet_blocks) = (network.to_cidrs(), internet.to_cidrs());
        Self { network, internet, network_blocks, internet_blocks }
    }

    /// The addresses of a side that names blocks or tags; none for the other sides.
    pub fn addresses(&self, side: &Side) -> Option<Addresses> {
        let Side::Of { blocks, tags } = side else { return None };
        let mut found = Addresses { blocks: blocks.iter().copied().collect(), opaque: Vec::new() };
        for tag in tags {
            match tag.as_str() {
                "virtualnetwork" => found.blocks.extend(&self.network_blocks),
                "internet" => found.blocks.extend(&self.internet_blocks),
                "azureloadbalancer" => found.blocks.extend(PROBES.parse::<IpNet>()),
                _ => found.opaque.push(tag.clone()),
            }
        }
        Some(found)
    }
}

/// Whether a side means something else in each network.
pub fn depends_on_network(side: &Side) -> bool {
    matches!(side, Side::Of { tags, .. } if tags.iter().any(|tag| tag == "virtualnetwork" || tag == "internet"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_tags_cover_what_they_say_and_do_not_overlap() {
        let network = estate::Network {
            etag: String::new(),
            location: String::new(),
            tags: Default::default(),
            blocks: ["10.0.0.0/16".parse().unwrap(), "198.51.100.0/24".parse().unwrap()].into(),
            peerings: Vec::new(),
            admin_rules: Vec::new(),
        };
        let space = Space::new(&network);
        assert!(!space.internet.intersects(&space.network));
        let is_public = |text: &str| space.internet.contains(text.parse().unwrap());
        assert!(is_public("8.8.8.8") && is_public("2001:4860::1"));
        assert!(!is_public("198.51.100.9") && !is_public("10.9.0.1") && !is_public("168.63.129.16"));
    }
}
