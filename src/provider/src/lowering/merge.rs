//! Exact merging: the fewest rules that admit exactly a set of addresses × services.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use plan::{Peer, RuleService, RuleSpec};
use policy::service::{has_icmp_type, has_ports, protocol};
use policy::{AddressSet, RangeSet, RuleRef, ServiceSet};

/// What addresses may do, with the rule that says so (`None`: essential).
pub type Grant = (AddressSet, ServiceSet, Option<RuleRef>);

/// A set of services as the pieces that a cloud rule can say.
pub fn pieces(services: &ServiceSet) -> Vec<RuleService> {
    if *services == ServiceSet::all() {
        return vec![RuleService::All];
    }
    services.by_protocol().flat_map(|(protocol, low, high)| protocol_pieces(protocol, low, high)).collect()
}

fn protocol_pieces(protocol: u8, low: u16, high: u16) -> Vec<RuleService> {
    if (low, high) == (0, u16::MAX) {
        return vec![RuleService::Protocol(protocol)];
    }
    if has_ports(protocol) {
        return vec![RuleService::ports(protocol, low, high)];
    }
    debug_assert!(has_icmp_type(protocol), "other protocols are whole or absent");
    let mut pieces = Vec::new();
    for kind in low >> 8..=high >> 8 {
        let first = if kind == low >> 8 { low & 0xff } else { 0 };
        let last = if kind == high >> 8 { high & 0xff } else { 0xff };
        let kind = kind as u8;
        if (first, last) == (0, 0xff) {
            pieces.push(RuleService::Icmp { protocol, kind, code: None });
        } else {
            pieces.extend((first..=last).map(|code| RuleService::Icmp {
                protocol,
                kind,
                code: Some(code as u8),
            }));
        }
    }
    pieces
}

/// Each family of the addresses with the services that exist in it.
pub fn by_family(
    addresses: &AddressSet,
    services: &ServiceSet,
) -> impl Iterator<Item = (AddressSet, ServiceSet)> {
    let v4 = AddressSet::from_parts(addresses.v4().clone(), RangeSet::default());
    let v6 = AddressSet::from_parts(RangeSet::default(), addresses.v6().clone());
    let services = services.clone();
    [(v4, false), (v6, true)].into_iter().filter_map(move |(part, is_ipv6)| {
        // "Everything" stays everything: one rule says it in both families.
        let exist =
            if services == ServiceSet::all() { services.clone() } else { existing(&services, is_ipv6) };
        (!part.is_empty() && !exist.is_empty()).then_some((part, exist))
    })
}

/// Whether a protocol exists between addresses of a family.
fn exists_in(number: u8, is_ipv6: bool) -> bool {
    !(number == protocol::ICMP && is_ipv6 || number == protocol::ICMPV6 && !is_ipv6)
}

fn existing(services: &ServiceSet, is_ipv6: bool) -> ServiceSet {
    let absent = (0..=u8::MAX).filter(|&number| !exists_in(number, is_ipv6));
    absent.fold(services.clone(), |left, number| {
        let absent = ServiceSet::protocol(number);
        if left.intersects(&absent) { left.difference(&absent) } else { left }
    })
}

/// The address rules of one end, with the policy rules behind each.
pub fn address_rules(grants: &[Grant]) -> BTreeMap<RuleSpec, Vec<RuleRef>> {
    let split: Vec<Grant> = grants
        .iter()
        .flat_map(|(addresses, services, origin)| {
            by_family(addresses, services).map(move |(a, s)| (a, s, origin.clone()))
        })
        .collect();
    let mut rules = BTreeMap::new();
    for is_ipv6 in [false, true] {
        let family: Vec<&Grant> = split
            .iter()
            .filter(|(a, _, _)| if is_ipv6 { !a.v6().is_empty() } else { !a.v4().is_empty() })
            .collect();
        for spec in fewest(&family) {
            let reasons = reasons(&family, &spec);
            rules.insert(spec, reasons);
        }
    }
    rules
}

