//! A simulated EC2: security groups, interfaces, VPCs and peerings behind the Query protocol.
//!
//! It enforces what the real cloud enforces (`providers.md` 1.1 and 3.1, column "real AWS"). API state and data
//! plane are apart: a change is true at once, and reaches each interface after its own delay.
//!
//! Requests come in through [`Ec2Front::handle`] (in-process) or [`serve`] (HTTP). Seeding and tampering go through
//! [`World::perform`], which is never throttled and meets no fault. [`World::faults`] plants what goes wrong,
//! [`World::calls`] tells what was asked, [`World::allows`] says what packets do now.
//!
//! [`flow_logs`] writes what interfaces record of traffic that is sent through the data plane.
//!
//! ```
//! use mock_aws::{Ec2Front, End, Packet, Settings, World};
//! use mock_cloud::Fault;
//!
//! let mut world = World::new(Settings::default());
//! let id = |answer: &str, field: &str| {
//!     answer.split(&format!("<{field}>")).nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned()
//! };
//! let vpc = id(&world.perform("CreateVpc", &[("CidrBlock", "10.0.0.0/16")])?, "vpcId");
//! let of = [("VpcId", vpc.as_str()), ("CidrBlock", "10.0.1.0/24")];
//! let subnet = id(&world.perform("CreateSubnet", &of)?, "subnetId");
//! let made = world.perform("CreateNetworkInterface", &[("SubnetId", &subnet)])?;
//! let interface = id(&made, "networkInterfaceId");
//! let group = id(&made, "groupId");
//! world.faults.plant("AuthorizeSecurityGroupIngress", 1, Fault::LostAnswer);
//!
//! let front = Ec2Front::new(world);
//! let body = format!(
//!     "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=tcp&FromPort=443&ToPort=443&CidrIp=0.0.0.0/0"
//! );
//! let answer = front.handle("AWS4 Credential=k/20260101/eu-west-1/ec2", body.as_bytes());
//! assert!(answer.is_lost(), "applied, and the answer is lost");
//!
//! let packet = Packet {
//!     source: End::External("192.0.2.1".parse()?),
//!     destination: End::Interface(interface, "10.0.1.4".parse()?),
//!     protocol: 6,
//!     detail: 443,
//! };
//! assert!(front.world().allows_by_api(&packet) && !front.world().allows(&packet));
//! loop {
//!     let mut world = front.world();
//!     let Some(next) = world.next_change_ms() else { break };
//!     let step = next - world.now_ms();
//!     world.advance_ms(step);
//! }
//! assert!(front.world().allows(&packet), "every interface has heard of the rule");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod flow_logs;
pub mod params;
pub mod server;
pub mod state;
pub mod world;

mod actions;
mod packet;
mod xml;

pub use actions::Limits;
pub use mock_cloud::{End, Packet};
pub use server::serve;
pub use state::{Ec2Error, State};
pub use world::{Answer, Delivery, Ec2Front, Fact, Settings, World};
