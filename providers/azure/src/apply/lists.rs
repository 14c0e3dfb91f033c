//! Rules of carriers, denies, damaged rules: what is written in security groups.

use plan::{Direction, GroupId, PathRule, Peer, RuleSpec};
use provider::together::{Answer, all_or_each_alone};
use provider::{ErrorKind, Failed, ProviderError};

use super::{Applier, refused, render};
use crate::band::{self, Band, Change, Edited, Refusal};
use crate::ids;
use crate::observed::as_written;
use crate::resources::{ArmId, Rule, SecurityGroup, kind};
use crate::write::{Edit, RuleChange};

impl Applier<'_> {
    pub(super) async fn add_rules(
        &self,
        group: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let (nsg, asg) = self.carried(group)?;
        self.ensure_list(&nsg).await?;
        let (target, rules, band) = (ids::of_asg(&asg), self.resolved(rules), self.band.clone());
        self.change(&nsg, move |list| band::add(&band, list, &target, direction, &rules)).await
    }

    pub(super) async fn remove_rules(
        &self,
        group: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let (nsg, asg) = self.carried(group)?;
        let (target, rules, band) = (ids::of_asg(&asg), self.resolved(rules), self.band.clone());
        self.change(&nsg, move |list| Ok(band::remove(&band, list, &target, direction, &rules))).await
    }

    /// Takes every rule for a target away.
    pub(super) async fn clear(&self, nsg: &ArmId, asg: &ArmId) -> Result<(), ProviderError> {
        let (target, band) = (ids::of_asg(asg), self.band.clone());
        self.change(nsg, move |list| Ok(band::clear(&band, list, &target))).await
    }

    pub(super) async fn clear_damaged(&self, nsg: &ArmId) -> Result<(), ProviderError> {
        let band = self.band.clone();
        self.change(nsg, move |list| Ok(band::clear_damaged(&band, list))).await
    }

    /// Denies everything to the members of the group of closed interfaces.
    pub(super) async fn close(
        &self,
        nsg: &ArmId,
        network: &ArmId,
        direction: Direction,
    ) -> Result<(), ProviderError> {
        let (network, band) = (network.clone(), self.band.clone());
        self.change(nsg, move |list| Ok(band::close(&band, list, &network, direction)?)).await
    }

    /// Facts with the ids that planned groups got.
    fn resolved(&self, rules: &[RuleSpec]) -> Vec<RuleSpec> {
        let resolve = |rule: &RuleSpec| match &rule.peer {
            Peer::Group(id) => {
                let peer = self.asg_of(id).map_or_else(|| id.clone(), |asg| ids::of_asg(&asg));
                RuleSpec { peer: Peer::Group(peer), service: rule.service }
            }
            _ => rule.clone(),
        };
        rules.iter().map(resolve).collect()
    }

    /// Changes a list, in one call with whatever other steps change in it at this time.
    async fn change(
        &self,
        nsg: &ArmId,
        decide: impl Fn(&[PathRule]) -> Result<Change, Refusal> + Send + Sync + 'static,
    ) -> Result<(), ProviderError> {
        let write = |edits: Vec<Edit>| async move {
            all_or_each_alone(&edits, |edits| Box::pin(self.write_edits(nsg, edits))).await
        };
        self.writer.edit(nsg, Box::new(decide), write).await
    }

    /// Reads a security group, decides what changes, and writes it in one call or none. An edit that is refused is left
    /// out.
    async fn write_edits(&self, nsg: &ArmId, edits: &[Edit]) -> Result<Vec<Answer>, Failed> {
        let (held, edited) = self.edited(nsg, edits).await?;
        let calls = self.write(&held, edited.change).await?;
        let answer = |outcome| match outcome {
            Ok(true) => Ok(calls.clone()),
            Ok(false) => Ok(Vec::new()),
            Err(refusal) => Err(refused(&refusal).into()),
        };
        Ok(edited.outcomes.into_iter().map(answer).collect())
    }

    async fn write(&self, held: &SecurityGroup, change: Change) -> Answer {
        if change.is_empty() {
            return Ok(Vec::new());
        }
        let put =
            change.put.iter().map(|rule| rendered(&self.band, rule)).collect::<Result<Vec<Rule>, _>>()?;
        let change = RuleChange { put, delete: change.delete, flush: self.settings.flush };
        let writer = self.writer.accounting();
        match writer.write_rules(held, &change).await {
            Ok(written) => Ok(written.calls),
            Err(error) => Err(Failed { calls: writer.take_sent(), error }),
        }
    }

    /// A security group as it is, and what edits make of it.
    async fn edited(&self, nsg: &ArmId, edits: &[Edit]) -> Result<(SecurityGroup, Edited), ProviderError> {
        let action = kind::SECURITY_GROUP.reading();
        let arm = self.writer.arm();
        let held: SecurityGroup = arm.get(&action, nsg.as_str(), kind::SECURITY_GROUP.version).await?;
        let list = as_written(&self.settings.installation, &held.properties.security_rules)
            .map_err(|error| ProviderError::new(ErrorKind::Rejected, &action, error.to_string()))?;
        let edited = band::edited(&self.band, &list, edits);
        Ok((held, edited))
    }
}

fn rendered(band: &Band, rule: &PathRule) -> Result<Rule, ProviderError> {
    let real = |id: &GroupId| (!ids::asg_name(id).is_empty()).then(|| ArmId::new(id.as_str()));
    render::rule(band, rule, real).ok_or_else(|| refused(&Refusal::Inexpressible(rule.name.clone())))
}
