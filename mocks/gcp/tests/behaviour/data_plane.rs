//! API state and data plane are apart: each interface hears of each call after a delay of its own.

use mock_gcp::Settings;
use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, ZONE, link, path, quick, rule};

/// Three instances on `v` with a policy; everything has settled.
fn estate(seed: u64) -> Cloud {
    let cloud = Cloud::seeded(Settings { seed, ..quick() });
    for name in ["a", "b", "c"] {
        cloud.vm(name, "sub/s", &[]);
    }
    cloud.vm("far", "sub/u", &[]);
    cloud.seed("pol/p", json!({}));
    cloud.attach("pol/p", "v");
    cloud.settle();
    cloud
}

fn viewer(name: &str) -> String {
    format!("{PROJECT}/zones/{ZONE}/instances/{name}/nic0")
}

/// When a packet's answer on the data plane turns, from now on, in milliseconds.
fn turns(cloud: &Cloud, packet: &str) -> Vec<(u64, bool)> {
    let packet = cloud.packet(packet);
    let world = cloud.front.world();
    let from = world.now_ms();
    let mut last = world.allows_at(&packet, from);
    let mut found = Vec::new();
    for at in from..from + 4001 {
        let now = world.allows_at(&packet, at);
        if now != last {
            found.push((at - from, now));
        }
        last = now;
    }
    found
}

#[test]
fn a_change_is_true_at_once_and_reaches_interfaces_one_by_one() {
    let cloud = estate(1);
    cloud.firewall("x", "1000 in allow tcp:1 * *");
    let packet = cloud.packet("192.0.2.1 tcp/1 a");
    assert!(cloud.front.world().allows_by_api(&packet) && !cloud.front.world().allows(&packet));
    let heard: Vec<u64> =
        ["a", "b", "c"].map(|name| turns(&cloud, &format!("192.0.2.1 tcp/1 {name}"))[0].0).into();
    assert!(heard.iter().all(|at| (50..=4000).contains(at)), "{heard:?}");
    assert!(heard[0] != heard[1] && heard[1] != heard[2], "{heard:?}");
}

