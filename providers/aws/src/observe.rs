//! One complete read of a scope, or an error: half an observation would plan deletions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use aws_sdk_ec2::types::{
    Filter, NetworkAcl, NetworkInterface, Reservation, SecurityGroup, Tag, Vpc, VpcPeeringConnection,
};
use ipnet::IpNet;
use plan::{
    Direction, GroupId, GroupState, InterfaceState, Limits, NetworkState, Observed, Owner, PathEffect,
    PathFilter, PathRule, Peer, Peering, Scope,
};
use policy::{NetworkId, WorkloadId};
use provider::{ErrorKind, ProviderError};
use rustc_hash::FxHashMap;

use crate::attach::attach_class;
use crate::client::{AwsSettings, Ec2};
use crate::convert::{Reach, rules_from, service_from};
use crate::marks;
use crate::pages::read_all;

/// Reads a scope.
pub(crate) async fn observe(
    ec2: &Ec2,
    settings: &AwsSettings,
    scope: &Scope,
) -> Result<Observed, ProviderError> {
    let wanted: Vec<String> = scope.networks.iter().map(ToString::to_string).collect();
    let in_scope = (!wanted.is_empty())
        .then(|| Filter::builder().name("vpc-id").set_values(Some(wanted.clone())).build());
    let filters = || in_scope.clone().map(|filter| vec![filter]);
    let vpcs = read_all!(ec2, "DescribeVpcs", describe_vpcs, vpcs, filters(), Some);
    check_vpcs(scope, &wanted, &vpcs)?;
    let peerings = read_all!(
        ec2,
        "DescribeVpcPeeringConnections",
        describe_vpc_peering_connections,
        vpc_peering_connections,
        None,
        |peering| Some(peering).filter(is_active)
    );
    let handles = peerings.iter().filter_map(|peering| peering.vpc_peering_connection_id());
    let handles: BTreeSet<String> = handles.map(str::to_owned).collect();
    let groups = read_all!(
        ec2,
        "DescribeSecurityGroups",
        describe_security_groups,
        security_groups,
        filters(),
        |sg| group(&sg, &handles, settings)
    );
    let acls = read_all!(ec2, "DescribeNetworkAcls", describe_network_acls, network_acls, filters(), Some);
    let acl_of = acls_of_subnets(&acls);
    let mut interfaces = read_all!(
        ec2,
        "DescribeNetworkInterfaces",
        describe_network_interfaces,
        network_interfaces,
        filters(),
        |eni| interface(&eni, &acl_of)
    );
    // After the interfaces: one that was launched a moment ago must not lack the tags of its instance.
    let instances =
        read_all!(ec2, "DescribeInstances", describe_instances, reservations, filters(), |reservation| Some(
            tags_of_instances(&reservation)
        ));
    add_instance_tags(&mut interfaces, instances.into_iter().flatten().collect());
    let mut observed = Observed {
        scope: Some(scope.id.clone()),
        networks: vpcs.iter().filter_map(|vpc| network(vpc, &peerings)).collect(),
        interfaces,
        groups,
        path_filters: acls.iter().filter_map(path_filter).collect(),
        limits: read_limits(ec2).await?,
    };
    observed.networks.sort_by(|a, b| a.id.cmp(&b.id));
    observed.interfaces.sort_by(|a, b| a.id.cmp(&b.id));
    observed.groups.sort_by(|a, b| a.id.cmp(&b.id));
    observed.path_filters.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(observed)
}

fn check_vpcs(scope: &Scope, wanted: &[String], vpcs: &[Vpc]) -> Result<(), ProviderError> {
    let action = "DescribeVpcs";
    if let Some(missing) = wanted.iter().find(|id| !vpcs.iter().any(|vpc| vpc.vpc_id() == Some(id))) {
        let message =
            format!("network {missing} of scope {} does not exist in region {}", scope.id, scope.region);
        let mut error = ProviderError::new(ErrorKind::NotFound, action, message);
        error.hint = "check `networks` and `region` of the scope".to_owned();
        return Err(error);
    }
    let stranger = vpcs
        .iter()
        .filter_map(Vpc::owner_id)
        .find(|owner| !scope.account.is_empty() && *owner != scope.account);
    if let Some(owner) = stranger {
        let message = format!(
            "scope {} is for account {}, but the credentials see account {owner}",
            scope.id, scope.account
        );
        let mut error = ProviderError::new(ErrorKind::Denied, action, message);
        error.hint = "check AWS_PROFILE, or `account` of the scope".to_owned();
        return Err(error);
    }
    Ok(())
}

