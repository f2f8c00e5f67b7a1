//! Opens connections before their first request. A check needs a credential, then a token, then Graph. The connections to both hosts open
//! while the check still waits for the first two.
//!
//! A client cannot be asked to connect: it connects when it sends a request. So a second client starts a request, and its connector begins
//! to connect, keeps the connection in a slot and fails. That request is never sent. The connector of the first client then takes the
//! connection out of the slot.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use reqwest::Client;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower_layer::Layer;
use tower_service::Service;

use super::cloud::Endpoints;
use crate::sync::locked;

/// Longest time to open a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(1);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A host of Microsoft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The token endpoint, and discovery.
    Authority,
    /// Microsoft Graph.
    Graph,
}

tokio::task_local! {
    /// The host of the request that the task is sending.
    static PEER: Peer;
}

/// Sends a request to this host. If the request needs a new connection, it gets the early one.
pub(super) async fn send_to<F: Future>(peer: Peer, sending: F) -> F::Output {
    PEER.scope(peer, sending).await
}

/// A value for each host.
#[derive(Debug, Default)]
struct PerPeer<T> {
    authority: T,
    graph: T,
}

impl<T> PerPeer<T> {
    fn of(&self, peer: Peer) -> &T {
        match peer {
            Peer::Authority => &self.authority,
            Peer::Graph => &self.graph,
        }
    }
}

/// Opens connections early for one client.
#[derive(Debug)]
pub(super) struct Early {
    opener: Client,
    slots: Arc<dyn AnySlots>,
    /// When a host last answered.
    answered: PerPeer<Mutex<Option<OffsetDateTime>>>,
}

impl Early {
    /// Builds a client and what opens its connections early. `builder` returns equal builders, which share their TLS settings.
    ///
    /// # Errors
    /// As [`reqwest::ClientBuilder::build`].
    pub(super) fn with_client(builder: impl Fn() -> reqwest::ClientBuilder) -> reqwest::Result<(Client, Self)> {
        let slots = Arc::new(Slots(PerPeer { authority: Mutex::new(None), graph: Mutex::new(None) }));
        let layer = |role| EarlyLayer { slots: Arc::clone(&slots), role };
        let client = builder().connector_layer(layer(Role::Takes)).build()?;
        let opener = builder().pool_max_idle_per_host(0).connector_layer(layer(Role::Opens)).build()?;
        Ok((client, Self { opener, slots, answered: PerPeer::default() }))
    }

    /// Notes that a host answered at `now`, so the client has a connection to it.
    pub(super) fn note_answer(&self, peer: Peer, now: OffsetDateTime) {
        *locked(self.answered.of(peer)) = Some(now);
    }

    /// Begins to connect to a host, unless the client answered to it less than `idle` ago and so still has a connection.
    pub(super) fn open(&self, peer: Peer, endpoints: &Endpoints, idle: Duration, now: OffsetDateTime) {
        let has_connection = locked(self.answered.of(peer)).is_some_and(|last| last <= now && now - last < idle);
        if has_connection || self.slots.is_taken(peer) {
            return;
        }
        let url = match peer {
            Peer::Authority => &endpoints.authority,
            Peer::Graph => &endpoints.graph,
        };
        // The connector takes over at the first poll, and then this request fails.
        PEER.sync_scope(peer, || self.opener.head(url.clone()).send().now_or_never());
    }

    /// Closes the connections that no request took. A frozen process must not keep them.
    pub(super) fn close(&self) {
        self.slots.clear();
    }
}

/// A connection that is being opened, or is open and has no request yet.
struct Opening<C>(JoinHandle<Result<C, BoxError>>);

impl<C> Drop for Opening<C> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The early connection to each host.
struct Slots<C>(PerPeer<Mutex<Option<Opening<C>>>>);

/// Slots whose type of connection has no public name.
trait AnySlots: fmt::Debug + Send + Sync {
    fn is_taken(&self, peer: Peer) -> bool;
    fn clear(&self);
}

impl<C: Send> AnySlots for Slots<C> {
    fn is_taken(&self, peer: Peer) -> bool {
        locked(self.0.of(peer)).is_some()
    }

    fn clear(&self) {
        *locked(&self.0.authority) = None;
        *locked(&self.0.graph) = None;
    }
}

impl<C> fmt::Debug for Slots<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slots")
    }
}

/// What a connector does with the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Opens,
    Takes,
}

struct EarlyLayer<C> {
    slots: Arc<Slots<C>>,
    role: Role,
}

impl<C> Clone for EarlyLayer<C> {
    fn clone(&self) -> Self {
        Self { slots: Arc::clone(&self.slots), role: self.role }
    }
}

impl<S, C> Layer<S> for EarlyLayer<C> {
    type Service = EarlyConnector<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        EarlyConnector { inner, early: self.clone() }
    }
}

struct EarlyConnector<S, C> {
    inner: S,
    early: EarlyLayer<C>,
}

impl<S: Clone, C> Clone for EarlyConnector<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), early: self.early.clone() }
    }
}

impl<S, C, R> Service<R> for EarlyConnector<S, C>
where
    S: Service<R, Response = C, Error = BoxError>,
    S::Future: Send + 'static,
    C: Send + 'static,
{
    type Response = C;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<C, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let connecting = self.inner.call(destination);
        let Ok(peer) = PEER.try_get() else { return Box::pin(connecting) };
        let mut slot = locked(self.early.slots.0.of(peer));
        match (self.early.role, slot.take()) {
            (Role::Opens, _) => {
                *slot = Some(Opening(tokio::spawn(async { timeout(CONNECT, connecting).await? })));
                Box::pin(ready(Err("the connection is kept for the first request".into())))
            }
            (Role::Takes, None) => Box::pin(connecting),
            (Role::Takes, Some(mut opening)) => Box::pin(async move {
                match (&mut opening.0).await {
                    Ok(Ok(connection)) => Ok(connection),
                    // The host may accept a connection now.
                    Ok(Err(_)) | Err(_) => connecting.await,
                }
            }),
        }
    }
}
