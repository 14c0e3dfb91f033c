//! Azure: virtual network flow logs and NSG flow logs. Shapes are those of Microsoft's documentation, with values of our own.

use flow::Format;
use flow::format::Reader;
use flow::format::azure::ELEMENT_BYTES_MAX;

use crate::lines::Lines;
use crate::{check, lines_of, read};

const AZURE: Format = Format::AzureJson;
const NETWORK: &str =
    "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Network/virtualNetworks/vnet1";
const GROUP: &str =
    "/SUBSCRIPTIONS/S1/RESOURCEGROUPS/RG1/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/NSG1";

fn quoted(tuples: &[&str]) -> String {
    tuples.iter().map(|tuple| format!("\"{tuple}\"")).collect::<Vec<_>>().join(",")
}

fn element_of(target: &str, tuples: &[&str]) -> String {
    format!(
        r#"{{"time":"2026-11-02T10:01:00.52Z","flowLogVersion":4,"flowLogGUID":"7f","macAddress":"002248AABBCC","category":"FlowLogFlowEvent","flowLogResourceID":"/X","targetResourceID":"{target}","operationName":"FlowLogFlowEvent","flowRecords":{{"flows":[{{"aclID":"5a3e","flowGroups":[{{"rule":"r","flowTuples":[{}]}}]}}]}}}}"#,
        quoted(tuples)
    )
}

fn element(tuples: &[&str]) -> String {
    element_of(NETWORK, tuples)
}

fn group_element(version: u32, tuples: &[&str]) -> String {
    format!(
        r#"{{"time":"2026-11-02T10:00:12.11Z","systemId":"0b1c","macAddress":"000000000000","category":"NetworkSecurityGroupFlowEvent","resourceId":"{GROUP}","operationName":"NetworkSecurityGroupFlowEvents","properties":{{"Version":{version},"flows":[{{"rule":"UserRule_x","flows":[{{"mac":"002248AABBCC","flowTuples":[{}]}}]}}]}}}}"#,
        quoted(tuples)
    )
}

fn document(elements: &[String]) -> String {
    format!(r#"{{"records":[{}]}}"#, elements.join(","))
}

/// What a record line begins with.
fn at(network: &str) -> String {
    format!("record azure 002248AABBCC {network} ")
}

#[track_caller]
fn check_tuples(elements: &[String], network: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|rest| at(network) + rest).collect();
    assert_eq!(lines_of(&AZURE, document(elements)), expected);
}

#[test]
fn virtual_network_flow_log() {
    let tuples = [
        "1793613600123,10.1.0.4,10.1.0.9,50110,5432,6,O,B,NX,0,0,0,0",
        "1793613604456,10.1.0.4,10.1.0.9,50110,5432,6,O,E,NX,12,1440,9,2011",
        "1793613611001,203.0.113.9,10.1.0.9,51515,22,6,I,D,NX,0,0,0,0",
    ];
    check_tuples(
        &[element(&tuples)],
        NETWORK,
        &[
            "1793613600 1793613600 10.1.0.4 10.1.0.9 50110 5432 6 egress source 0 accepted 1 0 0 0 0",
            "1793613604 1793613604 10.1.0.4 10.1.0.9 50110 5432 6 egress source 0 accepted 0 12 1440 9 2011",
            "1793613611 1793613611 203.0.113.9 10.1.0.9 51515 22 6 ingress source 0 rejected 1 0 0 0 0",
        ],
    );
}

#[test]
fn nsg_flow_log_version_2() {
    let tuples = [
        "1793613600,10.1.0.4,10.1.0.9,50110,5432,T,O,A,B,,,,",
        "1793613900,10.1.0.4,10.1.0.9,50110,5432,T,O,A,C,120,14400,98,20110",
        "1793613611,10.1.0.7,10.1.0.9,50444,22,T,I,D,B,,,,",
    ];
    check_tuples(
        &[group_element(2, &tuples)],
        GROUP,
        &[
            "1793613600 1793613600 10.1.0.4 10.1.0.9 50110 5432 6 egress source 0 accepted 1 0 0 0 0",
            "1793613900 1793613900 10.1.0.4 10.1.0.9 50110 5432 6 egress source 0 accepted 0 120 14400 98 20110",
            "1793613611 1793613611 10.1.0.7 10.1.0.9 50444 22 6 ingress source 0 rejected 1 0 0 0 0",
        ],
    );
}

