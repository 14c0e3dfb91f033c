//! Who may set the groups of an interface (`providers.md` 3.1: service-managed interfaces refuse group changes, or are
//! set back by who made them).
//!
//! Only kinds that are known to keep what is written are written. Whatever is new is its service's.

use aws_sdk_ec2::types::NetworkInterface;
use plan::AttachClass;

/// The attach class of an interface.
pub(crate) fn attach_class(eni: &NetworkInterface) -> AttachClass {
    let kind = eni.interface_type().map_or("interface", |kind| kind.as_str());
    let through = |service: &str| AttachClass::ThroughService(service.to_owned());
    match kind {
        "interface" | "efa" | "efa-only" => by_maker(eni),
        "load_balancer"
        | "network_load_balancer"
        | "gateway_load_balancer"
        | "gateway_load_balancer_endpoint" => through("its load balancer"),
        "lambda" => through("AWS Lambda"),
        "vpc_endpoint" => through("its VPC endpoint"),
        // The controller of Kubernetes or ECS gives a pod or task its groups, and sets them back.
        "branch" => through("the controller of its pod or task"),
        "trunk" => through("the controller of the branches on it"),
        "quicksight" => through("Amazon QuickSight"),
        "natGateway" | "nat_gateway" => never("a NAT gateway has no security groups"),
        "transit_gateway" | "transit_gateway_attachment" => never("a transit gateway has no security groups"),
        other => through(&format!("the service behind type `{other}`")),
    }
}

fn never(why: &str) -> AttachClass {
    AttachClass::Never(why.to_owned())
}

/// The attach class of a plain interface, which a service may have made.
fn by_maker(eni: &NetworkInterface) -> AttachClass {
    let through = |service: &str| AttachClass::ThroughService(service.to_owned());
    let description = eni.description().unwrap_or_default();
    if description.starts_with("arn:") && description.contains(":ecs:") {
        return through("Amazon ECS");
    }
    if !eni.requester_managed().unwrap_or(false) {
        return AttachClass::Direct;
    }
    match description {
        text if text.starts_with("ELB ") => through("its load balancer"),
        text if text.starts_with("RDSNetworkInterface") => through("Amazon RDS"),
        text if text.starts_with("AWS Lambda VPC ENI") => through("AWS Lambda"),
        text if text.starts_with("EFS mount target") => through("Amazon EFS"),
        _ => through(eni.requester_id().unwrap_or("the service that made it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::NetworkInterfaceType;

    fn check(kind: &str, managed: bool, description: &str, expected: &str) {
        let eni = NetworkInterface::builder()
            .interface_type(NetworkInterfaceType::from(kind))
            .requester_managed(managed)
            .requester_id("amazon-aws")
            .description(description)
            .build();
        let found = match attach_class(&eni) {
            AttachClass::Direct => "direct".to_owned(),
            AttachClass::ThroughService(service) => format!("through {service}"),
            AttachClass::Never(why) => format!("never: {why}"),
        };
        assert_eq!(found, expected, "{kind} {description}");
    }

    #[test]
    fn every_kind_of_interface_has_its_attach_class() {
        for kind in ["interface", "efa", "efa-only"] {
            check(kind, false, "", "direct");
            check(kind, true, "", "through amazon-aws");
        }
        for kind in [
            "load_balancer",
            "network_load_balancer",
            "gateway_load_balancer",
            "gateway_load_balancer_endpoint",
        ] {
            check(kind, true, "", "through its load balancer");
        }
        for kind in ["natGateway", "nat_gateway"] {
            check(kind, true, "", "never: a NAT gateway has no security groups");
        }
        check("transit_gateway", true, "", "never: a transit gateway has no security groups");
        check("lambda", true, "", "through AWS Lambda");
        check("vpc_endpoint", true, "", "through its VPC endpoint");
        check("branch", false, "", "through the controller of its pod or task");
        check("trunk", false, "", "through the controller of the branches on it");
        check("quicksight", false, "", "through Amazon QuickSight");
        check("api_gateway_managed", false, "", "through the service behind type `api_gateway_managed`");
        check("something_new", false, "", "through the service behind type `something_new`");
    }

    #[test]
    fn interfaces_that_a_service_made_are_set_through_it() {
        check("interface", true, "ELB app/shop/1", "through its load balancer");
        check("interface", true, "RDSNetworkInterface", "through Amazon RDS");
        check("interface", true, "AWS Lambda VPC ENI-shop", "through AWS Lambda");
        check("interface", true, "EFS mount target for fs-1", "through Amazon EFS");
        let task = "arn:aws:ecs:eu-west-1:111122223333:attachment/0a";
        check("interface", false, task, "through Amazon ECS");
        check("interface", false, "aws-K8S-i-0a", "direct");
    }
}
