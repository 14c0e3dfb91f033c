//! ARM ids, compared as ARM compares them: without letter case.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::resources::Rest;
use crate::resources::kept::kept;

/// The id of a resource, with the spelling that it came in; cheap to clone.
#[derive(Clone, Default)]
pub struct ArmId {
    text: Arc<str>,
    key: Arc<str>,
}

impl ArmId {
    /// An id by its text.
    pub fn new(text: &str) -> Self {
        let text: Arc<str> = Arc::from(text);
        if !text.is_ascii() {
            return Self { key: text.to_lowercase().into(), text };
        }
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Self { key: text.clone(), text };
        }
        let mut key: Arc<str> = Arc::from(&*text);
        if let Some(key) = Arc::get_mut(&mut key) {
            key.make_ascii_lowercase();
        }
        Self { text, key }
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In lower case: what ids are compared by.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key, shared: the text of the ids that `plan` and `policy` know things by.
    pub fn shared(&self) -> Arc<str> {
        self.key.clone()
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

    /// The key of [`ArmId::parent`].
    pub fn parent_key(&self) -> Option<&str> {
        self.key.rsplitn(3, '/').nth(2).filter(|key| !key.is_empty())
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
        struct Text;
        impl Visitor<'_> for Text {
            type Value = ArmId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a resource")
            }

            fn visit_str<E>(self, text: &str) -> Result<ArmId, E> {
                Ok(ArmId::new(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A reference to a resource.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Reference<R = Rest> {
    /// What is referred to.
    #[serde(skip_serializing_if = "ArmId::is_empty")]
    pub id: ArmId,
    /// Everything else: the cloud sometimes shows the whole resource here.
    #[serde(flatten)]
    pub rest: R,
}

kept!(Reference { id: "id" });

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
