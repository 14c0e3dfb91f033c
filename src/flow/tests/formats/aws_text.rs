//! AWS text: what each version and each field means.

use flow::Format;

use crate::told::{V2, V2_FORMAT, check, read};

const ACCEPT: &str =
    "2 111122223333 eni-0a1 10.20.1.15 10.20.2.30 41834 5432 6 9 1240 1790000005 1790000058 ACCEPT OK";
const ACCEPTED: &str =
    "-/eni-0a1 10.20.1.15 41834 > 10.20.2.30 5432 6 9/1240 1790000005..1790000058 Accepted";

#[test]
fn default_fields_are_read() {
    let reject =
        "2 111122223333 eni-0a2 10.20.9.9 10.20.1.15 50022 22 6 3 180 1790000005 1790000031 REJECT OK";
    let rejected = "-/eni-0a2 10.20.9.9 50022 > 10.20.1.15 22 6 3/180 1790000005..1790000031 Rejected";
    check(&format!("{V2}\n{ACCEPT}\n{reject}\n"), &[ACCEPTED, rejected]);
}

#[test]
fn columns_are_read_by_name_and_never_by_position() {
    check(
        "end start action dstport srcport dstaddr srcaddr bytes protocol interface-id\n\
         1790000058 1790000005 REJECT 22 50022 10.0.0.2 10.0.0.1 180 17 eni-1\n",
        &["-/eni-1 10.0.0.1 50022 > 10.0.0.2 22 17 0/180 1790000005..1790000058 Rejected"],
    );
}

#[test]
fn log_format_stands_for_the_header_where_there_is_none() {
    let told = read(&Format::AwsLines(V2_FORMAT.into()), format!("{ACCEPT}\n").as_bytes());
    assert_eq!(told.lines, [ACCEPTED]);
    let turned = "${log-status} ${end} ${start} ${srcaddr} ${dstaddr} ${protocol} ${dstport} ${srcport}";
    let told = read(&Format::AwsLines(turned.into()), b"OK 20 10 10.0.0.1 10.0.0.2 6 443 50000");
    assert_eq!(told.lines, ["-/- 10.0.0.1 50000 > 10.0.0.2 443 6 0/0 10..20 Unknown"]);
}

/// All 42 fields, in the order of the documentation.
#[test]
fn all_fields_of_version_10_are_read() {
    let header = format!(
        "{V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type \
         sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path ecs-cluster-arn \
         ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id \
         ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id reject-reason \
         resource-id encryption-status"
    );
    let line = "10 111122223333 eni-0a1 10.20.1.15 10.20.2.30 41834 5432 6 9 1240 1790000005 1790000058 REJECT OK \
                vpc-0a1 subnet-0b2 i-0c3 2 IPv4 10.20.1.99 10.20.2.98 eu-west-1 euw1-az1 - - - S3 egress 1 - shop - - - - \
                - - - - BPA - 3";
    assert_eq!(header.split(' ').count(), 42);
    check(
        &format!("{header}\n{line}\n"),
        &[
            "vpc-0a1/eni-0a1 10.20.1.99 41834 > 10.20.2.98 5432 6 9/1240 1790000005..1790000058 Rejected flags 2 out",
        ],
    );
}

#[test]
fn fields_that_are_newer_than_us_are_skipped() {
    let line = "10 something-new 10.0.0.1 10.0.0.2 1 2 6 10 20 {x:y}";
    let expected = "-/- 10.0.0.1 1 > 10.0.0.2 2 6 0/0 10..20 Unknown";
    check(
        &format!("version future-field srcaddr dstaddr srcport dstport protocol start end other\n{line}\n"),
        &[expected],
    );
}

#[test]
fn every_known_version_is_read() {
    for version in [2, 3, 4, 5, 7, 8, 9, 10] {
        check(&format!("{V2}\n{version}{}\n", &ACCEPT[1..]), &[ACCEPTED]);
    }
}

