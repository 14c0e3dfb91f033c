//! Several edits of one list as one change.

use std::collections::BTreeSet;

use plan::PathRule;

use crate::band::{Band, Change, Refusal, check_limits, same_name};
use crate::write::Edit;

/// What edits make of a list.
pub struct Edited {
    /// What is to be written.
    pub change: Change,
    /// For each edit whether it changes anything, or why it is left out.
    pub outcomes: Vec<Result<bool, Refusal>>,
}

/// Edits in their order, each on what those before it made. Limits are those of the list at the end; where that is over
/// one, every edit that leads over it is left out.
pub fn edited(band: &Band, rules: &[PathRule], edits: &[Edit]) -> Edited {
    let all = run(rules, edits, |_, _| Ok(()));
    if check_limits(band, rules, &all.change).is_ok() {
        return all;
    }
    run(rules, edits, |rules, change| Ok(check_limits(band, rules, change)?))
}

fn run(
    rules: &[PathRule],
    edits: &[Edit],
    check: impl Fn(&[PathRule], &Change) -> Result<(), Refusal>,
) -> Edited {
    let mut list = rules.to_vec();
    let mut touched: BTreeSet<String> = BTreeSet::new();
    let mut outcomes = Vec::new();
    for edit in edits {
        let change = edit(&list).and_then(|change| check(&list, &change).map(|()| change));
        outcomes.push(change.map(|change| {
            change.apply_to(&mut list);
            touched.extend(change.put.iter().map(|rule| rule.name.clone()));
            touched.extend(change.delete.iter().cloned());
            !change.is_empty()
        }));
    }
    let is_touched = |rule: &&PathRule| touched.iter().any(|name| same_name(name, &rule.name));
    let put: Vec<PathRule> = list.iter().filter(is_touched).cloned().collect();
    let is_gone = |rule: &&PathRule| !put.iter().any(|put| same_name(&put.name, &rule.name));
    let gone = rules.iter().filter(is_touched).filter(is_gone);
    let delete: BTreeSet<String> = gone.map(|rule| rule.name.clone()).collect();
    Edited { change: Change { put, delete: delete.into_iter().collect() }, outcomes }
}
