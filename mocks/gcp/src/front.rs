//! The front of a world: HTTP requests in, HTTP answers out; credentials, limits of calls and faults on the way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mock_cloud::{CallKind, Fault};

use crate::discovery::Service;
use crate::error::{GcpError, already_exists, forbidden, stale};
use crate::logging;
use crate::request::{Reply, Request};
use crate::throttle::Group;
use crate::world::World;

/// The headers that the simulation reads.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Headers<'a> {
    /// `Authorization`: none or any bearer token; `Bearer expired` has expired.
    pub authorization: &'a str,
    /// `Host`: `ZONE-cloudresourcemanager.googleapis.com` is the Resource Manager of a zone. A first part of the
    /// path that is one of Google's host names says the same.
    pub host: &'a str,
    /// Where links lead, such as `http://127.0.0.1:8080`; empty is the public cloud.
    pub endpoint: &'a str,
}

/// One answer of the front.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
    /// Whether the connection is cut instead of answering.
    pub drop_connection: bool,
}

/// The front of a world: cheap to clone, usable in-process and over HTTP.
#[derive(Clone)]
pub struct GcpFront {
    world: Arc<Mutex<World>>,
}

impl GcpFront {
    /// A front on a world.
    pub fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// The world, for stepping, seeding and looking.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request.
    pub fn handle(&self, verb: &str, path_and_query: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        self.world().answer(verb, path_and_query, headers, body)
    }
}

impl World {
    fn answer(&mut self, verb: &str, path_and_query: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        if self.faults.is_dead() {
            return Answer { status: 503, body: String::new(), drop_connection: true };
        }
        self.advance_ms(self.settings.call_ms);
        if Self::is_for_logging(path_and_query, headers.host) {
            return self.answer_logging(verb, path_and_query, headers, body);
        }
        let parsed = Request::parse(verb, path_and_query, headers.host, headers.endpoint, body);
        let known = parsed.as_ref().ok().map(|request| (request.service, request.method));
        let (outcome, lost) = match parsed {
            Ok(request) => self.attempt(request, headers),
            Err(error) => (Err(error), false),
        };
        let word = outcome.as_ref().map_or_else(|error| error.reason.clone(), |_| "ok".to_owned());
        let action = known.map_or(verb, |(_, method)| method.id.as_str());
        let mutating = known.is_some_and(|(_, method)| method.is_mutating());
        self.calls.note(action, self.now_ms(), mutating, &word, &shortened(path_and_query, body));
        let with_reasons = known.is_none_or(|(service, _)| service == Service::Compute);
        match outcome {
            Ok(reply) => Answer { status: 200, body: reply.body.to_string(), drop_connection: lost },
            Err(error) => Answer {
                status: error.code,
                body: error.body(with_reasons).to_string(),
                drop_connection: lost,
            },
        }
    }

    fn answer_logging(&mut self, verb: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        let outcome = self.list_entries(verb, path, headers, body);
        let word = outcome.as_ref().map_or_else(|error| error.reason.clone(), |_| "ok".to_owned());
        self.calls.note(logging::ACTION, self.now_ms(), false, &word, &shortened(path, body));
        let (status, body) = match outcome {
            Ok(page) => (200, page.to_string()),
            Err(error) => (error.code, error.body(false).to_string()),
        };
        Answer { status, body, drop_connection: false }
    }

    /// Refusals first, then faults, then the request; whether its answer is lost.
    fn attempt(&mut self, mut request: Request, headers: Headers<'_>) -> (Result<Reply, GcpError>, bool) {
        if let Err(error) = self.admit(&mut request, headers) {
            return (Err(error), false);
        }
        let is_mutating = request.method.is_mutating();
        let fault = self.faults.next(&request.method.id, CallKind::of(is_mutating), &mut self.random);
        let strikes = |fault: &Fault| is_mutating || !matches!(fault, Fault::LostAnswer | Fault::Conflict);
        match fault.filter(strikes) {
            Some(Fault::Throttle) => {
                let code = if request.service == Service::Manager { 429 } else { 403 };
                let error = GcpError::new(code, "rateLimitExceeded", "Rate Limit Exceeded");
                (Err(error), false)
            }
            Some(Fault::ServerError) => {
                let error = GcpError::new(503, "backendError", "Internal error. Please try again.");
                (Err(error), false)
            }
            Some(Fault::AccessDenied) => (Err(forbidden(&request.method.id, &request.path())), false),
            Some(Fault::Conflict) => (Err(conflict(&request)), false),
            Some(Fault::LostAnswer) => (self.run(request), true),
            None => (self.run(request), false),
        }
    }

    /// Credentials, denied scopes, limits of calls.
    fn admit(&mut self, request: &mut Request, headers: Headers<'_>) -> Result<(), GcpError> {
        if headers.authorization == "Bearer expired" {
            let message = "Request had invalid authentication credentials.";
            return Err(GcpError::new(401, "authError", message));
        }
        self.name_project(request);
        if self.settings.throttle {
            let limits = self.settings.limits;
            let group = Group::of(request.service, request.method);
            let limit = match group {
                Group::Manager => limits.manager_calls_per_minute,
                _ => limits.calls_per_minute,
            };
            let payer = match request.project() {
                "" => self.settings.project.0.clone(),
                project => project.to_owned(),
            };
            self.throttle.take(&payer, group, 1, limit, self.now_ms())?;
        }
        let paths = [request.resource(&self.state), request.path()];
        match paths.iter().find(|path| self.is_denied(path)) {
            Some(path) => Err(forbidden(&request.method.id, path)),
            None => Ok(()),
        }
    }

    /// Whether the caller may not see a path.
    pub(crate) fn is_denied(&self, path: &str) -> bool {
        self.faults.denied.iter().any(|scope| {
            path.strip_prefix(scope.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// Somebody else was faster: each service and kind of change says so in its own words.
fn conflict(request: &Request) -> GcpError {
    let path = request.path();
    match (request.service, request.method.verb.as_str(), request.method.word()) {
        (Service::Manager, ..) => {
            GcpError::new(409, "aborted", "There were concurrent changes to the resource.")
                .with_status("ABORTED")
        }
        (_, "PATCH" | "PUT", _) => stale(""),
        (_, _, "insert") => already_exists(&path),
        _ => GcpError::new(400, "resourceNotReady", format!("The resource '{path}' is not ready")),
    }
}

/// A request for the call log.
fn shortened(path: &str, body: &[u8]) -> String {
    const BYTES_MAX: usize = 300;
    let body = String::from_utf8_lossy(body.get(..BYTES_MAX).unwrap_or(body)).into_owned();
    format!("{path} {body}").trim_end().to_owned()
}
