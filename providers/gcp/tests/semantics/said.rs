//! Every sentence of the semantics, by name.

use plan::{Direction, FilterGraph, Observed};
use provider_gcp::semantics;

use crate::filter::{foreign_pass, is_obstructed, ours_pass, packet, passes};
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
        let observed = estate(text, str::to_owned);
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
fn without_lists_ingress_is_denied_and_egress_allowed() {
    let case = Case::new("net p1\n nic a p1 10.0.0.1");
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"));
    assert!(case.passes("a", OUT, "8.8.8.8", "tcp/80"));
    assert!(!foreign_pass(&case.graph, packet(&case.observed, "a", IN, "8.8.8.8", "tcp/80")));
    let out = packet(&case.observed, "a", OUT, "8.8.8.8", "tcp/80");
    assert!(foreign_pass(&case.graph, out) && !ours_pass(&case.graph, out), "an implied rule is foreign");
}

#[test]
fn implied_rules_come_after_every_list() {
    let case = Case::new(
        "net p1
         nic a p1 10.0.0.1 behind policy
         list policy
         1 foreign in next * <- * all
         2 foreign in allow * <- * all
         1 foreign out deny * <- * tcp/25
         2 foreign out next * <- * all",
    );
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"), "a next at the end leaves it to the implied deny");
    assert!(!case.passes("a", OUT, "8.8.8.8", "tcp/25") && case.passes("a", OUT, "8.8.8.8", "tcp/26"));
}

/// An interface behind an organisation's policy, classic rules and our policy, in either order.
fn enforced(order: &str) -> Case {
    Case::new(&format!(
        "net p1
         nic a p1 10.0.0.1 in tagValues/1 closed behind org {order}
         nic b p1 10.0.0.2 in tagValues/1 behind org {order}
         list org
         1 foreign in allow * <- 35.0.0.0/8 tcp/80
         2 foreign in next * <- 10.0.0.0/8 tcp/22
         3 foreign in deny * <- * tcp/22
         9 foreign in next * <- * all
         list classic
         65534 foreign in allow * <- 10.0.0.0/8 all
         list policy
         1000 ours in allow tagValues/1 <- tagValues/1 tcp/22-80
         2000 ours in deny closed <- * all
         2147483644 foreign in next * <- * all"
    ))
}

#[test]
fn allow_and_deny_of_a_hierarchical_policy_are_final() {
    let case = enforced("policy classic");
    assert!(case.passes("a", IN, "35.1.1.1", "tcp/80") && case.foreign("a", "35.1.1.1", "tcp/80"));
    assert!(!case.passes("a", IN, "35.1.1.1", "tcp/22"));
    let stopped = Case::new(
        "net p1
         nic a p1 10.0.0.1 in tagValues/1 behind org policy
         list org
         3 foreign in deny * <- * tcp/22
         list policy
         1000 ours in allow tagValues/1 <- * tcp",
    );
    assert!(stopped.ours("a", "8.8.8.8", "tcp/22") && stopped.obstructed("a", "8.8.8.8", "tcp/22"));
    assert!(stopped.passes("a", IN, "8.8.8.8", "tcp/23"));
}

#[test]
fn goto_next_leaves_the_packet_to_the_next_list() {
    let case = enforced("policy classic");
    assert!(case.passes("a", IN, "b", "tcp/22"), "past the deny that stands below");
    assert!(!case.obstructed("a", "b", "tcp/22"));
}

#[test]
fn before_classic_our_denies_close_what_classic_rules_allow() {
    let case = enforced("policy classic");
    assert!(!case.passes("a", IN, "b", "udp/53") && !case.foreign("a", "b", "udp/53"));
    assert!(case.passes("b", IN, "a", "udp/53") && case.foreign("b", "a", "udp/53"), "not closed yet");
}

#[test]
fn after_classic_a_classic_allow_in_force_is_exposure() {
    let case = enforced("classic policy");
    assert!(case.passes("a", IN, "b", "udp/53") && case.foreign("a", "b", "udp/53"));
    assert!(!case.ours("a", "b", "udp/53"));
}

