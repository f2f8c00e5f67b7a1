//! Pages and their JSON twins: data in, markup or JSON out. Nothing here asks, decides or records anything.
//!
//! Somebody else's words stand in text nodes alone, isolated by `<bdi>`; attributes hold our own paths and the configured privacy
//! address (laws 6 and 8; threats reference S13 to S15).

use std::time::Duration;

use http::{Method, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use url::Url;

use super::headers::STYLE;
use super::users_approval::UsersMayApprove;
use super::words::{self, Because, CodeFrom, Names, Template, Tone, Turn, Words};
use crate::consent::callback::TraceId;
use crate::consent::permissions::NamedPermission;
use crate::consent::{AadstsCode, Outcome, Right, aadsts};

/// Permissions of one list that a page shows. The rest is counted; JSON has them all.
const SHOWN: usize = 40;

/// Who runs this: on every page.
#[derive(Debug, Clone, Copy)]
pub struct Imprint<'a> {
    /// The operator's name.
    pub operator: &'a str,
    /// How to reach the operator, in words.
    pub support: &'a str,
    /// The operator's privacy notice.
    pub privacy_url: &'a Url,
}

impl<'a> Imprint<'a> {
    pub(super) fn names(self) -> Names<'a> {
        Names { operator: self.operator, support: self.support, app: None, resource: None }
    }
}

/// Who says what an organisation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// Microsoft Graph, in this verification.
    Graph,
    /// The operator, in the link: shown as theirs.
    Operator,
}

/// The organisation a link was made for.
#[derive(Debug, Clone, Copy)]
pub struct Organisation<'a> {
    /// Its name.
    pub name: &'a str,
    /// Who calls it so.
    pub named_by: NamedBy,
}

/// An AADSTS code with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedCode {
    /// The code.
    pub code: AadstsCode,
    /// Where it came from.
    pub from: CodeFrom,
}

/// A page that looks again by itself, by the HTTP `Refresh` header.
#[derive(Debug, Clone, Copy)]
pub struct RefreshPlan<'a> {
    /// Seconds until the browser goes to `next_href`.
    pub seconds: u32,
    /// The address of the next look: a path of ours.
    pub next_href: &'a str,
    /// The same page without the header: a path of ours.
    pub stop_href: &'a str,
}

/// The chain that an approval belongs to, in one line.
#[derive(Debug, Clone, Copy)]
pub struct ChainLine<'a> {
    /// The chain's name.
    pub name: &'a str,
    /// How many of its apps are done; `None` where it takes the worker to know.
    pub done: Option<usize>,
    /// How many apps it has.
    pub total: usize,
    /// Where to go on: a path of ours. `None` where nothing is left.
    pub continue_href: Option<&'a str>,
}

/// What becomes of the visit after the page. Each says only what is already true when the page is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
    /// Nothing is promised.
    #[default]
    Nothing,
    /// Another look is queued, so the page need not stay open.
    KeepsLooking,
    /// Another look is queued, and the operator learns what it shows: this page never will.
    WillConfirm,
    /// Another look could not be queued: reloading tries again.
    PleaseReload,
    /// The operator has been informed: the outcome's record was written.
    Informed,
}

