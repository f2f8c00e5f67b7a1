//! What a page says, in English: for every outcome a title, one sentence, one next step, and whose turn it is.
//!
//! Texts are templates over a closed set of placeholders, filled in one pass, so that a name that looks like a placeholder stays a
//! name. No template begins a sentence with `{app}`: where the app is not known it reads "the app".

use http::StatusCode;
use maud::{Markup, Render, html};
use serde::Serialize;

use crate::consent::Outcome;
use crate::consent::aadsts::{Entry, Mover};
use crate::consent::permission_table::PermissionKind;
use crate::consent::permissions::NamedPermission;

/// Whose turn it is, seen from the person who reads the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Nothing is left to do.
    Nobody,
    /// The reader's.
    You,
    /// Somebody else's in the reader's organisation, such as a reviewer or whoever keeps its sign-in rules.
    Organisation,
    /// The operator's.
    Operator,
    /// The owner of the app's registration, who may be another company.
    AppOwner,
    /// Microsoft's: time has to pass.
    Microsoft,
}

impl Turn {
    /// The stable name, in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::You => "you",
            Self::Organisation => "organisation",
            Self::Operator => "operator",
            Self::AppOwner => "app_owner",
            Self::Microsoft => "microsoft",
        }
    }

    fn of(mover: Mover) -> Self {
        match mover {
            Mover::Admin | Mover::User => Self::You,
            Mover::Operator => Self::Operator,
            Mover::AppOwner => Self::AppOwner,
            Mover::Microsoft => Self::Microsoft,
        }
    }

    /// The heading of the next step.
    #[must_use]
    pub fn heading(self) -> Template {
        Template(match self {
            Self::Nobody => "Nothing left to do",
            Self::You => "Your next step",
            Self::Organisation => "Next step: somebody in your organisation",
            Self::Operator => "Next step: {operator}",
            Self::AppOwner => "Next step: the owner of the app",
            Self::Microsoft => "Next step: wait",
        })
    }
}

/// How a page looks. Only a permission that the operator forbids is cause for alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done.
    Good,
    /// Done as far as can be seen.
    Partly,
    /// Time has to pass.
    Wait,
    /// The reader can do something about it.
    Act,
    /// The operator or this service has to do something about it.
    Ours,
    /// Something is there that must not be.
    Alarm,
}

impl Tone {
    /// The class on `<main>`.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partly => "partly",
            Self::Wait => "wait",
            Self::Act => "act",
            Self::Ours => "ours",
            Self::Alarm => "alarm",
        }
    }
}

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// `{operator}`: who runs this.
    pub operator: &'a str,
    /// `{support}`: how to reach them, in words.
    pub support: &'a str,
    /// `{app}`: the app as people know it; "the app" where it is not known.
    pub app: Option<&'a str>,
    /// `{resource}`: the resource an app needs and the tenant lacks; "a service" where it is not known.
    pub resource: Option<&'a str>,
}

/// A text of ours with placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template(pub &'static str);

enum Part<'a> {
    Ours(&'a str),
    Name(&'a str),
}

impl Template {
    fn parts<'a>(self, names: Names<'a>) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let mut rest = self.0;
        while let Some((before, (name, after))) = rest.split_once('{').and_then(|(before, from)| Some((before, from.split_once('}')?))) {
            parts.push(Part::Ours(before));
            parts.push(match name {
                "operator" => Part::Name(names.operator),
                "support" => Part::Name(names.support),
                "app" => names.app.map_or(Part::Ours("the app"), Part::Name),
                "resource" => names.resource.map_or(Part::Ours("a service"), Part::Name),
                other => Part::Ours(other),
            });
            rest = after;
        }
        parts.push(Part::Ours(rest));
        parts
    }

    /// As HTML: names are text nodes of their own, isolated from the direction of the text around them.
    #[must_use]
    pub fn fill<'a>(self, names: Names<'a>) -> impl Render + use<'a> {
        Filled(self.parts(names))
    }

    /// As plain text.
    #[must_use]
    pub fn plain(self, names: Names<'_>) -> String {
        self.parts(names).iter().map(Part::text).collect()
    }
}

