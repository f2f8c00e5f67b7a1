//! `entra-consent serve`: runs the function on this machine, against the real Microsoft.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::exit::{CommandError, DOCTOR, Exit, VERBOSE, failed, unusable, usage};
use super::terminal::complain;
use crate::config::{Config, SecretSource};
use crate::env::{Clock, Roots};
use crate::expiry;
use crate::file;
use crate::installation::{Dependencies, Installation};
use crate::outbox::Outbox;
use crate::serve::http;
use crate::serve::store::{Background, Store, StoreError, StoreFault, StoreOutbox, millis_of};
use crate::serve::webhook::{SigningSecrets, Webhook};

/// How many dead letters the start message lists.
const MOST_SHOWN: usize = 5;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/serve.txt"))]
pub(super) struct ServeArgs {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = address)]
    listen: SocketAddr,
    /// Before anything else, try again what the store gave up: orders that failed, events that could not be posted.
    #[arg(long)]
    retry_dead_letters: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address and a port, such as 127.0.0.1:8080".to_owned())
}

const STORE: &str = "check the file of store.path, its folder and its disk";
const AGAIN: &str = "start again: nothing that waits is lost";

/// Why a port could not be taken. `flag` chooses another.
pub(super) fn cannot_listen(at: impl std::fmt::Display, error: &std::io::Error, flag: &str) -> CommandError {
    failed(format!("cannot listen on {at}: {error}"), format!("end the program that has it, or choose another with {flag}"))
}

#[cfg(unix)]
fn unheard(error: &std::io::Error) -> CommandError {
    failed(format!("signals cannot be heard: {error}"), VERBOSE)
}

/// Refuses files with secrets that other users of this machine can read.
fn refuse_readable_secrets(config: &Config) -> Result<(), CommandError> {
    let credentials = config.apps.iter().filter_map(|app| app.credential.as_ref()?.kept_in());
    let mut secrets = credentials.chain([&config.keys]).chain(config.webhook.as_ref().map(|webhook| &webhook.secret));
    let readable = secrets.find_map(|source| match source {
        SecretSource::File(path) if file::is_readable_by_others(path) => Some(path.display()),
        _ => None,
    });
    readable.map_or(Ok(()), |path| {
        Err(failed(format!("others on this machine may read {path}, which holds a secret"), format!("chmod 600 {path}")))
    })
}

/// The store of a start and its outbox. Another process may have the store still.
struct Kept {
    store: Option<Store>,
    outbox: Arc<StoreOutbox>,
}

/// Opens the store and its outbox, if a store is configured.
async fn keep(config: &Config, clock: &Clock) -> Result<Option<Kept>, CommandError> {
    let Some(path) = &config.store else { return Ok(None) };
    let has_webhook = config.webhook.is_some();
    let (store, outbox) = match Store::open(path).await {
        Ok(store) => (Some(store.clone()), StoreOutbox::new(store, clock.clone(), has_webhook)),
        Err(StoreError::InUse(_)) => (None, StoreOutbox::in_wait(clock.clone(), has_webhook)),
        Err(error) => return Err(failed(error, STORE)),
    };
    Ok(Some(Kept { store, outbox: Arc::new(outbox) }))
}

/// How long a new process waits for the store that an old one has. The old one needs up to 30 s after its stop signal.
const STORE_PATIENCE: Duration = Duration::from_secs(60);
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Waits until the other process ends, and then stores what this one held in memory.
async fn wait_for_store(path: &Path, outbox: &StoreOutbox, installation: &Installation) -> Result<Store, CommandError> {
    let began = Instant::now();
    tracing::warn!(
        store.path = %path.display(),
        store.patience_s = STORE_PATIENCE.as_secs(),
        "another process has the store: pages are answered, and orders and events are held in memory until that process ends"
    );
    loop {
        sleep(STORE_PAUSE).await;
        match Store::open(path).await {
            Ok(store) => {
                let held = outbox.open(&store, installation).await;
                tracing::info!(
                    store.waited_s = began.elapsed().as_secs(),
                    messages.held = held,
                    "the other process has ended: the store is open, and what was held in memory is stored"
                );
                return Ok(store);
            }
            Err(StoreError::InUse(_)) if began.elapsed() < STORE_PATIENCE => {}
            Err(error) => return Err(failed(error, STORE)),
        }
    }
}

/// Prepares the store and starts the tasks that work on it.
async fn start_background(
    Kept { store, outbox }: Kept,
    installation: &Arc<Installation>,
    webhook: Option<Webhook>,
    args: &ServeArgs,
) -> Result<Background, CommandError> {
    let path = installation.config.store.as_deref().unwrap_or(Path::new(""));
    let store = match store {
        Some(store) => store,
        None => wait_for_store(path, &outbox, installation).await?,
    };
    if args.retry_dead_letters {
        let revived = store.revive(millis_of(installation.clock.now())).await.map_err(|error| failed(error, STORE))?;
        say!("{revived} dead letters are tried again.");
    }
    say!("{}", introduced(&store, path, webhook.as_ref()).await.map_err(|error| failed(error, STORE))?);
    Ok(Background::start(installation, &store, &outbox, webhook))
}

