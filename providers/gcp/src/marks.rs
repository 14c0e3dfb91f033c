//! Ownership marks: how a process with no memory knows which objects are ours.
//!
//! Firewalls, policies, their rules and tags have no labels, but all of them have a description. Ours begins with
//! `bulkhead installation=shop role=class-rule`, and whatever people may want to read follows after `; `. Objects that
//! have a name have one of ours as well. With one of the two an object is *suspect*: reported, never touched. A rule
//! inside a policy has no name that must be kept, so its description alone decides; a binding is ours if its tag value
//! is; a network tag of ours is a name of ours.
//!
//! INVARIANT: what another installation made is never ours, and a name is matched to its end.

use plan::Owner;

/// What descriptions of ours begin with.
const PREFIX: &str = "bulkhead installation=";
/// Hexadecimal digits of the hash in a name of ours.
pub const HASH_LENGTH: usize = 12;
/// Names are this long at most, and end with the hash and up to five letters more.
pub const NAME_LENGTH_MAX: usize = 63;
/// Descriptions are this long at most, in the kind that takes the least (tags).
pub const DESCRIPTION_LENGTH_MAX: usize = 256;

/// A name of ours: of a policy, a classic rule, a network tag, a tag key or value. `suffix` is the hash, and `-2`, `-3`,
/// … where names would collide.
pub fn owned_name(installation: &str, suffix: &str) -> String {
    format!("bulkhead-{installation}-{suffix}")
}

/// A description of ours, cut to what every kind takes.
pub fn description(installation: &str, role: &str, for_people: &str) -> String {
    let mark = format!("{PREFIX}{installation} role={role}");
    let text: String = for_people.chars().filter(|c| !c.is_control()).collect();
    let whole = if text.is_empty() { mark } else { format!("{mark}; {text}") };
    whole.chars().take(DESCRIPTION_LENGTH_MAX).collect()
}

/// What a description says: the installation and the role.
pub fn read(description: &str) -> Option<(&str, &str)> {
    let rest = description.strip_prefix(PREFIX)?;
    let mark = rest.split_once(';').map_or(rest, |(mark, _)| mark);
    let (installation, role) = mark.split_once(" role=")?;
    (!installation.is_empty() && !role.is_empty()).then_some((installation, role))
}

/// Whose an object with a name and a description is.
pub fn owner(installation: &str, name: &str, description: &str) -> Owner {
    match (is_name(installation, name), read(description)) {
        (true, Some((own, _))) if own == installation => Owner::Ours,
        (true, Some((other, _))) => {
            Owner::Suspect(format!("our name, but the mark of installation `{other}`"))
        }
        (true, None) => Owner::Suspect("our name, but no mark in the description".to_owned()),
        (false, Some((own, _))) if own == installation => {
            Owner::Suspect("our mark in the description, but not our name".to_owned())
        }
        (false, _) => Owner::Foreign,
    }
}

/// Whose a rule of a policy is: it has no name that must be kept.
pub fn owner_of_rule(installation: &str, description: &str) -> Owner {
    match read(description) {
        Some((own, _)) if own == installation => Owner::Ours,
        _ => Owner::Foreign,
    }
}

/// Whether a name is one that we give.
pub fn is_name(installation: &str, name: &str) -> bool {
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

    #[test]
    fn only_the_whole_mark_is_ours() {
        let (name, mark) = ("bulkhead-shop-0123456789ab", description("shop", "policy", "web; and db"));
        assert_eq!(mark, "bulkhead installation=shop role=policy; web; and db");
        for (name, text, expected) in [
            (name, mark.as_str(), "Ours"),
            ("bulkhead-shop-0123456789ab-2", mark.as_str(), "Ours"),
            (name, "", "Suspect(\"our name, but no mark in the description\")"),
            ("web", mark.as_str(), "Suspect(\"our mark in the description, but not our name\")"),
            (
                name,
                "bulkhead installation=shop-eu role=policy",
                "Suspect(\"our name, but the mark of installation `shop-eu`\")",
            ),
            ("bulkhead-shop-eu-0123456789ab", "bulkhead installation=shop-eu role=policy", "Foreign"),
            ("bulkhead-shop-0123456789ab-x", "", "Foreign"),
            ("web", "something", "Foreign"),
        ] {
            assert_eq!(format!("{:?}", owner("shop", name, text)), expected, "{name} {text}");
        }
    }

    #[test]
    fn a_rule_is_ours_by_its_description() {
        assert_eq!(owner_of_rule("shop", &description("shop", "class-rule", "")), Owner::Ours);
        for foreign in ["", "bulkhead", "bulkhead installation=shop", "x bulkhead installation=shop role=a"] {
            assert_eq!(owner_of_rule("shop", foreign), Owner::Foreign, "{foreign}");
        }
        assert_eq!(owner_of_rule("shop", &description("shop-eu", "class-rule", "")), Owner::Foreign);
    }

    #[test]
    fn a_description_fits_and_stays_on_one_line() {
        let long = description("shop", "class-rule", &"é\n".repeat(500));
        assert_eq!(long.chars().count(), DESCRIPTION_LENGTH_MAX);
        assert!(!long.contains('\n') && read(&long) == Some(("shop", "class-rule")));
    }
}
