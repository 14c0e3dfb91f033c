//! What-if: seen flows against a draft. Which would it cut, which would it let in that are dropped today, which pass only
//! because nobody enforces yet.
//!
//! The draft is judged as it stands ([`crate::judge`]), with the workloads of its snapshot: who has labels of a flow
//! today is asked, not who had them then. Where the interfaces that a row can be fare differently, the row counts as the
//! one that matters: for a flow that passed the one that fares worst, for a flow that was dropped the one that fares
//! best; and the line says *partly*.
//!
//! A log without verdicts (Google's VPC flow logs) counts as passed; how much of a line that is, is told.
//!
//! Rows may be judged in parts ([`Replayer::rows`]) on as many threads as the caller likes, and joined.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use policy::{CompiledPolicy, LabelSet, ServicePoint, Snapshot};
use rustc_hash::FxHashMap;

use crate::judge::{Fate, Judge, Judged, JudgedId, Why};
use crate::record::Outcome;
use crate::summary::{End, Key, Summaries, Tally};

mod json;
mod text;

/// What flows are replayed against.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    /// The policy as drafted, with what exists.
    pub snapshot: &'a Snapshot,
    /// What it was compiled to.
    pub policy: &'a CompiledPolicy,
    /// The policy in force, compiled: then each line says what it does today.
    pub in_force: Option<(&'a Snapshot, &'a CompiledPolicy)>,
}

/// What the window has no records of. Whoever reads logs knows; it is carried to the report.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Uncovered {
    /// The window, Unix seconds; (0, 0) if nobody said.
    pub window: (i64, i64),
    /// Seconds that networks were in the window, summed, and those of which logs were read.
    pub watched_s: (u64, u64),
    /// Stretches that were lost: what, from, to, why.
    pub lost: Vec<Lost>,
    /// Networks or sources without any log.
    pub silent: Vec<String>,
    /// Logs that do not hold every connection, each with why: `shop (sampled)`.
    pub partial: Vec<String>,
}

/// A stretch of time of which something was lost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Lost {
    /// The source or point.
    pub what: String,
    /// From, Unix seconds.
    pub from: i64,
    /// To, Unix seconds.
    pub to: i64,
    /// Why, in a few words.
    pub why: String,
}

impl Uncovered {
    /// Whether logs of the whole window were read, as far as anybody knows.
    pub fn is_nothing(&self) -> bool {
        let Self { lost, silent, partial, watched_s, .. } = self;
        lost.is_empty() && silent.is_empty() && partial.is_empty() && watched_s.0 == watched_s.1
    }
}

/// Which list of a replay a row is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect {
    /// It passed, and the draft blocks it.
    Cut,
    /// It was dropped, and the draft lets it pass.
    Admitted,
    /// It passed and goes on passing, but only because an end is not enforced.
    PotentiallyBlocked,
    /// Nobody can tell what the draft does with it.
    Unknown,
}

/// One end as people read it: without the network.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    /// Workloads with these labels.
    Labels(LabelSet),
    /// An address or a block.
    Address(ipnet::IpNet),
}

/// What a line of a replay is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LineKey {
    /// What the draft does to it.
    pub effect: Effect,
    /// Who opens the connections.
    pub source: Arc<Who>,
    /// Who is connected to.
    pub destination: Arc<Who>,
    /// On what.
    pub service: ServicePoint,
    /// The rule to blame: of the pair of interfaces that matters.
    pub why: Why,
    /// Whether only some of the workloads (or of the addresses) are meant, because the draft treats them differently.
    pub partly: bool,
    /// What the policy in force does with it, if there is one to compare with.
    pub today: Option<(Fate, Why)>,
}

/// How much of something was seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Seen {
    /// Rows of summaries.
    pub rows: u64,
    /// Connections or attempts.
    pub connections: u64,
    /// Bytes, both ways.
    pub bytes: u64,
    /// First packet, Unix seconds; 0 if there is none.
    pub first: i64,
    /// Last packet, Unix seconds.
    pub last: i64,
    /// Rows of which the log has no verdict.
    pub without_verdict: u64,
}

impl Seen {
    /// One row more.
    #[inline]
    pub fn add(&mut self, key: &Key, tally: &Tally) {
        let is_first = self.rows == 0;
        self.first = if is_first { tally.first } else { self.first.min(tally.first) };
        self.last = if is_first { tally.last } else { self.last.max(tally.last) };
        self.rows += 1;
        self.connections = self.connections.saturating_add(tally.connections);
        self.bytes = self.bytes.saturating_add(tally.bytes).saturating_add(tally.reply_bytes);
        self.without_verdict += u64::from(key.outcome == Outcome::Unknown);
    }

