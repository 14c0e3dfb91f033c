//! The label rules that may be suggested: what each covers, what it would admit beside that, and the choice among them.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use policy::{AddressSet, LabelSet, Name, ServicePoint, ServiceSet};

use super::cover::{self, Candidate, Cover};
use super::flows::{Flows, Item, project};
use super::{Addresses, Bounds, Reason, RuleEnd, SuggestedRule, WIDENING_LISTED_MAX, Widening};
use crate::replay::{Draft, Seen, Who};

/// One rule more costs more than any widening.
const RULE_COST: u64 = 1 << 40;
/// Keys beyond these are named always: each that may be left out doubles the candidates.
const DROPPABLE_MAX: usize = 8;

type Pair = (RuleEnd, RuleEnd);

/// A label rule on one service.
struct Atom {
    /// The items that it covers, numbered over all services.
    items: Vec<u32>,
    /// Pairs that it admits and nobody saw.
    widening: u64,
}

/// What can be chosen from.
pub(super) struct Offer {
    items: Vec<(ServicePoint, Item)>,
    atoms: BTreeMap<(Pair, ServicePoint), Atom>,
    /// Why the narrowest rule for an item is not offered.
    refusals: BTreeMap<u32, Reason>,
    /// Label sets that exist: those that rules may name of them → all that they are.
    present: BTreeMap<LabelSet, BTreeSet<LabelSet>>,
    lists: BTreeMap<Name, AddressSet>,
    merge_services: bool,
    cover: Cover,
    pub is_exact: bool,
    pub count_min: usize,
    candidates: Vec<Pair>,
    services: Vec<Vec<ServicePoint>>,
}

impl Offer {
    pub(super) fn new(
        flows: &Flows,
        draft: &Draft<'_>,
        bounds: &Bounds,
        refused: &BTreeSet<(RuleEnd, RuleEnd, ServicePoint)>,
    ) -> Self {
        let mut present: BTreeMap<LabelSet, BTreeSet<LabelSet>> = BTreeMap::new();
        for workload in &draft.snapshot.workloads {
            present.entry(project(&workload.labels, bounds)).or_default().insert(workload.labels.clone());
        }
        let lists = draft.snapshot.policy.ip_lists.iter();
        let mut offer = Self {
            items: Vec::new(),
            atoms: BTreeMap::new(),
            refusals: BTreeMap::new(),
            present,
            lists: lists.map(|(name, list)| (name.clone(), list.addresses.clone())).collect(),
            merge_services: bounds.merge_services,
            cover: Cover { chosen: Vec::new(), is_exact: true, count_min: 0 },
            is_exact: true,
            count_min: 0,
            candidates: Vec::new(),
            services: Vec::new(),
        };
        for (service, items) in flows.items() {
            let first = offer.items.len() as u32;
            offer.items.extend(items.into_iter().map(|item| (service, item)));
            offer.offer(flows, bounds, service, first, refused);
        }
        offer.solve();
        offer
    }

