//! The drivers of a domain: each scope has its own connection; lowering and semantics are the cloud's.

use std::collections::BTreeMap;

use async_trait::async_trait;
use plan::{Desired, FilterGraph, GroupId, Observed, Scope, ScopeId, Step};
use provider::{
    Applied, CallEstimate, CloudReader, CloudWriter, ErrorKind, Failed, LowerInput, ProviderError,
};
use provider_aws::{AwsReader, AwsSettings, AwsWriter, Ec2};

use crate::config::{Config, Quota};
use crate::display::Display;

/// Readers by scope.
#[derive(Clone, Default)]
pub struct Readers {
    by_scope: BTreeMap<ScopeId, AwsReader>,
    /// Those that the configuration writes.
    quotas: BTreeMap<ScopeId, Quota>,
    display: Display,
}

/// Writers by scope; only scopes with `enforce: true` have one.
#[derive(Clone, Default)]
pub struct Writers {
    by_scope: BTreeMap<ScopeId, AwsWriter>,
    display: Display,
}

/// A connection to every scope. It is neither a reader nor a writer: whoever only looks makes no writer of it.
pub struct Connections {
    all: Vec<Connection>,
    display: Display,
}

struct Connection {
    scope: Scope,
    quota: Quota,
    settings: AwsSettings,
    ec2: Ec2,
}

/// Connects every scope by the SDK's usual environment; the display hears of every read and write.
pub async fn connect(config: &Config, display: &Display) -> Connections {
    let mut all = Vec::new();
    // Scopes of one account and region draw on the same buckets.
    let shared = provider_aws::Connections::default();
    for entry in &config.scopes {
        let mut settings = AwsSettings::new(&config.installation);
        settings.connections = shared.clone();
        settings.extra_tags.clone_from(&config.extra_tags);
        settings.share = entry.share;
        let ec2 = Ec2::connect(&settings, &entry.scope).await;
        all.push(Connection { scope: entry.scope.clone(), quota: entry.quota, settings, ec2 });
    }
    Connections { all, display: display.clone() }
}

impl Connections {
    /// A reader of every scope.
    pub fn readers(&self) -> Readers {
        let mut readers = Readers { display: self.display.clone(), ..Readers::default() };
        for Connection { scope, quota, settings, ec2 } in &self.all {
            readers.quotas.insert(scope.id.clone(), *quota);
            readers.add(scope, AwsReader::new(ec2.clone(), settings.clone()));
        }
        readers
    }

    /// A writer of every scope with `enforce: true`, at one pace with its reader.
    pub fn writers(&self) -> Writers {
        let mut writers = Writers { display: self.display.clone(), ..Writers::default() };
        for Connection { scope, settings, ec2, .. } in self.all.iter().filter(|one| one.scope.enforce) {
            writers.add(scope, AwsWriter::new(ec2.clone(), settings.clone()));
        }
        writers
    }
}

impl Readers {
    /// Adds the reader of a scope.
    pub fn add(&mut self, scope: &Scope, reader: AwsReader) {
        self.by_scope.insert(scope.id.clone(), reader);
    }

    fn of(&self, scope: &ScopeId) -> Result<&AwsReader, ProviderError> {
        let missing =
            || ProviderError::new(ErrorKind::Rejected, "observe", format!("scope {scope} has no reader"));
        self.by_scope.get(scope).ok_or_else(missing)
    }
}

impl Writers {
    /// Adds the writer of a scope.
    pub fn add(&mut self, scope: &Scope, writer: AwsWriter) {
        self.by_scope.insert(scope.id.clone(), writer);
    }
}

#[async_trait]
impl CloudReader for Readers {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        let _under_way = self.display.begin(format!("reading scope {}", scope.id));
        let mut observed = self.of(&scope.id)?.observe(scope).await?;
        let quota = self.quotas.get(&scope.id).copied().unwrap_or_default();
        observed.limits = quota.over(observed.limits).map_err(|message| impossible(scope, &message))?;
        Ok(observed)
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        provider_aws::lower::lower(input)
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        provider_aws::semantics::semantics(domain)
    }

    fn estimate(&self, scope: &Scope, steps: &[&Step]) -> CallEstimate {
        self.of(&scope.id).map(|reader| reader.estimate(scope, steps)).unwrap_or_default()
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
        let missing = || {
            ProviderError::new(ErrorKind::Rejected, "apply", format!("scope {} is observed only", scope.id))
        };
        let _under_way = self.display.begin(format!("step {}: {}", step.id.0 + 1, step.title));
        self.by_scope.get(&scope.id).ok_or_else(missing)?.apply(scope, step, current, ids).await
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
