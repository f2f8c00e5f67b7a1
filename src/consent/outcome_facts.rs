//! The kinds of facts that [`super::Outcome::facts`] lists for every outcome.

use serde::Serialize;

use super::owner::Owner;

/// How a ticket system treats an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A person has to act: open a ticket.
    Open,
    /// Add a line to an open ticket.
    Update,
    /// Done: close the ticket.
    Close,
}

impl Severity {
    /// The severity of an event that may open no ticket.
    pub(crate) fn at_most_update(self) -> Self {
        match self {
            Self::Open => Self::Update,
            Self::Update | Self::Close => self,
        }
    }
}

/// How long after the callback another check can change an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CanChange {
    /// No check changes it.
    Never,
    /// While a replica may lag: [`super::outcome::PROVISIONAL`].
    TwentyMinutes,
    /// Until [`super::outcome::GIVE_UP`].
    ADay,
}

/// The kind of answer for the browser. `web` maps it to an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// The answer has a result.
    Concluded,
    /// Another person or Microsoft still has to act.
    Waiting,
    /// The request has no readable ticket.
    Unreadable,
    /// The callback contradicts its ticket.
    Conflict,
    /// The link does not work any more.
    Gone,
    /// We or Microsoft caused the failure.
    Unavailable,
}

/// The appearance of an outcome, the least urgent first. `Alarm` only means a permission that the operator forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Done.
    Good,
    /// Done, as far as we can see.
    Partly,
    /// The reader can start.
    Start,
    /// Something needs the reader's attention.
    Act,
    /// The operator or this service has to act.
    Ours,
    /// The reader has to wait.
    Wait,
    /// A note without an outcome.
    Note,
    /// The app has a forbidden permission.
    Alarm,
}

impl Tone {
    /// The class in the style sheets.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partly => "partly",
            Self::Start => "start",
            Self::Act => "act",
            Self::Ours => "ours",
            Self::Wait => "wait",
            Self::Note => "note",
            Self::Alarm => "alarm",
        }
    }
}

/// How much of a tenant-wide approval Microsoft showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approval {
    /// Every required permission.
    Complete,
    /// Some required permissions.
    InPart,
    /// As much as our rights let us see.
    AsFarAsVisible,
    /// None so far.
    NotSeen,
    /// None, and a request for it is open.
    Requested,
    /// None any more.
    Withdrawn,
    /// The tenant disabled the app, so an approval does not count.
    SwitchedOff,
    /// The check showed nothing about it.
    Unknown,
}

/// The facts of an outcome, the same on every page and channel. Texts are keyed by the outcome's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeFacts {
    /// Decides what a ticket system does.
    pub(crate) severity: Severity,
    /// Who has to act next.
    pub owner: Owner,
    /// How long after the callback another check can change it.
    pub(crate) can_change: CanChange,
    /// Decides the HTTP status.
    pub(crate) answer: AnswerKind,
    /// Decides how pages show it.
    pub(crate) tone: Tone,
    /// How much of the approval Microsoft showed.
    pub(crate) approval: Approval,
    /// Whether an approval at Microsoft, the first or another one, can still help.
    pub(crate) approving_helps: bool,
}
