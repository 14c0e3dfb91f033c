//! Classic firewall rules. They have no fingerprint: what is read right before the write is compared with what the plan
//! saw, and the last writer wins in the moment between.

use provider::{ErrorKind, Failed, ProviderError};
use reqwest::Method;
use serde_json::{Value, json};

use crate::resources::{Firewall, ResourcePath};
use crate::write::{Change, Writer, Written, if_there, moved, taken};

impl Writer {
    /// Creates a classic rule in a project, with its description in the same call.
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] when there is one of that name with another description: it may be somebody
    /// else's. One with the same description is left as it is.
    pub async fn create_firewall(&self, project: &str, rule: &Firewall) -> Result<Written, Failed> {
        const ACTION: &str = "compute.firewalls.insert";
        let collection = format!("projects/{project}/global/firewalls");
        let path = ResourcePath::new(&format!("{collection}/{}", rule.name));
        let _lock = self.turn(path.as_str()).await;
        if let Some(held) = if_there(self.firewall(&path).await)? {
            let text = |rule: &Firewall| rule.description.clone().unwrap_or_default();
            if text(&held) != text(rule) {
                return Err(taken(ACTION, path.as_str()).into());
            }
            return Ok(Written::default());
        }
        check_meaning(ACTION, rule)?;
        let mut body = json!({ "name": rule.name, "network": ResourcePath::new(&rule.network) });
        for (field, value) in fields(rule) {
            if !is_nothing(&value) {
                body[field] = value;
            }
        }
        let (method, path) = (Method::POST, collection.as_str());
        let calls = self.change(Change { method, action: ACTION, path, query: &[], body }).await?;
        Ok(Written { calls })
    }

    /// Makes a classic rule say what it shall; only the fields that differ are sent. Its network and direction cannot
    /// be changed.
    ///
    /// `seen` is the rule that the plan was made on; none asks for no such check.
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] when it was changed since; [`provider::ErrorKind::NotFound`] when it is gone.
    pub async fn patch_firewall(
        &self,
        path: &ResourcePath,
        wanted: &Firewall,
        seen: Option<&Firewall>,
    ) -> Result<Written, Failed> {
        const ACTION: &str = "compute.firewalls.patch";
        let _lock = self.turn(path.as_str()).await;
        let held = self.firewall(path).await?;
        check_rule(ACTION, path, seen, &held)?;
        check_meaning(ACTION, wanted)?;
        if has_target(&held) && !has_target(wanted) {
            return Err(widened(
                ACTION,
                &wanted.name,
                "without its last target it would be for the whole network",
            )
            .into());
        }
        let changes = fields(&held).into_iter().zip(fields(wanted));
        let mut body = json!({});
        for (_, (field, after)) in changes.filter(|((_, before), (_, after))| before != after) {
            body[field] = after;
        }
        if body == json!({}) {
            return Ok(Written::default());
        }
        let (method, path) = (Method::PATCH, path.as_str());
        let calls = self.change(Change { method, action: ACTION, path, query: &[], body }).await?;
        Ok(Written { calls })
    }

    /// Deletes a classic rule; `seen` as in [`Writer::patch_firewall`].
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] when it was changed since it was planned on.
    pub async fn delete_firewall(
        &self,
        path: &ResourcePath,
        seen: Option<&Firewall>,
    ) -> Result<Written, Failed> {
        const ACTION: &str = "compute.firewalls.delete";
        let _lock = self.turn(path.as_str()).await;
        let Some(held) = if_there(self.firewall(path).await)? else { return Ok(Written::default()) };
        check_rule(ACTION, path, seen, &held)?;
        self.delete(ACTION, path).await
    }

    async fn firewall(&self, path: &ResourcePath) -> Result<Firewall, ProviderError> {
        self.api.get("compute.firewalls.get", path.as_str()).await
    }
}

fn check_rule(
    action: &str,
    path: &ResourcePath,
    seen: Option<&Firewall>,
    held: &Firewall,
) -> Result<(), ProviderError> {
    match seen.filter(|seen| fields(seen) != fields(held)) {
        Some(_) => Err(moved(action, path.as_str())),
        None => Ok(()),
    }
}

/// Refuses a rule that the cloud would read wider than it is meant.
///
/// INVARIANT: nothing is widened in silence. The cloud takes a rule without sources for one from everywhere, and one
/// without destinations for one to everywhere; who means that writes the blocks.
fn check_meaning(action: &str, rule: &Firewall) -> Result<(), ProviderError> {
    let is_empty = |list: &Option<Vec<String>>| list.as_ref().is_none_or(Vec::is_empty);
    let is_open = match rule.direction.as_deref() {
        Some("EGRESS") => is_empty(&rule.destination_ranges),
        _ => {
            is_empty(&rule.source_ranges)
                && is_empty(&rule.source_tags)
                && is_empty(&rule.source_service_accounts)
        }
    };
    if is_open {
        return Err(widened(
            action,
            &rule.name,
            "it names no far side, which the cloud takes for everywhere",
        ));
    }
    Ok(())
}

fn has_target(rule: &Firewall) -> bool {
    let lists = [&rule.target_tags, &rule.target_service_accounts];
    lists.into_iter().flatten().any(|list| !list.is_empty())
}

fn widened(action: &str, name: &str, why: &str) -> ProviderError {
    let mut error =
        ProviderError::new(ErrorKind::Rejected, action, format!("`{name}` is not written: {why}"));
    error.hint = "delete the rule, or say what it shall mean".to_owned();
    error
}

/// What a rule says, in a form in which equal rules are equal: defaults filled in, lists sorted, no list is an empty
/// one.
fn fields(rule: &Firewall) -> Vec<(&'static str, Value)> {
    let list = |words: &Option<Vec<String>>| {
        let mut words = words.clone().unwrap_or_default();
        words.sort();
        words.dedup();
        json!(words)
    };
    vec![
        ("description", json!(rule.description.as_deref().unwrap_or_default())),
        ("priority", json!(rule.priority.unwrap_or(1000))),
        ("direction", json!(rule.direction.as_deref().unwrap_or("INGRESS"))),
        ("disabled", json!(rule.disabled.unwrap_or(false))),
        ("sourceRanges", list(&rule.source_ranges)),
        ("destinationRanges", list(&rule.destination_ranges)),
        ("sourceTags", list(&rule.source_tags)),
        ("sourceServiceAccounts", list(&rule.source_service_accounts)),
        ("targetTags", list(&rule.target_tags)),
        ("targetServiceAccounts", list(&rule.target_service_accounts)),
        ("allowed", json!(rule.allowed.as_deref().unwrap_or_default())),
        ("denied", json!(rule.denied.as_deref().unwrap_or_default())),
    ]
}

fn is_nothing(value: &Value) -> bool {
    value == &json!([]) || value == &json!("") || value == &json!(false)
}
