//! The invitation page and the watch page: data in, markup out.

use std::time::Duration;

use maud::{Markup, html};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use super::pages::{
    Count, Imprint, Marks, Moment, NamedBy, Organisation, ResultPage, chain_line, closing, copyable, details, eyebrow, facts, lists,
    meaning, opens_as_page, result_json, result_json_in, shell, users_approval, verdict,
};
use super::users_approval::UsersMayApprove;
use super::words::{self, Names, Template, Tone, Turn, Words};
use crate::consent::Outcome;
use crate::consent::ids::ClientId;
use crate::consent::outcome::PROVISIONAL;
use crate::consent::permission_table::{self, PermissionKind};
use crate::consent::profile::{ExpectedPermission, ExpectedResource, Need};
use crate::consent::roles::{RoleNeeded, is_high_risk};

/// What an invitation asks for, one app.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The app profile's id: the value of the form field `step`.
    pub id: &'a str,
    /// Its name.
    pub app: &'a str,
    /// Its application id, for whoever compares.
    pub client_id: ClientId,
    /// What it is for, in the operator's words.
    pub purpose: Option<&'a str>,
    /// What Microsoft will list.
    pub permissions: &'a [ExpectedResource],
    /// Whether the link asks for each of them by name. Otherwise Microsoft lists what the registration has, and an optional one may be
    /// no part of it.
    pub asked_by_name: bool,
    /// Who has to approve it.
    pub role: RoleNeeded,
    /// Set for an app of somebody else.
    pub companion: Option<CompanionStep<'a>>,
}

/// What is particular to an app of somebody else.
#[derive(Debug, Clone, Copy)]
pub struct CompanionStep<'a> {
    /// Who publishes it.
    pub publisher: Option<&'a str>,
    /// Users may be able to approve it themselves: Microsoft's default lets them.
    pub users_may_approve: bool,
    /// It uses Exchange Web Services.
    pub uses_ews: bool,
}

/// Everything the invitation page tells.
#[derive(Debug, Clone)]
pub struct InvitationPage<'a> {
    /// Who runs this.
    pub imprint: Imprint<'a>,
    /// The organisation as the operator named it; `None` where the link names none.
    pub organisation: Option<&'a str>,
    /// This page's address, to copy or to pass on.
    pub address: &'a str,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// The name of the chain, where there are several apps.
    pub chain: Option<&'a str>,
    /// The apps, at least one.
    pub steps: Vec<Step<'a>>,
    /// The host that the next page must be at.
    pub login_host: &'a str,
}

/// Seconds between two looks of the watch page by itself.
pub const WATCH_EVERY_SECONDS: u32 = 15;
/// How long the watch page looks by itself: as long as an absence may be a replica's lag.
pub const WATCH_FOR: Duration = PROVISIONAL;

/// What the watch page tells: a companion app, approved in another tab, and what has been seen of it so far.
#[derive(Debug, Clone)]
pub struct WatchPage<'a> {
    /// How it stands, as on any result page; its `chain` says where to go on.
    pub result: ResultPage<'a>,
    /// Whether the tenant lists the app under Enterprise applications; `None` where nobody could see. A listed app may still lack the
    /// approval for everybody: one user's own approval lists it too (protocol reference §5.2).
    pub listed: Option<bool>,
    /// Microsoft's address for the approval, opened in a new tab.
    pub consent_url: &'a Url,
    /// The host of that address.
    pub login_host: &'a str,
    /// What is particular to the app.
    pub companion: CompanionStep<'a>,
}

/// One step of a chain, as it stands.
#[derive(Debug, Clone)]
pub struct ReportStep<'a> {
    /// The app profile's id: the value of the form field `step`.
    pub id: &'a str,
    /// The app's name.
    pub app: &'a str,
    /// How it stands; `None` where nobody has started it.
    pub result: Option<ResultPage<'a>>,
}

/// The report of a chain: every app of it on one page.
#[derive(Debug, Clone)]
pub struct ReportPage<'a> {
    /// Who runs this.
    pub imprint: Imprint<'a>,
    /// The chain's name.
    pub chain: &'a str,
    /// The organisation, only where it may be shown.
    pub organisation: Option<Organisation<'a>>,
    /// The apps in their order, at least one.
    pub steps: Vec<ReportStep<'a>>,
    /// The invitation's address, where each step has its button. `None` where it can no longer be used.
    pub invitation_href: Option<&'a str>,
    /// When the invitation ends.
    pub expires_at: Option<OffsetDateTime>,
}

