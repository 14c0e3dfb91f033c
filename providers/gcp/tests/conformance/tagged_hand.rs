//! What people do by hand where network tags stand for classes, and how the tags of an instance are used up.

use std::collections::BTreeSet;

use mock_gcp::World;
use mock_gcp::state::{Kind, Object, texts_of};
use plan::{GroupId, Peer, RuleSpec};
use policy::{InterfaceId, NetworkId};
use provider::conformance::{Meddling, Unsupported};
use provider_gcp::ids::{self, GroupKind};
use provider_gcp::{GcpSettings, marks};
use serde_json::{Value, json};

use crate::hand::layer4;
use crate::seed::{PROJECT, instance, perform};

/// Whether a network tag is one of ours, in any network.
pub fn is_ours(world: &World, installation: &str, tag: &str) -> bool {
    let mut networks = world.state.of_kind(Kind::Network);
    networks.any(|(path, _)| ids::name_of_tag(installation, &NetworkId::from(path.as_str()), tag).is_some())
}

pub fn meddle(world: &mut World, settings: &GcpSettings, meddling: &Meddling) -> Result<(), Unsupported> {
    match meddling {
        Meddling::AddRule { group, rule } => add_rule(world, settings, group, rule),
        Meddling::RemoveRule { group, rule } => remove_rule(world, settings, group, rule),
        Meddling::TakeOut { interface, group } => take_out(world, settings, interface, group),
        Meddling::Delete { group } => delete(world, settings, group),
    }
}

fn tag_of(settings: &GcpSettings, group: &GroupId) -> Result<String, Unsupported> {
    let closed = |network: &NetworkId, direction| ids::closed_tag(&settings.installation, network, direction);
    match ids::kind_of(group) {
        GroupKind::Class { tag, .. } => Ok(tag),
        GroupKind::Closed { network, direction } => Ok(closed(&network, direction)),
        _ => Err(Unsupported(format!("{group} is no network tag of ours"))),
    }
}

/// A rule with our name and mark, at our priority.
fn add_rule(
    world: &mut World,
    settings: &GcpSettings,
    group: &GroupId,
    rule: &RuleSpec,
) -> Result<(), Unsupported> {
    let Peer::Cidr(block) = &rule.peer else { return Err(Unsupported("the peer is no block".to_owned())) };
    let GroupKind::Class { network, tag } = ids::kind_of(group) else { panic!("{group}") };
    let body = json!({ "name": marks::hashed_name(&settings.installation, "by hand"), "network": network.as_str(),
        "description": marks::description(&settings.installation, marks::role::CLASS_RULE, ""),
        "priority": settings.classic_priorities.0, "direction": "INGRESS", "targetTags": [tag],
        "sourceRanges": [block.to_string()], "allowed": [classic(rule)] });
    perform(world, "POST", &format!("projects/{PROJECT}/global/firewalls"), &body);
    Ok(())
}

/// A service as classic rules write it.
fn classic(rule: &RuleSpec) -> Value {
    let mut layer = layer4(rule.service);
    let protocol = layer.as_object_mut().unwrap().remove("ipProtocol").unwrap();
    layer["IPProtocol"] = protocol;
    layer
}

/// Ingress rules for a tag, by path.
fn rules_for(world: &World, tag: &str) -> Vec<(String, Object)> {
    let all = world.state.of_kind(Kind::Firewall);
    let is_for = |rule: &Object| {
        rule["direction"] == "INGRESS" && texts_of(rule, "targetTags").iter().any(|held| held == tag)
    };
    all.filter(|(_, rule)| is_for(&rule.body)).map(|(path, rule)| (path.clone(), rule.body.clone())).collect()
}

fn remove_rule(
    world: &mut World,
    settings: &GcpSettings,
    group: &GroupId,
    rule: &RuleSpec,
) -> Result<(), Unsupported> {
    let tag = tag_of(settings, group)?;
    let peer = match &rule.peer {
        Peer::Group(id) => tag_of(settings, id)?,
        other => other.to_string(),
    };
    let says = |held: &Object| {
        let peers = [texts_of(held, "sourceTags"), texts_of(held, "sourceRanges")].concat();
        let wanted = classic(rule);
        peers.contains(&peer) && held["allowed"].as_array().unwrap().contains(&wanted)
    };
    let found = rules_for(world, &tag).into_iter().find(|(_, held)| says(held));
    let Some((path, _)) = found else {
        return Err(Unsupported(format!("a rule that went with another one: {rule}")));
    };
    perform(world, "DELETE", &path, &Value::Null);
    Ok(())
}

fn take_out(
    world: &mut World,
    settings: &GcpSettings,
    interface: &InterfaceId,
    group: &GroupId,
) -> Result<(), Unsupported> {
    let tag = tag_of(settings, group)?;
    change_tags(world, ids::instance_of(interface).name(), |tags| {
        tags.remove(&tag);
    });
    Ok(())
}

fn change_tags(world: &mut World, name: &str, change: impl FnOnce(&mut BTreeSet<String>)) {
    let path = instance(name);
    let shown = perform(world, "GET", &path, &Value::Null);
    let tags = shown["tags"].as_object().unwrap();
    let mut items: BTreeSet<String> = texts_of(tags, "items").into_iter().collect();
    change(&mut items);
    let body = json!({ "items": items, "fingerprint": shown["tags"]["fingerprint"] });
    perform(world, "POST", &format!("{path}/setTags"), &body);
}

/// Takes a tag off every instance, and deletes the rules for it; rules that name it as a source stay.
fn delete(world: &mut World, settings: &GcpSettings, group: &GroupId) -> Result<(), Unsupported> {
    let tag = tag_of(settings, group)?;
    let all: Vec<String> = world.state.of_kind(Kind::Instance).map(|(path, _)| path.clone()).collect();
    for path in all {
        change_tags(world, path.rsplit('/').next().unwrap(), |tags| {
            tags.remove(&tag);
        });
    }
    for (path, _) in rules_for(world, &tag) {
        perform(world, "DELETE", &path, &Value::Null);
    }
    Ok(())
}

/// Puts network tags of somebody else on an instance until no more go; how many there may be.
pub fn use_up_tags(world: &mut World, workload: &str) -> u32 {
    let most = world.settings.limits.tags_per_instance;
    change_tags(world, workload, |tags| {
        for spare in tags.len()..most {
            tags.insert(format!("spare-{spare}"));
        }
    });
    most as u32
}
