//! Explanations: golden texts for the cases that people meet, and that a proposed file loads and opens the flow.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod dsl;

use policy::file::{SourceFile, load};
use policy::{Flow, Snapshot, Verdict, decide, explain};

const SHOP: [&str; 12] = [
    "network a: 10.0.0.0/16",
    "network b: 10.0.0.0/16",
    "web: role=web app=shop env=prod @10.0.0.1 vpc=a",
    "db: role=db app=shop env=prod @10.0.0.2 vpc=a",
    "dev: role=web app=shop env=dev @10.0.0.3 vpc=a",
    "erp: role=api app=erp env=prod @10.0.0.4 vpc=a enforces=ingress",
    "bare: @10.0.0.5 vpc=a",
    "far: role=web app=shop env=prod @10.0.0.99 vpc=b enforces=none",
    "watched: role=db app=blog env=prod @10.0.0.6 vpc=a mode=visibility",
    "list office: 203.0.113.0/24",
    "list desk: 203.0.113.64/26",
    "list internet: 0.0.0.0/0",
];

fn check(rules: &[&str], flow: &str, expected: &str) {
    let snapshot = dsl::world(&[&SHOP, rules].concat());
    let found = explain(&snapshot, &dsl::flow(&snapshot, flow)).to_text();
    let expected: String =
        expected.trim().lines().map(|line| format!("{}\n", without_margin(line))).collect();
    assert_eq!(found, expected, "\n--- found\n{found}--- expected\n{expected}");
}

/// Expected texts are written behind a `|`, so that their own indent shows.
fn without_margin(line: &str) -> &str {
    line.trim_start().strip_prefix('|').unwrap()
}

#[test]
fn a_flow_that_passes_names_the_rules() {
    check(
        &[
            "rule shop/web-to-db: [app=shop env=prod] role=web -> role=db : tcp/5432",
            "role=web -> role=db : tcp",
        ],
        "web -> db : tcp/5432",
        "|role=web app=shop env=prod (10.0.0.1) → role=db app=shop env=prod (10.0.0.2) on tcp/5432: allowed
         |egress at the source: allowed by shop/web-to-db
         |  also matches: r2/rule (allow)
         |ingress at the destination: allowed by shop/web-to-db
         |  also matches: r2/rule (allow)",
    );
}

#[test]
fn a_wrong_port_is_a_near_miss_and_both_ends_lack_one_rule() {
    check(
        &["rule shop/web-to-db: [app=shop env=prod] role=web -> role=db : tcp/5432"],
        "web -> db : tcp/5433",
        "|role=web app=shop env=prod (10.0.0.1) → role=db app=shop env=prod (10.0.0.2) on tcp/5433: blocked
         |egress at the source: blocked, no rule allows it
         |  almost: shop/web-to-db allows tcp/5432, not tcp/5433
         |ingress at the destination: blocked, no rule allows it
         |  almost: shop/web-to-db allows tcp/5432, not tcp/5433
         |to let it pass, save this as a new file of the policy folder:
         |  rulesets:
         |    - name: web-to-db
         |      scopes: [[app=shop, env=prod]]
         |      rules:
         |        - { name: tcp-5433, sources: [role=web], destinations: [role=db], services: [tcp/5433] }",
    );
}

#[test]
fn every_kind_of_near_miss_says_what_differs() {
    check(
        &[
            "rule n/destinations: all-workloads -> role=db : tcp/1",
            "rule n/sources: role=lb -> role=api : tcp/1",
            "rule s/scope: [app=shop env=prod] [app=erp not env=dev] role=web -> role=api : tcp/1",
            "rule s/two: role=web -> role=api : tcp/2",
            "rule n/off: disabled role=web -> role=api : tcp/1",
            "rule n/deny: deny role=web -> role=api : tcp/2",
        ],
        "dev -> erp : tcp/1",
        "|role=web app=shop env=dev (10.0.0.3) → role=api app=erp env=prod (10.0.0.4) on tcp/1: blocked
         |egress at the source: blocked, no rule allows it
         |  almost: n/off would allow it, but is disabled
         |  almost: s/scope, but the ends are not together in its scope [app=shop, env=prod] or [app=erp, not env=dev]
         |  almost: n/sources wants sources [role=lb]; the source is role=web app=shop env=dev (10.0.0.3)
         |  almost: n/destinations wants destinations [role=db]; the destination is role=api app=erp env=prod
         |ingress at the destination: blocked, no rule allows it
         |  almost: n/off would allow it, but is disabled
         |  almost: s/scope, but the ends are not together in its scope [app=shop, env=prod] or [app=erp, not env=dev]
         |  almost: n/sources wants sources [role=lb]; the source is role=web app=shop env=dev
         |  almost: n/destinations wants destinations [role=db]; the destination is role=api app=erp env=prod (10.0.0.4)
         |to let it pass, save this as a new file of the policy folder:
         |  rulesets:
         |    - name: web-to-api
         |      scopes: [[app=erp, env=prod]]
         |      rules:
         |        - { name: tcp-1, scope: extra, sources: [role=web, app=shop, env=dev], destinations: [role=api], services: [tcp/1] }",
    );
}