/// How far a chain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainState {
    /// No step has been started.
    NotStarted,
    /// Some step has been started, and not every one is done.
    HalfDone,
    /// Every required permission of every app was seen.
    Done,
}

impl ChainState {
    /// The state of a chain from the outcome of each step; `None` for a step that nobody has started.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = Option<Outcome>>) -> Self {
        let steps: Vec<_> = steps.into_iter().collect();
        if steps.iter().all(|step| step.is_some_and(Outcome::was_complete)) {
            Self::Done
        } else if steps.iter().all(Option::is_none) {
            Self::NotStarted
        } else {
            Self::HalfDone
        }
    }

    /// The stable name, in `data-chain` and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::HalfDone => "half_done",
            Self::Done => "done",
        }
    }
}

/// The page of an invitation. Its answer needs [`super::headers::Forms::LeadAway`].
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
                    (asks_for(page.imprint, only))
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
    shell(page.imprint, title, names, Marks { page: Some("invitation"), ..Marks::default() }, Tone::Act, &body)
}

impl<'a> InvitationPage<'a> {
    fn names(&self) -> Names<'a> {
        let app = match self.steps.as_slice() {
            [only] => Some(only.app),
            _ => None,
        };
        Names { app, ..self.imprint.names() }
    }

    /// The role that can approve every app of it.
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

/// What somebody sends on who may not approve: words ready to copy.
fn letter(page: &InvitationPage<'_>) -> Markup {
    html! {
        pre.copy {
            "Hello,\n\n"
            bdi { (page.imprint.operator) } " asks our organisation"
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
            bdi { (page.imprint.operator) } " on the number we already have."
            @if let Some(end) = Moment::of(page.expires_at) { " The link works until " (end.human) "." }
        }
    }
}

fn who_asks(page: &InvitationPage<'_>) -> Markup {
    let names = page.names();
    html! {
        dl.facts {
            dt { "Who asks" }
            dd { bdi { (page.imprint.operator) } }
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
                    [only] => (about_app(page.imprint, only)),
                    several => ol { @for step in several { li { (about_app(page.imprint, step)) } } },
                }
            }
            @if let Some(end) = Moment::of(page.expires_at) {
                dt { "Link works until" }
                dd { (end) }
            }
        }
    }
}

fn about_app(imprint: Imprint<'_>, step: &Step<'_>) -> Markup {
    html! {
        bdi { (step.app) }
        @if let Some(purpose) = step.purpose { br; span.quiet { bdi { (purpose) } } }
        @if let Some(companion) = step.companion {
            br; span.quiet { (published_by(companion)) ", not by " bdi { (imprint.operator) } }
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

/// What approving one app means: its permissions, beside the lines that Microsoft's page will show.
fn asks_for(imprint: Imprint<'_>, step: &Step<'_>) -> Markup {
    let names = Names { app: Some(step.app), ..imprint.names() };
    let asked = |resource: &'_ ExpectedResource| resource.permissions.iter().any(|permission| permission.need != Need::Forbidden);
    let risky = step.permissions.iter().flat_map(|resource| &resource.permissions).any(is_marked);
    html! {
        @if let Some(companion) = step.companion { (of_somebody_else(companion)) }
        p { "Microsoft's page lists the lines in quotation marks, in the language of your account. It may add lines about signing in." }
        @for resource in step.permissions.iter().filter(|resource| asked(resource)) {
            div.permissions {
                h3 { bdi { (resource.name) } }
                @for kind in [PermissionKind::Application, PermissionKind::Delegated] { (of_kind(resource, kind, step.asked_by_name)) }
            }
        }
        @if risky {
            p.quiet { (Template("\"Far-reaching\" is our own mark, for what deserves a second look. {operator} can tell you what it is needed for.").fill(names)) }
        }
    }
}

fn is_marked(permission: &ExpectedPermission) -> bool {
    permission.need != Need::Forbidden && is_high_risk(permission)
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
                        @if is_marked(permission) { " " span.mark { "Far-reaching" } }
                        @if permission.need == Need::Optional { " " span.quiet { @if asked_by_name { "(not required)" } @else { "(may be listed; not required)" } } }
                        @if let Some(words) = words::permission_words(resource.resource, kind, &permission.value) { p { (words) } }
                    }
                }
            }
        }
    }
}

