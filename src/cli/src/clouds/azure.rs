//! Scopes on Azure: one connection for each subscription and credential, so that its scopes share limits and locks.

use std::sync::Arc;

use plan::Attachment;
use provider::{Clock, CloudReader, CloudWriter, ProviderError};
use provider_azure::arm::CredentialSettings;
use provider_azure::write::Flush;
use provider_azure::{
    Arm, ArmSettings, AzureReader, AzureSettings, AzureWriter, Endpoint, OwnGroups, Writer,
};

use super::environment;
use crate::config::{Config, Credential, OpenConnections, ScopeConfig, SecurityGroups};

/// Another endpoint than the public cloud's: a simulator's.
pub const ENDPOINT: &str = "BULKHEAD_AZURE_ENDPOINT";
/// A token to use whatever the configuration says: a simulator's, or one that was got elsewhere.
pub const TOKEN: &str = "BULKHEAD_AZURE_TOKEN";

/// A connection to one subscription.
pub struct Connection {
    writer: Writer,
    settings: AzureSettings,
}

impl Connection {
    /// Connects. `share` is the smallest of the scopes that use the connection.
    ///
    /// # Errors
    /// Something in the environment is missing or cannot be.
    pub fn new(config: &Config, kind: Credential, share: f64) -> Result<Self, ProviderError> {
        Self::over(arm(kind, share)?, config)
    }

    /// To a simulator, in its time.
    ///
    /// # Errors
    /// The address is none.
    pub fn simulated(config: &Config, address: &str, clock: Arc<dyn Clock>) -> Result<Self, ProviderError> {
        let settings = ArmSettings { share: 1.0, ..ArmSettings::new(Endpoint::parse(address)?) };
        let token = CredentialSettings::Token { token: "simulated".to_owned() };
        Self::over(Arm::connect_by(settings, token, clock)?, config)
    }

    fn over(arm: Arm, config: &Config) -> Result<Self, ProviderError> {
        let mut settings = AzureSettings::new(&config.installation);
        settings.extra_tags.clone_from(&config.extra_tags);
        settings.priorities = config.azure.priorities;
        settings.keeps_probes = config.azure.keeps_probes;
        let scopes = config.scopes.iter().map(|config| &config.scope);
        let exclusive = scopes.filter(|scope| scope.attachment == Attachment::Exclusive);
        settings.exclusive = exclusive.map(|scope| scope.id.clone()).collect();
        settings.own_groups = match config.azure.security_groups {
            SecurityGroups::Subnet => OwnGroups::Subnet,
            SecurityGroups::Interface => OwnGroups::Interface,
            SecurityGroups::None => OwnGroups::None,
        };
        settings.flush = match config.azure.open_connections {
            OpenConnections::AsIs => Flush::AsIs,
            OpenConnections::Keep => Flush::KeepOpen,
            OpenConnections::JudgeAgain => Flush::JudgeAgain,
        };
        Ok(Self { writer: Writer::new(arm), settings })
    }

    /// A reader.
    pub fn reader(&self) -> Arc<dyn CloudReader> {
        Arc::new(AzureReader::new(self.writer.arm().clone(), self.settings.clone()))
    }

    /// A writer, at one pace with the reader.
    pub fn writer(&self) -> Arc<dyn CloudWriter> {
        Arc::new(AzureWriter::new(self.writer.clone(), self.settings.clone()))
    }
}

/// The subscriptions below a management group.
///
/// # Errors
/// As [`Connection::new`]; the group cannot be listed.
pub async fn subscriptions_below(entry: &ScopeConfig, group: &str) -> Result<Vec<String>, ProviderError> {
    provider_azure::inventory::subscriptions_below(&arm(entry.credential, entry.share)?, group).await
}

fn arm(kind: Credential, share: f64) -> Result<Arm, ProviderError> {
    let endpoint = match environment::read(ENDPOINT) {
        Some(text) => Endpoint::parse(&text)?,
        None => Endpoint::public()?,
    };
    let settings = ArmSettings { share, ..ArmSettings::new(endpoint) };
    Arm::connect(settings, credential(kind)?)
}

fn credential(kind: Credential) -> Result<CredentialSettings, ProviderError> {
    if let Some(token) = environment::read(TOKEN) {
        return Ok(CredentialSettings::Token { token });
    }
    Ok(match kind {
        Credential::ClientSecret => CredentialSettings::ClientSecret {
            tenant: environment::required("AZURE_TENANT_ID", "the tenant of the application")?,
            client: environment::required("AZURE_CLIENT_ID", "the id of the application")?,
            secret: environment::required("AZURE_CLIENT_SECRET", "its secret")?,
        },
        Credential::WorkloadIdentity => {
            CredentialSettings::WorkloadIdentity { tenant: None, client: None, token_file: None }
        }
        Credential::ManagedIdentity => {
            CredentialSettings::ManagedIdentity { client: environment::read("AZURE_CLIENT_ID") }
        }
        _ => CredentialSettings::AzureCli { tenant: environment::read("AZURE_TENANT_ID") },
    })
}
