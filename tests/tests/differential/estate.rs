//! Generated estates: VPCs `a` and `b` are peered; `c` is not connected, and half of the time has the blocks
//! of `a`, so that addresses are shadowed and ambiguous. Inside `a` and `b` together no address is given twice.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use fastrand::Rng;
use plan::state::allow_everything;
use plan::{
    AttachClass, Attachment, Cloud, Drift, Gates, GroupState, InterfaceState, Limits, NetworkState, Observed,
    Owner, Peering, Scope, Transients,
};
use policy::file::PolicyFiles;
use policy::{
    Directions, EnforcementMode, Interface, InterfaceId, LabelSet, NetworkId, Policy, Snapshot, Workload,
};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};

use crate::rules::KEYS;

/// No world comes near these: what does not fit is another test's matter.
pub const LIMITS: Limits =
    Limits { rules_per_group: 100_000, groups_per_interface: 16, groups_per_region: 2_500 };

/// What people wrote, and what is there.
#[derive(Clone)]
pub struct Estate {
    /// The policy, with unmanaged workloads.
    pub files: PolicyFiles,
    /// One scope or two.
    pub domain: Vec<(Scope, Observed)>,
}

impl Estate {
    /// The domain by reference.
    pub fn scopes(&self) -> Vec<(&Scope, &Observed)> {
        self.domain.iter().map(|(scope, observed)| (scope, observed)).collect()
    }
}

/// Other tags for some interfaces.
pub fn retag(rng: &mut Rng, estate: &mut Estate) {
    for (_, observed) in &mut estate.domain {
        for interface in &mut observed.interfaces {
            if rng.u8(..4) == 0 {
                interface.tags = tags(rng);
            }
        }
    }
}

