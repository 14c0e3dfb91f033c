//! AWS VPC flow logs in Parquet. Files are written here by the low-level writer, in every way that writers have;
//! files of other writers are read by `tests/python/flow_formats.py`.

use flow::format::aws_parquet;
use parquet::basic::{Compression, Encoding, Repetition};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;

use crate::lines::Lines;
use crate::table::{Cells, Table, write};

fn text(cells: &[&str]) -> Cells {
    Cells::Text(cells.iter().map(|cell| Some((*cell).to_owned()).filter(|cell| cell != "NULL")).collect())
}

fn narrow(cells: &[i32]) -> Cells {
    Cells::Narrow(cells.iter().map(|cell| Some(*cell).filter(|cell| *cell != i32::MIN)).collect())
}

fn wide(cells: &[i64]) -> Cells {
    Cells::Wide(cells.iter().map(|cell| Some(*cell).filter(|cell| *cell != i64::MIN)).collect())
}

const NONE: i32 = i32::MIN;

/// Four rows: a flow, its reply through a NAT, a gap of each kind.
fn table() -> Table {
    vec![
        ("version", narrow(&[5, 5, 5, 5])),
        ("account_id", text(&["1", "1", "1", "1"])),
        ("interface_id", text(&["eni-1", "eni-1", "eni-2", "eni-1"])),
        ("srcaddr", text(&["10.0.0.1", "10.0.0.2", "-", "NULL"])),
        ("dstaddr", text(&["10.0.0.2", "10.0.0.1", "-", "NULL"])),
        ("srcport", narrow(&[41834, 5432, NONE, 0])),
        ("dstport", narrow(&[5432, 41834, NONE, 0])),
        ("protocol", narrow(&[6, 6, NONE, 0])),
        ("packets", wide(&[9, 7, i64::MIN, 0])),
        ("bytes", wide(&[1240, 840, i64::MIN, 0])),
        ("start", wide(&[1790000005, 1790000006, 1790000060, 1790000120])),
        ("end", wide(&[1790000058, 1790000059, 1790000119, 1790000179])),
        ("action", text(&["ACCEPT", "REJECT", "-", "NULL"])),
        ("log_status", text(&["OK", "OK", "NODATA", "SKIPDATA"])),
        ("vpc_id", text(&["vpc-1", "vpc-1", "-", "NULL"])),
        ("tcp_flags", narrow(&[2, 18, NONE, 0])),
        ("type", text(&["IPv4", "IPv4", "-", "-"])),
        ("pkt_srcaddr", text(&["-", "10.0.9.9", "-", "NULL"])),
        ("pkt_dstaddr", text(&["10.0.8.8", "NULL", "-", "NULL"])),
        ("flow_direction", text(&["egress", "ingress", "-", "NULL"])),
    ]
}

const LINES: [&str; 4] = [
    "record aws eni-1 vpc-1 1790000005 1790000058 10.0.0.1 10.0.8.8 41834 5432 6 egress - 2 accepted 1 9 1240 0 0",
    "record aws eni-1 vpc-1 1790000006 1790000059 10.0.9.9 10.0.0.1 5432 41834 6 ingress - 18 rejected 1 7 840 0 0",
    "gap aws eni-2 - 1790000060 1790000119 no-data",
    "gap aws eni-1 - 1790000120 1790000179 skipped",
];

/// The same rows over and over.
fn repeated(table: &Table, times: usize) -> Table {
    let repeat = |cells: &Cells| match cells {
        Cells::Narrow(cells) => Cells::Narrow(cells.repeat(times)),
        Cells::Wide(cells) => Cells::Wide(cells.repeat(times)),
        Cells::Text(cells) => Cells::Text(std::iter::repeat_n(cells, times).flatten().cloned().collect()),
        Cells::Fractions(cells) => Cells::Fractions(cells.repeat(times)),
    };
    table.iter().map(|(name, cells)| (*name, repeat(cells))).collect()
}

fn without(table: &Table, names: &[&str]) -> Table {
    table.iter().filter(|(name, _)| !names.contains(name)).cloned().collect()
}

fn replaced(table: &Table, name: &str, cells: Cells) -> Table {
    let mut table = table.clone();
    table.iter_mut().find(|(other, _)| *other == name).unwrap().1 = cells;
    table
}

pub fn lines_of(file: Vec<u8>) -> Vec<String> {
    let mut sink = Lines::default();
    aws_parquet::read(bytes::Bytes::from(file), &mut sink);
    sink.lines
}

fn simple(table: &Table) -> Vec<u8> {
    write(table, WriterProperties::builder(), Repetition::OPTIONAL, 1 << 20)
}

