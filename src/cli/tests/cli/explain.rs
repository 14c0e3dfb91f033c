//! `bulkhead explain` as its user runs it.

use crate::lab::{Lab, between};

#[test]
fn it_names_the_rule_or_the_one_that_is_missing() {
    let lab = Lab::new();
    lab.refuses(&["explain", "web-1", "db-1", "tcp/5432"], 0, &["shop/web-db"]);
    lab.refuses(&["explain", "nobody", "web-1", "tcp/22"], 1, &["`nobody` is no workload"]);
}

#[test]
fn the_proposed_file_opens_the_flow() {
    let lab = Lab::new();
    lab.give_address("web-1", "2001:db8:1::5");
    for (from, to, service) in
        [("db-1", "web-1", "tcp/22"), ("2001:db8::7", "web-1", "tcp/22"), ("web-1", "192.0.2.7", "udp/53")]
    {
        let arguments = ["explain", from, to, service];
        let ran = lab.run(&arguments);
        let (_, proposed) = ran.text.split_once("save this as a new file of the policy folder:\n").unwrap();
        std::fs::write(lab.path("policy/new.yaml"), proposed).unwrap();
        lab.refuses(&arguments, 0, &[&format!("{service}: allowed")]);
    }
}

#[test]
fn a_service_that_is_not_one_packet_is_a_wrong_command_line() {
    let lab = Lab::new();
    for service in ["tcp", "tcp/1-2", "all"] {
        lab.refuses(&["explain", "web-1", "db-1", service], 2, &["more than one service", "`tcp/5432`"]);
    }
    lab.refuses(&["explain", "web-1", "db-1", "http"], 2, &["it is no service", "`tcp/5432`"]);
}

#[test]
fn an_address_that_several_hold_is_refused_with_the_candidates() {
    let lab = Lab::new();
    let vpc = between(&lab.perform("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]), "vpcId");
    let params = [("VpcId", vpc.as_str()), ("CidrBlock", "10.1.1.0/24")];
    let subnet = between(&lab.perform("CreateSubnet", &params), "subnetId");
    let web = lab.interface("web-1");
    let address = lab.front.world().state.interfaces[&web].addresses[0].to_string();
    let params = [("SubnetId", subnet.as_str()), ("PrivateIpAddress", address.as_str())];
    let twin = between(&lab.perform("CreateNetworkInterface", &params), "networkInterfaceId");
    lab.configure(true, &[&[&lab.vpcs[0], &lab.vpcs[1], &vpc]]);
    let says =
        [&format!("`{address}` is held by 2 interfaces"), &web, &twin, "web-1", &vpc, "hint: say which"];
    lab.refuses(&["explain", &address, "db-1", "tcp/5432"], 1, &says);
    lab.refuses(&["explain", &web, "db-1", "tcp/5432"], 0, &["tcp/5432: allowed", "shop/web-db"]);
    lab.refuses(&["explain", &twin, "db-1", "tcp/5432"], 0, &["the source is taken for role=web"]);
}

#[test]
fn a_name_of_several_workloads_is_refused_with_the_candidates() {
    let lab = Lab::new();
    lab.tag("web-2", "Name", "web-1");
    lab.refuses(
        &["explain", "web-1", "db-1", "tcp/5432"],
        1,
        &["`web-1` is the name of 2 interfaces", "eni-"],
    );
}
