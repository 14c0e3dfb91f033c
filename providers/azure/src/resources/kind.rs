//! The kinds of resources that we call: their type, their api-version, and the actions as roles name them.

use crate::arm::versions;
use crate::resources::ArmId;

/// One kind of resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// Such as `Microsoft.Network/networkSecurityGroups`.
    pub full_type: &'static str,
    /// The api-version that it is called with.
    pub version: &'static str,
}

const fn network(full_type: &'static str) -> Kind {
    Kind { full_type, version: versions::NETWORK }
}

/// Virtual networks with their subnets and peerings.
pub const NETWORK: Kind = network("Microsoft.Network/virtualNetworks");
/// Subnets.
pub const SUBNET: Kind = network("Microsoft.Network/virtualNetworks/subnets");
/// Network security groups with their rules.
pub const SECURITY_GROUP: Kind = network("Microsoft.Network/networkSecurityGroups");
/// Security rules.
pub const RULE: Kind = network("Microsoft.Network/networkSecurityGroups/securityRules");
/// Application security groups.
pub const APPLICATION_GROUP: Kind = network("Microsoft.Network/applicationSecurityGroups");
/// Network interfaces.
pub const INTERFACE: Kind = network("Microsoft.Network/networkInterfaces");
/// Virtual machines.
pub const MACHINE: Kind = Kind { full_type: "Microsoft.Compute/virtualMachines", version: versions::COMPUTE };
/// Scale sets.
pub const SCALE_SET: Kind =
    Kind { full_type: "Microsoft.Compute/virtualMachineScaleSets", version: versions::COMPUTE };

impl Kind {
    /// The action of reading one or listing many.
    pub fn reading(self) -> String {
        format!("{}/read", self.full_type)
    }

    /// The action of creating or changing one.
    pub fn writing(self) -> String {
        format!("{}/write", self.full_type)
    }

    /// The action of deleting one.
    pub fn deleting(self) -> String {
        format!("{}/delete", self.full_type)
    }

    /// Where all of a subscription are listed.
    pub fn all_in(self, subscription: &str) -> String {
        format!("/subscriptions/{subscription}/providers/{}", self.full_type)
    }

    /// The id of one in a resource group.
    pub fn named(self, subscription: &str, resource_group: &str, name: &str) -> ArmId {
        let full_type = self.full_type;
        ArmId::new(&format!(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/{full_type}/{name}"
        ))
    }
}
