//! Flow logs: the traps of `providers.md` 2.4 on the writing side, and that nothing is lost or made up.

use std::collections::{BTreeMap, BTreeSet};

use mock_azure::flow_logs::{FlowLogs, Kind, Settings, write};
use mock_azure::{End, Packet};
use mock_cloud::time::BEGIN_S;
use mock_cloud::traffic::{Count, Ending, Fate, Shape, Side, judge, random};
use mock_cloud::written::gather;
use mock_cloud::{Conversation, Passage, Written};
use serde_json::{Value, json};

use crate::harness::{Cloud, at, id, network, path, subnet};

/// When the traffic of a test begins.
const START_MS: u64 = BEGIN_S * 1000 + 600_000;

/// `a` and `b` on the subnet `s` behind `n`; `b` has the group `m` of its own; `c` on `t` has nothing; rules let
/// PostgreSQL in and close SSH.
fn estate() -> Cloud {
    let cloud = Cloud::quick();
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24", "fd00:a:0:1::/64"], Some("nsg/n")));
    cloud.seed("nsg/m", at(json!({})));
    cloud.interface("a", "vnet/v/s", &[]);
    cloud.interface("b", "vnet/v/s", &[]);
    cloud.interface("c", "vnet/v/t", &[]);
    let mut own = cloud.get("nic/b");
    own["properties"]["networkSecurityGroup"] = id("nsg/m");
    cloud.seed("nic/b", own);
    cloud.rule("Seg-Allow-0100", "100 in allow Tcp 10.0.0.0/8 * 5432");
    cloud.rule("Seg-Deny-0200", "200 in deny Tcp * * 22");
    cloud.settle();
    cloud
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
    judge(&[&*cloud.front.world()], talks)
}

fn of(kind: Kind) -> Settings {
    Settings { kind, ..Settings::default() }
}

fn mac(cloud: &Cloud, nic: &str) -> String {
    let body = cloud.get(&format!("nic/{nic}"));
    body["properties"]["macAddress"].as_str().unwrap().replace('-', "")
}

/// Every tuple of blobs, as (mac, list, rule, tuple), in the order of their time.
fn tuples(files: &BTreeMap<String, Vec<u8>>) -> Vec<(String, String, String, String)> {
    let mut found = Vec::new();
    for (key, bytes) in files {
        let document: Value = serde_json::from_slice(bytes).unwrap();
        for record in document["records"].as_array().unwrap() {
            let mac = record["macAddress"].as_str().unwrap();
            assert!(key.contains(&format!("/macAddress={mac}/PT1H.json")), "{key}");
            let is_network = record["flowLogVersion"] == 4;
            let flows =
                if is_network { &record["flowRecords"]["flows"] } else { &record["properties"]["flows"] };
            for flow in flows.as_array().unwrap() {
                let (list, inner) = if is_network {
                    (flow["aclID"].as_str().unwrap(), flow["flowGroups"].as_array().unwrap())
                } else {
                    (record["resourceId"].as_str().unwrap(), flow["flows"].as_array().unwrap())
                };
                for group in inner {
                    let rule = if is_network { &group["rule"] } else { &flow["rule"] };
                    for tuple in group["flowTuples"].as_array().unwrap() {
                        let texts = [mac, list, rule.as_str().unwrap(), tuple.as_str().unwrap()];
                        let [mac, list, rule, tuple] = texts.map(str::to_owned);
                        found.push((mac, list, rule, tuple));
                    }
                }
            }
        }
    }
    found.sort_by_key(|(.., tuple)| tuple.split(',').next().unwrap().parse::<u64>().unwrap());
    found
}

fn written(cloud: &Cloud, passages: &[Passage], kind: Kind) -> Vec<(String, String, String, String)> {
    tuples(&write(&cloud.front.world(), passages, &of(kind)).into_iter().collect())
}

