//! Groups that are parts of other groups: they stand where the whole stands, whoever their members are.
//!
//! A cloud that keeps identity and rules apart has one group for each place in which the rules of a class stand. Such
//! a part has the members of the whole that are in its place, so members do not tell them apart, but names do.

use std::collections::BTreeMap;

use policy::NetworkId;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::state::{DesiredGroup, GroupId, GroupState};

/// The name of the whole and that of the place, if a name is that of a part: `WHOLE|PLACE`.
pub(super) fn part(name: &str) -> Option<(&str, &str)> {
    name.split_once('|')
}

/// Matches parts with groups that exist, by the groups that stand for the wholes; what is left is planned.
pub(super) fn assign_parts<'a>(
    parts: impl Iterator<Item = &'a DesiredGroup>,
    ours: &FxHashMap<&GroupId, &GroupState>,
    assigned: &mut BTreeMap<GroupId, GroupId>,
) {
    let observed = ours.values().filter(|group| part(&group.name).is_some());
    let by_name: FxHashMap<(&NetworkId, String), &GroupId> =
        observed.map(|group| ((&group.network, group.name.to_ascii_lowercase()), &group.id)).collect();
    for group in parts {
        let Some((whole, place)) = part(&group.name) else { continue };
        let desired = GroupId::planned(&group.network, whole);
        let stands = assigned.get(&desired).unwrap_or(&desired);
        let whole = match ours.get(stands) {
            Some(state) => state.name.as_str(),
            None => stands.planned_name().unwrap_or(whole),
        };
        let name = format!("{whole}|{place}");
        let held = by_name.get(&(&group.network, name.to_ascii_lowercase()));
        let id = held.map_or_else(|| GroupId::planned(&group.network, &name), |&held| held.clone());
        assigned.insert(group.id.clone(), id);
    }
}

/// Whether a group is a part of another one.
pub(super) fn whole_of(part_of: &GroupState, whole: &GroupState) -> bool {
    let name = part(&part_of.name).map(|(whole, _)| whole);
    part_of.network == whole.network && name.is_some_and(|name| name.eq_ignore_ascii_case(&whole.name))
}