/// Creates the webhook and checks its secret, so that a fault shows at the start and not at the first approval.
async fn webhook(installation: &Installation) -> Result<Option<Webhook>, CommandError> {
    let Some(config) = installation.config.webhook.clone() else { return Ok(None) };
    let secret = installation.secret(&config.secret).await.map_err(|error| failed(format!("webhook.secret: {error}"), DOCTOR))?;
    SigningSecrets::parse(&secret).map_err(|error| {
        let what = format!("webhook.secret: the secret kept in {} cannot sign: {error}.", config.secret);
        failed(what, "printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\", which makes one")
    })?;
    Webhook::new(config).map(Some).map_err(|error| failed(error, DOCTOR))
}

pub(super) async fn run(config: Config, args: &ServeArgs) -> Result<Exit, CommandError> {
    // A store replaces the queue and the bus.
    let (key, instead) = match (&config.store, &config.worker.queue, &config.events.bus) {
        (Some(_), Some(_), _) => ("worker.queue", "carries orders out by itself"),
        (Some(_), None, Some(_)) => ("events.bus", "posts events to [webhook]"),
        (None, ..) | (Some(_), None, None) => return serve(config, args).await,
    };
    let what = format!("store.path and {key} contradict each other: with a store, `serve` {instead}.");
    Err(usage(what, "remove one of the two, from the environment also"))
}

async fn serve(config: Config, args: &ServeArgs) -> Result<Exit, CommandError> {
    refuse_readable_secrets(&config)?;
    let dependencies = Dependencies::real(Roots::Platform);
    let kept = keep(&config, &dependencies.clock).await?;
    let outbox = kept.as_ref().map(|kept| Arc::clone(&kept.outbox));
    let as_outbox = outbox.clone().map(|outbox| outbox as Arc<dyn Outbox>);
    let installation = Arc::new(Installation::new(config, Dependencies { outbox: as_outbox, ..dependencies }));
    installation.keys().await.map_err(|error| failed(error, DOCTOR))?;
    let webhook = webhook(&installation).await?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args.listen, &error, "--listen"))?;
    let address = listener.local_addr().unwrap_or(args.listen);
    say!("Listening on http://{address}. Redirect address to register: {}", installation.redirect_address());
    if !address.ip().is_loopback() && installation.config.site.trusted_proxies.networks.is_empty() {
        complain(
            "Other machines can reach it, and site.trusted_proxies is empty: records take the address of each connection for the visitor's. Name \
             the proxies in front of it, or listen on 127.0.0.1",
        );
    }
    let (mut background, mut starting) = (None, None);
    match kept {
        Some(kept) => {
            let is_in_wait = kept.store.is_none();
            let start: StartingBackground<'_> = Box::pin(start_background(kept, &installation, webhook, args));
            if is_in_wait {
                starting = Some(start);
            } else {
                background = Some(start.await?);
            }
        }
        None => {
            if args.retry_dead_letters {
                return Err(failed("--retry-dead-letters needs the store that has them", "add a table [store] to consent.toml"));
            }
            let no_store =
                "There is no [store] in consent.toml: an outcome that can still change is only looked at again when a page is visited.";
            let queue = "Orders go to the queue of worker.queue; its worker checks again the outcomes that can still change.";
            say!("{}", if installation.config.worker.queue.is_some() { queue } else { no_store });
        }
    }
    let signals = StopSignals::listen()?;
    let hangup = Hangup::listen()?;
    say!("Records go to standard output. Ctrl-C stops.");

    let reloading = tokio::spawn(hangup.reload(Arc::clone(&installation)));
    let daily = tokio::spawn(daily(Arc::clone(&installation)));
    let ended = serve_until_stopped(&installation, listener, background, starting, signals).await;
    if let Some(outbox) = outbox {
        outbox.close(&installation);
    }
    daily.abort();
    reloading.abort();
    installation.records.settle().map_err(|error| unusable("the last count of rejections could not be recorded", &error))?;
    ended
}

/// How long open requests may take to finish after the stop signal. The slowest request takes 4 s, and a connection whose request never
/// completes must not keep the process alive.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// The time limit of the daily credential check. No caller waits for it.
const DAILY_BUDGET: Duration = Duration::from_secs(600);

/// Warns about expiring credentials, at the start and once a day. On AWS, a schedule of the worker does this.
async fn daily(installation: Arc<Installation>) {
    loop {
        if let Err(error) = expiry::warn(&installation, DAILY_BUDGET).await {
            tracing::error!(error.kind = %error.kind(), "not all credentials that end could be warned of");
        }
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    }
}