/// The smaller of two exact covers: by equal services, or by service piece.
fn fewest(grants: &[&Grant]) -> BTreeSet<RuleSpec> {
    let regions = regions(grants);
    let (by_region, by_piece) = (cover_by_region(&regions), cover_by_piece(&regions));
    if by_piece.len() < by_region.len() { by_piece } else { by_region }
}

/// Disjoint address sets with the services that each may use.
fn regions(grants: &[&Grant]) -> Vec<(AddressSet, ServiceSet)> {
    let mut regions: Vec<(AddressSet, ServiceSet)> = Vec::new();
    for (addresses, services, _) in grants {
        // Mostly nobody there was granted anything yet.
        if !regions.iter().any(|(region, _)| region.intersects(addresses)) {
            match regions.iter_mut().find(|(_, known)| known == services) {
                Some((region, _)) => *region = region.union(addresses),
                None => regions.push((addresses.clone(), services.clone())),
            }
            continue;
        }
        let mut fresh = addresses.clone();
        let mut next = Vec::with_capacity(regions.len() + 2);
        for (region, known) in regions {
            let both = region.intersection(&fresh);
            if both.is_empty() || services.is_subset(&known) {
                fresh = fresh.difference(&both);
                next.push((region, known));
                continue;
            }
            let rest = region.difference(&both);
            fresh = fresh.difference(&both);
            if !rest.is_empty() {
                next.push((rest, known.clone()));
            }
            let more = known.union(services);
            next.push((both, more));
        }
        if !fresh.is_empty() {
            next.push((fresh, services.clone()));
        }
        regions = joined(next);
    }
    regions
}

/// Regions with equal services become one.
fn joined(regions: Vec<(AddressSet, ServiceSet)>) -> Vec<(AddressSet, ServiceSet)> {
    let mut by_services: BTreeMap<ServiceSet, AddressSet> = BTreeMap::new();
    for (region, services) in regions {
        let known = by_services.entry(services).or_default();
        *known = known.union(&region);
    }
    by_services.into_iter().map(|(services, region)| (region, services)).collect()
}

fn cover_by_region(regions: &[(AddressSet, ServiceSet)]) -> BTreeSet<RuleSpec> {
    let rules = regions.iter().flat_map(|(region, services)| {
        let blocks = region.to_cidrs();
        pieces(services).into_iter().flat_map(move |service| rules_for(blocks.clone(), service))
    });
    rules.collect()
}

/// Every piece over the widest addresses that may use it: addresses of larger sets of services merge in.
fn cover_by_piece(regions: &[(AddressSet, ServiceSet)]) -> BTreeSet<RuleSpec> {
    let all: BTreeSet<RuleService> = regions.iter().flat_map(|(_, services)| pieces(services)).collect();
    let wide = |service: RuleService| {
        let own = service.to_set();
        let using = regions.iter().filter(|(_, services)| own.is_subset(services));
        let wide = using.fold(AddressSet::empty(), |sum, (region, _)| sum.union(region));
        (service, own, wide)
    };
    let reach: Vec<(RuleService, ServiceSet, AddressSet)> = all.into_iter().map(wide).collect();
    let needed = |(service, own, addresses): &(RuleService, ServiceSet, AddressSet)| {
        // A piece inside a wider piece covers nothing that the wider one covers already.
        let covered = reach.iter().filter(|(other, wider, _)| other != service && own.is_subset(wider));
        let covered = covered.fold(AddressSet::empty(), |sum, (_, _, wider)| sum.union(wider));
        let left = addresses.difference(&covered);
        (!left.is_empty()).then(|| {
            let blocks = addresses.to_cidrs();
            let fewer = left.to_cidrs();
            let useful: Vec<IpNet> =
                blocks.into_iter().filter(|block| !AddressSet::from(*block).is_subset(&covered)).collect();
            (*service, if fewer.len() < useful.len() { fewer } else { useful })
        })
    };
    reach.iter().filter_map(needed).flat_map(|(service, blocks)| rules_for(blocks, service)).collect()
}

fn rules_for(blocks: Vec<IpNet>, service: RuleService) -> impl Iterator<Item = RuleSpec> {
    blocks.into_iter().map(move |block| RuleSpec { peer: Peer::Cidr(block), service })
}

