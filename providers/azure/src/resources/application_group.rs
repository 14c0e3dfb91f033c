//! Application security groups: names that interfaces carry and rules refer to.

use serde::{Deserialize, Serialize};

use crate::resources::{Rest, Tracked};

/// An application security group.
pub type ApplicationGroup = Tracked<ApplicationGroupProperties>;

/// An application security group holds nothing but its name; its members say that they are in it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApplicationGroupProperties {
    /// What the cloud shows.
    pub rest: Rest,
}
