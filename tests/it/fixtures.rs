//! The current program opens the files that the build of commit 21a3989 wrote. `tests/fixtures/21a3989/README.md` describes how that build
//! made each file.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use entra_consent::config::Config;
use entra_consent::consent::{ApprovalState, Binding, Claim, Expectation, TenantId};
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::record::Sink;
use entra_consent::secret::Secret;
use entra_consent::serve::store::{Deliverer, OrderWorker, Queue, Store, StoreCounts, StoreOutbox};
use entra_consent::serve::webhook::Webhook;
use entra_consent::token::{Invitation, KeyDocument, KeyRing, Order, Signer, Subject, Ticket, receipt};
use entra_sandbox::{Change, ClientSecret, PermissionSet, Sandbox, SandboxClock, SandboxOptions, Scenario, TenantSetup, demo};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::support::same_id;
use crate::support::stage::checked_record;
use crate::support::terminal::{Terminal, Told};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/21a3989");
const BASE_URL: &str = "https://consent.northwind.example";
const APP_SECRET: &str = "canary-secret-of-the-fixtures";
const MICROSOFT: &str = "http://127.0.0.1:1";
const MUNICH: TenantId = TenantId::from_u128(78);
/// The cookie's secret in the browser that pressed the buttons.
const BROWSER: &str = "the-secret-in-a-cookie-of-the-fixtures";
const WEBHOOK_SECRET: &str = "whsec_Y2FuYXJ5LXNlY3JldC1vZi10aGUtd2ViaG9vaw==";
const LINK: [&str; 4] = ["link", "--app", "mail-backup", "--from"];
const VERIFY: [&str; 4] = ["verify", "--app", "mail-backup", "--from"];

fn fixture(name: &str) -> String {
    std::fs::read_to_string(Path::new(FIXTURES).join(name)).unwrap()
}

fn tokens() -> Vec<Value> {
    fixture("tokens.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// The store's content.
fn kept() -> Value {
    serde_json::from_str(&fixture("store.json")).unwrap()
}

/// A time at which every token is valid.
fn at() -> u64 {
    kept()["at"].as_u64().unwrap()
}

fn ring(keys: &str) -> KeyRing {
    KeyRing::parse(&Secret::new(fixture(keys))).unwrap()
}

/// The simulated Microsoft, with the approvals that existed when the tables were made.
fn microsoft(clock: SandboxClock) -> Sandbox {
    let scenario = Scenario::demo(&format!("{BASE_URL}/callback"));
    let sandbox = Sandbox::start(SandboxOptions { port: None, clock, scenario }).unwrap();
    let secret = ClientSecret { value: APP_SECRET.into(), expires: None };
    let in_part = vec![PermissionSet::graph(&["Mail.Read"], &[])];
    for change in [
        Change::SetSecrets { app: demo::APP, secrets: vec![secret] },
        Change::AddTenant(Box::new(TenantSetup::new(same_id(MUNICH), "München", "xn--mnchen-3ya.example"))),
        Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None },
        Change::Grant { tenant: same_id(MUNICH), app: demo::APP, permissions: Some(in_part) },
        Change::Grant { tenant: demo::WOODGROVE, app: demo::APP, permissions: None },
        Change::Disable { tenant: demo::WOODGROVE, app: demo::APP },
    ] {
        sandbox.control().apply(change).unwrap();
    }
    sandbox
}

/// A folder with copies of the fixtures, in which the real program runs.
struct Lab {
    terminal: Terminal,
    sandbox: Sandbox,
}

impl Lab {
    fn new(files: &[&str]) -> Self {
        let sandbox = microsoft(SandboxClock::system());
        let mut terminal = Terminal::new();
        terminal.set("APP_SECRET", APP_SECRET);
        terminal.write("consent.toml", &fixture("consent.toml").replace(MICROSOFT, sandbox.url()));
        for file in [&["keys.json"], files].concat() {
            std::fs::copy(Path::new(FIXTURES).join(file), terminal.path(file)).unwrap();
        }
        Self { terminal, sandbox }
    }

    fn run(&self, command: [&str; 4], more: &[&str]) -> Told {
        self.terminal.run(&[&command[..], more].concat())
    }

    /// The rows of a table, each as an object keyed by column name.
    fn rows(&self, name: &str, delimiter: u8) -> Vec<Value> {
        let text = self.terminal.read(name);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
        let names = reader.headers().unwrap().clone();
        let row = |row: csv::StringRecord| names.iter().zip(&row).map(|(name, cell)| (name.to_owned(), cell.into())).collect();
        reader.records().map(|cells| Value::Object(row(cells.unwrap()))).collect()
    }
}

fn column<'v>(rows: &'v [Value], name: &str) -> Vec<&'v str> {
    rows.iter().map(|row| text(row, name)).collect()
}

