//! A process of the callback function that Lambda freezes between two visits, while its kept connections to AWS and to Microsoft end.
//!
//! Half of the tests freeze a real process with SIGSTOP. The program has no switch to move its clock, so in the other tests the function
//! runs in this process: on a runtime of its own, which makes no progress between two visits, and with a clock that the test moves.
//! The monotonic clock hardly moves while the process is frozen, so no limit for idle connections applies: the pools believe in each one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use entra_consent::aws::AwsClients;
use entra_consent::config::Config;
use entra_consent::env::{Clock, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::lambda::http_event::{self, Incoming};
use entra_consent::record::Sink;
use entra_consent::web;
use entra_sandbox::{SandboxClock, TenantId};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::runtime::Runtime;

use crate::at_aws::callback_event;
use crate::secrets::settings;
use crate::support::installation::TestInstallation;
use crate::support::northwind::{APP_SECRET, KEY};
use crate::support::relay::{Failure, Relay};
use crate::support::runtime_api::Function;
use crate::support::stage::checked_record;

/// The most orders, and the most events, that may be lost in [`TRIALS`] or more freezes.
const MOST_LOST: usize = 3;
const TRIALS: usize = 30;
/// How far the clock moves in a freeze: not at all, past the life of a cached secret, past the life of a token.
const FREEZES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(16 * 60), Duration::from_secs(14 * 3_600)];

struct Freezer {
    runtime: Runtime,
    aws: Aws,
    /// Before AWS and before Microsoft.
    relays: [Relay; 2],
    test: TestInstallation,
    clock: SandboxClock,
    process: Process,
    trials: u32,
    figures: Figures,
}

enum Process {
    Real(Function),
    Here { runtime: Runtime, installation: Box<Installation>, records: Arc<Mutex<String>> },
}

/// What became of the visits.
#[derive(Debug, Default)]
struct Figures {
    visits: usize,
    ended_connections: usize,
    orders_refused: usize,
    events_lost: usize,
    milliseconds: Vec<u128>,
}