/// The line on Microsoft's page and the permission's name; the name alone where the line is not known.
fn line(resource: &ExpectedResource, permission: &ExpectedPermission) -> Markup {
    let known = permission
        .id
        .and_then(|id| permission_table::by_id(resource.resource, permission.kind, id))
        .or_else(|| permission_table::by_value(resource.resource, permission.kind, &permission.value));
    html! {
        @if let Some(known) = known { q { (known.consent_line) } " " }
        bdi.value { (permission.value) }
    }
}

/// What an administrator has to know about an app that is not the operator's.
fn of_somebody_else(companion: CompanionStep<'_>) -> Markup {
    html! {
        @if companion.users_may_approve {
            p { (UsersMayApprove::Perhaps.words()) }
        }
        @if companion.uses_ews { (ews()) }
    }
}

/// Protocol reference §8.
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
                        [only] => { bdi { (only.app) } " and its publisher" (the_publisher(only)) }
                        _ => "the app of that step and its publisher",
                    }
                    ", and list the lines shown on this page. Anything else: press Cancel."
                }
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
        @if let Some(publisher) = step.companion.and_then(|companion| companion.publisher) { " (" bdi { (publisher) } ")" }
    }
}

fn chain_step(page: &InvitationPage<'_>, number: usize, step: &Step<'_>) -> Markup {
    html! {
        section.step data-step=(step.id) aria-labelledby={ "step-" (number) } {
            h2 id={ "step-" (number) } { (number) ". " bdi { (step.app) } }
            p { "Needs one of these roles: " (words::roles(step.role)) "." }
            @if let Some(publisher) = step.companion.and_then(|companion| companion.publisher) {
                p { "Published by " bdi { (publisher) } ", not by " bdi { (page.imprint.operator) } "." }
            }
            (asks_for(page.imprint, step))
            (button(step.id, &html! { "Continue to Microsoft for " bdi { (step.app) } }, number == 1))
        }
    }
}

/// A form of one button, to the page itself.
fn button(id: &str, label: &Markup, primary: bool) -> Markup {
    html! {
        form method="post" {
            input type="hidden" name="step" value=(id);
            button.button.primary[primary] type="submit" { (label) }
        }
    }
}

impl<'a> WatchPage<'a> {
    fn words(&self) -> Words {
        words::watch_words(self.result.outcome, self.result.because())
    }

    fn tone(&self) -> Tone {
        if self.result.forbidden.is_empty() { self.words().tone } else { Tone::Alarm }
    }
}

/// The page that watches a companion app.
#[must_use]
pub fn watch(page: &WatchPage<'_>) -> Markup {
    let result = &page.result;
    let (words, names) = (page.words(), result.names());
    let approving = words::approving_helps(result.outcome);
    let body = html! {
        (verdict(page.tone(), words.title, names, eyebrow(result)))
        p.lead { (words.sentence.fill(names)) }
        (meaning(result))
        section.next data-turn=(words.turn.name()) aria-labelledby="next" {
            h2 #next { (words.turn.heading().fill(names)) }
            p { (words.next.fill(names)) }
            @if let Some(afterwards) = result.afterwards_if_granted() { p { bdi { (afterwards) } } }
            @if let Some(hint) = words.hint { p.quiet { (hint.fill(names)) } }
            @if approving { (to_the_approval(page)) }
        }
        @if approving { (after_accept()) } @else { (chain_line(result.chain)) }
        (seen_so_far(page))
        (users_approval(result))
        @if page.companion.uses_ews { (ews()) }
        @if approving {
            (by_the_portal(page))
            (chain_line(result.chain))
        }
        (facts(result))
        (details(result))
        @if let Some(closing) = closing(result.closing) { p.closing { (closing.fill(names)) } }
    };
    let marks = Marks { outcome: Some(result.outcome), page: Some("watch"), ..Marks::default() };
    shell(result.imprint, words.title, names, marks, page.tone(), &body)
}

fn to_the_approval(page: &WatchPage<'_>) -> Markup {
    let result = &page.result;
    html! {
        @if opens_as_page(page.consent_url) {
            p { a.button.primary href=(page.consent_url) target="_blank" rel="noopener noreferrer" { "Open Microsoft's page in a new tab" } }
        } @else {
            (copyable(page.consent_url.as_str()))
        }
        p.quiet {
            "It must be at " code { "https://" (page.login_host) "/" } " and name "
            (Template("{app}").fill(result.names()))
            @if let Some(publisher) = page.companion.publisher { " and its publisher (" bdi { (publisher) } ")" }
            ". Anything else: press Cancel."
        }
    }
}

