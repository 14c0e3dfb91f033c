//! Writes that decide what a rule is about: the application security groups of an interface, the security group of a
//! subnet.

use std::collections::{BTreeMap, BTreeSet};

use provider::{ErrorKind, ProviderError};

use crate::resources::network::Subnet;
use crate::resources::writable::Written as Shape;
use crate::resources::{ArmId, Interface, Reference, is_settled, kind};
use crate::write::{Writer, Written, check_seen};

/// Which application security groups each IP configuration of an interface is in, by its name.
pub type Membership = BTreeMap<String, BTreeSet<ArmId>>;

impl Writer {
    /// Puts the IP configurations of an interface into application security groups, and out of all others. The
    /// interface is written as a whole, since the cloud knows no smaller write: every other field as it was read in
    /// this very write. IP configurations that are not named stay as they are.
    ///
    /// `seen` is the etag that the plan was made on; none asks for no such check.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the interface was changed, or when somebody else is at work on it;
    /// [`ErrorKind::NotFound`] when it has no IP configuration of a name.
    pub async fn put_membership(
        &self,
        interface: &ArmId,
        membership: &Membership,
        seen: Option<&str>,
    ) -> Result<Written, ProviderError> {
        let held: Interface = self.read(kind::INTERFACE, interface).await?;
        check_seen(&kind::INTERFACE.writing(), interface, seen, held.etag.as_deref())?;
        self.write_membership(&held, membership).await
    }

    /// The same on an interface that was read a moment before: it is written only if that is what is there.
    ///
    /// # Errors
    /// As [`Writer::put_membership`].
    pub(crate) async fn write_membership(
        &self,
        held: &Interface,
        membership: &Membership,
    ) -> Result<Written, ProviderError> {
        let (action, interface) = (kind::INTERFACE.writing(), &held.id);
        let _lock = self.locks.take(&[interface]).await;
        let names: BTreeSet<&str> =
            held.properties.ip_configurations.iter().map(|one| one.name.as_str()).collect();
        if let Some(missing) = membership.keys().find(|name| !names.contains(name.as_str())) {
            let message = format!("`{interface}` has no ip configuration `{missing}`");
            return Err(ProviderError::new(ErrorKind::NotFound, &action, message));
        }
        let wanted = joined(held, membership);
        if wanted == *held && is_settled(&held.properties.rest) {
            return Ok(Written::default());
        }
        self.put(kind::INTERFACE, Shape::Interface, interface, &wanted, held.etag.as_deref()).await
    }

    /// Puts a security group on a subnet, or takes it off; every other field of the subnet stays.
    ///
    /// `instead_of` is the security group that the plan found there: with another one there now nothing is written.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is another one by now, or when somebody else is at work on the network.
    pub async fn put_subnet_group(
        &self,
        subnet: &ArmId,
        group: Option<&ArmId>,
        instead_of: Option<&ArmId>,
    ) -> Result<Written, ProviderError> {
        let action = kind::SUBNET.writing();
        let Some(network) = subnet.parent() else {
            let message = format!("`{subnet}` is no subnet");
            return Err(ProviderError::new(ErrorKind::Rejected, &action, message));
        };
        // The network is what the cloud locks; a security group under a write of its own cannot be put on a subnet.
        let both: Vec<&ArmId> = [Some(&network), group, instead_of].into_iter().flatten().collect();
        let _lock = self.locks.take(&both).await;
        let held: Subnet = self.read(kind::SUBNET, subnet).await?;
        let now = held.properties.network_security_group.as_ref().map(|reference| &reference.id);
        if now == group && is_settled(&held.properties.rest) {
            return Ok(Written::default());
        }
        if now != instead_of && now != group {
            let message = format!("`{subnet}` has another security group than was planned on");
            return Err(ProviderError::new(ErrorKind::Conflict, &action, message));
        }
        let mut wanted = held.clone();
        wanted.properties.network_security_group = group.map(Reference::to);
        self.put(kind::SUBNET, Shape::Subnet, subnet, &wanted, held.etag.as_deref()).await
    }
}

/// An interface in other application security groups.
#[must_use]
pub fn joined(held: &Interface, membership: &Membership) -> Interface {
    let mut wanted = held.clone();
    for one in &mut wanted.properties.ip_configurations {
        let Some(groups) = membership.get(&one.name) else { continue };
        let list = one.properties.application_security_groups.get_or_insert_default();
        let now: BTreeSet<ArmId> = list.iter().map(|group| group.id.clone()).collect();
        list.retain(|group| groups.contains(&group.id));
        list.extend(groups.iter().filter(|group| !now.contains(group)).map(Reference::to));
        if list.is_empty() && held_none(held, &one.name) {
            one.properties.application_security_groups = None;
        }
    }
    wanted
}

/// Whether an IP configuration shows no list at all: an empty one would look like a change.
fn held_none(held: &Interface, name: &str) -> bool {
    let one = held.properties.ip_configurations.iter().find(|one| one.name == name);
    one.is_some_and(|one| one.properties.application_security_groups.is_none())
}
