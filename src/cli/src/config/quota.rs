//! The section `quota` of a scope: quotas that the cloud has raised for the account, within what it ever raises them to.

use plan::{Cloud, Limits};
use policy::file::{Fields, Problems};

use super::place_of;

/// What AWS keeps rules per group times groups per interface at most.
const PRODUCT_MAX: u32 = 1_000;
/// What AWS raises groups per interface to at most.
const GROUPS_PER_INTERFACE_MAX: u32 = 16;

/// Quotas that are written; what is not is as the cloud says it, or its default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quota {
    /// Rules of one group in one direction, counted apart for each family.
    pub rules_per_group: Option<u32>,
    /// Groups on one interface.
    pub groups_per_interface: Option<u32>,
    /// Groups in the region.
    pub groups_per_region: Option<u32>,
}

impl Quota {
    /// The limits of a scope, from what was read.
    ///
    /// # Errors
    /// What is wrong, if no account can have them.
    pub fn over(&self, read: Limits) -> Result<Limits, String> {
        let limits = Limits {
            rules_per_group: self.rules_per_group.unwrap_or(read.rules_per_group),
            groups_per_interface: self.groups_per_interface.unwrap_or(read.groups_per_interface),
            groups_per_region: self.groups_per_region.unwrap_or(read.groups_per_region),
        };
        let (rules, groups) = (limits.rules_per_group, limits.groups_per_interface);
        if *self != Self::default() && rules.saturating_mul(groups) > PRODUCT_MAX {
            return Err(format!(
                "{rules} rules per group × {groups} groups per interface are over the {PRODUCT_MAX} that AWS allows"
            ));
        }
        Ok(limits)
    }
}

pub(super) fn read(problems: &mut Problems<'_>, fields: &Fields<'_>, cloud: Cloud) -> Quota {
    const KEYS: [&str; 3] = ["rules_per_group", "groups_per_interface", "groups_per_region"];
    let section = fields.get("quota");
    if let Some(node) = section.filter(|_| cloud != Cloud::Aws) {
        let hint = "leave the section out: only quotas that AWS has raised can be written yet";
        problems.report(node.place, "`quota` is for scopes on AWS", hint);
        return Quota::default();
    }
    let Some(fields) = section.and_then(|node| problems.fields(node, "`quota`", &KEYS)) else {
        return Quota::default();
    };
    let rules_per_group = number(problems, &fields, "rules_per_group", PRODUCT_MAX);
    let groups_per_interface = number(problems, &fields, "groups_per_interface", GROUPS_PER_INTERFACE_MAX);
    let groups_per_region = number(problems, &fields, "groups_per_region", u32::MAX);
    let quota = Quota { rules_per_group, groups_per_interface, groups_per_region };
    if let Err(message) = quota.over(Limits::default()) {
        let hint = "write what the account has: AWS raises one only where the other stays low enough";
        problems.report(fields.place, message, hint);
    }
    quota
}

fn number(problems: &mut Problems<'_>, fields: &Fields<'_>, key: &str, max: u32) -> Option<u32> {
    const HINT: &str = "write the whole number that the quota page of AWS shows for the account";
    let value: u32 = problems.parsed(fields, key, HINT)?;
    if (1..=max).contains(&value) {
        return Some(value);
    }
    let bound =
        if value == 0 { "below 1".to_owned() } else { format!("above {max}, the most that AWS gives") };
    problems.report(place_of(fields, key), format!("`{key}` cannot be {bound}"), HINT);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_counts_and_the_rest_is_as_it_was_read() {
        let read = Limits { groups_per_interface: 10, ..Limits::default() };
        let quota = Quota { rules_per_group: Some(100), ..Quota::default() };
        let expected = Limits { rules_per_group: 100, groups_per_interface: 10, groups_per_region: 2500 };
        assert_eq!(quota.over(read), Ok(expected));
        assert_eq!(Quota::default().over(read), Ok(read));
    }

    /// Only the account knows its groups per interface, if they are not written.
    #[test]
    fn what_no_account_can_have_is_refused_when_the_account_is_known() {
        let quota = Quota { rules_per_group: Some(200), ..Quota::default() };
        let read = |groups_per_interface| Limits { groups_per_interface, ..Limits::default() };
        assert!(quota.over(read(5)).is_ok());
        assert_eq!(
            quota.over(read(6)),
            Err("200 rules per group × 6 groups per interface are over the 1000 that AWS allows".to_owned())
        );
    }
}
