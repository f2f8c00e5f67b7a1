//! Rejected requests: each one is recorded before it is answered.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};

use super::pages::{Notice, ResultPage};
use super::reply::{self, Answer, RETRY_SECONDS, notice, secure};
use super::request::Request;
use super::words;
use crate::approval::Refusal;
use crate::consent::{Outcome, Query};
use crate::installation::Installation;
use crate::record::{AddressSource, FrontDoor};

/// Rejects a malformed callback. A record is written, because the callback may have reported an approval.
pub(super) fn recorded(installation: &Installation, request: &Request, reason: &'static str, instead: Notice<'_>) -> Answer {
    match request.visitor().refuse(installation, Outcome::Unsolicited, reason, None) {
        Refusal::Outcome(_) => notice(installation, request, instead),
        refusal => refused(installation, request, refusal),
    }
}

/// Rejects a request whose body is too large to read: records it, then answers.
pub(crate) fn refuse_large(installation: &Installation, request: &Request) -> Answer {
    let mut answer = recorded(installation, request, "body_too_large", Notice::TooLarge);
    secure(installation, &mut answer);
    answer
}

/// Rejects an event that is not an HTTP request, or whose parts contradict each other: records it, then answers.
pub fn refuse(installation: &Installation, request: &Request, reason: &'static str) -> Answer {
    let mut answer = turn_away(installation, request, Outcome::LinkDamaged, reason, None);
    secure(installation, &mut answer);
    answer
}

/// Rejects an event that is not HTTP: records it, then answers with JSON that grants nothing.
pub fn refuse_event(installation: &Installation, reason: &'static str) -> Answer {
    let request = Request {
        method: Method::GET,
        path: String::new(),
        query: Query::default(),
        headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]),
        body: bytes::Bytes::new(),
        source: None,
        source_from: AddressSource::RequestContext,
        front_door: FrontDoor::Other,
    };
    turn_away(installation, &request, Outcome::Unsolicited, reason, None)
}

/// Records a request without a genuine token, and answers with the page of its outcome.
pub(super) fn turn_away(
    installation: &Installation,
    request: &Request,
    outcome: Outcome,
    reason: &'static str,
    unknown: Option<usize>,
) -> Answer {
    refused(installation, request, request.visitor().refuse(installation, outcome, reason, unknown))
}

/// The page of a refusal.
pub(super) fn refused(installation: &Installation, request: &Request, refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Outcome(outcome) => {
            let page = ResultPage::new(reply::branding(installation), outcome);
            reply::result_answer(request, words::status(outcome), &page)
        }
        Refusal::Renewable => {
            let outcome = Outcome::LinkExpired;
            let page = ResultPage { can_ask: true, ..ResultPage::new(reply::branding(installation), outcome) };
            reply::asking_us(reply::result_answer(request, words::status(outcome), &page))
        }
        Refusal::KeysUnavailable => notice(installation, request, Notice::KeysUnavailable(RETRY_SECONDS)),
        Refusal::NotRecorded => notice(installation, request, Notice::NotRecorded(RETRY_SECONDS)),
    }
}
