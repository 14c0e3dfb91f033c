//! VPCs, subnets, peerings, and the packets between them.

use crate::harness::{Cloud, all};

const PEERED: &str = "p: CreateVpcPeeringConnection VpcId=$a PeerVpcId=$b
    AcceptVpcPeeringConnection VpcPeeringConnectionId=$p";
const ENDS: &str = "x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web PrivateIpAddress=10.0.1.10 Ipv6Addresses.1.Ipv6Address=2001:db8:a:1::7
    y: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$db PrivateIpAddress=10.0.1.20 Ipv6Addresses.1.Ipv6Address=2001:db8:a:1::8
    z: CreateNetworkInterface SubnetId=$sb SecurityGroupId.1=$far PrivateIpAddress=10.1.1.10";

fn peered_with_ends() -> Cloud {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(PEERED);
    cloud.run(ENDS);
    cloud
}

/// `GROUP PROTOCOL FROM TO SOURCE`, ingress.
fn allow(cloud: &mut Cloud, group: &str, protocol: &str, from: i32, to: i32, source: &str) {
    let at = "IpPermissions.1";
    cloud.run(&format!(
        "AuthorizeSecurityGroupIngress GroupId=${group} {at}.IpProtocol={protocol} {at}.FromPort={from} {at}.ToPort={to} {at}.{source}"
    ));
}

#[test]
fn blocks_of_subnets_lie_in_their_vpc_and_apart() {
    Cloud::with_two_vpcs().run(
        "CreateVpc CidrBlock=10.0.0.0/8 => InvalidVpc.Range
         CreateSubnet VpcId=$a CidrBlock=10.9.0.0/24 => InvalidSubnet.Range
         CreateSubnet VpcId=$a CidrBlock=10.0.1.128/25 => InvalidSubnet.Conflict
         CreateSubnet VpcId=vpc-0 CidrBlock=10.0.1.0/24 => InvalidVpcID.NotFound",
    );
}

#[test]
fn a_vpc_with_anything_in_it_cannot_be_deleted() {
    Cloud::with_two_vpcs().run(
        "DeleteVpc VpcId=$b => DependencyViolation
         c: CreateVpc CidrBlock=10.2.0.0/16
         DeleteVpc VpcId=$c
         DeleteVpc VpcId=$c => InvalidVpcID.NotFound",
    );
}

#[test]
fn a_reference_needs_an_active_peering() {
    let reference = "AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$far";
    Cloud::with_two_vpcs().run(&format!(
        "{reference} => InvalidGroup.NotFound
         p: CreateVpcPeeringConnection VpcId=$b PeerVpcId=$a
         {reference} => InvalidGroup.NotFound
         AcceptVpcPeeringConnection VpcPeeringConnectionId=$p
         {reference}"
    ));
}

#[test]
fn a_peering_of_overlapping_vpcs_fails_and_a_deleted_one_stays_deleted() {
    Cloud::with_two_vpcs().run(
        "c: CreateVpc CidrBlock=10.0.0.0/16
         p: CreateVpcPeeringConnection VpcId=$a PeerVpcId=$c
         AcceptVpcPeeringConnection VpcPeeringConnectionId=$p => InvalidStateTransition
         q: CreateVpcPeeringConnection VpcId=$a PeerVpcId=$b
         DeleteVpcPeeringConnection VpcPeeringConnectionId=$q
         AcceptVpcPeeringConnection VpcPeeringConnectionId=$q => InvalidStateTransition",
    );
}

#[test]
fn a_rule_over_a_deleted_peering_is_stale_for_ever_and_keeps_counting() {
    let mut cloud = peered_with_ends();
    allow(&mut cloud, "web", "tcp", 80, 80, "Groups.1.GroupId=$far");
    cloud.check_packets("z tcp/80 x pass");
    cloud.run("DeleteVpcPeeringConnection VpcPeeringConnectionId=$p");
    cloud.check_packets("z tcp/80 x cut");
    assert_eq!(cloud.rules("web"), (1, 2));
    let body = cloud.call("DescribeSecurityGroups GroupId.1=$web").body;
    assert_eq!(all(&body, "peeringStatus"), ["deleted"]);
    let flat = "DescribeSecurityGroupRules Filter.1.Name=group-id Filter.1.Value.1=$web";
    assert_eq!(all(&cloud.call(flat).body, "peeringStatus"), ["deleted"]);
    cloud.run(PEERED);
    cloud.check_packets("z tcp/80 x cut");
    let revoke = "RevokeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=80 IpPermissions.1.ToPort=80 IpPermissions.1.Groups.1.GroupId=$far";
    cloud.run(&format!("DeleteVpcPeeringConnection VpcPeeringConnectionId=$p\n{revoke}"));
    assert_eq!(cloud.rules("web"), (0, 2));
}

