//! What the ids of groups and lists say (`docs/worklog.md`).
//!
//! A tag value is a group by Google's name for it. What has no name of Google's gets one from the network: what
//! everything but our rules lets pass, who is closed, whom a rule is for that names no tag values.

use plan::{Direction, GroupId};
use policy::{InterfaceId, NetworkId};

use crate::marks;
use crate::resources::ResourcePath;

const PLACES: &str = "to:";
const NETWORK_TAG: &str = "tag:";
const CLASS: &str = "class:";
const ACCOUNT: &str = "account:";
const DAMAGED: &str = "damaged:";
const CLASSIC_FIRST: &str = "classic-first:";
const CLASSIC_LAST: &str = "classic-last:";
const INHERITED: &str = "inherited:";

/// What a group is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupKind {
    /// A tag value that is there, `tagValues/N`.
    Value(String),
    /// A tag key of ours without a value, `tagKeys/N`: what a creation left that did not come to its end.
    Key(String),
    /// A tag value that a plan creates.
    Planned {
        /// Its network.
        network: NetworkId,
        /// Its name.
        name: String,
    },
    /// What everything but our rules lets pass in a network.
    Rest {
        /// The network.
        network: NetworkId,
        /// Which way.
        direction: Direction,
    },
    /// Interfaces of a network that have our tag for closed ones.
    Closed {
        /// The network.
        network: NetworkId,
        /// Which way.
        direction: Direction,
    },
    /// Interfaces of a network whose instances have the network tag of a class of ours.
    Class {
        /// The network.
        network: NetworkId,
        /// The network tag.
        tag: String,
    },
    /// The first interfaces of instances with a network tag.
    NetworkTag {
        /// The network.
        network: NetworkId,
        /// The network tag.
        name: String,
    },
    /// Interfaces of instances with a service account.
    Account,
    /// Interfaces that a rule is for and that no tag value names.
    Places,
    /// Rules with our mark that do not say what rules of ours say, by their policy, or by their network where they are
    /// classic ones.
    Damaged(ResourcePath),
}

/// Reads an id.
pub fn kind_of(id: &GroupId) -> GroupKind {
    let text = id.as_str();
    if let (Some(name), Some(place)) = (id.planned_name(), text.strip_prefix("new:")) {
        let network = place.strip_suffix(name).unwrap_or(place).trim_end_matches('/');
        return GroupKind::Planned { network: NetworkId::from(network), name: name.to_owned() };
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        if let Some(place) = text.strip_prefix(word("rest", direction)) {
            let network = place.split_once('#').map_or(place, |(network, _)| network);
            return GroupKind::Rest { network: NetworkId::from(network), direction };
        }
        if let Some(network) = text.strip_prefix(word("closed", direction)) {
            return GroupKind::Closed { network: NetworkId::from(network), direction };
        }
    }
    if let Some((network, tag)) = text.strip_prefix(CLASS).and_then(|place| place.rsplit_once('/')) {
        return GroupKind::Class { network: NetworkId::from(network), tag: tag.to_owned() };
    }
    if let Some((network, name)) = text.strip_prefix(NETWORK_TAG).and_then(|place| place.rsplit_once('/')) {
        return GroupKind::NetworkTag { network: NetworkId::from(network), name: name.to_owned() };
    }
    if let Some(policy) = text.strip_prefix(DAMAGED) {
        return GroupKind::Damaged(ResourcePath::new(policy));
    }
    match text {
        _ if text.starts_with(PLACES) => GroupKind::Places,
        _ if text.starts_with(ACCOUNT) => GroupKind::Account,
        _ if text.starts_with("tagKeys/") => GroupKind::Key(text.to_owned()),
        _ => GroupKind::Value(text.to_owned()),
    }
}

fn word(what: &str, direction: Direction) -> &'static str {
    match (what, direction) {
        ("rest", Direction::Ingress) => "rest-in:",
        ("rest", Direction::Egress) => "rest-out:",
        (_, Direction::Ingress) => "closed-in:",
        (_, Direction::Egress) => "closed-out:",
    }
}

