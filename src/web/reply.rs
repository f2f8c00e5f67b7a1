//! Builds answers: pages, their JSON twins, redirects and notices, each with its headers.

use http::header::{ALLOW, CONTENT_TYPE, LOCATION, REFRESH, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, Method, Response, StatusCode};
use maud::Markup;

use super::headers::{self, Forms};
use super::invitation_page::{self, ReportPage, WatchPage};
use super::pages::{self, Branding, Notice};
use super::request::Request;
use crate::installation::Installation;

/// The router's answer to a request.
pub type Answer = Response<String>;

/// Sets the security headers of an answer, with the policy that its page requires.
pub(super) fn secure(installation: &Installation, answer: &mut Answer) {
    let forms = answer.extensions_mut().remove::<Forms>().unwrap_or_default();
    let site = &installation.config.site;
    headers::secure_with(answer.headers_mut(), site.base_url.scheme() == "https", forms, site.look.colours.as_deref());
}

/// The answer after a panic: plain text with the usual headers, because even the page code may be at fault.
pub(crate) fn our_fault() -> Answer {
    let words = include_str!("../../locales/en/panic.txt");
    let mut answer = bare(StatusCode::INTERNAL_SERVER_ERROR, words.to_owned(), "text/plain; charset=utf-8");
    headers::secure(answer.headers_mut(), true);
    answer.headers_mut().insert(RETRY_AFTER, headers::retry_after(120));
    answer
}

/// The page, or its JSON twin if a program asks for JSON.
pub(super) fn result_answer(request: &Request, status: StatusCode, page: &pages::ResultPage<'_>) -> Answer {
    let mut answer = if request.wants_json() { json_answer(status, &pages::result_json(page)) } else { html(status, pages::result(page)) };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, headers::retry_after(RETRY_SECONDS));
    }
    with_refresh(answer, page)
}

fn with_refresh(mut answer: Answer, page: &pages::ResultPage<'_>) -> Answer {
    if let Some(plan) = page.refresh {
        answer.headers_mut().insert(REFRESH, plan.seconds.into());
    }
    answer
}

/// The watch page, or its JSON twin.
pub(super) fn watch_answer(request: &Request, status: StatusCode, page: &WatchPage<'_>) -> Answer {
    if request.wants_json() {
        return with_refresh(json_answer(status, &invitation_page::watch_json(page)), &page.result);
    }
    with_refresh(html(status, invitation_page::watch(page)), &page.result)
}

/// The report of a chain, or its JSON twin.
pub(super) fn report_answer(request: &Request, status: StatusCode, page: &ReportPage<'_>) -> Answer {
    if request.wants_json() {
        return json_answer(status, &invitation_page::report_json(page));
    }
    html(status, invitation_page::report(page))
}

/// Marks the page of an invitation, whose button leads to Microsoft. [`secure`] then sets a policy that allows the button.
pub(super) fn leading_away(mut answer: Answer) -> Answer {
    answer.extensions_mut().insert(Forms::LeadAway);
    answer
}

/// Marks a page whose form asks this site.
pub(super) fn asking_us(mut answer: Answer) -> Answer {
    answer.extensions_mut().insert(Forms::AskUs);
    answer
}

/// When a client may retry after a 503, in seconds. This is as long as the result of one check is valid.
pub(super) const RETRY_SECONDS: u32 = 30;

pub(super) fn see_other(location: &str) -> Answer {
    let mut answer = bare(StatusCode::SEE_OTHER, String::new(), "text/plain; charset=utf-8");
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// Sets a cookie that later requests carry. `lives` is in seconds.
pub(super) fn set_cookie(answer: &mut Answer, name: &str, value: &str, lives: u64) {
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lives}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
}

pub(super) fn html(status: StatusCode, markup: Markup) -> Answer {
    bare(status, markup.into_string(), "text/html; charset=utf-8")
}

pub(super) fn json_answer(status: StatusCode, value: &serde_json::Value) -> Answer {
    bare(status, value.to_string(), "application/json; charset=utf-8")
}

/// An answer without an outcome.
pub(super) fn notice(installation: &Installation, request: &Request, notice: Notice<'_>) -> Answer {
    let mut answer = if request.wants_json() {
        json_answer(notice.status(), &pages::notice_json(branding(installation), notice))
    } else {
        html(notice.status(), pages::notice(branding(installation), notice))
    };
    match notice {
        Notice::MethodNotAllowed(methods) => {
            let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            if let Ok(allow) = HeaderValue::try_from(allow) {
                answer.headers_mut().insert(ALLOW, allow);
            }
        }
        Notice::KeysUnavailable(seconds) | Notice::NotRecorded(seconds) | Notice::RenewalNotSent(seconds) => {
            answer.headers_mut().insert(RETRY_AFTER, headers::retry_after(seconds));
        }
        Notice::Root
        | Notice::NoSuchPage
        | Notice::TooLarge
        | Notice::UnsupportedMediaType
        | Notice::NothingArrived
        | Notice::RenewalRequested => {}
    }
    answer
}

fn bare(status: StatusCode, body: String, content_type: &'static str) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The operator's details, for every page.
pub(super) fn branding(installation: &Installation) -> Branding<'_> {
    let site = &installation.config.site;
    Branding { operator: &site.operator, support: &site.support, privacy_url: &site.privacy_url, look: Some(&site.look) }
}