#[test]
fn a_reference_from_a_peered_vpc_does_not_hold_a_group() {
    let mut cloud = peered_with_ends();
    allow(&mut cloud, "web", "tcp", 80, 80, "Groups.1.GroupId=$far");
    cloud.run(
        "DeleteNetworkInterface NetworkInterfaceId=$z
         DeleteSecurityGroup GroupId=$far",
    );
    assert_eq!(cloud.rules("web"), (1, 2));
}

#[test]
fn references_match_members_and_blocks_match_addresses() {
    let mut cloud = peered_with_ends();
    cloud.run("AssignPrivateIpAddresses NetworkInterfaceId=$x PrivateIpAddress.1=10.0.1.11");
    allow(&mut cloud, "db", "tcp", 5432, 5433, "Groups.1.GroupId=$web");
    allow(&mut cloud, "db", "tcp", 22, 22, "IpRanges.1.CidrIp=10.1.0.0/16");
    allow(&mut cloud, "web", "-1", -1, -1, "Groups.1.GroupId=$web");
    cloud.run("x2: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web");
    cloud.check_packets(
        "x tcp/5432 y pass
         x tcp/5433 y pass
         x tcp/5434 y cut
         x udp/5432 y cut
         x@10.0.1.11 tcp/5432 y pass
         x@2001:db8:a:1::7 tcp/5432 y@2001:db8:a:1::8 pass
         10.0.1.10 tcp/5432 y cut
         z tcp/5432 y cut
         z tcp/22 y pass
         x tcp/22 y cut
         x udp/9 x2 pass
         x2 50 x pass
         y udp/9 x cut",
    );
}

#[test]
fn icmp_types_codes_and_bare_protocols_match() {
    let mut cloud = peered_with_ends();
    allow(&mut cloud, "web", "icmp", 3, 4, "IpRanges.1.CidrIp=0.0.0.0/0");
    allow(&mut cloud, "web", "icmp", 8, -1, "IpRanges.1.CidrIp=0.0.0.0/0");
    allow(&mut cloud, "web", "icmpv6", -1, -1, "Ipv6Ranges.1.CidrIpv6=::/0");
    allow(&mut cloud, "web", "50", -1, -1, "IpRanges.1.CidrIp=192.0.2.0/24");
    cloud.check_packets(
        "192.0.2.1 icmp/3/4 x pass
         192.0.2.1 icmp/3/3 x cut
         192.0.2.1 icmp/8/0 x pass
         192.0.2.1 icmp/8/9 x pass
         192.0.2.1 icmp/0/0 x cut
         2001:db8::1 icmpv6/128/0 x@2001:db8:a:1::7 pass
         192.0.2.1 50 x pass
         192.0.2.1 51 x cut
         192.0.3.1 50 x cut",
    );
}

#[test]
fn egress_is_checked_at_the_source() {
    let mut cloud = peered_with_ends();
    allow(&mut cloud, "db", "-1", -1, -1, "Groups.1.GroupId=$web");
    cloud.run("RevokeSecurityGroupEgress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0");
    cloud.check_packets(
        "x tcp/80 y cut
         x tcp/80 192.0.2.1 cut
         x@2001:db8:a:1::7 tcp/80 y@2001:db8:a:1::8 pass",
    );
}