#[test]
fn classic_rules_of_ours_are_ours_in_either_order() {
    for order in ["classic policy", "policy classic"] {
        let case = Case::new(&format!(
            "net p1
             nic a p1 10.0.0.1 in class:1 closed behind {order}
             nic b p1 10.0.0.2 in tag:web
             list classic
             800 ours in allow class:1 <- tag:web tcp/80
             801 ours in deny closed <- * all
             1000 foreign in allow * <- * tcp/22
             list policy
             5 foreign in allow * <- 8.8.8.0/24 udp
             6 foreign in deny * <- * tcp/81
             2147483644 foreign in next * <- * all"
        ));
        assert!(case.ours("a", "b", "tcp/80") && case.passes("a", IN, "b", "tcp/80"), "{order}");
        assert!(
            !case.ours("a", "8.8.8.8", "tcp/80") && !case.passes("a", IN, "8.8.8.8", "tcp/22"),
            "{order}"
        );
        let is_in_front = order == "policy classic";
        assert_eq!(case.foreign("a", "8.8.8.8", "udp/53"), is_in_front, "exposure: {order}");
        assert_eq!(case.passes("a", IN, "8.8.8.8", "udp/53"), is_in_front, "{order}");
    }
    let stopped = Case::new(
        "net p1
         nic a p1 10.0.0.1 in class:1 behind policy classic
         list policy
         6 foreign in deny * <- * tcp/81
         list classic
         800 ours in allow class:1 <- * tcp",
    );
    assert!(stopped.ours("a", "8.8.8.8", "tcp/81") && stopped.obstructed("a", "8.8.8.8", "tcp/81"));
    assert!(stopped.passes("a", IN, "8.8.8.8", "tcp/80"));
}

#[test]
fn of_classic_rules_with_equal_priority_the_deny_wins() {
    let case = Case::new(
        "net p1
         nic a p1 10.0.0.1 behind classic
         list classic
         1000 foreign in allow * <- * tcp/80-90
         1000 foreign in deny * <- * tcp/80
         1001 foreign in deny * <- * tcp/81",
    );
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80"));
    assert!(case.passes("a", IN, "8.8.8.8", "tcp/81"));
}

#[test]
fn a_rule_with_targets_touches_only_who_has_one_of_them() {
    let case = Case::new(
        "net p1
         nic a p1 10.0.0.1 in tag:web behind classic
         nic b p1 10.0.0.2 in sa:db behind classic
         nic c p1 10.0.0.3 behind classic
         list classic
         1000 foreign in allow tag:web,sa:db <- * tcp/80",
    );
    assert!(case.passes("a", IN, "8.8.8.8", "tcp/80") && case.passes("b", IN, "8.8.8.8", "tcp/80"));
    assert!(!case.passes("c", IN, "8.8.8.8", "tcp/80"));
}

#[test]
fn network_tags_and_accounts_as_source_mean_the_same_network() {
    let case = Case::new(
        "net p1 =p2
         net p2 =p1
         nic a p1 10.0.0.1 behind classic
         nic b p1 10.0.0.2 in tag:web
         nic c p2 10.1.0.1 in tag:web sa:db
         list classic
         1000 foreign in allow * <- tag:web,sa:db tcp/80",
    );
    assert!(case.passes("a", IN, "b", "tcp/80"));
    assert!(!case.passes("a", IN, "c", "tcp/80"));
}

#[test]
fn secure_tags_as_source_reach_over_peerings_that_carry_identity() {
    // A group that a plan makes counts as the tag value that it will be.
    for tag in ["tagValues/1", "new:projects/p/global/networks/p2/bulkhead-x"] {
        let case = Case::new(&format!(
            "net p1 =p2
             net p2 =p1
             net p3 ~p1
             nic a p1 10.0.0.1 behind policy
             nic b p2 10.1.0.1 in {tag}
             nic c p3 10.2.0.1 in {tag}
             list policy
             1000 foreign in allow * <- {tag} tcp/80"
        ));
        assert!(case.passes("a", IN, "b", "tcp/80"), "{tag}");
        assert!(!case.passes("a", IN, "c", "tcp/80"), "{tag}");
    }
}

