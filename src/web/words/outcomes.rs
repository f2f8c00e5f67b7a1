//! The words for each outcome.

use super::{Template, Words};
use crate::consent::outcome::{Approval, OutcomeFacts, Tone};
use crate::consent::{Outcome, Owner};

const APPROVED_ALL_THE_SAME: Template =
    Template("If you already pressed Accept on Microsoft's page, the approval may be there all the same. Please tell {operator}.");

const IN_THE_OTHER_ORGANISATION: Template = Template(
    "If {app} was approved in the wrong one, an administrator there can remove it in the Microsoft Entra admin centre under Enterprise applications.",
);

const FULL_ADMINISTRATOR: Template = Template(
    "A Global Administrator or a Privileged Role Administrator can approve every permission; other administrators' roles may not be enough for all of them.",
);

const EXCESS_IS_COMMON: Template = Template("Additional permissions often come from an earlier approval of the same app.");

/// The words for [`Outcome::Pending`] of an app that only the worker checks: no check has run, and this page never shows the result.
#[must_use]
pub fn confirmed_later() -> Words {
    Words {
        title: Template("Recorded, and checked after your visit"),
        sentence: Template(
            "What you did has been recorded. After your visit we ask Microsoft whether {app} is approved. {operator} can see the answer in its records. This page does not show it.",
        ),
        next: Template("You need not do anything now. {operator} will get in touch if something is left to do."),
        turn: Owner::Operator,
        hint: Some(Template("If you left Microsoft's page without pressing Accept, open the link from {operator} again.")),
        tone: Tone::Wait,
    }
}

/// The words that replace [`confirmed_later`] if the queue did not accept the order, so no check is planned.
#[must_use]
pub fn not_arranged() -> Words {
    Words {
        title: Template("Recorded, and not checked yet"),
        sentence: Template(
            "What you did has been recorded. This is not your doing: we could not arrange yet for Microsoft to be asked whether {app} is approved.",
        ),
        next: Template("Please reload this page in a minute. If it stays like this, please tell {operator}: {support}."),
        turn: Owner::Visitor,
        tone: Tone::Ours,
        ..confirmed_later()
    }
}

/// The words for an outcome without a callback, and so without a record.
#[must_use]
pub fn unopened(words: Words) -> Words {
    let Words { sentence: Template(sentence), .. } = words;
    let rest =
        sentence.strip_prefix("What you did has been recorded. ").or_else(|| sentence.strip_suffix(" What you did has been recorded."));
    Words { sentence: Template(rest.unwrap_or(sentence)), ..words }
}

