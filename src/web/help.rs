//! The help page: explains an error number of Microsoft's page. The answer comes from the table of codes alone, so the page knows no
//! organisation and has no effect.

use http::{Method, StatusCode};
use maud::{Markup, html};

use super::Request;
use super::pages::{Branding, Notice, PageMarks, next_section, shell, verdict};
use super::reply::{self, Answer};
use super::words::PAGES;
use crate::consent::outcome::Tone;
use crate::consent::{AadstsCode, Owner, aadsts};
use crate::installation::Installation;

/// Answers with the page. The query may contain a number, as the page's form sends it.
pub(super) fn answer(installation: &Installation, request: &Request) -> Answer {
    if request.method != Method::GET && request.method != Method::HEAD {
        return reply::notice(installation, request, Notice::MethodNotAllowed(&[Method::GET, Method::HEAD]));
    }
    let asked = request.query.first("number").map(AskedNumber::read);
    reply::asking_us(reply::html(StatusCode::OK, page(reply::branding(installation), asked)))
}

#[derive(Clone, Copy)]
enum AskedNumber<'a> {
    Mistyped,
    Number(&'a str, AadstsCode),
}

impl<'a> AskedNumber<'a> {
    fn read(number: &'a str) -> Self {
        let fits = (5..=7).contains(&number.len());
        AadstsCode::from_digits(number).filter(|_| fits).map_or(Self::Mistyped, |code| Self::Number(number, code))
    }
}

fn page(branding: Branding<'_>, asked: Option<AskedNumber<'_>>) -> Markup {
    let (names, title) = (branding.names(), PAGES.text("help-title"));
    let body = html! {
        (verdict(Tone::Note, &title, names, None))
        @if let Some(AskedNumber::Number(_, code)) = asked { (meaning(branding, code)) } @else { p.lead { (PAGES.text("help-introduction")) } }
        (form(asked))
        p.quiet { (PAGES.text("help-no-number").fill(names)) }
    };
    shell(branding, &title, names, PageMarks { page: Some("help"), ..PageMarks::default() }, Tone::Note, &body)
}

/// The meaning of a code on Microsoft's pages. The number stays in its field: a sentence with a number looks like an instruction to use it.
fn meaning(branding: Branding<'_>, code: AadstsCode) -> Markup {
    let entry = aadsts::lookup_on_page(code);
    let is_known = entry != aadsts::UNKNOWN;
    let (owner, meaning, next) = match is_known {
        true => (entry.owner, entry.admin(), entry.next()),
        false => (Owner::Visitor, PAGES.text("help-unknown"), PAGES.text("help-ask")),
    };
    let names = branding.names();
    html! {
        p.lead role="status" data-known=(is_known) { (meaning.fill(names)) }
        (next_section(owner, &owner.heading(), &next, None, None, names))
    }
}

fn form(asked: Option<AskedNumber<'_>>) -> Markup {
    let mistyped = matches!(asked, Some(AskedNumber::Mistyped));
    let number = if let Some(AskedNumber::Number(number, _)) = asked { number } else { "" };
    html! {
        form.ask method="get" {
            label for="number" { (PAGES.text("help-number")) }
            @if mistyped { p #mistyped role="alert" { (PAGES.text("help-mistyped")) } }
            input #number name="number" value=(number) type="text" inputmode="numeric" autocomplete="off" required pattern="[0-9]{5,7}"
                maxlength="7" title=(PAGES.text("help-format").plain_alone()) aria-invalid=[mistyped.then_some("true")]
                aria-describedby=[mistyped.then_some("mistyped")];
            button.button type="submit" { (PAGES.text("help-explain")) }
        }
    }
}
