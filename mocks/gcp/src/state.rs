//! What the API knows: resources by path, the organisation with its folders and projects, tags and bindings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::error::{GcpError, not_found};
use crate::link::{self, link};
use crate::text::{self, spread};

/// A JSON object.
pub type Object = Map<String, Value>;

/// The kinds of resources of Compute Engine that the simulation keeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Kind {
    Network,
    Subnetwork,
    Firewall,
    /// Hierarchical, global or regional.
    FirewallPolicy,
    Instance,
    InstanceTemplate,
    InstanceGroupManager,
    ForwardingRule,
    BackendService,
    HealthCheck,
}

impl Kind {
    /// By the word in paths.
    pub fn of_collection(collection: &str) -> Option<Self> {
        Some(match collection {
            "networks" => Self::Network,
            "subnetworks" => Self::Subnetwork,
            "firewalls" => Self::Firewall,
            "firewallPolicies" => Self::FirewallPolicy,
            "instances" => Self::Instance,
            "instanceTemplates" => Self::InstanceTemplate,
            "instanceGroupManagers" => Self::InstanceGroupManager,
            "forwardingRules" => Self::ForwardingRule,
            "backendServices" => Self::BackendService,
            "healthChecks" => Self::HealthCheck,
            _ => return None,
        })
    }

    /// As in `compute#network`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Subnetwork => "subnetwork",
            Self::Firewall => "firewall",
            Self::FirewallPolicy => "firewallPolicy",
            Self::Instance => "instance",
            Self::InstanceTemplate => "instanceTemplate",
            Self::InstanceGroupManager => "instanceGroupManager",
            Self::ForwardingRule => "forwardingRule",
            Self::BackendService => "backendService",
            Self::HealthCheck => "healthCheck",
        }
    }
}

/// One interface of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nic {
    /// The path of its network.
    pub network: String,
    /// The path of its subnetwork.
    pub subnetwork: String,
    /// Its own address in each family.
    pub primary: Vec<IpAddr>,
    /// Further blocks.
    pub aliases: Vec<IpNet>,
}

impl Nic {
    /// Whether an address is one of its own.
    pub fn has(&self, address: IpAddr) -> bool {
        self.primary.contains(&address) || self.aliases.iter().any(|block| block.contains(&address))
    }
}

/// One resource of Compute Engine.
#[derive(Clone, PartialEq, Debug)]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// The cloud's number.
    pub id: u64,
    /// When it was made.
    pub created_ms: u64,
    /// As it is read, but for what follows from others.
    pub body: Object,
    /// The interfaces of an instance.
    pub nics: Vec<Nic>,
}

/// A project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// Its number.
    pub number: u64,
    /// `organizations/N` or `folders/N`.
    pub parent: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    pub created_ms: u64,
    /// Whether it shares its networks.
    pub is_host: bool,
    /// The ids of the projects that it shares with.
    pub services: BTreeSet<String>,
}

/// A folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// `organizations/N` or `folders/N`.
    pub parent: String,
    /// For people.
    pub display_name: String,
    /// When it was made.
    pub created_ms: u64,
}

/// A tag key or a tag value.
#[derive(Clone, PartialEq, Debug)]
pub struct Tag {
    /// `organizations/N` or `projects/NUMBER` of a key, `tagKeys/N` of a value.
    pub parent: String,
    /// Its own name.
    pub short_name: String,
    /// As it is read.
    pub body: Object,
    /// Of a key for firewalls: the path of the network that it is for; none is every network of the organisation.
    pub network: Option<String>,
    /// Whether it is a key for firewalls.
    pub is_for_firewalls: bool,
}

/// Everything that the API knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By path.
    pub resources: BTreeMap<String, Resource>,
    /// The number of the organisation.
    pub organization: u64,
    /// By number.
    pub folders: BTreeMap<u64, Folder>,
    /// By id.
    pub projects: BTreeMap<String, Project>,
    /// By number.
    pub tag_keys: BTreeMap<u64, Tag>,
    /// By number.
    pub tag_values: BTreeMap<u64, Tag>,
    /// The path of an instance and the number of a tag value.
    pub bindings: BTreeSet<(String, u64)>,
    counter: u64,
}

impl State {
    /// An organisation without anything.
    pub fn of(organization: u64) -> Self {
        Self { organization, ..Self::default() }
    }

    /// A new number, the same for the same history.
    pub fn new_id(&mut self) -> u64 {
        self.counter += 1;
        1_000_000_000_000_000_000 + spread(self.counter) % 8_000_000_000_000_000_000
    }

    /// A new number of a folder, project, tag key or tag value.
    pub fn new_number(&mut self) -> u64 {
        self.new_id() % 899_999_999_999 + 100_000_000_000
    }

    /// A new fingerprint.
    pub fn new_fingerprint(&mut self) -> Value {
        self.counter += 1;
        json!(text::fingerprint(spread(self.counter)))
    }

