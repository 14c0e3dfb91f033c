//! Load balancers, as far as they bring packets from addresses that nobody in the network has: health checks and the
//! balancers' own front ends.

use ipnet::IpNet;
use serde::Deserialize;

use crate::resources::{ResourcePath, Rest, null_as_default};

/// Where a load balancer takes packets.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardingRule {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// The address that it takes packets at.
    #[serde(default, rename = "IPAddress")]
    pub address: Option<String>,
    /// `EXTERNAL`, `EXTERNAL_MANAGED`, `INTERNAL`, `INTERNAL_MANAGED`, `INTERNAL_SELF_MANAGED`.
    #[serde(default)]
    pub load_balancing_scheme: Option<String>,
    /// The service behind a pass-through balancer.
    #[serde(default)]
    pub backend_service: ResourcePath,
    /// The proxy, pool, instance or attachment behind it.
    #[serde(default)]
    pub target: ResourcePath,
    /// The network, of an inner one.
    #[serde(default)]
    pub network: ResourcePath,
    /// The subnetwork, of an inner one.
    #[serde(default)]
    pub subnetwork: ResourcePath,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What is behind a load balancer.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendService {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// As of a forwarding rule.
    #[serde(default)]
    pub load_balancing_scheme: Option<String>,
    /// The network, of an inner pass-through one.
    #[serde(default)]
    pub network: ResourcePath,
    /// Groups of instances or of endpoints.
    #[serde(default, deserialize_with = "null_as_default")]
    pub backends: Vec<Backend>,
    /// How it asks whether they are well.
    #[serde(default, deserialize_with = "null_as_default")]
    pub health_checks: Vec<ResourcePath>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One group behind a service.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Backend {
    /// An instance group or a network endpoint group.
    #[serde(default)]
    pub group: ResourcePath,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How a balancer or a group asks whether instances are well.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// `TCP`, `HTTP`, …: the field of that name holds the port.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Everything else: a field for each protocol, such as `httpHealthCheck`.
    #[serde(flatten)]
    pub rest: Rest,
}

impl HealthCheck {
    /// The port that is asked, where it is fixed; none is the port that traffic goes to.
    pub fn port(&self) -> Option<u16> {
        let checks = self.rest.iter().filter(|(field, _)| field.ends_with("HealthCheck"));
        let mut ports = checks.filter_map(|(_, check)| check.get("port")?.as_u64());
        ports.next().and_then(|port| u16::try_from(port).ok())
    }
}

/// Where health checks and proxies of Google come from, as <https://cloud.google.com/load-balancing/docs/health-checks>
/// publishes it. Regional managed proxies come from the subnetwork with purpose `REGIONAL_MANAGED_PROXY` instead, and
/// only their health checks from here.
pub fn health_check_blocks(scheme: &str) -> Vec<IpNet> {
    let words: &[&str] = match scheme {
        "EXTERNAL" => &[
            "35.191.0.0/16",
            "130.211.0.0/22",
            "209.85.152.0/22",
            "209.85.204.0/22",
            "2600:1901:8001::/48",
            "2600:2d00:1:b029::/64",
        ],
        _ => &["35.191.0.0/16", "130.211.0.0/22", "2600:2d00:1:b029::/64", "2600:2d00:1:1::/64"],
    };
    words.iter().filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_health_check_asks_its_port_from_known_blocks() {
        let check = |body: serde_json::Value| serde_json::from_value::<HealthCheck>(body).unwrap().port();
        let http = json!({ "selfLink": "l", "type": "HTTP", "httpHealthCheck": { "port": 8080 } });
        assert_eq!(check(http), Some(8080));
        let serving =
            json!({ "selfLink": "l", "tcpHealthCheck": { "portSpecification": "USE_SERVING_PORT" } });
        assert_eq!(check(serving), None);
        assert_eq!((health_check_blocks("EXTERNAL").len(), health_check_blocks("INTERNAL").len()), (6, 4));
    }
}
