//! A simulated account behind HTTP, with a reader and a writer on it, and names for its ids.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use mock_aws::{Ec2Front, Settings, World, serve};
use plan::{Attachment, Drift, Gates, GroupId, Observed, Scope, Step, StepAction, StepId, Transients};
use provider::{Applied, Clock, CloudReader, CloudWriter, Failed};
use provider_aws::{AwsReader, AwsSettings, AwsWriter, Ec2};

/// A clock that moves the world.
pub struct WorldClock(pub Ec2Front);

#[async_trait]
impl Clock for WorldClock {
    fn now_ms(&self) -> u64 {
        self.0.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world().advance_ms(duration.as_millis() as u64);
    }
}

/// A simulated account and region.
pub struct Cloud {
    pub front: Ec2Front,
    pub endpoint: String,
    pub settings: AwsSettings,
    pub scope: Scope,
    names: BTreeMap<String, String>,
}

impl Cloud {
    pub async fn start(settings: Settings) -> Self {
        let front = Ec2Front::new(World::new(settings));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings = AwsSettings::new("shop");
        Self { front, endpoint, settings, scope: scope(&[]), names: BTreeMap::new() }
    }

    /// One VPC `A` with both families and a subnet `S`, the groups `web` and `db`; no throttling.
    pub async fn with_a_network(seed: u64) -> Self {
        let mut cloud = Self::start(Settings { seed, throttle: false, ..Settings::default() }).await;
        cloud.seed(
            "A: CreateVpc CidrBlock=10.0.0.0/16
             AssociateVpcCidrBlock VpcId=$A Ipv6CidrBlock=2001:db8:a::/56
             S: CreateSubnet VpcId=$A CidrBlock=10.0.1.0/24 Ipv6CidrBlock=2001:db8:a::/64
             web: CreateSecurityGroup GroupName=web GroupDescription=web VpcId=$A
             db: CreateSecurityGroup GroupName=db GroupDescription=db VpcId=$A",
        );
        cloud
    }

    /// Performs lines `[name:] Action Key=Value …`, in which `$name` stands for an id.
    pub fn seed(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, call) = line.split_once(": ").map_or((None, line), |(name, call)| (Some(name), call));
            let mut words = call.split_whitespace();
            let action = words.next().unwrap();
            let params: Vec<(String, String)> = words
                .map(|word| {
                    let (key, value) = word.split_once('=').unwrap();
                    let value = value.strip_prefix('$').map_or(value.to_owned(), |name| self.id(name));
                    (key.to_owned(), value)
                })
                .collect();
            let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let answer = self.front.world().perform(action, &params);
            let answer = answer.unwrap_or_else(|error| panic!("{line}: {error}"));
            if let Some(name) = name {
                self.names.insert(name.to_owned(), between(&answer, id_of(action)));
            }
        }
    }

    pub fn id(&self, name: &str) -> String {
        self.names.get(name).unwrap_or_else(|| panic!("no {name}")).clone()
    }

    pub fn ec2(&self) -> Ec2 {
        let clock = Arc::new(WorldClock(self.front.clone()));
        Ec2::at_endpoint(&self.endpoint, &self.settings, &self.scope, clock)
    }

    /// A connection whose answers pass through `hook`, with the front and the action: others act there, or answers change.
    pub fn ec2_through(
        &self,
        hook: impl Fn(&Ec2Front, &str, String) -> String + Send + Sync + 'static,
    ) -> Ec2 {
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Wire { front: self.front.clone(), hook: Arc::new(hook) })
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("k", "s", None, None, "test"));
        Ec2::from_config(config, &self.settings, Arc::new(WorldClock(self.front.clone())))
    }

    pub fn reader(&self) -> AwsReader {
        AwsReader::new(self.ec2(), self.settings.clone())
    }

    pub async fn observe(&self) -> Observed {
        self.reader().observe(&self.scope).await.unwrap()
    }

    /// Applies one step from what is read now.
    pub async fn apply(&self, action: StepAction) -> Result<Applied, Failed> {
        let observed = self.observe().await;
        self.apply_from(&[observed], action).await
    }

    /// Applies one step from what was read at some time.
    pub async fn apply_from(&self, current: &[Observed], action: StepAction) -> Result<Applied, Failed> {
        self.apply_through(self.ec2(), current, action).await
    }

    pub async fn apply_through(
        &self,
        ec2: Ec2,
        current: &[Observed],
        action: StepAction,
    ) -> Result<Applied, Failed> {
        let writer = AwsWriter::new(ec2, self.settings.clone());
        writer.apply(&self.scope, &step(&self.scope, action), current, &BTreeMap::new()).await
    }

    /// The step that creates a group of ours.
    pub fn create(&self, name: &str, open_egress: bool) -> StepAction {
        let network = self.id("A").as_str().into();
        StepAction::CreateGroup {
            group: GroupId::planned(&network, name),
            network,
            name: name.to_owned(),
            description: "role=web".to_owned(),
            open_egress,
        }
    }

    /// A group of ours with open egress.
    pub async fn ours(&mut self, name: &str, number: u32) {
        let created = self.apply(self.create(&format!("bulkhead-shop-{number:012x}"), true)).await.unwrap();
        self.names.insert(name.to_owned(), created.created.unwrap().to_string());
    }

    /// Calls that changed something so far.
    pub fn mutations(&self) -> usize {
        self.front.world().calls.mutations().values().sum()
    }
}

/// What happens to an answer on its way: with the front and the action.
type Hook = Arc<dyn Fn(&Ec2Front, &str, String) -> String + Send + Sync>;

/// A way to a front without a socket.
#[derive(Clone)]
struct Wire {
    front: Ec2Front,
    hook: Hook,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let authorization = request.headers().get("authorization").unwrap_or_default().to_owned();
        let action = String::from_utf8_lossy(&body)
            .split('&')
            .find_map(|part| part.strip_prefix("Action=").map(str::to_owned));
        let answer = self.front.handle(&authorization, &body);
        let text = (self.hook)(&self.front, &action.unwrap_or_default(), answer.body);
        let response = HttpResponse::new(answer.status.try_into().unwrap(), SdkBody::from(text));
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

pub fn step(scope: &Scope, action: StepAction) -> Step {
    Step {
        id: StepId(0),
        scope: scope.id.clone(),
        action,
        title: String::new(),
        reasons: Vec::new(),
        after: Vec::new(),
        settled_after: Vec::new(),
    }
}

pub fn scope(networks: &[String]) -> Scope {
    Scope {
        id: "shop".into(),
        cloud: plan::Cloud::Aws,
        account: String::new(),
        region: "eu-west-1".to_owned(),
        networks: networks.iter().map(|id| id.as_str().into()).collect(),
        enforce: true,
        egress: true,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 1000,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

pub fn between(text: &str, tag: &str) -> String {
    text.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// The element that holds the id of what an action made.
fn id_of(action: &str) -> &'static str {
    match action {
        "CreateVpc" => "vpcId",
        "CreateSubnet" => "subnetId",
        "CreateSecurityGroup" => "groupId",
        "CreateNetworkInterface" => "networkInterfaceId",
        "CreateNetworkAcl" => "networkAclId",
        "RunInstances" => "instanceId",
        "CreateVpcPeeringConnection" => "vpcPeeringConnectionId",
        other => panic!("{other} has no id"),
    }
}
