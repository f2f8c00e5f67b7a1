//! Renders the page of an invitation.

mod report;
mod watch;

use maud::{Markup, Render as _, html};
use time::OffsetDateTime;
use time::macros::datetime;

pub use self::report::{ChainState, ReportPage, ReportStep, report, report_json};
pub use self::watch::{WATCH_EVERY_SECONDS, WATCH_FOR, WatchPage, watch, watch_json};
use super::pages::{Branding, Icon, Moment, PageMarks, mailto, monogram, shell};
use super::users_approval::UsersMayApprove;
use super::words::{self, Argument, INVITATION, LETTERS, Names, PAGES, PageText};
use crate::config::{Companion, ConfiguredApp, Publisher};
use crate::consent::ids::ClientId;
use crate::consent::outcome::Tone;
use crate::consent::permission_table::PermissionKind;
use crate::consent::profile::{ExpectedPermission, ExpectedResource, Need};
use crate::consent::roles::{Reach, RoleNeeded, known, only_reads, reach};

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
    /// The step is skipped in a tenant that lacks what it needs.
    pub is_optional: bool,
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
    /// What Microsoft does about that now.
    pub ews: Option<EwsNotice>,
}

/// Microsoft switches Exchange Web Services off: from October 2026 for apps that are not allowed, and on 1 April 2027 for all. The notice
/// ends with the second date. Sources: learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/deprecation-of-ews-exchange-online,
/// learn.microsoft.com/powershell/module/exchange/set-organizationconfig (`EwsAllowedAppIDs`).
#[derive(Debug, Clone, Copy)]
pub struct EwsNotice {
    /// The app that an organisation has to allow.
    pub client_id: ClientId,
    /// Microsoft blocks apps that are not allowed.
    pub is_blocked: bool,
    /// Telephones use Exchange ActiveSync, which stays.
    pub spares_phones: bool,
}

impl EwsNotice {
    fn of(app: &ConfiguredApp, now: OffsetDateTime) -> Option<Self> {
        let uses_ews = app.companion.as_ref().is_some_and(|companion| companion.uses_ews);
        let spares_phones =
            (app.profile.expected.iter().flat_map(ExpectedResource::required)).any(|one| &*one.value == "EAS.AccessAsUser.All");
        let notice = Self { client_id: app.profile.client_id, is_blocked: now >= EWS_BLOCKED, spares_phones };
        (uses_ews && now < EWS_GONE).then_some(notice)
    }
}

const EWS_BLOCKED: OffsetDateTime = datetime!(2026-10-01 0:00 UTC);
const EWS_GONE: OffsetDateTime = datetime!(2027-04-01 0:00 UTC);

impl<'a> CompanionStep<'a> {
    /// Takes the facts from the configuration.
    pub(crate) fn of(app: &'a ConfiguredApp, companion: &'a Companion, now: OffsetDateTime) -> Self {
        let Companion { users_may_approve, uses_ews, .. } = *companion;
        Self { publisher: companion.publisher.as_deref(), users_may_approve, uses_ews, ews: EwsNotice::of(app, now) }
    }
}

