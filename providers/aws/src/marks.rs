//! Ownership marks: how a process with no memory knows which groups are ours.
//!
//! A group of ours has a name with our prefix and two tags. With the prefix and one right tag it is still ours,
//! and the other tag is drift. With less it is *suspect*: reported, never touched.

use std::collections::BTreeMap;

use plan::Owner;

/// Says which installation made the object.
pub const INSTALLATION_TAG: &str = "bulkhead:installation";
/// Says what the object is for.
pub const ROLE_TAG: &str = "bulkhead:role";
/// The role of every group that we make.
pub const CLASS_GROUP: &str = "class-group";

/// A name of ours.
pub fn owned_name(installation: &str, suffix: &str) -> String {
    format!("bulkhead-{installation}-{suffix}")
}

/// The tags that an object of ours carries.
pub fn tags(installation: &str, name: &str, extra: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut tags = extra.clone();
    tags.insert("Name".to_owned(), name.to_owned());
    tags.insert(INSTALLATION_TAG.to_owned(), installation.to_owned());
    tags.insert(ROLE_TAG.to_owned(), CLASS_GROUP.to_owned());
    tags
}

/// Whose a group is, and which of our tags on it are not as they should be.
pub fn owner(
    installation: &str,
    name: &str,
    found: &BTreeMap<String, String>,
    extra: &BTreeMap<String, String>,
) -> (Owner, BTreeMap<String, String>) {
    let prefix = name.starts_with(&owned_name(installation, ""));
    let installed = found.get(INSTALLATION_TAG).is_some_and(|value| value == installation);
    let role = found.get(ROLE_TAG).is_some_and(|value| value == CLASS_GROUP);
    match (prefix, installed, role) {
        (true, true, _) | (true, false, true) => {
            let wanted = tags(installation, name, extra);
            let wrong = wanted.into_iter().filter(|(key, value)| found.get(key) != Some(value));
            let drift =
                wrong.map(|(key, _)| (key.clone(), found.get(&key).cloned().unwrap_or_default())).collect();
            (Owner::Ours, drift)
        }
        (true, false, false) => {
            (Owner::Suspect("our name, but none of our tags".to_owned()), BTreeMap::new())
        }
        (false, true, _) => {
            (Owner::Suspect("our installation tag, but not our name".to_owned()), BTreeMap::new())
        }
        (false, false, _) => (Owner::Foreign, BTreeMap::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, found: &[(&str, &str)], expected: &str) {
        let found = found.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (owner, drift) = owner("shop", name, &found, &BTreeMap::new());
        assert_eq!(format!("{owner:?} {:?}", drift.keys().collect::<Vec<_>>()), expected);
    }

    #[test]
    fn only_the_whole_mark_is_ours() {
        let whole = [("Name", "bulkhead-shop-a"), (INSTALLATION_TAG, "shop"), (ROLE_TAG, CLASS_GROUP)];
        check("bulkhead-shop-a", &whole, "Ours []");
        check("bulkhead-shop-a", &whole[..2], "Ours [\"bulkhead:role\"]");
        check("bulkhead-shop-a", &[(ROLE_TAG, CLASS_GROUP)], "Ours [\"Name\", \"bulkhead:installation\"]");
        check("bulkhead-shop-a", &[], "Suspect(\"our name, but none of our tags\") []");
        check("web", &whole, "Suspect(\"our installation tag, but not our name\") []");
        check("bulkhead-other-a", &[(INSTALLATION_TAG, "other"), (ROLE_TAG, CLASS_GROUP)], "Foreign []");
        check("web", &[], "Foreign []");
    }
}
