//! Network security groups.

use serde::Serialize;

use crate::resources::kept::kept;
use crate::resources::{Rest, Rule, Tracked};

/// A network security group with its rules.
pub type SecurityGroup<R = Rest> = Tracked<SecurityGroupProperties<R>, R>;

/// What a network security group holds.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupProperties<R = Rest> {
    /// Whether connections that are open are judged again when a rule changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush_connection: Option<bool>,
    /// Its own rules: a PUT replaces all of them.
    pub security_rules: Vec<Rule<R>>,
    /// The rules that every group ends with; only read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_security_rules: Vec<Rule<R>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(SecurityGroupProperties {
    flush_connection: "flushConnection",
    security_rules: "securityRules",
    default_security_rules: "defaultSecurityRules",
});
