//! An upstream on loopback that speaks HTTP/2 over TLS, as Microsoft does. Its connections can fail while it accepts new ones.
//!
//! The upstream runs on the test's own runtime, so that [`TestTime`] controls both ends.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use entra_consent::consent::ResourceId;
use entra_consent::entra::cloud::Endpoints;
use entra_sandbox::demo;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Simulated time for one test, until it is dropped. This time waits for a runtime that a busy machine delays.
///
/// Tokio's own paused time jumps to the next timer as soon as no task can run, even if the kernel has yet to deliver an answer.
pub(crate) struct TestTime(JoinHandle<()>);

impl TestTime {
    /// Ten times as fast as the machine's time.
    pub(crate) fn fast() -> Self {
        Self::advancing_by(Duration::from_millis(50))
    }

    /// A fifth as fast as the machine's time.
    pub(crate) fn slow() -> Self {
        Self::advancing_by(Duration::from_millis(1))
    }

    fn advancing_by(step: Duration) -> Self {
        tokio::time::pause();
        let (tick, mut ticks) = mpsc::channel(1);
        // Tokio does not advance paused time while a blocking task runs. If the last tick still waits, the next one is dropped.
        tokio::task::spawn_blocking(move || {
            while !matches!(tick.try_send(()), Err(TrySendError::Closed(()))) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self(tokio::spawn(async move {
            while ticks.recv().await.is_some() {
                tokio::time::advance(step).await;
            }
        }))
    }
}

impl Drop for TestTime {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How a connection fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection accepts every byte and sends none, as after a change of network.
    NoFlag,
    /// The connection answers pings but no request, like a proxy without its server.
    Stalled,
    /// The connection resets at the next byte.
    Reset,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Arc<Mutex<Option<Failure>>>>>,
    open: AtomicUsize,
    /// The failure of new connections.
    from_now_on: Mutex<Option<Failure>>,
    /// The number of answers after which the connections fail.
    after: Mutex<Option<(usize, Failure)>>,
    answered: AtomicUsize,
    requests: AtomicUsize,
    pings: AtomicUsize,
    bytes: AtomicUsize,
    delay: Mutex<Duration>,
}

impl Shared {
    fn fail(&self, failure: Failure) {
        for connection in self.connections.lock().unwrap().iter() {
            *connection.lock().unwrap() = Some(failure);
        }
    }
}

pub(crate) struct Http2 {
    pub(crate) endpoints: Endpoints,
    shared: Arc<Shared>,
}

impl Http2 {
    pub(crate) async fn start() -> Self {
        let (config, authority) = certificate();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: url::Url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let endpoints = Endpoints { authority: base.clone(), graph: base.clone(), extra_ca: Some(authority.into_bytes()) };
        let shared = Arc::<Shared>::default();
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(config);
            while let Ok((stream, _)) = listener.accept().await {
                let failure = Arc::new(Mutex::new(*served.from_now_on.lock().unwrap()));
                served.connections.lock().unwrap().push(Arc::clone(&failure));
                let (acceptor, shared, base) = (acceptor.clone(), Arc::clone(&served), base.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    shared.open.fetch_add(1, SeqCst);
                    let tap = Tap { stream, shared: Arc::clone(&shared), failure, frames: Frames::default() };
                    serve(tap, Arc::clone(&shared), &base).await;
                    shared.open.fetch_sub(1, SeqCst);
                });
            }
        });
        Self { endpoints, shared }
    }

    /// Makes all current connections fail; new ones work.
    pub(crate) fn fail(&self, failure: Failure) {
        self.shared.fail(failure);
    }

    /// Makes all current connections fail after this number of answers.
    pub(crate) fn fail_after(&self, answers: usize, failure: Failure) {
        *self.shared.after.lock().unwrap() = Some((answers, failure));
    }

    /// Makes new connections fail as well.
    pub(crate) fn fail_from_now_on(&self, failure: Failure) {
        *self.shared.from_now_on.lock().unwrap() = Some(failure);
        self.fail(failure);
    }

    /// Delays each answer.
    pub(crate) fn answer_after(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap() = delay;
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// The number of connections whose TLS handshake is complete and that the client has not closed.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(SeqCst)
    }

    pub(crate) fn pings(&self) -> usize {
        self.shared.pings.load(SeqCst)
    }

    /// The number of received bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.shared.bytes.load(SeqCst)
    }

    /// The number of received requests, lost ones included.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(SeqCst)
    }
}

/// A certificate for loopback, and the authority that signed it, in PEM.
fn certificate() -> (Arc<ServerConfig>, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut server = server.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    server.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(server), pem)
}

