//! Firewall policies: global and regional ones of networks, hierarchical ones of the organisation and its folders.
//!
//! `patch` needs the fingerprint and replaces all rules at once; `addRule`, `patchRule`, `removeRule` and `cloneRules`
//! need none. The four predefined rules are always there and never change.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::policy_rule::{self, LAST, PREDEFINED, Rules, checked, predefined};
use super::{Call, Written, association, check_name, merge, new_path, without_output};
use crate::error::{GcpError, bad_request, in_use, invalid, not_found, over_quota, stale};
use crate::link::{link, path_of};
use crate::state::{Kind, Object, Resource, State, text_of};
use crate::sync::Touch;

pub(crate) fn insert(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let given = call.request.object()?;
    let mut body = without_output(given);
    for field in ["ruleTupleCount", "region", "parent"] {
        body.remove(field);
    }
    if body.remove("associations").is_some_and(|list| list != json!([])) {
        let why = "Associations must be added using the addAssociation method.";
        return Err(invalid("resource.associations", "", why));
    }
    let is_hierarchical = call.request.words().0 == "firewallPolicies";
    let path = if is_hierarchical {
        new_hierarchical(state, call, &mut body)?
    } else {
        let limit = call.settings.limits.policies;
        let prefix = format!("projects/{}/", call.request.project());
        if state.of_kind(Kind::FirewallPolicy).filter(|(path, _)| path.starts_with(&prefix)).count() >= limit
        {
            return Err(over_quota("NETWORK_FIREWALL_POLICIES", limit));
        }
        new_path(state, call, &body)?
    };
    let given = body.remove("rules").unwrap_or_default();
    let rules = whole_list(&against(state, call, &path), &given)?;
    check_tuples(cost(&rules), call)?;
    let id = state.create(&path, Kind::FirewallPolicy, body, call.now_ms);
    keep(state, &path, rules)?;
    Ok(Written::new(&path, id, vec![Touch::Policy(path.clone())]))
}

/// A hierarchical policy has a number for a name.
fn new_hierarchical(state: &mut State, call: &Call<'_>, body: &mut Object) -> Result<String, GcpError> {
    let parent = call.request.query.get("parentId").map_or("", String::as_str).to_owned();
    if !is_node(state, &parent) {
        return Err(invalid("parentId", &parent, "Must be an organization or folder."));
    }
    let short = text_of(body, "shortName").or(text_of(body, "displayName")).unwrap_or_default().to_owned();
    check_name("resource.shortName", &short)?;
    body.insert("shortName".to_owned(), json!(short));
    body.insert("displayName".to_owned(), json!(short));
    body.insert("parent".to_owned(), json!(parent));
    Ok(format!("locations/global/firewallPolicies/{}", state.new_number()))
}

/// Whether something is the organisation or one of its folders.
pub(crate) fn is_node(state: &State, name: &str) -> bool {
    name == format!("organizations/{}", state.organization)
        || crate::state::number(name, "folders/").is_some_and(|number| state.folders.contains_key(&number))
}

pub(crate) fn patch(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let given = call.request.object()?;
    let held = state.get(&path)?.clone();
    if given.get("fingerprint") != held.body.get("fingerprint") {
        return Err(stale(""));
    }
    let rules = match given.get("rules") {
        Some(list) => whole_list(&against(state, call, &path), list)?,
        None => rules_of(&held.body),
    };
    check_tuples(cost(&rules), call)?;
    if let Some(description) = given.get("description") {
        state.get_mut(&path)?.body.insert("description".to_owned(), description.clone());
    }
    keep(state, &path, rules)?;
    Ok(Written::new(&path, held.id, vec![Touch::Policy(path.clone())]))
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?.clone();
    if let Some(target) = association::targets(&held.body).first() {
        return Err(in_use(&path, target));
    }
    state.resources.remove(&path);
    Ok(Written::new(&path, held.id, vec![Touch::Policy(path.clone())]))
}

