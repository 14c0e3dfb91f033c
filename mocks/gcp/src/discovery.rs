//! Google's own description of its interfaces: which methods there are, and what bodies look like.
//!
//! Cut out of the discovery documents by `schema/extract.py`. A request is found by its verb and path, and its
//! method's id (`compute.firewalls.insert`) is the action that faults, failures and the call log speak of.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::text::decoded;

/// One of the two services.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Service {
    /// Compute Engine v1.
    Compute,
    /// Resource Manager v3.
    Manager,
}

/// What a value must look like.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`, `any`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Such as `int32` or `uint64`.
    pub format: Option<String>,
    /// The words that a string may be.
    #[serde(rename = "enum")]
    pub words: Option<Vec<String>>,
    /// What a string must match.
    pub pattern: Option<String>,
    /// Another schema by name.
    #[serde(rename = "$ref")]
    pub reference: Option<String>,
    /// Only the service writes it.
    #[serde(default)]
    pub read_only: bool,
    /// Of an array.
    pub items: Option<Box<Schema>>,
    /// Of a map.
    pub additional_properties: Option<Box<Schema>>,
    /// Of an object.
    #[serde(default)]
    pub properties: BTreeMap<String, Schema>,
}

/// One method.
#[derive(Clone, Debug, Deserialize)]
pub struct Method {
    /// Such as `compute.firewalls.insert`.
    pub id: String,
    /// The HTTP method.
    pub verb: String,
    /// Below the base, with names of parameters in braces.
    pub path: String,
    /// Parameters after the path.
    pub query: BTreeMap<String, Schema>,
    /// The schema of its body.
    pub body: Option<String>,
}

impl Method {
    /// The last word of the id.
    pub fn word(&self) -> &str {
        self.id.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it changes something when it succeeds.
    pub fn is_mutating(&self) -> bool {
        self.verb != "GET" && !matches!(self.word(), "wait" | "listXpnHosts" | "listManagedInstances")
    }

    /// Whether it gives a list.
    pub fn is_list(&self) -> bool {
        matches!(self.word(), "list" | "aggregatedList" | "search" | "listXpnHosts" | "getXpnResources")
            || self.word() == "listManagedInstances"
    }
}

/// The description of one service.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// What all paths begin with.
    base: String,
    /// Parameters that every method takes.
    pub common: Vec<String>,
    methods: Vec<Method>,
    schemas: BTreeMap<String, Schema>,
}

#[derive(Deserialize)]
struct Documents {
    #[serde(rename = "compute.v1")]
    compute: Document,
    #[serde(rename = "cloudresourcemanager.v3")]
    manager: Document,
}

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../schema/google.json"))
        .expect("the file is made by extract.py and read by every test")
});

impl Document {
    /// A schema by name.
    pub fn schema(&self, name: &str) -> Option<&Schema> {
        self.schemas.get(name)
    }
}

/// The description of a service.
pub fn document(service: Service) -> &'static Document {
    match service {
        Service::Compute => &DOCUMENTS.compute,
        Service::Manager => &DOCUMENTS.manager,
    }
}

/// The method for a verb and a path, with the values of its parameters. A path with more fixed words wins over one
/// with more parameters.
pub fn find(verb: &str, path: &str) -> Option<(Service, &'static Method, BTreeMap<String, String>)> {
    let path = path.trim_start_matches('/');
    let services = [Service::Compute, Service::Manager];
    let all = services.into_iter().flat_map(|service| {
        let document = document(service);
        let below = path.strip_prefix(&document.base);
        document.methods.iter().filter_map(move |method| {
            let parameters = matched(&method.path, below?)?;
            (method.verb == verb).then_some((service, method, parameters))
        })
    });
    all.min_by_key(|(_, _, parameters)| parameters.len())
}

/// The values of the parameters of a path, if it is one for the template.
fn matched(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    let mut rest = path.split('/');
    for word in template.split('/') {
        let given = rest.next().filter(|given| !given.is_empty())?;
        let Some(name) = word.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            if word != given {
                return None;
            }
            continue;
        };
        // The names of bindings hold slashes.
        let value = if name == "tagBindingsId" {
            let all: Vec<&str> = std::iter::once(given).chain(rest.by_ref()).collect();
            all.join("/")
        } else {
            given.to_owned()
        };
        values.insert(name.to_owned(), decoded(&value));
    }
    rest.next().is_none().then_some(values)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_by_verb_and_path() {
        let id = |verb: &str, path: &str| find(verb, path).map(|(_, method, _)| method.id.as_str());
        let p = "/compute/v1/projects/p";
        assert_eq!(id("POST", &format!("{p}/global/firewalls")), Some("compute.firewalls.insert"));
        assert_eq!(id("PUT", &format!("{p}/global/firewalls/a")), Some("compute.firewalls.update"));
        assert_eq!(
            id("GET", &format!("{p}/regions/r/firewallPolicies/getEffectiveFirewalls")),
            Some("compute.regionNetworkFirewallPolicies.getEffectiveFirewalls")
        );
        assert_eq!(
            id("GET", "/compute/v1/locations/global/firewallPolicies/listAssociations"),
            Some("compute.firewallPolicies.listAssociations")
        );
        assert_eq!(id("GET", "/v3/projects:search"), Some("cloudresourcemanager.projects.search"));
        assert_eq!(id("GET", &format!("{p}/global/routes")), None);
        let name = "/v3/tagBindings/%2F%2Fcompute.googleapis.com%2Fprojects%2F1/tagValues/2";
        let (_, _, values) = find("DELETE", name).unwrap();
        assert_eq!(values["tagBindingsId"], "//compute.googleapis.com/projects/1/tagValues/2");
    }
}
