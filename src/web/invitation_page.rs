//! Renders the page of an invitation.

mod report;
mod watch;

use maud::{Markup, html};
use time::OffsetDateTime;

pub use self::report::{ChainState, ReportPage, ReportStep, report, report_json};
pub use self::watch::{WATCH_EVERY_SECONDS, WATCH_FOR, WatchPage, watch, watch_json};
use super::pages::{Branding, Moment, PageMarks, copyable, shell, verdict};
use super::users_approval::UsersMayApprove;
use super::words::{self, Names, Template};
use crate::config::{Companion, Publisher};
use crate::consent::ids::ClientId;
use crate::consent::outcome::Tone;
use crate::consent::permission_table::PermissionKind;
use crate::consent::profile::{ExpectedPermission, ExpectedResource, Need};
use crate::consent::roles::{Reach, RoleNeeded, known, reach};

/// One app of an invitation.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The app profile's id: the value of the form field `step`.
    pub id: &'a str,
    /// The app's name as people know it.
    pub app: &'a str,
    /// The application id, for the reader to compare with Microsoft's page.
    pub client_id: ClientId,
    /// The purpose, in the operator's words.
    pub purpose: Option<&'a str>,
    /// The permissions that Microsoft's page will list.
    pub permissions: &'a [ExpectedResource],
    /// Whether the link requests each permission by name. Otherwise Microsoft lists the permissions of the registration, which may omit an
    /// optional one.
    pub asked_by_name: bool,
    /// The role that can approve the app.
    pub role: RoleNeeded,
    /// What Microsoft's page shows as the publisher of an own app; `None` if we do not know it.
    pub publisher: Option<&'a Publisher>,
    /// Set for a companion app.
    pub companion: Option<CompanionStep<'a>>,
}

/// The facts that apply only to a companion app.
#[derive(Debug, Clone, Copy)]
pub struct CompanionStep<'a> {
    /// The publisher's name.
    pub publisher: Option<&'a str>,
    /// Users may be able to approve the app themselves, because Microsoft's default allows that.
    pub users_may_approve: bool,
    /// The app uses Exchange Web Services.
    pub uses_ews: bool,
}

impl<'a> CompanionStep<'a> {
    /// Takes the facts from the configuration.
    pub(crate) fn of(companion: &'a Companion) -> Self {
        let Companion { users_may_approve, uses_ews, .. } = *companion;
        Self { publisher: companion.publisher.as_deref(), users_may_approve, uses_ews }
    }
}

/// The content of the invitation page.
#[derive(Debug, Clone)]
pub struct InvitationPage<'a> {
    /// The operator's details.
    pub branding: Branding<'a>,
    /// The organisation's name from the operator. `None` if the link names none.
    pub organisation: Option<&'a str>,
    /// This page's address, for the reader to copy or pass on.
    pub address: &'a str,
    /// When the invitation expires.
    pub expires_at: OffsetDateTime,
    /// The name of the chain, if there are several apps.
    pub chain: Option<&'a str>,
    /// At least one app, in order.
    pub steps: Vec<Step<'a>>,
    /// The host of Microsoft's page, which the reader should see next.
    pub login_host: &'a str,
}

/// Renders the page. Its answer needs [`super::headers::Forms::LeadAway`].
#[must_use]
pub fn invitation(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let title = Template(match page.steps.as_slice() {
        [_] => "{operator} asks you to approve {app}",
        _ => "{operator} asks you to approve several apps",
    });
    let eyebrow = page.chain.map(|chain| html! { bdi { (chain) } });
    let body = html! {
        (verdict(Tone::Act, title, names, eyebrow))
        (account_first(page))
        (who_asks(page))
        @match page.steps.as_slice() {
            [only] => {
                section.step data-step=(only.id) aria-labelledby="step-1" {
                    h2 #step-1 { (Template("What {app} asks for").fill(names)) }
                    (asks_for(page.branding, only))
                }
                (what_happens_next(page))
                (genuine(page))
                div.go { (button(only.id, &html! { "Continue to Microsoft" }, true)) }
            }
            several => {
                (what_happens_next(page))
                (genuine(page))
                @for (number, step) in (1..).zip(several) { (chain_step(page, number, step)) }
            }
        }
    };
    shell(page.branding, title, names, PageMarks { page: Some("invitation"), ..PageMarks::default() }, Tone::Act, &body)
}

