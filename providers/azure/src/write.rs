//! The writes of network security, each followed to the end of its operation.
//!
//! Every write reads what it changes, changes only what it is about, and sends the etag that it read: a change by
//! somebody else in between is a [`ErrorKind::Conflict`], and nothing is lost. A write that is true already makes no
//! call. Nothing is sent twice: the next pass is the retry.
//!
//! One resource has one operation at a time: writes wait for each other here, by resource, instead of being refused.

pub mod membership;
pub mod own;
pub mod rules;

use std::sync::{Arc, Mutex, PoisonError};

use plan::PathRule;
use provider::locks::{Held, Locks};
use provider::together::{self, Together};
use provider::{ErrorKind, Failed, ProviderError};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::arm::Arm;
use crate::arm::answer::Answer;
use crate::band::{Change, Refusal};
use crate::resources::application_group::ApplicationGroupProperties;
use crate::resources::writable::{self, Written as Shape};
use crate::resources::{ApplicationGroup, ArmId, Kind, Tags, Tracked, is_settled, kind};

pub use membership::Membership;
pub use provider::CallRecord;
pub use rules::{Flush, RuleChange};

/// What a write did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Written {
    /// The mutating calls that were accepted, in order; none if it was true already.
    pub calls: Vec<CallRecord>,
}

/// Writes to Azure. It shares its connection with the readers, and its locks with its clones.
#[derive(Clone)]
pub struct Writer {
    arm: Arm,
    locks: Locks<ArmId>,
    turns: Locks<ArmId>,
    lists: Together<ArmId, Edit, together::Answer>,
    sent: Sent,
}

/// What a step wants changed in the list of a security group, decided on the list as it is when it is written.
pub(crate) type Edit = Box<dyn Fn(&[PathRule]) -> Result<Change, Refusal> + Send + Sync>;

/// Every call that writes, in order, whatever came of it.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<CallRecord>>>);

impl Sent {
    fn note(&self, action: &str, answer: &Result<Answer, ProviderError>) {
        let request_id = match answer {
            Ok(answer) => answer.request_id.clone(),
            Err(error) => error.request_id.clone(),
        };
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(CallRecord { action: action.to_owned(), request_id });
    }

    fn extend(&self, calls: &[CallRecord]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(calls);
    }
}

impl Writer {
    /// A writer over a connection. Writers that may touch the same resources must be clones of one.
    pub fn new(arm: Arm) -> Self {
        let turns = Locks::default();
        let lists = Together::new(turns.clone());
        Self { arm, locks: Locks::default(), turns, lists, sent: Sent::default() }
    }

    /// A clone that keeps an account of its own of the calls that it sends.
    #[must_use]
    pub fn accounting(&self) -> Self {
        Self { sent: Sent::default(), ..self.clone() }
    }

    /// Waits until nobody else decides on a resource: held from the read that a change is decided on to the end of its
    /// write, so that two steps at one resource do not refuse each other.
    pub(crate) async fn turn(&self, id: &ArmId) -> Held {
        self.turns.take(&[id]).await
    }

    /// Has a list changed by an edit, and notes the calls as this writer's own, also where another step made them.
    ///
    /// `write` writes the edits of all steps that wait for the list.
    ///
    /// # Errors
    /// What became of the edit, as `write` answers it.
    pub(crate) async fn edit<W, F>(&self, list: &ArmId, edit: Edit, write: W) -> Result<(), ProviderError>
    where
        W: FnOnce(Vec<Edit>) -> F,
        F: Future<Output = Vec<together::Answer>>,
    {
        let answer = self.lists.submit(list, edit, write).await.unwrap_or_else(|| Err(given_up(list)));
        let calls = match &answer {
            Ok(calls) => calls,
            Err(failed) => &failed.calls,
        };
        self.sent.extend(calls);
        answer.map(drop).map_err(|failed| failed.error)
    }

