//! What interfaces do while changes are under way.

use std::collections::BTreeSet;

use mock_azure::Settings;

use crate::harness::{Cloud, quick, rule, subnet};

fn slow(seed: u64) -> Cloud {
    let cloud = Cloud::seeded(Settings { seed, delay_ms: (100, 5000), ..quick() });
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24"], Some("nsg/n")));
    cloud.interface("a", "vnet/v/s", &["web"]);
    cloud.interface("b", "vnet/v/s", &["db"]);
    cloud.rule("close", "4096 in deny * * * *");
    cloud.settle();
    cloud
}

#[test]
fn a_change_is_true_by_the_api_before_packets_follow_it() {
    let cloud = slow(1);
    let packet = cloud.packet("a tcp/80 b");
    cloud.rule("r", "100 in allow Tcp asg:web asg:db 80");
    assert!(cloud.front.world().allows_by_api(&packet) && !cloud.front.world().allows(&packet));
    cloud.front.world().advance_ms(5001);
    assert!(cloud.front.world().allows(&packet));
    assert_eq!(cloud.delete("nsg/n/r"), "ok");
    assert!(!cloud.front.world().allows_by_api(&packet) && cloud.front.world().allows(&packet));
    cloud.front.world().advance_ms(5001);
    assert!(!cloud.front.world().allows(&packet));
}

#[test]
fn stepping_by_the_next_change_misses_no_moment() {
    let turns = |stepped: bool| {
        let cloud = slow(7);
        let packet = cloud.packet("a tcp/80 b");
        cloud.rule("r", "100 in allow Tcp asg:web asg:db 80");
        let (mut turns, mut last) = (BTreeSet::new(), false);
        loop {
            let mut world = cloud.front.world();
            let step = match world.next_change_ms() {
                None => break turns,
                Some(next) if stepped => next - world.now_ms(),
                Some(_) => 1,
            };
            world.advance_ms(step);
            if world.allows(&packet) != last {
                last = !last;
                turns.insert((world.now_ms(), last));
            }
        }
    };
    assert_eq!(turns(true), turns(false));
    assert_eq!(turns(true).len(), 1, "one turn, from cut to pass");
}

#[test]
fn nothing_changes_between_the_moments_of_both_ends() {
    let mut turns = 0;
    for seed in 0..10 {
        let cloud = slow(seed);
        let from = cloud.front.world().now_ms();
        cloud.rule("r", "100 in allow Tcp asg:web,far asg:db 80");
        cloud.front.world().advance_ms(700);
        cloud.interface("a", "vnet/v/s", &["far"]);
        cloud.seed("nsg/own", crate::harness::at(serde_json::json!({})));
        cloud.seed("nsg/own/stop", rule("100 in deny Tcp * * 80"));
        let mut body = crate::harness::interface("vnet/v/s", &["db"]);
        body["properties"]["networkSecurityGroup"] = crate::harness::id("nsg/own");
        cloud.seed("nic/b", body);
        cloud.settle();
        let packet = cloud.packet("a tcp/80 b");
        let world = cloud.front.world();
        assert!(world.is_settled());
        let ends = ["nic/a", "nic/b"].map(|name| crate::harness::path(name).to_lowercase());
        let moments: BTreeSet<u64> = ends.iter().flat_map(|end| world.moments(end, from)).collect();
        for at in from..world.now_ms() {
            if world.allows_at(&packet, at) != world.allows_at(&packet, at + 1) {
                turns += 1;
                assert!(moments.contains(&(at + 1)), "seed {seed}: turns at {}", at + 1);
            }
        }
    }
    assert!(turns > 0, "the estate is one in which something happens");
}

#[test]
fn the_past_can_be_asked() {
    let cloud = slow(3);
    let packet = cloud.packet("a tcp/80 b");
    let before = cloud.front.world().now_ms();
    cloud.rule("r", "100 in allow Tcp asg:web asg:db 80");
    cloud.settle();
    cloud
        .front
        .world()
        .perform("DELETE", &crate::harness::path("nsg/n/r"), &serde_json::Value::Null)
        .unwrap();
    cloud.settle();
    let world = cloud.front.world();
    let passed: Vec<bool> =
        [before, before + 5001, world.now_ms()].map(|at| world.allows_at(&packet, at)).to_vec();
    assert_eq!(passed, [false, true, false]);
}

#[test]
fn a_rule_changes_in_one_piece_for_an_interface() {
    // A rule that moves to another priority and other ports is never absent and never both.
    for seed in 0..10 {
        let cloud = slow(seed);
        cloud.rule("r", "100 in allow Tcp asg:web asg:db 80,81");
        cloud.settle();
        cloud.rule("r", "200 in allow Tcp asg:web asg:db 81,82");
        let [old, both, new] = ["a tcp/80 b", "a tcp/81 b", "a tcp/82 b"].map(|text| cloud.packet(text));
        while let Some(next) = { cloud.front.world().next_change_ms() } {
            let mut world = cloud.front.world();
            let step = next - world.now_ms();
            assert!(world.allows(&both), "seed {seed}");
            assert_ne!(world.allows(&old), world.allows(&new), "seed {seed}");
            world.advance_ms(step);
        }
        assert!(cloud.front.world().allows(&new));
    }
}

#[test]
fn a_membership_moved_too_early_cuts_for_a_moment() {
    // The far end must hear of the new membership before the old one goes: without a wait some seed shows the cut.
    let mut cut = 0;
    for seed in 0..20 {
        let cloud = slow(seed);
        cloud.rule("old", "100 in allow Tcp asg:web asg:db 80");
        cloud.rule("new", "101 in allow Tcp asg:far asg:db 80");
        cloud.settle();
        cloud.interface("a", "vnet/v/s", &["far"]);
        let packet = cloud.packet("a tcp/80 b");
        let mut passes = true;
        while let Some(next) = { cloud.front.world().next_change_ms() } {
            let mut world = cloud.front.world();
            let step = next - world.now_ms();
            world.advance_ms(step);
            passes &= world.allows(&packet);
        }
        cut += usize::from(!passes);
        assert!(cloud.front.world().allows(&packet), "seed {seed}: settled");
    }
    assert!((1..20).contains(&cut), "{cut} of 20 seeds show the cut");
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let run = || {
        let cloud = slow(42);
        assert_eq!(cloud.put("nsg/n/r", rule("100 in allow Tcp asg:web asg:db 80")), "ok");
        let next = cloud.front.world().next_change_ms();
        (next, cloud.get("nsg/n"))
    };
    assert_eq!(run(), run());
}
