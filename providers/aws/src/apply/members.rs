//! The groups of one interface. The call replaces the whole list, and others write it too: what they put on a moment ago
//! comes off with a list that was made before.
//!
//! EC2 has no way to write only if nothing has changed. So the list is made from a read immediately before the call: what
//! somebody writes between that read and the call is still overwritten, and cannot be seen. What is written over ours
//! is: the interface is read again.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;
use plan::GroupId;
use policy::InterfaceId;
use provider::{ErrorKind, ProviderError};

use super::{LOOK_EVERY, LOOKS_MAX, Writer};
use crate::pages::read_all;

const ACTION: &str = "ModifyNetworkInterfaceAttribute";

impl Writer<'_> {
    pub(super) async fn set_groups(
        &mut self,
        interface: &InterfaceId,
        change: impl FnOnce(&BTreeSet<GroupId>) -> BTreeSet<GroupId>,
    ) -> Result<(), ProviderError> {
        let held = self.groups_now(interface).await?;
        let wanted = change(&held);
        if wanted.is_empty() {
            let message = format!("interface {interface} would have no group");
            return Err(ProviderError::new(ErrorKind::Rejected, ACTION, message));
        }
        if held == wanted {
            return Ok(());
        }
        let (id, groups) = (interface.to_string(), wanted.iter().map(ToString::to_string).collect());
        self.write(ACTION, |client| {
            let request =
                client.modify_network_interface_attribute().network_interface_id(id).set_groups(Some(groups));
            async move { request.send().await }
        })
        .await?;
        let removed: BTreeSet<GroupId> = held.difference(&wanted).cloned().collect();
        self.check_after(interface, &wanted, &removed).await
    }

    /// The groups on an interface now. A read that differs from the last complete one is newer, or older: a newer one
    /// stays as it is, after an older one comes what is known.
    async fn groups_now(&self, interface: &InterfaceId) -> Result<BTreeSet<GroupId>, ProviderError> {
        let known: Option<BTreeSet<GroupId>> = self
            .own()
            .flat_map(|observed| &observed.interfaces)
            .find(|known| known.id == *interface)
            .map(|known| known.groups.iter().cloned().collect());
        let mut found = None;
        for look in 0..LOOKS_MAX {
            if look > 0 {
                self.ec2.sleep(LOOK_EVERY).await;
            }
            found = self.read_groups(interface).await?;
            if found.is_some() && found == known {
                break;
            }
        }
        let gone =
            || ProviderError::new(ErrorKind::NotFound, ACTION, format!("interface {interface} is gone"));
        found.ok_or_else(gone)
    }

    /// Looks until the interface has what was written, and nothing of what was taken off.
    async fn check_after(
        &self,
        interface: &InterfaceId,
        wanted: &BTreeSet<GroupId>,
        removed: &BTreeSet<GroupId>,
    ) -> Result<(), ProviderError> {
        for _ in 0..LOOKS_MAX {
            let found = self.read_groups(interface).await?.unwrap_or_default();
            if found.is_superset(wanted) && found.is_disjoint(removed) {
                return Ok(());
            }
            self.ec2.sleep(LOOK_EVERY).await;
        }
        let message = format!("somebody else writes the groups of interface {interface} at the same time");
        let mut error = ProviderError::new(ErrorKind::Conflict, ACTION, message);
        error.hint =
            "find out who else manages the groups of this interface; the next pass looks again".to_owned();
        Err(error)
    }

    /// The groups on an interface, if it is there.
    async fn read_groups(&self, interface: &InterfaceId) -> Result<Option<BTreeSet<GroupId>>, ProviderError> {
        let filters =
            || Some(vec![Filter::builder().name("network-interface-id").values(interface.as_str()).build()]);
        let found = read_all!(
            self.ec2,
            "DescribeNetworkInterfaces",
            describe_network_interfaces,
            network_interfaces,
            filters(),
            Some
        );
        let groups = found.first().map(|interface| {
            interface.groups().iter().filter_map(|group| group.group_id().map(GroupId::from)).collect()
        });
        Ok(groups)
    }
}
