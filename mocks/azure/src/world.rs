//! The simulated subscription: API state, operations, data plane, faults, time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ipnet::IpNet;
use mock_cloud::{CallLog, Faults};
use serde_json::Value;

use crate::error::ArmError;
use crate::operations::Operations;
use crate::path::Kind;
use crate::plane::Plane;
use crate::requests::Request;
use crate::resources::Limits;
use crate::schema::Complaint;
use crate::state::State;
use crate::throttle::Throttle;

/// How a simulation starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A guid.
    pub subscription: String,
    /// Guids of further subscriptions of the tenant.
    pub more_subscriptions: Vec<String>,
    /// Management groups by name, each with the guids of the subscriptions below it, at any depth.
    pub management_groups: BTreeMap<String, Vec<String>>,
    /// Such as `westeurope`.
    pub location: String,
    /// Everything random comes from it.
    pub seed: u64,
    /// The shortest and longest time in which a change reaches an interface, in milliseconds.
    pub delay_ms: (u64, u64),
    /// The quotas.
    pub limits: Limits,
    /// Whether the published limits of calls are enforced.
    pub throttle: bool,
    /// How long every call of a client takes, in milliseconds of virtual time.
    pub call_ms: u64,
    /// How long an operation runs, in milliseconds of virtual time.
    pub operation_ms: u64,
    /// What `Retry-After` says about operations, in seconds; the real cloud often says nothing.
    pub retry_after_s: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            subscription: "11111111-2222-4333-8444-555555555555".to_owned(),
            more_subscriptions: Vec::new(),
            management_groups: BTreeMap::new(),
            location: "westeurope".to_owned(),
            seed: 1,
            delay_ms: (50, 4000),
            limits: Limits::default(),
            throttle: true,
            call_ms: 20,
            operation_ms: 400,
            retry_after_s: Some(1),
        }
    }
}

impl Settings {
    /// The guids of all subscriptions.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.subscription).chain(&self.more_subscriptions)
    }
}

/// Everything that a simulation holds. Time moves by [`World::advance_ms`] and by `call_ms` with every call.
pub struct World {
    /// How it started.
    pub settings: Settings,
    /// What the API knows.
    pub state: State,
    /// What interfaces have heard of.
    pub plane: Plane,
    /// What may go wrong.
    pub faults: Faults,
    /// Every call.
    pub calls: CallLog,
    /// Fields that clients wrote and the cloud's schema does not let them.
    pub complaints: BTreeSet<Complaint>,
    /// The blocks of service tags, such as `Storage.WestEurope`; the built-in ones need none.
    pub service_tags: BTreeMap<String, Vec<IpNet>>,
    pub(crate) operations: Operations,
    pub(crate) throttle: Throttle,
    pub(crate) random: fastrand::Rng,
    failures: Vec<Failure>,
    now_ms: u64,
    past: VecDeque<(u64, State)>,
}

/// An operation that is planned to fail.
#[derive(Clone, Debug)]
struct Failure {
    action: String,
    /// How many are still to come, from 1.
    left: u64,
    code: String,
    message: String,
}

impl World {
    /// An empty subscription.
    pub fn new(settings: Settings) -> Self {
        Self {
            state: State::default(),
            plane: Plane::new(settings.seed, settings.delay_ms),
            faults: Faults::default(),
            calls: CallLog::default(),
            complaints: BTreeSet::new(),
            service_tags: BTreeMap::new(),
            operations: Operations::default(),
            throttle: Throttle::default(),
            random: fastrand::Rng::with_seed(settings.seed),
            failures: Vec::new(),
            now_ms: 0,
            past: VecDeque::new(),
            settings,
        }
    }

    /// Virtual time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Moves time; operations whose end has come end.
    pub fn advance_ms(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        // Each operation ends at its own time: what it does then reaches interfaces from there on.
        while let Some(end) = self.operations.next_end_ms().filter(|end| *end <= until) {
            self.now_ms = self.now_ms.max(end);
            self.settle();
        }
        self.now_ms = until;
    }

