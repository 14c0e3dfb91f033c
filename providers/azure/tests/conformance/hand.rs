//! What people do by hand, and how quotas are used up.

use mock_azure::World;
use mock_azure::path::Kind;
use plan::{GroupId, Peer, RuleService, RuleSpec};
use policy::InterfaceId;
use provider::conformance::{Meddling, Unsupported};
use provider_azure::ids::{self, GroupKind};
use provider_azure::{AzureSettings, marks};
use serde_json::{Value, json};

use crate::seed::{asg, machine, nic, perform, put, show};

pub fn meddle(world: &mut World, settings: &AzureSettings, meddling: &Meddling) -> Result<(), Unsupported> {
    match meddling {
        Meddling::AddRule { group, rule } => add_rule(world, settings, group, rule),
        Meddling::RemoveRule { group, rule } => remove_rule(world, group, rule),
        Meddling::TakeOut { interface, group } => take_out(world, interface, group),
        Meddling::Delete { group } => {
            delete(world, &carried(group)?.1);
            Ok(())
        }
    }
}

/// The security group and the application security group of a carrier, as keys.
fn carried(group: &GroupId) -> Result<(String, String), Unsupported> {
    match ids::kind_of(group) {
        GroupKind::Carrier { nsg, asg } => Ok((nsg.key().to_owned(), asg.key().to_owned())),
        other => Err(Unsupported(format!("{other:?} has no rules of ours"))),
    }
}

/// A rule with a name of ours, in our band.
fn add_rule(
    world: &mut World,
    settings: &AzureSettings,
    group: &GroupId,
    rule: &RuleSpec,
) -> Result<(), Unsupported> {
    let (nsg, asg) = carried(group)?;
    let name = marks::owned_name(&settings.installation, &marks::digits("by hand", marks::HASH_LENGTH));
    let (protocol, ports) = words(rule.service);
    let body = json!({ "properties": { "priority": settings.priorities.0 + 7, "direction": "Inbound",
        "access": "Allow", "protocol": protocol, "sourceAddressPrefix": peer(rule), "sourcePortRange": "*",
        "destinationPortRange": ports, "destinationApplicationSecurityGroups": [{ "id": asg }] } });
    put(world, &format!("{nsg}/securityRules/{name}"), body);
    Ok(())
}

fn peer(rule: &RuleSpec) -> String {
    match &rule.peer {
        Peer::Group(id) => id.to_string(),
        other => other.to_string(),
    }
}

fn words(service: RuleService) -> (&'static str, String) {
    let word = |protocol: u8| match protocol {
        1 => "Icmp",
        6 => "Tcp",
        17 => "Udp",
        other => panic!("no word for protocol {other}"),
    };
    match service {
        RuleService::All => ("*", "*".to_owned()),
        RuleService::Protocol(protocol) | RuleService::Icmp { protocol, .. } => {
            (word(protocol), "*".to_owned())
        }
        RuleService::Ports { protocol, first, last } if first == last => (word(protocol), first.to_string()),
        RuleService::Ports { protocol, first, last } => (word(protocol), format!("{first}-{last}")),
    }
}

/// The rules of all security groups, as documents.
fn rules(world: &mut World) -> Vec<Value> {
    let all: Vec<String> = world.state.of_kind(Kind::Rule).map(|(key, _)| key.clone()).collect();
    all.iter().map(|key| show(world, key)).collect()
}

fn texts(properties: &Value, end: &str) -> Vec<String> {
    let groups =
        properties[format!("{end}ApplicationSecurityGroups")].as_array().cloned().unwrap_or_default();
    let prefixes = properties[format!("{end}AddressPrefixes")].as_array().cloned().unwrap_or_default();
    let one = properties[format!("{end}AddressPrefix")].as_str().map(str::to_owned);
    let groups = groups.iter().map(|group| group["id"].as_str().unwrap().to_lowercase());
    let prefixes = prefixes.iter().map(|prefix| prefix.as_str().unwrap().to_owned());
    groups.chain(prefixes).chain(one).collect()
}

fn remove_rule(world: &mut World, group: &GroupId, rule: &RuleSpec) -> Result<(), Unsupported> {
    let (nsg, asg) = carried(group)?;
    let (protocol, ports) = words(rule.service);
    let says = |held: &Value| {
        let properties = &held["properties"];
        held["id"].as_str().unwrap().to_lowercase().starts_with(&format!("{nsg}/"))
            && properties["direction"] == "Inbound"
            && properties["protocol"].as_str().unwrap().eq_ignore_ascii_case(protocol)
            && properties["destinationPortRange"] == ports.as_str()
            && texts(properties, "destination").contains(&asg)
            && texts(properties, "source").contains(&peer(rule))
    };
    let found = rules(world).into_iter().find(says);
    let Some(found) = found else {
        return Err(Unsupported(format!("a rule that went with another one: {rule}")));
    };
    perform(world, "DELETE", found["id"].as_str().unwrap(), &Value::Null);
    Ok(())
}