#[test]
fn every_way_to_write_a_file_reads_the_same() {
    let table = repeated(&table(), 520);
    let expected: Vec<&str> = LINES.repeat(520);
    let gzip = Compression::GZIP(Default::default());
    let zstd = Compression::ZSTD(Default::default());
    // 2048 rows are a batch: pages and row groups end before, at and after its end.
    let mut ways = vec![(gzip, 500, 3000), (zstd, 500, 3000), (Compression::SNAPPY, 500, 3000)];
    ways.extend(
        [(100_000, 100_000), (3, 1000), (2048, 2048), (37, 2049)]
            .map(|(page, group)| (Compression::UNCOMPRESSED, page, group)),
    );
    for (compression, page_rows, group) in ways {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [true, false] {
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_writer_version(version)
                    .set_dictionary_enabled(dictionary)
                    .set_write_batch_size(page_rows.min(1000))
                    .set_data_page_row_count_limit(page_rows);
                let file = write(&table, properties, Repetition::OPTIONAL, group);
                assert!(
                    lines_of(file) == expected,
                    "{compression} {version:?} {dictionary} {page_rows} {group}"
                );
            }
        }
    }
}

#[test]
fn encodings_that_only_the_crate_decodes() {
    let table = repeated(&table(), 700);
    let properties = differences(&table).set_data_page_row_count_limit(100);
    assert_eq!(lines_of(write(&table, properties, Repetition::OPTIONAL, 1500)), LINES.repeat(700));
}

/// Every column in one of the DELTA encodings.
fn differences(table: &Table) -> WriterPropertiesBuilder {
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    table.iter().fold(properties, |properties, (name, cells)| {
        let encoding = match cells {
            Cells::Text(_) if *name == "srcaddr" => Encoding::DELTA_BYTE_ARRAY,
            Cells::Text(_) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            _ => Encoding::DELTA_BINARY_PACKED,
        };
        properties.set_column_encoding(ColumnPath::from(*name), encoding)
    })
}

#[test]
fn a_page_that_claims_more_values_than_its_rows_is_refused() {
    let table = table();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let properties = differences(&table).set_writer_version(version);
        let mut file = write(&table, properties, Repetition::OPTIONAL, 1 << 20);
        // Blocks of 128 in four, and four values, which become 127.
        let begins = [0x80, 1, 4, 4];
        let found: Vec<usize> = (0..file.len() - 4).filter(|&at| file[at..at + 4] == begins).collect();
        found.iter().for_each(|&at| file[at + 3] = 127);
        assert!(!found.is_empty());
        let lines = lines_of(file);
        let is_told = |line: &String| line.contains("it says that it has more values than rows");
        assert!(lines.len() == 1 && lines.iter().all(is_told), "{lines:?}");
    }
}

#[test]
fn a_header_that_claims_more_than_its_bytes_is_refused() {
    let mut file = simple(&table());
    let reader = SerializedFileReader::new(bytes::Bytes::from(file.clone())).unwrap();
    let chunk = reader.metadata().row_group(0).column(3).clone();
    let at = chunk.dictionary_page_offset().unwrap() as usize;
    // Kind and sizes of the page, then a field that nobody knows: 16 million numbers.
    let header = [0x15, 0x00, 0x15, 0x10, 0x15, 0x10, 0xc9, 0xf7, 0xff, 0xff, 0xff, 0x07];
    file[at..at + header.len()].copy_from_slice(&header);
    let lines = lines_of(file);
    assert!(lines.len() == 1 && lines[0].contains("the header of a page is broken"), "{lines:?}");
}

#[test]
fn columns_that_are_required_have_no_levels() {
    let keep = |cells: &Cells| match cells {
        Cells::Narrow(cells) => Cells::Narrow(cells[..1].to_vec()),
        Cells::Wide(cells) => Cells::Wide(cells[..1].to_vec()),
        Cells::Text(cells) => Cells::Text(cells[..1].to_vec()),
        Cells::Fractions(cells) => Cells::Fractions(cells[..1].to_vec()),
    };
    let table: Table = table().iter().map(|(name, cells)| (*name, keep(cells))).collect();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let properties = WriterProperties::builder().set_writer_version(version);
        assert_eq!(lines_of(write(&table, properties, Repetition::REQUIRED, 10)), LINES[..1]);
    }
}