#[test]
fn an_override_deny_leaves_nothing_to_propose() {
    check(
        &["role=web -> role=db : all", "rule never/ssh: override-deny all-workloads -> role=db : tcp/22"],
        "web -> db : tcp/22",
        "|role=web app=shop env=prod (10.0.0.1) → role=db app=shop env=prod (10.0.0.2) on tcp/22: blocked
         |egress at the source: blocked by override deny never/ssh
         |  also matches: r1/rule (allow)
         |ingress at the destination: blocked by override deny never/ssh
         |  also matches: r1/rule (allow)
         |no rule can let it pass while never/ssh stands",
    );
}

#[test]
fn an_outside_address_is_proposed_by_its_narrowest_list_never_by_a_whole_family() {
    check(
        &[],
        "203.0.113.70 -> bare : udp/53",
        "|203.0.113.70 → workload bare (10.0.0.5) on udp/53: blocked
         |egress at the source: not enforced, it is outside
         |ingress at the destination: blocked, no rule allows it
         |to let it pass, save this as a new file of the policy folder:
         |  rulesets:
         |    - name: desk-to-bare
         |      rules:
         |        - { name: udp-53, sources: [list:desk], destinations: [workload:bare], services: [udp/53] }",
    );
    check(
        &[],
        "web -> 198.51.100.7 : tcp/443",
        "|role=web app=shop env=prod (10.0.0.1) → 198.51.100.7 on tcp/443: blocked
         |egress at the source: blocked, no rule allows it
         |ingress at the destination: not enforced, it is outside
         |to let it pass, save this as a new file of the policy folder:
         |  ip_lists:
         |    host-198.51.100.7: { addresses: [\"198.51.100.7/32\"] }
         |  rulesets:
         |    - name: web-to-host-198.51.100.7
         |      scopes: [[app=shop, env=prod]]
         |      rules:
         |        - { name: tcp-443, sources: [role=web], destinations: [list:host-198.51.100.7], services: [tcp/443] }",
    );
}

#[test]
fn a_shadowed_peer_is_nobody_and_the_text_says_why() {
    check(
        &["role=web -> role=db : tcp/5432"],
        "far -> db : tcp/5432",
        "|role=web app=shop env=prod (10.0.0.99) → role=db app=shop env=prod (10.0.0.2) on tcp/5432: blocked
         |egress at the source: not enforced, nothing filters this direction there
         |ingress at the destination: blocked, no rule allows it
         |  the source is nobody known here: 10.0.0.99 lies in an address block of this network or a peered one, and \
nobody known holds it there
         |  almost: r1/rule wants sources [role=web]; the source is not a known workload
         |to let it pass, save this as a new file of the policy folder:
         |  ip_lists:
         |    host-10.0.0.99: { addresses: [\"10.0.0.99/32\"] }
         |  rulesets:
         |    - name: host-10.0.0.99-to-db
         |      scopes: [[app=shop, env=prod]]
         |      rules:
         |        - { name: tcp-5432, sources: [list:host-10.0.0.99], destinations: [role=db], services: [tcp/5432] }",
    );
}

#[test]
fn a_watched_end_says_what_full_mode_would_do() {
    check(
        &["[app=shop] role=web -> role=db : tcp/1", "extra role=web -> role=db env=prod app=blog : tcp/2"],
        "erp -> watched : tcp/2",
        "|role=api app=erp env=prod (10.0.0.4) → role=db app=blog env=prod (10.0.0.6) on tcp/2: passes today, full \
enforcement would block it
         |egress at the source: not enforced, nothing filters this direction there
         |ingress at the destination: passes, the workload is only watched; full mode: blocked, no rule allows it
         |  almost: r2/rule wants sources [role=web]; the source is role=api app=erp env=prod
         |to let it pass, save this as a new file of the policy folder:
         |  rulesets:
         |    - name: api-to-db
         |      scopes: [[app=blog, env=prod]]
         |      rules:
         |        - { name: tcp-2, scope: extra, sources: [role=api, app=erp, env=prod], destinations: [role=db], services: \
[tcp/2] }",
    );
}

/// The policy files of the loaded shop. Not everything that the inventory carries is declared here, and some names that a
/// proposal would like are taken.
const FILES: &str = "
labels: { role: [web, db], app: [shop, erp], env: [prod] }
ip_lists:
  office: { addresses: [203.0.113.0/24] }
  desk: { addresses: [203.0.113.64/26] }
  internet: { addresses: [0.0.0.0/0] }
  host-2001-db8--7: { addresses: [192.0.2.1] }
workloads: [{ name: mail relay, addresses: [192.0.2.9] }]
rulesets:
  - { name: a, scopes: [[app=shop], [env=prod]], rules: [{ name: r, sources: [role=web], destinations: [role=db], services: [tcp/1] }] }
  - { name: b, rules: [{ name: r, sources: [list:office], destinations: [role=web], services: [tcp/1-2] }] }
  - { name: c, rules: [{ name: r, action: deny, sources: [role=web], destinations: [role=db], services: [tcp/3] }] }
  - { name: web-to-db, rules: [{ name: r, action: override-deny, sources: [list:desk], destinations: [role=web], services: [tcp/2] }] }
";

/// Ends of one family; every pair of them is asked about.
const ENDS: [&[&str]; 2] = [
    &[
        "web",
        "db",
        "dev",
        "erp",
        "bare",
        "far",
        "watched",
        "colon",
        "quotes",
        "comma",
        "twin",
        "mail relay",
        "203.0.113.9",
        "203.0.113.70",
        "198.51.100.7",
    ],
    &["six@2001:db8::6", "colon@2001:db8::8", "2001:db8::7", "2001:db8:0:1::7"],
];

/// The shop with workloads whose labels are hard to write or cannot be written, and the policy of [`FILES`].
fn odd_shop(mode: &str) -> Snapshot {
    let odd = [
        "six: role=web app=shop env=prod @2001:db8::6 vpc=a",
        "colon: role=2:1.0 app=shop env=prod @10.0.0.7 @2001:db8::8 vpc=a",
        "twin: role=db app=shop env=prod @10.0.0.2 vpc=b",
        "quotes: app=shop env=dev @10.0.0.8 vpc=a",
        "comma: app=shop env=dev @10.0.0.9 vpc=a",
    ];
    let shop: Vec<String> = SHOP.iter().chain(&odd).map(|line| with_mode(line, mode)).collect();
    let mut snapshot = dsl::world(&shop.iter().map(String::as_str).collect::<Vec<_>>());
    for workload in &mut snapshot.workloads {
        let role = match workload.id.as_str() {
            "quotes" => "a \"#\": [\\] ü\u{feff}",
            "comma" => "a,b",
            _ => continue,
        };
        workload.labels.insert("role".into(), role.into());
    }
    let files = load(&[file("shop.yaml", FILES)]).unwrap();
    snapshot.policy = files.policy;
    snapshot.workloads.extend(files.workloads);
    snapshot
}

#[test]
fn a_proposed_file_loads_and_opens_the_flow_and_a_passing_flow_gets_none() {
    let (mut opened, mut stood, mut passed) = (0, 0, 0);
    for mode in ["full", "selective"] {
        let snapshot = odd_shop(mode);
        let pairs = ENDS.iter().flat_map(|ends| ends.iter().flat_map(|a| ends.iter().map(move |b| (a, b))));
        for (source, destination) in pairs {
            for service in ["tcp/1", "tcp/2", "tcp/3", "icmp/8/0", "icmp/3/4", "proto/50"] {
                let text = format!("{source} -> {destination} : {service}");
                match check_proposal(&snapshot, &dsl::flow(&snapshot, &text), &text) {
                    Proposal::Opened => opened += 1,
                    Proposal::OverrideStands => stood += 1,
                    Proposal::NotNeeded => passed += 1,
                }
            }
        }
    }
    assert!(opened > 800 && stood >= 4 && passed > 800, "{opened} opened, {stood} stood, {passed} passed");
}

enum Proposal {
    Opened,
    OverrideStands,
    NotNeeded,
}

fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { name: name.to_owned(), text: text.to_owned() }
}

fn with_mode(line: &str, mode: &str) -> String {
    if line.contains('@') && !line.contains("mode=") {
        format!("{line} mode={mode}")
    } else {
        line.to_owned()
    }
}

fn check_proposal(snapshot: &Snapshot, flow: &Flow, text: &str) -> Proposal {
    let explanation = explain(snapshot, flow);
    assert_eq!(explanation.decision, decide(snapshot, flow), "{text}");
    let printed = explanation.to_text();
    if explanation.decision.verdict == Verdict::Allowed || explanation.override_deny().is_some() {
        assert_eq!(explanation.proposal, "", "{text} gets a proposal");
        assert!(!printed.contains("rulesets:"), "{printed}");
        let stands = explanation.override_deny().is_some();
        return if stands { Proposal::OverrideStands } else { Proposal::NotNeeded };
    }
    // What people see is what they save: the lines below the head, with their indent.
    let (_, proposed) = printed.split_once("save this as a new file of the policy folder:\n").unwrap();
    let files = load(&[file("shop.yaml", FILES), file("new.yaml", proposed)]);
    let files = files.unwrap_or_else(|errors| panic!("{text}: {errors:#?}\n{printed}"));
    let opened = Snapshot { policy: files.policy, ..snapshot.clone() };
    let found = decide(&opened, flow);
    assert_eq!(found.verdict, Verdict::Allowed, "{text}: {}\n{printed}", dsl::show(&found));
    Proposal::Opened
}
