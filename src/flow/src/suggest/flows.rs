//! The chosen flows that need a rule, what was seen and what was dropped; by labels, without networks.

use std::collections::{BTreeMap, BTreeSet};

use policy::file::can_declare;
use policy::label::in_reading_order;
use policy::{LabelSet, ServicePoint};

use super::{Addresses, Bounds, Reason, Uncoverable};
use crate::judge::{Fate, Judge, Why};
use crate::record::Outcome;
use crate::replay::{Draft, Seen, Who};
use crate::summary::{EndId, Key, Summaries, Tally};

/// A chosen flow that the draft does not allow.
pub(super) struct Need {
    pub source: Who,
    pub destination: Who,
    pub service: ServicePoint,
    pub seen: Seen,
    /// The ends of its rows, with their networks.
    pub rows: Vec<(EndId, EndId)>,
    /// Whether no rule is made for it any more.
    pub is_given_up: bool,
    /// Whether it is told of as not covered, or not everywhere.
    pub is_uncovered: bool,
}

/// A flow that was dropped, was not chosen, and is dropped by the draft for want of a rule.
pub(super) struct Dropped {
    pub source: Who,
    pub destination: Who,
    pub service: ServicePoint,
    pub ends: (EndId, EndId),
    /// What the draft does with it at best.
    pub best: Fate,
}

/// Needs that rules cannot tell apart: ends with the labels that rules may name.
pub(super) struct Item {
    pub source: Who,
    pub destination: Who,
    pub needs: Vec<usize>,
}

pub(super) struct Flows {
    pub needs: Vec<Need>,
    pub dropped: Vec<Dropped>,
    /// Pairs that were seen to talk, or are chosen, by service; labels that rules may name.
    pub seen: BTreeMap<ServicePoint, BTreeSet<(Who, Who)>>,
    /// What is chosen, all labels.
    pub chosen: BTreeSet<(Who, Who, ServicePoint)>,
    pub allowed: Seen,
    pub uncovered: Vec<Uncoverable>,
    bounds: Bounds,
}

impl Flows {
    pub(super) fn new(
        summaries: &Summaries,
        chosen: &dyn Fn(&Key, &Tally) -> bool,
        draft: &Draft<'_>,
        bounds: &Bounds,
    ) -> Self {
        let mut flows = Self {
            needs: Vec::new(),
            dropped: Vec::new(),
            seen: BTreeMap::new(),
            chosen: BTreeSet::new(),
            allowed: Seen::default(),
            uncovered: Vec::new(),
            bounds: bounds.clone(),
        };
        let whos: Vec<Who> = summaries.ends.iter().map(|(_, end)| Who::from(end)).collect();
        let who = |end: EndId| &whos[end.0 as usize];
        let mut judge = Judge::new(&summaries.ends, draft.snapshot, draft.policy);
        let present: BTreeSet<&LabelSet> = draft.snapshot.workloads.iter().map(|one| &one.labels).collect();
        type Rows = BTreeSet<(EndId, EndId)>;
        let mut needs: BTreeMap<(&Who, &Who, ServicePoint), (Seen, Rows, Why)> = BTreeMap::new();
        let mut others: Vec<&Key> = Vec::new();
        for (key, tally) in &summaries.rows {
            let (source, destination) = (who(key.source), who(key.destination));
            let is_chosen = chosen(key, tally);
            if is_chosen {
                flows.chosen.insert((source.clone(), destination.clone(), key.service));
            }
            if is_chosen || key.outcome != Outcome::Rejected {
                let pair = (flows.named(source), flows.named(destination));
                flows.seen.entry(key.service).or_default().insert(pair);
            }
            if !is_chosen {
                others.push(key);
                continue;
            }
            let id = judge.judge(key.source, key.destination, key.service);
            let judged = judge.judged(id);
            if judged.worst.0 == Fate::Allowed {
                flows.allowed.add(key, tally);
                continue;
            }
            let (fate, why) = &judged.worst;
            let why = if *fate == Fate::Unknown { &Why::Nobody } else { why };
            let need = needs
                .entry((source, destination, key.service))
                .or_insert_with(|| (Seen::default(), BTreeSet::new(), why.clone()));
            need.0.add(key, tally);
            need.1.insert((key.source, key.destination));
        }
        for ((source, destination, service), (seen, rows, why)) in needs {
            flows.need(&present, (source, destination, service), seen, rows, &why);
        }
        for key in others.into_iter().filter(|key| key.outcome == Outcome::Rejected) {
            flows.drop_row(&mut judge, key, (who(key.source), who(key.destination)));
        }
        flows
    }

