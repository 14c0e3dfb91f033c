//! Policy as people write it: label groups, IP lists, services, rulesets with scopes and rules.
//!
//! A value of [`Policy`] is closed: every name that a rule uses is defined in it. The loader refuses
//! anything else (S18), so compile and decide need no error path.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::address::AddressSet;
use crate::label::Label;
use crate::name::{LabelKey, LabelValue, Name, WorkloadId};
use crate::service::ServiceSet;
use crate::workload::EnforcementMode;

/// Everything that people write, checked and closed under reference.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// The labels that exist: key → values.
    pub labels: BTreeMap<LabelKey, BTreeSet<LabelValue>>,
    /// Named sets of labels of one key.
    pub label_groups: BTreeMap<Name, LabelGroup>,
    /// Named sets of addresses.
    pub ip_lists: BTreeMap<Name, IpList>,
    /// Named services.
    pub services: BTreeMap<Name, ServiceSet>,
    /// Which workloads enforce how; the first entry that matches decides, `visibility_only` if none does.
    pub enforcement: Vec<EnforcementRule>,
    /// Rules sharing scopes, in the order in which they were written.
    pub rulesets: Vec<Ruleset>,
}

/// Gives an enforcement mode to the workloads that match every entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnforcementRule {
    /// As in a scope.
    pub scope: Vec<ScopeEntry>,
    /// The mode of the workloads that match.
    pub mode: EnforcementMode,
}

/// A named set of labels of one key; groups nest without cycles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelGroup {
    /// The key of every member.
    pub key: LabelKey,
    /// Values that are members themselves.
    pub labels: BTreeSet<LabelValue>,
    /// Groups whose members are members.
    pub sub_groups: BTreeSet<Name>,
}

/// A named set of addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpList {
    /// The addresses, exclusions already taken off.
    pub addresses: AddressSet,
}

/// Rules that share scopes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ruleset {
    /// Unique over the policy.
    pub name: Name,
    /// A disabled ruleset contributes nothing (S14).
    pub enabled: bool,
    /// A workload is covered by any of them (S1); an empty list covers every workload (S2).
    pub scopes: Vec<Vec<ScopeEntry>>,
    /// In the order in which they were written.
    pub rules: Vec<Rule>,
}

/// One entry of a scope: a label or a label group, included or taken off (S4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScopeEntry {
    /// What is matched.
    pub target: ScopeTarget,
    /// Whether matching workloads are taken off instead of included.
    pub exclusion: bool,
}

/// What a scope entry matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScopeTarget {
    /// One label.
    Label(Label),
    /// A label group; included in a scope it expands into one scope per member label (S3).
    LabelGroup(Name),
}

/// What a rule does with what it matches (E1: override deny > allow > deny > default).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Lets it pass.
    #[default]
    Allow,
    /// Blocks it where the default would permit; any allow wins (E2).
    Deny,
    /// Blocks it whatever allows it.
    OverrideDeny,
}

/// One rule: who may (or may not) talk to whom on what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Unique over its ruleset.
    pub name: Name,
    /// A disabled rule contributes nothing (S14).
    pub enabled: bool,
    /// What it does.
    pub action: Action,
    /// Who opens the connection.
    pub sources: Vec<Actor>,
    /// Who is connected to.
    pub destinations: Vec<Actor>,
    /// On what; never empty.
    pub services: ServiceSet,
    /// Whether sources are global instead of inside the scope (an extra-scope rule, S6).
    pub extra_scope: bool,
}

/// One entry of a side of a rule. Labels of one key are OR, of different keys AND; then OR with the
/// other kinds (S8). Exclusions are taken off after the inclusion; a side with exclusions only means
/// everything except them (S4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Every workload (inside the scope, if scoped); not IP lists (S9).
    AllWorkloads,
    /// Workloads with a label.
    Label {
        /// The label.
        label: Label,
        /// Whether they are taken off instead of included.
        exclusion: bool,
    },
    /// Workloads with any label of a group, nested groups flattened (S10).
    LabelGroup {
        /// The group.
        group: Name,
        /// Whether they are taken off instead of included.
        exclusion: bool,
    },
    /// Addresses, whoever holds them; programs only the other side's enforcement points (S15).
    IpList(Name),
    /// One workload, never narrowed by the scope (S7).
    Workload(WorkloadId),
}

/// Where a decision or a cloud rule comes from: ruleset and rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RuleRef {
    /// The name of the ruleset.
    pub ruleset: Name,
    /// The name of the rule in it.
    pub rule: Name,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ruleset, self.rule)
    }
}
