//! Tag keys, tag values, and their bindings to instances.
//!
//! Resource Manager knows no request ids: when an answer is lost the thing itself is looked for. Bindings belong to the
//! Resource Manager of the instance's zone, and so do their operations.

use provider::{CallRecord, ErrorKind, Failed, ProviderError};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::inventory::tags;
use crate::resources::{FullName, ResourcePath, TagKey};
use crate::rest::Service;
use crate::rest::client::is_lost;
use crate::write::{Change, Made, Writer, Written, taken};

/// Where the values of a tag key for firewalls work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyScope {
    /// In one network.
    Network(ResourcePath),
    /// In every network of the organisation that is the key's parent.
    Organization,
}

/// What keys and values have in common.
#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default, rename = "shortName")]
    short_name: String,
    #[serde(default)]
    description: String,
}

impl Writer {
    /// Creates a tag key for firewalls below `projects/NUMBER` or `organizations/N`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is one of that name with another description, scope or purpose; one with the
    /// same is taken as it is. The purpose of a key cannot be changed.
    pub async fn create_tag_key(
        &self,
        parent: &str,
        short_name: &str,
        scope: &KeyScope,
        description: &str,
    ) -> Result<Made, Failed> {
        let data = match scope {
            KeyScope::Network(network) => {
                json!({ "network": format!("{}/{}", network.project(), network.name()) })
            }
            KeyScope::Organization => json!({ "organization": "auto" }),
        };
        let body = json!({ "parent": parent, "shortName": short_name, "description": description,
            "purpose": "GCE_FIREWALL", "purposeData": data });
        let _lock = self.turn(&format!("{parent} {short_name}")).await;
        if let Some(held) = self.tag_key(parent, short_name).await? {
            let is_alike = held.is_for_firewalls() && self.is_for(&held, scope).await?;
            if !is_alike {
                return Err(taken("cloudresourcemanager.tagKeys.create", short_name).into());
            }
        }
        self.create_tag("tagKeys", parent, short_name, description, body).await
    }

    /// Creates a value of a tag key.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is one of that name with another description; one with the same is taken as
    /// it is.
    pub async fn create_tag_value(
        &self,
        key: &str,
        short_name: &str,
        description: &str,
    ) -> Result<Made, Failed> {
        let body = json!({ "parent": key, "shortName": short_name, "description": description });
        let _lock = self.turn(&format!("{key} {short_name}")).await;
        self.create_tag("tagValues", key, short_name, description, body).await
    }

    /// Deletes a tag key (`tagKeys/N`) without values, or a tag value (`tagValues/N`) that is bound to nothing. A value
    /// that a rule still names makes that side of the rule ineffective: the rules go first.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while something depends on it; [`ErrorKind::Denied`] also when it is gone already,
    /// which Resource Manager does not tell apart.
    pub async fn delete_tag(&self, name: &str) -> Result<Written, Failed> {
        let word = if name.starts_with("tagKeys/") { "tagKeys" } else { "tagValues" };
        let action = format!("cloudresourcemanager.{word}.delete");
        let _lock = self.turn(name).await;
        let (method, body) = (Method::DELETE, Value::Null);
        let change = Change { method, action: &action, path: name, query: &[], body };
        let (calls, _) = self.manage(&Service::Manager, change).await?;
        Ok(Written { calls })
    }

    /// Binds a tag value (`tagValues/N`) to an instance.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the instance has another value of that key, or as many as it may have.
    pub async fn bind(&self, instance: &FullName, value: &str) -> Result<Written, Failed> {
        const ACTION: &str = "cloudresourcemanager.tagBindings.create";
        let _lock = self.turn(instance.as_str()).await;
        if self.is_bound(instance, value).await? {
            return Ok(Written::default());
        }
        let body = json!({ "parent": instance.as_str(), "tagValue": value });
        let (method, path) = (Method::POST, "tagBindings");
        let change = Change { method, action: ACTION, path, query: &[], body };
        self.bound(instance, value, change, Bound::Yes).await
    }

