//! Network firewall policies, global and regional: containers, rules as a whole, what they are attached to.

use provider::together::{Answer, all_or_each_alone};
use provider::{ErrorKind, Failed, ProviderError};
use reqwest::Method;
use serde_json::{Value, json};

use crate::resources::{Policy, PolicyRule, ResourcePath};
use crate::write::{Change, Writer, Written, body, check_seen, if_there, moved, taken};

/// A policy on a network, before it is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAssociation {
    /// Its name, unique in the policy.
    pub name: String,
    /// The network.
    pub network: ResourcePath,
    /// Among several policies of one network; none is Google's default.
    pub priority: Option<u32>,
}

/// What a step wants changed in the rules of a policy, decided on those that are there when it is written.
pub(crate) type Edit = Box<dyn Fn(&[PolicyRule]) -> Result<Vec<PolicyRule>, ProviderError> + Send + Sync>;

impl Writer {
    /// Creates a policy at a path with its description and rules, attached to nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is one of that name with another description: it may be somebody else's. One
    /// with the same description is left as it is.
    pub async fn create_policy(
        &self,
        policy: &ResourcePath,
        description: &str,
        rules: &[PolicyRule],
    ) -> Result<Written, Failed> {
        let action = action(policy, "insert");
        let _lock = self.turn(policy.as_str()).await;
        if let Some(held) = if_there(self.policy(policy).await)? {
            if held.description.as_deref().unwrap_or_default() != description {
                return Err(taken(&action, policy.as_str()).into());
            }
            return Ok(Written::default());
        }
        let rules = written(&action, rules)?;
        let body =
            body(&[("name", json!(policy.name())), ("description", json!(description)), ("rules", rules)]);
        let (method, path) = (Method::POST, policy.collection());
        let calls = self.change(Change { method, action: &action, path, query: &[], body }).await?;
        Ok(Written { calls })
    }

    /// Replaces the rules of a policy in one call, which interfaces take over as a whole. `edit` gets the rules that
    /// are there (without the predefined ones, which nobody changes) and gives those that shall be: foreign ones
    /// should be among them as they came.
    ///
    /// `seen` is the fingerprint that the plan was made on; none asks for no such check.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the policy was changed since it was planned on, or since it was read here.
    pub async fn patch_policy(
        &self,
        policy: &ResourcePath,
        seen: Option<&str>,
        edit: impl FnOnce(&[PolicyRule]) -> Vec<PolicyRule>,
    ) -> Result<Written, Failed> {
        let action = action(policy, "patch");
        let _lock = self.turn(policy.as_str()).await;
        let held = self.policy(policy).await?;
        check_seen(&action, policy.as_str(), seen, &held.fingerprint)?;
        let before: Vec<PolicyRule> =
            held.rules.iter().flatten().filter(|rule| !rule.is_predefined()).cloned().collect();
        let after = edit(&before);
        if is_same(&before, &after) {
            return Ok(Written::default());
        }
        let rules = written(&action, &after)?;
        let body = json!({ "fingerprint": held.fingerprint, "rules": rules });
        let (method, path) = (Method::PATCH, policy.as_str());
        let calls = self.change(Change { method, action: &action, path, query: &[], body }).await?;
        Ok(Written { calls })
    }

    /// Has an edit of the rules written, in one call with whatever other steps change in the policy at this time. Each
    /// tells the call. An edit that is refused is left out.
    ///
    /// # Errors
    /// As [`all_or_each_alone`].
    pub(crate) async fn edit_policy(&self, policy: &ResourcePath, edit: Edit) -> Result<Written, Failed> {
        let path = policy.as_str().to_owned();
        let write = |edits: Vec<Edit>| async move {
            all_or_each_alone(&edits, |edits| Box::pin(self.write_edits(policy, edits))).await
        };
        let answer = self.edits.submit(&path, edit, write).await;
        let given_up = || {
            let message = format!("the write of `{policy}` that this was part of was given up");
            Err(ProviderError::new(ErrorKind::Transient, &action(policy, "patch"), message).into())
        };
        answer.unwrap_or_else(given_up).map(|calls| Written { calls })
    }

    async fn write_edits(&self, policy: &ResourcePath, edits: &[Edit]) -> Result<Vec<Answer>, Failed> {
        let mut outcomes = Vec::new();
        let all = |rules: &[PolicyRule]| {
            let mut rules = rules.to_vec();
            outcomes = edits.iter().map(|edit| run(edit, &mut rules)).collect();
            rules
        };
        let written = self.patch_policy(policy, None, all).await?;
        let answer = |outcome| match outcome {
            Ok(true) => Ok(written.calls.clone()),
            Ok(false) => Ok(Vec::new()),
            Err(error) => Err(Failed::from(error)),
        };
        Ok(outcomes.into_iter().map(answer).collect())
    }

    /// Deletes a policy that is attached to nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while it is attached, or when it was changed since it was planned on.
    pub async fn delete_policy(&self, policy: &ResourcePath, seen: Option<&str>) -> Result<Written, Failed> {
        let action = action(policy, "delete");
        let _lock = self.turn(policy.as_str()).await;
        let Some(held) = if_there(self.policy(policy).await)? else { return Ok(Written::default()) };
        check_seen(&action, policy.as_str(), seen, &held.fingerprint)?;
        self.delete(&action, policy).await
    }

