//! The `bulkhead` command line: chooses implementations and wires them.
//!
//! Data goes to standard output, everything else to standard error. Exit status: 0 done or nothing to do,
//! 1 failed, 2 wrong command line, 3 there are changes (`--check`), 4 blocked by a guard or a quota, 5 not
//! proven.

pub mod args;
pub mod clouds;
pub mod commands;
pub mod config;
pub mod display;
pub mod session;
pub mod state;
pub mod stored;
pub mod telemetry;

/// The demo: a realistic shop on three simulated clouds.
pub mod demo {
    pub mod estate;
    pub mod seed;
    pub mod show;
    pub mod sky;
    pub mod story;
    pub mod traffic;
}

use std::process::ExitCode;

use clap::Parser;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// There are changes, and `--check` asked.
    Changes = 3,
    /// A guard, a quota or a finding blocks.
    Blocked = 4,
    /// The proof failed.
    NotProven = 5,
}

/// Runs the program.
pub fn run() -> ExitCode {
    let arguments = args::Arguments::parse();
    start_logs(arguments.log_json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("error: the runtime could not start: {error}");
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let exit = match runtime.block_on(commands::run(arguments)) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.print();
            Exit::Failed
        }
    };
    ExitCode::from(exit as u8)
}

/// Structured logs on standard error; `BULKHEAD_LOG=info` shows more.
fn start_logs(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("BULKHEAD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    if json {
        logs.json().init();
    } else {
        logs.without_time().init();
    }
}
