//! Virtual networks, subnets and peerings.

use ipnet::IpNet;
use serde_json::Value;

use crate::error::{ArmError, refuse};
use crate::path::{Kind, ResourceId};
use crate::resources::{Write, must_exist, store};
use crate::state::{Object, PeeringState, State, Typed, reference, text, texts};

/// Creates or replaces a virtual network. Its subnets are replaced as a whole.
pub fn put(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, mut body, .. } = write;
    let space =
        body.get("properties").and_then(|p| p.get("addressSpace")).and_then(|s| s.get("addressPrefixes"));
    let words: Vec<&str> =
        space.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let blocks = read_blocks(&id.id, &words)?;
    if blocks.is_empty() {
        let message = format!("Virtual network {} must have an address space.", id.id);
        return Err(refuse("InvalidRequestFormat", message));
    }
    let properties = body.get_mut("properties").and_then(Value::as_object_mut);
    let listed = properties.and_then(|p| {
        p.remove("virtualNetworkPeerings");
        p.remove("subnets")
    });
    let mut subnets: Vec<(ResourceId, Object, Typed)> = Vec::new();
    for value in listed.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
        let subnet = ResourceId::parse(&format!("{}/subnets/{name}", id.id))
            .ok_or_else(|| refuse("InvalidRequestFormat", "A subnet has no name."))?;
        let mut part = value.as_object().cloned().unwrap_or_default();
        part.retain(|field, _| !matches!(field.as_str(), "name" | "id" | "type"));
        let others: Vec<&Typed> = subnets.iter().map(|(_, _, typed)| typed).collect();
        let typed = read_subnet(state, &subnet, &part, &blocks, &others)?;
        subnets.push((subnet, part, typed));
    }
    let gone: Vec<(String, String)> = state
        .parts(&id.key, Kind::Subnet)
        .into_iter()
        .filter(|(key, _)| !subnets.iter().any(|(subnet, ..)| subnet.key == *key))
        .map(|(key, part)| (key, part.id))
        .collect();
    for (key, id) in &gone {
        check_delete_subnet(state, key, id)?;
    }
    store(state, id, body, Typed::VirtualNetwork { blocks });
    gone.iter().for_each(|(key, _)| state.remove(key));
    for (subnet, part, typed) in subnets {
        store(state, &subnet, part, typed);
    }
    Ok(())
}

fn read_blocks(id: &str, words: &[&str]) -> Result<Vec<IpNet>, ArmError> {
    let read = |word: &&str| {
        word.parse::<IpNet>().ok().filter(|block| block.trunc() == *block).ok_or_else(|| {
            let message = format!("Resource {id} has an invalid CIDR address prefix {word}.");
            refuse("InvalidCIDRNotation", message)
        })
    };
    words.iter().map(read).collect()
}

/// Creates or replaces a subnet.
pub fn put_subnet(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, body, .. } = write;
    let owner = id.owner();
    let Some(Typed::VirtualNetwork { blocks }) = state.get(&owner).map(|network| network.typed.clone())
    else {
        return Err(refuse("InvalidResourceReference", "The virtual network was not found."));
    };
    let others = state.parts(&owner, Kind::Subnet);
    let others: Vec<&Typed> =
        others.iter().filter(|(key, _)| *key != id.key).map(|(_, part)| &part.typed).collect();
    let typed = read_subnet(state, id, &body, &blocks, &others)?;
    check_moved(state, id, &typed)?;
    store(state, id, body, typed);
    Ok(())
}

