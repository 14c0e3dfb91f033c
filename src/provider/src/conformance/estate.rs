//! The estate that the cases work on: a small shop in three networks, its policy in a few editions, its snapshot.

use std::collections::{BTreeMap, BTreeSet};

use plan::{AttachClass, Observed, Scope};
use policy::file::{PolicyFiles, SourceFile, load};
use policy::{Directions, EnforcementMode, Interface, LabelSet, Network, Snapshot, Workload, WorkloadId};

use super::world::{Seed, SeedNetwork, SeedWorkload, World};

/// The installation of every case.
pub const INSTALLATION: &str = "conformance";

/// The tags that are labels.
const KEYS: [&str; 3] = ["role", "app", "env"];

/// An edition of the policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// As it starts.
    First,
    /// With a rule more: `app` may reach `web`.
    Added,
    /// With a rule less: `web` may not reach `web` any more.
    Removed,
    /// With another rule in the place of one: `app` reaches `db` on more ports.
    Replaced,
    /// With a rule for a role that nobody had: `cache`.
    Cache,
}

impl Policy {
    /// The policy as people write it; `ping` are the services of echo.
    pub fn text(self, ping: &str) -> String {
        let database = if self == Self::Replaced { "tcp/5432-5433" } else { "tcp/5432" };
        let mut rules = vec![
            "name: office, sources: [list:office], destinations: [role=web], services: [tcp/443]".to_owned(),
            "name: web-app, sources: [role=web], destinations: [role=app], services: [tcp/8080-8090]"
                .to_owned(),
            format!("name: app-db, sources: [role=app], destinations: [role=db], services: [{database}]"),
            format!(
                "name: ping, sources: [all-workloads], destinations: [all-workloads], services: [{ping}]"
            ),
            "name: backup, sources: [role=db], destinations: [list:office], services: [tcp/873]".to_owned(),
        ];
        let more = |edition: Self, rule: &str| (self == edition).then(|| rule.to_owned());
        rules.extend(more(
            Self::Added,
            "name: back, sources: [role=app], destinations: [role=web], services: [tcp/9000]",
        ));
        rules.extend(more(
            Self::Cache,
            "name: cache, sources: [role=cache], destinations: [role=web], services: [tcp/6379]",
        ));
        if self != Self::Removed {
            let gossip = "name: gossip, sources: [role=web], destinations: [role=web], services: [udp/7000]";
            rules.push(gossip.to_owned());
        }
        let rules: String = rules.iter().map(|rule| format!("      - {{ {rule} }}\n")).collect();
        format!(
            "labels: {{ role: [web, app, db, cache], app: [shop], env: [prod] }}\n\
             ip_lists: {{ office: {{ addresses: [203.0.113.0/24, 2001:db8:ffff::/48] }} }}\n\
             rulesets:\n  - name: shop\n    rules:\n{rules}"
        )
    }

    /// The policy for a world, read.
    pub(crate) fn files(self, world: &dyn World) -> Result<PolicyFiles, String> {
        let text = self.text(world.ping());
        let file = SourceFile { name: "policy.yaml".to_owned(), text };
        load(&[file]).map_err(|errors| format!("the policy of the suite is wrong: {errors:?}"))
    }
}

impl Seed {
    /// Two peered networks and one apart, with seven workloads of three roles, and objects of somebody else.
    pub fn shop(egress: bool) -> Self {
        let network = |name: &str, number: u8| SeedNetwork {
            name: name.to_owned(),
            v4: format!("10.{number}.0.0/16"),
            v6: format!("2001:db8:{number}::/56"),
        };
        let places = [
            ("web-1", 0, "web"),
            ("web-2", 0, "web"),
            ("web-3", 1, "web"),
            ("app-1", 0, "app"),
            ("app-2", 2, "app"),
            ("db-1", 1, "db"),
            ("db-2", 2, "db"),
        ];
        Self {
            number: 1,
            installation: INSTALLATION.to_owned(),
            egress,
            networks: vec![network("front", 1), network("back", 2), network("apart", 3)],
            peered: vec![(0, 1)],
            workloads: places.map(|(name, network, role)| workload(name, network, role)).into(),
            foreign: vec!["legacy".to_owned(), format!("bulkhead-{INSTALLATION}-eu-0123456789ab")],
        }
    }

    /// The shop among so many workloads and foreign objects that every list has more than two pages.
    pub fn crowd(page_items: usize) -> Self {
        let mut seed = Self::shop(false);
        let many = 2 * page_items + 1;
        let stranger = |number| SeedWorkload {
            name: format!("other-{number}"),
            network: number % 3,
            tags: vec![("team".to_owned(), "other".to_owned())],
        };
        seed.workloads.extend((0..many).map(stranger));
        seed.foreign.extend((0..many).map(|number| format!("other-{number}")));
        seed
    }
}

fn workload(name: &str, network: usize, role: &str) -> SeedWorkload {
    let tags = [("role", role), ("app", "shop"), ("env", "prod")];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    SeedWorkload { name: name.to_owned(), network, tags }
}

/// What was read as the snapshot that policy is compiled from. Who has a role is enforced in full.
pub fn snapshot(files: &PolicyFiles, scope: &Scope, observed: &Observed) -> Snapshot {
    let mut workloads: BTreeMap<WorkloadId, Workload> = BTreeMap::new();
    for state in &observed.interfaces {
        let workload = workloads.entry(state.workload.clone()).or_insert_with(|| Workload {
            id: state.workload.clone(),
            labels: LabelSet::new(),
            mode: EnforcementMode::VisibilityOnly,
            interfaces: Vec::new(),
        });
        for key in KEYS {
            if let Some(value) = state.tags.get(key) {
                workload.labels.insert(key.into(), value.as_str().into());
            }
        }
        if workload.labels.contains_key("role") {
            workload.mode = EnforcementMode::Full;
        }
        let is_written = state.attach == AttachClass::Direct;
        workload.interfaces.push(Interface {
            id: state.id.clone(),
            network: Some(state.network.clone()),
            addresses: state.addresses.clone(),
            enforces: Directions { ingress: is_written, egress: is_written && scope.egress },
        });
    }
    let networks = observed.networks.iter().map(|state| {
        let peers: BTreeSet<_> = state.peerings.iter().map(|peering| peering.peer.clone()).collect();
        (state.id.clone(), Network { id: state.id.clone(), cidrs: state.cidrs.clone(), peers })
    });
    Snapshot {
        policy: files.policy.clone(),
        workloads: workloads.into_values().collect(),
        networks: networks.collect(),
        translations: Vec::new(),
    }
}
