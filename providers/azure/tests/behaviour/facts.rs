//! What a scope says of an estate: facts, lists, memberships.

use std::collections::BTreeSet;

use plan::{AttachClass, Direction, GroupState, Observed, Owner, PathEffect, Peer};
use policy::NetworkId;
use provider::{CloudReader, ErrorKind};
use provider_azure::ids;
use serde_json::json;

use crate::harness::{id, rule_body};
use crate::scene::{Scene, nic, rest};

fn group<'a>(observed: &'a Observed, id: &str) -> &'a GroupState {
    observed.groups.iter().find(|group| group.id.as_str() == id).unwrap_or_else(|| panic!("{id}"))
}

fn texts(rules: &[plan::RuleSpec]) -> BTreeSet<String> {
    rules.iter().map(ToString::to_string).collect()
}

fn names(observed: &Observed, interface: &str) -> Vec<String> {
    let held = observed.interfaces.iter().find(|held| held.id == nic(interface)).unwrap();
    let short = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    held.groups
        .iter()
        .map(|group| {
            let text = group.as_str();
            text.split_once(':').map_or_else(|| short(text), |(word, rest)| format!("{word}:{}", short(rest)))
        })
        .collect()
}

#[tokio::test]
async fn networks_and_interfaces_are_as_the_estate_has_them() {
    let scene = Scene::start().await;
    let observed = scene.observe().await;
    assert_eq!(observed.networks.len(), 2);
    assert_eq!(observed.networks[0].name, "v");
    assert_eq!(observed.networks[0].peerings[0].peer, observed.networks[1].id);
    assert!(!observed.networks[0].peerings[0].identity, "groups are not seen over a peering");
    let held = |name: &str| observed.interfaces.iter().find(|held| held.id == nic(name)).unwrap();
    assert_eq!((held("a").name.as_str(), held("a").attach.clone()), ("vm", AttachClass::Direct));
    assert!(held("a").workload.as_str().ends_with("/virtualmachines/vm"));
    assert_eq!(held("a").tags["team"], "shop", "of the resource group");
    assert_eq!(held("a").tags["owner"], "them", "of the machine and the interface");
    assert_eq!(held("i").addresses.len(), 2);
    let path = |name: &str| {
        held(name).path_filters.iter().map(|id| id.rsplit('/').next().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!([path("a"), path("e"), path("d"), path("o")], [vec!["n"], vec!["n", "m"], vec!["m"], vec![]]);
    let told = scene.sim.front.world().perform("GET", nic("a").as_str(), &json!(null)).unwrap();
    let mac = told["properties"]["macAddress"].as_str().unwrap();
    assert_eq!(held("a").mac, Some(mac.replace('-', "")), "as flow logs write {mac}");
    assert_ne!(held("a").mac, held("e").mac);
}

#[tokio::test]
async fn groups_of_others_are_foreign_and_have_no_rules() {
    let scene = Scene::start().await;
    let observed = scene.observe().await;
    for name in ["web", "db"] {
        let found = group(&observed, id(&format!("asg/{name}")).key());
        assert_eq!((found.owner.clone(), found.network.as_str()), (Owner::Foreign, id("vnet/v").key()));
        assert!(found.ingress.is_empty() && found.egress.is_empty());
    }
    assert_eq!(names(&observed, "o"), Vec::<String>::new(), "nothing is behind no list");
    assert_eq!(names(&observed, "b"), ["rest-in:n", "rest-out:n"]);
}

#[tokio::test]
async fn a_rest_is_what_the_first_match_lets_pass() {
    let scene = Scene::start().await;
    let observed = scene.observe().await;
    let rest_in = group(&observed, rest("n", Direction::Ingress).as_str());
    assert_eq!(rest_in.owner, Owner::Ours);
    let texts_in = texts(&rest_in.ingress);
    for fact in [
        "0.0.0.0/5 tcp/22",
        "10.7.0.0/16 tcp/8080-8090",
        "168.63.129.16/32 all",
        "::/0 udp/53",
        "10.0.0.0/15 all",
    ] {
        assert!(texts_in.contains(fact), "{fact} is not in {texts_in:#?}");
    }
    assert!(!rest_in.ingress.iter().any(|fact| fact.to_string().starts_with("10.9.")), "guarded");
    let guarded: std::net::IpAddr = "10.9.0.4".parse().unwrap();
    let passes = |fact: &plan::RuleSpec| matches!(&fact.peer, Peer::Cidr(block) if block.contains(&guarded));
    assert!(!rest_in.ingress.iter().any(passes), "a deny takes away what comes after it");
    let rest_out = group(&observed, rest("n", Direction::Egress).as_str());
    assert!(texts(&rest_out.egress).contains("storage.westeurope (not read) tcp/443"));
    let public: std::net::IpAddr = "203.0.113.9".parse().unwrap();
    let mail = rest_out.egress.iter().any(|fact| {
        matches!(&fact.peer, Peer::Cidr(block) if block.contains(&public))
            && fact.service.to_set().contains(policy::ServicePoint::port(6, 25))
    });
    assert!(!mail, "mail is denied to these");
}

#[tokio::test]
async fn rules_for_some_split_the_rest() {
    let scene = Scene::start().await;
    let observed = scene.observe().await;
    let rest_of =
        |name: &str| names(&observed, name).into_iter().find(|group| group.starts_with("rest-in")).unwrap();
    assert!(rest_of("c").starts_with("rest-in:n#"), "in `db`");
    assert!(rest_of("a").starts_with("rest-in:n#"), "at 10.0.1.4");
    assert_ne!(rest_of("a"), rest_of("c"));
    let held = observed.interfaces.iter().find(|held| held.id == nic("c")).unwrap();
    let own = held.groups.iter().find(|group| group.as_str().starts_with("rest-in")).unwrap();
    let web = format!("{} tcp/5432", id("asg/web").key());
    assert!(texts(&group(&observed, own.as_str()).ingress).contains(&web), "a group stays a group");
    assert!(!texts(&group(&observed, rest("n", Direction::Ingress).as_str()).ingress).contains(&web));
    // `VirtualNetwork` means something else in each of the two networks behind `x`.
    assert_ne!(rest_of("f"), rest_of("g"));
    assert_eq!(rest_of("g"), rest_of("h"));
}

#[tokio::test]
async fn lists_have_every_rule_in_order_with_its_owner() {
    let scene = Scene::start().await;
    scene.sim.seed("nsg/n/bulkhead-shop-web", rule_body("120 in allow Tcp * * 1"));
    scene.sim.seed("nsg/n/bulkhead-shop-eu-0123456789ab", rule_body("121 in allow Tcp * * 1"));
    scene.sim.seed("nsg/n/bulkhead-shop-0123456789ab", rule_body("122 in allow Tcp * * 1"));
    let observed = scene.observe().await;
    let list = observed.path_filters.iter().find(|list| list.name == "n").unwrap();
    let inbound: Vec<(u32, &str)> = list
        .rules
        .iter()
        .filter(|rule| rule.direction == Direction::Ingress)
        .map(|rule| (rule.priority, rule.name.as_str()))
        .collect();
    let expected = [
        (120, "bulkhead-shop-web"),
        (121, "bulkhead-shop-eu-0123456789ab"),
        (122, "bulkhead-shop-0123456789ab"),
        (150, "guard"),
        (200, "theirs"),
        (300, "postgres"),
        (310, "single"),
        (2000, "middle"),
        (4050, "names"),
        (65000, "AllowVnetInBound"),
        (65001, "AllowAzureLoadBalancerInBound"),
        (65500, "DenyAllInBound"),
    ];
    assert_eq!(inbound, expected);
    let owner = |name: &str| list.rules.iter().find(|rule| rule.name == name).unwrap().owner.clone();
    assert!(matches!(owner("bulkhead-shop-web"), Owner::Suspect(_)), "half a mark");
    assert_eq!(owner("bulkhead-shop-eu-0123456789ab"), Owner::Foreign, "another installation's");
    assert_eq!(owner("bulkhead-shop-0123456789ab"), Owner::Ours);
    assert_eq!(owner("AllowVnetInBound"), Owner::Foreign);
    let damaged = ids::damaged(id("nsg/n").key());
    assert!(
        observed.groups.iter().any(|group| group.id == damaged),
        "ours by name, and nothing that we write"
    );
    let store = list.rules.iter().find(|rule| rule.name == "store").unwrap();
    assert_eq!(store.peers, [Peer::Opaque("storage.westeurope".to_owned())]);
}

/// A manager with an always-allow, a deny and an allow in force in the network `v`.
fn commit_admin_rules(scene: &Scene) {
    let mut world = scene.sim.front.world();
    let base = "/resourceGroups/rg/providers/Microsoft.Network/networkManagers/m";
    let subscription = format!("/subscriptions/{}", crate::harness::SUBSCRIPTION);
    let mut put =
        |path: &str, body: serde_json::Value| world.perform("PUT", &format!("{base}{path}"), &body).unwrap();
    put(
        "",
        json!({ "location": "westeurope", "properties": {
        "networkManagerScopes": { "subscriptions": [subscription] }, "networkManagerScopeAccesses": ["SecurityAdmin"] } }),
    );
    put("/networkGroups/g", json!({ "properties": {} }));
    put("/networkGroups/g/staticMembers/v", json!({ "properties": { "resourceId": id("vnet/v") } }));
    put("/securityAdminConfigurations/c", json!({ "properties": {} }));
    let group = format!("{subscription}{base}/networkGroups/g");
    put(
        "/securityAdminConfigurations/c/ruleCollections/k",
        json!({ "properties": {
        "appliesToGroups": [{ "networkGroupId": group }] } }),
    );
    for (name, access, priority, port) in
        [("always", "AlwaysAllow", 1, "22"), ("never", "Deny", 2, "23"), ("maybe", "Allow", 3, "24")]
    {
        let rule = json!({ "kind": "Custom", "properties": { "direction": "Inbound", "access": access, "priority": priority,
            "protocol": "Tcp", "sources": [{ "addressPrefix": "10.0.0.0/8", "addressPrefixType": "IPPrefix" }],
            "destinations": [], "sourcePortRanges": ["0-65535"], "destinationPortRanges": [port] } });
        put(&format!("/securityAdminConfigurations/c/ruleCollections/k/rules/{name}"), rule);
    }
    let configuration = format!("{subscription}{base}/securityAdminConfigurations/c");
    world
        .perform(
            "POST",
            &format!("{base}/commit"),
            &json!({ "targetLocations": ["westeurope"],
            "commitType": "SecurityAdmin", "configurationIds": [configuration] }),
        )
        .unwrap();
}

#[tokio::test]
async fn security_admin_rules_are_a_list_of_their_own() {
    let scene = Scene::start().await;
    commit_admin_rules(&scene);
    let observed = scene.observe().await;
    let list = observed.path_filters.iter().find(|list| list.id == ids::admin(id("vnet/v").key())).unwrap();
    let effects: Vec<(&str, PathEffect)> =
        list.rules.iter().map(|rule| (rule.name.as_str(), rule.effect)).collect();
    let expected = [
        ("always", PathEffect::Allow),
        ("never", PathEffect::Deny),
        ("maybe", PathEffect::Next),
        ("no rule", PathEffect::Next),
        ("no rule", PathEffect::Next),
    ];
    assert_eq!(effects, expected);
    let held = observed.interfaces.iter().find(|held| held.id == nic("a")).unwrap();
    assert_eq!(held.path_filters, [list.id.clone(), id("nsg/n").key().to_owned()]);
    assert!(names(&observed, "o").is_empty(), "admin rules alone carry nothing");
}

#[tokio::test]
async fn a_scope_is_what_it_names() {
    let mut scene = Scene::start().await;
    scene.scope.networks = vec![NetworkId::from(id("vnet/w").key())];
    let observed = scene.observe().await;
    assert_eq!((observed.networks.len(), observed.interfaces.len(), observed.path_filters.len()), (1, 2, 1));
    scene.scope.region = "northeurope".to_owned();
    let error = scene.reader.observe(&scene.scope).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    scene.scope.account = String::new();
    assert_eq!(scene.reader.observe(&scene.scope).await.unwrap_err().kind, ErrorKind::Rejected);
}
