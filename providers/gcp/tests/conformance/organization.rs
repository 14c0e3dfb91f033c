//! A simulated organisation as the suite asks for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use mock_cloud::CallKind;
use mock_gcp::state::Kind;
use mock_gcp::{End, GcpFront, Limits, Packet, Settings, World as Organization, serve};
use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};
use policy::{Flow, InterfaceId, essential_services};
use provider::conformance::{Factory, Fault, Meddling, Quota, Seed, Unsupported, World};
use provider::{Clock, CloudReader, CloudWriter};
use provider_gcp::rest::Token;
use provider_gcp::{Api, ApiSettings, Endpoint, GcpReader, GcpSettings, GcpWriter, Identity};
use tokio::net::TcpListener;

use crate::seed::{PROJECT, fill};
use crate::{foreign, hand, tagged_hand};

/// Items on a page.
const PAGE_ITEMS: usize = 5;

/// The longest delay of the data plane, and how long operations run.
const DELAY_MS: (u64, u64) = (50, 4000);
const OPERATION_MS: u64 = 400;

/// Makes organisations in which this stands for classes.
pub struct Google(pub Identity);

/// One organisation with one project.
pub struct GoogleWorld {
    front: GcpFront,
    api: Api,
    settings: Mutex<GcpSettings>,
    egress: bool,
}

/// The simulation's virtual time: waiting moves it.
struct Simulated(GcpFront);

#[async_trait]
impl Clock for Simulated {
    fn now_ms(&self) -> u64 {
        self.0.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world().advance_ms(duration.as_millis() as u64);
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl Factory for Google {
    fn name(&self) -> &'static str {
        match self.0 {
            Identity::SecureTags => "google cloud",
            Identity::NetworkTags => "google cloud with network tags",
        }
    }

    fn page_items(&self) -> usize {
        PAGE_ITEMS
    }

    async fn start(&self, seed: &Seed) -> Box<dyn World> {
        // Only a crowd has lists of many pages: the others are read faster with the cloud's own size.
        let is_crowd = seed.foreign.len() > PAGE_ITEMS;
        let small = Limits { page_items: PAGE_ITEMS, manager_page_items: PAGE_ITEMS, ..Limits::default() };
        let limits = if is_crowd { small } else { Limits::default() };
        let mut organization = Organization::new(Settings {
            seed: seed.number,
            default_network: false,
            delay_ms: DELAY_MS,
            operation_ms: OPERATION_MS,
            limits,
            // The pace of the driver has tests of its own.
            throttle: false,
            ..Settings::default()
        });
        fill(&mut organization, seed);
        organization.advance_ms(DELAY_MS.1 + 1);
        let front = GcpFront::new(organization);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings = ApiSettings { share: 1.0, ..ApiSettings::new(Endpoint::parse(&endpoint).unwrap()) };
        let clock = Arc::new(Simulated(front.clone()));
        let api = Api::at_endpoint(settings, Arc::new(Token::new("simulated")), clock).unwrap();
        let settings = GcpSettings { identity: self.0, ..GcpSettings::new(&seed.installation) };
        let settings = Mutex::new(settings);
        Box::new(GoogleWorld { front, api, settings, egress: seed.egress })
    }
}

impl GoogleWorld {
    pub fn organization(&self) -> MutexGuard<'_, Organization> {
        self.front.world()
    }

    fn settings(&self) -> GcpSettings {
        self.settings.lock().unwrap().clone()
    }

    fn packet(flow: &Flow) -> Packet {
        let end = |end: &policy::End| match &end.interface {
            Some(id) => End::Interface(viewer(id), end.address),
            None => End::External(end.address),
        };
        Packet {
            source: end(&flow.source),
            destination: end(&flow.destination),
            protocol: flow.service.protocol,
            detail: flow.service.detail,
        }
    }
}

/// The simulator's name for an interface.
fn viewer(id: &InterfaceId) -> String {
    id.as_str().replace('#', "/")
}

impl World for GoogleWorld {
    fn scope(&self) -> Scope {
        Scope {
            id: "google".into(),
            cloud: Cloud::Gcp,
            account: PROJECT.to_owned(),
            region: String::new(),
            networks: Vec::new(),
            enforce: true,
            egress: self.egress,
            attachment: Attachment::Additive,
            drift: Drift::Repair,
            settle_ms: DELAY_MS.1 + OPERATION_MS,
            transients: Transients::Keep,
            gates: Gates::default(),
        }
    }

    fn reader(&self) -> Box<dyn CloudReader> {
        Box::new(GcpReader::new(self.api.clone(), self.settings()))
    }

    fn writer(&self) -> Box<dyn CloudWriter> {
        Box::new(GcpWriter::new(self.api.clone(), self.settings()))
    }

