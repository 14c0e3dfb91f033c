//! Against ordinary reads of random clouds: the same is found by the same calls, whatever changed in between.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use plan::NetworkState;
use policy::NetworkId;

use super::*;
use crate::ErrorKind;

impl Call for u32 {
    fn key(&self) -> String {
        self.to_string()
    }
}

/// Answers by number; an answer names what to ask next, and some are refused.
#[derive(Clone, Default)]
struct Cloud {
    pages: BTreeMap<u32, Result<Vec<u32>, &'static str>>,
    calls: Arc<Mutex<Vec<u32>>>,
}

impl Cloud {
    fn random(random: &mut fastrand::Rng) -> Self {
        let mut cloud = Self::default();
        for page in 0..12 {
            cloud.change(random, page);
        }
        cloud
    }

    /// Gives a page other words and other followers, all with higher numbers.
    fn change(&mut self, random: &mut fastrand::Rng, page: u32) {
        let mut followers: Vec<u32> = (page + 1..12).filter(|_| random.u8(..) < 60).collect();
        followers.push(random.u32(1000..1003));
        let refusal = if random.bool() { "no" } else { "not now" };
        let is_refused = page > 0 && random.u8(..) < 40;
        self.pages.insert(page, if is_refused { Err(refusal) } else { Ok(followers) });
    }

    async fn answer(&self, page: u32) -> Outcome<Vec<u8>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(page);
        for _ in 0..page % 3 {
            tokio::task::yield_now().await;
        }
        match &self.pages[&page] {
            Ok(followers) => Ok(followers.iter().flat_map(|page| page.to_be_bytes()).collect()),
            Err(refusal) => Err(ProviderError::new(ErrorKind::Denied, "ask", *refusal)),
        }
    }

    fn made(&self) -> Vec<u32> {
        let mut made = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        made.sort_unstable();
        made
    }
}

/// Reads a page and all that follow, those of one page at a time; refusals are part of what is found.
fn text<'a>(
    cloud: &'a Cloud,
    tape: &'a Tape<u32, Vec<u8>>,
    page: u32,
) -> Pin<Box<dyn Future<Output = String> + 'a>> {
    Box::pin(async move {
        let found = match tape.call(page, |page| cloud.answer(page)).await {
            Ok(found) => found,
            Err(error) => return format!("{page}: {error}"),
        };
        let followers: Vec<u32> =
            found.as_chunks().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
        let below = followers.iter().filter(|page| **page < 1000).map(|page| text(cloud, tape, *page));
        let below = futures_util::future::join_all(below).await;
        format!("{page}: {followers:?} [{}]", below.join(", "))
    })
}

fn scope() -> Scope {
    Scope {
        id: "s".into(),
        cloud: plan::Cloud::Aws,
        account: String::new(),
        region: String::new(),
        networks: Vec::new(),
        enforce: false,
        egress: false,
        attachment: plan::Attachment::Additive,
        drift: plan::Drift::Repair,
        settle_ms: 0,
        transients: plan::Transients::Keep,
        gates: plan::Gates::default(),
    }
}

fn observed(text: String) -> Observed {
    let network =
        NetworkState { id: NetworkId::from("n"), name: text, cidrs: Vec::new(), peerings: Vec::new() };
    Observed { networks: vec![network], ..Observed::default() }
}

/// Reads as a driver does; whether an ordinary read was needed.
async fn read(last: &LastReads<u32>, cloud: &Cloud, ordinary: &AtomicUsize) -> Observed {
    let scope = scope();
    match last.again(&scope, |page| cloud.answer(page)).await {
        Read::AsBefore(observed) => observed,
        Read::Anew(tape) => {
            ordinary.fetch_add(1, Ordering::SeqCst);
            let observed = observed(text(cloud, &tape, 0).await);
            last.keep(&scope, &tape, &observed);
            observed
        }
    }
}

#[tokio::test]
async fn a_read_again_finds_and_asks_what_an_ordinary_read_does() {
    let (mut changed, mut saved) = (0, 0);
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut cloud, last) = (Cloud::random(&mut random), LastReads::default());
        let ordinary = AtomicUsize::new(0);
        for _ in 0..6 {
            let before = ordinary.load(Ordering::SeqCst);
            let again = read(&last, &cloud, &ordinary).await;
            let made = cloud.made();
            let fresh = read(&LastReads::default(), &cloud, &AtomicUsize::new(0)).await;
            assert_eq!((again, made), (fresh, cloud.made()), "seed {seed}");
            changed += ordinary.load(Ordering::SeqCst) - before;
            saved += 1 - (ordinary.load(Ordering::SeqCst) - before);
            if random.bool() {
                let page = random.u32(0..12);
                cloud.change(&mut random, page);
            }
        }
    }
    assert!(changed > 800 && saved > 800, "{changed} ordinary reads, {saved} as before");
}

#[tokio::test]
async fn another_scope_or_other_settings_are_read_anew() {
    let mut random = fastrand::Rng::with_seed(1);
    let (cloud, last) = (Cloud::random(&mut random), LastReads::default());
    read(&last, &cloud, &AtomicUsize::new(0)).await;
    let is_known = async |scope: &Scope| {
        matches!(last.again(scope, |page| cloud.answer(page)).await, Read::<u32, Vec<u8>>::AsBefore(_))
    };
    assert!(is_known(&scope()).await);
    assert!(!is_known(&Scope { enforce: true, ..scope() }).await);
    assert!(!is_known(&Scope { id: "other".into(), ..scope() }).await);
}
