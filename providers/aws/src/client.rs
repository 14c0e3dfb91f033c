//! The way to EC2: one `tower` stack (timeout → pace → limit → driver) under every call.
//!
//! The SDK's own retries are off, so that a throttle is seen; a call that fails is not sent again.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::result::SdkError as Sdk;
use plan::Scope;
use provider::{Clock, ErrorKind, ProviderError, WallClock};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt};

use crate::connections::{Buckets, Connections, Shared};
use crate::errors;
use crate::pace::Pace;
use crate::pages::PAGE_SIZE;

/// What the driver needs to know besides the scope.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// The ownership mark.
    pub installation: String,
    /// Tags for every object that we make.
    pub extra_tags: BTreeMap<String, String>,
    /// The share of every API bucket that we use, 0 to 1.
    pub share: f64,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// Objects on one page of a read; EC2 takes 5 to 1,000.
    pub page_size: i32,
    /// What shares the buckets: one value for the settings of all scopes of a process.
    pub connections: Connections,
}

impl AwsSettings {
    /// Half of every bucket, 30 s for a call.
    pub fn new(installation: &str) -> Self {
        Self {
            installation: installation.to_owned(),
            extra_tags: BTreeMap::new(),
            share: 0.5,
            call_timeout: Duration::from_secs(30),
            page_size: PAGE_SIZE,
            connections: Connections::default(),
        }
    }
}

/// One call: its action, and the future that makes it.
struct Call<T> {
    action: &'static str,
    future: Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send>>,
}

/// A paced connection to one account and region.
#[derive(Clone)]
pub struct Ec2 {
    client: Client,
    shared: Shared,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    page_size: i32,
}

impl Ec2 {
    /// Connects by the SDK's usual environment: profile, keys, `AWS_ENDPOINT_URL`.
    pub async fn connect(settings: &AwsSettings, scope: &Scope) -> Self {
        Self::connect_to(settings, &scope.account, &scope.region).await
    }

    /// The same without a scope; an empty account is that of the credentials.
    pub async fn connect_to(settings: &AwsSettings, account: &str, region: &str) -> Self {
        use aws_smithy_http_client::tls;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let loaded = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(region.to_owned()))
            .load()
            .await;
        // The environment is that of the process: one endpoint for all.
        let buckets = Buckets { account: account.to_owned(), ..Buckets::default() };
        let config = aws_sdk_ec2::config::Builder::from(&loaded);
        Self::build(config, buckets, settings, Arc::new(WallClock::default()))
    }

    /// Connects to an endpoint with throw-away credentials and a given clock: for simulators.
    pub fn at_endpoint(endpoint: &str, settings: &AwsSettings, scope: &Scope, clock: Arc<dyn Clock>) -> Self {
        let config = aws_sdk_ec2::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new(scope.region.clone()))
            .credentials_provider(aws_sdk_ec2::config::Credentials::new(
                "simulator",
                "simulator",
                None,
                None,
                "simulator",
            ))
            .endpoint_url(endpoint);
        let (account, endpoint) = (scope.account.clone(), endpoint.to_owned());
        let buckets = Buckets { account, endpoint, ..Buckets::default() };
        Self::build(config, buckets, settings, clock)
    }

    /// Connects by a given configuration and clock: for tests, the demo, and recorded answers.
    pub fn from_config(
        config: aws_sdk_ec2::config::Builder,
        settings: &AwsSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::build(config, Buckets::default(), settings, clock)
    }

    fn build(
        config: aws_sdk_ec2::config::Builder,
        mut buckets: Buckets,
        settings: &AwsSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let config = config
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        buckets.region = config.region().map(ToString::to_string).unwrap_or_default();
        Self {
            client: Client::from_conf(config),
            shared: settings.connections.join(&buckets, settings.share, &clock),
            clock,
            timeout: settings.call_timeout,
            page_size: settings.page_size,
        }
    }

    /// Objects on one page of a read.
    pub(crate) fn page_size(&self) -> i32 {
        self.page_size
    }

    /// The share of every bucket that is used when nothing is throttled.
    pub(crate) fn share(&self) -> f64 {
        self.shared.pace.share()
    }

    /// Waits, by the connection's clock.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Sends one call through the stack.
    pub(crate) async fn call<T, E, F>(
        &self,
        action: &'static str,
        send: impl FnOnce(Client) -> F,
    ) -> Result<T, ProviderError>
    where
        T: Send + 'static,
        E: std::error::Error + aws_sdk_ec2::error::ProvideErrorMetadata + RequestId + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E>>> + Send + 'static,
    {
        let sent = send(self.client.clone());
        let future = Box::pin(async move { sent.await.map_err(|error| errors::classify(action, error)) });
        let driver = tower::service_fn(|call: Call<T>| call.future);
        let limited = GlobalConcurrencyLimitLayer::with_semaphore(self.shared.limit.clone()).layer(driver);
        let paced = Paced { inner: limited, pace: self.shared.pace.clone() };
        let mut stack = Timeout { inner: paced, duration: self.timeout };
        stack.ready().await?.call(Call { action, future }).await
    }
}

/// Used by `errors`: the SDK's error with its answer.
pub(crate) type SdkFailure<E> = Sdk<E, aws_smithy_runtime_api::http::Response>;

/// Waits for a token, and only then for its turn among the calls in flight: a call that waits for a slow bucket keeps
/// nobody from another one.
#[derive(Clone)]
struct Paced<S> {
    inner: S,
    pace: Arc<Pace>,
}

impl<S, T> Service<Call<T>> for Paced<S>
where
    S: Service<Call<T>, Response = T, Error = ProviderError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    T: Send + 'static,
{
    type Response = T;
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        // INVARIANT: being ready means to hold a place inside, which is taken after the wait for a token.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<T>) -> Self::Future {
        let (mut inner, pace, action) = (self.inner.clone(), self.pace.clone(), call.action);
        Box::pin(async move {
            let token = pace.wait(action).await;
            let answer = inner.ready().await?.call(call).await;
            let throttled = matches!(&answer, Err(error) if error.kind == ErrorKind::Throttled);
            pace.answered(action, throttled, token);
            answer
        })
    }
}

/// Gives up on a call after a while. It puts the limit into the call that it hands on, so that the time counts from
/// when the call is sent: waits for a token and for a place are not the cloud's.
#[derive(Clone)]
struct Timeout<S> {
    inner: S,
    duration: Duration,
}

impl<S, T> Service<Call<T>> for Timeout<S>
where
    S: Service<Call<T>, Response = T, Error = ProviderError> + Send,
    S::Future: Send + 'static,
    T: Send + 'static,
{
    type Response = T;
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call<T>) -> Self::Future {
        let (duration, action) = (self.duration, call.action);
        let limited = Call {
            action,
            future: Box::pin(async move {
                tokio::time::timeout(duration, call.future).await.unwrap_or_else(|_| {
                    let message = format!("no answer within {} s", duration.as_secs());
                    let mut error = ProviderError::new(ErrorKind::Transient, action, message);
                    error.hint = "whether the call took effect is unknown; the next pass looks".to_owned();
                    Err(error)
                })
            }),
        };
        Box::pin(self.inner.call(limited))
    }
}
