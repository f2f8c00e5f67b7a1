//! The server of `serve`, with clients that are slow, silent or many.

use std::sync::Arc;
use std::time::Duration;

use entra_consent::env::Roots;
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::serve::http::{ConnectionLimits, serve_within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::process::Served;
use crate::support::installation::TestInstallation;

const HALF_HEADER: &str = "GET /health HTTP/1.1\r\nHos";
const HALF_BODY: &str =
    "POST /callback HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\nsta";
const WHOLE: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
const HOUR: Duration = Duration::from_secs(3600);
const UNLIMITED: ConnectionLimits = ConnectionLimits { connections: 512, header: HOUR, body: HOUR, whole: HOUR };

/// A server in this process. Dropping `stop` stops it.
struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn server(limits: ConnectionLimits) -> Server {
    let test = TestInstallation::new();
    let installation = Arc::new(Installation::new(test.installation.config.clone(), Dependencies::real(Roots::Embedded)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (stop, stopped)) = (listener.local_addr().unwrap(), oneshot::channel::<()>());
    let stopped = async {
        let _ = stopped.await;
    };
    Server { address, stop, serving: tokio::spawn(serve_within(limits, installation, listener, stopped)) }
}

async fn sends(address: std::net::SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// The bytes that the server sends until it closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // The kernel resets a connection that closes with unread bytes, so an error here is no failure.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_client_that_stops_midway_is_dropped_at_the_limit_of_its_step() {
    let soon = Duration::from_millis(50);
    for (limits, text) in [
        (ConnectionLimits { header: soon, ..UNLIMITED }, ""),
        (ConnectionLimits { header: soon, ..UNLIMITED }, HALF_HEADER),
        (ConnectionLimits { body: soon, ..UNLIMITED }, HALF_BODY),
        (ConnectionLimits { whole: soon, ..UNLIMITED }, HALF_BODY),
    ] {
        let server = server(limits).await;
        let answer = rest(sends(server.address, text).await).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{text}: {answer}");
        assert!(rest(sends(server.address, WHOLE).await).await.starts_with("HTTP/1.1 200"), "the next client");
    }
}

#[tokio::test]
async fn a_full_server_ends_the_connection_that_waits_for_longest() {
    let server = server(ConnectionLimits { connections: 3, ..UNLIMITED }).await;
    let mut waiting = Vec::new();
    for text in ["", HALF_HEADER, HALF_BODY, "", HALF_HEADER] {
        waiting.push(sends(server.address, text).await);
    }
    for _ in 0..10 {
        assert!(rest(sends(server.address, WHOLE).await).await.starts_with("HTTP/1.1 200"));
    }
    for ended in waiting.drain(..3) {
        assert_eq!(rest(ended).await, "");
    }
    let mut last = waiting.pop().unwrap();
    last.write_all(b"t: x\r\n\r\n").await.unwrap();
    assert!(rest(last).await.starts_with("HTTP/1.1 200"), "the latest is still read");
}

#[tokio::test]
async fn a_stop_waits_for_no_request_that_is_not_complete() {
    let server = server(UNLIMITED).await;
    let half = sends(server.address, HALF_BODY).await;
    assert!(rest(sends(server.address, WHOLE).await).await.starts_with("HTTP/1.1 200"));
    drop(server.stop);
    server.serving.await.unwrap().unwrap();
    assert_eq!(rest(half).await, "");
}

#[tokio::test]
async fn the_server_speaks_no_http_2() {
    let server = server(UNLIMITED).await;
    let answer = rest(sends(server.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
}

#[tokio::test]
async fn ambiguous_or_oversized_http_is_refused_and_smuggles_nothing() {
    let test = TestInstallation::new();
    let served = Served::start(&test, &[]);
    let address = served.base.trim_start_matches("http://").parse().unwrap();
    let post = |header: &str, body: &str| {
        format!("POST /callback HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n{header}\r\n\r\n{body}")
    };
    let get = |header: &str| format!("GET /health HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n");
    let chunked = |extension: &str, length: usize| format!("{length:x}{extension}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
    for (what, request, status) in [
        ("two lengths of a body", post("content-length: 4\r\ntransfer-encoding: chunked", "0\r\n\r\n"), 400),
        ("a coding that is none", post("transfer-encoding: xchunked", "0\r\n\r\n"), 400),
        ("two lengths", post("content-length: 4\r\ncontent-length: 5", "abcde"), 400),
        ("a length with a sign", post("content-length: +5", "abcde"), 400),
        ("a folded header", get("a: b\r\n c: d"), 400),
        ("a space before the colon", get("a : b"), 400),
        ("a body of gigabytes", post("content-length: 5000000000", &"x".repeat(100_000)), 413),
        ("a chunk of 1 MB", post("transfer-encoding: chunked", &chunked("", 1 << 20)), 413),
        ("a chunk's extension of 200 KB", post("transfer-encoding: chunked", &chunked(&format!(";a={}", "x".repeat(200_000)), 1)), 413),
        ("101 headers", get(&"a: b\r\n".repeat(100)), 431),
        ("a header of 1 MB", get(&format!("a: {}", "x".repeat(1 << 20))), 431),
        ("a path of 70 KB", format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000)), 414),
        ("CONNECT", "CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 405),
        ("TRACE", "TRACE /callback HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 405),
        ("two requests in one", get("a: b").repeat(2), 200),
        (
            "another host and address",
            get("x-original-url: /callback\r\nx-forwarded-host: evil.example\r\nx-http-method-override: PUT"),
            200,
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer, and close, before it has read everything.
        let _ = stream.write_all((request + WHOLE).as_bytes()).await;
        let answer = rest(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {:?}", answer.get(..60));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
        assert!(!answer.contains("evil.example"), "{what}: {answer}");
    }
    assert!(rest(sends(address, WHOLE).await).await.starts_with("HTTP/1.1 200"));
    assert!(served.records().iter().all(|record| record["event"] == "rejected"), "nothing was read as a callback");
}

#[tokio::test]
async fn six_hundred_idle_or_half_sent_connections_keep_no_page_from_answering() {
    let test = TestInstallation::new();
    let served = Served::start(&test, &[]);
    let address = served.base.trim_start_matches("http://").parse().unwrap();
    let mut waiting = Vec::new();
    for text in ["", HALF_HEADER, HALF_BODY].into_iter().cycle().take(600) {
        waiting.push(sends(address, text).await);
    }
    for _ in 0..20 {
        assert!(rest(sends(address, WHOLE).await).await.starts_with("HTTP/1.1 200"));
    }
    super::process::until("the log line", || served.told().contains("the server is full")).await;
    assert_eq!(served.told().matches("the server is full").count(), 1);
}

#[tokio::test]
async fn a_record_has_the_address_that_a_trusted_proxy_names() {
    for (proxies, ip, source) in [
        ("trusted_proxies = [\"127.0.0.1\"]\n", "203.0.113.0/24", "x_forwarded_for"),
        ("trusted_proxies = [\"10.0.0.0/8\"]\n", "127.0.0.0/24", "socket"),
        ("", "127.0.0.0/24", "socket"),
    ] {
        let test = TestInstallation::replacing("", &[("[site]\n", &format!("[site]\n{proxies}"))]);
        let served = Served::start(&test, &[]);
        let address = served.base.trim_start_matches("http://").parse().unwrap();
        let request = "GET /callback?state=x HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 198.51.100.1, 203.0.113.9\r\n\r\n";
        assert!(rest(sends(address, request).await).await.starts_with("HTTP/1.1 400"));
        let record = served.records().pop().unwrap();
        assert_eq!((record["ip"].as_str(), record["ip_source"].as_str()), (Some(ip), Some(source)), "{proxies}");
    }
}
