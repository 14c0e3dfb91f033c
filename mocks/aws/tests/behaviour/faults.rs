//! What goes wrong: throttling, lost answers, stale reads, denied networks.

use mock_aws::{Delivery, Settings};
use mock_cloud::Fault;

use crate::harness::{Cloud, all, outcome};

fn seeded_then_throttled() -> Cloud {
    let cloud = Cloud::with_two_vpcs();
    cloud.front.world().settings.throttle = true;
    cloud
}

/// How many of these calls pass before the first throttled one.
fn burst(cloud: &mut Cloud, line: &str) -> usize {
    (0..1000).take_while(|_| outcome(&cloud.call(line)) != "RequestLimitExceeded").count()
}

#[test]
fn every_action_has_its_published_bucket() {
    let bounded = "Filter.1.Name=vpc-id Filter.1.Value.1=$a";
    for (line, expected) in [
        ("DescribeVpcs".to_owned(), 100),
        (format!("DescribeSecurityGroups {bounded}"), 100),
        ("DescribeSecurityGroups".to_owned(), 50),
        ("DescribeSecurityGroups MaxResults=5".to_owned(), 100),
        ("RevokeSecurityGroupIngress GroupId=$web".to_owned(), 50),
        ("CreateTags ResourceId.1=$web".to_owned(), 100),
        ("ModifyNetworkInterfaceAttribute NetworkInterfaceId=eni-0".to_owned(), 100),
    ] {
        assert_eq!(burst(&mut seeded_then_throttled(), &line), expected, "{line}");
    }
}

#[test]
fn a_bucket_refills_with_virtual_time_and_leaves_the_others_alone() {
    let mut cloud = seeded_then_throttled();
    assert_eq!(burst(&mut cloud, "DescribeSecurityGroups"), 50);
    assert_eq!(cloud.call("DescribeSecurityGroups").status, 503);
    assert_eq!(burst(&mut cloud, "DescribeSecurityGroups MaxResults=5"), 100, "paged reads have their own");
    assert_eq!(outcome(&cloud.call("DescribeVpcs")), "ok");
    cloud.front.world().advance_ms(1000);
    assert_eq!(burst(&mut cloud, "DescribeSecurityGroups"), 10);
}

#[test]
fn a_lost_answer_was_applied_and_a_server_error_was_not() {
    let mut cloud = Cloud::with_two_vpcs();
    let plant = |nth, fault| cloud.front.world().faults.plant("CreateSecurityGroup", nth, fault);
    plant(1, Fault::LostAnswer);
    plant(2, Fault::ServerError);
    plant(4, Fault::AccessDenied);
    cloud.run(
        "CreateSecurityGroup GroupName=n GroupDescription=n VpcId=$a => lost
         CreateSecurityGroup GroupName=m GroupDescription=m VpcId=$a => InternalError
         CreateSecurityGroup GroupName=n GroupDescription=n VpcId=$a => InvalidGroup.Duplicate
         CreateSecurityGroup GroupName=m GroupDescription=m VpcId=$a => UnauthorizedOperation
         CreateSecurityGroup GroupName=m GroupDescription=m VpcId=$a",
    );
}

#[test]
fn a_lost_answer_breaks_off_in_the_body_or_before_any_byte() {
    let mut cloud = Cloud::with_two_vpcs();
    let deliveries: Vec<Delivery> = (0..20)
        .map(|n| {
            cloud.front.world().faults.plant("CreateSecurityGroup", 1, Fault::LostAnswer);
            cloud.call(&format!("CreateSecurityGroup GroupName=n{n} GroupDescription=n VpcId=$a")).delivery
        })
        .collect();
    for (delivery, expected) in
        [(Delivery::BrokenOff, true), (Delivery::Nothing, true), (Delivery::Whole, false)]
    {
        assert_eq!(deliveries.contains(&delivery), expected, "{delivery:?}");
    }
}

#[test]
fn a_read_after_a_write_may_be_stale_but_not_for_ever() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.front.world().faults.stale_ms = 1000;
    cloud.run("n: CreateSecurityGroup GroupName=n GroupDescription=n VpcId=$a");
    let mut read = || outcome(&cloud.call("DescribeSecurityGroups GroupId.1=$n"));
    let seen: std::collections::BTreeSet<String> = (0..50).map(|_| read()).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["InvalidGroup.NotFound", "ok"]);
    cloud.front.world().advance_ms(1001);
    for _ in 0..50 {
        assert_eq!(outcome(&cloud.call("DescribeSecurityGroups GroupId.1=$n")), "ok");
    }
}

