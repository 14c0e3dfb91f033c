//! Network ACLs: stateless, ordered, one per subnet.

use std::collections::BTreeSet;

use super::describe::not_found;
use super::{Answer, Call};
use crate::params::Params;
use crate::state::{Acl, AclEntry, Ec2Error, Tags, refuse};
use crate::xml::{items, node, tag_set, text};

/// Entries for each direction and family, the last deny aside.
const ENTRIES_MAX: usize = 20;
/// The deny that ends every list and cannot be changed.
const LAST: u32 = 32_767;

/// An ACL as a read shows it. The real cloud also lists the last deny, as entry 32767; this one leaves it out.
pub(super) fn acl_xml(id: &str, acl: &Acl, tags: &Tags) -> String {
    let entries = acl.entries.iter().map(|((egress, number), entry)| {
        let ports = entry.ports.map(|(from, to)| node("portRange", text("from", from) + &text("to", to)));
        let icmp =
            entry.icmp.map(|(kind, code)| node("icmpTypeCode", text("type", kind) + &text("code", code)));
        let block = if entry.block.addr().is_ipv6() { "ipv6CidrBlock" } else { "cidrBlock" };
        entry_xml(*egress, *number, &entry.protocol, entry.allow)
            + &text(block, entry.block)
            + &ports.unwrap_or_default()
            + &icmp.unwrap_or_default()
    });
    let associations = acl.subnets.iter().map(|subnet| {
        text("networkAclAssociationId", association(subnet, id))
            + &text("networkAclId", id)
            + &text("subnetId", subnet)
    });
    text("networkAclId", id)
        + &text("vpcId", &acl.vpc)
        + &text("default", acl.is_default)
        + &items("entrySet", entries)
        + &items("associationSet", associations)
        + &tag_set(tags)
}

fn entry_xml(egress: bool, number: u32, protocol: &str, allow: bool) -> String {
    text("ruleNumber", number)
        + &text("protocol", protocol)
        + &text("ruleAction", if allow { "allow" } else { "deny" })
        + &text("egress", egress)
}

/// The id of an association: another ACL on the same subnet is another association.
fn association(subnet: &str, acl: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in subnet.bytes().chain(acl.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("aclassoc-{:017x}", hash >> 4)
}

pub(crate) fn create(call: &mut Call<'_>) -> Answer {
    let vpc = call.params.text("VpcId").to_owned();
    if !call.state.vpcs.contains_key(&vpc) {
        return Err(not_found("InvalidVpcID", &vpc));
    }
    let id = call.state.new_id("acl");
    let tags = call.params.tags_for("network-acl");
    let acl = Acl { vpc, ..Acl::default() };
    let body = acl_xml(&id, &acl, &tags);
    call.state.acls.insert(id.clone(), acl);
    call.state.other_tags.insert(id, tags);
    Ok(node("networkAcl", body))
}

pub(crate) fn create_entry(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let id = params.text("NetworkAclId");
    let (number, entry) = (rule_number(params)?, entry(params)?);
    let acl = call.state.acls.get_mut(id).ok_or_else(|| not_found("InvalidNetworkAclID", id))?;
    let egress = params.flag("Egress");
    if acl.entries.contains_key(&(egress, number)) {
        return Err(refuse(
            "NetworkAclEntryAlreadyExists",
            format!("The network acl entry identified by {number} already exists."),
        ));
    }
    let is_ipv6 = entry.block.addr().is_ipv6();
    let alike =
        acl.entries.iter().filter(|((out, _), e)| *out == egress && e.block.addr().is_ipv6() == is_ipv6);
    if alike.count() >= ENTRIES_MAX {
        return Err(refuse("NetworkAclEntryLimitExceeded", "The network ACL has its most entries."));
    }
    acl.entries.insert((egress, number), entry);
    Ok(text("return", true))
}

fn rule_number(params: &Params) -> Result<u32, Ec2Error> {
    let number = params.number("RuleNumber").filter(|number| (1..i64::from(LAST)).contains(number));
    number
        .map(|number| number as u32)
        .ok_or_else(|| refuse("InvalidParameterValue", "The rule number must be 1 to 32766"))
}

fn entry(params: &Params) -> Result<AclEntry, Ec2Error> {
    let wrong = |what: &str| refuse("InvalidParameterValue", format!("Invalid value for {what}"));
    let protocol = match params.text("Protocol") {
        "tcp" => "6".to_owned(),
        "udp" => "17".to_owned(),
        "icmp" => "1".to_owned(),
        "-1" => "-1".to_owned(),
        number => number.parse::<u8>().map_err(|_| wrong("protocol"))?.to_string(),
    };
    let allow = match params.text("RuleAction") {
        "allow" => true,
        "deny" => false,
        _ => return Err(wrong("ruleAction")),
    };
    let block = params.get("CidrBlock").or(params.get("Ipv6CidrBlock")).unwrap_or_default();
    let block: ipnet::IpNet = block.parse().map_err(|_| wrong("cidrBlock"))?;
    let ports = match (params.number("PortRange.From"), params.number("PortRange.To")) {
        (None, None) if matches!(protocol.as_str(), "6" | "17") => return Err(wrong("portRange")),
        (None, None) => None,
        (from, to) => {
            let port = |number: Option<i64>| number.and_then(|number| u16::try_from(number).ok());
            let range = port(from).zip(port(to)).filter(|(from, to)| from <= to);
            Some(range.ok_or_else(|| wrong("portRange"))?)
        }
    };
    let icmp = params.number("Icmp.Type").zip(params.number("Icmp.Code"));
    Ok(AclEntry { protocol, allow, block: block.trunc(), ports, icmp })
}

pub(crate) fn delete_entry(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("NetworkAclId");
    let number = rule_number(call.params)?;
    let acl = call.state.acls.get_mut(id).ok_or_else(|| not_found("InvalidNetworkAclID", id))?;
    match acl.entries.remove(&(call.params.flag("Egress"), number)) {
        Some(_) => Ok(text("return", true)),
        None => Err(not_found("InvalidNetworkAclEntry", &number.to_string())),
    }
}

pub(crate) fn replace_association(call: &mut Call<'_>) -> Answer {
    let (old, id) = (call.params.text("AssociationId"), call.params.text("NetworkAclId"));
    let found = call.state.acls.iter().find_map(|(acl, held)| {
        let subnet = held.subnets.iter().find(|subnet| association(subnet, acl) == old)?;
        Some((acl.clone(), held.vpc.clone(), subnet.clone()))
    });
    let (holder, vpc, subnet) = found.ok_or_else(|| not_found("InvalidAssociationID", old))?;
    let target = call.state.acls.get_mut(id).ok_or_else(|| not_found("InvalidNetworkAclID", id))?;
    if target.vpc != vpc {
        return Err(refuse("InvalidParameterValue", "The network ACL and the subnet are in different VPCs"));
    }
    target.subnets.insert(subnet.clone());
    if holder != id {
        let subnets: Option<&mut BTreeSet<String>> =
            call.state.acls.get_mut(&holder).map(|acl| &mut acl.subnets);
        subnets.map(|subnets| subnets.remove(&subnet));
    }
    Ok(text("newAssociationId", association(&subnet, id)))
}
