//! Azure Virtual Network Manager: security admin rules, which come before every security group.
//!
//! Rules take effect when their configuration is committed for a region, and stay as they were at that commit.

use serde_json::{Value, json};

use crate::error::{ArmError, refuse};
use crate::path::{Kind, ResourceId};
use crate::resources::{Write, rule, store};
use crate::state::{Access, Direction, Object, Rule, Side, State, Typed, text};

/// A committed rule in one virtual network.
#[derive(Clone, PartialEq, Debug)]
pub struct Deployed {
    /// The key of the virtual network.
    pub network: String,
    /// The region of the commit.
    pub region: String,
    /// The rule.
    pub rule: Rule,
    /// As the lists of active rules show it.
    pub document: Value,
}

/// Creates or replaces a security admin rule.
pub fn put_rule(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, body, .. } = write;
    let rule = parse(&id.id, &body)?;
    store(state, id, body, Typed::Rule(rule));
    Ok(())
}

fn parse(id: &str, body: &Object) -> Result<Rule, ArmError> {
    let word = |field: &str| text(body, "properties", field).unwrap_or_default();
    let wrong =
        |field: &str| refuse("InvalidRequestFormat", format!("Admin rule {id} has an invalid {field}."));
    let direction = match word("direction") {
        "Inbound" => Direction::Inbound,
        "Outbound" => Direction::Outbound,
        _ => return Err(wrong("direction")),
    };
    let access = match word("access") {
        "Allow" => Access::Allow,
        "Deny" => Access::Deny,
        "AlwaysAllow" => Access::AlwaysAllow,
        _ => return Err(wrong("access")),
    };
    let properties = body.get("properties");
    let priority = properties.and_then(|p| p.get("priority")).and_then(Value::as_u64).unwrap_or(0);
    if !(1..=4096).contains(&priority) {
        return Err(wrong("priority"));
    }
    let side = |field: &str| -> Result<Side, ArmError> {
        let (mut blocks, mut tags) = (Vec::new(), Vec::new());
        let items = properties.and_then(|p| p.get(field)).and_then(Value::as_array);
        for word in items.into_iter().flatten().filter_map(|item| item.get("addressPrefix")?.as_str()) {
            if word == "*" {
                return Ok(Side::Any);
            }
            match (rule::service_tag(word), rule::block(word)) {
                (Some(tag), _) => tags.push(tag),
                (None, Some(block)) => blocks.push(block),
                _ => return Err(wrong(field)),
            }
        }
        Ok(if blocks.is_empty() && tags.is_empty() { Side::Any } else { Side::Of(blocks, tags) })
    };
    let ports = |end: &str| match rule::ports(id, body, end) {
        Err(error) if error.code == "SecurityRuleParametersMissing" => Ok(vec![(0, u16::MAX)]),
        other => other,
    };
    Ok(Rule {
        direction,
        access,
        priority: u32::try_from(priority).unwrap_or(u32::MAX),
        protocol: rule::protocol(id, text(body, "properties", "protocol"))?,
        source: side("sources")?,
        destination: side("destinations")?,
        source_ports: ports("source")?,
        destination_ports: ports("destination")?,
    })
}

/// Commits configurations of a manager to regions: they replace what it had there.
pub fn commit(state: &mut State, manager: &ResourceId, body: &Value) -> Result<(), ArmError> {
    let words = |field: &str| -> Vec<String> {
        let items = body.get(field).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).map(str::to_lowercase).collect()
    };
    if body.get("commitType").and_then(Value::as_str) != Some("SecurityAdmin") {
        return Err(refuse("InvalidRequestFormat", "Only commits of SecurityAdmin are simulated."));
    }
    let configurations = words("configurationIds");
    for key in &configurations {
        super::must_exist(state, &manager.id, key, Kind::AdminConfiguration)?;
    }
    for region in words("targetLocations") {
        let mut deployed = Vec::new();
        for configuration in &configurations {
            deployed.extend(deployment(state, configuration, &region));
        }
        state.deployed.insert((manager.key.clone(), region), deployed);
    }
    Ok(())
}

