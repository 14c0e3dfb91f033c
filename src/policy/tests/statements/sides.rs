//! S4, S8, S10, S14: what one side of a rule selects, and what is disabled.

use crate::check_shop;

#[test]
fn s4_a_side_takes_exclusions_off_after_the_inclusion() {
    check_shop(
        &["role=web not env=dev -> role=db not group:nonprod : tcp/1"],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-test -> db-blog : tcp/1 => allowed",
            "web-dev -> db-prod : tcp/1 => blocked",
            "web-prod -> db-dev : tcp/1 => blocked",
            "web-prod -> db-test : tcp/1 => blocked",
        ],
    );
}

#[test]
fn s4_a_side_of_exclusions_only_is_everything_except_them() {
    check_shop(
        &["not role=web -> role=db : tcp/1", "[env=prod] not role=web not group:nonprod -> role=db : tcp/2"],
        &[
            "db-dev -> db-prod : tcp/1 => allowed",
            "bare -> db-prod : tcp/1 => allowed",
            "web-prod -> db-prod : tcp/1 => blocked",
            "203.0.113.5 -> db-prod : tcp/1 => blocked",
            "db-blog -> db-prod : tcp/2 => allowed",
            "db-dev -> db-prod : tcp/2 => blocked",
            "bare -> db-prod : tcp/2 => blocked",
        ],
    );
}

#[test]
fn s4_exclusions_are_taken_off_all_workloads_too() {
    check_shop(
        &["all-workloads not role=web -> role=db : tcp/1"],
        &["db-dev -> db-prod : tcp/1 => allowed", "web-dev -> db-prod : tcp/1 => blocked"],
    );
}

#[test]
fn s8_labels_of_one_key_are_or_and_of_different_keys_and() {
    check_shop(
        &["role=web role=proxy env=prod -> role=db : tcp/1"],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-blog -> db-prod : tcp/1 => allowed",
            "web-dev -> db-prod : tcp/1 => blocked",
            "db-blog -> db-prod : tcp/1 => blocked",
            "bare -> db-prod : tcp/1 => blocked",
        ],
    );
}

#[test]
fn s8_labels_and_groups_of_one_key_are_or() {
    check_shop(
        &["role=web env=prod group:nonprod -> role=db : tcp/1"],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-test -> db-prod : tcp/1 => allowed",
            "bare -> db-prod : tcp/1 => blocked",
        ],
    );
}

#[test]
fn s8_other_kinds_are_or() {
    check_shop(
        &["role=web env=prod list:office workload:bare -> role=db : tcp/1"],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-dev -> db-prod : tcp/1 => blocked",
            "203.0.113.5 -> db-prod : tcp/1 => allowed",
            "bare -> db-prod : tcp/1 => allowed",
        ],
    );
}

#[test]
fn s10_groups_as_actors_flatten() {
    check_shop(
        &["role=web group:all-env -> role=db group:nonprod : tcp/1", "group:nobody -> role=db : tcp/2"],
        &[
            // Members of a group do mix in an actor, unlike in a scope (S3).
            "web-dev -> db-test : tcp/1 => allowed",
            "web-prod -> db-dev : tcp/1 => allowed",
            "web-prod -> db-prod : tcp/1 => blocked",
            "web-prod -> db-prod : tcp/2 => blocked",
        ],
    );
}

#[test]
fn s10_an_empty_group_narrows_like_any_other() {
    check_shop(
        &["role=web group:nobody -> role=db : tcp/1", "group:nobody not role=db -> role=db : tcp/2"],
        &[
            "web-prod -> db-prod : tcp/1 => blocked, egress default denied, ingress default denied",
            "web-prod -> db-prod : tcp/2 => blocked, egress default denied, ingress default denied",
        ],
    );
}

#[test]
fn s4_an_exclusion_beside_a_list_or_a_workload_includes_nobody() {
    check_shop(
        &["list:office not role=web -> role=db : tcp/1", "workload:bare not role=web -> role=db : tcp/2"],
        &[
            "203.0.113.5 -> db-prod : tcp/1 => allowed",
            "db-dev -> db-prod : tcp/1 => blocked",
            "bare -> db-prod : tcp/2 => allowed",
            "db-dev -> db-prod : tcp/2 => blocked",
        ],
    );
}

#[test]
fn s14_a_disabled_rule_or_ruleset_contributes_nothing() {
    check_shop(
        &[
            "disabled role=web -> role=db : tcp/1",
            "disabled-ruleset role=web -> role=db : tcp/2",
            "disabled override-deny role=web -> role=db : tcp/3",
            "role=web -> role=db : tcp/3",
        ],
        &[
            "web-prod -> db-prod : tcp/1 => blocked, egress default denied, ingress default denied",
            "web-prod -> db-prod : tcp/2 => blocked, egress default denied, ingress default denied",
            "web-prod -> db-prod : tcp/3 => allowed, egress allowed by r4/rule, ingress allowed by r4/rule",
        ],
    );
}
