//! The rules of one group: added in one call, revoked by id in one call.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, TagSpecification};
use plan::{Direction, GroupId, Peer, RuleSpec};
use policy::NetworkId;
use provider::ProviderError;

use super::{LOOK_EVERY, LOOKS_MAX, Writer, tag_list};
use crate::convert::{self, Reach, Reference, permissions_to, rules_from};
use crate::marks;
use crate::pages::read_all;

impl Writer<'_> {
    pub(super) async fn add_rules(
        &mut self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let held = self.held(id, direction);
        let missing: Vec<RuleSpec> =
            rules.iter().map(|rule| self.resolved(rule)).filter(|rule| !held.contains(rule)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.revoke_stale_forms(id, direction, &missing).await?;
        let refused = match self.authorize(id, direction, &missing).await {
            Err(error) if error.code == "InvalidPermission.Duplicate" => error,
            answer => return answer,
        };
        // Our read was older than somebody's write: look again, add only what is missing.
        let group = self.look_for(id).await?;
        let permissions = match direction {
            Direction::Ingress => group.ip_permissions(),
            Direction::Egress => group.ip_permissions_egress(),
        };
        let peerings = self.active_peerings();
        let reach = Reach { account: group.owner_id().unwrap_or_default(), peerings: &peerings };
        let held = rules_from(permissions, reach);
        let left: Vec<RuleSpec> = missing.iter().filter(|rule| !held.contains(rule)).cloned().collect();
        if left.is_empty() {
            return Ok(());
        }
        // INVARIANT: a call that failed is not sent again. If nothing of it is there after all, the next pass looks.
        if left.len() == missing.len() {
            return Err(refused);
        }
        self.authorize(id, direction, &left).await
    }

    /// Revokes the stale forms of rules that are to be added: the cloud takes a reference over a peering that is gone for
    /// the same rule, and would refuse the new one. They match nobody, so that nothing is cut.
    async fn revoke_stale_forms(
        &mut self,
        id: &GroupId,
        direction: Direction,
        wanted: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let held = self.held(id, direction);
        let is_in_the_way = |stale: &&RuleSpec| wanted.iter().any(|rule| convert::is_stale_form(stale, rule));
        let stale: BTreeSet<RuleSpec> = held.iter().filter(is_in_the_way).cloned().collect();
        self.revoke(id, direction, &stale, &stale).await.map(drop)
    }

    /// The peerings over which references work.
    pub(super) fn active_peerings(&self) -> BTreeSet<String> {
        let networks = self.current.iter().flat_map(|observed| &observed.networks);
        networks.flat_map(|network| &network.peerings).map(|peering| peering.handle.clone()).collect()
    }

    /// The rules that a group had when it was last read.
    fn held(&self, id: &GroupId, direction: Direction) -> BTreeSet<RuleSpec> {
        let group = self.group(id);
        let list = group.map(|group| match direction {
            Direction::Ingress => &group.ingress,
            Direction::Egress => &group.egress,
        });
        list.into_iter().flatten().cloned().collect()
    }

    fn resolved(&self, rule: &RuleSpec) -> RuleSpec {
        match &rule.peer {
            Peer::Group(id) => RuleSpec { peer: Peer::Group(self.real(id)), service: rule.service },
            _ => rule.clone(),
        }
    }

    pub(super) async fn authorize(
        &mut self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let permissions: Vec<IpPermission> = permissions_to(rules, |peer| self.reference(id, peer));
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::SecurityGroupRule)
            .set_tags(Some(tag_list(&self.rule_tags())))
            .build();
        let group = id.to_string();
        match direction {
            Direction::Ingress => {
                let answer = self.write("AuthorizeSecurityGroupIngress", |client| {
                    let request = client
                        .authorize_security_group_ingress()
                        .group_id(group)
                        .set_ip_permissions(Some(permissions))
                        .tag_specifications(tags);
                    async move { request.send().await }
                });
                answer.await.map(drop)
            }
            Direction::Egress => {
                let answer = self.write("AuthorizeSecurityGroupEgress", |client| {
                    let request = client
                        .authorize_security_group_egress()
                        .group_id(group)
                        .set_ip_permissions(Some(permissions))
                        .tag_specifications(tags);
                    async move { request.send().await }
                });
                answer.await.map(drop)
            }
        }
    }

    fn rule_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.settings.extra_tags.clone();
        tags.insert(marks::INSTALLATION_TAG.to_owned(), self.settings.installation.clone());
        tags
    }

    /// How a peer group is referred to: over the peering if it is in another VPC.
    fn reference(&self, own: &GroupId, peer: &GroupId) -> Reference {
        let network_of = |id: &GroupId| {
            let planned = self.ids.iter().find(|(_, real)| *real == id).map(|(planned, _)| planned);
            let by_name = planned
                .and_then(|p| p.as_str().strip_prefix("new:")?.split_once('/'))
                .map(|(network, _)| network);
            by_name.map(NetworkId::from).or_else(|| self.group(id).map(|group| group.network.clone()))
        };
        let (Some(here), Some(there)) = (network_of(own), network_of(peer)) else {
            return Reference::default();
        };
        if here == there {
            return Reference::default();
        }
        let networks = self.current.iter().flat_map(|observed| &observed.networks);
        let handles = networks.filter(|network| network.id == here).flat_map(|network| &network.peerings);
        let peering =
            handles.filter(|peering| peering.peer == there).map(|peering| peering.handle.clone()).next();
        Reference { peering, vpc: Some(there.to_string()) }
    }

    /// Revokes what a group still holds. That something it was seen to hold is not found is no failure: the verifying
    /// read tells whether it is gone.
    pub(super) async fn remove_rules(
        &mut self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let rules: BTreeSet<RuleSpec> = rules.iter().map(|rule| self.resolved(rule)).collect();
        let held = self.held(id, direction).intersection(&rules).cloned().collect();
        self.revoke(id, direction, &rules, &held).await.map(drop)
    }

    /// Revokes by rule id, from a fresh flat read of the group, those of the rules that are there. `held` are those that the
    /// group was seen to hold: the answer is which of them could not be found.
    pub(super) async fn revoke(
        &mut self,
        id: &GroupId,
        direction: Direction,
        rules: &BTreeSet<RuleSpec>,
        held: &BTreeSet<RuleSpec>,
    ) -> Result<BTreeSet<RuleSpec>, ProviderError> {
        if rules.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut found = self.rule_ids(id, direction, rules).await?;
        for _ in 1..LOOKS_MAX {
            if held.iter().all(|rule| found.contains_key(rule)) {
                break;
            }
            self.ec2.sleep(LOOK_EVERY).await;
            found = self.rule_ids(id, direction, rules).await?;
        }
        let unseen = held.iter().filter(|rule| !found.contains_key(rule)).cloned().collect();
        let ids: Vec<String> = found.into_values().flatten().collect();
        if ids.is_empty() {
            return Ok(unseen);
        }
        match self.revoke_by_id(id, direction, ids).await {
            // Somebody else took one of them away meanwhile, and the call did nothing.
            Err(error) if error.code == "InvalidSecurityGroupRuleId.NotFound" => {
                let left = self.rule_ids(id, direction, rules).await?;
                if left.is_empty() { Ok(BTreeSet::new()) } else { Err(error) }
            }
            answer => answer.map(|()| unseen),
        }
    }

    async fn revoke_by_id(
        &mut self,
        id: &GroupId,
        direction: Direction,
        ids: Vec<String>,
    ) -> Result<(), ProviderError> {
        let group = id.to_string();
        match direction {
            Direction::Ingress => {
                let answer = self.write("RevokeSecurityGroupIngress", |client| {
                    let request = client
                        .revoke_security_group_ingress()
                        .group_id(group)
                        .set_security_group_rule_ids(Some(ids));
                    async move { request.send().await }
                });
                answer.await.map(drop)
            }
            Direction::Egress => {
                let answer = self.write("RevokeSecurityGroupEgress", |client| {
                    let request = client
                        .revoke_security_group_egress()
                        .group_id(group)
                        .set_security_group_rule_ids(Some(ids));
                    async move { request.send().await }
                });
                answer.await.map(drop)
            }
        }
    }

    /// The ids of those of the rules that the group holds.
    async fn rule_ids(
        &self,
        id: &GroupId,
        direction: Direction,
        rules: &BTreeSet<RuleSpec>,
    ) -> Result<BTreeMap<RuleSpec, Vec<String>>, ProviderError> {
        let filters = || Some(vec![Filter::builder().name("group-id").values(id.as_str()).build()]);
        let records = read_all!(
            self.ec2,
            "DescribeSecurityGroupRules",
            describe_security_group_rules,
            security_group_rules,
            filters(),
            Some
        );
        let (egress, peerings) = (direction == Direction::Egress, self.active_peerings());
        let mut ids: BTreeMap<RuleSpec, Vec<String>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.is_egress().unwrap_or(false) == egress) {
            let reach = Reach { account: record.group_owner_id().unwrap_or_default(), peerings: &peerings };
            let Some(rule) = convert::rule_from(record, reach).filter(|rule| rules.contains(rule)) else {
                continue;
            };
            ids.entry(rule).or_default().extend(record.security_group_rule_id().map(str::to_owned));
        }
        Ok(ids)
    }
}
