//! The API of a pond: lists in pages, calls that change something, quotas, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use mock_cloud::DataPlane;
use provider::conformance::Fault;

use super::plane::{DELAY_MS, Fact};

/// Items on a page.
pub const PAGE_ITEMS: usize = 10;

pub type Id = String;

#[derive(Clone, Debug)]
pub struct Zone {
    pub cidrs: Vec<IpNet>,
}

#[derive(Clone, Debug)]
pub struct Port {
    pub zone: Id,
    pub name: String,
    pub addresses: Vec<IpAddr>,
    pub tags: BTreeMap<String, String>,
    pub teams: BTreeSet<Id>,
    pub version: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Team {
    pub zone: Id,
    pub name: String,
    /// Who made it, and what they wrote on it.
    pub maker: String,
    pub note: String,
    pub grants: BTreeSet<Grant>,
    pub version: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Grant {
    pub inbound: bool,
    pub far: Far,
    /// Every protocol if none.
    pub protocol: Option<u8>,
    /// Ports, or ICMP `type << 8 | code`.
    pub first: u16,
    pub last: u16,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Far {
    Team(Id),
    Block(IpNet),
}

#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    pub grants: u32,
    pub teams_per_port: u32,
    pub teams: u32,
}

/// A page of a list, and the key of the next one.
pub type Page<T> = (Vec<(Id, T)>, Option<Id>);

/// A call that changes something.
#[derive(Clone, Debug)]
pub enum Write {
    CreateTeam { zone: Id, name: String, maker: String, note: String, open: bool },
    Mark { team: Id, maker: String, note: String },
    SetGrants { team: Id, version: u64, grants: BTreeSet<Grant> },
    SetTeams { port: Id, version: u64, teams: BTreeSet<Id> },
    DeleteTeam { team: Id },
}

impl Write {
    pub fn action(&self) -> &'static str {
        match self {
            Self::CreateTeam { .. } => "create_team",
            Self::Mark { .. } => "mark",
            Self::SetGrants { .. } => "set_grants",
            Self::SetTeams { .. } => "set_teams",
            Self::DeleteTeam { .. } => "delete_team",
        }
    }
}

/// Why a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    Busy,
    Broken,
    Lost,
    Stale,
    Full,
    Missing,
    Taken,
    InUse,
    Unreachable,
}

pub struct Cloud {
    pub zones: BTreeMap<Id, Zone>,
    pub ports: BTreeMap<Id, Port>,
    pub teams: BTreeMap<Id, Team>,
    pub peered: BTreeSet<(Id, Id)>,
    pub quotas: Quotas,
    pub plane: DataPlane<Fact>,
    pub now_ms: u64,
    pub writes: Vec<String>,
    pub reads: usize,
    /// Faults with the ordinal of the call that they strike.
    pub faults: Vec<Fault>,
    /// What a driver with a flaw keeps beside the cloud.
    pub journal: BTreeSet<String>,
    made: u64,
}

impl Cloud {
    pub fn new(seed: u64) -> Self {
        Self {
            zones: BTreeMap::new(),
            ports: BTreeMap::new(),
            teams: BTreeMap::new(),
            peered: BTreeSet::new(),
            quotas: Quotas { grants: 40, teams_per_port: 6, teams: 500 },
            plane: DataPlane::new(seed, DELAY_MS.0, DELAY_MS.1),
            now_ms: 0,
            writes: Vec::new(),
            reads: 0,
            faults: Vec::new(),
            journal: BTreeSet::new(),
            made: 0,
        }
    }

    pub fn are_peered(&self, a: &Id, b: &Id) -> bool {
        a == b || self.peered.contains(&(a.clone(), b.clone()))
    }

    /// One page of a list, from a key on; the key of the next page.
    pub fn list<T: Clone>(
        &mut self,
        of: fn(&Self) -> &BTreeMap<Id, T>,
        from: &str,
    ) -> Result<Page<T>, Refusal> {
        self.read()?;
        let mut rest = of(self).range(from.to_owned()..);
        let page = rest.by_ref().take(PAGE_ITEMS).map(|(id, item)| (id.clone(), item.clone())).collect();
        Ok((page, rest.next().map(|(id, _)| id.clone())))
    }

    /// Counts a reading call, and fails if it is the one to fail.
    pub fn read(&mut self) -> Result<(), Refusal> {
        self.reads += 1;
        let (read, written) = (self.reads, self.writes.len());
        let strikes = |fault: &Fault| match fault {
            Fault::ReadFails(at) => *at == read,
            Fault::DeadAfter(at) => *at <= written,
            _ => false,
        };
        if self.faults.iter().any(strikes) { Err(Refusal::Unreachable) } else { Ok(()) }
    }

    /// A call that changes something, by a client. Gives the id of what it made.
    pub fn call(&mut self, write: Write) -> Result<Id, Refusal> {
        let written = self.writes.len();
        if self.faults.iter().any(|fault| matches!(fault, Fault::DeadAfter(at) if *at <= written)) {
            return Err(Refusal::Unreachable);
        }
        self.writes.push(write.action().to_owned());
        let ordinal = self.writes.len();
        let fault = self.faults.iter().find_map(|fault| match fault {
            Fault::Throttle(at) if *at == ordinal => Some(Refusal::Busy),
            Fault::ServerError(at) if *at == ordinal => Some(Refusal::Broken),
            Fault::Conflict(at) if *at == ordinal => Some(Refusal::Stale),
            Fault::LostAnswer(at) if *at == ordinal => Some(Refusal::Lost),
            _ => None,
        });
        match fault {
            Some(Refusal::Lost) => self.perform(write).and(Err(Refusal::Lost)),
            Some(refusal) => Err(refusal),
            None => self.perform(write),
        }
    }

