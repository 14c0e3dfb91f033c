//! One step as calls to a pond: looks first, sends what is missing, and sends nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, Observed, Owner, RuleSpec, StepAction};
use provider::{Applied, CallRecord, ErrorKind, Failed, ProviderError};

use super::cloud::{Grant, Id, Port, Refusal, Team, Write};
use super::convert::to_grant;
use super::observe::{error, is_inbound, note};
use super::{Flaw, Wire};

/// One application of a step.
pub struct Application<'a> {
    wire: &'a Wire,
    current: &'a [Observed],
    ids: &'a BTreeMap<GroupId, GroupId>,
    calls: Vec<CallRecord>,
}

type Result<T> = std::result::Result<T, ProviderError>;

impl<'a> Application<'a> {
    pub fn new(wire: &'a Wire, current: &'a [Observed], ids: &'a BTreeMap<GroupId, GroupId>) -> Self {
        Self { wire, current, ids, calls: Vec::new() }
    }

    pub fn apply(mut self, action: &StepAction) -> std::result::Result<Applied, Failed> {
        let done = self.perform(action);
        match done {
            Ok(created) => Ok(Applied { calls: self.calls, created: created.map(|id| id.as_str().into()) }),
            Err(_) if self.wire.flaw == Flaw::HidesCalls => {
                done.map(|_| Applied::default()).map_err(Failed::from)
            }
            Err(error) => Err(Failed { calls: self.calls, error }),
        }
    }

    fn perform(&mut self, action: &StepAction) -> Result<Option<Id>> {
        match action {
            StepAction::CreateGroup { network, name, open_egress, .. } => {
                return self.create(network.as_str(), name, *open_egress).map(Some);
            }
            StepAction::Mark { group } => self.mark(&self.real(group))?,
            StepAction::AddRules { group, direction, rules } => self.add(group, *direction, rules)?,
            StepAction::RemoveRules { group, direction, rules } => self.remove(group, *direction, rules)?,
            StepAction::Attach { interface, add } => self.attach(interface.as_str(), add)?,
            StepAction::Detach { interface, remove } => {
                let port = self.port(interface.as_str())?;
                let gone: BTreeSet<Id> = remove.iter().map(|id| self.real(id)).collect();
                let teams = port.teams.difference(&gone).cloned().collect();
                self.set_teams(interface.as_str(), &port, teams)?;
                let mut cloud = self.wire.cloud();
                for team in &gone {
                    cloud.journal.remove(&format!("{interface} in {team}"));
                }
            }
            StepAction::DeleteGroup { group, .. } => {
                let team = self.real(group);
                if self.team(&team).is_ok() || self.wire.flaw == Flaw::WritesWhatIsTrue {
                    self.send(&Write::DeleteTeam { team })?;
                }
            }
        }
        Ok(None)
    }

    fn create(&mut self, zone: &str, name: &str, open: bool) -> Result<Id> {
        let groups = self.current.iter().flat_map(|observed| &observed.groups);
        let mut same = groups.filter(|g| g.network.as_str() == zone && g.name == name);
        if let Some(held) = same.find(|group| group.owner == Owner::Ours) {
            return Ok(held.id.to_string());
        }
        let key = format!("made {zone} {name}");
        if self.wire.flaw == Flaw::TrustsMadeObjects && self.wire.cloud().journal.contains(&key) {
            return Ok(name.to_owned());
        }
        let (maker, note) = (self.wire.installation.clone(), note(self.wire));
        let later = self.wire.flaw == Flaw::MarksLater;
        let first = if later { String::new() } else { maker.clone() };
        let mut write =
            Write::CreateTeam { zone: zone.to_owned(), name: name.to_owned(), maker: first, note, open };
        let mut answer = self.send(&write);
        let is_lost = answer.as_ref().is_err_and(|error| error.message == "lost");
        if self.wire.flaw == Flaw::RenamesAfterALostAnswer && is_lost {
            if let Write::CreateTeam { name, .. } = &mut write {
                name.push_str("-2");
            }
            answer = self.send(&write);
        }
        let id = answer?;
        if later {
            self.mark(&id)?;
        }
        self.wire.cloud().journal.insert(key);
        Ok(id)
    }

    fn mark(&mut self, team: &Id) -> Result<()> {
        let (held, maker, note) = (self.team(team)?, self.wire.installation.clone(), note(self.wire));
        if (&held.maker, &held.note) != (&maker, &note) || self.wire.flaw == Flaw::WritesWhatIsTrue {
            self.send(&Write::Mark { team: team.clone(), maker, note })?;
        }
        Ok(())
    }

    fn add(&mut self, group: &GroupId, direction: Direction, rules: &[RuleSpec]) -> Result<()> {
        let id = self.real(group);
        let mut team = self.team(&id)?;
        let wanted = self.grants(direction, rules);
        let key = |grant: &Grant| format!("{id} {grant:?}");
        if self.wire.flaw == Flaw::TrustsWrittenRules {
            let journal = self.wire.cloud().journal.clone();
            if wanted.iter().all(|grant| journal.contains(&key(grant))) {
                return Ok(());
            }
        }
        let all: BTreeSet<Grant> = team.grants.union(&wanted).cloned().collect();
        if self.wire.flaw == Flaw::RewritesToAdd && all != team.grants {
            self.clear(&id, &mut team, direction)?;
        }
        self.set_grants(&id, &team, all)?;
        self.wire.cloud().journal.extend(wanted.iter().map(key));
        Ok(())
    }