#[test]
fn an_acl_cuts_at_the_edge_of_its_subnet_only() {
    let mut cloud = peered_with_ends();
    for group in ["web", "db", "far"] {
        allow(&mut cloud, group, "-1", -1, -1, "IpRanges.1.CidrIp=0.0.0.0/0");
    }
    let acls = cloud.call("DescribeNetworkAcls Filter.1.Name=vpc-id Filter.1.Value.1=$a").body;
    let (acl, association) = (all(&acls, "networkAclId"), all(&acls, "networkAclAssociationId"));
    cloud.ids.insert("acl".to_owned(), acl[0].clone());
    cloud.ids.insert("edge".to_owned(), association[0].clone());
    let ingress = "CreateNetworkAclEntry NetworkAclId=$acl Egress=false CidrBlock=10.0.0.0/8";
    let egress = "CreateNetworkAclEntry NetworkAclId=$acl Egress=true CidrBlock=10.0.0.0/8";
    cloud.run(&format!(
        "{ingress} RuleNumber=50 RuleAction=deny Protocol=6 PortRange.From=22 PortRange.To=22
         {ingress} RuleNumber=60 RuleAction=deny Protocol=1 Icmp.Type=8 Icmp.Code=-1
         {ingress} RuleNumber=61 RuleAction=deny Protocol=1 Icmp.Type=3 Icmp.Code=4
         {egress} RuleNumber=50 RuleAction=deny Protocol=6 PortRange.From=25 PortRange.To=25
         {ingress} RuleNumber=60 RuleAction=deny Protocol=-1 => NetworkAclEntryAlreadyExists
         {ingress} RuleNumber=0 RuleAction=deny Protocol=-1 => InvalidParameterValue
         {ingress} RuleNumber=70 RuleAction=deny Protocol=6 => InvalidParameterValue"
    ));
    cloud.check_packets(
        "z tcp/22 x cut
         z tcp/23 x pass
         z tcp/25 x pass
         x tcp/25 z cut
         x tcp/22 z pass
         z icmp/8/0 x cut
         z icmp/0/0 x pass
         z icmp/3/4 x cut
         z icmp/3/3 x pass
         y tcp/22 x pass
         192.0.2.1 tcp/22 x pass",
    );
    cloud.run(
        "closed: CreateNetworkAcl VpcId=$a
         ReplaceNetworkAclAssociation AssociationId=$edge NetworkAclId=$closed
         ReplaceNetworkAclAssociation AssociationId=$edge NetworkAclId=$closed => InvalidAssociationID.NotFound",
    );
    cloud.check_packets("z tcp/23 x cut\nx tcp/23 z cut\ny tcp/23 x pass");
}

#[test]
fn an_acl_that_stops_the_answers_cuts_the_connection() {
    for (entries, expected) in [
        ("", "pass pass pass pass pass"),
        (
            "Egress=true RuleNumber=50 RuleAction=deny Protocol=6 PortRange.From=1024 PortRange.To=65535",
            "cut pass pass pass pass",
        ),
        (
            "Egress=true RuleNumber=50 RuleAction=deny Protocol=6 PortRange.From=40000 PortRange.To=40000",
            "cut pass pass pass pass",
        ),
        (
            "Egress=true RuleNumber=50 RuleAction=deny Protocol=6 PortRange.From=22 PortRange.To=1023",
            "pass pass pass pass pass",
        ),
        (
            "Egress=true RuleNumber=50 RuleAction=deny Protocol=17 PortRange.From=65535 PortRange.To=65535",
            "pass cut pass pass pass",
        ),
        (
            "Egress=true RuleNumber=50 RuleAction=deny Protocol=1 Icmp.Type=0 Icmp.Code=-1",
            "pass pass cut pass pass",
        ),
        (
            "Egress=true RuleNumber=50 RuleAction=deny Protocol=1 Icmp.Type=8 Icmp.Code=-1",
            "pass pass pass pass pass",
        ),
        ("Egress=true RuleNumber=50 RuleAction=deny Protocol=50", "pass pass pass pass cut"),
        (
            "Egress=true RuleNumber=40 RuleAction=allow Protocol=6 PortRange.From=1024 PortRange.To=65535
          Egress=true RuleNumber=50 RuleAction=deny Protocol=-1",
            "pass cut cut pass cut",
        ),
    ] {
        let mut cloud = peered_with_ends();
        allow(&mut cloud, "web", "-1", -1, -1, "IpRanges.1.CidrIp=0.0.0.0/0");
        let acls = cloud.call("DescribeNetworkAcls Filter.1.Name=vpc-id Filter.1.Value.1=$a").body;
        cloud.ids.insert("acl".to_owned(), all(&acls, "networkAclId")[0].clone());
        for entry in entries.lines() {
            cloud.run(&format!("CreateNetworkAclEntry NetworkAclId=$acl CidrBlock=10.1.0.0/16 {entry}"));
        }
        let packets = ["tcp/443", "udp/53", "icmp/8/0", "icmp/3/4", "50"];
        let lines: Vec<String> = packets
            .iter()
            .zip(expected.split(' '))
            .map(|(service, expected)| format!("z {service} x {expected}"))
            .collect();
        cloud.check_packets(&lines.join("\n"));
        // Inside the subnet, and from elsewhere, nothing is cut.
        cloud.check_packets("y tcp/443 x pass\n192.0.2.1 tcp/443 x pass");
    }
}