#[test]
fn reads_of_one_vpc_can_be_denied_and_allowed_again() {
    let mut cloud = Cloud::with_two_vpcs();
    let vpc = cloud.id("a").to_owned();
    let read = |name: &str| format!("DescribeSecurityGroups Filter.1.Name=vpc-id Filter.1.Value.1=${name}");
    cloud.front.world().faults.denied.insert(vpc.clone());
    cloud.run(&format!("{} => UnauthorizedOperation\n{}", read("a"), read("b")));
    cloud.front.world().faults.denied.remove(&vpc);
    cloud.run(&read("a"));
}

#[test]
fn the_call_log_tells_what_was_asked_and_what_came_of_it() {
    let mut cloud = Cloud::new(Settings::default());
    cloud
        .run("CreateVpc CidrBlock=10.0.0.0/16\nDescribeVpcs\nCreateVpc CidrBlock=x => InvalidParameterValue");
    let world = cloud.front.world();
    let lines: Vec<String> = world
        .calls
        .all()
        .iter()
        .map(|call| format!("{} {} {} {}", call.ordinal, call.action, call.mutating, call.outcome))
        .collect();
    assert_eq!(
        lines,
        ["1 CreateVpc true ok", "2 DescribeVpcs false ok", "3 CreateVpc true InvalidParameterValue"]
    );
    assert!(world.calls.all()[0].request.contains("CidrBlock=10.0.0.0/16"));
    assert_eq!(world.calls.mutations().values().sum::<usize>(), 1);
}

#[test]
fn an_estate_of_two_thousand_groups_is_workable() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run("wide: CreateSubnet VpcId=$b CidrBlock=10.1.128.0/17");
    let (vpc, subnet) = (cloud.id("a").to_owned(), cloud.id("wide").to_owned());
    for n in 0..2000 {
        let body = format!("Action=CreateSecurityGroup&GroupName=n{n}&GroupDescription=x&VpcId={vpc}");
        let answer = cloud.front.handle(crate::harness::SIGNED, body.as_bytes());
        let group = all(&answer.body, "groupId").remove(0);
        let mut body = format!("Action=AuthorizeSecurityGroupIngress&GroupId={group}");
        for port in 1..=50 {
            let at = format!("IpPermissions.{port}");
            body += &format!(
                "&{at}.IpProtocol=tcp&{at}.FromPort={port}&{at}.ToPort={port}&{at}.IpRanges.1.CidrIp=10.0.0.0/8"
            );
        }
        assert_eq!(cloud.front.handle(crate::harness::SIGNED, body.as_bytes()).status, 200);
    }
    for _ in 0..20 {
        let body = format!("Action=RunInstances&MaxCount=1000&SubnetId={subnet}");
        assert_eq!(cloud.front.handle(crate::harness::SIGNED, body.as_bytes()).status, 200);
    }
    assert_eq!(all(&cloud.call("DescribeInstances").body, "instanceState").len(), 20_000);
    // 50 and the two default ones each; before them web 2, db 2, far 1, and two default groups with 2 each.
    let rules = all(&cloud.call("DescribeSecurityGroupRules").body, "isEgress").len();
    assert_eq!(rules, 2000 * 52 + 9);
}

#[test]
fn others_in_the_account_leave_a_share_of_every_bucket() {
    let mut cloud = seeded_then_throttled();
    cloud.front.world().settings.bucket_share = 0.1;
    assert_eq!(burst(&mut cloud, "DescribeSecurityGroups MaxResults=5"), 10);
    cloud.front.world().advance_ms(1000);
    assert_eq!(burst(&mut cloud, "DescribeSecurityGroups MaxResults=5"), 2);
}

#[test]
fn what_went_wrong_is_counted() {
    let mut cloud = Cloud::with_two_vpcs();
    let plant = |action, fault| cloud.front.world().faults.plant(action, 1, fault);
    plant("DescribeVpcs", Fault::LostAnswer);
    plant("CreateSecurityGroup", Fault::LostAnswer);
    plant("DeleteTags", Fault::Throttle);
    cloud.front.world().faults.stale_ms = 1000;
    cloud.run("DescribeVpcs\nCreateSecurityGroup GroupName=n GroupDescription=n VpcId=$a => lost");
    (0..50).for_each(|_| drop(cloud.call("DescribeVpcs")));
    cloud.run("DeleteTags ResourceId.1=$web => RequestLimitExceeded");
    let faults = &cloud.front.world().faults;
    let fired: Vec<_> = faults.fired.iter().map(|(fault, count)| (*fault, *count)).collect();
    assert_eq!(fired, [(Fault::Throttle, 1), (Fault::LostAnswer, 1)], "a read loses no answer");
    assert!((1..50).contains(&faults.stale_reads), "{}", faults.stale_reads);
}