/// Everything a page tells about an outcome. What may not be shown is not given.
#[derive(Debug, Clone)]
pub struct ResultPage<'a> {
    /// Who runs this.
    pub imprint: Imprint<'a>,
    /// The outcome.
    pub outcome: Outcome,
    /// The app as people know it. `None` where no ticket told which.
    pub app: Option<&'a str>,
    /// The operator's sentence on what the app is for.
    pub purpose: Option<&'a str>,
    /// The operator's sentence on what happens after the approval. Shown for [`Outcome::Granted`] alone.
    pub afterwards: Option<&'a str>,
    /// The organisation, only where it may be shown.
    pub organisation: Option<Organisation<'a>>,
    /// The AADSTS code.
    pub code: Option<ReportedCode>,
    /// The resource the app needs and the tenant lacks.
    pub missing_resource: Option<&'a str>,
    /// Microsoft's trace id.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id.
    pub correlation_id: Option<TraceId>,
    /// Required, and shown to be absent.
    pub missing: &'a [NamedPermission],
    /// Required, and not visible to us.
    pub unseen: &'a [NamedPermission],
    /// Granted, and not on the operator's list.
    pub unexpected: &'a [NamedPermission],
    /// Granted, and forbidden by the operator.
    pub forbidden: &'a [NamedPermission],
    /// Optional, and shown to be absent.
    pub optional_absent: &'a [NamedPermission],
    /// What is known of whether users may approve the app themselves; `None` where nothing is.
    pub users_may_approve: Option<UsersMayApprove>,
    /// When Microsoft was last asked.
    pub looked_at: Option<OffsetDateTime>,
    /// How long ago that was.
    pub age: Option<Duration>,
    /// Whether looking again can change the outcome.
    pub provisional: bool,
    /// How the page looks again by itself.
    pub refresh: Option<RefreshPlan<'a>>,
    /// Where to look again by hand: a path of ours.
    pub check_again_href: Option<&'a str>,
    /// The address of the invitation again, whole, for another window. For [`Outcome::WrongTenant`] and [`Outcome::WrongAccount`].
    pub again_href: Option<&'a str>,
    /// Microsoft's page for signing out. For the same outcomes.
    pub sign_out_href: Option<&'a Url>,
    /// The chain it is part of.
    pub chain: Option<ChainLine<'a>>,
    /// What becomes of it.
    pub closing: Closing,
    /// Nobody is asked while the browser waits: the worker asks, and the operator is told.
    pub verified_later: bool,
    /// The operator's reference for this customer.
    pub reference: Option<&'a str>,
    /// The id under which this visit is recorded. Not given for damaged links, which all answer alike.
    pub record_id: Option<&'a str>,
}

impl<'a> ResultPage<'a> {
    /// A page that tells the outcome and nothing else.
    #[must_use]
    pub fn new(imprint: Imprint<'a>, outcome: Outcome) -> Self {
        Self {
            imprint,
            outcome,
            app: None,
            purpose: None,
            afterwards: None,
            organisation: None,
            code: None,
            missing_resource: None,
            trace_id: None,
            correlation_id: None,
            missing: &[],
            unseen: &[],
            unexpected: &[],
            forbidden: &[],
            optional_absent: &[],
            users_may_approve: None,
            looked_at: None,
            age: None,
            provisional: false,
            refresh: None,
            check_again_href: None,
            again_href: None,
            sign_out_href: None,
            chain: None,
            closing: Closing::Nothing,
            verified_later: false,
            reference: None,
            record_id: None,
        }
    }

    pub(super) fn names(&self) -> Names<'a> {
        Names { app: self.app, resource: self.missing_resource, ..self.imprint.names() }
    }

    pub(super) fn because(&self) -> Because<'a> {
        let entry = self.code.map(|reported| (aadsts::lookup(reported.code), reported.from));
        Because { entry, missing_resource: self.missing_resource }
    }

    pub(super) fn words(&self) -> Words {
        if self.verified_later && self.outcome == Outcome::Pending {
            return if self.closing == Closing::PleaseReload { words::not_arranged() } else { words::confirmed_later() };
        }
        words::words_because(self.outcome, self.because())
    }

    pub(super) fn afterwards_if_granted(&self) -> Option<&'a str> {
        self.afterwards.filter(|_| self.outcome == Outcome::Granted)
    }
}

/// An answer that tells no outcome: the request asked for something that is not here, or could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// The base address: what this is.
    Root,
    /// 404.
    NoSuchPage,
    /// 405, with the methods of the `Allow` header.
    MethodNotAllowed(&'a [Method]),
    /// 413.
    TooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 503: the visit cannot be recorded at the moment, so nothing was done and nothing is said. Seconds for `Retry-After`.
    NotRecorded(u32),
    /// 503: the keys that open links cannot be read at the moment. Seconds for `Retry-After`.
    KeysUnavailable(u32),
    /// 400 and outcome `unsolicited`: a callback without any parameter. What stands in a fragment never reaches a server (S40).
    NothingArrived,
}

struct NoticeWords {
    name: &'static str,
    status: StatusCode,
    tone: Tone,
    turn: Turn,
    title: &'static str,
    sentence: &'static str,
    next: &'static str,
    for_operator: Option<&'static str>,
}

