//! The same over HTTP.

use mock_azure::{AzureFront, World, serve};
use mock_cloud::Fault;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Cloud, at, path, quick};

/// One request on a connection of its own; the whole answer as text.
async fn ask(address: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer x\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A cut connection may end in an error: what arrived is the answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn listening(front: AzureFront) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(front, listener));
    address
}

#[tokio::test]
async fn headers_links_and_etags_are_on_the_wire() {
    let cloud = Cloud::quick();
    let address = listening(cloud.front.clone()).await;
    let of = format!("{}?api-version=2024-03-01", path("nsg/x"));
    let made = ask(&address, "PUT", &of, "", &at(json!({})).to_string()).await;
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    let link = made.lines().find_map(|line| line.strip_prefix("azure-asyncoperation: ")).unwrap();
    assert!(link.starts_with(&format!("http://{address}/subscriptions/")), "{link}");
    let status = ask(&address, "GET", link.trim_start_matches(&format!("http://{address}")), "", "").await;
    assert!(status.ends_with(r#"{"status":"Succeeded"}"#), "{status}");
    let wrong = ask(&address, "PUT", &of, "If-Match: W/\"no\"\r\n", &at(json!({})).to_string()).await;
    assert!(wrong.starts_with("HTTP/1.1 412"), "{wrong}");
    let body: Value = serde_json::from_str(wrong.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["error"]["code"], "PreconditionFailed");
}

#[tokio::test]
async fn a_lost_answer_breaks_off() {
    let cloud = Cloud::quick();
    cloud.front.world().faults.plant("PUT networkSecurityGroups", 1, Fault::LostAnswer);
    let address = listening(cloud.front.clone()).await;
    let of = format!("{}?api-version=2024-03-01", path("nsg/x"));
    let answer = ask(&address, "PUT", &of, "", &at(json!({})).to_string()).await;
    assert!(!answer.contains("\r\n0\r\n\r\n"), "the body is not complete: {answer}");
    assert_eq!(cloud.get("nsg/x")["name"], "x", "applied all the same");
}

#[tokio::test]
async fn a_list_over_http_links_to_itself() {
    let mut settings = quick();
    settings.limits.page_items = 1;
    let front = AzureFront::new(World::new(settings));
    for name in ["a", "b"] {
        front.world().perform("PUT", &format!("/resourceGroups/{name}"), &at(json!({}))).unwrap();
    }
    let address = listening(front).await;
    let list = format!("{}/resourceGroups?api-version=2022-09-01", crate::harness::SUBSCRIPTION);
    let first = ask(&address, "GET", &list, "", "").await;
    let page: Value = serde_json::from_str(first.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let next =
        page["nextLink"].as_str().unwrap().strip_prefix(&format!("http://{address}")).unwrap().to_owned();
    let second = ask(&address, "GET", &next, "", "").await;
    assert!(second.contains(r#""name":"b""#) && !second.contains("nextLink"), "{second}");
}
