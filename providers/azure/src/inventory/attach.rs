//! Whether the membership of an interface, or of what has an address without one, can be written, and why not.

use crate::inventory::estate::{Attach, OwnerKind, Service};
use crate::inventory::owner;
use crate::resources::{ArmId, Interface, ResourceGroup};

/// The class of an interface.
pub fn of_interface<R>(interface: &Interface<R>, group: Option<&ResourceGroup>) -> Attach {
    let said = &interface.properties;
    let owner = group.and_then(owner::of_group);
    let manager = group.and_then(|group| group.managed_by.clone()).filter(|id| !id.is_empty());
    if owner.as_ref().is_some_and(|owner| owner.who == OwnerKind::Kubernetes) {
        let why = "nodes of a managed cluster: the cluster puts its interfaces back";
        return Attach::Through { service: Service::Kubernetes, by: manager, why };
    }
    if let Some(set) = scale_set_of(&interface.id) {
        let why = "the membership of a uniform scale set stands in its model";
        return Attach::Through { service: Service::ScaleSet, by: Some(set), why };
    }
    if let Some(endpoint) = &said.private_endpoint {
        let why = "membership is written on the private endpoint";
        return Attach::Through { service: Service::PrivateEndpoint, by: Some(endpoint.id.clone()), why };
    }
    if let Some(service) = &said.private_link_service {
        let why = "the interface is made by a private link service";
        return Attach::Through { service: Service::PrivateLinkService, by: Some(service.id.clone()), why };
    }
    if owner.is_some() {
        let why = "a service manages the resource group and puts its interfaces back";
        return Attach::Through { service: Service::Managed, by: manager, why };
    }
    if !said.hosted_workloads.is_empty() {
        return Attach::Never { why: "the interface carries a service of the cloud" };
    }
    Attach::Direct
}

/// The class of something in a subnet that is no interface; none for interfaces.
pub fn of_occupant(user: &ArmId) -> Option<Attach> {
    const KINDS: [(&str, Option<Service>, &str); 8] = [
        ("loadbalancers/", Some(Service::LoadBalancer), "its backends are judged, not its front end"),
        ("applicationgateways/", None, "an application gateway has no interface of its own"),
        ("virtualnetworkgateways/", None, "a gateway has no interface of its own"),
        ("azurefirewalls/", None, "a firewall has no interface of its own"),
        ("bastionhosts/", None, "a bastion has no interface of its own"),
        ("virtualrouters/", None, "a router has no interface of its own"),
        ("virtualhubs/", None, "a route server has no interface of its own"),
        ("privatelinkservices/", Some(Service::PrivateLinkService), "its address is that of the service"),
    ];
    let kind = format!("{}/", user.kind());
    if kind.contains("networkinterfaces/") {
        return None;
    }
    let known = KINDS.iter().find(|(prefix, ..)| kind.starts_with(prefix));
    Some(match known {
        Some((_, Some(service), why)) => Attach::Through { service: *service, by: user.parent(), why },
        Some((_, None, why)) => Attach::Never { why },
        None => Attach::Never { why: "a service of the cloud has an address here" },
    })
}

/// The scale set of an interface that is part of one.
pub fn scale_set_of(interface: &ArmId) -> Option<ArmId> {
    let at = interface.key().find("/virtualmachinescalesets/")?;
    let name = interface.key().get(at + "/virtualmachinescalesets/".len()..)?.split('/').next()?;
    let end = at + "/virtualmachinescalesets/".len() + name.len();
    interface.as_str().get(..end).map(ArmId::new)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const SCOPE: &str = "/subscriptions/s/resourceGroups/rg/providers";

    fn service(id: &str, properties: Value, managed_by: Option<&str>) -> Option<Service> {
        let interface: Interface =
            serde_json::from_value(json!({ "id": format!("{SCOPE}/{id}"), "properties": properties }))
                .unwrap();
        let group: ResourceGroup =
            serde_json::from_value(json!({ "id": "/subscriptions/s/resourceGroups/rg", "name": "rg",
                "managedBy": managed_by }))
            .unwrap();
        match of_interface(&interface, Some(&group)) {
            Attach::Direct => None,
            Attach::Through { service, .. } => Some(service),
            Attach::Never { .. } => Some(Service::LoadBalancer),
        }
    }

    #[test]
    fn whoever_made_an_interface_decides() {
        let nic = "Microsoft.Network/networkInterfaces/n";
        let of_set = "Microsoft.Compute/virtualMachineScaleSets/ss/virtualMachines/0/networkInterfaces/n";
        let cluster = "/x/providers/Microsoft.ContainerService/managedClusters/k";
        assert_eq!(service(nic, json!({}), None), None);
        assert_eq!(service(nic, json!({ "virtualMachine": { "id": "/vm" } }), Some("")), None);
        assert_eq!(service(of_set, json!({}), None), Some(Service::ScaleSet));
        assert_eq!(service(of_set, json!({}), Some(cluster)), Some(Service::Kubernetes));
        assert_eq!(service(nic, json!({}), Some("/x/providers/a/b/c")), Some(Service::Managed));
        let endpoint = json!({ "privateEndpoint": { "id": "/e" } });
        assert_eq!(service(nic, endpoint, None), Some(Service::PrivateEndpoint));
        let hosted = json!({ "hostedWorkloads": ["x"] });
        assert_eq!(service(nic, hosted, None), Some(Service::LoadBalancer), "never");
    }

    #[test]
    fn what_has_no_interface_is_reached_by_nobody() {
        let of = |id: &str| of_occupant(&ArmId::new(&format!("{SCOPE}/Microsoft.Network/{id}")));
        assert_eq!(of("networkInterfaces/n/ipConfigurations/c"), None);
        let front = of("loadBalancers/l/frontendIPConfigurations/f");
        assert!(matches!(front, Some(Attach::Through { service: Service::LoadBalancer, .. })));
        assert!(matches!(of("bastionHosts/b/bastionHostIpConfigurations/c"), Some(Attach::Never { .. })));
        assert!(matches!(of("somethingNew/b/c/d"), Some(Attach::Never { .. })));
    }

    #[test]
    fn the_scale_set_is_in_the_id() {
        let id = format!("{SCOPE}/Microsoft.Compute/virtualMachineScaleSets/SS");
        let nic = ArmId::new(&format!("{id}/virtualMachines/0/networkInterfaces/n"));
        assert_eq!(scale_set_of(&nic).unwrap().as_str(), id);
    }
}
