//! The engines, each round of each a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::generate::Files;

/// The reader of one record at a time gets a share of the lines; its time is multiplied.
pub const SHARE: u64 = 10;

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    Gunzip,
    /// Whether it keeps apart what the product does.
    DuckDb {
        rows: bool,
    },
    /// The same.
    Polars {
        rows: bool,
    },
    FlowlogsReader,
    /// Our pipeline into a sink that does what the others do, and no more.
    Sums {
        threads: usize,
    },
    /// Our pipeline into the product's own summariser.
    Ours {
        threads: usize,
    },
    /// Our decompression alone.
    Unpack,
}

/// What one round found.
#[derive(Clone, Debug)]
pub struct Round {
    /// On the wall.
    pub seconds: f64,
    /// Of all threads.
    pub cpu: f64,
    pub peak_kib: u64,
    /// Empty where nothing is summed.
    pub result: Vec<u64>,
}

impl Engine {
    pub fn name(self) -> String {
        match self {
            Self::Gunzip => "`gunzip -c`, nothing else".into(),
            Self::DuckDb { rows } => format!("DuckDB 2.0.0{}", by(rows)),
            Self::Polars { rows } => format!("Polars 2.1.0{}", by(rows)),
            Self::FlowlogsReader => format!("flowlogs-reader 5.0.1, a share of 1/{SHARE}, multiplied"),
            Self::Sums { threads } => format!("ours with a sink of the bench, {}", of(threads)),
            Self::Ours { threads } => format!("ours, {}", of(threads)),
            Self::Unpack => "our decompression, nothing else".into(),
        }
    }

    pub fn round(self, python: &Path, files: &Files, records: u64) -> Round {
        match self {
            Self::Gunzip => run(script(python, "gunzip", files)),
            Self::DuckDb { rows: false } => run(script(python, "duckdb", files)),
            Self::DuckDb { rows: true } => run(script(python, "duckdb-rows", files)),
            Self::Polars { rows: false } => run(script(python, "polars", files)),
            Self::Polars { rows: true } => run(script(python, "polars-rows", files)),
            Self::FlowlogsReader => {
                let lines = records / SHARE;
                let round = run(script(python, "flowlogs-reader", files).arg(lines.to_string()));
                let [seconds, cpu] = [round.seconds, round.cpu].map(|seconds| seconds * SHARE as f64);
                Round { seconds, cpu, ..round }
            }
            Self::Sums { threads } => run(ours().arg("sums").arg(threads.to_string()).arg(&files.gzip)),
            Self::Ours { threads } => run(ours().arg("ours").arg(threads.to_string()).arg(&files.gzip)),
            Self::Unpack => run(ours().arg("unpack").arg(&files.gzip)),
        }
    }
}

fn by(rows: bool) -> &'static str {
    if rows { ", the rows of ours" } else { "" }
}

fn of(threads: usize) -> String {
    if threads == 1 { "1 thread".into() } else { format!("{threads} threads") }
}

/// Python with the engines of `requirements.txt`, made if it is not there.
pub fn python() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/aws");
    let target = || std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools");
    let tools = std::env::var_os("BULKHEAD_TOOLS").map_or_else(target, PathBuf::from);
    let python = tools.join("venv-bench/bin/python");
    let has_all = |python: &Path| {
        let imports = "import duckdb, polars, flowlogs_reader";
        Command::new(python).args(["-c", imports]).status().is_ok_and(|status| status.success())
    };
    if !has_all(&python) {
        let venv = tools.join("venv-bench");
        check(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        let requirements = here.join("requirements.txt");
        check(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements));
    }
    python
}

fn check(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn script(python: &Path, engine: &str, files: &Files) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/aws/engines.py");
    let mut command = Command::new(python);
    command.arg(script).arg(engine).arg(&files.gzip).arg(&files.labels);
    command
}

fn ours() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn run(mut command: impl std::borrow::BorrowMut<Command>) -> Round {
    let command = command.borrow_mut();
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_whitespace();
    let mut next = || words.next().unwrap().parse::<f64>().unwrap();
    let [seconds, cpu, peak_kib] = [next(), next(), next()];
    let result = words.map(|word| word.parse().unwrap()).collect();
    Round { seconds, cpu, peak_kib: peak_kib as u64, result }
}
