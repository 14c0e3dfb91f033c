//! A new group: found again if an answer was lost, and with exactly the egress that the plan says.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{ResourceType, SecurityGroup, TagSpecification};
use plan::state::allow_everything;
use plan::{Direction, GroupId, GroupState, Owner, RuleSpec};
use policy::NetworkId;
use provider::{ErrorKind, ProviderError};

use super::{Writer, tag_list};
use crate::convert::{Reach, rules_from};
use crate::marks;

/// What a group was before a step that creates it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Was {
    /// There, and among what was read.
    Read,
    /// Made by the step, or by one whose answer was lost.
    Made,
}

impl Writer<'_> {
    pub(super) async fn create(
        &mut self,
        network: &NetworkId,
        name: &str,
        description: &str,
        open_egress: bool,
    ) -> Result<GroupId, ProviderError> {
        let (id, was) = match self.read_as(network, name) {
            Some(id) => (id, Was::Read),
            None => (self.make(network, name, description).await?, Was::Made),
        };
        let group = self.look_for(&id).await?;
        self.set_egress(&id, &group, open_egress, was).await?;
        Ok(id)
    }

    /// The group of ours of that name, if it was read.
    fn read_as(&self, network: &NetworkId, name: &str) -> Option<GroupId> {
        let is_it = |group: &&GroupState| {
            group.network == *network && group.name == name && group.owner == Owner::Ours
        };
        self.own().flat_map(|observed| &observed.groups).find(is_it).map(|group| group.id.clone())
    }

    async fn make(
        &mut self,
        network: &NetworkId,
        name: &str,
        description: &str,
    ) -> Result<GroupId, ProviderError> {
        let marks = marks::tags(&self.settings.installation, name, &self.settings.extra_tags);
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::SecurityGroup)
            .set_tags(Some(tag_list(&marks)))
            .build();
        let (name_owned, text, vpc) = (name.to_owned(), charset(description), network.to_string());
        let answer = self
            .write("CreateSecurityGroup", |client| {
                let request =
                    client.create_security_group().group_name(name_owned).description(text).vpc_id(vpc);
                let request = request.tag_specifications(tags);
                async move { request.send().await }
            })
            .await;
        match answer {
            Ok(created) => Ok(GroupId::from(created.group_id().unwrap_or_default())),
            // The answer of an earlier create was lost, or somebody else took the name.
            Err(error) if error.code == "InvalidGroup.Duplicate" => self.holder(network, name, error).await,
            Err(error) => Err(error),
        }
    }

    /// The group that holds our name: ours if it carries our mark.
    async fn holder(
        &self,
        network: &NetworkId,
        name: &str,
        mut error: ProviderError,
    ) -> Result<GroupId, ProviderError> {
        let found = self.describe(&[("vpc-id", network.as_str()), ("group-name", name)]).await?;
        let Some(group) = found.first() else { return Err(error) };
        let tags = group
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect();
        let (owner, _) = marks::owner(&self.settings.installation, name, &tags, &self.settings.extra_tags);
        let id = group.group_id().unwrap_or_default();
        if owner == Owner::Ours {
            return Ok(GroupId::from(id));
        }
        error.message = format!("the name `{name}` is taken by group {id}, which is not ours");
        error.hint = "rename or delete that group, or choose another `installation`".to_owned();
        Err(error)
    }

    /// Brings a new group's egress to exactly what the plan says, whatever the cloud put there. Of a group that was read
    /// only what the cloud put there is taken: steps may have added rules since.
    async fn set_egress(
        &mut self,
        id: &GroupId,
        group: &SecurityGroup,
        open: bool,
        was: Was,
    ) -> Result<(), ProviderError> {
        let peerings = self.active_peerings();
        let reach = Reach { account: group.owner_id().unwrap_or_default(), peerings: &peerings };
        let held = rules_from(group.ip_permissions_egress(), reach);
        let wanted = if open { allow_everything().to_vec() } else { Vec::new() };
        let missing: Vec<RuleSpec> = wanted.iter().filter(|rule| !held.contains(rule)).cloned().collect();
        if !missing.is_empty() {
            self.authorize(id, Direction::Egress, &missing).await?;
        }
        let defaults = allow_everything();
        let is_extra =
            |rule: &RuleSpec| !wanted.contains(rule) && (was == Was::Made || defaults.contains(rule));
        let extra: BTreeSet<RuleSpec> = held.into_iter().filter(is_extra).collect();
        // INVARIANT: a group that is said to be made lets out no more than the plan says. The flat list may be older than
        // what the rules were seen in, so that they are not in it is no proof that they are gone.
        let unseen = self.revoke(id, Direction::Egress, &extra, &extra).await?;
        if unseen.is_empty() {
            return Ok(());
        }
        let rules: Vec<String> = unseen.iter().map(ToString::to_string).collect();
        let message = format!("egress of group {id} is open and cannot be closed yet: {}", rules.join(", "));
        Err(ProviderError::new(ErrorKind::NotFound, "DescribeSecurityGroupRules", message))
    }
}

/// A description within EC2's charset and length (`providers.md` 1.1).
fn charset(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    text.chars().map(|c| if allowed(c) { c } else { '-' }).take(255).collect()
}
