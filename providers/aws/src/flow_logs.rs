//! VPC flow logs that go to CloudWatch Logs. Those in S3 are objects like any others: `ingest` reads them.
//!
//! A log group is read window by window, over all of its streams (one for each interface). Events carry the line of a
//! record without a header: the fields are those of the flow log.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::ConfigLoader;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{
    BehaviorVersion, Region, StalledStreamProtectionConfig, retry::RetryConfig,
};
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput;
use aws_sdk_ec2::types::{Filter, TrafficType};
use flow::{Format, Outcome};
use provider::flows::{LogPages, Now, Windowed, Windows};
use provider::{ErrorKind, ProviderError};

use crate::client::Ec2;
use crate::errors;
use crate::pages::Pages;

const DESCRIBE: &str = "DescribeFlowLogs";
/// Events on one page: the most that CloudWatch Logs gives.
const PAGE_EVENTS: i32 = 10_000;
/// Width of the windows in which a group is read: a page or a few of a busy group.
const WINDOW_S: i64 = 300;
/// An aggregation interval takes up to ten minutes, and its delivery about five more (best effort): twice that.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html>
const SETTLE_S: i64 = 30 * 60;

/// Where a log group is, and what its lines are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub region: String,
    /// The fields of a line, as the flow log names them: [`written`] asks it.
    pub log_format: String,
    /// From when on it is read at first, Unix seconds.
    pub since: i64,
}

/// A log group as a source of flow logs.
pub type CloudWatch = Windowed<Events>;

/// The events of a log group.
pub struct Events {
    client: Client,
    group: String,
}

impl Events {
    /// Connects by the SDK's usual environment: profile, keys, `AWS_ENDPOINT_URL`.
    pub async fn connect(name: &str, group: &LogGroup, now: Now) -> CloudWatch {
        let loaded = environment().region(Region::new(group.region.clone())).load().await;
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(&loaded)
            // A call that fails is not sent again: the next pass is the retry.
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let format = Format::AwsLines(group.log_format.clone());
        let windows = Windows {
            of: group.name.clone(),
            format,
            since: group.since,
            width_s: WINDOW_S,
            settle_s: SETTLE_S,
        };
        let events = Self { client: Client::from_conf(config.build()), group: group.name.clone() };
        Windowed::new(name, events, windows, now)
    }
}

/// The SDK's usual environment, over our TLS.
fn environment() -> ConfigLoader {
    use aws_smithy_http_client::tls;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http)
}

/// Who the SDK's usual environment says that we are (profile, keys, role), for what signs by itself.
pub struct Keys {
    provider: Option<SharedCredentialsProvider>,
    /// The region of the environment or profile.
    pub region: Option<String>,
}

impl Keys {
    /// Reads the environment; nothing is asked for yet.
    pub async fn of_environment() -> Self {
        let loaded = environment().load().await;
        Self { provider: loaded.credentials_provider(), region: loaded.region().map(ToString::to_string) }
    }

    /// Keys that are good now.
    ///
    /// # Errors
    /// Why there are none: one line.
    pub async fn get(&self) -> Result<Credentials, String> {
        let provider = self.provider.as_ref().ok_or("there are no credentials for AWS")?;
        provider
            .provide_credentials()
            .await
            .map_err(|error| format!("no usable credentials for AWS: {error}"))
    }
}

#[async_trait]
impl LogPages for Events {
    const ACTION: &'static str = "FilterLogEvents";

    async fn page(
        &self,
        (start, end): (i64, i64),
        token: Option<String>,
    ) -> Result<(Vec<u8>, Option<String>), ProviderError> {
        let asked = self.client.filter_log_events().log_group_name(&self.group).limit(PAGE_EVENTS);
        // The end is inclusive, and times are in milliseconds.
        let asked = asked.start_time(start * 1000).end_time(end * 1000 - 1).set_next_token(token);
        let answer = asked.send().await.map_err(|error| errors::classify(Self::ACTION, error))?;
        let next = answer.next_token().map(str::to_owned);
        Ok((lines(&answer), next))
    }
}

/// The messages, each a line.
fn lines(answer: &FilterLogEventsOutput) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in answer.events().iter().filter_map(|event| event.message()) {
        bytes.extend_from_slice(message.trim_end_matches(['\r', '\n']).as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// What a flow log says of the lines that it writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The fields of a line.
    pub log_format: String,
    /// Its `traffic-type`: the verdict of all of its records, `None` where every one is written.
    pub only: Option<Outcome>,
}

/// What the flow logs that write to a log group say of it.
///
/// # Errors
/// Of the call; [`ErrorKind::NotFound`] when no flow log writes there, [`ErrorKind::Conflict`] when several do that differ.
pub async fn written(ec2: &Ec2, group: &str) -> Result<Written, ProviderError> {
    let mut pages = Pages::new(DESCRIBE);
    let (mut formats, mut traffic) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let (token, size) = (pages.token(), ec2.page_size());
        let of_group = Filter::builder().name("log-group-name").values(group).build();
        let page = ec2.call(DESCRIBE, |client| {
            let request =
                client.describe_flow_logs().filter(of_group).max_results(size).set_next_token(token);
            async move { request.send().await }
        });
        let page = page.await?;
        formats.extend(page.flow_logs().iter().filter_map(|log| log.log_format()).map(str::to_owned));
        traffic.extend(page.flow_logs().iter().map(|log| only(log.traffic_type())));
        if !pages.follow(page.next_token())? {
            break;
        }
    }
    let mut formats = formats.into_iter();
    match (formats.next(), formats.next()) {
        (Some(log_format), None) => {
            // One that writes what is accepted and one that writes what is rejected write everything.
            let only = if traffic.len() == 1 { traffic.pop_first().flatten() } else { None };
            Ok(Written { log_format, only })
        }
        (None, _) => {
            Err(unclear(ErrorKind::NotFound, format!("no flow log writes to the log group `{group}`")))
        }
        _ => Err(unclear(ErrorKind::Conflict, format!("flow logs of different formats write to `{group}`"))),
    }
}

fn only(traffic: Option<&TrafficType>) -> Option<Outcome> {
    match traffic {
        Some(TrafficType::Accept) => Some(Outcome::Accepted),
        Some(TrafficType::Reject) => Some(Outcome::Rejected),
        _ => None,
    }
}

fn unclear(kind: ErrorKind, message: String) -> ProviderError {
    let mut error = ProviderError::new(kind, DESCRIBE, message);
    error.hint =
        "check the name and the region of the log group, or write `log_format` of the source".to_owned();
    error
}
