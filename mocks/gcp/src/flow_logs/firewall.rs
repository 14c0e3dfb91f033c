//! `firewall`: connections that a rule with logging on decided over.

use mock_cloud::time::virtual_ms;
use mock_cloud::traffic::Side;
use mock_cloud::{Edge, Passage};
use serde_json::{Value, json};

use crate::link::{name_of, project_of};
use crate::plane::Key;
use crate::rule::{Action, Direction, Rule, ServiceMatch, Target};
use crate::world::World;

use super::detail::{Machine, connection};

/// The entries of a passage: one for each interface whose deciding rule logs, with the time of its first packet.
pub(super) fn documents(world: &World, passage: &Passage) -> Vec<(u64, Value)> {
    [Side::Source, Side::Destination].into_iter().filter_map(|side| document(world, passage, side)).collect()
}

fn document(world: &World, passage: &Passage, side: Side) -> Option<(u64, Value)> {
    let of = &passage.conversation;
    // Only TCP and UDP are logged.
    if !matches!(of.protocol, 6 | 17) {
        return None;
    }
    let id = passage.interface(side).filter(|id| world.holds(id))?;
    let sight = passage.sights(side).into_iter().find(|sight| !sight.is_answer)?;
    let direction = if side == Side::Source { Direction::Egress } else { Direction::Ingress };
    let (own_address, at_ms) = (of.end(side).address(), virtual_ms(of.start_ms));
    let packet = of.packet(side, world);
    let ruling = world.ruling(id, own_address, direction, &packet, Some(at_ms));
    let (key, rule) = ruling.by.filter(|(_, rule)| rule.is_logged)?;
    let own = Machine::find(world, id)?;
    let mut payload = json!({
        "connection": connection(of.addresses(side), of.ports(), of.protocol),
        "disposition": if sight.accepted { "ALLOWED" } else { "DENIED" },
        "rule_details": rule_details(world, id, &own, &key, &rule, at_ms),
        "instance": own.instance_details(),
        "vpc": own.vpc_details(),
    });
    let fields = payload.as_object_mut()?;
    if let Some(other) = Machine::other(world, &own, of, side) {
        fields.insert("remote_instance".to_owned(), other.instance_details());
        fields.insert("remote_vpc".to_owned(), other.vpc_details());
    }
    let entry = json!({ "resource": own.resource(world), "jsonPayload": payload });
    Some((sight.burst.start_ms, entry))
}

fn rule_details(world: &World, id: &str, own: &Machine<'_>, key: &Key, rule: &Rule, at_ms: u64) -> Value {
    let services: Vec<Value> = rule.services.iter().map(service).collect();
    let mut details = json!({
        "reference": reference(world, id, own, key, at_ms),
        "priority": rule.priority,
        "action": if rule.action == Action::Deny { "DENY" } else { "ALLOW" },
        "direction": if rule.direction == Direction::Ingress { "INGRESS" } else { "EGRESS" },
        "ip_port_info": services,
    });
    let texts = |blocks: &[ipnet::IpNet]| blocks.iter().map(ToString::to_string).collect::<Vec<String>>();
    let target_tags = match &rule.target {
        Target::Tags(tags) => tags.iter().cloned().collect(),
        _ => Vec::new(),
    };
    let lists = [
        ("source_range", texts(&rule.source.ranges)),
        ("destination_range", texts(&rule.destination.ranges)),
        ("source_tag", rule.source.tags.iter().cloned().collect()),
        ("target_tag", target_tags),
    ];
    if let Some(fields) = details.as_object_mut() {
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        fields.extend(lists.map(|(field, list)| (field.to_owned(), json!(list))));
    }
    details
}

fn service(service: &ServiceMatch) -> Value {
    let protocol = match service.protocol {
        None => "ALL".to_owned(),
        Some(6) => "TCP".to_owned(),
        Some(17) => "UDP".to_owned(),
        Some(number) => number.to_string(),
    };
    let range = |(from, to): &(u16, u16)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    let ports: Vec<String> = service.ports.iter().map(range).collect();
    if ports.is_empty() {
        json!({ "ip_protocol": protocol })
    } else {
        json!({ "ip_protocol": protocol, "port_range": ports })
    }
}

/// `network:N/firewall:NAME`; a rule of a policy is named by the policy's number, of a hierarchical one with the place
/// of its node in the path from the organisation.
fn reference(world: &World, id: &str, own: &Machine<'_>, key: &Key, at_ms: u64) -> String {
    let network = name_of(&own.nic.network);
    match key {
        Key::PolicyRule(policy, _) => {
            let number = world.state.resources.get(policy).map(|held| held.id).unwrap_or_default();
            let above = world.state.above(project_of(&own.nic.network));
            let tier = above.into_iter().position(|node| {
                world.plane.view(id, &Key::Attached(node, policy.clone()), Some(at_ms)).is_some()
            });
            match tier {
                Some(tier) => format!("{tier}/firewallPolicy:{number}"),
                None => format!("network:{network}/firewallPolicy:{number}"),
            }
        }
        Key::Classic(_, name) => format!("network:{network}/firewall:{name}"),
        _ => String::new(),
    }
}
