//! The complete system on loopback: the function over real HTTP, the simulated Microsoft, one clock for both, and a copy of every record.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_consent::approval::follow_up::{Delivery, Handled, carry_out};
use entra_consent::aws::AwsClients;
use entra_consent::config::Config;
use entra_consent::consent::{Expectation, ExpectedTenant, Label, ProfileId, Reference};
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::outbox::Outbox;
use entra_consent::record::Sink;
use entra_consent::token::Subject;
use entra_sandbox::{
    AppRegistration, Change, ClientId, ClientSecret, Control, PermissionSet, ResourceApp, Sandbox, SandboxClock, SandboxOptions, Scenario,
    TenantId, UserRole, demo,
};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use scraper::{Html, Selector};
use serde_json::Value;
use time::macros::datetime;
use tokio::net::TcpListener;
use url::Url;

use super::northwind::{self, APP_SECRET, BY_ITSELF, DIRECTORY_AND_REQUESTS, KEY, READER_SECRET, USUAL, mail_backup, reader};
use super::outbox::MemoryOutbox;
use super::same_id;

/// A word in each secret of these tests. No record and no page may contain it; `scripts/test` searches its whole output for it as well.
pub(crate) const CANARY: &str = "canary-secret";

/// A verifier that may read the directory, consent requests included.
pub(crate) const READER: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a2);
/// An app that requests only delegated permissions.
pub(crate) const SIGN_IN: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a3);

fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some(KEY.to_owned()),
        "APP_SECRET" => Some(APP_SECRET.to_owned()),
        "READER_SECRET" => Some(READER_SECRET.to_owned()),
        "WRONG_SECRET" => Some("canary-secret-that-is-wrong".to_owned()),
        _ => None,
    }
}

fn apps() -> String {
    let settings = format!("{BY_ITSELF}\nafterwards = \"The first copy starts tonight.\"");
    let permissions = USUAL.replace("] }\n", "], forbidden = [\"Mail.ReadWrite\"] }\n");
    let sign_in = format!(
        r#"
[[apps]]
id = "sign-in"
client_id = "{SIGN_IN}"
name = "Northwind Portal"
cloud = "sandbox"
{BY_ITSELF}
[apps.permissions."Microsoft Graph"]
delegated = {{ required = ["User.Read", "Mail.Send"] }}
"#
    );
    [mail_backup(&settings, &permissions), reader(DIRECTORY_AND_REQUESTS), sign_in].concat()
}

/// Makes an outbox that uses the stage's clock.
pub(crate) type MakeOutbox = Box<dyn FnOnce(Clock) -> Arc<dyn Outbox>>;

/// The differences from the usual stage.
#[derive(Default)]
pub(crate) struct Options {
    /// Replaces the apps of `consent.toml`.
    pub(crate) apps: Option<String>,
    /// The simulated AWS; by default there is none.
    pub(crate) aws: Option<aws_config::SdkConfig>,
    /// Whether the sandbox also simulates AWS STS.
    pub(crate) sts: bool,
    /// Whether `installation.home_tenant` is set.
    pub(crate) home_tenant: bool,
    /// More lines of `consent.toml`.
    pub(crate) more: String,
    /// The environment variable of the key secret. By default, its value contains the canary.
    pub(crate) key_variable: Option<&'static str>,
    /// APIs that every tenant has besides Graph and Exchange.
    pub(crate) resources: Vec<ResourceApp>,
    /// A queue and an event bus, and a worker behind them.
    pub(crate) queue: bool,
    /// Replaces the queue and the bus.
    pub(crate) outbox: Option<MakeOutbox>,
    /// The first byte of all random numbers, which decides how much a wait is lengthened or shortened. By default it is random.
    pub(crate) dice: Option<u8>,
}

