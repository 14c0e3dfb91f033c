//! What interfaces do while a change is under way.

use std::collections::BTreeSet;

use mock_aws::Settings;

use crate::harness::Cloud;

fn slow() -> Cloud {
    let mut cloud = Cloud::seeded(Settings { throttle: false, delay_ms: (100, 5000), ..Settings::default() });
    cloud.run(
        "x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web
         y: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$db
         AuthorizeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$web",
    );
    cloud
}

#[test]
fn a_change_is_true_by_the_api_before_packets_follow_it() {
    let mut cloud = slow();
    let packet = cloud.packet("x tcp/80 y");
    assert!(cloud.front.world().allows_by_api(&packet) && !cloud.front.world().allows(&packet));
    cloud.front.world().advance_ms(5001);
    assert!(cloud.front.world().allows(&packet));
    cloud.run("RevokeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$web");
    assert!(!cloud.front.world().allows_by_api(&packet) && cloud.front.world().allows(&packet));
    cloud.front.world().advance_ms(5001);
    assert!(!cloud.front.world().allows(&packet));
}

#[test]
fn stepping_by_the_next_change_misses_no_moment() {
    let cloud = slow();
    let packet = cloud.packet("x tcp/80 y");
    let turns = |stepped: bool| {
        let cloud = slow();
        let (mut turns, mut last) = (BTreeSet::new(), false);
        loop {
            let mut world = cloud.front.world();
            let step = match world.next_change_ms() {
                None => break turns,
                Some(next) if stepped => next - world.now_ms(),
                Some(_) => 1,
            };
            world.advance_ms(step);
            if world.allows(&packet) != last {
                last = !last;
                turns.insert((world.now_ms(), last));
            }
        }
    };
    assert_eq!(turns(true), turns(false));
    assert_eq!(turns(true).len(), 1, "one turn, from cut to pass");
}

#[test]
fn a_membership_moved_too_early_cuts_for_a_moment() {
    // The peer must hear of the new membership before the old one goes: without a wait some seed shows the cut.
    let mut cut = 0;
    for seed in 0..20 {
        let mut cloud = Cloud::seeded(Settings { seed, throttle: false, ..Settings::default() });
        let allow = |group: &str| {
            format!(
                "AuthorizeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=${group}"
            )
        };
        cloud.run("web2: CreateSecurityGroup GroupName=web2 GroupDescription=x VpcId=$a");
        cloud.run(&format!(
            "x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web
             y: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$db
             {}
             {}",
            allow("web"),
            allow("web2")
        ));
        cloud.front.world().advance_ms(4001);
        cloud.run("ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x SecurityGroupId.1=$web2");
        let packet = cloud.packet("x tcp/80 y");
        let mut passes = true;
        loop {
            let mut world = cloud.front.world();
            let Some(next) = world.next_change_ms() else { break };
            let step = next - world.now_ms();
            world.advance_ms(step);
            passes &= world.allows(&packet);
        }
        cut += usize::from(!passes);
        assert!(cloud.front.world().allows(&packet), "seed {seed}: settled");
    }
    assert!((1..20).contains(&cut), "{cut} of 20 seeds show the cut");
}

#[test]
fn forks_share_the_past_and_differ_in_the_future() {
    let cloud = slow();
    let packet = cloud.packet("x tcp/80 y");
    cloud.front.world().advance_ms(5001);
    let closed = |seed: u64| {
        let mut fork = Cloud::new(Settings::default());
        fork.ids = cloud.ids.clone();
        fork.front = mock_aws::Ec2Front::new(cloud.front.world().fork(seed));
        assert!(fork.front.world().allows(&packet), "what has settled stays");
        fork.run("RevokeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=$web");
        let from_ms = fork.front.world().now_ms();
        (0..5001).find(|after| !fork.front.world().allows_at(&packet, from_ms + after))
    };
    assert_eq!(closed(1), closed(1));
    assert_ne!(closed(1), closed(2));
    cloud.front.world().advance_ms(5001);
    assert!(cloud.front.world().allows(&packet), "the original knows nothing of it");
}
