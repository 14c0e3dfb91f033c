//! Facts of classes as rules of the policy of their network, which is written whole under its fingerprint.

use plan::{Direction, GroupId, Owner, PathRule, RuleSpec};
use policy::NetworkId;
use provider::{ErrorKind, ProviderError};

use crate::apply::{ACTION, Work, not_there, refused};
use crate::band::{self, Band, Change, Refusal};
use crate::ids::{self, GroupKind};
use crate::marks;
use crate::observed::lists;
use crate::resources::{Policy, PolicyRule, ResourcePath};
use crate::settings::Identity;
use crate::write::{NewAssociation, if_there};

/// What becomes of the rules of ours.
type Decide = dyn Fn(&Band, &[PathRule]) -> Result<Change, Refusal>;

/// A tag value for closed interfaces, with what it is as a group.
pub(super) type ClosedValue = Option<(GroupId, String)>;

impl Work<'_> {
    pub(super) async fn add_rules(
        &mut self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let class = self.class(id)?;
        let (network, rules) = (class.network.clone(), rules.to_vec());
        let edit =
            move |band: &Band, held: &[PathRule]| band::add(band, held, class.target(), direction, &rules);
        self.change_policy(&network, None, edit).await
    }

    pub(super) async fn remove_rules(
        &mut self,
        id: &GroupId,
        direction: Direction,
        rules: &[RuleSpec],
    ) -> Result<(), ProviderError> {
        let class = self.class(id)?;
        if !self.is_in_force(&class.network) {
            return Ok(());
        }
        let (network, rules) = (class.network.clone(), rules.to_vec());
        let edit =
            move |band: &Band, held: &[PathRule]| band::remove(band, held, class.target(), direction, &rules);
        self.change_policy(&network, None, edit).await
    }

    /// Changes the rules of ours of a network: in its policy, which is made if it is not there, or among its classic rules.
    pub(super) async fn change_policy(
        &mut self,
        network: &NetworkId,
        closed: ClosedValue,
        edit: impl Fn(&Band, &[PathRule]) -> Result<Change, Refusal> + Send + Sync + 'static,
    ) -> Result<(), ProviderError> {
        if self.band.identity == Identity::NetworkTags {
            return self.change_classic(network, edit).await;
        }
        self.ensure_policy(network).await?;
        let path = ids::policy(&self.band.installation, network);
        let band = self.band.clone();
        let edit = move |rules: &[PolicyRule]| edited(&band, &closed, rules, &edit);
        let done = self.hands.writer.edit_policy(&path, Box::new(edit)).await;
        self.note(done)
    }

    /// Whether our policy of a network was in force when it was read. Classic rules always are.
    pub(super) fn is_in_force(&self, network: &NetworkId) -> bool {
        if self.band.identity == Identity::NetworkTags {
            return true;
        }
        let path = ids::policy(&self.band.installation, network);
        let mut lists = self.current.iter().flat_map(|observed| &observed.path_filters);
        lists.any(|list| list.id == path.as_str() && list.owner == Owner::Ours)
    }

    /// Makes our policy of a network and puts it there.
    pub(super) async fn ensure_policy(&mut self, network: &NetworkId) -> Result<(), ProviderError> {
        if self.is_in_force(network) {
            return Ok(());
        }
        let installation = self.band.installation.clone();
        let path = ids::policy(&installation, network);
        let read = self.hands.api.get::<Policy>("compute.networkFirewallPolicies.get", path.as_str()).await;
        match if_there(read)? {
            Some(held) => {
                if is_on(&held, network) {
                    return Ok(());
                }
                self.check_place(network)?;
                let description = held.description.as_deref().unwrap_or_default();
                if marks::owner(&installation, path.name(), description) != Owner::Ours {
                    return Err(crate::write::taken(ACTION, path.as_str()));
                }
                // What it says was never in force, and nobody planned on it.
                let foreign = |rules: &[PolicyRule]| {
                    let text = |rule: &PolicyRule| rule.description.clone().unwrap_or_default();
                    let all = rules.iter();
                    all.filter(|rule| marks::owner_of_rule(&installation, &text(rule)) != Owner::Ours)
                        .cloned()
                        .collect()
                };
                let done = self.hands.writer.patch_policy(&path, None, foreign).await;
                self.note(done)?;
            }
            None => {
                self.check_place(network)?;
                let mark = marks::description(&installation, marks::role::POLICY, network.as_str());
                let done = self.hands.writer.create_policy(&path, &mark, &[]).await;
                self.note(done)?;
            }
        }
        let wanted = NewAssociation {
            name: path.name().to_owned(),
            network: ResourcePath::new(network.as_str()),
            priority: None,
        };
        let done = self.hands.writer.associate(&path, &wanted, None).await;
        self.note(done)
    }

    /// Refuses a network where somebody else's policy is.
    fn check_place(&self, network: &NetworkId) -> Result<(), ProviderError> {
        let interfaces = self.current.iter().flat_map(|observed| &observed.interfaces);
        let mut lists =
            interfaces.filter(|found| found.network == *network).flat_map(|found| &found.path_filters);
        let Some(other) = lists.find(|list| ids::is_global_policy(list)) else { return Ok(()) };
        let message = format!("network `{network}` has the firewall policy `{other}` of somebody else");
        let mut error = ProviderError::new(ErrorKind::Conflict, ACTION, message);
        error.hint = "a network has one global policy: move its rules to a hierarchical policy or to \
            classic rules, and take it off the network"
            .to_owned();
        Err(error)
    }
}

fn is_on(policy: &Policy, network: &NetworkId) -> bool {
    policy.associations.iter().any(|one| one.attachment_target.as_str() == network.as_str())
}

/// The rules of a policy after a change of ours.
fn edited(
    band: &Band,
    closed: &ClosedValue,
    rules: &[PolicyRule],
    edit: &Decide,
) -> Result<Vec<PolicyRule>, ProviderError> {
    let group = |value: &str| match closed {
        Some((id, held)) if held == value => id.clone(),
        _ => GroupId::from(value),
    };
    let value_of = |id: &GroupId| match (ids::kind_of(id), closed) {
        (GroupKind::Value(value), _) => Some(value),
        (_, Some((held, value))) if held == id => Some(value.clone()),
        _ => None,
    };
    let read = lists::as_written(rules, &band.installation, &group);
    let change = edit(band, &read)
        .and_then(|change| Ok(band::check_limits(band, &read, &change).map(|()| change)?))
        .map_err(|refusal| refused(&refusal))?;
    let missing = || {
        let ends = change.put.iter().flat_map(|rule| {
            let peers = rule.peers.iter().filter_map(|peer| match peer {
                plan::Peer::Group(id) => Some(id),
                _ => None,
            });
            rule.targets.iter().chain(peers)
        });
        let mut ends = ends.filter(|id| value_of(id).is_none());
        not_there(ends.next().unwrap_or(&GroupId::from("of a rule")))
    };
    band::rewrite(band, rules, &change, &value_of).ok_or_else(missing)
}
