//! Who we are: one kind of credential, chosen by configuration and never by trying all.
//!
//! Trying one after the other would let a machine act as whoever it can be. A credential keeps its token in memory
//! and renews it; nothing here writes one anywhere.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use provider::{ErrorKind, ProviderError};

use crate::arm::transport::Http;

/// What to do when there is no usable token.
pub(crate) const HINT: &str =
    "check `credential` of the scope: a client secret, a workload or managed identity, or `az login`";

/// Which credential is used.
#[derive(Clone, PartialEq, Eq)]
pub enum CredentialSettings {
    /// An application with a secret.
    ClientSecret {
        /// The tenant of the application.
        tenant: String,
        /// The application.
        client: String,
        /// Its secret.
        secret: String,
    },
    /// A federated token, as Kubernetes mounts it; what is left out comes from the `AZURE_…` variables.
    WorkloadIdentity {
        /// The tenant of the application.
        tenant: Option<String>,
        /// The application.
        client: Option<String>,
        /// The file with the token.
        token_file: Option<PathBuf>,
    },
    /// The identity of the machine that this runs on, or one of those assigned to it, by client id.
    ManagedIdentity {
        /// The client id of an assigned identity; none is the machine's own.
        client: Option<String>,
    },
    /// Whoever is logged in with `az login`.
    AzureCli {
        /// A tenant other than the default one.
        tenant: Option<String>,
    },
    /// A token that somebody else got: for simulators, or for an hour.
    Token {
        /// The token.
        token: String,
    },
}

/// One token for ever.
#[derive(Debug)]
struct Fixed(Secret);

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let an_hour_from_now = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new(self.0.clone(), an_hour_from_now))
    }
}

impl fmt::Debug for CredentialSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientSecret { .. } => "ClientSecret(redacted)",
            Self::WorkloadIdentity { .. } => "WorkloadIdentity",
            Self::ManagedIdentity { .. } => "ManagedIdentity",
            Self::AzureCli { .. } => "AzureCli",
            Self::Token { .. } => "Token(redacted)",
        })
    }
}

impl CredentialSettings {
    /// The credential. Nothing is asked for yet.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when something is missing.
    pub fn connect(self, http: &Http) -> Result<Arc<dyn TokenCredential>, ProviderError> {
        let made: azure_core::Result<Arc<dyn TokenCredential>> = match self {
            Self::ClientSecret { tenant, client, secret } => {
                let options = ClientSecretCredentialOptions { client_options: options(http) };
                ClientSecretCredential::new(&tenant, client, Secret::new(secret), Some(options))
                    .map(|made| made as _)
            }
            Self::WorkloadIdentity { tenant, client, token_file } => {
                let credential_options = ClientAssertionCredentialOptions { client_options: options(http) };
                let options = WorkloadIdentityCredentialOptions {
                    credential_options,
                    client_id: client,
                    tenant_id: tenant,
                    token_file_path: token_file,
                };
                WorkloadIdentityCredential::new(Some(options)).map(|made| made as _)
            }
            Self::ManagedIdentity { client } => {
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: client.map(UserAssignedId::ClientId),
                    client_options: options(http),
                };
                ManagedIdentityCredential::new(Some(options)).map(|made| made as _)
            }
            Self::AzureCli { tenant } => {
                let options = AzureCliCredentialOptions { tenant_id: tenant, ..Default::default() };
                AzureCliCredential::new(Some(options)).map(|made| made as _)
            }
            Self::Token { token } => Ok(Arc::new(Fixed(Secret::new(token)))),
        };
        made.map_err(|error| no_token("connect to Azure", error))
    }
}

/// Our own connections, and no attempts but the first: a pass does not retry inside itself.
fn options(http: &Http) -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::new(http.clone()))),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    }
}

/// A failure to get a token as an error of the contract.
pub(crate) fn no_token(action: &str, error: azure_core::Error) -> ProviderError {
    use azure_core::error::ErrorKind as Identity;
    // The identity service answers 401 to a wrong secret and 400 to an unknown application.
    let (kind, message) = match error.kind() {
        Identity::Connection => (ErrorKind::Transient, "the identity service could not be reached"),
        _ => (ErrorKind::Denied, "no usable credentials"),
    };
    let mut failed = ProviderError::new(kind, action, message);
    failed.hint = HINT.to_owned();
    failed.source = Some(Arc::new(error));
    failed
}
