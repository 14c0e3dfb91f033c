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
    let mut clouds = Vec::new();
    for cloud in ["aws", "azure", "gcp"] {
        let mut running = Running::start(binary(&["simulate", cloud]));
        let line = running.wait_for("use it with ");
        for variable in line.split("use it with ").nth(1).unwrap().split(' ') {
            let (name, value) = variable.split_once('=').unwrap();
            plan.env(name, value);
        }
        clouds.push(running);
    }
    let ran = Ran::of(&mut plan);
    // What is there without anybody's doing: no VPC, no VNet, and the default network of the project.
    assert!(ran.status == 0 && ran.out.contains("0 workloads in 1 network"), "{}", ran.text);
    assert!(ran.out.contains("proven"), "{}", ran.text);
    clouds.iter().for_each(Running::terminate);
    for running in clouds {
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
