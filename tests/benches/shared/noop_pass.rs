//! A pass that finds nothing to do, over recorded answers, beside the parse of the same bytes: what the benchmarks of the
//! drivers share.
//!
//! The first pass of a process reads, plans and proves (`bulkhead plan`). The loop of `bulkhead run` then finds answers
//! that are as they were, and a plan that stands.

use std::time::Duration;

use async_trait::async_trait;
use cpu_time::ProcessTime;
use plan::Scope;
use provider::{Clock, CloudReader};
use reconcile::applying::StopFlag;
use reconcile::pass::{HeldBack, Pass, PassStatus};
use reconcile::planning::{Intent, make_plan, observe};

/// What is measured.
pub struct Subject<'a> {
    /// How large it is, in the words of its cloud.
    pub size: usize,
    pub rounds: usize,
    /// A reader that has read nothing yet.
    pub reader: &'a dyn Fn() -> Box<dyn CloudReader>,
    pub scope: &'a Scope,
    pub intent: &'a Intent,
    /// All answers together.
    pub bytes: usize,
    /// The parse into the types of the driver.
    pub parse: &'a dyn Fn(),
    /// The parse without a schema.
    pub json: &'a dyn Fn(),
    /// Calls that were answered until now.
    pub calls: &'a dyn Fn() -> usize,
}

/// CPU times of the process, each of the best of several rounds.
pub struct Times {
    parse: Duration,
    json: Duration,
    first: Duration,
    observe: Duration,
    plan: Duration,
    again: Duration,
}

/// Prints the head of the table; `what` is what sizes count.
pub fn print_head(what: &str) {
    println!(
        "| {what} | rules | interfaces | groups | answers | calls | parse, our types | parse, JSON | first pass | ratio | observe | compile … prove | pass in the loop | ratio |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}

/// Measures, and prints a row.
pub async fn measure(subject: &Subject<'_>) -> Times {
    let rounds = subject.rounds;
    let scopes = std::slice::from_ref(subject.scope);
    let reader = (subject.reader)();
    let reading = observe(reader.as_ref(), scopes).await;
    let before = (subject.calls)();
    drop(observe((subject.reader)().as_ref(), scopes).await);
    let calls = (subject.calls)() - before;
    let times = Times {
        parse: best(rounds, async || (subject.parse)()).await,
        json: best(rounds, async || (subject.json)()).await,
        first: best(rounds, async || first_pass(subject).await).await,
        observe: best(rounds, async || drop(observe((subject.reader)().as_ref(), scopes).await)).await,
        plan: best(rounds, async || drop(make_plan(reader.as_ref(), subject.intent, &reading, None))).await,
        again: in_the_loop(subject, rounds).await,
    };
    let (_, state) = &reading.observed[0];
    let rules: usize = state.path_filters.iter().map(|list| list.rules.len()).sum();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let ratio = |time: Duration| format!("{:.2}", time.as_secs_f64() / times.parse.as_secs_f64());
    let cells = [
        subject.size.to_string(),
        rules.to_string(),
        state.interfaces.len().to_string(),
        state.groups.len().to_string(),
        format!("{:.1} MB", subject.bytes as f64 / 1e6),
        calls.to_string(),
        ms(times.parse),
        ms(times.json),
        ms(times.first),
        ratio(times.first),
        ms(times.observe),
        ms(times.plan),
        ms(times.again),
        ratio(times.again),
    ];
    println!("| {} |", cells.join(" | "));
    times
}

/// Prints how times grow with the estate.
pub fn print_growth(small: &Times, large: &Times) {
    let grown = |of: fn(&Times) -> Duration| of(large).as_secs_f64() / of(small).as_secs_f64();
    println!(
        "\nTen times the estate costs the parse {:.1}, the first pass {:.1}, observe {:.1}, compile … prove {:.1} and a pass in the loop {:.1} times as long.",
        grown(|times| times.parse),
        grown(|times| times.first),
        grown(|times| times.observe),
        grown(|times| times.plan),
        grown(|times| times.again)
    );
}

async fn first_pass(subject: &Subject<'_>) {
    let reader = (subject.reader)();
    let reading = observe(reader.as_ref(), std::slice::from_ref(subject.scope)).await;
    let planned = make_plan(reader.as_ref(), subject.intent, &reading, None);
    let plan = &planned.plan;
    assert!(plan.steps.is_empty() && plan.blocks.is_empty() && plan.proof.equivalent, "a no-op");
}

/// The best pass of a loop that has one reader for all of them.
async fn in_the_loop(subject: &Subject<'_>, rounds: usize) -> Duration {
    let reader = (subject.reader)();
    let stop = StopFlag::default();
    let pass = Pass {
        reader: reader.as_ref(),
        writer: None,
        clock: &NoTime,
        scopes: std::slice::from_ref(subject.scope),
        stop: stop.clone(),
        concurrent_max: 8,
        quiet_since_ms: Some(0),
        progress: &|_| {},
        remember: &|_| {},
    };
    let (mut best, mut passes, mut start) = (Duration::MAX, 0, ProcessTime::now());
    let after = |status: &PassStatus| {
        best = best.min(start.elapsed());
        assert_eq!(status.held_back, Some(HeldBack::Nothing));
        assert!(status.unobserved.is_empty() && status.planned.plan.proof.equivalent);
        passes += 1;
        stop.store(passes == rounds.max(4), std::sync::atomic::Ordering::Relaxed);
        start = ProcessTime::now();
    };
    pass.run_loop(Duration::ZERO, None, || Some(subject.intent.clone()), after).await;
    best
}

/// Nobody waits.
struct NoTime;

#[async_trait]
impl Clock for NoTime {
    fn now_ms(&self) -> u64 {
        0
    }

    async fn sleep(&self, _: Duration) {}
}

async fn best(times: usize, mut work: impl AsyncFnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..times {
        let start = ProcessTime::now();
        work().await;
        best = best.min(start.elapsed());
    }
    best
}
