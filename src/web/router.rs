//! One router for every front door: cheap checks first, then the callback and the receipt.

use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, LOCATION, REFRESH, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use maud::Markup;
use serde_json::json;

use super::headers::Forms;
use super::invitation_page::{self, ReportPage, WatchPage};
use super::pages::{self, Imprint, Notice};
use super::receipt::View;
use super::request::Request;
use super::{callback, headers, invitation, receipt};
use crate::consent::Outcome;
use crate::record::FrontDoor;
use crate::record::{Event, Line, RejectionLine, kept_address, kept_browser};
use crate::site::Site;

/// What the router answers with.
pub type Answer = Response<String>;

/// Answers one request. Never fails and never panics on input: whatever goes wrong becomes a page.
pub async fn handle(site: &Site, request: Request) -> Answer {
    let mut answer = route(site, &request).await;
    secure(site, &mut answer);
    if request.method == Method::HEAD {
        answer.body_mut().clear();
    }
    answer
}

/// Puts the security headers on an answer, with the policy that its page asked for.
fn secure(site: &Site, answer: &mut Answer) {
    let forms = answer.extensions_mut().remove::<Forms>().unwrap_or_default();
    headers::secure_with(answer.headers_mut(), site.config.site.base_url.scheme() == "https", forms);
}

async fn route(site: &Site, request: &Request) -> Answer {
    let path = below_base(site, &request.path);
    let reading = request.method == Method::GET || request.method == Method::HEAD;
    match path {
        "/callback" => match request.method {
            Method::GET => callback::answer(site, request, &request.query).await,
            Method::POST => form_post(site, request).await,
            // Mail scanners and link previews ask with HEAD: no effect, no record, nobody is asked (law 4).
            Method::HEAD => notice(site, request, Notice::Root),
            _ => recorded(site, request, "method_not_allowed", Notice::MethodNotAllowed(&[Method::GET, Method::HEAD, Method::POST])),
        },
        "/health" if reading => json_answer(StatusCode::OK, &json!({ "status": "ok" })),
        "/" | "" if reading => notice(site, request, Notice::Root),
        "/health" | "/" | "" => notice(site, request, Notice::MethodNotAllowed(&[Method::GET, Method::HEAD])),
        _ => match room(path) {
            Some((_, _)) if request.method == Method::HEAD => notice(site, request, Notice::Root),
            Some((Room::Receipt(view), token)) => match request.method {
                Method::GET => receipt::answer(site, request, token, view).await,
                _ => notice(site, request, Notice::MethodNotAllowed(&[Method::GET, Method::HEAD])),
            },
            Some((Room::Invitation, token)) => match request.method {
                Method::GET => invitation::show(site, request, token).await,
                Method::POST => invitation::start(site, request, token).await,
                _ => notice(site, request, Notice::MethodNotAllowed(&[Method::GET, Method::HEAD, Method::POST])),
            },
            None => notice(site, request, Notice::NoSuchPage),
        },
    }
}

/// A place whose address ends with a signed token.
enum Room {
    /// `/i/{invitation}`
    Invitation,
    /// `/r/{receipt}`, `/w/{receipt}` and `/r/{receipt}/chain`
    Receipt(View),
}

fn room(path: &str) -> Option<(Room, &str)> {
    let (room, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (room, token) = match (room, rest.split_once('/')) {
        ("i", None) => (Room::Invitation, rest),
        ("r", None) => (Room::Receipt(View::Result), rest),
        ("w", None) => (Room::Receipt(View::Watch), rest),
        ("r", Some((token, "chain"))) => (Room::Receipt(View::Chain), token),
        _ => return None,
    };
    Some((room, token))
}

/// `response_mode=form_post` (protocol reference §1.3): the same parameters in a body. What stands in the query besides counts
/// too, so that a name in both places is the duplicate it is.
async fn form_post(site: &Site, request: &Request) -> Answer {
    let content_type = header(&request.headers, &CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return recorded(site, request, "unsupported_media_type", Notice::UnsupportedMediaType);
    }
    let separator: &[u8] = if request.query.is_empty() { b"" } else { b"&" };
    let parameters = [request.query.as_slice(), separator, &request.body].concat();
    callback::answer(site, request, &parameters).await
}

/// The path below the public base address: a front door may or may not strip the stage path.
fn below_base<'a>(site: &Site, path: &'a str) -> &'a str {
    let base = site.config.site.base_url.path().trim_end_matches('/');
    match path.strip_prefix(base) {
        Some(rest) if !base.is_empty() && (rest.is_empty() || rest.starts_with('/')) => rest,
        _ => path,
    }
}

