//! The one `tower` stack under every call: timeout → pace → limit → send.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use provider::{ErrorKind, ProviderError};
use tower::{Service, ServiceExt};

use crate::rest::answer::{Answer, Request};
use crate::rest::pace::Pace;

type Answering = Pin<Box<dyn Future<Output = Result<Answer, ProviderError>> + Send>>;

/// Gives every call its time: at least this, more where the request asks for more (waiting for an operation). The
/// time that it waits for its turn does not count as the cloud's.
#[derive(Clone)]
pub(crate) struct Timeout<S> {
    pub(crate) inner: S,
    pub(crate) duration: Duration,
}

impl<S: Service<Request, Response = Answer, Error = ProviderError, Future = Answering>> Service<Request>
    for Timeout<S>
{
    type Response = Answer;
    type Error = ProviderError;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Answering {
        let timeout = request.timeout.max(self.duration);
        self.inner.call(Request { timeout, ..request })
    }
}

/// Lets the call through when its turn has come; it holds no place among the calls in flight before.
#[derive(Clone)]
pub(crate) struct Paced<S> {
    pub(crate) inner: S,
    pub(crate) pace: Arc<Pace>,
}

impl<S> Service<Request> for Paced<S>
where
    S: Service<Request, Response = Answer, Error = ProviderError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = ProviderError;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answering {
        let (pace, inner) = (self.pace.clone(), self.inner.clone());
        Box::pin(async move {
            pace.wait(&request.buckets).await;
            inner.oneshot(request).await
        })
    }
}

/// The end of the stack: sends, within the call's time.
pub(crate) async fn within<F>(
    request: Request,
    send: impl FnOnce(Request) -> F,
) -> Result<Answer, ProviderError>
where
    F: Future<Output = Result<Answer, ProviderError>>,
{
    let (action, timeout) = (request.action.clone(), request.timeout);
    tokio::time::timeout(timeout, send(request)).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", timeout.as_secs());
        let mut error = ProviderError::new(ErrorKind::Transient, &action, message);
        error.hint = "whether the call took effect is unknown; the next pass looks".to_owned();
        Err(error)
    })
}
