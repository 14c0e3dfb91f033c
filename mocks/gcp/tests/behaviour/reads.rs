//! Lists: pages, filters, orders, all places at once; stale reads; places.

use mock_gcp::{Headers, Settings};
use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, firewall, instance, link, quick, read};

fn names(list: &Value, field: &str) -> String {
    let items = list[field].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
}

fn with_rules(settings: Settings, count: usize) -> Cloud {
    let mut settings = settings;
    settings.limits.firewalls = 5000;
    let cloud = Cloud::seeded(settings);
    for n in 0..count {
        cloud.firewall(&format!("r{n:04}"), "1000 in allow tcp:1 * *");
    }
    cloud
}

#[test]
fn a_list_comes_in_pages_of_five_hundred_at_most() {
    let cloud = with_rules(quick(), 501);
    let first = cloud.get("fw/");
    assert_eq!(first["items"].as_array().unwrap().len(), 500);
    assert_eq!(
        (&first["kind"], &first["id"]),
        (&json!("compute#firewallList"), &json!(format!("{PROJECT}/global/firewalls")))
    );
    let next = first["nextPageToken"].as_str().unwrap();
    let second = cloud.get(&format!("fw/?pageToken={next}"));
    assert_eq!((names(&second, "items").as_str(), second.get("nextPageToken")), ("r0500", None));
    assert_eq!(cloud.ask("GET", "fw/?maxResults=501", Value::Null), "invalid");
    assert_eq!(cloud.ask("GET", "fw/?maxResults=x", Value::Null), "badRequest");
    assert_eq!(cloud.ask("GET", "fw/?pageToken=zz", Value::Null), "badRequest");
    assert_eq!(names(&cloud.get("fw/?maxResults=2"), "items"), "r0000 r0001");
}

#[test]
fn pages_are_no_snapshot() {
    let cloud = with_rules(quick(), 4);
    let first = cloud.get("fw/?maxResults=2");
    let next = first["nextPageToken"].as_str().unwrap();
    cloud.delete("fw/r0001");
    cloud.delete("fw/r0002");
    cloud.firewall("r0000a", "1000 in allow tcp:1 * *");
    let second = cloud.get(&format!("fw/?maxResults=2&pageToken={next}"));
    assert_eq!((names(&first, "items"), names(&second, "items")), ("r0000 r0001".into(), "r0003".into()));
}

#[test]
fn lists_are_filtered_and_ordered() {
    let cloud = Cloud::quick();
    for (name, short) in [
        ("web", "900 in allow tcp:1 * tag:web"),
        ("db", "1000 in allow tcp:1 * tag:db"),
        ("all", "1000 in deny all * *"),
    ] {
        cloud.firewall(name, short);
        cloud.front.world().advance_ms(1000);
    }
    let list = |query: &str| {
        let query =
            query.replace(' ', "%20").replace('=', "%3D").replace("%3D", "=").replacen("=", "\u{1}", 1);
        names(&cloud.get(&format!("fw/?{}", query.replace('=', "%3D").replace('\u{1}', "="))), "items")
    };
    assert_eq!(list("filter=name=web"), "web");
    assert_eq!(list("filter=priority=1000"), "all db");
    assert_eq!(list("filter=targetTags:*"), "db web");
    assert_eq!(list("filter=name eq d.*"), "db");
    assert_eq!(list("filter=(priority<1000) (name != x)"), "web");
    assert_eq!(list(&format!("filter=network=\"{}\"", link("net/v").as_str().unwrap())), "all db web");
    assert_eq!(list("orderBy=creationTimestamp desc"), "all db web");
    assert_eq!(list("orderBy=name"), "all db web");
    assert_eq!(cloud.ask("GET", "fw/?orderBy=id", Value::Null), "invalid");
    assert_eq!(cloud.ask("GET", "fw/?filter=nonsense", Value::Null), "badRequest");
    let first = cloud.get("fw/?orderBy=creationTimestamp%20desc&maxResults=1");
    let next = first["nextPageToken"].as_str().unwrap();
    let second = cloud.get(&format!("fw/?orderBy=creationTimestamp%20desc&maxResults=1&pageToken={next}"));
    assert_eq!((names(&first, "items"), names(&second, "items")), ("all".into(), "db".into()));
    assert!(cloud.get("pol/").get("items").is_none(), "an empty list has no items");
}

