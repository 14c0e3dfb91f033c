//! Who signs for S3, where the environment's variables are not all: profiles and the like are what the SDK's own chain knows.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use object_store::{CredentialProvider, Error};

/// Keys of AWS, good for now.
#[derive(Clone)]
pub struct AwsKeys {
    /// The access key's id.
    pub key_id: String,
    /// Its secret.
    pub secret_key: String,
    /// The session's token, for temporary ones.
    pub token: Option<String>,
}

/// Gives keys; asked before every request, so that they may change.
#[async_trait]
pub trait AwsKeyChain: Send + Sync {
    /// Keys that are good now.
    ///
    /// # Errors
    /// Why there are none: one line.
    async fn keys(&self) -> Result<AwsKeys, String>;
}

/// A chain for [`super::Settings::aws_credentials`].
pub fn signed_by(chain: Arc<dyn AwsKeyChain>) -> AwsCredentialProvider {
    Arc::new(Chain(chain))
}

struct Chain(Arc<dyn AwsKeyChain>);

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain")
    }
}

#[async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let refused = |source: String| Error::Generic { store: "S3", source: source.into() };
        let AwsKeys { key_id, secret_key, token } = self.0.keys().await.map_err(refused)?;
        Ok(Arc::new(AwsCredential { key_id, secret_key, token }))
    }
}
