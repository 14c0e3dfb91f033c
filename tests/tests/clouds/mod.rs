//! Three simulated clouds behind HTTP with the real drivers on them, in one time: what tests across clouds stand on.
//!
//! Time moves when somebody waits, and in a cloud that is asked to wait itself (Google's for its operations); whoever
//! looks at the clock brings the others there.
//! Estates are seeded through the back doors of the simulators, in the words of [`Site`] and [`Machine`].

pub mod aws;
pub mod azure;
pub mod gcp;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use mock_aws::Ec2Front;
use mock_azure::AzureFront;
use mock_cloud::{End, Packet};
use mock_gcp::GcpFront;
use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};
use policy::{Flow, InterfaceId, NetworkId, WorkloadId};
use provider::{Clock, CloudReader, CloudWriter, DomainReader, DomainWriter};
use provider_aws::{AwsReader, AwsSettings, AwsWriter, Ec2};
use provider_azure::{Arm, ArmSettings, AzureReader, AzureSettings, AzureWriter, Writer};
use provider_gcp::rest::credential::Token;
use provider_gcp::{Api, ApiSettings, GcpReader, GcpSettings, GcpWriter};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The clouds in the order of everything that is listed by cloud.
pub const CLOUDS: [Cloud; 3] = [Cloud::Aws, Cloud::Azure, Cloud::Gcp];

pub type Tags = BTreeMap<String, String>;

/// A network to be made, with everything in it that is not ours.
#[derive(Clone, Debug)]
pub struct Site {
    pub cloud: Cloud,
    pub name: &'static str,
    pub v4: IpNet,
    /// Google Cloud chooses its own block.
    pub v6: Option<IpNet>,
    /// The number of the network, made before, that it is peered with.
    pub peer: Option<usize>,
    /// Rules of others, in the order in which they are judged, before everything of ours.
    pub foreign: Vec<Foreign>,
    /// On Google Cloud: whether classic rules are judged before policies.
    pub classic_first: bool,
}

/// A rule of somebody else. AWS has none that denies.
#[derive(Clone, Debug)]
pub struct Foreign {
    pub egress: bool,
    pub allow: bool,
    pub protocol: u8,
    pub ports: (u16, u16),
    pub block: IpNet,
}

impl Foreign {
    /// Whether it is about a packet of this protocol and port from or to an address.
    pub fn matches(&self, egress: bool, protocol: u8, port: u16, far: IpAddr) -> bool {
        self.egress == egress
            && self.protocol == protocol
            && (self.ports.0..=self.ports.1).contains(&port)
            && self.block.contains(&far)
    }
}

/// A machine to be made, with one interface.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The number of its network.
    pub site: usize,
    pub name: String,
    pub tags: Tags,
    /// Further addresses, where the cloud has them.
    pub more_v4: usize,
    pub v6: usize,
    /// Whether what is not ours lets everything pass while nobody closes it. Azure's always does.
    pub open: bool,
    /// Whether only a service of the cloud may write it.
    pub is_managed: bool,
}

/// What a machine became.
#[derive(Clone, Debug)]
pub struct Made {
    pub workload: WorkloadId,
    pub interface: InterfaceId,
}

/// How the simulators behave.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    pub seed: u64,
    pub delay_ms: (u64, u64),
    pub operation_ms: u64,
}

/// Three simulators with their addresses.
pub struct Clouds {
    pub aws: Ec2Front,
    pub azure: AzureFront,
    pub gcp: GcpFront,
    endpoints: [String; 3],
    servers: Vec<JoinHandle<std::io::Result<()>>>,
}

/// A reader and a writer of a domain.
pub struct Drivers {
    pub reader: DomainReader,
    pub writer: DomainWriter,
}

/// The time of all three: waiting moves it.
#[derive(Clone)]
pub struct Time {
    aws: Ec2Front,
    azure: AzureFront,
    gcp: GcpFront,
}

impl Time {
    pub fn advance_ms(&self, ms: u64) {
        self.reach(self.latest_ms() + ms);
    }

    fn latest_ms(&self) -> u64 {
        let others = self.azure.world().now_ms().max(self.gcp.world().now_ms());
        self.aws.world().now_ms().max(others)
    }

