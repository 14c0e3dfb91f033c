//! The traps of flow logs that attribution and summing must not fall into, each by its name (`providers.md` 2.4).

use std::sync::Arc;

use flow::Aliases;
use policy::{ServicePoint, ServiceSet};

use crate::world::{check, check_merged, estate, holders, line, sums, sums_with, text};

const WEB: &str = "aws:eni-web@vpc-a";
const DB: &str = "aws:eni-db@vpc-a";

#[test]
fn direction_comes_from_flags_that_are_summed_over_an_interval() {
    for (opening, reply) in [(2, 18), (3, 19), (6, 22)] {
        // The ports alone would say the opposite.
        let lines = [
            line(WEB, &format!("10.0.0.5:1024 > 10.0.0.6:50051 6 flags={opening}")),
            line(WEB, &format!("10.0.0.6:50051 > 10.0.0.5:1024 6 flags={reply}")),
        ];
        check(&lines, &["web > db tcp/50051 accepted source: 1 connections, 1 out, 1 back"]);
    }
}

#[test]
fn direction_of_a_long_flow_without_flags_is_guessed_from_ports_and_marked() {
    let lines = [
        line(WEB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=0"),
        line(WEB, "10.0.0.6:5432 > 10.0.0.5:41834 6 flags=0"),
    ];
    check(&lines, &["web > db tcp/5432 accepted source: 1 connections, 1 out, 1 back, 2 guessed"]);
    // Neither is a client's, or both are: the smaller one.
    let both = [line(WEB, "10.0.0.5:50000 > 10.0.0.6:40000 6"), line(DB, "10.0.0.6:8080 > 10.0.0.5:9090 6")];
    check(
        &both,
        &[
            "web > db tcp/8080 accepted destination: 0 connections, 0 out, 1 back, 1 guessed",
            "web > db tcp/40000 accepted source: 1 connections, 1 out, 0 back, 1 guessed",
        ],
    );
}

#[test]
fn direction_is_taken_from_the_policy_before_the_ports() {
    let named = |source: &flow::End, destination: &flow::End| {
        let role = |end: &flow::End| match end {
            flow::End::Workload { labels, .. } => labels.get("role").map(|role| role.as_str().to_owned()),
            flow::End::Address(_) => None,
        };
        let is_rule = role(source).as_deref() == Some("web") && role(destination).as_deref() == Some("db");
        if is_rule { ServiceSet::point(ServicePoint::port(6, 50051)) } else { ServiceSet::empty() }
    };
    let lines =
        [line(WEB, "10.0.0.5:1024 > 10.0.0.6:50051 6"), line(WEB, "10.0.0.6:50051 > 10.0.0.5:1024 6")];
    let holders = holders(&estate(), &Aliases::default());
    let (guided, coverage) = sums_with(&holders, Some(Arc::new(named)), &lines);
    let expected = "web > db tcp/50051 accepted source: 1 connections, 1 out, 1 back, 2 guessed";
    assert_eq!(text(&guided), [expected]);
    assert_eq!(coverage.guessed, 2);
    let (unguided, _) = sums_with(&holders, None, &lines);
    assert!(text(&unguided)[0].starts_with("db > web tcp/1024"), "{:?}", text(&unguided));
}

#[test]
fn direction_that_the_log_gives_is_not_guessed() {
    let lines = [
        line("azure:@vpc-a", "10.0.0.5:1024 > 10.0.0.6:50051 6 egress opener=source"),
        line("gcp:@vpc-a", "10.0.0.6:50051 > 10.0.0.5:1024 6 egress opener=destination"),
    ];
    check(
        &lines,
        &[
            "web > db tcp/50051 accepted source: 1 connections, 1 out, 0 back",
            "web > db tcp/50051 accepted destination: 0 connections, 0 out, 1 back",
        ],
    );
}

#[test]
fn direction_missing_in_the_log_is_where_the_interface_is() {
    let lines = [
        line(WEB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2"),
        line(DB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2"),
        // A gateway: neither is its own.
        line("aws:eni-cache@vpc-c", "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2"),
        // Nobody knows this interface, and both ends are known: it is at neither, whatever direction it says.
        line("aws:eni-nat@vpc-a", "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2 egress"),
    ];
    check(
        &lines,
        &[
            "web > db tcp/5432 accepted source: 1 connections, 1 out, 0 back",
            "web > db tcp/5432 accepted destination: 1 connections, 1 out, 0 back",
            "web > db tcp/5432 accepted elsewhere: 2 connections, 2 out, 0 back",
        ],
    );
}

#[test]
fn direction_at_an_interface_that_nobody_knows_is_as_the_log_says() {
    let lines = [
        line("aws:eni-lambda@vpc-a", "10.0.0.99:41834 > 10.0.0.6:5432 6 flags=2 egress"),
        line("aws:eni-lambda@vpc-a", "10.0.0.6:5432 > 10.0.0.99:41834 6 flags=18 ingress"),
    ];
    check(&lines, &["10.0.0.99/32 > db tcp/5432 accepted source: 1 connections, 1 out, 1 back"]);
}

#[test]
fn both_reporters_and_both_directions_are_one_connection() {
    let lines = [
        line(WEB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2 out=9"),
        line(WEB, "10.0.0.6:5432 > 10.0.0.5:41834 6 flags=18 out=8"),
        line(DB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2 out=8"),
        line(DB, "10.0.0.6:5432 > 10.0.0.5:41834 6 flags=18 out=9"),
    ];
    check_merged(&lines, &["web > db tcp/5432 accepted both: 1 connections, 9 out, 9 back"]);
}

#[test]
fn ephemeral_ports_are_dropped() {
    let port = |port: u16| line(WEB, &format!("10.0.0.5:{port} > 10.0.0.6:5432 6 flags=2"));
    let lines: Vec<_> = (40_000..40_100).map(port).collect();
    check(&lines, &["web > db tcp/5432 accepted source: 100 connections, 100 out, 0 back"]);
}

#[test]
fn srcaddr_and_pkt_srcaddr_of_a_secondary_address_are_one_workload() {
    let lines = [
        line(WEB, "10.0.0.55:41834 > 10.0.0.6:5432 6 flags=2"),
        line(WEB, "10.0.0.5:41835 > 10.0.0.6:5432 6 flags=2"),
        line(WEB, "10.0.0.6:41836 > 10.0.0.55:443 6 flags=2"),
    ];
    check(
        &lines,
        &[
            "db > web tcp/443 accepted destination: 1 connections, 1 out, 0 back",
            "web > db tcp/5432 accepted source: 2 connections, 2 out, 0 back",
        ],
    );
}

#[test]
fn overlapping_networks_are_told_apart_by_the_point() {
    let lines = [
        line("aws:eni-other@vpc-b", "10.0.0.5:41834 > 203.0.113.9:443 6 flags=2"),
        line("aws:eni-other", "10.0.0.5:41834 > 10.0.0.6:443 6 flags=2"),
        line(
            "AWS:eni-unknown@VPC-B".to_lowercase().as_str(),
            "10.0.0.5:41834 > 203.0.113.9:22 6 flags=2 egress",
        ),
        line(WEB, "10.0.0.5:41834 > 203.0.113.9:443 6 flags=2"),
        // From a peer 10.0.0.5 is the one of the peered network.
        line("aws:eni-cache@vpc-c", "10.0.0.5:41834 > 10.9.0.7:6379 6 flags=2"),
        // From nowhere it is nobody: two hold it. What one alone holds is this one.
        line("aws:eni-unknown", "10.0.0.5:41834 > 10.9.0.7:6379 6 flags=2 ingress"),
    ];
    check(
        &lines,
        &[
            "other@vpc-b > 10.0.0.6/32 tcp/443 accepted source: 1 connections, 1 out, 0 back",
            "other@vpc-b > 203.0.113.9/32 tcp/22 accepted elsewhere: 1 connections, 1 out, 0 back",
            "other@vpc-b > 203.0.113.9/32 tcp/443 accepted source: 1 connections, 1 out, 0 back",
            "web > cache@vpc-c tcp/6379 accepted destination: 1 connections, 1 out, 0 back",
            "web > 203.0.113.9/32 tcp/443 accepted source: 1 connections, 1 out, 0 back",
            "10.0.0.5/32 > cache@vpc-c tcp/6379 accepted elsewhere: 1 connections, 1 out, 0 back",
        ],
    );
}

#[test]
fn accept_at_the_source_is_no_delivery() {
    let sent = |port: u16| line(WEB, &format!("10.0.0.5:{port} > 10.0.0.6:5432 6 flags=2 accept"));
    let lost = |port: u16| line(DB, &format!("10.0.0.5:{port} > 10.0.0.6:5432 6 flags=2 reject"));
    check_merged(&[sent(40_000)], &["web > db tcp/5432 accepted source: 1 connections, 1 out, 0 back"]);
    check_merged(
        &[sent(40_000), lost(40_000)],
        &["web > db tcp/5432 rejected both: 1 connections, 1 out, 0 back"],
    );
    check_merged(
        &[sent(40_000), sent(40_001), sent(40_002), lost(40_001)],
        &[
            "web > db tcp/5432 accepted source: 2 connections, 2 out, 0 back",
            "web > db tcp/5432 rejected both: 1 connections, 1 out, 0 back",
        ],
    );
}

#[test]
fn reject_does_not_say_who_rejected_but_which_end_saw_it() {
    let lines = [
        line(WEB, "10.0.0.5:40000 > 10.0.0.6:5432 6 flags=2 reject"),
        line(DB, "10.0.0.99:40000 > 10.0.0.6:5432 6 flags=2 reject"),
    ];
    check_merged(
        &lines,
        &[
            "web > db tcp/5432 rejected source: 1 connections, 1 out, 0 back",
            "10.0.0.99/32 > db tcp/5432 rejected destination: 1 connections, 1 out, 0 back",
        ],
    );
}

#[test]
fn a_reply_drop_of_a_network_acl_is_no_rejected_connection() {
    let lines = [
        line(DB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2 accept"),
        line(DB, "10.0.0.6:5432 > 10.0.0.5:41834 6 flags=18 reject out=3"),
        line(WEB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2 accept"),
    ];
    check_merged(
        &lines,
        &["web > db tcp/5432 accepted both: 1 connections, 1 out, 0 back, 1 replies rejected"],
    );
}

#[test]
fn traffic_type_absence_is_no_evidence() {
    // The destination logs only what it rejects: nothing contradicts the source.
    let sent = line(WEB, "10.0.0.5:41834 > 10.0.0.6:5432 6 flags=2 accept");
    check_merged(&[sent], &["web > db tcp/5432 accepted source: 1 connections, 1 out, 0 back"]);
    // It logs only what it accepts: some of what the source saw, and it says nothing of the rest.
    let sent = |port: u16| line(WEB, &format!("10.0.0.5:{port} > 10.0.0.6:5432 6 flags=2 accept"));
    let got = line(DB, "10.0.0.5:40001 > 10.0.0.6:5432 6 flags=2 accept");
    check_merged(
        &[sent(40_000), sent(40_001), got],
        &["web > db tcp/5432 accepted both: 2 connections, 2 out, 0 back"],
    );
}

#[test]
fn windows_are_those_of_the_first_packet_whatever_the_order() {
    let at = |seconds: i64| {
        let time = crate::world::T + seconds;
        line(WEB, &format!("10.0.0.5:40000 > 10.0.0.6:5432 6 flags=2 at={time}"))
    };
    let (summaries, _) = sums(&[at(3599), at(-1), at(0), at(3600), at(10)]);
    let windows: Vec<(i64, u64, i64, i64)> = summaries
        .rows
        .iter()
        .map(|(key, tally)| (key.window - crate::world::T, tally.connections, tally.first, tally.last))
        .map(|(window, n, first, last)| (window, n, first - crate::world::T, last - crate::world::T))
        .collect();
    assert_eq!(windows, [(-3600, 1, -1, 49), (0, 3, 0, 3649), (3600, 1, 3600, 3650)]);
}

#[test]
fn azure_begin_continue_and_end_are_one_connection_with_all_deltas() {
    let at = "azure:0022489aabbc@vpc-a";
    let tuple =
        |state: &str| line(at, &format!("10.0.0.5:50110 > 10.0.0.6:5432 6 egress opener=source {state}"));
    let lines = [tuple("n=1 out=0 back=0"), tuple("n=0 out=120 back=98"), tuple("n=0 out=12 back=9")];
    check(&lines, &["web > db tcp/5432 accepted source: 1 connections, 132 out, 107 back"]);
}

#[test]
fn azure_names_points_by_mac_and_group_in_any_letters() {
    let aliases = Aliases {
        interfaces: vec![("0022489aabbc".to_owned(), "eni-other".into())],
        networks: vec![("/subscriptions/s/nsg1".to_owned(), vec!["vpc-a".into()])],
    };
    let holders = holders(&estate(), &aliases);
    let lines = [
        line("azure:0022489AABBC", "203.0.113.9:50110 > 10.0.0.5:443 6 opener=source"),
        line(
            "azure:ffffffffffff@/SUBSCRIPTIONS/S/NSG1",
            "203.0.113.9:50110 > 10.0.0.5:443 6 ingress opener=source",
        ),
    ];
    let (summaries, coverage) = sums_with(&holders, None, &lines);
    assert_eq!(
        text(&summaries),
        [
            "203.0.113.9/32 > other@vpc-b tcp/443 accepted destination: 1 connections, 1 out, 0 back",
            "203.0.113.9/32 > web tcp/443 accepted destination: 1 connections, 1 out, 0 back",
        ]
    );
    assert_eq!(coverage.at_unknown_points, 0);
}

#[test]
fn gcp_reports_of_both_ends_and_each_direction_are_one_flow_without_verdict() {
    let lines = [
        line("gcp:@vpc-a", "10.0.0.5:41834 > 10.0.0.6:5432 6 egress unknown out=40"),
        line("gcp:@vpc-a", "10.0.0.5:41834 > 10.0.0.6:5432 6 ingress unknown out=41"),
        line("gcp:@vpc-a", "10.0.0.6:5432 > 10.0.0.5:41834 6 egress unknown out=30"),
        line("gcp:@vpc-a", "10.0.0.6:5432 > 10.0.0.5:41834 6 ingress unknown out=29"),
    ];
    check_merged(&lines, &["web > db tcp/5432 unknown both: 1 connections, 41 out, 30 back, 2 guessed"]);
    // A firewall log of the same connections has the verdict.
    let allowed = line("gcp:@vpc-a", "10.0.0.5:41834 > 10.0.0.6:5432 6 ingress accept opener=source out=0");
    let lines = [&lines[..], &[allowed]].concat();
    check_merged(&lines, &["web > db tcp/5432 accepted both: 1 connections, 41 out, 30 back, 2 guessed"]);
}

#[test]
fn gcp_egress_is_sampled_before_the_firewall_that_denies_it() {
    let lines = [
        line("gcp:@vpc-a", "10.0.0.5:41834 > 10.0.0.6:5432 6 egress unknown opener=source"),
        line("gcp:@vpc-a", "10.0.0.5:41834 > 10.0.0.6:5432 6 egress reject opener=source"),
    ];
    check_merged(
        &lines,
        &[
            "web > db tcp/5432 rejected source: 1 connections, 1 out, 0 back",
            "web > db tcp/5432 unknown source: 1 connections, 1 out, 0 back",
        ],
    );
}

#[test]
fn gcp_names_the_instance_and_the_network_says_which_interface() {
    let instance = "projects/p/zones/z/instances/gate";
    let workloads = vec![
        crate::world::workload(&format!("{instance}#nic0@vpc-a"), "role=outer", &["10.0.0.9"]),
        crate::world::workload(&format!("{instance}#nic1@vpc-b"), "role=inner", &["10.0.0.9"]),
    ];
    let mut estate = estate();
    estate.workloads.extend(workloads);
    let holders = holders(&estate, &Aliases::default());
    let lines = [
        line(&format!("gcp:{instance}@vpc-b"), "10.0.0.9:40000 > 10.0.0.5:443 6 egress opener=source"),
        // Two may be meant: what one alone holds anywhere is attributed all the same.
        line(&format!("gcp:{instance}"), "10.0.0.9:40000 > 10.0.0.6:443 6 egress opener=source"),
    ];
    let (summaries, _) = sums_with(&holders, None, &lines);
    assert_eq!(
        text(&summaries),
        [
            "inner@vpc-b > other@vpc-b tcp/443 accepted source: 1 connections, 1 out, 0 back",
            "10.0.0.9/32 > db tcp/443 accepted source: 1 connections, 1 out, 0 back",
        ]
    );
}

#[test]
fn stateful_replies_are_no_connections() {
    let lines = [
        line(WEB, "10.0.0.6:5432 > 10.0.0.5:41834 6 flags=18 out=7"),
        line(DB, "10.0.0.6:5432 > 10.0.0.5:41834 6 out=7"),
    ];
    check(
        &lines,
        &[
            "web > db tcp/5432 accepted source: 0 connections, 0 out, 7 back",
            "web > db tcp/5432 accepted destination: 0 connections, 0 out, 7 back, 1 guessed",
        ],
    );
}

#[test]
fn ipv6_text_forms_are_one_address() {
    let lines = [
        line(WEB, "[2001:db8:0:0:0:0:0:5]:40000 > [2001:db8::6]:443 6 flags=2"),
        line(WEB, "[2001:0DB8::0005]:40000 > [2001:db8::6]:443 6 flags=2"),
        line(WEB, "[::ffff:10.0.0.5]:40000 > [::ffff:203.0.113.9]:443 6 flags=2"),
        line(WEB, "10.0.0.5:40000 > 203.0.113.9:443 6 flags=2"),
    ];
    check(
        &lines,
        &[
            "web > db tcp/443 accepted source: 2 connections, 2 out, 0 back",
            "web > 203.0.113.9/32 tcp/443 accepted source: 2 connections, 2 out, 0 back",
        ],
    );
}

#[test]
fn icmp_and_protocols_without_ports_have_no_service_but_themselves() {
    let lines = [
        line(WEB, "10.0.0.5 > 10.0.0.6 1"),
        line(WEB, "10.0.0.5:8 > 10.0.0.6:0 1"),
        line(WEB, "10.0.0.6 > 10.0.0.5 50"),
    ];
    check(
        &lines,
        &[
            "db > web proto/50 accepted destination: 1 connections, 1 out, 0 back, 1 guessed",
            "web > db icmp/0/0 accepted source: 2 connections, 2 out, 0 back, 2 guessed",
        ],
    );
}

#[test]
fn unmanaged_workloads_have_labels_and_no_network() {
    let lines = [line(WEB, "10.0.0.5:40000 > 198.51.100.7:22 6 flags=2")];
    check(&lines, &["web > legacy@- tcp/22 accepted source: 1 connections, 1 out, 0 back"]);
}
