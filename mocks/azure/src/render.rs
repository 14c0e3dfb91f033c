//! Resources as ARM shows them: what was written, with what only the cloud knows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::path::{Kind, parent};
use crate::resources::groups::default_rules;
use crate::resources::network::tag_of;
use crate::state::{Object, PeeringState, Resource, State, Typed};

/// Who refers to whom, read once for each request.
#[derive(Default)]
pub struct References {
    interfaces: BTreeMap<String, Vec<Value>>,
    subnets: BTreeMap<String, Vec<Value>>,
    configurations: BTreeMap<String, Vec<Value>>,
}

impl References {
    /// Reads the references that resources of a kind show.
    pub fn for_kind(state: &State, kind: Kind) -> Self {
        let mut all = Self::default();
        if !matches!(kind, Kind::SecurityGroup | Kind::VirtualNetwork | Kind::Subnet) {
            return all;
        }
        for resource in state.resources.values() {
            let id = &resource.id;
            match &resource.typed {
                Typed::Subnet { security_group: Some(group), .. } => {
                    all.subnets.entry(group.clone()).or_default().push(json!({ "id": id }));
                }
                Typed::Interface { security_group, configurations } => {
                    if let Some(group) = security_group {
                        all.interfaces.entry(group.clone()).or_default().push(json!({ "id": id }));
                    }
                    for one in configurations {
                        let user = json!({ "id": format!("{id}/ipConfigurations/{}", one.name) });
                        all.configurations.entry(one.subnet.clone()).or_default().push(user);
                    }
                }
                _ => {}
            }
        }
        all
    }
}

/// A resource as it is read.
pub fn resource(state: &State, key: &str, references: &References) -> Value {
    let Some(held) = state.get(key) else { return Value::Null };
    let mut shown = held.body.clone();
    shown.insert("id".to_owned(), json!(held.id));
    shown.insert("name".to_owned(), json!(held.name()));
    shown.insert("type".to_owned(), json!(held.kind.full_type()));
    if held.kind.type_path().0 == "Microsoft.Network" || held.kind.is_interface() {
        shown.insert("etag".to_owned(), json!(state.etag_of(key)));
    }
    let entry = shown.entry("properties").or_insert_with(|| json!({}));
    if !entry.is_object() {
        *entry = json!({});
    }
    if let Some(properties) = entry.as_object_mut() {
        properties.insert("provisioningState".to_owned(), json!(held.provisioning.word()));
        show(state, key, held, properties, references);
    }
    Value::Object(shown)
}

fn show(state: &State, key: &str, held: &Resource, properties: &mut Object, references: &References) {
    let parts = |kind: Kind| -> Value {
        let prefix = format!("{key}/");
        state.below(&prefix, kind).map(|(part, _)| resource(state, part, references)).collect()
    };
    let users = |of: &BTreeMap<String, Vec<Value>>| of.get(key).cloned().map(Value::Array);
    let mut set = |field: &str, value: Value| {
        properties.insert(field.to_owned(), value);
    };
    match held.kind {
        Kind::SecurityGroup => {
            set("resourceGuid", json!(held.guid));
            set("securityRules", parts(Kind::Rule));
            set("defaultSecurityRules", Value::Array(default_rules(&held.id)));
            users(&references.interfaces).into_iter().for_each(|ids| set("networkInterfaces", ids));
            users(&references.subnets).into_iter().for_each(|ids| set("subnets", ids));
        }
        Kind::ApplicationGroup => set("resourceGuid", json!(held.guid)),
        Kind::VirtualNetwork => {
            set("resourceGuid", json!(held.guid));
            set("subnets", parts(Kind::Subnet));
            set("virtualNetworkPeerings", parts(Kind::Peering));
            properties.entry("enableDdosProtection").or_insert_with(|| json!(false));
        }
        Kind::Subnet => {
            users(&references.configurations).into_iter().for_each(|ids| set("ipConfigurations", ids));
            for field in ["delegations", "serviceEndpoints"] {
                properties.entry(field).or_insert_with(|| json!([]));
            }
            properties.entry("privateEndpointNetworkPolicies").or_insert_with(|| json!("Disabled"));
            properties.entry("privateLinkServiceNetworkPolicies").or_insert_with(|| json!("Enabled"));
        }
        Kind::Rule => {
            for field in [
                "sourcePortRanges",
                "destinationPortRanges",
                "sourceAddressPrefixes",
                "destinationAddressPrefixes",
            ] {
                properties.entry(field).or_insert_with(|| json!([]));
            }
        }
        Kind::Peering => show_peering(state, key, held, properties),
        Kind::Interface | Kind::ScaleSetInterface => show_interface(state, key, held, properties),
        _ => {}
    }
}

