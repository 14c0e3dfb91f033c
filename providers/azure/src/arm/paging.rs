//! Lists: every page or an error. Half a list would plan deletions.

use provider::{ErrorKind, ProviderError};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::arm::client::Arm;

/// Pages of one list at most.
pub const PAGES_MAX: usize = 2_000;
/// Items of one list at most.
pub const ITEMS_MAX: usize = 500_000;

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default = "Option::default")]
    value: Option<Vec<T>>,
    #[serde(default, rename = "nextLink")]
    next_link: Option<String>,
    #[serde(default, rename = "skipToken")]
    skip_token: Option<String>,
}

impl Arm {
    /// Reads a list by GET, following its links.
    ///
    /// # Errors
    /// Any failure of any page; a link that leaves the endpoint or comes again; more than the limits.
    pub async fn list<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        version: &str,
    ) -> Result<Vec<T>, ProviderError> {
        let mut url = self.endpoint().url(path, &[("api-version", version)])?;
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let page: Page<T> = self.send(self.request(action, Method::GET, url.clone())).await?.read()?;
            // An answer without a list is no empty list.
            let items = page.value.ok_or_else(|| no_list(action))?;
            add(action, &mut all, items)?;
            let Some(link) = page.next_link.filter(|link| !link.is_empty()) else { return Ok(all) };
            let next = self.endpoint().link(&link)?;
            if next == url {
                return Err(endless(action));
            }
            url = next;
        }
        Err(endless(action))
    }

    /// Reads a list by POST, as network managers give theirs: the token of the next page goes through the bodies.
    ///
    /// # Errors
    /// As [`Arm::list`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        version: &str,
        question: &Value,
    ) -> Result<Vec<T>, ProviderError> {
        let url = self.endpoint().url(path, &[("api-version", version)])?;
        let mut question = question.clone();
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut request = self.request(action, Method::POST, url.clone());
            request.body = question.to_string().into_bytes();
            let page: Page<T> = self.send(request).await?.read()?;
            add(action, &mut all, page.value.unwrap_or_default())?;
            let Some(token) = page.skip_token.filter(|token| !token.is_empty()) else { return Ok(all) };
            if question.get("skipToken").and_then(Value::as_str) == Some(&token) {
                return Err(endless(action));
            }
            if let Some(fields) = question.as_object_mut() {
                fields.insert("skipToken".to_owned(), json!(token));
            }
        }
        Err(endless(action))
    }
}

fn add<T>(action: &str, all: &mut Vec<T>, page: Vec<T>) -> Result<(), ProviderError> {
    if all.len() + page.len() > ITEMS_MAX {
        let message = format!("the list has more than {ITEMS_MAX} items");
        return Err(ProviderError::new(ErrorKind::Rejected, action, message));
    }
    all.extend(page);
    Ok(())
}

fn no_list(action: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Transient, action, "the answer holds no list")
}

fn endless(action: &str) -> ProviderError {
    let message = format!("the list does not end within {PAGES_MAX} pages");
    ProviderError::new(ErrorKind::Rejected, action, message)
}
