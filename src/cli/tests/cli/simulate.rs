//! `bulkhead simulate` as a rehearsal uses it.

use crate::lab::{Ran, Running, binary};

#[test]
fn it_serves_an_estate_until_it_is_terminated() {
    let config = format!("{}/../../config/demo", env!("CARGO_MANIFEST_DIR"));
    let estate = format!("{config}/estate.yaml");
    let mut running = Running::start(binary(&["simulate", "aws", "--unthrottled", "--estate", &estate]));
    let line = running.wait_for("EC2 simulator on ");
    let endpoint = line.rsplit(' ').next().unwrap();
    let mut plan = binary(&["plan", "--config", &format!("{config}/bulkhead.yaml")]);
    let ran = Ran::of(plan.env("AWS_ENDPOINT_URL_EC2", endpoint));
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert!(ran.out.contains("PROVEN") && ran.out.contains("53 of 59 interfaces enforced"), "{}", ran.text);
    running.terminate();
    let ran = running.end();
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert!(ran.text.contains("stopped"), "{}", ran.text);
}

#[test]
fn a_wrong_estate_or_address_is_said() {
    let ran = Ran::of(&mut binary(&["simulate", "aws", "--estate", "nowhere.yaml"]));
    assert!(ran.status == 1 && ran.text.contains("cannot read `nowhere.yaml`"), "{}", ran.text);
    let ran = Ran::of(&mut binary(&["simulate", "aws", "--listen", "here"]));
    assert_eq!(ran.status, 2, "{}", ran.text);
}
