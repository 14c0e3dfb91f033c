//! Tokens and secrets are logged at no level: everything that anybody logs is listened to, and searched.
//!
//! A test of its own process: it takes the global subscriber and logger.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, Transport};
use azure_core::time::OffsetDateTime;
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use provider::WallClock;
use provider_azure::arm::transport::Http;
use provider_azure::arm::{Arm, ArmSettings, CredentialSettings, Endpoint};
use provider_azure::resources::{ArmId, Tags};
use provider_azure::{Writer, observe};
use serde_json::{Value, json};

const TOKEN: &str = "t0ken-that-nobody-may-see";
const SECRET: &str = "s3cret-that-nobody-may-see";

static HEARD: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();

fn heard() -> Arc<Mutex<Vec<u8>>> {
    HEARD.get_or_init(Arc::default).clone()
}

struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        heard().lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}: {}\n", record.level(), record.target(), record.args());
        heard().lock().unwrap().extend_from_slice(line.as_bytes());
    }
    fn flush(&self) {}
}

#[derive(Debug)]
struct Fixed;

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(TOKEN.to_owned(), OffsetDateTime::now_utc() + Duration::from_secs(3600)))
    }
}

/// Success, paging, refusals, redirects, an operation, broken bodies, a login: by path.
async fn answer(method: Method, uri: Uri, headers: HeaderMap, _: Bytes) -> (StatusCode, HeaderMap, String) {
    let own = format!("http://{}", headers["host"].to_str().unwrap());
    let bearer = headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
    let mut said = HeaderMap::new();
    let path = uri.path().to_lowercase();
    let (status, body) = match path.rsplit('/').next().unwrap() {
        "token" => (
            200,
            json!({ "token_type": "Bearer", "access_token": TOKEN, "expires_in": 3600, "ext_expires_in": 3600 }),
        ),
        _ if !bearer => (401, json!({ "error": { "code": "AuthenticationFailed", "message": "no token" } })),
        "pages" if uri.query().unwrap().contains("page=2") => (200, json!({ "value": [2] })),
        "pages" => (200, json!({ "value": [1], "nextLink": format!("{own}/pages?page=2") })),
        "redirect" => {
            said.insert("location", "https://elsewhere.example/".parse().unwrap());
            (307, Value::Null)
        }
        "denied" => (403, json!({ "error": { "code": "AuthorizationFailed", "message": "no" } })),
        "expired" => (401, json!({ "error": { "code": "ExpiredAuthenticationToken", "message": "old" } })),
        "broken" => (200, json!("not what is wanted")),
        "operation" => (200, json!({ "status": "Failed", "error": { "code": "Odd", "message": "m" } })),
        "x" if method == Method::PUT => {
            said.insert("azure-asyncoperation", format!("{own}/operation").parse().unwrap());
            said.insert("retry-after", "0".parse().unwrap());
            (201, json!({}))
        }
        _ => (404, json!({ "error": { "code": "ResourceNotFound", "message": "no" } })),
    };
    (StatusCode::from_u16(status).unwrap(), said, body.to_string())
}

#[tokio::test]
async fn no_token_and_no_secret_is_logged_at_any_level() {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(|| Ear);
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    log::set_boxed_logger(Box::new(Ear)).unwrap();
    log::set_max_level(log::LevelFilter::Trace);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let settings = ArmSettings::new(Endpoint::parse(&own).unwrap());
    let arm = Arm::at_endpoint(settings, Arc::new(Fixed), Arc::new(WallClock::default())).unwrap();

    let mut errors: Vec<String> = Vec::new();
    let pages: Vec<Value> = arm.list("a/read", "/pages", "1").await.unwrap();
    assert_eq!(pages, [1, 2], "the token was accepted");
    for path in ["/redirect", "/denied", "/expired", "/broken", "/nothing"] {
        let error = arm.list::<Value>("a/read", path, "1").await.unwrap_err();
        errors.push(format!("{error} {error:?}"));
    }
    let group = ArmId::new(
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/applicationSecurityGroups/x",
    );
    let error =
        Writer::new(arm.clone()).create_application_group(&group, "l", &Tags::new()).await.unwrap_err();
    assert_eq!(error.code, "Odd");
    errors.push(format!("{error} {error:?}"));
    let subscription = "00000000-0000-0000-0000-000000000000".to_owned();
    errors.push(format!("{:?}", observe(&arm, &[subscription]).await.unwrap_err()));
    // A server that is not there.
    let nobody = ArmSettings::new(Endpoint::parse("http://127.0.0.1:1").unwrap());
    let nobody = Arm::at_endpoint(nobody, Arc::new(Fixed), Arc::new(WallClock::default())).unwrap();
    errors.push(format!("{:?}", nobody.list::<Value>("a/read", "/pages", "1").await.unwrap_err()));
    login(&own, &mut errors).await;

    tracing::trace!("the ear works for tracing");
    log::trace!("the ear works for log");
    let heard = String::from_utf8_lossy(&heard().lock().unwrap()).into_owned();
    for word in ["the ear works for tracing", "the ear works for log", "azure call", "azure write accepted"] {
        assert!(heard.contains(word), "`{word}` was not heard: {} bytes", heard.len());
    }
    for hidden in [TOKEN, SECRET] {
        let line = heard.lines().find(|line| line.contains(hidden));
        assert_eq!(line, None);
        assert!(errors.iter().all(|error| !error.contains(hidden)), "{errors:?}");
    }
}

/// Sends everything to the stub: `azure_identity` takes no authority without TLS.
#[derive(Debug)]
struct ToStub {
    http: Http,
    own: String,
}

#[async_trait]
impl HttpClient for ToStub {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut changed = request.clone();
        *changed.url_mut() = format!("{}{}", self.own, request.url().path()).parse().unwrap();
        self.http.execute_request(&changed).await
    }
}

/// The way to the identity service: our connections under the pipeline of `azure_identity`.
async fn login(own: &str, errors: &mut Vec<String>) {
    let http = Http::new().unwrap();
    let tenant = "72f988bf-0000-4000-8000-2d7cd011db47".to_owned();
    let settings = CredentialSettings::ClientSecret {
        tenant: tenant.clone(),
        client: "c".to_owned(),
        secret: SECRET.to_owned(),
    };
    errors.push(format!("{settings:?} {:?}", settings.clone().connect(&http).unwrap()));
    let transport = Transport::new(Arc::new(ToStub { http, own: own.to_owned() }));
    let client_options = ClientOptions { transport: Some(transport), ..ClientOptions::default() };
    let options = ClientSecretCredentialOptions { client_options };
    let secret = Secret::new(SECRET.to_owned());
    let credential = ClientSecretCredential::new(&tenant, "c".to_owned(), secret, Some(options)).unwrap();
    let token = credential.get_token(&["https://management.azure.com/.default"], None).await.unwrap();
    assert_eq!(token.token.secret(), TOKEN);
    errors.push(format!("{token:?}"));
}
