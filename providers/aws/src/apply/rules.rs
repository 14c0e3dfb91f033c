//! The rules of one group: added in one call, revoked by id in one call.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, TagSpecification};
use plan::{Direction, GroupId, Peer, RuleSpec};
use policy::NetworkId;
use provider::ProviderError;

use super::{LOOK_EVERY, LOOKS_MAX, Writer, tag_list};
use crate::convert::{Reference, permissions_to, rules_from};
use crate::flat;
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
        match self.authorize(id, direction, &missing).await {
            // Our read was older than somebody's write: look again, add only what is missing.
            Err(error) if error.code == "InvalidPermission.Duplicate" => {
                let group = self.look_for(id).await?;
                let permissions = if direction == Direction::Ingress {
                    group.ip_permissions()
                } else {
                    group.ip_permissions_egress()
                };
                let held = rules_from(permissions, group.owner_id().unwrap_or_default());
                let missing: Vec<RuleSpec> =
                    missing.into_iter().filter(|rule| !held.contains(rule)).collect();
                if missing.is_empty() {
                    return Ok(());
                }
                self.authorize(id, direction, &missing).await
            }
            answer => answer,
        }
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
                answer.await.map(drop)?;
            }
            Direction::Egress => {
                let answer = self.write("RevokeSecurityGroupEgress", |client| {
                    let request = client
                        .revoke_security_group_egress()
                        .group_id(group)
                        .set_security_group_rule_ids(Some(ids));
                    async move { request.send().await }
                });
                answer.await.map(drop)?;
            }
        }
        Ok(unseen)
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
            filters()
        );
        let egress = direction == Direction::Egress;
        let mut ids: BTreeMap<RuleSpec, Vec<String>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.is_egress().unwrap_or(false) == egress) {
            for rule in rules.iter().filter(|rule| flat::is_rule(record, rule)) {
                let held = ids.entry(rule.clone()).or_default();
                held.extend(record.security_group_rule_id().map(str::to_owned));
            }
        }
        Ok(ids)
    }
}