    /// Brings every cloud to a time.
    fn reach(&self, ms: u64) {
        let (mut aws, mut azure, mut gcp) = (self.aws.world(), self.azure.world(), self.gcp.world());
        let left = |now: u64| ms.saturating_sub(now);
        let (for_aws, for_azure, for_gcp) = (left(aws.now_ms()), left(azure.now_ms()), left(gcp.now_ms()));
        aws.advance_ms(for_aws);
        azure.advance_ms(for_azure);
        gcp.advance_ms(for_gcp);
    }
}

#[async_trait]
impl Clock for Time {
    fn now_ms(&self) -> u64 {
        let now = self.latest_ms();
        self.reach(now);
        now
    }

    async fn sleep(&self, duration: Duration) {
        self.advance_ms(duration.as_millis() as u64);
        tokio::task::yield_now().await;
    }
}

impl Drop for Clouds {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Clouds {
    /// Empty clouds, without throttles.
    pub async fn start(behaviour: Behaviour) -> Self {
        let aws = Ec2Front::new(aws::world(behaviour));
        let azure = AzureFront::new(azure::world(behaviour));
        let gcp = GcpFront::new(gcp::world(behaviour));
        let (mut endpoints, mut listeners) = (Vec::new(), Vec::new());
        for _ in CLOUDS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            endpoints.push(format!("http://{}", listener.local_addr().unwrap()));
            listeners.push(listener);
        }
        let [for_aws, for_azure, for_gcp] = listeners.try_into().unwrap();
        let servers = vec![
            tokio::spawn(mock_aws::serve(aws.clone(), for_aws)),
            tokio::spawn(mock_azure::serve(azure.clone(), for_azure)),
            tokio::spawn(mock_gcp::serve(gcp.clone(), for_gcp)),
        ];
        Self { aws, azure, gcp, endpoints: endpoints.try_into().unwrap(), servers }
    }

    pub fn time(&self) -> Time {
        Time { aws: self.aws.clone(), azure: self.azure.clone(), gcp: self.gcp.clone() }
    }

    /// The drivers of a domain, connected as the binary connects them to simulators.
    pub fn drivers(&self, installation: &str, scopes: &[Scope]) -> Drivers {
        let clock: Arc<dyn Clock> = Arc::new(self.time());
        let [aws, azure, gcp] = &self.endpoints;
        let azure_settings =
            ArmSettings { share: 1.0, ..ArmSettings::new(provider_azure::Endpoint::parse(azure).unwrap()) };
        let token = provider_azure::arm::CredentialSettings::Token { token: "simulated".to_owned() };
        let arm = Arm::connect_by(azure_settings, token, clock.clone()).unwrap();
        let azure_writer = Writer::new(arm.clone());
        let gcp_settings =
            ApiSettings { share: 1.0, ..ApiSettings::new(provider_gcp::Endpoint::parse(gcp).unwrap()) };
        let api = Api::at_endpoint(gcp_settings, Arc::new(Token::new("simulated")), clock.clone()).unwrap();
        let gcp_settings = GcpSettings::new(installation);
        let gcp_writer = GcpWriter::new(api.clone(), gcp_settings.clone());
        let mut drivers = Drivers { reader: DomainReader::default(), writer: DomainWriter::default() };
        for scope in scopes {
            let (reader, writer): (Arc<dyn CloudReader>, Arc<dyn CloudWriter>) = match scope.cloud {
                Cloud::Aws => {
                    let settings = AwsSettings { share: 1.0, ..AwsSettings::new(installation) };
                    let ec2 = Ec2::at_endpoint(aws, &settings, scope, clock.clone());
                    let reader = AwsReader::new(ec2.clone(), settings.clone());
                    (Arc::new(reader), Arc::new(AwsWriter::new(ec2, settings)))
                }
                Cloud::Azure => {
                    let settings = AzureSettings::new(installation);
                    let reader = AzureReader::new(arm.clone(), settings.clone());
                    (Arc::new(reader), Arc::new(AzureWriter::new(azure_writer.clone(), settings)))
                }
                Cloud::Gcp => {
                    let reader = GcpReader::new(api.clone(), gcp_settings.clone());
                    (Arc::new(reader), Arc::new(gcp_writer.clone()))
                }
            };
            drivers.reader.add(scope, reader);
            drivers.writer.add(scope, writer);
        }
        drivers
    }