impl Notice<'_> {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.words().status
    }

    /// The outcome it stands for, where it stands for one.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::NothingArrived => Some(Outcome::Unsolicited),
            Self::Root
            | Self::NoSuchPage
            | Self::MethodNotAllowed(_)
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::NotRecorded(_)
            | Self::KeysUnavailable(_) => None,
        }
    }

    fn words(self) -> NoticeWords {
        let words = |name, status, tone, turn, title, sentence, next| NoticeWords {
            name,
            status,
            tone,
            turn,
            title,
            sentence,
            next,
            for_operator: None,
        };
        let open_again = "If {operator} sent you a link, please open it again from the original message.";
        match self {
            Self::Root => words(
                "root",
                StatusCode::OK,
                Tone::Note,
                Turn::You,
                "Approvals for {operator}",
                "When an administrator approves an app of {operator} at Microsoft, the browser comes back to this address. We then ask Microsoft whether the approval is there, and show where it stands.",
                open_again,
            ),
            Self::NoSuchPage => words(
                "no_such_page",
                StatusCode::NOT_FOUND,
                Tone::Note,
                Turn::You,
                "There is no page at this address",
                "The address may be cut short or mistyped.",
                open_again,
            ),
            Self::MethodNotAllowed(_) => words(
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                Tone::Note,
                Turn::You,
                "This address cannot be used in this way",
                "Something other than a browser opening a link asked for this page. Nothing was changed.",
                open_again,
            ),
            Self::TooLarge => words(
                "too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                Tone::Act,
                Turn::You,
                "More arrived than we can read",
                "What came to this address is larger than any answer from Microsoft. A program on the way may have added to it.",
                open_again,
            ),
            Self::UnsupportedMediaType => words(
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Tone::Note,
                Turn::You,
                "This kind of content cannot be read here",
                "Something other than a form sent by a browser came to this address. Nothing was changed.",
                open_again,
            ),
            Self::NotRecorded(_) => words(
                "not_recorded",
                StatusCode::SERVICE_UNAVAILABLE,
                Tone::Ours,
                Turn::You,
                "Please reload this page in a few minutes",
                "This is not your doing: at the moment we cannot record your visit, so we say nothing about it. What you did at Microsoft is not lost by that.",
                "Wait a few minutes and reload this page. If it stays like this, please tell {operator}: {support}.",
            ),
            Self::KeysUnavailable(_) => words(
                "keys_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                Tone::Ours,
                Turn::You,
                "Please reload this page in a few minutes",
                "This is not your doing: at the moment we cannot read what we need to open the link. What you did at Microsoft is not lost by that.",
                "Wait a few minutes and reload this page. If it stays like this, please tell {operator}: {support}.",
            ),
            Self::NothingArrived => NoticeWords {
                for_operator: Some(
                    "If the answer stood behind a # in the address, it never reached the server. The redirect address has to be registered in the app registration for the platform Web, not for Single-page application.",
                ),
                ..words(
                    "nothing_arrived",
                    StatusCode::BAD_REQUEST,
                    Tone::Act,
                    Turn::You,
                    "No answer from Microsoft came with this visit",
                    "This page shows the result after Microsoft's approval page, and the address it was opened with holds no answer.",
                    "If {operator} sent you a link, please open that link again from the original message.",
                )
            },
        }
    }
}

/// The page of an outcome.
#[must_use]
pub fn result(page: &ResultPage<'_>) -> Markup {
    let words = page.words();
    let names = page.names();
    let tone = if page.forbidden.is_empty() { words.tone } else { Tone::Alarm };
    let body = html! {
        (verdict(tone, words.title, names, eyebrow(page)))
        p.lead { (words.sentence.fill(names)) }
        (meaning(page))
        (next_section(words.turn, words.next, words.hint, page.afterwards_if_granted(), names))
        (right_account(page))
        (users_approval(page))
        (chain_line(page.chain))
        // Where Microsoft's turn it is, the next step says as much.
        @if page.provisional && words.turn != Turn::Microsoft { p.quiet { (can_still_change(page.outcome)) } }
        (look_again(page))
        (lists(page, false))
        (facts(page))
        (details(page))
        @if let Some(closing) = closing(page.closing) { p.closing { (closing.fill(names)) } }
    };
    shell(page.imprint, words.title, names, Marks { outcome: Some(page.outcome), ..Marks::default() }, tone, &body)
}

/// What stands above the title of a page about one app.
pub(super) fn eyebrow(page: &ResultPage<'_>) -> Option<Markup> {
    page.app.is_some().then(|| html! { (Template("Approval of {app}").fill(page.names())) })
}

