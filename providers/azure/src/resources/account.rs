//! What holds resources: subscriptions, resource groups, management groups.

use serde::{Deserialize, Serialize};

use crate::resources::{ArmId, Rest, Tags};

/// A subscription.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its guid.
    pub subscription_id: String,
    /// For people.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub display_name: String,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled` or `Deleted`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub state: String,
    /// The tenant it trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A resource group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceGroup {
    /// Its id.
    pub id: ArmId,
    /// Its name.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub name: String,
    /// Where its own record is kept.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub location: String,
    /// The resource that manages everything in it, such as an AKS cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<ArmId>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A management group, or something below one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ManagementGroup {
    /// Its id.
    pub id: ArmId,
    /// Its name; of a subscription below a group, its guid.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub name: String,
    /// `Microsoft.Management/managementGroups`, or `/subscriptions` for a subscription below a group.
    #[serde(default, deserialize_with = "crate::resources::null_as_default", rename = "type")]
    pub kind: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl ManagementGroup {
    /// Whether it is a subscription below a group.
    pub fn is_subscription(&self) -> bool {
        self.kind.to_ascii_lowercase().ends_with("/subscriptions")
    }
}