#[test]
fn the_same_seed_gives_the_same_delays() {
    let first = |seed| {
        let cloud = estate(seed);
        cloud.firewall("x", "1000 in allow tcp:1 * *");
        turns(&cloud, "192.0.2.1 tcp/1 a")
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn rules_overtake_each_other_but_a_patch_is_one_change() {
    // Exchange an allow for another: by single calls some interface may be without both.
    let mut gaps = [0, 0];
    for seed in 0..30 {
        let cloud = estate(seed);
        cloud.act("pol/p", "addRule", rule("10 in allow tcp:1 0.0.0.0/0 *"));
        cloud.settle();
        cloud.act("pol/p", "addRule", rule("20 in allow tcp:1 0.0.0.0/0 *"));
        cloud.perform("POST", &format!("{}/removeRule?priority=10", path("pol/p")), Value::Null);
        gaps[0] += turns(&cloud, "192.0.2.1 tcp/1 a").len();
        cloud.settle();
        let fingerprint = cloud.get("pol/p")["fingerprint"].clone();
        let rules = [rule("30 in allow tcp:1 0.0.0.0/0 *")];
        cloud.perform("PATCH", "pol/p", json!({ "fingerprint": fingerprint, "rules": rules }));
        gaps[1] += turns(&cloud, "192.0.2.1 tcp/1 a").len();
    }
    assert!(gaps[0] > 0, "single calls");
    assert_eq!(gaps[1], 0, "one patch");
}

#[test]
fn an_exchange_of_policies_in_one_call_leaves_no_gap() {
    for seed in 0..20 {
        let cloud = estate(seed);
        cloud.seed("pol/q", json!({}));
        for policy in ["pol/p", "pol/q"] {
            cloud.act(policy, "addRule", rule("10 in allow tcp:1 0.0.0.0/0 *"));
        }
        cloud.settle();
        let body = json!({ "name": "v", "attachmentTarget": link("net/v") });
        let exchange = format!("{}/addAssociation?replaceExistingAssociation=true", path("pol/q"));
        cloud.perform("POST", &exchange, body);
        assert!(turns(&cloud, "192.0.2.1 tcp/1 a").is_empty(), "seed {seed}");
    }
}

#[test]
fn of_one_rule_the_newest_version_wins_in_the_end() {
    for seed in 0..30 {
        let cloud = estate(seed);
        cloud.firewall("x", "1000 in allow tcp:1 * *");
        cloud.perform("PATCH", "fw/x", json!({ "allowed": [{ "IPProtocol": "tcp", "ports": ["2"] }] }));
        cloud.perform("DELETE", "fw/x", Value::Null);
        let last = turns(&cloud, "192.0.2.1 tcp/1 a").last().map(|turn| turn.1);
        assert_ne!(last, Some(true), "seed {seed}");
        cloud.check_packets("192.0.2.1 tcp/1 a cut\n192.0.2.1 tcp/2 a cut");
    }
}

#[test]
fn every_kind_of_change_has_its_delay() {
    let cloud = estate(3);
    let (web, db) = (cloud.tag("v", "web"), cloud.tag("v", "db"));
    cloud.act("pol/p", "addRule", rule(&format!("10 in allow tcp:1 {web} {db}")));
    cloud.firewall("x", "1000 in allow tcp:2 tag:web *");
    cloud.bind("b", &db);
    cloud.settle();
    let lags = |packet: &str, expected: bool| {
        let turns = turns(&cloud, packet);
        assert!(turns.len() == 1 && turns[0].0 >= 50 && turns[0].1 == expected, "{packet}: {turns:?}");
        cloud.settle();
    };
    cloud.bind("a", &web);
    lags("a tcp/1 b", true);
    let fingerprint = cloud.get("vm/a")["tags"]["fingerprint"].clone();
    cloud.act("vm/a", "setTags", json!({ "items": ["web"], "fingerprint": fingerprint }));
    lags("a tcp/2 c", true);
    cloud.unbind("b", &db);
    lags("a tcp/1 b", false);
    cloud.bind("b", &db);
    lags("a tcp/1 b", true);
    cloud.perform("POST", &format!("{}/removeAssociation?name=v", path("pol/p")), Value::Null);
    lags("a tcp/1 b", false);
    cloud.attach("pol/p", "v");
    lags("a tcp/1 b", true);
    cloud.firewall("y", "1 in deny all 10.0.0.0/8 *");
    lags("a tcp/1 b", false);
    let order = json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" });
    cloud.perform("PATCH", "net/v", order);
    lags("a tcp/1 b", true);
}

#[test]
fn stepping_stops_at_every_moment_and_nothing_turns_between() {
    for seed in 0..5 {
        let cloud = estate(seed);
        cloud.firewall("x", "1000 in allow tcp:1 * *");
        cloud.act("pol/p", "addRule", rule("5 in deny tcp:1 10.0.0.0/8 *"));
        let order = json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" });
        cloud.perform("PATCH", "net/v", order);
        let packet = cloud.packet("a tcp/1 b");
        let mut world = cloud.front.world();
        let begin = world.now_ms();
        let moments: Vec<u64> =
            ["a", "b"].iter().flat_map(|name| world.moments(&viewer(name), begin)).collect();
        let mut stops = 0;
        while let Some(next) = world.next_change_ms() {
            assert!(next > world.now_ms());
            assert_eq!(world.allows_at(&packet, next - 1), world.allows(&packet), "nothing between");
            if world.allows_at(&packet, next) != world.allows(&packet) {
                assert!(moments.contains(&next), "the moments of its ends tell");
            }
            let step = next - world.now_ms();
            world.advance_ms(step);
            stops += 1;
        }
        assert!(stops >= 6, "{stops}");
        world.advance_ms(4000);
        assert!(world.is_settled());
        assert!(world.moments(&viewer("far"), begin).is_empty(), "another network hears nothing");
    }
}
