//! Networks, in automatic and custom mode, and the network `default` with its pre-made rules.

use serde_json::{Value, json};

use super::{Call, Written, merge, new_path, subnetwork, without_output};
use crate::error::{GcpError, bad_request, in_use, invalid, over_quota};
use crate::link::{link, name_of, own_path, project_of};
use crate::state::{Kind, Object, State, text_of};
use crate::sync::Touch;
use crate::world::World;

/// The ranges that subnetworks of networks in automatic mode have; other regions follow in order.
const AUTOMATIC: [(&str, &str); 3] =
    [("us-central1", "10.128.0.0/20"), ("europe-west1", "10.132.0.0/20"), ("asia-east1", "10.140.0.0/20")];

pub(crate) fn insert(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let mut body = without_output(call.request.object()?);
    let path = new_path(state, call, &body)?;
    for field in ["peerings", "subnetworks", "firewallPolicy", "gatewayIPv4"] {
        body.remove(field);
    }
    let automatic = match body.get("autoCreateSubnetworks") {
        Some(Value::Bool(automatic)) => *automatic,
        _ => {
            return Err(bad_request(
                "Legacy networks cannot be created any more: set autoCreateSubnetworks.",
            ));
        }
    };
    let limit = call.settings.limits.networks;
    if state.within(&call.request.path()).count() >= limit {
        return Err(over_quota("NETWORKS", limit));
    }
    check_order(&body)?;
    for (field, value) in [
        ("mtu", json!(1460)),
        ("networkFirewallPolicyEnforcementOrder", json!("AFTER_CLASSIC_FIREWALL")),
        ("routingConfig", json!({ "routingMode": "REGIONAL" })),
    ] {
        body.entry(field).or_insert(value);
    }
    if body.get("enableUlaInternalIpv6") == Some(&Value::Bool(true))
        && !body.contains_key("internalIpv6Range")
    {
        let taken = state.of_kind(Kind::Network).count();
        body.insert("internalIpv6Range".to_owned(), json!(format!("fd20:{taken:x}::/48")));
    }
    let id = state.create(&path, Kind::Network, body, call.now_ms);
    if automatic {
        make_subnetworks(state, call, &path);
    }
    Ok(Written::new(&path, id, vec![Touch::Network(path.clone())]))
}

fn make_subnetworks(state: &mut State, call: &Call<'_>, network: &str) {
    for (n, region) in call.settings.regions.iter().enumerate() {
        let known = AUTOMATIC.iter().find(|(name, _)| name == region).map(|(_, range)| (*range).to_owned());
        let range = known.unwrap_or_else(|| format!("10.{}.0.0/20", 150 + n));
        let path =
            format!("projects/{}/regions/{region}/subnetworks/{}", project_of(network), name_of(network));
        let mut body = Object::new();
        body.insert("network".to_owned(), json!(link(network)));
        body.insert("ipCidrRange".to_owned(), json!(range));
        subnetwork::create(state, &path, body, call.now_ms);
    }
}

pub(crate) fn patch(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let mut given = without_output(call.request.object()?);
    let id = state.get(&path)?.id;
    check_order(&given)?;
    if given.contains_key("autoCreateSubnetworks") {
        let why = "Use switchToCustomMode to change the mode of a network.";
        return Err(invalid("resource.autoCreateSubnetworks", "", why));
    }
    given.retain(|field, _| {
        [
            "networkFirewallPolicyEnforcementOrder",
            "routingConfig",
            "mtu",
            "description",
            "enableUlaInternalIpv6",
        ]
        .contains(&field.as_str())
    });
    merge(&mut state.get_mut(&path)?.body, &given);
    Ok(Written::new(&path, id, vec![Touch::Network(path.clone())]))
}

fn check_order(body: &Object) -> Result<(), GcpError> {
    match text_of(body, "networkFirewallPolicyEnforcementOrder") {
        None | Some("AFTER_CLASSIC_FIREWALL" | "BEFORE_CLASSIC_FIREWALL") => Ok(()),
        Some(other) => Err(invalid("resource.networkFirewallPolicyEnforcementOrder", other, "Unknown word.")),
    }
}

pub(crate) fn switch_to_custom_mode(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let network = state.get_mut(&path)?;
    network.body.insert("autoCreateSubnetworks".to_owned(), json!(false));
    Ok(Written::new(&path, network.id, Vec::new()))
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?.clone();
    let automatic = held.body.get("autoCreateSubnetworks") == Some(&Value::Bool(true));
    if let Some((user, _)) = state.resources.iter().find(|(_, other)| match other.kind {
        Kind::Firewall => text_of(&other.body, "network").map(own_path) == Some(path.as_str()),
        Kind::Subnetwork => !automatic && subnetwork::network_of(&other.body) == path,
        Kind::Instance => other.nics.iter().any(|nic| nic.network == path),
        _ => false,
    }) {
        return Err(in_use(&path, user));
    }
    if !state.peerings(&path).is_empty() {
        return Err(in_use(&path, "a peering"));
    }
    let attached = super::association::attached_to(state, &path);
    if let Some((policy, _)) = attached.first() {
        return Err(in_use(&path, policy));
    }
    let below: Vec<String> = state
        .of_kind(Kind::Subnetwork)
        .filter(|(_, other)| subnetwork::network_of(&other.body) == path)
        .map(|(path, _)| path.clone())
        .collect();
    for subnetwork in below {
        state.resources.remove(&subnetwork);
    }
    state.resources.remove(&path);
    Ok(Written::new(&path, held.id, vec![Touch::Network(path.clone())]))
}

/// The subnetworks of a network, as links.
pub(crate) fn subnetworks(state: &State, network: &str) -> Vec<Value> {
    let all = state.of_kind(Kind::Subnetwork);
    all.filter(|(_, found)| subnetwork::network_of(&found.body) == network)
        .map(|(path, _)| json!(link(path)))
        .collect()
}

impl World {
    /// The network that every new project has, with the rules that open it.
    pub(crate) fn make_default_network(&mut self, project: &str) {
        let global = format!("projects/{project}/global");
        let network = json!({ "name": "default", "autoCreateSubnetworks": true,
            "description": "Default network for the project" });
        // The first resources of a project are refused nothing.
        let _ = self.perform("POST", &format!("{global}/networks"), &network);
        let of = |name: &str, description: &str, range: &str, allowed: Value| {
            json!({ "name": format!("default-allow-{name}"), "network": "global/networks/default",
                "description": description, "priority": 65534, "sourceRanges": [range], "allowed": allowed })
        };
        let ports = |protocol: &str, ports: &str| json!({ "IPProtocol": protocol, "ports": [ports] });
        let internal = json!([ports("tcp", "0-65535"), ports("udp", "0-65535"), { "IPProtocol": "icmp" }]);
        for rule in [
            of("internal", "Allow internal traffic on the default network", "10.128.0.0/9", internal),
            of("ssh", "Allow SSH from anywhere", "0.0.0.0/0", json!([ports("tcp", "22")])),
            of("rdp", "Allow RDP from anywhere", "0.0.0.0/0", json!([ports("tcp", "3389")])),
            of("icmp", "Allow ICMP from anywhere", "0.0.0.0/0", json!([{ "IPProtocol": "icmp" }])),
        ] {
            let _ = self.perform("POST", &format!("{global}/firewalls"), &rule);
        }
    }
}