impl<'a> InvitationPage<'a> {
    fn names(&self) -> Names<'a> {
        let app = match self.steps.as_slice() {
            [only] => Some(only.app),
            _ => None,
        };
        Names { app, ..self.branding.names() }
    }

    /// The role that can approve all apps of the invitation.
    fn role(&self) -> RoleNeeded {
        let highest = self.steps.iter().any(|step| step.role == RoleNeeded::PrivilegedRoleAdministrator);
        if highest { RoleNeeded::PrivilegedRoleAdministrator } else { RoleNeeded::ApplicationAdministrator }
    }
}

fn account_first(page: &InvitationPage<'_>) -> Markup {
    html! {
        section.next aria-labelledby="first" {
            h2 #first { "First: use your administrator account" }
            p {
                "It is often not the account with which you read mail. It needs one of these roles: "
                strong { (words::roles(page.role())) } "."
            }
            p { "A private window (also called InPrivate or Incognito) lets you choose the account. This is the link to copy into it:" }
            (copyable(page.address))
            details {
                summary { "Not an administrator? Send them this" }
                (letter(page))
            }
        }
    }
}

/// A message that a reader without the role can copy and send to an administrator.
fn letter(page: &InvitationPage<'_>) -> Markup {
    html! {
        pre.copy {
            "Hello,\n\n"
            bdi { (page.branding.operator) } " asks our organisation"
            @if let Some(organisation) = page.organisation { " (" bdi { (organisation) } ")" }
            " to approve "
            @for (at, step) in page.steps.iter().enumerate() {
                @if at > 0 { @if at + 1 == page.steps.len() { " and " } @else { ", " } }
                bdi { (step.app) }
            }
            " at Microsoft. This takes an administrator: " (words::roles(page.role())) ".\n\n"
            "Please open this link in a private window, and sign in with your administrator account:\n"
            bdi { (page.address) } "\n\n"
            "The page says what is asked for and how to tell that it is genuine. If in doubt, call "
            bdi { (page.branding.operator) } " on the number we already have."
            @if let Some(end) = Moment::of(page.expires_at) { " The link works until " (end.human) "." }
        }
    }
}

fn who_asks(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    html! {
        dl.facts {
            dt { "Who asks" }
            dd { bdi { (page.branding.operator) } }
            dt { "For" }
            dd {
                @match page.organisation {
                    Some(name) => { bdi { (name) } " " span.quiet { (Template("(as named by {operator})").fill(names)) } }
                    None => { "your organisation " span.quiet { (Template("({operator} gave no name in this link)").fill(names)) } }
                }
            }
            dt { @if page.steps.len() == 1 { "App" } @else { "Apps" } }
            dd {
                @match page.steps.as_slice() {
                    [only] => (about_app(page.branding, only)),
                    several => ol { @for step in several { li { (about_app(page.branding, step)) } } },
                }
            }
            @if let Some(end) = Moment::of(page.expires_at) {
                dt { "Link works until" }
                dd { (end) }
            }
        }
    }
}

fn about_app(branding: Branding<'_>, step: &Step<'_>) -> Markup {
    html! {
        bdi { (step.app) }
        @if let Some(purpose) = step.purpose { br; span.quiet { bdi { (purpose) } } }
        @if let Some(companion) = step.companion {
            br; span.quiet { (published_by(companion)) ", not by " bdi { (branding.operator) } }
        }
        br; span.quiet { "Application ID " code { (step.client_id) } }
    }
}

fn published_by(companion: CompanionStep<'_>) -> Markup {
    html! {
        @match companion.publisher {
            Some(publisher) => { "published by " bdi { (publisher) } }
            None => "published by another company",
        }
    }
}

