//! The sections `azure` and `gcp`: what of one cloud is the same for all of its scopes.

use policy::file::{Fields, Problems, Value};

use super::place_of;

/// What happens to connections that are open when a rule of ours goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OpenConnections {
    /// Whatever each security group says.
    #[default]
    AsIs,
    /// They go on.
    Keep,
    /// They are judged again by the rules that are there then.
    JudgeAgain,
}

/// Where security groups are made on Azure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SecurityGroups {
    /// On subnets without one.
    #[default]
    Subnet,
    /// On interfaces that have none on their path.
    Interface,
    /// Nowhere.
    None,
}

/// The section `azure`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Azure {
    /// The first and last priority of our allow rules in every security group.
    pub priorities: (u32, u32),
    /// What happens to open connections.
    pub open_connections: OpenConnections,
    /// Whether health probes of load balancers reach every enforced interface, whatever the policy says.
    pub keeps_probes: bool,
    /// Where security groups are made.
    pub security_groups: SecurityGroups,
}

/// What says who is in a class on Google Cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GcpIdentity {
    /// Secure tags, and rules in firewall policies.
    #[default]
    SecureTags,
    /// Network tags, and classic rules.
    NetworkTags,
}

/// The section `gcp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gcp {
    /// The first and last priority of our allow rules in our policies.
    pub priorities: (u32, u32),
    /// Attributes that the rules of one firewall policy may have together.
    pub policy_attributes: u32,
    /// Tag keys that we may make in one project.
    pub tag_keys: u32,
    /// What says who is in a class.
    pub identity: GcpIdentity,
    /// The priorities of our allow rules and of our denies, where they are classic rules.
    pub classic_priorities: (u32, u32),
    /// Classic rules that one project may have.
    pub classic_rules: u32,
}

impl Default for Azure {
    fn default() -> Self {
        Self {
            priorities: (1000, 3999),
            open_connections: OpenConnections::AsIs,
            keeps_probes: true,
            security_groups: SecurityGroups::Subnet,
        }
    }
}

impl Default for Gcp {
    fn default() -> Self {
        Self {
            priorities: (1_000_000, 1_999_999),
            policy_attributes: 4_000,
            tag_keys: 1_000,
            identity: GcpIdentity::SecureTags,
            classic_priorities: (800, 801),
            classic_rules: 100,
        }
    }
}

/// What Azure lets rules have below our denies.
const AZURE_PRIORITIES: (u32, u32) = (100, 3_999);
/// What Google Cloud lets rules have, less the hundred of our denies.
const GCP_PRIORITIES: (u32, u32) = (0, 2_147_483_547);
/// What Google Cloud lets classic rules have.
const CLASSIC_PRIORITIES: (u32, u32) = (0, 65_535);

pub(super) fn azure(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Azure {
    let default = Azure::default();
    let known = ["priorities", "open_connections", "health_probes", "security_groups"];
    let section = fields.get("azure").and_then(|node| problems.fields(node, "`azure`", &known));
    let Some(fields) = section else { return default };
    let words = [
        ("as-is", OpenConnections::AsIs),
        ("keep", OpenConnections::Keep),
        ("judge-again", OpenConnections::JudgeAgain),
    ];
    let probes = [("keep", true), ("policy", false)];
    let groups = [
        ("subnet", SecurityGroups::Subnet),
        ("interface", SecurityGroups::Interface),
        ("none", SecurityGroups::None),
    ];
    Azure {
        priorities: priorities(problems, &fields, "priorities", AZURE_PRIORITIES)
            .unwrap_or(default.priorities),
        open_connections: problems.choice(&fields, "open_connections", &words, default.open_connections),
        keeps_probes: problems.choice(&fields, "health_probes", &probes, default.keeps_probes),
        security_groups: problems.choice(&fields, "security_groups", &groups, default.security_groups),
    }
}

pub(super) fn gcp(problems: &mut Problems<'_>, fields: &Fields<'_>) -> Gcp {
    let default = Gcp::default();
    let known =
        ["priorities", "policy_attributes", "tag_keys", "identity", "classic_priorities", "classic_rules"];
    let section = fields.get("gcp").and_then(|node| problems.fields(node, "`gcp`", &known));
    let Some(fields) = section else { return default };
    let identities = [("secure_tags", GcpIdentity::SecureTags), ("network_tags", GcpIdentity::NetworkTags)];
    let mut quota = |key: &str, default| {
        let hint = "write the whole number that the quota page of Google Cloud shows for the project";
        let value = problems.parsed(&fields, key, hint);
        if value == Some(0) {
            problems.report(place_of(&fields, key), format!("`{key}` cannot be below 1"), hint);
        }
        value.unwrap_or(default)
    };
    Gcp {
        policy_attributes: quota("policy_attributes", default.policy_attributes),
        tag_keys: quota("tag_keys", default.tag_keys),
        classic_rules: quota("classic_rules", default.classic_rules),
        priorities: priorities(problems, &fields, "priorities", GCP_PRIORITIES).unwrap_or(default.priorities),
        classic_priorities: priorities(problems, &fields, "classic_priorities", CLASSIC_PRIORITIES)
            .unwrap_or(default.classic_priorities),
        identity: problems.choice(&fields, "identity", &identities, default.identity),
    }
}

/// `[first, last]` within bounds.
fn priorities(
    problems: &mut Problems<'_>,
    fields: &Fields<'_>,
    key: &str,
    (least, most): (u32, u32),
) -> Option<(u32, u32)> {
    let node = fields.get(key)?;
    let numbers: Option<Vec<u32>> = match &node.value {
        Value::List(items) => items
            .iter()
            .map(|item| match &item.value {
                Value::Text(text) => text.parse().ok(),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    match numbers.as_deref() {
        Some(&[first, last]) if least <= first && first < last && last <= most => Some((first, last)),
        _ => {
            let hint =
                format!("write the first and the last, such as `[1000, 3999]`, within {least} and {most}");
            problems.report(node.place, format!("`{key}` cannot be this"), hint);
            None
        }
    }
}
