//! ARM paths: which resource, list, action or service a request is about.
//!
//! ARM compares ids without letter case: every id has a key, which is the id in lower case.

/// The kinds of resources that the simulation knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Kind {
    ResourceGroup,
    VirtualNetwork,
    Subnet,
    Peering,
    SecurityGroup,
    Rule,
    ApplicationGroup,
    Interface,
    LoadBalancer,
    PublicAddress,
    Machine,
    ScaleSet,
    ScaleSetMachine,
    ScaleSetInterface,
    Manager,
    NetworkGroup,
    StaticMember,
    AdminConfiguration,
    AdminCollection,
    AdminRule,
}

/// Kind, name space and type path.
const TYPES: [(Kind, &str, &str); 19] = [
    (Kind::VirtualNetwork, "Microsoft.Network", "virtualNetworks"),
    (Kind::Subnet, "Microsoft.Network", "virtualNetworks/subnets"),
    (Kind::Peering, "Microsoft.Network", "virtualNetworks/virtualNetworkPeerings"),
    (Kind::SecurityGroup, "Microsoft.Network", "networkSecurityGroups"),
    (Kind::Rule, "Microsoft.Network", "networkSecurityGroups/securityRules"),
    (Kind::ApplicationGroup, "Microsoft.Network", "applicationSecurityGroups"),
    (Kind::Interface, "Microsoft.Network", "networkInterfaces"),
    (Kind::LoadBalancer, "Microsoft.Network", "loadBalancers"),
    (Kind::PublicAddress, "Microsoft.Network", "publicIPAddresses"),
    (Kind::Machine, "Microsoft.Compute", "virtualMachines"),
    (Kind::ScaleSet, "Microsoft.Compute", "virtualMachineScaleSets"),
    (Kind::ScaleSetMachine, "Microsoft.Compute", "virtualMachineScaleSets/virtualMachines"),
    (
        Kind::ScaleSetInterface,
        "Microsoft.Compute",
        "virtualMachineScaleSets/virtualMachines/networkInterfaces",
    ),
    (Kind::Manager, "Microsoft.Network", "networkManagers"),
    (Kind::NetworkGroup, "Microsoft.Network", "networkManagers/networkGroups"),
    (Kind::StaticMember, "Microsoft.Network", "networkManagers/networkGroups/staticMembers"),
    (Kind::AdminConfiguration, "Microsoft.Network", "networkManagers/securityAdminConfigurations"),
    (
        Kind::AdminCollection,
        "Microsoft.Network",
        "networkManagers/securityAdminConfigurations/ruleCollections",
    ),
    (
        Kind::AdminRule,
        "Microsoft.Network",
        "networkManagers/securityAdminConfigurations/ruleCollections/rules",
    ),
];

impl Kind {
    /// Name space and type path.
    pub fn type_path(self) -> (&'static str, &'static str) {
        TYPES
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or(("Microsoft.Resources", "resourceGroups"), |(_, space, path)| (*space, *path))
    }

    /// The whole type, such as `Microsoft.Network/networkInterfaces`.
    pub fn full_type(self) -> String {
        let (space, path) = self.type_path();
        format!("{space}/{path}")
    }

    /// Whether its resources stand directly in a resource group, with a location and tags.
    pub fn is_tracked(self) -> bool {
        self != Self::ResourceGroup && !self.type_path().1.contains('/')
    }

    /// Whether it is an interface of one kind or the other.
    pub fn is_interface(self) -> bool {
        matches!(self, Self::Interface | Self::ScaleSetInterface)
    }

    /// Whether its writes are long-running operations.
    pub fn is_slow(self) -> bool {
        !matches!(
            self,
            Self::ResourceGroup
                | Self::Manager
                | Self::NetworkGroup
                | Self::StaticMember
                | Self::AdminConfiguration
                | Self::AdminCollection
                | Self::AdminRule
        )
    }

    fn find(space: &str, types: &str) -> Option<Self> {
        TYPES
            .iter()
            .find(|(_, s, t)| s.eq_ignore_ascii_case(space) && t.eq_ignore_ascii_case(types))
            .map(|(kind, ..)| *kind)
    }
}

/// One resource by its path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceId {
    /// What it is.
    pub kind: Kind,
    /// With the cloud's spelling of types.
    pub id: String,
    /// In lower case.
    pub key: String,
    /// Its resource group.
    pub group: String,
    /// Its names, outermost first.
    pub names: Vec<String>,
}

impl ResourceId {
    /// Reads an id.
    pub fn parse(id: &str) -> Option<Self> {
        match Target::parse(id) {
            Target::Resource(id) => Some(id),
            _ => None,
        }
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// The key of the resource that it is a part of and is locked with, or its own.
    pub fn owner(&self) -> String {
        match self.kind {
            Kind::Rule | Kind::Subnet | Kind::Peering => {
                parent(&self.key).map_or_else(|| self.key.clone(), str::to_owned)
            }
            _ => self.key.clone(),
        }
    }
}

/// The key of the resource that holds another, without its type and name.
pub fn parent(key: &str) -> Option<&str> {
    key.rsplitn(3, '/').nth(2)
}

/// The last part of an id.
pub fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// What a path is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// All subscriptions.
    Subscriptions,
    /// One subscription.
    Subscription(String),
    /// All tenants.
    Tenants,
    /// The resource groups of a subscription.
    Groups(String),
    /// All management groups.
    ManagementGroups,
    /// What is below a management group.
    Descendants(String),
    /// A resource.
    Resource(ResourceId),
    /// Resources of a kind below a key.
    List {
        /// What is listed.
        kind: Kind,
        /// The key that all listed keys begin with.
        below: String,
    },
    /// A POST to a resource.
    Action(ResourceId, String),
    /// The status of a long-running operation.
    Operation(String),
    /// The result of a long-running operation.
    OperationResult(String),
    /// The service tags with their blocks, as a location knows them.
    ServiceTags(String),
    /// Quotas and how much of them is used in a location.
    Usages(String),
    /// A resource provider's registration.
    Provider(String),
    /// A type that the simulation does not know.
    Unknown(String),
}

