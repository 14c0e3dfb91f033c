//! `bulkhead demo`: the main job on a realistic shop, on a simulated cloud behind the real SDK over HTTP.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mock_aws::{Ec2Front, End, Packet, Settings, World, serve};
use plan::Scope;
use plan::report::{self, Style};
use policy::file::SourceFile;
use provider::Clock;
use reconcile::applying::Progress;
use reconcile::last_applied::LastApplied;
use reconcile::pass::{Pass, PassStatus};
use reconcile::planning::Intent;
use tokio::net::TcpListener;

use super::estate::Estate;
use super::seed::seed;
use super::show::{self, Event};
use crate::Exit;
use crate::clouds::{Readers, Simulators, Writers, simulated};
use crate::commands::wants_color;
use crate::config::Config;
use crate::display::Display;
use crate::session::{Failure, intent, scopes};

const CONFIG: &str = include_str!("../../../../config/demo/bulkhead.yaml");
const ESTATE: &str = include_str!("../../../../config/demo/estate.yaml");
const POLICY: [(&str, &str); 4] = [
    ("labels.yaml", include_str!("../../../../config/demo/policy/labels.yaml")),
    ("payment.yaml", include_str!("../../../../config/demo/policy/payment.yaml")),
    ("shared.yaml", include_str!("../../../../config/demo/policy/shared.yaml")),
    ("shop.yaml", include_str!("../../../../config/demo/policy/shop.yaml")),
];

/// The clock of the simulated world: a wait moves its time.
struct SimulatedClock(Ec2Front);

#[async_trait]
impl Clock for SimulatedClock {
    fn now_ms(&self) -> u64 {
        self.0.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world().advance_ms(duration.as_millis() as u64);
    }
}

/// Everything that the chapters share.
struct Stage {
    front: Ec2Front,
    readers: Readers,
    writers: Writers,
    scopes: Vec<Scope>,
    config: Config,
    files: Vec<SourceFile>,
    last: Option<LastApplied>,
    /// The simulated cloud is new: nobody wrote before us.
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
    chapter(1, "A shop on a cloud: 3 networks, two of them peered, the third reusing an address block");
    anstream::println!(
        "policy: config/demo/policy   estate: config/demo/estate.yaml   cloud: EC2 simulator over HTTP, real SDK"
    );
    let dry = stage.pass(false).await?;
    anstream::println!("the estate by labels, in interfaces:");
    for line in show::estate(&dry.planned.snapshot) {
        anstream::println!("{line}");
    }
    stage.show_packets("before");

    chapter(2, "bulkhead plan: what would change, with its proof. It holds no writer");
    anstream::print!("{}", report::terminal(&dry.planned.plan, Style { color: wants_color() }));

    chapter(3, "bulkhead apply: make before break, verified and settled");
    let applied = stage.pass(true).await?;
    stage.summarise(&applied);
    let settle_ms = stage.scopes[0].settle_ms;
    stage.front.world().advance_ms(settle_ms);
    stage.show_packets("after");

    chapter(4, "A second pass: nothing to do, nothing written");
    let before = stage.mutations();
    let second = stage.pass(true).await?;
    anstream::println!(
        "steps: {}; mutating calls: {}; proven: {}",
        second.planned.plan.steps.len(),
        stage.mutations() - before,
        second.planned.plan.proof.equivalent
    );

    chapter(5, "Somebody opens a database by hand; the next pass finds and repairs it");
    let door = stage.open_by_hand()?;
    anstream::println!("by hand: allowed 0.0.0.0/0 tcp/5432 into {door}");
    let repaired = stage.pass(true).await?;
    for item in &repaired.planned.plan.drift {
        anstream::println!(
            "drift: {}: {} ({})",
            item.object,
            item.difference,
            if item.repaired { "repaired" } else { "reported" }
        );
    }
    stage.summarise(&repaired);

    chapter(6, "A machine changes its role: one label, two calls, no packet lost");
    stage.relabel("shop-web-dev-3", "app")?;
    let moved = stage.pass(true).await?;
    for change in moved.planned.plan.changes.iter().take(6) {
        let word = if change.opens { "opens " } else { "closes" };
        anstream::println!("{word} {} → {}  {}", change.source, change.destination, change.services);
    }
    stage.summarise(&moved);

    chapter(7, "What stays for people to decide");
    let end = stage.pass(true).await?;
    let plan = &end.planned.plan;
    for exposure in &plan.proof.exposures {
        anstream::println!(
            "exposure: {} {} from/to {}: {}, by {}",
            exposure.at,
            exposure.direction,
            exposure.peer,
            exposure.services,
            exposure.because
        );
    }
    for uncovered in &plan.uncovered {
        anstream::println!("uncovered: {} ({}): {}", uncovered.name, uncovered.interface, uncovered.reason);
    }
    anstream::println!(
        "\nDone: {} interfaces enforced, proven, {} calls in all, {:.0} s of simulated time.",
        plan.estate.enforced,
        stage.mutations(),
        stage.front.world().now_ms() as f64 / 1000.0
    );
    anstream::println!(
        "Next: config/bulkhead.yaml shows every option; `bulkhead plan` reads your account and writes nothing."
    );
    let good = plan.proof.equivalent && plan.steps.is_empty() && plan.blocks.is_empty();
    Ok(if good { Exit::Done } else { Exit::Failed })
}

fn chapter(number: u32, title: &str) {
    let line = format!("{number}. {title}");
    anstream::println!("\n{line}\n{}", "─".repeat(line.chars().count()));
}

