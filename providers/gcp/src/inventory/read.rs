//! The calls: one list for each kind and project, one question for each network about what is in force on it.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use provider::{ErrorKind, ProviderError};
use serde::Deserialize;

use crate::inventory::shared::Side;
use crate::resources::{
    BackendService, EffectivePolicy, Firewall, ForwardingRule, HealthCheck, Instance, InstanceGroupManager,
    Network, Node, Policy, Project, ResourcePath, Subnetwork, TagKey, TagValue, null_as_default,
};
use crate::rest::Api;

/// Everything that was read, as it came.
#[derive(Default)]
pub(crate) struct Raw {
    /// By id.
    pub sides: BTreeMap<String, Side>,
    /// By id.
    pub projects: BTreeMap<String, Project>,
    /// By name, `folders/N` or `organizations/N`.
    pub nodes: BTreeMap<String, Node>,
    pub networks: Vec<Network>,
    pub subnetworks: Vec<Subnetwork>,
    pub instances: Vec<Instance>,
    pub groups: Vec<InstanceGroupManager>,
    /// By path.
    pub firewalls: BTreeMap<ResourcePath, Firewall>,
    pub policies: Vec<Policy>,
    pub forwarding_rules: Vec<ForwardingRule>,
    pub backend_services: Vec<BackendService>,
    pub health_checks: Vec<HealthCheck>,
    /// By network.
    pub effective: BTreeMap<ResourcePath, Vec<EffectivePolicy>>,
    pub tag_keys: Vec<TagKey>,
    pub tag_values: Vec<TagValue>,
    /// Values by instance.
    pub bindings: BTreeMap<ResourcePath, Vec<String>>,
    pub has_bindings: bool,
    pub unreadable: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Effective {
    // The plural is Google's own.
    #[serde(default, rename = "firewallPolicys", deserialize_with = "null_as_default")]
    policies: Vec<EffectivePolicy>,
}

impl Raw {
    /// Reads every list of every project.
    pub(crate) async fn read(api: &Api, sides: BTreeMap<String, Side>) -> Result<Self, ProviderError> {
        let mut all = Self::default();
        for mut one in try_join_all(sides.keys().map(|project| Self::read_one(api, project))).await? {
            all.projects.append(&mut one.projects);
            all.networks.append(&mut one.networks);
            all.subnetworks.append(&mut one.subnetworks);
            all.instances.append(&mut one.instances);
            all.groups.append(&mut one.groups);
            all.firewalls.append(&mut one.firewalls);
            all.policies.append(&mut one.policies);
            all.forwarding_rules.append(&mut one.forwarding_rules);
            all.backend_services.append(&mut one.backend_services);
            all.health_checks.append(&mut one.health_checks);
            all.effective.append(&mut one.effective);
        }
        all.sides = sides;
        all.read_above(api).await?;
        Ok(all)
    }

    async fn read_one(api: &Api, project: &str) -> Result<Self, ProviderError> {
        let own = format!("projects/{project}");
        let (global, everywhere) = (format!("{own}/global"), format!("{own}/aggregated"));
        let at = |base: &str, field: &str| format!("{base}/{field}");
        let (networks, firewalls) = (at(&global, "networks"), at(&global, "firewalls"));
        let (subnetworks, instances) = (at(&everywhere, "subnetworks"), at(&everywhere, "instances"));
        let (groups, policies) =
            (at(&everywhere, "instanceGroupManagers"), at(&everywhere, "firewallPolicies"));
        let (forwarding, services) = (at(&everywhere, "forwardingRules"), at(&everywhere, "backendServices"));
        let checks = at(&everywhere, "healthChecks");
        let (
            seen,
            networks,
            firewalls,
            subnetworks,
            instances,
            groups,
            policies,
            forwarding,
            services,
            checks,
        ) = tokio::try_join!(
            api.get_managed::<Project>("cloudresourcemanager.projects.get", &own, &[]),
            api.list::<Network>("compute.networks.list", &networks),
            api.list::<Firewall>("compute.firewalls.list", &firewalls),
            api.list_everywhere("compute.subnetworks.aggregatedList", &subnetworks, "subnetworks"),
            api.list_everywhere("compute.instances.aggregatedList", &instances, "instances"),
            api.list_everywhere(
                "compute.instanceGroupManagers.aggregatedList",
                &groups,
                "instanceGroupManagers"
            ),
            api.list_everywhere::<Policy>(
                "compute.networkFirewallPolicies.aggregatedList",
                &policies,
                "firewallPolicies"
            ),
            api.list_everywhere("compute.forwardingRules.aggregatedList", &forwarding, "forwardingRules"),
            api.list_everywhere("compute.backendServices.aggregatedList", &services, "backendServices"),
            api.list_everywhere("compute.healthChecks.aggregatedList", &checks, "healthChecks"),
        )?;
        let named = firewalls.into_iter().map(|rule| {
            (ResourcePath::new(&format!("projects/{project}/global/firewalls/{}", rule.name)), rule)
        });
        let mut raw = Self {
            projects: BTreeMap::from([(project.to_owned(), seen)]),
            networks,
            subnetworks,
            instances,
            groups,
            firewalls: named.collect(),
            forwarding_rules: forwarding,
            backend_services: services,
            health_checks: checks,
            ..Self::default()
        };
        raw.policies = try_join_all(policies.into_iter().map(|policy| whole(api, policy)))
            .await?
            .into_iter()
            .flatten()
            .collect();
        raw.read_effective(api).await?;
        Ok(raw)
    }

    /// Policies of folders and the organisation need not be readable: the networks are asked what is in force.
    async fn read_effective(&mut self, api: &Api) -> Result<(), ProviderError> {
        let reads = self.networks.iter().map(|network| async move {
            let path = format!("{}/getEffectiveFirewalls", network.path);
            let found: Effective = api.get("compute.networks.getEffectiveFirewalls", &path).await?;
            Ok::<_, ProviderError>((network.path.clone(), found.policies))
        });
        self.effective = try_join_all(reads).await?.into_iter().collect();
        Ok(())
    }

    /// The folders and the organisation above the projects, as far as they may be read.
    async fn read_above(&mut self, api: &Api) -> Result<(), ProviderError> {
        let parents: Vec<String> =
            self.projects.values().filter_map(|project| project.parent.clone()).collect();
        for mut name in parents {
            while !self.nodes.contains_key(&name) && !self.unreadable.contains_key(&name) {
                let word = if name.starts_with("folders/") { "folders" } else { "organizations" };
                let action = format!("cloudresourcemanager.{word}.get");
                match api.get_managed::<Node>(&action, &name, &[]).await {
                    Ok(node) => {
                        let parent = node.parent.clone();
                        self.nodes.insert(name, node);
                        let Some(parent) = parent else { break };
                        name = parent;
                    }
                    Err(error) if error.kind == ErrorKind::Denied => {
                        self.unreadable.insert(name.clone(), error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// The organisations above the projects; also those that may not be read themselves.
    pub(crate) fn organizations(&self) -> Vec<String> {
        let known = self.nodes.keys().chain(self.unreadable.keys());
        let mut all: Vec<String> = known.filter(|name| name.starts_with("organizations/")).cloned().collect();
        all.dedup();
        all
    }
}

/// A policy with its rules: every policy has some, so one without came as a summary. None if it is gone since.
async fn whole(api: &Api, policy: Policy) -> Result<Option<Policy>, ProviderError> {
    if policy.rules.is_some() {
        return Ok(Some(policy));
    }
    match api.get::<Policy>("compute.networkFirewallPolicies.get", policy.path.as_str()).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
