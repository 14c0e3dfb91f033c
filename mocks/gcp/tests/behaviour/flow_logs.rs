//! Flow logs and logs of rules: the traps of `providers.md` 2.4 on the writing side, and that nothing is lost or made up.

use std::collections::{BTreeMap, BTreeSet};

use mock_cloud::time::BEGIN_S;
use mock_cloud::traffic::{Count, Ending, Fate, Shape, Side, Stage, judge, random};
use mock_cloud::{Conversation, Edge, Passage};
use mock_gcp::flow_logs::{FlowLogs, Log, Metadata, Settings, SubnetLog, entries, write};
use mock_gcp::{End, Packet};
use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, ZONE, instance, path, rule};

/// A cloud elsewhere, whose interfaces begin with `far-`.
struct Elsewhere(bool);

impl Edge for Elsewhere {
    fn holds(&self, interface: &str) -> bool {
        interface.starts_with("far-")
    }

    fn passes(&self, _: Stage, _: &Packet, _: u16, _: u64) -> bool {
        self.0
    }
}

/// When the traffic of a test begins: on the border of an interval.
const START_MS: u64 = BEGIN_S * 1000 + 600_000;

/// `a` and `b` on `s` of the network `v`, `w` on another network. PostgreSQL comes in and is logged, SSH is denied and
/// logged, the web comes in and is not logged; telnet does not go out.
fn estate() -> Cloud {
    let cloud = Cloud::quick();
    cloud.vm("a", "sub/s", &["web"]);
    cloud.vm("b", "sub/s", &["db"]);
    cloud.vm("w", "sub/u", &[]);
    let logged = |name: &str, short: &str, on: bool| {
        let mut body = crate::harness::firewall(short);
        body["logConfig"] = json!({ "enable": on });
        cloud.seed(&format!("fw/{name}"), body);
    };
    logged("db-in", "1000 in allow tcp:5432 tag:web tag:db", true);
    logged("no-ssh", "900 in deny tcp:22 * *", true);
    logged("web-in", "1000 in allow tcp:80 * *", false);
    logged("ping-in", "1000 in allow icmp * *", true);
    logged("no-telnet", "1000 out deny tcp:23 * *", true);
    cloud.settle();
    cloud
}

/// Everything is reported, by the minute, with all details.
fn whole() -> Settings {
    let log = SubnetLog { interval_s: 60, sampling: 1.0, metadata: Metadata::IncludeAll };
    Settings { unless_configured: Some(log), ..Settings::default() }
}

fn talk(cloud: &Cloud, packet: &str, duration_ms: u64) -> Conversation {
    let Packet { source, destination, protocol, detail } = cloud.packet(packet);
    Conversation {
        source,
        destination,
        seen_as: None,
        dialled: None,
        protocol,
        source_port: if matches!(protocol, 6 | 17) { 40_001 } else { 0 },
        detail,
        start_ms: START_MS,
        duration_ms,
        sent: Count { packets: 10, bytes: 1_003 },
        received: Count { packets: 8, bytes: 4_001 },
        ending: Ending::Finished,
    }
}

fn passed(cloud: &Cloud, talks: impl IntoIterator<Item = Conversation>) -> Vec<Passage> {
    judge(&[&*cloud.front.world(), &Elsewhere(true)], talks)
}

/// The entries of a log.
fn documents(cloud: &Cloud, passages: &[Passage], settings: &Settings, log: Log) -> Vec<Value> {
    let all = entries(&cloud.front.world(), passages, settings).into_iter();
    all.filter(|entry| entry.log == log).map(|entry| entry.document).collect()
}

