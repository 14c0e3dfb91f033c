//! The actions of EC2 that the simulator knows.

pub(crate) mod acl;
pub(crate) mod addresses;
pub(crate) mod describe;
mod filter;
pub(crate) mod groups;
pub(crate) mod network;
pub(crate) mod rules;
pub(crate) mod tags;

use crate::params::Params;
use crate::state::{Ec2Error, State};
use crate::world::Fact;

/// What an action works with.
pub(crate) struct Call<'a> {
    pub(crate) params: &'a Params,
    pub(crate) state: &'a mut State,
    pub(crate) limits: Limits,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    /// What the data plane has to hear of: facts that hold now, or no more.
    pub(crate) facts: Vec<(Fact, bool)>,
}

/// The quotas of the account.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rules for each group, direction and family.
    pub rules_per_group: usize,
    /// Groups on one interface.
    pub groups_per_interface: usize,
    /// Groups in the region.
    pub groups_per_region: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rules_per_group: 60, groups_per_interface: 5, groups_per_region: 2500 }
    }
}

/// An action's answer inside its envelope, or an error.
pub(crate) type Answer = Result<String, Ec2Error>;
type Handler = fn(&mut Call<'_>) -> Answer;

/// The action by name, and whether it changes something.
pub(crate) fn find(action: &str) -> Option<(Handler, bool)> {
    let found: (Handler, bool) = match action {
        "DescribeVpcs" => (describe::vpcs, false),
        "DescribeSubnets" => (describe::subnets, false),
        "DescribeSecurityGroups" => (describe::security_groups, false),
        "DescribeSecurityGroupRules" => (describe::security_group_rules, false),
        "DescribeNetworkInterfaces" => (describe::network_interfaces, false),
        "DescribeInstances" => (describe::instances, false),
        "DescribeVpcPeeringConnections" => (describe::peerings, false),
        "DescribeNetworkAcls" => (describe::network_acls, false),
        "DescribeAccountAttributes" => (describe::account_attributes, false),
        "DescribeRegions" => (describe::regions, false),
        "DescribeTags" => (describe::tags, false),
        "DescribeAvailabilityZones" => (describe::availability_zones, false),
        "CreateSecurityGroup" => (groups::create, true),
        "DeleteSecurityGroup" => (groups::delete, true),
        "AuthorizeSecurityGroupIngress" => (groups::authorize_ingress, true),
        "AuthorizeSecurityGroupEgress" => (groups::authorize_egress, true),
        "RevokeSecurityGroupIngress" => (groups::revoke_ingress, true),
        "RevokeSecurityGroupEgress" => (groups::revoke_egress, true),
        "CreateTags" => (tags::create, true),
        "DeleteTags" => (tags::delete, true),
        "ModifyNetworkInterfaceAttribute" => (network::modify_interface, true),
        "CreateNetworkInterface" => (network::create_interface, true),
        "DeleteNetworkInterface" => (network::delete_interface, true),
        "CreateVpc" => (network::create_vpc, true),
        "AssociateVpcCidrBlock" => (network::associate_cidr, true),
        "CreateSubnet" => (network::create_subnet, true),
        "RunInstances" => (network::run_instances, true),
        "TerminateInstances" => (network::terminate_instances, true),
        "CreateVpcPeeringConnection" => (network::create_peering, true),
        "AcceptVpcPeeringConnection" => (network::accept_peering, true),
        "DeleteVpcPeeringConnection" => (network::delete_peering, true),
        "CreateNetworkAclEntry" => (acl::create_entry, true),
        "DeleteNetworkAclEntry" => (acl::delete_entry, true),
        "CreateNetworkAcl" => (acl::create, true),
        "ReplaceNetworkAclAssociation" => (acl::replace_association, true),
        "DeleteVpc" => (network::delete_vpc, true),
        "ModifySecurityGroupRules" => (rules::modify, true),
        "UpdateSecurityGroupRuleDescriptionsIngress" => (rules::describe_ingress, true),
        "UpdateSecurityGroupRuleDescriptionsEgress" => (rules::describe_egress, true),
        "AssignPrivateIpAddresses" => (addresses::assign_ipv4, true),
        "UnassignPrivateIpAddresses" => (addresses::unassign_ipv4, true),
        "AssignIpv6Addresses" => (addresses::assign_ipv6, true),
        "UnassignIpv6Addresses" => (addresses::unassign_ipv6, true),
        _ => return None,
    };
    Some(found)
}