/// The rest of a network for interfaces to which the same of its targeted rules apply; none has no suffix.
pub fn rest(network: &NetworkId, direction: Direction, applying: &[String]) -> GroupId {
    const SUFFIX_LENGTH: usize = 8;
    let word = word("rest", direction);
    if applying.is_empty() {
        return GroupId::from(format!("{word}{network}"));
    }
    let suffix = marks::digits(&applying.join("\n"), SUFFIX_LENGTH);
    GroupId::from(format!("{word}{network}#{suffix}"))
}

/// The interfaces of a network with our tag for closed ones.
pub fn closed(network: &NetworkId, direction: Direction) -> GroupId {
    GroupId::from(format!("{}{network}", word("closed", direction)))
}

/// The interfaces that a rule is for and that no tag value names.
pub fn places(list: &str, rule: &str, direction: Direction) -> GroupId {
    GroupId::from(format!("{PLACES}{list}/{rule}:{direction}"))
}

/// The first interfaces in a network of instances with a network tag.
pub fn network_tag(network: &NetworkId, name: &str) -> GroupId {
    GroupId::from(format!("{NETWORK_TAG}{network}/{name}"))
}

/// The interfaces in a network of instances with the network tag of a class.
pub fn class(network: &NetworkId, tag: &str) -> GroupId {
    GroupId::from(format!("{CLASS}{network}/{tag}"))
}

/// Hexadecimal digits that stand for the network in a network tag of ours: an instance has its tags in every network.
const NETWORK_DIGITS: usize = 6;

/// The network tag that stands for a class in a network, by the name of its group.
pub fn class_tag(installation: &str, network: &NetworkId, name: &str) -> String {
    let prefix = marks::owned_name(installation, "");
    let own = name.strip_prefix(&prefix).unwrap_or(name);
    format!("{prefix}{}{own}", marks::digits(network.as_str(), NETWORK_DIGITS))
}

/// The network tag of interfaces of a network that are closed.
pub fn closed_tag(installation: &str, network: &NetworkId, direction: Direction) -> String {
    class_tag(installation, network, &closed_key(installation, network, direction))
}

/// The name of the group that a network tag of ours stands for in a network; none if it is not ours, or means nothing there.
pub fn name_of_tag(installation: &str, network: &NetworkId, tag: &str) -> Option<String> {
    let own = tag.strip_prefix(&marks::owned_name(installation, ""))?;
    let own = own.strip_prefix(&marks::digits(network.as_str(), NETWORK_DIGITS))?;
    let name = marks::owned_name(installation, own);
    marks::is_name(installation, &name).then_some(name)
}

/// What a network tag of ours is as a group of a network: a class, or those that are closed.
pub fn group_of_tag(installation: &str, network: &NetworkId, tag: &str) -> Option<GroupId> {
    let name = name_of_tag(installation, network, tag)?;
    let is_closed = |direction: &Direction| closed_key(installation, network, *direction) == name;
    let direction = [Direction::Ingress, Direction::Egress].into_iter().find(is_closed);
    Some(direction.map_or_else(|| class(network, tag), |direction| closed(network, direction)))
}

/// The network tag of a class, there or planned, with its network.
pub fn tag_of_class(installation: &str, id: &GroupId) -> Option<(NetworkId, String)> {
    match kind_of(id) {
        GroupKind::Class { network, tag } => Some((network, tag)),
        GroupKind::Planned { network, name } => {
            let tag = class_tag(installation, &network, &name);
            Some((network, tag))
        }
        _ => None,
    }
}

/// The class that a network tag stands for, by the id that it has once it is there.
pub fn tagged_class(installation: &str, id: &GroupId) -> Option<GroupId> {
    tag_of_class(installation, id).map(|(network, tag)| class(&network, &tag))
}

