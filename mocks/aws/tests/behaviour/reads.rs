//! Reads: pages, filters, ids, and who may ask.

use crate::harness::{Cloud, SIGNED, all, outcome};

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let mut cloud = Cloud::with_two_vpcs();
    for n in 0..20 {
        cloud.run(&format!("CreateSecurityGroup GroupName=n{n} GroupDescription=x VpcId=$a"));
    }
    let whole = all(&cloud.call("DescribeSecurityGroups").body, "groupId");
    // 25 groups: the last page holds one.
    assert_eq!(all(&cloud.call("DescribeSecurityGroups").body, "groupName").len(), 25);
    let (mut paged, mut token) = (Vec::new(), String::new());
    for _ in 0..10 {
        let body = cloud.call(&format!("DescribeSecurityGroups MaxResults=6{token}")).body;
        let ids = all(&body, "groupName").len();
        assert!(ids <= 6, "{ids} on a page");
        paged.extend(all(&body, "groupId"));
        match all(&body, "nextToken").first() {
            Some(next) => token = format!(" NextToken={next}"),
            None => break,
        }
    }
    assert_eq!(paged, whole);
}

#[test]
fn a_page_that_is_just_full_is_the_last_one() {
    let mut cloud = Cloud::with_two_vpcs();
    // Three groups and two default ones.
    assert_eq!(
        all(&cloud.call("DescribeSecurityGroups MaxResults=5").body, "nextToken"),
        Vec::<String>::new()
    );
}

#[test]
fn bad_pages_filters_and_ids_are_refused() {
    Cloud::with_two_vpcs().run(
        "DescribeSecurityGroups MaxResults=4 => InvalidParameterValue
         DescribeSecurityGroups MaxResults=1001 => InvalidParameterValue
         DescribeSecurityGroups MaxResults=5 NextToken=nonsense => InvalidNextToken
         DescribeSecurityGroups Filter.1.Name=colour Filter.1.Value.1=red => InvalidParameterValue
         DescribeNetworkInterfaces Filter.1.Name=colour Filter.1.Value.1=red => InvalidParameterValue
         DescribeSecurityGroups GroupId.1=sg-0 => InvalidGroup.NotFound
         DescribeNetworkInterfaces NetworkInterfaceId.1=eni-0 => InvalidNetworkInterfaceID.NotFound
         DescribeInstances InstanceId.1=i-0 => InvalidInstanceID.NotFound
         DescribeVpcs VpcId.1=vpc-0 => InvalidVpcID.NotFound
         DescribeSubnets SubnetId.1=subnet-0 => InvalidSubnetID.NotFound
         DescribeSecurityGroupRules SecurityGroupRuleId.1=sgr-0 => InvalidSecurityGroupRuleId.NotFound
         DescribeNothing => InvalidAction",
    );
}

#[test]
fn filters_choose_by_value_tag_and_wildcard() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "CreateTags ResourceId.1=$web Tag.1.Key=role Tag.1.Value=front
         x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web SecurityGroupId.2=$db
         i: RunInstances NetworkInterface.1.NetworkInterfaceId=$x
         RunInstances SubnetId=$sb SecurityGroupId.1=$far",
    );
    for (read, filters, field, expected) in [
        ("DescribeSecurityGroups", "group-name=web", "groupName", 1),
        ("DescribeSecurityGroups", "group-name=*e*", "groupName", 3),
        ("DescribeSecurityGroups", "vpc-id=$b", "groupName", 2),
        ("DescribeSecurityGroups", "tag:role=front", "groupName", 1),
        ("DescribeSecurityGroups", "tag:role=back", "groupName", 0),
        ("DescribeSecurityGroups", "tag-key=role", "groupName", 1),
        ("DescribeSecurityGroups", "tag-key=role vpc-id=$b", "groupName", 0),
        ("DescribeSecurityGroups", "egress.ip-permission.cidr=0.0.0.0/0 vpc-id=$a", "groupName", 3),
        ("DescribeSecurityGroupRules", "group-id=$web", "securityGroupRuleId", 2),
        ("DescribeNetworkInterfaces", "group-id=$db", "subnetId", 1),
        ("DescribeNetworkInterfaces", "attachment.instance-id=$i", "subnetId", 1),
        ("DescribeNetworkInterfaces", "status=in-use", "subnetId", 2),
        ("DescribeInstances", "instance.group-id=$db", "reservationId", 1),
        ("DescribeInstances", "instance-state-name=running", "reservationId", 2),
        ("DescribeInstances", "instance-state-name=terminated", "reservationId", 0),
    ] {
        let mut line = read.to_owned();
        for (n, filter) in filters.split(' ').enumerate() {
            let (name, value) = filter.split_once('=').unwrap();
            line += &format!(" Filter.{}.Name={name} Filter.{}.Value.1={value}", n + 1, n + 1);
        }
        let body = cloud.call(&line).body;
        assert_eq!(all(&body, field).len(), expected, "{read} {filters}\n{body}");
    }
}

#[test]
fn only_the_named_instance_is_shown_and_a_terminated_one_says_so() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "i: RunInstances SubnetId=$sa
         j: RunInstances SubnetId=$sa
         TerminateInstances InstanceId.1=$i",
    );
    let body = cloud.call("DescribeInstances InstanceId.1=$i").body;
    assert!(body.contains("<name>terminated</name>") && !body.contains(cloud.id("j")), "{body}");
}

#[test]
fn a_call_needs_credentials_of_the_region() {
    let cloud = Cloud::with_two_vpcs();
    let read = |authorization: &str| {
        let answer = cloud.front.handle(authorization, b"Action=DescribeVpcs");
        (answer.status, outcome(&answer))
    };
    assert_eq!(read(""), (403, "MissingAuthenticationToken".to_owned()));
    assert_eq!(read(&SIGNED.replace("eu-west-1", "us-east-1")), (401, "AuthFailure".to_owned()));
    assert_eq!(read(SIGNED), (200, "ok".to_owned()));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || Cloud::with_two_vpcs().call("DescribeSecurityGroups").body;
    assert_eq!(run(), run());
}
