//! Exit statuses, the same for every command. Scripts branch on them, so their meaning is stable.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// The command is done, and no action is left.
    Done,
    /// The command failed because of a key, the network or a file.
    Failed,
    /// The usage or the configuration is wrong, and the command did nothing.
    Usage,
    /// The command is done, but a person needs to act: on faulty rows, on tenants that are not granted, or on a finding of `doctor`.
    Attention,
    /// Ctrl-C stopped the command. It kept the results so far, and `--resume` continues if the command has this flag.
    Interrupted,
}

impl Exit {
    /// All exit statuses, for the help text.
    pub(super) const ALL: [Self; 5] = [Self::Done, Self::Failed, Self::Usage, Self::Attention, Self::Interrupted];

    /// The number that a shell sees.
    pub(super) const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Attention => 3,
            Self::Interrupted => 130,
        }
    }

    /// The explanation in the help text.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, and no action is left",
            Self::Failed => "it could not be done: a key, the network, a file",
            Self::Usage => "used or configured wrongly; nothing was done",
            Self::Attention => "done, and a person has to act",
            Self::Interrupted => "stopped by Ctrl-C; what was done is kept",
        }
    }
}

/// Why a command ended without its result.
#[derive(Debug)]
pub(super) struct CommandError {
    /// What is wrong. Further lines give the reasons.
    pub(super) message: String,
    /// What a person can do: a command, or a step in words.
    pub(super) remedy: String,
    pub(super) exit: Exit,
}

impl CommandError {
    /// The same error with another exit status.
    pub(super) fn ending(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }
}

/// The remedy for a fault whose cause `doctor` finds.
pub(super) const DOCTOR: &str = "entra-consent doctor";
/// The remedy for a fault of a process that has no further explanation.
pub(super) const VERBOSE: &str = "the same command with --verbose, which shows the log";

/// The command line or the configuration is wrong.
pub(super) fn usage(message: impl ToString, remedy: impl ToString) -> CommandError {
    CommandError { message: message.to_string(), remedy: remedy.to_string(), exit: Exit::Usage }
}

/// A key, the network or a file prevented the result.
pub(super) fn failed(message: impl ToString, remedy: impl ToString) -> CommandError {
    CommandError { exit: Exit::Failed, ..usage(message, remedy) }
}

/// A file prevented the result.
pub(super) fn unusable(name: impl Display, error: &io::Error) -> CommandError {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "check the name of the file and its folder",
        io::ErrorKind::AlreadyExists => "name another one",
        io::ErrorKind::PermissionDenied => "check who may read and write it",
        io::ErrorKind::StorageFull => "free space on the disk",
        _ => "check that it is a file, and that its disk works",
    };
    failed(format!("{name}: {error}"), remedy)
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        match error.problems() {
            [problem] => usage(problem.fault(), &problem.remedy),
            problems => {
                usage(format!("The configuration has {} faults:\n{error}", problems.len()), "correct them, then entra-consent doctor")
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
