//! The AWS driver: security groups as enforcement points.
//!
//! ```text
//! observe ─▶ Observed ─┬─ semantics ─▶ FilterGraph        (what the objects mean)
//!                      └─ lower ────▶ Desired             (what the policy needs)
//! Step ─ apply ─▶ EC2 calls through client: timeout → pace → limit → SDK
//! ```
//!
//! `flow_logs` reads VPC flow logs out of CloudWatch Logs.
//!
//! Reader and writer are different values; whoever plans holds only the reader.

pub mod client;
pub mod convert;
pub mod errors;
pub mod flow_logs;
pub mod lower;
pub mod marks;
pub mod pace;
pub mod semantics;

mod apply;
mod attach;
mod connections;
mod observe;
mod pages;

use std::collections::BTreeMap;

use async_trait::async_trait;
use plan::{Desired, FilterGraph, GroupId, Observed, Scope, Step, StepAction};
use provider::{Applied, CallEstimate, CloudReader, CloudWriter, Failed, LowerInput, ProviderError};

pub use client::{AwsSettings, Ec2};
pub use connections::Connections;

/// Reads AWS and says what its objects mean.
#[derive(Clone)]
pub struct AwsReader {
    ec2: Ec2,
    settings: AwsSettings,
}

impl AwsReader {
    /// A reader over a connection.
    pub fn new(ec2: Ec2, settings: AwsSettings) -> Self {
        Self { ec2, settings }
    }
}

#[async_trait]
impl CloudReader for AwsReader {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        observe::observe(&self.ec2, &self.settings, scope).await
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        lower::lower(input)
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        semantics::semantics(domain)
    }

    fn estimate(&self, _scope: &Scope, _observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate {
        let mut calls: BTreeMap<String, u32> = BTreeMap::new();
        let mut count = |action: &str| *calls.entry(action.to_owned()).or_default() += 1;
        for step in batches.iter().flatten() {
            match &step.action {
                StepAction::CreateGroup { open_egress, .. } => {
                    count("CreateSecurityGroup");
                    // Closing egress takes the default rule out; opening it may have to add the IPv6 half.
                    count(if *open_egress {
                        "AuthorizeSecurityGroupEgress"
                    } else {
                        "RevokeSecurityGroupEgress"
                    });
                }
                StepAction::Mark { .. } => count("CreateTags"),
                StepAction::AddRules { direction: plan::Direction::Ingress, .. } => {
                    count("AuthorizeSecurityGroupIngress")
                }
                StepAction::AddRules { .. } => count("AuthorizeSecurityGroupEgress"),
                StepAction::RemoveRules { direction: plan::Direction::Ingress, .. } => {
                    count("RevokeSecurityGroupIngress")
                }
                StepAction::RemoveRules { .. } => count("RevokeSecurityGroupEgress"),
                StepAction::Attach { .. } | StepAction::Detach { .. } => {
                    count("ModifyNetworkInterfaceAttribute")
                }
                StepAction::DeleteGroup { .. } => count("DeleteSecurityGroup"),
            }
        }
        let duration_ms = pace::predict_ms(&calls, self.ec2.share());
        CallEstimate { calls, duration_ms }
    }
}

/// Writes to AWS.
#[derive(Clone)]
pub struct AwsWriter {
    ec2: Ec2,
    settings: AwsSettings,
}

impl AwsWriter {
    /// A writer over a connection.
    pub fn new(ec2: Ec2, settings: AwsSettings) -> Self {
        Self { ec2, settings }
    }
}

#[async_trait]
impl CloudWriter for AwsWriter {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        apply::Writer::new(&self.ec2, &self.settings, scope, current, ids).apply(step).await
    }
}
