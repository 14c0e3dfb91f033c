//! Rules of firewall policies: what they may say, what they cost, what they come to on the data plane.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::error::{GcpError, bad_request, invalid};
use crate::limits::Limits;
use crate::rule::{
    Action, Context, Direction, Rule, ServiceMatch, Side, Target, check_count, check_one_family, ports,
    protocol, ranges,
};
use crate::state::{Object, State, number, text_of, texts_of};

/// The last priority.
pub(crate) const LAST: u64 = 2_147_483_647;
/// The first priority of the rules that every policy has and nobody changes.
pub(crate) const PREDEFINED: u64 = 2_147_483_644;

/// What a rule is checked against.
pub(crate) struct Rules<'a> {
    pub state: &'a State,
    pub limits: &'a Limits,
    /// The path of the policy.
    pub policy: &'a str,
}

/// The four rules at the end of every policy, which leave everything to what comes next.
pub(crate) fn predefined() -> Vec<Object> {
    let of = |priority: u64, direction: &str, side: &str, range: &str, description: &str| {
        let rule = json!({
            "kind": "compute#firewallPolicyRule", "priority": priority, "direction": direction,
            "action": "goto_next", "description": description, "enableLogging": false, "disabled": false,
            "match": { side: [range], "layer4Configs": [{ "ipProtocol": "all" }] },
        });
        rule.as_object().cloned().unwrap_or_default()
    };
    vec![
        of(PREDEFINED, "EGRESS", "destIpRanges", "::/0", "default egress rule ipv6"),
        of(PREDEFINED + 1, "INGRESS", "srcIpRanges", "::/0", "default ingress rule ipv6"),
        of(PREDEFINED + 2, "EGRESS", "destIpRanges", "0.0.0.0/0", "default egress rule"),
        of(LAST, "INGRESS", "srcIpRanges", "0.0.0.0/0", "default ingress rule"),
    ]
}

/// A rule as it is kept, or why not.
pub(crate) fn checked(mut given: Object, rules: &Rules<'_>) -> Result<Object, GcpError> {
    for field in ["ruleTupleCount", "kind"] {
        given.remove(field);
    }
    given.insert("kind".to_owned(), json!("compute#firewallPolicyRule"));
    for field in ["enableLogging", "disabled"] {
        given.entry(field).or_insert(json!(false));
    }
    if let Some(Value::Object(matcher)) = given.get_mut("match") {
        matcher.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    }
    given.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    check_action(&given, rules)?;
    check_counts(&given, rules.limits)?;
    let rule = read(&Value::Object(given.clone()))?;
    check_sides(&given, &rule)?;
    check_tags(&rule, rules)?;
    Ok(given)
}

fn check_action(given: &Object, rules: &Rules<'_>) -> Result<(), GcpError> {
    let action = text_of(given, "action").unwrap_or_default();
    let logs = given.get("enableLogging") == Some(&Value::Bool(true));
    match action {
        "goto_next" if logs => Err(bad_request("Logging cannot be enabled for rules with goto_next action.")),
        "apply_security_profile_group" if rules.policy.contains("/regions/") => {
            Err(invalid("resource.action", action, "Not for regional network firewall policies."))
        }
        _ => Ok(()),
    }
}

fn check_counts(given: &Object, limits: &Limits) -> Result<(), GcpError> {
    let empty = Object::new();
    let matcher = given.get("match").and_then(Value::as_object).unwrap_or(&empty);
    let length = |of: &Object, field: &str| of.get(field).and_then(Value::as_array).map_or(0, Vec::len);
    for (field, most) in [
        ("srcIpRanges", limits.ranges),
        ("destIpRanges", limits.ranges),
        ("srcSecureTags", limits.secure_tags),
        ("srcAddressGroups", limits.address_groups),
        ("destAddressGroups", limits.address_groups),
        ("srcFqdns", limits.host_names),
        ("destFqdns", limits.host_names),
    ] {
        check_count(&format!("resource.match.{field}"), length(matcher, field), most)?;
    }
    check_count("resource.targetSecureTags", length(given, "targetSecureTags"), limits.secure_tags)?;
    check_count("resource.targetServiceAccounts", length(given, "targetServiceAccounts"), limits.accounts)
}

