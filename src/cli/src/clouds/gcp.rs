//! Scopes on Google Cloud: one connection for each project and credential, so that its scopes share limits and locks.

use std::path::PathBuf;
use std::sync::Arc;

use provider::{Clock, CloudReader, CloudWriter, ProviderError};
use provider_gcp::rest::credential::{CredentialSettings, Token};
use provider_gcp::{Api, ApiSettings, Endpoint, GcpReader, GcpSettings, GcpWriter, Identity};

use super::environment;
use crate::config::{Config, Credential, GcpIdentity, ScopeConfig};

/// Another endpoint than the public cloud's: a simulator's.
pub const ENDPOINT: &str = "BULKHEAD_GCP_ENDPOINT";
/// A token to use whatever the configuration says: a simulator's, or one that was got elsewhere.
pub const TOKEN: &str = "BULKHEAD_GCP_TOKEN";

/// A connection to one project.
pub struct Connection {
    api: Api,
    writer: GcpWriter,
    settings: GcpSettings,
}

impl Connection {
    /// Connects. `share` is the smallest of the scopes that use the connection.
    ///
    /// # Errors
    /// Something in the environment is missing or cannot be.
    pub fn new(config: &Config, kind: Credential, share: f64) -> Result<Self, ProviderError> {
        Ok(Self::over(api(kind, share)?, config))
    }

    /// To a simulator, in its time.
    ///
    /// # Errors
    /// The address is none.
    pub fn simulated(config: &Config, address: &str, clock: Arc<dyn Clock>) -> Result<Self, ProviderError> {
        let settings = ApiSettings { share: 1.0, ..ApiSettings::new(Endpoint::parse(address)?) };
        let token = CredentialSettings::Token(Token::new("simulated"));
        Ok(Self::over(Api::connect_by(settings, token, clock)?, config))
    }

    fn over(api: Api, config: &Config) -> Self {
        let settings = GcpSettings {
            priorities: config.gcp.priorities,
            attributes_max: config.gcp.policy_attributes as usize,
            tag_keys_max: config.gcp.tag_keys,
            identity: match config.gcp.identity {
                GcpIdentity::SecureTags => Identity::SecureTags,
                GcpIdentity::NetworkTags => Identity::NetworkTags,
            },
            classic_priorities: config.gcp.classic_priorities,
            classic_rules_max: config.gcp.classic_rules as usize,
            ..GcpSettings::new(&config.installation)
        };
        Self { writer: GcpWriter::new(api.clone(), settings.clone()), api, settings }
    }

    /// A reader.
    pub fn reader(&self) -> Arc<dyn CloudReader> {
        Arc::new(GcpReader::new(self.api.clone(), self.settings.clone()))
    }

    /// A writer, at one pace with the reader.
    pub fn writer(&self) -> Arc<dyn CloudWriter> {
        Arc::new(self.writer.clone())
    }
}

/// The active projects below a folder or organisation.
///
/// # Errors
/// As [`Connection::new`]; what is below cannot be listed.
pub async fn projects_below(entry: &ScopeConfig, node: &str) -> Result<Vec<String>, ProviderError> {
    let api = api(entry.credential, entry.share)?;
    let found = provider_gcp::inventory::projects_below(&api, node).await?;
    Ok(found.into_iter().map(|project| project.project_id).collect())
}

/// A connection for reads outside of scopes.
///
/// # Errors
/// As [`Connection::new`].
pub fn reading_api(kind: Credential) -> Result<Api, ProviderError> {
    api(kind, 0.5)
}

fn api(kind: Credential, share: f64) -> Result<Api, ProviderError> {
    let endpoint = match environment::read(ENDPOINT) {
        Some(text) => Endpoint::parse(&text)?,
        None => Endpoint::public(),
    };
    let settings = ApiSettings { share, ..ApiSettings::new(endpoint) };
    Api::connect(settings, credential(kind)?)
}

fn credential(kind: Credential) -> Result<CredentialSettings, ProviderError> {
    if let Some(token) = environment::read(TOKEN) {
        return Ok(CredentialSettings::Token(Token::new(token)));
    }
    let path = |name, what| environment::required(name, what).map(PathBuf::from);
    Ok(match kind {
        Credential::Metadata => CredentialSettings::Metadata,
        Credential::KeyFile => CredentialSettings::ServiceAccountKey {
            path: path("GOOGLE_APPLICATION_CREDENTIALS", "the file with the key")?,
        },
        Credential::TokenFile => CredentialSettings::TokenFile {
            path: path("BULKHEAD_GCP_TOKEN_FILE", "the file with the token")?,
        },
        _ => CredentialSettings::Gcloud,
    })
}