/// `SRC 10.0.1.2:40001>10.0.1.3:5432 10`, sorted.
fn flows(cloud: &Cloud, passages: &[Passage], settings: &Settings) -> Vec<String> {
    let short = |entry: Value| {
        let payload = &entry["jsonPayload"];
        let connection = &payload["connection"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!(
            "{} {}:{}>{}:{} {}",
            text(&payload["reporter"]),
            text(&connection["src_ip"]),
            connection["src_port"],
            text(&connection["dest_ip"]),
            connection["dest_port"],
            text(&payload["packets_sent"])
        )
    };
    let mut all: Vec<String> =
        documents(cloud, passages, settings, Log::VpcFlows).into_iter().map(short).collect();
    all.sort();
    all
}

/// `ALLOWED network:v/firewall:web-in b`, sorted.
fn verdicts(cloud: &Cloud, passages: &[Passage]) -> Vec<String> {
    let short = |entry: Value| {
        let payload = &entry["jsonPayload"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let details = &payload["rule_details"];
        format!(
            "{} {} {} {}",
            text(&payload["disposition"]),
            text(&details["direction"]),
            text(&details["reference"]),
            text(&payload["instance"]["vm_name"])
        )
    };
    let all = documents(cloud, passages, &whole(), Log::Firewall);
    let mut all: Vec<String> = all.into_iter().map(short).collect();
    all.sort();
    all
}

#[test]
fn one_record_for_each_reporter_and_direction() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "a tcp/5432 b", 900)]);
    assert_eq!(
        flows(&cloud, &all, &whole()),
        [
            "DEST 10.0.1.2:40001>10.0.1.3:5432 10",
            "DEST 10.0.1.3:5432>10.0.1.2:40001 8",
            "SRC 10.0.1.2:40001>10.0.1.3:5432 10",
            "SRC 10.0.1.3:5432>10.0.1.2:40001 8",
        ]
    );
}

#[test]
fn gcp_sampling_a_denied_egress_appears_and_a_denied_ingress_never() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "a tcp/23 b", 900)]);
    assert_eq!(all[0].fate, Fate::StoppedLeaving);
    assert_eq!(flows(&cloud, &all, &whole()), ["SRC 10.0.1.2:40001>10.0.1.3:23 3"]);
    let all = passed(&cloud, [talk(&cloud, "a tcp/22 b", 900)]);
    assert_eq!(all[0].fate, Fate::StoppedArriving);
    assert_eq!(flows(&cloud, &all, &whole()), ["SRC 10.0.1.2:40001>10.0.1.3:22 3"]);
    let all = passed(&cloud, [talk(&cloud, "192.0.2.9 tcp/22 b", 900)]);
    assert_eq!(flows(&cloud, &all, &whole()), [""; 0]);
}

