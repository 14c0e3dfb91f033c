//! What the driver is told besides where ARM is.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Attachment, ScopeId};

use crate::band::Band;
use crate::write::Flush;

/// Where security groups are made that are not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OwnGroups {
    /// On subnets without one.
    #[default]
    Subnet,
    /// On interfaces that have none on their path.
    Interface,
    /// Nowhere: such interfaces are uncovered.
    None,
}

/// Settings of the driver; the same for every scope of an installation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AzureSettings {
    /// The ownership mark.
    pub installation: String,
    /// Tags for every application security group that we make.
    pub extra_tags: BTreeMap<String, String>,
    /// The first and last priority of our allow rules, within 100 and 3999.
    pub priorities: (u32, u32),
    /// What happens to open connections when a rule of ours goes.
    pub flush: Flush,
    /// Whether health probes of load balancers (168.63.129.16) reach closed interfaces, whatever the policy says:
    /// without them a load balancer takes every machine behind it for dead.
    pub keeps_probes: bool,
    /// Where we make security groups.
    pub own_groups: OwnGroups,
    /// The scopes with `attachment: exclusive`.
    pub exclusive: BTreeSet<ScopeId>,
}

impl AzureSettings {
    /// Priorities 1000 to 3999: people keep 100 to 999 for rules above ours.
    pub fn new(installation: &str) -> Self {
        Self {
            installation: installation.to_owned(),
            extra_tags: BTreeMap::new(),
            priorities: (1000, 3999),
            flush: Flush::AsIs,
            keeps_probes: true,
            own_groups: OwnGroups::default(),
            exclusive: BTreeSet::new(),
        }
    }

    /// Our places in every list, for a scope; for one that is not known, as for an additive one.
    pub fn band_of(&self, scope: Option<&ScopeId>) -> Band {
        let (first, last) = self.priorities;
        let is_exclusive = scope.is_some_and(|scope| self.exclusive.contains(scope));
        Band {
            installation: self.installation.clone(),
            first: first.max(100),
            last: last.min(3999),
            attachment: if is_exclusive { Attachment::Exclusive } else { Attachment::Additive },
            keeps_probes: self.keeps_probes,
        }
    }
}