/// Rules and tuples of one interface, without the time of the beginning.
fn seen(cloud: &Cloud, passages: &[Passage], kind: Kind, nic: &str) -> Vec<String> {
    let own = mac(cloud, nic);
    let unit = if kind == Kind::VirtualNetwork { 1 } else { 1000 };
    let short = |(_, _, rule, tuple): (String, String, String, String)| {
        let (time, rest) = tuple.split_once(',').unwrap();
        format!("{rule} +{} {rest}", time.parse::<u64>().unwrap() - START_MS / unit)
    };
    written(cloud, passages, kind).into_iter().filter(|(of, ..)| *of == own).map(short).collect()
}

#[test]
fn azure_names_direction_and_initiator_itself() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "c tcp/5432 a", 4_333)]);
    assert_eq!(
        seen(&cloud, &all, Kind::VirtualNetwork, "c"),
        [
            "unspecified +0 10.0.2.4,10.0.1.4,40001,5432,6,O,B,NX,0,0,0,0",
            "unspecified +4333 10.0.2.4,10.0.1.4,40001,5432,6,O,E,NX,10,1003,8,4001"
        ]
    );
    assert_eq!(
        seen(&cloud, &all, Kind::VirtualNetwork, "a"),
        [
            "Seg-Allow-0100 +0 10.0.2.4,10.0.1.4,40001,5432,6,I,B,NX,0,0,0,0",
            "Seg-Allow-0100 +4333 10.0.2.4,10.0.1.4,40001,5432,6,I,E,NX,10,1003,8,4001"
        ]
    );
}

#[test]
fn b_has_no_counters_and_c_comes_every_five_minutes_with_deltas() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "c tcp/5432 a", 700_000)]);
    let short = |kind| {
        let own = seen(&cloud, &all, kind, "a").into_iter();
        own.map(|text| {
            let (time, tuple) = text.split_once(' ').unwrap().1.split_once(' ').unwrap();
            let words: Vec<&str> = tuple.split(',').collect();
            let state = words.len() - 6 + usize::from(kind == Kind::SecurityGroup);
            format!("{time} {} {}", words[state], words[words.len() - 4..].join(","))
        })
        .collect::<Vec<_>>()
    };
    let network = short(Kind::VirtualNetwork);
    assert_eq!(
        network,
        ["+0 B 0,0,0,0", "+300000 C 4,401,3,1500", "+600000 C 4,401,3,1500", "+700000 E 2,201,2,1001"]
    );
    // A rule of one's own for inbound TCP is not followed without a timeout of flows.
    assert_eq!(short(Kind::SecurityGroup), ["+0 B ,,,"]);
    let mut held = network_body();
    held["properties"]["flowTimeoutInMinutes"] = json!(4);
    cloud.seed("vnet/v", held);
    let group = short(Kind::SecurityGroup);
    assert_eq!(group, ["+0 B ,,,", "+300 C 4,401,3,1500", "+600 C 4,401,3,1500", "+700 E 2,201,2,1001"]);
}

fn network_body() -> Value {
    let mut body = network(&["10.0.0.0/16", "fd00:a::/48"]);
    body["properties"]["subnets"] = json!([
        { "name": "s", "properties": { "addressPrefixes": ["10.0.1.0/24", "fd00:a:0:1::/64"], "networkSecurityGroup": id("nsg/n") } },
        { "name": "t", "properties": { "addressPrefixes": ["10.0.2.0/24"] } }
    ]);
    body
}

