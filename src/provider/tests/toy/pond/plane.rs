//! The data plane of a pond: what each port has heard of, and which packets it lets pass. Uses nothing of the driver.

use ipnet::IpNet;
use policy::{End, Flow};

use super::cloud::{Cloud, Far, Grant, Id};

/// The shortest and longest time in which a port hears of a change.
pub const DELAY_MS: (u64, u64) = (20, 1500);

/// Something that ports hear of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fact {
    /// A port is in a team.
    Member(Id, Id),
    /// A team has a grant.
    Grant(Id, Grant),
}

impl Cloud {
    /// Whether a packet passes at both ends at a time.
    pub fn passes_at(&self, flow: &Flow, at_ms: u64) -> bool {
        self.end_passes(&flow.source, false, &flow.destination, flow, at_ms)
            && self.end_passes(&flow.destination, true, &flow.source, flow, at_ms)
    }

    fn end_passes(&self, own: &End, inbound: bool, far: &End, flow: &Flow, at_ms: u64) -> bool {
        let Some(own) = &own.interface else { return true };
        let Some(port) = self.ports.get(own.as_str()) else { return false };
        let sees = |fact: &Fact| self.plane.sees(own.as_str(), fact, at_ms);
        let reaches = |team: &Id| {
            let Some(there) = far.interface.as_ref() else { return false };
            let zone = self.ports.get(there.as_str()).map(|port| &port.zone);
            zone.is_some_and(|zone| self.are_peered(&port.zone, zone))
                && sees(&Fact::Member(there.to_string(), team.clone()))
        };
        let matches = |grant: &Grant| {
            grant.inbound == inbound
                && grant.protocol.is_none_or(|protocol| protocol == flow.service.protocol)
                && (grant.first..=grant.last).contains(&flow.service.detail)
                && match &grant.far {
                    Far::Block(block) => block.contains(&far.address),
                    Far::Team(team) => reaches(team),
                }
        };
        let first = Fact::Member(own.to_string(), Id::new());
        let teams = self.plane.range(first..).map_while(|fact| match fact {
            Fact::Member(port, team) if port == own.as_str() => Some((fact, team)),
            _ => None,
        });
        teams
            .filter(|(fact, _)| sees(fact))
            .any(|(_, team)| self.grants_of(team).any(|(fact, grant)| matches(grant) && sees(fact)))
    }

    fn grants_of<'a>(&'a self, team: &'a Id) -> impl Iterator<Item = (&'a Fact, &'a Grant)> + 'a {
        let block = IpNet::V4(ipnet::Ipv4Net::default());
        let least = Grant { inbound: false, far: Far::Team(Id::new()), protocol: None, first: 0, last: 0 };
        debug_assert!(Far::Team(Id::new()) < Far::Block(block), "the first grant by order");
        self.plane.range(Fact::Grant(team.clone(), least)..).map_while(move |fact| match fact {
            Fact::Grant(id, grant) if id == team => Some((fact, grant)),
            _ => None,
        })
    }
}