/// What an approval of one app means: its permissions, next to the lines that Microsoft's page will show.
fn asks_for(branding: Branding<'_>, step: &Step<'_>) -> Markup {
    let names = Names { app: Some(step.app), ..branding.names() };
    let asked = |resource: &'_ ExpectedResource| resource.permissions.iter().any(|permission| permission.need != Need::Forbidden);
    let has = |mark| {
        let marks = |resource: &'_ ExpectedResource| resource.permissions.iter().any(|permission| marked(resource, permission) == mark);
        step.permissions.iter().any(marks)
    };
    html! {
        @if let Some(companion) = step.companion { (of_somebody_else(companion)) }
        p { "Microsoft's page lists the lines in quotation marks, in the language of your account. It may add lines about signing in." }
        @for resource in step.permissions.iter().filter(|resource| asked(resource)) {
            div.permissions {
                h3 { bdi { (resource.name) } }
                @for kind in [PermissionKind::Application, PermissionKind::Delegated] { (of_kind(resource, kind, step.asked_by_name)) }
            }
        }
        @if has(FAR) {
            p.quiet { (Template("\"Far-reaching\" is our own mark: it opens mail, files, the directory, groups, profiles, audit or security data of everybody, or changes something for everybody. {operator} can tell you what it is needed for.").fill(names)) }
        }
        @if has(UNKNOWN) {
            p.quiet { (Template("\"Not known to us\": our list of Microsoft's permissions does not have it. {operator} can tell you what it allows.").fill(names)) }
        }
    }
}

const FAR: Option<&str> = Some("Far-reaching");
const UNKNOWN: Option<&str> = Some("Not known to us");

/// Our mark on a permission that is asked for.
fn marked(resource: &ExpectedResource, permission: &ExpectedPermission) -> Option<&'static str> {
    match reach(resource.resource, permission) {
        _ if permission.need == Need::Forbidden => None,
        Reach::Far => FAR,
        Reach::Unknown => UNKNOWN,
        Reach::Ordinary => None,
    }
}

fn of_kind(resource: &ExpectedResource, kind: PermissionKind, asked_by_name: bool) -> Markup {
    let asked: Vec<_> =
        resource.permissions.iter().filter(|permission| permission.kind == kind && permission.need != Need::Forbidden).collect();
    html! {
        @if !asked.is_empty() {
            p.kind { (words::exercised(kind)) ":" }
            ul {
                @for permission in asked {
                    li data-permission=(kind.name()) {
                        (line(resource, permission))
                        @if let Some(mark) = marked(resource, permission) { " " span.mark { (mark) } }
                        @if permission.need == Need::Optional { " " span.quiet { @if asked_by_name { "(not required)" } @else { "(may be listed; not required)" } } }
                        @if let Some(words) = words::permission_words(resource.resource, kind, &permission.value) { p { (words) } }
                    }
                }
            }
        }
    }
}

/// The line on Microsoft's page and the permission's name; only the name if the line is unknown.
fn line(resource: &ExpectedResource, permission: &ExpectedPermission) -> Markup {
    html! {
        @if let Some(known) = known(resource.resource, permission) { q { (known.consent_line) } " " }
        bdi.value { (permission.value) }
    }
}

/// What an administrator needs to know about a companion app.
fn of_somebody_else(companion: CompanionStep<'_>) -> Markup {
    html! {
        @if companion.users_may_approve {
            p { (UsersMayApprove::Perhaps.words()) }
        }
        @if companion.uses_ews { (ews()) }
    }
}

/// The notice for an app that uses Exchange Web Services, which Microsoft is switching off (protocol reference §8).
fn ews() -> Markup {
    html! {
        p.ews {
            strong { "An approval is not yet working mail." }
            " Microsoft is switching off Exchange Web Services, a way in which this app reaches mailboxes: blocked from 1 October 2026 in every organisation that has not put the app on its list of those allowed, and gone on 1 April 2027."
        }
    }
}

