//! Requests that are turned away: each is recorded, then answered.

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

use super::pages::{Notice, ResultPage};
use super::reply::{self, Answer, RETRY_SECONDS, notice, secure};
use super::request::Request;
use super::words;
use crate::consent::Outcome;
use crate::record::{Event, FrontDoor, Line, RejectionLine, kept_address, kept_browser};
use crate::site::Site;

/// A request to the callback that cannot be read as one: it leaves a line, since it may have been somebody's approval.
pub(super) fn recorded(site: &Site, request: &Request, reason: &'static str, instead: Notice<'_>) -> Answer {
    let bytes = request.query.len().saturating_add(request.body.len());
    let rejection = RejectionLine { reason, bytes, unknown_parameters: None };
    match site.records.write(&visitor_line(site, request, Event::Rejected).with_rejection(Outcome::Unsolicited, rejection)) {
        Ok(()) => notice(site, request, instead),
        Err(error) => not_recorded(site, request, &error),
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
        return not_recorded(site, request, &error);
    }
    let page = ResultPage::new(reply::imprint(site), outcome);
    reply::result_answer(request, words::status(outcome), &page)
}

/// A line that says who asked and through which door, as far as the configuration keeps it.
pub(super) fn visitor_line(site: &Site, request: &Request, event: Event) -> Line {
    let policy = site.config.records;
    Line::new(event, site.clock.now()).from_visitor(
        site.new_id(),
        request.front_door,
        kept_address(policy.ip, request.source),
        kept_browser(policy.browser, reply::header(&request.headers, &USER_AGENT)),
    )
}

/// The key secret cannot be read: recorded, and nobody's fault but ours.
pub(super) fn keys_unavailable(site: &Site, request: &Request) -> Answer {
    let rejection = RejectionLine {
        reason: "keys_unavailable",
        bytes: request.query.len().saturating_add(request.body.len()),
        unknown_parameters: None,
    };
    let line = visitor_line(site, request, Event::Rejected).with_rejection(Outcome::Unavailable, rejection);
    match site.records.write(&line) {
        Ok(()) => notice(site, request, Notice::KeysUnavailable(RETRY_SECONDS)),
        Err(error) => not_recorded(site, request, &error),
    }
}

/// What cannot be recorded is not done and not said.
pub(super) fn not_recorded(site: &Site, request: &Request, error: &std::io::Error) -> Answer {
    tracing::error!(error.kind = %error.kind(), "a record could not be written; nothing more was asked and nothing is said");
    notice(site, request, Notice::NotRecorded(RETRY_SECONDS))
}
