//! A replay and its parts in words.

use std::fmt::{self, Write};

use policy::label::describe;

use super::{Effect, Lost, Replay, Seen, Uncovered, Who};
use crate::judge::Fate;
use crate::moment::{span, utc};

/// So many lines are shown of each list; the rest is counted.
const LISTED_MAX: usize = 40;

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels(labels) => f.write_str(&describe(labels)),
            Self::Address(block) if block.prefix_len() == block.max_prefix_len() => {
                write!(f, "{}", block.addr())
            }
            Self::Address(block) => write!(f, "{block}"),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connection{}", self.connections, if self.connections == 1 { "" } else { "s" })?;
        if self.rows > 0 {
            write!(f, ", last {}", utc(self.last))?;
        }
        match self.without_verdict {
            0 => Ok(()),
            some if some == self.rows => f.write_str(", the log has no verdicts"),
            some => write!(f, ", {some} of {} rows without a verdict", self.rows),
        }
    }
}

impl Effect {
    fn title(self, count: usize) -> String {
        let one = count == 1;
        let (s, are, pass) = if one { ("", "is", "passes") } else { ("s", "are", "pass") };
        match self {
            Self::Cut => format!("the draft would cut {count} flow{s} that passed:"),
            Self::Admitted => format!("the draft would let in {count} flow{s} that {are} dropped today:"),
            Self::PotentiallyBlocked => {
                format!("{count} flow{s} {pass} only because an end is not enforced yet:")
            }
            Self::Unknown => format!("of {count} flow{s} nobody can tell:"),
        }
    }
}

impl Replay {
    /// For a terminal: what changes, the worst first, each list at most 40 lines long.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for effect in [Effect::Cut, Effect::Admitted, Effect::Unknown, Effect::PotentiallyBlocked] {
            let count = self.of(effect).count();
            if count == 0 {
                continue;
            }
            line(&mut text, format_args!("{}", effect.title(count)));
            for (key, seen) in self.of(effect).take(LISTED_MAX) {
                let partly = if key.partly { ", partly" } else { "" };
                line(
                    &mut text,
                    format_args!("  {} → {} on {}{partly}", key.source, key.destination, key.service),
                );
                let today = match &key.today {
                    Some((fate, why)) => format!("; today: {}", today(*fate, why)),
                    None => String::new(),
                };
                line(&mut text, format_args!("    {}{today}; {seen}", key.why));
            }
            if count > LISTED_MAX {
                line(&mut text, format_args!("  and {} more", count - LISTED_MAX));
            }
        }
        if self.lines.is_empty() {
            line(&mut text, format_args!("the draft changes nothing for the flows that were seen"));
        }
        line(
            &mut text,
            format_args!(
                "{} of {} connections are as before",
                self.unchanged.connections, self.total.connections
            ),
        );
        text + &self.uncovered.to_text()
    }
}

fn today(fate: Fate, why: &crate::judge::Why) -> String {
    match fate {
        Fate::Blocked => format!("blocked ({why})"),
        Fate::PotentiallyBlocked => format!("only watched ({why})"),
        Fate::Allowed => why.to_string(),
        Fate::Unknown => "unknown".to_owned(),
    }
}

impl Uncovered {
    /// What no claim can be made about, in a few lines.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let (all, watched) = self.watched_s;
        if all > watched {
            let share = 100.0 * (all - watched) as f64 / all as f64;
            line(&mut text, format_args!("not covered: {share:.1} % of the window has no logs"));
        }
        for Lost { what, from, to, why } in self.lost.iter().take(LISTED_MAX) {
            line(&mut text, format_args!("not covered: {what}, {}: {why}", span(*from, *to)));
        }
        if self.lost.len() > LISTED_MAX {
            line(&mut text, format_args!("and {} more stretches", self.lost.len() - LISTED_MAX));
        }
        if !self.silent.is_empty() {
            line(&mut text, format_args!("without any log: {}", self.silent.join(", ")));
        }
        if !self.partial.is_empty() {
            line(&mut text, format_args!("without some connections: {}", self.partial.join(", ")));
        }
        text
    }
}

fn line(text: &mut String, what: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
