//! The words of a query, read and printed.
//!
//! Words of one kind (the same end and the same key) are alternatives, words of different kinds must all hold, and a word
//! with `!` takes away: as in the actors of a rule.
//!
//! INVARIANT: a query that was read prints as words that read as the same query.

use std::fmt;

use policy::{AddressSet, LabelKey, LabelValue, Name, NetworkId, ServiceSet};

use crate::query::Known;
use crate::record::Outcome;
use crate::summary::Side;

/// The words that exist, with what they mean: for errors and for help.
pub const WORDS: &str = "\
KEY=VALUE          a label of either end; KEY=* for any value
address:BLOCK      an address, a CIDR block or a range, such as address:10.0.0.0/8
list:NAME          the addresses of an IP list of the policy
network:ID         a network, such as network:vpc-1
outside            an address that nobody known holds
source:…           one of the above, of who opens the connection, such as source:role=web
destination:…      one of the above, of who is connected to
port:443           TCP and UDP; also port:8000-8999, port:tcp/443, port:icmp/8
service:NAME       a service of the policy
outcome:…          accepted, rejected or unknown
side:…             who saw it: source, destination, both or elsewhere
since:SECONDS      flows that ended then or later (Unix time)
until:SECONDS      flows that began before then (Unix time)
!WORD              everything but that";

/// Words that an end may be asked by, besides labels.
const END_WORDS: [&str; 5] = ["address:", "list:", "network:", "label:", "outside"];
/// The other words that have a value.
const ROW_WORDS: [&str; 6] = ["port:", "service:", "outcome:", "side:", "since:", "until:"];

/// Which end a word is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum At {
    /// Who opens the connection.
    Source,
    /// Who is connected to.
    Destination,
    /// One of them, or both.
    Either,
}

/// What an end must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndIs {
    /// A workload with a label; with any value of the key if there is no value.
    Labelled(LabelKey, Option<LabelValue>),
    /// An address in a set that was written as one block or range.
    Address(AddressSet),
    /// An address in an IP list.
    Listed(Name, AddressSet),
    /// A workload in a network.
    In(NetworkId),
    /// An address that nobody known holds.
    Outside,
}

/// What a service must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceIs {
    /// TCP or UDP to these ports, first to last.
    Ports(u16, u16),
    /// Written out.
    Set(ServiceSet),
    /// A service of the policy.
    Named(Name, ServiceSet),
}

impl ServiceIs {
    /// The services that are meant.
    pub fn set(&self) -> ServiceSet {
        use policy::service::protocol::{TCP, UDP};
        match self {
            Self::Ports(first, last) => {
                ServiceSet::range(TCP, *first, *last).union(&ServiceSet::range(UDP, *first, *last))
            }
            Self::Set(set) | Self::Named(_, set) => set.clone(),
        }
    }
}

/// What a row must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// By one of its ends.
    End(At, EndIs),
    /// By its service.
    Service(ServiceIs),
    /// By what the seeing end did.
    Outcome(Outcome),
    /// By who saw it.
    Side(Side),
}

/// A condition, or its opposite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Whether rows that meet it are taken away.
    pub is_negated: bool,
    /// What is asked.
    pub condition: Condition,
}

/// Which rows of summaries are meant; all of them if nothing is asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    /// In the order in which they were written.
    pub words: Vec<Word>,
    /// Only flows with a packet at this Unix second or later.
    pub since: Option<i64>,
    /// Only flows with a packet before this Unix second.
    pub until: Option<i64>,
}

/// A word that is not one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("word {place}, `{}`: {reason}", crate::figure::visible(text))]
pub struct WordError {
    /// Which word, counted from 1.
    pub place: usize,
    /// What was written.
    pub text: String,
    /// What is wrong, and what to write.
    pub reason: String,
}

impl Query {
    /// Reads words, one element each. Names of services and IP lists are those of `known`.
    ///
    /// # Errors
    /// Every word that is wrong, with what to write instead.
    pub fn parse<T: AsRef<str>>(words: &[T], known: &Known<'_>) -> Result<Self, Vec<WordError>> {
        let mut query = Self::default();
        let mut errors = Vec::new();
        for (at, text) in words.iter().enumerate() {
            let text = text.as_ref();
            if let Err(reason) = query.add(text, known) {
                errors.push(WordError { place: at + 1, text: text.to_owned(), reason });
            }
        }
        if let (Some(since), Some(until)) = (query.since, query.until)
            && since >= until
        {
            let reason = "`since` is not before `until`: nothing can be in between".to_owned();
            errors.push(WordError { place: words.len(), text: format!("until:{until}"), reason });
        }
        if errors.is_empty() { Ok(query) } else { Err(errors) }
    }

