//! Every mistake that a policy file can hold, one line each, with what is said about it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;

/// What the broken lines below may refer to.
const BASE: &str = "\
labels: { role: [web, app, db], app: [shop, erp], env: [prod, dev, test], loc: [us] }
label_groups: { nonprod: { key: env, labels: [dev, test] } }
ip_lists: { office: { addresses: [203.0.113.0/24], except: [203.0.113.66] } }
services: { postgres: [tcp/5432], web: [tcp/80, tcp/443] }
";

fn source(name: &str, text: &str) -> SourceFile {
    SourceFile { name: name.to_owned(), text: text.to_owned() }
}

fn load_with_base(text: &str) -> Result<PolicyFiles, Vec<FileError>> {
    load(&[source("base.yaml", BASE), source("it.yaml", text)])
}

fn loaded(text: &str) -> PolicyFiles {
    load_with_base(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

/// `text` beside the base has exactly one error, with this line, message and hint (by their parts).
fn check(text: &str, expected: &str, hint: &str) {
    let errors = load_with_base(text).err().unwrap_or_default();
    let [error] = errors.as_slice() else { panic!("{text}\n{errors:#?}") };
    assert!(error.to_string().contains(expected), "{text}\n{error}\nexpected: {expected}");
    assert!(error.hint.contains(hint), "{text}\n{}\nexpected: {hint}", error.hint);
    assert!(!error.hint.is_empty(), "{text}: every error has a hint");
}

/// A ruleset with one rule of these fields, and its error.
fn check_rule(fields: &str, expected: &str, hint: &str) {
    let sources = if fields.contains("sources:") { "" } else { "sources: [role=web], " };
    let destinations = if fields.contains("destinations:") { "" } else { "destinations: [role=db], " };
    let services = if fields.contains("services:") { "" } else { "services: [postgres], " };
    let rule = format!("{{ name: r, {sources}{destinations}{services}{fields} }}");
    check(&format!("rulesets: [{{ name: s, rules: [{rule}] }}]"), expected, hint);
}

#[test]
fn a_whole_policy_is_read() {
    let files = loaded(
        "\
enforcement:
  - { match: [app=shop, env=prod], mode: full }
workloads:
  - { name: erp, labels: { role: db, app: erp, env: prod }, addresses: [192.0.2.10, \"2001:db8:9::10\"] }
rulesets:
  - name: shop-prod
    scopes: [[app=shop, env=prod], [app=shop, group:nonprod, not loc=us]]
    rules:
      - { name: a, sources: [role=web, not role=db], destinations: [role=app], services: [postgres, tcp/8443, icmp/8] }
      - { name: b, sources: [list:office, workload:erp], destinations: [all-workloads], services: [all], scope: extra,
          action: override-deny, enabled: false }
protect:
  - { sources: [list:any], destinations: [role=web], services: [web] }
",
    );
    let policy = &files.policy;
    assert_eq!(policy.enforcement[0].mode, crate::EnforcementMode::Full);
    let ruleset = &policy.rulesets[0];
    assert_eq!((ruleset.scopes.len(), ruleset.scopes[1].len()), (2, 3));
    assert!(ruleset.scopes[1][2].exclusion);
    let [a, b] = ruleset.rules.as_slice() else { panic!("two rules") };
    assert_eq!(a.services.to_string(), "icmp/8, tcp/5432, tcp/8443");
    assert_eq!((a.enabled, a.extra_scope, a.action), (true, false, crate::Action::Allow));
    assert_eq!((b.enabled, b.extra_scope, b.action), (false, true, crate::Action::OverrideDeny));
    assert_eq!(b.sources[1], crate::Actor::Workload("erp".into()));
    assert_eq!(files.workloads[0].interfaces[0].addresses.len(), 2);
    assert_eq!(files.protect[0].name.as_str(), "protect-1");
    assert_eq!(policy.ip_lists["any"].addresses, crate::AddressSet::any());
    assert!(!policy.ip_lists["office"].addresses.contains("203.0.113.66".parse().unwrap()));
    assert_eq!(files.findings, []);
}

#[test]
fn text_that_is_not_yaml_is_placed() {
    check("labels: { role: [a, b }", "it.yaml:1:", "not YAML");
    check("rulesets:\n\t- name: x", "it.yaml:2:", "not YAML");
    check("labels:\n  tier: [a]\n  tier: [b]", "it.yaml:3:3: key `tier` is written twice", "once");
    check("labels: {}\n---\nservices: {}", "it.yaml:3:1: the file holds more than one", "`---`");
    check("rulesets: *base", "it.yaml:1:11: the alias names no anchor", "`&name`");
    check("labels: { tier: !!int x }", "it.yaml:1:", "take the tag");
}

#[test]
fn values_stay_as_they_are_written() {
    let files = loaded("labels: { version: [1.10, 0123, true, no, ~x, 1e3, 0x1F, \"quoted 1\", 'it''s'] }");
    let values: Vec<&str> = files.policy.labels["version"].iter().map(|value| value.as_str()).collect();
    assert_eq!(values, ["0123", "0x1F", "1.10", "1e3", "it's", "no", "quoted 1", "true", "~x"]);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_one() {
    check("ruleset: []", "it.yaml:1:1: unknown key `ruleset` in a policy file", "did you mean `rulesets`?");
    check("colours: []", "unknown key `colours`", "known keys: labels, label_groups");
    check_rule("desc: x", "unknown key `desc` in a rule", "known keys");
    check_rule("enable: true", "unknown key `enable` in a rule", "did you mean `enabled`?");
    check("rulesets: [{ nmae: x, name: y }]", "unknown key `nmae` in a ruleset", "did you mean `name`?");
}

#[test]
fn s18_unknown_names_are_refused_with_the_nearest_one() {
    check_rule("sources: [role=wbe]", "unknown label `role=wbe`", "did you mean `role=web`?");
    check_rule("sources: [tier=1]", "unknown label `tier=1`", "declare it under `labels:`");
    check_rule("sources: [group:nonprd]", "unknown label group `nonprd`", "did you mean `nonprod`?");
    check_rule("sources: [list:ofice]", "unknown IP list `ofice`", "did you mean `office`?");
    check_rule("services: [postgre]", "unknown service `postgre`", "did you mean `postgres`?");
    check_rule("services: [mysql]", "unknown service `mysql`", "define it under `services:`");
    check_rule("sources: [\"workload:\"]", "unknown workload ``", "`workloads:`");
    check(
        "rulesets: [{ name: s, scopes: [[app=shp]] }]",
        "unknown label `app=shp`",
        "did you mean `app=shop`?",
    );
    check("label_groups: { g: { key: env, groups: [nonprodd] } }", "unknown label group", "`nonprod`");
    check(
        "label_groups: { g: { key: envv, labels: [] } }",
        "unknown label key `envv`",
        "did you mean `env`?",
    );
    check(
        "label_groups: { g: { key: env, labels: [prd] } }",
        "unknown value of label key `env` `prd`",
        "`prod`",
    );
    check("enforcement: [{ match: [app=x], mode: full }]", "unknown label `app=x`", "declare");
    check(
        "workloads: [{ name: w, labels: { role: dbb }, addresses: [192.0.2.1] }]",
        "`role=dbb`",
        "`role=db`",
    );
}

#[test]
fn a_group_holds_labels_of_one_key() {
    check("label_groups: { g: { key: env, labels: [web] } }", "`web` is a label of key `role`", "one key");
    check("label_groups: { g: { key: env, labels: [env=dev] } }", "`env=dev` is not a value", "write `dev`");
    check(
        "label_groups: { g: { key: role, groups: [nonprod] } }",
        "group `nonprod` is of key `env`",
        "one key",
    );
}

#[test]
fn a_cyclic_label_group_is_refused_and_printed() {
    let group = |name: &str, sub: &str| format!("{name}: {{ key: env, groups: [{sub}] }}");
    let cycle = format!("label_groups: {{ {}, {}, {} }}", group("a", "b"), group("b", "c"), group("c", "a"));
    check(&cycle, "it.yaml:1:17: label groups contain each other: a → b → c → a", "take one of them out");
    let own = format!("label_groups: {{ {} }}", group("a", "a"));
    check(&own, "contain each other: a → a", "take one");
    let beside = format!("label_groups: {{ {}, {}, {} }}", group("x", "a"), group("a", "b"), group("b", "a"));
    check(&beside, "contain each other: a → b → a", "take one");
    let deep: Vec<String> = (0..40).map(|n| group(&format!("g{n}"), &format!("g{}", n + 1))).collect();
    let deep = format!("label_groups: {{ {}, g40: {{ key: env }} }}", deep.join(", "));
    let errors = load_with_base(&deep).unwrap_err();
    assert!(errors[0].message.contains("nests deeper than 32"), "{errors:?}");
}

#[test]
fn label_groups_that_double_with_every_layer_are_refused() {
    let layer = |n: usize| {
        let subs = format!("a{}, b{}", n + 1, n + 1);
        format!("a{n}: {{ key: env, groups: [{subs}] }}, b{n}: {{ key: env, groups: [{subs}] }}")
    };
    let groups = |layers: usize| {
        let all: Vec<String> = (0..layers).map(layer).collect();
        format!(
            "label_groups: {{ {}, a{layers}: {{ key: env }}, b{layers}: {{ key: env }} }}",
            all.join(", ")
        )
    };
    loaded(&groups(10));
    let errors = load_with_base(&groups(30)).unwrap_err();
    assert!(errors[0].message.contains("comes to more than 100000 groups"), "{errors:?}");
}

#[test]
fn a_name_is_defined_once_and_both_places_are_named() {
    check(
        "services: { postgres: [tcp/1] }",
        "it.yaml:1:13: service `postgres` is defined twice",
        "base.yaml:4:",
    );
    check("labels: { role: [web] }", "label `role=web` is defined twice", "base.yaml:1:");
    check(
        "label_groups: { nonprod: { key: env } }",
        "label group `nonprod` is defined twice",
        "base.yaml:2:",
    );
    check("ip_lists: { office: { addresses: [192.0.2.1] } }", "IP list `office` is defined", "base.yaml:3:");
    check(
        "rulesets: [{ name: s }, { name: s }]",
        "it.yaml:1:33: ruleset `s` is defined twice",
        "it.yaml:1:20",
    );
    let rule = "{ name: r, sources: [role=web], destinations: [role=db], services: [all] }";
    check(
        &format!("rulesets: [{{ name: s, rules: [{rule}, {rule}] }}]"),
        "rule `r` of the ruleset",
        "it.yaml:1:",
    );
    let workload = |name: &str, address: &str| format!("{{ name: {name}, addresses: [\"{address}\"] }}");
    let pair = |a: String, b: String| format!("workloads: [{a}, {b}]");
    check(
        &pair(workload("a", "192.0.2.1"), workload("a", "192.0.2.2")),
        "workload `a` is defined",
        "it.yaml",
    );
    let twice = pair(workload("a", "2001:db8::1"), workload("b", "2001:db8:0::1"));
    check(&twice, "address `2001:db8::1` is defined twice", "it.yaml:1:");
}

#[test]
fn a_scope_has_one_included_entry_for_each_key() {
    let scope = |entries: &str| format!("rulesets: [{{ name: s, scopes: [[{entries}]] }}]");
    check(&scope("env=prod, env=dev"), "`env=prod` and `env=dev` are of one key `env`", "two scopes");
    check(&scope("env=prod, group:nonprod"), "are of one key `env`", "label group");
    loaded(&scope("group:nonprod, not env=dev"));
    check("rulesets: [{ name: s, scopes: [app=shop] }]", "a scope is a list", "list of lists");
    check(&scope("list:office"), "`list:office` is no scope entry", "env=prod");
}

#[test]
fn nothing_written_never_means_everything() {
    let scopes = |scopes: &str| format!("rulesets:\n- name: s\n  scopes:{scopes}\n  rules: []\n");
    check(&scopes(""), "it.yaml:3:", "take the key out");
    check(&scopes(" # [[app=shop]]"), "`scopes` has no value in a ruleset", "write what `scopes` is");
    check(&scopes(" [[]]"), "it.yaml:3:12: a scope is empty", "`scopes: []`");
    check(&scopes("\n  - # [app=shop]"), "a scope is empty", "every workload");
    check(&scopes("\n  - [app=shop]\n  - []"), "it.yaml:5:5: a scope is empty", "every workload");
    loaded(&scopes(" []"));
    check_rule("action: ", "`action` has no value in a rule", "default");
    check_rule("enabled: ~", "`enabled` has no value in a rule", "default");
    check("ip_lists: { x: { addresses: [10.0.0.0/8], except: } }", "`except` has no value", "default");
    check("enforcement: [{ match: , mode: full }]", "`match` has no value", "write");
}

#[test]
fn sides_and_services_are_never_empty() {
    check_rule("sources: []", "`sources` is empty", "all-workloads");
    check_rule("destinations: []", "`destinations` is empty", "all-workloads");
    check_rule("services: []", "`services` is empty", "`all`");
    check_rule("services: ", "`services` has no value in a rule", "write what `services` is");
    check(
        "rulesets: [{ name: s, rules: [{ name: r, sources: [role=web], services: [all] }] }]",
        "`destinations` is missing in a rule",
        "add `destinations: …`",
    );
    check("services: { none: [] }", "service `none` is empty", "tcp/443");
    check("rulesets: [{ rules: [] }]", "`name` is missing in a ruleset", "add `name: …`");
}

#[test]
fn a_rule_needs_a_workload_on_one_side() {
    check_rule(
        "sources: [list:office], destinations: [list:any]",
        "IP lists on both sides",
        "workloads on one side",
    );
}

#[test]
fn an_actor_that_is_none_is_refused_with_what_was_meant() {
    check_rule("sources: [office]", "`office` is no source", "did you mean `list:office`?");
    check_rule("sources: [nonprod]", "`nonprod` is no source", "did you mean `group:nonprod`?");
    check_rule("sources: [db]", "`db` is no source", "did you mean `role=db`?");
    check_rule("sources: [all]", "`all` is no source", "did you mean `all-workloads`?");
    check_rule("sources: [xyz]", "`xyz` is no source", "write `role=web`");
    check_rule("sources: [not list:office]", "cannot be excluded", "`except:`");
    check_rule("sources: [list: office]", "is a text, not a mapping", "must not be followed by a space");
    check_rule("sources: [role=]", "`role=` is not a label", "write `key=value`");
}

#[test]
fn an_actor_names_whatever_may_be_declared() {
    let files = loaded(
        "\
labels: { version: [\"2:1.0\"] }
workloads: [{ name: erp core, addresses: [192.0.2.10] }]
rulesets:
- name: s
  rules:
  - { name: r, sources: [\"version=2:1.0\"], destinations: [\"workload:erp core\"], services: [all] }
",
    );
    let rule = &files.policy.rulesets[0].rules[0];
    let label = crate::Label { key: "version".into(), value: "2:1.0".into() };
    assert_eq!(rule.sources, [crate::Actor::Label { label, exclusion: false }]);
    assert_eq!(rule.destinations, [crate::Actor::Workload("erp core".into())]);
    check_rule("sources: [\"workload:erp cor\"]", "unknown workload `erp cor`", "`workloads:`");
}

#[test]
fn services_and_addresses_say_what_is_wrong_with_them() {
    check_rule("services: [tcp/90-80]", "the range runs backwards", "tcp/443");
    check("services: { x: [tcp/70000] }", "it.yaml:1:17: `tcp/70000` is not a service", "tcp/443");
    check("services: { tcp: [tcp/1] }", "service `tcp` cannot be defined", "another name");
    let list = |addresses: &str| format!("ip_lists: {{ x: {{ addresses: [{addresses}] }} }}");
    check(
        &list("10.0.0.1/24"),
        "it.yaml:1:30: `10.0.0.1/24` has host bits set; the block is `10.0.0.0/24`",
        "write",
    );
    check(&list("10.0.0.9-10.0.0.1"), "is not a range", "203.0.113.7-203.0.113.9");
    check(&list("home"), "`home` is not an IP address", "write");
    check("ip_lists: { any: { addresses: [10.0.0.1] } }", "IP list `any` cannot be defined", "built in");
    check(
        "workloads: [{ name: w, addresses: [10.0.0.0/8] }]",
        "not an IP address",
        "blocks belong into an IP list",
    );
    check("workloads: [{ name: w, addresses: [0.0.0.0] }]", "not the address of a host", "others see");
}

#[test]
fn an_ip_list_whose_exclusions_leave_nothing_is_a_finding() {
    let files = loaded("ip_lists: { x: { addresses: [10.0.0.0/24], except: [10.0.0.0/8] } }");
    assert_eq!(files.findings[0].to_string(), "x: the exclusions leave nothing");
    assert!(!files.findings[0].is_blocking());
}

#[test]
fn wrong_types_are_named() {
    check("labels: [role]", "`labels` is a mapping, not a list", "key: value");
    check("labels: { tier: one }", "the values of a label is a list, not a text", "write `[one]`");
    check("rulesets: { name: s }", "`rulesets` is a list, not a mapping", "- item");
    check("rulesets: [{ name: [s] }]", "a name is a text, not a list", "one text");
    check("just a text", "a policy file is a mapping, not a text", "key: value");
    check_rule("enabled: no", "`enabled` cannot be `no`", "write `true` or `false`");
    check_rule("action: alow", "`action` cannot be `alow`", "did you mean `allow`?");
    check("enforcement: [{ match: [], mode: strict }]", "`mode` cannot be `strict`", "`full`");
    check("rulesets: [{ name: a/b }]", "`a/b` cannot be a name", "letters");
}

#[test]
fn an_empty_file_is_fine_and_no_file_is_not() {
    for text in ["", "# only a comment\n", "---\n", "labels:\n"] {
        loaded(text);
    }
    let errors = load(&[]).unwrap_err();
    assert_eq!(errors[0].to_string(), "there is no policy file");
}

#[test]
fn an_alias_bomb_is_stopped() {
    let mut bomb = "labels: &a0 { k: [x, x, x, x, x, x, x, x, x] }\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("x{level}: &a{level} [{below}]\n"));
    }
    check(&bomb, "alias replay limit exceeded", "over a limit");
    let deep = format!("labels: {}{}", "[".repeat(2000), "]".repeat(2000));
    check(&deep, "it.yaml:1:", "limit");
}

#[test]
fn aliases_for_a_little_repetition_work() {
    let files = loaded("services: { a: &web [tcp/80, tcp/443], b: *web }");
    assert_eq!(files.policy.services["a"], files.policy.services["b"]);
}

#[test]
fn all_errors_of_all_files_come_at_once_in_order_and_bounded() {
    let bad = |count: usize| {
        let lists: Vec<String> =
            (0..count).map(|n| format!("  l{n}: {{ addresses: [nowhere] }}\n")).collect();
        format!("ip_lists:\n{}", lists.concat())
    };
    let files = [source("a.yaml", &bad(2)), source("b.yaml", "labels: { x: [a=b] }"), source("c.yaml", "[")];
    let lines: Vec<String> = load(&files[..2]).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].starts_with("a.yaml:2:") && lines[1].starts_with("a.yaml:3:") && lines[2].starts_with("b")
    );
    // A file that is not YAML hides the names it would define: only what is certain is reported.
    assert_eq!(load(&files).unwrap_err().len(), 1);
    let errors = load(&[source("a.yaml", &bad(200))]).unwrap_err();
    assert_eq!(errors.len(), ERRORS_MAX + 1);
    assert_eq!(errors.last().unwrap().to_string(), "150 more errors are not shown");
}

#[test]
fn an_error_renders_with_its_line_and_a_caret() {
    let text = "rulesets:\n  - name: ü\n    scopes: [[app=shop, \"env=prd\"]]\n";
    let errors = load_with_base(text).unwrap_err();
    let rendered = errors[0].render(false);
    let expected = "\
error: unknown label `env=prd`
 --> it.yaml:3:25
  |
3 |     scopes: [[app=shop, \"env=prd\"]]
  |                         ^^^^^^^^^
  |
  = help: did you mean `env=prod`?";
    assert_eq!(rendered, expected, "\n{rendered}");
    assert!(errors[0].render(true).contains('\u{1b}'));
    assert!(FileError::general("m", "h").render(false).contains("error: m"));
}

#[test]
fn a_policy_above_the_defaults_of_the_yaml_library_is_within_the_budget() {
    let rule = |n: usize| {
        format!("  - {{ name: r{n}, sources: [role=web], destinations: [role=db], services: [postgres] }}\n")
    };
    let rules: String = (0..25_000).map(rule).collect();
    let files = loaded(&format!("rulesets:\n- name: s\n  rules:\n{rules}"));
    assert_eq!(files.policy.rulesets[0].rules.len(), 25_000);
}

#[test]
fn the_digest_depends_on_names_and_texts_and_not_on_their_order() {
    let digest = |files: &[SourceFile]| policy_digest(Path::new(""), files);
    let (a, b) = (source("a", "x"), source("b", "y"));
    assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[b.clone(), a.clone()]));
    assert_ne!(digest(&[a]), digest(&[source("a", "x2")]));
    assert_ne!(digest(&[source("a", "bc")]), digest(&[source("ab", "c")]));
}

#[test]
fn the_digest_does_not_depend_on_where_the_folder_is() {
    let at = |folder: &str, name: &str| {
        let file = source(Path::new(folder).join(name).to_str().unwrap(), "x");
        policy_digest(Path::new(folder), &[file])
    };
    let here = at("", "a.yaml");
    for folder in ["policy", "policy/", "./policy", "/ci/1/policy", "infra/../policy"] {
        assert_eq!(at(folder, "a.yaml"), here, "{folder}");
    }
    assert_ne!(at("policy", "b.yaml"), here);
    assert_ne!(at("policy", "team/a.yaml"), here);
}

#[test]
fn a_scope_whose_groups_multiply_without_bound_is_refused() {
    let values = |key: &str| -> String { (0..101).map(|n| format!("{key}{n}, ")).collect() };
    let labels = format!("labels: {{ x: [{}], y: [{}] }}\n", values("x"), values("y"));
    let group = |key: &str| format!("  all-{key}: {{ key: {key}, labels: [{}] }}\n", values(key));
    let groups = format!("label_groups:\n{}{}", group("x"), group("y"));
    let text =
        format!("{labels}{groups}rulesets: [{{ name: s, scopes: [[group:all-x, group:all-y]], rules: [] }}]");
    check(&text, "make 10201 combinations; 10000 are the most", "narrower groups");
}
