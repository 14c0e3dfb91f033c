//! `bulkhead demo`: the main job on a realistic shop, on three simulated clouds behind the real clients over HTTP.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use flow::map::{Map, Options};
use flow::replay::{Draft, Uncovered, replay};
use plan::Scope;
use plan::report::{self, Style};
use policy::compile;
use policy::file::{SourceFile, load};
use reconcile::applying::Progress;
use reconcile::last_applied::LastApplied;
use reconcile::pass::{Pass, PassStatus};
use reconcile::planning::{Intent, Planned};
use serde_json::{Value, json};

use super::show::{self, Event};
use super::sky::{self, Sky};
use super::traffic;
use crate::Exit;
use crate::clouds::{Readers, Simulators, Writers, simulated};
use crate::commands::wants_color;
use crate::config::Config;
use crate::display::Display;
use crate::session::{Failure, intent, scopes};

const CONFIG: &str = include_str!("../../../../config/demo/bulkhead.yaml");
const POLICY: [(&str, &str); 6] = [
    ("analytics.yaml", include_str!("../../../../config/demo/policy/analytics.yaml")),
    ("erp.yaml", include_str!("../../../../config/demo/policy/erp.yaml")),
    ("labels.yaml", include_str!("../../../../config/demo/policy/labels.yaml")),
    ("payment.yaml", include_str!("../../../../config/demo/policy/payment.yaml")),
    ("shared.yaml", include_str!("../../../../config/demo/policy/shared.yaml")),
    ("shop.yaml", include_str!("../../../../config/demo/policy/shop.yaml")),
];
/// What the data planes are asked: from, to, TCP port.
const PACKETS: [(&str, &str, u16); 10] = [
    ("shop-web-prod-1", "shop-app-prod-1", 8443),
    ("shop-app-prod-1", "shop-db-prod-1", 5432),
    ("shop-web-prod-1", "shop-db-prod-1", 5432),
    ("shared-bastion-1", "shop-db-prod-1", 22),
    ("erp-app-1", "erp-db-1", 5432),
    ("reports-1", "erp-app-1", 443),
    ("collector-1", "warehouse-1", 9440),
    ("shop-app-prod-1", "erp-app-1", 443),
    ("shop-app-prod-1", "collector-1", 4317),
    ("reports-1", "warehouse-1", 9440),
];

/// Everything that the chapters share.
struct Stage {
    sky: Sky,
    readers: Readers,
    writers: Writers,
    scopes: Vec<Scope>,
    config: Config,
    files: Vec<SourceFile>,
    /// Guards that are overridden.
    allow: Vec<String>,
    last: Option<LastApplied>,
    /// The simulated clouds are new: nobody wrote before us.
    quiet_since_ms: Option<u64>,
    /// What happened in the last pass.
    events: Vec<Event>,
}