#[test]
fn denies_are_logged_by_who_denies_and_by_nobody_behind() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "c tcp/22 b", 4_000), talk(&cloud, "192.0.2.9 tcp/80 a", 4_000)]);
    assert_eq!(all.iter().map(|one| one.fate).collect::<Vec<_>>(), [Fate::StoppedArriving; 2]);
    assert_eq!(
        seen(&cloud, &all, Kind::VirtualNetwork, "b"),
        ["Seg-Deny-0200 +0 10.0.2.4,10.0.1.5,40001,22,6,I,D,NX,0,0,0,0"]
    );
    assert_eq!(
        seen(&cloud, &all, Kind::VirtualNetwork, "a"),
        ["DefaultRule_DenyAllInBound +0 192.0.2.9,10.0.1.4,40001,80,6,I,D,NX,0,0,0,0"]
    );
    // The source does not know: for it a flow began on which nothing was ever heard.
    assert_eq!(
        seen(&cloud, &all, Kind::VirtualNetwork, "c"),
        [
            "unspecified +0 10.0.2.4,10.0.1.5,40001,22,6,O,B,NX,0,0,0,0",
            "unspecified +242000 10.0.2.4,10.0.1.5,40001,22,6,O,E,NX,3,180,0,0"
        ]
    );
    assert_eq!(
        seen(&cloud, &all, Kind::SecurityGroup, "b"),
        ["UserRule_Seg-Deny-0200 +0 10.0.2.4,10.0.1.5,40001,22,T,I,D,B,,,,"]
    );
}

#[test]
fn nsg_logs_are_written_only_by_the_last_group_that_allowed() {
    let cloud = estate();
    let lists = |packet: &str, kind| {
        let all = passed(&cloud, [talk(&cloud, packet, 0)]);
        let own = mac(&cloud, "b");
        let all = written(&cloud, &all, kind).into_iter().filter(|(of, ..)| *of == own);
        all.map(|(_, list, rule, _)| (list, rule)).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let key = |group: &str| path(&format!("nsg/{group}")).to_uppercase();
    let one = |list: String, rule: &str| vec![(list, rule.to_owned())];
    // Inbound the subnet comes first and the interface last; outbound it is the other way round.
    assert_eq!(lists("c tcp/5432 b", Kind::SecurityGroup), one(key("m"), "DefaultRule_AllowVnetInBound"));
    assert_eq!(lists("b tcp/5432 c", Kind::SecurityGroup), one(key("n"), "DefaultRule_AllowVnetOutBound"));
    // The one that denies is the first.
    assert_eq!(lists("c tcp/22 b", Kind::SecurityGroup), one(key("n"), "UserRule_Seg-Deny-0200"));
    let guid = |group: &str| {
        cloud.get(&format!("nsg/{group}"))["properties"]["resourceGuid"].as_str().unwrap().to_owned()
    };
    assert_eq!(lists("c tcp/22 b", Kind::VirtualNetwork), one(guid("n"), "Seg-Deny-0200"));
    assert_eq!(lists("c tcp/80 b", Kind::VirtualNetwork), one(guid("m"), "DefaultRule_AllowVnetInBound"));
    // Nothing decides on `c`: a group logs nothing there.
    let all = passed(&cloud, [talk(&cloud, "c tcp/5432 a", 0)]);
    assert_eq!(seen(&cloud, &all, Kind::SecurityGroup, "c"), [""; 0]);
}

#[test]
fn resource_ids_are_upper_case_in_nsg_logs_and_mixed_in_vnet_logs() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "c tcp/5432 a", 0)]);
    let first = |kind| {
        let (key, bytes) = write(&cloud.front.world(), &all, &of(kind)).remove(0);
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        (key, document["records"][0].clone(), String::from_utf8(bytes).unwrap())
    };
    let (key, record, text) = first(Kind::SecurityGroup);
    let group = "/SUBSCRIPTIONS/11111111-2222-4333-8444-555555555555/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/N";
    assert_eq!(record["resourceId"], group);
    assert_eq!(record["properties"]["Version"], 2);
    let folder = format!(
        "insights-logs-networksecuritygroupflowevent/resourceId={group}/y=2026/m=11/d=01/h=00/m=00/macAddress=000D3A"
    );
    assert!(key.starts_with(&folder), "{key}");
    assert!(
        text.starts_with(r#"{"records":[{"time":"2026-11-01T00:11:00."#) && text.ends_with("]}"),
        "{text}"
    );
    let (key, record, _) = first(Kind::VirtualNetwork);
    assert_eq!(record["targetResourceID"], path("vnet/v"));
    assert_eq!(record["flowLogVersion"], 4);
    assert_eq!(record["category"], "FlowLogFlowEvent");
    assert_eq!(
        record["flowLogResourceID"],
        "/SUBSCRIPTIONS/11111111-2222-4333-8444-555555555555/RESOURCEGROUPS/NETWORKWATCHERRG/PROVIDERS/MICROSOFT.NETWORK/NETWORKWATCHERS/NETWORKWATCHER_WESTEUROPE/FLOWLOGS/V-RG-FLOWLOG"
    );
    let folder = "insights-logs-flowlogflowevent/flowLogResourceID=/11111111-2222-4333-8444-555555555555_NETWORKWATCHERRG/NETWORKWATCHER_WESTEUROPE_V-RG-FLOWLOG/y=2026/m=11/d=01/h=00/m=00/macAddress=000D3A";
    assert!(key.starts_with(folder), "{key}");
}

