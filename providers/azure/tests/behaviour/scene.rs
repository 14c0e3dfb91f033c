//! A scope with lists of every kind, its reader and its writer, and steps in a few words.

use std::collections::BTreeMap;

use mock_azure::Settings;
use plan::{
    Attachment, Direction, Drift, Gates, GroupId, Observed, Peer, RuleService, RuleSpec, Scope, ScopeId,
    Step, StepAction, StepId, Transients,
};
use policy::{InterfaceId, NetworkId};
use provider::{Applied, CloudReader, CloudWriter, Failed};
use provider_azure::ids::{self, GroupKind};
use provider_azure::{AzureReader, AzureSettings, AzureWriter};
use serde_json::{Value, json};

use crate::harness::{SUBSCRIPTION, Sim, at, id, interface, slow, tagged};

/// A simulation with a driver on it.
pub struct Scene {
    pub sim: Sim,
    pub reader: AzureReader,
    pub writer: AzureWriter,
    pub scope: Scope,
    /// What planned groups became.
    pub ids: BTreeMap<GroupId, GroupId>,
}

pub fn scope() -> Scope {
    Scope {
        id: ScopeId::from("azure"),
        cloud: plan::Cloud::Azure,
        account: SUBSCRIPTION.to_owned(),
        region: "westeurope".to_owned(),
        networks: Vec::new(),
        enforce: true,
        egress: true,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 0,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

pub fn network(name: &str) -> NetworkId {
    NetworkId::from(id(&format!("vnet/{name}")).key())
}

pub fn nic(name: &str) -> InterfaceId {
    InterfaceId::from(id(&format!("nic/{name}")).key())
}

/// The name of a class group by a letter; it is of one network, as every name that is lowered.
pub fn class_name(network_name: &str, letter: &str) -> String {
    let word: String = network_name.bytes().chain(letter.bytes()).map(|byte| format!("{byte:02x}")).collect();
    format!("bulkhead-shop-{word:0>12}")
}

pub fn planned(network_name: &str, letter: &str) -> GroupId {
    GroupId::planned(&network(network_name), &class_name(network_name, letter))
}

pub fn planned_carrier(network_name: &str, letter: &str, nsg: &str) -> GroupId {
    GroupId::planned(&network(network_name), &format!("{}|{nsg}", class_name(network_name, letter)))
}

pub fn tcp(port: u16) -> RuleService {
    RuleService::Ports { protocol: 6, first: port, last: port }
}

pub fn from_block(block: &str, service: RuleService) -> RuleSpec {
    RuleSpec { peer: Peer::Cidr(block.parse().unwrap()), service }
}

pub fn from_group(group: &GroupId, service: RuleService) -> RuleSpec {
    RuleSpec { peer: Peer::Group(group.clone()), service }
}

impl Scene {
    /// Security groups `n` (subnet `v/s`), `m` (on interfaces), `x` (subnets `v/x` and `w/u`); interfaces `a`, `b`, `c`,
    /// `i` (two addresses) behind `n`, `e` behind `n` and `m`, `d` behind `m` alone, `f`, `g`, `h` behind `x` in both
    /// networks, `o` behind none. Foreign rules above, in and below our band, for everybody and for some.
    pub async fn start() -> Self {
        Self::start_with(slow()).await
    }

    /// The same with other settings of the simulation.
    pub async fn start_with(settings: Settings) -> Self {
        let sim = Sim::start(settings).await;
        for nsg in ["m", "x"] {
            sim.seed(&format!("nsg/{nsg}"), tagged(json!({})));
        }
        for (name, short) in [
            ("guard", "150 in deny * 10.9.0.0/16 * *"),
            ("postgres", "300 in allow Tcp asg:web asg:db 5432"),
            ("single", "310 in deny Tcp * 10.0.1.4 80"),
            ("middle", "2000 in allow Tcp 10.7.0.0/16 * 8080-8090"),
            ("names", "4050 in allow Udp * * 53"),
            ("mail", "500 out deny Tcp * 203.0.113.0/24 25"),
            ("store", "510 out allow Tcp * Storage.WestEurope 443"),
        ] {
            sim.rule(name, short);
        }
        sim.seed("nsg/x/peers", crate::harness::rule_body("400 in allow Tcp VirtualNetwork * 9000"));
        for (subnet, block, nsg) in [("v/x", "10.0.3.0/24", "x"), ("w/u", "10.1.1.0/24", "x")] {
            let body = json!({ "properties": { "addressPrefix": block,
                "networkSecurityGroup": { "id": id(&format!("nsg/{nsg}")) } } });
            sim.seed(&format!("vnet/{subnet}"), body);
        }
        for (name, subnet, groups) in [
            ("c", "v/s", &["db"][..]),
            ("e", "v/s", &[]),
            ("d", "v/t", &[]),
            ("f", "v/x", &[]),
            ("g", "w/u", &[]),
            ("h", "w/u", &[]),
            ("o", "v/t", &[]),
        ] {
            let mut body = interface(&format!("vnet/{subnet}"), groups);
            if matches!(name, "d" | "e") {
                body["properties"]["networkSecurityGroup"] = json!({ "id": id("nsg/m") });
            }
            sim.seed(&format!("nic/{name}"), body);
        }
        let both = json!({ "ipConfigurations": [
            { "name": "one", "properties": { "subnet": { "id": id("vnet/v/s") }, "primary": true } },
            { "name": "two", "properties": { "subnet": { "id": id("vnet/v/s") } } }] });
        sim.seed("nic/i", at(both));
        Self::over(sim)
    }

    pub fn over(sim: Sim) -> Self {
        Self::over_with(sim, AzureSettings::new("shop"))
    }

    /// The same with other settings of the driver.
    pub fn over_with(sim: Sim, settings: AzureSettings) -> Self {
        let reader = AzureReader::new(sim.arm.clone(), settings.clone());
        let writer = AzureWriter::new(sim.writer.clone(), settings);
        Self { sim, reader, writer, scope: scope(), ids: BTreeMap::new() }
    }

    /// From now on what others have in front of ours counts, or does not.
    pub fn attach_as(&mut self, attachment: Attachment) {
        self.scope.attachment = attachment;
        let mut settings = AzureSettings::new("shop");
        settings.exclusive.extend((attachment == Attachment::Exclusive).then(|| self.scope.id.clone()));
        self.reader = AzureReader::new(self.sim.arm.clone(), settings.clone());
        self.writer = AzureWriter::new(self.sim.writer.clone(), settings);
    }

    pub async fn observe(&self) -> Observed {
        self.reader.observe(&self.scope).await.unwrap()
    }

    /// Applies on a fresh read, and remembers what was created.
    pub async fn try_apply(&mut self, action: &StepAction) -> Result<Applied, Failed> {
        let observed = self.observe().await;
        let done = self.writer.apply(&self.scope, &step(action), &[observed], &self.ids).await?;
        if let (StepAction::CreateGroup { group, .. }, Some(created)) = (action, &done.created) {
            self.ids.insert(group.clone(), created.clone());
            self.remember_pairs(group, created).await;
        }
        Ok(done)
    }

    /// A plan creates every carrier of a group that it creates; here they come with the group.
    async fn remember_pairs(&mut self, group: &GroupId, created: &GroupId) {
        let (network, name) = match ids::kind_of(group) {
            GroupKind::PlannedAsg { network, name } => (network, name),
            GroupKind::PlannedCarrier { network, asg, .. } => (network, asg),
            _ => return,
        };
        let asg = created.as_str().rsplit('|').next().map(GroupId::from).unwrap();
        self.ids.insert(GroupId::planned(&network, &name), asg.clone());
        for filter in self.observe().await.path_filters {
            let planned = GroupId::planned(&network, &ids::carrier_name(&name, &filter.name));
            self.ids.insert(planned, ids::carrier(&filter.id, &filter.name, &asg, &network));
        }
    }

    /// Applies, looks whether it holds, applies again and looks that nothing is called; gives the number of calls.
    pub async fn apply(&mut self, action: &StepAction) -> usize {
        let done =
            self.try_apply(action).await.unwrap_or_else(|failed| panic!("{action:?}: {:?}", failed.error));
        let observed = self.observe().await;
        assert!(
            self.reader.holds(&step(action), &observed, &self.ids),
            "{action:?} does not hold: {observed:#?}"
        );
        let again = self.try_apply(action).await.unwrap();
        assert_eq!(again.calls, [], "{action:?} again");
        assert!(done.calls.iter().all(|call| !call.request_id.is_empty()));
        done.calls.len()
    }

    /// A prediction with the ids that planned groups got.
    pub fn renamed(&self, mut predicted: Observed) -> Observed {
        let lists: Vec<(String, String)> =
            predicted.path_filters.iter().map(|filter| (filter.name.clone(), filter.id.clone())).collect();
        let real = |id: &GroupId| match ids::kind_of(id) {
            GroupKind::PlannedCarrier { network, asg, nsg } => {
                let list = &lists.iter().find(|(name, _)| *name == nsg).unwrap().1;
                let planned = GroupId::planned(&network, &asg);
                ids::carrier(list, &nsg, self.ids.get(&planned).unwrap_or(&planned), &network)
            }
            _ => self.ids.get(id).unwrap_or(id).clone(),
        };
        let rename = |peer: &mut Peer| {
            if let Peer::Group(id) = peer {
                *id = real(id);
            }
        };
        for group in &mut predicted.groups {
            group.id = real(&group.id);
            for list in [&mut group.ingress, &mut group.egress] {
                list.iter_mut().for_each(|rule| rename(&mut rule.peer));
                list.sort();
            }
        }
        predicted.groups.sort_by(|a, b| a.id.cmp(&b.id));
        for interface in &mut predicted.interfaces {
            interface.groups.iter_mut().for_each(|id| *id = real(id));
            interface.groups.sort();
        }
        for rule in predicted.path_filters.iter_mut().flat_map(|filter| &mut filter.rules) {
            rule.targets.iter_mut().for_each(|id| *id = real(id));
            rule.peers.iter_mut().for_each(rename);
            rule.peers.sort();
        }
        predicted
    }

    /// What is foreign is as it was.
    pub fn assert_foreign(&self, before: &[Value]) {
        for (before, now) in before.iter().zip(&self.foreign()) {
            assert_eq!(before, now);
        }
        assert_eq!(self.foreign().len(), before.len());
    }

    /// The foreign rules of every list as they are stored, and the foreign groups of every interface.
    pub fn foreign(&self) -> Vec<Value> {
        let is_ours =
            |value: &Value| value["name"].as_str().unwrap_or_default().starts_with("bulkhead-shop-");
        let mut found = Vec::new();
        for nsg in ["n", "m", "x"] {
            for mut rule in self.sim.show(&format!("nsg/{nsg}"))["properties"]["securityRules"]
                .as_array()
                .unwrap()
                .clone()
            {
                rule["etag"] = Value::Null;
                found.extend((!is_ours(&rule)).then_some(rule));
            }
        }
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "o"] {
            let mut shown = self.sim.show(&format!("nic/{name}"));
            shown["etag"] = Value::Null;
            // What the cloud applies is shown, and never sent.
            shown["properties"]["dnsSettings"]["appliedDnsServers"] = Value::Null;
            for one in shown["properties"]["ipConfigurations"].as_array_mut().unwrap() {
                one["etag"] = Value::Null;
                let groups =
                    one["properties"]["applicationSecurityGroups"].as_array().cloned().unwrap_or_default();
                let kept: Vec<Value> = groups
                    .into_iter()
                    .filter(|g| !g["id"].as_str().unwrap().contains("/bulkhead-shop-"))
                    .collect();
                one["properties"]["applicationSecurityGroups"] = json!(kept);
            }
            found.push(shown);
        }
        found
    }
}

pub fn step(action: &StepAction) -> Step {
    Step {
        id: StepId(0),
        scope: scope().id,
        action: action.clone(),
        title: String::new(),
        reasons: Vec::new(),
        after: Vec::new(),
        settled_after: Vec::new(),
    }
}

pub fn create(group: GroupId, network: NetworkId) -> StepAction {
    let name = group.planned_name().unwrap().to_owned();
    StepAction::CreateGroup { group, network, name, description: String::new(), open_egress: false }
}

pub fn add(group: &GroupId, direction: Direction, rules: Vec<RuleSpec>) -> StepAction {
    StepAction::AddRules { group: group.clone(), direction, rules }
}

pub fn remove(group: &GroupId, direction: Direction, rules: Vec<RuleSpec>) -> StepAction {
    StepAction::RemoveRules { group: group.clone(), direction, rules }
}

pub fn attach(interface: &str, add: Vec<GroupId>) -> StepAction {
    StepAction::Attach { interface: nic(interface), add }
}

pub fn detach(interface: &str, remove: Vec<GroupId>) -> StepAction {
    StepAction::Detach { interface: nic(interface), remove }
}

pub fn rest(nsg: &str, direction: Direction) -> GroupId {
    ids::rest(id(&format!("nsg/{nsg}")).key(), direction, &[])
}
