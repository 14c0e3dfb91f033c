//! The calls: one list for each kind and subscription, one for each uniform scale set, one question for each network.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use provider::ProviderError;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::arm::{Arm, versions};
use crate::resources::{
    ActiveAdminRule, ApplicationGroup, ArmId, Interface, Kind, Machine, Network, Passed, ResourceGroup,
    ScaleSet, SecurityGroup, Subscription, Tracked, Unknown, kind,
};

/// Everything that was read, by id. Fields that we do not know are passed over: nothing of this is written back.
#[derive(Default)]
pub(crate) struct Raw {
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) resource_groups: BTreeMap<ArmId, ResourceGroup>,
    pub(crate) networks: BTreeMap<ArmId, Network<Passed>>,
    pub(crate) security_groups: BTreeMap<ArmId, SecurityGroup<Passed>>,
    pub(crate) application_groups: BTreeMap<ArmId, ApplicationGroup>,
    pub(crate) interfaces: BTreeMap<ArmId, Interface<Passed>>,
    pub(crate) machines: BTreeMap<ArmId, Machine<Passed>>,
    pub(crate) scale_sets: BTreeMap<ArmId, ScaleSet>,
    /// By network.
    pub(crate) admin_rules: BTreeMap<ArmId, Vec<ActiveAdminRule>>,
    /// What was referred to and is there no more.
    pub(crate) gone: BTreeSet<ArmId>,
}

impl Raw {
    /// Reads every list of every subscription.
    pub(crate) async fn read(arm: &Arm, subscriptions: &[String]) -> Result<Self, ProviderError> {
        let mut all = Self::default();
        let reads = subscriptions.iter().map(|subscription| Self::read_one(arm, subscription));
        for mut one in try_join_all(reads).await? {
            all.subscriptions.append(&mut one.subscriptions);
            all.resource_groups.append(&mut one.resource_groups);
            all.networks.append(&mut one.networks);
            all.security_groups.append(&mut one.security_groups);
            all.application_groups.append(&mut one.application_groups);
            all.interfaces.append(&mut one.interfaces);
            all.machines.append(&mut one.machines);
            all.scale_sets.append(&mut one.scale_sets);
            all.admin_rules.append(&mut one.admin_rules);
        }
        Ok(all)
    }

    async fn read_one(arm: &Arm, subscription: &str) -> Result<Self, ProviderError> {
        let own = format!("/subscriptions/{subscription}");
        let groups = format!("{own}/resourceGroups");
        let (found, groups, networks, security_groups, application_groups, interfaces, machines, scale_sets) =
            tokio::try_join!(
                arm.get("Microsoft.Resources/subscriptions/read", &own, versions::SUBSCRIPTIONS),
                arm.list::<ResourceGroup>(
                    "Microsoft.Resources/subscriptions/resourceGroups/read",
                    &groups,
                    versions::RESOURCE_GROUPS
                ),
                list(arm, kind::NETWORK, subscription),
                list(arm, kind::SECURITY_GROUP, subscription),
                list(arm, kind::APPLICATION_GROUP, subscription),
                list(arm, kind::INTERFACE, subscription),
                list(arm, kind::MACHINE, subscription),
                list(arm, kind::SCALE_SET, subscription),
            )?;
        let mut raw = Self {
            subscriptions: BTreeMap::from([(subscription.to_lowercase(), found)]),
            resource_groups: groups.into_iter().map(|group| (group.id.clone(), group)).collect(),
            networks,
            security_groups,
            application_groups,
            interfaces,
            machines,
            scale_sets,
            ..Self::default()
        };
        raw.read_scale_sets(arm).await?;
        let ids: Vec<ArmId> = raw.networks.keys().cloned().collect();
        raw.read_admin_rules(arm, &ids).await?;
        Ok(raw)
    }

    /// The interfaces of uniform scale sets are in no list of the subscription.
    async fn read_scale_sets(&mut self, arm: &Arm) -> Result<(), ProviderError> {
        let uniform = self.scale_sets.iter().filter(|(_, set)| !set.properties.is_flexible());
        let reads = uniform.map(|(id, _)| async move {
            let action = "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read";
            let path = format!("{id}/networkInterfaces");
            arm.list::<Interface<Passed>>(action, &path, versions::SCALE_SET_INTERFACES).await
        });
        let found = try_join_all(reads).await?;
        self.interfaces.extend(found.into_iter().flatten().map(|one| (one.id.clone(), one)));
        Ok(())
    }

    /// A network manager may stand in a subscription that we do not read: the networks are asked, not the managers.
    pub(crate) async fn read_admin_rules(&mut self, arm: &Arm, ids: &[ArmId]) -> Result<(), ProviderError> {
        let reads = ids.iter().map(|id| async move {
            const QUESTION: &str = "listNetworkManagerEffectiveSecurityAdminRules";
            let action = format!("{}/{QUESTION}/action", kind::NETWORK.full_type);
            let path = format!("{id}/{QUESTION}");
            let rules = arm.ask(&action, &path, versions::NETWORK, &json!({})).await?;
            Ok::<_, ProviderError>((id.clone(), rules))
        });
        self.admin_rules.extend(try_join_all(reads).await?);
        Ok(())
    }
}

async fn list<P: DeserializeOwned + Default, R: Unknown>(
    arm: &Arm,
    kind: Kind,
    subscription: &str,
) -> Result<BTreeMap<ArmId, Tracked<P, R>>, ProviderError> {
    let all = arm.list::<Tracked<P, R>>(&kind.reading(), &kind.all_in(subscription), kind.version).await?;
    Ok(all.into_iter().map(|one| (one.id.clone(), one)).collect())
}
