//! One complete read: everything that is there, as it is meant.

use mock_gcp::{Limits, Settings};
use provider_gcp::inventory::estate::{Attach, Maker, Order};
use provider_gcp::inventory::projects_below;
use provider_gcp::{Reach, observe};
use serde_json::{Value, json};

use crate::harness::{NUMBER, PROJECT, Sim, instance, link, path, slow};

#[tokio::test]
async fn instances_have_all_their_interfaces_and_addresses() {
    let sim = Sim::start(slow()).await;
    let estate = sim.estate().await;
    let a = &estate.instances[&path("vm/a")];
    assert_eq!(a.full_name, sim.full_name("a"));
    assert_eq!(
        (a.tags.iter().cloned().collect::<Vec<_>>(), a.labels["role"].as_str()),
        (vec!["web".to_owned()], "web")
    );
    assert_eq!(a.account.as_deref(), Some("web@demo-project.iam.gserviceaccount.com"));
    assert_eq!((a.attach.clone(), a.interfaces.len(), a.secure_tags.len()), (Attach::Direct, 2, 0));
    let shown = sim.show("vm/a");
    assert_eq!(json!(a.tags_fingerprint), shown["tags"]["fingerprint"]);
    let (first, second) = (&a.interfaces[0], &a.interfaces[1]);
    assert_eq!((&first.network, &first.subnetwork), (&path("net/v"), &path("sub/s")));
    assert_eq!(first.primary.unwrap().to_string(), shown["networkInterfaces"][0]["networkIP"]);
    let six = shown["networkInterfaces"][0]["ipv6Address"].as_str().unwrap();
    assert_eq!(first.ipv6.unwrap().addr().to_string(), six);
    assert_eq!(first.aliases, ["10.9.1.0/24".parse().unwrap()]);
    let outer = shown["networkInterfaces"][0]["accessConfigs"][0]["natIP"].as_str().unwrap();
    assert_eq!(first.external, [format!("{outer}/32").parse().unwrap()]);
    assert_eq!((second.name.as_str(), &second.network, second.ipv6), ("nic1", &path("net/w"), None));
    sim.assert_no_complaints();
}

#[tokio::test]
async fn networks_tell_their_order_peerings_and_what_is_above_them() {
    let sim = Sim::start(slow()).await;
    sim.perform(
        "PATCH",
        path("net/w").as_str(),
        json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" }),
    );
    let organization = "organizations/123456789012";
    let at = format!("locations/global/firewallPolicies?parentId={organization}");
    let policy = sim.perform(
        "POST",
        &at,
        json!({ "shortName": "above", "rules": [
        { "priority": 5, "action": "deny", "direction": "INGRESS",
          "match": { "srcIpRanges": ["198.51.100.0/24"], "layer4Configs": [{ "ipProtocol": "all" }] } }] }),
    );
    let at = format!("locations/global/firewallPolicies/{}/addAssociation", policy["name"].as_str().unwrap());
    sim.perform("POST", &at, json!({ "name": "org", "attachmentTarget": organization }));
    let estate = sim.estate().await;
    let (v, w) = (&estate.networks[&path("net/v")], &estate.networks[&path("net/w")]);
    assert_eq!((v.order, w.order, v.is_automatic), (Order::ClassicFirst, Order::PolicyFirst, false));
    let peering = &v.peerings[0];
    assert_eq!((&peering.remote, peering.is_active), (&path("net/w"), true));
    let above: Vec<_> = v.hierarchical().collect();
    assert_eq!((above.len(), above[0].rules[0].action.as_str()), (1, "deny"));
    assert_eq!(estate.projects[PROJECT].above, [organization]);
    let six = estate.subnetworks[&path("sub/s")].blocks.iter().filter(|block| block.addr().is_ipv6());
    assert_eq!((six.count(), estate.subnetworks[&path("sub/s")].blocks.len()), (1, 3));
    assert_eq!(estate.firewalls[&path("fw/ssh")].network, path("net/v"));
    sim.assert_no_complaints();
}

#[tokio::test]
async fn every_page_is_read() {
    let limits = Limits { page_items: 2, manager_page_items: 1, ..Limits::default() };
    let sim = Sim::start(Settings { limits, ..slow() }).await;
    for n in 0..5 {
        sim.seed(&format!("vm/x{n}"), instance("sub/u", &[]));
        let rule = json!({ "network": link("net/v"), "sourceRanges": ["10.0.0.0/8"], "allowed": [{ "IPProtocol": "tcp" }] });
        sim.seed(&format!("fw/x{n}"), rule);
        sim.seed(&format!("pol/x{n}"), json!({}));
        sim.tag(&format!("t{n}"));
    }
    let estate = sim.estate().await;
    assert_eq!((estate.instances.len(), estate.firewalls.len(), estate.policies.len()), (7, 6, 5));
    assert_eq!((estate.tag_keys.len(), estate.tag_values.len()), (5, 5));
    assert!(estate.policies[&path("pol/x0")].rules.as_ref().unwrap().iter().all(|rule| rule.is_predefined()));
    sim.assert_no_complaints();
}

#[tokio::test]
async fn tag_values_are_found_on_their_instances() {
    let sim = Sim::start(slow()).await;
    sim.estate().await;
    assert_eq!(sim.outcomes("cloudresourcemanager.tagBindings.list").len(), 0, "nobody could need them");
    let value = sim.tag("web");
    let body = json!({ "parent": sim.full_name("a").as_str(), "tagValue": value });
    sim.perform("POST", "v3/tagBindings", body);
    let estate = sim.estate().await;
    assert_eq!(estate.instances[&path("vm/a")].secure_tags, [value.clone()].into());
    assert!(estate.instances[&path("vm/b")].secure_tags.is_empty());
    let key = &estate.tag_keys[&estate.tag_values[&value].parent];
    assert_eq!((key.network.as_ref(), key.key.short_name.as_str()), (Some(&path("net/v")), "k-web"));
    sim.assert_no_complaints();
}