/// Why a result can still change: a replica's lag, or something that somebody has to set right first.
fn can_still_change(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OperatorFault | Outcome::TenantNotFound | Outcome::AppMisconfigured | Outcome::BlockedByPolicy | Outcome::Disabled => {
            "This result can still change once that has been set right."
        }
        _ => "Changes at Microsoft take some minutes to show everywhere, so this result can still change.",
    }
}

/// The page of a notice.
#[must_use]
pub fn notice(imprint: Imprint<'_>, notice: Notice<'_>) -> Markup {
    let words = notice.words();
    let names = imprint.names();
    let title = Template(words.title);
    let body = html! {
        (verdict(words.tone, title, names, None))
        p.lead { (Template(words.sentence).fill(names)) }
        (next_section(words.turn, Template(words.next), None, None, names))
        @if let Some(hint) = words.for_operator {
            details {
                summary { (Template("For {operator}").fill(names)) }
                p { (hint) }
            }
        }
    };
    let outcome = notice.outcome();
    let marks = Marks { outcome, notice: outcome.is_none().then_some(words.name), ..Marks::default() };
    shell(imprint, title, names, marks, words.tone, &body)
}

/// What programs read off `<main>`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    /// `data-outcome`.
    pub(super) outcome: Option<Outcome>,
    /// `data-notice`.
    pub(super) notice: Option<&'static str>,
    /// `data-page`, on pages that are more than a result.
    pub(super) page: Option<&'static str>,
    /// `data-chain`: how far a chain has come.
    pub(super) chain: Option<&'static str>,
}

/// The document around a page's own content.
pub(super) fn shell(imprint: Imprint<'_>, title: Template, names: Names<'_>, marks: Marks, tone: Tone, body: &Markup) -> Markup {
    let Marks { outcome, notice, page, chain } = marks;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title.plain(names)) " · " (imprint.operator) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.who { p { bdi { (imprint.operator) } } }
                main class=(tone.class()) data-outcome=[outcome.map(Outcome::name)] data-notice=[notice] data-page=[page] data-chain=[chain] {
                    (body)
                }
                footer {
                    p { (Template("Questions? Reach {operator}: {support}").fill(names)) }
                    p { (privacy(imprint.privacy_url)) }
                }
            }
        }
    }
}

/// Whether the scheme is one a browser opens as a page, whatever the configuration let pass.
pub(super) fn opens_as_page(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http")
}

fn privacy(url: &Url) -> Markup {
    html! {
        @if opens_as_page(url) {
            a href=(url) rel="noreferrer" { "Privacy notice" }
        } @else {
            "Privacy notice: " bdi { (url) }
        }
    }
}

/// The one heading of a page.
pub(super) fn verdict(tone: Tone, title: Template, names: Names<'_>, eyebrow: Option<Markup>) -> Markup {
    html! {
        div.verdict {
            (icon(tone))
            div {
                @if let Some(eyebrow) = eyebrow { p.eyebrow { (eyebrow) } }
                h1 { (title.fill(names)) }
            }
        }
    }
}

/// Drawn in the page itself, since the policy allows no image. Shapes differ as colours do.
fn icon(tone: Tone) -> Markup {
    let path = match tone {
        Tone::Good => "M7 12.5l3.4 3.4L17.2 9",
        Tone::Partly => "M7 12h10",
        Tone::Wait => "M12 7v5.2l3.4 2",
        Tone::Act => "M7.5 12h9M12.8 8.2l3.8 3.8-3.8 3.8",
        Tone::Note | Tone::Ours => "M12 11.2v5.3M12 7.6v.2",
        Tone::Alarm => "M12 7v6.2M12 16.4v.2",
    };
    html! {
        svg viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
            circle cx="12" cy="12" r="11" {}
            path d=(path) {}
        }
    }
}

pub(super) fn meaning(page: &ResultPage<'_>) -> Markup {
    let told = page.code.zip(page.because().meaning(page.outcome));
    html! {
        @if let Some((reported, (meaning, from))) = told {
            p.meaning {
                @match from {
                    CodeFrom::Callback => "Microsoft's page reported ",
                    CodeFrom::Look => "Microsoft answered our check with ",
                }
                code { (reported.code) } ": " (meaning.fill(page.names()))
            }
        }
    }
}

