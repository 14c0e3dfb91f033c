//! A scope over everything below a management group, a folder or an organisation.

use std::net::TcpListener;

use mock_azure::{AzureFront, Settings, World};

use crate::lab::{Ran, Running, binary};

const FIRST: &str = "11111111-2222-4333-8444-555555555555";
const SECOND: &str = "66666666-7777-4888-8999-000000000000";

/// A folder with a configuration of these scopes and a policy.
fn configured(scopes: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policy")).unwrap();
    std::fs::write(folder.path().join("policy/shop.yaml"), "labels: { role: [web] }\n").unwrap();
    let text = format!("installation: shop\nscopes:\n{scopes}");
    std::fs::write(folder.path().join("bulkhead.yaml"), text).unwrap();
    folder
}

fn plan(folder: &tempfile::TempDir, endpoint: (&str, &str), token: &str) -> Ran {
    let config = folder.path().join("bulkhead.yaml");
    let mut command = binary(&["plan", "--format", "json", "--config", config.to_str().unwrap()]);
    Ran::of(command.env(endpoint.0, endpoint.1).env(token, "simulated"))
}

#[test]
fn every_subscription_below_a_management_group_is_a_scope() {
    let settings = Settings {
        more_subscriptions: vec![SECOND.to_owned()],
        management_groups: [("shop".to_owned(), vec![FIRST.to_owned(), SECOND.to_owned()])].into(),
        ..Settings::default()
    };
    let front = AzureFront::new(World::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let serving =
            async { mock_azure::serve(front, tokio::net::TcpListener::from_std(listener).unwrap()).await };
        let _ = runtime.block_on(serving);
    });
    let azure = ("BULKHEAD_AZURE_ENDPOINT", address.as_str());
    let scope =
        |below: &str| format!("  - {{ name: all, provider: azure, region: westeurope, below: {below} }}\n");
    let ran = plan(&configured(&scope("shop")), azure, "BULKHEAD_AZURE_TOKEN");
    assert_eq!(ran.status, 0, "{}", ran.text);
    for id in [FIRST, SECOND] {
        assert!(ran.out.contains(&format!("\"all.{id}\"")), "{}", ran.text);
    }
    // One that has a scope of its own keeps that.
    let own = format!(
        "{}  - {{ name: own, provider: azure, region: westeurope, account: {SECOND} }}\n",
        scope("shop")
    );
    let ran = plan(&configured(&own), azure, "BULKHEAD_AZURE_TOKEN");
    assert!(ran.out.contains("\"own\"") && !ran.out.contains(&format!("\"all.{SECOND}\"")), "{}", ran.text);
    let ran = plan(&configured(&scope("nobody")), azure, "BULKHEAD_AZURE_TOKEN");
    assert!(
        ran.status == 1 && ran.text.contains("scope all: what is below `nobody` cannot be listed"),
        "{}",
        ran.text
    );
}

#[test]
fn every_project_below_an_organisation_is_a_scope() {
    let mut running = Running::start(binary(&["simulate", "gcp", "--unthrottled"]));
    let line = running.wait_for("use it with ");
    let words: Vec<&str> = line.split("use it with ").nth(1).unwrap().split([' ', '=']).collect();
    let scopes = "  - { name: all, provider: gcp, below: organizations/123456789012 }\n";
    let ran = plan(&configured(scopes), (words[0], words[1]), words[2]);
    assert!(ran.status == 0 && ran.out.contains("\"all.demo-project\""), "{}", ran.text);
    let nothing = "  - { name: all, provider: gcp, below: folders/7 }\n";
    let ran = plan(&configured(nothing), (words[0], words[1]), words[2]);
    assert!(
        ran.status == 1 && ran.text.contains("scope all: ") && ran.text.contains("`folders/7`"),
        "{}",
        ran.text
    );
    running.terminate();
    assert_eq!(running.end().status, 0);
}