impl Freezer {
    fn new(is_real: bool) -> Self {
        let runtime = Runtime::new().unwrap();
        let (aws, url) = runtime.block_on(Aws::start());
        let clock = if is_real { SandboxClock::system() } else { SandboxClock::standing_at(OffsetDateTime::now_utc()) };
        let test = TestInstallation::at(clock.clone());
        let relays = [Relay::before(&url), Relay::before(test.sandbox.url())];
        let more = format!("[worker]\nqueue = \"{}/123456789012/orders\"\n[events]\nbus = \"consent\"\n[keys]", relays[0].url);
        let text = std::fs::read_to_string(test.path("consent.toml")).unwrap();
        let text = [
            (test.sandbox.url(), relays[1].url.as_str()),
            (r#"{ env = "TEST_CLIENT_SECRET" }"#, r#"{ aws = "app" }"#),
            (r#"{ file = "keys.json" }"#, r#"{ aws = "keys" }"#),
            ("[keys]", &more),
        ]
        .into_iter()
        .fold(text, |text, (old, new)| text.replace(old, new));
        std::fs::write(test.path("consent.toml"), text).unwrap();
        let process = if is_real {
            let aws = [("AWS_ENDPOINT_URL", relays[0].url.as_str()), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
            let environment = [&aws[..], &test.environment()[..1]].concat();
            Process::Real(runtime.block_on(Function::start(env!("CARGO_BIN_EXE_callback"), &[], &environment)))
        } else {
            let records = Arc::<Mutex<String>>::default();
            let (kept, time) = (Arc::clone(&records), clock.clone());
            let dependencies = Dependencies {
                clock: Clock::new(move || time.now()),
                sink: Sink::new(move |line| {
                    kept.lock().unwrap().push_str(std::str::from_utf8(line).unwrap());
                    Ok(())
                }),
                aws: Some(AwsClients::with_settings(runtime.block_on(settings(&relays[0].url)))),
                ..Dependencies::real(Roots::Embedded)
            };
            let config = Config::load(&test.path("consent.toml"), &|_| None).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            Process::Here { runtime, installation: Box::new(Installation::new(config, dependencies)), records }
        };
        let mut freezer = Self { runtime, aws, relays, test, clock, process, trials: 0, figures: Figures::default() };
        freezer.visit(None);
        freezer.figures = Figures::default();
        freezer
    }

    /// Freezes the process, lets its connections end, and thaws it with a callback of another tenant.
    fn visit(&mut self, failure: Option<Failure>) {
        self.trials += 1;
        let tenant = TenantId::from_u128(0x5555_0000_0000_4000_8000_0000_0000_0000 + u128::from(self.trials));
        self.test.found(tenant);
        if let Process::Real(function) = &self.process {
            kill_process(pid(function), Signal::STOP).unwrap();
        }
        if let Some(failure) = failure {
            self.figures.ended_connections += self.relays.iter().map(Relay::working).sum::<usize>();
            // More than once: the relay may accept a connection that the process has just opened.
            while self.relays.iter().any(|relay| relay.fail(failure) > 0) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if matches!(self.process, Process::Here { .. }) {
                self.clock.advance(FREEZES[self.trials as usize / 3 % FREEZES.len()]);
            }
        }
        let ticket = self.runtime.block_on(self.test.ticket(tenant));
        let event = callback_event(&format!("admin_consent=True&tenant={tenant}&state={ticket}"));
        let before = self.written().len();
        let started = Instant::now();
        let status = match &mut self.process {
            // The event waits for the thawed process next to the ends of its connections.
            Process::Real(function) => self.runtime.block_on(async {
                let pid = pid(function);
                let (invocation, ()) = tokio::join!(function.invoke(event), async { kill_process(pid, Signal::CONT).unwrap() });
                invocation.response()["statusCode"].as_u64().unwrap()
            }),
            Process::Here { runtime, installation, .. } => {
                let Incoming::Http(request) = http_event::read(event.as_bytes()) else { panic!("{event}") };
                runtime.block_on(web::handle(installation, request)).status().as_u16().into()
            }
        };
        self.figures.milliseconds.push(started.elapsed().as_millis());
        let records: Vec<_> = self.written()[before..].split_inclusive('\n').map(checked_record).collect();
        let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
        assert_eq!((status, &events[..]), (303, &["claimed", "concluded", "dispatched"][..]), "{failure:?} {records:?}");
        assert_eq!(records[1]["outcome"]["after"], if failure == Some(Failure::Silent) { "unavailable" } else { "pending" });
        let sends = &records[2]["sends"];
        if sends["reason"].is_string() {
            println!("visit {}: {failure:?} {sends}", self.trials);
        }
        self.figures.visits += 1;
        self.figures.orders_refused += usize::from(sends["order"] != "sent");
        self.figures.events_lost += usize::from(sends["event"] != "sent");
    }

    fn written(&self) -> String {
        match &self.process {
            Process::Real(function) => function.stdout(),
            Process::Here { records, .. } => records.lock().unwrap().clone(),
        }
    }

    /// Asserts that AWS has all messages that the records call sent. Prints the figures.
    fn finish(mut self) -> Figures {
        let Received { orders, events } = &*self.aws.0.lock().unwrap();
        let sent = |lost| self.trials as usize - lost;
        assert!(orders.len() >= sent(self.figures.orders_refused), "{} orders arrived", orders.len());
        assert!(events.len() >= sent(self.figures.events_lost), "{} events arrived", events.len());
        self.figures.milliseconds.sort_unstable();
        let (median, longest) = (self.figures.milliseconds[self.figures.visits / 2], self.figures.milliseconds.last().unwrap());
        println!(
            "{} freezes: {} connections ended, {} orders refused, {} events lost; a visit took {median} ms, at most {longest} ms",
            self.figures.visits, self.figures.ended_connections, self.figures.orders_refused, self.figures.events_lost
        );
        self.figures
    }
}

/// A simulated AWS without delays, because the 300 ms of a browser also run while a busy machine keeps moto waiting.
#[derive(Clone, Default)]
struct Aws(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    orders: BTreeSet<String>,
    events: BTreeSet<String>,
}

impl Aws {
    async fn start() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let aws = Self::default();
        let router = Router::new().fallback(answer).with_state(aws.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (aws, url)
    }
}

async fn answer(State(aws): State<Aws>, headers: HeaderMap, body: String) -> String {
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut received = aws.0.lock().unwrap();
    let answer = match headers["x-amz-target"].to_str().unwrap() {
        "AmazonSQS.SendMessage" => {
            received.orders.insert(body["MessageGroupId"].to_string());
            json!({ "MessageId": "m" })
        }
        "AWSEvents.PutEvents" => {
            let event: Value = serde_json::from_str(body["Entries"][0]["Detail"].as_str().unwrap()).unwrap();
            received.events.insert(event["id"].to_string());
            json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "e" }] })
        }
        "secretsmanager.GetSecretValue" => json!({ "SecretString": if body["SecretId"] == "keys" { KEY } else { APP_SECRET } }),
        other => panic!("{other}"),
    };
    answer.to_string()
}

fn pid(function: &Function) -> Pid {
    Pid::from_raw(function.id().try_into().unwrap()).unwrap()
}

/// Freezes a process this many times. Its connections end by FIN and by RST in turn, during the freeze or at the first byte after it.
pub(crate) fn freeze_and_thaw(is_real: bool, trials: usize) {
    let mut freezer = Freezer::new(is_real);
    for trial in 0..trials {
        freezer.visit(Some([Failure::Fin, Failure::Reset, Failure::ResetLater][trial % 3]));
    }
    let figures = freezer.finish();
    assert!(figures.ended_connections >= 2 * trials, "without ended connections the test proves nothing");
    assert!(figures.orders_refused <= MOST_LOST && figures.events_lost <= MOST_LOST, "{figures:?}");
}

#[test]
fn a_thawed_process_loses_nothing_with_its_connections() {
    freeze_and_thaw(true, TRIALS);
}

#[test]
fn a_thawed_process_with_another_clock_loses_nothing() {
    freeze_and_thaw(false, TRIALS);
}

/// No sign reaches the process, so the messages of this visit miss the 300 ms. The page asks the visitor to reload.
#[test]
fn a_freeze_that_silences_connections_costs_one_visit() {
    let mut freezer = Freezer::new(true);
    freezer.visit(Some(Failure::Silent));
    let lost = (freezer.figures.orders_refused, freezer.figures.events_lost);
    assert!(freezer.relays.iter().all(|relay| relay.swallowed() > 0), "without silent connections the test proves nothing");
    for _ in 0..3 {
        freezer.visit(None);
    }
    let figures = freezer.finish();
    assert_eq!((figures.orders_refused, figures.events_lost), lost, "a silent connection costs one message");
}
