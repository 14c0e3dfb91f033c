//! Lists are no snapshot: what came, went or changed between two of them.

use mock_azure::Headers;
use provider::{ErrorKind, ProviderError};
use provider_azure::resources::ArmId;
use provider_azure::{Estate, observe};
use serde_json::{Value, json};

use crate::harness::{SUBSCRIPTION, Sim, at, id, interface, machine, slow};
use crate::overheard::{Then, overheard};

/// A list as it is now.
fn list(sim: &Sim, kind: &str) -> (String, String) {
    let path = format!("/subscriptions/{SUBSCRIPTION}/providers/{kind}");
    let headers = Headers { authorization: "Bearer x", ..Headers::default() };
    let answer = sim.front.handle("GET", &format!("{path}?api-version=2024-03-01"), headers, b"");
    assert_eq!(answer.status, 200, "{}", answer.body);
    (path, answer.body)
}

/// The read of an estate in which one list is from before.
async fn observe_with(sim: &Sim, old: (String, String)) -> Result<Estate, ProviderError> {
    let (path, body) = old;
    let arm =
        overheard(sim, move |heard| if heard.path == path { Then::Say(body.clone()) } else { Then::Listen })
            .await;
    observe(&arm, &[SUBSCRIPTION.to_owned()]).await
}

fn attach(sim: &Sim, group: &str) {
    let body = json!({ "properties": { "addressPrefix": "10.0.2.0/24",
        "networkSecurityGroup": { "id": id(group) } } });
    sim.seed("vnet/v/t", body);
}

fn remove(sim: &Sim, short: &str) {
    sim.front.world().perform("DELETE", id(short).as_str(), &Value::Null).unwrap();
}

#[tokio::test]
async fn what_came_in_between_is_asked_for_by_name() {
    let sim = Sim::start(slow()).await;
    let interfaces = list(&sim, "Microsoft.Network/networkInterfaces");
    let machines = list(&sim, "Microsoft.Compute/virtualMachines");
    let groups = list(&sim, "Microsoft.Network/networkSecurityGroups");
    let names = list(&sim, "Microsoft.Network/applicationSecurityGroups");
    let networks = list(&sim, "Microsoft.Network/virtualNetworks");
    sim.seed("asg/new", at(json!({})));
    sim.seed("nic/new", interface("vnet/v/t", &["new"]));
    sim.seed("vm/new", machine(&["nic/new"]));
    sim.seed("nsg/new", at(json!({})));
    attach(&sim, "nsg/new");
    sim.seed("vnet/x", at(json!({ "addressSpace": { "addressPrefixes": ["10.9.0.0/16"] } })));
    sim.seed("vnet/x/s", json!({ "properties": { "addressPrefix": "10.9.1.0/24" } }));
    sim.seed("nic/far", interface("vnet/x/s", &[]));
    let now = sim.estate().await;
    for old in [interfaces, machines, groups, names, networks] {
        let path = old.0.clone();
        let found = observe_with(&sim, old).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        // The old list of networks still shows the subnet as it was: only what is missing is asked for.
        if !path.ends_with("virtualNetworks") {
            assert_eq!(found, now, "{path}");
        }
        let keys = |estate: &Estate| -> Vec<ArmId> {
            let all = estate.networks.keys().chain(estate.interfaces.keys()).chain(estate.machines.keys());
            all.cloned().collect()
        };
        assert_eq!(keys(&found), keys(&now), "{path}");
    }
}

#[tokio::test]
async fn what_went_in_between_is_left_out() {
    let sim = Sim::start(slow()).await;
    sim.seed("nic/old", interface("vnet/v/t", &[]));
    sim.seed("vm/old", machine(&["nic/old"]));
    let networks = list(&sim, "Microsoft.Network/virtualNetworks");
    let machines = list(&sim, "Microsoft.Compute/virtualMachines");
    let interfaces = list(&sim, "Microsoft.Network/networkInterfaces");
    remove(&sim, "vm/old");
    let found = observe_with(&sim, interfaces.clone()).await.unwrap();
    assert!(found.interfaces.contains_key(&id("nic/old")), "as it was a moment ago");
    remove(&sim, "nic/old");
    let now = sim.estate().await;
    assert_eq!(observe_with(&sim, networks).await.unwrap(), now);
    let found = observe_with(&sim, machines).await.unwrap();
    assert_eq!(found.machines[&id("vm/old")].interfaces, Default::default());
    assert_eq!(found.interfaces, now.interfaces);
}

#[tokio::test]
async fn what_went_while_it_seems_in_use_fails_the_read() {
    let sim = Sim::start(slow()).await;
    sim.seed("nsg/old", at(json!({})));
    attach(&sim, "nsg/old");
    let networks = list(&sim, "Microsoft.Network/virtualNetworks");
    sim.seed("vnet/v/t", json!({ "properties": { "addressPrefix": "10.0.2.0/24" } }));
    remove(&sim, "nsg/old");
    let error = observe_with(&sim, networks).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("nsg") || error.message.contains("/old"), "{error}");
    assert!(error.retryable());
}