    /// Offers every rule within the bounds for the items of one service.
    fn offer(
        &mut self,
        flows: &Flows,
        bounds: &Bounds,
        service: ServicePoint,
        first: u32,
        refused: &BTreeSet<(RuleEnd, RuleEnd, ServicePoint)>,
    ) {
        let numbers = first..self.items.len() as u32;
        // For each pair the items that it was made for, and of which it is the narrowest.
        let mut made_for: BTreeMap<Pair, BTreeSet<u32>> = BTreeMap::new();
        let mut narrowest: BTreeMap<Pair, BTreeSet<u32>> = BTreeMap::new();
        for number in numbers.clone() {
            let item = &self.items[number as usize].1;
            let sources = self.ends(&item.source, bounds);
            let destinations = self.ends(&item.destination, bounds);
            if sources.is_empty() || destinations.is_empty() {
                self.refusals.insert(number, Reason::NoList);
            }
            for (s, source) in sources.iter().enumerate() {
                for (d, destination) in destinations.iter().enumerate() {
                    let pair = (source.clone(), destination.clone());
                    if (s, d) == (0, 0) {
                        narrowest.entry(pair.clone()).or_default().insert(number);
                    }
                    made_for.entry(pair).or_default().insert(number);
                }
            }
        }
        for (pair, made_for) in self.with_hosts(flows, service, made_for) {
            let covers = numbers.clone().filter(|&number| {
                let item = &self.items[number as usize].1;
                made_for.contains(&number)
                    || self.holds(&pair.0, &item.source) && self.holds(&pair.1, &item.destination)
            });
            let items: Vec<u32> = covers.collect();
            let reason = match self.judge(flows, bounds, &pair, service) {
                Ok(_) if refused.contains(&(pair.0.clone(), pair.1.clone(), service)) => {
                    Reason::NotReached("it would let in a dropped flow that looks the same".to_owned())
                }
                Ok(widening) => {
                    self.atoms.insert((pair, service), Atom { items, widening });
                    continue;
                }
                Err(reason) => reason,
            };
            let is_new_list = [&pair.0, &pair.1].iter().any(|end| matches!(end, RuleEnd::Hosts(_)));
            let meant = if is_new_list { Some(&made_for) } else { narrowest.get(&pair) };
            for &number in meant.into_iter().flatten() {
                self.refusals.entry(number).or_insert_with(|| reason.clone());
            }
        }
    }

    /// What a rule may name an end by, the narrowest first.
    fn ends(&self, who: &Who, bounds: &Bounds) -> Vec<RuleEnd> {
        match who {
            Who::Labels(labels) => label_ends(labels, bounds),
            Who::Address(block) => {
                let everything = AddressSet::any();
                let holding = self.lists.iter().filter(|(_, list)| {
                    let is_whole = list.v4() == everything.v4() || list.v6() == everything.v6();
                    holds_block(list, block) && (bounds.any || !is_whole)
                });
                let mut ends: Vec<RuleEnd> = holding.map(|(name, _)| RuleEnd::List(name.clone())).collect();
                if bounds.addresses == Addresses::ListsAndHosts {
                    ends.insert(0, RuleEnd::Hosts(BTreeSet::from([*block])));
                }
                ends
            }
        }
    }

    /// One new list for all addresses that talk to the same labels, instead of a list for each; without those that
    /// were dropped there.
    fn with_hosts(
        &self,
        flows: &Flows,
        service: ServicePoint,
        pairs: BTreeMap<Pair, BTreeSet<u32>>,
    ) -> BTreeMap<Pair, BTreeSet<u32>> {
        // By the other side; `None` is where the addresses are.
        type Sides = (Option<RuleEnd>, Option<RuleEnd>);
        let mut joined: BTreeMap<Sides, (BTreeSet<IpNet>, BTreeSet<u32>)> = BTreeMap::new();
        let mut all: BTreeMap<Pair, BTreeSet<u32>> = BTreeMap::new();
        for (pair, items) in pairs {
            let (hosts, key) = match &pair {
                (RuleEnd::Hosts(hosts), other) => (hosts, (None, Some(other.clone()))),
                (other, RuleEnd::Hosts(hosts)) => (hosts, (Some(other.clone()), None)),
                _ => {
                    all.insert(pair, items);
                    continue;
                }
            };
            if self.dropped(flows, &pair, service).is_some() {
                all.insert(pair, items);
                continue;
            }
            let entry = joined.entry(key).or_default();
            entry.0.extend(hosts.iter().copied());
            entry.1.extend(items);
        }
        for ((source, destination), (hosts, items)) in joined {
            let hosts = || RuleEnd::Hosts(hosts.clone());
            let pair = (source.unwrap_or_else(hosts), destination.unwrap_or_else(hosts));
            all.insert(pair, items);
        }
        all
    }

