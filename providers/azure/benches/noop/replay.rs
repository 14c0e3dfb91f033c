//! A transport without sockets: the simulator in this process, and a tape of its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::Response;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use mock_azure::{AzureFront, Headers};
use provider::Clock;
use provider_azure::arm::transport::Transport;
use provider_azure::{Arm, ArmSettings, Endpoint};

const ENDPOINT: &str = "http://127.0.0.1:1";

/// Answers of reads by address, once it runs.
#[derive(Default)]
pub struct Tape {
    pub is_running: bool,
    pub answers: HashMap<String, Bytes>,
    pub calls: usize,
}

/// The simulator, or the tape where that has the answer.
#[derive(Clone)]
pub struct Replay {
    pub front: AzureFront,
    tape: Arc<Mutex<Tape>>,
}

impl Replay {
    pub fn new(front: AzureFront) -> Self {
        Self { front, tape: Arc::default() }
    }

    pub fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client over this transport, on the simulator's time.
    pub fn arm(&self) -> Arm {
        self.arm_on(Arc::new(Simulated(self.front.clone())))
    }

    /// The same, on another time.
    pub fn arm_on(&self, clock: Arc<dyn Clock>) -> Arm {
        let settings = ArmSettings { share: 1.0, ..ArmSettings::new(Endpoint::parse(ENDPOINT).unwrap()) };
        let token = AccessToken::new("simulated", OffsetDateTime::now_utc() + Duration::from_secs(3600));
        Arm::over(Arc::new(self.clone()), settings, Arc::new(Fixed(token)), clock)
    }
}

#[async_trait]
impl Transport for Replay {
    async fn carry(&self, request: reqwest::Request) -> reqwest::Result<reqwest::Response> {
        let url = request.url();
        let at = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut tape = self.tape();
        tape.calls += 1;
        if let Some(body) = tape.answers.get(&at).filter(|_| tape.is_running) {
            return Ok(Response::new(reqwest::Body::from(body.clone())).into());
        }
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let headers = Headers {
            authorization: text("authorization").unwrap_or_default(),
            if_match: text("if-match"),
            endpoint: ENDPOINT,
        };
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let answer = self.front.handle(request.method().as_str(), &at, headers, body);
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        let body = Bytes::from(answer.body);
        if tape.is_running {
            assert_eq!(answer.status, 200, "{at}: a no-op pass reads");
            tape.answers.insert(at, body.clone());
        }
        Ok(response.body(reqwest::Body::from(body)).unwrap().into())
    }
}

/// Hands out one token.
#[derive(Debug)]
struct Fixed(AccessToken);

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(self.0.clone())
    }
}

/// The simulation's virtual time: waiting moves it.
pub struct Simulated(pub AzureFront);

#[async_trait]
impl Clock for Simulated {
    fn now_ms(&self) -> u64 {
        self.0.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world().advance_ms(duration.as_millis() as u64);
    }
}
