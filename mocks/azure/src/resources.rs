//! What a PUT and a DELETE do to each kind of resource, and what the cloud refuses in them.
//!
//! Everything is checked before anything is written.

use serde_json::Value;

use crate::error::{ArmError, refuse};
use crate::path::{Kind, ResourceId};
use crate::state::{Object, Provisioning, Resource, State, Typed};

pub mod groups;
pub mod interface;
pub mod manager;
pub mod network;
pub mod rule;

/// The quotas (`providers.md` 1.2).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Security groups in a subscription and region.
    pub security_groups: usize,
    /// Rules in a security group.
    pub rules_per_group: usize,
    /// Prefixes on one side of all rules of a security group together; ports likewise.
    pub addresses_per_group: usize,
    /// Application security groups on one side of a rule.
    pub groups_per_side: usize,
    /// Distinct application security groups in all rules of a security group.
    pub application_groups_per_group: usize,
    /// Application security groups in a subscription and region.
    pub application_groups: usize,
    /// Application security groups of an IP configuration.
    pub groups_per_configuration: usize,
    /// IP configurations in an application security group.
    pub configurations_per_group: usize,
    /// Items on a page of a list.
    pub page_items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            security_groups: 5000,
            rules_per_group: 1000,
            addresses_per_group: 4000,
            groups_per_side: 10,
            application_groups_per_group: 100,
            application_groups: 3000,
            groups_per_configuration: 20,
            configurations_per_group: 4000,
            page_items: 100,
        }
    }
}

/// One write of a client.
pub struct Write<'a> {
    /// What is written.
    pub id: &'a ResourceId,
    /// The body without its read-only fields.
    pub body: Object,
    /// The quotas.
    pub limits: &'a Limits,
}

/// Writes a resource; the caller marks it as updating and gives its owner an etag.
///
/// # Errors
/// As the real cloud; then nothing is written.
pub fn put(state: &mut State, write: Write<'_>) -> Result<(), ArmError> {
    check_name(write.id)?;
    check_place(state, &write)?;
    match write.id.kind {
        Kind::VirtualNetwork => network::put(state, write),
        Kind::Subnet => network::put_subnet(state, write),
        Kind::Peering => network::put_peering(state, write),
        Kind::SecurityGroup => groups::put(state, write),
        Kind::Rule => groups::put_rule(state, write),
        Kind::ApplicationGroup => groups::put_application_group(state, write),
        Kind::Interface | Kind::ScaleSetInterface => interface::put(state, write),
        Kind::Machine => interface::put_machine(state, write),
        Kind::AdminRule => manager::put_rule(state, write),
        _ => {
            store(state, write.id, write.body, Typed::Other);
            Ok(())
        }
    }
}

/// Whether a resource may be deleted.
///
/// # Errors
/// As the real cloud, for what is in use.
pub fn check_delete(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    match id.kind {
        Kind::SecurityGroup => groups::check_delete(state, id),
        Kind::ApplicationGroup => groups::check_delete_application_group(state, id),
        Kind::VirtualNetwork => network::check_delete(state, id),
        Kind::Subnet => network::check_delete_subnet(state, &id.key, &id.id),
        Kind::Interface => interface::check_delete(state, id),
        Kind::AdminConfiguration => manager::check_delete(state, id),
        _ => Ok(()),
    }
}

/// Stores a document, or the next version of one.
pub fn store(state: &mut State, id: &ResourceId, body: Object, typed: Typed) {
    if let Some(known) = state.resources.get_mut(&id.key) {
        known.body = body;
        known.typed = typed;
        return;
    }
    let (guid, etag) = (state.new_guid(), state.new_etag());
    let resource = Resource {
        id: canonical(state, id),
        kind: id.kind,
        body,
        etag,
        guid,
        provisioning: Provisioning::Succeeded,
        typed,
        machine: None,
    };
    state.resources.insert(id.key.clone(), resource);
}

/// The id with the spelling of the resource group or the parent that is there already.
fn canonical(state: &State, id: &ResourceId) -> String {
    let mut holders: Vec<&str> = id.key.match_indices('/').filter_map(|(at, _)| id.key.get(..at)).collect();
    holders.reverse();
    let held = holders.into_iter().find_map(|key| state.get(key));
    match held.and_then(|held| id.id.get(held.id.len()..).map(|rest| (held, rest))) {
        Some((held, rest)) => format!("{}{rest}", held.id),
        None => id.id.clone(),
    }
}

/// Letters, digits, `_`, `.`, `-`; from a word character to a word character (or `_`); 80 at most.
fn check_name(id: &ResourceId) -> Result<(), ArmError> {
    let name = id.name();
    let word = |c: char| c.is_ascii_alphanumeric();
    let good = name.len() <= 80
        && name.starts_with(word)
        && name.ends_with(|c: char| word(c) || c == '_')
        && name.chars().all(|c| word(c) || matches!(c, '_' | '.' | '-'));
    if good || id.kind == Kind::ResourceGroup {
        return Ok(());
    }
    let message = format!(
        "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it must end with a word character or with '_'. The name may contain word characters or '.', '-', '_'."
    );
    Err(refuse("InvalidResourceName", message))
}

/// The resource group, the parent, and the location, which never changes.
fn check_place(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let id = write.id;
    if id.kind == Kind::ResourceGroup {
        return Ok(());
    }
    check_group(state, id)?;
    if id.kind.is_tracked() {
        let location = write.body.get("location").and_then(Value::as_str).unwrap_or_default();
        if location.is_empty() {
            let message =
                format!("The location property is required for this definition. Resource: {}", id.name());
            return Err(refuse("LocationRequired", message));
        }
        if state.get(&id.key).is_some_and(|known| !known.location().eq_ignore_ascii_case(location)) {
            let message = format!(
                "The resource '{}' already exists in another location. A resource with the same name cannot be created in location '{location}'.",
                id.name()
            );
            return Err(ArmError::new(409, "InvalidResourceLocation", message));
        }
        return Ok(());
    }
    let holder = crate::path::parent(&id.key).and_then(|key| state.get(key));
    if holder.is_none() && !matches!(id.kind, Kind::ScaleSetInterface) {
        let message = format!(
            "Can not perform requested operation on nested resource. Parent resource of '{}' not found.",
            id.name()
        );
        return Err(ArmError::new(404, "ParentResourceNotFound", message));
    }
    Ok(())
}

/// Refuses what is in a resource group that does not exist.
pub fn check_group(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    let end = id.key.find("/providers/").unwrap_or(id.key.len());
    if id.key.get(..end).is_some_and(|key| state.get(key).is_some()) {
        return Ok(());
    }
    let message = format!("Resource group '{}' could not be found.", id.group);
    Err(ArmError::new(404, "ResourceGroupNotFound", message))
}

/// A reference to a resource must lead somewhere, and not to something under an operation.
pub fn must_exist(state: &State, from: &str, key: &str, kind: Kind) -> Result<(), ArmError> {
    let Some(found) = state.get(key).filter(|found| found.kind == kind) else {
        let message = format!(
            "Resource {key} referenced by resource {from} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region."
        );
        return Err(refuse("InvalidResourceReference", message));
    };
    if found.provisioning.is_busy() {
        // Recorded in hashicorp/terraform 7986.
        let message = format!(
            "Cannot proceed with operation because resource {} used by resource {from} is not in Succeeded state. Resource is in {} state.",
            found.id,
            found.provisioning.word()
        );
        let error = ArmError::new(429, "RetryableError", "A retryable error occurred.");
        return Err(error.caused_by("ReferencedResourceNotProvisioned", message).retry_after(1));
    }
    Ok(())
}
