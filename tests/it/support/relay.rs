//! A relay on loopback between the product and a server that speaks HTTP/1.1. Its connections can fail while it accepts new ones.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

/// How the connections of a relay fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Fin,
    Reset,
    /// The connection resets at the next byte, as after an end that did not reach a frozen machine.
    ResetLater,
    /// The connection accepts every byte and sends none, as after a change of network.
    Silent,
}

/// A running relay. Dropping it closes its connections.
pub(crate) struct Relay {
    /// The server's address, with the relay's port.
    pub(crate) url: String,
    failures: watch::Sender<Failure>,
    swallowed: Arc<AtomicUsize>,
    _stop: oneshot::Sender<()>,
}

impl Relay {
    /// Starts a relay on its own thread, so that it works while the test's runtime is blocked.
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, port) = server.rsplit_once(':').unwrap();
        let (server, own) = (port.parse::<u16>().unwrap(), listener.local_addr().unwrap().port());
        let (failures, _) = watch::channel(Failure::Fin);
        let (swallowed, (stop, stopped)) = (Arc::<AtomicUsize>::default(), oneshot::channel());
        let relay = Self { url: format!("{address}:{own}"), failures: failures.clone(), swallowed: Arc::clone(&swallowed), _stop: stop };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let accept = async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(connection(client, [own, server], failures.subscribe(), Arc::clone(&swallowed)));
                }
            };
            runtime.block_on(async {
                tokio::select! { () = accept => {}, _ = stopped => {} }
            });
        });
        relay
    }

    /// Makes all current connections fail and returns their number. New connections work.
    pub(crate) fn fail(&self, failure: Failure) -> usize {
        let connections = self.working();
        self.failures.send_replace(failure);
        connections
    }

    /// The number of connections that are open and have not failed.
    pub(crate) fn working(&self) -> usize {
        self.failures.receiver_count()
    }

    /// The number of silent connections that the product has written to.
    pub(crate) fn swallowed(&self) -> usize {
        self.swallowed.load(SeqCst)
    }
}

async fn connection(client: TcpStream, ports: [u16; 2], mut failures: watch::Receiver<Failure>, swallowed: Arc<AtomicUsize>) {
    let mut client = BufReader::new(client);
    let failed = tokio::select! {
        _ = forward(&mut client, ports) => false,
        changed = failures.changed() => changed.is_ok(),
    };
    let failure = *failures.borrow();
    match failure {
        Failure::Reset if failed => client.get_ref().set_zero_linger().unwrap(),
        Failure::ResetLater if failed => {
            drop(failures);
            // The client may end the connection by itself.
            let _ = client.read_u8().await;
            client.get_ref().set_zero_linger().unwrap();
            return;
        }
        Failure::Silent if failed => {
            drop(failures);
            let mut bytes = [0; 4_096];
            let mut is_first = true;
            while client.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                swallowed.fetch_add(usize::from(std::mem::take(&mut is_first)), SeqCst);
            }
            return;
        }
        _ => {}
    }
    // A connection that still counts as working has not failed yet.
    drop(client);
    drop(failures);
}

/// Forwards requests until the client's connection ends. Each request has its own connection to the server, because moto keeps none.
async fn forward(client: &mut BufReader<TcpStream>, [own, server]: [u16; 2]) -> io::Result<()> {
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let from = head.len();
            if client.read_line(&mut head).await? == 0 {
                return Ok(());
            }
            match head[from..].split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().unwrap(),
                None if head[from..].trim().is_empty() => break,
                _ => {}
            }
        }
        let mut request = head.replacen("\r\n", "\r\nconnection: close\r\n", 1).into_bytes();
        let head = request.len();
        request.resize(head + length, 0);
        client.read_exact(&mut request[head..]).await?;
        let mut connection = TcpStream::connect(("127.0.0.1", server)).await?;
        connection.write_all(&with_port(request, own, server)).await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let rest = with_port(answer.split_off(head), server, own);
        let head = String::from_utf8(answer).unwrap();
        let kept = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head = with_port(kept.collect::<Vec<_>>().join("\r\n").into_bytes(), server, own);
        client.get_mut().write_all(&[head, rest].concat()).await?;
    }
}

/// Replaces the port of the sandbox's address, which appears in scopes, in documents and in the claims of tokens.
fn with_port(message: Vec<u8>, old: u16, new: u16) -> Vec<u8> {
    assert_eq!(old.ilog10(), new.ilog10(), "ports that the system chooses have five digits, so no length changes");
    let replaced = |text: &str| {
        let text = text.replace(&format!("localhost:{old}"), &format!("localhost:{new}"));
        text.replace(&format!("localhost%3A{old}"), &format!("localhost%3A{new}"))
    };
    let text = String::from_utf8(message).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !['-', '_', '.'].contains(&c));
    let claims = words.filter(|word| word.starts_with("eyJ")).filter_map(|token| token.split('.').nth(1));
    let with_tokens = claims.fold(replaced(&text), |text, claims| match URL_SAFE_NO_PAD.decode(claims).map(String::from_utf8) {
        Ok(Ok(decoded)) => text.replace(claims, &URL_SAFE_NO_PAD.encode(replaced(&decoded))),
        _ => text,
    });
    with_tokens.into_bytes()
}
