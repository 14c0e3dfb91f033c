//! The `bulkhead` binary: parses the command line and exits with the status that CONVENTIONS name.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
