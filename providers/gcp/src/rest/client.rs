//! The client: builds a request, sends it once through the stack, and reads the answer or the refusal.

use std::sync::Arc;
use std::time::Duration;

use provider::reread::Tape;
use provider::{Clock, ErrorKind, ProviderError, WallClock};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, ServiceExt};

use crate::rest::answer::{ANSWER_BYTES_MAX, Answer, REQUEST_BYTES_MAX, Request};
use crate::rest::credential::{CredentialSettings, TokenSource};
use crate::rest::endpoint::{Endpoint, Service, may_see_token};
use crate::rest::errors::{self, ErrorBody, Seen};
use crate::rest::pace::{Buckets, Group, Pace, Rates};
use crate::rest::stack::{Paced, Timeout, within};
use crate::rest::transport::{Http, Transport, read_bounded};

/// Calls in flight at most.
const CALLS_MAX: usize = 8;
/// Longer waits than this are cut: the next pass asks again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What the client needs to know besides who it is.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Where the services are.
    pub endpoint: Endpoint,
    /// The share of every limit that we use, 0 to 1.
    pub share: f64,
    /// The limits.
    pub rates: Rates,
    /// The project that pays for calls outside of one (tags, folders): sent as `x-goog-user-project`.
    pub quota_project: Option<String>,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// How long one operation may take.
    pub operation_timeout: Duration,
}

impl ApiSettings {
    /// Half of every limit, 60 s for a call, 15 minutes for an operation.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            share: 0.5,
            rates: Rates::default(),
            quota_project: None,
            call_timeout: Duration::from_secs(60),
            operation_timeout: Duration::from_secs(15 * 60),
        }
    }
}

/// A paced connection to Google Cloud as one principal; cheap to clone. It only reads.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
    /// Where calls are noted, if they are.
    tape: Option<Arc<Tape<Request, Answer>>>,
}

struct Shared {
    transport: Arc<dyn Transport>,
    settings: ApiSettings,
    credential: Arc<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    pace: Arc<Pace>,
    limit: Arc<tokio::sync::Semaphore>,
}

/// One call in the words of the services.
pub(crate) struct Call<'a> {
    /// The id of Google's method.
    pub action: &'a str,
    pub service: Service,
    /// Below the version, such as `projects/p/global/networks`.
    pub path: &'a str,
    pub query: &'a [(&'a str, &'a str)],
}

impl Api {
    /// Connects with a configured credential and the machine's clock.
    ///
    /// # Errors
    /// When the credential lacks something or TLS cannot be set up.
    pub fn connect(settings: ApiSettings, credential: CredentialSettings) -> Result<Self, ProviderError> {
        Self::connect_by(settings, credential, Arc::new(WallClock::default()))
    }

    /// Connects with a configured credential and a given clock: a simulation's time is not the machine's.
    ///
    /// # Errors
    /// As [`Api::connect`].
    pub fn connect_by(
        settings: ApiSettings,
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
        settings: ApiSettings,
        credential: Arc<dyn TokenSource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        Ok(Self::over(Arc::new(Http::new()?), settings, credential, clock))
    }

    /// Connects over a given transport: for answers that were recorded.
    pub fn over(
        transport: Arc<dyn Transport>,
        settings: ApiSettings,
        credential: Arc<dyn TokenSource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let pace = Arc::new(Pace::new(clock.clone(), settings.share, settings.rates));
        let limit = Arc::new(tokio::sync::Semaphore::new(CALLS_MAX));
        let shared = Shared { transport, settings, credential, clock, pace, limit };
        Self { shared: Arc::new(shared), tape: None }
    }

    /// The same connection with its calls on a tape.
    pub(crate) fn taped(&self, tape: &Arc<Tape<Request, Answer>>) -> Self {
        Self { shared: self.shared.clone(), tape: Some(tape.clone()) }
    }

    /// Reads one resource of Compute Engine by its path.
    ///
    /// # Errors
    /// By what the caller does next.
    pub async fn get<T: DeserializeOwned>(&self, action: &str, path: &str) -> Result<T, ProviderError> {
        self.read(&Call { action, service: Service::Compute, path, query: &[] }).await
    }

