//! Every sentence of the semantics, by name.

use plan::{Direction, FilterGraph, Observed};
use provider_azure::semantics;

use crate::filter::{foreign_pass, is_obstructed, ours_pass, packet, passes};
use crate::id_of;
use crate::text::estate;

const IN: Direction = Direction::Ingress;
const OUT: Direction = Direction::Egress;

/// An estate with what is asked of it.
struct Case {
    observed: Observed,
    graph: FilterGraph,
}

impl Case {
    fn new(text: &str) -> Self {
        let observed = estate(text, id_of);
        let graph = semantics(&[&observed]);
        Self { observed, graph }
    }

    fn passes(&self, own: &str, direction: Direction, far: &str, service: &str) -> bool {
        passes(&self.graph, packet(&self.observed, own, direction, far, service))
    }

    fn foreign(&self, own: &str, far: &str, service: &str) -> bool {
        foreign_pass(&self.graph, packet(&self.observed, own, IN, far, service))
    }

    fn ours(&self, own: &str, far: &str, service: &str) -> bool {
        ours_pass(&self.graph, packet(&self.observed, own, IN, far, service))
    }

    fn obstructed(&self, own: &str, far: &str, service: &str) -> bool {
        is_obstructed(&self.graph, packet(&self.observed, own, IN, far, service))
    }
}

#[test]
fn the_first_match_decides_and_what_nothing_matches_is_denied() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 behind n
         list n
         100 foreign in deny * <- 8.8.8.8/32 tcp/80
         110 foreign in allow * <- 8.8.8.0/24 tcp/80",
    );
    assert!(case.passes("a", IN, "8.8.8.9", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.9", "tcp/81"));
    assert!(!case.passes("a", OUT, "8.8.8.9", "tcp/80"), "a rule filters its own direction");
}

#[test]
fn default_rules_leave_the_network_open() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 behind n
         list n
         65000 foreign in allow * <- 10.0.0.0/16 all
         65500 foreign in deny * <- * all",
    );
    assert!(case.passes("a", IN, "10.0.0.9", "tcp/80"));
    assert!(case.foreign("a", "10.0.0.9", "tcp/80"), "it is exposure");
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"));
}

