//! The real program as an operator runs it: `entra-consent serve` and `entra-consent link` as processes with one `consent.toml`, a sandbox
//! as their Microsoft, and browsers that go between `serve` and the sandbox.
//!
//! The public address is https, as behind a reverse proxy. The test's browsers send requests for this address directly to the process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_consent::config::Config;
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::record::Sink;
use entra_sandbox::{
    AppRegistration, ClientSecret, Control, PermissionSet, Sandbox, SandboxClock, SandboxOptions, Scenario, TenantId, UserRole, demo,
};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use super::installation::write_secret;
use super::northwind::{self, APP_SECRET, APPLE_AND_CHAIN, BY_ITSELF, KEY, READER_SECRET, USUAL, mail_backup, reader};
use super::stage::{CANARY, Page, READER, checked_record};
use super::terminal::Told;

/// The public address.
pub(crate) const BASE_URL: &str = "https://consent.northwind.example";

/// An installation and its current server. Dropping it stops both and deletes the folder.
pub(crate) struct Service {
    folder: PathBuf,
    _sandbox: Sandbox,
    pub(crate) control: Control,
    /// The clock of Microsoft and of a server in this process. The real program uses the machine's clock.
    clock: SandboxClock,
    /// How far the clock of the real program is ahead of the machine's, by libfaketime.
    ahead: Duration,
    serving: Serving,
    http: reqwest::Client,
    pages: Arc<Mutex<Vec<String>>>,
}

enum Serving {
    Nobody,
    Process(Child, String),
    Here(String, oneshot::Sender<()>, JoinHandle<std::io::Result<()>>),
}

/// The program under test: `scripts/soak` names its release build.
fn program() -> String {
    std::env::var("ENTRA_CONSENT_TEST_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_entra-consent").into())
}

fn environment(name: &str) -> Option<String> {
    match name {
        "APP_SECRET" => Some(APP_SECRET.into()),
        "READER_SECRET" => Some(READER_SECRET.into()),
        _ => None,
    }
}

