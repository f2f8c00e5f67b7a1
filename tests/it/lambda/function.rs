//! The real function as a separate process, with a sandbox as its Microsoft, and its answers to the project's events.

use entra_sandbox::{TenantId, demo};
use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::events::{own_event, own_names, visit};
use crate::support::installation::{BASE_URL, TestInstallation};
use crate::support::runtime_api::Function;
use crate::support::stage::{CANARY, checked_record};

/// Most rejections that one process gets. Of more rejections, the function would record only a count.
const REJECTIONS: usize = 20;

/// The function and its installation.
pub(super) struct Real {
    pub(super) test: TestInstallation,
    function: Function,
    rejections: usize,
    read: usize,
    tickets: Vec<String>,
}

/// The result of one event.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) answer: Value,
    pub(super) records: Vec<Value>,
}

impl Ended {
    pub(super) fn status(&self) -> u64 {
        self.answer["statusCode"].as_u64().unwrap_or_else(|| panic!("no HTTP answer: {}", self.answer))
    }

    pub(super) fn body(&self) -> &str {
        self.answer["body"].as_str().unwrap_or_else(|| panic!("no body: {}", self.answer))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.answer["headers"][name].as_str().or_else(|| self.answer["multiValueHeaders"][name][0].as_str())
    }

    /// The path of the result page to which the answer redirects the browser.
    pub(super) fn receipt(&self) -> Option<&str> {
        self.header("location").map(|location| {
            let path = location.strip_prefix(BASE_URL).unwrap_or_else(|| panic!("leads away: {location}"));
            assert!(path.starts_with("/r/"), "{path}");
            path
        })
    }

    /// The outcome of the last record.
    pub(super) fn outcome(&self) -> &str {
        self.records.last().and_then(|record| record["outcome"]["after"].as_str()).unwrap_or("-")
    }

    /// The outcome that the page names in its data attribute.
    pub(super) fn shown(&self) -> String {
        let page = Html::parse_document(self.body());
        let main = page.select(&Selector::parse("main").unwrap()).next().unwrap_or_else(|| panic!("no page: {}", self.body()));
        main.attr("data-outcome").or(main.attr("data-notice")).unwrap().to_owned()
    }

    pub(super) fn events(&self) -> Vec<&str> {
        self.records.iter().map(|record| record["event"].as_str().unwrap()).collect()
    }

    /// The records without the fields about the door, the visit and the time.
    pub(super) fn told(&self) -> Vec<Value> {
        self.records.iter().map(told).collect()
    }

    /// The records without the ticket as well, because the function limits the lines about one ticket in a minute.
    pub(super) fn told_of_any_ticket(&self) -> Vec<Value> {
        let mut told = self.told();
        for record in told.iter_mut().filter_map(Value::as_object_mut) {
            record.remove("ticket");
            record.remove("transition");
        }
        told
    }
}

/// A record without the fields that depend on the door and the time.
pub(super) fn told(record: &Value) -> Value {
    let mut record = record.clone();
    let members = record.as_object_mut().unwrap();
    for differs in ["front_door", "ip_source", "request", "invocation", "at", "durations_ms"] {
        members.remove(differs);
    }
    // A check is cached for 30 s, and the door does not decide whether a visit used the cache.
    members.remove("upstream");
    if let Some(finding) = members.get_mut("finding").and_then(Value::as_object_mut) {
        for differs in ["looked_at", "trace_id", "correlation_id", "fresh_tokens"] {
            finding.remove(differs);
        }
    }
    record
}

impl Real {
    pub(super) async fn start() -> Self {
        let test = TestInstallation::new();
        let function = start(&test).await;
        Self { test, function, rejections: 0, read: 0, tickets: Vec::new() }
    }

    /// A genuine ticket, which must not appear in any later output.
    pub(super) async fn ticket(&mut self, tenant: TenantId) -> String {
        let ticket = self.test.ticket(tenant).await;
        self.tickets.push(ticket.clone());
        ticket
    }

