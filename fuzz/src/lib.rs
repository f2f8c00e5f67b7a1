//! What both targets stand on: a site in memory whose Microsoft is a closed port, so that a genuine ticket ends as `unavailable`.
//!
//! Every promise that holds for any input is asserted here: see [`Stage::run`]. A panic is a finding even where the function
//! itself would catch it, since libFuzzer's panic hook aborts first.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_consent::aws::event::{self, Incoming};
use entra_consent::config::Config;
use entra_consent::consent::{Expectation, ExpectedTenant, Label, TenantId};
use entra_consent::record::{self, Recorder, Sink};
use entra_consent::site::{Site, Surroundings};
use entra_consent::web;
use entra_consent::world::{Clock, Entropy, Roots};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The tenant that the genuine ticket expects.
pub const TENANT: &str = "0a1b0000-0000-4000-8000-000000000002";
/// Fixed, so that a finding can be repeated in any year.
const NOW: i64 = 1_793_613_504;
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

/// The function, without a process around it.
pub struct Stage {
    runtime: Runtime,
    site: Site,
    lines: Arc<Mutex<Vec<u8>>>,
    ticket: String,
}

/// How one event ended.
pub struct Ended {
    /// What the front door gets.
    pub answer: Value,
    /// The records.
    pub records: Vec<Value>,
}

impl Default for Stage {
    fn default() -> Self {
        let config = Config::parse(CONFIG, Path::new("fuzz.toml"), &environment).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let now = || time::OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        let mut site = Site::new(
            config,
            Surroundings {
                roots: Roots::Embedded,
                clock: Clock::new(now),
                entropy: Entropy::new(|| [7; 16]),
                sink: Sink::new(|_| Ok(())),
                environment,
                outbox: None,
                aws: None,
            },
        );
        // The recorder's minute passes with every line: a flood would hold back what is to be looked at.
        static MINUTES: AtomicI64 = AtomicI64::new(0);
        let minutes = move || now() + time::Duration::minutes(MINUTES.fetch_add(1, Ordering::Relaxed) % 1_000_000);
        let sink = Sink::new(move |line| {
            sink.lock().unwrap().extend_from_slice(line);
            Ok(())
        });
        site.records = Recorder::new(sink, Clock::new(minutes));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let expectation = Expectation {
            app: site.config.apps[0].profile.id.clone(),
            tenant: ExpectedTenant::Tenant(TenantId::parse(TENANT).unwrap()),
            label: Label::parse("Contoso Ltd").ok(),
            reference: None,
            invitation: None,
        };
        let (_, link) = runtime.block_on(site.direct_link(&site.config.apps[0], expectation, Duration::from_secs(86_400))).unwrap();
        let ticket = link.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let stage = Self { runtime, site, lines, ticket };
        stage.check_itself();
        stage
    }
}

impl Stage {
    /// A ticket that opens and one that must not, else all that follows proves little: `--cfg fuzzing` has been seen to switch off
    /// checks in other people's crates.
    fn check_itself(&self) {
        let outcome = |ticket: &str| {
            let query = format!("admin_consent=True&tenant={TENANT}&state={ticket}");
            self.event(http_api(&query).to_string().as_bytes()).records.last().unwrap()["outcome"]["after"].clone()
        };
        assert_eq!(outcome("{{ticket}}"), "unavailable");
        assert_eq!(outcome("{{ticket}}A"), "link_damaged");
    }

    /// Puts the genuine ticket where its placeholder stands, so that the events of `events/` are seeds as they are.
    pub fn filled(&self, event: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(event.len());
        let mut rest = event;
        while let Some((&byte, after)) = rest.split_first() {
            if let Some(after) = rest.strip_prefix(b"{{ticket}}") {
                filled.extend_from_slice(self.ticket.as_bytes());
                rest = after;
            } else if let Some(after) = rest.strip_prefix(b"{{tenant}}") {
                filled.extend_from_slice(TENANT.as_bytes());
                rest = after;
            } else {
                filled.push(byte);
                rest = after;
            }
        }
        filled
    }

    /// [`Self::run`] with the placeholders filled in.
    pub fn event(&self, event: &[u8]) -> Ended {
        self.run(&self.filled(event))
    }

    /// Sends an event through the whole function and holds it to what holds for any event: an answer that its front door can carry,
    /// no fault of ours, records that are records, nothing `granted`, no secret anywhere.
    pub fn run(&self, event: &[u8]) -> Ended {
        let incoming = event::read(event);
        let front_door = incoming.front_door();
        let is_http = matches!(incoming, Incoming::Http(_));
        self.lines.lock().unwrap().clear();
        let answer = self.runtime.block_on(async {
            let answer = match incoming {
                Incoming::Http(request) => web::handle(&self.site, request).await,
                Incoming::Refused { request, reason } => web::refuse(&self.site, &request, reason.reason()),
                Incoming::NotHttp(kind) => web::refuse_event(&self.site, kind.reason()),
            };
            let status = answer.status().as_u16();
            assert!(matches!(status, 200 | 202 | 303 | 400 | 404 | 405 | 409 | 410 | 413 | 415 | 503), "{status}");
            assert!(!answer.body().contains(r#"data-outcome="granted"#) && !answer.body().contains(r#""outcome":"granted"#));
            event::answer(front_door, answer).await
        });
        let written = std::mem::take(&mut *self.lines.lock().unwrap());
        let written = String::from_utf8(written).unwrap();
        for output in [&written, answer.get()] {
            assert!(!output.contains(&self.ticket) && !output.contains(KEY) && !output.contains(SECRET));
        }
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        assert!(answer.is_object(), "no front door can carry this");
        let mut records = Vec::new();
        for line in written.split_inclusive('\n') {
            assert!(line.len() <= record::MAX_BYTES && line.ends_with('\n'), "{line}");
            assert!(line[..line.len() - 1].bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            records.push(serde_json::from_str(line).unwrap());
        }
        assert!(is_http || records.len() == 1, "what is refused is recorded once");
        Ended { answer, records }
    }
}

/// An event of an HTTP API.
pub fn http_api(query: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/callback", "rawQueryString": query,
        "requestContext": {"stage": "$default", "domainName": "a.execute-api.eu-west-1.amazonaws.com", "http": {"method": "GET"}},
    })
}
