//! Generated estates over three clouds: one or two networks in each, some peered, some with IPv6, now and then one with
//! the block of a network in another cloud; machines with labels in tags; rules of others before ours and after them.

use std::collections::BTreeMap;

use fastrand::Rng;
use plan::{Attachment, Cloud, Scope};
use policy::file::PolicyFiles;
use policy::service::has_ports;
use policy::{
    Actor, Decision, EnforcementMode, Flow, InterfaceId, NetworkId, Policy, Translation, WorkloadId,
};
use provider::conformance::policies;
use reconcile::inventory::mode_of;

use crate::clouds::{CLOUDS, Clouds, Foreign, Machine, Made, Site, Tags, scope};
use crate::{estate, rules};

/// What each of the three clouds can say: no rule of Azure or Google Cloud can tell ICMP types apart, and none of
/// Azure knows ICMPv6 alone.
const SAYABLE: [&str; 15] = [
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
    "icmp",
    "icmp",
    "icmp/3/4",
    "proto/50",
];

/// What people wrote, and what is there.
pub struct Estate {
    pub files: PolicyFiles,
    pub scopes: Vec<Scope>,
    /// What addresses look like from elsewhere.
    pub translations: Vec<Translation>,
    sites: Vec<Site>,
    machines: BTreeMap<InterfaceId, (Machine, Made)>,
}

impl Estate {
    /// An estate for a generated policy, made in the clouds.
    pub fn new(rng: &mut Rng, clouds: &Clouds) -> Self {
        let mut policy = rules::policy(rng, &SAYABLE);
        let sites = sites(rng);
        let networks = clouds.seed_sites(&sites);
        let scopes = scopes(rng, &sites, &networks);
        let mut machines = BTreeMap::new();
        let mut workloads = Vec::new();
        for number in 0..rng.usize(8..15) {
            let machine = machine(rng, &policy, &sites, &scopes, number);
            let made = clouds.seed_machine(&sites, &machine);
            workloads.push(made.workload.clone());
            machines.insert(made.interface.clone(), (machine, made));
        }
        name_workloads(&mut policy, &workloads);
        let count = rng.u8(1..4);
        let files =
            PolicyFiles { policy, workloads: estate::unmanaged(rng, count), ..PolicyFiles::default() };
        // Of a stream of its own, so that kept seeds stay what they were.
        let mut own = rng.clone();
        let translations = policies::translations(&mut |n| own.usize(..n), &networks);
        Self { files, scopes, translations, sites, machines }
    }

    /// Other rules, and other labels for some machines whose mode stays as it is. (A machine that is no longer enforced
    /// is open again only where something foreign lets it be: another test's matter.)
    pub fn change(&mut self, rng: &mut Rng, clouds: &Clouds) {
        let mut policy = rules::policy(rng, &SAYABLE);
        let workloads: Vec<_> = self.machines.values().map(|(_, made)| made.workload.clone()).collect();
        name_workloads(&mut policy, &workloads);
        self.files.policy.rulesets = policy.rulesets;
        for (machine, made) in self.machines.values_mut() {
            let tags = estate::tags(rng);
            let mode = |tags: &Tags| mode_of(&self.files.policy, &estate::mapping().labels(tags));
            if rng.u8(..3) == 0 && mode(&tags) == mode(&machine.tags) {
                machine.tags = lower_keys(tags);
                clouds.retag(made, &machine.tags);
            }
        }
    }

    /// Whether a flow passes at its source and at its destination, by the policy and by what is foreign there.
    pub fn expected(&self, flow: &Flow, decision: &Decision) -> [bool; 2] {
        [
            self.passes_at(flow, true, decision.egress.passes()),
            self.passes_at(flow, false, decision.ingress.passes()),
        ]
    }

    fn passes_at(&self, flow: &Flow, egress: bool, policy_passes: bool) -> bool {
        let (here, there) =
            if egress { (&flow.source, &flow.destination) } else { (&flow.destination, &flow.source) };
        let Some((machine, _)) = here.interface.as_ref().and_then(|id| self.machines.get(id)) else {
            return policy_passes;
        };
        let site = &self.sites[machine.site];
        let point = flow.service;
        let matches = |rule: &&Foreign| {
            has_ports(point.protocol) && rule.matches(egress, point.protocol, point.detail, there.address)
        };
        let foreign = site.foreign.iter().find(matches);
        if site.cloud != Cloud::Aws {
            return foreign.map_or(policy_passes, |rule| rule.allow);
        }
        // Groups of others add to ours, unless the scope takes them off.
        let scope = self.scopes.iter().find(|scope| scope.cloud == Cloud::Aws);
        let stays = scope.is_some_and(|scope| scope.attachment == Attachment::Additive);
        policy_passes || stays && foreign.is_some()
    }
}

/// Rules that name workloads name those that are there.
fn name_workloads(policy: &mut Policy, workloads: &[WorkloadId]) {
    for rule in policy.rulesets.iter_mut().flat_map(|ruleset| &mut ruleset.rules) {
        for actor in rule.sources.iter_mut().chain(&mut rule.destinations) {
            if let Actor::Workload(id) = actor {
                let number: usize = id.as_str().rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                *id = workloads[number % workloads.len()].clone();
            }
        }
    }
}

