//! A snapshot: every input of one computation; and a flow with the decision on it.
//!
//! How an address is seen (`view`): a packet that arrives in a network carries addresses, not names.
//! 1. An address that an interface in the network, or in a network peered with it, holds is that interface.
//! 2. Otherwise an address inside the address blocks of the network or of its peers is nobody known.
//! 3. Otherwise, if exactly one interface anywhere else holds it, it is that interface. An address that is translated on
//!    the way is not held: what is seen instead is rule 4.
//! 4. Otherwise, if it is what translations make of the addresses of interfaces elsewhere, it is one of these: a rule for
//!    one of them is a rule for the address, since nobody can tell them apart.
//! 5. Otherwise it is an external address. (Two holders in unconnected networks, or a holder beside a translation:
//!    nobody can tell which, and when in doubt no identity rule matches.)

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::name::{InterfaceId, NetworkId};
use crate::ruleset::{Policy, RuleRef};
use crate::service::ServicePoint;
use crate::workload::{Interface, Network, Translation, Workload};

/// Every input of one computation, at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// What people wrote.
    pub policy: Policy,
    /// What exists; sorted by identity, so that output is deterministic.
    pub workloads: Vec<Workload>,
    /// The networks, with what they reach.
    pub networks: BTreeMap<NetworkId, Network>,
    /// What becomes of addresses between networks that are not connected.
    pub translations: Vec<Translation>,
}

/// One end of a flow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct End {
    /// The interface that really sends or receives; `None` for something outside all known interfaces.
    pub interface: Option<InterfaceId>,
    /// Its address on the packet, as seen at the other end.
    pub address: IpAddr,
}

/// One connection attempt. Both addresses are of one family.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    /// Who opens it.
    pub source: End,
    /// Who is connected to.
    pub destination: End,
    /// On what.
    pub service: ServicePoint,
}

/// How one end decides on a flow, with the rule that decided.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EndDecision {
    /// The end has no enforcement point in this direction: it lets everything pass.
    NotEnforced,
    /// Passes because the network would break without it (path MTU messages).
    Essential,
    /// Blocked by an override deny, whatever allows it.
    OverrideDenied(RuleRef),
    /// Allowed by a rule.
    Allowed(RuleRef),
    /// Blocked by a deny rule (selective mode only).
    Denied(RuleRef),
    /// No rule matches; the mode permits.
    DefaultAllowed,
    /// No rule matches; full mode drops.
    DefaultDenied,
}

impl EndDecision {
    /// Whether the end lets the flow pass.
    pub fn passes(&self) -> bool {
        !matches!(self, Self::OverrideDenied(_) | Self::Denied(_) | Self::DefaultDenied)
    }
}

/// What happens to a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// Every enforcing end lets it pass.
    Allowed,
    /// It passes, but full enforcement at both ends would block it.
    PotentiallyBlocked,
    /// An enforcing end blocks it.
    Blocked,
}

/// The decision of both ends on one flow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Decision {
    /// At the source's enforcement point.
    pub egress: EndDecision,
    /// At the destination's enforcement point.
    pub ingress: EndDecision,
    /// Both together.
    pub verdict: Verdict,
}

impl Snapshot {
    /// Every interface with its workload's index in [`Snapshot::workloads`].
    pub fn interfaces(&self) -> impl Iterator<Item = (usize, &Workload, &Interface)> + Clone {
        let numbered = self.workloads.iter().enumerate();
        numbered.flat_map(|(index, workload)| workload.interfaces.iter().map(move |i| (index, workload, i)))
    }

    /// Whether identity works between two networks: they are the same, or peered.
    pub fn connected(&self, a: &NetworkId, b: &NetworkId) -> bool {
        a == b || self.networks.get(a).is_some_and(|network| network.peers.contains(b))
    }
}
