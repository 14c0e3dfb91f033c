//! Every file under `config/` is read; every mistake in a configuration is placed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use policy::LabelValue;

use super::*;
use crate::demo::estate::Estate;
use plan::Cloud;

const SCOPE: &str = "scopes: [{ name: a, provider: aws, region: eu-west-1 }]";

fn parse_text(text: &str) -> Result<Config, Vec<FileError>> {
    Config::parse(&SourceFile { name: "bulkhead.yaml".to_owned(), text: text.to_owned() })
}

fn parsed(text: &str) -> Config {
    parse_text(text).unwrap_or_else(|errors| panic!("{text}: {errors:#?}"))
}

/// A line added to a minimal configuration has exactly one error, with this message and hint.
fn check(line: &str, expected: &str, hint: &str) {
    let installation = if line.starts_with("installation") { "" } else { "installation: shop\n" };
    let scope = if line.starts_with("scopes") { "" } else { SCOPE };
    let errors = parse_text(&format!("{installation}{line}\n{scope}\n")).err().unwrap_or_default();
    let [error] = errors.as_slice() else { panic!("{line}\n{errors:#?}") };
    assert!(error.to_string().contains(expected), "{line}\n{error}\nexpected: {expected}");
    assert!(error.hint.contains(hint) && !error.hint.is_empty(), "{line}\n{}\nexpected: {hint}", error.hint);
}

/// As `check`, for a field of the scope.
fn check_scope(field: &str, expected: &str, hint: &str) {
    check(&format!("scopes: [{{ name: a, provider: aws, region: eu-west-1, {field} }}]"), expected, hint);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

fn read_text(path: &str) -> SourceFile {
    let path = folder().join(path);
    SourceFile { name: path.display().to_string(), text: std::fs::read_to_string(&path).unwrap() }
}

fn load_policy(config: &Config) -> policy::file::PolicyFiles {
    let files = config.read_policy().unwrap();
    policy::file::load(&files)
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(|e| e.render(false)).collect::<String>()))
}

#[test]
fn defaults_are_the_safe_ones() {
    let config = parsed(&format!("installation: shop\n{SCOPE}"));
    let scope = &config.scopes[0].scope;
    assert!(!scope.enforce && !scope.egress && scope.networks.is_empty() && scope.account.is_empty());
    assert_eq!((scope.attachment, scope.drift), (plan::Attachment::Additive, plan::Drift::Repair));
    assert_eq!((scope.transients, scope.settle_ms), (plan::Transients::Keep, 15_000));
    assert_eq!(scope.gates, plan::Gates::default());
    assert_eq!((config.scopes[0].share, config.every), (0.5, Duration::from_secs(60)));
    assert_eq!((config.guards, config.scopes[0].quota), (GuardSettings::default(), Quota::default()));
    assert_eq!((config.policy, config.state), ("policy/".into(), ".bulkhead/".into()));
    let tags = BTreeMap::from([("Role".to_owned(), "Web".to_owned())]);
    assert_eq!(policy::label::describe(&config.mapping.labels(&tags)), "role=web");
}

#[test]
fn the_example_shows_every_option_and_says_the_default() {
    let example = read_text("bulkhead.yaml");
    let config = parsed(&example.text);
    let clouds: Vec<Cloud> = config.scopes.iter().map(|entry| entry.scope.cloud).collect();
    assert_eq!(clouds, [Cloud::Aws, Cloud::Aws, Cloud::Azure, Cloud::Gcp, Cloud::Gcp]);
    let keys = [
        "installation:",
        "policy:",
        "state:",
        "extra_tags:",
        "labels:",
        "guards:",
        "run:",
        "account:",
        "below:",
    ]
    .into_iter()
    .chain(["networks:", "enforce:", "direction:", "attachment:", "drift:", "settle:", "share:"])
    .chain(["quota:", "rules_per_group:", "groups_per_interface:", "groups_per_region:"])
    .chain([
        "credential:",
        "transients:",
        "gate:",
        "prefix:",
        "split:",
        "part:",
        "case:",
        "values:",
        "allow:",
    ])
    .chain(["azure:", "priorities:", "open_connections:", "health_probes:", "security_groups:"])
    .chain(["gcp:", "policy_attributes:", "tag_keys:", "identity:", "classic_priorities:"])
    .chain(["classic_rules:", "nat:", "network:", "from:", "towards:", "as:"])
    .chain(["flows:", "store:", "window:", "daily_after:", "keep:", "sources:", "cloud:", "log_group:"])
    .chain(["log_format:", "project:", "only:"]);
    for key in keys {
        assert!(example.text.contains(key), "{key} is not in the example");
    }
    assert_eq!(config.scopes[0].quota.over(plan::Limits::default()), Ok(plan::Limits::default()));
    assert_eq!((config.azure, config.gcp), (Azure::default(), Gcp::default()));
    let tags = BTreeMap::from([("Name".to_owned(), "shop-web-01".to_owned())]);
    assert_eq!(config.mapping.labels(&tags).get("app").map(LabelValue::as_str), Some("shop"));
    let read = Config::read(&folder().join("bulkhead.yaml")).unwrap();
    load_policy(&read);
}

