//! A process that follows a folder is killed at any moment, as the system kills.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often it is killed.
const KILLS: u64 = 30;
/// Files that the writer adds.
const FILES: u64 = 120;

/// The example, which Cargo builds beside the tests.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples").join("follow");
    assert!(program.is_file(), "{} is not built: run `cargo test -p ingest`", program.display());
    program
}

struct Killed(Child);

impl Drop for Killed {
    /// SIGKILL: nothing is cleaned up.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn follow(source: &Path, store: &Path) -> Killed {
    let mut command = Command::new(program());
    command.args([source, store]).arg("5").stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().unwrap())
}

/// Adds files, in one go as clouds do, and lines to files, as programs do.
fn write(folder: &Path, seed: u64) -> (u64, u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut connections, mut bytes) = (0, 0);
    let mut line = |random: &mut fastrand::Rng| {
        let more = random.u64(1..1000);
        (connections, bytes) = (connections + 1, bytes + more);
        // Days long past, so that parts are merged and made coarse while the process is killed.
        let time = 1_790_000_000 - random.i64(0..10) * 86_400 + random.i64(0..3600);
        format!("{time} 10.0.0.{} 10.0.0.{} 443 {more}\n", random.u8(1..9), random.u8(1..9))
    };
    for file in 0..FILES {
        if file % 4 == 0 {
            let log = folder.join("growing.json");
            let mut log = std::fs::File::options().create(true).append(true).open(log).unwrap();
            let text = line(&mut random);
            let (half, rest) = text.split_at(text.len() / 2);
            log.write_all(half.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(random.u64(..20)));
            log.write_all(rest.as_bytes()).unwrap();
        }
        let text: String = (0..random.usize(1..20)).map(|_| line(&mut random)).collect();
        // The name with a dot is no log until it is renamed.
        let hidden = folder.join(format!(".{file}"));
        std::fs::write(&hidden, text).unwrap();
        std::fs::rename(&hidden, folder.join(format!("{file}.json"))).unwrap();
        std::thread::sleep(Duration::from_millis(random.u64(..60)));
    }
    (connections, bytes)
}

#[test]
fn totals_survive_thirty_kills() {
    let (source, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = source.path().to_owned();
    let writer = std::thread::spawn(move || write(&folder, 4));
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..KILLS {
        let _killed = follow(source.path(), store.path());
        std::thread::sleep(Duration::from_millis(random.u64(20..300)));
    }
    let (connections, bytes) = writer.join().unwrap();
    let mut command = Command::new(program());
    let output = command.args([source.path(), store.path()]).arg("once").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = format!("connections={connections} bytes={bytes} ");
    assert!(text.starts_with(&expected), "expected {expected}, found {text}");
    assert!(text.ends_with("cases=0\n"), "{text}");
    let manifest = std::fs::read_to_string(store.path().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    println!("{KILLS} kills, {} manifests, {}", manifest["generation"], text.trim());
}
