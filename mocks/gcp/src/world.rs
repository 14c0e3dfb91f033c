//! The simulated organisation: API state, operations, data plane, faults, time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ipnet::IpNet;
use mock_cloud::{CallLog, Faults};
use serde_json::Value;

use crate::error::GcpError;
use crate::limits::Limits;
use crate::operations::{Failure, Operations};
use crate::plane::Plane;
use crate::request::Request;
use crate::schema::Complaint;
use crate::state::{Project, State};
use crate::throttle::Throttle;

/// How a simulation starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The number of the organisation; 0 is none, as for a project of a private person.
    pub organization: u64,
    /// The id and number of the first project; others are created through Resource Manager.
    pub project: (String, u64),
    /// Regions; each has the zones `-a`, `-b` and `-c`.
    pub regions: Vec<String>,
    /// Whether the first project has the network `default` with its pre-made rules.
    pub default_network: bool,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            organization: 123_456_789_012,
            project: ("demo-project".to_owned(), 415_104_041_262),
            regions: ["asia-east1", "europe-west1", "us-central1"].map(str::to_owned).into(),
            default_network: true,
            seed: 1,
            delay_ms: (50, 4000),
            limits: Limits::default(),
            throttle: true,
            call_ms: 20,
            operation_ms: 400,
        }
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
    /// What clients sent and Google's schema does not let them.
    pub complaints: BTreeSet<Complaint>,
    /// The blocks of address groups, host names, region codes and threat lists; one that is missing has none.
    pub address_lists: BTreeMap<String, Vec<IpNet>>,
    /// What Cloud Logging holds.
    pub(crate) entries: Vec<Value>,
    pub(crate) operations: Operations,
    pub(crate) throttle: Throttle,
    pub(crate) random: fastrand::Rng,
    failures: Vec<PlannedFailure>,
    now_ms: u64,
    past: VecDeque<(u64, State)>,
}

/// An operation that is planned to fail.
#[derive(Clone, Debug)]
struct PlannedFailure {
    action: String,
    /// How many are still to come, from 1.
    left: u64,
    failure: Failure,
}

impl World {
    /// An organisation with one project.
    pub fn new(settings: Settings) -> Self {
        let (id, number) = settings.project.clone();
        let mut state = State::of(settings.organization);
        let project = Project {
            number,
            parent: match settings.organization {
                0 => String::new(),
                organization => format!("organizations/{organization}"),
            },
            labels: BTreeMap::new(),
            created_ms: 0,
            is_host: false,
            services: BTreeSet::new(),
        };
        state.projects.insert(id.clone(), project);
        let with_default = settings.default_network;
        let mut world = Self {
            state,
            plane: Plane::new(settings.seed, settings.delay_ms),
            faults: Faults::default(),
            calls: CallLog::default(),
            complaints: BTreeSet::new(),
            address_lists: BTreeMap::new(),
            entries: Vec::new(),
            operations: Operations::default(),
            throttle: Throttle::default(),
            random: fastrand::Rng::with_seed(settings.seed),
            failures: Vec::new(),
            now_ms: 0,
            past: VecDeque::new(),
            settings,
        };
        if with_default {
            world.make_default_network(&id);
        }
        world
    }

    /// Virtual time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Moves time; operations whose end has come are done.
    pub fn advance_ms(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// The next time at which some interface sees something new or an operation ends: what a step-by-step test
    /// moves to.
    pub fn next_change_ms(&self) -> Option<u64> {
        let seen = self.plane.next_change(&self.state, self.now_ms);
        seen.into_iter().chain(self.operations.next_end_ms(self.now_ms)).min()
    }

    /// When an interface (`projects/P/zones/Z/instances/I/nicN`) hears of something that matters to it, from a time
    /// on, sorted. Between these moments [`World::allows_at`] does not change for packets whose ends are asked.
    pub fn moments(&self, interface: &str, from_ms: u64) -> Vec<u64> {
        self.plane.moments(&self.state, interface, from_ms).into_iter().collect()
    }

    /// Whether every change has reached every interface and no operation is under way.
    pub fn is_settled(&self) -> bool {
        self.plane.is_settled(self.now_ms) && self.operations.next_end_ms(self.now_ms).is_none()
    }

    /// Performs a request as somebody who is never throttled, meets no fault and waits for nobody: for seeding and
    /// for drift. The path may leave out `/compute/v1`. A change answers with what it made or changed.
    ///
    /// # Errors
    /// As the real cloud.
    pub fn perform(&mut self, verb: &str, path: &str, body: &Value) -> Result<Value, GcpError> {
        let trimmed = path.trim_start_matches('/');
        let whole = match trimmed {
            inside if inside.starts_with("projects/") || inside.starts_with("locations/") => {
                format!("compute/v1/{inside}")
            }
            _ => trimmed.to_owned(),
        };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::parse(verb, &whole, "", "", &bytes)?.privileged();
        self.run(request).map(|reply| reply.body)
    }

    /// Plans the n-th operation (from 1, counted from now) of an action to fail at its end, without effect. An
    /// action is a method's id, such as `compute.firewalls.insert`.
    pub fn fail_operation(&mut self, action: &str, nth: u64, code: &str, message: &str, http: u16) {
        let failure = Failure { code: code.to_owned(), message: message.to_owned(), http };
        self.failures.push(PlannedFailure { action: action.to_owned(), left: nth.max(1), failure });
    }

    /// Whether the next operation of an action may be planned to fail.
    pub(crate) fn may_fail(&self, action: &str) -> bool {
        self.failures.iter().any(|planned| planned.action == action)
    }

    /// Counts an operation against the planned failures.
    pub(crate) fn next_failure(&mut self, action: &str) -> Option<Failure> {
        for planned in self.failures.iter_mut().filter(|planned| planned.action == action) {
            planned.left -= 1;
        }
        let at = self.failures.iter().position(|planned| planned.left == 0)?;
        Some(self.failures.remove(at).failure)
    }

    /// The zones of the simulation.
    pub fn zones(&self) -> impl Iterator<Item = String> {
        let regions = self.settings.regions.iter();
        regions.flat_map(|region| ["a", "b", "c"].map(|letter| format!("{region}-{letter}")))
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
    pub(crate) fn stale_state(&mut self) -> Option<State> {
        if self.faults.stale_ms == 0 {
            return None;
        }
        let recent = self.past.iter().filter(|(at, _)| at + self.faults.stale_ms > self.now_ms);
        let recent: Vec<&State> = recent.map(|(_, state)| state).collect();
        let pick = self.random.usize(0..=recent.len());
        recent.get(pick).map(|state| (*state).clone())
    }
}