    /// The next time at which some interface sees something new or an operation ends: what a step-by-step test
    /// moves to.
    pub fn next_change_ms(&self) -> Option<u64> {
        let seen = self.plane.next_change(&self.state, self.now_ms);
        let ends = self.operations.next_end_ms().filter(|end| *end > self.now_ms);
        seen.into_iter().chain(ends).min()
    }

    /// When an interface (by its key) hears of something that matters to it, from a time on, sorted. Between these
    /// moments [`World::allows_at`] does not change for packets whose ends are asked.
    pub fn moments(&self, interface: &str, from_ms: u64) -> Vec<u64> {
        self.plane.moments(&self.state, interface, from_ms).into_iter().collect()
    }

    /// Whether every change has reached every interface and no operation is under way.
    pub fn is_settled(&self) -> bool {
        self.plane.delays.is_settled(self.now_ms) && self.operations.next_end_ms().is_none()
    }

    /// Performs a request as somebody who is never throttled, meets no fault and waits for nobody: for seeding and
    /// for drift. The path needs no `api-version`; `/subscriptions/…` may be left out before `/resourceGroups`.
    ///
    /// # Errors
    /// As the real cloud.
    pub fn perform(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, ArmError> {
        let whole = if path.to_lowercase().starts_with("/resourcegroups") {
            format!("/subscriptions/{}{path}", self.settings.subscription)
        } else {
            path.to_owned()
        };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::parse(method, &whole, &bytes)?.privileged();
        let reply = self.run(&request)?;
        self.settle();
        // What was written is shown as it is once the operation has ended.
        if matches!(method, "PUT" | "PATCH") {
            let read = Request::parse("GET", &whole, &[])?.privileged();
            return self.run(&read).map(|reply| reply.body);
        }
        Ok(reply.body)
    }

    /// Plans the n-th operation (from 1, counted from now) of an action to fail. An action is a method and a type,
    /// such as `PUT networkSecurityGroups/securityRules`.
    pub fn fail_operation(&mut self, action: &str, nth: u64, code: &str, message: &str) {
        self.failures.push(Failure {
            action: action.to_owned(),
            left: nth.max(1),
            code: code.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Counts an operation against the planned failures.
    pub(crate) fn next_failure(&mut self, action: &str) -> Option<(String, String)> {
        for failure in self.failures.iter_mut().filter(|failure| failure.action == action) {
            failure.left -= 1;
        }
        let at = self.failures.iter().position(|failure| failure.left == 0)?;
        let failure = self.failures.remove(at);
        Some((failure.code, failure.message))
    }

    /// Ends the operations whose time has come.
    pub(crate) fn settle(&mut self) {
        for (owner, kind) in self.operations.settle(&mut self.state, self.now_ms) {
            self.plane.sync(&self.state, &owner, kind, self.now_ms);
        }
    }

    /// What interfaces are told about a resource.
    pub(crate) fn sync(&mut self, owner: &str, kind: Kind) {
        self.plane.sync(&self.state, owner, kind, self.now_ms);
    }

    /// Keeps the state as it is for stale reads, before a write.
    pub(crate) fn remember(&mut self) {
        if self.faults.stale_ms == 0 {
            return;
        }
        self.past.push_back((self.now_ms, self.state.clone()));
        while self.past.len() > 1
            && self.past.front().is_some_and(|(at, _)| at + self.faults.stale_ms < self.now_ms)
        {
            self.past.pop_front();
        }
    }

    /// A state to read from: with stale reads, one from before recent writes. How far back is drawn from the seed.
    pub(crate) fn read_state(&mut self) -> Option<State> {
        if self.faults.stale_ms == 0 {
            return None;
        }
        let since = self.now_ms;
        let recent: Vec<&State> = self
            .past
            .iter()
            .filter(|(at, _)| at + self.faults.stale_ms > since)
            .map(|(_, state)| state)
            .collect();
        let pick = self.random.usize(0..=recent.len());
        recent.get(pick).map(|state| (*state).clone())
    }
}
