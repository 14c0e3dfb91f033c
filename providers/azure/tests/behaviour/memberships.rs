//! Writes of interfaces and subnets.

use std::collections::BTreeSet;

use provider::ErrorKind;
use provider_azure::resources::ArmId;
use provider_azure::write::Membership;
use serde_json::{Value, json};

use crate::harness::{Sim, at, id, slow};

fn membership(configuration: &str, groups: &[&str]) -> Membership {
    let groups: BTreeSet<ArmId> = groups.iter().map(|group| id(&format!("asg/{group}"))).collect();
    [(configuration.to_owned(), groups)].into()
}

/// An interface with two families, static and dynamic addresses, its own settings, and fields of a newer version.
fn rich(sim: &Sim) -> Value {
    sim.seed(
        "nic/rich",
        json!({ "location": "westeurope", "tags": { "a": "b" }, "extendedLocation": { "name": "x", "type": "EdgeZone" },
            "properties": {
                "enableIPForwarding": true, "auxiliaryMode": "None", "newer": { "deep": [1, { "x": null }] },
                "dnsSettings": { "dnsServers": ["10.0.0.4"], "internalDnsNameLabel": "rich" },
                "networkSecurityGroup": { "id": id("nsg/n") },
                "ipConfigurations": [
                    { "name": "c4", "properties": { "subnet": { "id": id("vnet/v/s") }, "primary": true,
                        "privateIPAllocationMethod": "Static", "privateIPAddress": "10.0.1.77", "odd": [{}],
                        "loadBalancerBackendAddressPools": [{ "id": "/lb" }],
                        "applicationSecurityGroups": [{ "id": id("asg/web") }] } },
                    { "name": "c6", "properties": { "subnet": { "id": id("vnet/v/s") },
                        "privateIPAddressVersion": "IPv6" } }] } }),
    )
}

/// A document without what every write changes, and without the groups of its first IP configuration.
fn rest_of(mut document: Value) -> Value {
    document.as_object_mut().unwrap().remove("etag");
    for one in document["properties"]["ipConfigurations"].as_array_mut().unwrap() {
        one.as_object_mut().unwrap().remove("etag");
    }
    let first = &mut document["properties"]["ipConfigurations"][0]["properties"];
    first.as_object_mut().unwrap().remove("applicationSecurityGroups");
    document
}

#[tokio::test]
async fn membership_changes_and_nothing_else_does() {
    let sim = Sim::start(slow()).await;
    let before = rich(&sim);
    let nic = id("nic/rich");
    let mut seen = before["etag"].as_str().unwrap().to_owned();
    for (groups, calls) in [(&["db", "web"][..], 1), (&["web", "db"], 0), (&["db"], 1), (&[], 1), (&[], 0)] {
        let written = sim.writer.put_membership(&nic, &membership("c4", groups), Some(&seen)).await.unwrap();
        assert_eq!(written.calls.len(), calls, "{groups:?}");
        let after = sim.show("nic/rich");
        seen = after["etag"].as_str().unwrap().to_owned();
        let wanted: BTreeSet<ArmId> = groups.iter().map(|group| id(&format!("asg/{group}"))).collect();
        let list = &after["properties"]["ipConfigurations"][0]["properties"]["applicationSecurityGroups"];
        let now = list.as_array().unwrap().iter();
        assert_eq!(now.map(|one| ArmId::new(one["id"].as_str().unwrap())).collect::<BTreeSet<_>>(), wanted);
        assert_eq!(rest_of(after), rest_of(before.clone()), "{groups:?}");
    }
    assert_eq!(sim.mutations(), ["PUT networkInterfaces"; 3]);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn an_interface_that_was_changed_is_not_written_over() {
    let sim = Sim::start(slow()).await;
    let seen = sim.show("nic/b")["etag"].as_str().unwrap().to_owned();
    sim.seed("nic/b", crate::harness::interface("vnet/v/s", &["db"]));
    let error =
        sim.writer.put_membership(&id("nic/b"), &membership("c", &["web"]), Some(&seen)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    let error = sim.writer.put_membership(&id("nic/b"), &membership("x", &[]), None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    let error = sim.writer.put_membership(&id("nic/none"), &membership("c", &[]), None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(sim.mutations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_subnet_gets_its_group_and_keeps_everything_else() {
    let sim = Sim::start(slow()).await;
    sim.seed("nsg/m", at(json!({})));
    sim.seed("vnet/v/t", json!({ "properties": { "addressPrefix": "10.0.2.0/24", "newer": 7,
        "privateEndpointNetworkPolicies": "Enabled", "defaultOutboundAccess": false,
        "serviceEndpoints": [{ "service": "Microsoft.Storage", "provisioningState": "Succeeded" }],
        "delegations": [{ "name": "d", "properties": { "serviceName": "Microsoft.Sql/managedInstances" } }] } }));
    let rest = |mut document: Value| {
        document.as_object_mut().unwrap().remove("etag");
        let properties = document["properties"].as_object_mut().unwrap();
        properties.remove("networkSecurityGroup");
        if let Some(list) = properties.get_mut("serviceEndpoints") {
            list[0].as_object_mut().unwrap().remove("provisioningState");
        }
        document
    };
    let before = rest(sim.show("vnet/v/t"));
    let subnet = id("vnet/v/t");
    let shown = || sim.show("vnet/v/t")["properties"]["networkSecurityGroup"]["id"].clone();
    let (n, m) = (id("nsg/n"), id("nsg/m"));
    for (group, instead_of, outcome) in [
        (Some(&m), None, Ok(1)),
        (Some(&m), None, Ok(0)),
        (Some(&n), None, Err(ErrorKind::Conflict)),
        (Some(&n), Some(&m), Ok(1)),
        (None, Some(&m), Err(ErrorKind::Conflict)),
        (None, Some(&n), Ok(1)),
        (None, None, Ok(0)),
    ] {
        let written = sim.writer.put_subnet_group(&subnet, group, instead_of).await;
        let was = written.map(|written| written.calls.len()).map_err(|error| error.kind);
        assert_eq!(was, outcome, "{group:?} instead of {instead_of:?}");
        if outcome.is_ok() {
            assert_eq!(shown(), group.map_or(Value::Null, |group| json!(group)));
        }
        assert_eq!(rest(sim.show("vnet/v/t")), before);
    }
    assert_eq!(sim.mutations(), ["PUT virtualNetworks/subnets"; 3]);
    sim.assert_no_complaints();
}