    fn add(&mut self, text: &str, known: &Known<'_>) -> Result<(), String> {
        let (is_negated, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        if let Some(value) = rest.strip_prefix("since:") {
            return time(value, is_negated, "since", &mut self.since);
        }
        if let Some(value) = rest.strip_prefix("until:") {
            return time(value, is_negated, "until", &mut self.until);
        }
        self.words.push(Word { is_negated, condition: condition(rest, known)? });
        Ok(())
    }
}

fn time(value: &str, is_negated: bool, word: &str, bound: &mut Option<i64>) -> Result<(), String> {
    if is_negated {
        return Err("a time has no `!`; `since:` and `until:` are each other's opposite".to_owned());
    }
    let seconds = value.parse().map_err(|_| format!("write Unix seconds, such as `{word}:1795895538`"))?;
    if bound.replace(seconds).is_some() {
        return Err(format!("`{word}:` is there twice; keep one"));
    }
    Ok(())
}

fn condition(text: &str, known: &Known<'_>) -> Result<Condition, String> {
    for (prefix, at) in [("source:", At::Source), ("destination:", At::Destination)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return match end(rest, known)? {
                Some(is) => Ok(Condition::End(at, is)),
                None => Err(format!(
                    "write what the {prefix} is: `KEY=VALUE`, `address:…`, `list:…`, `network:…` or `outside`",
                    prefix = prefix.trim_end_matches(':')
                )),
            };
        }
    }
    if let Some(value) = text.strip_prefix("port:") {
        return port(value).map(Condition::Service);
    }
    if let Some(name) = text.strip_prefix("service:") {
        return service(name, known).map(Condition::Service);
    }
    if let Some(value) = text.strip_prefix("outcome:") {
        return outcome(value).map(Condition::Outcome);
    }
    if let Some(value) = text.strip_prefix("side:") {
        return side(value).map(Condition::Side);
    }
    match end(text, known)? {
        Some(is) => Ok(Condition::End(At::Either, is)),
        None => Err(format!("there is no such word. The words are:\n{WORDS}")),
    }
}

/// What an end must be; nothing if the text is none of the words for it.
fn end(text: &str, known: &Known<'_>) -> Result<Option<EndIs>, String> {
    if let Some(value) = text.strip_prefix("address:") {
        let set = value.parse::<AddressSet>().map_err(|error| error.to_string())?;
        return Ok(Some(EndIs::Address(set)));
    }
    if let Some(name) = text.strip_prefix("list:") {
        let list = known.lists.iter().find(|(list, _)| list.as_str() == name);
        return match list {
            Some((list, set)) => Ok(Some(EndIs::Listed(list.clone(), set.clone()))),
            None => Err(unknown("IP list", known.lists.iter().map(|(name, _)| name))),
        };
    }
    if let Some(id) = text.strip_prefix("network:") {
        let id = (!id.is_empty()).then(|| EndIs::In(id.into()));
        return id.map(Some).ok_or_else(|| "write the network's id, such as `network:vpc-1`".to_owned());
    }
    if text == "outside" {
        return Ok(Some(EndIs::Outside));
    }
    label(text.strip_prefix("label:").unwrap_or(text))
}

fn label(text: &str) -> Result<Option<EndIs>, String> {
    let Some((key, value)) = text.split_once('=') else { return Ok(None) };
    if key.is_empty() {
        return Err("a label has a key before `=`, such as `role=web`".to_owned());
    }
    let value = match value {
        "" => return Err(format!("the label has no value; write `{key}=*` for any value")),
        "*" => None,
        // `\*` is a value that is a star; `\\` begins one that begins with a backslash.
        _ => Some(value.strip_prefix('\\').unwrap_or(value).into()),
    };
    Ok(Some(EndIs::Labelled(key.into(), value)))
}

fn port(text: &str) -> Result<ServiceIs, String> {
    const HOW: &str =
        "write `port:443`, `port:8000-8999`, `port:tcp/443`, `port:udp/53`, `port:icmp/8` or `port:proto/50`";
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return text.parse().map(ServiceIs::Set).map_err(|_| HOW.to_owned());
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else {
        return Err(format!("a port is a number from 0 to 65535; {HOW}"));
    };
    if first > last {
        return Err(format!("the range runs backwards; write `port:{last}-{first}`"));
    }
    Ok(ServiceIs::Ports(first, last))
}

