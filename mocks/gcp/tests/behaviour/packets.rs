//! What passes once everything has settled.

use serde_json::json;

use crate::harness::{Cloud, PROJECT, instance, link, quick, rule};

/// `a` and `b` (tags `web`, `db`) and `c` (none) in `v`, `far` (tag `web`) in `w`; a policy `p` on `v`.
fn estate() -> Cloud {
    let cloud = Cloud::seeded(quick());
    for (name, at, tags) in [
        ("a", "sub/s", vec!["web"]),
        ("b", "sub/s", vec!["db"]),
        ("c", "sub/s", vec![]),
        ("far", "sub/u", vec!["web"]),
    ] {
        cloud.vm(name, at, &tags);
    }
    cloud.seed("pol/p", json!({}));
    cloud.attach("pol/p", "v");
    cloud
}

fn classic(rules: &[&str]) -> Cloud {
    let cloud = estate();
    for (n, short) in rules.iter().enumerate() {
        cloud.firewall(&format!("r{n}"), short);
    }
    cloud
}

fn add(cloud: &Cloud, policy: &str, short: &str) {
    cloud.act(policy, "addRule", rule(short));
}

fn policies_first(cloud: &Cloud) {
    let order = json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" });
    cloud.perform("PATCH", "net/v", order);
}

#[test]
fn the_implied_rules_let_everything_out_and_nothing_in() {
    classic(&[]).check_packets(
        "a tcp/443 192.0.2.1 pass
         a tcp/443 2001:db8::1 pass
         192.0.2.1 tcp/443 a cut
         a tcp/1 b cut
         a icmp/8 b cut",
    );
}

#[test]
fn the_default_network_is_open_inside_and_for_ssh_rdp_and_icmp() {
    let cloud = Cloud::new(mock_gcp::Settings { default_network: true, ..quick() });
    let on_default = json!({ "networkInterfaces": [{ "network": "global/networks/default" }] });
    cloud.seed("vm/a", on_default.clone());
    cloud.seed("vm/b", on_default);
    cloud.check_packets(
        "a tcp/9999 b pass
         a udp/53 b pass
         192.0.2.1 tcp/22 a pass
         192.0.2.1 tcp/3389 a pass
         192.0.2.1 icmp/8 a pass
         192.0.2.1 tcp/443 a cut
         a 50/0 b cut",
    );
}

#[test]
fn the_lowest_priority_decides_and_at_the_same_one_deny_wins() {
    classic(&["1000 in deny tcp 0.0.0.0/0 *", "900 in allow tcp:443 0.0.0.0/0 *"])
        .check_packets("a tcp/443 b pass\na tcp/80 b cut");
    classic(&["1000 in allow tcp 0.0.0.0/0 *", "1000 in deny tcp:443 0.0.0.0/0 *"])
        .check_packets("a tcp/443 b cut\na tcp/80 b pass");
    classic(&["1000 in deny tcp:443 0.0.0.0/0 *", "999 in allow all 0.0.0.0/0 *", "65535 out deny all * *"])
        .check_packets("192.0.2.1 tcp/443 b pass\na tcp/443 b cut\na tcp/1 192.0.2.1 cut");
}

#[test]
fn a_rule_without_source_is_for_every_ipv4_address() {
    let cloud = classic(&["1000 in allow tcp:1 * *"]);
    let six = cloud.get("vm/a")["networkInterfaces"][0]["ipv6Address"].as_str().unwrap().to_owned();
    cloud.check_packets(&format!("192.0.2.1 tcp/1 a pass\n2001:db8::1 tcp/1 a@{six} cut"));
}

#[test]
fn both_families_need_their_own_rules() {
    let cloud = classic(&["1000 in allow tcp:443 ::/0 *", "1000 in allow 58 ::/0 *"]);
    let six = cloud.get("vm/a")["networkInterfaces"][0]["ipv6Address"].as_str().unwrap().to_owned();
    cloud.check_packets(&format!(
        "2001:db8::1 tcp/443 a@{six} pass
         2001:db8::1 icmpv6/128 a@{six} pass
         192.0.2.1 tcp/443 a cut
         192.0.2.1 icmp/8 a cut"
    ));
}

#[test]
fn tags_or_ranges_are_a_source_and_tags_are_targets() {
    classic(&["1000 in allow tcp:5432 tag:web+192.0.2.0/24 tag:db"]).check_packets(
        "a tcp/5432 b pass
         192.0.2.7 tcp/5432 b pass
         c tcp/5432 b cut
         198.51.100.1 tcp/5432 b cut
         a tcp/5432 c cut
         b tcp/5432 b cut",
    );
}

