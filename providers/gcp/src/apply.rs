//! One step → the fewest calls that make it true. Idempotent against what is read right before each write; never sent twice.
//!
//! Every call that writes is noted with the id of its operation, also the one that fails: the audit is of what was asked.

mod classic;
mod groups;
mod members;
mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use plan::{Direction, GroupId, Observed, Scope, Step, StepAction};
use policy::NetworkId;
use provider::{Applied, CallRecord, ErrorKind, Failed, ProviderError};

use crate::after::resolved;
use crate::band::{Band, Refusal, Target};
use crate::ids::{self, GroupKind};
use crate::resources::Project;
use crate::rest::Api;
use crate::settings::{GcpSettings, Identity};
use crate::write::{Made, Writer, Written};

/// What errors of ours are about that belong to no call.
pub(crate) const ACTION: &str = "apply a step to Google Cloud";

/// What never changes once it is known: numbers of projects, tag values for closed interfaces.
#[derive(Default)]
pub(crate) struct Known {
    numbers: Mutex<BTreeMap<String, String>>,
    closed: Mutex<BTreeMap<GroupId, String>>,
}

/// What one step is applied with.
pub(crate) struct Hands<'a> {
    pub api: &'a Api,
    pub writer: &'a Writer,
    pub settings: &'a GcpSettings,
    pub known: &'a Arc<Known>,
}

/// One step under way.
pub(crate) struct Work<'a> {
    hands: Hands<'a>,
    scope: &'a Scope,
    current: &'a [Observed],
    ids: &'a BTreeMap<GroupId, GroupId>,
    band: Band,
    /// What the step changes in classic rules: steps with the same wait for each other.
    turn: String,
    /// Every call that writes, in order.
    calls: Vec<CallRecord>,
}

/// A class that a step is about.
struct Class {
    id: GroupId,
    name: String,
    network: NetworkId,
}

