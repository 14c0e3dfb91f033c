//! What a subnetwork logs: its `logConfig`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::state::{Object, texts_of};

use super::Settings;

/// What a subnetwork logs.
#[derive(Clone, PartialEq, Debug)]
pub struct SubnetLog {
    /// The aggregation interval, in seconds.
    pub interval_s: u64,
    /// The share of entries that is kept, 0 to 1.
    pub sampling: f64,
    /// What entries say beside addresses and counts.
    pub metadata: Metadata,
}

/// What entries say beside addresses and counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Metadata {
    /// Nothing: no names of machines or networks.
    ExcludeAll,
    /// Everything.
    IncludeAll,
    /// These fields.
    Custom(BTreeSet<String>),
}

impl Metadata {
    /// Whether entries have a field.
    pub(super) fn has(&self, field: &str) -> bool {
        match self {
            Self::ExcludeAll => false,
            Self::IncludeAll => true,
            Self::Custom(fields) => fields.contains(field),
        }
    }
}

impl Default for SubnetLog {
    /// As the cloud has it when logs are turned on and nothing else is said.
    fn default() -> Self {
        Self { interval_s: 5, sampling: 0.5, metadata: Metadata::ExcludeAll }
    }
}

/// What a subnetwork logs by its document; nothing if logs are off.
pub(super) fn of(body: &Object, settings: &Settings) -> Option<SubnetLog> {
    let default = SubnetLog::default();
    let Some(config) = body.get("logConfig").and_then(Value::as_object) else {
        let on = body.get("enableFlowLogs") == Some(&Value::Bool(true));
        return if on { Some(default) } else { settings.unless_configured.clone() };
    };
    if config.get("enable") != Some(&Value::Bool(true)) {
        return None;
    }
    let word = |field: &str| config.get(field).and_then(Value::as_str).unwrap_or_default();
    Some(SubnetLog {
        interval_s: match word("aggregationInterval") {
            "INTERVAL_30_SEC" => 30,
            "INTERVAL_1_MIN" => 60,
            "INTERVAL_5_MIN" => 300,
            "INTERVAL_10_MIN" => 600,
            "INTERVAL_15_MIN" => 900,
            _ => default.interval_s,
        },
        sampling: config.get("flowSampling").and_then(Value::as_f64).unwrap_or(default.sampling),
        metadata: match word("metadata") {
            "INCLUDE_ALL_METADATA" => Metadata::IncludeAll,
            "CUSTOM_METADATA" => Metadata::Custom(texts_of(config, "metadataFields").into_iter().collect()),
            _ => Metadata::ExcludeAll,
        },
    })
}
