//! From what came to what is: pure.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use provider::{ErrorKind, ProviderError};

use crate::inventory::estate::{self, Attach, Estate};
use crate::inventory::read::Raw;
use crate::inventory::{ACTION, attach, owner};
use crate::resources::normal::{self, Unreadable};
use crate::resources::{
    ActiveAdminRule, ArmId, Interface, Machine, Network, NormalRule, Passed, Peering, Reference,
    ResourceGroup, Rule, ScaleSet, SecurityGroup, Subnet, Tags, is_settled,
};

/// The estate. Takes what was read apart: most of it is moved.
pub(crate) fn assemble(raw: Raw) -> Result<Estate, ProviderError> {
    let subscriptions = raw.subscriptions.iter().map(|(key, found)| {
        let subscription = estate::Subscription {
            id: found.subscription_id.clone(),
            name: found.display_name.clone(),
            tenant: found.tenant_id.clone().unwrap_or_default(),
            tags: found.tags.clone().unwrap_or_default(),
        };
        (key.clone(), subscription)
    });
    let subscriptions = subscriptions.collect();
    let subnets = raw.networks.iter().flat_map(|(id, found)| {
        found.properties.subnets.iter().map(move |part| Ok((part.id.clone(), subnet(id, part)?)))
    });
    let subnets = subnets.collect::<Result<_, ProviderError>>()?;
    let networks = raw.networks.iter().map(|(id, found)| {
        let rules = raw.admin_rules.get(id).map(Vec::as_slice).unwrap_or_default();
        Ok((id.clone(), network(found, rules)?))
    });
    let networks = networks.collect::<Result<_, ProviderError>>()?;
    let around = Around {
        resource_groups: &raw.resource_groups,
        machines: &raw.machines,
        scale_sets: &raw.scale_sets,
    };
    let interfaces = raw.interfaces.into_iter().map(|(id, found)| Ok((id, interface(&around, found)?)));
    let interfaces = interfaces.collect::<Result<_, ProviderError>>()?;
    let groups = raw.security_groups.into_iter().map(|(id, found)| Ok((id, security_group(&around, found)?)));
    let security_groups = groups.collect::<Result<_, ProviderError>>()?;
    let resource_groups = raw.resource_groups.into_iter().map(|(id, found)| {
        let managed_by = found.managed_by.filter(|id| !id.is_empty());
        (id, estate::ResourceGroup { tags: found.tags.unwrap_or_default(), managed_by })
    });
    let resource_groups = resource_groups.collect();
    let machines = raw.machines.into_iter().map(|(id, found)| {
        let said = found.properties;
        let interfaces = said.network_profile.network_interfaces.into_iter().map(|one| one.id);
        let machine = estate::Machine {
            tags: found.tags.unwrap_or_default(),
            scale_set: id_of(&said.virtual_machine_scale_set),
            interfaces: interfaces.filter(|one| !raw.gone.contains(one)).collect(),
        };
        (id, machine)
    });
    let machines = machines.collect();
    let application_groups = raw.application_groups.into_iter().map(|(id, found)| {
        let (etag, location) = (found.etag.unwrap_or_default(), found.location);
        (id, estate::ApplicationGroup { etag, location, tags: found.tags.unwrap_or_default() })
    });
    Ok(Estate {
        subscriptions,
        resource_groups,
        networks,
        subnets,
        interfaces,
        machines,
        security_groups,
        application_groups: application_groups.collect(),
    })
}

/// What interfaces and security groups are looked at together with.
struct Around<'a> {
    resource_groups: &'a BTreeMap<ArmId, ResourceGroup>,
    machines: &'a BTreeMap<ArmId, Machine<Passed>>,
    scale_sets: &'a BTreeMap<ArmId, ScaleSet>,
}

impl Around<'_> {
    fn resource_group(&self, id: &ArmId) -> Option<&ResourceGroup> {
        self.resource_groups.get(&id.resource_group_id()?)
    }
}

fn network(found: &Network<Passed>, rules: &[ActiveAdminRule]) -> Result<estate::Network, ProviderError> {
    let said = &found.properties;
    let read = |rule: &ActiveAdminRule| {
        let normal = rule.normal().map_err(unreadable)?;
        Ok(estate::AdminRule { id: rule.id.clone(), rule: normal })
    };
    let mut admin_rules = rules.iter().map(read).collect::<Result<Vec<_>, ProviderError>>()?;
    admin_rules.sort_by(|a, b| (a.rule.priority, &a.id).cmp(&(b.rule.priority, &b.id)));
    Ok(estate::Network {
        etag: found.etag.clone().unwrap_or_default(),
        location: found.location.clone(),
        tags: found.tags(),
        blocks: blocks(&found.id, &said.address_space.address_prefixes)?,
        peerings: said.virtual_network_peerings.iter().map(peering).collect::<Result<_, _>>()?,
        admin_rules,
    })
}

fn peering(found: &Peering) -> Result<estate::Peering, ProviderError> {
    let said = &found.properties;
    let remote_blocks = match &said.remote_address_space {
        Some(space) => blocks(&found.id, &space.address_prefixes)?,
        None => BTreeSet::new(),
    };
    let state = said.peering_state.as_deref().unwrap_or_default();
    Ok(estate::Peering {
        id: found.id.clone(),
        remote: id_of(&said.remote_virtual_network).unwrap_or_default(),
        remote_blocks,
        is_connected: state.eq_ignore_ascii_case("Connected"),
        has_access: said.allow_virtual_network_access.unwrap_or(true),
        is_forwarding: said.allow_forwarded_traffic.unwrap_or(false),
    })
}