    /// The same by somebody who meets no fault.
    pub fn perform(&mut self, write: Write) -> Result<Id, Refusal> {
        match write {
            Write::CreateTeam { zone, name, maker, note, open } => {
                self.create(Team { zone, name, maker, note, ..Team::default() }, open)
            }
            Write::Mark { team, maker, note } => {
                let held = self.teams.get_mut(&team).ok_or(Refusal::Missing)?;
                (held.maker, held.note) = (maker, note);
                Ok(team)
            }
            Write::SetGrants { team, version, grants } => self.set_grants(team, version, grants),
            Write::SetTeams { port, version, teams } => self.set_teams(port, version, teams),
            Write::DeleteTeam { team } => self.delete(&team),
        }
    }

    fn create(&mut self, team: Team, open: bool) -> Result<Id, Refusal> {
        if self.teams.values().any(|held| held.zone == team.zone && held.name == team.name) {
            return Err(Refusal::Taken);
        }
        if self.teams.len() as u32 >= self.quotas.teams {
            return Err(Refusal::Full);
        }
        self.made += 1;
        let id = format!("team-{:04}", self.made);
        self.teams.insert(id.clone(), team);
        if open {
            let blocks = [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())];
            let grant = |block| Grant {
                inbound: false,
                far: Far::Block(block),
                protocol: None,
                first: 0,
                last: u16::MAX,
            };
            self.set_grants(id.clone(), 0, blocks.map(grant).into())?;
        }
        Ok(id)
    }

    fn set_grants(&mut self, team: Id, version: u64, grants: BTreeSet<Grant>) -> Result<Id, Refusal> {
        let held = self.teams.get(&team).ok_or(Refusal::Missing)?;
        if held.version != version {
            return Err(Refusal::Stale);
        }
        // A grant to a team counts in both families.
        let counts = |grant: &&Grant, v6: bool| match &grant.far {
            Far::Team(_) => true,
            Far::Block(block) => matches!(block, IpNet::V6(_)) == v6,
        };
        for (inbound, v6) in [(false, false), (false, true), (true, false), (true, true)] {
            let of = |grants: &BTreeSet<Grant>| {
                grants.iter().filter(|grant| grant.inbound == inbound && counts(grant, v6)).count() as u32
            };
            if of(&grants) > self.quotas.grants.max(of(&held.grants)) {
                return Err(Refusal::Full);
            }
        }
        let named = grants.iter().filter_map(|grant| match &grant.far {
            Far::Team(id) => Some(id),
            Far::Block(_) => None,
        });
        if named.into_iter().any(|id| !self.teams.contains_key(id)) {
            return Err(Refusal::Missing);
        }
        for (grant, holds) in changes(&held.grants, &grants) {
            self.plane.note(Fact::Grant(team.clone(), grant), holds, self.now_ms);
        }
        let held = self.teams.get_mut(&team).ok_or(Refusal::Missing)?;
        (held.grants, held.version) = (grants, version + 1);
        Ok(team)
    }

    fn set_teams(&mut self, port: Id, version: u64, teams: BTreeSet<Id>) -> Result<Id, Refusal> {
        let held = self.ports.get(&port).ok_or(Refusal::Missing)?;
        if held.version != version {
            return Err(Refusal::Stale);
        }
        if teams.len() > held.teams.len().max(self.quotas.teams_per_port as usize) {
            return Err(Refusal::Full);
        }
        let is_here = |id: &Id| self.teams.get(id).is_some_and(|team| team.zone == held.zone);
        if !teams.iter().all(is_here) {
            return Err(Refusal::Missing);
        }
        for (team, holds) in changes(&held.teams, &teams) {
            self.plane.note(Fact::Member(port.clone(), team), holds, self.now_ms);
        }
        let held = self.ports.get_mut(&port).ok_or(Refusal::Missing)?;
        (held.teams, held.version) = (teams, version + 1);
        Ok(port)
    }

    fn delete(&mut self, team: &Id) -> Result<Id, Refusal> {
        if self.ports.values().any(|port| port.teams.contains(team)) {
            return Err(Refusal::InUse);
        }
        let names = |grant: &Grant| matches!(&grant.far, Far::Team(id) if id == team);
        if self.teams.iter().any(|(id, other)| id != team && other.grants.iter().any(names)) {
            return Err(Refusal::InUse);
        }
        let gone = self.teams.remove(team).ok_or(Refusal::Missing)?;
        for grant in gone.grants {
            self.plane.note(Fact::Grant(team.clone(), grant), false, self.now_ms);
        }
        Ok(team.clone())
    }
}

/// What is in one set only, with whether it holds now.
fn changes<T: Ord + Clone>(old: &BTreeSet<T>, new: &BTreeSet<T>) -> Vec<(T, bool)> {
    let gone = old.difference(new).map(|item| (item.clone(), false));
    gone.chain(new.difference(old).map(|item| (item.clone(), true))).collect()
}
