//! Who may not ask is told so, and nobody else is: a cloud that cannot be reached, or whose answer is lost, is no
//! question of credentials.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_ec2::config::{BehaviorVersion, Builder, Credentials, Region};
use mock_cloud::Fault;
use provider::{CloudReader, ErrorKind, ProviderError, WallClock};
use provider_aws::{AwsReader, AwsSettings, Ec2};

use crate::cloud::{Cloud, scope};

/// Has none, as a machine without profile, keys and role.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no providers in chain")))
    }
}

async fn error_of(config: Builder) -> ProviderError {
    let config = config
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("eu-west-1"));
    let settings = AwsSettings::new("shop");
    let ec2 = Ec2::from_config(config, &settings, Arc::new(WallClock::default()));
    AwsReader::new(ec2, settings).observe(&scope(&[])).await.unwrap_err()
}

/// An address at which nobody answers: the port was free a moment ago.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn credentials_that_cannot_be_had_are_denied() {
    let error =
        error_of(Builder::new().endpoint_url(nobody().await).credentials_provider(NoCredentials)).await;
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Denied, "no usable credentials"));
    assert!(error.hint.contains("AWS_PROFILE"), "{}", error.hint);
    let error = error_of(Builder::new().endpoint_url(nobody().await)).await;
    assert_eq!(error.kind, ErrorKind::Denied, "{error:?}");
}

#[tokio::test]
async fn a_cloud_that_cannot_be_reached_is_transient() {
    let keys = Credentials::new("k", "s", None, None, "test");
    let error = error_of(Builder::new().endpoint_url(nobody().await).credentials_provider(keys)).await;
    assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
    assert!(error.retryable());
}

#[tokio::test]
async fn a_lost_answer_is_transient_wherever_it_breaks_off() {
    let cloud = Cloud::with_a_network(1).await;
    let mut whole = BTreeSet::new();
    for number in 0..12 {
        cloud.front.world().faults.plant("CreateSecurityGroup", 1, Fault::LostAnswer);
        let step = cloud.create(&format!("bulkhead-shop-{number:012x}"), false);
        let error = cloud.apply(step).await.unwrap_err().error;
        assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
        assert!(!error.hint.contains("AWS_PROFILE"), "{}", error.hint);
        whole.insert(format!("{error:?}").contains("IncompleteMessage"));
    }
    assert_eq!(whole.len(), 2, "some lose their first byte, and some break off in the body");
}