impl Service {
    /// An installation without a server.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// An installation whose Microsoft differs from the usual one.
    pub(crate) fn with(change: impl FnOnce(&mut Scenario)) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("service-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let redirect = format!("{BASE_URL}/callback");
        let mut scenario = Scenario::demo(&redirect).with_companions();
        let secret = |value: &str| vec![ClientSecret { value: value.into(), expires: None }];
        for app in scenario.apps.iter_mut().filter(|app| app.client_id == demo::APP) {
            app.secrets = secret(APP_SECRET);
        }
        scenario.apps.push(AppRegistration {
            home: Some(demo::HOME),
            redirect_uris: vec![redirect],
            secrets: secret(READER_SECRET),
            permissions: vec![PermissionSet::graph(&["Directory.Read.All", "ConsentRequest.Read.All", "Policy.Read.All"], &[])],
            ..AppRegistration::new(READER, "Northwind Reader")
        });
        change(&mut scenario);
        let clock = SandboxClock::system();
        let sandbox = Sandbox::start(SandboxOptions { port: None, clock: clock.clone(), scenario }).unwrap();
        write_secret(&folder.join("keys.json"), KEY);
        let rights = r#"application = { required = ["Directory.Read.All"], optional = ["ConsentRequest.Read.All", "Policy.Read.All"] }"#;
        let head = northwind::head(BASE_URL, r#"{ file = "keys.json" }"#, sandbox.url(), "");
        let apps = [reader(rights), mail_backup(BY_ITSELF, USUAL)].concat();
        let text = [head, apps, APPLE_AND_CHAIN.into()].concat();
        std::fs::write(folder.join("consent.toml"), text).unwrap();
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let control = sandbox.control();
        Self { folder, _sandbox: sandbox, control, clock, ahead: Duration::ZERO, serving: Serving::Nobody, http, pages: Arc::default() }
    }

    /// An installation with the real program as its server.
    pub(crate) fn started() -> Self {
        let mut service = Self::new();
        service.start();
        service
    }

    /// Starts `entra-consent serve` and waits until it listens.
    pub(crate) fn start(&mut self) {
        let records = File::options().create(true).append(true).open(self.records_file()).unwrap();
        let mut child = self
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            // The records go to a file and not to a pipe, because a file already contains everything that was written before the answer.
            .stdout(records)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (ready, listening) = std::sync::mpsc::channel();
        let stderr = child.stderr.take().unwrap();
        // The thread keeps reading, because a full pipe would stop the program.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = ready.send(line);
            }
        });
        let mut told = String::new();
        self.serving = Serving::Process(child, String::new());
        while !told.contains("Ctrl-C stops") {
            match listening.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => told.push_str(&(line + "\n")),
                Err(_) => panic!("serve does not listen; its output:\n{told}"),
            }
        }
        let base = told.split("http://").nth(1).unwrap().split(". ").next().unwrap();
        if let Serving::Process(_, address) = &mut self.serving {
            *address = format!("http://{base}");
        }
    }

    /// Kills the process and starts another, so everything in memory is lost.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Kills the process.
    pub(crate) fn stop(&mut self) {
        if let Serving::Process(mut child, _) = std::mem::replace(&mut self.serving, Serving::Nobody) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The running process: its id and the address where it listens.
    pub(crate) fn process(&self) -> (u32, SocketAddr) {
        let Serving::Process(child, base) = &self.serving else { panic!("no process is running") };
        (child.id(), base.trim_start_matches("http://").parse().unwrap())
    }

    /// Serves in this process, with a clock that is this far behind the machine's clock. The program itself has no switch to move its
    /// clock.
    pub(crate) async fn serve_in_the_past(&mut self, behind: Duration) {
        self.stop();
        self.clock.set(OffsetDateTime::now_utc() - behind);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let time = self.clock.clone();
        let installation = Arc::new(self.installation(Clock::new(move || time.now())));
        let served = tokio::spawn(entra_consent::serve::http::serve(installation, listener, async {
            let _ = stopped.await;
        }));
        self.serving = Serving::Here(base, stop, served);
    }

    /// Stops the server in the past, sets Microsoft's clock to the machine's time and starts the real program.
    pub(crate) async fn start_in_the_present(&mut self) {
        if let Serving::Here(_, stop, served) = std::mem::replace(&mut self.serving, Serving::Nobody) {
            let _ = stop.send(());
            served.await.unwrap().unwrap();
        }
        self.clock.set(OffsetDateTime::now_utc());
        self.start();
    }

    /// Advances the clock of a server in the past.
    pub(crate) fn advance(&self, by: Duration) {
        assert!(matches!(self.serving, Serving::Here(..)), "a test cannot move the machine's clock");
        self.clock.advance(by);
    }

    /// The same installation in this process, with a clock that is this far behind the machine's clock.
    pub(crate) fn site_behind(&self, behind: Duration) -> Installation {
        self.installation(Clock::new(move || OffsetDateTime::now_utc() - behind))
    }

    fn installation(&self, clock: Clock) -> Installation {
        let config = Config::load(&self.folder.join("consent.toml"), &environment).unwrap();
        let records = self.records_file();
        Installation::new(
            config,
            Dependencies {
                roots: Roots::Embedded,
                clock,
                rng: Rng::system(),
                sink: Sink::new(move |line| File::options().create(true).append(true).open(&records)?.write_all(line)),
                environment,
                outbox: None,
                aws: None,
            },
        )
    }

    /// Lets time pass for Microsoft and for the real program, which starts again.
    pub(crate) fn pass(&mut self, by: Duration) {
        self.stop();
        self.clock.advance(by);
        self.ahead += by;
        self.start();
    }

    /// Sets the environment, with the time of Microsoft.
    fn at_its_time(&self, command: &mut Command) {
        command.current_dir(&self.folder).env_clear();
        command.envs([("APP_SECRET", APP_SECRET), ("READER_SECRET", READER_SECRET)]);
        if self.ahead > Duration::ZERO {
            let library = faketime();
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("+{}", self.ahead.as_secs()));
            // Timers measure with the monotonic clock, which stays as it is.
            command.envs([("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        self.at_its_time(command.args(arguments));
        command
    }

    /// A line as a person types it in a shell, in the installation's folder.
    pub(crate) fn shell(&self, line: &str) -> Told {
        let mut command = Command::new("/bin/sh");
        self.at_its_time(command.arg("-c").arg(line));
        let programs = Path::new(env!("CARGO_BIN_EXE_entra-consent")).parent().unwrap().display();
        let Output { status, stdout, stderr } =
            command.env("PATH", format!("{programs}:/usr/bin:/bin")).stdin(Stdio::null()).output().unwrap();
        let [out, err] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(!out.contains(CANARY) && !err.contains(CANARY), "a secret was printed: {out}{err}");
        Told { status: status.code().unwrap(), out, err }
    }

    /// The link that `entra-consent link` prints, and the link's ID from the comment.
    pub(crate) fn link(&self, arguments: &[&str]) -> (String, String) {
        let output = self.command(&[&["link"], arguments].concat()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {told}");
        let link = String::from_utf8(output.stdout).unwrap();
        assert_eq!(link.lines().count(), 1, "{link}");
        let id = told.split("consent.toml: ").nth(1).unwrap().trim().to_owned();
        (link.trim_end().to_owned(), id)
    }

    /// The message of `entra-consent link` if it refuses to make a link.
    pub(crate) fn refused_link(&self, arguments: &[&str]) -> String {
        let output = self.command(&[&["link"], arguments].concat()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        String::from_utf8(output.stderr).unwrap()
    }

    /// An invitation for Contoso, made by `entra-consent link`.
    pub(crate) fn invitation(&self, what: [&str; 2]) -> String {
        let (link, _) = self.link(&[what[0], what[1], "--tenant", "contoso.example", "--label", "Contoso GmbH"]);
        assert!(link.starts_with(&format!("{BASE_URL}/i/")) && link.len() <= 700, "{link}");
        link
    }

    /// Adds lines at the top of `consent.toml`. The program reads them when it starts.
    pub(crate) fn configure(&self, lines: &str) {
        let path = self.folder.join("consent.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{lines}\n{text}")).unwrap();
    }

    /// All records so far, each checked against the schema.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.records_file()).unwrap_or_default();
        text.split_inclusive('\n').map(checked_record).collect()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.records().iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect()
    }

    fn records_file(&self) -> PathBuf {
        self.file("records.jsonl")
    }

    /// A file in the installation's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A browser without cookies or history.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { service: self, cookies: RefCell::default() }
    }
}

/// The library that gives a program another time. `scripts/test` installs it.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map_while(Result::ok);
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.is_file()).expect("libfaketime is missing (on Debian: apt-get install faketime)")
}

