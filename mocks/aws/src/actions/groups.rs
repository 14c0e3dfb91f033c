//! Security groups and their rules: every refusal of the real cloud (`providers.md` 1.1 and 3.1).

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Answer, Call};
use crate::actions::describe::flat_rule;
use crate::params::Params;
use crate::state::{Ec2Error, Group, GroupRule, RuleKey, Source, Tags, refuse};
use crate::world::Fact;
use crate::xml;

pub(crate) fn create(call: &mut Call<'_>) -> Answer {
    let (name, description, vpc) =
        (call.params.text("GroupName"), call.params.text("GroupDescription"), call.params.text("VpcId"));
    if name.is_empty() || description.is_empty() {
        return Err(refuse(
            "MissingParameter",
            "The request must contain the parameters GroupName and GroupDescription",
        ));
    }
    if name.starts_with("sg-") || !fits(name) || !fits(description) {
        return Err(refuse(
            "InvalidParameterValue",
            format!(
                "Value ({name}) for parameter GroupName is invalid. Character sets beyond the allowed, or a reserved prefix"
            ),
        ));
    }
    let Some(owner) = call.state.vpcs.get(vpc) else {
        return Err(refuse("InvalidVpcID.NotFound", format!("The vpc ID '{vpc}' does not exist")));
    };
    let has_ipv6 = owner.cidrs.iter().any(|block| matches!(block, IpNet::V6(_)));
    if call.state.groups.values().any(|group| group.vpc == vpc && group.name.eq_ignore_ascii_case(name)) {
        return Err(refuse(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{vpc}'"),
        ));
    }
    if call.state.groups.len() >= call.limits.groups_per_region {
        return Err(refuse(
            "SecurityGroupLimitExceeded",
            "The maximum number of security groups has been reached.",
        ));
    }
    let tags = call.params.tags_for("security-group");
    let id = call.state.new_id("sg");
    let group = Group {
        vpc: vpc.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        tags: tags.clone(),
        rules: Default::default(),
    };
    call.state.groups.insert(id.clone(), group);
    default_rules(call, &id, false, has_ipv6);
    Ok(xml::text("groupId", &id) + &xml::text("return", true) + &xml::tag_set(&tags))
}

/// What a new group may do: everything out; a VPC's own group also lets its members reach each other.
pub(super) fn default_rules(call: &mut Call<'_>, group: &str, is_default: bool, has_ipv6: bool) {
    let blocks = ["0.0.0.0/0"].into_iter().chain(has_ipv6.then_some("::/0"));
    let mut sources: Vec<(bool, Source)> =
        blocks.filter_map(|block| Some((true, Source::Cidr(block.parse().ok()?)))).collect();
    if is_default {
        sources.push((false, Source::Group(group.to_owned())));
    }
    for (number, (egress, source)) in sources.into_iter().enumerate() {
        let key = RuleKey { egress, protocol: "-1".to_owned(), from: -1, to: -1, source };
        if is_default {
            // Named after their group: a VPC takes as many new ids as it always did, so seeded estates keep theirs.
            let id = format!("{}{number}", group.replacen("sg-", "sgr-", 1));
            insert_as(call, id, group, key, String::new(), Tags::new(), None);
        } else {
            insert(call, group, key, String::new(), Tags::new(), None);
        }
    }
}

/// Names and descriptions: up to 255 of a limited character set.
fn fits(text: &str) -> bool {
    text.len() <= 255
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c))
}