#[test]
fn gcp_sampling_is_of_the_subnetwork_and_drawn_from_the_seed() {
    let cloud = estate();
    let talks: Vec<Conversation> = (0..1_000u16)
        .map(|n| Conversation { source_port: 33_000 + n, ..talk(&cloud, "a tcp/5432 b", 0) })
        .collect();
    let all = passed(&cloud, talks);
    let number = |sampling: f64, seed| {
        let log = SubnetLog { sampling, ..whole().unless_configured.unwrap() };
        flows(&cloud, &all, &Settings { unless_configured: Some(log), seed, ..Settings::default() })
    };
    assert_eq!(number(1.0, 1).len(), 4_000);
    assert_eq!(number(0.0, 1).len(), 0);
    let half = number(0.5, 1);
    assert!((1_800..2_200).contains(&half.len()), "{}", half.len());
    assert_eq!(half, number(0.5, 1));
    assert_ne!(half, number(0.5, 2));
    // Both reporters draw by themselves: some flows are reported by one of them only.
    let ports = |reporter: &str| {
        let own = half.iter().filter(|line| line.starts_with(reporter) && line.ends_with(":5432 10"));
        own.map(|line| line.split(['>', ' ']).nth(1).unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(ports("SRC").difference(&ports("DEST")).count() > 100);
}

#[test]
fn gcp_sampling_makes_byte_counts_estimates_that_are_right_on_average() {
    let cloud = estate();
    let talks: Vec<Conversation> = (0..2_000u16)
        .map(|n| Conversation { source_port: 33_000 + n, ..talk(&cloud, "a tcp/5432 b", 0) })
        .collect();
    let all = passed(&cloud, talks);
    let settings = Settings { primary_sampling: 0.1, ..whole() };
    let (mut packets, mut whole_ones, mut count) = (0, 0, 0);
    for entry in documents(&cloud, &all, &settings, Log::VpcFlows) {
        let payload = &entry["jsonPayload"];
        if payload["reporter"] != "SRC" || payload["connection"]["dest_port"] != 5432 {
            continue;
        }
        let number: u64 = payload["packets_sent"].as_str().unwrap().parse().unwrap();
        packets += number;
        whole_ones += u64::from(number == 10);
        count += 1;
    }
    let sent = 2_000 * 10;
    assert!((sent * 9 / 10..sent * 11 / 10).contains(&packets), "{packets} of {sent}");
    assert!(count >= 1_900 && whole_ones > 0, "{count} {whole_ones}");
    // With few packets most flows are not seen at all.
    let few = all.iter().cloned().map(|mut one| {
        one.conversation.sent = Count { packets: 1, bytes: 60 };
        one.conversation.received = Count::default();
        one
    });
    let few: Vec<Passage> = few.collect();
    let seen = flows(&cloud, &few, &settings).iter().filter(|line| line.starts_with("SRC")).count();
    assert!((130..270).contains(&seen), "{seen} of 2000");
}

#[test]
fn metadata_is_excluded_by_default_and_logs_are_off_by_default() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "a tcp/5432 b", 900)]);
    assert_eq!(flows(&cloud, &all, &Settings::default()), [""; 0]);
    let set = |config: Value| {
        let held = cloud.get("sub/s");
        let body = json!({ "fingerprint": held["fingerprint"], "logConfig": config });
        cloud.perform("PATCH", "sub/s", body);
        documents(&cloud, &all, &Settings::default(), Log::VpcFlows)
    };
    assert_eq!(set(json!({ "enable": false, "flowSampling": 1.0 })).len(), 0);
    let bare = set(json!({ "enable": true, "flowSampling": 1.0 }));
    assert_eq!(bare.len(), 4);
    assert!(bare.iter().all(|entry| entry["jsonPayload"].as_object().unwrap().keys().all(|key| {
        ["bytes_sent", "connection", "end_time", "packets_sent", "reporter", "rtt_msec", "start_time"]
            .contains(&key.as_str())
    })));
    let full = set(json!({ "enable": true, "flowSampling": 1.0, "metadata": "INCLUDE_ALL_METADATA" }));
    let instance =
        json!({ "project_id": "demo-project", "region": "europe-west1", "zone": ZONE, "vm_name": "a" });
    let vpc = json!({ "project_id": "demo-project", "vpc_name": "v", "subnetwork_name": "s" });
    let forward = full.iter().find(|entry| entry["jsonPayload"]["connection"]["dest_port"] == 5432).unwrap();
    assert_eq!(forward["jsonPayload"]["src_instance"], instance);
    assert_eq!(forward["jsonPayload"]["dest_vpc"], vpc);
    let custom = set(
        json!({ "enable": true, "flowSampling": 1.0, "metadata": "CUSTOM_METADATA", "metadataFields": ["src_vpc"] }),
    );
    assert!(custom.iter().all(|entry| entry["jsonPayload"].get("src_vpc").is_some()));
    assert!(custom.iter().all(|entry| entry["jsonPayload"].get("src_instance").is_none()));
    // The schema lets all of it.
    assert!(cloud.front.world().complaints.is_empty());
}

