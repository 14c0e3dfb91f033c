//! The smallest rule that would let a flow pass at an end, in labels where there are any; `proposal` makes text of it.
//!
//! The role names the side, the other labels are the scope. When both ends share all other labels, the rule is
//! one inside that scope; else an extra-scope rule of the destination's scope. A peer that the end sees as
//! nobody is an address: the narrowest IP list that holds it, or a new one.

use std::net::IpAddr;

use crate::address::AddressSet;
use crate::decide::Point;
use crate::decide::matching::LocalSide;
use crate::file::can_declare;
use crate::label::{Label, in_reading_order};
use crate::name::Name;
use crate::ruleset::{Actor, Policy};
use crate::service::ServiceSet;
use crate::workload::Workload;

/// The label key that says which part of an application a workload plays.
const ROLE: &str = "role";

/// A rule that would have to exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingRule {
    /// The scope of its ruleset; empty for none.
    pub scope: Vec<Label>,
    /// Whether its sources are global.
    pub extra_scope: bool,
    /// Who opens the connection.
    pub sources: Vec<Actor>,
    /// Who is connected to.
    pub destinations: Vec<Actor>,
    /// On what.
    pub services: ServiceSet,
    /// An IP list that a side names and the policy does not have yet.
    pub new_list: Option<(Name, AddressSet)>,
}

/// The smallest rule that lets the flow pass at this end; `None` where no workload of ours is.
pub(super) fn missing_rule(point: &Point<'_>) -> Option<MissingRule> {
    let (local, _) = point.local?;
    let services = ServiceSet::point(point.flow.service);
    let &[peer] = point.peer.workloads() else {
        return Some(with_address(point, local, services));
    };
    let (source, destination) = match point.side {
        LocalSide::Source => (local, peer),
        LocalSide::Destination => (peer, local),
    };
    let scope = labels(destination, |key| key != ROLE);
    let shared = labels(source, |key| key != ROLE) == scope;
    Some(MissingRule {
        extra_scope: !shared && !scope.is_empty(),
        sources: if shared { by_role(source) } else { by_labels(source, labels(source, |_| true)) },
        destinations: by_role(destination),
        scope,
        services,
        new_list: None,
    })
}

/// A rule between the workload here and the other end's address. Lists are never narrowed by a scope (S7).
fn with_address(point: &Point<'_>, local: &Workload, services: ServiceSet) -> MissingRule {
    let address = point.other_end().address;
    let (list, new_list) = match narrowest_list(&point.snapshot.policy, address) {
        Some(list) => (list, None),
        None => {
            let name = new_list_name(&point.snapshot.policy, address);
            (name.clone(), Some((name, AddressSet::from(address))))
        }
    };
    let addresses = vec![Actor::IpList(list)];
    let (sources, destinations) = match point.side {
        LocalSide::Source => (by_role(local), addresses),
        LocalSide::Destination => (addresses, by_role(local)),
    };
    let scope = labels(local, |key| key != ROLE);
    MissingRule { scope, extra_scope: false, sources, destinations, services, new_list }
}

/// The list that holds the address and no other such list inside it. A list of a whole family would open
/// far more than the one address, so it is never proposed.
fn narrowest_list(policy: &Policy, address: IpAddr) -> Option<Name> {
    let any = AddressSet::any();
    let holders = policy.ip_lists.iter().filter(|(_, list)| {
        let addresses = &list.addresses;
        let whole_family = addresses.v4() == any.v4() || addresses.v6() == any.v6();
        addresses.contains(address) && !whole_family
    });
    let narrowest = holders.reduce(
        |best, other| {
            if other.1.addresses.is_subset(&best.1.addresses) { other } else { best }
        },
    );
    narrowest.map(|(name, _)| name.clone())
}

/// `host-192.0.2.7`, `host-2001-db8--7`: a name holds no colon. No address looks like one with a further `.2`.
fn new_list_name(policy: &Policy, address: IpAddr) -> Name {
    let name = format!("host-{}", address.to_string().replace(':', "-"));
    let numbered = (2_u32..).map(|number| format!("{name}.{number}"));
    let free = std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| !policy.ip_lists.contains_key(name.as_str()));
    free.unwrap_or(name).into()
}

/// The labels with the keys that are wanted. None at all if a policy file cannot hold one of the workload's labels:
/// what is left of them would mean more workloads than this one.
fn labels(workload: &Workload, wanted: impl Fn(&str) -> bool) -> Vec<Label> {
    let labels = in_reading_order(&workload.labels);
    if !labels.iter().all(can_declare) {
        return Vec::new();
    }
    labels.into_iter().filter(|label| wanted(label.key.as_str())).collect()
}

fn by_role(workload: &Workload) -> Vec<Actor> {
    by_labels(workload, labels(workload, |key| key == ROLE))
}

/// The labels, or the workload by name where there are none: everything in the scope would be too much.
fn by_labels(workload: &Workload, labels: Vec<Label>) -> Vec<Actor> {
    if labels.is_empty() {
        return vec![Actor::Workload(workload.id.clone())];
    }
    labels.into_iter().map(|label| Actor::Label { label, exclusion: false }).collect()
}
