//! A process that is asked to stop: it begins nothing new, keeps its records, and ends soon.

use std::time::{Duration, Instant};

use crate::lab::{Lab, Ran, Running};
use crate::shop::Shop;

fn outcomes(line: &serde_json::Value) -> Vec<&str> {
    line["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap()).collect()
}

#[test]
fn a_termination_between_passes_ends_it_well() {
    let lab = Lab::new();
    let mut running = Running::start({
        let mut command = lab.command(&["run"]);
        command.env("BULKHEAD_LOG", "info");
        command
    });
    running.wait_for("pass done");
    running.terminate();
    let ran = running.end();
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert!(ran.text.contains("stopped after pass 1; nothing was under way"), "{}", ran.text);
    lab.refuses(&["plan", "--check"], 0, &["nothing to do"]);
}

#[test]
fn a_termination_in_a_pass_says_what_was_left() {
    let lab = Lab::new();
    lab.reconfigure("settle: 10ms", "settle: 1h");
    let mut running = Running::start(lab.command(&["run"]));
    running.wait_for("waiting");
    running.terminate();
    let ran = running.end();
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert!(ran.text.contains("stopped in pass 1; steps not tried: "), "{}", ran.text);
    assert_eq!(lab.mutations(), 0, "nothing was begun after the stop");
    let audit = lab.audit();
    let steps = audit[0]["steps"].as_array().unwrap();
    assert!(audit.len() == 1 && steps.iter().all(|step| step["outcome"] == "stopped"), "{audit:?}");
    lab.reconfigure("settle: 1h", "settle: 10ms");
    assert_eq!(lab.run(&["apply"]).status, 0, "the next one takes it up");
}

#[test]
fn an_apply_that_is_stopped_before_its_first_step_has_failed() {
    let lab = Lab::new();
    lab.reconfigure("settle: 10ms", "settle: 1h");
    let mut running = Running::start(lab.command(&["apply"]));
    running.wait_for("waiting");
    running.terminate();
    let ran = running.end();
    assert_eq!((ran.status, lab.mutations()), (1, 0), "{}", ran.text);
    assert!(ran.text.contains("0 of ") && ran.text.contains("steps done, 0 calls"), "{}", ran.text);
    assert!(ran.text.contains("stopped; steps not tried: "), "{}", ran.text);
}

/// What was made has to settle before something is taken away: the stop comes in that wait.
#[test]
fn an_apply_that_is_stopped_while_something_settles_ends_soon_and_keeps_its_records() {
    const SETTLE: Duration = Duration::from_secs(12);
    let lab = Lab::new();
    assert_eq!(lab.run(&["apply"]).status, 0);
    lab.tag("web-2", "role", "db");
    lab.reconfigure("settle: 10ms", &format!("settle: {}s", SETTLE.as_secs()));
    let before = lab.mutations();
    let mut running =
        Running::start(lab.command(&["apply", "--allow", "lose-peer", "--allow", "remove-rules"]));
    running.wait_for("waiting");
    running.wait_for("done");
    running.wait_for("waiting");
    let asked = Instant::now();
    let made = lab.mutations();
    running.terminate();
    let ran = running.end();
    // It takes a slice of the wait; a busy machine takes its time, but not that of the wait.
    assert!(asked.elapsed() < SETTLE * 3 / 4, "{:?}", asked.elapsed());
    assert_eq!(ran.status, 1, "{}", ran.text);
    assert!(made > before && lab.mutations() == made, "nothing was begun after the stop");
    let audit = lab.audit();
    assert_eq!(audit.len(), 2);
    let (done, stopped): (Vec<_>, Vec<_>) = outcomes(&audit[1]).into_iter().partition(|word| *word == "done");
    assert!(!done.is_empty() && !stopped.is_empty(), "{audit:?}");
    assert!(stopped.iter().all(|word| *word == "stopped"), "{stopped:?}");
    assert!(std::fs::read_to_string(lab.path("state/journal")).unwrap().ends_with(" audited"));
    lab.reconfigure(&format!("settle: {}s", SETTLE.as_secs()), "settle: 10ms");
    let ran = lab.run(&["apply", "--allow", "lose-peer", "--allow", "remove-rules"]);
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert!(ran.text.contains("an earlier apply did not get to its end"), "{}", ran.text);
}

/// Many steps are ready at once; those that are not sent yet stay unsent.
#[test]
fn a_termination_in_the_middle_of_many_calls_lets_those_in_flight_end() {
    const CALLS: usize = 10;
    /// Eight steps at a time, of at most two calls.
    const IN_FLIGHT_MAX: usize = 16;
    for (arguments, status) in [(["apply"].as_slice(), 1), (&["run"], 0)] {
        let shop = Shop::new();
        let running = Running::start(shop.command("tester", arguments));
        shop.line.terminate(running.id(), CALLS);
        let ran = running.end();
        assert_eq!(ran.status, status, "{}", ran.text);
        let written = shop.line.writes();
        assert!((CALLS..=CALLS + IN_FLIGHT_MAX).contains(&written.len()), "{}: {}", written.len(), ran.text);
        let [line] = shop.audit().try_into().unwrap();
        let called =
            line["steps"].as_array().unwrap().iter().map(|step| step["calls"].as_array().unwrap().len());
        assert_eq!(called.sum::<usize>(), written.len(), "{line}");
        assert!(outcomes(&line).contains(&"stopped"));
        assert_eq!(Ran::of(&mut shop.command("tester", &["run", "--passes", "1"])).status, 0);
    }
}
