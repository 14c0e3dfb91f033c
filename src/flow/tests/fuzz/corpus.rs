//! The shapes that inputs are made of, with invented values.

use parquet::basic::{Compression, Encoding, Repetition};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use crate::table::{Cells, Table, write};

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Virtual network flow logs, NSG flow logs of both versions, an hour without flows, two documents.
pub fn azure() -> Vec<Vec<u8>> {
    let network = r#"{"time":"2026-11-02T10:01:00.52Z","flowLogVersion":4,"macAddress":"002248AABBCC","category":"FlowLogFlowEvent","targetResourceID":"/subscriptions/s1/x/virtualNetworks/vnet1","flowRecords":{"flows":[{"aclID":"5a","flowGroups":[{"rule":"r","flowTuples":["1793613600123,10.1.0.4,10.1.0.9,50110,5432,6,O,B,NX,0,0,0,0","1793613604456,10.1.0.4,2001:db8::9,50110,5432,6,O,E,NX,12,1440,9,2011"]},{"rule":"D","flowTuples":["1793613611001,203.0.113.9,10.1.0.9,51515,22,6,I,D,NX,0,0,0,0"]}]}]}}"#;
    let group = r#"{"time":"2026-11-02T10:00:12.11Z","macAddress":"002248AABBCC","resourceId":"/SUBSCRIPTIONS/S1/NETWORKSECURITYGROUPS/NSG1","properties":{"Version":2,"flows":[{"rule":"R","flows":[{"mac":"002248AABBCC","flowTuples":["1793613600,10.1.0.4,10.1.0.9,50110,5432,T,O,A,B,,,,","1793613900,10.1.0.4,10.1.0.9,50110,53,U,O,A,C,120,14400,98,20110","1793613611,10.1.0.7,10.1.0.9,50444,22,T,I,D,B,,,,"]}]}]}}"#;
    let old = r#"{"properties":{"Version":1,"flows":[{"rule":"R","flows":[{"mac":"00","flowTuples":["1793613600,192.0.2.17,10.1.0.4,61771,3389,T,I,A"]}]}]}}"#;
    let document = |elements: &[&str]| format!("{{\"records\":[{}]}}", elements.join(","));
    let escaped = network.replace('/', "\\/").replace("10.1.0.4", "10.1\\u002e0.4");
    texts(&[
        &document(&[network]),
        &document(&[group, old]),
        &document(&[network, group, old, network]).replace(",\"", ",\r\n \""),
        &document(&[&escaped]),
        &(document(&[old]) + &document(&[old])),
        &format!("{{\"x\":{{\"records\":[1]}},\"records\":[ {old} , null, \"a]\", {old} ]}}\n"),
        &document(&[&network.replace('4', "5"), "{}", "{]", old]),
    ])
}

/// Flow logs with and without metadata, firewall logs, other logs.
pub fn gcp() -> Vec<Vec<u8>> {
    let flow = r#"{"logName":"projects/p1/logs/compute.googleapis.com%2Fvpc_flows","timestamp":"2026-11-02T10:00:05.9Z","jsonPayload":{"connection":{"src_ip":"10.3.0.4","src_port":41834,"dest_ip":"10.3.1.9","dest_port":5432,"protocol":6},"reporter":"SRC","start_time":"2026-11-02T10:00:00.1Z","end_time":"2026-11-02T10:00:04.7+01:00","bytes_sent":"18344","packets_sent":41,"src_instance":{"project_id":"p1","zone":"z","vm_name":"web-1"},"src_vpc":{"project_id":"p1","vpc_name":"prod"}}}"#;
    let bare = r#"{"logName":"projects/p1/logs/compute.googleapis.com%2Fvpc_flows","jsonPayload":{"connection":{"src_ip":"2001:db8::4","dest_ip":"10.3.1.9","protocol":"58"},"reporter":"DEST","start_time":"2026-11-02T10:00:00Z","end_time":"2026-11-02T10:00:00Z"}}"#;
    let firewall = r#"{"logName":"projects/p1/logs/compute.googleapis.com%2Ffirewall","timestamp":"2026-11-02T10:00:05.9Z","jsonPayload":{"connection":{"src_ip":"10.3.0.4","src_port":4,"dest_ip":"10.3.1.9","dest_port":54.0,"protocol":6},"disposition":"DENIED","rule_details":{"direction":"INGRESS","reference":"network:n/firewall:f"},"instance":{"project_id":"p1","zone":"z","vm_name":"db-1"},"vpc":{"project_id":"p1","vpc_name":"prod"}}}"#;
    let other = r#"{"logName":"projects/p1/logs/mine","jsonPayload":{"connection":"lost"}}"#;
    texts(&[
        flow,
        bare,
        firewall,
        &[flow, bare, firewall, other, &firewall.replace("DENIED", "ALLOWED"), ""].join("\r\n"),
        &[other, "{}", "[]", "x", bare].join("\n"),
    ])
}

/// The fields of version 2.
pub const AWS_FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