    /// The number of calls to the sandbox so far.
    pub(super) fn calls(&self) -> u64 {
        self.test.sandbox.control().upstream_calls()
    }

    /// Sends an event. Asserts that the function answers any event, keeps running, writes valid records and prints no secret.
    pub(super) async fn send(&mut self, event: impl Into<Vec<u8>>) -> Ended {
        if self.rejections == REJECTIONS {
            self.function = start(&self.test).await;
            (self.rejections, self.read) = (0, 0);
        }
        let answer = self.function.invoke(event.into()).await.response();
        let stdout = self.function.stdout();
        let (written, log) = (stdout[self.read..].to_owned(), self.function.stderr());
        self.read = stdout.len();
        for output in [&answer.to_string(), &written, &log] {
            assert!(!output.contains(CANARY), "the output contains a secret: {output}");
            assert!(!self.tickets.iter().any(|ticket| output.contains(ticket.as_str())), "the output contains a ticket: {output}");
        }
        for output in [&without_transitions(&written), &log] {
            assert!(!output.contains("eyJ"), "the output contains a token: {output}");
        }
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            // A refusal by Microsoft is a warning; an error would be a fault of the product.
            assert!(line["level"] == "WARN" && line["upstream.kind"].is_string(), "{line}");
        }
        let records: Vec<Value> = written.split_inclusive('\n').map(checked_record).collect();
        let invocation = self.function.last_request_id();
        assert!(records.iter().all(|record| record["invocation"] == invocation), "{written}");
        let ended = Ended { answer, records };
        self.rejections += ended.events().iter().filter(|event| **event == "rejected").count();
        ended
    }

    /// As [`Self::send`], for a JSON event.
    pub(super) async fn send_json(&mut self, event: &Value) -> Ended {
        self.send(event.to_string()).await
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.function.is_running()
    }
}

async fn start(test: &TestInstallation) -> Function {
    Function::start(env!("CARGO_BIN_EXE_callback"), &[], &test.environment()).await
}

