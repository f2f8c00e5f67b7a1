//! The real `entra-consent serve` as a process: killed, restarted, stopped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use entra_consent::consent::Outcome;
use entra_consent::serve::store::{Queue, Store, StoredItem};
use entra_sandbox::{TenantId, demo};
use serde_json::Value;

use super::webhook::{Post, Receiver, SECRET, Say};
use crate::support::installation::{TestInstallation, write_secret};
use crate::support::order::signed_order;
use crate::support::stage::checked_record;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");

/// A running `serve`. Dropping it kills the process, as with `kill -9`.
pub(super) struct Served {
    child: Child,
    pub(super) base: String,
    told: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
    records: PathBuf,
}

impl Served {
    /// Starts the process and waits until it listens.
    pub(super) fn start(test: &TestInstallation, arguments: &[&str]) -> Self {
        let records = test.file("records.jsonl");
        let out = File::options().create(true).append(true).open(&records).unwrap();
        let mut child = Command::new(PROGRAM)
            .arg("serve")
            .args(if arguments.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(arguments)
            .env_clear()
            .envs(test.environment())
            // The proxy is for outside addresses. No server listens at its address, so no request can leave the machine.
            .env("http_proxy", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        let (ready, listening) = std::sync::mpsc::channel();
        let (stderr, keep) = (child.stderr.take().unwrap(), Arc::clone(&told));
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keep.lock().unwrap().push_str(&format!("{line}\n"));
                if line.contains("Ctrl-C stops") {
                    let _ = ready.send(());
                }
            }
        });
        let mut served = Self { child, base: String::new(), told, reading: Some(reading), records };
        if listening.recv_timeout(Duration::from_secs(60)).is_err() {
            panic!("serve does not listen; its output:\n{}", served.told());
        }
        let told = served.told();
        served.base = told.split("http://").nth(1).unwrap().split(". ").next().unwrap().to_owned();
        served
    }

    pub(super) fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    /// All records, those of earlier processes included.
    pub(super) fn records(&self) -> Vec<Value> {
        std::fs::read_to_string(&self.records).unwrap().split_inclusive('\n').map(checked_record).collect()
    }

    #[cfg(unix)]
    pub(super) fn tell(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits until the process exits.
    pub(super) fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        (status, self.told())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition, without a time limit.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

pub(super) fn test(more: &str) -> TestInstallation {
    TestInstallation::with(&format!("[store]\npath = \"entra-consent.redb\"\n{more}"))
}

pub(super) fn with_webhook(receiver: &Receiver) -> TestInstallation {
    let more = format!("[webhook]\nurl = \"{}/hook?sig=canary-secret\"\nsecret = {{ file = \"webhook.txt\" }}", receiver.base);
    let test = test(&more);
    write_secret(&test.file("webhook.txt"), SECRET);
    test
}

/// As [`with_webhook`], with checks after 1 s and 3 s.
fn quick_with_webhook(receiver: &Receiver) -> TestInstallation {
    let worker = "[worker]\nschedule = [\"1s\", \"3s\"]\n";
    let test = test(&format!("{worker}[webhook]\nurl = \"{}/hook\"\nsecret = {{ file = \"webhook.txt\" }}", receiver.base));
    write_secret(&test.file("webhook.txt"), SECRET);
    test
}

/// Sends the callback of a claim of success, and returns the path of its result page.
async fn call_back(served: &Served, test: &TestInstallation) -> String {
    let ticket = test.ticket(demo::CONTOSO).await;
    let callback = format!("http://{}/callback?admin_consent=True&tenant={}&state={ticket}", served.base, demo::CONTOSO);
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let answer = http.get(&callback).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    reqwest::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap().path().to_owned()
}

async fn page(served: &Served, path: &str) -> String {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let mut path = path.to_owned();
    loop {
        let answer = http.get(format!("http://{}{path}", served.base)).send().await.unwrap();
        match answer.headers().get("location") {
            Some(renewed) => path = reqwest::Url::parse(renewed.to_str().unwrap()).unwrap().path().to_owned(),
            None => return answer.text().await.unwrap(),
        }
    }
}

/// An order as the callback stores it right after a claim without a visible approval.
pub(super) async fn order(test: &TestInstallation, tenant: TenantId) -> String {
    signed_order(&test.installation, &test.ticket(tenant).await, Outcome::Pending, 0).await
}

/// Adds a message to the store while `serve` is stopped.
pub(super) async fn keep(test: &TestInstallation, queue: Queue, id: &str, body: &str) {
    let store = Store::open(&test.file("entra-consent.redb")).await.unwrap();
    let item = StoredItem { id: id.into(), body: body.into(), failures: 0, since: 0 };
    store.put(queue, 0, item).await.unwrap();
}

#[tokio::test]
async fn the_next_process_processes_an_order_on_disk() {
    let test = test("");
    test.approve(demo::CONTOSO);
    let order = order(&test, demo::CONTOSO).await;
    keep(&test, Queue::Orders, "", &order).await;
    let served = Served::start(&test, &[]);
    until("the order's conclusion", || !served.records().is_empty()).await;
    let record = served.records().remove(0);
    assert_eq!((&record["outcome"]["before"], &record["outcome"]["after"]), (&"pending".into(), &"granted".into()));
    // After the stop signal, `serve` finishes the current order completely: it records the outcome and removes the order.
    served.tell("-TERM");
    let (status, told) = served.ended();
    assert_eq!(status.code(), Some(0), "{told}");

    keep(&test, Queue::Deliveries, "transition-1", "{}").await;
    let served = Served::start(&test, &[]);
    assert!(served.told().contains("0 orders wait"), "{}", served.told());
    assert!(served.told().contains("no other system gets the outcomes. 1 events of earlier wait"), "{}", served.told());
}

#[tokio::test]
async fn a_backlog_of_one_tenant_delays_no_event_of_another() {
    let receiver = Receiver::start([]).await;
    let test = with_webhook(&receiver);
    let event = |tenant: &str| format!(r#"{{"data":{{"tenant":{{"id":"{tenant}"}}}}}}"#);
    for number in 0..40 {
        keep(&test, Queue::Deliveries, &format!("busy-{number}"), &event("busy")).await;
    }
    keep(&test, Queue::Deliveries, "quiet-1", &event("quiet")).await;
    let _served = Served::start(&test, &[]);
    until("all posts", || receiver.posts().len() == 41).await;
    let at = receiver.posts().iter().position(|post| post.header("webhook-id") == "quiet-1").unwrap();
    assert!(at < 4, "among the first four, which are posted at once: {at}");
}

#[tokio::test]
async fn an_unfinished_post_is_repeated_after_a_kill_with_its_id() {
    let receiver = Receiver::start([Say::Hang]).await;
    let test = with_webhook(&receiver);
    keep(&test, Queue::Deliveries, "transition-1", r#"{"type":"consent.outcome"}"#).await;
    let served = Served::start(&test, &[]);
    assert!(served.told().contains("go to the webhook at 127.0.0.1.\n"), "{}", served.told());
    until("the first post", || receiver.posts().len() == 1).await;
    drop(served);

    let served = Served::start(&test, &[]);
    until("the second post", || receiver.posts().len() == 2).await;
    let posts = receiver.posts();
    assert!(posts.iter().all(|post| post.header("webhook-id") == "transition-1" && post.body == posts[0].body));
    for post in &posts {
        standardwebhooks::Webhook::new(SECRET).unwrap().verify(&post.body, &post.headers).unwrap();
    }
    assert!(!served.told().contains("canary-secret"), "{}", served.told());
}

#[tokio::test]
async fn a_process_killed_between_callback_and_conclusion_forgets_neither_order_nor_event() {
    let receiver = Receiver::start([]).await;
    let test = quick_with_webhook(&receiver);
    let served = Served::start(&test, &[]);
    call_back(&served, &test).await;
    drop(served);
    let after = |record: &Value| record["outcome"]["after"].as_str().map(str::to_owned);
    test.approve(demo::CONTOSO);

    let served = Served::start(&test, &[]);
    until("the conclusion", || served.records().iter().any(|record| after(record).as_deref() == Some("granted"))).await;
    let concluded = served.records().into_iter().filter(|record| record["event"] == "concluded");
    let transitions: BTreeMap<String, String> =
        concluded.map(|record| (record["transition"].as_str().unwrap().to_owned(), after(&record).unwrap())).collect();
    let told = || -> BTreeMap<String, String> {
        let told = |post: &Post| (post.header("webhook-id").to_owned(), after(&post.json()["data"]).unwrap());
        receiver.posts().iter().map(told).collect()
    };
    assert_eq!(transitions.len(), 2, "{transitions:?}");
    until("both events", || told().len() == 2).await;
    assert_eq!(told(), transitions);
    for post in receiver.posts() {
        standardwebhooks::Webhook::new(SECRET).unwrap().verify(&post.body, &post.headers).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn one_signal_finishes_current_work_and_a_second_stops_at_once() {
    let receiver = Receiver::start([Say::Hang]).await;
    let test = with_webhook(&receiver);
    let served = Served::start(&test, &[]);
    served.tell("-TERM");
    let (status, told) = served.ended();
    assert_eq!(status.code(), Some(0), "{told}");

    keep(&test, Queue::Deliveries, "transition-1", "{}").await;
    let mut served = Served::start(&test, &[]);
    until("the post", || receiver.posts().len() == 1).await;
    served.tell("-TERM");
    assert!(served.child.try_wait().unwrap().is_none(), "a post is in progress");
    // Two signals in quick succession merge into one, so the test repeats the second signal until the process exits.
    until("the end", || {
        served.tell("-TERM");
        std::thread::sleep(Duration::from_millis(20));
        served.child.try_wait().unwrap().is_some()
    })
    .await;
    let (status, told) = served.ended();
    assert_eq!(status.code(), Some(130), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_request_that_never_comes_in_full_keeps_no_process_from_ending() {
    let test = test("");
    let mut served = Served::start(&test, &[]);
    let mut half = std::net::TcpStream::connect(served.base.trim_start_matches("http://")).unwrap();
    half.write_all(b"GET /health HTTP/1.1\r\nHos").unwrap();
    served.tell("-TERM");
    until("the end", || served.child.try_wait().unwrap().is_some()).await;
    let (status, told) = served.ended();
    assert_eq!(status.code(), Some(0), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_that_others_can_read_stops_the_start() {
    let receiver = Receiver::start([]).await;
    for name in ["keys.json", "webhook.txt"] {
        let test = with_webhook(&receiver);
        std::fs::set_permissions(test.file(name), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let output = run(&test, &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains("others on this machine may read") && told.contains("try: chmod 600 ") && told.trim_end().ends_with(name),
            "{told}"
        );
    }
}

#[tokio::test]
async fn listening_for_other_machines_warns_without_trusted_proxies() {
    for (proxies, warns) in [("", true), ("trusted_proxies = [\"127.0.0.1/32\"]\n", false)] {
        let test = TestInstallation::replacing("", &[("[site]\n", &format!("[site]\n{proxies}"))]);
        let served = Served::start(&test, &["--listen", "0.0.0.0:0"]);
        assert_eq!(served.told().contains("site.trusted_proxies is empty"), warns, "{}", served.told());
    }
    let test = test("");
    assert!(!Served::start(&test, &[]).told().contains("site.trusted_proxies is empty"));
}

#[tokio::test]
async fn a_truncated_store_is_named_in_health_and_log_and_work_goes_on() {
    let receiver = Receiver::start([]).await;
    let test = with_webhook(&receiver);
    let store = test.file("entra-consent.redb");
    keep(&test, Queue::Deliveries, "before", "{}").await;
    let whole = std::fs::metadata(&store).unwrap().len();
    File::options().write(true).open(&store).unwrap().set_len(whole / 10).unwrap();
    let served = Served::start(&test, &[]);
    assert!(page(&served, "/health").await.contains(r#""store":"damaged""#));
    let told = served.told();
    assert!(told.contains("entra-consent.redb.damaged-1") && told.contains("a part of the store is lost"), "{told}");
    assert!(told.contains("deliveries") && told.contains("due 0 no. 0 to due"), "{told}");
    assert!(told.matches("panicked").count() < 10, "{told}");
    assert_eq!(std::fs::metadata(test.file("entra-consent.redb.damaged-1")).unwrap().len(), whole / 10);
    drop(served);
    keep(&test, Queue::Deliveries, "after", "{}").await;
    let served = Served::start(&test, &[]);
    until("the post", || receiver.posts().iter().any(|post| post.header("webhook-id") == "after")).await;
    assert!(!page(&served, "/health").await.contains("damaged"));
}

/// What the page says if no check is arranged.
const RELOAD: &str = "Please reload this page in a minute";

#[cfg(unix)]
#[tokio::test]
async fn a_second_process_serves_and_takes_the_store_when_it_is_free() {
    let receiver = Receiver::start([]).await;
    let test = quick_with_webhook(&receiver);
    let first = Served::start(&test, &[]);
    let second = Served::start(&test, &[]);
    until("the log line", || second.told().contains("another process has the store")).await;
    let result = call_back(&second, &test).await;
    let shown = page(&second, &result).await;
    assert!(shown.contains(RELOAD), "{shown}");
    let of = |event: &str| second.records().into_iter().filter(|record| record["event"] == event).collect::<Vec<_>>();
    for record in of("dispatched") {
        assert_eq!((&record["sends"]["order"], &record["sends"]["reason"]), (&"refused".into(), &"held".into()));
    }
    assert_eq!(of("dispatched")[0]["sends"]["event"], "sent");
    assert!(receiver.posts().is_empty(), "nothing is stored yet");

    test.approve(demo::CONTOSO);
    first.tell("-TERM");
    assert_eq!(first.ended().0.code(), Some(0));
    until("the log line", || second.told().contains("the store is open, and what was held in memory is stored")).await;
    until("both events", || receiver.posts().len() == 2).await;
    let told: Vec<_> = receiver.posts().iter().map(|post| post.json()["data"]["outcome"]["after"].clone()).collect();
    assert_eq!(told, ["pending", "granted"]);
    let concluded: Vec<_> = of("concluded").iter().map(|record| record["outcome"]["after"].clone()).collect();
    assert_eq!(concluded, ["pending", "granted"]);
    assert!(!page(&second, &result).await.contains(RELOAD));
    assert_eq!(of("failed").len(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_that_ends_without_the_store_records_what_is_lost() {
    let receiver = Receiver::start([]).await;
    // One waits until its patience ends, and one until a signal comes.
    for signal in [None, Some("-TERM")] {
        let test = quick_with_webhook(&receiver);
        let _first = Served::start(&test, &[]);
        let second = Served::start(&test, &[]);
        let result = call_back(&second, &test).await;
        assert!(page(&second, &result).await.contains(RELOAD));
        if let Some(signal) = signal {
            second.tell(signal);
        }
        let records = test.file("records.jsonl");
        let (status, told) = second.ended();
        assert_eq!(status.code(), Some(if signal.is_some() { 0 } else { 1 }), "{told}");
        let is_in_use = told.contains("entra-consent.redb is in use by another process") && told.contains("store.path");
        assert_eq!(is_in_use, signal.is_none(), "{told}");
        let records: Vec<_> = std::fs::read_to_string(records).unwrap().split_inclusive('\n').map(checked_record).collect();
        let of = |event: &str| records.iter().find(|record| record["event"] == event).unwrap_or_else(|| panic!("{event}: {told}"));
        let lost = serde_json::json!({ "id": of("dispatched")["transition"], "received": 0, "reason": "not_stored" });
        assert_eq!(of("failed")["message"], lost);
    }
    assert!(receiver.posts().is_empty());
}

#[tokio::test]
async fn a_damaged_store_stops_the_start_and_says_what_to_do() {
    let test = test("");
    std::fs::write(test.file("entra-consent.redb"), b"not a store".repeat(1000)).unwrap();
    let output = run(&test, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("entra-consent.redb is damaged") && told.contains("move the file away"), "{told}");
}

#[tokio::test]
async fn what_contradicts_itself_or_cannot_sign_stops_the_start() {
    let receiver = Receiver::start([]).await;
    let test = with_webhook(&receiver);
    write_secret(&test.file("webhook.txt"), "canary-secret-that-signs-nothing");
    let output = run(&test, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("webhook.txt cannot sign: it does not begin with whsec_") && told.contains("openssl rand"), "{told}");
    assert!(!told.contains("canary"), "{told}");

    let queue = "[worker]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/123456789012/orders\"";
    let bus = "[events]\nbus = \"default\"";
    for (more, key) in [(queue, "worker.queue"), (bus, "events.bus")] {
        let output = run(&self::test(more), &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("store.path and {key} contradict")), "{told}");
    }
    let output = run(&TestInstallation::new(), &["--retry-dead-letters"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("add a table [store]"));
}

#[tokio::test]
async fn dead_letters_are_shown_at_the_start_and_tried_again_when_asked() {
    let receiver = Receiver::start([]).await;
    let test = with_webhook(&receiver);
    keep(&test, Queue::Deliveries, "transition-1", "{}").await;
    {
        let store = Store::open(&test.file("entra-consent.redb")).await.unwrap();
        let (slot, item) = store.due(Queue::Deliveries, 1, 1).await.unwrap().remove(0);
        store.give_up(slot, StoredItem { failures: 10, ..item }, 5, "HTTP 500").await.unwrap();
    }
    let served = Served::start(&test, &[]);
    assert!(served.told().contains("1 dead letters") && served.told().contains("delivery transition-1: HTTP 500 (10 attempts)"));
    drop(served);
    let served = Served::start(&test, &["--retry-dead-letters"]);
    until("the post", || receiver.posts().len() == 1).await;
    assert!(served.told().contains("1 dead letters are tried again"), "{}", served.told());
}

/// A start that fails.
fn run(test: &TestInstallation, arguments: &[&str]) -> std::process::Output {
    Command::new(PROGRAM).args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).env_clear().envs(test.environment()).output().unwrap()
}