/// Whether users can do without the administrator, where an approval is still missing.
pub(super) fn users_approval(page: &ResultPage<'_>) -> Markup {
    let known = page.users_may_approve.filter(|_| words::approving_helps(page.outcome));
    html! { @if let Some(known) = known { p.users data-users-may-approve=(known.name()) { (known.words()) } } }
}

fn next_section(turn: Turn, next: Template, hint: Option<Template>, afterwards: Option<&str>, names: Names<'_>) -> Markup {
    html! {
        section.next data-turn=(turn.name()) aria-labelledby="next" {
            h2 #next { (turn.heading().fill(names)) }
            p { (next.fill(names)) }
            @if let Some(afterwards) = afterwards { p { bdi { (afterwards) } } }
            @if let Some(hint) = hint { p.quiet { (hint.fill(names)) } }
        }
    }
}

/// The same link with another account: in a private window, or after signing out.
fn right_account(page: &ResultPage<'_>) -> Markup {
    let names = page.names();
    let sign_out = page.sign_out_href.filter(|url| opens_as_page(url));
    let open_here = html! {
        @if let Some(address) = page.again_href { a href=(address) { "open the link in this window" } } @else { "open the link again" }
    };
    let other_account = matches!(page.outcome, Outcome::WrongTenant | Outcome::WrongAccount);
    html! {
        @if page.again_href.is_some() || sign_out.is_some() {
            section.account aria-labelledby="account" {
                h2 #account { "Try again with the right account" }
                @if let Some(address) = page.again_href {
                    p { "Open the same link in a private window (also called InPrivate or Incognito). Copy this address:" }
                    (copyable(address))
                }
                @if let Some(url) = sign_out {
                    p { "Or sign out first. This signs you out of Microsoft 365 in every tab of this browser, Outlook and Teams included, so save what you have open there." }
                    p { a.button href=(url) target="_blank" rel="noopener noreferrer" { "Sign out at Microsoft" } }
                    p { "Afterwards, " (open_here) "." }
                } @else {
                    p { "Or " (open_here) " and choose another account there." }
                }
            }
        }
        @if other_account {
            p.quiet.partner {
                (Template("If you manage this organisation as a partner (GDAP): an account of your own company often does not work here. Use an account of the organisation itself, or grant {app} with your partner tools and tell {operator}.").fill(names))
            }
        }
    }
}

/// An address of ours to copy: one click selects it whole.
pub(super) fn copyable(address: &str) -> Markup {
    html! { p.copy { code { (address) } } }
}

/// Where the chain stands that an approval is part of.
pub(super) fn chain_line(chain: Option<ChainLine<'_>>) -> Markup {
    html! {
        @if let Some(chain) = chain {
            div.chain {
                p {
                    bdi { (chain.name) } ": "
                    @match chain.done {
                        Some(done) => strong { (done) " of " (chain.total) " done" },
                        None => strong { (chain.total) " apps" },
                    }
                }
                @if let Some(href) = chain.continue_href {
                    p { a.button href=(href) { "Continue" } }
                }
            }
        }
    }
}

fn look_again(page: &ResultPage<'_>) -> Markup {
    html! {
        @if let Some(plan) = page.refresh {
            p.again {
                "This page reloads by itself in " (Count(u64::from(plan.seconds), "second")) "; Microsoft is asked again at most every 30\u{a0}seconds. "
                a href=(plan.stop_href) { "Stop reloading" }
            }
        } @else if let Some(href) = page.check_again_href {
            p.again { a.button href=(href) { "Check again" } }
        }
    }
}

struct List<'a> {
    name: &'static str,
    heading: Template,
    note: Option<Template>,
    permissions: &'a [NamedPermission],
}

fn lists_of<'a>(page: &ResultPage<'a>) -> [List<'a>; 5] {
    let list = |name, heading, note: Option<&'static str>, permissions| List {
        name,
        heading: Template(heading),
        note: note.map(Template),
        permissions,
    };
    let right = Right::to_see(page.unseen).map(|right| match right {
        Right::Applications => "The Microsoft Graph permission Application.Read.All would show them to {operator}.",
        _ => "The Microsoft Graph permission Directory.Read.All would show them to {operator}.",
    });
    [
        list("forbidden", "Permissions that {operator} does not want", Some("Microsoft shows them as approved."), page.forbidden),
        list("missing", "Missing permissions", None, page.missing),
        list("unseen", "Permissions that we could not see", right, page.unseen),
        list(
            "unexpected",
            "Additional permissions",
            Some("Microsoft shows them as approved. They are not on the list of {operator}."),
            page.unexpected,
        ),
        list("optional_absent", "Optional permissions, not approved", Some("They are not required."), page.optional_absent),
    ]
}

