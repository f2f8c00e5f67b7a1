//! The HTTP client for Microsoft: https only, no redirects, a limit on the size and time of every answer.

use std::error::Error as _;
use std::iter::successors;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, RequestBuilder, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use url::Url;

use super::cloud::{Endpoints, is_loopback};
use super::early::{CONNECT, Early, Peer, send_to};
use crate::consent::callback::TraceId;
use crate::env::{Rng, Roots, millis};
use crate::sync::locked;

/// Why no client can be built for a cloud. The operator must fix the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// The address is neither https nor on a loopback host.
    #[error("{0} is neither https nor a loopback host")]
    Insecure(Url),
    /// The cloud's `extra_ca` is not a certificate in PEM, or the platform's certificate authorities cannot be read.
    #[error("the certificate authorities cannot be used")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
}

crate::consent::named! {
    /// The kind of a call to Microsoft.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum UpstreamKind {
        /// The token endpoint.
        Token = "token",
        /// Graph's `$batch`.
        Batch = "batch",
        /// A page of a Graph list.
        Page = "page",
        /// A tenant's discovery document.
        Discovery = "discovery",
        /// An app registration, in its home tenant.
        Registration = "registration",
    }
}

/// One call, as the record shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpstreamCall {
    /// Which endpoint.
    pub kind: UpstreamKind,
    /// The HTTP status. `None` if no answer came.
    pub status: Option<u16>,
    /// The duration in milliseconds.
    pub millis: u64,
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// No answer before the time limit.
    #[error("no answer within the time")]
    TimedOut,
    /// No connection; TLS failures included.
    #[error("no connection")]
    Unreachable,
    /// The connection broke before the end of the answer.
    #[error("the connection broke")]
    Broken,
    /// The body is larger than any genuine one.
    #[error("the answer is too large")]
    TooLarge,
}

/// An answer with a complete body.
pub struct HttpAnswer {
    /// Any HTTP status, also that of a redirect: the caller interprets it.
    pub(crate) status: u16,
    /// How long to wait, if the answer said so.
    pub(crate) retry_after: Option<Duration>,
    /// At most as many bytes as the call allowed.
    pub body: Vec<u8>,
}

/// A call and its result.
pub struct Exchange {
    /// The call, for the record.
    pub(crate) call: UpstreamCall,
    /// The id that we ask Microsoft to use in its logs (`client-request-id`).
    pub(crate) correlation_id: TraceId,
    /// How long the answer may be cached, if it said so (`max-age` of `Cache-Control`).
    pub(crate) max_age: Option<Duration>,
    /// `Err` if no complete answer came.
    pub answer: Result<HttpAnswer, Silence>,
}

/// A client for one cloud. Clones share its connections, and [`Http::renew`] renews them for all.
#[derive(Debug, Clone)]
pub struct Http {
    current: Arc<Mutex<(Generation, Connections)>>,
    roots: Roots,
    endpoints: Endpoints,
    rng: Rng,
}

/// A client, with what opens its connections early.
#[derive(Debug, Clone)]
struct Connections {
    client: Client,
    /// `None` for a command at a terminal, where no browser waits.
    early: Option<Arc<Early>>,
}

/// Counts how often [`Http::renew`] replaced the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

/// Longest time of one call, from the connection to the last byte. While a browser waits, the budget of a check is shorter.
const CALL: Duration = Duration::from_secs(5);
/// We do not use a connection again after it was idle for longer than this: a frozen Lambda wakes up with connections that are long closed.
const IDLE: Duration = Duration::from_secs(50);
/// HTTP/2 shares one connection between all calls, and a dead peer answers none of them. So if a call waits and no data has arrived for
/// `PING.0`, hyper sends a ping. Without an answer to the ping within `PING.1`, hyper ends the connection and we send the call again on a
/// new one.
///
/// Hyper treats a connection without open requests as idle. It then neither runs its timer nor pings, as a frozen Lambda requires. On a
/// runtime with several threads, hyper can miss the first request on an idle connection and then does not ping for it. A proxy that answers
/// pings for a dead server hides the fault as well. Both cases end in a timeout, and [`Http::renew`] then helps.
const PING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(1));
/// Bounds of `Retry-After`. Zero and dates in the past mean "soon", and no answer may stop our calls to a tenant for more than an hour.
const RETRY_AFTER_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const RETURN_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("return-client-request-id");

