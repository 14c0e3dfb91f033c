//! Network tags of instances.

use std::collections::BTreeSet;

use provider::Failed;
use reqwest::Method;
use serde_json::json;

use crate::resources::{Instance, ResourcePath};
use crate::write::{Change, Writer, Written, check_seen};

impl Writer {
    /// Gives an instance network tags and takes others away. The cloud knows only the whole set: all other tags are
    /// written as they were read in this very write, under their fingerprint.
    ///
    /// `seen` is the fingerprint that the plan was made on; none asks for no such check.
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] when the tags were changed since; [`provider::ErrorKind::NotFound`] when the
    /// instance is gone.
    pub async fn change_network_tags(
        &self,
        instance: &ResourcePath,
        join: &BTreeSet<String>,
        leave: &BTreeSet<String>,
        seen: Option<&str>,
    ) -> Result<Written, Failed> {
        const ACTION: &str = "compute.instances.setTags";
        let _lock = self.turn(instance.as_str()).await;
        let held = self.instance(instance).await?;
        check_seen(ACTION, instance.as_str(), seen, &held.tags.fingerprint)?;
        let before: BTreeSet<String> = held.tags.items.iter().cloned().collect();
        let mut after: BTreeSet<String> = before.difference(leave).cloned().collect();
        after.extend(join.iter().cloned());
        if after == before {
            return Ok(Written::default());
        }
        let body = json!({ "items": after, "fingerprint": held.tags.fingerprint });
        let (method, path) = (Method::POST, format!("{instance}/setTags"));
        let calls = self.change(Change { method, action: ACTION, path: &path, query: &[], body }).await?;
        Ok(Written { calls })
    }

    async fn instance(&self, path: &ResourcePath) -> Result<Instance, provider::ProviderError> {
        self.api.get("compute.instances.get", path.as_str()).await
    }
}