#[test]
fn macs_are_stable_and_each_interface_has_its_own() {
    let cloud = estate();
    let macs: BTreeSet<String> = ["a", "b", "c"].map(|nic| mac(&cloud, nic)).into();
    assert_eq!(macs.len(), 3);
    assert!(
        macs.iter()
            .all(|mac| mac.len() == 12 && mac.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()))
    );
    let before = mac(&cloud, "a");
    cloud.seed("nic/a", cloud.get("nic/a"));
    assert_eq!(mac(&cloud, "a"), before);
}

#[test]
fn seconds_in_nsg_logs_and_milliseconds_in_vnet_logs_protocols_by_letter_or_number() {
    let cloud = estate();
    let talks = ["c udp/53 b", "c icmp/8 b", "c tcp/80 b"].map(|packet| talk(&cloud, packet, 0));
    let all = passed(&cloud, talks);
    let words = |kind, place: usize| {
        let own = mac(&cloud, "b");
        let all = written(&cloud, &all, kind).into_iter().filter(|(of, ..)| *of == own);
        all.map(|(.., tuple)| tuple.split(',').nth(place).unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(words(Kind::VirtualNetwork, 5), set(&["1", "17", "6"]));
    assert_eq!(words(Kind::SecurityGroup, 5), set(&["T", "U"]), "groups log no ICMP");
    assert!(words(Kind::VirtualNetwork, 0).contains(&START_MS.to_string()));
    assert!(words(Kind::SecurityGroup, 0).contains(&(START_MS / 1000).to_string()));
    let icmp = passed(&cloud, [talk(&cloud, "c icmp/8 b", 0)]);
    assert!(seen(&cloud, &icmp, Kind::VirtualNetwork, "b")[0].contains(",0,0,1,I,B,"));
}

#[test]
fn names_of_rules_are_cut_at_65() {
    let cloud = estate();
    let long = "r".repeat(80);
    cloud.rule(&long, "110 in allow Tcp * * 8443");
    cloud.settle();
    let later = Conversation { start_ms: START_MS + 60_000, ..talk(&cloud, "c tcp/8443 a", 0) };
    let all = passed(&cloud, [later]);
    let own = mac(&cloud, "a");
    let rules = written(&cloud, &all, Kind::SecurityGroup).into_iter().filter(|(of, ..)| *of == own);
    let rules: BTreeSet<String> = rules.map(|(_, _, rule, _)| rule).collect();
    assert_eq!(rules, BTreeSet::from([format!("UserRule_{}", "r".repeat(65))]));
}

#[test]
fn the_hour_file_grows_and_a_reader_by_offset_can_go_on() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "c tcp/5432 a", 7_300_000)]);
    let mut logs = FlowLogs::new(of(Kind::VirtualNetwork), START_MS);
    logs.add(&cloud.front.world(), &all);
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let (mut appended, mut hours) = (0, BTreeSet::new());
    for step in 1..=150 {
        for one in logs.advance(START_MS + step * 60_000) {
            let held = files.entry(one.key.clone()).or_default();
            let (length, offset) = (held.len(), usize::try_from(one.offset).unwrap());
            hours.insert(one.key.split("/h=").nth(1).unwrap()[..2].to_owned());
            if length > 0 {
                // All that was there stays where it was but the last two bytes, and they come again.
                assert_eq!(offset, length - 2);
                assert_eq!(&held[offset..], b"]}");
                assert_eq!(one.bytes.first(), Some(&b','));
                appended += 1;
            }
            held.truncate(offset);
            held.extend(&one.bytes);
            serde_json::from_slice::<Value>(held).unwrap();
        }
    }
    assert!(appended > 20 && hours.len() == 3, "{appended} {hours:?}");
    let whole: BTreeMap<String, Vec<u8>> =
        write(&cloud.front.world(), &all, &of(Kind::VirtualNetwork)).into_iter().collect();
    assert_eq!(files, whole);
}