#[tokio::test]
async fn instances_of_groups_say_who_makes_them() {
    let sim = Sim::start(slow()).await;
    let template = json!({ "properties": instance("sub/u", &["web"]) });
    sim.seed("tpl/t", template);
    sim.seed("mig/g", json!({ "instanceTemplate": link("tpl/t"), "targetSize": 2, "baseInstanceName": "g" }));
    let mut node = instance("sub/u", &[]);
    node["labels"] = json!({ "goog-gke-node": "" });
    sim.seed("vm/node", node);
    let estate = sim.estate().await;
    let makers = estate.instances.values().filter_map(|one| match &one.attach {
        Attach::Through { maker, .. } => Some(*maker),
        Attach::Direct => None,
    });
    let mut makers: Vec<Maker> = makers.collect();
    makers.sort();
    assert_eq!(makers, [Maker::InstanceGroup, Maker::InstanceGroup, Maker::Kubernetes]);
}

#[tokio::test]
async fn load_balancers_are_read() {
    let sim = Sim::start(slow()).await;
    let own = format!("projects/{PROJECT}");
    let check = json!({ "name": "hc", "type": "HTTP", "httpHealthCheck": { "port": 8080 } });
    sim.perform("POST", &format!("{own}/global/healthChecks"), check);
    let service = json!({ "name": "bs", "loadBalancingScheme": "INTERNAL", "network": link("net/v"),
        "healthChecks": [format!("{own}/global/healthChecks/hc")] });
    sim.perform("POST", &format!("{own}/regions/europe-west1/backendServices"), service);
    let rule = json!({ "name": "fr", "IPAddress": "10.0.1.9", "loadBalancingScheme": "INTERNAL",
        "backendService": format!("{own}/regions/europe-west1/backendServices/bs") });
    sim.perform("POST", &format!("{own}/regions/europe-west1/forwardingRules"), rule);
    let estate = sim.estate().await;
    let rule = estate.forwarding_rules.values().next().unwrap();
    let service = &estate.backend_services[&rule.backend_service];
    assert_eq!((rule.address.as_deref(), service.network.clone()), (Some("10.0.1.9"), path("net/v")));
    assert_eq!(estate.health_checks[&service.health_checks[0]].port(), Some(8080));
}

#[tokio::test]
async fn a_shared_network_brings_host_and_services() {
    let sim = Sim::start(slow()).await;
    for id in ["service-one", "service-two"] {
        let body =
            json!({ "projectId": id, "parent": "organizations/123456789012", "labels": { "team": id } });
        sim.perform("POST", "v3/projects", body);
    }
    sim.perform("POST", &format!("projects/{PROJECT}/enableXpnHost"), Value::Null);
    for id in ["service-one", "service-two"] {
        let body = json!({ "xpnResource": { "id": id, "type": "PROJECT" } });
        sim.perform("POST", &format!("projects/{PROJECT}/enableXpnResource"), body);
    }
    let mut vm = instance("sub/s", &[]);
    vm["name"] = json!("far");
    let at = "projects/service-one/zones/europe-west1-b/instances";
    sim.perform("POST", at, vm);

    let whole = sim.estate().await;
    assert_eq!(whole.projects.keys().collect::<Vec<_>>(), [PROJECT, "service-one", "service-two"]);
    let host = &whole.projects[PROJECT];
    assert_eq!((host.is_host, host.services.len(), host.number.as_str()), (true, 2, NUMBER));
    assert_eq!(host.quotas["FIREWALLS"].limit, 100);
    let far = whole.instances.keys().find(|path| path.name() == "far").unwrap();
    assert_eq!(whole.instances[far].interfaces[0].network, path("net/v"));

    let one = Reach { projects: vec!["service-one".to_owned()], with_service_projects: false };
    let estate = observe(&sim.api, &one).await.unwrap();
    assert_eq!(
        estate.projects.keys().collect::<Vec<_>>(),
        [PROJECT, "service-one"],
        "the host is always read"
    );
    assert_eq!(estate.projects["service-one"].host.as_deref(), Some(PROJECT));
    assert_eq!(estate.projects["service-one"].labels["team"], "service-one");
    sim.assert_no_complaints();
}

#[tokio::test]
async fn projects_are_found_below_folders() {
    let sim = Sim::start(slow()).await;
    let root = "organizations/123456789012";
    let folder = sim.perform("POST", "v3/folders", json!({ "parent": root, "displayName": "f" }));
    let below = json!({ "projectId": "far-below", "parent": folder["name"] });
    sim.perform("POST", "v3/projects", below);
    let found = projects_below(&sim.api, root).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|project| project.project_id.as_str()).collect();
    assert_eq!(ids, [PROJECT, "far-below"]);
    assert!(projects_below(&sim.api, "folders/1/x").await.is_err());
    let mine = Reach::of(&["far-below".to_owned()]);
    let estate = observe(&sim.api, &mine).await.unwrap();
    let above: Vec<&str> = estate.projects["far-below"].above.iter().map(String::as_str).collect();
    assert_eq!(above, [folder["name"].as_str().unwrap(), root]);
}
