//! The targets and their environment: an installation in memory whose Microsoft is a closed port, so that a genuine ticket ends as
//! `unavailable`.
//!
//! The targets assert every guarantee that holds for any input. A panic is a finding even if the function itself would catch it, since
//! libFuzzer's panic hook aborts first. The integration tests run the same targets over their seeds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_consent::config::Config;
use entra_consent::consent::{Expectation, ExpectedTenant, Label, TenantId};
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::lambda::http_event::{self, Incoming};
use entra_consent::lambda::queue_batch::handle_batch;
use entra_consent::lambda::runtime::Work;
use entra_consent::outbox::{Outbox, OutcomeEvent, RenewalEvent, Sending};
use entra_consent::record::{self, Recorder, Sink};
use entra_consent::web;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The tenant that the genuine ticket expects.
pub const TENANT: &str = "0a1b0000-0000-4000-8000-000000000002";
/// Fixed, so that a finding can be reproduced in any year.
const NOW: i64 = 1_793_613_504;
/// The span in which the claims of one link are bounded.
const SPAN: time::Duration = time::Duration::minutes(20);
/// Lifetime of the genuine ticket, in seconds.
const LIFE: u64 = 170 * 86_400;
/// The number of spans before the clock starts again. The product has then forgotten what one ticket claimed in the first span, and the
/// ticket is still valid.
const SPANS: i32 = 12_000;
const KEY: &str = "only-for-fuzzing-8sW1xK7dR4tY9uB3nC6fG0hJ";
const SECRET: &str = "client-secret-canary-5vQ2mZ8s";

const CONFIG: &str = r#"
[site]
name = "Northwind"
base_url = "https://consent.example/prod"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
[keys]
secret = { env = "KEYS" }
[clouds.closed]
authority = "http://127.0.0.1:9"
graph = "http://127.0.0.1:9"
[[apps]]
id = "mail-backup"
client_id = "0a1b0000-0000-4000-8000-0000000000a1"
name = "Northwind Mail Backup"
cloud = "closed"
credential = { client_secret = { env = "SECRET" } }
[apps.permissions."Microsoft Graph"]
application = { required = ["Mail.Read"] }
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "KEYS" => Some(format!(r#"{{"kid":"f","key":"{KEY}"}}"#)),
        "SECRET" => Some(SECRET.to_owned()),
        _ => None,
    }
}

/// The function without its process.
pub struct Stage {
    runtime: Runtime,
    installation: Installation,
    /// The same installation with a queue. `installation` has none: of equal callbacks only the first sends an order, and their records must be
    /// equal.
    worker: Installation,
    lines: Arc<Mutex<Vec<u8>>>,
    /// The number of 20-minute spans since the start.
    spans: Arc<AtomicI32>,
    ticket: String,
    order: String,
}

/// Keeps the last order.
#[derive(Debug, Clone, Default)]
struct Orders(Arc<Mutex<String>>);

impl Outbox for Orders {
    fn send_order<'a>(&'a self, order: &'a str, _group: &'a str, _delay: Duration) -> Sending<'a> {
        order.clone_into(&mut self.0.lock().unwrap());
        Box::pin(async { Ok(()) })
    }

    fn put_event<'a>(&'a self, _event: &'a OutcomeEvent) -> Sending<'a> {
        Box::pin(async { Ok(()) })
    }

    fn put_renewal<'a>(&'a self, _event: &'a RenewalEvent) -> Sending<'a> {
        Box::pin(async { Ok(()) })
    }
}

/// The result of one event.
pub struct Ended {
    /// The answer to the front door.
    pub answer: Value,
    /// The records.
    pub records: Vec<Value>,
}

impl Default for Stage {
    fn default() -> Self {
        let (lines, orders) = (Arc::default(), Orders::default());
        let spans = Arc::new(AtomicI32::new(0));
        let turn = Arc::clone(&spans);
        let installation = site_of(&lines, None, Clock::new(move || start() + SPAN * turn.load(Ordering::Relaxed)));
        let worker = site_of(&lines, Some(Arc::new(orders.clone())), Clock::new(start));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let expectation = Expectation {
            app: installation.config.apps[0].profile.id.clone(),
            tenant: ExpectedTenant::Tenant(TenantId::parse(TENANT).unwrap()),
            label: Label::parse("Contoso Ltd").ok(),
            reference: None,
            invitation: None,
        };
        let (_, link) =
            runtime.block_on(installation.direct_link(&installation.config.apps[0], expectation, Duration::from_secs(LIFE))).unwrap();
        let ticket = link.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let mut stage = Self { runtime, installation, worker, lines, spans, ticket, order: String::new() };
        stage.check_itself(&orders);
        stage
    }
}

