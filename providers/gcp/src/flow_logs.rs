//! VPC flow logs and firewall logs out of Cloud Logging. Those that a sink writes to a bucket are objects: `ingest` reads them.
//!
//! Entries are asked for by when they were *received*, which no entry can change by coming late: a window that is over is
//! complete after a short wait.

use std::sync::Arc;

use async_trait::async_trait;
use flow::Format;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use provider::flows::Windows;
use provider::{ErrorKind, FlowCursor, FlowSource, Piece, ProviderError};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rest::client::{Api, Call};
use crate::rest::endpoint::Service;

const ACTION: &str = "logging.entries.list";
/// Entries on one page: the most that Cloud Logging gives.
const PAGE_ENTRIES: u32 = 1_000;
/// Width of the windows in which a project is read.
const WINDOW_S: i64 = 60;
/// How long after it was received an entry can be found, at most: lists are eventually consistent.
const SETTLE_S: i64 = 120;

/// The wall clock in Unix seconds, as a capability.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The logs of one project as a source of flow logs.
pub struct CloudLogging {
    name: String,
    project: String,
    api: Api,
    windows: Windows,
    now: Now,
}

impl CloudLogging {
    /// Over a connection; read from `since` (Unix seconds) where nothing was read before.
    pub fn new(name: &str, project: &str, api: Api, since: i64, now: Now) -> Self {
        let (of, format) = (format!("projects/{project}"), Format::GcpJsonLines);
        let windows = Windows { of, format, since, width_s: WINDOW_S, settle_s: SETTLE_S };
        Self { name: name.to_owned(), project: project.to_owned(), api, windows, now }
    }
}

#[async_trait]
impl FlowSource for CloudLogging {
    fn name(&self) -> &str {
        &self.name
    }

    async fn pieces(&self, cursor: &FlowCursor, max: usize) -> Result<Vec<Piece>, ProviderError> {
        Ok(self.windows.pieces(cursor, (self.now)(), max))
    }

    /// A window is listed when it is complete: none comes late.
    fn late_s(&self) -> Option<i64> {
        Some(0)
    }

    async fn open(
        &self,
        piece: &Piece,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, ProviderError>>, ProviderError> {
        let filter = self.windows.span(piece).and_then(|span| filter(&self.project, span));
        let Some(filter) = filter else {
            let message = format!("`{}` is not of the logs of `{}`", piece.key, self.project);
            return Err(ProviderError::new(ErrorKind::Rejected, ACTION, message));
        };
        let pages = Pages { api: self.api.clone(), project: self.project.clone(), filter };
        let first = Some(String::new());
        Ok(stream::try_unfold(first, move |next| page(pages.clone(), next)).boxed())
    }
}

/// What is the same for all pages of a window.
#[derive(Clone)]
struct Pages {
    api: Api,
    project: String,
    filter: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    entries: Vec<Value>,
    #[serde(default)]
    next_page_token: String,
}

/// One page as lines, and the token of the next. A page without entries may have a next one.
async fn page(
    pages: Pages,
    next: Option<String>,
) -> Result<Option<(Vec<u8>, Option<String>)>, ProviderError> {
    let Some(token) = next else { return Ok(None) };
    let body = json!({
        "resourceNames": [format!("projects/{}", pages.project)],
        "filter": pages.filter,
        "orderBy": "timestamp asc",
        "pageSize": PAGE_ENTRIES,
        "pageToken": token,
    });
    let call = Call { action: ACTION, service: Service::Logging, path: "entries:list", query: &[] };
    let mut request = pages.api.request(Method::POST, &call)?;
    request.body = body.to_string().into_bytes();
    let answer: Page = pages.api.send(request).await?.read()?;
    let mut lines = String::new();
    for entry in &answer.entries {
        lines.push_str(&entry.to_string());
        lines.push('\n');
    }
    let next = Some(answer.next_page_token).filter(|token| !token.is_empty());
    Ok(Some((lines.into_bytes(), next)))
}

/// `vpc_flows` is written below `networkmanagement` where it is configured for more than a subnet.
fn filter(project: &str, (from, to): (i64, i64)) -> Option<String> {
    let logs = [
        "compute.googleapis.com%2Fvpc_flows",
        "compute.googleapis.com%2Ffirewall",
        "networkmanagement.googleapis.com%2Fvpc_flows",
    ];
    let names = logs.map(|log| format!("\"projects/{project}/logs/{log}\"")).join(" OR ");
    let [from, to] = [from, to].map(|at| Timestamp::from_second(at).ok());
    Some(format!("logName=({names}) AND receiveTimestamp>=\"{}\" AND receiveTimestamp<\"{}\"", from?, to?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_half_open_and_of_three_logs() {
        let text = filter("p1", (1_793_613_600, 1_793_613_660)).unwrap_or_default();
        assert!(
            text.starts_with("logName=(\"projects/p1/logs/compute.googleapis.com%2Fvpc_flows\" OR "),
            "{text}"
        );
        assert!(
            text.ends_with(
                "receiveTimestamp>=\"2026-11-02T10:00:00Z\" AND receiveTimestamp<\"2026-11-02T10:01:00Z\""
            ),
            "{text}"
        );
    }
}
