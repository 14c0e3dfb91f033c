//! Hints about who manages a security group or a rule, so that we do not fight a controller.
//!
//! They are guesses from marks that the controllers leave; each carries what it is based on. Nothing is decided here.

use crate::inventory::estate::{Owner, OwnerKind};
use crate::resources::{ArmId, ResourceGroup, Tags};

/// Prefixes of tags that controllers leave on what they make.
const TAGS: [(&str, OwnerKind); 8] = [
    ("aks-managed-", OwnerKind::Kubernetes),
    ("k8s-azure-", OwnerKind::Kubernetes),
    ("kubernetes.io-cluster-", OwnerKind::Kubernetes),
    ("kubernetes.azure.com", OwnerKind::Kubernetes),
    ("sigs.k8s.io_cluster-api-provider-azure_cluster_", OwnerKind::ClusterApi),
    ("databricks-environment", OwnerKind::Databricks),
    ("application", OwnerKind::Databricks),
    ("hidden-related:", OwnerKind::Managed),
];

/// Prefixes of rules that controllers make.
const RULES: [(&str, OwnerKind); 8] = [
    // cloud-provider-azure, for services of type LoadBalancer.
    ("k8s-azure-lb_", OwnerKind::Kubernetes),
    ("microsoft.sql-managedinstances_", OwnerKind::IntentPolicy),
    ("microsoft.web-", OwnerKind::IntentPolicy),
    ("microsoft.databricks-workspaces_", OwnerKind::Databricks),
    ("databricks-worker-", OwnerKind::Databricks),
    ("microsoftdefenderforcloud-jitrule", OwnerKind::JustInTime),
    ("securitycenter-jitrule", OwnerKind::JustInTime),
    ("allow_apiserver", OwnerKind::ClusterApi),
];

/// Who seems to manage a resource, by its resource group, tags and name.
pub fn of_resource(id: &ArmId, tags: &Tags, group: Option<&ResourceGroup>) -> Option<Owner> {
    if let Some(found) = group.and_then(of_group) {
        return Some(found);
    }
    for (name, value) in tags {
        let lower = name.to_lowercase();
        // Databricks marks its workspaces with a plain word: only its value tells.
        let known = TAGS.iter().find(|(prefix, _)| {
            lower.starts_with(prefix) && (*prefix != "application" || value == "databricks")
        });
        if let Some((_, who)) = known {
            return Some(Owner { who: *who, evidence: format!("tag `{name}`") });
        }
    }
    let name = id.name().to_lowercase();
    let is_of_pool = name.starts_with("aks-agentpool-") && name.ends_with("-nsg");
    is_of_pool.then(|| Owner { who: OwnerKind::Kubernetes, evidence: format!("name `{}`", id.name()) })
}

/// Who manages everything in a resource group.
pub fn of_group(group: &ResourceGroup) -> Option<Owner> {
    if let Some(manager) = group.managed_by.as_ref().filter(|id| !id.is_empty()) {
        let kind = manager.key();
        let who = if kind.contains("/microsoft.containerservice/") {
            OwnerKind::Kubernetes
        } else if kind.contains("/microsoft.databricks/") {
            OwnerKind::Databricks
        } else {
            OwnerKind::Managed
        };
        return Some(Owner { who, evidence: format!("resource group managed by `{manager}`") });
    }
    let is_of_nodes = group.name.to_lowercase().starts_with("mc_");
    let by_tag = group.tags.iter().flatten().any(|(name, _)| name.to_lowercase().starts_with("aks-managed-"));
    (is_of_nodes && by_tag).then(|| Owner {
        who: OwnerKind::Kubernetes,
        evidence: format!("resource group `{}` of a cluster's nodes", group.name),
    })
}

/// Who seems to have made a rule, by its name.
pub fn of_rule(name: &str) -> Option<Owner> {
    let begins =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    let (prefix, who) = RULES.iter().find(|(prefix, _)| begins(prefix))?;
    Some(Owner { who: *who, evidence: format!("rule name `{prefix}…`") })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn group(name: &str, rest: Value) -> ResourceGroup {
        let mut document = json!({ "id": format!("/subscriptions/s/resourceGroups/{name}"), "name": name });
        for (field, value) in rest.as_object().unwrap() {
            document[field] = value.clone();
        }
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn controllers_are_recognised_by_what_they_leave() {
        let cluster =
            "/subscriptions/s/resourcegroups/a/providers/Microsoft.ContainerService/managedClusters/k";
        let managed = group("MC_a_k_westeurope", json!({ "managedBy": cluster }));
        let tagged = group("MC_a", json!({ "tags": { "aks-managed-cluster-name": "k" } }));
        let plain = group("MC_a", json!({}));
        let check = |name: &str, tags: &[(&str, &str)], group: &ResourceGroup| {
            let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            of_resource(&ArmId::new(&format!("/x/{name}")), &tags, Some(group)).map(|owner| owner.who)
        };
        assert_eq!(check("n", &[], &managed), Some(OwnerKind::Kubernetes));
        assert_eq!(check("n", &[], &tagged), Some(OwnerKind::Kubernetes));
        assert_eq!(check("n", &[], &plain), None);
        assert_eq!(check("aks-agentpool-1234-nsg", &[], &plain), Some(OwnerKind::Kubernetes));
        assert_eq!(check("n", &[("application", "shop")], &plain), None);
        assert_eq!(check("n", &[("application", "databricks")], &plain), Some(OwnerKind::Databricks));
        let capz = [("sigs.k8s.io_cluster-api-provider-azure_cluster_c", "owned")];
        assert_eq!(check("n", &capz, &plain), Some(OwnerKind::ClusterApi));
        assert_eq!(of_rule("k8s-azure-lb_allow_IPv4_1").unwrap().who, OwnerKind::Kubernetes);
        assert_eq!(of_rule("web"), None);
    }
}
