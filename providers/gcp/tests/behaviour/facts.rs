//! What a scope looks like: networks, interfaces, groups, lists.

use mock_gcp::Settings;
use plan::{AttachClass, Direction, GroupId, InterfaceState, Observed, Owner};
use policy::NetworkId;
use provider::{CloudReader, ErrorKind};
use provider_gcp::ids;
use serde_json::{Value, json};

use crate::driver::{Driver, interface, network, rest, shown};
use crate::harness::{NUMBER, PROJECT, instance, link, path, slow};

fn found<'a>(observed: &'a Observed, vm: &str) -> &'a InterfaceState {
    observed.interfaces.iter().find(|one| one.id == interface(vm)).unwrap()
}

fn ingress(observed: &Observed, id: &GroupId) -> Vec<String> {
    shown(&observed.groups.iter().find(|group| group.id == *id).unwrap().ingress)
}

/// An organisation's policy that lets packets from the bastion pass and leaves the rest.
fn govern(driver: &Driver) -> String {
    let organization = "organizations/123456789012";
    let at = format!("locations/global/firewallPolicies?parentId={organization}");
    let rules = json!([
        { "priority": 1, "action": "allow", "direction": "INGRESS",
          "match": { "srcIpRanges": ["203.0.113.7/32"], "layer4Configs": [{ "ipProtocol": "tcp", "ports": ["22"] }] } },
        { "priority": 2, "action": "deny", "direction": "INGRESS", "targetResources": [link("net/w")],
          "match": { "srcIpRanges": ["0.0.0.0/0"], "layer4Configs": [{ "ipProtocol": "all" }] } }]);
    let made = driver.sim.perform("POST", &at, json!({ "shortName": "above", "rules": rules }));
    let name = made["name"].as_str().unwrap().to_owned();
    let at = format!("locations/global/firewallPolicies/{name}/addAssociation");
    driver.sim.perform("POST", &at, json!({ "name": "org", "attachmentTarget": organization }));
    name
}

fn associate(driver: &Driver, policy: &str, net: &str) {
    let at = format!("{}/addAssociation", path(policy));
    driver.sim.perform("POST", &at, json!({ "name": net, "attachmentTarget": link(&format!("net/{net}")) }));
}

#[tokio::test]
async fn lists_come_in_the_order_of_judgement() {
    let driver = Driver::start(slow()).await;
    let above = govern(&driver);
    driver.sim.seed("pol/theirs", json!({}));
    associate(&driver, "pol/theirs", "v");
    driver.sim.seed("rpol/near", json!({}));
    associate(&driver, "rpol/near", "v");
    let (v, w) = (network("v"), network("w"));
    let expected = [
        ids::inherited(&v, &above),
        ids::classic(&v, true),
        path("pol/theirs").to_string(),
        path("rpol/near").to_string(),
        ids::implied(&v),
    ];
    let observed = driver.look().await;
    assert_eq!(found(&observed, "a").path_filters, expected);
    let order = json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" });
    driver.sim.perform("PATCH", path("net/v").as_str(), order);
    let observed = driver.look().await;
    let [first, _, global, regional, last] = expected;
    assert_eq!(found(&observed, "a").path_filters, [first, global, regional, ids::classic(&v, false), last]);
    let foreign = observed.path_filters.iter().filter(|list| list.owner != Owner::Foreign);
    assert_eq!(foreign.count(), 0, "nothing of ours is there");
    let list = |id: &str| observed.path_filters.iter().find(|list| list.id == id).unwrap();
    assert_eq!(list(&ids::inherited(&v, &above)).rules.len(), 3, "one, and what it leaves to the next");
    assert_eq!(list(&ids::inherited(&w, &above)).rules.len(), 4, "the second rule is for `w` only");
    assert_eq!(ingress(&observed, &ids::rest(&w, Direction::Ingress, &[])), ["203.0.113.7/32 tcp/22"]);
    driver.sim.assert_no_complaints();
}

