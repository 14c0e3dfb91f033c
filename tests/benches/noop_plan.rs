//! A whole no-op pass over recorded answers, beside the SDK's own parse time of the same bytes; the proof alone; and
//! calls by action for the usual changes.
//!
//! `cargo bench --workspace --bench noop_plan` prints Markdown tables. Times are CPU times of the process, which has one
//! thread and waits for nothing. Inputs are generated: classes in one VPC, each with
//! ten interfaces, 24 references, 24 blocks and 2 essential rules.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use cpu_time::ProcessTime;
use mock_aws::{Ec2Front, Limits, Settings, World};
use plan::guard::GuardSettings;
use plan::{Attachment, Cloud, Direction, Drift, Gates, GroupId, Peer, Scope, StepAction, Transients};
use policy::file::{SourceFile, load};
use provider::{CloudReader, WallClock};
use provider_aws::{AwsReader, AwsSettings, Ec2};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::planning::{Intent, Planned, Reading, make_plan, observe};

/// As in the `bulkhead` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MEMBERS: usize = 10;
const REFERENCES: usize = 24;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!(
        "| groups | rules | interfaces | answers | SDK parse | no-op pass | ratio | compile … prove | proof alone |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    runtime.block_on(measure(200));
    let bench = runtime.block_on(measure(2000));
    println!("\n| change in 2,000 groups | calls | predicted time |");
    println!("|---|---|---|");
    runtime.block_on(changes(&bench));
}

/// An estate that is equal to its policy.
struct Bench {
    front: Ec2Front,
    scope: Scope,
    classes: usize,
}

impl Bench {
    async fn converged(classes: usize) -> Self {
        let limits = Limits { groups_per_region: 5000, ..Limits::default() };
        let mut world =
            World::new(Settings { throttle: false, limits, delay_ms: (0, 0), ..Settings::default() });
        let vpc = between(&world.perform("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap(), "vpcId");
        let subnet = world.perform("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.0.0/16")]).unwrap();
        let subnet = between(&subnet, "subnetId");
        for number in 0..classes * MEMBERS {
            let eni = world.perform("CreateNetworkInterface", &[("SubnetId", &subnet)]).unwrap();
            let eni = between(&eni, "networkInterfaceId");
            let role = format!("r{}", number % classes);
            let params = [
                ("NetworkInterface.1.NetworkInterfaceId", eni.as_str()),
                ("TagSpecification.1.ResourceType", "instance"),
                ("TagSpecification.1.Tag.1.Key", "role"),
                ("TagSpecification.1.Tag.1.Value", role.as_str()),
            ];
            world.perform("RunInstances", &params).unwrap();
        }
        let bench = Self { front: Ec2Front::new(world), scope: scope(&vpc), classes };
        let reader = bench.reader(&Arc::default());
        let reading = observe(&reader, std::slice::from_ref(&bench.scope)).await;
        let planned = make_plan(&reader, &bench.intent(""), &reading, None);
        bench.perform_all(&planned);
        bench
    }

