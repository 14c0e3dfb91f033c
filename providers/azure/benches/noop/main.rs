//! A whole no-op pass over the recorded answers of a simulated subscription, beside the parse of the same bytes.
//!
//! `cargo bench -p provider-azure --bench noop` prints a Markdown table. Times are CPU times of the process, which has
//! one thread and waits for nothing; each is the best of several rounds. With `BULKHEAD_ANSWERS=FOLDER` the answers are left there
//! for Microsoft's own models (`tests/witness-azure/benches/parse.rs`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

mod changes;
mod estate;
mod parse;
mod replay;

use std::time::Duration;

use cpu_time::ProcessTime;
use reconcile::planning::{make_plan, observe};

use estate::Estate;

/// As in the `bulkhead` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!(
        "| security groups | rules | interfaces | groups | answers | calls | parse, our types | parse, JSON | no-op pass | ratio | observe | compile … prove |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let small = runtime.block_on(measure(50));
    let large = runtime.block_on(measure(500));
    let grown = |of: fn(&Times) -> Duration| of(&large).as_secs_f64() / of(&small).as_secs_f64();
    println!(
        "\nTen times the estate costs the parse {:.1}, the pass {:.1}, observe {:.1} and compile … prove {:.1} times as long.",
        grown(|times| times.parse),
        grown(|times| times.pass),
        grown(|times| times.observe),
        grown(|times| times.plan)
    );
    println!(
        "\n| change | security groups | calls that write | least | reads | floor of the rates | time |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    let jumping =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    jumping.block_on(async {
        changes::print(50).await;
        changes::print(500).await;
    });
}

struct Times {
    parse: Duration,
    pass: Duration,
    observe: Duration,
    plan: Duration,
}

async fn measure(classes: usize) -> Times {
    let estate = Estate::converged(classes).await;
    estate.replay.tape().is_running = true;
    let scopes = std::slice::from_ref(&estate.scope);
    // The first read records; later ones replay.
    let reading = observe(&estate.reader, scopes).await;
    let answers: Vec<_> =
        estate.replay.tape().answers.iter().map(|(at, body)| (at.clone(), body.clone())).collect();
    if let Ok(folder) = std::env::var("BULKHEAD_ANSWERS") {
        parse::save(&answers, &std::path::Path::new(&folder).join(classes.to_string()));
    }
    let rounds = if classes < 100 { 40 } else { 6 };
    let parse = best(rounds, || async { parse::as_ours(&answers) }).await;
    let json = best(rounds, || async { parse::as_json(&answers) }).await;
    let observed = best(rounds, || async { drop(observe(&estate.reader, scopes).await) }).await;
    estate.replay.tape().calls = 0;
    let pass = best(rounds, || async {
        let reading = observe(&estate.reader, scopes).await;
        let planned = make_plan(&estate.reader, &estate.intent, &reading, None);
        let plan = &planned.plan;
        assert!(plan.steps.is_empty() && plan.blocks.is_empty() && plan.proof.equivalent, "a no-op");
    })
    .await;
    let calls = estate.replay.tape().calls / rounds;
    let plan =
        best(rounds, || async { drop(make_plan(&estate.reader, &estate.intent, &reading, None)) }).await;
    let (_, state) = &reading.observed[0];
    let rules: usize = state.path_filters.iter().map(|list| list.rules.len()).sum();
    let bytes: usize = answers.iter().map(|(_, body)| body.len()).sum();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    println!(
        "| {classes} | {rules} | {} | {} | {:.1} MB | {calls} | {} | {} | {} | {:.2} | {} | {} |",
        state.interfaces.len(),
        state.groups.len(),
        bytes as f64 / 1e6,
        ms(parse),
        ms(json),
        ms(pass),
        pass.as_secs_f64() / parse.as_secs_f64(),
        ms(observed),
        ms(plan)
    );
    Times { parse, pass, observe: observed, plan }
}

/// The CPU time of the best round.
async fn best<F: Future<Output = ()>>(times: usize, mut work: impl FnMut() -> F) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..times {
        let start = ProcessTime::now();
        work().await;
        best = best.min(start.elapsed());
    }
    best
}
