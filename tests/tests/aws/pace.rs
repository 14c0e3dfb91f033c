//! Calls at the speed that the cloud allows, beside others who use the same account.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mock_aws::Settings;
use mock_cloud::Buckets;
use plan::StepAction;
use provider::{Clock, CloudReader, ErrorKind};
use provider_aws::pace::{Pace, predict_ms, published};
use provider_aws::{AwsReader, AwsWriter, Ec2};

use crate::cloud::{Cloud, step};

const ACTION: &str = "AuthorizeSecurityGroupIngress";
const CALLS: u32 = 600;
const WORKERS: usize = 8;
/// After which a run is given up.
const TOO_LONG_MS: u64 = 3_600_000;

/// The runtime's own time, which tests pause.
struct RuntimeClock(tokio::time::Instant);

#[async_trait]
impl Clock for RuntimeClock {
    fn now_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Somebody who takes a part of the bucket, so many calls at once.
#[derive(Clone, Copy)]
struct Stranger {
    part: f64,
    burst: u32,
}

/// Sends [`CALLS`] calls, eight at a time, beside a stranger. Answers how long it took in milliseconds, and how many
/// calls were throttled.
async fn run_beside(share: f64, Stranger { part, burst }: Stranger) -> (u64, u32) {
    let clock: Arc<dyn Clock> = Arc::new(RuntimeClock(tokio::time::Instant::now()));
    let pace = Arc::new(Pace::new(clock.clone(), share));
    let cloud = Arc::new(Mutex::new(Buckets::default()));
    let (left, throttled) = (Arc::new(AtomicU32::new(CALLS)), Arc::new(AtomicU32::new(0)));
    let (capacity, refill) = published(ACTION);
    let (stranger, strangers_clock) = (cloud.clone(), clock.clone());
    let stranger = tokio::spawn(async move {
        if part <= 0.0 {
            return;
        }
        loop {
            for _ in 0..burst {
                stranger.lock().unwrap().take(ACTION, capacity, refill, strangers_clock.now_ms());
            }
            tokio::time::sleep(Duration::from_secs_f64(f64::from(burst) / (refill * part))).await;
        }
    });
    let workers = (0..WORKERS).map(|_| {
        let (pace, cloud, clock) = (pace.clone(), cloud.clone(), clock.clone());
        let (left, throttled) = (left.clone(), throttled.clone());
        tokio::spawn(async move {
            while left.load(Ordering::SeqCst) > 0 && clock.now_ms() < TOO_LONG_MS {
                let token = pace.wait(ACTION).await;
                // On the way there and back.
                tokio::time::sleep(Duration::from_millis(40)).await;
                let passes = cloud.lock().unwrap().take(ACTION, capacity, refill, clock.now_ms());
                tokio::time::sleep(Duration::from_millis(40)).await;
                pace.answered(ACTION, !passes, token);
                if passes {
                    let _ = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
                } else {
                    throttled.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    stranger.abort();
    (clock.now_ms(), throttled.load(Ordering::SeqCst))
}

fn predicted(share: f64) -> u64 {
    predict_ms(&BTreeMap::from([(ACTION.to_owned(), CALLS)]), share)
}

#[tokio::test(start_paused = true)]
async fn alone_it_takes_as_long_as_predicted() {
    for share in [0.25, 0.5, 1.0] {
        let (took, throttled) = run_beside(share, Stranger { part: 0.0, burst: 0 }).await;
        let off = took.abs_diff(predicted(share)) as f64 / predicted(share) as f64;
        assert!(off < 0.05 && throttled == 0, "share {share}: {took} ms, {throttled} throttled");
    }
}

#[tokio::test(start_paused = true)]
async fn beside_somebody_who_takes_half_of_the_bucket_half_is_had() {
    let steady = Stranger { part: 0.5, burst: 1 };
    let (took, throttled) = run_beside(0.5, steady).await;
    let half = predicted(0.5);
    let off = took.abs_diff(half) as f64 / half as f64;
    assert!(off < 0.05 && throttled == 0, "our half: {took} ms, {throttled} throttled");
    // Only half is there and all is asked for, or the bucket is emptied at once: found out at the price of few calls.
    let bursts = Stranger { part: 0.5, burst: 50 };
    for (share, stranger) in [(1.0, steady), (0.5, bursts), (1.0, bursts)] {
        let (took, throttled) = run_beside(share, stranger).await;
        let text = format!("{share} beside bursts of {}: {took} ms, {throttled} throttled", stranger.burst);
        println!("{text}; half of the bucket takes {half} ms");
        assert!(took < half * 3 / 2 && throttled < CALLS / 10, "{text}");
    }
}

/// A clock whose waits never end.
struct Stuck;

#[async_trait]
impl Clock for Stuck {
    fn now_ms(&self) -> u64 {
        0
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

fn stuck(cloud: &Cloud) -> Ec2 {
    Ec2::at_endpoint(&cloud.endpoint, &cloud.settings, &cloud.scope, Arc::new(Stuck))
}

#[tokio::test]
async fn calls_that_wait_for_one_bucket_keep_nobody_from_another() {
    let mut cloud = Cloud::with_a_network(1).await;
    cloud.ours("ours", 1).await;
    let observed = cloud.observe().await;
    // One call of each action, and no more.
    cloud.settings.share = 0.01;
    cloud.settings.connections = Default::default();
    let ec2 = stuck(&cloud);
    let mark = step(&cloud.scope, StepAction::Mark { group: cloud.id("ours").as_str().into() });
    let mut waiting = Vec::new();
    for _ in 0..12 {
        let (writer, scope) = (AwsWriter::new(ec2.clone(), cloud.settings.clone()), cloud.scope.clone());
        let (mark, observed) = (mark.clone(), observed.clone());
        waiting.push(tokio::spawn(async move {
            use provider::CloudWriter;
            writer.apply(&scope, &mark, &[observed], &BTreeMap::new()).await.map(drop)
        }));
    }
    while !waiting.iter().any(tokio::task::JoinHandle::is_finished) {
        tokio::task::yield_now().await;
    }
    let reader = AwsReader::new(ec2, cloud.settings.clone());
    let read = tokio::time::timeout(Duration::from_secs(20), reader.observe(&cloud.scope)).await;
    assert!(read.expect("the read waits behind calls that wait for a token").is_ok());
    assert_eq!(waiting.iter().filter(|task| task.is_finished()).count(), 1);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn two_connections_to_one_account_are_paced_as_one() {
    let settings = Settings { throttle: true, ..Settings::default() };
    let mut cloud = Cloud::start(settings).await;
    cloud.settings.share = 1.0;
    let reads = |cloud: &Cloud| {
        let (mut throttled, mut made) = (0, 0);
        for call in cloud.front.world().calls.all().iter().filter(|call| call.action == "DescribeVpcs") {
            made += 1;
            throttled += usize::from(call.outcome != "ok");
        }
        (made, throttled)
    };
    // Two scopes of one account: more reads than the bucket of 100 holds.
    let (one, other) = (cloud.reader(), cloud.reader());
    for _ in 0..75 {
        one.observe(&cloud.scope).await.unwrap();
        other.observe(&cloud.scope).await.unwrap();
    }
    assert_eq!(reads(&cloud), (150, 0));
    // The same without anything shared: each believes to have the whole bucket.
    let mut cloud = Cloud::start(Settings { throttle: true, ..Settings::default() }).await;
    cloud.settings.share = 1.0;
    let one = cloud.reader();
    cloud.settings.connections = Default::default();
    let other = cloud.reader();
    let mut kinds = Vec::new();
    for _ in 0..75 {
        kinds.extend(one.observe(&cloud.scope).await.err().map(|error| error.kind));
        kinds.extend(other.observe(&cloud.scope).await.err().map(|error| error.kind));
    }
    assert!(kinds.contains(&ErrorKind::Throttled), "{:?}", reads(&cloud));
}
