//! What the id of a group says (`docs/worklog.md`): an application security group, a carrier, a rest, rules that are
//! damaged, or the places that a rule is for.

use plan::{Direction, GroupId};
use policy::NetworkId;

use crate::resources::ArmId;

const REST_IN: &str = "rest-in:";
const REST_OUT: &str = "rest-out:";
/// Comes after a rest whose members are closed otherwise than the scope wants.
const OTHERWISE: char = '!';
const DAMAGED: &str = "damaged:";
const PLACES: &str = "to:";
const ADMIN: &str = "admin:";

/// Whether the members of a rest are met by denies of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// By none.
    No,
    /// By some, but not by those that the scope wants.
    Otherwise,
}

/// What a group of a scope is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupKind {
    /// An application security group that is there.
    Asg(ArmId),
    /// The rules for the members of an application security group in a security group.
    Carrier {
        /// The security group.
        nsg: ArmId,
        /// The application security group.
        asg: ArmId,
    },
    /// What everything but our band lets pass behind a security group.
    Rest {
        /// The security group.
        nsg: ArmId,
        /// Which way.
        direction: Direction,
        /// Who is in it.
        closed: Closed,
    },
    /// Rules with names of ours that do not say what rules of ours say.
    Damaged {
        /// The security group.
        nsg: ArmId,
    },
    /// Interfaces that a rule names by their addresses or network.
    Places,
    /// An application security group that a plan creates.
    PlannedAsg {
        /// Its virtual network.
        network: NetworkId,
        /// Its name.
        name: String,
    },
    /// A carrier that a plan creates.
    PlannedCarrier {
        /// The virtual network.
        network: NetworkId,
        /// The name of the application security group.
        asg: String,
        /// The name of the security group, as its path filter has it.
        nsg: String,
    },
}

/// Reads an id.
pub fn kind_of(id: &GroupId) -> GroupKind {
    let text = id.as_str();
    let rest = |tail: &str, direction| {
        let nsg = tail.split_once(['#', OTHERWISE]).map_or(tail, |(nsg, _)| nsg);
        let closed = if tail.contains(OTHERWISE) { Closed::Otherwise } else { Closed::No };
        GroupKind::Rest { nsg: ArmId::new(nsg), direction, closed }
    };
    if let (Some(name), Some(place)) = (id.planned_name(), text.strip_prefix("new:")) {
        let network = NetworkId::from(place.strip_suffix(name).unwrap_or(place).trim_end_matches('/'));
        return match name.split_once('|') {
            Some((asg, nsg)) => {
                GroupKind::PlannedCarrier { network, asg: asg.to_owned(), nsg: nsg.to_owned() }
            }
            None => GroupKind::PlannedAsg { network, name: name.to_owned() },
        };
    }
    if let Some(tail) = text.strip_prefix(REST_IN) {
        return rest(tail, Direction::Ingress);
    }
    if let Some(tail) = text.strip_prefix(REST_OUT) {
        return rest(tail, Direction::Egress);
    }
    if let Some(nsg) = text.strip_prefix(DAMAGED) {
        return GroupKind::Damaged { nsg: ArmId::new(nsg) };
    }
    if text.starts_with(PLACES) {
        return GroupKind::Places;
    }
    match text.split_once('|') {
        Some((nsg, asg)) => GroupKind::Carrier { nsg: ArmId::new(nsg), asg: ArmId::new(asg) },
        None => GroupKind::Asg(ArmId::new(text)),
    }
}

/// An application security group as a group.
pub fn of_asg(asg: &ArmId) -> GroupId {
    GroupId::from(asg.shared())
}

/// The carrier of an application security group, planned or there, behind a security group.
pub fn carrier(nsg: &str, nsg_name: &str, asg: &GroupId, network: &NetworkId) -> GroupId {
    match asg.planned_name() {
        Some(name) => GroupId::planned(network, &carrier_name(name, nsg_name)),
        None => GroupId::from(format!("{nsg}|{asg}")),
    }
}

/// Whether a group is the carrier of an application security group behind a list, without making its id.
pub fn is_carrier(id: &GroupId, nsg: &str, nsg_name: &str, asg: &GroupId, network: &NetworkId) -> bool {
    if asg.is_planned() {
        return *id == carrier(nsg, nsg_name, asg, network);
    }
    let tail = id.as_str().strip_prefix(nsg).and_then(|tail| tail.strip_prefix('|'));
    tail == Some(asg.as_str())
}

/// The name of a carrier.
pub fn carrier_name(asg: &str, nsg: &str) -> String {
    format!("{asg}|{nsg}")
}