    /// A resource.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, path: &str) -> Result<&Resource, GcpError> {
        self.resources.get(path).ok_or_else(|| not_found(path))
    }

    /// A resource to change.
    ///
    /// # Errors
    /// If there is none.
    pub fn get_mut(&mut self, path: &str) -> Result<&mut Resource, GcpError> {
        self.resources.get_mut(path).ok_or_else(|| not_found(path))
    }

    /// A resource of a kind.
    pub fn get_kind(&self, path: &str, kind: Kind) -> Option<&Resource> {
        self.resources.get(path).filter(|found| found.kind == kind)
    }

    /// Everything directly in a collection.
    pub fn within<'a>(
        &'a self,
        collection: &str,
    ) -> impl Iterator<Item = (&'a String, &'a Resource)> + use<'a> {
        let prefix = format!("{collection}/");
        self.resources.range(prefix.clone()..).take_while(move |(path, _)| path.starts_with(&prefix))
    }

    /// Everything of a kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&String, &Resource)> {
        self.resources.iter().filter(move |(_, found)| found.kind == kind)
    }

    /// Puts a new resource at a path, with what the cloud adds to every one.
    pub fn create(&mut self, path: &str, kind: Kind, mut body: Object, now_ms: u64) -> u64 {
        let id = self.new_id();
        body.insert("kind".to_owned(), json!(format!("compute#{}", kind.word())));
        body.insert("id".to_owned(), json!(id.to_string()));
        body.insert("name".to_owned(), json!(link::name_of(path)));
        body.insert("creationTimestamp".to_owned(), json!(text::time(now_ms)));
        body.insert("selfLink".to_owned(), json!(link(path)));
        let scope = link::scope_of(path);
        for (place, field) in [("/regions/", "region"), ("/zones/", "zone")] {
            if scope.contains(place) {
                body.insert(field.to_owned(), json!(link(&scope)));
            }
        }
        self.resources
            .insert(path.to_owned(), Resource { kind, id, created_ms: now_ms, body, nics: Vec::new() });
        id
    }

    /// The id of the project that a text names by id or number.
    pub fn project_id(&self, text: &str) -> Option<&String> {
        let by_number = || {
            let number: u64 = text.parse().ok()?;
            self.projects.iter().find(|(_, project)| project.number == number).map(|(id, _)| id)
        };
        self.projects.get_key_value(text).map(|(id, _)| id).or_else(by_number)
    }

    /// The path that a reference comes to, with the id of its project instead of its number.
    pub fn resolve(&self, reference: &str, project: &str) -> String {
        let path = link::path_of(reference, project);
        let named = link::project_of(&path);
        match self.project_id(named) {
            Some(id) if id != named => path.replacen(named, id, 1),
            _ => path,
        }
    }

    /// The interface that a viewer's name stands for: an instance's path and `nicN`.
    pub fn nic<'s, 'v>(&'s self, viewer: &'v str) -> Option<(&'v str, usize, &'s Nic)> {
        let (instance, name) = viewer.rsplit_once('/')?;
        let number: usize = name.strip_prefix("nic")?.parse().ok()?;
        Some((instance, number, self.resources.get(instance)?.nics.get(number)?))
    }

    /// The names of all interfaces.
    pub fn nics(&self) -> impl Iterator<Item = String> {
        self.of_kind(Kind::Instance).flat_map(|(path, instance)| {
            (0..instance.nics.len()).map(move |number| format!("{path}/nic{number}"))
        })
    }

    /// The folders and the organisation above a project, outermost first.
    pub fn above(&self, project: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut at = self.projects.get(project).map(|project| project.parent.clone());
        while let Some(parent) = at {
            let number = parent.strip_prefix("folders/").and_then(|number| number.parse::<u64>().ok());
            at = number.and_then(|number| self.folders.get(&number)).map(|folder| folder.parent.clone());
            found.push(parent);
        }
        found.reverse();
        found
    }

    /// The networks that have an active peering with this one.
    pub fn peers(&self, network: &str) -> BTreeSet<String> {
        let near = self.peerings(network);
        near.into_iter().filter(|far| self.peerings(far).contains(network)).collect()
    }

    /// The networks that this one names in its peerings.
    pub fn peerings(&self, network: &str) -> BTreeSet<String> {
        let Some(found) = self.get_kind(network, Kind::Network) else { return BTreeSet::new() };
        let all = found.body.get("peerings").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|peering| peering.get("network")?.as_str())
            .map(|far| link::own_path(far).to_owned())
            .collect()
    }

    /// Whether a tag value exists, with a key for firewalls whose network exists; gives the key.
    pub fn effective_tag(&self, value: u64) -> Option<&Tag> {
        let key = self.key_of(value)?;
        let key = self.tag_keys.get(&key).filter(|key| key.is_for_firewalls)?;
        let there = key.network.as_ref().is_none_or(|network| self.resources.contains_key(network));
        there.then_some(key)
    }

    /// The number of the key of a tag value.
    pub fn key_of(&self, value: u64) -> Option<u64> {
        number(&self.tag_values.get(&value)?.parent, "tagKeys/")
    }

    /// The tag values bound to an instance.
    pub fn bound(&self, instance: &str) -> impl Iterator<Item = u64> {
        let range = (instance.to_owned(), 0)..=(instance.to_owned(), u64::MAX);
        self.bindings.range(range).map(|(_, value)| *value)
    }
}

/// The number in a name such as `tagValues/1`.
pub fn number(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.parse().ok()
}

/// A text of a body.
pub fn text_of<'a>(body: &'a Object, field: &str) -> Option<&'a str> {
    body.get(field).and_then(Value::as_str)
}

/// The texts of an array of a body.
pub fn texts_of(body: &Object, field: &str) -> Vec<String> {
    let array = body.get(field).and_then(Value::as_array).into_iter().flatten();
    array.filter_map(Value::as_str).map(str::to_owned).collect()
}