    /// Attaches a policy to a network; with `replacing` in the place of another one, in the same call.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the name is taken for another network, or `replacing` is not attached any more;
    /// [`ErrorKind::Rejected`] when the network has a policy already.
    pub async fn associate(
        &self,
        policy: &ResourcePath,
        wanted: &NewAssociation,
        replacing: Option<&ResourcePath>,
    ) -> Result<Written, Failed> {
        let action = action(policy, "addAssociation");
        let _lock = self.turn(policy.as_str()).await;
        let held = self.policy(policy).await?;
        if let Some(own) = held.associations.iter().find(|one| one.name == wanted.name) {
            if own.attachment_target == wanted.network {
                return Ok(Written::default());
            }
            return Err(taken(&action, &wanted.name).into());
        }
        if let Some(other) = replacing {
            let other = self.policy(other).await?;
            if !other.associations.iter().any(|one| one.attachment_target == wanted.network) {
                return Err(moved(&action, wanted.network.as_str()).into());
            }
        }
        let body = body(&[
            ("name", json!(wanted.name)),
            ("attachmentTarget", json!(wanted.network)),
            ("priority", json!(wanted.priority)),
        ]);
        let query = [("replaceExistingAssociation", "true")];
        let query = if replacing.is_some() { &query[..] } else { &[] };
        let (method, path) = (Method::POST, format!("{policy}/addAssociation"));
        let calls = self.change(Change { method, action: &action, path: &path, query, body }).await?;
        Ok(Written { calls })
    }

    /// Takes a policy off a network, by the name of the association.
    ///
    /// # Errors
    /// By what the caller does next; what is not attached stays so.
    pub async fn dissociate(&self, policy: &ResourcePath, name: &str) -> Result<Written, Failed> {
        let action = action(policy, "removeAssociation");
        let _lock = self.turn(policy.as_str()).await;
        let Some(held) = if_there(self.policy(policy).await)? else { return Ok(Written::default()) };
        if !held.associations.iter().any(|one| one.name == name) {
            return Ok(Written::default());
        }
        let (method, path, query) = (Method::POST, format!("{policy}/removeAssociation"), [("name", name)]);
        let change = Change { method, action: &action, path: &path, query: &query, body: Value::Null };
        let calls = self.change(change).await?;
        Ok(Written { calls })
    }

    async fn policy(&self, path: &ResourcePath) -> Result<Policy, ProviderError> {
        let held: Policy = self.api.get(&action(path, "get"), path.as_str()).await?;
        if held.rules.is_none() {
            let message = format!("the answer does not show the rules of `{path}`");
            return Err(ProviderError::new(ErrorKind::Transient, &action(path, "get"), message));
        }
        Ok(held)
    }
}

/// Makes an edit in a list; says whether it changed anything.
fn run(edit: &Edit, rules: &mut Vec<PolicyRule>) -> Result<bool, ProviderError> {
    let after = edit(rules)?;
    let is_changed = !is_same(rules, &after);
    *rules = after;
    Ok(is_changed)
}

/// The id of a method on a policy.
fn action(policy: &ResourcePath, word: &str) -> String {
    match policy.region() {
        Some(_) => format!("compute.regionNetworkFirewallPolicies.{word}"),
        None => format!("compute.networkFirewallPolicies.{word}"),
    }
}

/// Whether two lists say the same, whatever their order: the priority decides.
fn is_same(before: &[PolicyRule], after: &[PolicyRule]) -> bool {
    let sorted = |rules: &[PolicyRule]| {
        let mut rules: Vec<PolicyRule> = rules.iter().map(PolicyRule::writable).collect();
        rules.sort_by_key(|rule| rule.priority);
        rules
    };
    sorted(before) == sorted(after)
}

/// Rules as they are sent, without the predefined ones.
fn written(action: &str, rules: &[PolicyRule]) -> Result<Value, ProviderError> {
    let own: Vec<&PolicyRule> = rules.iter().filter(|rule| !rule.is_predefined()).collect();
    if let Some(rule) = own.iter().find(|rule| is_emptied(rule)) {
        // INVARIANT: nothing is widened in silence. An empty list means no condition to the cloud.
        let priority = rule.priority;
        let message =
            format!("the rule at {priority} is not written: an empty list of tags, accounts or blocks");
        let mut error = ProviderError::new(ErrorKind::Rejected, action, message);
        error.hint = "leave the list out where everybody is meant, or the rule where nobody is".to_owned();
        return Err(error);
    }
    let all: Result<Vec<Value>, _> = own.iter().map(|rule| serde_json::to_value(rule.writable())).collect();
    let failed = |_| ProviderError::new(ErrorKind::Rejected, action, "a rule cannot be written as json");
    all.map(Value::Array).map_err(failed)
}

/// Whether a rule has a list that is there and empty.
fn is_emptied(rule: &PolicyRule) -> bool {
    let tags = [&rule.target_secure_tags, &rule.matching.src_secure_tags];
    let words = [
        &rule.target_service_accounts,
        &rule.matching.src_ip_ranges,
        &rule.matching.dest_ip_ranges,
        &rule.matching.src_address_groups,
        &rule.matching.dest_address_groups,
    ];
    tags.into_iter().flatten().any(Vec::is_empty) || words.into_iter().flatten().any(Vec::is_empty)
}