impl<'a> Part<'a> {
    fn text(&self) -> &'a str {
        match self {
            Self::Ours(text) | Self::Name(text) => text,
        }
    }
}

struct Filled<'a>(Vec<Part<'a>>);

impl Render for Filled<'_> {
    fn render(&self) -> Markup {
        html! {
            @for part in &self.0 {
                @match part {
                    Part::Ours(text) => (text),
                    Part::Name(name) => bdi { (name) },
                }
            }
        }
    }
}

/// What a page says about an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The one heading.
    pub title: Template,
    /// Where it stands, in one sentence or two.
    pub sentence: Template,
    /// What happens next.
    pub next: Template,
    /// Whose turn that is.
    pub turn: Turn,
    /// What helps where the next step does not, if anything does.
    pub hint: Option<Template>,
    /// How it looks.
    pub tone: Tone,
}

const APPROVED_ALL_THE_SAME: Template =
    Template("If you already pressed Accept on Microsoft's page, the approval may be there all the same. Please tell {operator}.");
const IN_THE_OTHER_ORGANISATION: Template = Template(
    "A private browser window helps if you have accounts in several organisations. If {app} was approved in the wrong one, an administrator there can remove it in the Microsoft Entra admin centre under Enterprise applications.",
);
const FULL_ADMINISTRATOR: Template = Template(
    "A Global Administrator or a Privileged Role Administrator can approve every permission; other administrators' roles may not be enough for all of them.",
);
const EXCESS_IS_COMMON: Template = Template("Additional permissions often come from an earlier approval of the same app.");

