//! Generated pairs of states.

use crate::check;
use crate::world::{Enforce, INTERFACES};

/// Cases by default; `BULKHEAD_CASES` sets another number.
const CASES: u64 = 60;

const CLASSES: [&str; 4] = ["p", "q", "r", "s"];
const SERVICES: [&str; 6] = ["tcp/80", "tcp/443", "tcp/1-6000", "udp/53", "icmp/8", "all"];
const BLOCKS: [&str; 5] = ["192.0.2.0/24", "0.0.0.0/0", "10.1.0.0/16", "10.1.0.5/32", "2001:db8::/32"];
const FOREIGN: [&str; 3] =
    ["", "+ops: a b e | ops<-10.0.0.0/8 tcp/443", "+ops: a f | ops<-pl-1 tcp/80 | ops<-192.0.2.7/32 all"];

#[derive(Clone)]
struct World {
    class_of: Vec<Option<usize>>,
    rules: Vec<String>,
    exclusive: bool,
}

impl World {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let class_of = INTERFACES.iter().map(|_| rng.usize(0..6)).map(|c| (c < 4).then_some(c)).collect();
        let rules = (0..rng.usize(1..6)).map(|_| rule(rng)).collect();
        Self { class_of, rules, exclusive: rng.u8(0..8) == 0 }
    }

    /// A few edits: relabels, rules that come and go.
    fn edited(&self, rng: &mut fastrand::Rng) -> Self {
        let mut next = self.clone();
        for _ in 0..rng.usize(1..4) {
            match rng.u8(0..4) {
                0 => next.rules.push(rule(rng)),
                1 if !next.rules.is_empty() => drop(next.rules.remove(rng.usize(..next.rules.len()))),
                _ => next.class_of[rng.usize(..8)] = Some(rng.usize(..4)),
            }
        }
        next.exclusive |= rng.u8(0..8) == 0;
        next
    }

    fn text(&self, foreign: &str) -> String {
        let mut parts = vec![foreign.to_owned()];
        for (class, name) in CLASSES.iter().enumerate() {
            let members: Vec<_> = INTERFACES
                .iter()
                .zip(&self.class_of)
                .filter(|(_, c)| **c == Some(class))
                .map(|(i, _)| *i)
                .collect();
            if !members.is_empty() {
                parts.push(format!("{name}: {}", members.join(" ")));
            }
        }
        parts.extend(self.rules.iter().cloned());
        parts.extend(self.exclusive.then(|| "exclusive".to_owned()));
        parts.retain(|part| !part.is_empty());
        parts.join(" | ")
    }
}

fn rule(rng: &mut fastrand::Rng) -> String {
    let own = CLASSES[rng.usize(..4)];
    let service = SERVICES[rng.usize(..6)];
    match rng.u8(0..4) {
        0 => format!("{own}<-{} {service}", BLOCKS[rng.usize(..5)]),
        1 => format!("{own}->{} {service}", BLOCKS[rng.usize(..5)]),
        _ => format!("{own}<-{} {service}", CLASSES[rng.usize(..4)]),
    }
}

#[test]
fn generated_changes_keep_both_bounds() {
    let cases = std::env::var("BULKHEAD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    let mut counts = [0u32; 5];
    for seed in 0..cases {
        let mut rng = fastrand::Rng::with_seed(seed);
        let foreign = FOREIGN[rng.usize(..3)];
        let before = World::random(&mut rng);
        let mut after = if rng.u8(0..3) > 0 { before.edited(&mut rng) } else { World::random(&mut rng) };
        // An interface that we hold keeps a class: what becomes of it otherwise is tested apart.
        for (was, will) in before.class_of.iter().zip(&mut after.class_of) {
            *will = will.or(*was);
        }
        let enforce = if rng.bool() { Enforce::Both } else { Enforce::Ingress };
        let plan = check(&before.text(foreign), &after.text(""), enforce);
        let members = before.class_of != after.class_of;
        let rules = before.rules != after.rules;
        let facts = [plan.steps.is_empty(), members, rules, members && rules, !plan.transients.is_empty()];
        counts.iter_mut().zip(facts).for_each(|(count, fact)| *count += u32::from(fact));
    }
    let [empty, members, rules, both, named] = counts;
    println!(
        "{cases} cases: {empty} empty, {members} move members, {rules} change rules, {both} both, {named} named"
    );
    assert!(cases < 60 || (members > 30 && rules > 30 && both > 20), "the generator lost its coverage");
}
