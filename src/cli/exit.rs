//! Exit statuses, the same for every command. Scripts branch on them, so their meaning is stable.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, and nothing is left to do.
    Done,
    /// It could not be done, because of a key, the network or a file.
    Failed,
    /// Wrong usage or configuration; nothing was done.
    Usage,
    /// It was done, but a person needs to act: on faulty rows, on tenants that are not granted, on a finding of `doctor`.
    Attention,
    /// Ctrl-C stopped it. Results so far are kept, and `--resume` continues if the command has it.
    Interrupted,
}

impl Exit {
    /// All of them, for the help text.
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

    /// Its explanation in the help text.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, and nothing is left for anybody to do",
            Self::Failed => "it could not be done: a key, the network, a file",
            Self::Usage => "used or configured wrongly; nothing was done",
            Self::Attention => "done, and something needs somebody",
            Self::Interrupted => "stopped by Ctrl-C; what was done is kept",
        }
    }
}

/// Why a command ended without its result.
#[derive(Debug)]
pub(super) struct CommandError {
    /// For standard error.
    pub(super) message: String,
    pub(super) exit: Exit,
}

/// The command line or the configuration is wrong.
pub(super) fn usage(message: impl ToString) -> CommandError {
    CommandError { message: message.to_string(), exit: Exit::Usage }
}

/// A key, the network or a file prevented it.
pub(super) fn failed(message: impl ToString) -> CommandError {
    CommandError { message: message.to_string(), exit: Exit::Failed }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
