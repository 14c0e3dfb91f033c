//! One complete read of several subscriptions, as a plain value.
//!
//! Complete or an error: lists silently leave out what the caller may not see, so every reference inside the
//! subscriptions must lead to something that was read. What is missing is asked for by name: the answer tells a thing
//! that came or went between two lists from one that may not be read.
//!
//! ```text
//! read (lists, in parallel) ─▶ Raw ─ gaps? ─▶ ask by name ─▶ Raw ─ assemble (pure) ─▶ Estate
//! ```

pub mod attach;
pub mod estate;
pub mod owner;

mod assemble;
mod gaps;
mod read;

use provider::{ErrorKind, ProviderError};

use crate::arm::{Arm, versions};
use crate::resources::{ManagementGroup, Subscription};

pub use estate::Estate;

/// What the read is called in errors that belong to no single call.
pub(crate) const ACTION: &str = "read the Azure estate";

/// Reads everything that matters in the subscriptions, completely or not at all.
///
/// # Errors
/// Any failure of any page of any list, and anything that may not be read although something refers to it.
pub async fn observe(arm: &Arm, subscriptions: &[String]) -> Result<Estate, ProviderError> {
    for subscription in subscriptions {
        check_guid(subscription)?;
    }
    let mut raw = read::Raw::read(arm, subscriptions).await?;
    gaps::fill(arm, &mut raw).await?;
    assemble::assemble(raw)
}

/// The subscriptions that the identity can see.
///
/// # Errors
/// Any failure of any page.
pub async fn list_subscriptions(arm: &Arm) -> Result<Vec<Subscription>, ProviderError> {
    arm.list("Microsoft.Resources/subscriptions/read", "/subscriptions", versions::SUBSCRIPTIONS).await
}

/// The management groups that the identity can see.
///
/// # Errors
/// Any failure of any page.
pub async fn list_management_groups(arm: &Arm) -> Result<Vec<ManagementGroup>, ProviderError> {
    let path = "/providers/Microsoft.Management/managementGroups";
    arm.list("Microsoft.Management/managementGroups/read", path, versions::MANAGEMENT_GROUPS).await
}

/// The guids of all subscriptions below a management group, at any depth.
///
/// # Errors
/// Any failure of any page; a name that is none.
pub async fn subscriptions_below(arm: &Arm, management_group: &str) -> Result<Vec<String>, ProviderError> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    if management_group.is_empty() || !management_group.chars().all(good) {
        let message = format!("`{management_group}` is no name of a management group");
        return Err(ProviderError::new(ErrorKind::Rejected, ACTION, message));
    }
    let path = format!("/providers/Microsoft.Management/managementGroups/{management_group}/descendants");
    let action = "Microsoft.Management/managementGroups/descendants/read";
    let all: Vec<ManagementGroup> = arm.list(action, &path, versions::MANAGEMENT_GROUPS).await?;
    Ok(all.into_iter().filter(ManagementGroup::is_subscription).map(|one| one.name).collect())
}

/// A guid goes into paths: nothing else may get there.
fn check_guid(subscription: &str) -> Result<(), ProviderError> {
    let is_guid = subscription.len() == 36 && subscription.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if is_guid {
        return Ok(());
    }
    let message = format!("`{subscription}` is no id of a subscription");
    let mut error = ProviderError::new(ErrorKind::Rejected, ACTION, message);
    error.hint = "give the guid that `az account list` shows as `id`".to_owned();
    Err(error)
}
