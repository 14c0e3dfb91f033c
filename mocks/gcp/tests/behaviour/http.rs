//! The same over HTTP.

use mock_cloud::Fault;
use mock_gcp::{GcpFront, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Cloud, firewall, path};

/// One request on a connection of its own; the whole answer as text.
async fn ask(address: &str, host: &str, verb: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{verb} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A cut connection may end in an error: what arrived is the answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn listening(front: GcpFront) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(front, listener));
    address
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn operations_can_be_followed_by_their_links() {
    let cloud = Cloud::quick();
    let address = listening(cloud.front.clone()).await;
    let at = format!("/compute/v1/{}", path("fw/"));
    let mut rule = firewall("1 in allow tcp * *");
    rule["name"] = json!("x");
    let made = ask(&address, &address, "POST", &at, &rule.to_string()).await;
    assert!(made.starts_with("HTTP/1.1 200") && made.contains("application/json"), "{made}");
    let operation = body(&made);
    for field in ["selfLink", "targetLink"] {
        let link = operation[field].as_str().unwrap();
        let inside = link.strip_prefix(&format!("http://{address}")).unwrap();
        let found = ask(&address, &address, "GET", inside, "").await;
        assert!(found.starts_with("HTTP/1.1 200"), "{field}: {found}");
    }
    let missing = ask(&address, &address, "GET", &format!("{at}/none"), "").await;
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("NOT_FOUND"), "{missing}");
}

#[tokio::test]
async fn the_host_or_the_path_chooses_the_resource_manager() {
    let cloud = Cloud::quick();
    cloud.vm("a", "sub/s", &[]);
    let parent = cloud.full_name("a").replace('/', "%2F");
    let address = listening(cloud.front.clone()).await;
    let list = format!("/v3/tagBindings?parent={parent}");
    let zone = "europe-west1-b-cloudresourcemanager.googleapis.com";
    let by_host = ask(&address, zone, "GET", &list, "").await;
    let by_path = ask(&address, &address, "GET", &format!("/{zone}{list}"), "").await;
    let global = ask(&address, &address, "GET", &list, "").await;
    assert_eq!((body(&by_host), body(&by_path)), (json!({}), json!({})));
    assert!(global.starts_with("HTTP/1.1 400"), "{global}");
}

#[tokio::test]
async fn a_lost_answer_breaks_off() {
    let cloud = Cloud::quick();
    cloud.front.world().faults.plant("compute.networks.patch", 1, Fault::LostAnswer);
    let address = listening(cloud.front.clone()).await;
    let at = format!("/compute/v1/{}", path("net/v"));
    let answer = ask(&address, &address, "PATCH", &at, r#"{"mtu":1500}"#).await;
    assert!(!answer.contains("\r\n0\r\n\r\n"), "the body is not complete: {answer}");
    assert_eq!(cloud.get("net/v")["mtu"], 1500, "applied all the same");
}