#[test]
fn what_is_told_late_comes_with_the_next_record() {
    let cloud = estate();
    let mut logs = FlowLogs::new(of(Kind::VirtualNetwork), START_MS);
    let all = [900, 1_000].map(|duration_ms| passed(&cloud, [talk(&cloud, "c tcp/5432 a", duration_ms)]));
    logs.add(&cloud.front.world(), &all[0]);
    let first = logs.advance(START_MS + 600_000);
    logs.add(&cloud.front.world(), &all[1]);
    let second = logs.advance(START_MS + 1_200_000);
    assert_eq!((first.len(), second.len()), (2, 2));
    for one in &second {
        let document: Value =
            serde_json::from_slice(&[b"[0", one.bytes.strip_suffix(b"}").unwrap()].concat()).unwrap();
        let record = &document[1];
        assert!(record["time"].as_str().unwrap() > "2026-11-01T00:20", "{record}");
        assert_eq!(one.offset, first.iter().find(|of| of.key == one.key).unwrap().bytes.len() as u64 - 2);
    }
}

#[test]
fn an_admin_rule_is_named_with_its_manager() {
    let cloud = crate::admin::guarded();
    cloud.settle();
    let later = Conversation { start_ms: START_MS, ..talk(&cloud, "10.0.2.9 tcp/22 a", 0) };
    let all = passed(&cloud, [later]);
    let all = written(&cloud, &all, Kind::VirtualNetwork);
    assert_eq!(all.len(), 1, "{all:?}");
    let (_, list, rule, tuple) = &all[0];
    let manager = &cloud
        .front
        .world()
        .state
        .resources
        .values()
        .find(|held| held.id.ends_with("/networkManagers/m"))
        .unwrap()
        .guid
        .clone();
    assert_eq!((list, rule.as_str()), (manager, "deny"));
    assert!(tuple.contains(",I,D,NX,"), "{tuple}");
}

/// Traffic between everything in the estate and outside.
fn anything(cloud: &Cloud, seed: u64, count: usize) -> Vec<Passage> {
    let mut ends: Vec<End> =
        ["a", "b", "c"].map(|nic| cloud.packet(&format!("{nic} tcp/1 192.0.2.1")).source).into();
    ends.extend(["192.0.2.1", "198.51.100.7"].map(|text| End::External(text.parse().unwrap())));
    passed(cloud, random(&ends, &Shape { seed, count, from_ms: START_MS, span_ms: 600_000 }))
}

/// Packets and bytes of both directions by mac and I or O, and denies by the same.
type Totals = BTreeMap<(String, String), (Count, Count, u64)>;

fn logged(all: &[(String, String, String, String)]) -> Totals {
    let mut totals = Totals::new();
    for (mac, _, _, tuple) in all {
        let words: Vec<&str> = tuple.split(',').collect();
        assert_eq!(words.len(), 13, "{tuple}");
        let way = words.iter().find(|word| matches!(**word, "I" | "O")).unwrap();
        let held = totals.entry((mac.clone(), (*way).to_owned())).or_default();
        let number = |n: usize| words[n].parse::<u64>().unwrap_or(0);
        held.0 += Count { packets: number(9), bytes: number(10) };
        held.1 += Count { packets: number(11), bytes: number(12) };
        held.2 += u64::from(words.contains(&"D"));
    }
    totals
}