#[test]
fn source_tags_mean_the_first_interface_its_own_address_and_this_network() {
    let cloud = classic(&["1000 in allow tcp:1 tag:web *"]);
    let mut two = instance("sub/u", &["web"]);
    let second = json!({ "subnetwork": link("sub/s"), "aliasIpRanges": [{ "ipCidrRange": "10.9.1.0/24" }] });
    two["networkInterfaces"].as_array_mut().unwrap().push(second);
    cloud.seed("vm/two", two);
    let mut aliased = instance("sub/s", &["web"]);
    aliased["networkInterfaces"][0]["aliasIpRanges"] = json!([{ "ipCidrRange": "10.9.2.0/24" }]);
    cloud.seed("vm/aliased", aliased);
    cloud.check_packets(
        "a tcp/1 b pass
         far tcp/1 b cut
         two.1 tcp/1 b cut
         aliased tcp/1 b pass
         aliased@10.9.2.7 tcp/1 b cut
         10.0.1.99 tcp/1 b cut",
    );
    // As a target every interface counts.
    let cloud = classic(&["1000 in allow tcp:1 192.0.2.0/24 tag:web"]);
    let mut two = instance("sub/u", &["web"]);
    two["networkInterfaces"].as_array_mut().unwrap().push(json!({ "subnetwork": link("sub/s") }));
    cloud.seed("vm/two", two);
    cloud.check_packets("192.0.2.1 tcp/1 two.1 pass\n192.0.2.1 tcp/1 two cut");
}

#[test]
fn service_accounts_are_sources_and_targets() {
    let cloud = classic(&["1000 in allow tcp:1 sa:web@x.iam sa:db@x.iam"]);
    for (name, account) in [("x", "web@x.iam"), ("y", "db@x.iam")] {
        let mut body = instance("sub/s", &[]);
        body["serviceAccounts"] = json!([{ "email": account, "scopes": [] }]);
        cloud.seed(&format!("vm/{name}"), body);
    }
    cloud.check_packets("x tcp/1 y pass\ny tcp/1 x cut\na tcp/1 y cut\nx tcp/1 a cut");
}

#[test]
fn egress_knows_addresses_only_and_both_ends_must_agree() {
    classic(&[
        "1000 in allow all 0.0.0.0/0 *",
        "2000 out deny all 0.0.0.0/0 tag:web",
        "1500 out allow tcp:443 10.0.1.3,192.0.2.0/24 tag:web",
    ])
    .check_packets(
        "a tcp/443 b pass
         a tcp/80 b cut
         a tcp/443 192.0.2.1 pass
         a tcp/443 198.51.100.1 cut
         b tcp/80 a pass",
    );
}

#[test]
fn a_disabled_rule_counts_for_nothing_and_the_metadata_server_is_reachable() {
    let cloud = classic(&["1000 in allow all 0.0.0.0/0 *", "0 out deny all 0.0.0.0/0 *"]);
    cloud.check_packets("a tcp/80 169.254.169.254 pass\na tcp/80 169.254.169.253 cut");
    cloud.perform("PATCH", "fw/r1", json!({ "disabled": true }));
    cloud.perform("PATCH", "fw/r0", json!({ "disabled": true }));
    cloud.check_packets("a tcp/80 192.0.2.1 pass\n192.0.2.1 tcp/80 a cut");
}

#[test]
fn classic_rules_come_before_the_policy_unless_the_order_says_otherwise() {
    let cloud = classic(&["65534 in allow tcp 0.0.0.0/0 *"]);
    add(&cloud, "pol/p", "100 in deny tcp:22 0.0.0.0/0 *");
    add(&cloud, "pol/p", "200 in allow udp 0.0.0.0/0 *");
    cloud.check_packets("192.0.2.1 tcp/22 a pass\n192.0.2.1 udp/1 a pass");
    policies_first(&cloud);
    cloud.check_packets("192.0.2.1 tcp/22 a cut\n192.0.2.1 tcp/23 a pass\n192.0.2.1 udp/1 a pass");
}

#[test]
fn the_first_rule_of_a_policy_decides_or_goes_on() {
    let cloud = classic(&["1000 in allow tcp:80 0.0.0.0/0 *"]);
    policies_first(&cloud);
    add(&cloud, "pol/p", "10 in goto_next tcp 192.0.2.0/24 *");
    add(&cloud, "pol/p", "20 in allow tcp:443 0.0.0.0/0 *");
    add(&cloud, "pol/p", "30 in deny all 0.0.0.0/0 *");
    cloud.check_packets(
        "198.51.100.1 tcp/443 a pass
         198.51.100.1 tcp/80 a cut
         192.0.2.1 tcp/80 a pass
         192.0.2.1 tcp/443 a cut
         2001:db8::1 tcp/443 a cut",
    );
}

