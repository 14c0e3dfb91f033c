//! The suite can fail: the driver of the toy cloud is broken in one way after the other, and exactly the cases fail
//! that should.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "toy/pond/mod.rs"]
mod pond;

use std::collections::{BTreeMap, BTreeSet};

use pond::{Flaw, Pond};
use provider::conformance::{CASES, Factory, Problem, Seed, World, check, run_blocking};

/// One test for each flaw, with the cases that find it: all of them, and no other.
macro_rules! teeth {
    ($($name:ident: $flaw:ident => $($case:ident)*;)*) => {
        const TEETH: &[(Flaw, &[&str])] = &[$((Flaw::$flaw, &[$(stringify!($case)),*])),*];
        $(#[test]
        fn $name() {
            bites(Flaw::$flaw, &[$(stringify!($case)),*]);
        })*
    };
}

teeth! {
    a_mark_with_the_time_in_it: StampsTheTime =>
        the_second_pass_is_empty
        a_step_that_is_true_already_makes_no_call
        after_predicts_what_is_read;
    only_the_first_page: SkipsTheSecondPage =>
        every_page_is_read;
    a_page_that_fails_is_the_end: SwallowsReadErrors =>
        half_a_read_is_an_error_and_nothing_is_written;
    true_things_are_written: WritesWhatIsTrue =>
        a_step_that_is_true_already_makes_no_call;
    deletions_are_not_predicted: PredictsNoDeletion =>
        after_predicts_what_is_read;
    calls_are_not_estimated: CountsNoDetach =>
        no_pass_makes_more_calls_than_estimated;
    calls_that_fail_are_not_told: HidesCalls =>
        every_call_is_told;
    conflicts_are_forced: ForcesOverConflicts =>
        a_conflict_is_left_to_the_next_pass;
    throttled_calls_are_sent_again: RetriesWhenThrottled =>
        a_throttled_call_is_left_to_the_next_pass;
    failures_are_taken_for_mistakes: CallsFailuresRejected =>
        a_failing_service_is_left_to_the_next_pass;
    a_lost_create_is_made_again: RenamesAfterALostAnswer =>
        a_lost_answer_leaves_no_duplicate;
    marks_come_in_a_second_call: MarksLater =>
        a_conflict_is_left_to_the_next_pass
        a_throttled_call_is_left_to_the_next_pass
        a_failing_service_is_left_to_the_next_pass
        a_lost_answer_leaves_no_duplicate
        a_crash_after_any_call_converges;
    only_own_rules_are_seen: SeesOnlyItsRules =>
        a_rule_that_somebody_added_is_repaired;
    what_was_written_is_there: TrustsWrittenRules =>
        a_rule_that_somebody_removed_is_repaired;
    who_was_put_in_is_there: TrustsWrittenMembers =>
        a_member_that_somebody_took_out_is_repaired;
    what_was_made_is_there: TrustsMadeObjects =>
        an_object_that_somebody_deleted_is_repaired;
    foreign_members_are_overwritten: OverwritesForeignTeams =>
        after_predicts_what_is_read
        foreign_objects_stay_as_they_are;
    a_prefix_is_a_mark: OwnsByPrefix =>
        foreign_objects_stay_as_they_are;
    limits_are_guessed: GuessesLimits =>
        a_quota_at_the_peak_blocks_before_the_first_write;
    // The proof cannot see it: what is written wrong is read wrong.
    protocols_are_swapped: SwapsTcpAndUdp =>
        packets_pass_as_the_policy_says
        ipv6_packets_pass_as_the_policy_says
        semantics_say_what_packets_do
        a_rule_is_added_hitless
        a_rule_is_replaced_hitless;
    ipv6_blocks_are_narrowed: NarrowsIpv6 =>
        ipv6_packets_pass_as_the_policy_says
        semantics_say_what_packets_do;
    foreign_objects_mean_nothing: ForgetsForeignTeams =>
        semantics_say_what_packets_do;
    adding_clears_first: RewritesToAdd =>
        a_rule_is_added_hitless
        a_rule_is_replaced_hitless
        a_workload_is_relabelled_hitless
        a_crash_in_a_change_is_hitless;
    removing_clears_first: RewritesToRemove =>
        a_rule_is_removed_hitless
        a_rule_is_replaced_hitless
        a_workload_is_relabelled_hitless
        a_crash_in_a_change_is_hitless;
    detaching_comes_first: DetachesBeforeAttaching =>
        a_workload_is_relabelled_hitless
        a_crash_in_a_change_is_hitless;
    nothing_settles: ForgetsToSettle =>
        a_rule_is_replaced_hitless
        a_workload_is_relabelled_hitless
        a_crash_in_a_change_is_hitless;
}

/// Runs the whole suite on a driver with a flaw.
fn bites(flaw: Flaw, expected: &[&str]) {
    let failure = |case: &&'static str| match run_blocking(case, &Pond(flaw)) {
        Err(Problem::Failed(what)) => Some((*case, what)),
        Ok(()) | Err(Problem::NotRun(_)) => None,
    };
    let found: BTreeMap<&str, String> = CASES.iter().filter_map(failure).collect();
    let names: BTreeSet<&str> = found.keys().copied().collect();
    assert_eq!(names, expected.iter().copied().collect(), "{flaw:?}: {found:#?}");
}

#[test]
fn nothing_is_found_without_a_flaw() {
    for case in CASES {
        // The toy has everything that a case asks for: none may be left out.
        assert_eq!(run_blocking(case, &Pond::honest()), Ok(()), "{case}");
    }
}

/// A pond that is said to have a gap.
struct Gap(Pond);

#[async_trait::async_trait]
impl Factory for Gap {
    fn name(&self) -> &'static str {
        "pond with a gap"
    }

    fn page_items(&self) -> usize {
        self.0.page_items()
    }

    fn gaps(&self) -> &[(&str, &str)] {
        &[("every_page_is_read", "it has one page only")]
    }

    async fn start(&self, seed: &Seed) -> Box<dyn World> {
        self.0.start(seed).await
    }
}

#[test]
fn a_gap_must_be_one() {
    let panics =
        |case: &'static str, flaw| std::panic::catch_unwind(|| check(case, &Gap(Pond(flaw)))).is_err();
    assert!(!panics("every_page_is_read", Flaw::SkipsTheSecondPage), "a gap that is there");
    assert!(panics("every_page_is_read", Flaw::None), "a gap that has closed");
    let other = "half_a_read_is_an_error_and_nothing_is_written";
    assert!(panics(other, Flaw::SwallowsReadErrors), "what is no gap fails as ever");
}

#[test]
fn every_case_has_a_tooth() {
    let bitten: BTreeSet<&str> = TEETH.iter().flat_map(|(_, cases)| cases.iter().copied()).collect();
    assert_eq!(bitten, CASES.iter().copied().collect());
}