    fn remove(&mut self, group: &GroupId, direction: Direction, rules: &[RuleSpec]) -> Result<()> {
        let id = self.real(group);
        let mut team = self.team(&id)?;
        let gone = self.grants(direction, rules);
        let rest: BTreeSet<Grant> = team.grants.difference(&gone).cloned().collect();
        if self.wire.flaw == Flaw::RewritesToRemove && rest != team.grants {
            self.clear(&id, &mut team, direction)?;
        }
        self.set_grants(&id, &team, rest)?;
        for grant in &gone {
            self.wire.cloud().journal.remove(&format!("{id} {grant:?}"));
        }
        Ok(())
    }

    /// Takes out all grants of a direction, as a driver with a flaw does before it writes the list anew.
    fn clear(&mut self, id: &Id, team: &mut Team, direction: Direction) -> Result<()> {
        let others = team.grants.iter().filter(|grant| grant.inbound != is_inbound(direction));
        self.set_grants(id, team, others.cloned().collect())?;
        *team = self.team(id)?;
        Ok(())
    }

    fn attach(&mut self, id: &str, add: &[GroupId]) -> Result<()> {
        let mut port = self.port(id)?;
        let wanted: BTreeSet<Id> = add.iter().map(|group| self.real(group)).collect();
        let key = |team: &Id| format!("{id} in {team}");
        if self.wire.flaw == Flaw::TrustsWrittenMembers {
            let journal = self.wire.cloud().journal.clone();
            if wanted.iter().all(|team| journal.contains(&key(team))) {
                return Ok(());
            }
        }
        let is_ours = |team: &Id| {
            let groups = self.current.iter().flat_map(|observed| &observed.groups);
            groups.into_iter().any(|group| group.id.as_str() == team && group.owner == Owner::Ours)
        };
        let (ours, foreign): (BTreeSet<Id>, BTreeSet<Id>) = port.teams.iter().cloned().partition(is_ours);
        let kept = if self.wire.flaw == Flaw::OverwritesForeignTeams { &ours } else { &port.teams };
        let all: BTreeSet<Id> = kept.union(&wanted).cloned().collect();
        if self.wire.flaw == Flaw::DetachesBeforeAttaching && !ours.is_empty() && all != port.teams {
            self.set_teams(id, &port, foreign)?;
            port = self.port(id)?;
        }
        self.set_teams(id, &port, all)?;
        self.wire.cloud().journal.extend(wanted.iter().map(key));
        Ok(())
    }

    fn set_grants(&mut self, id: &Id, team: &Team, grants: BTreeSet<Grant>) -> Result<()> {
        if grants != team.grants || self.wire.flaw == Flaw::WritesWhatIsTrue {
            self.send(&Write::SetGrants { team: id.clone(), version: team.version, grants })?;
        }
        Ok(())
    }

    fn set_teams(&mut self, id: &str, port: &Port, teams: BTreeSet<Id>) -> Result<()> {
        if teams != port.teams || self.wire.flaw == Flaw::WritesWhatIsTrue {
            self.send(&Write::SetTeams { port: id.to_owned(), version: port.version, teams })?;
        }
        Ok(())
    }

    fn grants(&self, direction: Direction, rules: &[RuleSpec]) -> BTreeSet<Grant> {
        let real = |rule: &RuleSpec| match &rule.peer {
            plan::Peer::Group(id) => {
                RuleSpec { peer: plan::Peer::Group(self.real(id).as_str().into()), service: rule.service }
            }
            _ => rule.clone(),
        };
        rules.iter().map(|rule| to_grant(direction, &real(rule), self.wire.flaw)).collect()
    }

    /// The cloud's id of a group that may have been created since the plan was made.
    fn real(&self, id: &GroupId) -> Id {
        self.ids.get(id).unwrap_or(id).to_string()
    }

    fn team(&self, id: &Id) -> Result<Team> {
        let mut cloud = self.wire.cloud();
        cloud.read().map_err(|refusal| error("get_team", refusal))?;
        cloud.teams.get(id).cloned().ok_or_else(|| error("get_team", Refusal::Missing))
    }

    fn port(&self, id: &str) -> Result<Port> {
        let mut cloud = self.wire.cloud();
        cloud.read().map_err(|refusal| error("get_port", refusal))?;
        cloud.ports.get(id).cloned().ok_or_else(|| error("get_port", Refusal::Missing))
    }

    /// Makes a call and notes it, whatever becomes of it.
    fn send(&mut self, write: &Write) -> Result<Id> {
        let action = write.action();
        self.calls.push(CallRecord { action: action.to_owned(), request_id: String::new() });
        let answer = self.wire.cloud().call(write.clone());
        match (answer, self.wire.flaw) {
            (Ok(id), _) => Ok(id),
            (Err(Refusal::Busy), Flaw::RetriesWhenThrottled)
            | (Err(Refusal::Stale), Flaw::ForcesOverConflicts) => self.send(write),
            (Err(Refusal::Broken), Flaw::CallsFailuresRejected) => {
                Err(ProviderError::new(ErrorKind::Rejected, action, "broken"))
            }
            (Err(refusal), _) => Err(error(action, refusal)),
        }
    }
}
