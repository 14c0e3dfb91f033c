//! What the driver is told besides where Google Cloud is.

use crate::band::Band;

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
}

impl GcpSettings {
    /// Priorities from one million: people keep what is above for rules that come before ours, and what is below.
    pub fn new(installation: &str) -> Self {
        Self {
            installation: installation.to_owned(),
            priorities: (1_000_000, 1_999_999),
            attributes_max: 4_000,
            tag_keys_max: 1_000,
        }
    }

    /// Our places in a policy.
    pub fn band(&self) -> Band {
        let (first, last) = self.priorities;
        Band { installation: self.installation.clone(), first, last, attributes_max: self.attributes_max }
    }
}
