//! The local HTTP server, which answers with the same router as Lambda.
//!
//! A connection carries one HTTP/1.1 request, and ends when a time limit passes. A full server closes the connection that has waited
//! longest for its client. A client that sends nothing, or half a request, can therefore not block other clients.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, HeaderName};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};

use crate::config::TrustedProxies;
use crate::consent::Query;
use crate::installation::Installation;
use crate::record::AddressSource;
use crate::sync::locked;
use crate::web::{self, FrontDoor, Request};

/// Longest body that the server reads, in bytes. A callback needs far less.
const MAX_BODY: usize = 64 * 1024;

/// The limits for connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// How many connections may be open at the same time.
    pub connections: usize,
    /// How long a client may take to send the header.
    pub header: Duration,
    /// How long a client may take to send the body.
    pub body: Duration,
    /// How long a connection may last.
    pub whole: Duration,
}

impl ConnectionLimits {
    /// Allows as many connections as half of the descriptors that this process may have. An answer may need further descriptors for
    /// Microsoft, the store and the webhook.
    pub(crate) fn of_process() -> Self {
        const MOST: usize = 512;
        #[cfg(unix)]
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        #[cfg(not(unix))]
        let descriptors = None;
        let half = descriptors.and_then(|most| usize::try_from(most / 2).ok()).unwrap_or(MOST);
        Self {
            connections: half.clamp(1, MOST),
            header: Duration::from_secs(10),
            body: Duration::from_secs(10),
            whole: Duration::from_secs(30),
        }
    }
}

/// Serves until `stop` resolves, and then finishes the answers to requests that are complete.
///
/// # Errors
/// The listener's error.
pub async fn serve(
    installation: Arc<Installation>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_within(ConnectionLimits::of_process(), installation, listener, stop).await
}