/// The content of the invitation page.
#[derive(Debug, Clone)]
pub struct InvitationPage<'a> {
    /// The operator's details.
    pub branding: Branding<'a>,
    /// The organisation's name from the operator. `None` if the link names none.
    pub organisation: Option<&'a str>,
    /// The operator's reference, which the reader can name on the telephone.
    pub reference: Option<&'a str>,
    /// This page's address, for another window or another person.
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
    let title = page.title();
    let body = html! {
        div.verdict {
            @if let Some(chain) = page.chain { p.eyebrow { bdi { (chain) } } }
            h1 { (title.fill(names)) }
            p.lead { (page.lead().fill(names)) }
        }
        @match page.steps.as_slice() {
            [only] => (approval(page, only, 1)),
            several => {
                div.steps {
                    @for (number, step) in (1..).zip(several) {
                        details name="steps" open[number == 1] data-step=(step.id) {
                            summary { h2 { span.number { (number) } " " bdi { (step.app) } @if step.is_optional { " " span.quiet { (INVITATION.text("step-optional")) } } } }
                            // A link to a part of a closed `<details>` opens it.
                            div.step id={ "step-" (number) } { (approval(page, step, number)) }
                        }
                    }
                }
            }
        }
        div.more {
            (not_an_administrator(page))
            (another_account(page))
            (genuine(page))
            (what_happens_next(page))
            // A chain has no room for it. The page of each companion's approval has it too.
            @if let [Step { companion: Some(CompanionStep { ews: Some(notice), .. }), .. }] = page.steps.as_slice() {
                (ews_command(notice, page.names()))
            }
        }
        @if let Some(end) = Moment::of(page.expires_at) { p.small { (INVITATION.text("link-works-until").with("end", end.render())) } }
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

    fn title(&self) -> PageText<'a> {
        INVITATION
            .text(match (self.steps.as_slice(), self.organisation) {
                ([_], Some(_)) => "title",
                ([_], None) => "title-unnamed",
                (_, Some(_)) => "title-several",
                (_, None) => "title-several-unnamed",
            })
            .with("count", self.steps.len())
            .with("organisation", self.organisation.unwrap_or_default())
    }

    fn lead(&self) -> PageText<'a> {
        let strong = |name: &str| html! { strong { bdi { (name) } } };
        INVITATION
            .text(match (self.steps.as_slice(), self.organisation) {
                ([_], Some(_)) => "lead",
                ([_], None) => "lead-unnamed",
                (_, Some(_)) => "lead-several",
                (_, None) => "lead-several-unnamed",
            })
            .with("who", strong(self.branding.operator))
            .with("count", self.steps.len())
            .with("organisation", strong(self.organisation.unwrap_or_default()))
    }

    fn letter(&self) -> Letter<'a> {
        Letter { organisation: self.organisation, role: self.role(), address: self.address, expires_at: self.expires_at }
    }

    /// The role that can approve all apps of the invitation.
    fn role(&self) -> RoleNeeded {
        let highest = self.steps.iter().any(|step| step.role == RoleNeeded::PrivilegedRoleAdministrator);
        if highest { RoleNeeded::PrivilegedRoleAdministrator } else { RoleNeeded::ApplicationAdministrator }
    }
}

fn not_an_administrator(page: &InvitationPage<'_>) -> Markup {
    html! {
        details {
            summary { (INVITATION.text("pass-on")) }
            p { (INVITATION.text("pass-on-how")) }
            @if let Some(address) = mail(page) { p.noprint { a.button href=(address) { (PAGES.text("pass-on-mail")) } } }
            (letter(page))
        }
    }
}

/// A mail with the letter to an administrator.
fn mail(page: &InvitationPage<'_>) -> Option<String> {
    let apps: Vec<_> = page.steps.iter().map(|step| step.app).collect();
    page.letter().mail(page.names(), &apps.join(", "))
}

fn another_account(page: &InvitationPage<'_>) -> Markup {
    let (host, _) = page.address.split_once("://").and_then(|(_, rest)| rest.split_once('/')).unwrap_or_default();
    html! {
        details {
            summary { (INVITATION.text("account")) }
            p { (INVITATION.text("account-private-window")) }
            p { a.link href=(page.address) { (INVITATION.text("account-link").with("host", host)) } }
        }
    }
}

/// A message that a reader without the role can send to an administrator.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Letter<'a> {
    pub(in crate::web) organisation: Option<&'a str>,
    pub(in crate::web) role: RoleNeeded,
    /// The address of the invitation.
    pub(in crate::web) address: &'a str,
    pub(in crate::web) expires_at: OffsetDateTime,
}