#[test]
fn global_policies_come_before_those_of_the_region() {
    let cloud = estate();
    cloud.seed("rpol/r", json!({}));
    cloud.act("rpol/r", "addAssociation", json!({ "name": "v", "attachmentTarget": link("net/v") }));
    add(&cloud, "rpol/r", "1 in allow tcp 0.0.0.0/0 *");
    add(&cloud, "pol/p", "5 in deny tcp:22 0.0.0.0/0 *");
    cloud.check_packets("192.0.2.1 tcp/22 a cut\n192.0.2.1 tcp/23 a pass");
    // A policy of another region is none of its business.
    let other = format!("{PROJECT}/regions/us-central1/firewallPolicies");
    cloud.perform("POST", &other, json!({ "name": "o" }));
    let body = json!({ "name": "v", "attachmentTarget": link("net/v") });
    cloud.perform("POST", &format!("{other}/o/addAssociation"), body);
    cloud.perform("POST", &format!("{other}/o/addRule"), rule("1 in allow udp 0.0.0.0/0 *"));
    cloud.check_packets("192.0.2.1 udp/1 a cut");
}

#[test]
fn several_policies_of_a_network_count_in_the_order_of_their_associations() {
    let cloud = estate();
    cloud.front.world().settings.limits.policies_per_network = 2;
    cloud.seed("pol/q", json!({}));
    let body = json!({ "name": "v", "attachmentTarget": link("net/v"), "priority": 10 });
    cloud.act("pol/q", "addAssociation", body);
    add(&cloud, "pol/q", "100 in deny tcp:22 0.0.0.0/0 *");
    add(&cloud, "pol/p", "1 in allow tcp 0.0.0.0/0 *");
    cloud.check_packets("192.0.2.1 tcp/22 a cut\n192.0.2.1 tcp/23 a pass");
    let again = json!({ "name": "v", "attachmentTarget": link("net/v"), "priority": 2000 });
    cloud.perform(
        "POST",
        &format!("{PROJECT}/global/firewallPolicies/q/removeAssociation?name=v"),
        json!(null),
    );
    cloud.act("pol/q", "addAssociation", again);
    cloud.check_packets("192.0.2.1 tcp/22 a pass");
}

#[test]
fn hierarchical_policies_come_first_from_the_top() {
    let cloud = classic(&["0 in deny tcp 0.0.0.0/0 *"]);
    let node = |parent: &str, short: &str, rules: &[&str]| {
        let list = format!("locations/global/firewallPolicies?parentId={parent}");
        let made = cloud.perform("POST", &list, json!({ "shortName": short }));
        let at = format!("locations/global/firewallPolicies/{}", made["name"].as_str().unwrap());
        for short in rules {
            cloud.perform("POST", &format!("{at}/addRule"), rule(short));
        }
        let body = json!({ "name": "on-node", "attachmentTarget": parent });
        cloud.perform("POST", &format!("{at}/addAssociation"), body);
        at
    };
    let folder = cloud.perform(
        "POST",
        "v3/folders",
        json!({ "parent": "organizations/123456789012", "displayName": "prod" }),
    );
    let folder = folder["name"].as_str().unwrap();
    let rules = ["1 in goto_next tcp:22 192.0.2.0/24 *", "2 in deny tcp:22 0.0.0.0/0 *"];
    let org = node("organizations/123456789012", "org", &rules);
    node(folder, "folder", &["1 in allow tcp:22 0.0.0.0/0 *"]);
    // The project is not in the folder.
    cloud.check_packets("192.0.2.1 tcp/22 a cut");
    cloud.front.world().state.projects.get_mut("demo-project").unwrap().parent = folder.to_owned();
    cloud.check_packets("192.0.2.1 tcp/22 a pass\n198.51.100.1 tcp/22 a cut\n192.0.2.1 tcp/23 a cut");
    // Only for the networks that a rule names.
    let mut narrow = rule("0 in allow tcp:23 0.0.0.0/0 *");
    narrow["targetResources"] = json!([link("net/w")]);
    cloud.perform("POST", &format!("{org}/addRule"), narrow);
    cloud.check_packets("192.0.2.1 tcp/23 a cut\n192.0.2.1 tcp/23 far pass");
}

