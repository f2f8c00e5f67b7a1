//! More exact words for an outcome: if its cause is known, or if the approval happens in another tab.

use serde::Serialize;

use super::text::{OUTCOMES, PageText};
use super::{Words, words};
use crate::consent::aadsts::{Entry, Obstacle};
use crate::consent::outcome::Tone;
use crate::consent::{Outcome, Owner};

/// The source of a code. The same code means different things in a callback and in an answer to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeFrom {
    /// The callback: the code is about the approval, and is a claim.
    Callback,
    /// The answer to our own check: the code is about the check.
    #[serde(rename = "look")]
    Check,
}

/// The facts known beyond the outcome.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Because<'a> {
    /// The entry in the table of codes, and the source of the code.
    pub(crate) entry: Option<(Entry, CodeFrom)>,
    /// The resource that the tenant lacks, or has switched off.
    pub(crate) missing_resource: Option<&'a str>,
    /// Microsoft refused our check for a reason that we do not know.
    pub(crate) is_check_refused: bool,
    /// Microsoft does not show the verifier yet.
    pub(crate) awaits_verifier: bool,
}

impl Because<'_> {
    /// The code's own sentence, if the code led to the outcome. An error claim appears only if we had nothing better to rely on, and never
    /// next to an approval that a check saw. A code of our check appears only if it has a meaning for a check: other sentences would be
    /// about a person's sign-in or approval.
    pub(crate) fn meaning(&self, outcome: Outcome) -> Option<(PageText<'static>, CodeFrom)> {
        let (entry, from) = self.entry?;
        let led_here = match from {
            CodeFrom::Callback => entry.class.name() == outcome.name(),
            CodeFrom::Check => !outcome.was_seen() && entry.token != Obstacle::UnknownRefusal,
        };
        led_here.then(|| (entry.admin(), from))
    }
}

/// The words for an outcome, more exact if its cause is known.
pub(crate) fn words_because(outcome: Outcome, because: Because<'_>) -> Words {
    let words = words(outcome);
    let is_switched_off = because.entry.is_some_and(|(entry, _)| matches!(entry.token, Obstacle::ResourceDisabled(_)));
    match outcome {
        Outcome::Disabled | Outcome::AppMisconfigured if because.missing_resource.is_some() && is_switched_off => {
            return Words {
                turn: Owner::Visitor,
                title: OUTCOMES.text("switched-off-title"),
                sentence: OUTCOMES.text("switched-off-sentence"),
                next: OUTCOMES.text("switched-off-next"),
                ..words
            };
        }
        Outcome::AppMisconfigured if because.missing_resource.is_some() => {
            return Words {
                turn: Owner::Visitor,
                tone: Tone::Act,
                title: OUTCOMES.text("missing-resource-title"),
                sentence: OUTCOMES.text("missing-resource-sentence"),
                next: OUTCOMES.text("missing-resource-next"),
                ..words
            };
        }
        Outcome::Unavailable if because.is_check_refused => {
            return Words {
                turn: Owner::Operator,
                title: OUTCOMES.text("check-refused-title"),
                sentence: OUTCOMES.text("check-refused-sentence"),
                next: OUTCOMES.text("check-refused-next"),
                tone: Tone::Ours,
                ..words
            };
        }
        Outcome::Pending if because.awaits_verifier => {
            return Words { title: OUTCOMES.text("awaits-verifier-title"), sentence: OUTCOMES.text("awaits-verifier-sentence"), ..words };
        }
        _ => {}
    }
    match because.entry {
        // Microsoft blocks the account, the app or the directory; no rule of the organisation is involved.
        Some((entry, _))
            if outcome == Outcome::BlockedByPolicy && because.meaning(outcome).is_some() && entry.token != Obstacle::BlockedByPolicy =>
        {
            Words {
                turn: entry.owner,
                title: OUTCOMES.text("blocked-by-microsoft-title"),
                sentence: OUTCOMES.text("blocked-by-microsoft-sentence"),
                next: entry.next(),
                ..words
            }
        }
        Some((_, CodeFrom::Check)) if outcome == Outcome::BlockedByPolicy => {
            Words { sentence: OUTCOMES.text("check-blocked-sentence"), next: OUTCOMES.text("check-blocked-next"), ..words }
        }
        // The words for a declined approval also separate it from a request, and those for an unknown outcome name the facts to send and
        // the recipient. The code's own sentence has neither.
        Some((entry, CodeFrom::Callback))
            if because.meaning(outcome).is_some()
                && outcome != Outcome::Declined
                && !(outcome == Outcome::Unknown && entry.owner == Owner::Operator) =>
        {
            Words { turn: entry.owner, next: entry.next(), hint: None, ..words }
        }
        _ => words,
    }
}

/// The words of the watch page: the approval happens in another tab, and Microsoft never redirects back from there.
pub(crate) fn watch_words(outcome: Outcome, because: Because<'_>) -> Words {
    let approve = OUTCOMES.text("watch-approve-next");
    let words = words_because(outcome, because);
    match outcome {
        Outcome::Pending => Words {
            tone: Tone::Act,
            turn: Owner::Visitor,
            title: OUTCOMES.text("watch-pending-title"),
            sentence: OUTCOMES.text(if because.awaits_verifier { "awaits-verifier-sentence" } else { "watch-pending-sentence" }),
            next: approve,
            hint: None,
        },
        Outcome::NotFound => Words { next: approve, hint: None, ..words },
        Outcome::ReportedUnverified => Words {
            tone: Tone::Act,
            turn: Owner::Visitor,
            title: OUTCOMES.text("watch-unverified-title"),
            sentence: OUTCOMES.text("watch-unverified-sentence"),
            next: OUTCOMES.text("watch-unverified-next"),
            hint: None,
        },
        Outcome::GrantedInPart | Outcome::Reduced | Outcome::Revoked => Words { next: OUTCOMES.text("watch-in-part-next"), ..words },
        Outcome::Unavailable | Outcome::OperatorFault => Words { hint: Some(OUTCOMES.text("watch-unavailable-hint")), ..words },
        _ => words,
    }
}
