//! VPC flow logs and firewall logs out of Cloud Logging. Those that a sink writes to a bucket are objects: `ingest` reads them.
//!
//! Entries are asked for by when they were *received*, which no entry can change by coming late: a window that is over is
//! complete after a short wait.

use async_trait::async_trait;
use flow::Format;
use jiff::Timestamp;
use provider::flows::{LogPages, Now, Windowed, Windows};
use provider::{ErrorKind, ProviderError};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rest::client::{Api, Call};
use crate::rest::endpoint::Service;

/// Entries on one page: the most that Cloud Logging gives.
const PAGE_ENTRIES: u32 = 1_000;
/// Width of the windows in which a project is read.
const WINDOW_S: i64 = 60;
/// How long after it was received an entry can be found, at most: lists are eventually consistent.
const SETTLE_S: i64 = 120;

/// The logs of one project as a source of flow logs.
pub type CloudLogging = Windowed<Entries>;

/// The entries of a project.
pub struct Entries {
    api: Api,
    project: String,
}

impl Entries {
    /// Over a connection; read from `since` (Unix seconds) where nothing was read before.
    pub fn source(name: &str, project: &str, api: Api, since: i64, now: Now) -> CloudLogging {
        let (of, format) = (format!("projects/{project}"), Format::GcpJsonLines);
        let windows = Windows { of, format, since, width_s: WINDOW_S, settle_s: SETTLE_S };
        Windowed::new(name, Self { api, project: project.to_owned() }, windows, now)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    entries: Vec<Value>,
    #[serde(default)]
    next_page_token: String,
}

#[async_trait]
impl LogPages for Entries {
    const ACTION: &'static str = "logging.entries.list";

    async fn page(
        &self,
        span: (i64, i64),
        token: Option<String>,
    ) -> Result<(Vec<u8>, Option<String>), ProviderError> {
        let body = json!({
            "resourceNames": [format!("projects/{}", self.project)],
            "filter": filter(&self.project, span)?,
            "orderBy": "timestamp asc",
            "pageSize": PAGE_ENTRIES,
            "pageToken": token.unwrap_or_default(),
        });
        let call = Call { action: Self::ACTION, service: Service::Logging, path: "entries:list", query: &[] };
        let mut request = self.api.request(Method::POST, &call)?;
        request.body = body.to_string().into_bytes();
        let answer: Page = self.api.send(request).await?.read()?;
        let mut lines = String::new();
        for entry in &answer.entries {
            lines.push_str(&entry.to_string());
            lines.push('\n');
        }
        let next = Some(answer.next_page_token).filter(|token| !token.is_empty());
        Ok((lines.into_bytes(), next))
    }
}

/// `vpc_flows` is written below `networkmanagement` where it is configured for more than a subnet.
fn filter(project: &str, span: (i64, i64)) -> Result<String, ProviderError> {
    let logs = [
        "compute.googleapis.com%2Fvpc_flows",
        "compute.googleapis.com%2Ffirewall",
        "networkmanagement.googleapis.com%2Fvpc_flows",
    ];
    let names = logs.map(|log| format!("\"projects/{project}/logs/{log}\"")).join(" OR ");
    let time = |at| {
        let impossible =
            |error: jiff::Error| ProviderError::new(ErrorKind::Rejected, Entries::ACTION, error.to_string());
        Timestamp::from_second(at).map_err(impossible)
    };
    let (from, to) = (time(span.0)?, time(span.1)?);
    Ok(format!("logName=({names}) AND receiveTimestamp>=\"{from}\" AND receiveTimestamp<\"{to}\""))
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
