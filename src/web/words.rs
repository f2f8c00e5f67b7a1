//! What a page says, in English: for every outcome a title, one sentence, one next step, and whose turn it is.
//!
//! Texts are templates over a closed set of placeholders, filled in one pass, so that a name that looks like a placeholder stays a
//! name. No template begins a sentence with `{app}`: where the app is not known it reads "the app".

use http::StatusCode;
use maud::{Markup, Render, html};
use serde::Serialize;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::consent::Outcome;
use crate::consent::aadsts::{Entry, Mover};
use crate::consent::ids::ResourceId;
use crate::consent::permission_table::PermissionKind;
use crate::consent::roles::RoleNeeded;

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
    /// Something to know, and no outcome.
    Note,
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
            Self::Note => "note",
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
    "If {app} was approved in the wrong one, an administrator there can remove it in the Microsoft Entra admin centre under Enterprise applications.",
);
const FULL_ADMINISTRATOR: Template = Template(
    "A Global Administrator or a Privileged Role Administrator can approve every permission; other administrators' roles may not be enough for all of them.",
);
const EXCESS_IS_COMMON: Template = Template("Additional permissions often come from an earlier approval of the same app.");

/// The words for [`Outcome::Pending`] of an app that is verified in the worker: nobody was asked, and this page never tells the result.
#[must_use]
pub fn confirmed_later() -> Words {
    Words {
        title: Template("Recorded: we will confirm to {operator}"),
        sentence: Template(
            "What you did has been recorded. After your visit we ask Microsoft whether {app} is approved, and confirm the result to {operator}. This page does not show it.",
        ),
        next: Template("You need not do anything now. {operator} will get in touch if something is left to do."),
        turn: Turn::Operator,
        hint: Some(Template("If you left Microsoft's page without pressing Accept, open the link from {operator} again.")),
        tone: Tone::Wait,
    }
}

/// The words in place of [`confirmed_later`] where the queue did not take the order, so that nobody will ask yet.
#[must_use]
pub fn not_arranged() -> Words {
    Words {
        title: Template("Recorded, and not checked yet"),
        sentence: Template(
            "What you did has been recorded. This is not your doing: we could not arrange yet for Microsoft to be asked whether {app} is approved.",
        ),
        next: Template("Please reload this page in a minute. If it stays like this, please tell {operator}: {support}."),
        turn: Turn::You,
        tone: Tone::Ours,
        ..confirmed_later()
    }
}

