//! The stages of a chain, with the rules of ours apart from the foreign ones.
//!
//! Let `A` be the packets that a list allows by its first match and `N` those that it leaves to the next one. A packet
//! passes a chain of `k` lists if it is in `A1 ∪ … ∪ Ak`, and in `A1 ∪ … ∪ Ai ∪ Ni` for each `i`: this is the
//! form of [`Stages::other`]. In the chain that holds our rules ([`Stages::managed`]) the first of these stages is
//! written so that each object stands for itself:
//!
//! - ours: the rules of ours in one list, by their own first match;
//! - of each list what foreign rules allow, below every deny of the list and of the lists before it, ours too.
//!
//! What a foreign rule stops or takes elsewhere before ours can allow it is left to the further stages; those that
//! stop nothing that the first one lets pass are left out. Nothing is lost and nothing is added: the tests of the drivers
//! compare the graph with the lists, packet by packet.

use super::Link;
use super::lists::{Line, Lists, Title};
use super::rule::{Reading, RuleIndex, Rules};
use crate::graph::{Effect, Stage};
use crate::state::{GroupId, Owner, PathEffect};

/// A list of a chain as it is at some interfaces.
pub(super) struct Layer<'a> {
    title: Title<'a>,
    rules: Vec<Applied>,
}

/// A rule that is for these interfaces.
struct Applied {
    rule: RuleIndex,
    is_ours: bool,
    effect: PathEffect,
}

impl Applied {
    fn line(&self, reading: Reading, permits: PathEffect) -> Line {
        let effect = if self.effect == permits { Effect::Permit } else { Effect::Block };
        Line { rule: self.rule, effect, reading, without: Vec::new() }
    }
}

impl<'a> Layer<'a> {
    /// The rules of a list that are for interfaces in some groups (sorted) of a network.
    pub(super) fn at(
        link: &Link<'a>,
        groups: &[&GroupId],
        here: &'a policy::NetworkId,
        rules: &mut Rules<'a>,
    ) -> Self {
        let (title, found) = match link {
            Link::Open(name) => {
                let open = Applied { rule: Rules::EVERYTHING, is_ours: false, effect: PathEffect::Allow };
                return Self { title: Title { id: name, name, is_ours: false }, rules: vec![open] };
            }
            Link::List(filter, found) => {
                (Title { id: &filter.id, name: &filter.name, is_ours: false }, found)
            }
        };
        let mut applied = Vec::new();
        for rule in found {
            let is_for = |target: &GroupId| groups.binary_search(&target).is_ok();
            if rule.targets.is_empty() || rule.targets.iter().any(is_for) {
                let is_ours = rule.owner == Owner::Ours;
                applied.push(Applied { rule: rules.read(rule, here), is_ours, effect: rule.effect });
            }
        }
        Self { title, rules: applied }
    }

    /// The place of the last allow of ours.
    fn last_of_ours(&self) -> Option<usize> {
        self.rules.iter().rposition(|rule| rule.is_ours && rule.effect == PathEffect::Allow)
    }

    /// What later lists are asked about last: the denies, each without what a next before it takes past it.
    fn denies(&self) -> impl Iterator<Item = Line> + '_ {
        let denies = self.rules.iter().enumerate().filter(|(_, rule)| rule.effect == PathEffect::Deny);
        denies.map(|(place, rule)| {
            let nexts = self.rules[..place].iter().filter(|before| before.effect == PathEffect::Next);
            let without = nexts.map(|next| next.rule).collect();
            Line { rule: rule.rule, effect: Effect::Block, reading: Reading::Most, without }
        })
    }
}

/// Makes the stages of one end.
pub(super) struct Stages<'s, 'a> {
    rules: &'s Rules<'a>,
    lists: &'s mut Lists<'a>,
    stages: Vec<Stage>,
}

impl<'s, 'a> Stages<'s, 'a> {
    pub(super) fn new(rules: &'s Rules<'a>, lists: &'s mut Lists<'a>) -> Self {
        Self { rules, lists, stages: Vec::new() }
    }

