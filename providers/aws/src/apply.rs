//! One step → the fewest calls that make it true. Idempotent against a fresh read; never sent twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, SecurityGroup, Tag, TagSpecification};
use plan::state::allow_everything;
use plan::{Direction, GroupId, InterfaceState, Observed, Peer, RuleSpec, Scope, Step, StepAction};
use policy::{InterfaceId, NetworkId};
use provider::{Applied, CallRecord, ErrorKind, ProviderError};

use crate::client::{AwsSettings, Ec2};
use crate::convert::{Reference, permissions_to, rules_from};
use crate::marks;

/// How often a group that was just made is looked for, and how long between looks.
const LOOKS_MAX: u32 = 6;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What one step is applied against.
pub(crate) struct Writer<'a> {
    pub(crate) ec2: &'a Ec2,
    pub(crate) settings: &'a AwsSettings,
    pub(crate) scope: &'a Scope,
    pub(crate) current: &'a [Observed],
    pub(crate) ids: &'a BTreeMap<GroupId, GroupId>,
}

impl Writer<'_> {
    pub(crate) async fn apply(&self, step: &Step) -> Result<Applied, ProviderError> {
        match &step.action {
            StepAction::CreateGroup { group, network, name, description, open_egress } => {
                self.create(group, network, name, description, *open_egress).await
            }
            StepAction::Mark { group } => self.mark(&self.real(group)).await,
            StepAction::AddRules { group, direction, rules } => {
                self.add_rules(&self.real(group), *direction, rules).await
            }
            StepAction::RemoveRules { group, direction, rules } => {
                self.remove_rules(&self.real(group), *direction, rules).await
            }
            StepAction::Attach { interface, add } => {
                let add: BTreeSet<GroupId> = add.iter().map(|id| self.real(id)).collect();
                self.set_groups(interface, |held| held.union(&add).cloned().collect()).await
            }
            StepAction::Detach { interface, remove } => {
                let remove: BTreeSet<GroupId> = remove.iter().map(|id| self.real(id)).collect();
                self.set_groups(interface, |held| held.difference(&remove).cloned().collect()).await
            }
            StepAction::DeleteGroup { group, .. } => self.delete(&self.real(group)).await,
        }
    }

    /// The cloud's id of a group that may have been created since the plan was made.
    fn real(&self, id: &GroupId) -> GroupId {
        self.ids.get(id).unwrap_or(id).clone()
    }

    fn own(&self) -> impl Iterator<Item = &Observed> {
        self.current.iter().filter(|observed| observed.scope.as_ref() == Some(&self.scope.id))
    }

    fn group(&self, id: &GroupId) -> Option<&plan::GroupState> {
        self.current.iter().flat_map(|observed| &observed.groups).find(|group| group.id == *id)
    }

    async fn create(
        &self,
        planned: &GroupId,
        network: &NetworkId,
        name: &str,
        description: &str,
        open_egress: bool,
    ) -> Result<Applied, ProviderError> {
        let action = "CreateSecurityGroup";
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::SecurityGroup)
            .set_tags(Some(tag_list(&marks::tags(
                &self.settings.installation,
                name,
                &self.settings.extra_tags,
            ))))
            .build();
        let (name_owned, text, vpc) = (name.to_owned(), charset(description), network.to_string());
        let answer = self
            .ec2
            .call(action, |client| {
                let request =
                    client.create_security_group().group_name(name_owned).description(text).vpc_id(vpc);
                let request = request.tag_specifications(tags);
                async move { request.send().await }
            })
            .await;
        let mut applied = Applied::default();
        let id = match answer {
            Ok(created) => {
                applied.calls.push(record(action, created.request_id()));
                GroupId::from(created.group_id().unwrap_or_default())
            }
            // The answer of an earlier create was lost, or somebody else took the name.
            Err(error) if error.code == "InvalidGroup.Duplicate" => self.holder(network, name, error).await?,
            Err(error) => return Err(error),
        };
        let group = self.look_for(&id).await?;
        self.set_egress(&id, &group, open_egress, &mut applied).await?;
        debug_assert!(planned.is_planned());
        applied.created = Some(id);
        Ok(applied)
    }

    /// The group that holds our name: ours if it carries our mark.
    async fn holder(
        &self,
        network: &NetworkId,
        name: &str,
        mut error: ProviderError,
    ) -> Result<GroupId, ProviderError> {
        let filters = [("vpc-id", network.to_string()), ("group-name", name.to_owned())];
        let found = self.describe(&filters).await?;
        let Some(group) = found.first() else { return Err(error) };
        let tags = group
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect();
        let (owner, _) = marks::owner(&self.settings.installation, name, &tags, &self.settings.extra_tags);
        let id = group.group_id().unwrap_or_default();
        if owner == plan::Owner::Ours {
            return Ok(GroupId::from(id));
        }
        error.message = format!("the name `{name}` is taken by group {id}, which is not ours");
        error.hint = "rename or delete that group, or choose another `installation`".to_owned();
        Err(error)
    }

    async fn describe(&self, filters: &[(&str, String)]) -> Result<Vec<SecurityGroup>, ProviderError> {
        let filters: Vec<Filter> =
            filters.iter().map(|(name, value)| Filter::builder().name(*name).values(value).build()).collect();
        let page = self
            .ec2
            .call("DescribeSecurityGroups", |client| {
                let request = client.describe_security_groups().set_filters(Some(filters)).max_results(100);
                async move { request.send().await }
            })
            .await?;
        Ok(page.security_groups.unwrap_or_default())
    }

    /// Looks until a group that was just made is visible. Re-reading is observation, not a retry of a write.
    async fn look_for(&self, id: &GroupId) -> Result<SecurityGroup, ProviderError> {
        for _ in 0..LOOKS_MAX {
            if let Some(group) = self.describe(&[("group-id", id.to_string())]).await?.pop() {
                return Ok(group);
            }
            self.ec2.sleep(LOOK_EVERY).await;
        }
        let message = format!("group {id} was created and is not visible yet");
        Err(ProviderError::new(ErrorKind::NotFound, "DescribeSecurityGroups", message))
    }

    /// Brings a new group's egress to exactly what the plan says, whatever the cloud put there.
    async fn set_egress(
        &self,
        id: &GroupId,
        group: &SecurityGroup,
        open: bool,
        applied: &mut Applied,
    ) -> Result<(), ProviderError> {
        let held = rules_from(group.ip_permissions_egress(), group.owner_id().unwrap_or_default());
        let wanted = if open { allow_everything().to_vec() } else { Vec::new() };
        let missing: Vec<RuleSpec> = wanted.iter().filter(|rule| !held.contains(rule)).cloned().collect();
        if !missing.is_empty() {
            applied.calls.push(self.authorize(id, Direction::Egress, &missing).await?);
        }
        let extra = held.iter().any(|rule| !wanted.contains(rule));
        if extra {
            let done = self
                .remove_rules(
                    id,
                    Direction::Egress,
                    &held.into_iter().filter(|rule| !wanted.contains(rule)).collect::<Vec<_>>(),
                )
                .await?;
            applied.calls.extend(done.calls);
        }
        Ok(())
    }

    async fn mark(&self, id: &GroupId) -> Result<Applied, ProviderError> {
        let name = self.group(id).map(|group| group.name.clone()).unwrap_or_default();
        let tags = tag_list(&marks::tags(&self.settings.installation, &name, &self.settings.extra_tags));
        let resource = id.to_string();
        let answer = self
            .ec2
            .call("CreateTags", |client| {
                let request = client.create_tags().resources(resource).set_tags(Some(tags));
                async move { request.send().await }
            })
            .await?;
        Ok(one_call("CreateTags", answer.request_id()))
    }

    async fn add_rules(
        &self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<Applied, ProviderError> {
        let rules: Vec<RuleSpec> = rules.iter().map(|rule| self.resolved(rule)).collect();
        let held = self.group(id).map(|group| list(group, direction).to_vec()).unwrap_or_default();
        let missing: Vec<RuleSpec> = rules.iter().filter(|rule| !held.contains(rule)).cloned().collect();
        if missing.is_empty() {
            return Ok(Applied::default());
        }
        match self.authorize(id, direction, &missing).await {
            Ok(call) => Ok(Applied { calls: vec![call], created: None }),
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
                    return Ok(Applied::default());
                }
                Ok(Applied { calls: vec![self.authorize(id, direction, &missing).await?], created: None })
            }
            Err(error) => Err(error),
        }
    }

    fn resolved(&self, rule: &RuleSpec) -> RuleSpec {
        match &rule.peer {
            Peer::Group(id) => RuleSpec { peer: Peer::Group(self.real(id)), service: rule.service },
            _ => rule.clone(),
        }
    }

    async fn authorize(
        &self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<CallRecord, ProviderError> {
        let permissions: Vec<IpPermission> = permissions_to(rules, |peer| self.reference(id, peer));
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::SecurityGroupRule)
            .set_tags(Some(tag_list(&self.rule_tags())))
            .build();
        let group = id.to_string();
        let id = match direction {
            Direction::Ingress => {
                let answer = self.ec2.call("AuthorizeSecurityGroupIngress", |client| {
                    let request = client
                        .authorize_security_group_ingress()
                        .group_id(group)
                        .set_ip_permissions(Some(permissions))
                        .tag_specifications(tags);
                    async move { request.send().await }
                });
                answer.await?.request_id().map(str::to_owned)
            }
            Direction::Egress => {
                let answer = self.ec2.call("AuthorizeSecurityGroupEgress", |client| {
                    let request = client
                        .authorize_security_group_egress()
                        .group_id(group)
                        .set_ip_permissions(Some(permissions))
                        .tag_specifications(tags);
                    async move { request.send().await }
                });
                answer.await?.request_id().map(str::to_owned)
            }
        };
        Ok(record(authorize_action(direction), id.as_deref()))
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

    /// Revokes by rule id, from a fresh flat read of the group.
    async fn remove_rules(
        &self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<Applied, ProviderError> {
        let rules: BTreeSet<RuleSpec> = rules.iter().map(|rule| self.resolved(rule)).collect();
        let ids = self.rule_ids(id, direction, &rules).await?;
        if ids.is_empty() {
            return Ok(Applied::default());
        }
        let group = id.to_string();
        let request_id = match direction {
            Direction::Ingress => {
                let answer = self.ec2.call("RevokeSecurityGroupIngress", |client| {
                    let request = client
                        .revoke_security_group_ingress()
                        .group_id(group)
                        .set_security_group_rule_ids(Some(ids));
                    async move { request.send().await }
                });
                answer.await?.request_id().map(str::to_owned)
            }
            Direction::Egress => {
                let answer = self.ec2.call("RevokeSecurityGroupEgress", |client| {
                    let request = client
                        .revoke_security_group_egress()
                        .group_id(group)
                        .set_security_group_rule_ids(Some(ids));
                    async move { request.send().await }
                });
                answer.await?.request_id().map(str::to_owned)
            }
        };
        let action = if direction == Direction::Ingress {
            "RevokeSecurityGroupIngress"
        } else {
            "RevokeSecurityGroupEgress"
        };
        Ok(Applied { calls: vec![record(action, request_id.as_deref())], created: None })
    }

    async fn rule_ids(
        &self,
        id: &GroupId,
        direction: Direction,
        rules: &BTreeSet<RuleSpec>,
    ) -> Result<Vec<String>, ProviderError> {
        let mut ids = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let filter = Filter::builder().name("group-id").values(id.as_str()).build();
            let next = token.clone();
            let page = self
                .ec2
                .call("DescribeSecurityGroupRules", |client| {
                    let request = client
                        .describe_security_group_rules()
                        .filters(filter)
                        .max_results(1000)
                        .set_next_token(next);
                    async move { request.send().await }
                })
                .await?;
            for rule in page.security_group_rules() {
                let egress = rule.is_egress().unwrap_or(false);
                if egress == (direction == Direction::Egress)
                    && rules.iter().any(|wanted| crate::flat::is_rule(rule, wanted))
                {
                    ids.extend(rule.security_group_rule_id().map(str::to_owned));
                }
            }
            token = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(ids);
            }
        }
    }

    async fn set_groups(
        &self,
        interface: &InterfaceId,
        change: impl FnOnce(&BTreeSet<GroupId>) -> Vec<GroupId>,
    ) -> Result<Applied, ProviderError> {
        let action = "ModifyNetworkInterfaceAttribute";
        let found: Option<&InterfaceState> =
            self.own().flat_map(|observed| &observed.interfaces).find(|i| i.id == *interface);
        let Some(found) = found else {
            return Err(ProviderError::new(
                ErrorKind::NotFound,
                action,
                format!("interface {interface} is gone"),
            ));
        };
        let held: BTreeSet<GroupId> = found.groups.iter().cloned().collect();
        let wanted = change(&held);
        if wanted.is_empty() {
            return Err(ProviderError::new(
                ErrorKind::Rejected,
                action,
                format!("interface {interface} would have no group"),
            ));
        }
        if held == wanted.iter().cloned().collect() {
            return Ok(Applied::default());
        }
        let (id, groups) = (interface.to_string(), wanted.iter().map(ToString::to_string).collect());
        let answer = self
            .ec2
            .call(action, |client| {
                let request = client
                    .modify_network_interface_attribute()
                    .network_interface_id(id)
                    .set_groups(Some(groups));
                async move { request.send().await }
            })
            .await?;
        Ok(one_call(action, answer.request_id()))
    }

    /// Deletes a group, after looking again that nothing uses it.
    async fn delete(&self, id: &GroupId) -> Result<Applied, ProviderError> {
        let action = "DeleteSecurityGroup";
        let members =
            self.own().flat_map(|observed| &observed.interfaces).filter(|i| i.groups.contains(id)).count();
        if members > 0 {
            let message = format!("group {id} is still on {members} interfaces");
            return Err(ProviderError::new(ErrorKind::Conflict, action, message));
        }
        if self.own().next().is_some() && self.group(id).is_none() {
            return Ok(Applied::default());
        }
        let group = id.to_string();
        let answer = self
            .ec2
            .call(action, |client| {
                let request = client.delete_security_group().group_id(group);
                async move { request.send().await }
            })
            .await?;
        Ok(one_call(action, answer.request_id()))
    }
}

fn authorize_action(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "AuthorizeSecurityGroupIngress",
        Direction::Egress => "AuthorizeSecurityGroupEgress",
    }
}

fn list(group: &plan::GroupState, direction: Direction) -> &[RuleSpec] {
    match direction {
        Direction::Ingress => &group.ingress,
        Direction::Egress => &group.egress,
    }
}

fn record(action: &str, request_id: Option<&str>) -> CallRecord {
    CallRecord { action: action.to_owned(), request_id: request_id.unwrap_or_default().to_owned() }
}

fn one_call(action: &str, request_id: Option<&str>) -> Applied {
    Applied { calls: vec![record(action, request_id)], created: None }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// A description within EC2's charset and length (`providers.md` 1.1).
fn charset(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    text.chars().map(|c| if allowed(c) { c } else { '-' }).take(255).collect()
}