#[tokio::test]
async fn networks_and_interfaces_are_as_rules_know_them() {
    let driver = Driver::start(slow()).await;
    driver.sim.seed("tpl/t", json!({ "properties": instance("sub/u", &[]) }));
    let group = json!({ "instanceTemplate": link("tpl/t"), "targetSize": 1, "baseInstanceName": "g" });
    driver.sim.seed("mig/g", group);
    let mut node = instance("sub/u", &[]);
    node["labels"] = json!({ "goog-gke-node": "" });
    driver.sim.seed("vm/node", node);
    let observed = driver.look().await;
    let (v, w) = (&observed.networks[0], &observed.networks[1]);
    assert_eq!((v.id.clone(), v.name.as_str(), v.cidrs.len()), (network("v"), "v", 3));
    assert_eq!((v.peerings[0].peer.clone(), v.peerings[0].identity), (w.id.clone(), true));
    let a = found(&observed, "a");
    assert_eq!((a.name.as_str(), a.tags["role"].as_str()), ("a/nic0", "web"));
    assert_eq!(a.workload.as_str(), path("vm/a").as_str());
    assert_eq!(a.addresses.len(), 2, "both families, and no alias: {:?}", a.addresses);
    assert!(a.addresses[0].is_ipv4() && a.addresses[1].is_ipv6());
    let through: Vec<&str> = observed
        .interfaces
        .iter()
        .filter_map(|one| match &one.attach {
            AttachClass::ThroughService(service) => Some(service.as_str()),
            _ => None,
        })
        .collect();
    assert!(through.iter().any(|word| word.starts_with("its managed instance group")), "{through:?}");
    assert!(through.contains(&"its Kubernetes cluster (label `goog-gke-node`)"), "{through:?}");
    assert_eq!((through.len(), &a.attach), (2, &AttachClass::Direct));
    driver.sim.assert_no_complaints();
}

#[tokio::test]
async fn a_shared_network_holds_the_interfaces_of_its_service_projects() {
    let driver = Driver::start(slow()).await;
    let project = json!({ "projectId": "service-one", "parent": "organizations/123456789012",
        "labels": { "team": "one" } });
    driver.sim.perform("POST", "v3/projects", project);
    driver.sim.perform("POST", &format!("projects/{PROJECT}/enableXpnHost"), Value::Null);
    let service = json!({ "xpnResource": { "id": "service-one", "type": "PROJECT" } });
    driver.sim.perform("POST", &format!("projects/{PROJECT}/enableXpnResource"), service);
    let mut vm = instance("sub/s", &[]);
    vm["name"] = json!("far");
    driver.sim.perform("POST", "projects/service-one/zones/europe-west1-b/instances", vm);
    let observed = driver.look().await;
    let far = observed.interfaces.iter().find(|one| one.name == "far").unwrap();
    assert_eq!(far.id.as_str(), "projects/service-one/zones/europe-west1-b/instances/far#nic0");
    assert_eq!((far.network.clone(), far.tags["team"].as_str()), (network("v"), "one"));
    assert_eq!(far.groups, [rest(Direction::Ingress), rest(Direction::Egress)]);
}

#[tokio::test]
async fn the_rules_of_the_default_network_are_its_rest() {
    let driver = Driver::start(Settings { default_network: true, ..slow() }).await;
    let mut vm = instance("sub/s", &[]);
    vm["networkInterfaces"] = json!([{ "network": "global/networks/default" }]);
    driver.sim.seed("vm/d", vm);
    let observed = driver.look().await;
    let default = NetworkId::from(path("net/default").as_str());
    let expected = [
        "0.0.0.0/0 icmp",
        "0.0.0.0/0 tcp/22",
        "0.0.0.0/0 tcp/3389",
        "10.128.0.0/9 icmp",
        "10.128.0.0/9 tcp",
        "10.128.0.0/9 udp",
    ];
    let mut facts = ingress(&observed, &ids::rest(&default, Direction::Ingress, &[]));
    facts.sort();
    assert_eq!(facts, expected);
    let out = observed.groups.iter().find(|group| group.id == ids::rest(&default, Direction::Egress, &[]));
    assert_eq!(out.unwrap().egress, plan::state::allow_everything());
    assert!(found(&observed, "d").groups.contains(&ids::rest(&default, Direction::Ingress, &[])));
}

