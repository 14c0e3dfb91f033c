//! What there is, and what of it is somebody else's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mock_aws::World;

pub fn inventory(world: &World) -> BTreeSet<String> {
    let state = &world.state;
    let ids = state.vpcs.keys().chain(state.interfaces.keys()).chain(state.groups.keys());
    ids.chain(state.acls.keys()).cloned().collect()
}

/// Groups of somebody else with their rules, who is in them, and network ACLs.
pub fn text(world: &World, installation: &str) -> String {
    let state = &world.state;
    let mut text = String::new();
    let is_ours = |id: &str| {
        state.groups[id].tags.get("bulkhead:installation").is_some_and(|found| found == installation)
    };
    for (id, group) in state.groups.iter().filter(|(id, _)| !is_ours(id)) {
        writeln!(text, "{id} {group:?}").unwrap();
    }
    for (id, interface) in &state.interfaces {
        let groups: Vec<&String> = interface.groups.iter().filter(|group| !is_ours(group)).collect();
        writeln!(text, "{id} {groups:?} {:?}", interface.addresses).unwrap();
    }
    for (id, acl) in &state.acls {
        writeln!(text, "{id} {acl:?}").unwrap();
    }
    text
}