    /// Both.
    pub fn join(&mut self, other: &Self) {
        self.first = match (self.rows, other.rows) {
            (0, _) => other.first,
            (_, 0) => self.first,
            _ => self.first.min(other.first),
        };
        self.last = if self.rows == 0 { other.last } else { self.last.max(other.last) };
        self.rows += other.rows;
        self.connections = self.connections.saturating_add(other.connections);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.without_verdict += other.without_verdict;
    }
}

/// What a draft does to seen flows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Replay {
    /// Flows that are not as they were, or not certain to be; most connections first within each effect.
    pub lines: Vec<(LineKey, Seen)>,
    /// All rows.
    pub total: Seen,
    /// Rows on which the draft and what was seen agree: passed and allowed, or dropped and blocked.
    pub unchanged: Seen,
    /// What the window has no records of.
    pub uncovered: Uncovered,
}

impl Replay {
    /// The lines with one effect.
    pub fn of(&self, effect: Effect) -> impl Iterator<Item = &(LineKey, Seen)> {
        self.lines.iter().filter(move |(key, _)| key.effect == effect)
    }

    /// Everything with one effect together.
    pub fn total_of(&self, effect: Effect) -> Seen {
        let mut total = Seen::default();
        self.of(effect).for_each(|(_, seen)| total.join(seen));
        total
    }
}

/// Replays merged summaries ([`Summaries::merged`]) in one go.
pub fn replay(summaries: &Summaries, draft: &Draft<'_>, uncovered: Uncovered) -> Replay {
    let replayer = Replayer::new(summaries, draft);
    let part = replayer.rows(0..summaries.rows.len());
    replayer.join([part], uncovered)
}

/// Replays in parts.
pub struct Replayer<'a> {
    summaries: &'a Summaries,
    draft: Draft<'a>,
    /// Each end without its network, by its number among those; people do not read networks.
    who_of: Vec<u32>,
    /// Sorted, so that their numbers are in their order.
    whos: Vec<Arc<Who>>,
}

/// What was found in a part of the rows.
#[derive(Debug, Default)]
pub struct Part {
    verdicts: Vec<Verdict>,
    lines: FxHashMap<LineOf, Seen>,
    total: Seen,
    unchanged: Seen,
}

/// What there is to say about a line beside its ends and its service. There are few of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Verdict {
    effect: Effect,
    why: Why,
    partly: bool,
    today: Option<(Fate, Why)>,
}

/// A line in numbers: ends, service, place of its verdict.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct LineOf {
    source: u32,
    destination: u32,
    service: ServicePoint,
    verdict: u32,
}

impl<'a> Replayer<'a> {
    /// Prepares; short.
    pub fn new(summaries: &'a Summaries, draft: &Draft<'a>) -> Self {
        let all: Vec<Who> = summaries.ends.iter().map(|(_, end)| Who::from(end)).collect();
        let mut order: Vec<u32> = (0..all.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| all[a as usize].cmp(&all[b as usize]));
        let (mut whos, mut who_of) = (Vec::new(), vec![0; all.len()]);
        for same in order.chunk_by(|&a, &b| all[a as usize] == all[b as usize]) {
            same.iter().for_each(|&end| who_of[end as usize] = whos.len() as u32);
            whos.push(Arc::new(all[same[0] as usize].clone()));
        }
        Self { summaries, draft: *draft, who_of, whos }
    }

    /// Judges a part of the rows. Parts may be judged at the same time.
    pub fn rows(&self, range: Range<usize>) -> Part {
        let Draft { snapshot, policy, in_force } = self.draft;
        let ends = &self.summaries.ends;
        let mut judge = Judge::new(ends, snapshot, policy);
        let mut today = in_force.map(|(snapshot, policy)| Judge::new(ends, snapshot, policy));
        let mut effects = Effects::default();
        let mut known: FxHashMap<(JudgedId, Effect, Option<JudgedId>), u32> = FxHashMap::default();
        let mut verdicts: FxHashMap<Verdict, u32> = FxHashMap::default();
        let mut part = Part::default();
        for (key, tally) in self.summaries.rows.get(range).unwrap_or_default() {
            let id = judge.judge(key.source, key.destination, key.service);
            let Some(effect) = effects.of(&judge, id, key.outcome) else {
                part.unchanged.add(key, tally);
                continue;
            };
            let today_id = today.as_mut().map(|judge| judge.judge(key.source, key.destination, key.service));
            let verdict = *known.entry((id, effect, today_id)).or_insert_with(|| {
                let today = today.as_ref().zip(today_id).map(|(judge, id)| judge.judged(id));
                *verdicts.entry(Verdict::new(effect, judge.judged(id), today)).or_insert_with_key(|verdict| {
                    part.verdicts.push(verdict.clone());
                    part.verdicts.len() as u32 - 1
                })
            });
            let who = |end: crate::EndId| self.who_of[end.0 as usize];
            let (source, destination) = (who(key.source), who(key.destination));
            let line = LineOf { source, destination, service: key.service, verdict };
            part.lines.entry(line).or_default().add(key, tally);
        }
        part.total.join(&part.unchanged);
        part.lines.values().for_each(|seen| part.total.join(seen));
        part
    }

