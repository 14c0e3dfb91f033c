//! What the driver is told besides where Google Cloud is.

use crate::band::Band;

/// What says who is in a class, and where its rules are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Identity {
    /// Secure tags, and rules in a firewall policy of each network.
    #[default]
    SecureTags,
    /// Network tags, and classic rules of each network: for projects in which no secure tags may be made. Whoever may edit an
    /// instance may put it into a class.
    NetworkTags,
}

/// Settings of the driver; the same for every scope of an installation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GcpSettings {
    /// The ownership mark.
    pub installation: String,
    /// The first and last priority of our allow rules in our policies. Our denies take the hundred after it.
    pub priorities: (u32, u32),
    /// Attributes that the rules of one policy may have together.
    pub attributes_max: usize,
    /// Tag keys that we may have in a project: no interface of Google's tells, and keys of others are not seen.
    pub tag_keys_max: u32,
    /// What stands for classes.
    pub identity: Identity,
    /// The priorities of our allow rules and of our denies, where they are classic rules: the first below the second.
    pub classic_priorities: (u32, u32),
    /// Classic rules that a project may have (its quota `FIREWALLS`).
    pub classic_rules_max: usize,
}

impl GcpSettings {
    /// Priorities from one million: people keep what is above for rules that come before ours, and what is below. Among
    /// classic rules ours come before those that people wrote without thinking of a priority, which have 1000, so that
    /// our denies close what these open; 100 rules is what projects have that never asked for more.
    pub fn new(installation: &str) -> Self {
        Self {
            installation: installation.to_owned(),
            priorities: (1_000_000, 1_999_999),
            attributes_max: 4_000,
            tag_keys_max: 1_000,
            identity: Identity::SecureTags,
            classic_priorities: (800, 801),
            classic_rules_max: 100,
        }
    }

    /// Our places in a policy, or among classic rules.
    pub fn band(&self) -> Band {
        let (first, last) = match (self.identity, self.classic_priorities) {
            (Identity::SecureTags, _) => self.priorities,
            (Identity::NetworkTags, (allows, denies)) => (allows, denies.saturating_sub(1)),
        };
        let identity = self.identity;
        let installation = self.installation.clone();
        Band { installation, identity, first, last, attributes_max: self.attributes_max }
    }
}
