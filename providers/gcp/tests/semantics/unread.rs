//! What is not read counts against us, whatever it means.

use plan::{PathFilter, PathRule};
use provider_gcp::semantics;

use crate::brute::meaning;
use crate::estates::{Unread, packets, random};
use crate::filter::{foreign_pass, is_obstructed, ours_pass, passes};
use crate::truth::{Truth, is_our_allow};

const CASES: u64 = 1000;

#[test]
fn whatever_is_unread_means_ours_are_not_overstated_and_foreign_not_understated() {
    let (mut doubtful, mut seen) = (0_u64, 0_u64);
    for seed in 0..CASES {
        let observed = random(seed + 1_000_000, Unread::Some);
        let graph = semantics(&[&observed]);
        let meaning = meaning(seed);
        let truth = Truth { observed: &observed, unread: &meaning };
        for packet in packets(&observed) {
            let context = || format!("seed {seed}, {packet:?}");
            let managed = truth.managed(packet);
            let ours = managed.is_some_and(|list| truth.ours_pass(list, packet));
            assert!(!ours_pass(&graph, packet) || ours, "ours overstated: {}", context());
            let counts = |list: &PathFilter, rule: &PathRule| {
                !(is_our_allow(rule) && managed.is_some_and(|managed| managed.id == list.id))
            };
            let admitted = truth.judge(packet, counts).passes;
            assert!(foreign_pass(&graph, packet) || !admitted, "exposure understated: {}", context());
            let expected = truth.passes(packet);
            let stopped = ours_pass(&graph, packet) && !expected;
            assert!(is_obstructed(&graph, packet) || !stopped, "obstruction understated: {}", context());
            doubtful += u64::from(passes(&graph, packet) != expected);
            seen += 1;
        }
    }
    println!("{CASES} estates, {seen} packets, {:.1} % in doubt", doubtful as f64 * 100.0 / seen as f64);
    assert!(doubtful * 100 >= seen, "the estates hold nothing that is unread");
}