#[test]
fn the_policy_reference_shows_every_option_and_is_right() {
    let reference = read_text("policy/reference.yaml");
    let files = policy::file::load(std::slice::from_ref(&reference))
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(|e| e.render(false)).collect::<String>()));
    assert_eq!(files.findings, []);
    // Every key, by the mapping that it is in; each is written as `key:`, and those with a default say it.
    for key in
        ["labels", "label_groups", "ip_lists", "services", "enforcement", "workloads", "rulesets", "protect"]
            .into_iter()
            .chain([
                "key",
                "groups",
                "addresses",
                "except",
                "match",
                "mode",
                "description",
                "name",
                "enabled",
            ])
            .chain(["scopes", "rules", "scope", "action", "sources", "destinations"])
    {
        assert!(reference.text.contains(&format!("{key}:")), "{key} is not in the reference");
    }
    for word in
        ["idle", "visibility_only", "selective", "full", "deny", "override-deny", "intra", "extra", "all"]
    {
        assert!(reference.text.contains(&format!("`{word}`")), "{word} is not explained");
    }
    let rule = &files.policy.rulesets[0].rules[0];
    assert_eq!((rule.extra_scope, rule.action, rule.enabled), (false, policy::Action::Allow, true));
    let modes: Vec<_> = files.policy.enforcement.iter().map(|entry| entry.mode).collect();
    use policy::EnforcementMode::{Full, Idle, Selective, VisibilityOnly};
    assert_eq!(modes, [Idle, VisibilityOnly, Selective, Full]);
}

/// Configurations and estates by their file names, policies by their folder; anything else is not tested by anybody.
#[test]
fn every_file_under_config_is_read() {
    let mut read = Vec::new();
    let mut folders = vec![folder()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(&inside).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            match name.as_str() {
                "bulkhead.yaml" => drop(load_policy(&Config::read(&path).unwrap())),
                "aws.yaml" | "azure.yaml" | "gcp.yaml" => {
                    drop(Estate::parse(&read_text(path.to_str().unwrap())).unwrap())
                }
                _ if inside.ends_with("policy") => {
                    let files = read_folder(&inside).unwrap();
                    policy::file::load(&files).unwrap_or_else(|errors| panic!("{errors:#?}"));
                }
                _ => panic!("nobody reads {}", path.display()),
            }
            read.push(name);
        }
    }
    assert!(read.len() >= 8 && read.contains(&"reference.yaml".to_owned()), "{read:?}");
}

#[test]
fn the_demo_is_read_and_its_estate_fits_its_policy() {
    let config = Config::read(&folder().join("demo/bulkhead.yaml")).unwrap();
    let files = load_policy(&config);
    assert_eq!(files.findings, []);
    let [estate, azure, gcp] = demo_estates();
    let interfaces = estate.all_interfaces().count();
    assert!((55..=65).contains(&interfaces), "{interfaces} interfaces");
    assert!(estate.all_interfaces().any(|i| i.managed.is_some()));
    assert!(estate.all_interfaces().any(|i| i.groups.iter().any(|group| group == "legacy-ssh")));
    assert!(estate.all_interfaces().any(|i| i.addresses.iter().filter(|a| a.is_ipv4()).count() > 1));
    for instance in [&estate, &azure, &gcp].into_iter().flat_map(|estate| &estate.instances) {
        let labels = config.mapping.labels(&instance.tags);
        assert_eq!(labels.len(), 3, "{}: {labels:?}", instance.name);
        for (key, value) in labels {
            assert!(files.policy.labels[&key].contains(&value), "{key}={value} is not declared");
        }
    }
    let [a, b] = ["shared", "payment"].map(|name| estate.networks.iter().find(|n| n.name == name).unwrap());
    assert_eq!(a.cidrs[0], b.cidrs[0], "two unconnected networks reuse a block");
}