fn invitation(invitation: &Invitation) -> Value {
    let (app, chain) = match &invitation.subject {
        Subject::App(app) => (Some(app), None),
        Subject::Chain(chain) => (None, Some(chain)),
    };
    json!({
        "id": invitation.id, "issued_at": invitation.issued_at, "expires_at": invitation.expires_at, "app": app, "chain": chain,
        "tenant": invitation.tenant, "label": invitation.label, "reference": invitation.reference,
    })
}

fn expectation(expectation: &Expectation) -> Value {
    let invitation = expectation
        .invitation
        .as_ref()
        .map(|origin| json!({"id": origin.id, "issued_at": origin.issued_at, "expires_at": origin.expires_at, "chain": origin.chain}));
    json!({
        "app": expectation.app, "tenant": expectation.tenant, "label": expectation.label, "reference": expectation.reference,
        "invitation": invitation,
    })
}

fn ticket(ticket: &Ticket) -> Value {
    json!({
        "id": ticket.id, "issued_at": ticket.issued_at, "expires_at": ticket.expires_at,
        "expectation": expectation(&ticket.expectation), "browser": ticket.browser,
    })
}

fn receipt(receipt: &ApprovalState) -> Value {
    let claim = match &receipt.claim {
        Claim::Success => json!("success"),
        Claim::NoFlag => json!("silent"),
        Claim::Error(error) => json!({
            "error": error.class, "code": error.code, "trace_id": error.trace_id, "correlation_id": error.correlation_id,
        }),
    };
    json!({
        "ticket": receipt.ticket, "expectation": expectation(&receipt.expectation), "claim": claim, "outcome": receipt.outcome,
        "callback_at": receipt.callback_at, "binding": receipt.binding, "late": receipt.late, "signed_at": receipt.signed_at,
        "step": receipt.step, "queued": receipt.queued,
    })
}

fn order(order: &Order) -> Value {
    let tell = order.tell.map(|tell| json!({"before": tell.before, "at": tell.at}));
    json!({"remembered": receipt(&order.remembered), "attempt": order.attempt, "not_before": order.not_before, "tell": tell})
}

/// The claims of a token.
fn opened(kind: &str, token: &str, signer: Signer<'_>) -> Value {
    match kind {
        "invitation" => invitation(&Invitation::open(token, signer).unwrap()),
        "ticket" => ticket(&Ticket::open(token, signer).unwrap()),
        "receipt" => receipt(&receipt::open(token, signer).unwrap().0),
        "order" => order(&Order::open(token, signer).unwrap().order),
        _ => panic!("{kind}"),
    }
}

#[test]
fn every_old_token_opens_with_the_content_that_went_in() {
    let tokens = tokens();
    assert_eq!(tokens.len(), 40);
    for keys in ["keys.json", "keys-prepared.json", "keys-without-dates.json"] {
        let keys = ring(keys);
        let signer = Signer { keys: &keys, issuer: BASE_URL, now: at() };
        for token in &tokens {
            assert_eq!(opened(text(token, "kind"), text(token, "token"), signer), token["content"], "{}", token["name"]);
        }
    }
    // Before the rotation, the operator had one key.
    for keys in ["keys-new.json", "keys-one-without-date.json"] {
        let keys = ring(keys);
        let signer = Signer { keys: &keys, issuer: BASE_URL, now: at() };
        let of_older: Vec<_> = tokens.iter().filter(|token| token["key"] == "older").collect();
        assert_eq!(of_older.len(), 13);
        for token in of_older {
            assert_eq!(opened(text(token, "kind"), text(token, "token"), signer), token["content"], "{}", token["name"]);
        }
    }
}

#[test]
fn an_old_ticket_is_still_bound_to_its_browser() {
    let keys = ring("keys.json");
    let signer = Signer { keys: &keys, issuer: BASE_URL, now: at() };
    for token in tokens().iter().filter(|token| token["kind"] == "ticket") {
        let ticket = Ticket::open(text(token, "token"), signer).unwrap();
        let is_bound = !token["content"]["browser"].is_null();
        let bindings = if is_bound { (Binding::Browser, Binding::Mismatch) } else { (Binding::None, Binding::None) };
        assert_eq!((ticket.binding(Some(BROWSER)), ticket.binding(Some("another"))), bindings, "{}", token["name"]);
    }
}

