//! The simulated clouds of the demo: one time for all of them, servers on the loopback, packets between them.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use mock_aws::{Ec2Front, End, Packet};
use mock_azure::AzureFront;
use mock_gcp::GcpFront;
use plan::{InterfaceState, Observed};
use policy::file::SourceFile;
use provider::Clock;
use serde_json::Value;
use tokio::net::TcpListener;

use super::estate::Estate;
use super::seed;
use crate::session::Failure;

const AWS: &str = include_str!("../../../../config/demo/estate/aws.yaml");
const AZURE: &str = include_str!("../../../../config/demo/estate/azure.yaml");
const GCP: &str = include_str!("../../../../config/demo/estate/gcp.yaml");
/// The shortest and longest time in which a change reaches an interface.
const DELAY_MS: (u64, u64) = (20, 1_500);

/// Three clouds with their estates. Clones are the same clouds.
#[derive(Clone)]
pub struct Sky {
    /// EC2.
    pub aws: Ec2Front,
    /// Azure Resource Manager.
    pub azure: AzureFront,
    /// Compute Engine and Resource Manager.
    pub gcp: GcpFront,
}

/// Where the clouds are served.
pub struct Addresses {
    /// EC2.
    pub aws: String,
    /// Azure Resource Manager.
    pub azure: String,
    /// Compute Engine and Resource Manager.
    pub gcp: String,
}

/// A wait moves the time of all clouds.
#[async_trait]
impl Clock for Sky {
    fn now_ms(&self) -> u64 {
        self.aws.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.advance_ms(duration.as_millis() as u64);
        tokio::task::yield_now().await;
    }
}

impl Sky {
    /// Builds the estates.
    ///
    /// # Errors
    /// What an estate asks for and a cloud refuses.
    pub fn new() -> Result<Self, Failure> {
        let mut aws = mock_aws::World::new(mock_aws::Settings { delay_ms: DELAY_MS, ..Default::default() });
        seed::aws::seed(&mut aws, &estate("aws", AWS)?).map_err(unseeded)?;
        let settings = mock_azure::Settings { delay_ms: DELAY_MS, call_ms: 0, ..Default::default() };
        let mut azure = mock_azure::World::new(settings);
        seed::azure::seed(&mut azure, &estate("azure", AZURE)?).map_err(unseeded)?;
        let settings = mock_gcp::Settings {
            delay_ms: DELAY_MS,
            call_ms: 0,
            default_network: false,
            ..Default::default()
        };
        let mut gcp = mock_gcp::World::new(settings);
        seed::gcp::seed(&mut gcp, &estate("gcp", GCP)?).map_err(unseeded)?;
        let now = aws.now_ms().max(azure.now_ms()).max(gcp.now_ms());
        let (a, b, c) = (now - aws.now_ms(), now - azure.now_ms(), now - gcp.now_ms());
        aws.advance_ms(a);
        azure.advance_ms(b);
        gcp.advance_ms(c);
        Ok(Self { aws: Ec2Front::new(aws), azure: AzureFront::new(azure), gcp: GcpFront::new(gcp) })
    }

    /// Serves the clouds until the program ends.
    ///
    /// # Errors
    /// The loopback cannot be used.
    pub async fn serve(&self) -> Result<Addresses, Failure> {
        let ((aws, at_aws), (azure, at_azure), (gcp, at_gcp)) =
            (listen().await?, listen().await?, listen().await?);
        tokio::spawn(mock_aws::serve(self.aws.clone(), aws));
        tokio::spawn(mock_azure::serve(self.azure.clone(), azure));
        tokio::spawn(mock_gcp::serve(self.gcp.clone(), gcp));
        Ok(Addresses { aws: at_aws, azure: at_azure, gcp: at_gcp })
    }

    /// Moves the time of all clouds.
    pub fn advance_ms(&self, ms: u64) {
        self.aws.world().advance_ms(ms);
        self.azure.world().advance_ms(ms);
        self.gcp.world().advance_ms(ms);
    }

    /// Mutating calls that were accepted so far, by cloud: AWS, Azure, Google Cloud.
    pub fn mutations(&self) -> [usize; 3] {
        let all = |calls: &mock_cloud::CallLog| calls.mutations().values().sum();
        [all(&self.aws.world().calls), all(&self.azure.world().calls), all(&self.gcp.world().calls)]
    }

    /// Whether both ends let a packet pass now: what leaves the one, and what comes to the other.
    pub fn allows(&self, from: &InterfaceState, to: &InterfaceState, protocol: u8, port: u16) -> bool {
        let clouds = (Place::of(from), Place::of(to));
        let v4 = |interface: &InterfaceState| interface.addresses.iter().copied().find(IpAddr::is_ipv4);
        let (Some(source), Some(destination)) = (v4(from), v4(to)) else { return false };
        let inside = |interface: &InterfaceState, address| End::Interface(on_plane(interface), address);
        let packet = |source, destination| Packet { source, destination, protocol, detail: port };
        let (a, b) = (inside(from, source), inside(to, destination));
        if clouds.0 == clouds.1 {
            return self.passes(clouds.0, &packet(a, b));
        }
        self.passes(clouds.0, &packet(a, End::External(destination)))
            && self.passes(clouds.1, &packet(End::External(source), b))
    }

    fn passes(&self, place: Place, packet: &Packet) -> bool {
        match place {
            Place::Aws => self.aws.world().allows(packet),
            Place::Azure => self.azure.world().allows(packet),
            Place::Gcp => self.gcp.world().allows(packet),
        }
    }

    /// Performs a request on Azure, as somebody with rights and a browser would.
    ///
    /// # Errors
    /// As the cloud.
    pub fn on_azure(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        self.azure.world().perform(method, path, body).map_err(|error| Failure::new(error, ""))
    }

    /// As [`Sky::on_azure`], on Google Cloud.
    ///
    /// # Errors
    /// As the cloud.
    pub fn on_gcp(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        self.gcp.world().perform(method, path, body).map_err(|error| Failure::new(error, ""))
    }

    /// As [`Sky::on_azure`], on AWS.
    ///
    /// # Errors
    /// As the cloud.
    pub fn on_aws(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, Failure> {
        self.aws.world().perform(action, parameters).map_err(|error| Failure::new(error, ""))
    }
}

/// An interface by its name for people.
pub fn interface<'a>(observed: &'a [Observed], name: &str) -> Option<&'a InterfaceState> {
    observed.iter().flat_map(|observed| &observed.interfaces).find(|interface| interface.name == name)
}

/// What the simulator calls an interface: `projects/P/zones/Z/instances/I#nic0` is `…/instances/I/nic0`.
pub fn on_plane(interface: &InterfaceState) -> String {
    interface.id.as_str().replace('#', "/")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Aws,
    Azure,
    Gcp,
}

impl Place {
    /// By the shape of the id, which is the cloud's.
    fn of(interface: &InterfaceState) -> Self {
        let id = interface.id.as_str();
        match () {
            () if id.starts_with("/subscriptions/") => Self::Azure,
            () if id.starts_with("projects/") => Self::Gcp,
            () => Self::Aws,
        }
    }
}

fn estate(name: &str, text: &str) -> Result<Estate, Failure> {
    let file = SourceFile { name: format!("config/demo/estate/{name}.yaml"), text: text.to_owned() };
    Ok(Estate::parse(&file)?)
}

fn unseeded(error: impl ToString) -> Failure {
    Failure::new(error, "check config/demo/estate")
}

async fn listen() -> Result<(TcpListener, String), Failure> {
    let failed = |error: std::io::Error| Failure::new(error, "the demo needs the loopback");
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, format!("http://{address}")))
}
