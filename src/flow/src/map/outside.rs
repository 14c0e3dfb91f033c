//! What is outside, gathered: by the smallest IP list that holds it, else by the block that it is in.

use ipnet::IpNet;
use policy::{AddressSet, Name};

use crate::map::NodeKind;

/// Blocks that are not the internet, with what they are for (RFC 6890, RFC 5771, RFC 4291).
const BLOCKS: [(&str, &str); 12] = [
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("100.64.0.0/10", "carrier NAT"),
    ("169.254.0.0/16", "link-local"),
    ("127.0.0.0/8", "loopback"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("::1/128", "loopback"),
    ("ff00::/8", "multicast"),
];

/// Names for addresses.
pub(super) struct Outside {
    /// Smallest first.
    lists: Vec<(Name, AddressSet)>,
    blocks: Vec<(IpNet, &'static str)>,
}

impl Outside {
    pub(super) fn new(lists: &[(Name, AddressSet)]) -> Self {
        let mut lists = lists.to_vec();
        lists.sort_by_cached_key(|(name, set)| (size(set), name.clone()));
        let blocks = BLOCKS.iter().filter_map(|(block, what)| Some((block.parse().ok()?, *what)));
        Self { lists, blocks: blocks.collect() }
    }

    /// The node of an address, or of a block that stands for several.
    pub(super) fn kind(&self, block: IpNet) -> NodeKind {
        let is_one = block.prefix_len() == block.max_prefix_len();
        let all = AddressSet::from(block.trunc());
        let holds = |set: &AddressSet| if is_one { set.contains(block.addr()) } else { all.is_subset(set) };
        if let Some((name, _)) = self.lists.iter().find(|(_, set)| holds(set)) {
            return NodeKind::List(name.clone());
        }
        match self.blocks.iter().find(|(own, _)| own.contains(&block)) {
            Some((own, what)) => NodeKind::Block(*own, what),
            None => NodeKind::Internet,
        }
    }
}

/// How many addresses a set has; IPv6 addresses weigh as IPv4 addresses do.
fn size(set: &AddressSet) -> u128 {
    let v4: u128 = set.v4().ranges().iter().map(|(first, last)| u128::from(last - first) + 1).sum();
    let v6 = set.v6().ranges().iter().map(|(first, last)| (last - first).saturating_add(1));
    v6.fold(v4, u128::saturating_add)
}