impl Http {
    /// Builds the client for a cloud.
    ///
    /// # Errors
    /// [`ClientFault`] if a call to the cloud would not be safe, or the cloud's certificate authority cannot be read.
    pub fn new(roots: Roots, endpoints: &Endpoints, rng: Rng) -> Result<Self, ClientFault> {
        let current = Arc::new(Mutex::new((Generation(0), Self::build(roots, endpoints)?)));
        Ok(Self { current, roots, endpoints: endpoints.clone(), rng })
    }

    fn build(roots: Roots, endpoints: &Endpoints) -> Result<Connections, ClientFault> {
        let hosts = [&endpoints.authority, &endpoints.graph];
        if let Some(url) = hosts.into_iter().find(|url| !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(url))) {
            return Err(ClientFault::Insecure(url.clone()));
        }
        let all_https = hosts.into_iter().all(|url| url.scheme() == "https");
        let builder = || {
            Client::builder()
                .user_agent(concat!("entra-consent/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .https_only(all_https)
                .connect_timeout(CONNECT)
                .timeout(CALL)
                .pool_idle_timeout(IDLE)
                .http2_keep_alive_interval(PING.0)
                .http2_keep_alive_timeout(PING.1)
                .http2_keep_alive_while_idle(false)
        };
        let extra = endpoints.extra_ca.as_deref();
        match roots {
            Roots::Embedded => {
                let tls = embedded_roots_tls(extra)?;
                // The platform's proxy is for external addresses, and a Lambda may not use it.
                let builder = || builder().no_proxy().tls_backend_preconfigured(tls.clone());
                let (client, early) = Early::with_client(builder).map_err(fault)?;
                Ok(Connections { client, early: Some(Arc::new(early)) })
            }
            Roots::Platform => {
                let extra = extra.map(Certificate::from_pem_bundle).transpose().map_err(fault)?;
                let builder = match extra {
                    Some(extra) => builder().tls_certs_merge(extra),
                    None => builder(),
                };
                // Nor may a sandbox on this machine use the platform's proxy.
                let builder = if hosts.into_iter().any(is_loopback) { builder.no_proxy() } else { builder };
                Ok(Connections { client: builder.build().map_err(fault)?, early: None })
            }
        }
    }

    /// The current client, to start a request with.
    #[must_use]
    pub fn client(&self) -> Client {
        locked(&self.current).1.client.clone()
    }

    /// Begins to open connections for a check. Dropping the result closes those that no request used. `also_authority` also opens one to
    /// the authority, which a request for a token opens anyway.
    pub(crate) fn open_early(&self, also_authority: bool, now: OffsetDateTime) -> Option<EarlyConnections> {
        let early = locked(&self.current).1.early.clone()?;
        let Endpoints { authority, graph, .. } = &self.endpoints;
        let to_graph = (authority.origin() != graph.origin()).then_some(Peer::Graph);
        for peer in also_authority.then_some(Peer::Authority).into_iter().chain(to_graph) {
            early.open(peer, &self.endpoints, IDLE, now);
        }
        Some(EarlyConnections(early))
    }

    /// The connections that new requests use.
    pub(crate) fn generation(&self) -> Generation {
        locked(&self.current).0
    }

    /// Replaces the connections of `timed_out`, after a call on one of them got no answer in time: the next call opens a new connection.
    /// Calls in progress keep their connection. Does nothing if another call has already replaced these connections.
    pub(crate) fn renew(&self, timed_out: Generation) {
        let mut current = locked(&self.current);
        if current.0 != timed_out {
            return;
        }
        match Self::build(self.roots, &self.endpoints) {
            Ok(connections) => *current = (Generation(timed_out.0.wrapping_add(1)), connections),
            Err(fault) => tracing::error!(error = %fault, "the connections to a cloud cannot be renewed"),
        }
    }

    /// Sends an idempotent request, and reads at most `cap` bytes of the answer.
    ///
    /// If the connection broke before the answer began, this sends the request once more, immediately. Connections break like this if the
    /// server closed them long ago, or if they answer no ping. No other failure leads to a retry.
    pub async fn exchange(&self, kind: UpstreamKind, request: RequestBuilder, cap: usize, now: OffsetDateTime) -> Exchange {
        let again = request.try_clone();
        self.exchange_anew(kind, request, || again, cap, now).await
    }

    /// Like [`Self::exchange`], for a request that the server accepts only once: `again` builds a new request for the retry.
    pub(crate) async fn exchange_anew(
        &self,
        kind: UpstreamKind,
        request: RequestBuilder,
        again: impl FnOnce() -> Option<RequestBuilder>,
        cap: usize,
        now: OffsetDateTime,
    ) -> Exchange {
        let started = Instant::now();
        let generation = self.generation();
        let correlation_id = self.correlation_id();
        let named = |request: RequestBuilder| {
            request.header(CLIENT_REQUEST_ID, correlation_id.to_string()).header(RETURN_CLIENT_REQUEST_ID, HeaderValue::from_static("true"))
        };
        let mut sent = send_to(kind.peer(), send(named(request))).await;
        if matches!(sent, Err(Silence::Broken))
            && let Some(again) = again()
        {
            sent = send_to(kind.peer(), send(named(again))).await;
        }
        let (mut status, mut max_age) = (None, None);
        let answer = match sent {
            Ok(response) => {
                status = Some(response.status().as_u16());
                max_age = response.headers().get(CACHE_CONTROL).and_then(|header| parse_max_age(header.to_str().ok()?));
                read(response, cap, now).await
            }
            Err(silence) => Err(silence),
        };
        match answer {
            Ok(_) => self.note_answer(kind.peer(), now),
            Err(Silence::TimedOut) => self.renew(generation),
            Err(_) => {}
        }
        Exchange { call: UpstreamCall { kind, status, millis: millis(started.elapsed()) }, correlation_id, max_age, answer }
    }

    fn note_answer(&self, peer: Peer, now: OffsetDateTime) {
        if let Some(early) = &locked(&self.current).1.early {
            early.note_answer(peer, now);
        }
    }

    fn correlation_id(&self) -> TraceId {
        let id = uuid::Builder::from_random_bytes(self.rng.bytes()).into_uuid();
        TraceId::from_u128(id.as_u128())
    }
}

impl UpstreamKind {
    fn peer(self) -> Peer {
        match self {
            Self::Token | Self::Discovery => Peer::Authority,
            Self::Batch | Self::Page | Self::Registration => Peer::Graph,
        }
    }
}

/// The early connections of one check.
pub(crate) struct EarlyConnections(Arc<Early>);

impl Drop for EarlyConnections {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// TLS as reqwest sets it up, with the compiled-in authorities. Both clients of a cloud share it.
fn embedded_roots_tls(extra_ca: Option<&[u8]>) -> Result<ClientConfig, ClientFault> {
    let mut trusted = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(extra_ca.unwrap_or_default()) {
        trusted.add(certificate.map_err(fault)?).map_err(fault)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(fault)?;
    let mut tls = tls.with_root_certificates(trusted).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn fault(error: impl std::error::Error + Send + Sync + 'static) -> ClientFault {
    ClientFault::Certificates(Box::new(error))
}

async fn send(request: RequestBuilder) -> Result<reqwest::Response, Silence> {
    request.send().await.map_err(|error| silence_of(&error))
}

fn silence_of(error: &reqwest::Error) -> Silence {
    // An unanswered ping is a timeout too, but a timeout of hyper's: the connection is dead, and the call may have time left.
    let is_hypers = successors(error.source(), |&error| error.source()).any(|source| source.is::<hyper::Error>());
    if error.is_timeout() && !is_hypers {
        Silence::TimedOut
    } else if error.is_connect() || error.is_builder() {
        Silence::Unreachable
    } else {
        Silence::Broken
    }
}

async fn read(mut response: reqwest::Response, cap: usize, now: OffsetDateTime) -> Result<HttpAnswer, Silence> {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers(), now);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silence_of(&error))? {
        if body.len() + chunk.len() > cap {
            return Err(Silence::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpAnswer { status, retry_after, body })
}

/// The `Retry-After` of an answer, see [`parse_retry_after`].
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// Parses `Retry-After` (RFC 9110 §10.2.3): whole seconds or an IMF-fixdate, limited to the range from one second to one hour. `None` for
/// anything else.
pub(crate) fn parse_retry_after(text: &str, now: OffsetDateTime) -> Option<Duration> {
    const IMF_FIXDATE: &[BorrowedFormatItem<'_>] =
        format_description!(version = 2, "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let (least, most) = RETRY_AFTER_BOUNDS;
    let text = text.trim();
    let wanted = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number with too many digits for the type is still a number.
        text.parse().map_or(most, Duration::from_secs)
    } else {
        let at = time::PrimitiveDateTime::parse(text, IMF_FIXDATE).ok()?.assume_utc();
        Duration::try_from(at - now).unwrap_or_default()
    };
    Some(wanted.clamp(least, most))
}

/// Parses `max-age` of a `Cache-Control` (RFC 9111 §5.2.2.1), in whole seconds. A number with too many digits for the type means a long
/// time (§1.2.2). `None` for anything else.
fn parse_max_age(text: &str) -> Option<Duration> {
    let seconds = text.split(',').find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().trim_matches('"'))
    })?;
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(seconds.parse().unwrap_or(u64::from(u32::MAX))))
}

/// An answer that does not follow the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be read")]
pub(crate) struct Unreadable;

/// Reads a JSON object strictly: no byte order mark, nothing around it, and no duplicates of the members that we read. Other members may
/// contain anything.
///
/// # Errors
/// [`Unreadable`] for everything else; it contains nothing of the content.
pub(crate) fn read_object<T: DeserializeOwned>(json: &[u8]) -> Result<T, Unreadable> {
    // serde would also fill a struct from an array, by position.
    let is_object = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if is_object { serde_json::from_slice(json).map_err(|_| Unreadable) } else { Err(Unreadable) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    fn endpoints(authority: &str, graph: &str) -> Endpoints {
        Endpoints { authority: authority.parse().unwrap(), graph: graph.parse().unwrap(), extra_ca: None }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_always_between_a_second_and_an_hour() {
        let seconds = |text| parse_retry_after(text, NOW).map(|wait| wait.as_secs());
        assert_eq!(seconds("30"), Some(30));
        assert_eq!(seconds(" 30 "), Some(30));
        assert_eq!(seconds("0"), Some(1));
        assert_eq!(seconds("99999999999"), Some(3600));
        assert_eq!(seconds("99999999999999999999999999"), Some(3600));
        assert_eq!(seconds("Fri, 02 Jan 2026 03:06:05 GMT"), Some(120));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), Some(1));
        assert_eq!(seconds("Sat, 02 Jan 2027 03:04:05 GMT"), Some(3600));
        for garbage in ["", "abc", "-5", "1.5", "+5", "Friday, 02-Jan-26 03:06:05 GMT", "2026-01-02T03:06:05Z", "١٢"] {
            assert_eq!(seconds(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn max_age_is_whole_seconds_wherever_it_stands_among_the_directives() {
        let seconds = |text| parse_max_age(text).map(|age| age.as_secs());
        assert_eq!(seconds("max-age=86400, private"), Some(86_400));
        assert_eq!(seconds("private , Max-Age = \"60\""), Some(60));
        assert_eq!(seconds("max-age=0"), Some(0));
        assert_eq!(seconds("max-age=99999999999999999999999"), Some(u64::from(u32::MAX)));
        for nothing in ["", "no-store", "s-maxage=60", "max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=+5", "x-max-age=5"] {
            assert_eq!(seconds(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn only_https_or_plain_loopback_is_talked_to() {
        let made = |authority, graph| Http::new(Roots::Embedded, &endpoints(authority, graph), Rng::system()).is_ok();
        assert!(made("https://login.microsoftonline.com", "https://graph.microsoft.com"));
        assert!(made("http://localhost:8080", "http://127.0.0.1:8080"));
        assert!(made("http://[::1]:8080", "http://127.9.9.9"));
        for bad in
            ["http://login.microsoftonline.com", "http://localhost.example", "http://169.254.169.254", "ftp://localhost", "file:///etc"]
        {
            assert!(!made("https://login.microsoftonline.com", bad), "{bad}");
            assert!(!made(bad, "https://graph.microsoft.com"), "{bad}");
        }
    }

    #[test]
    fn an_extra_authority_that_is_no_certificate_is_the_operators_fault() {
        let bad = Endpoints {
            extra_ca: Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
            ..endpoints("https://localhost", "https://localhost")
        };
        assert!(matches!(Http::new(Roots::Embedded, &bad, Rng::system()), Err(ClientFault::Certificates(_))));
    }

    #[test]
    fn json_is_read_strictly() {
        #[derive(serde::Deserialize, Debug, PartialEq)]
        struct One {
            a: u8,
        }
        assert_eq!(read_object::<One>(b" {\"a\":1,\"more\":[{}],\"\":null}\n"), Ok(One { a: 1 }));
        for bad in ["", "null", "[1]", "{}", "{\"a\":1,\"a\":1}", "\u{feff}{\"a\":1}", "{\"a\":1}{}", "<html>", "{\"a\":1", "{\"a\":-1}"] {
            assert_eq!(read_object::<One>(bad.as_bytes()), Err(Unreadable), "{bad:?}");
        }
    }
}
