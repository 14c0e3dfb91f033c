//! Classic rules: `firewalls`. They have no fingerprint; the last writer wins.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Call, Written, merge, new_path, without_output};
use crate::error::{GcpError, bad_request, invalid, not_found, over_quota};
use crate::limits::Limits;
use crate::link::{link, name_of, own_path, project_of};
use crate::rule::{
    Action, Direction, Rule, ServiceMatch, Side, Target, check_count, check_one_family, ports, protocol,
    ranges,
};
use crate::state::{Kind, Object, State, text_of, texts_of};
use crate::sync::Touch;

pub(crate) fn insert(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let mut body = without_output(call.request.object()?);
    let path = new_path(state, call, &body)?;
    let project = call.request.project();
    let network = state.resolve(text_of(&body, "network").unwrap_or("global/networks/default"), project);
    if state.get_kind(&network, Kind::Network).is_none() {
        return Err(not_found(&network));
    }
    body.insert("network".to_owned(), json!(link(&network)));
    check(&mut body, &call.settings.limits)?;
    let limit = call.settings.limits.firewalls;
    if state.within(&call.request.path()).count() >= limit {
        return Err(over_quota("FIREWALLS", limit));
    }
    let id = state.create(&path, Kind::Firewall, body, call.now_ms);
    Ok(Written::new(&path, id, vec![Touch::Firewall(network, path.clone())]))
}

/// `patch` merges, `update` replaces.
pub(crate) fn update(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?.clone();
    let mut given = without_output(call.request.object()?);
    if text_of(&given, "name").is_some_and(|name| name != name_of(&path)) {
        return Err(invalid("resource.name", name_of(&path), "The name of a firewall cannot be changed."));
    }
    let network = network_of(&held.body).to_owned();
    let project = project_of(&path);
    if text_of(&given, "network").is_some_and(|reference| state.resolve(reference, project) != network) {
        return Err(invalid("resource.network", &network, "The network of a firewall cannot be changed."));
    }
    let direction = text_of(&held.body, "direction").unwrap_or("INGRESS");
    if text_of(&given, "direction").is_some_and(|wanted| wanted != direction) {
        return Err(invalid(
            "resource.direction",
            direction,
            "The direction of a firewall cannot be changed.",
        ));
    }
    given.insert("network".to_owned(), json!(link(&network)));
    let mut body = if call.request.method.word() == "patch" {
        let mut merged = held.body.clone();
        merge(&mut merged, &given);
        merged
    } else {
        let kept = ["kind", "id", "name", "creationTimestamp", "selfLink", "direction"];
        given.extend(
            kept.into_iter().filter_map(|field| Some((field.to_owned(), held.body.get(field)?.clone()))),
        );
        given
    };
    check(&mut body, &call.settings.limits)?;
    state.get_mut(&path)?.body = body;
    Ok(Written::new(&path, held.id, vec![Touch::Firewall(network, path.clone())]))
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?.clone();
    state.resources.remove(&path);
    let network = network_of(&held.body).to_owned();
    Ok(Written::new(&path, held.id, vec![Touch::Firewall(network, path.clone())]))
}

/// The path of the network of a rule.
pub(crate) fn network_of(body: &Object) -> &str {
    text_of(body, "network").map_or("", own_path)
}

