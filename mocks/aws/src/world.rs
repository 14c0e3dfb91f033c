//! The simulated account and region: API state, data plane, faults, time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mock_cloud::{Buckets, CallKind, CallLog, DataPlane, Fault, Faults};

use crate::actions::{self, Call, Limits};
use crate::params::Params;
use crate::state::{RuleKey, State};
use crate::xml;

/// Something that the data plane acts on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fact {
    /// An interface is in a group.
    Member(String, String),
    /// A group has a rule.
    Rule(String, RuleKey),
}

/// How a simulation starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Twelve digits.
    pub account: String,
    /// Such as `eu-west-1`.
    pub region: String,
    /// Everything random comes from it.
    pub seed: u64,
    /// The shortest and longest time in which a change reaches an interface, in milliseconds.
    pub delay_ms: (u64, u64),
    /// The quotas.
    pub limits: Limits,
    /// Whether the published token buckets are enforced.
    pub throttle: bool,
    /// The share of every bucket that is left, 0 to 1: others use the account too.
    pub bucket_share: f64,
    /// How long every call of a client takes, in milliseconds of virtual time.
    pub call_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            seed: 1,
            delay_ms: (50, 4000),
            limits: Limits::default(),
            throttle: true,
            bucket_share: 1.0,
            call_ms: 0,
        }
    }
}

/// Everything that a simulation holds. Time only moves by [`World::advance_ms`].
#[derive(Clone)]
pub struct World {
    /// How it started.
    pub settings: Settings,
    /// What the API knows.
    pub state: State,
    /// What interfaces have heard of.
    pub plane: DataPlane<Fact>,
    /// What may go wrong.
    pub faults: Faults,
    /// Every call.
    pub calls: CallLog,
    buckets: Buckets,
    random: fastrand::Rng,
    now_ms: u64,
    past: VecDeque<(u64, State)>,
}

/// One answer of the front.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// XML.
    pub body: String,
    /// In the body too, and in a header.
    pub request_id: String,
    /// What of it arrives.
    pub delivery: Delivery,
}

/// What of an answer arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// All of it.
    Whole,
    /// The headers; the body breaks off.
    BrokenOff,
    /// Not a byte: the connection is closed.
    Nothing,
}

impl Answer {
    /// Whether the client cannot know what became of its call.
    pub fn is_lost(&self) -> bool {
        self.delivery != Delivery::Whole
    }
}

impl World {
    /// An empty account.
    pub fn new(settings: Settings) -> Self {
        let plane = DataPlane::new(settings.seed, settings.delay_ms.0, settings.delay_ms.1);
        Self {
            state: State::default(),
            plane,
            faults: Faults::default(),
            calls: CallLog::default(),
            buckets: Buckets::default(),
            random: fastrand::Rng::with_seed(settings.seed),
            now_ms: 0,
            past: VecDeque::new(),
            settings,
        }
    }

    /// A copy whose future is drawn from another seed: delays, faults, stale reads.
    pub fn fork(&self, seed: u64) -> Self {
        let settings = Settings { seed, ..self.settings.clone() };
        let (plane, random) = (self.plane.fork(seed), fastrand::Rng::with_seed(seed));
        Self { settings, plane, random, ..self.clone() }
    }