/// Every key from the tag of the same name.
pub fn mapping() -> Mapping {
    let entry = |key: &str| MappingEntry {
        key: key.into(),
        tag: key.to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    Mapping { entries: KEYS.iter().map(|(key, _)| entry(key)).collect() }
}

/// An estate for a policy. Interfaces carry no group yet.
pub fn estate(rng: &mut Rng, policy: Policy) -> Estate {
    let networks = networks(rng);
    let interfaces = interfaces(rng, &networks);
    let count = rng.u8(..3);
    let unmanaged = unmanaged(rng, count);
    let files = PolicyFiles { policy, workloads: unmanaged, ..PolicyFiles::default() };
    let names: Vec<NetworkId> = networks.iter().map(|network| network.id.clone()).collect();
    let parts: Vec<Vec<NetworkId>> =
        if rng.bool() { vec![names] } else { vec![names[..1].to_vec(), names[1..].to_vec()] };
    let domain = parts.into_iter().enumerate().map(|(number, names)| {
        let scope = scope(rng, number, &names);
        let observed = Observed {
            scope: Some(scope.id.clone()),
            networks: networks.iter().filter(|n| names.contains(&n.id)).cloned().collect(),
            interfaces: interfaces.iter().filter(|i| names.contains(&i.network)).cloned().collect(),
            groups: foreign_groups(&names),
            path_filters: Vec::new(),
            limits: LIMITS,
        };
        (scope, observed)
    });
    Estate { files, domain: domain.collect() }
}

fn networks(rng: &mut Rng) -> Vec<NetworkState> {
    let network = |name: &str, cidrs: [&str; 2], peer: Option<&str>| NetworkState {
        id: format!("vpc-{name}").into(),
        name: name.to_owned(),
        cidrs: cidrs.iter().map(|text| text.parse().unwrap()).collect(),
        peerings: peer
            .map(|peer| Peering {
                peer: format!("vpc-{peer}").into(),
                handle: "pcx-1".to_owned(),
                identity: true,
            })
            .into_iter()
            .collect(),
    };
    let mut networks = vec![
        network("a", ["10.0.0.0/16", "2001:db8:a::/48"], Some("b")),
        network("b", ["10.1.0.0/16", "2001:db8:b::/48"], Some("a")),
    ];
    if rng.u8(..3) > 0 {
        let block = if rng.bool() { "10.0.0.0/16" } else { "10.2.0.0/16" };
        networks.push(network("c", [block, "2001:db8:c::/48"], None));
    }
    networks
}

fn scope(rng: &mut Rng, number: usize, networks: &[NetworkId]) -> Scope {
    Scope {
        id: format!("scope{number}").as_str().into(),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "eu-west-1".to_owned(),
        networks: networks.to_vec(),
        enforce: true,
        egress: rng.bool(),
        attachment: if rng.u8(..3) == 0 { Attachment::Additive } else { Attachment::Exclusive },
        drift: Drift::Repair,
        settle_ms: 1000,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

fn interfaces(rng: &mut Rng, networks: &[NetworkState]) -> Vec<InterfaceState> {
    let mut next_host: BTreeMap<&NetworkId, u8> = BTreeMap::new();
    let mut interfaces: Vec<InterfaceState> = Vec::new();
    for number in 1..=rng.u8(2..11) {
        let network = &networks[[0, 0, 1, 1, 2][rng.usize(..5)] % networks.len()];
        let host = next_host.entry(&network.id).or_insert(4);
        // A second interface of the instance before, now and then.
        let shared = interfaces.last().filter(|_| rng.u8(..6) == 0).map(|last| last.workload.clone());
        let workload = shared.unwrap_or_else(|| format!("i-{number:02}").as_str().into());
        interfaces.push(InterfaceState {
            id: format!("eni-{number:02}").as_str().into(),
            network: network.id.clone(),
            workload,
            name: format!("host {number}"),
            addresses: addresses(rng, network, host),
            groups: Vec::new(),
            attach: match rng.u8(..10) {
                0 => AttachClass::ThroughService("elasticloadbalancing".to_owned()),
                1 => AttachClass::Never("a lambda function's interface".to_owned()),
                _ => AttachClass::Direct,
            },
            tags: tags(rng),
            path_filters: Vec::new(),
            mac: None,
        });
    }
    interfaces
}

/// Primary and secondary addresses, IPv6 on most; `next` is the first free host number.
fn addresses(rng: &mut Rng, network: &NetworkState, next: &mut u8) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let give = |block: &ipnet::IpNet, next: &mut u8| {
        let host = *next;
        *next += 1;
        let block = block.network();
        match block {
            IpAddr::V4(base) => IpAddr::V4((base.to_bits() + u32::from(host)).into()),
            IpAddr::V6(base) => IpAddr::V6((base.to_bits() + u128::from(host)).into()),
        }
    };
    for (place, block) in network.cidrs.iter().enumerate() {
        if place > 0 && rng.u8(..4) == 0 {
            continue;
        }
        for _ in 0..[1, 1, 2, 3][rng.usize(..4)] {
            addresses.push(give(block, next));
        }
    }
    addresses
}

/// Some labels, as tags.
pub fn tags(rng: &mut Rng) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([("Name".to_owned(), "host".to_owned())]);
    for (key, values) in KEYS {
        if rng.u8(..8) > 0 {
            tags.insert(key.to_owned(), values[rng.usize(..values.len())].to_owned());
        }
    }
    tags
}

/// Workloads outside every network: they have addresses and labels only.
pub fn unmanaged(rng: &mut Rng, count: u8) -> Vec<Workload> {
    (0..count)
        .map(|number| {
            let v4 = if rng.u8(..4) == 0 { [10, 0, 0, rng.u8(4..20)] } else { [192, 168, 0, number + 1] };
            let v6 = format!("2001:db8:f::{}", number + 1).parse().unwrap();
            let interface = Interface {
                id: InterfaceId::from(format!("unmanaged-{number}")),
                network: None,
                addresses: vec![IpAddr::V4(Ipv4Addr::from(v4)), v6],
                enforces: Directions::NONE,
            };
            let labels: LabelSet =
                KEYS.iter().map(|(key, values)| ((*key).into(), values[rng.usize(..3)].into())).collect();
            let id = format!("on-prem-{number}").as_str().into();
            Workload { id, labels, mode: EnforcementMode::Full, interfaces: vec![interface] }
        })
        .collect()
}

/// In each network: a foreign group that lets everything pass, and one that lets nothing pass.
fn foreign_groups(networks: &[NetworkId]) -> Vec<GroupState> {
    let mut groups = Vec::new();
    for (word, rules) in [("open", allow_everything().to_vec()), ("quiet", Vec::new())] {
        groups.extend(networks.iter().map(|network| GroupState {
            id: foreign(word, network).as_str().into(),
            network: network.clone(),
            name: format!("{word}-{network}"),
            owner: Owner::Foreign,
            ingress: rules.clone(),
            egress: rules.clone(),
            tag_drift: BTreeMap::new(),
        }));
    }
    groups.sort_by(|a, b| a.id.cmp(&b.id));
    groups
}

/// The id of a foreign group.
pub fn foreign(word: &str, network: &NetworkId) -> String {
    format!("sg-{word}-{network}")
}

/// Puts foreign groups on every interface, so that the cloud means what the policy says after the plan: open on
/// interfaces that nobody enforces; on the others open only where the plan takes foreign groups off.
pub fn attach_foreign(rng: &mut Rng, estate: &mut Estate, snapshot: &Snapshot) {
    for (scope, observed) in &mut estate.domain {
        for interface in &mut observed.interfaces {
            let mut found = snapshot.interfaces().filter(|(_, _, i)| i.id == interface.id);
            let enforced =
                found.any(|(_, workload, i)| workload.mode == EnforcementMode::Full && i.enforces.ingress);
            let open = !enforced || scope.attachment == Attachment::Exclusive && rng.bool();
            let word = if open { "open" } else { "quiet" };
            interface.groups = vec![foreign(word, &interface.network).as_str().into()];
        }
    }
}
