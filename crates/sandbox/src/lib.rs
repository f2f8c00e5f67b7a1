//! A simulated Microsoft Entra and Microsoft Graph on loopback, for `demo` and for the tests.
//!
//! The sandbox serves authority and Graph at one address, makes Entra's checks, answers with Entra's texts and statuses (protocol reference
//! §1 to §4 and §6), and fails as the scenario scripts it. It is not an identity provider, because it discards the keys of its tokens.
//!
//! The sandbox shares no code and no list with the product. The tests compare the two, and an error in a shared part would stay hidden.
//!
//! ```no_run
//! use entra_sandbox::{Sandbox, SandboxOptions, Scenario, demo};
//!
//! let options = SandboxOptions { scenario: Scenario::demo("http://127.0.0.1:8080/callback"), ..Default::default() };
//! let sandbox = Sandbox::start(options)?;
//! println!("authority and Graph: {}", sandbox.url());
//! let asked = sandbox.control().upstream_calls();
//! # Ok::<(), std::io::Error>(())
//! ```

mod aadsts;
mod answer;
mod applications;
mod assertion;
mod batch;
mod callback;
mod catalogue;
mod certificate;
mod change;
mod clock;
mod companions;
mod connection;
mod consent;
mod consent_page;
mod control;
mod control_http;
pub mod demo;
mod discovery;
mod effects;
mod fault;
mod federated;
mod graph;
mod graph_objects;
mod ids;
mod log;
mod partners;
mod request;
mod rng;
mod scenario;
mod secret;
mod serve;
mod state;
mod sts;
mod tenant;
mod token;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use tokio::sync::oneshot;

pub use change::{Change, ReviewDecision};
pub use clock::SandboxClock;
pub use control::{AppState, Control, Refused};
pub use fault::{Effect, Fault, FaultAt, RetryAfter};
pub use ids::{ClientId, NotAGuid, ObjectId, PermissionId, ResourceId, TenantId};
pub use log::{Kind, LoggedRequest};
pub use scenario::{
    AppRegistration, CertificateSetup, ClientSecret, FederatedSetup, GrantSetup, MissingApp, PartnerCustomer, Permission, PermissionSet,
    PublicKeySetup, Replication, ResourceApp, Scenario, ScenarioError, TenantSetup, UserRole, UserSetup,
};
pub use secret::Secret;
pub use sts::AwsSetup;

use connection::{Accepting, Connection};
use serve::Shared;
use state::World;

/// How to start a sandbox.
#[derive(Debug)]
pub struct SandboxOptions {
    /// The port on 127.0.0.1. `None` means any free port.
    pub port: Option<u16>,
    /// The sandbox's clock.
    pub clock: SandboxClock,
    /// The initial state.
    pub scenario: Scenario,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self { port: None, clock: SandboxClock::system(), scenario: Scenario::default() }
    }
}

/// A running sandbox. Dropping it closes its port and all its connections.
#[derive(Debug)]
pub struct Sandbox {
    url: String,
    control: Control,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox on its own thread and runtime, so that it answers while the caller's runtime is blocked. The sandbox accepts
    /// connections as soon as this function returns.
    ///
    /// # Errors
    /// If the port cannot be bound, the thread cannot be started, or the scenario contradicts itself (`InvalidInput` around the
    /// [`ScenarioError`]).
    pub fn start(options: SandboxOptions) -> io::Result<Self> {
        let SandboxOptions { port, clock, scenario } = options;
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0))))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let url = format!("http://localhost:{port}");
        let world = World::new(&scenario, clock, &url).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let shared = Arc::new(Shared { world: Mutex::new(world), port, connections: Arc::default() });
        let router = Router::new().fallback(serve::serve).with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let connections = Arc::clone(&shared.connections);
        let thread = std::thread::Builder::new().name("sandbox".into()).spawn(move || {
            // This thread makes and drops the runtime, because the caller may be inside a runtime, where dropping another one panics.
            let made = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
                let accepting = {
                    let _inside = runtime.enter();
                    Accepting { listener: tokio::net::TcpListener::from_std(listener)?, connections }
                };
                Ok((runtime, accepting))
            });
            let (runtime, listener) = match made {
                Ok(made) => made,
                Err(error) => {
                    // The caller waits for this message.
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let _ = ready.send(Ok(()));
            runtime.block_on(async move {
                let service = router.into_make_service_with_connect_info::<Connection>();
                let serving = axum::serve(listener, service);
                tokio::select! {
                    // Neither branch ends by itself: the server runs forever, and the sender is dropped only with the sandbox.
                    _ = serving.into_future() => {}
                    _ = stopped => {}
                }
            });
            // Dropping the runtime drops its connections, idle and busy alike.
        })?;
        started.recv().map_err(|_| io::Error::other("the sandbox's thread ended before it was ready"))??;
        Ok(Self { url, control: Control(shared), stop: Some(stop), thread: Some(thread) })
    }

    /// `http://localhost:PORT`: the base of the authority, of Graph, and of Graph's scope `{url}/.default`. The same server answers at
    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A handle that changes and observes the sandbox.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // This fails only if the thread has already ended.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // The panic hook printed a panic of the thread when it happened.
            let _ = thread.join();
        }
    }
}
