//! What the API knows: ARM documents by key, with what the simulation reads from them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::path::{Kind, name_of, parent};
use crate::resources::manager::Deployed;

/// A JSON object.
pub type Object = Map<String, Value>;

/// Where a resource is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Provisioning {
    Succeeded,
    Updating,
    Deleting,
    Failed,
}

impl Provisioning {
    /// As on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
            Self::Failed => "Failed",
        }
    }

    /// Whether an operation is under way.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Updating | Self::Deleting)
    }
}

/// Which way a rule looks, as seen by the interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// What a rule decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Lets pass, as far as this list of rules goes.
    Allow,
    /// Stops.
    Deny,
    /// Lets pass and asks no security group; only in security admin rules.
    AlwaysAllow,
}

/// One side of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// `*`.
    Any,
    /// Any of these blocks and service tags (a security rule has one tag at most).
    Of(Vec<IpNet>, Vec<String>),
    /// Members of any of these application security groups, by key.
    Groups(BTreeSet<String>),
}

/// A security rule or security admin rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Which way.
    pub direction: Direction,
    /// What it decides.
    pub access: Access,
    /// Lower comes first.
    pub priority: u32,
    /// IANA number; none is `*`.
    pub protocol: Option<u8>,
    /// Who opens.
    pub source: Side,
    /// Who is connected to.
    pub destination: Side,
    /// Ranges, both ends included.
    pub source_ports: Vec<(u16, u16)>,
    /// Ranges, both ends included.
    pub destination_ports: Vec<(u16, u16)>,
}

/// One IP configuration of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpConfiguration {
    /// Its name.
    pub name: String,
    /// The key of its subnet.
    pub subnet: String,
    /// Its private address.
    pub address: IpAddr,
    /// The keys of its application security groups.
    pub groups: BTreeSet<String>,
}

/// What the simulation reads from a document.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Typed {
    VirtualNetwork { blocks: Vec<IpNet> },
    Subnet { blocks: Vec<IpNet>, security_group: Option<String> },
    Peering { remote: String, state: PeeringState, access: bool },
    Rule(Rule),
    Interface { security_group: Option<String>, configurations: Vec<IpConfiguration> },
    Other,
}

/// The state of one side of a peering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum PeeringState {
    Initiated,
    Connected,
    Disconnected,
}

/// One resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// With the cloud's spelling.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// What was written, without read-only fields and without children.
    pub body: Object,
    /// Of its owner for parts; see [`State::etag_of`].
    pub etag: String,
    /// The read-only `resourceGuid`.
    pub guid: String,
    /// Where it is in its life.
    pub provisioning: Provisioning,
    /// What the simulation reads from it.
    pub typed: Typed,
    /// The id of the machine that an interface is attached to.
    pub machine: Option<String>,
}

impl Resource {
    /// Its own name.
    pub fn name(&self) -> &str {
        name_of(&self.id)
    }

    /// Where it is.
    pub fn location(&self) -> &str {
        self.body.get("location").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Everything that the API knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By key, so that children follow their parent.
    pub resources: BTreeMap<String, Resource>,
    /// Security admin rules in force, by the key of their manager and region.
    pub deployed: BTreeMap<(String, String), Vec<Deployed>>,
    /// Numbers etags and guids.
    counter: u64,
}

impl State {
    /// A new guid; the same for the same history.
    pub fn new_guid(&mut self) -> String {
        self.counter += 1;
        let spread = self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (high, low) = (spread >> 32, spread & 0xffff_ffff);
        format!("{high:08x}-{:04x}-4{:03x}-8000-{:012x}", low >> 16, low & 0xfff, self.counter)
    }

    /// A new weak etag.
    pub fn new_etag(&mut self) -> String {
        format!("W/\"{}\"", self.new_guid())
    }

    /// A resource by key.
    pub fn get(&self, key: &str) -> Option<&Resource> {
        self.resources.get(key)
    }

    /// Everything below a key that ends in `/`, of one kind.
    pub fn below<'a>(
        &'a self,
        prefix: &'a str,
        kind: Kind,
    ) -> impl Iterator<Item = (&'a String, &'a Resource)> {
        self.resources
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter(move |(_, resource)| resource.kind == kind)
    }

    /// The direct parts of a resource, of one kind.
    pub fn parts(&self, key: &str, kind: Kind) -> Vec<(String, Resource)> {
        let prefix = format!("{key}/");
        self.below(&prefix, kind).map(|(key, part)| (key.clone(), part.clone())).collect()
    }

    /// Every resource of a kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&String, &Resource)> {
        self.resources.iter().filter(move |(_, resource)| resource.kind == kind)
    }

    /// Every interface, of machines and of scale sets.
    pub fn interfaces(&self) -> impl Iterator<Item = (&String, &Resource)> {
        self.resources.iter().filter(|(_, resource)| resource.kind.is_interface())
    }

    /// The etag of a resource: parts carry their owner's.
    pub fn etag_of(&self, key: &str) -> &str {
        let Some(resource) = self.get(key) else { return "" };
        match resource.kind {
            Kind::Rule | Kind::Subnet | Kind::Peering => {
                parent(key).and_then(|owner| self.get(owner)).map_or("", |owner| &owner.etag)
            }
            _ => &resource.etag,
        }
    }

    /// Removes a resource with all its parts.
    pub fn remove(&mut self, key: &str) {
        let prefix = format!("{key}/");
        let parts: Vec<String> = self
            .resources
            .range(prefix.clone()..)
            .map(|(k, _)| k.clone())
            .take_while(|k| k.starts_with(&prefix))
            .collect();
        for part in parts {
            self.resources.remove(&part);
        }
        self.resources.remove(key);
    }

    /// The virtual network of an application security group: that of its first member.
    pub fn network_of_group(&self, group: &str, except: &str) -> Option<String> {
        let mut members = self.interfaces().filter(|(key, _)| *key != except);
        members.find_map(|(_, interface)| {
            let Typed::Interface { configurations, .. } = &interface.typed else { return None };
            let held = configurations.iter().find(|one| one.groups.contains(group))?;
            network_of_subnet(&held.subnet).map(str::to_owned)
        })
    }
}

/// The key of the virtual network of a subnet.
pub fn network_of_subnet(subnet: &str) -> Option<&str> {
    parent(subnet)
}

/// The text at a pointer.
pub fn text<'a>(body: &'a Object, group: &str, field: &str) -> Option<&'a str> {
    body.get(group)?.get(field)?.as_str()
}

/// The texts of an array in the properties.
pub fn texts(body: &Object, field: &str) -> Vec<String> {
    let array = body.get("properties").and_then(|p| p.get(field)).and_then(Value::as_array);
    array.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The id in a reference (`{"id": …}`).
pub fn reference(value: Option<&Value>) -> Option<&str> {
    value?.get("id")?.as_str()
}
