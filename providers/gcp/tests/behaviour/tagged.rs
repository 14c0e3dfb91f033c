//! Where network tags stand for classes: every step, what people do to rules and tags of ours, and what Google refuses.

use std::collections::BTreeSet;

use mock_cloud::Fault;
use plan::{Direction, GroupId, Observed, Owner, StepAction};
use provider::{CloudReader, CloudWriter, ErrorKind};
use provider_gcp::{Identity, ids};
use serde_json::{Value, json};

use crate::driver::{
    Driver, add, attach, class, class_name, create, delete, detach, interface, network, remove, rest, shown,
    step,
};
use crate::harness::{PROJECT, path, slow};

const IN: Direction = Direction::Ingress;
const OUT: Direction = Direction::Egress;
const INSERT: &str = "compute.firewalls.insert";
const PATCH: &str = "compute.firewalls.patch";
const DELETE: &str = "compute.firewalls.delete";
const SET_TAGS: &str = "compute.instances.setTags";

async fn tagged() -> Driver {
    Driver::start_with(slow(), Identity::NetworkTags).await
}

/// The network tag of a class in the network `v`.
fn tag(name: &str) -> String {
    ids::class_tag("shop", &network("v"), &class_name(name))
}

/// The id of a class that is there.
fn real(name: &str) -> GroupId {
    ids::class(&network("v"), &tag(name))
}

