//! Tags of classes: each has a key of its own, since an instance holds one value of a key.

use plan::state::allow_everything;
use plan::{Direction, GroupId, PathRule};
use policy::NetworkId;
use provider::{ErrorKind, ProviderError};

use crate::apply::{ACTION, Work};
use crate::band::{self, Band, Target};
use crate::ids::{self, GroupKind};
use crate::marks;
use crate::observed::derive;
use crate::resources::{ResourcePath, TagValue};
use crate::rest::Service;
use crate::settings::Identity;
use crate::write::KeyScope;

impl Work<'_> {
    pub(super) async fn create(
        &mut self,
        network: &NetworkId,
        name: &str,
        description: &str,
        open_egress: bool,
    ) -> Result<GroupId, ProviderError> {
        let id = match self.band.identity {
            Identity::SecureTags => {
                let key = ids::class_key(&self.band.installation, network, name);
                let value = self.create_tag(network, marks::role::CLASS, &key, (name, description)).await?;
                self.ensure_policy(network).await?;
                GroupId::from(value)
            }
            // A network tag need not be made.
            Identity::NetworkTags => {
                ids::class(network, &ids::class_tag(&self.band.installation, network, name))
            }
        };
        if open_egress {
            let (id, name) = (id.clone(), name.to_owned());
            let edit = move |band: &Band, held: &[PathRule]| {
                let target = Target { id: &id, name: &name };
                band::add(band, held, target, Direction::Egress, &allow_everything())
            };
            self.change_policy(network, None, edit).await?;
        }
        Ok(id)
    }

    /// A tag of ours for a network: a key and its only value, with what people may read about it.
    pub(super) async fn create_tag(
        &mut self,
        network: &NetworkId,
        role: &str,
        key: &str,
        (name, text): (&str, &str),
    ) -> Result<String, ProviderError> {
        let installation = self.band.installation.clone();
        let path = ResourcePath::new(network.as_str());
        let parent = format!("projects/{}", self.number(path.project()).await?);
        let mark = marks::description(&installation, role, network.as_str());
        let writer = self.hands.writer;
        let made = writer.create_tag_key(&parent, key, &KeyScope::Network(path), &mark).await;
        let key = self.note_made(made).map_err(with_fallback)?;
        let mark = marks::description(&installation, role, text);
        let made = writer.create_tag_value(&key, name, &mark).await;
        self.note_made(made)
    }

    pub(super) async fn delete(&mut self, id: &GroupId) -> Result<(), ProviderError> {
        let was_read = self.own().next().is_some();
        let group = self.own().flat_map(|observed| &observed.groups).find(|group| group.id == *id);
        if was_read && group.is_none() {
            return Ok(());
        }
        match ids::kind_of(id) {
            GroupKind::Damaged(_) => match group {
                Some(group) => self.clear_damaged(&group.network.clone()).await,
                None => Ok(()),
            },
            GroupKind::Key(key) => self.delete_key(&key).await,
            GroupKind::Class { .. } => self.delete_tagged(id).await,
            GroupKind::Value(value) => self.delete_class(id, &value).await,
            _ => {
                Err(ProviderError::new(ErrorKind::Rejected, ACTION, format!("group {id} is no tag of ours")))
            }
        }
    }

    async fn clear_damaged(&mut self, network: &NetworkId) -> Result<(), ProviderError> {
        if self.band.identity == Identity::NetworkTags {
            let edit = |band: &Band, held: &[PathRule]| Ok(band::clear_damaged(band, held, &|_| true));
            return self.change_classic(network, edit).await;
        }
        let classes: Vec<GroupId> = self
            .current
            .iter()
            .flat_map(|observed| &observed.groups)
            .filter(|group| derive::is_class(group) && group.network == *network)
            .map(|group| group.id.clone())
            .collect();
        let classes: Vec<GroupId> = classes.into_iter().chain(self.ids.values().cloned()).collect();
        let closed = self.closing(network).await?;
        // Denies for the tags of closed interfaces are read as such only with these tags at hand.
        let group = move |value: &str| {
            let found = closed.iter().find(|(_, held)| held == value);
            found.map_or_else(|| GroupId::from(value), |(id, _)| id.clone())
        };
        let path = ids::policy(&self.band.installation, network);
        let band = self.band.clone();
        let edit = |rules: &[crate::resources::PolicyRule]| {
            let read = crate::observed::lists::as_written(rules, &band.installation, &group);
            let change = band::clear_damaged(&band, &read, &|id| classes.contains(id));
            rules.iter().filter(|rule| !change.delete.contains(&rule.priority)).cloned().collect()
        };
        let done = self.hands.writer.patch_policy(&path, None, edit).await;
        self.note(done)
    }

    /// The tag values for closed interfaces of a network that are there.
    async fn closing(&mut self, network: &NetworkId) -> Result<Vec<(GroupId, String)>, ProviderError> {
        let mut found = Vec::new();
        for direction in [Direction::Ingress, Direction::Egress] {
            let value = self.find_closed(network, direction).await?;
            found.extend(value.map(|value| (ids::closed(network, direction), value)));
        }
        Ok(found)
    }

    /// Refuses to delete a class that interfaces are in.
    fn check_unused(&self, id: &GroupId) -> Result<(), ProviderError> {
        let members =
            self.own().flat_map(|observed| &observed.interfaces).filter(|i| i.groups.contains(id)).count();
        if members > 0 {
            let message = format!("group {id} is still on {members} interfaces");
            return Err(ProviderError::new(ErrorKind::Conflict, ACTION, message));
        }
        Ok(())
    }

    /// Deletes the rules of a class that a network tag stands for; without rules and members it is none.
    async fn delete_tagged(&mut self, id: &GroupId) -> Result<(), ProviderError> {
        self.check_unused(id)?;
        let (class, target) = (self.class(id)?, id.clone());
        let edit = move |band: &Band, held: &[PathRule]| Ok(band::clear(band, held, &target));
        self.change_classic(&class.network, edit).await
    }

    /// Deletes the tag of a class, after looking again that nothing has it.
    async fn delete_class(&mut self, id: &GroupId, value: &str) -> Result<(), ProviderError> {
        self.check_unused(id)?;
        let class = self.class(id)?;
        if self.is_in_force(&class.network) {
            let id = id.clone();
            let edit = move |band: &Band, held: &[PathRule]| Ok(band::clear(band, held, &id));
            self.change_policy(&class.network, None, edit).await?;
        }
        let action = "cloudresourcemanager.tagValues.get";
        let held: TagValue = self.hands.api.get_managed(action, value, &[]).await?;
        let done = self.hands.writer.delete_tag(value).await;
        self.note(done)?;
        self.delete_key(&held.parent).await
    }

    /// Deletes a key unless something has a value of it, which somebody may have made since.
    async fn delete_key(&mut self, key: &str) -> Result<(), ProviderError> {
        let (action, query) = ("cloudresourcemanager.tagValues.list", [("parent", key)]);
        let values =
            self.hands.api.list_managed::<TagValue>(action, Service::Manager, "tagValues", &query).await?;
        if !values.is_empty() {
            return Ok(());
        }
        let done = self.hands.writer.delete_tag(key).await;
        self.note(done)
    }
}

/// Where no tag key may be made, people are told that there is another way.
fn with_fallback(mut error: ProviderError) -> ProviderError {
    if matches!(error.kind, ErrorKind::Denied | ErrorKind::Rejected) {
        let other = "where secure tags may not be made (no organisation, or no right to), set `gcp: { identity: network_tags }` in the \
            configuration: network tags and classic rules, which whoever may edit an instance can join";
        error.hint =
            if error.hint.is_empty() { other.to_owned() } else { format!("{}; {other}", error.hint) };
    }
    error
}
