//! Ends and closed sets as the texts that columns hold, and back.

use std::net::IpAddr;

use ipnet::IpNet;
use parquet::data_type::ByteArray;
use policy::{LabelKey, LabelSet, LabelValue, NetworkId};

use super::StoredError;
use crate::record::Outcome;
use crate::summary::{End, Side};

/// The three columns of one end. Labels are null exactly where nobody known was at the end.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct EndTexts {
    pub(super) labels: Option<ByteArray>,
    pub(super) network: Option<ByteArray>,
    pub(super) address: Option<ByteArray>,
}

pub(super) fn of_end(end: &End) -> EndTexts {
    match end {
        End::Workload { labels, network } => EndTexts {
            labels: Some(of_labels(labels).into_bytes().into()),
            network: network.as_ref().map(|network| network.as_str().into()),
            address: None,
        },
        End::Address(block) => {
            EndTexts { address: Some(of_block(block).into_bytes().into()), ..EndTexts::default() }
        }
    }
}

pub(super) fn to_end(texts: &EndTexts) -> Result<End, StoredError> {
    match texts {
        EndTexts { labels: Some(labels), network, address: None } => Ok(End::Workload {
            labels: to_labels(utf8(labels)?)?,
            network: network.as_ref().map(|text| utf8(text).map(NetworkId::from)).transpose()?,
        }),
        EndTexts { labels: None, network: None, address: Some(address) } => {
            Ok(End::Address(to_block(utf8(address)?)?))
        }
        _ => Err(foreign("an end is neither a workload nor an address")),
    }
}

/// `app=shop,role=web`, sorted by key; `\` stands before a comma or `\`, and in a key before `=`.
fn of_labels(labels: &LabelSet) -> String {
    let mut text = String::new();
    for (key, value) in labels.iter() {
        if !text.is_empty() {
            text.push(',');
        }
        escape(key.as_str(), &[',', '\\', '='], &mut text);
        text.push('=');
        escape(value.as_str(), &[',', '\\'], &mut text);
    }
    text
}

fn escape(plain: &str, special: &[char], text: &mut String) {
    for letter in plain.chars() {
        if special.contains(&letter) {
            text.push('\\');
        }
        text.push(letter);
    }
}

fn to_labels(text: &str) -> Result<LabelSet, StoredError> {
    let mut labels = LabelSet::default();
    if text.is_empty() {
        return Ok(labels);
    }
    let (mut key, mut part) = (None, String::new());
    let mut letters = text.chars();
    loop {
        match letters.next() {
            Some('\\') => part.extend(letters.next()),
            Some('=') if key.is_none() => key = Some(std::mem::take(&mut part)),
            Some(letter) if letter != ',' => part.push(letter),
            end => {
                let key = key.take().ok_or_else(|| foreign("labels without `=`"))?;
                labels.insert(LabelKey::from(key), LabelValue::from(std::mem::take(&mut part)));
                if end.is_none() {
                    return Ok(labels);
                }
            }
        }
    }
}

/// A single address without its prefix length, a block with it.
fn of_block(block: &IpNet) -> String {
    if block.prefix_len() == block.max_prefix_len() { block.addr().to_string() } else { block.to_string() }
}

fn to_block(text: &str) -> Result<IpNet, StoredError> {
    let single = text.parse::<IpAddr>().map(IpNet::from);
    single.or_else(|_| text.parse()).map_err(|_| foreign("an address that is none"))
}

pub(super) fn of_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Unknown => "unknown",
    }
}

pub(super) fn to_outcome(text: &ByteArray) -> Result<Outcome, StoredError> {
    match text.data() {
        b"accepted" => Ok(Outcome::Accepted),
        b"rejected" => Ok(Outcome::Rejected),
        b"unknown" => Ok(Outcome::Unknown),
        _ => Err(foreign("an outcome that is none")),
    }
}

pub(super) fn of_side(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Destination => "destination",
        Side::Elsewhere => "elsewhere",
        Side::Both => "both",
    }
}

pub(super) fn to_side(text: &ByteArray) -> Result<Side, StoredError> {
    match text.data() {
        b"source" => Ok(Side::Source),
        b"destination" => Ok(Side::Destination),
        b"elsewhere" => Ok(Side::Elsewhere),
        b"both" => Ok(Side::Both),
        _ => Err(foreign("a reporter that is none")),
    }
}

pub(super) fn foreign(reason: &str) -> StoredError {
    StoredError::Foreign(reason.to_owned())
}

fn utf8(bytes: &ByteArray) -> Result<&str, StoredError> {
    bytes.as_utf8().map_err(StoredError::Parquet)
}
