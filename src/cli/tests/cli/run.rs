//! `bulkhead run` as its supervisor runs it: how it ends, and what it says then.

use crate::lab::{Lab, POLICY, Running};

/// A lab whose passes follow each other as closely as may be.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.configure_too("run: { every: 1s }");
    lab
}

#[test]
fn passes_end_with_the_status_of_the_last() {
    let lab = lab();
    let ran = lab.run(&["run", "--passes", "2"]);
    assert_eq!(ran.status, 0, "{}", ran.text);
    lab.refuses(&["plan", "--check"], 0, &["nothing to do"]);
    assert_eq!(lab.audit().len(), 1, "the second pass has nothing to do");

    lab.policy(&POLICY.replace("tcp/5432", "tcp/5433"));
    lab.refuses(&["run", "--passes", "1"], 4, &["lose-peer", "the plan is blocked"]);
    lab.policy(POLICY);
    lab.front.world().faults.denied.extend(lab.vpcs.clone());
    lab.refuses(&["run", "--passes", "1"], 1, &["a scope could not be read", "UnauthorizedOperation"]);
}

#[test]
fn a_pass_without_a_readable_policy_counts_and_fails() {
    let lab = lab();
    // The policy of a pass is read before the pass waits for what others may have written.
    lab.reconfigure("settle: 10ms", "settle: 1s");
    let mut running = Running::start(lab.command(&["run", "--passes", "2"]));
    running.wait_for("waiting");
    lab.policy("labels: [unclosed");
    let ran = running.end();
    assert_eq!(ran.status, 1, "{}", ran.text);
    assert!(ran.text.contains("this pass is skipped"), "{}", ran.text);
    assert_eq!(lab.audit().len(), 1, "the first pass was not disturbed");
}