#[test]
fn nsg_flow_log_version_1_has_no_states_and_each_tuple_is_one_connection() {
    let tuples =
        ["1793613600,192.0.2.17,10.1.0.4,61771,3389,T,I,A", "1793613601,192.0.2.95,10.1.0.4,53,1732,U,I,D"];
    check_tuples(
        &[group_element(1, &tuples)],
        GROUP,
        &[
            "1793613600 1793613600 192.0.2.17 10.1.0.4 61771 3389 6 ingress source 0 accepted 1 0 0 0 0",
            "1793613601 1793613601 192.0.2.95 10.1.0.4 53 1732 17 ingress source 0 rejected 1 0 0 0 0",
        ],
    );
}

#[test]
fn trap_azure_begin_has_no_counters_and_is_the_connection() {
    for counters in ["0,0,0,0", ",,,"] {
        let tuple = format!("1793613600123,10.1.0.4,10.1.0.9,50110,5432,6,O,B,NX,{counters}");
        check_tuples(
            &[element(&[&tuple])],
            NETWORK,
            &["1793613600 1793613600 10.1.0.4 10.1.0.9 50110 5432 6 egress source 0 accepted 1 0 0 0 0"],
        );
    }
}

#[test]
fn trap_azure_counters_are_deltas_and_continuations_are_no_connections() {
    // Microsoft's own example of a calculation: 1,021 + 52 + 8,005 + 47 packets.
    let tuples = [
        "1493763938,185.170.185.105,10.2.0.4,35370,23,6,I,B,NX,,,,",
        "1493695838,185.170.185.105,10.2.0.4,35370,23,6,I,C,NX,1021,588096,8005,4610880",
        "1493696138,185.170.185.105,10.2.0.4,35370,23,6,I,E,NX,52,29952,47,27072",
    ];
    let lines = lines_of(&AZURE, document(&[element(&tuples)]));
    let sum = |field: usize| -> u64 {
        lines.iter().map(|line| line.split(' ').nth(field).unwrap().parse::<u64>().unwrap()).sum()
    };
    assert_eq!([15, 16, 17, 18, 19].map(sum), [1, 1_073, 618_048, 8_052, 4_637_952]);
}

#[test]
fn trap_azure_seconds_and_milliseconds() {
    for (written, read) in [
        ("1793613600", 1_793_613_600_i64),
        ("1793613600999", 1_793_613_600),
        ("99999999999", 99_999_999_999),
        ("100000000000", 100_000_000),
    ] {
        let tuple = format!("{written},10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,");
        let expected = format!("{read} {read} 10.1.0.4 10.1.0.9 1 2 6 egress source 0 accepted 1 0 0 0 0");
        check_tuples(&[element(&[&tuple])], NETWORK, &[&expected]);
    }
}

#[test]
fn trap_azure_protocol_names_and_numbers() {
    for (written, read) in [("T", 6), ("U", 17), ("6", 6), ("17", 17), ("1", 1), ("58", 58)] {
        let tuple = format!("1793613600,10.1.0.4,10.1.0.9,0,0,{written},O,B,NX,,,,");
        let expected =
            format!("1793613600 1793613600 10.1.0.4 10.1.0.9 0 0 {read} egress source 0 accepted 1 0 0 0 0");
        check_tuples(&[element(&[&tuple])], NETWORK, &[&expected]);
    }
}

#[test]
fn trap_icmp_has_no_ports() {
    let tuple = "1793613600,10.1.0.4,10.1.0.9,,,1,O,B,NX,,,,";
    check_tuples(
        &[element(&[tuple])],
        NETWORK,
        &["1793613600 1793613600 10.1.0.4 10.1.0.9 0 0 1 egress source 0 accepted 1 0 0 0 0"],
    );
}

