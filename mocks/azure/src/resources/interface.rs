//! Network interfaces, and the machines that hold them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::error::{ArmError, refuse};
use crate::path::{Kind, ResourceId};
use crate::resources::{Write, must_exist, rule, store};
use crate::state::{IpConfiguration, State, Typed, network_of_subnet, reference};

/// Creates or replaces an interface as a whole.
pub fn put(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, mut body, limits } = write;
    let group = body.get("properties").and_then(|p| p.get("networkSecurityGroup"));
    let security_group = reference(group).map(str::to_lowercase);
    if let Some(key) = &security_group {
        must_exist(state, &id.id, key, Kind::SecurityGroup)?;
    }
    let listed =
        body.get_mut("properties").and_then(|p| p.get_mut("ipConfigurations")).and_then(Value::as_array_mut);
    let mut configurations = Vec::new();
    for value in listed.into_iter().flatten() {
        let one = read_configuration(state, id, value, &configurations)?;
        if one.groups.len() > limits.groups_per_configuration {
            let message = format!(
                "IP configuration {} of {} references {} Application Security Groups. The limit is {}.",
                one.name,
                id.id,
                one.groups.len(),
                limits.groups_per_configuration
            );
            return Err(refuse("ApplicationSecurityGroupsPerIpConfigurationLimitReached", message));
        }
        configurations.push(one);
    }
    if configurations.is_empty() {
        let message = format!("Network interface {} must have one or more IP configurations.", id.id);
        return Err(refuse("NetworkInterfaceMustHaveIpConfiguration", message));
    }
    check_network(state, id, &configurations)?;
    check_groups(state, id, &configurations, limits.configurations_per_group)?;
    store(state, id, body, Typed::Interface { security_group, configurations });
    if id.kind == Kind::ScaleSetInterface {
        let machine = id.id.split("/networkInterfaces/").next().map(str::to_owned);
        if let Some(held) = state.resources.get_mut(&id.key) {
            held.machine = machine;
        }
    }
    Ok(())
}

/// Reads one IP configuration and writes the address that it gets into the document.
fn read_configuration(
    state: &State,
    id: &ResourceId,
    value: &mut Value,
    before: &[IpConfiguration],
) -> Result<IpConfiguration, ArmError> {
    let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let properties = value.get_mut("properties").and_then(Value::as_object_mut);
    let Some(properties) = properties.filter(|_| !name.is_empty()) else {
        return Err(refuse("InvalidRequestFormat", "An IP configuration needs a name and properties."));
    };
    let Some(subnet) = reference(properties.get("subnet")).map(str::to_lowercase) else {
        let message = format!("IP configuration {name} of {} has no subnet.", id.id);
        return Err(refuse("SubnetIsRequired", message));
    };
    must_exist(state, &id.id, &subnet, Kind::Subnet)?;
    let list = properties.get("applicationSecurityGroups").and_then(Value::as_array);
    let groups: BTreeSet<String> =
        list.into_iter().flatten().filter_map(|g| reference(Some(g))).map(str::to_lowercase).collect();
    for key in &groups {
        must_exist(state, &id.id, key, Kind::ApplicationGroup)?;
    }
    let word = |field: &str| properties.get(field).and_then(Value::as_str).map(str::to_owned);
    let version_6 = word("privateIPAddressVersion").is_some_and(|word| word.eq_ignore_ascii_case("IPv6"));
    let is_static = word("privateIPAllocationMethod").is_some_and(|word| word.eq_ignore_ascii_case("Static"));
    let wanted = word("privateIPAddress").and_then(|word| word.parse::<IpAddr>().ok());
    let blocks = match state.get(&subnet).map(|subnet| &subnet.typed) {
        Some(Typed::Subnet { blocks, .. }) => blocks.as_slice(),
        _ => &[],
    };
    let mut taken = taken_in(state, &subnet, &id.key);
    taken.extend(before.iter().map(|one| one.address));
    let held = held_address(state, id, &name, &subnet);
    // A dynamic address that the interface holds already stays.
    let wanted = if is_static { wanted } else { held.filter(|held| held.is_ipv6() == version_6) };
    let address = match wanted {
        Some(address) => free_address(&name, address, blocks, &taken)?,
        None => next_address(blocks, version_6, &taken).ok_or_else(|| {
            let message = format!("Subnet {subnet} does not have enough capacity for 1 IP addresses.");
            refuse("SubnetIsFull", message)
        })?,
    };
    properties.insert("privateIPAddress".to_owned(), json!(address.to_string()));
    properties.entry("privateIPAllocationMethod").or_insert_with(|| json!("Dynamic"));
    properties.entry("privateIPAddressVersion").or_insert_with(|| json!("IPv4"));
    properties.entry("primary").or_insert_with(|| json!(before.is_empty()));
    Ok(IpConfiguration { name, subnet, address, groups })
}