fn what_happens_next(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let companions = page.steps.iter().filter(|step| step.companion.is_some()).count();
    let several = page.steps.len() > 1;
    html! {
        section.happens aria-labelledby="happens" {
            h2 #happens { "What happens next" }
            ol {
                li { "You press a button on this page. Where we can, we first look whether the approval is there already; if so, we tell you, and nothing else happens." }
                @if companions < page.steps.len() {
                    li { "Microsoft's page opens. You sign in, read what it lists, and press Accept or Cancel. Nothing is approved before you press Accept." }
                    li { "Microsoft sends you back to us. We ask Microsoft whether the approval is there, and show you what it answers." }
                }
                @if companions > 0 {
                    li {
                        @if several {
                            "For an app that is not from " bdi { (names.operator) } ", a page of ours comes first. It opens Microsoft's page in a new tab and looks for the approval, since Microsoft does not send you back to us."
                        } @else {
                            "A page of ours comes next. It opens Microsoft's page in a new tab, where you sign in, read what is listed, and press Accept or Cancel. Nothing is approved before you press Accept. Our page looks for the approval, since Microsoft does not send you back to us."
                        }
                    }
                }
                @if several {
                    li { "Then the next app, in the order shown. Each step can be repeated, and you can go on another day with the same link." }
                }
            }
        }
    }
}

/// If Microsoft has not verified the publisher, its page says "unverified". This alone is no reason to cancel.
const UNVERIFIED: &str = "Beside the name, Microsoft shows the publisher, or \"unverified\" where it has not verified one.";

fn genuine(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let next_page = if page.steps.iter().any(|step| step.companion.is_some()) { "Microsoft's page" } else { "The next page" };
    html! {
        section.genuine aria-labelledby="genuine" {
            h2 #genuine { "How to tell this is genuine" }
            ul {
                li { (Template("Call {operator} on the number you already have, not on one from a mail or from this page, and ask whether they sent it.").fill(names)) }
                li {
                    (next_page) " must be at " code { "https://" (page.login_host) "/" }
                    ". If your organisation has a sign-in page of its own, that one comes in between."
                }
                li {
                    "It must name "
                    @match page.steps.as_slice() {
                        [only] => { bdi { (only.app) } (the_publisher(only)) }
                        _ => "the app of that step",
                    }
                    ", and list the lines shown on this page. "
                    @match page.steps.as_slice() {
                        [Step { publisher: Some(publisher), .. }] => (shown_as(publisher, names)),
                        _ => (UNVERIFIED),
                    }
                }
                li { (Template("If you are in doubt, ask {operator} before you press Accept.").fill(names)) }
                li { "We never see your password. You type it at Microsoft, or at your organisation's own sign-in page, and nowhere else." }
                li {
                    (Template("You can withdraw the approval at any time: in the Microsoft Entra admin centre, open Enterprise applications and choose {app}. Permissions shows what is approved; under Properties you can switch it off (\"Enabled for users to sign in\": No) or delete it.").fill(names))
                }
            }
        }
    }
}

fn the_publisher(step: &Step<'_>) -> Markup {
    html! {
        @if let Some(publisher) = step.companion.and_then(|companion| companion.publisher) { " and its publisher (" bdi { (publisher) } ")" }
    }
}

/// What Microsoft's page shows as the publisher today.
fn shown_as(publisher: &Publisher, names: Names<'_>) -> Markup {
    html! {
        @match publisher {
            Publisher::Verified(name) => { "Beside the name, Microsoft shows the publisher that it has verified: " bdi { (name) } "." }
            Publisher::Unverified => (Template("Beside the name, Microsoft shows \"unverified\", since it has not verified {operator} as the publisher. That alone is no reason to cancel.").fill(names)),
        }
    }
}

fn chain_step(page: &InvitationPage<'_>, number: usize, step: &Step<'_>) -> Markup {
    html! {
        section.step data-step=(step.id) aria-labelledby={ "step-" (number) } {
            h2 id={ "step-" (number) } { (number) ". " bdi { (step.app) } }
            p { "Needs one of these roles: " (words::roles(step.role)) "." }
            @if let Some(publisher) = step.companion.and_then(|companion| companion.publisher) {
                p { "Published by " bdi { (publisher) } ", not by " bdi { (page.branding.operator) } "." }
            }
            @if let Some(publisher) = step.publisher { p { (shown_as(publisher, page.branding.names())) } }
            (asks_for(page.branding, step))
            (button(step.id, &html! { "Continue to Microsoft for " bdi { (step.app) } }, number == 1))
        }
    }
}

/// A form with one button that posts to the page itself.
fn button(id: &str, label: &Markup, primary: bool) -> Markup {
    html! {
        form method="post" {
            input type="hidden" name="step" value=(id);
            button.button.primary[primary] type="submit" { (label) }
        }
    }
}