async fn serve(tap: Tap, shared: Arc<Shared>, base: &url::Url) {
    let failure = Arc::clone(&tap.failure);
    let Ok(mut connection) = h2::server::handshake(tap).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (shared, failure, base) = (Arc::clone(&shared), Arc::clone(&failure), base.clone());
        tokio::spawn(async move {
            if *failure.lock().unwrap() == Some(Failure::Stalled) {
                // Dropping the request would reset it, which is an answer.
                std::future::pending::<()>().await;
            }
            // The tests break connections on purpose, so an error here is no failure.
            let _ = answer(request, respond, &shared, &base).await;
        });
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, shared: &Shared, base: &url::Url) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    while let Some(chunk) = body.data().await {
        body.flow_control().release_capacity(chunk?.len())?;
    }
    let delay = *shared.delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    let answer = match path[..] {
        [tenant, "oauth2", "v2.0", "token"] => token(tenant),
        [tenant, "v2.0", ".well-known", _] => {
            json!({"issuer": format!("{base}{tenant}/v2.0"), "token_endpoint": format!("{base}{tenant}/oauth2/v2.0/token")})
        }
        ["v1.0", "$batch"] => batch(head.headers["authorization"].to_str().unwrap()),
        _ => panic!("{:?}", head.uri),
    };
    respond.send_response(Response::new(()), false)?.send_data(answer.to_string().into(), true)?;
    let answered = shared.answered.fetch_add(1, SeqCst) + 1;
    if let Some((_, failure)) = shared.after.lock().unwrap().take_if(|(after, _)| *after == answered) {
        shared.fail(failure);
    }
    Ok(())
}

const OWN: &str = "0a1b0000-0000-4000-8000-00000000c0de";
const GRAPH_OBJECT: &str = "0a1b0000-0000-4000-8000-00000000beef";

/// A token without roles, so that the product must ask Graph.
fn token(tenant: &str) -> Value {
    let claims = json!({"aud": ResourceId::GRAPH, "tid": tenant, "appid": demo::APP, "idtyp": "app", "oid": OWN, "roles": []});
    let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token})
}

/// A batch in which the app has `Mail.Read` and `User.Read.All` in the token's tenant.
fn batch(bearer: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(bearer.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let part = |id: &str, body: Value| json!({"id": id, "status": 200, "body": body});
    let list = |id: &str, items: &[Value]| part(id, json!({"value": items}));
    let assignment = |role: &str| json!({"appRoleId": role, "principalId": OWN, "resourceId": GRAPH_OBJECT});
    let roles = ["810c84a8-4a9e-49e6-bf7d-12d183f40d01", "df021288-bdef-4463-88db-98f22de89214"];
    json!({"responses": [
        list("organization", &[json!({"id": claims["tid"], "displayName": "Contoso Ltd", "verifiedDomains": []})]),
        part("servicePrincipal", json!({"id": OWN, "appId": demo::APP, "accountEnabled": true})),
        list("appRoleAssignments", &roles.map(assignment)),
        list("oauth2PermissionGrants", &[]),
        part(&format!("resource-{}", ResourceId::GRAPH), json!({"id": GRAPH_OBJECT, "appId": ResourceId::GRAPH})),
    ]})
}

/// The server's end of a connection below HTTP/2, which can fail and counts frames.
struct Tap {
    stream: TlsStream<TcpStream>,
    shared: Arc<Shared>,
    failure: Arc<Mutex<Option<Failure>>>,
    frames: Frames,
}

impl Tap {
    fn failure(&self) -> Option<Failure> {
        *self.failure.lock().unwrap()
    }
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let failure = self.failure();
            let shared = Arc::clone(&self.shared);
            let read = &buffer.filled()[before..];
            shared.bytes.fetch_add(read.len(), SeqCst);
            self.frames.read(read, |kind, flags| match (kind, flags & ACK) {
                (PING, 0) => drop(shared.pings.fetch_add(1, SeqCst)),
                (HEADERS, _) => drop(shared.requests.fetch_add(1, SeqCst)),
                _ => {}
            });
            match failure {
                Some(Failure::NoFlag) if !read.is_empty() => buffer.set_filled(before),
                Some(Failure::Reset) if !read.is_empty() => {
                    self.stream.get_ref().0.set_zero_linger().unwrap();
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.failure() {
            Some(Failure::NoFlag) => Poll::Ready(Ok(bytes.len())),
            Some(Failure::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Failure::Stalled) | None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.failure() {
            Some(Failure::NoFlag | Failure::Reset) => Poll::Ready(Ok(())),
            Some(Failure::Stalled) | None => Pin::new(&mut self.stream).poll_shutdown(context),
        }
    }
}

/// Types and a flag of RFC 9113 §6.
const HEADERS: u8 = 1;
const PING: u8 = 6;
const ACK: u8 = 1;

/// Finds the frames in a client's bytes (RFC 9113 §3.4, §4.1).
struct Frames {
    /// How many bytes to skip before the next frame's head. The first ones are the preface.
    skip: usize,
    head: Vec<u8>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len(), head: Vec::new() }
    }
}

impl Frames {
    fn read(&mut self, bytes: &[u8], mut on_frame: impl FnMut(u8, u8)) {
        for byte in bytes {
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.head.push(*byte);
            if let [a, b, c, kind, flags, _, _, _, _] = self.head[..] {
                on_frame(kind, flags);
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.head.clear();
            }
        }
    }
}
