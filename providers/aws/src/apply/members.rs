//! The groups of one interface. The call replaces the whole list: what is not in it comes off.

use std::collections::BTreeSet;

use plan::{GroupId, InterfaceState};
use policy::InterfaceId;
use provider::{ErrorKind, ProviderError};

use super::Writer;

const ACTION: &str = "ModifyNetworkInterfaceAttribute";

impl Writer<'_> {
    pub(super) async fn set_groups(
        &mut self,
        interface: &InterfaceId,
        change: impl FnOnce(&BTreeSet<GroupId>) -> Vec<GroupId>,
    ) -> Result<(), ProviderError> {
        let found: Option<&InterfaceState> =
            self.own().flat_map(|observed| &observed.interfaces).find(|i| i.id == *interface);
        let Some(found) = found else {
            let message = format!("interface {interface} is gone");
            return Err(ProviderError::new(ErrorKind::NotFound, ACTION, message));
        };
        let held: BTreeSet<GroupId> = found.groups.iter().cloned().collect();
        let wanted = change(&held);
        if wanted.is_empty() {
            let message = format!("interface {interface} would have no group");
            return Err(ProviderError::new(ErrorKind::Rejected, ACTION, message));
        }
        if held == wanted.iter().cloned().collect() {
            return Ok(());
        }
        let (id, groups) = (interface.to_string(), wanted.iter().map(ToString::to_string).collect());
        self.write(ACTION, |client| {
            let request =
                client.modify_network_interface_attribute().network_interface_id(id).set_groups(Some(groups));
            async move { request.send().await }
        })
        .await?;
        Ok(())
    }
}
