//! An estate → networks and instances of a simulated project. A group is a classic firewall rule and the network tag
//! that it is for. Google Cloud gives IPv6 addresses by itself, so an estate names those of IPv4 only.

use mock_gcp::World;
use mock_gcp::error::GcpError;
use serde_json::{Value, json};

use super::{of_family, protocols_and_ports};
use crate::demo::estate::{Estate, EstateGroup, EstateInstance};

/// The priority of classic rules: the one that people do not write.
const PRIORITY: u32 = 1_000;

/// Builds the estate in a project without networks, and lets it settle.
///
/// # Errors
/// As the cloud: what an estate asks for and a cloud refuses.
pub fn seed(world: &mut World, estate: &Estate) -> Result<(), GcpError> {
    let project = format!("projects/{}", estate.account);
    let mut seeder = Seeder { world, project, estate };
    for network in &estate.networks {
        seeder.make("global/networks", json!({ "name": network.name, "autoCreateSubnetworks": false }))?;
        for subnet in &network.subnets {
            let block = of_family(&subnet.cidrs, false).pop().unwrap_or_default();
            let body = json!({ "name": subnet.name, "network": seeder.network(&network.name), "ipCidrRange": block });
            seeder.make(&format!("regions/{}/subnetworks", estate.region), body)?;
        }
    }
    for (a, b) in &estate.peerings {
        for (from, to) in [(a, b), (b, a)] {
            let peering = json!({ "networkPeering": {
                "name": to, "network": seeder.network(to), "exchangeSubnetRoutes": true } });
            seeder.make(&format!("global/networks/{from}/addPeering"), peering)?;
        }
    }
    for group in &estate.groups {
        seeder.firewall(group)?;
    }
    for instance in &estate.instances {
        seeder.instance(instance)?;
    }
    while !world.is_settled() {
        world.advance_ms(1_000);
    }
    Ok(())
}

struct Seeder<'a> {
    world: &'a mut World,
    /// `projects/P`.
    project: String,
    estate: &'a Estate,
}

impl Seeder<'_> {
    fn make(&mut self, collection: &str, body: Value) -> Result<Value, GcpError> {
        self.world.perform("POST", &format!("{}/{collection}", self.project), &body)
    }

    fn network(&self, name: &str) -> String {
        format!("{}/global/networks/{name}", self.project)
    }

    fn firewall(&mut self, group: &EstateGroup) -> Result<(), GcpError> {
        let allowed: Vec<Value> = group
            .ingress
            .iter()
            .flat_map(|rule| protocols_and_ports(&rule.service))
            .map(|(protocol, ports)| match ports {
                Some(ports) => json!({ "IPProtocol": protocol, "ports": [ports] }),
                None => json!({ "IPProtocol": protocol }),
            })
            .collect();
        if allowed.is_empty() {
            return Ok(());
        }
        let blocks: Vec<String> =
            group.ingress.iter().flat_map(|rule| of_family(&rule.blocks, false)).collect();
        let body = json!({
            "name": group.name, "network": self.network(&group.network), "description": group.description,
            "priority": PRIORITY, "direction": "INGRESS", "sourceRanges": blocks,
            "targetTags": [group.name], "allowed": allowed });
        self.make("global/firewalls", body)?;
        Ok(())
    }

    fn instance(&mut self, instance: &EstateInstance) -> Result<(), GcpError> {
        let region = &self.estate.region;
        let interface = |interface: &crate::demo::estate::EstateInterface| {
            let subnet = format!("{}/regions/{region}/subnetworks/{}", self.project, interface.subnet);
            json!({ "subnetwork": subnet, "networkIP": interface.addresses.first().map(ToString::to_string) })
        };
        let interfaces: Vec<Value> = instance.interfaces.iter().map(interface).collect();
        let tags: Vec<&String> = instance.interfaces.iter().flat_map(|interface| &interface.groups).collect();
        let zone = format!("{region}-b");
        let body = json!({
            "name": instance.name, "labels": instance.tags, "tags": { "items": tags },
            "machineType": format!("zones/{zone}/machineTypes/e2-small"), "networkInterfaces": interfaces });
        self.make(&format!("zones/{zone}/instances"), body)?;
        Ok(())
    }
}
