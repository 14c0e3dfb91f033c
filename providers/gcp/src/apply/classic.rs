//! Where network tags stand for classes: classic rules, each a resource of its own, and the tags of instances.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use plan::{GroupId, PathRule};
use policy::{InterfaceId, NetworkId};
use provider::{ErrorKind, ProviderError};

use crate::apply::members::not_written;
use crate::apply::{ACTION, Work, not_there, refused};
use crate::band::{self, Band, Change, Refusal};
use crate::ids::{self, GroupKind};
use crate::observed::{derive, lists};
use crate::resources::{Firewall, ResourcePath};

impl Work<'_> {
    /// Changes the classic rules of ours of a network: those that say more first, then those that say less, then what goes.
    /// Two steps on the rules of one class wait for each other, so that both decide on what is there. Rules of several classes
    /// nobody writes here; a change by somebody in between is a conflict.
    pub(super) async fn change_classic(
        &mut self,
        network: &NetworkId,
        edit: impl Fn(&Band, &[PathRule]) -> Result<Change, Refusal>,
    ) -> Result<(), ProviderError> {
        let _turn = self.hands.writer.turn(&self.turn).await;
        let project = ResourcePath::new(network.as_str()).project().to_owned();
        let collection = format!("projects/{project}/global/firewalls");
        let all: Vec<Firewall> = self.hands.api.list("compute.firewalls.list", &collection).await?;
        let total = all.len();
        let is_here = |rule: &Firewall| ResourcePath::new(&rule.network).as_str() == network.as_str();
        let here: Vec<Firewall> = all.into_iter().filter(is_here).collect();
        let read = lists::classic_as_written(&here, network, &self.band.installation);
        let change = edit(&self.band, &read).map_err(|refusal| refused(&refusal))?.classic;
        let mut held: BTreeMap<String, Firewall> =
            here.into_iter().map(|rule| (rule.name.clone(), rule)).collect();
        let new = change.grow.iter().filter(|rule| !held.contains_key(&rule.name)).count();
        self.check_quota(total, new)?;
        for rule in &change.grow {
            self.write_rule(network, rule, &mut held).await?;
        }
        let is_less = !change.shrink.is_empty() || !change.delete.is_empty();
        if is_less && !change.grow.is_empty() {
            // What goes is said by what has grown, and interfaces need not hear of two rules in the order of their calls.
            let settle = Duration::from_millis(self.scope.settle_ms);
            self.hands.api.clock().sleep(settle).await;
        }
        for rule in &change.shrink {
            self.write_rule(network, rule, &mut held).await?;
        }
        for name in &change.delete {
            let path = ResourcePath::new(&format!("{collection}/{name}"));
            let done = self.hands.writer.delete_firewall(&path, held.get(name)).await;
            self.note(done)?;
        }
        Ok(())
    }

    /// Writes one rule over the one of its name that was seen.
    async fn write_rule(
        &mut self,
        network: &NetworkId,
        rule: &PathRule,
        held: &mut BTreeMap<String, Firewall>,
    ) -> Result<(), ProviderError> {
        let wanted = band::to_firewall(&self.band, rule, network);
        let wanted = wanted.ok_or_else(|| not_there(&GroupId::from(rule.name.as_str())))?;
        let project = ResourcePath::new(network.as_str()).project().to_owned();
        let path = ResourcePath::new(&format!("projects/{project}/global/firewalls/{}", rule.name));
        let writer = self.hands.writer;
        let done = match held.get(&rule.name) {
            Some(seen) => writer.patch_firewall(&path, &wanted, Some(seen)).await,
            None => writer.create_firewall(&project, &wanted).await,
        };
        self.note(done)?;
        held.insert(rule.name.clone(), wanted);
        Ok(())
    }

    fn check_quota(&self, held: usize, new: usize) -> Result<(), ProviderError> {
        let most = self.hands.settings.classic_rules_max;
        if new == 0 || held + new <= most {
            return Ok(());
        }
        let message =
            format!("{} classic firewall rules are needed in the project, and {most} may be", held + new);
        Err(ProviderError::new(ErrorKind::OverQuota, ACTION, message))
    }

    /// Puts an instance into groups of a network and takes it out of others, in one call. Who is taken out of a rest is
    /// closed: our denies come first.
    pub(super) async fn change_tags(
        &mut self,
        interface: &InterfaceId,
        add: &[GroupId],
        remove: &[GroupId],
    ) -> Result<(), ProviderError> {
        let installation = self.band.installation.clone();
        let (mut join, mut leave) = (BTreeSet::new(), BTreeSet::new());
        let all = add.iter().map(|id| (id, true)).chain(remove.iter().map(|id| (id, false)));
        for (id, is_added) in all {
            let (tag, joins) = match ids::kind_of(&self.real(id)) {
                GroupKind::Class { tag, .. } => (tag, is_added),
                GroupKind::Rest { network, direction } => {
                    if !is_added {
                        self.deny(&network, direction).await?;
                    }
                    (ids::closed_tag(&installation, &network, direction), !is_added)
                }
                GroupKind::NetworkTag { name, .. } if !is_added => (name, false),
                _ => return Err(not_written(interface, id)),
            };
            if joins {
                join.insert(tag)
            } else {
                leave.insert(tag)
            };
        }
        let instance = ids::instance_of(interface);
        let done = self.hands.writer.change_network_tags(&instance, &join, &leave, None).await;
        self.note(done)
    }

    /// Writes our denies for closed interfaces of a network, unless they were there when it was read.
    async fn deny(&mut self, network: &NetworkId, direction: plan::Direction) -> Result<(), ProviderError> {
        let lists = self.current.iter().flat_map(|observed| &observed.path_filters);
        let lists: Vec<_> = lists.collect();
        let found = |id: &str| lists.iter().find(|list| list.id == id).copied();
        let held = derive::our_list(&self.band, network, found);
        if held.is_some_and(|list| band::is_closing(&self.band, &list.rules, network, direction)) {
            return Ok(());
        }
        let of = network.clone();
        self.turn = format!("classic rules of {}", ids::closed(network, direction));
        let edit = move |band: &Band, held: &[PathRule]| Ok(band::close(band, held, &of, direction)?);
        self.change_classic(network, edit).await
    }
}