/// The words for an outcome. Exhaustive, so that a new outcome does not compile without words.
#[must_use]
pub fn words(outcome: Outcome) -> Words {
    let (tone, turn, title, sentence, next, hint) = match outcome {
        Outcome::Granted => (
            Tone::Good,
            Turn::Nobody,
            "Approved and confirmed",
            "We checked with Microsoft: your organisation has granted {app} every permission that it needs.",
            "Your part is done.",
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
            "Microsoft shows {app} in your organisation, but it is switched off there: whoever signs in to it meets AADSTS7000112.",
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
            "Please ask whoever looks after these rules in your organisation. The details below help them to find the rule.",
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
            "This is not your doing: our own credential, settings or request could not be used. What you did has been recorded.",
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
            "You were signed in with an account from another organisation",
            "The link from {operator} was made for one organisation, and Microsoft's answer came from a different one. We checked neither.",
            "Open the link again and sign in as an administrator of the organisation it was made for. A private browser window keeps your other accounts out of it.",
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
                "If that does not help, or if it was not {operator} who sent you the link, please ask {operator}: {support}. If you already pressed Accept on Microsoft's page, the approval may be there all the same.",
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
            "This visit carries none of our links, so we cannot tell what it belongs to, and nothing was checked. This happens when an app is approved in Microsoft's portal instead of through a link.",
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
                "Please check whether your organisation has a subscription or licence for {resource}. If it is not meant to have one, please tell {operator}.",
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

/// The words of a page that watches an app of somebody else: the approval is given in another tab, and nobody comes back from there.
#[must_use]
pub fn watch_words(outcome: Outcome, because: Because<'_>) -> Words {
    let approve = Template(
        "Open Microsoft's page in a new tab, sign in with your administrator account, read what it lists and press Accept. Then come back to this tab.",
    );
    let words = words_because(outcome, because);
    match outcome {
        Outcome::Pending => Words {
            tone: Tone::Act,
            turn: Turn::You,
            title: Template("Approve {app} at Microsoft"),
            sentence: Template(
                "Microsoft does not show an approval of {app} for your whole organisation yet. After Accept, a delay of some minutes is common.",
            ),
            next: approve,
            hint: None,
        },
        Outcome::NotFound => Words { next: approve, hint: None, ..words },
        Outcome::ReportedUnverified => Words {
            tone: Tone::Act,
            turn: Turn::You,
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

/// What has been seen of an approval for everybody, in a few words.
#[must_use]
pub fn seen_for_everybody(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Granted | Outcome::GrantedInExcess | Outcome::Enlarged => "seen",
        Outcome::GrantedInPart | Outcome::Reduced => "seen in part",
        Outcome::GrantedUnseen => "seen as far as Microsoft lets us see",
        Outcome::Pending | Outcome::NotFound | Outcome::Declined | Outcome::NotAnAdmin | Outcome::WrongAccount => "not seen so far",
        Outcome::ApprovalRequested => "not seen so far; a request for it is open",
        Outcome::Revoked => "no longer seen",
        Outcome::Disabled => "does not count while the app is switched off",
        Outcome::BlockedByPolicy
        | Outcome::AppMisconfigured
        | Outcome::Unknown
        | Outcome::OperatorFault
        | Outcome::TenantNotFound
        | Outcome::TenantGone
        | Outcome::Unavailable
        | Outcome::WrongTenant
        | Outcome::LinkExpired
        | Outcome::LinkDamaged
        | Outcome::LinkRevoked
        | Outcome::Unsolicited
        | Outcome::AwaitingConfirmation
        | Outcome::ReportedUnverified => "we cannot see",
    }
}

/// Whether approving at Microsoft, once or once more, can still help.
#[must_use]
pub fn approving_helps(outcome: Outcome) -> bool {
    match outcome {
        Outcome::GrantedInPart
        | Outcome::Pending
        | Outcome::NotFound
        | Outcome::Declined
        | Outcome::NotAnAdmin
        | Outcome::WrongAccount
        | Outcome::BlockedByPolicy
        | Outcome::Unknown
        | Outcome::ApprovalRequested
        | Outcome::OperatorFault
        | Outcome::Unavailable
        | Outcome::WrongTenant
        | Outcome::Revoked
        | Outcome::Reduced
        | Outcome::ReportedUnverified => true,
        Outcome::Granted
        | Outcome::GrantedInExcess
        | Outcome::GrantedUnseen
        | Outcome::Disabled
        | Outcome::AppMisconfigured
        | Outcome::TenantNotFound
        | Outcome::LinkExpired
        | Outcome::LinkDamaged
        | Outcome::LinkRevoked
        | Outcome::Unsolicited
        | Outcome::Enlarged
        | Outcome::TenantGone
        | Outcome::AwaitingConfirmation => false,
    }
}

/// The roles that can approve (protocol reference §1.9), by the names Microsoft's portal gives them.
#[must_use]
pub fn roles(needed: RoleNeeded) -> &'static str {
    match needed {
        RoleNeeded::PrivilegedRoleAdministrator => "Global Administrator or Privileged Role Administrator",
        RoleNeeded::ApplicationAdministrator => {
            "Global Administrator, Privileged Role Administrator, Cloud Application Administrator or Application Administrator"
        }
    }
}

/// How permissions of a kind are exercised, as the heading of a list.
#[must_use]
pub fn exercised(kind: PermissionKind) -> &'static str {
    match kind {
        PermissionKind::Application => "By itself, with nobody signed in",
        PermissionKind::Delegated => "For whoever is signed in to it, and no further than that person may go",
    }
}

/// What a permission lets an app do, in words that need no knowledge of Graph. `None` where Microsoft's line has to do.
///
/// Ours, not Microsoft's, for the permissions that apps of service providers and mail clients ask for most.
#[must_use]
pub fn permission_words(resource: ResourceId, kind: PermissionKind, value: &str) -> Option<&'static str> {
    let of_resource: &[PermissionWords] = match resource {
        ResourceId::GRAPH => &OF_GRAPH,
        ResourceId::EXCHANGE_ONLINE => &OF_EXCHANGE,
        _ => return None,
    };
    let words = of_resource.iter().chain(&OF_MAILBOXES).find(|words| words.value.eq_ignore_ascii_case(value))?;
    match kind {
        PermissionKind::Application => words.application,
        PermissionKind::Delegated => words.delegated,
    }
}

struct PermissionWords {
    value: &'static str,
    application: Option<&'static str>,
    delegated: Option<&'static str>,
}

const fn both(value: &'static str, application: &'static str, delegated: &'static str) -> PermissionWords {
    PermissionWords { value, application: Some(application), delegated: Some(delegated) }
}

const fn application(value: &'static str, words: &'static str) -> PermissionWords {
    PermissionWords { value, application: Some(words), delegated: None }
}

const fn delegated(value: &'static str, words: &'static str) -> PermissionWords {
    PermissionWords { value, application: None, delegated: Some(words) }
}

/// Permissions that mean the same in Graph and in Exchange Online.
const OF_MAILBOXES: [PermissionWords; 13] = [
    both("Mail.Read", "Reads all mail in every mailbox, attachments included.", "Reads that person's mail, attachments included."),
    both(
        "Mail.ReadWrite",
        "Reads, changes and deletes mail in every mailbox. It does not send.",
        "Reads, changes and deletes that person's mail. It does not send.",
    ),
    both("Mail.Send", "Sends mail in the name of anybody in the organisation.", "Sends mail in that person's name."),
    both(
        "MailboxSettings.Read",
        "Reads the settings of every mailbox, such as time zone and automatic replies.",
        "Reads that person's mailbox settings, such as time zone and automatic replies.",
    ),
    both(
        "MailboxSettings.ReadWrite",
        "Reads and changes the settings of every mailbox, such as automatic replies.",
        "Reads and changes that person's mailbox settings, such as automatic replies.",
    ),
    both("Calendars.Read", "Reads every calendar of everybody in the organisation.", "Reads that person's calendars."),
    both(
        "Calendars.ReadWrite",
        "Reads, changes and deletes appointments in every calendar.",
        "Reads, changes and deletes that person's appointments.",
    ),
    both("Contacts.Read", "Reads the contacts in every mailbox.", "Reads that person's contacts."),
    both(
        "Contacts.ReadWrite",
        "Reads, changes and deletes the contacts in every mailbox.",
        "Reads, changes and deletes that person's contacts.",
    ),
    delegated("EAS.AccessAsUser.All", "Reaches that person's mail, calendar and contacts over Exchange ActiveSync, as telephones do."),
    delegated("EWS.AccessAsUser.All", "Reaches that person's whole mailbox over Exchange Web Services, as mail programs on computers do."),
    delegated("IMAP.AccessAsUser.All", "Reads, changes and deletes that person's mail over IMAP."),
    delegated("POP.AccessAsUser.All", "Reads and deletes that person's mail over POP."),
];

const OF_EXCHANGE: [PermissionWords; 9] = [
    application("full_access_as_app", "Does anything in every mailbox: reads, changes, deletes and sends."),
    application(
        "Exchange.ManageAsApp",
        "Manages Exchange as an administrator would, as far as the roles given to the app in Exchange reach.",
    ),
    application("IMAP.AccessAsApp", "Reaches the mailboxes that Exchange opens to it, over IMAP."),
    application("POP.AccessAsApp", "Reaches the mailboxes that Exchange opens to it, over POP."),
    application("SMTP.SendAsApp", "Sends mail from the mailboxes that Exchange opens to it."),
    application("Calendars.Read.All", "Reads every calendar of everybody in the organisation."),
    application("Calendars.ReadWrite.All", "Reads, changes and deletes appointments in every calendar."),
    delegated("SMTP.Send", "Sends mail in that person's name, over SMTP."),
    delegated("User.Read", "Reads that person's name, address and other profile data."),
];

const OF_GRAPH: [PermissionWords; 47] = [
    delegated("openid", "Lets people sign in with their work account."),
    delegated("profile", "Reads the name of whoever signs in."),
    delegated("email", "Reads the mail address of whoever signs in."),
    delegated("offline_access", "Keeps the access it was given until it is withdrawn, so that nobody has to sign in each time."),
    delegated("User.Read", "Lets people sign in, and reads the profile of whoever does."),
    delegated("User.ReadWrite", "Reads and changes the profile of whoever signs in."),
    delegated("SMTP.Send", "Sends mail in that person's name, over SMTP."),
    both("User.ReadBasic.All", "Reads the name, address and photo of everybody.", "Reads the name, address and photo of everybody."),
    both(
        "User.Read.All",
        "Reads the full profile of everybody, such as department, telephone and manager.",
        "Reads the full profile of everybody, such as department, telephone and manager.",
    ),
    both("User.ReadWrite.All", "Reads and changes the full profile of everybody.", "Reads and changes the full profile of everybody."),
    both(
        "Group.Read.All",
        "Reads all groups, their members and what they hold, such as conversations and files.",
        "Reads the groups that person can see, their members and what they hold.",
    ),
    both(
        "Group.ReadWrite.All",
        "Creates, changes and deletes all groups, their members and what they hold.",
        "Creates, changes and deletes the groups that person may, their members and what they hold.",
    ),
    both("GroupMember.Read.All", "Reads all groups and who is in them.", "Reads the groups that person can see and who is in them."),
    both(
        "GroupMember.ReadWrite.All",
        "Reads all groups, and adds and removes members.",
        "Reads groups, and adds and removes members where that person may.",
    ),
    both(
        "Directory.Read.All",
        "Reads the whole directory: users, groups, apps and devices.",
        "Reads the directory: users, groups, apps and devices.",
    ),
    both(
        "Directory.ReadWrite.All",
        "Reads and changes the directory: users, groups, apps and devices.",
        "Reads and changes the directory: users, groups, apps and devices.",
    ),
    both(
        "Application.Read.All",
        "Reads which apps the organisation has and how they are set up.",
        "Reads which apps the organisation has and how they are set up.",
    ),
    both(
        "Application.ReadWrite.All",
        "Creates, changes and deletes apps of the organisation, their credentials included.",
        "Creates, changes and deletes apps of the organisation, their credentials included.",
    ),
    application("Application.ReadWrite.OwnedBy", "Creates apps, and changes and deletes those that it owns, their credentials included."),
    both(
        "AppRoleAssignment.ReadWrite.All",
        "Gives permissions to apps, itself included, and takes them away.",
        "Gives permissions to apps, itself included, and takes them away.",
    ),
    both(
        "DelegatedPermissionGrant.Read.All",
        "Reads which permissions apps hold for signed-in users.",
        "Reads which permissions apps hold for signed-in users.",
    ),
    both(
        "DelegatedPermissionGrant.ReadWrite.All",
        "Gives apps permissions for signed-in users, and takes them away.",
        "Gives apps permissions for signed-in users, and takes them away.",
    ),
    both("RoleManagement.Read.Directory", "Reads who holds which administrator's role.", "Reads who holds which administrator's role."),
    both(
        "RoleManagement.ReadWrite.Directory",
        "Gives and takes away administrators' roles, the highest included.",
        "Gives and takes away administrators' roles, the highest included.",
    ),
    both(
        "AuditLog.Read.All",
        "Reads the logs of sign-ins and of changes to the directory.",
        "Reads the logs of sign-ins and of changes to the directory.",
    ),
    both(
        "Organization.Read.All",
        "Reads the organisation's name, domains and subscriptions.",
        "Reads the organisation's name, domains and subscriptions.",
    ),
    both(
        "Domain.Read.All",
        "Reads the organisation's domains and how they are set up.",
        "Reads the organisation's domains and how they are set up.",
    ),
    both("Device.Read.All", "Reads the list of the organisation's devices.", "Reads the list of the organisation's devices."),
    both(
        "Policy.Read.All",
        "Reads the organisation's rules, such as Conditional Access.",
        "Reads the organisation's rules, such as Conditional Access.",
    ),
    both("Reports.Read.All", "Reads reports on who uses which service how much.", "Reads reports on who uses which service how much."),
    both("ConsentRequest.Read.All", "Reads users' requests to approve an app.", "Reads users' requests to approve an app."),
    delegated("Files.Read", "Reads that person's own files."),
    delegated("Files.ReadWrite", "Reads, changes and deletes that person's own files."),
    both("Files.Read.All", "Reads all files of everybody, in OneDrive and SharePoint.", "Reads all files that person can open."),
    both(
        "Files.ReadWrite.All",
        "Reads, changes and deletes all files of everybody, in OneDrive and SharePoint.",
        "Reads, changes and deletes all files that person can open.",
    ),
    both("Sites.Read.All", "Reads everything in every SharePoint site.", "Reads everything in the SharePoint sites that person can open."),
    both(
        "Sites.ReadWrite.All",
        "Reads, changes and deletes everything in every SharePoint site.",
        "Reads, changes and deletes what that person can in SharePoint sites.",
    ),
    both(
        "Sites.FullControl.All",
        "Does anything in every SharePoint site, permissions included.",
        "Does anything that person may in every SharePoint site, permissions included.",
    ),
    delegated("Chat.Read", "Reads that person's chats in Teams."),
    application("Chat.Read.All", "Reads all chats of everybody in Teams."),
    both(
        "ChannelMessage.Read.All",
        "Reads the messages in all channels of Teams.",
        "Reads the messages in the channels that person can open in Teams.",
    ),
    both(
        "Team.ReadBasic.All",
        "Reads the names and descriptions of all teams.",
        "Reads the names and descriptions of that person's teams.",
    ),
    both("SecurityEvents.Read.All", "Reads the organisation's security events.", "Reads the organisation's security events."),
    both(
        "DeviceManagementManagedDevices.Read.All",
        "Reads the devices that Intune manages and their state.",
        "Reads the devices that Intune manages and their state.",
    ),
    both(
        "UserAuthenticationMethod.Read.All",
        "Reads how everybody signs in, such as telephone numbers and security keys; no passwords.",
        "Reads how everybody signs in, such as telephone numbers and security keys; no passwords.",
    ),
    both(
        "UserAuthenticationMethod.ReadWrite.All",
        "Changes how everybody signs in, such as telephone numbers and security keys.",
        "Changes how everybody signs in, such as telephone numbers and security keys.",
    ),
    both(
        "CrossTenantInformation.ReadBasic.All",
        "Reads the name and domain of other organisations at Microsoft.",
        "Reads the name and domain of other organisations at Microsoft.",
    ),
];

/// A moment that a token carries, as seconds since 1970. What lies beyond the calendar is its end.
#[must_use]
pub fn moment(unix: u64) -> OffsetDateTime {
    let seconds = i64::try_from(unix).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(PrimitiveDateTime::MAX.assume_utc())
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::consent::AadstsCode;
    use crate::consent::aadsts;
    use crate::consent::outcome::{GIVE_UP, PROVISIONAL, Severity};
    use crate::consent::permission_table;

    const NAMES: Names<'static> = Names { operator: "Fabrikam", support: "help desk", app: Some("Mail Sync"), resource: Some("Exchange") };

    fn because(code: &str, from: CodeFrom) -> Because<'static> {
        Because { entry: Some((aadsts::lookup(AadstsCode::parse(code).unwrap()), from)), missing_resource: None }
    }

    fn templates(words: &Words) -> Vec<Template> {
        [words.title, words.sentence, words.next].into_iter().chain(words.hint).chain([words.turn.heading()]).collect()
    }

    #[test]
    fn a_name_that_looks_like_a_placeholder_stays_a_name() {
        let names = Names { operator: "{app}", app: Some("{operator}{"), ..NAMES };
        assert_eq!(Template("{operator} and {app}.").plain(names), "{app} and {operator}{.");
        assert_eq!(Template("{operator} & {app}.").fill(names).render().into_string(), "<bdi>{app}</bdi> &amp; <bdi>{operator}{</bdi>.");
    }

    #[test]
    fn templates_hold_known_placeholders_and_whole_sentences() {
        let watched = Outcome::ALL.iter().map(|outcome| watch_words(*outcome, Because::default()));
        for words in Outcome::ALL.iter().map(|outcome| words(*outcome)).chain(watched).chain([confirmed_later(), not_arranged()]) {
            for template in templates(&words) {
                let without = ["{operator}", "{support}", "{app}", "{resource}"]
                    .iter()
                    .fold(template.0.to_owned(), |text, known| text.replace(known, ""));
                assert!(!without.contains(['{', '}']), "{}", template.0);
                assert!(!template.0.starts_with("{app}") && !template.0.contains(". {app}"), "{}", template.0);
                assert!(template.0.is_ascii(), "{}", template.0);
            }
            for sentence in [words.sentence, words.next].into_iter().chain(words.hint) {
                assert!(sentence.0.ends_with('.'), "{}", sentence.0);
            }
            assert!(!words.title.0.ends_with('.'), "{}", words.title.0);
        }
    }

    #[test]
    fn every_permission_that_has_words_is_one_that_microsoft_publishes() {
        for (resources, all) in [
            (&[ResourceId::GRAPH][..], &OF_GRAPH[..]),
            (&[ResourceId::EXCHANGE_ONLINE], &OF_EXCHANGE),
            (&[ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE], &OF_MAILBOXES),
        ] {
            for words in all {
                for (kind, told) in [(PermissionKind::Application, words.application), (PermissionKind::Delegated, words.delegated)] {
                    let Some(told) = told else { continue };
                    assert!(told.ends_with('.') && told.is_ascii(), "{told}");
                    let known = |resource: &ResourceId| permission_table::by_value(*resource, kind, words.value);
                    assert!(
                        resources.iter().any(|resource| known(resource).is_some_and(|known| known.value == words.value)),
                        "{}",
                        words.value
                    );
                }
            }
        }
    }

    #[test]
    fn a_permission_of_a_resource_we_do_not_know_has_no_words_of_ours() {
        use PermissionKind::{Application, Delegated};
        let other = ResourceId::from_u128(7);
        assert_eq!(permission_words(other, Application, "Mail.Read"), None);
        assert_eq!(permission_words(ResourceId::GRAPH, Application, "Calendars.Read.All"), None);
        assert_eq!(permission_words(ResourceId::GRAPH, Application, "EAS.AccessAsUser.All"), None);
        let read = permission_words(ResourceId::EXCHANGE_ONLINE, Application, "mail.read");
        assert_eq!(read, permission_words(ResourceId::GRAPH, Application, "Mail.Read"));
        assert_ne!(read, permission_words(ResourceId::GRAPH, Delegated, "Mail.Read"));
        assert!(read.is_some());
    }

    #[test]
    fn the_watch_page_never_claims_more_than_the_result_page() {
        for outcome in Outcome::ALL {
            let watched = watch_words(*outcome, Because::default());
            assert_ne!(watched.tone, Tone::Alarm);
            if !outcome.was_complete() {
                assert!(templates(&watched).iter().all(|template| !template.0.contains("granted")), "{outcome:?}");
                assert_ne!(seen_for_everybody(*outcome), "seen");
            }
            assert!(!(outcome.was_complete() && approving_helps(*outcome)), "{outcome:?}");
        }
    }

    #[test]
    fn a_moment_beyond_the_calendar_is_its_end() {
        assert_eq!(moment(1_795_183_402), time::macros::datetime!(2026-11-20 14:03:22 UTC));
        assert_eq!(moment(u64::MAX).year(), 9999);
    }

    #[test]
    fn granted_is_said_of_what_was_seen_and_of_nothing_else() {
        for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Granted) {
            for template in templates(&words(*outcome)) {
                assert!(
                    !template.0.to_lowercase().contains("granted") && !template.0.contains("confirmed:"),
                    "{outcome:?}: {}",
                    template.0
                );
            }
        }
        assert!(words(Outcome::Granted).sentence.0.contains("granted"));
    }

    #[test]
    fn nobody_is_alarmed_by_an_outcome_and_our_faults_are_called_ours() {
        for outcome in Outcome::ALL {
            assert_ne!(words(*outcome).tone, Tone::Alarm, "{outcome:?}");
            for template in templates(&words(*outcome)) {
                for word in
                    ["failed", "failure", "error!", "invalid", "illegal", "denied", "forbidden", "warning", "danger", "attack", "you must"]
                {
                    assert!(!template.0.to_lowercase().contains(word), "{outcome:?}: {}", template.0);
                }
            }
        }
        for ours in [Outcome::OperatorFault, Outcome::TenantNotFound, Outcome::AppMisconfigured] {
            assert!(words(ours).sentence.0.starts_with("This is not your doing"));
            assert_eq!((words(ours).tone, words(ours).turn), (Tone::Ours, Turn::Operator));
        }
    }

    #[test]
    fn an_error_is_told_only_where_it_led_to_the_outcome() {
        let told = |outcome, code, from| because(code, from).meaning(outcome).is_some();
        use CodeFrom::{Callback, Look};
        assert!(told(Outcome::WrongAccount, "AADSTS50020", Callback));
        assert!(told(Outcome::BlockedByPolicy, "AADSTS53003", Callback));
        assert!(told(Outcome::Unknown, "AADSTS4000001", Callback));
        for outcome in [Outcome::Granted, Outcome::GrantedInPart, Outcome::GrantedUnseen, Outcome::Pending, Outcome::Unavailable] {
            assert!(!told(outcome, "AADSTS650051", Callback), "{outcome:?}");
        }
        assert!(told(Outcome::OperatorFault, "AADSTS7000222", Look));
        assert!(told(Outcome::Pending, "AADSTS7000229", Look));
        assert!(!told(Outcome::Granted, "AADSTS7000229", Look));
    }

    #[test]
    fn the_next_step_is_the_codes_where_the_callback_brought_it() {
        let next = |outcome, because| {
            let words = words_because(outcome, because);
            (words.turn, words.next.0)
        };
        let of = |outcome| (words(outcome).turn, words(outcome).next.0);
        let entry = aadsts::lookup(AadstsCode::parse("AADSTS50057").unwrap());
        assert_eq!(next(Outcome::WrongAccount, because("AADSTS50057", CodeFrom::Callback)), (Turn::You, entry.next));
        let transient = aadsts::lookup(AadstsCode::parse("AADSTS90033").unwrap());
        assert_eq!(next(Outcome::Unknown, because("AADSTS90033", CodeFrom::Callback)), (Turn::Microsoft, transient.next));
        let unknown = because("AADSTS4000001", CodeFrom::Callback);
        assert_eq!(next(Outcome::Unknown, unknown), of(Outcome::Unknown));
        assert_eq!(next(Outcome::Declined, because("AADSTS65004", CodeFrom::Callback)), of(Outcome::Declined));
        assert_eq!(next(Outcome::Granted, because("AADSTS50057", CodeFrom::Callback)), of(Outcome::Granted));
        assert_eq!(next(Outcome::OperatorFault, because("AADSTS7000222", CodeFrom::Look)), of(Outcome::OperatorFault));
    }

    #[test]
    fn a_look_that_a_rule_stopped_says_nothing_about_the_approval() {
        let words = words_because(Outcome::BlockedByPolicy, because("AADSTS53003", CodeFrom::Look));
        assert!(words.sentence.0.contains("may be approved or not"));
    }

    #[test]
    fn a_missing_resource_is_named() {
        let because = Because { entry: None, missing_resource: Some("Exchange") };
        assert_eq!(
            words_because(Outcome::AppMisconfigured, because).sentence.plain(NAMES),
            "Your organisation does not have Exchange, which Mail Sync needs."
        );
        assert_eq!(words_because(Outcome::Granted, because), words(Outcome::Granted));
    }

    /// When an outcome stands, for the document.
    fn when(outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Granted => "Every required permission was seen at Microsoft, whatever the callback claimed.",
            Outcome::GrantedInPart => {
                "Some required permissions were seen, others are absent. Wins over an excess; both lists are recorded."
            }
            Outcome::GrantedInExcess => "Every required permission was seen, and others that the profile forbids or does not list.",
            Outcome::GrantedUnseen => {
                "The service principal was seen; required permissions are not visible to the verifier (403). Never counted as granted."
            }
            Outcome::Disabled => "The service principal is disabled.",
            Outcome::Pending => "Nothing was seen, and the callback claimed success or nothing. Less than 24 hours old.",
            Outcome::NotFound => "As `pending`, 24 hours after the callback.",
            Outcome::Declined => {
                "Nothing was seen, and the callback carried a cancel. Microsoft sends the same for a request for approval."
            }
            Outcome::NotAnAdmin => "Nothing was seen, and the callback said that the account may not approve.",
            Outcome::WrongAccount => "Nothing was seen, and the callback said that the account is of another tenant or could not sign in.",
            Outcome::BlockedByPolicy => {
                "Nothing was seen, and the callback said that a policy stopped the approval; or a policy stopped our look."
            }
            Outcome::AppMisconfigured => {
                "Nothing was seen, and the callback blamed the link or the registration; or a resource is missing in the tenant."
            }
            Outcome::Unknown => "Nothing was seen, and an error came back that is not in the table of codes or says nothing lasting.",
            Outcome::ApprovalRequested => "Nothing was seen but an open admin consent request.",
            Outcome::OperatorFault => "Microsoft refused our credential, settings or request, or we could not read our own credential.",
            Outcome::TenantNotFound => "The tenant of the link does not exist in this cloud.",
            Outcome::Unavailable => "Microsoft did not answer, or left a part unanswered.",
            Outcome::WrongTenant => "The callback names another tenant than the ticket. Nobody is asked about either.",
            Outcome::LinkExpired => "A genuine ticket, more than a day past its end.",
            Outcome::LinkDamaged => "The ticket cannot be read: damaged, cut, forged, or signed with an unknown key. One answer for all.",
            Outcome::LinkRevoked => "A genuine ticket that the operator took back.",
            Outcome::Unsolicited => "A callback without a ticket.",
            Outcome::Revoked => "A later look: it was seen before, and nothing is seen now.",
            Outcome::Reduced => "A later look: it was complete before, and required permissions are gone.",
            Outcome::Enlarged => "A later look: it was granted before, and now holds more than the profile lists.",
            Outcome::TenantGone => "A later look, or Microsoft's own word: the tenant existed and is gone.",
            Outcome::AwaitingConfirmation => "A link for any tenant came back, without an error.",
            Outcome::ReportedUnverified => "No error was claimed, and no verifier of ours may look in this tenant.",
        }
    }

    fn document() -> String {
        let mut text = String::from(
            "# Outcomes\n\n\
             Where an approval stands. Written from `src/web/words.rs` by `UPDATE_DOCS=1 cargo test outcomes`; a test holds both equal.\n\n\
             * **Status**: of the result page and of its JSON. 503 comes with `Retry-After`.\n\
             * **Page**: title and sentence. **Next step**: whose turn it is, and what to do. Both are more exact where an AADSTS code from the\n  \
               callback led to the outcome (see [aadsts.md](aadsts.md)), where a policy stopped our own look, and where a resource is missing.\n\
             * **Severity**: what a ticket system does: `open` one, `update` it, `close` it.\n\
             * **Can change**: how long after the callback looking again can change it.\n\
             * `{operator}`, `{support}`, `{app}`, `{resource}` are filled in.\n\n\
             Where an app is verified in the worker (`verify_in = \"worker\"`), the page knows the claim alone, which says\n\
             nothing about an approval. Whatever it is, the outcome is `pending` until the worker has looked, and the page reads:\n\n\
             Pages carry the outcome in `<main data-outcome=\"...\">`, JSON in the field `outcome`.\n\n\
             | Outcome | When | Status | Severity | Can change | Page | Next step | For the operator |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let later = confirmed_later();
        let row = format!("> **{}.** {} *{}:* {}\n\nPages carry", later.title.0, later.sentence.0, later.turn.name(), later.next.0);
        text = text.replacen("Pages carry", &row, 1);
        for outcome in Outcome::ALL {
            let words = words(*outcome);
            let severity = match outcome.severity() {
                Severity::Open => "open",
                Severity::Update => "update",
                Severity::Close => "close",
            };
            let can_change = match (outcome.can_change(Duration::ZERO), outcome.can_change(PROVISIONAL), outcome.can_change(GIVE_UP)) {
                (_, _, true) => "always",
                (_, true, false) => "24 h",
                (true, false, false) => "20 min",
                (false, false, false) => "no",
            };
            writeln!(
                text,
                "| `{}` | {} | {} | {severity} | {can_change} | **{}.** {} | *{}:* {} | {} |",
                outcome.name(),
                when(*outcome),
                status(*outcome).as_u16(),
                words.title.0,
                words.sentence.0,
                words.turn.name(),
                words.next.0,
                outcome.msp_line(),
            )
            .unwrap();
        }
        text.push_str(FIELDS);
        text
    }

    const FIELDS: &str = r#"
## JSON

With `Accept: application/json` the same truth comes as one object. Unknown fields may be added; none changes its meaning. A field
without a value is `null`.

| Field | Meaning |
| --- | --- |
| `outcome` | the outcome's name; `null` where the request told none (404, 405, 413, 415, 503 for the keys) |
| `title`, `sentence`, `next_step`, `hint` | the page's words, filled in |
| `turn` | whose the next step is: `you` (the person in the browser), `organisation`, `operator`, `app_owner`, `microsoft`, `nobody` |
| `severity` | `open`, `update`, `close` |
| `provisional` | whether looking again can still change the outcome |
| `keeps_looking` | whether another look is queued |
| `confirmed_to_operator` | whether the app is verified in the worker: then nobody was asked, this page never shows the result, and the operator is told |
| `please_reload` | whether another look could not be queued: reloading tries again |
| `operator_informed` | whether the operator has been informed of a final outcome |
| `app` | the app's name |
| `afterwards` | what happens next, in the operator's words; with `granted` alone |
| `organisation` | `{"name", "named_by"}`; `named_by` is `graph` or `operator`. Only for the browser that may see it |
| `permissions` | lists `missing`, `unseen`, `unexpected`, `forbidden`, `optional_absent` of `{"resource", "kind", "value"}`; `kind` is `application` or `delegated` |
| `right_to_see_unseen` | the least Graph permission with which the verifier would see all of `unseen` |
| `users_may_approve` | of an app of somebody else, whether users may approve it themselves: `yes` or `no` where the tenant's policy was seen, `perhaps` where it was not and Microsoft's default lets them, else `null` |
| `code` | `{"code", "from", "meaning"}`: the AADSTS code, from the `callback` (a claim) or from our own `look`; `meaning` where it led to the outcome |
| `missing_resource` | the resource that the tenant lacks |
| `trace_id`, `correlation_id` | Microsoft's ids for its support |
| `looked_at`, `age_seconds` | when Microsoft was last asked (RFC 3339, UTC), and how long ago that was when this was answered |
| `refresh_after_seconds` | when the page looks again by itself |
| `again` | the address of the same invitation, for another window: with `wrong_tenant` and `wrong_account` |
| `sign_out` | Microsoft's page for signing out, with the same outcomes |
| `chain` | `{"name", "done", "total"}`: the chain it is part of. A step is done when every required permission was seen; `done` is `null` where it takes the worker to know |
| `reference`, `record_id` | the operator's reference; the id of the record |
| `operator`, `support`, `privacy_url` | who runs this |
| `notice`, `for_operator` | in place of an outcome's fields, where the request told none: `root`, `no_such_page`, `method_not_allowed`, `too_large`, `unsupported_media_type`, `keys_unavailable`; `nothing_arrived` is `unsolicited` without any parameter |

The page that watches an app of somebody else has the same fields, and:

| Field | Meaning |
| --- | --- |
| `watch` | `{"listed", "consent_url", "login_host", "publisher", "uses_ews"}`; `listed` says whether the tenant lists the app under Enterprise applications, `null` where nobody could see |

The report of a chain:

| Field | Meaning |
| --- | --- |
| `chain` | as above |
| `state` | `not_started`, `half_done`, `done`; the page carries it in `<main data-chain="...">` |
| `next` | the id of the step that waits for the person in the browser |
| `steps` | a list of `{"id", "app", "result"}`; `result` is the object described above, `null` for a step that nobody has started |
| `expires_at` | when the invitation ends |
| `organisation`, `operator`, `support`, `privacy_url` | as above |
"#;

    #[test]
    fn the_document_of_the_outcomes_says_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/outcomes.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/outcomes.md is out of date: UPDATE_DOCS=1 cargo test outcomes");
    }

    #[test]
    fn the_status_is_that_of_the_design() {
        let with = |code: u16| -> Vec<&str> {
            Outcome::ALL.iter().filter(|outcome| status(**outcome).as_u16() == code).map(|outcome| outcome.name()).collect()
        };
        assert_eq!(with(202), ["pending", "approval_requested", "awaiting_confirmation"]);
        assert_eq!(with(400), ["link_damaged", "unsolicited"]);
        assert_eq!(with(409), ["wrong_tenant"]);
        assert_eq!(with(410), ["link_expired", "link_revoked"]);
        assert_eq!(with(503), ["operator_fault", "unavailable"]);
        assert_eq!(with(200).len() + 10, Outcome::ALL.len());
    }

    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    /// The value of a custom property in the block that a selector opens.
    fn colour<'a>(css: &'a str, selector: &str, property: &str) -> &'a str {
        let block = css.split_once(&format!("{selector} {{")).unwrap().1.split_once('}').unwrap().0;
        block.split_once(&format!("{property}: ")).unwrap().1.split_once(';').unwrap().0
    }

    /// WCAG 2.2, 1.4.3: 4.5 to 1 for text.
    #[test]
    fn every_text_can_be_read_against_what_is_behind_it_in_the_light_and_in_the_dark() {
        let (light, rest) = super::super::headers::STYLE.split_once("@media (prefers-color-scheme: dark) {").unwrap();
        for theme in [light, rest] {
            let base = |property| colour(theme, ":root", property);
            let mut pairs = Vec::new();
            for behind in ["--page", "--card"] {
                pairs.extend(["--ink", "--quiet", "--link"].map(|text| (base(text), base(behind))));
            }
            for tone in [Tone::Good, Tone::Partly, Tone::Wait, Tone::Note, Tone::Act, Tone::Ours, Tone::Alarm] {
                let class = format!(".{}", tone.class());
                let (tone, wash) = (colour(theme, &class, "--tone"), colour(theme, &class, "--wash"));
                pairs.extend([(tone, wash), (base("--ink"), wash), (base("--link"), wash), (tone, base("--card"))]);
            }
            for (text, behind) in pairs {
                let (one, other) = (luminance(text), luminance(behind));
                let ratio = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(ratio >= 4.5, "{text} on {behind}: {ratio:.2}");
            }
        }
    }
}
