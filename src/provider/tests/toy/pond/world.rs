//! A pond as the conformance suite asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use plan::{Attachment, Cloud as CloudName, Direction, Drift, Gates, Scope, Transients};
use policy::{Flow, InterfaceId};
use provider::conformance::{Factory, Fault, Meddling, Quota, Seed, Unsupported, World};
use provider::{CloudReader, CloudWriter};

use super::cloud::{Cloud, Far, Grant, Id, PAGE_ITEMS, Port, Team, Write, Zone};
use super::convert::to_grant;
use super::plane::DELAY_MS;
use super::{Flaw, Reader, Wire, Writer};

/// Makes ponds, for a driver with a flaw or without.
pub struct Pond(pub Flaw);

impl Pond {
    pub fn honest() -> Self {
        Self(Flaw::None)
    }
}

struct PondWorld {
    wire: Wire,
    egress: bool,
}

#[async_trait]
impl Factory for Pond {
    fn name(&self) -> &'static str {
        "pond"
    }

    fn page_items(&self) -> usize {
        PAGE_ITEMS
    }

    async fn start(&self, seed: &Seed) -> Box<dyn World> {
        let mut cloud = Cloud::new(seed.number);
        fill(&mut cloud, seed);
        cloud.now_ms += DELAY_MS.1 + 1;
        let cloud = Arc::new(Mutex::new(cloud));
        let wire = Wire { cloud, installation: seed.installation.clone(), flaw: self.0 };
        Box::new(PondWorld { wire, egress: seed.egress })
    }
}

fn fill(cloud: &mut Cloud, seed: &Seed) {
    for network in &seed.networks {
        let cidrs = [&network.v4, &network.v6].map(|block| block.parse().unwrap()).into();
        cloud.zones.insert(network.name.clone(), Zone { cidrs });
    }
    let name = |index: usize| seed.networks[index].name.clone();
    for &(a, b) in &seed.peered {
        cloud.peered.extend([(name(a), name(b)), (name(b), name(a))]);
    }
    for (number, workload) in seed.workloads.iter().enumerate() {
        let network = &seed.networks[workload.network];
        let port = Port {
            zone: network.name.clone(),
            name: workload.name.clone(),
            addresses: [&network.v4, &network.v6].map(|block| address(block, number as u16 + 4)).into(),
            tags: workload.tags.iter().cloned().collect(),
            teams: BTreeSet::new(),
            version: 0,
        };
        cloud.ports.insert(format!("port-{number:04}"), port);
    }
    for (number, name) in seed.foreign.iter().enumerate() {
        let id = format!("foreign-{number:04}");
        let maker = name.rsplit_once('-').map_or("", |(maker, _)| maker.trim_start_matches("bulkhead-"));
        let zone = seed.networks[0].name.clone();
        let team = Team { zone, name: name.clone(), maker: maker.to_owned(), ..Team::default() };
        cloud.teams.insert(id.clone(), team);
        let far = Far::Block("192.0.2.0/24".parse().unwrap());
        let grant = Grant { inbound: true, far, protocol: Some(6), first: 22, last: 22 };
        cloud.perform(Write::SetGrants { team: id.clone(), version: 0, grants: [grant].into() }).unwrap();
        if number == 0 {
            let port = "port-0000".to_owned();
            cloud.perform(Write::SetTeams { port, version: 0, teams: [id].into() }).unwrap();
        }
    }
}

/// The n-th address of a block.
fn address(block: &str, number: u16) -> IpAddr {
    match block.split('/').next().unwrap().parse::<IpAddr>().unwrap() {
        IpAddr::V4(first) => IpAddr::V4((u32::from(first) + u32::from(number)).into()),
        IpAddr::V6(first) => IpAddr::V6((u128::from(first) + u128::from(number)).into()),
    }
}

impl PondWorld {
    /// Writes grants of a team as somebody who meets no fault.
    fn set_grants(
        &self,
        team: &Id,
        change: impl Fn(&mut BTreeSet<Grant>) -> bool,
    ) -> Result<(), Unsupported> {
        let mut cloud = self.wire.cloud();
        let held = cloud.teams.get(team).ok_or_else(|| Unsupported(format!("no team {team}")))?;
        let (mut grants, version) = (held.grants.clone(), held.version);
        if !change(&mut grants) {
            return Err(Unsupported(format!("nothing to change in {team}")));
        }
        cloud.perform(Write::SetGrants { team: team.clone(), version, grants }).unwrap();
        Ok(())
    }

    fn take_out(&self, port: &str, team: &str) {
        let mut cloud = self.wire.cloud();
        let held = cloud.ports[port].clone();
        let teams = held.teams.into_iter().filter(|id| id != team).collect();
        cloud.perform(Write::SetTeams { port: port.to_owned(), version: held.version, teams }).unwrap();
    }

    fn delete(&self, team: &Id) {
        let (ports, teams) = {
            let cloud = self.wire.cloud();
            (cloud.ports.clone(), cloud.teams.clone())
        };
        for (id, _) in ports.iter().filter(|(_, port)| port.teams.contains(team)) {
            self.take_out(id, team);
        }
        let others = teams.keys().filter(|id| *id != team);
        for other in others {
            let _ = self.set_grants(other, |grants| {
                let before = grants.len();
                grants.retain(|grant| !matches!(&grant.far, Far::Team(id) if id == team));
                grants.len() < before
            });
        }
        self.wire.cloud().perform(Write::DeleteTeam { team: team.clone() }).unwrap();
    }
}

