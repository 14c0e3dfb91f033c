//! Rules of carriers, denies, damaged rules: what is written in security groups.

use plan::{Direction, GroupId, PathRule, Peer, RuleSpec};
use provider::{ErrorKind, ProviderError};

use super::{Applier, refused, render};
use crate::band::{self, Change, Refusal};
use crate::ids;
use crate::observed::as_written;
use crate::resources::{ArmId, Rule, SecurityGroup, kind};
use crate::write::{Flush, RuleChange};

impl Applier<'_> {
    pub(super) async fn add_rules(
        &self,
        group: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let (nsg, asg) = self.carried(group)?;
        let (target, rules) = (ids::of_asg(&asg), self.resolved(rules));
        self.change(&nsg, |list| band::add(&self.band, list, &target, direction, &rules)).await
    }

    pub(super) async fn remove_rules(
        &self,
        group: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let (nsg, asg) = self.carried(group)?;
        let (target, rules) = (ids::of_asg(&asg), self.resolved(rules));
        self.change(&nsg, |list| Ok(band::remove(&self.band, list, &target, direction, &rules))).await
    }

    /// Takes every rule for a target away.
    pub(super) async fn clear(&self, nsg: &ArmId, asg: &ArmId) -> Result<(), ProviderError> {
        let target = ids::of_asg(asg);
        self.change(nsg, |list| Ok(band::clear(&self.band, list, &target))).await
    }

    pub(super) async fn clear_damaged(&self, nsg: &ArmId) -> Result<(), ProviderError> {
        self.change(nsg, |list| Ok(band::clear_damaged(&self.band, list))).await
    }

    /// Denies everything to the members of the group of closed interfaces.
    pub(super) async fn close(
        &self,
        nsg: &ArmId,
        network: &ArmId,
        direction: Direction,
    ) -> Result<(), ProviderError> {
        let close = |list: &[PathRule]| band::close(&self.band, list, network, direction);
        self.change(nsg, |list| close(list).map_err(Refusal::from)).await
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

    /// Reads a security group, decides what changes, and writes it in one call or none.
    async fn change(
        &self,
        nsg: &ArmId,
        decide: impl Fn(&[PathRule]) -> Result<Change, Refusal>,
    ) -> Result<(), ProviderError> {
        let action = kind::SECURITY_GROUP.reading();
        let _alone = self.writer.decide(nsg).await;
        let arm = self.writer.arm();
        let held: SecurityGroup = arm.get(&action, nsg.as_str(), kind::SECURITY_GROUP.version).await?;
        let own = &held.properties.security_rules;
        let list = as_written(&self.settings.installation, own)
            .map_err(|error| ProviderError::new(ErrorKind::Rejected, &action, error.to_string()))?;
        let change = decide(&list).map_err(|refusal| refused(&refusal))?;
        if change.is_empty() {
            return Ok(());
        }
        let put = change.put.iter().map(rendered).collect::<Result<Vec<Rule>, _>>()?;
        let seen = held.etag.as_deref();
        let flushes = held.properties.flush_connection.unwrap_or(false);
        let is_flush_right = match self.settings.flush {
            Flush::AsIs => true,
            Flush::KeepOpen => !flushes,
            Flush::JudgeAgain => flushes,
        };
        match (put.as_slice(), change.delete.as_slice()) {
            ([rule], []) if is_flush_right => self.writer.put_rule(nsg, rule, seen).await?,
            ([], [name]) if is_flush_right => self.writer.delete_rule(nsg, name, seen).await?,
            _ => {
                let change = RuleChange { put, delete: change.delete, flush: self.settings.flush };
                self.writer.change_rules(nsg, &change, seen).await?
            }
        };
        Ok(())
    }
}

fn rendered(rule: &PathRule) -> Result<Rule, ProviderError> {
    let real = |id: &GroupId| (!ids::asg_name(id).is_empty()).then(|| ArmId::new(id.as_str()));
    render::rule(rule, real).ok_or_else(|| refused(&Refusal::Inexpressible(rule.name.clone())))
}