fn reasons(grants: &[&Grant], spec: &RuleSpec) -> Vec<RuleRef> {
    let Peer::Cidr(block) = &spec.peer else { return Vec::new() };
    let (block, services) = (AddressSet::from(*block), spec.service.to_set());
    let behind = grants
        .iter()
        .filter(|(addresses, granted, _)| addresses.intersects(&block) && granted.intersects(&services));
    let reasons: BTreeSet<RuleRef> = behind.filter_map(|(_, _, origin)| origin.clone()).collect();
    reasons.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &str) -> AddressSet {
        texts
            .split_whitespace()
            .filter_map(|text| text.parse().ok())
            .fold(AddressSet::empty(), |a, b: AddressSet| a.union(&b))
    }

    fn services(texts: &str) -> ServiceSet {
        texts.split_whitespace().filter_map(|text| text.parse::<ServiceSet>().ok()).collect()
    }

    fn check(grants: &[(&str, &str)], expected: &[&str]) {
        let grants: Vec<Grant> = grants.iter().map(|(a, s)| (set(a), services(s), None)).collect();
        let rules: Vec<String> = address_rules(&grants).keys().map(ToString::to_string).collect();
        assert_eq!(rules, expected);
    }

    #[test]
    fn neighbours_merge_exactly() {
        check(&[("10.0.0.0/25", "tcp/80"), ("10.0.0.128/25", "tcp/80")], &["10.0.0.0/24 tcp/80"]);
        check(&[("10.0.0.1", "tcp/80"), ("10.0.0.1", "tcp/81-90")], &["10.0.0.1/32 tcp/80-90"]);
        check(
            &[("10.0.0.1", "tcp/80"), ("10.0.0.3", "tcp/80")],
            &["10.0.0.1/32 tcp/80", "10.0.0.3/32 tcp/80"],
        );
    }

    #[test]
    fn a_rule_inside_another_is_not_written() {
        check(&[("10.0.0.0/8", "tcp"), ("10.1.0.0/16", "tcp/443")], &["10.0.0.0/8 tcp"]);
        check(
            &[("10.0.0.0/24", "tcp/80"), ("10.0.0.7", "tcp/80 tcp/443")],
            &["10.0.0.0/24 tcp/80", "10.0.0.7/32 tcp/443"],
        );
    }

    #[test]
    fn icmp_stays_in_its_family() {
        check(&[("0.0.0.0/0 ::/0", "icmp/8 icmpv6/128")], &["0.0.0.0/0 icmp/8", "::/0 icmpv6/128"]);
        check(&[("0.0.0.0/0 ::/0", "all")], &["0.0.0.0/0 all", "::/0 all"]);
    }

    #[test]
    fn covers_admit_exactly_what_was_granted() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let mut grants: Vec<Grant> = Vec::new();
            for _ in 0..random.usize(1..5) {
                let first = random.u32(0..24);
                let address = RangeSet::range(first, first + random.u32(0..9));
                let low = random.u16(0..12);
                let service = match random.u8(0..5) {
                    0 => ServiceSet::range(1, low << 8, (low + 2) << 8 | random.u16(0..256)),
                    1 => ServiceSet::protocol(50),
                    _ => ServiceSet::range(6, low, low + random.u16(0..6)),
                };
                grants.push((AddressSet::from_parts(address, RangeSet::default()), service, None));
            }
            let rules = address_rules(&grants);
            for bits in 0..40u32 {
                let address = AddressSet::from_parts(RangeSet::range(bits, bits), RangeSet::default());
                let wanted: ServiceSet = grants
                    .iter()
                    .filter(|(a, _, _)| address.is_subset(a))
                    .map(|(_, s, _)| s.clone())
                    .collect();
                let got: ServiceSet = rules
                    .keys()
                    .filter(|rule| matches!(&rule.peer, Peer::Cidr(block) if address.is_subset(&AddressSet::from(*block))))
                    .map(|rule| rule.service.to_set())
                    .collect();
                assert_eq!(got, wanted, "at {address} of {grants:?}");
            }
        }
    }
}
