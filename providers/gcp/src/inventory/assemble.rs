//! From what came to what is: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use provider::{ErrorKind, ProviderError};

use crate::inventory::estate::{self, Estate, Order};
use crate::inventory::read::Raw;
use crate::inventory::{ACTION, attach};
use crate::resources::instance::AccessConfig;
use crate::resources::{FullName, Instance, Network, Nic, ResourcePath, Subnetwork, TagKey};

/// The estate.
pub(crate) fn assemble(raw: &Raw) -> Result<Estate, ProviderError> {
    let mut estate = Estate { unreadable: raw.unreadable.clone(), ..Estate::default() };
    for (id, side) in &raw.sides {
        estate.projects.insert(id.clone(), project(raw, id, side));
    }
    for found in &raw.networks {
        estate.networks.insert(found.path.clone(), network(raw, found));
    }
    for found in &raw.subnetworks {
        estate.subnetworks.insert(found.path.clone(), subnetwork(found)?);
    }
    for found in &raw.instances {
        let made = instance(raw, found)?;
        check_references(raw, &estate, &found.path, &made)?;
        estate.instances.insert(found.path.clone(), made);
    }
    for (path, rule) in &raw.firewalls {
        let network = ResourcePath::new(&rule.network);
        if !estate.networks.contains_key(&network) {
            return Err(changed(path, &network));
        }
        estate.firewalls.insert(path.clone(), estate::Firewall { network, rule: rule.clone() });
    }
    estate.policies = by_path(&raw.policies, |one| &one.path);
    estate.forwarding_rules = by_path(&raw.forwarding_rules, |one| &one.path);
    estate.backend_services = by_path(&raw.backend_services, |one| &one.path);
    estate.health_checks = by_path(&raw.health_checks, |one| &one.path);
    for key in &raw.tag_keys {
        let made = estate::TagKey { network: network_of_key(raw, key), key: key.clone() };
        estate.tag_keys.insert(key.name.clone(), made);
    }
    estate.tag_values = raw.tag_values.iter().map(|value| (value.name.clone(), value.clone())).collect();
    Ok(estate)
}

fn by_path<T: Clone>(all: &[T], path: impl Fn(&T) -> &ResourcePath) -> BTreeMap<ResourcePath, T> {
    all.iter().map(|one| (path(one).clone(), one.clone())).collect()
}

fn project(raw: &Raw, id: &str, side: &crate::inventory::shared::Side) -> estate::Project {
    let seen = raw.projects.get(id);
    let mut above = Vec::new();
    let mut next = seen.and_then(|project| project.parent.clone());
    // A parent that comes twice would be a circle: nobody has seen one.
    while let Some(name) = next.filter(|name| !above.contains(name)) {
        next = raw.nodes.get(&name).and_then(|node| node.parent.clone());
        above.push(name);
    }
    estate::Project {
        number: seen.map(|project| project.number().to_owned()).unwrap_or_default(),
        labels: seen.map(|project| project.labels.clone()).unwrap_or_default(),
        above,
        is_host: side.is_host,
        host: side.host.clone(),
        services: side.services.clone(),
        quotas: side.quotas.clone(),
    }
}

fn network(raw: &Raw, found: &Network) -> estate::Network {
    let peering = |one: &crate::resources::Peering| estate::Peering {
        name: one.name.clone(),
        remote: one.network.clone(),
        is_active: one.state == "ACTIVE",
    };
    let order = match found.network_firewall_policy_enforcement_order.as_deref() {
        Some("BEFORE_CLASSIC_FIREWALL") => Order::PolicyFirst,
        _ => Order::ClassicFirst,
    };
    estate::Network {
        id: found.id.clone(),
        order,
        is_automatic: found.auto_create_subnetworks.unwrap_or(false),
        peerings: found.peerings.iter().map(peering).collect(),
        in_force: raw.effective.get(&found.path).cloned().unwrap_or_default(),
    }
}

fn subnetwork(found: &Subnetwork) -> Result<estate::Subnetwork, ProviderError> {
    let own = [&found.ip_cidr_range, &found.internal_ipv6_prefix, &found.external_ipv6_prefix];
    let further = found.secondary_ip_ranges.iter().map(|range| &range.ip_cidr_range);
    let words = own.into_iter().flatten().chain(further).filter(|word| !word.is_empty());
    Ok(estate::Subnetwork {
        network: found.network.clone(),
        blocks: words.map(|word| block(&found.path, word)).collect::<Result<_, _>>()?,
        purpose: found.purpose.clone().unwrap_or_else(|| "PRIVATE".to_owned()),
    })
}

