//! Any query through four front doors: one outcome, one record.
#![no_main]

use std::cell::LazyCell;
use std::collections::BTreeMap;

use entra_consent_fuzz::{Ended, Stage, http_api};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

thread_local!(static STAGE: LazyCell<Stage> = LazyCell::new(Stage::default));

fuzz_target!(|query: &[u8]| {
    STAGE.with(|stage| {
        // Filled in before it is decoded, else a door that decodes would be given another query. Events are JSON, hence text.
        let filled = stage.filled(query);
        let query = String::from_utf8_lossy(&filled);
        let ended: Vec<Ended> = doors(&query).iter().map(|event| stage.run(event.to_string().as_bytes())).collect();
        let told: Vec<_> = ended.iter().map(told).collect();
        for other in &told[1..] {
            assert_eq!(*other, told[0], "{query:?}");
        }
    });
});

/// What must be the same: everything but the door's name and shape.
fn told(ended: &Ended) -> (Value, Value, Vec<Value>) {
    let mut records = ended.records.clone();
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        for differs in ["front_door", "durations_ms"] {
            record.remove(differs);
        }
    }
    (ended.answer["statusCode"].clone(), ended.answer["body"].clone(), records)
}

fn doors(query: &str) -> [Value; 4] {
    let raw: Vec<(&str, &str)> =
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    let decoded: Vec<(String, String)> = raw.iter().map(|(name, value)| (decode(name), decode(value))).collect();
    let mut function_url = http_api(query);
    function_url["requestContext"]["domainName"] = json!("a.lambda-url.eu-west-1.on.aws");
    let rest = json!({
        "resource": "/callback", "path": "/callback", "httpMethod": "GET",
        "queryStringParameters": decoded.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
        "multiValueQueryStringParameters": multi(decoded.iter().map(|(name, value)| (&**name, &**value))),
        "requestContext": {"stage": "prod", "identity": {}},
    });
    let balancer = json!({
        "httpMethod": "GET", "path": "/callback", "multiValueQueryStringParameters": multi(raw.iter().copied()),
        "requestContext": {"elb": {}},
    });
    [http_api(query), function_url, rest, balancer]
}

fn multi<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut multi = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in pairs {
        multi.entry(name).or_default().push(value);
    }
    multi
}

/// As API Gateway decodes. Written again here, since a decoder that checks itself finds nothing.
fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = after;
        match (byte, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                decoded.push(digit(*high).unwrap() * 16 + digit(*low).unwrap());
                rest = after;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
