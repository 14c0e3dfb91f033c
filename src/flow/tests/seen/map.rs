//! The map: what is gathered into what, and that nothing is lost.

use std::collections::BTreeMap;

use flow::map::{Edge, EdgeService, Fate, Map, NodeKind, Options, Roles};
use flow::{End, Outcome, Tally};
use policy::Verdict;

use crate::naive;
use crate::world::{flows, lists, random, services};

/// Edges as lines: `web in shop · prod > db in shop · prod: postgres accepted 12`.
fn edges(map: &Map) -> Vec<String> {
    let name = |id: usize| format!("{}/{}", map.groups[map.nodes[id].group].name(), map.nodes[id].name());
    let line = |edge: &Edge| {
        let ends = format!("{} > {}", name(edge.source), name(edge.destination));
        format!("{ends} {} {} {}", edge.service_words(), edge.fate.id(), edge.tally.connections)
    };
    map.edges.iter().map(line).collect()
}

#[test]
fn workloads_are_gathered_by_labels_and_the_rest_by_lists_and_blocks() {
    let summaries = flows(
        "shop.prod.web@vpc-1 > shop.prod.db tcp/5432 accepted 1
         shop.prod.web@vpc-2 > shop.prod.db tcp/5432 accepted 2 +1
         shop.prod. > crm..db tcp/1433 accepted 4
         198.51.100.7 > shop.prod.web@vpc-1 tcp/443 accepted 8
         203.0.113.0/24 > shop.prod.web@vpc-1 tcp/80 rejected 16
         8.8.8.8 > shop.prod.web@vpc-1 tcp/81 rejected 32
         shop.prod.db > 10.1.1.1 udp/53 unknown 64
         shop.prod.db > fe80::1 udp/53 accepted 128
         shop.prod.db > 2001:db8::1 udp/53 accepted 256",
    );
    let (services, lists) = (services(), lists());
    let options = Options { services: &services, lists: &lists, ..Options::default() };
    let map = Map::build(&summaries, &options);
    assert_eq!(
        edges(&map),
        [
            "shop · prod/no role > crm · no env/db tcp/1433 accepted 4",
            "shop · prod/db > outside/10.0.0.0/8 (private) dns (udp/53) unknown 64",
            "shop · prod/db > outside/fe80::/10 (link-local) dns (udp/53) accepted 128",
            "shop · prod/db > outside/internet dns (udp/53) accepted 256",
            "shop · prod/web > shop · prod/db tcp/5432 accepted 3",
            "outside/office > shop · prod/web https (tcp/443) accepted 8",
            "outside/wide > shop · prod/web web (tcp/80) rejected 16",
            "outside/internet > shop · prod/web tcp/81 rejected 32",
        ]
    );
    let web = map.nodes.iter().find(|node| node.name() == "web").unwrap();
    assert_eq!((web.ends, web.networks.len()), (2, 2));
}

#[test]
fn roles_may_be_all_other_labels() {
    let summaries = flows("shop.prod.web > shop.dev.db tcp/1 accepted 1");
    let options = Options { group_by: vec!["app".into()], roles: Roles::All, ..Options::default() };
    let map = Map::build(&summaries, &options);
    assert_eq!(edges(&map), ["shop/web · prod > shop/db · dev tcp/1 accepted 1"]);
    let options = Options { group_by: Vec::new(), roles: Roles::Keys(Vec::new()), ..Options::default() };
    assert_eq!(
        edges(&Map::build(&summaries, &options)),
        ["everything/workloads > everything/workloads tcp/1 accepted 1"]
    );
}

#[test]
fn what_passed_and_would_be_blocked_is_potentially_blocked_and_what_was_dropped_is_rejected() {
    let summaries = flows(
        "a.p.x > a.p.y tcp/1 accepted 1
         a.p.x > a.p.y tcp/2 unknown 2
         a.p.x > a.p.y tcp/3 rejected 4
         a.p.x > a.p.y tcp/4 accepted 8
         a.p.x > a.p.y tcp/5 unknown 16",
    );
    let verdict = |_: &End, _: &End, service: policy::ServicePoint| match service.detail {
        1 => Some(Verdict::PotentiallyBlocked),
        2 | 3 => Some(Verdict::Blocked),
        4 => Some(Verdict::Allowed),
        _ => None,
    };
    let map = Map::build(&summaries, &Options { verdict: Some(&verdict), ..Options::default() });
    let fates: Vec<(u64, Fate)> = map.edges.iter().map(|edge| (edge.tally.connections, edge.fate)).collect();
    use Fate::{Accepted, PotentiallyBlocked, Rejected, Unknown};
    assert_eq!(
        fates,
        [(1, PotentiallyBlocked), (2, PotentiallyBlocked), (4, Rejected), (8, Accepted), (16, Unknown)]
    );
}