/// What Microsoft shows at the end (protocol reference §1.7): it has nowhere to send the browser, and the approval counts all the same.
fn after_accept() -> Markup {
    html! {
        section.after aria-labelledby="after" {
            h2 #after { "After Accept, the other tab may look broken" }
            p {
                "It may show an error (" code { "AADSTS900561" } ", " code { "AADSTS500113" } " or " code { "AADSTS50011" }
                "), ask to open Settings, or stay blank. After Accept this is harmless: the approval is stored, and only the way back is missing. Close that tab and come back to this one."
            }
        }
    }
}

fn seen_so_far(page: &WatchPage<'_>) -> Markup {
    let result = &page.result;
    let minutes = WATCH_FOR.as_secs() / 60;
    html! {
        section.seen aria-labelledby="seen" {
            h2 #seen { "What we have seen so far" }
            dl {
                dt { "Enterprise applications" }
                dd data-listed=[page.listed.map(|listed| if listed { "yes" } else { "no" })] {
                    @match page.listed {
                        Some(true) => "listed under Enterprise applications",
                        Some(false) => "not listed so far",
                        None => "we cannot see",
                    }
                }
                dt { "Approval for everybody" }
                dd { (words::seen_for_everybody(result.outcome)) }
            }
            @if let Some(plan) = result.refresh {
                p.again {
                    "This page looks every " (Count(u64::from(plan.seconds), "second")) ", for " (Count(minutes, "minute")) " at most. "
                    a href=(plan.stop_href) { "Stop looking" }
                }
            } @else if let Some(href) = result.check_again_href {
                p.again { "This page does not look by itself any more. " }
                p.again { a.button href=(href) { "Look again" } }
            }
        }
        (lists(result, false))
    }
}

fn by_the_portal(page: &WatchPage<'_>) -> Markup {
    html! {
        details {
            summary { "If Microsoft's page does not get as far as Accept" }
            p {
                (Template("In the Microsoft Entra admin centre, open Enterprise applications, choose {app}, then Permissions, and press \"Grant admin consent\".").fill(page.result.names()))
            }
            p { "An app is listed there once somebody in your organisation has signed in to it or approved it." }
        }
    }
}

/// The watch page as JSON: as [`super::pages::result_json`], in its own words, and with `watch`.
#[must_use]
pub fn watch_json(page: &WatchPage<'_>) -> Value {
    let mut json = result_json_in(&page.result, page.words());
    if let Some(fields) = json.as_object_mut() {
        let companion = page.companion;
        fields.insert(
            "watch".to_owned(),
            json!({
                "listed": page.listed,
                "consent_url": page.consent_url,
                "login_host": page.login_host,
                "publisher": companion.publisher,
                "uses_ews": companion.uses_ews,
            }),
        );
    }
    json
}

impl<'a> ReportPage<'a> {
    fn outcomes(&self) -> impl Iterator<Item = Option<Outcome>> {
        self.steps.iter().map(|step| step.result.as_ref().map(|result| result.outcome))
    }

    fn state(&self) -> ChainState {
        ChainState::of(self.outcomes())
    }

    fn done(&self) -> usize {
        self.outcomes().flatten().filter(|outcome| outcome.was_complete()).count()
    }

    /// The first step that waits for the reader, with its number.
    fn next_step(&self) -> Option<(usize, &ReportStep<'a>)> {
        (1..).zip(&self.steps).find(|(_, step)| match &step.result {
            None => true,
            Some(result) => result.words().turn == Turn::You && !result.outcome.was_complete(),
        })
    }
}

impl ChainState {
    fn title(self) -> Template {
        Template(match self {
            Self::NotStarted => "Not started yet",
            Self::HalfDone => "Half done",
            Self::Done => "Everything is approved and confirmed",
        })
    }

    fn tone(self) -> Tone {
        match self {
            Self::NotStarted => Tone::Act,
            Self::HalfDone => Tone::Partly,
            Self::Done => Tone::Good,
        }
    }
}

