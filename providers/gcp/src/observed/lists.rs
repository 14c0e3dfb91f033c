//! Rules of policies and classic rules as rules of a path filter.

use std::cmp::Ordering;

use ipnet::IpNet;
use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer};
use policy::NetworkId;

use crate::resources::policy::RuleMatch;
use crate::resources::{Firewall, PolicyRule, ResourcePath, Rest, SecureTag};
use crate::services::{Layer4, services_of};
use crate::{ids, marks};

/// A rule before it is known whom it is for.
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    /// The rule, for everybody behind its list.
    pub rule: PathRule,
    /// Whom it is for.
    pub own: Own,
}

/// Whom a rule is for: who has one of each kind that is named.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Own {
    /// Tag values.
    pub values: Vec<String>,
    /// Network tags.
    pub tags: Vec<String>,
    /// Service accounts.
    pub accounts: Vec<String>,
    /// Blocks.
    pub blocks: Vec<IpNet>,
}

impl Own {
    /// Whether it is for everybody behind its list.
    pub fn is_everybody(&self) -> bool {
        *self == Self::default()
    }

    /// Whether network tags alone say whom it is for.
    pub fn is_by_tag(&self) -> bool {
        !self.tags.is_empty() && self.values.is_empty() && self.accounts.is_empty() && self.blocks.is_empty()
    }

    /// The groups that its network tags stand for, if all of them are ours and nothing else says whom it is for.
    pub fn classes(&self, group: &dyn Fn(&str) -> Option<GroupId>) -> Option<Vec<GroupId>> {
        if !self.is_by_tag() {
            return None;
        }
        let mut groups: Vec<GroupId> = self.tags.iter().map(|tag| group(tag)).collect::<Option<_>>()?;
        groups.sort();
        groups.dedup();
        Some(groups)
    }

    /// Whether tag values alone say whom it is for.
    pub fn is_by_value(&self) -> bool {
        !self.values.is_empty() && self.tags.is_empty() && self.accounts.is_empty() && self.blocks.is_empty()
    }
}

/// The far side of a rule.
#[derive(Default)]
struct Far {
    peers: Vec<Peer>,
    /// Whether it is for fewer packets than the rest says.
    is_narrowed: bool,
}

/// A rule of a policy. `installation` is ours where rules with our mark are ours: in our own policies; `group` gives the
/// group that a tag value is.
pub fn of_policy_rule(
    rule: &PolicyRule,
    installation: Option<&str>,
    group: &dyn Fn(&str) -> GroupId,
) -> Read {
    let direction = if rule.direction == "EGRESS" { Direction::Egress } else { Direction::Ingress };
    let effect = match rule.action.as_str() {
        "deny" => PathEffect::Deny,
        "goto_next" => PathEffect::Next,
        // `apply_security_profile_group` inspects what it lets pass.
        _ => PathEffect::Allow,
    };
    let (mut far, own_side) = sides(&rule.matching, direction, group);
    let values = rule.target_secure_tags.iter().flatten().map(|tag| tag.name.clone());
    let own = Own {
        values: values.collect(),
        accounts: rule.target_service_accounts.clone().unwrap_or_default(),
        blocks: own_side.blocks,
        tags: Vec::new(),
    };
    far.is_narrowed |= own_side.is_vague;
    let layers = rule
        .matching
        .layer4_configs
        .iter()
        .map(|one| Layer4 { protocol: &one.ip_protocol, ports: one.ports.as_deref().unwrap_or_default() });
    let description = rule.description.as_deref().unwrap_or_default();
    let owner = installation.map(|own| marks::owner_of_rule(own, description)).unwrap_or(Owner::Foreign);
    let named = rule.rule_name.clone().filter(|name| !name.is_empty());
    let is_off = rule.disabled.unwrap_or(false);
    let read = Draft {
        name: named.unwrap_or_else(|| rule.priority.to_string()),
        priority: rule.priority,
        owner,
        direction,
        effect,
    };
    read.finish(far, own, layers, is_off)
}