#[tokio::test]
async fn every_event_of_ours_ends_as_its_name_says() {
    let mut real = Real::start().await;
    for (at, name) in own_names().into_iter().enumerate() {
        // Each event has its own tenant, so that no earlier check is reused.
        let tenant = TenantId::from_u128(0x7777_0000_0000_4000_8000_0000_0000_0000 + at as u128);
        if name.ends_with("declined") {
            real.test.found(tenant)
        } else {
            real.test.approve(tenant)
        }
        let ticket = real.ticket(tenant).await;
        let event = own_event(&name, &tenant.to_string(), &ticket);
        let before = real.calls();
        let ended = real.send_json(&event).await;
        let calls = real.calls() - before;
        let door = ended.records.last().map(|record| record["front_door"].clone());
        if let Some(kind) = name.strip_prefix("not-http-") {
            assert_eq!(ended.events(), ["rejected"], "{name}");
            let reason = if kind == "schedule" { "event_bridge".to_owned() } else { kind.replace('-', "_") };
            assert_eq!((ended.records[0]["rejection"]["reason"].clone(), door), (json!(reason), Some(json!("other"))), "{name}");
            assert_eq!((&ended.answer["outcome"], calls), (&json!("unsolicited"), 0), "{name}");
            assert!(ended.answer.get("isAuthorized").is_none() && ended.answer.get("policyDocument").is_none(), "the event grants nothing");
            continue;
        }
        if name.ends_with("health-check") {
            assert_eq!((ended.status(), ended.body(), ended.records.len(), calls), (200, r#"{"status":"ok"}"#, 0, 0));
            continue;
        }
        let (outcome, status, events): (_, _, &[&str]) = match name.rsplit_once('-').map_or(&*name, |(_, last)| last) {
            "success" | "post" => ("granted", 303, &["claimed", "concluded"]),
            "declined" => ("declined", 303, &["claimed", "concluded"]),
            "tenant" => ("wrong_tenant", 303, &["claimed", "concluded"]),
            "unsolicited" => ("unsolicited", 400, &["rejected"]),
            "damaged" => ("link_damaged", 400, &["rejected"]),
            other => panic!("{name}: what does {other} mean?"),
        };
        assert_eq!((ended.outcome(), ended.status(), &*ended.events()), (outcome, status, events), "{name}");
        let kind = door.unwrap().as_str().unwrap().replace('_', "-");
        assert!(name.starts_with(&kind), "{name} is recorded as {kind}");
        assert_eq!(ended.records[0]["ip"], "203.0.113.0/24", "{name}");
        assert_eq!(ended.records[0]["browser"], "Edge", "{name}");
        assert!(calls <= 2 && (matches!(outcome, "granted" | "declined") || calls == 0), "{name} cost {calls} calls");
        match ended.receipt() {
            Some(receipt) => {
                let page = real.send_json(&visit(&event, receipt)).await;
                assert_eq!((&*page.shown(), page.records.len()), (outcome, 0), "{name}: the page and the record agree");
                assert_eq!(page.status(), if outcome == "wrong_tenant" { 409 } else { 200 }, "{name}");
            }
            None => assert_eq!(ended.shown(), outcome, "{name}"),
        }
    }
    assert!(real.is_running());
}

#[tokio::test]
async fn json_and_page_have_the_same_content() {
    let mut real = Real::start().await;
    let ticket = real.ticket(demo::CONTOSO).await;
    for (name, status, outcome) in
        [("http-api-success", 202, "pending"), ("http-api-wrong-tenant", 409, "wrong_tenant"), ("http-api-damaged", 400, "link_damaged")]
    {
        let mut event = own_event(name, &demo::CONTOSO.to_string(), &ticket);
        event["headers"]["accept"] = json!("application/json");
        let ended = real.send_json(&event).await;
        let body: Value = serde_json::from_str(ended.body()).unwrap();
        assert_eq!((ended.status(), &body["outcome"], ended.outcome()), (status, &json!(outcome), outcome));
    }
}

#[tokio::test]
async fn a_callback_again_and_the_way_back_show_the_same_result_again() {
    let mut real = Real::start().await;
    for (at, (name, outcome)) in [
        ("http-api-success", "granted"),
        ("rest-api-success", "granted"),
        ("http-api-declined", "declined"),
        ("load-balancer-declined", "declined"),
        ("http-api-wrong-tenant", "wrong_tenant"),
    ]
    .into_iter()
    .enumerate()
    {
        let tenant = TenantId::from_u128(0x7777_0000_0000_4000_8000_0000_0000_0000 + at as u128);
        if outcome == "granted" {
            real.test.approve(tenant)
        } else {
            real.test.found(tenant)
        }
        let ticket = real.ticket(tenant).await;
        let event = own_event(name, &tenant.to_string(), &ticket);
        let first = real.send_json(&event).await;
        let receipt = first.receipt().unwrap().to_owned();
        for _ in 0..3 {
            // Reload, the result page, the Back button.
            let again = real.send_json(&event).await;
            assert_eq!((again.status(), again.outcome(), again.told()), (303, outcome, first.told()), "{name}");
            assert_eq!(again.records[1]["transition"], first.records[1]["transition"], "consumers can recognise the repetition");
            for receipt in [&*receipt, again.receipt().unwrap()] {
                let page = real.send_json(&visit(&event, receipt)).await;
                assert_eq!((&*page.shown(), page.records.len()), (outcome, 0), "{name}");
            }
        }
    }
}

/// The records without the ids of their transitions: of 10,000 such hashes, one contains the first letters of a token by chance.
fn without_transitions(written: &str) -> String {
    let records = written.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ids = records.filter_map(|record| record["transition"].as_str().filter(|id| id.len() == 24).map(str::to_owned));
    ids.fold(written.to_owned(), |text, id| text.replace(&id, ""))
}