fn tags_of(driver: &Driver, vm: &str) -> BTreeSet<String> {
    let shown = driver.sim.show(&format!("vm/{vm}"));
    let items = shown["tags"]["items"].as_array().into_iter().flatten();
    items.map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

/// Classic rules with our name, by name.
fn ours(driver: &Driver) -> Vec<Value> {
    let all = driver.sim.perform("GET", &format!("projects/{PROJECT}/global/firewalls"), Value::Null);
    let all = all["items"].as_array().into_iter().flatten();
    all.filter(|rule| rule["name"].as_str().unwrap().starts_with("bulkhead-shop-")).cloned().collect()
}

#[tokio::test]
async fn every_step_is_made_true_once() {
    let mut driver = tagged().await;
    assert_eq!(
        driver.make(create("web", false)).await,
        Vec::<String>::new(),
        "a network tag need not be made"
    );
    assert_eq!(driver.make(create("db", true)).await, [INSERT; 2], "open egress in both families");
    let rules = "web tcp/5432, 10.0.0.0/8 tcp/22, fd00::/8 icmp";
    assert_eq!(driver.make(add("db", IN, rules)).await, [INSERT; 3]);
    assert_eq!(driver.make(add("db", IN, "198.51.100.0/24 tcp/22")).await, [PATCH], "one more in one rule");
    assert_eq!(driver.make(add("web", OUT, "10.0.0.0/8 tcp, 192.0.2.0/24 udp/53")).await, [INSERT; 2]);
    assert_eq!(driver.make(attach("a", &[class("web")])).await, [SET_TAGS]);
    assert_eq!(driver.make(attach("b", &[class("db")])).await, [SET_TAGS]);
    assert!(driver.passes("a", "b", 5432) && driver.passes("192.0.2.1", "b", 22), "the classic rule is open");
    assert_eq!(
        driver.make(detach("b", &[rest(IN)])).await,
        [INSERT, INSERT, SET_TAGS],
        "the denies, the tag"
    );
    assert!(driver.passes("a", "b", 5432) && driver.passes("198.51.100.9", "b", 22));
    assert!(!driver.passes("192.0.2.1", "b", 22) && !driver.passes("a", "b", 80));
    assert_eq!(driver.make(detach("a", &[rest(IN), rest(OUT)])).await, [INSERT, INSERT, SET_TAGS]);
    assert!(!driver.passes("a", "192.0.2.1", 443) && driver.passes("a", "10.9.9.9", 443));
    assert_eq!(driver.make(attach("a", &[rest(OUT)])).await, [SET_TAGS]);
    assert!(driver.passes("a", "192.0.2.1", 443));
    assert_eq!(driver.make(StepAction::Mark { group: class("web") }).await.len(), 0);
    assert_eq!(driver.make(remove("db", IN, "10.0.0.0/8 tcp/22")).await, [PATCH]);
    assert_eq!(driver.make(remove("db", IN, "web tcp/5432")).await, [DELETE]);
    assert!(!driver.passes("a", "b", 5432) && driver.passes("198.51.100.9", "b", 22));
    // A relabel: the new class comes before the old one goes.
    assert_eq!(driver.make(attach("b", &[class("web")])).await, [SET_TAGS]);
    assert_eq!(driver.make(detach("b", &[class("db")])).await, [SET_TAGS]);
    assert_eq!(driver.make(delete("db")).await, [DELETE; 4], "its rules go, which is all there is of it");
    assert!(tags_of(&driver, "a").contains("web"), "a tag of somebody else stays");
    driver.sim.assert_no_complaints();
}

#[tokio::test]
async fn what_stays_of_a_rule_that_is_parted_passes_at_every_moment() {
    for seed in 0..8 {
        let settings = mock_gcp::Settings { seed, operation_ms: 200, ..slow() };
        let mut driver = Driver::start_with(settings, Identity::NetworkTags).await;
        driver.scope.settle_ms = 4_500;
        for name in ["web", "app", "db"] {
            driver.make(create(name, false)).await;
        }
        let all = "web tcp/80, web tcp/443, app tcp/80, app tcp/443";
        assert_eq!(
            driver.make(add("db", IN, all)).await,
            [INSERT],
            "one rule for two classes and two services"
        );
        driver.make(attach("a", &[class("web")])).await;
        driver.make(attach("b", &[class("db")])).await;
        driver.make(detach("b", &[rest(IN)])).await;
        driver.sim.front.world().advance_ms(60_000);
        let from = driver.sim.front.world().now_ms();
        assert_eq!(driver.make(remove("db", IN, "web tcp/80")).await, [INSERT, PATCH]);
        driver.sim.front.world().advance_ms(60_000);
        let (stays, goes) = (driver.packet("a", "b", 443), driver.packet("a", "b", 80));
        let world = driver.sim.front.world();
        let moments = world.moments(&format!("{}/nic0", path("vm/b")), from);
        assert!(moments.len() > 1, "{moments:?}");
        for at in moments {
            assert!(world.allows_at(&stays, at), "seed {seed}: cut {} ms after the beginning", at - from);
        }
        assert!(!world.allows(&goes));
    }
}

#[tokio::test]
async fn a_class_that_is_still_in_use_is_not_deleted() {
    let mut driver = tagged().await;
    driver.make(create("web", false)).await;
    driver.make(add("web", IN, "10.0.0.0/8 tcp/22")).await;
    driver.make(attach("b", &[class("web")])).await;
    let failed = driver.apply(&step(delete("web"))).await.unwrap_err();
    assert_eq!((failed.error.kind, failed.calls.len()), (ErrorKind::Conflict, 0));
    driver.make(detach("b", &[class("web")])).await;
    driver.make(delete("web")).await;
}

#[tokio::test]
async fn tags_that_somebody_sets_meanwhile_are_a_conflict_and_none_is_lost() {
    let mut driver = tagged().await;
    driver.make(create("web", false)).await;
    let theirs = |driver: &Driver, tags: &[&str]| {
        let shown = driver.sim.show("vm/b");
        let body = json!({ "items": tags, "fingerprint": shown["tags"]["fingerprint"] });
        driver.sim.perform("POST", &format!("{}/setTags", path("vm/b").as_str()), body);
    };
    let mut conflicts = 0;
    for number in 0..20 {
        driver.sim.front.world().advance_ms(120_000);
        let current = [driver.look().await];
        driver.sim.front.world().faults.stale_ms = 60_000;
        let held = tags_of(&driver, "b").contains(&tag("web"));
        let (new, own) = (format!("theirs-{number}"), tag("web"));
        theirs(&driver, if held { vec![new.as_str(), own.as_str()] } else { vec![new.as_str()] }.as_slice());
        let turn = if held { detach("b", &[class("web")]) } else { attach("b", &[class("web")]) };
        let done = driver.writer.apply(&driver.scope, &step(turn), &current, &driver.ids).await;
        driver.sim.front.world().faults.stale_ms = 0;
        if let Err(failed) = done {
            assert_eq!((failed.error.kind, failed.calls.len()), (ErrorKind::Conflict, 1));
            conflicts += 1;
        }
        assert!(tags_of(&driver, "b").contains(&new), "{number}: a tag of somebody else is lost");
    }
    println!("{conflicts} conflicts of 20");
    assert!(conflicts > 0 && conflicts < 20, "{conflicts}");
}

#[tokio::test]
async fn a_tag_counts_in_its_own_network_alone() {
    let mut driver = tagged().await;
    driver.make(create("web", false)).await;
    driver.make(add("web", IN, "10.0.0.0/8 tcp/22")).await;
    driver.make(attach("a", &[class("web")])).await;
    let observed = driver.look().await;
    let of = |nic: &str| {
        let id = ids::interface(&path("vm/a"), nic);
        observed.interfaces.iter().find(|interface| interface.id == id).unwrap().groups.clone()
    };
    assert!(of("nic0").contains(&real("web")));
    assert!(!of("nic1").iter().any(|id| id.as_str().starts_with("class:")), "{:?}", of("nic1"));
}

/// An estate with a rule that allows `web` to `db`, and one that closes `db`.
async fn enforced() -> Driver {
    let mut driver = tagged().await;
    driver.make(create("web", false)).await;
    driver.make(create("db", false)).await;
    driver.make(add("db", IN, "web tcp/5432, 10.7.0.0/16 tcp/5432")).await;
    driver.make(attach("a", &[class("web")])).await;
    driver.make(attach("b", &[class("db")])).await;
    driver.make(detach("b", &[rest(IN)])).await;
    driver
}

/// What a plan would do about a difference from what was: facts put back, others taken away, damaged rules deleted.
async fn repair(driver: &mut Driver, wanted: &Observed) {
    let seen = driver.look().await;
    for name in ["db", "web"] {
        let facts = |observed: &Observed| {
            let found = observed.groups.iter().find(|group| group.id == real(name));
            found.map(|group| group.ingress.clone()).unwrap_or_default()
        };
        let only = |these: &[plan::RuleSpec], those: &[plan::RuleSpec]| -> Vec<plan::RuleSpec> {
            these.iter().filter(|rule| !those.contains(rule)).cloned().collect()
        };
        let (was, is, direction) = (facts(wanted), facts(&seen), IN);
        let rules = only(&was, &is);
        if !rules.is_empty() {
            driver.apply(&step(StepAction::AddRules { group: real(name), direction, rules })).await.unwrap();
        }
        let rules = only(&is, &was);
        if !rules.is_empty() {
            driver
                .apply(&step(StepAction::RemoveRules { group: real(name), direction, rules }))
                .await
                .unwrap();
        }
    }
    let own = |observed: &Observed| {
        let found = observed.interfaces.iter().find(|one| one.id == interface("b")).unwrap();
        found.groups.iter().filter(|id| id.as_str().starts_with("rest-in:")).cloned().collect::<Vec<_>>()
    };
    if !own(&seen).is_empty() {
        let rests = own(&seen);
        driver.apply(&step(detach("b", &rests))).await.unwrap();
    }
    let seen = driver.look().await;
    for group in seen.groups.iter().filter(|group| group.id.as_str().starts_with("damaged:")) {
        let gone = StepAction::DeleteGroup { group: group.id.clone(), name: String::new() };
        driver.apply(&step(gone)).await.unwrap();
    }
}

/// The same without the names of rules of ours: what somebody made wider may be said by another one.
fn nameless(observed: &Observed) -> Observed {
    let mut observed = observed.clone();
    for list in &mut observed.path_filters {
        list.rules.iter_mut().filter(|rule| rule.owner == Owner::Ours).for_each(|rule| rule.name.clear());
        list.rules.sort_by_key(|rule| (rule.priority, rule.effect, rule.direction, rule.peers.clone()));
    }
    observed
}

#[tokio::test]
async fn drift_of_every_field_is_seen_and_repaired() {
    let mut driver = enforced().await;
    let wanted = driver.look().await;
    let before = ours(&driver);
    assert_eq!(before.len(), 4, "one for tags, one for blocks, two denies");
    let web = tag("web");
    let by_hand: Vec<(&str, Value)> = vec![
        ("priority", json!({ "priority": 799 })),
        ("disabled", json!({ "disabled": true })),
        ("target", json!({ "targetTags": ["somebody"] })),
        ("more targets", json!({ "targetTags": [tag("db"), web] })),
        ("service", json!({ "allowed": [{ "IPProtocol": "tcp", "ports": ["1-65535"] }], "denied": [] })),
        (
            "more services",
            json!({ "allowed": [{ "IPProtocol": "tcp", "ports": ["5432", "22"] }], "denied": [] }),
        ),
        ("action", json!({ "allowed": [], "denied": [{ "IPProtocol": "tcp", "ports": ["5432"] }] })),
        ("all", json!({ "allowed": [{ "IPProtocol": "all" }], "denied": [] })),
        ("sources", json!({ "sourceTags": ["somebody"], "sourceRanges": [] })),
        ("ranges", json!({ "sourceRanges": ["0.0.0.0/0"] })),
        ("own side", json!({ "destinationRanges": ["10.0.1.0/24"] })),
    ];
    let mut tried = 0;
    for number in 0..before.len() {
        for (what, change) in &by_hand {
            // In an order that does not know names.
            let mut rules = ours(&driver);
            rules.sort_by_key(|rule| (rule["priority"].as_u64(), rule["sourceRanges"].to_string()));
            let name = rules[number]["name"].as_str().unwrap();
            let at = format!("projects/{PROJECT}/global/firewalls/{name}");
            let shown = driver.sim.perform("GET", &at, Value::Null);
            let is_six = shown["sourceRanges"][0].as_str().is_some_and(|block| block.contains(':'));
            if is_six && (*what == "ranges" || *what == "own side") {
                continue;
            }
            driver.sim.perform("PATCH", &at, change.clone());
            if driver.sim.perform("GET", &at, Value::Null) == shown {
                continue;
            }
            let seen = driver.look().await;
            assert_ne!(seen, wanted, "{what} of {}", shown["name"]);
            repair(&mut driver, &wanted).await;
            let seen = driver.look().await;
            crate::normal::assert_same(&format!("{what} of {shown}"), &nameless(&wanted), &nameless(&seen));
            tried += 1;
        }
    }
    println!("{tried} fields by hand");
    assert!(tried > 25, "{tried}");
    assert_eq!(ours(&driver).len(), before.len());
    driver.sim.assert_no_complaints();
}

#[tokio::test]
async fn a_rule_that_is_ours_by_half_is_never_touched() {
    let mut driver = enforced().await;
    let wanted = driver.look().await;
    for rule in ours(&driver) {
        let at = format!("projects/{PROJECT}/global/firewalls/{}", rule["name"].as_str().unwrap());
        driver.sim.perform("PATCH", &at, json!({ "description": "mine now" }));
        let shown = driver.sim.perform("GET", &at, Value::Null);
        repair(&mut driver, &wanted).await;
        assert_eq!(driver.sim.perform("GET", &at, Value::Null), shown);
    }
    let seen = driver.look().await;
    let db = |observed: &Observed| {
        let found = observed.groups.iter().find(|group| group.id == real("db")).unwrap();
        shown(&found.ingress)
    };
    assert_eq!(db(&seen), db(&wanted), "what they say is said again, under other names");
    let rules = seen.path_filters.iter().flat_map(|list| &list.rules);
    assert_eq!(rules.filter(|rule| matches!(rule.owner, Owner::Suspect(_))).count(), 4);
    assert_eq!(ours(&driver).len(), 8);
    assert!(driver.passes("a", "b", 5432) && !driver.passes("192.0.2.1", "b", 22));
}

#[tokio::test]
async fn what_somebody_made_wider_is_said_apart_before_it_goes() {
    let mut driver = enforced().await;
    driver.make(add("web", IN, "10.7.0.0/16 tcp/5432")).await;
    let rule = ours(&driver).into_iter().find(|rule| rule["sourceTags"].is_array()).unwrap();
    let at = format!("projects/{PROJECT}/global/firewalls/{}", rule["name"].as_str().unwrap());
    let wide = json!({ "targetTags": [tag("db"), tag("web")], "sourceRanges": ["10.8.0.0/16"],
        "allowed": [{ "IPProtocol": "tcp", "ports": ["5432", "22"] }] });
    driver.sim.perform("PATCH", &at, wide);
    let seen = driver.look().await;
    let facts_of = |name: &str| {
        let group = seen.groups.iter().find(|group| group.id == real(name)).unwrap();
        shown(&group.ingress).len()
    };
    assert_eq!((facts_of("db"), facts_of("web")), (5, 5), "it is read as what it says");
    let calls = driver.make(remove("db", IN, "web tcp/22, 10.8.0.0/16 tcp/22, 10.8.0.0/16 tcp/5432")).await;
    assert_eq!(calls, [INSERT, PATCH], "a rule of its own, and then the class leaves the wide one");
    assert!(driver.passes("a", "b", 5432) && !driver.passes("a", "b", 22));
    let calls = driver.make(remove("web", IN, "web tcp/22, 10.8.0.0/16 tcp/22")).await;
    assert_eq!(calls.last().unwrap(), DELETE, "nobody is left in it: {calls:?}");
}

#[tokio::test]
async fn many_sources_are_spread_and_stay_where_they_are() {
    let mut driver = tagged().await;
    driver.make(create("db", false)).await;
    let names: Vec<String> = (0..70).map(|number| format!("n{number}")).collect();
    for name in &names {
        driver.make(create(name, false)).await;
    }
    let text =
        |names: &[String]| names.iter().map(|name| format!("{name} tcp/1")).collect::<Vec<_>>().join(", ");
    assert_eq!(driver.make(add("db", IN, &text(&names[..65]))).await, [INSERT; 3], "30 to a rule");
    assert_eq!(driver.make(add("db", IN, &text(&names[65..]))).await, [PATCH], "where there is room");
    let gone: Vec<String> = names.iter().step_by(10).cloned().collect();
    let calls = driver.make(remove("db", IN, &text(&gone))).await;
    assert!(calls.iter().all(|call| call == PATCH) && calls.len() == 3, "{calls:?}");
    let held: Vec<usize> =
        ours(&driver).iter().map(|rule| rule["sourceTags"].as_array().unwrap().len()).collect();
    assert_eq!(held.iter().sum::<usize>(), 63);
    assert_eq!(driver.make(add("db", IN, &text(&gone[..1]))).await, [PATCH]);
}

#[tokio::test]
async fn a_change_of_somebody_between_look_and_write_is_a_conflict() {
    let mut driver = enforced().await;
    let rule = ours(&driver).into_iter().find(|rule| rule["sourceTags"].is_array()).unwrap();
    let at = format!("projects/{PROJECT}/global/firewalls/{}", rule["name"].as_str().unwrap());
    driver.make(create("app", false)).await;
    driver.sim.front.world().advance_ms(120_000);
    let more = step(add("db", IN, "app tcp/5432"));
    let mut met = BTreeSet::new();
    for number in 0..12 {
        driver.sim.front.world().faults.stale_ms = 60_000;
        driver.sim.perform(
            "PATCH",
            &at,
            json!({ "description": rule["description"], "priority": 700 + number }),
        );
        let current = [driver.look().await];
        let done = driver.writer.apply(&driver.scope, &more, &current, &driver.ids).await;
        met.extend(done.err().map(|failed| failed.error.kind));
        driver.sim.front.world().faults.stale_ms = 0;
        driver.sim.perform("PATCH", &at, json!({ "priority": 800, "sourceTags": rule["sourceTags"] }));
        driver.sim.front.world().advance_ms(120_000);
    }
    assert!(met.is_subset(&[ErrorKind::Conflict].into()) && !met.is_empty(), "{met:?}");
}

#[tokio::test]
async fn the_quota_of_the_project_is_looked_at_before_a_write() {
    let mut driver = tagged().await;
    driver.own.classic_rules_max = ours(&driver).len() + 3;
    driver.start_over();
    driver.make(create("db", false)).await;
    driver.make(add("db", IN, "10.0.0.0/8 tcp/1, 11.0.0.0/8 tcp/2")).await;
    let failed = driver.apply(&step(add("db", IN, "12.0.0.0/8 tcp/3"))).await.unwrap_err();
    assert_eq!((failed.error.kind, failed.calls.len()), (ErrorKind::OverQuota, 0));
    assert!(failed.error.message.contains("4 classic firewall rules"), "{}", failed.error);
    driver.make(add("db", IN, "13.0.0.0/8 tcp/2")).await;
    let usage = driver.reader.clone();
    let seen = driver.look().await;
    let used =
        usage.usage(&seen).into_iter().find(|usage| usage.name.contains("classic")).map(|usage| usage.used);
    assert_eq!(used, Some(3), "theirs counts too");
}

#[tokio::test]
async fn where_no_tag_key_may_be_made_the_error_names_the_fall_back() {
    let mut driver = Driver::start(slow()).await;
    driver.sim.front.world().faults.plant("cloudresourcemanager.tagKeys.create", 1, Fault::AccessDenied);
    let failed = driver.apply(&step(create("web", false))).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Denied);
    assert!(failed.error.hint.contains("gcp: { identity: network_tags }"), "{}", failed.error.hint);
}

#[tokio::test]
async fn what_the_other_identity_left_is_somebody_elses() {
    let mut driver = Driver::start(slow()).await;
    driver.make(create("web", false)).await;
    driver.make(add("web", IN, "10.0.0.0/8 tcp/22")).await;
    driver.make(attach("b", &[class("web")])).await;
    driver.make(detach("b", &[rest(IN)])).await;
    let reader =
        provider_gcp::GcpReader::new(driver.sim.api.clone(), crate::driver::own(Identity::NetworkTags));
    let observed = reader.observe(&driver.scope).await.unwrap();
    let ours: Vec<&GroupId> = observed
        .groups
        .iter()
        .filter(|group| group.owner == Owner::Ours && !group.id.as_str().starts_with("rest-"))
        .map(|group| &group.id)
        .collect();
    assert_eq!(ours, Vec::<&GroupId>::new());
    let rules = observed.path_filters.iter().flat_map(|list| &list.rules);
    assert!(rules.clone().all(|rule| rule.owner != Owner::Ours) && rules.count() > 3);
}
