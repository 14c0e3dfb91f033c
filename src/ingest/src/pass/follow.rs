//! Passes until somebody says stop.

use std::sync::Arc;
use std::time::Duration;

use provider::FlowSource;
use tokio::sync::watch;

use super::{Gauge, Intake, Limits, Pass, Report};
use crate::store::{Retention, StoreError, Writer};

/// How often the lock is renewed while nothing is done.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// Passes between two looks at what can be compacted.
const COMPACT_EVERY: u32 = 10;

/// How to follow.
#[derive(Clone, Debug)]
pub struct Follow {
    /// From the end of a pass to the start of the next.
    pub period: Duration,
    /// Bounds of a pass.
    pub limits: Limits,
    /// What is merged and what goes.
    pub retention: Retention,
}

/// Reads what comes until `stop` becomes true; `each` sees how every pass went.
///
/// # Errors
/// Only what no later pass can mend: the store was taken over, is of a later format, or is damaged.
pub async fn follow(
    sources: &[Arc<dyn FlowSource>],
    writer: &mut Writer,
    intake: &mut impl Intake,
    options: &Follow,
    gauge: Arc<Gauge>,
    mut stop: watch::Receiver<bool>,
    mut each: impl FnMut(&Report),
) -> Result<(), StoreError> {
    let mut passes: u32 = 0;
    while !*stop.borrow() {
        let limits = options.limits;
        let mut pass =
            Pass { sources, writer: &mut *writer, limits, gauge: gauge.clone(), stop: stop.clone() };
        let report = pass.run(intake).await;
        each(&report);
        if let Some(error) = report.error {
            survive(error)?;
        } else if passes.is_multiple_of(COMPACT_EVERY)
            && let Err(error) = writer.compact(&options.retention).await
        {
            tracing::warn!(%error, "the flow store could not be compacted");
            survive(error)?;
        }
        passes = passes.wrapping_add(1);
        wait(writer, options.period, &mut stop).await?;
    }
    Ok(())
}

/// A full disk, a bucket that fails: the next pass tries again.
fn survive(error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Place(_) | StoreError::Changed { .. } => Ok(()),
        error => Err(error),
    }
}

async fn wait(
    writer: &mut Writer,
    period: Duration,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let end = tokio::time::Instant::now() + period;
    loop {
        let now = tokio::time::Instant::now();
        if now >= end || *stop.borrow() {
            return Ok(());
        }
        let step = (end - now).min(KEEP_EVERY);
        if tokio::time::timeout(step, stop.changed()).await.is_ok_and(|changed| changed.is_err()) {
            // Nobody can say stop any more: then only time counts.
            tokio::time::sleep(step).await;
        }
        writer.keep().await.or_else(survive)?;
    }
}
