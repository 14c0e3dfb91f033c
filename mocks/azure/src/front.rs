//! The front of a world: HTTP requests in, HTTP answers out; login, throttles and faults on the way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mock_cloud::{CallKind, Fault};
use serde_json::Value;

use crate::error::ArmError;
use crate::login;
use crate::requests::{Reply, Request, is_in};
use crate::throttle::Class;
use crate::world::World;

/// The headers that the simulation reads.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Headers<'a> {
    /// `Authorization`: `Bearer` and any token; `Bearer expired` has expired.
    pub authorization: &'a str,
    /// `If-Match`.
    pub if_match: Option<&'a str>,
    /// Where absolute links lead, such as `http://127.0.0.1:8080`; empty is the public cloud.
    pub endpoint: &'a str,
}

/// One answer of the front.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON or nothing.
    pub body: String,
    /// Whether the connection is cut instead of answering.
    pub drop_connection: bool,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The front of a world: cheap to clone, usable in-process and over HTTP.
#[derive(Clone)]
pub struct AzureFront {
    world: Arc<Mutex<World>>,
}

impl AzureFront {
    /// A front on a world.
    pub fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// The world, for stepping, seeding and looking.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request.
    pub fn handle(&self, method: &str, path_and_query: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        self.world().answer(method, path_and_query, headers, body)
    }
}

impl World {
    fn answer(&mut self, method: &str, path_and_query: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        let path = path_and_query.split('?').next().unwrap_or_default();
        if let Some(found) = login::answer(method, path, headers.endpoint) {
            return Answer {
                status: 200,
                headers: Vec::new(),
                body: found.to_string(),
                drop_connection: false,
            };
        }
        if self.faults.is_dead() {
            return Answer { status: 503, headers: Vec::new(), body: String::new(), drop_connection: true };
        }
        self.advance_ms(self.settings.call_ms);
        let number = self.calls.all().len() + 1;
        let mut known = vec![
            (
                "x-ms-request-id".to_owned(),
                format!("{:08x}-0000-4000-8000-{number:012x}", self.settings.seed as u32),
            ),
            ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
        ];
        let parsed = Request::parse(method, path_and_query, body);
        let action = parsed.as_ref().map_or_else(|_| method.to_owned(), Request::action);
        let mutating = parsed.as_ref().is_ok_and(Request::is_mutating);
        let (outcome, lost) = match parsed {
            Ok(mut request) => {
                request.if_match = headers.if_match.map(str::to_owned);
                if !headers.endpoint.is_empty() {
                    headers.endpoint.clone_into(&mut request.endpoint);
                }
                self.attempt(&request, &action, headers, &mut known)
            }
            Err(error) => (Err(error), false),
        };
        let word = outcome.as_ref().map_or_else(|error| error.code.clone(), |_| "ok".to_owned());
        self.calls.note(&action, self.now_ms(), mutating, &word, &shortened(path_and_query, body));
        finished(outcome, known, lost)
    }

    /// Refusals first, then faults, then the request; whether its answer is lost.
    fn attempt(
        &mut self,
        request: &Request,
        action: &str,
        headers: Headers<'_>,
        known: &mut Vec<(String, String)>,
    ) -> (Result<Reply, ArmError>, bool) {
        if let Err(error) = self.admit(request, headers, known) {
            return (Err(error), false);
        }
        let is_mutating = request.is_mutating();
        let fault = self.faults.next(action, CallKind::of(is_mutating), &mut self.random);
        let strikes = |fault: &Fault| is_mutating || !matches!(fault, Fault::LostAnswer | Fault::Conflict);
        match fault.filter(strikes) {
            Some(Fault::Throttle) => {
                let error = ArmError::new(429, "TooManyRequests", "The request is being throttled.");
                (Err(error.retry_after(1)), false)
            }
            Some(Fault::ServerError) => {
                (Err(ArmError::new(500, "InternalServerError", "An error occurred.")), false)
            }
            Some(Fault::AccessDenied) => (Err(forbidden(action, &request.path)), false),
            Some(Fault::Conflict) => (Err(conflict(request)), false),
            Some(Fault::LostAnswer) => (self.run(request), true),
            None => (self.run(request), false),
        }
    }

    /// Credentials, denied scopes, limits of calls.
    fn admit(
        &mut self,
        request: &Request,
        headers: Headers<'_>,
        known: &mut Vec<(String, String)>,
    ) -> Result<(), ArmError> {
        let Some(token) = headers.authorization.strip_prefix("Bearer ") else {
            let message = "Authentication failed. The 'Authorization' header is missing.";
            return Err(ArmError::new(401, "AuthenticationFailed", message));
        };
        if token == "expired" {
            let message = "The access token expiry UTC time is earlier than current UTC time.";
            return Err(ArmError::new(401, "ExpiredAuthenticationToken", message));
        }
        if self.settings.throttle {
            let is_network = request.path.to_lowercase().contains("/providers/microsoft.network/");
            let class = Class::of(&request.method);
            known.extend(self.throttle.take(class, is_network, self.now_ms())?);
        }
        if self.faults.denied.iter().any(|scope| is_in(&request.path, scope)) {
            return Err(forbidden(&request.action(), &request.path));
        }
        Ok(())
    }
}

fn forbidden(action: &str, path: &str) -> ArmError {
    let message = format!(
        "The client does not have authorization to perform action '{action}' over scope '{path}' or the scope is invalid."
    );
    ArmError::new(403, "AuthorizationFailed", message)
}

/// Somebody else was faster: a change of what was read is refused by its etag, and one without by what is under way.
fn conflict(request: &Request) -> ArmError {
    if request.if_match.is_some() {
        return ArmError::new(412, "PreconditionFailed", "Precondition failed.");
    }
    let message = "Cannot proceed with operation because resource it uses or depends on is being changed by \
        another operation.";
    ArmError::new(429, "RetryableErrorDueToAnotherOperation", message).retry_after(10)
}

fn finished(outcome: Result<Reply, ArmError>, mut headers: Vec<(String, String)>, lost: bool) -> Answer {
    match outcome {
        Ok(reply) => {
            headers.extend(reply.headers);
            let body = if reply.body == Value::Null { String::new() } else { reply.body.to_string() };
            Answer { status: reply.status, headers, body, drop_connection: lost }
        }
        Err(error) => {
            if let Some(seconds) = error.retry_after_s {
                headers.push(("retry-after".to_owned(), seconds.to_string()));
            }
            if error.status == 401 {
                headers.push(("www-authenticate".to_owned(), "Bearer error=\"invalid_token\"".to_owned()));
            }
            headers.push(("x-ms-failure-cause".to_owned(), "gateway".to_owned()));
            Answer { status: error.status, headers, body: error.body().to_string(), drop_connection: lost }
        }
    }
}

/// A request for the call log.
fn shortened(path: &str, body: &[u8]) -> String {
    const BYTES_MAX: usize = 300;
    let body = String::from_utf8_lossy(body.get(..BYTES_MAX).unwrap_or(body)).into_owned();
    format!("{path} {body}").trim_end().to_owned()
}
