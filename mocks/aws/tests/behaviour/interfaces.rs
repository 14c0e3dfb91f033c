//! Interfaces and instances: membership writes, addresses, life and death.

use crate::harness::Cloud;

fn six_groups(cloud: &mut Cloud) -> String {
    for n in 1..=6 {
        cloud.run(&format!("g{n}: CreateSecurityGroup GroupName=g{n} GroupDescription=g VpcId=$a"));
    }
    (1..=6).map(|n| format!(" SecurityGroupId.{n}=$g{n}")).collect()
}

#[test]
fn an_interface_takes_five_groups() {
    let mut cloud = Cloud::with_two_vpcs();
    let six = six_groups(&mut cloud);
    let five = six.rsplit_once(' ').unwrap().0;
    cloud.run(&format!(
        "x: CreateNetworkInterface SubnetId=$sa{five}
         CreateNetworkInterface SubnetId=$sa{six} => SecurityGroupsPerInterfaceLimitExceeded
         ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x{six} => SecurityGroupsPerInterfaceLimitExceeded"
    ));
    let world = cloud.front.world();
    assert_eq!(world.state.interfaces[cloud.id("x")].groups.len(), 5);
}

#[test]
fn groups_on_an_interface_must_exist_and_be_of_its_vpc() {
    Cloud::with_two_vpcs().run(
        "x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web
         ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x => InvalidParameterValue
         ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x SecurityGroupId.1=sg-0 => InvalidGroup.NotFound
         ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x SecurityGroupId.1=$far => InvalidParameter
         ModifyNetworkInterfaceAttribute NetworkInterfaceId=eni-0 SecurityGroupId.1=$web => InvalidNetworkInterfaceID.NotFound
         ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x Description.Value=new",
    );
}

#[test]
fn an_interface_of_a_service_refuses_groups() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run("x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web");
    let id = cloud.id("x").to_owned();
    cloud.front.world().state.interfaces.get_mut(&id).unwrap().requester = Some("amazon-elb".to_owned());
    cloud.run("ModifyNetworkInterfaceAttribute NetworkInterfaceId=$x SecurityGroupId.1=$db => OperationNotPermitted");
}

#[test]
fn an_address_is_given_out_once() {
    Cloud::with_two_vpcs().run(
        "CreateNetworkInterface SubnetId=$sa PrivateIpAddress=10.0.1.4
         x: CreateNetworkInterface SubnetId=$sa
         CreateNetworkInterface SubnetId=$sa PrivateIpAddress=10.0.1.5 => InvalidIPAddress.InUse
         CreateNetworkInterface SubnetId=$sa PrivateIpAddress=10.0.2.9 => InvalidParameterValue
         CreateNetworkInterface SubnetId=$sa PrivateIpAddress=10.0.1.3 => InvalidParameterValue
         CreateNetworkInterface SubnetId=$sa PrivateIpAddress=10.0.1.255 => InvalidParameterValue
         DeleteNetworkInterface NetworkInterfaceId=$x
         CreateNetworkInterface SubnetId=$sa PrivateIpAddress=10.0.1.5",
    );
}

#[test]
fn a_full_subnet_says_so() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run("s: CreateSubnet VpcId=$a CidrBlock=10.0.9.0/28");
    for _ in 0..11 {
        cloud.run("x: CreateNetworkInterface SubnetId=$s");
    }
    cloud.run(
        "CreateNetworkInterface SubnetId=$s => InsufficientFreeAddressesInSubnet
         DeleteNetworkInterface NetworkInterfaceId=$x
         CreateNetworkInterface SubnetId=$s",
    );
}

#[test]
fn secondary_addresses_come_and_go_but_the_primary_stays() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "x: CreateNetworkInterface SubnetId=$sa PrivateIpAddress=10.0.1.10 Ipv6Addresses.1.Ipv6Address=2001:db8:a:1::7
         AssignPrivateIpAddresses NetworkInterfaceId=$x PrivateIpAddress.1=10.0.1.11
         AssignPrivateIpAddresses NetworkInterfaceId=$x SecondaryPrivateIpAddressCount=2
         AssignIpv6Addresses NetworkInterfaceId=$x Ipv6AddressCount=1
         UnassignPrivateIpAddresses NetworkInterfaceId=$x PrivateIpAddress.1=10.0.1.10 => InvalidParameterValue
         UnassignPrivateIpAddresses NetworkInterfaceId=$x PrivateIpAddress.1=10.0.1.11
         UnassignPrivateIpAddresses NetworkInterfaceId=$x PrivateIpAddress.1=10.0.1.11 => InvalidParameterValue",
    );
    let world = cloud.front.world();
    let addresses = &world.state.interfaces[cloud.id("x")].addresses;
    assert_eq!(addresses.iter().filter(|a| a.is_ipv4()).count(), 3);
    assert!(addresses.contains(&"2001:db8:a:1::7".parse().unwrap()));
    assert_eq!(addresses.iter().filter(|a| a.is_ipv6()).count(), 2);
}

#[test]
fn an_instance_takes_its_own_interfaces_with_it_and_leaves_the_others() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web
         i: RunInstances NetworkInterface.1.NetworkInterfaceId=$x
         RunInstances NetworkInterface.1.NetworkInterfaceId=$x => InvalidNetworkInterface.InUse
         j: RunInstances SubnetId=$sa SecurityGroupId.1=$db
         DeleteNetworkInterface NetworkInterfaceId=$x => InvalidParameterValue
         TerminateInstances InstanceId.1=$i InstanceId.2=$j
         DeleteSecurityGroup GroupId=$db
         DeleteSecurityGroup GroupId=$web => DependencyViolation
         DeleteNetworkInterface NetworkInterfaceId=$x
         DeleteSecurityGroup GroupId=$web",
    );
}

#[test]
fn a_launch_that_fails_leaves_nothing_behind() {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "x: CreateNetworkInterface SubnetId=$sa
         RunInstances NetworkInterface.1.SubnetId=$sa NetworkInterface.2.SubnetId=subnet-0 => InvalidSubnetID.NotFound
         RunInstances NetworkInterface.1.NetworkInterfaceId=$x NetworkInterface.2.SubnetId=subnet-0 => InvalidSubnetID.NotFound",
    );
    let world = cloud.front.world();
    assert_eq!(world.state.interfaces.len(), 1);
    assert_eq!(world.state.instances.len(), 0);
    assert_eq!(world.state.interfaces[cloud.id("x")].instance, None);
}
