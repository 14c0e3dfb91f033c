//! A key of a service account: it signs its own tokens, which Google's interfaces take as they are
//! (<https://google.aip.dev/auth/4111>). Nobody is asked, so nothing can be lost on the way.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use provider::ProviderError;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use serde::Deserialize;
use serde_json::json;

use crate::rest::credential::{Fetch, Fresh, SCOPE, Token, denied};

/// Files above this size are no keys.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// As long as Google takes.
const LIVES: Duration = Duration::from_secs(3600);
/// The token is valid from this long ago: clocks differ.
const SKEW_S: u64 = 10;

/// A key that signs.
pub(crate) struct Key {
    email: String,
    id: String,
    signing: Arc<dyn SigningKey>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
}

impl Key {
    /// Reads a key file.
    pub(crate) fn read(path: &Path) -> Result<Self, ProviderError> {
        let wrong = |why: &str| denied(format!("the key file `{}` {why}", path.display()));
        let length = std::fs::metadata(path).map_err(|_| wrong("could not be read"))?.len();
        if length > FILE_BYTES_MAX {
            return Err(wrong("is too large to be a key"));
        }
        let text = std::fs::read(path).map_err(|_| wrong("could not be read"))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Why not is said without quoting anything: what is wrong may be the secret.
    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let file: File = serde_json::from_slice(text).map_err(|_| "is no key of a service account")?;
        if file.kind != "service_account" {
            return Err("is no key of a service account");
        }
        let der = PrivateKeyDer::from_pem_slice(file.private_key.as_bytes());
        let der = der.map_err(|_| "holds a private key that cannot be read")?;
        let signing = rustls::crypto::ring::sign::any_supported_type(&der);
        let signing = signing.map_err(|_| "holds a private key of an unknown kind")?;
        Ok(Self { email: file.client_email, id: file.private_key_id, signing })
    }

    fn sign(&self, now_s: u64) -> Option<Token> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let (from, to) = (now_s.saturating_sub(SKEW_S), now_s + LIVES.as_secs() - SKEW_S);
        let claims = json!({ "iss": self.email, "sub": self.email, "scope": SCOPE, "iat": from, "exp": to });
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signer = self.signing.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?;
        let signature = signer.sign(signed.as_bytes()).ok()?;
        Some(Token::new(format!("{signed}.{}", encoded(signature))))
    }
}

#[async_trait]
impl Fetch for Key {
    async fn fetch(&self) -> Result<Fresh, ProviderError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let token = self.sign(now.as_secs()).ok_or_else(|| denied("the key does not sign as RSA"))?;
        Ok(Fresh { token, lives: LIVES - Duration::from_secs(2 * SKEW_S) })
    }
}

/// Base64 for addresses, without padding.
fn encoded(bytes: impl AsRef<[u8]>) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.as_ref().chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..=chunk.len() {
            let letter = (bits >> (18 - 6 * n)) & 63;
            text.push(LETTERS.get(letter as usize).copied().map_or('=', char::from));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_encoded_without_padding() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff\xfe", "-__-")]
        {
            assert_eq!(encoded(bytes), text);
        }
    }

    #[test]
    fn what_is_no_key_is_said_without_quoting_it() {
        let secret = "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----\\n";
        let file = |kind: &str, key: &str| {
            format!(r#"{{"type":"{kind}","client_email":"a","private_key_id":"b","private_key":"{key}"}}"#)
        };
        for text in [
            file("service_account", secret),
            file("service_account", "x"),
            file("other", secret),
            "{".to_owned(),
        ] {
            let why = Key::parse(text.as_bytes()).err().unwrap_or_default();
            assert!(!why.is_empty() && !why.contains("c2Vj"), "{why}");
        }
    }
}
