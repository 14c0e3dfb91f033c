//! Security groups of ours: made with rules that stop nobody, and put on their places.

use plan::Owner;
use provider::{ErrorKind, ProviderError};

use crate::band::open_rules;
use crate::marks::{self, Form};
use crate::resources::security_group::SecurityGroupProperties;
use crate::resources::writable::Written as Shape;
use crate::resources::{ArmId, Interface, Reference, Rule, SecurityGroup, Tags, is_settled, kind};
use crate::write::rules::changed;
use crate::write::{Flush, RuleChange, Writer, Written, taken};

impl Writer {
    /// Makes a security group of ours that lets pass what passes without one. One that is there, and on no place, comes to do
    /// so: it loses what closes interfaces.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is one of that name without our mark, or with rules of somebody else.
    pub async fn make_open_group(
        &self,
        installation: &str,
        id: &ArmId,
        location: &str,
        tags: &Tags,
    ) -> Result<Written, ProviderError> {
        let _lock = self.locks.take(&[id]).await;
        let open = open_rules(installation);
        let held: Option<SecurityGroup> = self.read_if_there(kind::SECURITY_GROUP, id).await?;
        let form = |rule: &Rule| marks::form(installation, &rule.name);
        let is_ours = |held: &SecurityGroup| {
            let is_foreign = |rule: &Rule| matches!(form(rule), None | Some(Form::Half));
            marks::is_own_group(installation, &held.tags())
                && !held.properties.security_rules.iter().any(is_foreign)
        };
        let wanted = match &held {
            Some(held) if !is_ours(held) => return Err(taken(&kind::SECURITY_GROUP.writing(), id)),
            Some(held) => {
                let closes = |rule: &&Rule| matches!(form(rule), Some(Form::Closed(..) | Form::Probes(_)));
                let closing = held.properties.security_rules.iter().filter(closes);
                let delete = closing.map(|rule| rule.name.clone()).collect();
                changed(held, &RuleChange { put: open, delete, flush: Flush::AsIs })
            }
            None => {
                let said = SecurityGroupProperties { security_rules: open, ..Default::default() };
                SecurityGroup::new(location, tags.clone(), said)
            }
        };
        if held.as_ref().is_some_and(|held| *held == wanted && is_settled(&held.properties.rest)) {
            return Ok(Written::default());
        }
        let etag = held.and_then(|held| held.etag);
        self.put(kind::SECURITY_GROUP, Shape::SecurityGroup, id, &wanted, etag.as_deref()).await
    }

    /// Puts a security group on an interface that has none; every other field of the interface stays.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is another one by now, or when somebody else is at work on the interface.
    pub async fn put_interface_group(
        &self,
        interface: &ArmId,
        group: &ArmId,
    ) -> Result<Written, ProviderError> {
        let action = kind::INTERFACE.writing();
        let _lock = self.locks.take(&[interface, group]).await;
        let held: Interface = self.read(kind::INTERFACE, interface).await?;
        let now = held.properties.network_security_group.as_ref().map(|reference| &reference.id);
        match now {
            Some(now) if now != group => {
                let message = format!("`{interface}` has another security group than was planned on");
                return Err(ProviderError::new(ErrorKind::Conflict, &action, message));
            }
            Some(_) if is_settled(&held.properties.rest) => return Ok(Written::default()),
            _ => {}
        }
        let mut wanted = held.clone();
        wanted.properties.network_security_group = Some(Reference::to(group));
        self.put(kind::INTERFACE, Shape::Interface, interface, &wanted, held.etag.as_deref()).await
    }
}

/// What a security group that may not be one of ours is refused with.
pub(crate) fn not_ours(id: &ArmId, owner: &Owner) -> ProviderError {
    let why = match owner {
        Owner::Suspect(why) => why.as_str(),
        Owner::Ours | Owner::Foreign => marks::TAKEN,
    };
    let mut error =
        ProviderError::new(ErrorKind::Conflict, &kind::SECURITY_GROUP.writing(), format!("`{id}`: {why}"));
    error.hint = "rename it, or delete it".to_owned();
    error
}