pub(crate) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("GroupId").to_owned();
    let group = existing(call, &id)?;
    if group.name == "default" {
        return Err(refuse(
            "CannotDelete",
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"),
        ));
    }
    let vpc = group.vpc.clone();
    let attached = call.state.interfaces.values().any(|interface| interface.groups.contains(&id));
    // A reference from a peered VPC does not hold the group: it goes stale.
    let named = call.state.groups.iter().any(|(other, group)| {
        *other != id
            && group.vpc == vpc
            && group.rules.values().any(|rule| rule.key.source == Source::Group(id.clone()))
    });
    if attached || named {
        return Err(refuse("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    if let Some(group) = call.state.groups.remove(&id) {
        call.facts.extend(group.rules.into_values().map(|rule| (Fact::Rule(id.clone(), rule.key), false)));
    }
    Ok(xml::text("return", true))
}

pub(super) fn existing<'a>(call: &'a Call<'_>, id: &str) -> Result<&'a Group, Ec2Error> {
    call.state
        .groups
        .get(id)
        .ok_or_else(|| refuse("InvalidGroup.NotFound", format!("The security group '{id}' does not exist")))
}

pub(crate) fn authorize_ingress(call: &mut Call<'_>) -> Answer {
    authorize(call, false)
}

pub(crate) fn authorize_egress(call: &mut Call<'_>) -> Answer {
    authorize(call, true)
}

/// A rule of a request.
pub(super) struct Wanted {
    pub(super) key: RuleKey,
    pub(super) description: String,
    pub(super) peering: Option<String>,
}

fn authorize(call: &mut Call<'_>, egress: bool) -> Answer {
    let id = call.params.text("GroupId").to_owned();
    existing(call, &id)?;
    let wanted = wanted_rules(call, &id, egress, true)?;
    if wanted.is_empty() {
        return Err(refuse("MissingParameter", "The request must contain the parameter ipPermissions"));
    }
    let mut held: BTreeSet<RuleKey> =
        call.state.groups[&id].rules.values().map(|rule| rule.key.clone()).collect();
    for rule in &wanted {
        if !held.insert(rule.key.clone()) {
            return Err(duplicate(&rule.key));
        }
    }
    checked_limits(call, &held, egress)?;
    let tags = call.params.tags_for("security-group-rule");
    let mut answer = Vec::new();
    for rule in wanted {
        let rule_id = insert(call, &id, rule.key, rule.description, tags.clone(), rule.peering);
        let held = &call.state.groups[&id].rules[&rule_id];
        answer.push(flat_rule(call.account, call.state, &id, &rule_id, held));
    }
    Ok(xml::text("return", true) + &xml::items("securityGroupRuleSet", answer))
}

pub(super) fn duplicate(key: &RuleKey) -> Ec2Error {
    let peer = match &key.source {
        Source::Cidr(block) => block.to_string(),
        Source::Group(group) => group.clone(),
    };
    refuse(
        "InvalidPermission.Duplicate",
        format!(
            "the specified rule \"peer: {peer}, {}, from port: {}, to port: {}, ALLOW\" already exists",
            key.protocol, key.from, key.to
        ),
    )
}

/// The quota of each family in one direction.
pub(super) fn checked_limits(
    call: &Call<'_>,
    keys: &BTreeSet<RuleKey>,
    egress: bool,
) -> Result<(), Ec2Error> {
    for is_ipv6 in [false, true] {
        let used = keys.iter().filter(|key| key.egress == egress && counts_in(key, is_ipv6)).count();
        if used > call.limits.rules_per_group {
            return Err(refuse(
                "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.",
            ));
        }
    }
    Ok(())
}

pub(super) fn insert(
    call: &mut Call<'_>,
    group: &str,
    key: RuleKey,
    description: String,
    tags: Tags,
    peering: Option<String>,
) -> String {
    let rule_id = call.state.new_id("sgr");
    insert_as(call, rule_id, group, key, description, tags, peering)
}

fn insert_as(
    call: &mut Call<'_>,
    rule_id: String,
    group: &str,
    key: RuleKey,
    description: String,
    tags: Tags,
    peering: Option<String>,
) -> String {
    call.facts.push((Fact::Rule(group.to_owned(), key.clone()), true));
    if let Some(group) = call.state.groups.get_mut(group) {
        group.rules.insert(rule_id.clone(), GroupRule { key, description, tags, peering });
    }
    rule_id
}

/// Whether a rule counts in a family; a reference counts in both.
fn counts_in(key: &RuleKey, is_ipv6: bool) -> bool {
    match &key.source {
        Source::Cidr(block) => matches!(block, IpNet::V6(_)) == is_ipv6,
        Source::Group(_) => true,
    }
}

/// The rules of a request. Only a new rule needs a peer that can be reached: a stale one can still be revoked.
pub(super) fn wanted_rules(
    call: &Call<'_>,
    group: &str,
    egress: bool,
    is_new: bool,
) -> Result<Vec<Wanted>, Ec2Error> {
    let mut wanted: Vec<Wanted> = flat(call.params, egress)?.into_iter().collect();
    for permission in call.params.members("IpPermissions") {
        let at = |name: &str| format!("{permission}.{name}");
        let (protocol, from, to) = service(
            call.params.text(&at("IpProtocol")),
            call.params.number(&at("FromPort")),
            call.params.number(&at("ToPort")),
        )?;
        let key = |source: Source| RuleKey { egress, protocol: protocol.clone(), from, to, source };
        for (list, field) in [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")] {
            for range in call.params.members(&at(list)) {
                let text = call.params.text(&format!("{range}.{field}"));
                let block = cidr(text, list == "Ipv6Ranges")?;
                let description = described(call.params.text(&format!("{range}.Description")))?;
                wanted.push(Wanted { key: key(Source::Cidr(block)), description, peering: None });
            }
        }
        for pair in call.params.members(&at("Groups")) {
            let peer = call.params.text(&format!("{pair}.GroupId")).to_owned();
            let peering = if is_new { reachable(call, group, &peer)? } else { None };
            let description = described(call.params.text(&format!("{pair}.Description")))?;
            wanted.push(Wanted { key: key(Source::Group(peer)), description, peering });
        }
        if !call.params.members(&at("PrefixListIds")).is_empty() {
            return Err(refuse("InvalidPrefixListID.NotFound", "The prefix list ID does not exist"));
        }
    }
    Ok(wanted)
}

/// The old form of a request: one rule, with its service and block at the top.
fn flat(params: &Params, egress: bool) -> Result<Option<Wanted>, Ec2Error> {
    let Some(block) = params.get("CidrIp") else { return Ok(None) };
    let (protocol, from, to) =
        service(params.text("IpProtocol"), params.number("FromPort"), params.number("ToPort"))?;
    let key = RuleKey { egress, protocol, from, to, source: Source::Cidr(cidr(block, false)?) };
    Ok(Some(Wanted { key, description: String::new(), peering: None }))
}

pub(super) fn described(text: &str) -> Result<String, Ec2Error> {
    if fits(text) {
        Ok(text.to_owned())
    } else {
        Err(refuse(
            "InvalidParameterValue",
            "Invalid rule description. Valid descriptions are strings less than 256 characters from a limited set",
        ))
    }
}

/// Host bits are cleared, as the real cloud does; anything that is no block is refused.
pub(super) fn cidr(text: &str, ipv6: bool) -> Result<IpNet, Ec2Error> {
    let block: Option<IpNet> = text.parse().ok();
    let fitting = block.filter(|block| matches!(block, IpNet::V6(_)) == ipv6).map(|block| block.trunc());
    fitting.ok_or_else(|| refuse("InvalidParameterValue", format!("CIDR block {text} is malformed")))
}

/// Protocol by EC2's name, with its ports (ICMP: type and code) checked.
pub(super) fn service(
    protocol: &str,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<(String, i64, i64), Ec2Error> {
    let name = match protocol {
        "6" | "tcp" => "tcp",
        "17" | "udp" => "udp",
        "1" | "icmp" => "icmp",
        "58" | "icmpv6" => "icmpv6",
        "-1" | "all" => "-1",
        // One spelling for each number: no sign, no leading zero.
        number if number.parse::<u8>().is_ok_and(|n| n.to_string() == number) => number,
        other => {
            return Err(refuse(
                "InvalidParameterValue",
                format!("Invalid value '{other}' for IP protocol. Unknown protocol."),
            ));
        }
    };
    let bad =
        |what: &str| Err(refuse("InvalidParameterValue", format!("Invalid value for portRange. {what}")));
    let (low, high) = (from.unwrap_or(-1), to.unwrap_or(-1));
    match name {
        "tcp" | "udp" => match (from, to) {
            (Some(low), Some(high)) if !(0..=65_535).contains(&low) || !(0..=65_535).contains(&high) => {
                bad("Must be in the range 0 to 65535")
            }
            (Some(low), Some(high)) if low > high => {
                bad("Must specify both from and to ports with from <= to")
            }
            (Some(low), Some(high)) => Ok((name.to_owned(), low, high)),
            _ => bad("Must specify both from and to ports with TCP/UDP."),
        },
        "icmp" | "icmpv6" if !(-1..=255).contains(&low) || !(-1..=255).contains(&high) => {
            bad("ICMP type and code must be -1 to 255")
        }
        "icmp" | "icmpv6" if low == -1 && high != -1 => bad("ICMP code must be -1 if type is -1"),
        "icmp" | "icmpv6" => Ok((name.to_owned(), low, high)),
        other => Ok((other.to_owned(), -1, -1)),
    }
}

/// Whether a group may be referred to; the peering over which it is.
pub(super) fn reachable(call: &Call<'_>, own: &str, peer: &str) -> Result<Option<String>, Ec2Error> {
    let there = existing(call, peer)?.vpc.clone();
    let here = call.state.groups[own].vpc.clone();
    if here == there {
        return Ok(None);
    }
    match call.state.active_peering(&here, &there) {
        Some(peering) => Ok(Some(peering.to_owned())),
        None => Err(refuse(
            "InvalidGroup.NotFound",
            format!(
                "You have specified two resources that belong to different networks: '{own}' and '{peer}'"
            ),
        )),
    }
}

pub(crate) fn revoke_ingress(call: &mut Call<'_>) -> Answer {
    revoke(call, false)
}

pub(crate) fn revoke_egress(call: &mut Call<'_>) -> Answer {
    revoke(call, true)
}

fn revoke(call: &mut Call<'_>, egress: bool) -> Answer {
    let id = call.params.text("GroupId").to_owned();
    existing(call, &id)?;
    let by_id = call.params.list("SecurityGroupRuleId");
    let keys: Vec<RuleKey> = if by_id.is_empty() {
        wanted_rules(call, &id, egress, false)?.into_iter().map(|rule| rule.key).collect()
    } else {
        Vec::new()
    };
    let group = &call.state.groups[&id];
    let found =
        |key: &RuleKey| group.rules.iter().find(|(_, rule)| rule.key == *key).map(|(id, _)| id.clone());
    let mut doomed = Vec::new();
    for rule in &by_id {
        if group.rules.get(rule).is_none_or(|held| held.key.egress != egress) {
            return Err(refuse(
                "InvalidSecurityGroupRuleId.NotFound",
                format!("The security group rule ID '{rule}' does not exist"),
            ));
        }
        doomed.push(rule.clone());
    }
    let forgiving = call.state.vpcs.get(&group.vpc).is_some_and(|vpc| vpc.is_default);
    for key in &keys {
        match found(key) {
            Some(rule) => doomed.push(rule),
            None if forgiving => {}
            None => {
                return Err(refuse(
                    "InvalidPermission.NotFound",
                    "The specified rule does not exist in this security group.",
                ));
            }
        }
    }
    for rule in doomed {
        let removed = call.state.groups.get_mut(&id).and_then(|group| group.rules.remove(&rule));
        call.facts.extend(removed.map(|rule| (Fact::Rule(id.clone(), rule.key), false)));
    }
    Ok(xml::text("return", true))
}
