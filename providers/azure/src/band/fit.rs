//! Exact merging where a security group would have too many rules, and only there: otherwise one fact more rewrites
//! one rule, and what people read stays simple.

use std::collections::BTreeSet;

use plan::{Direction, GroupId, PathRule};

use crate::band::place::counts;
use crate::band::work::Work;
use crate::band::{Band, Change, RULES_MAX, read, same_name};

/// The change of a work: as it is, or squeezed where the list would have too many rules; if that is not enough, with the
/// rules for other targets squeezed too, one target after the other.
pub(super) fn fitted(rules: &[PathRule], mut work: Work<'_>) -> Change {
    let band = work.band;
    let fits = |count: usize| count <= RULES_MAX;
    let growth = work.growth();
    if growth <= 0 || fits(rules_of(band, rules).saturating_add_signed(growth)) {
        return work.change();
    }
    work.squeeze();
    let change = work.change();
    let mut after = rules.to_vec();
    change.apply_to(&mut after);
    let entries = rules.iter().filter_map(|rule| Some((read(band, rule)?.target.clone(), rule.direction)));
    let places: BTreeSet<(GroupId, Direction)> = entries.collect();
    for (target, direction) in places {
        if fits(rules_of(band, &after)) {
            break;
        }
        let mut other = Work::new(band, &after, &target, direction);
        other.squeeze();
        let change = other.change();
        change.apply_to(&mut after);
    }
    between(rules, &after)
}

fn rules_of(band: &Band, rules: &[PathRule]) -> usize {
    counts(band, rules).first().map_or(0, |rules| rules.count)
}

/// What leads from one list to another.
fn between(rules: &[PathRule], after: &[PathRule]) -> Change {
    let has = |list: &[PathRule], name: &str| list.iter().any(|rule| same_name(&rule.name, name));
    let gone = rules.iter().filter(|rule| !has(after, &rule.name));
    let put = after.iter().filter(|rule| !rules.contains(rule));
    Change { put: put.cloned().collect(), delete: gone.map(|rule| rule.name.clone()).collect() }
}
