//! Generated policies: label groups, scopes, exclusions, IP lists, services, modes.

use std::collections::BTreeMap;

use fastrand::Rng;
use policy::ruleset::EnforcementRule;
use policy::{
    Action, Actor, AddressSet, EnforcementMode, IpList, Label, LabelGroup, Policy, Rule, Ruleset, ScopeEntry,
    ScopeTarget, ServiceSet,
};

/// Keys with their values.
pub const KEYS: [(&str, [&str; 3]); 3] =
    [("role", ["web", "db", "lb"]), ("env", ["prod", "dev", "test"]), ("app", ["shop", "blog", "erp"])];

/// What every cloud of the world can say, if that is AWS alone.
pub const SERVICES: [&str; 18] = [
    "tcp/443",
    "tcp/5432",
    "tcp/8000-8010",
    "tcp/0-1023",
    "tcp/1024-65535",
    "udp/53",
    "udp/5000-6000",
    "tcp",
    "udp",
    "all",
    "icmp",
    "icmp/8",
    "icmp/3/4",
    "icmp/3",
    "icmp/11/0",
    "icmpv6",
    "icmpv6/128",
    "proto/50",
];

/// Every IP list, with what is taken off it.
pub const LISTS: [(&str, &[&str], &[&str]); 7] = [
    ("ten", &["10.0.0.0/8"], &["10.0.0.8-10.0.0.14"]),
    ("office", &["203.0.113.0/24", "2001:db8:ffff::/48"], &["203.0.113.66", "2001:db8:ffff:1::/64"]),
    ("six", &["2001:db8::/32"], &["2001:db8:a::4-2001:db8:a::9"]),
    ("range", &["198.51.100.7-198.51.100.250"], &[]),
    ("hosts", &["10.0.0.5", "10.1.0.6", "2001:db8:b::6"], &[]),
    ("any", &["0.0.0.0/0", "::/0"], &[]),
    ("world", &["0.0.0.0/0", "::/0"], &["10.0.0.0/8", "192.168.0.0/16", "2001:db8::/33"]),
];

fn pick<'a, T: ?Sized>(rng: &mut Rng, from: &[&'a T]) -> &'a T {
    from[rng.usize(..from.len())]
}

/// A random label.
pub fn label(rng: &mut Rng) -> Label {
    let (key, values) = &KEYS[rng.usize(..KEYS.len())];
    Label { key: (*key).into(), value: pick(rng, values).into() }
}

/// What the texts name together.
pub fn addresses(texts: &[&str]) -> AddressSet {
    let sets = texts.iter().map(|text| text.parse::<AddressSet>().unwrap());
    sets.fold(AddressSet::empty(), |sum, set| sum.union(&set))
}

/// A whole policy; its rules name these services.
pub fn policy(rng: &mut Rng, services: &[&str]) -> Policy {
    let mut policy = Policy::default();
    for (key, values) in KEYS {
        policy.labels.insert(key.into(), values.iter().map(|value| (*value).into()).collect());
    }
    policy.label_groups = label_groups();
    for (name, held, taken_off) in LISTS {
        let list = IpList { addresses: addresses(held).difference(&addresses(taken_off)) };
        policy.ip_lists.insert(name.into(), list);
    }
    policy.enforcement = enforcement(rng);
    for number in 0..rng.usize(1..4) {
        let scopes = match rng.u8(..6) {
            0 | 1 => Vec::new(),
            2 => vec![scope(rng), scope(rng)],
            _ => vec![scope(rng)],
        };
        let rules = (0..rng.usize(1..5)).map(|number| rule(rng, number, services)).collect();
        policy.rulesets.push(Ruleset { name: format!("set{number}").into(), enabled: true, scopes, rules });
    }
    policy
}

fn label_groups() -> BTreeMap<policy::Name, LabelGroup> {
    let group = |key: &str, values: &[&str], sub: &[&str]| LabelGroup {
        key: key.into(),
        labels: values.iter().map(|value| (*value).into()).collect(),
        sub_groups: sub.iter().map(|name| (*name).into()).collect(),
    };
    BTreeMap::from([
        ("nonprod".into(), group("env", &["dev", "test"], &[])),
        ("everywhere".into(), group("env", &["prod"], &["nonprod"])),
        ("fronts".into(), group("role", &["web", "lb"], &[])),
        ("nobody".into(), group("env", &[], &[])),
    ])
}

fn enforcement(rng: &mut Rng) -> Vec<EnforcementRule> {
    let mut entries = Vec::new();
    for mode in [EnforcementMode::Idle, EnforcementMode::VisibilityOnly] {
        if rng.u8(..4) == 0 {
            let target = ScopeTarget::Label(label(rng));
            entries.push(EnforcementRule { scope: vec![ScopeEntry { target, exclusion: false }], mode });
        }
    }
    entries.push(EnforcementRule { scope: Vec::new(), mode: EnforcementMode::Full });
    entries
}

fn scope(rng: &mut Rng) -> Vec<ScopeEntry> {
    (0..rng.usize(1..3))
        .map(|_| {
            let target = match rng.u8(..3) {
                0 => ScopeTarget::LabelGroup(pick(rng, &["nonprod", "everywhere", "fronts"]).into()),
                _ => ScopeTarget::Label(label(rng)),
            };
            ScopeEntry { target, exclusion: rng.u8(..5) == 0 }
        })
        .collect()
}

fn rule(rng: &mut Rng, number: usize, services: &[&str]) -> Rule {
    Rule {
        name: format!("r{number}").into(),
        enabled: rng.u8(..12) > 0,
        action: Action::Allow,
        sources: side(rng),
        destinations: side(rng),
        services: (0..rng.usize(1..4)).map(|_| service(rng, services)).collect(),
        extra_scope: rng.u8(..4) == 0,
    }
}

fn service(rng: &mut Rng, services: &[&str]) -> ServiceSet {
    if rng.u8(..4) > 0 {
        return pick(rng, services).parse().unwrap();
    }
    let (first, length) = (rng.u16(..), rng.u16(..40));
    ServiceSet::range(if rng.bool() { 6 } else { 17 }, first, first.saturating_add(length))
}

fn side(rng: &mut Rng) -> Vec<Actor> {
    (0..rng.usize(1..4)).map(|_| actor(rng)).collect()
}

fn actor(rng: &mut Rng) -> Actor {
    match rng.u8(..12) {
        0 | 1 => Actor::AllWorkloads,
        2 | 3 => Actor::IpList(LISTS[rng.usize(..LISTS.len())].0.into()),
        4 => Actor::Workload(format!("i-{:02}", rng.u8(1..8)).as_str().into()),
        5 | 6 => {
            let group = pick(rng, &["nonprod", "everywhere", "fronts", "nobody"]).into();
            Actor::LabelGroup { group, exclusion: rng.u8(..4) == 0 }
        }
        _ => Actor::Label { label: label(rng), exclusion: rng.u8(..4) == 0 },
    }
}