#[test]
fn inspect_calls_every_old_token_genuine() {
    let lab = Lab::new(&[]);
    for token in tokens() {
        // Whether the token is still valid depends on the date, so the exit status does too.
        let ran = lab.terminal.run_with(&["inspect", "-", "--output", "json"], text(&token, "token"));
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!((&report["kind"], &report["genuine"]), (&token["kind"], &json!("yes")), "{}: {ran:?}", token["name"]);
    }
}

#[test]
fn every_old_key_document_lists_and_rotates() {
    let now = OffsetDateTime::from_unix_timestamp(i64::try_from(at()).unwrap()).unwrap();
    for (name, uses) in [
        ("keys-new.json", &["signs"][..]),
        ("keys.json", &["signs", "verifies"]),
        ("keys-prepared.json", &["signs", "prepared", "verifies"]),
        ("keys-without-dates.json", &["signs", "verifies"]),
        ("keys-one-without-date.json", &["signs"]),
    ] {
        let document = KeyDocument::parse(&Secret::new(fixture(name))).unwrap();
        assert_eq!(document.keys(now).map(|(_, used)| used.name()).collect::<Vec<_>>(), uses, "{name}");

        let lab = Lab::new(&[name]);
        let list = |ran: Told| -> Vec<Value> {
            assert_eq!(ran.status, 0, "{name}: {ran:?}");
            serde_json::from_str(&ran.out).unwrap()
        };
        let before = list(lab.terminal.run(&["keys", "list", name, "--output", "json"]));
        assert_eq!(before.len(), uses.len(), "{name}");
        for (read, shown) in document.keys(now).zip(&before) {
            assert_eq!(shown["kid"], *read.0.kid, "{name}");
        }
        let after = list(lab.terminal.run(&["keys", "rotate", name, "--output", "json"]));
        let prepared = before.iter().find(|key| key["use"] == "prepared");
        match prepared {
            Some(prepared) => assert_eq!(after[0]["kid"], prepared["kid"], "{name}"),
            None => assert!(before.iter().all(|key| key["kid"] != after[0]["kid"]), "{name}"),
        }
        assert_eq!((&after[1]["kid"], after[1]["signed_until"].is_null()), (&before[0]["kid"], false), "{name}");
    }
}

/// The events that a receiver got, as ID and body.
type Posts = Arc<Mutex<Vec<(String, String)>>>;

/// A webhook receiver that accepts every event.
async fn receiver() -> (String, Posts) {
    let posts: Posts = Arc::default();
    let kept = Arc::clone(&posts);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let take = move |headers: HeaderMap, body: String| async move {
        kept.lock().unwrap().push((headers["webhook-id"].to_str().unwrap().to_owned(), body));
        StatusCode::NO_CONTENT
    };
    let router = Router::new().fallback(take);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, posts)
}

