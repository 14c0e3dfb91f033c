//! The drivers of a domain: each scope has its own connection; lowering and semantics are the cloud's.

mod aws;
mod azure;
mod below;
mod environment;
mod gcp;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use plan::{Cloud, Desired, FilterGraph, GroupId, Observed, Scope, ScopeId, Step, Usage};
use provider::{
    Applied, CallEstimate, Clock, CloudReader, CloudWriter, DomainReader, DomainWriter, ErrorKind, Failed,
    LowerInput, ProviderError,
};
use provider_aws::{AwsSettings, Ec2};

use crate::config::{Config, Credential, Quota, ScopeConfig};
use crate::display::Display;
use crate::session::Failure;

/// Readers by scope.
#[derive(Clone, Default)]
pub struct Readers {
    domain: DomainReader,
    /// Those that the configuration writes.
    quotas: BTreeMap<ScopeId, Quota>,
    display: Display,
}

/// Writers by scope; only scopes with `enforce: true` have one.
#[derive(Clone, Default)]
pub struct Writers {
    domain: DomainWriter,
    display: Display,
}

/// A connection to every scope. It is neither a reader nor a writer: whoever only looks makes no writer of it.
pub struct Connections {
    all: Vec<(ScopeConfig, Arc<Connection>)>,
    display: Display,
}

enum Connection {
    Aws(aws::Connection),
    Azure(azure::Connection),
    Gcp(gcp::Connection),
}

impl Connection {
    fn reader(&self) -> Arc<dyn CloudReader> {
        match self {
            Self::Aws(connection) => connection.reader(),
            Self::Azure(connection) => connection.reader(),
            Self::Gcp(connection) => connection.reader(),
        }
    }

    fn writer(&self) -> Arc<dyn CloudWriter> {
        match self {
            Self::Aws(connection) => connection.writer(),
            Self::Azure(connection) => connection.writer(),
            Self::Gcp(connection) => connection.writer(),
        }
    }
}

/// Where the simulators of a demo are.
pub struct Simulators<'a> {
    /// EC2.
    pub aws: &'a str,
    /// Azure Resource Manager.
    pub azure: &'a str,
    /// Compute Engine and Resource Manager.
    pub gcp: &'a str,
    /// The time of all of them.
    pub clock: Arc<dyn Clock>,
}

/// Connects every scope by the usual environment of its cloud; the display hears of every read and write.
///
/// # Errors
/// A credential or an endpoint of the environment is missing or cannot be; what is below a node cannot be listed.
pub async fn connect(config: &Config, display: &Display) -> Result<Connections, Failure> {
    let config = &below::expand(config).await?;
    let mut all = Vec::new();
    let shared = provider_aws::Connections::default();
    // Scopes of one account share limits and locks; where they differ, the smallest share counts.
    let mut connected: BTreeMap<(Cloud, &str, Credential), Arc<Connection>> = BTreeMap::new();
    for entry in &config.scopes {
        let scope = &entry.scope;
        let alike = |other: &&ScopeConfig| {
            other.scope.cloud == scope.cloud
                && other.scope.account == scope.account
                && other.credential == entry.credential
        };
        let share = config.scopes.iter().filter(alike).map(|other| other.share).fold(entry.share, f64::min);
        let key = (scope.cloud, scope.account.as_str(), entry.credential);
        let connection = match (scope.cloud, connected.get(&key)) {
            (Cloud::Aws, _) => Arc::new(Connection::Aws(aws::Connection::new(config, entry, &shared).await)),
            (_, Some(connection)) => connection.clone(),
            (Cloud::Azure, None) => azure::Connection::new(config, entry.credential, share)
                .map(|connection| Arc::new(Connection::Azure(connection)))
                .map_err(|error| unconnected(scope, &error))?,
            (Cloud::Gcp, None) => gcp::Connection::new(config, entry.credential, share)
                .map(|connection| Arc::new(Connection::Gcp(connection)))
                .map_err(|error| unconnected(scope, &error))?,
        };
        connected.insert(key, connection.clone());
        all.push((entry.clone(), connection));
    }
    Ok(Connections { all, display: display.clone() })
}

/// A connection that reads the logs of a project, as who its scope is read; by the default credential where it has none.
///
/// # Errors
/// Something in the environment is missing or cannot be.
pub fn logging_api(config: &Config, project: &str) -> Result<provider_gcp::Api, ProviderError> {
    let of_project = |entry: &&ScopeConfig| entry.scope.cloud == Cloud::Gcp && entry.scope.account == project;
    let kind = config.scopes.iter().find(of_project).map_or(Credential::Gcloud, |entry| entry.credential);
    gcp::reading_api(kind)
}