    fn need(
        &mut self,
        present: &BTreeSet<&LabelSet>,
        (source, destination, service): (&Who, &Who, ServicePoint),
        seen: Seen,
        rows: BTreeSet<(EndId, EndId)>,
        why: &Why,
    ) {
        let (source, destination) = (source.clone(), destination.clone());
        match self.reason(present, [&source, &destination], why) {
            Some(reason) => {
                self.uncovered.push(Uncoverable { source, destination, service, seen, reason });
            }
            None => self.needs.push(Need {
                source,
                destination,
                service,
                seen,
                rows: rows.into_iter().collect(),
                is_given_up: false,
                is_uncovered: false,
            }),
        }
    }

    /// Why no rule within the bounds can cover it, as far as its ends tell.
    fn reason(&self, present: &BTreeSet<&LabelSet>, ends: [&Who; 2], why: &Why) -> Option<Reason> {
        if ends.iter().all(|end| matches!(end, Who::Address(_))) {
            return Some(Reason::NoWorkload);
        }
        if let Why::OverrideDeny(rule) = why {
            return Some(Reason::OverrideDeny(rule.clone()));
        }
        ends.into_iter().find_map(|end| match end {
            Who::Address(_) => (self.bounds.addresses == Addresses::Never).then_some(Reason::Address),
            Who::Labels(labels) if !present.contains(labels) => Some(Reason::Gone),
            Who::Labels(labels) => {
                let named = in_reading_order(&project(labels, &self.bounds));
                if named.is_empty() && !self.bounds.any {
                    return Some(Reason::NoLabel);
                }
                let unwritable = named.into_iter().find(|label| !can_declare(label));
                unwritable.map(|label| Reason::Label(label.to_string()))
            }
        })
    }

    fn drop_row(&mut self, judge: &mut Judge<'_>, key: &Key, (source, destination): (&Who, &Who)) {
        if self.chosen.contains(&(source.clone(), destination.clone(), key.service)) {
            return;
        }
        let id = judge.judge(key.source, key.destination, key.service);
        let judged = judge.judged(id);
        // What passes anyway, or what no rule can let pass, is no reason against a rule.
        let is_denied = matches!(judged.best.1, Why::OverrideDeny(_));
        if judged.best.0 != Fate::Blocked || is_denied {
            return;
        }
        self.dropped.push(Dropped {
            source: source.clone(),
            destination: destination.clone(),
            service: key.service,
            ends: (key.source, key.destination),
            best: judged.best.0,
        });
    }

    /// An end with the labels that rules may name.
    pub(super) fn named(&self, who: &Who) -> Who {
        match who {
            Who::Labels(labels) => Who::Labels(project(labels, &self.bounds)),
            Who::Address(block) => Who::Address(*block),
        }
    }

    /// What is to be covered, by service.
    pub(super) fn items(&self) -> BTreeMap<ServicePoint, Vec<Item>> {
        let mut items: BTreeMap<(ServicePoint, Who, Who), Vec<usize>> = BTreeMap::new();
        for (number, need) in self.needs.iter().enumerate().filter(|(_, need)| !need.is_given_up) {
            let key = (need.service, self.named(&need.source), self.named(&need.destination));
            items.entry(key).or_default().push(number);
        }
        let mut by_service: BTreeMap<ServicePoint, Vec<Item>> = BTreeMap::new();
        for ((service, source, destination), needs) in items {
            by_service.entry(service).or_default().push(Item { source, destination, needs });
        }
        by_service
    }

    /// Needs of which rows stay not allowed whatever the rules say. Whether one was given up altogether.
    pub(super) fn give_up(&mut self, failed: &[(usize, usize, String)]) -> bool {
        let mut any = false;
        for (number, rows, why) in failed {
            self.leave(*number, Reason::NotReached(why.clone()));
            let need = &mut self.needs[*number];
            if *rows == need.rows.len() {
                need.is_given_up = true;
                any = true;
            }
        }
        any
    }

    /// Notes that a need is not covered, or not everywhere; the first reason stays.
    pub(super) fn leave(&mut self, number: usize, reason: Reason) {
        let need = &mut self.needs[number];
        if std::mem::replace(&mut need.is_uncovered, true) {
            return;
        }
        self.uncovered.push(Uncoverable {
            source: need.source.clone(),
            destination: need.destination.clone(),
            service: need.service,
            seen: need.seen,
            reason,
        });
    }
}

/// The labels with keys that rules may name.
pub(super) fn project(labels: &LabelSet, bounds: &Bounds) -> LabelSet {
    let named = labels.iter().filter(|(key, _)| bounds.keys.contains(key));
    named.map(|(key, value)| (key.clone(), value.clone())).collect()
}
