//! What an interface says of a flow: tuples, and the list and rule that they stand under.

use mock_cloud::time::virtual_ms;
use mock_cloud::traffic::{Burst, Conversation, Count, Ending, Side};
use mock_cloud::{Edge, End, Passage};
use serde_json::Value;

use crate::packet::{By, RuleName};
use crate::path::{name_of, parent};
use crate::render::mac;
use crate::state::{Direction, Resource, Rule, Typed};
use crate::world::World;

use super::blob::Place;
use super::{Kind, Settings};

/// How often a flow that goes on is told about.
const CONTINUE_MS: u64 = 300_000;
/// After how long a flow of which nothing is heard is over.
const IDLE_MS: u64 = 240_000;
/// Longer names of rules are cut in flow logs (`providers.md` 1.2).
const NAME_MAX: usize = 65;
/// What stands for a list or rule where there is none.
const UNSPECIFIED: &str = "unspecified";

/// What tuples stand under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Acl {
    /// The guid of a security group or network manager.
    pub guid: String,
    /// As the log writes it.
    pub rule: String,
}

/// One tuple.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Tuple {
    /// In milliseconds since 1970.
    pub at_ms: u64,
    /// As the log writes it.
    pub text: String,
}

/// What becomes of a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Begins,
    GoesOn(Count, Count),
    Ends(Count, Count),
    IsDenied,
}

/// Every tuple of a passage.
pub(super) fn tuples(world: &World, settings: &Settings, passage: &Passage) -> Vec<(Place, Acl, Tuple)> {
    let mut found = Vec::new();
    for side in [Side::Source, Side::Destination] {
        let Some(held) =
            passage.interface(side).filter(|id| world.holds(id)).and_then(|id| world.state.get(id))
        else {
            continue;
        };
        let sights = passage.sights(side);
        let Some(sent) = sights.iter().find(|sight| !sight.is_answer) else { continue };
        let by = ruling(world, passage, side);
        let Some((place, acl)) = place(world, settings, held, passage.conversation.end(side), &by) else {
            continue;
        };
        let answers = sights.iter().find(|sight| sight.is_answer && sight.accepted).map(|sight| sight.burst);
        let events = if sent.accepted {
            let all = allowed(passage, sent.burst, answers);
            let counted = settings.kind == Kind::VirtualNetwork
                || !is_stateless(world, &place, &by, side, &passage.conversation);
            all.into_iter().filter(|(_, event)| counted || *event == Event::Begins).collect()
        } else {
            vec![(sent.burst.start_ms, Event::IsDenied)]
        };
        for (at_ms, event) in events {
            let Some(text) = text(settings, passage, side, at_ms, event) else { continue };
            found.push((place.clone(), acl.clone(), Tuple { at_ms, text }));
        }
    }
    found
}

/// What decided, when the flow began.
fn ruling(world: &World, passage: &Passage, side: Side) -> By {
    let packet = passage.conversation.packet(side, world);
    let (end, direction) = match side {
        Side::Source => (&packet.source, Direction::Outbound),
        Side::Destination => (&packet.destination, Direction::Inbound),
    };
    let End::Interface(id, address) = end else { return By::Nothing };
    let at = Some(virtual_ms(passage.conversation.start_ms));
    world.ruling(id, *address, direction, &packet, at).by
}

/// Where a flow is logged and under which rule; security groups only log what they decided.
fn place(world: &World, settings: &Settings, held: &Resource, end: &End, by: &By) -> Option<(Place, Acl)> {
    let Typed::Interface { configurations, .. } = &held.typed else { return None };
    let own = configurations.iter().find(|one| one.address == end.address())?;
    let network = parent(&own.subnet)?;
    let target = match (settings.kind, by) {
        (Kind::VirtualNetwork, _) => network,
        (Kind::SecurityGroup, By::Group(group, _)) => group,
        (Kind::SecurityGroup, _) => return None,
    };
    if !settings.of.is_empty() && !settings.of.contains(target) {
        return None;
    }
    let target = world.state.get(target)?;
    let place = Place {
        target: target.id.clone(),
        location: target.location().to_owned(),
        mac: mac(&held.guid).replace('-', ""),
    };
    Some((place, acl(world, settings, network, by)))
}

fn acl(world: &World, settings: &Settings, network: &str, by: &By) -> Acl {
    let cut = |name: &str| name.chars().take(NAME_MAX).collect::<String>();
    match by {
        By::Nothing => Acl { guid: UNSPECIFIED.to_owned(), rule: UNSPECIFIED.to_owned() },
        By::Admin(rule) => admin(world, network, rule),
        By::Group(group, rule) => {
            let guid = world.state.get(group).map(|held| held.guid.clone()).unwrap_or_default();
            let prefix = if settings.kind == Kind::SecurityGroup { "UserRule_" } else { "" };
            let rule = match rule {
                RuleName::Default(name) => format!("DefaultRule_{name}"),
                RuleName::Platform => "PlatformRule".to_owned(),
                RuleName::Own(name) => {
                    let held = world.state.get(&format!("{group}/securityrules/{name}"));
                    format!("{prefix}{}", cut(held.map_or(name, |held| held.name())))
                }
            };
            Acl { guid, rule }
        }
    }
}

