//! The estate of the demo as plain data: networks, groups, instances and interfaces of a simulated cloud.
//!
//! Types and the checked parser only; loading it into a simulator is the demo's job. Every mistake is
//! reported at once with its place, as in policy files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use plan::Cloud;
use policy::ServiceSet;
use policy::file::{Fields, FileError, Node, Place, Problems, SourceFile, parse};

/// Everything that exists before Bulkhead comes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Estate {
    /// The cloud that everything is in.
    pub cloud: Cloud,
    /// The account that owns everything: a subscription, a project.
    pub account: String,
    /// The region that everything is in.
    pub region: String,
    /// The networks.
    pub networks: Vec<EstateNetwork>,
    /// Pairs of networks with an active peering.
    pub peerings: Vec<(String, String)>,
    /// Groups that are not ours.
    pub groups: Vec<EstateGroup>,
    /// Instances with their interfaces.
    pub instances: Vec<EstateInstance>,
    /// Interfaces without an instance, such as those of a load balancer.
    pub interfaces: Vec<EstateInterface>,
}

/// One network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EstateNetwork {
    /// Its name, unique over the estate.
    pub name: String,
    /// Its blocks, both families.
    pub cidrs: Vec<IpNet>,
    /// Its subnets.
    pub subnets: Vec<EstateSubnet>,
}

/// One subnet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EstateSubnet {
    /// Its name, unique over the estate.
    pub name: String,
    /// Its blocks: one of IPv4, at most one of IPv6.
    pub cidrs: Vec<IpNet>,
    /// The name of the group that filters for all of it; on Azure only.
    pub group: Option<String>,
}

/// One foreign group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EstateGroup {
    /// Its name, unique over its network.
    pub name: String,
    /// The name of its network.
    pub network: String,
    /// For people.
    pub description: String,
    /// What it lets in.
    pub ingress: Vec<EstateRule>,
    /// What it lets out; `None` leaves the cloud's default, which is everything.
    pub egress: Option<Vec<EstateRule>>,
}

/// One rule of a foreign group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EstateRule {
    /// On what.
    pub service: ServiceSet,
    /// From or to where.
    pub blocks: Vec<IpNet>,
}

/// One instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EstateInstance {
    /// Its name, unique over instances and interfaces.
    pub name: String,
    /// Its tags, without the name.
    pub tags: BTreeMap<String, String>,
    /// Its interfaces, the primary first.
    pub interfaces: Vec<EstateInterface>,
}

/// One interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EstateInterface {
    /// Its name.
    pub name: String,
    /// The name of its subnet.
    pub subnet: String,
    /// Its addresses, the primary IPv4 address first.
    pub addresses: Vec<IpAddr>,
    /// The names of the foreign groups on it; on AWS at least one.
    pub groups: Vec<String>,
    /// The tags of an interface without an instance.
    pub tags: BTreeMap<String, String>,
    /// The service that made it and alone may write it, with the cloud's word for such an interface.
    pub managed: Option<Managed>,
}

/// An interface that a service of the cloud made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Managed {
    /// The cloud's interface type, such as `network_load_balancer`.
    pub kind: String,
    /// The service, such as `amazon-elb`.
    pub by: String,
}

impl Estate {
    /// Reads and checks an estate.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &SourceFile) -> Result<Self, Vec<FileError>> {
        let problems = Problems::new(std::slice::from_ref(file));
        let mut reader = Reader { problems, estate: Self::default(), taken: BTreeMap::new() };
        if let Some(node) = parse(&mut reader.problems, 0, file) {
            reader.read(&node);
        }
        reader.problems.finish(reader.estate)
    }

    /// The network of a subnet.
    pub fn network_of(&self, subnet: &str) -> Option<&EstateNetwork> {
        self.networks.iter().find(|network| network.subnets.iter().any(|s| s.name == subnet))
    }

    /// Every interface, of instances or not.
    pub fn all_interfaces(&self) -> impl Iterator<Item = &EstateInterface> {
        self.instances.iter().flat_map(|instance| &instance.interfaces).chain(&self.interfaces)
    }
}

struct Reader<'a> {
    problems: Problems<'a>,
    estate: Estate,
    /// What is taken: (kind, name) → place.
    taken: BTreeMap<(&'static str, String), Place>,
}