/// On AWS, on Azure, on Google Cloud.
fn demo_estates() -> [Estate; 3] {
    ["aws", "azure", "gcp"].map(|cloud| {
        Estate::parse(&read_text(&format!("demo/estate/{cloud}.yaml")))
            .unwrap_or_else(|errors| panic!("{}", errors.iter().map(|e| e.render(false)).collect::<String>()))
    })
}

/// The estates as a snapshot, with the policy and the mapping of the demo.
fn demo_snapshot() -> policy::Snapshot {
    let config = Config::read(&folder().join("demo/bulkhead.yaml")).unwrap();
    let files = load_policy(&config);
    let estates = demo_estates();
    let network_id = |subnet: &str| {
        let network = estates.iter().find_map(|estate| estate.network_of(subnet)).unwrap();
        policy::NetworkId::from(network.name.as_str())
    };
    let workload = |name: &str,
                    tags: &BTreeMap<String, String>,
                    interfaces: &[crate::demo::estate::EstateInterface]| {
        let interface = |i: &crate::demo::estate::EstateInterface| policy::Interface {
            id: i.name.as_str().into(),
            network: Some(network_id(&i.subnet)),
            addresses: i.addresses.clone(),
            enforces: if i.managed.is_some() { policy::Directions::NONE } else { policy::Directions::BOTH },
        };
        policy::Workload {
            id: name.into(),
            labels: config.mapping.labels(tags),
            mode: policy::EnforcementMode::Full,
            interfaces: interfaces.iter().map(interface).collect(),
        }
    };
    let mut workloads = files.workloads;
    for estate in &estates {
        workloads.extend(estate.instances.iter().map(|i| workload(&i.name, &i.tags, &i.interfaces)));
        let alone = estate.interfaces.iter();
        workloads.extend(alone.map(|i| workload(&i.name, &i.tags, std::slice::from_ref(i))));
    }
    workloads.sort_by(|a, b| a.id.cmp(&b.id));
    let peers = |name: &str| {
        let pairs = estates.iter().flat_map(|estate| &estate.peerings);
        let pairs = pairs.flat_map(|(a, b)| [(a, b), (b, a)]);
        pairs.filter(|(a, _)| *a == name).map(|(_, b)| b.as_str().into()).collect()
    };
    let network = |n: &crate::demo::estate::EstateNetwork| {
        let id = policy::NetworkId::from(n.name.as_str());
        (id.clone(), policy::Network { id, cidrs: n.cidrs.clone(), peers: peers(&n.name) })
    };
    let networks = estates.iter().flat_map(|estate| &estate.networks).map(network).collect();
    policy::Snapshot { policy: files.policy, workloads, networks, translations: Vec::new() }
}

#[test]
fn the_demo_compiles_with_no_finding_but_the_reused_block() {
    let snapshot = demo_snapshot();
    let compilation = policy::compile(&snapshot);
    // Two networks reuse a block on purpose; nothing else may be worth a word.
    let codes: Vec<&str> = compilation.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["address-ambiguous"], "{:#?}", compilation.findings);
    let check = |from: &str, to: &str, port: u16, verdict: policy::Verdict| {
        let end = |name: &str| {
            let interface = snapshot.interfaces().map(|(_, _, i)| i).find(|i| i.id.as_str() == name).unwrap();
            policy::End { interface: Some(interface.id.clone()), address: interface.addresses[0] }
        };
        let service = policy::ServicePoint::port(6, port);
        let flow = policy::Flow { source: end(from), destination: end(to), service };
        assert_eq!(policy::decide(&snapshot, &flow).verdict, verdict, "{from} → {to} tcp/{port}");
    };
    use policy::Verdict::{Allowed, Blocked};
    check("shop-web-prod-1", "shop-app-prod-1", 8443, Allowed);
    check("shop-web-prod-1", "shop-app-prod-1", 22, Blocked);
    check("shop-web-dev-1", "shop-app-dev-1", 8443, Allowed);
    check("shop-web-dev-1", "shop-app-test-1", 8443, Blocked);
    check("shop-web-prod-1", "shop-app-dev-1", 8443, Blocked);
    check("shop-lb-1", "shop-web-prod-1", 8080, Allowed);
    check("erp-core", "shop-app-prod-2", 8443, Allowed);
    check("shared-bastion-1", "shop-db-prod-1", 22, Allowed);
    check("shared-monitoring-1", "shop-db-dev-1", 9100, Allowed);
    check("payment-app-1", "payment-db-1", 5432, Allowed);
    check("payment-gateway-1", "payment-db-1", 5432, Blocked);
}

