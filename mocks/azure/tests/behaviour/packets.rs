//! What passes once everything has settled.

use serde_json::json;

use crate::harness::{Cloud, id, interface, network, quick, subnet};

/// `a` and `b` in `s`, `c` in `t`, `far` in the other network; `web`, `db`, `far` as groups; `n` on subnet `s`.
fn estate(rules: &[&str]) -> Cloud {
    let cloud = Cloud::seeded(quick());
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24", "fd00:a:0:1::/64"], Some("nsg/n")));
    for (name, at, groups) in [
        ("a", "vnet/v/s", ["web"]),
        ("b", "vnet/v/s", ["db"]),
        ("c", "vnet/v/t", ["web"]),
        ("far", "vnet/w/u", ["far"]),
    ] {
        cloud.interface(name, at, &groups);
    }
    for (n, short) in rules.iter().enumerate() {
        cloud.rule(&format!("r{n}"), short);
    }
    cloud
}

#[test]
fn the_default_rules_open_the_network_and_close_the_rest() {
    estate(&[]).check_packets(
        "a tcp/1 b pass
         c tcp/1 a pass
         far tcp/1 a cut
         192.0.2.1 tcp/1 a cut
         168.63.129.16 tcp/1 a pass
         a tcp/1 192.0.2.1 pass
         a tcp/1 172.16.0.1 cut
         10.0.77.1 udp/1 a pass",
    );
}

#[test]
fn the_first_matching_rule_decides() {
    estate(&["200 in deny * * * *", "100 in allow Tcp 10.0.2.0/24 * 443", "150 in allow Tcp 10.0.2.4 * 80"])
        .check_packets(
            "c tcp/443 a pass
             c tcp/80 a pass
             c tcp/81 a cut
             c udp/443 a cut
             b tcp/443 a cut
             168.63.129.16 tcp/1 a cut
             a tcp/443 c pass",
        );
    estate(&["100 in deny Tcp * * 443", "200 in allow * * * *"]).check_packets(
        "c tcp/443 a cut
         c tcp/444 a pass
         192.0.2.1 tcp/80 a pass",
    );
}

#[test]
fn a_deny_of_the_network_leaves_the_probes() {
    estate(&["4096 in deny * VirtualNetwork * *"]).check_packets(
        "c tcp/1 a cut
         168.63.129.16 tcp/1 a pass",
    );
}

#[test]
fn groups_mean_their_members_also_in_the_group_of_a_subnet() {
    estate(&["100 in allow Tcp asg:web asg:db 5432", "4000 in deny * * asg:db *"]).check_packets(
        "a tcp/5432 b pass
         c tcp/5432 b pass
         a tcp/5433 b cut
         10.0.2.99 tcp/5432 b cut
         b tcp/1 a pass
         c tcp/5433 a pass",
    );
}

#[test]
fn only_the_addresses_of_a_configuration_in_a_group_are_members() {
    let cloud = estate(&["100 in allow Tcp asg:web asg:db 5432", "4000 in deny * * asg:db *"]);
    let mut body = interface("vnet/v/t", &["web"]);
    let second = json!({ "name": "two", "properties": { "subnet": id("vnet/v/t") } });
    body["properties"]["ipConfigurations"].as_array_mut().unwrap().push(second);
    cloud.seed("nic/c", body);
    cloud.check_packets("c tcp/5432 b pass\nc@10.0.2.5 tcp/5432 b cut");
}

#[test]
fn members_elsewhere_do_not_count() {
    let cloud = estate(&["100 in allow * asg:far * *"]);
    cloud.check_packets("far tcp/1 a cut");
    cloud.seed("peer/v/w", json!({ "properties": { "remoteVirtualNetwork": id("vnet/w") } }));
    cloud.seed("peer/w/v", json!({ "properties": { "remoteVirtualNetwork": id("vnet/v") } }));
    cloud.rule("close", "200 in deny * VirtualNetwork * *");
    cloud.check_packets("far tcp/1 a cut");
}

#[test]
fn only_connected_peers_belong_to_the_network() {
    let cloud = estate(&[]);
    let peering = |to: &str| json!({ "properties": { "remoteVirtualNetwork": id(to) } });
    cloud.seed("peer/v/w", peering("vnet/w"));
    cloud.check_packets("far tcp/1 a cut");
    cloud.seed("peer/w/v", peering("vnet/v"));
    cloud.check_packets("far tcp/1 a pass\na tcp/1 far pass");
    let mut closed = peering("vnet/w");
    closed["properties"]["allowVirtualNetworkAccess"] = json!(false);
    cloud.seed("peer/v/w", closed);
    cloud.check_packets("far tcp/1 a cut");
    cloud.seed("peer/v/w", peering("vnet/w"));
    cloud.check_packets("far tcp/1 a pass");
    assert_eq!(cloud.delete("peer/w/v"), "ok");
    cloud.front.world().advance_ms(1);
    cloud.check_packets("far tcp/1 a cut");
}

#[test]
fn a_wider_network_widens_the_tag_of_its_peers() {
    let cloud = estate(&[]);
    cloud.seed("peer/v/w", json!({ "properties": { "remoteVirtualNetwork": id("vnet/w") } }));
    cloud.seed("peer/w/v", json!({ "properties": { "remoteVirtualNetwork": id("vnet/v") } }));
    cloud.check_packets("10.2.0.1 tcp/1 a cut");
    let mut wider = network(&["10.1.0.0/16", "10.2.0.0/16"]);
    let mut part = subnet(&["10.1.1.0/24"], None);
    part["name"] = json!("u");
    wider["properties"]["subnets"] = json!([part]);
    cloud.seed("vnet/w", wider);
    cloud.check_packets("10.2.0.1 tcp/1 a pass");
}

