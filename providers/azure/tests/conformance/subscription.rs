//! A simulated subscription as the suite asks for it.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use mock_azure::{AzureFront, End, Limits, Packet, Settings, World as Subscription, serve};
use mock_cloud::CallKind;
use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};
use policy::{Flow, InterfaceId, essential_services};
use provider::conformance::{Factory, Fault, Meddling, Quota, Seed, Unsupported, World};
use provider::{Clock, CloudReader, CloudWriter};
use provider_azure::{Arm, ArmSettings, AzureReader, AzureSettings, AzureWriter, Endpoint, Writer};
use tokio::net::TcpListener;

use crate::seed::{LOCATION, SUBSCRIPTION, fill};
use crate::{foreign, hand};

/// Items on a page.
const PAGE_ITEMS: usize = 5;

/// The longest delay of the data plane, and how long operations run.
const DELAY_MS: (u64, u64) = (50, 4000);
const OPERATION_MS: u64 = 400;

/// Makes subscriptions.
pub struct Azure;

/// One subscription.
pub struct AzureWorld {
    front: AzureFront,
    arm: Arm,
    settings: AzureSettings,
    egress: bool,
}

/// Hands out one token.
#[derive(Debug)]
struct Fixed;

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let until = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new("simulated".to_owned(), until))
    }
}

/// The simulation's virtual time: waiting moves it.
struct Simulated(AzureFront);

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
impl Factory for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn page_items(&self) -> usize {
        PAGE_ITEMS
    }

    async fn start(&self, seed: &Seed) -> Box<dyn World> {
        // Only a crowd has lists of many pages: the others are read faster with the cloud's own size.
        let is_crowd = seed.foreign.len() > PAGE_ITEMS;
        let small = Limits { page_items: PAGE_ITEMS, ..Limits::default() };
        let mut subscription = Subscription::new(Settings {
            seed: seed.number,
            delay_ms: DELAY_MS,
            operation_ms: OPERATION_MS,
            limits: if is_crowd { small } else { Limits::default() },
            // The pace of the driver has tests of its own.
            throttle: false,
            ..Settings::default()
        });
        fill(&mut subscription, seed);
        subscription.advance_ms(DELAY_MS.1 + 1);
        let front = AzureFront::new(subscription);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings = ArmSettings { share: 1.0, ..ArmSettings::new(Endpoint::parse(&endpoint).unwrap()) };
        let clock = Arc::new(Simulated(front.clone()));
        let arm = Arm::at_endpoint(settings, Arc::new(Fixed), clock).unwrap();
        let settings = AzureSettings::new(&seed.installation);
        Box::new(AzureWorld { front, arm, settings, egress: seed.egress })
    }
}

impl AzureWorld {
    pub fn subscription(&self) -> MutexGuard<'_, Subscription> {
        self.front.world()
    }

    fn packet(flow: &Flow) -> Packet {
        let end = |end: &policy::End| match &end.interface {
            Some(id) => End::Interface(id.to_string(), end.address),
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

impl World for AzureWorld {
    fn scope(&self) -> Scope {
        Scope {
            id: "azure".into(),
            cloud: Cloud::Azure,
            account: SUBSCRIPTION.to_owned(),
            region: LOCATION.to_owned(),
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
        Box::new(AzureReader::new(self.arm.clone(), self.settings.clone()))
    }

    fn writer(&self) -> Box<dyn CloudWriter> {
        Box::new(AzureWriter::new(Writer::new(self.arm.clone()), self.settings.clone()))
    }

    fn now_ms(&self) -> u64 {
        self.subscription().now_ms()
    }

    fn advance_ms(&self, ms: u64) {
        self.subscription().advance_ms(ms);
    }

    fn settle(&self) {
        let mut subscription = self.subscription();
        while !subscription.is_settled() {
            subscription.advance_ms(DELAY_MS.0);
        }
    }

    fn writes(&self) -> Vec<String> {
        self.subscription().calls.writes()
    }

    fn reads(&self) -> usize {
        self.subscription().calls.reads()
    }

    fn fault(&self, fault: Fault) -> Result<(), Unsupported> {
        use mock_cloud::Fault::{Conflict, LostAnswer, ServerError, Throttle};
        let faults = &mut self.subscription().faults;
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
        self.subscription().faults.have_struck()
    }

    fn heal(&self) {
        self.subscription().faults.heal();
    }

    fn meddle(&self, meddling: &Meddling) -> Result<(), Unsupported> {
        hand::meddle(&mut self.subscription(), &self.settings, meddling)
    }

    fn relabel(&self, workload: &str, key: &str, value: &str) {
        hand::relabel(&mut self.subscription(), workload, key, value);
    }

    fn inventory(&self) -> BTreeSet<String> {
        foreign::inventory(&self.subscription())
    }

    fn foreign(&self) -> String {
        foreign::text(&mut self.subscription(), &self.settings.installation)
    }

    fn quota(&self, quota: Quota, _most: u32) -> Result<u32, Unsupported> {
        let mut subscription = self.subscription();
        let unsupported = |why: &str| Err(Unsupported(why.to_owned()));
        match quota {
            Quota::RulesPerGroup => {
                unsupported("a rule costs its security group and not the group that it is for")
            }
            Quota::GroupsPerInterface => Ok(hand::use_up_groups(&mut subscription, "web-2")),
            Quota::Groups => unsupported(
                "the 3,000 application security groups of a region are counted and cannot be lowered",
            ),
            Quota::RulesPerList => Ok(hand::use_up_rules(&mut subscription)),
        }
    }

    fn has_ipv6(&self) -> Result<(), Unsupported> {
        Ok(())
    }

    /// A security rule names no types of ICMP, and has no word for ICMPv6.
    fn ping(&self) -> &'static str {
        "icmp"
    }

    fn passes_at(&self, flow: &Flow, at_ms: u64) -> bool {
        essential_services().contains(flow.service)
            || self.subscription().allows_at(&Self::packet(flow), at_ms)
    }

    fn moments(&self, interface: &InterfaceId, from_ms: u64) -> BTreeSet<u64> {
        self.subscription().moments(interface.as_str(), from_ms).into_iter().collect()
    }
}
