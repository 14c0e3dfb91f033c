//! A simulated account and region as the suite asks for it.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use mock_aws::{Ec2Front, End, Packet, Settings, World as Account, serve};
use mock_cloud::CallKind;
use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};
use policy::{Flow, InterfaceId};
use provider::conformance::{Factory, Fault, Meddling, Quota, Seed, Unsupported, World};
use provider::{Clock, CloudReader, CloudWriter};
use provider_aws::{AwsReader, AwsSettings, AwsWriter, Ec2};
use tokio::net::TcpListener;

use crate::seed::fill;
use crate::{foreign, hand};

/// Items on a page: EC2 takes no fewer.
const PAGE_ITEMS: usize = 5;

/// The longest delay of the data plane.
const DELAY_MS: (u64, u64) = (50, 4000);

/// Makes accounts.
pub struct Aws;

/// One account and region.
pub struct AwsWorld {
    front: Ec2Front,
    endpoint: String,
    settings: AwsSettings,
    egress: bool,
}

/// The simulation's virtual time: waiting moves it.
struct Simulated(Ec2Front);

#[async_trait]
impl Clock for Simulated {
    fn now_ms(&self) -> u64 {
        self.0.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world().advance_ms(duration.as_millis() as u64);
    }
}

#[async_trait]
impl Factory for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn page_items(&self) -> usize {
        PAGE_ITEMS
    }

    async fn start(&self, seed: &Seed) -> Box<dyn World> {
        let mut account = Account::new(Settings {
            seed: seed.number,
            delay_ms: DELAY_MS,
            // The pace of the driver has tests of its own.
            throttle: false,
            call_ms: 20,
            ..Settings::default()
        });
        fill(&mut account, seed);
        account.advance_ms(DELAY_MS.1 + 1);
        let front = Ec2Front::new(account);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings = AwsSettings { page_size: PAGE_ITEMS as i32, ..AwsSettings::new(&seed.installation) };
        // Only a crowd has lists of many pages: the others are read faster with the driver's own size.
        let is_crowd = seed.foreign.len() > PAGE_ITEMS;
        let settings = if is_crowd { settings } else { AwsSettings::new(&seed.installation) };
        Box::new(AwsWorld { front, endpoint, settings, egress: seed.egress })
    }
}

impl AwsWorld {
    pub fn account(&self) -> MutexGuard<'_, Account> {
        self.front.world()
    }

    /// A connection; each has buckets of its own.
    fn ec2(&self) -> (Ec2, AwsSettings) {
        let settings = AwsSettings { connections: Default::default(), ..self.settings.clone() };
        let clock = Arc::new(Simulated(self.front.clone()));
        (Ec2::at_endpoint(&self.endpoint, &settings, &self.scope(), clock), settings)
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

impl World for AwsWorld {
    fn scope(&self) -> Scope {
        Scope {
            id: "aws".into(),
            cloud: Cloud::Aws,
            account: String::new(),
            region: "eu-west-1".to_owned(),
            networks: Vec::new(),
            enforce: true,
            egress: self.egress,
            attachment: Attachment::Additive,
            drift: Drift::Repair,
            settle_ms: DELAY_MS.1,
            transients: Transients::Keep,
            gates: Gates::default(),
        }
    }

    fn reader(&self) -> Box<dyn CloudReader> {
        let (ec2, settings) = self.ec2();
        Box::new(AwsReader::new(ec2, settings))
    }

    fn writer(&self) -> Box<dyn CloudWriter> {
        let (ec2, settings) = self.ec2();
        Box::new(AwsWriter::new(ec2, settings))
    }

    fn now_ms(&self) -> u64 {
        self.account().now_ms()
    }

    fn advance_ms(&self, ms: u64) {
        self.account().advance_ms(ms);
    }

    fn settle(&self) {
        let mut account = self.account();
        while !account.plane.is_settled(account.now_ms()) {
            account.advance_ms(DELAY_MS.0);
        }
    }

    fn writes(&self) -> Vec<String> {
        self.account().calls.writes()
    }

    fn reads(&self) -> usize {
        self.account().calls.reads()
    }

    fn fault(&self, fault: Fault) -> Result<(), Unsupported> {
        use mock_cloud::Fault::{LostAnswer, ServerError, Throttle};
        let faults = &mut self.account().faults;
        let (kind, nth, fault) = match fault {
            Fault::Throttle(nth) => (CallKind::Write, nth, Throttle),
            Fault::ServerError(nth) => (CallKind::Write, nth, ServerError),
            Fault::LostAnswer(nth) => (CallKind::Write, nth, LostAnswer),
            Fault::ReadFails(nth) => (CallKind::Read, nth, ServerError),
            Fault::Conflict(_) => {
                let why = "no call of EC2 takes the version of what was read: whoever writes last wins";
                return Err(Unsupported(why.to_owned()));
            }
            Fault::DeadAfter(writes) => {
                faults.die_after(writes as u64);
                return Ok(());
            }
        };
        faults.plant_nth(kind, nth as u64, fault);
        Ok(())
    }

    fn has_struck(&self) -> bool {
        self.account().faults.have_struck()
    }

    fn heal(&self) {
        self.account().faults.heal();
    }

    fn meddle(&self, meddling: &Meddling) -> Result<(), Unsupported> {
        hand::meddle(&mut self.account(), meddling)
    }

    fn relabel(&self, workload: &str, key: &str, value: &str) {
        hand::relabel(&mut self.account(), workload, key, value);
    }

    fn inventory(&self) -> BTreeSet<String> {
        foreign::inventory(&self.account())
    }

    fn foreign(&self) -> String {
        foreign::text(&self.account(), &self.settings.installation)
    }

    fn quota(&self, quota: Quota, most: u32) -> Result<u32, Unsupported> {
        let mut account = self.account();
        match quota {
            Quota::RulesPerGroup => {
                let why = "EC2 does not tell how many rules a group takes, and nobody can lower AWS's 60";
                Err(Unsupported(why.to_owned()))
            }
            Quota::GroupsPerInterface => {
                account.settings.limits.groups_per_interface = most as usize;
                Ok(most)
            }
            Quota::Groups => Ok(hand::use_up_groups(&mut account)),
            Quota::RulesPerList => Err(Unsupported(
                "nothing of ours is in the ordered lists of a VPC, its network ACLs".to_owned(),
            )),
        }
    }

    fn has_ipv6(&self) -> Result<(), Unsupported> {
        Ok(())
    }

    fn passes_at(&self, flow: &Flow, at_ms: u64) -> bool {
        self.account().allows_at(&Self::packet(flow), at_ms)
    }

    fn moments(&self, interface: &InterfaceId, from_ms: u64) -> BTreeSet<u64> {
        let account = self.account();
        account.plane.moments(std::iter::once(interface.as_str()), from_ms).into_iter().collect()
    }
}
