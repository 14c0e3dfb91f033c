//! Scopes on AWS: account and region by scope, credentials and endpoint by the SDK's usual variables.

use std::sync::Arc;

use provider::{CloudReader, CloudWriter};
use provider_aws::{AwsReader, AwsSettings, AwsWriter, Connections, Ec2};

use crate::config::{Config, ScopeConfig};

/// A connection to the account and region of one scope.
pub struct Connection {
    settings: AwsSettings,
    ec2: Ec2,
}

impl Connection {
    /// Connects; scopes of one account and region draw on the same buckets through `shared`.
    pub async fn new(config: &Config, entry: &ScopeConfig, shared: &Connections) -> Self {
        let mut settings = AwsSettings::new(&config.installation);
        settings.connections = shared.clone();
        settings.extra_tags.clone_from(&config.extra_tags);
        settings.share = entry.share;
        let ec2 = Ec2::connect(&settings, &entry.scope).await;
        Self { settings, ec2 }
    }

    /// Over a connection that is there, with the settings of one scope.
    pub fn over(ec2: Ec2, settings: AwsSettings) -> Self {
        Self { settings, ec2 }
    }

    /// A reader.
    pub fn reader(&self) -> Arc<dyn CloudReader> {
        Arc::new(AwsReader::new(self.ec2.clone(), self.settings.clone()))
    }

    /// A writer, at one pace with the reader.
    pub fn writer(&self) -> Arc<dyn CloudWriter> {
        Arc::new(AwsWriter::new(self.ec2.clone(), self.settings.clone()))
    }
}
