//! One step → the fewest calls that make it true. Idempotent against a fresh read; never sent twice.
//!
//! Every call that writes is noted, also the one that fails: the audit is of what was asked, not of what succeeded.
//! Re-reading until a write is visible is observation, and bounded.

mod create;
mod members;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::types::{Filter, SecurityGroup, Tag};
use plan::{GroupId, Observed, Scope, Step, StepAction};
use provider::{Applied, CallRecord, ErrorKind, Failed, ProviderError};

use crate::client::{AwsSettings, Ec2};
use crate::marks;
use crate::pages::read_all;

/// How often something that must be there is looked for, and how long between looks.
const LOOKS_MAX: u32 = 6;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What one step is applied against.
pub(crate) struct Writer<'a> {
    ec2: &'a Ec2,
    settings: &'a AwsSettings,
    scope: &'a Scope,
    current: &'a [Observed],
    ids: &'a BTreeMap<GroupId, GroupId>,
    /// Every call that writes, in order, with its request id if the cloud answered.
    calls: Vec<CallRecord>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        ec2: &'a Ec2,
        settings: &'a AwsSettings,
        scope: &'a Scope,
        current: &'a [Observed],
        ids: &'a BTreeMap<GroupId, GroupId>,
    ) -> Self {
        Self { ec2, settings, scope, current, ids, calls: Vec::new() }
    }

    pub(crate) async fn apply(mut self, step: &Step) -> Result<Applied, Failed> {
        match self.make_true(step).await {
            Ok(created) => Ok(Applied { calls: self.calls, created }),
            Err(error) => Err(Failed { calls: self.calls, error }),
        }
    }

    /// The id of the group that was created, if one was.
    async fn make_true(&mut self, step: &Step) -> Result<Option<GroupId>, ProviderError> {
        match &step.action {
            StepAction::CreateGroup { group: _, network, name, description, open_egress } => {
                return self.create(network, name, description, *open_egress).await.map(Some);
            }
            StepAction::Mark { group } => self.mark(&self.real(group)).await?,
            StepAction::AddRules { group, direction, rules } => {
                self.add_rules(&self.real(group), *direction, rules).await?;
            }
            StepAction::RemoveRules { group, direction, rules } => {
                self.remove_rules(&self.real(group), *direction, rules).await?;
            }
            StepAction::Attach { interface, add } => {
                let add = add.iter().map(|id| self.real(id)).collect();
                self.set_groups(interface, |held| held.union(&add).cloned().collect()).await?;
            }
            StepAction::Detach { interface, remove } => {
                let remove = remove.iter().map(|id| self.real(id)).collect();
                self.set_groups(interface, |held| held.difference(&remove).cloned().collect()).await?;
            }
            StepAction::DeleteGroup { group, .. } => self.delete(&self.real(group)).await?,
        }
        Ok(None)
    }

    /// Sends one call that writes, and notes it whatever comes of it.
    async fn write<T, E, F>(
        &mut self,
        action: &'static str,
        send: impl FnOnce(Client) -> F,
    ) -> Result<T, ProviderError>
    where
        T: RequestId + Send + 'static,
        E: std::error::Error + ProvideErrorMetadata + RequestId + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E>>> + Send + 'static,
    {
        let answer = self.ec2.call(action, send).await;
        let request_id = match &answer {
            Ok(answer) => answer.request_id().unwrap_or_default().to_owned(),
            Err(error) => error.request_id.clone(),
        };
        self.calls.push(CallRecord { action: action.to_owned(), request_id });
        answer
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

    async fn describe(&self, filters: &[(&str, &str)]) -> Result<Vec<SecurityGroup>, ProviderError> {
        let filters: Vec<Filter> = filters
            .iter()
            .map(|(name, value)| Filter::builder().name(*name).values(*value).build())
            .collect();
        Ok(read_all!(
            self.ec2,
            "DescribeSecurityGroups",
            describe_security_groups,
            security_groups,
            Some(filters.clone()),
            Some
        ))
    }

    /// Looks until a group that must be there is visible.
    async fn look_for(&self, id: &GroupId) -> Result<SecurityGroup, ProviderError> {
        for _ in 0..LOOKS_MAX {
            if let Some(group) = self.describe(&[("group-id", id.as_str())]).await?.pop() {
                return Ok(group);
            }
            self.ec2.sleep(LOOK_EVERY).await;
        }
        let message = format!("group {id} is not visible (any more, or yet)");
        Err(ProviderError::new(ErrorKind::NotFound, "DescribeSecurityGroups", message))
    }

    async fn mark(&mut self, id: &GroupId) -> Result<(), ProviderError> {
        let name = self.group(id).map(|group| group.name.clone()).unwrap_or_default();
        let tags = tag_list(&marks::tags(&self.settings.installation, &name, &self.settings.extra_tags));
        let resource = id.to_string();
        self.write("CreateTags", |client| {
            let request = client.create_tags().resources(resource).set_tags(Some(tags));
            async move { request.send().await }
        })
        .await?;
        Ok(())
    }

    /// Deletes a group, after looking again that nothing uses it.
    async fn delete(&mut self, id: &GroupId) -> Result<(), ProviderError> {
        let action = "DeleteSecurityGroup";
        let members =
            self.own().flat_map(|observed| &observed.interfaces).filter(|i| i.groups.contains(id)).count();
        if members > 0 {
            let message = format!("group {id} is still on {members} interfaces");
            return Err(ProviderError::new(ErrorKind::Conflict, action, message));
        }
        if self.own().next().is_some() && self.group(id).is_none() {
            return Ok(());
        }
        let group = id.to_string();
        self.write(action, |client| {
            let request = client.delete_security_group().group_id(group);
            async move { request.send().await }
        })
        .await?;
        Ok(())
    }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
