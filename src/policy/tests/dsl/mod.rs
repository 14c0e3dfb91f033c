//! Worlds and flows in one line each, for tests: text in, [`Snapshot`], [`Flow`] and decision text out.
//!
//! One line is one thing:
//! - `network a: 10.0.0.0/16 2001:db8:a::/48 peers=b,c`: a network; one that only a workload names has no
//!   blocks and no peers. A peering may be written on one side only;
//! - `nat a: 203.0.113.1 2001:db8:f::1 from=10.0.1.0/24 towards=c,d`: what addresses of a network look like elsewhere;
//! - `group nonprod: env=dev env=test group:other`: a label group (`group nobody: key=env` is an empty one);
//! - `list office: 203.0.113.0/24 not 203.0.113.66`: an IP list;
//! - `web-1: role=web app=shop @10.0.1.5 @10.0.1.6 vpc=a mode=selective enforces=ingress`: a workload.
//!   Default: mode `full`, `enforces=both`; without `vpc` it is unmanaged, enforces nothing and is in no
//!   network. More interfaces follow a ` ; `, each with its own `@`, `vpc`, `enforces`;
//! - `[app=shop env=prod] [app=blog] role=web not loc=us -> role=db list:office : tcp/5432 udp/53`: a rule.
//!   No `[…]` is no scope; `[not loc=us group:nonprod]` works. Actors: `key=value`, `group:NAME`, `list:NAME`,
//!   `workload:NAME`, `all-workloads`, each label or group with `not ` before it. After the scopes any of
//!   `extra`, `deny`, `override-deny`, `disabled`, `disabled-ruleset`. Rules are named `r1/rule`, `r2/rule`, …
//!   in order; `rule shop/web-to-db: […] …` gives a name, and joins an earlier ruleset of that name.
//!
//! A flow is `web-1 -> db-1 : tcp/5432`. An end is a workload (its first interface with an address of the
//! right family), `web-1.1` (its second interface), `web-1@10.0.1.6`, or an address of nobody.
//!
//! INVARIANT: whatever is wrong with a line, the test panics with the line in its message.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::IpAddr;

use policy::ruleset::{Action, Actor, IpList, LabelGroup, Rule, Ruleset, ScopeEntry, ScopeTarget};
use policy::{
    AddressSet, Decision, Directions, End, EndDecision, EnforcementMode, Flow, Interface, InterfaceId, Label,
    Name, Network, NetworkId, ServiceSet, Snapshot, Translation, Verdict, Workload,
};

/// Reads a world.
pub fn world(lines: &[&str]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for line in lines {
        read_line(&mut snapshot, line.trim());
    }
    let pairs: Vec<(NetworkId, NetworkId)> = (snapshot.networks.values())
        .flat_map(|network| network.peers.iter().map(|peer| (peer.clone(), network.id.clone())))
        .collect();
    for (network, peer) in pairs {
        network_mut(&mut snapshot, network.as_str()).peers.insert(peer);
    }
    snapshot.workloads.sort_by(|a, b| a.id.cmp(&b.id));
    let labels: Vec<Label> = snapshot.workloads.iter().flat_map(labels_of).collect();
    for label in labels {
        snapshot.policy.labels.entry(label.key).or_default().insert(label.value);
    }
    snapshot
}

/// The labels of a workload, one by one.
pub fn labels_of(workload: &Workload) -> Vec<Label> {
    workload.labels.iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
}

/// Reads a flow between ends of the world.
pub fn flow(snapshot: &Snapshot, line: &str) -> Flow {
    let (ends, service) = line.split_once(" : ").unwrap_or_else(|| panic!("no ` : ` in `{line}`"));
    let (source, destination) = ends.split_once("->").unwrap_or_else(|| panic!("no `->` in `{line}`"));
    let (source, destination) = (source.trim(), destination.trim());
    let service: ServiceSet = service.trim().parse().unwrap_or_else(|error| panic!("{error} in `{line}`"));
    let wants_v6 = [source, destination]
        .iter()
        .any(|end| end.rsplit('@').next().unwrap().parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()));
    Flow {
        source: end(snapshot, source, wants_v6),
        destination: end(snapshot, destination, wants_v6),
        service: service.first().unwrap(),
    }
}