#[tokio::test]
async fn an_old_store_is_read_and_everything_in_it_is_carried_out() {
    let kept = kept();
    let lab = Lab::new(&["entra-consent.redb"]);
    let (base, posts) = receiver().await;
    let clock = SandboxClock::standing_at(OffsetDateTime::from_unix_timestamp(i64::try_from(at()).unwrap()).unwrap());
    let still = microsoft(clock.clone());
    lab.terminal.write("webhook.txt", WEBHOOK_SECRET);
    let outside =
        format!("[store]\npath = \"entra-consent.redb\"\n[webhook]\nurl = \"{base}/hook\"\nsecret = {{ file = \"webhook.txt\" }}\n");
    lab.terminal.write("consent.toml", &[&fixture("consent.toml").replace(MICROSOFT, still.url()), "\n", &outside].concat());
    let environment = |name: &str| (name == "APP_SECRET").then(|| APP_SECRET.to_owned());
    let config = Config::load(&lab.terminal.path("consent.toml"), &environment).unwrap();

    let store = Store::open(&lab.terminal.path("entra-consent.redb")).await.unwrap();
    assert_eq!(store.counts().await.unwrap(), StoreCounts { orders: 3, deliveries: 2, dead: 2 });
    for (queue, name) in [(Queue::Orders, "orders"), (Queue::Deliveries, "deliveries")] {
        let waiting = store.due(queue, u64::MAX, 10).await.unwrap().into_iter().map(|(slot, item)| {
            json!({"queue": name, "number": slot.number, "id": item.id, "failures": item.failures, "since": item.since, "body": item.body})
        });
        assert_eq!(Value::Array(waiting.collect()), kept[name]);
    }
    let dead = store.dead_letters(10).await.unwrap().into_iter().map(
        |letter| json!({"kind": letter.kind, "id": letter.id, "number": letter.number, "failures": letter.failures, "why": letter.why}),
    );
    assert_eq!(Value::Array(dead.collect()), kept["dead_letters"]);

    let time = clock.clone();
    let clock_of_site = Clock::new(move || time.now());
    let records: Arc<Mutex<Vec<Value>>> = Arc::default();
    let lines = Arc::clone(&records);
    let dependencies = Dependencies {
        roots: Roots::Embedded,
        clock: clock_of_site.clone(),
        rng: Rng::system(),
        sink: Sink::new(move |line| {
            lines.lock().unwrap().push(checked_record(std::str::from_utf8(line).unwrap()));
            Ok(())
        }),
        environment,
        outbox: Some(Arc::new(StoreOutbox::new(store.clone(), clock_of_site, true))),
        aws: None,
    };
    let installation = Arc::new(Installation::new(config, dependencies));
    let webhook = Webhook::new(installation.config.webhook.clone().unwrap()).unwrap();
    let worker = OrderWorker::new(Arc::clone(&installation), store.clone());
    let mut deliverer = Deliverer::new(Arc::clone(&installation), store.clone(), webhook, Rng::system());

    clock.advance(std::time::Duration::from_secs(3_600));
    while worker.step().await.unwrap() + deliverer.step().await.unwrap() > 0 {}
    assert_eq!(store.counts().await.unwrap(), StoreCounts { orders: 0, deliveries: 0, dead: 2 });
    assert_eq!(store.revive(at() * 1_000).await.unwrap(), 2);
    while worker.step().await.unwrap() + deliverer.step().await.unwrap() > 0 {}
    assert_eq!(store.counts().await.unwrap(), StoreCounts { orders: 0, deliveries: 0, dead: 0 });

    // Three checks found the approval. The fourth order only publishes an outcome, which is then the last published one.
    let records = records.lock().unwrap();
    let concluded: Vec<_> =
        records.iter().filter(|record| record["event"] == "concluded").map(|record| &record["outcome"]["after"]).collect();
    assert_eq!(concluded, ["granted"; 3]);
    assert!(records.iter().all(|record| record["event"] != "rejected" && record["event"] != "failed"), "{records:?}");
    let posts = posts.lock().unwrap();
    let new =
        |word: &str| posts.iter().filter(|(_, body)| body.contains("as_of") && body.contains(&format!("\"after\":\"{word}\""))).count();
    assert!(new("declined") == 1 && (1..=3).contains(&new("granted")), "{posts:?}");
    for event in kept["deliveries"].as_array().unwrap() {
        assert!(posts.contains(&(text(event, "id").to_owned(), text(event, "body").to_owned())), "{event}");
    }
    let revived = kept["dead_letters"].as_array().unwrap().iter().find(|letter| letter["kind"] == "delivery").unwrap();
    assert!(posts.iter().any(|(id, _)| id == text(revived, "id")), "{posts:?}");
}

#[test]
fn link_resumes_an_old_table_and_keeps_its_links() {
    let lab = Lab::new(&["tenants.csv", "links.csv"]);
    let old = lab.rows("links.csv", b';');
    let corrected = lab.terminal.read("tenants.csv").replace("nowhere.example", "fabrikam.example") + "northwind.example;Added;;;it;\r\n";
    lab.terminal.write("tenants.csv", &corrected);
    let ran = lab.run(LINK, &["tenants.csv", "--to", "links.csv", "--mail", "--language", "nl", "--resume"]);
    // The exit status is 3 once the old links have expired.
    assert!([0, 3].contains(&ran.status) && ran.err.contains("6 links (4 made before)"), "{ran:?}");
    let new = lab.rows("links.csv", b';');
    assert!(lab.terminal.read("links.csv").starts_with('\u{feff}'));
    for column in ["Tenant", "LABEL", "'=cmd|' /C calc'!A0", "Contact", "reference", "tenant_id", "link", "link_id", "expires"] {
        for (old, new) in old.iter().zip(&new).filter(|(old, _)| old["status"] == "made") {
            assert_eq!(old[column], new[column], "{column}");
        }
    }
    assert_eq!(column(&old, "status"), ["made", "made", "made", "unknown_tenant", "made"]);
    let over = column(&new, "status").iter().filter(|status| **status == "expired").count();
    assert!(new.len() == 6 && [0, 4].contains(&over) && [3, 5].iter().all(|row| new[*row]["status"] == "made"), "{new:?}");
    assert_eq!(new[3]["tenant_id"], demo::FABRIKAM.to_string());
}

