//! Small estates as lines, with what is seen of them as [`provider_azure::observed`] would say it.
//!
//! ```text
//! vnet a: 10.0.0.0/16 2001:db8:a::/48 peers=b
//! nic w1: vnet=a nsg=front role=web env=prod @10.0.0.1 @2001:db8:a::1 asg=/s/asg/theirs attach=never
//! rule front: 200 tcp/22 from 203.0.113.0/24       (of somebody else, allow, towards everybody behind it)
//! scope: egress exclusive observed
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use plan::{
    AttachClass, Attachment, Cloud, Desired, Direction, Drift, Gates, GroupId, InterfaceState, Limits,
    NetworkState, Observed, Owner, PathEffect, PathFilter, PathRule, Peer, Peering, RuleService, Scope,
    ScopeInput, Steps, Transients, plan_steps,
};
use policy::file::{PolicyFiles, SourceFile, load};
use policy::{CompiledPolicy, NetworkId, Snapshot, compile};
use provider::LowerInput;
use provider_azure::AzureSettings;
use provider_azure::ids::{self, GroupKind};
use provider_azure::observed::derive;
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};

const ROOT: &str = "/subscriptions/s/resourcegroups/rg/providers/microsoft.network";
pub const INSTALLATION: &str = "t";

/// One scope with a policy.
pub struct Estate {
    pub files: PolicyFiles,
    pub scope: Scope,
    pub observed: Observed,
    pub snapshot: Snapshot,
    pub compiled: CompiledPolicy,
}

impl Estate {
    pub fn new(policy: &str, lines: &str) -> Self {
        let file = SourceFile { name: "policy.yaml".to_owned(), text: policy.to_owned() };
        let files = load(&[file]).unwrap_or_else(|errors| panic!("{errors:?}\n{policy}"));
        let mut scope = scope();
        let mut observed = Observed {
            scope: Some(scope.id.clone()),
            limits: Limits {
                rules_per_group: 100_000,
                groups_per_interface: 100,
                groups_per_region: 100_000,
            },
            ..Observed::default()
        };
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (head, tail) = line.split_once(':').unwrap();
            let words: Vec<&str> = tail.split_whitespace().collect();
            match head.split_once(' ') {
                Some(("vnet", name)) => observed.networks.push(network(name, &words)),
                Some(("nic", name)) => nic(&mut observed, name, &words),
                Some(("rule", nsg)) => rule(&mut observed, nsg, &words),
                _ => settings(&mut scope, &words),
            }
        }
        observed.networks.sort_by(|a, b| a.id.cmp(&b.id));
        observed.interfaces.sort_by(|a, b| a.id.cmp(&b.id));
        let band = settings_of(&scope).band_of(Some(&scope.id));
        Self::seen(files, scope, derive::derive(&band, observed))
    }

    /// The same policy over another observation.
    pub fn seen(files: PolicyFiles, scope: Scope, observed: Observed) -> Self {
        let snapshot = reconcile::inventory::snapshot(&files, &mapping(), &[(&scope, &observed)]);
        let compiled = compile(&snapshot).policy;
        Self { files, scope, observed, snapshot, compiled }
    }

    pub fn with_input<T>(&self, run: impl FnOnce(&LowerInput<'_>) -> T) -> T {
        run(&LowerInput {
            installation: INSTALLATION,
            compiled: &self.compiled,
            snapshot: &self.snapshot,
            domain: &[(&self.scope, &self.observed)],
            scope: 0,
        })
    }

    pub fn lower(&self) -> Desired {
        self.with_input(|input| provider_azure::lower::lower(&settings_of(&self.scope), input))
    }

    pub fn steps(&self, desired: &Desired) -> Steps {
        plan_steps(&[ScopeInput { scope: &self.scope, observed: &self.observed, desired }], &[])
    }

    /// The estate when every step is done and what was planned has ids of the cloud.
    pub fn after(&self, steps: &Steps) -> Self {
        let after = plan::after(&self.observed, &steps.steps);
        let mut after = Self::seen(self.files.clone(), self.scope.clone(), realized(after));
        after.snapshot.translations.clone_from(&self.snapshot.translations);
        after
    }
}

/// The settings of the driver for a scope.
fn settings_of(scope: &Scope) -> AzureSettings {
    let mut settings = AzureSettings::new(INSTALLATION);
    settings.exclusive.extend((scope.attachment == Attachment::Exclusive).then(|| scope.id.clone()));
    settings
}

/// The observation with an id of the cloud in place of each planned one.
fn realized(observed: Observed) -> Observed {
    let nsgs: BTreeMap<String, String> =
        observed.path_filters.iter().map(|filter| (filter.name.clone(), filter.id.clone())).collect();
    let asg = |name: &str| format!("{ROOT}/applicationsecuritygroups/{name}");
    let real = |id: &GroupId| match ids::kind_of(id) {
        GroupKind::PlannedAsg { name, .. } => GroupId::from(asg(&name)),
        GroupKind::PlannedCarrier { asg: name, nsg, .. } => {
            GroupId::from(format!("{}|{}", nsgs[&nsg], asg(&name)))
        }
        _ => id.clone(),
    };
    let mut observed = observed;
    for group in &mut observed.groups {
        group.id = real(&group.id);
        for rule in group.ingress.iter_mut().chain(&mut group.egress) {
            if let Peer::Group(peer) = &rule.peer {
                rule.peer = Peer::Group(real(peer));
            }
        }
        group.ingress.sort();
        group.egress.sort();
    }
    for interface in &mut observed.interfaces {
        interface.groups = interface.groups.iter().map(real).collect();
        interface.groups.sort();
    }
    observed.groups.sort_by(|a, b| a.id.cmp(&b.id));
    observed
}