/// Parts of wholes that stay are kept, also where nobody wants them: a driver shows one as long as it has rules or
/// members, and without them it is none.
pub(super) fn keep_parts(ours: &FxHashMap<&GroupId, &GroupState>, assigned: &mut BTreeMap<GroupId, GroupId>) {
    let stand: FxHashSet<&GroupId> = assigned.values().collect();
    let is_left = |group: &&&GroupState| part(&group.name).is_some() && !stand.contains(&group.id);
    let left: Vec<&GroupState> = ours.values().filter(is_left).copied().collect();
    if left.is_empty() {
        return;
    }
    let wholes = stand.iter().filter_map(|id| ours.get(id)).filter(|group| part(&group.name).is_none());
    let wholes: FxHashSet<(&NetworkId, String)> =
        wholes.map(|group| (&group.network, group.name.to_ascii_lowercase())).collect();
    let stays = |group: &&GroupState| {
        part(&group.name)
            .is_some_and(|(whole, _)| wholes.contains(&(&group.network, whole.to_ascii_lowercase())))
    };
    let kept: Vec<GroupId> = left.into_iter().filter(stays).map(|group| group.id.clone()).collect();
    assigned.extend(kept.into_iter().map(|id| (id.clone(), id)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Owner;

    fn state(id: &str, name: &str) -> GroupState {
        GroupState {
            id: id.into(),
            network: "net".into(),
            name: name.to_owned(),
            owner: Owner::Ours,
            ingress: Vec::new(),
            egress: Vec::new(),
            tag_drift: BTreeMap::new(),
        }
    }

    fn desired(name: &str) -> DesiredGroup {
        let network = NetworkId::from("net");
        DesiredGroup {
            id: GroupId::planned(&network, name),
            network,
            name: name.to_owned(),
            description: String::new(),
            ingress: BTreeMap::new(),
            egress: BTreeMap::new(),
        }
    }

    fn scope() -> crate::Scope {
        crate::Scope {
            id: "s".into(),
            cloud: crate::Cloud::Azure,
            account: String::new(),
            region: String::new(),
            networks: Vec::new(),
            enforce: true,
            egress: false,
            attachment: crate::Attachment::default(),
            drift: crate::Drift::default(),
            settle_ms: 0,
            transients: crate::Transients::default(),
            gates: crate::Gates::default(),
        }
    }

    #[test]
    fn parts_go_where_the_whole_goes() {
        let observed = [state("asg-old", "old"), state("n1|asg-old", "old|N1"), state("n1|asg-b", "b|n1")];
        let ours = observed.iter().map(|group| (&group.id, group)).collect();
        let mut assigned = BTreeMap::from([
            (desired("a").id, GroupId::from("asg-old")),
            (desired("c").id, GroupId::from("new:net/c-2")),
        ]);
        let parts = [desired("a|n1"), desired("a|n2"), desired("b|n1"), desired("c|n1")];
        assign_parts(parts.iter(), &ours, &mut assigned);
        let stands: Vec<&str> = parts.iter().map(|part| assigned[&part.id].as_str()).collect();
        assert_eq!(stands, ["n1|asg-old", "new:net/old|n2", "n1|asg-b", "new:net/c-2|n1"]);
    }

    #[test]
    fn a_part_that_nobody_wants_stays_with_its_whole_and_goes_with_it() {
        let observed =
            [state("z", "old"), state("n1|z", "OLD|n1"), state("n2|z", "old|n2"), state("n1|y", "y|n1")];
        let ours = observed.iter().map(|group| (&group.id, group)).collect();
        let mut assigned = BTreeMap::from([
            (desired("a").id, GroupId::from("z")),
            (desired("a|n1").id, GroupId::from("n1|z")),
        ]);
        keep_parts(&ours, &mut assigned);
        let stands: Vec<&str> = assigned.values().map(GroupId::as_str).collect();
        assert_eq!(stands, ["n2|z", "z", "n1|z"]);
    }

    #[test]
    fn a_part_never_stands_for_a_whole() {
        // Both have the same member, and the part comes first in every order.
        let (whole, part) = (state("z", "old"), state("n|z", "old|n"));
        let interface = crate::InterfaceState {
            id: "i".into(),
            network: "net".into(),
            workload: "w".into(),
            name: String::new(),
            addresses: Vec::new(),
            groups: vec![part.id.clone(), whole.id.clone()],
            attach: crate::AttachClass::Direct,
            tags: BTreeMap::new(),
            path_filters: Vec::new(),
            mac: None,
        };
        let observed = crate::Observed {
            interfaces: vec![interface],
            groups: vec![part, whole],
            ..crate::Observed::default()
        };
        let groups = vec![desired("new"), desired("new|n")];
        let wanted = groups.iter().map(|group| group.id.clone()).collect();
        let member = crate::Membership { groups: wanted, exclusive: false };
        let desired = crate::Desired {
            members: BTreeMap::from([("i".into(), member)]),
            groups,
            ..crate::Desired::default()
        };
        let scope = scope();
        let input = crate::ScopeInput { scope: &scope, observed: &observed, desired: &desired };
        let changes = crate::diff::diff(&[input]);
        let stands: Vec<&str> = changes.assignment.values().map(GroupId::as_str).collect();
        assert_eq!(stands, ["z", "n|z"]);
        assert_eq!((changes.groups, changes.members), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_part_that_nobody_wants_loses_its_rules_and_its_whole_stays() {
        let rule =
            crate::RuleSpec { peer: crate::Peer::Opaque("x".to_owned()), service: crate::RuleService::All };
        let part = GroupState { ingress: vec![rule.clone()], ..state("n|z", "old|n") };
        let observed =
            crate::Observed { groups: vec![part, state("z", "old")], ..crate::Observed::default() };
        let wanted = DesiredGroup { description: "role=web".to_owned(), ..desired("old") };
        let desired = crate::Desired { groups: vec![wanted], ..crate::Desired::default() };
        let scope = scope();
        let input = crate::ScopeInput { scope: &scope, observed: &observed, desired: &desired };
        let changes = crate::diff::diff(&[input]);
        let [change] = changes.groups.as_slice() else { unreachable!("one group changes: {changes:#?}") };
        assert_eq!((change.id.as_str(), change.title.as_str()), ("n|z", "role=web"));
        assert_eq!((change.fate, change.add.len()), (crate::diff::Fate::Kept, 0));
        assert_eq!(change.remove, [(crate::Direction::Ingress, rule)].into());
    }
}
