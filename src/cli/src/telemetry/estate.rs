//! What exists now, with the policy on it: what flows are attributed to and judged by.

use async_trait::async_trait;
use flow::attribute::named_services;
use flow::timeline::Aliases;
use ingest::intake::{Inventory, Seen};
use plan::Scope;
use policy::{CompiledPolicy, Snapshot, compile};
use reconcile::inventory::snapshot;
use reconcile::planning::{Intent, observe};

use crate::clouds::Readers;
use crate::commands::warn_of_unobserved;

/// What exists, and the policy compiled on it.
pub struct Estate {
    /// Workloads, networks, policy.
    pub snapshot: Snapshot,
    /// Compiled.
    pub policy: CompiledPolicy,
}

/// The clouds as an inventory.
pub struct Clouds {
    readers: Readers,
    scopes: Vec<Scope>,
    intent: Intent,
}

impl Clouds {
    /// Reads the scopes whenever somebody looks.
    pub fn new(readers: Readers, scopes: Vec<Scope>, intent: Intent) -> Self {
        Self { readers, scopes, intent }
    }

    /// What exists; nothing if no scope could be read. What could not be read is said on standard error.
    pub async fn estate(&self) -> Option<Estate> {
        let reading = observe(&self.readers, &self.scopes).await;
        warn_of_unobserved(&reading.unobserved);
        // Half an inventory would make workloads of a scope that could not be read nobody's addresses.
        if !reading.unobserved.is_empty() {
            return None;
        }
        let domain: Vec<_> = reading.observed.iter().map(|(scope, observed)| (scope, observed)).collect();
        let mut snapshot = snapshot(&self.intent.files, &self.intent.mapping, &domain);
        snapshot.translations.clone_from(&self.intent.translations);
        let policy = compile(&snapshot).policy;
        Some(Estate { snapshot, policy })
    }
}

#[async_trait]
impl Inventory for Clouds {
    async fn look(&mut self) -> Option<Seen> {
        let Estate { snapshot, policy } = self.estate().await?;
        let named = named_services(&snapshot, policy);
        Some(Seen { snapshot, aliases: Aliases::default(), named: Some(named) })
    }
}