fn scope() -> Scope {
    Scope {
        id: "azure".into(),
        cloud: Cloud::Azure,
        account: "s".to_owned(),
        region: "westeurope".to_owned(),
        networks: Vec::new(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 1000,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

fn settings(scope: &mut Scope, words: &[&str]) {
    for word in words {
        match *word {
            "egress" => scope.egress = true,
            "exclusive" => scope.attachment = Attachment::Exclusive,
            "observed" => scope.enforce = false,
            "additive" => scope.attachment = Attachment::Additive,
            other => panic!("{other}"),
        }
    }
}

fn mapping() -> Mapping {
    let entry = |key: &str| MappingEntry {
        key: key.into(),
        tag: key.to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    Mapping { entries: vec![entry("role"), entry("env")] }
}

pub fn network_id(name: &str) -> NetworkId {
    format!("{ROOT}/virtualnetworks/{name}").into()
}

fn network(name: &str, words: &[&str]) -> NetworkState {
    let peers = words.iter().filter_map(|word| word.strip_prefix("peers="));
    let peering = |peer: &str| Peering { peer: network_id(peer), handle: String::new(), identity: false };
    NetworkState {
        id: network_id(name),
        name: name.to_owned(),
        cidrs: words.iter().filter_map(|word| word.parse().ok()).collect(),
        peerings: peers.flat_map(|peers| peers.split(',')).map(peering).collect(),
    }
}

fn nic(observed: &mut Observed, name: &str, words: &[&str]) {
    let values = |key: &str| {
        let prefix = format!("{key}=");
        words.iter().filter_map(move |word| word.strip_prefix(&prefix).map(str::to_owned)).collect::<Vec<_>>()
    };
    let first = |key: &str| values(key).first().cloned();
    let tags = ["role", "env"].iter().filter_map(|key| Some(((*key).to_owned(), first(key)?)));
    let attach = match first("attach").as_deref() {
        None => AttachClass::Direct,
        Some("service") => AttachClass::ThroughService("its scale set".to_owned()),
        Some(why) => AttachClass::Never(why.to_owned()),
    };
    let filters: Vec<String> = values("nsg").iter().map(|nsg| filter(observed, nsg)).collect();
    observed.interfaces.push(InterfaceState {
        id: format!("{ROOT}/networkinterfaces/{name}").into(),
        network: network_id(&first("vnet").unwrap()),
        workload: name.into(),
        name: name.to_owned(),
        addresses: words.iter().filter_map(|word| word.strip_prefix('@')?.parse::<IpAddr>().ok()).collect(),
        groups: values("asg").into_iter().map(GroupId::from).collect(),
        attach,
        tags: tags.collect(),
        path_filters: filters,
        mac: None,
    });
}

/// The id of a security group, which is made with Azure's own rules when it is first named.
fn filter(observed: &mut Observed, name: &str) -> String {
    let id = format!("{ROOT}/networksecuritygroups/{name}");
    if observed.path_filters.iter().all(|filter| filter.id != id) {
        let rules = default_rules(&observed.networks);
        let filter = PathFilter { id: id.clone(), name: name.to_owned(), owner: Owner::Foreign, rules };
        observed.path_filters.push(filter);
    }
    id
}

fn default_rules(networks: &[NetworkState]) -> Vec<PathRule> {
    let space: Vec<Peer> = networks.iter().flat_map(|n| &n.cidrs).map(|block| Peer::Cidr(*block)).collect();
    let cidr = |text: &str| vec![Peer::Cidr(text.parse::<IpNet>().unwrap())];
    let of = |direction, priority: u32, effect, peers: Vec<Peer>| PathRule {
        name: format!("default-{priority}"),
        priority,
        owner: Owner::Foreign,
        direction,
        effect,
        targets: Vec::new(),
        peers,
        services: vec![RuleService::All],
    };
    use Direction::{Egress, Ingress};
    vec![
        of(Egress, 65_000, PathEffect::Allow, space.clone()),
        of(Ingress, 65_000, PathEffect::Allow, space),
        of(Egress, 65_001, PathEffect::Allow, cidr("0.0.0.0/0")),
        of(Ingress, 65_001, PathEffect::Allow, cidr("168.63.129.16/32")),
        of(Egress, 65_500, PathEffect::Deny, Vec::new()),
        of(Ingress, 65_500, PathEffect::Deny, Vec::new()),
    ]
}

/// `200 tcp/22 from 203.0.113.0/24`
fn rule(observed: &mut Observed, nsg: &str, words: &[&str]) {
    let [priority, service, "from", peer] = words else { panic!("{words:?}") };
    let service: policy::ServiceSet = service.parse().unwrap();
    let rule = PathRule {
        name: format!("theirs-{priority}"),
        priority: priority.parse().unwrap(),
        owner: Owner::Foreign,
        direction: Direction::Ingress,
        effect: PathEffect::Allow,
        targets: Vec::new(),
        peers: vec![Peer::Cidr(peer.parse().unwrap())],
        services: provider::lowering::merge::pieces(&service),
    };
    let id = filter(observed, nsg);
    let filter = observed.path_filters.iter_mut().find(|filter| filter.id == id).unwrap();
    filter.rules.push(rule);
    filter.rules.sort_by_key(|rule| rule.priority);
}
