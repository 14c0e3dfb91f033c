//! Instances: interfaces with addresses of both families, network tags, labels, service accounts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{Call, Written, check_name, new_path, subnetwork, without_output};
use crate::error::{GcpError, bad_request, forbidden, invalid, not_found, stale};
use crate::link::{link, own_path, project_of, region_of};
use crate::rule::check_count;
use crate::state::{Kind, Nic, Object, State, number, text_of, texts_of};
use crate::sync::Touch;

pub(crate) fn insert(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let body = call.request.object()?;
    let path = new_path(state, call, &body)?;
    let id = create(state, call, &path, body)?;
    Ok(Written::new(&path, id, vec![Touch::Instance(path.clone())]))
}

/// Puts an instance at a path; nothing is changed when it is refused.
pub(crate) fn create(state: &mut State, call: &Call<'_>, path: &str, given: Object) -> Result<u64, GcpError> {
    let bound = wanted_tags(state, &given, path)?;
    let mut body = without_output(given);
    let tags = body.get("tags").and_then(Value::as_object).map(|tags| texts_of(tags, "items"));
    let tags = tags.unwrap_or_default();
    check_tags(&tags, call)?;
    let (nics, shown) = interfaces(state, path, &body)?;
    let fingerprint = state.new_fingerprint();
    body.insert("tags".to_owned(), tags_shown(&tags, fingerprint));
    let fingerprint = state.new_fingerprint();
    body.insert("labelFingerprint".to_owned(), fingerprint);
    let fingerprint = state.new_fingerprint();
    let metadata = body.entry("metadata").or_insert(json!({}));
    metadata["fingerprint"] = fingerprint;
    metadata["kind"] = json!("compute#metadata");
    body.insert("networkInterfaces".to_owned(), json!(shown));
    body.insert("status".to_owned(), json!("RUNNING"));
    let id = state.create(path, Kind::Instance, body, call.now_ms);
    if let Ok(made) = state.get_mut(path) {
        made.nics = nics;
    }
    state.bindings.extend(bound.into_iter().map(|value| (path.to_owned(), value)));
    Ok(id)
}

/// The tag values that an instance is made with: `params.resourceManagerTags`.
fn wanted_tags(state: &State, body: &Object, path: &str) -> Result<Vec<u64>, GcpError> {
    let params = body.get("params").and_then(|params| params.get("resourceManagerTags"));
    let pairs = params.and_then(Value::as_object).into_iter().flatten();
    let value = |(key, value): (&String, &Value)| {
        let found = value.as_str().and_then(|value| number(value, "tagValues/"));
        let found = found.filter(|value| state.key_of(*value) == number(key, "tagKeys/"));
        found.ok_or_else(|| forbidden("resourcemanager.tagValueBindings.create", path))
    };
    pairs.map(value).collect()
}

fn check_tags(tags: &[String], call: &Call<'_>) -> Result<(), GcpError> {
    check_count("resource.tags.items", tags.len(), call.settings.limits.tags_per_instance)?;
    for (n, tag) in tags.iter().enumerate() {
        check_name(&format!("resource.tags.items[{n}]"), tag)?;
    }
    Ok(())
}

fn tags_shown(tags: &[String], fingerprint: Value) -> Value {
    let sorted: BTreeSet<&String> = tags.iter().collect();
    if sorted.is_empty() {
        return json!({ "fingerprint": fingerprint });
    }
    json!({ "items": sorted, "fingerprint": fingerprint })
}

fn interfaces(state: &mut State, path: &str, body: &Object) -> Result<(Vec<Nic>, Vec<Value>), GcpError> {
    let wanted = body.get("networkInterfaces").and_then(Value::as_array).cloned().unwrap_or_default();
    if wanted.is_empty() || wanted.len() > 8 {
        return Err(bad_request("An instance must have 1 to 8 network interfaces."));
    }
    let (mut nics, mut shown): (Vec<Nic>, Vec<Value>) = (Vec::new(), Vec::new());
    for (number, wanted) in wanted.iter().enumerate() {
        let wanted = wanted.as_object().cloned().unwrap_or_default();
        let at = format!("resource.networkInterfaces[{number}]");
        let subnetwork = place(state, path, &wanted, &at)?;
        let of = state.get(&subnetwork)?.body.clone();
        let network = subnetwork::network_of(&of).to_owned();
        if nics.iter().any(|nic| nic.network == network) {
            return Err(invalid(&at, &network, "Each interface must be in a network of its own."));
        }
        let (nic, mut body) = address(state, &nics, &subnetwork, &of, wanted, &at)?;
        give_outside_addresses(state, &mut body);
        body.insert("network".to_owned(), json!(link(&network)));
        body.insert("subnetwork".to_owned(), json!(link(&subnetwork)));
        body.insert("name".to_owned(), json!(format!("nic{number}")));
        body.insert("kind".to_owned(), json!("compute#networkInterface"));
        body.insert("fingerprint".to_owned(), state.new_fingerprint());
        shown.push(Value::Object(body));
        nics.push(nic);
    }
    Ok((nics, shown))
}