impl<'a> Letter<'a> {
    /// The letter's greeting, its request, its line above the address, and its end.
    fn texts(self, apps: impl Into<Argument<'a>>) -> [PageText<'a>; 4] {
        let asks = LETTERS
            .text(if self.organisation.is_some() { "asks-for-named" } else { "asks" })
            .with("organisation", self.organisation.unwrap_or_default())
            .with("roles", words::roles(self.role).plain_alone())
            .with("apps", apps);
        let end = Moment::of(self.expires_at).map(|end| end.human).unwrap_or_default();
        [LETTERS.text("greeting"), asks, LETTERS.text("open-link"), LETTERS.text("how-to-tell").with("end", end)]
    }

    /// A `mailto:` address with the letter, and with its address alone if the letter is too long. `None` if even that is too long.
    pub(in crate::web) fn mail(self, names: Names<'_>, apps: &'a str) -> Option<String> {
        let [greeting, asks, open, how] = self.texts(apps).map(|text| text.plain(names));
        let address = self.address;
        let whole = format!("{greeting}\r\n\r\n{asks}\r\n\r\n{open}\r\n{address}\r\n\r\n{how}");
        let subject = LETTERS.text("subject").with("apps", apps).plain(names);
        mailto("", &[(&subject, &whole), (&subject, &format!("{open}\r\n{address}")), ("", address)])
    }
}

