//! Where everything of a map is drawn: groups as boxes in columns, roles inside, links as curves.
//!
//! ```text
//! links ─▶ inside of each group ─▶ groups in columns ─▶ routes ─▶ labels
//!            order: layers          order: layers
//! ```
//!
//! INVARIANT: boxes never overlap, except a group's with those inside it, which lie wholly in it. The same map gives the
//! same picture.

use std::collections::BTreeMap;

use crate::map::{Fate, Map};

mod boxes;
mod label;
mod order;
mod route;

pub(super) use boxes::{Area, GROUP_LETTER, NODE_HEIGHT, TITLE_HEIGHT};
pub(super) use label::Label;

/// All edges of one fate between two nodes: one curve.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Link {
    pub(super) source: usize,
    pub(super) destination: usize,
    pub(super) fate: Fate,
    /// Places in [`Map::edges`].
    pub(super) edges: Vec<usize>,
}

/// All links of one fate between two groups: one curve.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Bundle {
    pub(super) source: usize,
    pub(super) destination: usize,
    pub(super) fate: Fate,
    /// Places in [`Picture::links`].
    pub(super) links: Vec<usize>,
}

/// A drawn line.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Curve {
    /// Four points of a cubic Bézier curve.
    pub(super) points: [(f64, f64); 4],
    /// Where its text is; nothing where no place was free.
    pub(super) label: Label,
}

/// Where everything is, in pixels.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Picture {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Of [`Map::groups`].
    pub(super) groups: Vec<Area>,
    /// Of [`Map::nodes`].
    pub(super) nodes: Vec<Area>,
    pub(super) links: Vec<(Link, Curve)>,
    pub(super) bundles: Vec<(Bundle, Curve)>,
}

impl Link {
    /// Its services, the most used first, as many as a line has room for.
    pub(super) fn label(&self, map: &Map) -> String {
        label::services(map, &self.edges)
    }
}

/// The links of a map, by source, destination and fate.
pub(super) fn links(map: &Map) -> Vec<Link> {
    let mut links: BTreeMap<(usize, usize, Fate), Vec<usize>> = BTreeMap::new();
    for (at, edge) in map.edges.iter().enumerate() {
        links.entry((edge.source, edge.destination, edge.fate)).or_default().push(at);
    }
    let link = |((source, destination, fate), edges)| Link { source, destination, fate, edges };
    links.into_iter().map(link).collect()
}

/// Bundles between different groups.
fn bundles(map: &Map, links: &[Link]) -> Vec<Bundle> {
    let mut bundles: BTreeMap<(usize, usize, Fate), Vec<usize>> = BTreeMap::new();
    for (at, link) in links.iter().enumerate() {
        let (source, destination) = (map.group_of(link.source), map.group_of(link.destination));
        if source != destination {
            bundles.entry((source, destination, link.fate)).or_default().push(at);
        }
    }
    let bundle = |((source, destination, fate), links)| Bundle { source, destination, fate, links };
    bundles.into_iter().map(bundle).collect()
}

/// Draws a map.
pub(super) fn draw(map: &Map) -> Picture {
    let links = links(map);
    let bundles = bundles(map, &links);
    let (groups, nodes) = boxes::place(map, &links);
    let of_links: Vec<_> = links.iter().map(|link| (link.source, link.destination)).collect();
    let of_bundles: Vec<_> = bundles.iter().map(|bundle| (bundle.source, bundle.destination)).collect();
    let link_texts: Vec<String> = links.iter().map(|link| link.label(map)).collect();
    let bundle_texts: Vec<String> = bundles.iter().map(|bundle| bundle.label(map, &links)).collect();
    let link_curves = label::placed(route::curves(&nodes, &of_links), link_texts, &nodes);
    let bundle_curves = label::placed(route::curves(&groups, &of_bundles), bundle_texts, &groups);
    let (width, height) = size(&groups, &link_curves, &bundle_curves);
    Picture {
        width,
        height,
        groups,
        nodes,
        links: links.into_iter().zip(link_curves).collect(),
        bundles: bundles.into_iter().zip(bundle_curves).collect(),
    }
}

impl Bundle {
    fn label(&self, map: &Map, links: &[Link]) -> String {
        let edges: Vec<usize> = self.links.iter().flat_map(|at| links[*at].edges.iter().copied()).collect();
        label::services(map, &edges)
    }
}

/// What holds all boxes and curves.
fn size(groups: &[Area], links: &[Curve], bundles: &[Curve]) -> (f64, f64) {
    let corners = groups.iter().map(|place| (place.right(), place.bottom()));
    let bends = links.iter().chain(bundles).flat_map(|curve| curve.points);
    let (width, height) =
        corners.chain(bends).fold((0.0_f64, 0.0_f64), |(w, h), (x, y)| (w.max(x), h.max(y)));
    (width.ceil() + boxes::MARGIN, height.ceil() + boxes::MARGIN)
}

#[cfg(test)]
mod tests;
