//! The connections: TLS by rustls with ring, no redirects, no proxy in front of this machine itself.
//!
//! The TLS configuration is handed over whole, so that no process-wide crypto provider is needed or disturbed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::request::Body;
use azure_core::http::{AsyncRawResponse, HttpClient};
use provider::{ErrorKind, ProviderError};
use reqwest::redirect::Policy;
use rustls_platform_verifier::BuilderVerifierExt;

/// What carries a call to the cloud and brings its answer back: connections, or answers that were recorded.
#[async_trait]
pub trait Transport: Send + Sync {
    /// One call, once.
    async fn carry(&self, request: reqwest::Request) -> reqwest::Result<reqwest::Response>;
}

#[async_trait]
impl Transport for Http {
    async fn carry(&self, request: reqwest::Request) -> reqwest::Result<reqwest::Response> {
        self.for_scheme(request.url().scheme()).execute(request).await
    }
}

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the identity service may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Answers of the identity service above this size are refused.
const TOKEN_BYTES_MAX: usize = 1 << 20;

/// Connections for both uses; cheap to clone.
#[derive(Clone, Debug)]
pub struct Http {
    encrypted: reqwest::Client,
    plain: reqwest::Client,
}

impl Http {
    /// Connections that trust what this machine trusts.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when TLS cannot be set up.
    pub fn new() -> Result<Self, ProviderError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(no_tls)?
            .with_no_client_auth();
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("bulkhead/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            encrypted: builder().https_only(true).build().map_err(no_tls)?,
            // A proxy would see the token in the clear: what is plain goes to this machine or its own metadata.
            plain: builder().no_proxy().build().map_err(no_tls)?,
        })
    }

    /// The connections to use for a scheme.
    pub(crate) fn for_scheme(&self, scheme: &str) -> &reqwest::Client {
        if scheme == "https" { &self.encrypted } else { &self.plain }
    }
}

fn no_tls(error: impl std::error::Error + Send + Sync + 'static) -> ProviderError {
    let mut failed = ProviderError::new(ErrorKind::Rejected, "connect to Azure", "TLS cannot be set up");
    failed.hint = "install the root certificates of the system (ca-certificates)".to_owned();
    failed.source = Some(Box::new(error));
    failed
}

/// Reads a body to its end, or not at all when it is too long or breaks off.
pub(crate) async fn read_bounded(
    response: &mut reqwest::Response,
    most: usize,
) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > most {
            return Err(BodyError::TooLong(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection broke.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    /// There is more than may be.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// The way to the identity service, for `azure_identity`.
#[async_trait]
impl HttpClient for Http {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        use azure_core::error::ErrorKind as Kind;
        let url = request.url().clone();
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| azure_core::Error::new(Kind::Other, error))?;
        let mut sent = self.for_scheme(url.scheme()).request(method, url).timeout(TOKEN_TIMEOUT);
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        let Body::Bytes(body) = request.body() else {
            return Err(azure_core::Error::with_message(Kind::Other, "a streamed request is not supported"));
        };
        let failed = |error: reqwest::Error| {
            let kind = if error.is_connect() { Kind::Connection } else { Kind::Io };
            azure_core::Error::new(kind, error.without_url())
        };
        let mut response = sent.body(body.clone()).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(value) = value.to_str() {
                headers
                    .insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
            }
        }
        let body = read_bounded(&mut response, TOKEN_BYTES_MAX)
            .await
            .map_err(|error| azure_core::Error::new(Kind::Io, error))?;
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
    }
}
