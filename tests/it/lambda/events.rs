//! Events to send: the project's events, the given ones, and any query through any door.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) const TENANT: &str = "aaaabbbb-0000-4ccc-8111-dddd2222eeee";

/// The names of the project's events.
pub(super) fn own_names() -> Vec<String> {
    let names: Vec<_> = json_files(&own_events()).iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(names.len() >= 17, "{names:?}");
    names
}

fn own_events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

/// An event of the project, with tenant and ticket filled in.
pub(crate) fn own_event(name: &str, tenant: &str, ticket: &str) -> Value {
    let text = std::fs::read_to_string(own_events().join(format!("{name}.json"))).unwrap();
    let form = STANDARD.encode(format!("admin_consent=True&tenant={tenant}&state={ticket}"));
    let text = text.replace("{{ticket}}", ticket).replace("{{tenant}}", tenant).replace("{{form}}", &form);
    assert!(!text.contains("{{"), "{name} has an unknown placeholder");
    serde_json::from_str(&text).unwrap()
}

/// The kinds of events, each with a project event that carries a query.
pub(super) const DOORS: [(&str, &str); 4] = [
    ("httpapi_v2", "http-api-success"),
    ("apigw_v1", "rest-api-success"),
    ("function_url", "function-url-success"),
    ("alb", "load-balancer-multi-value-success"),
];

/// A query through the four kinds of events.
pub(super) fn through_every_door(query: &str) -> Vec<(&'static str, Value)> {
    DOORS.iter().map(|(kind, name)| (*kind, grafted(kind, &own_event(name, TENANT, "TICKET"), query))).collect()
}

/// Puts a callback into an event in the form of its kind: raw, decoded in two maps, or undecoded in one map.
pub(super) fn grafted(kind: &str, event: &Value, query: &str) -> Value {
    let mut event = event.clone();
    let raw: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match kind {
        "httpapi_v2" | "function_url" => {
            let stage = event["requestContext"]["stage"].as_str().unwrap();
            let prefix = if stage == "$default" { String::new() } else { format!("/{stage}") };
            event["rawPath"] = json!(format!("{prefix}/callback"));
            event["rawQueryString"] = json!(query);
            event["requestContext"]["http"]["method"] = json!("GET");
        }
        "apigw_v1" => {
            let decode = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
            let decoded: Vec<_> = raw.iter().map(|(name, value)| (decode(name), decode(value))).collect();
            event["path"] = json!("/callback");
            event["httpMethod"] = json!("GET");
            event["queryStringParameters"] = decoded.iter().cloned().collect();
            event["multiValueQueryStringParameters"] = multi_value(&decoded);
        }
        _ => {
            event["path"] = json!("/callback");
            event["httpMethod"] = json!("GET");
            // A target group sends one of the two maps.
            let members = event.as_object_mut().unwrap();
            if members.contains_key("multiValueQueryStringParameters") {
                members.insert("multiValueQueryStringParameters".into(), multi_value(&raw));
            } else {
                members.insert("queryStringParameters".into(), raw.into_iter().collect());
            }
        }
    }
    event
}

fn multi_value(pairs: &[(String, String)]) -> Value {
    let mut multi = BTreeMap::<&str, Vec<&str>>::new();
    for (name, value) in pairs {
        multi.entry(name).or_default().push(value);
    }
    json!(multi)
}

/// A visit to another page of the product, through the same door as the event.
pub(super) fn visit(event: &Value, path: &str) -> Value {
    let mut event = event.clone();
    let is_v2 = event["version"] == "2.0";
    let members = event.as_object_mut().unwrap();
    for member in ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body"] {
        members.remove(member);
    }
    if is_v2 {
        event["rawPath"] = json!(path);
        event["rawQueryString"] = json!("");
        event["requestContext"]["http"]["method"] = json!("GET");
    } else {
        event["path"] = json!(path);
        event["httpMethod"] = json!("GET");
    }
    event
}

/// The folder of given events and callbacks. They come from outside the project, so the tests read them in place and keep no copy.
pub(crate) fn given_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("ENTRA_CONSENT_TEST_DATA").map_or(beside, PathBuf::from);
    data.join("events").is_dir().then_some(data)
}

/// The given callbacks with their IDs.
pub(super) fn given_callbacks(data: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(data.join("callbacks.jsonl")).unwrap();
    let callbacks: Vec<_> = text
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["id"].as_str().unwrap().to_owned(), line["raw_query"].as_str().unwrap().to_owned())
        })
        .collect();
    assert!(!callbacks.is_empty());
    callbacks
}

/// Fills in the templates among the given events: `{{{name}}}`.
pub(super) fn filled(template: &str) -> String {
    let mut text = template.replace(r#""{{{querystringparameters}}}""#, r#"{"foo": "bar"}"#);
    for (name, value) in [
        ("method", "GET"),
        ("path", "callback"),
        ("resource", "/{proxy+}"),
        ("stage", "prod"),
        ("body", "e30="),
        ("dns_suffix", "amazonaws.com"),
        ("account_id", "123456789012"),
    ] {
        text = text.replace(&format!("{{{{{{{name}}}}}}}"), value);
    }
    while let Some((before, rest)) = text.split_once("{{{") {
        let (name, after) = rest.split_once("}}}").unwrap();
        text = format!("{before}{name}{after}");
    }
    text
}

pub(super) fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}