#[test]
fn all_instances_of_a_project_in_pages() {
    let cloud = Cloud::quick();
    cloud.vm("a", "sub/s", &[]);
    cloud.vm("b", "sub/s", &[]);
    let mut body = instance("sub/s", &[]);
    body["name"] = json!("c");
    cloud.perform("POST", &format!("{PROJECT}/zones/europe-west1-c/instances"), body);
    let all = format!("{PROJECT}/aggregated/instances");
    let whole = cloud.get(&all);
    assert_eq!(whole["kind"], "compute#instanceAggregatedList");
    assert_eq!(whole["items"].as_object().unwrap().len(), 9, "every zone is there");
    assert_eq!(names(&whole["items"]["zones/europe-west1-b"], "instances"), "a b");
    assert_eq!(whole["items"]["zones/us-central1-a"]["warning"]["code"], "NO_RESULTS_ON_PAGE");
    let mut found = Vec::new();
    let mut token = String::new();
    for _ in 0..5 {
        let page = cloud.get(&format!("{all}?maxResults=1&pageToken={token}").replace("&pageToken=&", "&"));
        for (_, scope) in page["items"].as_object().unwrap() {
            found.extend(scope["instances"].as_array().into_iter().flatten().map(|vm| vm["name"].clone()));
        }
        let Some(next) = page["nextPageToken"].as_str() else { break };
        token = next.to_owned();
    }
    assert_eq!(found, ["a", "b", "c"]);
    let subnetworks = cloud.get(&format!("{PROJECT}/aggregated/subnetworks"));
    assert_eq!(names(&subnetworks["items"]["regions/europe-west1"], "subnetworks"), "s u");
    cloud.seed("pol/p", json!({}));
    cloud.seed("rpol/r", json!({}));
    let policies = cloud.get(&format!("{PROJECT}/aggregated/firewallPolicies"));
    assert_eq!(names(&policies["items"]["global"], "firewallPolicies"), "p");
    assert_eq!(names(&policies["items"]["regions/europe-west1"], "firewallPolicies"), "r");
}

#[test]
fn zones_and_regions_are_listed() {
    let cloud = Cloud::quick();
    assert_eq!(
        names(&cloud.get(&format!("{PROJECT}/regions")), "items"),
        "asia-east1 europe-west1 us-central1"
    );
    let zones = cloud.get(&format!("{PROJECT}/zones"));
    assert_eq!(zones["items"].as_array().unwrap().len(), 9);
    let zone = cloud.get(&format!("{PROJECT}/zones/europe-west1-b"));
    assert!(zone["region"].as_str().unwrap().ends_with("/regions/europe-west1"));
    assert_eq!(cloud.ask("GET", &format!("{PROJECT}/zones/moon-a"), Value::Null), "notFound");
}

#[test]
fn links_lead_to_the_address_that_was_asked_and_all_forms_are_understood() {
    let cloud = Cloud::quick();
    let headers = Headers { endpoint: "http://127.0.0.1:1", ..Headers::default() };
    let base = "http://127.0.0.1:1/compute/v1/projects/demo-project";
    let rule = json!({ "name": "x", "network": format!("{base}/global/networks/v"),
        "allowed": [{ "IPProtocol": "tcp" }] });
    let at = "/compute/v1/projects/demo-project/global/firewalls";
    let made = read(&cloud.front.handle("POST", at, headers, rule.to_string().as_bytes()));
    assert_eq!(made["targetLink"], json!(format!("{base}/global/firewalls/x")));
    let held = read(&cloud.front.handle("GET", &format!("{at}/x"), headers, b""));
    assert_eq!(held["network"], json!(format!("{base}/global/networks/v")));
    assert_eq!(cloud.get("fw/x")["network"], link("net/v"));
    assert_eq!(cloud.get("projects/415104041262/global/firewalls/x")["name"], "x", "by the project's number");
    let id = cloud.get("fw/x")["id"].as_str().unwrap().to_owned();
    assert_eq!(cloud.get(&format!("fw/{id}"))["name"], "x", "by its own number");
    let named = cloud.get("compute.googleapis.com/compute/v1/projects/demo-project/global/firewalls/x");
    assert_eq!(named["name"], "x", "by a host in the path");
}

#[test]
fn reads_may_be_stale_and_writes_are_not() {
    let cloud = with_rules(quick(), 1);
    cloud.front.world().faults.stale_ms = 5000;
    assert_eq!(cloud.insert("fw/new", firewall("1 in allow tcp * *")), "ok");
    let seen: Vec<bool> = (0..40).map(|_| cloud.call("GET", "fw/new", Value::Null).status == 200).collect();
    assert!(seen.contains(&true) && seen.contains(&false));
    assert_eq!(cloud.insert("fw/new", firewall("1 in allow tcp * *")), "alreadyExists");
    cloud.front.world().advance_ms(5000);
    assert!((0..40).all(|_| cloud.call("GET", "fw/new", Value::Null).status == 200));
}
