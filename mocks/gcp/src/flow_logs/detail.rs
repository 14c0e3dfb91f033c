//! What entries of both logs have in common: who and where an interface is, which connection, the envelope.

use std::net::IpAddr;

use mock_cloud::time::text;
use mock_cloud::traffic::{Conversation, Side};
use mock_cloud::{Edge, End};
use serde_json::{Value, json};

use crate::link::{name_of, project_of, region_of};
use crate::state::Nic;
use crate::world::World;

use super::Log;

/// An interface with the machine that it is of.
#[derive(Clone, Copy)]
pub(super) struct Machine<'a> {
    /// The path of the instance.
    pub instance: &'a str,
    /// The interface.
    pub nic: &'a Nic,
}

impl<'a> Machine<'a> {
    /// By the name of the interface on the data plane.
    pub fn find(world: &'a World, interface: &'a str) -> Option<Self> {
        let (instance, _, nic) = world.state.nic(interface)?;
        Some(Self { instance, nic })
    }

    /// The other end of a conversation, if this cloud knows it: it is in the same network or in a peer of it.
    pub fn other(world: &'a World, own: &Self, of: &'a Conversation, side: Side) -> Option<Self> {
        let (other, translated) = match side {
            Side::Source => (&of.destination, of.dialled.is_some()),
            Side::Destination => (&of.source, of.seen_as.is_some()),
        };
        let End::Interface(id, _) = other else { return None };
        let found = Self::find(world, id).filter(|_| !translated && world.holds(id))?;
        let near = found.nic.network == own.nic.network
            || world.state.peers(&own.nic.network).contains(&found.nic.network);
        near.then_some(found)
    }

    /// `InstanceDetails`.
    pub fn instance_details(&self) -> Value {
        json!({
            "project_id": project_of(self.instance),
            "region": region_of(self.instance),
            "zone": zone(self.instance),
            "vm_name": name_of(self.instance),
        })
    }

    /// `VpcDetails`.
    pub fn vpc_details(&self) -> Value {
        json!({
            "project_id": project_of(&self.nic.network),
            "vpc_name": name_of(&self.nic.network),
            "subnetwork_name": name_of(&self.nic.subnetwork),
        })
    }

    /// The monitored resource: the subnetwork, in the project that it is of.
    pub fn resource(&self, world: &World) -> Value {
        let subnetwork = &self.nic.subnetwork;
        let id = world.state.resources.get(subnetwork).map(|held| held.id.to_string());
        json!({ "type": "gce_subnetwork", "labels": {
            "project_id": project_of(subnetwork),
            "location": zone(self.instance),
            "subnetwork_id": id,
            "subnetwork_name": name_of(subnetwork),
        } })
    }
}

fn zone(instance: &str) -> &str {
    instance.split('/').nth(3).unwrap_or_default()
}

/// `IpConnection`; protocols without ports have none.
pub(super) fn connection(addresses: (IpAddr, IpAddr), ports: Option<(u16, u16)>, protocol: u8) -> Value {
    let mut shown = json!({
        "src_ip": addresses.0.to_string(), "dest_ip": addresses.1.to_string(), "protocol": protocol });
    if let (Some((from, to)), Some(fields)) = (ports, shown.as_object_mut()) {
        fields.insert("src_port".to_owned(), json!(from));
        fields.insert("dest_port".to_owned(), json!(to));
    }
    shown
}

/// Completes an entry: name of the log, times, its own id.
pub(super) fn stamp(document: &mut Value, log: Log, timestamp_ms: u64, received_ms: u64, draw: u64) {
    let labels = document.get("resource").and_then(|resource| resource.get("labels"));
    let project =
        labels.and_then(|labels| labels.get("project_id")).and_then(Value::as_str).unwrap_or_default();
    let name = format!("projects/{project}/logs/{}", log.id().replace('/', "%2F"));
    let Some(fields) = document.as_object_mut() else { return };
    for (field, value) in [
        ("insertId", json!(insert_id(draw))),
        ("logName", json!(name)),
        ("timestamp", json!(text(timestamp_ms))),
        ("receiveTimestamp", json!(text(received_ms))),
    ] {
        fields.insert(field.to_owned(), value);
    }
}

fn insert_id(draw: u64) -> String {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut left = draw;
    let letter = || {
        let index = usize::try_from(left % 36).unwrap_or(0);
        left /= 36;
        char::from(LETTERS.get(index).copied().unwrap_or(b'0'))
    };
    std::iter::repeat_with(letter).take(13).collect()
}
