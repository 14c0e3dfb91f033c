//! What the suite asks of a simulator.

use std::collections::BTreeSet;

use async_trait::async_trait;
use plan::{GroupId, RuleSpec, Scope};
use policy::{Flow, InterfaceId};

use crate::{CloudReader, CloudWriter};

/// The cloud or its simulator does not have it, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsupported(pub String);

/// Makes worlds.
#[async_trait]
pub trait Factory: Send + Sync {
    /// The cloud's name, for messages.
    fn name(&self) -> &'static str;

    /// Items on a page of the lists that `observe` reads, at most.
    fn page_items(&self) -> usize;

    /// Cases that cannot hold on this cloud, each with the reason, which is a fact about the cloud. Such a case is run
    /// all the same, and must fail: a gap that closes is noticed.
    fn gaps(&self) -> &[(&str, &str)] {
        &[]
    }

    /// A world with what the seed says, and nothing of ours in it. Every change in it has settled.
    async fn start(&self, seed: &Seed) -> Box<dyn World>;
}

/// One scope of a simulated cloud. Everything works through `&self`: reader, writer and suite share it.
pub trait World: Send + Sync {
    /// The scope: `enforce` and `egress` as the seed says, `settle_ms` not below the longest delay of the data plane.
    fn scope(&self) -> Scope;

    /// A new reader: a process with no memory. Waits of the driver move [`World::now_ms`].
    fn reader(&self) -> Box<dyn CloudReader>;

    /// A new writer, with no memory either.
    fn writer(&self) -> Box<dyn CloudWriter>;

    /// Virtual time.
    fn now_ms(&self) -> u64;

    /// Moves time.
    fn advance_ms(&self, ms: u64);

    /// Moves time until every change has reached every interface and nothing is under way: what the suite waits for,
    /// whatever [`World::scope`] says about settling.
    fn settle(&self);

    /// Every mutating call that reached the cloud so far, by action, in order; refused ones and those whose answer was
    /// lost too.
    fn writes(&self) -> Vec<String>;

    /// How many reading calls reached the cloud so far.
    fn reads(&self) -> usize;

    /// Plants a fault.
    ///
    /// # Errors
    /// If this cloud cannot fail so.
    fn fault(&self, fault: Fault) -> Result<(), Unsupported>;

    /// Whether every planted fault has struck.
    fn has_struck(&self) -> bool;

    /// Takes back every fault that has not struck.
    fn heal(&self);

    /// Somebody changes an object of ours by hand; meets no fault and is not among [`World::writes`].
    ///
    /// # Errors
    /// If that cannot be done in this cloud.
    fn meddle(&self, meddling: &Meddling) -> Result<(), Unsupported>;

    /// Sets a tag of a workload, by its name in the seed.
    fn relabel(&self, workload: &str, key: &str, value: &str);

    /// The ids of everything in the scope that `observe` must bring: interfaces, networks, groups and lists of rules,
    /// and the rules of lists as `LIST/NAME`.
    fn inventory(&self) -> BTreeSet<String>;

    /// Every object of somebody else with its rules, members and tags, as text to be compared.
    fn foreign(&self) -> String;

    /// Lowers a quota to what is used, which is `most` as far as the suite can count it; the simulator enforces it, and a
    /// new reader knows it. Where the number is fixed by the cloud, objects of somebody else use up what is left. Gives
    /// the number that a blocked plan must tell.
    ///
    /// # Errors
    /// If this cloud has no such quota.
    fn quota(&self, quota: Quota, most: u32) -> Result<u32, Unsupported>;

    /// Whether workloads have IPv6 addresses.
    ///
    /// # Errors
    /// Why they have none.
    fn has_ipv6(&self) -> Result<(), Unsupported>;

