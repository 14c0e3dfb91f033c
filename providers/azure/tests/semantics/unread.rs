//! What is not read counts against us, whatever it means.

use plan::PathEffect;
use provider_azure::semantics;

use crate::brute::{meaning, unread_cases};
use crate::estates::packets;
use crate::filter::{foreign_pass, is_obstructed, ours_pass, passes};
use crate::truth::{Truth, is_ours};

const CASES: u64 = 1000;

#[test]
fn whatever_is_unread_means_ours_are_not_overstated_and_foreign_not_understated() {
    let (mut doubtful, mut seen) = (0_u64, 0_u64);
    for (seed, observed) in unread_cases(CASES) {
        let graph = semantics(&[&observed]);
        let meaning = meaning(seed);
        let truth = Truth { observed: &observed, unread: &meaning };
        for packet in packets(&observed) {
            let Some(managed) = truth.managed(packet) else { continue };
            let context = || format!("seed {seed}, {packet:?}");
            let ours = truth.in_group(managed, packet, is_ours).passes;
            assert!(!ours_pass(&graph, packet) || ours, "ours overstated: {}", context());
            let not_ours = |rule: &plan::PathRule| !is_ours(rule) || rule.effect != PathEffect::Allow;
            let admitted = match truth.by_admin_rules(packet) {
                Some(verdict) => verdict.passes,
                None => truth.in_group(managed, packet, not_ours).passes,
            };
            assert!(foreign_pass(&graph, packet) || !admitted, "exposure understated: {}", context());
            let stopped = ours_pass(&graph, packet) && !truth.passes(packet);
            assert!(is_obstructed(&graph, packet) || !stopped, "obstruction understated: {}", context());
            doubtful += u64::from(passes(&graph, packet) != truth.passes(packet));
            seen += 1;
        }
    }
    println!("{CASES} estates, {seen} packets, {:.1} % in doubt", doubtful as f64 * 100.0 / seen as f64);
    assert!(doubtful * 100 >= seen, "the estates hold nothing that is unread");
}
