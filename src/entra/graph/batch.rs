//! Sends questions to Graph, and interprets each part's status (protocol reference §4.3, §4.4).

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use url::Url;

use super::question::{Part, Question};
use crate::consent::callback::TraceId;
use crate::entra::cloud::Endpoints;
use crate::entra::http::{Exchange, Http, HttpAnswer, UpstreamCall, UpstreamKind, parse_retry_after, read_object};
use crate::secret::Secret;

/// The answer to one part, or to one page. Each variant names the HTTP status behind it.
#[derive(Debug)]
pub(crate) enum PartAnswer {
    /// The body of a 200, as JSON text.
    Shown(Box<RawValue>),
    /// 403: our rights do not let us see the object. The cause is the token's rights or Conditional Access; neither says anything about the
    /// object.
    NotVisible,
    /// 404.
    NotFound,
    /// 401.
    Unauthorized {
        /// Graph does not (yet) know the calling app in this tenant: `Authorization_IdentityNotFound`.
        unknown_caller: bool,
    },
    /// 400: our request is wrong.
    Refused,
    /// Throttled, broken, missing, duplicate, or unreadable.
    Unanswered,
}

/// The answers of a batch, or of one further page.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The answers in the order of the question's parts.
    pub(crate) parts: Vec<(Part, PartAnswer)>,
    /// The `Retry-After` of the whole answer.
    pub(crate) retry_after: Option<Duration>,
    /// The `Retry-After` of single parts.
    pub(crate) waits: Vec<(Part, Duration)>,
    /// The call, for the record.
    pub(crate) call: UpstreamCall,
}

/// Largest answer of a batch or of one page, in bytes.
const CAP: usize = 4 * 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Sends the whole question in one batch, all parts in parallel.
pub(crate) async fn send_batch(http: &Http, endpoints: &Endpoints, token: &Secret, question: &Question, now: OffsetDateTime) -> Reply {
    #[derive(Serialize)]
    struct PartRequest {
        id: String,
        method: &'static str,
        url: String,
    }
    #[derive(Serialize)]
    struct GraphBatch {
        requests: Vec<PartRequest>,
    }
    let parts = question.parts();
    let requests = parts.iter().map(|(part, url)| PartRequest { id: part.id(), method: "GET", url: url.clone() }).collect();
    let request = http
        .client()
        .post(endpoints.at_graph("v1.0/$batch"))
        .bearer_auth(token.expose())
        .header(ACCEPT, JSON)
        .json(&GraphBatch { requests });
    let exchange = http.exchange(UpstreamKind::Batch, request, CAP, now).await;
    let parts: Vec<Part> = parts.into_iter().map(|(part, _)| part).collect();
    reply(exchange, parts, |body, parts| read_batch(body, parts, now))
}

/// Requests a further page of a list.
pub(crate) async fn send_page(http: &Http, token: &Secret, part: Part, url: Url, now: OffsetDateTime) -> Reply {
    let request = http.client().get(url).bearer_auth(token.expose()).header(ACCEPT, JSON);
    let exchange = http.exchange(UpstreamKind::Page, request, CAP, now).await;
    reply(exchange, vec![part], |body, _| vec![(meaning(200, raw(body).as_deref()), None)])
}

fn reply(exchange: Exchange, parts: Vec<Part>, read: impl FnOnce(&[u8], &[Part]) -> Vec<(PartAnswer, Option<Duration>)>) -> Reply {
    let Exchange { call, correlation_id, answer, .. } = exchange;
    let boundary = Boundary { call: &call, correlation_id };
    let (answers, retry_after) = match answer {
        Ok(HttpAnswer { status: 200, retry_after, body }) => (read(&body, &parts), retry_after),
        Ok(HttpAnswer { status, retry_after, body }) => {
            let body = raw(&body);
            boundary.log_whole("Graph refused", error_code(body.as_deref()).as_deref());
            let of_whole = if call.kind == UpstreamKind::Batch { meaning_for_all } else { meaning };
            (parts.iter().map(|_| (of_whole(status, body.as_deref()), None)).collect(), retry_after)
        }
        Err(silence) => {
            boundary.log_whole("Graph gave no answer", Some(&silence.to_string()));
            (parts.iter().map(|_| (PartAnswer::Unanswered, None)).collect(), None)
        }
    };
    let waits = parts.iter().zip(&answers).filter_map(|(part, (_, wait))| Some((*part, (*wait)?))).collect();
    let parts: Vec<_> = parts.into_iter().zip(answers).map(|(part, (answer, _))| (part, answer)).collect();
    if call.status == Some(200) {
        boundary.log_parts(&parts);
    }
    Reply { parts, retry_after, waits, call }
}

