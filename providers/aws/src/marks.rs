//! Ownership marks: how a process with no memory knows which groups are ours.
//!
//! A group of ours has a name of ours and two tags. With the name and one right tag it is still ours, and the other
//! tag is drift. With less it is *suspect*: reported, never touched.
//!
//! INVARIANT: what another installation made is never ours. Its name may begin with our prefix (`bulkhead-shop-` and
//! `bulkhead-shop-eu-…`), so a name is matched to its end; and a tag with another installation's value ends the matter.

use std::collections::BTreeMap;

use plan::Owner;

/// Says which installation made the object.
pub const INSTALLATION_TAG: &str = "bulkhead:installation";
/// Says what the object is for.
pub const ROLE_TAG: &str = "bulkhead:role";
/// The role of every group that we make.
pub const CLASS_GROUP: &str = "class-group";

/// Hexadecimal digits of the hash in a name of ours.
pub const HASH_LENGTH: usize = 12;

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
    let named = is_name(installation, name);
    let role = found.get(ROLE_TAG).is_some_and(|value| value == CLASS_GROUP);
    let suspect = |why: String| (Owner::Suspect(why), BTreeMap::new());
    match (named, found.get(INSTALLATION_TAG)) {
        (true, Some(other)) if other != installation => {
            suspect(format!("our name, but the tag of installation `{other}`"))
        }
        (true, None) if !role => suspect("our name, but none of our tags".to_owned()),
        (true, _) => {
            let wanted = tags(installation, name, extra);
            let wrong = wanted.into_iter().filter(|(key, value)| found.get(key) != Some(value));
            let drift =
                wrong.map(|(key, _)| (key.clone(), found.get(&key).cloned().unwrap_or_default())).collect();
            (Owner::Ours, drift)
        }
        (false, Some(tagged)) if tagged == installation => {
            suspect("our installation tag, but not our name".to_owned())
        }
        (false, _) => (Owner::Foreign, BTreeMap::new()),
    }
}

/// Whether a name is one that we give: the prefix, the hash, and `-2`, `-3`, … where names would have collided.
fn is_name(installation: &str, name: &str) -> bool {
    /// Far above any real number, and far below the length of a hash: no name of another installation fits.
    const DIGITS_MAX: usize = 4;
    let Some(rest) = name.strip_prefix(&owned_name(installation, "")) else { return false };
    let mut parts = rest.split('-');
    let hash = parts.next().unwrap_or_default();
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let is_number = |part: &str| {
        (1..=DIGITS_MAX).contains(&part.len())
            && !part.starts_with('0')
            && part.chars().all(|c| c.is_ascii_digit())
    };
    hash.len() == HASH_LENGTH && hash.chars().all(is_hex) && parts.all(is_number)
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
        let name = "bulkhead-shop-0123456789ab";
        let whole = [("Name", name), (INSTALLATION_TAG, "shop"), (ROLE_TAG, CLASS_GROUP)];
        check(name, &whole, "Ours []");
        check(name, &whole[..2], "Ours [\"bulkhead:role\"]");
        check(name, &[(ROLE_TAG, CLASS_GROUP)], "Ours [\"Name\", \"bulkhead:installation\"]");
        check(name, &[], "Suspect(\"our name, but none of our tags\") []");
        check("web", &whole, "Suspect(\"our installation tag, but not our name\") []");
        check(
            "bulkhead-other-0123456789ab",
            &[(INSTALLATION_TAG, "other"), (ROLE_TAG, CLASS_GROUP)],
            "Foreign []",
        );
        check("web", &[], "Foreign []");
    }

    #[test]
    fn the_groups_of_another_installation_are_never_ours() {
        let other = [(INSTALLATION_TAG, "shop-eu"), (ROLE_TAG, CLASS_GROUP)];
        for name in ["bulkhead-shop-eu-0123456789ab", "bulkhead-shop-eu-0123456789ab-2"] {
            check(name, &other, "Foreign []");
            check(name, &[(ROLE_TAG, CLASS_GROUP)], "Foreign []");
            check(name, &[], "Foreign []");
        }
        check(
            "bulkhead-shop-0123456789ab",
            &other,
            "Suspect(\"our name, but the tag of installation `shop-eu`\") []",
        );
        // An installation may even be named after a hash of ours.
        check("bulkhead-shop-0123456789ab-ba9876543210", &other, "Foreign []");
        check("bulkhead-shop-0123456789ab-123456789012", &[], "Foreign []");
    }

    #[test]
    fn a_name_of_ours_is_matched_to_its_end() {
        for name in ["0123456789ab", "0123456789ab-2", "0123456789ab-2-13"] {
            assert!(is_name("shop", &owned_name("shop", name)), "{name}");
        }
        for name in [
            "",
            "0123456789a",
            "0123456789abc",
            "0123456789AB",
            "0123456789ag",
            "0123456789ab-",
            "0123456789ab-x",
            "0123456789ab-02",
        ] {
            assert!(!is_name("shop", &owned_name("shop", name)), "{name}");
        }
        assert!(!is_name("shop", "bulkhead-Shop-0123456789ab") && !is_name("shop", "0123456789ab"));
    }
}