fn held_address(state: &State, id: &ResourceId, name: &str, subnet: &str) -> Option<IpAddr> {
    let Typed::Interface { configurations, .. } = &state.get(&id.key)?.typed else { return None };
    configurations.iter().find(|one| one.name == name && one.subnet == subnet).map(|one| one.address)
}

fn taken_in(state: &State, subnet: &str, except: &str) -> BTreeSet<IpAddr> {
    let others = state.interfaces().filter(|(key, _)| *key != except);
    others
        .flat_map(|(_, interface)| match &interface.typed {
            Typed::Interface { configurations, .. } => configurations.as_slice(),
            _ => &[],
        })
        .filter(|one| one.subnet == subnet)
        .map(|one| one.address)
        .collect()
}

fn free_address(
    name: &str,
    address: IpAddr,
    blocks: &[IpNet],
    taken: &BTreeSet<IpAddr>,
) -> Result<IpAddr, ArmError> {
    if !blocks.iter().any(|block| block.contains(&address)) {
        let message = format!(
            "Private static IP address {address} of {name} does not belong to the range of its subnet."
        );
        return Err(refuse("PrivateIPAddressNotInSubnet", message));
    }
    if taken.contains(&address) {
        let message = format!("IP address {address} of {name} is already allocated.");
        return Err(refuse("PrivateIPAddressIsAllocated", message));
    }
    Ok(address)
}

/// The first free address: the cloud keeps the first four of a block.
fn next_address(blocks: &[IpNet], version_6: bool, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    const KEPT: u128 = 4;
    let block = blocks.iter().find(|block| block.addr().is_ipv6() == version_6)?;
    let last = match block.broadcast() {
        IpAddr::V4(last) => u128::from(u32::from(last)) - 1,
        IpAddr::V6(last) => u128::from(last),
    };
    let first = match block.network() {
        IpAddr::V4(first) => u128::from(u32::from(first)),
        IpAddr::V6(first) => u128::from(first),
    };
    let address = |number: u128| {
        if version_6 {
            Some(IpAddr::V6(Ipv6Addr::from(number)))
        } else {
            u32::try_from(number).ok().map(|number| IpAddr::V4(Ipv4Addr::from(number)))
        }
    };
    (first + KEPT..=last).filter_map(address).find(|address| !taken.contains(address))
}

/// An interface lives in one virtual network, and stays in it.
fn check_network(state: &State, id: &ResourceId, configurations: &[IpConfiguration]) -> Result<(), ArmError> {
    let held = match state.get(&id.key).map(|held| &held.typed) {
        Some(Typed::Interface { configurations, .. }) => configurations.clone(),
        _ => Vec::new(),
    };
    let networks: BTreeSet<&str> =
        configurations.iter().chain(&held).filter_map(|one| network_of_subnet(&one.subnet)).collect();
    if networks.len() > 1 {
        let message = format!("Subnets of network interface {} are not in the same virtual network.", id.id);
        return Err(refuse("SubnetsNotInSameVnet", message));
    }
    Ok(())
}

