//! References that lead to nothing that was read, and what is done about them.
//!
//! Lists are no snapshot, and they leave out without a word what the caller may not see. Asking for the missing thing
//! by name tells which it is: there it is (it came in between), it is gone, or it may not be read: then nothing may be
//! concluded from the rest either.

use std::collections::BTreeMap;
use std::sync::Arc;

use provider::{ErrorKind, ProviderError};
use rustc_hash::FxHashSet;
use serde::de::DeserializeOwned;

use crate::arm::{Arm, versions};
use crate::inventory::ACTION;
use crate::inventory::read::Raw;
use crate::resources::{ArmId, Kind, Reference, kind};

/// Things asked for by name at most: with more the lists are too old to be mended.
const GAPS_MAX: usize = 200;
/// What was asked for may refer to more: so many times.
const ROUNDS_MAX: usize = 4;

/// Whether something that is referred to may be gone by now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    /// The reference may be older than the thing's end: a subnet's list of users, a machine's interfaces.
    Loose,
    /// The cloud keeps a thing as long as something uses it.
    Firm,
}

/// Asks for everything that is missing.
pub(crate) async fn fill(arm: &Arm, raw: &mut Raw) -> Result<(), ProviderError> {
    for _ in 0..ROUNDS_MAX {
        let gaps = find(raw);
        if gaps.is_empty() {
            return Ok(());
        }
        if gaps.len() > GAPS_MAX {
            break;
        }
        for (missing, (bond, from)) in gaps {
            close(arm, raw, &missing, bond).await.map_err(|error| explain(error, &from, &missing))?;
        }
    }
    let message = "the estate changed too much while it was read";
    Err(ProviderError::new(ErrorKind::Conflict, ACTION, message))
}

async fn close(arm: &Arm, raw: &mut Raw, missing: &ArmId, bond: Bond) -> Result<(), ProviderError> {
    let found = match missing.kind().as_str() {
        "virtualnetworks" => {
            let found =
                get(arm, kind::NETWORK, missing).await.map(|one| raw.networks.insert(missing.clone(), one));
            if found.is_ok() {
                raw.read_admin_rules(arm, std::slice::from_ref(missing)).await?;
            }
            found.map(|_| ())
        }
        "networksecuritygroups" => get(arm, kind::SECURITY_GROUP, missing)
            .await
            .map(|one| drop(raw.security_groups.insert(missing.clone(), one))),
        "applicationsecuritygroups" => get(arm, kind::APPLICATION_GROUP, missing)
            .await
            .map(|one| drop(raw.application_groups.insert(missing.clone(), one))),
        "virtualmachines" => {
            get(arm, kind::MACHINE, missing).await.map(|one| drop(raw.machines.insert(missing.clone(), one)))
        }
        "networkinterfaces" => get(arm, kind::INTERFACE, missing)
            .await
            .map(|one| drop(raw.interfaces.insert(missing.clone(), one))),
        _ => {
            let full_type = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces";
            let kind = Kind { full_type, version: versions::SCALE_SET_INTERFACES };
            get(arm, kind, missing).await.map(|one| drop(raw.interfaces.insert(missing.clone(), one)))
        }
    };
    match found {
        Err(error) if error.kind == ErrorKind::NotFound && bond == Bond::Loose => {
            raw.gone.insert(missing.clone());
            Ok(())
        }
        other => other,
    }
}

async fn get<T: DeserializeOwned>(arm: &Arm, kind: Kind, id: &ArmId) -> Result<T, ProviderError> {
    arm.get(&kind.reading(), id.as_str(), kind.version).await
}

