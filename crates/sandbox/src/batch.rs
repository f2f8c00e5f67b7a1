//! Graph's `$batch` (protocol reference §4.4).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, put};
use super::effects;
use super::fault::Effect;
use super::graph::{self, GraphCall, GraphIds};
use super::request::Params;
use super::state::{IssuedToken, World};

/// Graph's limit of parts in one batch.
const MOST: usize = 20;

#[derive(Debug, Deserialize)]
pub(super) struct BatchBody {
    requests: Vec<BatchPart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchPart {
    pub(super) id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

impl BatchPart {
    pub(super) fn path(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    pub(super) fn path_and_query(&self) -> &str {
        &self.url
    }
}

/// Parses a batch, or returns the reason why Graph would refuse it.
pub(super) fn read(body: &[u8]) -> Result<Vec<BatchPart>, String> {
    let batch: BatchBody = serde_json::from_slice(body).map_err(|error| format!("Invalid batch payload format. {error}"))?;
    let parts = batch.requests;
    if parts.is_empty() || parts.len() > MOST {
        return Err(format!("Number of batch request steps exceeds the maximum value of {MOST} or is zero."));
    }
    let mut seen = BTreeSet::new();
    for part in &parts {
        if part.id.is_empty() || !seen.insert(part.id.to_lowercase()) {
            return Err(format!("The id '{}' is empty or not unique in the batch.", part.id));
        }
        if let Some(unknown) = part.depends_on.iter().find(|id| !seen.contains(&id.to_lowercase())) {
            return Err(format!("The part '{}' depends on '{unknown}', which does not stand before it.", part.id));
        }
        if part.url.contains("://") || part.url.starts_with("//") {
            return Err(format!("The url of the part '{}' is not relative.", part.id));
        }
    }
    Ok(parts)
}

/// Answers every part separately, in random order.
pub(super) fn answer(
    world: &mut World,
    token: &IssuedToken,
    parts: &[BatchPart],
    part_effects: &[Vec<Effect>],
    base: &str,
    ids: &GraphIds,
) -> Answer {
    let mut statuses: BTreeMap<String, u16> = BTreeMap::new();
    let mut responses = Vec::new();
    let none = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let effects = part_effects.get(at).unwrap_or(&none);
        let failed_before = part.depends_on.iter().any(|id| statuses.get(&id.to_lowercase()).is_none_or(|s| *s >= 400));
        let answer = if failed_before {
            ids.error(424, "FailedDependency", "A request this one depends on has failed.")
        } else {
            let replaced = effects::replacement_in_graph(world, effects, ids);
            let mut answer = replaced.unwrap_or_else(|| answer_part(world, token, part, base, ids));
            effects::edit(&mut answer, effects, base);
            answer
        };
        statuses.insert(part.id.to_lowercase(), answer.status);
        if effects.contains(&Effect::Omit) {
            continue;
        }
        responses.push(response(&part.id, &answer));
        if effects.contains(&Effect::Twice) {
            responses.push(response(&part.id, &ids.error(404, "Request_ResourceNotFound", "A second answer.")));
        }
    }
    world.rng.shuffle(&mut responses);
    Answer::json(200, &json!({ "responses": responses }))
}

fn answer_part(world: &mut World, token: &IssuedToken, part: &BatchPart, base: &str, ids: &GraphIds) -> Answer {
    if !part.method.eq_ignore_ascii_case("GET") {
        return ids.error(405, "MethodNotAllowed", "The sandbox simulates GET in batches.");
    }
    let own = part.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("client-request-id"));
    let own = own.and_then(|(_, value)| value.as_str()).map(str::to_owned);
    let ids = GraphIds { client_request: own.unwrap_or_else(|| ids.client_request.clone()), ..ids.clone() };
    let (path, query) = part.url.split_once('?').unwrap_or((&part.url, ""));
    let call = GraphCall { path, query: Params::parse(query.as_bytes()), base, ids: &ids };
    graph::answer(world, token, &call)
}

/// A part's answer. A body that is not JSON becomes a string, because Graph sends other media types in this form.
fn response(id: &str, answer: &Answer) -> Value {
    let mut headers = Map::new();
    for (name, value) in answer.headers.iter().filter(|(name, _)| name != "cache-control") {
        let spelled = match name.as_str() {
            "content-type" => "Content-Type",
            "retry-after" => "Retry-After",
            "www-authenticate" => "WWW-Authenticate",
            other => other,
        };
        headers.insert(spelled.to_owned(), json!(value));
    }
    let mut part = json!({ "id": id, "status": answer.status, "headers": headers });
    if !answer.body.is_empty() {
        let body = serde_json::from_slice(&answer.body);
        put(&mut part, "body", body.unwrap_or_else(|_| json!(String::from_utf8_lossy(&answer.body))));
    }
    part
}