/// The words for an outcome. Exhaustive, so that a new outcome does not compile without words.
#[must_use]
pub fn words(outcome: Outcome) -> Words {
    let (tone, turn, title, sentence, next, hint) = match outcome {
        Outcome::Granted => (
            Tone::Good,
            Turn::Nobody,
            "Approved and confirmed",
            "We checked with Microsoft: your organisation has granted {app} every permission that it needs.",
            "There is nothing more for you to do.",
            None,
        ),
        Outcome::GrantedInPart => (
            Tone::Partly,
            Turn::You,
            "Approved in part",
            "Microsoft shows some of the permissions that {app} needs, and does not show the others.",
            "If permissions are still listed as missing twenty minutes after the approval, open the link from {operator} again and approve it once more.",
            Some(FULL_ADMINISTRATOR),
        ),
        Outcome::GrantedInExcess => (
            Tone::Partly,
            Turn::Operator,
            "Approved, with additional permissions",
            "Every permission that {app} needs is approved. Microsoft also shows permissions that are not on the list of {operator}.",
            "It is for {operator} to compare the two lists. You need not do anything now.",
            Some(EXCESS_IS_COMMON),
        ),
        Outcome::GrantedUnseen => (
            Tone::Partly,
            Turn::Operator,
            "Approved as far as Microsoft lets us see",
            "Microsoft shows {app} in your organisation, but does not let us see every permission that it needs.",
            "It is for {operator} to confirm the permissions that we could not see. You need not do anything now.",
            None,
        ),
        Outcome::Disabled => (
            Tone::Act,
            Turn::You,
            "The app is switched off in your organisation",
            "Microsoft shows {app} in your organisation, but it is switched off there.",
            "To switch it on: in the Microsoft Entra admin centre open Enterprise applications, choose {app}, then Properties, and set \"Enabled for users to sign in\" to Yes.",
            Some(Template("If it was switched off on purpose, please tell {operator}.")),
        ),
        Outcome::Pending => (
            Tone::Wait,
            Turn::Microsoft,
            "Waiting for Microsoft to show the approval",
            "Microsoft does not show an approval of {app} yet. A delay of some minutes is common.",
            "You do not have to do anything while Microsoft brings its records up to date.",
            Some(Template("If you left Microsoft's page without pressing Accept, open the link from {operator} again.")),
        ),
        Outcome::NotFound => (
            Tone::Act,
            Turn::You,
            "No approval can be seen",
            "A day after the visit, Microsoft still shows no approval of {app} in your organisation.",
            "Open the link from {operator} again, sign in as an administrator of your organisation, and press Accept on Microsoft's page.",
            Some(FULL_ADMINISTRATOR),
        ),
        Outcome::Declined => (
            Tone::Act,
            Turn::You,
            "Not approved so far",
            "Microsoft's page answered that {app} was not approved. It gives the same answer when somebody sent a request for approval.",
            "If you sent a request, an administrator of your organisation decides it and you can wait. If you cancelled by mistake, open the link from {operator} again.",
            Some(Template("If you meant to decline, nothing more is needed.")),
        ),
        Outcome::NotAnAdmin => (
            Tone::Act,
            Turn::You,
            "An administrator is needed",
            "Microsoft did not let this account approve {app} for the whole organisation.",
            "Pass the link from {operator} on to an administrator of your organisation.",
            Some(FULL_ADMINISTRATOR),
        ),
        Outcome::WrongAccount => (
            Tone::Act,
            Turn::You,
            "Another account is needed",
            "The account chosen on Microsoft's page does not belong to the organisation this link was made for, or it could not sign in.",
            "Open the link from {operator} again and choose an administrator's account of that organisation.",
            Some(Template("If the browser keeps choosing the same account, use a private browser window.")),
        ),
        Outcome::BlockedByPolicy => (
            Tone::Act,
            Turn::Organisation,
            "A sign-in rule of your organisation stands in the way",
            "A rule of your organisation, such as Conditional Access, stopped the approval of {app} or our check of it.",
            "Please ask whoever looks after these rules in your organisation. The details below tell them which rule answered.",
            None,
        ),
        Outcome::AppMisconfigured => (
            Tone::Ours,
            Turn::Operator,
            "Something has to be set up first",
            "This is not your doing: the way the link or {app} is set up now, it cannot be approved.",
            "It is for {operator} to set this right. If you do not hear from them, please send them the details below.",
            None,
        ),
        Outcome::Unknown => (
            Tone::Act,
            Turn::You,
            "Microsoft's answer does not tell us enough",
            "Microsoft reported an error that does not say whether {app} can be approved.",
            "Open the link from {operator} again in a few minutes. If this page comes back, please send {operator} the details below.",
            None,
        ),
        Outcome::ApprovalRequested => (
            Tone::Wait,
            Turn::Organisation,
            "A request for approval is open",
            "Microsoft shows an open request to approve {app} in your organisation.",
            "A reviewer in your organisation decides it in the Microsoft Entra admin centre, under Enterprise applications, Admin consent requests.",
            None,
        ),
        Outcome::OperatorFault => (
            Tone::Ours,
            Turn::Operator,
            "We could not check, and the fault is ours",
            "This is not your doing: Microsoft refused our own credential, settings or request. What you did has been recorded.",
            "It is for {operator} to set this right. You need not do anything.",
            None,
        ),
        Outcome::TenantNotFound => (
            Tone::Ours,
            Turn::Operator,
            "Microsoft does not know this organisation",
            "This is not your doing: the link was made for an organisation that does not exist in this Microsoft cloud.",
            "It is for {operator} to send you a corrected link.",
            None,
        ),
        Outcome::Unavailable => (
            Tone::Wait,
            Turn::Microsoft,
            "We could not check yet",
            "What you did has been recorded. Microsoft has not answered our check of {app} completely, so we do not know yet where it stands.",
            "You do not have to do anything. The check can be repeated in a few minutes.",
            None,
        ),
        Outcome::WrongTenant => (
            Tone::Act,
            Turn::You,
            "The answer came from another organisation",
            "The link from {operator} was made for one organisation, and a different one came back. We checked neither.",
            "Sign out at Microsoft, open the link again, and sign in as an administrator of the organisation it was made for.",
            Some(IN_THE_OTHER_ORGANISATION),
        ),
        Outcome::LinkExpired => (
            Tone::Act,
            Turn::You,
            "This link has reached its end date",
            "Links from {operator} work for a limited time, and the time of this one is over.",
            "Please ask {operator} for a new link: {support}.",
            Some(APPROVED_ALL_THE_SAME),
        ),
        Outcome::LinkDamaged => (
            Tone::Act,
            Turn::You,
            "This link cannot be read",
            "Most often a mail or chat program has cut the link or added text to its end.",
            "Open the link again from the original message, or copy it whole into the address line of your browser. Please do not retype it.",
            Some(Template(
                "If that does not help, ask {operator} for a new link. If you already pressed Accept on Microsoft's page, the approval may be there all the same.",
            )),
        ),
        Outcome::LinkRevoked => (
            Tone::Act,
            Turn::You,
            "This link was taken back",
            "{operator} has taken this link back, so it can no longer be used.",
            "If you expected to use it, please ask {operator} for a new link: {support}.",
            Some(APPROVED_ALL_THE_SAME),
        ),
        Outcome::Unsolicited => (
            Tone::Act,
            Turn::You,
            "This visit did not come from one of our links",
            "We received a consent that we did not ask for, so we cannot tell what it belongs to. This happens when an app is approved in Microsoft's portal instead of through a link.",
            "If {operator} sent you a link, please open that link again from the original message. If not, you can close this page.",
            None,
        ),
        Outcome::Revoked => (
            Tone::Act,
            Turn::You,
            "The approval is no longer there",
            "Microsoft showed an approval of {app} earlier and shows none now: it was withdrawn, or the app was removed from your organisation.",
            "If that was not intended, open the link from {operator} again and approve it once more.",
            Some(Template("If it was intended, please tell {operator}.")),
        ),
        Outcome::Reduced => (
            Tone::Act,
            Turn::You,
            "Some permissions are no longer there",
            "Microsoft showed every permission that {app} needs earlier, and some of them are gone now.",
            "If that was not intended, open the link from {operator} again and approve it once more.",
            Some(Template(
                "Approving an app again with a shorter list can take permissions away. If it was intended, please tell {operator}.",
            )),
        ),
        Outcome::Enlarged => (
            Tone::Partly,
            Turn::Operator,
            "The app has more permissions than before",
            "Every permission that {app} needs is approved. Microsoft now also shows permissions that are not on the list of {operator}.",
            "It is for {operator} to compare the two lists. You need not do anything now.",
            None,
        ),
        Outcome::TenantGone => (
            Tone::Ours,
            Turn::Operator,
            "The organisation is no longer there",
            "Microsoft answers that the organisation this link was made for no longer exists.",
            "It is for {operator} to bring its list up to date. If this surprises you, please ask them: {support}.",
            None,
        ),
        Outcome::AwaitingConfirmation => (
            Tone::Wait,
            Turn::Operator,
            "Your organisation has to be confirmed",
            "The link can be used by any organisation. We check nothing until {operator} has confirmed that yours is the one meant.",
            "It is for {operator} to confirm your organisation. You need not do anything now.",
            None,
        ),
        Outcome::ReportedUnverified => (
            Tone::Wait,
            Turn::Operator,
            "Recorded, but not checked",
            "What you did has been recorded. We have no right to look in your organisation, so we cannot say whether {app} is approved.",
            "It is for {operator} to confirm the approval in another way. You need not do anything now.",
            None,
        ),
    };
    Words { title: Template(title), sentence: Template(sentence), next: Template(next), turn, hint, tone }
}