fn instance(raw: &Raw, found: &Instance) -> Result<estate::Instance, ProviderError> {
    let number = raw.projects.get(found.path.project()).map_or("", |project| project.number());
    let zone = found.path.zone().unwrap_or_default();
    let bound = raw.bindings.get(&found.path).into_iter().flatten();
    let nics = found.network_interfaces.iter().map(|nic| interface(&found.path, nic));
    Ok(estate::Instance {
        full_name: FullName::of_instance(number, zone, &found.id),
        status: found.status.clone(),
        labels: found.labels.clone(),
        tags: found.tags.items.iter().cloned().collect(),
        tags_fingerprint: found.tags.fingerprint.clone(),
        account: found.service_accounts.first().map(|account| account.email.clone()),
        secure_tags: bound.cloned().collect(),
        interfaces: nics.collect::<Result<_, _>>()?,
        is_forwarding: found.can_ip_forward.unwrap_or(false),
        attach: attach::of_instance(found),
    })
}

fn interface(of: &ResourcePath, nic: &Nic) -> Result<estate::Interface, ProviderError> {
    let given = |word: &Option<String>| word.clone().filter(|word| !word.is_empty());
    let address = |word: String| word.parse::<IpAddr>().map_err(|_| no_address(of, &word));
    let outer = nic.access_configs.iter().chain(&nic.ipv6_access_configs);
    let six = given(&nic.ipv6_address).map(|word| with_length(of, &word, nic.internal_ipv6_prefix_length));
    let aliases = nic.alias_ip_ranges.iter().map(|range| &range.ip_cidr_range);
    let mut external = BTreeSet::new();
    for config in outer {
        external.extend(outer_blocks(of, config)?);
    }
    Ok(estate::Interface {
        name: nic.name.clone(),
        network: nic.network.clone(),
        subnetwork: nic.subnetwork.clone(),
        primary: given(&nic.network_ip).map(address).transpose()?,
        ipv6: six.transpose()?,
        aliases: aliases.map(|word| block(of, word)).collect::<Result<_, _>>()?,
        external: external.into_iter().collect(),
    })
}

fn outer_blocks(of: &ResourcePath, config: &AccessConfig) -> Result<Vec<IpNet>, ProviderError> {
    let four = config.nat_ip.iter().filter(|word| !word.is_empty()).map(|word| block(of, word));
    let length = config.external_ipv6_prefix_length;
    let six = config.external_ipv6.iter().filter(|word| !word.is_empty());
    four.chain(six.map(|word| with_length(of, word, length))).collect()
}

/// An address with the length of the block that it stands for.
fn with_length(of: &ResourcePath, word: &str, length: Option<u8>) -> Result<IpNet, ProviderError> {
    let whole = block(of, word)?;
    match length.filter(|length| *length > 0) {
        None => Ok(whole),
        Some(length) => {
            IpNet::new(whole.addr(), length).map(|block| block.trunc()).map_err(|_| no_address(of, word))
        }
    }
}

/// A block, or one address.
fn block(of: &ResourcePath, word: &str) -> Result<IpNet, ProviderError> {
    let single = || word.parse::<IpAddr>().ok().map(IpNet::from);
    word.parse::<IpNet>().ok().or_else(single).map(|block| block.trunc()).ok_or_else(|| no_address(of, word))
}

/// The network of a tag key, which names it by its number.
fn network_of_key(raw: &Raw, key: &TagKey) -> Option<ResourcePath> {
    let link = key.purpose_data.get("network")?;
    let named = ResourcePath::new(link);
    let by_id = raw.networks.iter().find(|network| network.id == named.name());
    Some(by_id.map_or(named, |network| network.path.clone()))
}

/// Every interface stands in a network and subnetwork that were read, or that are of a project that was not.
fn check_references(
    raw: &Raw,
    estate: &Estate,
    path: &ResourcePath,
    made: &estate::Instance,
) -> Result<(), ProviderError> {
    for nic in &made.interfaces {
        let of_read = |path: &ResourcePath| raw.sides.contains_key(path.project());
        if of_read(&nic.network) && !estate.networks.contains_key(&nic.network) {
            return Err(changed(path, &nic.network));
        }
        let has_subnetwork = !nic.subnetwork.is_empty();
        if has_subnetwork && of_read(&nic.subnetwork) && !estate.subnetworks.contains_key(&nic.subnetwork) {
            return Err(changed(path, &nic.subnetwork));
        }
    }
    Ok(())
}

fn changed(path: &ResourcePath, missing: &ResourcePath) -> ProviderError {
    let message = format!("`{path}` refers to `{missing}`, which was not there when it was looked for");
    let mut error = ProviderError::new(ErrorKind::Transient, ACTION, message);
    error.hint = "something changed while it was read; the next pass reads again".to_owned();
    error
}

fn no_address(of: &ResourcePath, word: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Rejected, ACTION, format!("`{word}` of `{of}` is no address"))
}