#[test]
fn link_resumes_an_old_run_that_was_interrupted() {
    let lab = Lab::new(&["customers.csv", "interrupted-links.csv.part"]);
    let old = lab.rows("interrupted-links.csv.part", b',');
    let ran = lab.run(LINK, &["customers.csv", "--to", "interrupted-links.csv", "--resume"]);
    // The exit status is 3 once the old link has expired.
    assert!([0, 3].contains(&ran.status) && ran.err.contains("3 links (1 made before)"), "{ran:?}");
    let new = lab.rows("interrupted-links.csv", b',');
    assert_eq!(column(&new, "tenant_id"), [demo::CONTOSO, demo::FABRIKAM, demo::WOODGROVE].map(|id| id.to_string()));
    assert_eq!((&new[0]["link"], &new[0]["expires"]), (&old[0]["link"], &old[0]["expires"]));
}

#[test]
fn an_old_table_of_links_is_a_table_of_customers() {
    let lab = Lab::new(&["links.csv"]);
    let ran = lab.run(LINK, &["links.csv", "--to", "again.csv", "--mail"]);
    assert!(ran.status == 3 && ran.err.contains("4 links, 1 row without a link (row 5)"), "{ran:?}");
    let (old, new) = (lab.rows("links.csv", b';'), lab.rows("again.csv", b';'));
    assert_eq!(column(&old, "tenant_id"), column(&new, "tenant_id"));
    // Each mail keeps the language of its row.
    let greeting = |row: &Value| text(row, "mail_text").lines().next().unwrap_or_default().to_owned();
    assert_eq!(old.iter().map(greeting).take(3).collect::<Vec<_>>(), ["Hello,", "Guten Tag,", "Bonjour,"]);
    assert_eq!(new.iter().map(greeting).take(3).collect::<Vec<_>>(), ["Hello,", "Guten Tag,", "Bonjour,"]);
}

/// The findings of all rows without their dates.
fn found(mut rows: Vec<Value>) -> Vec<String> {
    rows.sort_by_key(|row| text(row, "row").to_owned());
    let cells = ["row", "tenant", "tenant_id", "label", "reference", "app", "outcome", "missing", "problem"];
    rows.iter().map(|row| cells.map(|cell| text(row, cell)).join(" | ")).collect()
}

#[test]
fn verify_reads_an_old_table_of_links_and_finds_the_same() {
    let lab = Lab::new(&["links.csv", "results.csv"]);
    let ran = lab.run(VERIFY, &["links.csv", "--to", "new.csv"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert_eq!(found(lab.rows("new.csv", b',')), found(lab.rows("results.csv", b',')));
}

#[test]
fn verify_resumes_old_results_without_asking_again() {
    let lab = Lab::new(&["links.csv", "results.csv", "interrupted-results.csv"]);
    let whole = lab.terminal.read("results.csv");
    let ran = lab.run(VERIFY, &["links.csv", "--to", "results.csv", "--resume"]);
    assert_eq!((ran.status, lab.terminal.read("results.csv")), (3, whole), "{}", ran.err);
    assert_eq!(lab.sandbox.control().upstream_calls(), 0);

    let begun = lab.terminal.read("interrupted-results.csv");
    assert_eq!(lab.rows("interrupted-results.csv", b',').len(), 2);
    let ran = lab.run(VERIFY, &["links.csv", "--to", "interrupted-results.csv", "--resume"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(lab.terminal.read("interrupted-results.csv").starts_with(&begun));
    assert_eq!(found(lab.rows("interrupted-results.csv", b',')), found(lab.rows("results.csv", b',')));
    assert!(lab.sandbox.control().requests().iter().all(|request| request.tenant != Some(demo::CONTOSO)));
}
