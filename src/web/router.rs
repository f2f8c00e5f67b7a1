//! One router for all front doors: it matches path and method. Each route has its own file.

use http::{Method, StatusCode};
use serde_json::json;

use super::pages::Notice;
use super::rejection::recorded;
use super::reply::{Answer, json_answer, notice, secure};
use super::request::Request;
use super::{callback, help, invitation, receipt};
use crate::approval::revisit::View;
use crate::installation::Installation;
use crate::token::recovery;

/// Answers one request. Never fails and never panics on input: every fault becomes a page.
pub async fn handle(installation: &Installation, request: Request) -> Answer {
    let mut answer = route(installation, &request).await;
    secure(installation, &mut answer);
    if request.method == Method::HEAD {
        answer.body_mut().clear();
    }
    answer
}

/// Each use case is boxed: its future is large, and would make every other answer need as much of the stack.
async fn route(installation: &Installation, request: &Request) -> Answer {
    let path = below_base(installation, &request.path);
    let reading = request.method == Method::GET || request.method == Method::HEAD;
    match path {
        "/callback" => match request.method {
            Method::GET => Box::pin(callback::answer(installation, request, &request.query)).await,
            Method::POST => Box::pin(callback::form_post(installation, request)).await,
            // Mail scanners and link previews use HEAD, so HEAD has no effect, no record and no check (law 4).
            Method::HEAD => notice(installation, request, Notice::Root),
            _ => {
                recorded(installation, request, "method_not_allowed", Notice::MethodNotAllowed(&[Method::GET, Method::HEAD, Method::POST]))
            }
        },
        "/health" if reading => json_answer(StatusCode::OK, &health(installation)),
        "/health/ready" if reading => match installation.probed_keys().await {
            Ok(_) => json_answer(StatusCode::OK, &health(installation)),
            Err(_) => json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "keys_unavailable" })),
        },
        "/" | "" => {
            let instead = if reading { Notice::Root } else { Notice::MethodNotAllowed(&[Method::GET, Method::HEAD]) };
            callback::under_wrong_path(installation, request, instead).await
        }
        "/help" => help::answer(installation, request),
        "/health" | "/health/ready" => notice(installation, request, Notice::MethodNotAllowed(&[Method::GET, Method::HEAD])),
        _ => match token_route(path) {
            Some((_, _)) if request.method == Method::HEAD => notice(installation, request, Notice::Root),
            Some((Route::Receipt(view), token)) => match request.method {
                Method::GET => Box::pin(receipt::answer(installation, request, token, view)).await,
                _ => notice(installation, request, Notice::MethodNotAllowed(&[Method::GET, Method::HEAD])),
            },
            Some((Route::Invitation, token)) => match request.method {
                Method::GET => invitation::show(installation, request, token).await,
                Method::POST => Box::pin(invitation::start(installation, request, token)).await,
                _ => notice(installation, request, Notice::MethodNotAllowed(&[Method::GET, Method::HEAD, Method::POST])),
            },
            None => callback::under_wrong_path(installation, request, Notice::NoSuchPage).await,
        },
    }
}

/// Reports that the process answers, and whether it found a damaged store at its start.
fn health(installation: &Installation) -> serde_json::Value {
    let is_damaged = installation.outbox().is_some_and(|outbox| outbox.has_lost_messages());
    if is_damaged { json!({ "status": "ok", "store": "damaged" }) } else { json!({ "status": "ok" }) }
}

/// A route whose path contains a signed token.
enum Route {
    /// `/i/{invitation}`
    Invitation,
    /// `/r/{receipt}`, `/w/{receipt}` and `/r/{receipt}/chain`
    Receipt(View),
}

/// The route of a path, and the path's token. Text after the token is cut, as in a `state`.
fn token_route(path: &str) -> Option<(Route, &str)> {
    let (route, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (token, appended) = recovery::split(rest);
    Some(match (route, token.split_once('/')) {
        ("i", None) => (Route::Invitation, token),
        ("r", None) if appended.starts_with("/chain") => (Route::Receipt(View::Chain), token),
        ("r", None) => (Route::Receipt(View::Result), token),
        ("w", None) => (Route::Receipt(View::Watch), token),
        ("r", Some((token, "chain"))) => (Route::Receipt(View::Chain), token),
        _ => return None,
    })
}

/// The path below the public base address. Front doors differ in whether they strip the stage path.
fn below_base<'a>(installation: &Installation, path: &'a str) -> &'a str {
    let base = installation.config.site.base_url.path().trim_end_matches('/');
    match path.strip_prefix(base) {
        Some(rest) if !base.is_empty() && (rest.is_empty() || rest.starts_with('/')) => rest,
        _ => path,
    }
}