impl Target {
    /// Reads a path without its query.
    pub fn parse(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let unknown = || Self::Unknown(path.to_owned());
        let is = |n: usize, word: &str| parts.get(n).is_some_and(|part| part.eq_ignore_ascii_case(word));
        if is(0, "tenants") {
            return Self::Tenants;
        }
        if is(0, "providers") && is(1, "Microsoft.Management") && is(2, "managementGroups") {
            return match parts.get(3) {
                None => Self::ManagementGroups,
                Some(name) if is(4, "descendants") => Self::Descendants((*name).to_owned()),
                Some(_) => unknown(),
            };
        }
        if !is(0, "subscriptions") {
            return unknown();
        }
        let Some(subscription) = parts.get(1) else { return Self::Subscriptions };
        let mut scope = format!("/subscriptions/{subscription}");
        let Some(_) = parts.get(2) else { return Self::Subscription((*subscription).to_owned()) };
        let (mut group, mut rest) = ("", 2);
        if is(2, "resourceGroups") {
            let Some(name) = parts.get(3) else { return Self::Groups((*subscription).to_owned()) };
            group = name;
            scope = format!("{scope}/resourceGroups/{name}");
            rest = 4;
            if parts.len() == rest {
                return Self::Resource(ResourceId {
                    kind: Kind::ResourceGroup,
                    key: scope.to_lowercase(),
                    id: scope,
                    group: group.to_owned(),
                    names: vec![group.to_owned()],
                });
            }
        }
        if !is(rest, "providers") {
            return unknown();
        }
        let Some(space) = parts.get(rest + 1) else { return unknown() };
        match parts.get(rest + 2..) {
            None | Some([]) => Self::Provider((*space).to_owned()),
            Some([locations, _, what, id]) if locations.eq_ignore_ascii_case("locations") => {
                if what.eq_ignore_ascii_case("operationResults") {
                    Self::OperationResult((*id).to_owned())
                } else {
                    Self::Operation((*id).to_owned())
                }
            }
            Some([locations, location, what]) if locations.eq_ignore_ascii_case("locations") => {
                match what.to_lowercase().as_str() {
                    "servicetags" => Self::ServiceTags((*location).to_owned()),
                    "usages" => Self::Usages((*location).to_owned()),
                    _ => unknown(),
                }
            }
            Some(tail) => Self::of_provider(&scope, group, space, tail).unwrap_or_else(unknown),
        }
    }

    /// The part after the name space: types and names in turn, with or without a last name.
    fn of_provider(scope: &str, group: &str, space: &str, tail: &[&str]) -> Option<Self> {
        let types: Vec<&str> = tail.iter().step_by(2).copied().collect();
        let names: Vec<&str> = tail.iter().skip(1).step_by(2).copied().collect();
        if types.len() == names.len() {
            return resource(scope, group, space, &types, &names).map(Self::Resource);
        }
        let (last, of) = types.split_last()?;
        // The interfaces of a scale set are listed without their machines.
        let joined = if of.len() == 1
            && of.iter().all(|t| t.eq_ignore_ascii_case("virtualMachineScaleSets"))
            && last.eq_ignore_ascii_case("networkInterfaces")
        {
            "virtualMachineScaleSets/virtualMachines/networkInterfaces".to_owned()
        } else {
            types.join("/")
        };
        if let Some(kind) = Kind::find(space, &joined) {
            let holder = if of.is_empty() {
                scope.to_lowercase()
            } else {
                resource(scope, group, space, of, &names)?.key
            };
            return Some(Self::List { kind, below: format!("{holder}/") });
        }
        Some(Self::Action(resource(scope, group, space, of, &names)?, (*last).to_owned()))
    }
}

fn resource(scope: &str, group: &str, space: &str, types: &[&str], names: &[&str]) -> Option<ResourceId> {
    let kind = Kind::find(space, &types.join("/"))?;
    let (space, path) = kind.type_path();
    let pairs: Vec<String> =
        path.split('/').zip(names).map(|(word, name)| format!("{word}/{name}")).collect();
    let id = format!("{scope}/providers/{space}/{}", pairs.join("/"));
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    (!group.is_empty()).then(|| ResourceId {
        kind,
        key: id.to_lowercase(),
        id,
        group: group.to_owned(),
        names,
    })
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_resource_a_list_or_an_action() {
        let at = "/subscriptions/s/resourceGroups/RG/providers/microsoft.network/networksecuritygroups";
        let Target::Resource(nsg) = Target::parse(&format!("{at}/N")) else { panic!("a resource") };
        assert_eq!(
            nsg.id,
            "/subscriptions/s/resourceGroups/RG/providers/Microsoft.Network/networkSecurityGroups/N"
        );
        let Target::Resource(rule) = Target::parse(&format!("{at}/N/securityRules/r")) else {
            panic!("a rule")
        };
        assert_eq!((rule.kind, rule.owner()), (Kind::Rule, nsg.key.clone()));
        assert_eq!(
            Target::parse(&format!("{at}/N/securityRules")),
            Target::List { kind: Kind::Rule, below: format!("{}/", nsg.key) }
        );
        assert!(matches!(Target::parse(&format!("{at}/N/reset")), Target::Action(_, _)));
        assert!(matches!(
            Target::parse("/subscriptions/s/providers/Microsoft.Network/vpnSites"),
            Target::Unknown(_)
        ));
    }
}
