//! The cheapest candidates that cover every item: weighted set cover.
//!
//! Items that share no candidate, directly or over others, are solved apart. Up to [`EXACT_ITEMS_MAX`] items and
//! [`NODES_MAX`] steps a part is solved exactly, by branch and bound; beyond that greedily, which costs at most 1 + ln n
//! times the optimum, and a lower bound says how far from it the result may be.

/// A part with more items is covered greedily.
pub const EXACT_ITEMS_MAX: usize = 128;
/// Steps of the search in one part; the best that was found until then counts, as greedy.
pub const NODES_MAX: u64 = 100_000;

/// Something that covers items.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// What it costs; never 0.
    pub cost: u64,
    /// What it covers, sorted.
    pub items: Vec<u32>,
}

/// What was chosen.
#[derive(Clone, PartialEq, Debug)]
pub struct Cover {
    /// Indexes of candidates, sorted.
    pub chosen: Vec<usize>,
    /// Whether nothing cheaper exists.
    pub is_exact: bool,
    /// No cover has fewer candidates.
    pub count_min: usize,
}

/// Covers every item that some candidate covers.
pub fn cover(items: usize, candidates: &[Candidate]) -> Cover {
    let mut cover = Cover { chosen: Vec::new(), is_exact: true, count_min: 0 };
    for part in parts(items, candidates) {
        let best = solve(&part, candidates);
        cover.is_exact &= best.is_exact;
        cover.count_min += best.count_min;
        cover.chosen.extend(best.chosen);
    }
    cover.chosen.sort_unstable();
    cover
}

/// Items and candidates that have to do with one another.
struct PartOf {
    items: Vec<u32>,
    candidates: Vec<usize>,
}

fn parts(items: usize, candidates: &[Candidate]) -> Vec<PartOf> {
    let mut leader: Vec<u32> = (0..items as u32).collect();
    fn find(leader: &mut [u32], mut item: u32) -> u32 {
        while leader[item as usize] != item {
            leader[item as usize] = leader[leader[item as usize] as usize];
            item = leader[item as usize];
        }
        item
    }
    for candidate in candidates {
        for pair in candidate.items.windows(2) {
            let (a, b) = (find(&mut leader, pair[0]), find(&mut leader, pair[1]));
            leader[a.max(b) as usize] = a.min(b);
        }
    }
    let mut parts: std::collections::BTreeMap<u32, PartOf> = std::collections::BTreeMap::new();
    let mut covered = vec![false; items];
    for (number, candidate) in candidates.iter().enumerate() {
        let Some(&first) = candidate.items.first() else { continue };
        let part = parts
            .entry(find(&mut leader, first))
            .or_insert_with(|| PartOf { items: Vec::new(), candidates: Vec::new() });
        part.candidates.push(number);
        for &item in &candidate.items {
            if !std::mem::replace(&mut covered[item as usize], true) {
                part.items.push(item);
            }
        }
    }
    parts.into_values().collect()
}

fn solve(part: &PartOf, candidates: &[Candidate]) -> Cover {
    let greedy = greedy(part, candidates);
    let bound = unit_bound(part, candidates);
    if part.items.len() > EXACT_ITEMS_MAX {
        return Cover { chosen: greedy, is_exact: false, count_min: bound };
    }
    let mut search = Search::new(part, candidates, &greedy);
    search.descend(0, &mut Vec::new(), 0);
    let is_exact = search.nodes < NODES_MAX;
    let chosen: Vec<usize> = search.best.1;
    let count_min = if is_exact { chosen.len() } else { bound };
    Cover { chosen, is_exact, count_min }
}

