//! Lists that come in pages: all of them are read, and a list that does not end is an error.

use mock_aws::Ec2Front;
use provider::{CloudReader, ErrorKind};
use provider_aws::AwsReader;

use crate::cloud::Cloud;

/// Five objects on a page: the least that EC2 takes.
async fn many() -> Cloud {
    let mut cloud = Cloud::with_a_network(1).await;
    for number in 0..12 {
        cloud.seed(&format!(
            "CreateSecurityGroup GroupName=g{number} GroupDescription=x VpcId=$A
             AuthorizeSecurityGroupIngress GroupId=$web IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort={number} IpPermissions.1.ToPort={number} IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8
             CreateNetworkInterface SubnetId=$S SecurityGroupId.1=$web
             RunInstances SubnetId=$S SecurityGroupId.1=$web
             CreateVpc CidrBlock=10.{}.0.0/16",
            number + 1
        ));
    }
    cloud
}

#[tokio::test]
async fn every_page_of_every_list_is_read() {
    let mut cloud = many().await;
    let whole = cloud.observe().await;
    cloud.settings.page_size = 5;
    let paged = cloud.observe().await;
    assert_eq!(paged, whole);
    assert_eq!((paged.networks.len(), paged.interfaces.len()), (13, 24));
    assert!(paged.groups.len() > 20 && paged.path_filters.len() == 13);
}

#[tokio::test]
async fn a_list_that_does_not_end_is_an_error() {
    let mut cloud = many().await;
    cloud.settings.page_size = 5;
    let repeats = |_: &Ec2Front, _: &str, answer: String| match answer.split_once("<nextToken>") {
        Some((before, rest)) => format!("{before}<nextToken>page-5{}", &rest[rest.find('<').unwrap()..]),
        None => answer,
    };
    let reader = AwsReader::new(cloud.ec2_through(repeats), cloud.settings.clone());
    let error = reader.observe(&cloud.scope).await.unwrap_err();
    assert_eq!((error.kind, error.action.as_str()), (ErrorKind::Transient, "DescribeVpcs"));
    assert!(error.message.contains("does not end"), "{}", error.message);
}