#[test]
fn a_rule_whose_only_source_is_a_deleted_tag_is_ignored() {
    let case = Case::new(
        "net p1
         nic a p1 10.0.0.1 behind policy
         list policy
         1000 foreign in deny * <- tagValues/9 all
         1001 foreign in allow * <- tagValues/9,8.8.8.0/24 tcp/80
         1002 foreign in allow tagValues/9 <- * tcp/81",
    );
    assert!(case.passes("a", IN, "8.8.8.8", "tcp/80"), "other sources of a rule still count");
    assert!(!case.passes("a", IN, "9.9.9.9", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/81"), "a deleted target is nobody, not everybody");
}

#[test]
fn a_rule_is_every_far_end_with_every_service() {
    let case = Case::new(
        "net p1
         nic a p1 10.0.0.1 behind policy
         nic b p1 10.0.0.2 in tagValues/1
         list policy
         1000 foreign in allow * <- tagValues/1,8.8.8.0/24 tcp/80,udp/53",
    );
    for far in ["b", "8.8.8.8"] {
        assert!(case.passes("a", IN, far, "tcp/80") && case.passes("a", IN, far, "udp/53"), "{far}");
        assert!(!case.passes("a", IN, far, "tcp/53"), "{far}");
    }
}

#[test]
fn a_foreign_next_before_ours_takes_packets_past_our_rules() {
    let case = Case::new(
        "net p1
         nic a p1 10.0.0.1 in tagValues/1 behind policy
         list policy
         10 foreign in next * <- 8.8.8.8/32 all
         1000 ours in allow tagValues/1 <- 8.8.8.0/24 tcp/80",
    );
    assert!(case.passes("a", IN, "8.8.8.9", "tcp/80"));
    assert!(!case.passes("a", IN, "8.8.8.8", "tcp/80") && case.ours("a", "8.8.8.8", "tcp/80"));
    assert!(case.obstructed("a", "8.8.8.8", "tcp/80"));
}

#[test]
fn far_ends_that_are_not_read_are_anybody_in_foreign_allows_and_nobody_in_ours() {
    let case = Case::new(
        "net p1
         nic a p1 10.0.0.1 in tagValues/1 behind org policy
         list org
         1 foreign in deny * <- ?threats udp
         2 foreign in allow * <- ?example.com tcp/80
         list policy
         1000 ours in allow tagValues/1 <- ?region tcp/443
         1010 ours in allow tagValues/1 <- 8.8.8.0/24 udp
         2000 foreign in allow * <- 9.9.9.0/24 udp",
    );
    assert!(case.foreign("a", "9.9.9.9", "tcp/80"));
    assert!(!case.ours("a", "9.9.9.9", "tcp/443"));
    assert!(case.ours("a", "8.8.8.8", "udp/53") && case.obstructed("a", "8.8.8.8", "udp/53"));
    assert!(case.foreign("a", "9.9.9.9", "udp/53"), "a deny that is not read hides no exposure");
}

#[test]
fn interfaces_that_rules_do_not_tell_apart_share_lists() {
    let case = enforced("policy classic");
    let [a, b] = &case.graph.nodes[..] else { panic!("two interfaces") };
    assert_eq!(a.egress, b.egress);
    assert_ne!(a.ingress, b.ingress, "one of them is closed");
    let other = Case::new(
        "net p1
         nic a p1 10.0.0.1 in tagValues/1 tagValues/7 behind policy
         nic b p1 10.0.0.2 in tagValues/1 tag:web behind policy
         list policy
         1000 ours in allow tagValues/1 <- tagValues/1 tcp/80",
    );
    assert_eq!(other.graph.nodes[0].ingress, other.graph.nodes[1].ingress);
    assert_eq!(other.graph.lists.len(), 3, "ours, the implied allow of egress, open connections");
}