/// A classic rule as it is in its network. `installation` is ours where rules with our name and mark are ours.
pub fn of_firewall(rule: &Firewall, network: &NetworkId, installation: Option<&str>) -> Read {
    let direction = match rule.direction.as_deref() {
        Some("EGRESS") => Direction::Egress,
        _ => Direction::Ingress,
    };
    let (far_ranges, own_ranges) = match direction {
        Direction::Ingress => (&rule.source_ranges, &rule.destination_ranges),
        Direction::Egress => (&rule.destination_ranges, &rule.source_ranges),
    };
    let tags = rule.source_tags.iter().flatten().map(|tag| ids::network_tag(network, tag));
    let accounts = rule.source_service_accounts.iter().flatten().map(|email| ids::account(network, email));
    let mut peers: Vec<Peer> = far_ranges.iter().flatten().map(|text| block_peer(text)).collect();
    peers.extend(tags.chain(accounts).map(Peer::Group));
    let own = Own {
        values: Vec::new(),
        tags: rule.target_tags.clone().unwrap_or_default(),
        accounts: rule.target_service_accounts.clone().unwrap_or_default(),
        blocks: own_ranges.iter().flatten().filter_map(|text| block(text)).collect(),
    };
    let is_deny = rule.denied.as_ref().is_some_and(|denied| !denied.is_empty());
    let layers = if is_deny { &rule.denied } else { &rule.allowed };
    let layers = layers
        .iter()
        .flatten()
        .map(|one| Layer4 { protocol: &one.protocol, ports: one.ports.as_deref().unwrap_or_default() });
    let description = rule.description.as_deref().unwrap_or_default();
    let owner = installation.map(|own| marks::owner(own, &rule.name, description));
    let draft = Draft {
        name: rule.name.clone(),
        priority: rule.priority.unwrap_or(1000),
        owner: owner.unwrap_or(Owner::Foreign),
        direction,
        effect: if is_deny { PathEffect::Deny } else { PathEffect::Allow },
    };
    draft.finish(Far { peers, is_narrowed: false }, own, layers, rule.disabled.unwrap_or(false))
}

struct Draft {
    name: String,
    priority: u32,
    owner: Owner,
    direction: Direction,
    effect: PathEffect,
}

impl Draft {
    /// A rule that says nothing exactly says too much where it allows, and nothing where it denies or leaves packets to
    /// the next list: exposure is never understated. One that is switched off is for no service.
    fn finish<'a>(
        self,
        mut far: Far,
        own: Own,
        layers: impl Iterator<Item = Layer4<'a>>,
        is_off: bool,
    ) -> Read {
        let is_deny = self.effect != PathEffect::Allow;
        let is_nothing = is_off || is_deny && far.is_narrowed;
        far.peers.sort();
        far.peers.dedup();
        let services = if is_nothing { Vec::new() } else { services_of(layers, is_deny) };
        let rule = PathRule {
            name: self.name,
            priority: self.priority,
            owner: self.owner,
            direction: self.direction,
            effect: self.effect,
            targets: Vec::new(),
            peers: far.peers,
            services,
        };
        Read { rule, own }
    }
}

/// What the near side of a rule of a policy says besides its targets.
struct Near {
    blocks: Vec<IpNet>,
    is_vague: bool,
}

fn sides(matching: &RuleMatch, direction: Direction, group: &dyn Fn(&str) -> GroupId) -> (Far, Near) {
    let (far, near) = match direction {
        Direction::Ingress => ("src", "dest"),
        Direction::Egress => ("dest", "src"),
    };
    let ranges = |side: &str| if side == "src" { &matching.src_ip_ranges } else { &matching.dest_ip_ranges };
    let mut peers: Vec<Peer> = ranges(far).iter().flatten().map(|text| block_peer(text)).collect();
    if far == "src" {
        let values = matching.src_secure_tags.iter().flatten();
        peers.extend(values.map(|tag: &SecureTag| Peer::Group(group(&tag.name))));
    }
    peers.extend(opaque(matching, far).map(Peer::Opaque));
    let context = context(&matching.rest, far);
    if peers.is_empty() {
        peers.extend(context.clone().map(Peer::Opaque));
    }
    let is_vague = opaque(matching, near).next().is_some() || context_of(&matching.rest, near);
    let blocks = ranges(near).iter().flatten().filter_map(|text| block(text)).collect();
    (Far { peers, is_narrowed: context.is_some() }, Near { blocks, is_vague })
}

