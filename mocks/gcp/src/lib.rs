//! A simulated Google Cloud organisation: networks, classic rules, firewall policies, instances and secure tags behind
//! Compute Engine v1 and Resource Manager v3; and Cloud Logging's `entries:list`.
//!
//! It enforces what the real cloud enforces (`providers.md` 1.3). API state and data plane are apart: a change is true
//! at once, its operation is done later, and it reaches each interface after a delay of its own.
//!
//! ```text
//!   request → front (limits of calls, faults) → discovery (which method) → schema (complaints)
//!          → compute | manager (what it does) → state → sync → plane → packet (what passes)
//! ```
//!
//! Requests come in through [`GcpFront::handle`] (in-process) or [`serve`] (HTTP); a client may be pointed at one
//! address for everything: a first part of the path such as `/europe-west1-b-cloudresourcemanager.googleapis.com`
//! stands for the host. Seeding and tampering go through [`World::perform`], which is never throttled and meets no
//! fault. [`World::faults`] plants what goes wrong by the ids of Google's methods (`compute.firewalls.insert`),
//! [`World::fail_operation`] lets operations fail at their end, [`World::calls`] tells what was asked,
//! [`World::complaints`] what a client should not have sent, [`World::allows`] what packets do now.
//!
//! [`flow_logs`] writes what interfaces and rules record of traffic that is sent through the data plane.
//!
//! Left out: routes, address groups as resources ([`World::address_lists`] holds their blocks), packet mirroring, IAM
//! but for faults, filters beyond simple comparisons.
//!
//! ```
//! use mock_gcp::{End, GcpFront, Headers, Packet, Settings, World};
//! use serde_json::json;
//!
//! let mut world = World::new(Settings::default());
//! let zone = "projects/demo-project/zones/europe-west1-b";
//! let machine = json!({ "name": "web", "tags": { "items": ["web"] },
//!     "networkInterfaces": [{ "network": "global/networks/default" }] });
//! let made = world.perform("POST", &format!("{zone}/instances"), &machine)?;
//! assert_eq!(made["networkInterfaces"][0]["networkIP"], "10.132.0.2");
//!
//! let front = GcpFront::new(world);
//! let rule = json!({ "name": "https", "network": "global/networks/default", "sourceRanges": ["0.0.0.0/0"],
//!     "targetTags": ["web"], "allowed": [{ "IPProtocol": "tcp", "ports": ["443"] }] });
//! let path = "/compute/v1/projects/demo-project/global/firewalls";
//! let answer = front.handle("POST", path, Headers::default(), rule.to_string().as_bytes());
//! assert!(answer.status == 200 && answer.body.contains(r#""status":"PENDING""#), "{}", answer.body);
//!
//! let packet = Packet {
//!     source: End::External("192.0.2.1".parse()?),
//!     destination: End::Interface(format!("{zone}/instances/web/nic0"), "10.132.0.2".parse()?),
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

pub mod discovery;
pub mod error;
pub mod flow_logs;
pub mod front;
pub mod limits;
pub mod link;
pub mod logging;
pub mod operations;
pub mod plane;
pub mod rule;
pub mod schema;
pub mod server;
pub mod state;
pub mod world;

mod compute;
mod manager;
mod packet;
mod request;
mod sync;
mod text;
mod throttle;

pub use error::GcpError;
pub use front::{Answer, GcpFront, Headers};
pub use limits::Limits;
pub use mock_cloud::{End, Packet};
pub use plane::{Held, Key};
pub use schema::{Complaint, Problem};
pub use server::serve;
pub use state::State;
pub use world::{Settings, World};
