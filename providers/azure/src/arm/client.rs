//! The client: builds a request, sends it once through the stack, and reads the answer or the refusal.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use provider::reread::Tape;
use provider::{Clock, ErrorKind, ProviderError, WallClock};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH};
use serde::de::DeserializeOwned;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, ServiceExt};
use url::Url;

use crate::arm::answer::{ANSWER_BYTES_MAX, Answer, REQUEST_BYTES_MAX, Request};
use crate::arm::credential::{self, CredentialSettings};
use crate::arm::endpoint::Endpoint;
use crate::arm::errors::{self, ErrorBody, Seen};
use crate::arm::pace::{Buckets, Class, Pace, Plane};
use crate::arm::stack::{Paced, Timeout, within};
use crate::arm::transport::{Http, Transport, read_bounded};

/// Calls in flight at most.
const CALLS_MAX: usize = 8;
/// Longer waits than this are cut: the next pass asks again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What the client needs to know besides who it is.
#[derive(Clone, Debug)]
pub struct ArmSettings {
    /// Where ARM is.
    pub endpoint: Endpoint,
    /// The share of every limit that we use, 0 to 1.
    pub share: f64,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// How long one long-running operation may take.
    pub operation_timeout: Duration,
}

impl ArmSettings {
    /// Half of every limit, 60 s for a call, 15 minutes for an operation.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            share: 0.5,
            call_timeout: Duration::from_secs(60),
            operation_timeout: Duration::from_secs(15 * 60),
        }
    }
}

/// A paced connection to ARM as one principal; cheap to clone. It only reads.
#[derive(Clone)]
pub struct Arm {
    shared: Arc<Shared>,
    /// Where calls are noted, if they are.
    tape: Option<Arc<Tape<Request, Answer>>>,
}

struct Shared {
    transport: Arc<dyn Transport>,
    settings: ArmSettings,
    credential: Arc<dyn TokenCredential>,
    clock: Arc<dyn Clock>,
    pace: Arc<Pace>,
    limit: Arc<tokio::sync::Semaphore>,
}

impl Arm {
    /// Connects with a configured credential and the machine's clock.
    ///
    /// # Errors
    /// When the credential lacks something or TLS cannot be set up.
    pub fn connect(settings: ArmSettings, credential: CredentialSettings) -> Result<Self, ProviderError> {
        Self::connect_by(settings, credential, Arc::new(WallClock::default()))
    }

    /// Connects with a configured credential and a given clock: a simulation's time is not the machine's.
    ///
    /// # Errors
    /// As [`Arm::connect`].
    pub fn connect_by(
        settings: ArmSettings,
        credential: CredentialSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        let http = Http::new()?;
        let credential = credential.connect(&http)?;
        Ok(Self::over(Arc::new(http), settings, credential, clock))
    }

