//! Who we are: one kind of credential, chosen by configuration and never by trying all.
//!
//! Trying one after the other would let a machine act as whoever it can be. A token is kept in memory until shortly
//! before its end; nothing here writes one anywhere.

mod key;
mod sources;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use provider::{ErrorKind, ProviderError};
use tokio::sync::Mutex;

use crate::rest::transport::Http;

/// What to do when there is no usable token.
pub(crate) const HINT: &str = "check `credential` of the scope: a key file, the machine's own service account, a token file, or `gcloud auth login`";
/// What tokens are asked for.
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// What getting a token is called in errors that belong to no call.
pub(crate) const ACTION: &str = "connect to Google Cloud";
/// A token is renewed when it lives for less than this.
const SPARE: Duration = Duration::from_secs(240);

/// A secret that says who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself: for a header and nothing else.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Gives tokens.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token that lives for a while.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when there is none; [`ErrorKind::Transient`] when nobody could be asked.
    async fn token(&self) -> Result<Token, ProviderError>;
}

/// One token for ever, as a simulator takes it.
#[async_trait]
impl TokenSource for Token {
    async fn token(&self) -> Result<Token, ProviderError> {
        Ok(self.clone())
    }
}

/// Which credential is used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CredentialSettings {
    /// The service account of the machine that this runs on (Compute Engine, GKE with workload identity, Cloud Run).
    Metadata,
    /// A key of a service account, in a JSON file.
    ServiceAccountKey {
        /// The file.
        path: PathBuf,
    },
    /// A file with an access token that somebody else keeps fresh; it is read again for every call.
    TokenFile {
        /// The file.
        path: PathBuf,
    },
    /// Whoever is logged in with `gcloud auth login`.
    Gcloud,
    /// A token that somebody else got: for simulators, or for an hour.
    Token(Token),
}

impl CredentialSettings {
    /// The credential. Nothing is asked for yet.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when something is missing.
    pub fn connect(self, http: &Http) -> Result<Arc<dyn TokenSource>, ProviderError> {
        Ok(match self {
            Self::Metadata => Arc::new(Cached::new(sources::Metadata::new(http.clone()))),
            Self::ServiceAccountKey { path } => Arc::new(Cached::new(key::Key::read(&path)?)),
            Self::TokenFile { path } => Arc::new(sources::File { path }),
            Self::Gcloud => Arc::new(Cached::new(sources::Gcloud)),
            Self::Token(token) => Arc::new(token),
        })
    }
}

/// A token with the time that it lives.
pub(crate) struct Fresh {
    pub token: Token,
    pub lives: Duration,
}

/// Where a new token comes from.
#[async_trait]
pub(crate) trait Fetch: Send + Sync {
    async fn fetch(&self) -> Result<Fresh, ProviderError>;
}

/// Keeps a token as long as it lives.
struct Cached<F> {
    from: F,
    held: Mutex<Option<(Token, Instant)>>,
}

impl<F> Cached<F> {
    fn new(from: F) -> Self {
        Self { from, held: Mutex::default() }
    }
}

#[async_trait]
impl<F: Fetch> TokenSource for Cached<F> {
    async fn token(&self) -> Result<Token, ProviderError> {
        // Held across the wait on purpose: whoever comes second gets the token of the first.
        let mut held = self.held.lock().await;
        if let Some((token, _)) = held.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Ok(token.clone());
        }
        let fresh = self.from.fetch().await?;
        let until = Instant::now() + fresh.lives.saturating_sub(SPARE);
        *held = Some((fresh.token.clone(), until));
        Ok(fresh.token)
    }
}

/// No usable token.
pub(crate) fn denied(message: impl Into<String>) -> ProviderError {
    let mut error = ProviderError::new(ErrorKind::Denied, ACTION, message);
    error.hint = HINT.to_owned();
    error
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Counting(AtomicU64, Duration);

    #[async_trait]
    impl Fetch for Counting {
        async fn fetch(&self) -> Result<Fresh, ProviderError> {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Fresh { token: Token::new(n.to_string()), lives: self.1 })
        }
    }

    #[tokio::test]
    async fn a_token_is_kept_while_it_lives_long_enough() {
        for (lives, second) in [(3600, "0"), (200, "1")] {
            let cached = Cached::new(Counting(AtomicU64::new(0), Duration::from_secs(lives)));
            assert_eq!(cached.token().await.unwrap().secret(), "0");
            assert_eq!(cached.token().await.unwrap().secret(), second, "{lives}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        assert_eq!(format!("{:?}", Token::new("secret")), "Token(redacted)");
    }
}