/// Lists of addresses that are kept elsewhere.
fn opaque<'a>(matching: &'a RuleMatch, side: &'a str) -> impl Iterator<Item = String> + 'a {
    let groups = if side == "src" { &matching.src_address_groups } else { &matching.dest_address_groups };
    let lists = ["Fqdns", "RegionCodes", "ThreatIntelligences"];
    let named = lists.into_iter().flat_map(move |list| words(&matching.rest, &format!("{side}{list}")));
    groups.iter().flatten().cloned().chain(named)
}

/// The kind of network that a side is narrowed to.
fn context(rest: &Rest, side: &str) -> Option<String> {
    let word = |field: &str| rest.get(&format!("{side}{field}"))?.as_str().map(str::to_owned);
    word("NetworkContext").or_else(|| word("NetworkType")).map(|word| format!("network context {word}"))
}

fn context_of(rest: &Rest, side: &str) -> bool {
    context(rest, side).is_some()
}

/// The texts of a field that we do not type.
pub(super) fn words(rest: &Rest, field: &str) -> Vec<String> {
    let all = rest.get(field).and_then(|value| value.as_array()).into_iter().flatten();
    all.filter_map(|word| word.as_str()).map(str::to_owned).collect()
}

/// Whether a rule of a hierarchical policy is for a network.
pub(super) fn is_for(rule: &PolicyRule, network: &ResourcePath) -> bool {
    let named = words(&rule.rest, "targetResources");
    named.is_empty() || named.iter().any(|link| ResourcePath::new(link) == *network)
}

fn block_peer(text: &str) -> Peer {
    block(text).map_or_else(|| Peer::Opaque(text.to_owned()), Peer::Cidr)
}

fn block(text: &str) -> Option<IpNet> {
    let single = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
    text.parse::<IpNet>().ok().or_else(single).map(|block| block.trunc())
}

/// The rules of our own policy as they are written, for deciding which of ours to write: names and priorities of all, and
/// what ours say. Whom others are for is said only as far as tag values say it.
pub fn as_written(
    rules: &[PolicyRule],
    installation: &str,
    group: &dyn Fn(&str) -> GroupId,
) -> Vec<PathRule> {
    let targeted = |Read { mut rule, own }: Read| {
        if own.is_by_value() {
            rule.targets = own.values.iter().map(|value| group(value)).collect();
            rule.targets.sort();
            rule.targets.dedup();
        } else if !own.is_everybody() {
            rule.targets = vec![ids::places("", &rule.name, rule.direction)];
        }
        rule
    };
    rules.iter().map(|rule| targeted(of_policy_rule(rule, Some(installation), group))).collect()
}

/// The classic rules of a network as they are written, for deciding which of ours to write, as [`as_written`].
pub fn classic_as_written(rules: &[Firewall], network: &NetworkId, installation: &str) -> Vec<PathRule> {
    let group = |tag: &str| ids::group_of_tag(installation, network, tag);
    let targeted = |Read { mut rule, own }: Read| {
        match own.classes(&group) {
            Some(classes) => rule.targets = classes,
            None if own.is_everybody() => {}
            None => rule.targets = vec![ids::places("", &rule.name, rule.direction)],
        }
        rule
    };
    rules.iter().map(|rule| targeted(of_firewall(rule, network, Some(installation)))).collect()
}

/// What comes at the end of every list: what none of its rules decides is left to the next.
pub fn rest() -> [PathRule; 2] {
    [Direction::Ingress, Direction::Egress].map(|direction| open_end(direction, PathEffect::Next))
}

/// A rule for everything of a direction at the end of a list.
pub(super) fn open_end(direction: Direction, effect: PathEffect) -> PathRule {
    PathRule {
        name: "no rule".to_owned(),
        priority: u32::MAX,
        owner: Owner::Foreign,
        direction,
        effect,
        targets: Vec::new(),
        peers: Vec::new(),
        services: vec![plan::RuleService::All],
    }
}

/// The order of evaluation: among classic rules a deny comes before an allow of the same priority.
pub fn in_order(a: &PathRule, b: &PathRule) -> Ordering {
    let is_allow = |rule: &PathRule| rule.effect == PathEffect::Allow;
    (a.priority, is_allow(a), a.direction, &a.name).cmp(&(b.priority, is_allow(b), b.direction, &b.name))
}
