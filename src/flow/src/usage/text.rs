//! Rule use in words.

use std::fmt::{self, Write};

use policy::Action;
use policy::label::describe;

use super::{Party, RuleUse, Usage};

/// So many pairs of a rule are shown; the rest is counted.
const PAIRS_SHOWN: usize = 5;

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels(labels) => f.write_str(&describe(labels)),
            Self::Addresses => f.write_str("addresses of a list"),
        }
    }
}

impl Usage {
    /// For a terminal: rules that carried nothing, rules that are wider than what was used, and the others.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let (unused, used): (Vec<&RuleUse>, _) = self.rules.iter().partition(|one| one.is_unused());
        let (wide, tight): (Vec<&RuleUse>, Vec<&RuleUse>) = used.into_iter().partition(|one| one.is_wide());
        let count = |rules: &[&RuleUse]| format!("{} of {} rules", rules.len(), self.rules.len());
        if !unused.is_empty() {
            line(&mut text, format_args!("{} carried nothing that was seen:", count(&unused)));
            unused.iter().for_each(|one| head(&mut text, one));
        }
        if !wide.is_empty() {
            line(&mut text, format_args!("{} are wider than what was used:", count(&wide)));
            wide.iter().for_each(|one| wide_text(&mut text, one));
        }
        if !tight.is_empty() {
            line(&mut text, format_args!("{} are used in full:", count(&tight)));
            for one in tight {
                head(&mut text, one);
                use_text(&mut text, one);
            }
        }
        text + &self.uncovered.to_text()
    }
}

fn head(text: &mut String, one: &RuleUse) {
    let action = match one.action {
        Action::Allow => "",
        Action::Deny => "deny ",
        Action::OverrideDeny => "override deny ",
    };
    let Some((source, destination)) = one.reach.first() else { return };
    let more = match one.reach.len() {
        0 | 1 => String::new(),
        2 => " and in 1 more scope".to_owned(),
        many => format!(" and in {} more scopes", many - 1),
    };
    let services = one.services.words();
    line(text, format_args!("  {action}{source} → {destination} on {services}{more} ({})", one.rule));
}

fn use_text(text: &mut String, one: &RuleUse) {
    if one.seen.rows > 0 {
        let alone = match one.alone {
            0 if one.action == Action::Allow => ", all of them by other rules too".to_owned(),
            some if one.action == Action::Allow && some < one.seen.connections => {
                format!(", {some} by no other rule")
            }
            _ => String::new(),
        };
        line(text, format_args!("    {}{alone}", one.seen));
    }
    if one.perhaps.rows > 0 {
        line(text, format_args!("    perhaps: {}", one.perhaps));
    }
}

fn wide_text(text: &mut String, one: &RuleUse) {
    head(text, one);
    use_text(text, one);
    if !one.unused.is_empty() {
        line(text, format_args!("    never used: {}", one.unused.words()));
    }
    let (possible, used) = one.pairs;
    if used < possible {
        line(text, format_args!("    never used: {} of {possible} label pairs", possible - used));
        for (source, destination) in one.unused_pairs.iter().take(PAIRS_SHOWN) {
            line(text, format_args!("      {source} → {destination}"));
        }
        if one.unused_pairs.len() > PAIRS_SHOWN {
            line(text, format_args!("      and {} more", one.unused_pairs.len() - PAIRS_SHOWN));
        }
    }
}

fn line(text: &mut String, what: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
