//! What applications send through the data planes, in the words of every cloud, and how far it comes.
//!
//! A [`Conversation`] is what two ends would say to each other. [`judge`] asks the clouds of both ends what they do
//! with its first packet and with the answers, and gives a [`Passage`]: the conversation with its [`Fate`]. What an
//! interface then sees ([`Passage::sights`]) is what its cloud may log. An end that is not a cloud's own is an address
//! outside to it, so that a conversation may cross clouds.
//!
//! Connections are stateful: what is decided is decided when the first packet comes. A client whose connection does
//! not come about tries a few times and gives up.

use std::net::IpAddr;

use crate::packet::{End, Packet};
use crate::time;

mod burst;
mod random;

pub use burst::{Burst, Count, Share};
pub use random::{Shape, random};

/// What two ends say to each other, if they may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conversation {
    /// Who opens it.
    pub source: End,
    /// Who is connected to.
    pub destination: End,
    /// The source's address as the destination sees it, if something between translates it.
    pub seen_as: Option<IpAddr>,
    /// The destination's address as the source sees it, if something between translates it.
    pub dialled: Option<IpAddr>,
    /// IANA number.
    pub protocol: u8,
    /// The port of the client; 0 for protocols without ports.
    pub source_port: u16,
    /// Destination port, or ICMP `type << 8 | code`.
    pub detail: u16,
    /// When the first packet is sent, in milliseconds since 1970.
    pub start_ms: u64,
    /// From the first packet to the last.
    pub duration_ms: u64,
    /// What the opener sends.
    pub sent: Count,
    /// What the other end answers.
    pub received: Count,
    /// How it ends.
    pub ending: Ending,
}

/// How a conversation ends. Only TCP has more than one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Both ends close it.
    Finished,
    /// The opener resets it.
    Reset,
    /// Nobody says anything any more.
    Silent,
}

/// One of the two ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Side {
    Source,
    Destination,
}

/// Where a packet is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The opening packet at the source, on its way out.
    Leaves,
    /// The opening packet at the destination, on its way in.
    Arrives,
    /// The answer at the destination, on its way out.
    AnswerLeaves,
    /// The answer at the source, on its way in.
    AnswerArrives,
}

/// How far a conversation comes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// The source's own cloud stops it.
    StoppedLeaving,
    /// The destination's cloud stops it.
    StoppedArriving,
    /// It arrives, and the answers are stopped where they leave.
    AnswerStoppedLeaving,
    /// It arrives, and the answers are stopped where they come in.
    AnswerStoppedArriving,
    /// Everything arrives.
    Delivered,
}

/// A cloud's answer to what its interfaces do with packets.
pub trait Edge {
    /// Whether an interface is one of its own.
    fn holds(&self, interface: &str) -> bool;

    /// Whether a stage lets a conversation pass whose opening packet is given, at a virtual time. Only asked about
    /// stages at interfaces that it holds. Answers go to the port that the client used.
    fn passes(&self, stage: Stage, packet: &Packet, source_port: u16, at_ms: u64) -> bool;
}

/// A conversation and how far it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passage {
    /// What would be said.
    pub conversation: Conversation,
    /// How far it came.
    pub fate: Fate,
}

/// What one end sees of one direction of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Whether it leaves the interface.
    pub is_egress: bool,
    /// Whether it is the answers, and not what the opener sends.
    pub is_answer: bool,
    /// Whether it passes here.
    pub accepted: bool,
    /// The packets.
    pub burst: Burst,
}

/// Lets the clouds decide over conversations, each at the time when it begins.
pub fn judge(edges: &[&dyn Edge], conversations: impl IntoIterator<Item = Conversation>) -> Vec<Passage> {
    let judged = |conversation: Conversation| {
        let fate = conversation.fate(edges);
        Passage { conversation, fate }
    };
    conversations.into_iter().map(judged).collect()
}

impl Conversation {
    /// The end on a side.
    pub fn end(&self, side: Side) -> &End {
        if side == Side::Source { &self.source } else { &self.destination }
    }

    /// Source and destination address as a side sees them.
    pub fn addresses(&self, side: Side) -> (IpAddr, IpAddr) {
        let (source, destination) = (self.source.address(), self.destination.address());
        match side {
            Side::Source => (source, self.dialled.unwrap_or(destination)),
            Side::Destination => (self.seen_as.unwrap_or(source), destination),
        }
    }

    /// Source and destination port; protocols without ports have none.
    pub fn ports(&self) -> Option<(u16, u16)> {
        matches!(self.protocol, 6 | 17 | 132).then_some((self.source_port, self.detail))
    }

    /// The packet that opens it, as a cloud sees it on a side: who is not in the cloud, or is behind a translation, is
    /// an address outside.
    pub fn packet(&self, side: Side, edge: &(impl Edge + ?Sized)) -> Packet {
        let (source, destination) = self.addresses(side);
        let seen = |end: &End, translated: bool, address: IpAddr| match end {
            End::Interface(id, _) if !translated && edge.holds(id) => End::Interface(id.clone(), address),
            _ => End::External(address),
        };
        let translated = |address: Option<IpAddr>, at: Side| side == at && address.is_some();
        Packet {
            source: seen(&self.source, translated(self.seen_as, Side::Destination), source),
            destination: seen(&self.destination, translated(self.dialled, Side::Source), destination),
            protocol: self.protocol,
            detail: self.detail,
        }
    }

