//! What people read on standard error. Standard output contains only results and records.

use std::io::{Write as _, stderr};
use std::sync::OnceLock;

use super::exit::Exit;

/// How much a command tells people besides its results and errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verbosity {
    Quiet,
    #[default]
    Usual,
    Verbose,
}

static VERBOSITY: OnceLock<Verbosity> = OnceLock::new();

/// Sets the verbosity of this process. Only the first call counts.
pub(super) fn set_verbosity(verbosity: Verbosity) {
    VERBOSITY.get_or_init(|| verbosity);
}

pub(super) fn verbosity() -> Verbosity {
    VERBOSITY.get().copied().unwrap_or_default()
}

/// Prints a remark, which `--quiet` leaves out.
macro_rules! say {
    ($($text:tt)+) => { $crate::cli::terminal::remark(&format!($($text)+)) };
}

pub(super) fn remark(text: &str) {
    if verbosity() > Verbosity::Quiet {
        complain(text);
    }
}

/// Prints an error or a warning. If standard error is closed, there is no place left to report that.
pub(super) fn complain(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Prints the last lines of a command: a remark if it is done, and otherwise what a person has to act on.
pub(super) fn conclude(exit: Exit, text: &str) {
    if exit == Exit::Done { remark(text) } else { complain(text) }
}

/// Whether standard output takes colours.
pub(super) fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
