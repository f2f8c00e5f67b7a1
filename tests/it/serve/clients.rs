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