/// Reads a batch's answer: each part by its own status, in the order of `parts`. A missing, duplicate or malformed part counts as
/// unanswered, and a part that we did not request is ignored.
fn read_batch(body: &[u8], parts: &[Part], now: OffsetDateTime) -> Vec<(PartAnswer, Option<Duration>)> {
    #[derive(Deserialize)]
    struct GraphBatch {
        responses: Vec<Box<RawValue>>,
    }
    #[derive(Deserialize)]
    struct Response {
        id: String,
        status: u16,
        headers: Option<Value>,
        body: Option<Box<RawValue>>,
    }
    let responses: Vec<Response> = read_object::<GraphBatch>(body)
        .map(|batch| batch.responses.iter().filter_map(|raw| read_object(raw.get().as_bytes()).ok()).collect())
        .unwrap_or_default();
    let answer_of = |part: &Part| {
        let id = part.id();
        let mut own = responses.iter().filter(|response| response.id.eq_ignore_ascii_case(&id));
        let (Some(response), None) = (own.next(), own.next()) else { return (PartAnswer::Unanswered, None) };
        let headers = response.headers.as_ref().and_then(Value::as_object);
        let wait = headers.and_then(|headers| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after")));
        let wait = wait.and_then(|(_, value)| parse_retry_after(value.as_str()?, now));
        (meaning(response.status, response.body.as_deref()), wait)
    };
    parts.iter().map(answer_of).collect()
}

fn meaning(status: u16, body: Option<&RawValue>) -> PartAnswer {
    match (status, body) {
        (200, Some(body)) => PartAnswer::Shown(body.to_owned()),
        (400, _) => PartAnswer::Refused,
        (401, body) => PartAnswer::Unauthorized { unknown_caller: error_code(body).as_deref() == Some("Authorization_IdentityNotFound") },
        (403, _) => PartAnswer::NotVisible,
        (404, _) => PartAnswer::NotFound,
        _ => PartAnswer::Unanswered,
    }
}

/// The meaning of the batch's own status for its parts, which have only the token and the request in common. So only a rejected token or a
/// wrong request concerns every part. Any other refusal of the whole batch (by a proxy, a wrong path, a firewall) says nothing about a
/// part.
fn meaning_for_all(status: u16, body: Option<&RawValue>) -> PartAnswer {
    match meaning(status, body) {
        said @ (PartAnswer::Unauthorized { .. } | PartAnswer::Refused) => said,
        _ => PartAnswer::Unanswered,
    }
}

fn raw(body: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(body).ok()
}

/// The `code` of a Graph error, which may be empty. We do not read `innerError`, which has two spellings.
fn error_code(body: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct PartBody {
        error: GraphError,
    }
    #[derive(Deserialize)]
    struct GraphError {
        code: String,
    }
    read_object::<PartBody>(body?.get().as_bytes()).ok().map(|body| body.error.code)
}

/// Logs each failure once. Never logs a body: only words from a fixed alphabet.
struct Boundary<'a> {
    call: &'a UpstreamCall,
    correlation_id: TraceId,
}

