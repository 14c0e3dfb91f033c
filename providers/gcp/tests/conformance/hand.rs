//! What people do by hand, and how quotas are used up.

use std::collections::BTreeSet;

use mock_gcp::World;
use mock_gcp::state::{Kind, Object, number};
use plan::{GroupId, Peer, RuleService, RuleSpec};
use policy::InterfaceId;
use provider::conformance::{Meddling, Unsupported};
use provider_gcp::{GcpSettings, ids, marks};
use serde_json::{Value, json};

use crate::seed::{bind, instance, perform, tag, unbind};

/// Tag keys that carry the name of our installation.
pub fn keys_of_ours(world: &World, settings: &GcpSettings) -> usize {
    let prefix = format!("bulkhead-{}-", settings.installation);
    let keys = world.state.tag_keys.values();
    keys.filter(|key| key.short_name.strip_prefix(&prefix).is_some_and(|hash| !hash.contains('-'))).count()
}

pub fn meddle(world: &mut World, settings: &GcpSettings, meddling: &Meddling) -> Result<(), Unsupported> {
    match meddling {
        Meddling::AddRule { group, rule } => add_rule(world, settings, group, rule),
        Meddling::RemoveRule { group, rule } => remove_rule(world, group, rule),
        Meddling::TakeOut { interface, group } => take_out(world, settings, interface, group),
        Meddling::Delete { group } => {
            delete(world, group);
            Ok(())
        }
    }
}

/// A rule with our mark, in our band.
fn add_rule(
    world: &mut World,
    settings: &GcpSettings,
    group: &GroupId,
    rule: &RuleSpec,
) -> Result<(), Unsupported> {
    let (policy, _) = rules_for(world, group).into_iter().next().unwrap();
    let Peer::Cidr(block) = &rule.peer else { return Err(Unsupported("the peer is no block".to_owned())) };
    let body = json!({ "priority": settings.priorities.0 + 7, "action": "allow", "direction": "INGRESS",
        "description": marks::description(&settings.installation, marks::role::CLASS_RULE, ""),
        "ruleName": marks::hashed_name(&settings.installation, "by hand"),
        "targetSecureTags": [{ "name": group.as_str() }],
        "match": { "srcIpRanges": [block.to_string()], "layer4Configs": [layer4(rule.service)] } });
    perform(world, "POST", &format!("{policy}/addRule"), &body);
    Ok(())
}

/// Ingress rules of policies for a tag value, each with its policy.
fn rules_for(world: &World, group: &GroupId) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (path, policy) in world.state.of_kind(Kind::FirewallPolicy) {
        let rules = policy.body["rules"].as_array().into_iter().flatten();
        let is_for = |rule: &&Value| {
            let targets = rule["targetSecureTags"].as_array().into_iter().flatten();
            rule["direction"] == "INGRESS" && targets.clone().any(|tag| tag["name"] == group.as_str())
        };
        found.extend(rules.filter(is_for).map(|rule| (path.clone(), rule.clone())));
    }
    found
}

fn remove_rule(world: &mut World, group: &GroupId, rule: &RuleSpec) -> Result<(), Unsupported> {
    let peer = match &rule.peer {
        Peer::Group(id) => id.to_string(),
        other => other.to_string(),
    };
    let says = |held: &Value| {
        let matching = &held["match"];
        let (tags, blocks) = (&matching["srcSecureTags"], &matching["srcIpRanges"]);
        let tags = tags.as_array().into_iter().flatten().map(|tag| tag["name"].as_str().unwrap());
        let blocks = blocks.as_array().into_iter().flatten().map(|block| block.as_str().unwrap());
        let is_for = tags.chain(blocks).any(|held| held == peer);
        is_for && allows(&matching["layer4Configs"], rule.service)
    };
    let found = rules_for(world, group).into_iter().find(|(_, held)| says(held));
    let Some((policy, held)) = found else {
        return Err(Unsupported(format!("a rule that went with another one: {rule}")));
    };
    let path = format!("{policy}/removeRule?priority={}", held["priority"]);
    perform(world, "POST", &path, &Value::Null);
    Ok(())
}

