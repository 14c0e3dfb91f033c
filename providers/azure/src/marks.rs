//! Ownership marks: how a process with no memory knows which rules and application security groups are ours.
//!
//! Rules have no tags: a name that we give, to its last letter, is the whole mark. An application security group has a
//! name of ours and tags. What is marked by half is *suspect*: reported, never touched.
//!
//! INVARIANT: what another installation made is never ours, also where its name begins with our prefix
//! (`bulkhead-shop-` and `bulkhead-shop-eu-…`).

use std::collections::BTreeMap;

use plan::{Attachment, Direction, Owner};

use crate::resources::ArmId;

/// Says which installation made the object.
pub const INSTALLATION_TAG: &str = "bulkhead:installation";
/// Says what the object is for.
pub const ROLE_TAG: &str = "bulkhead:role";
/// Says which virtual network the members are in: `RESOURCE GROUP/NAME`, in lower case.
pub const NETWORK_TAG: &str = "bulkhead:network";
/// The role of an application security group of a class.
pub const CLASS_GROUP: &str = "class-group";
/// The role of an application security group of interfaces that are closed.
pub const CLOSED_GROUP: &str = "closed-group";
/// The role of a security group that we make where there is none.
pub const OWN_GROUP: &str = "own-group";
/// Why a security group with a name that ours would have is suspect.
pub const TAKEN: &str = "its name is that of one of ours, and it, or a rule in it, is somebody else's";
/// The rule of a security group of ours that lets the virtual network in.
pub const OPEN_NEAR: &str = "open-near";
/// The rule of a security group of ours that keeps the internet out.
pub const SHUT_FAR: &str = "shut-far";
/// What a security group that we would make is for, before its place.
const TO_MAKE: &str = "to be made for ";
/// Why a rule of ours is suspect whose last write has not ended well: interfaces may not have heard of it.
pub const UNSETTLED: &str = "its last write has not ended well";

/// What all names of ours begin with, of every installation.
const PREFIX: &str = "bulkhead-";
/// Hexadecimal digits of the hash in a name of a class group or of a rule.
pub const HASH_LENGTH: usize = 12;
/// Closed in an additive scope: the deny comes after what others allow.
const CLOSED: &str = "closed";
/// Closed in an exclusive scope: what others allow comes after the deny.
const SEALED: &str = "sealed";
/// Hexadecimal digits of the network in a name.
const NETWORK_LENGTH: usize = 8;

/// What a name of ours says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A class group, or an allow rule.
    Hashed,
    /// What closes interfaces, in scopes with this attachment.
    Closed(Attachment, Direction),
    /// A rule that lets the platform's health probes through to closed interfaces.
    Probes(Attachment),
    /// A rule of a security group of ours that lets pass what passes without one.
    Open(Direction),
    /// Our prefix, and then nothing that we write.
    Half,
}

/// A name of ours.
pub fn owned_name(installation: &str, suffix: &str) -> String {
    format!("{PREFIX}{installation}-{suffix}")
}

/// The first digits of a hash, in hexadecimal.
pub fn digits(text: &str, length: usize) -> String {
    blake3::hash(text.as_bytes()).to_hex().chars().take(length).collect()
}

/// The name of the group of closed interfaces of a virtual network, and of the rules that close them: two kinds, as
/// their rules stand in two places of a list, and one list may serve scopes of both.
pub fn closed_name(
    installation: &str,
    network: &str,
    attachment: Attachment,
    direction: Direction,
) -> String {
    let state = if attachment == Attachment::Exclusive { SEALED } else { CLOSED };
    let word = if direction == Direction::Ingress { "in" } else { "out" };
    owned_name(installation, &format!("{state}-{word}-{}", digits(network, NETWORK_LENGTH)))
}

/// The name of the rule that lets health probes through to the closed interfaces of a virtual network.
pub fn probes_name(installation: &str, network: &str, attachment: Attachment) -> String {
    let word = if attachment == Attachment::Exclusive { "sealed-probe" } else { "probes" };
    owned_name(installation, &format!("{word}-{}", digits(network, NETWORK_LENGTH)))
}

/// The name of the rule of a security group of ours that lets the rest pass.
pub fn open_name(installation: &str, direction: Direction) -> String {
    owned_name(installation, if direction == Direction::Ingress { "open-in" } else { "open-out" })
}

/// The name of the security group that we make for a place: a subnet, or an interface.
pub fn own_group_name(installation: &str, place: &ArmId) -> String {
    owned_name(installation, &digits(place.key(), HASH_LENGTH))
}