#[tokio::test]
async fn rules_for_some_make_places_and_rests_of_their_own() {
    let driver = Driver::start(slow()).await;
    let tcp = |port: &str| json!([{ "IPProtocol": "tcp", "ports": [port] }]);
    let v = link("net/v");
    let by_tag = json!({ "network": v, "sourceTags": ["web"], "targetTags": ["web"], "allowed": tcp("80") });
    driver.sim.seed("fw/by-tag", by_tag);
    let account = "web@demo-project.iam.gserviceaccount.com";
    let by_account = json!({ "network": v, "sourceServiceAccounts": [account], "targetServiceAccounts": [account],
            "denied": tcp("81"), "priority": 5 });
    driver.sim.seed("fw/by-account", by_account);
    let off = json!({ "network": v, "sourceRanges": ["0.0.0.0/0"], "allowed": tcp("82"), "disabled": true });
    driver.sim.seed("fw/off", off);
    let observed = driver.look().await;
    let (a, b) = (found(&observed, "a"), found(&observed, "b"));
    let places = |one: &InterfaceState| -> Vec<String> {
        let all = one.groups.iter().filter(|id| ids::kind_of(id) == ids::GroupKind::Places);
        all.map(|id| id.as_str().rsplit('/').next().unwrap().to_owned()).collect()
    };
    assert_eq!(places(a), ["by-account@5:ingress", "by-tag@1000:ingress"]);
    assert_eq!(places(b), [""; 0]);
    let tag = ids::network_tag(&network("v"), "web");
    assert!(a.groups.contains(&tag) && a.groups.contains(&ids::account(&network("v"), account)));
    let foreign = observed.groups.iter().find(|group| group.id == tag).unwrap();
    assert_eq!((&foreign.owner, foreign.name.as_str()), (&Owner::Foreign, "web"));
    let own = a.groups.iter().find(|id| id.as_str().starts_with("rest-in:")).unwrap();
    assert_ne!(*own, rest(Direction::Ingress), "it has rules of its own");
    assert_eq!(ingress(&observed, own), [format!("{tag} tcp/80"), "192.0.2.0/24 tcp/22".to_owned()]);
    assert_eq!(ingress(&observed, &rest(Direction::Ingress)), ["192.0.2.0/24 tcp/22"]);
    let off = observed.path_filters.iter().flat_map(|list| &list.rules).find(|rule| rule.name == "off");
    assert!(off.unwrap().services.is_empty(), "it is switched off");
}

#[tokio::test]
async fn foreign_tags_are_groups_and_tags_of_others_are_not_ours() {
    let driver = Driver::start(slow()).await;
    let value = driver.sim.tag("web");
    driver.sim.perform(
        "POST",
        "v3/tagBindings",
        json!({ "parent": driver.sim.full_name("a").as_str(),
        "tagValue": value }),
    );
    let name = crate::driver::class_name("x");
    let key = json!({ "parent": format!("projects/{NUMBER}"), "shortName": name, "purpose": "GCE_FIREWALL",
        "description": "bulkhead installation=other role=class",
        "purposeData": { "network": format!("{PROJECT}/v") } });
    let key = driver.sim.perform("POST", "v3/tagKeys", key);
    let half = json!({ "parent": key["name"], "shortName": name, "description": "" });
    driver.sim.perform("POST", "v3/tagValues", half);
    let observed = driver.look().await;
    let group = observed.groups.iter().find(|group| group.id.as_str() == value).unwrap();
    assert_eq!((&group.owner, group.name.as_str()), (&Owner::Foreign, "k-web/web"));
    assert!(found(&observed, "a").groups.contains(&group.id));
    let half = observed.groups.iter().find(|group| group.name.starts_with("bulkhead-")).unwrap();
    assert!(matches!(half.owner, Owner::Suspect(_)), "{half:?}");
}

#[tokio::test]
async fn a_network_that_is_not_there_is_an_error() {
    let mut driver = Driver::start(slow()).await;
    driver.scope.networks = vec![NetworkId::from(path("net/gone").as_str())];
    let error = driver.reader.observe(&driver.scope).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("net") && !error.hint.is_empty());
    driver.scope.networks = vec![network("w")];
    let observed = driver.look().await;
    assert_eq!((observed.networks.len(), observed.interfaces.len()), (1, 1), "the second one of `a`");
}
