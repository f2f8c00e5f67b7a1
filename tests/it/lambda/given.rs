//! The given events with the given callbacks in them, through the real function. Both come from outside the project, so the test reads them
//! in place and keeps no copy.

use std::collections::BTreeMap;

use entra_consent::consent::{Callback, Query};
use entra_sandbox::{TenantId, demo};
use serde_json::Value;

use super::events::{filled, given_callbacks, given_data, grafted, json_files};
use super::function::Real;
use crate::support::same_id;

#[tokio::test]
async fn every_given_event_with_every_given_callback_ends_as_the_callback_does() {
    let Some(data) = given_data() else {
        println!("ABSENT: the given events are not on this machine; they were not replayed");
        return;
    };
    let mut real = Real::start().await;
    let callbacks = prepared(&mut real, given_callbacks(&data)).await;
    let mut table = BTreeMap::<String, Vec<String>>::new();
    let mut ends = BTreeMap::<String, (u64, Vec<Value>)>::new();
    for file in json_files(&data.join("events")) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let (kind, _) = name.split_once("__").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        // The given event goes to an address that is not ours, or is not HTTP.
        for text in [&text, &filled(&text)] {
            let before = real.calls();
            let ended = real.send(text.clone()).await;
            assert!(ended.records.len() <= 1 && real.calls() == before, "{name}: {ended:?}");
        }
        if !["httpapi_v2", "function_url", "apigw_v1", "alb"].contains(&kind) {
            let ended = real.send(filled(&text)).await;
            assert_eq!((ended.events(), ended.outcome()), (vec!["rejected"], "unsolicited"), "{name}");
            let reason = ended.records[0]["rejection"]["reason"].as_str().unwrap();
            table.entry(format!("no HTTP: {reason}")).or_default().push(name);
            continue;
        }
        let event: Value = serde_json::from_str(&filled(&text)).unwrap();
        for callback in &callbacks {
            let ended = real.send_json(&grafted(kind, &event, &callback.query)).await;
            let expected: &[&str] = if callback.is_genuine { &["claimed", "concluded"] } else { &["rejected"] };
            assert_eq!(ended.events(), expected, "{name} with {}", callback.id);
            assert_eq!(ended.status(), if callback.is_genuine { 303 } else { 400 }, "{name} with {}", callback.id);
            assert_eq!(ended.header("cache-control"), Some("no-store"), "{name}");
            // The visitor and the request metadata come from the event.
            let told = ended.told().into_iter().map(without_visitor).collect::<Vec<_>>();
            let ended = (ended.status(), told);
            let first = ends.entry(callback.id.clone()).or_insert_with(|| ended.clone());
            assert_eq!(*first, ended, "{name} with {}", callback.id);
        }
        table.entry("as the callback says".into()).or_default().push(name);
    }
    for (end, events) in &table {
        println!("{end}:\n    {}", events.join("\n    "));
    }
    println!("{:<16} outcome, the same through all of them", "callback");
    for callback in &callbacks {
        let (status, records) = &ends[&callback.id];
        let last = records.last().unwrap();
        println!("{:<16} {status} {}", callback.id, last["outcome"]["after"].as_str().unwrap());
        assert_eq!(last["outcome"]["after"], callback.outcome, "{}", callback.id);
    }
    assert!(real.is_running());
}

fn without_visitor(mut record: Value) -> Value {
    for visitor in ["ip", "browser"] {
        record.as_object_mut().unwrap().remove(visitor);
    }
    record
}

struct Prepared {
    id: String,
    query: String,
    is_genuine: bool,
    outcome: &'static str,
}

/// Prepares each callback as given. A callback with a `state` is prepared a second time, with a genuine ticket. This ticket is for the
/// tenant in the callback, which has approved the app, or for a tenant that has not. Each has a tenant of its own, because claims about one
/// tenant share their checks.
async fn prepared(real: &mut Real, given: Vec<(String, String)>) -> Vec<Prepared> {
    let mut all = Vec::new();
    for ((id, query), number) in given.into_iter().zip(0x0a1b_0000_0000_4000_8000_0001_0000_0000_u128..) {
        let parsed = Callback::parse(&Query::parse(query.as_bytes()));
        let has_state = query.split('&').any(|pair| pair.starts_with("state="));
        let forged = if has_state { "link_damaged" } else { "unsolicited" };
        if parsed.is_err() {
            // A genuine ticket does not make an unreadable callback valid.
            let ticket = real.ticket(demo::WOODGROVE).await;
            all.push(Prepared {
                id: format!("{id} + ticket"),
                query: with_state(&query, &ticket),
                is_genuine: false,
                outcome: "link_damaged",
            });
        }
        if let (Ok(callback), true) = (&parsed, has_state) {
            let outcome = match (callback.claim.error(), callback.tenant) {
                (None, Some(_)) => "granted",
                (None, None) => "pending",
                (Some(error), _) => class(error.code.map(entra_consent::consent::AadstsCode::number)),
            };
            let tenant = callback.tenant.map_or(TenantId::from_u128(number), same_id);
            if callback.claim.error().is_none() {
                real.test.approve(tenant);
            } else {
                real.test.found(tenant);
            }
            let ticket = real.ticket(tenant).await;
            all.push(Prepared { id: format!("{id} + ticket"), query: with_state(&query, &ticket), is_genuine: true, outcome });
        }
        all.push(Prepared { id, query, is_genuine: false, outcome: forged });
    }
    all
}

/// The meaning of an error if no approval is visible, restated from protocol reference §2.
fn class(code: Option<u32>) -> &'static str {
    match code {
        Some(65_004) => "declined",
        Some(650_053 | 650_057 | 500_011) => "app_misconfigured",
        Some(50_076) => "blocked_by_policy",
        // 650051 means that the service principal already existed, which proves nothing.
        _ => "unknown",
    }
}

/// Replaces `state` and keeps any text appended to it.
fn with_state(query: &str, ticket: &str) -> String {
    let pair = |pair: &str| match pair.strip_prefix("state=") {
        Some(state) => format!("state={ticket}{}", if state.ends_with('#') { "#" } else { "" }),
        None => pair.to_owned(),
    };
    query.split('&').map(pair).collect::<Vec<_>>().join("&")
}