/// What rules know a class by as a source: the first interfaces of instances with its network tag.
pub fn source_of(installation: &str, id: &GroupId) -> Option<GroupId> {
    tag_of_class(installation, id).map(|(network, tag)| network_tag(&network, &tag))
}

/// The class that a source of a rule is.
pub fn class_of_source(installation: &str, id: &GroupId) -> Option<GroupId> {
    let GroupKind::NetworkTag { network, name } = kind_of(id) else { return None };
    group_of_tag(installation, &network, &name).filter(|group| group.as_str().starts_with(CLASS))
}

/// Whether an interface is the first one of its instance: network tags are sources at that one only.
pub fn is_first(interface: &InterfaceId) -> bool {
    interface.as_str().ends_with("#nic0")
}

/// The interfaces in a network of instances with a service account.
pub fn account(network: &NetworkId, email: &str) -> GroupId {
    GroupId::from(format!("{ACCOUNT}{network}/{email}"))
}

/// The damaged rules of ours in a policy, or among the classic rules of a network.
pub fn damaged(place: &str) -> GroupId {
    GroupId::from(format!("{DAMAGED}{place}"))
}

/// Our policy of a network.
pub fn policy(installation: &str, network: &NetworkId) -> ResourcePath {
    let project = ResourcePath::new(network.as_str()).project().to_owned();
    let name = marks::hashed_name(installation, network.as_str());
    ResourcePath::new(&format!("projects/{project}/global/firewallPolicies/{name}"))
}

/// The name of the tag key for the tag of a class.
pub fn class_key(installation: &str, network: &NetworkId, name: &str) -> String {
    marks::hashed_name(installation, &format!("{network}\n{name}"))
}

/// The name of the tag key for the tag of closed interfaces, and of its only value.
pub fn closed_key(installation: &str, network: &NetworkId, direction: Direction) -> String {
    marks::hashed_name(installation, closed(network, direction).as_str())
}

/// The list of the classic rules of a network, judged before or after its policies.
pub fn classic(network: &NetworkId, is_first: bool) -> String {
    format!("{}{network}", if is_first { CLASSIC_FIRST } else { CLASSIC_LAST })
}

/// Whether a list is that of classic rules: some if it is, true if they are judged before the policies.
pub fn is_classic_first(list: &str) -> Option<bool> {
    let is_last = list.starts_with(CLASSIC_LAST).then_some(false);
    list.starts_with(CLASSIC_FIRST).then_some(true).or(is_last)
}

/// The list of what a network does with what no other list decides.
pub fn implied(network: &NetworkId) -> String {
    format!("implied:{network}")
}

/// The list of a policy of a folder or the organisation, or of Google's own, as it is in force on a network.
pub fn inherited(network: &NetworkId, policy: &str) -> String {
    format!("{INHERITED}{network}/{policy}")
}

/// Where a global policy comes on a path that has none: before those of the regions, and all of them on their side of the
/// classic rules.
pub fn place_of_policy<S: AsRef<str>>(path: &[S]) -> usize {
    let classic = path.iter().position(|list| is_classic_first(list.as_ref()).is_some());
    let regional = path.iter().position(|list| is_regional(list.as_ref()));
    let is_first = classic.and_then(|at| is_classic_first(path.get(at)?.as_ref())).unwrap_or(true);
    let beside = classic.map(|at| if is_first { at + 1 } else { at });
    regional.or(beside).unwrap_or(path.len()).min(path.len())
}

/// Whether a list is a policy from above the project.
pub fn is_inherited(list: &str) -> bool {
    list.starts_with(INHERITED)
}

/// Whether a list is a global policy of a network.
pub fn is_global_policy(list: &str) -> bool {
    list.starts_with("projects/") && list.contains("/global/firewallPolicies/")
}

/// Whether a list is the policy of a region.
pub fn is_regional(list: &str) -> bool {
    list.starts_with("projects/") && list.contains("/regions/")
}

