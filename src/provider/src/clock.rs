//! Time as a capability, so that tests and the demo can wait without waiting.

use std::time::Duration;

use async_trait::async_trait;

/// Where waits happen: the wall clock, or a simulated one in tests and in the demo.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since some fixed moment.
    fn now_ms(&self) -> u64;
    /// Returns when the time has passed.
    async fn sleep(&self, duration: Duration);
}

/// The clock of the machine.
pub struct WallClock {
    start: std::time::Instant,
}

impl Default for WallClock {
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for WallClock {
    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
