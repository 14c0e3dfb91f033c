//! The paths of Compute Engine's resources: what every form of a link comes to.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The path of a resource without host and version, such as `projects/p/global/networks/n`. Names are matched with
/// their case; projects are named by id as they were read, or by number where Google does so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ResourcePath(String);

impl ResourcePath {
    /// From a link of any form.
    pub fn new(link: &str) -> Self {
        let inside = match link.find("://").or_else(|| link.starts_with("//").then_some(0)) {
            // `https://host/compute/v1/projects/…` or `//compute.googleapis.com/projects/…`
            Some(_) => ["/projects/", "/locations/"]
                .iter()
                .filter_map(|word| link.find(word))
                .min()
                .and_then(|at| link.get(at + 1..))
                .unwrap_or(link),
            None => link.trim_start_matches('/'),
        };
        Self(inside.to_owned())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The link that requests name it by.
    pub fn link(&self) -> String {
        format!("https://www.googleapis.com/compute/v1/{}", self.0)
    }

    /// The project, or empty.
    pub fn project(&self) -> &str {
        self.after("projects").unwrap_or_default()
    }

    /// The same path in a project by another name.
    #[must_use]
    pub fn in_project(&self, project: &str) -> Self {
        let own = format!("projects/{}/", self.project());
        match self.0.strip_prefix(&own) {
            Some(rest) => Self(format!("projects/{project}/{rest}")),
            None => self.clone(),
        }
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The zone, if it is in one.
    pub fn zone(&self) -> Option<&str> {
        self.after("zones")
    }

    /// The region, if it is in one or in a zone of one.
    pub fn region(&self) -> Option<&str> {
        let of_zone = || self.zone()?.rsplit_once('-').map(|(region, _)| region);
        self.after("regions").or_else(of_zone)
    }

    /// The path without its last part.
    pub fn collection(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(collection, _)| collection)
    }

    fn after(&self, word: &str) -> Option<&str> {
        let mut parts = self.0.split('/');
        parts.find(|part| *part == word)?;
        parts.next().filter(|part| !part.is_empty())
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ResourcePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&Option::<String>::deserialize(deserializer)?.unwrap_or_default()))
    }
}

impl Serialize for ResourcePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.link())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_link_comes_to_its_path() {
        let path = "projects/p/zones/europe-west1-b/instances/i";
        for link in [
            "https://www.googleapis.com/compute/v1/projects/p/zones/europe-west1-b/instances/i",
            "https://compute.googleapis.com/compute/beta/projects/p/zones/europe-west1-b/instances/i",
            "http://127.0.0.1:1/compute.googleapis.com/compute/v1/projects/p/zones/europe-west1-b/instances/i",
            "//compute.googleapis.com/projects/p/zones/europe-west1-b/instances/i",
            "projects/p/zones/europe-west1-b/instances/i",
        ] {
            assert_eq!(ResourcePath::new(link).as_str(), path, "{link}");
        }
        let path = ResourcePath::new(path);
        assert_eq!((path.project(), path.name()), ("p", "i"));
        assert_eq!((path.zone(), path.region()), (Some("europe-west1-b"), Some("europe-west1")));
        assert_eq!(path.collection(), "projects/p/zones/europe-west1-b/instances");
        assert_eq!(path.in_project("q").project(), "q");
        let policy = "https://www.googleapis.com/compute/v1/locations/global/firewallPolicies/1";
        assert_eq!(ResourcePath::new(policy).as_str(), "locations/global/firewallPolicies/1");
        assert_eq!(ResourcePath::new("projects/p/global/networks/n").region(), None);
    }
}
