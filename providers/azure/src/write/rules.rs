//! Writes of rules: one rule, or a whole security group with every foreign rule as it was.

use provider::ProviderError;

use crate::band::same_name;
use crate::resources::security_group::SecurityGroupProperties;
use crate::resources::writable::Written as Shape;
use crate::resources::{ArmId, NormalRule, Rule, SecurityGroup, Tags, is_settled, kind};
use crate::write::{Writer, Written, check_seen, taken};

/// What happens to connections that are open when a rule goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Flush {
    /// Whatever the security group says now.
    AsIs,
    /// They go on: the cloud's default.
    KeepOpen,
    /// They are judged again by the rules that are there now.
    JudgeAgain,
}

/// A change of some rules of a security group.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleChange {
    /// Rules to create or replace, by their name.
    pub put: Vec<Rule>,
    /// Names of rules to delete.
    pub delete: Vec<String>,
    /// What happens to open connections.
    pub flush: Flush,
}

impl Writer {
    /// Changes some rules of a security group in one call, as [`Writer::write_rules`] does.
    ///
    /// `seen` is the etag of the security group that the plan was made on; none asks for no such check.
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] when the group was changed since it was planned on, or since it was read here.
    pub async fn change_rules(
        &self,
        group: &ArmId,
        change: &RuleChange,
        seen: Option<&str>,
    ) -> Result<Written, ProviderError> {
        let held: SecurityGroup = self.read(kind::SECURITY_GROUP, group).await?;
        check_seen(&kind::SECURITY_GROUP.writing(), group, seen, held.etag.as_deref())?;
        self.write_rules(&held, change).await
    }

    /// Changes some rules of a security group that was read a moment before, in one call or none.
    ///
    /// One rule is written or deleted alone, and its neighbours are not touched. Several are a PUT of the group: every
    /// other rule, and every field that we do not know, is sent back as it was read. If somebody changed that in
    /// between, nothing is written.
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] when the group was changed since, when the priority is taken, or when somebody
    /// else is at work on the group.
    pub async fn write_rules(
        &self,
        held: &SecurityGroup,
        change: &RuleChange,
    ) -> Result<Written, ProviderError> {
        let group = &held.id;
        let _lock = self.locks.take(&[group]).await;
        let wanted = changed(held, change);
        if wanted == *held && is_settled(&held.properties.rest) {
            return Ok(Written::default());
        }
        let is_flush_right = wanted.properties.flush_connection == held.properties.flush_connection;
        let there =
            |name: &str| held.properties.security_rules.iter().find(|rule| same_name(&rule.name, name));
        match (change.put.as_slice(), change.delete.as_slice()) {
            ([rule], []) if is_flush_right => {
                let (id, there) = (group.part("securityRules", &rule.name), there(&rule.name));
                let etag = there.and_then(|held| held.etag.as_deref());
                self.put(kind::RULE, Shape::Rule, &id, &merged(there.cloned(), rule), etag).await
            }
            ([], [name]) if is_flush_right => {
                let etag = there(name).and_then(|held| held.etag.as_deref());
                self.delete(kind::RULE, &group.part("securityRules", name), etag).await
            }
            _ => {
                let etag = held.etag.as_deref();
                self.put(kind::SECURITY_GROUP, Shape::SecurityGroup, group, &wanted, etag).await
            }
        }
    }

    /// Creates a security group without rules of its own, with its tags in the same call.
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] when there is one of that name with other tags: it may be somebody else's.
    pub async fn create_security_group(
        &self,
        id: &ArmId,
        location: &str,
        tags: &Tags,
    ) -> Result<Written, ProviderError> {
        let _lock = self.locks.take(&[id]).await;
        let held: Option<SecurityGroup> = self.read_if_there(kind::SECURITY_GROUP, id).await?;
        if let Some(held) = &held {
            if held.tags() != *tags {
                return Err(taken(&kind::SECURITY_GROUP.writing(), id));
            }
            if is_settled(&held.properties.rest) {
                return Ok(Written::default());
            }
        }
        let etag = held.as_ref().and_then(|held| held.etag.clone());
        let wanted = held.unwrap_or_else(|| {
            SecurityGroup::new(location, tags.clone(), SecurityGroupProperties::default())
        });
        self.put(kind::SECURITY_GROUP, Shape::SecurityGroup, id, &wanted, etag.as_deref()).await
    }

    /// Deletes a security group that nothing uses.
    ///
    /// # Errors
    /// [`provider::ErrorKind::Conflict`] while a subnet or an interface uses it, or when it was changed.
    pub async fn delete_security_group(
        &self,
        id: &ArmId,
        seen: Option<&str>,
    ) -> Result<Written, ProviderError> {
        let _lock = self.locks.take(&[id]).await;
        let Some(held) = self.read_if_there::<SecurityGroup>(kind::SECURITY_GROUP, id).await? else {
            return Ok(Written::default());
        };
        check_seen(&kind::SECURITY_GROUP.deleting(), id, seen, held.etag.as_deref())?;
        self.delete(kind::SECURITY_GROUP, id, held.etag.as_deref()).await
    }
}

/// A security group after a change: the other rules in their order, then the new ones.
#[must_use]
pub fn changed(held: &SecurityGroup, change: &RuleChange) -> SecurityGroup {
    let mut wanted = held.clone();
    let rules = &mut wanted.properties.security_rules;
    rules.retain(|rule| !change.delete.iter().any(|name| same_name(name, &rule.name)));
    for rule in &change.put {
        match rules.iter_mut().find(|held| same_name(&held.name, &rule.name)) {
            Some(held) if is_same(held, rule) => {}
            Some(held) => *held = merged(Some(held.clone()), rule),
            None => rules.push(rule.clone()),
        }
    }
    let flush = match change.flush {
        Flush::AsIs => return wanted,
        Flush::KeepOpen => false,
        Flush::JudgeAgain => true,
    };
    if held.properties.flush_connection.unwrap_or(false) != flush {
        wanted.properties.flush_connection = Some(flush);
    }
    wanted
}

/// Whether a rule says already what it should: meaning and description.
fn is_same(held: &Rule, wanted: &Rule) -> bool {
    let description = |rule: &Rule| rule.properties.description.clone().unwrap_or_default();
    description(held) == description(wanted)
        && is_settled(&held.properties.rest)
        && matches!((NormalRule::of(held), NormalRule::of(wanted)), (Ok(held), Ok(wanted)) if held == wanted)
}

/// The wanted rule with the fields that we do not know of the one that is there.
fn merged(held: Option<Rule>, wanted: &Rule) -> Rule {
    let mut rule = wanted.clone();
    let Some(held) = held else { return rule };
    for (field, value) in held.properties.rest {
        rule.properties.rest.entry(field).or_insert(value);
    }
    for (field, value) in held.rest {
        rule.rest.entry(field).or_insert(value);
    }
    rule
}