    /// How rules say echo: the least of ICMP that has it. Where rules cannot tell types apart that is a whole protocol,
    /// and where they cannot say one of the two at all, only the other is allowed.
    fn ping(&self) -> &'static str {
        "icmp/8, icmpv6/128"
    }

    /// Whether the data plane let a packet pass at a time, now or in the past. Where rules cannot tell types of ICMP
    /// apart, path MTU messages pass: nobody sends one but about a connection, to which it belongs.
    fn passes_at(&self, flow: &Flow, at_ms: u64) -> bool;

    /// When an interface hears of something that matters to it, from a time on: between these moments
    /// [`World::passes_at`] does not change for packets whose ends are asked.
    fn moments(&self, interface: &InterfaceId, from_ms: u64) -> BTreeSet<u64>;
}

/// What a world starts with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed {
    /// Everything random comes from it.
    pub number: u64,
    /// The installation whose objects the driver makes.
    pub installation: String,
    /// Whether the scope enforces egress too.
    pub egress: bool,
    /// The networks.
    pub networks: Vec<SeedNetwork>,
    /// Which networks are peered, by index.
    pub peered: Vec<(usize, usize)>,
    /// The workloads, each with one interface that can be written, in both families where the cloud has them.
    pub workloads: Vec<SeedWorkload>,
    /// Names of objects of somebody else: rules, or groups with a rule, that let 192.0.2.0/24 in on tcp/22 and nothing
    /// more. The first one does that for the first workload, the others are for nobody. They stop nothing. Those whose
    /// names begin like ours belong to another installation. Where nothing of ours can close an interface that the cloud
    /// opens by itself (memberships that only add up), the world closes it with further objects of somebody else.
    pub foreign: Vec<String>,
}

/// One network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeedNetwork {
    /// Its name.
    pub name: String,
    /// A block of IPv4 addresses.
    pub v4: String,
    /// A block of IPv6 addresses.
    pub v6: String,
}

/// One workload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeedWorkload {
    /// Its name: the `name` of its interface as it is observed.
    pub name: String,
    /// Its network, by index.
    pub network: usize,
    /// Its tags, which are its labels.
    pub tags: Vec<(String, String)>,
}

/// What goes wrong. Ordinals count from 1 and from the moment of planting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The n-th mutating call is refused because there are too many.
    Throttle(usize),
    /// The service fails at the n-th mutating call; nothing is applied.
    ServerError(usize),
    /// The n-th mutating call is applied and its answer never arrives.
    LostAnswer(usize),
    /// The n-th mutating call finds that somebody else has changed the object since it was read; nothing is applied.
    Conflict(usize),
    /// The n-th reading call fails.
    ReadFails(usize),
    /// After n mutating calls nothing reaches the cloud any more: the process is dead.
    DeadAfter(usize),
}

/// What somebody does by hand to objects of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Meddling {
    /// Adds an allow rule towards the members of a group, shaped like ours.
    AddRule {
        /// The group.
        group: GroupId,
        /// The rule; its peer is a block of addresses.
        rule: RuleSpec,
    },
    /// Removes the rule that says this, with whatever else the same rule of the cloud says.
    RemoveRule {
        /// The group.
        group: GroupId,
        /// The rule, towards members.
        rule: RuleSpec,
    },
    /// Takes an interface out of a group.
    TakeOut {
        /// The interface.
        interface: InterfaceId,
        /// The group.
        group: GroupId,
    },
    /// Deletes the object of ours behind a group, after what the cloud insists on: members taken out, references gone.
    Delete {
        /// The group.
        group: GroupId,
    },
}

/// A quota, as in [`plan::Limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quota {
    /// Rules of one group in one direction and family.
    RulesPerGroup,
    /// Groups on one interface.
    GroupsPerInterface,
    /// Groups in the region.
    Groups,
    /// What the rules of one ordered list cost together: their number, or what the cloud counts instead.
    RulesPerList,
}

impl Quota {
    /// Every quota.
    pub const ALL: [Self; 4] =
        [Self::RulesPerGroup, Self::GroupsPerInterface, Self::Groups, Self::RulesPerList];
}