    /// How many pairs a rule would admit that nobody saw.
    fn judge(
        &self,
        flows: &Flows,
        bounds: &Bounds,
        pair: &Pair,
        service: ServicePoint,
    ) -> Result<u64, Reason> {
        if let Some((source, destination)) = self.dropped(flows, pair, service) {
            return Err(Reason::Dropped(source, destination));
        }
        let none = BTreeSet::new();
        let seen = flows.seen.get(&service).unwrap_or(&none);
        let admitted = self.admitted(&pair.0).len() as u64 * self.admitted(&pair.1).len() as u64;
        let mut used: BTreeSet<(Option<&Who>, Option<&Who>)> = BTreeSet::new();
        for (source, destination) in seen {
            let inside = self.inside(&pair.0, source).zip(self.inside(&pair.1, destination));
            used.extend(inside);
        }
        let widening = admitted.saturating_sub(used.len() as u64);
        if widening > bounds.widening_max { Err(Reason::Wide(widening)) } else { Ok(widening) }
    }

    /// A dropped flow that a rule would admit.
    fn dropped(&self, flows: &Flows, pair: &Pair, service: ServicePoint) -> Option<(Who, Who)> {
        let same = flows.dropped.iter().filter(|one| one.service == service);
        let mut inside =
            same.filter(|one| self.touches(&pair.0, &one.source) && self.touches(&pair.1, &one.destination));
        inside.next().map(|one| (one.source.clone(), one.destination.clone()))
    }

    /// The ends that exist and that a side admits; a side of addresses is one, whatever is in it.
    fn admitted(&self, end: &RuleEnd) -> Vec<Option<&LabelSet>> {
        match end {
            RuleEnd::Labels(labels) => {
                self.present.keys().filter(|present| is_part(labels, present)).map(Some).collect()
            }
            RuleEnd::Any => self.present.keys().map(Some).collect(),
            RuleEnd::List(_) | RuleEnd::Hosts(_) => vec![None],
        }
    }