    /// Joins all parts.
    pub fn join(&self, parts: impl IntoIterator<Item = Part>, uncovered: Uncovered) -> Replay {
        let parts: Vec<Part> = parts.into_iter().collect();
        let mut verdicts: Vec<Verdict> =
            parts.iter().flat_map(|part| part.verdicts.iter().cloned()).collect();
        verdicts.sort_unstable();
        verdicts.dedup();
        let mut replay = Replay { uncovered, ..Replay::default() };
        let mut lines: Vec<(LineOf, Seen)> =
            Vec::with_capacity(parts.iter().map(|part| part.lines.len()).sum());
        for part in parts {
            replay.total.join(&part.total);
            replay.unchanged.join(&part.unchanged);
            let place = |verdict: &Verdict| verdicts.binary_search(verdict).unwrap_or_default() as u32;
            let places: Vec<u32> = part.verdicts.iter().map(place).collect();
            let placed = |line: LineOf| LineOf { verdict: places[line.verdict as usize], ..line };
            lines.extend(part.lines.into_iter().map(|(line, seen)| (placed(line), seen)));
        }
        // The lines of one part differ; those of several may not.
        lines.sort_unstable_by_key(|(line, _)| *line);
        lines.dedup_by(|(next, more), (line, seen)| {
            let is_same = next == line;
            if is_same {
                seen.join(more);
            }
            is_same
        });
        let effects: Vec<Effect> = verdicts.iter().map(|verdict| verdict.effect).collect();
        let effect = |line: &LineOf| effects[line.verdict as usize];
        lines.sort_by_key(|(line, seen)| (effect(line), Reverse(seen.connections)));
        let line = |(line, seen)| (self.line(&line, &verdicts), seen);
        replay.lines = lines.into_iter().map(line).collect();
        replay
    }

    fn line(&self, line: &LineOf, verdicts: &[Verdict]) -> LineKey {
        let who = |number: u32| Arc::clone(&self.whos[number as usize]);
        let verdict = verdicts[line.verdict as usize].clone();
        LineKey {
            effect: verdict.effect,
            source: who(line.source),
            destination: who(line.destination),
            service: line.service,
            why: verdict.why,
            partly: verdict.partly,
            today: verdict.today,
        }
    }
}

impl Verdict {
    fn new(effect: Effect, judged: &Judged, today: Option<&Judged>) -> Self {
        let of = |judged: &Judged| {
            if effect == Effect::Admitted { judged.best.clone() } else { judged.worst.clone() }
        };
        Self { effect, why: of(judged).1, partly: judged.is_partly(), today: today.map(of) }
    }
}

impl From<&End> for Who {
    fn from(end: &End) -> Self {
        match end {
            End::Workload { labels, .. } => Self::Labels(labels.clone()),
            End::Address(block) => Self::Address(*block),
        }
    }
}

/// The effect of each decision on what passed and on what was dropped, asked for once.
#[derive(Default)]
struct Effects(Vec<Option<[Option<Effect>; 2]>>);

impl Effects {
    fn of(&mut self, judge: &Judge<'_>, id: JudgedId, outcome: Outcome) -> Option<Effect> {
        let at = id.0 as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        let both = self.0[at].get_or_insert_with(|| {
            let judged = judge.judged(id);
            [effect(judged, Outcome::Accepted), effect(judged, Outcome::Rejected)]
        });
        both[usize::from(outcome == Outcome::Rejected)]
    }
}

/// What a decision means for a flow that ended so; nothing if nothing changes.
pub fn effect(judged: &Judged, outcome: Outcome) -> Option<Effect> {
    match (outcome, judged.worst.0, judged.best.0) {
        (_, Fate::Unknown, _) => Some(Effect::Unknown),
        (Outcome::Rejected, _, Fate::Blocked) => None,
        (Outcome::Rejected, ..) => Some(Effect::Admitted),
        (_, Fate::Blocked, _) => Some(Effect::Cut),
        (_, Fate::PotentiallyBlocked, _) => Some(Effect::PotentiallyBlocked),
        (_, Fate::Allowed, _) => None,
    }
}