/// Members of an application security group share a virtual network, and rules with several groups as well.
fn check_groups(
    state: &State,
    id: &ResourceId,
    configurations: &[IpConfiguration],
    members_max: usize,
) -> Result<(), ArmError> {
    let Some(own) = configurations.first().and_then(|one| network_of_subnet(&one.subnet)) else {
        return Ok(());
    };
    let groups: BTreeSet<&String> = configurations.iter().flat_map(|one| &one.groups).collect();
    for group in groups {
        match state.network_of_group(group, &id.key) {
            Some(network) if network == own => {
                let members = member_count(state, group, &id.key)
                    + configurations.iter().filter(|one| one.groups.contains(group)).count();
                if members > members_max {
                    let message = format!(
                        "Application Security Group {group} cannot have more than {members_max} IP configurations."
                    );
                    return Err(refuse("IpConfigurationsPerApplicationSecurityGroupLimitReached", message));
                }
            }
            Some(network) => {
                let message = format!(
                    "Application security group {group} is used by network interfaces in virtual network {network} and cannot be used by {} in virtual network {own}.",
                    id.id
                );
                return Err(refuse("ApplicationSecurityGroupsNotInSameVnet", message));
            }
            None => check_rules_naming(state, group, own)?,
        }
    }
    Ok(())
}

fn member_count(state: &State, group: &str, except: &str) -> usize {
    let others = state.interfaces().filter(|(key, _)| *key != except);
    others
        .map(|(_, interface)| match &interface.typed {
            Typed::Interface { configurations, .. } => {
                configurations.iter().filter(|one| one.groups.contains(group)).count()
            }
            _ => 0,
        })
        .sum()
}

/// The first member decides the network of a group: rules that name it with others must agree.
fn check_rules_naming(state: &State, group: &str, network: &str) -> Result<(), ArmError> {
    for (_, resource) in state.of_kind(Kind::Rule) {
        let Typed::Rule(held) = &resource.typed else { continue };
        if !rule::groups_of(held).any(|key| key == group) {
            continue;
        }
        let mut networks: BTreeSet<String> =
            rule::groups_of(held).filter_map(|key| state.network_of_group(key, "")).collect();
        networks.insert(network.to_owned());
        rule::one_network(&resource.id, &networks)?;
    }
    Ok(())
}

/// An interface stays while it is attached to a machine.
pub fn check_delete(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    let Some(machine) = state.get(&id.key).and_then(|held| held.machine.as_ref()) else { return Ok(()) };
    let message = format!(
        "Network Interface {} is used by existing resource {machine}. In order to delete the network interface, it must be dissociated from the resource.",
        id.id
    );
    Err(refuse("NicInUse", message))
}

/// Creates or replaces a machine, which attaches its interfaces.
pub fn put_machine(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, body, .. } = write;
    let listed =
        body.get("properties").and_then(|p| p.get("networkProfile")).and_then(|p| p.get("networkInterfaces"));
    let interfaces: Vec<String> = listed
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| reference(Some(one)))
        .map(str::to_lowercase)
        .collect();
    for key in &interfaces {
        must_exist(state, &id.id, key, Kind::Interface)?;
        let held = state.get(key).and_then(|held| held.machine.as_deref());
        if held.is_some_and(|machine| machine.to_lowercase() != id.key) {
            let message = format!("Network interface {key} is attached to another virtual machine.");
            return Err(refuse("NetworkInterfaceCannotBeAssociatedWithMultipleVirtualMachines", message));
        }
    }
    store(state, id, body, Typed::Other);
    detach(state, &id.key);
    let machine = state.get(&id.key).map(|machine| machine.id.clone());
    for key in interfaces {
        if let Some(held) = state.resources.get_mut(&key) {
            held.machine.clone_from(&machine);
        }
    }
    Ok(())
}

/// Lets go of the interfaces of a machine.
pub fn detach(state: &mut State, machine: &str) {
    for held in state.resources.values_mut().filter(|held| held.kind == Kind::Interface) {
        if held.machine.as_ref().is_some_and(|id| id.to_lowercase() == machine) {
            held.machine = None;
        }
    }
}