impl Reader<'_> {
    fn read(&mut self, node: &Node) -> Option<()> {
        let keys =
            ["cloud", "account", "region", "networks", "peerings", "groups", "instances", "interfaces"];
        let fields = self.problems.fields(node, "an estate", &keys)?;
        let clouds = [("aws", Cloud::Aws), ("azure", Cloud::Azure), ("gcp", Cloud::Gcp)];
        self.estate.cloud = self.problems.choice(&fields, "cloud", &clouds, Cloud::Aws);
        self.estate.account = self.word(&fields, "account").unwrap_or_default();
        self.estate.region = self.word(&fields, "region").unwrap_or_default();
        for node in self.items(&fields, "networks") {
            if let Some(network) = self.read_network(node) {
                self.estate.networks.push(network);
            }
        }
        for node in self.items(&fields, "peerings") {
            if let Some(peering) = self.read_peering(node) {
                self.estate.peerings.push(peering);
            }
        }
        for node in self.items(&fields, "groups") {
            if let Some(group) = self.read_group(node) {
                self.estate.groups.push(group);
            }
        }
        for node in self.items(&fields, "instances") {
            if let Some(instance) = self.read_instance(node) {
                self.estate.instances.push(instance);
            }
        }
        for node in self.items(&fields, "interfaces") {
            if let Some(interface) = self.read_alone(node) {
                self.estate.interfaces.push(interface);
            }
        }
        Some(())
    }

    fn read_network(&mut self, node: &Node) -> Option<EstateNetwork> {
        let fields = self.problems.fields(node, "a network", &["name", "cidrs", "subnets"])?;
        let name = self.fresh(&fields, "network")?;
        let cidrs = self.blocks(&fields, "cidrs");
        let mut subnets = Vec::new();
        for node in self.items(&fields, "subnets") {
            let keys = ["name", "cidrs", "group"];
            let Some(fields) = self.problems.fields(node, "a subnet", &keys) else { continue };
            let Some(name) = self.fresh(&fields, "subnet") else { continue };
            let blocks = self.blocks(&fields, "cidrs");
            if !blocks.iter().all(|block| cidrs.iter().any(|cidr| cidr.contains(block))) {
                let hint = "a subnet lies inside a block of its network";
                self.problems.report(fields.place, format!("subnet `{name}` is outside its network"), hint);
            }
            // Groups are read later, and name the networks: the simulator refuses one that is not there.
            let group = fields.get("group").and_then(|node| self.problems.text(node, "`group`"));
            subnets.push(EstateSubnet { name, cidrs: blocks, group: group.map(str::to_owned) });
        }
        Some(EstateNetwork { name, cidrs, subnets })
    }

    fn read_peering(&mut self, node: &Node) -> Option<(String, String)> {
        let names = self.problems.texts(node, "a peering");
        for (name, place) in &names {
            if !self.estate.networks.iter().any(|network| network.name == *name) {
                self.problems.report(
                    *place,
                    format!("unknown network `{name}`"),
                    "define it under `networks:`",
                );
            }
        }
        if let [(a, _), (b, _)] = names.as_slice() {
            return Some(((*a).to_owned(), (*b).to_owned()));
        }
        self.problems.report(node.place, "a peering has two networks", "write `[one, other]`");
        None
    }

    fn read_group(&mut self, node: &Node) -> Option<EstateGroup> {
        let keys = ["name", "network", "description", "ingress", "egress"];
        let fields = self.problems.fields(node, "a group", &keys)?;
        let name = self.word(&fields, "name")?;
        let network = self.word(&fields, "network")?;
        if !self.estate.networks.iter().any(|known| known.name == network) {
            let message = format!("unknown network `{network}`");
            self.problems.report(fields.place, message, "define it under `networks:`");
        }
        self.take("group", &format!("{network}/{name}"), fields.place);
        let description = self.word(&fields, "description")?;
        let ingress = self.read_rules(&fields, "ingress").unwrap_or_default();
        let egress = self.read_rules(&fields, "egress");
        Some(EstateGroup { name, network, description, ingress, egress })
    }

    fn read_rules(&mut self, fields: &Fields<'_>, key: &str) -> Option<Vec<EstateRule>> {
        let node = fields.get(key)?;
        let mut rules = Vec::new();
        for node in self.problems.list(node, "a list of rules") {
            let Some(fields) = self.problems.fields(node, "a rule of a group", &["service", "cidrs"]) else {
                continue;
            };
            let blocks = self.blocks(&fields, "cidrs");
            if let Some(service) = self.problems.parsed(&fields, "service", "write `tcp/22` or the like") {
                rules.push(EstateRule { service, blocks });
            }
        }
        Some(rules)
    }

    fn read_instance(&mut self, node: &Node) -> Option<EstateInstance> {
        let keys = ["name", "tags", "subnet", "addresses", "groups", "more_interfaces"];
        let fields = self.problems.fields(node, "an instance", &keys)?;
        let name = self.fresh(&fields, "instance or interface")?;
        let tags = self.tags(&fields);
        let mut interfaces = vec![self.read_interface(&fields, &name)?];
        for (number, node) in self.items(&fields, "more_interfaces").iter().enumerate() {
            let keys = ["subnet", "addresses", "groups"];
            let Some(fields) = self.problems.fields(node, "an interface", &keys) else { continue };
            interfaces.extend(self.read_interface(&fields, &format!("{name}-{}", number + 2)));
        }
        Some(EstateInstance { name, tags, interfaces })
    }

    fn read_alone(&mut self, node: &Node) -> Option<EstateInterface> {
        let keys = ["name", "tags", "subnet", "addresses", "groups", "kind", "managed_by"];
        let fields = self.problems.fields(node, "an interface", &keys)?;
        let name = self.fresh(&fields, "instance or interface")?;
        let managed = match (fields.get("kind"), fields.get("managed_by")) {
            (None, None) => None,
            _ => Some(Managed { kind: self.word(&fields, "kind")?, by: self.word(&fields, "managed_by")? }),
        };
        let tags = self.tags(&fields);
        let interface = self.read_interface(&fields, &name)?;
        Some(EstateInterface { tags, managed, ..interface })
    }

    fn read_interface(&mut self, fields: &Fields<'_>, name: &str) -> Option<EstateInterface> {
        let subnet = self.word(fields, "subnet")?;
        let Some(network) = self.estate.network_of(&subnet).cloned() else {
            let message = format!("unknown subnet `{subnet}`");
            self.problems.report(fields.place, message, "define it in its network");
            return None;
        };
        let blocks = network.subnets.iter().find(|known| known.name == subnet).map(|known| &known.cidrs);
        let node = self.problems.required(fields, "addresses")?;
        let mut addresses = Vec::new();
        for (text, place) in self.problems.texts(node, "`addresses`") {
            let address = text.parse::<IpAddr>().ok();
            let inside =
                |address: &IpAddr| blocks.is_some_and(|blocks| blocks.iter().any(|b| b.contains(address)));
            match address.filter(inside) {
                Some(address) => {
                    self.take("address", &format!("{}/{address}", network.name), place);
                    addresses.push(address);
                }
                None => {
                    let message = format!("`{text}` is no address of subnet `{subnet}`");
                    self.problems.report(place, message, "write an address inside a block of the subnet");
                }
            }
        }
        let groups = self.read_group_names(fields, &network.name)?;
        let tags = BTreeMap::new();
        Some(EstateInterface { name: name.to_owned(), subnet, addresses, groups, tags, managed: None })
    }

    fn read_group_names(&mut self, fields: &Fields<'_>, network: &str) -> Option<Vec<String>> {
        if self.estate.cloud != Cloud::Aws && fields.get("groups").is_none() {
            return Some(Vec::new());
        }
        let node = self.problems.required(fields, "groups")?;
        let mut names = BTreeSet::new();
        for (name, place) in self.problems.texts(node, "`groups`") {
            let known = |group: &EstateGroup| group.name == name && group.network == network;
            if !self.estate.groups.iter().any(known) {
                let message = format!("unknown group `{name}` in network `{network}`");
                self.problems.report(place, message, "define it under `groups:`, of the same network");
            }
            names.insert(name.to_owned());
        }
        if names.is_empty() {
            self.problems.report(node.place, "`groups` is empty", "an interface has at least one group");
        }
        Some(names.into_iter().collect())
    }

    fn items<'n>(&mut self, fields: &Fields<'n>, key: &str) -> &'n [Node] {
        fields.get(key).map(|node| self.problems.list(node, &format!("`{key}`"))).unwrap_or_default()
    }

    fn word(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let node = self.problems.required(fields, key)?;
        self.problems.text(node, &format!("`{key}`")).map(str::to_owned)
    }

    /// A name that nothing of its kind has.
    fn fresh(&mut self, fields: &Fields<'_>, kind: &'static str) -> Option<String> {
        let name = self.word(fields, "name")?;
        self.take(kind, &name, fields.place);
        Some(name)
    }

    fn take(&mut self, kind: &'static str, name: &str, place: Place) {
        if let Some(first) = self.taken.insert((kind, name.to_owned()), place) {
            self.problems.report_duplicate(&format!("{kind} `{name}`"), place, first);
        }
    }

    fn tags(&mut self, fields: &Fields<'_>) -> BTreeMap<String, String> {
        let entries = fields.get("tags").and_then(|node| self.problems.entries(node, "`tags`"));
        let entries = entries.unwrap_or_default();
        let text = |(key, _, node): (&str, Place, &Node)| {
            Some((key.to_owned(), self.problems.text(node, "the value of a tag")?.to_owned()))
        };
        entries.into_iter().filter_map(text).collect()
    }

    fn blocks(&mut self, fields: &Fields<'_>, key: &str) -> Vec<IpNet> {
        let Some(node) = self.problems.required(fields, key) else { return Vec::new() };
        let mut blocks = Vec::new();
        for (text, place) in self.problems.texts(node, &format!("`{key}`")) {
            match text.parse::<IpNet>() {
                Ok(block) if block.addr() == block.network() => blocks.push(block),
                _ => {
                    let hint = "write a block without host bits, such as `10.0.0.0/16`";
                    self.problems.report(place, format!("`{text}` is no CIDR block"), hint);
                }
            }
        }
        blocks
    }
}
