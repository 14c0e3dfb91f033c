//! Small estates as lines, with what is seen of them as [`provider_gcp::observed`] would say it.
//!
//! ```text
//! net a: 10.0.0.0/16 2001:db8:a::/48 peers=b
//! vm w1: net=a role=web env=prod @10.0.0.1 @2001:db8:a::1 tag=tagValues/77 attach=service
//! rule a: 1000 tcp/22 from 203.0.113.0/24          (of somebody else, allow, towards everybody in the network)
//! rule a: 9 tcp to ::/0 deny list=inherited        (egress; `next`; `list=` ours, near (regional), theirs, inherited)
//! order a: policy-first
//! policy a: theirs                                 (of somebody else, in the place of ours)
//! vm w2: net=a nic=1 @10.0.0.2                   (not the first interface of its instance)
//! scope: egress exclusive network-tags            (the last: these stand for classes)
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use plan::{
    AttachClass, Attachment, Cloud, Desired, Direction, Drift, Gates, GroupId, InterfaceState, Limits,
    NetworkState, Observed, Owner, PathEffect, PathFilter, PathRule, Peer, Peering, RuleService, Scope,
    ScopeInput, Steps, Transients, plan_steps,
};
use policy::file::{PolicyFiles, SourceFile, load};
use policy::{CompiledPolicy, NetworkId, Snapshot, compile};
use provider::LowerInput;
use provider_gcp::ids;
use provider_gcp::observed::derive;
use provider_gcp::{GcpSettings, Identity};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};

pub const INSTALLATION: &str = "t";

/// One scope with a policy.
pub struct Estate {
    pub own: GcpSettings,
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
        let (mut scope, mut own) = (scope(), GcpSettings::new(INSTALLATION));
        let mut observed = Observed {
            scope: Some(scope.id.clone()),
            limits: Limits {
                rules_per_group: 1_000_000,
                groups_per_interface: 100,
                groups_per_region: 100_000,
            },
            ..Observed::default()
        };
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (head, tail) = line.split_once(':').unwrap();
            let words: Vec<&str> = tail.split_whitespace().collect();
            match head.split_once(' ') {
                Some(("net", name)) => network(&mut observed, name, &words),
                Some(("vm", name)) => vm(&mut observed, name, &words),
                Some(("rule", network)) => rule(&mut observed, network, &words),
                Some(("order", network)) => policy_first(&mut observed, network),
                Some(("policy", network)) => foreign_policy(&mut observed, network, words[0]),
                _ => settings(&mut scope, &mut own, &words),
            }
        }
        observed.path_filters.sort_by_key(place);
        for list in &mut observed.path_filters {
            list.rules.sort_by_key(|rule| rule.priority);
        }
        for interface in &mut observed.interfaces {
            let network = interface.network.as_str();
            let own = observed.path_filters.iter();
            let own = own.filter(|list| list.id.ends_with(network) || list.name.ends_with(network));
            interface.path_filters = own.map(|list| list.id.clone()).collect();
        }
        observed.networks.sort_by(|a, b| a.id.cmp(&b.id));
        observed.interfaces.sort_by(|a, b| a.id.cmp(&b.id));
        let observed = derive::derive(&own.band(), observed);
        Self { own, ..Self::seen(files, scope, observed) }
    }

    /// The same policy over another observation.
    pub fn seen(files: PolicyFiles, scope: Scope, observed: Observed) -> Self {
        let snapshot = reconcile::inventory::snapshot(&files, &mapping(), &[(&scope, &observed)]);
        let compiled = compile(&snapshot).policy;
        let own = GcpSettings::new(INSTALLATION);
        Self { own, files, scope, observed, snapshot, compiled }
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
        self.with_input(|input| provider_gcp::lower::lower(&self.own, input))
    }

    pub fn steps(&self, desired: &Desired) -> Steps {
        plan_steps(&[ScopeInput { scope: &self.scope, observed: &self.observed, desired }], &[])
    }

    /// The estate when every step is done and what was planned has ids of the cloud.
    pub fn after(&self, steps: &Steps) -> Self {
        let after = plan::after(&self.observed, &steps.steps);
        let observed = realized(after, self.own.identity);
        let seen = Self::seen(self.files.clone(), self.scope.clone(), observed);
        let mut after = Self { own: self.own.clone(), ..seen };
        after.snapshot.translations.clone_from(&self.snapshot.translations);
        after
    }
}