/// The lists of permissions. `nested`: below a heading of the second level.
pub(super) fn lists(page: &ResultPage<'_>, nested: bool) -> Markup {
    let names = page.names();
    html! {
        @for list in lists_of(page).iter().filter(|list| !list.permissions.is_empty()) {
            section.permissions data-list=(list.name) {
                @if nested { h3 { (list.heading.fill(names)) } } @else { h2 { (list.heading.fill(names)) } }
                @if let Some(note) = list.note { p.quiet { (note.fill(names)) } }
                ul {
                    @for permission in list.permissions.iter().take(SHOWN) {
                        li {
                            bdi.value { (permission.value) } " "
                            span.quiet { bdi { (permission.resource) } ", " (permission.kind.name()) " permission" }
                        }
                    }
                }
                @if let Some(more) = list.permissions.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                    p.quiet { "and " (more) " more" }
                }
            }
        }
    }
}

pub(super) fn facts(page: &ResultPage<'_>) -> Markup {
    let names = page.names();
    let looked = page.looked_at.and_then(Moment::of);
    html! {
        @if page.app.is_some() || page.organisation.is_some() || looked.is_some() {
            dl.facts {
                @if let Some(app) = page.app {
                    dt { "App" }
                    dd {
                        bdi { (app) }
                        @if let Some(purpose) = page.purpose { br; span.quiet { bdi { (purpose) } } }
                    }
                }
                @if let Some(organisation) = page.organisation {
                    dt { @if page.outcome == Outcome::WrongTenant { "The link is for" } @else { "Organisation" } }
                    dd {
                        bdi { (organisation.name) }
                        @if organisation.named_by == NamedBy::Operator {
                            " " span.quiet { (Template("(as named by {operator})").fill(names)) }
                        }
                    }
                }
                @if let Some(looked) = &looked {
                    dt { "Last checked" }
                    dd {
                        (looked)
                        @if let Some(age) = page.age { ", " (Ago(age)) }
                    }
                }
            }
        }
    }
}

pub(super) fn closing(closing: Closing) -> Option<Template> {
    match closing {
        Closing::Nothing => None,
        Closing::KeepsLooking => Some(Template("You can close this page. We keep checking.")),
        Closing::WillConfirm => Some(Template("You can close this page. We will confirm to {operator}.")),
        Closing::PleaseReload => {
            Some(Template("Please reload this page in a minute: this is not your doing, we could not arrange for another check yet."))
        }
        Closing::Informed => Some(Template("You can close this page. {operator} has been informed.")),
    }
}

pub(super) fn details(page: &ResultPage<'_>) -> Markup {
    html! {
        details {
            summary { (Template("Details for {operator}").fill(page.names())) }
            dl {
                dt { "Outcome" }
                dd { code { (page.outcome.name()) } }
                @if let Some(reported) = page.code {
                    dt { "Microsoft's code" }
                    dd {
                        code { (reported.code) }
                        @match reported.from {
                            CodeFrom::Callback => " (came with the browser)",
                            CodeFrom::Look => " (answered to our check)",
                        }
                    }
                }
                @if let Some(id) = page.trace_id {
                    dt { "Microsoft's trace id" }
                    dd { code { (id) } }
                }
                @if let Some(id) = page.correlation_id {
                    dt { "Microsoft's correlation id" }
                    dd { code { (id) } }
                }
                @if let Some(reference) = page.reference {
                    dt { "Reference" }
                    dd { bdi { (reference) } }
                }
                @if let Some(id) = page.record_id {
                    dt { "Record" }
                    dd { code { (id) } }
                }
            }
        }
    }
}

/// A moment of our own clock, in UTC.
pub(super) struct Moment {
    pub(super) machine: String,
    pub(super) human: String,
}

impl Moment {
    pub(super) fn of(moment: OffsetDateTime) -> Option<Self> {
        let moment = moment.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).ok()?;
        let human = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute]:[second] UTC");
        Some(Self { machine: moment.format(&Rfc3339).ok()?, human: moment.format(&human).ok()? })
    }
}

