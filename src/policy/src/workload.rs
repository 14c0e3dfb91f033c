//! Workloads: things with labels, interfaces and addresses; and the networks they sit in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::label::LabelSet;
use crate::name::{InterfaceId, NetworkId, WorkloadId};

/// What an enforcement point does with traffic that no rule allows (`pce-api.md` E3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnforcementMode {
    /// Nothing is written, nothing is judged.
    Idle,
    /// Nothing is written; what full mode would drop is reported as potentially blocked.
    #[default]
    VisibilityOnly,
    /// Permit, except what a deny rule covers.
    Selective,
    /// Drop whatever no rule allows.
    Full,
}

/// Which directions an enforcement point filters, as seen by the workload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Directions {
    /// Traffic towards the workload.
    pub ingress: bool,
    /// Traffic from the workload.
    pub egress: bool,
}

impl Directions {
    /// No enforcement point: the interface cannot be written, or its scope is not ours.
    pub const NONE: Self = Self { ingress: false, egress: false };
    /// Ingress only.
    pub const INGRESS: Self = Self { ingress: true, egress: false };
    /// Both directions.
    pub const BOTH: Self = Self { ingress: true, egress: true };
}

/// A thing with labels and interfaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// Unique over the snapshot.
    pub id: WorkloadId,
    /// At most one value per key.
    pub labels: LabelSet,
    /// What its enforcement points do by default.
    pub mode: EnforcementMode,
    /// Its interfaces; a workload without any is known and talks to nobody.
    pub interfaces: Vec<Interface>,
}

/// One network interface of a workload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Unique over the snapshot.
    pub id: InterfaceId,
    /// The network that it sits in; `None` for an unmanaged workload outside every known network.
    pub network: Option<NetworkId>,
    /// All its private addresses, primary first, both families.
    pub addresses: Vec<IpAddr>,
    /// What the enforcement point at this interface can and should filter. [`Directions::NONE`] where there
    /// is none: unmanaged, or an interface whose groups nobody can write (then it is *uncovered*).
    pub enforces: Directions,
}

/// A network in which addresses are unique, and the networks that it reaches by identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// Unique over the snapshot.
    pub id: NetworkId,
    /// The address blocks that the network routes to itself.
    pub cidrs: Vec<IpNet>,
    /// Networks with an active peering to this one (symmetric, not transitive).
    pub peers: BTreeSet<NetworkId>,
}

/// How packets of a network look where it is not connected to: the addresses of its NAT gateways, or public ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translation {
    /// The network that packets leave.
    pub network: NetworkId,
    /// Whose packets: addresses in the network; empty is all of them.
    pub from: Vec<IpNet>,
    /// On the way to which networks; empty is to everywhere. Connected networks see addresses as they are.
    pub towards: BTreeSet<NetworkId>,
    /// What is seen: a packet carries one of these of its own family. A family without one is not translated.
    pub addresses: Vec<IpAddr>,
}
