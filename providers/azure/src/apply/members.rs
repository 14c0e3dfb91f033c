//! Memberships: every change of an interface is one PUT of it, whatever number of groups it is about.

use std::collections::BTreeSet;

use plan::{Direction, GroupId};
use policy::InterfaceId;
use provider::{ErrorKind, ProviderError};

use super::Applier;
use crate::band;
use crate::ids::{self, Closed, GroupKind};
use crate::resources::{ArmId, Interface, kind};
use crate::write::Membership;

/// What becomes of the application security groups of an interface.
#[derive(Default)]
struct Moves {
    join: BTreeSet<ArmId>,
    leave: BTreeSet<ArmId>,
}

impl Applier<'_> {
    pub(super) async fn attach(&self, interface: &InterfaceId, add: &[GroupId]) -> Result<(), ProviderError> {
        let _turn = self.writer.turn(&ArmId::new(interface.as_str())).await;
        let held = self.interface(interface).await?;
        let network = network_of(&held)?;
        let mut moves = Moves::default();
        for group in add {
            match self.rest_of(group) {
                Some((_, direction, _)) => {
                    moves.leave.extend(band::all_closed_groups(&self.band, &network, direction));
                }
                None => {
                    moves.join.insert(self.member_of(group)?);
                }
            }
        }
        self.put(&held, &moves).await
    }

    pub(super) async fn detach(
        &self,
        interface: &InterfaceId,
        remove: &[GroupId],
    ) -> Result<(), ProviderError> {
        for (nsg, ..) in remove.iter().filter_map(|group| self.rest_of(group)) {
            self.ensure_list(&nsg).await?;
        }
        let _turn = self.writer.turn(&ArmId::new(interface.as_str())).await;
        let held = self.interface(interface).await?;
        let network = network_of(&held)?;
        let mut moves = Moves::default();
        for group in remove {
            match self.rest_of(group) {
                Some((nsg, direction, now)) => {
                    let all = band::all_closed_groups(&self.band, &network, direction);
                    // Who was opened meanwhile has left.
                    if now == Closed::Otherwise && !is_in(&held, &all) {
                        continue;
                    }
                    // INVARIANT: groups and denies are there before the interface joins, and mean nothing to whoever is
                    // not in these groups.
                    let wanted = band::closed_groups(&self.band, &network, direction);
                    for group in &wanted {
                        self.ensure_closed_group(group, &network).await?;
                    }
                    self.close(&nsg, &network, direction).await?;
                    moves.leave.extend(all);
                    moves.join.extend(wanted);
                }
                None => {
                    moves.leave.insert(self.member_of(group)?);
                }
            }
        }
        self.put(&held, &moves).await
    }

    fn rest_of(&self, group: &GroupId) -> Option<(ArmId, Direction, Closed)> {
        match ids::kind_of(group) {
            GroupKind::Rest { nsg, direction, closed } => Some((nsg, direction, closed)),
            _ => None,
        }
    }

    fn member_of(&self, group: &GroupId) -> Result<ArmId, ProviderError> {
        let no_member = || {
            let message = format!("no interface can be put into group `{group}`");
            ProviderError::new(ErrorKind::Rejected, &kind::INTERFACE.writing(), message)
        };
        self.asg_of(group).ok_or_else(no_member)
    }

    pub(super) async fn interface(&self, id: &InterfaceId) -> Result<Interface, ProviderError> {
        let action = kind::INTERFACE.reading();
        self.writer.arm().get(&action, id.as_str(), kind::INTERFACE.version).await
    }

    /// All IP configurations alike.
    async fn put(&self, held: &Interface, moves: &Moves) -> Result<(), ProviderError> {
        let mut membership = Membership::new();
        for one in &held.properties.ip_configurations {
            let now = one.properties.application_security_groups.iter().flatten();
            let mut groups: BTreeSet<ArmId> = now.map(|group| group.id.clone()).collect();
            groups.retain(|group| !moves.leave.contains(group));
            groups.extend(moves.join.iter().cloned());
            membership.insert(one.name.clone(), groups);
        }
        self.writer.write_membership(held, &membership).await.map(drop)
    }
}

/// Whether any IP configuration is in one of some groups.
fn is_in(interface: &Interface, groups: &[ArmId]) -> bool {
    let configurations = interface.properties.ip_configurations.iter();
    let mut held = configurations.flat_map(|one| one.properties.application_security_groups.iter().flatten());
    held.any(|held| groups.contains(&held.id))
}

fn network_of(interface: &Interface) -> Result<ArmId, ProviderError> {
    let mut configurations = interface.properties.ip_configurations.iter();
    let subnet = configurations.find_map(|one| one.properties.subnet.as_ref());
    let network = subnet.and_then(|subnet| subnet.id.parent()).and_then(|parent| {
        // Of a subnet, the parent is the network.
        (!parent.is_empty()).then_some(parent)
    });
    let nowhere = || {
        let message = format!("`{}` is in no virtual network", interface.id);
        ProviderError::new(ErrorKind::Rejected, &kind::INTERFACE.writing(), message)
    };
    network.ok_or_else(nowhere)
}