#[test]
fn secure_tags_are_targets_and_sources_also_from_peers() {
    let cloud = estate();
    let (web, db, there) = (cloud.tag("v", "web"), cloud.tag("v", "db"), cloud.tag("w", "there"));
    cloud.bind("a", &web);
    cloud.bind("b", &db);
    cloud.bind("far", &there);
    add(&cloud, "pol/p", &format!("100 in allow tcp:5432 {web},{there} {db}"));
    cloud.check_packets("a tcp/5432 b pass\nc tcp/5432 b cut\na tcp/5432 c cut\nfar tcp/5432 b cut");
    let peering = |to: &str| json!({ "networkPeering": { "name": to, "network": link(&format!("net/{to}")), "exchangeSubnetRoutes": true } });
    cloud.act("net/v", "addPeering", peering("w"));
    cloud.check_packets("far tcp/5432 b cut");
    cloud.act("net/w", "addPeering", peering("v"));
    cloud.check_packets("far tcp/5432 b pass\nfar tcp/5432 c cut");
    cloud.act("net/w", "removePeering", json!({ "name": "v" }));
    cloud.check_packets("far tcp/5432 b cut\na tcp/5432 b pass");
    cloud.unbind("a", &web);
    cloud.check_packets("a tcp/5432 b cut");
}

#[test]
fn a_secure_tag_covers_the_interface_in_its_network_and_no_alias() {
    let cloud = estate();
    let (web, all) = (cloud.tag("v", "web"), cloud.tag("w", "other"));
    let mut two = instance("sub/u", &[]);
    let second = json!({ "subnetwork": link("sub/s"), "aliasIpRanges": [{ "ipCidrRange": "10.9.1.0/24" }] });
    two["networkInterfaces"].as_array_mut().unwrap().push(second);
    cloud.seed("vm/two", two);
    cloud.bind("two", &web);
    cloud.bind("two", &all);
    add(&cloud, "pol/p", &format!("100 in allow tcp:1 {web} *"));
    add(&cloud, "pol/p", &format!("200 in allow tcp:2 0.0.0.0/0 {web}"));
    add(&cloud, "pol/p", &format!("300 in allow tcp:3 0.0.0.0/0 {all}"));
    cloud.check_packets(
        "two.1 tcp/1 b pass
         two tcp/1 b cut
         two.1@10.9.1.5 tcp/1 b cut
         a tcp/2 two.1 pass
         a tcp/3 two.1 cut",
    );
}

#[test]
fn a_rule_whose_tags_are_gone_is_ignored_but_for_its_ranges() {
    let cloud = estate();
    let (web, db) = (cloud.tag("v", "web"), cloud.tag("v", "db"));
    cloud.bind("b", &db);
    policies_first(&cloud);
    cloud.firewall("all", "1000 in allow tcp 0.0.0.0/0 *");
    add(&cloud, "pol/p", &format!("100 in deny tcp:1 {web} *"));
    add(&cloud, "pol/p", &format!("200 in deny tcp:2 {web}+10.0.1.2/32 *"));
    add(&cloud, "pol/p", &format!("300 in deny tcp:3 0.0.0.0/0 {db}"));
    cloud.check_packets("a tcp/1 b pass\na tcp/2 b cut\na tcp/3 b cut");
    cloud.perform("DELETE", &format!("v3/{web}"), json!(null));
    cloud.unbind("b", &db);
    cloud.perform("DELETE", &format!("v3/{db}"), json!(null));
    cloud.check_packets("a tcp/1 b pass\na tcp/2 b cut\na tcp/3 b pass");
}

#[test]
fn address_groups_and_contexts_narrow_the_source() {
    let cloud = estate();
    let mut grouped = rule("100 in allow tcp:1 203.0.113.1/32 *");
    grouped["match"]["srcAddressGroups"] = json!(["projects/demo-project/locations/global/addressGroups/g"]);
    cloud.act("pol/p", "addRule", grouped);
    let mut outside = rule("200 in allow tcp:2 0.0.0.0/0 *");
    outside["match"]["srcNetworkContext"] = json!("INTERNET");
    cloud.act("pol/p", "addRule", outside);
    cloud.check_packets(
        "198.51.100.1 tcp/1 a cut\n203.0.113.1 tcp/1 a pass\na tcp/2 b cut\n198.51.100.1 tcp/2 a pass",
    );
    let blocks = vec!["198.51.100.0/24".parse().unwrap()];
    let group = "projects/demo-project/locations/global/addressGroups/g".to_owned();
    cloud.front.world().address_lists.insert(group, blocks);
    cloud.check_packets("198.51.100.1 tcp/1 a pass");
}

#[test]
fn what_is_gone_or_has_another_address_gets_nothing() {
    let cloud = classic(&["1000 in allow tcp 0.0.0.0/0 *"]);
    let packet = cloud.packet("c tcp/1 a");
    let mut other = packet.clone();
    other.destination = mock_gcp::End::Interface(
        format!("{PROJECT}/zones/europe-west1-b/instances/a/nic0"),
        "10.0.1.99".parse().unwrap(),
    );
    cloud.settle();
    assert!(cloud.front.world().allows(&packet) && !cloud.front.world().allows(&other));
    assert_eq!(cloud.delete("vm/a"), "ok");
    cloud.settle();
    assert!(!cloud.front.world().allows(&packet));
}
