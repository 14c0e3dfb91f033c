//! No picture has boxes that overlap, whatever the map.

use super::*;
use crate::map::{Edge, EdgeService, Group, Node, NodeKind};
use crate::summary::Tally;

/// Groups with up to 30 nodes, and edges between any of them.
fn random(seed: u64) -> Map {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut map = Map::build(&crate::Summaries::default(), &crate::map::Options::default());
    for group in 0..random.usize(0..12) {
        let value = |text: String| vec![("app".into(), Some(text.into()))];
        let labels = (group > 0).then(|| value("x".repeat(random.usize(1..60))));
        map.groups.push(Group { labels });
        for node in 0..random.usize(1..30) {
            let kind = NodeKind::Role(value(format!("{node}-{}", "y".repeat(random.usize(0..40)))));
            map.nodes.push(Node { group, kind, networks: [].into(), addresses: [].into(), ends: 1 });
        }
    }
    for _ in 0..random.usize(0..200).min(map.nodes.len() * 9) {
        map.edges.push(Edge {
            source: random.usize(0..map.nodes.len()),
            destination: random.usize(0..map.nodes.len()),
            service: EdgeService::Point(policy::ServicePoint::port(6, random.u16(1..9))),
            fate: Fate::ALL[random.usize(0..4)],
            seen: policy::ServiceSet::empty(),
            tally: Tally { connections: random.u64(0..9), ..Tally::default() },
            rows: 1,
        });
    }
    map
}

fn overlapping(boxes: &[Area]) -> Option<(usize, usize)> {
    let pairs = (0..boxes.len()).flat_map(|a| (a + 1..boxes.len()).map(move |b| (a, b)));
    pairs.into_iter().find(|(a, b)| boxes[*a].overlaps(&boxes[*b]))
}

fn holds(outer: &Area, inner: &Area) -> bool {
    outer.x <= inner.x
        && outer.y <= inner.y
        && inner.right() <= outer.right()
        && inner.bottom() <= outer.bottom()
}

#[test]
fn boxes_never_overlap_and_nodes_lie_in_their_groups() {
    let mut drawn = 0;
    for seed in 0..150 {
        let map = random(seed);
        let picture = draw(&map);
        assert_eq!(overlapping(&picture.groups), None, "groups, seed {seed}");
        assert_eq!(overlapping(&picture.nodes), None, "nodes, seed {seed}");
        let paper = Area { x: 0.0, y: 0.0, width: picture.width, height: picture.height };
        assert!(picture.groups.iter().all(|group| holds(&paper, group)), "seed {seed}");
        for (node, place) in map.nodes.iter().zip(&picture.nodes) {
            assert!(holds(&picture.groups[node.group], place), "seed {seed}");
            assert!(place.y >= picture.groups[node.group].y + TITLE_HEIGHT, "under the title, seed {seed}");
        }
        drawn += picture.nodes.len();
    }
    assert!(drawn > 5_000);
}

#[test]
fn texts_that_are_shown_cover_neither_nodes_nor_each_other() {
    let (mut free, mut all) = (0, 0);
    for seed in 0..100 {
        let picture = draw(&random(seed));
        let labels = picture.links.iter().map(|(_, curve)| &curve.label).filter(|label| label.is_free);
        let half = |label: &Label| label.text.chars().count() as f64 * 3.0;
        let areas: Vec<Area> = labels
            .map(|label| Area {
                x: label.at.0 - half(label),
                y: label.at.1 - 6.0,
                width: 2.0 * half(label),
                height: 12.0,
            })
            .collect();
        assert_eq!(overlapping(&areas), None, "seed {seed}");
        assert!(
            !areas.iter().any(|area| picture.nodes.iter().any(|node| node.overlaps(area))),
            "seed {seed}"
        );
        (free, all) = (free + areas.len(), all + picture.links.len());
    }
    println!("{free} of {all} texts have a place");
    assert!(free * 2 > all);
}

#[test]
fn every_edge_is_in_one_link_and_every_link_between_groups_in_one_bundle() {
    for seed in 0..100 {
        let map = random(seed);
        let picture = draw(&map);
        let mut edges: Vec<usize> = picture.links.iter().flat_map(|(link, _)| link.edges.clone()).collect();
        edges.sort_unstable();
        assert_eq!(edges, (0..map.edges.len()).collect::<Vec<_>>());
        let mut bundled: Vec<usize> =
            picture.bundles.iter().flat_map(|(bundle, _)| bundle.links.clone()).collect();
        bundled.sort_unstable();
        let between = |link: &Link| map.group_of(link.source) != map.group_of(link.destination);
        let expected: Vec<usize> =
            (0..picture.links.len()).filter(|at| between(&picture.links[*at].0)).collect();
        assert_eq!(bundled, expected);
        assert_eq!(draw(&map), picture, "the same map gives the same picture");
    }
}

#[test]
fn who_opens_stands_before_whom_it_opens() {
    let layers =
        order::arrangements(4, &[(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 0, 1)]).pop().unwrap_or_default();
    assert_eq!(layers, [[0], [1], [2], [3]]);
}
