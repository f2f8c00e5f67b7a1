//! Renders the page of an invitation.

mod report;
mod watch;

use maud::{Markup, Render as _, html};
use time::OffsetDateTime;

pub use self::report::{ChainState, ReportPage, ReportStep, report, report_json};
pub use self::watch::{WATCH_EVERY_SECONDS, WATCH_FOR, WatchPage, watch, watch_json};
use super::pages::{Branding, Moment, PageMarks, copyable, shell, verdict};
use super::users_approval::UsersMayApprove;
use super::words::{self, INVITATION, LETTERS, Names, PageText};
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
    /// The address of the help page.
    pub help_href: &'a str,
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
    let title = INVITATION.text(match page.steps.as_slice() {
        [_] => "title",
        _ => "title-several",
    });
    let eyebrow = page.chain.map(|chain| html! { bdi { (chain) } });
    let body = html! {
        (verdict(Tone::Start, &title, names, eyebrow))
        (account_first(page))
        (who_asks(page))
        @match page.steps.as_slice() {
            [only] => {
                section.step data-step=(only.id) aria-labelledby="step-1" {
                    h2 #step-1 { (INVITATION.text("asks-for").fill(names)) }
                    (asks_for(page.branding, only))
                }
                (what_happens_next(page))
                (genuine(page))
                (help(page))
                div.go { (button(only.id, &INVITATION.text("continue").render(), true)) }
            }
            several => {
                (what_happens_next(page))
                (genuine(page))
                (help(page))
                @for (number, step) in (1..).zip(several) { (chain_step(page, number, step)) }
            }
        }
    };
    shell(page.branding, &title, names, PageMarks { page: Some("invitation"), ..PageMarks::default() }, Tone::Start, &body)
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
            h2 #first { (INVITATION.text("account-first")) }
            p { (INVITATION.text("account-roles").with("roles", html! { strong { (words::roles(page.role())) } })) }
            p { (INVITATION.text("account-private-window")) }
            (copyable(page.address))
            details {
                summary { (INVITATION.text("pass-on")) }
                (letter(page))
            }
        }
    }
}

/// A message that a reader without the role can copy and send to an administrator.
fn letter(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let asks = LETTERS
        .text(if page.organisation.is_some() { "asks-for-named" } else { "asks" })
        .with("organisation", page.organisation.unwrap_or_default())
        .with("apps", listed(&page.steps))
        .with("roles", words::roles(page.role()).render());
    html! {
        pre.copy {
            (LETTERS.text("greeting")) "\n\n"
            (asks.fill(names)) "\n\n"
            (LETTERS.text("open-link")) "\n"
            bdi { (page.address) } "\n\n"
            (LETTERS.text("how-to-tell").fill(names))
            @if let Some(end) = Moment::of(page.expires_at) { " " (LETTERS.text("works-until").with("end", end.human)) }
        }
    }
}

