//! Tokens that somebody else makes: the metadata server, a file, `gcloud`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provider::{ErrorKind, ProviderError};
use serde::Deserialize;

use crate::rest::credential::{ACTION, Fetch, Fresh, Token, TokenSource, denied};
use crate::rest::transport::{Http, read_bounded};

/// Answers and files above this size are refused.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// How long somebody may take to give a token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a token of `gcloud` is kept: it does not say how long it lives, and it renews what lives for less than
/// five minutes.
const GCLOUD_LIVES: Duration = Duration::from_secs(300);

/// The metadata server of the machine.
pub(crate) struct Metadata {
    http: Http,
    url: String,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    expires_in: u64,
}

impl Metadata {
    pub(crate) fn new(http: Http) -> Self {
        // The address and not the name: a name server must not be able to say who we are.
        let url = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";
        Self { http, url: url.to_owned() }
    }
}

#[async_trait]
impl Fetch for Metadata {
    async fn fetch(&self) -> Result<Fresh, ProviderError> {
        let unreachable = |error: reqwest::Error| {
            let message = "the metadata server could not be reached";
            let mut failed = ProviderError::new(ErrorKind::Transient, ACTION, message);
            failed.source = Some(Arc::new(error.without_url()));
            failed
        };
        let asked = self.http.for_scheme("http").get(&self.url).header("Metadata-Flavor", "Google");
        let mut response = asked.timeout(TOKEN_TIMEOUT).send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(denied(format!("the metadata server gives no token (http status {status})")));
        }
        let body = read_bounded(&mut response, TOKEN_BYTES_MAX).await;
        let body = body.map_err(|_| denied("the metadata server's answer broke off"))?;
        // The error of the reader is not kept: it may quote the token.
        let given: Given =
            serde_json::from_slice(&body).map_err(|_| denied("the metadata server gives no token"))?;
        Ok(Fresh { token: Token::new(given.access_token), lives: Duration::from_secs(given.expires_in) })
    }
}

/// A file with a token.
pub(crate) struct File {
    pub path: PathBuf,
}

#[async_trait]
impl TokenSource for File {
    async fn token(&self) -> Result<Token, ProviderError> {
        let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| {
            let mut failed = denied(format!("`{}` could not be read", self.path.display()));
            failed.source = Some(Arc::new(error));
            failed
        })?;
        one_word(&text).ok_or_else(|| denied(format!("`{}` holds no token", self.path.display())))
    }
}

/// The command line tool.
pub(crate) struct Gcloud;

#[async_trait]
impl Fetch for Gcloud {
    async fn fetch(&self) -> Result<Fresh, ProviderError> {
        let mut command = tokio::process::Command::new("gcloud");
        command.args(["auth", "print-access-token", "--quiet"]).kill_on_drop(true);
        command.stdin(std::process::Stdio::null());
        let ran = tokio::time::timeout(TOKEN_TIMEOUT, command.output()).await;
        let output = ran.map_err(|_| denied("`gcloud` did not answer"))?.map_err(|error| {
            let mut failed = denied("`gcloud` could not be run");
            failed.source = Some(Arc::new(error));
            failed
        })?;
        let token = one_word(&String::from_utf8_lossy(&output.stdout)).filter(|_| output.status.success());
        let token = token.ok_or_else(|| denied("`gcloud auth print-access-token` gave no token"))?;
        Ok(Fresh { token, lives: GCLOUD_LIVES })
    }
}

/// A text of one word of what tokens are made of.
fn one_word(text: &str) -> Option<Token> {
    let word = text.trim();
    let good = |c: char| c.is_ascii_graphic();
    (!word.is_empty() && word.len() <= TOKEN_BYTES_MAX && word.chars().all(good)).then(|| Token::new(word))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_metadata_server_is_asked_as_it_wants_to_be() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(|headers: axum::http::HeaderMap| async move {
            match headers.get("metadata-flavor").and_then(|value| value.to_str().ok()) {
                Some("Google") => (
                    axum::http::StatusCode::OK,
                    r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#,
                ),
                _ => (axum::http::StatusCode::FORBIDDEN, ""),
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let fresh = Metadata { http: Http::new().unwrap(), url }.fetch().await.unwrap();
        assert_eq!((fresh.token.secret(), fresh.lives.as_secs()), ("t", 3599));
    }

    #[test]
    fn a_file_holds_one_word() {
        assert_eq!(one_word(" ya29.a-b_c \n").unwrap().secret(), "ya29.a-b_c");
        for text in ["", " \n", "two words", "a\nb", "é"] {
            assert!(one_word(text).is_none(), "{text:?}");
        }
    }
}