    fn now_ms(&self) -> u64 {
        self.organization().now_ms()
    }

    fn advance_ms(&self, ms: u64) {
        self.organization().advance_ms(ms);
    }

    fn settle(&self) {
        let mut organization = self.organization();
        while !organization.is_settled() {
            organization.advance_ms(DELAY_MS.0);
        }
    }

    fn writes(&self) -> Vec<String> {
        self.organization().calls.writes()
    }

    fn reads(&self) -> usize {
        self.organization().calls.reads()
    }

    fn fault(&self, fault: Fault) -> Result<(), Unsupported> {
        use mock_cloud::Fault::{Conflict, LostAnswer, ServerError, Throttle};
        let faults = &mut self.organization().faults;
        let (kind, nth, fault) = match fault {
            Fault::Throttle(nth) => (CallKind::Write, nth, Throttle),
            Fault::ServerError(nth) => (CallKind::Write, nth, ServerError),
            Fault::LostAnswer(nth) => (CallKind::Write, nth, LostAnswer),
            Fault::Conflict(nth) => (CallKind::Write, nth, Conflict),
            Fault::ReadFails(nth) => (CallKind::Read, nth, ServerError),
            Fault::DeadAfter(writes) => {
                faults.die_after(writes as u64);
                return Ok(());
            }
        };
        faults.plant_nth(kind, nth as u64, fault);
        Ok(())
    }

    fn has_struck(&self) -> bool {
        self.organization().faults.have_struck()
    }

    fn heal(&self) {
        self.organization().faults.heal();
    }

    fn meddle(&self, meddling: &Meddling) -> Result<(), Unsupported> {
        let settings = self.settings();
        let meddle = match settings.identity {
            Identity::SecureTags => hand::meddle,
            Identity::NetworkTags => tagged_hand::meddle,
        };
        meddle(&mut self.organization(), &settings, meddling)
    }

    fn relabel(&self, workload: &str, key: &str, value: &str) {
        hand::relabel(&mut self.organization(), workload, key, value);
    }

    fn inventory(&self) -> BTreeSet<String> {
        foreign::inventory(&self.organization())
    }

    fn foreign(&self) -> String {
        foreign::text(&self.organization(), &self.settings().installation)
    }

    fn quota(&self, quota: Quota, _most: u32) -> Result<u32, Unsupported> {
        let mut organization = self.organization();
        let identity = self.settings().identity;
        match quota {
            Quota::GroupsPerInterface if identity == Identity::NetworkTags => {
                Ok(tagged_hand::use_up_tags(&mut organization, "web-2"))
            }
            Quota::Groups if identity == Identity::NetworkTags => {
                Err(Unsupported("a network tag is no object, and there may be any number".to_owned()))
            }
            Quota::RulesPerList if identity == Identity::NetworkTags => {
                let most = organization.state.of_kind(Kind::Firewall).count();
                organization.settings.limits.firewalls = most;
                self.settings.lock().unwrap().classic_rules_max = most;
                Ok(most as u32)
            }
            Quota::RulesPerGroup => {
                let why = "a rule for a tag costs its policy or its project, and not the tag";
                Err(Unsupported(why.to_owned()))
            }
            Quota::GroupsPerInterface => Ok(hand::use_up_tag_values(&mut organization, "web-2")),
            Quota::Groups => {
                // Rests are groups too and have no key, and keys of others are not seen.
                organization.settings.limits.keys_per_parent = organization.state.tag_keys.len();
                let mut settings = self.settings.lock().unwrap();
                let ours = hand::keys_of_ours(&organization, &settings) as u32;
                settings.tag_keys_max = ours;
                Ok(ours)
            }
            Quota::RulesPerList => {
                let policies = organization.state.of_kind(Kind::FirewallPolicy);
                let most = policies.map(|(_, policy)| hand::attributes(&policy.body)).max().unwrap_or(0);
                organization.settings.limits.policy_tuples = most;
                self.settings.lock().unwrap().attributes_max = most;
                Ok(most as u32)
            }
        }
    }

    fn has_ipv6(&self) -> Result<(), Unsupported> {
        Ok(())
    }

    /// A rule of a firewall policy names protocols and ports, and no types of ICMP.
    fn ping(&self) -> &'static str {
        "icmp, icmpv6"
    }

    fn passes_at(&self, flow: &Flow, at_ms: u64) -> bool {
        essential_services().contains(flow.service)
            || self.organization().allows_at(&Self::packet(flow), at_ms)
    }

    fn moments(&self, interface: &InterfaceId, from_ms: u64) -> BTreeSet<u64> {
        self.organization().moments(&viewer(interface), from_ms).into_iter().collect()
    }
}
