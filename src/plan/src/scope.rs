//! A scope: one corner of a cloud that is read, planned and written as a whole, with its settings.

use std::fmt;

use policy::{NetworkId, name_type};
use serde::{Deserialize, Serialize};

name_type!(
    /// The name of a scope in the configuration.
    ScopeId
);

/// A direction of traffic as seen by the workload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards the workload.
    Ingress,
    /// From the workload.
    Egress,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

/// What happens to groups on an interface that are not ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attachment {
    /// They stay; what they admit beyond the intent is reported as exposure.
    #[default]
    Additive,
    /// They are taken off.
    Exclusive,
}

/// Who wins when somebody else changed an object of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// The policy wins.
    #[default]
    Repair,
    /// It is reported and left.
    Report,
}

/// What to do where two ends change together and no order keeps both bounds (DESIGN 7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transients {
    /// The lower bound wins: nothing that stays allowed is cut; what opens for a moment is named.
    #[default]
    Keep,
    /// The upper bound wins: nothing opens that neither side allows; what is cut for a moment is named.
    Cut,
}

/// Which statements of the proof keep a plan from being applied; the first always does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Gates {
    /// Foreign objects that admit more than the intent block.
    pub exposure: bool,
    /// Foreign objects that cut what the intent allows block.
    pub obstruction: bool,
}

/// The cloud that a scope is in: it decides which driver reads and writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Amazon Web Services.
    #[default]
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// One scope with its settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scope {
    /// Its name.
    pub id: ScopeId,
    /// The cloud that it is in.
    #[serde(default)]
    pub cloud: Cloud,
    /// The account, subscription or project; empty if the credentials decide.
    pub account: String,
    /// The region.
    pub region: String,
    /// The networks that belong to it; empty means every network of the region.
    pub networks: Vec<NetworkId>,
    /// Without it nothing is ever written.
    pub enforce: bool,
    /// Whether egress is enforced besides ingress; if not, an explicit, owned allow-all egress stays.
    pub egress: bool,
    /// What happens to foreign groups.
    pub attachment: Attachment,
    /// Who wins on drift.
    pub drift: Drift,
    /// How long a verified change takes to reach every packet, in milliseconds.
    pub settle_ms: u64,
    /// What wins where no order keeps both bounds.
    pub transients: Transients,
    /// Which further statements of the proof gate.
    pub gates: Gates,
}
