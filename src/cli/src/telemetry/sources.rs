//! The logs that the configuration names, connected.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use flow::{Cloud, Outcome, SourceFacts};
use ingest::place::{AwsKeyChain, AwsKeys, Place, Settings, signed_by};
use ingest::source::layout::Layout;
use ingest::source::objects::Objects;
use ingest::store::Now;
use provider::{FlowSource, ProviderError};
use provider_aws::flow_logs::{Events, Keys, LogGroup, Written, written};
use provider_aws::{AwsSettings, Ec2};
use provider_gcp::flow_logs::Entries;

use crate::clouds::logging_api;
use crate::config::{Config, FlowSourceConfig, From};
use crate::session::Failure;

/// A log that is asked by time is read from so long ago at first, in seconds.
const FIRST_S: i64 = 86_400;

/// The logs, and what they say of themselves, by name.
pub struct Sources {
    /// Connected, in the order of the configuration.
    pub logs: Vec<Arc<dyn FlowSource>>,
    /// What is not in them.
    pub facts: BTreeMap<String, SourceFacts>,
}

/// Connects every source.
///
/// # Errors
/// The first that cannot be connected, by its name.
pub async fn connect(config: &Config, now: &Now) -> Result<Sources, Failure> {
    let mut sources = Sources { logs: Vec::new(), facts: BTreeMap::new() };
    for source in &config.flows.sources {
        let connected = one(config, source, now).await;
        let (log, only) = connected.map_err(|error| unconnected(&source.name, &error))?;
        sources.logs.push(log);
        // Google samples every flow log.
        let facts = SourceFacts { is_sampled: source.cloud == Cloud::Gcp, only: source.only.or(only) };
        sources.facts.insert(source.name.clone(), facts);
    }
    Ok(sources)
}

/// The place where summaries are kept.
///
/// # Errors
/// It is no place, or cannot be made.
pub async fn store(config: &Config) -> Result<Place, Failure> {
    let url = &config.flows.store;
    Place::create(url, &settings(url).await).map_err(|error| unconnected("flows", &error))
}

async fn one(
    config: &Config,
    source: &FlowSourceConfig,
    now: &Now,
) -> Result<(Arc<dyn FlowSource>, Option<Outcome>), ProviderError> {
    let since = now() - FIRST_S;
    let log: Arc<dyn FlowSource> = match &source.from {
        From::Objects { url } => {
            let layout = match source.cloud {
                Cloud::Aws => Layout::Aws,
                Cloud::Azure => Layout::Azure,
                Cloud::Gcp => Layout::Gcp,
            };
            Arc::new(Objects::new(&source.name, Place::open(url, &settings(url).await)?, layout))
        }
        From::CloudWatch { group, region, log_format } => {
            let Written { log_format, only } = match log_format {
                Some(format) => Written { log_format: format.clone(), only: None },
                None => ask(config, region, group).await?,
            };
            let group = LogGroup { name: group.clone(), region: region.clone(), log_format, since };
            let log = Events::connect(&source.name, &group, now.clone()).await;
            return Ok((Arc::new(log), only));
        }
        From::CloudLogging { project } => {
            let api = logging_api(config, project)?;
            Arc::new(Entries::source(&source.name, project, api, since, now.clone()))
        }
    };
    Ok((log, None))
}

async fn ask(config: &Config, region: &str, group: &str) -> Result<Written, ProviderError> {
    let settings = AwsSettings::new(&config.installation);
    written(&Ec2::connect_to(&settings, "", region).await, group).await
}

/// What is not in a URL comes from the environment, as the clouds' own tools take it.
async fn settings(url: &str) -> Settings {
    if !url.starts_with("s3://") {
        return Settings::default();
    }
    let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").or_else(|_| std::env::var("AWS_ENDPOINT_URL")).ok();
    let keys = Keys::of_environment().await;
    Settings {
        path_style: endpoint.is_some(),
        endpoint,
        region: keys.region.clone(),
        aws_credentials: Some(signed_by(Arc::new(Chain(keys)))),
        ..Settings::default()
    }
}

/// The SDK's chain, for buckets.
struct Chain(Keys);

#[async_trait]
impl AwsKeyChain for Chain {
    async fn keys(&self) -> Result<AwsKeys, String> {
        let keys = self.0.get().await?;
        Ok(AwsKeys {
            key_id: keys.access_key_id().to_owned(),
            secret_key: keys.secret_access_key().to_owned(),
            token: keys.session_token().map(str::to_owned),
        })
    }
}

fn unconnected(name: &str, error: &ProviderError) -> Failure {
    Failure::new(format!("source `{name}`: {error}"), error.hint.clone())
}