#[test]
fn trap_ipv6_text_forms_differ() {
    let tuples = [
        "1793613600,2001:DB8:0:0:0:0:0:4,2001:db8::9,1,2,6,O,B,NX,,,,",
        "1793613600,2001:db8::4,2001:0db8:0000:0000:0000:0000:0000:0009,1,2,6,O,B,NX,,,,",
    ];
    let line = "1793613600 1793613600 2001:db8::4 2001:db8::9 1 2 6 egress source 0 accepted 1 0 0 0 0";
    check_tuples(&[element(&tuples)], NETWORK, &[line, line]);
}

#[test]
fn trap_azure_resource_ids_differ_in_case_and_stay_as_they_are() {
    // `Point` is compared without letter case: the reader does not touch it, only finds the network in it.
    let upper = NETWORK.to_uppercase();
    let tuple = "1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,";
    let rest = "1793613600 1793613600 10.1.0.4 10.1.0.9 1 2 6 egress source 0 accepted 1 0 0 0 0";
    check_tuples(&[element_of(&upper, &[tuple])], &upper, &[rest]);
    check_tuples(&[element_of(&(upper.clone() + "/SUBNETS/APP"), &[tuple])], &upper, &[rest]);
    check_tuples(&[element_of(&format!("{NETWORK}/subnets/app"), &[tuple])], NETWORK, &[rest]);
    let interface = "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Network/networkInterfaces/nic1";
    check_tuples(&[element_of(interface, &[tuple])], "-", &[rest]);
}

#[test]
fn trap_azure_hour_file_grows() {
    let tuple = |port: usize| format!("1793613600,10.1.0.4,10.1.0.9,{port},2,6,O,B,NX,,,,");
    let elements: Vec<String> = (1..=4).map(|port| element(&[&tuple(port)])).collect();
    let all = lines_of(&AZURE, document(&elements));
    for separator in ["", "\n", "\r\n  "] {
        let grown = |count: usize| {
            format!("{{\"records\":[{separator}{}]}}", elements[..count].join(&format!(",{separator}")))
        };
        let mut seen = Vec::new();
        let mut offset = 0;
        for count in 0..=4 {
            let text = grown(count);
            let (lines, done) = read(&AZURE, offset > 0, &text.as_bytes()[offset..], &[]);
            seen.extend(lines);
            offset += done as usize;
            // The end of the document is not dealt with: it will be overwritten.
            assert!(text[offset..].trim_start().starts_with("]}"), "{count}: {}", &text[offset..]);
            // Nothing new: nothing is read, and the position stays.
            assert_eq!(read(&AZURE, true, &text.as_bytes()[offset..], &[]), (vec![], 0));
        }
        assert_eq!(seen, all);
    }
}

#[test]
fn an_hour_read_at_any_two_moments_has_each_record_once() {
    let tuple = |port: usize| format!("1793613600,10.1.0.4,10.1.0.9,{port},2,6,O,B,NX,,,,");
    let text = document(&[element(&[&tuple(1), &tuple(2)]), element(&[&tuple(3)])]);
    let text = text.as_bytes();
    let all = lines_of(&AZURE, text);
    for cut in 0..text.len() {
        let (mut lines, done) = read(&AZURE, false, &text[..cut], &[]);
        let done = done as usize;
        let (more, _) = read(&AZURE, done > 0, &text[done..], &[]);
        lines.extend(more);
        assert_eq!(lines, all, "cut at {cut}, read to {done}");
    }
}

