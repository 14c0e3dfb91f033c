//! S1–S7, S9: what a scope covers, and what it narrows.

use crate::check_shop;

#[test]
fn s1_a_workload_is_in_a_scope_when_every_entry_matches() {
    check_shop(
        &["[app=shop env=prod] role=web -> role=db : tcp/5432"],
        &[
            "web-prod -> db-prod : tcp/5432 => allowed, egress allowed by r1/rule, ingress allowed by r1/rule",
            "web-prod -> db-prod : tcp/5433 => blocked, egress default denied, ingress default denied",
            "db-prod -> web-prod : tcp/5432 => blocked",
            "web-dev -> db-dev : tcp/5432 => blocked",
            "web-blog -> db-blog : tcp/5432 => blocked",
            "web-prod -> db-blog : tcp/5432 => blocked, egress default denied, ingress default denied",
            "bare -> db-prod : tcp/5432 => blocked",
        ],
    );
}

#[test]
fn s1_a_key_that_the_scope_does_not_name_may_have_any_value() {
    check_shop(
        &["[env=prod] role=web -> role=db : tcp/5432"],
        &["web-prod -> db-blog : tcp/5432 => allowed", "web-dev -> db-dev : tcp/5432 => blocked"],
    );
}

#[test]
fn s1_entries_of_one_key_that_disagree_cover_nobody() {
    check_shop(
        &["[env=prod env=dev] role=web -> role=db : tcp/5432"],
        &["web-prod -> db-prod : tcp/5432 => blocked", "web-dev -> db-dev : tcp/5432 => blocked"],
    );
}

#[test]
fn s1_several_scopes_cover_each_for_itself() {
    check_shop(
        &["[app=shop env=prod] [app=blog] role=web -> role=db : tcp/5432"],
        &[
            "web-prod -> db-prod : tcp/5432 => allowed",
            "web-blog -> db-blog : tcp/5432 => allowed",
            // The union of scopes would let this pass.
            "web-prod -> db-blog : tcp/5432 => blocked, egress default denied, ingress default denied",
            "web-blog -> db-prod : tcp/5432 => blocked",
            "web-dev -> db-dev : tcp/5432 => blocked",
        ],
    );
}

#[test]
fn s2_no_scope_and_an_empty_scope_cover_every_workload() {
    for scope in ["", "[] "] {
        check_shop(
            &[&format!("{scope}role=web -> role=db : tcp/5432")],
            &["web-prod -> db-dev : tcp/5432 => allowed", "bare -> db-dev : tcp/5432 => blocked"],
        );
    }
}

#[test]
fn s3_label_group_in_scope_does_not_mix_members() {
    check_shop(
        &["[app=shop group:nonprod] role=web -> role=db : tcp/5432"],
        &[
            "web-dev -> db-dev : tcp/5432 => allowed",
            "web-test -> db-test : tcp/5432 => allowed",
            "web-dev -> db-test : tcp/5432 => blocked, egress default denied, ingress default denied",
            "web-test -> db-dev : tcp/5432 => blocked",
            "web-prod -> db-prod : tcp/5432 => blocked",
        ],
    );
}

#[test]
fn s3_nested_groups_in_scope_expand_to_every_member() {
    check_shop(
        &["[app=shop group:all-env] role=web -> role=db : tcp/5432"],
        &[
            "web-prod -> db-prod : tcp/5432 => allowed",
            "web-test -> db-test : tcp/5432 => allowed",
            "web-prod -> db-test : tcp/5432 => blocked",
        ],
    );
}

#[test]
fn s3_an_empty_group_in_scope_covers_nobody() {
    check_shop(
        &["[app=shop group:nobody] role=web -> role=db : tcp/5432"],
        &["web-prod -> db-prod : tcp/5432 => blocked"],
    );
}

