//! Virtual machines and scale sets, as far as they say what an interface belongs to.

use serde::{Deserialize, Serialize};

use crate::resources::kept::kept;
use crate::resources::{Reference, Rest, Tracked};

/// A virtual machine.
pub type Machine<R = Rest> = Tracked<MachineProperties<R>, R>;
/// A scale set.
pub type ScaleSet = Tracked<ScaleSetProperties>;

/// What a virtual machine is.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineProperties<R = Rest> {
    /// The flexible scale set that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_machine_scale_set: Option<Reference<R>>,
    /// Its interfaces.
    pub network_profile: NetworkProfile<R>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(MachineProperties {
    virtual_machine_scale_set: "virtualMachineScaleSet",
    network_profile: "networkProfile",
});

/// The interfaces of a machine.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProfile<R = Rest> {
    /// By reference.
    pub network_interfaces: Vec<Reference<R>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(NetworkProfile { network_interfaces: "networkInterfaces" });

/// What a scale set is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleSetProperties {
    /// `Uniform` or `Flexible`; nothing is `Uniform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orchestration_mode: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl ScaleSetProperties {
    /// Whether its machines and interfaces are resources of their own.
    pub fn is_flexible(&self) -> bool {
        self.orchestration_mode.as_ref().is_some_and(|mode| mode.eq_ignore_ascii_case("Flexible"))
    }
}