/// A decision in words: `blocked, egress allowed by r1/rule, ingress default denied`.
pub fn show(decision: &Decision) -> String {
    let verdict = match decision.verdict {
        Verdict::Allowed => "allowed",
        Verdict::PotentiallyBlocked => "potentially blocked",
        Verdict::Blocked => "blocked",
    };
    format!("{verdict}, egress {}, ingress {}", show_end(&decision.egress), show_end(&decision.ingress))
}

/// The decision of one end in words.
pub fn show_end(decision: &EndDecision) -> String {
    match decision {
        EndDecision::NotEnforced => "not enforced".to_owned(),
        EndDecision::Essential => "essential".to_owned(),
        EndDecision::OverrideDenied(rule) => format!("override denied by {rule}"),
        EndDecision::Allowed(rule) => format!("allowed by {rule}"),
        EndDecision::Denied(rule) => format!("denied by {rule}"),
        EndDecision::DefaultAllowed => "default allowed".to_owned(),
        EndDecision::DefaultDenied => "default denied".to_owned(),
    }
}

/// Checks flows of a world, one a line: `web-1 -> db-1 : tcp/5432 => blocked, ingress default denied`. Of the
/// decision's parts (see [`show`]) those that are written must be there.
pub fn check_with(decide: impl Fn(&Snapshot, &Flow) -> Decision, lines: &[&str], flows: &[&str]) {
    let snapshot = world(lines);
    let mut wrong = Vec::new();
    for line in flows {
        let (text, expected) = line.split_once("=>").unwrap_or_else(|| panic!("no `=>` in `{line}`"));
        let found = show(&decide(&snapshot, &flow(&snapshot, text.trim())));
        let parts: Vec<&str> = found.split(", ").collect();
        if !expected.trim().split(", ").all(|part| parts.contains(&part)) {
            wrong.push(format!("{line}\n    found: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} flows:\n  {}", wrong.len(), flows.len(), wrong.join("\n  "));
}

fn read_line(snapshot: &mut Snapshot, line: &str) {
    if line.contains("->") {
        return read_rule(snapshot, line);
    }
    let (head, rest) = line.split_once(':').unwrap_or_else(|| panic!("no `:` in `{line}`"));
    match head.split_once(' ') {
        Some(("network", id)) => read_network(snapshot, id, rest),
        Some(("nat", id)) => read_translation(snapshot, id, rest),
        Some(("group", name)) => read_group(snapshot, name, rest),
        Some(("list", name)) => read_list(snapshot, name, rest),
        Some(_) => panic!("what is `{head}` in `{line}`?"),
        None => read_workload(snapshot, head, rest),
    }
}

fn network_mut<'a>(snapshot: &'a mut Snapshot, id: &str) -> &'a mut Network {
    let new = || Network { id: id.into(), cidrs: Vec::new(), peers: Default::default() };
    snapshot.networks.entry(id.into()).or_insert_with(new)
}

fn read_network(snapshot: &mut Snapshot, id: &str, rest: &str) {
    let network = network_mut(snapshot, id);
    for word in rest.split_whitespace() {
        match word.strip_prefix("peers=") {
            Some(peers) => network.peers.extend(peers.split(',').map(NetworkId::from)),
            None => network.cidrs.push(word.parse().unwrap_or_else(|error| panic!("{error}: `{word}`"))),
        }
    }
}

fn read_translation(snapshot: &mut Snapshot, id: &str, rest: &str) {
    let mut one = Translation {
        network: id.into(),
        from: Vec::new(),
        towards: Default::default(),
        addresses: Vec::new(),
    };
    for word in rest.split_whitespace() {
        if let Some(blocks) = word.strip_prefix("from=") {
            one.from.extend(blocks.split(',').map(|block| block.parse::<ipnet::IpNet>().unwrap()));
        } else if let Some(networks) = word.strip_prefix("towards=") {
            one.towards.extend(networks.split(',').map(NetworkId::from));
        } else {
            one.addresses.push(word.parse().unwrap_or_else(|error| panic!("{error}: `{word}`")));
        }
    }
    snapshot.translations.push(one);
}

fn read_group(snapshot: &mut Snapshot, name: &str, rest: &str) {
    let mut group =
        LabelGroup { key: "none".into(), labels: Default::default(), sub_groups: Default::default() };
    for word in rest.split_whitespace() {
        if let Some(sub_group) = word.strip_prefix("group:") {
            group.sub_groups.insert(sub_group.into());
        } else if let Some(key) = word.strip_prefix("key=") {
            group.key = key.into();
        } else {
            let label = read_label(snapshot, word);
            group.key = label.key;
            group.labels.insert(label.value);
        }
    }
    // A group of groups has the key of what is in it: write the inner one first.
    if let Some(inner) = group.sub_groups.iter().find_map(|name| snapshot.policy.label_groups.get(name)) {
        group.key = inner.key.clone();
    }
    snapshot.policy.label_groups.insert(name.into(), group);
}

fn read_list(snapshot: &mut Snapshot, name: &str, rest: &str) {
    let (mut addresses, mut taken_off) = (AddressSet::empty(), AddressSet::empty());
    for (word, exclusion) in words(rest) {
        let set: AddressSet = word.parse().unwrap_or_else(|error| panic!("{error}"));
        let target = if exclusion { &mut taken_off } else { &mut addresses };
        *target = target.union(&set);
    }
    let addresses = addresses.difference(&taken_off);
    snapshot.policy.ip_lists.insert(name.into(), IpList { addresses });
}

fn read_workload(snapshot: &mut Snapshot, id: &str, rest: &str) {
    let mut workload = Workload {
        id: id.into(),
        labels: Default::default(),
        mode: EnforcementMode::Full,
        interfaces: vec![],
    };
    for (index, part) in rest.split(';').enumerate() {
        let interface_id = if index == 0 { id.to_owned() } else { format!("{id}.{index}") };
        let mut interface = Interface {
            id: InterfaceId::from(interface_id),
            network: None,
            addresses: Vec::new(),
            enforces: Directions::NONE,
        };
        let mut enforces = None;
        for word in part.split_whitespace() {
            if let Some(address) = word.strip_prefix('@') {
                interface.addresses.push(address.parse().unwrap_or_else(|error| panic!("{error}: `{word}`")));
            } else if let Some(network) = word.strip_prefix("vpc=") {
                network_mut(snapshot, network);
                interface.network = Some(network.into());
            } else if let Some(mode) = word.strip_prefix("mode=") {
                workload.mode = read_mode(mode);
            } else if let Some(directions) = word.strip_prefix("enforces=") {
                enforces = Some(read_directions(directions));
            } else {
                let label = read_label(snapshot, word);
                workload.labels.insert(label.key, label.value);
            }
        }
        let default = if interface.network.is_some() { Directions::BOTH } else { Directions::NONE };
        interface.enforces = enforces.unwrap_or(default);
        workload.interfaces.push(interface);
    }
    snapshot.workloads.push(workload);
}

fn read_mode(text: &str) -> EnforcementMode {
    match text {
        "idle" => EnforcementMode::Idle,
        "visibility" | "visibility_only" => EnforcementMode::VisibilityOnly,
        "selective" => EnforcementMode::Selective,
        "full" => EnforcementMode::Full,
        _ => panic!("no mode `{text}`"),
    }
}

fn read_directions(text: &str) -> Directions {
    match text {
        "none" => Directions::NONE,
        "ingress" => Directions::INGRESS,
        "egress" => Directions { ingress: false, egress: true },
        "both" => Directions::BOTH,
        _ => panic!("no directions `{text}`"),
    }
}

/// A label of the world; it exists from now on.
fn read_label(snapshot: &mut Snapshot, text: &str) -> Label {
    let label: Label = text.parse().unwrap_or_else(|error| panic!("{error}"));
    snapshot.policy.labels.entry(label.key.clone()).or_default().insert(label.value.clone());
    label
}

/// Words with whether `not` stands before them.
fn words(text: &str) -> Vec<(&str, bool)> {
    let (mut words, mut exclusion) = (Vec::new(), false);
    for word in text.split_whitespace() {
        if word == "not" {
            exclusion = true;
        } else {
            words.push((word, std::mem::take(&mut exclusion)));
        }
    }
    words
}

/// Adds one rule line to the policy.
pub fn read_rule(snapshot: &mut Snapshot, line: &str) {
    let bad = |what: &str| -> ! { panic!("{what} in rule `{line}`") };
    let (name, mut rest) = match line.strip_prefix("rule ").map(|rest| rest.split_once(": ")) {
        Some(Some((name, rest))) => (Some(name), rest.trim()),
        Some(None) => bad("no `: ` after the name"),
        None => (None, line),
    };
    let mut scopes = Vec::new();
    while let Some((scope, after)) = rest.strip_prefix('[').map(|rest| rest.split_once(']').unwrap()) {
        scopes.push(words(scope).into_iter().map(|word| read_scope_entry(snapshot, word)).collect());
        rest = after.trim_start();
    }
    let (sides, services) = rest.split_once(" : ").unwrap_or_else(|| bad("no ` : `"));
    let (mut sources, destinations) = sides.split_once("->").unwrap_or_else(|| bad("no `->`"));
    let (mut action, mut enabled, mut ruleset_enabled, mut extra_scope) = (Action::Allow, true, true, false);
    loop {
        let (word, after) = sources.trim_start().split_once(' ').unwrap_or((sources, ""));
        match word {
            "extra" => extra_scope = true,
            "deny" => action = Action::Deny,
            "override-deny" => action = Action::OverrideDeny,
            "disabled" => enabled = false,
            "disabled-ruleset" => ruleset_enabled = false,
            _ => break,
        }
        sources = after;
    }
    let auto = format!("r{}/rule", snapshot.policy.rulesets.len() + 1);
    let (ruleset, rule) = name.unwrap_or(&auto).split_once('/').unwrap_or_else(|| bad("no `/` in the name"));
    let (ruleset, name) = (Name::from(ruleset), Name::from(rule));
    let services = services.split([' ', ',']).filter(|word| !word.is_empty());
    let rule = Rule {
        name,
        enabled,
        action,
        sources: words(sources).into_iter().map(|word| read_actor(snapshot, word)).collect(),
        destinations: words(destinations).into_iter().map(|word| read_actor(snapshot, word)).collect(),
        services: services.map(|word| word.parse::<ServiceSet>().unwrap()).collect(),
        extra_scope,
    };
    match snapshot.policy.rulesets.iter_mut().find(|other| other.name == ruleset) {
        Some(other) if scopes.is_empty() || scopes == other.scopes => other.rules.push(rule),
        Some(_) => bad("other scopes than the earlier ruleset of that name"),
        None => snapshot.policy.rulesets.push(Ruleset {
            name: ruleset,
            enabled: ruleset_enabled,
            scopes,
            rules: vec![rule],
        }),
    }
}

fn read_scope_entry(snapshot: &mut Snapshot, (word, exclusion): (&str, bool)) -> ScopeEntry {
    let target = match word.strip_prefix("group:") {
        Some(group) => ScopeTarget::LabelGroup(group.into()),
        None => ScopeTarget::Label(read_label(snapshot, word)),
    };
    ScopeEntry { target, exclusion }
}

fn read_actor(snapshot: &mut Snapshot, (word, exclusion): (&str, bool)) -> Actor {
    match word.split_once(':') {
        None if word == "all-workloads" => Actor::AllWorkloads,
        None => Actor::Label { label: read_label(snapshot, word), exclusion },
        Some(("group", name)) => Actor::LabelGroup { group: name.into(), exclusion },
        Some(("list", name)) => Actor::IpList(name.into()),
        Some(("workload", name)) => Actor::Workload(name.into()),
        Some(_) => panic!("what is the actor `{word}`?"),
    }
}

fn end(snapshot: &Snapshot, text: &str, wants_v6: bool) -> End {
    if let Ok(address) = text.parse() {
        return End { interface: None, address };
    }
    let (name, address) = match text.split_once('@') {
        Some((name, address)) => (name, Some(address.parse().unwrap())),
        None => (text, None),
    };
    let family = |address: &&IpAddr| address.is_ipv6() == wants_v6;
    for workload in &snapshot.workloads {
        let named = workload.interfaces.iter().filter(|interface| {
            interface.id.as_str() == name || workload.id.as_str() == name && !name.contains('.')
        });
        for interface in named {
            let found = match address {
                Some(address) if interface.addresses.contains(&address) => Some(address),
                Some(_) => None,
                None => interface.addresses.iter().find(family).copied(),
            };
            if let Some(address) = found {
                return End { interface: Some(interface.id.clone()), address };
            }
        }
    }
    panic!("no end `{text}` in this world")
}
