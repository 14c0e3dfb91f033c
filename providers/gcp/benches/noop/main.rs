//! A whole no-op pass over the recorded answers of a simulated project, beside the parse of the same bytes.
//!
//! `cargo bench -p provider-gcp --bench noop` prints a Markdown table. Times are CPU times of the process, which has
//! one thread and waits for nothing; each is the best of several rounds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

mod changes;
mod estate;
#[path = "../../../../tests/benches/shared/noop_pass.rs"]
mod noop_pass;
mod parse;
mod replay;

use reconcile::planning::observe;

use estate::Estate;
use noop_pass::{Subject, Times};

/// As in the `bulkhead` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    noop_pass::print_head("networks");
    let small = runtime.block_on(measure(50));
    let large = runtime.block_on(measure(500));
    noop_pass::print_growth(&small, &large);
    println!(
        "\n| change | networks | calls that write | least | reads | floor of the rates | time |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    let jumping =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    jumping.block_on(async {
        changes::print(50).await;
        changes::print(500).await;
    });
}

async fn measure(classes: usize) -> Times {
    let estate = Estate::converged(classes).await;
    estate.replay.tape().is_running = true;
    // The first read records; later ones replay.
    let reading = observe(estate.reader().as_ref(), std::slice::from_ref(&estate.scope)).await;
    assert!(reading.unobserved.is_empty());
    let answers: Vec<_> =
        estate.replay.tape().answers.iter().map(|(at, body)| (at.clone(), body.clone())).collect();
    let subject = Subject {
        size: reading.observed[0].1.networks.len(),
        rounds: if classes < 100 { 40 } else { 6 },
        reader: &|| estate.reader(),
        scope: &estate.scope,
        intent: &estate.intent,
        bytes: answers.iter().map(|(_, body)| body.len()).sum(),
        parse: &|| parse::as_ours(&answers),
        json: &|| parse::as_json(&answers),
        calls: &|| estate.replay.tape().calls,
    };
    noop_pass::measure(&subject).await
}
