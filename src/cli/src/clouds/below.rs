//! Scopes over many accounts: one for each subscription below a management group, and for each project below a folder or
//! organisation, as they are when a command starts.

use std::collections::BTreeSet;

use plan::Cloud;
use provider::ProviderError;

use super::{azure, gcp};
use crate::config::{Config, ScopeConfig};
use crate::session::Failure;

/// The configuration with a scope for each account. An account that has a scope of its own keeps that one.
///
/// # Errors
/// What is below cannot be listed, or there is nothing.
pub(super) async fn expand(config: &Config) -> Result<Config, Failure> {
    let mut expanded = config.clone();
    expanded.scopes.clear();
    for entry in &config.scopes {
        let Some(node) = &entry.below else {
            expanded.scopes.push(entry.clone());
            continue;
        };
        let found = accounts(entry, node).await.map_err(|error| unlisted(entry, node, &error))?;
        if found.is_empty() {
            let message = format!("scope {}: there is nothing below `{node}`", entry.scope.id);
            return Err(Failure::new(message, "check `below`, and what the identity may see there"));
        }
        expanded.scopes.extend(for_each(entry, found, &config.scopes));
    }
    Ok(expanded)
}

async fn accounts(entry: &ScopeConfig, node: &str) -> Result<Vec<String>, ProviderError> {
    match entry.scope.cloud {
        // INVARIANT: the configuration takes no `below` there.
        Cloud::Aws => Ok(Vec::new()),
        Cloud::Azure => azure::subscriptions_below(entry, node).await,
        Cloud::Gcp => gcp::projects_below(entry, node).await,
    }
}

/// One scope for each account, named after both.
fn for_each(entry: &ScopeConfig, accounts: Vec<String>, all: &[ScopeConfig]) -> Vec<ScopeConfig> {
    let is_own = |account: &String| {
        let own = all.iter().filter(|other| other.below.is_none() && other.scope.cloud == entry.scope.cloud);
        own.into_iter().any(|other| other.scope.account.eq_ignore_ascii_case(account))
    };
    let accounts: BTreeSet<String> = accounts.into_iter().filter(|account| !is_own(account)).collect();
    let scope_of = |account: String| {
        let mut one = ScopeConfig { below: None, ..entry.clone() };
        // A project of a domain has a colon.
        one.scope.id = format!("{}.{}", entry.scope.id, account.replace(':', "_")).into();
        one.scope.account = account;
        one
    };
    accounts.into_iter().map(scope_of).collect()
}

fn unlisted(entry: &ScopeConfig, node: &str, error: &ProviderError) -> Failure {
    let message = format!("scope {}: what is below `{node}` cannot be listed: {error}", entry.scope.id);
    Failure::new(message, error.hint.clone())
}

#[cfg(test)]
#[path = "below/tests.rs"]
mod tests;
