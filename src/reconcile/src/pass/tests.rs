//! The loop plans again when anything has changed, and only then.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use plan::guard::GuardSettings;
use plan::{Attachment, Cloud, Desired, Drift, FilterGraph, Gates, GroupState, Owner, Step, Transients};
use policy::file::{SourceFile, load};
use provider::{CallEstimate, ErrorKind, LowerInput, ProviderError};

use super::*;
use crate::mapping::Mapping;

/// A cloud that is always as it is wanted, and counts how often that is asked.
struct Quiet {
    observed: Mutex<Option<Observed>>,
    plans: AtomicUsize,
}

#[async_trait]
impl CloudReader for Quiet {
    async fn observe(&self, _: &Scope) -> Result<Observed, ProviderError> {
        let observed = self.observed.lock().ok().and_then(|observed| observed.clone());
        observed.ok_or_else(|| ProviderError::new(ErrorKind::Transient, "observe", "no answer"))
    }

    fn lower(&self, _: &LowerInput<'_>) -> Desired {
        self.plans.fetch_add(1, Ordering::SeqCst);
        Desired::default()
    }

    fn semantics(&self, _: &[&Observed]) -> FilterGraph {
        FilterGraph::default()
    }

    fn estimate(&self, _: &Scope, _: &Observed, _: &[Vec<&Step>]) -> CallEstimate {
        CallEstimate::default()
    }
}

struct NoTime;

#[async_trait]
impl Clock for NoTime {
    fn now_ms(&self) -> u64 {
        0
    }

    async fn sleep(&self, _: Duration) {}
}

fn scope() -> Scope {
    Scope {
        id: ScopeId::from("a"),
        cloud: Cloud::Aws,
        account: String::new(),
        region: String::new(),
        networks: Vec::new(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 0,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

fn intent(text: &str) -> Intent {
    let files = [SourceFile { name: "policy.yaml".to_owned(), text: text.to_owned() }];
    Intent {
        installation: "shop".to_owned(),
        files: load(&files).unwrap_or_default(),
        policy_digest: text.to_owned(),
        policy_commit: None,
        mapping: Mapping::default(),
        translations: Vec::new(),
        guards: GuardSettings::default(),
    }
}

fn observed(foreign: &[&str]) -> Observed {
    let group = |name: &&str| GroupState {
        id: (*name).into(),
        network: "vpc".into(),
        name: (*name).to_owned(),
        owner: Owner::Foreign,
        ingress: Vec::new(),
        egress: Vec::new(),
        tag_drift: BTreeMap::new(),
    };
    Observed {
        scope: Some(ScopeId::from("a")),
        groups: foreign.iter().map(group).collect(),
        ..Observed::default()
    }
}

/// How often passes planned: in each the world and the policy are what is said.
fn planned(passes: &[(Option<&[&str]>, &str)]) -> Vec<usize> {
    let reader = Quiet { observed: Mutex::default(), plans: AtomicUsize::new(0) };
    let scopes = [scope()];
    let stop = StopFlag::default();
    let pass = Pass {
        reader: &reader,
        writer: None,
        clock: &NoTime,
        scopes: &scopes,
        stop: stop.clone(),
        concurrent_max: 1,
        quiet_since_ms: None,
        progress: &|_| {},
        remember: &|_| {},
    };
    let counts = Mutex::new(Vec::new());
    let mut number = 0;
    let next = || {
        let (world, policy) = passes[number];
        number += 1;
        *reader.observed.lock().ok()? = world.map(observed);
        Some(intent(policy))
    };
    let after = |status: &PassStatus| {
        assert_eq!(status.held_back, Some(HeldBack::Nothing));
        let Ok(mut counts) = counts.lock() else { return };
        counts.push(reader.plans.load(Ordering::SeqCst));
        stop.store(counts.len() == passes.len(), Ordering::Relaxed);
    };
    futures_util::FutureExt::now_or_never(pass.run_loop(Duration::ZERO, None, next, after));
    counts.into_inner().unwrap_or_default()
}

#[test]
fn what_has_not_changed_is_not_planned_again() {
    let (one, two) = (Some(&["sg-1"][..]), Some(&["sg-1", "sg-2"][..]));
    // The first pass has nothing to remember yet, so that the second plans as well.
    assert_eq!(planned(&[(one, "a: "); 5]), [1, 2, 2, 2, 2]);
    let changing =
        [(one, ""), (one, ""), (one, ""), (two, ""), (two, ""), (one, "labels: { x: [y] }"), (one, "")];
    assert_eq!(planned(&changing), [1, 2, 2, 3, 3, 4, 5]);
    // A scope that cannot be read is not one without anything.
    let dark = [(one, ""), (one, ""), (one, ""), (None, ""), (one, ""), (one, "")];
    assert_eq!(planned(&dark), [1, 2, 2, 2, 3, 3]);
}