#[test]
fn both_groups_on_the_path_must_allow_in_both_directions() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 behind subnet nic
         list subnet
         100 foreign in allow * <- * tcp/80-90
         100 foreign out allow * <- * udp
         list nic
         100 foreign in allow * <- * tcp/85-99
         100 foreign out allow * <- * all",
    );
    assert!(case.passes("a", IN, "8.8.8.8", "tcp/87"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/95"));
    assert!(case.passes("a", OUT, "8.8.8.8", "udp/53"));
    assert!(!case.passes("a", OUT, "8.8.8.8", "tcp/53"));
}

#[test]
fn no_group_on_the_path_lets_everything_pass() {
    let case = Case::new("net v1\n nic a v1 10.0.0.1");
    assert!(case.graph.nodes[0].ingress.is_empty() && case.graph.nodes[0].egress.is_empty());
    assert!(case.passes("a", IN, "8.8.8.8", "tcp/80"));
}

#[test]
fn admin_rules_count_where_no_group_is() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 behind admin
         list admin
         1 foreign in deny * <- * tcp/22",
    );
    assert!(case.passes("a", IN, "8.8.8.8", "tcp/80"));
    assert!(case.foreign("a", "8.8.8.8", "tcp/80"), "it is exposure");
    assert!(!case.ours("a", "8.8.8.8", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/22"));
}

/// An interface behind admin rules and two groups that allow HTTP from each other.
const MANAGED: &str = "
    net v1
    nic a v1 10.0.0.1 in web behind admin subnet nic
    nic b v1 10.0.0.2 in web behind admin subnet
    list admin
    1 foreign in allow * <- * tcp/22
    2 foreign in next * <- * tcp/80
    3 foreign in deny * <- * tcp/80-443
    list subnet
    1000 ours in allow web <- web tcp/80-443
    list nic
    100 foreign in allow * <- * tcp/80-443";

#[test]
fn admin_always_allow_goes_past_every_group() {
    let case = Case::new(MANAGED);
    assert!(case.passes("a", IN, "8.8.8.8", "tcp/22"));
    assert!(case.foreign("a", "8.8.8.8", "tcp/22"), "it is exposure");
    assert!(!case.ours("a", "8.8.8.8", "tcp/22"));
}

#[test]
fn admin_allow_leaves_the_packet_to_the_groups() {
    let case = Case::new(MANAGED);
    assert!(case.passes("a", IN, "b", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"));
}

#[test]
fn admin_deny_stops_what_the_groups_allow() {
    let case = Case::new(MANAGED);
    assert!(case.ours("a", "b", "tcp/443") && !case.passes("a", IN, "b", "tcp/443"));
    assert!(case.obstructed("a", "b", "tcp/443"));
}

#[test]
fn a_rule_for_application_groups_touches_only_their_members() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web behind n
         nic b v1 10.0.0.2 behind n
         list n
         100 foreign in deny web <- * tcp/22
         110 foreign in allow * <- * tcp/22",
    );
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/22"));
    assert!(case.passes("b", IN, "8.8.8.8", "tcp/22"));
}

#[test]
fn an_application_group_as_far_end_means_members_in_the_same_network() {
    for peering in ["~", "="] {
        let case = Case::new(&format!(
            "net v1 {peering}v2
             net v2 {peering}v1
             nic a v1 10.0.0.1 behind n
             nic b v1 10.0.0.2 in app
             nic c v2 10.1.0.1 in app
             list n
             100 foreign in allow * <- app tcp/80"
        ));
        assert!(case.passes("a", IN, "b", "tcp/80"));
        assert!(!case.passes("a", IN, "c", "tcp/80"), "no peering carries groups, whatever is said of it");
        assert!(!case.passes("a", IN, "10.0.0.2", "tcp/80"), "nobody else is meant by the address");
    }
}

#[test]
fn an_augmented_rule_is_every_far_end_with_every_service() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 behind n
         nic b v1 10.0.0.2 in app
         list n
         100 foreign in allow * <- 8.8.8.0/24,9.9.9.0/24,app tcp/80,udp/53",
    );
    for far in ["8.8.8.8", "9.9.9.9", "b"] {
        assert!(case.passes("a", IN, far, "tcp/80") && case.passes("a", IN, far, "udp/53"), "{far}");
        assert!(!case.passes("a", IN, far, "tcp/53"), "{far}");
    }
    assert!(!case.passes("a", IN, "7.7.7.7", "tcp/80"));
}

#[test]
fn what_foreign_rules_before_ours_deny_is_obstruction() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web behind n
         list n
         100 foreign in deny * <- 8.8.8.8/32 all
         1000 ours in allow web <- 8.8.8.0/24 tcp/80",
    );
    assert!(case.ours("a", "8.8.8.8", "tcp/80") && case.obstructed("a", "8.8.8.8", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80") && case.passes("a", IN, "8.8.8.9", "tcp/80"));
}

#[test]
fn what_foreign_rules_between_ours_deny_is_obstruction_of_the_later_ones() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web behind n
         list n
         1000 ours in allow web <- 8.8.8.0/24 tcp/80
         1010 foreign in deny * <- 8.8.8.8/32 all
         1020 ours in allow web <- 8.8.8.0/24 tcp/81",
    );
    assert!(!case.obstructed("a", "8.8.8.8", "tcp/80") && case.passes("a", IN, "8.8.8.8", "tcp/80"));
    assert!(case.ours("a", "8.8.8.8", "tcp/81") && case.obstructed("a", "8.8.8.8", "tcp/81"));
}