/// As [`serve`], with other limits.
///
/// # Errors
/// The listener's error.
pub async fn serve_within(
    limits: ConnectionLimits,
    installation: Arc<Installation>,
    mut listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let waiting = Arc::new(WaitingClients::default());
    let mut connections = JoinSet::new();
    let accepting = async {
        let mut last_said = None;
        loop {
            // `accept` retries after a pause if there is an error, for example if no descriptor is left.
            let (stream, peer) = axum::serve::Listener::accept(&mut listener).await;
            if places.available_permits() == 0 {
                say_full(&mut last_said, limits.connections);
                waiting.end_oldest();
            }
            // `acquire_owned` fails only if the semaphore is closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            while connections.try_join_next().is_some() {}
            let installation = Arc::clone(&installation);
            waiting.enter(|client| {
                connections.spawn(async move {
                    answer_one(limits, installation, stream, peer, &client).await;
                    drop(place);
                })
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    while waiting.end_oldest() {}
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Logs that the server is full, at most once a minute.
fn say_full(last_said: &mut Option<Instant>, connections: usize) {
    const PAUSE: Duration = Duration::from_secs(60);
    if last_said.is_none_or(|said| said.elapsed() >= PAUSE) {
        *last_said = Some(Instant::now());
        tracing::warn!(connections, "the server is full: each new connection ends the one that has sent or read nothing for longest");
    }
}

/// The connections that wait for their client to send or to read, in the order in which they began to wait.
#[derive(Debug, Default)]
struct WaitingClients(Mutex<(u64, BTreeMap<u64, AbortHandle>)>);

/// A connection's entry in [`WaitingClients`]. Dropping it removes the entry.
#[derive(Debug)]
struct WaitingClient {
    clients: Arc<WaitingClients>,
    number: Mutex<u64>,
}

impl WaitingClients {
    fn enter(self: &Arc<Self>, start: impl FnOnce(Arc<WaitingClient>) -> AbortHandle) {
        let mut clients = locked(&self.0);
        clients.0 += 1;
        let number = clients.0;
        // We hold the lock until the connection has its entry, because the connection may end at once.
        let connection = start(Arc::new(WaitingClient { clients: Arc::clone(self), number: Mutex::new(number) }));
        clients.1.insert(number, connection);
    }

    /// Ends the connection that has waited for longest. Returns `false` if no connection waits for its client.
    fn end_oldest(&self) -> bool {
        let oldest = locked(&self.0).1.pop_first();
        oldest.inspect(|(_, connection)| connection.abort()).is_some()
    }
}

impl WaitingClient {
    /// Runs the work for which the client waits. In this time, the server does not close the connection, even if it is full.
    async fn answered<T>(&self, work: impl Future<Output = T>) -> T {
        let connection = locked(&self.clients.0).1.remove(&locked(&self.number));
        let done = work.await;
        if let Some(connection) = connection {
            let mut clients = locked(&self.clients.0);
            clients.0 += 1;
            let number = clients.0;
            clients.1.insert(number, connection);
            *locked(&self.number) = number;
        }
        done
    }
}

impl Drop for WaitingClient {
    fn drop(&mut self) {
        locked(&self.clients.0).1.remove(&locked(&self.number));
    }
}

/// Reads one request and answers it.
async fn answer_one(
    limits: ConnectionLimits,
    installation: Arc<Installation>,
    stream: TcpStream,
    peer: SocketAddr,
    client: &Arc<WaitingClient>,
) {
    let service = service_fn(|request| answer(limits.body, Arc::clone(&installation), peer.ip(), Arc::clone(client), request));
    let mut builder = http1::Builder::new();
    // With keep-alive, connections would be idle between two requests, and a proxy could send a request into a connection that we are about
    // to close.
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header).keep_alive(false);
    // An error comes from the client: it sent no HTTP, was too slow or closed the connection.
    let _ = timeout(limits.whole, builder.serve_connection(TokioIo::new(stream), service)).await;
}

async fn answer(
    patience: Duration,
    installation: Arc<Installation>,
    peer: IpAddr,
    client: Arc<WaitingClient>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let read = timeout(patience, axum::body::to_bytes(Body::new(body), MAX_BODY)).await?;
    let too_large = read.is_err();
    let (source, source_from) = visitor_address(&installation.config.site.trusted_proxies, peer, &parts.headers);
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        headers: parts.headers,
        body: read.unwrap_or_default(),
        source: Some(source),
        source_from,
        front_door: FrontDoor::Local,
    };
    if too_large {
        return Ok(web::refuse_large(&installation, &request).map(Body::from));
    }
    // We answer in a separate task, so that a claim reaches its conclusion even if the browser disconnects.
    let answering = tokio::spawn(async move { web::handle(&installation, request).await });
    Ok(match client.answered(answering).await {
        Ok(answer) => answer.map(Body::from),
        Err(_) => web::our_fault().map(Body::from),
    })
}

/// The visitor's address. If the peer is a trusted proxy, the address is in a header. Every other peer is the visitor.
fn visitor_address(trusted: &TrustedProxies, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, AddressSource) {
    let peer = peer.to_canonical();
    let forwarded = || {
        let values = headers.get_all(HeaderName::from_static("x-forwarded-for"));
        let hops: Vec<&[u8]> = values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
        let hop = std::str::from_utf8(hops.iter().rev().nth(trusted.hops.checked_sub(1)?)?).ok()?.trim();
        hop.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))
    };
    match trusted.networks.iter().any(|network| network.contains(&peer)).then(forwarded).flatten() {
        Some(address) => (address, AddressSource::XForwardedFor),
        None => (peer, AddressSource::Socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_names_the_visitor() {
        let of = |hops, peer: &str, forwarded: &[&str]| {
            let trusted = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()], hops };
            let name = HeaderName::from_static("x-forwarded-for");
            let headers = forwarded.iter().map(|value| (name.clone(), http::HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect();
            let (address, from) = visitor_address(&trusted, peer.parse().unwrap(), &headers);
            (address.to_string(), from)
        };
        let named = |address: &str| (address.to_owned(), AddressSource::XForwardedFor);
        let peer = |address: &str| (address.to_owned(), AddressSource::Socket);
        assert_eq!(of(1, "10.1.2.3", &["198.51.100.9, 203.0.113.7"]), named("203.0.113.7"));
        assert_eq!(of(2, "10.1.2.3", &["6.6.6.6,198.51.100.9", "203.0.113.7"]), named("198.51.100.9"), "across headers");
        assert_eq!(of(1, "::ffff:10.1.2.3", &["2001:db8::1"]), named("2001:db8::1"), "a mapped peer");
        assert_eq!(of(1, "::1", &["é, 203.0.113.7:50000"]), named("203.0.113.7"), "with a port, after bytes of a stranger");
        assert_eq!(of(1, "192.0.2.1", &["203.0.113.7"]), peer("192.0.2.1"), "no proxy of ours");
        for forwarded in [&[][..], &["unknown"], &["203.0.113.7, "], &["203.0.113.7,"]] {
            assert_eq!(of(1, "10.1.2.3", forwarded), peer("10.1.2.3"), "{forwarded:?}");
        }
        assert_eq!(of(2, "10.1.2.3", &["203.0.113.7"]), peer("10.1.2.3"), "fewer hops than proxies");
    }
}
