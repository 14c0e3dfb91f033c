//! Waits that a stop ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use provider::Clock;

/// How long a stop may stay unheard.
const SLICE: Duration = Duration::from_millis(200);

/// Returns when the time has passed, or soon after a stop is asked for.
pub(crate) async fn wait_or_stop(clock: &dyn Clock, stop: &AtomicBool, time: Duration) {
    let mut left = time;
    while !left.is_zero() && !stop.load(Ordering::Relaxed) {
        let slice = left.min(SLICE);
        clock.sleep(slice).await;
        left -= slice;
    }
}
