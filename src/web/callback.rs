//! The callback route: reads the parameters, and renders the reply of `approval`.

use std::borrow::Cow;
use std::time::Instant;

use http::Method;
use http::header::CONTENT_TYPE;

use super::Request;
use super::pages::Notice;
use super::rejection::{recorded, refused, turn_away};
use super::reply::{self, Answer, notice};
use super::request;
use super::shown::Shown;
use crate::approval::callback::{CallbackReply, CallbackRequest, note_wrong_path, receive};
use crate::consent::outcome::PROVISIONAL;
use crate::consent::{Callback, Outcome, Query};
use crate::installation::Installation;

/// Answers a callback. `parameters` is its query, or the body of a form post.
pub(super) async fn answer(installation: &Installation, request: &Request, parameters: &Query) -> Answer {
    let started = Instant::now();
    let callback = match Callback::parse(parameters) {
        Ok(callback) => callback,
        Err(malformed) => return turn_away(installation, request, Outcome::LinkDamaged, malformed.reason(), None),
    };
    let Some(state) = &callback.state else {
        // Browsers never send a fragment to a server, so a callback with all its data in the fragment looks empty. The page explains that
        // (threats reference S40).
        return if parameters.is_empty() {
            recorded(installation, request, "no_ticket", Notice::NothingArrived)
        } else {
            turn_away(installation, request, Outcome::Unsolicited, "no_ticket", Some(callback.unknown))
        };
    };
    let asked = CallbackRequest { state, callback: &callback, started };
    match receive(installation, &request.visitor(), asked).await {
        Ok(CallbackReply { address: Some(address), verifier_claim, .. }) => {
            let mut answer = reply::see_other(&address);
            if let Some(claim) = verifier_claim {
                reply::set_cookie(&mut answer, request::VERIFIER_CLAIM, &claim.to_string(), PROVISIONAL.as_secs());
            }
            answer
        }
        Ok(CallbackReply { address: None, view, .. }) => Shown::new(installation, &view).answer(request),
        Err(refusal) => refused(installation, request, refusal),
    }
}

/// `response_mode=form_post` (protocol reference §1.3): the same parameters in a body. The query's parameters count too, so a name in query
/// and body counts as a duplicate.
pub(super) async fn form_post(installation: &Installation, request: &Request) -> Answer {
    match posted(request) {
        Some(parameters) => answer(installation, request, &parameters).await,
        None => recorded(installation, request, "unsupported_media_type", Notice::UnsupportedMediaType),
    }
}

/// Answers with `instead` under a path without a route. A front door that changes paths can bring a genuine callback there.
pub(super) async fn under_wrong_path(installation: &Installation, request: &Request, instead: Notice<'_>) -> Answer {
    let parameters = match request.method {
        Method::GET => Some(Cow::Borrowed(&request.query)),
        Method::POST => posted(request).map(Cow::Owned),
        _ => None,
    };
    if let Some(callback) = parameters.and_then(|parameters| Callback::parse(&parameters).ok())
        && let Err(refusal) = note_wrong_path(installation, &request.visitor(), &callback).await
    {
        return refused(installation, request, refusal);
    }
    notice(installation, request, instead)
}

/// The parameters of a form. `None` if the body is something else.
fn posted(request: &Request) -> Option<Query> {
    let content_type = request.header(&CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded").then(|| {
        let mut parameters = request.query.clone();
        parameters.add(&request.body);
        parameters
    })
}