fn start() -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(NOW).unwrap()
}

fn site_of(lines: &Arc<Mutex<Vec<u8>>>, outbox: Option<Arc<dyn Outbox>>, clock: Clock) -> Installation {
    let config = Config::parse(CONFIG, Path::new("fuzz.toml"), &environment).unwrap();
    let mut installation = Installation::new(
        config,
        Dependencies {
            roots: Roots::Embedded,
            clock,
            rng: Rng::new(|| [7; 16]),
            sink: Sink::new(|_| Ok(())),
            environment,
            outbox,
            aws: None,
        },
    );
    // Each line gets its own 20 minutes: flood control would suppress lines that the targets compare.
    static LINES: AtomicI32 = AtomicI32::new(0);
    let spans = move || start() + SPAN * (LINES.fetch_add(1, Ordering::Relaxed) % 100_000);
    let lines = Arc::clone(lines);
    let sink = Sink::new(move |line| {
        lines.lock().unwrap().extend_from_slice(line);
        Ok(())
    });
    installation.records = Recorder::new(sink, Clock::new(spans));
    installation
}

impl Stage {
    /// Asserts that a valid ticket and order open and that forged ones do not. Otherwise the results prove little: `--cfg fuzzing` switches
    /// off checks in some dependencies.
    fn check_itself(&mut self, orders: &Orders) {
        let success = |ticket: &str| http_api(&format!("admin_consent=True&tenant={TENANT}&state={ticket}")).to_string();
        let outcome = |ticket: &str| self.event(success(ticket).as_bytes()).records.last().unwrap()["outcome"]["after"].clone();
        assert_eq!(outcome("{{ticket}}"), "unavailable");
        assert_eq!(outcome("{{ticket}}A"), "unavailable");
        assert_eq!(outcome("A{{ticket}}"), "link_damaged");
        self.send(&self.worker, &self.filled(success("{{ticket}}").as_bytes()));
        self.order.clone_from(&orders.0.lock().unwrap());
        let batch = |body: &str| json!({"Records": [{"messageId": "m1", "body": body}]}).to_string();
        assert_eq!(self.work(batch("{{order}}").as_bytes()), Some(0));
        assert_eq!(self.work(batch("{{order}}A").as_bytes()), Some(1));
    }

    /// Replaces the placeholders with a genuine ticket and order, so that the events of `events/` are seeds without changes.
    pub fn filled(&self, event: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(event.len());
        let mut rest = event;
        while let Some((&byte, after)) = rest.split_first() {
            let placeholders = [("{{ticket}}", &*self.ticket), ("{{tenant}}", TENANT), ("{{order}}", &*self.order)];
            match placeholders.iter().find_map(|(name, value)| Some((rest.strip_prefix(name.as_bytes())?, value))) {
                Some((after, value)) => {
                    filled.extend_from_slice(value.as_bytes());
                    rest = after;
                }
                None => {
                    filled.push(byte);
                    rest = after;
                }
            }
        }
        filled
    }

    /// Moves to the next span: beyond a few claims in one span, a link's claims are only counted.
    fn next_span(&self) {
        self.spans.store((self.spans.load(Ordering::Relaxed) + 1) % SPANS, Ordering::Relaxed);
    }

    /// [`Self::run`] with the placeholders filled in, in a span of its own.
    pub fn event(&self, event: &[u8]) -> Ended {
        self.next_span();
        self.run(&self.filled(event))
    }

    /// Sends an event through the whole function and asserts the rules for any event: an answer that its front door can carry, no fault of
    /// the product, valid records, no `granted`, no secret anywhere.
    pub fn run(&self, event: &[u8]) -> Ended {
        self.send(&self.installation, event)
    }

