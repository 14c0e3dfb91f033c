//! AWS text that is not as it should be: a clear account of each, and the rest goes on.

use flow::Format;
use flow::format::{LINE_BYTES_MAX, Reader};

use crate::told::{Told, V2, V2_FORMAT, check, read};

const HEADER: &str = "srcaddr dstaddr srcport dstport protocol start end";
const GOOD: &str = "10.0.0.1 10.0.0.2 1 2 6 10 20";
const READ: &str = "-/- 10.0.0.1 1 > 10.0.0.2 2 6 0/0 10..20 Unknown";

/// A broken line between two good ones.
fn check_broken(line: &str, reason: &str) {
    let text = format!("{HEADER}\n{GOOD}\n{line}\n{GOOD}\n");
    let offset = HEADER.len() + GOOD.len() + 2;
    check(&text, &[READ, &format!("fault at {offset}: {reason}"), READ]);
}

#[test]
fn a_broken_line_is_a_fault_and_the_rest_goes_on() {
    check_broken("10.0.0.256 10.0.0.2 1 2 6 10 20", "the field `srcaddr` cannot be `10.0.0.256`");
    check_broken("10.0.0.1 ten 1 2 6 10 20", "the field `dstaddr` cannot be `ten`");
    check_broken("10.0.0.1 10.0.0.2 65536 2 6 10 20", "the field `srcport` cannot be `65536`");
    check_broken("10.0.0.1 10.0.0.2 1 -2 6 10 20", "the field `dstport` cannot be `-2`");
    check_broken("10.0.0.1 10.0.0.2 1 2 256 10 20", "the field `protocol` cannot be `256`");
    check_broken("10.0.0.1 10.0.0.2 1 2 6 1790000005000 20", "the field `start` cannot be `1790000005000`");
    check_broken("10.0.0.1 10.0.0.2 1 2 6 10", "the line has less than the 7 fields of the header");
    check_broken("10.0.0.1 10.0.0.2 1 2 6 10 20 30", "the line has more than the 7 fields of the header");
    check_broken("10.0.0.1 10.0.0.2 1 2 6 10 20 ", "the line has more than the 7 fields of the header");
    check_broken("10.0.0.1  10.0.0.2 1 2 6 10 20", "the field `dstaddr` cannot be ``");
    check_broken("10.0.0.1\t10.0.0.2 1 2 6 10 20", "the field `srcaddr` cannot be `10.0.0.1\\t10.0.0.2`");
    check_broken("\u{1b}[31m 10.0.0.2 1 2 6 10 20", "the field `srcaddr` cannot be `\\x1b[31m`");
    check_broken("10.0.0.1 - 1 2 6 10 20", "the field `dstaddr` is empty");
    check_broken("10.0.0.1 10.0.0.2 1 - 6 10 20", "the field `dstport` is empty");
    check_broken("10.0.0.1 10.0.0.2 1 2 - 10 20", "the field `protocol` is empty");
    check_broken("10.0.0.1 10.0.0.2 1 2 6 10 -", "the field `end` is empty");
    check_broken(
        &format!("{} 10.0.0.2 1 2 6 10 20", "9".repeat(500)),
        &format!("the field `srcaddr` cannot be `{}`", "9".repeat(60)),
    );
}

#[test]
fn a_clock_that_jumped_is_a_fault() {
    check_broken("10.0.0.1 10.0.0.2 1 2 6 21 20", "the flow ends before it starts");
}

#[test]
fn words_that_are_not_known_are_faults() {
    let at = V2.len() + 1;
    let line = |end: &str| format!("{V2}\n2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 {end}\n");
    check(&line("ACCEPTED OK"), &[&format!("fault at {at}: the field `action` cannot be `ACCEPTED`")]);
    check(&line("ACCEPT okay"), &[&format!("fault at {at}: the field `log-status` cannot be `okay`")]);
    check(&line("ACCEPT NODATAX"), &[&format!("fault at {at}: the field `log-status` cannot be `NODATAX`")]);
}