    /// Takes a tag value (`tagValues/N`) off an instance.
    ///
    /// # Errors
    /// By what the caller does next; what is not bound stays so.
    pub async fn unbind(&self, instance: &FullName, value: &str) -> Result<Written, Failed> {
        const ACTION: &str = "cloudresourcemanager.tagBindings.delete";
        let _lock = self.turn(instance.as_str()).await;
        if !self.is_bound(instance, value).await? {
            return Ok(Written::default());
        }
        let (method, path) = (Method::DELETE, instance.binding(value));
        let change = Change { method, action: ACTION, path: &path, query: &[], body: Value::Null };
        self.bound(instance, value, change, Bound::No).await
    }

    /// One change of a binding; after a lost answer the binding is looked for.
    async fn bound(
        &self,
        instance: &FullName,
        value: &str,
        change: Change<'_>,
        wanted: Bound,
    ) -> Result<Written, Failed> {
        let service = Service::ManagerOf(instance.zone().to_owned());
        match self.manage(&service, change).await {
            Ok((calls, _)) => Ok(Written { calls }),
            Err(failed) if is_lost(&failed.error) => match self.is_bound(instance, value).await {
                Ok(is) if is == (wanted == Bound::Yes) => Ok(Written { calls: failed.calls }),
                _ => Err(failed),
            },
            Err(failed) => Err(failed),
        }
    }

    async fn is_bound(&self, instance: &FullName, value: &str) -> Result<bool, ProviderError> {
        Ok(tags::bound(&self.api, instance).await?.iter().any(|one| one == value))
    }

    async fn create_tag(
        &self,
        word: &'static str,
        parent: &str,
        short_name: &str,
        description: &str,
        body: Value,
    ) -> Result<Made, Failed> {
        let action = format!("cloudresourcemanager.{word}.create");
        if let Some(held) = self.tag(word, parent, short_name).await? {
            if held.description != description {
                return Err(taken(&action, short_name).into());
            }
            return Ok(Made { written: Written::default(), name: held.name });
        }
        let (method, path) = (Method::POST, word);
        let change = Change { method, action: &action, path, query: &[], body };
        let made = |calls: Vec<CallRecord>, name: String| Made { written: Written { calls }, name };
        match self.manage(&Service::Manager, change).await {
            Ok((calls, response)) => match serde_json::from_value::<Tag>(response) {
                Ok(tag) => Ok(made(calls, tag.name)),
                Err(_) => Err(Failed { calls, error: nameless(&action) }),
            },
            Err(failed) if is_lost(&failed.error) => match self.tag(word, parent, short_name).await {
                Ok(Some(tag)) if tag.description == description => Ok(made(failed.calls, tag.name)),
                _ => Err(failed),
            },
            Err(failed) => Err(failed),
        }
    }

    async fn tag(&self, word: &str, parent: &str, short_name: &str) -> Result<Option<Tag>, ProviderError> {
        let action = format!("cloudresourcemanager.{word}.list");
        let query = [("parent", parent)];
        let all: Vec<Tag> = self.api.list_managed(&action, Service::Manager, word, &query).await?;
        Ok(all.into_iter().find(|tag| tag.short_name == short_name))
    }

    async fn tag_key(&self, parent: &str, short_name: &str) -> Result<Option<TagKey>, ProviderError> {
        let (action, query) = ("cloudresourcemanager.tagKeys.list", [("parent", parent)]);
        let all: Vec<TagKey> = self.api.list_managed(action, Service::Manager, "tagKeys", &query).await?;
        Ok(all.into_iter().find(|key| key.short_name == short_name))
    }

    /// Whether a key works where it should. It names its network by number, so the network is read.
    async fn is_for(&self, key: &TagKey, scope: &KeyScope) -> Result<bool, ProviderError> {
        let named = key.purpose_data.get("network").map(|link| ResourcePath::new(link));
        match (scope, named) {
            (KeyScope::Organization, None) => Ok(true),
            (KeyScope::Network(wanted), Some(named)) => {
                let network: crate::resources::Network =
                    self.api.get("compute.networks.get", wanted.as_str()).await?;
                Ok(named == *wanted || named.name() == network.id)
            }
            _ => Ok(false),
        }
    }
}

/// What a binding shall be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Yes,
    No,
}

fn nameless(action: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Transient, action, "the answer does not name what was made")
}