/// A request to the callback that cannot be read as one: it leaves a line, since it may have been somebody's approval.
pub(super) fn recorded(site: &Site, request: &Request, reason: &'static str, instead: Notice<'_>) -> Answer {
    let bytes = request.query.len().saturating_add(request.body.len());
    let rejection = RejectionLine { reason, bytes, unknown_parameters: None };
    match site.records.write(&visitor_line(site, request, Event::Rejected).with_rejection(Outcome::Unsolicited, rejection)) {
        Ok(()) => notice(site, request, instead),
        Err(error) => callback::not_recorded(site, request, &error),
    }
}

/// Turns a request away whose body is too large to be read at all: recorded, then answered.
pub fn refuse_large(site: &Site, request: &Request) -> Answer {
    let mut answer = recorded(site, request, "body_too_large", Notice::TooLarge);
    secure(site, &mut answer);
    answer
}

/// Turns an event away that is no HTTP request, or one whose parts contradict each other: recorded, then answered.
pub fn refuse(site: &Site, request: &Request, reason: &'static str) -> Answer {
    let mut answer = turn_away(site, request, Outcome::LinkDamaged, reason, None);
    secure(site, &mut answer);
    answer
}

/// For a defect of ours that not even the pages can be trusted with: plain words, and the headers that every answer has.
#[must_use]
pub fn our_fault() -> Answer {
    let words = "Something went wrong on our side, not on yours. Please reload this page in a few minutes.\n";
    let mut answer = bare(StatusCode::INTERNAL_SERVER_ERROR, words.to_owned(), "text/plain; charset=utf-8");
    headers::secure(answer.headers_mut(), true);
    answer.headers_mut().insert(RETRY_AFTER, headers::retry_after(120));
    answer
}

/// Turns an event away that is not HTTP: recorded, then answered with JSON that grants nothing, whoever asked.
pub fn refuse_event(site: &Site, reason: &'static str) -> Answer {
    let request = Request {
        method: Method::GET,
        path: String::new(),
        query: Vec::new(),
        headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]),
        body: bytes::Bytes::new(),
        source: None,
        front_door: FrontDoor::Other,
    };
    turn_away(site, &request, Outcome::Unsolicited, reason, None)
}

/// Records a request that carried no genuine ticket, and answers with the page of its outcome. One page for all that is wrong
/// with a ticket, so that nobody learns which part of a forgery failed.
pub(super) fn turn_away(site: &Site, request: &Request, outcome: Outcome, reason: &'static str, unknown: Option<usize>) -> Answer {
    turn_away_with(site, request, visitor_line(site, request, Event::Rejected), outcome, reason, unknown)
}

/// The same for a line that says already which genuine token it was: one past its end or taken back.
pub(super) fn turn_away_with(
    site: &Site,
    request: &Request,
    line: Line,
    outcome: Outcome,
    reason: &'static str,
    unknown: Option<usize>,
) -> Answer {
    let bytes = request.query.len().saturating_add(request.body.len());
    let line = line.with_rejection(outcome, RejectionLine { reason, bytes, unknown_parameters: unknown });
    if let Err(error) = site.records.write(&line) {
        return callback::not_recorded(site, request, &error);
    }
    let page = pages::ResultPage::new(site.imprint(), outcome);
    result_answer(request, super::words::status(outcome), &page)
}

