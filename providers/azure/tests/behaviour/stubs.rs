//! Answers that the simulation does not give: other forms of operations, links that lead away, bodies that are wrong.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use provider::{Clock, ErrorKind, ProviderError};
use provider_azure::resources::{ApplicationGroup, Tags, kind};
use provider_azure::{Arm, ArmSettings, Endpoint, Writer};
use serde_json::{Value, json};

use crate::harness::{Fixed, id};

struct Stepped(Mutex<u64>);

#[async_trait]
impl Clock for Stepped {
    fn now_ms(&self) -> u64 {
        *self.0.lock().unwrap()
    }
    async fn sleep(&self, duration: std::time::Duration) {
        *self.0.lock().unwrap() += duration.as_millis() as u64;
    }
}

/// What a stub says: status, headers, body.
type Said = (u16, Vec<(&'static str, String)>, String);

struct Stub {
    arm: Arm,
    clock: Arc<Stepped>,
    asked: Arc<Mutex<Vec<String>>>,
    endpoint: String,
}

/// A server that answers by method, path and how often it was asked before; `{}` in headers is its own address.
async fn stub(
    prefix: &str,
    answer: impl Fn(&str, &str, usize) -> Said + Clone + Send + Sync + 'static,
) -> Stub {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, address) = (asked.clone(), own.clone());
    let serve = move |method: Method, uri: Uri, headers: HeaderMap, _: Bytes| {
        let line = format!("{method} {}", uri.path());
        assert!(headers.contains_key("authorization"), "{line}");
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|known| **known == line).count();
        log.push(line);
        let (status, said, body) = answer(method.as_str(), uri.path(), before);
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.insert(name, value.replace("{}", &address).parse().unwrap());
        }
        std::future::ready((StatusCode::from_u16(status).unwrap(), headers, body.replace("{}", &address)))
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(serve)).await });
    let endpoint = Endpoint::parse(&format!("{own}{prefix}")).unwrap();
    let clock = Arc::new(Stepped(Mutex::new(0)));
    let arm = Arm::at_endpoint(ArmSettings::new(endpoint), Arc::new(Fixed("t")), clock.clone()).unwrap();
    Stub { arm, clock, asked, endpoint: own }
}

fn said(status: u16, body: Value) -> Said {
    (status, Vec::new(), body.to_string())
}

async fn list(stub: &Stub) -> Result<Vec<Value>, ProviderError> {
    stub.arm.list("Some/things/read", "/subscriptions/s/things", "2024-03-01").await
}