/// The report of a chain. It leads to the steps of the invitation and has no button of its own, so that its policy allows no forms.
#[must_use]
pub fn report(page: &ReportPage<'_>) -> Markup {
    let (state, names) = (page.state(), page.imprint.names());
    let next = page.next_step();
    let body = html! {
        (verdict(state.tone(), state.title(), names, Some(html! { bdi { (page.chain) } })))
        p.lead { (page.done()) " of " (Count(count(page.steps.len()), "app")) " done." }
        (what_is_left(page, next))
        @if let Some(organisation) = page.organisation {
            dl.facts {
                dt { "Organisation" }
                dd {
                    bdi { (organisation.name) }
                    @if organisation.named_by == NamedBy::Operator {
                        " " span.quiet { (Template("(as named by {operator})").fill(names)) }
                    }
                }
            }
        }
        @for (number, step) in (1..).zip(&page.steps) {
            (reported_step(page, number, step, next.is_some_and(|(next, _)| next == number)))
        }
    };
    let marks = Marks { page: Some("report"), chain: Some(state.name()), ..Marks::default() };
    shell(page.imprint, state.title(), names, marks, state.tone(), &body)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// To a step of the invitation, where its permissions and its button are.
fn to_step(invitation: &str, number: usize, label: &Markup, primary: bool) -> Markup {
    html! { p { a.button.primary[primary] href={ (invitation) "#step-" (number) } { (label) } } }
}

fn what_is_left(page: &ReportPage<'_>, next: Option<(usize, &ReportStep<'_>)>) -> Markup {
    let names = page.imprint.names();
    let turn = match (page.state(), next) {
        (ChainState::Done, _) => Turn::Nobody,
        (_, Some(_)) => Turn::You,
        (_, None) => Turn::Operator,
    };
    html! {
        section.next data-turn=(turn.name()) aria-labelledby="next" {
            @match (turn, next) {
                (Turn::Nobody, _) => {
                    h2 #next { (turn.heading().fill(names)) }
                    p { "Your part is done." }
                }
                (_, Some((number, step))) => {
                    h2 #next { (turn.heading().fill(names)) }
                    @match page.invitation_href {
                        Some(href) => {
                            p { "Go on with " bdi { (step.app) } ". Use your administrator account." }
                            (to_step(href, number, &html! { "Continue with " bdi { (step.app) } }, true))
                            p.quiet {
                                "You can also go on another day, with the same link"
                                @if let Some(end) = page.expires_at.and_then(Moment::of) { ", until " (end) }
                                "."
                            }
                        }
                        None => {
                            p { (Template("This link can no longer be used. Please ask {operator} for a new one: {support}.").fill(names)) }
                        }
                    }
                }
                (_, None) => {
                    h2 #next { "Nothing for you to do now" }
                    p { "Each app below says whose turn it is." }
                }
            }
        }
    }
}

fn reported_step(page: &ReportPage<'_>, number: usize, step: &ReportStep<'_>, is_next: bool) -> Markup {
    let names = Names { app: Some(step.app), ..page.imprint.names() };
    let outcome = step.result.as_ref().map(|result| result.outcome);
    let tone =
        step.result.as_ref().map_or(Tone::Note, |result| if result.forbidden.is_empty() { result.words().tone } else { Tone::Alarm });
    html! {
        section.step.reported.(tone.class()) data-step=(step.id) data-outcome=[outcome.map(Outcome::name)] {
            h2 { (number) ". " bdi { (step.app) } }
            @match &step.result {
                None => p.standing { "Not started" },
                Some(result) => {
                    p.standing { (result.words().title.fill(names)) }
                    p { (result.words().sentence.fill(names)) }
                    @if !result.outcome.was_complete() {
                        p { strong { (result.words().turn.heading().fill(names)) ": " } (result.words().next.fill(names)) }
                    }
                    (lists(result, true))
                    @if let Some(looked) = result.looked_at.and_then(Moment::of) { p.quiet { "Last checked " (looked) } }
                }
            }
            // The one that comes next has its button at the top.
            @if let Some(href) = page.invitation_href.filter(|_| !is_next) {
                (to_step(href, number, &html! {
                    @if outcome.is_some() { "Open this step again: " } @else { "Start: " } bdi { (step.app) }
                }, false))
            }
        }
    }
}

/// The report of a chain as JSON.
#[must_use]
pub fn report_json(page: &ReportPage<'_>) -> Value {
    let steps: Vec<_> =
        page.steps.iter().map(|step| json!({ "id": step.id, "app": step.app, "result": step.result.as_ref().map(result_json) })).collect();
    json!({
        "chain": { "name": page.chain, "done": page.done(), "total": page.steps.len() },
        "state": page.state(),
        "next": page.next_step().map(|(_, step)| step.id),
        "steps": steps,
        "organisation": page.organisation.map(|organisation| json!({ "name": organisation.name, "named_by": organisation.named_by })),
        "expires_at": page.expires_at.and_then(Moment::of).map(|moment| moment.machine),
        "operator": page.imprint.operator,
        "support": page.imprint.support,
        "privacy_url": page.imprint.privacy_url,
    })
}
