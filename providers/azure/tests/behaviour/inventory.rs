//! The complete read.

use std::collections::BTreeSet;

use mock_azure::{Limits, Settings};
use mock_cloud::Fault;
use provider::ErrorKind;
use provider_azure::inventory::estate::{Attach, OwnerKind, Service};
use provider_azure::inventory::{list_management_groups, list_subscriptions, subscriptions_below};
use provider_azure::observe;
use provider_azure::resources::{Access, ArmId};
use serde_json::{Value, json};

use crate::harness::{SUBSCRIPTION, Sim, at, id, interface, machine, slow};

const OTHER: &str = "99999999-2222-4333-8444-555555555555";

#[tokio::test]
async fn an_estate_tells_who_is_where_and_what_guards_it() {
    let sim = Sim::start(slow()).await;
    let estate = sim.estate().await;
    assert_eq!(estate.subscriptions[SUBSCRIPTION].name, "Simulated");
    let network = &estate.networks[&id("vnet/v")];
    let peering = &network.peerings[0];
    assert_eq!((&peering.remote, peering.is_connected, peering.has_access), (&id("vnet/w"), true, true));
    assert_eq!(peering.remote_blocks, ["10.1.0.0/16".parse().unwrap()].into());
    let subnet = &estate.subnets[&id("vnet/v/s")];
    assert_eq!((&subnet.network, &subnet.security_group), (&id("vnet/v"), &Some(id("nsg/n"))));
    assert_eq!(subnet.blocks.len(), 2, "both families");
    assert_eq!(estate.subnets[&id("vnet/v/t")].blocks, ["10.0.2.0/24".parse().unwrap()].into());
    let a = &estate.interfaces[&id("nic/a")];
    assert_eq!((&a.network, &a.machine, &a.attach), (&id("vnet/v"), &Some(id("vm/vm")), &Attach::Direct));
    assert_eq!(a.configurations[0].groups, [id("asg/web")].into());
    assert_eq!(a.configurations[0].address, Some("10.0.1.4".parse().unwrap()));
    let value = |tags: &provider_azure::resources::Tags| tags.values().next().unwrap().clone();
    assert_eq!(
        [value(&a.tags), value(&a.machine_tags), value(&a.resource_group_tags)],
        ["them", "them", "shop"]
    );
    let group = &estate.security_groups[&id("nsg/n")];
    assert_eq!(group.rules["theirs"].rule.priority, 200);
    assert_eq!(group.default_rules.len(), 6);
    assert_eq!(group.owner, None);
    assert_eq!(estate.machines[&id("vm/vm")].interfaces, [id("nic/a")].into());
}

#[tokio::test]
async fn the_number_of_calls_does_not_grow_with_what_there_is() {
    let sim = Sim::start(slow()).await;
    let calls = |sim: &Sim| sim.front.world().calls.all().len();
    sim.estate().await;
    let small = calls(&sim);
    assert_eq!(small, 8 + 2, "eight lists, and a question for each of two networks");
    for n in 0..40 {
        sim.seed(&format!("nsg/more{n}"), at(json!({})));
        sim.seed(&format!("nic/more{n}"), interface("vnet/v/t", &[]));
    }
    sim.estate().await;
    assert_eq!(calls(&sim) - small, small);
}