#[test]
fn versions_that_are_not_known_are_faults() {
    let at = V2.len() + 1;
    let line =
        |version: &str| format!("{V2}\n{version} 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 ACCEPT OK\n");
    for version in ["0", "1", "11", "255"] {
        check(&line(version), &[&format!("fault at {at}: version `{version}` is not known")]);
    }
    check(&line("v2"), &[&format!("fault at {at}: the field `version` cannot be `v2`")]);
    let reason = "version `6` is of transit gateway flow logs, which are not read";
    check(&line("6"), &[&format!("fault at {at}: {reason}")]);
}

#[test]
fn transit_gateway_logs_are_told_apart_and_refused() {
    check(
        "version resource-type account-id tgw-id tgw-attachment-id srcaddr dstaddr srcport dstport protocol start end\n\
         6 TransitGateway 1 tgw-1 tgw-attach-1 10.0.0.1 10.0.0.2 1 2 6 10 20\n",
        &[
            "fault at 0: header: the field `resource-type` is of a transit gateway flow log (version 6), which is not read: \
           nothing that follows it can be read",
        ],
    );
    let error = Reader::new(&Format::AwsLines(format!("{V2_FORMAT} ${{tgw-id}}"))).err().unwrap();
    assert_eq!(
        error.to_string(),
        "log format: the field `tgw-id` is of a transit gateway flow log (version 6), which is not read"
    );
}

#[test]
fn a_piece_without_a_needed_field_is_one_fault() {
    for (field, missing) in [
        ("srcaddr", "srcaddr"),
        ("dstaddr", "dstaddr"),
        ("srcport", "srcport"),
        ("dstport", "dstport"),
        ("protocol", "protocol"),
        ("start", "start"),
        ("end", "end"),
    ] {
        let header: Vec<&str> = HEADER.split(' ').filter(|name| *name != field).collect();
        let reason = format!("the field `{missing}` is missing");
        check(
            &format!("{}\n{GOOD}\n{GOOD}\n", header.join(" ")),
            &[&format!("fault at 0: header: {reason}: nothing that follows it can be read")],
        );
        let format: Vec<String> = header.iter().map(|name| format!("${{{name}}}")).collect();
        let error = Reader::new(&Format::AwsLines(format.join(" "))).err().unwrap();
        assert_eq!(error.to_string(), format!("log format: {reason}"));
    }
}

#[test]
fn a_text_that_begins_with_no_header_is_one_fault() {
    for (first, quoted) in [
        (GOOD, GOOD),
        ("{\"records\":[", "{\\\"records\\\":["),
        ("hello world", "hello world"),
        ("\u{0}\u{1}\u{ff}", "\\x00\\x01\\xc3\\xbf"),
    ] {
        let reason = format!("`{quoted}` is no list of field names: nothing that follows it can be read");
        check(&format!("{first}\n{GOOD}\n"), &[&format!("fault at 0: header: {reason}")]);
    }
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    check(
        &format!("{HEADER} srcaddr\n{GOOD} 10.0.0.3\n"),
        &["fault at 0: header: the field `srcaddr` is there twice: nothing that follows it can be read"],
    );
}

#[test]
fn a_log_format_that_is_none_is_refused() {
    for format in ["", "  ", "version srcaddr", "${version", "${a b}", "${version} x ${srcaddr}"] {
        let error = Reader::new(&Format::AwsLines(format.into())).err().unwrap().to_string();
        assert_eq!(error, format!("log format: `{format}` is no list of field names"));
    }
}

#[test]
fn line_ends_may_be_mixed_and_the_last_absent() {
    check(&format!("{HEADER}\r\n{GOOD}\r\n{GOOD}\n\n\r\n{GOOD}"), &[READ; 3]);
    check(
        &format!("\n\r\n\u{feff}{HEADER}\n{GOOD}\n"),
        &[
            "fault at 3: header: `\\xef\\xbb\\xbfsrcaddr dstaddr srcport dstport protocol start end` is no list of field names: \
         nothing that follows it can be read",
        ],
    );
    check(&format!("\u{feff}{HEADER}\n{GOOD}\n"), &[READ]);
    check(&format!("\n\r\n{HEADER}\n{GOOD}"), &[READ]);
}

