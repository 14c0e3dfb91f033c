//! Network security groups with their rules, and application security groups.

use serde_json::{Value, json};

use crate::error::{ArmError, refuse};
use crate::path::{Kind, ResourceId};
use crate::resources::{Limits, Write, rule, store};
use crate::state::{Object, Rule, State, Typed};

/// Creates or replaces a security group. Its rules are replaced as a whole: one that is left out is deleted.
pub fn put(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, mut body, limits } = write;
    limit(count_with(state, id, &body), limits.security_groups, "NetworkSecurityGroups")?;
    let listed =
        body.get_mut("properties").and_then(Value::as_object_mut).and_then(|p| p.remove("securityRules"));
    let rules = read_rules(state, id, listed, limits)?;
    let together: Vec<(String, &Rule)> = rules.iter().map(|(id, _, rule)| (id.id.clone(), rule)).collect();
    rule::check_all(&id.id, &together, limits)?;
    store(state, id, body, Typed::Other);
    let gone: Vec<String> = state
        .parts(&id.key, Kind::Rule)
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| !rules.iter().any(|(id, ..)| id.key == *key))
        .collect();
    for key in gone {
        state.remove(&key);
    }
    for (id, body, rule) in rules {
        store(state, &id, body, Typed::Rule(rule));
    }
    Ok(())
}

type ReadRule = (ResourceId, Object, Rule);

fn read_rules(
    state: &State,
    group: &ResourceId,
    listed: Option<Value>,
    limits: &Limits,
) -> Result<Vec<ReadRule>, ArmError> {
    let mut rules: Vec<ReadRule> = Vec::new();
    for value in listed.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
        let id = ResourceId::parse(&format!("{}/securityRules/{name}", group.id))
            .ok_or_else(|| refuse("InvalidRequestFormat", "A security rule has no name."))?;
        super::check_name(&id)?;
        if rules.iter().any(|(other, ..)| other.key == id.key) {
            let message = format!("Cannot parse the request. Duplicate resource name {name}.");
            return Err(refuse("DuplicateResourceName", message));
        }
        let mut body = value.as_object().cloned().unwrap_or_default();
        body.retain(|field, _| !matches!(field.as_str(), "name" | "id"));
        let rule = rule::parse(&id.id, &body, limits)?;
        rule::check_groups(state, &id.id, &rule)?;
        rules.push((id, body, rule));
    }
    Ok(rules)
}

/// Creates or replaces one rule and leaves its neighbours alone.
pub fn put_rule(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let Write { id, body, limits } = write;
    let rule = rule::parse(&id.id, &body, limits)?;
    rule::check_groups(state, &id.id, &rule)?;
    let owner = id.owner();
    let prefix = format!("{owner}/");
    let mut together: Vec<(String, &Rule)> = state
        .below(&prefix, Kind::Rule)
        .filter(|(key, _)| **key != id.key)
        .filter_map(|(_, part)| match &part.typed {
            Typed::Rule(rule) => Some((part.id.clone(), rule)),
            _ => None,
        })
        .collect();
    together.push((id.id.clone(), &rule));
    let group = state.get(&owner).map_or("", |group| &group.id);
    rule::check_all(group, &together, limits)?;
    store(state, id, body, Typed::Rule(rule));
    Ok(())
}

/// Creates or replaces an application security group, which holds nothing but its name.
pub fn put_application_group(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    let count = count_with(state, write.id, &write.body);
    limit(count, write.limits.application_groups, "ApplicationSecurityGroups")?;
    store(state, write.id, write.body, Typed::Other);
    Ok(())
}

/// How many of a kind there will be in the location of one of them.
fn count_with(state: &State, id: &ResourceId, body: &Object) -> usize {
    let location = body.get("location").and_then(Value::as_str).unwrap_or_default();
    let others = state.of_kind(id.kind).filter(|(key, _)| **key != id.key);
    1 + others.filter(|(_, other)| other.location().eq_ignore_ascii_case(location)).count()
}

fn limit(count: usize, most: usize, what: &str) -> Result<(), ArmError> {
    if count <= most {
        return Ok(());
    }
    let message = format!("Cannot create more than {most} {what} for this subscription in this region.");
    Err(refuse("ResourceCountExceedsLimitDueToTemplate", message))
}

/// A security group stays while a subnet or an interface uses it.
pub fn check_delete(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    let users = users_of(state, &id.key);
    if users.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Network security group {} cannot be deleted because it is in use by the following resources: {}. In order to delete the Network security group, remove the association with the resource(s).",
        id.id,
        users.join(", ")
    );
    Err(refuse("InUseNetworkSecurityGroupCannotBeDeleted", message))
}

/// The ids of subnets and interfaces with a security group.
fn users_of(state: &State, group: &str) -> Vec<String> {
    let uses = |typed: &Typed| match typed {
        Typed::Subnet { security_group, .. } | Typed::Interface { security_group, .. } => {
            security_group.as_deref() == Some(group)
        }
        _ => false,
    };
    state
        .resources
        .values()
        .filter(|resource| uses(&resource.typed))
        .map(|resource| resource.id.clone())
        .collect()
}

/// An application security group stays while an interface is in it or a rule names it.
pub fn check_delete_application_group(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    let users: Vec<&str> = state
        .resources
        .values()
        .filter(|resource| match &resource.typed {
            Typed::Interface { configurations, .. } => {
                configurations.iter().any(|one| one.groups.contains(&id.key))
            }
            Typed::Rule(rule) => rule::groups_of(rule).any(|key| *key == id.key),
            _ => false,
        })
        .map(|resource| resource.id.as_str())
        .collect();
    if users.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Application Security Group {} cannot be deleted because it is referenced by {}.",
        id.name(),
        users.join(", ")
    );
    Err(refuse("InUseApplicationSecurityGroupCannotBeDeleted", message))
}

/// The six rules that every security group ends with.
pub fn default_rules(group: &str) -> Vec<Value> {
    const RULES: [(&str, &str, u32, &str, &str, &str); 6] = [
        ("AllowVnetInBound", "Inbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowAzureLoadBalancerInBound", "Inbound", 65001, "Allow", "AzureLoadBalancer", "*"),
        ("DenyAllInBound", "Inbound", 65500, "Deny", "*", "*"),
        ("AllowVnetOutBound", "Outbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowInternetOutBound", "Outbound", 65001, "Allow", "*", "Internet"),
        ("DenyAllOutBound", "Outbound", 65500, "Deny", "*", "*"),
    ];
    let rule = |(name, direction, priority, access, source, destination): (_, _, _, _, _, _)| {
        json!({
            "id": format!("{group}/defaultSecurityRules/{name}"),
            "name": name,
            "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded",
                "description": format!("{access} {direction} by default"),
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": destination,
                "access": access,
                "priority": priority,
                "direction": direction,
                "sourcePortRanges": [],
                "destinationPortRanges": [],
                "sourceAddressPrefixes": [],
                "destinationAddressPrefixes": [],
            },
        })
    };
    RULES.into_iter().map(rule).collect()
}