#[tokio::test]
async fn lists_of_hundreds_are_read_to_their_end() {
    let limits = Limits { page_items: 7, ..Limits::default() };
    let sim = Sim::start(Settings { limits, ..slow() }).await;
    for n in 0..250 {
        sim.seed(&format!("nic/many{n}"), interface("vnet/v/t", &["db"]));
    }
    for n in 0..120 {
        sim.seed(&format!("asg/many{n}"), at(json!({})));
        sim.rule(&format!("many{n}"), &format!("{} in allow Tcp * * 80", 1000 + n));
    }
    let estate = sim.estate().await;
    assert_eq!((estate.interfaces.len(), estate.application_groups.len()), (252, 122));
    assert_eq!(estate.security_groups[&id("nsg/n")].rules.len(), 121);
    let addresses: BTreeSet<_> =
        estate.interfaces.values().map(|one| one.configurations[0].address.unwrap()).collect();
    assert_eq!(addresses.len(), 252);
    assert_eq!(sim.outcomes("LIST networkInterfaces").len(), 36);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_whole_read() {
    let limits = Limits { page_items: 2, ..Limits::default() };
    let sim = Sim::start(Settings { limits, ..slow() }).await;
    (0..6).for_each(|n| drop(sim.seed(&format!("nic/n{n}"), interface("vnet/v/t", &[]))));
    for (fault, kind) in [
        (Fault::ServerError, ErrorKind::Transient),
        (Fault::Throttle, ErrorKind::Throttled),
        (Fault::AccessDenied, ErrorKind::Denied),
    ] {
        sim.front.world().faults.plant("LIST networkInterfaces", 3, fault);
        let error = observe(&sim.arm, &[SUBSCRIPTION.to_owned()]).await.unwrap_err();
        assert_eq!((error.kind, error.action.as_str()), (kind, "Microsoft.Network/networkInterfaces/read"));
    }
    assert_eq!(sim.estate().await.interfaces.len(), 8);
}

#[tokio::test]
async fn several_subscriptions_are_one_estate_or_an_error() {
    let settings = Settings {
        more_subscriptions: vec![OTHER.to_owned()],
        management_groups: [("shop".to_owned(), vec![SUBSCRIPTION.to_owned(), OTHER.to_owned()])].into(),
        ..slow()
    };
    let sim = Sim::start(settings).await;
    let group = format!("/subscriptions/{OTHER}/resourceGroups/far");
    let nsg = format!("{group}/providers/Microsoft.Network/networkSecurityGroups/x");
    for path in [&group, &nsg] {
        sim.front.world().perform("PUT", path, &at(json!({}))).unwrap();
    }
    let names: Vec<String> =
        list_subscriptions(&sim.arm).await.unwrap().into_iter().map(|one| one.subscription_id).collect();
    assert_eq!(names, [SUBSCRIPTION, OTHER]);
    assert_eq!(list_management_groups(&sim.arm).await.unwrap()[0].name, "shop");
    let both = subscriptions_below(&sim.arm, "shop").await.unwrap();
    assert_eq!(both, names);
    assert!(subscriptions_below(&sim.arm, "../x").await.is_err());
    let estate = observe(&sim.arm, &both).await.unwrap();
    assert!(estate.security_groups.contains_key(&ArmId::new(&nsg)));
    assert_eq!((estate.subscriptions.len(), estate.security_groups.len()), (2, 2));

    sim.front.world().faults.denied.insert(format!("/subscriptions/{OTHER}"));
    let error = observe(&sim.arm, &both).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "AuthorizationFailed"));
    assert!(error.hint.contains("role"), "{}", error.hint);
    sim.front.world().faults.denied.clear();
    let unknown = "00000000-0000-0000-0000-000000000000".to_owned();
    let error = observe(&sim.arm, &[SUBSCRIPTION.to_owned(), unknown]).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "SubscriptionNotFound"));
    assert!(observe(&sim.arm, &["../../x".to_owned()]).await.is_err());
}