/// The apps as a part of a sentence.
fn listed(steps: &[Step<'_>]) -> Markup {
    let mut apps = html! {};
    for (at, step) in steps.iter().enumerate() {
        apps = match at {
            0 => html! { bdi { (step.app) } },
            at if at + 1 == steps.len() => LETTERS.text("apps-and-last").with("before", apps).with("last", step.app).render(),
            _ => LETTERS.text("apps-and-next").with("before", apps).with("next", step.app).render(),
        };
    }
    apps
}

fn who_asks(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    html! {
        dl.facts {
            dt { (INVITATION.text("who-asks")) }
            dd { bdi { (page.branding.operator) } }
            dt { (INVITATION.text("for-organisation")) }
            dd {
                @match page.organisation {
                    Some(name) => { bdi { (name) } " " span.quiet { (INVITATION.text("named-by-operator").fill(names)) } }
                    None => {
                        @let note = html! { span.quiet { (INVITATION.text("unnamed-organisation-note").fill(names)) } };
                        (INVITATION.text("unnamed-organisation").with("note", note))
                    }
                }
            }
            dt { (INVITATION.text(if page.steps.len() == 1 { "app" } else { "apps" })) }
            dd {
                @match page.steps.as_slice() {
                    [only] => (about_app(page.branding, only)),
                    several => ol { @for step in several { li { (about_app(page.branding, step)) } } },
                }
            }
            @if let Some(end) = Moment::of(page.expires_at) {
                dt { (INVITATION.text("link-works-until")) }
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
            br; span.quiet { (published_by(companion).fill(branding.names())) }
        }
        br; span.quiet { (INVITATION.text("application-id").with("id", html! { code { (step.client_id) } })) }
    }
}

fn published_by(companion: CompanionStep<'_>) -> PageText<'_> {
    INVITATION
        .text(if companion.publisher.is_some() { "published-by" } else { "published-by-other" })
        .with("publisher", companion.publisher.unwrap_or_default())
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
        p { (INVITATION.text("microsoft-lists")) }
        @for resource in step.permissions.iter().filter(|resource| asked(resource)) {
            div.permissions {
                h3 { bdi { (resource.name) } }
                @for kind in [PermissionKind::Application, PermissionKind::Delegated] { (of_kind(resource, kind, step.asked_by_name)) }
            }
        }
        @if has(Some(Reach::Far)) { p.quiet { (INVITATION.text("mark-far-note").fill(names)) } }
        @if has(Some(Reach::Unknown)) { p.quiet { (INVITATION.text("mark-unknown-note").fill(names)) } }
    }
}

/// Our mark on a permission that is asked for.
fn marked(resource: &ExpectedResource, permission: &ExpectedPermission) -> Option<Reach> {
    Some(reach(resource.resource, permission)).filter(|reach| permission.need != Need::Forbidden && *reach != Reach::Ordinary)
}

fn of_kind(resource: &ExpectedResource, kind: PermissionKind, asked_by_name: bool) -> Markup {
    let asked: Vec<_> =
        resource.permissions.iter().filter(|permission| permission.kind == kind && permission.need != Need::Forbidden).collect();
    html! {
        @if !asked.is_empty() {
            p.kind { (words::exercised(kind)) }
            ul {
                @for permission in asked {
                    li data-permission=(kind.name()) {
                        (line(resource, permission))
                        @if let Some(mark) = marked(resource, permission) { " " span.tag { (INVITATION.text(if mark == Reach::Far { "mark-far" } else { "mark-unknown" })) } }
                        @if permission.need == Need::Optional { " " span.quiet { (INVITATION.text(if asked_by_name { "not-required" } else { "may-be-listed" })) } }
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
            strong { (INVITATION.text("ews-warning")) }
            " " (INVITATION.text("ews-dates"))
        }
    }
}

fn what_happens_next(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let companions = page.steps.iter().filter(|step| step.companion.is_some()).count();
    let several = page.steps.len() > 1;
    html! {
        section.happens aria-labelledby="happens" {
            h2 #happens { (INVITATION.text("happens")) }
            ol {
                li { (INVITATION.text("happens-button")) }
                @if companions < page.steps.len() {
                    li { (INVITATION.text("happens-microsoft")) }
                    li { (INVITATION.text("happens-back")) }
                }
                @if companions > 0 {
                    li { (INVITATION.text(if several { "happens-companions" } else { "happens-companion" }).fill(names)) }
                }
                @if several {
                    li { (INVITATION.text("happens-several")) }
                }
            }
        }
    }
}

fn genuine(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let has_companion = page.steps.iter().any(|step| step.companion.is_some());
    let next_page =
        INVITATION.text(if has_companion { "genuine-microsoft-page" } else { "genuine-next-page" }).with("place", place(page.login_host));
    let publisher = page.steps.first().and_then(|step| step.companion?.publisher);
    let must_name = INVITATION
        .text(match page.steps.as_slice() {
            [_] if publisher.is_some() => "genuine-names-publisher",
            [_] => "genuine-names-app",
            _ => "genuine-names-step",
        })
        .with("publisher", publisher.unwrap_or_default());
    let shown = match page.steps.as_slice() {
        [Step { publisher: Some(publisher), .. }] => shown_as(publisher),
        _ => INVITATION.text("publisher-shown"),
    };
    html! {
        section.genuine aria-labelledby="genuine" {
            h2 #genuine { (INVITATION.text("genuine")) }
            ul {
                li { (INVITATION.text("genuine-call").fill(names)) }
                li { (next_page) }
                li { (must_name.fill(names)) " " (shown.fill(names)) }
                li { (INVITATION.text("genuine-in-doubt").fill(names)) }
                li { (INVITATION.text("genuine-password")) }
                li { (INVITATION.text("genuine-withdraw").fill(names)) }
            }
        }
    }
}

/// For a reader who gets stuck on Microsoft's page, and so does not come back to a page of ours.
fn help(page: &InvitationPage<'_>) -> Markup {
    let link = html! { a href=(page.help_href) target="_blank" rel="noopener" { (INVITATION.text("help-link")) } };
    html! { p.help { (INVITATION.text("help").with("link", link)) } }
}

/// The address of Microsoft's page, for the reader to compare.
fn place(login_host: &str) -> Markup {
    html! { code { "https://" (login_host) "/" } }
}

/// What Microsoft's page shows as the publisher today.
fn shown_as(publisher: &Publisher) -> PageText<'_> {
    match publisher {
        Publisher::Verified(name) => INVITATION.text("publisher-verified").with("publisher", &**name),
        Publisher::Unverified => INVITATION.text("publisher-unverified"),
    }
}

fn chain_step(page: &InvitationPage<'_>, number: usize, step: &Step<'_>) -> Markup {
    html! {
        section.step data-step=(step.id) aria-labelledby={ "step-" (number) } {
            h2 id={ "step-" (number) } { (number) ". " bdi { (step.app) } }
            p { (INVITATION.text("step-roles").with("roles", words::roles(step.role).render())) }
            @if let Some(publisher) = step.companion.and_then(|companion| companion.publisher) {
                p { (INVITATION.text("step-published-by").with("publisher", publisher).fill(page.branding.names())) }
            }
            @if let Some(publisher) = step.publisher { p { (shown_as(publisher).fill(page.branding.names())) } }
            (asks_for(page.branding, step))
            (button(step.id, &INVITATION.text("continue-for").fill(Names { app: Some(step.app), ..page.branding.names() }), number == 1))
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
