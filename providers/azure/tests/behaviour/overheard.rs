//! A client whose requests somebody hears before the cloud does.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use mock_azure::{AzureFront, Headers};
use provider_azure::{Arm, ArmSettings, Endpoint};

use crate::harness::{Fixed, Sim, Simulated};

/// What whoever listens does next.
pub enum Then {
    /// Goes on listening.
    Listen,
    /// Has heard enough.
    Leave,
    /// Answers in the cloud's place.
    Say(String),
}

/// What is heard.
pub struct Heard<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub body: &'a [u8],
    pub front: &'a AzureFront,
}

type Hook = Arc<Mutex<Option<Box<dyn FnMut(Heard<'_>) -> Then + Send>>>>;

/// A client of the simulation behind a hook.
pub async fn overheard(sim: &Sim, hook: impl FnMut(Heard<'_>) -> Then + Send + 'static) -> Arm {
    let hook: Hook = Arc::new(Mutex::new(Some(Box::new(hook))));
    let front = sim.front.clone();
    let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let mut held = hook.lock().unwrap();
        let heard = Heard { method: &method, path: uri.path(), body: &body, front: &front };
        let said = match held.as_mut().map(|hook| hook(heard)) {
            Some(Then::Say(body)) => (StatusCode::OK, HeaderMap::new(), body),
            Some(Then::Leave) => {
                *held = None;
                forward(&front, &method, &uri, &headers, &body)
            }
            _ => forward(&front, &method, &uri, &headers, &body),
        };
        std::future::ready(said)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let clock = Arc::new(Simulated(sim.front.clone()));
    Arm::at_endpoint(ArmSettings::new(endpoint), Arc::new(Fixed("simulated")), clock).unwrap()
}

fn forward(
    front: &AzureFront,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (StatusCode, HeaderMap, String) {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let (token, etag) = (text("authorization").unwrap(), text("if-match"));
    let endpoint = format!("http://{}", text("host").unwrap());
    let read = Headers { authorization: &token, if_match: etag.as_deref(), endpoint: &endpoint };
    let found = front.handle(method.as_str(), uri.path_and_query().unwrap().as_str(), read, body);
    let mut said = HeaderMap::new();
    for (name, value) in found.headers {
        said.insert(HeaderName::try_from(name).unwrap(), value.try_into().unwrap());
    }
    (StatusCode::from_u16(found.status).unwrap(), said, found.body)
}
