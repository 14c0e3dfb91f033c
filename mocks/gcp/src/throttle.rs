//! The published limits of calls (`providers.md` 1.3): so many for each project, group and minute, and refilled at
//! the start of the next minute.

use std::collections::BTreeMap;

use crate::discovery::{Method, Service};
use crate::error::GcpError;

const MINUTE_MS: u64 = 60_000;

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Group {
    /// Everything that has no group of its own: changes above all.
    Queries,
    /// Reads of one resource.
    Reads,
    /// Lists.
    Lists,
    /// Reads of operations, waiting included.
    OperationReads,
    /// All calls to Resource Manager.
    Manager,
    /// Reads of log entries.
    Logs,
    /// Resources that filtered lists looked at.
    Scanned,
}

impl Group {
    /// The group of a method.
    pub fn of(service: Service, method: &Method) -> Self {
        if service == Service::Manager {
            return Self::Manager;
        }
        match method {
            method if method.id.contains("Operations.") && method.word() != "list" => Self::OperationReads,
            method if method.is_list() => Self::Lists,
            method if method.verb == "GET" => Self::Reads,
            _ => Self::Queries,
        }
    }

    fn metric(self) -> &'static str {
        match self {
            Self::Queries => "Queries",
            Self::Reads => "Read requests",
            Self::Lists => "List requests",
            Self::OperationReads => "Operation read requests",
            Self::Manager => "Requests",
            Self::Logs => "Read requests",
            Self::Scanned => "Filtered list cost overhead",
        }
    }
}

/// What was used in the minute that runs.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    used: BTreeMap<(String, Group), (u64, u64)>,
}

impl Throttle {
    /// Counts a call, or what it costs.
    ///
    /// # Errors
    /// 403 `rateLimitExceeded`, or 429 from Resource Manager; nothing is counted then.
    pub fn take(
        &mut self,
        project: &str,
        group: Group,
        cost: u64,
        limit: u64,
        now_ms: u64,
    ) -> Result<(), GcpError> {
        let minute = now_ms / MINUTE_MS;
        let (of, used) = self.used.entry((project.to_owned(), group)).or_insert((minute, 0));
        if *of != minute {
            (*of, *used) = (minute, 0);
        }
        if *used + cost <= limit {
            *used += cost;
            return Ok(());
        }
        let (code, service) = match group {
            Group::Manager => (429, "cloudresourcemanager"),
            _ => (403, "compute"),
        };
        let metric = group.metric();
        let message = format!(
            "Quota exceeded for quota metric '{metric}' and limit '{metric} per minute' of service '{service}.googleapis.com' for consumer '{project}'."
        );
        Err(GcpError::new(code, "rateLimitExceeded", message))
    }
}
