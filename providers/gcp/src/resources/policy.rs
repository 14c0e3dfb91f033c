//! Firewall policies and their rules, as they are on the wire.

use serde::{Deserialize, Serialize};

use crate::resources::{ResourcePath, Rest, null_as_default};

/// The first priority of the rules that every policy has and nobody changes: they leave everything to what is next.
pub const PREDEFINED: u32 = 2_147_483_644;

/// A network firewall policy, global or regional.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// Google's number for it.
    #[serde(default)]
    pub id: String,
    /// For people; ownership is marked here, since policies have no labels.
    #[serde(default)]
    pub description: Option<String>,
    /// Its version: a patch names it.
    #[serde(default)]
    pub fingerprint: String,
    /// Its rules, lowest priority number first; none if the answer was a summary.
    #[serde(default)]
    pub rules: Option<Vec<PolicyRule>>,
    /// What it is attached to.
    #[serde(default, deserialize_with = "null_as_default")]
    pub associations: Vec<Association>,
    /// What its rules cost together.
    #[serde(default)]
    pub rule_tuple_count: Option<u32>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A policy on a network.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Association {
    /// Its name, unique in the policy.
    #[serde(default)]
    pub name: String,
    /// The network.
    #[serde(default)]
    pub attachment_target: ResourcePath,
    /// Among several policies of one network, 1000 if it is missing.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A policy that is in force on a network, as the network tells: also those of folders and the organisation, which
/// need not be readable themselves.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectivePolicy {
    /// Its name; a number for a hierarchical one.
    #[serde(default)]
    pub name: String,
    /// The name that people gave to a hierarchical one.
    #[serde(default)]
    pub short_name: Option<String>,
    /// `HIERARCHY`, `NETWORK`, `NETWORK_REGIONAL`, or one of Google's own (`SYSTEM_GLOBAL`).
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Among several of one kind.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Its rules.
    #[serde(default, deserialize_with = "null_as_default")]
    pub rules: Vec<PolicyRule>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A rule of a policy.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// 0 to 2147483647, unique in the policy; a low number comes first.
    #[serde(default)]
    pub priority: u32,
    /// `allow`, `deny`, `goto_next` or `apply_security_profile_group`.
    #[serde(default)]
    pub action: String,
    /// `INGRESS` or `EGRESS`.
    #[serde(default)]
    pub direction: String,
    /// For people; ownership is marked here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A name, which need not be unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_name: Option<String>,
    /// Which packets.
    #[serde(default, rename = "match", deserialize_with = "null_as_default")]
    pub matching: RuleMatch,
    /// Tag values whose interfaces it is for; without any target it is for the whole network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_secure_tags: Option<Vec<SecureTag>>,
    /// Service accounts whose instances it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_service_accounts: Option<Vec<String>>,
    /// Whether it does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Whether its connections are logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_logging: Option<bool>,
    /// What it costs; only Google writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_tuple_count: Option<u32>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Which packets a rule is about.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleMatch {
    /// Source blocks of one family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_ip_ranges: Option<Vec<String>>,
    /// Destination blocks of one family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dest_ip_ranges: Option<Vec<String>>,
    /// Source tag values; of an ingress rule only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_secure_tags: Option<Vec<SecureTag>>,
    /// Source address groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_address_groups: Option<Vec<String>>,
    /// Destination address groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dest_address_groups: Option<Vec<String>>,
    /// Protocols and ports.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layer4_configs: Vec<PolicyLayer4>,
    /// Everything else: host names, regions, threat lists, kinds of networks.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A protocol with its ports.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyLayer4 {
    /// `all`, a name such as `tcp`, or a number.
    #[serde(default)]
    pub ip_protocol: String,
    /// Such as `443` or `1-1024`; none is every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<String>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A tag value in a rule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SecureTag {
    /// `tagValues/N`.
    #[serde(default)]
    pub name: String,
    /// `EFFECTIVE` or `INEFFECTIVE` (the value is gone: without another source the rule is ignored); only Google
    /// writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl SecureTag {
    /// A tag value by its name.
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Whether the value is gone.
    pub fn is_ineffective(&self) -> bool {
        self.state.as_deref() == Some("INEFFECTIVE")
    }
}

impl PolicyRule {
    /// Whether it is one of those that every policy has.
    pub fn is_predefined(&self) -> bool {
        self.priority >= PREDEFINED
    }

    /// The tag values that it names, as source or target.
    pub fn secure_tags(&self) -> impl Iterator<Item = &SecureTag> {
        let targets = self.target_secure_tags.iter().flatten();
        targets.chain(self.matching.src_secure_tags.iter().flatten())
    }

    /// The rule as it is sent: without what only Google writes.
    #[must_use]
    pub fn writable(&self) -> Self {
        let mut rule = self.clone();
        rule.rule_tuple_count = None;
        rule.rest.remove("kind");
        let targets = rule.target_secure_tags.iter_mut().flatten();
        for tag in targets.chain(rule.matching.src_secure_tags.iter_mut().flatten()) {
            tag.state = None;
        }
        rule
    }
}
