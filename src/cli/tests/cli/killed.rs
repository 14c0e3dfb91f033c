//! A process that dies between two calls, as its auditor sees it: nothing that was called is off the record.

use serde_json::Value;

use crate::lab::Ran;
use crate::line::Written;
use crate::shop::Shop;

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("no list `{key}` in {value}"))
}

/// The calls of an audit line.
fn calls(line: &Value) -> Vec<Written> {
    let calls = list(line, "steps").iter().flat_map(|step| list(step, "calls"));
    calls.map(|call| (call[0].as_str().unwrap().to_owned(), call[1].as_str().unwrap().to_owned())).collect()
}

/// The line that the next start writes for a process that died with these calls made.
fn check_record(line: &Value, written: &[Written]) {
    assert_eq!((&line["who"], &line["died"]["found_by"]), (&"the dead".into(), &"the next".into()), "{line}");
    assert_eq!(line["installation"], "shop-demo");
    assert_eq!(line["policy_digest"].as_str().map(str::len), Some(64), "{line}");
    assert!(line["died"]["began"].is_string() && line["at"].is_string(), "{line}");
    let noted = calls(line);
    assert!(noted.iter().all(|call| written.contains(call)), "{noted:?} are not among {written:?}");
    let steps = list(line, "steps");
    let unanswered = steps.iter().filter(|step| step["outcome"] == "unanswered").count();
    // A step makes at most two calls; what was under way at the moment of death is on record without request ids.
    let off_record = written.len() - noted.len();
    assert!((1..=2 * unanswered).contains(&off_record), "{off_record} calls of {unanswered} steps: {line}");
    for step in steps {
        assert!(!step["title"].as_str().unwrap().is_empty() && step["scope"] == "shop-eu", "{step}");
        assert!(!list(step, "before").is_empty() || !list(step, "after").is_empty(), "{step}");
    }
}

fn check(arguments: &[&str], next: &[&str], dies_after: usize) {
    let shop = Shop::new();
    let written = shop.killed(arguments, dies_after);
    assert_eq!(shop.audit(), [] as [Value; 0], "it died before it could say anything");
    let ran = Ran::of(&mut shop.command("the next", next));
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert!(ran.text.contains("an earlier apply did not get to its end"), "{}", ran.text);
    let [death, line] = shop.audit().try_into().unwrap_or_else(|lines| panic!("two lines: {lines:#?}"));
    check_record(&death, &written);
    if dies_after > 20 {
        assert!(calls(&death).len() > 8, "most of it was answered: {death}");
    }
    assert_eq!((&line["who"], &line["died"]), (&"the next".into(), &Value::Null));
    assert_eq!(calls(&line).len(), shop.line.writes().len());
    assert!(!shop.state("journal").exists());
    let ran = Ran::of(&mut shop.command("the next", &["plan", "--check"]));
    assert_eq!(ran.status, 0, "{}", ran.text);
}

#[test]
fn what_a_pass_called_before_it_was_killed_is_on_record_after_the_next_start() {
    for dies_after in [1, 30, 90] {
        check(&["run"], &["run", "--passes", "1"], dies_after);
    }
}

#[test]
fn what_an_apply_called_before_it_was_killed_is_on_record_after_the_next_start() {
    check(&["apply"], &["apply"], 30);
    check(&["apply"], &["run", "--passes", "1"], 30);
}

/// Nothing is left to write for the second one, and the record is made all the same.
#[test]
fn a_pass_that_died_at_its_last_call_is_on_record_too() {
    let all = {
        let shop = Shop::new();
        assert_eq!(Ran::of(&mut shop.command("nobody", &["run", "--passes", "1"])).status, 0);
        shop.line.writes().len()
    };
    let shop = Shop::new();
    let written = shop.killed(&["run"], all);
    assert_eq!(Ran::of(&mut shop.command("the next", &["run", "--passes", "1"])).status, 0);
    let [death] = shop.audit().try_into().unwrap_or_else(|lines| panic!("one line: {lines:#?}"));
    check_record(&death, &written);
}
