//! More exact words for an outcome: if its cause is known, or if the approval happens in another tab.

use serde::Serialize;

use super::{Template, Words, words};
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
    pub(crate) fn meaning(&self, outcome: Outcome) -> Option<(Template, CodeFrom)> {
        let (entry, from) = self.entry?;
        let led_here = match from {
            CodeFrom::Callback => entry.class.name() == outcome.name(),
            CodeFrom::Check => !outcome.was_seen() && entry.token != Obstacle::UnknownRefusal,
        };
        led_here.then_some((Template(entry.admin()), from))
    }
}

const AWAITS_VERIFIER: Template = Template(
    "Microsoft does not show our reader yet, the app with which {operator} checks {app}. After its approval, a delay of some minutes is common.",
);

/// The words for an outcome, more exact if its cause is known.
pub(crate) fn words_because(outcome: Outcome, because: Because<'_>) -> Words {
    let words = words(outcome);
    let is_switched_off = because.entry.is_some_and(|(entry, _)| matches!(entry.token, Obstacle::ResourceDisabled(_)));
    match outcome {
        Outcome::Disabled | Outcome::AppMisconfigured if because.missing_resource.is_some() && is_switched_off => {
            return Words {
                turn: Owner::Visitor,
                title: Template("A service is switched off in your organisation"),
                sentence: Template(
                    "{resource}, which {app} needs, is switched off in your organisation. Often its subscription has ended.",
                ),
                next: Template(
                    "Please check the subscription of {resource}. To switch the service on: in the Microsoft Entra admin centre open Enterprise applications, choose {resource}, then Properties, and set \"Enabled for users to sign in\" to Yes.",
                ),
                ..words
            };
        }
        Outcome::AppMisconfigured if because.missing_resource.is_some() => {
            return Words {
                turn: Owner::Visitor,
                sentence: Template("Your organisation does not have {resource}, which {app} needs."),
                next: Template(
                    "Please check whether your organisation has a licence for {resource}: a smaller one may lack it. If it has one, add the service with this command of Microsoft Graph PowerShell: New-MgServicePrincipal -AppId {resource_id}. If not, please tell {operator}.",
                ),
                ..words
            };
        }
        Outcome::Unavailable if because.is_check_refused => {
            return Words {
                turn: Owner::Operator,
                title: Template("Recorded, and not checked yet"),
                sentence: Template(
                    "What you did has been recorded. Microsoft refused our check of {app}, so we do not know yet where it stands. You did nothing wrong.",
                ),
                next: Template("{operator} needs to look at this. You don't need to do anything: the check can be repeated."),
                tone: Tone::Ours,
                ..words
            };
        }
        Outcome::Pending if because.awaits_verifier => {
            return Words { title: Template("Waiting for Microsoft to show our reader"), sentence: AWAITS_VERIFIER, ..words };
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
                title: Template("Microsoft did not let this through"),
                sentence: Template("Microsoft stopped the approval of {app} or our check of it."),
                next: Template(entry.next()),
                ..words
            }
        }
        Some((_, CodeFrom::Check)) if outcome == Outcome::BlockedByPolicy => Words {
            sentence: Template(
                "A rule of your organisation, such as Conditional Access, does not let us check {app}. It may be approved or not: we cannot see.",
            ),
            next: Template(
                "Please ask whoever looks after these rules in your organisation whether our check can be allowed. {operator} can tell them what it needs.",
            ),
            ..words
        },
        // The words for a declined approval also separate it from a request, and those for an unknown outcome name the facts to send and
        // the recipient. The code's own sentence has neither.
        Some((entry, CodeFrom::Callback))
            if because.meaning(outcome).is_some()
                && outcome != Outcome::Declined
                && !(outcome == Outcome::Unknown && entry.owner == Owner::Operator) =>
        {
            Words { turn: entry.owner, next: Template(entry.next()), hint: None, ..words }
        }
        _ => words,
    }
}

/// The words of the watch page: the approval happens in another tab, and Microsoft never redirects back from there.
pub(crate) fn watch_words(outcome: Outcome, because: Because<'_>) -> Words {
    let approve = Template(
        "Open Microsoft's page in a new tab, sign in with your administrator account, read what it lists and press Accept. Then come back to this tab.",
    );
    let words = words_because(outcome, because);
    match outcome {
        Outcome::Pending => Words {
            tone: Tone::Act,
            turn: Owner::Visitor,
            title: Template("Approve {app} at Microsoft"),
            sentence: match because.awaits_verifier {
                true => AWAITS_VERIFIER,
                false => Template(
                    "Microsoft does not show an approval of {app} for your whole organisation yet. After Accept, a delay of some minutes is common.",
                ),
            },
            next: approve,
            hint: None,
        },
        Outcome::NotFound => Words { next: approve, hint: None, ..words },
        Outcome::ReportedUnverified => Words {
            tone: Tone::Act,
            turn: Owner::Visitor,
            title: Template("Approve {app} at Microsoft: we cannot check it"),
            sentence: Template(
                "We have no right to look in your organisation, so this page will not show whether {app} is approved. Nothing is counted as approved because of it.",
            ),
            next: Template(
                "Open Microsoft's page in a new tab, sign in with your administrator account, read what it lists and press Accept. Then look whether {app} is listed in the Microsoft Entra admin centre under Enterprise applications, and tell {operator}.",
            ),
            hint: None,
        },
        Outcome::GrantedInPart | Outcome::Reduced | Outcome::Revoked => Words {
            next: Template(
                "If permissions are still missing twenty minutes after Accept, and nobody took them away on purpose, open Microsoft's page once more and press Accept again.",
            ),
            ..words
        },
        Outcome::Unavailable | Outcome::OperatorFault => Words {
            hint: Some(Template(
                "The approval does not depend on this check: if you have not pressed Accept yet, you can do so at any time.",
            )),
            ..words
        },
        _ => words,
    }
}
