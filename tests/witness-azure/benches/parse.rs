//! How long Microsoft's own models take to read the answers that a no-op pass of the Azure driver reads.
//!
//! ```text
//! BULKHEAD_ANSWERS=/tmp/answers cargo bench -p provider-azure --bench noop
//! BULKHEAD_ANSWERS=/tmp/answers cargo bench --manifest-path tests/witness-azure/Cargo.toml
//! ```
//!
//! Microsoft.Network alone: machines are of another crate, and are read as JSON here. CPU time of the process, the best
//! of several rounds.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use azure_mgmt_network::package_2024_03::models;
use cpu_time::ProcessTime;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// As in the benchmark of the driver.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 20;

fn main() {
    let folder = std::env::var("BULKHEAD_ANSWERS").expect("a folder of answers");
    println!("| security groups | answers | models | the same as JSON | machines as JSON |");
    println!("|---:|---:|---:|---:|---:|");
    let mut sizes: Vec<usize> = std::fs::read_dir(&folder)
        .expect("a folder of answers")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    sizes.sort_unstable();
    for size in sizes {
        measure(size, &Path::new(&folder).join(size.to_string()));
    }
}

fn measure(size: usize, folder: &Path) {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let answers: Vec<(String, Vec<u8>)> = files
        .map(|file| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            (name, std::fs::read(&file).expect("an answer"))
        })
        .collect();
    let (network, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(name, body)| model(name, body));
    let models = best(|| network.iter().for_each(|(name, body)| assert!(model(name, body))));
    let json = best(|| network.iter().for_each(|(_, body)| value(body)));
    let rest = best(|| others.iter().for_each(|(_, body)| value(body)));
    let bytes: usize = network.iter().chain(&others).map(|(_, body)| body.len()).sum();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    println!("| {size} | {:.1} MB | {} | {} | {} |", bytes as f64 / 1e6, ms(models), ms(json), ms(rest));
}

/// Reads an answer with its model; whether there is one.
fn model(name: &str, body: &[u8]) -> bool {
    fn read<T: DeserializeOwned>(body: &[u8]) {
        black_box(serde_json::from_slice::<T>(body).expect("an answer of the model"));
    }
    match name.split('-').next().unwrap_or_default() {
        "networkSecurityGroups" => read::<models::NetworkSecurityGroupListResult>(body),
        "applicationSecurityGroups" => read::<models::ApplicationSecurityGroupListResult>(body),
        "networkInterfaces" => read::<models::NetworkInterfaceListResult>(body),
        "virtualNetworks" => read::<models::VirtualNetworkListResult>(body),
        _ => return false,
    }
    true
}

fn value(body: &[u8]) {
    black_box(serde_json::from_slice::<Value>(body).expect("JSON"));
}

fn best(work: impl Fn()) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let start = ProcessTime::now();
        work();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}
