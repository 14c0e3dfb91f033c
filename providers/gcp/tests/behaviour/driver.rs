//! Reader and writer over a simulated organisation, and steps as short texts.

use std::collections::BTreeMap;

use mock_gcp::{End, Packet, Settings};
use plan::{
    Attachment, Cloud, Direction, Drift, Gates, GroupId, Observed, Peer, RuleService, RuleSpec, Scope,
    ScopeId, Step, StepAction, StepId, Transients,
};
use policy::{InterfaceId, NetworkId};
use provider::{Applied, CloudReader, CloudWriter, Failed};
use provider_gcp::{GcpReader, GcpSettings, GcpWriter, Identity, ids, marks};

use crate::harness::{PROJECT, Sim, path};

pub struct Driver {
    pub sim: Sim,
    pub reader: GcpReader,
    pub writer: GcpWriter,
    pub own: GcpSettings,
    pub scope: Scope,
    /// What planned groups became.
    pub ids: BTreeMap<GroupId, GroupId>,
}

pub fn scope() -> Scope {
    Scope {
        id: ScopeId::from("shop"),
        cloud: Cloud::Gcp,
        account: PROJECT.to_owned(),
        region: String::new(),
        networks: Vec::new(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 0,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

/// The settings of the tests.
pub fn own(identity: Identity) -> GcpSettings {
    GcpSettings { identity, ..GcpSettings::new("shop") }
}

impl Driver {
    /// As a process with no memory.
    pub fn start_over(&mut self) {
        self.writer = GcpWriter::new(self.sim.api.clone(), self.own.clone());
    }

    /// Whether a step is true.
    pub fn holds(&self, step: &Step, seen: &Observed) -> bool {
        self.reader.holds(step, seen, &self.ids)
    }

    pub async fn start(settings: Settings) -> Self {
        Self::start_with(settings, Identity::SecureTags).await
    }

    /// Where something else stands for classes.
    pub async fn start_with(settings: Settings, identity: Identity) -> Self {
        let sim = Sim::start(settings).await;
        let own = own(identity);
        Self {
            own: own.clone(),
            reader: GcpReader::new(sim.api.clone(), own.clone()),
            writer: GcpWriter::new(sim.api.clone(), own),
            scope: scope(),
            ids: BTreeMap::new(),
            sim,
        }
    }

    pub async fn look(&self) -> Observed {
        self.reader.observe(&self.scope).await.unwrap()
    }

    /// Applies a step on a fresh read.
    pub async fn apply(&mut self, step: &Step) -> Result<Applied, Failed> {
        let current = [self.look().await];
        let done = self.writer.apply(&self.scope, step, &current, &self.ids).await?;
        if let (Some(created), StepAction::CreateGroup { group, .. }) = (&done.created, &step.action) {
            self.ids.insert(group.clone(), created.clone());
        }
        Ok(done)
    }

    /// Applies a step, checks that its effect is to be seen, and that to apply it again makes no call. The actions of
    /// its calls.
    pub async fn make(&mut self, action: StepAction) -> Vec<String> {
        let step = step(action);
        let done = self.apply(&step).await.unwrap_or_else(|failed| panic!("{step:?}: {failed:?}"));
        assert!(self.holds(&step, &self.look().await), "{step:?} {:#?}", self.look().await);
        let again = self.apply(&step).await.unwrap_or_else(|failed| panic!("{step:?}: {failed:?}"));
        assert_eq!(again.calls, [], "{step:?} is true already");
        assert!(done.calls.iter().all(|call| !call.request_id.is_empty()), "{:?}", done.calls);
        done.calls.into_iter().map(|call| call.action).collect()
    }

    /// Whether a TCP packet passes by the state of the API. An end is `vm` (its first interface) or an address.
    pub fn passes(&self, from: &str, to: &str, port: u16) -> bool {
        let packet = self.packet(from, to, port);
        self.sim.front.world().allows_by_api(&packet)
    }

    /// A TCP packet between two ends.
    pub fn packet(&self, from: &str, to: &str, port: u16) -> Packet {
        let end = |text: &str| match text.parse() {
            Ok(address) => End::External(address),
            Err(_) => {
                let shown = self.sim.show(&format!("vm/{text}"));
                let address = shown["networkInterfaces"][0]["networkIP"].as_str().unwrap().parse().unwrap();
                End::Interface(format!("{}/nic0", path(&format!("vm/{text}"))), address)
            }
        };
        Packet { source: end(from), destination: end(to), protocol: 6, detail: port }
    }
}

pub fn step(action: StepAction) -> Step {
    Step {
        id: StepId(0),
        scope: ScopeId::from("shop"),
        action,
        title: String::new(),
        reasons: Vec::new(),
        after: Vec::new(),
        settled_after: Vec::new(),
    }
}

pub fn network(name: &str) -> NetworkId {
    NetworkId::from(path(&format!("net/{name}")).as_str())
}

pub fn interface(vm: &str) -> InterfaceId {
    ids::interface(&path(&format!("vm/{vm}")), "nic0")
}

/// The name of the group of a class.
pub fn class_name(class: &str) -> String {
    marks::hashed_name("shop", class)
}

/// The planned group of a class in the network `v`.
pub fn class(name: &str) -> GroupId {
    GroupId::planned(&network("v"), &class_name(name))
}

pub fn rest(direction: Direction) -> GroupId {
    ids::rest(&network("v"), direction, &[])
}

pub fn create(name: &str, open_egress: bool) -> StepAction {
    StepAction::CreateGroup {
        group: class(name),
        network: network("v"),
        name: class_name(name),
        description: format!("role={name}"),
        open_egress,
    }
}

/// `web tcp/443, 10.0.0.0/8 udp`: peers (classes or blocks) with services.
pub fn facts(text: &str) -> Vec<RuleSpec> {
    let fact = |text: &str| {
        let (peer, service) = text.split_once(' ').unwrap();
        let peer = peer.parse().map_or_else(|_| Peer::Group(class(peer)), Peer::Cidr);
        let (word, ports) = service.split_once('/').unwrap_or((service, "0-65535"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let service = match word {
            "all" => RuleService::All,
            "icmp" => RuleService::Protocol(1),
            word => {
                let protocol = if word == "tcp" { 6 } else { 17 };
                RuleService::ports(protocol, first.parse().unwrap(), last.parse().unwrap())
            }
        };
        RuleSpec { peer, service }
    };
    text.split(", ").map(fact).collect()
}

pub fn add(to: &str, direction: Direction, text: &str) -> StepAction {
    StepAction::AddRules { group: class(to), direction, rules: facts(text) }
}

pub fn remove(from: &str, direction: Direction, text: &str) -> StepAction {
    StepAction::RemoveRules { group: class(from), direction, rules: facts(text) }
}

pub fn attach(vm: &str, groups: &[GroupId]) -> StepAction {
    StepAction::Attach { interface: interface(vm), add: groups.to_vec() }
}

pub fn detach(vm: &str, groups: &[GroupId]) -> StepAction {
    StepAction::Detach { interface: interface(vm), remove: groups.to_vec() }
}

pub fn delete(name: &str) -> StepAction {
    StepAction::DeleteGroup { group: class(name), name: class_name(name) }
}

/// The facts of a group as texts, blocks and services only.
pub fn shown(rules: &[RuleSpec]) -> Vec<String> {
    rules.iter().map(ToString::to_string).collect()
}
