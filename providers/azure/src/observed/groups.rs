//! Application security groups as groups: those of classes and foreign ones. Groups of closed interfaces are none.

use plan::{GroupState, Owner};
use policy::NetworkId;

use crate::ids;
use crate::inventory::estate::ApplicationGroup;
use crate::marks::{self, CLASS_GROUP, Form, NETWORK_TAG};
use crate::observed::View;
use crate::observed::spaces::Space;
use crate::resources::ArmId;

impl<'a> View<'a> {
    /// The virtual network of an application security group: that of its members, else what our tag says.
    pub(super) fn network_of_group(&self, group: &ArmId) -> Option<&'a ArmId> {
        if let Some(interface) = self.first_members.get(group) {
            return Some(&interface.network);
        }
        let word = self.estate.application_groups.get(group)?.tags.get(NETWORK_TAG)?;
        let mut networks = self.estate.networks.keys();
        networks.find(|id| id.subscription() == group.subscription() && marks::network_word(id) == *word)
    }

    /// What tags mean in a network of the scope.
    pub(super) fn space(&self, network: &ArmId) -> &Space {
        self.spaces.get(network).unwrap_or(&self.nowhere)
    }
}

/// The groups in the networks of the scope, sorted by id. A foreign one that nobody is in is in no network.
pub(super) fn groups(view: &View<'_>) -> Vec<GroupState> {
    let all = view.estate.application_groups.iter();
    let mut groups: Vec<GroupState> = all.filter_map(|(id, group)| group_state(view, id, group)).collect();
    groups.sort_by(|a, b| a.id.cmp(&b.id));
    groups
}

fn group_state(view: &View<'_>, id: &ArmId, group: &ApplicationGroup) -> Option<GroupState> {
    let settings = view.settings;
    let network = view.network_of_group(id).filter(|network| view.networks.contains_key(*network))?;
    let wanted = marks::tags(&settings.installation, CLASS_GROUP, network, &settings.extra_tags);
    let (owner, tag_drift) = marks::group_owner(&settings.installation, id.name(), &group.tags, &wanted);
    let form = marks::form(&settings.installation, id.name());
    if owner == Owner::Ours && matches!(form, Some(Form::Closed(..))) {
        return None;
    }
    Some(GroupState {
        id: ids::of_asg(id),
        network: NetworkId::from(network.shared()),
        name: id.name().to_owned(),
        owner,
        ingress: Vec::new(),
        egress: Vec::new(),
        tag_drift,
    })
}
