//! Renders pages and their JSON twins. This module sends no request, decides nothing and records nothing.
//!
//! Text from other people appears only in text nodes, isolated by `<bdi>`. Attributes contain only our own paths and the configured privacy
//! address (laws 6 and 8; threats reference S13 to S15).

mod notice;
mod result;
mod result_page;
mod sections;

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use url::Url;

pub use self::notice::{Notice, notice, notice_json};
pub(super) use self::result::{eyebrow, result_json_in};
pub use self::result::{result, result_json};
pub use self::result_page::{ChainLine, Closing, NamedBy, Organisation, RefreshPlan, ReportedCode, ResultPage};
pub(super) use self::sections::{chain_line, closing, details, facts, lists, meaning, users_approval};
use super::headers::STYLE;
use super::words::{Names, PAGES, PageText};
use crate::consent::outcome::Tone;
use crate::consent::{Outcome, Owner};

/// The operator's details, for every page.
#[derive(Debug, Clone, Copy)]
pub struct Branding<'a> {
    /// The operator's name, from the configuration.
    pub operator: &'a str,
    /// How to reach the operator, as a text.
    pub support: &'a str,
    /// The address of the operator's privacy notice.
    pub privacy_url: &'a Url,
}

impl<'a> Branding<'a> {
    pub(super) fn names(self) -> Names<'a> {
        Names { operator: self.operator, support: self.support, app: None, resource: None, resource_id: None }
    }
}

/// The attributes of `<main>` that programs read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PageMarks {
    /// `data-outcome`
    pub(super) outcome: Option<Outcome>,
    /// `data-notice`
    pub(super) notice: Option<&'static str>,
    /// `data-page`, only on pages that are more than a result.
    pub(super) page: Option<&'static str>,
    /// `data-chain`: the progress of a chain.
    pub(super) chain: Option<&'static str>,
}

const NO_ICON: &str = "data:,";

/// The document around a page's content.
pub(super) fn shell(branding: Branding<'_>, title: &PageText<'_>, names: Names<'_>, marks: PageMarks, tone: Tone, body: &Markup) -> Markup {
    let PageMarks { outcome, notice, page, chain } = marks;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Without an icon, browsers request one and report an error.
                link rel="icon" href=(NO_ICON);
                title { (title.plain(names)) " · " (branding.operator) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.who { p { bdi { (branding.operator) } } }
                main class=(tone.class()) data-outcome=[outcome.map(Outcome::name)] data-notice=[notice] data-page=[page] data-chain=[chain] {
                    (body)
                }
                footer {
                    p { (PAGES.text("questions").fill(names)) }
                    p { (privacy(branding.privacy_url)) }
                }
            }
        }
    }
}

/// Whether a browser opens this address as a page. The configuration may allow other schemes.
pub(super) fn opens_as_page(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http")
}

fn privacy(url: &Url) -> Markup {
    html! {
        @if opens_as_page(url) {
            a href=(url) rel="noreferrer" { (PAGES.text("privacy-notice")) }
        } @else {
            (PAGES.text("privacy-notice-at").with("address", url.as_str()))
        }
    }
}

/// The only heading of a page.
pub(super) fn verdict(tone: Tone, title: &PageText<'_>, names: Names<'_>, eyebrow: Option<Markup>) -> Markup {
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

/// The icon of a tone, inline because the policy allows no images. Each tone has its own shape as well as its own colour.
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

pub(super) fn next_section(
    turn: Owner,
    next: &PageText<'_>,
    hint: Option<&PageText<'_>>,
    afterwards: Option<&str>,
    names: Names<'_>,
) -> Markup {
    html! {
        section.next data-turn=(turn.name()) aria-labelledby="next" {
            h2 #next { (turn.heading().fill(names)) }
            p { (next.fill(names)) }
            @if let Some(afterwards) = afterwards { p { bdi { (afterwards) } } }
            @if let Some(hint) = hint { p.quiet { (hint.fill(names)) } }
        }
    }
}

/// An address that one click selects completely.
pub(super) fn copyable(address: &str) -> Markup {
    html! { p.copy { code { (address) } } }
}

/// A time of our own clock, in UTC.
pub(super) struct Moment {
    pub(super) machine: String,
    pub(super) human: String,
}

impl Moment {
    pub(super) fn of(moment: OffsetDateTime) -> Option<Self> {
        let moment = moment.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).ok()?;
        let human = PAGES
            .text("moment")
            .with("day", u64::from(moment.day()))
            .with("month", u64::from(u8::from(moment.month())))
            .with("year", moment.year().to_string())
            .with("time", moment.format(format_description!("[hour]:[minute]:[second]")).ok()?);
        Some(Self { machine: moment.format(&Rfc3339).ok()?, human: human.plain_alone() })
    }
}

impl Render for Moment {
    fn render(&self) -> Markup {
        html! { time datetime=(self.machine) { (self.human) } }
    }
}

struct Ago(Duration);

impl Render for Ago {
    fn render(&self) -> Markup {
        let seconds = self.0.as_secs();
        match seconds {
            0..=1 => PAGES.text("ago-now"),
            2..=119 => PAGES.text("ago-seconds").with("count", seconds),
            120..=7_199 => PAGES.text("ago-minutes").with("count", seconds / 60),
            7_200..=172_799 => PAGES.text("ago-hours").with("count", seconds / 3_600),
            _ => PAGES.text("ago-days").with("count", seconds / 86_400),
        }
        .render()
    }
}
