//! Lists that come in pages: all of them are read, and a list that does not end is an error.

use std::sync::Arc;

use aws_sdk_ec2::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use mock_aws::Ec2Front;
use provider::{CloudReader, ErrorKind, WallClock};
use provider_aws::{AwsReader, Ec2};

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

/// A cloud whose pages come again and again.
#[derive(Clone)]
struct Endless(Ec2Front);

impl std::fmt::Debug for Endless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endless")
    }
}

impl HttpConnector for Endless {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let authorization = request.headers().get("authorization").unwrap_or_default().to_owned();
        let answer = self.0.handle(&authorization, &body).body;
        let answer = match answer.split_once("<nextToken>") {
            Some((before, rest)) => {
                format!("{before}<nextToken>page-5{}", &rest[rest.find('<').unwrap()..])
            }
            None => answer,
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(answer))))
    }
}

impl HttpClient for Endless {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[tokio::test]
async fn a_list_that_does_not_end_is_an_error() {
    let mut cloud = many().await;
    cloud.settings.page_size = 5;
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Endless(cloud.front.clone()))
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("k", "s", None, None, "test"));
    let ec2 = Ec2::from_config(config, &cloud.settings, Arc::new(WallClock::default()));
    let error = AwsReader::new(ec2, cloud.settings.clone()).observe(&cloud.scope).await.unwrap_err();
    assert_eq!((error.kind, error.action.as_str()), (ErrorKind::Transient, "DescribeVpcs"));
    assert!(error.message.contains("does not end"), "{}", error.message);
}
