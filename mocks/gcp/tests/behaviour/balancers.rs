//! The parts of load balancers: kept, listed, and deleted in the right order.

use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, link};

#[test]
fn parts_are_kept_and_listed_over_all_places() {
    let cloud = Cloud::quick();
    let part = |at: &str, body: Value| cloud.ask("POST", &format!("{PROJECT}/{at}"), body);
    let check = json!({ "name": "hc", "type": "TCP", "tcpHealthCheck": { "port": 80 } });
    assert_eq!(part("global/healthChecks", check), "ok");
    let service = json!({ "name": "bs", "loadBalancingScheme": "INTERNAL", "network": link("net/v"),
        "healthChecks": ["global/healthChecks/hc"] });
    assert_eq!(part("regions/europe-west1/backendServices", service), "ok");
    let rule = json!({ "name": "fr", "IPAddress": "10.0.1.9", "loadBalancingScheme": "INTERNAL",
        "backendService": format!("{PROJECT}/regions/europe-west1/backendServices/bs") });
    assert_eq!(part("regions/europe-west1/forwardingRules", rule), "ok");
    let missing = json!({ "name": "x", "backendService": "regions/europe-west1/backendServices/none" });
    assert_eq!(part("regions/europe-west1/forwardingRules", missing), "notFound");

    let all = cloud.get(&format!("{PROJECT}/aggregated/forwardingRules"));
    assert_eq!(all["items"]["regions/europe-west1"]["forwardingRules"][0]["IPAddress"], "10.0.1.9");
    assert_eq!(all["items"]["global"]["warning"]["code"], "NO_RESULTS_ON_PAGE");
    let all = cloud.get(&format!("{PROJECT}/aggregated/healthChecks"));
    assert_eq!(all["items"]["global"]["healthChecks"][0]["kind"], "compute#healthCheck");

    let delete = |at: &str| cloud.delete(&format!("{PROJECT}/{at}"));
    assert_eq!(delete("global/healthChecks/hc"), "resourceInUseByAnotherResource");
    assert_eq!(delete("regions/europe-west1/forwardingRules/fr"), "ok");
    assert_eq!(delete("regions/europe-west1/backendServices/bs"), "ok");
    assert_eq!(delete("global/healthChecks/hc"), "ok");
}
