//! Virtual networks, subnets and peerings.

use serde_json::{Value, json};

use crate::harness::{Cloud, at, id, interface, network, subnet};

#[test]
fn a_subnet_lies_inside_its_network_and_beside_the_others() {
    let cloud = Cloud::quick();
    for (block, expected) in [
        ("10.0.3.0/24", "ok"),
        ("10.9.0.0/24", "NetcfgInvalidSubnet"),
        ("10.0.1.128/25", "NetcfgSubnetRangesOverlap"),
        ("10.0.3.1/24", "InvalidCIDRNotation"),
    ] {
        assert_eq!(cloud.put("vnet/v/x", subnet(&[block], None)), expected, "{block}");
    }
    assert_eq!(cloud.put("vnet/v/s", subnet(&["10.0.1.0/24"], Some("nsg/none"))), "InvalidResourceReference");
}

#[test]
fn a_subnet_in_use_stays_and_so_does_its_block() {
    let cloud = Cloud::quick();
    cloud.interface("a", "vnet/v/t", &[]);
    assert_eq!(cloud.delete("vnet/v/t"), "InUseSubnetCannotBeDeleted");
    assert_eq!(cloud.delete("vnet/v"), "InUseSubnetCannotBeDeleted");
    assert_eq!(cloud.put("vnet/v/t", subnet(&["10.0.3.0/24"], None)), "InUsePrefixCannotBeDeleted");
    assert_eq!(
        cloud.put("vnet/v", network(&["10.0.0.0/16"])),
        "InUseSubnetCannotBeDeleted",
        "left out is deleted"
    );
    let users = &cloud.get("vnet/v/t")["properties"]["ipConfigurations"];
    assert_eq!(users[0]["id"], json!(format!("{}/ipConfigurations/c", crate::harness::path("nic/a"))));
    assert_eq!(cloud.delete("nic/a"), "ok");
    assert_eq!(cloud.delete("vnet/v/t"), "ok");
}

#[test]
fn a_put_of_a_network_replaces_its_subnets() {
    let cloud = Cloud::quick();
    let mut body = network(&["10.0.0.0/16"]);
    let mut part = subnet(&["10.0.7.0/24"], Some("nsg/n"));
    part["name"] = json!("seven");
    body["properties"]["subnets"] = json!([part]);
    assert_eq!(cloud.put("vnet/v", body), "ok");
    let subnets = cloud.get("vnet/v")["properties"]["subnets"].clone();
    assert_eq!(subnets.as_array().unwrap().len(), 1);
    assert_eq!(subnets[0]["properties"]["networkSecurityGroup"], id("nsg/n"));
}

fn peer(cloud: &Cloud, from: &str, to: &str) -> String {
    cloud.put(
        &format!("peer/{from}/to-{to}"),
        json!({ "properties": { "remoteVirtualNetwork": id(&format!("vnet/{to}")) } }),
    )
}

fn state(cloud: &Cloud, short: &str) -> Value {
    cloud.get(short)["properties"]["peeringState"].clone()
}

#[test]
fn a_peering_is_connected_when_both_sides_have_it() {
    let cloud = Cloud::quick();
    assert_eq!(peer(&cloud, "v", "w"), "ok");
    assert_eq!(state(&cloud, "peer/v/to-w"), "Initiated");
    assert_eq!(peer(&cloud, "w", "v"), "ok");
    assert_eq!(
        (state(&cloud, "peer/v/to-w"), state(&cloud, "peer/w/to-v")),
        (json!("Connected"), json!("Connected"))
    );
    let body = cloud.get("peer/v/to-w");
    assert_eq!(body["properties"]["remoteAddressSpace"]["addressPrefixes"], json!(["10.1.0.0/16"]));
    assert_eq!(cloud.delete("peer/v/to-w"), "ok");
    assert_eq!(state(&cloud, "peer/w/to-v"), "Disconnected");
    assert_eq!(peer(&cloud, "v", "w"), "RemotePeeringIsDisconnected");
    assert_eq!(cloud.delete("peer/w/to-v"), "ok");
    assert_eq!(peer(&cloud, "v", "w"), "ok");
}

#[test]
fn peerings_are_refused_with_oneself_twice_and_over_overlaps() {
    let cloud = Cloud::quick();
    assert_eq!(peer(&cloud, "v", "v"), "CannotPeerVirtualNetworkWithItself");
    assert_eq!(peer(&cloud, "v", "none"), "InvalidResourceReference");
    peer(&cloud, "v", "w");
    let second = json!({ "properties": { "remoteVirtualNetwork": id("vnet/w") } });
    assert_eq!(cloud.put("peer/v/again", second), "PeeringAlreadyExists");
    cloud.seed("vnet/x", network(&["10.0.128.0/17"]));
    assert_eq!(peer(&cloud, "v", "x"), "VnetAddressSpacesOverlap");
}

#[test]
fn subnets_and_peerings_share_the_etag_of_their_network() {
    let cloud = Cloud::quick();
    peer(&cloud, "v", "w");
    let etag = |short: &str| cloud.get(short)["etag"].clone();
    let network = etag("vnet/v");
    assert_eq!([etag("vnet/v/s"), etag("peer/v/to-w")], [network.clone(), network]);
}

#[test]
fn a_network_needs_blocks() {
    let cloud = Cloud::quick();
    assert_eq!(cloud.put("vnet/x", at(json!({}))), "InvalidRequestFormat");
    assert_eq!(cloud.put("vnet/x", network(&["10.0.0.1/16"])), "InvalidCIDRNotation");
    assert_eq!(cloud.put("nic/x", interface("vnet/x/none", &[])), "InvalidResourceReference");
}