fn deployment(state: &State, configuration: &str, region: &str) -> Vec<Deployed> {
    let mut deployed = Vec::new();
    for (key, collection) in state.parts(configuration, Kind::AdminCollection) {
        let groups = collection
            .body
            .get("properties")
            .and_then(|p| p.get("appliesToGroups"))
            .cloned()
            .unwrap_or_default();
        let mut networks: Vec<String> = Vec::new();
        for group in groups.as_array().into_iter().flatten() {
            let group =
                group.get("networkGroupId").and_then(Value::as_str).unwrap_or_default().to_lowercase();
            networks.extend(members(state, &group));
        }
        networks.sort();
        networks.dedup();
        for (_, part) in state.parts(&key, Kind::AdminRule) {
            let Typed::Rule(rule) = &part.typed else { continue };
            let document = json!({
                "id": part.id,
                "kind": "Custom",
                "region": region,
                "configurationDescription": description(state, configuration),
                "ruleCollectionDescription": description(state, &key),
                "ruleCollectionAppliesToGroups": groups,
                "ruleGroups": [],
                "properties": part.body.get("properties"),
            });
            deployed.extend(networks.iter().map(|network| Deployed {
                network: network.clone(),
                region: region.to_owned(),
                rule: rule.clone(),
                document: document.clone(),
            }));
        }
    }
    deployed
}

fn description(state: &State, key: &str) -> String {
    let held = state.get(key).and_then(|held| text(&held.body, "properties", "description"));
    held.unwrap_or_default().to_owned()
}

/// The keys of the virtual networks in a network group.
fn members(state: &State, group: &str) -> Vec<String> {
    let parts = state.parts(group, Kind::StaticMember);
    parts
        .iter()
        .filter_map(|(_, part)| text(&part.body, "properties", "resourceId"))
        .map(str::to_lowercase)
        .collect()
}

/// What the simulation enforces in a network, lowest priority number first.
pub fn rules_of(state: &State, network: &str) -> Vec<Rule> {
    let region = state.get(network).map(|network| network.location().to_lowercase()).unwrap_or_default();
    let mut rules: Vec<Rule> = state
        .deployed
        .values()
        .flatten()
        .filter(|one| one.network == network && one.region == region)
        .map(|one| one.rule.clone())
        .collect();
    rules.sort_by_key(|rule| rule.priority);
    rules
}

/// The documents of the rules that are active for a manager in regions, or in a virtual network.
pub fn active(state: &State, target: &ResourceId, body: &Value) -> Vec<Value> {
    let regions: Vec<String> = body
        .get("regions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_lowercase)
        .collect();
    let mut documents: Vec<Value> = Vec::new();
    for ((manager, _), deployed) in &state.deployed {
        for one in deployed {
            let asked = match target.kind {
                Kind::Manager => {
                    *manager == target.key && (regions.is_empty() || regions.contains(&one.region))
                }
                _ => one.network == target.key,
            };
            if asked && !documents.contains(&one.document) {
                documents.push(one.document.clone());
            }
        }
    }
    documents
}

/// Takes what a manager deployed out of force.
pub fn forget(state: &mut State, key: &str) {
    state.deployed.retain(|(manager, _), _| manager != key);
}

/// Whether a kind belongs to a manager.
pub fn is_part(kind: Kind) -> bool {
    kind.type_path().1.starts_with("networkManagers")
}

/// A configuration under commit stays.
pub fn check_delete(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    let below = format!("{}/", id.key);
    let held = |one: &Deployed| {
        one.document
            .get("id")
            .and_then(Value::as_str)
            .is_some_and(|rule| rule.to_lowercase().starts_with(&below))
    };
    let in_force = id.kind == Kind::AdminConfiguration && state.deployed.values().flatten().any(held);
    if in_force {
        let message =
            format!("Configuration {} is deployed to a region. Remove its deployment first.", id.id);
        return Err(refuse("CannotDeleteDeployedConfiguration", message));
    }
    Ok(())
}
