//! Shared VPC: the networks of a host project hold the interfaces of its service projects, and its rules bind them.

use std::collections::{BTreeMap, BTreeSet};

use provider::ProviderError;
use serde::Deserialize;

use crate::inventory::Reach;
use crate::inventory::estate::Quota;
use crate::rest::Api;

/// A project as Compute Engine sees it.
#[derive(Clone, Default)]
pub(crate) struct Side {
    pub is_host: bool,
    /// The host project whose networks it uses.
    pub host: Option<String>,
    /// The service projects that use its networks.
    pub services: BTreeSet<String>,
    pub quotas: BTreeMap<String, Quota>,
}

#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "xpnProjectStatus")]
    status: Option<String>,
    #[serde(default)]
    quotas: Option<Vec<SeenQuota>>,
}

#[derive(Deserialize)]
struct SeenQuota {
    metric: String,
    #[serde(default)]
    limit: f64,
    #[serde(default)]
    usage: f64,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    id: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// Every project of the reach, with the hosts, and the services if they are wanted.
pub(crate) async fn projects(api: &Api, reach: &Reach) -> Result<BTreeMap<String, Side>, ProviderError> {
    let mut found: BTreeMap<String, Side> = BTreeMap::new();
    let mut open: BTreeSet<String> = reach.projects.iter().cloned().collect();
    while let Some(project) = open.pop_first() {
        let side = read(api, &project).await?;
        open.extend(side.host.clone());
        if reach.with_service_projects {
            open.extend(side.services.iter().cloned());
        }
        found.insert(project, side);
        open.retain(|project| !found.contains_key(project));
    }
    Ok(found)
}

async fn read(api: &Api, project: &str) -> Result<Side, ProviderError> {
    let path = format!("projects/{project}");
    let own = api.get::<Seen>("compute.projects.get", &path);
    let host = format!("{path}/getXpnHost");
    let host = api.get::<Seen>("compute.projects.getXpnHost", &host);
    let (own, host) = tokio::try_join!(own, host)?;
    let is_host = own.status.as_deref() == Some("HOST");
    let services = if is_host {
        let path = format!("{path}/getXpnResources");
        let action = "compute.projects.getXpnResources";
        api.list_where::<Service>(action, &path, "resources", &[]).await?
    } else {
        Vec::new()
    };
    let services = services.into_iter().filter(|one| one.kind == "PROJECT").map(|one| one.id);
    let quotas = own.quotas.into_iter().flatten();
    Ok(Side {
        is_host,
        host: host.name.filter(|name| !name.is_empty() && name != project),
        services: services.collect(),
        quotas: quotas
            .map(|one| (one.metric, Quota { limit: one.limit as u64, usage: one.usage as u64 }))
            .collect(),
    })
}