fn sites(rng: &mut Rng) -> Vec<Site> {
    let mut sites: Vec<Site> = Vec::new();
    for (cloud, [first, second], shadow) in [
        (Cloud::Aws, [("a", 0), ("b", 1)], 0),
        (Cloud::Azure, [("c", 2), ("d", 3)], 0),
        (Cloud::Gcp, [("e", 4), ("f", 5)], 1),
    ] {
        let before = sites.len();
        let count = if rng.u8(..8) == 0 { 1 } else { 2 };
        for (name, number) in [first, second].into_iter().take(count) {
            // The block of a network in AWS, now and then.
            let shadows = cloud != Cloud::Aws && name == first.0 && rng.u8(..4) == 0;
            let block = if shadows { shadow } else { number };
            let peer = (sites.len() > before && rng.u8(..8) > 0).then_some(before);
            let classic_first = rng.bool();
            sites.push(Site {
                cloud,
                name,
                v4: format!("10.{block}.0.0/16").parse().unwrap(),
                v6: (rng.u8(..5) > 0).then(|| format!("2001:db8:{name}::/56").parse().unwrap()),
                peer,
                foreign: if cloud == Cloud::Gcp && !classic_first { Vec::new() } else { foreign(rng, cloud) },
                classic_first,
            });
        }
    }
    sites
}

fn foreign(rng: &mut Rng, cloud: Cloud) -> Vec<Foreign> {
    let rule = |rng: &mut Rng| Foreign {
        egress: rng.u8(..3) == 0,
        allow: cloud == Cloud::Aws || rng.bool(),
        protocol: if rng.bool() { 6 } else { 17 },
        ports: [(443, 443), (0, 1023), (8_002, 8_008), (5_000, 5_432), (0, u16::MAX)][rng.usize(..5)],
        block: ["203.0.113.0/24", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0"][rng.usize(..5)]
            .parse()
            .unwrap(),
    };
    let count = [0, 1, 2, 2][rng.usize(..4)];
    let mut rules: Vec<Foreign> = Vec::new();
    for _ in 0..count {
        let rule = rule(rng);
        let is_twice = |held: &Foreign| {
            (held.egress, held.protocol, held.ports, held.block)
                == (rule.egress, rule.protocol, rule.ports, rule.block)
        };
        if !rules.iter().any(is_twice) {
            rules.push(rule);
        }
    }
    rules
}

/// A scope for each cloud; now and then one for each network of AWS.
fn scopes(rng: &mut Rng, sites: &[Site], networks: &[NetworkId]) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for cloud in CLOUDS {
        let own: Vec<NetworkId> = sites
            .iter()
            .zip(networks)
            .filter(|(site, _)| site.cloud == cloud)
            .map(|(_, id)| id.clone())
            .collect();
        let attachment = match cloud {
            Cloud::Aws if rng.bool() => Attachment::Exclusive,
            _ => Attachment::Additive,
        };
        let parts: Vec<Vec<NetworkId>> = if cloud == Cloud::Aws && rng.u8(..4) == 0 {
            own.into_iter().map(|network| vec![network]).collect()
        } else {
            vec![own]
        };
        for (number, part) in parts.into_iter().enumerate() {
            let scope = scope(cloud, &format!("{cloud:?}-{number}").to_lowercase(), &part);
            scopes.push(Scope { egress: rng.bool(), attachment, ..scope });
        }
    }
    scopes
}

fn machine(rng: &mut Rng, policy: &Policy, sites: &[Site], scopes: &[Scope], number: usize) -> Machine {
    // Machines on AWS have more addresses: fewer of them, for as many ends.
    const CLOUDS: [Cloud; 9] = {
        use Cloud::{Aws, Azure, Gcp};
        [Aws, Gcp, Azure, Gcp, Aws, Azure, Gcp, Azure, Gcp]
    };
    let cloud = CLOUDS[number % CLOUDS.len()];
    let own: Vec<usize> = (0..sites.len()).filter(|site| sites[*site].cloud == cloud).collect();
    let site = own[rng.usize(..own.len())];
    let tags = lower_keys(estate::tags(rng));
    let is_managed = rng.u8(..10) == 0;
    let mode = mode_of(policy, &estate::mapping().labels(&tags));
    let is_enforced = mode == EnforcementMode::Full && !is_managed;
    let exclusive = scopes.iter().any(|s| s.cloud == cloud && s.attachment == Attachment::Exclusive);
    Machine {
        site,
        name: format!("m{number}"),
        tags,
        more_v4: if cloud == Cloud::Gcp { 0 } else { [0, 0, 1, 2][rng.usize(..4)] },
        v6: if sites[site].v6.is_none() {
            0
        } else if cloud == Cloud::Aws {
            [1, 1, 2][rng.usize(..3)]
        } else {
            usize::from(rng.u8(..5) > 0)
        },
        open: !is_enforced || exclusive && rng.bool(),
        is_managed,
    }
}

/// Google Cloud has no upper case in labels.
fn lower_keys(tags: Tags) -> Tags {
    tags.into_iter().map(|(key, value)| (key.to_lowercase(), value)).collect()
}