/// Whose a security group is that is not on its place yet: it says which place that is.
pub fn to_make(place: &ArmId) -> Owner {
    Owner::Suspect(format!("{TO_MAKE}{place}"))
}

/// The place of a security group that is not there yet, or not on it; none for others.
pub fn place_to_make(owner: &Owner) -> Option<ArmId> {
    match owner {
        Owner::Suspect(why) => why.strip_prefix(TO_MAKE).map(ArmId::new),
        Owner::Ours | Owner::Foreign => None,
    }
}

/// Whether tags are those of a security group that we made.
pub fn is_own_group(installation: &str, tags: &BTreeMap<String, String>) -> bool {
    let has = |key: &str, value: &str| tags.get(key).is_some_and(|found| found == value);
    has(INSTALLATION_TAG, installation) && has(ROLE_TAG, OWN_GROUP)
}

/// What a name says, if it begins as ours do and is not one of another installation.
pub fn form(installation: &str, name: &str) -> Option<Form> {
    let rest = strip(strip(strip(name, PREFIX)?, installation)?, "-")?;
    // Nearly all names of ours; every rule of every list is asked.
    if rest.len() == HASH_LENGTH && rest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(Form::Hashed);
    }
    let rest = rest.to_lowercase();
    let parts: Vec<&str> = rest.split('-').collect();
    let exact = exact_form(&parts);
    let is_anothers =
        (1..parts.len()).any(|from| exact_form(parts.get(from..).unwrap_or_default()).is_some());
    match exact {
        Some(form) => Some(form),
        None if is_anothers => None,
        None => Some(Form::Half),
    }
}

/// What follows a beginning, letter case aside.
fn strip<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then_some(tail)
}

fn exact_form(parts: &[&str]) -> Option<Form> {
    /// Far above any real number, and far below the length of a hash.
    const DIGITS_MAX: usize = 4;
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    };
    let is_number = |part: &&str| {
        (1..=DIGITS_MAX).contains(&part.len())
            && !part.starts_with('0')
            && part.chars().all(|c| c.is_ascii_digit())
    };
    // INVARIANT: no tail of a form is a form, or an installation's names could be read as another's.
    match parts {
        [state, way, network] if is_hex(network, NETWORK_LENGTH) => {
            let attachment = match *state {
                CLOSED => Attachment::Additive,
                SEALED => Attachment::Exclusive,
                _ => return None,
            };
            match *way {
                "in" => Some(Form::Closed(attachment, Direction::Ingress)),
                "out" => Some(Form::Closed(attachment, Direction::Egress)),
                "probe" if attachment == Attachment::Exclusive => Some(Form::Probes(attachment)),
                _ => None,
            }
        }
        ["open", "near"] | ["shut", "far"] => Some(Form::Open(Direction::Ingress)),
        ["open", "in"] => Some(Form::Open(Direction::Ingress)),
        ["open", "out"] => Some(Form::Open(Direction::Egress)),
        ["probes", network] if is_hex(network, NETWORK_LENGTH) => Some(Form::Probes(Attachment::Additive)),
        [hash, numbers @ ..] if is_hex(hash, HASH_LENGTH) && numbers.iter().all(is_number) => {
            Some(Form::Hashed)
        }
        _ => None,
    }
}

/// Whose a rule is, by its name and whether its last write has ended well. What lets health probes through is the
/// platform's, and what a security group of ours ends with stands for none at all: no policy asks for either, both count
/// as foreign, and the proof shows them as exposure.
pub fn rule_owner(installation: &str, name: &str, is_settled: bool) -> Owner {
    match form(installation, name) {
        None => Owner::Foreign,
        Some(Form::Half) => Owner::Suspect("our prefix, but not a name that we give".to_owned()),
        Some(Form::Probes(_) | Form::Open(_)) if is_settled => Owner::Foreign,
        Some(_) if is_settled => Owner::Ours,
        Some(_) => Owner::Suspect(UNSETTLED.to_owned()),
    }
}

/// What the network tag says of a virtual network.
pub fn network_word(network: &ArmId) -> String {
    format!("{}/{}", network.resource_group(), network.name().to_lowercase())
}

/// The tags that an application security group of ours carries.
pub fn tags(
    installation: &str,
    role: &str,
    network: &ArmId,
    extra: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut tags = extra.clone();
    tags.insert(INSTALLATION_TAG.to_owned(), installation.to_owned());
    tags.insert(ROLE_TAG.to_owned(), role.to_owned());
    tags.insert(NETWORK_TAG.to_owned(), network_word(network));
    tags
}