fn letter(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let [greeting, asks, open, how] = page.letter().texts(listed(&page.steps));
    html! {
        pre tabindex="0" {
            (greeting) "\n\n"
            (asks.fill(names)) "\n\n"
            (open) "\n"
            bdi { (page.address) } "\n\n"
            (how.fill(names))
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

/// One app: what it is, what it will be able to do, which role it takes, and the button.
fn approval(page: &InvitationPage<'_>, step: &Step<'_>, number: usize) -> Markup {
    let names = Names { app: Some(step.app), ..page.branding.names() };
    let several = page.steps.len() > 1;
    let label = if several { INVITATION.text("continue-for").fill(names) } else { INVITATION.text("continue").render() };
    html! {
        @if several { (about(step, names)) } @else {
            div.app {
                span.tile aria-hidden="true" { (monogram(step.app, page.branding.operator)) }
                div {
                    p { strong { bdi { (step.app) } } }
                    (about(step, names))
                }
            }
        }
        (permissions(step, several))
        @if let Some(notice) = step.companion.and_then(|companion| companion.ews) { (ews(&notice)) }
        form.cta method="post" {
            input type="hidden" name="step" value=(step.id);
            p.quiet {
                (INVITATION.text("roles").with("roles", html! { strong { (words::roles(step.role)) } }))
                @if number == 1 { " " (INVITATION.text("roles-account")) }
            }
            @if number == 1 { (help(page)) }
            button.button.primary[number == 1] type="submit" { (label) }
            @if number == 1 { p.small { (INVITATION.text("until-accept").with("place", html! { code { (page.login_host) } }).fill(names)) } }
        }
    }
}

fn about(step: &Step<'_>, names: Names<'_>) -> Markup {
    html! {
        @if let Some(purpose) = step.purpose { p.quiet { bdi { (purpose) } } }
        @if let Some(companion) = step.companion { p.small { (published_by(companion).fill(names)) } }
    }
}

fn published_by(companion: CompanionStep<'_>) -> PageText<'_> {
    INVITATION
        .text(if companion.publisher.is_some() { "published-by" } else { "published-by-other" })
        .with("publisher", companion.publisher.unwrap_or_default())
}

/// Our mark on a permission that the app asks for.
fn marked(resource: &ExpectedResource, permission: &ExpectedPermission) -> Option<Reach> {
    Some(reach(resource.resource, permission)).filter(|reach| permission.need != Need::Forbidden && *reach != Reach::Ordinary)
}

/// A permission that the app asks for.
struct Asked<'a> {
    resource: &'a ExpectedResource,
    permission: &'a ExpectedPermission,
    reach: Reach,
}

impl Asked<'_> {
    /// Whether the permission serves the sign-in alone.
    fn signs_in(&self) -> bool {
        let sign_in = ["openid", "profile", "email", "offline_access", "user.read"];
        self.permission.kind == PermissionKind::Delegated && sign_in.contains(&&*self.permission.value.to_ascii_lowercase())
    }

    fn only_reads(&self) -> bool {
        self.reach != Reach::Unknown && (self.signs_in() || only_reads(&self.permission.value))
    }
}

/// How many permissions a page shows before it folds those of lower impact.
const SHOWN: usize = 3;

/// What the app will be able to do: every permission of high impact, and as many others as [`SHOWN`] allows. The rest is folded.
fn permissions(step: &Step<'_>, nested: bool) -> Markup {
    let of_kind = |kind| {
        let all = step.permissions.iter().flat_map(|resource| resource.permissions.iter().map(move |permission| (resource, permission)));
        all.filter(move |(_, permission)| permission.kind == kind && permission.need != Need::Forbidden)
    };
    let asked: Vec<_> = of_kind(PermissionKind::Application)
        .chain(of_kind(PermissionKind::Delegated))
        .map(|(resource, permission)| Asked { resource, permission, reach: reach(resource.resource, permission) })
        .collect();
    let kinds = |kind| asked.iter().any(|asked| asked.permission.kind == kind);
    let mixed = kinds(PermissionKind::Application) && kinds(PermissionKind::Delegated);
    let has = |reach| asked.iter().any(|asked| asked.reach == reach);
    let (shown, folded): (Vec<_>, Vec<_>) = match asked.len() {
        ..=SHOWN => (asked.iter().collect(), Vec::new()),
        _ if has(Reach::Far) || has(Reach::Unknown) => asked.iter().partition(|asked| asked.reach != Reach::Ordinary),
        _ => (asked.iter().take(SHOWN).collect(), asked.iter().skip(SHOWN).collect()),
    };
    let list = |asked: &[&Asked<'_>]| html! { ul.list { @for asked in asked { (line(step, asked, mixed)) } } };
    html! {
        section {
            @if nested { h3 { (INVITATION.text("can-do")) } } @else { h2 { (INVITATION.text("can-do")) } }
            (list(&shown))
            @if !folded.is_empty() {
                details.rest {
                    summary { (INVITATION.text("more-permissions").with("count", folded.len())) }
                    (list(&folded))
                }
            }
            p.small {
                @if kinds(PermissionKind::Application) { (INVITATION.text("in-background")) }
                @else if !asked.iter().all(Asked::signs_in) { (INVITATION.text("for-signed-in")) }
                @if asked.iter().all(Asked::only_reads) { " " (INVITATION.text("only-reads")) }
            }
        }
    }
}

/// The permission in plain words, and the line of Microsoft's page beneath.
fn line(step: &Step<'_>, asked: &Asked<'_>, mixed: bool) -> Markup {
    let Asked { resource, permission, reach } = *asked;
    let plain = words::permission_words(resource.resource, permission.kind, &permission.value);
    let shown = known(resource.resource, permission).map(|known| known.consent_line);
    let is_optional = permission.need == Need::Optional;
    let may_be_absent = is_optional && !step.asked_by_name;
    html! {
        li {
            (Icon::of_permission(&permission.value))
            div {
                @match (&plain, shown) {
                    (Some(plain), _) => (plain),
                    (None, Some(shown)) => (shown),
                    (None, None) => bdi.value { (permission.value) },
                }
                @if mixed && permission.kind == PermissionKind::Delegated && !asked.signs_in() { " " span.quiet { (INVITATION.text("of-signed-in")) } }
            }
            span.small {
                @match reach {
                    Reach::Far => { span.tag { (INVITATION.text("mark-far")) } " " }
                    Reach::Unknown => { span.tag { (INVITATION.text("mark-unknown")) } " " }
                    Reach::Ordinary => {}
                }
                @if is_optional { (INVITATION.text("optional")) " " }
                @match shown {
                    Some(shown) => (INVITATION.text(if may_be_absent { "microsoft-may-show" } else { "microsoft-shows" }).with("line", html! { q { (shown) } })),
                    None => (INVITATION.text("permission-of").with("resource", &*resource.name)),
                }
            }
        }
    }
}

/// What Microsoft blocks.
fn ews(notice: &EwsNotice) -> Markup {
    html! {
        p.ews {
            (INVITATION.text(if notice.is_blocked { "ews-blocked" } else { "ews-announced" }))
            @if notice.spares_phones { " " (INVITATION.text("ews-phones")) }
        }
    }
}

/// The command that allows the app. It keeps the list that is there, since a new list replaces the old one.
fn ews_command(notice: &EwsNotice, names: Names<'_>) -> Markup {
    html! {
        details {
            summary { (INVITATION.text("ews-allow").fill(names)) }
            p.quiet { (INVITATION.text("ews-allow-note")) }
            pre tabindex="0" {
                // One block, so that nothing is written if the list cannot be read.
                "& {\n  $ErrorActionPreference = 'Stop'\n"
                "  $ids = @((Get-OrganizationConfig -RetrieveEwsOperationAccessPolicy).EwsAllowedAppIDs -split '[,; ]+') + '" (notice.client_id) "'\n"
                "  Set-OrganizationConfig -EwsAllowedAppIDs (($ids | Where-Object { $_ } | Select-Object -Unique) -join ',')\n"
                "  Set-OrganizationConfig -EwsEnabled $true\n}"
            }
        }
    }
}

fn what_happens_next(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    let companions = page.steps.iter().filter(|step| step.companion.is_some()).count();
    let several = page.steps.len() > 1;
    html! {
        details.happens {
            summary { (INVITATION.text("happens")) }
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
            @if page.steps.iter().any(|step| step.companion.is_some_and(|companion| companion.users_may_approve)) {
                p { (UsersMayApprove::Perhaps.words()) }
            }
            p { (INVITATION.text("undo").fill(names)) }
            ol {
                li { (INVITATION.text("undo-open")) }
                li { (INVITATION.text("undo-app").fill(names)) }
                li { (INVITATION.text("undo-properties")) }
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
    let names_app = INVITATION
        .text(match page.steps.as_slice() {
            [_] if publisher.is_some() => "genuine-names-publisher",
            [_] => "genuine-names-app",
            _ => "genuine-names-step",
        })
        .with("publisher", publisher.unwrap_or_default());
    html! {
        details.genuine {
            summary { (INVITATION.text("genuine")) }
            ul {
                li {
                    (INVITATION.text("genuine-call").fill(names))
                    @if let Some(reference) = page.reference { " " (INVITATION.text("genuine-reference").with("reference", reference)) }
                }
                li { (next_page) }
                li {
                    (names_app.fill(names))
                    @if page.steps.iter().any(|step| step.publisher.is_none()) { " " (INVITATION.text("publisher-shown")) }
                }
                @if page.organisation.is_some() { li { (INVITATION.text("genuine-organisation").fill(names)) } }
                li { (INVITATION.text("genuine-password")) }
                @for step in &page.steps {
                    @let names = Names { app: Some(step.app), ..names };
                    li {
                        @if let Some(publisher) = step.publisher { (shown_as(publisher).fill(names)) " " }
                        (INVITATION.text("application-id").with("id", html! { code { (step.client_id) } }).fill(names))
                    }
                }
                @let marks = page.steps.iter().flat_map(|step| step.permissions).flat_map(|resource| {
                    resource.permissions.iter().filter_map(|permission| marked(resource, permission))
                }).collect::<Vec<_>>();
                @if marks.contains(&Reach::Far) { li { (INVITATION.text("mark-far-note")) } }
                @if marks.contains(&Reach::Unknown) { li { (INVITATION.text("mark-unknown-note").fill(names)) } }
            }
        }
    }
}

/// For a reader who gets stuck on Microsoft's page, and so does not come back to our pages.
fn help(page: &InvitationPage<'_>) -> Markup {
    let link = html! { a href=(page.help_href) target="_blank" rel="noopener" { (INVITATION.text("help-link")) } };
    html! { p.small.help { (INVITATION.text("help").with("link", link)) } }
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