#[tokio::test]
async fn a_path_in_the_endpoint_stays_in_front_of_every_call() {
    let stub = stub("/azure/eu", |_, path, before| match (path, before) {
        ("/azure/eu/subscriptions/s/things", 0) => {
            said(200, json!({ "value": [1], "nextLink": "{}/azure/eu/subscriptions/s/things?page=2" }))
        }
        ("/azure/eu/subscriptions/s/things", 1) => said(200, json!({ "value": [2] })),
        _ => said(404, json!({})),
    })
    .await;
    assert_eq!(list(&stub).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn links_that_lead_away_are_not_followed() {
    let elsewhere = stub("", |_, _, _| said(200, json!({ "value": [9] }))).await;
    let away = elsewhere.endpoint.clone();
    for (link, kind) in [
        (format!("{away}/subscriptions/s/things"), ErrorKind::Rejected),
        ("https://management.azure.com/subscriptions/s/things".to_owned(), ErrorKind::Rejected),
        ("{}/subscriptions/s/things?api-version=2024-03-01".to_owned(), ErrorKind::Rejected),
        ("nonsense".to_owned(), ErrorKind::Rejected),
    ] {
        let next = link.clone();
        let stub = stub("", move |_, _, _| said(200, json!({ "value": [1], "nextLink": next }))).await;
        assert_eq!(list(&stub).await.unwrap_err().kind, kind, "{link}");
        assert_eq!(stub.asked.lock().unwrap().len(), 1, "{link}");
    }
    for status in [301, 302, 307, 308] {
        let to = away.clone();
        let stub = stub("", move |_, _, _| (status, vec![("location", to.clone())], String::new())).await;
        assert_eq!(list(&stub).await.unwrap_err().kind, ErrorKind::Rejected, "{status}");
    }
    let to = away.clone();
    let stub = stub("", move |method, _, _| match method {
        "PUT" => (201, vec![("azure-asyncoperation", format!("{to}/operations/1"))], "{}".to_owned()),
        _ => said(404, json!({ "error": { "code": "ResourceNotFound", "message": "no" } })),
    })
    .await;
    assert_eq!(create(&stub).await.unwrap_err().kind, ErrorKind::Rejected);
    assert_eq!(*elsewhere.asked.lock().unwrap(), Vec::<String>::new(), "nobody else has seen the token");
}

#[tokio::test]
async fn wrong_bodies_are_errors() {
    for (status, body, kind) in [
        (200, "{", ErrorKind::Transient),
        (200, r#"{"value":[1"#, ErrorKind::Transient),
        (200, "<html>", ErrorKind::Transient),
        (200, "{}", ErrorKind::Transient),
        (200, r#"{"value":null}"#, ErrorKind::Transient),
        (502, "<html>bad gateway</html>", ErrorKind::Transient),
        (404, "", ErrorKind::NotFound),
        (429, "", ErrorKind::Throttled),
        (403, r#"{"error":null}"#, ErrorKind::Denied),
    ] {
        let stub = stub("", move |_, _, _| (status, Vec::new(), body.to_owned())).await;
        assert_eq!(list(&stub).await.unwrap_err().kind, kind, "{status} {body}");
    }
    let endless = stub("", |_, _, before| {
        said(200, json!({ "value": [], "nextLink": format!("{{}}/subscriptions/s/things?page={before}") }))
    })
    .await;
    assert_eq!(list(&endless).await.unwrap_err().kind, ErrorKind::Rejected);
    let long = stub("", |_, _, _| (200, Vec::new(), "x".repeat(65 << 20))).await;
    let error = list(&long).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(format!("{:?}", error.source).contains("TooLong"), "{:?}", error.source);
}

async fn create(stub: &Stub) -> Result<provider_azure::Written, ProviderError> {
    Writer::new(stub.arm.clone()).create_application_group(&id("asg/x"), "westeurope", &Tags::new()).await
}

/// A cloud in which `x` is not there before it is put; how the PUT and what follows are answered is given.
fn making(
    put: Said,
    then: impl Fn(&str, usize) -> Said + Clone + Send + Sync + 'static,
) -> impl Fn(&str, &str, usize) -> Said + Clone + Send + Sync + 'static {
    move |method, path, before| match (method, path.ends_with("/x"), before) {
        ("PUT", ..) => put.clone(),
        ("GET", true, 0) => said(404, json!({ "error": { "code": "ResourceNotFound", "message": "no" } })),
        (_, _, before) => then(path, before),
    }
}

fn shown(state: &str) -> Said {
    said(200, json!({ "id": id("asg/x"), "etag": "W/\"2\"", "properties": { "provisioningState": state } }))
}

#[tokio::test]
async fn an_operation_without_a_link_is_seen_on_the_resource() {
    let put = said(201, json!({ "properties": { "provisioningState": "Updating" } }));
    let good =
        stub("", making(put.clone(), |_, before| shown(if before < 4 { "Updating" } else { "Succeeded" })))
            .await;
    assert_eq!(create(&good).await.unwrap().calls.len(), 1);
    // 1, 1.5, 2.25, 3.375 seconds: longer each time where the cloud does not say how long.
    assert_eq!(good.clock.now_ms(), 1_000 + 1_500 + 2_250 + 3_375);
    let bad = stub("", making(put, |_, _| shown("Failed"))).await;
    assert_eq!(create(&bad).await.unwrap_err().kind, ErrorKind::Transient);
    let at_once = stub("", making(shown("Succeeded"), |_, _| shown("Succeeded"))).await;
    create(&at_once).await.unwrap();
    assert_eq!(at_once.clock.now_ms(), 0);
}

#[tokio::test]
async fn an_operation_with_a_location_is_seen_there() {
    let put =
        (202, vec![("location", "{}/results/1".to_owned()), ("retry-after", "5".to_owned())], String::new());
    let then = |last: Said| {
        move |path: &str, before: usize| match (path, before) {
            ("/results/1", 0 | 1) => (202, vec![("retry-after", "2".to_owned())], String::new()),
            ("/results/1", _) => last.clone(),
            _ => shown("Succeeded"),
        }
    };
    let good = stub("", making(put.clone(), then(shown("Succeeded")))).await;
    create(&good).await.unwrap();
    assert_eq!(good.clock.now_ms(), 9_000, "as the cloud says");
    let failed = said(409, json!({ "error": { "code": "SecurityRuleCountLimitReached", "message": "m" } }));
    let bad = stub("", making(put, then(failed))).await;
    let error = create(&bad).await.unwrap_err();
    assert_eq!(
        (error.kind, error.action.as_str()),
        (ErrorKind::OverQuota, "Microsoft.Network/applicationSecurityGroups/write")
    );
}

#[tokio::test]
async fn a_question_that_takes_time_gives_its_answer() {
    let stub = stub("", |method, path, before| match (method, path, before) {
        ("POST", ..) => {
            let links = ["azure-asyncoperation", "location"].map(|name| (name, format!("{{}}/{name}")));
            (202, links.to_vec(), String::new())
        }
        (_, "/azure-asyncoperation", 0) => said(200, json!({ "status": "InProgress" })),
        (_, "/azure-asyncoperation", _) => said(200, json!({ "status": "Succeeded" })),
        _ => said(200, json!({ "value": ["rule"] })),
    })
    .await;
    let path = format!("{}/effectiveNetworkSecurityGroups", id("nic/a"));
    let found: Value = stub.arm.ask_slowly("some/action", &path, "2024-03-01").await.unwrap();
    assert_eq!(found, json!({ "value": ["rule"] }));
}

#[tokio::test]
async fn a_call_without_an_answer_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let settings =
        ArmSettings { call_timeout: std::time::Duration::from_millis(50), ..ArmSettings::new(endpoint) };
    let clock = Arc::new(Stepped(Mutex::new(0)));
    let arm = Arm::at_endpoint(settings, Arc::new(Fixed("t")), clock).unwrap();
    let group = id("asg/x");
    let version = kind::APPLICATION_GROUP.version;
    let error = arm.get::<ApplicationGroup>("a/read", group.as_str(), version).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("no answer within"), "{error}");
}