#[test]
fn a_text_of_a_header_or_of_nothing_is_no_fault() {
    for text in ["", "\n", "\r\n\r\n", HEADER, "srcaddr dstaddr srcport dstport protocol start end\n"] {
        check(text, &[]);
    }
}

/// Files that were joined.
#[test]
fn headers_in_the_middle_change_the_layout() {
    let other = "end start srcaddr dstaddr srcport dstport protocol";
    check(
        &format!(
            "{HEADER}\n{GOOD}\n{HEADER}\r\n{GOOD}\n{other}\n20 10 10.0.0.1 10.0.0.2 1 2 6\n{HEADER}\n{GOOD}\n"
        ),
        &[READ; 4],
    );
}

/// A better header may follow a bad one, and a bad one a good one.
#[test]
fn a_bad_header_ends_with_the_next_good_one() {
    let bad = "version srcaddr start end";
    let offset = HEADER.len() + GOOD.len() + 2;
    check(
        &format!("{HEADER}\n{GOOD}\n{bad}\n2 10.0.0.1 10 20\n{HEADER}\n{GOOD}\n"),
        &[
            READ,
            &format!(
                "fault at {offset}: header: the field `dstaddr` is missing: nothing that follows it can be read"
            ),
            READ,
        ],
    );
    check(
        &format!("what is this\n{GOOD}\n{HEADER}\n{GOOD}\n"),
        &[
            "fault at 0: header: `what is this` is no list of field names: nothing that follows it can be read",
            READ,
        ],
    );
}

/// The word that headers are found by, in a name that a user chose.
#[test]
fn a_line_that_mentions_a_field_is_no_header() {
    check(&format!("{HEADER} ecs-service-name\n{GOOD} srcaddr\n{GOOD} my-srcaddr-service\n"), &[READ, READ]);
}

#[test]
fn a_line_that_is_too_long_is_left_out() {
    let long = "9".repeat(LINE_BYTES_MAX + 1);
    let offset = HEADER.len() + 1;
    check(
        &format!("{HEADER}\n{long}\n{GOOD}\n"),
        &[&format!("fault at {offset}: a line of more than 1048576 bytes is left out"), READ],
    );
    let almost = format!("{} 10.0.0.2 1 2 6 10 20", "9".repeat(LINE_BYTES_MAX - 22));
    assert_eq!(almost.len(), LINE_BYTES_MAX - 1);
    let told = read(&Format::AwsText, format!("{HEADER}\n{almost}\n{GOOD}\n").as_bytes());
    assert_eq!(
        told.lines[0],
        format!("fault at {offset}: the field `srcaddr` cannot be `{}`", "9".repeat(60))
    );
    assert_eq!(told.lines[1..], [READ]);
}

/// 64 MiB without a line end, in the memory of one line.
#[test]
fn a_line_of_many_megabytes_goes_by() {
    let mut told = Told::default();
    let mut reader = Reader::new(&Format::AwsText).unwrap();
    reader.feed(format!("{HEADER}\n{GOOD}\n").as_bytes(), &mut told);
    let block = vec![b'7'; 1 << 20];
    for _ in 0..64 {
        reader.feed(&block, &mut told);
    }
    reader.feed(format!("\n{GOOD}\n").as_bytes(), &mut told);
    let offset = HEADER.len() + GOOD.len() + 2;
    assert_eq!(reader.finish(&mut told), (offset + (64 << 20) + GOOD.len() + 2) as u64);
    let fault = format!("fault at {offset}: a line of more than 1048576 bytes is left out");
    assert_eq!(told.lines, [READ, &fault, READ]);
}