    /// Reads one thing of the global Resource Manager by its name, such as `tagKeys/1`.
    ///
    /// # Errors
    /// By what the caller does next; [`ErrorKind::Denied`] also for what is not there.
    pub async fn get_managed<T: DeserializeOwned>(
        &self,
        action: &str,
        name: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ProviderError> {
        self.read(&Call { action, service: Service::Manager, path: name, query }).await
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, ProviderError> {
        self.send(self.request(Method::GET, call)?).await?.read()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    /// The share of every limit that it uses.
    pub(crate) fn share(&self) -> f64 {
        self.shared.settings.share
    }

    pub(crate) fn rates(&self) -> Rates {
        self.shared.settings.rates
    }

    pub(crate) fn operation_timeout(&self) -> Duration {
        self.shared.settings.operation_timeout
    }

    /// A request without a body.
    pub(crate) fn request(&self, method: Method, call: &Call<'_>) -> Result<Request, ProviderError> {
        let url = self.shared.settings.endpoint.url(&call.service, call.path, call.query)?;
        Ok(Request {
            action: call.action.to_owned(),
            buckets: self.buckets_of(&method, call),
            method,
            url,
            body: Vec::new(),
            timeout: Duration::ZERO,
        })
    }

    /// The limit that a call counts against.
    fn buckets_of(&self, method: &Method, call: &Call<'_>) -> Buckets {
        let payer = || self.shared.settings.quota_project.clone().unwrap_or_default();
        match call.service {
            Service::Compute => {}
            Service::Logging => return Buckets { project: payer(), group: Group::Logs },
            Service::Manager | Service::ManagerOf(_) => {
                return Buckets { project: payer(), group: Group::Manager };
            }
        }
        let own = call.path.strip_prefix("projects/").and_then(|rest| rest.split('/').next());
        let word = call.action.rsplit('.').next().unwrap_or_default();
        let group = match word {
            _ if call.action.contains("Operations.") && word != "list" => Group::OperationReads,
            "list" | "aggregatedList" | "listXpnHosts" | "getXpnResources" => Group::Lists,
            _ if *method == Method::GET => Group::Reads,
            _ => Group::Queries,
        };
        Buckets { project: own.map_or_else(payer, str::to_owned), group }
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
        // INVARIANT: the token leaves encrypted, or to this machine itself.
        if !may_see_token(&request.url) {
            let message = "the token would be sent unencrypted";
            return Err(ProviderError::new(ErrorKind::Rejected, action, message));
        }
        let token = self.shared.credential.token().await;
        let token = token.map_err(|error| ProviderError { action: action.to_owned(), ..error })?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.secret()))
            .map_err(|_| ProviderError::new(ErrorKind::Denied, action, "the token is no header value"))?;
        bearer.set_sensitive(true);
        let mut sent = reqwest::Request::new(request.method.clone(), request.url.clone());
        sent.headers_mut().insert(AUTHORIZATION, bearer);
        if let Some(project) = &self.shared.settings.quota_project {
            let project = HeaderValue::from_str(project).map_err(|_| {
                ProviderError::new(ErrorKind::Rejected, action, "the quota project is no header value")
            })?;
            sent.headers_mut().insert("x-goog-user-project", project);
        }
        if request.method != Method::GET && request.method != Method::DELETE {
            // Also without a body: a POST of nothing needs its length.
            sent.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *sent.body_mut() = Some(request.body.clone().into());
        }
        let carried = self.shared.transport.carry(sent).await;
        let mut response = carried.map_err(|error| lost(action, error.without_url()))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let body =
            read_bounded(&mut response, ANSWER_BYTES_MAX).await.map_err(|error| lost(action, error))?;
        tracing::debug!(action, status, "google call");
        self.judge(request, status, retry_after, body)
    }

    /// Tells the pace how it went, and turns a refusal into an error.
    fn judge(
        &self,
        request: Request,
        status: u16,
        retry_after: Option<Duration>,
        body: Vec<u8>,
    ) -> Result<Answer, ProviderError> {
        let refusal = (!(200..300).contains(&status)).then(|| {
            let said = ErrorBody::parse(&body);
            errors::classify(&request.action, Seen::Status(status), &said, retry_after)
        });
        // A service that is too busy says when to come back, and means it.
        let is_busy = status == 503 && retry_after.is_some();
        let is_throttle = refusal.as_ref().is_some_and(|error| error.kind == ErrorKind::Throttled) || is_busy;
        self.shared.pace.answered(&request.buckets, is_throttle.then_some(retry_after));
        match refusal {
            Some(error) => Err(error),
            None => Ok(Answer { action: request.action, body }),
        }
    }
}

/// Seconds; a date is not used by Google and counts as nothing said, and so does no time at all.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let word = headers.get("retry-after")?.to_str().ok()?;
    let seconds = word.trim().parse().ok().filter(|seconds: &u64| *seconds > 0)?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Whether an error says that nobody knows what became of the call: nothing came back that could be read, or the
/// service failed on the way. Whoever wrote looks for what was done.
pub(crate) fn is_lost(error: &ProviderError) -> bool {
    error.kind == ErrorKind::Transient
}

/// The way to the cloud failed: what was done may have been done.
fn lost(action: &str, error: impl std::error::Error + Send + Sync + 'static) -> ProviderError {
    let message = "the cloud could not be reached, or its answer was lost";
    let mut failed = ProviderError::new(ErrorKind::Transient, action, message);
    failed.hint = "check the network and the endpoint; the next pass looks again".to_owned();
    failed.source = Some(Arc::new(error));
    failed
}