    /// Virtual time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Moves time.
    pub fn advance_ms(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// The next time at which some interface sees something new: what a step-by-step test moves to.
    pub fn next_change_ms(&self) -> Option<u64> {
        self.plane.next_change(self.state.interfaces.keys().map(String::as_str), self.now_ms)
    }

    /// Performs an action as somebody who is never throttled and meets no fault: for seeding and for drift.
    ///
    /// # Errors
    /// As the real cloud.
    pub fn perform(
        &mut self,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<String, crate::state::Ec2Error> {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        self.run(action, &Params::parse(encoded.as_bytes()))
    }

    fn run(&mut self, action: &str, params: &Params) -> Result<String, crate::state::Ec2Error> {
        let Some((handler, mutating)) = actions::find(action) else {
            return Err(crate::state::refuse(
                "InvalidAction",
                format!("The action {action} is not valid for this web service."),
            ));
        };
        if !mutating && self.faults.stale_ms > 0 {
            return self.stale_read(handler, params);
        }
        if mutating && self.faults.stale_ms > 0 {
            self.past.push_back((self.now_ms, self.state.clone()));
            while self.past.front().is_some_and(|(at, _)| at + self.faults.stale_ms < self.now_ms)
                && self.past.len() > 1
            {
                self.past.pop_front();
            }
        }
        let mut call = Call {
            params,
            state: &mut self.state,
            limits: self.settings.limits,
            account: &self.settings.account,
            region: &self.settings.region,
            facts: Vec::new(),
        };
        let answer = handler(&mut call);
        let facts = call.facts;
        if answer.is_ok() {
            for (fact, holds) in facts {
                self.plane.note(fact, holds, self.now_ms);
            }
        }
        answer
    }

    /// Reads a state from before recent writes: how far back is drawn from the seed.
    fn stale_read(
        &mut self,
        handler: fn(&mut Call<'_>) -> Result<String, crate::state::Ec2Error>,
        params: &Params,
    ) -> Result<String, crate::state::Ec2Error> {
        let recent: Vec<&State> = self
            .past
            .iter()
            .filter(|(at, _)| at + self.faults.stale_ms > self.now_ms)
            .map(|(_, state)| state)
            .collect();
        let pick = self.random.usize(0..=recent.len());
        self.faults.stale_reads += u64::from(pick < recent.len());
        let mut state = recent.get(pick).map_or_else(|| self.state.clone(), |state| (*state).clone());
        let mut call = Call {
            params,
            state: &mut state,
            limits: self.settings.limits,
            account: &self.settings.account,
            region: &self.settings.region,
            facts: Vec::new(),
        };
        handler(&mut call)
    }

    fn answer(&mut self, authorization: &str, body: &[u8]) -> Answer {
        if self.faults.is_dead() {
            return Answer {
                status: 503,
                body: String::new(),
                request_id: String::new(),
                delivery: Delivery::Nothing,
            };
        }
        self.now_ms += self.settings.call_ms;
        let params = Params::parse(body);
        let action = params.text("Action").to_owned();
        let known = actions::find(&action);
        let mutating = known.is_some_and(|(_, mutating)| mutating);
        let request_id =
            format!("{:08x}-0000-4000-8000-{:012x}", self.settings.seed as u32, self.calls.all().len() + 1);
        let refused = self.refusal(authorization, &action, &params);
        let fault = match refused {
            None => self.faults.next(&action, CallKind::of(mutating), &mut self.random),
            Some(_) => None,
        };
        // EC2 has no versions: nobody is told that somebody else was faster.
        let fault = fault.filter(|fault| match fault {
            Fault::LostAnswer => mutating,
            Fault::Conflict => false,
            Fault::Throttle | Fault::ServerError | Fault::AccessDenied => true,
        });
        if let Some(fault) = fault {
            *self.faults.fired.entry(fault).or_default() += 1;
        }
        let outcome = match (refused, fault) {
            (Some(error), _) => Err(error),
            (_, Some(Fault::Throttle)) => {
                Err((503, "RequestLimitExceeded".to_owned(), "Request limit exceeded.".to_owned()))
            }
            (_, Some(Fault::ServerError)) => {
                Err((500, "InternalError".to_owned(), "An internal error has occurred".to_owned()))
            }
            (_, Some(Fault::AccessDenied)) => Err((
                403,
                "UnauthorizedOperation".to_owned(),
                "You are not authorized to perform this operation.".to_owned(),
            )),
            _ if known.is_some() && params.flag("DryRun") => Err((
                412,
                "DryRunOperation".to_owned(),
                "Request would have succeeded, but DryRun flag is set.".to_owned(),
            )),
            _ => self.run(&action, &params).map_err(|error| (400, error.code, error.message)),
        };
        let word = outcome.as_ref().map_or_else(|error| error.1.clone(), |_| "ok".to_owned());
        self.calls.note(&action, self.now_ms, mutating, &word, &shortened(body));
        let delivery = match fault {
            Some(Fault::LostAnswer) if self.random.bool() => Delivery::Nothing,
            Some(Fault::LostAnswer) => Delivery::BrokenOff,
            _ => Delivery::Whole,
        };
        let (status, body) = match outcome {
            Ok(inner) => (200, xml::answer(&action, &request_id, &inner)),
            Err((status, code, message)) => (status, xml::error(&code, &message, &request_id)),
        };
        Answer { status, body, request_id, delivery }
    }

    /// Credentials, region, denied networks, throttling.
    fn refusal(
        &mut self,
        authorization: &str,
        action: &str,
        params: &Params,
    ) -> Option<(u16, String, String)> {
        let deny = |status, code: &str, message: &str| Some((status, code.to_owned(), message.to_owned()));
        if authorization.is_empty() {
            return deny(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
        }
        let region = authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').nth(2));
        if region.is_some_and(|region| region != self.settings.region) {
            return deny(401, "AuthFailure", "AWS was not able to validate the provided access credentials");
        }
        let vpcs =
            params.filters().into_iter().filter(|(name, _)| name == "vpc-id").flat_map(|(_, values)| values);
        if vpcs.into_iter().any(|vpc| self.faults.denied.contains(&vpc)) {
            return deny(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
        }
        if self.settings.throttle {
            let unbounded = params.filters().is_empty() && params.get("MaxResults").is_none();
            let (capacity, refill) = published(action, unbounded);
            // Whole reads have a bucket of their own.
            let key = if action.starts_with("Describe") && capacity < 100.0 {
                format!("{action} of all")
            } else {
                action.to_owned()
            };
            let share = self.settings.bucket_share;
            if !self.buckets.take(&key, (capacity * share).max(1.0), refill * share, self.now_ms) {
                return deny(503, "RequestLimitExceeded", "Request limit exceeded.");
            }
        }
        None
    }
}

/// A request for the call log.
fn shortened(body: &[u8]) -> String {
    const BYTES_MAX: usize = 300;
    String::from_utf8_lossy(body.get(..BYTES_MAX).unwrap_or(body)).into_owned()
}

/// Capacity and refill per second of an action's bucket (`providers.md` 1.1).
fn published(action: &str, unbounded: bool) -> (f64, f64) {
    const WHOLE: [&str; 3] = ["DescribeSecurityGroups", "DescribeNetworkInterfaces", "DescribeInstances"];
    match action {
        _ if unbounded && WHOLE.contains(&action) => (50.0, 10.0),
        _ if action.starts_with("Describe") => (100.0, 20.0),
        "CreateTags" | "DeleteTags" => (100.0, 10.0),
        "ModifyNetworkInterfaceAttribute" | "CreateNetworkInterface" => (100.0, 5.0),
        "RunInstances" => (5.0, 2.0),
        _ => (50.0, 5.0),
    }
}

/// The front of a world: cheap to clone, usable in-process and over HTTP.
#[derive(Clone)]
pub struct Ec2Front {
    world: Arc<Mutex<World>>,
}

impl Ec2Front {
    /// A front on a world.
    pub fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// The world, for stepping, seeding and looking.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request: the `Authorization` header and the form-encoded body.
    pub fn handle(&self, authorization: &str, body: &[u8]) -> Answer {
        self.world().answer(authorization, body)
    }
}
