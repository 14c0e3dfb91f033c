//! Tags on instances. An interface has the tags of its instance that are for its network.

use std::collections::BTreeSet;

use plan::{Direction, GroupId, Owner, PathRule};
use policy::{InterfaceId, NetworkId};
use provider::{ErrorKind, ProviderError};

use crate::apply::{ACTION, Work};
use crate::band::{self, Band};
use crate::ids::{self, GroupKind};
use crate::marks;
use crate::resources::{FullName, Instance, ResourcePath, TagValue};
use crate::settings::Identity;

impl Work<'_> {
    pub(super) async fn attach(
        &mut self,
        interface: &InterfaceId,
        add: &[GroupId],
    ) -> Result<(), ProviderError> {
        if self.band.identity == Identity::NetworkTags {
            return self.change_tags(interface, add, &[]).await;
        }
        let instance = self.full_name(interface).await?;
        for id in add {
            match ids::kind_of(&self.real(id)) {
                GroupKind::Value(value) => {
                    let done = self.hands.writer.bind(&instance, &value).await;
                    self.note(done)?;
                }
                GroupKind::Rest { network, direction } => self.open(&instance, &network, direction).await?,
                _ => return Err(not_written(interface, id)),
            }
        }
        Ok(())
    }

    pub(super) async fn detach(
        &mut self,
        interface: &InterfaceId,
        remove: &[GroupId],
    ) -> Result<(), ProviderError> {
        if self.band.identity == Identity::NetworkTags {
            return self.change_tags(interface, &[], remove).await;
        }
        let instance = self.full_name(interface).await?;
        for id in remove {
            match ids::kind_of(&self.real(id)) {
                GroupKind::Value(value) => {
                    let done = self.hands.writer.unbind(&instance, &value).await;
                    self.note(done)?;
                }
                GroupKind::Rest { network, direction } => self.close(&instance, &network, direction).await?,
                GroupKind::NetworkTag { name, .. } => {
                    let path = ids::instance_of(interface);
                    let leave = BTreeSet::from([name]);
                    let writer = self.hands.writer;
                    let done = writer.change_network_tags(&path, &BTreeSet::new(), &leave, None).await;
                    self.note(done)?;
                }
                _ => return Err(not_written(interface, id)),
            }
        }
        Ok(())
    }

    /// Closes an interface: our denies first, then the tag that they are for.
    async fn close(
        &mut self,
        instance: &FullName,
        network: &NetworkId,
        direction: Direction,
    ) -> Result<(), ProviderError> {
        let value = match self.find_closed(network, direction).await? {
            Some(value) => value,
            None => self.make_closed(network, direction).await?,
        };
        let closed = Some((ids::closed(network, direction), value.clone()));
        let of = network.clone();
        let edit = move |band: &Band, held: &[PathRule]| Ok(band::close(band, held, &of, direction)?);
        let mut done = self.change_policy(network, closed, edit).await;
        if done.is_ok() {
            let bound = self.hands.writer.bind(instance, &value).await;
            done = self.note(bound);
        }
        if done.is_err() {
            // Somebody may have deleted the tag.
            self.keep_closed(network, direction, None);
        }
        done
    }

    /// Opens an interface: takes the tag for closed ones off.
    async fn open(
        &mut self,
        instance: &FullName,
        network: &NetworkId,
        direction: Direction,
    ) -> Result<(), ProviderError> {
        let Some(value) = self.find_closed(network, direction).await? else { return Ok(()) };
        let done = self.hands.writer.unbind(instance, &value).await;
        self.note(done)
    }

    /// The tag value for closed interfaces of a network, if it is there.
    pub(super) async fn find_closed(
        &mut self,
        network: &NetworkId,
        direction: Direction,
    ) -> Result<Option<String>, ProviderError> {
        if let Some(value) = self.closed(network, direction) {
            return Ok(Some(value));
        }
        let project = ResourcePath::new(network.as_str()).project().to_owned();
        let name = ids::closed_key(&self.band.installation, network, direction);
        let whole = format!("{project}/{name}/{name}");
        let action = "cloudresourcemanager.tagValues.getNamespaced";
        let (place, query) = ("tagValues/namespaced", [("name", whole.as_str())]);
        let value = match self.hands.api.get_managed::<TagValue>(action, place, &query).await {
            Ok(value) => value,
            // What is not there and what may not be seen look the same; a write tells them apart.
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let owner = marks::owner(&self.band.installation, &value.short_name, &value.description);
        let is_for = marks::read(&value.description).is_some_and(|(_, role)| role == role_of(direction));
        if owner != Owner::Ours || !is_for {
            return Err(crate::write::taken(ACTION, &whole));
        }
        self.keep_closed(network, direction, Some(&value.name));
        Ok(Some(value.name))
    }

    async fn make_closed(
        &mut self,
        network: &NetworkId,
        direction: Direction,
    ) -> Result<String, ProviderError> {
        let name = ids::closed_key(&self.band.installation, network, direction);
        let text = format!("interfaces that are closed for {direction}");
        let value = self.create_tag(network, role_of(direction), &name, (&name, &text)).await?;
        self.keep_closed(network, direction, Some(&value));
        Ok(value)
    }

    /// The instance of an interface as bindings name it.
    async fn full_name(&self, interface: &InterfaceId) -> Result<FullName, ProviderError> {
        let path = ids::instance_of(interface);
        let found: Instance = self.hands.api.get("compute.instances.get", path.as_str()).await?;
        let number = self.number(path.project()).await?;
        Ok(FullName::of_instance(&number, path.zone().unwrap_or_default(), &found.id))
    }
}

fn role_of(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => marks::role::CLOSED_IN,
        Direction::Egress => marks::role::CLOSED_OUT,
    }
}

pub(super) fn not_written(interface: &InterfaceId, id: &GroupId) -> ProviderError {
    let message = format!("membership of {interface} in {id} cannot be written");
    ProviderError::new(ErrorKind::Rejected, ACTION, message)
}
