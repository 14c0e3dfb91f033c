//! Network security groups.

use serde::{Deserialize, Serialize};

use crate::resources::{Rest, Rule, Tracked};

/// A network security group with its rules.
pub type SecurityGroup = Tracked<SecurityGroupProperties>;

/// What a network security group holds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupProperties {
    /// Whether connections that are open are judged again when a rule changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush_connection: Option<bool>,
    /// Its own rules: a PUT replaces all of them.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub security_rules: Vec<Rule>,
    /// The rules that every group ends with; only read.
    #[serde(
        default,
        deserialize_with = "crate::resources::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub default_security_rules: Vec<Rule>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