impl Drop for Service {
    /// After any test, asserts that no record and no page contains a secret.
    fn drop(&mut self) {
        self.stop();
        let records = std::fs::read_to_string(self.records_file()).unwrap_or_default();
        let _ = std::fs::remove_dir_all(&self.folder);
        if !std::thread::panicking() {
            let pages = self.pages.lock().unwrap();
            assert!(!records.contains(CANARY) && pages.iter().all(|page| !page.contains(CANARY)), "the output contains a secret");
        }
    }
}

/// One browser with its cookies, by name.
pub(crate) struct Browser<'s> {
    service: &'s Service,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser<'_> {
    fn request(&self, method: Method, address: &str) -> RequestBuilder {
        let (Serving::Process(_, base) | Serving::Here(base, ..)) = &self.service.serving else { panic!("no server is running") };
        let ours = address.strip_prefix(BASE_URL);
        let url = ours.map_or_else(|| address.to_owned(), |path| format!("{base}{path}"));
        let request = self.service.http.request(method, url);
        let cookies: Vec<_> = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if ours.is_some() && !cookies.is_empty() { request.header("cookie", cookies.join("; ")) } else { request }
    }

    async fn send(&self, request: RequestBuilder, url: &str) -> Page {
        let answer = request.send().await.unwrap();
        if let Some(set) = answer.headers().get("set-cookie") {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        let page = Page { status, headers, url: url.to_owned(), body: answer.text().await.unwrap() };
        self.service.pages.lock().unwrap().push(page.body.clone());
        page
    }

    /// One request without a body or redirects.
    pub(crate) async fn ask(&self, method: Method, address: &str, headers: &[(&str, &str)]) -> Page {
        let request = headers.iter().fold(self.request(method, address), |request, (name, value)| request.header(*name, *value));
        self.send(request, address).await
    }

    /// Opens an address and follows redirects within the product.
    pub(crate) async fn open(&self, address: &str) -> Page {
        let mut page = self.ask(Method::GET, address, &[]).await;
        while let Some(next) = page.header("location").filter(|next| next.starts_with(BASE_URL)).map(str::to_owned) {
            page = self.ask(Method::GET, &next, &[]).await;
        }
        page
    }

    /// Presses a step's button and returns the address behind it.
    pub(crate) async fn press(&self, address: &str, step: &str) -> String {
        let pressed = self.send(self.request(Method::POST, address).form(&[("step", step)]), address).await;
        assert_eq!(pressed.status.as_u16(), 303, "{}", pressed.body);
        pressed.header("location").unwrap().to_owned()
    }

    /// Signs in at Microsoft as an administrator of a tenant and decides. Returns the page where the browser ends.
    pub(crate) async fn decide(&self, link: &str, tenant: TenantId, what: &str) -> Page {
        self.decide_as(link, tenant, UserRole::Administrator, what).await
    }

    /// As [`Self::decide`], with an account of any role.
    pub(crate) async fn decide_as(&self, link: &str, tenant: TenantId, role: UserRole, what: &str) -> Page {
        let user = self.service.control.user(tenant, role).unwrap().to_string();
        let link = Url::parse(link).unwrap();
        let answer = self.service.http.post(link.clone()).form(&[("user", user.as_str()), ("do", what)]).send().await.unwrap();
        match answer.headers().get("location").map(|next| next.to_str().unwrap().to_owned()) {
            Some(next) if next.starts_with(BASE_URL) => self.open(&next).await,
            _ => Page { status: answer.status(), headers: answer.headers().clone(), url: link.into(), body: answer.text().await.unwrap() },
        }
    }
}