async fn read_limits(ec2: &Ec2) -> Result<Limits, ProviderError> {
    let answer = ec2
        .call("DescribeAccountAttributes", |client| {
            let request = client.describe_account_attributes();
            async move { request.send().await }
        })
        .await?;
    let mut limits = Limits::default();
    for attribute in answer.account_attributes() {
        let value = attribute.attribute_values().first().and_then(|value| value.attribute_value());
        if attribute.attribute_name() == Some("vpc-max-security-groups-per-interface")
            && let Some(number) = value.and_then(|text| text.parse().ok())
        {
            limits.groups_per_interface = number;
        }
    }
    Ok(limits)
}

/// The network ACL of each subnet.
fn acls_of_subnets(acls: &[NetworkAcl]) -> FxHashMap<&str, &str> {
    let pairs = acls.iter().flat_map(|acl| {
        acl.associations().iter().filter_map(|held| Some((held.subnet_id()?, acl.network_acl_id()?)))
    });
    pairs.collect()
}

/// Instances with their tags; the rest of what EC2 says of them is dropped page by page.
fn tags_of_instances(reservation: &Reservation) -> Vec<(WorkloadId, Tags)> {
    let known = reservation.instances().iter();
    known.filter_map(|instance| Some((instance.instance_id()?.into(), tags_of(instance.tags())))).collect()
}