/// Whose an application security group is, and which of our tags on it are not as they should be. `wanted` are the tags
/// that it should carry.
pub fn group_owner(
    installation: &str,
    name: &str,
    found: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> (Owner, BTreeMap<String, String>) {
    let named = matches!(form(installation, name), Some(Form::Hashed | Form::Closed(..)));
    let has = |key: &str| found.get(key).is_some() && found.get(key) == wanted.get(key);
    let suspect = |why: String| (Owner::Suspect(why), BTreeMap::new());
    match (named, found.get(INSTALLATION_TAG)) {
        (true, Some(other)) if other != installation => {
            suspect(format!("our name, but the tag of installation `{other}`"))
        }
        (true, None) if !has(ROLE_TAG) => suspect("our name, but none of our tags".to_owned()),
        (true, _) => {
            let wrong = wanted.iter().filter(|(key, value)| found.get(*key) != Some(value));
            let drift = wrong.map(|(key, _)| (key.clone(), found.get(key).cloned().unwrap_or_default()));
            (Owner::Ours, drift.collect())
        }
        (false, Some(tagged)) if tagged == installation => {
            suspect("our installation tag, but not our name".to_owned())
        }
        (false, _) => (Owner::Foreign, BTreeMap::new()),
    }
}

#[cfg(test)]
mod tests {
    use plan::Attachment::{Additive, Exclusive};

    use super::*;

    #[test]
    fn only_a_whole_name_is_ours() {
        for (name, expected) in [
            ("bulkhead-shop-0123456789ab", Some(Form::Hashed)),
            ("Bulkhead-Shop-0123456789AB-2", Some(Form::Hashed)),
            ("bulkhead-shop-closed-in-01234567", Some(Form::Closed(Additive, Direction::Ingress))),
            ("bulkhead-shop-closed-out-01234567", Some(Form::Closed(Additive, Direction::Egress))),
            ("bulkhead-shop-probes-01234567", Some(Form::Probes(Additive))),
            ("bulkhead-shop-sealed-in-01234567", Some(Form::Closed(Exclusive, Direction::Ingress))),
            ("bulkhead-shop-sealed-out-01234567", Some(Form::Closed(Exclusive, Direction::Egress))),
            ("bulkhead-shop-sealed-probe-01234567", Some(Form::Probes(Exclusive))),
            ("bulkhead-shop-closed-probe-01234567", Some(Form::Half)),
            ("bulkhead-shop-open-in", Some(Form::Open(Direction::Ingress))),
            ("bulkhead-shop-eu-open-out", None),
            ("bulkhead-shop-eu-sealed-probe-01234567", None),
            ("bulkhead-shop-web", Some(Form::Half)),
            ("bulkhead-shop-", Some(Form::Half)),
            ("bulkhead-shop-0123456789ab-x", Some(Form::Half)),
            ("bulkhead-shop-eu-0123456789ab", None),
            ("bulkhead-shop-eu-closed-in-01234567", None),
            ("bulkhead-shop2-0123456789ab", None),
            ("web", None),
        ] {
            assert_eq!(form("shop", name), expected, "{name}");
        }
    }

    #[test]
    fn names_that_we_give_are_whole() {
        for attachment in [Additive, Exclusive] {
            let named = closed_name("shop", "/subscriptions/s/x", attachment, Direction::Egress);
            assert_eq!(form("shop", &named), Some(Form::Closed(attachment, Direction::Egress)));
            assert!(named.len() <= 80);
            let named = probes_name("shop", "/subscriptions/s/x", attachment);
            assert_eq!(form("shop", &named), Some(Form::Probes(attachment)));
        }
    }

    #[test]
    fn half_a_mark_on_a_group_is_suspect() {
        let wanted = tags(
            "shop",
            CLASS_GROUP,
            &ArmId::new("/subscriptions/s/resourceGroups/RG/x/V"),
            &BTreeMap::new(),
        );
        let check = |name: &str, found: &[(&str, &str)], expected: &str| {
            let found = found.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let (owner, drift) = group_owner("shop", name, &found, &wanted);
            assert_eq!(format!("{owner:?} {:?}", drift.keys().collect::<Vec<_>>()), expected, "{name}");
        };
        let name = "bulkhead-shop-0123456789ab";
        let all = [(INSTALLATION_TAG, "shop"), (ROLE_TAG, CLASS_GROUP), (NETWORK_TAG, "rg/v")];
        check(name, &all, "Ours []");
        check(name, &all[..2], "Ours [\"bulkhead:network\"]");
        check(name, &all[1..], "Ours [\"bulkhead:installation\"]");
        check(name, &[], "Suspect(\"our name, but none of our tags\") []");
        check("web", &all, "Suspect(\"our installation tag, but not our name\") []");
        check("web", &[], "Foreign []");
    }
}
