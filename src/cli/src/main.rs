//! The `bulkhead` binary: parses the command line and exits with the status that CONVENTIONS name.

use std::process::ExitCode;

/// Reading an account is many small allocations that are freed together; `docs/benchmarks.md` has the difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