fn subnet(network: &ArmId, found: &Subnet<Passed>) -> Result<estate::Subnet, ProviderError> {
    let said = &found.properties;
    let words = said.address_prefixes.iter().flatten().chain(&said.address_prefix).cloned();
    let occupants = said.ip_configurations.iter().filter_map(|user| {
        Some(estate::Occupant { attach: attach::of_occupant(&user.id)?, id: user.id.clone() })
    });
    let delegations = said.delegations.iter().flatten();
    Ok(estate::Subnet {
        network: network.clone(),
        blocks: blocks(&found.id, &words.collect::<Vec<_>>())?,
        security_group: id_of(&said.network_security_group),
        has_routes: id_of(&said.route_table).is_some(),
        is_settled: is_settled(&said.rest),
        delegations: delegations.filter_map(|one| one.properties.service_name.clone()).collect(),
        occupants: occupants.collect(),
    })
}

fn interface(around: &Around<'_>, found: Interface<Passed>) -> Result<estate::Interface, ProviderError> {
    let said = &found.properties;
    let group = around.resource_group(&found.id);
    let machine = id_of(&said.virtual_machine);
    let holder = machine.as_ref().and_then(|id| around.machines.get(id));
    let of_set = attach::scale_set_of(&found.id);
    let set = of_set.clone().or_else(|| id_of(&holder?.properties.virtual_machine_scale_set));
    let set_tags = of_set.as_ref().and_then(|id| around.scale_sets.get(id)).map(|set| set.tags());
    let configurations = said.ip_configurations.iter().filter_map(|one| {
        let word = one.properties.private_ip_address.as_deref().filter(|word| !word.is_empty());
        let address = word.map(|word| word.parse().map_err(|_| no_address(&found.id, word))).transpose();
        let groups = one.properties.application_security_groups.iter().flatten();
        let subnet = id_of(&one.properties.subnet)?;
        Some(address.map(|address| estate::IpConfiguration {
            name: one.name.clone(),
            subnet,
            address,
            groups: groups.map(|group| group.id.clone()).collect(),
        }))
    });
    let configurations: Vec<estate::IpConfiguration> = configurations.collect::<Result<_, _>>()?;
    let is_fronted = said.ip_configurations.iter().any(|one| {
        let of = &one.properties;
        let balancers = of.load_balancer_backend_address_pools.iter().flatten();
        let mut fronts = balancers.chain(of.load_balancer_inbound_nat_rules.iter().flatten());
        of.public_ip_address.is_some() || fronts.next().is_some()
    });
    let network = configurations.first().and_then(|one| one.subnet.parent());
    let attach = match network {
        None => Attach::Never { why: "the interface is in no subnet" },
        Some(_) => attach::of_interface(&found, group),
    };
    Ok(estate::Interface {
        etag: found.etag.unwrap_or_default(),
        location: found.location,
        network: network.unwrap_or_default(),
        security_group: id_of(&said.network_security_group),
        is_fronted,
        configurations,
        mac: said.mac_address.as_deref().and_then(mac),
        machine,
        scale_set: set,
        tags: found.tags.unwrap_or_default(),
        machine_tags: holder.map(|holder| holder.tags()).or(set_tags).unwrap_or_default(),
        resource_group_tags: group.and_then(|group| group.tags.clone()).unwrap_or_default(),
        is_settled: is_settled(&said.rest),
        attach,
    })
}

/// The digits of `00-0D-3A-1B-2C-3D`, as flow logs write them; what is none is nobody's name.
fn mac(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|letter| !matches!(letter, '-' | ':')).collect();
    let is_mac = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_mac.then(|| digits.to_ascii_uppercase())
}

fn security_group(
    around: &Around<'_>,
    found: SecurityGroup<Passed>,
) -> Result<estate::SecurityGroup, ProviderError> {
    let group = around.resource_group(&found.id);
    let tags: Tags = found.tags.unwrap_or_default();
    let said = found.properties;
    let rules = said.security_rules.into_iter().map(|rule| {
        let rule = security_rule(rule)?;
        Ok((rule.name.clone(), rule))
    });
    Ok(estate::SecurityGroup {
        etag: found.etag.unwrap_or_default(),
        location: found.location,
        rules: rules.collect::<Result<BTreeMap<_, _>, ProviderError>>()?,
        default_rules: said
            .default_security_rules
            .into_iter()
            .map(security_rule)
            .collect::<Result<_, _>>()?,
        is_flushing: said.flush_connection.unwrap_or(false),
        is_settled: is_settled(&said.rest),
        owner: owner::of_resource(&found.id, &tags, group),
        tags,
    })
}

fn security_rule(rule: Rule<Passed>) -> Result<estate::SecurityRule, ProviderError> {
    Ok(estate::SecurityRule {
        rule: NormalRule::of(&rule).map_err(unreadable)?,
        is_settled: is_settled(&rule.properties.rest),
        owner: owner::of_rule(&rule.name),
        name: rule.name,
        description: rule.properties.description.unwrap_or_default(),
    })
}

fn id_of<R>(reference: &Option<Reference<R>>) -> Option<ArmId> {
    reference.as_ref().map(|reference| reference.id.clone()).filter(|id| !id.is_empty())
}

fn blocks(of: &ArmId, words: &[String]) -> Result<BTreeSet<IpNet>, ProviderError> {
    words.iter().map(|word| normal::block(word).ok_or_else(|| no_address(of, word))).collect()
}

fn no_address(of: &ArmId, word: &str) -> ProviderError {
    let message = format!("`{word}` of `{of}` is no address");
    ProviderError::new(ErrorKind::Rejected, ACTION, message)
}

/// A rule that we cannot read may allow anything: nothing is planned over it.
fn unreadable(error: Unreadable) -> ProviderError {
    ProviderError::new(ErrorKind::Rejected, ACTION, error.to_string())
}
