//! What firewall policies and classic firewall rules let pass, as a neutral filter graph (`providers.md` 1.3).
//!
//! INVARIANT: uses nothing of the planning half of the driver; a test reads this file and says so.
//!
//! - Rules are judged list by list, outermost first: the policies of the organisation and of folders, then classic rules and the
//!   policies of the network in the order that the network says, which is the order of the lists on the path.
//!   Allow and deny are final in every list, goto_next and no match leave the packet to the next list (Google, *Firewall
//!   policies and rules: policy and rule evaluation order*).
//! - After the last list come the implied rules: ingress is denied, egress allowed.
//! - Of classic rules with the same priority the denies come first (Google, *VPC firewall rules: priority*).
//! - A rule with targets (secure tags, network tags, service accounts) touches only the interfaces that have one of them.
//! - As sources, network tags and service accounts stand for instances in the same network; secure tags for those in
//!   networks with a peering too (Google, *Secure tags for firewalls*). Egress knows far ends by address only.
//! - A tag that is deleted is a group that nobody is in: a rule whose only sources or targets are such tags matches nobody,
//!   so that it is ignored, be it an allow or a deny.
//! - All filtering is stateful: replies pass, and path MTU messages with the connection that they are about.
//! - What this version does not read (FQDNs, regions, threat lists) counts against us: see [`plan::ordered`].
//! - Not shown: the metadata server, which always answers. A source tag stands here for all addresses of an interface, in the
//!   cloud for the primary ones.

use plan::ordered::{Link, OrderedCloud, graph, pass_with_connections};
use plan::{Direction, FilterGraph, GroupId, Observed, PathEffect, PathFilter, PathRule};

/// Reads a domain into a filter graph. Looks at networks, interfaces and path filters alone.
pub fn semantics(domain: &[&Observed]) -> FilterGraph {
    let mut graph = graph(domain, &Google);
    pass_with_connections(&mut graph);
    graph
}

/// What egress meets after all lists.
const IMPLIED_ALLOW: &str = "implied allow egress";

struct Google;

impl OrderedCloud for Google {
    fn names_over_peerings(&self, group: &GroupId) -> bool {
        // A group that a plan makes will be a tag value.
        group.as_str().starts_with("tagValues/") || group.is_planned()
    }

    fn chains<'a>(&self, path: &[&'a PathFilter], direction: Direction) -> Vec<Vec<Link<'a>>> {
        let implied = (direction == Direction::Egress).then_some(Link::Open(IMPLIED_ALLOW));
        let lists = path.iter().map(|filter| denies_first(filter, direction));
        vec![lists.chain(implied).collect()]
    }
}

/// The rules of a list in one direction, the denies of each priority before the rest.
fn denies_first<'a>(filter: &'a PathFilter, direction: Direction) -> Link<'a> {
    let rules = filter.rules.iter().filter(|rule| rule.direction == direction);
    let mut rules: Vec<&'a PathRule> = rules.collect();
    for alike in rules.chunk_by_mut(|a, b| a.priority == b.priority) {
        alike.sort_by_key(|rule| rule.effect != PathEffect::Deny);
    }
    Link::List(filter, rules)
}
