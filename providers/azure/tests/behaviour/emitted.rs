//! What we send and what we make of what we read, as files: Microsoft.Network's own models judge them in
//! `tests/witness-azure`, which is no part of this workspace.
//!
//! The files are what is emitted now. To write them anew: `WITNESS_WRITE=1 cargo test -p provider-azure emitted`, then
//! run the witness.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use provider_azure::Writer;
use provider_azure::resources::{
    ActiveAdminRule, ApplicationGroup, ArmId, Interface, Network, Rule, SecurityGroup, Subnet, Tags, kind,
};
use provider_azure::write::{Flush, Membership, RuleChange};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Sim, id, put, rule, slow};
use crate::overheard::{Then, overheard};

fn check(folder: &str, name: &str, emitted: &Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/witness-azure/fixtures").join(folder);
    let file = root.join(format!("{name}.json"));
    if std::env::var_os("WITNESS_WRITE").is_some() {
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(&file, format!("{}\n", serde_json::to_string_pretty(emitted).unwrap())).unwrap();
    }
    let known = std::fs::read(&file).unwrap_or_default();
    let known: Value = serde_json::from_slice(&known).unwrap_or_default();
    assert_eq!(known, *emitted, "{folder}/{name}.json is not what is emitted: see the head of this file");
}

/// An interface with everything that the models know and we do not.
fn seed_interface(sim: &Sim) {
    sim.seed(
        "nic/rich",
        json!({ "location": "westeurope", "tags": { "a": "b" }, "properties": {
            "enableIPForwarding": true, "auxiliaryMode": "None", "workloadType": "w",
            "dnsSettings": { "dnsServers": ["10.0.0.4"], "internalDnsNameLabel": "rich" },
            "networkSecurityGroup": { "id": id("nsg/n") },
            "ipConfigurations": [
                { "name": "c4", "properties": { "subnet": { "id": id("vnet/v/s") }, "primary": true,
                    "privateIPAllocationMethod": "Static", "privateIPAddress": "10.0.1.77",
                    "loadBalancerBackendAddressPools": [{ "id": "/lb/pool" }],
                    "applicationSecurityGroups": [{ "id": id("asg/web") }] } },
                { "name": "c6", "properties": { "subnet": { "id": id("vnet/v/s") },
                    "privateIPAddressVersion": "IPv6" } }] } }),
    );
}

#[tokio::test]
async fn what_is_sent_is_what_the_witness_has_judged() {
    let sim = Sim::start(slow()).await;
    seed_interface(&sim);
    sim.rule("foreign", "210 out deny * 10.0.0.0/8,192.168.0.0/16 Storage.WestEurope 443,8000-8080");
    let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
    let log = sent.clone();
    let arm = overheard(&sim, move |heard| {
        if *heard.method == Method::PUT {
            log.lock().unwrap().push(serde_json::from_slice(heard.body).unwrap());
        }
        Then::Listen
    })
    .await;
    let writer = Writer::new(arm);
    let last = || sent.lock().unwrap().pop().unwrap();
    let tags: Tags = [("managed-by".to_owned(), "bulkhead".to_owned())].into();

    writer.create_application_group(&id("asg/made"), "westeurope", &tags).await.unwrap();
    check("sent", "application_group", &last());
    writer.create_security_group(&id("nsg/made"), "westeurope", &tags).await.unwrap();
    check("sent", "security_group_new", &last());
    let mut ours = rule("ours", "300 in allow Tcp asg:web asg:db 443");
    ours.properties.description = Some("web to db".to_owned());
    writer.change_rules(&id("nsg/n"), &put(ours.clone()), None).await.unwrap();
    check("sent", "rule", &last());
    let change = RuleChange {
        put: vec![rule("more", "310 in allow Udp 10.0.0.0/8,172.16.0.0/12 * 53,123")],
        delete: Vec::new(),
        flush: Flush::JudgeAgain,
    };
    writer.change_rules(&id("nsg/n"), &change, None).await.unwrap();
    check("sent", "security_group", &last());
    let membership: Membership = [("c4".to_owned(), [id("asg/db"), id("asg/web")].into())].into();
    writer.put_membership(&id("nic/rich"), &membership, None).await.unwrap();
    check("sent", "interface", &last());
    writer.put_subnet_group(&id("vnet/v/t"), Some(&id("nsg/made")), None).await.unwrap();
    check("sent", "subnet", &last());
    sim.assert_no_complaints();
}

async fn read<T: Serialize + DeserializeOwned>(sim: &Sim, name: &str, id: &ArmId, version: &str) {
    let found: T = sim.arm.get("a/read", id.as_str(), version).await.unwrap();
    check("read", name, &serde_json::to_value(found).unwrap());
}

#[tokio::test]
async fn what_is_read_is_what_the_witness_has_judged() {
    let sim = Sim::start(slow()).await;
    seed_interface(&sim);
    sim.seed("vnet/v/t", json!({ "properties": { "addressPrefix": "10.0.2.0/24",
        "serviceEndpoints": [{ "service": "Microsoft.Storage" }],
        "delegations": [{ "name": "d", "properties": { "serviceName": "Microsoft.Sql/managedInstances" } }] } }));
    read::<SecurityGroup>(&sim, "security_group", &id("nsg/n"), kind::SECURITY_GROUP.version).await;
    read::<Rule>(&sim, "rule", &id("nsg/n/theirs"), kind::RULE.version).await;
    read::<ApplicationGroup>(&sim, "application_group", &id("asg/web"), kind::APPLICATION_GROUP.version)
        .await;
    read::<Interface>(&sim, "interface", &id("nic/rich"), kind::INTERFACE.version).await;
    read::<Interface>(&sim, "interface_of_machine", &id("nic/a"), kind::INTERFACE.version).await;
    read::<Network>(&sim, "network", &id("vnet/v"), kind::NETWORK.version).await;
    read::<Subnet>(&sim, "subnet", &id("vnet/v/t"), kind::SUBNET.version).await;
    // As `listNetworkManagerEffectiveSecurityAdminRules` shows one.
    let admin: ActiveAdminRule = serde_json::from_value(json!({
        "id": "/m/securityAdminConfigurations/c/ruleCollections/k/rules/deny", "kind": "Custom",
        "configurationDescription": "guard", "ruleCollectionDescription": "all",
        "ruleCollectionAppliesToGroups": [{ "networkGroupId": "/m/networkGroups/g" }],
        "properties": { "direction": "Inbound", "access": "AlwaysAllow", "priority": 5, "protocol": "Tcp",
            "sources": [{ "addressPrefix": "10.0.0.0/8", "addressPrefixType": "IPPrefix" }],
            "destinationPortRanges": ["22"], "provisioningState": "Succeeded" } }))
    .unwrap();
    check("read", "admin_rule", &serde_json::to_value(admin).unwrap());
}
