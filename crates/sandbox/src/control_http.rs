//! The control address: [`Change`] and the request log over HTTP, under `/_sandbox/`. docs/sandbox.md describes it.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::change::Change;
use super::control::Control;
use super::request::Call;
use super::serve::Shared;

/// One change, or several in the order in which they apply.
#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Several(Vec<Value>),
    One(Value),
}

pub(super) fn answer(shared: &std::sync::Arc<Shared>, call: &Call) -> Answer {
    let control = Control(std::sync::Arc::clone(shared));
    let path = call.path.trim_end_matches('/');
    match (&call.method, path) {
        (&Method::GET, "/_sandbox/requests") => found(&control.requests()),
        (&Method::DELETE, "/_sandbox/requests") => {
            control.forget_requests();
            found(&json!({ "forgotten": true }))
        }
        (&Method::GET, "/_sandbox/counts") => found(&json!({
            "upstream": control.upstream_calls(),
            "by_kind": shared.world().log.counts(),
        })),
        (&Method::GET, "/_sandbox/state") => found(&json!({
            "now": super::graph::graph_time(control.clock().now()),
            "tenants": control.state(),
        })),
        (&Method::GET, "/_sandbox/faults") => found(&control.faults()),
        (&Method::POST, "/_sandbox/changes") => changes(&control, call),
        _ => refused(404, None, "There is no such control address or method; see docs/sandbox.md."),
    }
}

fn changes(control: &Control, call: &Call) -> Answer {
    // A browser sends `application/json` to another origin only after a CORS preflight, and the sandbox allows no preflight. So a page of
    // another site cannot change anything.
    if !call.header("content-type").is_some_and(|value| value.starts_with("application/json")) {
        return refused(415, None, "Changes are sent as application/json.");
    }
    let changes = match serde_json::from_slice(&call.body) {
        Ok(Body::Several(changes)) => changes,
        Ok(Body::One(change)) => vec![change],
        Err(error) => return refused(400, None, &format!("not JSON: {error}")),
    };
    let count = changes.len();
    for (at, change) in changes.into_iter().enumerate() {
        let applied = serde_json::from_value::<Change>(change)
            .map_err(|error| error.to_string())
            .and_then(|change| control.apply(change).map_err(|refused| refused.to_string()));
        if let Err(reason) = applied {
            return refused(400, Some(at), &reason);
        }
    }
    found(&json!({ "applied": count }))
}

fn found(body: &impl serde::Serialize) -> Answer {
    match serde_json::to_value(body) {
        Ok(body) => Answer::json(200, &body),
        Err(error) => refused(500, None, &error.to_string()),
    }
}

/// The answer to a refused change. `index` is its position; the changes before it stay applied.
fn refused(status: u16, index: Option<usize>, reason: &str) -> Answer {
    Answer::json(status, &json!({ "refused": reason, "index": index }))
}
