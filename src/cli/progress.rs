//! Shows the progress of a long command on standard error, if standard error is a terminal.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::{Verbosity, verbosity};

/// Shortest time between two updates.
const REDRAWN: Duration = Duration::from_millis(100);

/// A bar if the total is known, otherwise a counter. It has no colours, and disappears from the terminal when it is dropped.
pub(super) struct RunProgress {
    bar: ProgressBar,
    drawn: Instant,
}

impl RunProgress {
    /// The progress of a run that reads a file. Positions are bytes.
    pub(super) fn of_file(path: &Path) -> Self {
        Self::new(std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|file| file.len()))
    }

    /// Starts at zero; `total` has the same unit as the positions of [`Self::at`].
    pub(super) fn new(total: Option<u64>) -> Self {
        let target = if verbosity() > Verbosity::Quiet { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = if total.is_some() { "{bar:30} {percent:>3} %  {msg}  {eta} left" } else { "{spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("#>-").tick_chars("|/-\\ "));
        }
        Self { bar, drawn: Instant::now() }
    }

    /// Moves to a position. Builds the text only if the update is shown.
    pub(super) fn at(&mut self, position: u64, text: impl FnOnce() -> String) {
        if self.bar.is_hidden() || self.drawn.elapsed() < REDRAWN {
            return;
        }
        self.drawn = Instant::now();
        self.bar.set_message(text());
        self.bar.set_position(position);
    }
}

impl Drop for RunProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
