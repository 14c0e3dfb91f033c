//! Random small estates: two networks with a peering and one without, a handful of interfaces, addresses and ports.

use fastrand::Rng;
use plan::{Direction, GroupId, Observed, Owner, PathEffect, PathRule, Peer};
use policy::ServicePoint;

use crate::filter::Packet;
use crate::text::{estate, list, service};

const INTERFACES: &str = "
    net p1 =p2
    net p2 =p1
    net p3
    nic a p1 10.0.0.1
    nic b p1 10.0.0.2 fd00::2
    nic c p2 10.1.0.1
    nic d p2 10.1.0.2
    nic e p3 10.2.0.1 fd00:2::1";

const BLOCKS: [&str; 8] = [
    "0.0.0.0/0",
    "10.0.0.0/24",
    "10.0.0.2/31",
    "10.1.0.1/32",
    "10.0.0.0/14",
    "8.8.8.0/24",
    "::/0",
    "fd00::/64",
];
const OUTSIDE: [&str; 3] = ["8.8.8.8", "10.0.0.9", "fd00::9"];
const SERVICES: [&str; 8] = ["all", "all", "tcp", "tcp/80", "tcp/80-443", "tcp/443", "udp", "icmp/8"];
/// Secure tags, of which the last is deleted, a network tag and a service account.
const GROUPS: [&str; 5] = ["tagValues/1", "tagValues/2", "tag:web", "sa:app", DELETED];
pub const DELETED: &str = "tagValues/9";

/// Whether far ends may stand in rules that are not read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    No,
    Some,
}

/// An estate from a seed.
pub fn random(seed: u64, unread: Unread) -> Observed {
    let mut dice = Dice { rng: Rng::with_seed(seed), unread };
    let mut observed = estate(INTERFACES, str::to_owned);
    // Rules of ours are in the policy, or where network tags stand for classes among the classic rules.
    let (classic, policy) = if seed.is_multiple_of(2) { (10, 75) } else { (75, 10) };
    for (name, ours) in
        [("org", 0), ("folder", 0), ("classic", classic), ("policy", policy), ("other-policy", 0)]
    {
        let rules = dice.list(name == "classic", ours);
        observed.path_filters.push(list(name.to_owned(), name, rules));
    }
    let paths: Vec<(&str, Vec<String>)> = ["p1", "p2", "p3"].map(|network| (network, dice.path())).into();
    for interface in &mut observed.interfaces {
        let live = GROUPS.iter().filter(|group| **group != DELETED);
        interface.groups = live.filter(|_| dice.chance(45)).map(|name| GroupId::from(*name)).collect();
        let path = paths.iter().find(|(network, _)| interface.network.as_str() == *network);
        interface.path_filters = path.unwrap().1.clone();
    }
    observed
}

/// Every packet of the small universe at every interface.
pub fn packets(observed: &Observed) -> Vec<Packet> {
    let points = [
        ServicePoint::port(6, 80),
        ServicePoint::port(6, 443),
        ServicePoint::port(6, 8080),
        ServicePoint::port(17, 53),
        ServicePoint::icmp(1, 8, 0),
        ServicePoint { protocol: 50, detail: 0 },
    ];
    let holders = observed.interfaces.iter().enumerate();
    let mut far: Vec<_> =
        holders.flat_map(|(n, one)| one.addresses.iter().map(move |a| (Some(n), *a))).collect();
    far.extend(OUTSIDE.map(|address| (None, address.parse().unwrap())));
    let mut packets = Vec::new();
    for own in 0..observed.interfaces.len() {
        for &(peer, address) in far.iter().filter(|(peer, _)| *peer != Some(own)) {
            for direction in [Direction::Ingress, Direction::Egress] {
                packets.extend(points.map(|service| Packet { own, direction, peer, address, service }));
            }
        }
    }
    packets
}

struct Dice {
    rng: Rng,
    unread: Unread,
}

impl Dice {
    fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    fn some<T: Copy>(&mut self, from: &[T], most: usize) -> Vec<T> {
        (0..self.rng.usize(1..=most)).map(|_| self.pick(from)).collect()
    }

    /// The lists of a network, hierarchical policies first, the rest in either order of enforcement.
    fn path(&mut self) -> Vec<String> {
        let policy = if self.chance(80) { "policy" } else { "other-policy" };
        let mut network = [("classic", 75), (policy, 85)];
        if self.chance(50) {
            network.reverse();
        }
        let lists = [("org", 60), ("folder", 40)].into_iter().chain(network);
        lists.filter(|(_, percent)| self.chance(*percent)).map(|(name, _)| name.to_owned()).collect()
    }

    /// Rules of both directions; classic rules share priorities and never leave anything to the next list.
    fn list(&mut self, is_classic: bool, ours: u8) -> Vec<PathRule> {
        let mut rules = Vec::new();
        for direction in [Direction::Ingress, Direction::Egress] {
            let mut priority = 100;
            for _ in 0..self.rng.u32(1..=7) {
                priority += if is_classic { self.rng.u32(0..=1) } else { self.rng.u32(1..=5) };
                let is_ours = self.chance(ours);
                let effect = match self.rng.u8(..100) {
                    0..45 => PathEffect::Allow,
                    45..70 if !is_classic && !is_ours => PathEffect::Next,
                    _ => PathEffect::Deny,
                };
                let mut rule = self.rule(priority, direction, effect);
                rule.owner = if is_ours { Owner::Ours } else { Owner::Foreign };
                rules.push(rule);
            }
            if !is_classic {
                let mut rest = self.rule(2_147_483_644, direction, PathEffect::Next);
                (rest.targets, rest.peers, rest.services) = (vec![], vec![], vec![service("all")]);
                rules.push(rest);
            }
        }
        rules
    }

    fn rule(&mut self, priority: u32, direction: Direction, effect: PathEffect) -> PathRule {
        let targets = if self.chance(50) { self.some(&GROUPS, 2) } else { Vec::new() };
        PathRule {
            name: format!("r{priority}"),
            priority,
            owner: Owner::Foreign,
            direction,
            effect,
            targets: targets.into_iter().map(GroupId::from).collect(),
            peers: self.peers(direction),
            services: self.some(&SERVICES, 2).into_iter().map(service).collect(),
        }
    }

    fn peers(&mut self, direction: Direction) -> Vec<Peer> {
        if self.unread == Unread::Some && self.chance(25) {
            return vec![Peer::Opaque(self.pick(&["x", "y"]).to_owned())];
        }
        let mut peers: Vec<Peer> = Vec::new();
        if direction == Direction::Ingress && self.chance(50) {
            peers.extend(self.some(&GROUPS, 2).into_iter().map(|name| Peer::Group(GroupId::from(name))));
        }
        if self.chance(if peers.is_empty() { 80 } else { 30 }) {
            peers.extend(self.some(&BLOCKS, 3).into_iter().map(|block| Peer::Cidr(block.parse().unwrap())));
        }
        peers
    }
}