    /// The stages of an end behind some chains, of which the first holds our rules.
    pub(super) fn of(mut self, chains: &[Vec<Layer<'a>>]) -> Vec<Stage> {
        if let Some((managed, others)) = chains.split_first() {
            self.managed(managed);
            others.iter().for_each(|chain| self.other(chain));
        }
        self.stages
    }

    /// The stages of the chain that holds our rules; the first is the one that they are in.
    fn managed(&mut self, chain: &[Layer<'a>]) {
        let ours = chain.iter().position(|layer| layer.last_of_ours().is_some());
        let ours = ours.or_else(|| chain.iter().position(|l| l.rules.iter().any(|rule| rule.is_ours)));
        let mut first: Vec<u32> = ours.and_then(|ours| self.ours(&chain[ours])).into_iter().collect();
        for number in 0..chain.len() {
            first.extend(self.foreign(&chain[..=number], ours == Some(number)));
        }
        self.stages.push(Stage { lists: first });
        let last = ours.and_then(|ours| Some((ours, chain[ours].last_of_ours()?)));
        let past = last.is_some_and(|(ours, last)| {
            let before = &chain[ours].rules[..last];
            before.iter().any(|rule| !rule.is_ours && rule.effect == PathEffect::Next)
        });
        if past {
            // A foreign next before a rule of ours takes packets past it: later lists decide, and ours does not.
            return self.other(chain);
        }
        for (number, layer) in chain.iter().enumerate() {
            let whole = number + 1 < chain.len() && !self.stops_exactly(layer);
            let until = match last {
                _ if whole => layer.rules.len(),
                Some((ours, _)) if number < ours => layer.rules.len(),
                Some((ours, last)) if number == ours => foreign_denies_until(layer, last),
                _ => 0,
            };
            self.stopped(chain, number, until);
        }
    }

    /// The stages of a chain in which all rules count alike.
    fn other(&mut self, chain: &[Layer<'a>]) {
        let allowed = self.allowed(chain);
        self.push(allowed);
        for (number, layer) in chain.iter().enumerate().filter(|(number, _)| number + 1 < chain.len()) {
            self.stopped(chain, number, layer.rules.len());
        }
    }

    /// Our rules of a list alone.
    fn ours(&mut self, layer: &Layer<'a>) -> Option<u32> {
        let ours = layer.rules.iter().filter(|rule| rule.is_ours);
        let lines = ours.map(|rule| rule.line(Reading::Least, PathEffect::Allow)).collect();
        self.lists.add(Title { is_ours: true, ..layer.title }, lines, self.rules)
    }

    /// What foreign rules of the last of some lists allow below all that these lists stop.
    fn foreign(&mut self, chain: &[Layer<'a>], holds_ours: bool) -> Option<u32> {
        let (layer, before) = chain.split_last()?;
        let counts = |rule: &&Applied| !(holds_ours && rule.is_ours && rule.effect == PathEffect::Allow);
        let own = layer.rules.iter().filter(counts);
        let own = own.map(|rule| rule.line(Reading::Most, PathEffect::Allow));
        let lines = before.iter().flat_map(Layer::denies).chain(own).collect();
        self.lists.add(layer.title, lines, self.rules)
    }

    /// What each list allows, in the order of the chain.
    fn allowed(&mut self, chain: &[Layer<'a>]) -> Vec<u32> {
        let mut lists = Vec::new();
        for layer in chain {
            let lines = layer.rules.iter().map(|rule| rule.line(Reading::Least, PathEffect::Allow));
            lists.extend(self.lists.add(layer.title, lines.collect(), self.rules));
        }
        lists
    }

    /// A stage that stops what the first rules of a list deny, unless an earlier list of the chain allows it.
    fn stopped(&mut self, chain: &[Layer<'a>], number: usize, until: usize) {
        let layer = &chain[number];
        let rules = &layer.rules[..until];
        let Some(last) = rules.iter().rposition(|rule| rule.effect == PathEffect::Deny) else { return };
        let line = |rule: &Applied| {
            let passes = if rule.effect == PathEffect::Deny { Effect::Block } else { Effect::Permit };
            Line { effect: passes, ..rule.line(Reading::Least, PathEffect::Allow) }
        };
        let mut lines: Vec<Line> = rules[..=last].iter().map(line).collect();
        let rest = Applied { rule: Rules::EVERYTHING, is_ours: false, effect: PathEffect::Allow };
        lines.push(rest.line(Reading::Least, PathEffect::Allow));
        let mut lists = self.allowed(&chain[..number]);
        lists.extend(self.lists.add(layer.title, lines, self.rules));
        self.push(lists);
    }

    fn stops_exactly(&mut self, layer: &Layer<'a>) -> bool {
        let mut denies = layer.denies();
        denies.all(|line| self.lists.is_exact(line, self.rules))
    }

    fn push(&mut self, lists: Vec<u32>) {
        let stage = Stage { lists };
        if !self.stages.iter().skip(1).any(|known| *known == stage) {
            self.stages.push(stage);
        }
    }
}

/// How many of the first rules of a list reach from its start to the last foreign deny before a rule of ours.
fn foreign_denies_until(layer: &Layer<'_>, ours: usize) -> usize {
    let foreign = |rule: &Applied| !rule.is_ours && rule.effect == PathEffect::Deny;
    layer.rules[..ours].iter().rposition(foreign).map_or(0, |last| last + 1)
}
