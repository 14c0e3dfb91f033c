//! Google Cloud: VPC flow logs and firewall rules logging, as log entries. Values are invented.

use flow::Format;
use flow::format::LINE_BYTES_MAX;
use flow::format::gcp::Gcp;

use crate::lines::Lines;
use crate::{check, lines_of};

const GCP: Format = Format::GcpJsonLines;

pub(super) const FLOW: &str = r#"{"insertId":"a1b2c3","logName":"projects/p1/logs/compute.googleapis.com%2Fvpc_flows","timestamp":"2026-11-02T10:00:05.9Z","receiveTimestamp":"2026-11-02T10:00:11.2Z","resource":{"type":"gce_subnetwork","labels":{"project_id":"p1","location":"europe-west1-b","subnetwork_id":"778899","subnetwork_name":"app"}},"jsonPayload":{"connection":{"src_ip":"10.3.0.4","src_port":41834,"dest_ip":"10.3.1.9","dest_port":5432,"protocol":6},"reporter":"SRC","start_time":"2026-11-02T10:00:00.1Z","end_time":"2026-11-02T10:00:04.7Z","bytes_sent":"18344","packets_sent":"41","rtt_msec":"3","src_instance":{"project_id":"p1","region":"europe-west1","zone":"europe-west1-b","vm_name":"web-1"},"dest_instance":{"project_id":"p2","region":"europe-west1","zone":"europe-west1-c","vm_name":"db-1"},"src_vpc":{"project_id":"p1","vpc_name":"prod","subnetwork_name":"app"},"dest_vpc":{"project_id":"host","vpc_name":"shared","subnetwork_name":"data"}}}"#;

const FLOW_LINE: &str = "record gcp projects/p1/zones/europe-west1-b/instances/web-1 projects/p1/global/networks/prod 1793613600 1793613604 10.3.0.4 10.3.1.9 41834 5432 6 egress - 0 - 1 41 18344 0 0";

pub(super) const DECISION: &str = r#"{"insertId":"x","logName":"projects/p1/logs/compute.googleapis.com%2Ffirewall","timestamp":"2026-11-02T10:00:05.9Z","resource":{"type":"gce_subnetwork","labels":{"project_id":"p1"}},"jsonPayload":{"connection":{"src_ip":"10.3.0.4","src_port":41834,"dest_ip":"10.3.1.9","dest_port":5432,"protocol":6},"disposition":"DENIED","rule_details":{"action":"DENY","direction":"INGRESS","ip_port_info":[{"ip_protocol":"TCP","port_range":["5432"]}],"priority":1000,"reference":"network:prod/firewall:no-db"},"instance":{"project_id":"p1","region":"europe-west1","zone":"europe-west1-c","vm_name":"db-1"},"vpc":{"project_id":"p1","vpc_name":"prod","subnetwork_name":"data"},"remote_instance":{"project_id":"p1","vm_name":"web-1","zone":"europe-west1-b"}}}"#;

const DECISION_LINE: &str = "record gcp projects/p1/zones/europe-west1-c/instances/db-1 projects/p1/global/networks/prod 1793613605 1793613605 10.3.0.4 10.3.1.9 41834 5432 6 ingress source 0 rejected 1 0 0 0 0";

/// An entry with a text replaced, which must be there.
pub(super) fn with(entry: &str, from: &str, to: &str) -> String {
    assert!(entry.contains(from), "{from}");
    entry.replace(from, to)
}

#[test]
fn vpc_flow_log() {
    check(&GCP, FLOW, &[FLOW_LINE]);
}