/// Tells the whole story.
///
/// # Errors
/// If the loopback cannot be used.
pub async fn tell() -> Result<Exit, Failure> {
    let mut stage = set_up().await?;
    chapter(1, "A shop on three clouds: the shop on AWS, its ERP on Azure, analytics on Google Cloud");
    anstream::println!("policy: config/demo/policy   estates: config/demo/estate");
    anstream::println!(
        "clouds: simulators of EC2, Azure Resource Manager and Compute Engine over HTTP, real clients"
    );
    let dry = stage.pass(false).await?;
    anstream::println!("the estate by labels, in interfaces:");
    for line in show::estate(&dry.planned.snapshot) {
        anstream::println!("{line}");
    }
    stage.show_packets(&dry, "before");

    chapter(
        2,
        "bulkhead plan --allow lose-peer: what would change on all three, with one proof. It holds no writer",
    );
    anstream::println!(
        "(Azure lets everybody in a VNet talk. That ends, and the guard for it is overridden by name.)"
    );
    anstream::print!("{}", report::terminal(&dry.planned.plan, Style { color: wants_color() }));

    chapter(3, "bulkhead apply: make before break, verified and settled, across the clouds");
    let applied = stage.pass(true).await?;
    // From here on, nothing of that size is meant.
    stage.allow.clear();
    stage.summarise(&applied);
    stage.sky.advance_ms(stage.scopes[0].settle_ms);
    stage.show_packets(&applied, "after");

    chapter(4, "A second pass: nothing to do, nothing written");
    let before = stage.mutations();
    let second = stage.pass(true).await?;
    anstream::println!(
        "steps: {}; mutating calls: {}; proven: {}",
        second.planned.plan.steps.len(),
        stage.mutations() - before,
        second.planned.plan.proof.equivalent
    );

    chapter(5, "Somebody changes each cloud by hand; the next pass finds and repairs it");
    stage.meddle(&second)?;
    let repaired = stage.pass(true).await?;
    for line in show::drift(&repaired.planned.plan) {
        anstream::println!("{line}");
    }
    stage.summarise(&repaired);

    chapter(6, "A machine changes its role: one label, two calls, no packet lost");
    stage.relabel("shop-web-dev-3", "app")?;
    let moved = stage.pass(true).await?;
    stage.show_changes(&moved);
    stage.summarise(&moved);

    chapter(7, "A workload moves from Azure to Google Cloud with the same labels; nobody edits the policy");
    stage.start_reports()?;
    let arrived = stage.pass(true).await?;
    stage.show_changes(&arrived);
    stage.summarise(&arrived);
    stage.end_reports(&arrived)?;
    let left = stage.pass(true).await?;
    stage.summarise(&left);

    chapter(8, "Flow logs: traffic is sent, each cloud logs it in its own format, and it is read back");
    let end = stage.pass(true).await?;
    let heard = stage.listen(&end).await?;

    chapter(9, "What stays for people to decide");
    stage.show_rest(&end);
    let plan = &end.planned.plan;
    let good = plan.proof.equivalent && plan.steps.is_empty() && plan.blocks.is_empty() && heard.is_exact();
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// What the clouds logged, as a map, and what the policy says of it.
fn show_traffic(heard: &traffic::Heard, status: &PassStatus) {
    let connections: u64 = heard.sent.values().map(|(passed, dropped)| passed + dropped).sum();
    anstream::println!(
        "sent: {} flows, {connections} connections; read back by `bulkhead flows read`:",
        heard.sent.len()
    );
    for line in &heard.lines {
        anstream::println!("{line}");
    }
    let policy = &status.planned.snapshot.policy;
    let services: Vec<_> = policy.services.iter().map(|(name, set)| (name.clone(), set.clone())).collect();
    let lists: Vec<_> =
        policy.ip_lists.iter().map(|(name, list)| (name.clone(), list.addresses.clone())).collect();
    let options = Options { services: &services, lists: &lists, ..Options::default() };
    anstream::print!("{}", Map::build(&heard.summaries, &options).to_text());
    let exact = if heard.is_exact() { "exactly" } else { "NOT" };
    anstream::println!("The map shows {exact} what was sent. Google's flow logs carry no verdicts.");
}

/// What a draft would cut of what was seen: the one without the rule that lets the shop order.
fn show_replay(files: &[SourceFile], heard: &traffic::Heard, status: &PassStatus) -> Result<(), Failure> {
    const RULE: &str = "shop-orders";
    let without = |file: &SourceFile| {
        let kept = file.text.lines().filter(|line| !line.contains(RULE)).map(|line| format!("{line}\n"));
        SourceFile { name: file.name.clone(), text: kept.collect() }
    };
    let drafted: Vec<SourceFile> = files.iter().map(without).collect();
    let mut snapshot = status.planned.snapshot.clone();
    snapshot.policy = load(&drafted)?.policy;
    let policy = compile(&snapshot).policy;
    let in_force = Some((&status.planned.snapshot, &status.planned.compiled));
    let draft = Draft { snapshot: &snapshot, policy: &policy, in_force };
    anstream::println!("\nSomebody drafts a policy without the rule `{RULE}`; bulkhead plan --replay 1d:");
    anstream::print!("{}", replay(&heard.summaries, &draft, Uncovered::default()).to_text());
    Ok(())
}

fn chapter(number: u32, title: &str) {
    let line = format!("{number}. {title}");
    anstream::println!("\n{line}\n{}", "─".repeat(line.chars().count()));
}

async fn set_up() -> Result<Stage, Failure> {
    let file =
        |name: &str, text: &str| SourceFile { name: format!("config/demo/{name}"), text: text.to_owned() };
    let config = Config::parse(&file("bulkhead.yaml", CONFIG))?;
    let sky = Sky::new()?;
    let at = sky.serve().await?;
    let clock = Arc::new(sky.clone());
    let simulators = Simulators { aws: &at.aws, azure: &at.azure, gcp: &at.gcp, clock };
    let connections = simulated(&config, &simulators, &Display::default())?;
    let files = POLICY.iter().map(|(name, text)| file(&format!("policy/{name}"), text)).collect();
    Ok(Stage {
        sky,
        readers: connections.readers(),
        writers: connections.writers(),
        scopes: scopes(&config),
        config,
        files,
        allow: vec!["lose-peer".to_owned()],
        last: None,
        quiet_since_ms: Some(0),
        events: Vec::new(),
    })
}

impl Stage {
    fn intent(&self) -> Result<Intent, Failure> {
        let mut intent = intent(&self.config, &self.files, &self.allow)?;
        intent.policy_commit = None;
        Ok(intent)
    }

    async fn pass(&mut self, write: bool) -> Result<PassStatus, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let events = Mutex::new(Vec::new());
        let pass = Pass {
            reader: &self.readers,
            writer: if write { Some(&self.writers) } else { None },
            clock: &self.sky,
            scopes: &self.scopes,
            stop,
            // One after the other, so that the demo prints the same every time.
            concurrent_max: 1,
            quiet_since_ms: self.quiet_since_ms,
            progress: &|progress: Progress<'_>| {
                events.lock().unwrap_or_else(PoisonError::into_inner).extend(Event::of(progress));
            },
            remember: &|_| {},
        };
        let status = pass.run(&self.intent()?, self.last.as_ref()).await;
        self.events = events.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((scope, error)) = status.unobserved.first() {
            return Err(Failure::new(format!("scope {scope} cannot be read: {error}"), ""));
        }
        if write {
            self.last = Some(status.memory.clone());
        }
        Ok(status)
    }

    /// Sends traffic, and shows what the logs say of it.
    async fn listen(&self, end: &PassStatus) -> Result<traffic::Heard, Failure> {
        let Planned { snapshot, compiled, .. } = &end.planned;
        let heard = traffic::listen(&self.sky, &end.observed, snapshot, compiled).await?;
        show_traffic(&heard, end);
        show_replay(&self.files, &heard, end)?;
        Ok(heard)
    }

    fn mutations(&self) -> usize {
        self.sky.mutations().iter().sum()
    }

    fn summarise(&self, status: &PassStatus) {
        let plan = &status.planned.plan;
        for block in &plan.blocks {
            anstream::println!("blocked: {}: {}: {}", block.code, block.subject, block.message);
        }
        for line in show::rounds(plan, &self.events) {
            anstream::println!("{line}");
        }
        let calls = reconcile::applying::calls_made(&status.steps);
        let waits = report::settle_waits(plan);
        anstream::println!(
            "steps: {}; calls: {calls}; waits for the data plane ({} s each): {waits}; converged: {}",
            status.steps.len(),
            self.scopes[0].settle_ms / 1000,
            status.converged()
        );
    }

    /// A few packets on the data planes, by name. Between two clouds both have to let a packet pass.
    fn show_packets(&self, status: &PassStatus, when: &str) {
        anstream::println!("packets on the data planes, {when}:");
        for (from, to, port) in PACKETS {
            let found = |name: &str| sky::interface(&status.observed, name);
            let (Some(source), Some(destination)) = (found(from), found(to)) else { continue };
            let verdict = if self.sky.allows(source, destination, 6, port) { "passes" } else { "blocked" };
            anstream::println!("  {from:<17} → {to:<16} tcp/{port:<5} {verdict}");
        }
    }

    fn show_changes(&self, status: &PassStatus) {
        const SHOWN: usize = 6;
        let changes = &status.planned.plan.changes;
        for change in changes.iter().take(SHOWN) {
            let word = if change.opens { "opens " } else { "closes" };
            anstream::println!("{word} {} → {}  {}", change.source, change.destination, change.services);
        }
        if changes.len() > SHOWN {
            anstream::println!("… and {} more", changes.len() - SHOWN);
        }
    }

    fn show_rest(&self, status: &PassStatus) {
        let plan = &status.planned.plan;
        for exposure in &plan.proof.exposures {
            let line = format!(
                "exposure: {} {} from/to {}: {}, by {}",
                exposure.at, exposure.direction, exposure.peer, exposure.services, exposure.because
            );
            anstream::println!("{}", report::short_paths(&line));
        }
        for uncovered in &plan.uncovered {
            let line =
                format!("uncovered: {} ({}): {}", uncovered.name, uncovered.interface, uncovered.reason);
            anstream::println!("{}", report::short_paths(&line));
        }
        let [aws, azure, gcp] = self.sky.mutations();
        anstream::println!(
            "\nDone: {} interfaces enforced, proven; calls: {aws} on AWS, {azure} on Azure, {gcp} on Google Cloud.",
            plan.estate.enforced,
        );
        anstream::println!(
            "Next: config/bulkhead.yaml shows every option; `bulkhead plan` reads your accounts and writes nothing."
        );
    }

    /// Changes something of ours on each cloud, as somebody else would.
    fn meddle(&self, status: &PassStatus) -> Result<(), Failure> {
        let (group, description) = self.database_group()?;
        self.sky.on_aws(
            "AuthorizeSecurityGroupIngress",
            &[
                ("GroupId", group.as_str()),
                ("IpPermissions.1.IpProtocol", "tcp"),
                ("IpPermissions.1.FromPort", "5432"),
                ("IpPermissions.1.ToPort", "5432"),
                ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
            ],
        )?;
        anstream::println!("by hand: AWS: allowed 0.0.0.0/0 tcp/5432 into {description}");
        let id = |name: &str| {
            let found = sky::interface(&status.observed, name);
            found.map(|found| found.id.as_str().to_owned()).ok_or_else(|| missing(name))
        };
        let database = id("erp-db-1")?;
        let mut body = self.sky.on_azure("GET", &database, &Value::Null)?;
        for configuration in body["properties"]["ipConfigurations"].as_array_mut().into_iter().flatten() {
            configuration["properties"]["applicationSecurityGroups"] = json!([]);
        }
        self.sky.on_azure("PUT", &database, &body)?;
        anstream::println!(
            "by hand: Azure: took erp-db-1 out of its application security groups, which opens it"
        );
        let policies =
            self.sky.on_gcp("GET", "projects/demo-project/global/firewallPolicies", &Value::Null)?;
        let policy = &policies["items"][0];
        let name = policy["name"].as_str().unwrap_or_default();
        let ours = |rule: &&Value| rule["action"] == "allow" && rule["direction"] == "INGRESS";
        let rule = policy["rules"].as_array().into_iter().flatten().find(ours).cloned().unwrap_or_default();
        let path = format!(
            "projects/demo-project/global/firewallPolicies/{name}/removeRule?priority={}",
            rule["priority"]
        );
        self.sky.on_gcp("POST", &path, &Value::Null)?;
        anstream::println!("by hand: Google Cloud: removed a rule of our firewall policy");
        Ok(())
    }

    /// The id and the description of the group of the shop's databases.
    fn database_group(&self) -> Result<(String, String), Failure> {
        let world = self.sky.aws.world();
        let mut groups = world.state.groups.iter();
        let found = groups.find(|(_, group)| group.description.contains("role=db app=shop env=prod"));
        let found = found.map(|(id, group)| (id.clone(), group.description.clone()));
        found.ok_or_else(|| missing("the database group"))
    }

    /// The id of an instance on AWS.
    fn instance(&self, name: &str) -> Result<String, Failure> {
        let world = self.sky.aws.world();
        let named = |tags: &std::collections::BTreeMap<String, String>| {
            tags.get("Name").is_some_and(|tag| tag == name)
        };
        let found = world.state.instances.iter().find(|(_, instance)| named(&instance.tags));
        found.map(|(id, _)| id.clone()).ok_or_else(|| missing(name))
    }

    /// Changes the role tag of an instance.
    fn relabel(&self, name: &str, role: &str) -> Result<(), Failure> {
        let id = self.instance(name)?;
        anstream::println!("by hand: tagged {name} Role={role}");
        let parameters = [("ResourceId.1", id.as_str()), ("Tag.1.Key", "Role"), ("Tag.1.Value", role)];
        self.sky.on_aws("CreateTags", &parameters)?;
        Ok(())
    }

    /// Starts a machine for reports on Google Cloud.
    fn start_reports(&self) -> Result<(), Failure> {
        anstream::println!("by hand: started reports-3 on Google Cloud: role=reports app=erp env=prod");
        let body = json!({
            "name": "reports-3", "machineType": "zones/europe-west1-b/machineTypes/e2-small",
            "labels": { "role": "reports", "app": "erp", "environment": "production" },
            "networkInterfaces": [{
                "subnetwork": "projects/demo-project/regions/europe-west1/subnetworks/analytics-a",
                "networkIP": "10.40.1.41" }] });
        self.sky.on_gcp("POST", "projects/demo-project/zones/europe-west1-b/instances", &body)?;
        Ok(())
    }

    /// Ends the machine on Azure that it replaces, when packets reach what it asks.
    fn end_reports(&self, status: &PassStatus) -> Result<(), Failure> {
        self.sky.advance_ms(self.scopes[0].settle_ms);
        let found = |name: &str| sky::interface(&status.observed, name).ok_or_else(|| missing(name));
        for (to, port) in [("erp-db-1", 5432), ("warehouse-1", 9440)] {
            let passes = self.sky.allows(found("reports-3")?, found(to)?, 6, port);
            anstream::println!("  reports-3 → {to} tcp/{port} {}", if passes { "passes" } else { "blocked" });
        }
        let interface = found("reports-2")?.id.as_str();
        let machine =
            interface.replace("microsoft.network/networkinterfaces", "microsoft.compute/virtualmachines");
        self.sky.on_azure("DELETE", &machine, &Value::Null)?;
        self.sky.on_azure("DELETE", interface, &Value::Null)?;
        anstream::println!("by hand: ended reports-2 on Azure");
        Ok(())
    }
}

fn missing(what: &str) -> Failure {
    Failure::new(format!("{what} of the demo is missing"), "")
}
