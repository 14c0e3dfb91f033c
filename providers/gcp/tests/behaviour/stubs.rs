//! Answers that the simulation does not give.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, Uri};
use provider::{ErrorKind, WallClock};
use provider_gcp::rest::Token;
use provider_gcp::{Api, ApiSettings, Endpoint};
use serde_json::{Value, json};

/// A client of a server that answers by path and by how often it was asked.
async fn stub(answer: impl Fn(&str, usize) -> (u16, Value) + Clone + Send + Sync + 'static) -> Api {
    let asked = Arc::new(AtomicUsize::new(0));
    let app = axum::Router::new().fallback(move |uri: Uri, _: HeaderMap| {
        let (status, body) = answer(&uri.to_string(), asked.fetch_add(1, Ordering::SeqCst));
        std::future::ready((StatusCode::from_u16(status).unwrap(), body.to_string()))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let settings = ApiSettings { call_timeout: Duration::from_millis(500), ..ApiSettings::new(endpoint) };
    Api::at_endpoint(settings, Arc::new(Token::new("t")), Arc::new(WallClock::default())).unwrap()
}

async fn list(api: &Api) -> Result<Vec<Value>, provider::ProviderError> {
    api.list_everywhere("compute.instances.aggregatedList", "projects/p/aggregated/instances", "instances")
        .await
}

#[tokio::test]
async fn half_a_list_is_an_error_however_it_is_told() {
    let place =
        |warning: &str| json!({ "items": { "zones/a": { "warning": { "code": warning, "message": "m" } } } });
    for (body, good) in [
        (json!({ "items": { "zones/a": { "instances": [1] } } }), true),
        (json!({}), true),
        (place("NO_RESULTS_ON_PAGE"), true),
        (place("UNREACHABLE"), false),
        (place("SOMETHING_NEW"), false),
        (json!({ "unreachables": ["zones/a"] }), false),
        (json!({ "warning": { "code": "PARTIAL_SUCCESS", "message": "m" } }), false),
        (json!("no object"), false),
    ] {
        let shown = body.clone();
        let api = stub(move |_, _| (200, shown.clone())).await;
        let found = list(&api).await;
        assert_eq!(found.is_ok(), good, "{body}: {found:?}");
        assert!(found.is_ok() || found.unwrap_err().kind == ErrorKind::Transient);
    }
}

#[tokio::test]
async fn a_list_that_does_not_end_is_an_error() {
    let api = stub(|_, _| (200, json!({ "nextPageToken": "again" }))).await;
    assert_eq!(list(&api).await.unwrap_err().kind, ErrorKind::Rejected);
    let api = stub(|uri, n| {
        assert_eq!(uri.contains("pageToken=a%2Bb"), n == 1, "{uri}");
        let item = json!({ "items": { "zones/a": { "instances": [n] } }, "nextPageToken": if n == 0 { "a+b" } else { "" } });
        (200, item)
    })
    .await;
    assert_eq!(list(&api).await.unwrap(), [0, 1]);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let api = stub(|_, _| (307, json!({}))).await;
    let error = list(&api).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Rejected, "http status 307"));
}

#[tokio::test]
async fn a_call_without_an_answer_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let settings = ApiSettings { call_timeout: Duration::from_millis(50), ..ApiSettings::new(endpoint) };
    let api = Api::at_endpoint(settings, Arc::new(Token::new("t")), Arc::new(WallClock::default())).unwrap();
    let error = list(&api).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("no answer within"), "{error}");
}
