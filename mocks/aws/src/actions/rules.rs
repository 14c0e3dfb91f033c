//! Rules changed in place by id, and their descriptions.

use super::groups::{
    Wanted, checked_limits, cidr, described, duplicate, existing, reachable, service, wanted_rules,
};
use super::{Answer, Call};
use crate::params::Params;
use crate::state::{Ec2Error, RuleKey, Source, refuse};
use crate::world::Fact;
use crate::xml;

/// `ModifySecurityGroupRules`: the id stays, what the rule says is replaced; all or nothing.
pub(crate) fn modify(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("GroupId").to_owned();
    let mut rules = existing(call, &id)?.rules.clone();
    let mut facts = Vec::new();
    for update in call.params.members("SecurityGroupRule") {
        let rule_id = call.params.text(&format!("{update}.SecurityGroupRuleId"));
        let held = rules.get_mut(rule_id).ok_or_else(|| unknown_rule(rule_id))?;
        let wanted = request(call, &id, &format!("{update}.SecurityGroupRule"), held.key.egress)?;
        if held.key != wanted.key {
            facts.push((Fact::Rule(id.clone(), held.key.clone()), false));
            facts.push((Fact::Rule(id.clone(), wanted.key.clone()), true));
        }
        (held.key, held.description, held.peering) = (wanted.key, wanted.description, wanted.peering);
    }
    let mut keys = std::collections::BTreeSet::new();
    if let Some(twice) = rules.values().find(|rule| !keys.insert(rule.key.clone())) {
        return Err(duplicate(&twice.key));
    }
    for egress in [false, true] {
        checked_limits(call, &keys, egress)?;
    }
    // A rule that one update leaves and another takes up holds at the end, whatever their order.
    facts.retain(|(fact, holds)| match fact {
        Fact::Rule(_, key) => *holds || !keys.contains(key),
        Fact::Member(..) => true,
    });
    if let Some(group) = call.state.groups.get_mut(&id) {
        group.rules = rules;
    }
    call.facts.extend(facts);
    Ok(xml::text("return", true))
}

fn unknown_rule(id: &str) -> Ec2Error {
    refuse("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
}

/// A rule in the flat form of a request.
fn request(call: &Call<'_>, group: &str, at: &str, egress: bool) -> Result<Wanted, Ec2Error> {
    let params: &Params = call.params;
    let field = |name: &str| format!("{at}.{name}");
    let (protocol, from, to) = service(
        params.text(&field("IpProtocol")),
        params.number(&field("FromPort")),
        params.number(&field("ToPort")),
    )?;
    let (v4, v6) = (params.get(&field("CidrIpv4")), params.get(&field("CidrIpv6")));
    let (source, peering) = match (v4, v6, params.get(&field("ReferencedGroupId"))) {
        (Some(block), None, None) => (Source::Cidr(cidr(block, false)?), None),
        (None, Some(block), None) => (Source::Cidr(cidr(block, true)?), None),
        (None, None, Some(peer)) => (Source::Group(peer.to_owned()), reachable(call, group, peer)?),
        _ => return Err(refuse("InvalidParameterCombination", "A rule takes exactly one source")),
    };
    let description = described(params.text(&field("Description")))?;
    Ok(Wanted { key: RuleKey { egress, protocol, from, to, source }, description, peering })
}

pub(crate) fn describe_ingress(call: &mut Call<'_>) -> Answer {
    describe(call, false)
}

pub(crate) fn describe_egress(call: &mut Call<'_>) -> Answer {
    describe(call, true)
}

/// `UpdateSecurityGroupRuleDescriptions…`, by permissions or by rule ids.
fn describe(call: &mut Call<'_>, egress: bool) -> Answer {
    let id = call.params.text("GroupId").to_owned();
    let group = existing(call, &id)?;
    let mut updates = Vec::new();
    for entry in call.params.members("SecurityGroupRuleDescription") {
        let rule = call.params.text(&format!("{entry}.SecurityGroupRuleId")).to_owned();
        if group.rules.get(&rule).is_none_or(|held| held.key.egress != egress) {
            return Err(unknown_rule(&rule));
        }
        updates.push((rule, described(call.params.text(&format!("{entry}.Description")))?));
    }
    for wanted in wanted_rules(call, &id, egress, false)? {
        let found = group.rules.iter().find(|(_, rule)| rule.key == wanted.key);
        let (rule, _) = found.ok_or_else(|| {
            refuse("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
        })?;
        updates.push((rule.clone(), wanted.description));
    }
    if let Some(group) = call.state.groups.get_mut(&id) {
        for (rule, description) in updates {
            if let Some(held) = group.rules.get_mut(&rule) {
                held.description = description;
            }
        }
    }
    Ok(xml::text("return", true))
}