#[test]
fn our_denies_close_what_foreign_rules_after_them_allow() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web closed behind n
         nic b v1 10.0.0.2 in web behind n
         list n
         1000 ours in allow web <- web tcp/80
         4000 ours in deny closed <- * all
         65000 foreign in allow * <- 10.0.0.0/16 all",
    );
    assert!(case.passes("a", IN, "b", "tcp/80"));
    assert!(!case.foreign("a", "10.0.0.9", "tcp/22") && !case.passes("a", IN, "10.0.0.9", "tcp/22"));
    assert!(case.foreign("b", "10.0.0.9", "tcp/22"), "not closed yet");
    let stages = &case.graph.nodes[0].ingress;
    assert!(stages.len() == 1 && stages[0].lists.len() == 1, "a closed interface has our list alone");
}

#[test]
fn of_two_groups_with_rules_of_ours_that_of_the_subnet_is_ours() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web behind subnet nic
         list subnet
         1000 ours in allow web <- * tcp/80
         list nic
         1000 ours in allow web <- * tcp/80-81",
    );
    assert!(case.ours("a", "8.8.8.8", "tcp/80") && case.passes("a", IN, "8.8.8.8", "tcp/80"));
    assert!(!case.ours("a", "8.8.8.8", "tcp/81"), "both must allow: ours is never overstated");
}

#[test]
fn far_ends_that_are_not_read_are_anybody_in_foreign_allows_and_nobody_in_ours() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web behind n
         list n
         100 foreign in deny * <- ?GatewayManager udp
         110 foreign in allow * <- ?AzureLoadBalancer tcp/80
         1000 ours in allow web <- ?Storage tcp/443
         1010 ours in allow web <- 8.8.8.0/24 udp
         2000 foreign in allow * <- 9.9.9.0/24 udp",
    );
    assert!(case.foreign("a", "9.9.9.9", "tcp/80"));
    assert!(!case.ours("a", "9.9.9.9", "tcp/443"));
    assert!(case.ours("a", "8.8.8.8", "udp/53") && case.obstructed("a", "8.8.8.8", "udp/53"));
    assert!(case.foreign("a", "9.9.9.9", "udp/53"), "a deny that is not read hides no exposure");
}

#[test]
fn facts_of_groups_are_not_looked_at() {
    let mut case = Case::new("net v1\n nic a v1 10.0.0.1 behind n\n list n");
    case.observed.groups.push(plan::GroupState {
        id: plan::GroupId::from("rest-in:n"),
        network: policy::NetworkId::from("v1"),
        name: "rest-in:n".to_owned(),
        owner: plan::Owner::Ours,
        ingress: plan::state::allow_everything().into(),
        egress: Vec::new(),
        tag_drift: Default::default(),
    });
    assert_eq!(semantics(&[&case.observed]), case.graph);
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"));
}

#[test]
fn interfaces_that_rules_do_not_tell_apart_share_lists() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web closed behind n
         nic b v1 10.0.0.2 in other web behind n
         nic c v1 10.0.0.3 in app behind n
         list n
         1000 ours in allow web <- app tcp/80
         1010 ours in allow app <- * tcp/81
         65000 foreign in allow * <- 10.0.0.0/16 all",
    );
    let [a, b, c] = &case.graph.nodes[..] else { panic!("three interfaces") };
    assert_eq!((&a.ingress, &a.egress), (&b.ingress, &b.egress));
    assert_ne!(a.ingress, c.ingress);
    assert_eq!(case.graph.lists.len(), 4, "web, app, what is foreign once for both, open connections");
}

#[test]
fn path_mtu_messages_pass_with_their_connection_and_no_other_icmp_does() {
    let case = Case::new(
        "net v1
         nic a v1 10.0.0.1 in web closed behind n
         nic b v1 10.0.0.2 in closed behind n
         list n
         1000 ours in allow web <- 10.0.0.0/8 tcp/80
         4000 ours in deny closed <- * all
         65000 foreign in allow * <- * all",
    );
    for own in ["a", "b"] {
        assert!(case.ours(own, "8.8.8.8", "icmp/3/4") && case.passes(own, IN, "8.8.8.8", "icmp/3/4"));
        assert!(!case.ours(own, "8.8.8.8", "icmp/8") && !case.passes(own, IN, "8.8.8.8", "icmp/8"));
    }
}
