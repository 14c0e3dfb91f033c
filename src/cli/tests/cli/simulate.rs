//! `bulkhead simulate` as a rehearsal uses it.

use std::process::Command;

use crate::lab::{Ran, Running, binary};

/// A simulator of each cloud, and the command with the variables that they say.
fn clouds(command: &mut Command, estates: bool) -> Vec<Running> {
    let config = format!("{}/../../config/demo", env!("CARGO_MANIFEST_DIR"));
    let start = |cloud: &str| {
        let estate = format!("{config}/estate/{cloud}.yaml");
        let mut arguments = vec!["simulate", cloud, "--unthrottled"];
        arguments.extend(estates.then_some(["--estate", &estate]).into_iter().flatten());
        let mut running = Running::start(binary(&arguments));
        let line = running.wait_for("use it with ");
        for variable in line.split("use it with ").nth(1).unwrap().split(' ') {
            let (name, value) = variable.split_once('=').unwrap();
            command.env(name, value);
        }
        running
    };
    ["aws", "azure", "gcp"].map(start).into()
}

#[test]
fn estates_are_served_until_a_termination() {
    let config = format!("{}/../../config/demo/bulkhead.yaml", env!("CARGO_MANIFEST_DIR"));
    let mut plan = binary(&["plan", "--config", &config]);
    let clouds = clouds(&mut plan, true);
    let ran = Ran::of(&mut plan);
    // Azure lets everybody in a network talk, and the guard wants a word about the end of that.
    assert_eq!(ran.status, 4, "{}", ran.text);
    let head = "BLOCKED by 1 reason; nothing will be written\n73 workloads in 6 networks: 67 of 74 interfaces enforced";
    assert!(ran.out.starts_with(head) && ran.out.contains("lose-peer: erp: "), "{}", ran.text);
    assert!(ran.out.contains("our groups admit exactly what the labels say"), "{}", ran.text);
    for running in clouds {
        running.terminate();
        let ran = running.end();
        assert!(ran.status == 0 && ran.text.contains("stopped"), "{}", ran.text);
    }
}

#[test]
fn a_wrong_estate_or_address_is_said() {
    let ran = Ran::of(&mut binary(&["simulate", "aws", "--estate", "nowhere.yaml"]));
    assert!(ran.status == 1 && ran.text.contains("cannot read `nowhere.yaml`"), "{}", ran.text);
    let estate = format!("{}/../../config/demo/estate/gcp.yaml", env!("CARGO_MANIFEST_DIR"));
    let ran = Ran::of(&mut binary(&["simulate", "aws", "--estate", &estate]));
    assert!(ran.status == 1 && ran.text.contains("is an estate of another cloud"), "{}", ran.text);
    let ran = Ran::of(&mut binary(&["simulate", "aws", "--listen", "here"]));
    assert_eq!(ran.status, 2, "{}", ran.text);
}

#[test]
fn every_cloud_is_served_and_planned_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bulkhead.yaml");
    std::fs::create_dir(folder.path().join("policy")).unwrap();
    std::fs::write(folder.path().join("policy/shop.yaml"), "labels: { role: [web] }\n").unwrap();
    let scopes = "installation: shop\nscopes:\n  \
                  - { name: a, provider: aws, region: eu-west-1 }\n  \
                  - { name: b, provider: azure, account: 11111111-2222-4333-8444-555555555555, region: westeurope }\n  \
                  - { name: c, provider: gcp, account: demo-project }\n";
    std::fs::write(&config, scopes).unwrap();
    let mut plan = binary(&["plan", "--config", config.to_str().unwrap()]);
    let clouds = clouds(&mut plan, false);
    let ran = Ran::of(&mut plan);
    // What is there without anybody's doing: no VPC, no VNet, and the default network of the project.
    assert!(ran.status == 0 && ran.out.contains("0 workloads in 1 network"), "{}", ran.text);
    assert!(ran.out.contains("proven"), "{}", ran.text);
    for running in clouds {
        running.terminate();
        assert_eq!(running.end().status, 0);
    }
}

#[test]
fn a_credential_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bulkhead.yaml");
    std::fs::create_dir(folder.path().join("policy")).unwrap();
    std::fs::write(folder.path().join("policy/shop.yaml"), "labels: { role: [web] }\n").unwrap();
    let text = "installation: shop\nscopes: [{ name: c, provider: gcp, account: demo-project, credential: key-file }]\n";
    std::fs::write(&config, text).unwrap();
    let mut plan = binary(&["plan", "--config", config.to_str().unwrap()]);
    let ran = Ran::of(plan.env_remove("GOOGLE_APPLICATION_CREDENTIALS"));
    assert_eq!(ran.status, 1, "{}", ran.text);
    let said = "scope c cannot be connected: ";
    assert!(ran.text.contains(said) && ran.text.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{}", ran.text);
}