#[test]
fn every_mistake_in_a_configuration_is_placed() {
    check("instalation: x", "unknown key `instalation`", "did you mean `installation`?");
    check("installation: Shop", "`Shop` cannot be an installation", "3 to 24");
    check("installation: ab", "bulkhead.yaml:1:15: `ab` cannot be", "3 to 24");
    check("extra_tags: { \"aws:x\": y }", "tag `aws:x` cannot be set", "prefix");
    check("guards: { lose_peer_percent: 101 }", "cannot be above 100", "percentage");
    check("guards: { lose_all_ingress: few }", "`lose_all_ingress` cannot be `few`", "whole number");
    check("guards: { allow: [all] }", "unknown guard `all`", "lose-peer");
    let scope = |fields: &str| format!("scopes: [{{ name: a, {fields} }}]");
    check(
        &scope("provider: aws, region: eu-west-1, below: ou-1"),
        "`below` cannot be `ou-1`",
        "each account",
    );
    check(&scope("provider: gcp, below: folders/x"), "`below` cannot be `folders/x`", "organizations/NUMBER");
    let both = "provider: gcp, below: folders/1, account: shop-prod-1";
    check(&scope(both), "a scope with `below` has no `account`", "for one account");
    check(&scope("provider: azure, region: westeurope, below: a/b"), "`below` cannot be", "management group");
    check("nat: [{ network: a }]", "`as` is missing in an entry of `nat`", "add `as: …`");
    check("nat: [{ network: a, as: [] }]", "`as`", "NAT gateway");
    check("nat: [{ network: a, as: [203.0.113.0/24] }]", "`as` cannot hold `203.0.113.0/24`", "203.0.113.7");
    check(
        "nat: [{ network: a, from: [10.0.0.0/33], as: [203.0.113.7] }]",
        "`from` cannot hold",
        "10.1.0.0/16",
    );
    check("nat: [{ as: [203.0.113.7] }]", "`network` is missing", "add `network: …`");
    check(
        "nat: [{ network: a, from: [10.0.0.0/8], as: [2001:db8::7] }]",
        "family of `10.0.0.0/8`",
        "name an address",
    );
    check("azure: { priorities: [1000] }", "`priorities` cannot be this", "within 100 and 3999");
    check("azure: { priorities: [1000, 4000] }", "`priorities` cannot be this", "within 100 and 3999");
    check("azure: { priorities: [2000, 1000] }", "bulkhead.yaml:2:", "[1000, 3999]");
    check("azure: { health_probes: yes }", "`health_probes` cannot be `yes`", "`keep` or `policy`");
    check("azure: { security_groups: vnet }", "`security_groups` cannot be `vnet`", "`subnet`");
    check("azure: { open_connections: cut }", "`open_connections` cannot be `cut`", "judge-again");
    check("gcp: { priorities: few }", "`priorities` cannot be this", "2147483547");
    check("gcp: { classic_priorities: [800, 70000] }", "`classic_priorities` cannot be this", "65535");
    check("gcp: { identity: network-tags }", "`identity` cannot be", "did you mean `network_tags`?");
    check("gcp: { tag_keys: 0 }", "`tag_keys` cannot be below 1", "quota page");
    check("run: { every: 60 }", "`every` cannot be `60`", "unit");
    check("run: { every: 10ms }", "below one second", "60s");
    check("labels: [{ key: role }]", "`tag` is missing in a label mapping", "add `tag: …`");
    check("labels: [{ key: a, tag: b, split: \"-\" }]", "`part` is missing", "add");
    check("labels: [{ key: a, tag: b, split: \"-\", part: 0 }]", "`part` cannot be 0", "from 1");
    check("labels: [{ key: a, tag: b, part: 1 }]", "means nothing without `split`", "split");
    check("labels: [{ key: a, tag: b, prefix: x, split: y }]", "cannot both be given", "two entries");
    check("labels: [{ key: a, tag: b, case: upper }]", "`case` cannot be `upper`", "`lower` or `keep`");
}