#[test]
fn a_document_breaks_off_at_the_element_that_is_not_whole() {
    let elements = [element(&["a"]), element(&["b"])];
    let text = document(&elements);
    let first = r#"{"records":["#.len();
    let second = first + elements[0].len() + 1;
    for end in 0..=text.len() {
        let mut reader = Reader::new(&AZURE).unwrap();
        reader.feed(&text.as_bytes()[..end], &mut Lines::default());
        let inside = |begin: usize, element: &str| end > begin && end < begin + element.len();
        let place = match end {
            0 => None,
            _ if inside(first, &elements[0]) => Some(first),
            _ if inside(second, &elements[1]) => Some(second),
            _ if end < text.len() => Some(end),
            _ => None,
        };
        assert_eq!(reader.breaks_off(), place.map(|place| place as u64), "cut at {end}");
    }
}

#[test]
fn a_bad_tuple_is_one_fault_at_its_place() {
    let good = "1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,";
    let line =
        at(NETWORK) + "1793613600 1793613600 10.1.0.4 10.1.0.9 1 2 6 egress source 0 accepted 1 0 0 0 0";
    for (bad, reason) in [
        ("", "cannot read the time ``"),
        ("1793613600,10.1.0.4", "a tuple of 2 fields has no destination"),
        ("1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,", "a tuple of 11 fields has no packets"),
        ("1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,", "a tuple of 12 fields has no bytes"),
        ("soon,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,", "cannot read the time `soon`"),
        ("-1,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,", "cannot read the time `-1`"),
        ("1793613600,10.1.0.256,10.1.0.9,1,2,6,O,B,NX,,,,", "cannot read the source `10.1.0.256`"),
        ("1793613600,10.1.0.4,web-1,1,2,6,O,B,NX,,,,", "cannot read the destination `web-1`"),
        ("1793613600,10.1.0.4,10.1.0.9,65536,2,6,O,B,NX,,,,", "cannot read the source port `65536`"),
        ("1793613600,10.1.0.4,10.1.0.9,1,2,256,O,B,NX,,,,", "cannot read the protocol `256`"),
        ("1793613600,10.1.0.4,10.1.0.9,1,2,6,X,B,NX,,,,", "cannot read the direction `X`"),
        ("1793613600,10.1.0.4,10.1.0.9,1,2,6,O,A,NX,,,,", "cannot read the state `A`"),
        ("1793613600,10.1.0.4,10.1.0.9,1,2,6,O,E,NX,1,2,3,4x", "cannot read the bytes `4x`"),
    ] {
        let text = document(&[element(&[good, bad, good])]);
        let place = text.find(&format!("\"{bad}\"")).unwrap() + 1;
        check(&AZURE, &text, &[&line, &format!("fault {place} {reason}"), &line]);
    }
}

#[test]
fn a_bad_element_is_one_fault_and_the_rest_goes_on() {
    let tuple = "1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,";
    let good = element(&[tuple]);
    let line =
        at(NETWORK) + "1793613600 1793613600 10.1.0.4 10.1.0.9 1 2 6 egress source 0 accepted 1 0 0 0 0";
    for (bad, reason) in [
        (
            good.replace("\"flowLogVersion\":4", "\"flowLogVersion\":5"),
            "unknown version of a flow log: `flowLogVersion` is `5`",
        ),
        (
            good.replace("\"flowLogVersion\":4,", ""),
            "unknown version of a flow log: `flowLogVersion` is nothing",
        ),
        (group_element(3, &[tuple]), "unknown version of a flow log: `Version` is `3`"),
        ("{}".to_owned(), "is no element of a flow log: it has neither `flowRecords` nor `properties`"),
        ("{]".to_owned(), "is no element of a flow log: key must be a string at line 1 column 2"),
        (
            r#"{"time":"}]}","x":"\"]"}"#.to_owned(),
            "is no element of a flow log: it has neither `flowRecords` nor `properties`",
        ),
    ] {
        let text = document(&[good.clone(), bad.clone(), good.clone()]);
        let place = "{\"records\":[".len() + good.len() + 1;
        check(&AZURE, &text, &[&line, &format!("fault {place} {reason}"), &line]);
    }
}

