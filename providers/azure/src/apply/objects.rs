//! Application security groups: created with our mark, marked again, deleted when nothing uses them.

use plan::state::allow_everything;
use plan::{Direction, GroupId, Owner};
use provider::{ErrorKind, ProviderError};

use super::{Applier, no_rules};
use crate::band;
use crate::ids::{self, GroupKind};
use crate::marks::{self, CLASS_GROUP, CLOSED_GROUP};
use crate::resources::{ApplicationGroup, ArmId, Tags, is_settled, kind};

impl Applier<'_> {
    /// Creates a class group, also for its carrier: a carrier is there as soon as its group is.
    pub(super) async fn create(&self, group: &GroupId, open_egress: bool) -> Result<GroupId, ProviderError> {
        let (network, asg) = match ids::kind_of(group) {
            GroupKind::PlannedAsg { network, name } if !open_egress => (network, name),
            GroupKind::PlannedCarrier { network, asg, .. } => (network, asg),
            _ => return Err(no_rules(group)),
        };
        let id = self.named(&network, &asg);
        let network = ArmId::new(network.as_str());
        self.ensure_group(&id, &network, CLASS_GROUP).await?;
        if matches!(ids::kind_of(group), GroupKind::PlannedAsg { .. }) {
            return Ok(ids::of_asg(&id));
        }
        let (nsg, asg) = self.carried(group)?;
        self.ensure_list(&nsg).await?;
        if open_egress {
            self.add_rules(group, Direction::Egress, &allow_everything()).await?;
        }
        let network = policy::NetworkId::from(network.key());
        Ok(ids::carrier(nsg.key(), "", &ids::of_asg(&asg), &network))
    }

    pub(super) async fn ensure_closed_group(&self, id: &ArmId, network: &ArmId) -> Result<(), ProviderError> {
        self.ensure_group(id, network, CLOSED_GROUP).await
    }

    /// Creates a group of ours if it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is one of that name that is not ours.
    async fn ensure_group(&self, id: &ArmId, network: &ArmId, role: &str) -> Result<(), ProviderError> {
        let tags = marks::tags(&self.settings.installation, role, network, &self.settings.extra_tags);
        match self.group(id).await? {
            // One that another step is making can be named when it is made: whoever makes it is waited for below.
            Some(held)
                if self.is_ours(id, &held, &tags)
                    && is_of_network(&held, &tags)
                    && is_settled(&held.properties.rest) =>
            {
                Ok(())
            }
            _ => {
                let location = self.scope.region.as_str();
                self.writer.create_application_group(id, location, &tags).await.map(drop)
            }
        }
    }

    fn is_ours(&self, id: &ArmId, held: &ApplicationGroup, wanted: &Tags) -> bool {
        marks::group_owner(&self.settings.installation, id.name(), &held.tags(), wanted).0 == Owner::Ours
    }

    async fn group(&self, id: &ArmId) -> Result<Option<ApplicationGroup>, ProviderError> {
        let action = kind::APPLICATION_GROUP.reading();
        let read = self.writer.arm().get(&action, id.as_str(), kind::APPLICATION_GROUP.version).await;
        match read {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ErrorKind::NotFound && error.code == "ResourceNotFound" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets our tags back, beside those of others.
    pub(super) async fn mark(&self, group: &GroupId) -> Result<(), ProviderError> {
        let Some(id) = self.asg_of(group) else { return Err(no_rules(group)) };
        let network = self.network_of(group, &id)?;
        let Some(held) = self.group(&id).await? else {
            let message = format!("`{id}` is gone");
            return Err(ProviderError::new(ErrorKind::NotFound, &kind::APPLICATION_GROUP.writing(), message));
        };
        let wanted =
            marks::tags(&self.settings.installation, CLASS_GROUP, &network, &self.settings.extra_tags);
        self.check_ours(&id, &held, &wanted, &kind::APPLICATION_GROUP.writing())?;
        let mut tags = held.tags();
        tags.extend(wanted);
        self.writer.put_tags(kind::APPLICATION_GROUP, &id, &tags, held.etag.as_deref()).await.map(drop)
    }

    fn network_of(&self, group: &GroupId, id: &ArmId) -> Result<ArmId, ProviderError> {
        let groups = self.own().into_iter().flat_map(|observed| &observed.groups);
        let real = ids::of_asg(id);
        let held = groups.into_iter().find(|held| held.id == *group || held.id == real);
        let unknown = || {
            let message = format!("the virtual network of group `{group}` is not known");
            ProviderError::new(ErrorKind::NotFound, &kind::APPLICATION_GROUP.writing(), message)
        };
        held.map(|held| ArmId::new(held.network.as_str())).ok_or_else(unknown)
    }

    fn check_ours(
        &self,
        id: &ArmId,
        held: &ApplicationGroup,
        wanted: &Tags,
        action: &str,
    ) -> Result<(), ProviderError> {
        if self.is_ours(id, held, wanted) {
            return Ok(());
        }
        let message = format!("`{id}` does not carry our mark any more");
        let mut error = ProviderError::new(ErrorKind::Conflict, action, message);
        error.hint = "what is not ours is not touched; the next pass looks again".to_owned();
        Err(error)
    }

    pub(super) async fn delete(&self, group: &GroupId) -> Result<(), ProviderError> {
        let real = self.ids.get(group).unwrap_or(group);
        match ids::kind_of(real) {
            GroupKind::Asg(_) | GroupKind::PlannedAsg { .. } => self.delete_group(group).await,
            GroupKind::Carrier { .. } | GroupKind::PlannedCarrier { .. } => {
                let (nsg, asg) = self.carried(real)?;
                self.clear(&nsg, &asg).await
            }
            GroupKind::Damaged { nsg } => self.clear_damaged(&nsg).await,
            GroupKind::Rest { .. } | GroupKind::Places => Err(no_rules(group)),
        }
    }

    /// Deletes a class group, after the rules for its members, of which it has none.
    async fn delete_group(&self, group: &GroupId) -> Result<(), ProviderError> {
        let action = kind::APPLICATION_GROUP.deleting();
        let Some(id) = self.asg_of(group) else { return Err(no_rules(group)) };
        let Some(held) = self.group(&id).await? else { return Ok(()) };
        let network = self.network_of(group, &id)?;
        let wanted =
            marks::tags(&self.settings.installation, CLASS_GROUP, &network, &self.settings.extra_tags);
        self.check_ours(&id, &held, &wanted, &action)?;
        let observed = || self.current.iter();
        let real = ids::of_asg(&id);
        let members = observed().flat_map(|o| &o.interfaces).filter(|i| i.groups.contains(&real)).count();
        if members > 0 {
            let message = format!("`{id}` is still on {members} interfaces");
            return Err(ProviderError::new(ErrorKind::Conflict, &action, message));
        }
        for filter in observed().flat_map(|observed| &observed.path_filters) {
            let mut entries = filter.rules.iter().filter_map(|rule| band::read(&self.band, rule));
            if entries.any(|entry| *entry.target == real) {
                self.clear(&ArmId::new(&filter.id), &id).await?;
            }
        }
        self.writer.delete_application_group(&id, held.etag.as_deref()).await.map(drop)
    }
}

/// Whether a group does not say that it is of another network: its members are of one network for good.
fn is_of_network(held: &ApplicationGroup, wanted: &Tags) -> bool {
    let tags = held.tags();
    let found = tags.get(marks::NETWORK_TAG);
    found.is_none() || found == wanted.get(marks::NETWORK_TAG)
}
