//! Rules: identity, atomicity, shapes that are refused, limits by family, changes in place.

use crate::harness::{Cloud, all};

/// Authorizes or revokes `PROTOCOL FROM TO SOURCE` (a `-` leaves a port out) and says what came of it.
fn rule(cloud: &mut Cloud, action: &str, group: &str, rules: &[&str]) -> String {
    let mut line = format!("{action} GroupId=${group}");
    for (n, rule) in rules.iter().enumerate() {
        let [protocol, from, to, source] = rule.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let at = format!("IpPermissions.{}", n + 1);
        line += &format!(" {at}.IpProtocol={protocol}");
        for (name, port) in [("FromPort", from), ("ToPort", to)] {
            line += &if port == "-" { String::new() } else { format!(" {at}.{name}={port}") };
        }
        line += &if source.contains(':') {
            format!(" {at}.Ipv6Ranges.1.CidrIpv6={source}")
        } else if source.starts_with('$') || source.starts_with("sg-") {
            format!(" {at}.Groups.1.GroupId={source}")
        } else {
            format!(" {at}.IpRanges.1.CidrIp={source}")
        };
    }
    crate::harness::outcome(&cloud.call(&line))
}

fn allow(cloud: &mut Cloud, group: &str, rules: &[&str]) -> String {
    rule(cloud, "AuthorizeSecurityGroupIngress", group, rules)
}

fn revoke(cloud: &mut Cloud, group: &str, rules: &[&str]) -> String {
    rule(cloud, "RevokeSecurityGroupIngress", group, rules)
}

#[test]
fn a_rule_that_makes_no_sense_is_refused() {
    for (wanted, expected) in [
        ("tcp 90 80 10.0.0.0/8", "InvalidParameterValue"),
        ("tcp 0 65536 10.0.0.0/8", "InvalidParameterValue"),
        ("tcp -1 -1 10.0.0.0/8", "InvalidParameterValue"),
        ("tcp - - 10.0.0.0/8", "InvalidParameterValue"),
        ("udp 80 - 10.0.0.0/8", "InvalidParameterValue"),
        ("icmp 256 -1 10.0.0.0/8", "InvalidParameterValue"),
        ("icmp -1 3 10.0.0.0/8", "InvalidParameterValue"),
        ("256 - - 10.0.0.0/8", "InvalidParameterValue"),
        ("+6 80 80 10.0.0.0/8", "InvalidParameterValue"),
        ("ftp 80 80 10.0.0.0/8", "InvalidParameterValue"),
        ("tcp 80 80 10.0.0/8", "InvalidParameterValue"),
        ("tcp 80 80 10.0.0.0/33", "InvalidParameterValue"),
        ("tcp 80 80 sg-0", "InvalidGroup.NotFound"),
        ("tcp 80 80 $far", "InvalidGroup.NotFound"),
        ("tcp 0 65535 10.0.0.0/8", "ok"),
        ("icmp 3 4 10.0.0.0/8", "ok"),
        ("icmp -1 -1 10.0.0.0/8", "ok"),
        ("50 - - 10.0.0.0/8", "ok"),
        ("-1 1 2 10.0.0.0/8", "ok"),
    ] {
        assert_eq!(allow(&mut Cloud::with_two_vpcs(), "web", &[wanted]), expected, "{wanted}");
    }
}

#[test]
fn protocols_and_blocks_have_one_spelling() {
    for (wanted, protocol, block) in [
        ("6 80 80 10.1.2.3/8", "tcp", "10.0.0.0/8"),
        ("17 53 53 10.0.0.1/32", "udp", "10.0.0.1/32"),
        ("1 8 0 10.0.0.0/8", "icmp", "10.0.0.0/8"),
        ("58 -1 -1 2001:db8::1/32", "icmpv6", "2001:db8::/32"),
        ("50 - - 10.0.0.0/8", "50", "10.0.0.0/8"),
    ] {
        let mut cloud = Cloud::with_two_vpcs();
        assert_eq!(allow(&mut cloud, "web", &[wanted]), "ok");
        assert_eq!(allow(&mut cloud, "web", &[wanted]), "InvalidPermission.Duplicate", "{wanted}");
        let body = cloud.call("DescribeSecurityGroupRules Filter.1.Name=group-id Filter.1.Value.1=$web").body;
        let ingress = body.split("<item>").find(|item| item.contains("<isEgress>false")).unwrap();
        assert_eq!(all(ingress, "ipProtocol"), [protocol]);
        assert!(ingress.contains(&format!(">{block}<")), "{wanted}: {ingress}");
    }
}

