//! What network security groups and security admin rules let pass, as a neutral filter graph (`providers.md` 1.2).
//!
//! INVARIANT: uses nothing of the planning half of the driver; a test reads this file and says so.
//!
//! - A security group is an ordered list: the first match decides, what nothing matches is denied. Its default rules stand at
//!   its end (Microsoft, *Network security groups: how they filter traffic*).
//! - Both groups on a path must allow a packet, that of the subnet and that of the interface, in either direction. No group on
//!   the path: everything passes.
//! - Security admin rules come before every group: always-allow passes them all, allow leaves the packet to them, deny
//!   stops it (Microsoft, *Security admin rules in Azure Virtual Network Manager*). They are the lists on the path
//!   that are no security groups; there allow is always-allow and next is allow.
//! - A rule that is for application security groups touches only their members. As far ends they stand for their
//!   members in the same virtual network: peerings do not carry them.
//! - All filtering is stateful: replies pass, and path MTU messages with the connection that they are about. An open connection may outlive its rule, which is not shown here.
//! - What this version does not read (service tags, network groups) counts against us: see [`plan::ordered`].
//! - Not shown: the platform's own addresses (168.63.129.16, 169.254.169.254), which pass every rule that does not name
//!   their service tags; which of several addresses of an interface is in an application security group.

use plan::ordered::{Link, OrderedCloud, graph, pass_with_connections};
use plan::{Direction, FilterGraph, GroupId, Observed, Owner, PathFilter};

/// Reads a domain into a filter graph. Looks at networks, interfaces and path filters alone.
pub fn semantics(domain: &[&Observed]) -> FilterGraph {
    let mut graph = graph(domain, &Azure);
    pass_with_connections(&mut graph);
    graph
}

/// What a packet passes where no security group is on its path.
const NO_GROUP: &str = "no network security group";

struct Azure;

impl OrderedCloud for Azure {
    fn names_over_peerings(&self, _: &GroupId) -> bool {
        false
    }

    fn chains<'a>(&self, path: &[&'a PathFilter], direction: Direction) -> Vec<Vec<Link<'a>>> {
        let (mut groups, admin): (Vec<&PathFilter>, Vec<&PathFilter>) =
            path.iter().copied().partition(|filter| is_security_group(filter));
        // The one that holds our rules comes first: of two, that of the subnet, as it is nearer to the outside.
        groups.sort_by_key(|group| !holds_ours(group, direction));
        let admin: Vec<Link<'a>> = admin.iter().map(|filter| Link::of(filter, direction)).collect();
        let behind_admin = |link: Link<'a>| admin.iter().cloned().chain([link]).collect();
        if groups.is_empty() && !admin.is_empty() {
            return vec![behind_admin(Link::Open(NO_GROUP))];
        }
        groups.iter().map(|group| behind_admin(Link::of(group, direction))).collect()
    }
}

fn is_security_group(filter: &PathFilter) -> bool {
    let kind = filter.id.rsplit('/').nth(1).unwrap_or_default();
    kind.eq_ignore_ascii_case("networkSecurityGroups")
}

fn holds_ours(filter: &PathFilter, direction: Direction) -> bool {
    filter.rules.iter().any(|rule| rule.owner == Owner::Ours && rule.direction == direction)
}