impl Boundary<'_> {
    fn log_whole(&self, message: &'static str, reason: Option<&str>) {
        let reason =
            reason.filter(|reason| reason.len() <= 64 && reason.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b' ')));
        tracing::warn!(
            upstream.kind = self.call.kind.name(),
            upstream.status = self.call.status,
            upstream.reason = reason,
            upstream.correlation_id = %self.correlation_id,
            "{message}"
        );
    }

    fn log_parts(&self, parts: &[(Part, PartAnswer)]) {
        for (part, answer) in parts {
            let word = match answer {
                PartAnswer::Shown(_) | PartAnswer::NotVisible | PartAnswer::NotFound => continue,
                PartAnswer::Unauthorized { .. } => "unauthorized",
                PartAnswer::Refused => "refused",
                PartAnswer::Unanswered => "unanswered",
            };
            tracing::warn!(
                upstream.kind = self.call.kind.name(),
                upstream.part = part.id(),
                upstream.meaning = word,
                upstream.correlation_id = %self.correlation_id,
                "Graph did not answer a part"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const PARTS: [Part; 3] = [Part::ServicePrincipal, Part::Assignments, Part::Grants];

    fn words(body: &str) -> Vec<String> {
        read_batch(body.as_bytes(), &PARTS, NOW)
            .into_iter()
            .map(|(answer, wait)| {
                let word = match answer {
                    PartAnswer::Shown(body) => format!("shown {}", body.get()),
                    other => format!("{other:?}"),
                };
                wait.map_or(word.clone(), |wait| format!("{word} after {}", wait.as_secs()))
            })
            .collect()
    }

    #[test]
    fn parts_come_in_any_order_and_each_counts_by_its_own_status() {
        let body = json!({"extra": {"x": 1}, "responses": [
            {"id": "OAUTH2PERMISSIONGRANTS", "status": 429, "headers": {"retry-after": "17"}, "body": {"error": {"code": "TooManyRequests"}}},
            {"id": "servicePrincipal", "status": 200, "headers": {"Content-Type": "application/json"}, "body": {"id": 1}},
            {"id": "appRoleAssignments", "status": 403, "body": {"error": {"code": "", "innererror": {}}}},
        ]});
        assert_eq!(words(&body.to_string()), [r#"shown {"id":1}"#, "NotVisible", "Unanswered after 17"]);
    }

    #[test]
    fn every_status_has_one_meaning() {
        for (status, code, expected) in [
            (200, "", "shown"),
            (201, "", "Unanswered"),
            (204, "", "Unanswered"),
            (302, "", "Unanswered"),
            (400, "Request_BadRequest", "Refused"),
            (401, "InvalidAuthenticationToken", "Unauthorized { unknown_caller: false }"),
            (401, "Authorization_IdentityNotFound", "Unauthorized { unknown_caller: true }"),
            (403, "Authorization_RequestDenied", "NotVisible"),
            (403, "insufficient_claims", "NotVisible"),
            (404, "Request_ResourceNotFound", "NotFound"),
            (424, "", "Unanswered"),
            (429, "", "Unanswered"),
            (500, "", "Unanswered"),
            (503, "", "Unanswered"),
            (504, "", "Unanswered"),
        ] {
            let body = json!({"responses": [{"id": "servicePrincipal", "status": status, "body": {"error": {"code": code}}}]});
            assert!(words(&body.to_string())[0].starts_with(expected), "{status} {code}");
        }
    }

    #[test]
    fn a_batch_refused_as_a_whole_says_nothing_about_its_parts() {
        for (status, expected) in [
            (201, "Unanswered"),
            (302, "Unanswered"),
            (400, "Refused"),
            (401, "Unauthorized { unknown_caller: true }"),
            (403, "Unanswered"),
            (404, "Unanswered"),
            (429, "Unanswered"),
            (503, "Unanswered"),
        ] {
            let body = raw(br#"{"error":{"code":"Authorization_IdentityNotFound"}}"#);
            assert_eq!(format!("{:?}", meaning_for_all(status, body.as_deref())), expected, "{status}");
        }
    }

    #[test]
    fn what_is_missing_doubled_unknown_or_malformed_is_unanswered() {
        let good = json!({"id": "servicePrincipal", "status": 200, "body": {}});
        for (name, responses) in [
            ("missing", json!([])),
            ("doubled", json!([good, good])),
            ("doubled in another case", json!([good, {"id": "SERVICEPRINCIPAL", "status": 403}])),
            ("unknown", json!([{"id": "servicePrincipals", "status": 200, "body": {}}])),
            ("no status", json!([{"id": "servicePrincipal", "body": {}}])),
            ("status as text", json!([{"id": "servicePrincipal", "status": "200", "body": {}}])),
            ("status out of range", json!([{"id": "servicePrincipal", "status": 70000, "body": {}}])),
            ("id as number", json!([{"id": 1, "status": 200, "body": {}}])),
            ("no body", json!([{"id": "servicePrincipal", "status": 200}])),
            ("an array", json!([["servicePrincipal", 200, {}, {}]])),
        ] {
            assert_eq!(words(&json!({"responses": responses}).to_string())[0], "Unanswered", "{name}");
        }
        for body in ["", "null", "{}", "[]", "<html>", "{\"responses\":null}", "{\"responses\":{}}", "\u{feff}{\"responses\":[]}"] {
            assert_eq!(words(body), ["Unanswered"; 3], "{body:?}");
        }
        let duplicate = r#"{"responses":[{"id":"servicePrincipal","status":403,"status":200,"body":{}}]}"#;
        assert_eq!(words(duplicate)[0], "Unanswered");
    }
}