#[test]
fn numbers_of_64_bits_are_texts_and_ports_are_numbers_and_absent_where_there_are_none() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "a tcp/80 b", 900), talk(&cloud, "a icmp/8 b", 900)]);
    let documents = documents(&cloud, &all, &whole(), Log::VpcFlows);
    let of = |protocol: u64| {
        let mut own =
            documents.iter().filter(|entry| entry["jsonPayload"]["connection"]["protocol"] == protocol);
        own.find(|entry| entry["jsonPayload"]["packets_sent"] == "10").unwrap()
    };
    let tcp = of(6);
    assert_eq!(tcp["jsonPayload"]["bytes_sent"], "1003");
    assert_eq!(tcp["jsonPayload"]["connection"]["dest_port"], 80);
    assert!(tcp["jsonPayload"]["rtt_msec"].is_string());
    assert_eq!(tcp["logName"], "projects/demo-project/logs/compute.googleapis.com%2Fvpc_flows");
    assert_eq!(tcp["resource"]["type"], "gce_subnetwork");
    assert_eq!(tcp["resource"]["labels"]["subnetwork_name"], "s");
    assert_eq!(tcp["resource"]["labels"]["location"], ZONE);
    assert_eq!(tcp["resource"]["labels"]["subnetwork_id"], cloud.get("sub/s")["id"]);
    assert_eq!(tcp["jsonPayload"]["start_time"], "2026-11-01T00:10:00Z");
    assert_eq!(tcp["jsonPayload"]["end_time"], "2026-11-01T00:10:00.9Z");
    let icmp = &of(1)["jsonPayload"];
    assert!(icmp["connection"].get("src_port").is_none() && icmp.get("rtt_msec").is_none(), "{icmp}");
    let ids: BTreeSet<&str> = documents.iter().map(|entry| entry["insertId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), documents.len());
}

#[test]
fn verdicts_are_in_logs_of_rules_that_have_logging_on() {
    let cloud = estate();
    let of = |packet: &str| verdicts(&cloud, &passed(&cloud, [talk(&cloud, packet, 900)]));
    assert_eq!(of("a tcp/5432 b"), ["ALLOWED INGRESS network:v/firewall:db-in b"]);
    assert_eq!(of("a tcp/22 b"), ["DENIED INGRESS network:v/firewall:no-ssh b"]);
    assert_eq!(of("a tcp/23 b"), ["DENIED EGRESS network:v/firewall:no-telnet a"]);
    // Logging is off; implied rules never log; only TCP and UDP are logged.
    assert_eq!(of("a tcp/80 b"), [""; 0]);
    assert_eq!(of("192.0.2.9 tcp/443 b"), [""; 0]);
    assert_eq!(of("a tcp/443 192.0.2.9"), [""; 0]);
    assert_eq!(of("a icmp/8 b"), [""; 0]);
    // A connection is one entry, however many packets it has.
    let long = passed(&cloud, [talk(&cloud, "a tcp/5432 b", 4_000_000)]);
    assert_eq!(verdicts(&cloud, &long).len(), 1);
    let entry = documents(&cloud, &long, &whole(), Log::Firewall).remove(0);
    assert_eq!(entry["logName"], "projects/demo-project/logs/compute.googleapis.com%2Ffirewall");
    let details = &entry["jsonPayload"]["rule_details"];
    assert_eq!(details["ip_port_info"], json!([{ "ip_protocol": "TCP", "port_range": ["5432"] }]));
    assert_eq!((&details["action"], &details["priority"]), (&json!("ALLOW"), &json!(1000)));
    assert_eq!((&details["source_tag"], &details["target_tag"]), (&json!(["web"]), &json!(["db"])));
    assert_eq!(entry["jsonPayload"]["remote_instance"]["vm_name"], "a");
}

#[test]
fn rules_of_policies_are_named_by_the_number_of_the_policy() {
    let cloud = estate();
    cloud.seed("pol/p", json!({}));
    cloud.attach("pol/p", "v");
    let mut body = rule("10 in deny tcp:8080 10.0.0.0/8 *");
    body["enableLogging"] = json!(true);
    cloud.act("pol/p", "addRule", body);
    cloud.settle();
    let number = cloud.get("pol/p")["id"].as_str().unwrap().to_owned();
    let talks = [Conversation { start_ms: START_MS, ..talk(&cloud, "a tcp/8080 b", 0) }];
    assert_eq!(
        verdicts(&cloud, &passed(&cloud, talks)),
        [format!("DENIED INGRESS network:v/firewallPolicy:{number} b")]
    );
}

#[test]
fn a_conversation_across_clouds_is_logged_with_the_addresses_seen_here() {
    let cloud = estate();
    let far = End::Interface("far-1".to_owned(), "172.20.0.9".parse().unwrap());
    let out = Conversation {
        destination: far.clone(),
        dialled: Some("198.51.100.9".parse().unwrap()),
        ..talk(&cloud, "a tcp/443 192.0.2.9", 900)
    };
    assert_eq!(
        flows(&cloud, &passed(&cloud, [out.clone()]), &whole()),
        ["DEST 198.51.100.9:443>10.0.1.2:40001 8", "SRC 10.0.1.2:40001>198.51.100.9:443 10"]
    );
    let denied = judge(&[&*cloud.front.world(), &Elsewhere(false)], [out]);
    assert_eq!(flows(&cloud, &denied, &whole()), ["SRC 10.0.1.2:40001>198.51.100.9:443 3"]);
    let back = Conversation { source: far, seen_as: None, ..talk(&cloud, "192.0.2.9 tcp/80 b", 900) };
    let entries = documents(&cloud, &passed(&cloud, [back]), &whole(), Log::VpcFlows);
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().any(|entry| entry["jsonPayload"]["connection"]["src_ip"] == "172.20.0.9"));
    assert!(entries.iter().all(|entry| {
        let known = |end: &str| entry["jsonPayload"].get(format!("{end}_instance")).is_some();
        known("src") != known("dest")
    }));
}