#[test]
fn what_is_no_element_is_one_fault_and_the_rest_goes_on() {
    let tuple = "1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,";
    let good = element(&[tuple]);
    let line =
        at(NETWORK) + "1793613600 1793613600 10.1.0.4 10.1.0.9 1 2 6 egress source 0 accepted 1 0 0 0 0";
    for stray in ["null", "1", "\"a,]{\"", "}"] {
        let text = document(&[good.clone(), stray.to_owned(), good.clone()]);
        let place = "{\"records\":[".len() + good.len() + 1;
        let fault = format!("fault {place} expected an object in `records`");
        check(&AZURE, &text, &[&line, &fault, &line]);
    }
}

#[test]
fn an_hour_that_ends_in_what_is_no_element_finishes_after_it() {
    // Found by fuzzing: a cut before the bracket gave another position.
    let text = "{\"records\":[null]}";
    assert_eq!(lines_of(&AZURE, text), ["fault 12 expected an object in `records`"]);
    assert_eq!(read(&AZURE, false, text.as_bytes(), &[]).1, 16);
}

#[test]
fn what_is_no_document_is_said_once() {
    check(&AZURE, "", &[]);
    check(&AZURE, " \n", &[]);
    check(&AZURE, "version account-id\n2 1", &["fault 0 is no document of flow logs: expected `{`"]);
    check(&AZURE, r#"{"a":[1]}"#, &["fault 8 is no document of flow logs: it has no `records`"]);
    // Keys with escapes, values called `records`, and other members are no records.
    check(
        &AZURE,
        r#"{"rec\"ords":[{}],"x":{"records":[{}]},"y":"records","z":[1]}"#,
        &["fault 60 is no document of flow logs: it has no `records`"],
    );
    check(&AZURE, "\u{feff}{\"x\":[{}],\"records\":[]}\n", &[]);
}

#[test]
fn documents_one_after_another_are_read_as_one() {
    let tuple = "1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,";
    let one = document(&[element(&[tuple])]);
    let mut twice = lines_of(&AZURE, &one);
    twice.extend(twice.clone());
    assert_eq!(lines_of(&AZURE, one.repeat(2)), twice);
}

#[test]
fn mixed_line_ends_and_escapes_change_nothing() {
    let tuple = "1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,0,0,0,0";
    let plain = document(&[element(&[tuple])]);
    let expected = lines_of(&AZURE, &plain);
    assert_eq!(expected.len(), 1);
    let spread = plain.replace(",\"", ",\r\n  \"").replace("[{", "[\n\t{").replace("}]", "}\r]");
    assert_eq!(lines_of(&AZURE, spread), expected);
    let escaped = plain.replace("10.1.0.4", "10.1\\u002e0.4").replace(NETWORK, &NETWORK.replace('/', "\\/"));
    assert_eq!(lines_of(&AZURE, escaped), expected);
}

#[test]
fn an_element_over_the_limit_is_one_fault_and_takes_no_memory() {
    let tuple = "1793613600,10.1.0.4,10.1.0.9,1,2,6,O,B,NX,,,,";
    let filler = vec![b' '; ELEMENT_BYTES_MAX];
    let good = element(&[tuple]);
    let line =
        at(NETWORK) + "1793613600 1793613600 10.1.0.4 10.1.0.9 1 2 6 egress source 0 accepted 1 0 0 0 0";
    let expected = [
        line.clone(),
        format!(
            "fault {} an element of {} bytes is over the limit of {ELEMENT_BYTES_MAX}",
            13 + good.len(),
            ELEMENT_BYTES_MAX + 2
        ),
        line,
    ];
    let parts: [&[u8]; 5] = [b"{\"records\":[", good.as_bytes(), b",{", &filler, b"},"];
    for step in [parts.concat().len(), 1 << 16] {
        let mut sink = Lines::default();
        let mut reader = Reader::new(&AZURE).unwrap();
        for part in [parts.concat().as_slice(), good.as_bytes(), b"]}"] {
            part.chunks(step).for_each(|chunk| reader.feed(chunk, &mut sink));
        }
        reader.finish(&mut sink);
        assert_eq!(sink.lines, expected);
    }
}
