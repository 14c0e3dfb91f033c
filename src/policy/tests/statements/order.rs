//! E1–E5: which rule decides, and what the mode does with what no rule decides.

use crate::{check, check_shop};

const MODES: [&str; 9] = [
    "web: role=web @10.0.0.1 vpc=a enforces=none",
    "full: role=db @10.0.0.2 vpc=a",
    "selective: role=db @10.0.0.3 vpc=a mode=selective",
    "visibility: role=db @10.0.0.4 vpc=a mode=visibility",
    "idle: role=db @10.0.0.5 vpc=a mode=idle",
    "role=web -> role=db : tcp/1-3",
    "deny role=web -> role=db : tcp/2 tcp/4",
    "override-deny role=web -> role=db : tcp/3",
    "override-deny all-workloads -> all-workloads : icmp icmpv6",
];

#[test]
fn e1_override_deny_beats_allow_beats_deny_beats_default() {
    check(
        &MODES,
        &[
            "web -> full : tcp/1 => allowed, ingress allowed by r1/rule",
            "web -> full : tcp/2 => allowed, ingress allowed by r1/rule",
            "web -> full : tcp/3 => blocked, ingress override denied by r3/rule",
            "web -> selective : tcp/1 => allowed, ingress allowed by r1/rule",
            "web -> selective : tcp/2 => allowed, ingress allowed by r1/rule",
            "web -> selective : tcp/3 => blocked, ingress override denied by r3/rule",
            "web -> selective : tcp/4 => blocked, ingress denied by r2/rule",
            "web -> selective : tcp/5 => allowed, ingress default allowed",
        ],
    );
}

#[test]
fn e1_essential_services_beat_everything() {
    check(
        &MODES,
        &[
            "web -> full : icmp/3/4 => allowed, ingress essential",
            "full -> web : icmp/3/4 => allowed, egress essential, ingress not enforced",
            "198.51.100.7 -> full : icmpv6/2/0 => allowed, ingress essential",
            "198.51.100.7 -> full : icmpv6/2/7 => allowed, ingress essential",
            "web -> selective : icmp/3/4 => allowed, ingress essential",
            "web -> visibility : icmp/3/4 => allowed, ingress not enforced",
            "web -> full : icmp/3/3 => blocked, ingress override denied by r4/rule",
            "web -> full : icmp/8/0 => blocked, ingress override denied by r4/rule",
            "web -> full : icmpv6/1/0 => blocked, ingress override denied by r4/rule",
        ],
    );
}

#[test]
fn e1_the_first_rule_in_writing_order_is_named() {
    check_shop(
        &[
            "rule a/late: [app=blog] role=web -> role=db : tcp/1",
            "rule b/one: role=web -> role=db : tcp/1",
            "rule a/early: role=web -> role=db : tcp/1",
            "rule b/two: role=web -> role=db : all",
        ],
        &[
            "web-blog -> db-blog : tcp/1 => allowed, egress allowed by a/late, ingress allowed by a/late",
            "web-prod -> db-prod : tcp/1 => allowed, egress allowed by b/one, ingress allowed by b/one",
            "web-prod -> db-prod : tcp/2 => allowed, ingress allowed by b/two",
        ],
    );
}

#[test]
fn e2_a_plain_deny_changes_nothing_in_full_mode() {
    check(&MODES, &["web -> full : tcp/4 => blocked, ingress default denied"]);
}

#[test]
fn e3_only_full_and_selective_enforce_and_only_visibility_is_judged() {
    check(
        &MODES,
        &[
            "web -> full : tcp/5 => blocked, ingress default denied",
            "web -> visibility : tcp/1 => allowed, ingress not enforced",
            "web -> visibility : tcp/5 => potentially blocked, ingress not enforced",
            "web -> idle : tcp/5 => allowed, ingress not enforced",
            "web -> idle : tcp/3 => allowed, ingress not enforced",
            // The source blocks already: what the destination would do does not matter.
            "full -> visibility : tcp/5 => blocked, egress default denied, ingress not enforced",
            "visibility -> web : tcp/5 => potentially blocked, egress not enforced",
        ],
    );
}

#[test]
fn e5_override_deny_only_marks_in_visibility_mode() {
    check(&MODES, &["web -> visibility : tcp/3 => potentially blocked, ingress not enforced"]);
}

#[test]
fn e1_services_match_exactly_to_the_edge() {
    check_shop(
        &["role=web -> role=db : tcp/1000-2000 udp/53 icmp/8 proto/50"],
        &[
            "web-prod -> db-prod : tcp/999 => blocked",
            "web-prod -> db-prod : tcp/1000 => allowed",
            "web-prod -> db-prod : tcp/2000 => allowed",
            "web-prod -> db-prod : tcp/2001 => blocked",
            "web-prod -> db-prod : udp/1000 => blocked",
            "web-prod -> db-prod : tcp/53 => blocked",
            "web-prod -> db-prod : icmp/8/3 => allowed",
            "web-prod -> db-prod : icmp/9/0 => blocked",
            "web-prod -> db-prod : proto/50 => allowed",
            "web-prod -> db-prod : proto/51 => blocked",
        ],
    );
}