#[test]
fn a_sink_writes_a_file_for_each_hour_and_others_for_what_is_late() {
    let cloud = estate();
    let talks: Vec<Conversation> = (0..120u16)
        .map(|n| Conversation {
            start_ms: START_MS + 60_000 * u64::from(n),
            source_port: 33_000 + n,
            ..talk(&cloud, "a tcp/5432 b", 0)
        })
        .collect();
    let all = passed(&cloud, talks);
    let files = |late_s| write(&cloud.front.world(), &all, &Settings { late_s, ..whole() });
    let keys = |files: &[(String, Vec<u8>)]| files.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let folder = |log: &str, rest: &str| format!("compute.googleapis.com/{log}/2026/11/01/{rest}_S0.json");
    let prompt = files(0);
    let mut expected = Vec::new();
    for hour in ["00:00:00_00:59:59", "01:00:00_01:59:59", "02:00:00_02:59:59"] {
        expected.extend(["firewall", "vpc_flows"].map(|log| folder(log, hour)));
    }
    assert_eq!(keys(&prompt), expected);
    let late = files(3_600);
    assert!(keys(&late).iter().any(|key| key.ends_with("_A0.json")), "{:?}", keys(&late));
    let lines = |files: &[(String, Vec<u8>)]| {
        let texts = files.iter().map(|(_, bytes)| std::str::from_utf8(bytes).unwrap());
        let all = texts.flat_map(str::lines).map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut all: Vec<String> = all.map(|entry| entry["jsonPayload"].to_string()).collect();
        all.sort();
        all
    };
    assert_eq!(lines(&late), lines(&prompt));
    assert_eq!(lines(&prompt).len(), 120 * 5);
    let names: BTreeSet<String> = keys(&late).into_iter().collect();
    assert_eq!(names.len(), late.len(), "no file is written twice");
    // An entry is in the file of its hour, whenever it came.
    for (key, bytes) in &late {
        let hour = &key.rsplit('/').next().unwrap()[..2];
        for line in std::str::from_utf8(bytes).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            assert_eq!(&entry["timestamp"].as_str().unwrap()[11..13], hour, "{key}");
        }
    }
}

#[test]
fn what_is_told_late_comes_in_later_files() {
    let cloud = estate();
    let mut logs = FlowLogs::new(whole());
    let told =
        |source_port| passed(&cloud, [Conversation { source_port, ..talk(&cloud, "a tcp/5432 b", 900) }]);
    let all = [33_001, 33_002].map(told);
    logs.add(&cloud.front.world(), &all[0]);
    let first = logs.advance(&cloud.front.world(), START_MS + 7_200_000);
    logs.add(&cloud.front.world(), &all[1]);
    let second = logs.advance(&cloud.front.world(), START_MS + 14_400_000);
    let keys =
        |files: &[mock_cloud::Written]| files.iter().map(|one| one.key.clone()).collect::<BTreeSet<_>>();
    assert_eq!((first.len(), second.len()), (2, 2));
    assert!(keys(&first).is_disjoint(&keys(&second)));
    assert!(keys(&second).iter().all(|key| key.contains("/00:00:00_00:59:59_A")), "{:?}", keys(&second));
}

/// Traffic between everything in the estate and outside.
fn anything(cloud: &Cloud, seed: u64, count: usize, from_ms: u64) -> Vec<Passage> {
    let mut ends: Vec<End> =
        ["a", "b", "w"].map(|vm| cloud.packet(&format!("{vm} tcp/1 192.0.2.1")).source).into();
    ends.extend(["192.0.2.1", "198.51.100.7"].map(|text| End::External(text.parse().unwrap())));
    passed(cloud, random(&ends, &Shape { seed, count, from_ms, span_ms: 600_000 }))
}

/// Packets and bytes by address of the reporter and SRC or DEST.
type Totals = BTreeMap<(String, String), Count>;

fn expected(all: &[Passage]) -> Totals {
    let mut totals = Totals::new();
    for passage in all {
        for side in [Side::Source, Side::Destination] {
            if passage.interface(side).is_none() {
                continue;
            }
            let own = passage.conversation.end(side).address().to_string();
            for sight in passage.sights(side) {
                let word = if sight.is_egress { "SRC" } else { "DEST" };
                if sight.is_egress || sight.accepted {
                    *totals.entry((own.clone(), word.to_owned())).or_default() += sight.burst.count;
                }
            }
        }
    }
    totals
}

