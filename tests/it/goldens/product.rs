//! The product as the goldens use it. Only this file imports names of the product, so a move of a module or a rename of a type changes no
//! other golden.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use entra_consent::config::Config;
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::lambda::http_event::{self, Incoming};
use entra_consent::lambda::queue_batch::handle_batch;
use entra_consent::lambda::runtime::Work;
use entra_consent::outbox::Outbox;
use entra_consent::record::Sink;
use entra_consent::serve::http;
use entra_consent::serve::store::{Deliverer, OrderWorker, Store, StoreOutbox};
use entra_consent::serve::webhook::Webhook;
use entra_consent::{expiry, web};
use entra_sandbox::{AppRegistration, Sandbox, SandboxOptions, Scenario};
use serde_json::{Value, json};
use time::macros::datetime;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(super) use entra_sandbox::{
    Change, ClientSecret, Control, Effect, Fault, FaultAt, PermissionSet, RetryAfter, SandboxClock, TenantId, UserRole, demo,
};

use crate::support::northwind::{self, APP_SECRET, APPLE_AND_CHAIN, BY_ITSELF, DIRECTORY_AND_REQUESTS, KEY, READER_SECRET, USUAL};
use crate::support::northwind::{mail_backup, reader};
use crate::support::outbox::MemoryOutbox;
pub(super) use crate::support::outbox::{Message, Mood};
pub(super) use crate::support::stage::{READER, SIGN_IN};

/// The public address, which is also the issuer of every token.
pub(super) const BASE: &str = "https://consent.northwind.example";

/// The differences from the usual installation.
#[derive(Default)]
pub(super) struct Setup {
    /// Replaces the apps of `consent.toml`.
    pub(super) apps: Option<String>,
    /// More tables of `consent.toml`.
    pub(super) more: String,
    /// Leaves out the variable of the key secret, so that the key is unreadable.
    pub(super) without_keys: bool,
    /// Runs `serve` with this store and webhook.
    pub(super) store: Option<Stored>,
}

/// The paths of the store and the webhook of `serve`.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) path: std::path::PathBuf,
    pub(super) webhook: String,
}

/// The apps of most goldens.
pub(super) fn apps() -> String {
    let settings = format!("{BY_ITSELF}\npurpose = \"Copies mail every night.\"\nafterwards = \"The first copy starts tonight.\"");
    apps_with(&settings)
}

/// The same apps, with the reader as verifier of the app that customers approve.
pub(super) fn apps_verified_by_reader() -> String {
    apps_with(northwind::BY_READER)
}

fn apps_with(settings: &str) -> String {
    let permissions = USUAL.replace("] }\n", "], forbidden = [\"Mail.ReadWrite\"] }\n");
    let sign_in = format!(
        "\n[[apps]]\nid = \"sign-in\"\nclient_id = \"{SIGN_IN}\"\nname = \"Northwind Portal\"\ncloud = \"sandbox\"\n{BY_ITSELF}\n\
         [apps.permissions.\"Microsoft Graph\"]\ndelegated = {{ required = [\"User.Read\", \"Mail.Send\"] }}\n"
    );
    [mail_backup(settings, &permissions), reader(DIRECTORY_AND_REQUESTS), sign_in, APPLE_AND_CHAIN.into()].concat()
}

pub(super) fn client_secret(value: &str) -> ClientSecret {
    ClientSecret { value: value.into(), expires: None }
}

fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some(KEY.to_owned()),
        "APP_SECRET" => Some(APP_SECRET.to_owned()),
        "READER_SECRET" => Some(READER_SECRET.to_owned()),
        "WEBHOOK_SECRET" => Some(crate::serve::webhook::SECRET.to_owned()),
        _ => None,
    }
}

/// Random bytes that repeat in every run. The first byte sets the jitter of waits to the middle of its range. The mark makes IDs from these
/// bytes recognisable ([`super::names`]).
fn rng(process: u8) -> Rng {
    let drawn = AtomicU64::new(0);
    Rng::new(move || {
        let count = drawn.fetch_add(1, SeqCst).to_be_bytes();
        [127, process, 0x5e, 0xed, 0, 0, 0, 0, 0x5e, 0xed, 0x5e, 0xed, count[4], count[5], count[6], count[7]]
    })
}

