//! Lists: every page and every place, or an error. Half a list would plan deletions.
//!
//! Compute Engine answers a list over all places even when it cannot reach one, and says so in `unreachables` and in
//! warnings: that is half a list too.

use std::collections::BTreeMap;

use provider::{ErrorKind, ProviderError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rest::client::{Api, Call};
use crate::rest::endpoint::Service;

/// Pages of one list at most.
pub const PAGES_MAX: usize = 4_000;
/// Items of one list at most.
pub const ITEMS_MAX: usize = 500_000;
/// Items on a page of Compute Engine.
const COMPUTE_PAGE: &str = "500";
/// Items on a page of Resource Manager.
const MANAGER_PAGE: &str = "300";

/// A note of the cloud on an answer.
#[derive(Deserialize)]
struct Warning {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Warning {
    /// Whether the list is whole all the same.
    fn is_harmless(&self) -> bool {
        matches!(
            self.code.as_str(),
            "NO_RESULTS_ON_PAGE"
                | "DEPRECATED_RESOURCE_USED"
                | "DEPRECATED_TYPE_USED"
                | "EXPERIMENTAL_TYPE_USED"
        )
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default, rename = "nextPageToken")]
    next: Option<String>,
    #[serde(default)]
    unreachables: Option<Vec<String>>,
    #[serde(default)]
    unreachable: Option<Vec<String>>,
    #[serde(default)]
    warning: Option<Warning>,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl Api {
    /// A list of Compute Engine.
    ///
    /// # Errors
    /// Any failure of any page; a warning that something is missing; a list without end.
    pub async fn list<T: DeserializeOwned>(&self, action: &str, path: &str) -> Result<Vec<T>, ProviderError> {
        self.list_where(action, path, "items", &[]).await
    }

    /// A list of Compute Engine whose items are in another field, or with parameters.
    pub(crate) async fn list_where<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        field: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, ProviderError> {
        let query = [query, &[("maxResults", COMPUTE_PAGE)]].concat();
        let call = Call { action, service: Service::Compute, path, query: &query };
        let mut all = Vec::new();
        self.pages(&call, |mut page| {
            let items = page.fields.remove(field);
            add(action, &mut all, items)
        })
        .await?;
        Ok(all)
    }

    /// A list of Compute Engine over all zones or regions of a project; `field` is what each place holds.
    ///
    /// # Errors
    /// As [`Api::list`]; [`ErrorKind::Transient`] when a place could not be reached.
    pub async fn list_everywhere<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        field: &str,
    ) -> Result<Vec<T>, ProviderError> {
        let query = [("maxResults", COMPUTE_PAGE)];
        let call = Call { action, service: Service::Compute, path, query: &query };
        let mut all = Vec::new();
        self.pages(&call, |mut page| {
            let places = page.fields.remove("items").unwrap_or_default();
            for (place, held) in places.as_object().cloned().unwrap_or_default() {
                add_place(action, &mut all, &place, field, held)?;
            }
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// A list of Resource Manager; `field` is what holds the items.
    ///
    /// # Errors
    /// Any failure of any page; a list without end.
    pub(crate) async fn list_managed<T: DeserializeOwned>(
        &self,
        action: &str,
        service: Service,
        field: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, ProviderError> {
        let query = [query, &[("pageSize", MANAGER_PAGE)]].concat();
        let call = Call { action, service, path: field, query: &query };
        let mut all = Vec::new();
        self.pages(&call, |mut page| {
            let items = page.fields.remove(field);
            add(action, &mut all, items)
        })
        .await?;
        Ok(all)
    }

    async fn pages(
        &self,
        call: &Call<'_>,
        mut take: impl FnMut(Page) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = call.query.to_vec();
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let here = Call { query: &query, service: call.service.clone(), ..*call };
            let page: Page = self.read(&here).await?;
            check_whole(call.action, &page)?;
            let next = page.next.clone().filter(|next| !next.is_empty());
            take(page)?;
            match next {
                None => return Ok(()),
                Some(next) if token.as_ref() == Some(&next) => break,
                next => token = next,
            }
        }
        let message = format!("the list does not end within {PAGES_MAX} pages");
        Err(ProviderError::new(ErrorKind::Rejected, call.action, message))
    }
}

/// Refuses a page that says that something is missing.
fn check_whole(action: &str, page: &Page) -> Result<(), ProviderError> {
    let mut unseen = page.unreachables.iter().chain(&page.unreachable).flatten();
    if let Some(place) = unseen.next() {
        return Err(partial(action, place, "could not be reached"));
    }
    match page.warning.as_ref().filter(|warning| !warning.is_harmless()) {
        Some(warning) => Err(partial(action, &warning.code, &warning.message)),
        None => Ok(()),
    }
}

fn add_place<T: DeserializeOwned>(
    action: &str,
    all: &mut Vec<T>,
    place: &str,
    field: &str,
    held: Value,
) -> Result<(), ProviderError> {
    let Value::Object(mut held) = held else { return Ok(()) };
    if let Some(warning) = held.remove("warning") {
        let warning: Warning = serde_json::from_value(warning).map_err(|_| unreadable(action))?;
        if !warning.is_harmless() {
            return Err(partial(action, place, &warning.message));
        }
    }
    add(action, all, held.remove(field))
}

fn add<T: DeserializeOwned>(
    action: &str,
    all: &mut Vec<T>,
    items: Option<Value>,
) -> Result<(), ProviderError> {
    let Some(items) = items.filter(|items| !items.is_null()) else { return Ok(()) };
    let items: Vec<T> = serde_json::from_value(items).map_err(|_| unreadable(action))?;
    if all.len() + items.len() > ITEMS_MAX {
        let message = format!("the list has more than {ITEMS_MAX} items");
        return Err(ProviderError::new(ErrorKind::Rejected, action, message));
    }
    all.extend(items);
    Ok(())
}

fn unreadable(action: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Transient, action, "an item of the list could not be read")
}

fn partial(action: &str, place: &str, why: &str) -> ProviderError {
    let why = why.trim_end_matches('.');
    let mut error =
        ProviderError::new(ErrorKind::Transient, action, format!("the list is not whole: `{place}`: {why}"));
    "PARTIAL".clone_into(&mut error.code);
    error.hint = "nothing is planned on half a list; the next pass reads it again".to_owned();
    error
}