#[test]
fn s4_a_scope_takes_off_labels_and_whole_groups() {
    check_shop(
        &[
            "[app=shop not env=dev] role=web -> role=db : tcp/1",
            "[not group:nonprod] role=web -> role=db : tcp/2",
        ],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-test -> db-test : tcp/1 => allowed",
            "web-prod -> db-test : tcp/1 => allowed",
            "web-dev -> db-prod : tcp/1 => blocked",
            "web-prod -> db-prod : tcp/2 => allowed",
            "web-prod -> db-blog : tcp/2 => allowed",
            "web-dev -> db-prod : tcp/2 => blocked",
            "web-prod -> db-test : tcp/2 => blocked",
        ],
    );
}

#[test]
fn s4_a_workload_without_the_key_is_not_taken_off() {
    check_shop(
        &["[not loc=us] role=web -> role=db : tcp/1"],
        &[
            "web-prod -> db-test : tcp/1 => allowed",
            "web-prod -> db-dev : tcp/1 => blocked",
            "web-blog -> db-test : tcp/1 => blocked",
        ],
    );
}

#[test]
fn s5_both_sides_of_an_intra_scope_rule_are_narrowed() {
    check_shop(
        &["[env=prod] all-workloads -> role=db : tcp/1"],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-dev -> db-prod : tcp/1 => blocked",
            "bare -> db-prod : tcp/1 => blocked",
            "web-prod -> db-dev : tcp/1 => blocked",
        ],
    );
}

#[test]
fn s5_a_side_that_contradicts_the_scope_selects_nobody() {
    check_shop(
        &["[env=prod] role=web -> group:nonprod : tcp/2"],
        &["web-prod -> db-dev : tcp/2 => blocked", "web-dev -> db-dev : tcp/2 => blocked"],
    );
}

#[test]
fn s6_an_extra_scope_rule_narrows_destinations_only() {
    check_shop(
        &["[app=shop env=prod] extra role=web -> role=db : tcp/1"],
        &[
            "web-blog -> db-prod : tcp/1 => allowed, egress allowed by r1/rule, ingress allowed by r1/rule",
            "web-dev -> db-prod : tcp/1 => allowed",
            "web-prod -> db-blog : tcp/1 => blocked, egress default denied, ingress default denied",
            "web-blog -> db-blog : tcp/1 => blocked",
        ],
    );
}

#[test]
fn s7_lists_and_workloads_by_name_are_never_narrowed() {
    check_shop(
        &[
            "[app=shop env=prod] workload:web-dev list:office -> role=db : tcp/1",
            "[app=shop env=prod] role=web -> workload:db-blog list:office : tcp/2",
        ],
        &[
            "web-dev -> db-prod : tcp/1 => allowed",
            "web-dev -> db-dev : tcp/1 => blocked",
            "203.0.113.5 -> db-prod : tcp/1 => allowed, egress not enforced, ingress allowed by r1/rule",
            "203.0.113.66 -> db-prod : tcp/1 => blocked",
            "203.0.113.5 -> db-dev : tcp/1 => blocked",
            "web-prod -> db-blog : tcp/2 => allowed",
            "web-prod -> 203.0.113.5 : tcp/2 => allowed",
            "web-dev -> db-blog : tcp/2 => blocked",
            "web-dev -> 203.0.113.5 : tcp/2 => blocked",
        ],
    );
}

#[test]
fn s9_all_workloads_are_those_inside_the_scope_and_no_addresses() {
    check_shop(
        &[
            "[app=shop env=prod] all-workloads -> all-workloads : tcp/1",
            "all-workloads -> all-workloads : tcp/2",
        ],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-prod -> db-dev : tcp/1 => blocked",
            "bare -> db-prod : tcp/1 => blocked",
            "bare -> db-dev : tcp/2 => allowed",
            "erp -> db-dev : tcp/2 => allowed, egress not enforced, ingress allowed by r2/rule",
            "203.0.113.5 -> db-prod : tcp/2 => blocked, ingress default denied",
        ],
    );
}