/// The tags of an interface win over those of its instance.
fn add_instance_tags(interfaces: &mut [InterfaceState], instances: FxHashMap<WorkloadId, Tags>) {
    for interface in interfaces {
        let Some(tags) = instances.get(&interface.workload) else { continue };
        if let Some(name) = tags.get("Name").filter(|_| !interface.tags.contains_key("Name")) {
            interface.name.clone_from(name);
        }
        for (key, value) in tags {
            interface.tags.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn network(vpc: &Vpc, peerings: &[VpcPeeringConnection]) -> Option<NetworkState> {
    let id = vpc.vpc_id()?;
    let v4 = vpc
        .cidr_block_association_set()
        .iter()
        .filter_map(|block| block.cidr_block())
        .chain(vpc.cidr_block());
    let v6 = vpc.ipv6_cidr_block_association_set().iter().filter_map(|block| block.ipv6_cidr_block());
    let cidrs: BTreeSet<IpNet> = v4.chain(v6).filter_map(|text| text.parse().ok()).collect();
    let mut peerings: Vec<Peering> = peerings
        .iter()
        .filter_map(|peering| {
            let requester = peering.requester_vpc_info().and_then(|info| info.vpc_id())?;
            let accepter = peering.accepter_vpc_info().and_then(|info| info.vpc_id())?;
            let peer = if requester == id {
                accepter
            } else if accepter == id {
                requester
            } else {
                return None;
            };
            Some(Peering {
                peer: NetworkId::from(peer),
                handle: peering.vpc_peering_connection_id()?.to_owned(),
                identity: true,
            })
        })
        .collect();
    peerings.sort_by(|a, b| a.peer.cmp(&b.peer));
    Some(NetworkState {
        id: NetworkId::from(id),
        name: tag(vpc.tags(), "Name"),
        cidrs: cidrs.into_iter().collect(),
        peerings,
    })
}

fn is_active(peering: &VpcPeeringConnection) -> bool {
    peering.status().and_then(|status| status.code()).is_some_and(|code| code.as_str() == "active")
}

type Tags = BTreeMap<String, String>;

fn tags_of(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .collect()
}

fn tag(tags: &[Tag], key: &str) -> String {
    tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value).unwrap_or_default().to_owned()
}

/// An interface with its own tags.
fn interface(eni: &NetworkInterface, acl_of: &FxHashMap<&str, &str>) -> Option<InterfaceState> {
    let id = eni.network_interface_id()?;
    let instance_id = eni.attachment().and_then(|attachment| attachment.instance_id());
    let tags = tags_of(eni.tag_set());
    let described = eni.description().filter(|text| !text.is_empty());
    let name = tags.get("Name").cloned().unwrap_or_else(|| described.unwrap_or(id).to_owned());
    let mut groups: Vec<GroupId> =
        eni.groups().iter().filter_map(|group| group.group_id().map(GroupId::from)).collect();
    groups.sort();
    let acl = eni.subnet_id().and_then(|subnet| acl_of.get(subnet));
    Some(InterfaceState {
        id: id.into(),
        network: eni.vpc_id()?.into(),
        workload: instance_id.unwrap_or(id).into(),
        name,
        addresses: addresses(eni),
        groups,
        attach: attach_class(eni),
        tags,
        path_filters: acl.map(|id| (*id).to_owned()).into_iter().collect(),
        mac: None,
    })
}

fn addresses(eni: &NetworkInterface) -> Vec<IpAddr> {
    let mut v4: Vec<_> = eni.private_ip_addresses().iter().collect();
    v4.sort_by_key(|address| !address.primary().unwrap_or(false));
    let v4 =
        v4.into_iter().filter_map(|address| address.private_ip_address()).chain(eni.private_ip_address());
    let v6 = eni.ipv6_addresses().iter().filter_map(|address| address.ipv6_address());
    let mut found = Vec::new();
    for address in v4.chain(v6).filter_map(|text| text.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

fn group(sg: &SecurityGroup, peerings: &BTreeSet<String>, settings: &AwsSettings) -> Option<GroupState> {
    let name = sg.group_name().unwrap_or_default();
    let reach = Reach { account: sg.owner_id().unwrap_or_default(), peerings };
    let (owner, tag_drift) =
        marks::owner(&settings.installation, name, &tags_of(sg.tags()), &settings.extra_tags);
    Some(GroupState {
        id: sg.group_id()?.into(),
        network: sg.vpc_id()?.into(),
        name: name.to_owned(),
        owner,
        ingress: rules_from(sg.ip_permissions(), reach),
        egress: rules_from(sg.ip_permissions_egress(), reach),
        tag_drift,
    })
}

fn path_filter(acl: &NetworkAcl) -> Option<PathFilter> {
    let mut entries: Vec<_> = acl.entries().iter().collect();
    entries.sort_by_key(|entry| entry.rule_number().unwrap_or(i32::MAX));
    let rules = entries.into_iter().filter_map(|entry| {
        let block = entry.cidr_block().or(entry.ipv6_cidr_block())?.parse::<IpNet>().ok()?;
        let icmp = entry.icmp_type_code().map(|icmp| (icmp.r#type(), icmp.code()));
        let ports = entry.port_range().map(|range| (range.from(), range.to()));
        let (from, to) = icmp.or(ports).unwrap_or((None, None));
        let number = entry.rule_number().unwrap_or_default();
        let allows = entry.rule_action().is_some_and(|action| action.as_str() == "allow");
        Some(PathRule {
            name: number.to_string(),
            priority: number.try_into().unwrap_or(u32::MAX),
            owner: Owner::Foreign,
            direction: if entry.egress().unwrap_or(false) { Direction::Egress } else { Direction::Ingress },
            effect: if allows { PathEffect::Allow } else { PathEffect::Deny },
            targets: Vec::new(),
            peers: vec![Peer::Cidr(block)],
            services: vec![service_from(entry.protocol().unwrap_or("-1"), from, to)],
        })
    });
    let id = acl.network_acl_id()?.to_owned();
    Some(PathFilter { id, name: "network ACL".to_owned(), owner: Owner::Foreign, rules: rules.collect() })
}