fn explain(error: ProviderError, from: &ArmId, missing: &ArmId) -> ProviderError {
    let (kind, message, hint) = match error.kind {
        ErrorKind::NotFound => (
            ErrorKind::Conflict,
            format!("`{missing}` went while `{from}` still used it"),
            "the next pass reads again".to_owned(),
        ),
        ErrorKind::Denied => (
            ErrorKind::Denied,
            format!("`{missing}` may not be read, and `{from}` uses it"),
            "give the identity the role Reader in the whole subscription".to_owned(),
        ),
        _ => return error,
    };
    let mut outer = ProviderError::new(kind, ACTION, message);
    outer.hint = hint;
    outer.code.clone_from(&error.code);
    outer.request_id.clone_from(&error.request_id);
    outer.source = Some(Arc::new(error));
    outer
}

/// What is missing, with one thing that refers to it.
fn find(raw: &Raw) -> BTreeMap<ArmId, (Bond, ArmId)> {
    let mut gaps = Gaps { raw, here: here(raw), found: BTreeMap::new() };
    for (id, network) in &raw.networks {
        for subnet in &network.properties.subnets {
            gaps.note(&subnet.properties.network_security_group, &subnet.id, Bond::Firm);
            for user in &subnet.properties.ip_configurations {
                // `…/networkInterfaces/n/ipConfigurations/c`
                if user.id.parent_key().is_some_and(|key| gaps.here.contains(key)) {
                    continue;
                }
                let interface = user.id.parent().filter(|one| one.kind().ends_with("networkinterfaces"));
                gaps.add(interface, id, Bond::Loose);
            }
        }
    }
    for (id, interface) in &raw.interfaces {
        gaps.note(&interface.properties.network_security_group, id, Bond::Firm);
        let machine = interface.properties.virtual_machine.as_ref().map(|one| &one.id);
        if let Some(machine) = machine.filter(|id| !gaps.is_here(id) && id.kind() == "virtualmachines") {
            gaps.add(Some(machine.clone()), id, Bond::Loose);
        }
        for one in &interface.properties.ip_configurations {
            for group in one.properties.application_security_groups.iter().flatten() {
                gaps.note([group], id, Bond::Firm);
            }
            if let Some(subnet) = one.properties.subnet.as_ref().filter(|one| !gaps.is_here(&one.id)) {
                // A subnet that its network does not show: the network is read again.
                gaps.add(subnet.id.parent(), id, Bond::Firm);
            }
        }
    }
    for (id, machine) in &raw.machines {
        for interface in &machine.properties.network_profile.network_interfaces {
            gaps.note([interface], id, Bond::Loose);
        }
    }
    gaps.found
}

/// The keys of everything that was read and that something may refer to. Ids tell their types, so one set is enough.
fn here(raw: &Raw) -> FxHashSet<&str> {
    let subnets = raw.networks.values().flat_map(|network| &network.properties.subnets);
    let named = raw.security_groups.keys().chain(raw.application_groups.keys());
    let named = named.chain(raw.interfaces.keys()).chain(raw.machines.keys());
    named.chain(subnets.map(|subnet| &subnet.id)).map(ArmId::key).collect()
}

struct Gaps<'a> {
    raw: &'a Raw,
    here: FxHashSet<&'a str>,
    found: BTreeMap<ArmId, (Bond, ArmId)>,
}

impl Gaps<'_> {
    fn is_here(&self, id: &ArmId) -> bool {
        self.here.contains(id.key())
    }

    fn note<'r, R: 'r>(
        &mut self,
        references: impl IntoIterator<Item = &'r Reference<R>>,
        from: &ArmId,
        bond: Bond,
    ) {
        for reference in references {
            if !self.is_here(&reference.id) {
                self.add(Some(reference.id.clone()), from, bond);
            }
        }
    }

    fn add(&mut self, missing: Option<ArmId>, from: &ArmId, bond: Bond) {
        let was_read = |id: &ArmId| self.raw.subscriptions.contains_key(id.subscription());
        let Some(id) = missing.filter(|id| was_read(id) && !self.raw.gone.contains(id)) else { return };
        let entry = self.found.entry(id).or_insert_with(|| (bond, from.clone()));
        entry.0 = entry.0.max(bond);
    }
}