#[test]
fn trap_packet_addresses_go_before_those_of_the_interface() {
    let lines = lines_of(simple(&table()));
    assert!(
        lines[0].contains(" 10.0.0.1 10.0.8.8 ") && lines[1].contains(" 10.0.9.9 10.0.0.1 "),
        "{lines:?}"
    );
    let plain = lines_of(simple(&without(&table(), &["pkt_srcaddr", "pkt_dstaddr"])));
    assert!(
        plain[0].contains(" 10.0.0.1 10.0.0.2 ") && plain[1].contains(" 10.0.0.2 10.0.0.1 "),
        "{plain:?}"
    );
    let only = table();
    let only = replaced(
        &without(&only, &["srcaddr", "dstaddr"]),
        "pkt_srcaddr",
        text(&["10.0.0.1", "10.0.9.9", "-", "-"]),
    );
    let only = replaced(&only, "pkt_dstaddr", text(&["10.0.8.8", "10.0.0.1", "-", "-"]));
    assert_eq!(lines_of(simple(&only)), LINES);
}

#[test]
fn trap_skipdata_and_nodata_are_no_traffic() {
    assert_eq!(lines_of(simple(&table()))[2..], LINES[2..]);
}

#[test]
fn times_may_be_in_milliseconds() {
    // flowlogs-reader: "contra the docs, the start and end fields can contain millisecond-based timestamps".
    let table = replaced(&table(), "start", wide(&[1790000005123, 1790000006, 1790000060000, 1790000120000]));
    assert_eq!(lines_of(simple(&table)), LINES);
}

#[test]
fn trap_reject_does_not_say_who_and_a_log_may_have_no_verdicts() {
    let lines = lines_of(simple(&without(&table(), &["action"])));
    assert!(lines[0].contains(" egress - 2 - 1 "), "{lines:?}");
}

#[test]
fn trap_flags_are_absent_for_long_flows() {
    for flags in [narrow(&[0, 0, 0, 0]), narrow(&[NONE; 4]), narrow(&[-1; 4])] {
        let lines = lines_of(simple(&replaced(&table(), "tcp_flags", flags)));
        assert!(lines[0].contains(" egress - 0 accepted "), "{lines:?}");
    }
    assert_eq!(lines_of(simple(&without(&table(), &["tcp_flags"])))[0], LINES[0].replace("- 2 a", "- 0 a"));
}

#[test]
fn trap_ipv6_text_forms_differ() {
    let table = replaced(&table(), "pkt_srcaddr", text(&["2001:DB8:0:0::1", "2001:db8::1", "-", "-"]));
    let lines = lines_of(simple(&table));
    assert!(lines[..2].iter().all(|line| line.contains(" 2001:db8::1 ")), "{lines:?}");
}

#[test]
fn columns_that_are_not_needed_may_be_missing() {
    let needless = [
        "version",
        "account_id",
        "type",
        "interface_id",
        "vpc_id",
        "log_status",
        "packets",
        "bytes",
        "flow_direction",
    ];
    let table = replaced(&without(&table(), &needless), "pkt_srcaddr", text(&["10.0.0.1"; 4]));
    let table =
        replaced(&replaced(&table, "pkt_dstaddr", text(&["10.0.8.8"; 4])), "protocol", narrow(&[6; 4]));
    assert_eq!(
        lines_of(simple(&table))[0],
        "record aws - - 1790000005 1790000058 10.0.0.1 10.0.8.8 41834 5432 6 - - 2 accepted 1 0 0 0 0"
    );
}

#[test]
fn columns_that_are_needed_may_not() {
    for (names, said) in [
        (&["srcaddr", "pkt_srcaddr"][..], "`srcaddr` or `pkt_srcaddr`"),
        (&["dstaddr", "pkt_dstaddr"], "`dstaddr` or `pkt_dstaddr`"),
        (&["srcport"], "`srcport`"),
        (&["dstport"], "`dstport`"),
        (&["protocol"], "`protocol`"),
        (&["start", "end"], "`start` or `end`"),
    ] {
        let expected = format!("fault 0 is no file of flow logs that can be read: it has no column {said}");
        assert_eq!(lines_of(simple(&without(&table(), names))), [expected]);
    }
}

#[test]
fn names_with_hyphens_numbers_as_text_and_other_widths_are_read() {
    let mut table = table();
    for (name, hyphens) in [("interface_id", "interface-id"), ("tcp_flags", "tcp-flags")] {
        table.iter_mut().find(|(other, _)| *other == name).unwrap().0 = hyphens;
    }
    let table = replaced(&table, "srcport", text(&["41834", "5432", "-", "NULL"]));
    let table = replaced(&table, "protocol", wide(&[6, 6, -1, 0]));
    let table = replaced(&table, "packets", narrow(&[9, 7, NONE, 0]));
    assert_eq!(lines_of(simple(&table)), LINES);
}

