//! Projects as Compute Engine sees them: quotas, and who shares networks with whom.

use serde_json::{Value, json};

use super::{Call, Written};
use crate::error::{GcpError, bad_request, invalid};
use crate::link::link;
use crate::request::Request;
use crate::state::{Kind, State};
use crate::world::World;

impl World {
    pub(crate) fn read_project(&self, state: &State, request: &Request) -> Result<Value, GcpError> {
        let id = request.project();
        match request.method.word() {
            "getXpnHost" => {
                let host = state.projects.iter().find(|(_, host)| host.is_host && host.services.contains(id));
                // Without a host the answer is empty.
                Ok(host.map_or(json!({}), |(host, _)| self.project_shown(state, host)))
            }
            "listXpnHosts" => {
                let hosts = state.projects.iter().filter(|(_, host)| host.is_host);
                let items: Vec<Value> = hosts.map(|(host, _)| self.project_shown(state, host)).collect();
                Ok(json!({ "kind": "compute#xpnHostList", "items": items }))
            }
            "getXpnResources" => {
                let Some(host) = state.projects.get(id).filter(|project| project.is_host) else {
                    return Err(bad_request(format!("The project '{id}' is not a shared VPC host project.")));
                };
                let resources = host.services.iter().map(|id| json!({ "id": id, "type": "PROJECT" }));
                Ok(json!({ "kind": "compute#projectsGetXpnResources",
                    "resources": resources.collect::<Vec<Value>>() }))
            }
            _ => Ok(self.project_shown(state, id)),
        }
    }

    fn project_shown(&self, state: &State, id: &str) -> Value {
        let Some(project) = state.projects.get(id) else { return Value::Null };
        let limits = &self.settings.limits;
        let prefix = format!("projects/{id}/");
        let quota = |metric: &str, kind: Kind, limit: usize| {
            let used = state.of_kind(kind).filter(|(path, _)| path.starts_with(&prefix)).count();
            json!({ "metric": metric, "limit": limit as f64, "usage": used as f64 })
        };
        let mut shown = json!({
            "kind": "compute#project",
            "id": crate::text::spread(project.number).to_string(),
            "name": id,
            "creationTimestamp": crate::text::time(project.created_ms),
            "selfLink": link(&format!("projects/{id}")),
            "defaultServiceAccount": format!("{}-compute@developer.gserviceaccount.com", project.number),
            "defaultNetworkTier": "PREMIUM",
            "quotas": [
                quota("FIREWALLS", Kind::Firewall, limits.firewalls),
                quota("NETWORKS", Kind::Network, limits.networks),
                quota("SUBNETWORKS", Kind::Subnetwork, limits.subnetworks),
                quota("NETWORK_FIREWALL_POLICIES", Kind::FirewallPolicy, limits.policies),
            ],
        });
        if project.is_host {
            shown["xpnProjectStatus"] = json!("HOST");
        }
        shown
    }
}

/// `enableXpnHost`, `disableXpnHost`, `enableXpnResource`, `disableXpnResource`.
pub(crate) fn share(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let id = call.request.project().to_owned();
    let resource = call.request.body.get("xpnResource").and_then(|resource| resource.get("id"));
    let named = resource.and_then(Value::as_str).unwrap_or_default();
    let service = state.project_id(named).cloned();
    let taken = state.projects.iter().any(|(host, project)| {
        *host != id && service.as_ref().is_some_and(|service| project.services.contains(service))
    });
    let Some(project) = state.projects.get_mut(&id) else {
        return Err(crate::error::not_found(&format!("projects/{id}")));
    };
    match (call.request.method.word(), service) {
        ("enableXpnHost", _) => project.is_host = true,
        ("disableXpnHost", _) if !project.services.is_empty() => {
            return Err(bad_request("The shared VPC host project still has service projects."));
        }
        ("disableXpnHost", _) => project.is_host = false,
        (_, None) => return Err(invalid("xpnResource.id", named, "There is no such project.")),
        ("enableXpnResource", Some(_)) if taken || !project.is_host => {
            return Err(bad_request(
                "The project is no host project, or the service project has another host.",
            ));
        }
        ("enableXpnResource", Some(service)) => {
            project.services.insert(service);
        }
        (_, Some(service)) => {
            project.services.remove(&service);
        }
    }
    let number = project.number;
    Ok(Written::new(&format!("projects/{id}"), number, Vec::new()))
}
