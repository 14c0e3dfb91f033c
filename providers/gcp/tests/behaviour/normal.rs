//! What was observed in a form in which equal states are equal: groups by what was planned, every list sorted.

use std::collections::BTreeMap;

use plan::{GroupId, Observed, Peer, RuleSpec};

/// Renames groups and sorts everything; lists of rules stay in their order.
pub fn normal(mut observed: Observed, names: &BTreeMap<GroupId, GroupId>) -> Observed {
    let rename = |id: &mut GroupId| {
        if let Some(other) = names.get(id) {
            *id = other.clone();
        }
    };
    let rename_peer = |peer: &mut Peer| {
        if let Peer::Group(id) = peer {
            rename(id);
        }
    };
    let facts = |rules: &mut Vec<RuleSpec>| {
        rules.iter_mut().for_each(|rule| rename_peer(&mut rule.peer));
        rules.sort();
    };
    for group in &mut observed.groups {
        rename(&mut group.id);
        facts(&mut group.ingress);
        facts(&mut group.egress);
    }
    observed.groups.sort_by(|a, b| a.id.cmp(&b.id));
    for interface in &mut observed.interfaces {
        interface.groups.iter_mut().for_each(rename);
        interface.groups.sort();
    }
    for rule in observed.path_filters.iter_mut().flat_map(|list| &mut list.rules) {
        rule.targets.iter_mut().for_each(rename);
        rule.targets.sort();
        rule.peers.iter_mut().for_each(rename_peer);
        rule.peers.sort();
    }
    observed
}

/// By what was planned, from what it became.
pub fn planned(ids: &BTreeMap<GroupId, GroupId>) -> BTreeMap<GroupId, GroupId> {
    ids.iter().map(|(planned, real)| (real.clone(), planned.clone())).collect()
}

/// Fails with what differs.
pub fn assert_same(what: &str, a: &Observed, b: &Observed) {
    assert_eq!(a.networks, b.networks, "{what}");
    for (a, b) in a.path_filters.iter().zip(&b.path_filters) {
        assert_eq!(a, b, "{what}");
    }
    for (a, b) in a.interfaces.iter().zip(&b.interfaces) {
        assert_eq!(a, b, "{what}");
    }
    for (a, b) in a.groups.iter().zip(&b.groups) {
        assert_eq!(a, b, "{what}");
    }
    assert_eq!(a, b, "{what}");
}