/// An access configuration without an address gets one from the cloud's.
fn give_outside_addresses(state: &mut State, body: &mut Object) {
    let all = body.get_mut("accessConfigs").and_then(Value::as_array_mut).into_iter().flatten();
    for access in all.filter_map(Value::as_object_mut) {
        let [.., third, fourth] = state.new_id().to_be_bytes();
        let address = format!("34.76.{third}.{fourth}");
        access.entry("natIP").or_insert(json!(address));
        access.entry("type").or_insert(json!("ONE_TO_ONE_NAT"));
        access.entry("name").or_insert(json!("External NAT"));
    }
}

/// The subnetwork of an interface: named, or the one of an automatic network in the region.
fn place(state: &State, path: &str, wanted: &Object, at: &str) -> Result<String, GcpError> {
    let (project, region) = (project_of(path), region_of(path).unwrap_or_default());
    let found = match text_of(wanted, "subnetwork") {
        Some(reference) => state.resolve(reference, project),
        None => {
            let network = text_of(wanted, "network").unwrap_or("global/networks/default");
            let network = state.resolve(network, project);
            let held = state.get_kind(&network, Kind::Network).ok_or_else(|| not_found(&network))?;
            if held.body.get("autoCreateSubnetworks") != Some(&Value::Bool(true)) {
                return Err(invalid(&format!("{at}.subnetwork"), "", "A custom network needs a subnetwork."));
            }
            let name = crate::link::name_of(&network);
            format!("projects/{}/regions/{region}/subnetworks/{name}", project_of(&network))
        }
    };
    if state.get_kind(&found, Kind::Subnetwork).is_none() {
        return Err(not_found(&found));
    }
    if region_of(&found) != Some(region) {
        return Err(invalid(&format!("{at}.subnetwork"), &found, "The subnetwork is in another region."));
    }
    let host = project_of(&found);
    let shared = state.projects.get(host).is_some_and(|host| host.is_host && host.services.contains(project));
    if host != project && !shared {
        return Err(forbidden("compute.subnetworks.use", &found));
    }
    Ok(found)
}

/// Gives an interface its addresses.
fn address(
    state: &State,
    others: &[Nic],
    subnetwork: &str,
    of: &Object,
    wanted: Object,
    at: &str,
) -> Result<(Nic, Object), GcpError> {
    let network = subnetwork::network_of(of).to_owned();
    let mut used = used_addresses(state, &network);
    used.extend(others.iter().flat_map(|nic| nic.primary.iter().copied()));
    let mut body = wanted;
    let mut primary = Vec::new();
    let families: &[(&str, &str)] = match text_of(of, "stackType") {
        Some("IPV4_IPV6") if text_of(&body, "stackType") == Some("IPV4_IPV6") => {
            let six = if of.contains_key("internalIpv6Prefix") {
                "internalIpv6Prefix"
            } else {
                "externalIpv6Prefix"
            };
            if six == "internalIpv6Prefix" {
                &[("ipCidrRange", "networkIP"), ("internalIpv6Prefix", "ipv6Address")]
            } else {
                &[("ipCidrRange", "networkIP"), ("externalIpv6Prefix", "ipv6Address")]
            }
        }
        _ => &[("ipCidrRange", "networkIP")],
    };
    for (range, field) in families {
        let block: IpNet = text_of(of, range)
            .and_then(|range| range.parse().ok())
            .ok_or_else(|| invalid(&format!("{at}.subnetwork"), subnetwork, "It has no range."))?;
        let asked = text_of(&body, field).map(|text| (text.to_owned(), text.parse::<IpAddr>().ok()));
        let address = match asked {
            Some((_, Some(address))) if block.contains(&address) && !used.contains(&address) => address,
            Some((text, _)) => {
                return Err(invalid(
                    &format!("{at}.{field}"),
                    &text,
                    "The address is not free in the range.",
                ));
            }
            // The first host is the gateway.
            None => block.hosts().skip(1).find(|address| !used.contains(address)).ok_or_else(|| {
                GcpError::new(403, "quotaExceeded", format!("The range of '{subnetwork}' is exhausted."))
            })?,
        };
        body.insert((*field).to_owned(), json!(address.to_string()));
        primary.push(address);
    }
    body.entry("stackType").or_insert(json!("IPV4_ONLY"));
    let aliases = aliases(of, &body, at)?;
    Ok((Nic { network, subnetwork: subnetwork.to_owned(), primary, aliases }, body))
}

