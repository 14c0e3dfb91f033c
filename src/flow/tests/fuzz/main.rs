//! Fuzzing of every reader: bytes that are nearly a log, for as long as one likes.
//!
//! ```text
//! cargo test -p flow --test fuzz                                        some seconds each, always the same inputs
//! FUZZ_SECONDS=600 FUZZ_SEED=7 cargo test -p flow --test fuzz --release -- --nocapture --test-threads=1
//! ```
//! A reader must not panic, not hang and not take memory without bound, whatever it is fed; and what it finds must not depend
//! on how the bytes are cut. Inputs are mutated shapes (`corpus`); one that makes a reader say something new joins
//! the shapes. The input of a failure is written to Cargo's folder for temporary files.

#![allow(
    clippy::disallowed_methods,
    reason = "time, seed and inputs of failures are no business of the crate itself"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod checks;
mod corpus;
mod mutate;
mod run;
#[path = "../shared/table.rs"]
mod table;

use flow::Format;

/// One line for each reader: its name, its corpus, and what must hold.
macro_rules! targets {
    ($($name:ident: $corpus:expr, $check:expr;)*) => {
        $(#[test]
        fn $name() {
            run::run(stringify!($name), $corpus, &$check);
        })*
    };
}

targets! {
    azure: corpus::azure(), checks::document(Format::AzureJson);
    gcp: corpus::gcp(), checks::lines(Format::GcpJsonLines);
    aws_text: corpus::aws_text(), checks::text(Format::AwsText);
    aws_lines: corpus::aws_lines(), checks::lines(Format::AwsLines(corpus::AWS_FORMAT.to_owned()));
    aws_parquet: corpus::aws_parquet(), checks::parquet();
}
