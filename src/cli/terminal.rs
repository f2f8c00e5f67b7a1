//! What people read on standard error. Standard output contains only results and records.

use std::io::Write as _;
use std::sync::OnceLock;

use clap::builder::styling::AnsiColor;
use dialoguer::console::Term;

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

/// Prints an error or a warning. Styles are left out where standard error takes none. If standard error is closed, there is no place left to report that.
pub(super) fn complain(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Prints why a command ends without its result, and what a person can do.
pub(super) fn report(message: &str, remedy: &str) {
    let (red, green) = (AnsiColor::Red.on_default().bold(), AnsiColor::Green.on_default().bold());
    complain(&format!("{red}error:{red:#} {message}\n{green}try:{green:#} {remedy}"));
}

/// Prints the last lines of a command: a remark if it is done, and otherwise what a person has to act on.
pub(super) fn conclude(exit: Exit, text: &str) {
    if exit == Exit::Done { remark(text) } else { complain(text) }
}

/// The columns of the terminal, or what `COLUMNS` says. `None` if standard output is no terminal: then no line is wrapped.
pub(super) fn width() -> Option<u16> {
    let given = crate::config::environment("COLUMNS").and_then(|columns| columns.parse().ok());
    given.or_else(|| Term::stdout().size_checked().map(|(_, columns)| columns))
}

/// Whether standard output takes colours.
pub(super) fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