/// A start that waits for the store.
type StartingBackground<'a> = Pin<Box<dyn Future<Output = Result<Background, CommandError>> + 'a>>;

/// Serves until the signal to stop, then finishes the work in progress. A second signal ends the process immediately.
async fn serve_until_stopped(
    installation: &Arc<Installation>,
    listener: TcpListener,
    mut background: Option<Background>,
    mut starting: Option<StartingBackground<'_>>,
    mut signals: StopSignals,
) -> Result<Exit, CommandError> {
    let (stop, mut stopped) = watch::channel(false);
    let told = async move {
        // This fails only if the sender is gone.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let mut serving = tokio::spawn(http::serve(Arc::clone(installation), listener, told));
    let early = loop {
        let broken = async {
            match &mut background {
                Some(background) => background.broken().await,
                None => std::future::pending().await,
            }
        };
        let started = async {
            match &mut starting {
                Some(starting) => starting.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = signals.next() => break None,
            ended = &mut serving => break Some(failed(format!("the server stopped: {}", reason(ended)), AGAIN)),
            () = broken => {
                break Some(failed("a background task of the server failed; the log says where", AGAIN));
            }
            started = started => {
                starting = None;
                match started {
                    Ok(started) => background = Some(started),
                    Err(error) => {
                        // The requests under way are answered first: their events are recorded as lost with the others.
                        let _ = stop.send(true);
                        let _ = timeout(LAST_ANSWERS, &mut serving).await;
                        break Some(error);
                    }
                }
            }
        }
    };
    if let Some(error) = early {
        return Err(error);
    }
    // This fails only if the server has ended.
    let _ = stop.send(true);
    let stopping = async {
        if let Some(background) = background {
            background.stop().await;
        }
    };
    let ending = async { tokio::join!(timeout(LAST_ANSWERS, serving), stopping).0 };
    tokio::select! {
        ended = ending => match ended {
            // A timeout is fine: connections that are still open never sent a complete request.
            Ok(Ok(Ok(()))) | Err(_) => Ok(Exit::Done),
            Ok(ended) => Err(failed(format!("the server stopped: {}", reason(ended)), AGAIN)),
        },
        () = signals.next() => Ok(Exit::Interrupted),
    }
}

fn reason(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    }
}

async fn introduced(store: &Store, path: &Path, webhook: Option<&Webhook>) -> Result<String, StoreFault> {
    let counts = store.counts().await?;
    let (path, orders) = (path.display(), counts.orders);
    let mut text = format!("Outcomes that can still change are looked at again. The store is {path}: {orders} orders wait");
    match webhook {
        Some(webhook) => {
            let host = webhook.config().address.host();
            text.push_str(&format!(", {} events too.\nOutcome events go to the webhook at {host}.", counts.deliveries));
        }
        None => {
            text.push_str(".\nThere is no [webhook] in consent.toml, so no other system gets the outcomes.");
            if counts.deliveries > 0 {
                text.push_str(&format!(" {} events of earlier wait in the store until there is one.", counts.deliveries));
            }
        }
    }
    if counts.dead > 0 {
        text.push_str(&format!("\n{} dead letters were given up; --retry-dead-letters tries them again. The latest:", counts.dead));
        for letter in store.dead_letters(MOST_SHOWN).await? {
            text.push_str(&format!("\n  {} {}: {} ({} attempts)", letter.kind, letter.message_id(), letter.why, letter.failures));
        }
    }
    Ok(text)
}

/// Ctrl-C, and the signal with which a service manager ends a process. Receives signals from its creation on, even before the first `next`.
#[derive(Debug)]
pub(super) struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Starts to listen. From now on, signals no longer end the process by themselves.
    pub(super) fn listen() -> Result<Self, CommandError> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| signal(kind).map_err(|error| unheard(&error));
            Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// SIGHUP, with which a service manager asks for a reload. Receives signals from its creation on.
struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    fn listen() -> Result<Self, CommandError> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signal = signal(SignalKind::hangup()).map_err(|error| unheard(&error))?;
            Ok(Self { signal })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Reads the secrets again at each signal, so that an exchanged or revoked key counts at once.
    #[cfg(unix)]
    async fn reload(mut self, installation: Arc<Installation>) {
        while self.signal.recv().await.is_some() {
            match installation.reload_secrets().await {
                Ok(keys) => say!("The secrets are read again: {} signs.", keys.kid()),
                Err(error) => complain(&format!("The secrets are not read again: {error}")),
            }
        }
    }

    #[cfg(not(unix))]
    async fn reload(self, _: Arc<Installation>) {}
}

/// Waits for a stop signal. Listening starts at the first poll.
pub(super) async fn stop_signal() {
    match StopSignals::listen() {
        Ok(mut signals) => signals.next().await,
        Err(_) => std::future::pending().await,
    }
}
