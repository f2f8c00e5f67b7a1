//! Renders pages and their JSON twins. This module sends no request, decides nothing and records nothing.
//!
//! Text from other people appears only in text nodes, isolated by `<bdi>`. Attributes contain only our own paths, the configured privacy
//! address and percent-encoded mails (laws 6 and 8; threats reference S13 to S15).

mod contact;
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

pub(crate) use self::contact::encoded;
pub(super) use self::contact::mailto;
pub use self::notice::{Notice, notice, notice_json};
pub(super) use self::result::{eyebrow, result_json_in};
pub use self::result::{result, result_json};
pub use self::result_page::{ChainLine, Closing, NamedBy, Organisation, RefreshPlan, ReportedCode, ResultPage};
pub(super) use self::sections::{ASK, chain_line, closing, details, facts, lists, meaning, open_enterprise_apps, users_approval};
use super::headers::STYLE;
use super::words::{Names, PAGES, PageText};
use crate::config::Look;
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
    /// The operator's logo and colours, if it has any.
    pub look: Option<&'a Look>,
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

/// Reserves bytes for what follows in a markup, so that a page does not move while it grows.
pub(super) struct Room(pub(super) usize);

impl Render for Room {
    fn render_to(&self, buffer: &mut String) {
        buffer.reserve(self.0);
    }
}

pub(crate) const NO_ICON: &str = "data:,";

/// The document around a page's content.
pub(super) fn shell(branding: Branding<'_>, title: &PageText<'_>, names: Names<'_>, marks: PageMarks, tone: Tone, body: &Markup) -> Markup {
    let PageMarks { outcome, notice, page, chain } = marks;
    html! {
        (Room(STYLE.len() + body.0.len() + 4_096))
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
                @if let Some(colours) = branding.look.and_then(|look| look.colours.as_deref()) { style { (PreEscaped(colours)) } }
            }
            body {
                header.who {
                    @match branding.look.and_then(|look| look.logo.as_deref()) {
                        Some(logo) => { img.logo src=(logo) alt=""; }
                        None => { span.monogram aria-hidden="true" { (monogram(branding.operator, "")) } }
                    }
                    p { bdi { (branding.operator) } }
                }
                main class=(tone.class()) data-outcome=[outcome.map(Outcome::name)] data-notice=[notice] data-page=[page] data-chain=[chain] {
                    (body)
                }
                footer {
                    p { (contact::questions(branding)) }
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

/// Up to two initials of a name, without the words that another name has too.
pub(super) fn monogram(name: &str, without: &str) -> String {
    let initials = |also: &str| -> String {
        let words = name.split_whitespace().filter(|word| !also.split_whitespace().any(|other| other == *word));
        words.filter_map(|word| word.chars().find(|c| c.is_alphanumeric())).flat_map(|c| c.to_uppercase().next()).take(2).collect()
    };
    Some(initials(without)).filter(|own| !own.is_empty()).unwrap_or_else(|| initials(""))
}

/// The only heading of a page.
pub(super) fn verdict(icon: impl Into<Icon>, title: &PageText<'_>, names: Names<'_>, eyebrow: Option<Markup>) -> Markup {
    html! {
        div.verdict {
            div.mark { (icon.into()) }
            @if let Some(eyebrow) = eyebrow { p.eyebrow { (eyebrow) } }
            h1 { (title.fill(names)) }
        }
    }
}

/// The icons of the pages. Each has its own shape, so that a reader without colours can tell them apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Icon {
    Approved,
    ApprovedInPart,
    Waiting,
    /// The reader has to act.
    YourMove,
    /// Another person in the organisation has to act. Also for permissions about people.
    TheirMove,
    OurFault,
    Removed,
    Start,
    Note,
    Alarm,
    Mail,
    Key,
}

impl From<Tone> for Icon {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Good => Self::Approved,
            Tone::Partly => Self::ApprovedInPart,
            Tone::Start => Self::Start,
            Tone::Act => Self::YourMove,
            Tone::Ours => Self::OurFault,
            Tone::Wait => Self::Waiting,
            Tone::Note => Self::Note,
            Tone::Alarm => Self::Alarm,
        }
    }
}