impl World for PondWorld {
    fn scope(&self) -> Scope {
        Scope {
            id: "pond".into(),
            cloud: CloudName::default(),
            account: String::new(),
            region: "pond".to_owned(),
            networks: Vec::new(),
            enforce: true,
            egress: self.egress,
            attachment: Attachment::Additive,
            drift: Drift::Repair,
            settle_ms: if self.wire.flaw == Flaw::ForgetsToSettle { 0 } else { DELAY_MS.1 + 1 },
            transients: Transients::Keep,
            gates: Gates::default(),
        }
    }

    fn reader(&self) -> Box<dyn CloudReader> {
        Box::new(Reader(self.wire.clone()))
    }

    fn writer(&self) -> Box<dyn CloudWriter> {
        Box::new(Writer(self.wire.clone()))
    }

    fn now_ms(&self) -> u64 {
        self.wire.cloud().now_ms
    }

    fn advance_ms(&self, ms: u64) {
        self.wire.cloud().now_ms += ms;
    }

    fn settle(&self) {
        let mut cloud = self.wire.cloud();
        while !cloud.plane.is_settled(cloud.now_ms) {
            cloud.now_ms += DELAY_MS.0;
        }
    }

    fn writes(&self) -> Vec<String> {
        self.wire.cloud().writes.clone()
    }

    fn reads(&self) -> usize {
        self.wire.cloud().reads
    }

    fn fault(&self, fault: Fault) -> Result<(), Unsupported> {
        let mut cloud = self.wire.cloud();
        let (written, read) = (cloud.writes.len(), cloud.reads);
        // From now on, in the cloud's own count.
        cloud.faults.push(match fault {
            Fault::Throttle(nth) => Fault::Throttle(written + nth),
            Fault::ServerError(nth) => Fault::ServerError(written + nth),
            Fault::LostAnswer(nth) => Fault::LostAnswer(written + nth),
            Fault::Conflict(nth) => Fault::Conflict(written + nth),
            Fault::DeadAfter(nth) => Fault::DeadAfter(written + nth),
            Fault::ReadFails(nth) => Fault::ReadFails(read + nth),
        });
        Ok(())
    }

    fn has_struck(&self) -> bool {
        let cloud = self.wire.cloud();
        let (written, read) = (cloud.writes.len(), cloud.reads);
        cloud.faults.iter().all(|fault| match fault {
            Fault::Throttle(at) | Fault::ServerError(at) | Fault::LostAnswer(at) | Fault::Conflict(at) => {
                *at <= written
            }
            Fault::DeadAfter(at) => *at <= written,
            Fault::ReadFails(at) => *at <= read,
        })
    }

    fn heal(&self) {
        self.wire.cloud().faults.clear();
    }

    fn meddle(&self, meddling: &Meddling) -> Result<(), Unsupported> {
        match meddling {
            Meddling::AddRule { group, rule } => {
                let grant = to_grant(Direction::Ingress, rule, Flaw::None);
                self.set_grants(&group.to_string(), |grants| grants.insert(grant.clone()))
            }
            Meddling::RemoveRule { group, rule } => {
                let grant = to_grant(Direction::Ingress, rule, Flaw::None);
                self.set_grants(&group.to_string(), |grants| grants.remove(&grant))
            }
            Meddling::TakeOut { interface, group } => {
                self.take_out(interface.as_str(), group.as_str());
                Ok(())
            }
            Meddling::Delete { group } => {
                self.delete(&group.to_string());
                Ok(())
            }
        }
    }

    fn relabel(&self, workload: &str, key: &str, value: &str) {
        let mut cloud = self.wire.cloud();
        let port = cloud.ports.values_mut().find(|port| port.name == workload).unwrap();
        port.tags.insert(key.to_owned(), value.to_owned());
    }

    fn inventory(&self) -> BTreeSet<String> {
        let cloud = self.wire.cloud();
        cloud.zones.keys().chain(cloud.ports.keys()).chain(cloud.teams.keys()).cloned().collect()
    }

    fn foreign(&self) -> String {
        let cloud = self.wire.cloud();
        let foreign: BTreeMap<&Id, &Team> =
            cloud.teams.iter().filter(|(_, team)| team.maker != self.wire.installation).collect();
        let members = |id: &Id| {
            let inside = cloud.ports.iter().filter(|(_, port)| port.teams.contains(id));
            inside.map(|(port, _)| port.clone()).collect::<Vec<_>>()
        };
        foreign.iter().map(|(id, team)| format!("{id} {team:?} {:?}\n", members(id))).collect()
    }

    fn quota(&self, quota: Quota, most: u32) -> Result<u32, Unsupported> {
        let quotas = &mut self.wire.cloud().quotas;
        match quota {
            Quota::RulesPerGroup => quotas.grants = most,
            Quota::GroupsPerInterface => quotas.teams_per_port = most,
            Quota::Groups => quotas.teams = most,
            Quota::RulesPerList => return Err(Unsupported("a pond has no lists of rules".to_owned())),
        }
        Ok(most)
    }

    fn has_ipv6(&self) -> Result<(), Unsupported> {
        Ok(())
    }

    fn passes_at(&self, flow: &Flow, at_ms: u64) -> bool {
        self.wire.cloud().passes_at(flow, at_ms)
    }

    fn moments(&self, interface: &InterfaceId, from_ms: u64) -> BTreeSet<u64> {
        let cloud = self.wire.cloud();
        cloud.plane.moments(std::iter::once(interface.as_str()), from_ms).into_iter().collect()
    }
}
