//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};
use flow::query::{By, Sort, Token};
use policy::LabelKey;
use policy::service::has_icmp_type;
use policy::{ServicePoint, ServiceSet};

use crate::config::{GUARDS, parse_duration};
use crate::telemetry::window::{Moment, Window};

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
  bulkhead flows read             read flow logs; then `flows top`, `flows query`, `flows map`, `flows rules`
  bulkhead plan --replay 30d      what of the flows that were seen the policy would cut
  bulkhead suggest                rules for flows that no rule allows yet

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
        /// Say what of the flows that were seen the policy would cut, or let in: `30d`, `2026-11-02`. `bulkhead flows read`
        /// reads them.
        #[arg(long, value_name = "SINCE", value_parser = Moment::parse)]
        replay: Option<Moment>,
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
    /// Flow logs: read them, and see who talks to whom.
    Flows {
        /// What to do.
        #[command(subcommand)]
        command: FlowsCommand,
    },
    /// Propose the smallest set of label rules that covers flows that were seen, within bounds; writes nothing by itself.
    Suggest {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// Which part of what was seen.
        #[command(flatten)]
        window: Window,
        /// Which flows, such as `source:role=web` or `port:443` (see `bulkhead flows query --help`). Default: all
        words: Vec<String>,
        /// The keys that rules name: no rule is wider than the values of these.
        #[arg(long, value_name = "KEY", value_delimiter = ',', default_value = "role,app,env")]
        keys: Vec<LabelKey>,
        /// Keys of these that a rule may leave out: fewer and wider rules.
        #[arg(long, value_name = "KEY", value_delimiter = ',')]
        drop: Vec<LabelKey>,
        /// How many pairs of label sets a rule may let talk that were never seen to.
        #[arg(long, value_name = "N", default_value_t = 0)]
        widen: u64,
        /// Let a side be every workload.
        #[arg(long)]
        any: bool,
        /// Whether rules may name addresses: of lists that the policy has, or new lists of what was seen.
        #[arg(long, value_enum, default_value_t = SuggestAddresses::Never)]
        addresses: SuggestAddresses,
        /// Write the policy file here; without, it is shown as a diff.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
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
        /// Start with an estate (see config/demo/estate/aws.yaml) instead of an empty account.
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

/// What to do with flow logs.
#[derive(Subcommand, Debug)]
pub enum FlowsCommand {
    /// Read what is new in the logs of the configuration.
    ///
    /// A stop (interrupt or termination) ends after the piece that is being read; whatever dies, the next read goes on where
    /// the last one was committed, and each record counts once.
    Read {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// Go on reading until stopped.
        #[arg(long)]
        follow: bool,
        /// The period of `--follow`.
        #[arg(long, value_name = "SPAN", value_parser = span, default_value = "60s")]
        every: Duration,
    },
    /// The most of what was seen, summed: by default who talks to whom, on what, and how it went.
    Top {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// What to look at.
        #[command(flatten)]
        look: Look,
        /// Sum by these: `source`, `source:KEY`, `source:network`, the same with `destination`, `service`, `window`, `outcome`,
        /// `side`.
        #[arg(
            long,
            value_name = "KEY",
            value_delimiter = ',',
            default_value = "source,destination,service,outcome"
        )]
        by: Vec<By>,
        /// Rows at most.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Rows that match, a page at a time.
    Query {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// What to look at.
        #[command(flatten)]
        look: Look,
        /// Sum by these, as in `top`.
        #[arg(
            long,
            value_name = "KEY",
            value_delimiter = ',',
            default_value = "window,source,destination,service,outcome,side"
        )]
        by: Vec<By>,
        /// Rows of a page.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Go on behind the page that ended with this.
        #[arg(long, value_name = "TOKEN")]
        after: Option<Token>,
    },
    /// The application dependency map: groups, roles inside, and what flows between them.
    Map {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// Which part of what was seen.
        #[command(flatten)]
        window: Window,
        /// Which flows, as in `query`. Default: all
        words: Vec<String>,
        /// The labels that make a group.
        #[arg(long, value_name = "KEY", value_delimiter = ',', default_value = "app,env")]
        group: Vec<LabelKey>,
        /// The labels that make a node in it; none: all others.
        #[arg(long, value_name = "KEY", value_delimiter = ',', default_value = "role")]
        role: Vec<LabelKey>,
        /// Judge by the policy what would be blocked: reads the clouds.
        #[arg(long)]
        judge: bool,
        /// What to draw.
        #[arg(long, value_enum, default_value_t = MapFormat::Text)]
        format: MapFormat,
        /// Write it here.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Which rules carried flows, which never did, which are wider than what was used: reads the clouds.
    Rules {
        /// The configuration.
        #[command(flatten)]
        source: Source,
        /// Which part of what was seen.
        #[command(flatten)]
        window: Window,
    },
    /// How far each log is read, and what could not be read.
    Status {
        /// The configuration.
        #[command(flatten)]
        source: Source,
    },
}

/// Which rows, in which order, printed how.
#[derive(clap::Args, Clone, Debug)]
pub struct Look {
    /// Which flows: `source:role=web`, `destination:env=prod`, `port:443`, `port:tcp/1000-2000`, `address:10.0.0.0/8`,
    /// `network:vpc-1`, `outcome:rejected`; `!` before a word turns it round.
    pub words: Vec<String>,
    /// Which part of what was seen.
    #[command(flatten)]
    pub window: Window,
    /// What comes first: connections, bytes, packets, last-seen.
    #[arg(long, value_name = "ORDER", default_value = "connections")]
    pub sort: Sort,
    /// How to print.
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub format: TableFormat,
}

/// How a table is printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableFormat {
    /// For people.
    Text,
    /// For programs, with `format_version`.
    Json,
    /// For spreadsheets.
    Csv,
}

/// How a map is drawn.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapFormat {
    /// A tree.
    Text,
    /// For programs, with `format_version`.
    Json,
    /// For Graphviz.
    Dot,
    /// A page that needs nothing else.
    Html,
}

/// Whether suggested rules name addresses.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuggestAddresses {
    /// Not at all.
    Never,
    /// Lists that the policy has.
    Lists,
    /// These, and new lists of the addresses that were seen.
    Hosts,
}

fn span(text: &str) -> Result<Duration, String> {
    let parsed = parse_duration(text).filter(|span| !span.is_zero());
    parsed.ok_or_else(|| "write a span such as `30s` or `5m`".to_owned())
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