fn show_peering(state: &State, key: &str, held: &Resource, properties: &mut Object) {
    let Typed::Peering { remote, state: now, .. } = &held.typed else { return };
    let word = match now {
        PeeringState::Initiated => "Initiated",
        PeeringState::Connected => "Connected",
        PeeringState::Disconnected => "Disconnected",
    };
    let level = if *now == PeeringState::Initiated { "RemoteNotInSync" } else { "FullyInSync" };
    properties.insert("resourceGuid".to_owned(), json!(held.guid));
    properties.insert("peeringState".to_owned(), json!(word));
    properties.insert("peeringSyncLevel".to_owned(), json!(level));
    properties.entry("allowVirtualNetworkAccess").or_insert_with(|| json!(true));
    let space = match state.get(remote).map(|network| &network.typed) {
        Some(Typed::VirtualNetwork { blocks }) => json!({ "addressPrefixes": blocks }),
        _ => json!({ "addressPrefixes": [] }),
    };
    properties.insert("remoteAddressSpace".to_owned(), space.clone());
    properties.insert("remoteVirtualNetworkAddressSpace".to_owned(), space);
    debug_assert!(parent(key).is_some(), "a peering is part of a network");
}

fn show_interface(state: &State, key: &str, held: &Resource, properties: &mut Object) {
    let etag = state.etag_of(key);
    let list = properties.get_mut("ipConfigurations").and_then(Value::as_array_mut);
    for one in list.into_iter().flatten() {
        let name = one.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(fields) = one.as_object_mut() else { continue };
        fields.insert("id".to_owned(), json!(format!("{}/ipConfigurations/{name}", held.id)));
        fields.insert("etag".to_owned(), json!(etag));
        fields.insert("type".to_owned(), json!("Microsoft.Network/networkInterfaces/ipConfigurations"));
        if let Some(inner) = fields.get_mut("properties").and_then(Value::as_object_mut) {
            inner.insert("provisioningState".to_owned(), json!(held.provisioning.word()));
        }
    }
    if let Some(machine) = &held.machine {
        properties.insert("virtualMachine".to_owned(), json!({ "id": machine }));
        properties.insert("primary".to_owned(), json!(true));
    }
    properties.insert("resourceGuid".to_owned(), json!(held.guid));
    properties.insert("macAddress".to_owned(), json!(mac(&held.guid)));
    properties.insert("vnetEncryptionSupported".to_owned(), json!(false));
    for (field, value) in [
        ("enableAcceleratedNetworking", json!(false)),
        ("disableTcpStateTracking", json!(false)),
        ("enableIPForwarding", json!(false)),
        ("hostedWorkloads", json!([])),
        ("tapConfigurations", json!([])),
        ("nicType", json!("Standard")),
        ("dnsSettings", json!({ "dnsServers": [], "appliedDnsServers": [] })),
    ] {
        properties.entry(field).or_insert(value);
    }
}

/// The address of an interface, the same for as long as it lives.
pub(crate) fn mac(guid: &str) -> String {
    let digits: Vec<char> = guid.chars().filter(char::is_ascii_hexdigit).take(6).collect();
    let pairs: Vec<String> =
        digits.chunks(2).map(|pair| pair.iter().collect::<String>().to_uppercase()).collect();
    format!("00-0D-3A-{}", pairs.join("-"))
}

/// The effective security groups of an interface, as its diagnostic call shows them.
pub fn effective_groups(state: &State, key: &str) -> Value {
    let Some(Typed::Interface { security_group, configurations }) = state.get(key).map(|held| &held.typed)
    else {
        return json!({ "value": [] });
    };
    let mut found: Vec<Value> = Vec::new();
    let subnet = configurations.first().map(|one| one.subnet.as_str()).unwrap_or_default();
    let of_subnet = match state.get(subnet).map(|held| &held.typed) {
        Some(Typed::Subnet { security_group, .. }) => security_group.clone(),
        _ => None,
    };
    let network = parent(subnet).unwrap_or_default();
    let id_of = |key: &str| state.get(key).map(|held| held.id.clone()).unwrap_or_default();
    let places = [(of_subnet, "subnet", subnet), (security_group.clone(), "networkInterface", key)];
    for (group, place, at) in places {
        let Some(group) = group else { continue };
        let prefix = format!("{group}/");
        let own =
            state.below(&prefix, Kind::Rule).map(|(part, _)| resource(state, part, &References::default()));
        let rules: Vec<Value> = own
            .map(|rule| (rule, "securityRules"))
            .chain(default_rules(&id_of(&group)).into_iter().map(|rule| (rule, "defaultSecurityRules")))
            .map(|(rule, list)| effective_rule(&rule, list))
            .collect();
        found.push(json!({
            "networkSecurityGroup": { "id": id_of(&group) },
            "association": { place: { "id": id_of(at) } },
            "effectiveSecurityRules": rules,
            "tagMap": { "VirtualNetwork": tag_of(state, network) },
        }));
    }
    json!({ "value": found })
}

fn effective_rule(rule: &Value, list: &str) -> Value {
    let mut fields = rule.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    fields.remove("provisioningState");
    let name = rule.get("name").and_then(Value::as_str).unwrap_or_default();
    fields.insert("name".to_owned(), json!(format!("{list}/{name}")));
    if fields.get("protocol") == Some(&json!("*")) {
        fields.insert("protocol".to_owned(), json!("All"));
    }
    Value::Object(fields)
}