fn used_addresses(state: &State, network: &str) -> BTreeSet<IpAddr> {
    let all = state.of_kind(Kind::Instance).flat_map(|(_, one)| &one.nics);
    all.filter(|nic| nic.network == network).flat_map(|nic| nic.primary.iter().copied()).collect()
}

fn aliases(of: &Object, body: &Object, at: &str) -> Result<Vec<IpNet>, GcpError> {
    let allowed = subnetwork::blocks(of);
    let wanted = body.get("aliasIpRanges").and_then(Value::as_array).into_iter().flatten();
    let read = |(n, range): (usize, &Value)| {
        let text = range.get("ipCidrRange").and_then(Value::as_str).unwrap_or_default();
        let single = || text.parse().ok().map(|address: IpAddr| IpNet::from(address));
        let block: Option<IpNet> = text.parse().ok().or_else(single);
        let block = block.filter(|block| allowed.iter().any(|range| range.contains(block)));
        let field = format!("{at}.aliasIpRanges[{n}].ipCidrRange");
        block.ok_or_else(|| invalid(&field, text, "Must be a block of the subnetwork."))
    };
    wanted.enumerate().map(read).collect()
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    forget(state, &path);
    Ok(Written::new(&path, id, vec![Touch::Instance(path.clone())]))
}

/// Takes an instance away with the tag values bound to it.
pub(crate) fn forget(state: &mut State, path: &str) {
    state.resources.remove(path);
    state.bindings.retain(|(instance, _)| instance != path);
}

/// What is done to an instance that is there.
pub(crate) fn act(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let fingerprint = state.new_fingerprint();
    let given = call.request.body.as_object().cloned().unwrap_or_default();
    let body = &mut state.get_mut(&path)?.body;
    match call.request.method.word() {
        "setTags" => {
            let tags = texts_of(&given, "items");
            check_tags(&tags, call)?;
            if given.get("fingerprint") != body.get("tags").and_then(|tags| tags.get("fingerprint")) {
                return Err(stale(" of the tags"));
            }
            body.insert("tags".to_owned(), tags_shown(&tags, fingerprint));
        }
        "setLabels" => {
            if given.get("labelFingerprint") != body.get("labelFingerprint") {
                return Err(GcpError::new(
                    412,
                    "conditionNotMet",
                    "Labels fingerprint either invalid or resource labels have changed",
                ));
            }
            body.insert("labels".to_owned(), given.get("labels").cloned().unwrap_or(json!({})));
            body.insert("labelFingerprint".to_owned(), fingerprint);
        }
        "setServiceAccount" => {
            if text_of(body, "status") != Some("TERMINATED") {
                let why = format!(
                    "The instance must be stopped before the service account can be changed: '{path}'."
                );
                return Err(bad_request(why));
            }
            body.insert("serviceAccounts".to_owned(), json!([given]));
        }
        "start" => {
            body.insert("status".to_owned(), json!("RUNNING"));
        }
        "stop" => {
            body.insert("status".to_owned(), json!("TERMINATED"));
        }
        other => return Err(bad_request(format!("instances.{other} is not simulated"))),
    }
    Ok(Written::new(&path, id, vec![Touch::Instance(path.clone())]))
}

/// The group that made an instance, by its metadata.
pub(crate) fn group_of(body: &Object) -> Option<&str> {
    let items = body.get("metadata")?.get("items")?.as_array()?;
    let created_by =
        items.iter().find(|item| item.get("key").and_then(Value::as_str) == Some("created-by"))?;
    created_by.get("value")?.as_str().map(own_path)
}
