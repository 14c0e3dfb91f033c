//! What Resource Manager knows: projects and what is above them, tags and their bindings.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::resources::{Rest, null_as_default};

/// A project.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// `projects/NUMBER`.
    pub name: String,
    /// Its id, by which paths name it.
    #[serde(default)]
    pub project_id: String,
    /// `organizations/N` or `folders/N`; none for a project of a private person.
    #[serde(default)]
    pub parent: Option<String>,
    /// Labels.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// `ACTIVE`, or on its way out.
    #[serde(default)]
    pub state: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Project {
    /// Its number.
    pub fn number(&self) -> &str {
        self.name.strip_prefix("projects/").unwrap_or(&self.name)
    }
}

/// A folder or an organisation.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// `organizations/N` or `folders/N`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub display_name: String,
    /// What is above it; none for an organisation.
    #[serde(default)]
    pub parent: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A tag key.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagKey {
    /// `tagKeys/N`.
    pub name: String,
    /// `organizations/N` or `projects/NUMBER`.
    #[serde(default)]
    pub parent: String,
    /// Unique below its parent.
    #[serde(default)]
    pub short_name: String,
    /// For people; ownership is marked here.
    #[serde(default)]
    pub description: String,
    /// `GCE_FIREWALL` for those that rules may name.
    #[serde(default)]
    pub purpose: Option<String>,
    /// `network` (a link with the network's number) or `organization` (`auto`).
    #[serde(default, deserialize_with = "null_as_default")]
    pub purpose_data: BTreeMap<String, String>,
    /// Its version.
    #[serde(default)]
    pub etag: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl TagKey {
    /// Whether rules may name its values.
    pub fn is_for_firewalls(&self) -> bool {
        self.purpose.as_deref() == Some("GCE_FIREWALL")
    }
}

/// A value of a tag key.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagValue {
    /// `tagValues/N`: rules name it so.
    pub name: String,
    /// `tagKeys/N`.
    #[serde(default)]
    pub parent: String,
    /// Unique below its key.
    #[serde(default)]
    pub short_name: String,
    /// For people; ownership is marked here.
    #[serde(default)]
    pub description: String,
    /// Its version.
    #[serde(default)]
    pub etag: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A tag value on a resource.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagBinding {
    /// Its name, with the resource's full name in it.
    #[serde(default)]
    pub name: String,
    /// The full name of the resource.
    #[serde(default)]
    pub parent: String,
    /// `tagValues/N`.
    #[serde(default)]
    pub tag_value: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The full name of an instance, by numbers as Resource Manager wants it, and the zone whose Resource Manager it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FullName {
    zone: String,
    name: String,
}

impl FullName {
    /// Of an instance, by the numbers of its project and of itself.
    pub fn of_instance(project_number: &str, zone: &str, instance_id: &str) -> Self {
        let name = format!(
            "//compute.googleapis.com/projects/{project_number}/zones/{zone}/instances/{instance_id}"
        );
        Self { zone: zone.to_owned(), name }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The name of the binding of a tag value (`tagValues/N`) to it.
    pub fn binding(&self, value: &str) -> String {
        format!("tagBindings/{}/{value}", self.name.replace('/', "%2F"))
    }
}