impl Render for Moment {
    fn render(&self) -> Markup {
        html! { time datetime=(self.machine) { (self.human) } }
    }
}

/// A number of things, in words.
pub(super) struct Count(pub(super) u64, pub(super) &'static str);

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

impl Render for Count {
    fn render(&self) -> Markup {
        html! { (format_args!("{self}")) }
    }
}

struct Ago(Duration);

impl Render for Ago {
    fn render(&self) -> Markup {
        let seconds = self.0.as_secs();
        let (count, unit) = match seconds {
            0..=1 => return html! { "just now" },
            2..=119 => (seconds, "second"),
            120..=7_199 => (seconds / 60, "minute"),
            7_200..=172_799 => (seconds / 3_600, "hour"),
            _ => (seconds / 86_400, "day"),
        };
        html! { (Count(count, unit)) " ago" }
    }
}

/// The page of an outcome as JSON: the same truth, field by field. Documented in `docs/outcomes.md`.
#[must_use]
pub fn result_json(page: &ResultPage<'_>) -> Value {
    result_json_in(page, page.words())
}

/// The same in the words of another page.
pub(super) fn result_json_in(page: &ResultPage<'_>, words: Words) -> Value {
    let names = page.names();
    let permissions: serde_json::Map<String, Value> =
        lists_of(page).iter().map(|list| (list.name.to_owned(), permissions_json(list.permissions))).collect();
    json!({
        "outcome": page.outcome,
        "title": words.title.plain(names),
        "sentence": words.sentence.plain(names),
        "next_step": words.next.plain(names),
        "turn": words.turn,
        "hint": words.hint.map(|hint| hint.plain(names)),
        "severity": page.outcome.severity(),
        "provisional": page.provisional,
        "keeps_looking": matches!(page.closing, Closing::KeepsLooking | Closing::WillConfirm),
        "confirmed_to_operator": page.verified_later,
        "please_reload": page.closing == Closing::PleaseReload,
        "operator_informed": page.closing == Closing::Informed,
        "app": page.app,
        "afterwards": page.afterwards_if_granted(),
        "organisation": page.organisation.map(|organisation| json!({ "name": organisation.name, "named_by": organisation.named_by })),
        "permissions": permissions,
        "right_to_see_unseen": Right::to_see(page.unseen).map(Right::permission),
        "users_may_approve": page.users_may_approve.map(UsersMayApprove::name),
        "code": page.code.map(|reported| json!({
            "code": reported.code.to_string(),
            "from": reported.from,
            "meaning": page.because().meaning(page.outcome).map(|(meaning, _)| meaning.plain(names)),
        })),
        "missing_resource": page.missing_resource,
        "trace_id": page.trace_id,
        "correlation_id": page.correlation_id,
        "looked_at": page.looked_at.and_then(Moment::of).map(|moment| moment.machine),
        "age_seconds": page.age.map(|age| age.as_secs()),
        "refresh_after_seconds": page.refresh.map(|plan| plan.seconds),
        "again": page.again_href,
        "sign_out": page.sign_out_href,
        "chain": page.chain.map(|chain| json!({ "name": chain.name, "done": chain.done, "total": chain.total })),
        "reference": page.reference,
        "record_id": page.record_id,
        "operator": page.imprint.operator,
        "support": page.imprint.support,
        "privacy_url": page.imprint.privacy_url,
    })
}

fn permissions_json(permissions: &[NamedPermission]) -> Value {
    permissions
        .iter()
        .map(|permission| json!({ "resource": permission.resource, "kind": permission.kind.name(), "value": permission.value }))
        .collect()
}

/// The page of a notice as JSON.
#[must_use]
pub fn notice_json(imprint: Imprint<'_>, notice: Notice<'_>) -> Value {
    let words = notice.words();
    let names = imprint.names();
    json!({
        "outcome": notice.outcome(),
        "notice": words.name,
        "title": Template(words.title).plain(names),
        "sentence": Template(words.sentence).plain(names),
        "next_step": Template(words.next).plain(names),
        "turn": words.turn,
        "for_operator": words.for_operator,
        "operator": imprint.operator,
        "support": imprint.support,
        "privacy_url": imprint.privacy_url,
    })
}
