//! A simulated Azure subscription: networks, security groups, interfaces and what belongs to them behind ARM's
//! REST interface.
//!
//! It enforces what the real cloud enforces (`providers.md` 1.2). API state and data plane are apart: a change is
//! true at once, its operation ends later, and it reaches each interface after a delay of its own.
//!
//! Requests come in through [`AzureFront::handle`] (in-process) or [`serve`] (HTTP). Seeding and tampering go
//! through [`World::perform`], which is never throttled and meets no fault. [`World::faults`] plants what goes
//! wrong, [`World::fail_operation`] lets operations fail at their end, [`World::calls`] tells what was asked,
//! [`World::complaints`] which fields a client should not have written, [`World::allows`] what packets do now.
//!
//! [`flow_logs`] writes what interfaces record of traffic that is sent through the data plane.
//!
//! ```
//! use mock_azure::{AzureFront, End, Headers, Packet, Settings, World};
//! use serde_json::json;
//!
//! let mut world = World::new(Settings::default());
//! let at = "/resourceGroups/rg";
//! let of = format!("{at}/providers/Microsoft.Network");
//! world.perform("PUT", at, &json!({ "location": "westeurope" }))?;
//! world.perform("PUT", &format!("{of}/networkSecurityGroups/n"), &json!({ "location": "westeurope" }))?;
//! let group = format!("{}{of}/networkSecurityGroups/n", "/subscriptions/11111111-2222-4333-8444-555555555555");
//! let network = json!({ "location": "westeurope", "properties": {
//!     "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
//!     "subnets": [{ "name": "s", "properties": {
//!         "addressPrefix": "10.0.1.0/24", "networkSecurityGroup": { "id": group } } }] } });
//! let made = world.perform("PUT", &format!("{of}/virtualNetworks/v"), &network)?;
//! let subnet = made["properties"]["subnets"][0]["id"].clone();
//! let interface = json!({ "location": "westeurope", "properties": { "ipConfigurations": [
//!     { "name": "c", "properties": { "subnet": { "id": subnet } } }] } });
//! let made = world.perform("PUT", &format!("{of}/networkInterfaces/i"), &interface)?;
//! let interface = made["id"].as_str().unwrap().to_lowercase();
//!
//! let front = AzureFront::new(world);
//! let rule = json!({ "properties": { "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 100,
//!     "sourceAddressPrefix": "Internet", "sourcePortRange": "*",
//!     "destinationAddressPrefix": "*", "destinationPortRange": "443" } });
//! let path = format!("{group}/securityRules/web?api-version=2024-03-01");
//! let headers = Headers { authorization: "Bearer x", ..Headers::default() };
//! let answer = front.handle("PUT", &path, headers, rule.to_string().as_bytes());
//! assert_eq!(answer.status, 201, "{}", answer.body);
//! assert!(answer.header("azure-asyncoperation").is_some());
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

pub mod error;
pub mod flow_logs;
pub mod front;
pub mod path;
pub mod plane;
pub mod resources;
pub mod schema;
pub mod server;
pub mod state;
pub mod world;

mod login;
mod operations;
mod packet;
mod reads;
mod render;
mod requests;
mod throttle;
mod writes;

pub use error::ArmError;
pub use front::{Answer, AzureFront, Headers};
pub use mock_cloud::{End, Packet};
pub use plane::{Fact, Key};
pub use resources::Limits;
pub use schema::{Complaint, Problem};
pub use server::serve;
pub use state::State;
pub use world::{Settings, World};
