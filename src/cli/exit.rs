//! Exit statuses, the same for every command. Scripts branch on them, so their meaning is stable.

use std::process::ExitCode;

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
    /// The message for standard error.
    pub(super) message: String,
    pub(super) exit: Exit,
}

/// The command line or the configuration is wrong.
pub(super) fn usage(message: impl ToString) -> CommandError {
    CommandError { message: message.to_string(), exit: Exit::Usage }
}

/// A key, the network or a file prevented the result.
pub(super) fn failed(message: impl ToString) -> CommandError {
    CommandError { message: message.to_string(), exit: Exit::Failed }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