    /// The calls that were sent and write something, in order, also those that failed; and forgets them.
    pub fn take_sent(&self) -> Vec<CallRecord> {
        std::mem::take(&mut *self.sent.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection.
    pub fn arm(&self) -> &Arm {
        &self.arm
    }

    /// Creates an application security group with its tags in the same call.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is one of that name with other tags: it may be somebody else's.
    pub async fn create_application_group(
        &self,
        id: &ArmId,
        location: &str,
        tags: &Tags,
    ) -> Result<Written, ProviderError> {
        let _lock = self.locks.take(&[id]).await;
        let held: Option<ApplicationGroup> = self.read_if_there(kind::APPLICATION_GROUP, id).await?;
        if let Some(held) = &held {
            if held.tags() != *tags {
                return Err(taken(&kind::APPLICATION_GROUP.writing(), id));
            }
            if is_settled(&held.properties.rest) {
                return Ok(Written::default());
            }
        }
        let etag = held.as_ref().and_then(|held| held.etag.clone());
        let wanted = held.unwrap_or_else(|| {
            ApplicationGroup::new(location, tags.clone(), ApplicationGroupProperties::default())
        });
        self.put(kind::APPLICATION_GROUP, Shape::ApplicationGroup, id, &wanted, etag.as_deref()).await
    }

    /// Deletes an application security group that nothing refers to.
    ///
    /// `seen` is the etag that the plan was made on; none asks for no such check.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while an interface is in it or a rule names it, or when it was changed.
    pub async fn delete_application_group(
        &self,
        id: &ArmId,
        seen: Option<&str>,
    ) -> Result<Written, ProviderError> {
        let _lock = self.locks.take(&[id]).await;
        let Some(held) = self.read_if_there::<ApplicationGroup>(kind::APPLICATION_GROUP, id).await? else {
            return Ok(Written::default());
        };
        check_seen(&kind::APPLICATION_GROUP.deleting(), id, seen, held.etag.as_deref())?;
        self.delete(kind::APPLICATION_GROUP, id, held.etag.as_deref()).await
    }

    /// Replaces the tags of a security group or an application security group, and nothing else.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it was changed since it was planned on, or since it was read here.
    pub async fn put_tags(
        &self,
        kind: Kind,
        id: &ArmId,
        tags: &Tags,
        seen: Option<&str>,
    ) -> Result<Written, ProviderError> {
        let action = kind.writing();
        let _lock = self.locks.take(&[id]).await;
        let held: Tracked<Value> = self.read(kind, id).await?;
        check_seen(&action, id, seen, held.etag.as_deref())?;
        if held.tags() == *tags {
            return Ok(Written::default());
        }
        let body = json!({ "tags": tags }).to_string().into_bytes();
        self.change(Method::PATCH, kind, id, body, held.etag.as_deref()).await
    }

    /// Reads a resource; none if it is not there.
    async fn read_if_there<T: DeserializeOwned>(
        &self,
        kind: Kind,
        id: &ArmId,
    ) -> Result<Option<T>, ProviderError> {
        match self.read(kind, id).await {
            Ok(found) => Ok(Some(found)),
            // What would hold it must be there: nothing could be created in it.
            Err(error) if error.kind == ErrorKind::NotFound && !is_of_holder(&error.code) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read<T: DeserializeOwned>(&self, kind: Kind, id: &ArmId) -> Result<T, ProviderError> {
        self.arm.get(&kind.reading(), id.as_str(), kind.version).await
    }

    /// One PUT.
    async fn put<T: Serialize>(
        &self,
        kind: Kind,
        shape: Shape,
        id: &ArmId,
        resource: &T,
        etag: Option<&str>,
    ) -> Result<Written, ProviderError> {
        let body = writable::body(&kind.writing(), shape, resource)?;
        self.change(Method::PUT, kind, id, body, etag).await
    }

    /// One call, followed to its end.
    async fn change(
        &self,
        method: Method,
        kind: Kind,
        id: &ArmId,
        body: Vec<u8>,
        etag: Option<&str>,
    ) -> Result<Written, ProviderError> {
        let action = kind.writing();
        let url = self.arm.endpoint().url(id.as_str(), &[("api-version", kind.version)])?;
        let mut request = self.arm.request(&action, method, url.clone());
        request.if_match = etag.map(str::to_owned);
        request.body = body;
        let answer = self.arm.send(request).await;
        self.sent.note(&action, &answer);
        let answer = answer?;
        tracing::info!(action, resource = %id, request_id = answer.request_id, "azure write accepted");
        self.arm.follow(&url, &answer).await?;
        Ok(Written { calls: vec![CallRecord { action, request_id: answer.request_id }] })
    }

    /// One DELETE, followed to its end. What is gone already stays gone.
    async fn delete(&self, kind: Kind, id: &ArmId, etag: Option<&str>) -> Result<Written, ProviderError> {
        let action = kind.deleting();
        let url = self.arm.endpoint().url(id.as_str(), &[("api-version", kind.version)])?;
        let mut request = self.arm.request(&action, Method::DELETE, url.clone());
        request.if_match = etag.map(str::to_owned);
        let answer = self.arm.send(request).await;
        self.sent.note(&action, &answer);
        let answer = match answer {
            Ok(answer) if answer.status == 204 => return Ok(Written::default()),
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Written::default()),
            Err(error) => return Err(error),
        };
        tracing::info!(action, resource = %id, request_id = answer.request_id, "azure write accepted");
        self.arm.follow(&url, &answer).await?;
        Ok(Written { calls: vec![CallRecord { action, request_id: answer.request_id }] })
    }
}

fn is_of_holder(code: &str) -> bool {
    matches!(code, "ResourceGroupNotFound" | "ParentResourceNotFound" | "ResourceGroupBeingDeleted")
}

/// The step that wrote for several was given up.
fn given_up(list: &ArmId) -> Failed {
    let message = format!("the write of `{list}` that this was part of was given up");
    ProviderError::new(ErrorKind::Transient, &kind::SECURITY_GROUP.writing(), message).into()
}

/// A name that somebody else may hold.
fn taken(action: &str, id: &ArmId) -> ProviderError {
    let message = format!("`{id}` is there already, with other tags");
    let mut error = ProviderError::new(ErrorKind::Conflict, action, message);
    error.hint = "it may be somebody else's: rename it, or give it our tags".to_owned();
    error
}

/// Refuses to write over something else than the plan was made on.
fn check_seen(action: &str, id: &ArmId, seen: Option<&str>, now: Option<&str>) -> Result<(), ProviderError> {
    if seen.is_none_or(|seen| Some(seen) == now) {
        return Ok(());
    }
    let message = format!("`{id}` was changed since it was planned on");
    let mut error = ProviderError::new(ErrorKind::Conflict, action, message);
    error.hint = "the next pass plans on what is there now".to_owned();
    Err(error)
}