/// An installation with the simulated Microsoft and a stopped clock. It collects everything that leaves the product.
pub(super) struct Product {
    _sandbox: Sandbox,
    pub(super) control: Control,
    pub(super) microsoft: String,
    pub(super) clock: SandboxClock,
    pub(super) outbox: Arc<MemoryOutbox>,
    config: Config,
    installation: Arc<Installation>,
    worker: Installation,
    store: Option<(Stored, Store)>,
    server: Option<(oneshot::Sender<()>, JoinHandle<std::io::Result<()>>)>,
    records: Arc<Mutex<Vec<String>>>,
    room: Arc<AtomicUsize>,
}

impl Product {
    pub(super) async fn new(setup: Setup) -> Self {
        let clock = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
        let redirect = format!("{BASE}/callback");
        let mut scenario = Scenario::demo(&redirect);
        for app in scenario.apps.iter_mut().filter(|app| app.client_id == demo::APP) {
            app.secrets = vec![client_secret(APP_SECRET)];
        }
        let app = |client_id, name: &str, value, permissions| AppRegistration {
            home: Some(demo::HOME),
            redirect_uris: vec![redirect.clone()],
            secrets: vec![client_secret(value)],
            permissions: vec![permissions],
            ..AppRegistration::new(client_id, name)
        };
        let rights = PermissionSet::graph(&["Directory.Read.All", "ConsentRequest.Read.All"], &[]);
        scenario.apps.push(app(READER, "Northwind Reader", READER_SECRET, rights));
        scenario.apps.push(app(SIGN_IN, "Northwind Portal", APP_SECRET, PermissionSet::graph(&[], &["User.Read", "Mail.Send"])));
        let sandbox = Sandbox::start(SandboxOptions { port: None, clock: clock.clone(), scenario }).unwrap();

        let key = if setup.without_keys { r#"{ env = "MISSING" }"# } else { r#"{ env = "KEY" }"# };
        let head = northwind::head(BASE, key, sandbox.url(), "");
        let serve = setup.store.as_ref().map_or_else(String::new, |stored| {
            let (path, webhook) = (stored.path.display(), &stored.webhook);
            format!("[store]\npath = \"{path}\"\n[webhook]\nurl = \"{webhook}\"\nsecret = {{ env = \"WEBHOOK_SECRET\" }}\n")
        });
        let text = [head, serve, setup.more, "\n".into(), setup.apps.unwrap_or_else(apps)].concat();
        let config = Config::parse(&text, Path::new("golden.toml"), &environment).unwrap_or_else(|error| panic!("{error}"));
        let store = match setup.store {
            Some(stored) => Some((stored.clone(), Store::open(&stored.path).await.unwrap())),
            None => None,
        };
        let records = Arc::new(Mutex::new(Vec::new()));
        let room = Arc::new(AtomicUsize::new(usize::MAX));
        let outbox = Arc::new(MemoryOutbox::new(clock.clone()));
        let make = |process| {
            let outbox = outbox_of(store.as_ref(), &clock, &outbox);
            Installation::new(config.clone(), dependencies(process, &clock, &records, &room, outbox))
        };
        let (installation, worker) = (Arc::new(make(0)), make(1));
        Self {
            control: sandbox.control(),
            microsoft: sandbox.url().into(),
            _sandbox: sandbox,
            clock,
            outbox,
            config,
            installation,
            worker,
            store,
            server: None,
            records,
            room,
        }
    }

    /// The answer of the function `callback` to an event, from the entry point that its runtime loop calls.
    pub(super) async fn callback(&self, event: &[u8]) -> Value {
        let incoming = http_event::read(event);
        let front_door = incoming.front_door();
        let response = match incoming {
            Incoming::Http(request) => web::handle(&self.installation, request).await,
            Incoming::Refused { request, reason } => web::refuse(&self.installation, &request, reason.reason()),
            Incoming::NotHttp(kind) => web::refuse_event(&self.installation, kind.reason()),
        };
        serde_json::from_str(http_event::answer(front_door, response).await.get()).unwrap()
    }

    /// The answer of the function `worker` to an event.
    pub(super) async fn worker(&self, event: &Value) -> Value {
        match Work::read(&event.to_string()) {
            Ok(Work::Batch(batch)) => serde_json::to_value(handle_batch(&self.worker, batch).await).unwrap(),
            Ok(Work::Daily) => match expiry::warn(&self.worker, expiry::WITHIN_FUNCTION).await {
                Ok(_) => json!({ "done": "daily" }),
                Err(error) => json!({ "error": error.kind().to_string() }),
            },
            Err(error) => json!({ "error": error.to_string() }),
        }
    }

    /// Starts the HTTP server of `serve` and returns its address.
    pub(super) async fn listen(&mut self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = http::serve(Arc::clone(&self.installation), listener, async {
            let _ = stopped.await;
        });
        self.server = Some((stop, tokio::spawn(serving)));
        address
    }

    /// Runs the background work of `serve` until nothing is due.
    pub(super) async fn background(&self) {
        let (_, store) = self.store.as_ref().unwrap();
        let webhook = Webhook::new(self.config.webhook.clone().unwrap()).unwrap();
        let worker = OrderWorker::new(Arc::clone(&self.installation), store.clone());
        let mut deliverer = Deliverer::new(Arc::clone(&self.installation), store.clone(), webhook, rng(2));
        while worker.step().await.unwrap() + deliverer.step().await.unwrap() > 0 {}
    }

    /// The number of orders, deliveries and dead letters in the store.
    pub(super) async fn kept(&self) -> Value {
        let counts = self.store.as_ref().unwrap().1.counts().await.unwrap();
        json!({ "orders": counts.orders, "deliveries": counts.deliveries, "dead": counts.dead })
    }

    /// Stops `serve` and starts it again. Only the store's file survives.
    pub(super) async fn restart(&mut self) {
        if let Some((stop, server)) = self.server.take() {
            let _ = stop.send(());
            server.await.unwrap().unwrap();
        }
        let (stored, store) = self.store.take().unwrap();
        drop(store);
        // The store's file can be opened again only after every handle is closed.
        (self.installation, self.worker) = self.sites([5, 6]);
        self.store = Some((stored.clone(), Store::open(&stored.path).await.unwrap()));
        (self.installation, self.worker) = self.sites([3, 4]);
    }

    fn sites(&self, processes: [u8; 2]) -> (Arc<Installation>, Installation) {
        let [installation, worker] = processes.map(|process| {
            let outbox = outbox_of(self.store.as_ref(), &self.clock, &self.outbox);
            Installation::new(self.config.clone(), dependencies(process, &self.clock, &self.records, &self.room, outbox))
        });
        (Arc::new(installation), worker)
    }

    pub(super) fn change(&self, change: Change) {
        self.control.apply(change).unwrap();
    }

    /// From now on, the recorder accepts this number of lines and refuses the next.
    pub(super) fn leave_room_for(&self, lines: usize) {
        self.room.store(lines, SeqCst);
    }

    /// Returns the records since the last call.
    pub(super) fn take_records(&self) -> Vec<String> {
        std::mem::take(&mut self.records.lock().unwrap())
    }
}

fn outbox_of(store: Option<&(Stored, Store)>, clock: &SandboxClock, memory: &Arc<MemoryOutbox>) -> Arc<dyn Outbox> {
    match store {
        Some((_, store)) => Arc::new(StoreOutbox::new(store.clone(), product_clock(clock), true)),
        None => Arc::clone(memory) as Arc<dyn Outbox>,
    }
}

fn product_clock(clock: &SandboxClock) -> Clock {
    let time = clock.clone();
    Clock::new(move || time.now())
}

fn dependencies(
    process: u8,
    clock: &SandboxClock,
    records: &Arc<Mutex<Vec<String>>>,
    room: &Arc<AtomicUsize>,
    outbox: Arc<dyn Outbox>,
) -> Dependencies {
    let (records, room) = (Arc::clone(records), Arc::clone(room));
    Dependencies {
        roots: Roots::Embedded,
        clock: product_clock(clock),
        rng: rng(process),
        sink: Sink::new(move |line| {
            if room.fetch_update(SeqCst, SeqCst, |room| room.checked_sub(1)).is_err() {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            records.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        }),
        environment,
        outbox: Some(outbox),
        aws: None,
    }
}