#[test]
fn a_description_is_no_part_of_a_rule() {
    Cloud::with_two_vpcs().run(
        "AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$db IpPermissions.1.Groups.1.Description=one
         AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$db IpPermissions.1.Groups.1.Description=two => InvalidPermission.Duplicate",
    );
}

#[test]
fn a_call_with_one_bad_rule_applies_none() {
    let mut cloud = Cloud::with_two_vpcs();
    let good = "tcp 80 80 10.0.0.0/8";
    for (bad, expected) in [
        ("tcp 90 80 10.0.0.0/8", "InvalidParameterValue"),
        ("tcp 80 80 sg-0", "InvalidGroup.NotFound"),
        (good, "InvalidPermission.Duplicate"),
    ] {
        assert_eq!(allow(&mut cloud, "web", &[good, bad]), expected);
        assert_eq!(cloud.rules("web"), (0, 2), "{bad}");
    }
}

#[test]
fn a_revoke_of_nothing_revokes_nothing() {
    let mut cloud = Cloud::with_two_vpcs();
    let (held, other) = ("tcp 80 80 10.0.0.0/8", "tcp 81 81 10.0.0.0/8");
    assert_eq!(allow(&mut cloud, "web", &[held]), "ok");
    assert_eq!(revoke(&mut cloud, "web", &[held, other]), "InvalidPermission.NotFound");
    assert_eq!(cloud.rules("web"), (1, 2));
    cloud.run(
        "RevokeSecurityGroupIngress GroupId=$web SecurityGroupRuleId.1=sgr-0 => InvalidSecurityGroupRuleId.NotFound",
    );
    assert_eq!(revoke(&mut cloud, "web", &[held]), "ok");
    assert_eq!(cloud.rules("web"), (0, 2));
}

#[test]
fn in_the_default_vpc_a_revoke_of_nothing_is_no_error() {
    let mut cloud = Cloud::with_two_vpcs();
    let vpc = cloud.id("a").to_owned();
    cloud.front.world().state.vpcs.get_mut(&vpc).unwrap().is_default = true;
    assert_eq!(revoke(&mut cloud, "web", &["tcp 81 81 10.0.0.0/8"]), "ok");
}

#[test]
fn each_family_has_its_own_limit_and_a_reference_counts_in_both() {
    let mut cloud = Cloud::with_two_vpcs();
    let v4: Vec<String> = (0..60).map(|n| format!("tcp {n} {n} 10.0.0.0/8")).collect();
    let v6: Vec<String> = (0..59).map(|n| format!("tcp {n} {n} 2001:db8::/32")).collect();
    let texts = |rules: &[String]| rules.iter().map(|r| r.as_str().to_owned()).collect::<Vec<_>>();
    for rules in [texts(&v4), texts(&v6)] {
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        assert_eq!(allow(&mut cloud, "web", &rules), "ok");
    }
    let over = "RulesPerSecurityGroupLimitExceeded";
    assert_eq!(allow(&mut cloud, "web", &["tcp 100 100 10.0.0.0/8"]), over, "the 61st for IPv4");
    assert_eq!(allow(&mut cloud, "web", &["tcp 100 100 $db"]), over, "a reference counts for IPv4 too");
    assert_eq!(allow(&mut cloud, "web", &["tcp 100 100 2001:db8::/32"]), "ok", "the 60th for IPv6");
    assert_eq!(allow(&mut cloud, "web", &["tcp 101 101 2001:db8::/32"]), over, "the 61st for IPv6");
    assert_eq!(
        rule(&mut cloud, "AuthorizeSecurityGroupEgress", "web", &["tcp 1 1 $db"]),
        "ok",
        "egress apart"
    );
    assert_eq!(cloud.rules("web"), (120, 3));
}

