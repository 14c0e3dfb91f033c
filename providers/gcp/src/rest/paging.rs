//! Lists: every page and every place, or an error. Half a list would plan deletions.
//!
//! Compute Engine answers a list over all places even when it cannot reach one, and says so in `unreachables` and in
//! warnings: that is half a list too.

use provider::{ErrorKind, ProviderError};
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::rest::client::{Api, Call};
use crate::rest::endpoint::Service;
use crate::rest::page::{Held, Page, PageOf};

/// Pages of one list at most.
pub const PAGES_MAX: usize = 4_000;
/// Items of one list at most.
pub const ITEMS_MAX: usize = 500_000;
/// Items on a page of Compute Engine.
const COMPUTE_PAGE: &str = "500";
/// Items on a page of Resource Manager.
const MANAGER_PAGE: &str = "300";

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
        self.pages(&call, Held::Here(field)).await
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
        self.pages(&call, Held::ByPlace(field)).await
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
        self.pages(&call, Held::Here(field)).await
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        held: Held<'_>,
    ) -> Result<Vec<T>, ProviderError> {
        let mut token: Option<String> = None;
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut query = call.query.to_vec();
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let here = Call { query: &query, service: call.service.clone(), ..*call };
            let answer = self.send(self.request(Method::GET, &here)?).await?;
            let page: Page<T> = answer.read_as(PageOf::new(held))?;
            check_whole(call.action, &page)?;
            let next = page.next.filter(|next| !next.is_empty());
            add(call.action, &mut all, page.items)?;
            match next {
                None => return Ok(all),
                Some(next) if token.as_ref() == Some(&next) => break,
                next => token = next,
            }
        }
        let message = format!("the list does not end within {PAGES_MAX} pages");
        Err(ProviderError::new(ErrorKind::Rejected, call.action, message))
    }
}

/// Refuses a page that says that something is missing.
fn check_whole<T>(action: &str, page: &Page<T>) -> Result<(), ProviderError> {
    if let Some(place) = page.unreachable.first() {
        return Err(partial(action, place, "could not be reached"));
    }
    match page.warnings.iter().find(|(_, warning)| !warning.is_harmless()) {
        Some((Some(place), warning)) => Err(partial(action, place, &warning.message)),
        Some((None, warning)) => Err(partial(action, &warning.code, &warning.message)),
        None => Ok(()),
    }
}

fn add<T>(action: &str, all: &mut Vec<T>, items: Vec<T>) -> Result<(), ProviderError> {
    if all.len() + items.len() > ITEMS_MAX {
        let message = format!("the list has more than {ITEMS_MAX} items");
        return Err(ProviderError::new(ErrorKind::Rejected, action, message));
    }
    all.extend(items);
    Ok(())
}

fn partial(action: &str, place: &str, why: &str) -> ProviderError {
    let why = why.trim_end_matches('.');
    let mut error =
        ProviderError::new(ErrorKind::Transient, action, format!("the list is not whole: `{place}`: {why}"));
    "PARTIAL".clone_into(&mut error.code);
    error.hint = "nothing is planned on half a list; the next pass reads it again".to_owned();
    error
}