#[test]
fn every_mistake_in_a_scope_is_placed() {
    check("scopes: []", "`scopes` is empty", "at least one");
    check("scopes: [{ name: a, region: b }]", "`provider` is missing in a scope", "add");
    check("scopes: [{ name: a, provider: oci, region: b }]", "`provider` cannot be `oci`", "aws");
    check_scope("account: 1111", "`account` cannot be `1111`", "12 digits");
    check_scope("networks: []", "`networks` is empty", "leave the key out");
    check_scope("networks: ", "`networks` has no value in a scope", "take the key out");
    check_scope("enforce: yes", "`enforce` cannot be `yes`", "`true` or `false`");
    check_scope("direction: egress", "`direction` cannot be `egress`", "");
    check_scope("attachment: aditive", "`attachment` cannot be", "did you mean `additive`?");
    check_scope("settle: 15", "`settle` cannot be `15`", "15s");
    check_scope("settle: 48h", "`settle` cannot be `48h`", "15s");
    check_scope("share: 0", "`share` cannot be `0`", "above 0");
    check_scope("share: 1.5", "`share` cannot be `1.5`", "at most 1");
    check_scope("share: NaN", "`share` cannot be `NaN`", "number");
    check_scope("quota: { rules: 100 }", "unknown key `rules`", "rules_per_group");
    check_scope("quota: { rules_per_group: many }", "`rules_per_group` cannot be `many`", "whole number");
    check_scope("quota: { groups_per_region: 0 }", "`groups_per_region` cannot be below 1", "quota page");
    check_scope("quota: { groups_per_interface: 17 }", "cannot be above 16, the most that AWS gives", "page");
    check_scope("quota: { rules_per_group: 201 }", "201 rules per group × 5 groups per interface", "has");
    let both = "quota: { rules_per_group: 100, groups_per_interface: 11 }";
    check_scope(both, "100 rules per group × 11 groups per interface are over the 1000", "the account has");
    check_scope("gate: { exposre: true }", "unknown key `exposre`", "did you mean `exposure`?");
    let twice = "scopes: [{ name: a, provider: aws, region: b }, { name: a, provider: aws, region: c }]";
    check(twice, "scope `a` is defined twice", "bulkhead.yaml:2:");
}

