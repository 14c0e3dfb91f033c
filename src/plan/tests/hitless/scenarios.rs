//! Changes that people make, one by one and in pairs.

use plan::Transients;

use crate::world::Enforce;
use crate::{check, check_with, describe};

const BASE: &str = "web: a b e | db: c f | app: d g | db<-web tcp/5432 | web<-192.0.2.0/24 tcp/443";

/// Single changes of [`BASE`]: none of them needs a transient.
const SINGLE: [(&str, &str); 11] = [
    ("relabel", "web: a e | db: c f | app: b d g | db<-web tcp/5432 | web<-192.0.2.0/24 tcp/443"),
    (
        "relabel_to_destination",
        "web: a e | db: b c f | app: d g | db<-web tcp/5432 | web<-192.0.2.0/24 tcp/443",
    ),
    ("new_member", "web: a b e h | db: c f | app: d g | db<-web tcp/5432 | web<-192.0.2.0/24 tcp/443"),
    (
        "rule_added",
        "web: a b e | db: c f | app: d g | db<-web tcp/5432 | web<-192.0.2.0/24 tcp/443 | app<-web tcp/80",
    ),
    ("rule_removed", "web: a b e | db: c f | app: d g | web<-192.0.2.0/24 tcp/443"),
    ("rule_replaced", "web: a b e | db: c f | app: d g | db<-web tcp/1-6000 | web<-192.0.2.0/24 tcp/443"),
    ("source_replaced", "web: a b e | db: c f | app: d g | db<-app tcp/5432 | web<-192.0.2.0/24 tcp/443"),
    ("list_edited", "web: a b e | db: c f | app: d g | db<-web tcp/5432 | web<-192.0.0.0/16 tcp/443"),
    (
        "class_split",
        "web: a e | web2: b | db: c f | app: d g | db<-web tcp/5432 | db<-web2 tcp/5432 | \
         web<-192.0.2.0/24 tcp/443 | web2<-192.0.2.0/24 tcp/443 | web2<-198.51.100.0/24 tcp/80",
    ),
    ("class_gone", "web: a b e | app: c d f g | app<-web tcp/5432 | web<-192.0.2.0/24 tcp/443"),
    ("nothing", BASE),
];

#[test]
fn single_changes_have_no_transient() {
    for enforce in [Enforce::Ingress, Enforce::Both] {
        for (name, after) in SINGLE {
            let plan = check(BASE, after, enforce);
            assert!(plan.transients.is_empty(), "{name} {enforce:?}\n{}", describe(&plan));
        }
    }
}

#[test]
fn from_any_state_to_any_other() {
    for enforce in [Enforce::Ingress, Enforce::Both] {
        for (_, before) in SINGLE {
            for (_, after) in SINGLE {
                // `h` always has something that is not ours.
                check(&format!("+ops: h | {before}"), after, enforce);
            }
        }
    }
}

/// Both ends of a flow change class, and each class may talk to the other's next one on another port.
const CROSSED: [&str; 2] = [
    "p: a c | r: b d | q: e g | s: f h | q<-p tcp/80 | s<-r tcp/80 | s<-p tcp/443 | q<-r tcp/443",
    "p: c | r: a b d | q: g | s: e f h | q<-p tcp/80 | s<-r tcp/80 | s<-p tcp/443 | q<-r tcp/443",
];

#[test]
fn keep_names_what_opens_when_both_ends_change() {
    for enforce in [Enforce::Ingress, Enforce::Both] {
        let plan = check_with(CROSSED[0], CROSSED[1], enforce, Transients::Keep);
        let ends: Vec<_> = plan.transients.iter().map(|t| (&*t.source, &*t.destination)).collect();
        assert_eq!(ends, [("a", "e")], "{}", describe(&plan));
        assert!(plan.transients.iter().all(|named| named.opens && named.services == "tcp/443"));
    }
}

#[test]
fn cut_names_what_is_cut_when_both_ends_change() {
    for enforce in [Enforce::Ingress, Enforce::Both] {
        // Something else on both interfaces: the last group cannot be taken off.
        let before = format!("+ops: a e | {}", CROSSED[0]);
        let plan = check_with(&before, CROSSED[1], enforce, Transients::Cut);
        assert!(!plan.transients.is_empty());
        assert!(plan.transients.iter().all(|named| !named.opens), "{}", describe(&plan));
    }
}

#[test]
fn foreign_group_that_names_ours_is_a_path() {
    let before = "+ops: a c | ops<-web tcp/80 | web: a b | q: d | db: c";
    let plan = check(before, "web: b | q: a d | db: c | db<-q tcp/80", Enforce::Both);
    assert!(plan.transients.is_empty(), "{}", describe(&plan));
}

#[test]
fn interfaces_that_move_together_keep_talking_to_each_other() {
    let rules = "web<-web tcp/80 | q<-q tcp/80";
    let before = format!("web: a b c d | {rules}");
    let plan = check(&before, &format!("web: a d | q: b c | {rules}"), Enforce::Both);
    assert!(plan.transients.is_empty(), "{}", describe(&plan));
}