/// Trap: srcaddr and dstaddr are the interface's first address, whatever was on the packet.
#[test]
fn addresses_on_the_packet_come_first() {
    let header = "srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport protocol start end";
    check(
        &format!(
            "{header}\n10.0.0.1 10.0.0.2 10.0.0.11 10.0.0.12 1 2 6 10 20\n10.0.0.1 10.0.0.2 - - 1 2 6 10 20\n\
             10.0.0.1 10.0.0.2 - 10.0.0.12 1 2 6 10 20\n- - 10.0.0.11 10.0.0.12 1 2 6 10 20\n"
        ),
        &[
            "-/- 10.0.0.11 1 > 10.0.0.12 2 6 0/0 10..20 Unknown",
            "-/- 10.0.0.1 1 > 10.0.0.2 2 6 0/0 10..20 Unknown",
            "-/- 10.0.0.1 1 > 10.0.0.12 2 6 0/0 10..20 Unknown",
            "-/- 10.0.0.11 1 > 10.0.0.12 2 6 0/0 10..20 Unknown",
        ],
    );
    let only_on_packet = "pkt-srcaddr pkt-dstaddr srcport dstport protocol start end";
    check(
        &format!("{only_on_packet}\n10.0.0.11 10.0.0.12 1 2 6 10 20\n"),
        &["-/- 10.0.0.11 1 > 10.0.0.12 2 6 0/0 10..20 Unknown"],
    );
}

/// Trap: SKIPDATA and NODATA are not traffic.
#[test]
fn skipdata_and_nodata_are_gaps_and_never_traffic() {
    check(
        &format!(
            "{V2}\n2 111122223333 eni-0a1 - - - - - - - 1790000060 1790000119 - NODATA\n\
             2 111122223333 eni-0a1 - - - - - - - 1790000120 1790000179 - SKIPDATA\n"
        ),
        &["-/eni-0a1 NoData 1790000060..1790000119", "-/eni-0a1 Skipped 1790000120..1790000179"],
    );
}

/// Whatever stands in the other columns of such a line.
#[test]
fn skipdata_with_addresses_is_no_traffic_either() {
    check(
        &format!("{V2}\n2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 ACCEPT SKIPDATA\n"),
        &["-/eni-1 Skipped 10..20"],
    );
}

#[test]
fn a_blank_line_of_a_log_without_status_counts_as_lost() {
    let header = "interface-id srcaddr dstaddr srcport dstport protocol start end";
    check(&format!("{header}\neni-1 - - - - - 10 20\n"), &["-/eni-1 Skipped 10..20"]);
}

/// Trap: text forms of IPv6 differ.
#[test]
fn ipv6_text_forms_are_one_address() {
    let line = |source: &str| format!("{source} 2001:db8::9 1 2 6 10 20\n");
    let forms = ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8::0001", "2001:db8::0.0.0.1"];
    let text: String = forms.iter().map(|form| line(form)).collect();
    check(
        &format!("srcaddr dstaddr srcport dstport protocol start end\n{text}"),
        &["-/- 2001:db8::1 1 > 2001:db8::9 2 6 0/0 10..20 Unknown"; 4],
    );
}

/// Trap: ICMP has ports 0, or none.
#[test]
fn protocols_without_ports_have_ports_0() {
    let header = "srcaddr dstaddr srcport dstport protocol start end";
    let line = |rest: &str| format!("10.0.0.1 10.0.0.2 {rest} 10 20\n");
    check(
        &format!("{header}\n{}{}{}", line("0 0 1"), line("- - 1"), line("8 0 1")),
        &["-/- 10.0.0.1 0 > 10.0.0.2 0 1 0/0 10..20 Unknown"; 3],
    );
}

#[test]
fn absent_fields_are_absent() {
    check(
        &format!(
            "{V2} tcp-flags flow-direction vpc-id\n2 1 - 10.0.0.1 10.0.0.2 1 2 6 - - 10 20 - OK - - -\n"
        ),
        &["-/- 10.0.0.1 1 > 10.0.0.2 2 6 0/0 10..20 Unknown"],
    );
}

#[test]
fn nothing_of_a_line_stays_for_the_next() {
    let header = format!("{V2} tcp-flags flow-direction vpc-id pkt-srcaddr");
    check(
        &format!(
            "{header}\n2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 4 10 20 REJECT OK 2 egress vpc-1 10.0.0.7\n\
             2 1 - 10.0.0.1 10.0.0.2 - - 1 - - 10 20 - - - - - -\n"
        ),
        &[
            "vpc-1/eni-1 10.0.0.7 1 > 10.0.0.2 2 6 3/4 10..20 Rejected flags 2 out",
            "-/- 10.0.0.1 0 > 10.0.0.2 0 1 0/0 10..20 Unknown",
        ],
    );
}

#[test]
fn a_point_is_asked_for_once() {
    let mut text = format!("{V2} vpc-id\n");
    for number in 0..1000 {
        let interface = number % 10;
        text += &format!("2 1 eni-{interface} 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 ACCEPT OK vpc-1\n");
    }
    let told = read(&Format::AwsText, text.as_bytes());
    assert_eq!((told.lines.len(), told.asked, told.points.len()), (1000, 10, 10));
}