fn expected(cloud: &Cloud, all: &[Passage], counts: impl Fn(&Passage, &str) -> bool) -> Totals {
    let mut totals = Totals::new();
    for (nic, passage) in ["a", "b", "c"].iter().flat_map(|nic| all.iter().map(move |one| (nic, one))) {
        for side in [Side::Source, Side::Destination] {
            if !passage.interface(side).is_some_and(|id| id.ends_with(&format!("/{nic}")))
                || !counts(passage, nic)
            {
                continue;
            }
            let way = if side == Side::Source { "O" } else { "I" };
            for sight in passage.sights(side) {
                let held = totals.entry((mac(cloud, nic), way.to_owned())).or_default();
                match (sight.accepted, sight.is_answer) {
                    (false, _) => held.2 += 1,
                    (true, false) => held.0 += sight.burst.count,
                    (true, true) => held.1 += sight.burst.count,
                }
            }
        }
    }
    totals
}

#[test]
fn what_was_sent_is_what_is_logged() {
    let cloud = estate();
    let mut held = network_body();
    held["properties"]["flowTimeoutInMinutes"] = json!(4);
    cloud.seed("vnet/v", held);
    cloud.settle();
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let mut count = 0;
    for seed in 0..4 {
        let all = anything(&cloud, seed, 300);
        all.iter().for_each(|one| *fates.entry(one.fate).or_default() += 1);
        let tuples = written(&cloud, &all, Kind::VirtualNetwork);
        count += tuples.len();
        assert_eq!(logged(&tuples), expected(&cloud, &all, |_, _| true), "seed {seed}");
        // Groups: TCP and UDP where a group is, which is not on `c`.
        let tuples = written(&cloud, &all, Kind::SecurityGroup);
        let counts = |one: &Passage, nic: &str| nic != "c" && matches!(one.conversation.protocol, 6 | 17);
        assert_eq!(logged(&tuples), expected(&cloud, &all, counts), "seed {seed}");
    }
    println!("1200 conversations, {count} tuples, {fates:?}");
    assert!(fates[&Fate::Delivered] > 300 && fates[&Fate::StoppedArriving] > 100 && count > 2_000);
}

#[test]
fn following_step_by_step_loses_and_doubles_nothing_and_a_seed_gives_the_same() {
    let cloud = estate();
    let all = anything(&cloud, 5, 150);
    let world = cloud.front.world();
    let once: BTreeMap<String, Vec<u8>> =
        write(&world, &all, &of(Kind::VirtualNetwork)).into_iter().collect();
    let again: BTreeMap<String, Vec<u8>> =
        write(&world, &all, &of(Kind::VirtualNetwork)).into_iter().collect();
    assert_eq!(once, again);
    let other = Settings { seed: 2, ..of(Kind::VirtualNetwork) };
    assert_ne!(once, write(&world, &all, &other).into_iter().collect());
    let mut logs = FlowLogs::new(of(Kind::VirtualNetwork), START_MS);
    let mut steps: Vec<Written> = Vec::new();
    for to in (START_MS..START_MS + 4_000_000).step_by(47_000) {
        let begun =
            all.iter().filter(|one| (to.saturating_sub(47_000)..to).contains(&one.conversation.start_ms));
        logs.add(&world, &begun.cloned().collect::<Vec<_>>());
        steps.extend(logs.advance(to));
    }
    assert!(steps.len() > 50, "{}", steps.len());
    let sorted = |files: &BTreeMap<String, Vec<u8>>| {
        let mut all = tuples(files);
        all.sort();
        all
    };
    assert_eq!(sorted(&gather(steps)), sorted(&once));
}