#[test]
fn references_alone_fill_both_families() {
    let mut cloud = Cloud::with_two_vpcs();
    let references: Vec<String> = (0..60).map(|n| format!("tcp {n} {n} $db")).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    assert_eq!(allow(&mut cloud, "web", &references), "ok");
    for block in ["10.0.0.0/8", "2001:db8::/32"] {
        let outcome = allow(&mut cloud, "web", &[&format!("tcp 100 100 {block}")]);
        assert_eq!(outcome, "RulesPerSecurityGroupLimitExceeded", "{block}");
    }
}

#[test]
fn a_rule_changed_in_place_keeps_its_id() {
    let mut cloud = Cloud::with_two_vpcs();
    assert_eq!(allow(&mut cloud, "web", &["tcp 81 81 10.0.0.0/8"]), "ok");
    let change = "ModifySecurityGroupRules GroupId=$web SecurityGroupRule.1.SecurityGroupRuleId=$r SecurityGroupRule.1.SecurityGroupRule.IpProtocol=tcp";
    let at = "SecurityGroupRule.1.SecurityGroupRule";
    cloud.run(&format!(
        "r: AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=80 IpPermissions.1.ToPort=80 IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8
         {change} {at}.FromPort=81 {at}.ToPort=81 {at}.CidrIpv4=10.0.0.0/8 => InvalidPermission.Duplicate
         {change} {at}.FromPort=82 {at}.ToPort=82 => InvalidParameterCombination
         {change} {at}.FromPort=443 {at}.ToPort=443 {at}.CidrIpv4=192.0.2.0/24
         x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web
         ModifySecurityGroupRules GroupId=$web SecurityGroupRule.1.SecurityGroupRuleId=sgr-0 => InvalidSecurityGroupRuleId.NotFound"
    ));
    let body = cloud.call("DescribeSecurityGroupRules SecurityGroupRuleId.1=$r").body;
    assert_eq!(all(&body, "cidrIpv4"), ["192.0.2.0/24"]);
    cloud.check_packets(
        "192.0.2.1 tcp/443 x pass
         10.0.0.1 tcp/80 x cut
         10.0.0.1 tcp/81 x pass",
    );
}

#[test]
fn two_rules_can_swap_what_they_say_in_one_call() {
    let mut cloud = Cloud::with_two_vpcs();
    let authorize = |name: &str, port: u16| {
        format!(
            "{name}: AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort={port} IpPermissions.1.ToPort={port} IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"
        )
    };
    let update = |n: u8, rule: &str, port: u16| {
        let at = format!("SecurityGroupRule.{n}");
        format!(
            "{at}.SecurityGroupRuleId=${rule} {at}.SecurityGroupRule.IpProtocol=tcp {at}.SecurityGroupRule.FromPort={port} {at}.SecurityGroupRule.ToPort={port} {at}.SecurityGroupRule.CidrIpv4=10.0.0.0/8"
        )
    };
    cloud.run(&format!("{}\n{}", authorize("p", 80), authorize("q", 81)));
    cloud.run("x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web");
    cloud.run(&format!(
        "ModifySecurityGroupRules GroupId=$web {} {}",
        update(1, "p", 81),
        update(2, "q", 80)
    ));
    cloud.check_packets("10.0.0.1 tcp/80 x pass\n10.0.0.1 tcp/81 x pass");
}

#[test]
fn a_description_changes_in_place() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "r: AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$db
         UpdateSecurityGroupRuleDescriptionsIngress GroupId=$web SecurityGroupRuleDescription.1.SecurityGroupRuleId=$r SecurityGroupRuleDescription.1.Description=new
         UpdateSecurityGroupRuleDescriptionsEgress GroupId=$web SecurityGroupRuleDescription.1.SecurityGroupRuleId=$r => InvalidSecurityGroupRuleId.NotFound",
    );
    assert_eq!(
        all(&cloud.call("DescribeSecurityGroupRules SecurityGroupRuleId.1=$r").body, "description"),
        ["new"]
    );
}

#[test]
fn the_flat_form_of_a_request_works_too() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "AuthorizeSecurityGroupIngress GroupId=$web IpProtocol=tcp FromPort=22 ToPort=22 CidrIp=10.0.0.0/8",
    );
    assert_eq!(cloud.rules("web"), (1, 2));
}
