//! The endpoints that hand out tokens, as far as the Azure CLI and the identity libraries ask them.

use serde_json::{Value, json};

/// The token that the simulation hands out; it opens nothing anywhere else.
const TOKEN: &str = "simulated";
/// The tenant of the simulation.
pub const TENANT: &str = "72f988bf-0000-4000-8000-2d7cd011db47";

/// The answer to a login request, if the path is one.
pub fn answer(method: &str, path: &str, endpoint: &str) -> Option<Value> {
    let path = path.trim_start_matches('/').to_lowercase();
    let tenant = path.split('/').next().unwrap_or_default();
    let root = format!("{endpoint}/{tenant}");
    if method == "GET" && path.ends_with("/.well-known/openid-configuration") {
        return Some(json!({
            "token_endpoint": format!("{root}/oauth2/v2.0/token"),
            "authorization_endpoint": format!("{root}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{root}/oauth2/v2.0/devicecode"),
            "issuer": format!("{root}/v2.0"),
            "jwks_uri": format!("{root}/discovery/v2.0/keys"),
        }));
    }
    if method == "GET" && path == "common/discovery/instance" {
        let named = format!("{endpoint}/common/.well-known/openid-configuration");
        return Some(json!({ "tenant_discovery_endpoint": named, "metadata": [] }));
    }
    if method == "POST" && (path.ends_with("/oauth2/v2.0/token") || path.ends_with("/oauth2/token")) {
        return Some(json!({
            "token_type": "Bearer",
            "access_token": TOKEN,
            "expires_in": 86_399,
            "ext_expires_in": 86_399,
        }));
    }
    None
}
