//! A simulated EC2: security groups, interfaces, VPCs and peerings behind the Query protocol.
//!
//! It enforces what the real cloud enforces (`providers.md` 1.1 and 3.1, column "real AWS"). API state and data
//! plane are apart: a change is true at once, and reaches each interface after its own delay.
//!
//! ```
//! use mock_aws::{Ec2Front, Settings, World};
//!
//! let mut world = World::new(Settings::default());
//! world.perform("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).expect("a VPC can be made");
//! let front = Ec2Front::new(world);
//! let answer = front.handle("AWS4 Credential=k/20260101/eu-west-1/ec2", b"Action=DescribeVpcs&MaxResults=100");
//! assert!(answer.body.contains("10.0.0.0/16"));
//! ```

pub mod packet;
pub mod params;
pub mod server;
pub mod state;
pub mod world;

mod actions;
mod xml;

pub use actions::Limits;
pub use packet::{End, Packet};
pub use server::serve;
pub use state::{Ec2Error, State};
pub use world::{Answer, Ec2Front, Fact, Settings, World};