fn allows(services: &Value, service: RuleService) -> bool {
    let wanted = layer4(service);
    services.as_array().into_iter().flatten().any(|held| {
        let ports = |of: &Value| -> BTreeSet<String> {
            let ports = of["ports"].as_array().into_iter().flatten();
            ports.map(|port| port.as_str().unwrap().to_owned()).collect()
        };
        held["ipProtocol"] == wanted["ipProtocol"] && ports(held).is_superset(&ports(&wanted))
    })
}

/// A service as policies write it.
pub fn layer4(service: RuleService) -> Value {
    let word = |protocol: u8| match protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        other => other.to_string(),
    };
    match service {
        RuleService::All => json!({ "ipProtocol": "all" }),
        RuleService::Protocol(protocol) | RuleService::Icmp { protocol, .. } => {
            json!({ "ipProtocol": word(protocol) })
        }
        RuleService::Ports { protocol, first, last } => {
            let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
            json!({ "ipProtocol": word(protocol), "ports": [ports] })
        }
    }
}

/// Takes a tag value off an instance: of a class, or of those that are closed.
fn take_out(
    world: &mut World,
    settings: &GcpSettings,
    interface: &InterfaceId,
    group: &GroupId,
) -> Result<(), Unsupported> {
    let path = ids::instance_of(interface);
    let value = match ids::kind_of(group) {
        ids::GroupKind::Value(value) => value,
        ids::GroupKind::Closed { network, direction } => {
            closed_value(world, &ids::closed_key(&settings.installation, &network, direction))
        }
        _ => return Err(Unsupported(format!("{group} is no tag value"))),
    };
    unbind(world, path.name(), &value);
    Ok(())
}

fn closed_value(world: &World, key: &str) -> String {
    let mut values = world.state.tag_values.iter();
    let (number, _) = values.find(|(_, value)| value.short_name == key).unwrap();
    format!("tagValues/{number}")
}

/// Deletes a tag value after its bindings; rules that name it stay, which the cloud allows.
fn delete(world: &mut World, group: &GroupId) {
    let value = number(group.as_str(), "tagValues/").unwrap();
    let bound: Vec<String> = world
        .state
        .bindings
        .iter()
        .filter(|(_, held)| *held == value)
        .map(|(path, _)| path.clone())
        .collect();
    for path in bound {
        unbind(world, path.rsplit('/').next().unwrap(), group.as_str());
    }
    perform(world, "DELETE", &format!("v3/{group}"), &Value::Null);
}

pub fn relabel(world: &mut World, workload: &str, key: &str, value: &str) {
    let path = instance(workload);
    let shown = perform(world, "GET", &path, &Value::Null);
    let mut labels = shown["labels"].clone();
    labels[key] = json!(value);
    let body = json!({ "labels": labels, "labelFingerprint": shown["labelFingerprint"] });
    perform(world, "POST", &format!("{path}/setLabels"), &body);
}

/// Puts tag values of somebody else on an instance until no more go; how many may be on an interface.
pub fn use_up_tag_values(world: &mut World, workload: &str) -> u32 {
    let network = world.state.get_kind(&instance(workload), Kind::Instance).unwrap().nics[0].network.clone();
    let network = network.rsplit('/').next().unwrap().to_owned();
    let most = world.settings.limits.tag_values_per_nic;
    for spare in world.state.bound(&instance(workload)).count()..most {
        let value = tag(world, &network, &format!("spare-{spare}"));
        bind(world, workload, &value);
    }
    most as u32
}

/// What the rules of a policy cost.
pub fn attributes(policy: &Object) -> usize {
    let rules = policy.get("rules").and_then(Value::as_array).into_iter().flatten();
    let own = rules.filter(|rule| rule["priority"].as_u64() < Some(2_147_483_644));
    own.filter_map(|rule| rule["ruleTupleCount"].as_u64()).sum::<u64>() as usize
}