/// The words for an outcome. The match is exhaustive, so a new outcome does not compile without words.
#[must_use]
pub fn words(outcome: Outcome) -> Words {
    let (title, sentence, next, hint) = match outcome {
        Outcome::Granted => (
            "Approved and confirmed",
            "We checked with Microsoft: your organisation has granted {app} every permission that it needs.",
            "Your part is done.",
            None,
        ),
        Outcome::GrantedInPart => (
            "Approved in part",
            "Microsoft shows some of the permissions that {app} needs, and does not show the others.",
            "If permissions are still listed as missing twenty minutes after the approval, open the link from {operator} again and approve it once more.",
            Some(FULL_ADMINISTRATOR),
        ),
        Outcome::GrantedInExcess => (
            "Approved, with additional permissions",
            "Every permission that {app} needs is approved. Microsoft also shows permissions that are not on the list of {operator}.",
            "It is for {operator} to compare the two lists. You need not do anything now.",
            Some(EXCESS_IS_COMMON),
        ),
        Outcome::GrantedUnseen => (
            "Approved as far as Microsoft lets us see",
            "Microsoft shows {app} in your organisation, but does not let us see every permission that it needs.",
            "It is for {operator} to confirm the permissions that we could not see. You need not do anything now.",
            None,
        ),
        Outcome::Disabled => (
            "The app is switched off in your organisation",
            "Microsoft shows {app} in your organisation, but it is switched off there: whoever signs in to it meets AADSTS7000112.",
            "To switch it on: in the Microsoft Entra admin centre open Enterprise applications, choose {app}, then Properties, and set \"Enabled for users to sign in\" to Yes.",
            Some(Template("If it was switched off on purpose, please tell {operator}.")),
        ),
        Outcome::Pending => (
            "Waiting for Microsoft to show the approval",
            "Microsoft does not show an approval of {app} yet. A delay of some minutes is common.",
            "You do not have to do anything while Microsoft brings its records up to date.",
            Some(Template("If you left Microsoft's page without pressing Accept, open the link from {operator} again.")),
        ),
        Outcome::NotFound => (
            "No approval can be seen",
            "A day after the visit, Microsoft still shows no approval of {app} in your organisation.",
            "Open the link from {operator} again, sign in as an administrator of your organisation, and press Accept on Microsoft's page.",
            Some(FULL_ADMINISTRATOR),
        ),
        Outcome::Declined => (
            "Not approved so far",
            "Microsoft's page answered that {app} was not approved. It gives the same answer when somebody sent a request for approval.",
            "If you sent a request, an administrator of your organisation decides it and you can wait. If you cancelled by mistake, open the link from {operator} again.",
            Some(Template("If you meant to decline, nothing more is needed.")),
        ),
        Outcome::NotAnAdmin => (
            "An administrator is needed",
            "Microsoft did not let this account approve {app} for the whole organisation.",
            "Pass the link from {operator} on to an administrator of your organisation.",
            Some(FULL_ADMINISTRATOR),
        ),
        Outcome::WrongAccount => (
            "Another account is needed",
            "The account chosen on Microsoft's page does not belong to the organisation this link was made for, or it could not sign in.",
            "Open the link from {operator} again and choose an administrator's account of that organisation.",
            Some(Template("If the browser keeps choosing the same account, use a private browser window.")),
        ),
        Outcome::BlockedByPolicy => (
            "A sign-in rule of your organisation stands in the way",
            "A rule of your organisation, such as Conditional Access, stopped the approval of {app} or our check of it.",
            "Please ask whoever looks after these rules in your organisation. The details below help them to find the rule.",
            None,
        ),
        Outcome::AppMisconfigured => (
            "Something has to be set up first",
            "This is not your doing: the way the link or {app} is set up now, it cannot be approved.",
            "It is for {operator} to set this right. If you do not hear from them, please send them the details below.",
            None,
        ),
        Outcome::Unknown => (
            "Microsoft's answer does not tell us enough",
            "Microsoft reported an error that does not say whether {app} can be approved.",
            "Open the link from {operator} again in a few minutes. If this page comes back, please send {operator} the details below.",
            None,
        ),
        Outcome::ApprovalRequested => (
            "A request for approval is open",
            "Microsoft shows an open request to approve {app} in your organisation.",
            "A reviewer in your organisation decides it in the Microsoft Entra admin centre, under Enterprise applications, Admin consent requests.",
            None,
        ),
        Outcome::OperatorFault => (
            "We could not check, and the fault is ours",
            "This is not your doing: our own credential, settings or request could not be used. What you did has been recorded.",
            "It is for {operator} to set this right. You need not do anything.",
            None,
        ),
        Outcome::TenantNotFound => (
            "Microsoft does not know this organisation",
            "This is not your doing: the link was made for an organisation that does not exist in this Microsoft cloud.",
            "It is for {operator} to send you a corrected link.",
            None,
        ),
        Outcome::Unavailable => (
            "We could not check yet",
            "What you did has been recorded. Microsoft has not answered our check of {app} completely, so we do not know yet where it stands.",
            "You do not have to do anything. The check can be repeated in a few minutes.",
            None,
        ),
        Outcome::WrongTenant => (
            "You were signed in with an account from another organisation",
            "The link from {operator} was made for one organisation, and Microsoft's answer came from a different one. We checked neither.",
            "Open the link again and sign in as an administrator of the organisation it was made for. A private browser window keeps your other accounts out of it.",
            Some(IN_THE_OTHER_ORGANISATION),
        ),
        Outcome::LinkExpired => (
            "This link has reached its end date",
            "Links from {operator} work for a limited time, and the time of this one is over.",
            "Please ask {operator} for a new link: {support}.",
            Some(APPROVED_ALL_THE_SAME),
        ),
        Outcome::LinkDamaged => (
            "This link cannot be read",
            "Most often a mail or chat program has cut the link or added text to its end.",
            "Open the link again from the original message, or copy it whole into the address line of your browser. Please do not retype it.",
            Some(Template(
                "If that does not help, or if it was not {operator} who sent you the link, please ask {operator}: {support}. If you already pressed Accept on Microsoft's page, the approval may be there all the same.",
            )),
        ),
        Outcome::LinkRevoked => (
            "This link was taken back",
            "{operator} has taken this link back, so it can no longer be used.",
            "If you expected to use it, please ask {operator} for a new link: {support}.",
            Some(APPROVED_ALL_THE_SAME),
        ),
        Outcome::Unsolicited => (
            "This visit did not come from one of our links",
            "This visit carries none of our links, so we cannot tell what it belongs to, and nothing was checked. This happens when an app is approved in Microsoft's portal instead of through a link.",
            "If {operator} sent you a link, please open that link again from the original message. If not, you do not have to do anything.",
            None,
        ),
        Outcome::Revoked => (
            "The approval is no longer there",
            "Microsoft showed an approval of {app} earlier and shows none now: it was withdrawn, or the app was removed from your organisation.",
            "If that was not intended, open the link from {operator} again and approve it once more.",
            Some(Template("If it was intended, please tell {operator}.")),
        ),
        Outcome::Reduced => (
            "Some permissions are no longer there",
            "Microsoft showed every permission that {app} needs earlier, and some of them are gone now.",
            "If that was not intended, open the link from {operator} again and approve it once more.",
            Some(Template(
                "Approving an app again with a shorter list can take permissions away. If it was intended, please tell {operator}.",
            )),
        ),
        Outcome::Enlarged => (
            "The app has more permissions than before",
            "Every permission that {app} needs is approved. Microsoft now also shows permissions that are not on the list of {operator}.",
            "It is for {operator} to compare the two lists. You need not do anything now.",
            None,
        ),
        Outcome::TenantGone => (
            "The organisation is no longer there",
            "Microsoft answers that the organisation this link was made for no longer exists.",
            "It is for {operator} to bring its list up to date. If this surprises you, please ask them: {support}.",
            None,
        ),
        Outcome::AwaitingConfirmation => (
            "Your organisation has to be confirmed",
            "The link can be used by any organisation. We check nothing until {operator} has confirmed that yours is the one meant.",
            "It is for {operator} to confirm your organisation. You need not do anything now.",
            None,
        ),
        Outcome::ReportedUnverified => (
            "Recorded, but not checked",
            "What you did has been recorded. We have no right to look in your organisation, so we cannot say whether {app} is approved.",
            "It is for {operator} to confirm the approval in another way. You need not do anything now.",
            None,
        ),
    };
    let OutcomeFacts { owner, tone, .. } = outcome.facts();
    Words { title: Template(title), sentence: Template(sentence), next: Template(next), turn: owner, hint, tone }
}

/// What a check saw of an approval for everybody, in a few words.
#[must_use]
pub fn seen_for_everybody(outcome: Outcome) -> &'static str {
    match outcome.facts().approval {
        Approval::Complete => "seen",
        Approval::InPart => "seen in part",
        Approval::AsFarAsVisible => "seen as far as Microsoft lets us see",
        Approval::NotSeen => "not seen so far",
        Approval::Requested => "not seen so far; a request for it is open",
        Approval::Withdrawn => "no longer seen",
        Approval::SwitchedOff => "does not count while the app is switched off",
        Approval::Unknown => "we cannot see",
    }
}