/// The network manager of a security admin rule, and the rule's name.
fn admin(world: &World, network: &str, rule: &Rule) -> Acl {
    let all = world
        .state
        .deployed
        .iter()
        .flat_map(|((manager, _), rules)| rules.iter().map(move |one| (manager, one)));
    let found = all.into_iter().find(|(_, one)| one.network == network && one.rule == *rule);
    let guid = found.and_then(|(manager, _)| world.state.get(manager)).map(|held| held.guid.clone());
    let name = found.and_then(|(_, one)| one.document.get("id")).and_then(Value::as_str).map(name_of);
    Acl {
        guid: guid.unwrap_or_else(|| UNSPECIFIED.to_owned()),
        rule: name.unwrap_or(UNSPECIFIED).chars().take(NAME_MAX).collect(),
    }
}

/// Inbound TCP by a rule of one's own is not followed in logs of security groups, unless the network has a timeout of
/// flows (`providers.md` 2.4): it begins, and nothing more is heard of it.
fn is_stateless(world: &World, place: &Place, by: &By, side: Side, of: &Conversation) -> bool {
    let own = matches!(by, By::Group(_, RuleName::Own(_)));
    if !own || side == Side::Source || of.protocol != 6 {
        return false;
    }
    let network = match of.end(side) {
        End::Interface(id, address) => world.state.get(id).and_then(|held| match &held.typed {
            Typed::Interface { configurations, .. } => {
                let one = configurations.iter().find(|one| one.address == *address)?;
                parent(&one.subnet).and_then(|network| world.state.get(network))
            }
            _ => None,
        }),
        End::External(_) => None,
    };
    debug_assert!(network.is_some(), "{} has a network", place.mac);
    let timeout = network.and_then(|held| held.body.get("properties")?.get("flowTimeoutInMinutes"));
    timeout.is_none_or(Value::is_null)
}

/// The life of a flow that passes. Counters are those since the last tuple.
fn allowed(passage: &Passage, sent: Burst, answers: Option<Burst>) -> Vec<(u64, Event)> {
    let counts = |from_ms: u64, to_ms: u64| {
        let of = |burst: Burst| burst.between(from_ms, to_ms).map(|share| share.count).unwrap_or_default();
        (of(sent), answers.map(of).unwrap_or_default())
    };
    let last_ms = passage.end_ms();
    let closes = passage.conversation.ending != Ending::Silent && answers.is_some();
    let end_ms = if closes { last_ms } else { last_ms + IDLE_MS };
    let mut events = vec![(sent.start_ms, Event::Begins)];
    let mut told_ms = sent.start_ms;
    while told_ms + CONTINUE_MS < end_ms {
        let (a, b) = counts(told_ms, told_ms + CONTINUE_MS);
        told_ms += CONTINUE_MS;
        events.push((told_ms, Event::GoesOn(a, b)));
    }
    let (a, b) = counts(told_ms, u64::MAX);
    events.push((end_ms, Event::Ends(a, b)));
    events
}

/// A tuple as it is written; security groups only know TCP and UDP.
fn text(settings: &Settings, passage: &Passage, side: Side, at_ms: u64, event: Event) -> Option<String> {
    let of = &passage.conversation;
    let (source, destination) = of.addresses(side);
    let (from, to) = of.ports().unwrap_or((0, 0));
    let way = if side == Side::Source { 'O' } else { 'I' };
    let counters = |a: Count, b: Count| format!("{},{},{},{}", a.packets, a.bytes, b.packets, b.bytes);
    let flow = format!("{source},{destination},{from},{to}");
    if settings.kind == Kind::VirtualNetwork {
        let none = counters(Count::default(), Count::default());
        let (state, counts) = match event {
            Event::Begins => ('B', none),
            Event::GoesOn(a, b) => ('C', counters(a, b)),
            Event::Ends(a, b) => ('E', counters(a, b)),
            Event::IsDenied => ('D', none),
        };
        return Some(format!("{at_ms},{flow},{},{way},{state},NX,{counts}", of.protocol));
    }
    let protocol = match of.protocol {
        6 => 'T',
        17 => 'U',
        _ => return None,
    };
    let (verdict, state, counts) = match event {
        Event::Begins => ('A', 'B', ",,,".to_owned()),
        Event::GoesOn(a, b) => ('A', 'C', counters(a, b)),
        Event::Ends(a, b) => ('A', 'E', counters(a, b)),
        Event::IsDenied => ('D', 'B', ",,,".to_owned()),
    };
    Some(format!("{},{flow},{protocol},{way},{verdict},{state},{counts}", at_ms / 1000))
}