/// Fills in what the cloud does, and refuses what it refuses.
fn check(body: &mut Object, limits: &Limits) -> Result<(), GcpError> {
    body.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    for (field, value) in [
        ("direction", json!("INGRESS")),
        ("priority", json!(1000)),
        ("disabled", json!(false)),
        ("logConfig", json!({ "enable": false })),
    ] {
        body.entry(field).or_insert(value);
    }
    let direction = Direction::parse(text_of(body, "direction").unwrap_or_default())?;
    let has = |body: &Object, field: &str| body.contains_key(field);
    if direction == Direction::Egress
        && let Some(field) =
            ["sourceTags", "sourceServiceAccounts"].into_iter().find(|field| has(body, field))
    {
        let field = format!("resource.{field}");
        return Err(invalid(&field, "", "Sources of that kind are not allowed for EGRESS rules."));
    }
    let sources = ["sourceRanges", "sourceTags", "sourceServiceAccounts"];
    if direction == Direction::Ingress && !sources.into_iter().any(|field| has(body, field)) {
        body.insert("sourceRanges".to_owned(), json!(["0.0.0.0/0"]));
    }
    if direction == Direction::Egress && !has(body, "destinationRanges") {
        body.insert("destinationRanges".to_owned(), json!(["0.0.0.0/0"]));
    }
    let tags = ["sourceTags", "targetTags"].into_iter().any(|field| has(body, field));
    let accounts = ["sourceServiceAccounts", "targetServiceAccounts"].into_iter().any(|f| has(body, f));
    if tags && accounts {
        let message = "Service accounts cannot be used together with tags in one firewall rule.";
        return Err(GcpError::new(400, "invalid", message));
    }
    for (field, most) in [
        ("sourceTags", limits.source_tags),
        ("targetTags", limits.target_tags),
        ("sourceServiceAccounts", limits.accounts),
        ("targetServiceAccounts", limits.accounts),
        ("sourceRanges", limits.ranges),
        ("destinationRanges", limits.ranges),
    ] {
        check_count(&format!("resource.{field}"), texts_of(body, field).len(), most)?;
    }
    for field in ["sourceTags", "targetTags"] {
        for (n, tag) in texts_of(body, field).iter().enumerate() {
            super::check_name(&format!("resource.{field}[{n}]"), tag)?;
        }
    }
    read(body).map(drop)
}

/// The rule that a document says.
///
/// # Errors
/// If it says none.
pub(crate) fn read(body: &Object) -> Result<Rule, GcpError> {
    let set = |field: &str| texts_of(body, field).into_iter().collect::<BTreeSet<String>>();
    let blocks = |field: &str| ranges(&format!("resource.{field}"), &texts_of(body, field), usize::MAX);
    let (action, field) = match (body.contains_key("allowed"), body.contains_key("denied")) {
        (true, false) => (Action::Allow, "allowed"),
        (false, true) => (Action::Deny, "denied"),
        _ => return Err(bad_request("Exactly one of fields allowed and denied must be specified.")),
    };
    let priority = body.get("priority").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    let Some(priority) = priority else {
        let given = body.get("priority").map(Value::to_string).unwrap_or_default();
        return Err(invalid("resource.priority", &given, "Must be between 0 and 65535."));
    };
    let source = Side {
        ranges: blocks("sourceRanges")?,
        tags: set("sourceTags"),
        accounts: set("sourceServiceAccounts"),
        ..Side::default()
    };
    let destination = Side { ranges: blocks("destinationRanges")?, ..Side::default() };
    check_one_family("resource.sourceRanges", source.ranges.iter().chain(&destination.ranges))?;
    let (tags, accounts) = (set("targetTags"), set("targetServiceAccounts"));
    Ok(Rule {
        direction: Direction::parse(text_of(body, "direction").unwrap_or("INGRESS"))?,
        action,
        priority: u32::from(priority),
        services: services(field, body.get(field))?,
        source,
        destination,
        target: match (tags.is_empty(), accounts.is_empty()) {
            (true, true) => Target::All,
            (true, false) => Target::Accounts(accounts),
            (false, _) => Target::Tags(tags),
        },
        networks: BTreeSet::new(),
        is_disabled: body.get("disabled") == Some(&Value::Bool(true)),
        is_logged: body.get("logConfig").and_then(|log| log.get("enable")) == Some(&Value::Bool(true)),
    })
}

fn services(field: &str, list: Option<&Value>) -> Result<Vec<ServiceMatch>, GcpError> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    let read = |(n, item): (usize, &Value)| {
        let at = format!("resource.{field}[{n}]");
        let word = item.get("IPProtocol").and_then(Value::as_str);
        let Some(word) = word else {
            return Err(GcpError::new(
                400,
                "required",
                format!("Required field '{at}.IPProtocol' not specified"),
            ));
        };
        let protocol = protocol(&format!("{at}.IPProtocol"), word)?;
        let texts = item.as_object().map(|item| texts_of(item, "ports")).unwrap_or_default();
        Ok(ServiceMatch { protocol, ports: ports(&format!("{at}.ports"), protocol, &texts)? })
    };
    items.enumerate().map(read).collect()
}
