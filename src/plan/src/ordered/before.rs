//! What the earlier lists of a chain stop: the head of a later list.
//!
//! A deny of an earlier list stops what no next before it in its own list leaves to later lists. What lies between is no
//! rectangle of far ends and services where one is by address and the other by identity: then less is said to be stopped, never
//! more, and a further stage stops the rest.

use policy::AddressSet;

use super::rule::{Match, RuleIndex, Rules};
use crate::graph::NodeIndex;

/// The parts of a rule that surely none of others matches, and whether nothing is missing. Linear in the others, unless
/// they cut the rule into many parts.
pub(super) fn without(rules: &Rules<'_>, rule: RuleIndex, others: &[RuleIndex]) -> (Vec<Match>, bool) {
    let start = rules.get(rule);
    let mut exact = !start.unread;
    let mut parts = vec![start.clone()];
    for &other in others {
        let other = rules.get(other);
        let mut rest = Vec::new();
        for part in parts {
            exact &= cut(part, other, &mut rest);
        }
        rest.retain(|part| !part.is_nothing());
        parts = rest;
    }
    (parts, exact)
}

/// Adds what of a part another rule surely does not match; the answer is whether that is all.
fn cut(part: Match, other: &Match, rest: &mut Vec<Match>) -> bool {
    let services = part.services.intersection(&other.services);
    if services.is_empty() {
        rest.push(part);
        return true;
    }
    let everybody = other.addresses == AddressSet::any();
    let by_address = other.members.is_empty() && !other.unread;
    let by_identity = other.addresses.is_empty() && !other.unread;
    let addresses =
        if by_address { part.addresses.difference(&other.addresses) } else { AddressSet::empty() };
    let members: Vec<NodeIndex> = if by_identity {
        part.members.iter().filter(|node| other.members.binary_search(node).is_err()).copied().collect()
    } else {
        Vec::new()
    };
    let untouched = part.services.difference(&services);
    let exact =
        everybody || (by_address || part.addresses.is_empty()) && (by_identity || part.members.is_empty());
    rest.push(Match { services: untouched, ..part });
    rest.push(Match { addresses, members: members.into(), unread: false, services });
    exact
}