pub(crate) struct Stage {
    _sandbox: Sandbox,
    pub(crate) control: Control,
    /// The sandbox's address.
    pub(crate) microsoft: String,
    pub(crate) installation: Arc<Installation>,
    /// The worker's process: it shares queue, bus and records with the function, and has its own caches.
    pub(crate) worker: Arc<Installation>,
    pub(crate) outbox: Arc<MemoryOutbox>,
    pub(crate) base: String,
    pub(crate) clock: SandboxClock,
    pub(crate) http: reqwest::Client,
    records: Arc<Mutex<Vec<String>>>,
    room: Arc<AtomicUsize>,
    pages: Arc<Mutex<Vec<String>>>,
    links: Arc<Mutex<Vec<String>>>,
}

/// One answer of the function.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
    pub(crate) url: String,
}

impl Page {
    pub(crate) fn outcome(&self) -> String {
        let html = Html::parse_document(&self.body);
        let main = html.select(&Selector::parse("main").unwrap()).next().unwrap_or_else(|| panic!("no <main> in {}", self.body));
        main.attr("data-outcome").or(main.attr("data-notice")).unwrap_or_else(|| panic!("no outcome in {}", self.body)).to_owned()
    }

    /// The text that a reader sees, with whitespace collapsed.
    pub(crate) fn text(&self) -> String {
        let html = Html::parse_document(&self.body);
        let text: String = html.select(&Selector::parse("main").unwrap()).flat_map(|main| main.text()).collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let redirect = format!("{base}/callback");
        let clock = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
        let mut scenario = Scenario::demo(&redirect);
        let secret = |value: &str| ClientSecret { value: value.into(), expires: None };
        scenario.resources = options.resources;
        for app in &mut scenario.apps {
            if app.client_id == demo::APP {
                app.secrets = vec![secret(APP_SECRET)];
            }
        }
        let app = |client_id, name: &str, value, permissions| AppRegistration {
            home: Some(demo::HOME),
            redirect_uris: vec![redirect.clone()],
            secrets: vec![secret(value)],
            permissions: vec![permissions],
            ..AppRegistration::new(client_id, name)
        };
        scenario.apps.push(app(
            READER,
            "Northwind Reader",
            READER_SECRET,
            PermissionSet::graph(&["Directory.Read.All", "ConsentRequest.Read.All"], &[]),
        ));
        scenario.apps.push(app(SIGN_IN, "Northwind Portal", APP_SECRET, PermissionSet::graph(&[], &["User.Read", "Mail.Send"])));
        let sandbox = Sandbox::start(SandboxOptions { port: None, clock: clock.clone(), scenario }).unwrap();

        let home = if options.home_tenant { northwind::home() } else { String::new() };
        let key = format!(r#"{{ env = "{}" }}"#, options.key_variable.unwrap_or("KEY"));
        let head = northwind::head(&base, &key, sandbox.url(), &home);
        let text = [head, options.more, "\n".into(), options.apps.unwrap_or_else(apps)].concat();
        let config = Config::parse(&text, Path::new("test.toml"), &environment).unwrap_or_else(|error| panic!("{error}"));
        let aws = match options.sts {
            true => Some(crate::secrets::settings(&format!("{}/sts", sandbox.url())).await),
            false => options.aws,
        };
        let records = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&records);
        let room = Arc::new(AtomicUsize::new(usize::MAX));
        let time = clock.clone();
        let outbox = Arc::new(MemoryOutbox::new(clock.clone()));
        let instead = options.outbox.map(|make| {
            let time = clock.clone();
            make(Clock::new(move || time.now()))
        });
        let dice = options.dice;
        let dependencies = || {
            let (time, kept, room) = (time.clone(), Arc::clone(&kept), Arc::clone(&room));
            Dependencies {
                roots: Roots::Embedded,
                clock: Clock::new(move || time.now()),
                rng: Rng::new(move || {
                    let [first, rest @ ..] = *uuid::Uuid::new_v4().as_bytes();
                    let mut bytes = [dice.unwrap_or(first); 16];
                    bytes[1..].copy_from_slice(&rest);
                    bytes
                }),
                sink: Sink::new(move |line| {
                    if room.fetch_update(SeqCst, SeqCst, |room| room.checked_sub(1)).is_err() {
                        return Err(std::io::ErrorKind::StorageFull.into());
                    }
                    kept.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
                    Ok(())
                }),
                environment,
                outbox: instead.clone().or_else(|| options.queue.then(|| Arc::clone(&outbox) as Arc<dyn Outbox>)),
                aws: aws.clone().map(AwsClients::with_settings),
            }
        };
        let worker = Arc::new(Installation::new(config.clone(), dependencies()));
        let installation = Arc::new(Installation::new(config, dependencies()));
        tokio::spawn(entra_consent::serve::http::serve(Arc::clone(&installation), listener, std::future::pending()));
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self {
            control: sandbox.control(),
            microsoft: sandbox.url().to_owned(),
            worker,
            outbox,
            _sandbox: sandbox,
            installation,
            base,
            clock,
            http,
            records,
            room,
            pages: Arc::default(),
            links: Arc::default(),
        }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// From now on, the recorder accepts this number of lines and refuses the next.
    pub(crate) fn leave_room_for(&self, lines: usize) {
        self.room.store(lines, SeqCst);
    }

    /// Lets the worker process every message that is due within this number of seconds, and advances the clock by them.
    pub(crate) async fn work(&self, seconds: u64) {
        let until = self.clock.unix_seconds() + i64::try_from(seconds).unwrap();
        while let Some(message) = self.outbox.take_next() {
            if message.due > until {
                self.outbox.requeue(message);
                break;
            }
            self.wait_until(message.due);
            let delivery = Delivery { id: &message.id, body: &message.body, received: message.received, receipt: Some(&message.id) };
            if carry_out(&self.worker, delivery).await != Handled::Done {
                self.outbox.give_back(message);
            }
        }
        self.wait_until(until);
    }

    pub(crate) fn wait_until(&self, moment: i64) {
        if let Ok(wait) = u64::try_from(moment - self.clock.unix_seconds()) {
            self.advance(wait);
        }
    }

    pub(crate) fn change(&self, change: Change) {
        self.control.apply(change).unwrap();
    }

    /// Grants the permissions of the registration, as a click on Accept does.
    pub(crate) fn grant(&self, tenant: TenantId, app: ClientId) {
        self.change(Change::Grant { tenant, app, permissions: None });
    }

    /// A direct link for an app and a tenant.
    pub(crate) async fn link_for(&self, app: &str, tenant: ExpectedTenant) -> Url {
        let app = self.installation.config.app(&ProfileId::parse(app).unwrap()).unwrap();
        let expectation = Expectation {
            app: app.profile.id.clone(),
            tenant,
            label: Some(Label::parse("Contoso GmbH").unwrap()),
            reference: Some(Reference::parse("T-4711").unwrap()),
            invitation: None,
        };
        let (_, link) = self.installation.direct_link(app, expectation, self.installation.config.links.invitation).await.unwrap();
        self.links.lock().unwrap().push(ticket_of(&link));
        link
    }

    pub(crate) async fn link(&self, tenant: TenantId) -> Url {
        self.link_for("mail-backup", ExpectedTenant::Tenant(same_id(tenant))).await
    }

    /// An invitation for one app.
    pub(crate) async fn invite(&self, app: &str, tenant: TenantId) -> String {
        let subject = Subject::App(ProfileId::parse(app).unwrap());
        let life = self.installation.config.links.invitation;
        self.installation.invitation(subject, ExpectedTenant::Tenant(same_id(tenant)), None, None, life).await.unwrap().1
    }

    pub(crate) async fn ticket(&self, tenant: TenantId) -> String {
        ticket_of(&self.link(tenant).await)
    }

    /// Decides on Microsoft's page and returns the redirect.
    pub(crate) async fn decide(&self, link: &Url, tenant: TenantId, role: UserRole, what: &str) -> Response {
        let user = self.control.user(tenant, role).unwrap().to_string();
        self.http.post(link.clone()).form(&[("user", user.as_str()), ("do", what)]).send().await.unwrap()
    }

    /// Lets the administrator of the tenant press a button, and returns the page where the browser ends.
    pub(crate) async fn administrator(&self, link: &Url, tenant: TenantId, what: &str) -> Page {
        let answer = self.decide(link, tenant, UserRole::Administrator, what).await;
        self.open(answer.headers()["location"].to_str().unwrap()).await
    }

    /// Claims success. A claim that a person types looks the same as a claim from Microsoft.
    pub(crate) async fn claim_success(&self, ticket: &str, tenant: TenantId) -> Page {
        self.open(&format!("{}/callback?admin_consent=True&tenant={tenant}&state={ticket}", self.base)).await
    }

    pub(crate) async fn claim(&self, ticket: &str, query: &str) -> Page {
        self.open(&format!("{}/callback?{query}&state={ticket}", self.base)).await
    }

    /// The JSON answer for an address, without redirects.
    pub(crate) async fn json(&self, url: &str) -> Value {
        self.http.get(url).header("accept", "application/json").send().await.unwrap().json().await.unwrap()
    }

    /// One request without redirects.
    pub(crate) async fn get(&self, url: &str) -> Page {
        self.read(self.http.get(url).send().await.unwrap()).await
    }

    pub(crate) async fn read(&self, answer: Response) -> Page {
        let page = Page {
            status: answer.status(),
            headers: answer.headers().clone(),
            url: answer.url().to_string(),
            body: answer.text().await.unwrap(),
        };
        self.pages.lock().unwrap().push(page.body.clone());
        page
    }

    /// Opens an address as a browser does and follows the product's redirects. From a callback there are at most two: to the result page, and
    /// to its address with what its own check showed.
    pub(crate) async fn open(&self, url: &str) -> Page {
        let mut page = self.get(url).await;
        for _ in 0..2 {
            let Some(location) = page.header("location") else { break };
            assert_eq!(page.status, StatusCode::SEE_OTHER);
            let ours = ["r", "w"].map(|room| format!("{}/{room}/", self.base));
            assert!(ours.iter().any(|room| location.starts_with(room)), "{location}");
            page = self.get(location).await;
        }
        assert!(page.header("location").is_none(), "redirected without end");
        page
    }

    /// All records so far, each checked against the schema.
    pub(crate) fn records(&self) -> Vec<Value> {
        let lines = self.records.lock().unwrap().clone();
        lines.iter().map(|line| checked_record(line)).collect()
    }

    pub(crate) fn last_record(&self) -> Value {
        self.records().pop().unwrap()
    }
}

impl Drop for Stage {
    /// After any test, asserts that no record and no page contains the test's secrets and tickets.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let pages = self.pages.lock().unwrap();
        let records = self.records.lock().unwrap();
        for text in pages.iter().chain(records.iter()) {
            assert!(!text.contains(CANARY), "the output contains a secret: {text}");
            for ticket in self.links.lock().unwrap().iter() {
                assert!(!text.contains(ticket.as_str()), "the output contains a ticket: {text}");
            }
            for word in ["eyJ0eXAiOiJKV1Qi", "\"access_token\"", "client_secret"] {
                assert!(!text.contains(word), "the output contains {word}: {text}");
            }
        }
        for record in records.iter() {
            checked_record(record);
        }
    }
}

pub(crate) fn ticket_of(link: &Url) -> String {
    link.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

/// A record as JSON. Asserts that the record is one ASCII line within the size limit and matches the schema.
pub(crate) fn checked_record(line: &str) -> Value {
    static SCHEMA: std::sync::LazyLock<jsonschema::Validator> = std::sync::LazyLock::new(|| {
        let text = include_str!("../../../docs/record.schema.json");
        jsonschema::options().should_validate_formats(true).build(&serde_json::from_str(text).unwrap()).unwrap()
    });
    assert!(line.ends_with('\n') && line.len() <= 8 * 1024, "{} bytes", line.len());
    assert!(line.trim_end_matches('\n').bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
    let record: Value = serde_json::from_str(line).unwrap();
    let errors: Vec<_> = SCHEMA.iter_errors(&record).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}\n{line}");
    record
}
