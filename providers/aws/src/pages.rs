//! Paged reads: every page of a list, or an error. A list that does not end is an error too.

use std::collections::BTreeSet;

use provider::{ErrorKind, ProviderError};

/// Objects on one page, unless the settings say otherwise; EC2 takes 5 to 1,000.
pub(crate) const PAGE_SIZE: i32 = 1000;
/// Pages of one list at most: a million objects.
const PAGES_MAX: usize = 1000;

/// Reads every page of a describe call into one list of what `convert` makes of each object, page by page: what the SDK
/// makes of an answer is many times as large as what is kept of it.
macro_rules! read_all {
    ($ec2:expr, $action:literal, $operation:ident, $items:ident, $filters:expr, $convert:expr) => {{
        let mut pages = $crate::pages::Pages::new($action);
        let mut items = Vec::new();
        loop {
            let (filters, size, token) = ($filters, $ec2.page_size(), pages.token());
            let page = $ec2
                .call($action, |client| {
                    let request =
                        client.$operation().set_filters(filters).max_results(size).set_next_token(token);
                    async move { request.send().await }
                })
                .await?;
            let follows = pages.follow(page.next_token())?;
            items.extend(page.$items.unwrap_or_default().into_iter().filter_map($convert));
            if !follows {
                break items;
            }
        }
    }};
}
pub(crate) use read_all;

/// Where a paged read is in its list.
pub(crate) struct Pages {
    action: &'static str,
    token: Option<String>,
    seen: BTreeSet<String>,
}

impl Pages {
    pub(crate) fn new(action: &'static str) -> Self {
        Self { action, token: None, seen: BTreeSet::new() }
    }

    /// What to ask for next.
    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// Takes the token that a page ends with; whether another page follows.
    pub(crate) fn follow(&mut self, token: Option<&str>) -> Result<bool, ProviderError> {
        self.token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        let Some(token) = &self.token else { return Ok(false) };
        let pages = self.seen.len() + 1;
        if self.seen.insert(token.clone()) && pages < PAGES_MAX {
            return Ok(true);
        }
        let message = format!("the list does not end: page {pages} repeats a token, or is one too many");
        Err(ProviderError::new(ErrorKind::Transient, self.action, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_or_is_an_error() {
        let mut pages = Pages::new("DescribeVpcs");
        assert!(pages.follow(Some("a")).is_ok_and(|follows| follows));
        assert!(pages.follow(Some("b")).is_ok_and(|follows| follows));
        assert_eq!(pages.token().as_deref(), Some("b"));
        let repeated = pages.follow(Some("a")).map_err(|error| (error.kind, error.message));
        let message = "the list does not end: page 3 repeats a token, or is one too many".to_owned();
        assert_eq!(repeated, Err((ErrorKind::Transient, message)));
        for end in [None, Some("")] {
            assert!(Pages::new("DescribeVpcs").follow(end).is_ok_and(|follows| !follows));
        }
        let mut pages = Pages::new("DescribeVpcs");
        let last = (0..2 * PAGES_MAX).find(|page| pages.follow(Some(&page.to_string())).is_err());
        assert_eq!(last, Some(PAGES_MAX - 1));
    }
}