    /// Connects with a given credential and clock: for simulators.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn at_endpoint(
        settings: ArmSettings,
        credential: Arc<dyn TokenCredential>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        Ok(Self::over(Arc::new(Http::new()?), settings, credential, clock))
    }

    /// Connects over a given transport: for answers that were recorded.
    pub fn over(
        transport: Arc<dyn Transport>,
        settings: ArmSettings,
        credential: Arc<dyn TokenCredential>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let pace = Arc::new(Pace::new(clock.clone(), settings.share));
        let limit = Arc::new(tokio::sync::Semaphore::new(CALLS_MAX));
        let shared = Shared { transport, settings, credential, clock, pace, limit };
        Self { shared: Arc::new(shared), tape: None }
    }

    /// The same connection with its calls on a tape.
    pub(crate) fn taped(&self, tape: &Arc<Tape<Request, Answer>>) -> Self {
        Self { shared: self.shared.clone(), tape: Some(tape.clone()) }
    }

    /// Reads one resource.
    ///
    /// # Errors
    /// By what the caller does next.
    pub async fn get<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        version: &str,
    ) -> Result<T, ProviderError> {
        let url = self.shared.settings.endpoint.url(path, &[("api-version", version)])?;
        self.send(self.request(action, Method::GET, url)).await?.read()
    }

    /// The share of every limit that we use, 0 to 1.
    pub fn share(&self) -> f64 {
        self.shared.settings.share
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.shared.settings.endpoint
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    pub(crate) fn operation_timeout(&self) -> Duration {
        self.shared.settings.operation_timeout
    }

    /// A request without a body.
    pub(crate) fn request(&self, action: &str, method: Method, url: Url) -> Request {
        let buckets = buckets_of(&method, url.path());
        Request {
            action: action.to_owned(),
            method,
            url,
            if_match: None,
            body: Vec::new(),
            buckets,
            timeout: self.shared.settings.call_timeout,
        }
    }

    /// Makes one call, on the tape if there is one. A call that fails is not sent again.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, ProviderError> {
        match &self.tape {
            Some(tape) => tape.call(request, |request| self.send_through(request)).await,
            None => self.send_through(request).await,
        }
    }

    /// Sends one call through the stack.
    async fn send_through(&self, request: Request) -> Result<Answer, ProviderError> {
        if request.body.len() > REQUEST_BYTES_MAX {
            let message =
                format!("the request has {} bytes, and {REQUEST_BYTES_MAX} are taken", request.body.len());
            return Err(ProviderError::new(ErrorKind::OverQuota, &request.action, message));
        }
        let client = self.clone();
        let driver = tower::service_fn(move |request: Request| {
            let client = client.clone();
            async move { within(request, |request| client.send_once(request)).await }
        });
        let limit = GlobalConcurrencyLimitLayer::with_semaphore(self.shared.limit.clone());
        let paced = Paced { inner: limit.layer(driver), pace: self.shared.pace.clone() };
        Timeout { inner: paced, duration: self.shared.settings.call_timeout }.oneshot(request).await
    }

    async fn send_once(self, request: Request) -> Result<Answer, ProviderError> {
        let action = request.action.as_str();
        // INVARIANT: the token leaves for the endpoint's own origin only, whoever built the address.
        let url = self.shared.settings.endpoint.link(request.url.as_str())?;
        let scope = self.shared.settings.endpoint.token_scope();
        let token = self.shared.credential.get_token(&[scope], None).await;
        let token = token.map_err(|error| credential::no_token(action, error))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.token.secret()))
            .map_err(|_| ProviderError::new(ErrorKind::Denied, action, "the token is no header value"))?;
        bearer.set_sensitive(true);
        let mut sent = reqwest::Request::new(request.method.clone(), url);
        sent.headers_mut().insert(AUTHORIZATION, bearer);
        if let Some(etag) = &request.if_match {
            let etag = HeaderValue::from_str(etag).map_err(|_| {
                ProviderError::new(ErrorKind::Rejected, action, "the etag is no header value")
            })?;
            sent.headers_mut().insert(IF_MATCH, etag);
        }
        if !request.body.is_empty() {
            sent.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *sent.body_mut() = Some(request.body.clone().into());
        }
        let carried = self.shared.transport.carry(sent).await;
        let mut response = carried.map_err(|error| lost(action, error.without_url()))?;
        let heard = Heard::read(&response, &request);
        let body = match read_bounded(&mut response, ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return Err(ProviderError { request_id: heard.request_id, ..lost(action, error) }),
        };
        tracing::debug!(action, status = heard.status, request_id = heard.request_id, "azure call");
        self.judge(request, heard, body)
    }

    /// Tells the pace how it went, and turns a refusal into an error.
    fn judge(&self, request: Request, heard: Heard, body: Vec<u8>) -> Result<Answer, ProviderError> {
        let seen = Seen::Status(heard.status);
        let refusal = (!(200..300).contains(&heard.status)).then(|| {
            let parsed = ErrorBody::parse(&body);
            errors::classify(&request.action, seen, &parsed, heard.retry_after, &heard.request_id)
        });
        // A service that is too busy says when to come back, and means it.
        let is_busy = heard.status == 503 && heard.retry_after.is_some();
        let is_throttle = refusal.as_ref().is_some_and(|error| error.kind == ErrorKind::Throttled) || is_busy;
        let throttled = is_throttle.then(|| heard.retry_after.unwrap_or(Duration::from_secs(1)));
        self.shared.pace.answered(&request.buckets, throttled, heard.remaining);
        match refusal {
            Some(error) => Err(error),
            None => Ok(Answer {
                action: request.action,
                status: heard.status,
                request_id: heard.request_id,
                retry_after: heard.retry_after,
                async_operation: heard.async_operation,
                location: heard.location,
                body,
            }),
        }
    }
}

/// What the head of an answer says.
struct Heard {
    status: u16,
    request_id: String,
    retry_after: Option<Duration>,
    remaining: Option<u32>,
    async_operation: Option<String>,
    location: Option<String>,
}

impl Heard {
    fn read(response: &reqwest::Response, request: &Request) -> Self {
        let headers = response.headers();
        let remaining = match request.buckets.class {
            Class::Read => "x-ms-ratelimit-remaining-subscription-reads",
            Class::Write => "x-ms-ratelimit-remaining-subscription-writes",
            Class::Delete => "x-ms-ratelimit-remaining-subscription-deletes",
        };
        // Seconds; a date is not used by ARM and counts as nothing said.
        let seconds = header(headers, "retry-after").and_then(|word| word.trim().parse().ok());
        Self {
            status: response.status().as_u16(),
            request_id: header(headers, "x-ms-request-id").unwrap_or_default(),
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
            remaining: header(headers, remaining).and_then(|word| word.parse().ok()),
            async_operation: header(headers, "azure-asyncoperation"),
            location: header(headers, "location"),
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The limits that a call counts against, by its path.
fn buckets_of(method: &Method, path: &str) -> Buckets {
    let lower = path.to_lowercase();
    let mut parts = lower.split('/').skip_while(|part| *part != "subscriptions").skip(1);
    let class = match *method {
        Method::GET | Method::HEAD => Class::Read,
        Method::DELETE => Class::Delete,
        _ => Class::Write,
    };
    let is_network = lower.contains("/providers/microsoft.network/");
    Buckets {
        subscription: parts.next().unwrap_or_default().to_owned(),
        class,
        plane: if is_network { Plane::Network } else { Plane::Arm },
    }
}

/// The way to the cloud failed: what was done may have been done.
fn lost(action: &str, error: impl std::error::Error + Send + Sync + 'static) -> ProviderError {
    let message = "the cloud could not be reached, or its answer was lost";
    let mut failed = ProviderError::new(ErrorKind::Transient, action, message);
    failed.hint = "check the network and the endpoint; the next pass looks again".to_owned();
    failed.source = Some(Arc::new(error));
    failed
}