    /// The end as [`Self::admitted`] counts it, if it exists and is inside.
    fn inside<'w>(&self, end: &RuleEnd, who: &'w Who) -> Option<Option<&'w Who>> {
        if !self.holds(end, who) {
            return None;
        }
        match who {
            Who::Labels(labels) => self.present.contains_key(labels).then_some(Some(who)),
            Who::Address(_) => Some(None),
        }
    }

    /// Whether a side means the whole of an end.
    fn holds(&self, end: &RuleEnd, who: &Who) -> bool {
        match (end, who) {
            (RuleEnd::Any, Who::Labels(_)) => true,
            (RuleEnd::Labels(labels), Who::Labels(of)) => is_part(labels, of),
            (RuleEnd::List(name), Who::Address(block)) => {
                self.lists.get(name).is_some_and(|list| holds_block(list, block))
            }
            (RuleEnd::Hosts(hosts), Who::Address(block)) => hosts.iter().any(|host| host.contains(block)),
            _ => false,
        }
    }

    /// Whether a side means some of an end.
    fn touches(&self, end: &RuleEnd, who: &Who) -> bool {
        match (end, who) {
            (RuleEnd::List(name), Who::Address(block)) => {
                self.lists.get(name).is_some_and(|list| list.intersects(&AddressSet::from_iter([*block])))
            }
            (RuleEnd::Hosts(hosts), Who::Address(block)) => {
                hosts.iter().any(|host| host.contains(block) || block.contains(host))
            }
            _ => self.holds(end, who),
        }
    }

    fn solve(&mut self) {
        type Atoms<'a> = Vec<(ServicePoint, &'a Atom)>;
        let mut by_pair: BTreeMap<(&Pair, Option<ServicePoint>), Atoms<'_>> = BTreeMap::new();
        for ((pair, service), atom) in &self.atoms {
            let key = (pair, (!self.merge_services).then_some(*service));
            by_pair.entry(key).or_default().push((*service, atom));
        }
        let (mut pairs, mut services, mut candidates) = (Vec::new(), Vec::new(), Vec::new());
        for ((pair, _), atoms) in by_pair {
            let mut items: Vec<u32> = atoms.iter().flat_map(|(_, atom)| atom.items.iter().copied()).collect();
            items.sort_unstable();
            items.dedup();
            let widening: u64 = atoms.iter().map(|(_, atom)| atom.widening).sum();
            let narrow = label_count(&pair.0) + label_count(&pair.1);
            let cost = RULE_COST + (widening.min(1 << 24) << 8) + 255_u64.saturating_sub(narrow);
            candidates.push(Candidate { cost, items });
            pairs.push(pair.clone());
            services.push(atoms.iter().map(|(service, _)| *service).collect());
        }
        self.cover = cover::cover(self.items.len(), &candidates);
        (self.is_exact, self.count_min) = (self.cover.is_exact, self.cover.count_min);
        (self.candidates, self.services) = (pairs, services);
    }

    /// The chosen rules, each with no more services than it is needed for.
    pub(super) fn choose(&self, flows: &Flows) -> Vec<SuggestedRule> {
        let mut rules: Vec<SuggestedRule> = Vec::new();
        // What only one rule covers comes first, so that another one does not take it for itself.
        let by = |number: u32, service: ServicePoint| {
            let rules = self.cover.chosen.iter().filter(move |&&rule| {
                let atom = self.atoms.get(&(self.candidates[rule].clone(), service));
                self.services[rule].contains(&service)
                    && atom.is_some_and(|atom| atom.items.binary_search(&number).is_ok())
            });
            rules.copied().collect::<Vec<_>>()
        };
        let mut services: BTreeMap<usize, BTreeSet<ServicePoint>> = BTreeMap::new();
        let mut seen: BTreeMap<usize, Seen> = BTreeMap::new();
        let numbered = || (0..).zip(&self.items);
        let choices: Vec<(u32, ServicePoint, Vec<usize>)> =
            numbered().map(|(number, (service, _))| (number, *service, by(number, *service))).collect();
        let single = choices.iter().filter(|(_, _, rules)| rules.len() == 1);
        let several = choices.iter().filter(|(_, _, rules)| rules.len() > 1);
        for (number, service, rules) in single.chain(several) {
            let has = |rule: &&usize| services.get(rule).is_some_and(|known| known.contains(service));
            let Some(rule) = rules.iter().find(has).or(rules.first()).copied() else { continue };
            services.entry(rule).or_default().insert(*service);
            for &need in &self.items[*number as usize].1.needs {
                seen.entry(rule).or_default().join(&flows.needs[need].seen);
            }
        }
        for (rule, services) in services {
            let (source, destination) = self.candidates[rule].clone();
            let seen = seen.get(&rule).copied().unwrap_or_default();
            rules.push(SuggestedRule { source, destination, services, seen });
        }
        rules.sort_by(|a, b| {
            let key =
                |rule: &SuggestedRule| (rule.destination.clone(), rule.source.clone(), rule.services.clone());
            key(a).cmp(&key(b))
        });
        rules
    }

    /// Tells of every item that nothing covers.
    pub(super) fn uncovered(&self, flows: &mut Flows) {
        for (number, (service, item)) in (0..).zip(&self.items) {
            if self.atoms.iter().any(|((_, of), atom)| of == service && atom.items.contains(&number)) {
                continue;
            }
            let none = || Reason::NotReached("no rule within the bounds means it".to_owned());
            let reason = self.refusals.get(&number).cloned().unwrap_or_else(none);
            for &need in &item.needs {
                flows.leave(need, reason.clone());
                flows.needs[need].is_given_up = true;
            }
        }
    }

    /// What rules admit beside the chosen flows, by all labels.
    pub(super) fn widening(&self, flows: &Flows, rules: &[SuggestedRule]) -> (Vec<Widening>, u64) {
        let mut admitted: BTreeMap<Pair, ServiceSet> = BTreeMap::new();
        let mut count = 0;
        for rule in rules {
            for source in self.all_labels(&rule.source) {
                for destination in self.all_labels(&rule.destination) {
                    let chosen = |service: &ServicePoint| is_chosen(flows, &source, &destination, *service);
                    let beside = rule.services.iter().filter(|service| !chosen(service));
                    let beside: ServiceSet = beside.map(|&service| ServiceSet::point(service)).collect();
                    if beside.is_empty() {
                        continue;
                    }
                    let known = admitted.get(&(source.clone(), destination.clone()));
                    let union = known.map_or(beside.clone(), |known| known.union(&beside));
                    count += u64::from(known.is_none());
                    if known.is_some() || admitted.len() < WIDENING_LISTED_MAX {
                        admitted.insert((source.clone(), destination), union);
                    }
                }
            }
        }
        let listed = admitted.into_iter();
        let listed =
            listed.map(|((source, destination), services)| Widening { source, destination, services });
        (listed.collect(), count)
    }

    /// A side as the label sets that exist, with all their labels.
    fn all_labels(&self, end: &RuleEnd) -> Vec<RuleEnd> {
        match end {
            RuleEnd::List(_) | RuleEnd::Hosts(_) => vec![end.clone()],
            end => {
                let present =
                    self.admitted(end).into_iter().flatten().filter_map(|part| self.present.get(part));
                present.flatten().map(|labels| RuleEnd::Labels(labels.clone())).collect()
            }
        }
    }
}

