//! Where there is no security group: one of ours is made and put on its place before anything is written in it.
//!
//! INVARIANT: when it comes to its place every interface has heard of the rules that let pass what passed without it. So it is made,
//! then it settles, then it is put there; one that was found there settles too, as nobody knows when it was made.

use std::time::Duration;

use plan::Owner;
use policy::InterfaceId;
use provider::{ErrorKind, ProviderError};

use super::Applier;
use crate::ids;
use crate::marks::{self, OWN_GROUP};
use crate::resources::{ArmId, kind};
use crate::write::own::not_ours;

impl Applier<'_> {
    /// Sees to it that a list is there and on its place. Nothing is called for lists that were seen there.
    pub(super) async fn ensure_list(&self, nsg: &ArmId) -> Result<(), ProviderError> {
        let Some(observed) = self.own() else { return Ok(()) };
        let Some(list) = observed.path_filters.iter().find(|list| list.id == nsg.key()) else {
            return Ok(());
        };
        let Some(place) = marks::place_to_make(&list.owner) else {
            return match &list.owner {
                taken @ Owner::Suspect(_) => Err(not_ours(nsg, taken)),
                Owner::Ours | Owner::Foreign => Ok(()),
            };
        };
        let mut behind =
            observed.interfaces.iter().filter(|one| ids::managed(&one.path_filters) == Some(nsg.key()));
        let Some(network) = behind.next().map(|one| ArmId::new(one.network.as_str())) else { return Ok(()) };
        let is_subnet = place.key().contains("/subnets/");
        // Steps that need the same list wait for each other, and steps at an interface for its list.
        let _one = self.writer.turn(&nsg.part("places", "of")).await;
        let _turn = if is_subnet { None } else { Some(self.writer.turn(&place).await) };
        if self.is_on(&place, is_subnet, nsg).await? {
            return Ok(());
        }
        let tags = marks::tags(&self.settings.installation, OWN_GROUP, &network, &self.settings.extra_tags);
        let installation = &self.settings.installation;
        self.writer.make_open_group(installation, nsg, &self.scope.region, &tags).await?;
        self.writer.arm().clock().sleep(Duration::from_millis(self.scope.settle_ms)).await;
        if is_subnet {
            self.writer.put_subnet_group(&place, Some(nsg), None).await.map(drop)
        } else {
            self.writer.put_interface_group(&place, nsg).await.map(drop)
        }
    }

    /// Whether a security group is on its place by now: another step may have put it there.
    async fn is_on(&self, place: &ArmId, is_subnet: bool, nsg: &ArmId) -> Result<bool, ProviderError> {
        let held = if is_subnet {
            let action = kind::SUBNET.reading();
            let held: crate::resources::Subnet =
                self.writer.arm().get(&action, place.as_str(), kind::SUBNET.version).await?;
            held.properties.network_security_group
        } else {
            self.interface(&InterfaceId::from(place.as_str())).await?.properties.network_security_group
        };
        match held.map(|held| held.id) {
            Some(held) if held == *nsg => Ok(true),
            Some(_) => {
                let message = format!("`{place}` has a security group by now");
                let mut error = ProviderError::new(ErrorKind::Conflict, &kind::SUBNET.writing(), message);
                error.hint = "the next pass plans with that one".to_owned();
                Err(error)
            }
            None => Ok(false),
        }
    }
}
