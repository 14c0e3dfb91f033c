//! The conformance suite: what every driver must do against the simulator of its cloud.
//!
//! ```text
//! Factory ─start(Seed)─▶ World: a scope with faults, meddling, quotas and a data plane
//!                          │ reader, writer: fresh ones, a process with no memory
//!                          ▼
//!    case: Pass (observe → compile → lower → plan → prove → apply) ─▶ Ok | NotRun(why) | Failed(what)
//! ```
//!
//! A cloud's tests say `provider::conformance!(MyFactory);` and get one test for each case. What a cloud does not
//! have it answers with [`Unsupported`]; the case is then printed as not run, with the reason. How to write a
//! [`World`]: `docs/new-provider.md`. That the suite can fail is shown by `tests/teeth.rs`.
//!
//! The pass of this module ([`Pass`]) makes the same steps with the same waits as `reconcile`, and shares no code
//! with it: one call of a step at a time, so that what went wrong has one cause.

mod cases;
mod estate;
pub mod facts;
mod graph;
mod pass;
pub mod policies;
mod probes;
mod world;

pub use estate::{INSTALLATION, Policy, snapshot};
pub use pass::{Done, Held, Pass, StepOutcome};
pub use world::{Factory, Fault, Meddling, Quota, Seed, SeedNetwork, SeedWorkload, Unsupported, World};

use std::io::Write as _;

use crate::ProviderError;

/// Why a case did not pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The cloud or its simulator does not have what the case needs.
    NotRun(String),
    /// The driver (or the simulator) broke the contract.
    Failed(String),
}

/// What became of a case.
pub type Outcome = Result<(), Problem>;

impl From<Unsupported> for Problem {
    fn from(unsupported: Unsupported) -> Self {
        Self::NotRun(unsupported.0)
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Fails a case where a condition does not hold.
pub(crate) fn ensure(holds: bool, text: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Problem::Failed(text())) }
}

/// Makes one test for each case. Give it an expression that is a [`Factory`].
#[macro_export]
macro_rules! conformance {
    (@tests [$factory:expr] $($case:ident)*) => {
        $(#[test]
        fn $case() {
            $crate::conformance::check(stringify!($case), &$factory);
        })*
    };
    (@cases [] $($case:ident)*) => {
        /// The name of every case.
        pub const CASES: &[&str] = &[$(stringify!($case)),*];

        /// Runs a case by its name, in new worlds.
        pub async fn run(name: &str, factory: &dyn Factory) -> Outcome {
            $(if name == stringify!($case) {
                return cases::$case(factory).await;
            })*
            Err(Problem::Failed(format!("there is no case `{name}`")))
        }
    };
    (@all $kind:ident $given:tt) => {
        $crate::conformance! { @$kind $given
            the_second_pass_is_empty
            every_page_is_read
            half_a_read_is_an_error_and_nothing_is_written
            a_step_that_is_true_already_makes_no_call
            after_predicts_what_is_read
            no_pass_makes_more_calls_than_estimated
            every_call_is_told
            a_conflict_is_left_to_the_next_pass
            a_throttled_call_is_left_to_the_next_pass
            a_failing_service_is_left_to_the_next_pass
            a_lost_answer_leaves_no_duplicate
            a_crash_after_any_call_converges
            a_rule_that_somebody_added_is_repaired
            a_rule_that_somebody_removed_is_repaired
            a_member_that_somebody_took_out_is_repaired
            an_object_that_somebody_deleted_is_repaired
            foreign_objects_stay_as_they_are
            a_quota_at_the_peak_blocks_before_the_first_write
            packets_pass_as_the_policy_says
            ipv6_packets_pass_as_the_policy_says
            semantics_say_what_packets_do
            a_rule_is_added_hitless
            a_rule_is_removed_hitless
            a_rule_is_replaced_hitless
            a_workload_is_relabelled_hitless
            a_crash_in_a_change_is_hitless
        }
    };
    ($factory:expr) => {
        $crate::conformance! { @all tests [$factory] }
    };
}

conformance! { @all cases [] }

/// Runs a case as a test: fails with what is wrong, and prints a case that was not run or is a gap of the cloud.
///
/// # Panics
/// If the case fails, or is a gap and does not, or if no runtime can be started.
pub fn check(name: &str, factory: &dyn Factory) {
    let cloud = factory.name();
    let gap = factory.gaps().iter().find(|(case, _)| *case == name).map(|(_, reason)| *reason);
    match (run_blocking(name, factory), gap) {
        (Ok(()), None) => {}
        (Ok(()), Some(_)) => panic_with(format!("{name} holds on {cloud}: take it out of the gaps")),
        (Err(Problem::NotRun(why)), _) => say(&format!("{name} was not run on {cloud}: {why}")),
        (Err(Problem::Failed(what)), Some(gap)) => {
            say(&format!("{name} cannot hold on {cloud}: {gap} ({what})"));
        }
        (Err(Problem::Failed(what)), None) => panic_with(format!("{name} on {cloud}: {what}")),
    }
}

/// Not `eprintln!`: the test harness would keep it to itself.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("conformance: {text}\n").as_bytes());
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn panic_with(text: String) -> ! {
    panic!("{text}")
}

/// Runs a case to its end on a runtime of its own.
///
/// # Panics
/// If no runtime can be started.
pub fn run_blocking(name: &str, factory: &dyn Factory) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts where tests run").block_on(run(name, factory))
}