    /// Makes networks, each after the one that it is peered with; their ids.
    pub fn seed_sites(&self, sites: &[Site]) -> Vec<NetworkId> {
        let mut ids: Vec<NetworkId> = Vec::new();
        for site in sites {
            let peer = site.peer.map(|peer| (&sites[peer], &ids[peer]));
            let id = match site.cloud {
                Cloud::Aws => aws::site(&mut self.aws.world(), site, peer),
                Cloud::Azure => azure::site(&mut self.azure.world(), site, peer),
                Cloud::Gcp => gcp::site(&mut self.gcp.world(), site, peer),
            };
            ids.push(id);
        }
        ids
    }

    /// Makes a machine.
    pub fn seed_machine(&self, sites: &[Site], machine: &Machine) -> Made {
        let site = &sites[machine.site];
        match site.cloud {
            Cloud::Aws => aws::machine(&mut self.aws.world(), site, machine),
            Cloud::Azure => azure::machine(&mut self.azure.world(), site, machine),
            Cloud::Gcp => gcp::machine(&mut self.gcp.world(), site, machine),
        }
    }

    /// Gives a machine other tags.
    pub fn retag(&self, made: &Made, tags: &Tags) {
        match cloud_of(&made.interface) {
            Cloud::Aws => aws::retag(&mut self.aws.world(), made, tags),
            Cloud::Azure => azure::retag(&mut self.azure.world(), made, tags),
            Cloud::Gcp => gcp::retag(&mut self.gcp.world(), made, tags),
        }
    }

    /// Whether the data planes of both ends let a packet pass now. Each cloud knows its own interfaces; what is in
    /// another cloud is outside to it.
    pub fn passes(&self, packet: &Packet) -> bool {
        self.asked(packet).into_iter().all(|(cloud, packet)| match cloud {
            Cloud::Aws => self.aws.world().allows(&packet),
            Cloud::Azure => self.azure.world().allows(&packet),
            Cloud::Gcp => self.gcp.world().allows(&packet),
        })
    }

    /// Each cloud that has an end, with the packet as it is there.
    pub fn asked(&self, packet: &Packet) -> Vec<(Cloud, Packet)> {
        let of = |end: &End| match end {
            End::Interface(id, _) => cloud_of_name(id),
            End::External(_) => None,
        };
        let clouds = [of(&packet.source), of(&packet.destination)];
        let here = |cloud| {
            let end = |end: &End, is: Option<Cloud>| match end {
                End::Interface(..) if is == Some(cloud) => end.clone(),
                _ => End::External(end.address()),
            };
            let (source, destination) = (end(&packet.source, clouds[0]), end(&packet.destination, clouds[1]));
            Packet { source, destination, ..packet.clone() }
        };
        let judging = CLOUDS.into_iter().filter(|cloud| clouds.contains(&Some(*cloud)));
        judging.map(|cloud| (cloud, here(cloud))).collect()
    }
}

/// A flow as the simulators know it: interfaces of networks by their names there, everybody else from outside.
pub fn packet(flow: &Flow) -> Packet {
    let end = |end: &policy::End| match &end.interface {
        Some(id) if cloud_of_name(id.as_str()).is_some() => End::Interface(name_of(id), end.address),
        _ => End::External(end.address),
    };
    Packet {
        source: end(&flow.source),
        destination: end(&flow.destination),
        protocol: flow.service.protocol,
        detail: flow.service.detail,
    }
}

/// The name of an interface in its simulator.
pub fn name_of(interface: &InterfaceId) -> String {
    // Google Cloud's simulator has interfaces as parts of instances; the driver's ids mark them.
    interface.as_str().replace('#', "/")
}

/// The cloud of an interface that is in one.
pub fn cloud_of(interface: &InterfaceId) -> Cloud {
    cloud_of_name(interface.as_str()).unwrap()
}

pub fn cloud_of_name(interface: &str) -> Option<Cloud> {
    match interface {
        id if id.starts_with("eni-") => Some(Cloud::Aws),
        id if id.starts_with("/subscriptions/") => Some(Cloud::Azure),
        id if id.starts_with("projects/") => Some(Cloud::Gcp),
        _ => None,
    }
}

/// A scope that is enforced, with everything else as it is unless somebody says so.
pub fn scope(cloud: Cloud, id: &str, networks: &[NetworkId]) -> Scope {
    let (account, region) = match cloud {
        Cloud::Aws => ("", "eu-west-1"),
        Cloud::Azure => (azure::SUBSCRIPTION, "westeurope"),
        Cloud::Gcp => (gcp::PROJECT, ""),
    };
    Scope {
        id: id.into(),
        cloud,
        account: account.to_owned(),
        region: region.to_owned(),
        networks: networks.to_vec(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 1600,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}
