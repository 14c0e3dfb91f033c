//! A suggestion in words, and as a diff.

use std::fmt::{self, Write};

use policy::ServiceSet;
use policy::label::describe;

use super::{Reason, RuleEnd, Suggestion};

/// So many lines are shown of each list; the rest is counted.
const LISTED_MAX: usize = 40;

impl fmt::Display for RuleEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels(labels) => f.write_str(&describe(labels)),
            Self::Any => f.write_str("all workloads"),
            Self::List(name) => write!(f, "list {name}"),
            Self::Hosts(hosts) => match hosts.first() {
                Some(only) if hosts.len() == 1 => write!(f, "{}", crate::replay::Who::Address(*only)),
                _ => write!(f, "{} addresses", hosts.len()),
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorkload => f.write_str("neither end is a workload"),
            Self::OverrideDeny(rule) => {
                write!(f, "no rule can let it pass while override deny {rule} stands")
            }
            Self::Gone => f.write_str("no workload has the labels of an end any more"),
            Self::NoLabel => f.write_str("an end has none of the labels that rules may name"),
            Self::Label(label) => write!(f, "a policy file cannot hold `{label}`"),
            Self::Address => f.write_str("an end is an address, and rules may not name addresses"),
            Self::NoList => f.write_str("no IP list of the policy holds the address"),
            Self::Dropped(source, destination) => {
                write!(f, "the narrowest rule would let in {source} → {destination}, which is dropped")
            }
            Self::Wide(1) => f.write_str("the narrowest rule would admit a pair that was never seen"),
            Self::Wide(pairs) => {
                write!(f, "the narrowest rule would admit {pairs} pairs that were never seen")
            }
            Self::NotReached(why) => write!(f, "no rule by labels does it everywhere: {why}"),
        }
    }
}

impl Suggestion {
    /// For a terminal: the rules by labels, what they admit beside the chosen flows, what stays uncovered.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let count = self.rules.len();
        if count > 0 {
            let smallest = if self.is_smallest {
                "fewer cannot do it".to_owned()
            } else {
                format!("{} are needed at least", self.rules_min)
            };
            line(&mut text, format_args!("{count} rule{} would let it pass ({smallest}):", s(count)));
        }
        for rule in &self.rules {
            let services: ServiceSet = rule.services.iter().map(|&one| ServiceSet::point(one)).collect();
            line(&mut text, format_args!("+ {} → {} on {services}", rule.source, rule.destination));
            line(&mut text, format_args!("    {}", rule.seen));
        }
        if self.allowed.rows > 0 {
            line(&mut text, format_args!("allowed already: {}", self.allowed));
        }
        if self.widening_count > 0 {
            let pairs = format!("{} label pair{}", self.widening_count, s(self.widening_count as usize));
            line(&mut text, format_args!("they admit {pairs} beside what was chosen:"));
            for one in self.widening.iter().take(LISTED_MAX) {
                line(&mut text, format_args!("  {} → {} on {}", one.source, one.destination, one.services));
            }
            more(&mut text, self.widening_count);
        }
        if !self.uncovered.is_empty() {
            let count = self.uncovered.len();
            line(
                &mut text,
                format_args!("{count} flow{} not covered:", if count == 1 { " is" } else { "s are" }),
            );
            for one in self.uncovered.iter().take(LISTED_MAX) {
                line(&mut text, format_args!("  {} → {} on {}", one.source, one.destination, one.service));
                line(&mut text, format_args!("    {}; {}", one.reason, one.seen));
            }
            more(&mut text, count as u64);
        }
        text
    }

    /// The file as a diff that makes it under a path.
    pub fn to_diff(&self, path: &str) -> String {
        if self.file.is_empty() {
            return String::new();
        }
        let lines = self.file.lines().count();
        let mut text = format!("--- /dev/null\n+++ {path}\n@@ -0,0 +1,{lines} @@\n");
        self.file.lines().for_each(|written| line(&mut text, format_args!("+{written}")));
        text
    }
}

fn more(text: &mut String, count: u64) {
    if count > LISTED_MAX as u64 {
        line(text, format_args!("  and {} more", count - LISTED_MAX as u64));
    }
}

fn line(text: &mut String, what: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
