//! Peerings between networks: active once both sides name each other.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{Call, Written, check_name, merge, subnetwork};
use crate::error::{GcpError, bad_request, invalid, not_found};
use crate::link::{link, own_path, project_of};
use crate::state::{Kind, Object, State, text_of};
use crate::sync::Touch;

pub(crate) fn add(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let body = call.request.object()?;
    let inner = body.get("networkPeering").and_then(Value::as_object);
    let mut peering = inner.cloned().unwrap_or_default();
    let name = text_of(&peering, "name").or(text_of(&body, "name")).unwrap_or_default().to_owned();
    check_name("networkPeering.name", &name)?;
    let far = text_of(&peering, "network").or(text_of(&body, "peerNetwork")).unwrap_or_default();
    let far = state.resolve(far, project_of(&path));
    if state.get_kind(&far, Kind::Network).is_none() {
        return Err(not_found(&far));
    }
    if far == path {
        return Err(invalid("networkPeering.network", &far, "A network cannot be a peer of itself."));
    }
    if inner.is_some() && peering.get("exchangeSubnetRoutes") != Some(&Value::Bool(true)) {
        return Err(bad_request("The field exchangeSubnetRoutes must be true."));
    }
    let held = peerings(state, &path);
    if held.iter().any(|one| one.get("name").and_then(Value::as_str) == Some(&name)) {
        return Err(GcpError::new(409, "alreadyExists", format!("A peering '{name}' already exists.")));
    }
    if state.peerings(&path).contains(&far) {
        let message = format!("There is already a peering between the local network and '{far}'.");
        return Err(GcpError::new(409, "alreadyExists", message));
    }
    check_overlap(state, &path, &far)?;
    peering.insert("name".to_owned(), json!(name));
    peering.insert("network".to_owned(), json!(link(&far)));
    for field in ["autoCreateRoutes", "exchangeSubnetRoutes", "exportSubnetRoutesWithPublicIp"] {
        peering.insert(field.to_owned(), json!(true));
    }
    peering.entry("stackType").or_insert(json!("IPV4_ONLY"));
    let network = state.get_mut(&path)?;
    let list = network.body.entry("peerings").or_insert(json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(Value::Object(peering));
    }
    Ok(Written::new(&path, id, vec![Touch::Network(path.clone())]))
}

pub(crate) fn update(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let body = call.request.object()?;
    let given = body.get("networkPeering").and_then(Value::as_object).cloned().unwrap_or_default();
    let name = text_of(&given, "name").unwrap_or_default().to_owned();
    let network = state.get_mut(&path)?;
    let id = network.id;
    let held = find(&mut network.body, &name)?;
    let fixed = ["name", "network", "state", "stateDetails"];
    let given: Object = given.into_iter().filter(|(field, _)| !fixed.contains(&field.as_str())).collect();
    merge(held, &given);
    Ok(Written::new(&path, id, vec![Touch::Network(path.clone())]))
}

pub(crate) fn remove(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let body = call.request.object()?;
    let name = text_of(&body, "name").unwrap_or_default().to_owned();
    let network = state.get_mut(&path)?;
    let id = network.id;
    find(&mut network.body, &name)?;
    if let Some(list) = network.body.get_mut("peerings").and_then(Value::as_array_mut) {
        list.retain(|one| one.get("name").and_then(Value::as_str) != Some(&name));
    }
    network.body.retain(|field, value| field != "peerings" || value != &json!([]));
    Ok(Written::new(&path, id, vec![Touch::Network(path.clone())]))
}

/// The peerings of a network with their states.
pub(crate) fn shown(state: &State, network: &str) -> Option<Value> {
    let peers = state.peers(network);
    let all = peerings(state, network).into_iter().map(|mut peering| {
        let far = peering.get("network").and_then(Value::as_str).map_or("", own_path);
        let (word, details) = if peers.contains(far) {
            ("ACTIVE", "Connected.")
        } else {
            ("INACTIVE", "Waiting for peer network to connect.")
        };
        peering["state"] = json!(word);
        peering["stateDetails"] = json!(format!("[2026-11-01T00:00:00.000-00:00]: {details}"));
        peering
    });
    let all: Vec<Value> = all.collect();
    (!all.is_empty()).then(|| json!(all))
}

fn peerings(state: &State, network: &str) -> Vec<Value> {
    let found = state.get_kind(network, Kind::Network);
    let list = found.and_then(|found| found.body.get("peerings")).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

fn find<'a>(body: &'a mut Object, name: &str) -> Result<&'a mut Object, GcpError> {
    let list = body.get_mut("peerings").and_then(Value::as_array_mut).into_iter().flatten();
    let mut named = list.filter_map(Value::as_object_mut).filter(|one| text_of(one, "name") == Some(name));
    named.next().ok_or_else(|| invalid("name", name, "There is no peering with that name."))
}

/// Networks whose subnetworks overlap cannot be peers.
fn check_overlap(state: &State, near: &str, far: &str) -> Result<(), GcpError> {
    let blocks = |network: &str| -> Vec<IpNet> {
        let all =
            state.of_kind(Kind::Subnetwork).filter(|(_, one)| subnetwork::network_of(&one.body) == network);
        all.flat_map(|(_, one)| subnetwork::blocks(&one.body)).collect()
    };
    let (near_blocks, far_blocks) = (blocks(near), blocks(far));
    let overlaps = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
    match near_blocks.iter().find(|a| far_blocks.iter().any(|b| overlaps(a, b))) {
        Some(block) => {
            Err(bad_request(format!("An IP range in the local network ({block}) overlaps with '{far}'.")))
        }
        None => Ok(()),
    }
}