/// The observation with an id of the cloud in place of each planned one.
fn realized(mut observed: Observed, identity: Identity) -> Observed {
    let planned = observed.groups.iter().filter(|group| group.id.is_planned());
    let real: BTreeMap<GroupId, GroupId> = planned
        .enumerate()
        .map(|(number, group)| {
            let tag = ids::class_tag(INSTALLATION, &group.network, &group.name);
            let real = match identity {
                Identity::SecureTags => GroupId::from(format!("tagValues/{}", 1000 + number)),
                Identity::NetworkTags => ids::class(&group.network, &tag),
            };
            (group.id.clone(), real)
        })
        .collect();
    let real = |id: &GroupId| real.get(id).unwrap_or(id).clone();
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
        id: "gcp".into(),
        cloud: Cloud::Gcp,
        account: "p".to_owned(),
        region: String::new(),
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

fn settings(scope: &mut Scope, own: &mut GcpSettings, words: &[&str]) {
    for word in words {
        match *word {
            "network-tags" => own.identity = Identity::NetworkTags,
            "egress" => scope.egress = true,
            "exclusive" => scope.attachment = Attachment::Exclusive,
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
    format!("projects/p/global/networks/{name}").into()
}

fn network(observed: &mut Observed, name: &str, words: &[&str]) {
    let peers = words.iter().filter_map(|word| word.strip_prefix("peers="));
    let peering = |peer: &str| Peering { peer: network_id(peer), handle: String::new(), identity: true };
    let id = network_id(name);
    let end = |direction, effect| path_rule("implied", u32::MAX, direction, effect, Vec::new());
    observed.path_filters.push(PathFilter {
        id: ids::classic(&id, true),
        name: "classic".to_owned(),
        owner: Owner::Foreign,
        rules: Vec::new(),
    });
    observed.path_filters.push(PathFilter {
        id: ids::implied(&id),
        name: "implied".to_owned(),
        owner: Owner::Foreign,
        rules: vec![end(Direction::Ingress, PathEffect::Deny), end(Direction::Egress, PathEffect::Allow)],
    });
    observed.networks.push(NetworkState {
        id,
        name: name.to_owned(),
        cidrs: words.iter().filter_map(|word| word.parse().ok()).collect(),
        peerings: peers.flat_map(|peers| peers.split(',')).map(peering).collect(),
    });
}

fn path_rule(
    name: &str,
    priority: u32,
    direction: Direction,
    effect: PathEffect,
    peers: Vec<Peer>,
) -> PathRule {
    let (targets, services) = (Vec::new(), vec![RuleService::All]);
    PathRule {
        name: name.to_owned(),
        priority,
        owner: Owner::Foreign,
        direction,
        effect,
        targets,
        peers,
        services,
    }
}

fn vm(observed: &mut Observed, name: &str, words: &[&str]) {
    let values = |key: &str| {
        let prefix = format!("{key}=");
        words.iter().filter_map(move |word| word.strip_prefix(&prefix).map(str::to_owned)).collect::<Vec<_>>()
    };
    let first = |key: &str| values(key).first().cloned();
    let tags = ["role", "env"].iter().filter_map(|key| Some(((*key).to_owned(), first(key)?)));
    let attach = match first("attach").as_deref() {
        None => AttachClass::Direct,
        Some("service") => AttachClass::ThroughService("its instance group".to_owned()),
        Some(why) => AttachClass::Never(why.to_owned()),
    };
    observed.interfaces.push(InterfaceState {
        id: format!("projects/p/zones/z/instances/{name}#nic{}", first("nic").unwrap_or("0".to_owned()))
            .into(),
        network: network_id(&first("net").unwrap()),
        workload: name.into(),
        name: name.to_owned(),
        addresses: words.iter().filter_map(|word| word.strip_prefix('@')?.parse::<IpAddr>().ok()).collect(),
        groups: values("tag").into_iter().map(GroupId::from).collect(),
        attach,
        tags: tags.collect(),
        path_filters: Vec::new(),
        mac: None,
    });
}

/// `1000 tcp/22 from 203.0.113.0/24 deny list=ours`
fn rule(observed: &mut Observed, network: &str, words: &[&str]) {
    let [priority, service, way, peer, more @ ..] = words else { panic!("{words:?}") };
    let service: policy::ServiceSet = service.parse().unwrap();
    let peer = match peer.parse() {
        Ok(block) => Peer::Cidr(block),
        Err(_) if peer.starts_with('?') => Peer::Opaque((*peer).to_owned()),
        Err(_) => Peer::Group(GroupId::from(*peer)),
    };
    let direction = if *way == "from" { Direction::Ingress } else { Direction::Egress };
    let effect = match more {
        words if words.contains(&"deny") => PathEffect::Deny,
        words if words.contains(&"next") => PathEffect::Next,
        _ => PathEffect::Allow,
    };
    let rule = path_rule("theirs", priority.parse().unwrap(), direction, effect, vec![peer]);
    let services = provider::lowering::merge::pieces(&service);
    let word = |key: &str| more.iter().find_map(|word| word.strip_prefix(key));
    let targets = word("for=").map(GroupId::from).into_iter().collect();
    let list = list(observed, network, word("list=").unwrap_or("classic"));
    list.rules.push(PathRule { services, targets, ..rule });
}

/// A list of a network, made if it is not there.
fn list<'a>(observed: &'a mut Observed, network: &str, word: &str) -> &'a mut PathFilter {
    let network = network_id(network);
    let (id, owner) = match word {
        "classic" => {
            let id = ids::classic(&network, true);
            let is_first = observed.path_filters.iter().any(|list| list.id == id);
            (ids::classic(&network, is_first), Owner::Foreign)
        }
        "ours" => (ids::policy(INSTALLATION, &network).as_str().to_owned(), Owner::Ours),
        "inherited" => (ids::inherited(&network, "org"), Owner::Foreign),
        "near" => ("projects/p/regions/r/firewallPolicies/near".to_owned(), Owner::Foreign),
        name => (format!("projects/p/global/firewallPolicies/{name}"), Owner::Foreign),
    };
    if !observed.path_filters.iter().any(|list| list.id == id) {
        let (id, name) = (id.clone(), format!("{word} of {network}"));
        observed.path_filters.push(PathFilter { id, name, owner, rules: Vec::new() });
    }
    observed.path_filters.iter_mut().find(|list| list.id == id).unwrap()
}

/// Where a list stands on a path.
fn place(list: &PathFilter) -> u8 {
    match ids::is_classic_first(&list.id) {
        _ if ids::is_inherited(&list.id) => 0,
        Some(true) => 1,
        None if ids::is_global_policy(&list.id) => 2,
        None if ids::is_regional(&list.id) => 3,
        Some(false) => 4,
        None => 5,
    }
}

fn policy_first(observed: &mut Observed, network: &str) {
    list(observed, network, "classic").id = ids::classic(&network_id(network), false);
}

fn foreign_policy(observed: &mut Observed, network: &str, name: &str) {
    list(observed, network, name);
}