const AWS_LINES: [&str; 5] = [
    "2 111122223333 eni-0aa11bb22cc33dd44 10.20.1.15 10.20.2.30 41834 5432 6 9 1240 1790000005 1790000058 ACCEPT OK",
    "2 111122223333 eni-0aa11bb22cc33dd44 2001:db8::9 2001:db8::15 50022 22 6 3 180 1790000005 1790000031 REJECT OK",
    "2 111122223333 eni-1 - - - - - - - 1790000060 1790000119 - NODATA",
    "2 111122223333 eni-1 - - - - - - - 1790000120 1790000179 - SKIPDATA",
    "2 111122223333 eni-1 10.20.1.15 10.20.2.30 0 0 1 1 84 1790000005 1790000058 ACCEPT OK",
];

/// CloudWatch lines of version 2, with each kind of line end.
pub fn aws_lines() -> Vec<Vec<u8>> {
    texts(&[&AWS_LINES.join("\n"), &AWS_LINES.join("\r\n"), &(AWS_LINES.join("\n\n") + "\n")])
}

/// S3 files: the default format, many fields in another order, two files one after the other.
pub fn aws_text() -> Vec<Vec<u8>> {
    let header = AWS_FORMAT.replace(['$', '{', '}'], "");
    let plain = format!("{header}\n{}\n", AWS_LINES.join("\n"));
    let late = "flow-direction tcp-flags vpc-id pkt-srcaddr pkt-dstaddr srcaddr dstaddr srcport dstport protocol start end interface-id action log-status packets bytes traffic-path\n\
                egress 2 vpc-1 10.0.0.9 10.0.0.8 10.0.0.1 10.0.0.2 40000 443 6 1790000005 1790000058 eni-1 ACCEPT OK 1 60 1\n\
                ingress 18 vpc-1 10.0.0.8 10.0.0.9 10.0.0.2 10.0.0.1 443 40000 6 1790000005 1790000058 eni-1 REJECT OK 1 60 -\n";
    texts(&[&plain, late, &(plain.clone() + late), &plain.replace('\n', "\r\n"), &plain.replace(' ', "  ")])
}

/// Files in each of the ways that writers have, small.
pub fn aws_parquet() -> Vec<Vec<u8>> {
    let text = |cells: [&str; 3]| Cells::Text(cells.iter().map(|cell| Some((*cell).to_owned())).collect());
    let mut table: Table = vec![
        ("interface_id", text(["eni-1", "eni-1", "eni-2"])),
        ("srcaddr", text(["10.0.0.1", "2001:db8::1", "-"])),
        ("dstaddr", text(["10.0.0.2", "2001:db8::2", "-"])),
        ("srcport", Cells::Narrow(vec![Some(41834), Some(0), None])),
        ("dstport", Cells::Narrow(vec![Some(5432), Some(0), None])),
        ("protocol", Cells::Narrow(vec![Some(6), Some(58), None])),
        ("packets", Cells::Wide(vec![Some(9), Some(1), None])),
        ("bytes", Cells::Wide(vec![Some(1240), Some(64), None])),
        ("start", Cells::Wide(vec![Some(1790000005), Some(1790000006), Some(1790000007)])),
        ("end", Cells::Wide(vec![Some(1790000058), Some(1790000059), Some(1790000060)])),
        ("action", text(["ACCEPT", "REJECT", "-"])),
        ("log_status", text(["OK", "OK", "NODATA"])),
        ("tcp_flags", Cells::Narrow(vec![Some(2), Some(0), None])),
    ];
    for (_, cells) in &mut table {
        match cells {
            Cells::Narrow(cells) => *cells = cells.repeat(8),
            Cells::Wide(cells) => *cells = cells.repeat(8),
            Cells::Text(cells) => *cells = (0..8).flat_map(|_| cells.clone()).collect(),
            Cells::Fractions(_) => {}
        }
    }
    // One that no reader reads: its types are wrong.
    let mut wrong = table.clone();
    wrong.retain(|(name, _)| *name != "bytes");
    wrong.push(("bytes", Cells::Fractions(vec![1.0; 24])));
    let mut files = vec![write(&wrong, WriterProperties::builder(), Repetition::OPTIONAL, 24)];
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
    ];
    for (way, compression) in compressions.into_iter().enumerate() {
        for (version, dictionary) in
            [(WriterVersion::PARQUET_1_0, true), (WriterVersion::PARQUET_2_0, way % 2 == 0)]
        {
            let properties = WriterProperties::builder()
                .set_compression(compression)
                .set_writer_version(version)
                .set_dictionary_enabled(dictionary)
                .set_statistics_enabled(EnabledStatistics::None)
                .set_data_page_row_count_limit(5)
                .set_write_batch_size(5);
            let properties = if way == 3 { properties.set_encoding(Encoding::PLAIN) } else { properties };
            files.push(write(&table, properties, Repetition::OPTIONAL, 16));
        }
    }
    files
}
