//! A walk through the product, step by step, with everything that each step causes.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::doors::{self, Answer, Door, Request};
use super::names::Named;
use super::pages;
use super::product::{BASE, Message, Product, TenantId, UserRole};
use crate::support::stage::checked_record;

/// A browser and the worker behind it.
pub(super) struct Walk {
    pub(super) product: Product,
    door: Door,
    listening: Option<SocketAddr>,
    cookie: Option<String>,
    steps: Vec<Value>,
    texts: Vec<Value>,
    sent: usize,
    events: usize,
}

/// The results of a walk, in a form that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trace {
    /// The headers of every answer. A step lists only differences.
    pub(super) usual: Value,
    pub(super) steps: Value,
    pub(super) tokens: Value,
    pub(super) texts: Value,
}

impl Walk {
    pub(super) async fn new(mut product: Product, door: Door) -> Self {
        let listening = if door == Door::Serve { Some(product.listen().await) } else { None };
        Self { product, door, listening, cookie: None, steps: Vec::new(), texts: Vec::new(), sent: 0, events: 0 }
    }

    /// Stops `serve` and starts another process.
    pub(super) async fn restart(&mut self) {
        self.product.restart().await;
        self.listening = Some(self.product.listen().await);
    }

    /// Makes one request of the browser, with its cookie.
    pub(super) async fn visit(&mut self, step: &str, request: Request) -> Answer {
        let request = match &self.cookie {
            Some(cookie) => request.with("cookie", cookie),
            None => request,
        };
        let answer = doors::send(&self.product, self.door, self.listening, &request).await;
        if let Some(set) = answer.header("set-cookie").filter(|set| set.starts_with("__Host-entra-consent=")) {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        let headers: Map<String, Value> = request.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let mut asked = json!({ "method": request.method, "target": pages::address(&request.target) });
        if !headers.is_empty() {
            asked["headers"] = json!(headers);
        }
        if let Some(body) = &request.body {
            asked["body"] = if body.len() > 2_000 { json!(format!("{} bytes", body.len())) } else { json!(body) };
        }
        let (shown, words) = describe(&answer);
        self.put(step, json!({ "request": asked, "answer": shown }), &words);
        answer
    }

    /// Makes the same request from another browser, without the cookie.
    pub(super) async fn visit_elsewhere(&mut self, step: &str, request: Request) -> Answer {
        let cookie = self.cookie.take();
        let answer = self.visit(step, request).await;
        self.cookie = cookie;
        answer
    }

    /// Decides on the page at Microsoft behind `link`. Returns the request with which the browser comes back.
    pub(super) async fn decide(&mut self, link: &str, tenant: TenantId, role: UserRole, what: &str) -> Request {
        let user = self.product.control.user(tenant, role).unwrap().to_string();
        let answer = doors::BROWSER.post(link).form(&[("user", user.as_str()), ("do", what)]).send().await.unwrap();
        let back = answer.headers().get("location").unwrap_or_else(|| panic!("Microsoft keeps the browser: {answer:?}"));
        self.meanwhile(&format!("at Microsoft, {role:?} of {tenant} decides: {what}"));
        // A browser does not send the fragment.
        Request::get(back.to_str().unwrap().split('#').next().unwrap())
    }

    /// Notes an external event for the reader of the golden.
    pub(super) fn meanwhile(&mut self, what: &str) {
        self.steps.push(json!({ "meanwhile": what }));
    }

    pub(super) fn advance(&mut self, seconds: u64) {
        self.product.clock.advance(std::time::Duration::from_secs(seconds));
        self.meanwhile(&format!("{seconds} s pass"));
    }

    /// Sends a callback, opens the result, requests the result as a program, and repeats the callback as a program.
    pub(super) async fn come_back(&mut self, callback: Request) -> Answer {
        let answer = self.visit("the browser comes back", callback.clone()).await;
        let result = self.result(&answer).await;
        self.visit("the callback again, by a program", callback.for_json()).await;
        result
    }

    /// Opens the result that an answer redirects to, and requests it as a program. An answer without a redirect is itself the result.
    pub(super) async fn result(&mut self, answer: &Answer) -> Answer {
        let Some(location) = answer.header("location").map(str::to_owned) else { return answer.clone() };
        let result = self.visit("the result page", Request::get(&location)).await;
        self.visit("the result, for a program", Request::get(&location).for_json()).await;
        result
    }

    /// Reloads a result page and follows the redirect to the page that contains the change.
    pub(super) async fn again(&mut self, location: &str) -> String {
        let answer = self.visit("the result page again", Request::get(location)).await;
        self.result(&answer).await;
        answer.header("location").unwrap_or(location).to_owned()
    }

    /// Delivers a message to the worker as the queue does, and returns the worker's answer.
    pub(super) async fn deliver(&mut self, step: &str, message: &Message) -> Value {
        let record = json!({
            "messageId": message.id, "receiptHandle": message.id, "body": message.body, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "attributes": {"ApproximateReceiveCount": message.received.to_string(), "SentTimestamp": "1545082649183"},
            "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:orders",
        });
        self.invoke_worker(
            step,
            json!({ "message": message.id, "body": message.body, "received": message.received }),
            json!({ "Records": [record] }),
        )
        .await
    }

    pub(super) async fn invoke_worker(&mut self, step: &str, shown: Value, event: Value) -> Value {
        let answer = self.product.worker(&event).await;
        self.put(step, json!({ "worker": shown, "answer": answer.clone() }), "");
        answer
    }

    /// Invokes the function `callback` with an unchanged event.
    pub(super) async fn invoke(&mut self, step: &str, event: &str) {
        let mut answer = self.product.callback(event.as_bytes()).await;
        let words = pages::take_sentences(&mut answer);
        self.put(step, json!({ "answer": answer }), &words);
    }

    /// Sets the clock to this number of seconds from now. Delivers the messages that are due until then, and failed ones again.
    pub(super) async fn work(&mut self, seconds: u64) {
        let now = |walk: &Self| walk.product.clock.unix_seconds();
        let (begin, until) = (now(self), now(self) + i64::try_from(seconds).unwrap());
        let wait = |walk: &Self, moment: i64| {
            if let Ok(wait) = u64::try_from(moment - now(walk)) {
                walk.product.clock.advance(std::time::Duration::from_secs(wait));
            }
        };
        let outbox = self.product.outbox.clone();
        while let Some(message) = outbox.take_next() {
            if message.due > until {
                outbox.requeue(message);
                break;
            }
            wait(self, message.due);
            let step = format!("{} s later the queue delivers", now(self) - begin);
            let answer = self.deliver(&step, &message).await;
            if answer["batchItemFailures"] != json!([]) {
                outbox.give_back(message);
            }
        }
        wait(self, until);
        self.meanwhile(&format!("{seconds} s passed; {} messages wait, {} are dead letters", outbox.waiting().len(), outbox.dead().len()));
    }

    /// Notes a step with everything that left the product since the last step.
    pub(super) fn put(&mut self, step: &str, mut shown: Value, words: &str) {
        let mut words = words.to_owned();
        shown["step"] = json!(step);
        let asked = self.product.control.requests();
        self.product.control.forget_requests();
        let mut asked: Vec<_> = asked
            .iter()
            .filter(|request| request.kind.is_upstream())
            .map(|request| {
                let all = json!(request);
                let called: Map<String, Value> = ["kind", "tenant", "app", "graph_paths"]
                    .iter()
                    .map(|name| ((*name).to_owned(), all[*name].clone()))
                    .filter(|(_, value)| !value.is_null() && *value != json!([]))
                    .collect();
                json!(called)
            })
            .collect();
        // A page about several apps checks all of them concurrently, so the order of the calls varies.
        asked.sort_by_key(Value::to_string);
        let records: Vec<_> = self.product.take_records().iter().map(|line| self.record(line)).collect();
        let outbox = self.product.outbox.clone();
        let now = self.product.clock.unix_seconds();
        let before = self.sent;
        self.sent = outbox.sent();
        let is_new = |id: &str| id.strip_prefix('m').and_then(|number| number.parse().ok()).is_some_and(|number: usize| number > before);
        let new = outbox.waiting().into_iter().filter(|message| is_new(&message.id));
        let orders: Vec<_> = new.map(|message| json!({ "after_seconds": message.due - now, "message": message.body })).collect();
        let mut events = outbox.events().split_off(self.events);
        self.events += events.len();
        for event in &mut events {
            words.push_str(&pages::take_sentences(event));
        }
        for (name, left) in [("microsoft", asked), ("records", records), ("orders", orders), ("events", events)] {
            if !left.is_empty() {
                shown[name] = json!(left);
            }
        }
        self.steps.push(shown);
        let text = if words.is_empty() { String::new() } else { format!("== {step} ==\n{words}") };
        self.texts.push(json!(text));
    }

    /// A record without measured values, and with the same door name for all doors.
    fn record(&self, line: &str) -> Value {
        let mut record = checked_record(line);
        if record["front_door"] == self.door.recorded() {
            record["front_door"] = json!("<the door>");
        }
        for measured in record.get_mut("durations_ms").and_then(Value::as_object_mut).into_iter().flat_map(|members| members.values_mut()) {
            *measured = json!("<ms>");
        }
        for call in record.get_mut("upstream").and_then(Value::as_array_mut).into_iter().flatten() {
            call["ms"] = json!("<ms>");
        }
        record
    }

    /// Finishes the walk.
    pub(super) fn trace(self) -> Trace {
        let mut shown = json!({ "steps": self.steps, "texts": self.texts });
        let usual = without_usual_headers(&mut shown["steps"]);
        let tokens = Named::replace(&mut shown, &self.product.microsoft);
        Trace { usual, steps: shown["steps"].take(), tokens: json!(tokens), texts: shown["texts"].take() }
    }
}

/// Removes from each answer the headers that are the same in the first answer.
fn without_usual_headers(steps: &mut Value) -> Value {
    const OF_ONE_ANSWER: [&str; 6] = ["allow", "content-type", "location", "refresh", "retry-after", "set-cookie"];
    let mut usual: Option<Map<String, Value>> = None;
    for step in steps.as_array_mut().unwrap() {
        let Some(headers) = step.pointer_mut("/answer/headers").and_then(Value::as_object_mut) else { continue };
        let usual = usual.get_or_insert_with(|| {
            let shared = headers.iter().filter(|(name, _)| !OF_ONE_ANSWER.contains(&name.as_str()));
            shared.map(|(name, value)| (name.clone(), value.clone())).collect()
        });
        for (name, value) in usual.iter() {
            match headers.get(name) {
                Some(found) if found == value => drop(headers.remove(name)),
                Some(_) => {}
                None => drop(headers.insert(name.clone(), json!("<missing>"))),
            }
        }
    }
    json!(usual)
}

/// The structure of an answer, and its words.
fn describe(answer: &Answer) -> (Value, String) {
    let headers: Map<String, Value> = answer
        .headers
        .iter()
        .map(|(name, values)| {
            let values: Vec<_> = values.iter().map(|value| header(name, value, &answer.body)).collect();
            (name.clone(), if values.len() == 1 { values[0].clone() } else { json!(values) })
        })
        .collect();
    let mut shown = json!({ "status": answer.status, "headers": headers });
    let content_type = answer.header("content-type").unwrap_or_default();
    let mut words = String::new();
    if answer.body.is_empty() {
    } else if content_type.starts_with("text/html") {
        shown["page"] = pages::structure(&answer.body);
        words = pages::words(&answer.body);
    } else if content_type.starts_with("application/json") {
        let mut json: Value = serde_json::from_str(&answer.body).unwrap();
        words = pages::take_sentences(&mut json);
        shown["json"] = json;
    } else {
        shown["body"] = json!(answer.body);
    }
    (shown, words)
}

fn header(name: &str, value: &str, page: &str) -> Value {
    match name {
        "location" => pages::address(value),
        "content-security-policy" => {
            let Some((before, (hash, after))) =
                value.split_once("'sha256-").and_then(|(before, rest)| Some((before, rest.split_once('\'')?)))
            else {
                return json!(value);
            };
            if let Some(expected) = pages::style_hash(page) {
                assert_eq!(format!("'sha256-{hash}'"), expected, "the policy lets the page's own style through");
            }
            json!(format!("{before}<hash of the style>{after}"))
        }
        _ => json!(value),
    }
}

/// The differences between two values: each path without list indexes, and the value of both sides.
pub(super) fn differences(one: &Value, other: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    differ(one, other, String::new(), &mut found);
    found
}

fn differ(one: &Value, other: &Value, path: String, found: &mut Map<String, Value>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                let side = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_else(|| json!("<nothing>"));
                differ(&side(one), &side(other), format!("{path}/{name}"), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (one, other) in one.iter().zip(other) {
                differ(one, other, format!("{path}[]"), found);
            }
        }
        _ if one != other => {
            let pair = json!([one, other]);
            let pairs = found.entry(path).or_insert_with(|| json!([])).as_array_mut().unwrap();
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        _ => {}
    }
}

/// The claims of an invitation that is valid for 30 days.
pub(super) fn invitation(number: u8, subject: [Option<&str>; 2], tenant: &str) -> String {
    const NOW: u64 = 1_795_176_000;
    let claims = json!({
        "iat": NOW, "exp": NOW + 30 * 86_400, "jti": super::names::fixed(number), "app": subject[0], "chn": subject[1], "ten": tenant,
        "lbl": "Contoso GmbH", "ref": "T-4711",
    });
    format!("{BASE}/i/{}", super::names::sign("invitation", "invitation", claims))
}
