//! An estate → one resource group of a simulated subscription. A group is a network security group: of a subnet, or of
//! interfaces.

use mock_azure::World;
use mock_azure::error::ArmError;
use serde_json::{Value, json};

use super::protocols_and_ports;
use crate::demo::estate::{Estate, EstateGroup, EstateInterface};

/// The first priority of the rules of a group.
const PRIORITY: usize = 200;

/// Builds the estate in an empty subscription, and lets it settle.
///
/// # Errors
/// As the cloud: what an estate asks for and a cloud refuses.
pub fn seed(world: &mut World, estate: &Estate) -> Result<(), ArmError> {
    let group = format!("/subscriptions/{}/resourceGroups/{}", estate.account, "shop");
    let mut seeder = Seeder { world, group, location: &estate.region };
    seeder.put("", json!({ "location": estate.region }))?;
    for group in &estate.groups {
        seeder.filter(group)?;
    }
    for network in &estate.networks {
        let blocks: Vec<String> = network.cidrs.iter().map(ToString::to_string).collect();
        let id = format!("Microsoft.Network/virtualNetworks/{}", network.name);
        seeder.at(&id, json!({ "addressSpace": { "addressPrefixes": blocks } }))?;
        for subnet in &network.subnets {
            let blocks: Vec<String> = subnet.cidrs.iter().map(ToString::to_string).collect();
            let mut properties = json!({ "addressPrefixes": blocks });
            if let Some(group) = &subnet.group {
                properties["networkSecurityGroup"] = json!({ "id": seeder.id(&filter_of(group)) });
            }
            seeder.put(&format!("{id}/subnets/{}", subnet.name), json!({ "properties": properties }))?;
        }
    }
    for (a, b) in &estate.peerings {
        for (from, to) in [(a, b), (b, a)] {
            let id = format!("Microsoft.Network/virtualNetworks/{from}/virtualNetworkPeerings/{to}");
            let remote = json!({ "id": seeder.id(&format!("Microsoft.Network/virtualNetworks/{to}")) });
            seeder.put(&id, json!({ "properties": { "remoteVirtualNetwork": remote } }))?;
        }
    }
    for instance in &estate.instances {
        let mut interfaces = Vec::new();
        for interface in &instance.interfaces {
            interfaces.push(json!({ "id": seeder.interface(estate, interface)? }));
        }
        let properties = json!({ "networkProfile": { "networkInterfaces": interfaces } });
        let id = format!("Microsoft.Compute/virtualMachines/{}", instance.name);
        let body = json!({ "location": estate.region, "tags": instance.tags, "properties": properties });
        seeder.put(&id, body)?;
    }
    while !world.is_settled() {
        world.advance_ms(1_000);
    }
    Ok(())
}

struct Seeder<'a> {
    world: &'a mut World,
    /// The id of the resource group.
    group: String,
    location: &'a str,
}

fn filter_of(name: &str) -> String {
    format!("Microsoft.Network/networkSecurityGroups/{name}")
}

impl Seeder<'_> {
    fn id(&self, inside: &str) -> String {
        if inside.is_empty() { self.group.clone() } else { format!("{}/providers/{inside}", self.group) }
    }

    fn put(&mut self, inside: &str, body: Value) -> Result<Value, ArmError> {
        let id = self.id(inside);
        self.world.perform("PUT", &id, &body)
    }

    fn at(&mut self, inside: &str, properties: Value) -> Result<Value, ArmError> {
        let body = json!({ "location": self.location, "properties": properties });
        self.put(inside, body)
    }

    fn filter(&mut self, group: &EstateGroup) -> Result<(), ArmError> {
        let id = filter_of(&group.name);
        self.at(&id, json!({}))?;
        let rules = group.ingress.iter().flat_map(|rule| {
            protocols_and_ports(&rule.service).into_iter().map(move |ports| (ports, &rule.blocks))
        });
        for (number, ((protocol, ports), blocks)) in rules.enumerate() {
            let sources: Vec<String> = blocks.iter().map(ToString::to_string).collect();
            let properties = json!({
                "priority": PRIORITY + 10 * number, "direction": "Inbound", "access": "Allow",
                "protocol": capitalised(protocol), "description": group.description,
                "sourceAddressPrefixes": sources, "sourcePortRange": "*",
                "destinationAddressPrefix": "*", "destinationPortRange": ports.unwrap_or("*".to_owned()) });
            self.put(
                &format!("{id}/securityRules/{}-{number}", group.name),
                json!({ "properties": properties }),
            )?;
        }
        Ok(())
    }

    /// The id of what was made.
    fn interface(&mut self, estate: &Estate, interface: &EstateInterface) -> Result<String, ArmError> {
        let network =
            estate.network_of(&interface.subnet).map(|network| network.name.as_str()).unwrap_or_default();
        let subnet = format!("Microsoft.Network/virtualNetworks/{network}/subnets/{}", interface.subnet);
        let subnet = self.id(&subnet);
        let configuration = |(number, address): (usize, &std::net::IpAddr)| {
            let version = if address.is_ipv6() { "IPv6" } else { "IPv4" };
            json!({ "name": format!("ip-{number}"), "properties": {
                "primary": number == 0, "subnet": { "id": subnet }, "privateIPAllocationMethod": "Static",
                "privateIPAddress": address.to_string(), "privateIPAddressVersion": version } })
        };
        let addresses: Vec<Value> = interface.addresses.iter().enumerate().map(configuration).collect();
        let mut properties = json!({ "ipConfigurations": addresses });
        if let Some(group) = interface.groups.first() {
            properties["networkSecurityGroup"] = json!({ "id": self.id(&filter_of(group)) });
        }
        let id = format!("Microsoft.Network/networkInterfaces/{}", interface.name);
        self.at(&id, properties)?;
        Ok(self.id(&id))
    }
}

fn capitalised(protocol: &str) -> String {
    protocol.chars().enumerate().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c }).collect()
}
