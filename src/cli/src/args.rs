//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};
use policy::service::has_icmp_type;
use policy::{ServicePoint, ServiceSet};

use crate::config::GUARDS;

/// Micro-segmentation by labels, proven before it is applied.
#[derive(Parser, Debug)]
#[command(name = "bulkhead", version, about, long_about = LONG)]
pub struct Arguments {
    /// Log as JSON lines (the level comes from BULKHEAD_LOG).
    #[arg(long, global = true)]
    pub log_json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const LONG: &str = "Micro-segmentation by labels, proven before it is applied.

Write who may talk to whom in labels (YAML files in policy/), say which accounts in bulkhead.yaml, then:

  bulkhead demo                   see it all on a simulated cloud, nothing needed
  bulkhead plan                   what would change, with its proof; writes nothing
  bulkhead apply                  make it so, hitless; only in scopes with `enforce: true`
  bulkhead run                    keep it so
  bulkhead explain web-1 db-1 tcp/5432    which rule lets this pass, or which would have to exist

Exit status: 0 done, 1 failed or an apply was stopped, 2 wrong command line, 3 changes (--check), 4 blocked, 5 not proven.";

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show the whole road on a simulated cloud: plan, proof, apply, drift, report.
    Demo,
    /// Work out what would change, prove it, report it. Writes nothing.
    Plan {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// How to print the report.
        #[arg(long, value_enum, default_value_t = Format::Terminal)]
        format: Format,
        /// Store the plan as JSON, for `bulkhead apply FILE`.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Exit with 3 if there are changes.
        #[arg(long)]
        check: bool,
        /// Override a guard by name; stored in the plan, so that `bulkhead apply FILE` overrides it too.
        #[arg(long, value_name = "GUARD", value_parser = PossibleValuesParser::new(GUARDS))]
        allow: Vec<String>,
    },
    /// Apply a plan: the one in FILE if it is still true, or a fresh one.
    ///
    /// A stop (interrupt or termination) lets the calls in flight end and starts nothing new; the next apply goes on from
    /// there. What was called is in audit.jsonl of the state folder.
    Apply {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// A plan stored by `bulkhead plan -o FILE`.
        file: Option<PathBuf>,
        /// Override a guard by name, besides those that the plan in FILE overrides; recorded in the audit line.
        #[arg(long, value_name = "GUARD", value_parser = PossibleValuesParser::new(GUARDS))]
        allow: Vec<String>,
        /// Apply a stored plan though the world moved, if what is left of it has the same effect or less.
        #[arg(long, requires = "file")]
        allow_equivalent: bool,
    },
    /// Keep the cloud equal to the policy until stopped.
    ///
    /// The policy files are read again for every pass, the configuration only at the start. A stop (interrupt or
    /// termination) lets the calls in flight end and starts nothing new. What was called is in audit.jsonl of the state folder.
    Run {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// Override a guard by name; recorded in the audit line.
        #[arg(long, value_name = "GUARD", value_parser = PossibleValuesParser::new(GUARDS))]
        allow: Vec<String>,
        /// Stop after this many passes, with the exit status of the last.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        passes: Option<u64>,
    },
    /// Say which rule lets a flow pass, or which would have to exist.
    Explain {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// Who opens the connection: name, instance id, interface id, or address.
        from: String,
        /// Who is connected to: name, instance id, interface id, or address.
        to: String,
        /// On what: `tcp/5432`, `udp/53`, `icmp/3/4`, `icmp/8` (code 0), `proto/50`.
        #[arg(value_parser = one_packet)]
        service: ServicePoint,
    },
    /// Serve a simulated cloud for the real SDKs.
    Simulate {
        /// Which cloud.
        #[arg(value_enum)]
        cloud: Cloud,
        /// Where to listen; port 0 lets the system choose.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Everything random comes from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Start with an estate (see config/demo/estate.yaml) instead of an empty account; AWS only.
        #[arg(long, value_name = "FILE")]
        estate: Option<PathBuf>,
        /// Do not enforce the published API rates.
        #[arg(long)]
        unthrottled: bool,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where the configuration is.
#[derive(clap::Args, Clone, Debug)]
pub struct Source {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "bulkhead.yaml", env = "BULKHEAD_CONFIG")]
    pub config: PathBuf,
}

/// How a report is printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people at a terminal.
    Terminal,
    /// For a pull request.
    Markdown,
    /// For programs, with `format_version`.
    Json,
}

/// Which cloud is simulated.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cloud {
    /// EC2 by its Query protocol.
    Aws,
    /// Azure Resource Manager: networks, groups and machines of one subscription.
    Azure,
    /// Compute Engine and Resource Manager of one organisation.
    Gcp,
}

impl From<Cloud> for plan::Cloud {
    fn from(cloud: Cloud) -> Self {
        match cloud {
            Cloud::Aws => Self::Aws,
            Cloud::Azure => Self::Azure,
            Cloud::Gcp => Self::Gcp,
        }
    }
}

/// One packet's service. An ICMP type alone means its code 0, the only one that most types have.
fn one_packet(text: &str) -> Result<ServicePoint, String> {
    const SHAPES: &str = "write one, such as `tcp/5432`, `udp/53`, `icmp/8` or `proto/50`";
    let set: ServiceSet = text.parse().map_err(|_| format!("it is no service: {SHAPES}"))?;
    let point = set.first().ok_or(SHAPES)?;
    let whole_type = has_icmp_type(point.protocol)
        && set == ServiceSet::range(point.protocol, point.detail, point.detail | 0xff);
    if set == ServiceSet::point(point) || whole_type {
        return Ok(point);
    }
    Err(format!("it is more than one service: {SHAPES}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_service_to_explain_is_one_packet() {
        for (text, point) in [
            ("tcp/5432", "tcp/5432"),
            ("icmp/8", "icmp/8/0"),
            ("icmp/3/4", "icmp/3/4"),
            ("icmpv6/128", "icmpv6/128/0"),
            ("proto/50", "proto/50"),
        ] {
            assert_eq!(one_packet(text).unwrap().to_string(), point);
        }
        for text in ["tcp", "udp/1-2", "icmp", "all", "proto/6"] {
            assert!(one_packet(text).unwrap_err().contains("more than one"), "{text}");
        }
        for text in ["http", "tcp/x", "tcp/70000", ""] {
            assert!(one_packet(text).unwrap_err().contains("no service"), "{text}");
        }
    }
}
