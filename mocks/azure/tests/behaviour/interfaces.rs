//! Network interfaces and the machines that hold them.

use mock_azure::{Limits, Settings};
use serde_json::{Value, json};

use crate::harness::{Cloud, at, id, interface, outcome, path, quick};

#[test]
fn an_interface_gets_a_free_address_and_keeps_it() {
    let cloud = Cloud::quick();
    cloud.interface("a", "vnet/v/s", &[]);
    cloud.interface("b", "vnet/v/s", &[]);
    let address = |name: &str| {
        cloud.get(&format!("nic/{name}"))["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"].clone()
    };
    assert_eq!(
        [address("a"), address("b")],
        [json!("10.0.1.4"), json!("10.0.1.5")],
        "the first four are the cloud's"
    );
    assert_eq!(cloud.delete("nic/a"), "ok");
    cloud.interface("b", "vnet/v/s", &["web"]);
    assert_eq!(address("b"), json!("10.0.1.5"));
    cloud.interface("c", "vnet/v/s", &[]);
    assert_eq!(address("c"), json!("10.0.1.4"));
}

fn fixed(address: &str, version: &str) -> Value {
    let mut body = interface("vnet/v/s", &[]);
    let inner = &mut body["properties"]["ipConfigurations"][0]["properties"];
    inner["privateIPAllocationMethod"] = json!("Static");
    inner["privateIPAddressVersion"] = json!(version);
    inner["privateIPAddress"] = json!(address);
    body
}

#[test]
fn a_static_address_is_in_the_subnet_and_free() {
    let cloud = Cloud::quick();
    for (name, address, version, expected) in [
        ("a", "10.0.1.77", "IPv4", "ok"),
        ("b", "10.0.1.77", "IPv4", "PrivateIPAddressIsAllocated"),
        ("b", "10.0.2.77", "IPv4", "PrivateIPAddressNotInSubnet"),
        ("b", "fd00:a:0:1::77", "IPv6", "ok"),
    ] {
        assert_eq!(cloud.put(&format!("nic/{name}"), fixed(address, version)), expected, "{address}");
    }
}

#[test]
fn an_interface_needs_a_subnet_and_known_groups() {
    let cloud = Cloud::quick();
    assert_eq!(cloud.put("nic/a", at(json!({}))), "NetworkInterfaceMustHaveIpConfiguration");
    let empty = at(json!({ "ipConfigurations": [{ "name": "c", "properties": {} }] }));
    assert_eq!(cloud.put("nic/a", empty), "SubnetIsRequired");
    assert_eq!(cloud.put("nic/a", interface("vnet/v/s", &["none"])), "InvalidResourceReference");
    let mut body = interface("vnet/v/s", &[]);
    body["properties"]["networkSecurityGroup"] = id("nsg/none");
    assert_eq!(cloud.put("nic/a", body), "InvalidResourceReference");
}

#[test]
fn members_of_a_group_are_in_one_network() {
    let cloud = Cloud::quick();
    assert_eq!(cloud.put("nic/a", interface("vnet/v/s", &["web"])), "ok");
    assert_eq!(cloud.put("nic/b", interface("vnet/w/u", &["web"])), "ApplicationSecurityGroupsNotInSameVnet");
    assert_eq!(cloud.put("nic/b", interface("vnet/v/t", &["web"])), "ok");
    cloud.interface("a", "vnet/v/s", &[]);
    cloud.interface("b", "vnet/v/t", &[]);
    assert_eq!(cloud.put("nic/c", interface("vnet/w/u", &["web"])), "ok", "an empty group is free again");
}

#[test]
fn groups_of_a_configuration_and_members_of_a_group_are_counted() {
    let limits = Limits { groups_per_configuration: 1, configurations_per_group: 1, ..Limits::default() };
    let cloud = Cloud::seeded(Settings { limits, ..quick() });
    let two = interface("vnet/v/s", &["web", "db"]);
    assert_eq!(cloud.put("nic/a", two), "ApplicationSecurityGroupsPerIpConfigurationLimitReached");
    assert_eq!(cloud.put("nic/a", interface("vnet/v/s", &["web"])), "ok");
    let refused = "IpConfigurationsPerApplicationSecurityGroupLimitReached";
    assert_eq!(cloud.put("nic/b", interface("vnet/v/s", &["web"])), refused);
    assert_eq!(Limits::default().groups_per_configuration, 20);
}

#[test]
fn an_interface_stays_in_its_network() {
    let cloud = Cloud::quick();
    cloud.interface("a", "vnet/v/s", &[]);
    assert_eq!(cloud.put("nic/a", interface("vnet/w/u", &[])), "SubnetsNotInSameVnet");
    assert_eq!(cloud.put("nic/a", interface("vnet/v/t", &[])), "ok");
}

fn machine(names: &[&str]) -> Value {
    let list: Vec<Value> = names.iter().map(|name| id(&format!("nic/{name}"))).collect();
    at(json!({ "networkProfile": { "networkInterfaces": list } }))
}

#[test]
fn a_machine_holds_its_interfaces() {
    let cloud = Cloud::quick();
    cloud.interface("a", "vnet/v/s", &[]);
    assert_eq!(cloud.put("vm/m", machine(&["a"])), "ok");
    assert_eq!(cloud.get("nic/a")["properties"]["virtualMachine"], id("vm/m"));
    assert_eq!(cloud.delete("nic/a"), "NicInUse");
    let refused = "NetworkInterfaceCannotBeAssociatedWithMultipleVirtualMachines";
    assert_eq!(cloud.put("vm/other", machine(&["a"])), refused);
    assert_eq!(cloud.delete("vm/m"), "ok");
    assert_eq!(cloud.delete("nic/a"), "ok");
}

#[test]
fn a_write_of_an_interface_keeps_what_else_is_in_it() {
    let cloud = Cloud::quick();
    let mut body = interface("vnet/v/s", &[]);
    body["properties"]["enableAcceleratedNetworking"] = json!(true);
    body["properties"]["ipConfigurations"][0]["properties"]["newerField"] = json!(7);
    cloud.seed("nic/a", body);
    let mut read = cloud.get("nic/a");
    read["properties"]["ipConfigurations"][0]["properties"]["applicationSecurityGroups"] =
        json!([id("asg/web")]);
    assert_eq!(cloud.put("nic/a", read), "ok");
    let after = cloud.get("nic/a");
    assert_eq!(after["properties"]["enableAcceleratedNetworking"], json!(true));
    assert_eq!(after["properties"]["ipConfigurations"][0]["properties"]["newerField"], json!(7));
}

#[test]
fn scale_set_interfaces_are_listed_below_their_set_and_read_only() {
    let cloud = Cloud::quick();
    cloud.seed("vmss/set", at(json!({})));
    cloud.seed("vmss/set/0", json!({}));
    let nic = format!("{}/networkInterfaces/i", path("vmss/set/0"));
    cloud.seed(&nic, json!({ "properties": interface("vnet/v/s", &["web"])["properties"] }));
    assert_eq!(cloud.put(&nic, json!({ "properties": {} })), "HttpMethodNotSupported");
    let list = |path: &str| cloud.get(path)["value"].as_array().unwrap().len();
    assert_eq!(list(&format!("{}/networkInterfaces", path("vmss/set"))), 1);
    assert_eq!(list("nic"), 0, "not among the interfaces of machines");
    let read = cloud.get(&nic);
    assert_eq!(read["properties"]["virtualMachine"], id("vmss/set/0"));
    assert_eq!(outcome(&cloud.call("GET", &nic, Value::Null)), "ok");
}