    fn fate(&self, edges: &[&dyn Edge]) -> Fate {
        let at_ms = time::virtual_ms(self.start_ms);
        let passes = |side: Side, stage: Stage| {
            let End::Interface(id, _) = self.end(side) else { return true };
            // Somebody who is in no cloud filters nothing.
            let Some(edge) = edges.iter().find(|edge| edge.holds(id)) else { return true };
            edge.passes(stage, &self.packet(side, *edge), self.source_port, at_ms)
        };
        match () {
            () if !passes(Side::Source, Stage::Leaves) => Fate::StoppedLeaving,
            () if !passes(Side::Destination, Stage::Arrives) => Fate::StoppedArriving,
            () if !passes(Side::Destination, Stage::AnswerLeaves) => Fate::AnswerStoppedLeaving,
            () if !passes(Side::Source, Stage::AnswerArrives) => Fate::AnswerStoppedArriving,
            () => Fate::Delivered,
        }
    }
}

impl Passage {
    /// What the opener sends: everything, or a few attempts.
    pub fn sent(&self) -> Burst {
        let of = &self.conversation;
        if self.fate == Fate::Delivered {
            return Burst { start_ms: of.start_ms, duration_ms: of.duration_ms, count: of.sent };
        }
        self.attempts(of.sent)
    }

    /// What the other end answers, whether or not it arrives.
    pub fn answers(&self) -> Burst {
        let of = &self.conversation;
        match self.fate {
            Fate::Delivered => {
                Burst { start_ms: of.start_ms, duration_ms: of.duration_ms, count: of.received }
            }
            Fate::AnswerStoppedLeaving | Fate::AnswerStoppedArriving => self.attempts(of.received),
            Fate::StoppedLeaving | Fate::StoppedArriving => self.attempts(Count::default()),
        }
    }

    /// A few packets, a second apart: opening ones of TCP, the first ones of what would be said of others.
    fn attempts(&self, wanted: Count) -> Burst {
        /// How often a client tries.
        const ATTEMPTS_MAX: u64 = 3;
        /// A TCP packet without data and with options, over IPv4.
        const OPENING_BYTES: u64 = 60;
        let packets = wanted.packets.min(ATTEMPTS_MAX);
        let bytes = match self.conversation.protocol {
            6 => packets * OPENING_BYTES,
            _ => wanted.bytes * packets / wanted.packets.max(1),
        };
        let duration_ms = packets.saturating_sub(1) * 1000;
        Burst { start_ms: self.conversation.start_ms, duration_ms, count: Count { packets, bytes } }
    }

    /// When the last packet is sent.
    pub fn end_ms(&self) -> u64 {
        let (sent, answers) = (self.sent(), self.answers());
        (sent.start_ms + sent.duration_ms).max(answers.start_ms + answers.duration_ms)
    }

    /// What an end sees: nothing, one direction, or both.
    pub fn sights(&self, side: Side) -> Vec<Sight> {
        let fate = self.fate;
        let (arrives, passes, answer_seen, answer_passes) = match side {
            Side::Source => (
                true,
                fate > Fate::StoppedLeaving,
                fate >= Fate::AnswerStoppedArriving,
                fate == Fate::Delivered,
            ),
            Side::Destination => (
                fate > Fate::StoppedLeaving,
                fate > Fate::StoppedArriving,
                fate >= Fate::AnswerStoppedLeaving,
                fate > Fate::AnswerStoppedLeaving,
            ),
        };
        let sight = |is_answer: bool, accepted: bool, burst: Burst| Sight {
            is_egress: (side == Side::Source) != is_answer,
            is_answer,
            accepted,
            burst,
        };
        let sent = arrives.then(|| sight(false, passes, self.sent()));
        let answers = answer_seen.then(|| sight(true, answer_passes, self.answers()));
        let all = sent.into_iter().chain(answers);
        all.filter(|sight| sight.burst.count.packets > 0).collect()
    }

    /// The columns of [`Passage::row`].
    pub const HEADER: &'static str = "fate\tsource\tsource_address\tdestination\tdestination_address\tseen_as\tdialled\t\
        protocol\tsource_port\tdetail\tstart_ms\tend_ms\tending\tsent_packets\tsent_bytes\tanswer_packets\t\
        answer_bytes";

    /// One line for checkers in other languages: what was put on the wire and how far it came, with tabs between.
    pub fn row(&self) -> String {
        let of = &self.conversation;
        let id = |side| self.interface(side).unwrap_or("-").to_owned();
        let address = |address: Option<IpAddr>| address.map_or("-".to_owned(), |address| address.to_string());
        let (sent, answers) = (self.sent().count, self.answers().count);
        let columns = [
            format!("{:?}", self.fate),
            id(Side::Source),
            of.source.address().to_string(),
            id(Side::Destination),
            of.destination.address().to_string(),
            address(of.seen_as),
            address(of.dialled),
            of.protocol.to_string(),
            of.source_port.to_string(),
            of.detail.to_string(),
            of.start_ms.to_string(),
            self.end_ms().to_string(),
            format!("{:?}", of.ending),
            sent.packets.to_string(),
            sent.bytes.to_string(),
            answers.packets.to_string(),
            answers.bytes.to_string(),
        ];
        columns.join("\t")
    }

    /// The interface on a side, if it is one.
    pub fn interface(&self, side: Side) -> Option<&str> {
        match self.conversation.end(side) {
            End::Interface(id, _) => Some(id),
            End::External(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