/// Blocks of a subnet inside the network and beside the others; its security group.
fn read_subnet(
    state: &State,
    id: &ResourceId,
    body: &Object,
    space: &[IpNet],
    others: &[&Typed],
) -> Result<Typed, ArmError> {
    let many = texts(body, "addressPrefixes");
    let one = text(body, "properties", "addressPrefix");
    let words: Vec<&str> =
        if many.is_empty() { one.into_iter().collect() } else { many.iter().map(String::as_str).collect() };
    let blocks = read_blocks(&id.id, &words)?;
    let inside = |block: &IpNet| space.iter().any(|outer| outer.contains(block));
    if blocks.is_empty() || !blocks.iter().all(inside) {
        let message = format!(
            "Subnet '{}' is not valid because its IP address range is outside the IP address range of virtual network.",
            id.name()
        );
        return Err(refuse("NetcfgInvalidSubnet", message));
    }
    let taken = others.iter().any(|other| match other {
        Typed::Subnet { blocks: held, .. } => held.iter().any(|h| blocks.iter().any(|b| overlap(h, b))),
        _ => false,
    });
    if taken {
        let message = format!(
            "Subnet '{}' is not valid because its IP address range overlaps with that of an existing subnet.",
            id.name()
        );
        return Err(refuse("NetcfgSubnetRangesOverlap", message));
    }
    let group = body.get("properties").and_then(|p| p.get("networkSecurityGroup"));
    let security_group = reference(group).map(str::to_lowercase);
    if let Some(key) = &security_group {
        must_exist(state, &id.id, key, Kind::SecurityGroup)?;
    }
    Ok(Typed::Subnet { blocks, security_group })
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// A block with interfaces in it stays.
fn check_moved(state: &State, id: &ResourceId, typed: &Typed) -> Result<(), ArmError> {
    let Typed::Subnet { blocks, .. } = typed else { return Ok(()) };
    let cut = state.interfaces().any(|(_, interface)| match &interface.typed {
        Typed::Interface { configurations, .. } => configurations
            .iter()
            .any(|one| one.subnet == id.key && !blocks.iter().any(|block| block.contains(&one.address))),
        _ => false,
    });
    if cut {
        let message = format!("IP prefix on subnet {} is in use and cannot be deleted.", id.id);
        return Err(refuse("InUsePrefixCannotBeDeleted", message));
    }
    Ok(())
}

/// A subnet stays while an IP configuration is in it.
pub fn check_delete_subnet(state: &State, key: &str, id: &str) -> Result<(), ArmError> {
    let user = state.interfaces().find_map(|(_, interface)| match &interface.typed {
        Typed::Interface { configurations, .. } => configurations
            .iter()
            .find(|one| one.subnet == key)
            .map(|one| format!("{}/ipConfigurations/{}", interface.id, one.name)),
        _ => None,
    });
    match user {
        Some(user) => {
            let message = format!(
                "Subnet {id} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet."
            );
            Err(refuse("InUseSubnetCannotBeDeleted", message))
        }
        None => Ok(()),
    }
}

/// A virtual network stays while one of its subnets is in use.
pub fn check_delete(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    let subnets = state.parts(&id.key, Kind::Subnet);
    subnets.iter().try_for_each(|(key, part)| check_delete_subnet(state, key, &part.id))
}

/// Creates or replaces one side of a peering. Both sides make it connected.
pub fn put_peering(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, body, .. } = write;
    let properties = body.get("properties");
    let Some(remote) =
        reference(properties.and_then(|p| p.get("remoteVirtualNetwork"))).map(str::to_lowercase)
    else {
        return Err(refuse("InvalidRequestFormat", "A peering needs a remoteVirtualNetwork."));
    };
    let own = id.owner();
    must_exist(state, &id.id, &remote, Kind::VirtualNetwork)?;
    if remote == own {
        return Err(refuse(
            "CannotPeerVirtualNetworkWithItself",
            "A virtual network cannot be peered with itself.",
        ));
    }
    let known = state.parts(&own, Kind::Peering);
    if known.iter().any(|(key, part)| *key != id.key && leads_to(&part.typed, &remote)) {
        let message = "A virtual network cannot have two peerings with the same remote virtual network.";
        return Err(refuse("PeeringAlreadyExists", message));
    }
    if networks_overlap(state, &own, &remote) {
        let message = format!(
            "Cannot create or update peering {}. The address spaces of the virtual networks overlap.",
            id.id
        );
        return Err(refuse("VnetAddressSpacesOverlap", message));
    }
    let access =
        properties.and_then(|p| p.get("allowVirtualNetworkAccess")).and_then(Value::as_bool).unwrap_or(true);
    let back = state.parts(&remote, Kind::Peering).into_iter().find(|(_, part)| leads_to(&part.typed, &own));
    let was = state.get(&id.key).map(|known| known.typed.clone());
    let now = match (was, &back) {
        (Some(Typed::Peering { state: PeeringState::Disconnected, .. }), None) => PeeringState::Disconnected,
        (_, None) => PeeringState::Initiated,
        (_, Some((_, part))) => {
            if matches!(part.typed, Typed::Peering { state: PeeringState::Disconnected, .. }) {
                let message = format!(
                    "Cannot create or update peering {} because remote peering {} is in Disconnected state. Please delete it first.",
                    id.id, part.id
                );
                return Err(refuse("RemotePeeringIsDisconnected", message));
            }
            PeeringState::Connected
        }
    };
    if let Some((key, _)) = back {
        set_state(state, &key, now);
    }
    store(state, id, body, Typed::Peering { remote, state: now, access });
    Ok(())
}

fn leads_to(typed: &Typed, network: &str) -> bool {
    matches!(typed, Typed::Peering { remote, .. } if remote == network)
}

fn networks_overlap(state: &State, a: &str, b: &str) -> bool {
    let blocks = |key: &str| match state.get(key).map(|network| &network.typed) {
        Some(Typed::VirtualNetwork { blocks }) => blocks.clone(),
        _ => Vec::new(),
    };
    let there = blocks(b);
    blocks(a).iter().any(|block| there.iter().any(|other| overlap(block, other)))
}

fn set_state(state: &mut State, key: &str, to: PeeringState) {
    if let Some(Typed::Peering { state: held, .. }) = state.resources.get_mut(key).map(|part| &mut part.typed)
    {
        *held = to;
    }
}

/// What happens to the other sides when a peering, or a network with its peerings, goes.
pub fn disconnect(state: &mut State, key: &str) {
    let prefix = format!("{key}/");
    let gone: Vec<(String, String)> = state
        .of_kind(Kind::Peering)
        .filter(|(own, _)| *own == key || own.starts_with(&prefix))
        .filter_map(|(own, part)| match &part.typed {
            Typed::Peering { remote, .. } => Some((crate::path::parent(own)?.to_owned(), remote.clone())),
            _ => None,
        })
        .collect();
    for (own, remote) in gone {
        for (back, part) in state.parts(&remote, Kind::Peering) {
            if leads_to(&part.typed, &own) {
                set_state(state, &back, PeeringState::Disconnected);
            }
        }
    }
}

/// What the `VirtualNetwork` tag means in a network: its own space and that of every connected peer.
pub fn tag_of(state: &State, network: &str) -> Vec<IpNet> {
    let blocks = |key: &str| match state.get(key).map(|network| &network.typed) {
        Some(Typed::VirtualNetwork { blocks }) => blocks.clone(),
        _ => Vec::new(),
    };
    let mut all = blocks(network);
    for (_, part) in state.parts(network, Kind::Peering) {
        if let Typed::Peering { remote, state: PeeringState::Connected, access: true } = &part.typed {
            all.extend(blocks(remote));
        }
    }
    all
}
