//! Lists, pages, stale reads.

use std::collections::BTreeSet;

use mock_azure::{Limits, Settings};
use serde_json::{Value, json};

use crate::harness::{Cloud, SIGNED, SUBSCRIPTION, at, outcome, path, quick};

fn names(list: &Value) -> Vec<String> {
    list["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_are_for_a_resource_group_or_for_the_subscription() {
    let cloud = Cloud::quick();
    cloud.seed(&format!("{SUBSCRIPTION}/resourceGroups/other"), at(json!({})));
    cloud.seed(&path("asg/there").replace("/rg/", "/other/"), at(json!({})));
    assert_eq!(names(&cloud.get("asg")), ["db", "far", "web"]);
    let all = cloud.get(&format!("{SUBSCRIPTION}/providers/Microsoft.Network/applicationSecurityGroups"));
    assert_eq!(names(&all), ["there", "db", "far", "web"]);
    assert_eq!(names(&cloud.get(&format!("{SUBSCRIPTION}/resourceGroups"))), ["other", "rg"]);
    assert_eq!(names(&cloud.get("vnet/v/")), ["s", "t"]);
    let missing = path("asg").replace("/rg/", "/none/");
    assert_eq!(outcome(&cloud.call("GET", &missing, Value::Null)), "ResourceGroupNotFound");
    assert_eq!(outcome(&cloud.call("GET", "nsg/none/", Value::Null)), "ResourceNotFound");
}

#[test]
fn pages_follow_one_another_and_miss_nothing() {
    let cloud = Cloud::seeded(Settings { limits: Limits { page_items: 2, ..Limits::default() }, ..quick() });
    for n in 0..5 {
        cloud.seed(&format!("nsg/x{n}"), at(json!({})));
    }
    let (mut seen, mut pages) = (Vec::new(), 0);
    let mut next = Some(format!("{}?api-version=2024-03-01", path("nsg")));
    while let Some(link) = next {
        let answer =
            cloud.front.handle("GET", link.trim_start_matches("https://management.azure.com"), SIGNED, b"");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page: Value = serde_json::from_str(&answer.body).unwrap();
        seen.extend(names(&page));
        pages += 1;
        next = page["nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!((pages, seen.join(" ").as_str()), (3, "n x0 x1 x2 x3 x4"));
}

#[test]
fn a_resource_shows_its_type_and_its_guid() {
    let cloud = Cloud::quick();
    cloud.interface("i", "vnet/v/s", &["web"]);
    for (short, kind) in [
        ("nsg/n", "Microsoft.Network/networkSecurityGroups"),
        ("vnet/v", "Microsoft.Network/virtualNetworks"),
        ("vnet/v/s", "Microsoft.Network/virtualNetworks/subnets"),
        ("asg/web", "Microsoft.Network/applicationSecurityGroups"),
        ("nic/i", "Microsoft.Network/networkInterfaces"),
    ] {
        let read = cloud.get(short);
        assert_eq!((&read["type"], &read["id"]), (&json!(kind), &json!(path(short))));
        assert_eq!(read["properties"]["provisioningState"], "Succeeded");
        assert_eq!(
            read["properties"]["resourceGuid"].is_string(),
            short.matches('/').count() == 1,
            "{short}"
        );
    }
    let inner = &cloud.get("nic/i")["properties"]["ipConfigurations"][0];
    assert_eq!(inner["id"], json!(format!("{}/ipConfigurations/c", path("nic/i"))));
}

#[test]
fn a_read_after_a_write_may_be_stale_but_not_for_ever() {
    let cloud = Cloud::quick();
    cloud.front.world().faults.stale_ms = 1000;
    assert_eq!(cloud.put("nsg/new", at(json!({}))), "ok");
    let read = || cloud.call("GET", "nsg/new", Value::Null).status;
    let seen: BTreeSet<u16> = (0..50).map(|_| read()).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 404]);
    cloud.front.world().advance_ms(1001);
    assert!((0..50).all(|_| read() == 200));
}

#[test]
fn a_resource_group_goes_with_everything_in_it() {
    let cloud = Cloud::quick();
    cloud.interface("i", "vnet/v/s", &[]);
    let packet = cloud.packet("192.0.2.1 tcp/1 i");
    assert_eq!(cloud.delete("rg"), "ok");
    assert_eq!(outcome(&cloud.call("GET", "nsg/n", Value::Null)), "ResourceGroupNotFound");
    assert!(!cloud.front.world().allows_by_api(&packet));
}

#[test]
fn load_balancers_are_kept_as_they_are() {
    let cloud = Cloud::quick();
    let body = at(json!({ "probes": [{ "name": "p", "properties": { "protocol": "Tcp", "port": 80 } }] }));
    assert_eq!(cloud.put("lb/l", body), "ok");
    assert_eq!(cloud.get("lb/l")["properties"]["probes"][0]["properties"]["port"], 80);
}

#[test]
fn quotas_and_service_tags_of_a_location_are_listed() {
    let cloud = Cloud::quick();
    let at = format!("{SUBSCRIPTION}/providers/Microsoft.Network/locations/westeurope");
    let usages = cloud.get(&format!("{at}/usages"));
    let line = |one: &Value| {
        format!("{} {} of {}", one["name"]["value"].as_str().unwrap(), one["currentValue"], one["limit"])
    };
    let lines: Vec<String> = usages["value"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(lines, ["NetworkSecurityGroups 1 of 5000", "ApplicationSecurityGroups 3 of 3000"]);
    let block = "203.0.113.0/24".parse().unwrap();
    cloud.front.world().service_tags.insert("Storage.WestEurope".to_owned(), vec![block]);
    let tags = cloud.get(&format!("{at}/serviceTags"));
    assert_eq!(tags["values"][0]["properties"]["addressPrefixes"], json!(["203.0.113.0/24"]));
    assert_eq!(tags["values"][0]["properties"]["systemService"], "Storage");
}

#[test]
fn a_head_only_says_whether_something_is_there() {
    let cloud = Cloud::quick();
    let [there, missing] = ["rg", "nsg/none"].map(|short| cloud.call("HEAD", short, Value::Null));
    assert_eq!([there.status, missing.status], [204, 404]);
    assert_eq!([there.body, missing.body], ["", ""]);
}

#[test]
fn a_tenant_has_several_subscriptions_below_management_groups() {
    let other = "99999999-2222-4333-8444-555555555555";
    let cloud = Cloud::new(Settings {
        more_subscriptions: vec![other.to_owned()],
        management_groups: [("root".to_owned(), vec![other.to_owned()])].into(),
        ..quick()
    });
    for subscription in [SUBSCRIPTION.to_owned(), format!("/subscriptions/{other}")] {
        cloud.seed(&format!("{subscription}/resourceGroups/rg"), at(json!({})));
        let groups = cloud.get(&format!("{subscription}/resourceGroups"));
        assert_eq!(groups["value"].as_array().unwrap().len(), 1, "{subscription}");
        assert_eq!(groups["value"][0]["id"], format!("{subscription}/resourceGroups/rg"));
    }
    let names = |path: &str, field: &str| -> Vec<String> {
        let list = cloud.get(path);
        let items = list["value"].as_array().unwrap().iter();
        items.map(|one| one[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/subscriptions", "subscriptionId"), ["11111111-2222-4333-8444-555555555555", other]);
    assert_eq!(names("/providers/Microsoft.Management/managementGroups", "name"), ["root"]);
    let below = "/providers/Microsoft.Management/managementGroups/root/descendants";
    assert_eq!(names(below, "name"), [other]);
}
