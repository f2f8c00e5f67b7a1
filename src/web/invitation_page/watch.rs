//! The watch page, next to the tab in which an administrator approves a companion app.

use std::time::Duration;

use maud::{Markup, html};
use serde_json::{Value, json};
use url::Url;

use super::{CompanionStep, ews, ews_command, place};
use crate::consent::outcome::{PROVISIONAL, Tone};
use crate::web::pages::{
    Closing, Icon, PageMarks, ResultPage, chain_line, closing, details, eyebrow, facts, lists, meaning, open_enterprise_apps,
    opens_as_page, result_json_in, shell, users_approval, verdict,
};
use crate::web::words::{self, INVITATION, Words};

/// Seconds between two automatic checks of the watch page.
pub const WATCH_EVERY_SECONDS: u32 = 15;

/// How long the watch page checks automatically: as long as replication lag can explain a missing approval.
pub const WATCH_FOR: Duration = PROVISIONAL;

/// The content of the watch page: a companion app, which an administrator approves in another tab, and its state so far.
#[derive(Debug, Clone)]
pub struct WatchPage<'a> {
    /// The state, as on any result page. Its `chain` contains the address at which to continue.
    pub result: ResultPage<'a>,
    /// Whether the tenant lists the app under Enterprise applications; `None` if no check could see that. A listed app may still lack the
    /// approval for everybody, because one user's own approval is enough to list it (protocol reference §5.2).
    pub listed: Option<bool>,
    /// Microsoft's address for the approval, which opens in a new tab.
    pub consent_url: &'a Url,
    /// The host of `consent_url`, for the reader to compare.
    pub login_host: &'a str,
    /// The facts that apply only to a companion app.
    pub companion: CompanionStep<'a>,
}

impl<'a> WatchPage<'a> {
    fn words(&self) -> Words {
        words::watch_words(self.result.outcome, self.result.because())
    }

    fn tone(&self) -> Tone {
        if self.result.forbidden.is_empty() { self.words().tone } else { Tone::Alarm }
    }
}

/// Renders the watch page.
#[must_use]
pub fn watch(page: &WatchPage<'_>) -> Markup {
    let result = &page.result;
    let (words, names) = (page.words(), result.names());
    let approving = result.outcome.facts().approving_helps;
    let body = html! {
        (verdict(Icon::of(result.outcome, page.tone()), &words.title, names, eyebrow(result)))
        (looking(result))
        p.lead { (words.sentence.fill(names)) }
        (meaning(result))
        section.next data-turn=(words.turn.name()) aria-labelledby="next" {
            h2 #next { (words.turn.heading().fill(names)) }
            p { (words.next.fill(names)) }
            @if let Some(afterwards) = result.afterwards_if_granted() { p { bdi { (afterwards) } } }
            @if let Some(hint) = &words.hint { p.quiet { (hint.fill(names)) } }
            @if approving { (to_the_approval(page)) }
        }
        @if approving { (after_accept()) } @else { (chain_line(result.chain, result.goes_on())) }
        (seen_so_far(page))
        (users_approval(result))
        @if let Some(notice) = &page.companion.ews { (ews(notice)) (ews_command(notice, names)) }
        @if approving {
            (by_the_portal(page))
            (chain_line(result.chain, result.goes_on()))
        }
        (facts(result))
        (details(result))
        // While the reader may be approving the app in the other tab, the page does not say that the operator knows the outcome.
        @if !approving || !matches!(result.closing, Closing::Concluded(_)) { (closing(result, &words)) }
    };
    let marks = PageMarks { outcome: Some(result.outcome), page: Some("watch"), ..PageMarks::default() };
    shell(result.branding, &words.title, names, marks, page.tone(), &body)
}

fn to_the_approval(page: &WatchPage<'_>) -> Markup {
    let result = &page.result;
    let publisher = page.companion.publisher;
    let names_app = INVITATION
        .text(if publisher.is_some() { "watch-names-publisher" } else { "watch-names" })
        .with("publisher", publisher.unwrap_or_default())
        .with("place", place(page.login_host));
    html! {
        @if opens_as_page(page.consent_url) {
            p { a.button.primary href=(page.consent_url) target="_blank" rel="noopener noreferrer" { (INVITATION.text("watch-open")) } }
        }
        p.quiet {
            (names_app.fill(result.names())) " " (INVITATION.text("publisher-shown"))
        }
    }
}

/// What Microsoft shows at the end (protocol reference §1.7). Microsoft has no address to redirect to, so its page may look like an error,
/// but the approval usually counts.
fn after_accept() -> Markup {
    html! {
        section.after aria-labelledby="after" {
            h2 #after { (INVITATION.text("watch-after")) }
            p {
                (INVITATION.text("watch-after-codes")
                    .with("first", html! { code { "AADSTS900561" } })
                    .with("second", html! { code { "AADSTS500113" } })
                    .with("third", html! { code { "AADSTS50011" } }))
            }
        }
    }
}

fn looking(result: &ResultPage<'_>) -> Markup {
    let minutes = WATCH_FOR.as_secs() / 60;
    html! {
        @if let Some(plan) = result.refresh {
            div.again {
                a.button href=(plan.stop_href) { (INVITATION.text("watch-stop")) }
                p { (INVITATION.text("watch-looks").with("seconds", u64::from(plan.seconds)).with("minutes", minutes)) }
            }
        }
    }
}

fn seen_so_far(page: &WatchPage<'_>) -> Markup {
    let result = &page.result;
    html! {
        section.seen aria-labelledby="seen" {
            h2 #seen { (INVITATION.text("watch-seen")) }
            dl {
                dt { (INVITATION.text("watch-enterprise-applications")) }
                dd data-listed=[page.listed.map(|listed| if listed { "yes" } else { "no" })] {
                    (INVITATION.text(match page.listed {
                        Some(true) => "watch-listed",
                        Some(false) => "watch-not-listed",
                        None => "watch-listed-unseen",
                    }))
                }
                dt { (INVITATION.text("watch-for-everybody")) }
                dd { @if result.awaits_verifier { (INVITATION.text("watch-for-everybody-later")) } @else { (words::seen_for_everybody(result.outcome)) } }
            }
            @if result.refresh.is_none() && let Some(href) = result.check_again_href {
                p.again { (INVITATION.text("watch-stopped")) }
                p.again { a.button href=(href) { (INVITATION.text("watch-look-again")) } }
            }
        }
        (lists(result, false))
    }
}

fn by_the_portal(page: &WatchPage<'_>) -> Markup {
    html! {
        details {
            summary { (INVITATION.text("watch-portal")) }
            ol {
                li { (open_enterprise_apps(&page.result)) }
                li { (INVITATION.text("watch-portal-app").fill(page.result.names())) }
                li { (INVITATION.text("watch-portal-grant")) }
            }
            p { (INVITATION.text("watch-portal-listed")) }
        }
    }
}

/// The watch page as JSON: like `result_json` of `pages`, with its own words and the member `watch`.
#[must_use]
pub fn watch_json(page: &WatchPage<'_>) -> Value {
    let mut json = result_json_in(&page.result, &page.words());
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