#[test]
fn translations_name_networks_as_their_clouds_do() {
    let id = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/V";
    let config = parsed(&format!(
        "installation: shop\n{SCOPE}\nnat: [{{ network: {id}, from: [10.0.1.9/24], as: [203.0.113.7, \"2001:db8::7\"] }}]"
    ));
    let expected = policy::Translation {
        network: id.to_lowercase().into(),
        from: vec!["10.0.1.0/24".parse().unwrap()],
        towards: Default::default(),
        addresses: vec!["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
    };
    assert_eq!(config.translations, [expected]);
}

#[test]
fn each_cloud_says_in_its_own_words_where_a_scope_is() {
    const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";
    let azure = |rest: &str| format!("scopes: [{{ name: a, provider: azure, {rest} }}]");
    let gcp = |rest: &str| format!("scopes: [{{ name: a, provider: gcp, {rest} }}]");
    let scope = |line: &str| parsed(&format!("installation: shop\n{line}")).scopes.remove(0);
    let here = scope(&azure(&format!("account: {SUBSCRIPTION}, region: westeurope")));
    assert_eq!((here.scope.cloud, here.credential), (Cloud::Azure, Credential::AzureCli));
    let here = scope(&gcp("account: shop-prod-1, credential: metadata"));
    assert_eq!((here.scope.cloud, here.credential), (Cloud::Gcp, Credential::Metadata));
    check(&azure("region: westeurope"), "`account` is missing", "add");
    check(&azure("account: shop, region: westeurope"), "`account` cannot be `shop`", "subscription");
    check(&azure(&format!("account: {SUBSCRIPTION}")), "`region` is missing", "add");
    let one = format!("account: {SUBSCRIPTION}, region: westeurope");
    check(
        &azure(&format!("{one}, credential: gcloud")),
        "`credential` cannot be `gcloud`",
        "managed-identity",
    );
    check(
        &azure(&format!("{one}, quota: {{ rules_per_group: 9 }}")),
        "`quota` is for scopes on AWS",
        "leave",
    );
    check(&gcp("account: shop-prod-1, region: europe-west1"), "has no `region`", "global");
    check(&gcp("account: Shop"), "`account` cannot be `Shop`", "project");
    check_scope("credential: gcloud", "a scope on AWS has no `credential`", "AWS_PROFILE");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::read(Path::new("nowhere/bulkhead.yaml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read `nowhere/bulkhead.yaml`");
}

#[test]
fn an_estate_with_mistakes_is_refused() {
    let text = "{ account: \"1\", region: r, networks: [{ name: n, cidrs: [10.0.0.0/16], subnets: [{ name: s, \
                cidrs: [10.1.0.0/24] }] }], instances: [{ name: i, subnet: s, addresses: [10.0.0.1], groups: [g] }] }";
    let file = SourceFile { name: "e".to_owned(), text: text.to_owned() };
    let messages: Vec<String> = Estate::parse(&file).unwrap_err().into_iter().map(|e| e.message).collect();
    let expected = [
        "subnet `s` is outside its network",
        "`10.0.0.1` is no address of subnet `s`",
        "unknown group `g` in network `n`",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn flows_have_a_store_beside_the_state_and_no_source() {
    let config = parsed(&format!("installation: shop\nstate: s/\n{SCOPE}"));
    let flows = config.flows;
    assert_eq!((flows.store.as_str(), flows.sources.len()), ("s/flows", 0));
    assert_eq!((flows.window, flows.keep), (Duration::from_secs(3_600), Duration::from_secs(395 * 86_400)));
}

#[test]
fn relative_places_of_flows_are_relative_to_the_configuration_and_urls_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bulkhead.yaml");
    let sources = "[{ name: a, cloud: aws, from: logs }, { name: b, cloud: gcp, from: \"gs://b/p\" }]";
    std::fs::write(&path, format!("installation: shop\n{SCOPE}\nflows: {{ sources: {sources} }}")).unwrap();
    let flows = Config::read(&path).unwrap().flows;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let url = |source: &FlowSourceConfig| match &source.from {
        From::Objects { url } => url.clone(),
        _ => String::new(),
    };
    assert_eq!(flows.store, at(".bulkhead/flows"));
    assert_eq!(flows.sources.iter().map(url).collect::<Vec<_>>(), [at("logs"), "gs://b/p".to_owned()]);
}

#[test]
fn mistakes_in_flows_are_placed() {
    let check_source = |source: &str, expected: &str, hint: &str| {
        check(&format!("flows: {{ sources: [{source}] }}"), expected, hint);
    };
    check("flows: { window: 7m }", "does not divide a day", "5m");
    check("flows: { keep: 1d }", "below two days", "90d");
    check("flows: { keep: for ever }", "`keep` cannot be `for ever`", "30d");
    check_source("{ name: a, from: x }", "`cloud`", "");
    check_source("{ name: a, cloud: oracle, from: x }", "`cloud` cannot be `oracle`", "aws");
    check_source("{ name: a, cloud: aws }", "read in one way", "from");
    check_source("{ name: a, cloud: aws, from: x, log_group: y }", "read in one way", "from");
    check_source("{ name: a, cloud: aws, project: p }", "`project` is not of this cloud", "log_group");
    check_source("{ name: a, cloud: aws, log_group: g }", "`region`", "");
    check_source("{ name: a, cloud: aws, from: x, only: dropped }", "`only` cannot be `dropped`", "rejected");
    let twice = "{ name: a, cloud: aws, from: x }, { name: a, cloud: gcp, from: y }";
    check_source(twice, "two sources are named `a`", "name of its own");
}
