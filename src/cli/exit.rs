//! Exit statuses, the same for every command. Scripts branch on them, so none changes its meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, and nothing is left for anybody to do.
    Done,
    /// It could not be done: a key, the network, a file.
    Failed,
    /// It was used or configured wrongly; nothing was done.
    Usage,
    /// It was done, and something needs somebody: rows that are wrong, tenants that are not granted, a finding of `doctor`.
    Attention,
    /// Stopped by Ctrl-C; what was done is kept, and `--resume` goes on where that is offered.
    Interrupted,
}

impl Exit {
    /// All of them, for the help.
    pub(super) const ALL: [Self; 5] = [Self::Done, Self::Failed, Self::Usage, Self::Attention, Self::Interrupted];

    /// The status that a shell sees.
    pub(super) const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Attention => 3,
            Self::Interrupted => 130,
        }
    }

    /// What it means, for the help.
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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