/// Connects every scope to the simulator of its cloud.
///
/// # Errors
/// An address is none.
pub fn simulated(
    config: &Config,
    simulators: &Simulators<'_>,
    display: &Display,
) -> Result<Connections, Failure> {
    let connect = |entry: &ScopeConfig| {
        let clock = simulators.clock.clone();
        let connection = match entry.scope.cloud {
            Cloud::Aws => {
                let mut settings = AwsSettings::new(&config.installation);
                settings.extra_tags.clone_from(&config.extra_tags);
                settings.share = entry.share;
                let ec2 = Ec2::at_endpoint(simulators.aws, &settings, &entry.scope, clock);
                Connection::Aws(aws::Connection::over(ec2, settings))
            }
            Cloud::Azure => Connection::Azure(azure::Connection::simulated(config, simulators.azure, clock)?),
            Cloud::Gcp => Connection::Gcp(gcp::Connection::simulated(config, simulators.gcp, clock)?),
        };
        Ok((entry.clone(), Arc::new(connection)))
    };
    let all: Result<_, ProviderError> = config.scopes.iter().map(connect).collect();
    Ok(Connections { all: all.map_err(|error| Failure::new(error, ""))?, display: display.clone() })
}

fn unconnected(scope: &Scope, error: &ProviderError) -> Failure {
    Failure::new(format!("scope {} cannot be connected: {error}", scope.id), error.hint.clone())
}

/// The variables by which a client finds a simulator of a cloud on this machine.
pub fn variables(cloud: Cloud, address: &str) -> String {
    match cloud {
        Cloud::Aws => format!(
            "AWS_ENDPOINT_URL_EC2=http://{address} AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
        ),
        Cloud::Azure => format!("{}=http://{address} {}=simulated", azure::ENDPOINT, azure::TOKEN),
        Cloud::Gcp => format!("{}=http://{address} {}=simulated", gcp::ENDPOINT, gcp::TOKEN),
    }
}

impl Connections {
    /// Every scope, those that were found below something among them.
    pub fn scopes(&self) -> Vec<Scope> {
        self.all.iter().map(|(entry, _)| entry.scope.clone()).collect()
    }

    /// A reader of every scope.
    pub fn readers(&self) -> Readers {
        let mut readers = Readers { display: self.display.clone(), ..Readers::default() };
        for (entry, connection) in &self.all {
            readers.quotas.insert(entry.scope.id.clone(), entry.quota);
            readers.domain.add(&entry.scope, connection.reader());
        }
        readers
    }

    /// A writer of every scope with `enforce: true`, at one pace with its reader.
    pub fn writers(&self) -> Writers {
        let mut writers = Writers { display: self.display.clone(), ..Writers::default() };
        for (entry, connection) in self.all.iter().filter(|(entry, _)| entry.scope.enforce) {
            writers.domain.add(&entry.scope, connection.writer());
        }
        writers
    }
}

#[async_trait]
impl CloudReader for Readers {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        let _under_way = self.display.begin(format!("reading scope {}", scope.id));
        let mut observed = self.domain.observe(scope).await?;
        let quota = self.quotas.get(&scope.id).copied().unwrap_or_default();
        observed.limits = quota.over(observed.limits).map_err(|message| impossible(scope, &message))?;
        Ok(observed)
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        self.domain.lower(input)
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        self.domain.semantics(domain)
    }

    fn after(&self, observed: &Observed, steps: &[&Step]) -> Observed {
        self.domain.after(observed, steps)
    }

    fn holds(&self, step: &Step, observed: &Observed, ids: &BTreeMap<GroupId, GroupId>) -> bool {
        self.domain.holds(step, observed, ids)
    }

    fn usage<'a>(&self, observed: &'a Observed) -> Vec<Usage<'a>> {
        self.domain.usage(observed)
    }

    fn estimate(&self, scope: &Scope, observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate {
        self.domain.estimate(scope, observed, batches)
    }
}

/// No account can have the quotas that the configuration writes: whatever is planned by them is refused half-way.
fn impossible(scope: &Scope, message: &str) -> ProviderError {
    let message = format!("the quotas of scope {} cannot be: {message}", scope.id);
    let mut error = ProviderError::new(ErrorKind::Rejected, "observe", message);
    error.hint = "write under `quota` of the scope what the account has".to_owned();
    error
}

#[async_trait]
impl CloudWriter for Writers {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        let _under_way = self.display.begin(format!("step {}: {}", step.id.0 + 1, step.title));
        self.domain.apply(scope, step, current, ids).await
    }

    fn document(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Option<String> {
        self.domain.document(scope, step, current, ids)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_that_only_looks_makes_no_writer() {
        for source in [include_str!("commands/plan.rs"), include_str!("commands/explain.rs")] {
            assert!(!source.contains("writers") && !source.contains("Writer"));
        }
    }
}