async fn set_up() -> Result<Stage, Failure> {
    let file =
        |name: &str, text: &str| SourceFile { name: format!("config/demo/{name}"), text: text.to_owned() };
    let config = Config::parse(&file("bulkhead.yaml", CONFIG))?;
    let estate = Estate::parse(&file("estate.yaml", ESTATE))?;
    let mut world = World::new(Settings { delay_ms: (20, 1500), ..Settings::default() });
    seed(&mut world, &estate).map_err(|error| Failure::new(error, "check config/demo/estate.yaml"))?;
    let front = Ec2Front::new(world);
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(|error| Failure::new(error, "the demo needs the loopback"))?;
    let address = listener.local_addr().map_err(|error| Failure::new(error, ""))?;
    tokio::spawn(serve(front.clone(), listener));
    let scopes = scopes(&config);
    let address = format!("http://{address}");
    let clock = Arc::new(SimulatedClock(front.clone()));
    let simulators = Simulators { aws: &address, azure: "", gcp: "", clock };
    let connections = simulated(&config, &simulators, &Display::default())?;
    let (readers, writers) = (connections.readers(), connections.writers());
    let files = POLICY.iter().map(|(name, text)| file(&format!("policy/{name}"), text)).collect();
    Ok(Stage {
        front,
        readers,
        writers,
        scopes,
        config,
        files,
        last: None,
        quiet_since_ms: Some(0),
        events: Vec::new(),
    })
}

impl Stage {
    fn intent(&self) -> Result<Intent, Failure> {
        let mut intent = intent(&self.config, &self.files, &[])?;
        intent.policy_commit = None;
        Ok(intent)
    }

    async fn pass(&mut self, write: bool) -> Result<PassStatus, Failure> {
        let clock = SimulatedClock(self.front.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let events = Mutex::new(Vec::new());
        let pass = Pass {
            reader: &self.readers,
            writer: if write { Some(&self.writers) } else { None },
            clock: &clock,
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
        if write {
            self.last = Some(status.memory.clone());
        }
        Ok(status)
    }

    fn mutations(&self) -> usize {
        self.front.world().calls.mutations().values().sum()
    }

    fn summarise(&self, status: &PassStatus) {
        let plan = &status.planned.plan;
        for block in &plan.blocks {
            anstream::println!("blocked: {}: {}: {}", block.code, block.subject, block.message);
        }
        for line in show::rounds(plan, &self.events) {
            anstream::println!("{line}");
        }
        let calls: usize = status.steps.iter().map(|step| step.calls.len()).sum();
        let waits = report::settle_waits(plan);
        anstream::println!(
            "steps: {}; calls: {calls}; waits for the data plane ({} s each): {waits}; converged: {}",
            status.steps.len(),
            self.scopes[0].settle_ms / 1000,
            status.converged()
        );
    }

    /// A few packets on the data plane, by name.
    fn show_packets(&self, when: &str) {
        let world = self.front.world();
        anstream::println!("packets on the data plane, {when}:");
        for (from, to, protocol, port) in [
            ("shop-web-prod-1", "shop-app-prod-1", "tcp", 8443u16),
            ("shop-app-prod-1", "shop-db-prod-1", "tcp", 5432),
            ("shop-web-prod-1", "shop-db-prod-1", "tcp", 5432),
            ("shop-app-dev-1", "shop-db-prod-1", "tcp", 5432),
            ("shared-bastion-1", "shop-db-prod-1", "tcp", 22),
        ] {
            let end = |name: &str| {
                let instance = world
                    .state
                    .instances
                    .iter()
                    .find(|(_, i)| i.tags.get("Name").is_some_and(|tag| tag == name))
                    .map(|(id, _)| id.clone());
                let interface =
                    world.state.interfaces.iter().find(|(_, i)| i.instance == instance && instance.is_some());
                interface.map(|(id, i)| End::Interface(id.clone(), i.addresses[0]))
            };
            let (Some(source), Some(destination)) = (end(from), end(to)) else { continue };
            let packet = Packet { source, destination, protocol: 6, detail: port };
            let verdict = if world.allows(&packet) { "passes" } else { "blocked" };
            anstream::println!("  {from:<17} → {to:<16} {protocol}/{port:<5} {verdict}");
        }
    }

    /// Opens a database to the world, as somebody else would.
    fn open_by_hand(&self) -> Result<String, Failure> {
        let mut world = self.front.world();
        let group = world
            .state
            .groups
            .iter()
            .find(|(_, group)| group.description.contains("role=db app=shop env=prod"))
            .map(|(id, group)| (id.clone(), group.description.clone()));
        let Some((id, description)) = group else {
            return Err(Failure::new("the demo's database group is missing", ""));
        };
        let params = [
            ("GroupId", id.as_str()),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "5432"),
            ("IpPermissions.1.ToPort", "5432"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ];
        world.perform("AuthorizeSecurityGroupIngress", &params).map_err(|error| Failure::new(error, ""))?;
        Ok(description)
    }

    /// Changes the role tag of an instance.
    fn relabel(&self, name: &str, role: &str) -> Result<(), Failure> {
        let mut world = self.front.world();
        let found =
            world.state.instances.iter().find(|(_, i)| i.tags.get("Name").is_some_and(|tag| tag == name));
        let Some(id) = found.map(|(id, _)| id.clone()) else {
            return Err(Failure::new(format!("{name} is missing"), ""));
        };
        anstream::println!("by hand: tagged {name} Role={role}");
        let params = [("ResourceId.1", id.as_str()), ("Tag.1.Key", "Role"), ("Tag.1.Value", role)];
        world.perform("CreateTags", &params).map_err(|error| Failure::new(error, ""))?;
        Ok(())
    }
}