fn check_sides(given: &Object, rule: &Rule) -> Result<(), GcpError> {
    if given.contains_key("targetSecureTags") && given.contains_key("targetServiceAccounts") {
        let why = "May not be set at the same time as targetServiceAccounts.";
        return Err(invalid("resource.targetSecureTags", "", why));
    }
    let (side, field) = match rule.direction {
        Direction::Ingress => (&rule.source, "srcIpRanges"),
        Direction::Egress => (&rule.destination, "destIpRanges"),
    };
    // An inference from the documents: a rule says whom it is about.
    if side.is_open() && side.context.is_none() {
        let why = "A rule must have at least one match condition on that side.";
        return Err(invalid(&format!("resource.match.{field}"), "", why));
    }
    if rule.direction == Direction::Egress && !rule.source.secure_tags.is_empty() {
        return Err(invalid("resource.match.srcSecureTags", "", "Not allowed for EGRESS rules."));
    }
    Ok(())
}

fn check_tags(rule: &Rule, rules: &Rules<'_>) -> Result<(), GcpError> {
    let targets = match &rule.target {
        Target::SecureTags(values) => values.clone(),
        _ => BTreeSet::new(),
    };
    // Values that the policy names already may be gone since.
    let known = |value: u64| {
        let held = rules.state.resources.get(rules.policy);
        held.is_some_and(|held| {
            super::policy::rules_of(&held.body).iter().any(|rule| tags_of(rule).contains(&value))
        })
    };
    let mut named = rule.source.secure_tags.union(&targets);
    let unknown = named.find(|value| rules.state.effective_tag(**value).is_none() && !known(**value));
    match unknown {
        Some(value) => {
            let why = "The secure tag does not exist or is not for firewalls.";
            Err(invalid("resource.secureTags", &format!("tagValues/{value}"), why))
        }
        None => Ok(()),
    }
}

/// The tag values that a rule names.
fn tags_of(rule: &Object) -> BTreeSet<u64> {
    let source = rule.get("match").and_then(|matcher| matcher.get("srcSecureTags"));
    let lists = [source, rule.get("targetSecureTags")];
    lists.into_iter().flatten().flat_map(secure_tags).collect()
}

fn secure_tags(list: &Value) -> Vec<u64> {
    let named = list.as_array().into_iter().flatten();
    named.filter_map(|tag| number(tag.get("name")?.as_str()?, "tagValues/")).collect()
}

/// What a rule costs: one for each block, list entry, tag, account, protocol and range of ports.
pub(crate) fn tuples(rule: &Object) -> usize {
    let empty = Object::new();
    let matcher = rule.get("match").and_then(Value::as_object).unwrap_or(&empty);
    let entries = |of: &Object| -> usize { of.values().filter_map(Value::as_array).map(Vec::len).sum() };
    let services = matcher.get("layer4Configs").and_then(Value::as_array).into_iter().flatten();
    let ports: usize = services.filter_map(Value::as_object).map(entries).sum();
    entries(rule) + entries(matcher) + ports
}