/// The rest behind a security group for interfaces to which the same of its targeted rules apply; none has no suffix.
pub fn rest(nsg: &str, direction: Direction, applying: &[&str]) -> GroupId {
    const SUFFIX_LENGTH: usize = 8;
    let word = if direction == Direction::Ingress { REST_IN } else { REST_OUT };
    if applying.is_empty() {
        return GroupId::from(format!("{word}{nsg}"));
    }
    let suffix = crate::marks::digits(&applying.join("\n"), SUFFIX_LENGTH);
    GroupId::from(format!("{word}{nsg}#{suffix}"))
}

/// What a rest lets pass before a deny of ours with this priority, which meets interfaces that the scope wants to be
/// closed before.
pub fn before_deny(rest: &GroupId, priority: u32) -> GroupId {
    GroupId::from(format!("{rest}{OTHERWISE}{priority}"))
}

/// Nothing of a rest: for interfaces that are closed as tightly as the scope wants, but by other rules.
pub fn closed_by_others(rest: &GroupId) -> GroupId {
    GroupId::from(format!("{rest}{OTHERWISE}"))
}

/// Whether a rest is of interfaces that are closed otherwise than the scope wants.
pub fn is_closed_otherwise(rest: &GroupId) -> bool {
    direction_of_rest(rest).is_some() && rest.as_str().contains(OTHERWISE)
}

/// The direction of a rest; none for other groups.
pub fn direction_of_rest(id: &GroupId) -> Option<Direction> {
    let is = |word: &str| id.as_str().starts_with(word);
    match (is(REST_IN), is(REST_OUT)) {
        (true, _) => Some(Direction::Ingress),
        (_, true) => Some(Direction::Egress),
        _ => None,
    }
}

/// The damaged rules of ours in a security group.
pub fn damaged(nsg: &str) -> GroupId {
    GroupId::from(format!("{DAMAGED}{nsg}"))
}

/// The interfaces that a rule is for by their addresses, or by their network where it means something else in each.
pub fn places(nsg: &str, rule: &str, network: Option<&str>) -> GroupId {
    let network = network.map(|network| format!("@{network}")).unwrap_or_default();
    GroupId::from(format!("{PLACES}{nsg}/{}{network}", rule.to_lowercase()))
}

/// The path filter of the security admin rules of a virtual network.
pub fn admin(network: &str) -> String {
    format!("{ADMIN}{network}")
}

/// Whether a path filter holds security admin rules.
pub fn is_admin(path_filter: &str) -> bool {
    path_filter.starts_with(ADMIN)
}

/// The security group whose rules decide who is behind it: the subnet's, or the interface's where the subnet has none.
pub fn managed(path_filters: &[String]) -> Option<&str> {
    path_filters.iter().map(String::as_str).find(|id| !is_admin(id))
}

/// Whether a group is an application security group, planned or there.
pub fn is_asg(id: &GroupId) -> bool {
    let text = id.as_str();
    !text.contains('|') && ![REST_IN, REST_OUT, DAMAGED, PLACES].iter().any(|word| text.starts_with(word))
}

/// The name of an application security group, planned or there, in lower case; empty for other groups.
pub fn asg_name(id: &GroupId) -> String {
    asg_word(id).to_lowercase()
}

/// The name of an application security group as its id spells it; empty for other groups.
pub fn asg_word(id: &GroupId) -> &str {
    if is_asg(id) { id.as_str().rsplit('/').next().unwrap_or_default() } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_they_are() {
        let network = NetworkId::from("/subscriptions/s/resourcegroups/rg/v");
        let asg = GroupId::planned(&network, "bulkhead-x-1");
        assert_eq!(
            kind_of(&asg),
            GroupKind::PlannedAsg { network: network.clone(), name: "bulkhead-x-1".to_owned() }
        );
        let planned = carrier("/n", "n", &asg, &network);
        assert_eq!(
            kind_of(&planned),
            GroupKind::PlannedCarrier { network, asg: "bulkhead-x-1".to_owned(), nsg: "n".to_owned() }
        );
        let nsg = ArmId::new("/s/n");
        let split = rest("/s/n", Direction::Egress, &["a", "b"]);
        assert!(split.as_str().starts_with("rest-out:/s/n#"));
        let of = |closed| GroupKind::Rest { nsg: nsg.clone(), direction: Direction::Egress, closed };
        assert_eq!(kind_of(&split), of(Closed::No));
        let plain = rest("/s/n", Direction::Egress, &[]);
        for other in [before_deny(&split, 4048), before_deny(&plain, 4048), closed_by_others(&plain)] {
            assert_eq!(kind_of(&other), of(Closed::Otherwise));
            assert!(is_closed_otherwise(&other) && !is_closed_otherwise(&split));
        }
        assert_eq!(kind_of(&damaged("/s/n")), GroupKind::Damaged { nsg });
        assert_eq!(kind_of(&places("/s/n", "R", None)), GroupKind::Places);
        let path = ["admin:/v".to_owned(), "/s/n".to_owned(), "/s/m".to_owned()];
        assert_eq!(managed(&path), Some("/s/n"));
    }
}