/// Where a code came from. The same code means different things in the two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeFrom {
    /// The callback: it is about the approval, and a claim.
    Callback,
    /// The answer to our own question: it is about our look.
    Look,
}

/// What is known beyond the outcome itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Because<'a> {
    /// What the table of codes says.
    pub entry: Option<(&'static Entry, CodeFrom)>,
    /// The resource that the tenant lacks.
    pub missing_resource: Option<&'a str>,
}

impl Because<'_> {
    /// The code's own sentence, where the code is what led to the outcome: an error claim is only told where it was believed for want
    /// of anything better, and no error is told beside an approval that was seen.
    #[must_use]
    pub fn meaning(&self, outcome: Outcome) -> Option<(Template, CodeFrom)> {
        let (entry, from) = self.entry?;
        let led_here = match from {
            CodeFrom::Callback => entry.class.name() == outcome.name(),
            CodeFrom::Look => !outcome.was_seen(),
        };
        led_here.then_some((Template(entry.admin), from))
    }
}

/// The words for an outcome with what is known of its cause: more exact where that allows it.
#[must_use]
pub fn words_because(outcome: Outcome, because: Because<'_>) -> Words {
    let words = words(outcome);
    if outcome == Outcome::AppMisconfigured && because.missing_resource.is_some() {
        return Words {
            turn: Turn::You,
            sentence: Template("Your organisation does not have {resource}, which {app} needs."),
            next: Template(
                "Please check whether your organisation has a subscription or licence for {resource}. If it should do without, please tell {operator}.",
            ),
            ..words
        };
    }
    match because.entry {
        Some((_, CodeFrom::Look)) if outcome == Outcome::BlockedByPolicy => Words {
            sentence: Template(
                "A rule of your organisation, such as Conditional Access, does not let us check {app}. It may be approved or not: we cannot see.",
            ),
            next: Template(
                "Please ask whoever looks after these rules in your organisation whether our check can be allowed. {operator} can tell them what it needs.",
            ),
            ..words
        },
        // The words for a declined approval tell it apart from a request; those for the unknown say what to send to whom.
        Some((entry, CodeFrom::Callback))
            if because.meaning(outcome).is_some()
                && outcome != Outcome::Declined
                && !(outcome == Outcome::Unknown && entry.mover == Mover::Operator) =>
        {
            Words { turn: Turn::of(entry.mover), next: Template(entry.next), hint: None, ..words }
        }
        _ => words,
    }
}