/// Again and again the candidate that is cheapest for what it covers anew; then without those that are not needed.
fn greedy(part: &PartOf, candidates: &[Candidate]) -> Vec<usize> {
    let mut open: std::collections::BTreeSet<u32> = part.items.iter().copied().collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let anew = |&&number: &&usize| {
            candidates[number].items.iter().filter(|item| open.contains(item)).count() as u128
        };
        let useful = part.candidates.iter().filter(|number| anew(number) > 0);
        // By cost for each item, without dividing.
        let best = useful.min_by(|a, b| {
            let cost = |number: &usize| u128::from(candidates[*number].cost);
            (cost(a) * anew(b)).cmp(&(cost(b) * anew(a)))
        });
        let Some(&best) = best else { break };
        candidates[best].items.iter().for_each(|item| {
            open.remove(item);
        });
        chosen.push(best);
    }
    without_needless(chosen, candidates)
}

fn without_needless(mut chosen: Vec<usize>, candidates: &[Candidate]) -> Vec<usize> {
    for at in (0..chosen.len()).rev() {
        let others = |item: &u32| {
            let mut rest = chosen.iter().enumerate().filter(|&(other, _)| other != at);
            rest.any(|(_, &number)| candidates[number].items.binary_search(item).is_ok())
        };
        if candidates[chosen[at]].items.iter().all(others) {
            chosen.remove(at);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// Each item must pay at least its share of the widest candidate that covers it: so many candidates are needed.
fn unit_bound(part: &PartOf, candidates: &[Candidate]) -> usize {
    let widest = |item: &u32| {
        let holding = part.candidates.iter().map(|&number| &candidates[number].items);
        holding.filter(|items| items.binary_search(item).is_ok()).map(Vec::len).max()
    };
    let shares: f64 = part.items.iter().filter_map(widest).map(|width| 1.0 / width as f64).sum();
    (shares - 1e-6).ceil() as usize
}

/// Branch and bound over one part.
struct Search {
    /// Cost, covered items as bits, index: dominated ones are left out.
    candidates: Vec<(u64, u128, usize)>,
    all: u128,
    best: (u64, Vec<usize>),
    nodes: u64,
}

impl Search {
    fn new(part: &PartOf, candidates: &[Candidate], greedy: &[usize]) -> Self {
        let mut places = part.items.clone();
        places.sort_unstable();
        let bit = |item: &u32| places.binary_search(item).map_or(0, |place| 1_u128 << place);
        let bits = |number: usize| candidates[number].items.iter().map(bit).fold(0, |all, one| all | one);
        let mut kept: Vec<(u64, u128, usize)> =
            part.candidates.iter().map(|&number| (candidates[number].cost, bits(number), number)).collect();
        // Cheapest and widest first, so that whoever dominates comes before.
        kept.sort_by_key(|&(cost, bits, number)| (cost, std::cmp::Reverse(bits.count_ones()), number));
        let mut undominated: Vec<(u64, u128, usize)> = Vec::new();
        for one in kept {
            if !undominated.iter().any(|other| one.1 & !other.1 == 0) {
                undominated.push(one);
            }
        }
        let cost = greedy.iter().map(|&number| candidates[number].cost).sum();
        let all = part.items.iter().map(bit).fold(0, |all, one| all | one);
        Self { candidates: undominated, all, best: (cost, greedy.to_vec()), nodes: 0 }
    }

    fn descend(&mut self, covered: u128, chosen: &mut Vec<usize>, cost: u64) {
        self.nodes += 1;
        if covered == self.all {
            if cost < self.best.0 {
                let mut best = chosen.clone();
                best.sort_unstable();
                self.best = (cost, best);
            }
            return;
        }
        if self.nodes >= NODES_MAX || cost + self.bound(covered) >= self.best.0 {
            return;
        }
        for (price, bits, number) in self.branches(covered) {
            chosen.push(number);
            self.descend(covered | bits, chosen, cost + price);
            chosen.pop();
        }
    }

    /// What covers the open item that has the fewest candidates, best first.
    fn branches(&self, covered: u128) -> Vec<(u64, u128, usize)> {
        let open = self.all & !covered;
        let holding = |item: u32| self.candidates.iter().filter(move |one| one.1 >> item & 1 == 1);
        let items = (0..128).filter(|&item| open >> item & 1 == 1);
        let Some(item) = items.min_by_key(|&item| holding(item).count()) else { return Vec::new() };
        let mut branches: Vec<(u64, u128, usize)> = holding(item).copied().collect();
        branches.sort_by_key(|&(cost, bits, number)| {
            (cost / u64::from((bits & open).count_ones().max(1)), number)
        });
        branches
    }

    /// Every open item costs at least its share of the candidate that is cheapest for it.
    fn bound(&self, covered: u128) -> u64 {
        let open = self.all & !covered;
        let mut shares = [u64::MAX; 128];
        for &(cost, bits, _) in &self.candidates {
            let mut anew = bits & open;
            let share = cost / u64::from(anew.count_ones().max(1));
            while anew != 0 {
                let item = anew.trailing_zeros() as usize;
                shares[item] = shares[item].min(share);
                anew &= anew - 1;
            }
        }
        shares.iter().filter(|&&share| share != u64::MAX).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brute(items: usize, candidates: &[Candidate]) -> u64 {
        let all = (0..items as u32).filter(|item| candidates.iter().any(|one| one.items.contains(item)));
        let all: Vec<u32> = all.collect();
        let subsets = 0..1_u32 << candidates.len();
        let costs = subsets.filter_map(|subset| {
            let chosen = || (0..candidates.len()).filter(move |place| subset >> place & 1 == 1);
            let covers = |item: &u32| chosen().any(|place| candidates[place].items.contains(item));
            all.iter().all(covers).then(|| chosen().map(|place| candidates[place].cost).sum())
        });
        costs.min().unwrap_or(0)
    }

    #[test]
    fn a_cover_is_as_cheap_as_trying_everything_finds() {
        let mut rng = fastrand::Rng::with_seed(11);
        let (mut chosen, mut better_than_greedy) = (0, 0);
        for _ in 0..400 {
            let items = rng.usize(1..9);
            let candidates: Vec<Candidate> = (0..rng.usize(1..11))
                .map(|_| Candidate {
                    cost: rng.u64(1..6),
                    items: (0..items as u32).filter(|_| rng.u8(..3) == 0).collect(),
                })
                .collect();
            let found = cover(items, &candidates);
            let cost: u64 = found.chosen.iter().map(|&place| candidates[place].cost).sum();
            assert_eq!(cost, brute(items, &candidates), "{candidates:?}");
            assert!(found.is_exact && found.count_min == found.chosen.len());
            chosen += found.chosen.len();
            for part in parts(items, &candidates) {
                let greedy: u64 =
                    greedy(&part, &candidates).iter().map(|&place| candidates[place].cost).sum();
                let exact = solve(&part, &candidates).chosen;
                let exact: u64 = exact.iter().map(|&place| candidates[place].cost).sum();
                better_than_greedy += usize::from(exact < greedy);
                assert!(unit_bound(&part, &candidates) <= part.candidates.len());
            }
        }
        println!("{chosen} chosen, {better_than_greedy} parts better than greedy");
        assert!(chosen > 400 && better_than_greedy > 5);
    }

    #[test]
    fn a_large_part_is_covered_greedily_with_a_bound_below() {
        let mut rng = fastrand::Rng::with_seed(12);
        let candidates: Vec<Candidate> = (0..300)
            .map(|_| Candidate { cost: 1, items: (0..400).filter(|_| rng.u8(..20) == 0).collect() })
            .collect();
        let found = cover(400, &candidates);
        assert!(!found.is_exact);
        assert!(found.count_min > 5 && found.count_min <= found.chosen.len(), "{found:?}");
        let covers = |item: u32| found.chosen.iter().any(|&place| candidates[place].items.contains(&item));
        assert!((0..400).all(covers));
    }
}