impl Icon {
    /// The icon of an outcome on a page of this tone.
    pub(super) fn of(outcome: Outcome, tone: Tone) -> Self {
        match outcome {
            _ if tone == Tone::Alarm => Self::Alarm,
            Outcome::Revoked | Outcome::Reduced | Outcome::Disabled | Outcome::TenantGone | Outcome::LinkRevoked => Self::Removed,
            Outcome::BlockedByPolicy | Outcome::ApprovalRequested => Self::TheirMove,
            _ => tone.into(),
        }
    }

    /// The icon of a permission, by what its name says that it opens.
    pub(super) fn of_permission(value: &str) -> Self {
        let value = value.to_ascii_lowercase();
        let begins = |names: &[&str]| names.iter().any(|name| value.starts_with(name));
        if begins(&["mail", "ews", "eas", "imap", "pop", "smtp", "calendar", "contact", "full_access"]) {
            Self::Mail
        } else if value != "user.read" && begins(&["user", "group", "directory", "people", "member", "organization"]) {
            Self::TheirMove
        } else {
            Self::Key
        }
    }
}

/// Inline, because the policy allows no images of other hosts.
impl Render for Icon {
    fn render(&self) -> Markup {
        let path = match self {
            Self::Approved => "M5 12.5l4.5 4.5L19 7.5",
            Self::ApprovedInPart => "M3.5 13l3.5 3.5 6-7M14 16h6.5",
            Self::Waiting => "M12 6.5V12l3.5 2.5M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
            Self::YourMove => "M15.5 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0zM5 20c.7-4 3.5-6 7-6s6.3 2 7 6",
            Self::TheirMove => "M12 9a3 3 0 1 1-6 0 3 3 0 0 1 6 0zM3 20a6 6 0 0 1 12 0M16 6a3 3 0 0 1 0 6M18 15a6 6 0 0 1 3 5",
            Self::OurFault => "M14.5 6.5a4 4 0 0 1 5-1l-2.5 2.5 1 2 2.5.5a4 4 0 0 1-5.5 2l-7 7-3-3 7-7a4 4 0 0 1 2.5-3z",
            Self::Removed => "M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0zM8 12h8",
            Self::Start => "M4 12h15M13 6l6 6-6 6",
            Self::Note => "M12 11v6M12 7v.1M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
            Self::Mail => "M4 6h16v12H4zM4 7l8 6 8-6",
            Self::Key => "M12 15a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM11 12l8-8M16 7l3 3",
            Self::Alarm => "M12 9v5M12 17v.1M12 3.5l9.5 17h-19z",
        };
        html! { svg viewBox="0 0 24 24" aria-hidden="true" { path d=(path) {} } }
    }
}

pub(super) fn next_section(
    turn: Owner,
    heading: &PageText<'_>,
    next: &PageText<'_>,
    hint: Option<&PageText<'_>>,
    afterwards: Option<&str>,
    names: Names<'_>,
) -> Markup {
    html! {
        section.next data-turn=(turn.name()) aria-labelledby="next" {
            h2 #next { (heading.fill(names)) }
            p { (next.fill(names)) }
            @if let Some(afterwards) = afterwards { p { bdi { (afterwards) } } }
            @if let Some(hint) = hint { p.quiet { (hint.fill(names)) } }
        }
    }
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
            .with("time", moment.format(format_description!("[hour]:[minute]")).ok()?);
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

#[cfg(test)]
mod tests {
    use super::monogram;

    #[test]
    fn a_monogram_has_the_initials_of_the_words_of_its_own() {
        let of = |name, operator| monogram(name, operator);
        assert_eq!(of("Northwind Mail Backup", "Northwind Managed Services"), "MB");
        assert_eq!(of("Northwind", "Northwind"), "N");
        assert_eq!(of("«élan» 7 plus", ""), "É7");
        assert_eq!(of("!?", ""), "");
    }
}