    /// Makes every step true without the driver: the estate is what counts here.
    fn perform_all(&self, planned: &Planned) {
        let mut world = self.front.world();
        let mut ids: BTreeMap<GroupId, String> = BTreeMap::new();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for step in &planned.plan.steps {
            match &step.action {
                StepAction::CreateGroup { group, network, name, .. } => {
                    let tags = provider_aws::marks::tags("bench", name, &BTreeMap::new());
                    let mut params = vec![
                        ("GroupName".to_owned(), name.clone()),
                        ("GroupDescription".to_owned(), "bench".to_owned()),
                        ("VpcId".to_owned(), network.to_string()),
                        ("TagSpecification.1.ResourceType".to_owned(), "security-group".to_owned()),
                    ];
                    for (n, (key, value)) in tags.into_iter().enumerate() {
                        params.push((format!("TagSpecification.1.Tag.{}.Key", n + 1), key));
                        params.push((format!("TagSpecification.1.Tag.{}.Value", n + 1), value));
                    }
                    let id = between(
                        &world.perform("CreateSecurityGroup", &borrowed(&params)).unwrap(),
                        "groupId",
                    );
                    let open = [
                        ("GroupId", id.as_str()),
                        ("IpPermissions.1.IpProtocol", "-1"),
                        ("IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "::/0"),
                    ];
                    world.perform("AuthorizeSecurityGroupEgress", &open).unwrap();
                    ids.insert(group.clone(), id);
                }
                StepAction::AddRules { group, direction: Direction::Ingress, rules } => {
                    let mut params = vec![("GroupId".to_owned(), ids[group].clone())];
                    for (n, rule) in rules.iter().enumerate() {
                        let (protocol, from, to) = provider_aws::convert::service_to(rule.service);
                        let at = |name: &str| format!("IpPermissions.{}.{name}", n + 1);
                        params.push((at("IpProtocol"), protocol));
                        params.push((at("FromPort"), from.unwrap_or(-1).to_string()));
                        params.push((at("ToPort"), to.unwrap_or(-1).to_string()));
                        params.push(match &rule.peer {
                            Peer::Group(peer) => (at("Groups.1.GroupId"), ids[peer].clone()),
                            Peer::Cidr(block) if block.addr().is_ipv6() => {
                                (at("Ipv6Ranges.1.CidrIpv6"), block.to_string())
                            }
                            Peer::Cidr(block) => (at("IpRanges.1.CidrIp"), block.to_string()),
                            Peer::Opaque(_) => continue,
                        });
                    }
                    world.perform("AuthorizeSecurityGroupIngress", &borrowed(&params)).unwrap();
                }
                StepAction::Attach { interface, add } => {
                    groups
                        .entry(interface.to_string())
                        .or_default()
                        .extend(add.iter().map(|id| ids[id].clone()));
                }
                _ => {}
            }
        }
        for (interface, mut wanted) in groups {
            wanted.extend(world.state.interfaces[&interface].groups.iter().cloned());
            let mut params = vec![("NetworkInterfaceId".to_owned(), interface)];
            params.extend(
                wanted.into_iter().enumerate().map(|(n, id)| (format!("SecurityGroupId.{}", n + 1), id)),
            );
            world.perform("ModifyNetworkInterfaceAttribute", &borrowed(&params)).unwrap();
        }
    }

    fn reader(&self, tape: &Arc<Tape>) -> AwsReader {
        let (settings, ec2) = self.connection(tape);
        AwsReader::new(ec2, settings)
    }

    fn connection(&self, tape: &Arc<Tape>) -> (AwsSettings, Ec2) {
        let settings = AwsSettings { share: 1.0, ..AwsSettings::new("bench") };
        let config = sdk_config(Replay { front: self.front.clone(), tape: tape.clone() });
        let ec2 = Ec2::from_config(config, &settings, Arc::new(WallClock::default()));
        (settings, ec2)
    }

    fn intent(&self, extra: &str) -> Intent {
        let mut text = String::from("labels:\n  role: [");
        text.extend((0..self.classes).map(|class| format!("r{class}, ")));
        text.push_str("other]\nip_lists:\n");
        for list in 0..REFERENCES {
            text.push_str(&format!("  l{list}: {{ addresses: [192.0.2.{}] }}\n", list * 2 + 1));
        }
        text.push_str("enforcement:\n  - { match: [not role=other], mode: full }\nrulesets:\n  - name: bench\n    rules:\n");
        for class in 0..self.classes {
            for peer in 0..REFERENCES {
                let (source, port) = ((class + peer + 1) % self.classes, 1000 + peer);
                text.push_str(&format!(
                    "      - {{ name: c{class}-{peer}, sources: [role=r{source}], destinations: [role=r{class}], services: [tcp/{port}] }}\n"
                ));
                text.push_str(&format!(
                    "      - {{ name: l{class}-{peer}, sources: [list:l{peer}], destinations: [role=r{class}], services: [tcp/{}] }}\n",
                    2000 + peer
                ));
            }
        }
        text.push_str(extra);
        let files = load(&[SourceFile { name: "bench.yaml".to_owned(), text }]).unwrap();
        let entry = MappingEntry {
            key: "role".into(),
            tag: "role".to_owned(),
            part: Part::Whole,
            case: Case::Lower,
            values: BTreeMap::new(),
        };
        Intent {
            installation: "bench".to_owned(),
            files,
            policy_digest: String::new(),
            policy_commit: None,
            mapping: Mapping { entries: vec![entry] },
            translations: Vec::new(),
            guards: GuardSettings::default(),
        }
    }
}

async fn measure(classes: usize) -> Bench {
    let bench = Bench::converged(classes).await;
    let tape: Arc<Tape> = Arc::default();
    // The first read records; later ones replay.
    let reader = bench.reader(&tape);
    let scopes = std::slice::from_ref(&bench.scope);
    let reading = observe(&reader, scopes).await;
    let intent = bench.intent("");
    let rounds = if classes < 1000 { 20 } else { 5 };
    let parse = best(rounds, || async { parse_only(&bench, &tape).await }).await;
    let pass = best(rounds, || async {
        let reading = observe(&reader, scopes).await;
        let planned = make_plan(&reader, &intent, &reading, None);
        assert!(planned.plan.steps.is_empty() && planned.plan.proof.equivalent, "a no-op");
    })
    .await;
    let pure = best(rounds, || async { drop(make_plan(&reader, &intent, &reading, None)) }).await;
    let planned = make_plan(&reader, &intent, &reading, None);
    let proof = best(rounds, || async { prove(&reader, &reading, &planned) }).await;
    let (_, observed) = &reading.observed[0];
    let rules: usize = observed.groups.iter().map(|group| group.ingress.len() + group.egress.len()).sum();
    let bytes: usize = tape.answers.lock().unwrap().values().map(String::len).sum();
    println!(
        "| {} | {rules} | {} | {} MB | {} ms | {} ms | {:.2} | {} ms | {} ms |",
        observed.groups.len(),
        observed.interfaces.len(),
        bytes >> 20,
        parse.as_millis(),
        pass.as_millis(),
        pass.as_secs_f64() / parse.as_secs_f64(),
        pure.as_millis(),
        proof.as_millis()
    );
    bench
}

fn prove(reader: &AwsReader, reading: &Reading, planned: &Planned) {
    let observed: Vec<_> = reading.observed.iter().map(|(_, observed)| observed).collect();
    let graph = reader.semantics(&observed);
    assert!(plan::prove(&graph, &planned.compiled, &planned.snapshot).equivalent);
}

/// The SDK alone on the recorded answers of the two large lists and the instances.
async fn parse_only(bench: &Bench, tape: &Arc<Tape>) {
    let client = aws_sdk_ec2::Client::from_conf(
        sdk_config(Replay { front: bench.front.clone(), tape: tape.clone() }).build(),
    );
    let filter = || {
        let networks = bench.scope.networks.iter().map(ToString::to_string).collect();
        aws_sdk_ec2::types::Filter::builder().name("vpc-id").set_values(Some(networks)).build()
    };
    macro_rules! all {
        ($operation:ident) => {
            let mut token: Option<String> = None;
            loop {
                let page = client
                    .$operation()
                    .filters(filter())
                    .max_results(1000)
                    .set_next_token(token)
                    .send()
                    .await
                    .unwrap();
                token = page.next_token().map(str::to_owned);
                if token.is_none() {
                    break;
                }
            }
        };
    }
    all!(describe_security_groups);
    all!(describe_network_interfaces);
    all!(describe_instances);
}

async fn changes(bench: &Bench) {
    let tape: Arc<Tape> = Arc::default();
    let reader = bench.reader(&tape);
    let scopes = std::slice::from_ref(&bench.scope);
    let reading = observe(&reader, scopes).await;
    let show = |name: &str, planned: &Planned| {
        let calls: Vec<String> =
            planned.plan.calls.iter().map(|(action, count)| format!("{count} {action}")).collect();
        println!("| {name} | {} | {} s |", calls.join(", "), planned.plan.duration_ms.div_ceil(1000));
    };
    let rule = |name: &str, destinations: &str| {
        format!(
            "      - {{ name: {name}, sources: [role=r0], destinations: [{destinations}], services: [udp/53] }}\n"
        )
    };
    let mut moved = Reading::default();
    let (scope, mut observed) = reading.observed[0].clone();
    observed.interfaces[0].tags.insert("role".to_owned(), "r7".to_owned());
    moved.observed.push((scope, observed));
    show("relabel one workload", &make_plan(&reader, &bench.intent(""), &moved, None));
    show("one new rule", &make_plan(&reader, &bench.intent(&rule("new", "role=r1")), &reading, None));
    let many: String =
        (1..=1000).map(|class| rule(&format!("new-{class}"), &format!("role=r{class}"))).collect();
    let start = ProcessTime::now();
    let planned = make_plan(&reader, &bench.intent(&many), &reading, None);
    show(&format!("a new rule in 1,000 groups (planned in {} ms)", start.elapsed().as_millis()), &planned);
}

/// The CPU time of the best round.
async fn best<F: Future<Output = ()>>(times: usize, mut work: impl FnMut() -> F) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..times {
        let start = ProcessTime::now();
        work().await;
        best = best.min(start.elapsed());
    }
    best
}

fn scope(vpc: &str) -> Scope {
    Scope {
        id: "bench".into(),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "eu-west-1".to_owned(),
        networks: vec![vpc.into()],
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 15_000,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

fn borrowed(params: &[(String, String)]) -> Vec<(&str, &str)> {
    params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn between(xml: &str, name: &str) -> String {
    xml.split(&format!("<{name}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn sdk_config(replay: Replay) -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .endpoint_url("http://127.0.0.1:1")
        .http_client(replay)
}

/// Answers by request body.
#[derive(Default, Debug)]
struct Tape {
    answers: std::sync::Mutex<HashMap<Vec<u8>, String>>,
}

/// Answers from the tape; asks the simulator in-process the first time.
#[derive(Clone)]
struct Replay {
    front: Ec2Front,
    tape: Arc<Tape>,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replay")
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let authorization = request.headers().get("authorization").unwrap_or_default().to_owned();
        let mut answers = self.tape.answers.lock().unwrap();
        let answer = answers
            .entry(body.clone())
            .or_insert_with(|| self.front.handle(&authorization, &body).body)
            .clone();
        let response = HttpResponse::new(200.try_into().unwrap(), SdkBody::from(answer));
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Replay {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