/// The HTTP status of an outcome: 200 concluded, 202 where somebody has yet to act elsewhere, 4xx where the link or the visit is at
/// fault, 503 where we are. Design, section 3.
#[must_use]
pub fn status(outcome: Outcome) -> StatusCode {
    match outcome {
        Outcome::Granted
        | Outcome::GrantedInPart
        | Outcome::GrantedInExcess
        | Outcome::GrantedUnseen
        | Outcome::Disabled
        | Outcome::NotFound
        | Outcome::Declined
        | Outcome::NotAnAdmin
        | Outcome::WrongAccount
        | Outcome::BlockedByPolicy
        | Outcome::AppMisconfigured
        | Outcome::Unknown
        | Outcome::TenantNotFound
        | Outcome::Revoked
        | Outcome::Reduced
        | Outcome::Enlarged
        | Outcome::TenantGone
        | Outcome::ReportedUnverified => StatusCode::OK,
        Outcome::Pending | Outcome::ApprovalRequested | Outcome::AwaitingConfirmation => StatusCode::ACCEPTED,
        Outcome::WrongTenant => StatusCode::CONFLICT,
        Outcome::LinkExpired | Outcome::LinkRevoked => StatusCode::GONE,
        Outcome::LinkDamaged | Outcome::Unsolicited => StatusCode::BAD_REQUEST,
        Outcome::Unavailable | Outcome::OperatorFault => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The least Graph permission with which a verifier would see all of these (protocol reference §4.1). `None` for an empty list.
#[must_use]
pub fn right_to_see(unseen: &[NamedPermission]) -> Option<&'static str> {
    if unseen.iter().any(|permission| permission.kind == PermissionKind::Delegated) {
        Some("Directory.Read.All")
    } else if unseen.is_empty() {
        None
    } else {
        Some("Application.Read.All")
    }
}
