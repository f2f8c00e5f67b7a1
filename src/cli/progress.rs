//! How far a long command is, on standard error. Nothing where that is no terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it is redrawn at most.
const REDRAWN: Duration = Duration::from_millis(100);

/// A bar where the end is known, else a counter. Without colours. It goes when this is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    drawn: Instant,
}

impl Progress {
    /// Starts it; `total` in any unit that [`Self::at`] counts in.
    pub(super) fn new(total: Option<u64>) -> Self {
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(total, target);
        let template = if total.is_some() { "{bar:30} {percent:>3} %  {msg}  {eta} left" } else { "{spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("#>-").tick_chars("|/-\\ "));
        }
        Self { bar, drawn: Instant::now() }
    }

    /// Moves it. What `told` makes is asked for only when it is shown.
    pub(super) fn at(&mut self, position: u64, told: impl FnOnce() -> String) {
        if self.bar.is_hidden() || self.drawn.elapsed() < REDRAWN {
            return;
        }
        self.drawn = Instant::now();
        self.bar.set_message(told());
        self.bar.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