#[test]
fn a_bad_cell_is_one_fault_and_the_rest_goes_on() {
    for (name, cells, reason) in [
        ("srcport", narrow(&[70000, 5432, NONE, 0]), "cannot read the `srcport` `70000`"),
        ("protocol", narrow(&[256, 6, 0, 0]), "cannot read the `protocol` `256`"),
        ("protocol", narrow(&[NONE, 6, 0, 0]), "has no `protocol`"),
        (
            "pkt_srcaddr",
            text(&["10.0.0.x", "10.0.9.9", "-", "-"]),
            "cannot read the `pkt_srcaddr` `10.0.0.x`",
        ),
        ("action", text(&["MAYBE", "REJECT", "-", "-"]), "cannot read the `action` `MAYBE`"),
        ("log_status", text(&["LOST", "OK", "NODATA", "SKIPDATA"]), "cannot read the `log_status` `LOST`"),
        ("flow_direction", text(&["up", "ingress", "-", "-"]), "cannot read the `flow_direction` `up`"),
        ("tcp_flags", narrow(&[256, 18, 0, 0]), "cannot read the `tcp_flags` `256`"),
        ("bytes", text(&["many", "840", "-", "-"]), "cannot read the `bytes` `many`"),
    ] {
        let lines = lines_of(simple(&replaced(&table(), name, cells)));
        assert_eq!(lines[0], format!("fault 4 row 0: {reason}"));
        assert_eq!(lines[1..], LINES[1..], "{name}");
    }
    let table = replaced(&table(), "end", wide(&[i64::MIN, i64::MIN, i64::MIN, 1790000179]));
    let table = replaced(&table, "start", wide(&[i64::MIN, 1790000006, i64::MIN, i64::MIN]));
    let lines = lines_of(simple(&table));
    assert_eq!(lines[0], "fault 4 row 0: has no `start`");
    assert!(lines[1].contains(" 1790000006 1790000006 "), "{lines:?}");
}

#[test]
fn a_column_of_another_type_is_a_fault() {
    let table = replaced(&table(), "bytes", Cells::Fractions(vec![1.0; 4]));
    assert_eq!(lines_of(simple(&table)), ["fault 0 cannot read the column `bytes`: it is of type DOUBLE"]);
}

#[test]
fn what_is_no_parquet_file_is_a_fault() {
    for text in [&b""[..], b"PAR1", b"version account-id\n2 1\n", &[0; 100], b"PAR1\xff\xff\xff\xffPAR1"] {
        let lines = lines_of(text.to_vec());
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("fault 0 is no Parquet file: "), "{lines:?}");
    }
}

#[test]
fn a_truncated_file_is_a_fault() {
    let file = simple(&repeated(&table(), 100));
    for length in 0..file.len() {
        let lines = lines_of(file[..length].to_vec());
        assert!(lines.len() == 1 && lines[0].starts_with("fault "), "{length}: {lines:?}");
    }
}

#[test]
fn a_broken_row_group_is_one_fault_and_the_others_go_on() {
    use parquet::file::properties::EnabledStatistics;
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    let properties = properties.set_statistics_enabled(EnabledStatistics::None);
    let mut file = write(&repeated(&table(), 3), properties, Repetition::OPTIONAL, 4);
    // An address of the middle group is said to be longer than the file.
    let places: Vec<usize> = (0..file.len()).filter(|at| file[*at..].starts_with(b"10.0.0.1")).collect();
    let middle = places[places.len() / 2];
    file[middle - 4..middle].fill(0xff);
    let lines = lines_of(file);
    assert_eq!((&lines[..4], &lines[5..]), (&LINES.map(str::to_owned)[..], &LINES.map(str::to_owned)[..]));
    assert!(lines[4].contains("row group 1 from row 0: cannot read the column `"), "{}", lines[4]);
}

#[test]
fn a_file_that_unpacks_to_far_more_than_its_length_is_refused() {
    let mut table = repeated(&table(), 16);
    let long = Cells::Text(vec![Some("e".repeat(1_200_000)); 64]);
    table = replaced(&table, "interface_id", long);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(Default::default()))
        .set_dictionary_enabled(false)
        .set_write_batch_size(1)
        .set_data_page_row_count_limit(1);
    let file = write(&table, properties, Repetition::OPTIONAL, 1000);
    assert!(file.len() < 100_000, "{}", file.len());
    let lines = lines_of(file);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("the pages of the file unpack to more than its length allows"), "{}", lines[0]);
}

#[test]
fn a_long_text_is_no_name() {
    let table =
        replaced(&table(), "interface_id", text(&["eni-1", &"e".repeat(256), "eni-2", &"e".repeat(255)]));
    let lines = lines_of(simple(&table));
    assert_eq!(lines[0], LINES[0]);
    assert!(lines[1].contains("cannot read the `interface_id` `eeee"), "{}", lines[1]);
    assert_eq!(lines[2], LINES[2]);
    assert!(lines[3].starts_with("gap aws eeee"), "{}", lines[3]);
}