#[test]
fn a_scan_of_ports_is_one_edge_and_the_most_used_stay() {
    let mut lines = String::new();
    for port in 1..=100 {
        lines += &format!("8.8.8.8 > a.p.x tcp/{port} rejected {}\n", if port == 50 { 9 } else { 1 });
    }
    let map = Map::build(&flows(&lines), &Options { services_max: 3, ..Options::default() });
    assert_eq!(
        edges(&map),
        [
            "outside/internet > a · p/x tcp/1 rejected 1",
            "outside/internet > a · p/x tcp/50 rejected 9",
            "outside/internet > a · p/x 98 other services rejected 98"
        ]
    );
    assert_eq!(map.edges[2].seen.to_string(), "tcp/2-49, tcp/51-100");
}

/// The edge that a row belongs to, in the slow and obvious way: names of nodes, name or point of the service, fate.
fn edge_of(summaries: &flow::Summaries, key: &flow::Key) -> String {
    let node = |end: &End| match end {
        End::Address(block) => {
            let set = policy::AddressSet::from(*block);
            let mut lists: Vec<_> = lists().into_iter().filter(|(_, list)| set.is_subset(list)).collect();
            lists.sort_by_key(|(_, list)| list.to_cidrs()[0].prefix_len());
            lists.last().map_or_else(
                || {
                    if block.to_string().starts_with("10.") {
                        "outside/10.0.0.0/8 (private)".into()
                    } else {
                        "outside/internet".into()
                    }
                },
                |(name, _)| format!("outside/{name}"),
            )
        }
        End::Workload { labels, .. } => {
            let value = |key: &str| labels.get(key).map_or(format!("no {key}"), ToString::to_string);
            format!("{} · {}/{}", value("app"), value("env"), value("role"))
        }
    };
    let service = match key.service.to_string().as_str() {
        "tcp/443" => "https (tcp/443)".to_owned(),
        "tcp/80" => "web (tcp/80)".to_owned(),
        "udp/53" => "dns (udp/53)".to_owned(),
        other => other.to_owned(),
    };
    let fate = match key.outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Unknown => "unknown",
    };
    format!(
        "{} > {} {service} {fate}",
        node(summaries.ends.get(key.source)),
        node(summaries.ends.get(key.destination))
    )
}

#[test]
fn each_row_is_in_exactly_one_edge_and_sums_are_sums_of_rows() {
    let (services, lists) = (services(), lists());
    let mut edges_total = 0;
    for seed in 0..500 {
        let summaries = random(seed);
        let options = Options { services: &services, lists: &lists, ..Options::default() };
        let map = Map::build(&summaries, &options);
        let mut expected: BTreeMap<String, (usize, Option<Tally>)> = BTreeMap::new();
        let mut total = None;
        for (key, tally) in &summaries.rows {
            let sum = expected.entry(edge_of(&summaries, key)).or_default();
            sum.0 += 1;
            naive::add(&mut sum.1, tally);
            naive::add(&mut total, tally);
        }
        let name = |id: usize| format!("{}/{}", map.groups[map.nodes[id].group].name(), map.nodes[id].name());
        let mut found = BTreeMap::new();
        for edge in &map.edges {
            let ends = format!("{} > {}", name(edge.source), name(edge.destination));
            let twice = found.insert(
                format!("{ends} {} {}", edge.service_words(), edge.fate.id()),
                (edge.rows, Some(edge.tally)),
            );
            assert_eq!(twice, None, "seed {seed}");
        }
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!((map.total, map.rows), (total.unwrap_or_default(), summaries.rows.len()));
        edges_total += map.edges.len();
    }
    println!("edges: {edges_total}");
    assert!(edges_total > 10_000);
}

#[test]
fn folding_services_loses_nothing() {
    for seed in 0..200 {
        let summaries = random(seed);
        let map = Map::build(&summaries, &Options { services_max: 1, ..Options::default() });
        let rows: usize = map.edges.iter().map(|edge| edge.rows).sum();
        let bytes: u64 = map.edges.iter().map(|edge| edge.tally.bytes).sum();
        assert_eq!(
            (rows, bytes),
            (summaries.rows.len(), summaries.rows.iter().map(|(_, tally)| tally.bytes).sum())
        );
        let points = map.edges.iter().filter(|edge| edge.service == EdgeService::Others).count();
        assert!(points > 0 || map.edges.len() < 40, "seed {seed}");
    }
}

#[test]
fn nodes_are_those_that_rows_name_and_groups_have_their_nodes_side_by_side() {
    for seed in 0..200 {
        let map = Map::build(&random(seed), &Options::default());
        assert!(map.nodes.is_sorted_by_key(|node| node.group));
        let named: std::collections::BTreeSet<usize> =
            map.edges.iter().flat_map(|edge| [edge.source, edge.destination]).collect();
        assert_eq!(named.len(), map.nodes.len(), "seed {seed}");
        let outside = |node: &flow::map::Node| !matches!(node.kind, NodeKind::Role(_));
        assert!(map.nodes.iter().all(|node| outside(node) == map.groups[node.group].labels.is_none()));
    }
}

#[test]
fn text_fits_a_hundred_columns() {
    for seed in 0..100 {
        let map = Map::build(&random(seed), &Options::default());
        for line in map.to_text().lines() {
            assert!(line.chars().count() <= 100, "seed {seed}: {line}");
        }
    }
}
