//! The addresses of interfaces: given out by subnets, added and taken away.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::describe::not_found;
use super::{Answer, Call};
use crate::state::{Ec2Error, Subnet, refuse};
use crate::xml::{items, text};

/// What an interface asks of its subnet.
#[derive(Default)]
pub(super) struct Wish {
    pub(super) chosen: Vec<IpAddr>,
    pub(super) more_ipv4: usize,
    pub(super) more_ipv6: usize,
}

/// Takes addresses from a subnet: all of the wish or nothing.
pub(super) fn take(subnet: &mut Subnet, wish: &Wish) -> Result<Vec<IpAddr>, Ec2Error> {
    let mut taken = Vec::new();
    let outcome = take_each(subnet, wish, &mut taken);
    if outcome.is_err() {
        for address in &taken {
            subnet.used.remove(address);
        }
    }
    outcome.map(|()| taken)
}

fn take_each(subnet: &mut Subnet, wish: &Wish, taken: &mut Vec<IpAddr>) -> Result<(), Ec2Error> {
    for address in &wish.chosen {
        let inside = subnet.cidr.contains(address) || subnet.ipv6.is_some_and(|b| b.contains(address));
        if !inside || is_reserved(subnet, *address) {
            return Err(refuse(
                "InvalidParameterValue",
                format!("Address {address} does not fall within the subnet's address range"),
            ));
        }
        if !subnet.used.insert(*address) {
            return Err(refuse("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
        }
        taken.push(*address);
    }
    for (count, is_ipv6) in [(wish.more_ipv4, false), (wish.more_ipv6, true)] {
        for _ in 0..count {
            let (address, host) = next_free(subnet, is_ipv6)?;
            subnet.next_host = host + 1;
            subnet.used.insert(address);
            taken.push(address);
        }
    }
    Ok(())
}

/// The first four addresses of an IPv4 block and its last one belong to the cloud.
fn is_reserved(subnet: &Subnet, address: IpAddr) -> bool {
    match (subnet.cidr, address) {
        (IpNet::V4(block), IpAddr::V4(address)) => {
            address.to_bits() - block.network().to_bits() < 4 || address == block.broadcast()
        }
        _ => false,
    }
}

/// The next free address and its host number.
fn next_free(subnet: &Subnet, is_ipv6: bool) -> Result<(IpAddr, u32), Ec2Error> {
    let none = || {
        refuse(
            "InsufficientFreeAddressesInSubnet",
            "The specified subnet does not have enough free addresses to satisfy the request.",
        )
    };
    let at = |host: u32| match (is_ipv6, subnet.cidr, subnet.ipv6) {
        (false, IpNet::V4(block), _) => {
            let address = Ipv4Addr::from_bits(block.network().to_bits().checked_add(host)?);
            (address < block.broadcast()).then_some(IpAddr::V4(address))
        }
        (true, _, Some(IpNet::V6(block))) => {
            Some(IpAddr::V6(Ipv6Addr::from_bits(block.network().to_bits() + u128::from(host))))
        }
        _ => None,
    };
    // From where the last one was found to the end, then once more from the beginning.
    for start in [subnet.next_host, 4] {
        let free = (start..).map_while(|host| Some((at(host)?, host)));
        if let Some(found) = free.into_iter().find(|(address, _)| !subnet.used.contains(address)) {
            return Ok(found);
        }
    }
    Err(none())
}

/// Gives addresses back.
pub(super) fn release(call: &mut Call<'_>, subnet: &str, addresses: &[IpAddr]) {
    if let Some(subnet) = call.state.subnets.get_mut(subnet) {
        for address in addresses {
            subnet.used.remove(address);
        }
    }
}

pub(crate) fn assign_ipv4(call: &mut Call<'_>) -> Answer {
    let wish = Wish {
        chosen: parsed(call.params.list("PrivateIpAddress"))?,
        more_ipv4: count(call, "SecondaryPrivateIpAddressCount"),
        more_ipv6: 0,
    };
    let (id, added) = assign(call, &wish)?;
    let set = added.iter().map(|address| text("privateIpAddress", address));
    Ok(text("networkInterfaceId", id) + &items("assignedPrivateIpAddressesSet", set) + &text("return", true))
}

pub(crate) fn assign_ipv6(call: &mut Call<'_>) -> Answer {
    let wish = Wish {
        chosen: parsed(call.params.list("Ipv6Addresses"))?,
        more_ipv4: 0,
        more_ipv6: count(call, "Ipv6AddressCount"),
    };
    let (id, added) = assign(call, &wish)?;
    let set = added.iter().map(ToString::to_string);
    Ok(text("networkInterfaceId", id) + &items("assignedIpv6Addresses", set))
}

fn assign(call: &mut Call<'_>, wish: &Wish) -> Result<(String, Vec<IpAddr>), Ec2Error> {
    let id = call.params.text("NetworkInterfaceId").to_owned();
    let interface = call.state.interfaces.get_mut(&id);
    let interface = interface.ok_or_else(|| not_found("InvalidNetworkInterfaceID", &id))?;
    let subnet = call.state.subnets.get_mut(&interface.subnet);
    let subnet = subnet.ok_or_else(|| not_found("InvalidSubnetID", &interface.subnet))?;
    let added = take(subnet, wish)?;
    interface.addresses.extend(&added);
    Ok((id, added))
}

pub(crate) fn unassign_ipv4(call: &mut Call<'_>) -> Answer {
    unassign(call, "PrivateIpAddress")
}

pub(crate) fn unassign_ipv6(call: &mut Call<'_>) -> Answer {
    unassign(call, "Ipv6Addresses")
}

fn unassign(call: &mut Call<'_>, list: &str) -> Answer {
    let id = call.params.text("NetworkInterfaceId").to_owned();
    let doomed = parsed(call.params.list(list))?;
    let interface = call.state.interfaces.get_mut(&id);
    let interface = interface.ok_or_else(|| not_found("InvalidNetworkInterfaceID", &id))?;
    let primary = interface.addresses.iter().find(|address| address.is_ipv4()).copied();
    for address in &doomed {
        if !interface.addresses.contains(address) || Some(*address) == primary {
            return Err(refuse(
                "InvalidParameterValue",
                format!("{address} is no secondary address of the interface '{id}'"),
            ));
        }
    }
    interface.addresses.retain(|address| !doomed.contains(address));
    let subnet = interface.subnet.clone();
    release(call, &subnet, &doomed);
    Ok(text("networkInterfaceId", id) + &text("return", true))
}

fn count(call: &Call<'_>, name: &str) -> usize {
    call.params.number(name).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

/// Addresses from texts.
pub(super) fn parsed(texts: Vec<String>) -> Result<Vec<IpAddr>, Ec2Error> {
    let parse = |text: String| {
        text.parse().map_err(|_| {
            refuse("InvalidParameterValue", format!("Value ({text}) for parameter address is invalid."))
        })
    };
    texts.into_iter().map(parse).collect()
}
