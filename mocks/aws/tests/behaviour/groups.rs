//! Security groups themselves: names, deletion, defaults, dry run.

use crate::harness::{Cloud, all};

#[test]
fn a_name_is_unique_in_its_vpc_whatever_its_case() {
    Cloud::with_two_vpcs().run(
        "CreateSecurityGroup GroupName=WEB GroupDescription=x VpcId=$a => InvalidGroup.Duplicate
         CreateSecurityGroup GroupName=WEB GroupDescription=x VpcId=$b",
    );
}

#[test]
fn a_bad_name_or_description_or_vpc_is_refused() {
    let long = "x".repeat(256);
    Cloud::with_two_vpcs().run(&format!(
        "CreateSecurityGroup GroupName=sg-web GroupDescription=x VpcId=$a => InvalidParameterValue
         CreateSecurityGroup GroupName=w%C3%A9b GroupDescription=x VpcId=$a => InvalidParameterValue
         CreateSecurityGroup GroupName={long} GroupDescription=x VpcId=$a => InvalidParameterValue
         CreateSecurityGroup GroupName=x GroupDescription=a%3Cb VpcId=$a => InvalidParameterValue
         CreateSecurityGroup GroupName=x GroupDescription={long} VpcId=$a => InvalidParameterValue
         CreateSecurityGroup GroupName=x VpcId=$a => MissingParameter
         CreateSecurityGroup GroupName=x GroupDescription=x VpcId=vpc-0 => InvalidVpcID.NotFound"
    ));
}

#[test]
fn default_egress_is_ipv6_too_only_where_the_vpc_has_ipv6() {
    let cloud = Cloud::with_two_vpcs();
    assert_eq!((cloud.rules("web"), cloud.rules("far")), ((0, 2), (0, 1)));
}

#[test]
fn the_default_group_lets_its_members_reach_each_other() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "x: CreateNetworkInterface SubnetId=$sa
         y: CreateNetworkInterface SubnetId=$sa
         z: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web",
    );
    cloud.check_packets(
        "x tcp/22 y pass
         z tcp/22 y cut
         x tcp/22 192.0.2.1 pass",
    );
}

#[test]
fn a_dry_run_applies_nothing() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "CreateSecurityGroup GroupName=n GroupDescription=n VpcId=$a DryRun=true => DryRunOperation
         DeleteSecurityGroup GroupId=$web DryRun=true => DryRunOperation
         Nonsense DryRun=true => InvalidAction",
    );
    assert_eq!(cloud.call("DeleteSecurityGroup GroupId=$web DryRun=true").status, 412);
    let body = cloud.call("DescribeSecurityGroups").body;
    assert!(!all(&body, "groupName").contains(&"n".to_owned()));
    assert!(all(&body, "groupName").contains(&"web".to_owned()));
}

#[test]
fn a_group_that_is_attached_or_referred_to_cannot_be_deleted() {
    Cloud::with_two_vpcs().run(
        "AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$web
         AuthorizeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$web
         DeleteSecurityGroup GroupId=$web => DependencyViolation
         RevokeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$web
         x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web
         DeleteSecurityGroup GroupId=$web => DependencyViolation
         ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x SecurityGroupId.1=$db
         DeleteSecurityGroup GroupId=$web
         DeleteSecurityGroup GroupId=$web => InvalidGroup.NotFound",
    );
}

#[test]
fn the_default_group_cannot_be_deleted() {
    let mut cloud = Cloud::with_two_vpcs();
    let body = cloud.call("DescribeSecurityGroups Filter.1.Name=group-name Filter.1.Value.1=default").body;
    for group in all(&body, "groupId").into_iter().take(1) {
        cloud.run(&format!("DeleteSecurityGroup GroupId={group} => CannotDelete"));
    }
}

#[test]
fn tags_are_all_or_nothing_and_reserved_keys_are_refused() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "CreateTags ResourceId.1=$web ResourceId.2=sg-0 Tag.1.Key=k Tag.1.Value=v => InvalidID
         CreateTags ResourceId.1=$web Tag.1.Key=aws:k Tag.1.Value=v => InvalidParameterValue
         CreateTags ResourceId.1=$web Tag.1.Key=k Tag.1.Value=v
         DeleteTags ResourceId.1=$web Tag.1.Key=k Tag.1.Value=other",
    );
    let tags = "DescribeTags Filter.1.Name=resource-id Filter.1.Value.1=$web";
    assert_eq!(all(&cloud.call(tags).body, "key"), ["k"]);
    cloud.run("DeleteTags ResourceId.1=$web Tag.1.Key=k");
    assert_eq!(all(&cloud.call(tags).body, "key"), Vec::<String>::new());
}
