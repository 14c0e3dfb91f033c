//! One step → the fewest calls that make it true. Idempotent against fresh reads; never sent twice.
//!
//! What becomes of a list is decided by [`crate::band`] on a read of the security group in this very step, and written with
//! the version of that read: a change by somebody else in between is a conflict, and nothing is lost. One rule is one PUT of
//! one rule, several are one PUT of the security group with every foreign rule as it was.

mod lists;
mod members;
mod objects;
mod own;
mod render;

use std::collections::BTreeMap;

use plan::{GroupId, Observed, Scope, Step, StepAction};
use policy::NetworkId;
use provider::{Applied, ErrorKind, Failed, ProviderError};

use crate::after::find_list;
use crate::band::{Band, Refusal};
use crate::ids::{self, GroupKind};
use crate::resources::{ArmId, kind};
use crate::settings::AzureSettings;
use crate::write::Writer;

/// What one step is applied against.
pub(crate) struct Applier<'a> {
    /// Keeps the account of this step.
    writer: Writer,
    settings: &'a AzureSettings,
    band: Band,
    scope: &'a Scope,
    current: &'a [Observed],
    ids: &'a BTreeMap<GroupId, GroupId>,
}

impl<'a> Applier<'a> {
    pub(crate) fn new(
        writer: &Writer,
        settings: &'a AzureSettings,
        scope: &'a Scope,
        current: &'a [Observed],
        ids: &'a BTreeMap<GroupId, GroupId>,
    ) -> Self {
        Self {
            writer: writer.accounting(),
            settings,
            band: settings.band_of(Some(&scope.id)),
            scope,
            current,
            ids,
        }
    }

    pub(crate) async fn apply(self, step: &Step) -> Result<Applied, Failed> {
        let outcome = self.make_true(&step.action).await;
        let calls = self.writer.take_sent();
        match outcome {
            Ok(created) => Ok(Applied { calls, created }),
            Err(error) => Err(Failed { calls, error }),
        }
    }

    /// The security group that a step rewrites: changes of its rules at one time are one PUT of it.
    pub(crate) fn document(&self, action: &StepAction) -> Option<String> {
        let (StepAction::AddRules { group, .. } | StepAction::RemoveRules { group, .. }) = action else {
            return None;
        };
        self.carried(group).ok().map(|(nsg, _)| nsg.key().to_owned())
    }

    /// The id of the group that was created, if one was.
    async fn make_true(&self, action: &StepAction) -> Result<Option<GroupId>, ProviderError> {
        match action {
            StepAction::CreateGroup { group, open_egress, .. } => {
                return self.create(group, *open_egress).await.map(Some);
            }
            StepAction::Mark { group } => self.mark(group).await?,
            StepAction::AddRules { group, direction, rules } => {
                self.add_rules(group, *direction, rules).await?;
            }
            StepAction::RemoveRules { group, direction, rules } => {
                self.remove_rules(group, *direction, rules).await?;
            }
            StepAction::Attach { interface, add } => self.attach(interface, add).await?,
            StepAction::Detach { interface, remove } => self.detach(interface, remove).await?,
            StepAction::DeleteGroup { group, .. } => self.delete(group).await?,
        }
        Ok(None)
    }

    /// The last read of the scope.
    fn own(&self) -> Option<&'a Observed> {
        self.current.iter().find(|observed| observed.scope.as_ref() == Some(&self.scope.id))
    }

    /// The application security group of a group that has one.
    fn asg_of(&self, group: &GroupId) -> Option<ArmId> {
        let group = self.ids.get(group).unwrap_or(group);
        match ids::kind_of(group) {
            GroupKind::Asg(asg) | GroupKind::Carrier { asg, .. } => Some(asg),
            GroupKind::PlannedAsg { network, name }
            | GroupKind::PlannedCarrier { network, asg: name, .. } => Some(self.named(&network, &name)),
            _ => None,
        }
    }

    /// An application security group by its name: as it was created, as it is there, or as it will be.
    fn named(&self, network: &NetworkId, name: &str) -> ArmId {
        if let Some(real) = self.ids.get(&GroupId::planned(network, name)) {
            return ArmId::new(real.as_str());
        }
        let groups = self.own().into_iter().flat_map(|observed| &observed.groups);
        let mut held = groups.filter(|held| held.network == *network && held.name.eq_ignore_ascii_case(name));
        match held.next().map(|held| ids::kind_of(&held.id)) {
            Some(GroupKind::Asg(asg)) => asg,
            _ => {
                let network = ArmId::new(network.as_str());
                kind::APPLICATION_GROUP.named(network.subscription(), network.resource_group(), name)
            }
        }
    }

    /// The security group and the application security group of a carrier.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for what is no carrier; [`ErrorKind::NotFound`] when its list is not there.
    fn carried(&self, group: &GroupId) -> Result<(ArmId, ArmId), ProviderError> {
        let real = self.ids.get(group).unwrap_or(group);
        match ids::kind_of(real) {
            GroupKind::Carrier { nsg, asg } => Ok((nsg, asg)),
            GroupKind::PlannedCarrier { network, asg, nsg } => {
                let list = self.own().and_then(|observed| find_list(observed, &network, &nsg));
                let missing = || {
                    let message = format!("no network security group `{nsg}` is in force in `{network}`");
                    ProviderError::new(ErrorKind::NotFound, &kind::SECURITY_GROUP.reading(), message)
                };
                Ok((ArmId::new(&list.ok_or_else(missing)?.id), self.named(&network, &asg)))
            }
            _ => Err(no_rules(group)),
        }
    }
}

/// Something that has no rules of ours.
fn no_rules(group: &GroupId) -> ProviderError {
    let message = format!("group `{group}` holds no rules that can be written");
    ProviderError::new(ErrorKind::Rejected, &kind::SECURITY_GROUP.writing(), message)
}

/// A change that the cloud would refuse.
fn refused(refusal: &Refusal) -> ProviderError {
    let (error_kind, hint) = match refusal {
        Refusal::Full(_) => {
            (ErrorKind::OverQuota, "make the policy smaller, or split what is behind the group")
        }
        Refusal::Inexpressible(_) => (ErrorKind::Rejected, "name another service or peer in the rule"),
    };
    let mut error = ProviderError::new(error_kind, &kind::SECURITY_GROUP.writing(), refusal.to_string());
    error.hint = hint.to_owned();
    error
}
