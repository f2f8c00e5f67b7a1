//! The effects of a fault on an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::aadsts::{Aadsts, Ids};
use super::answer::{Answer, Ending, HTML, JSON};
use super::fault::Effect;
use super::graph::{GraphIds, usual_error};
use super::state::World;

/// The real time to wait before answering.
pub(super) fn delay<'a>(effects: impl IntoIterator<Item = &'a Effect>) -> Duration {
    let millis = effects.into_iter().map(|effect| match effect {
        Effect::Slow { millis } => *millis,
        _ => 0,
    });
    Duration::from_millis(millis.fold(0, u64::saturating_add))
}

/// The answer that replaces the authority's own.
pub(super) fn replacement_at_authority(world: &World, effects: &[Effect], app: &str, ids: &Ids) -> Option<Answer> {
    effects.iter().find_map(|effect| match effect {
        Effect::Aadsts { .. } => scripted_error(effect, app).map(|error| error.answer(ids)),
        Effect::Status { status, retry_after, .. } => {
            let code = if *status == 429 { 90_055 } else { 90_033 };
            let mut error = Aadsts::scripted(code, app);
            error.status = *status;
            let mut answer = error.answer(ids);
            if let Some(value) = retry_after {
                answer.set("retry-after", &value.header(world.now()));
            }
            Some(answer)
        }
        other => anywhere(other),
    })
}

/// The answer that replaces Graph's own.
pub(super) fn replacement_in_graph(world: &World, effects: &[Effect], ids: &GraphIds) -> Option<Answer> {
    effects.iter().find_map(|effect| match effect {
        Effect::Status { status, code, retry_after } => {
            let (usual, message) = usual_error(*status);
            let mut answer = ids.error(*status, code.as_deref().unwrap_or(usual), message);
            if let Some(value) = retry_after {
                answer.set("retry-after", &value.header(world.now()));
            }
            Some(answer)
        }
        other => anywhere(other),
    })
}

/// The error of an `aadsts` effect.
pub(super) fn scripted_error(effect: &Effect, app: &str) -> Option<Aadsts> {
    let Effect::Aadsts { code, status, error, .. } = effect else { return None };
    let mut scripted = Aadsts::scripted(*code, app);
    scripted.status = status.unwrap_or(scripted.status);
    if let Some(error) = error {
        scripted.error.clone_from(error);
    }
    Some(scripted)
}

fn anywhere(effect: &Effect) -> Option<Answer> {
    match effect {
        Effect::Verbatim { status, headers, body } => {
            let mut answer = Answer::new(*status, JSON, body.as_str());
            for (name, value) in headers {
                answer.set(&name.to_ascii_lowercase(), value);
            }
            Some(answer)
        }
        Effect::Html { status } => Some(Answer::new(
            *status,
            HTML,
            "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1><p>proxy</p></body></html>",
        )),
        Effect::Null => Some(Answer::json(200, &Value::Null)),
        Effect::Empty => Some(Answer::new(200, JSON, "")),
        Effect::Redirect { to, status } => Some(Answer::redirect(*status, to)),
        Effect::Huge { megabytes } => {
            let mut answer = Answer::new(200, JSON, "");
            answer.ending = Ending::Huge(u64::from(*megabytes) * 1_000_000);
            Some(answer)
        }
        Effect::Reset => {
            let mut answer = Answer::new(200, JSON, "");
            answer.ending = Ending::Reset;
            Some(answer)
        }
        _ => None,
    }
}

/// Applies the effects to an answer, one after the other.
pub(super) fn edit(answer: &mut Answer, effects: &[Effect], base: &str) {
    for effect in effects {
        match effect {
            Effect::Cut { after_bytes } => answer.ending = Ending::Cut(*after_bytes),
            Effect::Malformed => {
                let text = String::from_utf8_lossy(&answer.body);
                let kept: String = text.chars().take(text.chars().count() / 2).collect();
                answer.body = kept.into_bytes();
            }
            Effect::ContentType { value } => answer.set("content-type", value),
            Effect::ByteOrderMark => {
                answer.body.splice(0..0, *b"\xef\xbb\xbf");
            }
            Effect::DuplicateMembers => edit_members(answer, |members| {
                let second = |name: &str| match name {
                    "expires_in" => json!(1),
                    "value" | "responses" => json!([]),
                    _ => json!("the second one"),
                };
                members.iter().map(|(name, _)| (name.clone(), raw(&second(name).to_string()))).collect()
            }),
            Effect::Member { name, json } => {
                edit_members(answer, |members| {
                    members.retain(|(have, _)| have != name);
                    json.iter().map(|json| (name.clone(), raw(json))).collect()
                });
            }
            Effect::NextLink { url } => {
                let url = json!(url.replace("{graph}", base)).to_string();
                edit_members(answer, |members| {
                    members.retain(|(have, _)| have != "@odata.nextLink");
                    vec![("@odata.nextLink".to_owned(), raw(&url))]
                });
            }
            Effect::UnknownPart => {
                if let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) {
                    if let Some(parts) = body.get_mut("responses").and_then(Value::as_array_mut) {
                        parts.push(json!({ "id": "nobody-asked", "status": 200, "headers": {}, "body": { "value": [] } }));
                    }
                    answer.body = body.to_string().into_bytes();
                }
            }
            _ => {}
        }
    }
}

type JsonMembers = Vec<(String, Box<RawValue>)>;

/// Edits the members as text, because numbers out of range and duplicates would not survive parsing. `change` may remove members, and
/// returns members to append.
fn edit_members(answer: &mut Answer, change: impl FnOnce(&mut JsonMembers) -> JsonMembers) {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(&answer.body) else { return };
    let mut members: JsonMembers = members.into_iter().collect();
    let added = change(&mut members);
    members.extend(added);
    let written: Vec<String> = members.iter().map(|(name, value)| format!("{}:{}", json!(name), value.get())).collect();
    answer.body = format!("{{{}}}", written.join(",")).into_bytes();
}

/// Parses JSON text that was validated when the fault was added.
fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