fn reported(documents: &[Value]) -> Totals {
    let mut totals = Totals::new();
    for entry in documents {
        let payload = &entry["jsonPayload"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = |field: &str| payload[field].as_str().unwrap().parse::<u64>().unwrap();
        let reporter = text(&payload["reporter"]);
        let end = if reporter == "SRC" { "src_ip" } else { "dest_ip" };
        let count = Count { packets: number("packets_sent"), bytes: number("bytes_sent") };
        *totals.entry((text(&payload["connection"][end]), reporter)).or_default() += count;
    }
    totals
}

#[test]
fn what_was_sent_is_what_is_reported_when_everything_is_sampled() {
    let cloud = estate();
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let (mut count, mut verdicts) = (0, 0);
    for (seed, interval_s) in [(0, 5), (1, 30), (2, 60), (3, 600), (4, 900)] {
        let all = anything(&cloud, seed, 200, START_MS);
        all.iter().for_each(|one| *fates.entry(one.fate).or_default() += 1);
        let log = SubnetLog { interval_s, ..whole().unless_configured.unwrap() };
        let settings = Settings { unless_configured: Some(log), late_s: 100, ..Settings::default() };
        let documents = documents(&cloud, &all, &settings, Log::VpcFlows);
        count += documents.len();
        verdicts += self::verdicts(&cloud, &all).len();
        assert_eq!(reported(&documents), expected(&all), "seed {seed}");
    }
    println!("1000 conversations, {count} flows, {verdicts} verdicts, {fates:?}");
    assert!(
        fates[&Fate::Delivered] > 100
            && fates[&Fate::StoppedArriving] > 200
            && count > 3_000
            && verdicts > 30
    );
}

#[test]
fn following_step_by_step_gives_what_one_look_gives() {
    let cloud = estate();
    let all = anything(&cloud, 5, 150, START_MS + 2_700_000);
    let world = cloud.front.world();
    let settings = Settings { late_s: 900, ..whole() };
    let once: BTreeMap<String, Vec<u8>> = write(&world, &all, &settings).into_iter().collect();
    assert_eq!(once, write(&world, &all, &settings).into_iter().collect());
    let lines = |files: &BTreeMap<String, Vec<u8>>| {
        let texts = files.values().map(|bytes| std::str::from_utf8(bytes).unwrap());
        let all = texts.flat_map(str::lines).map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut all: Vec<String> = all.map(|entry| entry["jsonPayload"].to_string()).collect();
        all.sort();
        all
    };
    let mut logs = FlowLogs::new(settings);
    let (mut found, mut steps) = (BTreeMap::new(), 0);
    for to in (START_MS..START_MS + 11_000_000).step_by(47_000) {
        let begun = all.iter().filter(|one| (to..to + 47_000).contains(&one.conversation.start_ms));
        logs.add(&world, &begun.cloned().collect::<Vec<_>>());
        let more = logs.advance(&world, to);
        steps += usize::from(!more.is_empty());
        for one in more {
            assert!(found.insert(one.key.clone(), one.bytes).is_none(), "{} is written twice", one.key);
        }
    }
    assert!(steps > 2, "{steps}");
    assert_eq!(lines(&found), lines(&once));
}

#[test]
fn the_second_interface_of_a_machine_reports_for_its_own_subnetwork() {
    let cloud = estate();
    let mut body = instance("sub/s", &[]);
    body["networkInterfaces"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "subnetwork": crate::harness::link("sub/u") }));
    cloud.seed("vm/two", body);
    let held = cloud.get("sub/u");
    let config = json!({ "enable": true, "flowSampling": 1.0 });
    cloud.perform("PATCH", "sub/u", json!({ "fingerprint": held["fingerprint"], "logConfig": config }));
    let all = passed(
        &cloud,
        [talk(&cloud, "two.1 tcp/443 192.0.2.9", 0), talk(&cloud, "two tcp/443 192.0.2.9", 0)],
    );
    let own = documents(&cloud, &all, &Settings::default(), Log::VpcFlows);
    assert_eq!(own.len(), 2);
    assert!(own.iter().all(|entry| entry["resource"]["labels"]["subnetwork_name"] == "u"));
    assert!(path("vm/two").starts_with(PROJECT));
}