/// A line that says who asked and through which door, as far as the configuration keeps it.
pub(super) fn visitor_line(site: &Site, request: &Request, event: Event) -> Line {
    let policy = site.config.records;
    Line::new(event, site.clock.now()).from_visitor(
        site.new_id(),
        request.front_door,
        kept_address(policy.ip, request.source),
        kept_browser(policy.browser, header(&request.headers, &USER_AGENT)),
    )
}

/// The page, or its JSON twin for a program that asks for JSON.
pub(super) fn result_answer(request: &Request, status: StatusCode, page: &pages::ResultPage<'_>) -> Answer {
    let mut answer =
        if wants_json(&request.headers) { json_answer(status, &pages::result_json(page)) } else { html(status, pages::result(page)) };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, headers::retry_after(RETRY_SECONDS));
    }
    with_refresh(answer, page)
}

fn with_refresh(mut answer: Answer, page: &pages::ResultPage<'_>) -> Answer {
    if let Some(plan) = page.refresh
        && let Some(value) = headers::refresh(plan.seconds, plan.next_href)
    {
        answer.headers_mut().insert(REFRESH, value);
    }
    answer
}

/// The watch page, or its JSON twin.
pub(super) fn watch_answer(request: &Request, status: StatusCode, page: &WatchPage<'_>) -> Answer {
    if wants_json(&request.headers) {
        return with_refresh(json_answer(status, &invitation_page::watch_json(page)), &page.result);
    }
    with_refresh(html(status, invitation_page::watch(page)), &page.result)
}

/// The report of a chain, or its JSON twin.
pub(super) fn report_answer(request: &Request, status: StatusCode, page: &ReportPage<'_>) -> Answer {
    if wants_json(&request.headers) {
        return json_answer(status, &invitation_page::report_json(page));
    }
    html(status, invitation_page::report(page))
}

/// Marks the page of an invitation, whose button leads to Microsoft; [`handle`] gives it a policy that lets it.
pub(super) fn leading_away(mut answer: Answer) -> Answer {
    answer.extensions_mut().insert(Forms::LeadAway);
    answer
}

/// When a 503 may be tried again, in seconds: as long as one look serves.
pub(super) const RETRY_SECONDS: u32 = 30;

/// A request for JSON. A browser's `Accept` names `text/html`, and then the page is meant.
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let accept = header(headers, &ACCEPT).unwrap_or_default().to_ascii_lowercase();
    accept.contains("application/json") && !accept.contains("text/html")
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn see_other(location: &str) -> Answer {
    let mut answer = bare(StatusCode::SEE_OTHER, String::new(), "text/plain; charset=utf-8");
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

pub(super) fn html(status: StatusCode, markup: Markup) -> Answer {
    bare(status, markup.into_string(), "text/html; charset=utf-8")
}

pub(super) fn json_answer(status: StatusCode, value: &serde_json::Value) -> Answer {
    bare(status, value.to_string(), "application/json; charset=utf-8")
}

/// An answer that tells no outcome.
pub(super) fn notice(site: &Site, request: &Request, notice: Notice<'_>) -> Answer {
    let mut answer = if wants_json(&request.headers) {
        json_answer(notice.status(), &pages::notice_json(site.imprint(), notice))
    } else {
        html(notice.status(), pages::notice(site.imprint(), notice))
    };
    match notice {
        Notice::MethodNotAllowed(methods) => {
            let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            if let Ok(allow) = HeaderValue::try_from(allow) {
                answer.headers_mut().insert(ALLOW, allow);
            }
        }
        Notice::KeysUnavailable(seconds) | Notice::NotRecorded(seconds) => {
            answer.headers_mut().insert(RETRY_AFTER, headers::retry_after(seconds));
        }
        Notice::Root | Notice::NoSuchPage | Notice::TooLarge | Notice::UnsupportedMediaType | Notice::NothingArrived => {}
    }
    answer
}

fn bare(status: StatusCode, body: String, content_type: &'static str) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

impl Site {
    /// Who runs this, for every page.
    pub(super) fn imprint(&self) -> Imprint<'_> {
        let site = &self.config.site;
        Imprint { operator: &site.operator, support: &site.support, privacy_url: &site.privacy_url }
    }
}