#[tokio::test]
async fn a_resource_group_that_may_not_be_read_is_noticed() {
    // Each hidden thing is in a group of its own, and something visible refers to it.
    for (hidden, seed) in
        [("nsg/x", "subnet"), ("asg/x", "member"), ("nic/x", "machine"), ("nic/y", "occupant")]
    {
        let sim = Sim::start(slow()).await;
        sim.seed("hidden:", json!({}));
        let there = format!("hidden:{hidden}");
        if hidden.starts_with("nic/") {
            sim.seed(&there, interface("vnet/v/t", &[]));
        } else {
            sim.seed(&there, at(json!({})));
        }
        match seed {
            "subnet" => drop(sim.seed(
                "vnet/w/h",
                json!({ "properties": { "addressPrefix": "10.1.9.0/24",
                "networkSecurityGroup": { "id": id(&there) } } }),
            )),
            "member" => {
                let mut body = interface("vnet/v/t", &[]);
                body["properties"]["ipConfigurations"][0]["properties"]["applicationSecurityGroups"] =
                    json!([{ "id": id(&there) }]);
                drop(sim.seed("nic/m", body));
            }
            "machine" => drop(sim.seed("vm/h", machine(&[&there]))),
            _ => {}
        }
        assert!(observe(&sim.arm, &[SUBSCRIPTION.to_owned()]).await.is_ok(), "{seed}");
        sim.front.world().faults.denied.insert(id("hidden:").as_str().to_owned());
        let error = observe(&sim.arm, &[SUBSCRIPTION.to_owned()]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{seed}: {error}");
        assert!(error.message.contains("hidden"), "{seed}: {error}");
    }
}

#[tokio::test]
async fn security_admin_rules_come_with_their_network() {
    let sim = Sim::start(slow()).await;
    let manager = |rest: &str| {
        let group = id("");
        format!("{group}/providers/Microsoft.Network/networkManagers/m{rest}")
    };
    let configuration = manager("/securityAdminConfigurations/c");
    let put = |path: String, body: Value| {
        sim.front.world().perform("PUT", &path, &body).unwrap();
    };
    put(manager(""), at(json!({})));
    put(manager("/networkGroups/g"), json!({}));
    put(manager("/networkGroups/g/staticMembers/v"), json!({ "properties": { "resourceId": id("vnet/v") } }));
    put(configuration.clone(), json!({ "properties": {} }));
    put(
        format!("{configuration}/ruleCollections/k"),
        json!({ "properties": { "appliesToGroups": [{ "networkGroupId": manager("/networkGroups/g") }] } }),
    );
    for (name, access, priority) in [("always", "AlwaysAllow", 5), ("deny", "Deny", 6), ("allow", "Allow", 7)]
    {
        put(
            format!("{configuration}/ruleCollections/k/rules/{name}"),
            json!({ "kind": "Custom", "properties": {
                "direction": "Inbound", "access": access, "priority": priority, "protocol": "Tcp",
                "sources": [{ "addressPrefix": "10.0.0.0/8", "addressPrefixType": "IPPrefix" }],
                "destinationPortRanges": ["22", "23-30"] } }),
        );
    }
    let commit = json!({ "targetLocations": ["westeurope"], "configurationIds": [configuration],
        "commitType": "SecurityAdmin" });
    sim.front.world().perform("POST", &manager("/commit"), &commit).unwrap();
    sim.front.world().settings.limits.page_items = 2;
    let estate = sim.estate().await;
    let rules = &estate.networks[&id("vnet/v")].admin_rules;
    let seen: Vec<(Access, u32)> = rules.iter().map(|one| (one.rule.access, one.rule.priority)).collect();
    assert_eq!(seen, [(Access::AlwaysAllow, 5), (Access::Deny, 6), (Access::Allow, 7)], "over two pages");
    assert_eq!(rules[0].rule.destination_ports, [(22, 30)]);
    assert_eq!(rules[0].rule.source_ports, [(0, u16::MAX)]);
    assert_eq!(estate.networks[&id("vnet/w")].admin_rules, []);
}

#[tokio::test]
async fn interfaces_that_a_service_made_say_so() {
    let sim = Sim::start(slow()).await;
    sim.seed("vmss/ss", json!({ "location": "westeurope", "tags": { "role": "pool" }, "properties": {} }));
    sim.seed("vmss/ss/0", json!({ "properties": {} }));
    sim.seed("vmss/ss/0/nic", interface("vnet/v/t", &[]));
    sim.seed("vmss/flex", at(json!({ "orchestrationMode": "Flexible" })));
    sim.seed("nic/f", interface("vnet/v/t", &[]));
    let mut body = machine(&["nic/f"]);
    body["properties"]["virtualMachineScaleSet"] = json!({ "id": id("vmss/flex") });
    sim.seed("vm/f", body);
    let cluster = "/subscriptions/s/resourcegroups/a/providers/Microsoft.ContainerService/managedClusters/k";
    sim.seed("MC_a:", json!({ "managedBy": cluster }));
    sim.seed("MC_a:nic/node", interface("vnet/v/t", &[]));
    sim.seed("MC_a:nsg/aks", at(json!({})));
    sim.rule("k8s-azure-lb_allow_IPv4_x", "500 in allow Tcp Internet * 80");
    let estate = sim.estate().await;
    let class = |short: &str| match &estate.interfaces[&id(short)].attach {
        Attach::Direct => None,
        Attach::Through { service, .. } => Some(*service),
        Attach::Never { why } => panic!("{short}: {why}"),
    };
    assert_eq!(class("vmss/ss/0/nic"), Some(Service::ScaleSet));
    assert_eq!(class("MC_a:nic/node"), Some(Service::Kubernetes));
    assert_eq!(class("nic/f"), None, "the interfaces of a flexible scale set are resources of their own");
    let of_set = &estate.interfaces[&id("vmss/ss/0/nic")];
    assert_eq!(
        (of_set.scale_set.as_ref(), of_set.machine_tags["role"].as_str()),
        (Some(&id("vmss/ss")), "pool")
    );
    assert_eq!(estate.interfaces[&id("nic/f")].scale_set, Some(id("vmss/flex")));
    let owner = |short: &str| estate.security_groups[&id(short)].owner.as_ref().map(|owner| owner.who);
    assert_eq!((owner("MC_a:nsg/aks"), owner("nsg/n")), (Some(OwnerKind::Kubernetes), None));
    let rule = &estate.security_groups[&id("nsg/n")].rules["k8s-azure-lb_allow_IPv4_x"];
    assert_eq!(rule.owner.as_ref().map(|owner| owner.who), Some(OwnerKind::Kubernetes));
}