pub(crate) fn clone_rules(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let source = call.request.query.get("sourceFirewallPolicy").map_or("", String::as_str);
    let source = state.resolve(source, call.request.project());
    let held = state.get_kind(&source, Kind::FirewallPolicy).ok_or_else(|| not_found(&source))?;
    let rules = rules_of(&held.body);
    keep(state, &path, rules)?;
    Ok(Written::new(&path, id, vec![Touch::Policy(path.clone())]))
}

pub(crate) fn add_rule(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?;
    let id = held.id;
    let mut given = call.request.object()?;
    if !given.contains_key("priority") {
        let priority = free_priority(list_of(&held.body), call)?;
        given.insert("priority".to_owned(), json!(priority));
    }
    let rule = checked(given, &against(state, call, &path))?;
    let priority = priority_of(&rule);
    let at = find(&held.body, priority).err().ok_or_else(|| same_priority(priority))?;
    check_tuples(total_of(&held.body) + policy_rule::tuples(&rule), call)?;
    edit(state, &path, |rules| rules.insert(at, counted(rule)))?;
    Ok(Written::new(&path, id, vec![Touch::PolicyRule(path.clone(), priority)]))
}

/// The lowest free priority between `minPriority` and `maxPriority`.
fn free_priority(rules: &[Value], call: &Call<'_>) -> Result<u64, GcpError> {
    let (min, max) = (call.request.number("minPriority")?, call.request.number("maxPriority")?);
    let (Some(min), Some(max)) = (min, max) else {
        return Err(GcpError::new(400, "required", "Required field 'resource.priority' not specified"));
    };
    let taken: BTreeSet<u64> = rules.iter().map(priority_in).collect();
    let free = (min..=max.min(LAST)).find(|priority| !taken.contains(priority));
    free.ok_or_else(|| bad_request(format!("No free priority between {min} and {max}.")))
}

pub(crate) fn patch_rule(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?;
    let (id, before, at) = asked(held, call)?;
    let old = list_of(&held.body).get(at).and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut merged, given) = (old.clone(), call.request.object()?);
    merge(&mut merged, &given);
    let rule = checked(merged, &against(state, call, &path))?;
    let priority = priority_of(&rule);
    if priority != before && find(&held.body, priority).is_ok() {
        return Err(same_priority(priority));
    }
    let others = total_of(&held.body) - policy_rule::tuples(&old);
    check_tuples(others + policy_rule::tuples(&rule), call)?;
    edit(state, &path, |rules| {
        rules.remove(at);
        rules.push(counted(rule));
        rules.sort_by_key(priority_in);
    })?;
    let touched = [before, priority].map(|priority| Touch::PolicyRule(path.clone(), priority));
    Ok(Written::new(&path, id, touched.into()))
}

pub(crate) fn remove_rule(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let (id, priority, at) = asked(state.get(&path)?, call)?;
    edit(state, &path, |rules| drop(rules.remove(at)))?;
    Ok(Written::new(&path, id, vec![Touch::PolicyRule(path.clone(), priority)]))
}

/// The policy's number, and the priority and place of the rule of `?priority=`, which may be changed.
fn asked(held: &Resource, call: &Call<'_>) -> Result<(u64, u64, usize), GcpError> {
    let priority = call.request.number("priority")?.unwrap_or(0);
    let at = find(&held.body, priority).map_err(|_| no_rule(priority))?;
    if priority >= PREDEFINED {
        return Err(invalid("priority", &priority.to_string(), "Predefined rules cannot be changed."));
    }
    Ok((held.id, priority, at))
}

/// Where the rule of a priority is, or would be.
fn find(body: &Object, priority: u64) -> Result<usize, usize> {
    list_of(body).binary_search_by_key(&priority, priority_in)
}