/// Whether all that two sides admit on a service is chosen.
fn is_chosen(flows: &Flows, source: &RuleEnd, destination: &RuleEnd, service: ServicePoint) -> bool {
    let whos = |end: &RuleEnd| -> Option<Vec<Who>> {
        match end {
            RuleEnd::Labels(labels) => Some(vec![Who::Labels(labels.clone())]),
            RuleEnd::Hosts(hosts) => Some(hosts.iter().map(|host| Who::Address(*host)).collect()),
            RuleEnd::Any | RuleEnd::List(_) => None,
        }
    };
    let (Some(sources), Some(destinations)) = (whos(source), whos(destination)) else { return false };
    sources.iter().all(|source| {
        destinations
            .iter()
            .all(|destination| flows.chosen.contains(&(source.clone(), destination.clone(), service)))
    })
}

/// Every subset of the labels that names what must be named, the whole first.
fn label_ends(labels: &LabelSet, bounds: &Bounds) -> Vec<RuleEnd> {
    let may_go: Vec<_> =
        labels.keys().filter(|key| bounds.droppable.contains(*key)).take(DROPPABLE_MAX).collect();
    let subset = |dropped: u32| {
        let goes =
            |key| may_go.iter().position(|other| *other == key).is_some_and(|at| dropped >> at & 1 == 1);
        let kept = labels.iter().filter(|(key, _)| !goes(*key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect::<LabelSet>()
    };
    let subsets = (0..1_u32 << may_go.len()).map(subset);
    let ends = subsets.filter_map(|labels| match labels.is_empty() {
        true => bounds.any.then_some(RuleEnd::Any),
        false => Some(RuleEnd::Labels(labels)),
    });
    ends.collect()
}

fn is_part(labels: &LabelSet, of: &LabelSet) -> bool {
    labels.iter().all(|(key, value)| of.get(key) == Some(value))
}

fn holds_block(list: &AddressSet, block: &IpNet) -> bool {
    AddressSet::from_iter([*block]).is_subset(list)
}

fn label_count(end: &RuleEnd) -> u64 {
    match end {
        RuleEnd::Labels(labels) => labels.len() as u64,
        RuleEnd::Hosts(_) => 1,
        RuleEnd::Any | RuleEnd::List(_) => 0,
    }
}
