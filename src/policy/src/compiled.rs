//! A compiled policy: classes of workloads that behave alike, and rules over selectors.
//!
//! Two workloads that the same selectors match, in the same mode, form one class (labels that no rule
//! names do not split a class). Cost follows rules × classes; members come in as sets.
//!
//! This file is the shape that lowering, proof and report read. `compile` fills it; whoever reads it
//! works at one end at a time:
//!
//! - at a *destination* that enforces ingress, only rules whose destination side selects its class count
//!   ([`CompiledPolicy::ingress_rules`]); the source matches by class or by address, whoever holds it;
//! - at a *source* that enforces egress, only rules whose source side selects its class count
//!   ([`CompiledPolicy::egress_rules`]); the destination matches by class or by address.
//!
//! A side that is an address set programs nothing at the holder of the address (S15).

use std::collections::BTreeSet;

use crate::address::AddressSet;
use crate::few::Few;
use crate::finding::Finding;
use crate::ruleset::{Action, RuleRef};
use crate::selector::Selector;
use crate::service::{ServicePoint, ServiceSet, protocol};
use crate::workload::EnforcementMode;

/// Index into [`CompiledPolicy::classes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClassId(pub u32);

/// Index into [`CompiledPolicy::selectors`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SelectorId(pub u32);

/// Index into [`CompiledPolicy::rules`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CompiledRuleId(pub u32);

/// What `compile` returns: a policy, whatever the input, and what is wrong with the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compilation {
    /// The compiled policy.
    pub policy: CompiledPolicy,
    /// Unknown labels on workloads, rules that select nothing, shadowed rules, addresses claimed twice…
    pub findings: Vec<Finding>,
}

/// Who may talk to whom, by class.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CompiledPolicy {
    /// In an order that depends on the snapshot only. Every workload is in exactly one class.
    pub classes: Vec<Class>,
    /// The class of each workload, by its index in the snapshot.
    pub class_of: Vec<ClassId>,
    /// Every selector that an enabled rule uses, each once.
    pub selectors: Vec<CompiledSelector>,
    /// Enabled rules of enabled rulesets, one for each expanded scope instance, in the order of writing.
    pub rules: Vec<CompiledRule>,
}

/// Workloads that behave alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Class {
    /// For people: the labels that all members share and a rule names, `role=web app=shop env=prod`.
    pub description: String,
    /// The mode of every member.
    pub mode: EnforcementMode,
    /// The members, as sorted indexes into the snapshot's workloads; never empty.
    pub members: Few<u32>,
    /// The selectors that match, sorted: what makes the class one.
    pub selectors: Few<SelectorId>,
    /// Rules whose destination side selects the class, sorted.
    pub ingress: Few<CompiledRuleId>,
    /// Rules whose source side selects the class, sorted.
    pub egress: Few<CompiledRuleId>,
}

/// A selector with the classes that it matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompiledSelector {
    /// What is selected.
    pub selector: Selector,
    /// The classes that match, sorted.
    pub classes: Few<ClassId>,
}

/// One rule in one scope instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompiledRule {
    /// The rule that people wrote.
    pub origin: RuleRef,
    /// What it does.
    pub action: Action,
    /// Who opens the connection.
    pub sources: Side,
    /// Who is connected to.
    pub destinations: Side,
    /// On what.
    pub services: ServiceSet,
}

/// One side of a rule: workloads by selectors, or addresses whoever holds them, or both.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Side {
    /// Workloads that any of these selectors matches.
    pub selectors: Few<SelectorId>,
    /// Addresses of IP lists; empty if the side names none.
    pub addresses: AddressSet,
}

impl CompiledPolicy {
    /// The class.
    pub fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    /// The rule.
    pub fn rule(&self, id: CompiledRuleId) -> &CompiledRule {
        &self.rules[id.0 as usize]
    }

    /// Rules that count at a destination of the class.
    pub fn ingress_rules(&self, class: ClassId) -> impl Iterator<Item = &CompiledRule> {
        self.class(class).ingress.iter().map(|&id| self.rule(id))
    }

    /// Rules that count at a source of the class.
    pub fn egress_rules(&self, class: ClassId) -> impl Iterator<Item = &CompiledRule> {
        self.class(class).egress.iter().map(|&id| self.rule(id))
    }

    /// The classes that a side selects by identity.
    pub fn classes_of(&self, side: &Side) -> BTreeSet<ClassId> {
        let selected = side.selectors.iter().map(|id| &self.selectors[id.0 as usize]);
        selected.flat_map(|selector| selector.classes.iter().copied()).collect()
    }

    /// Whether a side selects a class by identity.
    pub fn selects(&self, side: &Side, class: ClassId) -> bool {
        let class = &self.class(class).selectors;
        side.selectors.iter().any(|selector| class.binary_search(selector).is_ok())
    }
}

/// What passes every enforcement point whatever the rules say, because networks break without it:
/// path MTU messages, in both directions. IPv4: ICMP type 3 code 4 (RFC 1191); IPv6: ICMPv6 type 2
/// "packet too big" (RFC 8201), any code. From and to any address.
pub fn essential_services() -> ServiceSet {
    let fragmentation_needed = ServiceSet::point(ServicePoint::icmp(protocol::ICMP, 3, 4));
    fragmentation_needed.union(&ServiceSet::range(protocol::ICMPV6, 2 << 8, 2 << 8 | 0xff))
}