fn list_of(body: &Object) -> &[Value] {
    body.get("rules").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn priority_in(rule: &Value) -> u64 {
    rule.get("priority").and_then(Value::as_u64).unwrap_or(0)
}

fn total_of(body: &Object) -> usize {
    body.get("ruleTupleCount").and_then(Value::as_u64).unwrap_or(0) as usize
}

/// A rule with what it costs.
fn counted(mut rule: Object) -> Value {
    let tuples = policy_rule::tuples(&rule);
    rule.insert("ruleTupleCount".to_owned(), json!(tuples));
    Value::Object(rule)
}

/// Changes rules, which stay in order, under a new fingerprint.
fn edit(state: &mut State, path: &str, change: impl FnOnce(&mut Vec<Value>)) -> Result<(), GcpError> {
    let fingerprint = state.new_fingerprint();
    let body = &mut state.get_mut(path)?.body;
    if let Some(rules) = body.get_mut("rules").and_then(Value::as_array_mut) {
        change(rules);
    }
    let total: usize = list_of(body)
        .iter()
        .filter(|rule| priority_in(rule) < PREDEFINED)
        .filter_map(|rule| rule.get("ruleTupleCount")?.as_u64())
        .sum::<u64>() as usize;
    body.insert("ruleTupleCount".to_owned(), json!(total));
    body.insert("fingerprint".to_owned(), fingerprint);
    Ok(())
}

/// The refusal of a priority that no rule has.
pub(crate) fn no_rule(priority: u64) -> GcpError {
    let why = format!("The firewall policy does not contain a rule at priority {priority}.");
    invalid("priority", &priority.to_string(), &why)
}

fn same_priority(priority: u64) -> GcpError {
    let why = "Cannot have rules with the same priorities.";
    invalid("resource.priority", &priority.to_string(), why)
}

/// A list of rules as a whole: the predefined ones may be left out, but not be others.
fn whole_list(rules: &Rules<'_>, list: &Value) -> Result<Vec<Object>, GcpError> {
    let given = list.as_array().into_iter().flatten().filter_map(Value::as_object).cloned();
    let fixed = predefined();
    let mut found: Vec<Object> = Vec::new();
    for rule in given {
        let rule = checked(rule, rules)?;
        let priority = priority_of(&rule);
        if let Some(own) = fixed.iter().find(|own| priority_of(own) == priority) {
            if ["action", "direction", "match"].into_iter().any(|field| own.get(field) != rule.get(field)) {
                return Err(invalid(
                    "resource.rules",
                    &priority.to_string(),
                    "Predefined rules cannot be changed.",
                ));
            }
            continue;
        }
        if found.iter().any(|other| priority_of(other) == priority) {
            return Err(same_priority(priority));
        }
        found.push(rule);
    }
    found.extend(fixed);
    Ok(found)
}

fn against<'a>(state: &'a State, call: &'a Call<'_>, path: &'a str) -> Rules<'a> {
    Rules { state, limits: &call.settings.limits, policy: path }
}

fn check_tuples(used: usize, call: &Call<'_>) -> Result<(), GcpError> {
    let limit = call.settings.limits.policy_tuples;
    if used > limit {
        return Err(over_quota("FIREWALL_POLICY_RULE_ATTRIBUTES", limit));
    }
    Ok(())
}

/// What all rules cost but the predefined ones.
fn cost(rules: &[Object]) -> usize {
    rules.iter().filter(|rule| priority_of(rule) < PREDEFINED).map(policy_rule::tuples).sum()
}

/// Keeps a whole list of rules.
fn keep(state: &mut State, path: &str, mut rules: Vec<Object>) -> Result<(), GcpError> {
    rules.sort_by_key(priority_of);
    let held = state.get_mut(path)?;
    let with_id = link(path).replace(crate::link::name_of(path), &held.id.to_string());
    held.body.insert("selfLinkWithId".to_owned(), json!(with_id));
    held.body.insert("rules".to_owned(), json!([]));
    edit(state, path, |list| list.extend(rules.into_iter().map(counted)))
}

/// The priority of a rule.
pub(crate) fn priority_of(rule: &Object) -> u64 {
    rule.get("priority").and_then(Value::as_u64).unwrap_or(0)
}

/// The rules of a policy.
pub(crate) fn rules_of(body: &Object) -> Vec<Object> {
    let list = body.get("rules").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_object).cloned().collect()
}

/// A reference to a network or node as a path.
pub(crate) fn target_path(state: &State, reference: &str, project: &str) -> String {
    match path_of(reference, project) {
        path if path.starts_with("projects/") => state.resolve(reference, project),
        path => path,
    }
}