fn take_out(world: &mut World, interface: &InterfaceId, group: &GroupId) -> Result<(), Unsupported> {
    let GroupKind::Asg(asg) = ids::kind_of(group) else {
        return Err(Unsupported(format!("{group} goes with its application security group")));
    };
    set_groups(world, interface.as_str(), |groups| groups.retain(|id| id != asg.key()));
    Ok(())
}

/// Changes the application security groups of all IP configurations.
fn set_groups(world: &mut World, interface: &str, change: impl Fn(&mut Vec<String>)) {
    let mut body = show(world, interface);
    for one in body["properties"]["ipConfigurations"].as_array_mut().unwrap() {
        let held = one["properties"]["applicationSecurityGroups"].as_array().cloned().unwrap_or_default();
        let mut groups: Vec<String> =
            held.iter().map(|group| group["id"].as_str().unwrap().to_lowercase()).collect();
        change(&mut groups);
        let groups: Vec<Value> = groups.iter().map(|id| json!({ "id": id })).collect();
        one["properties"]["applicationSecurityGroups"] = json!(groups);
    }
    perform(world, "PUT", interface, &body);
}

/// Deletes an application security group, after its members are out and no rule names it.
fn delete(world: &mut World, asg: &str) {
    let interfaces: Vec<String> = world.state.of_kind(Kind::Interface).map(|(key, _)| key.clone()).collect();
    for interface in interfaces {
        set_groups(world, &interface, |groups| groups.retain(|id| id != asg));
    }
    for mut rule in rules(world) {
        let id = rule["id"].as_str().unwrap().to_owned();
        let (mut is_named, mut is_empty) = (false, false);
        for end in ["source", "destination"] {
            let field = format!("{end}ApplicationSecurityGroups");
            let Some(groups) = rule["properties"][&field].as_array_mut() else { continue };
            let before = groups.len();
            groups.retain(|group| !group["id"].as_str().unwrap().eq_ignore_ascii_case(asg));
            is_named |= groups.len() < before;
            is_empty |= before > 0 && groups.is_empty();
        }
        match (is_named, is_empty) {
            (_, true) => drop(perform(world, "DELETE", &id, &Value::Null)),
            (true, false) => drop(perform(world, "PUT", &id, &rule)),
            (false, false) => {}
        }
    }
    perform(world, "DELETE", asg, &Value::Null);
}

pub fn relabel(world: &mut World, workload: &str, key: &str, value: &str) {
    let mut body = show(world, &machine(workload));
    body["tags"][key] = json!(value);
    put(world, &machine(workload), body);
}

/// Puts a machine into groups of somebody else until no more go; how many there may be.
pub fn use_up_groups(world: &mut World, workload: &str) -> u32 {
    let most = world.settings.limits.groups_per_configuration;
    let shown = show(world, &nic(workload));
    let first = &shown["properties"]["ipConfigurations"][0]["properties"]["applicationSecurityGroups"];
    for spare in first.as_array().map_or(0, Vec::len)..most {
        let name = format!("spare-{spare}");
        put(world, &asg(&name), json!({ "tags": { "owner": "them" } }));
        set_groups(world, &nic(workload), |groups| groups.push(asg(&name).to_lowercase()));
    }
    most as u32
}

/// Fills every security group with rules of somebody else, which stop what nobody asks for; how many there may be.
pub fn use_up_rules(world: &mut World) -> u32 {
    let most = world.settings.limits.rules_per_group;
    let groups: Vec<String> = world.state.of_kind(Kind::SecurityGroup).map(|(key, _)| key.clone()).collect();
    for group in groups {
        let mut body = show(world, &group);
        let rules = body["properties"]["securityRules"].as_array_mut().unwrap();
        let taken: Vec<u64> =
            rules.iter().map(|rule| rule["properties"]["priority"].as_u64().unwrap()).collect();
        let free = (300..4000).filter(|priority| !taken.contains(priority)).take(most - rules.len());
        rules.extend(free.map(|priority| {
            json!({ "name": format!("spare-{priority}"), "properties": { "priority": priority,
                "direction": "Inbound", "access": "Deny", "protocol": "Esp", "sourceAddressPrefix": "192.0.2.0/24",
                "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "*" } })
        }));
        perform(world, "PUT", &group, &body);
    }
    most as u32
}