/// An interface of an instance.
pub fn interface(instance: &ResourcePath, name: &str) -> InterfaceId {
    InterfaceId::from(format!("{instance}#{name}"))
}

/// The instance of an interface.
pub fn instance_of(interface: &InterfaceId) -> ResourcePath {
    let text = interface.as_str();
    ResourcePath::new(text.rsplit_once('#').map_or(text, |(instance, _)| instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_they_are() {
        let network = NetworkId::from("projects/p/global/networks/v");
        let planned = GroupKind::Planned { network: network.clone(), name: "bulkhead-x-1".to_owned() };
        assert_eq!(kind_of(&GroupId::planned(&network, "bulkhead-x-1")), planned);
        for direction in [Direction::Ingress, Direction::Egress] {
            let rest_kind = GroupKind::Rest { network: network.clone(), direction };
            assert_eq!(kind_of(&rest(&network, direction, &[])), rest_kind);
            assert_eq!(kind_of(&rest(&network, direction, &["a".to_owned()])), rest_kind);
            let closed_kind = GroupKind::Closed { network: network.clone(), direction };
            assert_eq!(kind_of(&closed(&network, direction)), closed_kind);
        }
        let tag = GroupKind::NetworkTag { network: network.clone(), name: "web".to_owned() };
        assert_eq!(kind_of(&network_tag(&network, "web")), tag);
        assert_eq!(kind_of(&account(&network, "a@b")), GroupKind::Account);
        let own = GroupKind::Class { network: network.clone(), tag: "bulkhead-x-1".to_owned() };
        assert_eq!(kind_of(&class(&network, "bulkhead-x-1")), own);
        assert_eq!(kind_of(&GroupId::from("tagValues/1")), GroupKind::Value("tagValues/1".to_owned()));
        assert_eq!(kind_of(&GroupId::from("tagKeys/1")), GroupKind::Key("tagKeys/1".to_owned()));
        let policy = policy("shop", &network);
        assert_eq!(kind_of(&damaged(policy.as_str())), GroupKind::Damaged(policy.clone()));
        assert!(is_global_policy(policy.as_str()) && !is_regional(policy.as_str()));
        assert_eq!(is_classic_first(&classic(&network, false)), Some(false));
        let instance = ResourcePath::new("projects/p/zones/z-a/instances/i");
        assert_eq!(instance_of(&interface(&instance, "nic1")), instance);
    }

    #[test]
    fn a_network_tag_of_ours_is_of_one_network_and_one_installation() {
        let (a, b) = (
            NetworkId::from("projects/p/global/networks/a"),
            NetworkId::from("projects/p/global/networks/b"),
        );
        for name in ["bulkhead-shop-0123456789ab", "bulkhead-shop-0123456789ab-2"] {
            let tag = class_tag("shop", &a, name);
            assert!(tag.len() <= marks::NAME_LENGTH_MAX && tag != name, "{tag}");
            assert_eq!(name_of_tag("shop", &a, &tag).as_deref(), Some(name));
            assert_eq!((name_of_tag("shop", &b, &tag), name_of_tag("sho", &a, &tag)), (None, None));
            let planned = GroupId::planned(&a, name);
            assert_eq!(source_of("shop", &planned), Some(network_tag(&a, &tag)));
            assert_eq!(class_of_source("shop", &network_tag(&a, &tag)), Some(class(&a, &tag)));
        }
        let other = class_tag("shop-eu", &a, "bulkhead-shop-eu-0123456789ab");
        assert_eq!(name_of_tag("shop", &a, &other), None);
        let closing = closed_tag("shop", &a, Direction::Egress);
        assert_eq!(group_of_tag("shop", &a, &closing), Some(closed(&a, Direction::Egress)));
        assert_eq!(class_of_source("shop", &network_tag(&a, &closing)), None);
        assert_eq!(group_of_tag("shop", &a, "web"), None);
    }
}
