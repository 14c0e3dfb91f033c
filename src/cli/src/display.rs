//! What people see while something takes long, on standard error: a line for every step and wait, and at a terminal a
//! moving line below them that says what is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reconcile::applying::{Progress, StepOutcome, StepStatus};

/// How often the moving line is drawn again.
const TICK: Duration = Duration::from_millis(100);

/// The moving line and what it speaks of. Clones are one display; the default draws nothing.
#[derive(Clone)]
pub struct Display {
    bar: ProgressBar,
    /// Numbered, the latest last.
    under_way: Arc<Mutex<Vec<(u64, String)>>>,
    /// The wait that the last call of [`Display::tell`] spoke of; over with the next thing that happens.
    wait: Arc<Mutex<Option<UnderWay>>>,
}

/// Something is under way until this is dropped.
#[must_use]
pub struct UnderWay {
    bar: ProgressBar,
    under_way: Arc<Mutex<Vec<(u64, String)>>>,
    number: u64,
}

impl Default for Display {
    fn default() -> Self {
        Self { bar: ProgressBar::hidden(), under_way: Arc::default(), wait: Arc::default() }
    }
}

impl Display {
    /// Draws if standard error is a terminal.
    pub fn on_terminal() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, ..Self::default() }
    }

    /// Says what is under way, as in `reading scope shop-eu`.
    pub fn begin(&self, what: String) -> UnderWay {
        self.end_wait();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let number = under_way.last().map_or(0, |(number, _)| number + 1);
        under_way.push((number, what));
        draw(&self.bar, &under_way);
        UnderWay { bar: self.bar.clone(), under_way: self.under_way.clone(), number }
    }

    /// Tells of a step or a wait.
    pub fn tell(&self, progress: Progress<'_>) {
        self.end_wait();
        match progress {
            Progress::Writing(_) => {}
            Progress::Settling(wait) => {
                let text = format!("waiting {:.1} s until what was made has settled", wait.as_secs_f64());
                self.bar.suspend(|| anstream::eprintln!("      … {text}"));
                let wait = self.begin(text);
                *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = Some(wait);
            }
            Progress::Step(status) => self.bar.suspend(|| anstream::eprintln!("{}", step_line(status))),
        }
    }

    fn end_wait(&self) {
        let wait = self.wait.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(wait);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|(number, _)| *number != self.number);
        draw(&self.bar, &under_way);
    }
}

fn draw(bar: &ProgressBar, under_way: &[(u64, String)]) {
    if bar.is_hidden() {
        return;
    }
    match message(under_way) {
        Some(message) => {
            if bar.is_finished() {
                bar.reset();
            }
            bar.set_message(message);
            bar.enable_steady_tick(TICK);
        }
        None => {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
    }
}

fn message(under_way: &[(u64, String)]) -> Option<String> {
    let (_, latest) = under_way.last()?;
    Some(match under_way.len() {
        1 => latest.clone(),
        several => format!("{latest} and {} more", several - 1),
    })
}

fn step_line(status: &StepStatus) -> String {
    let number = status.id.0 + 1;
    let title = &status.title;
    match &status.outcome {
        StepOutcome::Done if status.calls.len() == 1 => format!("  {number:>3} done     {title} (1 call)"),
        StepOutcome::Done => format!("  {number:>3} done     {title} ({} calls)", status.calls.len()),
        StepOutcome::AlreadyTrue => format!("  {number:>3} already  {title}"),
        StepOutcome::Failed { error, hint } => format!("  {number:>3} FAILED   {title}: {error} {hint}"),
        StepOutcome::Unverified => format!("  {number:>3} UNSEEN   {title}: written, but not visible yet"),
        StepOutcome::Blocked { by } => format!("  {number:>3} blocked  {title}: waits for {by}"),
        StepOutcome::Stopped => format!("  {number:>3} stopped  {title}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_moving_line_says_the_latest_that_has_not_ended() {
        let display = Display::default();
        let check = |expected: Option<&str>| {
            assert_eq!(message(&display.under_way.lock().unwrap()).as_deref(), expected);
        };
        check(None);
        let first = display.begin("first".to_owned());
        let second = display.begin("second".to_owned());
        check(Some("second and 1 more"));
        drop(second);
        check(Some("first"));
        drop(first);
        display.tell(Progress::Settling(Duration::from_secs(1)));
        check(Some("waiting 1.0 s until what was made has settled"));
        let third = display.begin("third".to_owned());
        check(Some("third"));
        drop(third);
        check(None);
    }
}