#[test]
fn the_subnet_and_the_interface_must_both_allow() {
    let cloud = estate(&["100 in allow Tcp * * 80,443"]);
    cloud.seed("nsg/own", crate::harness::at(json!({})));
    cloud.seed("nsg/own/r", crate::harness::rule("100 in allow Tcp * * 443,8080"));
    cloud.seed("nsg/own/o", crate::harness::rule("100 out deny Tcp * * 25"));
    let mut body = interface("vnet/v/s", &["web"]);
    body["properties"]["networkSecurityGroup"] = id("nsg/own");
    cloud.seed("nic/a", body);
    cloud.check_packets(
        "192.0.2.1 tcp/443 a pass
         192.0.2.1 tcp/80 a cut
         192.0.2.1 tcp/8080 a cut
         192.0.2.1 tcp/80 b pass
         a tcp/25 192.0.2.1 cut
         b tcp/25 192.0.2.1 pass",
    );
}

#[test]
fn without_a_security_group_only_the_internet_is_kept_out() {
    estate(&[]).check_packets(
        "a tcp/1 c pass
         far tcp/1 c pass
         192.0.2.1 tcp/1 c cut
         172.16.0.1 tcp/1 c pass
         168.63.129.16 tcp/1 c pass
         c tcp/1 192.0.2.1 pass",
    );
}

#[test]
fn protocols_are_told_apart_and_icmp_types_are_not() {
    estate(&["100 in allow Icmp * * *", "101 in allow Esp * * *", "200 in deny * VirtualNetwork * *"])
        .check_packets(
            "c icmp/8 a pass
         c icmp/13 a pass
         c esp a pass
         c ah a cut
         c udp/1 a cut
         c 47 a cut",
        );
    estate(&["100 in allow * * * 443", "200 in deny * VirtualNetwork * *"]).check_packets(
        "c tcp/443 a pass
         c udp/443 a pass
         c icmp/8 a cut",
    );
}

#[test]
fn both_families_are_filtered_alike() {
    let cloud = estate(&["100 in allow Tcp fd00:b::/48 * 443", "200 in deny * VirtualNetwork * *"]);
    let mut body = interface("vnet/v/s", &["web"]);
    let second = json!({ "name": "six", "properties": { "subnet": id("vnet/v/s"), "privateIPAddressVersion": "IPv6" } });
    body["properties"]["ipConfigurations"].as_array_mut().unwrap().push(second);
    cloud.seed("nic/a", body);
    cloud.check_packets(
        "fd00:b::1 tcp/443 a@fd00:a:0:1::4 pass
         fd00:c::1 tcp/443 a@fd00:a:0:1::4 cut
         fd00:a::9 tcp/443 a@fd00:a:0:1::4 cut
         a@fd00:a:0:1::4 tcp/443 2001:db8::1 pass
         a@fd00:a:0:1::4 icmpv6/128 fd00:a::9 pass",
    );
    cloud.rule("ping", "300 in allow Icmp * * *");
    cloud.check_packets("fd00:b::1 icmpv6/128 a@fd00:a:0:1::4 cut");
}

#[test]
fn the_platform_is_only_reached_by_its_own_tags() {
    let cloud = estate(&["100 out deny * * * *"]);
    cloud.check_packets(
        "a udp/53 168.63.129.16 pass
         a tcp/80 169.254.169.254 pass
         a tcp/80 192.0.2.1 cut",
    );
    cloud.rule("imds", "99 out deny * * AzurePlatformIMDS *".replace("99", "101").as_str());
    cloud.check_packets("a tcp/80 169.254.169.254 cut\na udp/53 168.63.129.16 pass");
}

#[test]
fn service_tags_mean_the_blocks_that_the_world_gives_them() {
    let cloud = estate(&["100 out allow Tcp * Storage.WestEurope 443", "200 out deny * * Internet *"]);
    cloud.check_packets("a tcp/443 203.0.113.7 cut");
    let blocks = vec!["203.0.113.0/24".parse().unwrap()];
    cloud.front.world().service_tags.insert("Storage.WestEurope".to_owned(), blocks);
    cloud.check_packets("a tcp/443 203.0.113.7 pass\na tcp/80 203.0.113.7 cut");
}

#[test]
fn a_source_port_range_must_hold_an_ephemeral_port() {
    let cloud = estate(&["200 in deny * * * *"]);
    let mut body = crate::harness::rule("100 in allow Tcp * * 443");
    body["properties"]["sourcePortRange"] = json!("1-1023");
    cloud.seed("nsg/n/low", body.clone());
    cloud.check_packets("c tcp/443 a cut");
    body["properties"]["sourcePortRange"] = json!("1024-65535");
    cloud.seed("nsg/n/low", body);
    cloud.check_packets("c tcp/443 a pass");
}

#[test]
fn what_is_gone_or_has_another_address_gets_nothing() {
    let cloud = estate(&["100 in allow * * * *"]);
    let packet = cloud.packet("c tcp/1 a");
    let mut other = packet.clone();
    other.destination = mock_azure::End::Interface(
        crate::harness::path("nic/a").to_lowercase(),
        "10.0.1.99".parse().unwrap(),
    );
    cloud.settle();
    assert!(cloud.front.world().allows(&packet) && !cloud.front.world().allows(&other));
    assert_eq!(cloud.delete("nic/a"), "ok");
    cloud.settle();
    assert!(!cloud.front.world().allows(&packet));
}