/// The rule that a document says.
///
/// # Errors
/// If it says none.
pub(crate) fn read(document: &Value) -> Result<Rule, GcpError> {
    let empty = Object::new();
    let body = document.as_object().unwrap_or(&empty);
    let matcher = body.get("match").and_then(Value::as_object).unwrap_or(&empty);
    let priority = body.get("priority").and_then(Value::as_u64).filter(|priority| *priority <= LAST);
    let Some(priority) = priority else {
        let given = body.get("priority").map(Value::to_string).unwrap_or_default();
        return Err(invalid("resource.priority", &given, "Must be between 0 and 2147483647."));
    };
    let word = text_of(body, "action").unwrap_or_default();
    let action = match word {
        "allow" | "apply_security_profile_group" => Action::Allow,
        "deny" => Action::Deny,
        "goto_next" => Action::GotoNext,
        other => return Err(invalid("resource.action", other, "Must be allow, deny or goto_next.")),
    };
    let source = side(matcher, "src")?;
    let destination = side(matcher, "dest")?;
    check_one_family("resource.match.srcIpRanges", source.ranges.iter().chain(&destination.ranges))?;
    let tags: BTreeSet<u64> = body.get("targetSecureTags").map(secure_tags).into_iter().flatten().collect();
    let accounts: BTreeSet<String> = texts_of(body, "targetServiceAccounts").into_iter().collect();
    let networks = texts_of(body, "targetResources");
    Ok(Rule {
        direction: Direction::parse(text_of(body, "direction").unwrap_or_default())?,
        action,
        priority: priority as u32,
        services: services(matcher)?,
        source,
        destination,
        target: match (body.contains_key("targetSecureTags"), accounts.is_empty()) {
            (true, _) => Target::SecureTags(tags),
            (false, false) => Target::Accounts(accounts),
            (false, true) => Target::All,
        },
        networks: networks.iter().map(|reference| crate::link::path_of(reference, "")).collect(),
        is_disabled: body.get("disabled") == Some(&Value::Bool(true)),
        is_logged: body.get("enableLogging") == Some(&Value::Bool(true)),
    })
}

fn side(matcher: &Object, end: &str) -> Result<Side, GcpError> {
    let field = format!("{end}IpRanges");
    let blocks = ranges(&format!("resource.match.{field}"), &texts_of(matcher, &field), usize::MAX)?;
    let lists = ["AddressGroups", "Fqdns", "RegionCodes", "ThreatIntelligences"];
    let lists = lists.into_iter().flat_map(|list| texts_of(matcher, &format!("{end}{list}")));
    let tags = matcher.get(&format!("{end}SecureTags")).map(secure_tags).unwrap_or_default();
    let word =
        text_of(matcher, &format!("{end}NetworkContext")).or(text_of(matcher, &format!("{end}NetworkType")));
    let networks = texts_of(matcher, &format!("{end}Networks"));
    Ok(Side {
        ranges: blocks,
        lists: lists.collect(),
        secure_tags: tags.into_iter().collect(),
        context: match word {
            Some("INTERNET") => Some(Context::Internet),
            Some("NON_INTERNET") => Some(Context::NonInternet),
            Some("INTRA_VPC") => Some(Context::IntraVpc),
            Some("VPC_NETWORKS") => {
                let paths = networks.iter().map(|reference| crate::link::path_of(reference, ""));
                Some(Context::VpcNetworks(paths.collect()))
            }
            _ => None,
        },
        ..Side::default()
    })
}

fn services(matcher: &Object) -> Result<Vec<ServiceMatch>, GcpError> {
    let items = matcher.get("layer4Configs").and_then(Value::as_array).cloned().unwrap_or_default();
    if items.is_empty() {
        let message = "Required field 'resource.match.layer4Configs' not specified";
        return Err(GcpError::new(400, "required", message));
    }
    let read = |(n, item): (usize, &Value)| {
        let at = format!("resource.match.layer4Configs[{n}]");
        let word = item.get("ipProtocol").and_then(Value::as_str).unwrap_or_default();
        let protocol = protocol(&format!("{at}.ipProtocol"), word)?;
        let texts = item.as_object().map(|item| texts_of(item, "ports")).unwrap_or_default();
        Ok(ServiceMatch { protocol, ports: ports(&format!("{at}.ports"), protocol, &texts)? })
    };
    items.iter().enumerate().map(read).collect()
}