    fn send(&self, installation: &Installation, event: &[u8]) -> Ended {
        let incoming = http_event::read(event);
        let front_door = incoming.front_door();
        let is_http = matches!(incoming, Incoming::Http(_));
        self.lines.lock().unwrap().clear();
        let answer = self.runtime.block_on(async {
            let answer = match incoming {
                Incoming::Http(request) => web::handle(installation, request).await,
                Incoming::Refused { request, reason } => web::refuse(installation, &request, reason.reason()),
                Incoming::NotHttp(kind) => web::refuse_event(installation, kind.reason()),
            };
            let status = answer.status().as_u16();
            assert!(matches!(status, 200 | 202 | 303 | 400 | 404 | 405 | 409 | 410 | 413 | 415 | 503), "{status}");
            assert!(!answer.body().contains(r#"data-outcome="granted"#) && !answer.body().contains(r#""outcome":"granted"#));
            http_event::answer(front_door, answer).await
        });
        let answer = answer.get();
        let records = self.records(answer);
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert!(answer.is_object(), "the front door cannot carry this");
        assert!(is_http || records.len() == 1, "a refusal has one record");
        Ended { answer, records }
    }

    /// Any query through four front doors: one outcome, one record.
    pub fn query(&self, query: &[u8]) {
        self.next_span();
        // Fill the placeholders before decoding, else a door that decodes would get another query. Events are JSON, hence text.
        let filled = self.filled(query);
        let query = String::from_utf8_lossy(&filled);
        // The first use makes the check that all doors share.
        self.run(http_api(&query).to_string().as_bytes());
        let ended: Vec<Ended> = doors(&query).iter().map(|event| self.run(event.to_string().as_bytes())).collect();
        let told: Vec<_> = ended.iter().map(told).collect();
        for other in &told[1..] {
            assert_eq!(*other, told[0], "{query:?}");
        }
    }

    /// Any bytes as an invocation of the worker: reads them and processes each message. Returns the number of messages reported as failed,
    /// or `None` if the bytes are not a batch.
    pub fn work(&self, event: &[u8]) -> Option<usize> {
        let filled = self.filled(event);
        let event = String::from_utf8_lossy(&filled);
        if self.has_token_for_id(&event) {
            return None;
        }
        let Ok(Work::Batch(batch)) = Work::read(&event) else { return None };
        let answer = self.runtime.block_on(handle_batch(&self.worker, batch));
        let failed = answer.batch_item_failures.len();
        let records = self.records(&serde_json::to_string(&answer).unwrap());
        assert!(records.len() >= failed, "a failure is recorded: {event:?}");
        for record in &records {
            assert_ne!(record["outcome"]["after"], "granted", "{record}");
            let asked = record["upstream"].as_array().is_some_and(|calls| !calls.is_empty());
            assert!(!asked || record["event"] == "concluded", "a foreign message causes no call to Microsoft: {record}");
        }
        Some(failed)
    }

    /// A message's ID comes from SQS and is returned unchanged, so it must contain no token.
    fn has_token_for_id(&self, event: &str) -> bool {
        let has_token = |text: &str| text.contains(&self.ticket) || text.contains(&self.order);
        match serde_json::from_str::<Value>(event) {
            Ok(event) => {
                event["Records"].as_array().into_iter().flatten().any(|record| record["messageId"].as_str().is_some_and(has_token))
            }
            // The worker skips a body with half a surrogate pair.
            Err(_) => has_token(event),
        }
    }

    /// Returns the records since the last call, and asserts that neither they nor the answer contain a secret.
    fn records(&self, answer: &str) -> Vec<Value> {
        let written = std::mem::take(&mut *self.lines.lock().unwrap());
        let written = String::from_utf8(written).unwrap();
        for output in [&*written, answer] {
            assert!(!output.contains(&self.ticket) && !output.contains(KEY) && !output.contains(SECRET));
            assert!(self.order.is_empty() || !output.contains(&self.order));
        }
        let mut records = Vec::new();
        for line in written.split_inclusive('\n') {
            assert!(line.len() <= record::MAX_BYTES && line.ends_with('\n'), "{line}");
            assert!(line[..line.len() - 1].bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            records.push(serde_json::from_str::<Value>(line).unwrap());
        }
        // The count of earlier uses of a link is written with the next record.
        records.retain(|record| record["event"] != "suppressed");
        records
    }
}

/// An event of an HTTP API.
pub fn http_api(query: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/callback", "rawQueryString": query,
        "requestContext": {"stage": "$default", "domainName": "a.execute-api.eu-west-1.amazonaws.com", "http": {"method": "GET"}},
    })
}

/// The parts that must be equal: everything except the door's name and form.
fn told(ended: &Ended) -> (Value, Value, Vec<Value>) {
    let mut records = ended.records.clone();
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        // The recorder's own clock moves on with each line.
        for differs in ["at", "front_door", "durations_ms"] {
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

/// Decodes as API Gateway does. An independent copy, since a decoder that checks itself finds no errors.
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
