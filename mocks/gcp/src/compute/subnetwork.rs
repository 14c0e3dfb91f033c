//! Subnetworks, with both families and secondary ranges.

use ipnet::{IpNet, Ipv6Net};
use serde_json::{Value, json};

use super::{Call, Written, merge, new_path, without_output};
use crate::error::{GcpError, in_use, invalid, not_found, over_quota, stale};
use crate::link::{link, own_path};
use crate::state::{Kind, Object, State, text_of};

pub(crate) fn insert(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let mut body = without_output(call.request.object()?);
    let path = new_path(state, call, &body)?;
    let project = call.request.project();
    let network = state.resolve(text_of(&body, "network").unwrap_or_default(), project);
    if state.get_kind(&network, Kind::Network).is_none() {
        return Err(not_found(&network));
    }
    let range = text_of(&body, "ipCidrRange").unwrap_or_default().to_owned();
    let block: Option<IpNet> = range.parse().ok().filter(|block: &IpNet| block.trunc() == *block);
    if !matches!(block, Some(IpNet::V4(_))) {
        return Err(invalid("resource.ipCidrRange", &range, "Must be an IPv4 range without host bits."));
    }
    body.insert("network".to_owned(), json!(link(&network)));
    let wanted = blocks(&body);
    let others = state.of_kind(Kind::Subnetwork).filter(|(_, other)| network_of(&other.body) == network);
    for (other, found) in others {
        let held = blocks(&found.body);
        if wanted.iter().any(|a| held.iter().any(|b| a.contains(b) || b.contains(a))) {
            let why = format!("Invalid IPCidrRange: {range} conflicts with existing subnetwork '{other}'.");
            return Err(GcpError::new(400, "invalid", why));
        }
    }
    let limit = call.settings.limits.subnetworks;
    let prefix = format!("projects/{project}/");
    let used = state.of_kind(Kind::Subnetwork).filter(|(path, _)| path.starts_with(&prefix)).count();
    if used >= limit {
        return Err(over_quota("SUBNETWORKS", limit));
    }
    give_second_family(state, &network, &mut body)?;
    let id = create(state, &path, body, call.now_ms);
    Ok(Written::new(&path, id, Vec::new()))
}

/// A dual-stack subnetwork gets its /64: from the network's own range, or from outside.
fn give_second_family(state: &State, network: &str, body: &mut Object) -> Result<(), GcpError> {
    if text_of(body, "stackType") != Some("IPV4_IPV6") {
        return Ok(());
    }
    let taken = state.of_kind(Kind::Subnetwork).count() as u128;
    let number = |base: Ipv6Net| {
        let bits = u128::from(base.addr()) | (taken << 64);
        format!("{}/64", std::net::Ipv6Addr::from(bits))
    };
    match text_of(body, "ipv6AccessType") {
        Some("INTERNAL") => {
            let held = state.get_kind(network, Kind::Network);
            let range = held.and_then(|held| text_of(&held.body, "internalIpv6Range"));
            let Some(base) = range.and_then(|range| range.parse().ok()) else {
                let why = "The network has no internal IPv6 range.";
                return Err(invalid("resource.ipv6AccessType", "INTERNAL", why));
            };
            body.insert("internalIpv6Prefix".to_owned(), json!(number(base)));
        }
        Some("EXTERNAL") => {
            let base =
                Ipv6Net::new("2600:1900:4000::".parse().unwrap_or(std::net::Ipv6Addr::UNSPECIFIED), 48);
            let base = base.unwrap_or_default();
            body.insert("externalIpv6Prefix".to_owned(), json!(number(base)));
        }
        _ => return Err(invalid("resource.ipv6AccessType", "", "Required for dual-stack subnetworks.")),
    }
    Ok(())
}

pub(crate) fn create(state: &mut State, path: &str, mut body: Object, now_ms: u64) -> u64 {
    let gateway =
        blocks(&body).first().and_then(|block| block.hosts().next()).map(|address| address.to_string());
    body.insert("fingerprint".to_owned(), state.new_fingerprint());
    body.insert("gatewayAddress".to_owned(), json!(gateway));
    for (field, value) in [
        ("stackType", json!("IPV4_ONLY")),
        ("purpose", json!("PRIVATE")),
        ("privateIpGoogleAccess", json!(false)),
        ("privateIpv6GoogleAccess", json!("DISABLE_GOOGLE_ACCESS")),
    ] {
        body.entry(field).or_insert(value);
    }
    state.create(path, Kind::Subnetwork, body, now_ms)
}

pub(crate) fn patch(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let given = call.request.object()?;
    let held = state.get(&path)?.clone();
    if given.get("fingerprint") != held.body.get("fingerprint") {
        return Err(stale(""));
    }
    let mut changed = without_output(given);
    changed.retain(|field, _| {
        ["description", "logConfig", "privateIpGoogleAccess", "secondaryIpRanges"].contains(&field.as_str())
    });
    let fingerprint = state.new_fingerprint();
    let body = &mut state.get_mut(&path)?.body;
    merge(body, &changed);
    body.insert("fingerprint".to_owned(), fingerprint);
    Ok(Written::new(&path, held.id, Vec::new()))
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let uses = |one: &crate::state::Resource| one.nics.iter().any(|nic| nic.subnetwork == path);
    if let Some((user, _)) = state.of_kind(Kind::Instance).find(|(_, one)| uses(one)) {
        return Err(in_use(&path, user));
    }
    state.resources.remove(&path);
    Ok(Written::new(&path, id, Vec::new()))
}

/// The path of the network of a subnetwork.
pub(crate) fn network_of(body: &Object) -> &str {
    text_of(body, "network").map_or("", own_path)
}

/// Its ranges: the primary one of each family and the secondary ones.
pub(crate) fn blocks(body: &Object) -> Vec<IpNet> {
    let own = ["ipCidrRange", "internalIpv6Prefix", "externalIpv6Prefix"].into_iter();
    let own = own.filter_map(|field| text_of(body, field));
    let second = body.get("secondaryIpRanges").and_then(Value::as_array).into_iter().flatten();
    let second = second.filter_map(|range| range.get("ipCidrRange")?.as_str());
    own.chain(second).filter_map(|text| text.parse().ok()).collect()
}
