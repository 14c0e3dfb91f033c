//! What rows are summed by, and what comes first: the words for it.

use std::fmt;
use std::str::FromStr;

use policy::LabelKey;

use crate::query::word::At;
use crate::summary::Tally;

/// A key that rows are summed by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum By {
    /// All labels of the end at [`At::Source`] or [`At::Destination`], or its address.
    End(At),
    /// One label of it.
    Label(At, LabelKey),
    /// The network that it is in.
    Network(At),
    /// Protocol and port.
    Service,
    /// The window.
    Window,
    /// What the seeing end did.
    Outcome,
    /// Who saw it.
    Side,
}

/// The text is none of the keys.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is not a key to sum by; write `source`, `source:KEY`, `source:network`, the same with `destination`, \
     `service`, `window`, `outcome` or `side`"
)]
pub struct NotAKey(pub String);

impl FromStr for By {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (head, rest) = text.split_once(':').map_or((text, None), |(head, rest)| (head, Some(rest)));
        let at = match head {
            "source" => Some(At::Source),
            "destination" => Some(At::Destination),
            _ => None,
        };
        match (at, rest) {
            (Some(at), None) => Ok(Self::End(at)),
            (Some(at), Some("network")) => Ok(Self::Network(at)),
            (Some(at), Some(key)) => match key.strip_prefix("label:").unwrap_or(key) {
                "" => Err(NotAKey(text.to_owned())),
                key => Ok(Self::Label(at, key.into())),
            },
            (None, None) => match head {
                "service" => Ok(Self::Service),
                "window" => Ok(Self::Window),
                "outcome" => Ok(Self::Outcome),
                "side" => Ok(Self::Side),
                _ => Err(NotAKey(text.to_owned())),
            },
            _ => Err(NotAKey(text.to_owned())),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |at: &At| if *at == At::Source { "source" } else { "destination" };
        match self {
            Self::End(at) => f.write_str(end(at)),
            Self::Label(at, key) if key.as_str() == "network" || key.as_str().starts_with("label:") => {
                write!(f, "{}:label:{key}", end(at))
            }
            Self::Label(at, key) => write!(f, "{}:{key}", end(at)),
            Self::Network(at) => write!(f, "{}:network", end(at)),
            Self::Service => f.write_str("service"),
            Self::Window => f.write_str("window"),
            Self::Outcome => f.write_str("outcome"),
            Self::Side => f.write_str("side"),
        }
    }
}

/// What the largest of comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Sort {
    /// Connections or attempts.
    #[default]
    Connections,
    /// Bytes of both directions.
    Bytes,
    /// Packets of both directions.
    Packets,
    /// The last packet.
    LastSeen,
}

/// The orders that exist.
pub const SORT_WORDS: [&str; 4] = ["connections", "bytes", "packets", "last-seen"];

/// The text is none of [`SORT_WORDS`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not an order; write {words}", words = SORT_WORDS.join(", "))]
pub struct NotASort(pub String);

impl FromStr for Sort {
    type Err = NotASort;

    fn from_str(text: &str) -> Result<Self, NotASort> {
        match text {
            "connections" => Ok(Self::Connections),
            "bytes" => Ok(Self::Bytes),
            "packets" => Ok(Self::Packets),
            "last-seen" => Ok(Self::LastSeen),
            _ => Err(NotASort(text.to_owned())),
        }
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connections => "connections",
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::LastSeen => "last-seen",
        })
    }
}

impl Sort {
    /// What is compared.
    pub(super) fn value(self, tally: &Tally) -> i128 {
        match self {
            Self::Connections => tally.connections.into(),
            Self::Bytes => i128::from(tally.bytes) + i128::from(tally.reply_bytes),
            Self::Packets => i128::from(tally.packets) + i128::from(tally.reply_packets),
            Self::LastSeen => tally.last.into(),
        }
    }
}
