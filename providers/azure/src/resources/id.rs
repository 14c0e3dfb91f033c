//! ARM ids, compared as ARM compares them: without letter case.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::resources::Rest;

/// The id of a resource, with the spelling that it came in.
#[derive(Clone, Default)]
pub struct ArmId {
    text: String,
    key: String,
}

impl ArmId {
    /// An id by its text.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), key: text.to_lowercase() }
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In lower case: what ids are compared by.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Its own name: the last part.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The subscription, in lower case; empty if it is in none.
    pub fn subscription(&self) -> &str {
        self.after("subscriptions")
    }

    /// The resource group, in lower case; empty if it is in none.
    pub fn resource_group(&self) -> &str {
        self.after("resourcegroups")
    }

    /// The id of its resource group.
    pub fn resource_group_id(&self) -> Option<Self> {
        let mut ends = self.text.match_indices('/').map(|(at, _)| at).chain([self.text.len()]);
        let end = ends.nth(4)?;
        let is_in_group = !self.resource_group().is_empty();
        self.text.get(..end).filter(|_| is_in_group).map(Self::new)
    }

    /// The id of the resource that it is a part of: without its last type and name.
    pub fn parent(&self) -> Option<Self> {
        self.text.rsplitn(3, '/').nth(2).filter(|text| !text.is_empty()).map(Self::new)
    }

    /// A part of this resource.
    #[must_use]
    pub fn part(&self, kind: &str, name: &str) -> Self {
        Self::new(&format!("{}/{kind}/{name}", self.text))
    }

    /// Its type in lower case without the name space, such as `networksecuritygroups/securityrules`.
    pub fn kind(&self) -> String {
        let Some((_, tail)) = self.key.rsplit_once("/providers/") else { return String::new() };
        let words: Vec<&str> = tail.split('/').skip(1).step_by(2).collect();
        words.join("/")
    }

    fn after(&self, word: &str) -> &str {
        let mut parts = self.key.split('/').skip_while(|part| *part != word);
        parts.nth(1).unwrap_or_default()
    }
}

impl PartialEq for ArmId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ArmId {}

impl PartialOrd for ArmId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ArmId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for ArmId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ArmId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ArmId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

/// A reference to a resource.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Reference {
    /// What is referred to.
    #[serde(
        default,
        deserialize_with = "crate::resources::null_as_default",
        skip_serializing_if = "ArmId::is_empty"
    )]
    pub id: ArmId,
    /// Everything else: the cloud sometimes shows the whole resource here.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Reference {
    /// A reference by id.
    pub fn to(id: &ArmId) -> Self {
        Self { id: id.clone(), rest: Rest::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_where_it_is() {
        let group = "/subscriptions/S-1/resourceGroups/RG";
        let rule = ArmId::new(&format!(
            "{group}/providers/Microsoft.Network/networkSecurityGroups/N/securityRules/r"
        ));
        assert_eq!((rule.subscription(), rule.resource_group(), rule.name()), ("s-1", "rg", "r"));
        assert_eq!(rule.resource_group_id(), Some(ArmId::new(&group.to_uppercase())));
        assert_eq!(rule.kind(), "networksecuritygroups/securityrules");
        let parent = rule.parent();
        assert_eq!(parent.as_ref().map(ArmId::name), Some("N"));
        assert_eq!(parent.map(|nsg| nsg.part("securityRules", "R")), Some(rule));
        assert_eq!(ArmId::new(group).resource_group_id(), Some(ArmId::new(group)));
        assert_eq!(ArmId::new("/subscriptions/s").resource_group_id(), None);
        assert_eq!(ArmId::new("/subscriptions/s").kind(), "");
    }
}