impl Class {
    fn target(&self) -> Target<'_> {
        Target { id: &self.id, name: &self.name }
    }
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        hands: Hands<'a>,
        scope: &'a Scope,
        current: &'a [Observed],
        ids: &'a BTreeMap<GroupId, GroupId>,
    ) -> Self {
        let band = hands.settings.band();
        Self { hands, scope, current, ids, band, turn: String::new(), calls: Vec::new() }
    }

    pub(crate) async fn apply(mut self, step: &Step) -> Result<Applied, Failed> {
        if let StepAction::CreateGroup { group, .. }
        | StepAction::AddRules { group, .. }
        | StepAction::RemoveRules { group, .. }
        | StepAction::DeleteGroup { group, .. } = &step.action
        {
            let group = self.real(group);
            let tag = ids::source_of(&self.band.installation, &group).unwrap_or(group);
            self.turn = format!("classic rules of {tag}");
        }
        match self.make_true(&step.action).await {
            Ok(created) => Ok(Applied { calls: self.calls, created }),
            Err(error) => Err(Failed { calls: self.calls, error }),
        }
    }

    /// The policy that a step rewrites, if there is one: changes of its rules at one time are one PATCH of it.
    pub(crate) fn document(&self, action: &StepAction) -> Option<String> {
        let (StepAction::AddRules { group, .. } | StepAction::RemoveRules { group, .. }) = action else {
            return None;
        };
        let class = self.class(group).ok()?;
        if self.band.identity == Identity::NetworkTags {
            return None;
        }
        Some(ids::policy(&self.band.installation, &class.network).as_str().to_owned())
    }

    /// The id of the group that was created, if one was.
    async fn make_true(&mut self, action: &StepAction) -> Result<Option<GroupId>, ProviderError> {
        match action {
            StepAction::CreateGroup { network, name, description, open_egress, .. } => {
                return self.create(network, name, description, *open_egress).await.map(Some);
            }
            // A tag is ours with the whole mark or not at all.
            StepAction::Mark { .. } => {}
            StepAction::AddRules { group, direction, rules } => {
                let rules = resolved(rules, &|id| self.real(id));
                self.add_rules(group, *direction, &rules).await?;
            }
            StepAction::RemoveRules { group, direction, rules } => {
                let rules = resolved(rules, &|id| self.real(id));
                self.remove_rules(group, *direction, &rules).await?;
            }
            StepAction::Attach { interface, add } => self.attach(interface, add).await?,
            StepAction::Detach { interface, remove } => self.detach(interface, remove).await?,
            StepAction::DeleteGroup { group, .. } => self.delete(&self.real(group)).await?,
        }
        Ok(None)
    }

    /// Notes the calls of a write, whatever came of it.
    fn note(&mut self, done: Result<Written, Failed>) -> Result<(), ProviderError> {
        match done {
            Ok(written) => self.calls.extend(written.calls),
            Err(failed) => {
                self.calls.extend(failed.calls);
                return Err(failed.error);
            }
        }
        Ok(())
    }

    /// The same for something that Google names.
    fn note_made(&mut self, done: Result<Made, Failed>) -> Result<String, ProviderError> {
        let (name, written) = match done {
            Ok(made) => (made.name, Ok(made.written)),
            Err(failed) => (String::new(), Err(failed)),
        };
        self.note(written).map(|()| name)
    }

    /// Google's name of a group that may have been created since the plan was made.
    fn real(&self, id: &GroupId) -> GroupId {
        if let Some(real) = self.ids.get(id) {
            return real.clone();
        }
        // A network tag need not be made to be known.
        let is_tag = self.band.identity == Identity::NetworkTags && id.is_planned();
        let tagged = ids::tagged_class(&self.band.installation, id).filter(|_| is_tag);
        tagged.unwrap_or_else(|| id.clone())
    }

    fn own(&self) -> impl Iterator<Item = &'a Observed> {
        let scope = &self.scope.id;
        self.current.iter().filter(move |observed| observed.scope.as_ref() == Some(scope))
    }

    /// A class that was seen, or created since.
    fn class(&self, id: &GroupId) -> Result<Class, ProviderError> {
        let id = self.real(id);
        let seen = self.current.iter().flat_map(|observed| &observed.groups).find(|group| group.id == id);
        if let Some(group) = seen {
            return Ok(Class { id, name: group.name.clone(), network: group.network.clone() });
        }
        if let GroupKind::Class { network, tag } = ids::kind_of(&id) {
            let name = ids::name_of_tag(&self.band.installation, &network, &tag);
            return Ok(Class { id, name: name.unwrap_or(tag), network });
        }
        let planned =
            self.ids.iter().find(|(_, real)| **real == id).map(|(planned, _)| ids::kind_of(planned));
        match planned {
            Some(GroupKind::Planned { network, name }) => Ok(Class { id, name, network }),
            _ => Err(not_there(&id)),
        }
    }

    /// The number of a project.
    async fn number(&self, project: &str) -> Result<String, ProviderError> {
        let known = self.hands.known;
        let held = known.numbers.lock().unwrap_or_else(PoisonError::into_inner).get(project).cloned();
        if let Some(number) = held {
            return Ok(number);
        }
        let action = "cloudresourcemanager.projects.get";
        let found: Project = self.hands.api.get_managed(action, &format!("projects/{project}"), &[]).await?;
        let number = found.number().to_owned();
        let mut numbers = known.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.insert(project.to_owned(), number.clone());
        Ok(number)
    }

    fn closed(&self, network: &NetworkId, direction: Direction) -> Option<String> {
        let closed = self.hands.known.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get(&ids::closed(network, direction)).cloned()
    }

    /// Keeps what a tag value for closed interfaces is, or forgets it.
    fn keep_closed(&self, network: &NetworkId, direction: Direction, value: Option<&str>) {
        let mut closed = self.hands.known.closed.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => closed.insert(ids::closed(network, direction), value.to_owned()),
            None => closed.remove(&ids::closed(network, direction)),
        };
    }
}

/// The groups that an action names.
pub(crate) fn groups_of(action: &StepAction) -> Vec<&GroupId> {
    match action {
        StepAction::CreateGroup { group, .. }
        | StepAction::Mark { group }
        | StepAction::DeleteGroup { group, .. } => vec![group],
        StepAction::AddRules { group, rules, .. } | StepAction::RemoveRules { group, rules, .. } => {
            let peers = rules.iter().filter_map(|rule| match &rule.peer {
                plan::Peer::Group(id) => Some(id),
                _ => None,
            });
            peers.chain([group]).collect()
        }
        StepAction::Attach { add: ids, .. } | StepAction::Detach { remove: ids, .. } => ids.iter().collect(),
    }
}

fn not_there(id: &GroupId) -> ProviderError {
    ProviderError::new(ErrorKind::NotFound, ACTION, format!("group {id} is not there (any more, or yet)"))
}

fn refused(refusal: &Refusal) -> ProviderError {
    let kind = match refusal {
        Refusal::Full(_) => ErrorKind::OverQuota,
        Refusal::Inexpressible(_) => ErrorKind::Rejected,
    };
    ProviderError::new(kind, ACTION, refusal.to_string())
}
