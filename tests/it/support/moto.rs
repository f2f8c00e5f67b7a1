//! Simulated AWS. Each test that needs one has a separate moto server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Credentials, Region};

/// The environment variable with the path of the `moto_server` program. `scripts/test` sets it.
const PROGRAM: &str = "ENTRA_CONSENT_TEST_MOTO";

/// Longest time until moto starts. On two idle cores, a start takes 1.3 s, so this limit means that it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running moto server on loopback. Dropping it ends the process.
pub(crate) struct Moto {
    /// The address for the AWS clients' endpoint, for example `http://127.0.0.1:41235`.
    pub(crate) url: String,
    process: Child,
}

impl Moto {
    /// A Secrets Manager client for this server.
    pub(crate) fn secrets_manager(&self) -> Client {
        Client::from_conf(
            Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("eu-central-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "test"))
                .endpoint_url(&self.url)
                .build(),
        )
    }

    /// Starts a server on a free port and waits until it answers.
    pub(crate) fn start() -> Self {
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| {
            panic!(
                "{PROGRAM} is not set, and this test needs the moto server. Run scripts/test, which installs it, \
                 or after one such run: {PROGRAM}=target/test-venv/bin/moto_server cargo test"
            )
        });
        // With port 0, the system chooses the port. If the test chose one, another process could take it before moto binds it.
        let mut process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env_remove("MOTO_PORT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{PROGRAM} ({}) cannot be started: {error}", program.display()));
        let stderr = process.stderr.take().expect("stderr is piped");
        // From here on, a panic of the test ends the process too, because it drops `moto`.
        let mut moto = Self { url: String::new(), process };
        moto.url = announced_address(stderr);
        moto.ping();
        moto
    }

    fn ping(&self) {
        let address = self.url.strip_prefix("http://").expect("an http address");
        let mut stream = TcpStream::connect(address).expect("moto listens on its announced address");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        write!(stream, "GET /moto-api/data.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("moto takes a request");
        let mut status = String::new();
        BufReader::new(stream).take(4096).read_line(&mut status).expect("moto answers");
        assert!(status.contains(" 200 "), "moto answered {status:?}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // This fails only if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the server's address from its output. Keeps reading after that, because a full pipe would stop the server.
fn announced_address(stderr: impl Read + Send + 'static) -> String {
    let (found, address) = mpsc::channel();
    let (said, everything) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("Running on ") {
                let _ = found.send(rest.trim().to_owned());
            }
            let _ = said.send(line);
        }
    });
    address.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let said: Vec<String> = everything.try_iter().collect();
        panic!("moto did not start; its output:\n{}", said.join("\n"))
    })
}
