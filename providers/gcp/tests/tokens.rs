//! Tokens are logged at no level: everything that anybody logs is listened to, and searched.
//!
//! A test of its own process: it takes the global subscriber and logger.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use provider::WallClock;
use provider_gcp::resources::{Firewall, FullName};
use provider_gcp::rest::transport::Http;
use provider_gcp::rest::{CredentialSettings, Token};
use provider_gcp::{Api, ApiSettings, Endpoint, Reach, Writer, observe};
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

/// Success, refusals, redirects, operations, broken bodies: by the last word of the path.
async fn answer(method: Method, uri: Uri, headers: HeaderMap, _: Bytes) -> (StatusCode, String) {
    let bearer = headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
    let refusal = |code: u16, reason: &str| {
        (code, json!({ "error": { "code": code, "message": "no", "errors": [{ "reason": reason }] } }))
    };
    let (status, body) = match (uri.path().rsplit('/').next().unwrap(), method) {
        _ if !bearer => refusal(401, "authError"),
        ("pages", _) if uri.query().unwrap().contains("pageToken") => (200, json!({ "items": [2] })),
        ("pages", _) => (200, json!({ "items": [1], "nextPageToken": "x" })),
        ("redirect", _) => (307, Value::Null),
        ("denied", _) => refusal(403, "forbidden"),
        ("expired", _) => refusal(401, "authError"),
        ("broken", _) => (200, json!("not what is wanted")),
        ("tagBindings", Method::POST) => (200, json!({ "name": "operations/o" })),
        ("tagBindings", _) => (200, json!({})),
        ("o", _) => (200, json!({ "name": "operations/o", "done": true, "response": {} })),
        ("firewalls", Method::POST) => (200, json!({ "name": "operation-1", "status": "RUNNING" })),
        ("wait", _) => (
            200,
            json!({ "name": "operation-1", "status": "DONE", "httpErrorStatusCode": 400,
            "error": { "errors": [{ "code": "ODD", "message": "m" }] } }),
        ),
        _ => refusal(404, "notFound"),
    };
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

fn api(address: &str) -> Api {
    let settings = ApiSettings::new(Endpoint::parse(address).unwrap());
    Api::at_endpoint(settings, Arc::new(Token::new(TOKEN)), Arc::new(WallClock::default())).unwrap()
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
    let api_here = api(&own);

    let mut said: Vec<String> = Vec::new();
    let pages: Vec<Value> = api_here.list("a.list", "pages").await.unwrap();
    assert_eq!(pages, [1, 2], "the token was accepted");
    for path in ["redirect", "denied", "expired", "broken", "nothing"] {
        let error = api_here.list::<Value>("a.list", path).await.unwrap_err();
        said.push(format!("{error} {error:?}"));
    }
    let writer = Writer::new(api_here.clone());
    let rule: Firewall = serde_json::from_value(json!({ "name": "x", "network": "n",
        "sourceRanges": ["10.0.0.0/8"], "allowed": [{ "IPProtocol": "all" }] }))
    .unwrap();
    let failed = writer.create_firewall("p", &rule).await.unwrap_err();
    assert_eq!(failed.error.code, "ODD");
    said.push(format!("{failed:?}"));
    let bound = writer.bind(&FullName::of_instance("1", "z-a", "2"), "tagValues/3").await;
    said.push(format!("{bound:?}"));
    assert_eq!(bound.unwrap().calls.len(), 1);
    let project = Reach::of(&["project".to_owned()]);
    said.push(format!("{:?}", observe(&api_here, &project).await.unwrap_err()));
    // A server that is not there.
    let nobody = api("http://127.0.0.1:1").list::<Value>("a.list", "pages").await;
    said.push(format!("{:?}", nobody.unwrap_err()));
    credentials(&mut said).await;

    tracing::trace!("the ear works for tracing");
    log::trace!("the ear works for log");
    let heard = String::from_utf8_lossy(&heard().lock().unwrap()).into_owned();
    for word in ["the ear works for tracing", "the ear works for log", "google call", "google write accepted"]
    {
        assert!(heard.contains(word), "`{word}` was not heard: {} bytes", heard.len());
    }
    for hidden in [TOKEN, SECRET] {
        assert_eq!(heard.lines().find(|line| line.contains(hidden)), None);
        assert!(said.iter().all(|text| !text.contains(hidden)), "{said:?}");
    }
}

/// Credentials that are good and ones that are not: neither tells what is in the file.
async fn credentials(said: &mut Vec<String>) {
    let http = Http::new().unwrap();
    let folder = tempfile();
    let (token, key) = (folder.join("token"), folder.join("key.json"));
    std::fs::write(&token, TOKEN).unwrap();
    let broken = json!({ "type": "service_account", "client_email": "a", "private_key_id": "b",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n") });
    std::fs::write(&key, broken.to_string()).unwrap();
    let source = CredentialSettings::TokenFile { path: token.clone() }.connect(&http).unwrap();
    said.push(format!("{:?}", source.token().await.unwrap()));
    std::fs::write(&token, format!("{SECRET} {SECRET}")).unwrap();
    said.push(format!("{:?}", source.token().await.unwrap_err()));
    let key = CredentialSettings::ServiceAccountKey { path: key };
    said.push(format!("{:?} {:?}", key, key.clone().connect(&http).err().unwrap()));
    std::fs::remove_dir_all(folder).unwrap();
}

fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("provider-gcp-tokens-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