#[test]
fn trap_gcp_reporter_is_the_point_and_gives_the_direction() {
    let expected = "record gcp projects/p2/zones/europe-west1-c/instances/db-1 projects/host/global/networks/shared 1793613600 1793613604 10.3.0.4 10.3.1.9 41834 5432 6 ingress - 0 - 1 41 18344 0 0";
    check(&GCP, with(FLOW, r#""SRC""#, r#""DEST""#), &[expected]);
    let gateway =
        "record gcp - - 1793613600 1793613604 10.3.0.4 10.3.1.9 41834 5432 6 - - 0 - 1 41 18344 0 0";
    check(&GCP, with(FLOW, r#""SRC""#, r#""SRC_GATEWAY""#), &[gateway]);
}

#[test]
fn trap_gcp_flow_logs_have_no_verdict_and_firewall_logs_have() {
    check(&GCP, DECISION, &[DECISION_LINE]);
    let allowed = with(&with(DECISION, "DENIED", "ALLOWED"), r#""INGRESS""#, r#""EGRESS""#);
    let line = DECISION_LINE.replace("ingress source 0 rejected", "egress source 0 accepted");
    check(&GCP, allowed, &[&line]);
    assert!(lines_of(&GCP, FLOW)[0].contains(" egress - 0 - 1 "));
}

#[test]
fn trap_gcp_numbers_may_be_strings() {
    for (from, to) in [
        (r#""18344""#, "18344"),
        (r#""18344""#, "18344.0"),
        (r#":5432"#, r#":"5432""#),
        (r#":5432"#, ":5432.0"),
        (r#""protocol":6"#, r#""protocol":"6""#),
        (r#""protocol":6"#, r#""protocol":6.0"#),
    ] {
        check(&GCP, with(FLOW, from, to), &[FLOW_LINE]);
    }
}

#[test]
fn trap_icmp_has_no_ports() {
    let entry = with(&with(FLOW, r#""src_port":41834,"#, ""), r#""dest_port":5432,"#, "");
    let entry = with(&entry, r#""protocol":6"#, r#""protocol":1"#);
    check(&GCP, entry, &[&FLOW_LINE.replace("41834 5432 6", "0 0 1")]);
}

#[test]
fn trap_gcp_metadata_may_be_excluded() {
    let entry = with(FLOW, r#""src_instance":"#, r#""x":"#);
    let entry = with(&entry, r#""src_vpc":"#, r#""y":"#);
    let line =
        "record gcp - - 1793613600 1793613604 10.3.0.4 10.3.1.9 41834 5432 6 egress - 0 - 1 41 18344 0 0";
    check(&GCP, &entry, &[line]);
    // Part of a name is no name.
    let entry = with(FLOW, r#","zone":"europe-west1-b","#, ",");
    let line = FLOW_LINE.replace("projects/p1/zones/europe-west1-b/instances/web-1", "-");
    check(&GCP, entry, &[&line]);
}

#[test]
fn trap_ipv6_text_forms_differ() {
    let entry = with(FLOW, r#""10.3.0.4""#, r#""2001:DB8:0:0:0:0:0:4""#);
    check(&GCP, entry, &[&FLOW_LINE.replace("10.3.0.4", "2001:db8::4")]);
}

#[test]
fn times_have_fractions_and_offsets() {
    let entry = with(FLOW, "2026-11-02T10:00:00.1Z", "2026-11-02T11:30:00.123456789+01:30");
    check(&GCP, entry, &[FLOW_LINE]);
}

#[test]
fn entries_of_other_logs_are_counted() {
    let mut reader = Gcp::new();
    let mut sink = Lines::default();
    for other in [
        with(FLOW, "%2Fvpc_flows", "%2Fdns_queries"),
        with(FLOW, "compute.googleapis.com%2Fvpc_flows", "syslog"),
        // A payload with fields of our names and other contents.
        r#"{"logName":"projects/p1/logs/mine","jsonPayload":{"connection":"lost","instance":7}}"#.to_owned(),
        r#"{"logName":"projects/p1/logs/mine","textPayload":"hello"}"#.to_owned(),
    ] {
        reader.feed(format!("{other}\n").as_bytes(), &mut sink);
    }
    reader.finish(&mut sink);
    assert_eq!((reader.others(), sink.lines), (4, vec![]));
}

#[test]
fn flow_logs_of_the_network_management_api_are_read() {
    check(&GCP, with(FLOW, "compute.googleapis.com%2F", "networkmanagement.googleapis.com%2F"), &[FLOW_LINE]);
}

#[test]
fn a_bad_line_is_one_fault_and_the_rest_goes_on() {
    for (bad, reason) in [
        ("{".to_owned(), "is no log entry: EOF while parsing an object at line 1 column 1"),
        ("[]".to_owned(), "is no log entry: invalid length 0, expected an object at line 1 column 2"),
        ("{}".to_owned(), "is no log entry: it has no `logName`"),
        (
            r#"{"logName":"projects/p1/logs/compute.googleapis.com%2Fvpc_flows"}"#.to_owned(),
            "has no `jsonPayload`",
        ),
        (with(FLOW, "\"connection\"", "\"c\""), "has no `connection`"),
        (with(FLOW, r#""src_ip":"10.3.0.4","#, ""), "has no `src_ip`"),
        (with(FLOW, "10.3.1.9", "10.3.1.9.1"), "cannot read the dest_ip `10.3.1.9.1`"),
        (with(FLOW, r#","protocol":6"#, ""), "has no `protocol`"),
        (with(FLOW, ":5432", ":65536"), "cannot read the dest_port `65536`"),
        (with(FLOW, "10:00:04.7Z", "10:00:61Z"), "cannot read the end_time `2026-11-02T10:00:61Z`"),
        (with(FLOW, r#""start_time""#, r#""s""#), "has no `start_time`"),
        (with(DECISION, "DENIED", "MAYBE"), "cannot read the disposition `MAYBE`"),
        (with(DECISION, r#""disposition""#, r#""d""#), "has no `disposition`"),
    ] {
        let fault = format!("fault {} {reason}", FLOW.len() + 1);
        check(&GCP, format!("{FLOW}\n{bad}\n{FLOW}"), &[FLOW_LINE, &fault, FLOW_LINE]);
    }
}

#[test]
fn negative_and_broken_numbers_are_faults() {
    for bad in ["-1", "1.5", "\"x\"", "\"\"", "1e300", "true"] {
        let lines = lines_of(&GCP, with(FLOW, r#""18344""#, bad));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("expected a whole number from 0"), "{lines:?}");
    }
}

#[test]
fn mixed_line_ends_and_empty_lines_change_nothing() {
    let text = format!("\n{FLOW}\r\n\r\n{DECISION}\n \n{FLOW}");
    check(&GCP, text, &[FLOW_LINE, DECISION_LINE, FLOW_LINE]);
}

#[test]
fn a_line_over_the_limit_is_one_fault_and_the_rest_goes_on() {
    let text = [FLOW, "\n", &"x".repeat(LINE_BYTES_MAX + 1), "\n", FLOW, "\n"].concat();
    let fault = format!("fault {} a line of more than 1048576 bytes is left out", FLOW.len() + 1);
    for step in [text.len(), 1 << 16, 4093] {
        let (mut reader, mut sink) = (Gcp::new(), Lines::default());
        text.as_bytes().chunks(step).for_each(|chunk| reader.feed(chunk, &mut sink));
        assert_eq!(reader.finish(&mut sink), text.len() as u64);
        assert_eq!(sink.lines, [FLOW_LINE, &fault, FLOW_LINE]);
    }
}

#[test]
fn a_line_of_two_gigabytes_is_one_fault() {
    let (mut reader, mut sink) = (Gcp::new(), Lines::default());
    let piece = vec![b'x'; 1 << 20];
    (0..2048).for_each(|_| reader.feed(&piece, &mut sink));
    reader.feed(format!("\n{FLOW}").as_bytes(), &mut sink);
    reader.finish(&mut sink);
    assert_eq!(sink.lines, ["fault 0 a line of more than 1048576 bytes is left out", FLOW_LINE]);
}