fn service(name: &str, known: &Known<'_>) -> Result<ServiceIs, String> {
    let found = known.services.iter().find(|(service, _)| service.as_str() == name);
    match found {
        Some((name, set)) => Ok(ServiceIs::Named(name.clone(), set.clone())),
        None if port(name).is_ok() => Err(format!("a service has a name; write `port:{name}`")),
        None => Err(unknown("service", known.services.iter().map(|(name, _)| name))),
    }
}

fn unknown<'a>(thing: &str, names: impl Iterator<Item = &'a Name>) -> String {
    const NAMES_MAX: usize = 20;
    let mut names: Vec<&str> = names.map(Name::as_str).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    if names.is_empty() {
        return format!("the policy has no {thing}s");
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the policy has no such {thing}; it has {}{more}", names.join(", "))
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let all = [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown];
    let found = all.into_iter().find(|outcome| outcome_word(*outcome) == text);
    found.ok_or_else(|| "an outcome is `accepted`, `rejected` or `unknown`".to_owned())
}

fn side(text: &str) -> Result<Side, String> {
    let all = [Side::Source, Side::Destination, Side::Elsewhere, Side::Both];
    let found = all.into_iter().find(|side| side_word(*side) == text);
    found.ok_or_else(|| "a side is `source`, `destination`, `both` or `elsewhere`".to_owned())
}

/// The word for an outcome, in queries and answers.
pub(crate) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Unknown => "unknown",
    }
}

/// The word for a side, in queries and answers.
pub(crate) fn side_word(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Destination => "destination",
        Side::Elsewhere => "elsewhere",
        Side::Both => "both",
    }
}

impl Query {
    /// The words that read as this query, one element each.
    pub fn to_words(&self) -> Vec<String> {
        let words = self.words.iter().map(ToString::to_string);
        let since = self.since.map(|seconds| format!("since:{seconds}"));
        let until = self.until.map(|seconds| format!("until:{seconds}"));
        words.chain(since).chain(until).collect()
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_negated { "!" } else { "" }, self.condition)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End(At::Source, is) => write!(f, "source:{is}"),
            Self::End(At::Destination, is) => write!(f, "destination:{is}"),
            Self::End(At::Either, is) => write!(f, "{is}"),
            Self::Service(ServiceIs::Ports(first, last)) if first == last => write!(f, "port:{first}"),
            Self::Service(ServiceIs::Ports(first, last)) => write!(f, "port:{first}-{last}"),
            Self::Service(ServiceIs::Set(set)) => write!(f, "port:{set}"),
            Self::Service(ServiceIs::Named(name, _)) => write!(f, "service:{name}"),
            Self::Outcome(outcome) => write!(f, "outcome:{}", outcome_word(*outcome)),
            Self::Side(side) => write!(f, "side:{}", side_word(*side)),
        }
    }
}

impl fmt::Display for EndIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labelled(key, value) => {
                // A key that reads as another word stands behind `label:`.
                let words = ["source:", "destination:", "!"].into_iter().chain(END_WORDS).chain(ROW_WORDS);
                let reads_otherwise = words.into_iter().any(|word| key.as_str().starts_with(word));
                f.write_str(if reads_otherwise { "label:" } else { "" })?;
                match value.as_ref().map(LabelValue::as_str) {
                    None => write!(f, "{key}=*"),
                    Some(value) if value == "*" || value.starts_with('\\') => write!(f, "{key}=\\{value}"),
                    Some(value) => write!(f, "{key}={value}"),
                }
            }
            Self::Address(set) => write!(f, "address:{}", one_block_or_range(set)),
            Self::Listed(name, _) => write!(f, "list:{name}"),
            Self::In(network) => write!(f, "network:{network}"),
            Self::Outside => f.write_str("outside"),
        }
    }
}

/// A set that was written as one block or range, as it was written.
fn one_block_or_range(set: &AddressSet) -> String {
    if let [block] = set.to_cidrs()[..] {
        let is_one = block.prefix_len() == block.max_prefix_len();
        return if is_one { block.addr().to_string() } else { block.to_string() };
    }
    match (set.v4().ranges(), set.v6().ranges()) {
        ([(first, last)], []) => {
            format!("{}-{}", std::net::Ipv4Addr::from_bits(*first), std::net::Ipv4Addr::from_bits(*last))
        }
        ([], [(first, last)]) => {
            format!("{}-{}", std::net::Ipv6Addr::from_bits(*first), std::net::Ipv6Addr::from_bits(*last))
        }
        _ => set.to_string(),
    }
}
