//! Random small estates: two peered networks, a handful of interfaces, addresses and ports.

use fastrand::Rng;
use plan::{Direction, GroupId, Observed, Owner, PathEffect, PathRule, Peer, RuleService};
use policy::ServicePoint;

use crate::filter::Packet;
use crate::id_of;
use crate::text::{estate, list, service};

/// Networks with their interfaces' addresses; the last of a network has an IPv6 address too.
const INTERFACES: &str = "
    net v1 ~v2
    net v2 ~v1
    nic a v1 10.0.0.1
    nic b v1 10.0.0.2
    nic c v1 10.0.0.3 fd00::3
    nic d v2 10.1.0.1
    nic e v2 10.1.0.2 fd00:1::2";

const BLOCKS: [&str; 8] = [
    "0.0.0.0/0",
    "10.0.0.0/24",
    "10.0.0.2/31",
    "10.0.0.1/32",
    "10.1.0.0/24",
    "8.8.8.0/24",
    "::/0",
    "fd00::/64",
];
const OUTSIDE: [&str; 3] = ["8.8.8.8", "10.0.0.9", "fd00::9"];
const SERVICES: [&str; 8] = ["all", "all", "tcp", "tcp/80", "tcp/80-443", "tcp/443", "udp", "icmp/8"];
const GROUPS: [&str; 4] = ["web", "app", "closed", "far"];

/// Whether far ends may stand in rules that are not read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    No,
    Some,
}

/// An estate from a seed.
pub fn random(seed: u64, unread: Unread) -> Observed {
    let mut dice = Dice { rng: Rng::with_seed(seed), unread };
    let mut observed = estate(INTERFACES, id_of);
    for name in ["s1", "s2", "n1", "n2"] {
        let rules = dice.security_group();
        observed.path_filters.push(list(id_of(name), name, rules));
    }
    for name in ["admin-v1", "admin-v2"] {
        let rules = dice.admin_rules();
        observed.path_filters.push(list(id_of(name), name, rules));
    }
    for interface in &mut observed.interfaces {
        let home: &[&str] = if interface.network.as_str() == "v1" { &GROUPS[..3] } else { &GROUPS[3..] };
        let is_in = |_: &&&str| dice.rng.u8(..100) < 55;
        interface.groups = home.iter().filter(is_in).map(|name| GroupId::from(*name)).collect();
        interface.path_filters = dice.path(interface.network.as_str());
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

    fn path(&mut self, network: &str) -> Vec<String> {
        let mut path = Vec::new();
        if self.chance(60) {
            path.push(id_of(&format!("admin-{network}")));
        }
        for (names, percent) in [(["s1", "s2"], 75), (["n1", "n2"], 45)] {
            if self.chance(percent) {
                path.push(id_of(self.pick(&names)));
            }
        }
        path
    }

    /// Foreign rules, our band with foreign rules in it, our denies, foreign rules, the cloud's default rules.
    fn security_group(&mut self) -> Vec<PathRule> {
        let mut rules = Vec::new();
        for direction in [Direction::Ingress, Direction::Egress] {
            let bands: [(u32, usize, bool); 4] =
                [(100, 2, false), (1000, 6, true), (4000, 2, true), (4010, 2, false)];
            for (first, most, is_band) in bands {
                for number in 0..self.rng.u32(0..=most as u32) {
                    let is_ours = is_band && self.chance(75);
                    let denies = if first == 4000 {
                        90
                    } else if is_ours {
                        12
                    } else {
                        50
                    };
                    let effect = if self.chance(denies) { PathEffect::Deny } else { PathEffect::Allow };
                    let mut rule = self.rule(first + number, direction, effect);
                    rule.owner = if is_ours { Owner::Ours } else { Owner::Foreign };
                    rules.push(rule);
                }
            }
            rules.extend(default_rules(direction));
        }
        rules
    }

    fn admin_rules(&mut self) -> Vec<PathRule> {
        let mut rules = Vec::new();
        for direction in [Direction::Ingress, Direction::Egress] {
            for number in 0..self.rng.u32(0..=4) {
                let effect = self.pick(&[PathEffect::Allow, PathEffect::Next, PathEffect::Deny]);
                let mut rule = self.rule(number + 1, direction, effect);
                rule.targets.clear();
                rule.peers.retain(|peer| !matches!(peer, Peer::Group(_)));
                rules.push(rule);
            }
        }
        rules
    }

    fn rule(&mut self, priority: u32, direction: Direction, effect: PathEffect) -> PathRule {
        let targets = if self.chance(45) { self.some(&GROUPS, 2) } else { Vec::new() };
        PathRule {
            name: format!("r{priority}"),
            priority,
            owner: Owner::Foreign,
            direction,
            effect,
            targets: targets.into_iter().map(GroupId::from).collect(),
            peers: self.peers(),
            services: self.some(&SERVICES, 2).into_iter().map(service).collect(),
        }
    }

    fn peers(&mut self) -> Vec<Peer> {
        if self.unread == Unread::Some && self.chance(30) {
            let mut peers = vec![Peer::Opaque(self.pick(&["x", "y"]).to_owned())];
            if self.chance(30) {
                peers.push(Peer::Cidr(self.pick(&BLOCKS).parse().unwrap()));
            }
            return peers;
        }
        match self.rng.u8(..100) {
            0..40 => self.some(&GROUPS, 3).into_iter().map(|name| Peer::Group(GroupId::from(name))).collect(),
            40..85 => {
                self.some(&BLOCKS, 3).into_iter().map(|block| Peer::Cidr(block.parse().unwrap())).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The rules that every security group ends with, for a network with a peering.
fn default_rules(direction: Direction) -> Vec<PathRule> {
    let both = ["10.0.0.0/24", "10.1.0.0/24", "fd00::/64", "fd00:1::/64"];
    let rule = |priority, effect, peers: &[&str]| PathRule {
        name: format!("default-{priority}"),
        priority,
        owner: Owner::Foreign,
        direction,
        effect,
        targets: Vec::new(),
        peers: peers.iter().map(|block| Peer::Cidr(block.parse().unwrap())).collect(),
        services: vec![RuleService::All],
    };
    let second: &[&str] =
        if direction == Direction::Ingress { &["168.63.129.16/32"] } else { &["8.0.0.0/8"] };
    vec![
        rule(65000, PathEffect::Allow, &both),
        rule(65001, PathEffect::Allow, second),
        rule(65500, PathEffect::Deny, &[]),
    ]
}
